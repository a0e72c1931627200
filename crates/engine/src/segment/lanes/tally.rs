//! Conditions that ask how many, how much or whether, but not in which order: a number for each person of a tile, which grows as
//! rows are passed. Nobody's events are put together for them.
//!
//! Each says at `now` exactly what the evaluator of all rules says (`verdict.rs`, `rhythm.rs`), which stays the meaning: the tests
//! of lanes and the random lives of testkit compare them.

use super::chunk::TILE;
use super::tile::Found;
use crate::segment::feature::Kept;
use crate::segment::plan::{Node, Question, Rhythm};
use domain::segment::{Aggregate, Comparison};
use domain::{Span, Timestamp};
use rust_decimal::Decimal;

/// Most digits behind the point that are summed as integers.
const SCALE: u32 = 6;

/// A condition on the number, the sum or the first of some events.
pub(super) struct Tally {
    /// Events at or before it are no longer within; those after `now` are not yet.
    edge: i64,
    now: i64,
    question: Asked,
}

enum Asked {
    /// From the one to the other number of events.
    Count { least: u16, most: u16 },
    /// Some, and none at the edge or before it.
    FirstTime,
    /// By value what it adds, in millionths; whether all of them add up to so many or more.
    Sum { numbers: Vec<i64>, reach: i64, is_wanted: bool },
}

/// What has been counted of each person of a tile.
pub(super) enum Counters {
    Counts(Counts),
    /// Bits of `BEFORE` and `WITHIN`.
    Seen(OfEach<u8>),
    Sums(OfEach<i64>),
}

/// How many events each person of a tile has; where there are more than fit, as many as do.
pub(super) struct Counts(OfEach<u16>);

/// One for each place of a tile: there is one for every `u16`.
type OfEach<T> = Box<[T; TILE]>;

/// None yet.
fn of_each<T: Default + Clone>() -> OfEach<T> {
    vec![T::default(); TILE].try_into().unwrap_or_else(|_| unreachable!("a tile's places are as many as it has"))
}

const BEFORE: u8 = 1;
const WITHIN: u8 = 2;

impl Default for Counts {
    fn default() -> Counts {
        Counts(of_each())
    }
}

impl Counts {
    /// Counts one for each place.
    #[inline]
    pub(super) fn count(&mut self, places: impl Iterator<Item = u16>) {
        places.for_each(|place| self.count_if(place, true));
    }

    #[inline]
    fn count_if(&mut self, place: u16, counts: bool) {
        let count = &mut self.0[usize::from(place)];
        *count = count.saturating_add(u16::from(counts));
    }

    fn add(&mut self, others: &Counts) {
        self.0.iter_mut().zip(others.0.iter()).for_each(|(count, more)| *count = count.saturating_add(*more));
    }

    /// Adds others, of which nothing is left.
    pub(super) fn take_over(&mut self, others: &mut Counts) {
        self.add(others);
        others.clear();
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }
}

impl Counters {
    /// Adds events that are within, however they were counted.
    pub(super) fn add(&mut self, counted: &Counts) {
        if let Counters::Counts(counts) = self {
            counts.add(counted);
        }
    }
}

impl Tally {
    /// The tally of a condition on one stream, if it is one. `kept`: the values that its stream keeps; `rows`: how many
    /// events that has at most.
    pub(super) fn of(node: &Node, kept: &[Kept], rows: usize, now: Timestamp) -> Option<Tally> {
        let (within, question) = match node {
            Node::Did(did) => {
                let windows = &did.windows;
                let moves = windows.within_days.is_some() || windows.after.is_some() || windows.before.is_some();
                if moves || did.counts_since {
                    return None;
                }
                let question = match did.question {
                    Question::Count { least, most } => Asked::Count {
                        least: u16::try_from(least).ok()?,
                        // A counter stops at its last number, which may be more than that.
                        most: most
                            .map_or(Some(u16::MAX), |most| u16::try_from(most).ok().filter(|most| *most < u16::MAX))?,
                    },
                    Question::Aggregate(Aggregate::Sum, comparison) => Asked::sum(kept, rows, comparison)?,
                    Question::Aggregate(..) => return None,
                };
                (windows.within, question)
            }
            Node::Rhythm(rhythm) => match rhythm.rhythm {
                Rhythm::FirstTime(within) => (Some(within), Asked::FirstTime),
                _ => return None,
            },
            _ => return None,
        };
        let edge = within.map_or(i64::MIN, |within: Span| now.0.saturating_sub(within.0));
        Some(Tally { edge, now: now.0, question })
    }

    /// What it says of somebody without any event.
    pub(super) fn of_nobody(&self) -> bool {
        match self.question {
            Asked::Count { least, .. } => least == 0,
            Asked::FirstTime => false,
            Asked::Sum { reach, is_wanted, .. } => (reach <= 0) == is_wanted,
        }
    }

    /// Whether both count in the same kind of room.
    pub(super) fn counts_as(&self, other: &Tally) -> bool {
        std::mem::discriminant(&self.question) == std::mem::discriminant(&other.question)
    }

    /// Whether it asks for nothing but the number of events within.
    pub(super) fn counts_how_many(&self) -> bool {
        matches!(self.question, Asked::Count { .. })
    }

