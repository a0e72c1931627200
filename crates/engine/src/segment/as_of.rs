//! Membership at past instants, by the same evaluator over the same history: today's definition and
//! today's identities over everything with time ≤ T.

use crate::profile::browsers::Browsers;
use crate::profile::customer::Proof;
use crate::profile::identity::NodeId;
use crate::profile::in_app::InApp;
use crate::profile::rewards::Rewards;
use crate::profile::{By, Customer, People};
use crate::segment::plan::{Node, Plan};
use crate::segment::verdict::Asked;
use domain::{Call, CallKind, CustomerId, Position, Timestamp};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use store::{Reader, RowId, StoreError};

/// One call of history with its place.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its position in the journal.
    pub position: Position,
    /// The call.
    pub call: Arc<Call>,
    /// Whether it is the customer's own, or another's about a record that they share.
    pub by: By,
}

/// Since when somebody with this history exists: their first arrival or their earliest timestamp.
pub fn exists_since(history: &[Past]) -> Option<Timestamp> {
    let own = history.iter().filter(|past| past.by == By::Self_);
    own.map(|past| past.call.timestamp.min(past.call.received_at)).min()
}

/// Takes a call into a customer's state, as if `now` were the present. Returns what it touched.
///
/// The one place where calls become features: live, back-fill, as-of and why all come here.
pub fn apply(plan: &Plan, customer: &mut Customer, past: &Past, now: Timestamp) -> crate::segment::Touch {
    let mut touch = crate::segment::Touch::default();
    let call = past.call.as_ref();
    let order = (call.timestamp, past.position.0);
    if past.by == By::Sharer {
        customer.records.apply(call, order, By::Sharer, &plan.held.attributes, now);
        touch.records.extend(call.record.as_ref().map(|part| part.kind.clone()));
        return touch;
    }
    let first = call.timestamp.min(call.received_at);
    // The first arrival is the earliest, also where the clock ran backward between two.
    if first < customer.first_seen {
        customer.first_seen = first;
        touch.existence = true;
    }
    customer.calls = customer.calls.saturating_add(1);
    // A call dated ahead shows that the customer was there when it arrived.
    customer.last_seen = customer.last_seen.max(first);
    match call.kind {
        CallKind::Identify => {
            if let Value::Object(traits) = call.body_value() {
                // A visitor may say what they like of themselves; it must not become the word of a known customer
                // when the two turn out to be one.
                let from_anybody = call.trust == domain::Trust::Browser && call.user_id.is_none();
                let proof_of = |key: &str| {
                    if from_anybody && crate::ingest::is_protected_trait(key) { Proof::Unproven } else { Proof::Proven }
                };
                touch.traits = customer.traits.merge(&traits, order, now, &plan.held.traits, &proof_of);
            }
        }
        CallKind::Track | CallKind::Page | CallKind::Screen => {
            customer.streams.apply(plan, call, order, now, &mut touch.streams);
            if Rewards::are_given_by(call) {
                customer.rewards.get_or_insert_default().apply(call, order);
            }
            if InApp::is_told_by(call) {
                customer.in_app.get_or_insert_default().apply(call, order);
            }
            if Browsers::are_told_by(call) {
                customer.browsers.get_or_insert_default().apply(call, order);
            }
            match customer.standing.apply(call, order) {
                crate::profile::standing::Touched::Consent => touch.consent = true,
                crate::profile::standing::Touched::Lists => touch.lists = true,
                _ => {}
            }
        }
        CallKind::Record => {
            customer.records.apply(call, order, By::Self_, &plan.held.attributes, now);
            touch.records.extend(call.record.as_ref().map(|part| part.kind.clone()));
        }
        CallKind::Group | CallKind::Alias => {}
    }
    touch
}

/// Builds customers as they were at an instant: every call with time ≤ `until`, by today's identities.
///
/// A call that had arrived by then but is dated ahead shows only that its customer exists.
/// O(calls); memory O(customers · what the plan keeps).
pub fn build(
    reader: &dyn Reader,
    people: &People,
    plan: &Plan,
    until: Timestamp,
) -> Result<HashMap<CustomerId, Customer>, StoreError> {
    let mut building = Building::new(people, plan, until);
    reader.replay(RowId(0), &mut |row| {
        for (offset, call) in (0_u64..).zip(&row.calls) {
            if call.timestamp.min(call.received_at) <= until {
                building.take(call, Position(row.first.0 + offset), call.timestamp <= until);
            }
        }
        Ok(())
    })?;
    Ok(building.finish())
}

/// Customers in the making, from calls in the order of the journal.
pub struct Building<'a> {
    people: &'a People,
    plan: &'a Plan,
    now: Timestamp,
    customers: HashMap<CustomerId, Customer>,
    /// Those of whom a call of their own was seen: whoever is known only by a record that they will share later does
    /// not exist yet.
    owners: HashSet<CustomerId>,
}

