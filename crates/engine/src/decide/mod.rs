//! Campaigns at work: entries, steps, goals, exits, and the one gate before every message.

pub mod address;
pub mod approve;
pub mod bandit;
pub mod due;
pub mod entry;
pub mod gate;
pub mod give;
pub mod journey;
pub mod limits;
pub mod moved;
pub mod past;
pub mod pools;
pub mod prepared;
pub mod program;
pub mod wait;
