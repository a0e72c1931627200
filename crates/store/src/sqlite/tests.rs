//! Stories of SQLite that need a look inside: other formats, a full database.

use super::*;
use crate::{DecisionFilter, HistoryLimits, Page, RowId, Transition};
use domain::message::Phase;
use domain::{Call, CallKind, Position, Timestamp, Trust};
use serde_json::value::RawValue;
use std::sync::Arc;

const ADDS_NOTES: &str = "CREATE TABLE notes (text TEXT NOT NULL) STRICT;
    INSERT INTO notes SELECT 'position ' || position FROM meta;";
const BREAKS: &str = "CREATE TABLE half_done (text TEXT) STRICT; DELETE FROM journal; INSERT INTO nowhere VALUES (1);";

fn options() -> Options {
    Options::new(Secrets { link_key: [1; 32], dedupe_key: [2; 16] })
}

/// `count` calls after `position`, of about 1 KB that cannot be compressed away.
fn calls(position: u64, count: u64) -> Commit {
    let call = |number: u64| {
        let noise: String = (0..60)
            .map(|i| format!("{:x}", (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.rotate_left(i))))
            .collect();
        Arc::new(Call {
            kind: CallKind::Track,
            message_id: format!("m{number}").into(),
            user_id: Some("ana".into()),
            anonymous_id: None,
            other_id: None,
            event: Some("Order Completed".into()),
            timestamp: Timestamp(0),
            received_at: Timestamp(0),
            source: "shop".into(),
            trust: Trust::Server,
            record: None,
            body: RawValue::from_string(format!("{{\"noise\":\"{noise}\"}}")).unwrap().into(),
            context: None,
        })
    };
    let calls = (position + 1..=position + count).map(call).collect();
    Commit { calls, position: Position(position + count), ..Commit::default() }
}

fn count_calls(store: &SqliteStore) -> usize {
    let mut count = 0;
    store
        .reader()
        .unwrap()
        .replay(RowId(0), &mut |row| {
            count += row.calls.len();
            Ok(())
        })
        .unwrap();
    count
}

#[test]
fn the_sqlite_inside_has_no_known_race() {
    assert!(rusqlite::version_number() >= OLDEST_SQLITE, "{}", rusqlite::version());
}

#[test]
fn every_commit_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    let pragma = |name: &str| {
        store.connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
    assert_eq!(pragma("synchronous"), 2.into(), "2 is FULL");
    assert_eq!(pragma("foreign_keys"), 1.into());
}

#[test]
fn old_data_is_brought_up_to_date_and_does_not_go_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open_with(dir.path(), options(), format::STEPS).unwrap();
    store.commit(&calls(0, 1_500)).unwrap();
    let secrets = store.recover().unwrap().secrets;
    drop(store);

    let newer = [format::STEPS, &[ADDS_NOTES]].concat();
    let other = Options::new(Secrets::default());
    let mut store = SqliteStore::open_with(dir.path(), other, &newer).unwrap();
    let note: String = store.connection.query_row("SELECT text FROM notes", [], |row| row.get(0)).unwrap();
    assert_eq!(note, "position 1500");
    store.commit(&calls(1_500, 5)).unwrap();
    assert_eq!(count_calls(&store), 1_505);
    assert!(store.recover().unwrap().secrets == secrets, "secrets are kept");
    drop(store);

    let before = std::fs::read(dir.path().join("perennial.sqlite")).unwrap();
    let refused = SqliteStore::open(dir.path(), options()).err().unwrap();
    let known = u32::try_from(format::STEPS.len()).unwrap();
    assert!(
        matches!(refused, StoreError::Newer { found, known: ours, .. } if found == known + 1 && ours == known),
        "{refused}"
    );
    assert!(refused.to_string().contains(&dir.path().display().to_string()));
    assert_eq!(std::fs::read(dir.path().join("perennial.sqlite")).unwrap(), before, "nothing was touched");
    assert_eq!(count_calls(&SqliteStore::open_with(dir.path(), options(), &newer).unwrap()), 1_505);
}

#[test]
fn a_step_that_breaks_half_way_leaves_the_old_format() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), options()).unwrap();
    store.commit(&calls(0, 10)).unwrap();
    drop(store);
    let broken = [format::STEPS, &[BREAKS]].concat();
    assert!(SqliteStore::open_with(dir.path(), options(), &broken).is_err());
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    assert_eq!(count_calls(&store), 10);
    assert!(store.connection.prepare("SELECT * FROM half_done").is_err());
}

