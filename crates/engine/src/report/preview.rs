//! What definitions would do if they were saved now, worked out over the real past. Nothing is saved.

use super::Who;
use super::words::campaign_words;
use crate::decide::prepared::Prepared;
use crate::profile::People;
use crate::profile::identity::is_by_hand;
use crate::segment::describe::describe;
use crate::segment::plan::{Node, Plan};
use crate::segment::{Asked, as_of};
use crate::state::Engine;
use domain::campaign::{Action, Trigger};
use domain::definition::{Defined, Definition, DefinitionError, Definitions};
use domain::segment::{EventName, Measure, RecordQuestion};
use domain::shape::ShapeError;
use domain::value::Quantifier;
use domain::{Campaign, Condition, CustomerId, Name, Position, Segment, Span, Tests, Timestamp};
use std::collections::{BTreeSet, HashSet};
use store::{Reader, RowId, StoreError};

/// How far a campaign on an event is looked back for.
pub const LOOK_BACK: Span = Span::days(30);
/// People shown as examples.
const SAMPLE: usize = 5;

/// Definitions that were checked and not saved, with what is needed to see what they would do.
pub struct Draft {
    definitions: Definitions,
    plan: Plan,
    people: People,
    clock: Timestamp,
    /// Members now, of the segment that is changed.
    members: BTreeSet<CustomerId>,
    /// What the draft makes of a segment.
    what: What,
    /// In one plain sentence.
    pub sentence: String,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
}

enum What {
    /// Worked out over the live state already.
    Known(Effect),
    Segment(Node),
    /// Present members of the segment that lets in, if there is one.
    Enters(Node),
    Leaves(Node),
    Did(Box<Prepared>),
}

/// Whom a draft would touch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A segment.
    Segment {
        /// Members it would have.
        members: BTreeSet<CustomerId>,
        /// Those who would enter.
        enter: u64,
        /// Those who would leave.
        leave: u64,
    },
    /// A campaign for people who enter a segment: its present members.
    Enters(BTreeSet<CustomerId>),
    /// A campaign for people who leave a segment: its present members, who may.
    Leaves(BTreeSet<CustomerId>),
    /// A campaign on an event: who did it in the last 30 days, and how often in all.
    Did {
        /// Who.
        people: BTreeSet<CustomerId>,
        /// How often.
        times: u64,
    },
}

impl Effect {
    /// Everybody it is about.
    pub fn people(&self) -> &BTreeSet<CustomerId> {
        match self {
            Effect::Segment { members, .. } => members,
            Effect::Enters(people) | Effect::Leaves(people) | Effect::Did { people, .. } => people,
        }
    }

    /// Five of them, to look at.
    pub fn sample(&self, engine: &Engine) -> Vec<Who> {
        self.people().iter().take(SAMPLE).map(|id| engine.who(*id)).collect()
    }
}

impl Engine {
    /// Checks definitions as saving them would, and takes what is needed to see what one of them would do: the
    /// segment or campaign called `name`. Saves nothing. O(names).
    pub fn draft(&self, defined: &[Defined], name: &Name) -> Result<Draft, DefinitionError> {
        let mut definitions = self.definitions.clone();
        for one in defined {
            if let Definition::Template(template) = &one.definition {
                crate::write::check_template(template).map_err(|message| DefinitionError {
                    origin: "definitions".to_owned(),
                    definition: format!("template `{}`", template.name),
                    error: ShapeError { path: String::new(), message },
                })?;
            }
            definitions.put(one.definition.clone());
        }
        definitions.check()?;
        let mut plan = Plan::new(&definitions);
        let rule_of = |plan: &Plan, segment: &Name| {
            plan.segment(segment).map_or(Node::Never, |index| plan.segments[index].rule.clone())
        };
        let is_segment =
            defined.iter().any(|one| matches!(&one.definition, Definition::Segment(segment) if segment.name == *name));
        let (what, sentence, warnings) =
            match (definitions.segments.get(name).filter(|_| is_segment), definitions.campaigns.get(name)) {
                (Some(segment), _) => {
                    (What::Segment(rule_of(&plan, name)), describe(&segment.rule), self.warn_segment(segment))
                }
                (None, Some(campaign)) => {
                    let what = match &campaign.enter.on {
                        Trigger::Enters(segment) => What::Enters(rule_of(&plan, segment)),
                        Trigger::Leaves(segment) => What::Leaves(rule_of(&plan, segment)),
                        Trigger::Did { .. } => What::Did(Box::new(Prepared::new(campaign, 0, &mut plan, &definitions))),
                    };
                    (what, campaign_words(campaign, &definitions), self.warn_campaign(campaign, &definitions))
                }
                (None, None) => (What::Segment(Node::Never), String::new(), Vec::new()),
            };
        let members = match self.plan.segment(name).filter(|_| is_segment) {
            Some(index) => {
                self.customers.iter().filter(|(_, customer)| customer.is_member(index)).map(|(id, _)| *id).collect()
            }
            None => BTreeSet::new(),
        };
        let what = match self.known_effect(&definitions, name, is_segment, defined.len(), &members) {
            Some(effect) => What::Known(effect),
            None => what,
        };
        let people = if matches!(what, What::Known(_)) { People::default() } else { self.people.clone() };
        let clock = self.clock;
        Ok(Draft { definitions, plan, people, clock, members, what, sentence, warnings })
    }

