//! What keeps a message back, in which order, and what lets it go.

use crate::shop;
use engine::decide::approve::NotApproved;
use serde_json::{Value, json};
use testkit::{Keeps, Shop};

const NOW: &str = "2026-03-02T12:00:00Z";
const NOTHING: [&str; 0] = [];

const NUDGE: &str = "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: hello } ]";
const ALERT: &str =
    "campaign: alert\npurpose: service\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: news } ]";

fn with_settings(settings: &str, traits: Value) -> Shop {
    let shop = shop(NOW);
    shop.define(&format!("workspace: settings\n{settings}\n---\n{NUDGE}"));
    shop.customer("ana").identifies(json!({ "email": "ana@example.com" })).identifies(traits);
    shop
}

fn visits(shop: &Shop, who: &str) {
    shop.customer(who).does("visit", json!({}));
}

#[test]
fn without_a_yes_there_is_no_offer_but_there_is_the_alert() {
    let shop = shop(NOW);
    shop.define(&format!("purpose: marketing\n---\n{NUDGE}\n---\n{ALERT}"));
    let ana = shop.customer("ana");
    ana.identifies(json!({ "email": "ana@example.com" }));
    let consents = |status: &str, rest: Value| {
        let mut properties = json!({ "purpose": "marketing", "channel": "email", "status": status });
        properties.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        ana.does("Consent Changed", properties);
    };
    let visited = || {
        visits(&shop, "ana");
        let mut lines = shop.messages();
        lines.sort();
        assert_eq!(lines.remove(0), "ana alert sent");
        lines.remove(0)
    };
    assert_eq!(visited(), "ana nudge skipped: no_consent");
    consents("granted", json!({ "channel": "sms" }));
    assert_eq!(visited(), "ana nudge skipped: no_consent");
    consents("granted", json!({ "expires": "2026-03-10T12:00:00Z" }));
    assert_eq!(visited(), "ana nudge sent");
    shop.restart();
    shop.at("2026-03-10T11:59:59Z");
    assert_eq!(visited(), "ana nudge sent");
    shop.seconds(1);
    assert_eq!(visited(), "ana nudge skipped: no_consent");
    consents("granted", json!({}));
    ana.says(json!({ "type": "track", "event": "Consent Changed", "timestamp": "2026-03-05T00:00:00Z", "properties": { "purpose": "marketing", "status": "withdrawn" } }));
    assert_eq!(visited(), "ana nudge sent", "an older no does not undo a newer yes");
    ana.does("Email Marked as Spam", json!({}));
    assert_eq!(visited(), "ana nudge skipped: no_consent");
}

#[test]
fn a_yes_that_was_taken_back_ends_a_held_message_at_once() {
    let shop = with_settings("quiet_hours: { from: \"21:00\", to: \"08:00\" }", json!({}));
    shop.at("2026-03-02T22:00:00Z");
    visits(&shop, "ana");
    shop.minutes(10);
    shop.customer("ana").does("Unsubscribed", json!({}));
    shop.days(3);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-02T22:00:00Z ana nudge held: quiet_hours", "2026-03-02T22:10:00Z ana nudge skipped: no_consent"]
    );
}

#[test]
fn a_yes_that_runs_out_ends_a_held_message_by_time_alone() {
    let shop = with_settings("quiet_hours: { from: \"21:00\", to: \"08:00\" }", json!({}));
    shop.customer("ana").does(
        "Consent Changed",
        json!({ "purpose": "marketing", "status": "granted", "expires": "2026-03-03T01:00:00Z" }),
    );
    shop.at("2026-03-02T22:00:00Z");
    visits(&shop, "ana");
    shop.restart();
    shop.days(3);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-02T22:00:00Z ana nudge held: quiet_hours", "2026-03-03T01:00:00Z ana nudge skipped: no_consent"]
    );
}

#[test]
fn nobody_is_written_to_without_an_address_or_twice_at_one() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = Shop::open_in(keeps, NOW);
        shop.define(crate::LETTERS);
        shop.define(NUDGE);
        shop.customer("ana").identifies(json!({ "email": "family@example.com" }));
        shop.customer("ben").identifies(json!({ "email": "family@EXAMPLE.com" }));
        shop.customer("cleo").identifies(json!({ "email": "no address" }));
        for who in ["ana", "ben", "cleo", "ana"] {
            visits(&shop, who);
            shop.restart();
        }
        assert_eq!(
            shop.messages(),
            [
                "ana nudge sent",
                "ben nudge skipped: duplicate_address",
                "cleo nudge skipped: no_address",
                "ana nudge sent"
            ]
        );
    }
}