#[test]
fn entries_and_exits_of_an_older_format_are_still_there_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteStore::open_with(dir.path(), options(), &format::STEPS[..14]).unwrap();
    let segment = |name: &str| domain::Name::parse(name).unwrap();
    let movements: Vec<Transition> = (0..10_000_u32)
        .map(|number| Transition {
            segment: segment(if number % 7 == 3 { "lapsed" } else { "regulars" }),
            customer: domain::CustomerId(if number == 5 { u32::MAX } else { number * 17 % 900 }),
            at: Timestamp(i64::from(number) * 1_000_000_007 - 9),
            entered: number % 3 != 0,
        })
        .collect();
    for Transition { segment, customer, at, entered } in &movements {
        old.connection
            .prepare_cached("INSERT INTO transitions (segment, customer, at_ms, entered) VALUES (?1, ?2, ?3, ?4)")
            .unwrap()
            .execute(rusqlite::params![segment.as_str(), customer.0, at.0, entered])
            .unwrap();
    }
    drop(old);
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    for name in ["lapsed", "regulars"].map(segment) {
        let newest: Vec<_> = movements.iter().rev().filter(|it| it.segment == name).cloned().collect();
        let page = Page { skip: 0, limit: u32::MAX };
        assert_eq!(store.reader().unwrap().transitions(&name, page).unwrap(), newest);
    }
}

#[test]
fn attempts_of_an_older_format_stay_with_their_messages() {
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteStore::open_with(dir.path(), options(), &format::STEPS[..15]).unwrap();
    old.connection
        .execute_batch(
            "INSERT INTO messages (number, id, customer, campaign, step, template, channel, purpose, decided_at_ms, attempts, expires_ms)
                 VALUES (1, 'm_z', 7, 'win-back', '1', 'hello', 'email', 'marketing', 5, 2, 9), (2, 'm_a', 8, 'win-back', '1', 'hello', 'email', 'marketing', 5, 1, 9);
             INSERT INTO attempts (message, number, started_at_ms, phase, ended_at_ms, result, reply)
                 VALUES ('m_a', 1, 10, 'data', NULL, NULL, NULL), ('m_z', 1, 11, 'done', 12, 'put_off', '450 later'), ('m_z', 2, 13, 'started', NULL, NULL, NULL);
             INSERT INTO decisions (message, customer, campaign, step, at_ms, outcome) VALUES ('m_z', 7, 'win-back', '1', 12, 'held'), ('m_a', 8, 'win-back', '1', 12, 'sent');",
        )
        .unwrap();
    drop(old);
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    let reader = store.reader().unwrap();
    let id = |id: &str| domain::MessageId(id.into());
    let attempts_of = |message: &str| -> Vec<_> {
        let (_, attempts) = reader.message(&id(message)).unwrap().unwrap();
        attempts.into_iter().map(|it| (it.message, it.number, it.started_at.0, it.phase.word(), it.reply)).collect()
    };
    let later = Some("450 later".to_owned());
    assert_eq!(attempts_of("m_z"), [(id("m_z"), 1, 11, "done", later), (id("m_z"), 2, 13, "started", None)]);
    assert_eq!(attempts_of("m_a"), [(id("m_a"), 1, 10, "data", None)]);
    let about_z = DecisionFilter { message: Some(id("m_z")), ..DecisionFilter::default() };
    let found = reader.decisions(&about_z, Page { skip: 0, limit: 10 }).unwrap();
    assert_eq!(found.iter().map(|(_, it)| it.outcome.word()).collect::<Vec<_>>(), ["held"]);
}

#[test]
fn a_full_database_takes_nothing_of_a_commit_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), options()).unwrap();
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let allow = |store: &SqliteStore, pages: i64| {
        store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    allow(&store, pages + 100);
    let mut position = 0;
    let refused = loop {
        match store.commit(&calls(position, 150)) {
            Ok(()) => position += 150,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(position > 0, "some went in before");
    assert_eq!(store.recover().unwrap().position, Position(position));
    assert_eq!(count_calls(&store) as u64, position);
    allow(&store, pages + 10_000);
    store.commit(&calls(position, 2_500)).unwrap();
    drop(store);
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    assert_eq!(count_calls(&store) as u64, position + 2_500);
}

#[test]
fn the_log_is_carried_over_beside_the_writer_long_before_a_commit_has_to_do_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), options()).unwrap();
    let size_of = |file: &str| std::fs::metadata(dir.path().join(file)).unwrap().len();
    let mut position = 0;
    while size_of("perennial.sqlite-wal") < 20 << 20 {
        store.commit(&calls(position, 500)).unwrap();
        position += 500;
    }
    // A commit would begin at 64 MB.
    let begin = std::time::Instant::now();
    while size_of("perennial.sqlite") < 8 << 20 {
        assert!(begin.elapsed() < std::time::Duration::from_secs(60), "nobody carries it over");
        std::thread::yield_now();
    }
    store.commit(&calls(position, 500)).unwrap();
    drop(store);
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    assert_eq!(count_calls(&store) as u64, position + 500);
}

