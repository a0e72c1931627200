//! Lanes: the events of history by their columns, so that a new rule is asked of all of it at the speed of memory.
//!
//! They are derived from calls and can be made again; what they cannot answer is answered from history (`as_of.rs`). A
//! *chunk* holds whole journal rows, in the order of the journal; the latest calls, which are in no chunk yet, are
//! kept beside them as they came. A chunk knows customers by the numbers of their names, which never change:
//! people who turn out to be one, or two, change nothing in it.

pub(crate) mod bits;
mod build;
mod chunk;
mod evaluate;
mod followed;
mod packed;
mod parallel;
mod question;
mod seal;
mod select;
mod sources;
mod tally;
#[cfg(test)]
mod tests;
mod tile;

pub use chunk::Chunk;
pub use seal::{LaneJob, LaneLimits, SealedLanes};

use crate::profile::People;
use crate::profile::identity::NodeId;
use crate::segment::plan::Plan;
use bits::Bits;
use build::ChunkBuilder;
use domain::{Call, Position};
pub(crate) use question::{Live, Rules};
use select::Without;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Reader, RowId, Shelf, StoreError};

/// Calls that are kept as they came, at most: at some 700 bytes each. When sealing is further behind, history answers.
const LATEST: usize = 65_536;

/// The lanes of a workspace.
pub(crate) struct Lanes {
    shelf: Arc<dyn Shelf>,
    /// In the order of their rows, without gaps, from the first row on.
    chunks: Vec<Arc<Chunk>>,
    /// The latest calls, each with the number of the name it is filed under; 0: of nobody.
    latest: VecDeque<(NodeId, Arc<Call>)>,
    /// The position of the first of them.
    latest_first: u64,
    /// Something in them could not be read, or does not fit into them: history answers.
    is_useless: Arc<AtomicBool>,
}

impl Lanes {
    /// None, and no place to keep some.
    pub(crate) fn none(shelf: Arc<dyn Shelf>) -> Lanes {
        Lanes { shelf, chunks: Vec::new(), latest: VecDeque::new(), latest_first: 1, is_useless: Arc::default() }
    }

    /// Opens what lies on the shelf. Whatever does not belong to this journal is taken away, as is what was made before
    /// somebody was last erased: it holds them. `erasures`: how often somebody was.
    pub(crate) fn open(shelf: Arc<dyn Shelf>, reader: &dyn Reader, erasures: u64) -> Result<Lanes, StoreError> {
        let mut lanes = Lanes::none(shelf);
        let mut found: Vec<Arc<Chunk>> = Vec::new();
        for name in lanes.shelf.names()? {
            if seal::erasures_of(&name) != erasures {
                lanes.shelf.remove(&name);
                continue;
            }
            match lanes.shelf.open(&name).and_then(|shelved| Chunk::open(&name, shelved)) {
                Ok(chunk) => found.push(Arc::new(chunk)),
                Err(error) => {
                    tracing::info!("lanes/{name} is made again: {error}");
                    lanes.shelf.remove(&name);
                }
            }
        }
        // Of several that begin alike the longest: the others were merged into it.
        found.sort_by_key(|chunk| (chunk.directory.first_row, std::cmp::Reverse(chunk.directory.last_row)));
        let mut left_over = Vec::new();
        for chunk in found {
            let follows =
                chunk.directory.first_row == lanes.next_row().0 && chunk.directory.first == lanes.covered() + 1;
            if follows { lanes.chunks.push(chunk) } else { left_over.push(chunk) }
        }
        // A journal only grows: where the last call is the same, all before it are.
        while let Some(last) = lanes.chunks.last() {
            if last.belongs_to(reader)? {
                break;
            }
            left_over.extend(lanes.chunks.pop());
        }
        for chunk in left_over {
            lanes.shelf.remove(&chunk.name);
        }
        Ok(lanes)
    }

