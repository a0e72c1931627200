//! Who is who.

use domain::Trust;
use engine::Receipt;
use serde_json::json;
use testkit::{Keeps, Shop};

const NOW: &str = "2026-03-02T12:00:00Z";

fn shop_in(keeps: Keeps) -> Shop {
    let shop = Shop::open_in(keeps, NOW);
    shop.define(
        "
segment: buyers
where: { did: Order Completed }
---
segment: twice
where: { did: Order Completed, at_least: 2 }
---
segment: gold
where: { trait: plan, is: gold }
---
segment: all-of-them
where: { everyone: true }
",
    );
    shop
}

#[test]
fn a_visitor_who_signs_in_becomes_the_customer_with_all_of_their_history() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        shop.visitor("v1").does("Order Completed", json!({}));
        assert!(shop.is_in("buyers", "v1"));
        let ana = shop.customer("ana");
        ana.identifies(json!({ "plan": "gold" }));
        assert!(!shop.is_in("buyers", "ana"));
        ana.on("v1").identifies(json!({}));
        shop.restart();
        for who in ["ana", "v1"] {
            assert!(shop.is_in("buyers", who) && shop.is_in("gold", who), "{who}");
        }
        assert_eq!(shop.members("all-of-them"), ["ana"], "one person, called by the userId");
        shop.visitor("v1").does("Order Completed", json!({}));
        assert!(shop.is_in("twice", "ana"), "the device stays hers");
    }
}

#[test]
fn a_shared_device_keeps_its_earlier_visits_with_the_first_customer() {
    let shop = shop_in(Keeps::Memory);
    shop.customer("ana").on("tablet").identifies(json!({}));
    shop.visitor("tablet").does("Order Completed", json!({}));
    shop.customer("ben").on("tablet").identifies(json!({}));
    assert!(shop.is_in("buyers", "ana") && !shop.is_in("buyers", "ben"));
    shop.visitor("tablet").does("Order Completed", json!({}));
    assert!(shop.is_in("buyers", "ben") && !shop.is_in("twice", "ana"), "from now on the device is his");
    shop.customer("ana").on("tablet").identifies(json!({}));
    shop.restart();
    shop.visitor("tablet").does("Order Completed", json!({}));
    assert!(shop.is_in("twice", "ana") && !shop.is_in("twice", "ben"), "and hers again");
    assert_eq!(shop.members("all-of-them"), ["ana", "ben"]);
}

#[test]
fn an_order_with_both_ids_joins_nothing() {
    let shop = shop_in(Keeps::Memory);
    shop.visitor("v1").does("Page Read", json!({}));
    shop.customer("ana").on("v1").does("Order Completed", json!({}));
    assert_eq!(shop.members("all-of-them"), ["ana", "v1"]);
    assert!(shop.is_in("buyers", "ana") && !shop.is_in("buyers", "v1"));
}

#[test]
fn two_known_customers_are_joined_by_the_server_and_never_by_a_browser() {
    let shop = shop_in(Keeps::Memory);
    for who in ["ana", "anna"] {
        shop.customer(who).does("Order Completed", json!({}));
    }
    let alias = json!({ "type": "alias", "previousId": "anna" });
    let receipt = shop.customer("ana").says_as(alias.clone(), Trust::Browser);
    assert!(matches!(receipt, Receipt::Refused { reason: "needs_server_key", .. }), "{receipt:?}");
    assert!(!shop.is_in("twice", "ana"));
    shop.customer("ana").says(alias.clone());
    assert!(shop.is_in("twice", "ana") && shop.is_in("twice", "anna"));
    let receipt = shop.customer("ana").says_as(alias, Trust::Browser);
    assert!(matches!(receipt, Receipt::Accepted(_)), "joined already: {receipt:?}");
    shop.restart();
    assert_eq!(shop.members("all-of-them"), ["ana"]);
}

#[test]
fn a_name_that_was_promised_to_a_customer_is_theirs_when_it_comes() {
    let shop = shop_in(Keeps::Memory);
    shop.customer("ana").says(json!({ "type": "alias", "previousId": "ana@old.example" }));
    shop.restart();
    shop.customer("ana@old.example").does("Order Completed", json!({}));
    assert!(shop.is_in("buyers", "ana"));
    assert_eq!(shop.members("all-of-them"), ["ana"]);
}

