//! Double opt-in: whose yes counts when, and what a link in a message may confirm.

use crate::shop;
use domain::message::Message;
use domain::segment::ConsentState;
use engine::deliver::confirm::Confirming;
use engine::deliver::preferences::{Frequency, Wishes};
use serde_json::{Value, json};
use store::{MessageFilter, Page};
use testkit::{Shop, actors::name};

const NEWS: &str = r#"
purpose: news
channels: [email]
confirm: { within: 3d }
---
template: please-confirm
channel: email
subject: Was it you?
body: "[Yes]({{ links.confirm }})"
---
segment: subscribers
where: { consent: { purpose: news, channel: email, is: granted } }
---
segment: waiting
where: { consent: { purpose: news, channel: email, is: pending } }
---
campaign: confirm-news
purpose: service
enter:
  on: { did: Consent Changed, where: { purpose: { is: news } } }
  only_if: { consent: { purpose: news, channel: email, is: pending } }
steps: [ { message: please-confirm } ]
"#;

fn signs_up(shop: &Shop, who: &str, more: Value) {
    let mut properties = json!({ "purpose": "news", "status": "granted", "source": "form", "text_version": "v7" });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    shop.customer(who).does("Consent Changed", properties);
}

fn opened() -> Shop {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.define(NEWS);
    shop.customer("ana").identifies(json!({ "email": "ana@example.com" }));
    shop
}

/// The latest message, of which there is one in all.
fn letter(shop: &Shop) -> Message {
    let all = shop.reader().messages(&MessageFilter::default(), Page { skip: 0, limit: 10 }).unwrap();
    assert_eq!(all.len(), 1);
    all[0].clone()
}

fn press(shop: &Shop, message: &Message) -> Confirming {
    let now = shop.now();
    let pressed = shop.engine_mut().confirm(message, &name("news"), now);
    shop.settle();
    pressed
}

#[test]
fn a_yes_counts_once_the_link_was_pressed_and_keeps_the_wording_that_was_seen() {
    let shop = opened();
    signs_up(&shop, "ana", json!({}));
    let message = letter(&shop);
    assert!(shop.is_in("waiting", "ana") && !shop.is_in("subscribers", "ana"));
    shop.days(2);
    let looked = || shop.engine().confirming(&message, &name("news"));
    assert_eq!(looked(), Confirming::Waits);
    assert_eq!(looked(), Confirming::Waits, "looking changes nothing");
    assert!(!shop.is_in("subscribers", "ana"));
    assert_eq!(press(&shop, &message), Confirming::Waits);
    assert!(shop.is_in("subscribers", "ana") && !shop.is_in("waiting", "ana"));
    assert_eq!(press(&shop, &message), Confirming::Granted, "pressed twice, it counts once");
    shop.restart();
    let reader = shop.reader();
    let id = shop.engine().look_up("ana").unwrap();
    let profile = shop.engine().profile(&*reader, id, None, None).unwrap();
    let said: Vec<(&str, Option<&str>, Option<&str>)> = profile
        .consent_said
        .iter()
        .map(|said| (said.status, said.source.as_deref(), said.text_version.as_deref()))
        .collect();
    assert_eq!(
        said,
        [("granted", Some("confirmation link"), Some("v7")), ("granted", Some("form"), Some("v7"))],
        "both are in the ledger, the latest first"
    );
    let news = profile.consent.iter().find(|consent| consent.purpose == name("news")).unwrap();
    assert_eq!((news.status, news.basis.as_deref(), news.until), ("granted", Some("express"), None));
}

#[test]
fn a_link_runs_out_and_a_second_request_does_not_lengthen_its_life() {
    let shop = opened();
    signs_up(&shop, "ana", json!({}));
    let message = letter(&shop);
    shop.days(2);
    signs_up(&shop, "ana", json!({}));
    shop.days(1);
    assert!(shop.is_in("waiting", "ana"), "the second request waits");
    assert_eq!(press(&shop, &message), Confirming::TooLate);
    assert!(!shop.is_in("subscribers", "ana"));
    shop.days(2);
    assert!(!shop.is_in("waiting", "ana"));
    assert_eq!(shop.engine().confirming(&message, &name("news")), Confirming::TooLate);
}

