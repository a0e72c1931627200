//! The plan: all rules of a workspace compiled against streams of events that they share.
//! A thousand segments that ask about the last order keep one number per customer.

use crate::profile::consent::AllTerms;
use crate::profile::customer::Horizons;
use crate::profile::records::KindHorizons;
use crate::profile::{Customer, Terms};
use crate::segment::compile::Standpoint;
use crate::segment::feature::{Keeps, Need};
use crate::segment::numbers::Numbers;
use crate::segment::test::{CompiledTest, CompiledTests, is_missing};
use crate::segment::triggered::Source;
use crate::segment::verdict::{Asked, Verdict};
use crate::state::HashMap;
use domain::definition::Definitions;
use domain::segment::{Aggregate, Bucket, Comparison, ConsentAsked, End, EventName, KnownFor, Windows};
use domain::value::{Operator, Quantifier, Scalar};
use domain::{Call, CustomerId, Name, Path, Purpose, Settings, Span, Zone};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A stream: events of a name that pass a filter.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    /// Which events.
    pub event: EventName,
    /// Which of them.
    pub filter: Option<CompiledTests>,
    /// What is kept of each.
    pub keeps: Keeps,
    /// The filter, or what is kept, moves with now or zone: the whole body is kept and asked later.
    pub keeps_body: bool,
    /// What must be kept.
    pub need: Need,
}

/// A compiled rule.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the shape of domain::Condition")]
pub enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    None(Vec<Node>),
    Not(Box<Node>),
    Everyone,
    /// A malformed path stands in it: false whatever its sense.
    Never,
    /// Another segment, by its index in the plan.
    Segment(usize),
    Trait(Path, Box<CompiledTest>),
    TraitElements(Box<CompiledTests>),
    /// Tests on what triggered.
    Triggered(Source, Box<CompiledTests>),
    Did(Box<DidNode>),
    Rhythm(Box<RhythmNode>),
    Record(Box<RecordNode>),
    Score(String, Box<CompiledTest>),
    /// None: there is no such purpose.
    Consent(ConsentAsked, Option<Box<Terms>>),
    List(String),
    KnownFor(KnownFor),
    Bucket(Bucket),
}

/// A compiled `did`.
#[derive(Clone, Debug, PartialEq)]
pub struct DidNode {
    /// The stream it looks at.
    pub events: EventsNode,
    /// Its windows.
    pub windows: Windows,
    /// Its count or aggregate.
    pub question: Question,
    /// Only events after the asked instant count.
    pub counts_since: bool,
}

/// A compiled condition on the order and rhythm of events.
#[derive(Clone, Debug, PartialEq)]
pub struct RhythmNode {
    /// The stream it looks at.
    pub stream: EventsNode,
    /// What it asks.
    pub rhythm: Rhythm,
}

/// A stream and the zone in which its filter is read.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsNode {
    /// Its index.
    pub stream: u32,
    /// The zone the condition names.
    pub zone: Option<Zone>,
    /// It names none, and its verdict depends on the customer's.
    pub uses_zone: bool,
    /// Of events that bear this property only those with the asked value count.
    pub key: Option<Path>,
    /// Further tests, whose paths `event.…` and `record.…` mean what triggered.
    pub triggered: Option<Box<domain::Tests>>,
}

/// What is asked of the order and rhythm of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Rhythm {
    /// Whether the latest or the first one passed the stream's further tests.
    AtEnd(End),
    /// Whether one of them was followed, or not, by one of another stream.
    Sequence {
        /// The stream of what follows.
        then: EventsNode,
        /// It must not follow.
        absent: bool,
        /// In which time.
        within: Span,
        /// Both must bear the value that their streams keep.
        same: bool,
        /// How long ago the first may be.
        recent: Option<Span>,
    },
    /// Whether the first ever is younger than this.
    FirstTime(Span),
    /// `active` and `quiet`.
    Stopped(Span, Span),
    /// `quiet` and `recent`.
    Restarted(Span, Span),
    /// Often enough in enough of the latest periods.
    Regularly {
        /// Length of a period.
        every: Span,
        /// How many.
        periods: u32,
        /// In how many of them.
        at_least_periods: u32,
        /// How often in each.
        at_least: u32,
    },
}

