//! What came in, and what was refused.

use super::{EngineViews, House, broken, words};
use crate::pages::PageError;
use crate::pages::ingest::{
    BeyondNames, CallOutcome, CallRow, IngestView, QuarantinedRow, RefusedCall, RefusedReason, SourceRow, Totals,
};
use crate::pages::text::Count;
use domain::{Timestamp, Trust};
use engine::report::catalogue::Beyond;
use engine::report::door;
use store::Reception;

/// Calls in the list of the last ones.
const CALLS: usize = 30;

impl<H: House> EngineViews<H> {
    pub(super) fn ingest_view(&self) -> Result<IngestView, PageError> {
        self.look(|engine, reader, _| {
            let door = engine.door(reader, CALLS).map_err(broken)?;
            Ok(IngestView {
                day: totals(door.today),
                ever: totals(door.ever),
                sources: door.sources.iter().map(source).collect(),
                calls: door.calls.iter().map(call).collect(),
                refused: door.refused.into_iter().map(refused).collect(),
                quarantined: Count(door.quarantined),
                last_quarantined: door.last_quarantined.iter().map(quarantined).collect(),
                beyond: beyond(&door.beyond),
                turned_away: Count(self.house.unheard().turned_away),
                too_slow: Count(self.house.unheard().too_slow),
            })
        })
    }
}

fn totals(totals: door::Totals) -> Totals {
    Totals { accepted: Count(totals.accepted), duplicate: Count(totals.duplicates), refused: Count(totals.refused) }
}

fn source(row: &door::SourceRow) -> SourceRow {
    let word = |trust: &Trust| match trust {
        Trust::Browser => "browser key",
        Trust::Server => "server key",
        Trust::File => "file",
        Trust::Perennial => "Perennial",
    };
    let kinds: Vec<&str> = row.trust.iter().map(word).collect();
    SourceRow {
        name: row.source.clone(),
        kind: kinds.join(", "),
        totals: totals(row.totals),
        last_call: row.last_call.map(Timestamp::as_jiff),
    }
}

fn call(row: &door::CallRow) -> CallRow {
    CallRow {
        at: row.received_at.as_jiff(),
        source: row.source.to_string(),
        kind: row.kind.to_owned(),
        name: row.name.clone(),
        customer: row.who.as_ref().map(words::link),
        outcome: match row.reception {
            Reception::Accepted => CallOutcome::Accepted,
            Reception::Duplicate | Reception::DuplicateDiffers => CallOutcome::Duplicate,
            Reception::Refused => CallOutcome::Refused,
        },
    }
}

fn quarantined(row: &door::QuarantinedRow) -> QuarantinedRow {
    QuarantinedRow {
        at: row.received_at.as_jiff(),
        source: row.source.to_string(),
        event: row.event.clone(),
        customer: row.who.as_ref().map(words::link),
        sent: row.sent.clone(),
        because: row.because.clone(),
    }
}

fn beyond(beyond: &Beyond) -> BeyondNames {
    BeyondNames {
        events: Count(beyond.events),
        properties: Count(beyond.properties),
        of: beyond.of.iter().map(|(event, calls)| (event.clone(), Count(*calls))).collect(),
    }
}

fn refused(reason: door::RefusedReason) -> RefusedReason {
    RefusedReason {
        explanation: explanation(&reason.reason),
        code: reason.reason,
        count: Count(reason.count),
        samples: reason
            .examples
            .into_iter()
            .map(|example| RefusedCall {
                at: example.received_at.as_jiff(),
                source: example.source,
                detail: example.message,
                raw: example.raw,
            })
            .collect(),
    }
}

/// A reason as a shop owner would say it.
fn explanation(reason: &str) -> String {
    let words = match reason {
        "bad_json" => "The body is no JSON",
        "bad_shape" => "The call has another shape than it should",
        "bad_type" => "The kind of call is missing or unknown",
        "bad_name" => "The event has no name that can be used",
        "bad_id" => "An id cannot be used",
        "no_id" => "The call names nobody",
        "bad_number" => "A number is none",
        "bad_text" => "A text has characters that cannot be kept",
        "bad_time" => "The time cannot be read",
        "duplicate_key" => "A field stands twice",
        "needs_server_key" => "A browser’s key may not send this",
        "negative_amount" => "An amount is below 0, and the event is no refund",
        "too_large" => "The call is too large",
        "too_deep" => "The call is nested too deeply",
        "too_many_properties" => "The call has too many properties",
        "too_many_values" => "The call has too many values",
        "too_many_calls" => "Too many calls in one batch",
        other => return words::capital(&other.replace('_', " ")),
    };
    words.to_owned()
}
