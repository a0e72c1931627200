//! What tests stand on: a store that crashes and the stories every store must pass. Never part of the product.

pub mod memory_store;
pub mod store_contract;
