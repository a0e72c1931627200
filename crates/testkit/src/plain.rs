//! A plain, slow and obvious reading of `spec/segments.md`: membership straight from the list of calls, without
//! streams, timers or anything kept. The engine is compared with it.

mod names;
mod records;
mod turns;
mod values;

use domain::call::{Call, CallKind, events};
use domain::definition::Definitions;
use domain::message::Channel;
use domain::segment::{
    Aggregate, AtEnd, Comparison, Condition, ConsentAsked, ConsentState, Did, End, EventName, Events, KnownFor,
    Measure, RecordAsked, RecordQuestion, Sequence,
};
use domain::time::add_days;
use domain::value::{Quantifier, Scalar, Tests, When, number};
use domain::{CustomerId, Name, Path, Purpose, Span, Timestamp, Trust, Zone};
use records::{Record, Said};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use values::{Thing, all_pass, is_malformed, merge, passes};

/// All calls that were accepted, in the order of arrival, and the definitions in force.
pub struct Plain<'a> {
    people: BTreeMap<CustomerId, Own<'a>>,
    records: Vec<Said<'a>>,
    definitions: &'a Definitions,
    /// For each call the person it belongs to; none for notes of joins by hand.
    owners: Vec<Option<CustomerId>>,
    /// For each name, in the order in which they were first seen, the person.
    names: Vec<CustomerId>,
}

impl<'a> Plain<'a> {
    /// Reads who is who from all calls.
    pub fn new(calls: &'a [Arc<Call>], definitions: &'a Definitions) -> Plain<'a> {
        let (owners, names) = names::owners(calls);
        let mut own: BTreeMap<CustomerId, Vec<(usize, &Call)>> = BTreeMap::new();
        for (index, call) in calls.iter().enumerate() {
            if let Some(owner) = owners[index] {
                own.entry(owner).or_default().push((index, call.as_ref()));
            }
        }
        let records = records::sayings(
            own.iter().flat_map(|(owner, calls)| calls.iter().map(|(index, call)| (*index, *owner, *call))),
        );
        let people = own.into_iter().map(|(id, calls)| (id, Own::new(calls))).collect();
        Plain { people, records, definitions, owners, names }
    }

    /// Everybody.
    pub fn people(&self) -> BTreeSet<CustomerId> {
        self.people.keys().copied().collect()
    }

    /// To whom the call at an index belongs.
    pub fn owner(&self, index: usize) -> Option<CustomerId> {
        self.owners[index]
    }

    /// The person that an id, under which facts are stored, means now.
    pub fn today(&self, id: CustomerId) -> CustomerId {
        self.names.get((id.0 as usize).saturating_sub(1)).copied().unwrap_or(id)
    }

    /// All ids under which facts of a person may be stored.
    pub fn ids(&self, person: CustomerId) -> BTreeSet<CustomerId> {
        (1..).map(CustomerId).zip(&self.names).filter(|(_, owner)| **owner == person).map(|(id, _)| id).collect()
    }

    /// One person, if there is one.
    pub fn person(&self, id: CustomerId) -> Option<Person<'_>> {
        let own = self.people.get(&id)?;
        Some(Person {
            id,
            exists: own.exists,
            calls: &own.calls,
            bodies: &own.bodies,
            records: &self.records,
            definitions: self.definitions,
        })
    }

    /// Who is in a segment at an instant.
    pub fn members(&self, segment: &Name, now: Timestamp) -> BTreeSet<CustomerId> {
        let people = self.people.keys().filter_map(|id| self.person(*id));
        people.filter(|person| person.is_in(segment, now)).map(|person| person.id).collect()
    }
}

/// The calls that belong to one person, in the order of history.
struct Own<'a> {
    exists: Option<Timestamp>,
    calls: Vec<&'a Call>,
    bodies: Vec<Value>,
}

impl<'a> Own<'a> {
    fn new(mut calls: Vec<(usize, &'a Call)>) -> Own<'a> {
        let exists = calls.iter().map(|(_, call)| call.timestamp.min(call.received_at)).min();
        calls.sort_by_key(|(index, call)| (call.timestamp, *index));
        let bodies = calls.iter().map(|(_, call)| call.body_value()).collect();
        Own { exists, calls: calls.into_iter().map(|(_, call)| call).collect(), bodies }
    }
}

/// One person's history.
pub struct Person<'a> {
    /// Their internal id.
    pub id: CustomerId,
    /// Since when they exist.
    pub exists: Option<Timestamp>,
    calls: &'a [&'a Call],
    bodies: &'a [Value],
    /// What anybody ever said of records.
    records: &'a [Said<'a>],
    definitions: &'a Definitions,
}

