//! Membership at past instants, by the same evaluator over the same history: today's definition and
//! today's identities over everything with time ≤ T.

use crate::profile::customer::Proof;
use crate::profile::{Customer, People};
use crate::segment::plan::{Node, Plan};
use crate::segment::verdict::Asked;
use domain::{Call, CallKind, CustomerId, Position, Timestamp};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
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

/// Number of members at each of `instants` (ascending), in one pass over history.
/// O(calls + customers · instants); all calls are kept in memory by customer while it runs.
pub fn sizes(
    reader: &dyn Reader,
    people: &People,
    plan: &Plan,
    rule: &Node,
    instants: &[Timestamp],
) -> Result<Vec<u32>, StoreError> {
    let mut histories: HashMap<CustomerId, Vec<Past>> = HashMap::new();
    reader.replay(RowId(0), &mut |row| {
        for (offset, call) in (0_u64..).zip(row.calls) {
            let position = Position(row.first.0 + offset);
            let matters = match (&call.event, call.kind) {
                (Some(event), _) => plan.streams_of(event).next().is_some() || is_standing(event),
                (None, kind) => kind == CallKind::Identify,
            };
            if let Some(owner) = people.owner(&call, position) {
                let history = histories.entry(owner).or_default();
                // Of calls that no rule asks about only the first matters: it says since when the customer exists.
                if matters || history.is_empty() {
                    history.push(Past { position, call });
                }
            }
        }
        Ok(())
    })?;
    let mut sizes = vec![0_u32; instants.len()];
    for (id, mut history) in histories {
        history.sort_by_key(|past| (past.call.timestamp, past.position));
        let mut next = history.iter().peekable();
        let mut customer: Option<Customer> = None;
        for (size, at) in sizes.iter_mut().zip(instants) {
            while let Some(past) = next.next_if(|past| past.call.timestamp <= *at) {
                let customer =
                    customer.get_or_insert_with(|| Customer::new(past.call.timestamp.min(past.call.received_at)));
                apply(plan, customer, &past.call, past.position, *at);
            }
            if let Some(customer) = &customer
                && (Asked { plan, id, customer, now: *at, floor: None }).verdict(rule).holds
            {
                *size += 1;
            }
        }
    }
    Ok(sizes)
}

fn is_standing(event: &str) -> bool {
    use domain::call::events;
    matches!(event, events::CONSENT_CHANGED | events::LIST_CHANGED | events::UNSUBSCRIBED | events::MARKED_AS_SPAM)
}

/// The history of one person, by today's identities, in the order of history.
pub fn history(reader: &dyn Reader, people: &People, customer: CustomerId) -> Result<Vec<Past>, StoreError> {
    let rows: Vec<RowId> = people.rows_of(customer).into_iter().map(|row| RowId(u64::from(row))).collect();
    let names: HashSet<Arc<str>> =
        people.nodes_of(customer.0).into_iter().map(|node| people.node(node).name.clone()).collect();
    let mut history = Vec::new();
    for (position, call) in reader.calls_naming(&rows, &names)? {
        if people.owner(&call, position) == Some(customer) {
            history.push(Past { position, call });
        }
    }
    history.sort_by_key(|past| (past.call.timestamp, past.position));
    Ok(history)
}
