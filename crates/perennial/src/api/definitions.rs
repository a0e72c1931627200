//! `/api/definitions`: a folder of definitions as a whole. What it would change, putting it in force, getting it back.
//!
//! Drift: a definition whose latest version was not put in force from a folder, but on a page or by a program, and
//! that the asking folder has not seen since. Which versions a folder has seen it tells itself (`seen`).

use crate::api::openapi::shape;
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, Problem, ask, ask_for};
use crate::api::{App, Shared};
use crate::views::yaml;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, header};
use domain::definition::{Defined, DefinitionError, read_text};
use domain::{DefinitionKind, Name};
use engine::Engine;
use engine::define::{Change, DefineError, Wanted};
use engine::segment::backfill::Backfilled;
use serde::Deserialize;
use serde_json::{Value, json};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};

/// A version as stored.
pub(super) type Version = store::DefinitionVersion;

/// Who puts folders in force: versions by this author are no drift, for the folder's own history tells of them.
pub const FOLDERS: &str = "command line";

/// Most bytes of a folder of definitions.
const FOLDER_BYTES: usize = 32 << 20;
/// Most documents of a folder.
const DOCUMENTS: usize = 10_000;

/// What stands under `/api/definitions`.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(Method::GET, "/api/definitions", "pullDefinitions", "All definitions in force.", pull)
            .answers(shape("Pulled")),
        Operation::new(
            Method::POST,
            "/api/definitions",
            "applyDefinitions",
            "Puts definitions in force, all or none; with `dry_run` tells what that would do.",
            apply,
        )
        .says("What others changed on the server since the asking folder saw it is drift: it is told, and overwritten with `force` only. Definitions that the folder lacks are listed, and deleted with `prune` only, where nothing uses them.")
        .takes_json(shape("Definitions"))
        .takes_up_to(FOLDER_BYTES)
        .answers(shape("Changes"))
        .may_say(&["definition", "drift", "exists"]),
    ]
}

/// Who asks, as a program says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Author {
    by: Option<String>,
}

impl Author {
    pub(super) fn name(&self) -> Result<String, Fault> {
        checked_author(self.by.as_deref().unwrap_or("a program"))
    }
}

fn checked_author(by: &str) -> Result<String, Fault> {
    if by.is_empty() || by.chars().count() > 100 || by.chars().any(char::is_control) {
        return Err(Fault::Wrong("`by` has 1 to 100 characters".to_owned()));
    }
    Ok(by.to_owned())
}

/// Reads a body that is one segment's definition: JSON or YAML.
pub(super) async fn one_segment(headers: &HeaderMap, body: Bytes) -> Result<Defined, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
    if !known.contains(&kind.as_str()) {
        let detail = format!("a definition is application/json or application/yaml, not `{kind}`");
        return Err(Problem::new("wrong_media", detail).into());
    }
    let Ok(text) = String::from_utf8(body.to_vec()) else {
        return Err(Fault::Wrong("the body is no text in UTF-8".to_owned()));
    };
    let mut read = tokio::task::spawn_blocking(move || read_text(&text, "the request"))
        .await
        .map_err(|error| Fault::Broken(error.to_string()))??;
    match (read.pop(), read.is_empty()) {
        (Some(one), true) if one.definition.kind() == DefinitionKind::Segment => Ok(one),
        (Some(one), true) => {
            Err(Fault::Wrong(format!("this is a {}; a segment is asked for here", one.definition.kind().word())))
        }
        (None, _) => Err(Fault::Wrong("the body is empty; a segment is asked for here".to_owned())),
        _ => Err(Fault::Wrong("one segment at a time; several go to /api/definitions".to_owned())),
    }
}

/// The lines by which two values of a definition differ, as `diff -u` shows them; none is nothing.
pub(super) fn diff_of(from: Option<&Value>, to: Option<&Value>) -> String {
    let text = |value: Option<&Value>| value.map(yaml::write).unwrap_or_default();
    let (from, to) = (text(from), text(to));
    TextDiff::from_lines(&from, &to).unified_diff().context_radius(2).to_string()
}