#[test]
fn people_who_were_merged_by_hand_get_everything_back_when_parted() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        let (ana, ben) = (shop.customer("ana"), shop.customer("ben"));
        ana.does("Order Completed", json!({})).identifies(json!({ "plan": "gold" }));
        ben.does("Order Completed", json!({}));
        shop.days(1);
        shop.merge("ana", "ben");
        assert!(shop.is_in("twice", "ben") && shop.is_in("gold", "ben"));
        shop.restart();
        ben.does("Order Completed", json!({}));
        shop.days(1);
        shop.unmerge("ana", "ben");
        for _ in 0..2 {
            assert!(shop.is_in("gold", "ana") && !shop.is_in("gold", "ben"));
            assert!(
                !shop.is_in("twice", "ana") && shop.is_in("twice", "ben"),
                "also what was sent while they were one"
            );
            assert!(shop.is_in("buyers", "ana"));
            assert_eq!(shop.members("all-of-them"), ["ana", "ben"]);
            shop.restart();
        }
    }
}

#[test]
fn of_several_merges_by_hand_the_latest_is_taken_back() {
    let shop = shop_in(Keeps::Memory);
    for who in ["ana", "ben", "cleo"] {
        shop.customer(who).does("Order Completed", json!({}));
    }
    shop.merge("ana", "ben");
    shop.merge("ana", "cleo");
    shop.unmerge("cleo", "ben");
    for _ in 0..2 {
        assert_eq!(shop.members("all-of-them"), ["ana", "cleo"], "ben stays with ana");
        shop.restart();
    }
}

#[test]
fn somebody_was_last_seen_when_their_call_arrived_at_the_latest() {
    let shop = shop_in(Keeps::Memory);
    shop.customer("ana").did_at("2026-02-01T00:00:00Z", "Order Completed", json!({}));
    shop.customer("ben").did_at("2026-06-01T00:00:00Z", "Order Completed", json!({}));
    shop.merge("ana", "ben");
    let last_seen = || {
        let engine = shop.engine();
        engine.look().customer(engine.look().find("ana").unwrap()).unwrap().last_seen.to_string()
    };
    assert_eq!(last_seen(), NOW);
    shop.unmerge("ana", "ben");
    assert_eq!(last_seen(), "2026-02-01T00:00:00Z");
    shop.merge("ana", "ben");
    shop.restart();
    assert_eq!(last_seen(), NOW);
}

#[test]
fn the_merge_itself_is_no_event_of_anybody() {
    let shop = shop_in(Keeps::Memory);
    shop.customer("ana").does("Order Completed", json!({}));
    shop.customer("ben").does("Order Completed", json!({}));
    let seen = |who: &str| {
        let engine = shop.engine();
        let customer = engine.look().customer(engine.look().find(who).unwrap()).unwrap();
        (customer.calls, customer.last_seen)
    };
    let before = (seen("ana"), seen("ben"));
    shop.days(1);
    shop.merge("ana", "ben");
    assert_eq!(seen("ana").0, 2);
    shop.unmerge("ana", "ben");
    assert_eq!((seen("ana"), seen("ben")), before);
    shop.restart();
    assert_eq!((seen("ana"), seen("ben")), before);
    shop.define("segment: fresh\nwhere: { did_not: Page Viewed, within: 3d }");
    assert_eq!((seen("ana"), seen("ben")), before);
}

#[test]
fn a_repeated_message_id_counts_once_whatever_it_says() {
    let shop = shop_in(Keeps::Memory);
    let order = json!({ "type": "track", "event": "Order Completed", "messageId": "order-1" });
    shop.customer("ana").says(order.clone());
    assert_eq!(shop.customer("ana").says_as(order.clone(), Trust::Server), Receipt::Duplicate { differs: false });
    shop.restart();
    let receipt = shop.customer("ben").says_as(order.clone(), Trust::Server);
    assert_eq!(receipt, Receipt::Duplicate { differs: true });
    shop.days(300);
    assert!(matches!(shop.customer("ana").says_as(order, Trust::Server), Receipt::Duplicate { .. }));
    assert!(!shop.is_in("twice", "ana") && !shop.is_in("buyers", "ben"));
}

#[test]
fn whoever_turns_out_to_be_somebody_is_no_longer_listed_beside_them() {
    let shop = shop_in(Keeps::Memory);
    shop.visitor("v1").does("Order Completed", json!({}));
    shop.customer("ana").identifies(json!({}));
    shop.days(1);
    shop.customer("ana").on("v1").identifies(json!({}));
    // The visitor's entry is closed where ana's begins: the ledger never counts one person twice.
    let entries = shop.transitions("buyers");
    assert_eq!(
        entries.iter().filter(|line| line.ends_with("enters")).count()
            - entries.iter().filter(|line| line.ends_with("leaves")).count(),
        1,
        "{entries:?}"
    );
}