impl Person<'_> {
    /// Whether the person is in a segment at an instant.
    pub fn is_in(&self, segment: &Name, now: Timestamp) -> bool {
        let rule = &self.definitions.segments[segment].rule;
        self.holds(rule, now)
    }

    /// Whether a rule holds of the person at an instant.
    pub fn holds(&self, rule: &Condition, now: Timestamp) -> bool {
        self.exists.is_some_and(|exists| exists <= now) && self.judge(rule, now)
    }

    fn judge(&self, rule: &Condition, now: Timestamp) -> bool {
        match rule {
            Condition::All(rules) => rules.iter().all(|rule| self.judge(rule, now)),
            Condition::Any(rules) => rules.iter().any(|rule| self.judge(rule, now)),
            Condition::None(rules) => !rules.iter().any(|rule| self.judge(rule, now)),
            Condition::Not(rule) => !self.judge(rule, now),
            Condition::Everyone => true,
            Condition::Segment(name) => self.judge(&self.definitions.segments[name].rule, now),
            Condition::Trait(tests) => {
                let thing = Thing { object: &self.traits(now), said: &self.said_of_traits(now) };
                !is_malformed(tests) && all_pass(tests, thing, now, &self.zone(now))
            }
            Condition::Did(did) => self.did(did, now),
            Condition::AtEnd(asked) => self.at_end(asked, now),
            Condition::Sequence(asked) => self.sequence(asked, now),
            Condition::FirstTime(asked) => {
                let found = self.times(&asked.events, now);
                found.first().is_some_and(|first| *first > now.minus(asked.within))
            }
            Condition::Stopped(asked) => {
                let ages = self.ages(&asked.events, now);
                ages.iter().any(|age| asked.quiet <= *age && *age < asked.active)
                    && !ages.iter().any(|age| *age < asked.quiet)
            }
            Condition::Restarted(asked) => {
                let ages = self.ages(&asked.events, now);
                let whole = Span(asked.quiet.0 + asked.recent.0);
                ages.iter().any(|age| *age < asked.recent)
                    && !ages.iter().any(|age| asked.recent <= *age && *age < whole)
                    && ages.iter().any(|age| *age >= whole)
            }
            Condition::Regularly(asked) => {
                let ages = self.ages(&asked.events, now);
                let is_good = |period: &i64| {
                    let (from, to) = (asked.every.0 * period, asked.every.0 * (period + 1));
                    ages.iter().filter(|age| from <= age.0 && age.0 < to).count() >= asked.at_least as usize
                };
                (0..i64::from(asked.periods)).filter(is_good).count() >= asked.at_least_periods as usize
            }
            Condition::Record(asked) => self.has_records(asked, now),
            // Nobody has been scored yet: every score is missing.
            Condition::Score(_, test) => passes(test, None, now, &self.zone(now)),
            Condition::Consent(asked) => self.asked_consent(asked, now),
            Condition::List(list) => self.is_on_list(list, now),
            Condition::KnownFor(known) => {
                let known_for = now.since(self.exists.unwrap_or(now));
                match known {
                    KnownFor::AtLeast(span) => known_for >= *span,
                    KnownFor::LessThan(span) => known_for < *span,
                }
            }
            Condition::Bucket(bucket) => {
                let place = models::assignment::bucket(&format!("segment:{}", bucket.seed), &self.id.to_string());
                place < bucket.percent.buckets()
            }
        }
    }

    /// Calls with time ≤ now, with their bodies, the oldest first.
    fn past(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = (&Call, &Value)> {
        self.calls.iter().copied().zip(self.bodies).filter(move |(call, _)| call.timestamp <= now)
    }

    fn said_of_traits(&self, now: Timestamp) -> Vec<(Timestamp, &Value)> {
        let identifies = self.past(now).filter(|(call, _)| call.kind == CallKind::Identify);
        identifies.map(|(call, body)| (call.timestamp, body)).collect()
    }

    /// Traits at an instant.
    pub fn traits(&self, now: Timestamp) -> Value {
        Value::Object(merge(self.said_of_traits(now).into_iter().map(|(_, body)| body)))
    }

    /// The zone at an instant: their own, else the workspace's.
    pub fn zone(&self, now: Timestamp) -> Zone {
        let said = self.said_of_traits(now).into_iter().rev().find_map(|(_, body)| body.get("timezone"));
        let own = said.and_then(Value::as_str).and_then(Zone::find);
        own.unwrap_or_else(|| self.definitions.settings.zone.clone())
    }

    /// Events of a name at or before an instant, with their properties.
    pub fn events<'p>(&'p self, name: &'p str, now: Timestamp) -> impl Iterator<Item = (Timestamp, &'p Value)> {
        self.past(now)
            .filter(move |(call, _)| call.event.as_deref() == Some(name))
            .map(|(call, body)| (call.timestamp, body))
    }

    /// Events of a name, at or before now, that pass tests; none where a path in the tests is malformed.
    fn that_pass(
        &self,
        name: &EventName,
        tests: Option<&Tests>,
        zone: Option<&Zone>,
        now: Timestamp,
    ) -> Vec<(Timestamp, &Value)> {
        let zone = zone.cloned().unwrap_or_else(|| self.zone(now));
        self.past(now)
            .filter(|(call, _)| call.event.as_deref().is_some_and(|event| name.matches(event)))
            .filter(|(_, body)| tests.is_none_or(|tests| all_pass(tests, Thing::of(body), now, &zone)))
            .map(|(call, body)| (call.timestamp, body))
            .collect()
    }

    fn found(&self, events: &Events, now: Timestamp) -> Vec<(Timestamp, &Value)> {
        self.that_pass(&events.event, events.filter.as_ref(), events.zone.as_ref(), now)
    }

    /// When such events happened; nothing where the condition cannot hold because of a malformed path.
    fn times(&self, events: &Events, now: Timestamp) -> Vec<Timestamp> {
        if events.filter.as_ref().is_some_and(is_malformed) {
            return Vec::new();
        }
        self.found(events, now).into_iter().map(|(at, _)| at).collect()
    }

    /// How long ago such events happened.
    fn ages(&self, events: &Events, now: Timestamp) -> Vec<Span> {
        self.times(events, now).into_iter().map(|at| now.since(at)).collect()
    }

    fn did(&self, did: &Did, now: Timestamp) -> bool {
        if did.filter.as_ref().is_some_and(is_malformed) || measures_malformed(&did.measure) {
            return false;
        }
        let zone = did.zone.clone().unwrap_or_else(|| self.zone(now));
        let windows = &did.windows;
        let edge = |edge: &Option<When>| match edge {
            Some(When::Written(text)) => Timestamp::parse_in(text, &zone),
            Some(When::Now(shift)) => Some(now.plus(*shift)),
            None => None,
        };
        let (after, before) = (edge(&windows.after), edge(&windows.before));
        let inside = |at: Timestamp| {
            windows.within.is_none_or(|span| at > now.minus(span))
                && windows.within_days.is_none_or(|days| zone.date(at) >= add_days(zone.date(now), -i64::from(days)))
                && after.is_none_or(|after| at >= after)
                && before.is_none_or(|before| at < before)
        };
        let found = self.that_pass(&did.event, did.filter.as_ref(), did.zone.as_ref(), now);
        let found: Vec<&Value> = found.into_iter().filter(|(at, _)| inside(*at)).map(|(_, body)| body).collect();
        measure_holds(&did.measure, &found)
    }

    fn at_end(&self, asked: &AtEnd, now: Timestamp) -> bool {
        if asked.events.filter.as_ref().is_some_and(is_malformed) || is_malformed(&asked.has) {
            return false;
        }
        let found = self.found(&asked.events, now);
        let one = match asked.end {
            End::Last => found.last(),
            End::First => found.first(),
        };
        let zone = asked.events.zone.clone().unwrap_or_else(|| self.zone(now));
        one.is_some_and(|(_, body)| all_pass(&asked.has, Thing::of(body), now, &zone))
    }

    fn sequence(&self, asked: &Sequence, now: Timestamp) -> bool {
        let malformed = [&asked.first.filter, &asked.then.filter].into_iter().flatten().any(is_malformed)
            || asked.same.as_ref().is_some_and(Path::is_malformed);
        if malformed {
            return false;
        }
        let followers = self.found(&asked.then, now);
        self.found(&asked.first, now).into_iter().any(|(at, first)| {
            let is_recent = asked.recent.is_none_or(|recent| at > now.minus(recent));
            let is_followed = followers.iter().any(|(after, then)| {
                at < *after
                    && *after <= at.plus(asked.within)
                    && asked.same.as_ref().is_none_or(|path| bear_the_same(path, first, then))
            });
            is_recent && if asked.absent { at.plus(asked.within) <= now && !is_followed } else { is_followed }
        })
    }

    fn has_records(&self, asked: &RecordAsked, now: Timestamp) -> bool {
        let zone = asked.zone.clone().unwrap_or_else(|| self.zone(now));
        let had = records::had(self.records, self.id, &asked.kind, now);
        let passing = |tests: &Tests| had.iter().filter(|one| all_pass(tests, one.thing(), now, &zone)).count();
        match &asked.question {
            RecordQuestion::Quantified(_, tests) if is_malformed(tests) => false,
            RecordQuestion::Quantified(Quantifier::Any, tests) => passing(tests) > 0,
            RecordQuestion::Quantified(Quantifier::Every, tests) => !had.is_empty() && passing(tests) == had.len(),
            RecordQuestion::Quantified(Quantifier::NoOne, tests) => passing(tests) == 0,
            RecordQuestion::Measured { filter, measure } => {
                if filter.as_ref().is_some_and(is_malformed) || measures_malformed(measure) {
                    return false;
                }
                let passes =
                    |one: &&Record<'_>| filter.as_ref().is_none_or(|tests| all_pass(tests, one.thing(), now, &zone));
                let found: Vec<&Value> = had.iter().filter(passes).map(Record::object).collect();
                measure_holds(measure, &found)
            }
        }
    }

    /// Consent for a purpose on a channel at an instant.
    pub fn consent(&self, purpose: &Purpose, channel: &str, now: Timestamp) -> ConsentState {
        self.consent_and_end(purpose, channel, now).0
    }

    /// With when it ends, if it is granted or pending and ends by itself.
    fn consent_and_end(&self, purpose: &Purpose, channel: &str, now: Timestamp) -> (ConsentState, Option<Timestamp>) {
        // The latest yes or no, with when a yes ends; the latest no; what waits since to be confirmed.
        let mut said: Option<(bool, Option<Timestamp>)> = None;
        let mut last_no: Option<Timestamp> = None;
        let mut waiting: Vec<Option<Timestamp>> = Vec::new();
        for (call, body) in self.past(now) {
            let text = |key: &str| body.get(key).and_then(Value::as_str);
            let (about, on, status) = match call.event.as_deref() {
                Some(events::CONSENT_CHANGED) => (text("purpose"), text("channel"), text("status")),
                Some(events::UNSUBSCRIBED) => {
                    (text("purpose").or(Some("marketing")), text("channel").or(Some("email")), Some("withdrawn"))
                }
                Some(events::MARKED_AS_SPAM) => (Some("marketing"), None, Some("withdrawn")),
                _ => continue,
            };
            if about != Some(purpose.name.as_str()) || on.is_some_and(|on| on != channel) {
                continue;
            }
            let expires = text("expires").and_then(|text| Timestamp::parse_in(text, &Zone::utc()));
            let is_implied = text("basis") == Some("implied");
            let is_confirmed = body.get("confirmed").and_then(Value::as_bool) == Some(true);
            let by_server = call.trust == Trust::Server;
            let waits = purpose.confirm.is_some() && by_server && !is_implied && !is_confirmed;
            match status {
                Some("withdrawn") => {
                    said = Some((false, None));
                    last_no = Some(call.timestamp);
                    waiting.clear();
                }
                Some("pending" | "granted") if status == Some("pending") || waits => {
                    let confirm = purpose.confirm.map(|within| call.timestamp.plus(within));
                    waiting.push([expires, confirm].into_iter().flatten().min());
                }
                Some("granted") => {
                    let clocks = &purpose.implied;
                    let named = clocks.iter().find(|clock| text("source") == Some(&clock.event));
                    let clock = match named {
                        Some(clock) => Some(clock.lasts.end(call.timestamp)),
                        None => clocks.iter().map(|clock| clock.lasts.end(call.timestamp)).min(),
                    };
                    said = Some((true, expires.or(clock.filter(|_| is_implied))));
                    waiting.clear();
                }
                _ => {}
            }
        }
        let follows = purpose.implied.iter().flat_map(|clock| {
            let done = self.events(&clock.event, now).filter(|(at, _)| last_no.is_none_or(|no| *at > no));
            done.map(|(at, _)| clock.lasts.end(at))
        });
        let followed = follows.max();
        let implied = followed.filter(|end| *end > now);
        let (state, end) = match said {
            Some((false, _)) => (ConsentState::Withdrawn, None),
            Some((true, None)) => (ConsentState::Granted, None),
            Some((true, Some(end))) if end > now => (ConsentState::Granted, Some(end).max(implied)),
            _ if implied.is_some() => (ConsentState::Granted, implied),
            Some((true, Some(_))) => (ConsentState::Expired, None),
            None if followed.is_some() => (ConsentState::Expired, None),
            None if purpose.granted_by_default => (ConsentState::Granted, None),
            None => (ConsentState::Unknown, None),
        };
        waiting.retain(|end| end.is_none_or(|end| end > now));
        match waiting.last() {
            Some(end) if state != ConsentState::Granted => (ConsentState::Pending, *end),
            _ => (state, end),
        }
    }

    fn asked_consent(&self, asked: &ConsentAsked, now: Timestamp) -> bool {
        let purpose = &self.definitions.purposes[&asked.purpose];
        let channels: Vec<&str> = match &asked.channel {
            Some(channel) => vec![channel],
            None if purpose.channels.is_empty() => Channel::ALL.iter().map(|channel| channel.word()).collect(),
            None => purpose.channels.iter().map(|channel| channel.word()).collect(),
        };
        let all: Vec<_> = channels.iter().map(|channel| self.consent_and_end(purpose, channel, now)).collect();
        let weakest = all.iter().map(|(state, _)| *state).min();
        let first_end = all.iter().filter_map(|(_, end)| *end).min();
        weakest == Some(asked.is)
            && asked.ends_within.is_none_or(|within| first_end.is_some_and(|end| end <= now.plus(within)))
    }

    /// Whether a person talks with them, or a complaint is open.
    pub fn is_in_talks(&self, now: Timestamp) -> bool {
        let mut talks: BTreeMap<(bool, Option<String>), Timestamp> = BTreeMap::new();
        for (call, body) in self.past(now) {
            let id = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
            match call.event.as_deref() {
                Some(events::CONVERSATION_OPENED) => drop(talks.insert((true, id("conversation")), call.timestamp)),
                Some(events::COMPLAINT_OPENED) => drop(talks.insert((false, id("complaint")), call.timestamp)),
                Some(events::CONVERSATION_CLOSED) => match id("conversation") {
                    Some(id) => drop(talks.remove(&(true, Some(id)))),
                    None => talks.retain(|(is_conversation, _), _| !is_conversation),
                },
                Some(events::COMPLAINT_RESOLVED) => match id("complaint") {
                    Some(id) => drop(talks.remove(&(false, Some(id)))),
                    None => talks.retain(|(is_conversation, _), _| *is_conversation),
                },
                _ => {}
            }
        }
        talks.iter().any(|((is_conversation, _), since)| !is_conversation || since.plus(Span::days(7)) > now)
    }

    fn is_on_list(&self, list: &str, now: Timestamp) -> bool {
        let changes: Vec<(bool, bool)> = self
            .events(events::LIST_CHANGED, now)
            .filter(|(_, body)| body.get("list").and_then(Value::as_str) == Some(list))
            .filter_map(|(_, body)| {
                Some((body.get("source").and_then(Value::as_str) == Some("person"), body.get("member")?.as_bool()?))
            })
            .collect();
        let by_person = changes.iter().rev().find(|(by_person, _)| *by_person);
        by_person.or(changes.last()).is_some_and(|(_, member)| *member)
    }
}

