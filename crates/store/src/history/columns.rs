//! The columns of a file of history: calls become columns and come back byte for byte.

use crate::RowId;
use domain::call::RecordPart;
use domain::{Call, CallKind, Position, Timestamp, Trust};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::RowGroupReader;
use parquet::file::writer::SerializedRowGroupWriter;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

/// The schema, in Parquet's own words. Columns are only ever added, at the end and optional.
///
/// | column | holds |
/// |---|---|
/// | `name` | under what the call is filed: the userId, else the anonymousId; the file is sorted by it |
/// | `time` | when it happened, UTC |
/// | `position` | its place among all calls, from 1, without gaps |
/// | `row` | the journal row in which it was committed |
/// | `received_at` | when it reached Perennial, UTC |
/// | `kind` | `track`, `page`, `screen`, `identify`, `group`, `alias` or `record` |
/// | `event` | name of the event, of track, page and screen calls |
/// | `message_id` | the id under which it counts once |
/// | `source` | name of the source that sent it |
/// | `trust` | how far the source is trusted: `browser`, `server`, `file` or `perennial` |
/// | `user_id`, `anonymous_id` | the known customer and the visitor that it names |
/// | `other_id` | of `alias`, the id that is joined to the userId; of `group`, the group's |
/// | `record_kind`, `record_id` | the record of a `record` call |
/// | `record_deleted`, `record_left` | the record ended for all; this customer's share of it ended |
/// | `body` | JSON object as sent: properties, traits or attributes |
/// | `context` | Segment's `context`, JSON object as sent |
pub(super) const SCHEMA: &str = "message calls {
    REQUIRED BYTE_ARRAY name (STRING);
    REQUIRED INT64 time (TIMESTAMP(MILLIS,true));
    REQUIRED INT64 position;
    REQUIRED INT64 row;
    REQUIRED INT64 received_at (TIMESTAMP(MILLIS,true));
    REQUIRED BYTE_ARRAY kind (STRING);
    OPTIONAL BYTE_ARRAY event (STRING);
    REQUIRED BYTE_ARRAY message_id (STRING);
    REQUIRED BYTE_ARRAY source (STRING);
    REQUIRED BYTE_ARRAY trust (STRING);
    OPTIONAL BYTE_ARRAY user_id (STRING);
    OPTIONAL BYTE_ARRAY anonymous_id (STRING);
    OPTIONAL BYTE_ARRAY other_id (STRING);
    OPTIONAL BYTE_ARRAY record_kind (STRING);
    OPTIONAL BYTE_ARRAY record_id (STRING);
    REQUIRED BOOLEAN record_deleted;
    REQUIRED BOOLEAN record_left;
    REQUIRED BYTE_ARRAY body (JSON);
    OPTIONAL BYTE_ARRAY context (JSON);
}";

/// Places of the columns in the schema.
pub(super) const NAME: usize = 0;
const TIME: usize = 1;
const POSITION: usize = 2;
const ROW: usize = 3;
const RECEIVED_AT: usize = 4;
const KIND: usize = 5;
const EVENT: usize = 6;
const MESSAGE_ID: usize = 7;
const SOURCE: usize = 8;
const TRUST: usize = 9;
const USER_ID: usize = 10;
const ANONYMOUS_ID: usize = 11;
const OTHER_ID: usize = 12;
const RECORD_KIND: usize = 13;
const RECORD_ID: usize = 14;
const RECORD_DELETED: usize = 15;
const RECORD_LEFT: usize = 16;
const BODY: usize = 17;
const CONTEXT: usize = 18;

/// Columns with few different values.
pub(super) const REPEATED: [&str; 5] = ["kind", "event", "source", "trust", "record_kind"];
/// Columns in which neighbours begin alike, since the file is sorted by name.
pub(super) const ALIKE: [&str; 3] = ["name", "user_id", "anonymous_id"];
/// Columns of numbers that lie close together.
pub(super) const CLOSE: [&str; 4] = ["time", "position", "row", "received_at"];

/// A call with its place in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Its position.
    pub(crate) position: Position,
    /// The row in which it was committed.
    pub(crate) row: RowId,
    /// The call.
    pub(crate) call: Arc<Call>,
}

/// Writes calls, which are sorted, as one row group.
pub(super) fn write_group<'a, W: Write + Send>(
    group: SerializedRowGroupWriter<'a, W>,
    calls: &'a [Placed],
) -> Result<()> {
    let mut columns = GroupWriter { group, calls };
    columns.texts(|it| it.call.name())?;
    columns.numbers(|it| it.call.timestamp.0)?;
    columns.numbers(|it| it.position.0.cast_signed())?;
    columns.numbers(|it| it.row.0.cast_signed())?;
    columns.numbers(|it| it.call.received_at.0)?;
    columns.texts(|it| it.call.kind.word())?;
    columns.texts_if_any(|it| it.call.event.as_deref())?;
    columns.texts(|it| &it.call.message_id)?;
    columns.texts(|it| &it.call.source)?;
    columns.texts(|it| it.call.trust.word())?;
    columns.texts_if_any(|it| it.call.user_id.as_deref())?;
    columns.texts_if_any(|it| it.call.anonymous_id.as_deref())?;
    columns.texts_if_any(|it| it.call.other_id.as_deref())?;
    columns.texts_if_any(|it| it.call.record.as_ref().map(|record| &*record.kind))?;
    columns.texts_if_any(|it| it.call.record.as_ref().map(|record| &*record.id))?;
    columns.flags(|it| it.call.record.as_ref().is_some_and(|record| record.deleted))?;
    columns.flags(|it| it.call.record.as_ref().is_some_and(|record| record.left))?;
    columns.texts(|it| it.call.body.get())?;
    columns.texts_if_any(|it| it.call.context.as_ref().map(|context| context.get()))?;
    columns.group.close()?;
    Ok(())
}

