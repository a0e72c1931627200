//! Today: the one sentence, what was noticed, who needs a person.

use super::{EngineViews, House, broken, words};
use crate::pages::PageError;
use crate::pages::home::{Attention, Finding, HomeView};
use crate::pages::ingest::Totals;
use crate::pages::links::{Link, Place};
use crate::pages::text::{Count, Prose, Tag, Tone, how_long};
use domain::campaign::State;
use domain::message::Because;
use domain::{Money, Span, Timestamp};
use engine::Engine;
use engine::report::Ledger;
use engine::report::attention::{Need, Why};
use engine::report::campaigns::CampaignRow;
use engine::report::ledger::Quiet;
use engine::report::vouchers::PoolReport;
use store::Reader;

/// People in the list; the rest is a number.
const SHOWN: usize = 8;
/// Campaigns in the small table.
const CAMPAIGNS: usize = 5;
/// Quiet regulars named in the finding.
const NAMED: usize = 3;
/// Findings on the page.
const FINDINGS: usize = 6;

impl<H: House> EngineViews<H> {
    pub(super) fn home_view(&self) -> Result<HomeView, PageError> {
        let beat = self.pulse()?;
        self.look(|engine, reader, ledger| {
            let needs = &beat.attention.needs;
            let quiet = Quiets {
                count: beat.attention.quiet,
                worth: &beat.attention.quiet_worth_in_year,
                first: &beat.attention.quiet_first,
            };
            let (today, last_call) = engine.door_today(reader).map_err(broken)?;
            let campaigns = engine.campaigns(reader).map_err(broken)?;
            let shown = &needs[..needs.len().min(SHOWN)];
            let quotes = engine.words_of(reader, shown).map_err(broken)?;
            let shown = shown.iter().map(|need| attention(engine, ledger, need, quotes.get(&need.who.id)));
            let mut findings = Vec::new();
            findings.extend(uncertain(beat.attention.uncertain));
            findings.extend(held(engine));
            findings.extend(deaf(engine));
            findings.extend(running_dry(&engine.pools(reader).map_err(broken)?));
            findings.extend(refused(today.refused));
            findings.extend(drifting(engine, &quiet));
            findings.extend(came_back(engine, reader, &campaigns)?);
            findings.truncate(FINDINGS);
            let running = campaigns.iter().filter(|row| row.state != State::Stopped);
            let (lead, lead_note, lead_action) = lead(engine, needs, &quiet);
            Ok(HomeView {
                lead,
                lead_note,
                lead_action,
                findings,
                attention: shown.collect(),
                attention_total: needs.len().into(),
                campaigns: running.take(CAMPAIGNS).map(|row| super::campaigns::row(engine, row)).collect(),
                ingest: Totals {
                    accepted: Count(today.accepted),
                    duplicate: Count(today.duplicates),
                    refused: Count(today.refused),
                },
                last_call: last_call.map(Timestamp::as_jiff),
            })
        })
    }
}

/// The regulars who are quiet.
struct Quiets<'a> {
    count: u64,
    worth: &'a [Money],
    first: &'a [Quiet],
}

/// The one sentence: who waits comes before who is silent.
fn lead(engine: &Engine, needs: &[Need], quiet: &Quiets<'_>) -> (Prose, Prose, Option<Link>) {
    let waits: Vec<&Need> =
        needs.iter().filter(|need| matches!(need.why, Why::Complaint | Why::Conversation)).collect();
    let mut lead = Prose::new();
    let mut note = Prose::new();
    if let Some(first) = waits.first() {
        let count = Count::from(waits.len());
        lead = lead.strong(format!("{} for an answer.", count.of("customer waits", "customers wait")));
        note = note.say("counted just now");
        let action = Link::new(&format!("Answer {}", first.who.title()), Place::Customer(first.who.id.to_string()));
        return (also_quiet(lead, engine, quiet), note, Some(action));
    }
    if quiet.count == 0 {
        return (lead, note, None);
    }
    lead = also_quiet(lead, engine, quiet);
    note = note.say("counted just now · quiet means: three orders or more, and silent for over two and a half times their own usual gap");
    (lead, note, Some(Link::new("Ask them back", Place::NewCampaign)))
}

