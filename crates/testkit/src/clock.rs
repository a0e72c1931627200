//! The time of tests, as they write it down. The clock that is turned by hand is that of `scenario::workspace`.

use domain::Timestamp;

/// Reads an instant that a test wrote down; panics if it is none.
pub fn instant(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("`{text}` is no instant such as 2026-03-02T12:00:00Z"))
}
