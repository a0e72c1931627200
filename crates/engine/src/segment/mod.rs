//! Segments: definition → plan of shared per-customer features → verdict and next change.
//!
//! One evaluator serves live membership, back-fill, as-of, preview and why.

pub mod as_of;
pub mod backfill;
mod compile;
pub mod describe;
mod evidence;
pub mod feature;
pub mod live;
pub mod plan;
pub mod questions;
pub mod rhythm;
pub mod test;
pub mod verdict;
pub mod why;

pub use plan::{Node, Plan, Touch, Uses};
pub use verdict::{Asked, Verdict};
