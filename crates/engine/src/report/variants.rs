//! Variants that are shared by what works: how many get which, since when, and what may be said about them.
//!
//! Plain means are not said: who began unluckily got fewer customers, and so fewer chances to make up for it. What is said
//! weighs each customer by the chance with which the variant was drawn, and holds however often one looks.

use super::json;
use crate::decide::bandit::Bandit;
use crate::state::Engine;
use domain::campaign::{Action, Allocate, Campaign};
use domain::{Currency, Timestamp};
use models::bandit::{Adaptive, Estimate, PARTS};
use models::sequential::half_width;
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;

/// Customers of each variant, their windows over, before anything is said.
const CUSTOMERS_NEEDED: u64 = 100;
/// Of these, those who came back: with fewer, ranges are too narrow, since most of what can happen has not happened yet.
const CAME_BACK_NEEDED: u64 = 50;
/// Chance that a range ever leaves the truth out.
const ALARM: f64 = 0.05;
/// Customers at which ranges are at their narrowest beside those for a single look.
const PLANNED: f64 = 5_000.0;

/// A step whose variants are shared by what works.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SharedStep {
    /// The step.
    pub step: String,
    /// In which currency it counts what customers spent; none: it counts who came back.
    pub currency: Option<Currency>,
    /// Customers of each variant of whom it must be known what came of them before shares move; none: they never do.
    pub moves_after: Option<u64>,
    /// The variants that take part, in the order of the definition.
    pub variants: Vec<SharedVariant>,
    /// How they were shared, the latest last.
    pub days: Vec<SharedFrom>,
    /// What may be said of them: `too_early`, `no_difference_yet` or `better`.
    pub verdict: &'static str,
    /// The same as a sentence.
    pub says: String,
}

/// One of the variants.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SharedVariant {
    /// Its name.
    pub variant: Arc<str>,
    /// How many of 10,000 get it now.
    pub share: u32,
    /// Customers who have it.
    pub customers: u64,
    /// Of these, those whose window is over, except for people who were two and had different ones.
    pub over: u64,
    /// Of those, the ones who came back.
    pub came_back: u64,
    /// Of each customer, had everybody got it: the chance of coming back, or money in whole units.
    pub estimate: Option<Range>,
}

/// An estimate with its range.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Range {
    /// The estimate.
    pub value: f64,
    /// Not lower than this …
    pub low: f64,
    /// … and not higher than this, however often one looks, in 19 of 20 shops.
    pub high: f64,
}

/// How variants were shared from an instant on.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SharedFrom {
    /// From when on.
    #[serde(serialize_with = "json::at")]
    pub since: Timestamp,
    /// How many of 10,000 each variant got, in the order of `variants`.
    pub shares: Vec<u32>,
}

impl Engine {
    /// The steps of a campaign whose variants are shared by what works. O(customers who got one).
    pub(super) fn shared_steps(&self, campaign: &Campaign) -> Vec<SharedStep> {
        let mut shared = Vec::new();
        campaign.walk(&mut |_, step| {
            let Action::Message { variants, allocate: Allocate::Bandit, .. } = &step.action else { return };
            let part: Vec<&str> =
                variants.iter().filter(|(_, weight)| *weight > 0).map(|(name, _)| name.as_str()).collect();
            if let Some(bandit) = self.bandits.find(&campaign.name, &step.id) {
                shared.push(self.shared_step(campaign, &step.id, &part, bandit));
            }
        });
        shared
    }

    fn shared_step(&self, campaign: &Campaign, step: &str, names: &[&str], bandit: &Bandit) -> SharedStep {
        let has_value = campaign.goal.as_ref().is_some_and(|goal| goal.value.is_some());
        let currency = has_value.then(|| self.bandit_currency(bandit));
        let scale = currency.map_or(1.0, |currency| 10_f64.powi(-i32::try_from(currency.decimals()).unwrap_or(0)));
        let today = Timestamp(self.clock.0 - self.clock.0.rem_euclid(domain::Span::DAY.0));
        let units = self.units(bandit, campaign, today);
        let place = |variant: &str| names.iter().position(|name| *name == variant);
        let mut adaptive = Adaptive::new(names.len());
        let mut counts = vec![(0_u64, 0_u64); names.len()];
        for unit in &units {
            let Some(own) = place(&unit.assigned.variant) else { continue };
            counts[own].0 += 1;
            counts[own].1 += u64::from(unit.came_back);
            let total: f64 = unit.assigned.chances.iter().map(|(_, share)| f64::from(*share)).sum();
            let chance = |name: &&str| unit.assigned.chances.iter().find(|(known, _)| **known == **name);
            let chances: Vec<f64> =
                names.iter().map(|name| chance(name).map_or(0.0, |(_, share)| f64::from(*share) / total)).collect();
            adaptive.add(own, unit.outcome as f64 * scale, &chances);
        }
        let estimates: Vec<Option<Estimate>> = (0..names.len()).map(|arm| adaptive.estimate(arm)).collect();
        let mut holders = vec![HashSet::new(); names.len()];
        for (customer, assigned) in bandit.assigned() {
            if let Some(own) = place(&assigned.variant) {
                holders[own].insert(self.person(customer));
            }
        }
        let count = units.len() as f64;
        let shares_now = bandit.sharings.last().map(|sharing| of_all(&sharing.variants, names)).unwrap_or_default();
        let variants: Vec<SharedVariant> = (0..names.len())
            .map(|arm| SharedVariant {
                variant: Arc::from(names[arm]),
                share: shares_now.get(arm).copied().unwrap_or(0),
                customers: holders[arm].len() as u64,
                over: counts[arm].0,
                came_back: counts[arm].1,
                estimate: estimates[arm].and_then(|estimate| range(estimate, count, currency.is_none())),
            })
            .collect();
        let (verdict, says) = verdict(&variants, &estimates, count, currency);
        let days = bandit.sharings.iter();
        SharedStep {
            step: step.to_owned(),
            currency,
            moves_after: self.options.bandits_learn_after,
            days: days.map(|one| SharedFrom { since: one.since, shares: of_all(&one.variants, names) }).collect(),
            variants,
            verdict,
            says,
        }
    }
}

