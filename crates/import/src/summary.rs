//! Counts what an import saw: lines of the files, the customers in them, the calls that came of them.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::fingerprint::Fingerprint;
use crate::{Call, Refused};

/// What an import saw. `accepted` and `duplicates` are the engine's to add.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Lines of the files, refused ones too; the header and blank lines are none.
    pub rows: u64,
    /// Distinct customers of the calls, as the files name them.
    pub customers: u64,
    /// Calls by the name of the event; `identify`, `record` and their like by the type.
    pub events_by_name: BTreeMap<String, u64>,
    /// Lines that were refused.
    pub refused: u64,
    /// Lines that were refused, by the words for why.
    pub refused_by_reason: BTreeMap<String, u64>,
    #[serde(skip)]
    seen: HashSet<Fingerprint>,
    #[serde(skip)]
    latest: String,
}

impl Summary {
    /// Counts a line that was read.
    pub fn add_row(&mut self) {
        self.rows += 1;
    }

    /// Counts a call. An `anonymousId` and a `userId` of the same text are two customers.
    pub fn add_call(&mut self, call: &Call) {
        // No look-up of a name that is there: this runs for every call.
        match self.events_by_name.get_mut(&call.name) {
            Some(count) => *count += 1,
            None => {
                self.events_by_name.insert(call.name.clone(), 1);
            }
        }
        let id_kind: &[u8] = if call.is_anonymous { b"anonymousId" } else { b"userId" };
        if call.is_anonymous || self.latest != call.customer {
            self.seen.insert(Fingerprint::of(&[id_kind, call.customer.as_bytes()]));
            self.customers = self.seen.len() as u64;
            if !call.is_anonymous {
                self.latest.clone_from(&call.customer);
            }
        }
    }

    /// Counts a refused line. The caller adds those whose call the engine refused: once for each of `Call::rows`.
    pub fn add_refused(&mut self, refused: &Refused) {
        self.refused += 1;
        *self.refused_by_reason.entry(refused.reason.as_str().to_owned()).or_default() += 1;
    }
}
