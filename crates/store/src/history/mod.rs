//! History: the older part of the journal, sealed into Parquet files.
//!
//! Here: how a file is written, read and checked. The list of files and the transactions that change it are the
//! database's matter (`sqlite/`).
//!
//! # The files
//!
//! `history/calls-FIRST-LAST.parquet` holds the calls of whole journal rows, from position FIRST to position LAST,
//! sorted by (`name`, `time`, `position`). `name` is the call's userId, else its anonymousId: not the person, since
//! people may turn out to be one, or two, at any time. A file never changes. Files do not overlap; history and
//! journal together hold each call once. The columns are explained in `columns`.
//!
//! # Reading one customer's history
//!
//! Live state knows the journal rows in which a name occurs, so only files that hold some of them are opened. In
//! a file the calls of a name stand together: the page index (smallest and largest name of every page of
//! 1,024 calls) leads to the one or two pages that hold them, and only these are read, checked and decompressed.
//! Measured with `cargo test -p store --lib -- --ignored --nocapture one_customer` on a file of 262,144 calls under 20,000
//! names (13 calls each), open, in the page cache, on two busy cores in the development profile; the ratios count:
//!
//! | found by | somebody's 13 calls | a name that is not there |
//! |---|---|---|
//! | page index | 1.9 ms | 0.3 ms |
//! | statistics of row groups | 21 ms | 20 ms |
//!
//! A bloom filter could only spare the 0.3 ms, and the rows have told already which files to open; an index of our own
//! would find the same pages. So neither is kept. The footer with its indexes is 220 KB in memory, a call takes 29 bytes on
//! disk (347 as JSON), and putting a whole file back into the order of its positions takes 2.5 s there.
//!
//! # Damage
//!
//! The list of files holds a CRC-32 for each 16 KB of a file: every byte is checked before it is understood,
//! however small the part that is read. Parquet itself has checksums of pages, which its Rust writer leaves out.

mod checked;
pub(crate) mod columns;
mod file;
mod plan;

pub(crate) use columns::Placed;
pub(crate) use file::{OpenFile, Reads, WriteFailed, damaged_file, write};
pub use plan::{JournalSpan, files_to_merge, rows_to_seal};

use crate::RowId;
use domain::{Position, Timestamp};

/// How much stays in the journal, and how large a file of history becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryLimits {
    /// Sealing begins when more calls than this are in the journal, and ends when it holds half of them: what
    /// is new is read most, and small files cost more than they bring.
    pub journal_calls: u64,
    /// Most calls in a file. A replay puts the calls of one file back into their order in memory, at about 650
    /// bytes a call.
    pub file_calls: u64,
    /// Most bytes of calls in a file, as JSON: the bound on that memory where calls are large.
    pub file_bytes: u64,
}

impl Default for HistoryLimits {
    /// 200,000 calls stay; files of 262,144 calls and 256 MB.
    fn default() -> Self {
        HistoryLimits { journal_calls: 200_000, file_calls: 262_144, file_bytes: 256 * 1024 * 1024 }
    }
}

/// A file of history, as it stands in the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryFile {
    /// Its name in the directory `history`.
    pub name: String,
    /// The first journal row whose calls it holds.
    pub first_row: RowId,
    /// The last one.
    pub last_row: RowId,
    /// Position of its first call.
    pub first: Position,
    /// Number of its calls; their positions have no gaps.
    pub count: u64,
    /// Bytes of its calls as JSON.
    pub json_bytes: u64,
    /// When the earliest of its calls happened.
    pub min_time: Timestamp,
    /// When the latest of its calls happened.
    pub max_time: Timestamp,
    /// The smallest name in it, by bytes.
    pub min_name: String,
    /// The largest name in it.
    pub max_name: String,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// CRC-32 (IEEE) of each 16 KB of it.
    pub sums: Vec<u32>,
}

impl HistoryFile {
    /// Position of its last call.
    pub fn last(&self) -> Position {
        Position((self.first.0 + self.count).saturating_sub(1))
    }

    /// Whether it holds the calls of a journal row.
    pub fn holds(&self, row: RowId) -> bool {
        (self.first_row..=self.last_row).contains(&row)
    }
}

/// A file that is written and durable, but not in the list: nobody reads it until the store adopts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prepared {
    /// The file.
    pub file: HistoryFile,
    /// Where its calls are taken from.
    pub from: TakenFrom,
    /// How often somebody had been erased when its calls were read. Once more since, and it is refused: it may hold calls
    /// that are to be gone.
    pub erasures: u64,
}

/// Where the calls of a prepared file are until it is adopted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakenFrom {
    /// In rows of the journal: they are sealed.
    Journal,
    /// In smaller files, which are merged.
    Files,
}
