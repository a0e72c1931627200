//! What is due, and when.
//!
//! Customers have by far the most timers, one each at most, and nearly every event and every turn of time moves one. So
//! theirs are kept apart: when each is due stands at the customer's number; what is far off lies unsorted in
//! buckets of about an hour, and a bucket is put in order when its hour comes. A timer that is moved leaves its old place
//! behind: nobody searches for it, and when it comes up it is told from a true one by what stands at the customer's number.

use domain::{CustomerId, MessageId, Name, Position, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// Something that is due at an instant. The order is that of one instant: events, memberships, journeys, messages.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    Event(Position),
    Customer(CustomerId),
    Schedule(Name, Option<String>),
    /// A day of UTC begins: what bandits learned counts.
    Day,
    Journey(Arc<str>),
    Message(MessageId),
}

/// Milliseconds of a bucket, as a power of two: 70 minutes. A year has 7,500, whose ends all lie in a processor's cache.
const BUCKET: u32 = 22;
/// Places left behind, beside as many as there are timers, until they are swept out.
const LEFT_BEHIND: usize = 4_096;

/// Nothing is due.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// All timers.
#[derive(Default)]
pub(crate) struct Timers {
    others: BTreeSet<(Timestamp, Timer)>,
    /// When each customer is due, by number.
    due: Vec<Timestamp>,
    /// How many are due at some time.
    armed: usize,
    /// Places in the buckets and among the next ones, true or left behind.
    places: usize,
    /// What is left of the bucket that came last, the first to come at the end.
    next: Vec<(Timestamp, CustomerId)>,
    /// What was set since for the time of buckets that have come.
    fresh: BinaryHeap<Reverse<(Timestamp, CustomerId)>>,
    /// Buckets before this one have come.
    come: i64,
    buckets: BTreeMap<i64, Vec<(Timestamp, CustomerId)>>,
}

fn bucket_of(at: Timestamp) -> i64 {
    at.0 >> BUCKET
}

fn begin_of(bucket: i64) -> Timestamp {
    Timestamp(bucket << BUCKET)
}

impl Timers {
    /// Sets a timer of anything but a customer, beside those it has.
    pub(crate) fn insert(&mut self, at: Timestamp, timer: Timer) {
        match timer {
            Timer::Customer(id) => self.set_earlier(id, at),
            other => {
                self.others.insert((at, other));
            }
        }
    }

    /// Takes back a timer of anything but a customer.
    pub(crate) fn remove(&mut self, at: Timestamp, timer: Timer) {
        self.others.remove(&(at, timer));
    }

    /// As `remove`. Returns whether there was one.
    pub(crate) fn take(&mut self, at: Timestamp, timer: Timer) -> bool {
        self.others.remove(&(at, timer))
    }

    /// Sets when a customer is due; none: never. O(log timers of the hour).
    pub(crate) fn set(&mut self, id: CustomerId, due: Option<Timestamp>) {
        let place = id.0 as usize;
        let due = due.unwrap_or(NEVER);
        if self.due.len() <= place {
            if due == NEVER {
                return;
            }
            self.due.resize(place + 1, NEVER);
        }
        let before = std::mem::replace(&mut self.due[place], due);
        if before == due {
            return;
        }
        self.armed += usize::from(due != NEVER);
        self.armed -= usize::from(before != NEVER);
        if due != NEVER {
            self.put(due, id);
        }
        self.take_away_old();
    }

    /// When a customer is due.
    pub(crate) fn due(&self, id: CustomerId) -> Option<Timestamp> {
        self.due.get(id.0 as usize).copied().filter(|due| *due != NEVER)
    }

    /// Makes sure that a customer is due at an instant at the latest.
    fn set_earlier(&mut self, id: CustomerId, at: Timestamp) {
        self.set(id, Some(self.due(id).map_or(at, |before| before.min(at))));
    }

