//! Membership at past instants, by the same evaluator over the same history: today's definition and
//! today's identities over everything with time ≤ T.

use crate::profile::customer::Proof;
use crate::profile::{Customer, People};
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
}

/// Since when somebody with this history exists: their first arrival or their earliest timestamp.
pub fn exists_since(history: &[Past]) -> Option<Timestamp> {
    history.iter().map(|past| past.call.timestamp.min(past.call.received_at)).min()
}

/// Takes a call into a customer's state, as if `now` were the present. Returns what it touched.
///
/// The one place where calls become features: live, back-fill, as-of and why all come here.
pub fn apply(
    plan: &Plan,
    customer: &mut Customer,
    call: &Call,
    position: Position,
    now: Timestamp,
) -> crate::segment::Touch {
    let mut touch = crate::segment::Touch::default();
    let order = (call.timestamp, position.0);
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
                touch.traits = customer.traits.merge(&traits, order, now, &proof_of);
            }
        }
        CallKind::Track | CallKind::Page | CallKind::Screen => {
            customer.streams.apply(plan, call, order, now, &mut touch.streams);
            match customer.standing.apply(call, order) {
                crate::profile::standing::Touched::Consent => touch.consent = true,
                crate::profile::standing::Touched::Lists => touch.lists = true,
                _ => {}
            }
        }
        CallKind::Group | CallKind::Alias | CallKind::Record => {}
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
    let mut customers: HashMap<CustomerId, Customer> = HashMap::new();
    reader.replay(RowId(0), &mut |row| {
        for (offset, call) in (0_u64..).zip(&row.calls) {
            let seen = call.timestamp.min(call.received_at);
            if seen > until {
                continue;
            }
            let position = Position(row.first.0 + offset);
            if let Some(owner) = people.owner(call, position) {
                let customer = customers.entry(owner).or_insert_with(|| Customer::new(seen));
                customer.first_seen = customer.first_seen.min(seen);
                if call.timestamp > until {
                    continue;
                }
                apply(plan, customer, call, position, until);
            }
        }
        Ok(())
    })?;
    Ok(customers)
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
        .filter(|(id, customer)| Asked { plan, id: **id, customer, now: at, floor: None }.verdict(rule).holds)
        .map(|(id, _)| *id)
        .collect();
    members.sort_unstable();
    Ok(members)
}

/// Journal rows read in one piece, so that a long history does not hold the store for long.
const ROWS_AT_ONCE: usize = 256;

/// The committed histories of several people, by today's identities, in the order of the journal.
/// Each row is read once for all of them. O(calls in the rows that name them).
pub fn histories(
    reader: &dyn Reader,
    people: &People,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<Past>>, StoreError> {
    let mut histories: HashMap<CustomerId, Vec<Past>> = customers.iter().map(|id| (*id, Vec::new())).collect();
    let rows: BTreeSet<u32> = customers.iter().flat_map(|id| people.rows_of(*id)).collect();
    let rows: Vec<RowId> = rows.into_iter().map(|row| RowId(u64::from(row))).collect();
    let nodes = customers.iter().flat_map(|id| people.nodes_of(id.0));
    let names: HashSet<Arc<str>> = nodes.map(|node| people.node(node).name.clone()).collect();
    for piece in rows.chunks(ROWS_AT_ONCE) {
        for (position, call) in reader.calls_naming(piece, &names)? {
            if let Some(history) = people.owner(&call, position).and_then(|owner| histories.get_mut(&owner)) {
                history.push(Past { position, call });
            }
        }
    }
    Ok(histories)
}
