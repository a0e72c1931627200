//! What a walk over all of history needs of the live state, taken once, so that the writer need not wait
//! for the walk.

use super::segments::Place;
use crate::profile::By;
use crate::profile::{Customer, People};
use crate::segment::as_of::{self, Past, apply};
use crate::segment::why::since;
use crate::segment::{Asked, Plan, Verdict};
use crate::state::Engine;
use domain::call::events;
use domain::definition::DefinitionError;
use domain::time::LATEST;
use domain::{CallKind, CustomerId, Name, Position, Segment, Timestamp};
use std::collections::HashMap;
use store::{Reader, RowId, StoreError};

/// Identities and rules as of an instant. O(names) to take; it grows no older than its use.
pub struct Snapshot {
    /// The instant at which it was taken.
    pub clock: Timestamp,
    /// Calls known then.
    pub position: Position,
    pub(crate) people: People,
    pub(crate) plan: Plan,
}

impl Engine {
    /// Takes a snapshot. O(names).
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { clock: self.clock, position: self.position, people: self.people.clone(), plan: self.plan.clone() }
    }

    /// Takes a snapshot of one segment and those that it names. O(names).
    pub fn segment_snapshot(&self, segment: &Name) -> Snapshot {
        let (plan, _) = self.plan_of(segment);
        Snapshot { clock: self.clock, position: self.position, people: self.people.clone(), plan }
    }

    /// Takes a snapshot in which some segments exist that were not saved, to count their members. What they refer to
    /// must exist. O(names).
    pub fn snapshot_with(&self, segments: Vec<Segment>) -> Result<Snapshot, DefinitionError> {
        let mut definitions = self.definitions.clone();
        definitions.segments.clear();
        definitions.segments.extend(segments.into_iter().map(|segment| (segment.name.clone(), segment)));
        definitions.campaigns.clear();
        definitions.check()?;
        let plan = Plan::new(&definitions);
        Ok(Snapshot { clock: self.clock, position: self.position, people: self.people.clone(), plan })
    }

    /// Since when the first customer exists. O(customers).
    pub fn first_seen(&self) -> Option<Timestamp> {
        self.customers.values().map(|customer| customer.first_seen).min()
    }
}

/// One customer's calls that matter for sizes, and since when the customer exists.
struct Life {
    born: Timestamp,
    past: Vec<Past>,
}

impl Snapshot {
    /// The segments whose sizes it can tell, in the order of the answer.
    pub fn segments(&self) -> impl Iterator<Item = &Name> {
        self.plan.segments.iter().map(|segment| &segment.name)
    }

    /// Who was a member at an instant, none after the clock, by today's definition and today's identities, in the
    /// order of ids. O(calls).
    pub fn members(&self, reader: &dyn Reader, segment: &Name, at: Timestamp) -> Result<Vec<CustomerId>, StoreError> {
        let Some(index) = self.plan.segment(segment) else { return Ok(Vec::new()) };
        as_of::members(reader, &self.people, &self.plan, &self.plan.segments[index].rule, at)
    }

    /// People sorted by name.
    pub fn by_name(&self, people: &[CustomerId]) -> Vec<Place> {
        let mut places: Vec<Place> =
            people.iter().map(|id| Place { name: self.people.name_of(*id), id: *id }).collect();
        places.sort_unstable();
        places
    }

    /// Number of members of each segment at each of `instants` (ascending, none after the clock), by today's
    /// definitions and identities. [segments × instants].
    ///
    /// One pass over history; O(calls + customers · segments · instants at which something can have changed).
    /// Calls that a rule asks about are kept in memory while it runs.
    pub fn sizes(&self, reader: &dyn Reader, instants: &[Timestamp]) -> Result<Vec<Vec<u64>>, StoreError> {
        let mut lives = self.lives(reader, |_| true)?;
        let mut sizes = vec![vec![0_u64; instants.len()]; self.plan.segments.len()];
        for (id, life) in &mut lives {
            life.past.sort_by_key(|past| (past.call.timestamp, past.position));
            self.count_life(*id, life, instants, &mut sizes);
        }
        Ok(sizes)
    }

