//! Pure mathematics on plain values: no clock, no I/O, no words of the engine.

pub mod assignment;
pub mod bandit;
pub mod normal;
pub mod power;
pub mod sequential;
