//! Stories of mails: how they are written, and what becomes of them at servers of all kinds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails; clippy exempts only the test functions")]

mod browser;
mod listener;
mod mail;
mod outward;
mod report;
mod server;
mod smtp;
mod web_push;
