//! The plan: all rules of a workspace compiled against streams of events that they share.
//! A thousand segments that ask about the last order keep one number per customer.

use crate::segment::feature::{Need, is_settled_at_arrival};
use crate::segment::test::{CompiledTest, CompiledTests};
use domain::definition::Definitions;
use domain::segment::{Aggregate, Bucket, Comparison, ConsentAsked, Did, EventName, KnownFor, Measure, Windows};
use domain::{Condition, Name, Path, Purpose, Settings, Span, Zone};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A stream: events of a name that pass a filter.
#[derive(Clone, Debug)]
pub struct StreamSpec {
    /// Which events.
    pub event: EventName,
    /// Which of them.
    pub filter: Option<CompiledTests>,
    /// The property that is kept: false as a number, true as a value to tell apart.
    pub value: Option<(Path, bool)>,
    /// The filter moves with now or zone: the whole body is kept and asked later.
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
    Did(Box<DidNode>),
    Consent(ConsentAsked, Option<Purpose>),
    List(String),
    KnownFor(KnownFor),
    Bucket(Bucket),
}

/// A compiled `did`.
#[derive(Clone, Debug)]
pub struct DidNode {
    /// The stream it looks at.
    pub stream: u32,
    /// Its windows.
    pub windows: Windows,
    /// Its count or aggregate.
    pub question: Question,
    /// The zone it names.
    pub zone: Option<Zone>,
    /// It names none, and its verdict depends on the customer's.
    pub uses_zone: bool,
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
    /// Since when the customer exists.
    pub existence: bool,
    /// The customer's zone.
    pub zone: bool,
}

impl Uses {
    fn add(&mut self, other: &Uses) {
        self.streams.extend(&other.streams);
        self.traits.extend(other.traits.iter().cloned());
        self.consent |= other.consent;
        self.lists |= other.lists;
        self.existence |= other.existence;
        self.zone |= other.zone;
    }

    /// Whether something that was touched matters here.
    pub fn is_touched(&self, touch: &Touch) -> bool {
        touch.everything
            || touch.consent && self.consent
            || touch.lists && self.lists
            || touch.existence && self.existence
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
    /// First seen moved.
    pub existence: bool,
    /// Ask everything again: a new customer, a merge, a new plan.
    pub everything: bool,
}

impl Touch {
    /// Everything.
    pub fn all() -> Touch {
        Touch { everything: true, ..Touch::default() }
    }

    /// Adds what another call changed.
    pub fn add(&mut self, other: Touch) {
        self.streams.extend(other.streams);
        self.traits.extend(other.traits);
        self.consent |= other.consent;
        self.lists |= other.lists;
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
    /// The workspace's settings.
    pub settings: Arc<Settings>,
}

impl Plan {
    /// Compiles all segments of a workspace. The definitions were checked: targets exist and there is no circle.
    pub fn new(definitions: &Definitions) -> Plan {
        let mut plan = Plan { settings: Arc::new(definitions.settings.clone()), ..Plan::default() };
        for (index, name) in definitions.segments.keys().enumerate() {
            plan.index.insert(name.clone(), index);
        }
        let mut own: Vec<(Name, Node, Uses, Vec<usize>)> = Vec::new();
        for segment in definitions.segments.values() {
            let (rule, uses, inner) = plan.compile(&segment.rule, &definitions.purposes, None);
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

    /// The index of a segment.
    pub fn segment(&self, name: &Name) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Streams that mean an event's name.
    pub fn streams_of(&self, event: &str) -> impl Iterator<Item = u32> + '_ {
        let exact = self.by_event.get(event).map_or(&[][..], Vec::as_slice);
        let prefixes: Vec<u32> = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| event.starts_with(prefix.as_str()))
            .map(|(_, stream)| *stream)
            .collect();
        exact.iter().copied().chain(prefixes)
    }

