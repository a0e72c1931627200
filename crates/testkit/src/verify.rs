//! Many seeds, one after the other or beside each other.

use crate::agreement::{self, Case, Look, Outcome};
use crate::simulation::{Facts, Failure, run};
use engine::state::PlantedBug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs one seed. A panic is a failure too.
pub fn run_seed(seed: u64, bug: Option<PlantedBug>) -> Result<Facts, Box<Failure>> {
    catch_unwind(AssertUnwindSafe(|| run(seed, bug))).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Box::new(Failure {
            seed,
            step: 0,
            what: format!("a panic: {}", words.unwrap_or_default()),
            trace: Vec::new(),
        }))
    })
}

/// Runs seeds on all processors; `tell` hears of each seed as it ends, in any order.
/// Returns what happened in all of them, and the failures by seed.
pub fn run_seeds(from: u64, count: u64, tell: &(dyn Fn(u64, Option<&Failure>) + Sync)) -> (Facts, Vec<Failure>) {
    let (facts, failures) = on_all_processors(from, count, &|seed| {
        let done = run_seed(seed, None).map_err(|failure| *failure);
        tell(seed, done.as_ref().err());
        done
    });
    let facts = facts.into_iter().fold(Facts::default(), Facts::with);
    (facts, failures.into_iter().map(|(_, failure)| failure).collect())
}

/// As `run_seeds`, for cases on which the engine and the plain evaluator must agree. Failures are made small.
pub fn run_cases(from: u64, count: u64, tell: &(dyn Fn(u64, Option<&str>) + Sync)) -> (agreement::Facts, Vec<String>) {
    let (facts, failures) = on_all_processors(from, count, &|seed| {
        let done = run_case(seed);
        tell(seed, done.as_ref().err().map(String::as_str));
        done
    });
    let facts = facts.into_iter().fold(agreement::Facts::default(), agreement::Facts::with);
    (facts, failures.into_iter().map(|(_, failure)| failure).collect())
}

/// Lives the case of a seed. If two answers differ, returns the scenario of the smallest such case that was found.
pub fn run_case(seed: u64) -> Result<agreement::Facts, String> {
    let case = Case::random(seed);
    match agreement::run(&case, &Look::Everywhere(seed)) {
        Outcome::Agreed(facts) => Ok(facts),
        Outcome::Invalid(reason) => Err(format!("seed {seed}: the case cannot be lived: {reason}")),
        Outcome::Disagreed(found) => {
            let (small, seen) = agreement::shrink(&case, &found);
            let title = format!("the engine and the plain evaluator agree on seed {seed}");
            Err(format!(
                "# seed {seed}: {:?}\n{}",
                found.question,
                agreement::scenario(&title, &agreement::without_refused(&small), &seen)
            ))
        }
    }
}

/// Runs seeds on all processors. Returns what came of them, and the failures by seed.
fn on_all_processors<T: Send, E: Send>(
    from: u64,
    count: u64,
    run: &(dyn Fn(u64) -> Result<T, E> + Sync),
) -> (Vec<T>, Vec<(u64, E)>) {
    let next = AtomicU64::new(from);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let work = || {
        let mut all = (Vec::new(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from.saturating_add(count) {
                return all;
            }
            match run(seed) {
                Ok(done) => all.0.push(done),
                Err(failure) => all.1.push((seed, failure)),
            }
        }
    };
    let mut whole = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (done, failures) = thread.join().expect("a worker catches every panic of a run");
            whole.0.extend(done);
            whole.1.extend(failures);
        }
    });
    whole.1.sort_by_key(|(seed, _)| *seed);
    whole
}

/// The first of some seeds at which the oracles catch a planted bug, and what they said.
pub fn first_catch(bug: PlantedBug, seeds: u64) -> Option<Failure> {
    (0..seeds).find_map(|seed| run_seed(seed, Some(bug)).err().map(|failure| *failure))
}

impl Facts {
    /// Both together.
    pub fn with(self, other: Facts) -> Facts {
        Facts {
            calls: self.calls + other.calls,
            restarts: self.restarts + other.restarts,
            delivered: self.delivered + other.delivered,
            decisions: self.decisions + other.decisions,
            comparisons: self.comparisons + other.comparisons,
            from_snapshot: self.from_snapshot + other.from_snapshot,
            sealed: self.sealed + other.sealed,
        }
    }
}
