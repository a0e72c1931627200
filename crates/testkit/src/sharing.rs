//! What must hold of variants that are shared by what works, computed here and not by the engine.
//!
//! Whoever got one keeps it, every draw can be drawn again from what was written down of it, and shares know nothing before
//! its time.

use domain::message::Message;
use domain::{CustomerId, Name, Span, Timestamp};
use models::assignment::{bucket, choose};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Arm, Assignment, Exposure, Recovered, Sharing};

type Check = Result<(), String>;
type Step = (Name, String, u32);
type Drawn<'a> = &'a (Assignment, Option<Exposure>);

/// The floor under each share, of 10,000.
const FLOOR: u32 = 1_000;

/// Checks what a store has of it. `joined`: people whose id was another's for a while.
pub fn check(recovered: &Recovered, messages: &[Message], joined: &BTreeSet<CustomerId>) -> Check {
    let mut steps: BTreeMap<Step, (Vec<&Sharing>, Vec<Drawn<'_>>)> = BTreeMap::new();
    for sharing in &recovered.sharings {
        let of = (sharing.campaign.clone(), sharing.step.clone(), sharing.draw);
        steps.entry(of).or_default().0.push(sharing);
    }
    for one in &recovered.assignments {
        let of = (one.0.campaign.clone(), one.0.step.clone(), one.0.draw);
        steps.entry(of).or_default().1.push(one);
    }
    for ((campaign, step, _), (sharings, assignments)) in &steps {
        check_draws(sharings, assignments, joined)?;
        for sharing in sharings {
            check_shares(sharing)?;
            check_learned(sharing, assignments, joined)?;
        }
        let had: BTreeSet<(CustomerId, &str)> =
            assignments.iter().map(|(assignment, _)| (assignment.customer, &*assignment.variant)).collect();
        let own = messages.iter().filter(|message| message.campaign == *campaign && message.step == *step);
        for message in own.filter(|message| !joined.contains(&message.customer)) {
            let Some(variant) = &message.variant else { continue };
            if !had.contains(&(message.customer, variant)) {
                return Err(format!(
                    "{} went to {} with {variant}, which was never theirs",
                    message.id, message.customer
                ));
            }
        }
    }
    Ok(())
}

/// Whoever has a variant is not drawn again while it is there, and each draw gives what it gave.
fn check_draws(sharings: &[&Sharing], assignments: &[Drawn<'_>], joined: &BTreeSet<CustomerId>) -> Check {
    let mut has: BTreeMap<CustomerId, &Arc<str>> = BTreeMap::new();
    for (assignment, _) in assignments.iter().filter(|(assignment, _)| !joined.contains(&assignment.customer)) {
        let Assignment { campaign, step, draw, customer, at, variant, shares, .. } = assignment;
        if let Some(before) = has.insert(*customer, variant)
            && shares.iter().any(|(name, _)| name == before)
        {
            return Err(format!("{customer} had {before} of {campaign} and was drawn again, for {variant}"));
        }
        let weights: Vec<u32> = shares.iter().map(|(_, share)| *share).collect();
        let again = choose(bucket(&format!("{campaign}:{draw}{step}"), &customer.to_string()), &weights);
        if again.map(|at| &shares[at].0) != Some(variant) {
            return Err(format!("{customer} got {variant} of {campaign}, and {shares:?} give another"));
        }
        // At an instant at which shares changed any of them may have been drawn by.
        let before = sharings.iter().rev().find(|sharing| sharing.since < *at);
        let mut in_force = sharings.iter().filter(|sharing| sharing.since == *at).chain(before);
        let fits = |sharing: &&Sharing| {
            let known = |name: &Arc<str>| sharing.variants.iter().find(|it| it.variant == *name).map(|it| it.share);
            // Those who follow a version with other variants begin as that version says.
            shares.iter().any(|(name, _)| known(name).is_none())
                || shares.iter().all(|(name, share)| known(name) == Some(*share))
        };
        if !in_force.any(fits) {
            return Err(format!("{customer} was drawn at {at} with {shares:?}, which was in force at no time near"));
        }
    }
    Ok(())
}

fn check_shares(sharing: &Sharing) -> Check {
    let shares: Vec<u32> = sharing.variants.iter().map(|it| it.share).collect();
    if shares.iter().sum::<u32>() == 10_000 && shares.iter().all(|share| *share >= FLOOR) {
        return Ok(());
    }
    Err(format!("shares do not add up, or leave somebody nothing: {sharing:?}"))
}

/// Only those count whose window was over when the day began. Of people who were joined it is left open whether.
fn check_learned(sharing: &Sharing, assignments: &[Drawn<'_>], joined: &BTreeSet<CustomerId>) -> Check {
    let day = Timestamp(sharing.since.0 - sharing.since.0.rem_euclid(Span::DAY.0));
    let before: Vec<_> = assignments.iter().filter(|(assignment, _)| assignment.at <= sharing.since).collect();
    let times = |customer| before.iter().filter(|(assignment, _)| assignment.customer == customer).count();
    for known in &sharing.variants {
        let own = before.iter().filter(|(assignment, exposure)| {
            let is_over = exposure
                .as_ref()
                .is_some_and(|it| it.until < day && it.until >= assignment.at && it.arm == Arm::Messaged);
            assignment.variant == known.variant && is_over
        });
        let (mut surely, mut perhaps) = (0, 0);
        for (assignment, _) in own {
            perhaps += 1;
            let is_plain = !joined.contains(&assignment.customer) && times(assignment.customer) == 1;
            surely += u64::from(is_plain);
        }
        if !(surely..=perhaps).contains(&known.customers) || known.came_back > known.customers {
            return Err(format!(
                "from {} on {} of {} counts {} customers, and the time of {surely} to {perhaps} was over",
                sharing.since, known.variant, sharing.campaign, known.customers
            ));
        }
    }
    Ok(())
}
