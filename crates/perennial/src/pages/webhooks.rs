//! What other systems were told, and how each of them fares.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::Link;
use super::text::{Count, Tag};

/// Webhooks, the latest first, and whom they go to.
#[derive(Debug, Clone, Default)]
pub struct WebhooksView {
    /// Everybody who is told, or was to be.
    pub endpoints: Vec<EndpointRow>,
    /// The latest webhooks, those that need somebody first; up to 50.
    pub rows: Vec<WebhookRow>,
    /// How many there are in all.
    pub all: Count,
    /// How many were given up.
    pub given_up: Count,
}

/// An endpoint.
#[derive(Debug, Clone)]
pub struct EndpointRow {
    /// Its name in campaigns and configuration.
    pub name: String,
    /// How it fares, in a word.
    pub state: Tag,
    /// What that means, and what one can do.
    pub advice: String,
    /// How many wait for it.
    pub open: Count,
    /// How many it has taken.
    pub done: Count,
    /// Whether it said that it wants to hear nothing, so that a person may turn it on again.
    pub is_off: bool,
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct WebhookRow {
    /// Its id, for forms.
    pub id: String,
    /// What it tells.
    pub event: String,
    /// Whom.
    pub endpoint: String,
    /// About whom.
    pub customer: Link,
    /// By which campaign.
    pub campaign: Link,
    /// Where it stands.
    pub state: Tag,
    /// What came of the last attempt, and what one can do.
    pub advice: String,
    /// Attempts begun.
    pub attempts: Count,
    /// When it is tried next, if it is.
    pub again: Option<Timestamp>,
    /// When it came to where it stands.
    pub at: Timestamp,
    /// Whether a person may have it tried at once.
    pub may_be_tried: bool,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
pub(super) struct WebhooksPage {
    pub(super) frame: Frame,
    pub(super) view: WebhooksView,
}
