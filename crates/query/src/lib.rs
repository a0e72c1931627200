//! SQL over everything that is known, read-only: the one place with DataFusion.
//!
//! A question is read and checked ([`Question`]), the live state is taken at one position of the journal ([`Source`]),
//! and [`Queries`] answers within bounds of memory, disk and time, batch by batch into a [`Sink`]. What the tables mean
//! stands in [`dictionary`], once, for people and for the engine of SQL.

mod answer;
mod batch;
mod cell;
pub mod dictionary;
mod error;
mod functions;
mod provider;
mod queries;
mod question;
mod session;
mod tables;
pub mod write;

pub use answer::{Answer, Head, Look};
pub use error::QueryError;
pub use queries::{Limits, Queries, Sink};
pub use question::Question;
pub use session::Source;

/// Most bytes of a question.
pub const SQL_BYTES: usize = 100_000;
