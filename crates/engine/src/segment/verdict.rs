//! The verdict of a rule for one customer at an instant, and when it has to be asked again.

use crate::profile::{Customer, Terms};
use crate::segment::feature::{Entry, Kept, Places};
use crate::segment::plan::{DidNode, EventsNode, Node, Plan, Question, RecordJudged, RecordNode, Rhythm, RhythmNode};
use crate::segment::rhythm::{self, Pairs};
use crate::segment::test::{Answer, CompiledTests, Subject, earlier};
use crate::segment::triggered::{Scope, has_other_key};
use domain::segment::{Aggregate, Comparison, ConsentAsked, End, KnownFor};
use domain::value::{Quantifier, When};
use domain::{CustomerId, Path, Span, Timestamp, Zone};
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most steps of a walk over instants at which something changes; then the rule is asked again.
pub(crate) const WALK: usize = 256;

/// Whether a rule holds, and the next instant at which it must be asked again: never later than the first
/// instant at which it would differ by time alone.
pub type Verdict = Answer;

/// One question: of whom, when, and since when events count.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The plan whose streams the customer keeps.
    pub plan: &'a Plan,
    /// Their id, for buckets.
    pub id: CustomerId,
    /// Of whom.
    pub customer: &'a Customer,
    /// When.
    pub now: Timestamp,
    /// Events at or before this instant do not count where the rule says so: the entry into a campaign.
    pub floor: Option<Timestamp>,
    /// What triggered, and for which key.
    pub scope: Scope<'a>,
    /// Where the entries of each stream stand, if somebody has looked already.
    pub(crate) places: Option<&'a Places>,
}

