//! The commonest question about the order of two events, decided without the detour over entries. It says at `now` exactly what
//! the evaluator of all rules says (`rhythm.rs`), which stays the meaning: the tests of lanes and the random lives of testkit
//! compare them.

use super::tile::TileEntries;
use crate::segment::plan::{Node, Rhythm};
use domain::{Span, Timestamp};

/// Some of one stream is followed, or not, by one of another.
pub(super) struct Followed {
    is_absent: bool,
    within: Span,
    recent: Option<Span>,
}

impl Followed {
    /// None where the condition asks something else.
    pub(super) fn of(node: &Node) -> Option<Followed> {
        match node {
            Node::Rhythm(rhythm) => match &rhythm.rhythm {
                Rhythm::Sequence { absent, within, same: false, recent, .. } => {
                    Some(Followed { is_absent: *absent, within: *within, recent: *recent })
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Marks the people of a tile of whom it holds among those who have any of the first events: without those nothing holds,
    /// whatever followed. `mark`: hears of each whether it holds.
    pub(super) fn ask(
        &self,
        first: &TileEntries,
        then: &TileEntries,
        now: Timestamp,
        mut mark: impl FnMut(usize, bool),
    ) {
        first.each(|person, times| mark(person, self.holds(times, then.times(person), now)));
    }

    /// Whether one of `first` has begun to make the rule true by now, and still does.
    fn holds(&self, first: &[Timestamp], then: &[Timestamp], now: Timestamp) -> bool {
        first.iter().rev().any(|at| {
            let deadline = at.plus(self.within);
            let follower = then.get(then.partition_point(|time| time <= at)).filter(|next| **next <= deadline);
            let from = match (follower, self.is_absent) {
                (Some(next), false) => *next,
                (None, true) => deadline,
                _ => return false,
            };
            from <= now && self.recent.is_none_or(|recent| now < at.plus(recent))
        })
    }
}
