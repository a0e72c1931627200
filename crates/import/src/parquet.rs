//! Rows of Parquet, by the record reader: no arrow, which compiles in half the time and reads quickly enough here.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::basic::{LogicalType, TimeUnit};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::reader::RowIter;
use ::parquet::record::{Field, Row as ParquetRow};
use rust_decimal::Decimal;

use crate::json;
use crate::refused::RefusalReason;
use crate::row::{CellKind, Row};
use crate::source::Next;
use crate::times::write_instant;

/// The deepest nesting of values that is written as JSON.
const DEEPEST_VALUE: usize = 32;

/// The rows of one Parquet file.
pub(crate) struct ParquetRows {
    rows: RowIter<'static>,
    row_number: u64,
    row_count: u64,
    row_bytes: usize,
    paths: Vec<Vec<String>>,
    empty: Vec<String>,
    clocks: Vec<(String, Clock)>,
}

/// What the schema says of a timestamp and the record reader leaves out.
#[derive(Clone, Copy)]
struct Clock {
    is_utc: bool,
    is_nanoseconds: bool,
}

impl ParquetRows {
    /// Opens a file. The error says what is wrong with it, in words of the `parquet` crate.
    pub(crate) fn open(file: File, columns: &[String], empty: Vec<String>, row_bytes: usize) -> Result<Self, String> {
        guarded(move || {
            let reader = SerializedFileReader::new(file).map_err(|problem| problem.to_string())?;
            let metadata = reader.metadata().file_metadata();
            let row_count = u64::try_from(metadata.num_rows()).unwrap_or(0);
            let mut clocks = Vec::new();
            for field in metadata.schema_descr().root_schema().get_fields() {
                if let Some(LogicalType::Timestamp(timestamp)) = field.get_basic_info().logical_type_ref() {
                    let is_nanoseconds = matches!(timestamp.unit, TimeUnit::NANOS);
                    let clock = Clock { is_utc: timestamp.is_adjusted_to_u_t_c, is_nanoseconds };
                    clocks.push((field.name().to_owned(), clock));
                }
            }
            let paths = columns.iter().map(|column| column.split('.').map(str::to_owned).collect()).collect();
            let rows = RowIter::from_file_into(Box::new(reader));
            Ok(ParquetRows { rows, row_number: 0, row_count, row_bytes, paths, empty, clocks })
        })
    }

    /// The names of the columns.
    pub(crate) fn column_names(file: File) -> Result<Vec<String>, String> {
        guarded(move || {
            let reader = SerializedFileReader::new(file).map_err(|problem| problem.to_string())?;
            let schema = reader.metadata().file_metadata().schema_descr_ptr();
            Ok(schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect())
        })
    }

    /// Which part of the rows was read, between 0 and 1.
    pub(crate) fn share_read(&self) -> f64 {
        if self.row_count == 0 { 1.0 } else { self.row_number as f64 / self.row_count as f64 }
    }

    /// Reads the next row.
    pub(crate) fn next(&mut self, row: &mut Row) -> Result<Next, String> {
        let read = guarded(|| self.rows.next().transpose().map_err(|problem| problem.to_string()))?;
        let Some(read) = read else {
            return Ok(Next::End);
        };
        self.row_number += 1;
        row.begin(self.row_number);
        let mut raw = String::new();
        self.write_row(&mut raw, &read, 0);
        row.raw.extend_from_slice(&raw.as_bytes()[..raw.len().min(self.row_bytes)]);
        if raw.len() > self.row_bytes {
            return Ok(Next::Refused(RefusalReason::RowTooLong));
        }
        for path in &self.paths {
            let (kind, text) = self.find(&read, path, 0);
            row.push_cell(kind, &text, &self.empty);
        }
        Ok(Next::Row)
    }

    fn find(&self, group: &ParquetRow, path: &[String], depth: usize) -> (CellKind, String) {
        let whole = path.join(".");
        for (name, field) in group.get_column_iter() {
            if *name == whole {
                return self.cell(name, field, depth);
            }
            if let (Some((first, rest)), Field::Group(inner)) = (path.split_first(), field)
                && first == name
                && depth < DEEPEST_VALUE
                && !rest.is_empty()
            {
                return self.find(inner, rest, depth + 1);
            }
        }
        (CellKind::Missing, String::new())
    }