fn also_quiet(lead: Prose, engine: &Engine, quiet: &Quiets<'_>) -> Prose {
    if quiet.count == 0 {
        return lead;
    }
    let count = Count(quiet.count);
    let lead = if lead.is_empty() { lead } else { lead.say(" ") };
    let lead = lead.strong(format!("{} quiet.", count.of("regular has gone", "regulars have gone")));
    match words::main_sum(quiet.worth, engine.definitions().settings.currency) {
        Some(worth) => lead.say(" Their orders of the last year came to ").strong(worth.to_string()).say("."),
        None => lead,
    }
}

fn uncertain(count: u64) -> Option<Finding> {
    (count > 0).then(|| Finding {
        tag: Tag::new("Uncertain", Tone::Rose),
        title: format!("{} may or may not have gone out", Count(count).of("message", "messages")),
        text: Prose::plain(
            "The mail server took the words and never answered. Offers are not sent twice; look at each and say so.",
        ),
        actions: vec![Link::new("Look at them", Place::Messages("uncertain".to_owned()))],
    })
}

/// Messages that only a person can help.
fn held(engine: &Engine) -> Vec<Finding> {
    let held = engine.held_now();
    let of = |because| held.iter().find(|(known, _)| *known == because).map_or(0, |(_, count)| *count);
    let finding = |count: u64, tag: &str, title: &str, text: &str| {
        (count > 0).then(|| Finding {
            tag: Tag::new(tag, Tone::Sun),
            title: format!("{} {title}", Count(count).of("message", "messages")),
            text: Prose::plain(text),
            actions: vec![Link::new("Show them", Place::Messages("held".to_owned()))],
        })
    };
    let missing = finding(
        of(Because::MissingValue),
        "A value is missing",
        "cannot be written",
        "The template prints something that is not known of these customers. Give it a default, or bring in the value.",
    );
    let approval =
        finding(of(Because::NeedsApproval), "Waits for you", "to approve", "They go out once a person has said yes.");
    [missing, approval].into_iter().flatten().collect()
}

/// Systems that are told nothing until a person does something.
fn deaf(engine: &Engine) -> Option<Finding> {
    let off: Vec<_> = engine.endpoints().into_iter().filter(|endpoint| endpoint.off.is_some()).collect();
    let first = off.first()?;
    let waiting = Count(off.iter().map(|endpoint| endpoint.open).sum());
    let title = match off.len() {
        1 => format!("{} wants to hear nothing any more", first.name),
        count => format!("{count} systems want to hear nothing any more"),
    };
    Some(Finding {
        tag: Tag::new("Webhooks", Tone::Rose),
        title,
        text: Prose::plain(format!(
            "It said so (410) and is told nothing since. What is meant for it waits for three days, {} now. If that was a mistake, turn it on again.",
            waiting.of("webhook", "webhooks")
        )),
        actions: vec![Link::new("Look", Place::Webhooks)],
    })
}

/// Pools of vouchers that want more codes before a customer has to go without.
fn running_dry(pools: &[PoolReport]) -> Option<Finding> {
    let low: Vec<&PoolReport> = pools.iter().filter(|pool| pool.is_low()).collect();
    let first = low.iter().min_by_key(|pool| pool.left)?;
    let others = low.len() - 1;
    let mut title = match first.left {
        0 => format!("The vouchers of {} are used up", first.pool),
        left => format!("{} left of the vouchers {}", Count(left).of("code is", "codes are"), first.pool),
    };
    if others > 0 {
        title.push_str(&format!(", and {} more", Count::from(others).of("pool runs dry", "pools run dry")));
    }
    let text = match first.left {
        0 => "Messages that show a code of it are held, so that nobody gets one without. Bring more codes, and they go out.".to_owned(),
        _ => format!(
            "{} in the last seven days. When none is left, messages that show a code are held.",
            Count(first.given_in_week).of("was given", "were given")
        ),
    };
    Some(Finding {
        tag: Tag::new("Vouchers", if first.left == 0 { Tone::Rose } else { Tone::Sun }),
        title,
        text: Prose::plain(text),
        actions: vec![Link::new("Bring codes", Place::Vouchers)],
    })
}

fn refused(count: u64) -> Option<Finding> {
    (count > 0).then(|| Finding {
        tag: Tag::new("Refused", Tone::Sun),
        title: format!("{} refused today", Count(count).of("call was", "calls were")),
        text: Prose::plain("Each is kept with the reason, and can be tried again once that is mended."),
        actions: vec![Link::new("See why", Place::Sources)],
    })
}

