//! Messages with `allocate: bandit`: who got which variant, what came of it, and how the variants are shared today.
//!
//! Shares are worked out at the beginning of each day (UTC) from customers whose goal window was over by then, and written
//! down whenever they change; nobody is drawn by anything else. Whoever got a variant keeps it, whatever the shares become.

use crate::decide::program::Place;
use crate::state::Engine;
use crate::timers::Timer;
use domain::campaign::{Action, Allocate, Campaign, State};
use domain::message::Message;
use domain::{Currency, CustomerId, MessageId, Money, Name, Span, Timestamp};
use models::assignment;
use models::bandit::{Outcomes, shares};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use store::{Arm, Assignment, CampaignFacts, Exposure, Sharing, VariantShare};

/// Variants with the part of the sum of all that each gets.
pub(crate) type Chances = Arc<[(Arc<str>, u32)]>;

/// Every step that ever was a bandit in the present comparison of its campaign, by campaign and step.
#[derive(Default, Debug)]
pub(crate) struct Bandits {
    of: BTreeMap<Name, BTreeMap<String, Bandit>>,
}

/// What is known of one step.
#[derive(Debug)]
pub(crate) struct Bandit {
    /// Of which comparison of which campaign of that name: another forgets it all.
    draw: u32,
    started_at: Timestamp,
    /// How it was shared, the latest last.
    pub(crate) sharings: Vec<Sharing>,
    /// The latest of them, as it is drawn by.
    chances: Chances,
    assigned: BTreeMap<CustomerId, Assigned>,
    /// Assignments so far.
    count: u64,
}

/// Who got which variant.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Assigned {
    /// Their order.
    number: u64,
    message: MessageId,
    journey: Arc<str>,
    pub(crate) at: Timestamp,
    pub(crate) variant: Arc<str>,
    /// With which chances it was drawn.
    pub(crate) chances: Chances,
    /// They had another variant before, which is no more.
    is_mixed: bool,
    /// What came of the journey, once its draw took effect.
    came: Option<Came>,
}

/// What came of a journey so far.
#[derive(Clone, PartialEq, Debug)]
struct Came {
    arm: Arm,
    until: Timestamp,
    came_back: bool,
    worth: Vec<Money>,
}

/// What happens to variants at an instant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A new day: what was learned counts.
    NewDay,
    /// Definitions changed: new variants get a share, what was learned waits for the next day.
    Definitions,
}

/// A customer's variant.
pub(crate) struct Drawn {
    pub(crate) variant: Arc<str>,
    /// With which chances it was drawn just now; none: it was drawn before, or by weights alone.
    pub(crate) chances: Option<Chances>,
}

/// A customer whose window is over: one unit of what is learned.
pub(crate) struct Unit<'a> {
    pub(crate) assigned: &'a Assigned,
    pub(crate) came_back: bool,
    /// 1 or 0, or what they spent, in minor units of money.
    pub(crate) outcome: i64,
}

impl Bandit {
    fn new(facts: &CampaignFacts) -> Bandit {
        Bandit {
            draw: facts.draw,
            started_at: facts.started_at,
            sharings: Vec::new(),
            chances: Arc::new([]),
            assigned: BTreeMap::new(),
            count: 0,
        }
    }

    fn is_of(&self, facts: &CampaignFacts) -> bool {
        (self.draw, self.started_at) == (facts.draw, facts.started_at)
    }

    fn share(&mut self, sharing: Sharing) {
        self.chances = sharing.variants.iter().map(|one| (one.variant.clone(), one.share)).collect();
        self.sharings.push(sharing);
    }

    /// The chances of the variants of a version: today's, or where today's say nothing of one of them, where it begins.
    fn chances_of(&self, variants: &[(&str, u32)]) -> Chances {
        let is_same = self.chances.len() == variants.len()
            && self.chances.iter().zip(variants).all(|((known, _), (variant, _))| **known == **variant);
        if is_same {
            return self.chances.clone();
        }
        let found = |variant: &str| self.chances.iter().find(|(known, _)| **known == *variant).cloned();
        let known: Option<Chances> = variants.iter().map(|(variant, _)| found(variant)).collect();
        known.unwrap_or_else(|| beginning(variants))
    }

