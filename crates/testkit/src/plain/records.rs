//! What a person has, straight from everything that was ever said of records in the workspace.

use crate::plain::values::{Thing, merge};
use domain::call::{Call, RecordPart};
use domain::{CustomerId, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;

/// A call about a record, by whomever.
pub(super) struct Said<'a> {
    pub(super) at: Timestamp,
    pub(super) by: CustomerId,
    pub(super) part: &'a RecordPart,
    pub(super) body: Value,
}

/// Everything that was said of records, in the order of history.
pub(super) fn sayings<'a>(calls: impl Iterator<Item = (usize, CustomerId, &'a Call)>) -> Vec<Said<'a>> {
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by_key(|(index, _, call)| (call.timestamp, *index));
    let said = |(_, by, call): (usize, CustomerId, &'a Call)| {
        call.record.as_ref().map(|part| Said { at: call.timestamp, by, part, body: call.body_value() })
    };
    calls.into_iter().filter_map(said).collect()
}

/// A record that a person has.
pub(super) struct Record<'a> {
    object: Value,
    said: Vec<(Timestamp, &'a Value)>,
}

impl Record<'_> {
    pub(super) fn thing(&self) -> Thing<'_> {
        Thing { object: &self.object, said: &self.said }
    }

    pub(super) fn object(&self) -> &Value {
        &self.object
    }
}

/// The records of a kind that a person has at an instant.
pub(super) fn had<'a>(all: &'a [Said<'_>], person: CustomerId, kind: &str, now: Timestamp) -> Vec<Record<'a>> {
    let past: Vec<&Said<'_>> = all.iter().filter(|said| said.at <= now && said.part.kind.as_ref() == kind).collect();
    let ids: BTreeSet<&str> = past.iter().map(|said| said.part.id.as_ref()).collect();
    ids.into_iter()
        .filter_map(|id| {
            let of_it: Vec<&Said<'_>> = past.iter().copied().filter(|said| said.part.id.as_ref() == id).collect();
            // Nothing is kept from before the latest end.
            let begun = of_it.iter().rposition(|said| said.part.deleted).map_or(0, |end| end + 1);
            let life = &of_it[begun..];
            let own = life.iter().rfind(|said| said.by == person)?;
            (!own.part.left).then(|| {
                let mut object = merge(life.iter().map(|said| &said.body));
                object.insert("id".to_owned(), id.into());
                let said = life.iter().map(|said| (said.at, &said.body)).collect();
                Record { object: Value::Object(object), said }
            })
        })
        .collect()
}
