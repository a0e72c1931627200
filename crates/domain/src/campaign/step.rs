//! What happens inside a campaign: steps, and steps within branches.

use super::local::LocalTime;
use crate::id::Name;
use crate::message::Channel;
use crate::segment::Condition;
use crate::shape::{Fields, ShapeError, join, kind_of, list, refuse, span, unknown};
use crate::time::Span;
use crate::value::Path;
use crate::workspace::read_channel;
use serde_json::Value;

/// Most steps of a campaign, those within branches included.
pub const STEP_LIMIT: usize = 100;
/// Deepest nesting of branches.
const DEPTH_LIMIT: usize = 8;
/// Most ways of one branch.
pub const WAY_LIMIT: usize = 20;
/// Most points that one step gives.
pub const POINTS_LIMIT: u32 = 1_000_000;

/// One step.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The step's id: as written, else its place counted from 1; within the second way of step 3 `3.2.1`.
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
        /// How people are shared among them.
        allocate: Allocate,
        /// A person approves each one.
        approve: bool,
    },
    /// Nothing happens for a while.
    Wait(Wait),
    /// The first way whose condition holds.
    Branch(Vec<Way>),
    /// Points or a voucher.
    Reward(Reward),
    /// Something for a person to do.
    Task(Task),
    /// A trait gets a value.
    Set {
        /// The trait's top-level key.
        key: String,
        /// The value; null removes it.
        value: Value,
    },
    /// Another system is told.
    Webhook {
        /// The name under which its address is configured.
        endpoint: Name,
        /// The event's name.
        event: String,
    },
}

/// How people are shared among the variants of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Allocate {
    /// By the weights as they are written.
    #[default]
    Weights,
    /// By the weights at first, then more and more to what reaches the goal: a bandit.
    Bandit,
}

/// Most variants of a message.
pub const VARIANT_LIMIT: usize = 20;
/// Most variants of a message with `allocate: bandit`: each keeps a tenth of the customers, and the rest must be able to move.
pub const BANDIT_LIMIT: usize = 5;

/// The words that head a step.
pub const STEPS: [&str; 7] = ["message", "wait", "branch", "reward", "task", "set", "webhook"];

/// For how long nothing happens.
#[derive(Clone, PartialEq, Debug)]
pub enum Wait {
    /// So long.
    For(Span),
    /// Until a condition holds.
    Until {
        /// Which; `did` means an event later than the start of the wait.
        condition: Box<Condition>,
        /// No longer than this.
        at_most: Option<Span>,
    },
    /// Until a local time of the week.
    Local(LocalTime),
    /// Until the hour within this time at which the customer is most often there.
    BestTime(Span),
}

/// One way of a branch.
#[derive(Clone, PartialEq, Debug)]
pub struct Way {
    /// Taken if this holds; none: `else`.
    pub condition: Option<Condition>,
    /// What happens on it.
    pub steps: Vec<Step>,
}

/// What a customer is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reward {
    /// Points, in their ledger.
    Points(u32),
    /// A voucher.
    Voucher {
        /// From which pool.
        pool: Name,
        /// For how long it is good.
        expires: Option<Span>,
    },
}

/// Something for a person to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Liquid.
    pub title: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// Until when it is to be done, from its beginning.
    pub due: Option<Span>,
    /// The template that helps the person to begin.
    pub draft: Option<Name>,
}

impl Step {
    /// Calls `visit` with the step and every step within it, in order, each with its path.
    pub fn walk<'a>(&'a self, path: &str, visit: &mut dyn FnMut(&str, &'a Step)) {
        visit(path, self);
        if let Action::Branch(ways) = &self.action {
            for (i, way) in ways.iter().enumerate() {
                let inner = if way.condition.is_some() { "then" } else { "else" };
                for (j, step) in way.steps.iter().enumerate() {
                    step.walk(&format!("{path}.branch[{i}].{inner}[{j}]"), visit);
                }
            }
        }
    }
}

pub(super) fn read_steps(value: &Value) -> Result<Vec<Step>, ShapeError> {
    let steps = read_list(value, "steps", "", 1)?;
    let mut ids: Vec<&str> = Vec::new();
    let mut result = Ok(());
    for (i, step) in steps.iter().enumerate() {
        step.walk(&format!("steps[{i}]"), &mut |path, step| {
            if result.is_ok() && ids.contains(&step.id.as_str()) {
                result = refuse(&join(path, "id"), format!("`{}` is the id of two steps", step.id));
            }
            ids.push(&step.id);
        });
    }
    result?;
    if ids.len() > STEP_LIMIT {
        return refuse("steps", format!("{} steps, more than {STEP_LIMIT}", ids.len()));
    }
    Ok(steps)
}

/// `prefix`: what stands before a place in the ids of these steps.
fn read_list(value: &Value, path: &str, prefix: &str, depth: usize) -> Result<Vec<Step>, ShapeError> {
    if depth > DEPTH_LIMIT {
        return refuse(path, format!("branches nested deeper than {DEPTH_LIMIT} levels"));
    }
    let items = list(value, path)?;
    if items.len() > STEP_LIMIT {
        return refuse(path, format!("{} steps, more than {STEP_LIMIT}", items.len()));
    }
    let read = |(i, item)| read_step(item, &format!("{path}[{i}]"), &format!("{prefix}{}", i + 1), depth);
    items.iter().enumerate().map(read).collect()
}

