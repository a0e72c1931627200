//! Opens files, finds out what they are, and streams what a mapping makes of them.
//!
//! `Source` is the one flow of this crate: read a row, apply the mapping, hand out calls and refusals.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::calls::{Applying, Call, EqualRows, Subject, passed_call};
use crate::chunks::{Chunks, NextLine};
use crate::csv::CsvRows;
use crate::fingerprint::Fingerprint;
use crate::group::{EndedOrder, LinePlace, Orders};
use crate::json_lines::JsonRows;
use crate::mapping::{Delimiter, FileKind, Mapping};
use crate::parquet::ParquetRows;
use crate::refused::{RefusalReason, Refused};
use crate::row::Row;
use crate::strict::nearest;
use crate::summary::Summary;

/// How many characters of a refused row are kept.
const EXCERPT_CHARACTERS: usize = 1_000;
/// How much of a file is looked at to find out what it is.
const SNIFFED_BYTES: usize = 64 * 1024;
/// How many rows lie between two reports of progress.
const ROWS_BETWEEN_PROGRESS: u64 = 8_192;
/// The most files of one import: `LinePlace` has 16 bits for them.
const MOST_FILES: usize = 65_536;
/// Until so much is unpacked, nobody minds how small it was before.
const UNPACKED_WITHOUT_SUSPICION: u64 = 256 * 1024 * 1024;
/// Real tables pack to a tenth, very repetitive logs to a hundredth; gzip can do 1,030.
const MOST_UNPACKED_PER_PACKED: u64 = 300;
/// zstd asks for a window of so many bits at most: 128 MiB.
const MOST_ZSTD_WINDOW_BITS: u32 = 27;

/// Why an import cannot begin, or cannot go on. What it handed out before stays right: doing it again changes nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be opened.
    #[error("`{file}` cannot be opened: {source}")]
    Open {
        /// The file, as the caller named it.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// The path is a directory, device or pipe.
    #[error("`{file}` is no regular file")]
    NotAFile {
        /// The file, as the caller named it.
        file: String,
    },
    /// Reading or unpacking failed in the middle.
    #[error("`{file}` cannot be read on after line {line}: {source}")]
    Read {
        /// The file, as the caller named it.
        file: String,
        /// The last line that was read.
        line: u64,
        /// What the system, or the unpacking, says.
        source: io::Error,
    },
    /// The file is something that is not imported.
    #[error("`{file}` {problem}")]
    Unsupported {
        /// The file, as the caller named it.
        file: String,
        /// What it is, and what to do.
        problem: String,
    },
    /// The file has no column of this name.
    #[error("`{file}` has no column `{column}`{hint}")]
    MissingColumn {
        /// The file, as the caller named it.
        file: String,
        /// The column that the mapping names.
        column: String,
        /// The nearest column, or all of them.
        hint: String,
    },
    /// Two columns bear the name that the mapping uses.
    #[error("`{file}` has two columns called `{column}`; name them apart, or give their names in `format.columns`")]
    AmbiguousColumn {
        /// The file, as the caller named it.
        file: String,
        /// The name.
        column: String,
    },
    /// Two files have the same content, which would double every order in them.
    #[error("`{file}` has the same content as `{other}`; give it once")]
    SameFileTwice {
        /// The later one.
        file: String,
        /// The earlier one.
        other: String,
    },
    /// More lines are waiting for their order to be complete than memory is meant for.
    #[error(
        "more than {limit} of orders are held in memory; sort the file by the columns of `group_by` and write `sorted: true` in the mapping"
    )]
    TooManyOpenOrders {
        /// The limit that was met, in words.
        limit: String,
    },
    /// A sorted file has more orders, or more lines of refused orders, than are remembered.
    #[error("more than {limit} orders are in one import; import the files in several steps")]
    TooManyOrders {
        /// The limit that was met.
        limit: usize,
    },
    /// More rows without an id of their own than can be told apart in memory.
    #[error("more than {limit} rows have no id; name the columns that tell them apart with `id: [...]` in the mapping")]
    TooManyRowsWithoutId {
        /// The limit that was met.
        limit: usize,
    },
    /// A checkpoint of other files, or of another mapping.
    #[error("the checkpoint is of other files or another mapping; start again without it, which changes nothing twice")]
    OtherCheckpoint,
}

