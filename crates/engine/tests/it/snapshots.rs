//! A snapshot makes the start quick and changes nothing: without it, or with a damaged one, the state is the same.

use crate::shop;
use engine::Opened;
use engine::snapshot::Unfit;
use serde_json::json;
use testkit::Shop;

const NOW: &str = "2026-03-02T12:00:00Z";
const RULES: &str = "
segment: recent
where: { did: Order Completed, within: 30d }
---
segment: spenders
where: { did: Order Completed, sum: total, at_least: 50 }
---
segment: vips
where: { trait: tier, is: gold }
";

/// A shop in which a little of everything happened.
fn lively_shop() -> Shop {
    let shop = shop(NOW);
    shop.define(RULES);
    for (number, name) in ["ana", "bea", "cleo"].into_iter().enumerate() {
        let customer = shop.customer(name);
        for order in 0..=number {
            customer.does("Order Completed", json!({ "total": 20.25, "order_id": format!("{name}-{order}") }));
        }
        shop.days(3);
    }
    shop
}

#[test]
fn a_start_from_a_snapshot_reads_only_what_came_later() {
    let shop = lively_shop();
    let saved = shop.snapshot();
    let position = shop.engine().position();
    shop.customer("dora").does("Order Completed", json!({ "total": 80 }));
    shop.customer("ana").does("Order Completed", json!({ "total": 40 }));
    let (mut engine, opened) = shop.open_from(&saved);
    assert!(matches!(opened, Opened::FromSnapshot(from) if from == position), "{opened:?}");
    engine.tick(shop.now());
    assert_eq!(engine.look().describe(), shop.engine().look().describe());
    assert_eq!(engine.state_hash(), shop.engine().state_hash());
}

#[test]
fn a_snapshot_ahead_of_what_was_committed_is_ignored() {
    let shop = lively_shop();
    let (mut engine, _) = shop.open_from(&[]);
    let mut bytes = Vec::new();
    engine.tick(shop.now().plus(domain::Span::DAY));
    assert!(engine.save(&mut bytes).unwrap(), "nothing was due on that day");
    let (_, opened) = shop.open_from(&bytes);
    assert!(matches!(opened, Opened::SnapshotIgnored(Unfit::Ahead)), "{opened:?}");
}

#[test]
fn the_hash_of_the_state_changes_with_the_state() {
    let shop = lively_shop();
    let before = shop.engine().state_hash();
    assert_eq!(shop.engine().state_hash(), before);
    shop.customer("ana").does("Order Completed", json!({ "total": 1 }));
    assert_ne!(shop.engine().state_hash(), before);
}

#[test]
fn a_damaged_snapshot_is_ignored_and_the_state_comes_back_the_same() {
    let shop = lively_shop();
    let good = shop.snapshot();
    let expected = shop.engine().look().describe();
    let is_ignored = |bytes: &[u8], what: &str| {
        let (mut engine, opened) = shop.open_from(bytes);
        assert!(matches!(opened, Opened::SnapshotIgnored(_)), "{what}: {opened:?}");
        engine.tick(shop.now());
        assert_eq!(engine.look().describe(), expected, "{what}");
    };
    for cut in (0..good.len()).step_by(good.len() / 40) {
        is_ignored(&good[..cut], &format!("cut at {cut}"));
    }
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        is_ignored(&bad, &format!("a bit at {at}"));
    }
    is_ignored(b"", "empty");
    is_ignored(b"something else that is no snapshot at all", "something else");
}

#[test]
fn a_snapshot_of_other_rules_or_of_another_history_is_ignored() {
    let shop = lively_shop();
    let saved = shop.snapshot();
    shop.define("segment: spenders\nwhere: { did: Order Completed, sum: shipping, at_least: 50 }");
    let (_, opened) = shop.open_from(&saved);
    assert!(matches!(opened, Opened::SnapshotIgnored(Unfit::OtherPlan)), "{opened:?}");

    let other = self::shop(NOW);
    other.define(RULES);
    other.customer("zoe").does("Order Completed", json!({ "total": 1 }));
    let (_, opened) = other.open_from(&saved);
    assert!(matches!(opened, Opened::SnapshotIgnored(Unfit::OtherHistory)), "{opened:?}");
}