fn read_step(value: &Value, path: &str, place: &str, depth: usize) -> Result<Step, ShapeError> {
    let fields = Fields::of(value, path)?;
    let id = fields.text("id")?.map_or_else(|| place.to_owned(), str::to_owned);
    if id.is_empty() || id.len() > 100 || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse(&fields.at("id"), "an id has 1 to 100 ASCII characters without spaces");
    }
    let heads: Vec<&str> = STEPS.into_iter().filter(|head| fields.has(head)).collect();
    let action = match heads.as_slice() {
        ["message"] => read_message(&fields)?,
        ["wait"] => Action::Wait(read_wait(fields.require("wait")?, &fields.at("wait"))?),
        ["branch"] => Action::Branch(read_branch(fields.require("branch")?, &fields.at("branch"), &id, depth)?),
        ["reward"] => Action::Reward(read_reward(fields.require("reward")?, &fields.at("reward"))?),
        ["task"] => Action::Task(read_task(fields.require("task")?, &fields.at("task"))?),
        ["set"] => read_set(fields.require("set")?, &fields.at("set"))?,
        [_] => read_webhook(fields.require("webhook")?, &fields.at("webhook"))?,
        [] => {
            return match fields.keys().find(|key| *key != "id") {
                None => refuse(path, "a step is missing, such as `message: hello-again` or `wait: 3d`"),
                Some(key) => refuse(path, unknown("step", key, STEPS.into_iter())),
            };
        }
        [first, second, ..] => return refuse(path, format!("one step at a time, found `{first}` and `{second}`")),
    };
    fields.finish()?;
    Ok(Step { id, action })
}

fn read_wait(value: &Value, path: &str) -> Result<Wait, ShapeError> {
    if !value.is_object() {
        return Ok(Wait::For(span(value, path)?));
    }
    let fields = Fields::of(value, path)?;
    let heads: Vec<&str> = ["until", "local", "best_time"].into_iter().filter(|head| fields.has(head)).collect();
    let wait = match heads.as_slice() {
        ["until"] => Wait::Until {
            condition: Box::new(Condition::read(fields.require("until")?, &fields.at("until"))?),
            at_most: fields.span("at_most")?,
        },
        ["local"] => {
            let local = LocalTime::parse(fields.require_text("local")?);
            Wait::Local(local.or_else(|message| refuse(&fields.at("local"), message))?)
        }
        ["best_time"] => {
            let within = span(fields.require("best_time")?, &fields.at("best_time"))?;
            if within.0 > Span::days(30).0 {
                return refuse(&fields.at("best_time"), "more than 30 days");
            }
            Wait::BestTime(within)
        }
        _ => {
            return refuse(
                path,
                "write 3d, { until: …, at_most: 5d }, { local: \"Tue-Thu 10:00\" } or { best_time: 24h }",
            );
        }
    };
    fields.finish()?;
    Ok(wait)
}

fn read_branch(value: &Value, path: &str, id: &str, depth: usize) -> Result<Vec<Way>, ShapeError> {
    let items = list(value, path)?;
    if items.len() > WAY_LIMIT {
        return refuse(path, format!("{} ways, more than {WAY_LIMIT}", items.len()));
    }
    let mut ways: Vec<Way> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let at = format!("{path}[{i}]");
        let fields = Fields::of(item, &at)?;
        if ways.last().is_some_and(|way| way.condition.is_none()) {
            return refuse(&at, "nothing comes after `else`: it is taken whatever follows");
        }
        let prefix = format!("{id}.{}.", i + 1);
        let steps = |key: &'static str| match fields.require(key)? {
            // A way on which nothing happens.
            Value::Array(steps) if steps.is_empty() => Ok(Vec::new()),
            value => read_list(value, &fields.at(key), &prefix, depth + 1),
        };
        ways.push(if fields.has("else") {
            Way { condition: None, steps: steps("else")? }
        } else {
            Way { condition: Some(Condition::read(fields.require("if")?, &fields.at("if"))?), steps: steps("then")? }
        });
        fields.finish()?;
    }
    if ways.first().is_some_and(|way| way.condition.is_none()) {
        return refuse(path, "a branch begins with an `if`");
    }
    Ok(ways)
}

fn read_reward(value: &Value, path: &str) -> Result<Reward, ShapeError> {
    let fields = Fields::of(value, path)?;
    let reward = match (fields.has("points"), fields.has("voucher")) {
        (true, false) => match crate::shape::count(fields.require("points")?, &fields.at("points"))? {
            points @ 1..=POINTS_LIMIT => Reward::Points(points),
            _ => return refuse(&fields.at("points"), format!("points are 1 to {POINTS_LIMIT}")),
        },
        (false, true) => Reward::Voucher { pool: fields.require_name("voucher")?, expires: fields.span("expires")? },
        _ => return refuse(path, "write either { points: 50 } or { voucher: pool-name, expires: 14d }"),
    };
    fields.finish()?;
    Ok(reward)
}

