//! From a definition to a plan: rules are compiled against the streams that they share.

use crate::profile::customer::Horizons;
use crate::segment::feature::{Keeps, Need, is_settled_at_arrival};
use crate::segment::plan::{
    DidNode, EventsNode, Node, Plan, Question, RecordJudged, RecordNode, Rhythm, RhythmNode, StreamSpec, Uses,
};
use crate::segment::test::{CompiledTest, CompiledTests};
use crate::segment::triggered;
use domain::call::events;
use domain::segment::{
    Aggregate, AtEnd, Did, End, EventName, Events, FirstTime, Measure, RecordAsked, RecordQuestion, Regularly,
    Restarted, Sequence, Stopped,
};
use domain::value::{Operator, When};
use domain::{Condition, Name, Path, Purpose, Span};
use std::collections::BTreeMap;

/// Where a rule stands: what its words mean there beside what they mean in a segment.
#[derive(Clone, Copy, Default, Debug)]
pub struct Standpoint<'a> {
    /// Message events mean those of this campaign.
    pub own_messages_of: Option<&'a Name>,
    /// `did` means events later than some instant, of any age.
    pub since: bool,
    /// Of events that bear this property only those with the asked value count in `did`.
    pub key: Option<&'a Path>,
    /// Paths `event.…` and `record.…` mean what triggered.
    pub triggered: bool,
}

impl Plan {
    /// Compiles a rule against this plan's streams. Returns the rule, what it depends on directly, and the segments it
    /// names.
    pub fn compile(
        &mut self,
        condition: &Condition,
        purposes: &BTreeMap<Name, Purpose>,
        stands: Standpoint<'_>,
    ) -> (Node, Uses, Vec<usize>) {
        let mut uses = Uses::default();
        let mut inner = Vec::new();
        let node = self.compile_node(condition, purposes, stands, &mut uses, &mut inner);
        (node, uses, inner)
    }

