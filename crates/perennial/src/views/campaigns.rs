//! The list of campaigns, and one of them.

use super::{EngineViews, House, broken, told, words, yaml};
use crate::pages::PageError;
use crate::pages::campaign::{Arm, CampaignView, Decision, Funnel, Reactions, StepLine};
use crate::pages::campaigns::{CampaignRow, CampaignsView, State};
use crate::pages::filter::Filter;
use crate::pages::links::Link;
use crate::pages::outcome::{Outcome, ReasonCount};
use crate::pages::shared::{SharedStep, SharedVariant, of_hundred};
use crate::pages::text::Count;
use domain::message::Because;
use domain::{CustomerId, DefinitionKind};
use engine::Engine;
use engine::report::campaigns::{CampaignReport, DecisionRow, Decisions, DecisionsAsked, Side};
use std::collections::{BTreeMap, BTreeSet};

/// Decisions on a page.
const DECISIONS: u32 = 25;

impl<H: House> EngineViews<H> {
    pub(super) fn campaigns_view(&self) -> Result<CampaignsView, PageError> {
        self.look(|engine, reader, _| {
            let rows = engine.campaigns(reader).map_err(broken)?;
            Ok(CampaignsView { rows: rows.iter().map(|campaign| row(engine, campaign)).collect() })
        })
    }

    pub(super) fn campaign_view(&self, name: &str, filter: &Filter) -> Result<CampaignView, PageError> {
        self.look(|engine, reader, _| {
            let report = engine.campaign(reader, name).map_err(told)?;
            let skip = skip(filter);
            let decisions = match asked(engine, filter, Some(report.row.campaign.clone())) {
                Some(asked) => engine.decisions(reader, &asked, skip, DECISIONS).map_err(broken)?,
                None => Decisions { decisions: Vec::new(), found: 0 },
            };
            let shown = skip + decisions.decisions.len() as u64;
            let value = engine
                .version(DefinitionKind::Campaign, &report.row.campaign)
                .and_then(|version| version.value.as_ref());
            let currency = engine.definitions().settings.currency;
            let has_value = engine
                .definitions()
                .campaigns
                .get(&report.row.campaign)
                .and_then(|campaign| campaign.goal.as_ref()?.value.as_ref())
                .is_some();
            Ok(CampaignView {
                name: report.row.campaign.as_str().to_owned(),
                title: report.row.title.clone(),
                state: state(report.row.state),
                sentence: report.row.does.clone(),
                purpose: report.purpose.as_str().to_owned(),
                started: report.row.started_at.as_jiff(),
                yaml: value.map(yaml::write).unwrap_or_default(),
                version: report.version.into(),
                versions: super::segments::versions(
                    &engine.versions(reader, DefinitionKind::Campaign, name).map_err(told)?,
                ),
                inside: Count(report.row.inside),
                due_on_resume: Count(report.due_on_resume),
                braked: report.braked.clone(),
                steps: report.steps.iter().map(step).collect(),
                funnel: funnel(&report),
                reactions: Reactions {
                    opened: Count(report.reactions.opened),
                    clicked: Count(report.reactions.clicked),
                    machine_opened: Count(report.reactions.machine_opened),
                    machine_clicked: Count(report.reactions.machine_clicked),
                },
                goal: report.goal.clone(),
                still_open: Count(report.arms.still_open),
                compared_since: Some(report.compared_since)
                    .filter(|since| *since > report.row.started_at)
                    .map(domain::Timestamp::as_jiff),
                messaged: arm(&report.arms.messaged, currency, has_value),
                held_out: arm(&report.arms.held_out, currency, has_value),
                shared: report.shared.iter().map(|step| shared(step, engine.clock().as_jiff())).collect(),
                holdout: report.holdout.replace('%', " %"),
                next: (shown < decisions.found && !decisions.decisions.is_empty()).then(|| shown.to_string()),
                decisions: decisions.decisions.iter().map(decision).collect(),
                decisions_found: Count(decisions.found),
            })
        })
    }
}

pub(super) fn step(line: &engine::report::steps::StepLine) -> StepLine {
    StepLine {
        depth: line.depth,
        step: line.step.clone().unwrap_or_default(),
        words: line.does.clone(),
        here: Count(line.here),
    }
}

/// Rows before the page that a filter asks for.
pub(super) fn skip(filter: &Filter) -> u64 {
    filter.after.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0)
}

/// The people whom a filter names; none where it names nobody in particular.
pub(super) fn people(engine: &Engine, filter: &Filter) -> Option<BTreeSet<CustomerId>> {
    let text = filter.customer.trim();
    (!text.is_empty()).then(|| engine.people_matching(text))
}

/// A filter's reason; `Err` for a word that is no reason, which nothing fits.
pub(super) fn reason(filter: &Filter) -> Result<Option<Because>, ()> {
    match filter.because.as_str() {
        "" => Ok(None),
        word => Because::find(word).map(Some).ok_or(()),
    }
}

