//! Segments: who is meant. A definition is data; the engine gives it its exact meaning.

use crate::id::Name;
use crate::rate::Percent;
use crate::shape::{Fields, ShapeError, kind_of, list, name, refuse, unknown};
use crate::time::{Span, Zone};
use crate::value::{Path, Test, Tests, When, number, read_test, read_tests, read_trait_tests, read_zone, when};
use rust_decimal::Decimal;
use serde_json::Value;

mod behaviour;
mod records;

pub use behaviour::{AtEnd, End, Events, FirstTime, PERIOD_LIMIT, Regularly, Restarted, Sequence, Stopped};
pub use records::{RecordAsked, RecordQuestion};

/// Deepest nesting of a rule.
pub const DEPTH_LIMIT: usize = 32;
/// Most groups and conditions in one rule.
pub const NODE_LIMIT: usize = 200;
/// Most tests on values in one rule, over all its conditions: each is asked of every event that comes.
pub const TEST_LIMIT: usize = 2_000;
/// Names of scores that predictions fill. Until then a score is missing.
pub const SCORES: &[&str] = &["buys_within_30d"];

/// A segment: a name and a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Segment {
    /// Unique in the workspace.
    pub name: Name,
    /// For people.
    pub title: Option<String>,
    /// Who belongs.
    pub rule: Condition,
}

/// A group or a condition.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// All hold.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
    /// None holds.
    None(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// Holds of every customer.
    Everyone,
    /// Belongs to another segment.
    Segment(Name),
    /// A value on the profile: `At`, or `Elements` of a list.
    Trait(Tests),
    /// What the customer did, counted or summed.
    Did(Did),
    /// What the latest or the first of some events says.
    AtEnd(AtEnd),
    /// One event after another, or its absence.
    Sequence(Sequence),
    /// The first time ever, a short while ago.
    FirstTime(FirstTime),
    /// Did it, and then no more.
    Stopped(Stopped),
    /// Did it again after a pause.
    Restarted(Restarted),
    /// Did it in so many of the latest periods.
    Regularly(Regularly),
    /// What the customer has.
    Record(RecordAsked),
    /// A number that a prediction gave.
    Score(String, Test),
    /// The state of consent.
    Consent(ConsentAsked),
    /// On a list.
    List(String),
    /// Time since the customer exists.
    KnownFor(KnownFor),
    /// A fixed share of customers by hash.
    Bucket(Bucket),
}

/// An event's name, or a prefix of names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum EventName {
    /// Exactly this name.
    Exact(String),
    /// Names that begin so (written with a `*` at the end).
    Prefix(String),
}

impl EventName {
    /// Whether the name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            EventName::Exact(exact) => exact == name,
            EventName::Prefix(prefix) => name.starts_with(prefix),
        }
    }
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EventName::Exact(name) => f.write_str(name),
            EventName::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

/// Windows of a `did`; several mean their intersection, none all of history.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Windows {
    /// (now - d, now].
    pub within: Option<Span>,
    /// The last n local calendar days and today.
    pub within_days: Option<u32>,
    /// From this instant on: read in the zone.
    pub after: Option<When>,
    /// Up to but without this instant.
    pub before: Option<When>,
}

/// How the events that remain are judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Their number lies between the bounds, both included; `most` none is no upper bound.
    Count {
        /// Least number.
        least: u32,
        /// Greatest number.
        most: Option<u32>,
    },
    /// An aggregate of a property passes a comparison.
    Aggregate {
        /// Which.
        aggregate: Aggregate,
        /// Of which property.
        path: Path,
        /// Compared how.
        comparison: Comparison,
    },
}

/// Aggregates of a property over events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the words of the spec")]
pub enum Aggregate {
    Sum,
    Average,
    Largest,
    Smallest,
    Distinct,
}