impl<'a> Asked<'a> {
    /// About everything that happened, whatever triggered.
    pub fn of(plan: &'a Plan, id: CustomerId, customer: &'a Customer, now: Timestamp) -> Asked<'a> {
        Asked { plan, id, customer, now, floor: None, scope: Scope::default(), places: None }
    }

    /// The customer's zone at the instant.
    pub fn zone(&self) -> Zone {
        self.customer.zone(self.now, &self.plan.settings.zone)
    }

    /// Asks a rule.
    pub fn verdict(&self, rule: &Node) -> Verdict {
        if self.now < self.customer.first_seen {
            return Verdict { holds: false, check: Some(self.customer.first_seen) };
        }
        self.judge(rule)
    }

    fn judge(&self, rule: &Node) -> Verdict {
        match rule {
            Node::All(inner) => self.group(inner, false),
            Node::Any(inner) => self.group(inner, true),
            Node::None(inner) => opposite(self.group(inner, true)),
            Node::Not(inner) => opposite(self.judge(inner)),
            Node::Everyone => Verdict::fixed(true),
            Node::Never => Verdict::fixed(false),
            // Another segment is asked as it stands: only this rule's own events must be later than the floor.
            Node::Segment(index) => {
                Asked { floor: None, scope: Scope::default(), ..*self }.judge(&self.plan.segments[*index].rule)
            }
            Node::Trait(path, test) => {
                let zone = self.zone_if(test.uses_zone());
                self.of_trait(path, test.ask_at(Subject::Traits(&self.customer.traits), path, self.now, &zone), {
                    test.uses_zone()
                })
            }
            Node::TraitElements(tests) => {
                let zone = self.zone_if(tests.uses_zone());
                let answer = tests.ask_of(Subject::Traits(&self.customer.traits), self.now, &zone);
                match tests.as_ref() {
                    CompiledTests::Elements(path, ..) => self.of_trait(path, answer, tests.uses_zone()),
                    _ => answer,
                }
            }
            Node::Triggered(source, tests) => {
                let zone = self.zone_if(tests.uses_zone());
                tests.ask_of(self.scope.subject(*source), self.now, &zone)
            }
            Node::Did(did) => self.did(did),
            Node::Rhythm(node) => self.rhythm(node),
            Node::Record(node) => self.records(node),
            // No prediction has scored anybody yet: every score is missing.
            Node::Score(_, test) => test.ask(None, self.now, &Zone::utc()),
            Node::Consent(asked, terms) => self.consent(asked, terms.as_deref()),
            Node::List(list) => Verdict {
                holds: self.customer.standing.is_on_list(list, self.now),
                check: self.customer.standing.next_list_change(self.now),
            },
            Node::KnownFor(known) => {
                let (span, older) = match known {
                    KnownFor::AtLeast(span) => (*span, true),
                    KnownFor::LessThan(span) => (*span, false),
                };
                let turn = self.customer.first_seen.plus(span);
                Verdict { holds: (self.now >= turn) == older, check: (turn > self.now).then_some(turn) }
            }
            Node::Bucket(bucket) => {
                let seed = format!("segment:{}", bucket.seed);
                let place = models::assignment::bucket(&seed, &self.id.to_string());
                Verdict::fixed(place < bucket.percent.buckets())
            }
        }
    }

    /// When the customer's zone changes, where the verdict depends on it.
    fn zone_change(&self, needed: bool) -> Option<Timestamp> {
        if needed { self.customer.traits.next_change("timezone", self.now) } else { None }
    }

    // Looking a zone up costs more than most tests: only where it matters.
    fn zone_if(&self, needed: bool) -> Zone {
        if needed { self.zone() } else { Zone::utc() }
    }

    /// Conditions of which one decides that says `deciding`: of `any` one that holds, of `all` one that does not.
    ///
    /// As long as one of those that decide stays as it is, so does the whole; so it is asked again when the last of
    /// them may differ. Where none decides, any one may turn it.
    fn group(&self, inner: &[Node], deciding: bool) -> Verdict {
        let mut turns = None;
        let mut decided: Option<Option<Timestamp>> = None;
        for node in inner {
            let verdict = self.judge(node);
            if verdict.holds != deciding {
                turns = earlier(turns, verdict.check);
                continue;
            }
            // None, which is never, is the latest of all.
            decided = Some(match (decided, verdict.check) {
                (None, check) => check,
                (Some(known), check) => known.zip(check).map(|(known, check)| known.max(check)),
            });
            if decided == Some(None) {
                break;
            }
        }
        match decided {
            Some(check) => Verdict { holds: deciding, check },
            None => Verdict { holds: !deciding, check: turns },
        }
    }

    fn consent(&self, asked: &ConsentAsked, terms: Option<&Terms>) -> Verdict {
        let Some(terms) = terms else {
            return Verdict::fixed(false);
        };
        let (state, until) = match &asked.channel {
            Some(channel) => {
                let stands = self.customer.consent(terms, channel, self.now);
                (stands.state, stands.until)
            }
            None => self.customer.weakest_consent(terms, self.now),
        };
        let holds = state == asked.is;
        let change = self.customer.next_consent_change(terms, self.now);
        let Some(within) = asked.ends_within else {
            return Verdict { holds, check: change };
        };
        // Until anything changes, only the time that is left does.
        let turn = until.map(|until| until.minus(within));
        Verdict {
            holds: holds && turn.is_some_and(|turn| turn <= self.now),
            check: earlier(change, turn.filter(|turn| *turn > self.now)),
        }
    }

    /// A verdict about a trait ends where the trait, or the zone it is read in, changes by a call dated ahead.
    fn of_trait(&self, path: &Path, answer: Answer, uses_zone: bool) -> Verdict {
        let change = self.customer.traits.next_change(path.first().unwrap_or_default(), self.now);
        let change = earlier(change, self.zone_change(uses_zone));
        Verdict { holds: answer.holds, check: earlier(answer.check, change) }
    }

    fn zone_of(&self, own: Option<&Zone>, uses_zone: bool) -> Zone {
        own.cloned().unwrap_or_else(|| self.zone_if(uses_zone))
    }

    /// The entries of a stream.
    fn held_of(&self, stream: u32) -> &[Entry] {
        match self.places {
            Some(places) => self.customer.streams.entries_at(places.of(stream)),
            None => self.customer.streams.entries(stream),
        }
    }

    /// The entries of a stream that pass its filter now, and when another might. O(entries) where the filter moves
    /// with now, else O(1).
    fn entries(&self, node: &EventsNode, zone: &Zone) -> (Cow<'_, [Entry]>, Option<Timestamp>) {
        let spec = &self.plan.streams[node.stream as usize];
        let entries = self.held_of(node.stream);
        let mut check = self.zone_change(node.uses_zone);
        if !spec.keeps_body {
            return (Cow::Borrowed(entries), check);
        }
        // The filter moves with now: ask it of each body now, and again when one of them may answer otherwise.
        let mut passed = Vec::new();
        let triggered = node.triggered.as_ref().map(|tests| CompiledTests::new(&self.scope.filled_in(tests, self.now)));
        for entry in entries {
            let Kept::Body(body) = &entry.value else { continue };
            if let (Some(path), Some(key)) = (&node.key, self.scope.key)
                && has_other_key(path, body, key)
            {
                continue;
            }
            if let Some(tests) = &triggered {
                let answer = tests.ask(body, self.now, zone);
                check = earlier(check, answer.check);
                if !answer.holds {
                    continue;
                }
            }
            let answer = spec.filter.as_ref().map_or(Answer::fixed(true), |filter| filter.ask(body, self.now, zone));
            check = earlier(check, answer.check);
            if answer.holds {
                let (value, turn) = spec.value_at(body, self.now, zone);
                check = earlier(check, turn);
                passed.push(Entry { value, ..*entry });
            }
        }
        (Cow::Owned(passed), check)
    }

    /// What the commonest question comes to without a walk: a number of events in a rolling window or ever, none of
    /// them ahead. None where it is not that. O(log entries).
    fn count(&self, did: &DidNode) -> Option<Verdict> {
        let Question::Count { least, most } = did.question else { return None };
        let windows = &did.windows;
        let is_plain = windows.within_days.is_none() && windows.after.is_none() && windows.before.is_none();
        if !is_plain
            || did.counts_since
            || did.events.uses_zone
            || self.plan.streams[did.events.stream as usize].keeps_body
        {
            return None;
        }
        let entries = self.held_of(did.events.stream);
        if entries.last().is_some_and(|last| last.order.0 > self.now) {
            return None;
        }
        let leaves = |entry: &Entry| windows.within.map(|within| entry.order.0.plus(within));
        let gone = entries.partition_point(|entry| leaves(entry).is_some_and(|leaves| leaves <= self.now));
        let count = u32::try_from(entries.len() - gone).unwrap_or(u32::MAX);
        // Events only leave; the verdict turns with the one that leaves too few, or few enough.
        let turns_at = |left: u32| entries.get(entries.len().checked_sub(left as usize)?).and_then(leaves);
        Some(match most {
            _ if count < least => Verdict::fixed(false),
            Some(most) if count > most => Verdict { holds: false, check: turns_at(most + 1) },
            _ => Verdict { holds: true, check: if least > 0 { turns_at(least) } else { None } },
        })
    }

    fn did(&self, did: &DidNode) -> Verdict {
        if let Some(verdict) = self.count(did) {
            return verdict;
        }
        let zone = self.zone_of(did.events.zone.as_ref(), did.events.uses_zone);
        let (entries, check) = self.entries(&did.events, &zone);
        let window = Window::of(did, &zone, self.floor.filter(|_| did.counts_since));
        let verdict = walk(window.slice(&entries), &window, did.question, self.now);
        Verdict { holds: verdict.holds, check: earlier(verdict.check, check) }
    }

    fn rhythm(&self, node: &RhythmNode) -> Verdict {
        let zone = self.zone_of(node.stream.zone.as_ref(), node.stream.uses_zone);
        let (entries, mut check) = self.entries(&node.stream, &zone);
        if entries.is_empty() && matches!(node.rhythm, Rhythm::Sequence { .. }) {
            // Nothing that anything could follow.
            return Verdict { holds: false, check };
        }
        let times = || entries.iter().map(|entry| entry.order.0).collect::<Vec<_>>();
        let verdict = match &node.rhythm {
            Rhythm::AtEnd(end) => rhythm::at_end(&entries, *end == End::Last, self.now),
            Rhythm::Sequence { then, absent, within, same, recent } => {
                let zone = self.zone_of(then.zone.as_ref(), then.uses_zone);
                let (followers, turn) = self.entries(then, &zone);
                check = earlier(check, turn);
                let pairs = Pairs { absent: *absent, within: *within, same: *same, recent: *recent };
                rhythm::sequence(&entries, &followers, pairs, self.now)
            }
            Rhythm::FirstTime(within) => {
                let first = entries.first().map(|entry| entry.order.0);
                rhythm::first_time(first.as_slice(), *within, self.now)
            }
            Rhythm::Stopped(active, quiet) => rhythm::stopped(&times(), *active, *quiet, self.now),
            Rhythm::Restarted(quiet, recent) => rhythm::restarted(&times(), *quiet, *recent, self.now),
            Rhythm::Regularly { every, periods, at_least_periods, at_least } => {
                rhythm::regularly(&times(), *every, *periods, *at_least_periods, *at_least, self.now)
            }
        };
        Verdict { holds: verdict.holds, check: earlier(verdict.check, check) }
    }

    /// O(the customer's records of the kind · tests).
    fn records(&self, node: &RecordNode) -> Verdict {
        let zone = self.zone_of(node.zone.as_ref(), node.uses_zone);
        let records = &self.customer.records;
        let mut check = earlier(records.next_change(&node.kind, self.now), self.zone_change(node.uses_zone));
        let (mut all, mut passed) = (0_u32, 0_u32);
        let mut tally = Tally::default();
        for record in records.of_kind(&node.kind, self.now) {
            all += 1;
            let answer = match &node.tests {
                Some(tests) => tests.ask_of(Subject::Record(record), self.now, &zone),
                None => Answer::fixed(true),
            };
            check = earlier(check, answer.check);
            if !answer.holds {
                continue;
            }
            passed += 1;
            if let RecordJudged::Measured(keeps, question) = &node.question {
                tally.add(&keeps.of_record(record, self.now), *question);
            }
        }
        let holds = match &node.question {
            RecordJudged::Quantified(Quantifier::Any) => passed > 0,
            RecordJudged::Quantified(Quantifier::Every) => all > 0 && passed == all,
            RecordJudged::Quantified(Quantifier::NoOne) => passed == 0,
            RecordJudged::Measured(_, question) => tally.holds(*question),
        };
        Verdict { holds, check }
    }
}