/// The bounds of an import. The defaults are for honest files and a small machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest row, in bytes.
    pub row_bytes: usize,
    /// The most columns of a row.
    pub columns: usize,
    /// The most lines that wait for their order to be complete.
    pub open_lines: u64,
    /// Roughly the most memory that such lines take, in bytes.
    pub open_bytes: u64,
    /// The most rows without id, and the most ended orders of a sorted file, that are remembered.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            row_bytes: 1024 * 1024,
            columns: 10_000,
            open_lines: 5_000_000,
            open_bytes: 2 * 1024 * 1024 * 1024,
            // 32 bytes each: about a gigabyte.
            remembered: 20_000_000,
        }
    }
}

/// What a row reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Row,
    Refused(RefusalReason),
    End,
}

/// What comes out of an import, one by one.
#[derive(Clone, Debug)]
pub enum Item {
    /// A call for the engine.
    Call(Call),
    /// A line that was not taken.
    Refused(Refused),
    /// How far it is; now and then, also while orders are being gathered and no call can come.
    Progress(Progress),
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the files that were read, packed as they are.
    pub bytes_read: u64,
    /// The size of all files.
    pub bytes_total: u64,
    /// Rows that were read.
    pub rows: u64,
}

/// A place in an import from which it can go on. It is small and holds no data of customers.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checkpoint {
    /// Stands for the content of the files and the mapping.
    pub fingerprint: String,
    /// How many calls were handed out.
    pub calls: u64,
}

/// A running import: an iterator over calls, refused lines and progress.
///
/// The order is always the same for the same files and mapping. Rows by themselves become calls where they stand.
/// Orders come after the last file, by the place of their first lines; with `sorted: true` each comes where it ends.
/// Lines that are refused because their order is incomplete come last.
pub struct Source {
    mapping: Mapping,
    limits: Limits,
    files: Vec<InputFile>,
    bytes_read: Arc<AtomicU64>,
    rows: Option<Rows>,
    row: Row,
    ready: std::collections::VecDeque<Item>,
    orders: Orders,
    ended: std::vec::IntoIter<EndedOrder>,
    incomplete: HashSet<LinePlace>,
    equal_rows: EqualRows,
    stage: Stage,
    summary: Summary,
    calls_handed_out: u64,
    calls_to_skip: u64,
    rows_until_progress: u64,
    rows_to_read: u64,
}

/// What the import is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Reading this file.
    Reading(usize),
    /// Reading this file again, for the text of lines whose order turned out incomplete.
    Rereading(usize),
    Done,
}

/// A file, and what was found out about it.
#[derive(Clone, Debug)]
pub(crate) struct InputFile {
    path: PathBuf,
    pub(crate) name: String,
    bytes: u64,
    pub(crate) kind: FileKind,
    pub(crate) delimiter: Delimiter,
}

enum Rows {
    Csv(Box<CsvRows>),
    Json(Box<JsonRows>),
    Parquet(Box<ParquetRows>),
}

impl Source {
    /// Opens files and checks that they have the columns which the mapping names. Nothing is imported yet.
    pub fn open(paths: &[PathBuf], mapping: &Mapping) -> Result<Source, ImportError> {
        Source::open_within(paths, mapping, Limits::default())
    }

