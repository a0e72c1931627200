//! What is kept per customer so that verdicts need no history: for each stream of events the few entries
//! that its questions can still ask about.

use crate::profile::customer::Order;
use crate::profile::records::Record;
use crate::segment::plan::{Plan, StreamSpec};
use crate::segment::test::CompiledTests;
use domain::value::{Scalar, number};
use domain::{Call, Path, Span, Timestamp, Zone};
use rust_decimal::Decimal;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// One event that passed a stream's filter.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Its time and position.
    pub order: Order,
    /// The index of the stream in the plan.
    pub stream: u32,
    /// What the stream keeps of it.
    pub value: Kept,
}

/// What a stream keeps of each of its events.
#[derive(Clone, PartialEq, Debug)]
pub enum Keeps {
    /// Only that it happened.
    Nothing,
    /// A property as a number, to sum, average or compare.
    Number(Path),
    /// A property as a value, to tell apart or to find again.
    Scalar(Path),
    /// Whether it satisfies further tests.
    Passes(Box<CompiledTests>),
}

impl Keeps {
    /// What an aggregate looks at in a record.
    pub fn of_record(&self, record: &Record, now: Timestamp) -> Kept {
        match self {
            Keeps::Nothing | Keeps::Passes(_) => Kept::Nothing,
            Keeps::Number(path) => Kept::Number(record.find(path, now).and_then(number)),
            Keeps::Scalar(path) => Kept::Scalar(record.find(path, now).and_then(Scalar::of).map(Box::new)),
        }
    }
}

/// What is kept of one event.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Kept {
    /// Only that it happened.
    Nothing,
    /// A number to sum, average or compare; none where the property is no number.
    Number(#[serde(with = "crate::snapshot::as_bytes")] Option<Decimal>),
    /// A value to tell apart; none where it is missing.
    Scalar(Option<Box<Scalar>>),
    /// Whether it passed the stream's further tests.
    Passed(bool),
    /// All of it, for filters that move with now.
    Body(#[serde(with = "crate::snapshot::as_json")] Arc<Value>),
}

/// What a stream must keep so that every question about it can be answered: an entry stays while one of these asks
/// for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Need {
    /// The most recent so many at or before now.
    pub recent: usize,
    /// Of those only the ones younger than this; none: of any age.
    pub recent_horizon: Option<Span>,
    /// All that are younger than this.
    pub young: Span,
    /// The first one ever.
    pub first: bool,
    /// All of them.
    pub all: bool,
}

impl Need {
    /// Everything.
    pub const ALL: Need = Need { recent: 0, recent_horizon: None, young: Span(0), first: false, all: true };

    /// The most recent so many, younger than a horizon where there is one.
    pub fn recent(recent: usize, horizon: Option<Span>) -> Need {
        Need { recent, recent_horizon: horizon, ..Need::default() }
    }

    /// All that are younger than a horizon; without one all.
    pub fn young(horizon: Option<Span>) -> Need {
        horizon.map_or(Need::ALL, |young| Need { young, ..Need::default() })
    }

    /// The first one ever.
    pub fn first() -> Need {
        Need { first: true, ..Need::default() }
    }

    /// The need that covers both.
    pub fn with(self, other: Need) -> Need {
        let recent_horizon = match (self.recent, other.recent) {
            (0, _) => other.recent_horizon,
            (_, 0) => self.recent_horizon,
            _ => self.recent_horizon.zip(other.recent_horizon).map(|(a, b)| a.max(b)),
        };
        Need {
            recent: self.recent.max(other.recent),
            recent_horizon,
            young: self.young.max(other.young),
            first: self.first || other.first,
            all: self.all || other.all,
        }
    }

    /// The instant at or before which no event is asked about any more, if there is one.
    pub fn forgets_before(self, now: Timestamp) -> Option<Timestamp> {
        let recent = if self.recent == 0 { Some(Span(0)) } else { self.recent_horizon };
        recent.filter(|_| !self.all && !self.first).map(|recent| now.minus(recent.max(self.young)))
    }

    /// Where the entries of a stream stand that no question can ask about again. O(log entries).
    fn forgets(self, entries: &[Entry], now: Timestamp) -> Range<usize> {
        if self.all {
            return 0..0;
        }
        let older = |horizon: Span| entries.partition_point(|entry| entry.order.0.plus(horizon) <= now);
        let past = older(Span(0));
        let too_many = past.saturating_sub(self.recent);
        let not_recent = too_many.max(self.recent_horizon.map_or(0, older));
        let gone = not_recent.min(older(self.young));
        let start = usize::from(self.first);
        start..gone.max(start)
    }
}

/// Entries for which room is made beside those that there are, where there is none left: an eighth of them, and so many.
const MORE: usize = 1;
/// Most entries for which room is made because a file says that they come.
const EXPECTED: usize = 4_096;
/// Up to so many entries a stream's are counted, not searched.
const FEW: usize = 24;