    /// Compiles a rule against this plan's streams. `own_messages_of`: message events mean those of this campaign.
    /// Returns the rule, what it depends on directly, and the segments it names.
    pub fn compile(
        &mut self,
        condition: &Condition,
        purposes: &BTreeMap<Name, Purpose>,
        own_messages_of: Option<&Name>,
    ) -> (Node, Uses, Vec<usize>) {
        let mut uses = Uses::default();
        let mut inner = Vec::new();
        let node = self.compile_node(condition, purposes, own_messages_of, &mut uses, &mut inner);
        (node, uses, inner)
    }

    /// As `compile`, with the dependencies of inner segments added. Segments must have been compiled.
    pub fn compile_rule(
        &mut self,
        condition: &Condition,
        purposes: &BTreeMap<Name, Purpose>,
        own_messages_of: Option<&Name>,
    ) -> (Node, Uses) {
        let (node, mut uses, inner) = self.compile(condition, purposes, own_messages_of);
        for index in inner {
            let below = self.segments[index].uses.clone();
            uses.add(&below);
        }
        (node, uses)
    }

    fn compile_node(
        &mut self,
        condition: &Condition,
        purposes: &BTreeMap<Name, Purpose>,
        own: Option<&Name>,
        uses: &mut Uses,
        inner: &mut Vec<usize>,
    ) -> Node {
        match condition {
            Condition::All(list) => {
                Node::All(list.iter().map(|item| self.compile_node(item, purposes, own, uses, inner)).collect())
            }
            Condition::Any(list) => {
                Node::Any(list.iter().map(|item| self.compile_node(item, purposes, own, uses, inner)).collect())
            }
            Condition::None(list) => {
                Node::None(list.iter().map(|item| self.compile_node(item, purposes, own, uses, inner)).collect())
            }
            Condition::Not(item) => Node::Not(Box::new(self.compile_node(item, purposes, own, uses, inner))),
            Condition::Everyone => Node::Everyone,
            Condition::Segment(name) => match self.segment(name) {
                Some(index) => {
                    inner.push(index);
                    Node::Segment(index)
                }
                None => Node::Never,
            },
            Condition::Trait(path, test) => {
                let Some(key) = path.first() else {
                    return Node::Never;
                };
                uses.traits.insert(key.to_owned());
                let test = CompiledTest::new(test);
                uses.zone |= test.uses_zone();
                Node::Trait(path.clone(), Box::new(test))
            }
            Condition::Did(did) => self.compile_did(did, own, uses),
            Condition::Consent(asked) => {
                uses.consent = true;
                Node::Consent(asked.clone(), purposes.get(&asked.purpose).cloned())
            }
            Condition::List(list) => {
                uses.lists = true;
                Node::List(list.clone())
            }
            Condition::KnownFor(known) => {
                uses.existence = true;
                Node::KnownFor(*known)
            }
            Condition::Bucket(bucket) => Node::Bucket(bucket.clone()),
        }
    }

    fn compile_did(&mut self, did: &Did, own: Option<&Name>, uses: &mut Uses) -> Node {
        let source = match own {
            Some(campaign) => own_messages_only(did, campaign),
            None => did.filter.clone(),
        };
        let filter = source.as_ref().map(CompiledTests::new);
        let value = match &did.measure {
            Measure::Count { .. } => None,
            Measure::Aggregate { aggregate, path, .. } => Some((path.clone(), *aggregate == Aggregate::Distinct)),
        };
        let malformed = filter.as_ref().is_some_and(CompiledTests::is_malformed)
            || value.as_ref().is_some_and(|(path, _)| path.is_malformed());
        if malformed {
            return Node::Never;
        }
        let settled = match (&filter, &source) {
            (Some(filter), Some(source)) => is_settled_at_arrival(filter, source),
            _ => true,
        };
        let windows = &did.windows;
        let local_edges = [&windows.after, &windows.before]
            .into_iter()
            .flatten()
            .any(|edge| domain::Timestamp::parse(edge).is_none());
        let uses_zone = did.zone.is_none() && (windows.within_days.is_some() || local_edges || !settled);
        uses.zone |= uses_zone;
        let need = need_of(did, settled, own.is_some());
        let stream = self.stream(StreamSpec { event: did.event.clone(), filter, value, keeps_body: !settled, need });
        uses.streams.insert(stream);
        let question = match &did.measure {
            Measure::Count { least, most } => Question::Count { least: *least, most: *most },
            Measure::Aggregate { aggregate, comparison, .. } => Question::Aggregate(*aggregate, *comparison),
        };
        Node::Did(Box::new(DidNode { stream, windows: windows.clone(), question, zone: did.zone.clone(), uses_zone }))
    }

