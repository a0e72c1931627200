//! What happens to a data directory: two processes, power cuts, flipped bits, missing rights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and the line says where")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use store::sqlite::{Options, SqliteStore};
use store::*;
use testkit::store_contract::{self as scene, ALL, SMALL_FILES, put_in_order, rows_of};

const DATABASE: &str = "perennial.sqlite";

fn options() -> Options {
    Options::new(Secrets { link_key: [7; 32], dedupe_key: [8; 16] })
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, options()).unwrap()
}

/// The next commit: `count` calls, and a transition with the number of the commit as its clock.
fn next_commit(store: &SqliteStore, count: u64) -> Commit {
    let recovered = store.recover().unwrap();
    let first = recovered.position.0 + 1;
    Commit {
        calls: (first..first + count).map(scene::call).collect(),
        position: domain::Position(first + count - 1),
        clock: recovered.clock.plus(domain::Span(1)),
        transitions: vec![scene::transition("regulars", recovered.clock.0.unsigned_abs() % 1_000 + 1)],
        ..Commit::default()
    }
}

#[test]
fn a_second_process_is_turned_away_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let refused = SqliteStore::open(dir.path(), options()).err().unwrap();
    assert!(matches!(refused, StoreError::Locked { .. }));
    let message = refused.to_string();
    assert!(message.contains(&dir.path().display().to_string()), "{message}");
    assert!(message.contains(&std::process::id().to_string()), "{message}");
    drop(store);
    open(dir.path());
}

#[cfg(unix)]
#[test]
fn a_new_directory_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a").join("b");
    let mut store = open(&dir);
    let commit = next_commit(&store, 3);
    store.commit(&commit).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in [DATABASE, "perennial.sqlite-wal", "perennial.sqlite-shm", "lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    assert!(store.reader().unwrap().size_bytes().unwrap() > 8_192);
}

#[test]
fn a_place_that_cannot_be_written_is_named_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    let refused = SqliteStore::open(&file, options()).err().unwrap().to_string();
    assert!(refused.contains("could not be opened") && refused.contains("file"), "{refused}");
}

#[cfg(unix)]
#[test]
fn a_read_only_directory_is_a_clear_error_and_no_partial_start() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let opened = SqliteStore::open(dir.path(), options());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    match opened {
        Err(refused) => {
            assert!(matches!(refused, StoreError::Io { doing: "opened", .. }), "{refused}");
            assert!(refused.to_string().contains(&dir.path().display().to_string()), "{refused}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        // Root may write anywhere; for it there is a place where nobody can.
        Ok(_) if cfg!(target_os = "linux") => {
            let refused = SqliteStore::open(Path::new("/proc/self"), options()).err().unwrap();
            assert!(matches!(refused, StoreError::Io { doing: "opened", .. }), "{refused}");
            assert!(refused.to_string().contains("/proc/self"), "{refused}");
        }
        Ok(_) => {}
    }
}

#[test]
fn below_the_reserve_calls_are_refused_and_the_rest_goes_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), Options { reserve_bytes: u64::MAX, ..options() }).unwrap();
    let commit = next_commit(&store, 3);
    for refused in [store.may_append(), store.commit(&commit)] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert!(refused.to_string().contains(&dir.path().display().to_string()));
    }
    let unsubscribed =
        Commit { suppressions: vec![SuppressionChange::Add(scene::suppression("ana@x.test"))], ..Commit::default() };
    store.commit(&unsubscribed).unwrap();
    assert_eq!(store.recover().unwrap().suppressions.len(), 1);
    drop(store);
    let mut store = open(dir.path());
    store.may_append().unwrap();
    store.commit(&commit).unwrap();
}

#[cfg(unix)]
#[test]
fn nothing_is_acknowledged_into_a_database_that_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let commit = next_commit(&store, 3);
    fs::rename(dir.path().join(DATABASE), dir.path().join("elsewhere")).unwrap();
    let refused = store.commit(&commit).unwrap_err();
    assert!(refused.to_string().contains(DATABASE), "{refused}");
    fs::write(dir.path().join(DATABASE), "another").unwrap();
    assert!(store.commit(&commit).is_err());
}

#[test]
fn something_else_in_the_place_of_the_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE), "x".repeat(10_000)).unwrap();
    let refused = SqliteStore::open(dir.path(), options()).err().unwrap();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert_eq!(fs::read_to_string(dir.path().join(DATABASE)).unwrap(), "x".repeat(10_000));
}

