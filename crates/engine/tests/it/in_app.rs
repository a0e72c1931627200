//! Messages in the shop: until when they are of use, and that tokens end.

use crate::shop;
use domain::Span;
use engine::profile::in_app::Answer;
use serde_json::json;
use testkit::Shop;

const NOTES: &str = "
template: note
channel: in_app
subject: Your pass ends soon
body: Renew it
---
campaign: pass-ends
purpose: service
enter: { on: { record: { kind: pass, date: expires, before: 2d } } }
steps: [ { message: note } ]
---
campaign: flash-sale
deadline: 6h
enter: { on: { did: Visited }, again: always }
steps: [ { message: note } ]
---
campaign: hello
enter: { on: { did: Greeted }, again: always }
steps: [ { message: note } ]
";

fn shown(shop: &Shop, who: &str) -> Vec<String> {
    let engine = shop.engine();
    let person = engine.who_is_user(who).unwrap();
    let found = engine.in_app(&*shop.reader(), person, shop.now()).unwrap();
    found.iter().map(|it| it.message.campaign.to_string()).collect()
}

#[test]
fn a_message_is_shown_as_long_as_it_is_of_use() {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.define(NOTES);
    let ana = shop.customer("ana");
    ana.says(json!({ "type": "record", "kind": "pass", "recordId": "p1", "attributes": { "expires": "2026-03-03T18:00:00Z" } }));
    ana.does("Visited", json!({}));
    ana.does("Greeted", json!({}));
    let mut all = shown(&shop, "ana");
    all.sort();
    assert_eq!(all, ["flash-sale", "hello", "pass-ends"]);
    shop.at("2026-03-02T17:59:59.999Z");
    assert_eq!(shown(&shop, "ana").len(), 3);
    shop.at("2026-03-02T18:00:00Z");
    assert_eq!(shown(&shop, "ana"), ["hello", "pass-ends"], "the sale is over, after its campaign's six hours");
    shop.restart();
    shop.at("2026-03-03T18:00:00Z");
    assert_eq!(shown(&shop, "ana"), ["hello"], "the pass has ended");
    shop.at("2026-04-01T12:00:00Z");
    assert_eq!(shown(&shop, "ana"), Vec::<String>::new(), "a month is enough");
}

#[test]
fn what_was_put_away_stays_away_whoever_asks_and_after_a_restart() {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.define(NOTES);
    shop.customer("ana").does("Greeted", json!({}));
    let message = {
        let engine = shop.engine();
        let person = engine.who_is_user("ana").unwrap();
        engine.in_app(&*shop.reader(), person, shop.now()).unwrap().remove(0).message
    };
    let now = shop.now();
    for _ in 0..2 {
        shop.engine_mut().answer_in_app(&message, Answer::Dismissed, None, now);
    }
    shop.settle();
    shop.restart();
    assert_eq!(shown(&shop, "ana"), Vec::<String>::new());
    shop.customer("ben").does("Greeted", json!({}));
    shop.merge("ana", "ben");
    assert_eq!(shown(&shop, "ana"), ["hello"]);
    shop.unmerge("ana", "ben");
    assert_eq!((shown(&shop, "ana"), shown(&shop, "ben")), (Vec::new(), vec!["hello".to_owned()]));
}

#[test]
fn a_token_ends_and_belongs_to_one_customer() {
    let shop = shop("2026-03-02T12:00:00Z");
    let (engine, now) = (shop.engine(), shop.now());
    let token = engine.customer_token("ana@example.com|x", now.plus(Span::hours(1))).unwrap();
    let verify = |token: &str, at| engine.verify_customer_token(token, at);
    assert_eq!(verify(&token, now).as_deref(), Some("ana@example.com|x"));
    assert_eq!(verify(&token, now.plus(Span::hours(1))), None, "its time is over");
    assert!(engine.customer_token(&"x".repeat(4_000), now).is_err());
    for end in 0..token.len() {
        assert_eq!(verify(&token[..end], now), None);
    }
    // A link of a message is signed with the same key, and is no token.
    let link = engine.signer().unsubscribe_token(&domain::MessageId("m_1".into()));
    assert_eq!(verify(&link, now), None);
}