/// Writes the columns of a row group one after the other, in the order of the schema.
struct GroupWriter<'a, W: Write> {
    group: SerializedRowGroupWriter<'a, W>,
    calls: &'a [Placed],
}

impl<W: Write + Send> GroupWriter<'_, W> {
    fn texts(&mut self, of: impl Fn(&Placed) -> &str) -> Result<()> {
        let values: Vec<ByteArray> = self.calls.iter().map(|call| ByteArray::from(of(call))).collect();
        self.column::<ByteArrayType>(&values, None)
    }

    fn texts_if_any(&mut self, of: impl Fn(&Placed) -> Option<&str>) -> Result<()> {
        let values: Vec<ByteArray> = self.calls.iter().filter_map(|call| of(call).map(ByteArray::from)).collect();
        let levels: Vec<i16> = self.calls.iter().map(|call| i16::from(of(call).is_some())).collect();
        self.column::<ByteArrayType>(&values, Some(&levels))
    }

    fn numbers(&mut self, of: impl Fn(&Placed) -> i64) -> Result<()> {
        let values: Vec<i64> = self.calls.iter().map(of).collect();
        self.column::<Int64Type>(&values, None)
    }

    fn flags(&mut self, of: impl Fn(&Placed) -> bool) -> Result<()> {
        let values: Vec<bool> = self.calls.iter().map(of).collect();
        self.column::<BoolType>(&values, None)
    }

    fn column<T: DataType>(&mut self, values: &[T::T], levels: Option<&[i16]>) -> Result<()> {
        let column = self.group.next_column()?;
        let mut column =
            column.ok_or_else(|| ParquetError::General("there are more columns than in the schema".into()))?;
        column.typed::<T>().write_batch(values, levels, None)?;
        column.close()
    }
}

/// Reads some of the calls of a row group: those at `ranges`, which are ascending and apart.
pub(super) struct GroupReader<'a> {
    /// The row group.
    pub(super) group: &'a dyn RowGroupReader,
    /// Which of its calls.
    pub(super) ranges: &'a [Range<usize>],
}

