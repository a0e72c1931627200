//! A folder of definitions beside the server: `plan`, `apply` and `pull`.
//!
//! Versions that came from a folder are the folder's own matter: its history (git) tells of them. What somebody saved
//! on a page or by a program no folder knows, until `pull` brings it there and notes in `.perennial.json` which
//! versions were seen, workspace by workspace. The file belongs into the folder's history, like the rest.

use super::show;
use super::{Ended, Out};
use crate::client::{Client, Reply, WrongUsage};
use crate::views::yaml;
use anyhow::{Context, bail};
use axum::http::Method;
use domain::definition::read_text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The file in which a folder notes what it has seen.
const NOTES: &str = ".perennial.json";
/// Deepest folder, and most files in it: far beyond what people keep.
const DEPTH: usize = 8;
const FILES: usize = 10_000;

/// What `plan` and `apply` are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Plan { prune: bool },
    Apply { prune: bool, force: bool },
}

/// Which versions a folder has seen, by `segment/lapsed`, in each workspace.
#[derive(Default, Serialize, Deserialize)]
struct Notes {
    #[serde(default)]
    about: String,
    #[serde(default)]
    workspaces: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Notes {
    fn read(folder: &Path) -> anyhow::Result<Notes> {
        let file = folder.join(NOTES);
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let words = format!("{}: {error}; delete it and pull again", file.display());
                WrongUsage(words).into()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Notes::default()),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
        }
    }

    fn write(mut self, folder: &Path) -> anyhow::Result<()> {
        "the versions that this folder last pulled; keep it with the folder".clone_into(&mut self.about);
        write(&folder.join(NOTES), &format!("{}\n", serde_json::to_string_pretty(&self)?))
    }
}

/// The folder that a path names, or in which the file lies.
fn folder_of(path: &Path) -> &Path {
    if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) }
}

/// Asks what a folder or file of definitions would change, or makes it so.
pub(super) fn send(client: &Client, path: &Path, way: Way, out: &Out) -> anyhow::Result<Ended> {
    let files = read_files(path)?;
    if files.is_empty() {
        bail!("{} holds no .yaml, .yml or .json files", path.display());
    }
    let documents: Vec<Value> =
        files.iter().map(|(file, text)| json!({ "origin": file.display().to_string(), "text": text })).collect();
    let workspace = show::text(&client.get("/api/definitions")?, "workspace");
    let seen = Notes::read(folder_of(path))?.workspaces.remove(&workspace).unwrap_or_default();
    let (is_plan, prune, force) = match way {
        Way::Plan { prune } => (true, prune, false),
        Way::Apply { prune, force } => (false, prune, force),
    };
    let asked = json!({
        "documents": documents, "dry_run": is_plan, "by": crate::api::definitions::FOLDERS, "seen": seen,
        "prune": prune, "force": force,
    });
    let Reply { status, body } = client.ask(&Method::POST, "/api/definitions", Some(serde_json::to_vec(&asked)?))?;
    if status == 409 && body["code"] == "drift" {
        let answer = json!({ "changes": [], "drift": body["drift"] });
        out.answer(&answer, |print| {
            writeln!(print, "nothing was applied.")?;
            drift(print, &answer)?;
            writeln!(print, "`perennial pull` brings it here; `apply --force` overwrites it.")
        })?;
        return Ok(Ended::No);
    }
    let answer = Client::successful(Reply { status, body })?;
    out.answer(&answer, |print| {
        show::changes(print, &answer)?;
        for one in answer["diffs"].as_array().into_iter().flatten() {
            writeln!(print, "\n{} {}", show::text(one, "kind"), show::text(one, "name"))?;
            for line in one["diff"].as_str().unwrap_or_default().lines() {
                writeln!(print, "  {}", show::one_line(line))?;
            }
        }
        for warning in answer["warnings"].as_array().into_iter().flatten() {
            let word = |key| show::text(warning, key);
            writeln!(print, "warning: {} {}: {}", word("kind"), word("name"), word("warning"))?;
        }
        drift(print, &answer)?;
        let only: Vec<&Value> = answer["only_on_server"].as_array().into_iter().flatten().collect();
        if !only.is_empty() {
            writeln!(print, "\nonly on the server, left as they are:")?;
            for one in only {
                let used = match one["used_by"].as_array().map_or(0, Vec::len) {
                    0 => "",
                    _ => " (in use)",
                };
                writeln!(print, "  {} {}{used}", show::text(one, "kind"), show::text(one, "name"))?;
            }
        }
        Ok(())
    })?;
    let drifted = answer["drift"].as_array().is_some_and(|drift| !drift.is_empty());
    // A plan that would be refused is a no; what was overwritten with `--force` was wanted.
    Ok(if is_plan && drifted { Ended::No } else { Ended::Yes })
}

