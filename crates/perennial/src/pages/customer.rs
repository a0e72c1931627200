//! One customer: what happened, what is known, in which segments and why, whether we may write.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::{Link, Place, encoded};
use super::outcome::Verdict;
use super::text::{Count, Money, Prose, Tag, Tone, how_long};

/// Everything on a customer's page.
#[derive(Debug, Clone)]
pub struct CustomerView {
    /// The internal id, which addresses and forms use.
    pub id: String,
    /// The name people say, else the name of the person (the userId first seen, or the oldest anonymousId).
    pub name: String,
    /// Small words under the name: place, address.
    pub about: Vec<String>,
    /// Since when they are a customer.
    pub first_seen: Timestamp,
    /// Their states in a word each.
    pub tags: Vec<Tag>,
    /// Orders ever.
    pub orders: Count,
    /// What they spent ever.
    pub spent: Option<Money>,
    /// What one must know before writing: "A person is talking with Sarah."
    pub notices: Vec<Prose>,
    /// Other customers who may be the same person.
    pub proposals: Vec<JoinProposal>,
    /// This page of the timeline, latest first.
    pub timeline: Vec<Happening>,
    /// The page before it.
    pub earlier: Option<Earlier>,
    /// Whether this is a later page of the timeline (not the latest happenings).
    pub is_earlier_page: bool,
    /// What is known about them, by name.
    pub traits: Vec<TraitRow>,
    /// Passes, subscriptions, shipments and so on.
    pub records: Vec<RecordRow>,
    /// The segments they are in, with why.
    pub segments: Vec<Membership>,
    /// Per purpose and channel, whether we may write.
    pub consents: Vec<ConsentRow>,
    /// What was said of it, the latest first.
    pub consents_said: Vec<SaidRow>,
    /// Points they earned.
    pub points: Count,
    /// Vouchers they were given, the latest first.
    pub vouchers: Vec<VoucherRow>,
    /// Pools that had no code left for them.
    pub vouchers_owed: Vec<String>,
    /// Browsers that they let us notify, the latest first.
    pub browsers: Vec<BrowserRow>,
    /// Addresses that get nothing until a person lifts it.
    pub suppressions: Vec<Suppression>,
    /// "21:00 to 08:00, London", with "now" if it is.
    pub quiet_hours: Option<String>,
    /// How much of each cap is used.
    pub caps: Vec<CapUse>,
    /// Every id that stands for this person.
    pub identities: Vec<Identity>,
}

/// Another customer who may be the same person.
#[derive(Debug, Clone)]
pub struct JoinProposal {
    /// The other one's internal id.
    pub other: String,
    /// The other one's name.
    pub name: String,
    /// Why it looks so: "same e-mail address, sarah.w@example.com".
    pub because: String,
}

/// Something in the timeline.
#[derive(Debug, Clone)]
pub struct Happening {
    /// When; of several alike, the latest.
    pub at: Timestamp,
    /// How many alike it stands for.
    pub times: Count,
    /// What happened.
    pub what: Prose,
    /// More about it, in small.
    pub more: String,
    /// What the customer wrote, in their words.
    pub quote: Option<String>,
    /// For messages: what became of it.
    pub verdict: Option<Verdict>,
    /// A word about it.
    pub tags: Vec<Tag>,
    /// The colour of its dot.
    pub tone: Tone,
    /// Set in grey: a machine did it, not the customer.
    pub is_faint: bool,
}

/// The rest of the timeline.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// The cursor of the page before.
    pub before: String,
    /// How many there are.
    pub count: Count,
}

/// A trait.
#[derive(Debug, Clone)]
pub struct TraitRow {
    /// Its name, dotted for parts of objects.
    pub name: String,
    /// Its value as a person reads it.
    pub value: String,
    /// Since when.
    pub since: Timestamp,
}

/// A record the customer has.
#[derive(Debug, Clone)]
pub struct RecordRow {
    /// "pass", "subscription".
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The attributes that matter, in words.
    pub about: String,
    /// Its state in a word.
    pub status: Option<Tag>,
}

/// A segment the customer is in.
#[derive(Debug, Clone)]
pub struct Membership {
    /// Which.
    pub segment: Link,
    /// The instant of history at which it began.
    pub since: Timestamp,
    /// Every condition with its verdict.
    pub conditions: Vec<WhyCondition>,
    /// The first instant at which it would end if nothing arrived.
    pub until: Option<Timestamp>,
    /// What would end it, in words.
    pub leaves: Option<String>,
}

/// A condition and why it holds or not.
#[derive(Debug, Clone)]
pub struct WhyCondition {
    /// The condition in words: "3 or more orders in a year".
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// The events or values that decide it: "9 (last 9 Nov)".
    pub because: String,
}

/// Whether we may write for a purpose on a channel.
#[derive(Debug, Clone)]
pub struct ConsentRow {
    /// "Offers by e-mail".
    pub what: String,
    /// "yes, express", "not asked", "withdrawn".
    pub status: Tag,
    /// When it was said.
    pub since: Option<Timestamp>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Where it was said: "checkout, wording 3"; may be empty.
    pub from: String,
}

/// A voucher that was given.
#[derive(Debug, Clone)]
pub struct VoucherRow {
    /// What the customer shows.
    pub code: String,
    /// From which pool.
    pub pool: String,
    /// When.
    pub at: Timestamp,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
}

/// A browser that is notified.
#[derive(Debug, Clone)]
pub struct BrowserRow {
    /// What its button names it by.
    pub id: String,
    /// "Chrome on Android", else the host of its push service.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// What was once said of consent.
#[derive(Debug, Clone)]
pub struct SaidRow {
    /// When.
    pub at: Timestamp,
    /// "Offers by e-mail".
    pub what: String,
    /// "yes, express", "no", "to be confirmed".
    pub word: String,
    /// Where: "checkout, wording 3"; may be empty.
    pub from: String,
}

/// An address that gets nothing.
#[derive(Debug, Clone)]
pub struct Suppression {
    /// The address as it may be shown.
    pub address: String,
    /// Why: "refused by their server: no such mailbox".
    pub because: String,
    /// Since when.
    pub since: Timestamp,
}

/// How much of a cap is used.
#[derive(Debug, Clone)]
pub struct CapUse {
    /// "Offers by e-mail, 7 days".
    pub what: String,
    /// How many count now.
    pub used: Count,
    /// How many are allowed.
    pub of: Count,
}

/// An id that stands for this person.
#[derive(Debug, Clone)]
pub struct Identity {
    /// "user id", "anonymous id".
    pub kind: String,
    /// The id as it was sent.
    pub id: String,
    /// First seen.
    pub since: Timestamp,
    /// How it was joined: "by identify", "by hand".
    pub joined: Option<String>,
    /// Whether it can be given back its own calls.
    pub can_unmerge: bool,
}

#[derive(Template)]
#[template(path = "customer.html")]
pub(super) struct CustomerPage {
    pub(super) frame: Frame,
    pub(super) view: CustomerView,
}

impl CustomerPage {
    fn place(&self) -> Place {
        Place::Customer(self.view.id.clone())
    }

    fn known_for(&self) -> String {
        how_long(self.view.first_seen, self.frame.workspace.now)
    }

    fn earlier_page(&self, earlier: &Earlier) -> String {
        format!("{}?before={}", self.place(), encoded(&earlier.before))
    }

    /// The conditions that hold come first: they are the answer to "why".
    fn why(membership: &Membership) -> Vec<&WhyCondition> {
        let (holding, others): (Vec<_>, Vec<_>) = membership.conditions.iter().partition(|condition| condition.holds);
        holding.into_iter().chain(others).collect()
    }
}