impl Aggregate {
    /// The word of the spec.
    pub fn word(self) -> &'static str {
        match self {
            Aggregate::Sum => "sum",
            Aggregate::Average => "average",
            Aggregate::Largest => "largest",
            Aggregate::Smallest => "smallest",
            Aggregate::Distinct => "distinct",
        }
    }
}

/// A comparison with an exact number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the words of the spec")]
pub enum Comparison {
    Above(Decimal),
    AtLeast(Decimal),
    Below(Decimal),
    AtMost(Decimal),
}

impl Comparison {
    /// Whether the number passes.
    pub fn holds(self, number: Decimal) -> bool {
        match self {
            Comparison::Above(limit) => number > limit,
            Comparison::AtLeast(limit) => number >= limit,
            Comparison::Below(limit) => number < limit,
            Comparison::AtMost(limit) => number <= limit,
        }
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Comparison::Above(limit) => write!(f, "above {limit}"),
            Comparison::AtLeast(limit) => write!(f, "at least {limit}"),
            Comparison::Below(limit) => write!(f, "below {limit}"),
            Comparison::AtMost(limit) => write!(f, "at most {limit}"),
        }
    }
}

/// `did` and `did_not`.
#[derive(Clone, PartialEq, Debug)]
pub struct Did {
    /// Which event.
    pub event: EventName,
    /// Tests that one and the same event passes.
    pub filter: Option<Tests>,
    /// When.
    pub windows: Windows,
    /// How many, or what sum.
    pub measure: Measure,
    /// Zone of calendar words, where the condition names one.
    pub zone: Option<Zone>,
}

/// `consent: {purpose, channel, is}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsentAsked {
    /// For which purpose.
    pub purpose: Name,
    /// On which channel; none: the weakest over the purpose's channels.
    pub channel: Option<String>,
    /// The state asked for.
    pub is: ConsentState,
    /// It ends by time alone, and no later than so long from now.
    pub ends_within: Option<Span>,
}

/// What is known of consent at an instant. Ordered from the weakest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ConsentState {
    /// The customer said no.
    Withdrawn,
    /// The yes has run out.
    Expired,
    /// Nothing was ever said.
    Unknown,
    /// A yes waits for the customer to confirm it.
    Pending,
    /// The customer said yes, or nothing where the default is yes.
    Granted,
}

impl ConsentState {
    /// Every state, in the order in which people ask for them.
    pub const ALL: [ConsentState; 5] = [
        ConsentState::Granted,
        ConsentState::Withdrawn,
        ConsentState::Expired,
        ConsentState::Unknown,
        ConsentState::Pending,
    ];

    /// The word of the spec.
    pub fn word(self) -> &'static str {
        match self {
            ConsentState::Withdrawn => "withdrawn",
            ConsentState::Expired => "expired",
            ConsentState::Unknown => "unknown",
            ConsentState::Pending => "pending",
            ConsentState::Granted => "granted",
        }
    }
}

/// `known_for: {at_least: 7d}` or `{less_than: 7d}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KnownFor {
    /// For so long or longer.
    AtLeast(Span),
    /// Not yet for so long.
    LessThan(Span),
}

/// `bucket: {seed, percent}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Seed of the hash, after `segment:`.
    pub seed: String,
    /// Share that is in.
    pub percent: Percent,
}

/// The words of which a map bears exactly one: groups, then conditions.
pub const HEADS: &[&str] = &[
    "all",
    "any",
    "none",
    "not",
    "everyone",
    "segment",
    "trait",
    "did",
    "did_not",
    "last",
    "first",
    "sequence",
    "first_time",
    "stopped",
    "restarted",
    "regularly",
    "record",
    "consent",
    "list",
    "known_for",
    "score",
    "bucket",
];

impl Segment {
    /// Reads a segment's definition.
    pub fn read(value: &Value) -> Result<Segment, ShapeError> {
        let fields = Fields::of(value, "")?;
        let segment = Segment {
            name: fields.require_name("segment")?,
            title: fields.text("title")?.map(str::to_owned),
            rule: Condition::read(fields.require("where")?, "where")?,
        };
        fields.finish()?;
        Ok(segment)
    }
}

