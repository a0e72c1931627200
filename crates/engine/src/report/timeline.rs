//! What happened with one customer: events, messages and what became of them, consent, records; latest first.

use super::{json, words};
use crate::profile::By;
use crate::segment::as_of::Past;
use crate::state::Engine;
use domain::message::{Because, Outcome};
use domain::{CallKind, CustomerId, MessageId, Money, Name, Position, Span, Timestamp, Trust};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use store::{DecisionFilter, Page, Reader, StoreError};

/// Happenings alike that follow each other within this time are one line.
const ONE_SITTING: Span = Span::hours(12);

/// Where a timeline goes on: happenings before this one in the order of history.
pub type Before = (Timestamp, Position);

/// A page of a timeline.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Timeline {
    /// The customer's name.
    pub customer: Arc<str>,
    /// Latest first.
    pub happenings: Vec<Happening>,
    /// How many calls lie before this page.
    pub earlier: u64,
    /// Where the page before begins; none: this is the first.
    #[serde(skip)]
    pub next: Option<Before>,
}

/// Something that happened.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Happening {
    /// When; of several alike, the latest.
    #[serde(serialize_with = "json::at")]
    pub time: Timestamp,
    /// How many alike it stands for.
    pub times: u32,
    /// The kind of call: `track`, `identify`, `record` …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The event's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Arc<str>>,
    /// In words.
    pub what: String,
    /// Its worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worth: Option<Money>,
    /// More about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What the customer wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// For messages: which, and what became of it then.
    #[serde(flatten)]
    pub message: Option<MessageMoment>,
    /// Properties, traits or attributes.
    pub properties: Value,
    /// Where it came from.
    pub source: Arc<str>,
    /// Perennial's own, a server's, a file's or a browser's.
    pub trust: Trust,
}

/// What became of a message.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MessageMoment {
    /// Which.
    pub message: MessageId,
    /// By which campaign.
    pub campaign: Option<Name>,
    /// Its subject, else its template's name.
    pub subject: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub because: Option<Because>,
    /// For a hold that time lifts: when.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
}

impl Engine {
    /// A page of what happened with a customer up to an instant, latest first. O(their calls).
    pub fn timeline(
        &self,
        reader: &dyn Reader,
        person: CustomerId,
        before: Option<Before>,
        limit: usize,
        as_of: Option<Timestamp>,
    ) -> Result<Timeline, super::ReportError> {
        let past = self.past(reader, self.person(person))?;
        self.timeline_of(reader, person, past, before, limit, as_of)
    }

    pub(super) fn timeline_of(
        &self,
        reader: &dyn Reader,
        person: CustomerId,
        mut past: Vec<Past>,
        before: Option<Before>,
        limit: usize,
        as_of: Option<Timestamp>,
    ) -> Result<Timeline, super::ReportError> {
        let now = self.instant(as_of)?;
        let person = self.person(person);
        past.retain(|past| {
            past.by == By::Self_
                && past.call.timestamp <= now
                && before.is_none_or(|before| (past.call.timestamp, past.position) < before)
        });
        let mut happenings: Vec<Happening> = Vec::new();
        let mut taken = 0_u64;
        let mut next = None;
        for past in past.iter().rev() {
            let happening = self.happening(past);
            let is_full = happenings.len() == limit;
            match happenings.last_mut().filter(|last| is_alike(last, &happening)) {
                Some(last) => last.times += 1,
                None if is_full => break,
                None => happenings.push(happening),
            }
            taken += 1;
            next = Some((past.call.timestamp, past.position));
        }
        for happening in &mut happenings {
            look_up_message(reader, happening)?;
        }
        let earlier = past.len() as u64 - taken;
        Ok(Timeline { customer: self.people.name_of(person), happenings, earlier, next: next.filter(|_| earlier > 0) })
    }

