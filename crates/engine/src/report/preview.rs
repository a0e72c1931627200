//! What definitions would do if they took effect now, worked out over the real past. Nothing is saved.

use super::Who;
use super::words::campaign_words;
use crate::decide::prepared::Prepared;
use crate::define::{Change, DefineError, Wanted};
use crate::profile::identity::is_by_hand;
use crate::profile::{Customer, People};
use crate::segment::describe::describe;
use crate::segment::lanes::bits::Bits;
use crate::segment::lanes::{LaneView, Live, Rules};
use crate::segment::plan::{Node, Plan};
use crate::segment::questions::only_with;
use crate::segment::{Asked, as_of};
use crate::state::Engine;
use domain::campaign::{State, Trigger};
use domain::definition::Definitions;
use domain::{Campaign, CustomerId, DefinitionKind, Name, Position, Span, Timestamp, Zone};
use std::collections::{BTreeSet, HashSet};
use store::{Reader, RowId, StoreError};

/// How far a campaign on an event is looked back for.
pub const LOOK_BACK: Span = Span::days(30);
/// People shown as examples.
const SAMPLE: usize = 5;

/// Definitions that were checked and not saved, with what is needed to see what they would do.
pub struct Draft {
    parts: Vec<Part>,
    plan: Plan,
    clock: Timestamp,
    zone: Zone,
    /// Worked out over the live state already, where that keeps all that the rules ask about.
    known: Option<Vec<Effect>>,
    /// The rules, and the lanes that answer them.
    lanes: Option<(Rules, LaneView)>,
    /// Whose calls are whose: for a walk over the past.
    people: Option<People>,
}

/// One definition of a draft.
pub struct Part {
    /// What would become of it; nobody is counted here yet.
    pub change: Change,
    /// In one plain sentence.
    pub sentence: String,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
    what: What,
}

enum What {
    /// It moves nobody.
    Nothing,
    /// A segment that stays as it is, and its members.
    Stays(Bits),
    /// A segment, and its members now.
    Segment { asked: Placed, before: Bits },
    /// A campaign that lets in by a segment.
    Campaign(Box<ByMembership>),
    /// A campaign that lets in by an event.
    Did(Box<Prepared>),
}

struct ByMembership {
    asked: Placed,
    before: Bits,
    only_if: Option<Node>,
    way: Way,
    is_running: bool,
    is_new: bool,
    /// Those who are inside, or may not enter again.
    barred: Bits,
}

/// A segment and its place in the plan.
struct Placed {
    segment: Name,
    place: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Enters,
    Leaves,
}

/// Whom a draft would touch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// What they have to do with it.
    pub touches: Touches,
    /// How many they are.
    pub people: u64,
    /// Those who would enter the segment or the campaign at once.
    pub enter: u64,
    /// Those who would leave the segment at once.
    pub leave: u64,
    /// The five seen first.
    sample: BTreeSet<CustomerId>,
}

/// What the people of an effect have to do with the definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touches {
    /// Nothing.
    Nobody,
    /// They would be members.
    Members,
    /// They are in the segment that lets in.
    MayEnter,
    /// They are in the segment that lets in by leaving it.
    MayLeave,
    /// They did it in the last 30 days.
    Did {
        /// How often in all.
        times: u64,
    },
}

impl Effect {
    fn of(touches: Touches) -> Effect {
        Effect { touches, people: 0, enter: 0, leave: 0, sample: BTreeSet::new() }
    }

    fn add(&mut self, id: CustomerId) {
        self.people += 1;
        self.sample.insert(id);
        if self.sample.len() > SAMPLE {
            self.sample.pop_last();
        }
    }

    /// Five of them, to look at.
    pub fn sample(&self, engine: &Engine) -> Vec<Who> {
        self.sample.iter().map(|id| engine.who(*id)).collect()
    }
}

