//! What lets somebody into a campaign.

use super::local::read_time;
use crate::campaign::Again;
use crate::id::Name;
use crate::schedule::Schedule;
use crate::segment::{Condition, Did, EventName, Measure, Windows, read_event_name, read_filter};
use crate::shape::{Fields, ShapeError, kind_of, refuse, unknown};
use crate::time::Span;
use crate::value::{Path, Tests, read_record_tests};
use jiff::civil::Time;
use serde_json::Value;

/// What lets in, and how often.
#[derive(Clone, PartialEq, Debug)]
pub struct Enter {
    /// The trigger.
    pub on: Trigger,
    /// Asked once, at the trigger.
    pub only_if: Option<Condition>,
    /// Whether somebody may enter again.
    pub again: Again,
    /// People may be inside once per value of this property.
    pub key: Option<Path>,
}

/// What lets in.
#[derive(Clone, PartialEq, Debug)]
pub enum Trigger {
    /// Entering the segment; at the campaign's start its present members.
    Enters(Name),
    /// Leaving the segment.
    Leaves(Name),
    /// An event that passes the tests, at most `late` old.
    Did {
        /// Which event.
        event: EventName,
        /// Its tests.
        filter: Option<Tests>,
        /// How late it may arrive.
        late: Span,
    },
    /// A local time some days before or after a date of a trait.
    Date(OnDate),
    /// A time before or after a date of a record, or the absence of something by then.
    Record(Box<OnRecord>),
    /// Everybody, at local times that come again.
    Every(OnSchedule),
}

/// The words that head a trigger.
pub const TRIGGERS: [&str; 7] = ["enters", "leaves", "did", "date", "record", "missing", "every"];

/// A date of a trait.
#[derive(Clone, PartialEq, Debug)]
pub struct OnDate {
    /// Where the date stands.
    pub path: Path,
    /// Whole local days from the date; below 0 before it.
    pub days: i64,
    /// The local time on that day.
    pub at: Time,
    /// Whether a past date comes again every year.
    pub yearly: bool,
}

/// A date of a record.
#[derive(Clone, PartialEq, Debug)]
pub struct OnRecord {
    /// Of which kind.
    pub kind: String,
    /// The attribute in which the date stands.
    pub date: Path,
    /// Time from the date; below 0 before it.
    pub shift: Span,
    /// Records that satisfy these let nobody in, and whoever is inside for one leaves.
    pub unless: Option<Tests>,
    /// The event that must be missing; paths `record.…` in its tests mean the record.
    pub absent: Option<Condition>,
    /// Written as `missing`: only at the instant, never at once for one that has passed.
    pub is_overdue: bool,
}

/// A schedule.
#[derive(Clone, PartialEq, Debug)]
pub struct OnSchedule {
    /// When.
    pub schedule: Schedule,
    /// In each customer's own zone, instead of the workspace's.
    pub in_own_zone: bool,
}

pub(super) fn read_enter(value: &Value) -> Result<Enter, ShapeError> {
    let fields = Fields::of(value, "enter")?;
    let enter = Enter {
        on: read_trigger(fields.require("on")?)?,
        only_if: fields.get("only_if").map(|value| Condition::read(value, "enter.only_if")).transpose()?,
        again: match fields.get("again") {
            None => Again::Never,
            Some(Value::String(word)) if word == "never" => Again::Never,
            Some(Value::String(word)) if word == "always" => Again::Always,
            Some(value @ Value::Object(_)) => {
                let inner = Fields::of(value, "enter.again")?;
                let Some(span) = inner.span("after")? else {
                    return refuse("enter.again", "write never, always or { after: 90d }");
                };
                inner.finish()?;
                Again::After(span)
            }
            Some(_) => return refuse("enter.again", "write never, always or { after: 90d }"),
        },
        key: fields.text("key")?.map(Path::new),
    };
    if enter.key.as_ref().is_some_and(Path::is_malformed) {
        return refuse("enter.key", "the path is malformed: write properties.order_id");
    }
    if enter.key.is_some() && !matches!(enter.on, Trigger::Did { .. }) {
        return refuse("enter.key", "a key is a property of the event that lets in: use it with `on: { did: … }`");
    }
    fields.finish()?;
    Ok(enter)
}

fn read_trigger(value: &Value) -> Result<Trigger, ShapeError> {
    let fields = Fields::of(value, "enter.on")?;
    let heads: Vec<&str> = TRIGGERS.into_iter().filter(|head| fields.has(head)).collect();
    let trigger = match heads.as_slice() {
        ["enters"] => Trigger::Enters(fields.require_name("enters")?),
        ["leaves"] => Trigger::Leaves(fields.require_name("leaves")?),
        ["did"] => Trigger::Did {
            event: read_event_name(fields.require("did")?, &fields.at("did"))?,
            filter: read_filter(&fields)?,
            late: fields.span("late")?.unwrap_or(Span::hours(24)),
        },
        ["date"] => Trigger::Date(read_date(fields.require("date")?, &fields.at("date"))?),
        ["record"] => Trigger::Record(Box::new(read_record(fields.require("record")?, &fields.at("record"))?)),
        ["missing"] => Trigger::Record(Box::new(read_missing(fields.require("missing")?, &fields.at("missing"))?)),
        [_] => Trigger::Every(read_every(&fields)?),
        [] => {
            return match fields.keys().next() {
                None => refuse("enter.on", "a trigger is missing, such as `enters: lapsed-regulars`"),
                Some(key) => refuse("enter.on", unknown("trigger", key, TRIGGERS.into_iter())),
            };
        }
        [first, second, ..] => {
            return refuse("enter.on", format!("one trigger, found `{first}` and `{second}`"));
        }
    };
    fields.finish()?;
    Ok(trigger)
}

