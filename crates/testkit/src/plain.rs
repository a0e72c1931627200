//! A plain, slow and obvious reading of `spec/segments.md`: membership straight from the list of calls, without
//! streams, timers or anything kept. The engine is compared with it.

use domain::call::{Call, CallKind, Trust, events};
use domain::definition::Definitions;
use domain::message::Channel;
use domain::segment::{Aggregate, Comparison, Condition, ConsentState, Did, KnownFor, Measure};
use domain::time::add_days;
use domain::value::{Operator, Quantifier, Scalar, Test, Tests, When, number};
use domain::{CustomerId, Name, Path, Purpose, Span, Timestamp, Zone};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// All calls that were accepted, in the order of arrival, and the definitions in force.
pub struct Plain<'a> {
    people: BTreeMap<CustomerId, Person<'a>>,
    /// For each call the person it belongs to; none for notes of joins by hand.
    owners: Vec<Option<CustomerId>>,
    /// For each name, in the order in which they were first seen, the person.
    names: Vec<CustomerId>,
}

impl<'a> Plain<'a> {
    /// Reads who is who from all calls.
    pub fn new(calls: &'a [Arc<Call>], definitions: &'a Definitions) -> Plain<'a> {
        let (owners, names) = owners(calls);
        let everybody: BTreeSet<CustomerId> = owners.iter().flatten().copied().collect();
        let person = |id: CustomerId| {
            let own = calls.iter().zip(&owners).enumerate().filter(|(_, (_, owner))| **owner == Some(id));
            Person::new(id, own.map(|(index, (call, _))| (index, call.as_ref())).collect(), definitions)
        };
        Plain { people: everybody.into_iter().map(|id| (id, person(id))).collect(), owners, names }
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
    pub fn person(&self, id: CustomerId) -> Option<&Person<'a>> {
        self.people.get(&id)
    }

    /// Who is in a segment at an instant.
    pub fn members(&self, segment: &Name, now: Timestamp) -> BTreeSet<CustomerId> {
        self.people.values().filter(|person| person.is_in(segment, now)).map(|person| person.id).collect()
    }
}

/// One person's history.
pub struct Person<'a> {
    /// Their internal id.
    pub id: CustomerId,
    /// Since when they exist.
    pub exists: Option<Timestamp>,
    calls: Vec<&'a Call>,
    bodies: Vec<Value>,
    definitions: &'a Definitions,
}

