//! Runs the simulation: `verify --seeds 1000 [--from K]`, or `verify --seed N` to see one again.
//! Exit status 0: every oracle was satisfied; 1: one was not; 2: wrong usage.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::simulation::Failure;
use testkit::verify::run_seeds;

const USAGE: &str = "usage: verify [--seeds N] [--from K] | --seed N";

fn main() -> ExitCode {
    let Some((from, count)) = seeds(&std::env::args().skip(1).collect::<Vec<_>>()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A panic of a run is told with its seed; the default words would tear the line of progress.
    std::panic::set_hook(Box::new(|_| {}));
    let done = AtomicU64::new(0);
    let is_terminal = std::io::stderr().is_terminal();
    let tell = |_: u64, failure: Option<&Failure>| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(failure) = failure {
            eprintln!("\n{failure}");
        }
        if is_terminal || done.is_multiple_of(100) {
            eprint!("\r{done} of {count} seeds{}", if is_terminal { "" } else { "\n" });
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    };
    let (facts, failures) = run_seeds(from, count, &tell);
    eprintln!();
    println!(
        "{count} seeds from {from}: {} calls, {} restarts, {} decisions, {} messages delivered, {} comparisons with history; {} failed",
        facts.calls,
        facts.restarts,
        facts.decisions,
        facts.delivered,
        facts.comparisons,
        failures.len()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seeds(arguments: &[String]) -> Option<(u64, u64)> {
    let (mut from, mut count) = (0, 1_000);
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let number: u64 = rest.next()?.parse().ok()?;
        match word.as_str() {
            "--seeds" => count = number,
            "--from" => from = number,
            "--seed" => (from, count) = (number, 1),
            _ => return None,
        }
    }
    Some((from, count))
}
