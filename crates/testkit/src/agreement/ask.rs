//! Lives a case and asks the engine and the plain evaluator the same questions.

use crate::actors::{Keeps, Post, Shop, name};
use crate::agreement::{Act, Case, Step};
use crate::chance::Chance;
use crate::plain::{Person, Plain};
use crate::random::near;
use domain::definition::{Defined, Definition, Definitions};
use domain::{Call, Condition, CustomerId, Name, Span, Timestamp, Trust};
use engine::Receipt;
use engine::segment::Asked;
use engine::segment::lanes::LaneLimits;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use store::RowId;

/// How far ahead `until` is compared.
const HORIZON: Span = Span::days(40);

/// Where to look while a case is lived.
#[derive(Clone, Debug)]
pub enum Look {
    /// At every step: at everything that is cheap, and at some of the rest by this seed.
    Everywhere(u64),
    /// At the end only, at one question.
    AtEnd(Question),
}

/// What is asked of both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// Who exists.
    People,
    /// Whether a call is a duplicate.
    Duplicate,
    /// Who is in a segment now.
    Members(Name),
    /// Who was in a segment at an instant.
    AsOf(Name, Timestamp),
    /// Who enters and leaves a segment by time alone, since this instant.
    Turns(Name, Timestamp),
    /// Until when somebody's membership stands, and when it was to be asked again.
    Until(Name),
    /// Since when somebody is a member.
    Since(Name),
    /// Something panicked, or a restart changed something.
    Panic,
}

/// A question to which the two gave different answers.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// The question.
    pub question: Question,
    /// Number of steps that had been lived.
    pub steps: usize,
    /// What the clock showed.
    pub now: Timestamp,
    /// What the plain evaluator says of each person by a name that finds them: in (true) or out.
    pub expected: BTreeMap<String, bool>,
    /// For `Until`: whom it is about, and the plain answer.
    pub until: Option<(String, Option<Timestamp>)>,
    /// Both answers in words.
    pub what: String,
}

/// How a case ended.
pub enum Outcome {
    /// Every answer was the same twice.
    Agreed(Facts),
    /// One was not.
    Disagreed(Box<Disagreement>),
    /// The case cannot be lived: a definition or a call is refused.
    Invalid(String),
}

/// How much was asked.
#[derive(Clone, Default, Debug)]
pub struct Facts {
    /// Answers that were compared.
    pub answers: u64,
    /// Entries and exits by time alone.
    pub turns: u64,
    /// Answers that came from lanes.
    pub by_lanes: u64,
    /// For each kind of condition how often it did not hold and held.
    pub verdicts: BTreeMap<&'static str, (u64, u64)>,
}

impl Facts {
    /// Both together.
    #[must_use]
    pub fn with(mut self, other: Facts) -> Facts {
        self.answers += other.answers;
        self.turns += other.turns;
        self.by_lanes += other.by_lanes;
        for (word, (no, yes)) in other.verdicts {
            let sum = self.verdicts.entry(word).or_default();
            *sum = (sum.0 + no, sum.1 + yes);
        }
        self
    }
}

enum Stop {
    Disagreed(Box<Disagreement>),
    Invalid(String),
}

/// Lives a case. A panic is a disagreement too.
pub fn run(case: &Case, look: &Look) -> Outcome {
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut life = Life::begin(case, look)?;
        life.live(case)?;
        Ok(life.facts)
    }));
    match lived {
        Ok(Ok(facts)) => Outcome::Agreed(facts),
        Ok(Err(Stop::Disagreed(found))) => Outcome::Disagreed(found),
        Ok(Err(Stop::Invalid(reason))) => Outcome::Invalid(reason),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome::Disagreed(Box::new(Disagreement {
                question: Question::Panic,
                steps: case.steps.len(),
                now: case.steps.last().map_or(case.start, |step| step.at),
                expected: BTreeMap::new(),
                until: None,
                what: format!("a panic: {}", words.unwrap_or_default()),
            }))
        }
    }
}

/// The shop at the end of a case. The error is the reason why the case cannot be lived.
pub fn live(case: &Case) -> Result<Shop, String> {
    let look = Look::AtEnd(Question::People);
    let lived = Life::begin(case, &look).and_then(|mut life| life.live(case).map(|()| life.shop.clone()));
    lived.map_err(|stop| match stop {
        Stop::Invalid(reason) => reason,
        Stop::Disagreed(found) => found.what,
    })
}

