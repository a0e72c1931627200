//! Live membership: who enters and leaves, by event and by time alone.

use crate::processors::processors;
use crate::profile::Customer;
use crate::run::FETCHED;
use crate::segment::feature::Places;
use crate::segment::numbers::Numbers;
use crate::segment::test::earlier;
use crate::segment::verdict::Asked;
use crate::segment::{Touch, Verdict};
use crate::state::{Engine, Triggered};
use domain::campaign::{State, Trigger};
use domain::{CustomerId, Timestamp};
use std::panic::resume_unwind;
use store::Transition;

/// Fewer customers are not worth a thread.
const FEWEST_FOR_A_THREAD: usize = 4_096;

/// Room for what is asked of one customer and done with at once: which segments are asked, and what they say.
#[derive(Default)]
pub(crate) struct Asking {
    concerned: Numbers,
    verdicts: Vec<(usize, Verdict)>,
    /// The streams that hold anything of them, and where.
    held: Numbers,
    places: Places,
}

impl Asking {
    /// Asks the segments that `touch` concerns. The answers are left in `verdicts`.
    fn ask(&mut self, asked: Asked<'_>, touch: &Touch) {
        let Asking { concerned, verdicts, held, places } = self;
        let (plan, customer) = (asked.plan, asked.customer);
        plan.concerned(touch, customer, concerned);
        // A timer asks only what may differ by now, of a hundred segments mostly one.
        customer.memberships.due(asked.now).for_each(|segment| concerned.insert(segment));
        let is_by_time_alone = touch.is_by_time_alone();
        if !is_by_time_alone {
            held.clear();
            places.look(&customer.streams);
            places.held().iter().for_each(|stream| held.insert(*stream as usize));
        }
        let asked = Asked { places: Some(&*places).filter(|_| !is_by_time_alone), ..asked };
        for index in concerned.iter() {
            // Who is in a segment, or waits to be, is asked; of the others only those who may come to be.
            if is_by_time_alone || plan.may_hold(index, held) {
                verdicts.push((index, asked.verdict(&plan.segments[index].rule)));
            } else if customer.memberships.knows(index) {
                verdicts.push((index, Verdict::fixed(false)));
            }
        }
        concerned.clear();
    }
}

impl Engine {
    /// Asks the rules that something touched, for every customer of whom something was touched.
    pub(crate) fn settle_memberships(&mut self) {
        let mut touched = self.work.touched.take();
        let people: Vec<CustomerId> = touched.iter().map(|(id, _)| *id).collect();
        for (place, (id, touch)) in touched.drain(..).enumerate() {
            if place % FETCHED == 0 && people.len() > 1 {
                self.fetch_customers(&people[place..people.len().min(place + FETCHED)]);
            }
            self.ensure_schedules(id, &touch);
            self.judge(id, &touch);
            let mut changed = std::mem::take(&mut self.work.changed);
            for (segment, entered) in changed.drain(..) {
                self.pending.transitions.push(Transition {
                    segment: self.plan.segments[segment].name.clone(),
                    customer: id,
                    at: self.clock,
                    entered,
                });
                self.trigger_by_membership(segment, id, entered);
            }
            self.work.changed = changed;
            // Whoever is in no campaign has no exit, no wait and no message that could be held.
            if self.journeys_of.contains_key(&id) {
                self.watch_exits(id);
                self.watch_waits(id);
                self.work.held_of.insert(id);
            }
            self.trigger_by_time(id, &touch);
        }
        self.work.touched.keep_room(touched);
    }

    /// Asks the segments that `touch` concerns. Sets the customer's timer. What changed is left in `work.changed`.
    fn judge(&mut self, id: CustomerId, touch: &Touch) {
        let now = self.clock;
        let Some(customer) = self.customers.get(id) else { return };
        let asked = Asked::of(&self.plan, id, customer, now);
        self.work.asking.ask(asked, touch);
        let campaigns_due = earlier(self.journeys_due(id, &asked), self.entries_due(&asked));
        if let Some(customer) = self.customers.get_mut(id) {
            for (index, verdict) in self.work.asking.verdicts.drain(..) {
                if customer.memberships.set(index, verdict.holds, verdict.check) {
                    self.work.changed.push((index, verdict.holds));
                }
            }
            self.timers.set(id, earlier(campaigns_due, customer.memberships.next_check()));
        }
    }

    /// Sets memberships and timer from scratch, without transitions.
    pub(crate) fn reset_memberships(&mut self, id: CustomerId) {
        self.judge(id, &Touch::all());
        self.work.changed.clear();
    }

    /// Where everybody stands and when they are asked again, found anew. O(customers · what is asked of each), on all
    /// processors.
    pub fn ask_everybody(&mut self) {
        for id in self.customers.ids().collect::<Vec<_>>() {
            self.timers.set(id, None);
        }
        self.reset_all_memberships();
    }

    /// As `reset_memberships` of everybody: at start. O(customers · what is asked of each), on all processors.
    pub(crate) fn reset_all_memberships(&mut self) {
        // Taken out for the time of the asking, so that each thread may change its own customers.
        let mut customers = std::mem::take(&mut self.customers);
        let mut everyone: Vec<(CustomerId, &mut Customer)> = customers.iter_mut().collect();
        let threads = processors();
        let part = everyone.len().div_ceil(threads).max(FEWEST_FOR_A_THREAD);
        let engine: &Engine = self;
        let due: Vec<Vec<(CustomerId, Timestamp)>> = std::thread::scope(|scope| {
            let asking: Vec<_> = everyone
                .chunks_mut(part)
                .map(|some| scope.spawn(move || engine.reset_some_memberships(some)))
                .collect();
            asking.into_iter().map(|asking| asking.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        drop(everyone);
        self.customers = customers;
        for (id, due) in due.into_iter().flatten() {
            self.timers.set(id, Some(due));
        }
        // What these wait for is asked of more than of themselves.
        for id in self.journeys_of.keys().copied().collect::<Vec<_>>() {
            self.reset_memberships(id);
        }
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::TimersNotRebuilt) {
            for (id, customer) in self.customers.iter_mut() {
                customer.memberships.forget_checks();
                self.timers.set(id, None);
            }
        }
    }

    /// Returns when who is due by segments and entries alone.
    fn reset_some_memberships(&self, some: &mut [(CustomerId, &mut Customer)]) -> Vec<(CustomerId, Timestamp)> {
        let (mut asking, all) = (Asking::default(), Touch::all());
        let mut due = Vec::new();
        for (id, customer) in some {
            let asked = Asked::of(&self.plan, *id, customer, self.clock);
            asking.ask(asked, &all);
            let entries_due = self.entries_due(&asked);
            for (index, verdict) in asking.verdicts.drain(..) {
                customer.memberships.set(index, verdict.holds, verdict.check);
            }
            due.extend(earlier(entries_due, customer.memberships.next_check()).map(|due| (*id, due)));
        }
        due
    }

    /// Notes which campaigns a change of membership lets somebody into.
    fn trigger_by_membership(&mut self, segment: usize, id: CustomerId, entered: bool) {
        let name = &self.plan.segments[segment].name;
        for (campaign, campaigning) in &self.campaigns {
            let lets_in = match &campaigning.current.campaign.enter.on {
                Trigger::Enters(target) => entered && target == name,
                Trigger::Leaves(target) => !entered && target == name,
                Trigger::Did { .. } | Trigger::Date(_) | Trigger::Record(_) | Trigger::Every(_) => false,
            };
            if lets_in && campaigning.current.campaign.state == State::Running {
                self.work.triggers.push(Triggered::of(campaign.clone(), id));
            }
        }
    }
}
