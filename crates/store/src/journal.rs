//! Journal rows as bytes: calls as JSON, zstd, and a checksum over all of it. The same for every database.

use crate::{JournalRow, RowId, StoreError};
use domain::{Call, Position, Timestamp};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// Most bytes of a row before compression. A row within it is never refused when read; 1,000 calls of
/// 32 KB are an eighth of it.
const ROW_BYTES: usize = 256 * 1024 * 1024;

/// Quick before small: the journal is sealed into history soon, which is packed better.
const ZSTD_LEVEL: i32 = -3;

/// A journal row as it lies in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredRow<'a> {
    /// Its number.
    pub(crate) id: RowId,
    /// Position of its first call.
    pub(crate) first: Position,
    /// Number of its calls.
    pub(crate) count: u64,
    /// When the earliest of its calls happened.
    pub(crate) min_time: Timestamp,
    /// When the latest of its calls happened.
    pub(crate) max_time: Timestamp,
    /// Bytes of the body when decompressed.
    pub(crate) size_bytes: u64,
    /// Of everything else.
    pub(crate) checksum: u32,
    /// Compressed calls.
    pub(crate) body: &'a [u8],
}

impl StoredRow<'_> {
    fn sum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [self.id.0, self.first.0, self.count] {
            hasher.update(&number.to_le_bytes());
        }
        for instant in [self.min_time, self.max_time] {
            hasher.update(&instant.0.to_le_bytes());
        }
        hasher.update(&self.size_bytes.to_le_bytes());
        hasher.update(self.body);
        hasher.finalize()
    }
}

/// Writes rows; keeps its buffers and compressor from one to the next.
pub(crate) struct RowWriter {
    compressor: zstd::bulk::Compressor<'static>,
    json: Vec<u8>,
    body: Vec<u8>,
}

impl RowWriter {
    /// A writer with empty buffers.
    pub(crate) fn new() -> Result<RowWriter, StoreError> {
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(|error| not_written(&error))?;
        Ok(RowWriter { compressor, json: Vec::new(), body: Vec::new() })
    }

    /// Makes a row of calls. Errors: none that a caller can bring about, except calls of more than `ROW_BYTES`.
    pub(crate) fn write(
        &mut self,
        id: RowId,
        first: Position,
        calls: &[Arc<Call>],
    ) -> Result<StoredRow<'_>, StoreError> {
        self.json.clear();
        for call in calls {
            serde_json::to_writer(&mut self.json, call).map_err(|error| not_written(&error))?;
            self.json.push(b'\n');
        }
        if self.json.len() > ROW_BYTES {
            let reason = format!("{} calls take {} bytes, more than {ROW_BYTES}", calls.len(), self.json.len());
            return Err(StoreError::Io { doing: "written", reason });
        }
        self.body.clear();
        self.body.reserve(zstd::zstd_safe::compress_bound(self.json.len()));
        self.compressor.compress_to_buffer(&self.json, &mut self.body).map_err(|error| not_written(&error))?;
        let times = || calls.iter().map(|call| call.timestamp);
        let mut row = StoredRow {
            id,
            first,
            count: calls.len() as u64,
            min_time: times().min().unwrap_or_default(),
            max_time: times().max().unwrap_or_default(),
            size_bytes: self.json.len() as u64,
            checksum: 0,
            body: &self.body,
        };
        row.checksum = row.sum();
        Ok(row)
    }
}

fn not_written(error: &dyn std::error::Error) -> StoreError {
    StoreError::Io { doing: "written", reason: error.to_string() }
}

/// Reads rows; keeps its buffer and decompressor from one to the next.
pub(crate) struct RowReader {
    decompressor: zstd::bulk::Decompressor<'static>,
    json: Vec<u8>,
}

impl RowReader {
    /// A reader with an empty buffer.
    pub(crate) fn new() -> Result<RowReader, StoreError> {
        let decompressor = zstd::bulk::Decompressor::new()
            .map_err(|error| StoreError::Io { doing: "read", reason: error.to_string() })?;
        Ok(RowReader { decompressor, json: Vec::new() })
    }

    /// Reads a row back. Errors: `Damaged`, with the row's number.
    pub(crate) fn read(&mut self, row: &StoredRow<'_>) -> Result<JournalRow, StoreError> {
        let json = self.json_of(row)?;
        // A body may hold line feeds of its own, so values are read one after the other, not line by line.
        let calls = serde_json::Deserializer::from_str(json)
            .into_iter::<Call>()
            .map(|call| call.map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| damaged_row(row.id, error.to_string()))?;
        check_count(row, calls.len())?;
        Ok(JournalRow { id: row.id, first: row.first, calls })
    }

    /// Reads back only the calls that are filed under a name. The others are passed over at about a third of the cost.
    pub(crate) fn read_naming(
        &mut self,
        row: &StoredRow<'_>,
        names: &HashSet<Arc<str>>,
    ) -> Result<Vec<(Position, Arc<Call>)>, StoreError> {
        let json = self.json_of(row)?;
        let damaged = |error: serde_json::Error| damaged_row(row.id, error.to_string());
        let mut calls = Vec::new();
        let mut count = 0;
        let mut begins = 0;
        let mut ids = serde_json::Deserializer::from_str(json).into_iter::<Ids<'_>>();
        while let Some(found) = ids.next() {
            let found = found.map_err(damaged)?;
            let ends = ids.byte_offset();
            if found.is_filed_under(names) {
                let call = serde_json::from_str(&json[begins..ends]).map_err(damaged)?;
                calls.push((Position(row.first.0 + count), Arc::new(call)));
            }
            begins = ends;
            count += 1;
        }
        check_count(row, usize::try_from(count).unwrap_or(usize::MAX))?;
        Ok(calls)
    }

    /// The calls of a row as they were written, one JSON value after the other.
    fn json_of(&mut self, row: &StoredRow<'_>) -> Result<&str, StoreError> {
        let damaged = |reason: String| damaged_row(row.id, reason);
        if row.sum() != row.checksum {
            return Err(damaged("the checksum differs".to_owned()));
        }
        let size = usize::try_from(row.size_bytes).ok().filter(|size| *size <= ROW_BYTES);
        let Some(size) = size else {
            return Err(damaged(format!("it claims {} bytes, more than {ROW_BYTES}", row.size_bytes)));
        };
        self.json.clear();
        self.json.reserve(size);
        self.decompressor.decompress_to_buffer(row.body, &mut self.json).map_err(|error| damaged(error.to_string()))?;
        std::str::from_utf8(&self.json).map_err(|error| damaged(error.to_string()))
    }
}

fn check_count(row: &StoredRow<'_>, found: usize) -> Result<(), StoreError> {
    if found as u64 == row.count {
        return Ok(());
    }
    let reason = format!("it holds {found} calls instead of {}", row.count);
    Err(damaged_row(row.id, reason))
}

/// Whom a call names; whatever else it says is passed over.
#[derive(serde::Deserialize)]
struct Ids<'a> {
    #[serde(rename = "u", borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(rename = "a", borrow, default)]
    anonymous: Option<Cow<'a, str>>,
}

impl Ids<'_> {
    /// As `Call::name`.
    fn is_filed_under(&self, names: &HashSet<Arc<str>>) -> bool {
        names.contains(self.user.as_deref().or(self.anonymous.as_deref()).unwrap_or_default())
    }
}

/// The error for a row that cannot be what was written.
pub(crate) fn damaged_row(id: RowId, reason: String) -> StoreError {
    StoreError::Damaged { place: format!("journal row {}", id.0), reason }
}
