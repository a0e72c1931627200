//! The plan: all rules of a workspace compiled against streams of events that they share.
//! A thousand segments that ask about the last order keep one number per customer.

use crate::profile::customer::Horizons;
use crate::profile::records::KindHorizons;
use crate::segment::compile::Standpoint;
use crate::segment::feature::{Keeps, Need};
use crate::segment::test::{CompiledTest, CompiledTests};
use crate::segment::triggered::Source;
use domain::definition::Definitions;
use domain::segment::{Aggregate, Bucket, Comparison, ConsentAsked, End, EventName, KnownFor, Windows};
use domain::value::Quantifier;
use domain::{Name, Path, Purpose, Settings, Span, Zone};
use std::collections::{BTreeMap, BTreeSet, HashMap};
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
#[derive(Clone, Debug)]
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
    Consent(ConsentAsked, Option<Purpose>),
    List(String),
    KnownFor(KnownFor),
    Bucket(Bucket),
}

/// A compiled `did`.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct RhythmNode {
    /// The stream it looks at.
    pub stream: EventsNode,
    /// What it asks.
    pub rhythm: Rhythm,
}

/// A stream and the zone in which its filter is read.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub enum RecordJudged {
    /// `any`, `every`, `no_one`.
    Quantified(Quantifier),
    /// A count or an aggregate of what is kept of each.
    Measured(Keeps, Question),
}

/// What is asked of the entries in the window.
#[derive(Clone, Copy, Debug)]
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
        touch.is_all()
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
    /// Of everything only what was to be asked again by now: nothing but time has passed.
    pub by_time: bool,
}

impl Touch {
    /// Everything.
    pub fn all() -> Touch {
        Touch { everything: true, ..Touch::default() }
    }

    /// What has to be asked again because time has passed.
    pub fn pass_time(&mut self) {
        if !self.everything {
            (self.everything, self.by_time) = (true, true);
        }
    }

    /// Whether every rule must be asked.
    pub fn is_all(&self) -> bool {
        self.everything && !self.by_time
    }

    /// Adds what another call changed.
    pub fn add(&mut self, other: Touch) {
        self.by_time = (self.by_time || other.by_time) && !self.is_all() && !other.is_all();
        self.streams.extend(other.streams);
        self.traits.extend(other.traits);
        self.consent |= other.consent;
        self.lists |= other.lists;
        self.records.extend(other.records);
        self.existence |= other.existence;
        self.everything |= other.everything;
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

/// All rules compiled together.
#[derive(Clone, Default, Debug)]
pub struct Plan {
    /// Streams, shared by all rules.
    pub streams: Vec<StreamSpec>,
    /// Segments, in the order of their names.
    pub segments: Vec<PlannedSegment>,
    index: HashMap<Name, usize>,
    by_event: HashMap<String, Vec<u32>>,
    /// Segments that depend on a stream, by the stream's index.
    by_stream: Vec<Vec<usize>>,
    prefixes: Vec<(String, u32)>,
    /// How far back the past of values must be kept.
    pub held: Held,
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
                plan.by_stream[*stream as usize].push(index);
            }
            plan.segments.push(PlannedSegment { name: name.clone(), rule: rule.clone(), uses });
        }
        plan
    }

    /// This plan with some of its segments defined anew, its own streams first: while `keeps_the_same` holds, what
    /// customers keep answers for it too. For verdicts alone; what depends on what is not followed.
    pub fn redefined(&self, definitions: &Definitions, names: &BTreeSet<Name>) -> Plan {
        let mut plan = Plan { settings: Arc::new(definitions.settings.clone()), ..self.clone() };
        for name in names {
            if !plan.index.contains_key(name) {
                plan.index.insert(name.clone(), plan.segments.len());
                plan.segments.push(PlannedSegment { name: name.clone(), rule: Node::Never, uses: Uses::default() });
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
        let exact = self.by_event.get(event).map_or(&[][..], Vec::as_slice);
        let prefixes = self.prefixes.iter().filter(move |(prefix, _)| event.starts_with(prefix.as_str()));
        exact.iter().copied().chain(prefixes.map(|(_, stream)| *stream))
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
            EventName::Exact(name) => self.by_event.entry(name.clone()).or_default().push(index),
            EventName::Prefix(prefix) => self.prefixes.push((prefix.clone(), index)),
        }
        self.streams.push(spec);
        self.by_stream.push(Vec::new());
        index
    }

    /// Segments whose verdict may differ after `touch`, in order; what time alone changes is not among them. An event
    /// concerns only those that mention it.
    pub fn concerned(&self, touch: &Touch) -> Vec<usize> {
        let only_streams = !touch.is_all()
            && !touch.consent
            && !touch.lists
            && !touch.existence
            && touch.traits.is_empty()
            && touch.records.is_empty();
        if !only_streams {
            return (0..self.segments.len()).filter(|index| self.segments[*index].uses.is_touched(touch)).collect();
        }
        let mut concerned: Vec<usize> =
            touch.streams.iter().flat_map(|stream| self.by_stream[*stream as usize].iter().copied()).collect();
        concerned.sort_unstable();
        concerned.dedup();
        concerned
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
