//! The pages: server-rendered HTML over view models that the engine fills through [`Views`].
//!
//! Each page has its file with its view model and its template; `routes` is the menu, `guard` the door, `session` who is in.
//! No page decides anything: numbers, sentences and reasons come from the engine, the pages say how they look.

use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;

pub(crate) mod assets;
pub mod build;
pub mod campaign;
pub mod campaigns;
pub mod chart;
pub mod customer;
pub mod customers;
pub mod edit;
pub mod filter;
pub mod flow;
pub mod frame;
pub mod gallery;
pub mod guard;
pub mod home;
pub mod ingest;
pub mod links;
mod login;
pub mod message;
pub mod notification;
pub mod outbox;
pub mod outcome;
pub mod query;
pub mod reports;
mod routes;
pub mod segment;
pub mod segments;
pub mod session;
pub mod shared;
pub mod tasks;
pub mod templates;
pub mod text;
pub mod tried;
mod views;
pub mod vouchers;
pub mod webhooks;
pub mod why;

#[cfg(test)]
pub mod fixtures;
#[cfg(test)]
mod tests;

pub use guard::Site;
pub use session::Sessions;
pub use views::{Order, PageError, Views};

/// Pages read at once; more wait their turn, so that a burst of reloads leaves threads for ingest.
const READS_AT_ONCE: usize = 16;
/// Questions in SQL asked from pages at once. They take long, so they do not wait: whoever asks a third is told.
const QUESTIONS_AT_ONCE: usize = 2;

/// What every handler needs.
#[derive(Clone)]
struct Pages {
    views: Arc<dyn Views>,
    sessions: Arc<Sessions>,
    site: Arc<Site>,
    reads: Arc<Semaphore>,
    questions: Arc<Semaphore>,
}

/// The pages as a router, to be merged beside `/v1` and `/api`. It brings its own guard and headers, for its routes only.
pub fn router(views: Arc<dyn Views>, sessions: Arc<Sessions>, site: Site) -> Router {
    let reads = Arc::new(Semaphore::new(READS_AT_ONCE));
    let questions = Arc::new(Semaphore::new(QUESTIONS_AT_ONCE));
    routes::router(Pages { views, sessions, site: Arc::new(site), reads, questions })
}
