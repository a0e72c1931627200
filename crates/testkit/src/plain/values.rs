//! Tests on values, read from the table of the spec.

use domain::value::{HeldFor, Operator, Quantifier, Scalar, Test, Tests, When, number};
use domain::{Path, Timestamp, Zone};
use jiff::civil::Date;
use serde_json::{Map, Value};

/// An object that tests are asked of.
#[derive(Clone, Copy)]
pub(super) struct Thing<'a> {
    /// Its values now.
    pub(super) object: &'a Value,
    /// What was said of it one after the other, each merged into what was said before. Empty for events.
    pub(super) said: &'a [(Timestamp, &'a Value)],
}

impl<'a> Thing<'a> {
    /// An event, or an element of a list: it has no past.
    pub(super) fn of(object: &'a Value) -> Thing<'a> {
        Thing { object, said: &[] }
    }
}

/// Merges what was said of a thing, the oldest first: key by key, null removes.
pub(super) fn merge<'a>(said: impl IntoIterator<Item = &'a Value>) -> Map<String, Value> {
    let mut merged = Map::new();
    said.into_iter().for_each(|body| say(&mut merged, body));
    merged
}

fn say(merged: &mut Map<String, Value>, body: &Value) {
    for (key, value) in body.as_object().into_iter().flatten() {
        if value.is_null() {
            merged.remove(key);
        } else {
            merged.insert(key.clone(), value.clone());
        }
    }
}

/// Whether a path in the tests is malformed.
pub(super) fn is_malformed(tests: &Tests) -> bool {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => inner.iter().any(is_malformed),
        Tests::At(path, _) => path.is_malformed(),
        Tests::Elements(path, _, inner) => path.is_malformed() || is_malformed(inner),
    }
}

/// Whether a thing passes all tests.
pub(super) fn all_pass(tests: &Tests, thing: Thing<'_>, now: Timestamp, zone: &Zone) -> bool {
    match tests {
        Tests::All(inner) => inner.iter().all(|tests| all_pass(tests, thing, now, zone)),
        Tests::Any(inner) => inner.iter().any(|tests| all_pass(tests, thing, now, zone)),
        Tests::None(inner) => !inner.iter().any(|tests| all_pass(tests, thing, now, zone)),
        Tests::At(path, test) => match &test.operator {
            Operator::HeldFor(wanted, held) => {
                let begun = run_since(thing.said, path, |value| is_same(test, value, wanted));
                begun.is_some_and(|since| match held {
                    HeldFor::AtLeast(span) => now.since(since) >= *span,
                    HeldFor::LessThan(span) => now.since(since) < *span,
                })
            }
            _ => passes(test, path.find(thing.object), now, zone),
        },
        Tests::Elements(path, quantifier, inner) => {
            let elements = path.find(thing.object).and_then(Value::as_array).cloned().unwrap_or_default();
            let passing = elements.iter().filter(|element| all_pass(inner, Thing::of(element), now, zone)).count();
            match quantifier {
                Quantifier::Any => passing > 0,
                Quantifier::Every => passing > 0 && passing == elements.len(),
                Quantifier::NoOne => passing == 0,
            }
        }
    }
}

/// When the unbroken run of a value began in which it still stands; none if it does not stand now.
fn run_since(said: &[(Timestamp, &Value)], path: &Path, is_it: impl Fn(&Value) -> bool) -> Option<Timestamp> {
    let mut state = Value::Object(Map::new());
    let mut since = None;
    for (at, body) in said {
        if let Value::Object(merged) = &mut state {
            say(merged, body);
        }
        since = if path.find(&state).is_some_and(&is_it) { since.or(Some(*at)) } else { None };
    }
    since
}

fn fold(test: &Test, text: &str) -> String {
    if test.ignore_case { text.to_lowercase() } else { text.to_owned() }
}

/// Whether a value is this one. What is missing is none.
fn is_same(test: &Test, value: &Value, operand: &Scalar) -> bool {
    match (Scalar::of(value), operand) {
        (Some(Scalar::Text(a)), Scalar::Text(b)) => fold(test, &a) == fold(test, b),
        (Some(scalar), operand) => scalar == *operand,
        (None, _) => false,
    }
}

/// Whether a value, or its absence, passes a test. A zone of the test's own goes before `zone`.
pub(super) fn passes(test: &Test, value: Option<&Value>, now: Timestamp, zone: &Zone) -> bool {
    let zone = test.zone.as_ref().unwrap_or(zone);
    let value = value.filter(|value| !value.is_null() && value.as_str() != Some(""));
    let fold = |text: &str| fold(test, text);
    let same = |value: &Value, operand: &Scalar| is_same(test, value, operand);
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
    let day_in = |days: i64| domain::time::add_days(zone.date(now), days);
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
        Operator::OnDay(days) => day_of(value, zone).is_some_and(|day| day == day_in(i64::from(*days))),
        Operator::Anniversary(days) => month_and_day(value, zone)
            .is_some_and(|date| (0..=i64::from(*days)).any(|ahead| is_anniversary(date, day_in(ahead)))),
        // A value by itself has no past.
        Operator::HeldFor(..) => false,
    }
}

/// The calendar day that a value means: a date is that day in every zone.
fn day_of(value: Option<&Value>, zone: &Zone) -> Option<Date> {
    let text = value?.as_str()?;
    let written: Option<Date> = if text.len() == 10 { text.parse().ok() } else { None };
    written.or_else(|| Timestamp::parse_in(text, zone).map(|at| zone.date(at)))
}

fn month_and_day(value: Option<&Value>, zone: &Zone) -> Option<(i8, i8)> {
    let without_year = value.and_then(Value::as_str).and_then(domain::time::month_and_day);
    without_year.or_else(|| day_of(value, zone).map(|day| (day.month(), day.day())))
}

/// Whether an anniversary falls on a day. 29 February counts as 1 March in a common year.
fn is_anniversary(date: (i8, i8), day: Date) -> bool {
    let today = (day.month(), day.day());
    today == date || (date == (2, 29) && !day.in_leap_year() && today == (3, 1))
}