    /// As [`Source::open`], with other limits.
    pub fn open_within(paths: &[PathBuf], mapping: &Mapping, limits: Limits) -> Result<Source, ImportError> {
        if paths.len() > MOST_FILES {
            let file = paths[MOST_FILES].display().to_string();
            let problem = format!("is one file too many; at most {MOST_FILES} go into one import");
            return Err(ImportError::Unsupported { file, problem });
        }
        let files: Vec<InputFile> = paths.iter().map(|path| look_at(path, mapping)).collect::<Result<_, _>>()?;
        check_that_files_differ(&files)?;
        let bytes_read = Arc::new(AtomicU64::new(0));
        for file in &files {
            // Every header is checked before the first row of the first file counts.
            Rows::open(file, mapping, limits, &Arc::default())?;
        }
        Ok(Source {
            mapping: mapping.clone(),
            limits,
            files,
            bytes_read,
            rows: None,
            row: Row::default(),
            ready: std::collections::VecDeque::new(),
            orders: Orders::default(),
            ended: Vec::new().into_iter(),
            incomplete: HashSet::new(),
            equal_rows: EqualRows::default(),
            stage: Stage::Reading(0),
            summary: Summary::default(),
            calls_handed_out: 0,
            calls_to_skip: 0,
            rows_until_progress: ROWS_BETWEEN_PROGRESS,
            rows_to_read: u64::MAX,
        })
    }

    /// Goes on where an interrupted import of the same files stopped: the calls it handed out are counted, not
    /// handed out again. Refused lines come again, so that their file is whole.
    pub fn resume(mut self, checkpoint: &Checkpoint) -> Result<Source, ImportError> {
        if self.fingerprint()? != checkpoint.fingerprint {
            return Err(ImportError::OtherCheckpoint);
        }
        self.calls_to_skip = checkpoint.calls;
        Ok(self)
    }

    /// Leaves the first `calls` calls out, though it counts them.
    pub fn skip_calls(mut self, calls: u64) -> Source {
        self.calls_to_skip = calls;
        self
    }

    /// Stops after so many rows, as if the files ended there. Orders may lack their last lines then: for previews.
    pub(crate) fn only_first_rows(mut self, rows: u64) -> Source {
        self.rows_to_read = rows;
        self
    }

    /// Names the content of the files and the mapping. Reads the files once.
    pub fn fingerprint(&self) -> Result<String, ImportError> {
        let mut parts = vec![Fingerprint::of(&[self.mapping.yaml.as_bytes()]).hex()];
        for file in &self.files {
            parts.push(file.fingerprint()?.hex());
        }
        let bytes: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        Ok(Fingerprint::of(&bytes).hex())
    }

    /// How many calls were handed out or skipped: with [`Source::fingerprint`] a [`Checkpoint`].
    pub fn calls_handed_out(&self) -> u64 {
        self.calls_handed_out
    }

    /// What was seen so far; complete after the last item.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Takes the summary.
    pub fn into_summary(self) -> Summary {
        self.summary
    }

    /// The name of a file as refused rows show it; for [`Call::file`].
    pub fn file_name(&self, file: usize) -> Option<&str> {
        self.files.get(file).map(|file| file.name.as_str())
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let bytes_total = self.files.iter().map(|file| file.bytes).sum();
        let mut bytes_read = self.bytes_read.load(Ordering::Relaxed);
        if let (Some(Rows::Parquet(rows)), Stage::Reading(file)) = (&self.rows, self.stage) {
            // Parquet is read in no order that bytes would tell.
            bytes_read += (rows.share_read() * self.files[file].bytes as f64) as u64;
        }
        Progress { bytes_read: bytes_read.min(bytes_total), bytes_total, rows: self.summary.rows }
    }

    pub(crate) fn files(&self) -> &[InputFile] {
        &self.files
    }