fn drifting(engine: &Engine, quiet: &Quiets<'_>) -> Option<Finding> {
    if quiet.count == 0 {
        return None;
    }
    let now = engine.clock();
    let mut text = Prose::plain("Most worth in the last year: ");
    for (place, quiet) in quiet.first.iter().take(NAMED).enumerate() {
        let who = engine.who(quiet.customer);
        let before = if place == 0 { "" } else { "; " };
        let usual = words::long(Span(quiet.usual_gap_ms));
        text = text
            .say(before)
            .link(who.title(), Place::Customer(who.id.to_string()))
            .say(format!(" (usually every {usual}, quiet for {})", words::long(now.since(quiet.last))));
    }
    Some(Finding {
        tag: Tag::new("Gone quiet", Tone::Sun),
        title: format!(
            "{} silent for longer than is usual for them",
            Count(quiet.count).of("regular is", "regulars are")
        ),
        text: text.say("."),
        actions: vec![Link::new("Write a campaign", Place::NewCampaign)],
    })
}

/// The campaign with the most people in both groups: counts, no verdict.
fn came_back(engine: &Engine, reader: &dyn Reader, rows: &[CampaignRow]) -> Result<Option<Finding>, PageError> {
    let Some(row) =
        rows.iter().filter(|row| row.state == State::Running && row.came_back.is_some()).max_by_key(|row| row.sent)
    else {
        return Ok(None);
    };
    let report = engine.campaign(reader, row.campaign.as_str()).map_err(super::told)?;
    let (messaged, held_out) = (&report.arms.messaged, &report.arms.held_out);
    if messaged.customers == 0 || held_out.customers == 0 {
        return Ok(None);
    }
    let count = |count: u64| Count(count).to_string();
    let text = Prose::new()
        .say("Of ")
        .strong(count(messaged.customers))
        .say(format!(" with the message {} came back, of ", count(messaged.came_back)))
        .strong(count(held_out.customers))
        .say(format!(" in the comparison group {}. Counted, not judged.", count(held_out.came_back)));
    Ok(Some(Finding {
        tag: Tag::new("Came back", Tone::Leaf),
        title: row.title.clone(),
        text,
        actions: vec![Link::new("Open the campaign", Place::Campaign(row.campaign.as_str().to_owned()))],
    }))
}

fn attention(engine: &Engine, ledger: &Ledger, need: &Need, quote: Option<&String>) -> Attention {
    let now = engine.clock();
    let place = Place::Customer(need.who.id.to_string());
    let message = need.message.as_ref().map(|message| Place::Message(message.to_string()));
    let detail = need.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let (why, action, to) = match need.why {
        Why::Complaint => ("Complaint open".to_owned(), "Answer", place),
        Why::Conversation => ("A conversation is open".to_owned(), "Answer", place),
        Why::Uncertain => ("A message may or may not have gone out".to_owned(), "Look", message.unwrap_or(place)),
        Why::NeedsApproval => ("A message waits for approval".to_owned(), "Look", message.unwrap_or(place)),
        Why::MissingValue => (format!("A message cannot be written{detail}"), "Look", message.unwrap_or(place)),
        Why::FellSilent => (silence(need.quiet.as_ref(), now), "Open", place),
    };
    let bought = ledger.bought(&engine.ids_of_person(need.who.id), now);
    let known = engine
        .look()
        .customer(need.who.id)
        .map(|customer| format!("customer for {}", how_long(customer.first_seen.as_jiff(), now.as_jiff())));
    let orders = (bought.orders > 0).then(|| Count(bought.orders).of("order", "orders"));
    let about: Vec<String> = known.into_iter().chain(orders).collect();
    Attention {
        customer: words::link(&need.who),
        about: about.join(" · "),
        why,
        quote: quote.cloned(),
        since: need.since.as_jiff(),
        action: Link::new(action, to),
    }
}

fn silence(quiet: Option<&Quiet>, now: Timestamp) -> String {
    match quiet {
        Some(quiet) => {
            let (usual, silent) = (words::long(Span(quiet.usual_gap_ms)), words::long(now.since(quiet.last)));
            format!("Usually orders every {usual}, quiet for {silent}")
        }
        None => "Quiet for longer than usual".to_owned(),
    }
}