#[test]
fn a_link_confirms_neither_for_another_address_nor_against_a_no_nor_another_purpose() {
    let shop = opened();
    shop.define("purpose: letters\nchannels: [email]\nconfirm: {}");
    signs_up(&shop, "ana", json!({}));
    let message = letter(&shop);
    assert_eq!(shop.engine().confirming(&message, &name("letters")), Confirming::TooLate);
    assert_eq!(shop.engine().confirming(&message, &name("nothing")), Confirming::TooLate);
    shop.customer("ana").identifies(json!({ "email": "other@example.com" }));
    assert_eq!(press(&shop, &message), Confirming::OtherAddress);
    shop.customer("ana").identifies(json!({ "email": "ana@EXAMPLE.com" }));
    signs_up(&shop, "ana", json!({ "status": "withdrawn" }));
    assert_eq!(press(&shop, &message), Confirming::TooLate);
    assert!(!shop.is_in("subscribers", "ana"));
}

#[test]
fn what_was_granted_stays_granted_while_a_new_yes_waits() {
    let shop = opened();
    let ana = shop.customer("ana");
    ana.does("Consent Changed", json!({ "purpose": "news", "status": "granted", "confirmed": true }));
    signs_up(&shop, "ana", json!({}));
    assert!(shop.is_in("subscribers", "ana") && !shop.is_in("waiting", "ana"));
    assert_eq!(shop.messages(), Vec::<String>::new(), "nobody is asked to confirm what holds");
}

#[test]
fn a_purpose_that_begins_to_ask_finds_who_has_confirmed_and_who_has_not() {
    let shop = opened();
    shop.define("purpose: news\nchannels: [email]");
    signs_up(&shop, "ana", json!({}));
    shop.customer("ben").does("Consent Changed", json!({ "purpose": "news", "status": "granted", "confirmed": true }));
    assert_eq!(shop.members("subscribers"), ["ana", "ben"]);
    shop.define("purpose: news\nchannels: [email]\nconfirm: { within: 3d }");
    assert_eq!(shop.members("subscribers"), ["ben"]);
    assert_eq!(shop.members("waiting"), ["ana"]);
}

#[test]
fn a_purpose_that_begins_to_take_purchases_for_a_yes_looks_back_over_history() {
    let shop = opened();
    shop.customer("ben").does("Order Completed", json!({ "revenue": 10 }));
    shop.days(100);
    shop.define("purpose: news\nchannels: [email]\nimplied: [ { did: Order Completed, months: 24 } ]");
    assert_eq!(shop.members("subscribers"), ["ben"]);
    shop.restart();
    assert_eq!(shop.members("subscribers"), ["ben"]);
    shop.at("2028-03-02T12:00:00Z");
    assert_eq!(shop.members("subscribers"), Vec::<String>::new());
    let why = shop.why("subscribers", "ben");
    assert!(!why.member);
    let reader = shop.reader();
    let id = shop.engine().look_up("ben").unwrap();
    let profile = shop.engine().profile(&*reader, id, None, None).unwrap();
    let news = profile.consent.iter().find(|consent| consent.purpose == name("news")).unwrap();
    assert_eq!((news.status, news.basis.as_deref()), (ConsentState::Expired.word(), Some("implied")));
    assert_eq!(news.source.as_deref(), Some("Order Completed"));
}

