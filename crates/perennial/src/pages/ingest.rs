//! Sources: what came in, what was a duplicate, what was refused and why.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::Link;
use super::text::{Count, Share, Tag, Tone};

/// Everything on the page of sources.
#[derive(Debug, Clone, Default)]
pub struct IngestView {
    /// Calls of today, by UTC, as they are tallied.
    pub day: Totals,
    /// Calls ever.
    pub ever: Totals,
    /// Every source, busiest first.
    pub sources: Vec<SourceRow>,
    /// The last calls, latest first; a few dozen.
    pub calls: Vec<CallRow>,
    /// Refused calls that are kept, by reason, most first.
    pub refused: Vec<RefusedReason>,
    /// Accepted calls ever whose amounts are set apart.
    pub quarantined: Count,
    /// The last of them, latest first.
    pub last_quarantined: Vec<QuarantinedRow>,
    /// Names beyond what is told apart.
    pub beyond: BeyondNames,
    /// Connections turned away since the start.
    pub turned_away: Count,
    /// Bodies given up since the start.
    pub too_slow: Count,
}

/// A call of which amounts are set apart.
#[derive(Debug, Clone)]
pub struct QuarantinedRow {
    /// When it arrived.
    pub at: Timestamp,
    /// From which source.
    pub source: String,
    /// The event's name.
    pub event: String,
    /// Whose it is.
    pub customer: Option<Link>,
    /// The amounts as they were sent: "revenue 1000000000000 GBP".
    pub sent: String,
    /// Why they are set apart: "more than 1000000".
    pub because: String,
}

/// Names of events and properties that are counted together, since there are too many.
#[derive(Debug, Clone, Default)]
pub struct BeyondNames {
    /// Events whose name is not told apart.
    pub events: Count,
    /// Calls with a property or trait that is not told apart.
    pub properties: Count,
    /// Where those are, the most frequent first: the event's name and the number of calls.
    pub of: Vec<(String, Count)>,
}

impl IngestView {
    fn has_beyond(&self) -> bool {
        !self.beyond.events.is_zero() || !self.beyond.properties.is_zero()
    }

    fn has_unheard(&self) -> bool {
        !self.turned_away.is_zero() || !self.too_slow.is_zero()
    }
}

/// Calls by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accepted and on disk.
    pub accepted: Count,
    /// Known already, counted once.
    pub duplicate: Count,
    /// Refused with a reason.
    pub refused: Count,
}

impl Totals {
    /// All calls.
    pub fn all(&self) -> Count {
        Count(self.accepted.0.saturating_add(self.duplicate.0).saturating_add(self.refused.0))
    }

    fn refused_share(&self) -> Share {
        self.refused.share_of(&self.all())
    }
}

/// A source.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// Its name: "website", "orders.csv".
    pub name: String,
    /// "browser key", "server key", "file".
    pub kind: String,
    /// Calls ever.
    pub totals: Totals,
    /// Its last call.
    pub last_call: Option<Timestamp>,
}

/// A call that came in.
#[derive(Debug, Clone)]
pub struct CallRow {
    /// When it arrived.
    pub at: Timestamp,
    /// From which source.
    pub source: String,
    /// "track", "identify", "record".
    pub kind: String,
    /// The event's name, where it has one.
    pub name: String,
    /// Whose it is; none while it is refused.
    pub customer: Option<Link>,
    /// What became of it.
    pub outcome: CallOutcome,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// Accepted and on disk.
    Accepted,
    /// Known already.
    Duplicate,
    /// Refused.
    Refused,
}

impl CallOutcome {
    fn tag(&self) -> Tag {
        match self {
            CallOutcome::Accepted => Tag::new("accepted", Tone::Leaf),
            CallOutcome::Duplicate => Tag::new("duplicate", Tone::Plain),
            CallOutcome::Refused => Tag::new("refused", Tone::Rose),
        }
    }
}

/// Refused calls with one reason.
#[derive(Debug, Clone)]
pub struct RefusedReason {
    /// The reason's code, for the form and the docs.
    pub code: String,
    /// What is wrong and what to do, in words.
    pub explanation: String,
    /// How many are kept.
    pub count: Count,
    /// The latest of them; three are enough.
    pub samples: Vec<RefusedCall>,
}

/// A refused call, to look at.
#[derive(Debug, Clone)]
pub struct RefusedCall {
    /// When it arrived.
    pub at: Timestamp,
    /// From which source.
    pub source: String,
    /// Exactly what is wrong with this one.
    pub detail: String,
    /// Its body; the page shows no more than 2,000 characters.
    pub raw: String,
}

/// A screen or two of JSON is enough to see what is wrong.
const RAW_CHARACTERS: usize = 2_000;

impl RefusedCall {
    fn shown(&self) -> &str {
        match self.raw.char_indices().nth(RAW_CHARACTERS) {
            Some((end, _)) => &self.raw[..end],
            None => &self.raw,
        }
    }

    fn is_cut(&self) -> bool {
        self.shown().len() < self.raw.len()
    }
}

#[derive(Template)]
#[template(path = "ingest.html")]
pub(super) struct IngestPage {
    pub(super) frame: Frame,
    pub(super) view: IngestView,
}
