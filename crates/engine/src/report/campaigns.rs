//! Campaigns: how far people got, what the gate did and why, both sides of the comparison, every decision.
//! Plain counts and means: whether a difference is more than chance is not said here.

use super::ledger::sums;
use super::steps::StepLine;
use super::variants::SharedStep;
use super::words::{campaign_words, goal_words};
use super::{ReportError, Who, all_pages, json};
use crate::state::Engine;
use domain::campaign::{Campaign, State};
use domain::message::{Because, Decision, Outcome, ReactionKind};
use domain::{CustomerId, DefinitionKind, MessageId, Money, Name, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use store::{Arm, DecisionFilter, Exposure, MessageCount, Page, ReactionCount, Reader, StoreError};

/// People asked about one by one; more are looked for among all decisions.
const ASKED_ONE_BY_ONE: usize = 30;
/// Most decisions looked through for many people.
const LOOKED_THROUGH: u64 = 50_000;

/// A campaign in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CampaignRow {
    /// Its name.
    pub campaign: Name,
    /// Its title, else its name.
    pub title: String,
    /// `running`, `paused` or `stopped`.
    #[serde(serialize_with = "state")]
    pub state: State,
    /// What it does, in words.
    pub does: String,
    /// Journeys ever begun.
    pub entered: u64,
    /// Journeys going on.
    pub inside: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages held now.
    pub held: u64,
    /// Customers with a message who reached the goal in its window; none: there is no goal.
    pub came_back: Option<u64>,
    /// What they spent in it, per currency.
    pub worth: Vec<Money>,
    /// When it started.
    #[serde(serialize_with = "json::at")]
    pub started_at: Timestamp,
}

fn state<S: serde::Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.word())
}

/// Everything about a campaign.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CampaignReport {
    /// Its row in the list.
    #[serde(flatten)]
    pub row: CampaignRow,
    /// For which purpose it writes.
    pub purpose: Name,
    /// The version of its definition.
    pub version: u32,
    /// When that version was made.
    #[serde(serialize_with = "json::at")]
    pub changed_at: Timestamp,
    /// Its steps in order, with those who stand there now.
    pub steps: Vec<StepLine>,
    /// How far people got.
    pub funnel: Funnel,
    /// What was done with its messages.
    pub reactions: Reactions,
    /// What counts as coming back, in words; none: there is no goal.
    pub goal: Option<String>,
    /// The share of the comparison group, from the definition.
    pub holdout: String,
    /// When the present comparison began.
    #[serde(serialize_with = "json::at")]
    pub compared_since: Timestamp,
    /// Both sides of the comparison, from then on.
    pub arms: Arms,
    /// Steps whose variants are shared by what works.
    pub shared: Vec<SharedStep>,
    /// Why it paused itself: what share of its mails was called spam. None if it did not.
    pub braked: Option<String>,
    /// Held messages that resuming would bring to the gate at once.
    pub due_on_resume: u64,
}

/// How far people got. Every message that reached the gate is counted once, by its latest outcome.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Funnel {
    /// Journeys ever begun.
    pub entered: u64,
    /// Journeys going on.
    pub inside: u64,
    /// Messages that reached the gate: the sum of all that follow.
    pub reached_gate: u64,
    /// Through the gate, on their way.
    pub waiting: u64,
    /// Held now, by reason.
    pub held: BTreeMap<&'static str, u64>,
    /// Skipped, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Withheld to compare, by reason.
    pub would_have_sent: BTreeMap<&'static str, u64>,
    /// Sent.
    pub sent: u64,
    /// Nobody knows, by reason.
    pub uncertain: BTreeMap<&'static str, u64>,
    /// Failed, by reason.
    pub failed: BTreeMap<&'static str, u64>,
}

/// What was done with messages that arrived: each message counts once for each. What machines did is no person's doing, and a
/// message may have been opened by both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Reactions {
    /// Opened by a person.
    pub opened: u64,
    /// A link was followed by a person.
    pub clicked: u64,
    /// Its pictures were fetched by a machine.
    pub machine_opened: u64,
    /// A link was followed by a machine.
    pub machine_clicked: u64,
}

