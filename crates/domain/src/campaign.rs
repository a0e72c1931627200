//! Campaigns: perpetual rules that act on behaviour.

use crate::id::Name;
use crate::message::Channel;
use crate::rate::Percent;
use crate::segment::{Condition, EventName, read_event_name, read_filter, read_percent};
use crate::shape::{Fields, ShapeError, kind_of, list, name, refuse, unknown};
use crate::time::Span;
use crate::value::{Path, Tests};
use crate::workspace::{Cap, marketing, read_cap, read_channel, service};
use serde_json::Value;

/// A campaign as defined.
#[derive(Clone, PartialEq, Debug)]
pub struct Campaign {
    /// Unique in the workspace.
    pub name: Name,
    /// For people.
    pub title: Option<String>,
    /// Running, paused or stopped.
    pub state: State,
    /// Marketing, service or another defined purpose.
    pub purpose: Name,
    /// Higher goes first.
    pub priority: i32,
    /// What lets in.
    pub enter: Enter,
    /// What counts as success.
    pub goal: Option<Goal>,
    /// Leaves at once when this holds.
    pub exit_if: Option<Condition>,
    /// Share of the comparison group.
    pub holdout: Percent,
    /// The campaign's own cap.
    pub cap: Option<Cap>,
    /// How long a message may be held.
    pub expires_after: Span,
    /// What happens inside, in order.
    pub steps: Vec<Step>,
}

/// Whether a campaign acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It acts.
    Running,
    /// Nobody enters and no step is taken.
    Paused,
    /// Everybody inside has left.
    Stopped,
}

impl State {
    /// The word of the spec.
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Paused => "paused",
            State::Stopped => "stopped",
        }
    }
}

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
}

/// Whether somebody may enter again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// Once for ever.
    Never,
    /// So long after the last entry.
    After(Span),
    /// Every time.
    Always,
}

/// What counts as success.
#[derive(Clone, PartialEq, Debug)]
pub struct Goal {
    /// Which event.
    pub event: EventName,
    /// Its tests.
    pub filter: Option<Tests>,
    /// Forward from the entry.
    pub within: Span,
    /// The property that holds its worth.
    pub value: Option<Path>,
}

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The step's id: as written, else its place counted from 1.
    pub id: String,
    /// What happens.
    pub action: Action,
}

/// What happens at a step.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A message is decided about.
    Message {
        /// From which template.
        template: Name,
        /// On which channel; none: the template's.
        channel: Option<Channel>,
        /// Variants with their weights.
        variants: Vec<(String, u32)>,
        /// A person approves each one.
        approve: bool,
    },
    /// Nothing happens for so long.
    Wait(Span),
}

/// Words of the spec that this version refuses with a reason instead of ignoring them.
const LATER_STEPS: &[&str] = &["branch", "reward", "task", "set", "webhook"];

impl Campaign {
    /// Reads a campaign's definition.
    pub fn read(value: &Value) -> Result<Campaign, ShapeError> {
        let fields = Fields::of(value, "")?;
        for word in ["exclusion_group", "deadline"] {
            if fields.has(word) {
                return refuse(word, not_yet(word));
            }
        }
        let purpose = fields.get("purpose").map(|value| name(value, "purpose")).transpose()?.unwrap_or_else(marketing);
        let campaign = Campaign {
            name: fields.require_name("campaign")?,
            title: fields.text("title")?.map(str::to_owned),
            state: read_state(&fields)?,
            priority: read_priority(&fields)?,
            enter: read_enter(fields.require("enter")?)?,
            goal: fields.get("goal").map(read_goal).transpose()?,
            exit_if: fields.get("exit_if").map(|value| Condition::read(value, "exit_if")).transpose()?,
            holdout: match fields.get("holdout") {
                None => Percent::ZERO,
                Some(value) => read_percent(value, "holdout")?,
            },
            cap: fields.get("cap").map(|value| read_cap(value, "cap")).transpose()?,
            expires_after: fields.span("expires_after")?.unwrap_or(Span::days(3)),
            steps: read_steps(fields.require("steps")?)?,
            purpose,
        };
        match fields.text("people_inside")? {
            None | Some("finish") => {}
            Some("move") => return refuse("people_inside", not_yet("people_inside: move")),
            Some(other) => return refuse("people_inside", unknown("word", other, ["finish", "move"].into_iter())),
        }
        if campaign.purpose == service() && campaign.holdout != Percent::ZERO {
            return refuse("holdout", "a service campaign keeps nobody out: remove `holdout`");
        }
        fields.finish()?;
        Ok(campaign)
    }

    /// The templates it sends.
    pub fn templates(&self) -> impl Iterator<Item = &Name> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Message { template, .. } => Some(template),
            Action::Wait(_) => None,
        })
    }
}

fn not_yet(word: &str) -> String {
    format!("`{word}` is part of the specification but not done by this version yet")
}