impl Condition {
    /// Reads a rule and holds it to the limits on nodes and depth.
    pub fn read(value: &Value, path: &str) -> Result<Condition, ShapeError> {
        let condition = read_condition(value, path, 1)?;
        let nodes = condition.nodes();
        if nodes > NODE_LIMIT {
            return refuse(path, format!("{nodes} groups and conditions, more than {NODE_LIMIT}"));
        }
        let tests = condition.tests();
        if tests > TEST_LIMIT {
            return refuse(path, format!("{tests} tests on values, more than {TEST_LIMIT}"));
        }
        Ok(condition)
    }

    /// Number of groups and conditions.
    pub fn nodes(&self) -> usize {
        match self {
            Condition::All(inner) | Condition::Any(inner) | Condition::None(inner) => {
                1 + inner.iter().map(Condition::nodes).sum::<usize>()
            }
            Condition::Not(inner) => 1 + inner.nodes(),
            _ => 1,
        }
    }

    /// Number of tests on values, over all conditions.
    pub fn tests(&self) -> usize {
        let mut tests = 0;
        self.walk(&mut |condition| condition.own_tests(&mut |own| tests += own.size()));
        tests
    }

    /// Calls `visit` with every block of tests that stands in this one condition: on properties, on attributes
    /// or on a trait.
    pub fn own_tests<'a>(&'a self, visit: &mut dyn FnMut(&'a Tests)) {
        match self {
            Condition::Trait(tests) => visit(tests),
            Condition::Record(asked) => match &asked.question {
                RecordQuestion::Quantified(_, tests) => visit(tests),
                RecordQuestion::Measured { filter, .. } => filter.iter().for_each(visit),
            },
            Condition::Did(did) => did.filter.iter().for_each(visit),
            Condition::AtEnd(at_end) => {
                at_end.events.filter.iter().for_each(&mut *visit);
                visit(&at_end.has);
            }
            _ => self.events(&mut |_, filter| filter.iter().for_each(|tests| visit(tests))),
        }
    }

    /// Calls `visit` with every event that this one condition names, and what it asks of the event's properties.
    pub fn events<'a>(&'a self, visit: &mut dyn FnMut(&'a EventName, Option<&'a Tests>)) {
        let mut events = |events: &'a Events| visit(&events.event, events.filter.as_ref());
        match self {
            Condition::AtEnd(at_end) => events(&at_end.events),
            Condition::Sequence(sequence) => {
                events(&sequence.first);
                events(&sequence.then);
            }
            Condition::FirstTime(asked) => events(&asked.events),
            Condition::Stopped(asked) => events(&asked.events),
            Condition::Restarted(asked) => events(&asked.events),
            Condition::Regularly(asked) => events(&asked.events),
            Condition::Did(did) => visit(&did.event, did.filter.as_ref()),
            _ => {}
        }
    }

    /// Calls `visit` with this condition and every one inside it.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Condition)) {
        visit(self);
        match self {
            Condition::All(inner) | Condition::Any(inner) | Condition::None(inner) => {
                inner.iter().for_each(|condition| condition.walk(visit));
            }
            Condition::Not(inner) => inner.walk(visit),
            _ => {}
        }
    }

    /// Names of the segments it refers to directly.
    pub fn segments(&self) -> Vec<&Name> {
        let mut names = Vec::new();
        self.walk(&mut |condition| {
            if let Condition::Segment(name) = condition {
                names.push(name);
            }
        });
        names
    }
}

