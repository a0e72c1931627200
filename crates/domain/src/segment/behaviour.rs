//! Conditions on the order and rhythm of events: the latest and the first one, sequences, first times,
//! stopping, starting again and regularity.

use crate::segment::{EventName, read_event_name, read_filter};
use crate::shape::{Fields, ShapeError, refuse};
use crate::time::{Span, Zone};
use crate::value::{Path, Tests, read_tests, read_zone};
use serde_json::Value;

/// Most periods that `regularly` looks at.
pub const PERIOD_LIMIT: u32 = 1_000;

/// Which events are meant: a name, and tests that one and the same event passes.
#[derive(Clone, PartialEq, Debug)]
pub struct Events {
    /// Their name.
    pub event: EventName,
    /// What their properties satisfy.
    pub filter: Option<Tests>,
    /// Zone of calendar words, where the condition names one.
    pub zone: Option<Zone>,
}

/// The latest or the first of some events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// The latest, at or before now.
    Last,
    /// The first ever.
    First,
}

impl End {
    /// The word of the spec.
    pub fn word(self) -> &'static str {
        match self {
            End::Last => "last",
            End::First => "first",
        }
    }
}

/// `last` / `first` with `among` and `has`: the event at that end of those that pass `events` satisfies `has`.
#[derive(Clone, PartialEq, Debug)]
pub struct AtEnd {
    /// Which end.
    pub end: End,
    /// Among which events.
    pub events: Events,
    /// What that one event satisfies.
    pub has: Tests,
}

/// `sequence`: an event that is followed, or not followed, by another within a time.
#[derive(Clone, PartialEq, Debug)]
pub struct Sequence {
    /// The event A that begins it.
    pub first: Events,
    /// The event B that is looked for after it.
    pub then: Events,
    /// B must not come (`then_not`): true from A + within on.
    pub absent: bool,
    /// B lies in (A, A + within].
    pub within: Span,
    /// Both bear the same value of this property.
    pub same: Option<Path>,
    /// A lies in (now - recent, now].
    pub recent: Option<Span>,
}

/// `first_time`: the first one ever lies in (now - within, now].
#[derive(Clone, PartialEq, Debug)]
pub struct FirstTime {
    /// Of which events.
    pub events: Events,
    /// How long ago at most.
    pub within: Span,
}

/// `stopped`: some in (now - active, now - quiet], none in (now - quiet, now].
#[derive(Clone, PartialEq, Debug)]
pub struct Stopped {
    /// Which events.
    pub events: Events,
    /// Longer than `quiet`.
    pub active: Span,
    /// Without any.
    pub quiet: Span,
}

/// `restarted`: some in (now - recent, now], none in (now - recent - quiet, now - recent], some before.
#[derive(Clone, PartialEq, Debug)]
pub struct Restarted {
    /// Which events.
    pub events: Events,
    /// Length of the pause.
    pub quiet: Span,
    /// How long ago they came back at most.
    pub recent: Span,
}

/// `regularly`: so many events in so many of the latest periods.
#[derive(Clone, PartialEq, Debug)]
pub struct Regularly {
    /// Which events.
    pub events: Events,
    /// Length of a period; period i is (now - (i + 1) · every, now - i · every], from 0.
    pub every: Span,
    /// How many periods are looked at.
    pub periods: u32,
    /// In how many of them it must have happened often enough.
    pub at_least_periods: u32,
    /// How often in a period.
    pub at_least: u32,
}

/// Reads the event under `head`, its `where` and its zone.
fn read_events(fields: &Fields<'_>, head: &'static str) -> Result<Events, ShapeError> {
    Ok(Events {
        event: read_event_name(fields.require(head)?, &fields.at(head))?,
        filter: read_filter(fields)?,
        zone: read_zone(fields)?,
    })
}

