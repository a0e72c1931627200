//! The list of customers and the search over it.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::{Link, encoded};
use super::text::{Count, Money, Tag};

/// What the search asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerSearch {
    /// Part of a name, an address or an id; empty for everybody.
    pub query: String,
    /// The cursor of a later page, as a view gave it out.
    pub after: Option<String>,
}

/// A page of customers.
#[derive(Debug, Clone, Default)]
pub struct CustomersView {
    /// Everybody the shop knows, visitors included.
    pub total: Count,
    /// How many the search found.
    pub found: Count,
    /// This page of them, last seen first.
    pub rows: Vec<CustomerRow>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// A customer in the list.
#[derive(Debug, Clone)]
pub struct CustomerRow {
    /// Who.
    pub customer: Link,
    /// How they are reached or known: an address, a place, an id.
    pub contact: String,
    /// Segments or states worth a word, at most three.
    pub tags: Vec<Tag>,
    /// Orders ever.
    pub orders: Count,
    /// What they spent ever, in the workspace's currency.
    pub spent: Option<Money>,
    /// Their last event.
    pub last_seen: Timestamp,
}

#[derive(Template)]
#[template(path = "customers.html")]
pub(super) struct CustomersPage {
    pub(super) frame: Frame,
    pub(super) search: CustomerSearch,
    pub(super) view: CustomersView,
}

impl CustomersPage {
    fn next_page(&self, cursor: &str) -> String {
        format!("/customers?q={}&after={}", encoded(&self.search.query), encoded(cursor))
    }
}
