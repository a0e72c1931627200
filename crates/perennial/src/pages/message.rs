//! One message as it looks or would look: headers, text, picture of the mail, and the ledger of attempts.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::{Link, Place};
use super::notification::NotificationView;
use super::outcome::{Outcome, Verdict};
use super::text::{Count, Tone};

/// Everything on a message's page.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// Its id.
    pub id: String,
    /// Its subject, or its first words on channels without one.
    pub subject: String,
    /// To whom.
    pub customer: Link,
    /// By which campaign.
    pub campaign: Link,
    /// At which step.
    pub step: String,
    /// With which variant.
    pub variant: Option<String>,
    /// "email", "sms", "webhook".
    pub channel: String,
    /// What became of it.
    pub verdict: Verdict,
    /// When that was decided.
    pub at: Timestamp,
    /// For held ones: when it will be decided again, if that instant is known.
    pub again: Option<Timestamp>,
    /// What the verdict means and what one can do, in words.
    pub explanation: String,
    /// Whether a person has said that they looked at this uncertain message.
    pub is_seen: bool,
    /// The headers in their order, decoded.
    pub headers: Vec<(String, String)>,
    /// The text part.
    pub text: Option<String>,
    /// As a browser shows it, on the channel push.
    pub notification: Option<NotificationView>,
    /// Whether there is an HTML part; `Views::message_body` gives it.
    pub has_html: bool,
    /// Length on the wire in bytes.
    pub size_bytes: Count,
    /// The ledger: every step of every attempt, oldest first.
    pub ledger: Vec<LedgerRow>,
}

/// A step in the life of a message.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// When.
    pub at: Timestamp,
    /// Which attempt it belongs to; none for decisions before the first.
    pub attempt: Option<u32>,
    /// "decided", "attempt recorded", "connected", "accepted".
    pub phase: String,
    /// What the other side said, or why.
    pub detail: String,
    /// The colour of its dot.
    pub tone: Tone,
    /// Set in grey: a machine did it, and it counts for nothing.
    pub is_faint: bool,
}

#[derive(Template)]
#[template(path = "message.html")]
pub(super) struct MessagePage {
    pub(super) frame: Frame,
    pub(super) view: MessageView,
}

impl MessagePage {
    fn place(&self) -> Place {
        Place::Message(self.view.id.clone())
    }

    fn waits_for_a_person(&self) -> bool {
        self.view.verdict.outcome == Outcome::Uncertain && !self.view.is_seen
    }

    fn waits_for_approval(&self) -> bool {
        self.view.verdict.outcome == Outcome::Held && self.view.verdict.because.as_deref() == Some("needs_approval")
    }

    fn has_left(&self) -> bool {
        matches!(self.view.verdict.outcome, Outcome::Sent | Outcome::Uncertain)
    }
}
