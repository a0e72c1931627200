//! The life of a customer, step by step: ingest → profile → segment → decide → deliver → outcome → report.
//! Pure: no clock, no randomness, no HTTP, no SQL. Time, ids and the store are passed in.

pub mod decide;
pub mod dedupe;
pub mod define;
pub mod deliver;
mod erase;
pub mod ingest;
pub mod keys;
pub mod look;
pub mod outcome;
mod processors;
pub mod profile;
pub mod report;
pub mod run;
pub mod segment;
pub mod snapshot;
pub mod state;
mod timers;
pub mod write;

pub use run::{Opened, Receipt};
pub use state::{Endpoints, Engine, Options};
