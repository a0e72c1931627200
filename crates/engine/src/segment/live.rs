//! Live membership: who enters and leaves, by event and by time alone.

use crate::profile::Customer;
use crate::run::FETCHED;
use crate::segment::asking::Asking;
use crate::segment::test::earlier;
use crate::segment::{Touch, Verdict};
use crate::state::{Engine, Triggered};
use domain::campaign::{State, Trigger};
use domain::{CustomerId, Timestamp};
use std::panic::resume_unwind;
use store::Transition;

/// Fewer customers are not worth a thread.
const FEWEST_FOR_A_THREAD: usize = 4_096;

/// Customers that are asked about before the answers are taken: so many stay in a processor's cache meanwhile.
const ASKED_AHEAD: usize = 8_192;

impl Engine {
    /// Asks the rules that something touched, for every customer of whom something was touched.
    pub(crate) fn settle_memberships(&mut self) {
        let mut touched = self.work.touched.take();
        for some in touched.chunks_mut(ASKED_AHEAD) {
            self.settle_some(some);
        }
        touched.clear();
        self.work.touched.keep_room(touched);
    }

    fn settle_some(&mut self, touched: &mut [(CustomerId, Touch)]) {
        let answers = self.ask_many(touched);
        let people: Vec<CustomerId> = touched.iter().map(|(id, _)| *id).collect();
        for (place, (id, touch)) in touched.iter_mut().enumerate() {
            let (id, touch) = (*id, std::mem::take(touch));
            if place % FETCHED == 0 && people.len() > 1 {
                self.fetch_customers(&people[place..people.len().min(place + FETCHED)]);
            }
            self.ensure_schedules(id, &touch);
            match &answers {
                Some(answers) => self.stand(id, answers.of(place)),
                None => self.judge(id, &touch),
            }
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
    }

    /// Asks the segments that `touch` concerns. Sets the customer's timer. What changed is left in `work.changed`.
    fn judge(&mut self, id: CustomerId, touch: &Touch) {
        // Taken out for the time of the asking, since its room is part of what is asked.
        let mut asking = std::mem::take(&mut self.work.asking);
        if let Some(customer) = self.customers.get(&id) {
            asking.ask(&self.asked(id, customer), touch);
        }
        self.stand(id, &asking.verdicts);
        asking.verdicts.clear();
        self.work.asking = asking;
    }

    /// Lets a customer stand where the segments that were asked say. Sets their timer. What changed is left in `work.changed`.
    fn stand(&mut self, id: CustomerId, verdicts: &[(usize, Verdict)]) {
        let Some(customer) = self.customers.get(&id) else { return };
        let asked = self.asked(id, customer);
        let campaigns_due = earlier(self.journeys_due(id, &asked), self.entries_due(&asked));
        if let Some(customer) = self.customers.get_mut(&id) {
            for (index, verdict) in verdicts {
                if customer.memberships.set(*index, verdict.holds, verdict.check) {
                    self.work.changed.push((*index, verdict.holds));
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

    /// As `reset_memberships` of everybody: at start. O(customers · what is asked of each), on all processors.
    pub(crate) fn reset_all_memberships(&mut self) {
        // Taken out for the time of the asking, so that each thread may change its own customers.
        let mut customers = std::mem::take(&mut self.customers);
        let mut everyone: Vec<(CustomerId, &mut Customer)> =
            customers.iter_mut().map(|(id, customer)| (*id, customer)).collect();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
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
            for (id, customer) in &mut self.customers {
                customer.memberships.forget_checks();
                self.timers.set(*id, None);
            }
        }
    }

    /// Returns when who is due by segments and entries alone.
    fn reset_some_memberships(&self, some: &mut [(CustomerId, &mut Customer)]) -> Vec<(CustomerId, Timestamp)> {
        let (mut asking, all) = (Asking::default(), Touch::all());
        let mut due = Vec::new();
        for (id, customer) in some {
            let asked = self.asked(*id, customer);
            asking.ask(&asked, &all);
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
