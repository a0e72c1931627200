//! How fast events become durable and how soon what they lead to is decided, beside what this machine can do at most.
//! Run on demand: `cargo build --release && cargo run --release -p testkit --example bench_ingest -- target/release/perennial`.
//! The real binary runs as a child process. A second argument (`ingest`, `latency`, `memory`) measures one part alone.
//!
//! 1. The limit: the same JSON parsed typed with raw properties, appended to a plain file with fdatasync, batches of 1,000.
//! 2. Ingest: the same batches over HTTP on several connections; an event counts when its answer is there.
//! 3. Latency: 2,000 events a second in requests of 1 to 10, with segments and a campaign live; from the instant at
//!    which a request was due to its answer, which comes after the commit of everything it led to.
//! 4. Memory: the server with the demo, at rest.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed, and the line says where")]

use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Calls of a batch.
const BATCH: usize = 1_000;
/// Bytes of a call, as SDKs send them on average.
const CALL_BYTES: usize = 418;
/// Batches of a run.
const BATCHES: usize = 1_000;
/// Connections that send at a time.
const CONNECTIONS: usize = 12;
/// Customers that the calls are about.
const CUSTOMERS: usize = 20_000;
/// Events a second while latency is measured, and for how long.
const RATE: f64 = 2_000.0;
const LATENCY_RUN: Duration = Duration::from_secs(20);

const DEFINITIONS: &str = "
workspace: settings
caps: [ { purpose: marketing, at_most: 2, per: 7d } ]
sender: { name: The Tea House, address: hello@tea.example, postal_address: '1 Leaf Lane, London' }
---
purpose: marketing
default: granted
channels: [email]
---
template: hello
channel: email
subject: \"Still thinking about {{ event.sku | default: 'tea' }}?\"
body: |
  Hello, [here it is](https://tea.example/back)
---
segment: browsed-not-bought
where: { all: [ { did: Product Viewed, at_least: 2, within: 14d }, { did_not: Order Completed, within: 14d } ] }
---
segment: regulars
where: { did: Order Completed, at_least: 3, within: 180d }
---
segment: spenders
where: { did: Order Completed, sum: revenue, at_least: 250, within: 365d }
---
segment: lapsed
where: { all: [ { did: Order Completed, at_least: 2 }, { did_not: Order Completed, within: 45d } ] }
---
segment: full-carts
where: { all: [ { did: Product Added, within: 2d }, { did_not: Order Completed, within: 2d } ] }
---
segment: loves-green
where: { did: Product Viewed, at_least: 5, within: 30d, where: { category: { starts_with: tea/green } } }
---
campaign: come-back
enter: { on: { enters: browsed-not-bought } }
exit_if: { did: Order Completed }
goal: { did: Order Completed, within: 14d, value: properties.revenue }
holdout: 20%
steps: [ { id: hello, message: hello } ]
---
campaign: carts
enter: { on: { did: Product Added } }
exit_if: { did: Order Completed }
holdout: 20%
steps: [ { wait: 2h }, { id: cart, message: hello } ]
";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(binary) = arguments.next().map(PathBuf::from).filter(|binary| binary.is_file()) else {
        eprintln!("say which binary, such as target/release/perennial, built with `cargo build --release`");
        std::process::exit(2);
    };
    measure(&binary, arguments.next().as_deref());
}

/// Runs a command of the binary on a data directory, and gives the JSON that it prints.
fn run(binary: &Path, dir: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(binary).arg("--data-dir").arg(dir).arg("--json").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: String,
    key: String,
}