#[test]
fn a_value_that_is_missing_holds_the_message_until_it_comes() {
    let shop = with_settings("", json!({}));
    shop.define("template: hello\nsubject: Hello\nbody: \"Dear {{ customer.first_name }}\"");
    visits(&shop, "ana");
    shop.restart();
    shop.days(2);
    shop.customer("ana").identifies(json!({ "plan": "gold" }));
    assert_eq!(shop.messages_with_times(), ["2026-03-02T12:00:00Z ana nudge held: missing_value"]);
    shop.customer("ana").identifies(json!({ "first_name": "Ana" }));
    let told = shop.told();
    assert_eq!(told[0].to_string(), "ana nudge sent");
    assert!(told[0].message.written.as_ref().unwrap().text.contains("Dear Ana"));
}

#[test]
fn a_message_held_too_long_is_of_no_use_any_more() {
    let shop = with_settings("", json!({}));
    shop.define("template: hello\nsubject: Hello\nbody: \"Dear {{ customer.first_name }}\"");
    visits(&shop, "ana");
    shop.days(10);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-02T12:00:00Z ana nudge held: missing_value", "2026-03-05T12:00:00Z ana nudge skipped: expired"]
    );
    assert!(!shop.is_inside("nudge", "ana"));
}

#[test]
fn while_a_person_talks_with_a_customer_no_offer_interrupts() {
    let shop = with_settings("", json!({}));
    shop.define(ALERT);
    let ana = shop.customer("ana");
    ana.does("Conversation Opened", json!({ "conversation": "c-1" }));
    visits(&shop, "ana");
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(lines, ["ana alert sent", "ana nudge held: person_talking"]);
    ana.does("Complaint Opened", json!({ "complaint": "k-1" }));
    shop.hours(1);
    ana.does("Conversation Closed", json!({}));
    assert_eq!(shop.messages(), ["ana nudge held: complaint_open"]);
    shop.restart();
    shop.hours(1);
    ana.does("Complaint Resolved", json!({ "complaint": "another" }));
    assert_eq!(shop.messages(), NOTHING);
    ana.does("Complaint Resolved", json!({ "complaint": "k-1" }));
    assert_eq!(shop.messages(), ["ana nudge sent"]);
}

#[test]
fn a_conversation_that_fell_silent_ends_by_itself() {
    let shop = with_settings("", json!({}));
    shop.define(&format!("{NUDGE}\nexpires_after: 30d"));
    shop.customer("ana").does("Conversation Opened", json!({}));
    shop.days(1);
    visits(&shop, "ana");
    shop.restart();
    shop.days(20);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-03T12:00:00Z ana nudge held: person_talking", "2026-03-09T12:00:00Z ana nudge sent"]
    );
}

#[test]
fn quiet_hours_end_by_the_customers_own_clock_also_when_it_is_put_forward() {
    let shop = shop("2026-03-28T12:00:00Z");
    shop.define(&format!("workspace: settings\nzone: America/New_York\nquiet_hours: {{ from: \"21:00\", to: \"08:00\", purposes: [ marketing ] }}\n---\n{NUDGE}\n---\n{ALERT}"));
    shop.customer("ana").identifies(json!({ "email": "ana@example.com", "timezone": "Europe/London" }));
    shop.customer("ben").identifies(json!({ "email": "ben@example.com", "timezone": "nowhere" }));
    shop.at("2026-03-28T23:00:00Z");
    for who in ["ana", "ben"] {
        visits(&shop, who);
    }
    shop.restart();
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(
        lines,
        ["ana alert sent", "ana nudge held: quiet_hours", "ben alert sent", "ben nudge sent"],
        "in New York it is 19:00"
    );
    shop.days(1);
    assert_eq!(shop.messages_with_times(), ["2026-03-29T07:00:00Z ana nudge sent"], "08:00 BST");
    shop.at("2026-03-30T20:00:00Z");
    visits(&shop, "ana");
    assert!(shop.messages().contains(&"ana nudge held: quiet_hours".to_owned()), "21:00 is included");
}

#[test]
fn quiet_hours_end_at_once_for_somebody_who_moves() {
    let shop = with_settings("quiet_hours: { from: \"21:00\", to: \"08:00\" }", json!({ "timezone": "Asia/Tokyo" }));
    shop.at("2026-03-02T14:00:00Z");
    visits(&shop, "ana");
    shop.hours(1);
    shop.customer("ana").identifies(json!({ "timezone": "Europe/London" }));
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-02T14:00:00Z ana nudge held: quiet_hours", "2026-03-02T15:00:00Z ana nudge sent"]
    );
}