impl GroupReader<'_> {
    /// The names alone.
    pub(super) fn names(&self) -> Result<Vec<ByteArray>> {
        self.required::<ByteArrayType>(NAME)
    }

    /// Whether one of the calls names one of these, in whatever way.
    pub(super) fn mentions(&self, names: &HashSet<Arc<str>>) -> Result<bool> {
        for column in [USER_ID, ANONYMOUS_ID, OTHER_ID] {
            for id in self.optional(column)?.flatten() {
                if names.contains(text(&id)?) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The rows alone.
    pub(super) fn rows(&self) -> Result<Vec<RowId>> {
        Ok(self.required::<Int64Type>(ROW)?.into_iter().map(|row| RowId(row.cast_unsigned())).collect())
    }

    /// Whole calls, in the order of the file.
    pub(super) fn calls(&self) -> Result<Vec<Placed>> {
        let numbers = |column| self.required::<Int64Type>(column).map(Vec::into_iter);
        let texts = |column| self.required::<ByteArrayType>(column).map(Vec::into_iter);
        let flags = |column| self.required::<BoolType>(column).map(Vec::into_iter);
        let (mut times, mut received) = (numbers(TIME)?, numbers(RECEIVED_AT)?);
        let (mut kinds, mut message_ids, mut sources) = (texts(KIND)?, texts(MESSAGE_ID)?, texts(SOURCE)?);
        let (mut trusts, mut bodies) = (texts(TRUST)?, texts(BODY)?);
        let (mut deleted, mut left) = (flags(RECORD_DELETED)?, flags(RECORD_LEFT)?);
        let (mut events, mut others) = (self.optional(EVENT)?, self.optional(OTHER_ID)?);
        let (mut users, mut visitors) = (self.optional(USER_ID)?, self.optional(ANONYMOUS_ID)?);
        let (mut record_kinds, mut record_ids) = (self.optional(RECORD_KIND)?, self.optional(RECORD_ID)?);
        let mut contexts = self.optional(CONTEXT)?;
        let mut known = Known::default();
        // Every column was read to the same length, which `columns_end` would otherwise report.
        let columns_end = || ParquetError::EOF("a column ends before the others".into());
        let mut calls = Vec::with_capacity(self.count());
        for (position, row) in numbers(POSITION)?.zip(self.rows()?) {
            let next = |texts: &mut std::vec::IntoIter<ByteArray>| texts.next().ok_or_else(columns_end);
            let record_kind = record_kinds.next().ok_or_else(columns_end)?;
            let record_id = record_ids.next().ok_or_else(columns_end)?;
            let deleted = deleted.next().ok_or_else(columns_end)?;
            let left = left.next().ok_or_else(columns_end)?;
            let record = match (record_kind, record_id) {
                (Some(kind), Some(id)) => {
                    Some(RecordPart { kind: known.text(&kind)?, id: text(&id)?.into(), deleted, left })
                }
                _ => None,
            };
            let call = Call {
                kind: word(&next(&mut kinds)?, CallKind::find)?,
                message_id: text(&next(&mut message_ids)?)?.into(),
                user_id: known.same(users.next().ok_or_else(columns_end)?)?,
                anonymous_id: known.same(visitors.next().ok_or_else(columns_end)?)?,
                other_id: others
                    .next()
                    .ok_or_else(columns_end)?
                    .map(|id| Ok::<_, ParquetError>(text(&id)?.into()))
                    .transpose()?,
                event: known.maybe(events.next().ok_or_else(columns_end)?)?,
                timestamp: Timestamp(times.next().ok_or_else(columns_end)?),
                received_at: Timestamp(received.next().ok_or_else(columns_end)?),
                source: known.text(&next(&mut sources)?)?,
                trust: word(&next(&mut trusts)?, Trust::find)?,
                record,
                body: json(&next(&mut bodies)?)?,
                context: contexts.next().ok_or_else(columns_end)?.map(|context| json(&context)).transpose()?,
            };
            calls.push(Placed { position: Position(position.cast_unsigned()), row, call: Arc::new(call) });
        }
        Ok(calls)
    }

    fn count(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    fn required<T: DataType>(&self, column: usize) -> Result<Vec<T::T>> {
        let (values, _) = self.read::<T>(column)?;
        Ok(values)
    }

    fn optional(&self, column: usize) -> Result<std::vec::IntoIter<Option<ByteArray>>> {
        let (values, levels) = self.read::<ByteArrayType>(column)?;
        let mut values = values.into_iter();
        let found: Vec<Option<ByteArray>> =
            levels.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect();
        Ok(found.into_iter())
    }

    /// Values and, of an optional column, levels: 1 where there is a value.
    fn read<T: DataType>(&self, column: usize) -> Result<(Vec<T::T>, Vec<i16>)> {
        let mut reader = get_typed_column_reader::<T>(self.group.get_column_reader(column)?);
        let (mut values, mut levels) = (Vec::with_capacity(self.count()), Vec::new());
        let mut at = 0;
        for range in self.ranges {
            // Pages that are skipped whole are neither read nor decompressed.
            let skipped = reader.skip_records(range.start - at)?;
            let (read, _, _) = reader.read_records(range.len(), Some(&mut levels), None, &mut values)?;
            if skipped != range.start - at || read != range.len() {
                return Err(ParquetError::EOF(format!("column {column} ends early")));
            }
            at = range.end;
        }
        Ok((values, levels))
    }
}

/// Texts that come again and again: each is kept once.
#[derive(Default)]
struct Known {
    texts: HashSet<Arc<str>>,
    ids: HashSet<Arc<str>>,
}

/// Ids that are kept for calls to come. Neighbours have the same, so few are enough.
const KNOWN_IDS: usize = 1_000;

impl Known {
    /// Of few different ones: names of events, sources and kinds of records.
    fn text(&mut self, bytes: &ByteArray) -> Result<Arc<str>> {
        Ok(kept(&mut self.texts, text(bytes)?))
    }

    fn maybe(&mut self, bytes: Option<ByteArray>) -> Result<Option<Arc<str>>> {
        bytes.map(|bytes| self.text(&bytes)).transpose()
    }

    /// An id, which the calls before may have had.
    fn same(&mut self, bytes: Option<ByteArray>) -> Result<Option<Arc<str>>> {
        let Some(bytes) = bytes else { return Ok(None) };
        if self.ids.len() >= KNOWN_IDS {
            self.ids.clear();
        }
        Ok(Some(kept(&mut self.ids, text(&bytes)?)))
    }
}

fn kept(known: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = known.get(text) {
        return known.clone();
    }
    let new: Arc<str> = text.into();
    known.insert(new.clone());
    new
}

fn text(bytes: &ByteArray) -> Result<&str> {
    std::str::from_utf8(bytes.data()).map_err(|error| ParquetError::General(error.to_string()))
}

fn word<T>(bytes: &ByteArray, find: impl Fn(&str) -> Option<T>) -> Result<T> {
    let word = text(bytes)?;
    find(word).ok_or_else(|| ParquetError::General(format!("the word `{word}` is unknown")))
}

fn json(bytes: &ByteArray) -> Result<Arc<RawValue>> {
    let json = RawValue::from_string(text(bytes)?.to_owned());
    json.map(Arc::from).map_err(|error| ParquetError::General(error.to_string()))
}