impl Engine {
    /// Checks definitions as saving them would, and takes what is needed to see what they would do. Saves nothing.
    /// O(customers · definitions) where the live state keeps all that is asked about, else O(names).
    pub fn draft(&self, wanted: &Wanted) -> Result<Draft, DefineError> {
        let (definitions, changes) = self.check_wanted(wanted)?;
        let moved = self.moved_by(&definitions, &changes);
        let mut parts = Vec::with_capacity(changes.len());
        for change in changes {
            let what = match change.kind {
                _ if change.action == "deleted" => What::Nothing,
                DefinitionKind::Segment if moved.contains(&change.name) => {
                    let asked = Placed { segment: change.name.clone(), place: 0 };
                    What::Segment { asked, before: self.members64(&change.name) }
                }
                DefinitionKind::Segment => What::Stays(self.members64(&change.name)),
                DefinitionKind::Campaign => match definitions.campaigns.get(&change.name) {
                    Some(campaign) => self.campaign_part(campaign, &definitions, &change),
                    None => What::Nothing,
                },
                _ => What::Nothing,
            };
            let (sentence, warnings) = self.describe_definition(&definitions, &change);
            parts.push(Part { change, sentence, warnings, what });
        }
        let plan = self.plan.redefined(&definitions, &moved);
        let zone = definitions.settings.zone.clone();
        let mut draft = Draft { parts, plan, clock: self.clock, zone, known: None, lanes: None, people: None };
        draft.place(&definitions);
        if draft.plan.keeps_the_same(&self.plan) {
            draft.known = Some(draft.judge(self.customers.iter()));
        } else {
            // History is walked then: for what is asked alone, not for all that the workspace keeps.
            draft.plan = Plan::new(&only_with(&definitions, draft.segments(&definitions)));
            draft.place(&definitions);
            draft.lanes = self.lanes_of(&draft);
        }
        let walks = (draft.known.is_none() && draft.lanes.is_none())
            || draft.parts.iter().any(|part| matches!(part.what, What::Did(_)));
        draft.people = walks.then(|| self.people.clone());
        Ok(draft)
    }

    /// What asks lanes, if they can answer.
    fn lanes_of(&self, draft: &Draft) -> Option<(Rules, LaneView)> {
        let view = self.lanes.view(&draft.plan, &self.people, self.position)?;
        let room = self.people.node_count() + 1;
        let live = Live { held: &self.plan.held, clock: self.clock };
        let rules = Rules::of(&draft.plan, &draft.rules(), live, &self.customers, self.clock, room)?;
        Some((rules, view))
    }

    /// The segments whose members may differ: those that change, and those that name such a one. When what a
    /// purpose or the settings mean changes, all of them.
    fn moved_by(&self, definitions: &Definitions, changes: &[Change]) -> BTreeSet<Name> {
        let is_changed = |change: &&Change| change.action != "unchanged";
        let reaches_all = |kind| matches!(kind, DefinitionKind::Purpose | DefinitionKind::Workspace);
        if changes.iter().filter(is_changed).any(|change| reaches_all(change.kind)) {
            return definitions.segments.keys().cloned().collect();
        }
        let own = changes.iter().filter(is_changed).filter(|change| change.kind == DefinitionKind::Segment);
        let mut moved: BTreeSet<Name> = own.map(|change| change.name.clone()).collect();
        loop {
            let before = moved.len();
            for segment in definitions.segments.values() {
                if segment.rule.segments().into_iter().any(|inner| moved.contains(inner)) {
                    moved.insert(segment.name.clone());
                }
            }
            if moved.len() == before {
                return moved;
            }
        }
    }

    fn members64(&self, name: &Name) -> Bits {
        let mut members = Bits::default();
        if let Some(index) = self.plan.segment(name) {
            for (id, customer) in self.customers.iter() {
                if customer.is_member(index) {
                    members.insert(id);
                }
            }
        }
        members
    }

    fn campaign_part(&self, campaign: &Campaign, definitions: &Definitions, change: &Change) -> What {
        let (segment, way) = match &campaign.enter.on {
            Trigger::Enters(segment) => (segment, Way::Enters),
            Trigger::Leaves(segment) => (segment, Way::Leaves),
            Trigger::Did { .. } => {
                return What::Did(Box::new(Prepared::new(campaign, 0, &mut self.plan.clone(), definitions)));
            }
            // Nobody enters by its definition: time alone lets in.
            Trigger::Date(_) | Trigger::Record(_) | Trigger::Every(_) => return What::Nothing,
        };
        let mut barred = Bits::default();
        let entered = self.entries.keys().filter(|(name, ..)| *name == campaign.name);
        for (_, id, key) in entered {
            let id = self.person(*id);
            if self.is_inside(&campaign.name, id, key.as_ref()) || !self.may_enter_again(campaign, id, key.as_ref()) {
                barred.insert(id);
            }
        }
        What::Campaign(Box::new(ByMembership {
            asked: Placed { segment: segment.clone(), place: 0 },
            before: self.members64(segment),
            only_if: None,
            way,
            is_running: campaign.state == State::Running,
            is_new: change.action == "created",
            barred,
        }))
    }

