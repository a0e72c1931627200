//! Messages: the outbox, and one message with everything that happened to it.

use super::{ReportError, Who, all_pages, json};
use crate::deliver::Order;
use crate::state::Engine;
use domain::message::{Because, Channel, Decision, Message, Outcome, ReportKind};
use domain::workspace::service;
use domain::{CustomerId, MessageId, Name, Span, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use store::{Attempt, DecisionFilter, MessageFilter, Page, Reacted, Reader, ReportFilter, StoreError};

/// People asked about one by one; more are looked for among all messages.
const ASKED_ONE_BY_ONE: usize = 30;
/// Most messages looked through for many people: each comes with its letter.
const LOOKED_THROUGH: u64 = 5_000;

/// Which messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MessagesAsked {
    /// Of this campaign.
    pub campaign: Option<Name>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// With this reason.
    pub because: Option<Because>,
    /// To these people; none: to everybody.
    pub people: Option<BTreeSet<CustomerId>>,
}

/// A page of messages.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Messages {
    /// How many messages have each latest outcome, whatever was asked; `waiting`: on their way.
    pub counts: BTreeMap<&'static str, u64>,
    /// How many fit.
    pub found: u64,
    /// Those on their way first, then the latest outcome first.
    pub messages: Vec<MessageRow>,
}

/// A message in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MessageRow {
    /// Its id.
    pub message: MessageId,
    /// To whom.
    #[serde(flatten)]
    pub who: Who,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// From which template.
    pub template: Name,
    /// With which variant.
    pub variant: Option<String>,
    /// On which channel.
    pub channel: Channel,
    /// When it was first decided about.
    #[serde(serialize_with = "json::at")]
    pub decided_at: Timestamp,
    /// Its subject, where it was written.
    pub subject: Option<String>,
    /// What became of it; none: it is on its way.
    pub outcome: Option<Outcome>,
    /// Why.
    pub because: Option<Because>,
    /// When the latest outcome was reached.
    #[serde(serialize_with = "json::maybe_at")]
    pub outcome_at: Option<Timestamp>,
    /// When it will be tried or decided again, if that instant is known.
    #[serde(serialize_with = "json::maybe_at")]
    pub due: Option<Timestamp>,
    /// The receiver's last words, or the value that is missing.
    pub detail: Option<String>,
}

/// One message with everything that happened to it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MessageReport {
    /// Its row in the list.
    #[serde(flatten)]
    pub row: MessageRow,
    /// Every outcome it reached, oldest first.
    pub decisions: Vec<Decided>,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempted>,
    /// What came back about it, oldest first.
    pub reports: Vec<Reported>,
    /// What was done with it.
    #[serde(skip)]
    pub reactions: Vec<Reacted>,
    /// The message itself, with what was written.
    #[serde(skip)]
    pub whole: Message,
}

/// Something that came back about a message.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Reported {
    /// When.
    #[serde(serialize_with = "json::at")]
    pub time: Timestamp,
    /// What it says.
    pub kind: ReportKind,
    /// The other server's words.
    pub words: String,
}

/// Reports of one message that are shown.
const REPORTS: u32 = 100;

/// An outcome that a message reached.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Decided {
    /// When.
    #[serde(serialize_with = "json::at")]
    pub time: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub because: Option<Because>,
    /// More.
    pub detail: Option<String>,
    /// For a hold that time lifts: when.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Decided {
        Decided {
            time: decision.at,
            outcome: decision.outcome,
            because: decision.because,
            detail: decision.detail,
            until: decision.until,
        }
    }
}

/// An attempt to send.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Attempted {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    #[serde(serialize_with = "json::at")]
    pub started_at: Timestamp,
    /// How far it came: `started`, `data` or `done`.
    pub phase: domain::message::Phase,
    /// When it ended.
    #[serde(serialize_with = "json::maybe_at")]
    pub ended_at: Option<Timestamp>,
    /// How it ended: `sent`, `put_off`, `rejected`, `no_reply`.
    pub result: Option<String>,
    /// The receiver's words.
    pub reply: Option<String>,
}

impl From<Attempt> for Attempted {
    fn from(attempt: Attempt) -> Attempted {
        Attempted {
            number: attempt.number,
            started_at: attempt.started_at,
            phase: attempt.phase,
            ended_at: attempt.ended_at,
            result: attempt.result,
            reply: attempt.reply,
        }
    }
}