    /// What a draft would do, where the live state keeps all that its rule asks about. O(customers).
    fn known_effect(
        &self,
        definitions: &Definitions,
        name: &Name,
        is_segment: bool,
        defined: usize,
        before: &BTreeSet<CustomerId>,
    ) -> Option<Effect> {
        // Of several definitions one may change what another means.
        if defined != 1 {
            return None;
        }
        if is_segment {
            let mut plan = self.plan.clone();
            let (rule, _) = plan.compile_rule(&definitions.segments.get(name)?.rule, &definitions.purposes, None);
            return plan.keeps_the_same(&self.plan).then(|| moves(before, self.satisfying(&rule)));
        }
        let members = |segment: &Name| Some(self.satisfying(&self.plan.segments[self.plan.segment(segment)?].rule));
        match &definitions.campaigns.get(name)?.enter.on {
            Trigger::Enters(segment) => members(segment).map(Effect::Enters),
            Trigger::Leaves(segment) => members(segment).map(Effect::Leaves),
            Trigger::Did { .. } => None,
        }
    }

    fn satisfying(&self, rule: &Node) -> BTreeSet<CustomerId> {
        let holds = |id: CustomerId, customer| {
            Asked { plan: &self.plan, id, customer, now: self.clock, floor: None }.verdict(rule).holds
        };
        self.customers.iter().filter(|(id, customer)| holds(**id, customer)).map(|(id, _)| *id).collect()
    }

    fn warn_segment(&self, segment: &Segment) -> Vec<String> {
        let mut warnings = Vec::new();
        self.warn_rule(&segment.rule, &mut warnings);
        warnings
    }

    /// What is odd about a segment that exists: for its page.
    pub fn segment_warnings(&self, name: &Name) -> Vec<String> {
        self.definitions.segments.get(name).map(|segment| self.warn_segment(segment)).unwrap_or_default()
    }

    fn warn_campaign(&self, campaign: &Campaign, definitions: &Definitions) -> Vec<String> {
        let mut warnings = Vec::new();
        for rule in [&campaign.enter.only_if, &campaign.exit_if].into_iter().flatten() {
            self.warn_rule(rule, &mut warnings);
        }
        if let Trigger::Did { event, .. } = &campaign.enter.on {
            self.warn_event(event, &mut warnings);
        }
        if let Some(goal) = &campaign.goal {
            self.warn_event(&goal.event, &mut warnings);
        }
        let writes = campaign.steps.iter().any(|step| matches!(step.action, Action::Message { .. }));
        if writes && definitions.settings.sender.is_none() {
            warnings.push(
                "no sender is defined, so real mail cannot go out: add `sender:` to `workspace: settings`".to_owned(),
            );
        }
        warnings
    }

    fn warn_rule(&self, rule: &Condition, warnings: &mut Vec<String>) {
        rule.walk(&mut |condition| {
            condition.events(&mut |event, _| self.warn_event(event, warnings));
            let measured = match condition {
                Condition::Did(did) => Some((&did.measure, did.filter.as_ref())),
                Condition::Record(asked) => match &asked.question {
                    RecordQuestion::Measured { filter, measure } => Some((measure, filter.as_ref())),
                    RecordQuestion::Quantified(..) => None,
                },
                _ => None,
            };
            if let Some((Measure::Aggregate { path, .. }, filter)) = measured {
                let is_money = ["revenue", "total", "value", "price", "amount"].contains(&path.as_str());
                if is_money && !filter.is_some_and(|tests| names(tests, "currency")) {
                    warnings.push(format!("`{path}` is added up over all currencies alike: add `where: {{ currency: {{ is: … }} }}` if there are several"));
                }
                if path.is_malformed() {
                    warnings.push(malformed(path.as_str()));
                }
            }
            if let Condition::Sequence(sequence) = condition
                && let Some(path) = sequence.same.as_ref().filter(|path| path.is_malformed())
            {
                warnings.push(malformed(path.as_str()));
            }
            if let Condition::Score(name, _) = condition {
                warnings.push(format!("nobody has a score `{name}` yet: it is missing until predictions fill it"));
            }
            condition.own_tests(&mut |tests| warn_tests(tests, warnings));
        });
        warnings.dedup();
    }

