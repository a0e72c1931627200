//! Who enters a campaign, how long they stay, and how they leave.

use crate::shop;
use models::assignment::bucket;
use serde_json::json;
use testkit::{Shop, Told};

const NOW: &str = "2026-03-02T12:00:00Z";
const NOTHING: [&str; 0] = [];

/// A shop with one campaign and customers with an address.
fn with_campaign(yaml: &str, people: &[&str]) -> Shop {
    let shop = shop(NOW);
    for who in people {
        shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
    }
    shop.define(yaml);
    shop
}

#[test]
fn present_members_enter_once_when_the_campaign_starts() {
    let shop = shop(NOW);
    shop.define("segment: gold\nwhere: { trait: plan, is: gold }");
    shop.customer("ana").identifies(json!({ "email": "ana@example.com", "plan": "gold" }));
    shop.customer("ben").identifies(json!({ "email": "ben@example.com" }));
    let campaign = "campaign: welcome\nenter: { on: { enters: gold }, again: always }\nsteps: [ { message: hello } ]";
    shop.define(campaign);
    assert_eq!(shop.messages(), ["ana welcome sent"]);
    shop.restart();
    shop.define(campaign);
    shop.define(&format!("{campaign}\ntitle: Edited"));
    assert_eq!(shop.messages(), NOTHING, "neither a restart nor an edit starts it again");
    shop.customer("ben").identifies(json!({ "plan": "gold" }));
    shop.customer("ana").identifies(json!({ "plan": "basic" }));
    shop.customer("ana").identifies(json!({ "plan": "gold" }));
    assert_eq!(shop.messages(), ["ben welcome sent", "ana welcome sent"]);
}

#[test]
fn a_segment_that_is_redefined_moves_people_as_an_event_would() {
    let shop = with_campaign(
        "segment: spenders\nwhere: { trait: spent, above: 100 }\n---\ncampaign: thanks\nenter: { on: { enters: spenders }, again: always }\nsteps: [ { message: hello } ]\n---\ncampaign: farewell\nenter: { on: { leaves: spenders }, again: always }\nsteps: [ { message: news } ]",
        &["ana"],
    );
    shop.customer("ana").identifies(json!({ "spent": 60 }));
    assert_eq!(shop.messages(), NOTHING);
    shop.define("segment: spenders\nwhere: { trait: spent, above: 50 }");
    assert_eq!(shop.messages(), ["ana thanks sent"]);
    shop.define("segment: spenders\nwhere: { trait: spent, above: 70 }");
    assert_eq!(shop.messages(), ["ana farewell sent"]);
}

#[test]
fn somebody_enters_again_as_the_campaign_says() {
    let campaign = |name: &str, again: &str| {
        format!(
            "campaign: {name}\nenter: {{ on: {{ did: Quiz Finished }}, again: {again} }}\nsteps: [ {{ message: hello }} ]\n---\n"
        )
    };
    let shop = with_campaign(
        &[campaign("always", "always"), campaign("never", "never"), campaign("later", "{ after: 10d }")].concat(),
        &["ana"],
    );
    let ana = shop.customer("ana");
    let finishes = || {
        ana.does("Quiz Finished", json!({}));
        let mut names: Vec<String> =
            shop.messages().iter().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(finishes(), "always later never");
    shop.restart();
    shop.days(9);
    assert_eq!(finishes(), "always");
    shop.at("2026-03-12T11:59:59Z");
    assert_eq!(finishes(), "always");
    shop.restart();
    shop.at("2026-03-12T12:00:00Z");
    assert_eq!(finishes(), "always later", "counted from the last entry");
    shop.days(9);
    assert_eq!(finishes(), "always");
}

#[test]
fn people_are_inside_once_per_key() {
    let shop = with_campaign(
        "campaign: order\nenter: { on: { did: Order Completed }, again: never, key: properties.order_id }\ngoal: { did: Parcel Collected, within: 30d }\nsteps: [ { wait: 2d }, { message: hello } ]",
        &["ana"],
    );
    let ana = shop.customer("ana");
    ana.does("Order Completed", json!({ "order_id": "o-1" }));
    shop.days(1);
    ana.does("Order Completed", json!({ "order_id": "o-1" }));
    ana.does("Order Completed", json!({ "order_id": 2 }));
    ana.does("Order Completed", json!({ "note": "without a number" }));
    assert_eq!(shop.engine().look().describe().keys().filter(|line| line.starts_with("journey")).count(), 2);
    shop.restart();
    shop.hours(1);
    ana.does("Parcel Collected", json!({ "order_id": 2 }));
    shop.days(10);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-04T12:00:00Z ana order sent"],
        "the parcel of the other order was collected"
    );
    ana.does("Order Completed", json!({ "order_id": "o-1" }));
    shop.days(10);
    assert_eq!(shop.messages(), NOTHING);
}

