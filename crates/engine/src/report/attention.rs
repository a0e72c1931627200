//! Who needs a person: customers who wait for an answer, messages that wait for a decision, regulars who have
//! just fallen silent. Plain statements about what is known; no forecast.

use super::ledger::{Ledger, Quiet, sums};
use super::{Who, json};
use crate::state::Engine;
use domain::call::events;
use domain::message::{Because, Outcome};
use domain::{CustomerId, MessageId, Money, Span, Timestamp};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use store::{MessageFilter, Page, Reader, StoreError};

/// Uncertain messages that are looked at: each is a moment in which something broke.
pub const UNCERTAIN: u32 = 50;
/// Quiet regulars named one by one.
const QUIET_FIRST: usize = 10;
/// A regular whose silence became unusual within this time is news.
const NEWS: Span = Span::days(7);

/// Somebody for whom a person should do something.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Need {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// Why.
    pub why: Why,
    /// Since when.
    #[serde(serialize_with = "json::at")]
    pub since: Timestamp,
    /// The message it is about.
    pub message: Option<MessageId>,
    /// The orders and gap it is about.
    pub quiet: Option<Quiet>,
    /// The value that is missing, the receiver's words.
    pub detail: Option<String>,
}

/// Why somebody needs a person; the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A complaint is open.
    Complaint,
    /// A conversation is open.
    Conversation,
    /// Nobody knows whether a message went out, and nobody has looked.
    Uncertain,
    /// A message waits for approval.
    NeedsApproval,
    /// A message cannot be written.
    MissingValue,
    /// A regular has just become quiet.
    FellSilent,
}

/// Everybody who needs a person, and how many regulars are quiet in all.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Attention {
    /// The most urgent first; one row per customer.
    pub needs: Vec<Need>,
    /// Regulars who are quiet now, those of `needs` included.
    pub quiet: u64,
    /// What the orders of the quiet were worth in the last 365 days, per currency.
    pub quiet_worth_in_year: Vec<Money>,
    /// The quiet whose orders were worth most in the last 365 days; a handful.
    pub quiet_first: Vec<Quiet>,
    /// Uncertain messages that nobody has looked at.
    pub uncertain: u64,
}

impl Engine {
    /// Everybody who needs a person now. O(customers + open messages + orders).
    pub fn attention(&self, reader: &dyn Reader, ledger: &Ledger) -> Result<Attention, StoreError> {
        let now = self.clock;
        let mut needs: Vec<Need> = Vec::new();
        for (id, customer) in self.customers.iter() {
            let (talk, complaint) = customer.standing.waits_since(now);
            needs.extend(complaint.map(|since| self.need(id, Why::Complaint, since)));
            needs.extend(talk.map(|since| self.need(id, Why::Conversation, since)));
        }
        let uncertain = self.unseen_uncertain(reader, ledger)?;
        for message in &uncertain {
            let since = message.outcome_at.unwrap_or(message.decided_at);
            needs.push(Need {
                message: Some(message.id.clone()),
                detail: message.detail.clone(),
                ..self.need(message.customer, Why::Uncertain, since)
            });
        }
        needs.extend(self.waiting_messages());
        let quiet = ledger.quiet_regulars(self, now);
        let news = quiet.iter().filter(|quiet| now.since(quiet.since) <= NEWS);
        needs.extend(news.map(|quiet| Need {
            quiet: Some(quiet.clone()),
            ..self.need(quiet.customer, Why::FellSilent, quiet.since)
        }));
        // Of the quiet the most worth come first, as the ledger gave them: the sort keeps their order.
        needs.sort_by_key(|need| (need.why, if need.why == Why::FellSilent { Timestamp(0) } else { need.since }));
        let mut named = HashSet::new();
        needs.retain(|need| named.insert(need.who.id));
        Ok(Attention {
            needs,
            quiet: quiet.len() as u64,
            quiet_worth_in_year: sums(quiet.iter().flat_map(|quiet| quiet.worth_in_year.iter().copied())),
            quiet_first: quiet.iter().take(QUIET_FIRST).cloned().collect(),
            uncertain: uncertain.len() as u64,
        })
    }

    fn need(&self, id: CustomerId, why: Why, since: Timestamp) -> Need {
        Need { who: self.who(id), why, since, message: None, quiet: None, detail: None }
    }

    /// Messages of which nobody knows whether they went out, and which nobody has looked at; at most 50, latest first.
    pub fn unseen_uncertain(
        &self,
        reader: &dyn Reader,
        ledger: &Ledger,
    ) -> Result<Vec<domain::message::Message>, StoreError> {
        let filter = MessageFilter { outcome: Some(Outcome::Uncertain), ..MessageFilter::default() };
        let mut unseen = Vec::new();
        let mut skip = 0;
        loop {
            let page = reader.messages(&filter, Page { skip, limit: UNCERTAIN })?;
            let is_last = page.len() < UNCERTAIN as usize;
            skip += page.len() as u64;
            unseen.extend(page.into_iter().filter(|message| !ledger.is_seen(&message.id.0)));
            if is_last || unseen.len() >= UNCERTAIN as usize {
                unseen.truncate(UNCERTAIN as usize);
                return Ok(unseen);
            }
        }
    }

    fn waiting_messages(&self) -> impl Iterator<Item = Need> + '_ {
        let held = self.messages.values().filter(|message| message.outcome == Some(Outcome::Held));
        held.filter_map(|message| {
            let why = match message.because? {
                Because::MissingValue => Why::MissingValue,
                Because::NeedsApproval => Why::NeedsApproval,
                _ => return None,
            };
            let since = message.outcome_at.unwrap_or(message.decided_at);
            Some(Need {
                message: Some(message.id.clone()),
                detail: message.detail.clone(),
                ..self.need(message.customer, why, since)
            })
        })
    }

    /// What the customers of open complaints and conversations wrote. O(their calls).
    pub fn words_of(&self, reader: &dyn Reader, needs: &[Need]) -> Result<HashMap<CustomerId, String>, StoreError> {
        let asked: Vec<(CustomerId, &str, Timestamp)> = needs
            .iter()
            .filter_map(|need| match need.why {
                Why::Complaint => Some((need.who.id, events::COMPLAINT_OPENED, need.since)),
                Why::Conversation => Some((need.who.id, events::CONVERSATION_OPENED, need.since)),
                _ => None,
            })
            .collect();
        self.said(reader, &asked)
    }

    /// Number of messages that are held now, by reason, the most frequent first. O(open messages).
    pub fn held_now(&self) -> Vec<(Because, u64)> {
        let mut counts: Vec<(Because, u64)> = Vec::new();
        for because in self
            .messages
            .values()
            .filter(|message| message.outcome == Some(Outcome::Held))
            .filter_map(|message| message.because)
        {
            match counts.iter_mut().find(|(known, _)| *known == because) {
                Some((_, count)) => *count += 1,
                None => counts.push((because, 1)),
            }
        }
        counts.sort_by_key(|(because, count)| (std::cmp::Reverse(*count), *because));
        counts
    }
}
