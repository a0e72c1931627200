//! `/api`: what commands and other programs ask and change. Commands use it whether a server runs or not.

use crate::api::{App, Shared, not_done, problem, query};
use crate::runtime::JobError;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use domain::definition::{Defined, read_text};
use domain::{CustomerId, DefinitionKind, Name, Source, Span, Timestamp, Trust};
use engine::ingest::{Door, DoorOptions, Endpoint, read};
use engine::profile::joining::JoinError;
use engine::{Engine, Receipt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{DecisionFilter, Page, StoreError};

/// Most bytes of one request: a piece of an import, or a folder of definitions.
const BODY_LIMIT: usize = 32 << 20;

/// The routes, behind the token.
pub fn router(app: Shared) -> Router {
    let guard = middleware::from_fn_with_state(app.clone(), only_with_token);
    Router::new()
        .route("/api/segments", get(segments))
        .route("/api/segments/{name}", get(segment))
        .route("/api/segments/{name}/count", get(count))
        .route("/api/segments/{name}/members", get(members))
        .route("/api/segments/{name}/why/{customer}", get(why))
        .route("/api/customers", get(customers))
        .route("/api/customers/merge", post(merge))
        .route("/api/customers/unmerge", post(unmerge))
        .route("/api/customers/{id}", get(customer))
        .route("/api/customers/{id}/timeline", get(timeline))
        .route("/api/campaigns", get(campaigns))
        .route("/api/campaigns/{name}", get(campaign))
        .route("/api/decisions", get(decisions))
        .route("/api/query", post(query::query))
        .route("/api/query/dictionary", get(query::get_dictionary))
        .route("/api/definitions", get(pull).post(apply))
        .route("/api/keys", get(keys).post(add_key))
        .route("/api/keys/{id}", delete(revoke_key))
        .route("/api/import", post(import))
        .route("/api/demo/advance", post(demo_advance))
        .route("/api/demo/answers", get(demo_answers))
        .route("/api/login-link", post(login_link))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(guard)
        .with_state(app)
}

/// Only those who can read the data directory know the token. No CORS: no page may ask.
async fn only_with_token(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let right = shown.is_some_and(|shown| crate::keys::hash(shown) == crate::keys::hash(&app.token));
    if !right {
        return problem(
            StatusCode::UNAUTHORIZED,
            "bad_token",
            "show the token of this data directory: Authorization: Bearer …",
        );
    }
    let mut response = say_as_problem(next.run(request).await).await;
    response.headers_mut().insert(header::CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    response
}

/// What axum itself refuses, such as an unknown field, it says in plain text; everybody else says it in JSON.
async fn say_as_problem(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !status.is_client_error() || is_json {
        return response;
    }
    // Its sentences are short; a longer one is cut rather than lost.
    let text = axum::body::to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let message =
        if text.trim().is_empty() { status.canonical_reason().unwrap_or("it was refused") } else { text.trim() };
    problem(status, "wrong", message)
}

/// Why a request was not answered.
enum Fault {
    NotFound(String),
    Wrong(String),
    Conflict(String),
    Job(JobError),
    Broken(String),
}

impl From<JobError> for Fault {
    fn from(error: JobError) -> Fault {
        Fault::Job(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Broken(error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::NotFound(message) => problem(StatusCode::NOT_FOUND, "not_found", &message),
            Fault::Wrong(message) => problem(StatusCode::BAD_REQUEST, "wrong", &message),
            Fault::Conflict(message) => problem(StatusCode::CONFLICT, "refused", &message),
            Fault::Job(error) => not_done(&error),
            Fault::Broken(message) => {
                tracing::error!("a request could not be answered: {message}");
                problem(StatusCode::INTERNAL_SERVER_ERROR, "failed", "it could not be done; the reason is in the log")
            }
        }
    }
}

type Answer = Result<Json<Value>, Fault>;

/// Answers a question of the live state beside the async threads: it may take long.
async fn ask(app: &Shared, question: impl FnOnce(&App) -> Result<Value, Fault> + Send + 'static) -> Answer {
    let app = app.clone();
    match tokio::task::spawn_blocking(move || question(&app)).await {
        Ok(result) => result.map(Json),
        Err(error) => Err(Fault::Broken(error.to_string())),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AsOf {
    as_of: Option<String>,
}

impl AsOf {
    fn instant(&self, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let Some(text) = &self.as_of else { return Ok(None) };
        let Some(at) = Timestamp::parse(text) else {
            return Err(Fault::Wrong(format!("`{text}` is no instant: write it like 2026-01-31T09:00:00Z")));
        };
        if at > now {
            return Err(Fault::Wrong(format!("{text} lies in the future: what will be is not known")));
        }
        Ok(Some(at))
    }
}

fn known_segment(engine: &Engine, name: &str) -> Result<Name, Fault> {
    let known = || {
        domain::shape::nearest(name, engine.definitions().segments.keys().map(Name::as_str))
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default()
    };
    match Name::parse(name) {
        Ok(parsed) if engine.definitions().segments.contains_key(&parsed) => Ok(parsed),
        _ => Err(Fault::NotFound(format!("there is no segment `{name}`{}", known()))),
    }
}

async fn segments(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let engine = app.handle.read();
        let list: Vec<Value> = engine
            .definitions()
            .segments
            .values()
            .map(|segment| {
                json!({
                    "segment": segment.name, "title": segment.title, "count": engine.segment_size(&segment.name),
                    "sentence": engine::segment::describe::describe(&segment.rule),
                })
            })
            .collect();
        Ok(list.into())
    })
    .await
}

async fn segment(State(app): State<Shared>, Path(name): Path<String>) -> Answer {
    ask(&app, move |app| {
        let engine = app.handle.read();
        let name = known_segment(&engine, &name)?;
        let segment = &engine.definitions().segments[&name];
        let version = engine.version(DefinitionKind::Segment, &name);
        Ok(json!({
            "segment": name, "title": segment.title, "count": engine.segment_size(&name),
            "sentence": engine::segment::describe::describe(&segment.rule),
            "version": version.map(|version| version.version),
            "at": version.map(|version| version.at.to_string()),
            "where": version.and_then(|version| version.value.as_ref()?.get("where").cloned()),
        }))
    })
    .await
}

/// A segment's name, the instant asked about, and who belonged to it then.
fn belonging(app: &App, name: &str, as_of: &AsOf) -> Result<(Name, Timestamp, Vec<CustomerId>), Fault> {
    let now = app.handle.now();
    let at = as_of.instant(now)?;
    let reader = app.handle.reader()?;
    let engine = app.handle.read();
    let name = known_segment(&engine, name)?;
    let members = match at {
        Some(at) => engine.members_as_of(reader.as_ref(), &name, at)?,
        None => engine.segment_members(&name),
    };
    Ok((name, at.unwrap_or(now), members))
}

async fn count(State(app): State<Shared>, Path(name): Path<String>, Query(as_of): Query<AsOf>) -> Answer {
    ask(&app, move |app| {
        let (name, at, members) = belonging(app, &name, &as_of)?;
        Ok(json!({ "segment": name, "as_of": at.to_string(), "count": members.len() }))
    })
    .await
}

async fn members(State(app): State<Shared>, Path(name): Path<String>, Query(as_of): Query<AsOf>) -> Answer {
    ask(&app, move |app| {
        let (name, at, members) = belonging(app, &name, &as_of)?;
        let engine = app.handle.read();
        let mut names: Vec<String> = members.into_iter().map(|member| engine.name_of(member)).collect();
        names.sort_unstable();
        Ok(json!({ "segment": name, "as_of": at.to_string(), "members": names }))
    })
    .await
}

async fn why(
    State(app): State<Shared>,
    Path((name, customer)): Path<(String, String)>,
    Query(as_of): Query<AsOf>,
) -> Answer {
    ask(&app, move |app| {
        let now = app.handle.now();
        let at = as_of.instant(now)?.unwrap_or(now);
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        let name = known_segment(&engine, &name)?;
        match engine.why(reader.as_ref(), &name, &customer, at)? {
            Some(why) => serde_json::to_value(why).map_err(|error| Fault::Broken(error.to_string())),
            None => Err(Fault::NotFound(format!("nobody is called `{customer}`"))),
        }
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    find: Option<String>,
    limit: Option<usize>,
}

async fn customers(State(app): State<Shared>, Query(find): Query<Find>) -> Answer {
    ask(&app, move |app| {
        let now = app.handle.now();
        let engine = app.handle.read();
        let found =
            engine.find_customers(find.find.as_deref().unwrap_or(""), 0, find.limit.unwrap_or(50).min(1_000), now);
        serde_json::to_value(found).map_err(|error| Fault::Broken(error.to_string()))
    })
    .await
}

async fn customer(State(app): State<Shared>, Path(id): Path<String>, Query(as_of): Query<AsOf>) -> Answer {
    ask(&app, move |app| {
        let now = app.handle.now();
        let at = as_of.instant(now)?.unwrap_or(now);
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        match engine.customer_answer(reader.as_ref(), &id, at)? {
            Some(answer) => Ok(answer),
            None => Err(Fault::NotFound(format!("nobody is called `{id}`"))),
        }
    })
    .await
}

async fn timeline(State(app): State<Shared>, Path(id): Path<String>) -> Answer {
    ask(&app, move |app| {
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        match engine.timeline_answer(reader.as_ref(), &id)? {
            Some(answer) => Ok(answer),
            None => Err(Fault::NotFound(format!("nobody is called `{id}`"))),
        }
    })
    .await
}

async fn campaigns(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        let names: Vec<Name> = engine.definitions().campaigns.keys().cloned().collect();
        let list =
            names.iter().map(|name| engine.campaign_answer(reader.as_ref(), name)).collect::<Result<Vec<_>, _>>()?;
        Ok(list.into_iter().flatten().collect::<Vec<Value>>().into())
    })
    .await
}

async fn campaign(State(app): State<Shared>, Path(name): Path<String>) -> Answer {
    ask(&app, move |app| {
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        let known =
            Name::parse(&name).ok().map(|name| engine.campaign_answer(reader.as_ref(), &name)).transpose()?.flatten();
        known.ok_or_else(|| Fault::NotFound(format!("there is no campaign `{name}`")))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionsAsked {
    customer: Option<String>,
    campaign: Option<String>,
}

async fn decisions(State(app): State<Shared>, Query(asked): Query<DecisionsAsked>) -> Answer {
    ask(&app, move |app| {
        let reader = app.handle.reader()?;
        let engine = app.handle.read();
        let mut filters = vec![DecisionFilter::default()];
        if let Some(campaign) = &asked.campaign {
            let name = Name::parse(campaign).map_err(Fault::Wrong)?;
            filters[0].campaign = Some(name);
        }
        if let Some(customer) = &asked.customer {
            let ids = engine.ids_of(customer).ok_or_else(|| Fault::NotFound(format!("nobody is called `{customer}`")))?;
            filters = ids.into_iter().map(|id| DecisionFilter { customer: Some(id), ..filters[0].clone() }).collect();
        }
        let mut found = Vec::new();
        for filter in filters {
            let mut page = Page { skip: 0, limit: 1_000 };
            loop {
                let piece = reader.decisions(&filter, page)?;
                let last = piece.len() < page.limit as usize;
                found.extend(piece);
                // A hundred thousand are more than anybody reads; the rest is for `query` later.
                if last || found.len() >= 100_000 {
                    break;
                }
                page.skip += u64::from(page.limit);
            }
        }
        found.sort_by_key(|(id, decision)| (decision.at, *id));
        let list: Vec<Value> = found
            .into_iter()
            .map(|(_, decision)| {
                json!({
                    "at": decision.at.to_string(), "customer": engine.name_of(decision.customer), "campaign": decision.campaign, "step": decision.step,
                    "message": decision.message, "outcome": decision.outcome, "because": decision.because, "detail": decision.detail,
                    "until": decision.until.map(|until| until.to_string()),
                })
            })
            .collect();
        Ok(list.into())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    a: String,
    b: String,
}

fn join_fault(error: JoinError) -> Fault {
    match error {
        JoinError::Store(error) => error.into(),
        JoinError::Unknown(_) => Fault::NotFound(error.to_string()),
        other => Fault::Conflict(other.to_string()),
    }
}

async fn merge(State(app): State<Shared>, Json(pair): Json<Pair>) -> Answer {
    let merged = app
        .handle
        .change_later(1, move |engine, now| engine.merge(&pair.a, &pair.b, now).map(|id| (id, engine.name_of(id))))
        .await?;
    let (id, name) = merged.map_err(join_fault)?;
    Ok(Json(json!({ "id": id.to_string(), "customer": name })))
}

async fn unmerge(State(app): State<Shared>, Json(pair): Json<Pair>) -> Answer {
    let (a, b) = (pair.a.clone(), pair.b.clone());
    app.handle.change_later(1, move |engine, now| engine.unmerge(&pair.a, &pair.b, now)).await?.map_err(join_fault)?;
    Ok(Json(json!({ "unmerged": [a, b] })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definitions {
    documents: Vec<Document>,
    #[serde(default)]
    dry_run: bool,
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    origin: String,
    text: String,
}

async fn apply(State(app): State<Shared>, Json(asked): Json<Definitions>) -> Answer {
    let mut defined: Vec<Defined> = Vec::new();
    for document in &asked.documents {
        defined.extend(read_text(&document.text, &document.origin).map_err(|error| Fault::Wrong(error.to_string()))?);
    }
    let mut seen = std::collections::BTreeSet::new();
    for one in &defined {
        if !seen.insert((one.definition.kind(), one.definition.name())) {
            return Err(Fault::Wrong(format!(
                "{} `{}` is defined twice",
                one.definition.kind().word(),
                one.definition.name()
            )));
        }
    }
    let changes = if asked.dry_run {
        ask(&app, move |app| {
            let reader = app.handle.reader()?;
            let changes = app.handle.read().plan_changes(reader.as_ref(), &defined, app.handle.now());
            changes.map(|changes| json!(changes)).map_err(|error| Fault::Wrong(error.to_string()))
        })
        .await?
        .0
    } else {
        let by = asked.by.clone();
        let changed = app.handle.change_later(1, move |engine, now| engine.define(defined, &by, now)).await?;
        json!(changed.map_err(|error| Fault::Wrong(error.to_string()))?)
    };
    Ok(Json(json!({ "changes": changes })))
}

async fn pull(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let engine = app.handle.read();
        let list: Vec<Value> = engine
            .all_versions()
            .map(|version| json!({ "kind": version.kind, "name": version.name, "version": version.version, "definition": version.value }))
            .collect();
        Ok(list.into())
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyAsked {
    kind: String,
    source: String,
}

fn key_kind(trust: Trust) -> &'static str {
    if trust == Trust::Browser { "browser" } else { "server" }
}

async fn keys(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let engine = app.handle.read();
        let list: Vec<Value> = engine
            .keys()
            .map(|key| {
                json!({
                    "id": key.id, "kind": key_kind(key.trust), "source": key.source,
                    "created_at": key.created_at.to_string(), "revoked_at": key.revoked_at.map(|at| at.to_string()),
                })
            })
            .collect();
        Ok(list.into())
    })
    .await
}

async fn add_key(State(app): State<Shared>, Json(asked): Json<KeyAsked>) -> Answer {
    let trust = match asked.kind.as_str() {
        "browser" => Trust::Browser,
        "server" => Trust::Server,
        other => return Err(Fault::Wrong(format!("`{other}` is no kind of key: browser or server"))),
    };
    if asked.source.is_empty() || asked.source.chars().count() > 100 || asked.source.chars().any(char::is_control) {
        return Err(Fault::Wrong("a source has 1 to 100 characters".to_owned()));
    }
    let fresh =
        crate::keys::make(trust, &asked.source, app.handle.now()).map_err(|error| Fault::Broken(error.to_string()))?;
    let key = fresh.key;
    let id = key.id.clone();
    app.handle.change_later(1, move |engine, _| engine.add_key(key)).await?;
    Ok(Json(json!({ "key": fresh.text, "id": id, "kind": asked.kind, "source": asked.source })))
}

async fn revoke_key(State(app): State<Shared>, Path(id): Path<String>) -> Answer {
    let wanted = id.clone();
    // People paste the whole key where its id is asked: both are understood.
    let own = crate::keys::id_of(&wanted).map_or(wanted.clone(), str::to_owned);
    let revoked = app
        .handle
        .change_later(1, move |engine, now| engine.revoke_key(&wanted, now) || engine.revoke_key(&own, now))
        .await?;
    if revoked {
        Ok(Json(json!({ "revoked": id })))
    } else {
        Err(Fault::NotFound("there is no such key in force".to_owned()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportAsked {
    source: String,
}

/// Takes a piece of an import: `{"batch": [calls]}`, of the trust of a file.
async fn import(State(app): State<Shared>, Query(asked): Query<ImportAsked>, body: Bytes) -> Answer {
    let source = Source::new(&format!("import: {}", asked.source), Trust::File);
    let checked = {
        let (source, now, largest_amount) = (source.clone(), app.handle.now(), app.door.largest_amount);
        tokio::task::spawn_blocking(move || {
            let options = DoorOptions { largest_amount, ..DoorOptions::default() };
            let door =
                Door { now, source: &source, fresh_id: &|_| String::new(), options: &options, correct_skew: false };
            read(&body, Endpoint::Batch, &door)
        })
        .await
    };
    let reading =
        checked.map_err(|error| Fault::Broken(error.to_string()))?.map_err(|refusal| Fault::Wrong(refusal.message))?;
    let receipts = app.handle.ingest(source, app.handle.arrive(reading.items)).await?;
    let (mut accepted, mut duplicates, mut refused) = (0_u64, 0_u64, Vec::new());
    for (index, receipt) in receipts.iter().enumerate() {
        match receipt {
            Receipt::Accepted(_) => accepted += 1,
            Receipt::Duplicate { .. } => duplicates += 1,
            Receipt::Refused { reason, message } => {
                refused.push(json!({ "index": index, "reason": reason, "message": message }))
            }
        }
    }
    Ok(Json(json!({ "accepted": accepted, "duplicates": duplicates, "refused": refused })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceAsked {
    span: String,
}

async fn demo_advance(State(app): State<Shared>, Json(asked): Json<AdvanceAsked>) -> Answer {
    let span = Span::parse(&asked.span).map_err(Fault::Wrong)?;
    if span > Span::days(366) {
        return Err(Fault::Wrong("a year at a time, at most".to_owned()));
    }
    ask(&app, move |app| {
        let advanced =
            crate::demo::advance(&app.handle, span).map_err(|error| Fault::Conflict(format!("{error:#}")))?;
        Ok(json!(advanced))
    })
    .await
}

async fn demo_answers(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let reader = app.handle.reader()?;
        let answers = crate::demo::answers(app.handle.dir(), reader.as_ref(), &app.handle.read())
            .map_err(|error| Fault::Conflict(format!("{error:#}")))?;
        Ok(json!(answers))
    })
    .await
}

async fn login_link(State(app): State<Shared>) -> Answer {
    let link = app.sessions.issue_link(jiff::Timestamp::now());
    Ok(Json(json!({ "url": format!("{}/login/{link}", app.public_url) })))
}

/// The whole of what commands share: made once, for a server or for one command.
pub fn app(
    handle: crate::runtime::Handle,
    config: &crate::config::Config,
    public_url: &str,
    sessions: Arc<crate::pages::Sessions>,
    questions: Arc<crate::questions::Questions>,
) -> Shared {
    let door = DoorOptions {
        browser_may_order: config.ingest.browser_may_order,
        browser_traits: config.ingest.browser_traits.clone(),
        largest_amount: Some(config.ingest.largest_amount.into()),
        ..DoorOptions::default()
    };
    Arc::new(App {
        handle,
        door,
        public_url: public_url.to_owned(),
        token: crate::api::tracking::random_id(),
        questions,
        sessions,
    })
}