#[test]
fn being_parted_is_no_reason_to_be_welcomed_again() {
    let shop = shop_in(Keeps::Memory);
    shop.define(super::LETTERS);
    shop.define(
        "
campaign: thanks
enter: { on: { enters: buyers }, again: always }
steps: [ { message: hello } ]
",
    );
    for who in ["ana", "ben"] {
        shop.customer(who)
            .identifies(json!({ "email": format!("{who}@example.com") }))
            .does("Order Completed", json!({}));
    }
    assert_eq!(shop.messages(), ["ana thanks sent", "ben thanks sent"]);
    shop.days(1);
    shop.merge("ana", "ben");
    shop.days(1);
    shop.unmerge("ana", "ben");
    shop.days(30);
    assert_eq!(shop.messages(), Vec::<String>::new());
    shop.restart();
}

#[test]
fn who_entered_once_stays_the_one_who_did_after_a_merge_was_taken_back() {
    let shop = shop_in(Keeps::Memory);
    shop.define(super::LETTERS);
    shop.define(
        "
campaign: once
enter: { on: { did: Quiz Finished }, again: never }
steps: [ { message: hello } ]
",
    );
    for who in ["ana", "ben"] {
        shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
    }
    shop.customer("ben").does("Quiz Finished", json!({}));
    assert_eq!(shop.messages(), ["ben once sent"]);
    shop.merge("ana", "ben");
    shop.customer("ana").does("Quiz Finished", json!({}));
    assert_eq!(shop.messages(), Vec::<String>::new(), "they are one person, who had it");
    shop.unmerge("ana", "ben");
    shop.restart();
    shop.customer("ben").does("Quiz Finished", json!({}));
    assert_eq!(shop.messages(), Vec::<String>::new());
    shop.customer("ana").does("Quiz Finished", json!({}));
    assert_eq!(shop.messages(), ["ana once sent"]);
}

#[test]
fn taking_back_one_of_several_merges_parts_the_two_whom_it_joined() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        for who in ["ana", "ben", "cleo"] {
            shop.customer(who).identifies(json!({}));
        }
        shop.customer("cleo").does("Order Completed", json!({}));
        shop.merge("ana", "ben");
        shop.merge("ben", "cleo");
        assert!(shop.is_in("buyers", "ana"));
        shop.unmerge("ana", "ben");
        for _ in 0..2 {
            assert!(!shop.is_in("buyers", "ana"), "nobody ever said that ana is cleo");
            assert!(shop.is_in("buyers", "ben") && shop.is_in("buyers", "cleo"));
            shop.restart();
        }
    }
}

#[test]
fn a_device_on_which_somebody_signed_in_while_merged_stays_theirs_when_parted() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        shop.customer("ana").on("tablet").identifies(json!({}));
        shop.visitor("tablet").does("Order Completed", json!({}));
        shop.customer("ben").identifies(json!({}));
        shop.merge("ana", "ben");
        shop.customer("ben").on("tablet").identifies(json!({}));
        shop.visitor("tablet").does("Order Completed", json!({}));
        assert!(shop.is_in("twice", "ana"), "one person");
        shop.restart();
        shop.unmerge("ana", "ben");
        for _ in 0..2 {
            assert!(shop.is_in("buyers", "ana") && shop.is_in("buyers", "ben"), "as if they had never been merged");
            assert!(!shop.is_in("twice", "ana") && !shop.is_in("twice", "ben"));
            shop.restart();
        }
    }
}

#[test]
fn an_alias_sent_while_merged_holds_once_the_merge_is_taken_back() {
    let shop = shop_in(Keeps::Memory);
    for who in ["ana", "ben", "cleo"] {
        shop.customer(who).does("Order Completed", json!({}));
    }
    shop.merge("ana", "ben");
    shop.merge("ana", "cleo");
    shop.customer("cleo").says(json!({ "type": "alias", "previousId": "ben" }));
    shop.unmerge("ana", "cleo");
    for _ in 0..2 {
        assert_eq!(shop.members("all-of-them"), ["ana", "ben"]);
        assert!(shop.is_in("twice", "cleo") && !shop.is_in("twice", "ana"), "ben and cleo are one by their own word");
        shop.restart();
    }
}
