//! Pools of vouchers: what is left of them, and bringing codes.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::Pages;
use super::frame::{Frame, Nav};
use super::guard::{Posted, Signed};
use super::links::Place;
use super::session::Visit;
use super::text::{Count, Tag};
use super::views::Order;

/// All pools.
#[derive(Debug, Clone, Default)]
pub struct VouchersView {
    /// By name.
    pub pools: Vec<PoolRow>,
}

/// A pool.
#[derive(Debug, Clone)]
pub struct PoolRow {
    /// Its name in campaigns.
    pub name: String,
    /// How it stands, in a word.
    pub state: Tag,
    /// What that means, and what one can do.
    pub advice: String,
    /// Codes that are left, of a pool with imported ones.
    pub left: Option<Count>,
    /// Codes that were given.
    pub given: Count,
    /// When codes were imported last.
    pub added_at: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "vouchers.html")]
pub(super) struct VouchersPage {
    pub(super) frame: Frame,
    pub(super) view: VouchersView,
}

/// Fields: the pool and its codes, one a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodesForm {
    csrf: String,
    pool: String,
    codes: String,
}

impl Signed for CodesForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

pub(super) async fn vouchers(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Campaigns, |views| views.vouchers(), |frame, view| VouchersPage { frame, view }).await
}

pub(super) async fn import(State(pages): State<Pages>, Posted(visit, form): Posted<CodesForm>) -> Response {
    pages.carry_out(visit, Order::ImportCodes { pool: form.pool, codes: form.codes }, Place::Vouchers).await
}