    fn assign(&mut self, assignment: &Assignment, exposure: Option<&Exposure>) {
        self.count += 1;
        // Thousands who are drawn by the same shares need them in memory once.
        let chances = if self.chances == assignment.shares { self.chances.clone() } else { assignment.shares.clone() };
        let mut assigned = Assigned {
            number: self.count,
            message: assignment.message.clone(),
            journey: assignment.journey.clone(),
            at: assignment.at,
            variant: assignment.variant.clone(),
            chances,
            is_mixed: false,
            // Of a window that was over before, nothing of what came is due to the variant.
            came: exposure.filter(|exposure| exposure.until >= assignment.at).map(Came::of),
        };
        match self.assigned.entry(assignment.customer) {
            Entry::Vacant(free) => {
                free.insert(assigned);
            }
            Entry::Occupied(mut taken) => {
                assigned.is_mixed = true;
                taken.insert(assigned);
            }
        }
    }

    /// Everybody who got a variant, each with the one they have now.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = (CustomerId, &Assigned)> {
        self.assigned.iter().map(|(customer, assigned)| (*customer, assigned))
    }
}

impl Came {
    fn of(exposure: &Exposure) -> Came {
        Came {
            arm: exposure.arm,
            until: exposure.until,
            came_back: exposure.came_back_at.is_some(),
            worth: exposure.worth.clone(),
        }
    }
}

impl Bandits {
    pub(crate) fn find(&self, campaign: &Name, step: &str) -> Option<&Bandit> {
        self.of.get(campaign)?.get(step)
    }

    /// In words, a line for each thing, for tests.
    pub(crate) fn describe(&self, visit: &mut dyn FnMut(String, String)) {
        for (campaign, steps) in &self.of {
            for (step, bandit) in steps {
                visit(format!("shares at {step} of {campaign}"), format!("{} {:?}", bandit.draw, bandit.sharings));
                for (customer, assigned) in &bandit.assigned {
                    visit(format!("variant of {customer} at {step} of {campaign}"), format!("{assigned:?}"));
                }
            }
        }
    }
}

/// The variants that take part, with their weights.
fn taking_part(variants: &[(String, u32)]) -> Vec<(&str, u32)> {
    variants.iter().filter(|(_, weight)| *weight > 0).map(|(variant, weight)| (variant.as_str(), *weight)).collect()
}

/// The chances where it begins: the weights as they are written, with the floor under each.
fn beginning(variants: &[(&str, u32)]) -> Chances {
    let weights: Vec<u32> = variants.iter().map(|(_, weight)| *weight).collect();
    let parts = shares(&vec![Outcomes::default(); variants.len()], &weights, u64::MAX);
    variants.iter().zip(parts).map(|((variant, _), part)| (Arc::from(*variant), part)).collect()
}

fn day_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0.rem_euclid(Span::DAY.0))
}

impl Engine {
    /// Takes back who got which variant, and how they were shared. Campaigns are compiled already.
    pub(crate) fn recover_bandits(&mut self, sharings: Vec<Sharing>, assignments: &[(Assignment, Option<Exposure>)]) {
        for sharing in sharings {
            if let Some(bandit) = self.bandit_of(&sharing.campaign, &sharing.step, sharing.draw, sharing.since) {
                bandit.share(sharing);
            }
        }
        let mut last: Option<Chances> = None;
        for (assignment, exposure) in assignments {
            let mut assignment = assignment.clone();
            match &last {
                Some(chances) if *chances == assignment.shares => assignment.shares = chances.clone(),
                _ => last = Some(assignment.shares.clone()),
            }
            let Assignment { campaign, step, draw, at, .. } = &assignment;
            if let Some(bandit) = self.bandit_of(campaign, step, *draw, *at) {
                bandit.assign(&assignment, exposure.as_ref());
            }
        }
        self.wake_at_next_day();
    }

    /// The bandit to which something recorded belongs; none if that was an earlier comparison, or another campaign of the name.
    fn bandit_of(&mut self, campaign: &Name, step: &str, draw: u32, at: Timestamp) -> Option<&mut Bandit> {
        let facts = &self.campaigns.get(campaign)?.facts;
        if facts.draw != draw || at < facts.started_at {
            return None;
        }
        let steps = self.bandits.of.entry(campaign.clone()).or_default();
        Some(steps.entry(step.to_owned()).or_insert_with(|| Bandit::new(facts)))
    }