#[test]
fn only_those_whom_the_campaign_asks_for_enter() {
    let shop = with_campaign(
        "campaign: british\nenter: { on: { did: Quiz Finished }, only_if: { trait: country, is: GB } }\nsteps: [ { message: hello } ]",
        &["ana", "ben"],
    );
    shop.customer("ana").identifies(json!({ "country": "GB" }));
    for who in ["ana", "ben"] {
        shop.customer(who).does("Quiz Finished", json!({}));
    }
    assert_eq!(shop.messages(), ["ana british sent"]);
    shop.customer("ben").identifies(json!({ "country": "GB" }));
    assert_eq!(shop.messages(), NOTHING, "asked once, at the trigger");
}

#[test]
fn whoever_does_what_the_exit_names_leaves_at_once() {
    let shop = with_campaign(
        "campaign: basket\nenter: { on: { did: Cart Abandoned }, again: always }\nexit_if: { did: Order Completed }\nsteps: [ { wait: 1d }, { message: hello } ]",
        &["ana", "ben", "cleo"],
    );
    let (ana, ben) = (shop.customer("ana"), shop.customer("ben"));
    ana.does("Order Completed", json!({}));
    ana.does("Cart Abandoned", json!({}));
    ben.does("Cart Abandoned", json!({}));
    shop.hours(1);
    assert!(shop.is_inside("basket", "ana"), "an order before the entry is no reason to leave");
    ben.does("Order Completed", json!({}));
    assert!(!shop.is_inside("basket", "ben"));
    shop.days(3);
    assert_eq!(shop.messages(), ["ana basket sent"]);
    ben.does("Cart Abandoned", json!({}));
    shop.restart();
    shop.days(3);
    assert_eq!(shop.messages(), ["ben basket sent"], "he came back");
}

#[test]
fn an_exit_that_holds_already_at_the_entry_lets_nothing_out() {
    let shop = with_campaign(
        "campaign: basket\nenter: { on: { did: Cart Abandoned }, again: always }\nexit_if: { trait: blocked, is: true }\nsteps: [ { message: hello } ]",
        &["ana"],
    );
    shop.customer("ana").identifies(json!({ "blocked": true })).does("Cart Abandoned", json!({}));
    assert!(!shop.is_inside("basket", "ana"));
    assert!(shop.told().iter().all(|told| told.decision.outcome != domain::message::Outcome::Sent));
}

#[test]
fn an_exit_by_time_alone_ends_a_wait() {
    let shop = with_campaign(
        "segment: recent\nwhere: { did: visit, within: 1d }\n---\ncampaign: nudge\nenter: { on: { enters: recent }, again: always }\nexit_if: { not: { segment: recent } }\nsteps: [ { wait: 2d }, { message: hello } ]",
        &["ana"],
    );
    shop.customer("ana").does("visit", json!({}));
    assert!(shop.is_inside("nudge", "ana"));
    shop.restart();
    shop.days(1);
    assert!(!shop.is_inside("nudge", "ana"));
    shop.days(3);
    assert_eq!(shop.messages(), NOTHING);
}

fn exposures(shop: &Shop, campaign: &str) -> Vec<store::Exposure> {
    shop.reader().exposures(&domain::Name::parse(campaign).unwrap()).unwrap()
}

