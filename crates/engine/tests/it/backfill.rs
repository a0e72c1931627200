//! New rules are read from history while events keep flowing, and switch at one instant.

use crate::shop;
use domain::Trust;
use domain::definition::read_text;
use serde_json::json;
use testkit::Shop;

const NOW: &str = "2026-03-02T12:00:00Z";

const RULES: &str = "\
segment: buyers
where: { did: Order Completed, at_least: 2, within: 30d }
---
segment: first-was-tea
where: { first: Order Completed, has: { category: { is: tea } } }
---
segment: active-pass
where: { record: pass, any: { status: { is: active } } }
---
segment: long-on-trial
where: { trait: plan, held_for: { value: trial, at_least: 7d } }
---
segment: left-in-cart
where: { sequence: { first: { did: Product Added }, then_not: { did: Order Completed }, within: 2h } }
";

const SEGMENTS: [&str; 5] = ["buyers", "first-was-tea", "active-pass", "long-on-trial", "left-in-cart"];

/// A history with orders, carts, a shared pass, a plan and a visitor who turns out to be known.
fn past(shop: &Shop) {
    shop.customer("ana").does("Order Completed", json!({"category": "tea"}));
    shop.visitor("v-1").does("Order Completed", json!({"category": "cups"}));
    shop.customer("ben").identifies(json!({"plan": "trial"}));
    shop.customer("cleo").does("Product Added", json!({"sku": "oolong"}));
    pass(shop, "ana", json!({"status": "active"}));
    shop.days(8);
}

/// What happens while history is being read.
fn meanwhile(shop: &Shop) {
    shop.customer("ana").does("Order Completed", json!({"category": "cups"}));
    shop.customer("ana").does("Order Completed", json!({"category": "cups"}));
    shop.customer("dora").does("Order Completed", json!({"category": "tea"}));
    // ben is the visitor of the first order, and shares ana's pass from now on.
    shop.customer("ben").on("v-1").identifies(json!({"name": "Ben"}));
    pass(shop, "ben", json!({}));
    shop.customer("cleo").did_at("2026-03-02T13:00:00Z", "Order Completed", json!({}));
}

fn pass(shop: &Shop, user: &str, attributes: serde_json::Value) {
    let call = json!({"type": "record", "kind": "pass", "recordId": "p-1", "userId": user, "attributes": attributes});
    shop.send(&call, Trust::Server);
}

fn all_members(shop: &Shop) -> Vec<(&'static str, Vec<String>)> {
    SEGMENTS.into_iter().map(|segment| (segment, shop.members(segment))).collect()
}

#[test]
fn rules_made_over_a_busy_shop_know_what_happened_before_and_during_the_reading() {
    let direct = shop(NOW);
    past(&direct);
    meanwhile(&direct);
    direct.define(RULES);

    let shop = shop(NOW);
    past(&shop);
    let defined = read_text(RULES, "the story").unwrap();
    let backfill = shop.engine().backfill(&defined).unwrap().expect("nobody keeps what these rules ask about");
    let read = backfill.run(shop.reader().as_ref()).unwrap();
    meanwhile(&shop);
    let now = shop.now();
    shop.engine_mut().define_with(defined, "the story", now, Some(read)).unwrap();

    let expected = [
        ("buyers", vec!["ana".to_owned()]),
        ("first-was-tea", vec!["ana".to_owned(), "dora".to_owned()]),
        ("active-pass", vec!["ana".to_owned(), "ben".to_owned()]),
        ("long-on-trial", vec!["ben".to_owned()]),
        ("left-in-cart", Vec::new()),
    ];
    assert_eq!(all_members(&direct), expected);
    assert_eq!(all_members(&shop), expected);
    // What comes afterwards counts on both alike.
    for shop in [&direct, &shop] {
        pass(shop, "ana", json!({"status": "paused"}));
        assert_eq!(shop.members("active-pass"), Vec::<String>::new(), "the pass is shared");
        shop.days(31);
        assert_eq!(shop.members("buyers"), Vec::<String>::new());
    }
}

#[test]
fn a_reading_that_does_not_fit_any_more_is_left_aside() {
    let shop = shop(NOW);
    past(&shop);
    shop.merge("ana", "cleo");
    let defined = read_text(RULES, "the story").unwrap();
    let read = shop.engine().backfill(&defined).unwrap().unwrap().run(shop.reader().as_ref()).unwrap();
    shop.unmerge("ana", "cleo");
    let now = shop.now();
    shop.engine_mut().define_with(defined, "the story", now, Some(read)).unwrap();
    assert_eq!(shop.members("left-in-cart"), ["cleo"]);
    assert_eq!(shop.members("first-was-tea"), ["ana"]);
}

#[test]
fn rules_about_what_is_kept_already_read_no_history() {
    let shop = shop(NOW);
    shop.define("segment: buyers\nwhere: { did: Order Completed }");
    let other = read_text("segment: not-yet\nwhere: { not: { segment: buyers } }", "the story").unwrap();
    assert!(shop.engine().backfill(&other).unwrap().is_none());
}
