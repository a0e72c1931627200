//! `/api`: what commands and other programs ask and change. Commands use it whether a server runs or not.

use crate::api::definitions::Author;
use crate::api::openapi::{list_of, shape};
use crate::api::operations::{self, Operation};
use crate::api::problems::{Answer, Fault, Problem, ask, say_as_problem};
use crate::api::segments::AsOf;
use crate::api::{App, Shared};
use crate::erase::EraseError;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use domain::{Name, Source, Span, Trust};
use engine::Receipt;
use engine::ingest::{Door, DoorOptions, Endpoint, read};
use engine::profile::joining::JoinError;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{DecisionFilter, Page};

/// Most bytes of one piece of an import.
const PIECE_BYTES: usize = 32 << 20;

/// The router of `/api`: what tells of somebody stands behind the token.
pub fn router(app: Shared) -> Router {
    let guard = middleware::from_fn_with_state(app.clone(), only_with_token);
    let (open, guarded): (Vec<Operation>, Vec<Operation>) =
        crate::api::operations().into_iter().partition(|operation| operation.is_open);
    let nowhere = Router::new().route("/api/{*rest}", any(crate::api::openapi::nowhere));
    let guarded = operations::router(guarded).merge(nowhere).layer(guard);
    // Devices ask from pages of the shop, which are elsewhere.
    let (devices, open): (Vec<Operation>, Vec<Operation>) =
        open.into_iter().partition(|operation| operation.path.starts_with("/v1/"));
    let devices = operations::router(devices).layer(middleware::from_fn(crate::api::tracking::cors));
    guarded.merge(devices).merge(operations::router(open)).layer(middleware::from_fn(say_as_problem)).with_state(app)
}