#[test]
fn a_goal_ends_the_journey_and_counts_inside_its_window() {
    let shop = with_campaign(
        "campaign: win-back\nenter: { on: { did: Cart Abandoned }, again: always }\ngoal: { did: Order Completed, within: 14d, value: properties.revenue, where: { revenue: { above: 0 } } }\nsteps: [ { message: hello }, { wait: 3d }, { message: news } ]",
        &["ana", "ben"],
    );
    let (ana, ben) = (shop.customer("ana"), shop.customer("ben"));
    for who in [&ana, &ben] {
        who.does("Cart Abandoned", json!({}));
    }
    shop.hours(1);
    ana.does("Order Completed", json!({ "revenue": 0 }));
    assert!(shop.is_inside("win-back", "ana"));
    ana.does("Order Completed", json!({ "revenue": "25.50", "currency": "EUR" }));
    assert!(!shop.is_inside("win-back", "ana"));
    shop.restart();
    shop.days(5);
    ana.does("Order Completed", json!({ "revenue": 10 }));
    ana.does("Order Completed", json!({ "revenue": 4.5 }));
    shop.at("2026-03-16T12:00:00Z");
    ben.does("Order Completed", json!({ "revenue": 1 }));
    shop.milliseconds(1);
    ana.does("Order Completed", json!({ "revenue": 99 }));
    assert_eq!(shop.messages(), ["ana win-back sent", "ben win-back sent", "ben win-back sent"]);
    let found = exposures(&shop, "win-back");
    let of = |who: &str| {
        found.iter().find(|exposure| Some(exposure.customer) == shop.engine().look().find(who)).unwrap().clone()
    };
    let worth: Vec<String> = of("ana").worth.iter().map(ToString::to_string).collect();
    assert_eq!((of("ana").goals, worth), (3, vec!["25.50 EUR".to_owned(), "14.50 GBP".to_owned()]));
    assert_eq!(of("ben").goals, 1, "the end of the window still counts");
    shop.restart();
}

#[test]
fn a_wait_ends_at_its_instant_also_when_perennial_was_down_meanwhile() {
    let shop = with_campaign(
        "campaign: nudge\nenter: { on: { did: Cart Abandoned } }\nsteps: [ { wait: 36h }, { message: hello }, { wait: 1d }, { message: news } ]",
        &["ana"],
    );
    shop.customer("ana").does("Cart Abandoned", json!({}));
    shop.hours(35);
    shop.restart();
    shop.hours(100);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-04T00:00:00Z ana nudge sent", "2026-03-05T00:00:00Z ana nudge sent"]
    );
    assert!(!shop.is_inside("nudge", "ana"));
}

#[test]
fn a_late_event_lets_in_if_it_is_young_enough_and_after_the_start() {
    let shop = with_campaign(
        "campaign: nudge\nenter: { on: { did: Cart Abandoned, late: 24h }, again: always }\nsteps: [ { message: hello } ]",
        &["ana"],
    );
    let ana = shop.customer("ana");
    shop.hours(12);
    ana.did_at("2026-03-02T11:59:59Z", "Cart Abandoned", json!({}));
    assert_eq!(shop.messages(), NOTHING, "before the start");
    ana.did_at("2026-03-02T12:00:00Z", "Cart Abandoned", json!({}));
    assert_eq!(shop.messages(), ["ana nudge sent"]);
    shop.days(3);
    ana.did_at("2026-03-04T23:59:59Z", "Cart Abandoned", json!({}));
    assert_eq!(shop.messages(), NOTHING, "too old");
    ana.did_at("2026-03-05T06:00:00Z", "Cart Abandoned", json!({}));
    assert_eq!(shop.messages(), ["ana nudge sent"]);
    ana.did_at("2026-03-07T06:00:00Z", "Cart Abandoned", json!({}));
    assert_eq!(shop.messages(), NOTHING, "dated ahead");
    shop.restart();
    shop.days(3);
    assert_eq!(shop.messages_with_times(), ["2026-03-07T06:00:00Z ana nudge sent"]);
}

/// Whom the draw keeps out, computed here and not by the engine.
fn is_held_out(shop: &Shop, seed: &str, percent: u16, who: &str) -> bool {
    let id = shop.engine().look().find(who).unwrap();
    bucket(seed, &id.to_string()) < percent * 100
}

#[test]
fn the_comparison_group_gets_nothing_and_is_written_down() {
    let people: Vec<String> = (0..40).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let shop = with_campaign(
        "campaign: nudge\nenter: { on: { did: visit }, again: always }\nholdout: 30%\ngoal: { did: Order Completed, within: 7d }\nsteps: [ { message: hello } ]",
        &names,
    );
    for _ in 0..2 {
        for who in &names {
            shop.customer(who).does("visit", json!({}));
        }
        let told = shop.told();
        assert_eq!(told.len(), 40);
        let held_out: Vec<&Told> =
            told.iter().filter(|told| told.decision.outcome == domain::message::Outcome::WouldHaveSent).collect();
        assert!(!held_out.is_empty() && held_out.len() < 40);
        for told in &told {
            let words = if is_held_out(&shop, "nudge:1", 30, &told.to) { "would_have_sent: holdout" } else { "sent" };
            assert_eq!(told.to_string(), format!("{} nudge {words}", told.to));
        }
        shop.restart();
        shop.days(1);
    }
    let reached: Vec<_> = shop.deliveries().iter().map(|delivery| delivery.written.to.clone()).collect();
    assert!(
        names
            .iter()
            .all(|who| reached.contains(&format!("{who}@example.com")) != is_held_out(&shop, "nudge:1", 30, who))
    );
    assert_eq!(exposures(&shop, "nudge").iter().filter(|exposure| exposure.arm == store::Arm::HeldOut).count() % 2, 0);
}

