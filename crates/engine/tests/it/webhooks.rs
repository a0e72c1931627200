//! What becomes of a webhook: when it is told, when again, and when no more.

use crate::shop;
use domain::{Span, Timestamp};
use engine::deliver::webhooks::Heard;
use serde_json::json;
use store::{Webhook, WebhookFilter, WebhookState};
use testkit::{Keeps, Post, Shop};

const NOW: &str = "2026-03-02T12:00:00Z";

fn tells(campaign: &str, endpoint: &str) -> String {
    format!(
        "campaign: {campaign}\nenter: {{ on: {{ did: visit }}, again: always }}\n\
         steps: [ {{ webhook: {{ url_of: {endpoint}, event: promo.granted }} }} ]"
    )
}

fn open() -> Shop {
    let shop = shop(NOW);
    shop.define(&tells("promo", "erp"));
    shop
}

fn fails(reply: &str) -> Heard {
    Heard::NotYet { reply: reply.to_owned(), retry_after: None }
}

fn webhooks(shop: &Shop) -> Vec<Webhook> {
    shop.reader().webhooks(&WebhookFilter::default(), store::Page { skip: 0, limit: 1_000 }).unwrap()
}

fn only(shop: &Shop) -> Webhook {
    let all = webhooks(shop);
    assert_eq!(all.len(), 1);
    all.into_iter().next().unwrap()
}

fn minutes_of_tellings(shop: &Shop) -> Vec<i64> {
    let start = Timestamp::parse(NOW).unwrap();
    shop.tellings().iter().map(|telling| telling.at.since(start).0 / 60_000).collect()
}

#[test]
fn an_endpoint_that_takes_it_is_told_once() {
    let shop = open();
    shop.customer("ana").does("visit", json!({}));
    shop.days(10);
    shop.restart();
    shop.days(1);
    assert_eq!(shop.tellings().len(), 1);
    let told = only(&shop);
    assert_eq!((told.progress.state, told.progress.attempts), (WebhookState::Done, 1));
    assert_eq!(told.progress.reply.as_deref(), Some("answered 204"));
    assert_eq!(shop.tellings()[0].errand.id, told.id);
}

#[test]
fn one_that_does_not_is_told_again_on_the_ladder_with_the_same_id_for_three_days() {
    let shop = open();
    shop.endpoint_answers("erp", fails("answered 500"));
    shop.customer("ana").does("visit", json!({}));
    let body = only(&shop).body;
    for _ in 0..12 {
        shop.hours(7);
        shop.restart();
    }
    let hour = 60;
    let expected = [
        0,
        1,
        6,
        21,
        81,
        // After five failures in a row the endpoint rests for five minutes, which is shorter than the ladder by now.
        81 + 4 * hour,
        81 + 12 * hour,
        81 + 20 * hour,
        81 + 28 * hour,
        81 + 36 * hour,
        81 + 44 * hour,
        81 + 52 * hour,
        81 + 60 * hour,
        81 + 68 * hour,
    ];
    assert_eq!(minutes_of_tellings(&shop), expected);
    let given_up = only(&shop);
    assert_eq!((given_up.progress.state, given_up.progress.attempts), (WebhookState::GaveUp, 14));
    let why = "it was not taken within three days; answered 500";
    assert_eq!(given_up.progress.reply.as_deref(), Some(why));
    assert_eq!(given_up.body, body, "the bytes never change");
    assert!(shop.tellings().iter().all(|telling| telling.errand.id == given_up.id));
    let numbers: Vec<u32> = shop.tellings().iter().map(|telling| telling.errand.number).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<u32>>());

    // A person may have it tried for three more days.
    shop.endpoint_answers("erp", Heard::Done { reply: "answered 200".to_owned() });
    let now = shop.now();
    shop.engine_mut().try_webhook_again(&given_up, now).unwrap();
    shop.settle();
    shop.seconds(1);
    assert_eq!(only(&shop).progress.state, WebhookState::Done);
    let done = only(&shop);
    assert!(shop.engine_mut().try_webhook_again(&done, now).is_err(), "what is done is not told again");
}

#[test]
fn an_endpoint_is_not_asked_before_it_wants_to_be() {
    let shop = open();
    let wants = |span| Heard::NotYet { reply: "answered 429".to_owned(), retry_after: Some(span) };
    shop.endpoint_answers("erp", wants(Span::minutes(30)));
    shop.customer("ana").does("visit", json!({}));
    shop.endpoint_answers("erp", Heard::Done { reply: "answered 200".to_owned() });
    shop.hours(1);
    assert_eq!(minutes_of_tellings(&shop), [0, 30]);

    // Ten years are as long as three days: it is tried a last time before it is given up.
    shop.endpoint_answers("erp", wants(Span::days(3_650)));
    shop.customer("ben").does("visit", json!({}));
    shop.days(5);
    let tried = minutes_of_tellings(&shop);
    assert_eq!(tried[2..], [60, 60 + 3 * 24 * 60]);
    assert_eq!(webhooks(&shop)[0].progress.state, WebhookState::GaveUp);
}

