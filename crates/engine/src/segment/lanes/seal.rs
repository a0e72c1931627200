//! Which rows become chunks, and how, beside whoever changes the live state.

use super::build::ChunkBuilder;
use super::chunk::{Chunk, Lane};
use crate::profile::identity::NodeId;
use crate::state::Engine;
use domain::Position;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{JournalRow, Reader, RowId, Shelf, StoreError};

/// Fewer chunks than this are merged only into one that is at least half full.
const FEWEST: usize = 4;

/// When calls become a chunk, and how large that is.
#[derive(Clone, Copy, Debug)]
pub struct LaneLimits {
    /// So many calls that are in no chunk are worth one.
    pub fewest_calls: u64,
    /// Most calls of a chunk, but that rows are never cut.
    pub most_calls: u64,
}

impl Default for LaneLimits {
    /// A chunk from 16,384 calls on, so that few are read as they came; up to 1,048,576, which take about 100 MB
    /// while a chunk is made.
    fn default() -> Self {
        LaneLimits { fewest_calls: 16_384, most_calls: 1 << 20 }
    }
}

/// Rows that are to become a chunk.
pub struct LaneJob {
    shelf: Arc<dyn Shelf>,
    after: RowId,
    first: Position,
    /// The last row; none: as far as a chunk goes.
    last: Option<RowId>,
    limits: LaneLimits,
    replaces: Vec<String>,
    /// How often somebody had been erased when it was found worth doing.
    erasures: u64,
}

/// A chunk on the shelf that nobody reads yet.
pub struct SealedLanes {
    /// None: the rows do not fit into a chunk.
    chunk: Option<Chunk>,
    replaces: Vec<String>,
    erasures: u64,
}

/// How often somebody had been erased when a chunk of this name was made.
pub(super) fn erasures_of(name: &str) -> u64 {
    name.rsplit_once("-e").and_then(|(_, erasures)| erasures.parse().ok()).unwrap_or_default()
}

impl SealedLanes {
    /// Number of its calls, and its size on the shelf in bytes.
    pub fn size(&self) -> (u64, u64) {
        self.chunk.as_ref().map_or((0, 0), |chunk| (chunk.directory.count, chunk.size_bytes()))
    }
}

impl Engine {
    /// What is worth doing for the lanes, if anything. O(chunks).
    pub fn lane_job(&self, limits: &LaneLimits) -> Option<LaneJob> {
        let (lanes, erasures) = (&self.lanes, self.erasures);
        if lanes.is_useless.load(Ordering::Relaxed) {
            return None;
        }
        let job = |after, first, last, replaces| {
            Some(LaneJob { shelf: lanes.shelf.clone(), after, first, last, limits: *limits, replaces, erasures })
        };
        let committed = self.position.0 - self.pending.calls.len() as u64;
        if committed - lanes.covered().min(committed) >= limits.fewest_calls.max(1) {
            return job(RowId(lanes.next_row().0 - 1), Position(lanes.covered() + 1), None, Vec::new());
        }
        let run = chunks_to_merge(&lanes.chunks, limits)?;
        let merged = lanes.chunks.get(run)?;
        let (first, last) = (&merged.first()?.directory, &merged.last()?.directory);
        let replaces = merged.iter().map(|chunk| chunk.name.clone()).collect();
        job(RowId(first.first_row - 1), Position(first.first), Some(RowId(last.last_row)), replaces)
    }

    /// The numbers of the names under which the calls of a committed row are filed; 0: nobody's.
    pub fn names_of(&self, row: &JournalRow) -> Vec<NodeId> {
        let of = |(offset, call): (u64, &Arc<domain::Call>)| {
            if crate::profile::identity::is_by_hand(call) || call.emptied_mark().is_some() {
                return 0;
            }
            self.people.node_at(call, Position(row.first.0 + offset)).unwrap_or(0)
        };
        (0_u64..).zip(&row.calls).map(of).collect()
    }

