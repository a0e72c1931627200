//! Browsers that customers let the shop notify: whose they are, which of them a message goes to, and who may say so.

use crate::shop;
use domain::{CustomerId, Span};
use engine::deliver::browsers::{BrowserRefused, Subscriber};
use engine::profile::browsers::Browser;
use serde_json::json;
use testkit::Shop;

const NOTES: &str = r#"
template: note
channel: push
subject: Your pass ends soon
body: Renew it
url: "https://tea.example/renew?who={{ customer.first_name | default: 'you' }}"
icon: https://tea.example/leaf.png
---
campaign: offers
expires_after: 2d
enter: { on: { did: Visited }, again: always }
steps: [ { message: note } ]
---
campaign: alerts
purpose: service
deadline: 6h
enter: { on: { did: Warned }, again: always }
steps: [ { message: note } ]
---
segment: reachable
where: { did: Push Subscribed }
"#;

/// A browser with keys of its own.
fn browser(name: &str) -> Browser {
    Browser {
        endpoint: format!("https://push.example/{name}").into(),
        p256dh: format!("key of {name}").into(),
        auth: format!("secret of {name}").into(),
        name: Some(format!("{name} on Linux").into()),
    }
}

fn open() -> Shop {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.notifies_browsers();
    shop.define(NOTES);
    shop
}

fn subscribes(shop: &Shop, who: &str, name: &str) -> Result<bool, BrowserRefused> {
    let now = shop.now();
    let done = shop.engine_mut().subscribe_browser(&Subscriber::Customer(who.to_owned()), &browser(name), now);
    shop.settle();
    done
}

fn visitor_subscribes(shop: &Shop, who: &str, name: &str) -> Result<bool, BrowserRefused> {
    let now = shop.now();
    let done = shop.engine_mut().subscribe_browser(&Subscriber::Visitor(who.to_owned()), &browser(name), now);
    shop.settle();
    done
}

fn person(shop: &Shop, who: &str) -> CustomerId {
    shop.engine().look_up(who).unwrap()
}

/// Names of somebody's browsers, the latest first.
fn browsers(shop: &Shop, who: &str) -> Vec<String> {
    let known = shop.engine().browsers_of(person(shop, who));
    known.into_iter().map(|known| known.browser.unwrap().replace(" on Linux", "")).collect()
}

