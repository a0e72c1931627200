//! The galleries of ready segments and campaigns: what each is for, what one may change, how many people a segment means here.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::Pages;
use super::edit::Definition;
use super::frame::{Frame, Nav};
use super::guard::Asked;
use super::links::Link;
use super::routes::html;
use super::session::Visit;
use super::text::Count;
use crate::gallery::Offer;

/// The gallery as this workspace sees it.
#[derive(Debug, Clone, Default)]
pub struct GalleryView {
    /// In the order of the gallery.
    pub rows: Vec<GalleryRow>,
}

/// A ready segment or campaign.
#[derive(Debug, Clone)]
pub struct GalleryRow {
    /// Which.
    pub offer: Offer,
    /// What it asks about or waits for and what has not come in: "the event Product Viewed".
    pub missing: Vec<String>,
    /// A segment or campaign of its name that exists already.
    pub exists: Option<Link>,
}

/// Members that ready segments would have, by name.
pub type GalleryCounts = Vec<(String, u64)>;

#[derive(Template)]
#[template(path = "gallery.html")]
struct GalleryPage {
    frame: Frame,
    kind: Definition,
    view: GalleryView,
    counts: GalleryCounts,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% for (name, count) in counts %}<p class="count" id="count-{{ name }}" hx-swap-oob="true"><b>{{ Count(**count).of("customer", "customers") }}</b> now</p>{% endfor %}"#
)]
struct CountsPart {
    counts: GalleryCounts,
}

impl GalleryPage {
    /// The groups in their order, each with what stands in it.
    fn groups(&self) -> Vec<(&str, Vec<&GalleryRow>)> {
        let mut groups: Vec<(&str, Vec<&GalleryRow>)> = Vec::new();
        for row in &self.view.rows {
            match groups.iter_mut().find(|(name, _)| *name == row.offer.group) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((&row.offer.group, vec![row])),
            }
        }
        groups
    }

    fn count(&self, name: &str) -> Option<Count> {
        self.counts.iter().find(|(other, _)| other == name).map(|(_, count)| Count(*count))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct GalleryQuery {
    /// Counted with the page: for those who read without JavaScript.
    count: Option<String>,
}

pub(super) async fn gallery(State(pages): State<Pages>, visit: Visit, Asked(query): Asked<GalleryQuery>) -> Response {
    pages
        .show(
            visit,
            Nav::Segments,
            move |views| {
                let counts = if query.count.is_some() { views.gallery_counts()? } else { Vec::new() };
                Ok((views.gallery()?, counts))
            },
            |frame, (view, counts)| GalleryPage { frame, kind: Definition::Segment, view, counts },
        )
        .await
}

pub(super) async fn plays(State(pages): State<Pages>, visit: Visit) -> Response {
    pages
        .show(
            visit,
            Nav::Campaigns,
            |views| views.plays(),
            |frame, view| GalleryPage { frame, kind: Definition::Campaign, view, counts: Vec::new() },
        )
        .await
}

pub(super) async fn counts(State(pages): State<Pages>, visit: Visit) -> Response {
    match pages.ask(|views| views.gallery_counts()).await {
        Ok(counts) => html(StatusCode::OK, &CountsPart { counts }),
        Err(error) => pages.trouble(visit, Nav::Segments, &error).await,
    }
}