/// What the streams of one customer hold, all in one piece of memory: by the stream's index in the plan, then in the order
/// of history.
#[derive(Clone, Default, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Streams {
    #[serde(deserialize_with = "with_room")]
    held: Vec<Entry>,
}

/// For how many entries there is room where there is room for so many: allocators have pieces of some sizes, four from
/// one power of two to the next, and whoever asks for less is given no less. Of a million customers' entries nothing
/// lies idle then, and one that is added seldom needs another piece.
fn room_for(entries: usize) -> usize {
    let bytes = entries.saturating_mul(size_of::<Entry>());
    let step = (bytes.next_power_of_two() / 8).max(16);
    bytes.next_multiple_of(step) / size_of::<Entry>()
}

fn with_room<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    deserializer.deserialize_seq(Entries)
}

/// Reads entries into as much room as they will go on to lie in.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<Entry>, A::Error> {
        let expected = entries.size_hint().unwrap_or(0).min(EXPECTED);
        let mut held = if expected > 0 { Vec::with_capacity(room_for(expected)) } else { Vec::new() };
        while let Some(entry) = entries.next_element()? {
            held.push(entry);
        }
        Ok(held)
    }
}

impl Streams {
    /// Streams by their index, each with its entries in order. One that comes twice is the same.
    pub fn of(streams: impl Iterator<Item = (u32, Vec<Entry>)>) -> Streams {
        let mut streams: Vec<(u32, Vec<Entry>)> = streams.collect();
        streams.sort_by_key(|(stream, _)| *stream);
        streams.dedup_by_key(|(stream, _)| *stream);
        let entries =
            |(stream, entries): (u32, Vec<Entry>)| entries.into_iter().map(move |entry| Entry { stream, ..entry });
        let mut held = Vec::with_capacity(room_for(streams.iter().map(|(_, entries)| entries.len()).sum()));
        held.extend(streams.into_iter().flat_map(entries));
        Streams { held }
    }

    /// The entries of a stream, in order.
    pub fn entries(&self, stream: u32) -> &[Entry] {
        self.held.get(self.range(stream)).unwrap_or(&[])
    }

    /// Entries whose place is known.
    pub(crate) fn entries_at(&self, places: Range<usize>) -> &[Entry] {
        self.held.get(places).unwrap_or(&[])
    }

    /// The streams that hold anything, in order.
    pub fn held(&self) -> impl Iterator<Item = u32> {
        self.held.chunk_by(|a, b| a.stream == b.stream).filter_map(|entries| entries.first()).map(|entry| entry.stream)
    }

    fn range(&self, stream: u32) -> Range<usize> {
        if self.held.len() <= FEW {
            // Counting costs less than a search that guesses wrong at every turn.
            let (mut start, mut count) = (0, 0);
            for entry in &self.held {
                start += usize::from(entry.stream < stream);
                count += usize::from(entry.stream == stream);
            }
            return start..start + count;
        }
        let start = self.held.partition_point(|entry| entry.stream < stream);
        let rest = self.held.get(start..).unwrap_or(&[]);
        start..start + rest.partition_point(|entry| entry.stream == stream)
    }

    /// Takes an event into every stream that means it; those streams' indices are added to `touched`.
    /// O(streams of the event's name + entries moved); the body is parsed only if a stream asks for it.
    pub fn apply(&mut self, plan: &Plan, call: &Call, order: Order, now: Timestamp, touched: &mut Vec<u32>) {
        let Some(event) = call.event.as_deref() else {
            return;
        };
        let mut body: Option<Arc<Value>> = None;
        for stream in plan.streams_to_ask(event) {
            let spec = &plan.streams[stream as usize];
            let value = if spec.reads_body() {
                let body = body.get_or_insert_with(|| Arc::new(plan.asked_properties(event, call)));
                match spec.keep(body, now) {
                    Some(value) => value,
                    None => continue,
                }
            } else {
                Kept::Nothing
            };
            self.insert(Entry { order, stream, value }, spec.need, now);
            touched.push(stream);
        }
        for by_value in plan.streams_by_value(event) {
            let body = body.get_or_insert_with(|| Arc::new(plan.asked_properties(event, call)));
            for stream in by_value.streams_of(body) {
                let spec = &plan.streams[*stream as usize];
                self.insert(Entry { order, stream: *stream, value: spec.kept_value(body) }, spec.need, now);
                touched.push(*stream);
            }
        }
    }

    fn insert(&mut self, entry: Entry, need: Need, now: Timestamp) {
        let mut range = self.range(entry.stream);
        let place = range.start + self.held[range.clone()].partition_point(|other| other.order <= entry.order);
        if self.held.len() == self.held.capacity() {
            // Doubling would leave a third of the memory of a million customers empty.
            let held = self.held.len();
            self.held.reserve_exact(room_for(held + held / 8 + MORE) - held);
        }
        self.held.insert(place, entry);
        range.end += 1;
        let gone = need.forgets(&self.held[range.clone()], now);
        if !gone.is_empty() {
            self.held.drain(range.start + gone.start..range.start + gone.end);
        }
    }

