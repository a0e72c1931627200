//! Who is in, to the millisecond, and why.

use crate::shop;
use domain::Timestamp;
use serde_json::json;
use testkit::{Keeps, Shop};

const NOW: &str = "2026-03-02T12:00:00Z";

fn instant(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse(text).unwrap())
}

#[test]
fn an_order_leaves_the_window_at_the_very_millisecond() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = Shop::open_in(keeps, NOW);
        shop.define("segment: recent\nwhere: { did: Order Completed, within: 30d }\n---\nsegment: lapsed\nwhere: { all: [ { did: Order Completed }, { did_not: Order Completed, within: 30d } ] }");
        shop.customer("ana").does("Order Completed", json!({}));
        shop.at("2026-04-01T11:59:59.999Z");
        assert!(shop.is_in("recent", "ana") && !shop.is_in("lapsed", "ana"));
        shop.restart();
        shop.milliseconds(1);
        assert!(!shop.is_in("recent", "ana") && shop.is_in("lapsed", "ana"));
        assert_eq!(shop.transitions("lapsed"), ["2026-04-01T12:00:00Z ana enters"]);
        assert_eq!(shop.transitions("recent"), ["2026-03-02T12:00:00Z ana enters", "2026-04-01T12:00:00Z ana leaves"]);
    }
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let shop = shop(NOW);
    shop.define("segment: recent\nwhere: { did: Order Completed, within: 30d }");
    shop.customer("ana").does("Order Completed", json!({}));
    shop.days(400);
    assert_eq!(shop.transitions("recent").len(), 2);
    assert_eq!(shop.engine().next_due(), None, "nothing is due any more");
}

#[test]
fn a_clock_that_was_far_ahead_leaves_the_right_instants_behind() {
    let shop = shop(NOW);
    shop.define("segment: recent\nwhere: { did: Order Completed, within: 1d }");
    shop.customer("ana").does("Order Completed", json!({}));
    shop.customer("ben").did_at("2026-03-10T00:00:00Z", "Order Completed", json!({}));
    shop.days(100);
    assert_eq!(
        shop.transitions("recent"),
        [
            "2026-03-02T12:00:00Z ana enters",
            "2026-03-03T12:00:00Z ana leaves",
            "2026-03-10T00:00:00Z ben enters",
            "2026-03-11T00:00:00Z ben leaves",
        ]
    );
}

#[test]
fn a_late_order_moves_people_at_once_and_one_that_is_too_old_does_not() {
    let shop = shop(NOW);
    shop.define("segment: recent\nwhere: { did: Order Completed, within: 10d }");
    let ana = shop.customer("ana");
    ana.did_at("2026-02-20T12:00:00Z", "Order Completed", json!({}));
    assert!(!shop.is_in("recent", "ana"), "exactly ten days old");
    ana.did_at("2026-02-20T12:00:00.001Z", "Order Completed", json!({}));
    assert!(shop.is_in("recent", "ana"));
    assert_eq!(shop.why("recent", "ana").until, instant("2026-03-02T12:00:00.001Z"));
    shop.milliseconds(1);
    assert!(!shop.is_in("recent", "ana"));
}

#[test]
fn an_order_dated_ahead_counts_from_its_time_but_its_customer_exists_at_once() {
    let shop = shop(NOW);
    shop.define("segment: buyers\nwhere: { did: Order Completed }\n---\nsegment: all-of-them\nwhere: { everyone: true }\n---\nsegment: silent\nwhere: { did_not: Order Completed }");
    shop.customer("ana").did_at("2026-03-05T12:00:00Z", "Order Completed", json!({}));
    assert!(!shop.is_in("buyers", "ana") && shop.is_in("silent", "ana"));
    assert_eq!(shop.members("all-of-them"), ["ana"]);
    assert_eq!(shop.members_as_of("all-of-them", NOW), ["ana"], "as of now is now");
    assert!(shop.why("silent", "ana").member);
    assert_eq!(shop.why("silent", "ana").until, instant("2026-03-05T12:00:00Z"), "what is dated ahead has arrived");
    shop.restart();
    shop.at("2026-03-05T11:59:59.999Z");
    assert!(!shop.is_in("buyers", "ana"));
    shop.milliseconds(1);
    assert!(shop.is_in("buyers", "ana"));
}