fn require_span(fields: &Fields<'_>, key: &'static str) -> Result<Span, ShapeError> {
    match fields.span(key)? {
        Some(Span(0)) => refuse(&fields.at(key), "a duration of nothing: write at least 1s"),
        Some(span) => Ok(span),
        None => refuse(fields.path(), format!("`{key}` is missing: a duration such as 7d")),
    }
}

pub(super) fn read_at_end(fields: &Fields<'_>, end: End) -> Result<AtEnd, ShapeError> {
    let mut events = read_events(fields, end.word())?;
    if let Some(value) = fields.get("among") {
        let among = read_tests(value, &fields.at("among"), 1)?;
        events.filter = Some(match events.filter.take() {
            None => among,
            Some(filter) => Tests::All(vec![filter, among]),
        });
    }
    let has = read_tests(fields.require("has")?, &fields.at("has"), 1)?;
    Ok(AtEnd { end, events, has })
}

pub(super) fn read_sequence(value: &Value, path: &str) -> Result<Sequence, ShapeError> {
    let fields = Fields::of(value, path)?;
    let member = |key: &'static str| -> Result<Events, ShapeError> {
        let inner = Fields::of(fields.require(key)?, &fields.at(key))?;
        let events = read_events(&inner, "did")?;
        inner.finish()?;
        Ok(events)
    };
    let first = member("first")?;
    let absent = match (fields.has("then"), fields.has("then_not")) {
        (true, false) => false,
        (false, true) => true,
        _ => return refuse(path, "write either `then` or `then_not`"),
    };
    let then = member(if absent { "then_not" } else { "then" })?;
    let sequence = Sequence {
        first,
        then,
        absent,
        within: require_span(&fields, "within")?,
        same: fields.text("same")?.map(Path::new),
        recent: if fields.has("recent") { Some(require_span(&fields, "recent")?) } else { None },
    };
    fields.finish()?;
    Ok(sequence)
}

pub(super) fn read_first_time(fields: &Fields<'_>) -> Result<FirstTime, ShapeError> {
    Ok(FirstTime { events: read_events(fields, "first_time")?, within: require_span(fields, "within")? })
}

pub(super) fn read_stopped(fields: &Fields<'_>) -> Result<Stopped, ShapeError> {
    let stopped = Stopped {
        events: read_events(fields, "stopped")?,
        active: require_span(fields, "active")?,
        quiet: require_span(fields, "quiet")?,
    };
    if stopped.active <= stopped.quiet {
        return refuse(
            &fields.at("active"),
            format!("`active` ({}) reaches further back than `quiet` ({})", stopped.active, stopped.quiet),
        );
    }
    Ok(stopped)
}

pub(super) fn read_restarted(fields: &Fields<'_>) -> Result<Restarted, ShapeError> {
    Ok(Restarted {
        events: read_events(fields, "restarted")?,
        quiet: require_span(fields, "quiet")?,
        recent: require_span(fields, "recent")?,
    })
}

pub(super) fn read_regularly(fields: &Fields<'_>) -> Result<Regularly, ShapeError> {
    let events = read_events(fields, "regularly")?;
    let every = require_span(fields, "every")?;
    let periods = match fields.count("periods")? {
        Some(periods @ 1..=PERIOD_LIMIT) => periods,
        Some(_) => return refuse(&fields.at("periods"), format!("from 1 to {PERIOD_LIMIT} periods")),
        None => return refuse(fields.path(), "`periods` is missing: how many periods to look at"),
    };
    let at_least_periods = fields.count("at_least_periods")?.unwrap_or(periods);
    if !(1..=periods).contains(&at_least_periods) {
        return refuse(&fields.at("at_least_periods"), format!("from 1 to the {periods} periods that are looked at"));
    }
    let at_least = fields.count("at_least")?.unwrap_or(1);
    if !(1..=1_000_000).contains(&at_least) {
        return refuse(&fields.at("at_least"), "from 1 to 1,000,000 events");
    }
    Ok(Regularly { events, every, periods, at_least_periods, at_least })
}