impl Engine {
    /// A page of messages. Without people the number found is exact whatever the size of the outbox.
    pub fn messages(
        &self,
        reader: &dyn Reader,
        asked: &MessagesAsked,
        skip: u64,
        limit: u32,
    ) -> Result<Messages, StoreError> {
        let filter = MessageFilter {
            campaign: asked.campaign.clone(),
            outcome: asked.outcome,
            because: asked.because,
            ..MessageFilter::default()
        };
        let all = reader.message_counts(None)?;
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        for count in &all {
            *counts.entry(count.outcome.map_or("waiting", Outcome::word)).or_default() += count.count;
        }
        let (rows, found) = match &asked.people {
            None => {
                let fits = |count: &&store::MessageCount| {
                    asked.campaign.as_ref().is_none_or(|campaign| *campaign == count.campaign)
                        && asked.outcome.is_none_or(|outcome| Some(outcome) == count.outcome)
                        && asked.because.is_none_or(|because| Some(because) == count.because)
                };
                let found = all.iter().filter(fits).map(|count| count.count).sum();
                (reader.messages(&filter, Page { skip, limit })?, found)
            }
            Some(people) => {
                let found = self.messages_to(reader, &filter, people)?;
                let count = found.len() as u64;
                let page = found.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(limit as usize);
                (page.collect(), count)
            }
        };
        let messages = rows.iter().map(|message| self.message_row(message)).collect();
        Ok(Messages { counts, found, messages })
    }

    fn messages_to(
        &self,
        reader: &dyn Reader,
        filter: &MessageFilter,
        people: &BTreeSet<CustomerId>,
    ) -> Result<Vec<Message>, StoreError> {
        if people.len() > ASKED_ONE_BY_ONE {
            let mut all = all_pages(LOOKED_THROUGH, |page| reader.messages(filter, page))?;
            all.retain(|message| people.contains(&self.person(message.customer)));
            return Ok(all);
        }
        let mut all = Vec::new();
        for id in people.iter().flat_map(|person| self.ids_of_person(*person)) {
            let filter = MessageFilter { customer: Some(id), ..filter.clone() };
            all.extend(all_pages(LOOKED_THROUGH, |page| reader.messages(&filter, page))?);
        }
        all.sort_by_key(|message| std::cmp::Reverse(message.outcome_at.unwrap_or(domain::time::LATEST)));
        Ok(all)
    }

    /// A message as lists show it.
    pub fn message_row(&self, message: &Message) -> MessageRow {
        MessageRow {
            message: message.id.clone(),
            who: self.who(message.customer),
            campaign: message.campaign.clone(),
            step: message.step.clone(),
            template: message.template.clone(),
            variant: message.variant.clone(),
            channel: message.channel,
            decided_at: message.decided_at,
            subject: message
                .written
                .as_ref()
                .map(|written| written.subject.clone())
                .filter(|subject| !subject.trim().is_empty()),
            outcome: message.outcome,
            because: message.because,
            outcome_at: message.outcome_at,
            due: message.due.filter(|due| *due != domain::time::LATEST),
            detail: message.detail.clone(),
        }
    }

    /// One message with everything that happened to it.
    pub fn message(&self, reader: &dyn Reader, id: &str) -> Result<MessageReport, ReportError> {
        let id = MessageId(id.into());
        let Some((message, attempts)) = reader.message(&id)? else {
            return Err(ReportError::NoMessage(id.0.chars().take(100).collect()));
        };
        let about = ReportFilter { message: Some(id.clone()), ..ReportFilter::default() };
        let mut reports: Vec<Reported> = reader
            .reports(&about, Page { skip: 0, limit: REPORTS })?
            .into_iter()
            .map(|report| Reported { time: report.at, kind: report.kind, words: report.words })
            .collect();
        reports.reverse();
        let reactions = reader.reactions(&id)?;
        let filter = DecisionFilter { message: Some(id), ..DecisionFilter::default() };
        let mut decisions: Vec<Decided> = all_pages(10_000, |page| reader.decisions(&filter, page))?
            .into_iter()
            .map(|(_, decision)| decision.into())
            .collect();
        decisions.reverse();
        Ok(MessageReport {
            row: self.message_row(&message),
            decisions,
            attempts: attempts.into_iter().map(Attempted::from).collect(),
            reports,
            reactions,
            whole: message,
        })
    }
}

impl MessageReport {
    /// The order by which the message goes or went out, if it was written: the same bytes at every attempt.
    pub fn order(&self) -> Option<Order> {
        let message = &self.whole;
        Some(Order {
            message: message.id.clone(),
            number: message.attempts.max(1),
            channel: message.channel,
            written: message.written.clone()?,
            decided_at: message.decided_at,
            campaign: message.campaign.clone(),
            is_marketing: message.purpose != service(),
            customer: message.customer,
            browsers: Vec::new(),
            useful_for: Span(0),
        })
    }
}