fn read_state(fields: &Fields<'_>) -> Result<State, ShapeError> {
    match fields.text("state")? {
        None | Some("running") => Ok(State::Running),
        Some("paused") => Ok(State::Paused),
        Some("stopped") => Ok(State::Stopped),
        Some(other) => refuse("state", unknown("state", other, ["running", "paused", "stopped"].into_iter())),
    }
}

fn read_priority(fields: &Fields<'_>) -> Result<i32, ShapeError> {
    match fields.get("priority") {
        None => Ok(0),
        Some(value) => match value.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => refuse("priority", format!("expected a whole number, found {}", kind_of(value))),
        },
    }
}

fn read_enter(value: &Value) -> Result<Enter, ShapeError> {
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
    for word in ["date", "record", "missing", "every"] {
        if fields.has(word) {
            return refuse(&fields.at(word), not_yet(word));
        }
    }
    let trigger = if fields.has("enters") {
        Trigger::Enters(fields.require_name("enters")?)
    } else if fields.has("leaves") {
        Trigger::Leaves(fields.require_name("leaves")?)
    } else if fields.has("did") {
        Trigger::Did {
            event: read_event_name(fields.require("did")?, &fields.at("did"))?,
            filter: read_filter(&fields)?,
            late: fields.span("late")?.unwrap_or(Span::hours(24)),
        }
    } else {
        return match fields.keys().next() {
            None => refuse("enter.on", "a trigger is missing, such as `enters: lapsed-regulars`"),
            Some(key) => refuse("enter.on", unknown("trigger", key, ["enters", "leaves", "did"].into_iter())),
        };
    };
    fields.finish()?;
    Ok(trigger)
}

fn read_goal(value: &Value) -> Result<Goal, ShapeError> {
    let fields = Fields::of(value, "goal")?;
    let goal = Goal {
        event: read_event_name(fields.require("did")?, "goal.did")?,
        filter: read_filter(&fields)?,
        within: fields.span("within")?.unwrap_or(Span::days(14)),
        value: fields.text("value")?.map(|text| Path::new(text).without_prefix("properties")),
    };
    if goal.filter.as_ref().is_some_and(Tests::depends_on_now) {
        return refuse("goal.where", "a goal is judged at its event: tests that move with `now` are not allowed here");
    }
    fields.finish()?;
    Ok(goal)
}

fn read_steps(value: &Value) -> Result<Vec<Step>, ShapeError> {
    let items = list(value, "steps")?;
    if items.len() > 100 {
        return refuse("steps", format!("{} steps, more than 100", items.len()));
    }
    let mut steps: Vec<Step> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let step = read_step(item, i)?;
        if steps.iter().any(|other| other.id == step.id) {
            return refuse(&format!("steps[{i}].id"), format!("`{}` is the id of two steps", step.id));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn read_step(value: &Value, place: usize) -> Result<Step, ShapeError> {
    let path = format!("steps[{place}]");
    let fields = Fields::of(value, &path)?;
    for word in LATER_STEPS {
        if fields.has(word) {
            return refuse(&fields.at(word), not_yet(word));
        }
    }
    let id = fields.text("id")?.map_or_else(|| (place + 1).to_string(), str::to_owned);
    if id.is_empty() || id.len() > 100 || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse(&fields.at("id"), "an id has 1 to 100 ASCII characters without spaces");
    }
    let action = if fields.has("message") {
        Action::Message {
            template: fields.require_name("message")?,
            channel: read_channel(&fields)?,
            variants: match fields.get("variants") {
                None => Vec::new(),
                Some(value) => read_weights(value, &fields.at("variants"))?,
            },
            approve: fields.flag("approve")?.unwrap_or(false),
        }
    } else if fields.has("wait") {
        match fields.require("wait")? {
            Value::Object(_) => return refuse(&fields.at("wait"), not_yet("wait: { … }")),
            value => Action::Wait(crate::shape::span(value, &fields.at("wait"))?),
        }
    } else {
        return match fields.keys().find(|key| *key != "id") {
            None => refuse(&path, "a step is missing, such as `message: hello-again` or `wait: 3d`"),
            Some(key) => refuse(&path, unknown("step", key, ["message", "wait"].into_iter())),
        };
    };
    fields.finish()?;
    Ok(Step { id, action })
}

fn read_weights(value: &Value, path: &str) -> Result<Vec<(String, u32)>, ShapeError> {
    let Value::Object(map) = value else {
        return refuse(path, format!("expected a map of variants to weights, found {}", kind_of(value)));
    };
    let mut weights = Vec::new();
    for (variant, weight) in map {
        let at = crate::shape::join(path, variant);
        let weight = crate::shape::count(weight, &at)?;
        if weight > 1_000_000 {
            return refuse(&at, "a weight is at most 1,000,000");
        }
        weights.push((variant.clone(), weight));
    }
    if weights.len() > 20 || weights.iter().all(|(_, weight)| *weight == 0) {
        return refuse(path, "at most 20 variants, at least one with a weight above 0");
    }
    Ok(weights)
}
