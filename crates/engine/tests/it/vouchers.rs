//! Pools of imported codes: each is given once, whatever happens to people and machines.

use crate::shop;
use engine::decide::pools::{CODES_LEFT, CodesRefused, read_code};
use serde_json::json;
use testkit::{Shop, actors::name};

const CAMPAIGN: &str = "template: thanks\nsubject: Thanks\nbody: \"Your code is {{ voucher.code }}\"\n---\n\
    campaign: thank-you\nenter: { on: { did: order }, again: always }\n\
    steps: [ { reward: { voucher: spring } }, { message: thanks } ]";

fn opened() -> Shop {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.define(CAMPAIGN);
    for who in ["ana", "ben", "cleo"] {
        shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
    }
    shop
}

fn import(shop: &Shop, codes: &[&str]) -> (u64, u64, u64, u64) {
    let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
    let now = shop.now();
    let added = shop.engine_mut().add_codes(&name("spring"), &codes, now).unwrap();
    shop.settle();
    (added.added, added.duplicates, added.left, added.made_up_for)
}

fn codes_of(shop: &Shop, who: &str) -> Vec<String> {
    let reader = shop.reader();
    let id = shop.engine().look_up(who).unwrap();
    let profile = shop.engine().profile(&*reader, id, None, None).unwrap();
    profile.vouchers.iter().map(|voucher| voucher.code.to_string()).collect()
}

#[test]
fn a_code_given_once_is_not_given_again_after_a_restart_a_merge_or_another_import() {
    let shop = opened();
    assert_eq!(import(&shop, &["A", "B", "A"]), (2, 1, 2, 0));
    shop.customer("ana").does("order", json!({}));
    shop.restart();
    assert_eq!(import(&shop, &["A", "B", "C"]), (1, 2, 2, 0), "A was given, B is left");
    shop.customer("ben").does("order", json!({}));
    shop.merge("ana", "ben");
    shop.restart();
    assert_eq!(codes_of(&shop, "ana"), ["B", "A"], "the latest first, of both halves");
    shop.customer("cleo").does("order", json!({}));
    shop.unmerge("ana", "ben");
    assert_eq!((codes_of(&shop, "ana"), codes_of(&shop, "ben")), (vec!["A".to_owned()], vec!["B".to_owned()]));
    assert_eq!(codes_of(&shop, "cleo"), ["C"]);
    let reader = shop.reader();
    let pools = shop.engine().pools(&*reader).unwrap();
    assert_eq!((pools[0].left, pools[0].given, pools[0].given_in_week, pools[0].is_low()), (0, 3, 3, true));
}

#[test]
fn whoever_waited_longest_gets_the_first_of_new_codes_and_their_message_says_which() {
    let shop = opened();
    import(&shop, &["A"]);
    for who in ["ana", "ben", "cleo"] {
        shop.customer(who).does("order", json!({}));
        shop.hours(1);
    }
    assert_eq!(
        shop.messages(),
        ["ana thank-you sent", "ben thank-you held: missing_value", "cleo thank-you held: missing_value"]
    );
    let reader = shop.reader();
    let held = reader.messages(&store::MessageFilter::default(), store::Page { skip: 0, limit: 10 }).unwrap();
    let words = held.iter().find_map(|message| message.detail.clone().filter(|detail| detail.contains("pool")));
    assert_eq!(words.as_deref(), Some("voucher.code is missing: the pool `spring` has no codes left"));
    let id = shop.engine().look_up("ben").unwrap();
    assert_eq!(shop.engine().profile(&*reader, id, None, None).unwrap().vouchers_owed, ["spring".into()]);
    shop.restart();
    assert_eq!(import(&shop, &["B"]), (1, 0, 0, 1));
    assert_eq!(shop.messages(), ["ben thank-you sent"]);
    assert_eq!((codes_of(&shop, "ben"), codes_of(&shop, "cleo")), (vec!["B".to_owned()], Vec::new()));
    // What is made up for is no longer owed, as the state rebuilt from history says too.
    shop.restart();
    assert_eq!(
        shop.engine().profile(&*shop.reader(), id, None, None).unwrap().vouchers_owed,
        Vec::<std::sync::Arc<str>>::new()
    );
    assert_eq!(import(&shop, &["C", "D"]), (2, 0, 1, 1));
    assert_eq!(shop.messages(), ["cleo thank-you sent"]);
}

#[test]
fn a_code_is_one_word_of_reasonable_length() {
    assert_eq!(read_code("  SPRING-1\r"), Ok("SPRING-1"));
    for bad in ["", "  ", "a b", "a\u{0}b", &"x".repeat(101)] {
        assert!(read_code(bad).is_err(), "{bad:?}");
    }
    let shop = opened();
    let many: Vec<String> = (0..=CODES_LEFT).map(|number| number.to_string()).collect();
    let now = shop.now();
    assert_eq!(shop.engine_mut().add_codes(&name("spring"), &many, now), Err(CodesRefused::TooMany));
}

#[test]
fn an_erased_customer_takes_their_code_along_and_nobody_gets_it_again() {
    let shop = opened();
    import(&shop, &["A", "B"]);
    shop.customer("ana").does("order", json!({}));
    shop.erase("ana");
    shop.customer("ben").does("order", json!({}));
    assert_eq!(codes_of(&shop, "ben"), ["B"]);
    assert_eq!(import(&shop, &["A"]), (0, 1, 0, 0));
}
