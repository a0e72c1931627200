//! Rules that mean what triggered: paths `event.…` and `record.…`, and the key of an instance.

use crate::profile::records::Record;
use crate::segment::test::Subject;
use domain::value::{Operator, Scalar};
use domain::{Path, Test, Tests, Timestamp};
use serde_json::Value;

/// What a path begins with that means what triggered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// `event.…`: the properties of the event.
    Event,
    /// `record.…`: the attributes of the record, and `record.id`.
    Record,
}

/// What triggered, and the key of the instance that is asked about.
#[derive(Clone, Copy, Default, Debug)]
pub struct Scope<'a> {
    /// The value of the key property.
    pub key: Option<&'a str>,
    /// Properties of the event.
    pub event: Option<&'a Value>,
    /// The record.
    pub record: Option<&'a Record>,
}

impl<'a> Scope<'a> {
    /// What tests on a source are asked of. Where nothing of the kind triggered, everything is missing.
    pub fn subject(&self, source: Source) -> Subject<'a> {
        match (source, self.event, self.record) {
            (Source::Event, Some(event), _) => Subject::Value(event),
            (Source::Record, _, Some(record)) => Subject::Record(record),
            _ => Subject::Value(&Value::Null),
        }
    }

    fn value(&self, written: &str, now: Timestamp) -> Option<&'a Value> {
        let (source, path) = meant(&Path::new(written))?;
        match (source, self.event, self.record) {
            (Source::Event, Some(event), _) => path.find(event),
            (Source::Record, _, Some(record)) => record.find(&path, now),
            _ => None,
        }
    }

    /// Tests with the values of what triggered in the place of their paths.
    pub fn filled_in(&self, tests: &Tests, now: Timestamp) -> Tests {
        let all = |inner: &[Tests]| inner.iter().map(|tests| self.filled_in(tests, now)).collect();
        match tests {
            Tests::All(inner) => Tests::All(all(inner)),
            Tests::Any(inner) => Tests::Any(all(inner)),
            Tests::None(inner) => Tests::None(all(inner)),
            Tests::At(path, test) => {
                let operator = match &test.operator {
                    Operator::Is(Some(operand)) => Operator::Is(self.operand(operand, now)),
                    Operator::IsNot(Some(operand)) => Operator::IsNot(self.operand(operand, now)),
                    Operator::In(operands) => {
                        Operator::In(operands.iter().filter_map(|operand| self.operand(operand, now)).collect())
                    }
                    other => other.clone(),
                };
                Tests::At(path.clone(), Test { operator, ..test.clone() })
            }
            Tests::Elements(path, quantifier, inner) => {
                Tests::Elements(path.clone(), *quantifier, Box::new(self.filled_in(inner, now)))
            }
        }
    }

    fn operand(&self, operand: &Scalar, now: Timestamp) -> Option<Scalar> {
        match operand {
            Scalar::Text(text) if meant(&Path::new(text)).is_some() => self.value(text, now).and_then(Scalar::of),
            other => Some(other.clone()),
        }
    }
}

/// The source and the path within it, where a path means what triggered.
fn meant(path: &Path) -> Option<(Source, Path)> {
    let (source, prefix) = match path.first()? {
        "event" => (Source::Event, "event"),
        "record" => (Source::Record, "record"),
        _ => return None,
    };
    if path.rest().is_empty() {
        return None;
    }
    let path = path.without_prefix(prefix);
    // `event.properties.total` is `event.total`.
    Some((source, if source == Source::Event { path.without_prefix("properties") } else { path }))
}

/// Whether a value in tests means what triggered, such as `shipment_id: { is: record.id }`.
pub(super) fn is_meant(tests: &Tests) -> bool {
    let mut found = false;
    tests.walk(&mut |_, test| {
        let is = |operand: &Scalar| matches!(operand, Scalar::Text(text) if meant(&Path::new(text)).is_some());
        found |= match &test.operator {
            Operator::Is(Some(operand)) | Operator::IsNot(Some(operand)) => is(operand),
            Operator::In(operands) => operands.iter().any(is),
            _ => false,
        };
    });
    found
}

/// Tests written as on a trait whose path means what triggered.
pub(super) fn of_trait(tests: &Tests) -> Option<(Source, Tests)> {
    match tests {
        Tests::At(path, test) => {
            let (source, path) = meant(path)?;
            Some((source, Tests::At(path, test.clone())))
        }
        Tests::Elements(path, quantifier, inner) => {
            let (source, path) = meant(path)?;
            Some((source, Tests::Elements(path, *quantifier, inner.clone())))
        }
        _ => None,
    }
}

/// The value of a key property as text; none where the event does not bear it.
pub fn key_of(path: &Path, body: &Value) -> Option<String> {
    match path.without_prefix("properties").find(body)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Whether an event bears the key property with another value.
pub(super) fn has_other_key(path: &Path, body: &Value, key: &str) -> bool {
    key_of(path, body).is_some_and(|found| found != key)
}
