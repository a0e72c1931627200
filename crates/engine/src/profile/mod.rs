//! One customer per person: names and how they join, traits, consent, talks.

pub mod browsers;
pub mod consent;
pub mod customer;
pub mod customers;
pub mod identity;
pub mod in_app;
pub mod joining;
pub mod memberships;
pub mod orders;
pub mod records;
pub mod rewards;
pub mod sharing;
pub mod standing;

pub use consent::Terms;
pub use customer::Customer;
pub use customers::Customers;
pub use identity::{JoinRefused, NodeId, People};
pub use records::By;
