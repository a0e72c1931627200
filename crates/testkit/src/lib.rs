//! What tests stand on: a store that crashes, actors for stories, a simulation with its oracles, and a plain evaluator
//! with random cases on which the engine must agree with it. Never part of the product.

pub mod actors;
pub mod agreement;
pub mod chance;
pub mod clock;
pub mod faults;
mod memory_history;
pub mod memory_store;
pub mod oracles;
pub mod plain;
pub mod random;
pub mod sharing;
pub mod simulation;
pub mod store_contract;
mod tellings;
pub mod verify;

pub use actors::{Customer, Keeps, Post, Shop};
pub use scenario::workspace::Told;
