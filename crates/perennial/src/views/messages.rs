//! The outbox, and one message as it looks.

use super::campaigns::{people, reason, skip};
use super::{EngineViews, House, broken, told, words};
use crate::pages::PageError;
use crate::pages::filter::Filter;
use crate::pages::links::Link;
use crate::pages::message::{LedgerRow, MessageView};
use crate::pages::notification::NotificationView;
use crate::pages::outbox::{MessageRow, OutboxView};
use crate::pages::outcome::{Outcome, because_in_words};
use crate::pages::text::{Count, TimeTag, Tone};
use domain::Name;
use domain::message::{Because, Channel, ReactionKind, Written};
use domain::workspace::{Sender, service};
use engine::Engine;
use engine::deliver::Order;
use engine::deliver::outbox::{Waits, WaitsBecause};
use engine::report::messages::{Attempted, Decided, MessageReport, Messages, MessagesAsked, Reported};
use jiff::tz::TimeZone;
use store::Reacted;

/// Messages on a page.
const ROWS: u32 = 30;
/// Messages to be approved on the first page of them.
const APPROVALS: usize = 20;

impl<H: House> EngineViews<H> {
    pub(super) fn outbox_view(&self, filter: &Filter) -> Result<OutboxView, PageError> {
        self.look(|engine, reader, ledger| {
            let skip = skip(filter);
            let all = MessagesAsked::default();
            let found = match asked(engine, filter) {
                Some(asked) => engine.messages(reader, &asked, skip, ROWS).map_err(broken)?,
                None => {
                    Messages { messages: Vec::new(), found: 0, ..engine.messages(reader, &all, 0, 1).map_err(broken)? }
                }
            };
            let shown = skip + found.messages.len() as u64;
            let count = |outcome: Outcome| Count(found.counts.get(outcome.code()).copied().unwrap_or(0));
            let uncertain = engine.unseen_uncertain(reader, ledger).map_err(broken)?;
            let mut counts: Vec<(Outcome, Count)> =
                Outcome::ALL.into_iter().map(|outcome| (outcome, count(outcome))).collect();
            if !count(Outcome::Waiting).is_zero() {
                counts.push((Outcome::Waiting, count(Outcome::Waiting)));
            }
            let approvals = engine.waiting_for_approval();
            Ok(OutboxView {
                counts,
                approvals_in_all: approvals.len().into(),
                approvals: approvals
                    .iter()
                    .take(APPROVALS)
                    .map(|message| row(engine, &engine.message_row(message)))
                    .collect(),
                uncertain: uncertain.iter().map(|message| row(engine, &engine.message_row(message))).collect(),
                rows: found.messages.iter().map(|message| row(engine, message)).collect(),
                found: Count(found.found),
                next: (shown < found.found && !found.messages.is_empty()).then(|| shown.to_string()),
            })
        })
    }

    pub(super) fn message_view(&self, id: &str) -> Result<MessageView, PageError> {
        self.look(|engine, reader, ledger| {
            let report = engine.message(reader, id).map_err(told)?;
            let row = row(engine, &report.row);
            let (headers, size_bytes) = self.headers(engine, &report);
            let written = report.whole.written.as_ref();
            Ok(MessageView {
                id: row.id,
                subject: row.message.text,
                customer: row.customer,
                campaign: row.campaign,
                step: report.row.step.clone(),
                variant: report.row.variant.clone(),
                channel: row.channel,
                verdict: row.verdict,
                at: row.at,
                again: row.again,
                explanation: explanation(engine, &report),
                is_seen: ledger.is_seen(id),
                headers,
                notification: written
                    .filter(|_| report.whole.channel == Channel::Push)
                    .map(|written| notification(engine, written)),
                text: written.map(|written| written.text.clone()),
                has_html: written.is_some_and(|written| written.html.is_some()),
                size_bytes: Count(size_bytes),
                ledger: ledger_rows(&report, &words::zone(engine)),
            })
        })
    }