#[test]
fn calendar_days_end_at_each_customers_own_midnight_also_when_they_move() {
    let shop = shop("2026-06-10T12:00:00Z");
    shop.define("segment: today\nwhere: { did: visit, within_days: 0 }");
    let tomo = shop.customer("tomo");
    tomo.identifies(json!({ "timezone": "Asia/Tokyo" })).does("visit", json!({}));
    let lara = shop.customer("lara");
    lara.identifies(json!({ "timezone": "America/Los_Angeles" })).does("visit", json!({}));
    // At 13:00 lara flies ahead: there the 11th has begun, and the visit was at 02:00.
    lara.says(json!({ "type": "identify", "timestamp": "2026-06-10T13:00:00Z", "traits": { "timezone": "Pacific/Kiritimati" } }));
    shop.at("2026-06-12T12:00:00Z");
    assert_eq!(
        shop.transitions("today"),
        [
            "2026-06-10T12:00:00Z tomo enters",
            "2026-06-10T12:00:00Z lara enters",
            "2026-06-10T15:00:00Z tomo leaves",
            "2026-06-11T10:00:00Z lara leaves",
        ]
    );
    let kim = shop.customer("kim");
    kim.identifies(json!({ "timezone": "America/Los_Angeles" })).does("visit", json!({}));
    kim.says(
        json!({ "type": "identify", "timestamp": "2026-06-12T23:30:00Z", "traits": { "timezone": "Asia/Tokyo" } }),
    );
    assert_eq!(shop.why("today", "kim").until, instant("2026-06-12T23:30:00Z"), "her flight is known");
    shop.days(2);
    assert_eq!(shop.transitions("today")[5..], ["2026-06-12T23:30:00Z kim leaves"], "the 13th began in Tokyo at 15:00");
}

#[test]
fn counts_have_lower_and_upper_bounds() {
    let shop = shop(NOW);
    shop.define("segment: twice\nwhere: { did: visit, exactly: 2, within: 10d }\n---\nsegment: few\nwhere: { did: visit, at_most: 1, within: 10d }\n---\nsegment: two-or-three\nwhere: { did: visit, more_than: 1, fewer_than: 4 }");
    let ana = shop.customer("ana");
    ana.identifies(json!({}));
    let asked = || (shop.is_in("few", "ana"), shop.is_in("twice", "ana"), shop.is_in("two-or-three", "ana"));
    assert_eq!(asked(), (true, false, false));
    for expected in [(true, false, false), (false, true, true), (false, false, true), (false, false, false)] {
        ana.does("visit", json!({}));
        shop.hours(1);
        assert_eq!(asked(), expected);
    }
    shop.at("2026-03-12T14:00:00Z");
    assert_eq!(asked(), (true, false, false), "the first three are gone, one is left");
}

#[test]
fn sums_take_text_that_is_a_number_and_leave_out_what_is_none() {
    let shop = shop(NOW);
    shop.define(
        "
segment: spent-60
where: { did: Order Completed, sum: revenue, at_least: 60 }
---
segment: average-30
where: { did: Order Completed, average: revenue, at_least: 30 }
---
segment: biggest-40
where: { did: Order Completed, largest: revenue, at_least: 40, within: 1d }
---
segment: nothing-small
where: { did: Order Completed, smallest: revenue, above: 15 }
---
segment: two-kinds
where: { did: Order Completed, distinct: kind, at_least: 2 }
---
segment: spent-little
where: { did: Order Completed, sum: revenue, below: 10 }
",
    );
    let ana = shop.customer("ana");
    ana.identifies(json!({}));
    let asked = || -> Vec<bool> {
        ["spent-60", "average-30", "biggest-40", "nothing-small", "two-kinds", "spent-little"]
            .iter()
            .map(|segment| shop.is_in(segment, "ana"))
            .collect()
    };
    assert_eq!(asked(), [false, false, false, false, false, true], "over nothing a sum is 0, an average missing");
    ana.does("Order Completed", json!({ "revenue": "20.00", "kind": 1 }));
    ana.does("Order Completed", json!({ "revenue": "a lot", "kind": "1.0" }));
    assert_eq!(asked(), [false, false, false, true, false, false]);
    ana.does("Order Completed", json!({ "revenue": 40, "kind": "tea" }));
    assert_eq!(asked(), [true, true, true, true, true, false]);
    shop.days(1);
    assert!(!shop.is_in("biggest-40", "ana"));
    shop.restart();
    assert_eq!(asked(), [true, true, false, true, true, false]);
}

#[test]
fn a_segment_made_after_the_fact_and_one_that_is_changed_take_all_of_history() {
    let shop = shop(NOW);
    shop.customer("ana").does("Order Completed", json!({ "revenue": 20 }));
    shop.customer("ben").does("Order Completed", json!({ "revenue": 90 }));
    shop.days(3);
    let changes =
        shop.define("segment: big\nwhere: { did: Order Completed, within: 10d, where: { revenue: { at_least: 50 } } }");
    assert_eq!((changes[0].enter, changes[0].leave), (1, 0));
    assert_eq!(shop.members("big"), ["ben"]);
    let changes =
        shop.define("segment: big\nwhere: { did: Order Completed, within: 10d, where: { revenue: { below: 50 } } }");
    assert_eq!((changes[0].action, changes[0].enter, changes[0].leave), ("changed", 1, 1));
    assert_eq!(shop.members("big"), ["ana"]);
    shop.restart();
    let why = shop.why("big", "ana");
    assert_eq!(
        (why.since, why.until),
        (instant(NOW), instant("2026-03-12T12:00:00Z")),
        "since it happened, not since it was asked"
    );
    shop.at("2026-03-12T12:00:00Z");
    assert!(shop.members("big").is_empty());
}