#[test]
fn a_flipped_bit_in_a_row_is_found_and_the_row_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for _ in 0..3 {
        let commit = next_commit(&store, 200);
        store.commit(&commit).unwrap();
    }
    drop(store);
    let path = dir.path().join(DATABASE);
    let flip = |column: &str, bit: u32| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let changed = match column {
            "body" => {
                let mut body: Vec<u8> =
                    connection.query_row("SELECT body FROM journal WHERE row = 2", [], |row| row.get(0)).unwrap();
                let at = bit as usize % body.len();
                body[at] ^= 1 << (bit % 8);
                connection.execute("UPDATE journal SET body = ?1 WHERE row = 2", [body])
            }
            _ => connection.execute(
                &format!("UPDATE journal SET {column} = ({column} | {bit}) - ({column} & {bit}) WHERE row = 2"),
                [],
            ),
        };
        assert_eq!(changed.unwrap(), 1);
    };
    let numbers = ["first", "count", "min_time_ms", "max_time_ms", "size_bytes", "checksum"];
    let cases = numbers.into_iter().map(|column| (column, 4)).chain((0..200).map(|i| ("body", i * 37)));
    for (column, bit) in cases {
        flip(column, bit);
        let store = open(dir.path());
        let mut whole = Vec::new();
        let found = store
            .reader()
            .unwrap()
            .replay(RowId(0), &mut |row| {
                whole.push(row.id.0);
                Ok(())
            })
            .unwrap_err();
        assert!(
            matches!(&found, StoreError::Damaged { place, .. } if place == "journal row 2"),
            "{column} {bit}: {found}"
        );
        assert_eq!(whole, [1]);
        assert!(store.reader().unwrap().rows(&[RowId(1), RowId(2)]).is_err());
        assert_eq!(store.reader().unwrap().rows(&[RowId(1), RowId(3)]).unwrap().len(), 2);
        drop(store);
        flip(column, bit);
    }
    assert_eq!(rows_of(&open(dir.path())).len(), 3);
}

#[test]
fn a_missing_row_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for _ in 0..3 {
        let commit = next_commit(&store, 2);
        store.commit(&commit).unwrap();
    }
    drop(store);
    for row in [3, 2] {
        rusqlite::Connection::open(dir.path().join(DATABASE))
            .unwrap()
            .execute("DELETE FROM journal WHERE row = ?1", [row])
            .unwrap();
        let store = open(dir.path());
        let found = store.reader().unwrap().replay(RowId(0), &mut |_| Ok(())).unwrap_err();
        assert!(found.to_string().contains(&format!("journal row {row}: it is missing")), "{found}");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_file_never_changes_the_calls_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for _ in 0..4 {
        let commit = next_commit(&store, 500);
        store.commit(&commit).unwrap();
    }
    let expected = format!("{:?}", rows_of(&store));
    drop(store);
    let good = fs::read(dir.path().join(DATABASE)).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for round in 0..300_usize {
        let mut bad = good.clone();
        // A multiplier without common factors walks over the file evenly, the same way in every run.
        let at = round * 7_919 * 31 % bad.len();
        bad[at] ^= 1 << (round % 8);
        let copy = tempfile::tempdir().unwrap();
        fs::write(copy.path().join(DATABASE), bad).unwrap();
        let read = SqliteStore::open(copy.path(), options()).and_then(|store| {
            let mut rows = Vec::new();
            store.reader()?.replay(RowId(0), &mut |row| {
                rows.push(row);
                Ok(())
            })?;
            Ok(rows)
        });
        match read {
            Ok(rows) => {
                assert_eq!(format!("{rows:?}"), expected, "a bit at {at} changed the calls in silence");
                harmless += 1;
            }
            Err(_) => found += 1,
        }
    }
    println!("{found} found, {harmless} in bytes without meaning");
    assert!(found > 0);
}

/// A store with a sealed part: 20 commits of 10 calls, in files of up to 60.
fn sealed(dir: &Path) -> SqliteStore {
    let mut store = open(dir);
    for _ in 0..20 {
        let commit = next_commit(&store, 10);
        store.commit(&commit).unwrap();
    }
    assert!(put_in_order(&mut store, &SMALL_FILES).0 >= 3);
    store
}