impl Reactions {
    fn of(counts: &[ReactionCount]) -> Reactions {
        let of = |kind| counts.iter().filter(|count| count.kind == kind).map(|count| count.messages).sum();
        Reactions {
            opened: of(ReactionKind::Opened),
            clicked: of(ReactionKind::Clicked),
            machine_opened: of(ReactionKind::MachineOpened),
            machine_clicked: of(ReactionKind::MachineClicked),
        }
    }
}

/// Both sides of the comparison.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Arms {
    /// Those who were written to.
    pub messaged: Side,
    /// Those who were kept out, to compare.
    pub held_out: Side,
    /// Customers whose window is open and who have not come back yet.
    pub still_open: u64,
}

/// One side. Customers, not messages.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Side {
    /// Customers who ever entered and whom the draw puts on this side; for those whose draw took effect, as it did.
    pub entered: u64,
    /// Of those, with a message held now.
    pub held: u64,
    /// Customers whose draw took effect: a message went, or would have gone. The denominator of all below.
    pub customers: u64,
    /// Of `customers`, those who reached the goal in its window.
    pub came_back: u64,
    /// Goal events in the window.
    pub goals: u64,
    /// Their worth, per currency.
    pub worth: Vec<Money>,
}

/// Which decisions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DecisionsAsked {
    /// Of this campaign.
    pub campaign: Option<Name>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// With this reason.
    pub because: Option<Because>,
    /// About these people, by any of their ids; none: about everybody.
    pub people: Option<BTreeSet<CustomerId>>,
}

/// A page of decisions.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Decisions {
    /// Latest first.
    pub decisions: Vec<DecisionRow>,
    /// How many there are in all.
    pub found: u64,
}

/// A decision.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DecisionRow {
    /// When.
    #[serde(serialize_with = "json::at")]
    pub time: Timestamp,
    /// About whom.
    #[serde(flatten)]
    pub who: Who,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// Of which message.
    pub message: MessageId,
    /// With which variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The message's subject, where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub because: Option<Because>,
    /// More: the missing value, the receiver's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// For a hold that time lifts: when.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
}

impl Engine {
    /// All campaigns; running ones first, then by title. O(messages + exposures) in the store.
    pub fn campaigns(&self, reader: &dyn Reader) -> Result<Vec<CampaignRow>, StoreError> {
        let counts = reader.message_counts(None)?;
        let mut rows = Vec::new();
        for campaign in self.definitions.campaigns.values() {
            let exposures = reader.exposures(&campaign.name)?;
            rows.extend(self.campaign_row(reader, campaign, &counts, &exposures)?);
        }
        let order = |row: &CampaignRow| match row.state {
            State::Running => 0,
            State::Paused => 1,
            State::Stopped => 2,
        };
        rows.sort_by(|a, b| {
            order(a).cmp(&order(b)).then_with(|| a.title.cmp(&b.title)).then_with(|| a.campaign.cmp(&b.campaign))
        });
        Ok(rows)
    }

    fn campaign_row(
        &self,
        reader: &dyn Reader,
        campaign: &Campaign,
        counts: &[MessageCount],
        exposures: &[Exposure],
    ) -> Result<Option<CampaignRow>, StoreError> {
        let Some(campaigning) = self.campaigns.get(&campaign.name) else { return Ok(None) };
        let (entered, inside) = reader.journey_counts(&campaign.name)?;
        let of = |outcome| {
            counts
                .iter()
                .filter(|count| count.campaign == campaign.name && count.outcome == Some(outcome))
                .map(|count| count.count)
                .sum()
        };
        let side = self.side(Arm::Messaged, exposures);
        Ok(Some(CampaignRow {
            campaign: campaign.name.clone(),
            title: self.campaign_title(&campaign.name),
            state: campaign.state,
            does: campaign_words(campaign, &self.definitions),
            entered,
            inside,
            sent: of(Outcome::Sent),
            held: of(Outcome::Held),
            came_back: campaign.goal.as_ref().map(|_| side.came_back),
            worth: side.worth,
            started_at: campaigning.facts.started_at,
        }))
    }

