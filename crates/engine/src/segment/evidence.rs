//! The events and values behind a verdict, condition by condition.

use crate::profile::Terms;
use crate::profile::records::Record;
use crate::profile::standing::Word;
use crate::segment::as_of::Past;
use crate::segment::plan::{EventsNode, Node, RecordNode, Rhythm, RhythmNode};
use crate::segment::test::Subject;
use crate::segment::verdict::Asked;
use crate::segment::why::Evidence;
use domain::segment::{ConsentAsked, End, EventName};
use domain::value::Operator;
use domain::{CallKind, Condition, Path, Tests, Timestamp};
use serde_json::Value;

/// Most events or records shown behind one condition.
const SHOWN: usize = 5;
/// Most attributes shown of one record.
const ATTRIBUTES: usize = 4;

/// What stands behind the verdict of one condition at the instant asked about.
pub(super) fn evidence(asked: &Asked<'_>, condition: &Condition, node: &Node, past: &[&Past]) -> Vec<Evidence> {
    match (condition, node) {
        (Condition::Trait(tests), _) => of_trait(asked, tests),
        (Condition::Did(did), Node::Did(node)) => of_events(asked, &did.event, &node.events, past),
        (Condition::Record(_), Node::Record(node)) => of_records(asked, node),
        (Condition::Score(name, _), _) => vec![Evidence { time: None, what: format!("{name}: not scored yet") }],
        (Condition::Consent(consent), Node::Consent(_, terms)) => of_consent(asked, consent, terms.as_deref()),
        (Condition::List(list), _) => of_list(list, past),
        (Condition::KnownFor(_), _) => {
            vec![Evidence { time: Some(asked.customer.first_seen), what: "first seen".to_owned() }]
        }
        (_, Node::Rhythm(node)) => of_rhythm(asked, condition, node, past),
        _ => Vec::new(),
    }
}

fn of_trait(asked: &Asked<'_>, tests: &Tests) -> Vec<Evidence> {
    let (Tests::At(path, _) | Tests::Elements(path, ..)) = tests else { return Vec::new() };
    let traits = &asked.customer.traits;
    let value = traits.find(path, asked.now);
    // Of a value that must have been held for some time its whole run counts, else the latest word.
    let held = match tests {
        Tests::At(_, test) if matches!(test.operator, Operator::HeldFor(..)) => {
            traits.held_since(path, asked.now, None, &|other| other == value)
        }
        _ => None,
    };
    let since = traits.all(asked.now).1;
    let said = since.iter().find(|(key, _)| Some(key.as_ref()) == path.first()).map(|(_, at)| *at);
    vec![Evidence { time: held.or(said), what: pair(path, value) }]
}

fn pair(path: &Path, value: Option<&Value>) -> String {
    format!("{path}: {}", value.map_or_else(|| "missing".to_owned(), short))
}

/// The latest of the events that pass, or that there was none.
fn of_events(asked: &Asked<'_>, event: &EventName, node: &EventsNode, past: &[&Past]) -> Vec<Evidence> {
    let shown = passing(asked, event, node, past).rev().take(SHOWN);
    let found: Vec<Evidence> = shown.map(happened).collect();
    if found.is_empty() { vec![Evidence { time: None, what: format!("never did {event}") }] } else { found }
}

fn happened(past: &Past) -> Evidence {
    Evidence { time: Some(past.call.timestamp), what: event_words(past) }
}

fn passing<'a>(
    asked: &'a Asked<'_>,
    event: &'a EventName,
    node: &EventsNode,
    past: &'a [&'a Past],
) -> impl DoubleEndedIterator<Item = &'a Past> {
    let spec = &asked.plan.streams[node.stream as usize];
    let zone = node.zone.clone().unwrap_or_else(|| asked.zone());
    past.iter().copied().filter(move |past| {
        past.call.event.as_deref().is_some_and(|name| event.matches(name))
            && spec.filter.as_ref().is_none_or(|filter| filter.ask(&past.call.body_value(), asked.now, &zone).holds)
    })
}