    /// The lives of some customers, by today's identities, from the calls that were known when the snapshot was taken.
    fn lives(
        &self,
        reader: &dyn Reader,
        is_asked: impl Fn(CustomerId) -> bool,
    ) -> Result<HashMap<CustomerId, Life>, StoreError> {
        let mut lives: HashMap<CustomerId, Life> = HashMap::new();
        reader.replay(RowId(0), &mut |row| {
            for (offset, call) in (0_u64..).zip(row.calls) {
                let position = Position(row.first.0 + offset);
                if position > self.position {
                    continue;
                }
                let first = call.timestamp.min(call.received_at);
                let matters = match (&call.event, call.kind) {
                    (Some(event), _) => is_standing(event) || self.plan.streams_of(event).next().is_some(),
                    (None, kind) => matches!(kind, CallKind::Identify | CallKind::Record),
                };
                for (customer, by) in self.people.concerned(&call, position).into_iter().filter(|(id, _)| is_asked(*id))
                {
                    // A sharer is born by a call of their own only.
                    let life = lives.entry(customer).or_insert_with(|| Life { born: LATEST, past: Vec::new() });
                    if by == By::Self_ {
                        life.born = life.born.min(first);
                    }
                    if matters {
                        life.past.push(Past { position, call: call.clone(), by });
                    }
                }
            }
            Ok(())
        })?;
        Ok(lives)
    }

    /// Since when, in history, each of these memberships of the snapshot's instant holds: by customer and index of the
    /// segment in the plan. One pass over history for all of them.
    pub(crate) fn memberships_since(
        &self,
        reader: &dyn Reader,
        members: &HashMap<CustomerId, Vec<usize>>,
    ) -> Result<HashMap<(CustomerId, usize), Timestamp>, StoreError> {
        let mut began = HashMap::new();
        for (id, mut life) in self.lives(reader, |id| members.contains_key(&id))? {
            life.past.retain(|past| past.call.timestamp <= self.clock);
            life.past.sort_by_key(|past| (past.call.timestamp, past.position));
            let past: Vec<&Past> = life.past.iter().collect();
            for index in members.get(&id).into_iter().flatten() {
                let rule = &self.plan.segments[*index].rule;
                if let Some(at) = since(&self.plan, rule, id, &past, life.born, self.clock) {
                    began.insert((id, *index), at);
                }
            }
        }
        Ok(began)
    }

    fn count_life(&self, id: CustomerId, life: &Life, instants: &[Timestamp], sizes: &mut [Vec<u64>]) {
        let mut customer = Customer::new(life.born);
        let mut next = life.past.iter().peekable();
        let mut known: Vec<Option<Verdict>> = vec![None; sizes.len()];
        for (place, at) in instants.iter().enumerate() {
            let mut touched = false;
            while let Some(past) = next.next_if(|past| past.call.timestamp <= *at) {
                apply(&self.plan, &mut customer, past, *at);
                touched = true;
            }
            if *at < life.born {
                continue;
            }
            let asked = Asked::of(&self.plan, id, &customer, *at);
            for (index, segment) in self.plan.segments.iter().enumerate() {
                // Without a new call a verdict stands until the instant at which it asks to be asked again.
                let stands = known[index].filter(|verdict| !touched && verdict.check.is_none_or(|check| check > *at));
                let verdict = stands.unwrap_or_else(|| asked.verdict(&segment.rule));
                known[index] = Some(verdict);
                sizes[index][place] += u64::from(verdict.holds);
            }
        }
    }
}

fn is_standing(event: &str) -> bool {
    matches!(event, events::CONSENT_CHANGED | events::LIST_CHANGED | events::UNSUBSCRIBED | events::MARKED_AS_SPAM)
}
