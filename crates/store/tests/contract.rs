//! The stories of every store, told by SQLite; and SQLite against the store in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and the line says where")]

use proptest::prelude::*;
use std::path::Path;
use store::sqlite::{Options, SqliteStore};
use store::*;
use tempfile::TempDir;
use testkit::memory_store::{MemoryDisk, MemoryStore};
use testkit::store_contract::{self as scene, NOW, Place};

struct Dir(TempDir);

impl Place for Dir {
    fn open(&self) -> Box<dyn Store> {
        Box::new(open(self.0.path()))
    }
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, Options::new(Secrets { link_key: [7; 32], dedupe_key: [8; 16] })).unwrap()
}

fn new_directory() -> Dir {
    Dir(tempfile::tempdir().unwrap())
}

testkit::store_contract!(new_directory);

/// One thing that happens to a store. Numbers are small, so that things meet again and change.
#[derive(Clone, Debug)]
enum Happening {
    Reopened,
    Committed {
        calls: usize,
        days: i64,
        changes: Vec<Change>,
    },
    /// Both put their history in order, with files of up to so many calls; or SQLite alone, which nobody may notice.
    PutInOrder {
        file_calls: u64,
        both: bool,
    },
}

#[derive(Clone, Debug)]
enum Change {
    Moved(u64),
    Decided(u64, usize),
    Messaged { number: u64, outcome: Option<usize>, days: i64, is_written: bool },
    Attempted(u64, u32),
    Travelled { number: u64, customer: u32, stage: usize, days: i64 },
    Exposed { number: u64, days: i64, goals: u32 },
    Shared { days: i64, share: u32 },
    Assigned(u64),
    Defined { version: u32, is_deleted: bool },
    Suppressed(u64),
    Lifted(u64),
    Refused(i64),
    Dismissed(u64),
    Revoked(u64),
    Tallied(i32, u64),
}

const STAGES: [Stage; 6] =
    [Stage::Due, Stage::Waiting, Stage::Messaging, Stage::Finished, Stage::Exited, Stage::Converted];

fn happening() -> impl Strategy<Value = Happening> {
    let commit = (0..40_usize, 0..800_i64, prop::collection::vec(change(), 0..12))
        .prop_map(|(calls, days, changes)| Happening::Committed { calls, days, changes });
    let put_in_order =
        (1..100_u64, any::<bool>()).prop_map(|(file_calls, both)| Happening::PutInOrder { file_calls, both });
    prop_oneof![1 => Just(Happening::Reopened), 4 => commit, 2 => put_in_order]
}

fn change() -> impl Strategy<Value = Change> {
    let few = || 1..6_u64;
    prop_oneof![
        few().prop_map(Change::Moved),
        (few(), 0..6_usize).prop_map(|(number, outcome)| Change::Decided(number, outcome)),
        (few(), prop::option::of(0..6_usize), 0..800_i64, any::<bool>())
            .prop_map(|(number, outcome, days, is_written)| Change::Messaged { number, outcome, days, is_written }),
        (few(), 1..4_u32).prop_map(|(number, attempt)| Change::Attempted(number, attempt)),
        (few(), 1..3_u32, 0..6_usize, 0..5_i64)
            .prop_map(|(number, customer, stage, days)| { Change::Travelled { number, customer, stage, days } }),
        (few(), 0..800_i64, 0..3_u32).prop_map(|(number, days, goals)| Change::Exposed { number, days, goals }),
        (0..5_i64, 1_000..9_000_u32).prop_map(|(days, share)| Change::Shared { days, share }),
        few().prop_map(Change::Assigned),
        (1..4_u32, any::<bool>()).prop_map(|(version, is_deleted)| Change::Defined { version, is_deleted }),
        few().prop_map(Change::Suppressed),
        few().prop_map(Change::Lifted),
        (0..100_i64).prop_map(Change::Refused),
        few().prop_map(Change::Dismissed),
        few().prop_map(Change::Revoked),
        (0..4_i32, 0..50_u64).prop_map(|(day, count)| Change::Tallied(day, count)),
    ]
}