    /// Works out how variants are shared from now on, and writes down what is new of it.
    pub(crate) fn share_variants(&mut self, occasion: Occasion) {
        let campaigns = &self.campaigns;
        self.bandits.of.retain(|name, steps| {
            steps.retain(|_, bandit| campaigns.get(name).is_some_and(|campaigning| bandit.is_of(&campaigning.facts)));
            !steps.is_empty()
        });
        for (name, prepared) in self.learning() {
            for place in &prepared.program.places {
                let Action::Message { variants, allocate: Allocate::Bandit, .. } = &place.action else { continue };
                let variants = taking_part(variants);
                let Some(facts) = self.campaigns.get(&name).map(|campaigning| campaigning.facts.clone()) else {
                    continue;
                };
                let steps = self.bandits.of.entry(name.clone()).or_default();
                steps.entry(place.id.clone()).or_insert_with(|| Bandit::new(&facts));
                self.share_step(&prepared.campaign, &place.id, &variants, occasion);
            }
        }
        self.wake_at_next_day();
    }

    /// Campaigns that are not stopped and share variants by what works, as they are defined now.
    fn learning(&self) -> Vec<(Name, Arc<crate::decide::prepared::Prepared>)> {
        let learns = |prepared: &crate::decide::prepared::Prepared| {
            let is_bandit = |place: &Place| matches!(place.action, Action::Message { allocate: Allocate::Bandit, .. });
            prepared.campaign.state != State::Stopped && prepared.program.places.iter().any(is_bandit)
        };
        let current = self.campaigns.iter().map(|(name, campaigning)| (name.clone(), campaigning.current.clone()));
        current.filter(|(_, prepared)| learns(prepared)).collect()
    }

    fn share_step(&mut self, campaign: &Campaign, step: &str, variants: &[(&str, u32)], occasion: Occasion) {
        let Some(bandit) = self.bandits.find(&campaign.name, step) else { return };
        let is_same = bandit.chances.len() == variants.len()
            && bandit.chances.iter().zip(variants).all(|((known, _), (variant, _))| **known == **variant);
        if occasion == Occasion::Definitions && is_same {
            return;
        }
        let now = self.clock;
        let units = self.units(bandit, campaign, day_of(now));
        let mut learned = vec![(Outcomes::default(), 0_u64); variants.len()];
        for unit in &units {
            let place = variants.iter().position(|(variant, _)| *unit.assigned.variant == **variant);
            let Some((outcomes, came_back)) = place.and_then(|place| learned.get_mut(place)) else { continue };
            outcomes.add(unit.outcome);
            *came_back += u64::from(unit.came_back);
        }
        let outcomes: Vec<Outcomes> = learned.iter().map(|(outcomes, _)| *outcomes).collect();
        let weights: Vec<u32> = variants.iter().map(|(_, weight)| *weight).collect();
        let parts = shares(&outcomes, &weights, self.options.bandits_learn_after.unwrap_or(u64::MAX));
        let variants: Vec<VariantShare> = variants
            .iter()
            .zip(parts)
            .zip(learned)
            .map(|(((variant, _), share), (outcomes, came_back))| VariantShare {
                variant: Arc::from(*variant),
                share,
                customers: outcomes.customers,
                came_back,
            })
            .collect();
        if bandit.sharings.last().is_some_and(|last| last.variants == variants) {
            return;
        }
        let draw = bandit.draw;
        let sharing = Sharing { campaign: campaign.name.clone(), step: step.to_owned(), draw, since: now, variants };
        self.pending.sharings.push(sharing.clone());
        if let Some(bandit) = self.bandits.of.get_mut(&campaign.name).and_then(|steps| steps.get_mut(step)) {
            bandit.share(sharing);
        }
    }

    /// At the first instant of a day, whatever the input that brings it: what was learned counts from here on.
    pub(crate) fn begin_day(&mut self) {
        if day_of(self.clock) == self.clock && self.timers.take(self.clock, Timer::Day) {
            self.share_variants(Occasion::NewDay);
        }
    }

    /// Wakes at the beginning of the next day, if there is anything to learn.
    fn wake_at_next_day(&mut self) {
        if self.options.bandits_learn_after.is_some() && !self.learning().is_empty() {
            self.timers.insert(day_of(self.clock).plus(Span::DAY), Timer::Day);
        }
    }

