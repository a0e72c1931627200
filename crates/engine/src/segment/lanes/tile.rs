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
    /// Room to put them in order.
    spare: Vec<Found>,
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

/// Writes `from` into `to`, which is as long, in the order of a byte of each; those of one byte as they are.
fn distribute(from: &[Found], to: &mut [Found], byte: impl Fn(&Found) -> u8) {
    let mut next = [0_usize; 256];
    for found in from {
        next[usize::from(byte(found))] += 1;
    }
    let mut begin = 0;
    for count in &mut next {
        begin += std::mem::replace(count, begin);
    }
    for found in from {
        let place = &mut next[usize::from(byte(found))];
        to[*place] = *found;
        *place += 1;
    }
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
        } else if !self.is_arranged() {
            self.arrange_by_place();
            // What happened late stands behind what came before it.
            if !self.is_arranged() {
                self.found.sort_by_key(|found| (found.place, found.time));
            }
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

    fn is_arranged(&self) -> bool {
        self.found.is_sorted_by_key(|found| (found.place, found.time))
    }

    /// Puts what was found in the order of people, those of each in the order in which they are: chunk after chunk, so mostly
    /// in that of time. By the lower half of the place, then by the upper one, without comparing: O(found).
    fn arrange_by_place(&mut self) {
        let mut spare = std::mem::take(&mut self.spare);
        spare.clear();
        spare.resize(self.found.len(), Found { time: 0, value: 0, place: 0 });
        distribute(&self.found, &mut spare, |found| found.place.to_le_bytes()[0]);
        distribute(&spare, &mut self.found, |found| found.place.to_le_bytes()[1]);
        self.spare = spare;
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

    /// Visits everybody who has any: their place, and when their events happened.
    #[inline]
    pub(super) fn each(&self, mut visit: impl FnMut(usize, &[Timestamp])) {
        for (at, person) in self.present.iter().enumerate() {
            visit(usize::from(*person), self.times.get(self.range(at)).unwrap_or(&[]));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_stand_by_person_and_time_however_they_were_found(
            found in proptest::collection::vec((0_u16..600, 0_i64..40), 0..300),
            in_order_of_time in any::<bool>(),
        ) {
            let mut found = found;
            if in_order_of_time {
                found.sort_by_key(|(_, time)| *time);
            }
            let mut entries = TileEntries::default();
            for (number, (place, time)) in (0_u32..).zip(&found) {
                entries.push(Found { time: *time, value: number, place: place * 100 }, None);
            }
            entries.arrange(true);
            let mut plain: Vec<(usize, i64, u32)> =
                (0_u32..).zip(&found).map(|(number, (place, time))| (usize::from(place * 100), *time, number)).collect();
            plain.sort_unstable();
            let mut arranged = Vec::new();
            let kept: Vec<Kept> = (0..300).map(|number| Kept::Number(Some(number.into()))).collect();
            for place in entries.present() {
                let number = |entry: &Entry| match entry.value { Kept::Number(Some(number)) => number.try_into().unwrap(), _ => u32::MAX };
                arranged.extend(entries.entries(place, &kept).iter().map(|entry| (place, entry.order.0.0, number(entry))));
            }
            prop_assert_eq!(arranged, plain);
        }
    }
}