    fn cell(&self, name: &str, field: &Field, depth: usize) -> (CellKind, String) {
        // Only columns at the top carry their own clock; nested timestamps are UTC.
        let known = self.clocks.iter().find(|(column, _)| depth == 0 && column == name);
        let clock = known.map_or(Clock { is_utc: true, is_nanoseconds: false }, |(_, clock)| *clock);
        let number = |text: String| (CellKind::Number, text);
        match field {
            Field::Null => (CellKind::Missing, String::new()),
            Field::Bool(value) => (CellKind::Boolean, value.to_string()),
            Field::Byte(value) => number(value.to_string()),
            Field::Short(value) => number(value.to_string()),
            Field::Int(value) => number(value.to_string()),
            Field::Long(value) if clock.is_nanoseconds => instant(value.div_euclid(1_000_000), clock),
            Field::Long(value) => number(value.to_string()),
            Field::UByte(value) => number(value.to_string()),
            Field::UShort(value) => number(value.to_string()),
            Field::UInt(value) => number(value.to_string()),
            Field::ULong(value) => number(value.to_string()),
            Field::Float16(value) => float(f64::from(value.to_f32()), value.to_f32().to_string()),
            Field::Float(value) => float(f64::from(*value), value.to_string()),
            Field::Double(value) => float(*value, value.to_string()),
            Field::Decimal(value) => match decimal(value.data(), value.scale()) {
                Some(value) => number(value.to_string()),
                None => (CellKind::Text, "decimal of more than 28 digits".to_owned()),
            },
            Field::Str(value) => (CellKind::Text, value.clone()),
            // Old writers leave the mark of text out.
            Field::Bytes(value) => match value.as_utf8() {
                Ok(text) => (CellKind::Text, text.to_owned()),
                Err(_) => (CellKind::Text, value.data().iter().map(|byte| format!("{byte:02x}")).collect()),
            },
            Field::Date(days) => (CellKind::Text, day(*days)),
            Field::TimeMillis(value) => number(value.to_string()),
            Field::TimeMicros(value) => number(value.to_string()),
            Field::TimestampMillis(value) => instant(*value, clock),
            Field::TimestampMicros(value) => instant(value.div_euclid(1_000), clock),
            Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
                let mut out = String::new();
                self.write_value(&mut out, name, field, depth);
                (CellKind::Json, out)
            }
        }
    }

    fn write_row(&self, out: &mut String, row: &ParquetRow, depth: usize) {
        out.push('{');
        for (name, field) in row.get_column_iter() {
            json::push_key(out, name);
            self.write_value(out, name, field, depth);
        }
        out.push('}');
    }

    fn write_value(&self, out: &mut String, name: &str, field: &Field, depth: usize) {
        match field {
            _ if depth > DEEPEST_VALUE => out.push_str("null"),
            Field::Group(row) => self.write_row(out, row, depth + 1),
            Field::ListInternal(list) => {
                out.push('[');
                for element in list.elements() {
                    json::push_comma(out);
                    self.write_value(out, "", element, depth + 1);
                }
                out.push(']');
            }
            Field::MapInternal(map) => {
                out.push('{');
                for (key, value) in map.entries() {
                    json::push_key(out, &self.cell("", key, depth + 1).1);
                    self.write_value(out, "", value, depth + 1);
                }
                out.push('}');
            }
            _ => match self.cell(name, field, depth) {
                (CellKind::Missing, _) => out.push_str("null"),
                (CellKind::Text, text) => json::push_text(out, &text),
                (_, text) => out.push_str(&text),
            },
        }
    }
}

/// The `parquet` crate panics on some damaged files and unknown types; here that is an error like others.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("it is damaged, or has a type that is not known".to_owned()))
}

/// JSON has no NaN; as text it is refused where a number belongs.
fn float(value: f64, text: String) -> (CellKind, String) {
    if value.is_finite() { (CellKind::Number, text) } else { (CellKind::Text, text) }
}

/// `data` is a big-endian two's complement integer of 1 to 16 bytes.
fn decimal(data: &[u8], scale: i32) -> Option<Decimal> {
    if data.is_empty() || data.len() > 16 {
        return None;
    }
    let sign = if data[0] & 0x80 == 0 { 0 } else { 0xFF };
    let mut bytes = [sign; 16];
    bytes[16 - data.len()..].copy_from_slice(data);
    Decimal::try_from_i128_with_scale(i128::from_be_bytes(bytes), u32::try_from(scale).ok()?).ok()
}

fn day(days: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch
        .checked_add(jiff::Span::new().try_days(days).unwrap_or_default())
        .map_or_else(|_| days.to_string(), |day| day.to_string())
}

/// A wall clock without zone is read in the zone of the mapping, so it comes without `Z`.
fn instant(instant_ms: i64, clock: Clock) -> (CellKind, String) {
    let mut out = String::new();
    write_instant(&mut out, instant_ms);
    if !clock.is_utc {
        out.pop();
    }
    (CellKind::Text, out)
}