#[test]
fn every_column_is_explained_in_the_database_itself() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    let mut tables = store
        .connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT%'")
        .unwrap();
    let tables: Vec<(String, String)> =
        tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(tables.len(), 29);
    for (table, sql) in tables {
        let lines: Vec<&str> = sql.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let is_column = pair[1].starts_with(|first: char| first.is_ascii_lowercase());
            assert!(!is_column || pair[0].starts_with("-- "), "{table}: `{}` says nothing about itself", pair[1]);
        }
    }
}

/// Every file of the directory with its bytes.
fn files_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_of(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn no_byte_of_an_erased_person_is_left_in_any_file_whatever_was_deleted_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), options()).unwrap();
    let named = |mut commit: Commit| {
        for (index, call) in commit.calls.iter_mut().enumerate() {
            let mut named = call.as_ref().clone();
            named.user_id = Some(if index % 10 == 0 { "canary-ana" } else { "ben" }.into());
            *call = Arc::new(named);
        }
        commit
    };
    for commit in 0..6 {
        store.commit(&named(calls(commit * 200, 200))).unwrap();
    }
    let refused = |raw: &str| crate::Refused {
        id: 0,
        at: Timestamp(0),
        source: "shop".to_owned(),
        trust: Trust::Browser,
        reason: "bad_json".to_owned(),
        message: "cut off".to_owned(),
        raw: raw.to_owned(),
    };
    let position = Position(1_200);
    let refused =
        vec![refused("{\"userId\":\"canary-ana\",\"note\":\"canary-note\"}"), refused("{\"userId\":\"ben\"}")];
    store.commit(&Commit { position, refused, ..Commit::default() }).unwrap();
    // Part of it is sealed: what the journal held of it lies in free pages, were they not overwritten.
    let limits = HistoryLimits { journal_calls: 500, file_calls: 400, file_bytes: u64::MAX };
    let body = |row: u64| -> Vec<u8> {
        store.connection.query_row("SELECT body FROM journal WHERE row = ?1", [row], |row| row.get(0)).unwrap()
    };
    let rows: Vec<Vec<u8>> = (1..=6).map(body).collect();
    let mut sealer = store.sealer().unwrap();
    while let Some(prepared) = sealer.prepare(&limits).unwrap() {
        store.adopt(prepared).unwrap();
    }
    let files = files_of(&dir.path().join("history"));
    assert!(!files.is_empty() && contains(&files[0].1, b"canary-ana"));
    let erasure = Erasure {
        names: ["canary-ana".into()].into(),
        commit: Commit { position, ..Commit::default() },
        ..Erasure::default()
    };
    // Somebody reads meanwhile: the log cannot be emptied until they are done.
    let slow = store.reader().unwrap().at_rest().unwrap();
    store.connection.busy_timeout(Duration::from_millis(10)).unwrap();
    let erased = store.erase(&erasure, &|_, call| Some(Call { user_id: None, ..call.emptied("x") })).unwrap();
    assert_eq!((erased.calls, erased.refused, erased.is_scrubbed), (120, 1, false));
    drop(slow);
    assert!(erase::scrub(&store.connection).unwrap());
    let look = |what: &str| {
        for (name, bytes) in files_of(dir.path()) {
            for canary in ["canary-ana", "canary-note"] {
                assert!(!contains(&bytes, canary.as_bytes()), "{canary} is left in {name} {what}");
            }
            for row in &rows {
                assert!(!contains(&bytes, &row[..48]), "a row of the journal is left in {name} {what}");
            }
        }
    };
    look("while it is open");
    assert_eq!(count_calls(&store), 1_200);
    drop(store);
    look("after a stop");
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    assert_eq!(count_calls(&store), 1_200);
}

