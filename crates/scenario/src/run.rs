//! One scenario from its first step to its last.

use crate::check::check;
use crate::read::{Answers, Scenario, Step};
use crate::workspace::{Opens, Stuck, Told, Workspace};
use crate::{Failure, channels::Answer};
use domain::definition::{Defined, Definition};
use domain::message::Channel;
use domain::shape::ShapeError;
use domain::{Name, Trust};
use engine::Receipt;
use engine::define::DefineError;
use std::collections::BTreeSet;
use std::path::Path;
use store::sqlite::SqliteStore;
use store::{Secrets, Store, StoreError, Transition};

/// Most failures of one scenario that are told; the others are counted.
const FAILURES: usize = 50;
/// Most lines told of one failure.
const LINES: usize = 40;

/// Why a scenario stopped before its end.
pub(crate) enum Stop {
    /// The file is wrong.
    Unreadable(ShapeError),
    /// Perennial could not go on; the failure is written down.
    Failed,
    /// The machine does not let us work.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}

/// A scenario under way.
pub(crate) struct Run {
    pub(crate) workspace: Workspace,
    /// Number of the step, from 1.
    pub(crate) step: usize,
    pub(crate) failures: Vec<Failure>,
    pub(crate) failures_left_out: usize,
    /// Outcomes since the step before.
    pub(crate) told: Vec<Told>,
    /// Entries and exits since the step before.
    pub(crate) transitions: Vec<Transition>,
    /// Every campaign and segment that was defined so far: of one that was deleted there is still something to expect.
    pub(crate) campaigns: BTreeSet<Name>,
    pub(crate) segments: BTreeSet<Name>,
    /// What is odd about definitions but allowed, each once.
    pub(crate) warnings: Vec<String>,
}

/// What came of a scenario that could be run.
pub(crate) struct Ended {
    pub(crate) failures: Vec<Failure>,
    pub(crate) failures_left_out: usize,
    pub(crate) warnings: Vec<String>,
}

/// A store in which nothing has happened, made once: to make its tables takes many times as long as to copy them.
pub(crate) struct Pristine(tempfile::TempDir);

impl Pristine {
    pub(crate) fn make() -> Result<Pristine, StoreError> {
        let dir = directory()?;
        drop(on_disk(dir.path())()?);
        Ok(Pristine(dir))
    }

    /// A copy in a directory of its own.
    fn copy(&self) -> Result<tempfile::TempDir, StoreError> {
        let dir = directory()?;
        for entry in std::fs::read_dir(self.0.path()).map_err(|error| io(&error))? {
            let entry = entry.map_err(|error| io(&error))?;
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).map_err(|error| io(&error))?;
        }
        Ok(dir)
    }
}

fn directory() -> Result<tempfile::TempDir, StoreError> {
    tempfile::Builder::new().prefix("perennial-test-").tempdir().map_err(|error| io(&error))
}

fn io(error: &std::io::Error) -> StoreError {
    StoreError::Io { doing: "opened", reason: format!("a temporary directory: {error}") }
}

/// Runs a scenario in a directory of its own that is gone afterwards.
pub(crate) fn run(scenario: &Scenario, pristine: &Pristine) -> Result<Ended, Stop> {
    let dir = pristine.copy()?;
    let real = Channel::ALL.iter().copied().collect();
    let mut run = Run {
        workspace: Workspace::open(on_disk(dir.path()), real, scenario.clock).map_err(|stuck| match stuck {
            Stuck::Store(error) => error,
            other => StoreError::Io { doing: "opened", reason: other.to_string() },
        })?,
        step: 0,
        failures: Vec::new(),
        failures_left_out: 0,
        told: Vec::new(),
        transitions: Vec::new(),
        campaigns: BTreeSet::new(),
        segments: BTreeSet::new(),
        warnings: Vec::new(),
    };
    match run.all(scenario) {
        Ok(()) | Err(Stop::Failed) => {
            let Run { failures, failures_left_out, warnings, .. } = run;
            Ok(Ended { failures, failures_left_out, warnings })
        }
        Err(stop) => Err(stop),
    }
}

