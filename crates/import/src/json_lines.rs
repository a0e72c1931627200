//! Rows of JSONL: one object per line. Numbers keep their digits, since nothing is read into floating point.

use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::chunks::{Chunks, NextLine};
use crate::mapping::Encoding;
use crate::refused::RefusalReason;
use crate::row::{CellKind, Row};
use crate::source::{Limits, Next};

/// The rows of one JSONL file.
pub(crate) struct JsonRows {
    chunks: Chunks,
    encoding: Encoding,
    limits: Limits,
    line: u64,
    paths: Vec<Vec<String>>,
    empty: Vec<String>,
}

impl JsonRows {
    /// `columns` are keys, or paths such as `address.city`.
    pub(crate) fn new(
        chunks: Chunks,
        encoding: Encoding,
        limits: Limits,
        columns: &[String],
        empty: Vec<String>,
    ) -> JsonRows {
        let paths = columns.iter().map(|column| column.split('.').map(str::to_owned).collect()).collect();
        JsonRows { chunks, encoding, limits, line: 1, paths, empty }
    }

    /// Reads the next row.
    pub(crate) fn next(&mut self, row: &mut Row) -> io::Result<Next> {
        loop {
            row.begin(self.line);
            let (content, whole) = match self.chunks.next_line(self.limits.row_bytes)? {
                NextLine::End => return Ok(Next::End),
                NextLine::TooLong => {
                    let begin = self.chunks.unread();
                    row.raw.extend_from_slice(&begin[..begin.len().min(self.limits.row_bytes)]);
                    self.chunks.skip_line()?;
                    self.line += 1;
                    return Ok(Next::Refused(RefusalReason::RowTooLong));
                }
                NextLine::Line { content, whole } => (content, whole),
            };
            row.raw.extend_from_slice(&self.chunks.unread()[..content]);
            self.chunks.consume(whole);
            self.line += 1;
            if !row.raw.trim_ascii().is_empty() {
                return Ok(self.read_line(row));
            }
        }
    }

    fn read_line(&self, row: &mut Row) -> Next {
        let line = match std::str::from_utf8(&row.raw) {
            Ok(text) => text.to_owned(),
            // JSON in windows-1252 is against its standard, but exports do it.
            Err(_) if self.encoding == Encoding::Windows1252 => crate::csv::windows_1252(&row.raw),
            Err(_) => return Next::Refused(RefusalReason::NotUtf8),
        };
        let Some(object) = read_object(&line) else {
            return Next::Refused(RefusalReason::BadJson);
        };
        for path in &self.paths {
            match find(&object, path) {
                Ok(Some(found)) => push_json_cell(row, &found, &self.empty),
                Ok(None) => row.push_cell(CellKind::Missing, "", &self.empty),
                Err(_) => return Next::Refused(RefusalReason::BadJson),
            }
        }
        Next::Row
    }
}

/// An object whose values are still JSON text, in the order of the file.
pub(crate) struct Object<'a> {
    pub(crate) entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    pub(crate) fn find(&self, key: &str) -> Option<&'a RawValue> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The text under a key; nothing if it is missing, empty or no text.
    pub(crate) fn find_text(&self, key: &str) -> Option<String> {
        let text: String = serde_json::from_str(self.find(key)?.get()).ok()?;
        (!text.is_empty()).then_some(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Object<'a>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut entries: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                // Readers disagree on which of two equal keys counts, so neither does.
                let mut names: Vec<&str> = entries.iter().map(|(key, _)| key.as_ref()).collect();
                names.sort_unstable();
                match names.windows(2).any(|pair| pair[0] == pair[1]) {
                    true => Err(A::Error::custom("a key stands twice")),
                    false => Ok(Object { entries }),
                }
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads an object; nothing if the line is none, holds a number beyond all floats or is nested too deep.
pub(crate) fn read_object(line: &str) -> Option<Object<'_>> {
    // Raw values are only skimmed; this reads every number and counts the depth.
    serde_json::from_str::<serde_json::Value>(line).ok()?;
    serde_json::from_str(line).ok()
}

fn find<'a>(object: &Object<'a>, path: &[String]) -> serde_json::Result<Option<Cow<'a, str>>> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(None);
    };
    // A key with dots in it is found under its whole name.
    if let Some(value) = object.find(&path.join(".")) {
        return Ok(Some(Cow::Borrowed(value.get())));
    }
    match object.find(key) {
        Some(value) if value.get().starts_with('{') => find(&serde_json::from_str(value.get())?, rest),
        _ => Ok(None),
    }
}

fn push_json_cell(row: &mut Row, json: &str, empty: &[String]) {
    match json.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Cow<'_, str>>(json) {
            Ok(text) => row.push_cell(CellKind::Text, &text, empty),
            Err(_) => row.push_cell(CellKind::Missing, "", empty),
        },
        Some(b't' | b'f') => row.push_cell(CellKind::Boolean, json, empty),
        Some(b'{' | b'[') => row.push_cell(CellKind::Json, json, empty),
        Some(b'n') | None => row.push_cell(CellKind::Missing, "", empty),
        Some(_) => row.push_cell(CellKind::Number, json, empty),
    }
}