fn read_task(value: &Value, path: &str) -> Result<Task, ShapeError> {
    let fields = Fields::of(value, path)?;
    let task = Task {
        title: fields.require_text("title")?.to_owned(),
        owner: fields.text("for")?.map(str::to_owned),
        due: fields.span("due")?,
        draft: fields.get("draft").map(|value| crate::shape::name(value, &fields.at("draft"))).transpose()?,
    };
    if task.title.trim().is_empty() || task.title.chars().count() > 1_000 {
        return refuse(&fields.at("title"), "a title has 1 to 1,000 characters");
    }
    if task.owner.as_ref().is_some_and(|owner| owner.is_empty() || owner.chars().count() > 200) {
        return refuse(&fields.at("for"), "expected 1 to 200 characters");
    }
    fields.finish()?;
    Ok(task)
}

fn read_set(value: &Value, path: &str) -> Result<Action, ShapeError> {
    let fields = Fields::of(value, path)?;
    let written = fields.require_text("trait")?;
    let key = Path::new(written);
    let key = match key.first() {
        Some(first) if key.rest().is_empty() && !key.is_malformed() && first.len() <= 200 => first.to_owned(),
        _ => return refuse(&fields.at("trait"), "a whole trait is set: name its top-level key, such as winback_tried"),
    };
    let Some(value) = fields.get_raw("to") else {
        return refuse(path, "`to` is missing: the value, or null to remove the trait");
    };
    if value.to_string().len() > 10_000 {
        return refuse(&fields.at("to"), "the value is longer than 10,000 bytes");
    }
    let value = value.clone();
    fields.finish()?;
    Ok(Action::Set { key, value })
}

fn read_webhook(value: &Value, path: &str) -> Result<Action, ShapeError> {
    let fields = Fields::of(value, path)?;
    let event = fields.require_text("event")?.to_owned();
    if event.is_empty() || event.len() > 200 || !event.bytes().all(|b| b.is_ascii_graphic()) {
        return refuse(
            &fields.at("event"),
            "an event of webhooks has 1 to 200 ASCII characters without spaces, such as promo.granted",
        );
    }
    let webhook = Action::Webhook { endpoint: fields.require_name("url_of")?, event };
    fields.finish()?;
    Ok(webhook)
}

fn read_message(fields: &Fields<'_>) -> Result<Action, ShapeError> {
    let variants = match fields.get("variants") {
        None => Vec::new(),
        Some(value) => read_weights(value, &fields.at("variants"))?,
    };
    let allocate = match fields.text("allocate")? {
        None | Some("weights") => Allocate::Weights,
        Some("bandit") => Allocate::Bandit,
        Some(other) => {
            return refuse(&fields.at("allocate"), unknown("word", other, ["weights", "bandit"].into_iter()));
        }
    };
    if allocate == Allocate::Bandit {
        let part = variants.iter().filter(|(_, weight)| *weight > 0).count();
        if part < 2 {
            let message = "`allocate: bandit` shares customers among variants: name two or more, such as variants: [plain, restock]";
            return refuse(&fields.at("allocate"), message);
        }
        if part > BANDIT_LIMIT {
            let message = format!(
                "`allocate: bandit` takes at most {BANDIT_LIMIT} variants, found {part}: each keeps a tenth of the customers, so that it can still turn out to be better"
            );
            return refuse(&fields.at("variants"), message);
        }
    }
    Ok(Action::Message {
        template: fields.require_name("message")?,
        channel: read_channel(fields)?,
        variants,
        allocate,
        approve: fields.flag("approve")?.unwrap_or(false),
    })
}

/// A map of variants to weights, or a list of variants with equal ones.
fn read_weights(value: &Value, path: &str) -> Result<Vec<(String, u32)>, ShapeError> {
    let mut weights: Vec<(String, u32)> = Vec::new();
    match value {
        Value::Object(map) => {
            for (variant, weight) in map {
                let at = join(path, variant);
                let weight = crate::shape::count(weight, &at)?;
                if weight > 1_000_000 {
                    return refuse(&at, "a weight is at most 1,000,000");
                }
                weights.push((variant.clone(), weight));
            }
        }
        Value::Array(variants) => {
            for (i, variant) in variants.iter().enumerate() {
                let at = format!("{path}[{i}]");
                let Some(variant) = variant.as_str() else {
                    return refuse(&at, format!("expected a variant's name, found {}", kind_of(variant)));
                };
                if weights.iter().any(|(known, _)| known == variant) {
                    return refuse(&at, format!("`{variant}` is named twice"));
                }
                weights.push((variant.to_owned(), 1));
            }
        }
        other => {
            return refuse(
                path,
                format!("expected a map of variants to weights, or a list of variants, found {}", kind_of(other)),
            );
        }
    }
    if weights.len() > VARIANT_LIMIT || weights.iter().all(|(_, weight)| *weight == 0) {
        return refuse(path, format!("at most {VARIANT_LIMIT} variants, at least one with a weight above 0"));
    }
    Ok(weights)
}