/// SQLite in a directory that is thrown away: it may forget what a power cut interrupts, and is much quicker for it.
pub(crate) fn on_disk(dir: &Path) -> Opens {
    let dir = dir.to_owned();
    Box::new(move || {
        // Fixed, so that every run is the same to the byte. Nobody outside can reach this workspace.
        let mut options = store::sqlite::Options::new(Secrets { link_key: [1; 32], dedupe_key: [2; 16] });
        options.reserve_bytes = 0;
        options.outlasts_power_cut = false;
        Ok(Box::new(SqliteStore::open(&dir, options)?) as Box<dyn Store>)
    })
}

impl Run {
    fn all(&mut self, scenario: &Scenario) -> Result<(), Stop> {
        self.define(&scenario.define, "define")?;
        for (index, step) in scenario.steps.iter().enumerate() {
            self.step = index + 1;
            self.step(step, &format!("steps[{index}]"))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, place: &str) -> Result<(), Stop> {
        let moved = self.workspace.move_to(step.at);
        self.go_on(moved, place)?;
        if step.restart {
            self.restart(place)?;
        }
        self.define(&step.define, &format!("{place}.define"))?;
        self.delete(step, place)?;
        self.join(step, place)?;
        for (pool, codes) in &step.codes {
            let added = self.workspace.add_codes(pool, codes);
            if let Err(refused) = self.go_on(added, place)? {
                self.fail(format!("codes are imported into `{pool}`"), refused.to_string(), Vec::new());
            }
        }
        for (channel, answers) in &step.outbox {
            self.set_outbox(*channel, answers);
        }
        for call in &step.send {
            if let Receipt::Refused { reason, message } = self.workspace.send(call, Trust::Server) {
                let expected = format!("{} is accepted", shown(call));
                self.fail(expected, format!("refused ({reason}): {message}"), Vec::new());
            }
            let settled = self.workspace.settle();
            self.go_on(settled, place)?;
        }
        let told = self.workspace.take_told();
        self.told = self.go_on(told, place)?;
        self.transitions = self.workspace.take_transitions();
        match &step.expect {
            Some(expect) => check(self, expect),
            None => Ok(()),
        }
    }

    fn restart(&mut self, place: &str) -> Result<(), Stop> {
        let differences = self.workspace.restart();
        let differences = self.go_on(differences, place)?;
        if !differences.is_empty() {
            let found = "something is different after it".to_owned();
            self.fail("everything goes on as before the restart".to_owned(), found, differences);
        }
        Ok(())
    }

    fn define(&mut self, defined: &[Defined], place: &str) -> Result<(), Stop> {
        if defined.is_empty() {
            return Ok(());
        }
        for one in defined {
            self.warn(&one.definition);
            match &one.definition {
                Definition::Campaign(campaign) => self.campaigns.insert(campaign.name.clone()),
                Definition::Segment(segment) => self.segments.insert(segment.name.clone()),
                _ => continue,
            };
        }
        let now = self.workspace.now();
        match self.workspace.engine_mut().define(defined.to_vec(), "scenario", now) {
            Ok(_) => {}
            Err(DefineError::Store(error)) => return Err(error.into()),
            Err(DefineError::Definition(error)) => {
                let message = format!("{}: {}", error.definition, error.error);
                return Err(unreadable(place, message.trim_start_matches(": ")));
            }
            Err(other) => return Err(unreadable(place, &other.to_string())),
        }
        let settled = self.workspace.settle();
        self.go_on(settled, place)
    }

    fn warn(&mut self, definition: &Definition) {
        for warning in engine::report::warnings_of(definition) {
            let told = format!("{} `{}`: {warning}", definition.kind().word(), definition.name());
            if self.warnings.len() < LINES && !self.warnings.contains(&told) {
                self.warnings.push(told);
            }
        }
    }

    fn delete(&mut self, step: &Step, place: &str) -> Result<(), Stop> {
        for (kind, name) in &step.delete {
            let now = self.workspace.now();
            match self.workspace.engine_mut().delete_definition(*kind, name, "scenario", now) {
                Ok(_) => {}
                Err(DefineError::Store(error)) => return Err(error.into()),
                Err(error @ DefineError::Unknown { .. }) => {
                    return Err(unreadable(&format!("{place}.delete.{}", kind.word()), &error.to_string()));
                }
                Err(error) => {
                    let expected = format!("{} `{name}` is deleted", kind.word());
                    self.fail(expected, error.to_string(), Vec::new());
                }
            }
            let settled = self.workspace.settle();
            self.go_on(settled, place)?;
        }
        Ok(())
    }

    fn join(&mut self, step: &Step, place: &str) -> Result<(), Stop> {
        let now = self.workspace.now();
        if let Some([a, b]) = &step.merge {
            let merged = self.workspace.engine_mut().merge(a, b, now).map(|_| ());
            self.joined(merged, format!("`{a}` and `{b}` become one person"), place)?;
        }
        if let Some([a, b]) = &step.unmerge {
            let parted = self.workspace.engine_mut().unmerge(a, b, now);
            self.joined(parted, format!("`{a}` and `{b}` become two people"), place)?;
        }
        if let Some(name) = &step.erase {
            let erased = self.workspace.erase(name);
            if self.go_on(erased, place)?.is_none() {
                self.fail(format!("`{name}` is erased"), format!("nobody is called `{name}`"), Vec::new());
            }
        }
        Ok(())
    }

    fn joined(
        &mut self,
        result: Result<(), engine::profile::joining::JoinError>,
        expected: String,
        place: &str,
    ) -> Result<(), Stop> {
        match result {
            Ok(()) => {}
            Err(engine::profile::joining::JoinError::Store(error)) => return Err(error.into()),
            Err(error) => self.fail(expected, error.to_string(), Vec::new()),
        }
        let settled = self.workspace.settle();
        self.go_on(settled, place)
    }

    fn set_outbox(&mut self, channel: Channel, answers: &Answers) {
        let channels = &mut self.workspace.channels;
        match answers {
            Answers::All(answer) => channels.answer_all(channel, *answer),
            Answers::ByAddress(by_address) => {
                // A new value replaces all that was said of the channel.
                channels.answer_all(channel, Answer::Accept);
                for (address, answer) in by_address {
                    channels.answer_to(channel, address, *answer);
                }
            }
        }
    }

    /// Goes on, or stops for the right reason.
    fn go_on<T>(&mut self, result: Result<T, Stuck>, place: &str) -> Result<T, Stop> {
        match result {
            Ok(value) => Ok(value),
            Err(Stuck::Store(error)) => Err(Stop::Store(error)),
            Err(stuck @ Stuck::TooMuchTime(_)) => Err(unreadable(&format!("{place}.at"), &stuck.to_string())),
            Err(stuck) => {
                self.fail("the step comes to its end".to_owned(), stuck.to_string(), Vec::new());
                Err(Stop::Failed)
            }
        }
    }

    /// Writes down that something expected is not so.
    pub(crate) fn fail(&mut self, expected: String, found: String, mut why: Vec<String>) {
        if self.failures.len() == FAILURES {
            self.failures_left_out += 1;
            return;
        }
        if why.len() > LINES {
            let more = why.len() - LINES;
            why.truncate(LINES);
            why.push(format!("… and {more} lines more"));
        }
        self.failures.push(Failure { step: self.step, at: self.workspace.now(), expected, found, why });
    }
}

/// The file is wrong at a place.
pub(crate) fn unreadable(place: &str, message: &str) -> Stop {
    Stop::Unreadable(ShapeError { path: place.to_owned(), message: message.to_owned() })
}

/// A value as JSON, the beginning of it where it is long.
pub(crate) fn shown(value: &serde_json::Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}