fn opposite(verdict: Verdict) -> Verdict {
    Verdict { holds: !verdict.holds, ..verdict }
}

/// The windows of a `did`, with their edges read in a zone.
struct Window<'a> {
    /// Counting from here on.
    from: Timestamp,
    /// Up to but without.
    to: Option<Timestamp>,
    /// An event counts while it is not older than this at now: now - d is the first instant that does.
    moving_from: Option<Span>,
    /// An event counts once it is older than this at now.
    moving_to: Option<Span>,
    within: Option<Span>,
    within_days: Option<u32>,
    zone: &'a Zone,
}

impl<'a> Window<'a> {
    fn of(did: &DidNode, zone: &'a Zone, floor: Option<Timestamp>) -> Window<'a> {
        let edge = |edge: &Option<When>| match edge {
            Some(When::Written(text)) => Timestamp::parse_in(text, zone),
            _ => None,
        };
        let age = |edge: &Option<When>| match edge {
            Some(When::Now(shift)) => Some(Span(shift.0.saturating_neg())),
            _ => None,
        };
        let after = edge(&did.windows.after).unwrap_or(domain::time::EARLIEST);
        // Strictly after the floor: one millisecond later is the first that counts.
        let from = floor.map_or(after, |floor| after.max(floor.plus(Span(1))));
        Window {
            from,
            to: edge(&did.windows.before),
            moving_from: age(&did.windows.after),
            moving_to: age(&did.windows.before),
            within: did.windows.within,
            within_days: did.windows.within_days,
            zone,
        }
    }

    fn slice<'e>(&self, entries: &'e [Entry]) -> &'e [Entry] {
        let start = entries.partition_point(|entry| entry.order.0 < self.from);
        let end = self.to.map_or(entries.len(), |to| entries.partition_point(|entry| entry.order.0 < to));
        entries.get(start..end).unwrap_or(&[])
    }

    /// From when on an event counts, by time alone. Monotone in the event's time.
    fn enters(&self, at: Timestamp) -> Timestamp {
        self.moving_to.map_or(at, |age| at.max(at.plus(age).plus(Span(1))))
    }

    /// When an event stops counting by time alone. Monotone in the event's time.
    fn leaves(&self, at: Timestamp) -> Option<Timestamp> {
        let rolling = self.within.map(|span| at.plus(span));
        let calendar = self.within_days.map(|days| {
            let last = domain::time::add_days(self.zone.date(at), i64::from(days) + 1);
            self.zone.start_of_day(last)
        });
        let moving = self.moving_from.map(|age| at.plus(age).plus(Span(1)));
        earlier(earlier(rolling, calendar), moving)
    }
}

