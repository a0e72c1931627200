//! What is kept per customer so that verdicts need no history: for each stream of events the few entries
//! that its questions can still ask about.

use crate::profile::customer::Order;
use crate::segment::plan::{Plan, StreamSpec};
use crate::segment::test::CompiledTests;
use domain::value::{Scalar, number};
use domain::{Call, Span, Timestamp, Zone};
use rust_decimal::Decimal;
use serde_json::Value;
use std::sync::Arc;

/// One event that passed a stream's filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its time and position.
    pub order: Order,
    /// What the stream keeps of it.
    pub value: Kept,
}

/// What a stream keeps of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Only that it happened.
    Nothing,
    /// A number to sum, average or compare; none where the property is no number.
    Number(Option<Decimal>),
    /// A value to tell apart; none where it is missing.
    Scalar(Option<Box<Scalar>>),
    /// All of it, for filters that move with now.
    Body(Arc<Value>),
}

/// What a stream must keep so that every question about it can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// The most recent so many at or before now; none: all.
    pub recent: Option<usize>,
    /// Only those younger than this; none: of any age.
    pub horizon: Option<Span>,
}

impl Need {
    /// The need that covers both.
    pub fn with(self, other: Need) -> Need {
        Need {
            recent: self.recent.zip(other.recent).map(|(a, b)| a.max(b)),
            horizon: self.horizon.zip(other.horizon).map(|(a, b)| a.max(b)),
        }
    }
}

/// The streams of one customer that hold anything, by their index in the plan.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Streams {
    held: Vec<(u32, Vec<Entry>)>,
}

impl Streams {
    /// The entries of a stream, in order.
    pub fn entries(&self, stream: u32) -> &[Entry] {
        match self.held.binary_search_by_key(&stream, |(index, _)| *index) {
            Ok(at) => &self.held[at].1,
            Err(_) => &[],
        }
    }

    /// Takes an event into every stream that means it; those streams' indices are added to `touched`.
    /// O(streams of the event's name + entries moved); the body is parsed only if a stream asks for it.
    pub fn apply(&mut self, plan: &Plan, call: &Call, order: Order, now: Timestamp, touched: &mut Vec<u32>) {
        let Some(event) = call.event.as_deref() else {
            return;
        };
        let mut body: Option<Arc<Value>> = None;
        for stream in plan.streams_of(event) {
            let spec = &plan.streams[stream as usize];
            let value = if spec.reads_body() {
                let body = body.get_or_insert_with(|| Arc::new(call.body_value()));
                match spec.keep(body, now) {
                    Some(value) => value,
                    None => continue,
                }
            } else {
                Kept::Nothing
            };
            self.insert(stream, Entry { order, value }, spec.need, now);
            touched.push(stream);
        }
    }

    fn insert(&mut self, stream: u32, entry: Entry, need: Need, now: Timestamp) {
        let at = match self.held.binary_search_by_key(&stream, |(index, _)| *index) {
            Ok(at) => at,
            Err(at) => {
                self.held.insert(at, (stream, Vec::new()));
                at
            }
        };
        let entries = &mut self.held[at].1;
        let place = entries.partition_point(|other| other.order <= entry.order);
        entries.insert(place, entry);
        let past = entries.partition_point(|other| other.order.0 <= now);
        let too_many = need.recent.map_or(0, |recent| past.saturating_sub(recent));
        let too_old =
            need.horizon.map_or(0, |horizon| entries.partition_point(|other| other.order.0.plus(horizon) <= now));
        let gone = too_many.max(too_old);
        if gone > 0 {
            entries.drain(..gone);
        }
    }

    /// Takes over the entries of somebody who turned out to be the same person.
    pub fn absorb(&mut self, other: Streams, plan: &Plan, now: Timestamp) {
        for (stream, entries) in other.held {
            let need = plan.streams[stream as usize].need;
            for entry in entries {
                self.insert(stream, entry, need, now);
            }
        }
    }

    /// Number of entries kept.
    pub fn len(&self) -> usize {
        self.held.iter().map(|(_, entries)| entries.len()).sum()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl StreamSpec {
    /// Whether the stream must look at properties.
    pub fn reads_body(&self) -> bool {
        self.filter.is_some() || self.value.is_some() || self.keeps_body
    }

    /// What is kept of an event with this body; none if the filter leaves it out.
    fn keep(&self, body: &Arc<Value>, now: Timestamp) -> Option<Kept> {
        if self.keeps_body {
            return Some(Kept::Body(body.clone()));
        }
        // Such a filter does not depend on now or zone, so any will do.
        let passes = self.filter.as_ref().is_none_or(|filter| filter.ask(body, now, &Zone::utc()).holds);
        passes.then(|| self.kept_value(body))
    }

    /// What is kept of a body that passed the filter.
    pub fn kept_value(&self, body: &Value) -> Kept {
        match &self.value {
            None => Kept::Nothing,
            Some((path, false)) => Kept::Number(path.find(body).and_then(number)),
            Some((path, true)) => Kept::Scalar(path.find(body).and_then(Scalar::of).map(Box::new)),
        }
    }
}

/// Whether tests can be judged once and for all when the event arrives.
pub fn is_settled_at_arrival(filter: &CompiledTests, source: &domain::Tests) -> bool {
    !source.depends_on_now() && !filter.uses_zone()
}