    fn find_next(&mut self) -> Result<Option<Item>, ImportError> {
        loop {
            let item = match self.ready.pop_front() {
                Some(item) => item,
                None => match self.ended.next() {
                    Some(order) => Item::Call(order.into_call(&self.mapping)),
                    None => match self.stage {
                        Stage::Reading(file) => {
                            self.read_row(file)?;
                            continue;
                        }
                        Stage::Rereading(file) => {
                            self.reread_row(file)?;
                            continue;
                        }
                        Stage::Done => return Ok(None),
                    },
                },
            };
            match &item {
                Item::Call(call) => {
                    self.summary.add_call(call);
                    self.calls_handed_out += 1;
                    if self.calls_handed_out <= self.calls_to_skip {
                        continue;
                    }
                }
                Item::Refused(refused) => self.summary.add_refused(refused),
                Item::Progress(_) => {}
            }
            return Ok(Some(item));
        }
    }

    fn read_row(&mut self, file: usize) -> Result<(), ImportError> {
        if file == self.files.len() || self.summary.rows >= self.rows_to_read {
            self.end_orders();
            self.stage = if self.incomplete.is_empty() { Stage::Done } else { Stage::Rereading(0) };
            return Ok(());
        }
        match self.next_row(file)? {
            Next::End => {
                self.rows = None;
                self.equal_rows.clear();
                if self.files[file].kind == FileKind::Parquet {
                    self.bytes_read.fetch_add(self.files[file].bytes, Ordering::Relaxed);
                }
                self.stage = Stage::Reading(file + 1);
                self.ready.push_back(Item::Progress(self.progress()));
            }
            Next::Refused(reason) => {
                self.count_row();
                self.refuse(file, reason);
            }
            Next::Row => {
                self.count_row();
                if let Err(reason) = self.take_row(file) {
                    self.refuse(file, reason);
                }
                self.check_memory()?;
            }
        }
        Ok(())
    }