/// Judges the entries that count now, then walks the instants at which one starts or stops counting,
/// until the verdict differs. O(entries) for counts and sums.
fn walk(entries: &[Entry], window: &Window<'_>, question: Question, now: Timestamp) -> Verdict {
    // Entries [gone..came) count: those that came by now and have not left yet.
    let mut came = entries.partition_point(|entry| window.enters(entry.order.0) <= now);
    let mut gone =
        entries[..came].partition_point(|entry| window.leaves(entry.order.0).is_some_and(|leaves| leaves <= now));
    let mut tally = Tally::default();
    entries[gone..came].iter().for_each(|entry| tally.add(&entry.value, question));
    let holds = tally.holds(question);
    let mut steps = 0;
    loop {
        let comes = entries.get(came).map(|entry| window.enters(entry.order.0));
        let goes = entries.get(gone).filter(|_| gone < came).and_then(|entry| window.leaves(entry.order.0));
        let Some(turn) = earlier(comes, goes) else {
            return Verdict { holds, check: None };
        };
        while let Some(entry) = entries.get(came).filter(|entry| window.enters(entry.order.0) <= turn) {
            tally.add(&entry.value, question);
            came += 1;
        }
        while gone < came && window.leaves(entries[gone].order.0).is_some_and(|leaves| leaves <= turn) {
            tally.take(&entries[gone].value, question);
            gone += 1;
        }
        steps += 1;
        if tally.holds(question) != holds || steps == WALK {
            return Verdict { holds, check: Some(turn) };
        }
    }
}

