//! One file of history: written once, then read whole or for a few names.

use super::HistoryFile;
use super::checked::{CheckedFile, sums_of};
use super::columns::{self, GroupReader, NAME, Placed};
use crate::{RowId, StoreError};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::BufReader;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Calls in a row group: the columns of one are in memory while it is written.
const GROUP_CALLS: usize = 65_536;
/// Calls in a page, the smallest part that is read.
const PAGE_CALLS: usize = 1_024;
/// Bytes of a page, whatever its calls.
const PAGE_BYTES: usize = 256 * 1024;
/// A tenth smaller than level 1; sealing has time.
const ZSTD_LEVEL: i32 = 3;

/// Writes calls into a new file at `path`, sorted, and makes the file durable; the caller does so for the directory.
/// Returns how it stands in the list. At least one call; their positions have no gaps.
pub(crate) fn write(path: &Path, name: &str, mut calls: Vec<Placed>) -> std::result::Result<HistoryFile, WriteFailed> {
    let order = |it: &Placed| (it.call.timestamp, it.position);
    calls.sort_unstable_by(|a, b| a.call.name().cmp(b.call.name()).then_with(|| order(a).cmp(&order(b))));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    encode(&file, &calls)?;
    file.sync_all()?;
    let (size_bytes, sums) = sums_of(BufReader::new(File::open(path)?))?;
    let empty = || ParquetError::General("a file without calls".into());
    let times = || calls.iter().map(|it| it.call.timestamp);
    let rows = || calls.iter().map(|it| it.row);
    Ok(HistoryFile {
        name: name.to_owned(),
        first_row: rows().min().ok_or_else(empty)?,
        last_row: rows().max().ok_or_else(empty)?,
        first: calls.iter().map(|it| it.position).min().ok_or_else(empty)?,
        count: calls.len() as u64,
        json_bytes: calls.iter().map(|it| json_bytes(&it.call)).sum(),
        min_time: times().min().unwrap_or_default(),
        max_time: times().max().unwrap_or_default(),
        min_name: calls.first().map(|it| it.call.name().to_owned()).unwrap_or_default(),
        max_name: calls.last().map(|it| it.call.name().to_owned()).unwrap_or_default(),
        size_bytes,
        sums,
    })
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteFailed {
    /// By the system.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// By the format.
    #[error(transparent)]
    Parquet(ParquetError),
}

impl From<ParquetError> for WriteFailed {
    fn from(error: ParquetError) -> Self {
        // A full disk must be known for what it is, through whomever it was met.
        match error {
            ParquetError::External(error) => match error.downcast::<std::io::Error>() {
                Ok(error) => WriteFailed::System(*error),
                Err(error) => WriteFailed::Parquet(ParquetError::External(error)),
            },
            error => WriteFailed::Parquet(error),
        }
    }
}

/// About as many bytes as the call has as JSON; what is bounded by it is memory.
fn json_bytes(call: &domain::Call) -> u64 {
    let ids = [&call.user_id, &call.anonymous_id, &call.other_id, &call.event];
    let texts = ids.into_iter().flatten().map(|text| text.len()).sum::<usize>() + call.message_id.len();
    let json = call.body.get().len() + call.context.as_ref().map_or(0, |context| context.get().len());
    // Keys, times, source and trust.
    (texts + json + 100) as u64
}

fn encode(file: &File, calls: &[Placed]) -> Result<()> {
    let schema = Arc::new(parse_message_type(columns::SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties()?))?;
    for group in calls.chunks(GROUP_CALLS) {
        columns::write_group(writer.next_row_group()?, group)?;
    }
    writer.close()?;
    Ok(())
}

fn properties() -> Result<WriterProperties> {
    let sorted = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: false };
    let format = KeyValue::new("perennial.history".to_owned(), "1".to_owned());
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(format!("perennial {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![format]))
        .set_sorting_columns(Some(vec![sorted(0), sorted(1), sorted(2)]))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_row_count_limit(PAGE_CALLS)
        .set_write_batch_size(PAGE_CALLS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_max_row_group_row_count(Some(GROUP_CALLS))
        // Smallest and largest value of a page only where we look for them: the footer is read at every opening.
        .set_column_statistics_enabled(ColumnPath::from("name"), EnabledStatistics::Page)
        .set_column_statistics_enabled(ColumnPath::from("body"), EnabledStatistics::None)
        .set_column_statistics_enabled(ColumnPath::from("context"), EnabledStatistics::None);
    for column in columns::REPEATED {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), true);
    }
    for column in columns::ALIKE {
        properties = properties.set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BYTE_ARRAY);
    }
    for column in columns::CLOSE {
        properties = properties.set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties.build())
}