#[test]
fn one_customers_history_takes_one_row_group_of_each_file_that_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path(), options()).unwrap();
    // 40 customers take turns; ana and bea come once in a while.
    for commit in 0..60_u64 {
        let mut commit = calls(commit * 500, 500);
        for (index, call) in commit.calls.iter_mut().enumerate() {
            let mut named = call.as_ref().clone();
            let name = match index {
                17 => "ana".to_owned(),
                31 => "bea".to_owned(),
                _ => format!("customer-{}", index % 40),
            };
            named.user_id = Some(name.into());
            *call = Arc::new(named);
        }
        store.commit(&commit).unwrap();
    }
    let limits = HistoryLimits { journal_calls: 2_000, file_calls: 10_000, file_bytes: u64::MAX };
    let mut sealer = store.sealer().unwrap();
    while let Some(prepared) = sealer.prepare(&limits).unwrap() {
        store.adopt(prepared).unwrap();
    }
    let reader = open_reader(dir.path()).unwrap();
    let files = reader.history().unwrap();
    assert_eq!(files.iter().map(|file| file.count).collect::<Vec<_>>(), [10_000, 10_000, 9_000]);
    let rows: Vec<RowId> = (1..=60).map(RowId).collect();
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    assert_eq!(reader.calls_naming(&rows, &names(&["ana", "bea"])).unwrap().len(), 120);
    let reads = reader.reads();
    println!("history of two people in {} files: {} row groups, {} pages", files.len(), reads.groups, reads.pages);
    assert_eq!(reads.groups, 3, "one row group of each file");
    assert!(reads.pages <= 6, "one page, or two where their calls lie at an edge, of about ten: {reads:?}");
    // Rows say in which files to look at all.
    assert_eq!(reader.calls_naming(&[RowId(3), RowId(59)], &names(&["ana"])).unwrap().len(), 2);
    assert_eq!(reader.reads().groups, 4, "the other row is in the journal");
}

#[test]
fn a_copy_is_whole_as_of_one_commit_while_calls_come_in_and_files_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&dir.path().join("data"), options()).unwrap();
    let limits = HistoryLimits { journal_calls: 500, file_calls: 1_000, file_bytes: u64::MAX };
    let mut position = 0;
    for _ in 0..4 {
        store.commit(&calls(position, 1_500)).unwrap();
        position += 1_500;
        let prepared = store.sealer().unwrap().prepare(&limits).unwrap();
        if let Some(prepared) = prepared {
            store.adopt(prepared).unwrap();
        }
    }
    let files = history::list(&store.connection).unwrap().len();
    assert!(files > 0, "some history lies in files");
    // While the writer is in the middle of something, and goes on.
    let target = dir.path().join("copy");
    let copied = copy(&dir.path().join("data"), &target).unwrap();
    assert_eq!((copied.position, copied.files.len()), (Position(6_000), files + 1));
    store.commit(&calls(position, 10)).unwrap();
    let back = SqliteStore::open(&target, options()).unwrap();
    assert_eq!((count_calls(&back), count_calls(&store)), (6_000, 6_010));
    assert!(back.recover().unwrap().secrets == store.recover().unwrap().secrets);
    #[cfg(unix)]
    for file in &copied.files {
        let mode = std::os::unix::fs::PermissionsExt::mode(&target.join(file).metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{file:?} is its owner's");
    }
    // A file that is listed and gone is no copy.
    let first = history::list(&store.connection).unwrap().remove(0);
    std::fs::remove_file(dir.path().join("data/history").join(first.name)).unwrap();
    let error = copy(&dir.path().join("data"), &dir.path().join("other")).unwrap_err();
    assert!(error.to_string().contains("try again later"), "{error}");
    assert!(!dir.path().join("other").exists());
}

#[test]
fn a_mail_that_an_older_version_left_while_it_went_out_is_still_one_that_may_have_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let old = SqliteStore::open_with(dir.path(), options(), &format::STEPS[..16]).unwrap();
    old.connection
        .execute_batch(
            "INSERT INTO messages (number, id, customer, campaign, step, template, channel, purpose, decided_at_ms, attempts, phase, expires_ms)
                 VALUES (1, 'm_z', 7, 'win-back', '1', 'hello', 'email', 'marketing', 5, 2, 'started', 9), (2, 'm_a', 8, 'win-back', '1', 'hello', 'email', 'marketing', 5, 1, 'data', 9);
             INSERT INTO attempts (message, number, started_at_ms, phase) VALUES (1, 1, 10, 'data'), (1, 2, 11, 'started'), (2, 1, 13, 'data');",
        )
        .unwrap();
    drop(old);
    let store = SqliteStore::open(dir.path(), options()).unwrap();
    let reader = store.reader().unwrap();
    let phase_of = |id: &str| reader.message(&domain::MessageId(id.into())).unwrap().unwrap().0.phase;
    assert_eq!(phase_of("m_a"), Some(Phase::Data), "its body had begun to go out");
    assert_eq!(phase_of("m_z"), Some(Phase::Started), "of its second attempt nothing had");
    let mut written = store.connection.prepare("SELECT phase FROM messages ORDER BY number").unwrap();
    let written: Vec<String> = written.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(written, ["started", "started"], "a version that knows less is turned away by the format's number");
}
