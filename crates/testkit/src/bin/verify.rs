//! Runs the simulation: `verify --seeds 1000 [--from K]`, or `verify --seed N` to see one again. `verify --segments …`
//! compares the engine with the plain evaluator instead; each failure is printed as a small scenario file.
//! Exit status 0: every oracle was satisfied; 1: one was not; 2: wrong usage.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::verify::{run_cases, run_seeds};

const USAGE: &str = "usage: verify [--segments] [--seeds N] [--from K] | [--segments] --seed N";

fn main() -> ExitCode {
    let Some(asked) = Asked::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A panic of a run is told with its seed; the default words would tear the line of progress.
    std::panic::set_hook(Box::new(|_| {}));
    let progress =
        Progress { done: AtomicU64::new(0), count: asked.count, is_terminal: std::io::stderr().is_terminal() };
    let failed = if asked.segments { compare(&asked, &progress) } else { simulate(&asked, &progress) };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn simulate(asked: &Asked, progress: &Progress) -> usize {
    let (facts, failures) =
        run_seeds(asked.from, asked.count, &|_, failure| progress.tell(failure.map(ToString::to_string).as_deref()));
    eprintln!();
    println!(
        "{} seeds from {}: {} calls, {} restarts, {} decisions, {} messages delivered, {} comparisons with history; {} failed",
        asked.count,
        asked.from,
        facts.calls,
        facts.restarts,
        facts.decisions,
        facts.delivered,
        facts.comparisons,
        failures.len()
    );
    failures.len()
}

fn compare(asked: &Asked, progress: &Progress) -> usize {
    let (facts, failures) = run_cases(asked.from, asked.count, &|_, failure| progress.tell(failure));
    eprintln!();
    for (word, (no, yes)) in &facts.verdicts {
        println!("{word}: held {yes} times, did not {no} times");
    }
    println!(
        "{} cases from {}: {} answers given twice, {} entries and exits by time alone; {} failed",
        asked.count,
        asked.from,
        facts.answers,
        facts.turns,
        failures.len()
    );
    failures.len()
}

struct Progress {
    done: AtomicU64,
    count: u64,
    is_terminal: bool,
}

impl Progress {
    fn tell(&self, failure: Option<&str>) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(failure) = failure {
            eprintln!("\n{failure}");
        }
        if self.is_terminal || done.is_multiple_of(100) {
            eprint!("\r{done} of {} seeds{}", self.count, if self.is_terminal { "" } else { "\n" });
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    }
}

struct Asked {
    segments: bool,
    from: u64,
    count: u64,
}

impl Asked {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Asked> {
        let mut asked = Asked { segments: false, from: 0, count: 1_000 };
        while let Some(word) = words.next() {
            if word == "--segments" {
                asked.segments = true;
                continue;
            }
            let number: u64 = words.next()?.parse().ok()?;
            match word.as_str() {
                "--seeds" => asked.count = number,
                "--from" => asked.from = number,
                "--seed" => (asked.from, asked.count) = (number, 1),
                _ => return None,
            }
        }
        Some(asked)
    }
}