    /// An instant before which nothing is due; none: nothing is due at any time. Something was due at it, or at an
    /// instant of the hour that begins with it, but may have been moved since.
    pub(crate) fn not_before(&self) -> Option<Timestamp> {
        let other = self.others.first().map(|(at, _)| *at);
        let customer = self.first_customer().map(|(at, _)| at);
        let bucket = self.buckets.first_key_value().map(|(bucket, _)| begin_of(*bucket));
        [other, customer, bucket].into_iter().flatten().min()
    }

    /// The first instant at which something is due, if that is at or before another one.
    pub(crate) fn first(&mut self, by: Timestamp) -> Option<Timestamp> {
        self.come(by);
        let other = self.others.first().map(|(at, _)| *at);
        let customer = self.first_customer().map(|(at, _)| at);
        [other, customer].into_iter().flatten().min().filter(|at| *at <= by)
    }

    /// The customer who is due first of the buckets that have come: whatever was left behind before them was taken away.
    fn first_customer(&self) -> Option<(Timestamp, CustomerId)> {
        match (self.next.last(), self.fresh.peek()) {
            (Some(next), Some(Reverse(fresh))) => Some(*next.min(fresh)),
            (next, fresh) => next.or(fresh.map(|Reverse(fresh)| fresh)).copied(),
        }
    }

    /// Takes the first timer out if it is due at an instant.
    pub(crate) fn pop(&mut self, by: Timestamp) -> Option<(Timestamp, Timer)> {
        self.come(by);
        let customer = self.first_customer();
        let is_other = match (self.others.first(), customer) {
            (Some(other), Some((at, id))) => *other < (at, Timer::Customer(id)),
            (other, _) => other.is_some(),
        };
        if is_other {
            return if self.others.first().is_some_and(|(at, _)| *at <= by) { self.others.pop_first() } else { None };
        }
        let (at, id) = customer.filter(|(at, _)| *at <= by)?;
        self.set(id, None);
        Some((at, Timer::Customer(id)))
    }

    /// Customers who come next, at most so many, of those who are due by an instant.
    pub(crate) fn upcoming(&self, by: Timestamp, most: usize) -> impl Iterator<Item = CustomerId> {
        let next = self.next.iter().rev().take_while(move |(at, _)| *at <= by);
        next.take(most).map(|(_, id)| *id)
    }

