//! The inbox of tasks: what campaigns asked people to do.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::Pages;
use super::frame::{Frame, Nav};
use super::guard::Asked;
use super::guard::Posted;
use super::links::Link;
use super::links::Place;
use super::routes::Button;
use super::session::Visit;
use super::text::Count;
use super::views::Order;

/// The inbox.
#[derive(Debug, Clone, Default)]
pub struct TasksView {
    /// Open tasks, the one that is due first before.
    pub open: Vec<TaskLine>,
    /// Those done last.
    pub done: Vec<TaskLine>,
    /// Teams and people who have open tasks.
    pub owners: Vec<String>,
    /// How many are open, on all pages.
    pub count: Count,
    /// Of these, those whose time is over.
    pub overdue: Count,
    /// The page after this one, if there is one.
    pub next: Option<u64>,
}

/// A task.
#[derive(Debug, Clone)]
pub struct TaskLine {
    /// Its id.
    pub id: String,
    /// What is to be done.
    pub title: String,
    /// About whom.
    pub customer: Link,
    /// By which campaign.
    pub campaign: Link,
    /// Whose it is; empty: nobody's in particular.
    pub owner: String,
    /// Until when.
    pub due: Option<Timestamp>,
    /// Its time is over.
    pub is_overdue: bool,
    /// When it was opened, or done.
    pub at: Timestamp,
    /// A text to begin with.
    pub draft: Option<String>,
}

#[derive(Template)]
#[template(path = "tasks.html")]
pub(super) struct TasksPage {
    pub(super) frame: Frame,
    pub(super) view: TasksView,
    /// Whose tasks are shown; empty: everybody's.
    pub(super) owner: String,
    /// Which page of them, from 0.
    pub(super) page: u64,
}

impl TasksPage {
    fn at(&self, page: &u64) -> String {
        format!("/tasks?for={}&page={page}", super::links::encoded(&self.owner))
    }

    fn before(&self) -> String {
        self.at(&self.page.saturating_sub(1))
    }

    fn is_first(&self) -> bool {
        self.page == 0
    }

    fn done_at(&self, task: &TaskLine) -> String {
        format!("/tasks/{}/done", super::links::encoded(&task.id))
    }

    fn is_shown(&self, owner: &str) -> bool {
        self.owner == owner
    }

    fn of(&self, owner: &str) -> String {
        format!("/tasks?for={}", super::links::encoded(owner))
    }
}

/// Far beyond any inbox that somebody turns the pages of.
const LAST_PAGE: u64 = 1_000_000;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OwnerQuery {
    r#for: String,
    page: u64,
}

pub(super) async fn tasks(State(pages): State<Pages>, visit: Visit, Asked(query): Asked<OwnerQuery>) -> Response {
    let owner: String = query.r#for.chars().take(100).collect();
    let (asked, page) = (owner.clone(), query.page.min(LAST_PAGE));
    pages
        .show(
            visit,
            Nav::Tasks,
            move |views| views.tasks(&asked, page),
            move |frame, view| TasksPage { frame, view, owner, page },
        )
        .await
}

pub(super) async fn done(
    State(pages): State<Pages>,
    Path(id): Path<String>,
    Posted(visit, _): Posted<Button>,
) -> Response {
    pages.carry_out(visit, Order::CompleteTask(id), Place::Tasks).await
}