/// A version, with what it changed of the one before.
pub(super) fn version_json(version: &Version, before: Option<&Version>) -> Value {
    let old = before.and_then(|before| before.value.as_ref());
    let action = match (&version.value, old) {
        (None, _) => "deleted",
        (Some(_), None) => "created",
        (Some(_), Some(_)) => "changed",
    };
    json!({
        "version": version.version, "at": version.at.to_string(), "by": version.by, "action": action,
        "diff": diff_of(old, version.value.as_ref()),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definitions {
    documents: Vec<Document>,
    #[serde(default)]
    dry_run: bool,
    by: String,
    /// Versions that the folder has seen, by `segment/lapsed`. Absent: whoever asks takes the server as it is.
    seen: Option<BTreeMap<String, u32>>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    prune: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    origin: String,
    text: String,
}

/// A folder that was read.
struct Folder {
    documents: Vec<Document>,
    defined: Vec<Defined>,
    seen: Option<BTreeMap<String, u32>>,
    prune: bool,
}

impl Folder {
    fn read(asked: Definitions) -> Result<Folder, Fault> {
        if asked.documents.len() > DOCUMENTS {
            return Err(Fault::Wrong(format!("{} documents, more than {DOCUMENTS}", asked.documents.len())));
        }
        let mut defined: Vec<Defined> = Vec::new();
        let mut seen: BTreeMap<(DefinitionKind, Name), &str> = BTreeMap::new();
        for document in &asked.documents {
            for one in read_text(&document.text, &document.origin)? {
                let (kind, name) = (one.definition.kind(), one.definition.name());
                if let Some(other) = seen.insert((kind, name.clone()), &document.origin) {
                    let place = if other == document.origin { String::new() } else { format!(" and in {other}") };
                    let detail = format!("{} `{name}` is defined twice, in {}{place}", kind.word(), document.origin);
                    return Err(Fault::Wrong(detail));
                }
                defined.push(one);
            }
        }
        Ok(Folder { documents: asked.documents, defined, seen: asked.seen, prune: asked.prune })
    }

    /// What was changed on the server by somebody else than a folder, and is not as the folder has it.
    fn drift(&self, engine: &Engine) -> Vec<Value> {
        let Some(seen) = &self.seen else { return Vec::new() };
        let mut drift = Vec::new();
        for one in &self.defined {
            let (kind, name) = (one.definition.kind(), one.definition.name());
            let Some(version) = engine.version(kind, &name) else { continue };
            let differs = version.value.as_ref() != Some(&one.value);
            let own = seen.get(&key_of(kind, &name)).copied();
            if differs && !version.by.starts_with(FOLDERS) && own != Some(version.version) {
                drift.push(json!({
                    "kind": kind, "name": name, "version": version.version, "by": version.by,
                    "at": version.at.to_string(), "seen": own,
                    "diff": diff_of(Some(&one.value), version.value.as_ref()),
                }));
            }
        }
        drift
    }

    /// Definitions in force that the folder lacks; the settings are never among those to delete.
    fn missing<'e>(&self, engine: &'e Engine) -> Vec<&'e Version> {
        let own: BTreeSet<(DefinitionKind, Name)> =
            self.defined.iter().map(|one| (one.definition.kind(), one.definition.name())).collect();
        engine.all_versions().filter(|version| !own.contains(&(version.kind, version.name.clone()))).collect()
    }

    /// Those of them that nothing uses once the folder is in force: users before what they use.
    fn to_prune(&self, engine: &Engine) -> Vec<(DefinitionKind, Name)> {
        if !self.prune {
            return Vec::new();
        }
        let mut after = engine.definitions().clone();
        for one in &self.defined {
            after.put(one.definition.clone());
        }
        let mut left: Vec<(DefinitionKind, Name)> =
            self.missing(engine).into_iter().map(|version| (version.kind, version.name.clone())).collect();
        left.retain(|(kind, _)| *kind != DefinitionKind::Workspace);
        let mut pruned = Vec::new();
        loop {
            let before = pruned.len();
            left.retain(|(kind, name)| {
                let free = after.users_of(*kind, name).is_empty();
                if free {
                    after.remove(*kind, name);
                    pruned.push((*kind, name.clone()));
                }
                !free
            });
            if pruned.len() == before {
                return pruned;
            }
        }
    }

    fn wanted(&self, engine: &Engine) -> Wanted {
        Wanted { put: self.defined.clone(), delete: self.to_prune(engine) }
    }

    /// Says in which file an error stands that shows only when all definitions stand together.
    fn locate(&self, error: DefineError) -> Fault {
        match error {
            DefineError::Definition(error) => self.locate_definition(error).into(),
            other => other.into(),
        }
    }

    fn locate_definition(&self, error: DefinitionError) -> DefinitionError {
        let places = self.documents.iter().map(|document| error.clone().located(&document.text, &document.origin));
        places.into_iter().find(|error| error.line.is_some()).unwrap_or(error)
    }

    /// The answer: what changes, by which lines, what drifted, and what only the server has. `before`: the values in
    /// force before.
    fn answer(&self, engine: &Engine, changes: &[Change], before: &Before, drift: &[Value]) -> Value {
        let diffs: Vec<Value> = changes
            .iter()
            .filter(|change| change.action != "unchanged")
            .map(|change| {
                let own = |one: &&Defined| one.definition.kind() == change.kind && one.definition.name() == change.name;
                let new = self.defined.iter().find(own).map(|one| &one.value);
                let old = before.get(&(change.kind, change.name.clone()));
                json!({ "kind": change.kind, "name": change.name, "diff": diff_of(old, new) })
            })
            .collect();
        let gone: BTreeSet<(DefinitionKind, &Name)> = changes
            .iter()
            .filter(|change| change.action == "deleted")
            .map(|change| (change.kind, &change.name))
            .collect();
        let only_on_server: Vec<Value> = self
            .missing(engine)
            .into_iter()
            .filter(|version| !gone.contains(&(version.kind, &version.name)))
            .map(|version| {
                json!({
                    "kind": version.kind, "name": version.name, "version": version.version, "by": version.by,
                    "at": version.at.to_string(), "used_by": engine.users_of(version.kind, &version.name),
                })
            })
            .collect();
        json!({
            "changes": changes, "diffs": diffs, "drift": drift, "only_on_server": only_on_server,
            "workspace": engine.workspace_id(),
        })
    }
}

/// The values in force before a change, of what changes.
type Before = BTreeMap<(DefinitionKind, Name), Value>;

fn values_of(engine: &Engine, wanted: &Wanted) -> Before {
    let put = wanted.put.iter().map(|one| (one.definition.kind(), one.definition.name()));
    let names = put.chain(wanted.delete.iter().cloned());
    names
        .filter_map(|(kind, name)| {
            let value = engine.version(kind, &name)?.value.clone()?;
            Some(((kind, name), value))
        })
        .collect()
}

/// How a folder's notes name a definition.
fn key_of(kind: DefinitionKind, name: &Name) -> String {
    format!("{}/{name}", kind.word())
}

/// Reads of history what definitions will need, beside the writer. None where nothing need be read, or where they cannot
/// be used: making them so says why.
pub(super) async fn read_ahead(app: &Shared, defined: Vec<Defined>) -> Result<Option<Backfilled>, Fault> {
    ask_for(app, move |app| {
        let Ok(Some(backfill)) = app.handle.read().backfill(&defined) else { return Ok(None) };
        Ok(Some(app.handle.with_reader(|reader| backfill.run(reader))?))
    })
    .await
}

async fn apply(State(app): State<Shared>, Json(asked): Json<Definitions>) -> Answer {
    let (by, is_dry, force) = (checked_author(&asked.by)?, asked.dry_run, asked.force);
    let read = tokio::task::spawn_blocking(move || Folder::read(asked)).await;
    let folder = read.map_err(|error| Fault::Broken(error.to_string()))??;
    if is_dry {
        return ask(&app, move |app| plan(app, &folder)).await;
    }
    let ahead = read_ahead(&app, folder.defined.clone()).await?;
    let applied = app.handle.change_later(1, move |engine, now| -> Result<Value, Fault> {
        let drift = folder.drift(engine);
        if !drift.is_empty() && !force {
            let detail = format!(
                "{} changed on the server since this folder saw it: pull, or apply with force to overwrite",
                if drift.len() == 1 {
                    "one definition was".to_owned()
                } else {
                    format!("{} definitions were", drift.len())
                }
            );
            return Err(Problem::new("drift", detail).with("drift", drift).into());
        }
        let wanted = folder.wanted(engine);
        let before = values_of(engine, &wanted);
        let changes = engine.change_definitions(wanted, &by, now, ahead).map_err(|error| folder.locate(error))?;
        Ok(folder.answer(engine, &changes, &before, &drift))
    });
    Ok(Json(applied.await??))
}

/// What a folder would change. The lock is held while its rules are compiled and asked of the live state; where history
/// must be walked, that is done without it.
fn plan(app: &App, folder: &Folder) -> Result<Value, Fault> {
    let (draft, before) = {
        let engine = app.handle.read();
        let wanted = folder.wanted(&engine);
        let before = values_of(&engine, &wanted);
        (engine.draft(&wanted).map_err(|error| folder.locate(error))?, before)
    };
    let changes = app.handle.with_reader(|reader| draft.changes(reader))?;
    let engine = app.handle.read();
    let mut answer = folder.answer(&engine, &changes, &before, &folder.drift(&engine));
    let warnings: Vec<Value> = draft
        .parts()
        .iter()
        .filter(|part| part.change.action != "unchanged")
        .flat_map(|part| {
            let (kind, name) = (part.change.kind, &part.change.name);
            part.warnings.iter().map(move |warning| json!({ "kind": kind, "name": name, "warning": warning }))
        })
        .collect();
    answer["warnings"] = warnings.into();
    Ok(answer)
}

async fn pull(State(app): State<Shared>) -> Answer {
    ask(&app, |app| {
        let engine = app.handle.read();
        let list: Vec<Value> = engine
            .all_versions()
            .map(|version| {
                json!({
                    "kind": version.kind, "name": version.name, "version": version.version, "by": version.by,
                    "at": version.at.to_string(), "definition": version.value,
                    "yaml": version.value.as_ref().map(yaml::write),
                })
            })
            .collect();
        Ok(json!({ "workspace": engine.workspace_id(), "definitions": list }))
    })
    .await
}
