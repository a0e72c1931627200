//! Makes the lanes of everything that is in a store, as the product does beside its work.

use crate::{Result, memory_bytes, processor_seconds};
use engine::segment::lanes::LaneLimits;
use engine::{Engine, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use store::sqlite::SqliteStore;
use store::{Secrets, Store};

/// The snapshot's file in the store's directory.
pub(crate) const SNAPSHOT: &str = "bench.snapshot";

/// Makes chunks until none is worth making, and a snapshot of the live state.
pub(crate) fn seal(dir: &Path) -> Result<Value> {
    let options =
        store::sqlite::Options { outlasts_power_cut: false, ..store::sqlite::Options::new(Secrets::default()) };
    let store = SqliteStore::open(dir, options)?;
    let mut engine = Engine::open(&store, Options::default())?;
    let reader = store.reader()?;
    let (start, before) = (Instant::now(), processor_seconds());
    let (mut calls, mut bytes) = (0, 0);
    while let Some(job) = engine.lane_job(&LaneLimits::default()) {
        let Some(sealed) = job.run(reader.as_ref(), &mut |row| engine.names_of(row))? else { break };
        let size = sealed.size();
        (calls, bytes) = (calls + size.0, bytes + size.1);
        engine.adopt_lanes(sealed);
    }
    let sealed = (start.elapsed().as_secs_f64(), processor_seconds() - before);
    let start = Instant::now();
    let mut out = std::io::BufWriter::new(std::fs::File::create(dir.join(SNAPSHOT))?);
    let saved = engine.save(&mut out)?;
    std::io::Write::flush(&mut out)?;
    Ok(json!({
        "snapshot": { "saved": saved, "seconds": start.elapsed().as_secs_f64(), "bytes": std::fs::metadata(dir.join(SNAPSHOT))?.len() },
        "calls": calls,
        "bytes": bytes,
        "seconds": sealed.0,
        "processor_seconds": sealed.1,
        "memory_bytes": { "now": memory_bytes().0, "most": memory_bytes().1 },
    }))
}