    fn describe_definition(&self, definitions: &Definitions, change: &Change) -> (String, Vec<String>) {
        match change.kind {
            DefinitionKind::Segment => definitions
                .segments
                .get(&change.name)
                .map(|segment| (describe(&segment.rule), self.warn_segment(segment))),
            DefinitionKind::Campaign => definitions
                .campaigns
                .get(&change.name)
                .map(|campaign| (campaign_words(campaign, definitions), self.warn_campaign(campaign, definitions))),
            _ => None,
        }
        .unwrap_or_default()
    }
}

impl Draft {
    /// The definitions of the draft, those to be put first, in the order in which they were given.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The part of a definition.
    pub fn part(&self, kind: DefinitionKind, name: &Name) -> Option<&Part> {
        self.parts.iter().find(|part| part.change.kind == kind && part.change.name == *name)
    }

    /// Whom one definition would touch. O(calls) unless the live state knew; needs no lock on that.
    pub fn effect(&self, reader: &dyn Reader, kind: DefinitionKind, name: &Name) -> Result<Effect, StoreError> {
        let Some(place) = self.parts.iter().position(|part| part.change.kind == kind && part.change.name == *name)
        else {
            return Ok(Effect::of(Touches::Nobody));
        };
        if let What::Did(prepared) = &self.parts[place].what {
            return self.did(reader, prepared);
        }
        Ok(self.moves(reader)?.swap_remove(place))
    }

    /// What would change, with how many would enter and leave at once. O(calls) unless the live state knew.
    pub fn changes(&self, reader: &dyn Reader) -> Result<Vec<Change>, StoreError> {
        let effects = self.moves(reader)?;
        let counted = self.parts.iter().zip(effects).map(|(part, effect)| Change {
            enter: effect.enter,
            leave: effect.leave,
            ..part.change.clone()
        });
        Ok(counted.collect())
    }

    /// The segments that are asked.
    fn segments(&self, definitions: &Definitions) -> Vec<Name> {
        let mut asked = Vec::new();
        for part in &self.parts {
            match &part.what {
                What::Segment { asked: placed, .. } => asked.push(placed.segment.clone()),
                What::Campaign(campaign) => {
                    asked.push(campaign.asked.segment.clone());
                    let defined = definitions.campaigns.get(&part.change.name);
                    let only_if = defined.and_then(|campaign| campaign.enter.only_if.as_ref());
                    asked.extend(only_if.into_iter().flat_map(|rule| rule.segments()).cloned());
                }
                What::Nothing | What::Stays(_) | What::Did(_) => {}
            }
        }
        asked
    }

    /// Finds what is asked in the plan, and compiles against it what no segment asks.
    fn place(&mut self, definitions: &Definitions) {
        let plan = &mut self.plan;
        for part in &mut self.parts {
            let asked = match &mut part.what {
                What::Segment { asked, .. } => asked,
                What::Campaign(campaign) => {
                    let defined = definitions.campaigns.get(&part.change.name);
                    let only_if = defined.and_then(|campaign| campaign.enter.only_if.as_ref());
                    campaign.only_if = only_if.map(|rule| {
                        plan.compile_rule(rule, &definitions.purposes, crate::segment::Standpoint::default()).0
                    });
                    &mut campaign.asked
                }
                What::Nothing | What::Stays(_) | What::Did(_) => continue,
            };
            asked.place = plan.segment(&asked.segment).expect("the definitions were checked: the segment is there");
        }
    }

    /// All rules that are asked: of each part that moves people by them, in order, the segment's and then `only_if`.
    fn rules(&self) -> Vec<&Node> {
        let mut rules = Vec::new();
        for part in &self.parts {
            match &part.what {
                What::Nothing | What::Stays(_) | What::Did(_) => {}
                What::Segment { asked, .. } => rules.push(&self.plan.segments[asked.place].rule),
                What::Campaign(campaign) => {
                    rules.push(&self.plan.segments[campaign.asked.place].rule);
                    rules.extend(&campaign.only_if);
                }
            }
        }
        rules
    }

    fn moves(&self, reader: &dyn Reader) -> Result<Vec<Effect>, StoreError> {
        if let Some((rules, lanes)) = &self.lanes {
            return Ok(self.judge_sets(&lanes.ask(&self.plan, rules)?, rules.existing()));
        }
        match (&self.known, &self.people) {
            (Some(known), _) => Ok(known.clone()),
            (None, Some(people)) => {
                let customers = as_of::build(reader, people, &self.plan, self.clock)?;
                Ok(self.judge(customers.iter().map(|(id, customer)| (*id, customer))))
            }
            (None, None) => Ok(self.judge(std::iter::empty())),
        }
    }

