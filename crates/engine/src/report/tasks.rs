//! The inbox of tasks: what campaigns asked people to do, and doing it.

use super::{ReportError, Who, json};
use crate::state::Engine;
use crate::write::{Shown, Source};
use domain::call::events;
use domain::{Name, Timestamp};
use serde::Serialize;
use serde_json::Map;
use std::sync::Arc;
use store::{Page, Reader, Task, TaskFilter};

/// Most tasks of one answer.
pub const TASKS: u32 = 1_000;

/// A task in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TaskRow {
    /// Its id.
    pub task: Arc<str>,
    /// About whom.
    #[serde(flatten)]
    pub who: Who,
    /// By which campaign.
    pub campaign: Name,
    /// At which step.
    pub step: String,
    /// What is to be done.
    pub title: String,
    /// Whose it is.
    #[serde(rename = "for")]
    pub owner: Option<String>,
    /// Until when.
    #[serde(serialize_with = "json::maybe_at")]
    pub due: Option<Timestamp>,
    /// When it was opened.
    #[serde(serialize_with = "json::at")]
    pub opened_at: Timestamp,
    /// When it was done.
    #[serde(serialize_with = "json::maybe_at")]
    pub completed_at: Option<Timestamp>,
    /// A text to begin with, from the task's template, as it reads for this customer now.
    pub draft: Option<Shown>,
}

impl TaskRow {
    /// Whether its time is over and it is not done.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.completed_at.is_none() && self.due.is_some_and(|due| due <= now)
    }
}

impl Engine {
    /// A page of the tasks that the filter lets through: the open ones by when they are due, then the done ones, the latest
    /// first.
    pub fn tasks(&self, reader: &dyn Reader, filter: &TaskFilter, page: Page) -> Result<Vec<TaskRow>, ReportError> {
        Ok(reader.tasks(filter, page)?.into_iter().map(|task| self.task_row(task)).collect())
    }

    fn task_row(&self, task: Task) -> TaskRow {
        let template = task.draft.as_ref().and_then(|name| self.definitions.templates.get(name));
        let draft = template
            .filter(|_| task.completed_at.is_none())
            .and_then(|template| self.show(Source::Template(template, None), Some(task.customer), Map::new()).ok());
        TaskRow {
            who: self.who(task.customer),
            task: task.id,
            campaign: task.campaign,
            step: task.step,
            title: task.title,
            owner: task.owner,
            due: task.due,
            opened_at: task.opened_at,
            completed_at: task.completed_at,
            draft,
        }
    }

    /// Somebody did what a task asked for: an event in the customer's history, by which goals and segments may ask.
    pub fn complete_task(&mut self, task: &Task, by: &str, now: Timestamp) {
        self.reach(now);
        let properties = serde_json::json!({
            "task": task.id, "title": task.title, "campaign": task.campaign, "step": task.step, "by": by,
        });
        self.happen(self.person(task.customer), events::TASK_COMPLETED, &properties, &task.id);
        self.settle();
    }
}