    /// The position up to which chunks hold everything.
    fn covered(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.directory.first + chunk.directory.count - 1)
    }

    /// The first row that is in no chunk.
    fn next_row(&self) -> RowId {
        RowId(self.chunks.last().map_or(0, |chunk| chunk.directory.last_row) + 1)
    }

    /// Notes a call with the number of the name that it is filed under; 0: of nobody.
    pub(crate) fn note(&mut self, position: Position, node: NodeId, call: &Arc<Call>) {
        if position.0 <= self.covered() {
            return;
        }
        if self.latest.is_empty() || self.latest_first + self.latest.len() as u64 != position.0 {
            self.latest.clear();
            self.latest_first = position.0;
        }
        self.latest.push_back((node, call.clone()));
        if self.latest.len() > LATEST {
            self.latest.pop_front();
            self.latest_first += 1;
        }
    }

    /// Looks at the calls that the next so many will push out, so that they are at hand when they are thrown away.
    pub(crate) fn fetch(&self, next: usize) -> usize {
        let full = (self.latest.len() + next).saturating_sub(LATEST);
        let going = self.latest.iter().take(full.min(next)).map(|(_, call)| call);
        going
            .map(|call| usize::from(call.message_id.starts_with('e')) + usize::from(call.body.get().starts_with('{')))
            .sum()
    }

    /// What is needed to ask rules without holding the live state. None where lanes cannot answer them, since they lack
    /// something or are behind. O(names + latest calls).
    pub(crate) fn view(&self, plan: &Plan, people: &People, position: Position) -> Option<LaneView> {
        let covered = self.covered();
        let has_gap = covered < position.0 && (self.latest.is_empty() || self.latest_first > covered + 1);
        if has_gap || self.is_useless.load(Ordering::Relaxed) || !self.keep_all(plan) {
            return None;
        }
        let skipped = usize::try_from((covered + 1).saturating_sub(self.latest_first)).unwrap_or(usize::MAX);
        Some(LaneView {
            chunks: self.chunks.clone(),
            latest: self.latest.iter().skip(skipped).cloned().collect(),
            first: Position(covered + 1),
            persons: people.persons(),
            is_useless: self.is_useless.clone(),
        })
    }

    /// Whether nothing that the streams of a plan ask about was left out of a chunk.
    fn keep_all(&self, plan: &Plan) -> bool {
        plan.streams.iter().all(|spec| {
            let keys = spec.keys();
            let lanes = self.chunks.iter().flat_map(|chunk| &chunk.directory.lanes);
            keys.is_empty() || lanes.filter(|lane| spec.event.matches(&lane.event)).all(|lane| lane.keeps(&keys))
        })
    }
}

/// Lanes as they are at one instant, for one plan.
pub(crate) struct LaneView {
    chunks: Vec<Arc<Chunk>>,
    latest: Vec<(NodeId, Arc<Call>)>,
    /// The position of the first of the latest.
    first: Position,
    persons: Vec<NodeId>,
    is_useless: Arc<AtomicBool>,
}

impl LaneView {
    /// The people of whom each rule holds. O(events of the names that the rules mention).
    pub(crate) fn ask(&self, plan: &Plan, rules: &Rules) -> Result<Vec<Bits>, StoreError> {
        let mut latest = ChunkBuilder::in_memory_from(self.first);
        for (node, call) in &self.latest {
            let is_asked = |event: &Arc<str>| plan.streams_of(event).next().is_some();
            let node = if call.event.as_ref().is_some_and(is_asked) { *node } else { 0 };
            latest.take(node, call);
        }
        let latest = latest.in_memory()?;
        let chunks: Vec<&Chunk> = self.chunks.iter().map(Arc::as_ref).chain([&latest]).collect();
        evaluate::evaluate(plan, rules, &chunks, &self.persons).map_err(|without| {
            // The next question is answered from history.
            self.is_useless.store(true, Ordering::Relaxed);
            match without {
                Without::Store(error) => error,
                Without::NotKept => StoreError::Damaged {
                    place: "lanes".to_owned(),
                    reason: "a chunk lacks what its directory promises; ask again, it is made anew".to_owned(),
                },
            }
        })
    }
}