fn bear_the_same(path: &Path, a: &Value, b: &Value) -> bool {
    let value = |body| path.find(body).and_then(Scalar::of);
    value(a).is_some() && value(a) == value(b)
}

fn measures_malformed(measure: &Measure) -> bool {
    matches!(measure, Measure::Aggregate { path, .. } if path.is_malformed())
}

fn measure_holds(measure: &Measure, found: &[&Value]) -> bool {
    match measure {
        Measure::Count { least, most } => {
            found.len() >= *least as usize && most.is_none_or(|most| found.len() <= most as usize)
        }
        Measure::Aggregate { aggregate, path, comparison } => aggregate_holds(*aggregate, path, *comparison, found),
    }
}

fn aggregate_holds(aggregate: Aggregate, path: &Path, comparison: Comparison, found: &[&Value]) -> bool {
    let numbers: Vec<Decimal> = found.iter().filter_map(|body| number(path.find(body)?)).collect();
    let sum: Decimal = numbers.iter().sum();
    match aggregate {
        Aggregate::Sum => comparison.holds(sum),
        Aggregate::Average => {
            let count = Decimal::from(numbers.len());
            let times = |limit: Decimal| limit * count;
            !numbers.is_empty()
                && match comparison {
                    Comparison::Above(limit) => sum > times(limit),
                    Comparison::AtLeast(limit) => sum >= times(limit),
                    Comparison::Below(limit) => sum < times(limit),
                    Comparison::AtMost(limit) => sum <= times(limit),
                }
        }
        Aggregate::Largest => numbers.iter().max().is_some_and(|largest| comparison.holds(*largest)),
        Aggregate::Smallest => numbers.iter().min().is_some_and(|smallest| comparison.holds(*smallest)),
        Aggregate::Distinct => {
            let values: BTreeSet<Scalar> = found.iter().filter_map(|body| Scalar::of(path.find(body)?)).collect();
            comparison.holds(Decimal::from(values.len()))
        }
    }
}