/// What the plain evaluator expects at the end of a case, as a disagreement to write down.
pub fn members_at_end(case: &Case, segment: &str) -> Disagreement {
    let question = Question::Members(name(segment));
    let look = Look::AtEnd(Question::Panic);
    let lived = Life::begin(case, &look).and_then(|mut life| life.live(case).map(|()| life));
    let Ok(life) = lived else { panic!("the case was lived before") };
    let (calls, definitions) = (life.calls(), life.definitions());
    let plain = Plain::new(&calls, &definitions);
    let expected = life.in_words(&plain, &plain.members(&name(segment), life.shop.now()));
    Disagreement { question, steps: case.steps.len(), now: life.shop.now(), expected, until: None, what: String::new() }
}

/// The case without the acts that are refused and change nothing: joins of one person, partings of two.
pub fn without_refused(case: &Case) -> Case {
    let look = Look::AtEnd(Question::Panic);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        Life::begin(case, &look).and_then(|mut life| life.live(case).map(|()| life.refused))
    }));
    let refused = lived.ok().and_then(Result::ok).unwrap_or_default();
    let steps = case.steps.iter().enumerate().filter(|(index, _)| !refused.contains(index));
    Case { steps: steps.map(|(_, step)| step.clone()).collect(), ..case.clone() }
}

struct Life<'a> {
    shop: Shop,
    look: &'a Look,
    chance: Chance,
    steps: usize,
    /// Steps whose act was refused.
    refused: BTreeSet<usize>,
    ids: BTreeSet<String>,
    facts: Facts,
}

type Lived<T> = Result<T, Stop>;

