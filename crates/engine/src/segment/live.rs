//! Live membership: who enters and leaves, by event and by time alone.

use crate::segment::Touch;
use crate::segment::test::earlier;
use crate::segment::verdict::{Asked, Verdict};
use crate::state::{Engine, Timer, Triggered};
use domain::campaign::{State, Trigger};
use domain::{CustomerId, Timestamp};
use store::Transition;

impl Engine {
    /// Asks the rules that something touched, for every customer of whom something was touched.
    pub(crate) fn settle_memberships(&mut self) {
        let touched = std::mem::take(&mut self.work.touched);
        for (id, touch) in touched {
            self.ensure_schedules(id, &touch);
            let changes = self.judge(id, &touch);
            for (segment, entered) in changes {
                self.pending.transitions.push(Transition {
                    segment: self.plan.segments[segment].name.clone(),
                    customer: id,
                    at: self.clock,
                    entered,
                });
                self.trigger_by_membership(segment, id, entered);
            }
            self.watch_exits(id);
            self.watch_waits(id);
            self.trigger_by_time(id, &touch);
            self.work.held_of.insert(id);
        }
    }

    /// Asks the segments that `touch` concerns. Sets the customer's timer. Returns what changed.
    fn judge(&mut self, id: CustomerId, touch: &Touch) -> Vec<(usize, bool)> {
        let now = self.clock;
        let Some(customer) = self.customers.get(&id) else {
            return Vec::new();
        };
        let asked = Asked { plan: &self.plan, id, customer, now, floor: None, scope: crate::segment::Scope::default() };
        let mut concerned = self.plan.concerned(touch);
        if !touch.is_all() {
            // A timer asks only what may differ by now, of a hundred segments mostly one.
            let due = customer.checks.iter().filter(|(_, check)| *check <= now).map(|(index, _)| *index as usize);
            concerned.extend(due);
            concerned.sort_unstable();
            concerned.dedup();
        }
        let verdicts: Vec<(usize, Verdict)> =
            concerned.into_iter().map(|index| (index, asked.verdict(&self.plan.segments[index].rule))).collect();
        let mut due = None;
        due = earlier(due, self.journeys_due(id, &asked));
        due = earlier(due, self.entries_due(&asked));
        let Some(customer) = self.customers.get_mut(&id) else {
            return Vec::new();
        };
        if touch.is_all() {
            customer.checks.clear();
        }
        let mut changed = Vec::new();
        for (index, verdict) in verdicts {
            let number = u32::try_from(index).expect("definitions are bounded far below");
            customer.set_check(number, verdict.check);
            if customer.set_member(index, verdict.holds) {
                changed.push((index, verdict.holds));
            }
        }
        due = earlier(due, customer.checks.iter().map(|(_, check)| *check).min());
        self.set_due(id, due);
        changed
    }

    /// Sets memberships and timer from scratch, without transitions: at start.
    pub(crate) fn reset_memberships(&mut self, id: CustomerId) {
        #[cfg(feature = "planted-bugs")]
        let forgets = self.has_bug(crate::state::PlantedBug::TimersNotRebuilt);
        #[cfg(not(feature = "planted-bugs"))]
        let forgets = false;
        self.judge(id, &Touch::all());
        if forgets {
            if let Some(customer) = self.customers.get_mut(&id) {
                customer.checks.clear();
            }
            self.set_due(id, None);
        }
    }

    fn set_due(&mut self, id: CustomerId, due: Option<Timestamp>) {
        let Some(customer) = self.customers.get_mut(&id) else { return };
        if customer.due == due {
            return;
        }
        if let Some(old) = customer.due {
            self.timers.remove(&(old, Timer::Customer(id)));
        }
        customer.due = due;
        if let Some(due) = due {
            self.timers.insert((due, Timer::Customer(id)));
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