fn of_rhythm(asked: &Asked<'_>, condition: &Condition, node: &RhythmNode, past: &[&Past]) -> Vec<Evidence> {
    let mut events: Vec<&EventName> = Vec::new();
    condition.events(&mut |event, _| events.push(event));
    let Some(event) = events.first() else { return Vec::new() };
    let ends = |last: bool| {
        let mut found = passing(asked, event, &node.stream, past);
        let one = if last { found.next_back() } else { found.next() };
        vec![one.map_or_else(|| Evidence { time: None, what: format!("never did {event}") }, happened)]
    };
    match &node.rhythm {
        Rhythm::AtEnd(end) => ends(*end == End::Last),
        Rhythm::FirstTime(_) => ends(false),
        Rhythm::Sequence { then, .. } => {
            let mut found = of_events(asked, event, &node.stream, past);
            found.extend(events.get(1).into_iter().flat_map(|event| of_events(asked, event, then, past)));
            found.sort_by_key(|evidence| std::cmp::Reverse(evidence.time));
            found.truncate(2 * SHOWN);
            found
        }
        Rhythm::Stopped(..) | Rhythm::Restarted(..) | Rhythm::Regularly { .. } => {
            of_events(asked, event, &node.stream, past)
        }
    }
}

fn of_records(asked: &Asked<'_>, node: &RecordNode) -> Vec<Evidence> {
    let zone = node.zone.clone().unwrap_or_else(|| asked.zone());
    let passes = |record: &Record| {
        node.tests.as_ref().is_none_or(|tests| tests.ask_of(Subject::Record(record), asked.now, &zone).holds)
    };
    let mut records: Vec<&Record> = asked.customer.records.of_kind(&node.kind, asked.now).collect();
    // Those that satisfy the tests first: they are what most questions are about.
    records.sort_by_key(|record| !passes(record));
    if records.is_empty() {
        return vec![Evidence { time: None, what: format!("has no {}", node.kind) }];
    }
    records.iter().take(SHOWN).map(|record| record_words(record, asked.now)).collect()
}

fn record_words(record: &Record, now: Timestamp) -> Evidence {
    let (attributes, since) = record.attributes(now);
    let mut parts: Vec<String> =
        attributes.iter().take(ATTRIBUTES).map(|(key, value)| format!("{key} {}", short(value))).collect();
    if attributes.len() > ATTRIBUTES {
        parts.push("…".to_owned());
    }
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let changed = since.iter().map(|(_, at)| *at).max();
    Evidence { time: changed.or(record.had_since(now)), what: format!("{} {}{parts}", record.kind, record.id) }
}

fn of_consent(asked: &Asked<'_>, consent: &ConsentAsked, terms: Option<&Terms>) -> Vec<Evidence> {
    let statements = asked.customer.standing.statements().iter().rev();
    let mut about = statements
        .filter(|statement| statement.purpose.as_ref() == consent.purpose.as_str() && statement.order.0 <= asked.now)
        .filter(|statement| match (&consent.channel, &statement.channel) {
            (Some(asked), Some(named)) => asked.as_str() == named.as_ref(),
            _ => true,
        });
    let said = about.next().map(|statement| {
        let word = match statement.word {
            Word::Yes => "said yes",
            Word::No => "said no",
            Word::Request => "was asked to confirm",
        };
        let source = statement.source.as_deref().map(|source| format!(" ({source})")).unwrap_or_default();
        Evidence { time: Some(statement.order.0), what: format!("{word}{source}") }
    });
    let done = terms.and_then(|terms| {
        let channel = consent.channel.as_deref().unwrap_or_default();
        let done = asked.customer.consent(terms, channel, asked.now).done?;
        Some(Evidence { time: Some(done.at), what: format!("{}, which implies a yes until {}", done.event, done.end) })
    });
    said.into_iter().chain(done).collect()
}

fn of_list(list: &str, past: &[&Past]) -> Vec<Evidence> {
    let is_about = |past: &&&Past| {
        past.call.kind == CallKind::Track
            && past.call.event.as_deref() == Some(domain::call::events::LIST_CHANGED)
            && past.call.body_value().get("list").and_then(Value::as_str) == Some(list)
    };
    let latest = past.iter().rev().filter(is_about).take(1);
    let found: Vec<Evidence> = latest
        .map(|past| {
            let on = past.call.body_value().get("member").is_some_and(|member| *member == true || *member == "true");
            let word = if on { "put on" } else { "taken off" };
            Evidence { time: Some(past.call.timestamp), what: format!("{word} the list {list}") }
        })
        .collect();
    if found.is_empty() { vec![Evidence { time: None, what: format!("never put on the list {list}") }] } else { found }
}

fn event_words(past: &Past) -> String {
    let body = past.call.body_value();
    let event = past.call.event.as_deref().unwrap_or(past.call.kind.word());
    let detail = ["order_id", "name", "product_id", "subject", "url"].iter().find_map(|key| {
        let value = body.get(key)?;
        Some(short(value))
    });
    match detail {
        Some(detail) => format!("{event} ({detail})"),
        None => event.to_owned(),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > 80 { format!("{}…", text.chars().take(79).collect::<String>()) } else { text }
}
