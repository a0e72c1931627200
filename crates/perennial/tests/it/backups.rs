//! A backup of a shop that is open, brought back elsewhere: nothing is missing, and nothing of a damaged one is left.

use crate::process::Desk;
use serde_json::{Value, json};

/// A shop of three customers, with a segment and a campaign that has written to one of them.
fn shop() -> Desk {
    let desk = Desk::new();
    desk.file(
        "shop.yaml",
        "purpose: marketing
default: granted
---
segment: buyers
where: { did: Order Completed }
---
template: thanks
channel: email
subject: Thank you
body: Thank you.
---
campaign: thanks
enter: { on: { did: Order Completed } }
steps: [ { id: first, message: thanks } ]
",
    );
    desk.json(&["apply", "shop.yaml"]);
    let now = jiff::Timestamp::now().to_string();
    desk.file(
        "calls.jsonl",
        &[
            json!({ "type": "identify", "userId": "ana", "messageId": "1", "timestamp": now, "traits": { "email": "ana@example.com" } }),
            json!({ "type": "track", "userId": "ana", "messageId": "2", "timestamp": now, "event": "Order Completed", "properties": { "revenue": 25 } }),
            json!({ "type": "track", "userId": "ben", "messageId": "3", "timestamp": now, "event": "Product Viewed" }),
        ]
        .map(|call| call.to_string())
        .join("\n"),
    );
    desk.json(&["import", "calls.jsonl", "--map", "segment-calls"]);
    desk
}

fn told(desk: &Desk) -> [Value; 3] {
    [
        &["query", "SELECT segment, customer FROM memberships"][..],
        &["query", "SELECT customer, name, message_id FROM events ORDER BY message_id"],
        &["query", "SELECT customer, campaign, outcome FROM messages"],
    ]
    .map(|arguments| serde_json::from_str(&desk.run(&[&["--json"], arguments].concat()).out).unwrap())
}

#[test]
fn a_shop_is_brought_back_from_its_backup_as_it_was() {
    let desk = shop();
    let before = told(&desk);
    assert_eq!(before[2][0]["customer"], "ana", "she was written to: {before:?}");
    let made = desk.json(&["backup", "shop.tar.zst"]);
    assert_eq!(
        (&made["files"], &made["position"]),
        (&json!(1), &json!(4)),
        "three calls, and ours that she was written to: {made}"
    );
    assert!(!desk.data().join("backup.making").exists());
    let again = desk.run(&["backup", "shop.tar.zst"]);
    assert_eq!(again.status, 2, "{again:?}");

    let elsewhere = Desk::new();
    let file = desk.path("shop.tar.zst");
    let file = file.to_str().unwrap();
    assert_eq!(elsewhere.json(&["restore", file])["position"], 4);
    assert_eq!(told(&elsewhere), before);
    let full = elsewhere.run(&["restore", file]);
    assert_eq!(full.status, 2, "nothing is written over: {full:?}");
}

#[test]
fn nothing_is_left_of_a_backup_that_is_damaged() {
    let desk = shop();
    desk.json(&["backup", "shop.tar.zst"]);
    let whole = std::fs::read(desk.path("shop.tar.zst")).unwrap();
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 0x40;
    let damaged: [(&str, &[u8]); 4] =
        [("cut", &whole[..middle]), ("flipped", &flipped), ("empty", b""), ("no backup", b"hello, this is a letter")];
    for (what, bytes) in damaged {
        let fresh = Desk::new();
        std::fs::write(fresh.path("damaged.tar.zst"), bytes).unwrap();
        let ran = fresh.run(&["restore", "damaged.tar.zst"]);
        assert_eq!(ran.status, 3, "{what}: {ran:?}");
        assert!(ran.err.contains("damaged.tar.zst cannot be brought back"), "{what}: {ran:?}");
        let left: Vec<_> = std::fs::read_dir(fresh.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["damaged.tar.zst"], "{what}");
    }
    let nothing = Desk::new().run(&["backup", "x.tar.zst"]);
    assert_eq!(nothing.status, 2, "{nothing:?}");
}
