//! The outbox: every message with what became of it, the uncertain ones first.

use askama::Template;
use jiff::Timestamp;

use super::filter::Filter;
use super::frame::Frame;
use super::links::Link;
use super::outcome::{Outcome, Verdict};
use super::text::Count;

/// A page of messages.
#[derive(Debug, Clone, Default)]
pub struct OutboxView {
    /// How many messages ended in each outcome (all of them, whatever the filter).
    pub counts: Vec<(Outcome, Count)>,
    /// Messages of which nobody knows whether they went out and that no person has looked at; all of them, up to 50.
    pub uncertain: Vec<MessageRow>,
    /// Messages that wait for a person's word, the oldest first; some of them.
    pub approvals: Vec<MessageRow>,
    /// All of these.
    pub approvals_in_all: Count,
    /// This page of messages that the filter lets through, latest first.
    pub rows: Vec<MessageRow>,
    /// How many the filter lets through.
    pub found: Count,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// A message in the list.
#[derive(Debug, Clone)]
pub struct MessageRow {
    /// Its id and subject.
    pub message: Link,
    /// The id alone, for forms.
    pub id: String,
    /// To whom.
    pub customer: Link,
    /// By which campaign.
    pub campaign: Link,
    /// "email", "sms", "webhook".
    pub channel: String,
    /// When the latest outcome was reached.
    pub at: Timestamp,
    /// What became of it.
    pub verdict: Verdict,
    /// For held ones: when it will be decided again, if that instant is known.
    pub again: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "outbox.html")]
pub(super) struct OutboxPage {
    pub(super) frame: Frame,
    pub(super) view: OutboxView,
    pub(super) filter: Filter,
}

impl OutboxPage {
    fn all(&self) -> Count {
        Count(self.view.counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(count.0)))
    }

    fn of(&self, wanted: Outcome) -> Count {
        self.view.counts.iter().find(|(outcome, _)| *outcome == wanted).map_or(Count(0), |(_, count)| *count)
    }

    fn sent(&self) -> Count {
        self.of(Outcome::Sent)
    }

    fn held(&self) -> Count {
        self.of(Outcome::Held)
    }

    fn next_page(&self, cursor: &str) -> String {
        format!("/messages{}", self.filter.after(cursor))
    }
}