    fn warn_event(&self, event: &EventName, warnings: &mut Vec<String>) {
        let seen = match event {
            EventName::Exact(name) => self.catalogue.has_event(name) || is_own(name),
            EventName::Prefix(_) => self.catalogue.events().iter().any(|(name, _)| event.matches(name)),
        };
        if !seen {
            let known = self.catalogue.events();
            let near = domain::shape::nearest(&event.to_string(), known.iter().map(|(name, _)| *name))
                .map(|near| format!("; the nearest that has is `{near}`"));
            warnings.push(format!("no event `{event}` has come in so far{}", near.unwrap_or_default()));
        }
    }
}

impl Draft {
    /// Whom the draft would touch. O(calls); needs no lock on the live state.
    pub fn effect(&self, reader: &dyn Reader) -> Result<Effect, StoreError> {
        match &self.what {
            What::Known(effect) => Ok(effect.clone()),
            What::Segment(rule) => Ok(moves(&self.members, self.members_of(reader, rule)?)),
            What::Enters(rule) => Ok(Effect::Enters(self.members_of(reader, rule)?)),
            What::Leaves(rule) => Ok(Effect::Leaves(self.members_of(reader, rule)?)),
            What::Did(prepared) => self.did(reader, prepared),
        }
    }

    fn members_of(&self, reader: &dyn Reader, rule: &Node) -> Result<BTreeSet<CustomerId>, StoreError> {
        let customers = as_of::build(reader, &self.people, &self.plan, self.clock)?;
        let holds = |id: CustomerId, customer| {
            Asked { plan: &self.plan, id, customer, now: self.clock, floor: None }.verdict(rule).holds
        };
        Ok(customers.iter().filter(|(id, customer)| holds(**id, customer)).map(|(id, _)| *id).collect())
    }

    fn did(&self, reader: &dyn Reader, prepared: &Prepared) -> Result<Effect, StoreError> {
        let since = self.clock.minus(LOOK_BACK);
        let zone = &self.definitions.settings.zone;
        let mut people = HashSet::new();
        let mut times = 0;
        reader.replay(RowId(0), &mut |row| {
            for (offset, call) in (0_u64..).zip(&row.calls) {
                let in_time = call.timestamp > since && call.timestamp <= self.clock && !is_by_hand(call);
                if in_time && prepared.is_trigger(call, zone) {
                    times += 1;
                    people.extend(self.people.owner(call, Position(row.first.0 + offset)));
                }
            }
            Ok(())
        })?;
        Ok(Effect::Did { people: people.into_iter().collect(), times })
    }
}

/// Who would enter and leave.
fn moves(before: &BTreeSet<CustomerId>, members: BTreeSet<CustomerId>) -> Effect {
    let enter = members.difference(before).count() as u64;
    let leave = before.difference(&members).count() as u64;
    Effect::Segment { members, enter, leave }
}

fn malformed(path: &str) -> String {
    format!("the path `{path}` is malformed, so its condition is never true")
}

/// Events that Perennial writes itself may well be asked for before the first one.
fn is_own(name: &str) -> bool {
    name.starts_with("Message ") || name.starts_with("Email ") || name == domain::call::events::UNSUBSCRIBED
}

fn names(tests: &Tests, key: &str) -> bool {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => inner.iter().any(|tests| names(tests, key)),
        Tests::At(path, _) => path.first() == Some(key),
        Tests::Elements(_, Quantifier::Any | Quantifier::Every | Quantifier::NoOne, inner) => names(inner, key),
    }
}

fn warn_tests(tests: &Tests, warnings: &mut Vec<String>) {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => {
            inner.iter().for_each(|tests| warn_tests(tests, warnings))
        }
        Tests::At(path, _) if path.is_malformed() => warnings.push(malformed(path.as_str())),
        Tests::At(..) => {}
        Tests::Elements(path, _, inner) => {
            if path.is_malformed() {
                warnings.push(malformed(path.as_str()));
            }
            warn_tests(inner, warnings);
        }
    }
}