    pub(super) fn body_view(&self, id: &str) -> Result<String, PageError> {
        let report = self.look(|engine, reader, _| engine.message(reader, id).map_err(told))?;
        let html = report.whole.written.and_then(|written| written.html.clone());
        html.ok_or_else(|| PageError::NotFound("picture of this message: it was never written".to_owned()))
    }

    /// The headers as they go or went out, and the length of the whole mail.
    fn headers(&self, engine: &Engine, report: &MessageReport) -> (Vec<(String, String)>, u64) {
        let (Some(order), Some(sender)) = (report.order(), engine.definitions().settings.sender.as_ref()) else {
            return (Vec::new(), 0);
        };
        if order.channel != Channel::Email {
            return (Vec::new(), 0);
        }
        match crate::post::write(&order, sender, &self.public_url, engine.open_url(&order).as_deref()) {
            Ok((_, mail)) => (decoded(mail.as_bytes(), &order, sender), mail.as_bytes().len() as u64),
            Err(error) => (vec![("Trouble".to_owned(), format!("this mail cannot be written: {error:#}"))], 0),
        }
    }
}

/// As a browser shows it, with the address that the author wrote: the link itself counts whoever follows it.
fn notification(engine: &Engine, written: &Written) -> NotificationView {
    let target = |url: &String| {
        let token = url.rsplit_once("/c/").map_or("", |(_, token)| token);
        engine.signer().verify_click(token).map_or_else(|| url.clone(), |(_, target)| target)
    };
    NotificationView {
        title: written.subject.clone(),
        body: written.text.trim().to_owned(),
        leads_to: written.url.as_ref().map(target),
        icon: written.icon.clone(),
    }
}

fn asked(engine: &Engine, filter: &Filter) -> Option<MessagesAsked> {
    let campaign = match filter.campaign.trim() {
        "" => None,
        name => Some(Name::parse(name).ok()?),
    };
    let because = reason(filter).ok()?;
    Some(MessagesAsked {
        campaign,
        outcome: words::asked_outcome(filter.outcome),
        because,
        people: people(engine, filter),
    })
}

fn row(engine: &Engine, row: &engine::report::messages::MessageRow) -> MessageRow {
    let subject = row.subject.clone().unwrap_or_else(|| format!("{}, not written", row.template));
    MessageRow {
        message: Link::message(&row.message.0, &subject),
        id: row.message.to_string(),
        customer: words::link(&row.who),
        campaign: Link::campaign(row.campaign.as_str(), &engine.campaign_title(&row.campaign)),
        channel: engine::report::words::channel_words(row.channel.word()).to_owned(),
        at: row.outcome_at.unwrap_or(row.decided_at).as_jiff(),
        verdict: words::verdict(row.outcome, row.because),
        again: row.due.map(domain::Timestamp::as_jiff),
    }
}

/// The header lines of a mail, unfolded; those with words of people as they were before they were encoded.
fn decoded(mail: &[u8], order: &Order, sender: &Sender) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(mail);
    let head = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    let mailbox = |name: Option<&str>, address: &str| match name {
        Some(name) => format!("{name} <{address}>"),
        None => address.to_owned(),
    };
    lines
        .map(|(name, value)| {
            let plain = match name {
                "Subject" => order.written.subject.clone(),
                "From" => mailbox(Some(&sender.name), &sender.address),
                "To" => mailbox(order.written.to_name.as_deref(), &order.written.to),
                _ => value.to_owned(),
            };
            (name.to_owned(), plain)
        })
        .collect()
}

