//! Words for what became of a message, as in the campaign spec: one outcome, and because of what.

use crate::id::{CustomerId, MessageId, Name};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }
        impl $name {
            /// Every word, in the order of the spec.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
            /// The word of the spec, in tables, JSON and pages.
            pub fn word(self) -> &'static str { match self { $($name::$variant => $word,)+ } }
            /// Finds the word.
            pub fn find(word: &str) -> Option<$name> { match word { $($word => Some($name::$variant),)+ _ => None } }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.word()) }
        }
    };
}

words! {
    /// What became of a message.
    Outcome {
        /// Accepted by the channel.
        Sent = "sent",
        /// Time or a person may lift it.
        Held = "held",
        /// Final for this step.
        Skipped = "skipped",
        /// The customer is in a comparison group.
        WouldHaveSent = "would_have_sent",
        /// The channel refused for good.
        Failed = "failed",
        /// Nobody knows whether it arrived.
        Uncertain = "uncertain",
    }
}

words! {
    /// Why an outcome is not `sent`.
    Because {
        /// Quiet hours in the customer's zone.
        QuietHours = "quiet_hours",
        /// A cap is used up.
        FrequencyCap = "frequency_cap",
        /// Another message of the same instant went first.
        LowerPriority = "lower_priority",
        /// A person is talking with the customer.
        PersonTalking = "person_talking",
        /// A complaint is open.
        ComplaintOpen = "complaint_open",
        /// The template prints a value that is missing.
        MissingValue = "missing_value",
        /// A person must approve it.
        NeedsApproval = "needs_approval",
        /// The campaign is paused.
        Paused = "paused",
        /// The receiver asked to try later.
        PutOff = "put_off",
        /// The channel rests after failures.
        ChannelDown = "channel_down",
        /// No consent for the purpose and channel.
        NoConsent = "no_consent",
        /// The address is suppressed.
        Suppressed = "suppressed",
        /// The customer has no address for the channel.
        NoAddress = "no_address",
        /// Another customer with the address got this step.
        DuplicateAddress = "duplicate_address",
        /// No longer eligible: leaves.
        NotEligible = "not_eligible",
        /// Left the campaign.
        Exited = "exited",
        /// Held too long.
        Expired = "expired",
        /// In the campaign's comparison group.
        Holdout = "holdout",
        /// In the workspace's comparison group.
        GlobalHoldout = "global_holdout",
        /// Refused for good by the receiver.
        Rejected = "rejected",
        /// Put off until it was too late.
        GaveUp = "gave_up",
        /// No reply after the last byte.
        NoReply = "no_reply",
    }
}

words! {
    /// How far an attempt to send has come, durable before the next phase begins.
    Phase {
        /// The attempt is recorded; nothing has left.
        Started = "started",
        /// The body is about to go out: from here on a lost reply leaves the message uncertain.
        Data = "data",
        /// The attempt has ended; its result says how.
        Done = "done",
    }
}

words! {
    /// Ways to reach a customer.
    Channel {
        /// E-mail.
        Email = "email",
        /// Text message.
        Sms = "sms",
        /// A call to another system.
        Webhook = "webhook",
        /// A notification of an app or browser.
        Push = "push",
        /// Shown inside the shop's own pages.
        InApp = "in_app",
    }
}

words! {
    /// What was done with a mail that arrived, and by whom.
    ReactionKind {
        /// A person opened it.
        Opened = "opened",
        /// A person followed a link in it.
        Clicked = "clicked",
        /// A machine fetched its pictures.
        MachineOpened = "machine_opened",
        /// A machine followed a link in it.
        MachineClicked = "machine_clicked",
    }
}

impl ReactionKind {
    /// What an event tells of.
    pub fn of_event(event: &str) -> Option<ReactionKind> {
        use crate::call::events;
        Some(match event {
            events::EMAIL_OPENED => ReactionKind::Opened,
            events::LINK_CLICKED | events::PUSH_CLICKED => ReactionKind::Clicked,
            events::MACHINE_OPENED => ReactionKind::MachineOpened,
            events::MACHINE_CLICKED => ReactionKind::MachineClicked,
            _ => return None,
        })
    }

    /// Whether it was a machine.
    pub fn is_of_machine(self) -> bool {
        matches!(self, ReactionKind::MachineOpened | ReactionKind::MachineClicked)
    }
}

words! {
    /// What another mail server, or a reader's, reports of a mail that was sent.
    ReportKind {
        /// The address takes no mail: it is suppressed.
        HardBounce = "hard_bounce",
        /// This mail did not arrive, which says nothing lasting of the address.
        SoftBounce = "soft_bounce",
        /// It is tried still.
        Delayed = "delayed",
        /// It arrived.
        Delivered = "delivered",
        /// The reader called it spam.
        Complaint = "complaint",
        /// Nothing follows from it.
        Other = "other",
    }
}

/// A message as it was written for one customer. The bytes never change once decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Written {
    /// The address on the channel.
    pub to: String,
    /// The customer's name for the address line, if known.
    pub to_name: Option<String>,
    /// Subject line.
    pub subject: String,
    /// Text part.
    pub text: String,
    /// HTML part.
    pub html: Option<String>,
    /// Where a one-click unsubscribe is posted, as a path below the public address.
    pub unsubscribe_path: String,
    /// Of a notification: where a click leads.
    pub url: Option<String>,
    /// Of a notification: the address of the picture beside it.
    pub icon: Option<String>,
}

/// One row of `messages`: a message with its latest outcome.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Its id, also the left part of the Message-ID.
    pub id: MessageId,
    /// For whom.
    pub customer: CustomerId,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// From which template.
    pub template: Name,
    /// Which variant of it.
    pub variant: Option<String>,
    /// On which channel.
    pub channel: Channel,
    /// For which purpose.
    pub purpose: Name,
    /// When it was first decided about.
    pub decided_at: Timestamp,
    /// None while it waits to be sent.
    pub outcome: Option<Outcome>,
    /// Why, for all but `sent`.
    pub because: Option<Because>,
    /// When the outcome was reached.
    pub outcome_at: Option<Timestamp>,
    /// Attempts made so far.
    pub attempts: u32,
    /// The phase of the attempt under way, if one is.
    pub phase: Option<Phase>,
    /// When it may be tried (again).
    pub due: Option<Timestamp>,
    /// After this instant it is no longer useful.
    pub expires: Timestamp,
    /// What is sent; none for those that were never written.
    pub written: Option<Arc<Written>>,
    /// The receiver's last words, or the value that is missing.
    pub detail: Option<String>,
    /// Who approved it and when, where its step asks for that.
    pub approved: Option<Approval>,
}

/// A person said that a message may go, as it is written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Approval {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
}

impl Message {
    /// Whether its body went out once and no reply came, and it goes out again. Only service messages do.
    pub fn fate_is_unknown(&self) -> bool {
        self.outcome.is_none() && self.because == Some(Because::NoReply)
    }
}

/// One row of `decisions`: an outcome that a message reached.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// The message.
    pub message: MessageId,
    /// For whom.
    pub customer: CustomerId,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub because: Option<Because>,
    /// More, for people: the missing value, the receiver's words.
    pub detail: Option<String>,
    /// For a hold that time lifts: when.
    pub until: Option<Timestamp>,
}