    /// Finds or makes a stream; one that exists keeps what either needs.
    fn stream(&mut self, spec: StreamSpec) -> u32 {
        let same = |other: &StreamSpec| {
            other.event == spec.event
                && other.filter == spec.filter
                && other.value == spec.value
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

    /// Segments whose verdict may differ after `touch`. An event concerns only those that mention it.
    pub fn concerned(&self, touch: &Touch) -> Vec<usize> {
        let only_streams =
            !touch.everything && !touch.consent && !touch.lists && !touch.existence && touch.traits.is_empty();
        if !only_streams {
            return (0..self.segments.len()).filter(|index| self.segments[*index].uses.is_touched(touch)).collect();
        }
        let mut concerned: Vec<usize> =
            touch.streams.iter().flat_map(|stream| self.by_stream[*stream as usize].iter().copied()).collect();
        concerned.sort_unstable();
        concerned.dedup();
        concerned
    }

    /// Whether the streams are the same as another plan's, so that what customers keep still fits.
    pub fn has_same_streams(&self, other: &Plan) -> bool {
        self.streams.len() == other.streams.len()
            && self.streams.iter().zip(&other.streams).all(|(a, b)| {
                a.event == b.event
                    && a.filter == b.filter
                    && a.value == b.value
                    && a.keeps_body == b.keeps_body
                    && a.need == b.need
            })
    }
}

/// What a `did` needs its stream to keep. `since_entry`: a campaign asks about events after an entry, of any age.
fn need_of(did: &Did, settled: bool, since_entry: bool) -> Need {
    let windows = &did.windows;
    let fixed = windows.after.is_some() || windows.before.is_some();
    // A day more than the calendar days asked for, and two for zones and their changes.
    let calendar = windows.within_days.map(|days| Span::days(i64::from(days) + 3));
    let horizon = match (windows.within, calendar) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    };
    let recent = match &did.measure {
        Measure::Count { least, most } if settled && !fixed => {
            Some((*least).max(most.map_or(0, |most| most + 1)).max(1) as usize)
        }
        _ => None,
    };
    Need { recent, horizon: if since_entry { None } else { horizon } }
}

/// Inside a campaign, message events mean this campaign's own unless the filter names a campaign.
fn own_messages_only(did: &Did, campaign: &Name) -> Option<domain::Tests> {
    let name = match &did.event {
        EventName::Exact(name) | EventName::Prefix(name) => name.as_str(),
    };
    let about_messages = name.starts_with("Message ") || name.starts_with("Email ") || name == "Unsubscribed";
    if !about_messages || did.filter.as_ref().is_some_and(names_campaign) {
        return did.filter.clone();
    }
    let own = domain::Tests::At(
        Path::new("campaign"),
        domain::Test {
            operator: domain::value::Operator::Is(Some(domain::value::Scalar::Text(campaign.as_str().to_owned()))),
            ignore_case: false,
            zone: None,
        },
    );
    Some(match did.filter.clone() {
        None => own,
        Some(filter) => domain::Tests::All(vec![own, filter]),
    })
}

fn names_campaign(tests: &domain::Tests) -> bool {
    match tests {
        domain::Tests::All(inner) | domain::Tests::Any(inner) | domain::Tests::None(inner) => {
            inner.iter().any(names_campaign)
        }
        domain::Tests::At(path, _) | domain::Tests::Elements(path, ..) => path.first() == Some("campaign"),
    }
}
