//! The meaning of a test on a value at an instant, and when its answer changes by time alone.

use crate::profile::customer::Traits;
use crate::profile::records::Record;
use domain::value::{HeldFor, Operator, Quantifier, Scalar, When, number, pattern};
use domain::{Path, Span, Test, Tests, Timestamp, Zone};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;

/// A test with its pattern compiled.
#[derive(Clone, Debug)]
pub struct CompiledTest {
    /// As asked.
    pub test: Test,
    regex: Option<Regex>,
}

impl PartialEq for CompiledTest {
    fn eq(&self, other: &Self) -> bool {
        self.test == other.test
    }
}

/// What tests are asked of.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// Properties of an event, or an element of a list.
    Value(&'a Value),
    /// The traits of a customer, which know their past.
    Traits(&'a Traits),
    /// A record of a customer, which knows its past.
    Record(&'a Record),
}

impl<'a> Subject<'a> {
    fn find(self, path: &Path, now: Timestamp) -> Option<&'a Value> {
        match self {
            Subject::Value(value) => path.find(value),
            Subject::Traits(traits) => traits.find(path, now),
            Subject::Record(record) => record.find(path, now),
        }
    }

    fn held_since(self, path: &Path, now: Timestamp, is_it: &dyn Fn(Option<&Value>) -> bool) -> Option<Timestamp> {
        match self {
            // What an event said has no past: it is refused when the definition is read.
            Subject::Value(_) => None,
            Subject::Traits(traits) => traits.held_since(path, now, None, is_it),
            Subject::Record(record) => record.held_since(path, now, is_it),
        }
    }
}

/// Tests with their patterns compiled.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the shape of domain::Tests")]
pub enum CompiledTests {
    All(Vec<CompiledTests>),
    Any(Vec<CompiledTests>),
    None(Vec<CompiledTests>),
    At(Path, CompiledTest),
    Elements(Path, Quantifier, Box<CompiledTests>),
}

/// An answer, and the next instant at which it may differ by time alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Whether the test holds.
    pub holds: bool,
    /// When to ask again; none: never.
    pub check: Option<Timestamp>,
}

impl Answer {
    /// An answer that time does not change.
    pub fn fixed(holds: bool) -> Answer {
        Answer { holds, check: None }
    }
}

/// The earlier of two instants, none being never.
pub fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

impl CompiledTest {
    /// Compiles a test. Patterns were checked when the definition was read; one that fails here matches nothing.
    pub fn new(test: &Test) -> CompiledTest {
        let regex = match &test.operator {
            Operator::Matches(source) => pattern(source, test.ignore_case).ok(),
            _ => None,
        };
        CompiledTest { test: test.clone(), regex }
    }

    /// Asks the test of what a path leads to, at an instant.
    pub fn ask_at(&self, subject: Subject<'_>, path: &Path, now: Timestamp, zone: &Zone) -> Answer {
        let Operator::HeldFor(wanted, held) = &self.test.operator else {
            return self.ask(subject.find(path, now), now, zone);
        };
        let is_it = |value: Option<&Value>| {
            equals(value.filter(|value| !is_missing(value)), Some(wanted), self.test.ignore_case)
        };
        let Some(since) = subject.held_since(path, now, &is_it) else {
            return Answer::fixed(false);
        };
        let turn = since.plus(held.span());
        let is_older = turn <= now;
        Answer { holds: is_older == matches!(held, HeldFor::AtLeast(_)), check: (!is_older).then_some(turn) }
    }

