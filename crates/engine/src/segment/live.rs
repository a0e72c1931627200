//! Live membership: who enters and leaves, by event and by time alone.

use crate::run::FETCHED;
use crate::segment::test::earlier;
use crate::segment::verdict::Asked;
use crate::segment::{Scope, Touch, Verdict};
use crate::state::{Engine, Triggered};
use domain::CustomerId;
use domain::campaign::{State, Trigger};
use store::Transition;

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
        let Some(customer) = self.customers.get(&id) else { return };
        let asked = Asked { plan: &self.plan, id, customer, now, floor: None, scope: Scope::default() };
        let mut concerned = std::mem::take(&mut self.work.concerned);
        self.plan.concerned(touch, customer, &mut concerned);
        // A timer asks only what may differ by now, of a hundred segments mostly one.
        concerned.extend(customer.memberships.due(now));
        concerned.sort_unstable();
        concerned.dedup();
        let mut verdicts = std::mem::take(&mut self.work.verdicts);
        let is_by_time_alone = touch.is_by_time_alone();
        if !is_by_time_alone {
            self.work.held.set(customer.streams.held());
        }
        for index in concerned.drain(..) {
            // Who is in a segment, or waits to be, is asked; of the others only those who may come to be.
            if is_by_time_alone || self.plan.may_hold(index, &self.work.held) {
                verdicts.push((index, asked.verdict(&self.plan.segments[index].rule)));
            } else if customer.memberships.knows(index) {
                verdicts.push((index, Verdict::fixed(false)));
            }
        }
        let campaigns_due = earlier(self.journeys_due(id, &asked), self.entries_due(&asked));
        if let Some(customer) = self.customers.get_mut(&id) {
            for (index, verdict) in verdicts.drain(..) {
                if customer.memberships.set(index, verdict.holds, verdict.check) {
                    self.work.changed.push((index, verdict.holds));
                }
            }
            self.timers.set(id, earlier(campaigns_due, customer.memberships.next_check()));
        }
        (self.work.concerned, self.work.verdicts) = (concerned, verdicts);
    }

    /// Sets memberships and timer from scratch, without transitions: at start.
    pub(crate) fn reset_memberships(&mut self, id: CustomerId) {
        #[cfg(feature = "planted-bugs")]
        let forgets = self.has_bug(crate::state::PlantedBug::TimersNotRebuilt);
        #[cfg(not(feature = "planted-bugs"))]
        let forgets = false;
        self.judge(id, &Touch::all());
        self.work.changed.clear();
        if forgets {
            if let Some(customer) = self.customers.get_mut(&id) {
                customer.memberships.forget_checks();
            }
            self.timers.set(id, None);
        }
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