fn files_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("history")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_missing_file_of_history_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = sealed(dir.path());
    let name = store.reader().unwrap().history().unwrap()[1].name.clone();
    let path = dir.path().join("history").join(&name);
    fs::rename(&path, dir.path().join("elsewhere")).unwrap();
    let says_so = |error: StoreError| {
        let text = error.to_string();
        assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
        assert!(text.contains(&format!("history/{name}: the file is missing")) && text.contains("backup"), "{text}");
    };
    says_so(store.reader().unwrap().replay(RowId(0), &mut |_| Ok(())).unwrap_err());
    drop(store);
    says_so(SqliteStore::open(dir.path(), options()).err().unwrap());
    fs::rename(dir.path().join("elsewhere"), &path).unwrap();
    assert_eq!(rows_of(&open(dir.path())).len(), 20);
}

#[test]
fn a_flipped_bit_in_a_file_of_history_is_found_and_the_file_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = sealed(dir.path());
    let expected = format!("{:?}", rows_of(&store));
    let name = store.reader().unwrap().history().unwrap()[0].name.clone();
    let path = dir.path().join("history").join(&name);
    let good = fs::read(&path).unwrap();
    let rows: Vec<RowId> = (1..=20).map(RowId).collect();
    let everybody = (0..10).map(|number| format!("user-{number}").into()).collect();
    for round in 0..200_usize {
        let mut bad = good.clone();
        let at = round * 7_919 % bad.len();
        bad[at] ^= 1 << (round % 8);
        fs::write(&path, bad).unwrap();
        let reader = store.reader().unwrap();
        let replayed = reader.replay(RowId(0), &mut |_| Ok(())).unwrap_err();
        let text = replayed.to_string();
        assert!(text.contains(&format!("history/{name}: ")) && text.contains("checksum"), "{at}: {text}");
        assert!(reader.calls_naming(&rows, &everybody).is_err(), "{at}");
    }
    for wrong in [&good[..good.len() - 1], &[], b"something else"] {
        fs::write(&path, wrong).unwrap();
        let text = store.reader().unwrap().replay(RowId(0), &mut |_| Ok(())).unwrap_err().to_string();
        assert!(text.contains(&format!("{} bytes instead of {}", wrong.len(), good.len())), "{text}");
    }
    fs::write(&path, good).unwrap();
    assert_eq!(format!("{:?}", rows_of(&store)), expected);
}

#[test]
fn a_start_removes_files_that_are_in_no_list_and_leaves_what_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = sealed(dir.path());
    let kept: Vec<String> = store.reader().unwrap().history().unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(files_in(dir.path()), kept, "merged files are gone at once");
    let commit = next_commit(&store, 100);
    store.commit(&commit).unwrap();
    store.sealer().unwrap().prepare(&SMALL_FILES).unwrap().unwrap();
    fs::write(dir.path().join("history/calls-000000000777-000000000999.parquet.part"), "half").unwrap();
    fs::write(dir.path().join("history/notes.txt"), "mine").unwrap();
    assert_eq!(files_in(dir.path()).len(), kept.len() + 3);
    drop(store);
    let store = open(dir.path());
    assert_eq!(files_in(dir.path()), [kept, vec!["notes.txt".to_owned()]].concat());
    assert_eq!(rows_of(&store).len(), 21);
}

#[test]
fn a_reader_goes_on_in_a_file_that_is_merged_away_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let limits = HistoryLimits { journal_calls: 20, file_calls: 20, file_bytes: 1_000_000 };
    for _ in 0..20 {
        let commit = next_commit(&store, 10);
        store.commit(&commit).unwrap();
    }
    put_in_order(&mut store, &limits);
    let reader = store.reader().unwrap();
    let before = reader.history().unwrap();
    assert_eq!(reader.rows(&[RowId(1), RowId(18)]).unwrap().len(), 2, "two of the files are open now");
    assert!(put_in_order(&mut store, &HistoryLimits { file_calls: 1_000, ..limits }).1 > 0);
    assert!(before.iter().all(|file| !dir.path().join("history").join(&file.name).exists()));
    let all: Vec<RowId> = (1..=20).map(RowId).collect();
    assert_eq!(reader.rows(&all).unwrap().len(), 20);
}

