//! Tests for segments and campaigns in the words of the business: scenario files, as `spec/scenarios.md` of the product
//! says. A scenario opens an empty workspace on a clock that is turned by hand, feeds its steps through the code that
//! serves production, and says what must be true.
//!
//! HTTP, real time and real channels are absent on purpose: a scenario gives the same answer on every machine.

pub mod channels;
mod check;
pub mod dry_run;
mod expect;
mod files;
mod matching;
pub mod preflight;
mod read;
mod report;
mod run;
mod words;
pub mod workspace;

pub use report::{Colours, junit};

use domain::Timestamp;
use domain::shape::ShapeError;
use run::Stop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::StoreError;

/// Most bytes of scenarios in one run: they are all in memory while it lasts.
const RUN_BYTES: usize = 64 << 20;

/// What came of all scenarios of a run.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// In the order of the files, and of the scenarios in them.
    pub scenarios: Vec<Tested>,
    /// Files and folders that could not be read, and scenarios that make no sense.
    pub unreadable: Vec<Unreadable>,
    /// Files of folders that hold definitions and no scenario.
    pub passed_over: usize,
    /// Steps that were run.
    pub steps: usize,
    /// How long all of it took.
    pub took: Duration,
}

/// What came of one scenario.
#[derive(Clone, PartialEq, Debug)]
pub struct Tested {
    /// Its file, as it was named or found.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What did not hold, in the order of the steps; none: it passed.
    pub failures: Vec<Failure>,
    /// Failures beyond those that are told.
    pub failures_left_out: usize,
    /// What is odd about its definitions but allowed, such as ``segment `lapsed`: the path … is malformed``.
    pub warnings: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Tested {
    /// Whether every expectation held.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Something expected that is not so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Number of the step, from 1.
    pub step: usize,
    /// What the clock showed.
    pub at: Timestamp,
    /// What was expected, such as `u1 is a member of lapsed`.
    pub expected: String,
    /// What was instead.
    pub found: String,
    /// Why: the segment condition by condition, or what was decided about the customer. One line each.
    pub why: Vec<String>,
}

impl std::fmt::Display for Failure {
    /// In one line, without the reasons.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {} ({}): expected: {}; was: {}", self.step, self.at, self.expected, self.found)
    }
}

/// A file that cannot be read, or a scenario in it that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// The file or folder.
    pub file: String,
    /// The scenario's name, if it was known by then.
    pub name: Option<String>,
    /// What is wrong, with the key and its place.
    pub error: ShapeError,
}

impl Unreadable {
    /// Whether it is only that this version does not do something of the specification yet.
    pub fn is_not_yet(&self) -> bool {
        self.error.message.contains("by this version yet")
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        write!(f, "{}", self.error)
    }
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The machine does not let us work: no room, no temporary directory.
    #[error("{file}: {name}: {error}")]
    Store {
        /// The file.
        file: String,
        /// The scenario.
        name: String,
        /// Why.
        #[source]
        error: StoreError,
    },
    /// Perennial failed inside.
    #[error("{file}: {name}: Perennial failed inside; this is a bug, please report it with the scenario")]
    Inside {
        /// The file.
        file: String,
        /// The scenario.
        name: String,
    },
}

/// Runs all scenarios of files and folders, over all cores, each in a workspace of its own.
///
/// The result does not depend on how many cores there are. `progress` is told how many of how many scenarios are done, from several threads.
pub fn test(paths: &[PathBuf], progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Report, Broken> {
    let begun = Instant::now();
    let (found, unread) = files::find(paths);
    let no_place = |reason: String| ShapeError { path: String::new(), message: reason };
    let mut report = Report::default();
    report.unreadable.extend(unread.into_iter().map(|(path, reason)| Unreadable {
        file: path.display().to_string(),
        name: None,
        error: no_place(reason),
    }));
    let bytes = AtomicUsize::new(0);
    let read = in_parallel(&found, |file| {
        let text = files::text(&file.path).map_err(no_place)?;
        if bytes.fetch_add(text.len(), Ordering::Relaxed) + text.len() > RUN_BYTES {
            return Err(no_place(format!("more than {RUN_BYTES} bytes of scenarios; run them folder by folder")));
        }
        read::scenarios(&text, file.path.parent().unwrap_or(Path::new("")))
    });
    let mut scenarios = Vec::new();
    for (file, read) in found.into_iter().zip(read) {
        let name = file.path.display().to_string();
        match read {
            Ok(Some(read)) => scenarios.extend(read.into_iter().map(|scenario| (name.clone(), scenario))),
            Ok(None) if file.named => {
                let error = no_place(
                    "the file holds definitions and no scenario; a scenario begins with `scenario:`".to_owned(),
                );
                report.unreadable.push(Unreadable { file: name, name: None, error });
            }
            Ok(None) => report.passed_over += 1,
            Err(error) => report.unreadable.push(Unreadable { file: name, name: None, error }),
        }
    }
    run_all(&mut report, &scenarios, progress)?;
    report.took = begun.elapsed();
    Ok(report)
}

/// Runs the scenarios of a text. `folder`: where `from:` begins; `file`: what the text is called.
pub fn test_text(text: &str, file: &str, folder: &Path) -> Result<Report, Broken> {
    let begun = Instant::now();
    let mut report = Report::default();
    let unreadable = |error| Unreadable { file: file.to_owned(), name: None, error };
    match read::scenarios(text, folder) {
        Ok(Some(read)) => {
            let scenarios: Vec<_> = read.into_iter().map(|scenario| (file.to_owned(), scenario)).collect();
            run_all(&mut report, &scenarios, &|_, _| {})?;
        }
        Ok(None) => {
            let message = "this holds definitions and no scenario".to_owned();
            report.unreadable.push(unreadable(ShapeError { path: String::new(), message }));
        }
        Err(error) => report.unreadable.push(unreadable(error)),
    }
    report.took = begun.elapsed();
    Ok(report)
}

fn run_all(
    report: &mut Report,
    scenarios: &[(String, read::Scenario)],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), Broken> {
    let Some((file, first)) = scenarios.first() else { return Ok(()) };
    let no_store = |error| Broken::Store { file: file.clone(), name: first.name.clone(), error };
    let pristine = run::Pristine::make().map_err(no_store)?;
    let done = AtomicUsize::new(0);
    let ran = in_parallel(scenarios, |(_, scenario)| {
        let begun = Instant::now();
        // A bug that one scenario finds must not hide what became of the others.
        let ended = catch_unwind(AssertUnwindSafe(|| run::run(scenario, &pristine)));
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, scenarios.len());
        (ended, begun.elapsed())
    });
    for ((file, scenario), (ended, took)) in scenarios.iter().zip(ran) {
        let (file, name) = (file.clone(), scenario.name.clone());
        match ended {
            Ok(Ok(ended)) => {
                report.steps += scenario.steps.len();
                let run::Ended { failures, failures_left_out, warnings } = ended;
                report.scenarios.push(Tested { file, name, failures, failures_left_out, warnings, took });
            }
            Ok(Err(Stop::Unreadable(error))) => {
                report.unreadable.push(Unreadable { file, name: Some(name), error });
            }
            Ok(Err(Stop::Store(error))) => return Err(Broken::Store { file, name, error }),
            Ok(Err(Stop::Failed)) | Err(_) => return Err(Broken::Inside { file, name }),
        }
    }
    Ok(())
}

/// Does the work for each item on as many threads as there are cores, and gives the results in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(items.len());
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, item)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
                {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