    /// Asks the test of a value at an instant.
    pub fn ask(&self, value: Option<&Value>, now: Timestamp, zone: &Zone) -> Answer {
        let zone = self.test.zone.as_ref().unwrap_or(zone);
        let value = value.filter(|value| !is_missing(value));
        let fold = self.test.ignore_case;
        let fixed = |holds| Answer::fixed(holds);
        match &self.test.operator {
            Operator::Is(operand) => fixed(equals(value, operand.as_ref(), fold)),
            Operator::IsNot(operand) => fixed(value.is_none() || !equals(value, operand.as_ref(), fold)),
            Operator::In(operands) => fixed(operands.iter().any(|operand| equals(value, Some(operand), fold))),
            Operator::NotIn(operands) => fixed(!operands.iter().any(|operand| equals(value, Some(operand), fold))),
            Operator::Exists(wanted) => fixed(value.is_some() == *wanted),
            Operator::Above(limit) => fixed(value.and_then(number).is_some_and(|n| n > *limit)),
            Operator::AtLeast(limit) => fixed(value.and_then(number).is_some_and(|n| n >= *limit)),
            Operator::Below(limit) => fixed(value.and_then(number).is_some_and(|n| n < *limit)),
            Operator::AtMost(limit) => fixed(value.and_then(number).is_some_and(|n| n <= *limit)),
            Operator::Between(low, high) => fixed(value.and_then(number).is_some_and(|n| *low <= n && n <= *high)),
            Operator::Contains(part) => {
                fixed(with_text(value, fold, part, |text, part| text.contains(part)).unwrap_or(false))
            }
            Operator::NotContains(part) => {
                fixed(!with_text(value, fold, part, |text, part| text.contains(part)).unwrap_or(false))
            }
            Operator::StartsWith(part) => {
                fixed(with_text(value, fold, part, |text, part| text.starts_with(part)).unwrap_or(false))
            }
            Operator::EndsWith(part) => {
                fixed(with_text(value, fold, part, |text, part| text.ends_with(part)).unwrap_or(false))
            }
            Operator::Matches(_) => {
                let found = text_of(value).zip(self.regex.as_ref()).is_some_and(|(text, regex)| regex.is_match(&text));
                fixed(found)
            }
            Operator::Includes(operand) => fixed(includes(value, operand, fold)),
            Operator::NotIncludes(operand) => fixed(!includes(value, operand, fold)),
            Operator::Before(when) => compare(value, when, now, zone, |at, edge| at < edge),
            Operator::After(when) => compare(value, when, now, zone, |at, edge| at > edge),
            Operator::WithinPast(span) => within(value, zone, now, |at| (at, at.plus(*span))),
            // at in (now, now + d]: from at - d on, until just before at.
            Operator::WithinNext(span) => within(value, zone, now, |at| (at.minus(*span), at)),
            Operator::OnDay(days) => match instant(value, zone) {
                None => fixed(false),
                Some(at) => {
                    let day = domain::time::add_days(zone.date(at), -i64::from(*days));
                    let next = domain::time::add_days(day, 1);
                    between(now, zone.start_of_day(day), zone.start_of_day(next))
                }
            },
            Operator::Anniversary(days) => anniversary(value, *days, now, zone),
            // Asked with its path, since a value alone has no past.
            Operator::HeldFor(..) => fixed(false),
        }
    }

    /// Whether the answer depends on the customer's zone.
    pub fn uses_zone(&self) -> bool {
        self.test.zone.is_none()
            && matches!(
                self.test.operator,
                Operator::Before(_)
                    | Operator::After(_)
                    | Operator::WithinPast(_)
                    | Operator::WithinNext(_)
                    | Operator::OnDay(_)
                    | Operator::Anniversary(_)
            )
    }
}

impl CompiledTests {
    /// Compiles tests.
    pub fn new(tests: &Tests) -> CompiledTests {
        let all = |inner: &[Tests]| inner.iter().map(CompiledTests::new).collect();
        match tests {
            Tests::All(inner) => CompiledTests::All(all(inner)),
            Tests::Any(inner) => CompiledTests::Any(all(inner)),
            Tests::None(inner) => CompiledTests::None(all(inner)),
            Tests::At(path, test) => CompiledTests::At(path.clone(), CompiledTest::new(test)),
            Tests::Elements(path, quantifier, inner) => {
                CompiledTests::Elements(path.clone(), *quantifier, Box::new(CompiledTests::new(inner)))
            }
        }
    }

    /// Asks the tests of an object at an instant.
    pub fn ask(&self, object: &Value, now: Timestamp, zone: &Zone) -> Answer {
        self.ask_of(Subject::Value(object), now, zone)
    }