/// A compiled condition on records.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordNode {
    /// Of this kind.
    pub kind: String,
    /// Which of them.
    pub tests: Option<CompiledTests>,
    /// How many of them, or what of them.
    pub question: RecordJudged,
    /// The zone it names.
    pub zone: Option<Zone>,
    /// It names none, and its verdict depends on the customer's.
    pub uses_zone: bool,
}

/// What is asked of the records that pass.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordJudged {
    /// `any`, `every`, `no_one`.
    Quantified(Quantifier),
    /// A count or an aggregate of what is kept of each.
    Measured(Keeps, Question),
}

/// What is asked of the entries in the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Question {
    /// Their number lies between the bounds.
    Count {
        /// Least.
        least: u32,
        /// Greatest.
        most: Option<u32>,
    },
    /// An aggregate passes.
    Aggregate(Aggregate, Comparison),
}

/// What the verdict of a rule depends on.
#[derive(Clone, Default, Debug)]
pub struct Uses {
    /// Streams.
    pub streams: BTreeSet<u32>,
    /// Top-level traits.
    pub traits: BTreeSet<String>,
    /// Consent.
    pub consent: bool,
    /// Lists.
    pub lists: bool,
    /// Kinds of records.
    pub records: BTreeSet<String>,
    /// Since when the customer exists.
    pub existence: bool,
    /// The customer's zone.
    pub zone: bool,
}

impl Uses {
    pub(super) fn add(&mut self, other: &Uses) {
        self.streams.extend(&other.streams);
        self.traits.extend(other.traits.iter().cloned());
        self.consent |= other.consent;
        self.lists |= other.lists;
        self.records.extend(other.records.iter().cloned());
        self.existence |= other.existence;
        self.zone |= other.zone;
    }

    /// Whether something that was touched matters here.
    pub fn is_touched(&self, touch: &Touch) -> bool {
        touch.everything
            || touch.consent && self.consent
            || touch.lists && self.lists
            || touch.existence && self.existence
            || touch.records.iter().any(|kind| self.records.contains(kind.as_ref()))
            || touch.streams.iter().any(|stream| self.streams.contains(stream))
            || touch
                .traits
                .iter()
                .any(|key| self.traits.contains(key.as_ref()) || (self.zone && key.as_ref() == "timezone"))
    }
}

/// What a call changed of a customer.
#[derive(Clone, Default, Debug)]
pub struct Touch {
    /// Streams that took it.
    pub streams: Vec<u32>,
    /// Top-level traits that it named.
    pub traits: Vec<Arc<str>>,
    /// Consent.
    pub consent: bool,
    /// Lists.
    pub lists: bool,
    /// Kinds of records.
    pub records: Vec<Arc<str>>,
    /// First seen moved.
    pub existence: bool,
    /// Ask everything again: a new customer, a merge, a new plan.
    pub everything: bool,
    /// Something was to be asked again by now.
    pub by_time: bool,
}

impl Touch {
    /// Everything.
    pub fn all() -> Touch {
        Touch { everything: true, ..Touch::default() }
    }

    /// What was to be asked again by now.
    pub fn by_time() -> Touch {
        Touch { by_time: true, ..Touch::default() }
    }

    /// Whether nothing is asked but what was to be asked again by now.
    pub fn is_by_time_alone(&self) -> bool {
        let by_others = self.everything || self.consent || self.lists || self.existence;
        !by_others && self.streams.is_empty() && self.traits.is_empty() && self.records.is_empty()
    }

    /// Whether the customer may be in another zone than before.
    pub fn may_move(&self) -> bool {
        self.everything || self.by_time || self.traits.iter().any(|key| key.as_ref() == "timezone")
    }

