//! What becomes of a message on its way.

use crate::shop;
use domain::message::Outcome;
use serde_json::json;
use std::collections::BTreeSet;
use testkit::{Keeps, Shop};

const NOW: &str = "2026-03-02T12:00:00Z";
const NOTHING: [&str; 0] = [];
const NUDGE: &str = "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: hello } ]";
const ALERT: &str = "campaign: alert\npurpose: service\nenter: { on: { did: payment-failed }, again: always }\nsteps: [ { message: news } ]";

fn with(campaigns: &str, people: &[&str]) -> Shop {
    let shop = shop(NOW);
    shop.define(campaigns);
    for who in people {
        shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
    }
    shop
}

#[test]
fn a_message_that_was_put_off_is_tried_again_on_schedule_until_it_is_too_late() {
    let shop = with(NUDGE, &["ana"]);
    shop.channel_answers("4xx");
    shop.customer("ana").does("visit", json!({}));
    let mut tries = vec![shop.deliveries().len()];
    for minutes in [1, 5, 15, 60, 240, 480, 480] {
        shop.seconds(minutes * 60 - 1);
        assert_eq!(shop.deliveries().len(), *tries.last().unwrap(), "not before its time");
        shop.restart();
        shop.seconds(1);
        tries.push(shop.deliveries().len());
    }
    assert_eq!(tries, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(shop.messages(), ["ana nudge held: put_off"]);
    shop.days(10);
    assert_eq!(shop.messages_with_times(), ["2026-03-05T12:00:00Z ana nudge failed: gave_up"]);
    let sent: BTreeSet<String> = shop.deliveries().iter().map(|delivery| format!("{:?}", delivery.written)).collect();
    assert_eq!(sent.len(), 1, "the same bytes each time");
}

#[test]
fn a_message_that_was_put_off_goes_when_the_receiver_takes_it() {
    let shop = with(NUDGE, &["ana"]);
    shop.channel_answers("4xx");
    shop.customer("ana").does("visit", json!({}));
    shop.channel_answers("accept");
    shop.days(1);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-02T12:00:00Z ana nudge held: put_off", "2026-03-02T12:01:00Z ana nudge sent"]
    );
}

#[test]
fn a_put_off_message_asks_the_gate_again_before_it_goes() {
    let shop = with(
        &format!("workspace: settings\nquiet_hours: {{ from: \"21:00\", to: \"08:00\" }}\n---\n{NUDGE}"),
        &["ana"],
    );
    shop.at("2026-03-02T20:59:30Z");
    shop.channel_answers("4xx");
    shop.customer("ana").does("visit", json!({}));
    shop.channel_answers("accept");
    shop.days(1);
    assert_eq!(
        shop.messages_with_times(),
        [
            "2026-03-02T20:59:30Z ana nudge held: put_off",
            "2026-03-02T21:00:30Z ana nudge held: quiet_hours",
            "2026-03-03T08:00:00Z ana nudge sent"
        ]
    );
}

#[test]
fn a_refused_address_is_never_written_to_again_until_a_person_lifts_it() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = Shop::open_in(keeps, NOW);
        shop.define(crate::LETTERS);
        shop.define(&format!("{NUDGE}\n---\n{ALERT}"));
        shop.customer("ana").identifies(json!({ "email": "ana@example.com" }));
        shop.channel_answers("5xx");
        shop.customer("ana").does("visit", json!({}));
        shop.channel_answers("accept");
        shop.restart();
        shop.customer("ana").does("payment-failed", json!({})).does("visit", json!({}));
        assert_eq!(
            shop.messages(),
            ["ana nudge failed: rejected", "ana alert skipped: suppressed", "ana nudge skipped: suppressed"]
        );
        let now = shop.now();
        assert!(shop.engine_mut().lift_suppression("ana@Example.com", now));
        shop.settle();
        shop.restart();
        shop.customer("ana").does("visit", json!({}));
        assert_eq!(shop.messages(), ["ana nudge sent"]);
    }
}

#[test]
fn an_offer_whose_reply_was_lost_is_uncertain_and_never_repeated() {
    let shop = with(NUDGE, &["ana"]);
    shop.channel_answers("no_reply");
    shop.customer("ana").does("visit", json!({}));
    shop.channel_answers("accept");
    shop.restart();
    shop.days(30);
    assert_eq!(shop.messages_with_times(), ["2026-03-02T12:00:00Z ana nudge uncertain: no_reply"]);
    assert_eq!(shop.deliveries().len(), 1);
}

#[test]
fn an_uncertain_offer_counts_for_the_caps() {
    let shop = with(&format!("workspace: settings\ncaps: [ {{ at_most: 1, per: 2d }} ]\n---\n{NUDGE}"), &["ana"]);
    shop.channel_answers("no_reply");
    shop.customer("ana").does("visit", json!({}));
    shop.channel_answers("accept");
    shop.restart();
    shop.hours(1);
    shop.customer("ana").does("visit", json!({}));
    shop.days(3);
    assert_eq!(
        shop.messages_with_times(),
        [
            "2026-03-02T12:00:00Z ana nudge uncertain: no_reply",
            "2026-03-02T13:00:00Z ana nudge held: frequency_cap",
            "2026-03-04T12:00:00Z ana nudge sent"
        ]
    );
}

