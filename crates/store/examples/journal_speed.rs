//! Measures the journal against a plain file: `cargo run --release -p store --example journal_speed [DIR]`.

use domain::{Call, CallKind, CustomerId, Name, Position, Timestamp, Trust};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::sqlite::{Options, SqliteStore};
use store::{Commit, RowId, Secrets, Store, Transition};

const CALLS: usize = 250_000;
const BATCH: usize = 1_000;

/// A Segment call as it arrives, typed, with raw properties.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arrived<'a> {
    message_id: &'a str,
    user_id: &'a str,
    event: &'a str,
    timestamp: &'a str,
    #[serde(borrow)]
    properties: &'a RawValue,
    #[serde(borrow)]
    context: &'a RawValue,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from).join("perennial-journal-speed");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)?;
    let lines: Vec<String> = (0..CALLS).map(line).collect();
    let bytes: usize = lines.iter().map(String::len).sum();
    println!("{CALLS} calls of {} bytes, batches of {BATCH}; events/s", bytes / CALLS);
    // Twice, in turns: the machine may be shared, and ratios within one run are what counts.
    for run in 0..2 {
        let plain = plain_file(&dir, &lines)?;
        let place = dir.join(format!("store-{run}"));
        let mut store = SqliteStore::open(&place, Options::new(Secrets::default()))?;
        let (parsing, committing) = journal(&mut store, &lines)?;
        let ratio = plain.as_secs_f64() / (parsing + committing).as_secs_f64();
        let rate = |took: Duration| CALLS as f64 / took.as_secs_f64();
        println!(
            "plain parse + append + fdatasync {:.0}; parse + commit {:.0} ({ratio:.2} of plain), commit alone {:.0}",
            rate(plain),
            rate(parsing + committing),
            rate(committing)
        );
        let reader = store.reader()?;
        let (start, before) = (Instant::now(), processor_time());
        let mut read = 0;
        reader.replay(RowId(0), &mut |row| {
            read += row.calls.len();
            Ok(())
        })?;
        println!(
            "replay of {read} calls: {:?}, of which on a processor {:?}; on disk {} bytes a call",
            start.elapsed(),
            processor_time().saturating_sub(before),
            reader.size_bytes()? / CALLS as u64
        );
        transitions(&mut store)?;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// What this thread spent on a processor: a shared machine says little by the clock. Zero beside Linux.
fn processor_time() -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = spent.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn plain_file(dir: &std::path::Path, lines: &[String]) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut file = File::create(dir.join("plain"))?;
    let start = Instant::now();
    let mut buffer = Vec::new();
    for batch in lines.chunks(BATCH) {
        buffer.clear();
        for line in batch {
            let call: Arrived<'_> = serde_json::from_str(line)?;
            std::hint::black_box((call.message_id, call.properties));
            buffer.extend_from_slice(line.as_bytes());
            buffer.push(b'\n');
        }
        file.write_all(&buffer)?;
        file.sync_data()?;
    }
    Ok(start.elapsed())
}

fn journal(store: &mut SqliteStore, lines: &[String]) -> Result<(Duration, Duration), Box<dyn std::error::Error>> {
    let (mut parsing, mut committing) = (Duration::ZERO, Duration::ZERO);
    let mut position = 0;
    for batch in lines.chunks(BATCH) {
        let start = Instant::now();
        let calls =
            batch.iter().map(|line| Ok(Arc::new(read(line)?))).collect::<Result<Vec<_>, serde_json::Error>>()?;
        position += calls.len() as u64;
        let commit = Commit { calls, position: Position(position), ..Commit::default() };
        parsing += start.elapsed();
        let start = Instant::now();
        store.commit(&commit)?;
        committing += start.elapsed();
    }
    Ok((parsing, committing))
}

fn transitions(store: &mut SqliteStore) -> Result<(), Box<dyn std::error::Error>> {
    let segment = Name::parse("lapsed-regulars")?;
    let transition = |number: u32| Transition {
        segment: segment.clone(),
        customer: CustomerId(number.wrapping_mul(2_654_435_761) % 1_000_000),
        at: Timestamp(1_767_225_600_000),
        entered: true,
    };
    let position = store.recover()?.position;
    let commit = Commit { transitions: (0..100_000).map(transition).collect(), position, ..Commit::default() };
    let start = Instant::now();
    store.commit(&commit)?;
    println!("a commit of 100,000 transitions: {:?}", start.elapsed());
    Ok(())
}

fn read(line: &str) -> Result<Call, serde_json::Error> {
    let arrived: Arrived<'_> = serde_json::from_str(line)?;
    Ok(Call {
        kind: CallKind::Track,
        message_id: arrived.message_id.into(),
        user_id: Some(arrived.user_id.into()),
        anonymous_id: None,
        other_id: None,
        event: Some(arrived.event.into()),
        timestamp: Timestamp::parse(arrived.timestamp).unwrap_or_default(),
        received_at: Timestamp(1_767_225_600_000),
        source: "shop".into(),
        trust: Trust::Server,
        record: None,
        body: arrived.properties.to_owned().into(),
        context: Some(arrived.context.to_owned().into()),
    })
}

fn line(number: usize) -> String {
    let id = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{{\"type\":\"track\",\"messageId\":\"node-next-1767225600000-{id:016x}-{number:08}\",\"userId\":\"user-{}\",\"event\":\"{}\",\
         \"timestamp\":\"2025-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\",\"properties\":{{\"product_id\":\"tea-{}\",\"price\":{}.{:02},\
         \"quantity\":{},\"currency\":\"GBP\",\"category\":\"green tea\"}},\"context\":{{\"ip\":\"203.0.113.{}\",\"locale\":\"en-GB\",\
         \"library\":{{\"name\":\"@segment/analytics-node\",\"version\":\"2.1.3\"}},\"page\":{{\"path\":\"/teas/{}\"}}}}}}",
        id % 50_000,
        ["Product Viewed", "Product Added", "Order Completed"][number % 3],
        number % 12 + 1,
        number % 28 + 1,
        number % 24,
        number % 60,
        id % 60,
        id % 1_000,
        id % 300,
        id % 40,
        id % 100,
        id % 4 + 1,
        id % 256,
        id % 300
    )
}