#[cfg(unix)]
#[test]
fn files_of_history_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = sealed(dir.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("history")), 0o700);
    let files = store.reader().unwrap().history().unwrap();
    assert_eq!(mode(&dir.path().join("history").join(&files[0].name)), 0o600);
    assert!(store.reader().unwrap().size_bytes().unwrap() > files.iter().map(|file| file.size_bytes).sum());
}

#[test]
fn nothing_is_sealed_onto_a_disk_that_is_nearly_full() {
    let dir = tempfile::tempdir().unwrap();
    drop(sealed(dir.path()));
    let before = files_in(dir.path());
    let mut store = open(dir.path());
    let commit = next_commit(&store, 100);
    store.commit(&commit).unwrap();
    drop(store);
    let store = SqliteStore::open(dir.path(), Options { reserve_bytes: u64::MAX / 2, ..options() }).unwrap();
    let refused = store.sealer().unwrap().prepare(&SMALL_FILES).unwrap_err();
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert_eq!(files_in(dir.path()), before);
}

#[test]
fn a_torn_log_is_cut_at_the_last_whole_commit() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut log_bytes = Vec::new();
    for _ in 0..8 {
        let commit = next_commit(&store, 40);
        store.commit(&commit).unwrap();
        log_bytes.push(fs::metadata(dir.path().join("perennial.sqlite-wal")).unwrap().len());
    }
    let database = fs::read(dir.path().join(DATABASE)).unwrap();
    let log = fs::read(dir.path().join("perennial.sqlite-wal")).unwrap();
    for cut in (0..log.len()).step_by(3_001) {
        for zeros in [false, true] {
            let copy = tempfile::tempdir().unwrap();
            fs::write(copy.path().join(DATABASE), &database).unwrap();
            let mut torn = log[..cut].to_vec();
            if zeros {
                torn.resize(log.len(), 0);
            }
            fs::write(copy.path().join("perennial.sqlite-wal"), torn).unwrap();
            let store = open(copy.path());
            let whole = log_bytes.iter().filter(|end| **end <= cut as u64).count() as u64;
            let recovered = store.recover().unwrap();
            assert_eq!(recovered.position.0, whole * 40, "cut at {cut}");
            assert_eq!(recovered.clock.0.unsigned_abs(), whole);
            assert_eq!(rows_of(&store).len() as u64, whole);
        }
    }
}

/// The child of the next test, which runs this binary again: commits and says so until it is killed.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os("STORE_TEST_CHILD_DIR") else {
        return;
    };
    let mut store = open(Path::new(&dir));
    for round in 0.. {
        let commit = next_commit(&store, round % 5 * 300 + 1);
        store.commit(&commit).unwrap();
        // Now and then what is old is sealed, so that a kill meets files between being written and being adopted.
        if round % 3 == 2 {
            put_in_order(&mut store, &HistoryLimits { journal_calls: 1_000, file_calls: 3_000, file_bytes: u64::MAX });
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {} {}", commit.position.0, commit.clock.0).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = (0, 0);
    for round in 0..20_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_commits_until_it_is_killed", "--exact", "--nocapture"])
            .env("STORE_TEST_CHILD_DIR", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = 0;
        for line in lines {
            let line = line.unwrap_or_default();
            let Some((position, clock)) = line.strip_prefix("acknowledged ").and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            acknowledged = (position.parse().unwrap(), clock.parse().unwrap());
            said += 1;
            if said == round % 7 + 1 {
                // The moment differs from round to round; the child goes on meanwhile.
                (0..round * 40_000).for_each(|spin| {
                    std::hint::black_box(spin);
                });
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(said > 0, "the child never committed");

        let store = open(dir.path());
        let recovered = store.recover().unwrap();
        assert!(recovered.position.0 >= acknowledged.0, "round {round}: {acknowledged:?} was acknowledged");
        assert!(recovered.clock.0 >= acknowledged.1);
        let calls: usize = rows_of(&store).iter().map(|row| row.calls.len()).sum();
        assert_eq!(calls as u64, recovered.position.0, "rows are whole");
        let transitions = store
            .reader()
            .unwrap()
            .transitions(&domain::Name::parse("regulars").unwrap(), Page { limit: u32::MAX, ..ALL })
            .unwrap();
        assert_eq!(transitions.len() as u64, recovered.clock.0.unsigned_abs(), "facts and position go together");
    }
}
