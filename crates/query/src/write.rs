//! Answers as files: CSV, JSON and Parquet, row by row.

use crate::cell;
use crate::{QueryError, Sink};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

/// A form of files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Comma-separated, with a line of names; text in quotes where it must be.
    Csv,
    /// One JSON document: a list of objects.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// Parquet, zstd.
    Parquet,
}

impl Format {
    /// Finds the form by its word.
    pub fn find(word: &str) -> Option<Format> {
        Some(match word {
            "csv" => Format::Csv,
            "json" => Format::Json,
            "jsonl" => Format::JsonLines,
            "parquet" => Format::Parquet,
            _ => return None,
        })
    }

    /// What it is called over HTTP.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Json => "application/json",
            Format::JsonLines => "application/x-ndjson",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Writes an answer in this form. Buffer `to`.
    pub fn writer<'a, W: Write + Send + 'a>(self, to: W) -> Box<dyn Sink + 'a> {
        match self {
            Format::Csv => Box::new(Csv { to, line: Vec::new() }),
            Format::Json => Box::new(Json { to, line: Vec::new(), names: Vec::new(), form: Form::List, rows: 0 }),
            Format::JsonLines => Box::new(Json { to, line: Vec::new(), names: Vec::new(), form: Form::Lines, rows: 0 }),
            Format::Parquet => Box::new(Parquet { to: Some(to), writer: None }),
        }
    }
}

/// The names of columns, each only once: `customer`, `customer_2`.
pub(crate) fn heads(schema: &SchemaRef) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    let unique = |field: &Arc<Field>| {
        let mut name = field.name().clone();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{}_{number}", field.name());
        }
        name
    };
    schema.fields().iter().map(unique).collect()
}

struct Csv<W> {
    to: W,
    line: Vec<u8>,
}

impl<W: Write> Csv<W> {
    fn line<'a>(&mut self, cells: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
        self.line.clear();
        for (place, cell) in cells.enumerate() {
            if place > 0 {
                self.line.push(b',');
            }
            let Some(text) = cell else { continue };
            // An empty text stands in quotes, so that it differs from no value.
            let is_plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
            if is_plain {
                self.line.extend_from_slice(text.as_bytes());
            } else {
                self.line.push(b'"');
                self.line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                self.line.push(b'"');
            }
        }
        self.line.extend_from_slice(b"\r\n");
        self.to.write_all(&self.line)
    }
}

impl<W: Write> Sink for Csv<W> {
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), QueryError> {
        let names = heads(schema);
        Ok(self.line(names.iter().map(|name| Some(name.as_str())))?)
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        for row in 0..batch.num_rows() {
            let cells: Vec<Option<String>> =
                batch.columns().iter().map(|column| cell::text(column.as_ref(), row)).collect();
            self.line(cells.iter().map(Option::as_deref))?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), QueryError> {
        Ok(self.to.flush()?)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    List,
    Lines,
}

struct Json<W> {
    to: W,
    line: Vec<u8>,
    /// As JSON.
    names: Vec<Vec<u8>>,
    form: Form,
    rows: u64,
}

impl<W: Write> Sink for Json<W> {
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), QueryError> {
        let as_json = |name: String| {
            let mut json = Vec::new();
            cell::write_text(&mut json, &name);
            json
        };
        self.names = heads(schema).into_iter().map(as_json).collect();
        if self.form == Form::List {
            self.to.write_all(b"[")?;
        }
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        for row in 0..batch.num_rows() {
            self.line.clear();
            if self.form == Form::List {
                self.line.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
            }
            self.line.push(b'{');
            for (place, (name, column)) in self.names.iter().zip(batch.columns()).enumerate() {
                if place > 0 {
                    self.line.push(b',');
                }
                self.line.extend_from_slice(name);
                self.line.push(b':');
                cell::write_json(&mut self.line, column.as_ref(), row);
            }
            self.line.push(b'}');
            if self.form == Form::Lines {
                self.line.push(b'\n');
            }
            self.to.write_all(&self.line)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), QueryError> {
        if self.form == Form::List {
            self.to.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
        }
        Ok(self.to.flush()?)
    }
}

struct Parquet<W: Write + Send> {
    /// None once the writer has it.
    to: Option<W>,
    writer: Option<(SchemaRef, ArrowWriter<W>)>,
}

fn not_written(error: ParquetError) -> QueryError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(io) => QueryError::NotWritten(*io),
            Err(other) => QueryError::Failed(other.to_string()),
        },
        other => QueryError::NotWritten(io::Error::other(other)),
    }
}

/// Whether Parquet has no word for a type, so that it becomes text.
fn becomes_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Union(..) | DataType::Interval(_) | DataType::Duration(_) | DataType::Null)
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), QueryError> {
        let field = |(name, field): (String, &Arc<Field>)| match becomes_text(field.data_type()) {
            true => Field::new(name, DataType::Utf8, true),
            false => Field::new(name, field.data_type().clone(), true),
        };
        let fields: Vec<Field> = heads(schema).into_iter().zip(schema.fields()).map(field).collect();
        let zstd = ZstdLevel::try_new(3).map_err(not_written)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(zstd)).build();
        let to = self.to.take().ok_or_else(|| QueryError::Failed("an answer began twice".to_owned()))?;
        let schema = Arc::new(Schema::new(fields));
        let writer = ArrowWriter::try_new(to, schema.clone(), Some(properties)).map_err(not_written)?;
        self.writer = Some((schema, writer));
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let Some((schema, writer)) = &mut self.writer else {
            return Err(QueryError::Failed("an answer did not begin".to_owned()));
        };
        let column = |column: &ArrayRef| match becomes_text(column.data_type()) {
            true => {
                let texts = (0..column.len()).map(|row| cell::text(column.as_ref(), row));
                Arc::new(StringArray::from_iter(texts)) as ArrayRef
            }
            false => column.clone(),
        };
        let columns = batch.columns().iter().map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)
            .map_err(|error| QueryError::Failed(error.to_string()))?;
        writer.write(&batch).map_err(not_written)
    }

    fn end(&mut self) -> Result<(), QueryError> {
        match self.writer.take() {
            Some((_, writer)) => writer.close().map(drop).map_err(not_written),
            None => Err(QueryError::Failed("an answer did not begin".to_owned())),
        }
    }
}