    /// Everything about a campaign. O(its messages + exposures + entries ever).
    pub fn campaign(&self, reader: &dyn Reader, name: &str) -> Result<CampaignReport, ReportError> {
        let (name, version) = self.get_version(DefinitionKind::Campaign, name)?;
        let missing =
            || ReportError::NoDefinition { kind: DefinitionKind::Campaign.word(), name: name.as_str().to_owned() };
        let campaign = self.definitions.campaigns.get(&name).ok_or_else(missing)?;
        let counts = reader.message_counts(Some(&name))?;
        let exposures = reader.exposures(&name)?;
        let row = self.campaign_row(reader, campaign, &counts, &exposures)?.ok_or_else(missing)?;
        let since = self.campaigns.get(&name).map_or(row.started_at, |campaigning| campaigning.facts.compared_since);
        let compared: Vec<Exposure> = exposures.into_iter().filter(|exposure| exposure.at >= since).collect();
        let paused = counts
            .iter()
            .filter(|count| (count.outcome, count.because) == (Some(Outcome::Held), Some(Because::Paused)));
        Ok(CampaignReport {
            purpose: campaign.purpose.clone(),
            version: version.version,
            changed_at: version.at,
            steps: self.step_lines(campaign),
            funnel: funnel(&row, &counts),
            reactions: Reactions::of(&reader.reaction_counts(Some(&name))?),
            goal: campaign.goal.as_ref().map(goal_words),
            holdout: campaign.holdout.to_string(),
            compared_since: since,
            arms: self.arms(campaign, &compared),
            shared: self.shared_steps(campaign),
            braked: self.braked_because(&campaign.name).map(str::to_owned),
            due_on_resume: paused.map(|count| count.count).sum(),
            row,
        })
    }

    fn arms(&self, campaign: &Campaign, exposures: &[Exposure]) -> Arms {
        let mut arms = Arms {
            messaged: self.side(Arm::Messaged, exposures),
            held_out: self.side(Arm::HeldOut, exposures),
            still_open: 0,
        };
        let of = |arm: Arm| {
            exposures.iter().filter(move |exposure| exposure.arm == arm).map(|exposure| self.person(exposure.customer))
        };
        let held_out: HashSet<CustomerId> = of(Arm::HeldOut).collect();
        let messaged: HashSet<CustomerId> = of(Arm::Messaged).collect();
        let draw = self.campaigns.get(&campaign.name).map_or(1, |campaigning| campaigning.facts.draw);
        // None: in the comparison group of the whole shop, and so on neither side.
        let side = |person: CustomerId| match self.draw_holdout(campaign, draw, person) {
            _ if messaged.contains(&person) => Some(Arm::Messaged),
            _ if held_out.contains(&person) => Some(Arm::HeldOut),
            None => Some(Arm::Messaged),
            Some(Because::Holdout) => Some(Arm::HeldOut),
            Some(_) => None,
        };
        let entered: HashSet<CustomerId> = self
            .entries
            .keys()
            .filter(|(name, ..)| *name == campaign.name)
            .map(|(_, id, _)| self.person(*id))
            .collect();
        let held = self
            .messages
            .values()
            .filter(|message| message.campaign == campaign.name && message.outcome == Some(Outcome::Held));
        let held: HashSet<CustomerId> = held.map(|message| self.person(message.customer)).collect();
        for person in
            entered.into_iter().chain(messaged.iter().copied()).chain(held_out.iter().copied()).collect::<HashSet<_>>()
        {
            let own = match side(person) {
                Some(Arm::Messaged) => &mut arms.messaged,
                Some(Arm::HeldOut) => &mut arms.held_out,
                None => continue,
            };
            own.entered += 1;
            own.held += u64::from(held.contains(&person));
        }
        let open = exposures.iter().filter(|exposure| exposure.until >= self.clock && exposure.came_back_at.is_none());
        arms.still_open = open.map(|exposure| self.person(exposure.customer)).collect::<HashSet<_>>().len() as u64;
        arms
    }