/// What the verdict means and what one can do.
fn explanation(engine: &Engine, report: &MessageReport) -> String {
    use domain::message::Outcome as Reached;
    let is_service = report.whole.purpose == service();
    let detail = report.row.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let real = engine.options().real_channels.contains(&report.row.channel);
    match (report.row.outcome, report.row.because) {
        (None, _) => waits(engine.why_waits(&report.whole)),
        (Some(Reached::Sent), _) if !real => "It is kept here: nothing leaves this machine, and it counts as sent.".to_owned(),
        (Some(Reached::Sent), _) => String::new(),
        (Some(Reached::Held), Some(because)) => held(because, &detail),
        (Some(Reached::Held), None) => "It waits.".to_owned(),
        (Some(Reached::Skipped), because) => {
            let why = because.map_or_else(String::new, |because| format!(": {}", because_in_words(because.word())));
            format!("It will not go out{why}. The customer goes on to the next step, or has left.")
        }
        (Some(Reached::WouldHaveSent), _) => "This customer is in the comparison group: everything was decided as for a real message, and nothing was sent.".to_owned(),
        (Some(Reached::Failed), Some(Because::Rejected)) => {
            format!("Their server refused it{detail}. If it was the address that was refused, nothing more is written to it until a person lifts that.")
        }
        (Some(Reached::Failed), _) => format!("It was put off until it was too late{detail}."),
        (Some(Reached::Uncertain), _) if is_service => "The server took it and never answered, several times. It may have arrived, perhaps more than once.".to_owned(),
        (Some(Reached::Uncertain), _) => "The server took it and never answered. It may have arrived. It is an offer, so it is not sent twice.".to_owned(),
    }
}

/// Why a message that is through the gate has not gone, and until when.
fn waits(waits: Option<Waits>) -> String {
    let Some(Waits { because, until }) = waits else { return "It is through the gate and on its way.".to_owned() };
    let until = until.map(|until| format!(", at the earliest at {until}")).unwrap_or_default();
    match because {
        WaitsBecause::Next => format!("It is through the gate and goes out next{until}."),
        WaitsBecause::OnTheirWay => {
            "As many as may are on their way to the same domain; it goes when one of them has arrived.".to_owned()
        }
        WaitsBecause::Pace => format!("It waits its turn: the configuration says how many may go a minute{until}."),
        WaitsBecause::DomainPace => {
            format!("It waits its turn: the configuration says how many may go to this domain a minute{until}.")
        }
        WaitsBecause::DomainRests => {
            format!("The servers of this domain took nothing lately, and are let rest; it goes out after that{until}.")
        }
        WaitsBecause::WarmUp => {
            format!("This sender is young and has sent as many as it may today; it goes out after that{until}.")
        }
    }
}

fn held(because: Because, detail: &str) -> String {
    match because {
        Because::MissingValue => format!(
            "It cannot be written yet{detail}. Give the template a default, or bring in the value: then it goes through the gate again."
        ),
        Because::NeedsApproval => "It waits until a person approves it.".to_owned(),
        Because::Paused => "Its campaign is paused; on resume it goes through the gate again.".to_owned(),
        Because::PersonTalking => {
            "It waits until the conversation is over; then it goes through the gate again.".to_owned()
        }
        Because::ComplaintOpen => {
            "It waits until the complaint is settled; then it goes through the gate again.".to_owned()
        }
        Because::QuietHours => {
            "It waits until the customer’s quiet hours end; then it goes through the gate again.".to_owned()
        }
        Because::FrequencyCap => {
            "The customer has had as many messages as are allowed; it waits until there is room again.".to_owned()
        }
        Because::LowerPriority => {
            "Another message of the same moment went first; it waits until there is room again.".to_owned()
        }
        Because::PutOff => format!("Their server asked to try later{detail}."),
        Because::ChannelDown => "The channel rests after failures in a row, and is tried again soon.".to_owned(),
        _ => "It waits.".to_owned(),
    }
}

