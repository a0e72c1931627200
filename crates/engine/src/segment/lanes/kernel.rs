//! The commonest conditions, decided without the detour over entries. Each says at `now` exactly what the evaluator of all
//! rules says (`verdict.rs`, `rhythm.rs`), which stays the meaning: a test below and the random lives of
//! testkit compare them.

use super::evaluate::TileEntries;
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
    /// Whether the condition holds of somebody. `streams`: those that it looks at.
    #[inline]
    pub(super) fn holds(&self, streams: &[&TileEntries], person: usize, now: Timestamp) -> bool {
        let Some(entries) = streams.first() else { return false };
        let times = entries.times(person);
        match self {
            Kernel::Count { within, least, most } => {
                let count = u32::try_from(counted(times, *within, now).len()).unwrap_or(u32::MAX);
                count >= *least && most.is_none_or(|most| count <= most)
            }
            Kernel::Sum { within, numbers, comparison } => {
                let values = entries.values(person).get(counted(times, *within, now)).unwrap_or(&[]);
                let number = |value: &u32| numbers.get(*value as usize).copied().unwrap_or(0);
                let sum: i128 = values.iter().map(|value| i128::from(number(value))).sum();
                comparison.holds(Decimal::from_i128_with_scale(sum, SCALE))
            }
            Kernel::FirstTime(within) => times.first().is_some_and(|first| *first <= now && first.plus(*within) > now),
            Kernel::Sequence { absent, within, recent } => {
                let Some(then) = streams.get(1) else { return false };
                followed(times, then.times(person), (*absent, *within, *recent), now)
            }
        }
    }
}

/// Which of some sorted instants lie in (now - within, now]. They are few, so the ends are found by walking.
#[inline]
fn counted(times: &[Timestamp], within: Option<Span>, now: Timestamp) -> std::ops::Range<usize> {
    let end = times.iter().rposition(|time| *time <= now).map_or(0, |last| last + 1);
    let start = match within {
        None => 0,
        Some(within) => times[..end].iter().rposition(|time| time.plus(within) <= now).map_or(0, |last| last + 1),
    };
    start..end
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