impl<'a> Building<'a> {
    /// Nobody yet.
    pub fn new(people: &'a People, plan: &'a Plan, now: Timestamp) -> Building<'a> {
        Building { people, plan, now, customers: HashMap::new(), owners: HashSet::new() }
    }

    /// Takes a call; if it does not count it shows only that its customer exists.
    pub fn take(&mut self, call: &Arc<Call>, position: Position, counts: bool) {
        let seen = call.timestamp.min(call.received_at);
        for (id, by) in self.people.concerned(call, position) {
            let customer = self.customers.entry(id).or_insert_with(|| Customer::new(seen));
            if by == By::Self_ {
                if self.owners.insert(id) {
                    (customer.first_seen, customer.last_seen) = (seen, seen);
                }
                customer.first_seen = customer.first_seen.min(seen);
            }
            if counts {
                apply(self.plan, customer, &Past { position, call: call.clone(), by }, self.now);
            }
        }
    }

    /// Everybody who exists.
    pub fn finish(mut self) -> HashMap<CustomerId, Customer> {
        self.customers.retain(|id, _| self.owners.contains(id));
        self.customers
    }
}

/// Who satisfied a rule at an instant, in the order of ids.
pub fn members(
    reader: &dyn Reader,
    people: &People,
    plan: &Plan,
    rule: &Node,
    at: Timestamp,
) -> Result<Vec<CustomerId>, StoreError> {
    let customers = build(reader, people, plan, at)?;
    let mut members: Vec<CustomerId> = customers
        .iter()
        .filter(|(id, customer)| Asked::of(plan, **id, customer, at).verdict(rule).holds)
        .map(|(id, _)| *id)
        .collect();
    members.sort_unstable();
    Ok(members)
}

/// Journal rows read in one piece, so that a long history does not hold the store for long.
const ROWS_AT_ONCE: usize = 256;

/// The histories of several people, by today's identities, in the order of the journal.
///
/// With what others said about records that they share. Each row is read once for all of them; `pending` are the calls that wait for the commit,
/// with their positions. O(calls in the rows that name them).
pub fn histories(
    reader: &dyn Reader,
    people: &People,
    customers: &[CustomerId],
    pending: &[(Position, Arc<Call>)],
) -> Result<HashMap<CustomerId, Vec<Past>>, StoreError> {
    let mut histories: HashMap<CustomerId, Vec<Past>> = customers.iter().map(|id| (*id, Vec::new())).collect();
    let own: BTreeSet<NodeId> = customers.iter().flat_map(|id| people.nodes_of(id.0)).collect();
    // Whoever else named a record of theirs: known only once their own calls are read.
    let mut others: BTreeSet<NodeId> = BTreeSet::new();
    let mut take_own = |position: Position, call: Arc<Call>| {
        let Some(owner) = people.owner(&call, position) else { return };
        if let Some(history) = histories.get_mut(&owner) {
            if let Some(part) = &call.record {
                let sharers = people.sharing.of(&part.kind, &part.id).iter().filter(|node| !own.contains(node));
                others.extend(sharers);
            }
            history.push(Past { position, call, by: By::Self_ });
        }
    };
    read_calls(reader, people, &own, &mut take_own)?;
    pending.iter().for_each(|(position, call)| take_own(*position, call.clone()));
    let share_records = !others.is_empty() || customers.len() > 1;
    if share_records {
        let mut known: HashSet<(CustomerId, Position)> = HashSet::new();
        read_calls(reader, people, &others, &mut |position, call| {
            share(people, &mut histories, &mut known, position, &call);
        })?;
        for (position, call) in pending {
            share(people, &mut histories, &mut known, *position, call);
        }
        let among: Vec<(Position, Arc<Call>)> = histories
            .values()
            .flatten()
            .filter(|past| past.by == By::Self_ && past.call.kind == CallKind::Record)
            .map(|past| (past.position, past.call.clone()))
            .collect();
        for (position, call) in among {
            share(people, &mut histories, &mut known, position, &call);
        }
        histories.values_mut().for_each(|history| history.sort_by_key(|past| past.position));
    }
    Ok(histories)
}

/// Gives a record call to those of some people who share the record without having sent the call.
fn share(
    people: &People,
    histories: &mut HashMap<CustomerId, Vec<Past>>,
    known: &mut HashSet<(CustomerId, Position)>,
    position: Position,
    call: &Arc<Call>,
) {
    if call.kind != CallKind::Record {
        return;
    }
    for (customer, by) in people.concerned(call, position) {
        if by == By::Sharer
            && let Some(history) = histories.get_mut(&customer)
            && known.insert((customer, position))
        {
            history.push(Past { position, call: call.clone(), by });
        }
    }
}

/// Calls of some names, in the order of the journal.
fn read_calls(
    reader: &dyn Reader,
    people: &People,
    nodes: &BTreeSet<NodeId>,
    take: &mut dyn FnMut(Position, Arc<Call>),
) -> Result<(), StoreError> {
    let rows: BTreeSet<u32> = nodes.iter().flat_map(|node| people.node(*node).rows.iter().copied()).collect();
    let rows: Vec<RowId> = rows.into_iter().map(|row| RowId(u64::from(row))).collect();
    let names: HashSet<Arc<str>> = nodes.iter().map(|node| people.node(*node).name.clone()).collect();
    for piece in rows.chunks(ROWS_AT_ONCE) {
        for (position, call) in reader.calls_naming(piece, &names)? {
            take(position, call);
        }
    }
    Ok(())
}
