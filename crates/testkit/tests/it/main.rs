//! The engine under the test kit: reference scenarios, a plain evaluator beside it, simulated crashes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and the line says where")]

mod erasing;
mod nonsense;
mod plain;
mod scenarios;
mod simulation;