    /// What people wrote in an event of a name at an instant, else in their latest of that name. O(their calls).
    pub(super) fn said(
        &self,
        reader: &dyn Reader,
        asked: &[(CustomerId, &str, Timestamp)],
    ) -> Result<HashMap<CustomerId, String>, StoreError> {
        let people: Vec<CustomerId> = asked.iter().map(|(person, ..)| *person).collect();
        let pasts = self.histories(reader, &people)?;
        let currency = self.definitions.settings.currency;
        let said = asked.iter().filter_map(|(person, event, at)| {
            let is_meant =
                |past: &&Past| past.call.event.as_deref() == Some(*event) && past.call.timestamp <= self.clock;
            let of_name: Vec<&Past> = pasts.get(person)?.iter().rev().filter(is_meant).collect();
            let exact = of_name.iter().find(|past| past.call.timestamp == *at);
            let mut wanted = exact.into_iter().chain(&of_name);
            Some((*person, wanted.find_map(|past| words::call_words(&past.call, currency).quote)?))
        });
        Ok(said.collect())
    }

    fn happening(&self, past: &Past) -> Happening {
        let call = &past.call;
        let properties = call.body_value();
        let words = words::call_words(call, self.definitions.settings.currency);
        let message = message_moment(call.event.as_deref(), call.trust, &properties);
        Happening {
            time: call.timestamp,
            times: 1,
            kind: call.kind.word(),
            event: call.event.clone(),
            what: words.what,
            worth: words.amount,
            detail: words.detail,
            quote: words.quote,
            message,
            properties,
            source: call.source.clone(),
            trust: call.trust,
        }
    }
}

/// What a message's own event says of it.
fn message_moment(event: Option<&str>, trust: Trust, properties: &Value) -> Option<MessageMoment> {
    let outcome = match (event?, trust) {
        ("Message Sent", Trust::Perennial) => Outcome::Sent,
        ("Message Held", Trust::Perennial) => Outcome::Held,
        ("Message Skipped", Trust::Perennial) => Outcome::Skipped,
        ("Message Withheld", Trust::Perennial) => Outcome::WouldHaveSent,
        ("Message Failed", Trust::Perennial) => Outcome::Failed,
        ("Message Uncertain", Trust::Perennial) => Outcome::Uncertain,
        _ => return None,
    };
    let text = |key: &str| properties.get(key).and_then(Value::as_str);
    Some(MessageMoment {
        message: MessageId(text("message_id")?.into()),
        campaign: text("campaign").and_then(|name| Name::parse(name).ok()),
        subject: text("template").unwrap_or_default().to_owned(),
        outcome,
        because: text("because").and_then(Because::find),
        until: None,
    })
}

/// Finds a message's subject and what was noted beside the decision.
fn look_up_message(reader: &dyn Reader, happening: &mut Happening) -> Result<(), StoreError> {
    let Some(moment) = &mut happening.message else { return Ok(()) };
    if let Some((message, _)) = reader.message(&moment.message)?
        && let Some(written) = message.written
        && !written.subject.trim().is_empty()
    {
        moment.subject.clone_from(&written.subject);
    }
    let filter = DecisionFilter {
        message: Some(moment.message.clone()),
        outcome: Some(moment.outcome),
        because: moment.because,
        ..DecisionFilter::default()
    };
    let noted = reader.decisions(&filter, Page { skip: 0, limit: 50 })?;
    if let Some((_, decision)) = noted.into_iter().find(|(_, decision)| decision.at == happening.time) {
        moment.until = decision.until;
        happening.detail = decision.detail.unwrap_or_default();
    }
    happening.what.clone_from(&moment.subject);
    Ok(())
}

fn is_alike(last: &Happening, earlier: &Happening) -> bool {
    let says_nothing_more = |happening: &Happening| {
        happening.message.is_none()
            && happening.quote.is_none()
            && happening.worth.is_none()
            && happening.kind != CallKind::Record.word()
    };
    says_nothing_more(last)
        && says_nothing_more(earlier)
        && last.event == earlier.event
        && last.what == earlier.what
        && last.time.since(earlier.time) <= ONE_SITTING
}
