//! What a question may not do, and what it may not use up.

use crate::{Analyst, source};
use query::{Look, QueryError};
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::Shop;

fn shop() -> Shop {
    let shop = Shop::open("2026-01-01T00:00:00Z");
    shop.customer("ana").does("Order Completed", json!({ "total": 1 }));
    shop
}

#[test]
fn nothing_can_be_changed_and_no_file_be_read() {
    let (shop, analyst) = (shop(), Analyst::new());
    for sql in [
        "DROP TABLE events",
        "CREATE TABLE mine AS SELECT 1",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE EXTERNAL TABLE passwords STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/out.csv'",
        "COPY events TO 'out.parquet' STORED AS PARQUET",
        "INSERT INTO events SELECT * FROM events",
        "DELETE FROM events",
        "UPDATE traits SET value = '1'",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "SHOW ALL",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "EXPLAIN COPY events TO 'out.parquet'",
        "EXPLAIN DELETE FROM events",
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
        "SELECT * INTO mine FROM events",
        "WITH x AS (SELECT 1) INSERT INTO events SELECT * FROM x",
        "TRUNCATE TABLE events",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
    ] {
        let reason = analyst.refusal(&shop, sql);
        let is_told = reason.contains("only questions") || reason.contains("cannot be read as SQL");
        assert!(is_told, "{sql}: {reason}");
    }
    for sql in [
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'file:///etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('x.parquet')",
        "SELECT * FROM other.public.events",
        "SELECT (SELECT count(*) FROM \"x.csv\")",
    ] {
        let reason = analyst.refusal(&shop, sql);
        assert!(reason.starts_with("there is no table"), "{sql}: {reason}");
    }
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM events"), ["1"]);
}

#[test]
fn an_error_names_the_nearest_thing_that_there_is() {
    let (shop, analyst) = (shop(), Analyst::new());
    for (sql, reason) in [
        ("SELECT custmer FROM events", "there is no column `custmer` here; did you mean `customer`?"),
        ("SELECT e.nme FROM events e", "there is no column `nme` here; did you mean `name`?"),
        ("SELECT * FROM event", "there is no table `event`; did you mean `events`?"),
        ("DESCRIBE trait", "there is no table `trait`; did you mean `traits`?"),
        ("", "nothing is asked; try SELECT count(*) FROM events"),
        ("SELECT 1; SELECT 2", "one question at a time; there are 2 here"),
        (
            "SELECT customer FROM events, traits",
            "`customer` could be of several tables; say of which, such as `events.customer`",
        ),
    ] {
        assert_eq!(analyst.refusal(&shop, sql), reason);
    }
    for (sql, part) in [
        ("SELEC 1", "this cannot be read as SQL"),
        ("SELECT json_get_st(properties, 'a') FROM events", "json_get_str"),
        ("SELECT count(*) FROM events GROUP BY", "this cannot be read as SQL"),
        ("SELECT 'x'::int", "x"),
    ] {
        let reason = analyst.refusal(&shop, sql);
        assert!(reason.contains(part), "{sql}: {reason}");
        assert!(!reason.contains("DataFusion") && !reason.contains("backtrace"), "{sql}: {reason}");
    }
}

#[test]
fn a_question_that_takes_too_long_is_given_up() {
    let (shop, analyst) = (shop(), Analyst::with(64 << 20, Duration::from_millis(300)));
    let endless = "SELECT count(*) FROM generate_series(1, 4000000000) a, generate_series(1, 4000000000) b";
    let began = Instant::now();
    let error = analyst.try_ask(&shop, endless).unwrap_err();
    assert!(matches!(error, QueryError::TooLong(_)), "{error}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    // It is over: the next one has its place and its time.
    let patient = Analyst::new();
    assert_eq!(patient.ask(&shop, "SELECT count(*) FROM events"), ["1"]);
}

#[test]
fn sorting_more_than_memory_holds_goes_to_disk() {
    let (shop, analyst) = (shop(), Analyst::with(24 << 20, Duration::from_secs(300)));
    let sql = "SELECT count(*), max(word) FROM (
                   SELECT row_number() OVER (ORDER BY word) AS place, word FROM (
                       SELECT concat(value % 9973, repeat('x', 100), value) AS word FROM generate_series(1, 400000)))";
    let answer = analyst.ask(&shop, sql);
    assert!(answer[0].starts_with("400000 | 9"), "{answer:?}");
    // What cannot go to disk is refused rather than taken from others.
    let poor = Analyst::with(4 << 20, Duration::from_secs(300));
    let whole = "SELECT array_length(array_agg(concat(repeat('x', 100), value))) FROM generate_series(1, 400000)";
    let error = poor.try_ask(&shop, whole).unwrap_err();
    assert!(matches!(error, QueryError::TooMuch(_)), "{error:?}");
}

#[test]
fn no_function_makes_much_of_little() {
    let (shop, analyst) = (shop(), Analyst::new());
    for sql in [
        "SELECT length(repeat('x', 2000000000))",
        "SELECT length(lpad('x', 2000000000))",
        "SELECT length(rpad('x', 10001, 'y'))",
        "SELECT array_length(range(0, 4000000000))",
        "SELECT array_length(generate_series(4000000000, 0, -1))",
        "SELECT array_length(array_repeat(1, 100000000))",
        "SELECT array_length(array_resize([1], 100000000, 0))",
    ] {
        let reason = analyst.refusal(&shop, sql);
        assert!(reason.contains("at most 10000"), "{sql}: {reason}");
    }
    assert_eq!(analyst.ask(&shop, "SELECT length(repeat('x', 100)), rpad('a', 3, 'b')"), ["100 | abb"]);
}

#[test]
fn a_monstrous_question_gets_an_error_and_the_house_stands() {
    let (shop, analyst) = (shop(), Analyst::new());
    let too_long = format!("SELECT '{}'", "x".repeat(query::SQL_BYTES));
    assert!(analyst.refusal(&shop, &too_long).contains("more than 100000"));
    assert!(analyst.refusal(&shop, &format!("SELECT 1{}", "+1".repeat(15_000))).contains("words and signs"));
    let deep = [
        format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000)),
        format!("SELECT {}1", "NOT ".repeat(3_000)),
        format!("SELECT {}1{}", "abs(".repeat(2_000), ")".repeat(2_000)),
        "SELECT * FROM ".to_owned() + &"(SELECT * FROM ".repeat(500) + "events" + &") x".repeat(500),
    ];
    for sql in deep {
        let began = Instant::now();
        let error = analyst.try_ask(&shop, &sql).map(|_| ()).unwrap_err();
        assert!(error.is_the_askers(), "{error}");
        println!("{} in {:?}: {error}", &sql[..20], began.elapsed());
    }
    // A long sum is only long.
    assert_eq!(analyst.ask(&shop, &format!("SELECT 1{}", "+1".repeat(900))), ["901"]);
}

#[test]
fn rows_beyond_those_looked_at_are_counted() {
    let (shop, analyst) = (shop(), Analyst::new());
    let question = analyst.queries.read("SELECT value FROM generate_series(1, 25000)").unwrap();
    let mut look = Look::new(10);
    analyst.queries.answer(&question, source(&shop, question.wanted).unwrap(), &mut look).unwrap();
    let answer = look.answer();
    assert_eq!((answer.rows.len(), answer.count), (10, 25_000));
    assert!(answer.columns[0].is_number);
}