/// What stands under `/api` beside segments and definitions.
pub fn operations() -> Vec<Operation> {
    let word = || json!({ "type": "string" });
    vec![
        Operation::new(Method::GET, "/api/customers", "findCustomers", "People found by a part of a name, id or address, last seen first.", customers)
            .takes("query", "find", "The part; empty finds everybody.", word())
            .takes("query", "limit", "How many at most.", json!({ "type": "integer", "minimum": 0, "maximum": 1000, "default": 50 }))
            .answers(shape("Found")),
        Operation::new(Method::GET, "/api/customers/{id}", "getCustomer", "Everything about one person.", customer)
            .takes_as_of()
            .answers(shape("Customer"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/customers/{id}/timeline", "getTimeline", "What happened with one person, the latest first.", timeline)
            .answers(shape("Timeline"))
            .may_say(&["not_found"]),
        Operation::new(Method::POST, "/api/customers/merge", "mergeCustomers", "These two are one person.", merge)
            .takes_json(shape("Pair"))
            .answers(shape("Merged"))
            .may_say(&["not_found", "refused"]),
        Operation::new(Method::POST, "/api/customers/unmerge", "unmergeCustomers", "These two are two people after all.", unmerge)
            .takes_json(shape("Pair"))
            .answers(shape("Unmerged"))
            .may_say(&["not_found", "refused"]),
        Operation::new(Method::POST, "/api/customers/{id}/erase", "eraseCustomer", "Takes a customer out of everything that is kept, for good.", erase)
            .says("Their calls are emptied where they stand, in history too; letters, replies and refused calls of theirs are deleted; nothing is sent to them. What counts stays: outcomes of campaigns, without the person. Calls that are sent again with their old messageIds are duplicates; a new call makes a new customer. Backups and receivers outside keep their own copies. New calls wait meanwhile.")
            .answers(shape("Erased"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/campaigns", "listCampaigns", "All campaigns and what came of them.", campaigns)
            .answers(list_of("Campaign")),
        Operation::new(Method::GET, "/api/campaigns/{name}", "getCampaign", "One campaign and what came of it.", campaign)
            .answers(shape("Campaign"))
            .may_say(&["not_found"]),
        Operation::new(Method::POST, "/api/campaigns/{name}/compare-anew", "compareAnew", "Starts a new comparison: everybody is drawn anew.", compare_anew)
            .says("From then on it is drawn anew who is in the comparison group and who gets which variant. What was counted and learned until then is left behind; no message is sent by it.")
            .answers(json!({
                "type": "object", "required": ["campaign", "comparison"],
                "properties": {
                    "campaign": { "type": "string" },
                    "comparison": { "type": "integer", "description": "The number of the comparison that begins: one more than the last." },
                },
            }))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/decisions", "listDecisions", "Decisions with outcome and reason, in order.", decisions)
            .takes("query", "customer", "Of one person.", word())
            .takes("query", "campaign", "Of one campaign.", word())
            .answers(list_of("Decision"))
            .may_say(&["not_found"]),
        Operation::new(Method::POST, "/api/messages/{id}/approve", "approveMessage", "A message that waits for a person's word may go, as it is written.", approve)
            .says("The rest of the gate is still before it: it may be held by a cap or by quiet hours. Messages that wait: `SELECT message FROM messages WHERE because = 'needs_approval'`.")
            .takes_json(json!({ "type": "object", "additionalProperties": false, "properties": { "by": { "type": "string", "description": "Who says so." } } }))
            .answers(json!({ "type": "object", "required": ["approved"], "properties": { "approved": { "type": "string" } } }))
            .may_say(&["refused"]),
        Operation::new(Method::GET, "/api/keys", "listKeys", "All write keys, without their secrets.", keys).answers(list_of("Key")),
        Operation::new(Method::POST, "/api/keys", "createKey", "Makes a write key.", add_key)
            .takes_json(shape("KeyAsked"))
            .answers(shape("FreshKey")),
        Operation::new(Method::DELETE, "/api/keys/{id}", "revokeKey", "A key stops working at once.", revoke_key)
            .answers(json!({ "type": "object", "required": ["revoked"], "properties": { "revoked": { "type": "string" } } }))
            .may_say(&["not_found"]),
        Operation::new(Method::POST, "/api/import", "importCalls", "Takes a piece of an import; importing twice changes nothing.", import)
            .takes("query", "source", "What the source is called.", word())
            .takes_json(shape("Batch"))
            .takes_up_to(PIECE_BYTES)
            .answers(shape("Imported")),
        Operation::new(Method::POST, "/api/demo/advance", "advanceDemo", "Lets a demo's time pass, at most a year.", demo_advance)
            .takes_json(json!({ "type": "object", "required": ["span"], "properties": { "span": { "type": "string", "examples": ["14d"] } } }))
            .answers(shape("Advanced"))
            .may_say(&["refused"]),
        Operation::new(Method::GET, "/api/demo/answers", "getDemoAnswers", "What a perfect analyst of the demo would find.", demo_answers)
            .answers(json!({ "type": "object" }))
            .may_say(&["refused"]),
        Operation::new(Method::POST, "/api/rebuild", "rebuild", "Builds the live state again from history and compares the two.", rebuild)
            .says("Deletes the snapshot first. Where the two differ, which would be a bug, the rebuilt state is used from then on. New calls wait meanwhile.")
            .answers(shape("Rebuilt")),
        Operation::new(Method::POST, "/api/login-link", "createLoginLink", "A login link for the pages; it works once, within 15 minutes.", login_link)
            .answers(json!({ "type": "object", "required": ["url"], "properties": { "url": { "type": "string" } } })),
    ]
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
        let detail = "show the token of this data directory: Authorization: Bearer …";
        return Problem::new("bad_token", detail).into_response();
    }
    next.run(request).await
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

async fn compare_anew(State(app): State<Shared>, Path(name): Path<String>) -> Answer {
    let known = Name::parse(&name).map_err(|_| Fault::NotFound(format!("there is no campaign `{name}`")))?;
    let comparison = app.handle.change_later(1, move |engine, now| engine.start_comparison(&known, now)).await??;
    Ok(Json(json!({ "campaign": name, "comparison": comparison })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionsAsked {
    customer: Option<String>,
    campaign: Option<String>,
}

async fn approve(State(app): State<Shared>, Path(id): Path<String>, Json(author): Json<Author>) -> Answer {
    let by = author.name()?;
    let message = domain::MessageId(id.as_str().into());
    let done = app.handle.change_later(1, move |engine, now| engine.approve(&message, &by, now)).await?;
    done.map_err(|error| Fault::Conflict(error.to_string()))?;
    Ok(Json(json!({ "approved": id })))
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

async fn erase(State(app): State<Shared>, Path(id): Path<String>) -> Answer {
    ask(&app, move |app| {
        let customer = app.handle.read().look_up(&id).map_err(|error| Fault::NotFound(error.to_string()))?;
        let erased = crate::erase::erase(&app.handle, customer).map_err(|error| match error {
            EraseError::Unknown(_) => Fault::NotFound(error.to_string()),
            EraseError::Job(error) => error.into(),
            EraseError::Store(error) => error.into(),
        })?;
        app.past_members.forget();
        Ok(json!({
            "id": customer.to_string(),
            "calls": erased.calls,
            "messages": erased.letters,
            "refused": erased.refused,
            "scrubbed": erased.is_scrubbed,
        }))
    })
    .await
}

async fn rebuild(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let rebuilt = crate::snapshot::rebuild(&app.handle).map_err(|error| Fault::Conflict(error.to_string()))??;
        let is_same = rebuilt.before == rebuilt.after;
        Ok(json!({ "before": rebuilt.before, "after": rebuilt.after, "calls": rebuilt.calls, "same": is_same }))
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
    push: Option<crate::notifications::Door>,
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
        dry_runs: Arc::new(crate::dry_run::DryRuns::new(handle.clone())),
        handle,
        door,
        push,
        public_url: public_url.to_owned(),
        token: crate::api::tracking::random_id(),
        questions,
        sessions,
        followed: Arc::default(),
        past_members: crate::api::segments::PastMembers::default(),
    })
}