fn read_condition(value: &Value, path: &str, depth: usize) -> Result<Condition, ShapeError> {
    if depth > DEPTH_LIMIT {
        return refuse(path, format!("nested deeper than {DEPTH_LIMIT} levels"));
    }
    let fields = Fields::of(value, path)?;
    // `any` heads a group only where no condition that has an `any` of its own stands beside it.
    let owns_any = fields.has("record") || fields.has("trait");
    let heads: Vec<&str> =
        HEADS.iter().copied().filter(|head| fields.has(head) && !(*head == "any" && owns_any)).collect();
    let head = match heads.as_slice() {
        [head] => *head,
        [] => {
            return match fields.keys().next() {
                None => refuse(path, "no condition is given"),
                Some(key) => refuse(path, unknown("condition", key, HEADS.iter().copied())),
            };
        }
        [first, second, ..] => {
            return refuse(path, format!("a map is one group or one condition, found `{first}` and `{second}`"));
        }
    };
    let condition = match head {
        "all" => Condition::All(read_conditions(fields.require("all")?, &fields.at("all"), depth)?),
        "any" => Condition::Any(read_conditions(fields.require("any")?, &fields.at("any"), depth)?),
        "none" => Condition::None(read_conditions(fields.require("none")?, &fields.at("none"), depth)?),
        "not" => Condition::Not(Box::new(read_condition(fields.require("not")?, &fields.at("not"), depth + 1)?)),
        "everyone" => match fields.flag("everyone")? {
            Some(true) => Condition::Everyone,
            _ => return refuse(&fields.at("everyone"), "write `everyone: true`"),
        },
        "segment" => Condition::Segment(fields.require_name("segment")?),
        "trait" => {
            let path = Path::new(fields.require_text("trait")?);
            Condition::Trait(read_trait_tests(path, &fields)?)
        }
        "did" => Condition::Did(read_did(&fields)?),
        "did_not" => Condition::Did(read_did_not(&fields)?),
        "last" => Condition::AtEnd(behaviour::read_at_end(&fields, End::Last)?),
        "first" => Condition::AtEnd(behaviour::read_at_end(&fields, End::First)?),
        "sequence" => {
            Condition::Sequence(behaviour::read_sequence(fields.require("sequence")?, &fields.at("sequence"))?)
        }
        "first_time" => Condition::FirstTime(behaviour::read_first_time(&fields)?),
        "stopped" => Condition::Stopped(behaviour::read_stopped(&fields)?),
        "restarted" => Condition::Restarted(behaviour::read_restarted(&fields)?),
        "regularly" => Condition::Regularly(behaviour::read_regularly(&fields)?),
        "record" => Condition::Record(records::read_record(&fields)?),
        "score" => {
            let score = fields.require_text("score")?;
            if !SCORES.contains(&score) {
                return refuse(&fields.at("score"), unknown("score", score, SCORES.iter().copied()));
            }
            Condition::Score(score.to_owned(), read_test(&fields)?)
        }
        "consent" => Condition::Consent(read_consent(fields.require("consent")?, &fields.at("consent"))?),
        "list" => Condition::List(fields.require_text("list")?.to_owned()),
        "known_for" => Condition::KnownFor(read_known_for(fields.require("known_for")?, &fields.at("known_for"))?),
        "bucket" => Condition::Bucket(read_bucket(fields.require("bucket")?, &fields.at("bucket"))?),
        _ => return refuse(path, format!("`{head}` is not known")),
    };
    fields.finish()?;
    Ok(condition)
}

fn read_conditions(value: &Value, path: &str, depth: usize) -> Result<Vec<Condition>, ShapeError> {
    list(value, path)?
        .iter()
        .enumerate()
        .map(|(i, item)| read_condition(item, &format!("{path}[{i}]"), depth + 1))
        .collect()
}

/// Reads an event's name: 1 to 200 characters; `*` at the end makes a prefix.
pub fn read_event_name(value: &Value, path: &str) -> Result<EventName, ShapeError> {
    let text = crate::shape::text(value, path)?;
    if text.is_empty() || text.chars().count() > 200 {
        return refuse(path, "an event's name has 1 to 200 characters");
    }
    Ok(match text.strip_suffix('*') {
        Some(prefix) => EventName::Prefix(prefix.to_owned()),
        None => EventName::Exact(text.to_owned()),
    })
}

