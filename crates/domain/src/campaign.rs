//! Campaigns: perpetual rules that act on behaviour.

use crate::id::Name;
use crate::rate::Percent;
use crate::segment::{Condition, EventName, read_event_name, read_filter, read_percent};
use crate::shape::{Fields, ShapeError, kind_of, refuse, unknown};
use crate::time::Span;
use crate::value::{Path, Tests};
use crate::workspace::{Cap, marketing, read_cap, service};
use serde_json::Value;

mod local;
mod step;
mod trigger;

pub use local::{LocalTime, read_time};
pub use step::{
    Action, Allocate, BANDIT_LIMIT, POINTS_LIMIT, Reward, STEP_LIMIT, STEPS, Step, Task, VARIANT_LIMIT, WAY_LIMIT,
    Wait, Way,
};
pub use trigger::{Enter, OnDate, OnRecord, OnSchedule, TRIGGERS, Trigger};

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
    /// Of the campaigns of a group each customer gets one at most.
    pub exclusion_group: Option<Name>,
    /// The campaign's own cap.
    pub cap: Option<Cap>,
    /// How long a message may be held.
    pub expires_after: Span,
    /// How long after its decision a service message is of use, if that is said.
    pub deadline: Option<Span>,
    /// What an edit does with people inside.
    pub people_inside: PeopleInside,
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

/// What an edit does with people inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeopleInside {
    /// They go on with the version they follow.
    Finish,
    /// They go on with the new one, at the same step.
    Move,
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

impl Campaign {
    /// Reads a campaign's definition.
    pub fn read(value: &Value) -> Result<Campaign, ShapeError> {
        let fields = Fields::of(value, "")?;
        let purpose = fields.get("purpose").map(|value| crate::shape::name(value, "purpose")).transpose()?;
        let group = fields.get("exclusion_group").map(|value| crate::shape::name(value, "exclusion_group"));
        let campaign = Campaign {
            name: fields.require_name("campaign")?,
            title: fields.text("title")?.map(str::to_owned),
            state: read_state(&fields)?,
            priority: read_priority(&fields)?,
            enter: trigger::read_enter(fields.require("enter")?)?,
            goal: fields.get("goal").map(read_goal).transpose()?,
            exit_if: fields.get("exit_if").map(|value| Condition::read(value, "exit_if")).transpose()?,
            holdout: match fields.get("holdout") {
                None => Percent::ZERO,
                Some(value) => read_percent(value, "holdout")?,
            },
            exclusion_group: group.transpose()?,
            cap: fields.get("cap").map(|value| read_cap(value, "cap")).transpose()?,
            expires_after: fields.span("expires_after")?.unwrap_or(Span::days(3)),
            deadline: fields.span("deadline")?,
            people_inside: match fields.text("people_inside")? {
                None | Some("finish") => PeopleInside::Finish,
                Some("move") => PeopleInside::Move,
                Some(other) => {
                    return refuse("people_inside", unknown("word", other, ["finish", "move"].into_iter()));
                }
            },
            steps: step::read_steps(fields.require("steps")?)?,
            purpose: purpose.unwrap_or_else(marketing),
        };
        if campaign.purpose == service() && campaign.holdout != Percent::ZERO {
            return refuse("holdout", "a service campaign keeps nobody out: remove `holdout`");
        }
        fields.finish()?;
        campaign.check_bandits()?;
        Ok(campaign)
    }

    /// Whatever learns what works must be told what working means.
    fn check_bandits(&self) -> Result<(), ShapeError> {
        let mut result = Ok(());
        self.walk(&mut |path, step| {
            let learns = matches!(step.action, Action::Message { allocate: Allocate::Bandit, .. });
            if learns && self.goal.is_none() && result.is_ok() {
                result = refuse(
                    &format!("{path}.allocate"),
                    "`allocate: bandit` learns from who reaches the campaign's goal, and there is none: add one, such as goal: { did: Order Completed, within: 14d }",
                );
            }
        });
        result
    }

    /// Calls `visit` with every step, those within branches included, each with its path such as `steps[1].branch[0].then[2]`.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&str, &'a Step)) {
        for (i, step) in self.steps.iter().enumerate() {
            step.walk(&format!("steps[{i}]"), visit);
        }
    }

    /// Every step, those within branches included, in order.
    pub fn all_steps(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        self.walk(&mut |_, step| all.push(step));
        all
    }

    /// The templates it sends.
    pub fn templates(&self) -> impl Iterator<Item = &Name> {
        self.all_steps().into_iter().filter_map(|step| match &step.action {
            Action::Message { template, .. } => Some(template),
            _ => None,
        })
    }

    /// Every condition in it, each with its path.
    pub fn conditions(&self) -> Vec<(String, &Condition)> {
        let mut found = Vec::new();
        found.extend(self.enter.only_if.as_ref().map(|condition| ("enter.only_if".to_owned(), condition)));
        if let Trigger::Record(record) = &self.enter.on {
            found.extend(record.absent.as_ref().map(|condition| ("enter.on.missing".to_owned(), condition)));
        }
        found.extend(self.exit_if.as_ref().map(|condition| ("exit_if".to_owned(), condition)));
        self.walk(&mut |path, step| match &step.action {
            Action::Wait(Wait::Until { condition, .. }) => {
                found.push((format!("{path}.wait.until"), condition.as_ref()))
            }
            Action::Branch(ways) => {
                for (i, way) in ways.iter().enumerate() {
                    found.extend(way.condition.as_ref().map(|condition| (format!("{path}.branch[{i}].if"), condition)));
                }
            }
            _ => {}
        });
        found
    }
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
