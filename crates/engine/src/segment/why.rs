//! Why somebody is in a segment or not: condition by condition, with the events or values behind it,
//! and when the verdict may change.

use crate::profile::Customer;
use crate::segment::as_of::{Past, apply, exists_since};
use crate::segment::describe::describe;
use crate::segment::evidence::evidence;
use crate::segment::plan::{Node, Plan};
use crate::segment::verdict::Asked;
use domain::{Condition, CustomerId, Timestamp};
use serde::Serialize;

/// Most steps of the search for the instant at which a verdict differs.
const SEARCH: usize = 10_000;

/// The answer to "why in, why not".
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Why {
    /// Whether the customer belongs.
    pub member: bool,
    /// The first later instant at which that would differ if nothing arrived; none: never.
    #[serde(serialize_with = "instant")]
    pub until: Option<Timestamp>,
    /// Since when, in history; none for those who do not belong.
    #[serde(serialize_with = "instant")]
    pub since: Option<Timestamp>,
    /// The rule's conditions.
    pub conditions: Vec<Reason>,
}

/// One condition with its verdict.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Reason {
    /// In plain words.
    pub condition: String,
    /// Whether it holds.
    pub holds: bool,
    /// The first later instant at which that would differ; none: never.
    #[serde(serialize_with = "instant")]
    pub until: Option<Timestamp>,
    /// The events or values behind it.
    pub because: Vec<Evidence>,
    /// Of a group, how it joins what is in it: `all`, `any`, `none` or `not`.
    #[serde(skip)]
    pub group: Option<&'static str>,
    /// Conditions inside a group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Reason>,
}

/// An event or a value behind a verdict.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Evidence {
    /// When it happened, or since when the value holds.
    #[serde(serialize_with = "instant")]
    pub time: Option<Timestamp>,
    /// What it is.
    pub what: String,
}

fn instant<S: serde::Serializer>(at: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => s.collect_str(at),
        None => s.serialize_none(),
    }
}

/// Explains a rule for a customer at an instant, from their history in order. O(history · conditions).
pub fn why(plan: &Plan, rule: (&Condition, &Node), id: CustomerId, history: &[Past], now: Timestamp) -> Why {
    let past: Vec<&Past> = history.iter().filter(|past| past.call.timestamp <= now).collect();
    let Some(exists) = exists_since(history).filter(|exists| *exists <= now) else {
        return Why { member: false, until: None, since: None, conditions: Vec::new() };
    };
    let mut customer = Customer::new(exists);
    // What is dated ahead but has arrived is known: it counts for `until`.
    for past in history.iter().filter(|past| past.call.timestamp.min(past.call.received_at) <= now) {
        apply(plan, &mut customer, past, now);
    }
    let asked = Asked::of(plan, id, &customer, now);
    let member = asked.verdict(rule.1).holds;
    let conditions = match reason(&asked, rule.0, rule.1, &past) {
        Reason { conditions, .. } if matches!(rule.0, Condition::All(_)) && !conditions.is_empty() => conditions,
        whole => vec![whole],
    };
    Why {
        member,
        until: differs_at(&asked, rule.1),
        since: if member { since(plan, rule.1, id, &past, exists, now) } else { None },
        conditions,
    }
}

fn reason(asked: &Asked<'_>, condition: &Condition, node: &Node, past: &[&Past]) -> Reason {
    let inner: Vec<(&Condition, &Node)> = match (condition, node) {
        (Condition::All(conditions), Node::All(nodes))
        | (Condition::Any(conditions), Node::Any(nodes))
        | (Condition::None(conditions), Node::None(nodes)) => conditions.iter().zip(nodes).collect(),
        (Condition::Not(condition), Node::Not(node)) => vec![(condition.as_ref(), node.as_ref())],
        _ => Vec::new(),
    };
    Reason {
        condition: describe(condition),
        holds: asked.verdict(node).holds,
        until: differs_at(asked, node),
        because: evidence(asked, condition, node, past),
        group: match condition {
            Condition::All(_) => Some("all"),
            Condition::Any(_) => Some("any"),
            Condition::None(_) => Some("none"),
            Condition::Not(_) => Some("not"),
            _ => None,
        },
        conditions: inner.into_iter().map(|(condition, node)| reason(asked, condition, node, past)).collect(),
    }
}

/// The first later instant at which the verdict of a rule would differ if nothing arrived.
pub fn differs_at(asked: &Asked<'_>, rule: &Node) -> Option<Timestamp> {
    let start = asked.verdict(rule);
    let mut check = start.check?;
    for _ in 0..SEARCH {
        let verdict = Asked { now: check, ..*asked }.verdict(rule);
        if verdict.holds != start.holds {
            return Some(check);
        }
        check = verdict.check?;
    }
    // Beyond so many turns the next one is still a true lower bound.
    Some(check)
}

/// The instant of history at which the present membership began; none: the rule does not hold at `now`. `past`: the
/// calls up to `now`, by time and position.
pub(crate) fn since(
    plan: &Plan,
    rule: &Node,
    id: CustomerId,
    past: &[&Past],
    exists: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut customer = Customer::new(exists);
    let mut began = None;
    let mut next = past.iter().peekable();
    let mut at = exists;
    for _ in 0..SEARCH.max(past.len() * 4) {
        while let Some(past) = next.next_if(|past| past.call.timestamp <= at) {
            apply(plan, &mut customer, past, at);
        }
        let verdict = Asked::of(plan, id, &customer, at).verdict(rule);
        began = match (verdict.holds, began) {
            (true, None) => Some(at),
            (true, began) => began,
            (false, _) => None,
        };
        let event = next.peek().map(|past| past.call.timestamp);
        match crate::segment::test::earlier(event, verdict.check) {
            Some(turn) if turn <= now => at = turn,
            _ => break,
        }
    }
    began
}