/// How many of 10,000 got each of these variants.
fn of_all(variants: &[store::VariantShare], names: &[&str]) -> Vec<u32> {
    let total: u64 = variants.iter().map(|one| u64::from(one.share)).sum();
    let share = |name: &&str| variants.iter().find(|one| *one.variant == **name).map_or(0, |one| u64::from(one.share));
    let part = |share: u64| u32::try_from(share * u64::from(PARTS) / total.max(1)).unwrap_or(PARTS);
    names.iter().map(|name| part(share(name))).collect()
}

fn range(estimate: Estimate, count: f64, is_share: bool) -> Option<Range> {
    let half = half_width(estimate.standard_error, count, PLANNED, ALARM)?;
    let bound = |value: f64| if is_share { value.clamp(0.0, 1.0) } else { value };
    Some(Range { value: bound(estimate.mean), low: bound(estimate.mean - half), high: bound(estimate.mean + half) })
}

/// What may be said of the variants, as a word and as a sentence.
fn verdict(
    variants: &[SharedVariant],
    estimates: &[Option<Estimate>],
    count: f64,
    currency: Option<Currency>,
) -> (&'static str, String) {
    if let Some(few) = variants.iter().filter(|it| it.over < CUSTOMERS_NEEDED).min_by_key(|it| it.over) {
        let says = format!(
            "Too early to say which works better: with “{}”, {} of the {CUSTOMERS_NEEDED} customers needed have had their time",
            few.variant, few.over
        );
        return ("too_early", says);
    }
    if let Some(few) = variants.iter().filter(|it| it.came_back < CAME_BACK_NEEDED).min_by_key(|it| it.came_back) {
        let says = format!(
            "Too early to say which works better: with “{}”, {} of the {CAME_BACK_NEEDED} customers needed have come back",
            few.variant, few.came_back
        );
        return ("too_early", says);
    }
    let mut ranked: Vec<(&SharedVariant, Estimate)> =
        variants.iter().zip(estimates).filter_map(|(variant, estimate)| Some((variant, (*estimate)?))).collect();
    ranked.sort_by(|(_, a), (_, b)| b.mean.total_cmp(&a.mean));
    // The best was chosen by what is compared: the ranges of all pairs together hold.
    let pairs = (ranked.len() * ranked.len().saturating_sub(1) / 2).max(1) as f64;
    let between = |best: &Estimate, other: &Estimate| {
        let error = best.standard_error.hypot(other.standard_error);
        let half = half_width(error, count, PLANNED, ALARM / pairs).unwrap_or(f64::INFINITY);
        (best.mean - other.mean - half, best.mean - other.mean + half)
    };
    let Some(((best, of_best), others)) = ranked.split_first() else {
        return ("too_early", "Too early to say which works better".to_owned());
    };
    let is_better = !others.is_empty() && others.iter().all(|(_, other)| between(of_best, other).0 > 0.0);
    let Some((next, of_next)) = others.first() else {
        return ("too_early", "Too early to say which works better".to_owned());
    };
    let (low, high) = between(of_best, of_next);
    let than = if others.len() > 1 {
        format!("“{}”, the next best", next.variant)
    } else {
        format!("“{}”", next.variant)
    };
    if is_better {
        let more = match currency {
            None => format!("of 100 customers with it, {} to {} more come back", hundred(low), hundred(high)),
            Some(currency) => {
                format!("each customer with it spends {} to {} more", money(low, currency), money(high, currency))
            }
        };
        return ("better", format!("“{}” works better than {than}: {more}", best.variant));
    }
    let range = match currency {
        None => format!(
            "of 100 customers with “{}”, between {} fewer and {} more come back than with {than}",
            best.variant,
            hundred(-low),
            hundred(high)
        ),
        Some(currency) => format!(
            "each customer with “{}” spends between {} less and {} more than with {than}",
            best.variant,
            money(-low, currency),
            money(high, currency)
        ),
    };
    ("no_difference_yet", format!("No clear difference yet: {range}"))
}

fn hundred(share: f64) -> String {
    format!("{:.1}", (share * 100.0).clamp(0.0, 100.0))
}

fn money(value: f64, currency: Currency) -> String {
    format!("{:.*} {currency}", currency.decimals() as usize, value.max(0.0))
}