fn asked(engine: &Engine, filter: &Filter, campaign: Option<domain::Name>) -> Option<DecisionsAsked> {
    let because = reason(filter).ok()?;
    Some(DecisionsAsked {
        campaign,
        outcome: words::asked_outcome(filter.outcome),
        because,
        people: people(engine, filter),
    })
}

pub(super) fn row(engine: &Engine, row: &engine::report::campaigns::CampaignRow) -> CampaignRow {
    CampaignRow {
        campaign: Link::campaign(row.campaign.as_str(), &row.title),
        state: state(row.state),
        sentence: row.does.clone(),
        entered: Count(row.entered),
        sent: Count(row.sent),
        held: Count(row.held),
        came_back: Count(row.came_back.unwrap_or(0)),
        revenue: words::main_sum(&row.worth, engine.definitions().settings.currency),
        started: row.started_at.as_jiff(),
    }
}

fn state(state: domain::campaign::State) -> State {
    match state {
        domain::campaign::State::Running => State::Running,
        domain::campaign::State::Paused => State::Paused,
        domain::campaign::State::Stopped => State::Stopped,
    }
}

fn funnel(report: &CampaignReport) -> Funnel {
    let reasons = |counts: &BTreeMap<&'static str, u64>| {
        let mut counts: Vec<ReasonCount> = counts
            .iter()
            .map(|(because, count)| ReasonCount { because: (*because).to_owned(), count: Count(*count) })
            .collect();
        counts.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        counts
    };
    let funnel = &report.funnel;
    Funnel {
        entered: Count(funnel.entered),
        reached_gate: Count(funnel.reached_gate),
        waiting: Count(funnel.waiting),
        held: reasons(&funnel.held),
        skipped: reasons(&funnel.skipped),
        failed: reasons(&funnel.failed),
        uncertain: reasons(&funnel.uncertain),
        would_have_sent: reasons(&funnel.would_have_sent),
        sent: Count(funnel.sent),
        came_back: Count(report.arms.messaged.came_back),
    }
}

fn arm(side: &Side, currency: domain::Currency, has_value: bool) -> Arm {
    let nothing = || has_value.then(|| words::money(domain::Money { minor: 0, currency }));
    Arm {
        entered: Count(side.entered),
        held: Count(side.held),
        customers: Count(side.customers),
        came_back: Count(side.came_back),
        goals: Count(side.goals),
        revenue: words::main_sum(&side.worth, currency).or_else(nothing),
        also: words::other_sums(&side.worth, currency),
    }
}

fn shared(step: &engine::report::variants::SharedStep, now: jiff::Timestamp) -> SharedStep {
    let figure = |value: f64| match step.currency {
        None => format!("{:.1}", value * 100.0),
        Some(currency) => format!("{value:.*}", currency.decimals() as usize),
    };
    let moves = match step.moves_after {
        None => "Shares stay as they are here".to_owned(),
        Some(needed) if step.variants.iter().any(|variant| variant.over < needed) => {
            format!("Shares begin to move when the time of {needed} customers with each is over, and then once a day")
        }
        Some(_) => "Shares move once a day, at midnight UTC, and each keeps 10 of 100 at least".to_owned(),
    };
    let shares: Vec<u32> = step.variants.iter().map(|variant| variant.share).collect();
    let variant = |(one, of_hundred): (&engine::report::variants::SharedVariant, u32)| SharedVariant {
        name: one.variant.to_string(),
        of_hundred,
        customers: Count(one.customers),
        over: Count(one.over),
        came_back: Count(one.came_back),
        estimate: one.estimate.map(|range| figure(range.value)).unwrap_or_default(),
        range: one.estimate.map(|range| format!("{} to {}", figure(range.low), figure(range.high))).unwrap_or_default(),
    };
    SharedStep {
        step: step.step.clone(),
        says: step.says.clone(),
        is_decided: step.verdict == "better",
        moves,
        measure: match step.currency {
            None => "Of 100 would come back".to_owned(),
            Some(currency) => format!("Each would spend, {currency}"),
        },
        variants: step.variants.iter().zip(of_hundred(&shares)).map(variant).collect(),
        days: step.days.iter().map(|day| (day.since.as_jiff(), day.shares.clone())).collect(),
        now,
    }
}

/// How its variant was drawn. What a receiver said stands on the message's page.
fn why_variant(row: &DecisionRow) -> Option<String> {
    let heading = format!("variant {}: ", row.variant.as_deref()?);
    row.detail.clone().filter(|detail| detail.starts_with(&heading))
}

fn decision(row: &DecisionRow) -> Decision {
    let subject = row.subject.clone().unwrap_or_default();
    let text = match (subject.trim(), words::outcome(Some(row.outcome))) {
        ("", Outcome::Skipped | Outcome::WouldHaveSent | Outcome::Held) => "not written".to_owned(),
        ("", _) => "no subject".to_owned(),
        _ => subject,
    };
    Decision {
        at: row.time.as_jiff(),
        customer: words::link(&row.who),
        step: row.step.clone(),
        variant: row.variant.clone(),
        verdict: words::verdict(Some(row.outcome), row.because),
        why: why_variant(row),
        message: Some(Link::message(&row.message.0, &text)),
    }
}
