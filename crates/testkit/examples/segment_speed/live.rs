//! Everything that was loaded stays as it is; all segments go live over it, and the latest events happen once more.

use crate::load::{LIVE_BATCH, Seal, Written, entries, feed, write};
use crate::seal::SNAPSHOT;
use crate::{Result, events, memory_bytes, processor_seconds};
use domain::Span;
use domain::definition::Defined;
use engine::{Engine, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use store::sqlite::SqliteStore;
use store::{Commit, Secrets, Store};

/// Opens the store in `dir`, defines the segments unless they are live there already, and feeds it the last `live` events
/// of `data` as if they happened anew. The store keeps them, so that another run goes on from there.
pub(crate) fn live(dir: &Path, data: &Path, segments: &[Defined], live: usize) -> Result<Value> {
    let options =
        store::sqlite::Options { outlasts_power_cut: false, ..store::sqlite::Options::new(Secrets::default()) };
    let mut store = SqliteStore::open(dir, options)?;
    let start = Instant::now();
    let snapshot = dir.join(SNAPSHOT);
    let mut from = std::fs::File::open(&snapshot).map(std::io::BufReader::new).ok();
    let from = from.as_mut().map(|file| file as &mut dyn std::io::Read);
    let (mut engine, from) = Engine::open_with(&store, Options::default(), from)?;
    let opened = json!({ "seconds": start.elapsed().as_secs_f64(), "from": format!("{from:?}") });
    let without = memory_bytes().0;
    let (start, before) = (Instant::now(), processor_seconds());
    let is_new = engine.look().plan().segments.is_empty();
    if is_new {
        engine.define(segments.to_vec(), "bench", engine.clock())?;
        store.commit(&engine.take_commit())?;
    }
    let defined = (start.elapsed().as_secs_f64(), processor_seconds() - before);
    let with = memory_bytes().0;
    let kept = entries(&engine);
    let id = format!("again-{}-", engine.position().0);
    let events = events::read(data)?.again(live, engine.clock().plus(Span(1)), id);
    let (send, commits) = sync_channel::<Commit>(4);
    let (lived, written) = std::thread::scope(|scope| -> Result<(Value, Written)> {
        let writing = scope.spawn(move || write(store, &commits, Seal::Afterwards).map_err(|error| error.to_string()));
        let mut pass_on = |commit: Commit| send.send(commit).map_err(|_| "the store stopped");
        let lived = feed(scope, &mut engine, &events, 0..events.all.len(), LIVE_BATCH, &mut pass_on)?;
        drop(send);
        let written = writing.join().map_err(|_| "the store's thread panicked")??;
        Ok((lived.json(), written))
    })?;
    let start = Instant::now();
    let mut out = std::io::BufWriter::new(std::fs::File::create(&snapshot)?);
    engine.save(&mut out)?;
    std::io::Write::flush(&mut out)?;
    Ok(json!({
        "open": opened,
        "customers": engine.look().customers().len(),
        "define": { "is_new": is_new, "seconds": defined.0, "processor_seconds": defined.1 },
        "live": lived,
        "committing_processor_seconds": written.committing,
        "sealed_afterwards": { "seconds": written.sealing_wall, "processor_seconds": written.sealing },
        "snapshot": { "seconds": start.elapsed().as_secs_f64(), "bytes": std::fs::metadata(&snapshot)?.len() },
        "memory_bytes": { "without_segments": without, "with_segments": with },
        "entries_kept": kept,
        "streams": engine.look().plan().streams.len(),
    }))
}
