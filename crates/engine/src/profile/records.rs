//! What a customer has: passes, subscriptions, shipments. A record belongs to the workspace and may be shared: each
//! customer who ever named it keeps its state, and a call about it reaches all of them.

use crate::profile::customer::{Horizons, Order, Proof, Since, Traits};
use domain::{Call, CallKind, Path, Timestamp};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Horizons of the attributes of each kind of record.
pub type KindHorizons = HashMap<String, Horizons>;

/// Whether a record call came from the customer whose state takes it, or from another one who shares the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The customer's own: they have the record from its time on, or their share ends.
    Self_,
    /// Another's: attributes and the end of the record count, having it does not.
    Sharer,
}

/// One record as one of its customers sees it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Record {
    /// Such as `pass`.
    pub kind: Arc<str>,
    /// The recordId.
    pub id: Arc<str>,
    /// The recordId as the value of the path `id`.
    #[serde(with = "crate::snapshot::as_json")]
    id_value: Value,
    /// The customer's own calls, in order: true has it, false their share ended. Of the past the latest of each.
    shares: Vec<(Order, bool)>,
    /// Ends for all, in order. Of the past the latest.
    ends: Vec<Order>,
    attributes: Traits,
}

/// The records that a customer has, had or will have, sorted by kind and id.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct Records {
    held: Vec<Record>,
}

impl Records {
    /// Takes a record call into account. O(records of the customer's + attributes of the call).
    pub fn apply(&mut self, call: &Call, order: Order, by: By, held: &KindHorizons, now: Timestamp) {
        let Some(part) = call.record.as_ref().filter(|_| call.kind == CallKind::Record) else {
            return;
        };
        let at = match self.place(&part.kind, &part.id) {
            Ok(at) => at,
            Err(at) => {
                self.held.insert(at, Record::new(part.kind.clone(), part.id.clone()));
                at
            }
        };
        let record = &mut self.held[at];
        if part.deleted {
            record.end(order, now);
            return;
        }
        if by == By::Self_ {
            record.share(order, !part.left, now);
        }
        if let Value::Object(attributes) = call.body_value() {
            let none = Horizons::new();
            let horizons = held.get(part.kind.as_ref()).unwrap_or(&none);
            record.attributes.merge(&attributes, order, now, horizons, &|_| Proof::Proven);
        }
    }

    fn place(&self, kind: &str, id: &str) -> Result<usize, usize> {
        self.held.binary_search_by(|record| (record.kind.as_ref(), record.id.as_ref()).cmp(&(kind, id)))
    }

    /// Whether the record is kept here.
    pub fn knows(&self, kind: &str, id: &str) -> bool {
        self.place(kind, id).is_ok()
    }

    /// Takes over what another sharer's state knows of a record that this customer now names for the first time.
    pub fn learn(&mut self, other: &Records, kind: &str, id: &str) {
        if let (Err(at), Ok(there)) = (self.place(kind, id), other.place(kind, id)) {
            self.held.insert(at, Record { shares: Vec::new(), ..other.held[there].clone() });
        }
    }

    /// Takes over the records of somebody who turned out to be the same person. Both saw every call about a record
    /// that both know, so that only who had it when differs.
    pub fn absorb(&mut self, other: Records) {
        for record in other.held {
            match self.place(&record.kind, &record.id) {
                Ok(at) => {
                    let shares = &mut self.held[at].shares;
                    shares.extend(record.shares);
                    shares.sort_unstable();
                }
                Err(at) => self.held.insert(at, record),
            }
        }
    }

    /// A record that is kept here, whether the customer has it or not.
    pub fn find(&self, kind: &str, id: &str) -> Option<&Record> {
        self.place(kind, id).ok().and_then(|at| self.held.get(at))
    }

