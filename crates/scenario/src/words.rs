//! Outcomes and reasons in lines for people.

use crate::workspace::Told;
use domain::Timestamp;
use domain::message::Decision;
use engine::segment::why::{Reason, Why};

/// Why somebody belongs, condition by condition.
pub(crate) fn why(why: &Why) -> Vec<String> {
    let verdict = if why.member { "belongs" } else { "does not belong" };
    let since = why.since.map(|since| format!(" since {since}")).unwrap_or_default();
    let mut lines = vec![format!("{verdict}{since}{}", until(why.until))];
    reasons(&why.conditions, 1, &mut lines);
    lines
}

fn reasons(conditions: &[Reason], depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    for reason in conditions {
        let mark = if reason.holds { "yes" } else { "no " };
        lines.push(format!("{indent}{mark}  {}{}", reason.condition, until(reason.until)));
        for evidence in &reason.because {
            let at = evidence.time.map(|at| format!("{at}  ")).unwrap_or_default();
            lines.push(format!("{indent}     {at}{}", evidence.what));
        }
        reasons(&reason.conditions, depth + 1, lines);
    }
}

fn until(until: Option<Timestamp>) -> String {
    until.map(|until| format!(" (until {until} if nothing happens)")).unwrap_or_default()
}

/// An outcome with its reason.
pub(crate) fn told(told: &Told) -> String {
    decision(&told.to, &told.decision)
}

/// A decision about somebody with its reason.
pub(crate) fn decision(who: &str, decision: &Decision) -> String {
    let mut line = format!("{} {who} {} {} {}", decision.at, decision.campaign, decision.step, decision.outcome);
    if let Some(because) = decision.because {
        line.push_str(&format!(" because {because}"));
    }
    if let Some(until) = decision.until {
        line.push_str(&format!(" until {until}"));
    }
    if let Some(detail) = &decision.detail {
        line.push_str(&format!(" ({detail})"));
    }
    line
}