    fn next_row(&mut self, file: usize) -> Result<Next, ImportError> {
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => {
                let counter = if self.stage == Stage::Reading(file) { self.bytes_read.clone() } else { Arc::default() };
                self.rows.insert(Rows::open(&self.files[file], &self.mapping, self.limits, &counter)?)
            }
        };
        let name = &self.files[file].name;
        let read_error = |source: io::Error, line: u64| ImportError::Read { file: name.clone(), line, source };
        match rows {
            Rows::Csv(rows) => rows.next(&mut self.row).map_err(|error| read_error(error, self.row.line)),
            Rows::Json(rows) => rows.next(&mut self.row).map_err(|error| read_error(error, self.row.line)),
            Rows::Parquet(rows) => {
                rows.next(&mut self.row).map_err(|problem| read_error(io::Error::other(problem), self.row.line))
            }
        }
    }

    fn count_row(&mut self) {
        self.summary.add_row();
        self.rows_until_progress -= 1;
        if self.rows_until_progress == 0 {
            self.rows_until_progress = ROWS_BETWEEN_PROGRESS;
            self.ready.push_back(Item::Progress(self.progress()));
        }
    }

    /// Makes calls of the row, or puts its lines into their orders. Either all of a row counts or nothing.
    fn take_row(&mut self, file: usize) -> Result<(), RefusalReason> {
        let equal_rows = &mut self.equal_rows;
        let mut number_among_equals = |content| equal_rows.count(content);
        if self.mapping.pass_through.is_some() {
            let call = passed_call(&self.mapping, &self.row, file, &mut number_among_equals)?;
            self.ready.push_back(Item::Call(call));
            return Ok(());
        }
        let applying = Applying::new(&self.mapping, &self.row);
        if let Some(reason) = applying.unwanted() {
            return Err(reason);
        }
        let who = applying.who()?;
        let mut subject = Subject { who, time_ms: 0, file, line: self.row.line };
        let read = applying.time().and_then(|time_ms| {
            subject.time_ms = time_ms;
            let lines = if self.mapping.is_grouped() { applying.order_lines(&subject.who)? } else { Vec::new() };
            let calls = applying.calls(&subject, &mut number_among_equals)?;
            if lines.is_empty() && calls.is_empty() { Err(RefusalReason::NoRule) } else { Ok((lines, calls)) }
        });
        let (lines, calls) = match read {
            Ok(read) => read,
            Err(reason) => {
                if self.mapping.is_grouped() {
                    // Half an order would be a wrong one, and its id would keep the right one out for ever.
                    for key in applying.order_keys(&subject.who) {
                        self.orders.spoil(key, &subject);
                    }
                }
                return Err(reason);
            }
        };
        if self.mapping.sorted
            && let Some(line) = lines.first()
        {
            let columns = line.key.columns;
            if self.orders.has_ended(columns) {
                return Err(RefusalReason::NotSorted);
            }
            if self.orders.begins_another(columns) {
                self.end_orders();
            }
        }
        for line in lines {
            self.orders.add(&self.mapping, line, &subject)?;
        }
        self.ready.extend(calls.into_iter().map(Item::Call));
        Ok(())
    }

    /// Orders that ended are handed out before anything that was read later.
    fn end_orders(&mut self) {
        let ended = self.orders.end(&self.mapping, &mut self.incomplete);
        if self.mapping.sorted {
            // Few at a time: behind what earlier rows left ready.
            let mapping = &self.mapping;
            self.ready.extend(ended.map(|order| Item::Call(order.into_call(mapping))));
        } else {
            self.ended = ended;
        }
    }

    fn check_memory(&self) -> Result<(), ImportError> {
        if self.orders.line_count() > self.limits.open_lines {
            return Err(ImportError::TooManyOpenOrders { limit: format!("{} lines", self.limits.open_lines) });
        }
        if self.orders.bytes() > self.limits.open_bytes {
            return Err(ImportError::TooManyOpenOrders { limit: format!("{} bytes", self.limits.open_bytes) });
        }
        let remembered = self.limits.remembered;
        if self.equal_rows.len() > remembered {
            return Err(ImportError::TooManyRowsWithoutId { limit: remembered });
        }
        if self.orders.closed_count() > remembered || self.incomplete.len() > remembered {
            return Err(ImportError::TooManyOrders { limit: remembered });
        }
        Ok(())
    }

    fn reread_row(&mut self, file: usize) -> Result<(), ImportError> {
        if file == self.files.len() {
            self.stage = Stage::Done;
            return Ok(());
        }
        match self.next_row(file)? {
            Next::End => {
                self.rows = None;
                self.stage = Stage::Rereading(file + 1);
            }
            // It was refused the first time already.
            Next::Refused(_) => {}
            Next::Row => {
                if self.incomplete.contains(&LinePlace::new(file, self.row.line)) {
                    self.refuse(file, RefusalReason::IncompleteOrder);
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, file: usize, reason: RefusalReason) {
        let row = self.row.excerpt(EXCERPT_CHARACTERS);
        let file = self.files[file].name.clone();
        self.ready.push_back(Item::Refused(Refused { file, line: self.row.line, reason, row }));
    }
}

impl Iterator for Source {
    type Item = Result<Item, ImportError>;

    fn next(&mut self) -> Option<Result<Item, ImportError>> {
        let next = self.find_next();
        if next.is_err() {
            // What could not be read once is not tried again.
            self.stage = Stage::Done;
            self.ended = Vec::new().into_iter();
            self.ready.clear();
        }
        next.transpose()
    }
}

impl InputFile {
    fn fingerprint(&self) -> Result<Fingerprint, ImportError> {
        let open = |source| ImportError::Open { file: self.name.clone(), source };
        Fingerprint::of_reader(File::open(&self.path).map_err(open)?).map_err(open)
    }

    /// The content, unpacked, without a byte order mark.
    pub(crate) fn chunks(&self, counter: &Arc<AtomicU64>) -> Result<Chunks, ImportError> {
        let mut chunks = unpack(&self.path, &self.name, counter)?;
        let read = |source| ImportError::Read { file: self.name.clone(), line: 0, source };
        chunks.fill_to(3).map_err(read)?;
        if chunks.unread().starts_with(b"\xEF\xBB\xBF") {
            chunks.consume(3);
        }
        Ok(chunks)
    }

    /// Opens the file for a reader that seeks.
    pub(crate) fn file(&self) -> Result<File, ImportError> {
        File::open(&self.path).map_err(|source| ImportError::Open { file: self.name.clone(), source })
    }

    fn unsupported(&self, problem: impl Into<String>) -> ImportError {
        ImportError::Unsupported { file: self.name.clone(), problem: problem.into() }
    }

    /// The names of the columns of a table, and how many rows of the file they take.
    fn check_columns(&self, header: &[String], mapping: &Mapping) -> Result<Vec<usize>, ImportError> {
        let mut positions = Vec::new();
        for column in &mapping.columns {
            let mut found = header.iter().enumerate().filter(|(_, name)| *name == column).map(|(place, _)| place);
            match (found.next(), found.next()) {
                (Some(place), None) => positions.push(place),
                (Some(_), Some(_)) => {
                    return Err(ImportError::AmbiguousColumn { file: self.name.clone(), column: column.clone() });
                }
                (None, _) => {
                    let hint = hint_for_column(column, header);
                    return Err(ImportError::MissingColumn { file: self.name.clone(), column: column.clone(), hint });
                }
            }
        }
        Ok(positions)
    }
}

impl Rows {
    fn open(
        file: &InputFile,
        mapping: &Mapping,
        limits: Limits,
        counter: &Arc<AtomicU64>,
    ) -> Result<Rows, ImportError> {
        let empty = mapping.empty.clone();
        match file.kind {
            FileKind::Csv => open_csv(file, mapping, limits, counter),
            FileKind::JsonLines => {
                let chunks = file.chunks(counter)?;
                Ok(Rows::Json(Box::new(JsonRows::new(chunks, mapping.encoding, limits, &mapping.columns, empty))))
            }
            FileKind::Parquet => {
                let names = ParquetRows::column_names(file.file()?).map_err(|problem| file.unsupported(problem))?;
                // A path such as `address.city` begins with the name of a column.
                let is_there = |column: &&String| {
                    names.iter().any(|name| *column == name || column.starts_with(&format!("{name}.")))
                };
                if let Some(column) = mapping.columns.iter().find(|column| !is_there(column)) {
                    let hint = hint_for_column(column, &names);
                    return Err(ImportError::MissingColumn { file: file.name.clone(), column: column.clone(), hint });
                }
                let rows = ParquetRows::open(file.file()?, &mapping.columns, empty, limits.row_bytes)
                    .map_err(|problem| file.unsupported(format!("is no Parquet file that can be read: {problem}")))?;
                Ok(Rows::Parquet(Box::new(rows)))
            }
        }
    }
}

fn open_csv(
    file: &InputFile,
    mapping: &Mapping,
    limits: Limits,
    counter: &Arc<AtomicU64>,
) -> Result<Rows, ImportError> {
    let chunks = file.chunks(counter)?;
    let mut rows = CsvRows::new(chunks, file.delimiter, mapping.format.quote, mapping.encoding, limits);
    let mut header = mapping.format.columns.clone();
    if mapping.format.has_header {
        let mut row = Row::default();
        let read = |source| ImportError::Read { file: file.name.clone(), line: 0, source };
        match rows.next(&mut row).map_err(read)? {
            Next::Row => {}
            Next::Refused(reason) => {
                return Err(file.unsupported(format!("has a header that cannot be read: {reason}")));
            }
            Next::End => return Err(file.unsupported("is empty; not even a header is there")),
        }
        if header.is_empty() {
            header = (0..row.field_count()).map(|field| row.field(field).to_owned()).collect();
        }
    }
    let positions = file.check_columns(&header, mapping)?;
    rows.expect(header.len(), positions, mapping.empty.clone());
    Ok(Rows::Csv(Box::new(rows)))
}

fn hint_for_column(column: &str, header: &[String]) -> String {
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    match nearest(column, &names) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => {
            let shown: Vec<&str> = names.iter().take(30).copied().collect();
            let more = if names.len() > shown.len() { ", …" } else { "" };
            format!("; it has: {}{more}", shown.join(", "))
        }
    }
}

/// Two equal files in one import would put every line twice into its order.
fn check_that_files_differ(files: &[InputFile]) -> Result<(), ImportError> {
    for (i, file) in files.iter().enumerate() {
        for other in files[..i].iter().filter(|other| other.bytes == file.bytes) {
            if other.path == file.path || other.fingerprint()? == file.fingerprint()? {
                return Err(ImportError::SameFileTwice { file: file.name.clone(), other: other.name.clone() });
            }
        }
    }
    Ok(())
}

/// Finds out what a file is. The mapping has the first word, then the content, then the name.
pub(crate) fn look_at(path: &Path, mapping: &Mapping) -> Result<InputFile, ImportError> {
    let name = path.display().to_string();
    let open = |source| ImportError::Open { file: name.clone(), source };
    // Asked before it is opened: opening a pipe would wait for its other end.
    let metadata = std::fs::metadata(path).map_err(open)?;
    if !metadata.is_file() {
        return Err(ImportError::NotAFile { file: name });
    }
    let mut file = InputFile {
        path: path.to_owned(),
        name,
        bytes: metadata.len(),
        kind: FileKind::Csv,
        delimiter: Delimiter::Character(b','),
    };
    let mut chunks = file.chunks(&Arc::default())?;
    chunks.fill_to(SNIFFED_BYTES).map_err(|source| ImportError::Read { file: file.name.clone(), line: 0, source })?;
    let begin = chunks.unread();
    let found = found_kind(begin, path).map_err(|problem| file.unsupported(problem))?;
    file.kind = mapping.format.kind.unwrap_or(found);
    let is_parquet = found == FileKind::Parquet;
    if is_parquet != (file.kind == FileKind::Parquet) {
        let not = if is_parquet { "is a Parquet file" } else { "is no Parquet file" };
        return Err(file.unsupported(format!("{not}, which `format.kind` of the mapping contradicts")));
    }
    let mut raw = [0; 4];
    let is_packed = File::open(path).and_then(|mut file| file.read_exact(&mut raw)).is_ok() && raw != *b"PAR1";
    if is_parquet && is_packed {
        return Err(file.unsupported("is a packed Parquet file; unpack it, since Parquet packs itself"));
    }
    if file.kind == FileKind::JsonLines && begin.trim_ascii_start().starts_with(b"[") {
        return Err(file.unsupported("is one JSON array; write one object per line, for example with `jq -c '.[]'`"));
    }
    file.delimiter = mapping.format.delimiter.unwrap_or_else(|| found_delimiter(begin, mapping));
    Ok(file)
}

fn found_kind(begin: &[u8], path: &Path) -> Result<FileKind, &'static str> {
    if begin.starts_with(b"PAR1") {
        return Ok(FileKind::Parquet);
    }
    if begin.starts_with(b"PK\x03\x04") {
        return Err("is a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV");
    }
    if begin.starts_with(b"\xD0\xCF\x11\xE0") {
        return Err("is an old Excel file; save the sheet as CSV");
    }
    if begin.starts_with(b"\xFF\xFE") || begin.starts_with(b"\xFE\xFF") {
        return Err("is UTF-16; save it as CSV UTF-8");
    }
    if begin.starts_with(b"\x1F\x8B") || begin.starts_with(b"\x28\xB5\x2F\xFD") {
        return Err("is packed twice; unpack it once");
    }
    let begins_as_json = begin.trim_ascii_start().starts_with(b"{");
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    let is_called_json = [".jsonl", ".ndjson", ".json"].iter().any(|end| name.ends_with(end));
    Ok(if begins_as_json || is_called_json { FileKind::JsonLines } else { FileKind::Csv })
}

