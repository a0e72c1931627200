//! A campaign that too many people call spam pauses itself, and says why.

use crate::shop;
use domain::campaign::State;
use domain::message::ReportKind;
use engine::deliver::brake::BrakeLimit;
use engine::deliver::reports::Came;
use serde_json::json;
use testkit::Shop;

const NOW: &str = "2026-03-02T12:00:00Z";
const NUDGE: &str = "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: hello } ]";
const ALERT: &str = "campaign: alert\npurpose: service\nenter: { on: { did: payment-failed }, again: always }\nsteps: [ { message: news } ]";
/// A tenth of the mails, once there are ten.
const TENTH: BrakeLimit = BrakeLimit { per_100_000: 10_000, from: 10 };

fn people(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|number| format!("u{number}")).collect()
}

/// A shop whose campaign has written to some.
fn written_to(people: &[String]) -> Shop {
    let shop = shop(NOW);
    shop.campaigns_are_braked(Some(TENTH));
    shop.define(NUDGE);
    shop.define(ALERT);
    visit(&shop, people);
    shop
}

fn visit(shop: &Shop, people: &[String]) {
    for who in people {
        shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
        shop.customer(who).does("visit", json!({}));
    }
}

/// Somebody presses "spam" on the last mail they got.
fn complains(shop: &Shop, who: &str) {
    let to = format!("{who}@example.com");
    let mail = shop.deliveries().into_iter().rfind(|delivery| delivery.written.to == to).expect("they got one").message;
    let came = Came {
        id: format!("r_{mail}_{}", shop.now()).into(),
        kind: ReportKind::Complaint,
        address: None,
        status: None,
        words: "abuse".to_owned(),
        return_paths: Vec::new(),
        mail_ids: vec![format!("{mail}@tea.example")],
        raw: String::new(),
    };
    let (reader, now) = (shop.reader(), shop.now());
    let about = shop.engine().about_report(&*reader, &came).unwrap();
    shop.engine_mut().take_report(came, about, now);
    shop.settle();
}

fn state(shop: &Shop) -> State {
    shop.engine().definitions().campaigns[&testkit::actors::name("nudge")].state
}

fn because(shop: &Shop) -> Option<String> {
    shop.engine().braked_because(&testkit::actors::name("nudge")).map(str::to_owned)
}

#[test]
fn a_campaign_that_a_tenth_called_spam_goes_on_and_beyond_that_it_pauses() {
    let shop = written_to(&people(1, 20));
    complains(&shop, "u1");
    complains(&shop, "u1");
    complains(&shop, "u2");
    assert_eq!((state(&shop), because(&shop)), (State::Running, None), "two of twenty are a tenth");
    shop.restart();
    complains(&shop, "u3");
    assert_eq!(state(&shop), State::Paused);
    assert_eq!(because(&shop).as_deref(), Some("of 20 mails 3 were called spam, more than 10 %"));
    visit(&shop, &people(21, 21));
    assert!(!shop.messages().iter().any(|line| line.starts_with("u21")), "nobody enters");
    shop.restart();
    assert_eq!(because(&shop).as_deref(), Some("of 20 mails 3 were called spam, more than 10 %"));
}

#[test]
fn a_complaint_that_a_provider_tells_by_an_event_counts_once_for_its_mail() {
    let shop = written_to(&people(1, 20));
    let told = |who: &str| {
        let to = format!("{who}@example.com");
        let mail = shop.deliveries().into_iter().rfind(|delivery| delivery.written.to == to).unwrap().message;
        shop.customer(who).does("Email Marked as Spam", json!({ "message_id": mail.to_string() }));
    };
    told("u1");
    told("u1");
    complains(&shop, "u1");
    complains(&shop, "u2");
    told("u2");
    shop.customer("u9").does("Email Marked as Spam", json!({ "message_id": "of-another-tool" }));
    shop.customer("u8").does("Email Marked as Spam", json!({}));
    assert_eq!(state(&shop), State::Running, "two of twenty are a tenth");
    shop.restart();
    told("u1");
    assert_eq!(state(&shop), State::Running, "that one was counted before the restart");
    told("u3");
    assert_eq!(state(&shop), State::Paused);
    assert_eq!(because(&shop).as_deref(), Some("of 20 mails 3 were called spam, more than 10 %"));
}

#[test]
fn what_a_person_resumes_is_judged_by_what_it_sends_from_then_on() {
    let shop = written_to(&people(1, 10));
    complains(&shop, "u1");
    complains(&shop, "u2");
    assert_eq!(state(&shop), State::Paused);
    shop.minutes(10);
    let now = shop.now();
    shop.engine_mut().set_campaign_state(&testkit::actors::name("nudge"), State::Running, "Maya", now).unwrap();
    shop.settle();
    assert_eq!(because(&shop), None);
    complains(&shop, "u3");
    assert_eq!(state(&shop), State::Running, "that was about what went before");
    shop.minutes(1);
    visit(&shop, &people(11, 20));
    complains(&shop, "u11");
    complains(&shop, "u12");
    assert_eq!(state(&shop), State::Paused);
}

#[test]
fn few_mails_old_ones_and_alerts_pause_nothing() {
    let shop = written_to(&people(1, 9));
    people(1, 9).iter().for_each(|who| complains(&shop, who));
    assert_eq!(state(&shop), State::Running, "nine mails say nothing");
    visit(&shop, &people(10, 30));
    shop.days(8);
    people(10, 30).iter().for_each(|who| complains(&shop, who));
    assert_eq!(state(&shop), State::Running, "that was more than a week ago");
    for who in people(31, 45) {
        shop.customer(&who).identifies(json!({ "email": format!("{who}@example.com") }));
        shop.customer(&who).does("payment-failed", json!({}));
        complains(&shop, &who);
    }
    let alert = testkit::actors::name("alert");
    assert_eq!(shop.engine().definitions().campaigns[&alert].state, State::Running);
}
