//! `perennial export`: the data as files that any tool reads.

use super::{Out, folder, show};
use crate::client::{Client, WrongUsage};
use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// What is known at present.
const PRESENT: [&str; 5] = ["customers", "traits", "records", "memberships", "consents"];
/// What happened.
const PAST: [&str; 4] = ["events", "messages", "webhooks", "tasks"];

/// What `export` is told.
#[derive(Args)]
pub(super) struct Export {
    /// The past as well: events, messages, webhooks, tasks, calls that another Perennial can import, and definitions
    #[arg(long)]
    all: bool,
    /// How tables are written
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// A directory that is empty or not there
    #[arg(long, value_name = "DIR", default_value = "perennial-export")]
    to: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For other programs
    Parquet,
    /// One JSON object a line
    Jsonl,
    /// With a line of names
    Csv,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Form::Parquet => "parquet",
            Form::Jsonl => "jsonl",
            Form::Csv => "csv",
        }
    }
}

/// Writes the files. Each is whole or not there: it bears another name while it is written.
pub(super) fn export(
    export: &Export,
    client: impl FnOnce() -> anyhow::Result<Client>,
    out: &Out,
) -> anyhow::Result<()> {
    let dir = &export.to;
    if is_taken(dir) {
        let words = format!("{} is not an empty directory; name another with --to", dir.display());
        return Err(WrongUsage(words).into());
    }
    let client = client()?;
    let result = write_all(export, &client);
    client.close();
    let files = result?;
    let answer = json!({ "to": dir.display().to_string(), "files": files });
    out.answer(&answer, |print| {
        for file in &files {
            writeln!(print, "{:>12} bytes  {}", file["bytes"], show::text(file, "file"))?;
        }
        writeln!(print, "everything is in {}", dir.display())
    })
}

fn write_all(export: &Export, client: &Client) -> anyhow::Result<Vec<Value>> {
    let dir = &export.to;
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{msg} {bytes}, {bytes_per_sec}").context("the progress has no shape")?);
    let past: &[&str] = if export.all { &PAST } else { &[] };
    let mut files = Vec::new();
    for table in PRESENT.iter().chain(past) {
        let asked = json!({ "sql": format!("SELECT * FROM {table}"), "format": export.format.word() });
        let file = format!("{table}.{}", export.format.word());
        files.push(download(client, dir, &file, "/api/query", &asked, &bar)?);
    }
    if export.all {
        files.push(download(client, dir, "calls.jsonl", "/api/export/calls", &json!({}), &bar)?);
        folder::fetch(client, &dir.join("definitions"))?;
        files.push(json!({ "file": "definitions", "bytes": size_of(&dir.join("definitions"))? }));
    }
    bar.finish_and_clear();
    Ok(files)
}

fn download(
    client: &Client,
    dir: &Path,
    name: &str,
    path: &str,
    asked: &Value,
    bar: &ProgressBar,
) -> anyhow::Result<Value> {
    let (part, file) = (dir.join(format!("{name}.part")), dir.join(name));
    let io = || format!("{} cannot be written", file.display());
    bar.reset();
    bar.set_message(name.to_owned());
    let mut to = BufWriter::new(bar.wrap_write(private(&part).with_context(io)?));
    client.download(path, asked, &mut to).with_context(io)?;
    to.into_inner().map_err(|error| error.into_error()).with_context(io)?;
    std::fs::rename(&part, &file).with_context(io)?;
    Ok(json!({ "file": name, "bytes": file.metadata().with_context(io)?.len() }))
}

/// Whether a directory holds something, or cannot be looked into.
pub(super) fn is_taken(dir: &Path) -> bool {
    dir.exists() && std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_some())
}

/// It tells of people: only its owner may read it.
pub(super) fn private(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn size_of(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
