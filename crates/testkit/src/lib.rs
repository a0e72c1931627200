//! What tests stand on: a clock to turn, channels that remember, a store that crashes, actors for stories, and
//! a simulation with its oracles. Never part of the product.

pub mod actors;
pub mod chance;
pub mod channels;
pub mod clock;
pub mod faults;
mod memory_history;
pub mod memory_store;
pub mod oracles;
pub mod plain;
pub mod random;
pub mod scenario;
pub mod simulation;
pub mod store_contract;
pub mod verify;

pub use actors::{Customer, Keeps, Post, Shop, Told};