    /// The customer's records of a kind at an instant.
    pub fn of_kind<'a>(&'a self, kind: &str, now: Timestamp) -> impl Iterator<Item = &'a Record> {
        self.known_of_kind(kind).filter(move |record| record.is_had(now))
    }

    /// Records of a kind that the customer has, had or will have.
    pub fn known_of_kind(&self, kind: &str) -> impl Iterator<Item = &Record> {
        let start = self.held.partition_point(|record| record.kind.as_ref() < kind);
        let end = self.held.partition_point(|record| record.kind.as_ref() <= kind);
        self.held[start..end].iter()
    }

    /// Everything the customer has at an instant, by kind and id.
    pub fn all(&self, now: Timestamp) -> impl Iterator<Item = &Record> {
        self.held.iter().filter(move |record| record.is_had(now))
    }

    /// When a record of a kind changes next by a call dated ahead.
    pub fn next_change(&self, kind: &str, now: Timestamp) -> Option<Timestamp> {
        self.known_of_kind(kind).filter_map(|record| record.next_change(now)).min()
    }
}

impl Record {
    fn new(kind: Arc<str>, id: Arc<str>) -> Record {
        let id_value = Value::String(id.to_string());
        Record { kind, id, id_value, shares: Vec::new(), ends: Vec::new(), attributes: Traits::default() }
    }

    fn end(&mut self, order: Order, now: Timestamp) {
        let place = self.ends.partition_point(|other| *other <= order);
        self.ends.insert(place, order);
        let past = self.ends.partition_point(|end| end.0 <= now);
        self.ends.drain(..past.saturating_sub(1));
    }

    fn share(&mut self, order: Order, has: bool, now: Timestamp) {
        let place = self.shares.partition_point(|(other, _)| *other <= order);
        self.shares.insert(place, (order, has));
        // Of a row of calls that say the same, the first tells since when and the last outlives a late end between.
        let past = self.shares.partition_point(|(order, _)| order.0 <= now);
        if past >= 3 && self.shares[past - 3..past].iter().all(|(_, has)| *has) {
            self.shares.remove(past - 2);
        }
    }

    /// The latest end at or before an instant: nothing from before it counts.
    fn ended(&self, now: Timestamp) -> Option<Order> {
        self.ends.iter().rfind(|end| end.0 <= now).copied()
    }

    /// Whether the customer has it at an instant.
    pub fn is_had(&self, now: Timestamp) -> bool {
        self.had_since(now).is_some()
    }

    /// Since when the customer has had it without a break, if they have it.
    pub fn had_since(&self, now: Timestamp) -> Option<Timestamp> {
        let ended = self.ended(now);
        let mut since = None;
        for (order, has) in self.shares.iter().filter(|(order, _)| order.0 <= now && Some(*order) > ended) {
            since = if *has { since.or(Some(order.0)) } else { None };
        }
        since
    }

    /// The value that a path leads to; `id` is the recordId.
    pub fn find(&self, path: &Path, now: Timestamp) -> Option<&Value> {
        let key = path.first()?;
        if key == "id" {
            return path.rest().is_empty().then_some(&self.id_value);
        }
        let value = self.attributes.get_after(key, now, self.ended(now))?;
        domain::value::find_keys(value, path.rest())
    }

    /// Since when the value at a path has satisfied `is_it` in an unbroken run up to now.
    pub fn held_since(&self, path: &Path, now: Timestamp, is_it: &dyn Fn(Option<&Value>) -> bool) -> Option<Timestamp> {
        if path.first() == Some("id") {
            return if is_it(self.find(path, now)) { self.had_since(now) } else { None };
        }
        self.attributes.held_since(path, now, self.ended(now), is_it)
    }

    /// Its attributes at an instant, and since when each has its value.
    pub fn attributes(&self, now: Timestamp) -> (Map<String, Value>, Since) {
        self.attributes.all_after(now, self.ended(now))
    }

    /// When it changes next by a call dated ahead.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let shares = self.shares.iter().map(|(order, _)| order.0);
        let ends = self.ends.iter().map(|end| end.0);
        shares.chain(ends).filter(|at| *at > now).chain(self.attributes.next_change_of_any(now)).min()
    }
}
