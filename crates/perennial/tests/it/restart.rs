//! `kill -9` while a client sends: what was acknowledged is there exactly once.

use crate::house::basic;
use crate::process::{Desk, Server};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{RowId, Store};

const CALLS: usize = 25;
const SENDERS: usize = 3;
const ROUNDS: usize = 4;

fn batch(round: usize, sender: usize, number: usize) -> String {
    let calls: Vec<Value> = (0..CALLS)
        .map(|call| json!({ "type": "track", "messageId": format!("{round}-{sender}-{number}-{call}"), "userId": format!("k{}", call % 7), "event": "Ping", "properties": { "n": number } }))
        .collect();
    json!({ "batch": calls }).to_string()
}

/// Sends batches until the server is gone. Returns the bodies that were acknowledged, and the one that was not.
fn send_until_it_dies(
    url: &str,
    key: &str,
    round: usize,
    sender: usize,
    acknowledged: &AtomicUsize,
) -> (Vec<String>, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(20)))
        .http_status_as_error(false)
        .build()
        .into();
    let mut sent = Vec::new();
    for number in 0.. {
        let body = batch(round, sender, number);
        let answer = agent.post(&format!("{url}/v1/batch")).header("authorization", &basic(key)).send(body.as_str());
        let text = answer.ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
        if text.as_deref() != Some(r#"{"success":true}"#) {
            // It may be on disk or not: a client sends it again.
            return (sent, body);
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
        sent.push(body);
    }
    unreachable!("the server is killed")
}

#[test]
fn every_acknowledged_call_survives_kill_9_exactly_once() {
    let desk = Desk::new();
    let key = desk.key("server");
    let segments = desk.file("segments.yaml", "segment: pinged\nwhere: { did: Ping, at_least: 10 }\n");
    desk.json(&["apply", &segments]);
    let all = Arc::new(Mutex::new((Vec::<String>::new(), Vec::<String>::new())));
    for round in 0..ROUNDS {
        let server = Server::start(&desk);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (url, key, acknowledged, all) =
                    (server.url.clone(), key.clone(), acknowledged.clone(), all.clone());
                std::thread::spawn(move || {
                    let (sent, last) = send_until_it_dies(&url, &key, round, sender, &acknowledged);
                    let mut all = all.lock().unwrap();
                    all.0.extend(sent);
                    all.1.push(last);
                })
            })
            .collect();
        // Killed at another depth each time, in whatever the writer does at that moment.
        assert!(
            crate::process::until(Duration::from_secs(30), || acknowledged.load(Ordering::SeqCst) >= 5 + 17 * round)
        );
        server.kill();
        for sender in senders {
            sender.join().unwrap();
        }
    }
    let (acknowledged, in_doubt) = std::mem::take(&mut *all.lock().unwrap());
    // Clients repeat what was not acknowledged, and some of what was.
    let server = Server::start(&desk);
    for body in in_doubt.iter().chain(&acknowledged[..10]) {
        let answer = ureq::post(&format!("{}/v1/batch", server.url))
            .header("authorization", &basic(&key))
            .send(body.as_str())
            .unwrap();
        assert_eq!(answer.status().as_u16(), 200);
    }
    assert_eq!(desk.json(&["segments", "count", "pinged"])["count"], 7);
    assert_eq!(server.stop(), 0);

    let mut times: HashMap<String, usize> = HashMap::new();
    let store = perennial::runtime::open_store(&desk.data()).unwrap();
    let mut visit = |row: store::JournalRow| {
        for call in row.calls {
            *times.entry(call.message_id.to_string()).or_default() += 1;
        }
        Ok(())
    };
    store.reader().unwrap().replay(RowId(0), &mut visit).unwrap();
    let mut expected = 0;
    for body in acknowledged.iter().chain(&in_doubt) {
        let body: Value = serde_json::from_str(body).unwrap();
        for call in body["batch"].as_array().unwrap() {
            let id = call["messageId"].as_str().unwrap();
            assert_eq!(times.get(id), Some(&1), "{id}");
            expected += 1;
        }
    }
    assert_eq!(times.len(), expected, "nothing else is there");
    assert!(acknowledged.len() >= ROUNDS * 5, "{}", acknowledged.len());
}