    /// Whether all events from the one to the other instant are within.
    pub(super) fn is_within(&self, first: i64, last: i64) -> bool {
        first > self.edge && last <= self.now
    }

    /// Whether events from the one to the other instant may change what it says.
    pub(super) fn looks_at(&self, first: i64, last: i64) -> bool {
        first <= self.now && (last > self.edge || matches!(self.question, Asked::FirstTime))
    }

    /// Room to count in, for one tile after the other.
    pub(super) fn room(&self) -> Counters {
        match self.question {
            Asked::Count { .. } => Counters::Counts(Counts::default()),
            Asked::FirstTime => Counters::Seen(of_each()),
            Asked::Sum { .. } => Counters::Sums(of_each()),
        }
    }

    /// Counts events, in any order.
    #[inline]
    pub(super) fn count(&self, counters: &mut Counters, events: impl Iterator<Item = Found>) {
        let is_within = |time: i64| (time > self.edge) & (time <= self.now);
        match (counters, &self.question) {
            (Counters::Counts(counts), _) => {
                events.for_each(|Found { place, time, .. }| counts.count_if(place, is_within(time)));
            }
            (Counters::Seen(seen), _) => events.for_each(|Found { place, time, .. }| {
                seen[usize::from(place)] |=
                    (u8::from(time <= self.edge) * BEFORE) | (u8::from(is_within(time)) * WITHIN);
            }),
            (Counters::Sums(sums), Asked::Sum { numbers, .. }) => events.for_each(|Found { place, time, value }| {
                let number = numbers.get(value as usize).copied().unwrap_or(0);
                sums[usize::from(place)] += if is_within(time) { number } else { 0 };
            }),
            (Counters::Sums(_), _) => {}
        }
    }

    /// The people of a tile of whom it holds, 64 to a word; everything is forgotten for the next tile.
    pub(super) fn people(&self, counters: &mut Counters) -> Vec<u64> {
        match (counters, &self.question) {
            (Counters::Counts(counts), Asked::Count { least, most }) => {
                let people = words(&counts.0[..], |count| count >= *least && count <= *most);
                counts.clear();
                people
            }
            (Counters::Sums(sums), Asked::Sum { reach, is_wanted, .. }) => {
                let people = words(&sums[..], |sum| (sum >= *reach) == *is_wanted);
                sums.fill(0);
                people
            }
            (Counters::Seen(seen), _) => {
                let people = words(&seen[..], |seen| seen == WITHIN);
                seen.fill(0);
                people
            }
            // Its room is another's: nobody.
            _ => vec![0; TILE / 64],
        }
    }
}

impl Asked {
    /// None where the numbers would not be exact as integers, or might not fit.
    fn sum(kept: &[Kept], rows: usize, comparison: Comparison) -> Option<Asked> {
        let numbers = kept.iter().map(scaled).collect::<Option<Vec<i64>>>()?;
        let most = numbers.iter().map(|number| number.unsigned_abs()).max().unwrap_or(0);
        most.checked_mul(u64::try_from(rows).ok()?).filter(|sum| *sum < 1 << 62)?;
        let millionths = |limit: Decimal| limit.checked_mul(Decimal::from(10_i64.pow(SCALE)));
        let whole = |limit: Decimal| i64::try_from(limit).ok();
        // Sums are whole millionths, limits may be finer.
        let (reach, is_wanted) = match comparison {
            Comparison::AtLeast(limit) => (whole(millionths(limit)?.ceil())?, true),
            Comparison::Below(limit) => (whole(millionths(limit)?.ceil())?, false),
            Comparison::Above(limit) => (whole(millionths(limit)?.floor())?.checked_add(1)?, true),
            Comparison::AtMost(limit) => (whole(millionths(limit)?.floor())?.checked_add(1)?, false),
        };
        Some(Asked::Sum { numbers, reach, is_wanted })
    }
}

/// A number in millionths, and 0 for what is no number. None where it would not be exact.
fn scaled(kept: &Kept) -> Option<i64> {
    match kept {
        Kept::Number(None) => Some(0),
        Kept::Number(Some(number)) => {
            let number = number.normalize();
            let more = SCALE.checked_sub(number.scale())?;
            i64::try_from(number.mantissa().checked_mul(10_i128.pow(more))?).ok()
        }
        _ => None,
    }
}

/// One bit for each, 64 to a word.
fn words<T: Copy>(each: &[T], holds: impl Fn(T) -> bool) -> Vec<u64> {
    let of_eight = |eight: &[T]| {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(eight).for_each(|(byte, one)| *byte = u8::from(holds(*one)));
        // Moves the lowest bit of each byte to its place in the highest byte.
        u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56
    };
    let of_word = |word: &[T]| {
        let eights = (0_u32..).zip(word.chunks(8));
        eights.fold(0, |bits, (number, eight)| bits | (of_eight(eight) << (8 * number)))
    };
    each.chunks(64).map(of_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_a_bit_for_each_of_its_64() {
        let numbers: Vec<u16> = (0..200).collect();
        for (number, word) in (0_u16..).zip(words(&numbers, |one| one % 3 == 0)) {
            for bit in 0..64 {
                let one = number * 64 + bit;
                assert_eq!((word >> bit) & 1 == 1, one < 200 && one % 3 == 0, "{one}");
            }
        }
    }
}