    /// Customers whose window was over before an instant, in the order in which they were drawn.
    ///
    /// People who are one by now count once, with what they got first; those who got two different variants count for
    /// neither. A goal without `value` counts who came back; one with it what they spent, in one currency.
    pub(crate) fn units<'b>(&self, bandit: &'b Bandit, campaign: &Campaign, over_before: Timestamp) -> Vec<Unit<'b>> {
        let mut people: BTreeMap<CustomerId, (&Assigned, bool)> = BTreeMap::new();
        for (id, assigned) in &bandit.assigned {
            match people.entry(self.person(*id)) {
                Entry::Vacant(free) => {
                    free.insert((assigned, assigned.is_mixed));
                }
                Entry::Occupied(mut taken) => {
                    let (first, is_mixed) = taken.get_mut();
                    *is_mixed |= assigned.is_mixed || first.variant != assigned.variant;
                    if assigned.number < first.number {
                        *first = assigned;
                    }
                }
            }
        }
        let is_over = |came: &Came| {
            #[cfg(feature = "planted-bugs")]
            if self.has_bug(crate::state::PlantedBug::BanditLearnsTooEarly) {
                return true;
            }
            came.until < over_before
        };
        let mut over: Vec<(&Assigned, &Came)> = people
            .into_values()
            .filter(|(_, is_mixed)| !is_mixed)
            .filter_map(|(assigned, _)| Some((assigned, assigned.came.as_ref()?)))
            .filter(|&(_, came)| came.arm == Arm::Messaged && is_over(came))
            .collect();
        over.sort_by_key(|(assigned, _)| assigned.number);
        let has_value = campaign.goal.as_ref().is_some_and(|goal| goal.value.is_some());
        let currency = self.currency_of(over.iter().flat_map(|(_, came)| &came.worth));
        let outcome = |came: &Came| {
            if !has_value {
                return i64::from(came.came_back);
            }
            let own = came.worth.iter().filter(|worth| worth.currency == currency);
            own.fold(0, |sum: i64, worth| sum.saturating_add(worth.minor))
        };
        over.into_iter()
            .map(|(assigned, came)| Unit { assigned, came_back: came.came_back, outcome: outcome(came) })
            .collect()
    }

    /// The currency in which something was spent: the workspace's, unless nothing was; then the commonest.
    fn currency_of<'a>(&self, worth: impl Iterator<Item = &'a Money>) -> Currency {
        let mut counts: BTreeMap<Currency, u64> = BTreeMap::new();
        for money in worth {
            *counts.entry(money.currency).or_default() += 1;
        }
        let own = self.definitions.settings.currency;
        let commonest = counts.iter().max_by_key(|(currency, count)| (**count, std::cmp::Reverse(**currency)));
        commonest.filter(|_| !counts.contains_key(&own)).map_or(own, |(currency, _)| *currency)
    }

    /// In which currency a campaign's bandits count, if they count money.
    pub(crate) fn bandit_currency(&self, bandit: &Bandit) -> Currency {
        self.currency_of(
            bandit.assigned.values().filter_map(|assigned| assigned.came.as_ref()).flat_map(|it| &it.worth),
        )
    }

    /// Which variant of a step somebody gets: the one they got before in this comparison, else by the hash of the draw.
    pub(crate) fn draw_variant(
        &self,
        campaign: &Campaign,
        facts: &CampaignFacts,
        step: &Place,
        person: CustomerId,
    ) -> Option<Drawn> {
        let Action::Message { variants, allocate, .. } = &step.action else {
            return None;
        };
        let bandit = self.bandits.find(&campaign.name, &step.id).filter(|bandit| bandit.is_of(facts));
        if let Some(variant) = bandit.and_then(|bandit| self.kept_variant(bandit, variants, person)) {
            return Some(Drawn { variant, chances: None });
        }
        let seed = format!("{}:{}{}", campaign.name, facts.draw, step.id);
        let bucket = assignment::bucket(&seed, &person.to_string());
        if *allocate == Allocate::Bandit {
            let taking_part = taking_part(variants);
            let chances = bandit.map_or_else(|| beginning(&taking_part), |bandit| bandit.chances_of(&taking_part));
            let weights: Vec<u32> = chances.iter().map(|(_, share)| *share).collect();
            let variant = chances[assignment::choose(bucket, &weights)?].0.clone();
            return Some(Drawn { variant, chances: Some(chances) });
        }
        let weights: Vec<u32> = variants.iter().map(|(_, weight)| *weight).collect();
        let index = assignment::choose(bucket, &weights)?;
        Some(Drawn { variant: Arc::from(variants[index].0.as_str()), chances: None })
    }

    /// The variant that somebody, under the oldest of their ids that has one, got before, if it still takes part.
    fn kept_variant(&self, bandit: &Bandit, variants: &[(String, u32)], person: CustomerId) -> Option<Arc<str>> {
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::VariantsAreRedrawn) {
            return None;
        }
        let ids = self.people.nodes_of(person.0).into_iter().map(CustomerId);
        let variant = ids.filter_map(|id| bandit.assigned.get(&id)).map(|assigned| &assigned.variant).next()?;
        variants.iter().any(|(known, weight)| **known == **variant && *weight > 0).then(|| variant.clone())
    }

    /// The draw of a message's variant takes effect: it is written down with the chances that all variants had.
    /// Returns the variant that was written down for this message, now or before.
    pub(crate) fn assign_variant(&mut self, id: &MessageId) -> Option<Arc<str>> {
        let message = self.messages.get(id)?;
        let person = self.person(message.customer);
        let campaigning = self.campaigns.get(&message.campaign)?;
        let before = self.bandits.find(&message.campaign, &message.step)?.assigned.get(&message.customer);
        if let Some(assigned) = before.filter(|assigned| assigned.message == *id) {
            return Some(assigned.variant.clone());
        }
        let journey = self.journey_of_message(message).and_then(|id| self.journeys.get(&id))?;
        let prepared = campaigning.version(journey.version);
        let step = prepared.program.find(&message.step)?;
        let drawn = self.draw_variant(&prepared.campaign, &campaigning.facts, step, person)?;
        let Drawn { variant, chances: Some(shares) } = drawn else { return None };
        let assignment = Assignment {
            message: message.id.clone(),
            journey: journey.id.clone(),
            campaign: message.campaign.clone(),
            step: message.step.clone(),
            draw: campaigning.facts.draw,
            customer: message.customer,
            at: self.clock,
            variant,
            shares,
        };
        let mut exposed = self.exposures.get(&person).into_iter().flatten();
        let exposure = exposed.find(|exposure| exposure.journey == assignment.journey).cloned();
        self.pending.assignments.push(assignment.clone());
        let Assignment { campaign, step, draw, at, .. } = &assignment;
        if let Some(bandit) = self.bandit_of(campaign, step, *draw, *at) {
            bandit.assign(&assignment, exposure.as_ref());
        }
        Some(assignment.variant)
    }

    /// What came of a journey changed.
    pub(crate) fn note_what_came(&mut self, exposure: &Exposure) {
        let Some(steps) = self.bandits.of.get_mut(&exposure.campaign) else { return };
        for bandit in steps.values_mut() {
            let assigned = bandit.assigned.get_mut(&exposure.customer);
            if let Some(assigned) = assigned.filter(|assigned| assigned.journey == exposure.journey) {
                assigned.came = Some(Came::of(exposure));
            }
        }
    }

    /// Why a message has its variant: how many got it when it was drawn. None where weights alone decided.
    pub(crate) fn variant_words(&self, message: &Message) -> Option<String> {
        let variant = message.variant.as_deref()?;
        let bandit = self.bandits.find(&message.campaign, &message.step)?;
        let ids = self.people.nodes_of(self.person(message.customer).0).into_iter().map(CustomerId);
        let mut assigned = ids.filter_map(|id| bandit.assigned.get(&id));
        let assigned = assigned.find(|assigned| *assigned.variant == *variant)?;
        let total: u64 = assigned.chances.iter().map(|(_, share)| u64::from(*share)).sum();
        let (_, share) = assigned.chances.iter().find(|(known, _)| **known == *variant)?;
        let of_hundred = (u64::from(*share) * 100 + total / 2) / total.max(1);
        let day = assigned.at.as_jiff().strftime("%Y-%m-%d").to_string();
        Some(format!("variant {variant}: {of_hundred} of 100 got it on {day}"))
    }
}
