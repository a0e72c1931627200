//! Fills a shop and prints how long it took, what it made, and the answers. For a person who wants to see.
//!
//! `cargo run --release -p shop --example pour -- 5000`

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let customers = std::env::args().nth(1).map_or(Ok(5_000), |text| text.parse())?;
    let config = shop::Config::ending_at(1, customers, 1_795_305_600_000);
    let mut took = Duration::ZERO;
    let mut shop = shop::Shop::open(&config);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    let (mut count, mut bytes) = (0, 0);
    let mut until_ms = config.opens_ms;
    while until_ms < config.history_ends_ms() - 1 {
        until_ms = (until_ms + 30 * 86_400_000).min(config.history_ends_ms() - 1);
        let started = Instant::now();
        let calls = shop.advance(until_ms, &[]);
        took += started.elapsed();
        for call in calls {
            count += 1;
            bytes += call.json.len();
            let kind = ["event", "kind", "type"]
                .iter()
                .find_map(|key| call.json.split_once(&format!("\"{key}\":\"")))
                .and_then(|(_, rest)| rest.split('"').next());
            let kind = kind.unwrap_or("?").to_owned();
            *kinds.entry(kind).or_default() += 1;
        }
    }
    println!("{count} calls, {bytes} bytes, {took:?}; by kind {kinds:#?}");
    println!("{}", serde_json::to_string_pretty(&shop.answers())?);
    Ok(())
}
