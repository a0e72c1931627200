//! Commands that read and write files: import, the demo's directory.

use super::{Ended, Out};
use crate::client::{Client, WrongUsage};
use crate::config::Config;
use crate::serve::serve;
use anyhow::Context;
use clap::Args;
use import::{Item, Mapping, RefusalReason, Refused, RefusedWriter, Source};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Calls of one request of an import, and their size at most.
const PIECE_CALLS: usize = 5_000;
const PIECE_BYTES: usize = 12 << 20;

/// What `import` is told.
#[derive(Args)]
pub(super) struct Import {
    /// CSV, JSON lines or Parquet; gzip and zstd too
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A shipped mapping (online-retail, cdnow, grocery, segment-calls) or a YAML file
    #[arg(long, value_name = "NAME|FILE")]
    map: Option<String>,
    /// Show what the first rows would become, and a mapping if none was given
    #[arg(long)]
    preview: bool,
    /// Read everything, store nothing
    #[arg(long)]
    dry_run: bool,
    /// Write refused rows and their reasons to this file
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
}

/// Brings files in. Importing twice changes nothing: ids come from the data; so an import that was
/// interrupted is simply started again.
pub(super) fn import(
    import: &Import,
    client: impl FnOnce() -> anyhow::Result<Client>,
    out: &Out,
) -> anyhow::Result<Ended> {
    let Some(map) = &import.map else {
        if import.preview {
            let proposed = import::sniff(&import.files[0])?;
            return out
                .answer(&json!({ "mapping": proposed }), |print| write!(print, "{proposed}"))
                .map(|()| Ended::Yes);
        }
        let words =
            "say what the columns mean with --map NAME or --map FILE; `--preview` without it proposes a mapping";
        return Err(WrongUsage(words.to_owned()).into());
    };
    let mapping = mapping(map)?;
    if import.preview {
        let preview = import::preview(&import.files, &mapping, 10)?;
        let answer = json!({
            "calls": preview.calls.iter().map(|call| serde_json::from_str::<Value>(&call.json).unwrap_or_default()).collect::<Vec<_>>(),
            "refused": preview.refused.iter().map(|refused| json!({ "file": refused.file, "line": refused.line, "reason": refused.reason.as_str() })).collect::<Vec<_>>(),
        });
        out.document(&answer)?;
        return Ok(Ended::Yes);
    }
    let source = Source::open(&import.files, &mapping)?;
    let refused_to = match &import.refused {
        Some(file) => {
            let file = std::fs::File::create(file).with_context(|| format!("{} cannot be written", file.display()))?;
            Some(RefusedWriter::new(std::io::BufWriter::new(file)))
        }
        None => None,
    };
    let client = if import.dry_run { None } else { Some(client()?) };
    let mut run = Run {
        client,
        name: mapping.name().to_owned(),
        refused_to,
        piece: Vec::new(),
        piece_bytes: 0,
        accepted: 0,
        duplicates: 0,
        engine_refused: Vec::new(),
    };
    let result = run.read(source);
    let (client, refused_to) = (run.client.take(), run.refused_to.take());
    if let Some(client) = client {
        client.close();
    }
    let mut summary = result?;
    for refused in &run.engine_refused {
        summary.add_refused(refused);
    }
    if let Some(writer) = refused_to {
        writer.finish()?.flush()?;
    }
    let mut answer = serde_json::to_value(&summary)?;
    answer["accepted"] = run.accepted.into();
    answer["duplicates"] = run.duplicates.into();
    out.answer(&answer, |print| {
        let number = |key: &str| answer[key].as_u64().unwrap_or_default();
        writeln!(print, "{} rows read, {} customers", number("rows"), number("customers"))?;
        for (name, count) in answer["events_by_name"].as_object().into_iter().flatten() {
            writeln!(print, "  {count:>9}  {name}")?;
        }
        match import.dry_run {
            true => writeln!(print, "nothing was stored: a dry run")?,
            false => writeln!(print, "{} accepted, {} known before", number("accepted"), number("duplicates"))?,
        }
        if number("refused") > 0 {
            writeln!(print, "{} rows refused:", number("refused"))?;
            for (reason, count) in answer["refused_by_reason"].as_object().into_iter().flatten() {
                writeln!(print, "  {count:>9}  {reason}")?;
            }
        }
        Ok(())
    })?;
    Ok(if answer["refused"].as_u64().unwrap_or_default() > 0 { Ended::No } else { Ended::Yes })
}

fn mapping(map: &str) -> anyhow::Result<Mapping> {
    if let Some(mapping) = Mapping::shipped(map) {
        return Ok(mapping);
    }
    match std::fs::read_to_string(map) {
        Ok(text) => Ok(Mapping::parse(&text, map)?),
        Err(error) => {
            let near = Mapping::nearest_shipped(map)
                .map(|near| format!("; did you mean the shipped `{near}`?"))
                .unwrap_or_default();
            Err(error).with_context(|| format!("no mapping `{map}` is shipped, and no such file can be read{near}"))
        }
    }
}

/// An import under way.
struct Run {
    client: Option<Client>,
    name: String,
    refused_to: Option<RefusedWriter<std::io::BufWriter<std::fs::File>>>,
    piece: Vec<import::Call>,
    piece_bytes: usize,
    accepted: u64,
    duplicates: u64,
    engine_refused: Vec<Refused>,
}

