//! Taking a person out of everything that is kept: told by the engine, carried out by a store in one step.

use crate::{Commit, JournalRow, MailReport, Refused};
use domain::{Call, CustomerId, Position, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What a store takes out, and what it keeps of it.
#[derive(Clone, Debug, Default)]
pub struct Erasure {
    /// The ids under which facts of the person may be filed: one for each of their names.
    pub customers: BTreeSet<CustomerId>,
    /// Ids of others that were one person with them, each with the last instant of that: what was written down under
    /// these until then may speak of both, and is emptied too.
    pub parted: BTreeMap<CustomerId, Timestamp>,
    /// Their names. Calls that name nobody of these stay as they are.
    pub names: HashSet<Arc<str>>,
    /// Their addresses, in lower case. Refused calls that hold one, or one of the names, are forgotten.
    pub addresses: BTreeSet<String>,
    /// Every name that was ever erased, these included: takes the place of the list there was.
    pub erased: Vec<ErasedName>,
    /// What ends with it: journeys, messages on their way, memberships. Without calls.
    pub commit: Commit,
}

/// What becomes of a call that names somebody who is erased; none: it stays as it is.
pub type Rewrite<'a> = &'a dyn Fn(Position, &Call) -> Option<Call>;

/// A name that was erased. Its number is never given again; in calls a token stands in its place, so that the numbers of
/// others stay theirs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErasedName {
    /// The number of the name, from 1.
    pub number: u32,
    /// When it was erased.
    pub at: Timestamp,
    /// Where another person bears the same name, as with a device that two people used: the name, and the position from
    /// which it stood for the one who is erased. None for names that are nobody's any more.
    pub shared: Option<(Arc<str>, Position)>,
}

/// What an erasure changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// Calls that were emptied, or of which a name was taken.
    pub calls: u64,
    /// Messages whose words and address were deleted.
    pub letters: u64,
    /// Refused calls that were forgotten.
    pub refused: u64,
    /// Whether the old bytes are gone from the files of the store as well. If not, because somebody was reading
    /// them, it is made up for: at the latest when the store is opened again.
    pub is_scrubbed: bool,
}

impl Erasure {
    /// Whether what was written down under an id at an instant may speak of the person.
    pub fn speaks_of(&self, customer: CustomerId, at: Timestamp) -> bool {
        self.customers.contains(&customer) || self.parted.get(&customer).is_some_and(|until| at <= *until)
    }

    /// Whether a call may have to change.
    pub fn may_concern(&self, call: &Call) -> bool {
        let mut names = [&call.user_id, &call.anonymous_id, &call.other_id].into_iter().flatten();
        names.any(|name| self.names.contains(name))
    }

    /// The calls of a row as they are to be kept, and how many of them change; none if none does.
    pub fn rewrite_row(&self, row: &JournalRow, rewrite: Rewrite<'_>) -> Option<(Vec<Arc<Call>>, u64)> {
        let mut changed = 0;
        let positions = (row.first.0..).map(Position);
        let calls = positions.zip(&row.calls).map(|(position, call)| match self.rewrite(position, call, rewrite) {
            Some(rewritten) => {
                changed += 1;
                rewritten
            }
            None => call.clone(),
        });
        let calls: Vec<Arc<Call>> = calls.collect();
        (changed > 0).then_some((calls, changed))
    }

    /// What becomes of one call; none: it stays as it is.
    pub fn rewrite(&self, position: Position, call: &Call, rewrite: Rewrite<'_>) -> Option<Arc<Call>> {
        if self.may_concern(call) { rewrite(position, call).map(Arc::new) } else { None }
    }

    /// Whether a refused call holds one of the names or addresses. One that cannot be read as JSON is searched as text,
    /// and rather forgotten once too often.
    pub fn is_about(&self, refused: &Refused) -> bool {
        let words = refused.message.to_lowercase();
        let is_in_words = self.addresses.iter().any(|address| words.contains(address))
            || self.names.iter().any(|name| refused.message.contains(&format!("`{name}`")));
        is_in_words
            || match serde_json::from_str::<Value>(&refused.raw) {
                Ok(value) => self.is_in(&value),
                Err(_) => {
                    let text = refused.raw.to_lowercase();
                    self.addresses.iter().any(|address| text.contains(address))
                        || self.names.iter().any(|name| stands_in(&refused.raw, name))
                }
            }
    }

    /// Whether a report about a mail is about a message to the person, or speaks of one of their addresses.
    pub fn is_about_report(&self, report: &MailReport) -> bool {
        let told = [report.address.as_deref(), Some(&report.words), Some(&report.raw)];
        let speaks = |text: &str| {
            let text = text.to_lowercase();
            self.addresses.iter().any(|address| text.contains(address))
        };
        report.customer.is_some_and(|customer| self.speaks_of(customer, report.at))
            || told.into_iter().flatten().any(speaks)
    }

    fn is_in(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let lower = text.to_lowercase();
                self.names.contains(text.as_str()) || self.addresses.iter().any(|address| lower.contains(address))
            }
            Value::Number(number) => self.names.contains(number.to_string().as_str()),
            Value::Array(values) => values.iter().any(|value| self.is_in(value)),
            Value::Object(fields) => fields.values().any(|value| self.is_in(value)),
            Value::Null | Value::Bool(_) => false,
        }
    }
}

/// Whether a name stands in a text as a word of its own.
fn stands_in(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, found)| {
        let (before, after) = (&text[..at], &text[at + found.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Trust;

    #[test]
    fn a_refused_call_is_forgotten_if_it_names_them_however_broken_it_is() {
        let erasure = Erasure {
            names: HashSet::from(["u3".into(), "17".into()]),
            addresses: BTreeSet::from(["ana@example.com".to_owned()]),
            ..Erasure::default()
        };
        let is_about = |raw: &str, message: &str| {
            erasure.is_about(&Refused {
                id: 1,
                at: Timestamp(0),
                source: "shop".to_owned(),
                trust: Trust::Server,
                reason: "bad_json".to_owned(),
                message: message.to_owned(),
                raw: raw.to_owned(),
            })
        };
        assert!(is_about(r#"{"batch":[{"userId":"u3"}]}"#, ""));
        assert!(is_about(r#"{"userId":17}"#, ""));
        assert!(is_about(r#"{"traits":{"email":"Ana@Example.com "}}"#, ""));
        assert!(is_about(r#"{"userId":"u3","#, ""), "cut off");
        assert!(is_about("{}", "`u3` is no customer"));
        assert!(!is_about(r#"{"userId":"u33","total":170}"#, "`u33` is no customer"));
        assert!(!is_about(r#"{"userId":"u33","#, ""), "cut off, and somebody else");
    }
}
