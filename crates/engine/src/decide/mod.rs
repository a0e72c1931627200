//! Campaigns at work: entries, steps, goals, exits, and the one gate before every message.

pub mod gate;
pub mod journey;
pub mod limits;
pub mod prepared;