/// The names of the browsers that the last message went to, in order.
fn last_went_to(shop: &Shop) -> Vec<String> {
    let deliveries = shop.deliveries();
    let last = deliveries.last().expect("something went out");
    let mut names: Vec<String> =
        last.browsers.iter().map(|it| it.endpoint.rsplit('/').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_message_goes_to_every_browser_of_its_customer_and_to_nobody_without_one() {
    let shop = open();
    assert_eq!(subscribes(&shop, "ana", "phone"), Ok(true));
    assert_eq!(subscribes(&shop, "ana", "laptop"), Ok(true));
    assert_eq!(subscribes(&shop, "ana", "laptop"), Ok(false), "said again it says nothing new");
    assert_eq!(browsers(&shop, "ana"), ["laptop", "phone"]);
    assert!(shop.is_in("reachable", "ana"), "segments can ask for it");
    shop.customer("ana").does("Visited", json!({}));
    shop.customer("ben").does("Visited", json!({}));
    assert_eq!(shop.messages(), ["ana offers sent", "ben offers skipped: no_address"]);
    assert_eq!(last_went_to(&shop), ["laptop", "phone"]);
    let sent = shop.deliveries()[0].clone();
    assert_eq!(sent.written.to, person(&shop, "ana").to_string(), "where her browsers are stays out of the ledger");
    assert!(sent.written.url.as_deref().unwrap().contains("/c/"), "a click is counted: {:?}", sent.written.url);
    assert_eq!(sent.written.icon.as_deref(), Some("https://tea.example/leaf.png"));
    assert_eq!(sent.useful_for, Span::days(2), "an offer is of use as long as it may be held");
    shop.customer("ana").does("Warned", json!({}));
    assert_eq!(shop.deliveries().last().unwrap().useful_for, Span::hours(6), "an alert until its deadline");
    shop.restart();
    assert_eq!(browsers(&shop, "ana"), ["laptop", "phone"]);
}

#[test]
fn a_browser_that_went_gets_nothing_more() {
    let shop = open();
    for name in ["phone", "laptop", "old", "work"] {
        subscribes(&shop, "ana", name).unwrap();
    }
    let (ana, now) = (person(&shop, "ana"), shop.now());
    // Its push service does not know one any more, she takes the second back, a person takes the third off.
    shop.engine_mut().browsers_gone(ana, &[browser("old"), Browser { auth: "another".into(), ..browser("work") }], now);
    let strange = shop.engine_mut().unsubscribe_browser("https://push.example/laptop", "guessed", now);
    assert_eq!(strange, Err(BrowserRefused::Unknown), "only the browser itself can say so");
    shop.engine_mut().unsubscribe_browser("https://push.example/laptop", "secret of laptop", now).unwrap();
    let id = shop.engine().browsers_of(ana).into_iter().find(|it| it.browser.as_deref() == Some("work on Linux"));
    let id = id.expect("what was registered anew is another browser").id;
    assert!(shop.engine_mut().remove_browser(ana, &id, now));
    assert!(!shop.engine_mut().remove_browser(ana, &id, now));
    shop.settle();
    shop.restart();
    assert_eq!(browsers(&shop, "ana"), ["phone"]);
    shop.customer("ana").does("Visited", json!({}));
    assert_eq!(last_went_to(&shop), ["phone"]);

    shop.engine_mut().browsers_gone(ana, &[browser("phone")], now);
    shop.settle();
    shop.customer("ana").does("Visited", json!({}));
    assert_eq!(shop.messages().last().unwrap(), "ana offers skipped: no_address");
    subscribes(&shop, "ana", "phone").unwrap();
    assert_eq!(browsers(&shop, "ana"), ["phone"], "and back it is");
}

#[test]
fn a_machine_that_two_share_shows_the_messages_of_whoever_used_it_last() {
    let shop = open();
    subscribes(&shop, "ana", "family").unwrap();
    subscribes(&shop, "ben", "family").unwrap();
    assert_eq!((browsers(&shop, "ana"), browsers(&shop, "ben")), (vec![], vec!["family".to_owned()]));
    let stranger = Browser { auth: "made up".into(), ..browser("family") };
    let now = shop.now();
    let taken = shop.engine_mut().subscribe_browser(&Subscriber::Customer("eve".to_owned()), &stranger, now);
    assert_eq!(taken, Err(BrowserRefused::OtherSecret));
    shop.restart();
    subscribes(&shop, "ana", "family").unwrap();
    assert_eq!((browsers(&shop, "ana"), browsers(&shop, "ben")), (vec!["family".to_owned()], vec![]));
}

#[test]
fn a_visitors_browser_goes_with_them_when_they_become_known() {
    let shop = open();
    assert_eq!(visitor_subscribes(&shop, "v-1", "phone"), Ok(true));
    assert_eq!(browsers(&shop, "v-1"), ["phone"]);
    shop.customer("ana").on("v-1").identifies(json!({ "first_name": "Ana" }));
    assert_eq!(browsers(&shop, "ana"), ["phone"]);
    // A key in a page could name anybody's visitor id.
    assert_eq!(visitor_subscribes(&shop, "v-1", "eves"), Err(BrowserRefused::KnownCustomer));
    assert_eq!(browsers(&shop, "ana"), ["phone"]);

    subscribes(&shop, "ben", "laptop").unwrap();
    shop.merge("ana", "ben");
    assert_eq!(browsers(&shop, "ben"), ["laptop", "phone"]);
    shop.restart();
    assert_eq!(browsers(&shop, "ana"), ["laptop", "phone"]);
    shop.unmerge("ana", "ben");
    assert_eq!((browsers(&shop, "ana"), browsers(&shop, "ben")), (vec!["phone".to_owned()], vec!["laptop".to_owned()]));
    // Whose it is is known for each part again.
    subscribes(&shop, "cleo", "laptop").unwrap();
    assert_eq!((browsers(&shop, "ben"), browsers(&shop, "cleo")), (vec![], vec!["laptop".to_owned()]));
    shop.restart();
}

#[test]
fn a_browser_with_another_endpoint_says_by_the_old_one_which_it_was() {
    let shop = open();
    subscribes(&shop, "ana", "phone").unwrap();
    let now = shop.now();
    let fresh = Browser { name: None, ..browser("phone-2") };
    let renew = |auth: &str| shop.engine_mut().renew_browser("https://push.example/phone", auth, &fresh, now);
    assert_eq!(renew("guessed"), Err(BrowserRefused::Unknown));
    assert_eq!(renew("secret of phone"), Ok(()));
    assert_eq!(renew("secret of phone"), Ok(()), "repeated, since the answer was lost");
    shop.settle();
    let known = shop.engine().browsers_of(person(&shop, "ana"));
    assert_eq!((known.len(), known[0].browser.as_deref()), (1, Some("phone on Linux")));
    assert_eq!(known[0].service, "push.example");
    subscribes(&shop, "ben", "laptop").unwrap();
    let to_bens =
        shop.engine_mut().renew_browser("https://push.example/phone-2", "secret of phone-2", &browser("laptop"), now);
    assert_eq!(to_bens, Err(BrowserRefused::OtherSecret));
    shop.restart();
}

#[test]
fn ten_browsers_are_notified_and_nothing_is_left_of_somebody_who_was_erased() {
    let shop = open();
    for number in 0..60 {
        subscribes(&shop, "ana", &format!("b{number}")).unwrap();
        shop.seconds(1);
    }
    let expected: Vec<String> = (50..60).rev().map(|number| format!("b{number}")).collect();
    assert_eq!(browsers(&shop, "ana"), expected);
    shop.restart();
    assert_eq!(browsers(&shop, "ana"), expected);
    shop.erase("ana");
    let now = shop.now();
    let again = shop.engine_mut().unsubscribe_browser("https://push.example/b59", "secret of b59", now);
    assert_eq!(again, Err(BrowserRefused::Unknown));
    assert_eq!(subscribes(&shop, "ben", "b59"), Ok(true));
    shop.restart();
    assert_eq!(browsers(&shop, "ben"), ["b59"]);
}

#[test]
fn only_perennials_own_word_makes_a_browser() {
    let shop = open();
    let forged = json!({ "endpoint": "https://push.example/eve", "p256dh": "x", "auth": "y" });
    shop.customer("ana").does("Push Subscribed", forged);
    assert_eq!(browsers(&shop, "ana"), Vec::<String>::new());
    shop.customer("ana").does("Visited", json!({}));
    assert_eq!(shop.messages(), ["ana offers skipped: no_address"]);
}
