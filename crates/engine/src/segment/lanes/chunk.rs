//! A chunk: the events of a run of journal rows by their columns, as it lies on the shelf.
//!
//! A lane holds the events of one name, sorted by (name number of the customer, time, position), so that everything of
//! one customer stands together. Every number of a column has the same width: any row is found without reading
//! those before it. What is asked of a property is asked of each of its different values once.

use super::packed::Packed;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;
use store::{Shelved, StoreError};

/// Name numbers in a tile: the lower 16 bits of a number are its place in the tile.
pub(super) const TILE: usize = 1 << 16;
/// Raised with every change of what stands in a chunk.
pub(super) const FORMAT: u32 = 1;
/// Ends every chunk, after the length and the sum of its directory.
pub(super) const MAGIC: &[u8; 8] = b"perennLN";
/// Bytes after the directory: its length, its sum, and the magic word.
pub(super) const TAIL_BYTES: u64 = 8 + 4 + 8;
/// Most bytes of a directory that is read. A length beyond it is damage.
const DIRECTORY_BYTES: u64 = 1 << 28;

/// Where some bytes stand in a chunk.
#[derive(Clone, Copy, Serialize, Deserialize, Debug)]
pub(super) struct Piece {
    pub(super) at: u64,
    pub(super) size: u64,
    /// Bytes of a number; 0 where there is nothing to tell apart.
    pub(super) width: u8,
    /// CRC-32.
    pub(super) sum: u32,
}

/// A property of a lane's events.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct Column {
    pub(super) key: String,
    /// Its different values as JSON, each followed by a line feed.
    pub(super) values: Piece,
    /// For each row the number of its value, from 1; 0: it has none.
    pub(super) places: Piece,
    /// Some of its values were too long to be kept.
    pub(super) is_cut: bool,
}

/// The events of one name.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct Lane {
    pub(super) event: String,
    pub(super) rows: usize,
    /// Where each tile begins, and where the last one ends.
    pub(super) starts: Vec<usize>,
    pub(super) min_time: i64,
    pub(super) max_time: i64,
    /// Lower 16 bits of the name numbers.
    pub(super) node: Piece,
    /// Milliseconds after `min_time`.
    pub(super) time: Piece,
    /// How far behind the chunk's first position.
    pub(super) offset: Piece,
    pub(super) columns: Vec<Column>,
    /// Its events have more properties than are kept here.
    pub(super) is_cut: bool,
}

/// What stands in a chunk, and where.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(super) struct Directory {
    pub(super) format: u32,
    pub(super) first_row: u64,
    pub(super) last_row: u64,
    /// Position of its first call.
    pub(super) first: u64,
    /// Number of calls in its rows, events or not.
    pub(super) count: u64,
    /// The messageId of its last call: whether it belongs to this journal.
    pub(super) last_message: String,
    pub(super) lanes: Vec<Lane>,
}

/// A chunk that is open.
pub struct Chunk {
    pub(super) name: String,
    pub(super) directory: Directory,
    by_event: HashMap<String, usize>,
    shelved: Box<dyn Shelved>,
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({})", self.name)
    }
}

/// The error of a chunk that is not what was written.
fn damaged(name: &str, reason: &str) -> StoreError {
    StoreError::Damaged { place: format!("lanes/{name}"), reason: reason.to_owned() }
}

impl Chunk {
    /// Opens a chunk: reads its directory, and checks it so that no number in it leads astray.
    pub(super) fn open(name: &str, shelved: Box<dyn Shelved>) -> Result<Chunk, StoreError> {
        let damage = |reason: &str| damaged(name, reason);
        let end = shelved.size_bytes().checked_sub(TAIL_BYTES).ok_or_else(|| damage("it is too short"))?;
        let mut tail = [0; TAIL_BYTES as usize];
        shelved.read(end, &mut tail)?;
        let (length, rest) = tail.split_at(8);
        let (sum, magic) = rest.split_at(4);
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
        let sum = u32::from_le_bytes(sum.try_into().expect("four bytes"));
        let start = end.checked_sub(length).filter(|_| magic == MAGIC && length <= DIRECTORY_BYTES);
        let start = start.ok_or_else(|| damage("it is no chunk"))?;
        let mut bytes = vec![0; usize::try_from(length).map_err(|error| damage(&error.to_string()))?];
        shelved.read(start, &mut bytes)?;
        if crc32fast::hash(&bytes) != sum {
            return Err(damage("the checksum of its directory differs"));
        }
        let directory: Directory = serde_json::from_slice(&bytes).map_err(|error| damage(&error.to_string()))?;
        if directory.format != FORMAT {
            return Err(damage("it has another format"));
        }
        if !directory.lanes.iter().all(|lane| lane.is_sound(start)) {
            return Err(damage("its directory contradicts itself"));
        }
        let by_event = directory.lanes.iter().enumerate().map(|(place, lane)| (lane.event.clone(), place)).collect();
        Ok(Chunk { name: name.to_owned(), directory, by_event, shelved })
    }