    /// Adds what another call changed.
    pub fn add(&mut self, other: Touch) {
        self.streams.extend(other.streams);
        self.traits.extend(other.traits);
        self.consent |= other.consent;
        self.lists |= other.lists;
        self.records.extend(other.records);
        self.existence |= other.existence;
        self.everything |= other.everything;
        self.by_time |= other.by_time;
    }
}

/// A compiled segment.
#[derive(Clone, Debug)]
pub struct PlannedSegment {
    /// Its name.
    pub name: Name,
    /// Its rule.
    pub rule: Node,
    /// What its verdict depends on, those of inner segments included.
    pub uses: Uses,
    /// Streams each of which must hold something: while one of them does not the verdict is false, whatever the time.
    needs: Numbers,
}

/// How far back the past of values must be kept, because rules ask how long they have been held.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Held {
    /// Of traits, by their top-level key.
    pub traits: Horizons,
    /// Of attributes of records, by kind and top-level key.
    pub attributes: KindHorizons,
}

impl Held {
    /// Whether at least as much of the past is kept.
    pub fn covers(&self, other: &Held) -> bool {
        let within = |own: Option<&Horizons>, wanted: &Horizons| {
            wanted.iter().all(|(key, span)| own.and_then(|own| own.get(key)).is_some_and(|own| own >= span))
        };
        within(Some(&self.traits), &other.traits)
            && other.attributes.iter().all(|(kind, wanted)| within(self.attributes.get(kind), wanted))
    }
}

/// What an event's name means.
#[derive(Clone, Default, Debug)]
struct Meanings {
    all: Vec<u32>,
    to_ask: Vec<u32>,
    by_value: Vec<ByValue>,
    /// The top-level properties that any of them looks at.
    keys: BTreeSet<String>,
    /// One of them keeps all properties.
    keeps_body: bool,
}

/// Streams of an event's name that take it if one property is one value: with one look at the property all of them
/// are found, were there a thousand.
#[derive(Clone, Debug)]
pub struct ByValue {
    path: Path,
    streams: BTreeMap<Scalar, Vec<u32>>,
}

impl ByValue {
    /// The streams that take an event with such properties.
    pub fn streams_of(&self, body: &Value) -> &[u32] {
        let value = self.path.find(body).filter(|value| !is_missing(value)).and_then(Scalar::of);
        value.and_then(|value| self.streams.get(&value)).map_or(&[][..], Vec::as_slice)
    }
}

impl Meanings {
    fn add(&mut self, stream: u32, spec: &StreamSpec) {
        self.all.push(stream);
        self.keys.extend(spec.keys().into_iter().map(str::to_owned));
        self.keeps_body |= spec.keeps_body;
        let Some((path, value)) = spec.wanted_value() else {
            self.to_ask.push(stream);
            return;
        };
        let at = match self.by_value.iter().position(|by_value| by_value.path == *path) {
            Some(at) => at,
            None => {
                self.by_value.push(ByValue { path: path.clone(), streams: BTreeMap::new() });
                self.by_value.len() - 1
            }
        };
        self.by_value[at].streams.entry(value.clone()).or_default().push(stream);
    }
}

impl StreamSpec {
    /// The top-level properties that it looks at.
    pub fn keys(&self) -> BTreeSet<&str> {
        let mut keys = BTreeSet::new();
        if let Some(filter) = &self.filter {
            filter.keys(&mut keys);
        }
        match &self.keeps {
            Keeps::Nothing => {}
            Keeps::Number(path) | Keeps::Scalar(path) => keys.extend(path.first()),
            Keeps::Passes(tests) => tests.keys(&mut keys),
        }
        keys
    }

