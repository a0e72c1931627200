//! Reads definitions strictly: every error names the path, the key and the nearest known word.

use crate::id::Name;
use crate::time::Span;
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::fmt;

/// What is wrong with a definition, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ShapeError {
    /// Such as `where.all[1].within`; empty for the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// What stands before the nearest known word in a message, and after it.
const NEAREST: (&str, &str) = ("; did you mean `", "`?");

impl ShapeError {
    /// The nearest known word, where the message names one.
    pub fn nearest(&self) -> Option<&str> {
        let (_, rest) = self.message.rsplit_once(NEAREST.0)?;
        rest.split_once(NEAREST.1).map(|(word, _)| word)
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "at `{}`: {}", self.path, self.message)
        }
    }
}

/// Most characters of a message: it may quote what was written, and that may be anything.
const MESSAGE_LIMIT: usize = 600;

/// A refusal at a path.
pub fn refuse<T>(path: &str, message: impl Into<String>) -> Result<T, ShapeError> {
    Err(ShapeError { path: path.to_owned(), message: shorten(message.into()) })
}

/// Leaves out the middle of a message that quotes too much: what is wrong and what to do stand at its ends.
fn shorten(message: String) -> String {
    let length = message.chars().count();
    if length <= MESSAGE_LIMIT {
        return message;
    }
    let start: String = message.chars().take(200).collect();
    let end: String = message.chars().skip(length - 300).collect();
    format!("{start} … {end}")
}

/// Largest number of values in one list of a definition.
pub const LIST_LIMIT: usize = 1_000;

/// The fields of one map. Every field asked for is known; `finish` refuses the others.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The fields of a value that must be a map.
    pub fn of(value: &'a Value, path: &str) -> Result<Fields<'a>, ShapeError> {
        match value {
            Value::Object(map) => Ok(Fields { map, path: path.to_owned(), known: RefCell::new(Vec::new()) }),
            other => refuse(path, format!("expected a map, found {}", kind_of(other))),
        }
    }

    /// The path of a field.
    pub fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The path of the map.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The keys that are there.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.map.keys().map(String::as_str)
    }

    /// The value of a known key; null counts as absent.
    pub fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The value of a key, null included.
    pub fn get_raw(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(key);
        self.map.get(key)
    }

    /// The value of a key that must be there.
    pub fn require(&self, key: &'static str) -> Result<&'a Value, ShapeError> {
        match self.get(key) {
            Some(value) => Ok(value),
            None => refuse(&self.path, format!("`{key}` is missing")),
        }
    }

    /// A text, where there is one.
    pub fn text(&self, key: &'static str) -> Result<Option<&'a str>, ShapeError> {
        self.get(key).map(|value| text(value, &self.at(key))).transpose()
    }

    /// A text that must be there.
    pub fn require_text(&self, key: &'static str) -> Result<&'a str, ShapeError> {
        text(self.require(key)?, &self.at(key))
    }

    /// A definition's name that must be there.
    pub fn require_name(&self, key: &'static str) -> Result<Name, ShapeError> {
        name(self.require(key)?, &self.at(key))
    }

    /// A truth value, where there is one.
    pub fn flag(&self, key: &'static str) -> Result<Option<bool>, ShapeError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => refuse(&self.at(key), format!("expected true or false, found {}", kind_of(other))),
        }
    }

    /// A duration, where there is one.
    pub fn span(&self, key: &'static str) -> Result<Option<Span>, ShapeError> {
        self.get(key).map(|value| span(value, &self.at(key))).transpose()
    }

    /// A whole number from 0, where there is one.
    pub fn count(&self, key: &'static str) -> Result<Option<u32>, ShapeError> {
        self.get(key).map(|value| count(value, &self.at(key))).transpose()
    }

    /// Refuses every key that was never asked for.
    pub fn finish(self) -> Result<(), ShapeError> {
        let known = self.known.borrow();
        for key in self.map.keys() {
            if !known.contains(&key.as_str()) {
                return refuse(&self.path, unknown("key", key, known.iter().copied()));
            }
        }
        Ok(())
    }
}

/// `path.key`, or the key alone at the top.
pub fn join(path: &str, key: &str) -> String {
    let key: String = key.chars().take(80).collect();
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// What a value is, for people.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// A text.
pub fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, ShapeError> {
    match value {
        Value::String(text) => Ok(text),
        other => refuse(path, format!("expected text, found {}", kind_of(other))),
    }
}

/// A definition's name.
pub fn name(value: &Value, path: &str) -> Result<Name, ShapeError> {
    let text = text(value, path)?;
    Name::parse(text).or_else(|message| refuse(path, message))
}

/// A duration.
pub fn span(value: &Value, path: &str) -> Result<Span, ShapeError> {
    let text = text(value, path)?;
    Span::parse(text).or_else(|message| refuse(path, message))
}

/// A whole number from 0.
pub fn count(value: &Value, path: &str) -> Result<u32, ShapeError> {
    match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => refuse(path, format!("expected a whole number from 0, found {}", kind_of(value))),
    }
}

/// A list of at least one and at most 1,000 values.
pub fn list<'a>(value: &'a Value, path: &str) -> Result<&'a [Value], ShapeError> {
    match value {
        Value::Array(items) if items.is_empty() => refuse(path, "the list is empty"),
        Value::Array(items) if items.len() > LIST_LIMIT => {
            refuse(path, format!("the list has {} values, more than {LIST_LIMIT}", items.len()))
        }
        Value::Array(items) => Ok(items),
        other => refuse(path, format!("expected a list, found {}", kind_of(other))),
    }
}

/// `unknown key `x`; did you mean `y`?`
pub fn unknown<'a>(what: &str, word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let shown: String = word.chars().take(80).collect();
    match nearest(word, known) {
        Some(near) => format!("unknown {what} `{shown}`{}{near}{}", NEAREST.0, NEAREST.1),
        None => format!("unknown {what} `{shown}`"),
    }
}

/// The known word with the fewest edits, however far: the reader sees what is near.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(80).collect();
    known.min_by_key(|candidate| edits(&word, &candidate.chars().collect::<Vec<_>>()))
}

/// Levenshtein distance, O(a · b); words here are at most 80 characters.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
