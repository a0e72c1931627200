//! `/api/segments`: who is meant, how many, who, since when and why; made, changed and deleted by programs.

use crate::api::definitions::{Author, Version, diff_of, one_segment, read_ahead, version_json};
use crate::api::openapi::{list_of, shape};
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, Problem, ask, ask_for};
use crate::api::{App, Shared};
use crate::views::yaml;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::definition::Defined;
use domain::{DefinitionKind, Name, Timestamp};
use engine::define::{Change, Wanted};
use engine::report::segments::Place;
use engine::{Engine, report};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Members of one page at most: 10,000 names are half a megabyte.
const MEMBERS_MOST: usize = 10_000;
/// Members of a page where nothing was said.
const MEMBERS_USUAL: usize = 100;
/// Versions of one answer at most.
const VERSIONS_MOST: usize = 200;
/// Lists of past members that are kept for the next page: each costs a walk over all of history.
const KEPT_LISTS: usize = 4;

/// What stands under `/api/segments`.
pub fn operations() -> Vec<Operation> {
    let limit =
        |most: usize, usual: usize| json!({ "type": "integer", "minimum": 1, "maximum": most, "default": usual });
    let word = || json!({ "type": "string" });
    let version = || json!({ "type": "integer", "minimum": 1 });
    vec![
        Operation::new(Method::GET, "/api/segments", "listSegments", "All segments with their sizes, by name.", list)
            .answers(list_of("SegmentInList")),
        Operation::new(Method::POST, "/api/segments", "createSegment", "Makes a segment; it counts all of history at once.", create)
            .says("Errors name the path in the definition, what is wrong, and the nearest known word.")
            .takes("query", "by", "Who does it, for the list of versions.", word())
            .takes_definition(shape("SegmentDefinition"))
            .answers_with(201, "application/json", shape("SegmentSaved"))
            .may_say(&["definition", "exists", "wrong_media"]),
        Operation::new(Method::GET, "/api/segments/{name}", "getSegment", "One segment: its definition as JSON and YAML, in words, its size and version.", get)
            .answers(shape("Segment"))
            .may_say(&["not_found"]),
        Operation::new(Method::PUT, "/api/segments/{name}", "changeSegment", "Changes a segment; whom the new rule leaves out leaves.", change)
            .says("Two editors do not overwrite each other: send the `ETag` you got as `If-Match`.")
            .takes("header", "If-Match", "The version that was edited, such as `\"3\"`.", word())
            .takes("query", "by", "Who does it, for the list of versions.", word())
            .takes_definition(shape("SegmentDefinition"))
            .answers(shape("SegmentSaved"))
            .may_say(&["definition", "not_found", "changed", "needs_version", "wrong_media"]),
        Operation::new(Method::DELETE, "/api/segments/{name}", "deleteSegment", "Deletes a segment that nothing uses. Its name is not used again.", remove)
            .takes("header", "If-Match", "Delete this version alone, such as `\"3\"`.", word())
            .takes("query", "by", "Who does it, for the list of versions.", word())
            .answers(json!({ "type": "object", "required": ["deleted"], "properties": { "deleted": shape("Name") } }))
            .may_say(&["not_found", "in_use", "changed"]),
        Operation::new(Method::POST, "/api/preview/segment", "previewSegment", "What a segment would be if it were saved now: how many, five of them, who would enter and leave.", preview)
            .takes_definition(shape("SegmentDefinition"))
            .answers(shape("SegmentPreview"))
            .may_say(&["definition", "exists", "wrong_media"]),
        Operation::new(Method::GET, "/api/segments/{name}/count", "countSegment", "How many belong.", count)
            .takes_as_of()
            .answers(shape("SegmentCount"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/segments/{name}/members", "listMembers", "Who belongs, by name, a page at a time.", members)
            .says("`next` is where the next page begins; people who come and go meanwhile move nobody else. Without `next` it was the last page.")
            .takes("query", "after", "`next` of the page before.", word())
            .takes("query", "limit", "How many at most.", limit(MEMBERS_MOST, MEMBERS_USUAL))
            .takes_as_of()
            .answers(shape("SegmentMembers"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/segments/{name}/members/{customer}", "getMembership", "Whether somebody belongs, since when and until when.", membership)
            .takes_as_of()
            .answers(shape("Membership"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/segments/{name}/why/{customer}", "whyMember", "Why somebody belongs or not, condition by condition.", why)
            .takes_as_of()
            .answers(shape("Why"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/segments/{name}/versions", "listSegmentVersions", "Its versions, the latest first, each with what it changed.", versions)
            .says("Those of a deleted segment stay.")
            .takes("query", "before", "Only versions before this one.", version())
            .takes("query", "limit", "How many at most.", limit(VERSIONS_MOST, 50))
            .answers(list_of("Version"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/segments/{name}/versions/{version}", "getSegmentVersion", "One version with its definition.", version_of)
            .answers(shape("Version"))
            .may_say(&["not_found"]),
        Operation::new(Method::GET, "/api/segments/{name}/diff", "diffSegment", "The lines by which two versions differ.", diff)
            .takes("query", "from", "The earlier version; where none is named, the one before `to`.", version())
            .takes("query", "to", "The later version; where none is named, the latest.", version())
            .answers(shape("Diff"))
            .may_say(&["not_found"]),
    ]
}

/// The instant that a question is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AsOf {
    pub(super) as_of: Option<String>,
}

impl AsOf {
    pub(super) fn instant(&self, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
        past_instant(self.as_of.as_deref(), now)
    }
}

fn past_instant(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let Some(at) = Timestamp::parse(text) else {
        return Err(Fault::Wrong(format!("`{text}` is no instant: write it like 2026-01-31T09:00:00Z")));
    };
    if at > now {
        return Err(Fault::Wrong(format!("{text} lies in the future: what will be is not known")));
    }
    Ok(Some(at))
}

/// The segment of a name, or what is the nearest.
pub(super) fn known_segment(engine: &Engine, name: &str) -> Result<Name, Fault> {
    match Name::parse(name) {
        Ok(parsed) if engine.definitions().segments.contains_key(&parsed) => Ok(parsed),
        _ => {
            let shown: String = name.chars().take(100).collect();
            let names = engine.definitions().segments.keys().map(Name::as_str);
            let near = domain::shape::nearest(name, names);
            let mean = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let problem = Problem::new("not_found", format!("there is no segment `{shown}`{mean}"));
            Err(match near {
                Some(near) => problem.with("nearest", near).into(),
                None => problem.into(),
            })
        }
    }
}

async fn list(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let engine = app.handle.read();
        let mut rows = engine.segments();
        rows.sort_by(|a, b| a.segment.cmp(&b.segment));
        let list: Vec<Value> = rows
            .into_iter()
            .map(|row| {
                json!({
                    "segment": row.segment, "title": engine.definitions().segments[&row.segment].title, "count": row.members,
                    "sentence": row.rule, "version": row.version, "changed_at": row.changed_at.to_string(), "used_by": row.used_by,
                })
            })
            .collect();
        Ok(list.into())
    })
    .await
}

/// A segment as it is now.
fn segment_json(engine: &Engine, name: &Name) -> Result<Value, Fault> {
    let missing = || Fault::NotFound(format!("there is no segment `{name}`"));
    let segment = engine.definitions().segments.get(name).ok_or_else(missing)?;
    let version = engine.version(DefinitionKind::Segment, name).ok_or_else(missing)?;
    Ok(json!({
        "segment": name, "title": segment.title, "count": engine.segment_size(name),
        "sentence": engine::segment::describe::describe(&segment.rule),
        "version": version.version, "changed_at": version.at.to_string(), "changed_by": version.by,
        "definition": version.value, "yaml": version.value.as_ref().map(yaml::write),
        "used_by": engine.users_of(DefinitionKind::Segment, name), "warnings": engine.segment_warnings(name),
    }))
}

/// An answer about one version of a segment, which its `ETag` names.
fn tagged(status: StatusCode, answer: Value) -> Response {
    let tag = answer["version"].as_u64().and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok());
    let place =
        answer["segment"].as_str().and_then(|name| HeaderValue::from_str(&format!("/api/segments/{name}")).ok());
    let mut response = (status, Json(answer)).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if let Some(place) = place.filter(|_| status == StatusCode::CREATED) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

async fn get(State(app): State<Shared>, Path(name): Path<String>) -> Result<Response, Fault> {
    let answer = ask_for(&app, move |app| {
        let engine = app.handle.read();
        let name = known_segment(&engine, &name)?;
        segment_json(&engine, &name)
    });
    Ok(tagged(StatusCode::OK, answer.await?))
}

/// Saves one segment on the writer, unless `allowed` says no.
async fn save(
    app: &Shared,
    defined: Defined,
    author: &Author,
    allowed: impl FnOnce(&Engine) -> Result<(), Fault> + Send + 'static,
) -> Result<Value, Fault> {
    let (name, by) = (defined.definition.name(), author.name()?);
    let ahead = read_ahead(app, vec![defined.clone()]).await?;
    let changed = app.handle.change_later(1, move |engine, now| -> Result<Value, Fault> {
        allowed(engine)?;
        let changes = engine.define_with(vec![defined], &by, now, ahead)?;
        let mut answer = segment_json(engine, &name)?;
        if let [Change { enter, leave, action, .. }] = changes.as_slice() {
            answer["action"] = (*action).into();
            answer["enter"] = (*enter).into();
            answer["leave"] = (*leave).into();
        }
        Ok(answer)
    });
    changed.await?
}

async fn create(
    State(app): State<Shared>,
    Query(author): Query<Author>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let defined = one_segment(&headers, body).await?;
    let name = defined.definition.name();
    let saved = save(&app, defined, &author, move |engine| match engine.version(DefinitionKind::Segment, &name) {
        None => Ok(()),
        Some(version) => {
            let detail = format!("there is a segment `{name}` already: change that with PUT, or take another name");
            Err(Problem::new("exists", detail).with("version", version.version).into())
        }
    });
    Ok(tagged(StatusCode::CREATED, saved.await?))
}

async fn change(
    State(app): State<Shared>,
    Path(name): Path<String>,
    Query(author): Query<Author>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let defined = one_segment(&headers, body).await?;
    let own = defined.definition.name();
    if own.as_str() != name {
        let shown: String = name.chars().take(100).collect();
        let detail = format!("the definition is of `{own}`, the address of `{shown}`; a segment keeps its name");
        return Err(Fault::Wrong(detail));
    }
    let Some(expected) = expected_version(&headers)? else {
        let detail = "say which version you edited: If-Match with the ETag of what you got";
        return Err(Problem::new("needs_version", detail).into());
    };
    let saved = save(&app, defined, &author, move |engine| {
        let name = known_segment(engine, own.as_str())?;
        check_version(engine, &name, expected)
    });
    Ok(tagged(StatusCode::OK, saved.await?))
}

async fn remove(
    State(app): State<Shared>,
    Path(name): Path<String>,
    Query(author): Query<Author>,
    headers: HeaderMap,
) -> Answer {
    let (expected, by) = (expected_version(&headers)?, author.name()?);
    let deleted = app.handle.change_later(1, move |engine, now| -> Result<Name, Fault> {
        let name = known_segment(engine, &name)?;
        if let Some(expected) = expected {
            check_version(engine, &name, expected)?;
        }
        engine.delete_definition(DefinitionKind::Segment, &name, &by, now)?;
        Ok(name)
    });
    Ok(Json(json!({ "deleted": deleted.await?? })))
}

/// Which version the asker expects to find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Any,
    Version(u32),
}

fn expected_version(headers: &HeaderMap) -> Result<Option<Expected>, Fault> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(Expected::Any));
    }
    match text.trim_start_matches("W/").trim_matches('"').parse() {
        Ok(version) => Ok(Some(Expected::Version(version))),
        Err(_) => Err(Fault::Wrong("If-Match names a version, such as \"3\"".to_owned())),
    }
}

fn check_version(engine: &Engine, name: &Name, expected: Expected) -> Result<(), Fault> {
    let Some(present) = engine.version(DefinitionKind::Segment, name) else {
        return Err(Fault::NotFound(format!("there is no segment `{name}`")));
    };
    match expected {
        Expected::Version(version) if version != present.version => {
            let detail = format!(
                "version {} of `{name}` was saved by {} at {}, and you edited version {version}",
                present.version, present.by, present.at
            );
            Err(Problem::new("changed", detail)
                .with("version", present.version)
                .with("by", present.by.clone())
                .with("at", present.at.to_string())
                .into())
        }
        _ => Ok(()),
    }
}

async fn preview(State(app): State<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    let defined = one_segment(&headers, body).await?;
    ask(&app, move |app| {
        let (name, value) = (defined.definition.name(), defined.value.clone());
        let title = match &defined.definition {
            domain::Definition::Segment(segment) => segment.title.clone(),
            _ => None,
        };
        let draft = app.handle.read().draft(&Wanted { put: vec![defined], delete: Vec::new() })?;
        // The walk over the past, where one is needed, holds no lock.
        let effect = app.handle.with_reader(|reader| draft.effect(reader, DefinitionKind::Segment, &name))?;
        let engine = app.handle.read();
        let part = draft.part(DefinitionKind::Segment, &name);
        Ok(json!({
            "segment": name, "title": title,
            "action": part.map(|part| part.change.action),
            "sentence": part.map(|part| part.sentence.as_str()),
            "count": effect.people, "customers": engine.customer_count(),
            "enter": effect.enter, "leave": effect.leave,
            "sample": effect.sample(&engine),
            "warnings": part.map(|part| part.warnings.as_slice()).unwrap_or_default(),
            "version": engine.version(DefinitionKind::Segment, &name).map(|version| version.version),
            "definition": value, "yaml": yaml::write(&value),
        }))
    })
    .await
}

async fn count(State(app): State<Shared>, Path(name): Path<String>, Query(as_of): Query<AsOf>) -> Answer {
    ask(&app, move |app| {
        let now = app.handle.now();
        let Some(at) = as_of.instant(now)? else {
            let engine = app.handle.read();
            let name = known_segment(&engine, &name)?;
            let count = engine.segment_size(&name);
            return Ok(json!({ "segment": name, "as_of": now.to_string(), "count": count }));
        };
        let (name, snapshot) = past_of(app, &name)?;
        let count = app.handle.with_reader(|reader| snapshot.members(reader, &name, at))?.len();
        Ok(json!({ "segment": name, "as_of": at.to_string(), "count": count }))
    })
    .await
}

/// What a question about the past of a segment needs of the live state, so that the writer need not wait for it.
fn past_of(app: &App, name: &str) -> Result<(Name, report::Snapshot), Fault> {
    let engine = app.handle.read();
    let name = known_segment(&engine, name)?;
    let snapshot = engine.segment_snapshot(&name);
    Ok((name, snapshot))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersAsked {
    as_of: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn members(State(app): State<Shared>, Path(name): Path<String>, Query(asked): Query<MembersAsked>) -> Answer {
    ask(&app, move |app| {
        let now = app.handle.now();
        let limit = asked.limit.unwrap_or(MEMBERS_USUAL);
        if !(1..=MEMBERS_MOST).contains(&limit) {
            return Err(Fault::Wrong(format!("a limit is a number from 1 to {MEMBERS_MOST}")));
        }
        let cursor = asked.after.as_deref().map(Cursor::read).transpose()?;
        let after = cursor.as_ref().map(|cursor| &cursor.after);
        let (name, at, page, list) = match past_instant(asked.as_of.as_deref(), now)? {
            None => {
                let engine = app.handle.read();
                let name = known_segment(&engine, &name)?;
                let page = engine.member_names(&name, after, limit);
                (name, now, page, 0)
            }
            Some(at) => {
                let kept = cursor.as_ref().and_then(|cursor| app.past_members.find(&name, at, cursor.list));
                let (name, list, everybody) = match kept {
                    Some((name, everybody)) => (name, cursor.as_ref().map_or(0, |cursor| cursor.list), everybody),
                    None => {
                        let (name, snapshot) = past_of(app, &name)?;
                        let everybody = app.handle.with_reader(|reader| snapshot.members(reader, &name, at))?;
                        let everybody = Arc::new(snapshot.by_name(&everybody));
                        let list = app.past_members.keep(&name, at, everybody.clone());
                        (name, list, everybody)
                    }
                };
                let page = report::segments::page_of_sorted(&everybody, after, limit);
                (name, at, page, list)
            }
        };
        let next = page.next().map(|after| Cursor { after: after.clone(), list }.write());
        let names: Vec<&str> = page.people.iter().map(|place| place.name.as_ref()).collect();
        Ok(json!({ "segment": name, "as_of": at.to_string(), "count": page.count, "members": names, "next": next }))
    })
    .await
}

/// Where a page ended: after whom, and in which kept list of the past.
struct Cursor {
    after: Place,
    list: u64,
}

impl Cursor {
    fn write(&self) -> String {
        use base64::Engine as _;
        let text = format!("{} {} {}", self.list, self.after.id.0, self.after.name);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    }

    fn read(text: &str) -> Result<Cursor, Fault> {
        use base64::Engine as _;
        let read = || {
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let mut parts = text.splitn(3, ' ');
            let list = parts.next()?.parse().ok()?;
            let id = domain::CustomerId(parts.next()?.parse().ok()?);
            Some(Cursor { list, after: Place { name: parts.next()?.into(), id } })
        };
        read().ok_or_else(|| Fault::Wrong("`after` is no `next` of a page".to_owned()))
    }
}

/// Lists of past members, sorted, for the pages after the first: they show what the first one began.
#[derive(Default)]
pub struct PastMembers(Mutex<(u64, VecDeque<Kept>)>);

struct Kept {
    number: u64,
    segment: Name,
    at: Timestamp,
    everybody: Arc<Vec<Place>>,
}

impl PastMembers {
    fn find(&self, segment: &str, at: Timestamp, number: u64) -> Option<(Name, Arc<Vec<Place>>)> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &&Kept| kept.number == number && kept.segment.as_str() == segment && kept.at == at;
        lists.1.iter().find(is_it).map(|kept| (kept.segment.clone(), kept.everybody.clone()))
    }

    /// Forgets the lists: somebody in them was erased.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }

    fn keep(&self, segment: &Name, at: Timestamp, everybody: Arc<Vec<Place>>) -> u64 {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.0 += 1;
        let number = lists.0;
        lists.1.push_back(Kept { number, segment: segment.clone(), at, everybody });
        if lists.1.len() > KEPT_LISTS {
            lists.1.pop_front();
        }
        number
    }
}

/// Why at an instant; the present where none is given.
fn why_at(app: &App, name: &str, customer: &str, as_of: &AsOf) -> Result<(Name, Value, Value), Fault> {
    let now = app.handle.now();
    let at = as_of.instant(now)?.unwrap_or(now);
    app.handle.with_reader(|reader| {
        let engine = app.handle.read();
        let name = match known_segment(&engine, name) {
            Ok(name) => name,
            Err(fault) => return Ok(Err(fault)),
        };
        let missing =
            || Fault::NotFound(format!("nobody is called `{}`", customer.chars().take(100).collect::<String>()));
        let Some(why) = engine.why(reader, &name, customer, at)? else { return Ok(Err(missing())) };
        let Ok(id) = engine.look_up(customer) else { return Ok(Err(missing())) };
        let who = json!({ "customer": engine.name_of(id), "id": id.to_string(), "as_of": at.to_string() });
        Ok(Ok((name, who, json!(why))))
    })?
}

async fn why(
    State(app): State<Shared>,
    Path((name, customer)): Path<(String, String)>,
    Query(as_of): Query<AsOf>,
) -> Answer {
    ask(&app, move |app| why_at(app, &name, &customer, &as_of).map(|(_, _, why)| why)).await
}

async fn membership(
    State(app): State<Shared>,
    Path((name, customer)): Path<(String, String)>,
    Query(as_of): Query<AsOf>,
) -> Answer {
    ask(&app, move |app| {
        let (name, who, why) = why_at(app, &name, &customer, &as_of)?;
        Ok(json!({
            "segment": name, "customer": who["customer"], "id": who["id"], "as_of": who["as_of"],
            "member": why["member"], "since": why["since"], "until": why["until"],
        }))
    })
    .await
}

/// All versions of a segment, the latest first; also of one that was deleted.
fn all_versions(app: &App, name: &str) -> Result<(Name, Vec<Version>), Fault> {
    let parsed = Name::parse(name).ok();
    let versions = match &parsed {
        Some(name) => app.handle.with_reader(|reader| reader.versions(DefinitionKind::Segment, name))?,
        None => Vec::new(),
    };
    match parsed {
        Some(name) if !versions.is_empty() => Ok((name, versions)),
        _ => Err(match known_segment(&app.handle.read(), name) {
            Err(fault) => fault,
            // It was made this moment: its commit is not read yet.
            Ok(name) => Fault::NotFound(format!("no version of `{name}` is stored yet; ask again")),
        }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionsAsked {
    before: Option<u32>,
    limit: Option<usize>,
}

async fn versions(State(app): State<Shared>, Path(name): Path<String>, Query(asked): Query<VersionsAsked>) -> Answer {
    ask(&app, move |app| {
        let limit = asked.limit.unwrap_or(50);
        if !(1..=VERSIONS_MOST).contains(&limit) {
            return Err(Fault::Wrong(format!("a limit is a number from 1 to {VERSIONS_MOST}")));
        }
        let (_, versions) = all_versions(app, &name)?;
        let skip = versions.iter().take_while(|version| asked.before.is_some_and(|before| version.version >= before));
        let skip = skip.count();
        let shown = versions.iter().enumerate().skip(skip).take(limit);
        Ok(shown.map(|(place, version)| version_json(version, versions.get(place + 1))).collect::<Vec<_>>().into())
    })
    .await
}

fn place_of(name: &Name, versions: &[Version], number: u32) -> Result<usize, Fault> {
    let place = versions.iter().position(|version| version.version == number);
    place.ok_or_else(|| Fault::NotFound(format!("`{name}` has no version {number}")))
}

async fn version_of(State(app): State<Shared>, Path((name, number)): Path<(String, u32)>) -> Answer {
    ask(&app, move |app| {
        let (name, versions) = all_versions(app, &name)?;
        let place = place_of(&name, &versions, number)?;
        let mut answer = version_json(&versions[place], versions.get(place + 1));
        answer["definition"] = json!(versions[place].value);
        answer["yaml"] = json!(versions[place].value.as_ref().map(yaml::write));
        Ok(answer)
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiffAsked {
    from: Option<u32>,
    to: Option<u32>,
}

async fn diff(State(app): State<Shared>, Path(name): Path<String>, Query(asked): Query<DiffAsked>) -> Answer {
    ask(&app, move |app| {
        let (name, versions) = all_versions(app, &name)?;
        let to = match asked.to {
            Some(number) => place_of(&name, &versions, number)?,
            None => 0,
        };
        let from = match asked.from {
            Some(number) => Some(place_of(&name, &versions, number)?),
            None => Some(to + 1).filter(|place| *place < versions.len()),
        };
        let from = from.map(|place| &versions[place]);
        Ok(json!({
            "segment": name, "from": from.map(|version| version.version), "to": versions[to].version,
            "diff": diff_of(from.and_then(|version| version.value.as_ref()), versions[to].value.as_ref()),
        }))
    })
    .await
}
