//! A dry run on the past does what the campaign would have done had it been there.

use super::*;
use crate::workspace::Workspace;
use domain::Span;
use domain::definition::read_text;
use serde_json::json;

const SHOP: &str = "
workspace: settings
zone: Europe/London
caps: [ { purpose: marketing, at_most: 1, per: 20d } ]
quiet_hours: { from: '21:00', to: '08:00' }
---
purpose: marketing
default: granted
---
segment: lapsed
where: { all: [ { did: Order Completed }, { did_not: Order Completed, within: 30d } ] }
---
template: come-back
channel: email
subject: 'We restocked it, {{ customer.first_name }}'
body: The tea you liked is back
";

const WIN_BACK: &str = "
campaign: win-back
enter: { on: { enters: lapsed }, again: always }
exit_if: { did: Order Completed }
goal: { did: Order Completed, within: 14d }
holdout: 30%
steps: [ { id: first, message: come-back }, { wait: 7d }, { id: second, message: come-back } ]
";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A workspace in a directory of its own.
fn shop(dir: &Path, now: &str, definitions: &str) -> Workspace {
    let mut shop = Workspace::open(on_disk(dir), BTreeSet::new(), at(now)).unwrap();
    define(&mut shop, definitions);
    shop
}

fn define(shop: &mut Workspace, definitions: &str) {
    let now = shop.now();
    shop.engine_mut().define(read_text(definitions, "the test").unwrap(), "the test", now).unwrap();
    shop.settle().unwrap();
}

/// Forty customers who order at intervals of their own; one withdraws consent, one has no name, one no address.
fn lives() -> Vec<(Timestamp, Value)> {
    let mut calls = Vec::new();
    let start = at("2026-01-01T10:00:00Z");
    for who in 1..=40_i64 {
        let id = format!("u{who}");
        let mut traits = json!({ "first_name": format!("N{who}"), "email": format!("{id}@example.com") });
        if who == 7 {
            traits.as_object_mut().unwrap().remove("first_name");
        }
        if who == 8 {
            traits.as_object_mut().unwrap().remove("email");
        }
        calls.push((start.plus(Span::minutes(who)), json!({ "type": "identify", "userId": id, "traits": traits })));
        let mut day = who % 11;
        let mut order = 0;
        while day < 200 {
            // Never at an instant at which something is due: then it would matter which of the two came first.
            let when = start.plus(Span::days(day)).plus(Span::minutes((who * 37 + order * 7) % 1_400));
            let order_id = format!("{id}-{order}");
            let properties = json!({ "order_id": order_id, "revenue": 10 });
            calls.push((
                when,
                json!({ "type": "track", "userId": id, "event": "Order Completed", "properties": properties }),
            ));
            order += 1;
            day += 9 + (who * 13 + order * 17) % 60;
        }
    }
    let unsubscribed =
        json!({ "type": "track", "userId": "u9", "event": "Unsubscribed", "properties": { "channel": "email" } });
    calls.push((at("2026-03-01T09:00:00Z"), unsubscribed));
    calls.sort_by_key(|(at, _)| *at);
    calls
}

/// Lets a workspace live through calls up to an instant.
fn live(shop: &mut Workspace, calls: &[(Timestamp, Value)], from: Timestamp, to: Timestamp) {
    for (at, call) in calls.iter().filter(|(at, _)| (from..to).contains(at)) {
        shop.move_to(*at).unwrap();
        let mut call = call.clone();
        call["timestamp"] = at.to_string().into();
        assert!(matches!(shop.send(&call, Trust::Server), engine::Receipt::Accepted(_)), "{call}");
        shop.settle().unwrap();
    }
    shop.move_to(to).unwrap();
}

fn outcomes(run: &DryRun) -> Vec<String> {
    let line = |told: &Told| {
        let because = told.because.map(|because| format!(": {because}")).unwrap_or_default();
        format!("{} {} {} {}{because}", told.at, told.customer, told.step, told.outcome)
    };
    run.messages.iter().map(line).collect()
}

