//! A table as DataFusion asks it: which columns, and which conditions can spare us rows.

use crate::batch::Rows;
use crate::dictionary::Table;
use crate::session::Source;
use crate::tables;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use domain::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Batches that wait between the thread that reads and the one that computes.
const WAITING: usize = 2;

/// What the conditions of a question say about a table's columns. DataFusion asks them again; here they only spare rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sought {
    words: Vec<(&'static str, BTreeSet<String>)>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl Sought {
    fn of(table: &'static Table, filters: &[Expr]) -> Sought {
        let mut sought = Sought::default();
        for filter in filters {
            sought.take(table, filter);
        }
        sought
    }

    /// Takes a condition, if it is one that can spare rows.
    fn take(&mut self, table: &'static Table, filter: &Expr) -> bool {
        let column = |expr: &Expr| match expr {
            Expr::Column(column) => {
                table.columns.iter().find(|known| known.name == column.name).map(|known| known.name)
            }
            _ => None,
        };
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (name, op, value) = match (column(left), right.as_ref(), column(right), left.as_ref()) {
                    (Some(name), Expr::Literal(value, _), _, _) => (name, Some(*op), value),
                    (_, _, Some(name), Expr::Literal(value, _)) => (name, op.swap(), value),
                    _ => return false,
                };
                match (op, text(value), value) {
                    (Some(Operator::Eq), Some(word), _) => {
                        self.words.push((name, BTreeSet::from([word.to_owned()])));
                        true
                    }
                    (Some(op), _, ScalarValue::TimestampMillisecond(Some(at), _)) if name == "time" => {
                        self.bound(op, Timestamp(*at))
                    }
                    _ => false,
                }
            }
            Expr::InList(list) if !list.negated => {
                let Some(name) = column(&list.expr) else { return false };
                let words = list.list.iter().map(|expr| match expr {
                    Expr::Literal(value, _) => text(value).map(str::to_owned),
                    _ => None,
                });
                let Some(words) = words.collect::<Option<BTreeSet<String>>>() else { return false };
                self.words.push((name, words));
                true
            }
            _ => false,
        }
    }

    /// Bounds are taken as inclusive; what is one millisecond too much is left out by DataFusion.
    fn bound(&mut self, op: Operator, at: Timestamp) -> bool {
        let later = |known: Option<Timestamp>| Some(known.map_or(at, |known| known.max(at)));
        let earlier = |known: Option<Timestamp>| Some(known.map_or(at, |known| known.min(at)));
        match op {
            Operator::Eq => (self.from, self.to) = (later(self.from), earlier(self.to)),
            Operator::Gt | Operator::GtEq => self.from = later(self.from),
            Operator::Lt | Operator::LtEq => self.to = earlier(self.to),
            _ => return false,
        }
        true
    }

    /// Whether a text column may have this value; null is no value.
    pub(crate) fn may_be(&self, column: &str, value: Option<&str>) -> bool {
        let mut asked = self.words.iter().filter(|(name, _)| *name == column);
        asked.all(|(_, words)| value.is_some_and(|value| words.contains(value)))
    }

    /// The few values that a text column may have; none: any.
    pub(crate) fn words(&self, column: &str) -> Option<&BTreeSet<String>> {
        self.words.iter().find(|(name, _)| *name == column).map(|(_, words)| words)
    }

    /// Whether the column `time` may have this value.
    pub(crate) fn may_be_at(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => {
            Some(text)
        }
        _ => None,
    }
}

/// A table over a source.
#[derive(Debug)]
pub(crate) struct Provider {
    table: &'static Table,
    schema: SchemaRef,
    source: Arc<Source>,
}

impl Provider {
    pub(crate) fn new(table: &'static Table, source: Arc<Source>) -> Provider {
        Provider { table, schema: table.schema(), source }
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.table.columns.len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        let scan = Scan {
            table: self.table,
            columns,
            schema: schema.clone(),
            sought: Sought::of(self.table, filters),
            // With conditions, how many rows are needed shows only after they were asked.
            limit: limit.filter(|_| filters.is_empty()),
            source: self.source.clone(),
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(scan)], None, [], false, limit)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match Sought::default().take(self.table, filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }
}

/// One reading of a table.
#[derive(Debug)]
struct Scan {
    table: &'static Table,
    columns: Vec<usize>,
    schema: SchemaRef,
    sought: Sought,
    limit: Option<usize>,
    source: Arc<Source>,
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.schema.clone(), WAITING);
        let mut rows = Rows::new(self.table, &self.columns, self.schema.clone(), self.limit, stream.tx());
        let (table, source, sought) = (self.table, self.source.clone(), self.sought.clone());
        let columns = self.columns.clone();
        // Reading blocks. When the question is given up, the next batch finds nobody and the thread ends.
        stream.spawn_blocking(move || {
            tables::read(table, &source, &columns, &sought, &mut rows)
                .map_err(|error| DataFusionError::External(Box::new(error)))?;
            rows.finish();
            Ok(())
        });
        stream.build()
    }
}
