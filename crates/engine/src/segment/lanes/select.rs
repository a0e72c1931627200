//! What a stream asks of an event's properties, answered once for each different value of a property.
//!
//! The tests themselves are those of the one evaluator (`segment/test.rs`): here they are asked of an object that
//! holds one value alone, and only `all`, `any` and `none` are put together for each event.

use super::chunk::{Chunk, Column, Lane};
use super::packed::Packed;
use crate::segment::feature::{Keeps, Kept};
use crate::segment::plan::StreamSpec;
use crate::segment::test::CompiledTests;
use domain::{Timestamp, Zone};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;
use store::StoreError;

/// Why lanes do not answer.
#[derive(Debug)]
pub(super) enum Without {
    /// They do not keep what is asked about: history answers.
    NotKept,
    /// They could not be read.
    Store(StoreError),
}

impl From<StoreError> for Without {
    fn from(error: StoreError) -> Self {
        Without::Store(error)
    }
}

/// Which rows of a lane pass.
pub(super) enum Select {
    Fixed(bool),
    All(Vec<Select>),
    Any(Vec<Select>),
    None(Vec<Select>),
    /// The answer for each value, and for a missing one at 0.
    Leaf(Arc<Packed>, Vec<bool>),
}

impl Select {
    /// Whether a row passes.
    #[inline]
    pub(super) fn passes(&self, row: usize) -> bool {
        match self {
            Select::Fixed(passes) => *passes,
            Select::Leaf(places, answers) => answer(answers, places.get(row)),
            Select::All(inner) => inner.iter().all(|inner| inner.passes(row)),
            Select::Any(inner) => inner.iter().any(|inner| inner.passes(row)),
            Select::None(inner) => !inner.iter().any(|inner| inner.passes(row)),
        }
    }
}

#[inline]
fn answer(answers: &[bool], place: u64) -> bool {
    usize::try_from(place).ok().and_then(|place| answers.get(place)).copied().unwrap_or(false)
}

/// What is kept of the rows of a lane.
pub(super) enum Values {
    /// Nothing.
    Nothing,
    /// By the value of a property: where it stands among the stream's values.
    By(Arc<Packed>, usize),
    /// Whether they pass: the first of the stream's values if not, else the second.
    Passed(Select),
}

/// The columns of one lane that were read, each once.
pub(super) struct Columns<'a> {
    chunk: &'a Chunk,
    lane: &'a Lane,
    read: HashMap<String, Option<Property>>,
}

/// A property that was read: the number of its value by row, and objects that hold each value alone, beginning with none.
type Property = (Arc<Packed>, Arc<[Value]>);

impl<'a> Columns<'a> {
    pub(super) fn new(chunk: &'a Chunk, lane: &'a Lane) -> Columns<'a> {
        Columns { chunk, lane, read: HashMap::new() }
    }

    /// A property, if any of the events has it.
    fn get(&mut self, key: &str) -> Result<Option<Property>, Without> {
        if let Some(read) = self.read.get(key) {
            return Ok(read.clone());
        }
        let found: Option<&Column> = self.lane.columns.iter().find(|column| column.key == key);
        let read = match found {
            Some(column) if column.is_cut => return Err(Without::NotKept),
            None if self.lane.is_cut => return Err(Without::NotKept),
            None => None,
            Some(column) => {
                let alone = |value| Value::Object(Map::from_iter([(key.to_owned(), value)]));
                let values = self.chunk.values(column)?.into_iter().map(alone);
                let objects = std::iter::once(Value::Object(Map::new())).chain(values).collect();
                Some((Arc::new(self.chunk.numbers(&column.places)?), objects))
            }
        };
        self.read.insert(key.to_owned(), read.clone());
        Ok(read)
    }

    /// Which rows pass some tests, that do not depend on now or zone.
    pub(super) fn select(&mut self, tests: &CompiledTests) -> Result<Select, Without> {
        let mut each = |inner: &[CompiledTests]| {
            inner.iter().map(|tests| self.select(tests)).collect::<Result<Vec<Select>, Without>>()
        };
        Ok(match tests {
            CompiledTests::All(inner) => {
                let inner = each(inner)?;
                // Most filters leave nothing of most chunks.
                if inner.iter().any(|one| matches!(one, Select::Fixed(false))) {
                    return Ok(Select::Fixed(false));
                }
                Select::All(inner)
            }
            CompiledTests::Any(inner) => Select::Any(each(inner)?),
            CompiledTests::None(inner) => Select::None(each(inner)?),
            CompiledTests::At(path, _) | CompiledTests::Elements(path, ..) => {
                let ask = |object: &Value| tests.ask(object, Timestamp(0), &Zone::utc()).holds;
                match path.first().map(|key| self.get(key)).transpose()?.flatten() {
                    None => Select::Fixed(ask(&Value::Object(Map::new()))),
                    Some((places, objects)) => {
                        let answers: Vec<bool> = objects.iter().map(ask).collect();
                        match answers.iter().all(|answer| !answer) {
                            true => Select::Fixed(false),
                            false => Select::Leaf(places, answers),
                        }
                    }
                }
            }
        })
    }

    /// What a stream keeps of the rows; its different values are added to `all`.
    pub(super) fn values(&mut self, spec: &StreamSpec, all: &mut Vec<Kept>) -> Result<Values, Without> {
        let path = match &spec.keeps {
            Keeps::Nothing => return Ok(Values::Nothing),
            Keeps::Passes(tests) => {
                if all.is_empty() {
                    all.extend([Kept::Passed(false), Kept::Passed(true)]);
                }
                return Ok(Values::Passed(self.select(tests)?));
            }
            Keeps::Number(path) | Keeps::Scalar(path) => path,
        };
        let kept = |object: &Value| spec.value_at(object, Timestamp(0), &Zone::utc()).0;
        let begins = all.len();
        match path.first().map(|key| self.get(key)).transpose()?.flatten() {
            Some((places, objects)) => {
                all.extend(objects.iter().map(kept));
                Ok(Values::By(places, begins))
            }
            None => {
                all.push(kept(&Value::Object(Map::new())));
                Ok(Values::By(Arc::new(Packed::new(Vec::new(), 0)), begins))
            }
        }
    }
}
