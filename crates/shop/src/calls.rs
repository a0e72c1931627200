//! Writing calls: one call of Segment's HTTP tracking spec, or our `record`, as one line of JSON.
//!
//! A small writer instead of a tree of values: it is quick, keeps the order of keys, and prints money exactly.

use std::fmt::Write as _;

use crate::answers::Tally;
use crate::days::write_instant;

/// One call as a shop's server or web page would send it to Perennial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it happened, UTC, the same instant as the `timestamp` in [`Call::json`].
    pub time_ms: i64,
    /// One JSON object without line breaks: `track`, `identify`, `page` or `record`.
    pub json: String,
}

/// A call that is written but not handed out yet, with the key of its place: instant, then customer, then order of making.
/// No part of the key depends on how far time is advanced at once.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) place: (i64, u32, u64, u32),
    pub(crate) json: String,
}

/// Who a call names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'a> {
    Anonymous(&'a str),
    User(&'a str),
    Both { user: &'a str, anonymous: &'a str },
}

/// Where the calls of one customer from one source (a day, a message) are written.
pub(crate) struct Diary<'a> {
    pub(crate) calls: &'a mut Vec<Noted>,
    pub(crate) tally: &'a mut Tally,
    customer: u32,
    source: Source,
    written: u32,
}

/// What made the calls; part of their message ids.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Day(u32),
    /// The answer to a message, known by the hash of its id.
    Message(u64),
}

impl<'a> Diary<'a> {
    pub(crate) fn open(calls: &'a mut Vec<Noted>, tally: &'a mut Tally, customer: u32, source: Source) -> Diary<'a> {
        Diary { calls, tally, customer, source, written: 0 }
    }

    pub(crate) fn track(
        &mut self,
        time_ms: i64,
        named: Named<'_>,
        event: &str,
        properties: impl FnOnce(&mut Object<'_>),
    ) {
        self.call(time_ms, "track", named, |call| {
            call.text("event", event);
            call.object("properties", properties);
        });
    }

    pub(crate) fn page(&mut self, time_ms: i64, named: Named<'_>, name: &str, path: &str) {
        self.call(time_ms, "page", named, |call| {
            call.text("name", name);
            call.object("properties", |page| page.text("path", path));
        });
    }

    pub(crate) fn identify(&mut self, time_ms: i64, named: Named<'_>, traits: impl FnOnce(&mut Object<'_>)) {
        self.call(time_ms, "identify", named, |call| call.object("traits", traits));
    }

    pub(crate) fn record(
        &mut self,
        time_ms: i64,
        user: &str,
        kind: &str,
        record_id: &str,
        attributes: impl FnOnce(&mut Object<'_>),
    ) {
        self.call(time_ms, "record", Named::User(user), |call| {
            call.text("kind", kind);
            call.text("recordId", record_id);
            call.object("attributes", attributes);
        });
    }

    fn call(&mut self, time_ms: i64, kind: &str, named: Named<'_>, body: impl FnOnce(&mut Object<'_>)) {
        let mut json = String::with_capacity(360);
        let mut call = Object::open(&mut json);
        call.text("type", kind);
        match named {
            Named::Anonymous(anonymous) => call.text("anonymousId", anonymous),
            Named::User(user) => call.text("userId", user),
            Named::Both { user, anonymous } => {
                call.text("userId", user);
                call.text("anonymousId", anonymous);
            }
        }
        body(&mut call);
        call.instant("timestamp", time_ms);
        let source = match self.source {
            Source::Day(day) => {
                call.formatted("messageId", format_args!("shop-{:05}-{day}-{}", self.customer, self.written));
                // Days sort before answers of the same instant.
                u64::from(day)
            }
            Source::Message(hash) => {
                call.formatted("messageId", format_args!("shop-{:05}-m{hash:016x}-{}", self.customer, self.written));
                hash | (1 << 63)
            }
        };
        call.close();
        self.calls.push(Noted { place: (time_ms, self.customer, source, self.written), json });
        self.written += 1;
        self.tally.calls += 1;
    }
}

/// A JSON object being written. Keys are ours and need no escaping; values are escaped.
pub(crate) struct Object<'a> {
    into: &'a mut String,
    is_first: bool,
}

impl<'a> Object<'a> {
    fn open(into: &'a mut String) -> Object<'a> {
        into.push('{');
        Object { into, is_first: true }
    }

    fn close(self) {
        self.into.push('}');
    }

    fn key(&mut self, key: &str) {
        if !self.is_first {
            self.into.push(',');
        }
        self.is_first = false;
        self.into.push('"');
        self.into.push_str(key);
        self.into.push_str("\":");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_text(self.into, value);
    }

    /// A text made of parts that need no escaping, such as ids.
    pub(crate) fn formatted(&mut self, key: &str, value: std::fmt::Arguments<'_>) {
        self.key(key);
        let _ = write!(self.into, "\"{value}\"");
    }

    pub(crate) fn number(&mut self, key: &str, value: u32) {
        self.key(key);
        let _ = write!(self.into, "{value}");
    }

    /// Pence as pounds with two decimals, exact.
    pub(crate) fn money(&mut self, key: &str, pence: i64) {
        self.key(key);
        let _ = write!(self.into, "{}.{:02}", pence / 100, pence % 100);
    }

    pub(crate) fn instant(&mut self, key: &str, time_ms: i64) {
        self.key(key);
        self.into.push('"');
        write_instant(self.into, time_ms);
        self.into.push('"');
    }

    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        let mut object = Object::open(self.into);
        fill(&mut object);
        object.close();
    }

    pub(crate) fn list<T>(&mut self, key: &str, items: &[T], mut fill: impl FnMut(&mut Object<'_>, &T)) {
        self.key(key);
        self.into.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.into.push(',');
            }
            let mut object = Object::open(self.into);
            fill(&mut object, item);
            object.close();
        }
        self.into.push(']');
    }
}

fn write_text(into: &mut String, text: &str) {
    into.push('"');
    for character in text.chars() {
        match character {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(into, "\\u{:04x}", control as u32);
            }
            plain => into.push(plain),
        }
    }
    into.push('"');
}