#[test]
fn the_past_with_a_campaign_in_it_is_what_would_have_been_had_it_run() {
    let calls = lives();
    let (begin, from, to) = (at("2026-01-01T00:00:00Z"), at("2026-03-10T12:00:00Z"), at("2026-07-01T00:00:00Z"));
    // One shop has no campaign; its past is asked. The other one starts the campaign at that instant and lives on.
    let (quiet, busy, scratch) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut asked = shop(quiet.path(), "2026-01-01T00:00:00Z", SHOP);
    live(&mut asked, &calls, begin, to);
    let tried = read_text(WIN_BACK, "the test").unwrap();
    let past = Past::of(asked.engine(), tried, to);
    let question = Question { campaign: Name::parse("win-back").unwrap(), from, to };
    let run = dry_run(&question, &past, asked.reader().unwrap(), scratch.path(), &|_, _| true).unwrap();

    let mut lived = shop(busy.path(), "2026-01-01T00:00:00Z", SHOP);
    live(&mut lived, &calls, begin, from);
    define(&mut lived, WIN_BACK);
    live(&mut lived, &calls, from, to);
    let mut last: BTreeMap<Arc<str>, String> = BTreeMap::new();
    for told in lived.take_told().unwrap() {
        let because = told.decision.because.map(|because| format!(": {because}")).unwrap_or_default();
        let words =
            format!("{} {} {} {}{because}", told.decision.at, told.to, told.decision.step, told.decision.outcome);
        last.insert(told.decision.message.0.clone(), words);
    }
    let mut expected: Vec<String> = last.into_values().collect();
    let mut found = outcomes(&run);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    for word in ["sent", "would_have_sent: holdout", "skipped: no_consent", "skipped: no_address"] {
        assert!(found.iter().any(|line| line.contains(word)), "the story has a `{word}`: {found:#?}");
    }
    assert!(run.at_start > 0 && run.entries > run.at_start, "some stood at the door, others came: {run:?}");
    for because in [Because::FrequencyCap, Because::QuietHours, Because::MissingValue] {
        assert!(run.holds.iter().any(|held| held.because == because), "{because} in {:?}", run.holds);
    }
    assert!(!run.was_running);
    assert_eq!(run.letters.len(), 5);
    assert!(asked.engine().definitions().campaigns.is_empty(), "nothing of it stays");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "and no file");
}

#[test]
fn messages_that_others_really_sent_count_for_caps() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut shop = shop(dir.path(), "2026-01-01T00:00:00Z", SHOP);
    define(&mut shop, "campaign: news\nenter: { on: { did: Signed Up } }\nsteps: [ { message: come-back } ]");
    let calls = [
        (
            "2026-01-02T10:00:00Z",
            json!({ "type": "identify", "userId": "ana", "traits": { "email": "ana@example.com", "first_name": "Ana" } }),
        ),
        ("2026-01-03T10:00:00Z", json!({ "type": "track", "userId": "ana", "event": "Order Completed" })),
        ("2026-02-01T10:00:00Z", json!({ "type": "track", "userId": "ana", "event": "Signed Up" })),
    ];
    let calls: Vec<_> = calls.into_iter().map(|(when, call)| (at(when), call)).collect();
    let end = at("2026-02-10T00:00:00Z");
    live(&mut shop, &calls, at("2026-01-01T00:00:00Z"), end);
    let past = Past::of(shop.engine(), read_text(WIN_BACK, "the test").unwrap(), end);
    let question = Question { campaign: Name::parse("win-back").unwrap(), from: at("2026-01-10T00:00:00Z"), to: end };
    let run = dry_run(&question, &past, shop.reader().unwrap(), scratch.path(), &|_, _| true).unwrap();
    // Ana got the news on 1 February, so what comes on the 2nd must wait: longer than it is useful.
    assert_eq!(run.holds, vec![Held { because: Because::FrequencyCap, messages: run.holds[0].messages }]);
    assert_eq!(run.per_person, Vec::new(), "{:?}", run.messages);
}

#[test]
fn codes_of_a_pool_are_as_many_as_are_left_today_and_who_would_go_without_is_counted() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut shop = shop(dir.path(), "2026-01-01T00:00:00Z", SHOP);
    let tea = Name::parse("tea").unwrap();
    let codes: Vec<String> = (1..=3).map(|number| format!("TEA-{number}")).collect();
    shop.add_codes(&tea, &codes).unwrap().unwrap();
    let calls: Vec<(Timestamp, Value)> = (1..=5)
        .flat_map(|who| {
            let day = at("2026-01-02T10:00:00Z").plus(Span::days(who));
            let traits = json!({ "email": format!("u{who}@example.com"), "first_name": "Ana" });
            [
                (day, json!({ "type": "identify", "userId": format!("u{who}"), "traits": traits })),
                (
                    day.plus(Span::hours(1)),
                    json!({ "type": "track", "userId": format!("u{who}"), "event": "Signed Up" }),
                ),
            ]
        })
        .collect();
    let end = at("2026-03-01T00:00:00Z");
    live(&mut shop, &calls, at("2026-01-01T00:00:00Z"), end);
    let gift = "template: gift\nsubject: For you\nbody: 'Your code: {{ voucher.code }}'\n---\ncampaign: gift\nenter: { on: { did: Signed Up } }\nsteps: [ { reward: { voucher: POOL } }, { message: gift } ]";
    let ask = |pool: &str| {
        let past = Past::of(shop.engine(), read_text(&gift.replace("POOL", pool), "the test").unwrap(), end);
        let question = Question { campaign: Name::parse("gift").unwrap(), from: at("2026-01-02T00:00:00Z"), to: end };
        dry_run(&question, &past, shop.reader().unwrap(), scratch.path(), &|_, _| true).unwrap()
    };
    let run = ask("tea");
    assert_eq!((run.vouchers, run.without_voucher), (3, 2));
    let sent = run.messages.iter().filter(|told| told.outcome == Outcome::Sent).count();
    assert_eq!((sent, run.messages.len()), (3, 5), "{:?}", run.messages);
    let endless = ask("coffee");
    assert_eq!((endless.vouchers, endless.without_voucher), (5, 0), "a pool without imported codes has no end");
    assert_eq!(shop.engine().codes_left()[&tea], 3, "nothing of it was taken");
}