    /// The property and its value, where those alone decide whether an event is taken.
    fn wanted_value(&self) -> Option<(&Path, &Scalar)> {
        match &self.filter {
            Some(CompiledTests::At(path, compiled)) if !self.keeps_body && !compiled.test.ignore_case => {
                match &compiled.test.operator {
                    Operator::Is(Some(value)) => Some((path, value)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// All rules compiled together.
#[derive(Clone, Default, Debug)]
pub struct Plan {
    /// Streams, shared by all rules.
    pub streams: Vec<StreamSpec>,
    /// Segments, in the order of their names.
    pub segments: Vec<PlannedSegment>,
    index: HashMap<Name, usize>,
    by_event: HashMap<String, Meanings>,
    /// Segments that depend on a stream, by the stream's index.
    by_stream: Vec<Numbers>,
    /// Segments that must be asked of somebody who has done nothing: all but those about events alone, of which nobody
    /// becomes a member by doing nothing, at whatever time.
    asked_of_nobody: Numbers,
    prefixes: Vec<(String, u32)>,
    /// How far back the past of values must be kept.
    pub held: Held,
    /// The workspace's purposes, where messages are asked about; what segments ask of consent they hold themselves.
    pub purposes: AllTerms,
    /// The workspace's settings.
    pub settings: Arc<Settings>,
}

impl Plan {
    /// What decides what is kept of a customer, in words that only this program reads: with the same words the state of
    /// one plan can be gone on with under another.
    pub fn kept(&self) -> Vec<String> {
        let traits: BTreeMap<_, _> = self.held.traits.iter().collect();
        let attributes: BTreeMap<_, BTreeMap<_, _>> =
            self.held.attributes.iter().map(|(kind, held)| (kind, held.iter().collect())).collect();
        let streams = self.streams.iter().map(|stream| format!("{stream:?}"));
        streams.chain([format!("{traits:?} {attributes:?}")]).collect()
    }

    /// Compiles all segments of a workspace. The definitions were checked: targets exist and there is no circle.
    pub fn new(definitions: &Definitions) -> Plan {
        let mut plan = Plan { settings: Arc::new(definitions.settings.clone()), ..Plan::default() };
        for (index, name) in definitions.segments.keys().enumerate() {
            plan.index.insert(name.clone(), index);
        }
        let mut own: Vec<(Name, Node, Uses, Vec<usize>)> = Vec::new();
        for segment in definitions.segments.values() {
            let (rule, uses, inner) = plan.compile(&segment.rule, &definitions.purposes, Standpoint::default());
            own.push((segment.name.clone(), rule, uses, inner));
        }
        for index in 0..own.len() {
            // Each segment depends on whatever the segments below it depend on. The set ends the walk.
            let mut uses = Uses::default();
            let mut waiting = vec![index];
            let mut seen = BTreeSet::from([index]);
            while let Some(next) = waiting.pop() {
                uses.add(&own[next].2);
                waiting.extend(own[next].3.iter().copied().filter(|inner| seen.insert(*inner)));
            }
            let (name, rule, ..) = &own[index];
            for stream in &uses.streams {
                plan.by_stream[*stream as usize].insert(index);
            }
            let planned = PlannedSegment { name: name.clone(), rule: rule.clone(), uses, needs: Numbers::default() };
            plan.segments.push(planned);
        }
        let nobody = Customer::new(domain::time::EARLIEST);
        let (id, now) = (CustomerId(0), domain::time::EARLIEST);
        let asked = Asked::of(&plan, id, &nobody, now);
        let is_asked = |segment: &PlannedSegment| {
            !plan.is_about_events(&segment.rule) || asked.verdict(&segment.rule) != Verdict::fixed(false)
        };
        let asked_of_nobody = (0..plan.segments.len()).filter(|index| is_asked(&plan.segments[*index])).collect();
        let needs: Vec<BTreeSet<u32>> =
            plan.segments.iter().map(|segment| plan.needs_of(&segment.rule, asked)).collect();
        plan.asked_of_nobody = asked_of_nobody;
        for (segment, needs) in plan.segments.iter_mut().zip(needs) {
            segment.needs = needs.into_iter().map(|stream| stream as usize).collect();
        }
        plan
    }

    /// The streams each of which must hold something for a rule to hold, now or by time alone. `nobody`: how somebody
    /// who has done nothing is asked.
    fn needs_of(&self, rule: &Node, nobody: Asked<'_>) -> BTreeSet<u32> {
        match rule {
            // One condition that is false for ever decides.
            Node::All(inner) => inner.iter().flat_map(|rule| self.needs_of(rule, nobody)).collect(),
            Node::Segment(index) => self.needs_of(&self.segments[*index].rule, nobody),
            Node::Did(did) => self.need_of(rule, did.events.stream, nobody),
            Node::Rhythm(node) => self.need_of(rule, node.stream.stream, nobody),
            _ => BTreeSet::new(),
        }
    }

    fn need_of(&self, condition: &Node, stream: u32, nobody: Asked<'_>) -> BTreeSet<u32> {
        let is_false = self.is_about_events(condition) && nobody.verdict(condition) == Verdict::fixed(false);
        if is_false { BTreeSet::from([stream]) } else { BTreeSet::new() }
    }

    /// Whether a segment may say anything but no of somebody whose streams hold so much.
    pub fn may_hold(&self, segment: usize, held: &Numbers) -> bool {
        held.covers(&self.segments[segment].needs)
    }

    /// Whether a rule asks about nothing but events, in the same way of everybody.
    fn is_about_events(&self, rule: &Node) -> bool {
        match rule {
            Node::All(inner) | Node::Any(inner) | Node::None(inner) => {
                inner.iter().all(|rule| self.is_about_events(rule))
            }
            Node::Not(inner) => self.is_about_events(inner),
            Node::Everyone | Node::Never => true,
            Node::Segment(index) => self.is_about_events(&self.segments[*index].rule),
            Node::Did(did) => !did.events.uses_zone,
            Node::Rhythm(node) => {
                let then_moves = matches!(&node.rhythm, Rhythm::Sequence { then, .. } if then.uses_zone);
                !node.stream.uses_zone && !then_moves
            }
            Node::Trait(..)
            | Node::TraitElements(_)
            | Node::Triggered(..)
            | Node::Record(_)
            | Node::Score(..)
            | Node::Consent(..)
            | Node::List(_)
            | Node::KnownFor(_)
            | Node::Bucket(_) => false,
        }
    }

    /// This plan with some of its segments defined anew, its own streams first: while `keeps_the_same` holds, what
    /// customers keep answers for it too. For verdicts alone; what depends on what is not followed.
    pub fn redefined(&self, definitions: &Definitions, names: &BTreeSet<Name>) -> Plan {
        let mut plan = Plan { settings: Arc::new(definitions.settings.clone()), ..self.clone() };
        for name in names {
            if !plan.index.contains_key(name) {
                plan.index.insert(name.clone(), plan.segments.len());
                plan.segments.push(PlannedSegment {
                    name: name.clone(),
                    rule: Node::Never,
                    uses: Uses::default(),
                    needs: Numbers::default(),
                });
            }
        }
        for name in names {
            if let (Some(index), Some(segment)) = (plan.segment(name), definitions.segments.get(name)) {
                plan.segments[index].rule = plan.compile(&segment.rule, &definitions.purposes, Standpoint::default()).0;
            }
        }
        plan
    }

    /// The index of a segment.
    pub fn segment(&self, name: &Name) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Streams that mean an event's name.
    pub fn streams_of<'a>(&'a self, event: &'a str) -> impl Iterator<Item = u32> + 'a {
        let exact = self.by_event.get(event).map_or(&[][..], |meanings| meanings.all.as_slice());
        exact.iter().copied().chain(self.prefixed(event))
    }

    fn prefixed<'a>(&'a self, event: &'a str) -> impl Iterator<Item = u32> + 'a {
        let prefixes = self.prefixes.iter().filter(move |(prefix, _)| event.starts_with(prefix.as_str()));
        prefixes.map(|(_, stream)| *stream)
    }

    /// Streams that mean an event's name and have to be asked one by one whether they take the event: all but those that
    /// `streams_by_value` finds.
    pub fn streams_to_ask<'a>(&'a self, event: &'a str) -> impl Iterator<Item = u32> + 'a {
        let exact = self.by_event.get(event).map_or(&[][..], |meanings| meanings.to_ask.as_slice());
        exact.iter().copied().chain(self.prefixed(event))
    }

    /// The properties of an event, those that no stream asks about left out.
    pub fn asked_properties(&self, event: &str, call: &Call) -> Value {
        match self.by_event.get(event).filter(|meanings| !meanings.keeps_body) {
            Some(meanings) if self.prefixed(event).next().is_none() => {
                call.body_value_of(&|key| meanings.keys.contains(key))
            }
            _ => call.body_value(),
        }
    }

    /// Streams that mean an event's name if a property has a value, by property.
    pub fn streams_by_value(&self, event: &str) -> &[ByValue] {
        self.by_event.get(event).map_or(&[][..], |meanings| meanings.by_value.as_slice())
    }

    /// Finds or makes a stream; one that exists keeps what either needs.
    pub(crate) fn stream(&mut self, spec: StreamSpec) -> u32 {
        let same = |other: &StreamSpec| {
            other.event == spec.event
                && other.filter == spec.filter
                && other.keeps == spec.keeps
                && other.keeps_body == spec.keeps_body
        };
        if let Some(index) = self.streams.iter().position(same) {
            self.streams[index].need = self.streams[index].need.with(spec.need);
            return u32::try_from(index).expect("fewer streams than nodes of all definitions");
        }
        let index = u32::try_from(self.streams.len()).expect("fewer streams than nodes of all definitions");
        match &spec.event {
            EventName::Exact(name) => self.by_event.entry(name.clone()).or_default().add(index, &spec),
            EventName::Prefix(prefix) => self.prefixes.push((prefix.clone(), index)),
        }
        self.streams.push(spec);
        self.by_stream.push(Numbers::default());
        index
    }

    /// Adds the segments whose verdict may differ after `touch`; what time alone changes is not among them. An event
    /// concerns only those that mention it.
    pub fn concerned(&self, touch: &Touch, customer: &Customer, into: &mut Numbers) {
        if touch.everything {
            // The others are about events alone, of which this customer has none: they were not in them, and are not.
            into.add(&self.asked_of_nobody);
            customer.memberships.segments().for_each(|segment| into.insert(segment));
            customer.streams.held().for_each(|stream| into.add(&self.by_stream[stream as usize]));
            return;
        }
        let only_streams =
            !touch.consent && !touch.lists && !touch.existence && touch.traits.is_empty() && touch.records.is_empty();
        if !only_streams {
            let touched = (0..self.segments.len()).filter(|index| self.segments[*index].uses.is_touched(touch));
            touched.for_each(|segment| into.insert(segment));
            return;
        }
        touch.streams.iter().for_each(|stream| into.add(&self.by_stream[*stream as usize]));
    }

    /// Finds or makes the streams of the events that imply consent.
    pub(crate) fn terms(&mut self, purpose: &Purpose) -> Terms {
        let spec = |event: &str| StreamSpec {
            event: EventName::Exact(event.to_owned()),
            filter: None,
            keeps: Keeps::Nothing,
            keeps_body: false,
            need: Need::recent(1, None),
        };
        let streams = purpose.implied.iter().map(|implied| self.stream(spec(&implied.event))).collect();
        Terms { purpose: purpose.clone(), streams }
    }

    /// Keeps of everybody what consent for any purpose follows from.
    pub(crate) fn keep_purposes(&mut self, purposes: &BTreeMap<Name, Purpose>) {
        self.purposes = purposes.iter().map(|(name, purpose)| (name.clone(), self.terms(purpose))).collect();
    }

    /// Whether customers keep the same by another plan, so that what customers keep still fits.
    pub fn keeps_the_same(&self, other: &Plan) -> bool {
        self.held == other.held
            && self.streams.len() == other.streams.len()
            && self.streams.iter().zip(&other.streams).all(|(a, b)| {
                a.event == b.event
                    && a.filter == b.filter
                    && a.keeps == b.keeps
                    && a.keeps_body == b.keeps_body
                    && a.need == b.need
            })
    }
}