impl Server {
    fn start(binary: &Path, dir: &Path) -> Server {
        let mut child = Command::new(binary)
            .arg("--data-dir")
            .arg(dir)
            .args(["--json", "serve", "--listen", "127.0.0.1:0"])
            .env("PERENNIAL_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // One document, maybe on several lines; the server keeps the pipe open afterwards.
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let told: serde_json::Value = loop {
            assert!(lines.read_line(&mut text).unwrap() > 0, "the server ended: {text}");
            if let Ok(told) = serde_json::from_str(&text) {
                break told;
            }
        };
        let url = told["url"].as_str().unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let made = run(binary, dir, &["keys", "create", "--kind", "server", "--source", "bench"]);
        Server { child, address, key: made["key"].as_str().unwrap().to_owned() }
    }

    /// Resident memory now and at most, in MB.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let megabytes = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or(0)
                / 1_024
        };
        (megabytes("VmRSS:"), megabytes("VmHWM:"))
    }

    /// Seconds of processor time used.
    fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: Vec<f64> = after_name.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        // The state is no number and left out: utime and stime are the 11th and 12th that are.
        (ticks.get(10).copied().unwrap_or(0.0) + ticks.get(11).copied().unwrap_or(0.0)) / 100.0
    }

    fn wire(&self) -> Wire {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { reader: BufReader::new(stream) }
    }

    /// A whole request.
    fn request(&self, path: &str, body: &str) -> Vec<u8> {
        let key = base64::engine::general_purpose::STANDARD.encode(format!("{}:", self.key));
        let authorization = format!("Basic {key}");
        format!("POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", self.address, body.len())
            .into_bytes()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept.
struct Wire {
    reader: BufReader<TcpStream>,
}

impl Wire {
    /// Sends a request and reads its answer, which must be a success.
    fn ask(&mut self, request: &[u8]) -> String {
        self.reader.get_mut().write_all(request).unwrap();
        let (mut status, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status.is_empty() {
                line.clone_into(&mut status);
            } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(status.contains(" 200 "), "{status} {body}");
        body
    }
}

/// A random sequence that is the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64, Steele, Lea & Flood (2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// A call as an SDK sends it, of `CALL_BYTES` bytes.
fn call(chance: &mut Chance, number: usize, run: &str) -> String {
    let user = chance.below(CUSTOMERS);
    let (event, properties) = match chance.below(100) {
        0..4 => (
            "Order Completed",
            format!(
                r#""order_id":"o-{run}-{number}","revenue":{}.{:02},"currency":"GBP""#,
                chance.below(90),
                chance.below(100)
            ),
        ),
        4..12 => (
            "Product Added",
            format!(r#""sku":"TEA-{}","price":{}.50,"quantity":1"#, chance.below(300), chance.below(40)),
        ),
        _ => (
            "Product Viewed",
            format!(
                r#""sku":"TEA-{}","category":"tea/{}","price":{}.50"#,
                chance.below(300),
                ["green", "black", "white"][chance.below(3)],
                chance.below(40)
            ),
        ),
    };
    let time = jiff::Timestamp::now();
    let mut text = format!(
        r#"{{"type":"track","messageId":"node-{run}-{number:010}","userId":"customer-{user}","event":"{event}","timestamp":"{time:.3}","context":{{"library":{{"name":"@segment/analytics-node","version":"3.1.0"}}}},"properties":{{{properties},"url":"#
    );
    let left = CALL_BYTES.saturating_sub(text.len() + 4);
    let _ = write!(
        text,
        r#""{}"}}}}"#,
        "https://tea.example/".chars().chain(std::iter::repeat('x')).take(left).collect::<String>()
    );
    text
}

fn batch(chance: &mut Chance, from: usize, calls: usize, run: &str) -> String {
    let calls: Vec<String> = (from..from + calls).map(|number| call(chance, number, run)).collect();
    format!(r#"{{"batch":[{}]}}"#, calls.join(","))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "parsed to be timed")]
struct Typed<'b> {
    #[serde(rename = "type")]
    kind: &'b str,
    message_id: &'b str,
    user_id: &'b str,
    event: &'b str,
    timestamp: &'b str,
    #[serde(borrow)]
    context: &'b RawValue,
    #[serde(borrow)]
    properties: &'b RawValue,
}

#[derive(Deserialize)]
struct TypedBatch<'b> {
    #[serde(borrow)]
    batch: Vec<Typed<'b>>,
}

/// What this machine can do at most with the same bytes, in events a second.
fn limit(dir: &Path, batches: &[String]) -> f64 {
    let mut file = std::fs::File::create(dir.join("limit")).unwrap();
    let begin = Instant::now();
    for batch in batches {
        let typed: TypedBatch<'_> = serde_json::from_str(batch).unwrap();
        assert_eq!(typed.batch.len(), BATCH);
        file.write_all(batch.as_bytes()).unwrap();
        file.sync_data().unwrap();
    }
    (batches.len() * BATCH) as f64 / begin.elapsed().as_secs_f64()
}

/// Sends all batches on several connections; events a second, and processor seconds a million events.
fn ingest(server: &Server, batches: &[String]) -> (f64, f64) {
    let requests: Arc<Vec<Vec<u8>>> =
        Arc::new(batches.iter().map(|batch| server.request("/v1/batch", batch)).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let used = server.processor();
    let begin = Instant::now();
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (requests, next, mut wire) = (requests.clone(), next.clone(), server.wire());
            std::thread::spawn(move || {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(wire.ask(request), r#"{"success":true}"#);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    let events = (batches.len() * BATCH) as f64;
    (events / begin.elapsed().as_secs_f64(), (server.processor() - used) / events * 1e6)
}

/// Waits from the due instant of each request to its answer, sorted. Requests are due whatever became of earlier ones.
fn latency(server: &Server) -> Vec<Duration> {
    let mut chance = Chance(7);
    let (mut requests, mut due, mut sent) = (Vec::new(), 0.0, 0);
    while due < LATENCY_RUN.as_secs_f64() {
        let calls = 1 + chance.below(10);
        requests.push((
            Duration::from_secs_f64(due),
            server.request("/v1/batch", &batch(&mut chance, sent, calls, "wait")),
        ));
        sent += calls;
        due += calls as f64 / RATE;
    }
    let (requests, next, begin) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)), Instant::now());
    let senders: Vec<_> = (0..16)
        .map(|_| {
            let (requests, next, mut wire) = (requests.clone(), next.clone(), server.wire());
            std::thread::spawn(move || {
                let mut waits = Vec::new();
                while let Some((due, request)) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    std::thread::sleep(due.saturating_sub(begin.elapsed()));
                    wire.ask(request);
                    waits.push(begin.elapsed().saturating_sub(*due));
                }
                waits
            })
        })
        .collect();
    let mut waits: Vec<Duration> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    waits.sort_unstable();
    waits
}

fn apply(binary: &Path, dir: &Path) {
    let file = dir.with_extension("yaml");
    std::fs::write(&file, DEFINITIONS).unwrap();
    run(binary, dir, &["apply", file.to_str().unwrap()]);
}

fn measure(binary: &Path, only: Option<&str>) {
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    // Beside the binary: the directory for temporary files may be in memory.
    let dir = tempfile::TempDir::new_in(binary.parent().unwrap()).unwrap();
    let mut chance = Chance(2026);
    if wanted("ingest") {
        let batches: Vec<String> =
            (0..BATCHES).map(|number| batch(&mut chance, number * BATCH, BATCH, "ingest")).collect();
        let bytes = batches.iter().map(String::len).sum::<usize>() / (BATCHES * BATCH);
        // Before and after, since others may use the machine as well.
        let first = limit(dir.path(), &batches);
        let server = Server::start(binary, &dir.path().join("plain"));
        let (plain, cost) = ingest(&server, &batches);
        drop(server);
        let place = dir.path().join("live");
        let server = Server::start(binary, &place);
        apply(binary, &place);
        let (live, live_cost) = ingest(&server, &batches);
        let (now, most) = server.memory();
        drop(server);
        let limit = first.midpoint(limit(dir.path(), &batches));
        println!("events of {bytes} bytes in batches of {BATCH}, {CONNECTIONS} connections");
        println!("  limit of this machine (parse, append, fdatasync): {limit:>9.0} events/s");
        println!(
            "  durable over HTTP, nothing defined:               {plain:>9.0} events/s   ratio {:.2}   {cost:.2} CPU s a million",
            plain / limit
        );
        println!(
            "  durable over HTTP, 6 segments, 2 campaigns:       {live:>9.0} events/s   ratio {:.2}   {live_cost:.2} CPU s a million",
            live / limit
        );
        println!("  memory after {} events: {now} MB, at most {most} MB", BATCHES * BATCH);
    }
    if wanted("latency") {
        let place = dir.path().join("latency");
        let server = Server::start(binary, &place);
        apply(binary, &place);
        let waits = latency(&server);
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "from due to decided and durable, {RATE} events/s for {} s, {} requests",
            LATENCY_RUN.as_secs(),
            waits.len()
        );
        println!(
            "  p50 {:.1} ms   p90 {:.1} ms   p99 {:.1} ms   p99.9 {:.1} ms   most {:.1} ms",
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
    if wanted("memory") {
        let demo = dir.path().join("demo");
        let begin = Instant::now();
        run(binary, &demo, &["demo", "--no-serve"]);
        let filled = begin.elapsed();
        let begin = Instant::now();
        let server = Server::start(binary, &demo);
        let opened = begin.elapsed();
        std::thread::sleep(Duration::from_secs(3));
        let (now, most) = server.memory();
        println!(
            "demo of 5,000 customers: filled in {:.1} s, opened in {:.2} s; at rest {now} MB, at most {most} MB",
            filled.as_secs_f64(),
            opened.as_secs_f64()
        );
    }
}
