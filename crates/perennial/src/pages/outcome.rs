//! What became of a message, in the words of `spec/campaigns.md`, and how each reason reads to a shop owner.

use askama::Template;
use askama::filters::HtmlSafe;

use super::text::{Count, Tone};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It went out.
    Sent,
    /// It waits; time or a person may lift it.
    Held,
    /// It will not go out at this step.
    Skipped,
    /// It would have gone out, but the customer is in the comparison group.
    WouldHaveSent,
    /// It was refused or given up.
    Failed,
    /// Nobody knows whether it went out.
    Uncertain,
    /// None yet: it is through the gate and on its way.
    Waiting,
}

impl Outcome {
    /// All outcomes that a message can reach, in the order in which pages list them.
    pub const ALL: [Outcome; 6] =
        [Outcome::Sent, Outcome::Held, Outcome::Skipped, Outcome::WouldHaveSent, Outcome::Failed, Outcome::Uncertain];

    /// The word in tables, the API and addresses.
    pub fn code(&self) -> &'static str {
        match self {
            Outcome::Sent => "sent",
            Outcome::Held => "held",
            Outcome::Skipped => "skipped",
            Outcome::WouldHaveSent => "would_have_sent",
            Outcome::Failed => "failed",
            Outcome::Uncertain => "uncertain",
            Outcome::Waiting => "waiting",
        }
    }

    /// The outcome of a word, if it is one.
    pub fn of_code(code: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// The word on a page.
    pub fn words(&self) -> &'static str {
        match self {
            Outcome::Sent => "Sent",
            Outcome::Held => "Held",
            Outcome::Skipped => "Skipped",
            Outcome::WouldHaveSent => "Would have been sent",
            Outcome::Failed => "Failed",
            Outcome::Uncertain => "Uncertain",
            Outcome::Waiting => "On its way",
        }
    }

    /// Its colour.
    pub fn tone(&self) -> Tone {
        match self {
            Outcome::Sent => Tone::Leaf,
            Outcome::Held => Tone::Sun,
            Outcome::Waiting => Tone::Sky,
            Outcome::Failed | Outcome::Uncertain => Tone::Rose,
            Outcome::Skipped | Outcome::WouldHaveSent => Tone::Plain,
        }
    }
}

/// An outcome with its reason, as it stands on a page.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="tag {{ outcome.tone().class() }}">{{ outcome.words() }}</span>{% if let Some(code) = because %} <span class="soft" title="{{ code }}">{{ self::because_in_words(code) }}</span>{% endif %}"#
)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// The reason's code, such as `quiet_hours`; none for `sent`.
    pub because: Option<String>,
}

impl HtmlSafe for Verdict {}

impl Verdict {
    /// A message that went out.
    pub fn sent() -> Verdict {
        Verdict { outcome: Outcome::Sent, because: None }
    }

    /// Any other outcome with its reason.
    pub fn because(outcome: Outcome, code: &str) -> Verdict {
        Verdict { outcome, because: Some(code.to_owned()) }
    }
}

/// How many messages ended for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonCount {
    /// The reason's code.
    pub because: String,
    /// How many.
    pub count: Count,
}

impl ReasonCount {
    /// The reason as a shop owner would say it.
    pub fn words(&self) -> String {
        because_in_words(&self.because)
    }
}

/// A reason's code as a shop owner would say it. Codes that this page does not know yet are shown as they are.
pub fn because_in_words(code: &str) -> String {
    let words = match code {
        "quiet_hours" => "quiet hours",
        "frequency_cap" => "had enough messages lately",
        "lower_priority" => "another message went first",
        "person_talking" => "a person is talking with them",
        "complaint_open" => "complaint open",
        "missing_value" => "a value is missing",
        "needs_approval" => "waits for approval",
        "paused" => "campaign paused",
        "put_off" => "their server asked to wait",
        "channel_down" => "channel is resting",
        "no_consent" => "no consent",
        "suppressed" => "address suppressed",
        "no_address" => "no address",
        "duplicate_address" => "another customer has this address",
        "not_eligible" => "no longer meant",
        "exited" => "left the campaign",
        "expired" => "held too long",
        "holdout" => "comparison group",
        "global_holdout" => "comparison group of the whole shop",
        "rejected" => "refused by their server",
        "gave_up" => "gave up after many tries",
        "no_reply" => "no reply after handing over",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}
