//! What is known of a campaign before it starts: whom it reaches, what the gate would say, what could be proved.
//!
//! Made of two dry runs: one that starts now, one over the past three months.

use crate::dry_run::{
    Anyway, DryRun, Ended, GoOn, Held, Letter, Month, NoDryRun, Past, Question, calls_of, live_through,
};
use domain::{Campaign, Name, Span, Timestamp};
use models::power::smallest_rise;
use serde::Serialize;
use std::path::Path;
use store::Reader;

/// How far the past is looked at, in days.
const LOOK_BACK: i64 = 90;
/// How far ahead the start is followed, in days, with nobody doing anything.
const AHEAD: i64 = 30;
/// After how many days it is said what could be seen.
const LOOKS: [i64; 4] = [30, 90, 180, 365];

/// What is known of a campaign before it starts.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Preflight {
    /// The campaign.
    pub campaign: Name,
    /// If it started now.
    pub now: Start,
    /// By the past three months.
    pub month: Flow,
    /// What its comparison could show; none without a goal.
    pub measure: Option<Measure>,
    /// What five people would read, those with the oddest data among them.
    pub letters: Vec<Letter>,
}

/// If a campaign started now and nobody did anything for a month.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Start {
    /// Who would enter at once.
    pub enter: usize,
    /// What would become of their messages.
    pub outcomes: Vec<Ended>,
    /// Why messages would be held for a while.
    pub holds: Vec<Held>,
    /// Vouchers for which the codes that are left would not do.
    pub without_voucher: usize,
}

/// What a month brings, by the past.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Flow {
    /// Days of the past that were looked at; fewer where there is less of it.
    pub days: i64,
    /// Entries in thirty days.
    pub enter: f64,
    /// Messages sent in thirty days.
    pub sent: f64,
    /// Of the comparison group, in thirty days.
    pub would_have_sent: f64,
    /// What would have become of messages, in all those days.
    pub outcomes: Vec<Ended>,
}

/// What a comparison could show.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Measure {
    /// Percent of people who are held out.
    pub holdout: f64,
    /// What people did within the window without the campaign.
    pub anyway: Option<Anyway>,
    /// The smallest rise that could be seen, by days from the start.
    pub looks: Vec<Look>,
}

/// What could be seen after some time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Look {
    /// Days from the start.
    pub days: i64,
    /// People compared.
    pub people: f64,
    /// The smallest rise of the share who reach the goal, in percentage points, that would be seen four times in five.
    /// None: nothing could be seen by then.
    pub smallest_rise: Option<f64>,
}

/// Looks at a campaign before it starts. `scratch`: as for a dry run. Costs two of them.
pub fn preflight(
    name: &Name,
    past: &Past,
    reader: &dyn Reader,
    scratch: &Path,
    now: Timestamp,
    go_on: GoOn<'_>,
) -> Result<Preflight, NoDryRun> {
    let campaign = past.definitions().campaigns.get(name).ok_or_else(|| NoDryRun::Unknown(name.clone()))?.clone();
    let start = Question { campaign: name.clone(), from: now, to: now.plus(Span::days(AHEAD)) };
    // Read once for both: the second one ends earlier.
    let calls = calls_of(&start, past, reader)?;
    let first = calls.first().map_or(now, |call| call.timestamp);
    let start = live_through(&start, past, calls.clone(), scratch, go_on)?;
    let days = (now.0 - first.0).div_euclid(Span::days(1).0).clamp(1, LOOK_BACK);
    let back = Question { campaign: name.clone(), from: now.minus(Span::days(days)), to: now };
    let back = live_through(&back, past, calls, scratch, go_on)?;
    let flow = flow(&back, days);
    let measure = campaign.goal.is_some().then(|| measure(&campaign, &start, &back, &flow));
    let letters = if start.letters.is_empty() { back.letters } else { start.letters.clone() };
    Ok(Preflight {
        campaign: name.clone(),
        now: Start {
            enter: start.at_start,
            outcomes: start.outcomes,
            holds: start.holds,
            without_voucher: start.without_voucher,
        },
        month: flow,
        measure,
        letters,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of people, far below 2^52")]
fn flow(back: &DryRun, days: i64) -> Flow {
    let in_a_month = |count: usize| count as f64 * 30.0 / days as f64;
    // Those who stood at the door at the start are no flow. What became of their messages is taken to be as with the others.
    let entries = in_a_month(back.entries - back.at_start);
    let sum = |pick: &dyn Fn(&Month) -> usize| back.months.iter().map(pick).sum::<usize>() as f64;
    let of_entries = |messages: f64| if back.entries == 0 { 0.0 } else { entries * messages / back.entries as f64 };
    Flow {
        days,
        enter: entries,
        sent: of_entries(sum(&|month| month.sent)),
        would_have_sent: of_entries(sum(&|month| month.would_have_sent)),
        outcomes: back.outcomes.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of people, far below 2^52")]
fn measure(campaign: &Campaign, start: &DryRun, back: &DryRun, flow: &Flow) -> Measure {
    let share = f64::from(campaign.holdout.buckets()) / 10_000.0;
    let anyway = back.anyway.clone();
    let baseline = anyway.as_ref().filter(|anyway| anyway.complete > 0);
    let baseline = baseline.map(|anyway| anyway.reached as f64 / anyway.complete as f64);
    // Of those who enter, so many come as far as the draw.
    let reach = |run: &DryRun| {
        let exposed = run.anyway.as_ref().map_or(0, |anyway| anyway.journeys);
        if run.entries == 0 { 0.0 } else { exposed as f64 / run.entries as f64 }
    };
    let at_once = start.at_start as f64 * reach(start);
    let looks = LOOKS.map(|days| {
        let people = at_once + flow.enter * days as f64 / 30.0 * reach(back);
        let rise = baseline.and_then(|baseline| smallest_rise(baseline, people * share, people * (1.0 - share)));
        Look { days, people, smallest_rise: rise.map(|rise| rise * 100.0) }
    });
    Measure { holdout: share * 100.0, anyway, looks: looks.to_vec() }
}