/// How much was read to answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reads {
    /// Row groups of which something was read.
    pub(crate) groups: u64,
    /// Pages of names that were read; of the other columns it is about as many.
    pub(crate) pages: u64,
}

/// A file of history that is open for reading.
pub(crate) struct OpenFile {
    name: String,
    file: SerializedFileReader<CheckedFile>,
}

impl OpenFile {
    /// Opens a file of the list in the directory of history. None if there is no such file, which is no error
    /// yet: it may have been merged since the list was read.
    pub(crate) fn open(dir: &Path, listed: &HistoryFile) -> std::result::Result<Option<OpenFile>, StoreError> {
        let damaged = |reason: String| damaged_file(&listed.name, &reason);
        let file = match File::open(dir.join(&listed.name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let reason = format!("history/{}: {error}", listed.name);
                return Err(StoreError::Io { doing: "read", reason });
            }
        };
        let checked = CheckedFile::new(file, listed.size_bytes, &listed.sums).map_err(damaged)?;
        let options = ReadOptionsBuilder::new().with_page_index().build();
        let file =
            SerializedFileReader::new_with_options(checked, options).map_err(|error| damaged(error.to_string()))?;
        if file.metadata().file_metadata().num_rows().cast_unsigned() != listed.count {
            return Err(damaged("it holds another number of calls than the list says".to_owned()));
        }
        Ok(Some(OpenFile { name: listed.name.clone(), file }))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All calls of the rows that are wanted, by position.
    pub(crate) fn calls(&self, is_wanted: &dyn Fn(RowId) -> bool) -> std::result::Result<Vec<Placed>, StoreError> {
        let read = || {
            let mut calls = Vec::new();
            for index in 0..self.file.num_row_groups() {
                let group = self.file.get_row_group(index)?;
                let all = 0..usize::try_from(group.metadata().num_rows()).unwrap_or_default();
                let rows = GroupReader { group: &*group, ranges: std::slice::from_ref(&all) }.rows()?;
                let ranges = ranges_of(rows.into_iter().map(is_wanted));
                calls.extend(GroupReader { group: &*group, ranges: &ranges }.calls()?);
            }
            calls.sort_unstable_by_key(|it| it.position);
            Ok(calls)
        };
        read().map_err(|error: ParquetError| damaged_file(&self.name, &error.to_string()))
    }

    /// Whether a call names one of these, whether or not it is filed under it. Reads the columns of names alone.
    pub(crate) fn mentions(&self, names: &HashSet<Arc<str>>) -> std::result::Result<bool, StoreError> {
        let read = || {
            for index in 0..self.file.num_row_groups() {
                let group = self.file.get_row_group(index)?;
                let all = 0..usize::try_from(group.metadata().num_rows()).unwrap_or_default();
                if (GroupReader { group: &*group, ranges: std::slice::from_ref(&all) }).mentions(names)? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        read().map_err(|error: ParquetError| damaged_file(&self.name, &error.to_string()))
    }

    /// The calls of the rows that are wanted, filed under one of `names`, by position. `reads` counts what it took.
    pub(crate) fn calls_naming(
        &self,
        names: &HashSet<Arc<str>>,
        is_wanted: &dyn Fn(RowId) -> bool,
        reads: &mut Reads,
    ) -> std::result::Result<Vec<Placed>, StoreError> {
        let mut read = || {
            let mut sorted: Vec<&str> = names.iter().map(|name| &**name).collect();
            sorted.sort_unstable();
            let mut calls = Vec::new();
            for index in 0..self.file.num_row_groups() {
                let pages = pages_naming(self.file.metadata(), index, &sorted)?;
                if pages.is_empty() {
                    continue;
                }
                reads.groups += 1;
                reads.pages += pages.len() as u64;
                let group = self.file.get_row_group(index)?;
                let found = GroupReader { group: &*group, ranges: &pages }.names()?;
                let is_named = |name: &parquet::data_type::ByteArray| {
                    sorted.binary_search_by(|it| it.as_bytes().cmp(name.data())).is_ok()
                };
                let named = ranges_within(&pages, found.iter().map(is_named));
                if !named.is_empty() {
                    calls.extend(GroupReader { group: &*group, ranges: &named }.calls()?);
                }
            }
            calls.retain(|it| is_wanted(it.row));
            calls.sort_unstable_by_key(|it| it.position);
            Ok(calls)
        };
        read().map_err(|error: ParquetError| damaged_file(&self.name, &error.to_string()))
    }
}

/// The pages of a row group that may hold calls of these names, as ranges of its calls.
fn pages_naming(metadata: &ParquetMetaData, group: usize, names: &[&str]) -> Result<Vec<Range<usize>>> {
    let without = || ParquetError::General("it has no page index".into());
    let index = metadata.column_index().and_then(|index| index.get(group)?.get(NAME)).ok_or_else(without)?;
    let pages = metadata.offset_index().and_then(|index| index.get(group)?.get(NAME)).ok_or_else(without)?;
    let ColumnIndexMetaData::BYTE_ARRAY(index) = index else { return Err(without()) };
    let begins = |page: usize| {
        let location = pages.page_locations().get(page);
        location.map_or(metadata.row_group(group).num_rows(), |location| location.first_row_index)
    };
    let mut found = Vec::new();
    for page in 0..pages.page_locations().len() {
        let (Some(min), Some(max)) = (index.min_value(page), index.max_value(page)) else { return Err(without()) };
        // Long names are cut in the index: the largest then is a bound and no name.
        let from = names.partition_point(|name| name.as_bytes() < min);
        if names.get(from).is_some_and(|name| name.as_bytes() <= max) {
            let place = |page| usize::try_from(begins(page)).map_err(|error| ParquetError::General(error.to_string()));
            found.push(place(page)?..place(page + 1)?);
        }
    }
    Ok(found)
}

/// Where a row of answers is yes, as ranges.
fn ranges_of(answers: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in answers.enumerate().filter(|(_, answer)| *answer) {
        push(&mut ranges, at);
    }
    ranges
}

/// Where the answers to the places of `ranges` are yes.
fn ranges_within(ranges: &[Range<usize>], answers: impl Iterator<Item = bool>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in ranges.iter().flat_map(Clone::clone).zip(answers).filter(|(_, answer)| *answer) {
        push(&mut found, at);
    }
    found
}

fn push(ranges: &mut Vec<Range<usize>>, at: usize) {
    match ranges.last_mut() {
        Some(last) if last.end == at => last.end += 1,
        _ => ranges.push(at..at + 1),
    }
}

/// The error for a file that is not what was written.
pub(crate) fn damaged_file(name: &str, reason: &str) -> StoreError {
    StoreError::Damaged {
        place: format!("history/{name}"),
        reason: format!(
            "{reason}; stop Perennial and put this file back from a backup (a file of this name never changes)"
        ),
    }
}

#[cfg(test)]
mod tests;