#[test]
fn the_global_comparison_group_is_asked_before_the_campaigns_own_and_service_is_never_kept_back() {
    let people: Vec<String> = (0..40).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let shop = with_campaign(
        "workspace: settings\nglobal_holdout: { percent: 40, seed: g-2026 }\n---\ncampaign: nudge\nenter: { on: { did: visit } }\nholdout: 100%\nsteps: [ { message: hello } ]\n---\ncampaign: receipt\npurpose: service\nenter: { on: { did: visit } }\nsteps: [ { message: news } ]",
        &names,
    );
    for who in &names {
        shop.customer(who).does("visit", json!({}));
        let expected = if is_held_out(&shop, "g-2026", 40, who) { "global_holdout" } else { "holdout" };
        let mut lines = shop.messages();
        lines.sort();
        assert_eq!(lines, [format!("{who} nudge would_have_sent: {expected}"), format!("{who} receipt sent")]);
    }
}

#[test]
fn a_paused_campaign_holds_its_messages_and_the_pause_does_not_count_against_them() {
    let campaign = |state: &str| {
        format!(
            "campaign: nudge\nstate: {state}\nenter: {{ on: {{ did: visit }}, again: always }}\nexpires_after: 3d\nsteps: [ {{ wait: 1d }}, {{ message: hello }} ]"
        )
    };
    let shop = with_campaign(&campaign("running"), &["ana", "ben"]);
    shop.customer("ana").does("visit", json!({}));
    shop.hours(12);
    shop.define(&campaign("paused"));
    shop.customer("ben").does("visit", json!({}));
    shop.days(5);
    shop.restart();
    shop.days(5);
    assert_eq!(shop.messages_with_times(), ["2026-03-03T12:00:00Z ana nudge held: paused"]);
    assert!(shop.is_inside("nudge", "ana") && !shop.is_inside("nudge", "ben"));
    shop.define(&campaign("running"));
    assert_eq!(shop.messages_with_times(), ["2026-03-13T00:00:00Z ana nudge sent"]);
    shop.days(10);
    assert_eq!(shop.messages(), NOTHING, "what would have let ben in is not made up for");
}

#[test]
fn a_message_held_before_a_pause_has_the_rest_of_its_time_after_it() {
    let campaign = |state: &str| {
        format!(
            "campaign: nudge\nstate: {state}\nenter: {{ on: {{ did: visit }}, again: always }}\nexpires_after: 3d\nsteps: [ {{ message: greeting }} ]"
        )
    };
    let shop = with_campaign(
        &format!(
            "template: greeting\nsubject: Hello\nbody: \"Dear {{{{ customer.first_name }}}}\"\n---\n{}",
            campaign("running")
        ),
        &["ana"],
    );
    shop.customer("ana").does("visit", json!({}));
    shop.days(1);
    shop.define(&campaign("paused"));
    shop.days(4);
    shop.define(&campaign("running"));
    assert_eq!(
        shop.messages(),
        ["ana nudge held: missing_value", "ana nudge held: paused", "ana nudge held: missing_value"]
    );
    shop.restart();
    shop.at("2026-03-09T11:59:59Z");
    assert_eq!(shop.messages(), NOTHING);
    shop.days(1);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-09T12:00:00Z ana nudge skipped: expired"],
        "three days, four of pause"
    );
}

#[test]
fn a_stopped_campaign_lets_everybody_go() {
    let campaign = |state: &str| {
        format!(
            "campaign: nudge\nstate: {state}\nenter: {{ on: {{ did: visit }}, again: always }}\nsteps: [ {{ message: greeting }}, {{ wait: 1d }}, {{ message: hello }} ]"
        )
    };
    let shop = with_campaign(
        &format!(
            "template: greeting\nsubject: Hello\nbody: \"Dear {{{{ customer.first_name }}}}\"\n---\n{}",
            campaign("running")
        ),
        &["ana", "ben"],
    );
    shop.customer("ben").identifies(json!({ "first_name": "Ben" })).does("visit", json!({}));
    shop.customer("ana").does("visit", json!({}));
    assert_eq!(shop.messages(), ["ben nudge sent", "ana nudge held: missing_value"]);
    shop.define(&campaign("stopped"));
    assert_eq!(shop.messages(), ["ana nudge skipped: exited"]);
    assert!(!shop.is_inside("nudge", "ana") && !shop.is_inside("nudge", "ben"));
    shop.restart();
    shop.customer("ana").identifies(json!({ "first_name": "Ana" })).does("visit", json!({}));
    shop.days(5);
    assert_eq!(shop.messages(), NOTHING);
}

