//! Why a customer is in a segment, or why not: condition by condition, with what stands behind each.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::Pages;
use super::frame::{Frame, Nav};
use super::guard::Asked;
use super::links::Link;
use super::session::Visit;
use super::text::{Count, TimeTag};

/// Everything on the page.
#[derive(Debug, Clone)]
pub struct WhyView {
    /// Who.
    pub customer: Link,
    /// The segment asked about; none: all.
    pub only: Option<String>,
    /// Those they are in first, by title.
    pub rows: Vec<WhyRow>,
}

/// One segment.
#[derive(Debug, Clone)]
pub struct WhyRow {
    /// Which.
    pub segment: Link,
    /// Whether they are in it.
    pub is_member: bool,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The first instant at which that would differ if nothing arrived.
    pub until: Option<Timestamp>,
    /// What stands behind it.
    pub reasons: Vec<WhyReason>,
}

/// A condition with its verdict.
#[derive(Debug, Clone)]
pub struct WhyReason {
    /// In words; of a group how it joins what is in it.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// The first instant at which that would differ if nothing arrived.
    pub until: Option<Timestamp>,
    /// The events and values behind it.
    pub because: Vec<(Option<Timestamp>, String)>,
    /// Conditions inside a group.
    pub inner: Vec<WhyReason>,
}

impl WhyRow {
    /// Why not, in short: the first condition that would have to hold and does not.
    fn in_short(&self) -> Option<&str> {
        if self.is_member {
            return None;
        }
        let mut reasons = &self.reasons;
        loop {
            let reason = reasons.iter().find(|reason| !reason.holds)?;
            let goes_on = reason.inner.iter().any(|inner| !inner.holds) && reason.inner.len() > 1;
            match goes_on {
                true => reasons = &reason.inner,
                false => return Some(&reason.text),
            }
        }
    }
}

#[derive(Template)]
#[template(path = "why.html")]
struct WhyPage {
    frame: Frame,
    view: WhyView,
}

#[derive(Template)]
#[template(path = "why_reason.html")]
struct ReasonPart<'a> {
    frame: &'a Frame,
    reason: &'a WhyReason,
}

impl HtmlSafe for ReasonPart<'_> {}

impl ReasonPart<'_> {
    fn inner(&self) -> impl Iterator<Item = ReasonPart<'_>> {
        self.reason.inner.iter().map(|reason| ReasonPart { frame: self.frame, reason })
    }

    fn time(&self, at: &Timestamp) -> TimeTag {
        self.frame.time(at)
    }
}

impl WhyPage {
    fn members(&self) -> Count {
        Count::from(self.view.rows.iter().filter(|row| row.is_member).count())
    }

    fn reasons<'a>(&'a self, row: &'a WhyRow) -> impl Iterator<Item = ReasonPart<'a>> {
        row.reasons.iter().map(|reason| ReasonPart { frame: &self.frame, reason })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WhyQuery {
    segment: Option<String>,
}

pub(super) async fn why(
    State(pages): State<Pages>,
    visit: Visit,
    Path(id): Path<String>,
    Asked(query): Asked<WhyQuery>,
) -> Response {
    let only = query.segment.filter(|name| !name.is_empty());
    pages
        .show(
            visit,
            Nav::Customers,
            move |views| views.why(&id, only.as_deref()),
            |frame, view| WhyPage { frame, view },
        )
        .await
}