    /// The lane of an event, if some happened.
    pub(super) fn lane(&self, event: &str) -> Option<&Lane> {
        self.by_event.get(event).and_then(|place| self.directory.lanes.get(*place))
    }

    /// Reads a piece and checks it.
    fn bytes(&self, piece: &Piece) -> Result<Vec<u8>, StoreError> {
        let size = usize::try_from(piece.size).map_err(|error| damaged(&self.name, &error.to_string()))?;
        // With the room that `Packed` wants behind it.
        let mut bytes = Vec::with_capacity(size + 8);
        bytes.resize(size, 0);
        self.shelved.read(piece.at, &mut bytes)?;
        if crc32fast::hash(&bytes) != piece.sum {
            return Err(damaged(&self.name, &format!("the checksum of the {size} bytes at {} differs", piece.at)));
        }
        Ok(bytes)
    }

    /// Reads some of the numbers of a column. Returns the sum of their bytes.
    fn some_numbers(&self, piece: &Piece, rows: &Range<usize>, into: &mut Packed) -> Result<u32, StoreError> {
        let width = usize::from(piece.width);
        let at = piece.at + (rows.start * width) as u64;
        into.refill(piece.width, rows.len() * width, |bytes| {
            self.shelved.read(at, bytes)?;
            Ok(crc32fast::hash(bytes))
        })
    }

    /// Reads a column of numbers.
    pub(super) fn numbers(&self, piece: &Piece) -> Result<Packed, StoreError> {
        Ok(Packed::new(self.bytes(piece)?, piece.width))
    }

    /// Reads the different values of a property, in the order of their numbers from 1.
    pub(super) fn values(&self, column: &Column) -> Result<Vec<serde_json::Value>, StoreError> {
        let bytes = self.bytes(&column.values)?;
        let values = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<_>, _>>();
        values.map_err(|error| damaged(&self.name, &error.to_string()))
    }

    /// Its size on the shelf.
    pub fn size_bytes(&self) -> u64 {
        self.shelved.size_bytes()
    }
}

/// A column that is read tile by tile, so that what is read is at hand when it is worked on.
pub(super) struct TiledColumn<'a> {
    chunk: &'a Chunk,
    piece: &'a Piece,
    /// By tile, how many bytes were read, and their sum.
    sums: Vec<OnceLock<(u64, u32)>>,
}

impl<'a> TiledColumn<'a> {
    pub(super) fn new(chunk: &'a Chunk, lane: &Lane, piece: &'a Piece) -> TiledColumn<'a> {
        TiledColumn { chunk, piece, sums: (1..lane.starts.len()).map(|_| OnceLock::new()).collect() }
    }

    /// Reads the rows of a tile.
    pub(super) fn read(&self, tile: usize, rows: &Range<usize>, into: &mut Packed) -> Result<(), StoreError> {
        let sum = self.chunk.some_numbers(self.piece, rows, into)?;
        if let Some(known) = self.sums.get(tile) {
            let size = rows.len() as u64 * u64::from(self.piece.width);
            // The same bytes are read again where strays are looked for.
            let _ = known.set((size, sum));
        }
        Ok(())
    }

    /// Whether what was read is what was written, if all of it was read.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let mut whole = crc32fast::Hasher::new();
        for sum in &self.sums {
            let Some((size, sum)) = sum.get() else { return Ok(()) };
            whole.combine(&crc32fast::Hasher::new_with_initial_len(*sum, *size));
        }
        if whole.finalize() == self.piece.sum {
            return Ok(());
        }
        let Piece { at, size, .. } = self.piece;
        Err(damaged(&self.chunk.name, &format!("the checksum of the {size} bytes at {at} differs")))
    }
}

impl Lane {
    /// Whether its numbers fit together, and its pieces stand before `end`.
    fn is_sound(&self, end: u64) -> bool {
        let fits = |piece: &Piece| piece.at.checked_add(piece.size).is_some_and(|stop| stop <= end);
        let is_column = |piece: &Piece| {
            fits(piece)
                && piece.width <= 8
                && Some(piece.size) == (self.rows as u64).checked_mul(u64::from(piece.width))
        };
        self.starts.is_sorted()
            && self.starts.first() == Some(&0)
            && self.starts.last() == Some(&self.rows)
            && self.min_time <= self.max_time
            && [&self.node, &self.time, &self.offset].into_iter().all(is_column)
            && self.columns.iter().all(|column| fits(&column.values) && is_column(&column.places))
    }

    /// The rows of a tile.
    pub(super) fn tile(&self, tile: usize) -> std::ops::Range<usize> {
        match (self.starts.get(tile), self.starts.get(tile + 1)) {
            (Some(start), Some(end)) => *start..*end,
            _ => 0..0,
        }
    }
}
