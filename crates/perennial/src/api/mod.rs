//! HTTP beside the pages: `/v1` for SDKs, `/api` for commands and other programs, links in messages, health.

pub mod definitions;
mod dry_run;
mod export;
pub mod followed;
mod in_app;
pub mod letters;
pub mod manage;
pub mod openapi;
pub mod operations;
pub mod problems;
pub(crate) mod push;
mod query;
pub mod render;
mod reports;
pub mod schemas;
pub mod segments;
pub mod tasks;
pub mod tracking;
pub mod vouchers;

pub use query::{dictionary, sent};

use crate::questions::Questions;
use crate::runtime::{Handle, JobError};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::ingest::DoorOptions;
use serde_json::json;
use std::sync::Arc;

/// What handlers share.
pub struct App {
    /// The writer and the live state.
    pub handle: Handle,
    /// What the workspace decided about its door.
    pub door: DoorOptions,
    /// How browsers come in that are to be notified; none: they are not.
    pub push: Option<crate::notifications::Door>,
    /// Where links lead.
    pub public_url: String,
    /// What commands must show; only those who can read the data directory know it.
    pub token: String,
    /// Answers questions in SQL.
    pub questions: Arc<Questions>,
    /// Tries campaigns on the past.
    pub dry_runs: Arc<crate::dry_run::DryRuns>,
    /// Sessions of the pages, for login links.
    pub sessions: Arc<crate::pages::Sessions>,
    /// Links in mails that were followed lately.
    pub followed: Arc<followed::Followed>,
    /// Lists of past members for the pages after the first.
    pub past_members: segments::PastMembers,
}

/// State of every handler.
pub type Shared = Arc<App>;

/// All routes but the pages.
pub fn router(app: Shared) -> axum::Router {
    let manage = manage::router(app.clone());
    let reports = reports::router(app.clone());
    tracking::router()
        .merge(letters::router())
        .merge(reports)
        .merge(push::scripts())
        .merge(health())
        .with_state(app)
        .merge(manage)
}

/// All operations of `/api`: the router and the document are made of this list.
pub fn operations() -> Vec<operations::Operation> {
    let segments = segments::operations().into_iter().chain(definitions::operations());
    segments
        .chain(manage::operations())
        .chain(dry_run::operations())
        .chain(render::operations())
        .chain(tasks::operations())
        .chain(reports::operations())
        .chain(vouchers::operations())
        .chain(in_app::operations())
        .chain(push::operations())
        .chain(query::operations())
        .chain(export::operations())
        .chain(schemas::operations())
        .chain(openapi::operations())
        .collect()
}

fn health() -> axum::Router<Shared> {
    use axum::extract::State;
    use axum::routing::get;
    axum::Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(|State(app): State<Shared>| async move {
                match app.handle.health().trouble() {
                    None => (StatusCode::OK, "ready\n".to_owned()),
                    Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
                }
            }),
        )
        .route("/metrics", get(|State(app): State<Shared>| async move { metrics(&app) }))
}

fn metrics(app: &App) -> Response {
    let (customers, calls, clock, quarantined, beyond) = {
        let engine = app.handle.read();
        let beyond = engine.catalogue().beyond();
        (engine.customer_count(), engine.position().0, engine.clock(), engine.quarantined(), beyond)
    };
    let connections = app.handle.connections();
    let health = app.handle.health();
    let ready = u8::from(health.trouble().is_none());
    let text = format!(
        "# HELP perennial_customers People known, visitors included.\n# TYPE perennial_customers gauge\nperennial_customers {customers}\n\
         # HELP perennial_calls_total Calls accepted.\n# TYPE perennial_calls_total counter\nperennial_calls_total {calls}\n\
         # HELP perennial_commits_total Commits since the start.\n# TYPE perennial_commits_total counter\nperennial_commits_total {}\n\
         # HELP perennial_messages_in_flight Messages on their way.\n# TYPE perennial_messages_in_flight gauge\nperennial_messages_in_flight {}\n\
         # HELP perennial_clock_seconds The instant up to which everything due is done.\n# TYPE perennial_clock_seconds gauge\nperennial_clock_seconds {}\n\
         # HELP perennial_ready Whether new events can be stored.\n# TYPE perennial_ready gauge\nperennial_ready {ready}\n\
         # HELP perennial_quarantined_total Accepted calls whose amounts are set apart.\n# TYPE perennial_quarantined_total counter\nperennial_quarantined_total {quarantined}\n\
         # HELP perennial_events_beyond_names_total Events whose names are beyond what is told apart.\n# TYPE perennial_events_beyond_names_total counter\nperennial_events_beyond_names_total {}\n\
         # HELP perennial_calls_beyond_properties_total Calls with a property beyond what is told apart.\n# TYPE perennial_calls_beyond_properties_total counter\nperennial_calls_beyond_properties_total {}\n\
         # HELP perennial_connections_turned_away_total Connections turned away, too many from one address.\n# TYPE perennial_connections_turned_away_total counter\nperennial_connections_turned_away_total {}\n\
         # HELP perennial_bodies_too_slow_total Requests given up, their bodies came too slowly.\n# TYPE perennial_bodies_too_slow_total counter\nperennial_bodies_too_slow_total {}\n",
        health.commits(),
        health.in_flight(),
        clock.0 / 1000,
        beyond.events,
        beyond.properties,
        connections.turned_away(),
        connections.too_slow(),
    );
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"))], text).into_response()
}

/// An answer to a sender that says what went wrong, as SDKs know it: `{"code","message"}`.
pub fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}

/// The answer to a job that was not done: try again later.
pub fn not_done(error: &JobError) -> Response {
    let code = problems::code_of(error);
    let status = if matches!(error, JobError::Panicked) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut response = problem(status, code, &error.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
