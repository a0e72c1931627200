//! How fast mails leave, and that one domain which takes nothing costs the others nothing.

use crate::shop;
use domain::Span;
use domain::message::{Channel, Message};
use engine::deliver::End;
use engine::deliver::outbox::WaitsBecause;
use engine::deliver::pace::Limits;
use serde_json::json;
use store::{MessageFilter, Page};
use testkit::Shop;

const NOW: &str = "2026-03-02T12:00:00Z";
const NUDGE: &str = "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: hello } ]";

/// A shop whose customers each have a mailbox at a domain: `ana@one.example`.
fn with(people: &[&str], limits: Limits) -> Shop {
    let shop = shop(NOW);
    shop.mail_is_limited(limits);
    shop.define(NUDGE);
    for who in people {
        shop.customer(who).identifies(json!({ "email": who }));
    }
    shop
}

fn visits(shop: &Shop, people: &[&str]) {
    shop.stop_post();
    for who in people {
        shop.customer(who).does("visit", json!({}));
    }
    shop.start_post();
}

fn people(count: usize, domain: &str) -> Vec<String> {
    (1..=count).map(|number| format!("u{number}@{domain}")).collect()
}

fn names(people: &[String]) -> Vec<&str> {
    people.iter().map(String::as_str).collect()
}

/// How many mails went to a domain so far, whatever became of them.
fn tried(shop: &Shop, domain: &str) -> usize {
    shop.deliveries().iter().filter(|delivery| delivery.written.to.ends_with(domain)).count()
}

fn waiting(shop: &Shop) -> Vec<Message> {
    let filter = MessageFilter { waiting: true, ..MessageFilter::default() };
    shop.reader().messages(&filter, Page { skip: 0, limit: 100 }).unwrap()
}

#[track_caller]
fn why(shop: &Shop, because: WaitsBecause, until: &str) {
    let message = waiting(shop).pop().expect("something waits");
    let waits = shop.engine().why_waits(&message).expect("it is in the outbox");
    assert_eq!((waits.because, waits.until.map(|at| at.to_string()).as_deref()), (because, Some(until)));
}

#[test]
fn mails_leave_at_the_pace_their_owner_set_and_each_says_why_it_waits() {
    let all = people(5, "one.example");
    let shop = with(&names(&all), Limits { per_minute: Some(2), ..Limits::default() });
    visits(&shop, &names(&all));
    assert_eq!(shop.deliveries().len(), 1);
    why(&shop, WaitsBecause::Pace, "2026-03-02T12:00:30Z");
    shop.seconds(29);
    assert_eq!(shop.deliveries().len(), 1);
    shop.seconds(1);
    assert_eq!(shop.deliveries().len(), 2);
    shop.seconds(90);
    assert_eq!(shop.deliveries().len(), 5);
    assert_eq!(shop.messages().iter().filter(|line| line.ends_with("sent")).count(), 5);
}

#[test]
fn a_domain_with_a_pace_of_its_own_keeps_nobody_else_waiting() {
    let (slow, other) = (people(4, "slow.example"), people(4, "other.example"));
    let all = [names(&slow), names(&other)].concat();
    let limits = Limits {
        domain_per_minute: Some(6_000),
        domains: [("slow.example".to_owned(), 1)].into(),
        ..Limits::default()
    };
    let shop = with(&all, limits);
    visits(&shop, &all);
    assert_eq!((tried(&shop, "slow.example"), tried(&shop, "other.example")), (1, 4));
    why(&shop, WaitsBecause::DomainPace, "2026-03-02T12:01:00Z");
    shop.minutes(3);
    assert_eq!(tried(&shop, "slow.example"), 4);
}

#[test]
fn a_young_sender_is_let_more_each_day_also_after_a_restart() {
    let all = people(10, "one.example");
    let shop = with(&names(&all), Limits { warm_up: vec![2, 3], ..Limits::default() });
    visits(&shop, &names(&all));
    assert_eq!(shop.deliveries().len(), 2);
    why(&shop, WaitsBecause::WarmUp, "2026-03-03T12:00:00Z");
    shop.restart();
    shop.hours(23);
    shop.restart();
    assert_eq!(shop.deliveries().len(), 2);
    shop.hours(1);
    assert_eq!(shop.deliveries().len(), 5);
    shop.restart();
    shop.hours(12);
    assert_eq!(shop.deliveries().len(), 5);
    shop.hours(12);
    assert_eq!(shop.deliveries().len(), 10, "warm from the third day on");
}

#[test]
fn what_was_put_off_does_not_use_up_the_day_of_a_young_sender() {
    let all = people(3, "one.example");
    let shop = with(&names(&all), Limits { warm_up: vec![2], ..Limits::default() });
    shop.channel_answers_to(&all[0], "4xx");
    visits(&shop, &names(&all));
    assert_eq!(shop.messages().iter().filter(|line| line.ends_with("sent")).count(), 2, "{:?}", shop.messages());
}

/// A shop that wrote to seven people of a domain that takes nothing, and to one of another.
fn with_one_that_takes_nothing(bad: &[String], good: &[String]) -> Shop {
    let shop = with(&[names(bad), names(good)].concat(), Limits::default());
    for who in bad {
        shop.channel_answers_to(who, "4xx");
    }
    visits(&shop, &names(&good[..1]));
    // Those that were on their way when it went wrong have gone; then it rests.
    for who in names(&bad[..7]) {
        shop.customer(who).does("visit", json!({}));
    }
    assert_eq!(tried(&shop, "bad.example"), 5);
    shop
}

