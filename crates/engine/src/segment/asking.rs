//! Asking the segments what they say of customers of whom something was touched: of one, or of many on all processors.

use crate::run::FETCHED;
use crate::segment::numbers::Numbers;
use crate::segment::verdict::Asked;
use crate::segment::{Scope, Touch, Verdict};
use crate::state::Engine;
use domain::CustomerId;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Customers that a thread asks about before it looks for more: a fraction of a millisecond, since at the end everybody waits
/// for the slowest.
const PART: usize = 2 * FETCHED;

/// Fewer customers are asked about by one thread: to start another one would take as long.
pub(crate) const FEWEST_FOR_THREADS: usize = 8 * PART;

/// Room for what is asked of customers, one after the other: which segments are asked, and what they say.
#[derive(Default)]
pub(crate) struct Asking {
    concerned: Numbers,
    pub(crate) verdicts: Vec<(usize, Verdict)>,
    /// The streams that hold anything of them.
    held: Numbers,
}

impl Asking {
    /// Asks the segments that `touch` concerns. The answers are added to `verdicts`.
    pub(crate) fn ask(&mut self, asked: &Asked<'_>, touch: &Touch) {
        let (plan, customer) = (asked.plan, asked.customer);
        plan.concerned(touch, customer, &mut self.concerned);
        // A timer asks only what may differ by now, of a hundred segments mostly one.
        customer.memberships.due(asked.now).for_each(|segment| self.concerned.insert(segment));
        let is_by_time_alone = touch.is_by_time_alone();
        if !is_by_time_alone {
            self.held.clear();
            customer.streams.held().for_each(|stream| self.held.insert(stream as usize));
        }
        for index in self.concerned.iter() {
            // Who is in a segment, or waits to be, is asked; of the others only those who may come to be.
            if is_by_time_alone || plan.may_hold(index, &self.held) {
                self.verdicts.push((index, asked.verdict(&plan.segments[index].rule)));
            } else if customer.memberships.knows(index) {
                self.verdicts.push((index, Verdict::fixed(false)));
            }
        }
        self.concerned.clear();
    }
}

/// What the segments say of many customers, in the order in which these were asked about.
pub(crate) struct Answers(Vec<Part>);

#[derive(Default)]
struct Part {
    verdicts: Vec<(usize, Verdict)>,
    /// Where each customer's end.
    ends: Vec<usize>,
}

impl Answers {
    /// Of the customer at a place.
    pub(crate) fn of(&self, place: usize) -> &[(usize, Verdict)] {
        let Some(part) = self.0.get(place / PART) else { return &[] };
        let within = place % PART;
        let start = within.checked_sub(1).map_or(0, |before| part.ends[before]);
        &part.verdicts[start..part.ends[within]]
    }
}

impl Engine {
    /// Asks about many customers, each once, on all processors. None: they are so few that it does not pay.
    ///
    /// A verdict is about one customer alone, so it does not matter what becomes of the others meanwhile.
    pub(crate) fn ask_many(&self, touched: &[(CustomerId, Touch)]) -> Option<Answers> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if touched.len() < FEWEST_FOR_THREADS || threads == 1 {
            return None;
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let (mut asking, mut done) = (Asking::default(), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(some) = touched.chunks(PART).nth(number) else { return done };
                done.push((number, self.ask_some(some, &mut asking)));
            }
        };
        let mut parts = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut parts = work();
            for other in others {
                parts.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            parts
        });
        parts.sort_unstable_by_key(|(number, _)| *number);
        Some(Answers(parts.into_iter().map(|(_, part)| part).collect()))
    }

    fn ask_some(&self, some: &[(CustomerId, Touch)], asking: &mut Asking) -> Part {
        let mut part = Part::default();
        for some in some.chunks(FETCHED) {
            let people: Vec<CustomerId> = some.iter().map(|(id, _)| *id).collect();
            self.fetch_customers(&people);
            for (id, touch) in some {
                if let Some(customer) = self.customers.get(id) {
                    asking.ask(&self.asked(*id, customer), touch);
                }
                part.ends.push(asking.verdicts.len());
            }
        }
        part.verdicts = std::mem::take(&mut asking.verdicts);
        part
    }

    /// A question about a customer at the present instant.
    pub(crate) fn asked<'a>(&'a self, id: CustomerId, customer: &'a crate::profile::Customer) -> Asked<'a> {
        Asked { plan: &self.plan, id, customer, now: self.clock, floor: None, scope: Scope::default() }
    }
}
