//! Online Retail, a real file of half a million lines: the numbers of its literature, the same after a second
//! import and after one that was killed. Skipped where the shared folder is not there.

use crate::process::{Desk, Ran, find_shared, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use store::{RowId, Store};

const SEGMENTS: &str = "
segment: everyone
where: { everyone: true }
---
segment: regulars
where: { did: Order Completed, at_least: 3, within: 180d }
---
segment: lapsed
where: { all: [ { did: Order Completed, at_least: 2, within: 365d }, { did_not: Order Completed, within: 60d } ] }
---
segment: spenders
where: { did: Order Completed, sum: revenue, at_least: 1000, within: 365d }
---
segment: refunders
where: { did: Order Refunded, within: 90d }
";

/// Found by `e2e/online_retail_numbers.py`, which shares no code with us.
const COUNTS: [(&str, [(&str, u64); 5]); 4] = [
    (
        "2011-03-01T00:00:00Z",
        [("everyone", 1_749), ("regulars", 361), ("lapsed", 64), ("spenders", 317), ("refunders", 522)],
    ),
    (
        "2011-06-01T00:00:00Z",
        [("everyone", 2_767), ("regulars", 802), ("lapsed", 318), ("spenders", 726), ("refunders", 529)],
    ),
    (
        "2011-11-15T12:00:00Z",
        [("everyone", 4_178), ("regulars", 1_125), ("lapsed", 834), ("spenders", 1_516), ("refunders", 672)],
    ),
    (
        "2011-12-09T12:50:00Z",
        [("everyone", 4_372), ("regulars", 1_270), ("lapsed", 842), ("spenders", 1_632), ("refunders", 759)],
    ),
];

fn import(desk: &Desk, file: &Path) -> Ran {
    desk.run(&["--json", "import", file.to_str().unwrap(), "--map", "online-retail"])
}

/// Number and worth in thousandths of a pound of each event in the journal, in which no message id stands twice.
fn journal(desk: &Desk) -> BTreeMap<String, (u64, i64)> {
    let store = perennial::runtime::open_store(&desk.data()).unwrap();
    let (mut seen, mut events) = (HashSet::new(), BTreeMap::<String, (u64, i64)>::new());
    let mut visit = |row: store::JournalRow| {
        for call in row.calls {
            assert!(seen.insert(call.message_id.to_string()), "{} stands twice", call.message_id);
            let body: Value = serde_json::from_str(call.body.get()).unwrap();
            let event = events.entry(call.event.as_deref().unwrap_or("").to_owned()).or_default();
            event.0 += 1;
            event.1 += thousandths(&body["revenue"].to_string());
        }
        Ok(())
    };
    store.reader().unwrap().replay(RowId(0), &mut visit).unwrap();
    events
}

fn thousandths(number: &str) -> i64 {
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    assert!(!number.starts_with('-') && places.len() <= 3, "{number}");
    format!("{whole}{places:0<3}").parse().unwrap()
}

fn assert_counts(desk: &Desk) {
    // Asked of a server: opening the directory for each question would take longer than the question.
    let server = crate::process::Server::start(desk);
    for (at, counts) in COUNTS {
        for (segment, count) in counts {
            let answer = desk.json(&["segments", "count", segment, "--as-of", at]);
            assert_eq!(answer, json!({ "segment": segment, "as_of": at, "count": count }));
        }
    }
    let told = by_sql(desk);
    assert_eq!(told.len(), INSTANTS.len());
    for (at, counts) in told {
        for (segment, count) in counts {
            let answer = desk.json(&["segments", "count", &segment, "--as-of", &at]);
            assert_eq!(answer, json!({ "segment": segment, "as_of": at, "count": count }), "SQL says {count}");
        }
    }
    assert_eq!(server.stop(), 0);
}

/// Any instants: the edges of windows among them, by the second at which an order of the file leaves one of them.
const INSTANTS: [&str; 14] = [
    "2010-12-01T08:25:59Z",
    "2010-12-01T08:26:00Z",
    "2010-12-24T23:59:59Z",
    "2011-01-30T08:25:59Z",
    "2011-01-30T08:26:00Z",
    "2011-03-13T11:11:11Z",
    "2011-04-30T00:00:00Z",
    "2011-05-30T08:25:59Z",
    "2011-05-30T08:26:00Z",
    "2011-07-04T16:20:00Z",
    "2011-08-28T13:13:13Z",
    "2011-10-10T10:10:10Z",
    "2011-12-01T08:25:59Z",
    "2011-12-01T08:26:00Z",
];

/// How many people each segment had at each instant, asked of the events in SQL, which knows nothing of segments.
fn by_sql(desk: &Desk) -> Vec<(String, Vec<(String, u64)>)> {
    let instants: Vec<String> = INSTANTS.iter().map(|at| format!("(TIMESTAMP '{at}')")).collect();
    let query = format!(
        "WITH instants(now) AS (VALUES {}),
         happened AS (
             SELECT customer, time, name = 'Order Completed' AS bought, name = 'Order Refunded' AS refunded,
                    CASE WHEN name = 'Order Completed' THEN json_get_decimal(properties, 'revenue') ELSE 0 END AS spent
             FROM events WHERE customer IS NOT NULL),
         people AS (
             SELECT now, customer,
                 count(*) FILTER (WHERE bought AND time > now - INTERVAL '180 days') AS half_year,
                 count(*) FILTER (WHERE bought AND time > now - INTERVAL '365 days') AS year,
                 count(*) FILTER (WHERE bought AND time > now - INTERVAL '60 days') AS lately,
                 count(*) FILTER (WHERE refunded AND time > now - INTERVAL '90 days') AS refunds,
                 coalesce(sum(spent) FILTER (WHERE time > now - INTERVAL '365 days'), 0) AS spent
             FROM instants JOIN happened ON time <= now GROUP BY now, customer)
         SELECT CAST(now AS text) AS at, count(customer) AS everyone,
             count(*) FILTER (WHERE half_year >= 3) AS regulars,
             count(*) FILTER (WHERE year >= 2 AND lately = 0) AS lapsed,
             count(*) FILTER (WHERE spent >= 1000) AS spenders,
             count(*) FILTER (WHERE refunds >= 1) AS refunders
         FROM people GROUP BY now ORDER BY now",
        instants.join(", ")
    );
    // An instant before the first order has no people, so no row: it is added by hand.
    let rows: Value = serde_json::from_str(&desk.run(&["--json", "query", &query]).out).unwrap();
    let mut told: Vec<(String, Vec<(String, u64)>)> = vec![(INSTANTS[0].to_owned(), vec![("everyone".to_owned(), 0)])];
    for row in rows.as_array().unwrap() {
        let counts = row.as_object().unwrap().iter().filter(|(name, _)| *name != "at");
        let counts = counts.map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect();
        let at = row["at"].as_str().unwrap().replace(' ', "T");
        told.push((format!("{}Z", at.trim_end_matches('Z')), counts));
    }
    told
}

#[test]
fn online_retail_is_imported_once_however_often_and_however_it_is_started() {
    let Some(file) = find_shared("data/online_retail_I_full.csv.gz") else { return };
    let desk = Desk::new();
    // Killed as soon as some of it is durable, long before the rest is.
    let mut killed = desk
        .command(&["import", file.to_str().unwrap(), "--map", "online-retail"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until it has begun there is nothing to read.
    let first = || store::sqlite::SqliteStore::reader_of(&desk.data())?.rows(&[RowId(1)]);
    let grew = until(Duration::from_secs(120), || first().is_ok_and(|rows| !rows.is_empty()));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(grew, "the import stored nothing");

    let second = import(&desk, &file);
    assert_eq!(second.status, 1, "rows without a customer are refused: {second:?}");
    let answer = second.json();
    assert_eq!((&answer["rows"], &answer["customers"]), (&json!(541_909), &json!(4_372)));
    assert_eq!(answer["events_by_name"], json!({ "Order Completed": 18_536, "Order Refunded": 3_654 }));
    assert_eq!(
        (&answer["refused"], &answer["refused_by_reason"]),
        (&json!(135_080), &json!({ "no customer": 135_080 }))
    );
    let (accepted, known) = (answer["accepted"].as_u64().unwrap(), answer["duplicates"].as_u64().unwrap());
    assert_eq!(accepted + known, 22_190);
    assert!(accepted > 0 && known > 0, "killed in the middle: {accepted} and {known}");

    let expected = BTreeMap::from([
        ("Order Completed".to_owned(), (18_536, 8_911_407_904)),
        ("Order Refunded".to_owned(), (3_654, 611_342_090)),
    ]);
    assert_eq!(journal(&desk), expected);

    let third = import(&desk, &file).json();
    assert_eq!(
        (&third["accepted"], &third["duplicates"], &third["refused"]),
        (&json!(0), &json!(22_190), &json!(135_080))
    );
    assert_eq!(journal(&desk), expected);
    desk.json(&["apply", &desk.file("segments.yaml", SEGMENTS)]);
    assert_counts(&desk);
    assert_dry_run(&desk);
}

/// Thanks whoever spends 500 pounds at once, no more than every 30 days. Nobody in the file has an address, so it speaks to
/// them in the app.
const THANKS: &str = "
purpose: marketing
default: granted
---
template: thanks
channel: in_app
subject: Thank you
body: For so large an order
---
campaign: thanks
enter: { on: { did: Order Completed, where: { revenue: { at_least: 500 } } }, again: { after: 30d } }
holdout: 25%
steps: [ { message: thanks } ]
";

/// A year of real orders, lived through again: as many thanks as the orders themselves say.
fn assert_dry_run(desk: &Desk) {
    let (from, to) = ("2010-12-09T00:00:00Z", "2011-12-09T00:00:00Z");
    let store = perennial::runtime::open_store(&desk.data()).unwrap();
    let mut orders: Vec<(domain::Timestamp, String)> = Vec::new();
    let mut visit = |row: store::JournalRow| {
        for call in row.calls.iter().filter(|call| call.event.as_deref() == Some("Order Completed")) {
            let body: Value = serde_json::from_str(call.body.get()).unwrap();
            let is_large = thousandths(&body["revenue"].to_string()) >= 500_000;
            let is_within = (from..to).contains(&call.timestamp.to_string().as_str());
            if is_large && is_within {
                orders.push((call.timestamp, call.name().to_string()));
            }
        }
        Ok(())
    };
    store.reader().unwrap().replay(RowId(0), &mut visit).unwrap();
    drop(store);
    orders.sort();
    let mut thanked: BTreeMap<String, Vec<domain::Timestamp>> = BTreeMap::new();
    for (at, customer) in orders {
        let own = thanked.entry(customer).or_default();
        if own.last().is_none_or(|last| last.plus(domain::Span::days(30)) <= at) {
            own.push(at);
        }
    }
    let expected: usize = thanked.values().map(Vec::len).sum();
    assert!(expected > 2_000, "{expected}");
    let file = desk.file("thanks.yaml", THANKS);
    let run = desk.json(&["simulate", &file, "--from", from, "--to", to]);
    assert_eq!((&run["entries"], &run["people"]), (&json!(expected), &json!(thanked.len())));
    let count = |outcome: &str| {
        let rows = run["outcomes"].as_array().unwrap().iter().filter(|row| row["outcome"] == outcome);
        rows.map(|row| row["messages"].as_u64().unwrap()).sum::<u64>()
    };
    let (sent, held_out) = (count("sent"), count("would_have_sent"));
    assert_eq!(sent + held_out, expected as u64);
    let share = held_out as f64 / expected as f64;
    assert!((0.2..0.3).contains(&share), "a quarter is held out: {share}");
    assert_eq!(desk.json(&["campaigns", "list"]), json!([]), "nothing of it stays");
}