fn apply(commit: &mut Commit, change: &Change) {
    use domain::message::{Because, Outcome};
    let ago = |days: i64| NOW.minus(domain::Span::days(days));
    let outcome = |at: usize| Outcome::ALL[at];
    let address = |number: u64| format!("c{number}@x.test");
    match *change {
        Change::Moved(number) => commit.transitions.push(scene::transition("regulars", number)),
        Change::Decided(number, at) => commit.decisions.push(scene::decision(number, outcome(at))),
        Change::Messaged { number, outcome: at, days, is_written } => {
            let message = scene::message(number);
            commit.messages.push(domain::message::Message {
                outcome: at.map(outcome),
                outcome_at: at.map(|_| ago(days)),
                because: (days % 2 == 0).then_some(Because::Paused),
                written: message.written.clone().filter(|_| is_written),
                ..message
            });
        }
        Change::Attempted(number, attempt) => commit.attempts.push(scene::attempt(number, attempt)),
        Change::Travelled { number, customer, stage, days } => commit.journeys.push(Journey {
            customer: domain::CustomerId(customer),
            stage: STAGES[stage],
            entered_at: ago(days),
            ..scene::journey(number)
        }),
        Change::Exposed { number, days, goals } => {
            commit.exposures.push(Exposure { at: ago(days), until: ago(days - 400), goals, ..scene::exposure(number) });
        }
        Change::Shared { days, share } => commit.sharings.push(scene::sharing(ago(days), share)),
        Change::Assigned(number) => commit.assignments.push(scene::assignment(number)),
        Change::Defined { version, is_deleted } => {
            let definition = scene::definition("lapsed", version);
            let value = definition.value.clone().filter(|_| !is_deleted);
            commit.definitions.push(DefinitionVersion { value, ..definition });
        }
        Change::Suppressed(number) => {
            commit.suppressions.push(SuppressionChange::Add(scene::suppression(&address(number))));
        }
        Change::Lifted(number) => commit.suppressions.push(SuppressionChange::Lift(address(number))),
        Change::Refused(days) => commit.refused.push(scene::refused(0, ago(days))),
        Change::Dismissed(number) => commit.refused_gone.push(number),
        Change::Revoked(number) => {
            let revoked_at = number.is_multiple_of(2).then_some(NOW);
            commit.keys.push(Key { revoked_at, ..scene::key(&format!("k{number}")) });
        }
        Change::Tallied(day, count) => {
            let key = TallyKey { day, source: "shop".into(), reception: Reception::Accepted, reason: None };
            *commit.tallies.entry(key).or_default() += count;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn sqlite_and_memory_tell_the_same_after_any_commits(happenings in prop::collection::vec(happening(), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let disk = MemoryDisk::new();
        let created = Secrets { link_key: [7; 32], dedupe_key: [8; 16] };
        let mut sqlite = open(dir.path());
        let mut memory = MemoryStore::open_with(disk.clone(), created.clone());
        let mut position = 0;
        for happening in &happenings {
            match happening {
                Happening::Reopened => {
                    drop(sqlite);
                    sqlite = open(dir.path());
                    memory = MemoryStore::open_with(disk.clone(), Secrets::default());
                }
                Happening::PutInOrder { file_calls, both } => {
                    let limits = HistoryLimits { journal_calls: 10, file_calls: *file_calls, file_bytes: u64::MAX };
                    scene::put_in_order(&mut sqlite, &limits);
                    if *both {
                        scene::put_in_order(&mut memory, &limits);
                    }
                }
                Happening::Committed { calls, days, changes } => {
                    let end = position + *calls as u64;
                    let mut commit = Commit {
                        calls: (position + 1..=end).map(scene::call).collect(),
                        position: domain::Position(end),
                        clock: NOW.minus(domain::Span::days(*days)),
                        ..Commit::default()
                    };
                    changes.iter().for_each(|change| apply(&mut commit, change));
                    let (one, other) = (sqlite.commit(&commit), memory.commit(&commit));
                    prop_assert_eq!(one.is_ok(), other.is_ok(), "{:?} {:?}", one, other);
                    if one.is_ok() {
                        position = end;
                    }
                }
            }
            prop_assert_eq!(scene::describe(&sqlite), scene::describe(&memory));
        }
        prop_assert!(sqlite.recover().unwrap().secrets == created && memory.recover().unwrap().secrets == created);
    }
}