impl Run {
    fn read(&mut self, mut source: Source) -> anyhow::Result<import::Summary> {
        let bar = bar();
        while let Some(item) = source.next() {
            match item? {
                Item::Call(call) => {
                    self.piece_bytes += call.json.len();
                    self.piece.push(call);
                    if self.piece.len() >= PIECE_CALLS || self.piece_bytes >= PIECE_BYTES {
                        self.send(&source)?;
                    }
                }
                Item::Refused(refused) => {
                    if let Some(writer) = &mut self.refused_to {
                        writer.write(&refused)?;
                    }
                }
                Item::Progress(progress) => {
                    bar.set_length(progress.bytes_total.max(1));
                    bar.set_position(progress.bytes_read);
                    bar.set_message(format!("{} rows", progress.rows));
                }
            }
        }
        self.send(&source)?;
        bar.finish_and_clear();
        Ok(source.into_summary())
    }

    /// Sends a piece; it is stored when the answer comes.
    fn send(&mut self, source: &Source) -> anyhow::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        self.piece_bytes = 0;
        let Some(client) = self.client.as_ref().filter(|_| !piece.is_empty()) else {
            return Ok(());
        };
        let mut body = Vec::with_capacity(piece.iter().map(|call| call.json.len() + 1).sum::<usize>() + 16);
        body.extend_from_slice(b"{\"batch\":[");
        for (index, call) in piece.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(call.json.as_bytes());
        }
        body.extend_from_slice(b"]}");
        let answer = client.post_bytes(&format!("/api/import?source={}", crate::client::in_url(&self.name)), body)?;
        self.accepted += answer["accepted"].as_u64().unwrap_or_default();
        self.duplicates += answer["duplicates"].as_u64().unwrap_or_default();
        for refused in answer["refused"].as_array().into_iter().flatten() {
            let Some(call) = refused["index"].as_u64().and_then(|index| piece.get(usize::try_from(index).ok()?)) else {
                continue;
            };
            let refused = Refused {
                file: source.file_name(call.file).unwrap_or_default().to_owned(),
                line: call.line,
                reason: RefusalReason::Other(super::show::text(refused, "message")),
                row: call.json.clone(),
            };
            if let Some(writer) = &mut self.refused_to {
                writer.write(&refused)?;
            }
            for _ in 0..call.rows.max(1) {
                self.engine_refused.push(refused.clone());
            }
        }
        Ok(())
    }
}

/// A progress bar on standard error; hidden where that is no terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Fills a fresh directory in a process of its own, so that the memory which thirty months at once take goes back with it:
/// the one that serves is as small as any that starts on a day's work.
fn fill_apart(dir: &Path) -> anyhow::Result<crate::demo::DemoShop> {
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--no-serve").stdout(std::process::Stdio::null());
    let ended = command.status().context("the shop cannot be opened in a process of its own")?;
    match crate::demo::DemoShop::read(dir)? {
        Some(shop) if ended.success() => Ok(shop),
        _ => anyhow::bail!(
            "the shop could not be opened: the reason stands above; empty {} before you try again",
            dir.display()
        ),
    }
}

/// Fills a fresh directory with the demo and serves it; one that is filled is only served.
pub(super) fn demo(
    dir: &Path,
    config: &Config,
    out: &Out,
    listen: Option<SocketAddr>,
    no_serve: bool,
    seed: u64,
    customers: u32,
) -> anyhow::Result<()> {
    let known = crate::demo::DemoShop::read(dir)?;
    let is_new = known.is_none();
    let shop = match known {
        Some(shop) => shop,
        None if !no_serve => fill_apart(dir)?,
        None => {
            let bar = bar();
            bar.set_length(1_000);
            bar.set_message("a tea shop opens, and thirty months pass");
            let shop = crate::demo::fill(dir, seed, customers, crate::demo::present(), &mut |share| {
                bar.set_position((share.clamp(0.0, 1.0) * 1_000.0) as u64);
            })?;
            bar.finish_and_clear();
            shop
        }
    };
    if no_serve {
        let open = crate::serve::Open::new(dir, config, config.server.listen, None)?;
        if is_new {
            crate::history::settle(open.handle(), config.history.limits())?;
        }
        let (people, events) = {
            let engine = open.handle().read();
            (engine.customer_count(), engine.position().0)
        };
        open.close();
        let answer = json!({ "url": null, "customers": people, "events": events, "seed": shop.seed });
        return out.answer(&answer, |print| {
            writeln!(print, "{people} customers, {events} events, seed {} in {}", shop.seed, dir.display())
        });
    }
    let listen = listen.unwrap_or(config.server.listen);
    serve(dir, config, listen, |listening, open| {
        let (people, events) = {
            let engine = open.handle().read();
            (engine.customer_count(), engine.position().0)
        };
        let answer = json!({ "url": listening.url, "login": listening.login, "customers": people, "events": events, "seed": shop.seed });
        out.answer(&answer, |print| {
            writeln!(print, "The Tea House: {people} customers, {events} events (seed {}).", shop.seed)?;
            writeln!(print, "Perennial is at {}", listening.url)?;
            writeln!(print, "Log in with this link, once, within 15 minutes:\n  {}", listening.login)?;
            writeln!(
                print,
                "Let time pass, from another terminal:\n  perennial --data-dir {} demo advance 14d",
                dir.display()
            )
        })
    })
}
