//! The plan: all rules of a workspace compiled against streams of events that they share.
//! A thousand segments that ask about the last order keep one number per customer.

use crate::profile::customer::Horizons;
use crate::profile::records::KindHorizons;
use crate::segment::feature::{Keeps, Need, is_settled_at_arrival};
use crate::segment::test::{CompiledTest, CompiledTests};
use domain::definition::Definitions;
use domain::segment::{
    Aggregate, AtEnd, Bucket, Comparison, ConsentAsked, Did, End, EventName, Events, FirstTime, KnownFor, Measure,
    RecordAsked, RecordQuestion, Regularly, Restarted, Sequence, Stopped, Windows,
};
use domain::value::{Operator, Quantifier};
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
    fn add(&mut self, other: &Uses) {
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
            Condition::Trait(tests) => self.compile_trait(tests, uses),
            Condition::Did(did) => self.compile_did(did, own, uses),
            Condition::AtEnd(at_end) => self.compile_at_end(at_end, own, uses),
            Condition::Sequence(sequence) => self.compile_sequence(sequence, own, uses),
            Condition::FirstTime(FirstTime { events, within }) => {
                self.compile_rhythm(events, Need::first(), Rhythm::FirstTime(*within), own, uses)
            }
            Condition::Stopped(Stopped { events, active, quiet }) => {
                let rhythm = Rhythm::Stopped(*active, *quiet);
                self.compile_rhythm(events, Need::young(Some(*active)), rhythm, own, uses)
            }
            Condition::Restarted(Restarted { events, quiet, recent }) => {
                let horizon = Span(quiet.0 + recent.0);
                let need = Need { first: true, ..Need::young(Some(horizon)) };
                self.compile_rhythm(events, need, Rhythm::Restarted(*quiet, *recent), own, uses)
            }
            Condition::Regularly(Regularly { events, every, periods, at_least_periods, at_least }) => {
                let horizon = Span(every.0.saturating_mul(i64::from(*periods)));
                let rhythm = Rhythm::Regularly {
                    every: *every,
                    periods: *periods,
                    at_least_periods: *at_least_periods,
                    at_least: *at_least,
                };
                self.compile_rhythm(events, Need::young(Some(horizon)), rhythm, own, uses)
            }
            Condition::Record(asked) => self.compile_record(asked, uses),
            Condition::Score(name, test) => Node::Score(name.clone(), Box::new(CompiledTest::new(test))),
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
        let keeps = match &did.measure {
            Measure::Count { .. } => Keeps::Nothing,
            Measure::Aggregate { aggregate, path, .. } => kept_of(*aggregate, path),
        };
        let events = Events { event: did.event.clone(), filter: did.filter.clone(), zone: did.zone.clone() };
        let windows = &did.windows;
        let Some(mut events) =
            self.compile_events(&events, keeps, own, uses, &|settled| need_of(did, settled, own.is_some()))
        else {
            return Node::Never;
        };
        let local_edges = [&windows.after, &windows.before]
            .into_iter()
            .flatten()
            .any(|edge| domain::Timestamp::parse(edge).is_none());
        if did.zone.is_none() && (windows.within_days.is_some() || local_edges) {
            events.uses_zone = true;
            uses.zone = true;
        }
        Node::Did(Box::new(DidNode { events, windows: windows.clone(), question: question_of(&did.measure) }))
    }

    /// Finds or makes the stream of some events. None where a malformed path stands in what is asked of them.
    fn compile_events(
        &mut self,
        events: &Events,
        keeps: Keeps,
        own: Option<&Name>,
        uses: &mut Uses,
        need: &dyn Fn(bool) -> Need,
    ) -> Option<EventsNode> {
        let source = match own {
            Some(campaign) => own_messages_only(events, campaign),
            None => events.filter.clone(),
        };
        let filter = source.as_ref().map(CompiledTests::new);
        let further = match &keeps {
            Keeps::Nothing => None,
            Keeps::Number(path) | Keeps::Scalar(path) if path.is_malformed() => return None,
            Keeps::Number(_) | Keeps::Scalar(_) => None,
            Keeps::Passes(tests) => Some(tests.as_ref()),
        };
        let asked: Vec<&CompiledTests> = filter.iter().chain(further).collect();
        if asked.iter().any(|tests| tests.is_malformed()) {
            return None;
        }
        let settled = asked.iter().all(|tests| is_settled_at_arrival(tests));
        let uses_zone = events.zone.is_none() && !settled;
        uses.zone |= uses_zone;
        let need = need(settled);
        let stream = self.stream(StreamSpec { event: events.event.clone(), filter, keeps, keeps_body: !settled, need });
        uses.streams.insert(stream);
        Some(EventsNode { stream, zone: events.zone.clone(), uses_zone })
    }

    fn compile_rhythm(
        &mut self,
        events: &Events,
        need: Need,
        rhythm: Rhythm,
        own: Option<&Name>,
        uses: &mut Uses,
    ) -> Node {
        // A filter that moves with now may let an older event in later, so the first and the latest are not enough.
        let need = |settled: bool| if settled || !need.first { need } else { Need::ALL };
        match self.compile_events(events, Keeps::Nothing, own, uses, &need) {
            Some(stream) => Node::Rhythm(Box::new(RhythmNode { stream, rhythm })),
            None => Node::Never,
        }
    }

    fn compile_at_end(&mut self, at_end: &AtEnd, own: Option<&Name>, uses: &mut Uses) -> Node {
        let keeps = Keeps::Passes(Box::new(CompiledTests::new(&at_end.has)));
        let filter_settled =
            at_end.events.filter.as_ref().is_none_or(|tests| is_settled_at_arrival(&CompiledTests::new(tests)));
        let need = |_| match at_end.end {
            _ if !filter_settled => Need::ALL,
            End::Last => Need::recent(1, None),
            End::First => Need::first(),
        };
        match self.compile_events(&at_end.events, keeps, own, uses, &need) {
            Some(stream) => Node::Rhythm(Box::new(RhythmNode { stream, rhythm: Rhythm::AtEnd(at_end.end) })),
            None => Node::Never,
        }
    }

    fn compile_sequence(&mut self, sequence: &Sequence, own: Option<&Name>, uses: &mut Uses) -> Node {
        let keeps = || sequence.same.clone().map_or(Keeps::Nothing, Keeps::Scalar);
        let reach = |more: Span| sequence.recent.map(|recent| Span(recent.0 + more.0));
        let need = Need::young(reach(Span(0)));
        let first = self.compile_events(&sequence.first, keeps(), own, uses, &|_| need);
        let need = Need::young(reach(sequence.within));
        let then = self.compile_events(&sequence.then, keeps(), own, uses, &|_| need);
        let (Some(stream), Some(then)) = (first, then) else {
            return Node::Never;
        };
        let Sequence { absent, within, recent, .. } = *sequence;
        let rhythm = Rhythm::Sequence { then, absent, within, same: sequence.same.is_some(), recent };
        Node::Rhythm(Box::new(RhythmNode { stream, rhythm }))
    }

    fn compile_trait(&mut self, tests: &domain::Tests, uses: &mut Uses) -> Node {
        match tests {
            domain::Tests::At(path, test) => {
                let Some(key) = path.first() else { return Node::Never };
                uses.traits.insert(key.to_owned());
                if let Operator::HeldFor(_, held) = &test.operator {
                    reach_back(&mut self.held.traits, key, held.span());
                }
                let test = CompiledTest::new(test);
                uses.zone |= test.uses_zone();
                Node::Trait(path.clone(), Box::new(test))
            }
            domain::Tests::Elements(path, ..) => {
                let compiled = CompiledTests::new(tests);
                let Some(key) = path.first().filter(|_| !compiled.is_malformed()) else { return Node::Never };
                uses.traits.insert(key.to_owned());
                uses.zone |= compiled.uses_zone();
                Node::TraitElements(Box::new(compiled))
            }
            _ => Node::Never,
        }
    }

    fn compile_record(&mut self, asked: &RecordAsked, uses: &mut Uses) -> Node {
        let (source, question) = match &asked.question {
            RecordQuestion::Quantified(quantifier, tests) => (Some(tests), RecordJudged::Quantified(*quantifier)),
            RecordQuestion::Measured { filter, measure } => {
                let keeps = match measure {
                    Measure::Count { .. } => Keeps::Nothing,
                    Measure::Aggregate { path, .. } if path.is_malformed() => return Node::Never,
                    Measure::Aggregate { aggregate, path, .. } => kept_of(*aggregate, path),
                };
                (filter.as_ref(), RecordJudged::Measured(keeps, question_of(measure)))
            }
        };
        let tests = source.map(CompiledTests::new);
        if tests.as_ref().is_some_and(CompiledTests::is_malformed) {
            return Node::Never;
        }
        if let Some(source) = source {
            let horizons = self.held.attributes.entry(asked.kind.clone()).or_default();
            source.walk(&mut |path, test| {
                if let (Some(key), Operator::HeldFor(_, held)) = (path.first(), &test.operator) {
                    reach_back(horizons, key, held.span());
                }
            });
            if horizons.is_empty() {
                self.held.attributes.remove(&asked.kind);
            }
        }
        uses.records.insert(asked.kind.clone());
        let uses_zone = asked.zone.is_none() && tests.as_ref().is_some_and(CompiledTests::uses_zone);
        uses.zone |= uses_zone;
        Node::Record(Box::new(RecordNode {
            kind: asked.kind.clone(),
            tests,
            question,
            zone: asked.zone.clone(),
            uses_zone,
        }))
    }

    /// Finds or makes a stream; one that exists keeps what either needs.
    fn stream(&mut self, spec: StreamSpec) -> u32 {
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

    /// Segments whose verdict may differ after `touch`. An event concerns only those that mention it.
    pub fn concerned(&self, touch: &Touch) -> Vec<usize> {
        let only_streams = !touch.everything
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
    let horizon = if since_entry { None } else { horizon };
    match &did.measure {
        Measure::Count { least, most } if settled && !fixed => {
            Need::recent((*least).max(most.map_or(0, |most| most + 1)).max(1) as usize, horizon)
        }
        _ => Need::young(horizon),
    }
}

/// What is kept of each event or record for an aggregate.
fn kept_of(aggregate: Aggregate, path: &Path) -> Keeps {
    match aggregate {
        Aggregate::Distinct => Keeps::Scalar(path.clone()),
        _ => Keeps::Number(path.clone()),
    }
}

fn question_of(measure: &Measure) -> Question {
    match measure {
        Measure::Count { least, most } => Question::Count { least: *least, most: *most },
        Measure::Aggregate { aggregate, comparison, .. } => Question::Aggregate(*aggregate, *comparison),
    }
}

fn reach_back(horizons: &mut Horizons, key: &str, span: Span) {
    let horizon = horizons.entry(key.to_owned()).or_default();
    *horizon = (*horizon).max(span);
}

/// Inside a campaign, message events mean this campaign's own unless the filter names a campaign.
fn own_messages_only(events: &Events, campaign: &Name) -> Option<domain::Tests> {
    let name = match &events.event {
        EventName::Exact(name) | EventName::Prefix(name) => name.as_str(),
    };
    let about_messages = name.starts_with("Message ") || name.starts_with("Email ") || name == "Unsubscribed";
    if !about_messages || events.filter.as_ref().is_some_and(names_campaign) {
        return events.filter.clone();
    }
    let own = domain::Tests::At(
        Path::new("campaign"),
        domain::Test {
            operator: domain::value::Operator::Is(Some(domain::value::Scalar::Text(campaign.as_str().to_owned()))),
            ignore_case: false,
            zone: None,
        },
    );
    Some(match events.filter.clone() {
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