impl<'a> Life<'a> {
    fn begin(case: &Case, look: &'a Look) -> Lived<Life<'a>> {
        let shop = Shop::bare(case.start, Keeps::Memory, Post::Outbox);
        let seed = if let Look::Everywhere(seed) = look { *seed } else { 0 };
        // What is looked at must not follow from what happens.
        let chance = Chance::new(seed ^ 0xa11_ce5);
        let life = Life {
            shop,
            look,
            chance,
            steps: 0,
            refused: BTreeSet::new(),
            ids: BTreeSet::new(),
            facts: Facts::default(),
        };
        life.define(&case.definitions)?;
        Ok(life)
    }

    fn live(&mut self, case: &Case) -> Lived<()> {
        for (index, step) in case.steps.iter().enumerate() {
            self.steps = index;
            let is_last = index + 1 == case.steps.len();
            match self.look {
                Look::Everywhere(_) => {
                    self.pass_time(step.at, None)?;
                    self.act(step)?;
                    self.steps = index + 1;
                    self.compare()?;
                }
                Look::AtEnd(question) => {
                    match question {
                        Question::Turns(segment, _) if is_last => self.pass_time(step.at, Some(segment))?,
                        _ => self.shop.move_to(step.at),
                    }
                    self.act(step)?;
                    if is_last {
                        self.steps = index + 1;
                        self.ask(question)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn define(&self, values: &[Value]) -> Lived<()> {
        let read = |value: &Value| match Definition::read(value) {
            Ok(definition) => Ok(Defined { definition, value: value.clone() }),
            Err(error) => Err(Stop::Invalid(format!("{value}: {error}"))),
        };
        let defined = values.iter().map(read).collect::<Lived<Vec<_>>>()?;
        let now = self.shop.now();
        let done = self.shop.engine_mut().define(defined, "test", now);
        done.map_err(|error| Stop::Invalid(error.to_string()))?;
        self.shop.settle();
        Ok(())
    }

    fn act(&mut self, step: &Step) -> Lived<()> {
        let now = self.shop.now();
        match &step.act {
            Act::Wait => {}
            Act::Send(call) => self.send(call)?,
            Act::Define(values) => self.define(values)?,
            Act::Restart => self.shop.restart(),
            Act::Merge(a, b) => {
                let done = self.shop.engine_mut().merge(a, b, now).map(|_| ());
                self.refused.extend(done.err().map(|_| self.steps));
            }
            Act::Unmerge(a, b) => {
                let done = self.shop.engine_mut().unmerge(a, b, now);
                self.refused.extend(done.err().map(|_| self.steps));
            }
        }
        self.shop.settle();
        // Chunks so small that lives have many, merged now and then, with some calls behind them.
        if self.steps % 3 == 2 {
            self.shop.seal_lanes(&LaneLimits { fewest_calls: 1 + self.steps as u64 % 3, most_calls: 8 });
        }
        Ok(())
    }

    fn send(&mut self, call: &Value) -> Lived<()> {
        let id = call.get("messageId").and_then(Value::as_str);
        let is_known = id.is_some_and(|id| !self.ids.insert(id.to_owned()));
        match self.shop.send(call, Trust::Server) {
            Receipt::Refused { message, .. } => Err(Stop::Invalid(format!("{call}: {message}"))),
            receipt if matches!(receipt, Receipt::Duplicate { .. }) != is_known => {
                let what = format!("{call}: expected duplicate {is_known}, found {receipt:?}");
                Err(self.disagree(Question::Duplicate, BTreeMap::new(), None, what))
            }
            _ => Ok(()),
        }
    }

    fn calls(&self) -> Vec<Arc<Call>> {
        let mut calls = Vec::new();
        let read = self.shop.reader().replay(RowId(0), &mut |row| {
            calls.extend(row.calls);
            Ok(())
        });
        read.expect("the store in memory can be read");
        calls
    }

    fn definitions(&self) -> Definitions {
        self.shop.engine().definitions().clone()
    }

    fn segments(&self) -> Vec<Name> {
        self.shop.engine().definitions().segments.keys().cloned().collect()
    }

    /// Time passes; who enters and leaves by time alone is known beforehand to the millisecond.
    fn pass_time(&mut self, until: Timestamp, only: Option<&Name>) -> Lived<()> {
        let (now, calls, definitions) = (self.shop.now(), self.calls(), self.definitions());
        let plain = Plain::new(&calls, &definitions);
        let segments = only.map_or_else(|| self.segments(), |only| vec![only.clone()]);
        if let Some(segment) = segments.iter().find(|segment| !definitions.segments.contains_key(*segment)) {
            return Err(Stop::Invalid(format!("there is no segment `{segment}`")));
        }
        let mut expected = BTreeSet::new();
        for segment in &segments {
            for person in plain.people().into_iter().filter_map(|id| plain.person(id)) {
                let mut member = person.is_in(segment, now);
                for at in person.turns(segment, now, until) {
                    if person.is_in(segment, at) != member {
                        member = !member;
                        expected.insert((at, segment.clone(), person.id, member));
                    }
                }
            }
        }
        self.shop.take_transitions();
        self.shop.move_to(until);
        let found: BTreeSet<_> = self
            .shop
            .take_transitions()
            .into_iter()
            .map(|it| (it.at, it.segment, it.customer, it.entered))
            .filter(|(_, segment, ..)| segments.contains(segment))
            .collect();
        self.facts.turns += expected.len() as u64;
        self.facts.answers += 1;
        if let Some((at, segment, ..)) = found.symmetric_difference(&expected).min() {
            let words = |all: &BTreeSet<(Timestamp, Name, CustomerId, bool)>| {
                let one = |(at, segment, id, entered): &(Timestamp, Name, CustomerId, bool)| {
                    let word = if *entered { "enters" } else { "leaves" };
                    format!("{at} {} {word} {segment}", self.name_of(*id))
                };
                all.iter().map(one).collect::<Vec<_>>().join(", ")
            };
            let what = format!("by time alone since {now}: expected [{}], found [{}]", words(&expected), words(&found));
            let people = self.in_words(&plain, &plain.members(segment, *at));
            let mut stop = self.disagree(Question::Turns(segment.clone(), now), people, None, what);
            if let Stop::Disagreed(found) = &mut stop {
                found.now = *at;
            }
            return Err(stop);
        }
        // The same instants once more, from nothing.
        if matches!(self.look, Look::Everywhere(_)) {
            let turns: Vec<_> = expected.into_iter().collect();
            if !turns.is_empty() {
                let (at, segment, ..) = self.chance.pick(&turns).clone();
                self.ask_as_of(&plain, &segment, at)?;
                self.ask_as_of(&plain, &segment, at.minus(Span(1)))?;
            }
        }
        Ok(())
    }

    fn compare(&mut self) -> Lived<()> {
        let (now, calls, definitions) = (self.shop.now(), self.calls(), self.definitions());
        let plain = Plain::new(&calls, &definitions);
        self.ask_people(&plain)?;
        let segments = self.segments();
        for segment in &segments {
            self.ask_members(&plain, segment)?;
        }
        for segment in &segments {
            self.ask_as_of(&plain, segment, now)?;
        }
        let segment = self.chance.pick(&segments).clone();
        let at = near(&mut self.chance, now, Span::days(12), Span(0)).min(now);
        self.ask_as_of(&plain, &segment, at)?;
        let people: Vec<_> = plain.people().into_iter().collect();
        if !people.is_empty() {
            let id = *self.chance.pick(&people);
            let person = plain.person(id).expect("one of the people");
            self.count_verdicts(&person, &definitions.segments[&segment].rule);
            self.ask_until(&person, &segment)?;
            self.ask_since(&person, &segment)?;
        }
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Lived<()> {
        let (calls, definitions) = (self.calls(), self.definitions());
        let plain = Plain::new(&calls, &definitions);
        match question {
            Question::Members(segment)
            | Question::AsOf(segment, _)
            | Question::Turns(segment, _)
            | Question::Until(segment)
            | Question::Since(segment)
                if !definitions.segments.contains_key(segment) =>
            {
                Err(Stop::Invalid(format!("there is no segment `{segment}`")))
            }
            Question::People => self.ask_people(&plain),
            Question::Members(segment) => self.ask_members(&plain, segment),
            Question::AsOf(segment, at) => self.ask_as_of(&plain, segment, *at),
            Question::Until(segment) => plain
                .people()
                .into_iter()
                .filter_map(|id| plain.person(id))
                .try_for_each(|person| self.ask_until(&person, segment)),
            Question::Since(segment) => plain
                .people()
                .into_iter()
                .filter_map(|id| plain.person(id))
                .try_for_each(|person| self.ask_since(&person, segment)),
            Question::Duplicate | Question::Turns(..) | Question::Panic => Ok(()),
        }
    }

    fn ask_people(&mut self, plain: &Plain<'_>) -> Lived<()> {
        self.facts.answers += 1;
        let (found, expected) = (self.shop.engine().look().customers(), plain.people());
        if found == expected {
            return Ok(());
        }
        let what = format!("people: expected {expected:?}, found {found:?}");
        Err(self.disagree(Question::People, BTreeMap::new(), None, what))
    }

    fn ask_members(&mut self, plain: &Plain<'_>, segment: &Name) -> Lived<()> {
        let now = self.shop.now();
        let found = self.shop.engine().look().members(segment).unwrap_or_default();
        self.same_people(plain, Question::Members(segment.clone()), &found, &plain.members(segment, now))
    }

    fn ask_as_of(&mut self, plain: &Plain<'_>, segment: &Name, at: Timestamp) -> Lived<()> {
        let found = self.shop.engine().look().members_as_of(segment, at);
        let found = found.expect("the store in memory can be read").unwrap_or_default();
        let expected = plain.members(segment, at);
        self.same_people(plain, Question::AsOf(segment.clone(), at), &found, &expected)?;
        let found = self.shop.engine().members_by_lanes(segment, at);
        if let Some(found) = found.expect("the store in memory can be read") {
            self.facts.by_lanes += 1;
            let found = found.into_iter().collect();
            self.same_people(plain, Question::AsOf(segment.clone(), at), &found, &expected)?;
        }
        Ok(())
    }

    fn same_people(
        &mut self,
        plain: &Plain<'_>,
        question: Question,
        found: &BTreeSet<CustomerId>,
        expected: &BTreeSet<CustomerId>,
    ) -> Lived<()> {
        self.facts.answers += 1;
        if found == expected {
            return Ok(());
        }
        let words = |ids: &BTreeSet<CustomerId>| ids.iter().map(|id| self.name_of(*id)).collect::<Vec<_>>().join(", ");
        let what = format!("expected [{}], found [{}]", words(expected), words(found));
        Err(self.disagree(question, self.in_words(plain, expected), None, what))
    }

    fn ask_until(&mut self, person: &Person<'_>, segment: &Name) -> Lived<()> {
        self.facts.answers += 1;
        let now = self.shop.now();
        let member = person.is_in(segment, now);
        let horizon = now.plus(HORIZON);
        let expected = person.turns(segment, now, horizon).into_iter().find(|at| person.is_in(segment, *at) != member);
        let why = self.shop.engine().look().why(segment, person.id);
        let why = why.expect("the store in memory can be read").expect("the segment was just asked about");
        let check = self.next_check(person.id, segment);
        // When live state is to be asked again: never later than the answer differs.
        let is_too_late = expected.is_some_and(|turn| check.is_none_or(|check| check > turn));
        if why.member == member && why.until.filter(|at| *at <= horizon) == expected && !is_too_late {
            return Ok(());
        }
        let who = self.name_of(person.id);
        let what = format!(
            "{who}: expected {member} until {expected:?}, found {} until {:?}; to be asked again at {check:?}",
            why.member, why.until
        );
        let until = Some((who.clone(), expected));
        Err(self.disagree(Question::Until(segment.clone()), BTreeMap::from([(who, member)]), until, what))
    }

    /// When the verdict on live state is to be asked again.
    fn next_check(&self, id: CustomerId, segment: &Name) -> Option<Timestamp> {
        let engine = self.shop.engine();
        let plan = engine.look().plan();
        let customer = engine.look().customer(id)?;
        let asked = Asked::of(plan, id, customer, engine.clock());
        asked.verdict(&plan.segments[plan.segment(segment)?].rule).check
    }

    fn ask_since(&mut self, person: &Person<'_>, segment: &Name) -> Lived<()> {
        let now = self.shop.now();
        let Some(start) = person.exists.filter(|_| person.is_in(segment, now)) else { return Ok(()) };
        self.facts.answers += 1;
        let mut expected = person.is_in(segment, start).then_some(start);
        for at in person.turns(segment, start, now) {
            expected = if person.is_in(segment, at) { expected.or(Some(at)) } else { None };
        }
        let why = self.shop.engine().look().why(segment, person.id);
        let why = why.expect("the store in memory can be read").expect("the segment was just asked about");
        if why.since == expected {
            return Ok(());
        }
        let who = self.name_of(person.id);
        let what = format!("{who}: expected since {expected:?}, found since {:?}", why.since);
        Err(self.disagree(Question::Since(segment.clone()), BTreeMap::from([(who, true)]), None, what))
    }

    /// Counts how often each kind of condition holds, so that nobody believes in a test that asks nothing.
    fn count_verdicts(&mut self, person: &Person<'_>, rule: &Condition) {
        let now = self.shop.now();
        rule.walk(&mut |condition| {
            let sum = self.facts.verdicts.entry(word(condition)).or_default();
            if person.holds(condition, now) { sum.1 += 1 } else { sum.0 += 1 }
        });
    }

    fn name_of(&self, id: CustomerId) -> String {
        self.shop.engine().look().people().name_of(id).to_string()
    }

    /// Everybody who can be found by their name, and whether they are among some.
    fn in_words(&self, plain: &Plain<'_>, members: &BTreeSet<CustomerId>) -> BTreeMap<String, bool> {
        let engine = self.shop.engine();
        let people = plain.people().into_iter().map(|id| (self.name_of(id), id));
        people
            .filter(|(name, id)| engine.look().find(name) == Some(*id))
            .map(|(name, id)| (name, members.contains(&id)))
            .collect()
    }

    fn disagree(
        &self,
        question: Question,
        expected: BTreeMap<String, bool>,
        until: Option<(String, Option<Timestamp>)>,
        what: String,
    ) -> Stop {
        let (steps, now) = (self.steps, self.shop.now());
        Stop::Disagreed(Box::new(Disagreement { question, steps, now, expected, until, what }))
    }
}

fn word(condition: &Condition) -> &'static str {
    match condition {
        Condition::All(_) => "all",
        Condition::Any(_) => "any",
        Condition::None(_) => "none",
        Condition::Not(_) => "not",
        Condition::Everyone => "everyone",
        Condition::Segment(_) => "segment",
        Condition::Trait(_) => "trait",
        Condition::Did(_) => "did",
        Condition::AtEnd(asked) => asked.end.word(),
        Condition::Sequence(asked) if asked.absent => "sequence, then_not",
        Condition::Sequence(_) => "sequence, then",
        Condition::FirstTime(_) => "first_time",
        Condition::Stopped(_) => "stopped",
        Condition::Restarted(_) => "restarted",
        Condition::Regularly(_) => "regularly",
        Condition::Record(_) => "record",
        Condition::Score(..) => "score",
        Condition::Consent(_) => "consent",
        Condition::List(_) => "list",
        Condition::KnownFor(_) => "known_for",
        Condition::Bucket(_) => "bucket",
    }
}

impl Question {
    /// Its segment, where it is about one.
    pub fn segment(&self) -> Option<&Name> {
        match self {
            Question::Members(segment)
            | Question::AsOf(segment, _)
            | Question::Turns(segment, _)
            | Question::Until(segment)
            | Question::Since(segment) => Some(segment),
            Question::People | Question::Duplicate | Question::Panic => None,
        }
    }
}