impl<'a> Person<'a> {
    fn new(id: CustomerId, mut calls: Vec<(usize, &'a Call)>, definitions: &'a Definitions) -> Person<'a> {
        let exists = calls.iter().map(|(_, call)| call.timestamp.min(call.received_at)).min();
        calls.sort_by_key(|(index, call)| (call.timestamp, *index));
        let bodies = calls.iter().map(|(_, call)| call.body_value()).collect();
        Person { id, exists, calls: calls.into_iter().map(|(_, call)| call).collect(), bodies, definitions }
    }

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
            Condition::Trait(path, test) => {
                let zone = test.zone.clone().unwrap_or_else(|| self.zone(now));
                !path.is_malformed() && passes(test, path.find(&self.traits(now)), now, &zone)
            }
            Condition::Did(did) => self.did(did, now),
            Condition::Consent(asked) => {
                let purpose = &self.definitions.purposes[&asked.purpose];
                let state = match &asked.channel {
                    Some(channel) => self.consent(purpose, channel, now),
                    None => self.weakest_consent(purpose, now),
                };
                state == asked.is
            }
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
        self.calls.iter().copied().zip(&self.bodies).filter(move |(call, _)| call.timestamp <= now)
    }

    /// Traits at an instant.
    pub fn traits(&self, now: Timestamp) -> Value {
        let mut traits = Map::new();
        for (call, body) in self.past(now) {
            if call.kind == CallKind::Identify
                && let Value::Object(own) = body
            {
                for (key, value) in own {
                    if value.is_null() {
                        traits.remove(key);
                    } else {
                        traits.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        Value::Object(traits)
    }

    /// The zone at an instant: their own, else the workspace's.
    pub fn zone(&self, now: Timestamp) -> Zone {
        let own = self.traits(now).get("timezone").and_then(Value::as_str).and_then(Zone::find);
        own.unwrap_or_else(|| self.definitions.settings.zone.clone())
    }

    /// Events of a name at or before an instant, with their properties.
    pub fn events<'p>(&'p self, name: &'p str, now: Timestamp) -> impl Iterator<Item = (Timestamp, &'p Value)> {
        self.past(now)
            .filter(move |(call, _)| call.event.as_deref() == Some(name))
            .map(|(call, body)| (call.timestamp, body))
    }

    fn did(&self, did: &Did, now: Timestamp) -> bool {
        let malformed = did.filter.as_ref().is_some_and(is_malformed)
            || matches!(&did.measure, Measure::Aggregate { path, .. } if path.is_malformed());
        if malformed {
            return false;
        }
        let zone = did.zone.clone().unwrap_or_else(|| self.zone(now));
        let windows = &did.windows;
        let edge = |text: &Option<String>| text.as_deref().and_then(|text| Timestamp::parse_in(text, &zone));
        let (after, before) = (edge(&windows.after), edge(&windows.before));
        let inside = |at: Timestamp| {
            windows.within.is_none_or(|span| at > now.minus(span))
                && windows.within_days.is_none_or(|days| zone.date(at) >= add_days(zone.date(now), -i64::from(days)))
                && after.is_none_or(|after| at >= after)
                && before.is_none_or(|before| at < before)
        };
        let found: Vec<&Value> = self
            .past(now)
            .filter(|(call, _)| call.event.as_deref().is_some_and(|event| did.event.matches(event)))
            .filter(|(call, _)| inside(call.timestamp))
            .filter(|(_, body)| did.filter.as_ref().is_none_or(|tests| all_pass(tests, body, now, &zone)))
            .map(|(_, body)| body)
            .collect();
        match &did.measure {
            Measure::Count { least, most } => {
                found.len() >= *least as usize && most.is_none_or(|most| found.len() <= most as usize)
            }
            Measure::Aggregate { aggregate, path, comparison } => {
                aggregate_holds(*aggregate, path, *comparison, &found)
            }
        }
    }

    /// Consent for a purpose on a channel at an instant.
    pub fn consent(&self, purpose: &Purpose, channel: &str, now: Timestamp) -> ConsentState {
        let mut state = if purpose.granted_by_default { ConsentState::Granted } else { ConsentState::Unknown };
        for (call, body) in self.past(now) {
            let text = |key: &str| body.get(key).and_then(Value::as_str);
            let (about, on, granted) = match call.event.as_deref() {
                Some(events::CONSENT_CHANGED) => (text("purpose"), text("channel"), text("status") == Some("granted")),
                Some(events::UNSUBSCRIBED) => {
                    (text("purpose").or(Some("marketing")), text("channel").or(Some("email")), false)
                }
                Some(events::MARKED_AS_SPAM) => (Some("marketing"), None, false),
                _ => continue,
            };
            if about != Some(purpose.name.as_str()) || on.is_some_and(|on| on != channel) {
                continue;
            }
            let expires = text("expires").and_then(|text| Timestamp::parse_in(text, &Zone::utc()));
            state = match (granted, expires) {
                (false, _) => ConsentState::Withdrawn,
                (true, Some(expires)) if expires <= now => ConsentState::Expired,
                (true, _) => ConsentState::Granted,
            };
        }
        state
    }

    fn weakest_consent(&self, purpose: &Purpose, now: Timestamp) -> ConsentState {
        let channels = if purpose.channels.is_empty() { Channel::ALL } else { &purpose.channels };
        channels.iter().map(|channel| self.consent(purpose, channel.word(), now)).min().unwrap_or(ConsentState::Unknown)
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

    /// Instants at which the verdict of a segment may change by time alone: too many rather than too few.
    pub fn turns(&self, segment: &Name, from: Timestamp, to: Timestamp) -> BTreeSet<Timestamp> {
        let mut spans = BTreeSet::from([Span(0)]);
        let mut fixed = Vec::new();
        self.collect(&self.definitions.segments[segment].rule, &mut spans, &mut fixed);
        let mut zones: Vec<Zone> = vec![self.definitions.settings.zone.clone()];
        let mut bases: BTreeSet<Timestamp> = BTreeSet::new();
        for (call, body) in self.calls.iter().zip(&self.bodies) {
            bases.extend([call.timestamp, call.received_at]);
            if let Some(zone) = body.get("timezone").and_then(Value::as_str).and_then(Zone::find) {
                zones.push(zone);
            }
        }
        for name in ["UTC", "Europe/London", "Asia/Tokyo", "America/New_York"] {
            zones.extend(Zone::find(name));
        }
        let mut texts: Vec<String> = fixed;
        self.bodies.iter().for_each(|body| collect_texts(body, &mut texts));
        for text in &texts {
            bases.extend(zones.iter().filter_map(|zone| Timestamp::parse_in(text, zone)));
        }
        let mut turns = BTreeSet::new();
        for base in &bases {
            for span in &spans {
                for at in [base.plus(*span), base.minus(*span)] {
                    turns.extend([at, at.plus(Span(1))]);
                }
            }
        }
        for zone in &zones {
            let mut day = zone.date(from);
            while zone.start_of_day(day) <= to {
                turns.insert(zone.start_of_day(day));
                day = add_days(day, 1);
            }
        }
        turns.into_iter().filter(|at| *at > from && *at <= to).collect()
    }

    fn collect(&self, rule: &Condition, spans: &mut BTreeSet<Span>, fixed: &mut Vec<String>) {
        match rule {
            Condition::All(rules) | Condition::Any(rules) | Condition::None(rules) => {
                rules.iter().for_each(|rule| self.collect(rule, spans, fixed))
            }
            Condition::Not(rule) => self.collect(rule, spans, fixed),
            Condition::Segment(name) => self.collect(&self.definitions.segments[name].rule, spans, fixed),
            Condition::Trait(_, test) => collect_test(test, spans, fixed),
            Condition::Did(did) => {
                spans.extend(did.windows.within);
                fixed.extend(did.windows.after.iter().chain(&did.windows.before).cloned());
                if let Some(filter) = &did.filter {
                    collect_tests(filter, spans, fixed);
                }
            }
            Condition::KnownFor(KnownFor::AtLeast(span) | KnownFor::LessThan(span)) => {
                spans.insert(*span);
            }
            Condition::Consent(_) | Condition::List(_) | Condition::Bucket(_) | Condition::Everyone => {}
        }
    }
}

fn collect_tests(tests: &Tests, spans: &mut BTreeSet<Span>, fixed: &mut Vec<String>) {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => {
            inner.iter().for_each(|tests| collect_tests(tests, spans, fixed))
        }
        Tests::At(_, test) => collect_test(test, spans, fixed),
        Tests::Elements(_, _, inner) => collect_tests(inner, spans, fixed),
    }
}

fn collect_test(test: &Test, spans: &mut BTreeSet<Span>, fixed: &mut Vec<String>) {
    match &test.operator {
        Operator::Before(when) | Operator::After(when) => match when {
            When::Written(text) => fixed.push(text.clone()),
            When::Now(span) => {
                spans.insert(*span);
            }
        },
        Operator::WithinPast(span) | Operator::WithinNext(span) => {
            spans.insert(*span);
        }
        _ => {}
    }
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(map) => map.values().for_each(|item| collect_texts(item, texts)),
        _ => {}
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

fn is_malformed(tests: &Tests) -> bool {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => inner.iter().any(is_malformed),
        Tests::At(path, _) => path.is_malformed(),
        Tests::Elements(path, _, inner) => path.is_malformed() || is_malformed(inner),
    }
}

fn all_pass(tests: &Tests, object: &Value, now: Timestamp, zone: &Zone) -> bool {
    match tests {
        Tests::All(inner) => inner.iter().all(|tests| all_pass(tests, object, now, zone)),
        Tests::Any(inner) => inner.iter().any(|tests| all_pass(tests, object, now, zone)),
        Tests::None(inner) => !inner.iter().any(|tests| all_pass(tests, object, now, zone)),
        Tests::At(path, test) => passes(test, path.find(object), now, test.zone.as_ref().unwrap_or(zone)),
        Tests::Elements(path, quantifier, inner) => {
            let elements = path.find(object).and_then(Value::as_array).cloned().unwrap_or_default();
            let passing = elements.iter().filter(|element| all_pass(inner, element, now, zone)).count();
            match quantifier {
                Quantifier::Any => passing > 0,
                Quantifier::Every => passing > 0 && passing == elements.len(),
                Quantifier::NoOne => passing == 0,
            }
        }
    }
}

fn passes(test: &Test, value: Option<&Value>, now: Timestamp, zone: &Zone) -> bool {
    let value = value.filter(|value| !value.is_null() && value.as_str() != Some(""));
    let fold = |text: &str| if test.ignore_case { text.to_lowercase() } else { text.to_owned() };
    let same = |value: &Value, operand: &Scalar| match (Scalar::of(value), operand) {
        (Some(Scalar::Text(a)), Scalar::Text(b)) => fold(&a) == fold(b),
        (Some(scalar), operand) => scalar == *operand,
        (None, _) => false,
    };
    let is =
        |operand: &Option<Scalar>| value.zip(operand.as_ref()).is_some_and(|(value, operand)| same(value, operand));
    let is_one_of =
        |operands: &[Scalar]| value.is_some_and(|value| operands.iter().any(|operand| same(value, operand)));
    let has = |operand: &Scalar| {
        value.and_then(Value::as_array).is_some_and(|items| items.iter().any(|item| same(item, operand)))
    };
    let amount = value.and_then(number);
    let words = match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let contains = |part: &str| words.as_ref().is_some_and(|text| fold(text).contains(&fold(part)));
    let at = value.and_then(Value::as_str).and_then(|text| Timestamp::parse_in(text, zone));
    let edge = |when: &When| match when {
        When::Written(text) => Timestamp::parse_in(text, zone),
        When::Now(shift) => Some(now.plus(*shift)),
    };
    match &test.operator {
        Operator::Is(operand) => is(operand),
        Operator::IsNot(operand) => !is(operand),
        Operator::In(operands) => is_one_of(operands),
        Operator::NotIn(operands) => !is_one_of(operands),
        Operator::Exists(wanted) => value.is_some() == *wanted,
        Operator::Above(limit) => amount.is_some_and(|amount| amount > *limit),
        Operator::AtLeast(limit) => amount.is_some_and(|amount| amount >= *limit),
        Operator::Below(limit) => amount.is_some_and(|amount| amount < *limit),
        Operator::AtMost(limit) => amount.is_some_and(|amount| amount <= *limit),
        Operator::Between(low, high) => amount.is_some_and(|amount| *low <= amount && amount <= *high),
        Operator::Contains(part) => contains(part),
        Operator::NotContains(part) => !contains(part),
        Operator::StartsWith(part) => words.is_some_and(|text| fold(&text).starts_with(&fold(part))),
        Operator::EndsWith(part) => words.is_some_and(|text| fold(&text).ends_with(&fold(part))),
        Operator::Matches(source) => {
            let regex = regex::RegexBuilder::new(source).case_insensitive(test.ignore_case).build();
            words.zip(regex.ok()).is_some_and(|(text, regex)| regex.is_match(&text))
        }
        Operator::Includes(operand) => has(operand),
        Operator::NotIncludes(operand) => !has(operand),
        Operator::Before(when) => at.zip(edge(when)).is_some_and(|(at, edge)| at < edge),
        Operator::After(when) => at.zip(edge(when)).is_some_and(|(at, edge)| at > edge),
        Operator::WithinPast(span) => at.is_some_and(|at| now.minus(*span) < at && at <= now),
        Operator::WithinNext(span) => at.is_some_and(|at| now < at && at <= now.plus(*span)),
        Operator::OnDay(days) => at.is_some_and(|at| zone.date(at) == add_days(zone.date(now), i64::from(*days))),
    }
}

/// Names and joins, read from all calls in order.
#[derive(Default)]
struct Names {
    /// Whether each name is a userId. Their numbers are from 1, in the order in which they were first seen.
    is_user: Vec<bool>,
    current: HashMap<(bool, String), u32>,
    promised: BTreeMap<String, u32>,
    /// Pairs of names that are one person, and whether by hand.
    joins: Vec<(u32, u32, bool)>,
}

fn owners(calls: &[Arc<Call>]) -> (Vec<Option<CustomerId>>, Vec<CustomerId>) {
    let mut names = Names::default();
    let nodes: Vec<Option<u32>> = calls.iter().map(|call| names.take(call)).collect();
    let person = |node: u32| CustomerId(names.everybody(node)[0]);
    let all = (1..).take(names.is_user.len()).map(person).collect();
    (nodes.into_iter().map(|node| node.map(person)).collect(), all)
}

impl Names {
    /// Reads one call; returns the name it belongs to.
    fn take(&mut self, call: &Call) -> Option<u32> {
        if call.kind == CallKind::Alias && call.trust == Trust::Perennial {
            self.by_hand(&call.body_value());
            return None;
        }
        let (user, visitor) = (call.user_id.as_deref(), call.anonymous_id.as_deref());
        let Some(user) = user else { return visitor.map(|visitor| self.name(false, visitor)) };
        let own = self.name(true, user);
        match (call.kind, visitor, call.other_id.as_deref()) {
            (CallKind::Identify, Some(visitor), _) => self.join_visitor(visitor, own),
            (CallKind::Alias, _, Some(previous)) => {
                let trusted = call.trust != Trust::Browser;
                let is_new = !self.current.contains_key(&(false, previous.to_owned()));
                match self.current.get(&(true, previous.to_owned())).copied() {
                    Some(other) if trusted => self.join(other, own, false),
                    Some(_) => {}
                    None => {
                        self.join_visitor(previous, own);
                        if trusted && is_new {
                            self.promised.insert(previous.to_owned(), own);
                        }
                    }
                }
            }
            _ => {}
        }
        Some(own)
    }

    fn name(&mut self, is_user: bool, name: &str) -> u32 {
        if let Some(known) = self.current.get(&(is_user, name.to_owned())) {
            return *known;
        }
        let fresh = self.fresh(is_user, name);
        if is_user && let Some(other) = self.promised.remove(name) {
            self.join(other, fresh, false);
        }
        fresh
    }

    fn fresh(&mut self, is_user: bool, name: &str) -> u32 {
        self.is_user.push(is_user);
        let number = u32::try_from(self.is_user.len()).expect("a test has few names");
        self.current.insert((is_user, name.to_owned()), number);
        number
    }

    fn join_visitor(&mut self, visitor: &str, user: u32) {
        let known = self.name(false, visitor);
        if self.everybody(known).contains(&user) {
            return;
        }
        let is_taken = self.everybody(known).iter().any(|name| self.is_user[*name as usize - 1]);
        let own = if is_taken { self.fresh(false, visitor) } else { known };
        self.join(own, user, false);
    }

    fn join(&mut self, a: u32, b: u32, by_hand: bool) {
        if !self.everybody(a).contains(&b) {
            self.joins.push((a, b, by_hand));
        }
    }

    /// All names of the person of a name, the oldest first.
    fn everybody(&self, name: u32) -> Vec<u32> {
        let mut found = BTreeSet::from([name]);
        loop {
            let before = found.len();
            for (a, b, _) in &self.joins {
                if found.contains(a) || found.contains(b) {
                    found.extend([*a, *b]);
                }
            }
            if found.len() == before {
                return found.into_iter().collect();
            }
        }
    }

    fn by_hand(&mut self, body: &Value) {
        let name = |key: &str| u32::try_from(body[key].as_u64().unwrap_or_default()).unwrap_or_default();
        let (a, b) = (name("a"), name("b"));
        if body["by_hand"] == "merge" {
            self.join(a, b, true);
            return;
        }
        // Joins make no circles, so that one way leads from a to b: the latest join by hand on it is taken back, else
        // the latest of all.
        let on_way = |joins: &[(u32, u32, bool)], index: usize| {
            let mut without = Names { joins: joins.to_vec(), ..Names::default() };
            without.joins.remove(index);
            !without.everybody(a).contains(&b)
        };
        let way: Vec<usize> = (0..self.joins.len()).filter(|index| on_way(&self.joins, *index)).collect();
        let by_hand = way.iter().rev().find(|index| self.joins[**index].2).copied();
        if self.everybody(a).contains(&b)
            && let Some(index) = by_hand.or(way.last().copied())
        {
            self.joins.remove(index);
        }
    }
}