    /// As `judge`, where the people of whom each rule holds are known.
    fn judge_sets(&self, sets: &[Bits], existing: &Bits) -> Vec<Effect> {
        let mut sets = sets.iter();
        let effect = |part: &Part| {
            let mut effect = part.what.at_rest();
            match &part.what {
                What::Nothing | What::Stays(_) | What::Did(_) => {}
                What::Segment { before, .. } => {
                    let members = sets.next().unwrap_or(existing);
                    effect.people = members.count();
                    effect.enter = members.count_without(before);
                    effect.leave =
                        existing.iter().filter(|id| before.contains(*id) && !members.contains(*id)).count() as u64;
                    effect.sample = members.iter().take(SAMPLE).collect();
                }
                What::Campaign(campaign) => {
                    let members = sets.next().unwrap_or(existing);
                    let may_enter = if campaign.only_if.is_some() { sets.next() } else { None };
                    effect.people = members.count();
                    effect.sample = members.iter().take(SAMPLE).collect();
                    let enters = |id: &CustomerId| {
                        campaign.lets_in(*id, members.contains(*id)) && may_enter.is_none_or(|may| may.contains(*id))
                    };
                    effect.enter = existing.iter().filter(enters).count() as u64;
                }
            }
            effect
        };
        self.parts.iter().map(effect).collect()
    }

    /// Asks every rule of every customer.
    fn judge<'a>(&self, customers: impl Iterator<Item = (CustomerId, &'a Customer)>) -> Vec<Effect> {
        let mut effects: Vec<Effect> = self.parts.iter().map(|part| part.what.at_rest()).collect();
        for (id, customer) in customers {
            let asked = Asked::of(&self.plan, id, customer, self.clock);
            for (part, effect) in self.parts.iter().zip(&mut effects) {
                match &part.what {
                    What::Nothing | What::Stays(_) | What::Did(_) => {}
                    What::Segment { asked: Placed { place, .. }, before } => {
                        if asked.verdict(&self.plan.segments[*place].rule).holds {
                            effect.add(id);
                            effect.enter += u64::from(!before.contains(id));
                        } else {
                            effect.leave += u64::from(before.contains(id));
                        }
                    }
                    What::Campaign(campaign) => {
                        let is_member = asked.verdict(&self.plan.segments[campaign.asked.place].rule).holds;
                        if is_member {
                            effect.add(id);
                        }
                        let enters = campaign.lets_in(id, is_member)
                            && campaign.only_if.as_ref().is_none_or(|rule| asked.verdict(rule).holds);
                        effect.enter += u64::from(enters);
                    }
                }
            }
        }
        effects
    }

    fn did(&self, reader: &dyn Reader, prepared: &Prepared) -> Result<Effect, StoreError> {
        let since = self.clock.minus(LOOK_BACK);
        let mut people = HashSet::new();
        let mut times = 0;
        reader.replay(RowId(0), &mut |row| {
            for (offset, call) in (0_u64..).zip(&row.calls) {
                let in_time = call.timestamp > since && call.timestamp <= self.clock && !is_by_hand(call);
                if in_time && prepared.is_trigger(call, &self.zone) {
                    times += 1;
                    let position = Position(row.first.0 + offset);
                    people.extend(self.people.as_ref().and_then(|people| people.owner(call, position)));
                }
            }
            Ok(())
        })?;
        let mut effect = Effect::of(Touches::Did { times });
        people.into_iter().for_each(|id| effect.add(id));
        Ok(effect)
    }
}

impl What {
    /// Its effect as far as no rule need be asked.
    fn at_rest(&self) -> Effect {
        let mut effect = Effect::of(self.touches());
        if let What::Stays(members) = self {
            effect.people = members.count();
            effect.sample = members.iter().take(SAMPLE).collect();
        }
        effect
    }

    fn touches(&self) -> Touches {
        match self {
            What::Nothing => Touches::Nobody,
            What::Stays(_) | What::Segment { .. } => Touches::Members,
            What::Campaign(campaign) if campaign.way == Way::Enters => Touches::MayEnter,
            What::Campaign(_) => Touches::MayLeave,
            What::Did(_) => Touches::Did { times: 0 },
        }
    }
}

impl ByMembership {
    /// Whether the definitions let somebody in at once, as far as membership says.
    fn lets_in(&self, id: CustomerId, is_member: bool) -> bool {
        let was = self.before.contains(id);
        let moves = match self.way {
            // Present members enter when the campaign starts.
            Way::Enters => is_member && (self.is_new || !was),
            Way::Leaves => was && !is_member,
        };
        self.is_running && moves && !self.barred.contains(id)
    }
}
