//! The commonest conditions, decided without the detour over entries. Each says at `now` exactly what the evaluator of all
//! rules says (`verdict.rs`, `rhythm.rs`), which stays the meaning: a test below and the random lives of
//! testkit compare them.

use super::tile::TileEntries;
use crate::segment::feature::Kept;
use crate::segment::plan::{Node, Question, Rhythm};
use domain::segment::{Aggregate, Comparison};
use domain::{Span, Timestamp};
use rust_decimal::Decimal;

/// Most digits behind the point that are summed as integers.
const SCALE: u32 = 6;

/// A condition on the instants of events, and the numbers they bear.
pub(super) enum Kernel {
    /// So many in (now - within, now], or ever.
    Count { within: Option<Span>, least: u32, most: Option<u32> },
    /// The sum of those in (now - within, now], or of all, compares so with a limit. Numbers by value, scaled.
    Sum { within: Option<Span>, numbers: Vec<i64>, comparison: Comparison },
    /// The first one ever lies in (now - within, now].
    FirstTime(Span),
    /// Some of the first stream is followed, or not, by one of the second.
    Sequence { absent: bool, within: Span, recent: Option<Span> },
}

/// The kernel of a condition, if there is one. `streams`: the values that its streams keep.
pub(super) fn of(node: &Node, streams: &[(u32, &[Kept])], now: Timestamp) -> Option<Kernel> {
    // Where the calendar ends instants no longer move: that is left to the evaluator of all rules.
    if now.0.abs() > domain::time::LATEST.0 / 2 {
        return None;
    }
    match node {
        Node::Did(did) => {
            let windows = &did.windows;
            let moves = windows.within_days.is_some() || windows.after.is_some() || windows.before.is_some();
            if moves || did.counts_since {
                return None;
            }
            let within = windows.within;
            match did.question {
                Question::Count { least, most } => Some(Kernel::Count { within, least, most }),
                Question::Aggregate(Aggregate::Sum, comparison) => {
                    let (_, kept) = streams.first()?;
                    let numbers = kept.iter().map(scaled).collect::<Option<Vec<i64>>>()?;
                    Some(Kernel::Sum { within, numbers, comparison })
                }
                Question::Aggregate(..) => None,
            }
        }
        Node::Rhythm(rhythm) => match &rhythm.rhythm {
            Rhythm::FirstTime(within) => Some(Kernel::FirstTime(*within)),
            Rhythm::Sequence { absent, within, same: false, recent, .. } => {
                Some(Kernel::Sequence { absent: *absent, within: *within, recent: *recent })
            }
            _ => None,
        },
        _ => None,
    }
}

/// A number in millionths, and 0 for what is no number. None where it would not be exact, or is so large that many
/// of them might not fit.
fn scaled(kept: &Kept) -> Option<i64> {
    match kept {
        Kept::Number(None) => Some(0),
        Kept::Number(Some(number)) => {
            let number = number.normalize();
            let more = SCALE.checked_sub(number.scale())?;
            let scaled = number.mantissa().checked_mul(10_i128.pow(more))?;
            // The sum of as many as there can be events, 2^32, is still a decimal.
            i64::try_from(scaled).ok().filter(|scaled| scaled.unsigned_abs() < 1 << 60)
        }
        _ => None,
    }
}

impl Kernel {
    /// Marks the people of a tile of whom the condition holds among those who have any of its events. `streams`: those
    /// that it looks at; `mark`: hears of each whether it holds.
    pub(super) fn ask(&self, streams: &[&TileEntries], now: Timestamp, mut mark: impl FnMut(usize, bool)) {
        let Some(entries) = streams.first() else { return };
        match self {
            Kernel::Count { within, least, most } => {
                let edge = Edge::of(*within, now);
                let least = *least as usize;
                let more = most.map(|most| most as usize + 1);
                entries.each(|person, times, _| {
                    let has = |count| edge.has(times, now, count);
                    mark(person, has(least) && !more.is_some_and(has));
                });
            }
            Kernel::Sum { within, numbers, comparison } => {
                let edge = Edge::of(*within, now);
                entries.each(|person, times, values| {
                    let mut sum = 0_i128;
                    for (time, value) in times.iter().zip(values).rev() {
                        if time.0 <= edge.0 {
                            break;
                        }
                        if *time <= now {
                            sum += i128::from(numbers.get(*value as usize).copied().unwrap_or(0));
                        }
                    }
                    mark(person, comparison.holds(Decimal::from_i128_with_scale(sum, SCALE)));
                });
            }
            Kernel::FirstTime(within) => {
                let edge = Edge::of(Some(*within), now);
                entries.each(|person, times, _| {
                    mark(person, times.first().is_some_and(|first| *first <= now && first.0 > edge.0));
                });
            }
            Kernel::Sequence { absent, within, recent } => {
                let Some(then) = streams.get(1) else { return };
                // Without the first event nothing holds, whatever followed.
                entries.each(|person, times, _| {
                    mark(person, followed(times, then.times(person), (*absent, *within, *recent), now));
                });
            }
        }
    }
}

/// The latest instant that does not count any more; the least of all numbers where all count.
#[derive(Clone, Copy)]
struct Edge(i64);

impl Edge {
    fn of(within: Option<Span>, now: Timestamp) -> Edge {
        Edge(within.map_or(i64::MIN, |within| now.0.saturating_sub(within.0)))
    }

    /// Whether at least `count` of some sorted instants lie behind the edge and not after now. Those dated ahead are
    /// few, the others are found at once.
    #[inline]
    fn has(self, times: &[Timestamp], now: Timestamp, count: usize) -> bool {
        let mut end = times.len();
        while end > 0 && times[end - 1] > now {
            end -= 1;
        }
        match end.checked_sub(count) {
            None => false,
            Some(_) if count == 0 => true,
            Some(at) => times[at].0 > self.0,
        }
    }
}

/// Whether one of `first` has begun to make the rule true by now, and still does.
fn followed(
    first: &[Timestamp],
    then: &[Timestamp],
    (absent, within, recent): (bool, Span, Option<Span>),
    now: Timestamp,
) -> bool {
    first.iter().rev().any(|at| {
        let deadline = at.plus(within);
        let follower = then.get(then.partition_point(|time| time <= at)).filter(|next| **next <= deadline);
        let from = match (follower, absent) {
            (Some(next), false) => *next,
            (None, true) => deadline,
            _ => return false,
        };
        from <= now && recent.is_none_or(|recent| now < at.plus(recent))
    })
}
