//! Walks a parsed YAML document strictly: an unknown key is an error that names the key, its path and the nearest
//! known word. What the keys mean is in `mapping`.

use serde_json::Value as Json;

/// Why a mapping cannot be used. Every variant names the file and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The file is no well-formed YAML, or says one key twice.
    #[error("{origin}: not a YAML document that can be read: {message}")]
    Yaml {
        /// The file, as the caller named it.
        origin: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// A key that the format does not have, or not here.
    #[error("{origin}: unknown key `{key}` {path}; {hint}")]
    UnknownKey {
        /// The file, as the caller named it.
        origin: String,
        /// The key that is not known.
        key: String,
        /// Where it stands, in words: ``in `events[0]` ``.
        path: String,
        /// The nearest known word, the right place, or all that is known here.
        hint: String,
    },
    /// A key that has to be there is not.
    #[error("{origin}: `{key}` is missing {path}; {hint}")]
    MissingKey {
        /// The file, as the caller named it.
        origin: String,
        /// The key that is missing.
        key: String,
        /// Where it should stand.
        path: String,
        /// What to write.
        hint: String,
    },
    /// A value that does not fit its key.
    #[error("{origin}: {path}: {message}")]
    WrongValue {
        /// The file, as the caller named it.
        origin: String,
        /// Where the value stands: `events[0].properties.revenue`.
        path: String,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// One place in the document.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    origin: &'a str,
    path: String,
    pub(crate) value: &'a Json,
}

/// A map whose keys are all known.
pub(crate) struct Keys<'a> {
    node: Node<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn root(origin: &'a str, value: &'a Json) -> Node<'a> {
        Node { origin, path: String::new(), value }
    }

    /// Checks that this is a map with no other than the `known` keys. `elsewhere` lists (key, place) for the hint.
    pub(crate) fn keys(&self, known: &[&str], elsewhere: &[(&str, &str)]) -> Result<Keys<'a>, MappingError> {
        for (key, _) in self.entries()? {
            if !known.contains(&key) {
                return Err(MappingError::UnknownKey {
                    origin: self.origin.to_owned(),
                    key: key.to_owned(),
                    path: self.place(),
                    hint: hint(key, known, elsewhere),
                });
            }
        }
        Ok(Keys { node: self.clone() })
    }

    /// The entries of a map with keys of the user's choice.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, MappingError> {
        let Json::Object(map) = self.value else {
            return Err(self.wrong(format!("is {}; a map of `key: value` belongs here", kind_of(self.value))));
        };
        let child = |key: &str| {
            let dot = if self.path.is_empty() { "" } else { "." };
            format!("{}{dot}{key}", self.path)
        };
        Ok(map.iter().map(|(key, value)| (key.as_str(), self.at(child(key), value))).collect())
    }

    /// The items of a list; a single map or word counts as a list of one.
    pub(crate) fn items(&self) -> Result<Vec<Node<'a>>, MappingError> {
        match self.value {
            Json::Array(items) if items.is_empty() => Err(self.wrong("is an empty list; leave the key out instead")),
            Json::Array(items) => {
                let item = |(i, value)| self.at(format!("{}[{i}]", self.path), value);
                Ok(items.iter().enumerate().map(item).collect())
            }
            Json::Null => Err(self.wrong("is empty")),
            _ => Ok(vec![self.clone()]),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, MappingError> {
        match self.value {
            Json::String(text) if text.is_empty() => Err(self.wrong("is empty")),
            Json::String(text) => Ok(text),
            // 1.10 would silently become 1.1.
            Json::Number(_) | Json::Bool(_) => Err(self.wrong("is no text; write it in quotes")),
            other => Err(self.wrong(format!("is {}; a text belongs here", kind_of(other)))),
        }
    }

    pub(crate) fn yes_or_no(&self) -> Result<bool, MappingError> {
        self.value.as_bool().ok_or_else(|| self.wrong("is neither true nor false"))
    }

    /// One of a few fixed words.
    pub(crate) fn word<T: Clone>(&self, words: &[(&str, T)]) -> Result<T, MappingError> {
        let text = self.text()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(meaning.clone());
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Err(self.wrong(format!("`{text}` is not known; {}", hint(text, &known, &[]))))
    }

    pub(crate) fn wrong(&self, message: impl Into<String>) -> MappingError {
        let path = if self.path.is_empty() { "at the top".to_owned() } else { format!("`{}`", self.path) };
        MappingError::WrongValue { origin: self.origin.to_owned(), path, message: message.into() }
    }

    pub(crate) fn missing(&self, key: &str, hint: &str) -> MappingError {
        MappingError::MissingKey {
            origin: self.origin.to_owned(),
            key: key.to_owned(),
            path: self.place(),
            hint: hint.to_owned(),
        }
    }

    fn at(&self, path: String, value: &'a Json) -> Node<'a> {
        Node { origin: self.origin, path, value }
    }

    fn place(&self) -> String {
        if self.path.is_empty() { "at the top".to_owned() } else { format!("in `{}`", self.path) }
    }
}

impl<'a> Keys<'a> {
    /// The place under `key`, if the key is there.
    pub(crate) fn find(&self, key: &str) -> Option<Node<'a>> {
        let value = self.node.value.get(key)?;
        let dot = if self.node.path.is_empty() { "" } else { "." };
        Some(self.node.at(format!("{}{dot}{key}", self.node.path), value))
    }

    /// The place under a key that has to be there; `hint` says what to write.
    pub(crate) fn get(&self, key: &str, hint: &str) -> Result<Node<'a>, MappingError> {
        self.find(key).ok_or_else(|| self.node.missing(key, hint))
    }

    pub(crate) fn node(&self) -> &Node<'a> {
        &self.node
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "empty",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

fn hint(word: &str, known: &[&str], elsewhere: &[(&str, &str)]) -> String {
    if let Some((_, place)) = elsewhere.iter().find(|(key, _)| *key == word) {
        return format!("it belongs {place}");
    }
    match nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known word that is nearest, if any is near enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer words are no slips of ours; the bound keeps the comparison quick on hostile keys.
    if word.chars().count() > 64 {
        return None;
    }
    let most_slips = (word.chars().count() / 3).max(1);
    let slips = |candidate: &str| distance(&word.to_lowercase(), &candidate.to_lowercase());
    known
        .iter()
        .copied()
        .map(|candidate| (slips(candidate), candidate))
        .filter(|(slips, _)| *slips <= most_slips)
        .min()
        .map(|(_, near)| near)
}

/// Levenshtein's distance: letters added, removed or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut current = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = previous[j] + usize::from(from != *to);
            current.push(replaced.min(previous[j + 1] + 1).min(current[j] + 1));
        }
        previous = current;
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_the_word_that_was_meant() {
        assert_eq!(nearest("propertys", &["products", "properties"]), Some("properties"));
        assert_eq!(nearest("CustomerId", &["CustomerID", "Country"]), Some("CustomerID"));
        assert_eq!(nearest("zebra", &["products", "properties"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), &["products"]), None);
    }
}
