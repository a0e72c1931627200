//! `/api/tasks`: what campaigns asked people to do.

use crate::api::Shared;
use crate::api::definitions::Author;
use crate::api::openapi::{list_of, shape};
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, ask};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::Method;
use engine::report::tasks::TASKS;
use serde::Deserialize;
use serde_json::json;
use store::{Page, Task, TaskFilter};

/// What stands under `/api/tasks`.
pub(super) fn operations() -> Vec<Operation> {
    let word = || json!({ "type": "string" });
    vec![
        Operation::new(
            Method::GET,
            "/api/tasks",
            "listTasks",
            "Open tasks, the one that is due first before; a thousand at a time.",
            tasks,
        )
        .takes("query", "for", "Only those of this team or person.", word())
        .takes("query", "customer", "Only those about one customer.", word())
        .takes("query", "done", "Those that are done too.", json!({ "type": "boolean", "default": false }))
        .takes("query", "skip", "So many are passed over: those of the answers before.", json!({ "type": "integer", "minimum": 0, "default": 0 }))
        .answers(list_of("Task"))
        .may_say(&["not_found"]),
        Operation::new(
            Method::POST,
            "/api/tasks/{id}/complete",
            "completeTask",
            "A task is done: an event in the customer's history.",
            complete,
        )
        .takes_json(json!({ "type": "object", "additionalProperties": false, "properties": { "by": { "type": "string", "description": "Who did it." } } }))
        .answers(shape("Task"))
        .may_say(&["not_found", "refused"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    r#for: Option<String>,
    customer: Option<String>,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    skip: u64,
}

async fn tasks(State(app): State<Shared>, Query(asked): Query<Asked>) -> Answer {
    ask(&app, move |app| {
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        let customer = asked.customer.as_deref().map(|id| engine.look_up(id)).transpose()?;
        let open = (!asked.done).then_some(true);
        let filter = TaskFilter { customer, open, owner: asked.r#for, ..TaskFilter::default() };
        Ok(json!(engine.tasks(&*reader, &filter, Page { skip: asked.skip, limit: TASKS })?))
    })
    .await
}

/// A task by its id, if it is not done.
pub fn open_task(reader: &dyn store::Reader, id: &str) -> Result<Option<Task>, store::StoreError> {
    let filter = TaskFilter { id: Some(id.into()), ..TaskFilter::default() };
    Ok(reader.tasks(&filter, Page { skip: 0, limit: 1 })?.pop())
}

async fn complete(State(app): State<Shared>, Path(id): Path<String>, Json(author): Json<Author>) -> Answer {
    let by = author.name()?;
    let task = app.handle.with_reader(|reader| open_task(reader, &id))?;
    let task = task.ok_or_else(|| Fault::NotFound(format!("there is no task `{id}`")))?;
    if task.completed_at.is_some() {
        return Err(Fault::Conflict(format!("the task `{id}` was done before")));
    }
    app.handle.change_later(1, move |engine, now| engine.complete_task(&task, &by, now)).await?;
    ask(&app, move |app| {
        let reader = app.handle.reader()?;
        let filter = TaskFilter { id: Some(id.as_str().into()), ..TaskFilter::default() };
        let row = app.handle.read().tasks(&*reader, &filter, Page { skip: 0, limit: 1 })?.pop();
        row.map(|row| json!(row)).ok_or_else(|| Fault::NotFound(format!("there is no task `{id}`")))
    })
    .await
}
