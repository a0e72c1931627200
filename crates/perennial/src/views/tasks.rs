//! The inbox of tasks.

use super::{EngineViews, House, broken, told, words};
use crate::api::tasks::open_task;
use crate::pages::PageError;
use crate::pages::links::Link;
use crate::pages::session::Notice;
use crate::pages::tasks::{TaskLine, TasksView};
use crate::pages::text::Count;
use engine::Engine;
use engine::report::tasks::TaskRow;
use store::{Page, TaskFilter};

/// Open tasks on one page.
const OPEN: u32 = 200;
/// Done tasks on the page.
const DONE: u32 = 10;

impl<H: House> EngineViews<H> {
    pub(super) fn tasks_view(&self, owner: &str, page: u64) -> Result<TasksView, PageError> {
        self.look(|engine, reader, _| {
            let those = |open| TaskFilter {
                open: Some(open),
                owner: (!owner.is_empty()).then(|| owner.to_owned()),
                ..TaskFilter::default()
            };
            let counts = reader.open_tasks(engine.clock()).map_err(broken)?;
            let shown = counts.iter().filter(|it| owner.is_empty() || it.owner.as_deref() == Some(owner));
            let (count, overdue) = shown.fold((0, 0), |(all, late), it| (all + it.count, late + it.overdue));
            let skip = page.saturating_mul(u64::from(OPEN));
            let open = engine.tasks(reader, &those(true), Page { skip, limit: OPEN }).map_err(told)?;
            let done = engine.tasks(reader, &those(false), Page { skip: 0, limit: DONE }).map_err(told)?;
            Ok(TasksView {
                next: (skip.saturating_add(open.len() as u64) < count && !open.is_empty()).then_some(page + 1),
                open: open.iter().map(|row| line(engine, row)).collect(),
                done: done.iter().map(|row| line(engine, row)).collect(),
                owners: counts.iter().filter_map(|it| it.owner.clone()).collect(),
                count: Count(count),
                overdue: Count(overdue),
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