/// The delimiter with which the header has the most of the mapping's columns; among equals the most fields.
pub(crate) fn found_delimiter(begin: &[u8], mapping: &Mapping) -> Delimiter {
    let line = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let score = |delimiter: &u8| {
        let fields: Vec<&str> =
            line.split(char::from(*delimiter)).map(|field| field.trim_matches(['"', '\r'])).collect();
        let known = mapping.columns.iter().filter(|column| fields.contains(&column.as_str())).count();
        (known, fields.len())
    };
    // `max_by_key` takes the last of equals, so that the comma stands last.
    let best = [b'|', b'\t', b';', b','].into_iter().max_by_key(score).unwrap_or(b',');
    Delimiter::Character(best)
}

/// Opens a file, unpacks gzip and zstd by their first bytes, and counts what is read from disk.
fn unpack(path: &Path, name: &str, counter: &Arc<AtomicU64>) -> Result<Chunks, ImportError> {
    let open = |source| ImportError::Open { file: name.to_owned(), source };
    let mut file = File::open(path).map_err(open)?;
    let mut magic = [0; 4];
    let mut known = 0;
    while known < magic.len() {
        match file.read(&mut magic[known..]).map_err(open)? {
            0 => break,
            read => known += read,
        }
    }
    io::Seek::rewind(&mut file).map_err(open)?;
    let packed = Arc::new(AtomicU64::new(0));
    let counted = Counted { reader: file, mine: packed.clone(), all: counter.clone() };
    let reader: Box<dyn Read + Send> = match magic {
        [0x1F, 0x8B, ..] => Box::new(Unpacked::new(flate2::read::MultiGzDecoder::new(counted), packed)),
        [0x28, 0xB5, 0x2F, 0xFD] => {
            let mut decoder = zstd::stream::read::Decoder::new(counted).map_err(open)?;
            decoder.window_log_max(MOST_ZSTD_WINDOW_BITS).map_err(open)?;
            Box::new(Unpacked::new(decoder, packed))
        }
        _ => Box::new(counted),
    };
    Ok(Chunks::new(reader))
}

