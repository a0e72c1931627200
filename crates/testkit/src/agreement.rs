//! The engine against the plain reading of the spec.
//!
//! A random life of a small workspace is lived by the engine, and asked at every turn whether live membership,
//! membership built from nothing and the plain evaluator say the same.

mod ask;
mod shrink;
mod written;

pub use ask::{Disagreement, Facts, Look, Outcome, Question, live, members_at_end, run, without_refused};
pub use shrink::shrink;
pub use written::scenario;

use crate::chance::Chance;
use crate::clock::instant;
use crate::random::{self, USERS, VISITORS};
use domain::{Span, Timestamp};
use serde_json::{Value, json};

/// Acts of one life.
const ACTS: u32 = 26;

/// Where lives begin: before changes of the clocks in both directions, before the ends of February in a leap year and in
/// a common one, before a new year.
const STARTS: [&str; 7] = [
    "2026-03-25T12:00:00Z",
    "2026-10-22T12:00:00Z",
    "2026-03-05T12:00:00Z",
    "2024-02-25T12:00:00Z",
    "2025-02-25T12:00:00Z",
    "2026-12-28T12:00:00Z",
    "2026-07-01T00:00:00Z",
];

/// A life: what is defined and what happens, without what is expected.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the clock shows at first.
    pub start: Timestamp,
    /// Definitions in force from the start.
    pub definitions: Vec<Value>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One act, after time has passed.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What.
    pub act: Act,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Act {
    /// Only time passes.
    Wait,
    /// A call comes with a server key.
    Send(Value),
    /// Definitions change.
    Define(Vec<Value>),
    /// Perennial stops and starts.
    Restart,
    /// Two names are joined by hand.
    Merge(String, String),
    /// Two names are parted by hand.
    Unmerge(String, String),
}

impl Case {
    /// The life of a seed.
    pub fn random(seed: u64) -> Case {
        let mut chance = Chance::new(seed);
        let start = instant(chance.pick::<&str>(&STARTS));
        let zone = *chance.pick(&["UTC", "Europe/London", "America/New_York", "Asia/Kathmandu"]);
        let mut definitions = vec![json!({ "workspace": "settings", "zone": zone }), random::purpose(&mut chance)];
        definitions.extend(segments(&mut chance, start));
        let mut now = start;
        let mut steps = Vec::new();
        for _ in 0..ACTS {
            steps.push(Step { at: now, act: act(&mut chance, now) });
            now = match chance.below(10) {
                0..4 => now,
                4..9 => random::near(&mut chance, now, Span(0), Span::days(1)),
                _ => now.plus(Span::days(chance.between(1, 9))),
            }
            .max(now);
        }
        steps.push(Step { at: now, act: Act::Wait });
        Case { start, definitions, steps }
    }
}

fn act(chance: &mut Chance, now: Timestamp) -> Act {
    let mut names = || {
        let all: Vec<&str> = USERS.iter().chain(&VISITORS).copied().collect();
        ((*chance.pick(&all)).to_owned(), (*chance.pick(&all)).to_owned())
    };
    let (a, b) = names();
    match chance.below(100) {
        0..74 => Act::Send(random::call(chance, now)),
        74..80 => Act::Restart,
        80..84 => {
            let mut aside = chance.aside(1);
            let mut defined = segments(chance, now);
            if aside.happens(25) {
                defined.push(random::purpose(&mut aside));
            }
            Act::Define(defined)
        }
        84..92 => Act::Merge(a, b),
        _ => Act::Unmerge(a, b),
    }
}

/// Random segments, in some of which any event whatever is meant.
fn segments(chance: &mut Chance, now: Timestamp) -> Vec<Value> {
    let mut segments = random::segments(chance, now);
    for segment in segments.iter_mut().filter(|_| chance.happens(20)) {
        widen(segment);
    }
    segments
}

fn widen(value: &mut Value) {
    match value {
        Value::String(event) if event == "visit*" => *value = "*".into(),
        Value::Array(items) => items.iter_mut().for_each(widen),
        Value::Object(map) => map.values_mut().for_each(widen),
        _ => {}
    }
}