#[test]
fn a_domain_that_takes_nothing_rests_longer_each_time_and_the_others_go_on() {
    let (bad, good) = (people(9, "bad.example"), people(9, "good.example"));
    let shop = with_one_that_takes_nothing(&bad, &good);
    why(&shop, WaitsBecause::DomainRests, "2026-03-02T12:01:00Z");
    visits(&shop, &names(&good[1..]));
    assert_eq!(tried(&shop, "good.example"), 9, "they never wait for it");
    assert!(!shop.messages().iter().any(|line| line.ends_with("channel_down")), "{:?}", shop.messages());

    shop.minutes(1);
    assert_eq!(tried(&shop, "bad.example"), 6, "one is tried");
    shop.minutes(4);
    assert_eq!(tried(&shop, "bad.example"), 6, "and it rests for five minutes");
    for who in &bad {
        shop.channel_answers_to(who, "accept");
    }
    visits(&shop, &names(&good[..1]));
    shop.minutes(1);
    assert!(tried(&shop, "bad.example") > 6);
    shop.days(1);
    let sent = shop.messages().iter().filter(|line| line.contains("bad.example") && line.ends_with("sent")).count();
    assert_eq!(sent, 7, "nobody is forgotten: {:?}", shop.messages());
}

#[test]
fn a_domain_goes_on_resting_after_a_restart_and_is_tried_with_one_message() {
    let (bad, good) = (people(9, "bad.example"), people(2, "good.example"));
    let shop = with_one_that_takes_nothing(&bad, &good);
    shop.restart();
    why(&shop, WaitsBecause::DomainRests, "2026-03-02T12:01:00Z");
    shop.seconds(59);
    assert_eq!(tried(&shop, "bad.example"), 5, "a restart is no reason to try again");
    shop.restart();
    shop.seconds(1);
    assert_eq!(tried(&shop, "bad.example"), 6, "one is tried, and it rests again: five minutes, not one");
    shop.restart();
    why(&shop, WaitsBecause::DomainRests, "2026-03-02T12:06:00Z");
    for who in &bad {
        shop.channel_answers_to(who, "accept");
    }
    shop.minutes(5);
    shop.restart();
    shop.days(1);
    let sent = shop.messages().iter().filter(|line| line.contains("bad.example") && line.ends_with("sent")).count();
    assert_eq!(sent, 7, "{:?}", shop.messages());
}

#[test]
fn of_what_is_under_way_at_a_time_a_domain_has_nine_tenths_at_most() {
    let (one, other) = (people(30, "one.example"), people(2, "other.example"));
    let shop = with(&[names(&one), names(&other)].concat(), Limits { places: Some(20), ..Limits::default() });
    shop.stop_post();
    for who in names(&one).into_iter().chain(names(&other)) {
        shop.customer(who).does("visit", json!({}));
    }
    let now = shop.now();
    let orders = shop.engine_mut().order_attempts(Channel::Email, now, 20);
    let to = |domain: &str| orders.iter().filter(|order| order.written.to.ends_with(domain)).count();
    assert_eq!((to("one.example"), to("other.example")), (18, 2));
    assert!(shop.engine_mut().order_attempts(Channel::Email, now, 20).is_empty());
    assert_eq!(shop.engine().next_attempt(), None, "and nobody turns in circles for the rest");
    // One of them lands, and makes room for one; the others hang, so the domain has a quarter from then on.
    let land = |order: &engine::deliver::Order, at| {
        let mut engine = shop.engine_mut();
        assert!(engine.attempt_sends_data(&order.message, order.number, at));
        engine.attempt_ended(&order.message, order.number, End::Sent { reply: "250".to_owned() }, at);
    };
    land(&orders[0], now);
    assert_eq!(shop.engine_mut().order_attempts(Channel::Email, now, 20).len(), 1);
    let later = now.plus(Span(60_000));
    orders[1..14].iter().for_each(|order| land(order, later));
    assert!(shop.engine_mut().order_attempts(Channel::Email, later, 20).is_empty(), "five hang");
}

#[test]
fn a_receiver_that_asks_to_be_let_alone_is_let_alone() {
    let all = people(2, "one.example");
    let shop = with(&names(&all), Limits::default());
    shop.stop_post();
    shop.customer(&all[0]).does("visit", json!({}));
    let now = shop.now();
    let order = shop.engine_mut().order_attempts(Channel::Email, now, 20).pop().unwrap();
    let asked = Some(Span::minutes(30));
    let end = End::PutOff { reply: "429 slow down".to_owned(), unreachable: false, retry_after: asked };
    shop.engine_mut().attempt_sends_data(&order.message, order.number, now);
    shop.engine_mut().attempt_ended(&order.message, order.number, end, now);
    shop.start_post();
    shop.customer(&all[1]).does("visit", json!({}));
    why(&shop, WaitsBecause::DomainRests, "2026-03-02T12:30:00Z");
    shop.minutes(29);
    assert!(shop.deliveries().is_empty(), "nor the one that comes later");
    shop.minutes(1);
    assert_eq!(shop.deliveries().len(), 2);
}