/// Running count and aggregate of the entries that count.
#[derive(Default)]
struct Tally {
    count: u32,
    sum: Decimal,
    numbers: BTreeMap<Decimal, u32>,
    values: BTreeMap<domain::value::Scalar, u32>,
    with_number: u32,
}

impl Tally {
    fn add(&mut self, value: &Kept, question: Question) {
        self.count += 1;
        let Question::Aggregate(aggregate, _) = question else { return };
        match value {
            Kept::Number(Some(number)) => {
                self.with_number += 1;
                self.sum = self.sum.saturating_add(*number);
                if matches!(aggregate, Aggregate::Largest | Aggregate::Smallest) {
                    *self.numbers.entry(*number).or_default() += 1;
                }
            }
            Kept::Scalar(Some(value)) => *self.values.entry(value.as_ref().clone()).or_default() += 1,
            _ => {}
        }
    }

    fn take(&mut self, value: &Kept, question: Question) {
        self.count -= 1;
        let Question::Aggregate(aggregate, _) = question else { return };
        match value {
            Kept::Number(Some(number)) => {
                self.with_number -= 1;
                self.sum = self.sum.saturating_sub(*number);
                if matches!(aggregate, Aggregate::Largest | Aggregate::Smallest) {
                    remove_one(&mut self.numbers, number);
                }
            }
            Kept::Scalar(Some(value)) => remove_one(&mut self.values, value),
            _ => {}
        }
    }

    fn holds(&self, question: Question) -> bool {
        match question {
            Question::Count { least, most } => self.count >= least && most.is_none_or(|most| self.count <= most),
            Question::Aggregate(aggregate, comparison) => match aggregate {
                Aggregate::Sum => comparison.holds(self.sum),
                Aggregate::Distinct => comparison.holds(Decimal::from(self.values.len())),
                Aggregate::Average => self.with_number > 0 && average_holds(self.sum, self.with_number, comparison),
                Aggregate::Largest => self.numbers.keys().next_back().is_some_and(|number| comparison.holds(*number)),
                Aggregate::Smallest => self.numbers.keys().next().is_some_and(|number| comparison.holds(*number)),
            },
        }
    }
}

/// Compares sum / count with the limit as sum with limit · count: exact where a quotient would be cut.
fn average_holds(sum: Decimal, count: u32, comparison: Comparison) -> bool {
    let scaled = |limit: Decimal| limit.checked_mul(Decimal::from(count)).unwrap_or(Decimal::MAX);
    match comparison {
        Comparison::Above(limit) => sum > scaled(limit),
        Comparison::AtLeast(limit) => sum >= scaled(limit),
        Comparison::Below(limit) => sum < scaled(limit),
        Comparison::AtMost(limit) => sum <= scaled(limit),
    }
}

fn remove_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
