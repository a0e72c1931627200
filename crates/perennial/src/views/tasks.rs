//! The inbox of tasks.

use super::{EngineViews, House, broken, told, words};
use crate::api::tasks::open_task;
use crate::pages::PageError;
use crate::pages::links::Link;
use crate::pages::session::Notice;
use crate::pages::tasks::{TaskLine, TasksView};
use engine::Engine;
use engine::report::tasks::TaskRow;
use std::collections::BTreeSet;
use store::TaskFilter;

/// Done tasks on the page.
const DONE: usize = 10;

impl<H: House> EngineViews<H> {
    pub(super) fn tasks_view(&self, owner: &str) -> Result<TasksView, PageError> {
        self.look(|engine, reader, _| {
            let those = |open| TaskFilter { open: Some(open), ..TaskFilter::default() };
            let open = engine.tasks(reader, &those(true), None).map_err(told)?;
            let owners: BTreeSet<String> = open.iter().filter_map(|row| row.owner.clone()).collect();
            let is_shown = |row: &&TaskRow| owner.is_empty() || row.owner.as_deref() == Some(owner);
            let done = engine.tasks(reader, &those(false), None).map_err(told)?;
            Ok(TasksView {
                open: open.iter().filter(is_shown).map(|row| line(engine, row)).collect(),
                done: done.iter().filter(is_shown).take(DONE).map(|row| line(engine, row)).collect(),
                owners: owners.into_iter().collect(),
            })
        })
    }

    pub(super) fn complete_task(&self, id: &str) -> Result<Notice, PageError> {
        let task = self.house.with_reader(|reader| open_task(reader, id)).map_err(broken)?;
        let task = task.ok_or_else(|| PageError::NotFound(format!("task “{id}”")))?;
        if task.completed_at.is_some() {
            return Err(PageError::Refused("this task was done before".to_owned()));
        }
        let title = task.title.clone();
        self.change(move |engine, now| engine.complete_task(&task, "somebody on a page", now))?;
        self.pulse.forget();
        Ok(Notice::done(format!("Done: {title}")))
    }
}

fn line(engine: &Engine, row: &TaskRow) -> TaskLine {
    TaskLine {
        id: row.task.to_string(),
        title: row.title.clone(),
        customer: words::link(&row.who),
        campaign: Link::campaign(row.campaign.as_str(), &engine.campaign_title(&row.campaign)),
        owner: row.owner.clone().unwrap_or_default(),
        due: row.due.map(domain::Timestamp::as_jiff),
        is_overdue: row.is_overdue(engine.clock()),
        at: row.completed_at.unwrap_or(row.opened_at).as_jiff(),
        draft: row.draft.as_ref().map(|draft| draft.text.clone()),
    }
}
