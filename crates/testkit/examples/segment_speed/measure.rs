//! The first evaluation of all segments over everything that is in a store, and the preview of one.

use crate::seal::SNAPSHOT;
use crate::{Result, memory_bytes, process_seconds, rules};
use domain::definition::Defined;
use domain::{Span, Timestamp};
use engine::define::Wanted;
use engine::{Engine, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use store::sqlite::SqliteStore;
use store::{Secrets, Store};

/// When the data of the shared bench end.
const END: &str = "2026-11-01T00:00:00Z";
/// How often each is measured; the first time warms up.
const TIMES: usize = 4;

/// Opens a store without segments and asks how many people each of them would have.
pub(crate) fn first(dir: &Path, segments: &[Defined]) -> Result<Value> {
    let options =
        store::sqlite::Options { outlasts_power_cut: false, ..store::sqlite::Options::new(Secrets::default()) };
    let store = SqliteStore::open(dir, options)?;
    let start = Instant::now();
    let mut snapshot = std::fs::File::open(dir.join(SNAPSHOT)).map(std::io::BufReader::new).ok();
    let snapshot = snapshot.as_mut().map(|file| file as &mut dyn std::io::Read);
    let (mut engine, from) = Engine::open_with(&store, Options::default(), snapshot)?;
    let opened = json!({ "seconds": start.elapsed().as_secs_f64(), "from": format!("{from:?}") });
    let names: Vec<_> = engine.look().plan().segments.iter().map(|segment| segment.name.clone()).collect();
    // The last millisecond of the data: `compare.py` tells why.
    let now = Timestamp::parse(END).ok_or("an instant")?.minus(Span(1));
    engine.tick(now);
    let delete = names.into_iter().map(|name| (domain::DefinitionKind::Segment, name)).collect();
    engine.change_definitions(Wanted { put: Vec::new(), delete }, "bench", now, None)?;
    let reader = store.reader()?;
    let renamed: Vec<Defined> = segments
        .iter()
        .enumerate()
        .map(|(number, segment)| rules::defined(&format!("first-{number}"), &segment.value["where"]))
        .collect::<Result<_>>()?;
    let mut times = Vec::new();
    let mut processor = Vec::new();
    let mut counts = Vec::new();
    for _ in 0..TIMES {
        let (start, before) = (Instant::now(), process_seconds());
        let draft = engine.draft(&Wanted { put: renamed.clone(), delete: Vec::new() })?;
        let changes = draft.changes(reader.as_ref())?;
        times.push(start.elapsed().as_secs_f64());
        processor.push(process_seconds() - before);
        counts = changes.iter().map(|change| change.enter).collect();
        if times[0] > 10.0 {
            break;
        }
    }
    let mut previews = Vec::new();
    for number in [0, 45, 70, 85, 95] {
        let one: Vec<Defined> = renamed.get(number..=number).unwrap_or_default().to_vec();
        for time in 0..2 {
            let start = Instant::now();
            let draft = engine.draft(&Wanted { put: one.clone(), delete: Vec::new() })?;
            draft.changes(reader.as_ref())?;
            let took = start.elapsed().as_secs_f64();
            if time > 0 || took > 10.0 {
                previews.push(json!({ "segment": segments[number].value["where"], "seconds": took }));
            }
            if took > 10.0 {
                break;
            }
        }
        if previews.iter().any(|preview| preview["seconds"].as_f64() > Some(10.0)) {
            break;
        }
    }
    Ok(json!({
        "open": opened,
        "customers": engine.look().customers().len(),
        "first_seconds": times,
        "first_processor_seconds": processor,
        "counts": counts,
        "previews": previews,
        "memory_bytes": { "now": memory_bytes().0, "most": memory_bytes().1 },
    }))
}