fn read_did_not(fields: &Fields<'_>) -> Result<Did, ShapeError> {
    Ok(Did {
        event: read_event_name(fields.require("did_not")?, &fields.at("did_not"))?,
        filter: read_filter(fields)?,
        windows: read_windows(fields)?,
        measure: Measure::Count { least: 0, most: Some(0) },
        zone: read_zone(fields)?,
    })
}

fn read_did(fields: &Fields<'_>) -> Result<Did, ShapeError> {
    Ok(Did {
        event: read_event_name(fields.require("did")?, &fields.at("did"))?,
        filter: read_filter(fields)?,
        windows: read_windows(fields)?,
        measure: read_measure(fields)?,
        zone: read_zone(fields)?,
    })
}

/// Reads `where`.
pub fn read_filter(fields: &Fields<'_>) -> Result<Option<Tests>, ShapeError> {
    fields.get("where").map(|value| read_tests(value, &fields.at("where"), 1)).transpose()
}

fn read_windows(fields: &Fields<'_>) -> Result<Windows, ShapeError> {
    let mut windows = Windows {
        within: fields.span("within")?,
        within_days: fields.count("within_days")?,
        after: read_edge(fields, "after")?,
        before: read_edge(fields, "before")?,
    };
    if windows.within_days.is_some_and(|days| days > 36_525) {
        return refuse(&fields.at("within_days"), "more than 100 years");
    }
    if let Some(value) = fields.get("between") {
        let path = fields.at("between");
        if windows.after.is_some() || windows.before.is_some() {
            return refuse(&path, "write either `between` or `after` and `before`");
        }
        match list(value, &path)? {
            [Value::Number(_), _] | [_, Value::Number(_)] => {
                let advice = "write `at_least` or `above`, and a second condition with `at_most` or `below`";
                return refuse(
                    &path,
                    format!("this is a window of time, such as [2026-01-01, 2026-02-01]; for numbers {advice}"),
                );
            }
            [from, to] => {
                windows.after = Some(when(from, &path)?);
                windows.before = Some(when(to, &path)?);
            }
            _ => return refuse(&path, "expected two instants, such as [2026-01-01, 2026-02-01]"),
        }
    }
    Ok(windows)
}

fn read_edge(fields: &Fields<'_>, key: &'static str) -> Result<Option<When>, ShapeError> {
    fields.get(key).map(|value| when(value, &fields.at(key))).transpose()
}

fn read_measure(fields: &Fields<'_>) -> Result<Measure, ShapeError> {
    for aggregate in [Aggregate::Sum, Aggregate::Average, Aggregate::Largest, Aggregate::Smallest, Aggregate::Distinct]
    {
        if let Some(value) = fields.get(aggregate.word()) {
            let path = Path::new(crate::shape::text(value, &fields.at(aggregate.word()))?);
            let comparison = read_comparison(fields, aggregate)?;
            return Ok(Measure::Aggregate { aggregate, path, comparison });
        }
    }
    let mut least = None;
    let mut most = None;
    for (word, shift) in [("at_least", 0), ("more_than", 1)] {
        if let Some(count) = fields.count(word)? {
            if least.is_some() {
                return refuse(fields.path(), "at most one lower bound: `at_least` or `more_than`");
            }
            least = Some(count.saturating_add(shift));
        }
    }
    for word in ["at_most", "fewer_than"] {
        if let Some(count) = fields.count(word)? {
            if most.is_some() {
                return refuse(fields.path(), "at most one upper bound: `at_most` or `fewer_than`");
            }
            most = Some(match (word, count) {
                ("fewer_than", 0) => return refuse(&fields.at(word), "nothing is fewer than 0"),
                ("fewer_than", count) => count - 1,
                (_, count) => count,
            });
        }
    }
    if let Some(count) = fields.count("exactly")? {
        if least.is_some() || most.is_some() {
            return refuse(fields.path(), "`exactly` stands alone");
        }
        return Ok(Measure::Count { least: count, most: Some(count) });
    }
    // A bare `did` means at least once; with an upper bound alone, none is allowed too.
    let least = least.unwrap_or(u32::from(most.is_none()));
    if most.is_some_and(|most| most < least) {
        return refuse(fields.path(), "the upper bound is below the lower bound");
    }
    if least.max(most.unwrap_or(0)) > 1_000_000 {
        return refuse(fields.path(), "a count is at most 1,000,000");
    }
    Ok(Measure::Count { least, most })
}