fn read_date(value: &Value, path: &str) -> Result<OnDate, ShapeError> {
    let fields = Fields::of(value, path)?;
    let mut days = 0;
    if let Some((key, span)) = read_shift(&fields)? {
        if span.0 % Span::DAY.0 != 0 {
            return refuse(&fields.at(key), "whole days, such as 3d or 2w: they are calendar days");
        }
        days = span.0 / Span::DAY.0;
        if days.abs() > 3_660 {
            return refuse(&fields.at(key), "more than ten years");
        }
    }
    let at = match fields.text("at")? {
        None => Time::constant(9, 0, 0, 0),
        Some(word) => match read_time(word) {
            Some(time) => time,
            None => return refuse(&fields.at("at"), format!("`{word}` is no time of day such as \"09:00\"")),
        },
    };
    let date = OnDate { path: read_path(&fields, "trait")?, days, at, yearly: fields.flag("yearly")?.unwrap_or(true) };
    fields.finish()?;
    Ok(date)
}

/// `before` (below 0) or `after`, where one of them is there.
fn read_shift(fields: &Fields<'_>) -> Result<Option<(&'static str, Span)>, ShapeError> {
    match (fields.span("before")?, fields.span("after")?) {
        (Some(_), Some(_)) => refuse(fields.path(), "write either `before` or `after`"),
        (Some(span), None) => Ok(Some(("before", Span(-span.0)))),
        (None, Some(span)) => Ok(Some(("after", span))),
        (None, None) => Ok(None),
    }
}

fn read_path(fields: &Fields<'_>, key: &'static str) -> Result<Path, ShapeError> {
    let path = Path::new(fields.require_text(key)?);
    if path.is_malformed() {
        return refuse(&fields.at(key), "the path is malformed: write a name, or names with dots between them");
    }
    Ok(path)
}

fn read_kind(fields: &Fields<'_>, key: &'static str) -> Result<String, ShapeError> {
    let kind = fields.require_text(key)?;
    if kind.is_empty() || kind.chars().count() > 200 {
        return refuse(&fields.at(key), "a kind of record has 1 to 200 characters");
    }
    Ok(kind.to_owned())
}

fn read_unless(fields: &Fields<'_>) -> Result<Option<Tests>, ShapeError> {
    fields.get("unless").map(|value| read_record_tests(value, &fields.at("unless"))).transpose()
}

fn read_record(value: &Value, path: &str) -> Result<OnRecord, ShapeError> {
    let fields = Fields::of(value, path)?;
    let record = OnRecord {
        kind: read_kind(&fields, "kind")?,
        date: read_path(&fields, "date")?,
        shift: read_shift(&fields)?.map_or(Span(0), |(_, span)| span),
        unless: read_unless(&fields)?,
        absent: None,
        is_overdue: false,
    };
    fields.finish()?;
    Ok(record)
}

fn read_missing(value: &Value, path: &str) -> Result<OnRecord, ShapeError> {
    let fields = Fields::of(value, path)?;
    let filter = read_filter(&fields)?;
    let absent = match fields.get("did") {
        None if filter.is_some() => {
            return refuse(&fields.at("where"), "of which event? Write `did: Delivered` beside it");
        }
        None => None,
        Some(event) => Some(Condition::Did(Did {
            event: read_event_name(event, &fields.at("did"))?,
            filter,
            windows: Windows::default(),
            measure: Measure::Count { least: 1, most: None },
            zone: None,
        })),
    };
    let missing = OnRecord {
        kind: read_kind(&fields, "record")?,
        date: read_path(&fields, "date")?,
        shift: fields.span("after")?.unwrap_or(Span(0)),
        unless: read_unless(&fields)?,
        absent,
        is_overdue: true,
    };
    if missing.unless.is_none() && missing.absent.is_none() {
        return refuse(path, "what is missing? write `unless: { status: { is: delivered } }` or `did: Delivered`");
    }
    fields.finish()?;
    Ok(missing)
}

fn read_every(fields: &Fields<'_>) -> Result<OnSchedule, ShapeError> {
    let written = match fields.require("every")? {
        Value::String(text) => text,
        other => return refuse(&fields.at("every"), format!("expected text, found {}", kind_of(other))),
    };
    let schedule = Schedule::parse(written).or_else(|message| refuse(&fields.at("every"), message))?;
    let in_own_zone = match fields.text("zone")? {
        None | Some("workspace") => false,
        Some("customer") => true,
        Some(other) => {
            return refuse(&fields.at("zone"), unknown("zone", other, ["customer", "workspace"].into_iter()));
        }
    };
    Ok(OnSchedule { schedule, in_own_zone })
}