#[test]
fn those_inside_finish_the_version_they_began() {
    let shop = with_campaign(
        "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { wait: 2d }, { message: hello } ]",
        &["ana", "ben"],
    );
    shop.customer("ana").does("visit", json!({}));
    shop.days(1);
    shop.define(
        "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { wait: 5d }, { message: news } ]",
    );
    shop.customer("ben").does("visit", json!({}));
    shop.restart();
    shop.days(10);
    let told: Vec<String> =
        shop.told().iter().map(|told| format!("{} {} {}", told.decision.at, told.to, told.message.template)).collect();
    assert_eq!(told, ["2026-03-04T12:00:00Z ana hello", "2026-03-08T12:00:00Z ben news"]);
}

#[test]
fn two_who_are_inside_and_turn_out_to_be_one_go_on_as_the_older() {
    let shop = with_campaign(
        "campaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { wait: 2d }, { message: hello } ]",
        &["ana"],
    );
    shop.visitor("v").does("visit", json!({}));
    shop.days(1);
    shop.customer("ana").does("visit", json!({}));
    shop.restart();
    shop.customer("ana").on("v").identifies(json!({}));
    shop.restart();
    shop.days(10);
    assert_eq!(
        shop.messages_with_times(),
        ["2026-03-04T12:00:00Z ana nudge sent"],
        "once, when the visitor's two days were over"
    );
}

#[test]
fn variants_are_drawn_by_weight_and_stay_the_same() {
    let people: Vec<String> = (0..60).map(|number| format!("u{number}")).collect();
    let names: Vec<&str> = people.iter().map(String::as_str).collect();
    let shop = with_campaign(
        "template: two-ways\nsubject: Plain\nbody: Plain\nvariants: { restock: { subject: \"Back in stock\" } }\n---\ncampaign: nudge\nenter: { on: { did: visit }, again: always }\nsteps: [ { id: first, message: two-ways, variants: { plain: 1, restock: 1 } } ]",
        &names,
    );
    let mut first = Vec::new();
    for round in 0..2 {
        for who in &names {
            shop.customer(who).does("visit", json!({}));
        }
        let told: Vec<(String, String, String)> = shop
            .told()
            .into_iter()
            .map(|told| (told.to, told.message.variant.unwrap(), told.message.written.unwrap().subject.clone()))
            .collect();
        assert!(told.iter().all(|(_, variant, subject)| (variant == "plain") == (subject == "Plain")));
        let restock = told.iter().filter(|(_, variant, _)| variant == "restock").count();
        assert!((15..=45).contains(&restock), "{restock} of 60");
        if round == 0 {
            first = told;
        } else {
            assert_eq!(first, told);
        }
        shop.restart();
    }
}

#[test]
fn two_campaigns_that_wait_for_each_others_message_come_to_rest() {
    let campaign = |name: &str, on: &str| {
        format!(
            "campaign: {name}\npurpose: service\nenter: {{ on: {{ {on} }}, again: always }}\nsteps: [ {{ message: hello }} ]\n"
        )
    };
    let after = |names: &str| format!("did: Message Sent, where: {{ campaign: {{ in: [{names}] }} }}");
    let campaigns = [
        campaign("start", "did: Quiz Finished"),
        campaign("first", &after("start")),
        campaign("ping", &after("pong")),
        campaign("pong", &after("ping, start")),
    ];
    let shop = with_campaign(&campaigns.join("---\n"), &["ana"]);
    shop.customer("ana").does("Quiz Finished", json!({}));
    let messages = shop.messages();
    let of = |campaign: &str| messages.iter().filter(|line| line.contains(campaign)).count();
    assert_eq!((of(" start "), of(" first ")), (1, 1), "who is in no circle is not touched");
    assert_eq!((of(" ping "), of(" pong ")), (10, 10));
    shop.days(1);
    assert_eq!(shop.messages(), NOTHING, "and it is over");
    assert_eq!(shop.engine().next_due(), None);
    // Another day it may happen again.
    shop.customer("ana").does("Quiz Finished", json!({}));
    assert_eq!(shop.messages().len(), 22);
}