#[test]
fn a_yes_on_the_page_of_preferences_takes_the_place_of_one_that_would_run_out() {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.define(
        "purpose: marketing\nchannels: [email]\nimplied: [ { did: Order Completed, months: 24 } ]\n---\n\
         template: offer\nsubject: Teas\nbody: \"[Preferences]({{ links.preferences }})\"\n---\n\
         segment: for-good\nwhere: { consent: { purpose: marketing, channel: email, is: granted } }\n---\n\
         segment: said-once\nwhere: { did: Consent Changed, exactly: 1 }\n---\n\
         campaign: offers\nenter: { on: { did: Order Completed }, again: always }\nsteps: [ { message: offer } ]",
    );
    let ana = shop.customer("ana");
    ana.identifies(json!({ "email": "ana@example.com" }));
    ana.does("Order Completed", json!({ "revenue": 20 }));
    let message = letter(&shop);
    let says = |wanted: &[&str]| {
        let purposes = wanted.iter().map(|name| testkit::actors::name(name)).collect();
        let now = shop.now();
        shop.engine_mut().set_preferences(&message, &Wishes { purposes, ..Wishes::default() }, now);
        shop.settle();
    };
    says(&["marketing"]);
    says(&["marketing"]);
    assert_eq!(shop.members("said-once"), ["ana"], "said once, it is said for good");
    shop.days(3 * 366);
    assert_eq!(shop.members("for-good"), ["ana"]);
    says(&[]);
    assert!(shop.members("for-good").is_empty());
}

#[test]
fn who_wants_one_letter_a_week_gets_one_a_week_whatever_it_is_about_and_every_word_about_an_order() {
    let shop = shop("2026-03-02T12:00:00Z");
    shop.define(
        "template: offer\nsubject: Teas\nbody: \"[Preferences]({{ links.preferences }})\"\n---\n\
         purpose: tips\ndefault: granted\nchannels: [email]\n---\n\
         campaign: offers\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: offer } ]\n---\n\
         campaign: brewing\npurpose: tips\nexpires_after: 10d\nenter: { on: { did: brew }, again: always }\nsteps: [ { message: offer } ]\n---\n\
         campaign: parcel\npurpose: service\nenter: { on: { did: ship }, again: always }\nsteps: [ { message: offer } ]",
    );
    let ana = shop.customer("ana");
    ana.identifies(json!({ "email": "ana@example.com" }));
    ana.does("visit", json!({}));
    assert_eq!(shop.messages(), ["ana offers sent"]);
    let message = letter(&shop);
    let wishes = |frequency: Option<Frequency>| {
        let now = shop.now();
        let purposes = [name("marketing"), name("tips")].into();
        let wishes = Wishes { purposes, frequency: Some(frequency), locale: None };
        shop.engine_mut().set_preferences(&message, &wishes, now);
        shop.settle();
    };
    wishes(Some(Frequency::Weekly));
    assert_eq!(shop.engine().preferences(&message).frequency, Some(Frequency::Weekly));
    shop.days(1);
    ana.does("brew", json!({}));
    ana.does("ship", json!({}));
    assert_eq!(shop.messages(), ["ana brewing held: frequency_cap", "ana parcel sent"]);
    shop.restart();
    shop.days(8);
    assert_eq!(shop.messages_with_times(), ["2026-03-09T12:00:00Z ana brewing sent"], "a week after the one before");
    ana.does("visit", json!({}));
    assert_eq!(shop.messages(), ["ana offers held: frequency_cap"]);
    wishes(None);
    assert_eq!(shop.messages(), ["ana offers sent"], "she changed her mind, and waits no longer");
    assert!(!shop.traits("ana").contains_key("message_frequency"));
}

#[test]
fn nonsense_about_consent_says_what_is_wrong() {
    let shop = opened();
    for (definition, words) in [
        ("purpose: x\ndefault: granted\nimplied: [ { did: A, months: 3 } ]", "granted by default needs no yes"),
        ("purpose: service\nconfirm: {}", "messages of service need no consent"),
        ("purpose: x\nimplied: [ { did: A } ]", "either `months: 24` or `for: 180d`"),
        ("purpose: x\nimplied: [ { did: A, months: 0 } ]", "1 to 120 months"),
        ("purpose: x\nimplied: [ { did: A, months: 3, for: 3d } ]", "either `months: 24` or `for: 180d`"),
        ("purpose: x\nconfirm: { within: 0s }", "up to 365d"),
        ("segment: x\nwhere: { consent: { purpose: news, is: withdrawn, ends_within: 3d } }", "ends by itself"),
    ] {
        let error = shop.try_define(definition).unwrap_err().to_string();
        assert!(error.contains(words), "{definition}: {error}");
    }
}
