//! Today: what matters now, who needs a person, what campaigns did, whether data comes in.

use askama::Template;

use super::campaigns::CampaignRow;
use super::frame::Frame;
use super::ingest::Totals;
use super::links::Link;
use super::text::{Count, Prose, Tag};
use jiff::Timestamp;

/// What the first page says.
#[derive(Debug, Clone, Default)]
pub struct HomeView {
    /// The one sentence that matters now.
    pub lead: Prose,
    /// Small words under it: range, when it was counted.
    pub lead_note: Prose,
    /// The one thing to do about it.
    pub lead_action: Option<Link>,
    /// What was noticed, most important first; three fit in a row.
    pub findings: Vec<Finding>,
    /// Customers for whom a person should do something, most urgent first; a handful.
    pub attention: Vec<Attention>,
    /// How many need attention in all.
    pub attention_total: Count,
    /// Running campaigns, a handful.
    pub campaigns: Vec<CampaignRow>,
    /// Calls of today, by UTC, as they are tallied.
    pub ingest: Totals,
    /// When the last call arrived.
    pub last_call: Option<Timestamp>,
}

/// Something noticed.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Two or three words and their colour: "Late parcels".
    pub tag: Tag,
    /// The finding in one line.
    pub title: String,
    /// What it means, with numbers.
    pub text: Prose,
    /// What one can do.
    pub actions: Vec<Link>,
}

/// A customer for whom a person should do something.
#[derive(Debug, Clone)]
pub struct Attention {
    /// Who.
    pub customer: Link,
    /// A small line about them: "customer for 26 months".
    pub about: String,
    /// Why now.
    pub why: String,
    /// What they wrote, in their words.
    pub quote: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// What to do.
    pub action: Link,
}

#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct HomePage {
    pub(super) frame: Frame,
    pub(super) view: HomeView,
}