#[test]
fn a_segment_of_segments_follows_the_inner_one_by_time() {
    let shop = shop(NOW);
    shop.define("segment: inner\nwhere: { did: visit, within: 1d }\n---\nsegment: outer\nwhere: { all: [ { trait: plan, is: gold }, { not: { segment: inner } } ] }");
    shop.customer("ana").identifies(json!({ "plan": "gold" })).does("visit", json!({}));
    assert!(!shop.is_in("outer", "ana"));
    shop.days(1);
    assert_eq!(shop.transitions("outer").last().unwrap(), "2026-03-03T12:00:00Z ana enters");
}

#[test]
fn two_people_who_are_one_are_counted_as_one() {
    let shop = shop(NOW);
    shop.define("segment: three\nwhere: { did: visit, at_least: 3, within: 10d }");
    shop.visitor("v").does("visit", json!({}));
    shop.customer("ana").does("visit", json!({})).does("visit", json!({}));
    shop.days(1);
    shop.customer("ana").on("v").identifies(json!({}));
    assert_eq!(shop.members("three"), ["ana"]);
    shop.at("2026-03-12T12:00:00Z");
    assert!(shop.members("three").is_empty());
}

#[test]
fn lists_and_consent_are_asked_as_they_stand() {
    let shop = shop(NOW);
    shop.define("purpose: news\n---\nsegment: vips\nwhere: { list: vip }\n---\nsegment: expired\nwhere: { consent: { purpose: news, channel: email, is: expired } }\n---\nsegment: readers\nwhere: { consent: { purpose: news, channel: email, is: granted } }");
    let ana = shop.customer("ana");
    ana.does("List Changed", json!({ "list": "vip", "member": true, "source": "person" }));
    ana.does("List Changed", json!({ "list": "vip", "member": false }));
    assert!(shop.is_in("vips", "ana"), "a person's word beats all others");
    ana.does("Consent Changed", json!({ "purpose": "news", "status": "granted", "expires": "2026-03-05T00:00:00Z" }));
    assert!(shop.is_in("readers", "ana"));
    shop.restart();
    shop.days(10);
    assert_eq!(shop.transitions("expired"), ["2026-03-05T00:00:00Z ana enters"]);
    assert!(!shop.is_in("readers", "ana"));
    ana.does("Unsubscribed", json!({ "purpose": "news", "channel": "email" }));
    assert!(!shop.is_in("expired", "ana"));
}

#[test]
fn new_customers_become_old_ones_by_time_alone() {
    let shop = shop(NOW);
    shop.define("segment: fresh\nwhere: { known_for: { less_than: 7d } }");
    shop.customer("ana").identifies(json!({}));
    shop.customer("ben").did_at("2026-02-27T12:00:00Z", "visit", json!({}));
    shop.days(8);
    let mut lines = shop.transitions("fresh");
    lines.sort();
    assert_eq!(lines[2..], ["2026-03-06T12:00:00Z ben leaves", "2026-03-09T12:00:00Z ana leaves"]);
    shop.customer("cleo").identifies(json!({}));
    assert!(shop.is_in("fresh", "cleo"));
    shop.customer("cleo").did_at("2026-01-01T00:00:00Z", "visit", json!({}));
    assert!(!shop.is_in("fresh", "cleo"), "an older call shows that she is known for longer");
}

#[test]
fn why_names_the_events_and_the_next_instant() {
    let shop = shop(NOW);
    shop.define("segment: regulars-who-stopped\nwhere: { all: [ { did: Order Completed, at_least: 2, within: 365d }, { did_not: Order Completed, within: 30d } ] }");
    let ana = shop.customer("ana");
    ana.did_at("2025-12-01T00:00:00Z", "Order Completed", json!({ "order_id": "o-1" }));
    ana.did_at("2026-02-20T00:00:00Z", "Order Completed", json!({ "order_id": "o-2" }));
    let why = shop.why("regulars-who-stopped", "ana");
    assert!(!why.member);
    assert_eq!(why.until, instant("2026-03-22T00:00:00Z"));
    assert_eq!(why.conditions.len(), 2);
    assert_eq!((why.conditions[0].holds, why.conditions[0].until), (true, instant("2026-12-01T00:00:00Z")));
    assert_eq!((why.conditions[1].holds, why.conditions[1].until), (false, instant("2026-03-22T00:00:00Z")));
    assert!(why.conditions[0].because.iter().any(|evidence| evidence.what.contains("o-2")), "{why:?}");
    shop.at("2026-03-22T00:00:00Z");
    let why = shop.why("regulars-who-stopped", "ana");
    assert_eq!(
        (why.member, why.since, why.until),
        (true, instant("2026-03-22T00:00:00Z"), instant("2026-12-01T00:00:00Z"))
    );
}