    /// One side of the comparison, by people as they are known today.
    fn side(&self, arm: Arm, exposures: &[Exposure]) -> Side {
        let own = || exposures.iter().filter(|exposure| exposure.arm == arm);
        let distinct = |exposures: &mut dyn Iterator<Item = &Exposure>| {
            exposures.map(|exposure| self.person(exposure.customer)).collect::<HashSet<_>>().len() as u64
        };
        Side {
            entered: 0,
            held: 0,
            customers: distinct(&mut own()),
            came_back: distinct(&mut own().filter(|exposure| exposure.came_back_at.is_some())),
            goals: own().map(|exposure| u64::from(exposure.goals)).sum(),
            worth: sums(own().flat_map(|exposure| exposure.worth.iter().copied())),
        }
    }

    /// A page of decisions, latest first.
    pub fn decisions(
        &self,
        reader: &dyn Reader,
        asked: &DecisionsAsked,
        skip: u64,
        limit: u32,
    ) -> Result<Decisions, StoreError> {
        let filter = DecisionFilter {
            campaign: asked.campaign.clone(),
            outcome: asked.outcome,
            because: asked.because,
            ..DecisionFilter::default()
        };
        let (rows, found) = match &asked.people {
            None => (reader.decisions(&filter, Page { skip, limit })?, reader.decision_count(&filter)?),
            Some(people) => {
                let all = self.decisions_about(reader, &filter, people)?;
                let found = all.len() as u64;
                let page = all.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(limit as usize);
                (page.collect(), found)
            }
        };
        let decisions =
            rows.into_iter().map(|(_, decision)| self.decision_row(reader, decision)).collect::<Result<_, _>>()?;
        Ok(Decisions { decisions, found })
    }

    fn decisions_about(
        &self,
        reader: &dyn Reader,
        filter: &DecisionFilter,
        people: &BTreeSet<CustomerId>,
    ) -> Result<Vec<(u64, Decision)>, StoreError> {
        if people.len() > ASKED_ONE_BY_ONE {
            let mut all = all_pages(LOOKED_THROUGH, |page| reader.decisions(filter, page))?;
            all.retain(|(_, decision)| people.contains(&self.person(decision.customer)));
            return Ok(all);
        }
        let mut all = Vec::new();
        for id in people.iter().flat_map(|person| self.ids_of_person(*person)) {
            let filter = DecisionFilter { customer: Some(id), ..filter.clone() };
            all.extend(all_pages(LOOKED_THROUGH, |page| reader.decisions(&filter, page))?);
        }
        all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        Ok(all)
    }

    fn decision_row(&self, reader: &dyn Reader, decision: Decision) -> Result<DecisionRow, StoreError> {
        let message = reader.message(&decision.message)?.map(|(message, _)| message);
        let variant = message.as_ref().and_then(|message| message.variant.clone());
        Ok(DecisionRow {
            time: decision.at,
            who: self.who(decision.customer),
            campaign: decision.campaign,
            step: decision.step,
            message: decision.message,
            variant,
            subject: message.and_then(|message| message.written).map(|written| written.subject.clone()),
            outcome: decision.outcome,
            because: decision.because,
            detail: decision.detail,
            until: decision.until,
        })
    }
}

fn funnel(row: &CampaignRow, counts: &[MessageCount]) -> Funnel {
    let mut funnel = Funnel { entered: row.entered, inside: row.inside, ..Funnel::default() };
    for count in counts {
        funnel.reached_gate += count.count;
        let by_reason = match count.outcome {
            None => {
                funnel.waiting += count.count;
                continue;
            }
            Some(Outcome::Sent) => {
                funnel.sent += count.count;
                continue;
            }
            Some(Outcome::Held) => &mut funnel.held,
            Some(Outcome::Skipped) => &mut funnel.skipped,
            Some(Outcome::WouldHaveSent) => &mut funnel.would_have_sent,
            Some(Outcome::Uncertain) => &mut funnel.uncertain,
            Some(Outcome::Failed) => &mut funnel.failed,
        };
        *by_reason.entry(count.because.map_or("unknown", Because::word)).or_default() += count.count;
    }
    funnel
}
