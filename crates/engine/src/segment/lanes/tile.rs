//! The events of one stream of the people of one tile, put together person by person.

use crate::segment::feature::{Entry, Kept};
use domain::Timestamp;

/// One event of a stream, of the person at a place of a tile.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) time: i64,
    /// The number of what is kept of it.
    pub(super) value: u32,
    pub(super) place: u16,
}

/// The events of a stream of the people of a tile.
#[derive(Default)]
pub(super) struct TileEntries {
    found: Vec<Found>,
    /// Of each found one, where the order of one instant matters.
    positions: Vec<u64>,
    /// Those who have any, in order.
    present: Vec<u16>,
    /// Where the events of each of them begin, and where the last ones end.
    starts: Vec<u32>,
    times: Vec<Timestamp>,
    /// Empty where the stream keeps nothing but instants.
    values: Vec<u32>,
}

impl TileEntries {
    /// Forgets everything but the room that it took.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.positions.clear();
        self.present.clear();
        self.starts.clear();
        self.times.clear();
        self.values.clear();
    }

    /// Adds an event; with its position where the order of events of one instant matters, and then always.
    #[inline]
    pub(super) fn push(&mut self, found: Found, position: Option<u64>) {
        self.found.push(found);
        self.positions.extend(position);
    }

    /// Puts what was found in the order of people, and of each in the order of time; those of one instant as they
    /// arrived.
    pub(super) fn arrange(&mut self, has_values: bool) {
        if !self.positions.is_empty() {
            let mut all: Vec<(Found, u64)> = self.found.iter().copied().zip(self.positions.drain(..)).collect();
            all.sort_unstable_by_key(|(found, position)| (found.place, found.time, *position));
            self.found.clear();
            self.found.extend(all.into_iter().map(|(found, _)| found));
        } else if !self.found.is_sorted_by_key(|found| (found.place, found.time)) {
            // Stable, and quick where the parts of several chunks are in order each.
            self.found.sort_by_key(|found| (found.place, found.time));
        }
        let mut last = None;
        for (at, found) in (0_u32..).zip(&self.found) {
            if last != Some(found.place) {
                last = Some(found.place);
                self.present.push(found.place);
                self.starts.push(at);
            }
            self.times.push(Timestamp(found.time));
            if has_values {
                self.values.push(found.value);
            }
        }
        self.starts.push(u32::try_from(self.found.len()).unwrap_or(u32::MAX));
    }

    fn range(&self, at: usize) -> std::ops::Range<usize> {
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(start), Some(end)) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    fn range_of(&self, person: usize) -> std::ops::Range<usize> {
        self.present.binary_search_by_key(&person, |present| usize::from(*present)).map_or(0..0, |at| self.range(at))
    }

    /// Visits everybody who has any: their place, and when and with which values their events happened.
    #[inline]
    pub(super) fn each(&self, mut visit: impl FnMut(usize, &[Timestamp], &[u32])) {
        for (at, person) in self.present.iter().enumerate() {
            let range = self.range(at);
            let values = self.values.get(range.clone()).unwrap_or(&[]);
            visit(usize::from(*person), self.times.get(range).unwrap_or(&[]), values);
        }
    }

    /// The places of everybody who has any.
    pub(super) fn present(&self) -> impl Iterator<Item = usize> {
        self.present.iter().map(|person| usize::from(*person))
    }

    /// When somebody's events happened.
    #[inline]
    pub(super) fn times(&self, person: usize) -> &[Timestamp] {
        self.times.get(self.range_of(person)).unwrap_or(&[])
    }

    /// Somebody's events as the evaluator of all rules takes them. `kept`: the values that theirs are numbers of.
    pub(super) fn entries(&self, person: usize, kept: &[Kept]) -> Vec<Entry> {
        let range = self.range_of(person);
        let values = self.values.get(range.clone()).unwrap_or(&[]).iter().map(|value| kept.get(*value as usize));
        (0_u64..)
            .zip(self.times.get(range).unwrap_or(&[]))
            .zip(values.chain(std::iter::repeat(None)))
            .map(|((at, time), kept)| Entry {
                order: (*time, at),
                stream: 0,
                value: kept.cloned().unwrap_or(Kept::Nothing),
            })
            .collect()
    }
}