    /// Takes a chunk into the lanes, if it still fits.
    pub fn adopt_lanes(&mut self, sealed: SealedLanes) {
        let lanes = &mut self.lanes;
        if sealed.erasures != self.erasures {
            // It may hold somebody who was erased meanwhile.
            if let Some(chunk) = sealed.chunk {
                lanes.shelf.remove(&chunk.name);
            }
            return;
        }
        let Some(chunk) = sealed.chunk else {
            lanes.is_useless.store(true, Ordering::Relaxed);
            return;
        };
        let name = chunk.name.clone();
        let fits = if sealed.replaces.is_empty() {
            let follows =
                chunk.directory.first_row == lanes.next_row().0 && chunk.directory.first == lanes.covered() + 1;
            if follows {
                lanes.chunks.push(Arc::new(chunk));
            }
            follows
        } else {
            let run = lanes
                .chunks
                .windows(sealed.replaces.len())
                .position(|run| run.iter().map(|chunk| &chunk.name).eq(&sealed.replaces));
            if let Some(start) = run {
                lanes.chunks.splice(start..start + sealed.replaces.len(), [Arc::new(chunk)]);
            }
            run.is_some()
        };
        if !fits {
            // Unless a start in between found it on the shelf already.
            if lanes.chunks.iter().all(|chunk| chunk.name != name) {
                lanes.shelf.remove(&name);
            }
            return;
        }
        sealed.replaces.iter().filter(|gone| **gone != name).for_each(|gone| lanes.shelf.remove(gone));
        while lanes.latest_first <= lanes.covered() && lanes.latest.pop_front().is_some() {
            lanes.latest_first += 1;
        }
    }
}

/// Neighbours that fit in one chunk, of which none has more than half of the calls, so that a call is read again
/// a few times in its life and not each time a small chunk comes.
fn chunks_to_merge(chunks: &[Arc<Chunk>], limits: &LaneLimits) -> Option<Range<usize>> {
    (0..chunks.len()).find_map(|start| {
        let (mut calls, mut largest, mut end) = (0, 0, start);
        for chunk in &chunks[start..] {
            if calls + chunk.directory.count > limits.most_calls {
                break;
            }
            calls += chunk.directory.count;
            largest = largest.max(chunk.directory.count);
            end += 1;
        }
        let is_worth_it = end - start >= FEWEST || calls >= limits.most_calls / 2;
        (end - start > 1 && largest * 2 <= calls && is_worth_it).then_some(start..end)
    })
}

impl LaneJob {
    /// Reads the rows and puts the chunk on the shelf. None if there is nothing to read yet. O(calls).
    ///
    /// `names`: the numbers of the names of a row's calls (`Engine::names_of`).
    pub fn run(
        self,
        reader: &dyn Reader,
        names: &mut dyn FnMut(&JournalRow) -> Vec<NodeId>,
    ) -> Result<Option<SealedLanes>, StoreError> {
        let mut builder = ChunkBuilder::new(RowId(self.after.0 + 1), self.first);
        let mut is_full = false;
        let enough = || StoreError::Io { doing: "read", reason: "a chunk is full".to_owned() };
        let read = reader.replay(self.after, &mut |row| {
            let next = self.first.0 + builder.count();
            if row.first.0 != next {
                let reason = format!("its first call is number {} instead of {next}", row.first.0);
                return Err(StoreError::Damaged { place: format!("journal row {}", row.id.0), reason });
            }
            let too_many = builder.count() > 0 && builder.count() + row.calls.len() as u64 > self.limits.most_calls;
            if self.last.map_or(too_many, |last| row.id > last) {
                is_full = true;
                return Err(enough());
            }
            builder.take_row(row.id, names(&row).into_iter().zip(&row.calls));
            Ok(())
        });
        if !is_full {
            read?;
        }
        if builder.count() == 0 {
            return Ok(None);
        }
        let name = match self.erasures {
            0 => builder.name(),
            erasures => format!("{}-e{erasures}", builder.name()),
        };
        let Some(bytes) = builder.finish() else {
            return Ok(Some(SealedLanes { chunk: None, replaces: Vec::new(), erasures: self.erasures }));
        };
        self.shelf.put(&name, &bytes)?;
        let chunk = Chunk::open(&name, self.shelf.open(&name)?)?;
        Ok(Some(SealedLanes { chunk: Some(chunk), replaces: self.replaces, erasures: self.erasures }))
    }
}

impl Chunk {
    /// Whether its last call is that of the journal.
    pub(super) fn belongs_to(&self, reader: &dyn Reader) -> Result<bool, StoreError> {
        let row = reader.rows(&[RowId(self.directory.last_row)])?.pop();
        Ok(row.is_some_and(|row| {
            row.first.0 + row.calls.len() as u64 == self.directory.first + self.directory.count
                && row.calls.last().is_some_and(|call| *call.message_id == *self.directory.last_message)
        }))
    }
}

impl Lane {
    /// Whether all values of these properties are in it.
    pub(super) fn keeps(&self, keys: &BTreeSet<&str>) -> bool {
        keys.iter().all(|key| match self.columns.iter().find(|column| column.key == *key) {
            Some(column) => !column.is_cut,
            None => !self.is_cut,
        })
    }
}