#[test]
fn as_of_an_instant_means_what_had_happened_by_then() {
    let shop = shop(NOW);
    shop.define("segment: buyers\nwhere: { did: Order Completed }");
    shop.customer("ana").does("Order Completed", json!({}));
    shop.days(10);
    shop.customer("ben").did_at("2026-03-04T00:00:00Z", "Order Completed", json!({}));
    assert_eq!(shop.members_as_of("buyers", "2026-03-03T00:00:00Z"), ["ana"]);
    assert_eq!(shop.members_as_of("buyers", "2026-03-05T00:00:00Z"), ["ana", "ben"], "whenever it arrived");
    assert_eq!(shop.members_as_of("buyers", "2026-03-01T00:00:00Z"), Vec::<String>::new());
}

#[test]
fn an_unsubscription_withdraws_the_purpose_of_its_campaign_also_after_a_restart() {
    let shop = shop(NOW);
    shop.define("purpose: news\ndefault: granted");
    shop.define("campaign: weekly\npurpose: news\nenter: { on: { did: visit }, again: always }\nsteps: [ { message: hello } ]\n---\nsegment: takes-news\nwhere: { consent: { purpose: news, channel: email, is: granted } }\n---\nsegment: takes-marketing\nwhere: { consent: { purpose: marketing, channel: email, is: granted } }");
    let ana = shop.customer("ana");
    ana.identifies(json!({ "email": "ana@example.com" })).does("visit", json!({}));
    let sent = shop.told().remove(0);
    ana.does("Unsubscribed", json!({ "purpose": "news", "campaign": "weekly", "message_id": sent.message.id }));
    for _ in 0..2 {
        assert!(!shop.is_in("takes-news", "ana") && shop.is_in("takes-marketing", "ana"));
        shop.restart();
    }
}

fn visit(number: usize, event: &str, shop: &Shop) -> domain::Call {
    let body = serde_json::value::RawValue::from_string(format!("{{\"tea\":\"{}\"}}", ["green", "black"][number % 2]));
    domain::Call {
        kind: domain::CallKind::Track,
        message_id: format!("{event}-{number}").into(),
        user_id: Some(format!("u{number}").into()),
        anonymous_id: None,
        other_id: None,
        event: Some(event.into()),
        timestamp: shop.now().minus(domain::Span::hours(number as i64 % 3)),
        received_at: shop.now(),
        source: "till".into(),
        trust: domain::Trust::Server,
        record: None,
        body: body.unwrap().into(),
        context: None,
    }
}

#[test]
fn thousands_who_call_at_once_or_lapse_at_once_stand_where_they_would_one_after_the_other() {
    const PEOPLE: usize = 9_000;
    let lived: Vec<_> = [100, PEOPLE]
        .into_iter()
        .map(|together| {
            let shop = shop(NOW);
            shop.define("segment: recent\nwhere: { did: visit, within: 30d }\n---\nsegment: green\nwhere: { did: visit, where: { tea: { is: green } } }\n---\nsegment: bought\nwhere: { all: [ { did: order }, { segment: recent } ] }\n---\nsegment: only-looked\nwhere: { sequence: { first: { did: visit }, then_not: { did: order }, within: 2h } }");
            for event in ["visit", "order"] {
                let everybody: Vec<_> = (0..PEOPLE).filter(|number| event == "visit" || number % 5 < 4).collect();
                for some in everybody.chunks(together) {
                    let (calls, now) = (some.iter().map(|number| visit(*number, event, &shop)).collect(), shop.now());
                    shop.engine_mut().ingest(calls, now);
                    shop.settle();
                }
                shop.hours(1);
            }
            shop.days(40);
            let mut turns = shop.take_transitions();
            turns.sort_by(|a, b| (a.at, &a.segment, a.customer, a.entered).cmp(&(b.at, &b.segment, b.customer, b.entered)));
            turns
        })
        .collect();
    let turns = &lived[0];
    let left = turns.iter().filter(|it| it.segment.as_str() == "recent" && !it.entered).count();
    assert_eq!(left, PEOPLE, "everybody lapsed");
    assert!(turns.iter().filter(|it| it.segment.as_str() == "only-looked").count() > PEOPLE / 10);
    assert!(lived[0] == lived[1], "together or not, the same happens");
}