    /// Every timer, in no particular order.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        let customers = (0_u32..).zip(&self.due).filter(|(_, due)| **due != NEVER);
        let customers = customers.map(|(id, due)| (*due, Timer::Customer(CustomerId(id))));
        customers.chain(self.others.iter().cloned())
    }

    fn put(&mut self, at: Timestamp, id: CustomerId) {
        if self.places > 2 * self.armed + LEFT_BEHIND {
            self.sweep();
            return;
        }
        self.places += 1;
        let bucket = bucket_of(at);
        if bucket < self.come {
            self.fresh.push(Reverse((at, id)));
        } else {
            self.buckets.entry(bucket).or_default().push((at, id));
        }
    }

    /// Puts everything in its place anew. O(customers), after at least half as many moves.
    fn sweep(&mut self) {
        (self.places, self.come) = (0, i64::MIN);
        self.next.clear();
        self.fresh.clear();
        self.buckets.clear();
        for (id, due) in (0_u32..).zip(&self.due) {
            if *due != NEVER {
                self.places += 1;
                self.buckets.entry(bucket_of(*due)).or_default().push((*due, CustomerId(id)));
            }
        }
    }

    /// Takes away what was left behind before the first true timer of the buckets that have come.
    fn take_away_old(&mut self) {
        let due = &self.due;
        let is_true = |(at, id): &(Timestamp, CustomerId)| due.get(id.0 as usize) == Some(at);
        while self.next.last().is_some_and(|place| !is_true(place)) {
            self.next.pop();
            self.places -= 1;
        }
        while self.fresh.peek().is_some_and(|Reverse(place)| !is_true(place)) {
            self.fresh.pop();
            self.places -= 1;
        }
    }

    /// Has buckets come whose hour has begun by an instant, until one of them holds something.
    fn come(&mut self, by: Timestamp) {
        while self.next.is_empty()
            && self.fresh.is_empty()
            && let Some(first) = self.buckets.first_entry()
            && begin_of(*first.key()) <= by
        {
            self.come = *first.key() + 1;
            let mut places = first.remove();
            let (due, before) = (&self.due, places.len());
            places.retain(|(at, id)| due.get(id.0 as usize) == Some(at));
            places.sort_unstable_by(|a, b| b.cmp(a));
            self.places -= before - places.len();
            self.next = places;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What timers mean, plainly.
    #[derive(Default)]
    struct Plain(BTreeMap<CustomerId, Timestamp>);

    impl Plain {
        fn first(&self) -> Option<(Timestamp, Timer)> {
            self.0.iter().map(|(id, at)| (*at, Timer::Customer(*id))).min()
        }
    }

    proptest! {
        #[test]
        fn timers_come_in_order_however_they_were_moved(
            moves in proptest::collection::vec((1_u32..40, 0_i64..60, 0_u32..8), 1..400),
        ) {
            let (mut timers, mut plain) = (Timers::default(), Plain::default());
            // Steps of half a bucket, and of a thousandth of one.
            let at = |step: i64| Timestamp(step / 2 * (1 << (BUCKET - 1)) + step % 2 * (1 << (BUCKET - 10)));
            for (customer, step, kind) in moves {
                let id = CustomerId(customer);
                match kind {
                    0 => {
                        timers.set(id, None);
                        plain.0.remove(&id);
                    }
                    1 | 2 => {
                        let by = at(step);
                        let due = plain.first().filter(|(at, _)| *at <= by);
                        prop_assert_eq!(timers.pop(by), due.clone());
                        if let Some((_, Timer::Customer(id))) = due {
                            plain.0.remove(&id);
                        }
                    }
                    _ => {
                        timers.set(id, Some(at(step)));
                        plain.0.insert(id, at(step));
                    }
                }
                let (by, first) = (at(step), plain.first().map(|(at, _)| at));
                prop_assert_eq!(timers.first(by), first.filter(|at| *at <= by));
                if let Some(first) = first {
                    prop_assert!(timers.not_before().is_some_and(|at| at <= first));
                }
                let mut all: Vec<_> = timers.all().collect();
                all.sort();
                let mut expected: Vec<_> = plain.0.iter().map(|(id, at)| (*at, Timer::Customer(*id))).collect();
                expected.sort();
                prop_assert_eq!(all, expected);
            }
        }
    }

    #[test]
    fn what_is_left_behind_by_moves_is_swept_out() {
        let mut timers = Timers::default();
        let far = |step: i64| Timestamp(step * 1_000);
        for step in 0..100_000 {
            timers.set(CustomerId(u32::try_from(step % 7).unwrap() + 1), Some(far(1_000_000 - step)));
        }
        assert!(timers.places <= 2 * timers.armed + LEFT_BEHIND + 1, "{} places", timers.places);
        assert_eq!(timers.pop(far(1_000_000)), Some((far(900_001), Timer::Customer(CustomerId(5)))));
    }

    #[test]
    fn of_one_instant_events_come_before_customers_and_journeys_after_them() {
        let mut timers = Timers::default();
        let noon = Timestamp(1_000);
        timers.insert(noon, Timer::Journey("j".into()));
        timers.insert(noon, Timer::Customer(CustomerId(3)));
        timers.insert(noon, Timer::Customer(CustomerId(2)));
        timers.insert(noon, Timer::Event(Position(9)));
        let order: Vec<Timer> = std::iter::from_fn(|| timers.pop(noon)).map(|(_, timer)| timer).collect();
        assert_eq!(
            order,
            [
                Timer::Event(Position(9)),
                Timer::Customer(CustomerId(2)),
                Timer::Customer(CustomerId(3)),
                Timer::Journey("j".into())
            ]
        );
    }
}
