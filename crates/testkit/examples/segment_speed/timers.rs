//! Very many people who turn within one second, by time alone.

use crate::{Result, memory_bytes, rules};
use domain::{Call, CallKind, Span, Timestamp, Trust};
use engine::{Engine, Options};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Store;
use testkit::memory_store::{MemoryDisk, MemoryStore};

/// Things due that one turn of the writer takes, as in the product: calls that wait go in between.
const DUE: usize = 2_000;
const BATCH: u32 = 10_000;

/// Lets `customers` people do something within one second, and turns to the second in which all of them lapse.
pub(crate) fn timers(customers: u32) -> Result<Value> {
    let store = MemoryStore::open(MemoryDisk::new());
    let mut engine = Engine::open(&store, Options::default())?;
    let start = Timestamp::parse("2026-03-02T12:00:00Z").ok_or("an instant")?;
    let segment = rules::defined("recent", &json!({ "did": "visit", "within": "30d" }))?;
    engine.define(vec![segment], "bench", start)?;
    let body: std::sync::Arc<RawValue> = RawValue::from_string("{}".to_owned())?.into();
    for first in (0..customers).step_by(BATCH as usize) {
        let calls = (first..(first + BATCH).min(customers)).map(|customer| {
            let at = start.plus(Span(i64::from(customer) * 1_000 / i64::from(customers)));
            Call {
                kind: CallKind::Track,
                message_id: format!("v{customer}").into(),
                user_id: Some(format!("u{customer}").into()),
                anonymous_id: None,
                other_id: None,
                event: Some("visit".into()),
                timestamp: at,
                received_at: start.plus(Span(1_000)),
                source: "bench".into(),
                trust: Trust::Server,
                record: None,
                body: body.clone(),
                context: None,
            }
        });
        engine.ingest(calls.collect(), start.plus(Span(1_000)));
    }
    let entered = engine.take_commit().transitions.len();
    let before = memory_bytes().0;
    let due = start.plus(Span::days(30)).plus(Span(1_000));
    let (begun, mut longest, mut turns, mut left) = (Instant::now(), Duration::ZERO, 0_u32, 0);
    let mut goes_on = true;
    while goes_on {
        let turn = Instant::now();
        goes_on = engine.tick_some(due, DUE);
        left += engine.take_commit().transitions.len();
        longest = longest.max(turn.elapsed());
        turns += 1;
    }
    let took = begun.elapsed().as_secs_f64();
    let members = engine.segment_size(&domain::Name::parse("recent")?);
    drop(store.reader()?);
    Ok(json!({
        "customers": customers,
        "entered": entered,
        "left": left,
        "members_afterwards": members,
        "seconds": took,
        "turns": turns,
        "longest_turn_seconds": longest.as_secs_f64(),
        "due_in_a_turn": DUE,
        "memory_bytes": before,
    }))
}