/// Decisions and attempts in the order of time. An attempt is told before the outcome that it led to.
fn ledger_rows(report: &MessageReport, zone: &TimeZone) -> Vec<LedgerRow> {
    let mut rows = vec![(
        report.row.decided_at,
        0,
        LedgerRow {
            at: report.row.decided_at.as_jiff(),
            attempt: None,
            phase: "Fell due".to_owned(),
            detail: format!("step {} of {}", report.row.step, report.row.campaign),
            tone: Tone::Plain,
            is_faint: false,
        },
    )];
    for attempt in &report.attempts {
        rows.extend(attempt_rows(attempt));
    }
    rows.extend(report.reports.iter().map(|reported| (reported.time, 4, reported_row(reported))));
    rows.extend(report.reactions.iter().map(|reacted| (reacted.first_at, 5, reacted_row(reacted, zone))));
    rows.extend(report.decisions.iter().map(|decided| (decided.time, 3, decided_row(decided))));
    rows.sort_by_key(|(at, rank, _)| (*at, *rank));
    rows.into_iter().map(|(_, _, row)| row).collect()
}

fn attempt_rows(attempt: &Attempted) -> Vec<(domain::Timestamp, u8, LedgerRow)> {
    let row = |at: domain::Timestamp, phase: &str, detail: String, tone| LedgerRow {
        at: at.as_jiff(),
        attempt: Some(attempt.number),
        phase: phase.to_owned(),
        detail,
        tone,
        is_faint: false,
    };
    let mut rows = vec![(
        attempt.started_at,
        1,
        row(attempt.started_at, "Attempt recorded", "on disk before anything is sent".to_owned(), Tone::Plain),
    )];
    if let Some(ended) = attempt.ended_at {
        let (phase, tone) = match attempt.result.as_deref() {
            Some("sent") => ("Accepted", Tone::Leaf),
            Some("put_off") => ("Put off", Tone::Sun),
            Some("rejected") => ("Refused", Tone::Rose),
            Some("no_reply") => ("No reply", Tone::Rose),
            _ => ("Ended", Tone::Plain),
        };
        rows.push((ended, 2, row(ended, phase, attempt.reply.clone().unwrap_or_default(), tone)));
    }
    rows
}

fn reported_row(reported: &Reported) -> LedgerRow {
    let (phase, tone) = super::reports::words_of(reported.kind);
    LedgerRow {
        at: reported.time.as_jiff(),
        attempt: None,
        phase: phase.to_owned(),
        detail: reported.words.clone(),
        tone,
        is_faint: false,
    }
}

fn reacted_row(reacted: &Reacted, zone: &TimeZone) -> LedgerRow {
    let (phase, tone) = match reacted.kind {
        ReactionKind::Opened => ("Opened", Tone::Leaf),
        ReactionKind::Clicked => ("Followed a link", Tone::Leaf),
        ReactionKind::MachineOpened => ("A machine fetched its pictures", Tone::Plain),
        ReactionKind::MachineClicked => ("A machine followed a link", Tone::Plain),
    };
    let times = match reacted.times {
        1 => String::new(),
        times => format!("{times} times, last on {}", TimeTag::exact(reacted.last_at.as_jiff(), zone).words()),
    };
    let counts_not = if reacted.kind.is_of_machine() { "not counted as a person" } else { "" };
    let detail: Vec<&str> = [counts_not, &times].into_iter().filter(|part| !part.is_empty()).collect();
    LedgerRow {
        at: reacted.first_at.as_jiff(),
        attempt: None,
        phase: phase.to_owned(),
        detail: detail.join("; "),
        tone,
        is_faint: reacted.kind.is_of_machine(),
    }
}

fn decided_row(decided: &Decided) -> LedgerRow {
    let outcome = words::outcome(Some(decided.outcome));
    let because = decided.because.map(|because| because_in_words(because.word()));
    let detail: Vec<String> = because.into_iter().chain(decided.detail.clone()).collect();
    LedgerRow {
        at: decided.time.as_jiff(),
        attempt: None,
        phase: outcome.words().to_owned(),
        detail: detail.join(": "),
        tone: outcome.tone(),
        is_faint: false,
    }
}
