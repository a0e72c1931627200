//! The life of a customer, step by step: ingest → profile → segment → decide → deliver → outcome → report.
//! Pure: no clock, no randomness, no HTTP, no SQL. Time, ids and the store are passed in.

pub mod profile;
pub mod segment;