fn drift(print: &mut dyn Write, answer: &Value) -> std::io::Result<()> {
    for one in answer["drift"].as_array().into_iter().flatten() {
        let word = |key| show::text(one, key);
        writeln!(
            print,
            "drift: {} {} was changed on the server by {} at {} (version {}):",
            word("kind"),
            word("name"),
            word("by"),
            word("at"),
            word("version")
        )?;
        for line in one["diff"].as_str().unwrap_or_default().lines() {
            writeln!(print, "  {}", show::one_line(line))?;
        }
    }
    Ok(())
}

/// The files of definitions of a folder, or the one file, each with its text.
fn read_files(path: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    collect(path, &mut files, 0)?;
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            Ok((file, text))
        })
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>, depth: usize) -> anyhow::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > DEPTH || files.len() > FILES {
        bail!("{} is too deep or holds too many files for a folder of definitions", path.display());
    }
    for entry in std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let fits =
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json");
        if !hidden && (path.is_dir() || fits) {
            collect(&path, files, depth + 1)?;
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// Kind and name, such as `segment/lapsed`.
type Key = String;

/// Writes the definitions in force into a folder: over those that differ, where they stand; new ones into files of
/// their own, such as `segments/lapsed-regulars.yaml`. What is as it was keeps its text, comments and all.
pub(super) fn pull(client: &Client, folder: &Path, out: &Out) -> anyhow::Result<()> {
    let answer = fetch(client, folder)?;
    let list = |key: &str| answer[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    out.answer(&answer, |print| {
        let (count, files) = (&answer["definitions"], list("files").count());
        writeln!(print, "{count} definitions, {files} files written to {}", folder.display())?;
        for file in list("files") {
            writeln!(print, "  {}", show::one_line(file))?;
        }
        for key in list("only_here") {
            writeln!(print, "only here, left as it is: {key}")?;
        }
        Ok(())
    })
}

/// Writes the server's definitions into a folder; says which files it wrote.
pub(super) fn fetch(client: &Client, folder: &Path) -> anyhow::Result<Value> {
    let pulled = client.get("/api/definitions")?;
    let mut there: BTreeMap<Key, &Value> = BTreeMap::new();
    for one in pulled["definitions"].as_array().into_iter().flatten() {
        there.insert(format!("{}/{}", show::text(one, "kind"), show::text(one, "name")), one);
    }
    let files = if folder.exists() { read_files(folder)? } else { Vec::new() };
    let mut here: BTreeSet<Key> = BTreeSet::new();
    let mut writes: Vec<(PathBuf, String)> = Vec::new();
    for (file, text) in &files {
        let (keys, changed) = updated(file, text, &there)?;
        here.extend(keys);
        if let Some(changed) = changed {
            writes.push((file.clone(), changed));
        }
    }
    for (key, one) in there.iter().filter(|(key, _)| !here.contains(*key)) {
        // Kinds and names were checked when they were defined: letters, digits and `-` only.
        let (kind, name) = key.split_once('/').context("the server's answer makes no sense")?;
        let file = match kind {
            "workspace" => folder.join("settings.yaml"),
            kind => folder.join(format!("{kind}s")).join(format!("{name}.yaml")),
        };
        let own = yaml::write(&one["definition"]);
        // A file of that name that defines something else goes on doing so.
        let text = match files.iter().find(|(other, _)| *other == file) {
            Some((_, before)) => format!("{}\n---\n{own}", before.trim_end()),
            None => own,
        };
        match writes.iter_mut().find(|(other, _)| *other == file) {
            Some((_, planned)) => {
                *planned = format!("{}\n---\n{}", planned.trim_end(), yaml::write(&one["definition"]))
            }
            None => writes.push((file, text)),
        }
    }
    for (file, text) in &writes {
        write(file, text)?;
    }
    let mut notes = Notes::read(folder)?;
    let seen = there.iter().filter_map(|(key, one)| {
        let version = u32::try_from(one["version"].as_u64()?).ok()?;
        Some((key.clone(), version))
    });
    notes.workspaces.insert(show::text(&pulled, "workspace"), seen.collect());
    notes.write(folder)?;
    let only_here: Vec<&Key> = here.iter().filter(|key| !there.contains_key(*key)).collect();
    let written: Vec<String> = writes.iter().map(|(file, _)| file.display().to_string()).collect();
    Ok(json!({ "files": written, "definitions": there.len(), "only_here": only_here }))
}

/// What a file defines, and its text with what changed on the server put in, if anything did.
fn updated(file: &Path, text: &str, there: &BTreeMap<Key, &Value>) -> anyhow::Result<(Vec<Key>, Option<String>)> {
    let origin = file.display().to_string();
    let read = |text: &str| read_text(text, &origin).map_err(|error| WrongUsage(error.to_string()));
    let defined = read(text)?;
    let key = |one: &domain::definition::Defined| format!("{}/{}", one.definition.kind().word(), one.definition.name());
    let keys: Vec<Key> = defined.iter().map(key).collect();
    // The server's, where it differs.
    let new = |one: &domain::definition::Defined| {
        there.get(&key(one)).map(|found| &found["definition"]).filter(|value| **value != one.value)
    };
    if defined.iter().all(|one| new(one).is_none()) {
        return Ok((keys, None));
    }
    // Documents that hold one definition each are changed one by one, so that the others keep their text.
    let pieces = split_documents(text);
    let single: Option<Vec<Option<&Value>>> = pieces
        .iter()
        .map(|piece| match read(piece).ok()?.as_slice() {
            [] => Some(None),
            [one] => Some(new(one)),
            _ => None,
        })
        .collect();
    let is_json = file.extension().is_some_and(|extension| extension == "json");
    let changed = match single {
        Some(news) if !is_json => pieces
            .iter()
            .zip(news)
            .map(|(piece, new)| match new {
                Some(value) => format!("{}{}", head_of(piece), yaml::write(value)),
                None => (*piece).to_owned(),
            })
            .collect(),
        _ => {
            let values: Vec<&Value> = defined.iter().map(|one| new(one).unwrap_or(&one.value)).collect();
            match (is_json, values.as_slice()) {
                (true, [value]) => format!("{value:#}\n"),
                (true, values) => format!("{:#}\n", json!(values)),
                (false, values) => yaml::write_all(values.iter().copied()),
            }
        }
    };
    // A text that would not say what the server says is not written.
    let said: Vec<Value> = read(&changed)?.into_iter().map(|one| one.value).collect();
    let meant: Vec<Value> = defined.iter().map(|one| new(one).unwrap_or(&one.value).clone()).collect();
    if said != meant {
        bail!("{origin} cannot be brought up to date by itself; split it into one definition a file");
    }
    Ok((keys, Some(changed)))
}

/// The documents of a text, each with the line of dashes that begins it.
fn split_documents(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && (line.trim_end() == "---" || line.starts_with("--- ")) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

/// The comments, empty lines and dashes with which a document begins: they are not the definition's.
fn head_of(piece: &str) -> &str {
    let mut end = 0;
    for line in piece.split_inclusive('\n') {
        let is_head = line.trim().is_empty() || line.starts_with('#') || line.trim_end() == "---";
        if !is_head {
            break;
        }
        end += line.len();
    }
    &piece[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_change_on_the_server_keeps_its_text_and_what_did_its_heading() {
        let text = "# ours\nsegment: a\nwhere: { everyone: true } # all of them\n---\n# theirs\nsegment: b\nwhere: { list: x }\n";
        let b = json!({ "segment": "b", "where": { "list": "gold" } });
        let (a, b) =
            (json!({ "definition": { "segment": "a", "where": { "everyone": true } } }), json!({ "definition": b }));
        let there = BTreeMap::from([("segment/a".to_owned(), &a), ("segment/b".to_owned(), &b)]);
        let (keys, changed) = updated(Path::new("x.yaml"), text, &there).unwrap();
        assert_eq!(keys, ["segment/a", "segment/b"]);
        let changed = changed.unwrap();
        assert_eq!(
            changed,
            "# ours\nsegment: a\nwhere: { everyone: true } # all of them\n---\n# theirs\nsegment: b\nwhere: { list: gold }\n"
        );
        assert!(updated(Path::new("x.yaml"), &changed, &there).unwrap().1.is_none(), "nothing is left to change");
    }

    #[test]
    fn a_list_of_definitions_is_written_anew_as_documents() {
        let text = "- segment: a\n  where: { list: x }\n- segment: b\n  where: { list: x }\n";
        let b = json!({ "definition": { "segment": "b", "where": { "list": "gold" } } });
        let there = BTreeMap::from([("segment/b".to_owned(), &b)]);
        let changed = updated(Path::new("x.yaml"), text, &there).unwrap().1.unwrap();
        assert_eq!(changed, "segment: a\nwhere: { list: x }\n---\nsegment: b\nwhere: { list: gold }\n");
        let changed =
            updated(Path::new("x.json"), "[{\"segment\":\"b\",\"where\":{\"list\":\"x\"}}]", &there).unwrap().1;
        assert_eq!(serde_json::from_str::<Value>(&changed.unwrap()).unwrap(), b["definition"]);
    }
}