#[test]
fn a_cap_counts_what_was_sent_and_frees_a_place_at_the_instant_it_may() {
    let shop = with_settings("caps: [ { purpose: marketing, channel: email, at_most: 2, per: 7d } ]", json!({}));
    shop.define(&format!("{NUDGE}\nexpires_after: 30d"));
    shop.define(ALERT);
    for _ in 0..3 {
        visits(&shop, "ana");
        shop.hours(1);
        shop.restart();
    }
    let lines: Vec<String> = shop.messages_with_times().into_iter().filter(|line| line.contains("nudge")).collect();
    assert_eq!(
        lines,
        [
            "2026-03-02T12:00:00Z ana nudge sent",
            "2026-03-02T13:00:00Z ana nudge sent",
            "2026-03-02T14:00:00Z ana nudge held: frequency_cap"
        ]
    );
    shop.days(20);
    assert_eq!(shop.messages_with_times(), ["2026-03-09T12:00:00Z ana nudge sent"]);
}

#[test]
fn a_cap_by_days_ends_with_the_customers_day() {
    let shop = with_settings(
        "caps: [ { purpose: marketing, at_most: 1, per_days: 1 } ]",
        json!({ "timezone": "America/New_York" }),
    );
    shop.at("2026-03-03T03:00:00Z");
    visits(&shop, "ana");
    shop.minutes(30);
    visits(&shop, "ana");
    shop.days(1);
    assert_eq!(
        shop.messages_with_times(),
        [
            "2026-03-03T03:00:00Z ana nudge sent",
            "2026-03-03T03:30:00Z ana nudge held: frequency_cap",
            "2026-03-03T05:00:00Z ana nudge sent"
        ]
    );
}

#[test]
fn of_two_messages_of_one_instant_the_more_important_goes() {
    let shop = with_settings("caps: [ { purpose: marketing, at_most: 1, per: 1d } ]", json!({}));
    shop.define(
        "campaign: urgent\npriority: 5\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: news } ]",
    );
    visits(&shop, "ana");
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(lines, ["ana nudge held: lower_priority", "ana urgent sent"]);
    shop.restart();
    shop.days(1);
    assert_eq!(shop.messages_with_times(), ["2026-03-03T12:00:00Z ana nudge sent"]);
    shop.hours(1);
    visits(&shop, "ana");
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(lines, ["ana nudge held: frequency_cap", "ana urgent held: frequency_cap"]);
}

#[test]
fn at_a_tie_the_older_campaign_goes_first() {
    let shop = with_settings("caps: [ { purpose: marketing, at_most: 1, per: 1d } ]", json!({}));
    shop.days(1);
    shop.define("campaign: a-younger-one\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: news } ]");
    visits(&shop, "ana");
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(lines, ["ana a-younger-one held: lower_priority", "ana nudge sent"]);
}

#[test]
fn who_is_drawn_for_the_comparison_while_a_message_waits_gets_none_and_counts_as_withheld_after_a_restart_too() {
    let caps = "caps: [ { purpose: marketing, at_most: 1, per: 1d } ]";
    let shop = with_settings(caps, json!({}));
    shop.stop_post();
    visits(&shop, "ana");
    shop.define(&format!("workspace: settings\n{caps}\nglobal_holdout: {{ percent: 100, seed: g-2026 }}"));
    shop.start_post();
    assert_eq!(shop.messages(), ["ana nudge would_have_sent: global_holdout"]);
    let before = shop.engine().state_hash();
    shop.restart();
    assert_eq!(shop.engine().state_hash(), before);
    shop.define(&format!("workspace: settings\n{caps}"));
    visits(&shop, "ana");
    assert_eq!(shop.messages(), ["ana nudge sent"], "what was withheld takes no room");
}

#[test]
fn what_would_have_gone_counts_for_its_own_campaigns_cap_and_for_no_other() {
    let shop = with_settings("caps: [ { purpose: marketing, at_most: 1, per: 1d } ]", json!({}));
    shop.define("campaign: quiet\npriority: 5\nholdout: 100%\ncap: { at_most: 1, per: 2d }\nexpires_after: 30d\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: news } ]");
    visits(&shop, "ana");
    assert_eq!(shop.messages(), ["ana quiet would_have_sent: holdout", "ana nudge sent"]);
    shop.restart();
    shop.days(1);
    visits(&shop, "ana");
    assert_eq!(shop.messages(), ["ana quiet held: frequency_cap", "ana nudge sent"]);
    shop.days(5);
    assert_eq!(shop.messages_with_times(), ["2026-03-04T12:00:00Z ana quiet would_have_sent: holdout"]);
}

