//! Measures segments at the size of a shop with a million customers; `bench/segments/README.md` tells how and why.

mod events;
mod live;
mod load;
mod measure;
mod rules;
mod seal;
mod timers;

use std::path::PathBuf;

/// As in the product.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: segment_speed load DATA STORE SEGMENTS LIVE_EVENTS\n       segment_speed seal STORE\n       segment_speed live STORE DATA SEGMENTS LIVE_EVENTS\n       segment_speed first STORE SEGMENTS\n       segment_speed timers CUSTOMERS ROUNDS";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["load", data, store, segments, live] => {
            load::load(&PathBuf::from(data), &PathBuf::from(store), &rules::read(segments)?, live.parse()?)?
        }
        ["live", store, data, segments, live] => {
            live::live(&PathBuf::from(store), &PathBuf::from(data), &rules::read(segments)?, live.parse()?)?
        }
        ["seal", store] => seal::seal(&PathBuf::from(store))?,
        ["first", store, segments] => measure::first(&PathBuf::from(store), &rules::read(segments)?)?,
        ["timers", customers, rounds] => timers::timers(customers.parse()?, rounds.parse()?)?,
        _ => return Err(USAGE.into()),
    };
    println!("{answer}");
    Ok(())
}

/// Bytes of memory that this process holds, and has held at most. Zero beside Linux.
fn memory_bytes() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    (field("VmRSS:").unwrap_or(0) * 1024, field("VmHWM:").unwrap_or(0) * 1024)
}

/// What all threads of this process spent on processors, in seconds. Zero beside Linux.
fn process_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses come 11 fields, then the ticks in the program and in the system, 100 a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// What this thread spent on a processor, in seconds: a shared machine says little by the clock. Zero beside Linux.
fn processor_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 = spent.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0.0);
    nanos / 1e9
}
