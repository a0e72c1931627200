//! The one way to another machine by HTTP: whoever asks for a URL that somebody configured goes through here.
//!
//! A URL is read once ([`Target`]). [`Outward::connect`] looks its name up, judges every address it leads to ([`Reach`]),
//! and connects to exactly an address that was judged: a name that is answered otherwise a moment later changes nothing.
//! [`Connection::post`] sends one request and reads one answer, both bounded. Redirects are answers like any other, and
//! the environment's proxies are not asked. Mail does not go this way: its server is the owner's own, see `smtp.rs`.

mod connect;
mod exchange;
mod reach;
mod target;

pub use connect::{ConnectError, Connection, Limits, Lookup, Names, Outward, OutwardError};
pub use exchange::{Answer, NoAnswer, RetryAfter};
pub use reach::{Forbidden, Reach, ReachError};
pub use target::{Target, TargetError};
