//! `perennial simulate` and `perennial campaigns preflight`: a campaign that is tried, not started.

use super::{Out, show};
use crate::client::{Client, WrongUsage};
use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::io::{Result, Write};
use std::path::Path;
use std::time::Duration;

/// Messages that are printed one by one; `--json` has more.
const PRINTED: usize = 20;

/// What `simulate` is told.
#[derive(Args)]
pub(super) struct Simulate {
    /// The campaign's name, or a file of definitions with one campaign
    campaign: String,
    /// When it would have started, such as 2026-01-01T00:00:00Z or -90d
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    from: String,
    /// Until when it is followed; now where nothing is said
    #[arg(long, value_name = "INSTANT", allow_hyphen_values = true)]
    to: Option<String>,
}

/// Tries a campaign on the past.
pub(super) fn simulate(client: &Client, asked: &Simulate, out: &Out) -> anyhow::Result<()> {
    let mut body = meant(&asked.campaign)?;
    body["from"] = asked.from.as_str().into();
    if let Some(to) = &asked.to {
        body["to"] = to.as_str().into();
    }
    let answer = waiting("living through the past", || client.post("/api/simulate", &body))?;
    out.answer(&answer, |print| dry_run(print, &answer))
}

/// Looks at a campaign before it starts.
pub(super) fn preflight(client: &Client, campaign: &str, out: &Out) -> anyhow::Result<()> {
    let body = meant(campaign)?;
    let answer = waiting("living through the past", || client.post("/api/preflight", &body))?;
    out.answer(&answer, |print| checked(print, &answer))
}

/// A campaign by its name, or the definitions of a file.
fn meant(campaign: &str) -> anyhow::Result<Value> {
    let path = Path::new(campaign);
    if domain::Name::parse(campaign).is_ok() && !path.is_file() {
        return Ok(json!({ "campaign": campaign }));
    }
    if !path.is_file() {
        let words = format!("`{campaign}` is neither the name of a campaign nor a file of definitions");
        return Err(WrongUsage(words).into());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{campaign} cannot be read"))?;
    Ok(json!({ "definitions": text }))
}

/// Shows on a terminal that something is being done.
fn waiting<T>(words: &'static str, work: impl FnOnce() -> T) -> T {
    let bar = ProgressBar::new_spinner().with_message(words);
    bar.enable_steady_tick(Duration::from_millis(120));
    let made = work();
    bar.finish_and_clear();
    made
}

fn dry_run(print: &mut dyn Write, answer: &Value) -> Result<()> {
    let text = |key| show::text(answer, key);
    writeln!(print, "{} from {} to {}: nothing was sent.", text("campaign"), text("from"), text("to"))?;
    writeln!(
        print,
        "{} entries of {} people, {} of them at the start; {} inside at the end.",
        text("entries"),
        text("people"),
        text("at_start"),
        text("inside")
    )?;
    section(
        print,
        answer,
        "outcomes",
        "What would have become of its messages:",
        &["outcome", "because", "messages", "people"],
    )?;
    section(print, answer, "holds", "Held for a while, and why:", &["because", "messages"])?;
    let given = ["tasks", "vouchers", "points", "webhooks"].into_iter().filter(|key| answer[*key] != 0);
    let given: Vec<String> = given.map(|key| format!("{} {key}", text(key))).collect();
    if !given.is_empty() {
        writeln!(print, "Beside its messages: {}.", given.join(", "))?;
    }
    if answer["without_voucher"] != 0 {
        let words = "vouchers for which no code would have been left, of those that are left today";
        writeln!(print, "{} {words}.", text("without_voucher"))?;
    }
    section(print, answer, "per_person", "How many people would have got how many:", &["messages", "people"])?;
    section(print, answer, "most", "Most often:", &["customer", "messages"])?;
    section(print, answer, "months", "Month by month:", &["month", "entries", "sent", "would_have_sent"])?;
    without(print, &answer["anyway"])?;
    if answer["was_running"] == true {
        writeln!(print, "It was really running for a part of that time: they may have done it because of it.")?;
    }
    let first = Value::from_iter(answer["messages"].as_array().into_iter().flatten().take(PRINTED).cloned());
    let shown = json!({ "messages": first });
    let heading = format!("The first of {} messages:", text("messages_in_all"));
    section(print, &shown, "messages", &heading, &["at", "customer", "step", "outcome", "because", "subject"])
}

fn checked(print: &mut dyn Write, answer: &Value) -> Result<()> {
    let (now, month) = (&answer["now"], &answer["month"]);
    writeln!(
        print,
        "{}, if it started now: {} people would enter at once.",
        show::text(answer, "campaign"),
        now["enter"]
    )?;
    section(
        print,
        now,
        "outcomes",
        "What would become of their messages, if nothing else happened:",
        &["outcome", "because", "messages", "people"],
    )?;
    section(print, now, "holds", "Held for a while, and why:", &["because", "messages"])?;
    if now["without_voucher"] != 0 {
        writeln!(print, "{} vouchers for which no code would be left.", now["without_voucher"])?;
    }
    writeln!(
        print,
        "In a month, by the past {} days: {} entries, {} messages, {} in the comparison group.",
        month["days"],
        rounded(&month["enter"]),
        rounded(&month["sent"]),
        rounded(&month["would_have_sent"])
    )?;
    let measure = &answer["measure"];
    if measure.is_null() {
        return writeln!(print, "It has no goal, so nothing can be measured.");
    }
    without(print, &measure["anyway"])?;
    for look in measure["looks"].as_array().into_iter().flatten() {
        let days = &look["days"];
        match look["smallest_rise"].as_f64() {
            Some(rise) => writeln!(
                print,
                "After {days} days a rise of {rise:.1} percentage points or more would show ({} people).",
                rounded(&look["people"])
            )?,
            None => {
                writeln!(print, "After {days} days nothing could be told yet ({} people).", rounded(&look["people"]))?
            }
        }
    }
    Ok(())
}

fn rounded(value: &Value) -> String {
    format!("{:.0}", value.as_f64().unwrap_or_default())
}

fn without(print: &mut dyn Write, anyway: &Value) -> Result<()> {
    if anyway.is_null() || anyway["complete"] == 0 {
        return Ok(());
    }
    let (reached, complete) = (&anyway["reached"], &anyway["complete"]);
    writeln!(print, "Without it, {reached} of {complete} reached its goal anyway: that is what it has to beat.")
}

fn section(print: &mut dyn Write, answer: &Value, key: &str, heading: &str, columns: &[&str]) -> Result<()> {
    if answer[key].as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    writeln!(print, "\n{heading}")?;
    show::table(print, &answer[key], columns)?;
    writeln!(print)
}