#[test]
fn the_gate_asks_in_the_order_of_the_spec() {
    // Everything stands against this message; one after the other is taken away.
    let shop = shop("2026-03-02T22:00:00Z");
    shop.define(&format!(
        "purpose: marketing\n---\ntemplate: hello\nsubject: Hello\nbody: \"Dear {{{{ customer.first_name }}}}\"\n---\nworkspace: settings\nquiet_hours: {{ from: \"21:00\", to: \"08:00\" }}\ncaps: [ {{ at_most: 1, per: 1h }} ]\n---\ncampaign: first\npriority: 9\nenter: {{ on: {{ did: warm-up }} }}\nsteps: [ {{ message: news }} ]\n---\n{NUDGE}\nholdout: 100%"
    ));
    let ana = shop.customer("ana");
    ana.does("visit", json!({}));
    assert_eq!(shop.messages(), ["ana nudge skipped: no_consent"]);
    ana.does("Consent Changed", json!({ "purpose": "marketing", "status": "granted" })).does("visit", json!({}));
    assert_eq!(shop.messages(), ["ana nudge skipped: no_address"]);
    ana.identifies(json!({ "email": "ana@example.com" }))
        .does("Conversation Opened", json!({}))
        .does("visit", json!({}));
    assert_eq!(shop.messages(), ["ana nudge held: person_talking"]);
    ana.does("Conversation Closed", json!({}));
    assert_eq!(shop.messages(), ["ana nudge held: missing_value"]);
    ana.identifies(json!({ "first_name": "Ana" }));
    assert_eq!(shop.messages(), ["ana nudge held: quiet_hours"]);
    shop.days(1);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-03T08:00:00Z ana nudge would_have_sent: holdout"],
        "the draw comes last"
    );
}

#[test]
fn a_message_that_needs_a_persons_approval_waits_for_it_and_expires() {
    let shop = with_settings("", json!({}));
    shop.define(
        "campaign: careful\nenter: { on: { did: visit } }\nsteps: [ { message: news, approve: true } ]\n---\ncampaign: nudge\nstate: stopped\nenter: { on: { did: visit } }\nsteps: [ { message: hello } ]",
    );
    visits(&shop, "ana");
    shop.restart();
    shop.days(10);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-02T12:00:00Z ana careful held: needs_approval", "2026-03-05T12:00:00Z ana careful skipped: expired"]
    );
    assert!(shop.deliveries().is_empty());
}

#[test]
fn what_a_person_read_and_approved_is_what_goes_and_the_rest_of_the_gate_is_still_before_it() {
    let shop = with_settings("quiet_hours: { from: '21:00', to: '08:00' }", json!({ "first_name": "Ana" }));
    shop.define(
        "template: personal\nsubject: 'For {{ customer.first_name }}'\nbody: We thought of you\n---\ncampaign: careful\nenter: { on: { did: visit } }\nsteps: [ { message: personal, approve: true } ]\n---\ncampaign: nudge\nstate: stopped\nenter: { on: { did: visit } }\nsteps: [ { message: hello } ]",
    );
    visits(&shop, "ana");
    shop.restart();
    let waiting = shop.engine().waiting_for_approval()[0].id.clone();
    shop.customer("ana").identifies(json!({ "first_name": "Anastasia" }));
    shop.at("2026-03-02T22:00:00Z");
    assert_eq!(shop.messages(), ["ana careful held: needs_approval"]);
    let approve = |id: &domain::MessageId| {
        let now = shop.now();
        let done = shop.engine_mut().approve(id, "Maya", now);
        shop.settle();
        done
    };
    assert_eq!(approve(&waiting), Ok(()));
    assert_eq!(approve(&waiting), Err(NotApproved::Already));
    assert_eq!(approve(&domain::MessageId("m_none".into())), Err(NotApproved::Over));
    shop.restart();
    assert_eq!(shop.messages(), ["ana careful held: quiet_hours"]);
    shop.at("2026-03-03T08:00:00Z");
    assert_eq!(shop.messages(), ["ana careful sent"]);
    assert_eq!(shop.deliveries()[0].written.subject, "For Ana", "as it was read, not as it would be now");
}

#[test]
fn a_cap_on_service_counts_alerts_and_no_offers() {
    let shop = with_settings("caps: [ { purpose: service, at_most: 1, per: 1d } ]", json!({}));
    shop.define(ALERT);
    visits(&shop, "ana");
    shop.hours(1);
    visits(&shop, "ana");
    let mut lines = shop.messages();
    lines.sort();
    assert_eq!(lines, ["ana alert held: frequency_cap", "ana alert sent", "ana nudge sent", "ana nudge sent"]);
}

#[test]
fn a_held_message_that_is_held_again_for_the_same_reason_says_nothing() {
    let shop = with_settings(
        "caps: [ { purpose: marketing, at_most: 1, per: 2d } ]\nquiet_hours: { from: \"21:00\", to: \"08:00\" }",
        json!({}),
    );
    visits(&shop, "ana");
    shop.hours(1);
    visits(&shop, "ana");
    for _ in 0..5 {
        shop.customer("ana").identifies(json!({ "mood": "fine" }));
        shop.hours(1);
    }
    assert_eq!(shop.messages(), ["ana nudge sent", "ana nudge held: frequency_cap"]);
}
