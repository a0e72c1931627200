//! What new rules keep of each customer is built from history while events keep flowing: read ahead without holding
//! the live state, then brought up to the present and switched to at one instant.

use crate::define::DefineError;
use crate::profile::{By, Customer, People};
use crate::segment::Plan;
use crate::segment::as_of::{Building, Past, apply};
use crate::state::Engine;
use domain::definition::Defined;
use domain::{Call, CallKind, CustomerId, Position, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::{Reader, RowId, StoreError};

/// A reading of history that definitions will need. Holds no lock.
pub struct Backfill {
    plan: Plan,
    people: People,
    now: Timestamp,
    /// The first journal row that is not read.
    next_row: u32,
}

/// What customers keep by new rules, up to a row of the journal.
pub struct Backfilled {
    plan: Plan,
    customers: HashMap<CustomerId, Customer>,
    next_row: u32,
    partings: u64,
}

impl Engine {
    /// What must be read of history before definitions can take effect; none where customers keep it already.
    /// O(names), for the copy of who is who.
    pub fn backfill(&self, defined: &[Defined]) -> Result<Option<Backfill>, DefineError> {
        let mut definitions = self.definitions().clone();
        for one in defined {
            definitions.put(one.definition.clone());
        }
        definitions.check()?;
        let plan = self.plan_for(&definitions);
        if plan.keeps_the_same(&self.plan) {
            return Ok(None);
        }
        Ok(Some(Backfill { plan, people: self.people.clone(), now: self.clock, next_row: self.next_row }))
    }

    /// Takes what was read ahead, with what has happened since. Returns whether it fits the plan in force: otherwise
    /// nothing was changed. O(customers + calls since).
    pub(crate) fn take_backfilled(&mut self, read: Backfilled) -> Result<bool, StoreError> {
        // Calls of somebody who was parted since belong to another one now.
        if !self.plan.keeps_the_same(&read.plan) || self.people.partings() != read.partings {
            return Ok(false);
        }
        let mut customers = read.customers;
        let joined: Vec<CustomerId> = customers.keys().copied().filter(|id| self.person(*id) != *id).collect();
        for gone in joined {
            if let Some(customer) = customers.remove(&gone) {
                match customers.get_mut(&self.person(gone)) {
                    Some(whole) => whole.absorb(customer, &self.plan, self.clock),
                    None => {
                        customers.insert(self.person(gone), customer);
                    }
                }
            }
        }
        // Who shares a record may have changed since: their histories are read for themselves.
        let mut afresh: BTreeSet<CustomerId> = BTreeSet::new();
        let (plan, people, now) = (&self.plan, &self.people, self.clock);
        let mut take = |call: &Arc<Call>, position: Position| {
            if call.kind == CallKind::Record {
                afresh.extend(people.concerned(call, position).into_iter().map(|(id, _)| id));
                return;
            }
            let Some(owner) = people.owner(call, position) else { return };
            let seen = call.timestamp.min(call.received_at);
            let customer = customers.entry(owner).or_insert_with(|| Customer::new(seen));
            apply(plan, customer, &Past { position, call: call.clone(), by: By::Self_ }, now);
        };
        self.reader.replay(RowId(u64::from(read.next_row)), &mut |row| {
            for (offset, call) in (0_u64..).zip(&row.calls) {
                take(call, Position(row.first.0 + offset));
            }
            Ok(())
        })?;
        let committed = self.position.0 - self.pending.calls.len() as u64;
        for (offset, call) in (1_u64..).zip(&self.pending.calls) {
            take(call, Position(committed + offset));
        }
        self.keep(customers);
        for id in afresh {
            let past = self.history(id)?;
            if let Some(customer) = self.customers.get_mut(id) {
                let mut fresh = Customer::new(customer.first_seen);
                past.iter().for_each(|past| {
                    apply(&self.plan, &mut fresh, past, now);
                });
                customer.take_kept(fresh);
            }
        }
        Ok(true)
    }

    /// Gives customers what the plan keeps of them.
    pub(crate) fn keep(&mut self, mut built: HashMap<CustomerId, Customer>) {
        for (id, customer) in self.customers.iter_mut() {
            if let Some(fresh) = built.remove(&id) {
                customer.take_kept(fresh);
            }
        }
    }
}

impl Backfill {
    /// Reads history. O(calls).
    pub fn run(self, reader: &dyn Reader) -> Result<Backfilled, StoreError> {
        let Backfill { plan, people, now, next_row } = self;
        let mut building = Building::new(&people, &plan, now);
        let end = RowId(u64::from(next_row));
        reader.replay(RowId(0), &mut |row| {
            if row.id < end {
                for (offset, call) in (0_u64..).zip(&row.calls) {
                    building.take(call, Position(row.first.0 + offset), true);
                }
            }
            Ok(())
        })?;
        let customers = building.finish();
        Ok(Backfilled { partings: people.partings(), plan, customers, next_row })
    }
}