    /// Takes over the entries of somebody who turned out to be the same person.
    pub fn absorb(&mut self, other: Streams, plan: &Plan, now: Timestamp) {
        for entry in other.held {
            let need = plan.streams[entry.stream as usize].need;
            self.insert(entry, need, now);
        }
    }

    /// The entries of all streams.
    pub(crate) fn all(&self) -> &[Entry] {
        &self.held
    }

    /// Number of entries kept.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

/// Looks at all of them, so that they are at hand when they are needed next. Returns a number to no purpose.
pub(crate) fn fetch(entries: &[Entry]) -> u32 {
    entries.iter().fold(0, |sum, entry| sum ^ entry.stream)
}

/// Where the entries of each stream of one customer stand: many questions about them are asked at once, and finding the
/// place costs more than most answers.
#[derive(Clone, Default, Debug)]
pub(crate) struct Places {
    /// By stream: from where, up to where. Those that hold nothing are empty.
    ranges: Vec<(u32, u32)>,
    held: Vec<u32>,
}

impl Places {
    /// Looks where another customer's entries stand. O(entries).
    pub(crate) fn look(&mut self, streams: &Streams) {
        for stream in self.held.drain(..) {
            self.ranges[stream as usize] = (0, 0);
        }
        let mut end = 0;
        for entries in streams.held.chunk_by(|a, b| a.stream == b.stream) {
            let Some(first) = entries.first() else { continue };
            let (place, start) = (first.stream as usize, end);
            end += u32::try_from(entries.len()).expect("entries of one customer are far fewer");
            if self.ranges.len() <= place {
                self.ranges.resize(place + 1, (0, 0));
            }
            self.ranges[place] = (start, end);
            self.held.push(first.stream);
        }
    }

    /// The streams that hold anything, in order.
    pub(crate) fn held(&self) -> &[u32] {
        &self.held
    }

    /// Where a stream's entries stand.
    pub(crate) fn of(&self, stream: u32) -> Range<usize> {
        let (start, end) = self.ranges.get(stream as usize).copied().unwrap_or_default();
        start as usize..end as usize
    }
}

impl StreamSpec {
    /// Whether the stream must look at properties.
    pub fn reads_body(&self) -> bool {
        self.filter.is_some() || self.keeps != Keeps::Nothing || self.keeps_body
    }

    /// What is kept of an event with this body; none if the filter leaves it out.
    fn keep(&self, body: &Arc<Value>, now: Timestamp) -> Option<Kept> {
        // Also where other tests move with now: of the first or the latest few only those that passed may be counted.
        let is_settled = !self.keeps_body || self.filter.as_ref().is_some_and(is_settled_at_arrival);
        // Such a filter does not depend on now or zone, so any will do.
        let passes = |filter: &CompiledTests| filter.ask(body, now, &Zone::utc()).holds;
        if is_settled && !self.filter.as_ref().is_none_or(passes) {
            return None;
        }
        Some(if self.keeps_body { Kept::Body(body.clone()) } else { self.kept_value(body) })
    }

    /// What is kept of a body that passed the filter, where that does not depend on now.
    fn kept_value(&self, body: &Value) -> Kept {
        // Such tests do not depend on now or zone, so any will do.
        self.value_at(body, Timestamp(0), &Zone::utc()).0
    }

    /// What is kept of a body that passed the filter at an instant, and when that may differ.
    pub fn value_at(&self, body: &Value, now: Timestamp, zone: &Zone) -> (Kept, Option<Timestamp>) {
        match &self.keeps {
            Keeps::Nothing => (Kept::Nothing, None),
            Keeps::Number(path) => (Kept::Number(path.find(body).and_then(number)), None),
            Keeps::Scalar(path) => (Kept::Scalar(path.find(body).and_then(Scalar::of).map(Box::new)), None),
            Keeps::Passes(tests) => {
                let answer = tests.ask(body, now, zone);
                (Kept::Passed(answer.holds), answer.check)
            }
        }
    }
}

/// Whether tests can be judged once and for all when the event arrives.
pub fn is_settled_at_arrival(tests: &CompiledTests) -> bool {
    !tests.depends_on_now() && !tests.uses_zone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_a_few_more_and_never_for_twice_as_many() {
        assert_eq!(room_for(0), 0);
        for entries in 1..3_000 {
            let room = room_for(entries);
            assert!(room >= entries, "{entries}: {room}");
            assert!(room <= entries + entries / 4 + 1, "{entries}: {room}");
        }
    }

    #[test]
    fn whoever_was_read_from_a_file_has_room_for_what_comes() {
        let entry = |number: u64| Entry { order: (Timestamp(0), number), stream: 0, value: Kept::Nothing };
        for count in [0, 1, 5, 11, 100] {
            let streams = Streams { held: (0..count).map(entry).collect() };
            let read: Streams = postcard::from_bytes(&postcard::to_allocvec(&streams).unwrap()).unwrap();
            assert_eq!(read, streams);
            assert_eq!(read.held.capacity(), room_for(streams.len()));
        }
    }
}