fn read_comparison(fields: &Fields<'_>, aggregate: Aggregate) -> Result<Comparison, ShapeError> {
    for word in ["more_than", "fewer_than", "exactly"] {
        if fields.has(word) {
            return refuse(
                &fields.at(word),
                format!("with `{}` there is no count: use above, at_least, below or at_most", aggregate.word()),
            );
        }
    }
    let mut found = None;
    for word in ["above", "at_least", "below", "at_most"] {
        if let Some(value) = fields.get(word) {
            if found.is_some() {
                return refuse(fields.path(), "one comparison per aggregate");
            }
            let Some(limit) = number(value) else {
                return refuse(&fields.at(word), format!("expected a number, found {}", kind_of(value)));
            };
            found = Some(match word {
                "above" => Comparison::Above(limit),
                "at_least" => Comparison::AtLeast(limit),
                "below" => Comparison::Below(limit),
                _ => Comparison::AtMost(limit),
            });
        }
    }
    match found {
        Some(comparison) => Ok(comparison),
        None => refuse(fields.path(), format!("`{}` needs one of above, at_least, below, at_most", aggregate.word())),
    }
}

fn read_consent(value: &Value, path: &str) -> Result<ConsentAsked, ShapeError> {
    let fields = Fields::of(value, path)?;
    let word = fields.require_text("is")?;
    let states = ConsentState::ALL;
    let Some(is) = states.into_iter().find(|state| state.word() == word) else {
        return refuse(&fields.at("is"), unknown("state of consent", word, states.iter().map(|state| state.word())));
    };
    let asked = ConsentAsked {
        purpose: name(fields.require("purpose")?, &fields.at("purpose"))?,
        channel: fields.text("channel")?.map(str::to_owned),
        is,
        ends_within: fields.span("ends_within")?,
    };
    if asked.ends_within.is_some() && !matches!(is, ConsentState::Granted | ConsentState::Pending) {
        return refuse(&fields.at("ends_within"), "only what is `granted` or `pending` ends by itself");
    }
    fields.finish()?;
    Ok(asked)
}

fn read_known_for(value: &Value, path: &str) -> Result<KnownFor, ShapeError> {
    let fields = Fields::of(value, path)?;
    let known = match (fields.span("at_least")?, fields.span("less_than")?) {
        (Some(span), None) => KnownFor::AtLeast(span),
        (None, Some(span)) => KnownFor::LessThan(span),
        _ => return refuse(path, "write either `at_least` or `less_than`"),
    };
    fields.finish()?;
    Ok(known)
}

fn read_bucket(value: &Value, path: &str) -> Result<Bucket, ShapeError> {
    let fields = Fields::of(value, path)?;
    let bucket = Bucket {
        seed: fields.require_text("seed")?.to_owned(),
        percent: read_percent(fields.require("percent")?, &fields.at("percent"))?,
    };
    fields.finish()?;
    Ok(bucket)
}

/// Reads a share written as a number or as text with `%`.
pub fn read_percent(value: &Value, path: &str) -> Result<Percent, ShapeError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return refuse(path, format!("expected a share such as 20%, found {}", kind_of(other))),
    };
    Percent::parse(&text).or_else(|message| refuse(path, message))
}
