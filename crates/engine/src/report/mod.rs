//! What pages, commands and the API ask of the engine, as plain structs that serialise to the JSON of
//! `spec/cli.md`. Nothing here changes anything.
//!
//! What is on disk is read through a `&dyn Reader` that the caller brings, so that pages read on connections of
//! their own; what is live is read from the engine. Walks over all of history take a [`Snapshot`] first, so that
//! the writer does not wait for them.

mod answers;
pub mod attention;
pub mod campaigns;
pub mod catalogue;
pub mod customers;
pub mod door;
mod json;
pub mod ledger;
pub mod messages;
mod no_reader;
pub mod preview;
pub mod samples;
pub mod segments;
mod shared_reader;
pub mod snapshot;
pub mod steps;
pub mod tables;
pub mod tasks;
pub mod templates;
pub mod timeline;
pub mod variants;
pub mod vouchers;
mod warnings;
pub mod words;

pub use ledger::Ledger;
pub use snapshot::Snapshot;
pub use tables::{Tables, Wanted};
pub use warnings::warnings_of;

pub(crate) use no_reader::NoReader;
pub(crate) use shared_reader::SharedReader;

use crate::deliver::letter::full_name;
use crate::profile::identity::is_by_hand;
use crate::segment::as_of::Past;
use crate::state::Engine;
use domain::{Call, CustomerId, DefinitionKind, Name, Position, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Page, Reader, StoreError};
/// Most rows a store gives at a time.
const PAGE: u32 = 1_000;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nobody is known by this.
    #[error("nobody is called `{0}`")]
    NoCustomer(String),
    /// There is no such definition.
    #[error("there is no {kind} `{name}`")]
    NoDefinition {
        /// Which kind.
        kind: &'static str,
        /// Which name.
        name: String,
    },
    /// There is no such message.
    #[error("there is no message `{0}`")]
    NoMessage(String),
    /// Asked about an instant that has not come.
    #[error("{at} lies ahead of {now}; ask about the past or the present")]
    Ahead {
        /// The instant asked about.
        at: Timestamp,
        /// The present.
        now: Timestamp,
    },
    /// The data could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A customer as lists name them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Who {
    /// The person's name: the userId first seen, else the oldest anonymousId.
    pub customer: Arc<str>,
    /// The internal id, such as `c17`.
    #[serde(serialize_with = "json::id")]
    pub id: CustomerId,
    /// First and last name, where the traits have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The e-mail address, where the traits have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Who {
    /// What people say: the full name, else the person's name.
    pub fn title(&self) -> &str {
        self.full_name.as_deref().unwrap_or(&self.customer)
    }

    /// How they are reached or known, beside the title: the address, else the name.
    pub fn contact(&self) -> &str {
        match (&self.email, &self.full_name) {
            (Some(email), _) => email,
            (None, Some(_)) => &self.customer,
            (None, None) => "",
        }
    }
}

impl Engine {
    /// The person that a stored customer id means today, as lists name them.
    pub fn who(&self, id: CustomerId) -> Who {
        let person = self.person(id);
        let traits = self.customers.get(person).map(|customer| &customer.traits);
        let text = |key: &str| match traits.and_then(|traits| traits.get(key, self.clock)) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text.clone()),
            _ => None,
        };
        let mut names = Map::new();
        for key in ["name", "fullName", "full_name", "first_name", "firstName", "last_name", "lastName"] {
            if let Some(value) = text(key) {
                names.insert(key.to_owned(), value.into());
            }
        }
        Who { customer: self.people.name_of(person), id: person, full_name: full_name(&names), email: text("email") }
    }

    /// Finds a customer as commands name them: by userId, anonymousId or internal id, in this order.
    pub fn look_up(&self, name: &str) -> Result<CustomerId, ReportError> {
        self.people.look_up(name).ok_or_else(|| ReportError::NoCustomer(name.to_owned()))
    }

    /// Finds a customer as links name them: by internal id, and only then by name. Somebody may be called `c17`.
    pub fn look_up_id(&self, id: &str) -> Result<CustomerId, ReportError> {
        let node = id.parse::<CustomerId>().ok().filter(|id| self.people.is_somebody(*id));
        match node {
            Some(node) => Ok(self.person(node)),
            None => self.look_up(id),
        }
    }

    /// Every id under which facts about a person may be stored: those of all their names.
    pub fn ids_of_person(&self, person: CustomerId) -> Vec<CustomerId> {
        self.people.nodes_of(self.person(person).0).into_iter().map(CustomerId).collect()
    }

    /// The name to which a call at a position belongs; unlike the person it never changes.
    pub fn name_at(&self, call: &Call, at: Position) -> Option<CustomerId> {
        if is_by_hand(call) {
            return None;
        }
        self.people.node_at(call, at).map(CustomerId)
    }

    /// What tells this workspace from others, for those who keep notes about several. No secret.
    pub fn workspace_id(&self) -> String {
        format!("w_{}", &self.seen.id_of(&["workspace"])[..12])
    }

    /// What was seen in a sample of the calls.
    pub fn samples(&self) -> &samples::Samples {
        &self.samples
    }

    /// Counts of the names of events, properties and traits that were really seen.
    pub fn catalogue(&self) -> &catalogue::Catalogue {
        &self.catalogue
    }

    /// An instant to report about: the present where none is given; never one ahead.
    pub fn instant(&self, as_of: Option<Timestamp>) -> Result<Timestamp, ReportError> {
        match as_of {
            None => Ok(self.clock),
            Some(at) if at > self.clock => Err(ReportError::Ahead { at, now: self.clock }),
            Some(at) => Ok(at),
        }
    }

    fn past(&self, reader: &dyn Reader, person: CustomerId) -> Result<Vec<Past>, StoreError> {
        Ok(self.histories(reader, &[person])?.remove(&person).unwrap_or_default())
    }

    fn get_version(&self, kind: DefinitionKind, name: &str) -> Result<(Name, &store::DefinitionVersion), ReportError> {
        let missing = || ReportError::NoDefinition { kind: kind.word(), name: name.chars().take(100).collect() };
        let name = Name::parse(name).map_err(|_| missing())?;
        let version = self.version(kind, &name).ok_or_else(missing)?;
        Ok((name, version))
    }
}

/// Reads all pages of a list, at most `most` rows.
fn all_pages<T>(most: u64, read: impl Fn(Page) -> Result<Vec<T>, StoreError>) -> Result<Vec<T>, StoreError> {
    let mut rows = Vec::new();
    loop {
        let page = read(Page { skip: rows.len() as u64, limit: PAGE })?;
        let is_last = page.len() < PAGE as usize;
        rows.extend(page);
        if is_last || rows.len() as u64 >= most {
            rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            return Ok(rows);
        }
    }
}
