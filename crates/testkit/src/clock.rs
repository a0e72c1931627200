//! A clock that is turned by hand.

use domain::{Span, Timestamp};

/// The time of a test. It stands still until it is turned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    now: Timestamp,
}

impl Clock {
    /// A clock that shows an instant.
    pub fn at(now: Timestamp) -> Clock {
        Clock { now }
    }

    /// What it shows.
    pub fn now(self) -> Timestamp {
        self.now
    }

    /// Turns it forward.
    pub fn turn(&mut self, span: Span) {
        self.now = self.now.plus(span);
    }

    /// Sets it, backward too: real clocks jump.
    pub fn set(&mut self, now: Timestamp) {
        self.now = now;
    }
}

/// Reads an instant that a test wrote down; panics if it is none.
pub fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("`{text}` is no instant such as 2026-03-02T12:00:00Z"))
}