/// Counts the bytes that are read from disk.
struct Counted {
    reader: File,
    mine: Arc<AtomicU64>,
    all: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.mine.fetch_add(read as u64, Ordering::Relaxed);
        self.all.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Stops when a small file unpacks into an absurdly large one.
struct Unpacked<R> {
    reader: R,
    packed: Arc<AtomicU64>,
    unpacked: u64,
}

impl<R: Read> Unpacked<R> {
    fn new(reader: R, packed: Arc<AtomicU64>) -> Unpacked<R> {
        Unpacked { reader, packed, unpacked: 0 }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.unpacked += read as u64;
        let believable = self.packed.load(Ordering::Relaxed).saturating_mul(MOST_UNPACKED_PER_PACKED);
        if self.unpacked > UNPACKED_WITHOUT_SUSPICION.max(believable) {
            let words = format!(
                "it unpacks to more than {MOST_UNPACKED_PER_PACKED} times its size; unpack it first if it is honest"
            );
            return Err(io::Error::other(words));
        }
        Ok(read)
    }
}

/// The first bytes of a file, for a person to look at or to guess from.
pub(crate) fn first_lines(file: &InputFile, most: usize) -> Result<Vec<String>, ImportError> {
    let mut chunks = file.chunks(&Arc::default())?;
    let mut lines = Vec::new();
    let read = |source| ImportError::Read { file: file.name.clone(), line: 0, source };
    while lines.len() < most {
        match chunks.next_line(SNIFFED_BYTES).map_err(read)? {
            NextLine::Line { content, whole } => {
                lines.push(String::from_utf8_lossy(&chunks.unread()[..content]).into_owned());
                chunks.consume(whole);
            }
            NextLine::TooLong | NextLine::End => break,
        }
    }
    Ok(lines)
}
