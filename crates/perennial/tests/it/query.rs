//! Questions in SQL: of the API beside a writer that goes on, and of the command with the server running or not.

use crate::house::House;
use crate::process::{Desk, Server};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

const SEGMENTS: &str = "
segment: buyers
where: { did: Order Completed }
---
segment: spenders
where: { did: Order Completed, sum: revenue, above: 25 }
";

/// Ana and Ben bought, Cid only looked.
fn sent(house: &House) {
    let key = house.key("server");
    let order = |who: &str, revenue: &str, at: &str| {
        json!({
            "type": "track", "userId": who, "event": "Order Completed", "messageId": format!("{who}-{at}"),
            "timestamp": at, "properties": { "revenue": revenue, "currency": "EUR" },
        })
    };
    house
        .batch(
            &key,
            &[
                order("ana", "10.00", "2026-01-05T10:00:00Z"),
                order("ana", "20.50", "2026-02-05T10:00:00Z"),
                order("ben", "5.25", "2026-02-06T10:00:00Z"),
                json!({ "type": "page", "userId": "cid", "name": "Home", "messageId": "p1" }),
            ],
        )
        .assert_success();
    house.define(SEGMENTS);
}

fn ask(house: &House, body: Value) -> crate::house::Answer {
    let request = Request::post("/api/query")
        .header("authorization", format!("Bearer {}", house.open().app.token))
        .header("content-type", "application/json");
    house.ask(request.body(Body::from(body.to_string())).unwrap())
}

#[test]
fn sql_counts_what_the_reports_count() {
    let house = House::new();
    sent(&house);
    for (segment, members) in [("buyers", ["ana", "ben"].as_slice()), ("spenders", &["ana"])] {
        let sql = format!("SELECT customer FROM memberships WHERE segment = '{segment}' ORDER BY customer");
        let answer = house.manage(Method::POST, "/api/query", Some(json!({ "sql": sql })));
        let rows: Vec<&str> = answer["rows"].as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
        assert_eq!(rows, members);
        assert_eq!(answer["count"], house.get(&format!("/api/segments/{segment}/count"))["count"]);
    }
    let since = "SELECT since FROM memberships WHERE segment = 'spenders'";
    assert_eq!(
        ask(&house, json!({ "sql": since, "format": "csv" })).text(),
        "since\r\n2026-02-05T10:00:00Z\r\n",
        "the order that brought her above 25, not the definition"
    );
    let answer = ask(
        &house,
        json!({ "sql": "SELECT customer, sum(json_get_decimal(properties, 'revenue')) AS revenue FROM events
                        WHERE name = 'Order Completed' GROUP BY customer ORDER BY customer", "format": "json" }),
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), json!([{ "customer": "ana", "revenue": 30.5 }, { "customer": "ben", "revenue": 5.25 }]));
}

#[test]
fn a_question_that_is_wrong_is_the_askers_and_says_what_is_near() {
    let house = House::new();
    sent(&house);
    let answer = ask(&house, json!({ "sql": "SELECT custmer FROM events", "format": "csv" }));
    answer.assert_refused(400, "wrong");
    assert!(answer.text().contains("did you mean `customer`?"), "{}", answer.text());
    ask(&house, json!({ "sql": "DROP TABLE events" })).assert_refused(400, "wrong");
    ask(&house, json!({ "sql": "SELECT 1", "format": "xls" })).assert_refused(400, "wrong");
    let outside = Request::post("/api/query").header("content-type", "application/json");
    let outside = house.ask(outside.body(Body::from(json!({ "sql": "SELECT 1" }).to_string())).unwrap());
    assert_eq!(outside.status, 401);
}

#[test]
fn all_tables_are_of_one_position_while_events_go_on() {
    let house = House::new();
    sent(&house);
    let key = house.key("server");
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for number in 0..60 {
                let who = format!("n{number}");
                let call = json!({ "type": "track", "userId": who, "event": "Order Completed", "messageId": who });
                house.call(&key, call).assert_success();
            }
        });
        while !sender.is_finished() {
            // Everybody has happened, and every buyer is in the segment of buyers: at any position, or tables differ.
            let sql =
                "SELECT (SELECT count(*) FROM customers) - (SELECT count(DISTINCT customer) FROM events) AS strangers,
                              (SELECT count(*) FROM memberships WHERE segment = 'buyers')
                              - (SELECT count(DISTINCT customer) FROM events WHERE name = 'Order Completed') AS missed";
            let answer = ask(&house, json!({ "sql": sql }));
            assert_eq!(answer.json()["rows"], json!([["0", "0"]]), "{}", answer.text());
        }
        sender.join().unwrap();
    });
}

#[test]
fn the_command_answers_the_same_with_a_server_and_without() {
    let desk = Desk::new();
    let orders = desk.file(
        "calls.jsonl",
        &[
            r#"{"type":"track","userId":"ana","event":"Order Completed","messageId":"1","timestamp":"2026-01-05T10:00:00Z","properties":{"revenue":"10.00"}}"#,
            r#"{"type":"track","userId":"ben","event":"Order Completed","messageId":"2","timestamp":"2026-01-06T10:00:00Z","properties":{"revenue":"0.10"}}"#,
        ]
        .join("\n"),
    );
    assert_eq!(desk.run(&["import", &orders, "--map", "segment-calls"]).status, 0);
    let sql = "SELECT customer, json_get_decimal(properties, 'revenue') AS revenue FROM events ORDER BY customer";
    let asked = || {
        let table = desk.run(&["query", sql]);
        assert_eq!(
            (table.status, table.out.as_str()),
            (0, "customer  revenue\nana            10\nben           0.1\n")
        );
        let csv = desk.run(&["query", sql, "--format", "csv"]);
        assert_eq!((csv.status, csv.out.as_str()), (0, "customer,revenue\r\nana,10\r\nben,0.1\r\n"));
        let json = desk.run(&["--json", "query", sql]);
        let expected = json!([{ "customer": "ana", "revenue": 10 }, { "customer": "ben", "revenue": 0.1 }]);
        assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap(), expected);
        let parquet = desk.command(&["query", sql, "--format", "parquet"]).output().unwrap();
        assert!(parquet.stdout.starts_with(b"PAR1") && parquet.stdout.ends_with(b"PAR1"), "{parquet:?}");
        let wrong = desk.run(&["query", "SELECT revenu FROM events"]);
        assert_eq!((wrong.status, wrong.out.as_str()), (2, ""));
        assert!(wrong.err.contains("there is no column `revenu` here"), "{}", wrong.err);
        let wrong = desk.run(&["query", "DELETE FROM events", "--format", "csv"]);
        assert_eq!((wrong.status, wrong.out.as_str()), (2, ""));
        assert!(wrong.err.contains("nothing can be changed"), "{}", wrong.err);
    };
    asked();
    let server = Server::start(&desk);
    asked();
    assert_eq!(server.stop(), 0);
    let dictionary = desk.run(&["query", "--tables"]);
    assert_eq!(dictionary.status, 0);
    for table in ["events:", "customers:", "traits:", "records:", "memberships:", "messages:"] {
        assert!(dictionary.out.contains(table), "{table}");
    }
}