    /// Asks the tests of a subject at an instant.
    pub fn ask_of(&self, subject: Subject<'_>, now: Timestamp, zone: &Zone) -> Answer {
        match self {
            CompiledTests::All(inner) => {
                combine(inner.iter().map(|tests| tests.ask_of(subject, now, zone)), |mut all| all.all(|holds| holds))
            }
            CompiledTests::Any(inner) => {
                combine(inner.iter().map(|tests| tests.ask_of(subject, now, zone)), |mut all| all.any(|holds| holds))
            }
            CompiledTests::None(inner) => {
                combine(inner.iter().map(|tests| tests.ask_of(subject, now, zone)), |mut all| !all.any(|holds| holds))
            }
            CompiledTests::At(path, test) => test.ask_at(subject, path, now, zone),
            CompiledTests::Elements(path, quantifier, inner) => {
                let elements = match subject.find(path, now) {
                    Some(Value::Array(elements)) => elements.as_slice(),
                    _ => &[],
                };
                let answers = elements.iter().map(|element| inner.ask(element, now, zone));
                match quantifier {
                    Quantifier::Any => combine(answers, |mut all| all.any(|holds| holds)),
                    Quantifier::NoOne => combine(answers, |mut all| !all.any(|holds| holds)),
                    Quantifier::Every => {
                        let some = !elements.is_empty();
                        combine(answers, |mut all| some && all.all(|holds| holds))
                    }
                }
            }
        }
    }

    /// Adds the top-level keys of what it is asked of that it looks at.
    pub fn keys<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        match self {
            CompiledTests::All(inner) | CompiledTests::Any(inner) | CompiledTests::None(inner) => {
                inner.iter().for_each(|tests| tests.keys(into));
            }
            CompiledTests::At(path, _) | CompiledTests::Elements(path, ..) => into.extend(path.first()),
        }
    }

    /// Whether a path in it is malformed: then the whole condition is false.
    pub fn is_malformed(&self) -> bool {
        match self {
            CompiledTests::All(inner) | CompiledTests::Any(inner) | CompiledTests::None(inner) => {
                inner.iter().any(CompiledTests::is_malformed)
            }
            CompiledTests::At(path, _) => path.is_malformed(),
            CompiledTests::Elements(path, _, inner) => path.is_malformed() || inner.is_malformed(),
        }
    }

    /// Whether an answer can change by time alone.
    pub fn depends_on_now(&self) -> bool {
        match self {
            CompiledTests::All(inner) | CompiledTests::Any(inner) | CompiledTests::None(inner) => {
                inner.iter().any(CompiledTests::depends_on_now)
            }
            CompiledTests::At(_, test) => test.test.operator.depends_on_now(),
            CompiledTests::Elements(_, _, inner) => inner.depends_on_now(),
        }
    }

    /// Whether an answer depends on the customer's zone.
    pub fn uses_zone(&self) -> bool {
        match self {
            CompiledTests::All(inner) | CompiledTests::Any(inner) | CompiledTests::None(inner) => {
                inner.iter().any(CompiledTests::uses_zone)
            }
            CompiledTests::At(_, test) => test.uses_zone(),
            CompiledTests::Elements(_, _, inner) => inner.uses_zone(),
        }
    }
}

fn combine(answers: impl Iterator<Item = Answer>, judge: impl Fn(std::vec::IntoIter<bool>) -> bool) -> Answer {
    let mut check = None;
    let mut holds = Vec::new();
    for answer in answers {
        check = earlier(check, answer.check);
        holds.push(answer.holds);
    }
    Answer { holds: judge(holds.into_iter()), check }
}

/// Absent, null and empty text are missing; empty lists and maps, 0 and false are present.
pub fn is_missing(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_str() == Some("")
}

fn equals(value: Option<&Value>, operand: Option<&Scalar>, ignore_case: bool) -> bool {
    let (Some(value), Some(operand)) = (value, operand) else {
        return false;
    };
    match (Scalar::of(value), operand) {
        (Some(Scalar::Text(a)), Scalar::Text(b)) if ignore_case => a.to_lowercase() == b.to_lowercase(),
        (Some(found), operand) => found == *operand,
        (None, _) => false,
    }
}