#[test]
fn an_alert_whose_reply_was_lost_is_repeated_byte_for_byte_until_it_is_taken() {
    let shop = with(ALERT, &["ana"]);
    shop.channel_answers("no_reply");
    shop.customer("ana").does("payment-failed", json!({}));
    shop.hours(5);
    shop.restart();
    shop.hours(5);
    let tries = shop.deliveries().len();
    assert!(tries > 3, "{tries}");
    shop.channel_answers("accept");
    shop.days(1);
    let words: Vec<String> = shop.messages();
    assert_eq!(words, ["ana alert uncertain: no_reply", "ana alert sent"]);
    let deliveries = shop.deliveries();
    assert_eq!(deliveries.len(), tries + 1);
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.written == deliveries[0].written && delivery.message == deliveries[0].message)
    );
    shop.days(30);
    assert_eq!(shop.deliveries().len(), tries + 1);
}

#[test]
fn an_alert_that_nobody_ever_answers_stays_uncertain_after_its_time() {
    let shop = with(ALERT, &["ana"]);
    shop.channel_answers("no_reply");
    shop.customer("ana").does("payment-failed", json!({}));
    shop.days(30);
    assert_eq!(shop.messages_with_times(), ["2026-03-02T12:00:00Z ana alert uncertain: no_reply"]);
    assert!(!shop.is_inside("alert", "ana"));
    let tries = shop.deliveries().len();
    shop.restart();
    shop.days(30);
    assert_eq!(shop.deliveries().len(), tries);
}

#[test]
fn an_alert_on_its_way_again_is_not_written_down_as_skipped_when_its_campaign_stops() {
    let shop = with(ALERT, &["ana"]);
    shop.channel_answers("no_reply");
    shop.customer("ana").does("payment-failed", json!({}));
    shop.define(&format!("{ALERT}\nstate: stopped"));
    shop.restart();
    shop.days(30);
    assert_eq!(shop.messages(), ["ana alert uncertain: no_reply"]);
    assert_eq!(
        shop.reader().message(&shop.deliveries()[0].message).unwrap().unwrap().0.outcome,
        Some(Outcome::Uncertain)
    );
}

#[test]
fn a_channel_that_fails_for_five_in_a_row_rests() {
    let people = ["u1", "u2", "u3", "u4", "u5", "u6"];
    let shop = with(NUDGE, &people);
    shop.channel_answers("4xx");
    for who in people {
        shop.customer(who).does("visit", json!({}));
    }
    let lines = shop.messages();
    assert_eq!(lines[4..], ["u5 nudge held: put_off", "u6 nudge held: channel_down"]);
    assert_eq!(shop.deliveries().len(), 5);
    shop.channel_answers("accept");
    shop.restart();
    shop.days(1);
    let lines = shop.messages();
    assert_eq!(lines.iter().filter(|line| line.ends_with("sent")).count(), 6, "{lines:?}");
}

#[test]
fn what_waited_in_a_night_of_silence_asks_again_before_it_goes() {
    // Let through at 20:59, but nobody carries out orders until 23:00.
    let shop = with(
        &format!("workspace: settings\nquiet_hours: {{ from: \"21:00\", to: \"08:00\" }}\n---\n{NUDGE}"),
        &["ana", "ben", "cleo"],
    );
    shop.at("2026-03-02T20:59:00Z");
    shop.stop_post();
    for who in ["ana", "ben", "cleo"] {
        shop.customer(who).does("visit", json!({}));
    }
    shop.at("2026-03-02T23:00:00Z");
    shop.customer("ben").does("Unsubscribed", json!({}));
    shop.customer("cleo").does("Conversation Opened", json!({}));
    assert_eq!(shop.messages(), NOTHING);
    shop.restart();
    shop.start_post();
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(
        lines,
        ["ana nudge held: quiet_hours", "ben nudge skipped: no_consent", "cleo nudge held: person_talking"]
    );
    shop.days(1);
    assert_eq!(shop.messages_with_times(), ["2026-03-03T08:00:00Z ana nudge sent"]);
}

#[test]
fn of_two_that_waited_for_the_post_a_cap_lets_the_first_go() {
    let shop = with(
        &format!("workspace: settings\ncaps: [ {{ at_most: 1, per: 1d }} ]\n---\n{NUDGE}\nexpires_after: 9d"),
        &["ana"],
    );
    shop.define(
        "campaign: second\nenter: { on: { did: Quiz Finished } }\nexpires_after: 9d\nsteps: [ { message: news } ]",
    );
    shop.stop_post();
    shop.customer("ana").does("visit", json!({}));
    shop.hours(30);
    shop.customer("ana").does("Quiz Finished", json!({}));
    shop.restart();
    assert_eq!(shop.messages(), ["ana second held: frequency_cap"], "the first is still to go");
    shop.start_post();
    assert_eq!(shop.messages_with_times(), ["2026-03-03T18:00:00Z ana nudge sent"]);
    shop.days(3);
    assert_eq!(shop.messages_with_times(), ["2026-03-04T18:00:00Z ana second sent"]);
}

#[test]
fn a_message_that_waits_for_the_post_ends_when_its_customer_leaves() {
    let shop = with(&format!("{NUDGE}\nexit_if: {{ did: Order Completed }}"), &["ana"]);
    shop.stop_post();
    shop.customer("ana").does("visit", json!({}));
    shop.hours(1);
    shop.customer("ana").does("Order Completed", json!({}));
    assert_eq!(shop.messages(), ["ana nudge skipped: exited"]);
    shop.start_post();
    shop.restart();
    shop.days(1);
    assert_eq!(shop.deliveries().len(), 0);
}
