//! Rows become batches of columns, of which only those asked for are made.

use crate::dictionary::{Kind, Table};
use datafusion::arrow::array::{
    ArrayRef, Int64Builder, RecordBatch, RecordBatchOptions, StringBuilder, TimestampMillisecondBuilder,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use domain::Timestamp;
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Most rows of a batch. Half of what is usual, so that functions which blow text up meet less of it at a time.
pub(crate) const BATCH_ROWS: usize = 4_096;
/// A batch is handed on when its text is so long: properties may have 32 KB each.
const BATCH_BYTES: usize = 4 << 20;
/// Rows passed over between two looks at whether anybody still waits.
const PATIENCE: u32 = 1_024;

/// The value of one column in one row.
pub(crate) enum Cell<'a> {
    Text(Cow<'a, str>),
    Instant(Timestamp),
    Count(u64),
    Null,
}

impl<'a> Cell<'a> {
    pub(crate) fn text(text: &'a str) -> Cell<'a> {
        Cell::Text(Cow::Borrowed(text))
    }

    pub(crate) fn maybe_text(text: Option<&'a str>) -> Cell<'a> {
        text.map_or(Cell::Null, Cell::text)
    }

    pub(crate) fn maybe_instant(at: Option<Timestamp>) -> Cell<'a> {
        at.map_or(Cell::Null, Cell::Instant)
    }
}

enum Builder {
    Text(StringBuilder),
    Instant(TimestampMillisecondBuilder),
    Count(Int64Builder),
}

/// Collects rows and hands them on, batch by batch, to whoever waits for them.
pub(crate) struct Rows {
    schema: SchemaRef,
    /// The index of each column in its table.
    columns: Vec<(usize, Builder)>,
    rows: usize,
    bytes: usize,
    /// Rows that may still come.
    left: usize,
    passed_over: u32,
    to: Sender<Result<RecordBatch, DataFusionError>>,
}

impl Rows {
    /// For the columns of `table` at these indices, `schema` being theirs. At most `limit` rows are taken.
    pub(crate) fn new(
        table: &Table,
        columns: &[usize],
        schema: SchemaRef,
        limit: Option<usize>,
        to: Sender<Result<RecordBatch, DataFusionError>>,
    ) -> Rows {
        let builder = |index: &usize| match table.columns[*index].kind {
            Kind::Text | Kind::Json => (*index, Builder::Text(StringBuilder::new())),
            Kind::Instant => (*index, Builder::Instant(TimestampMillisecondBuilder::new().with_timezone("UTC"))),
            Kind::Count => (*index, Builder::Count(Int64Builder::new())),
        };
        let columns = columns.iter().map(builder).collect();
        Rows { schema, columns, rows: 0, bytes: 0, left: limit.unwrap_or(usize::MAX), passed_over: 0, to }
    }

    /// Takes a row: `cell` gives the value of the table's column of an index. Breaks when nobody wants more.
    pub(crate) fn push<'a>(&mut self, mut cell: impl FnMut(usize) -> Cell<'a>) -> ControlFlow<()> {
        if self.left == 0 {
            return ControlFlow::Break(());
        }
        for (index, builder) in &mut self.columns {
            match (cell(*index), builder) {
                (Cell::Text(text), Builder::Text(builder)) => {
                    self.bytes += text.len();
                    builder.append_value(text);
                }
                (Cell::Instant(at), Builder::Instant(builder)) => builder.append_value(at.0),
                (Cell::Count(count), Builder::Count(builder)) => {
                    builder.append_value(i64::try_from(count).unwrap_or(i64::MAX))
                }
                (_, Builder::Count(builder)) => builder.append_null(),
                (_, Builder::Text(builder)) => builder.append_null(),
                (_, Builder::Instant(builder)) => builder.append_null(),
            }
        }
        self.rows += 1;
        self.left -= 1;
        if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            return self.hand_on();
        }
        ControlFlow::Continue(())
    }

    /// A row is left out. Breaks when nobody waits any more.
    pub(crate) fn pass_over(&mut self) -> ControlFlow<()> {
        self.passed_over += 1;
        if self.passed_over.is_multiple_of(PATIENCE) && self.to.is_closed() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Hands on what is left.
    pub(crate) fn finish(mut self) {
        if self.rows > 0 {
            let _ = self.hand_on();
        }
    }

    fn hand_on(&mut self) -> ControlFlow<()> {
        let columns = self.columns.iter_mut().map(|(_, builder)| match builder {
            Builder::Text(builder) => Arc::new(builder.finish()) as ArrayRef,
            Builder::Instant(builder) => Arc::new(builder.finish()) as ArrayRef,
            Builder::Count(builder) => Arc::new(builder.finish()) as ArrayRef,
        });
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns.collect(), &options);
        (self.rows, self.bytes) = (0, 0);
        match self.to.blocking_send(batch.map_err(DataFusionError::from)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}