fn includes(value: Option<&Value>, operand: &Scalar, ignore_case: bool) -> bool {
    match value {
        Some(Value::Array(elements)) => {
            elements.iter().any(|element| equals(Some(element), Some(operand), ignore_case))
        }
        _ => false,
    }
}

fn text_of(value: Option<&Value>) -> Option<std::borrow::Cow<'_, str>> {
    match value? {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn with_text(value: Option<&Value>, ignore_case: bool, part: &str, judge: impl Fn(&str, &str) -> bool) -> Option<bool> {
    let text = text_of(value)?;
    Some(if ignore_case { judge(&text.to_lowercase(), &part.to_lowercase()) } else { judge(&text, part) })
}

fn instant(value: Option<&Value>, zone: &Zone) -> Option<Timestamp> {
    match value? {
        Value::String(text) => Timestamp::parse_in(text, zone),
        _ => None,
    }
}

fn compare(
    value: Option<&Value>,
    when: &When,
    now: Timestamp,
    zone: &Zone,
    judge: impl Fn(Timestamp, Timestamp) -> bool,
) -> Answer {
    let Some(at) = instant(value, zone) else {
        return Answer::fixed(false);
    };
    match when {
        When::Written(text) => {
            let edge = Timestamp::parse_in(text, zone);
            Answer::fixed(edge.is_some_and(|edge| judge(at, edge)))
        }
        When::Now(shift) => {
            let holds = judge(at, now.plus(*shift));
            // The edge moves with now: the answer can differ when now + shift reaches at, and just after.
            let meets = at.minus(*shift);
            let check = [meets, meets.plus(Span(1))].into_iter().find(|turn| *turn > now);
            Answer { holds, check }
        }
    }
}

/// Month and day on one of the local calendar days from today to `days` later. 29 February counts as 1 March in a
/// common year. True from the start of the day so many days before it until the end of the day itself, every year.
fn anniversary(value: Option<&Value>, days: u32, now: Timestamp, zone: &Zone) -> Answer {
    let Some((month, day)) = value.and_then(|value| month_and_day(value, zone)) else {
        return Answer::fixed(false);
    };
    let year = zone.date(now).year();
    let mut answer = Answer::fixed(false);
    // A window of up to a year may begin in the year before the date; longer ones always hold one.
    let reach = i16::try_from(days / 365 + 1).unwrap_or(i16::MAX);
    for year in year.saturating_sub(1)..=year.saturating_add(reach.min(101)).saturating_add(1) {
        let Some(date) = domain::time::day_of_year(year, month, day) else { continue };
        let from = zone.start_of_day(domain::time::add_days(date, -i64::from(days)));
        let one = between(now, from, zone.start_of_day(domain::time::add_days(date, 1)));
        answer.holds |= one.holds;
        answer.check = earlier(answer.check, one.check);
    }
    answer
}

/// `MM-DD`, or the month and day of an instant or a date.
fn month_and_day(value: &Value, zone: &Zone) -> Option<(i8, i8)> {
    let Value::String(text) = value else { return None };
    if let Some((month, day)) = domain::time::month_and_day(text) {
        return Some((month, day));
    }
    let date = zone.date(Timestamp::parse_in(text, zone)?);
    Some((date.month(), date.day()))
}

/// True in [from, to), where both follow from the value.
fn within(
    value: Option<&Value>,
    zone: &Zone,
    now: Timestamp,
    edges: impl Fn(Timestamp) -> (Timestamp, Timestamp),
) -> Answer {
    match instant(value, zone) {
        None => Answer::fixed(false),
        Some(at) => {
            let (from, to) = edges(at);
            between(now, from, to)
        }
    }
}

fn between(now: Timestamp, from: Timestamp, to: Timestamp) -> Answer {
    Answer { holds: from <= now && now < to, check: [from, to].into_iter().find(|turn| *turn > now) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::shape::Fields;
    use serde_json::json;

    #[expect(clippy::needless_pass_by_value, reason = "the tests below write `json!(…)` where it is used")]
    fn ask(test: Value, value: Value, now: &str) -> bool {
        let mut map = test.as_object().unwrap().clone();
        map.insert("trait".into(), "x".into());
        let map = Value::Object(map);
        let fields = Fields::of(&map, "").unwrap();
        let test = domain::value::read_test(&fields).unwrap();
        let object = json!({ "x": value });
        let value = object.get("x").filter(|value| !value.is_null());
        CompiledTest::new(&test).ask(value, Timestamp::parse(now).unwrap(), &Zone::utc()).holds
    }

    const NOW: &str = "2026-03-02T12:00:00Z";

    #[test]
    fn a_missing_value_satisfies_only_what_says_not() {
        for missing in [Value::Null, json!("")] {
            for test in [
                json!({"is_not": 1}),
                json!({"not_in": [1]}),
                json!({"not_contains": "a"}),
                json!({"not_includes": 1}),
                json!({"exists": false}),
            ] {
                assert!(ask(test.clone(), missing.clone(), NOW), "{test}");
            }
            for test in [
                json!({"is": ""}),
                json!({"below": 5}),
                json!({"above": -5}),
                json!({"exists": true}),
                json!({"before": "now"}),
                json!({"is": null}),
            ] {
                assert!(!ask(test.clone(), missing.clone(), NOW), "{test}");
            }
        }
        // Text is no number: neither below nor above.
        assert!(!ask(json!({"below": 5}), json!("abc"), NOW));
        assert!(!ask(json!({"above": 5}), json!("abc"), NOW));
        assert!(ask(json!({"exists": true}), json!([]), NOW));
    }

    #[test]
    fn numbers_are_exact_and_text_that_is_a_number_is_that_number() {
        assert!(ask(json!({"is": 10}), json!("10.0"), NOW));
        assert!(ask(json!({"is": "10"}), json!(10), NOW));
        assert!(ask(json!({"at_least": 50}), json!(50.00), NOW));
        assert!(ask(json!({"is": 0.3}), json!("0.3"), NOW));
        assert!(!ask(json!({"is": 10}), json!("010"), NOW));
        assert!(!ask(json!({"is": 10}), json!("+10"), NOW));
        assert!(ask(json!({"is": true}), json!("true"), NOW));
        assert!(!ask(json!({"is": "TRUE"}), json!(true), NOW));
        assert!(ask(json!({"between": [1, 2]}), json!(2), NOW));
    }

    #[test]
    fn windows_of_instants_are_half_open() {
        assert!(ask(json!({"within_past": "1h"}), json!(NOW), NOW));
        assert!(!ask(json!({"within_past": "1h"}), json!("2026-03-02T11:00:00Z"), NOW));
        assert!(ask(json!({"within_next": "1h"}), json!("2026-03-02T13:00:00Z"), NOW));
        assert!(!ask(json!({"within_next": "1h"}), json!(NOW), NOW));
        assert!(!ask(json!({"before": "now"}), json!(NOW), NOW));
        assert!(ask(json!({"after": "now-1d"}), json!("2026-03-01T12:00:00.001Z"), NOW));
        assert!(ask(json!({"on_day": "tomorrow"}), json!("2026-03-03"), NOW));
        assert!(!ask(json!({"on_day": "today"}), json!("2026-03-03T00:00:00Z"), NOW));
        assert!(!ask(json!({"before": "now"}), json!(5), NOW), "numbers are no instants");
    }

    #[test]
    fn text_is_compared_code_point_by_code_point_unless_case_is_ignored() {
        assert!(!ask(json!({"is": "Oslo"}), json!("oslo"), NOW));
        assert!(ask(json!({"is": "Oslo", "ignore_case": true}), json!("OSLO"), NOW));
        assert!(ask(json!({"contains": "EA", "ignore_case": true}), json!("tea"), NOW));
        assert!(ask(json!({"matches": "^t.a$"}), json!("tea"), NOW));
        assert!(ask(json!({"includes": "tea"}), json!(["cup", "tea"]), NOW));
        assert!(!ask(json!({"includes": "tea"}), json!("tea"), NOW), "a scalar is no list");
        assert!(ask(json!({"not_includes": "tea"}), json!("tea"), NOW));
    }
}
