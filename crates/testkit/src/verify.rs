//! Many seeds, one after the other or beside each other.

use crate::simulation::{Facts, Failure, run};
use engine::state::PlantedBug;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
    let next = std::sync::atomic::AtomicU64::new(from);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let work = || {
        let mut all = (Facts::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed >= from.saturating_add(count) {
                return all;
            }
            match run_seed(seed, None) {
                Ok(facts) => {
                    tell(seed, None);
                    all.0 = all.0.with(facts);
                }
                Err(failure) => {
                    tell(seed, Some(&failure));
                    all.1.push(*failure);
                }
            }
        }
    };
    let mut whole = (Facts::default(), Vec::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (facts, failures) = thread.join().expect("a worker catches every panic of a run");
            whole.0 = whole.0.with(facts);
            whole.1.extend(failures);
        }
    });
    whole.1.sort_by_key(|failure| failure.seed);
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
        }
    }
}