#[test]
fn an_endpoint_that_says_gone_is_told_nothing_until_a_person_turns_it_on() {
    let shop = open();
    shop.define(&tells("stock", "wms"));
    shop.endpoint_answers("erp", Heard::Gone { reply: "answered 410".to_owned() });
    shop.customer("ana").does("visit", json!({}));
    shop.customer("ben").does("visit", json!({}));
    shop.hours(20);
    shop.restart();
    shop.hours(20);
    let to = |endpoint: &str| shop.tellings().iter().filter(|it| it.errand.endpoint.as_str() == endpoint).count();
    assert_eq!((to("erp"), to("wms")), (1, 2), "the other one hears all");
    let endpoints = shop.engine().endpoints();
    let erp = endpoints.iter().find(|it| it.name.as_str() == "erp").unwrap();
    assert_eq!((erp.off.as_ref().map(|off| off.reason.as_str()), erp.open), (Some("answered 410"), 1));

    shop.endpoint_answers("erp", Heard::Done { reply: "answered 200".to_owned() });
    let (now, name) = (shop.now(), erp.name.clone());
    assert!(shop.engine_mut().turn_on_endpoint(&name, now));
    assert!(!shop.engine_mut().turn_on_endpoint(&name, now), "it is on already");
    shop.settle();
    shop.seconds(1);
    shop.restart();
    assert_eq!(to("erp"), 2);
    let count = |state| webhooks(&shop).iter().filter(|webhook| webhook.progress.state == state).count();
    assert_eq!(
        (count(WebhookState::Done), count(WebhookState::GaveUp)),
        (3, 1),
        "the one that it refused stays refused"
    );
}

#[test]
fn an_endpoint_is_off_since_it_first_said_so_whatever_else_was_on_its_way_to_it() {
    let shop = open();
    shop.stop_post();
    shop.customer("ana").does("visit", json!({}));
    shop.customer("ben").does("visit", json!({}));
    let start = shop.now();
    let under_way = shop.engine_mut().order_webhooks(start);
    shop.settle();
    let gone = || Heard::Gone { reply: "answered 410".to_owned() };
    for (number, telling) in under_way.iter().enumerate() {
        let now = start.plus(Span::minutes(10 * (1 + number as i64)));
        shop.engine_mut().webhook_ended(&telling.id, telling.number, gone(), now);
        shop.settle();
    }
    assert_eq!(under_way.len(), 2);
    let off = || shop.engine().endpoints().into_iter().find_map(|it| it.off).unwrap();
    assert_eq!(off().at, start.plus(Span::minutes(10)));
    let before = shop.engine().state_hash();
    shop.restart();
    assert_eq!((off().at, shop.engine().state_hash()), (start.plus(Span::minutes(10)), before));
}

#[test]
fn what_waits_for_an_endpoint_that_stays_off_is_given_up_after_three_days() {
    let shop = open();
    shop.endpoint_answers("erp", Heard::Gone { reply: "answered 410".to_owned() });
    shop.customer("ana").does("visit", json!({}));
    shop.customer("ben").does("visit", json!({}));
    shop.days(2);
    assert_eq!(webhooks(&shop)[0].progress.state, WebhookState::Waiting);
    shop.days(1);
    shop.seconds(1);
    let ben = &webhooks(&shop)[0].progress;
    assert_eq!((ben.state, ben.attempts), (WebhookState::GaveUp, 0));
    assert!(ben.reply.as_deref().unwrap().contains("turned off"));
}

#[test]
fn an_endpoint_that_is_down_is_let_alone_and_holds_up_nobody_else() {
    let shop = open();
    shop.define(&tells("stock", "wms"));
    shop.endpoint_answers("erp", fails("no answer came in time"));
    for number in 0..50 {
        shop.customer(&format!("u{number}")).does("visit", json!({}));
    }
    shop.seconds(30);
    let to = |endpoint: &str| shop.tellings().iter().filter(|it| it.errand.endpoint.as_str() == endpoint).count();
    assert_eq!((to("erp"), to("wms")), (5, 50), "five failures are enough to see that it is down");
    shop.hours(1);
    assert!(to("erp") <= 5 + 12, "one every five minutes shows whether it is back");

    shop.endpoint_answers("erp", Heard::Done { reply: "answered 200".to_owned() });
    shop.hours(5);
    shop.restart();
    let done = webhooks(&shop).iter().filter(|webhook| webhook.progress.state == WebhookState::Done).count();
    assert_eq!(done, 100, "everybody hears everything in the end");
}

#[test]
fn an_attempt_that_was_cut_off_is_made_again_and_its_late_end_counts_for_nothing() {
    let shop = open();
    shop.stop_post();
    shop.customer("ana").does("visit", json!({}));
    let now = shop.now();
    let first = shop.engine_mut().order_webhooks(now);
    shop.settle();
    assert_eq!(only(&shop).progress.state, WebhookState::Trying);
    assert_eq!(shop.engine_mut().order_webhooks(now), [], "it is under way");
    shop.engine_mut().resume_deliveries();
    let second = shop.engine_mut().order_webhooks(now);
    assert_eq!((&first[0].id, first[0].number), (&second[0].id, 1));
    assert_eq!(second[0].number, 2);
    shop.engine_mut().webhook_ended(&first[0].id, 1, fails("late"), now);
    shop.settle();
    assert_eq!(only(&shop).progress.state, WebhookState::Trying, "the second attempt tells");
    let done = Heard::Done { reply: "answered 200".to_owned() };
    shop.engine_mut().webhook_ended(&second[0].id, 2, done, now);
    shop.engine_mut().webhook_ended("wh_unknown", 1, fails("nobody"), now);
    shop.settle();
    shop.restart();
    assert_eq!(only(&shop).progress.state, WebhookState::Done);
}

#[test]
fn where_nothing_is_sent_a_webhook_is_kept_and_stays_so() {
    let shop = Shop::open_with(NOW, Keeps::Memory, Post::Outbox);
    shop.define(&tells("promo", "erp"));
    shop.customer("ana").does("visit", json!({}));
    shop.days(5);
    shop.restart();
    assert_eq!((only(&shop).progress.state, shop.tellings().len()), (WebhookState::Kept, 0));
    let (kept, now) = (only(&shop), shop.now());
    let why = shop.engine_mut().try_webhook_again(&kept, now).unwrap_err();
    assert_eq!(why, "no endpoint `erp` is configured");
}
