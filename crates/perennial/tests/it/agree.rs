//! List, count, profile, as-of and SQL say the same of who belongs, while orders rush in and afterwards.

use crate::house::{House, basic};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tower::ServiceExt;

const SEGMENTS: &str = "
segment: buyers
where: { did: Order Completed }
---
segment: fans
where: { did: Order Completed, at_least: 3 }
";

/// One question: all its tables are of one position.
const SQL: &str = "
SELECT
  (SELECT count(*) FROM memberships WHERE segment = 'buyers') AS buyers,
  (SELECT count(DISTINCT customer) FROM events WHERE name = 'Order Completed') AS bought,
  (SELECT count(*) FROM memberships WHERE segment = 'fans') AS fans,
  (SELECT count(*) FROM (SELECT customer FROM events WHERE name = 'Order Completed' GROUP BY customer HAVING count(*) >= 3) AS often) AS often";

/// Orders of a few hundred customers, as quickly as they are taken, until told to stop.
fn rush(house: &House, key: &str, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let (router, key) = (house.open().router.clone(), basic(key));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut sent = 0;
        while !stop.load(Ordering::Acquire) {
            let batch: Vec<Value> = (0..20_u64)
                .map(|at| {
                    let number = sent + at;
                    let who = number * number * 7 % 613;
                    json!({ "type": "track", "userId": format!("u{who}"), "messageId": format!("m{number}"), "event": "Order Completed" })
                })
                .collect();
            let body = Body::from(json!({ "batch": batch }).to_string());
            let request = Request::post("/v1/batch").header("authorization", &key).body(body).unwrap();
            let answer = runtime.block_on(router.clone().oneshot(request)).unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            sent += 20;
        }
        sent
    })
}

fn asked(house: &House) -> Vec<String> {
    let answer = house.manage(axum::http::Method::POST, "/api/query", Some(json!({ "sql": SQL })));
    answer["rows"][0].as_array().unwrap().iter().map(|cell| cell.as_str().unwrap().to_owned()).collect()
}

/// Count, list and a few memberships of a segment at an instant; live where there is none. Fails unless they agree.
fn agreed(house: &House, segment: &str, at: Option<&str>) -> u64 {
    let (first, more) =
        at.map_or((String::new(), String::new()), |at| (format!("?as_of={at}"), format!("&as_of={at}")));
    let count = house.get(&format!("/api/segments/{segment}/count{first}"))["count"].as_u64().unwrap();
    let list = house.get(&format!("/api/segments/{segment}/members?limit=10000{more}"));
    let members = list["members"].as_array().unwrap();
    assert_eq!(members.len() as u64, count, "{segment} at {at:?}");
    for who in [0, 1, 50, 200, 612] {
        let name = format!("u{who}");
        let told = house.manage_or_none(&format!("/api/segments/{segment}/members/{name}{first}"));
        let is_listed = members.iter().any(|member| *member == name);
        assert_eq!(told.is_some_and(|told| told["member"] == true), is_listed, "{name} in {segment} at {at:?}");
    }
    count
}

#[test]
fn everything_says_the_same_of_who_belongs_also_while_orders_rush_in() {
    let house = House::new();
    house.define(SEGMENTS);
    let key = house.key("server");
    let stop = Arc::new(AtomicBool::new(false));
    let rushing = rush(&house, &key, stop.clone());
    std::thread::sleep(Duration::from_secs(3));
    let mut grew = Vec::new();
    for _ in 0..6 {
        let found = asked(&house);
        assert_eq!((&found[0], &found[2]), (&found[1], &found[3]), "at one position");
        // What arrived three seconds ago is on disk, so that nothing comes to it between two questions.
        let past = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(3)).to_string();
        agreed(&house, "buyers", Some(&past));
        grew.push(agreed(&house, "fans", Some(&past)));
    }
    stop.store(true, Ordering::Release);
    let sent = rushing.join().unwrap();
    assert!(sent >= 1_000, "there was a rush: {sent}");
    assert!(grew.is_sorted(), "whoever ordered three times stays: {grew:?}");
    let (buyers, fans) = (agreed(&house, "buyers", None), agreed(&house, "fans", None));
    assert_eq!(asked(&house), [buyers, buyers, fans, fans].map(|count| count.to_string()));
    let profile = house.get("/api/customers/u0");
    let own: Vec<&str> =
        profile["segments"].as_array().unwrap().iter().filter_map(|one| one["segment"].as_str()).collect();
    assert_eq!(own, ["buyers", "fans"], "{profile}");
}
