//! Segments: definition → plan of shared per-customer features → verdict and next change.
//!
//! One evaluator serves live membership, back-fill, as-of, preview and why.

pub mod as_of;
pub mod backfill;
pub mod compile;
pub mod describe;
mod evidence;
pub mod feature;
pub mod lanes;
pub mod live;
pub mod numbers;
pub mod plan;
pub mod questions;
pub mod rhythm;
pub mod test;
pub mod triggered;
pub mod verdict;
pub mod why;

pub use compile::Standpoint;
pub use plan::{Node, Plan, Touch, Uses};
pub use triggered::Scope;
pub use verdict::{Asked, Verdict};
