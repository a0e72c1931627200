//! The one integration binary: what senders see at the door, what scripts see of the commands, and what is
//! left after a process was killed.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on has failed, and the line says where"
)]

mod agree;
mod api;
mod backups;
mod commands;
mod door;
mod folder;
mod house;
mod in_app;
mod letters;
mod opens;
mod overlap;
mod plays;
mod process;
mod push;
mod query;
mod reports;
mod restart;
mod retail;
mod scenarios;
mod webhooks;
mod wire;