#[test]
fn variants_are_shared_as_at_the_beginning_since_the_past_tells_of_none() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut shop = shop(dir.path(), "2026-01-01T00:00:00Z", SHOP);
    let mut calls = Vec::new();
    for who in 0..480_i64 {
        let day = at("2026-01-02T10:00:00Z").plus(Span::hours(who));
        let traits = json!({ "email": format!("u{who}@example.com"), "first_name": "Ana" });
        calls.push((day, json!({ "type": "identify", "userId": format!("u{who}"), "traits": traits })));
        calls.push((day, json!({ "type": "track", "userId": format!("u{who}"), "event": "Signed Up" })));
        if who % 3 == 0 {
            calls.push((
                day.plus(Span::hours(1)),
                json!({ "type": "track", "userId": format!("u{who}"), "event": "Bought" }),
            ));
        }
    }
    calls.sort_by_key(|(at, _)| *at);
    let end = at("2026-02-20T00:00:00Z");
    live(&mut shop, &calls, at("2026-01-01T00:00:00Z"), end);
    let welcome = "campaign: hello\nenter: { on: { did: Signed Up } }\ngoal: { did: Bought, within: 1d }\nsteps: [ { message: come-back, variants: { plain: 3, bold: 1 }, allocate: bandit } ]";
    let past = Past::of(shop.engine(), read_text(welcome, "the test").unwrap(), end);
    let question = Question { campaign: Name::parse("hello").unwrap(), from: at("2026-01-02T00:00:00Z"), to: end };
    let run = dry_run(&question, &past, shop.reader().unwrap(), scratch.path(), &|_, _| true).unwrap();
    // Three to one, with a tenth as floor under each: 70 of 100, from the first day to the last.
    let (mut early, mut late) = ((0, 0), (0, 0));
    // Who bought while the night held their message got none.
    let sent: Vec<&Told> = run.messages.iter().filter(|told| told.variant.is_some()).collect();
    for (place, told) in sent.iter().enumerate() {
        let half = if place < sent.len() / 2 { &mut early } else { &mut late };
        half.0 += 1;
        half.1 += usize::from(told.variant.as_deref() == Some("plain"));
    }
    for (all, plain) in [early, late] {
        assert!(all > 150);
        assert!((0.62..0.78).contains(&(plain as f64 / f64::from(all))), "{plain} of {all}");
    }
}

#[test]
fn a_dry_run_that_makes_no_sense_says_so_and_one_that_is_stopped_leaves_nothing() {
    let (dir, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut shop = shop(dir.path(), "2026-01-01T00:00:00Z", SHOP);
    let (from, to) = (at("2026-01-10T00:00:00Z"), at("2026-07-01T00:00:00Z"));
    live(&mut shop, &lives(), at("2026-01-01T00:00:00Z"), to);
    let ask = |campaign: &str, from, to, go_on: bool| {
        let past = Past::of(shop.engine(), read_text(WIN_BACK, "the test").unwrap(), shop.now());
        let question = Question { campaign: Name::parse(campaign).unwrap(), from, to };
        dry_run(&question, &past, shop.reader().unwrap(), scratch.path(), &|_, _| go_on)
    };
    assert!(matches!(ask("win-bak", from, to, true), Err(NoDryRun::Unknown(_))));
    assert!(matches!(ask("win-back", to, from, true), Err(NoDryRun::WrongTime(_))));
    assert!(matches!(
        ask("win-back", to.plus(Span::days(1)), to.plus(Span::days(2)), true),
        Err(NoDryRun::WrongTime(_))
    ));
    assert!(matches!(ask("win-back", from, to, false), Err(NoDryRun::Stopped(_))));
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}