    /// As `compile`, with the dependencies of inner segments added. Segments must have been compiled.
    pub fn compile_rule(
        &mut self,
        condition: &Condition,
        purposes: &BTreeMap<Name, Purpose>,
        stands: Standpoint<'_>,
    ) -> (Node, Uses) {
        let (node, mut uses, inner) = self.compile(condition, purposes, stands);
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
        own: Standpoint<'_>,
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
            Condition::Trait(tests) => self.compile_trait(tests, own, uses),
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
                let terms = purposes.get(&asked.purpose).map(|purpose| Box::new(self.terms(purpose)));
                uses.streams.extend(terms.iter().flat_map(|terms| &terms.streams));
                Node::Consent(asked.clone(), terms)
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

    fn compile_did(&mut self, did: &Did, own: Standpoint<'_>, uses: &mut Uses) -> Node {
        let keeps = match &did.measure {
            Measure::Count { .. } => Keeps::Nothing,
            Measure::Aggregate { aggregate, path, .. } => kept_of(*aggregate, path),
        };
        let events = Events { event: did.event.clone(), filter: did.filter.clone(), zone: did.zone.clone() };
        // That something did not happen is asked as it stands.
        let is_absence = matches!(did.measure, Measure::Count { most: Some(0), .. });
        let own = if is_absence { Standpoint { since: false, key: None, ..own } } else { own };
        let windows = &did.windows;
        let Some(mut events) =
            self.compile_events(&events, keeps, own, uses, &|settled| need_of(did, settled, own.since))
        else {
            return Node::Never;
        };
        let local_edges = [&windows.after, &windows.before]
            .into_iter()
            .flatten()
            .any(|edge| matches!(edge, When::Written(text) if domain::Timestamp::parse(text).is_none()));
        if did.zone.is_none() && (windows.within_days.is_some() || local_edges) {
            events.uses_zone = true;
            uses.zone = true;
        }
        Node::Did(Box::new(DidNode {
            events,
            windows: windows.clone(),
            question: question_of(&did.measure),
            counts_since: own.since,
        }))
    }

    /// Finds or makes the stream of some events. None where a malformed path stands in what is asked of them.
    fn compile_events(
        &mut self,
        events: &Events,
        keeps: Keeps,
        own: Standpoint<'_>,
        uses: &mut Uses,
        need: &dyn Fn(bool) -> Need,
    ) -> Option<EventsNode> {
        let source = match own.own_messages_of {
            Some(campaign) => own_messages_only(events, campaign),
            None => events.filter.clone(),
        };
        // Tests that mean what triggered are asked with it; the stream keeps all events for them.
        let (source, triggered) = match source {
            Some(tests) if own.triggered && triggered::is_meant(&tests) => (None, Some(Box::new(tests))),
            source => (source, None),
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
        let is_known = triggered.is_none() && own.key.is_none();
        let settled = is_known && asked.iter().all(|tests| is_settled_at_arrival(tests));
        let uses_zone = events.zone.is_none() && !settled;
        uses.zone |= uses_zone;
        let need = need(settled);
        let stream = self.stream(StreamSpec { event: events.event.clone(), filter, keeps, keeps_body: !settled, need });
        uses.streams.insert(stream);
        Some(EventsNode { stream, zone: events.zone.clone(), uses_zone, key: own.key.cloned(), triggered })
    }

    fn compile_rhythm(
        &mut self,
        events: &Events,
        need: Need,
        rhythm: Rhythm,
        own: Standpoint<'_>,
        uses: &mut Uses,
    ) -> Node {
        // A filter that moves with now may let an older event in later, so the first and the latest are not enough.
        let need = |settled: bool| if settled || !need.first { need } else { Need::ALL };
        match self.compile_events(events, Keeps::Nothing, own.without_key(), uses, &need) {
            Some(stream) => Node::Rhythm(Box::new(RhythmNode { stream, rhythm })),
            None => Node::Never,
        }
    }

    fn compile_at_end(&mut self, at_end: &AtEnd, own: Standpoint<'_>, uses: &mut Uses) -> Node {
        let keeps = Keeps::Passes(Box::new(CompiledTests::new(&at_end.has)));
        let filter_settled =
            at_end.events.filter.as_ref().is_none_or(|tests| is_settled_at_arrival(&CompiledTests::new(tests)));
        let need = |_| match at_end.end {
            _ if !filter_settled => Need::ALL,
            End::Last => Need::recent(1, None),
            End::First => Need::first(),
        };
        match self.compile_events(&at_end.events, keeps, own.without_key(), uses, &need) {
            Some(stream) => Node::Rhythm(Box::new(RhythmNode { stream, rhythm: Rhythm::AtEnd(at_end.end) })),
            None => Node::Never,
        }
    }

    fn compile_sequence(&mut self, sequence: &Sequence, own: Standpoint<'_>, uses: &mut Uses) -> Node {
        let own = own.without_key();
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

    fn compile_trait(&mut self, tests: &domain::Tests, own: Standpoint<'_>, uses: &mut Uses) -> Node {
        if own.triggered
            && let Some((source, tests)) = triggered::of_trait(tests)
        {
            let compiled = CompiledTests::new(&tests);
            return if compiled.is_malformed() { Node::Never } else { Node::Triggered(source, Box::new(compiled)) };
        }
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
}

impl Standpoint<'_> {
    fn without_key(self) -> Self {
        Standpoint { key: None, ..self }
    }
}

/// What a `did` needs its stream to keep. `since_entry`: a campaign asks about events after an entry, of any age.
fn need_of(did: &Did, settled: bool, since_entry: bool) -> Need {
    let windows = &did.windows;
    let has_edge = windows.after.is_some() || windows.before.is_some();
    // A moving edge is itself within the window, a rolling window's is not.
    let moving = match windows.after {
        Some(When::Now(shift)) => Some(Span(1_i64.saturating_sub(shift.0).max(1))),
        _ => None,
    };
    // A day more than the calendar days asked for, and two for zones and their changes.
    let calendar = windows.within_days.map(|days| Span::days(i64::from(days) + 3));
    let horizon = [windows.within, calendar, moving].into_iter().flatten().min();
    let horizon = if since_entry { None } else { horizon };
    match &did.measure {
        Measure::Count { least, most } if settled && !has_edge => {
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
pub(crate) fn own_messages_only(events: &Events, campaign: &Name) -> Option<domain::Tests> {
    let name = match &events.event {
        EventName::Exact(name) | EventName::Prefix(name) => name.as_str(),
    };
    let starts = ["Message ", "Email ", "In-App "];
    let about_messages = starts.iter().any(|start| name.starts_with(start))
        || [events::UNSUBSCRIBED, events::PUSH_CLICKED].contains(&name)
        || events::is_of_machine(name);
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
