//! Messages whose variants are shared by what works.

use crate::shop;
use domain::Name;
use engine::report::variants::SharedStep;
use models::assignment::{bucket, choose};
use serde_json::json;
use std::collections::BTreeMap;
use store::Assignment;
use testkit::{Shop, Told};

const NOW: &str = "2026-03-02T12:00:00Z";

const LETTER: &str = "template: two-ways
subject: Plain
body: Plain
variants: { restock: { subject: \"Back in stock\" }, bold: { subject: BACK } }
";

/// Customers in a day, so many that a hundred of each have had their time after a week.
const A_DAY: usize = 50;

fn campaign(window: &str, variants: &str, more: &str) -> String {
    format!(
        "campaign: nudge\nenter: {{ on: {{ did: visit }}, again: always }}\ngoal: {{ did: order, within: {window} }}\n{more}steps: [ {{ id: first, message: two-ways, variants: {variants}, allocate: bandit }} ]"
    )
}

fn open(window: &str) -> Shop {
    let shop = shop(NOW);
    shop.define(LETTER);
    shop.define(&campaign(window, "[plain, restock]", ""));
    shop
}

/// One more day: customers come and visit, and an hour later some of them order, of those with `restock` twice as many.
/// Returns who got what.
fn a_day(shop: &Shop, from: usize) -> Vec<(String, String)> {
    for number in from..from + A_DAY {
        let customer = shop.customer(&format!("u{number}"));
        customer.identifies(json!({ "email": format!("u{number}@example.com") }));
        customer.does("visit", json!({}));
    }
    let got: Vec<(String, String)> = shop.told().into_iter().map(|told| (told.to.clone(), variant(&told))).collect();
    shop.hours(1);
    for (place, (who, variant)) in got.iter().enumerate() {
        let of_ten = if variant == "restock" { 4 } else { 2 };
        if (place * 7 + from / A_DAY) % 10 < of_ten {
            shop.customer(who).does("order", json!({ "revenue": 20 }));
        }
    }
    shop.hours(23);
    got
}

fn variant(told: &Told) -> String {
    told.message.variant.clone().unwrap()
}

fn shared(shop: &Shop) -> SharedStep {
    let report = shop.engine().campaign(shop.reader().as_ref(), "nudge").unwrap();
    report.shared.into_iter().next().unwrap()
}

fn shares(shop: &Shop) -> Vec<u32> {
    shared(shop).variants.iter().map(|variant| variant.share).collect()
}

fn assignments(shop: &Shop) -> Vec<Assignment> {
    shop.recovered().assignments.into_iter().map(|(assignment, _)| assignment).collect()
}

#[test]
fn most_customers_get_what_works_a_tenth_keeps_the_other_and_nobody_is_switched() {
    let shop = open("2d");
    let mut had = BTreeMap::new();
    let mut last = Vec::new();
    for day in 0..20 {
        last = a_day(&shop, day * A_DAY);
        had.extend(last.iter().cloned());
        if day < 5 {
            assert_eq!(shares(&shop), [5_000, 5_000], "day {day}: a hundred of each have not had their time");
        }
        if day == 11 {
            shop.restart();
        }
    }
    let now = shares(&shop);
    assert!(now[1] >= 8_500 && now[0] >= 1_000 && now[0] + now[1] == 10_000, "{now:?}");
    let restock = last.iter().filter(|(_, variant)| variant == "restock").count();
    assert!(restock > 35 && restock < A_DAY, "{restock} of {A_DAY} got it on the last day");

    // Editing, pausing and going on draw nobody again, and what is known stays known.
    shop.define(&campaign("2d", "{ plain: 1, restock: 1 }", "title: Edited\nstate: paused\n"));
    shop.define(&campaign("2d", "{ plain: 1, restock: 1 }", "title: Edited\n"));
    assert_eq!(shares(&shop), now);
    for number in 0..100 {
        shop.customer(&format!("u{number}")).does("visit", json!({}));
    }
    let again = shop.told();
    assert_eq!(again.len(), 100);
    for told in &again {
        assert_eq!(variant(told), had[&told.to], "{} keeps what they got", told.to);
        let subject = &told.message.written.as_ref().unwrap().subject;
        assert_eq!(subject == "Plain", had[&told.to] == "plain");
        assert_eq!(
            told.decision.detail.as_deref(),
            Some(format!("variant {}: 50 of 100 got it on 2026-03-0{}", had[&told.to], 2 + day_of(&told.to)).as_str())
        );
    }
    shop.restart();

    // Everybody stands there once, with the chances of the day, which give the same again.
    let all = assignments(&shop);
    assert_eq!(all.len(), 20 * A_DAY);
    for one in &all {
        let weights: Vec<u32> = one.shares.iter().map(|(_, share)| *share).collect();
        let again = choose(bucket("nudge:1first", &one.customer.to_string()), &weights).unwrap();
        assert_eq!(one.shares[again].0, one.variant, "{one:?}");
        assert_eq!(weights.iter().sum::<u32>(), 10_000);
    }
    let step = shared(&shop);
    assert_eq!(step.variants.iter().map(|it| it.customers).sum::<u64>(), 1_000);
    assert!(step.days.len() > 10 && step.days.windows(2).all(|pair| pair[0].since < pair[1].since));
}

fn day_of(who: &str) -> usize {
    who[1..].parse::<usize>().unwrap() / A_DAY
}

#[test]
fn what_is_said_of_the_variants_waits_until_enough_came_back_and_is_no_plain_mean() {
    let shop = open("2d");
    let step = shared(&shop);
    assert_eq!((step.verdict, step.moves_after), ("too_early", Some(100)));
    assert_eq!(
        step.says,
        "Too early to say which works better: with “plain”, 0 of the 100 customers needed have had their time"
    );
    for day in 0..16 {
        a_day(&shop, day * A_DAY);
    }
    assert!(shared(&shop).says.contains("customers needed have come back"), "{}", shared(&shop).says);
    for day in 16..60 {
        a_day(&shop, day * A_DAY);
    }
    let step = shared(&shop);
    let [plain, restock] = step.variants.as_slice() else { panic!("{step:?}") };
    assert_eq!(step.verdict, "better", "{step:?}");
    assert!(step.says.starts_with("“restock” works better than “plain”: of 100 customers with it, "), "{}", step.says);
    for (variant, truth) in [(plain, 0.2), (restock, 0.4)] {
        let range = variant.estimate.unwrap();
        assert!(range.low <= truth && truth <= range.high && range.low < range.value, "{variant:?}");
        assert!(variant.over < variant.customers && variant.came_back < variant.over);
    }
}

#[test]
fn customers_whose_time_is_not_over_teach_nothing() {
    let shop = open("30d");
    for day in 0..20 {
        a_day(&shop, day * A_DAY);
    }
    assert_eq!(shares(&shop), [5_000, 5_000]);
    assert!(shared(&shop).variants.iter().all(|variant| variant.over == 0 && variant.customers > 400));
    // The first day's time is over 30 days after it, and counts from the midnight after.
    shop.at("2026-04-01T12:00:00Z");
    assert!(shared(&shop).variants.iter().all(|variant| variant.over == 0));
    shop.at("2026-04-02T00:00:00Z");
    assert_eq!(shared(&shop).variants.iter().map(|variant| variant.over).sum::<u64>(), A_DAY as u64);
    shop.restart();
}

#[test]
fn the_older_of_two_who_are_one_gives_the_variant_and_they_teach_nothing() {
    let shop = open("1d");
    let got = a_day(&shop, 0);
    let of = |wanted: &str| got.iter().filter(|(_, variant)| variant == wanted).map(|(who, _)| who.clone()).collect();
    let (plain, restock): (Vec<String>, Vec<String>) = (of("plain"), of("restock"));
    let older = |a: &str, b: &str| {
        let number = |who: &str| who[1..].parse::<usize>().unwrap();
        if number(a) < number(b) { a.to_owned() } else { b.to_owned() }
    };
    shop.merge(&plain[0], &restock[0]);
    let expected = &got.iter().find(|(who, _)| *who == older(&plain[0], &restock[0])).unwrap().1;
    shop.customer(&plain[0]).does("visit", json!({}));
    let told = shop.told();
    assert_eq!((told.len(), told[0].to_string().ends_with("nudge sent")), (1, true), "{told:?}");
    assert_eq!(variant(&told[0]), *expected);
    shop.days(2);
    let over = shared(&shop).variants.iter().map(|variant| variant.over).sum::<u64>();
    assert_eq!(over, A_DAY as u64 - 2, "who had both says nothing of either");
    // Two with the same variant are one customer of it.
    shop.merge(&plain[1], &plain[2]);
    shop.days(1);
    assert_eq!(shared(&shop).variants.iter().map(|variant| variant.over).sum::<u64>(), A_DAY as u64 - 3);
    shop.restart();
    shop.unmerge(&plain[0], &restock[0]);
    shop.told();
    for who in [&plain[0], &restock[0]] {
        shop.customer(who).does("visit", json!({}));
    }
    // One of them has the address to which the message for both went, and is not written to there again.
    let sent: Vec<Told> = shop.told().into_iter().filter(|told| told.to_string().ends_with("nudge sent")).collect();
    assert!(!sent.is_empty());
    for told in &sent {
        assert_eq!(variant(told) == "plain", told.to == plain[0], "parted, each has their own again: {told}");
    }
    shop.restart();
}

#[test]
fn a_variant_that_joins_starts_afresh_and_one_that_goes_is_drawn_for_anew() {
    let shop = open("1d");
    let mut got = Vec::new();
    for day in 0..10 {
        got.extend(a_day(&shop, day * A_DAY));
    }
    assert!(shares(&shop)[1] > 8_000, "{:?}", shares(&shop));
    shop.define(&campaign("1d", "[plain, restock, bold]", "people_inside: move\n"));
    assert_eq!(shares(&shop), [3_334, 3_333, 3_333], "of the new one nothing is known: all begin again");
    shop.restart();
    shop.define(&campaign("1d", "[bold, restock]", "people_inside: move\n"));
    for (who, _) in &got[..60] {
        shop.customer(who).does("visit", json!({}));
    }
    for told in shop.told() {
        let before = &got.iter().find(|(who, _)| *who == told.to).unwrap().1;
        let now = variant(&told);
        assert!(if before == "restock" { now == "restock" } else { now != "plain" }, "{before} became {now}");
    }
    shop.restart();
    shop.days(3);
    shop.restart();
    // Back to fixed weights: whoever got a variant that is still there keeps it.
    shop.define(&campaign("1d", "{ restock: 0, bold: 1, plain: 1 }", "").replace(", allocate: bandit", ""));
    let bold: Vec<String> =
        assignments(&shop).iter().filter(|one| &*one.variant == "bold").map(|one| one.customer.to_string()).collect();
    assert!(bold.len() > 5);
    for who in &bold {
        let name = shop.engine().look().people().name_of(shop.engine().look().find(who).unwrap());
        shop.customer(&name).does("visit", json!({}));
    }
    assert!(shop.told().iter().all(|told| variant(told) == "bold"));
}

#[test]
fn what_customers_spent_is_what_is_learned_where_the_goal_has_a_value() {
    let shop = shop(NOW);
    shop.define("workspace: settings\nzone: UTC\ncurrency: EUR");
    shop.define(LETTER);
    let worth = campaign("1d", "[plain, restock]", "").replace("within: 1d", "within: 1d, value: properties.revenue");
    shop.define(&worth);
    for day in 0..8 {
        for number in day * A_DAY..(day + 1) * A_DAY {
            let customer = shop.customer(&format!("u{number}"));
            customer.identifies(json!({ "email": format!("u{number}@example.com") }));
            customer.does("visit", json!({}));
        }
        let got = shop.told();
        shop.hours(1);
        // Everybody orders, those with `restock` for less.
        for told in got {
            let revenue = if variant(&told) == "restock" { 10 } else { 20 + told.to.len() };
            shop.customer(&told.to).does("order", json!({ "revenue": revenue, "currency": "EUR" }));
        }
        shop.hours(23);
    }
    let step = shared(&shop);
    assert_eq!(step.currency.map(|currency| currency.to_string()).as_deref(), Some("EUR"));
    assert!(shares(&shop)[0] > 8_900, "{step:?}");
    assert_eq!(step.verdict, "better");
    assert!(
        step.says.starts_with("“plain” works better than “restock”: each customer with it spends "),
        "{}",
        step.says
    );
    let restock = step.variants[1].estimate.unwrap();
    assert!((restock.value - 10.0).abs() < 1.0, "{restock:?}");
    shop.restart();
}

#[test]
fn a_new_comparison_forgets_what_was_learned_and_draws_everybody_anew() {
    let shop = open("1d");
    let mut got = Vec::new();
    for day in 0..10 {
        got.extend(a_day(&shop, day * A_DAY));
    }
    assert!(shares(&shop)[1] > 8_000);
    let now = shop.now();
    assert_eq!(shop.engine_mut().start_comparison(&Name::parse("nudge").unwrap(), now).unwrap(), 2);
    shop.settle();
    let step = shared(&shop);
    assert_eq!(step.variants.iter().map(|it| (it.share, it.customers)).collect::<Vec<_>>(), [(5_000, 0), (5_000, 0)]);
    shop.restart();
    for (who, _) in &got[..100] {
        shop.customer(who).does("visit", json!({}));
    }
    let told = shop.told();
    let moved = told.iter().filter(|told| got.iter().any(|(who, before)| *who == told.to && variant(told) != *before));
    assert!((30..=70).contains(&moved.count()), "half of them are drawn for the other");
    let report = shop.engine().campaign(shop.reader().as_ref(), "nudge").unwrap();
    assert_eq!((report.arms.messaged.customers, report.compared_since), (100, now));
    shop.restart();
    assert!(shop.engine_mut().start_comparison(&Name::parse("none").unwrap(), now).is_err());
}

#[test]
fn a_message_that_a_person_approved_goes_with_the_variant_that_they_read() {
    let shop = shop(NOW);
    shop.define(LETTER);
    shop.define(&campaign("1d", "[plain, restock]", "").replace("allocate: bandit", "allocate: bandit, approve: true"));
    shop.customer("ana").identifies(json!({ "email": "ana@example.com" }));
    shop.customer("ana").does("visit", json!({}));
    let held = shop.told().remove(0).message;
    let read = held.written.unwrap().subject.clone();
    let name = if read == "Plain" { "restock" } else { "plain" };
    // The variant that she would have got goes while the message waits.
    let other = format!("[{name}, bold]");
    shop.define(
        &campaign("1d", &other, "people_inside: move\n").replace("allocate: bandit", "allocate: bandit, approve: true"),
    );
    shop.restart();
    let now = shop.now();
    shop.engine_mut().approve(&held.id, "Sam", now).unwrap();
    shop.settle();
    let sent = shop.told().pop().unwrap();
    assert_eq!(sent.to_string(), "ana nudge sent");
    let written = sent.message.written.as_ref().unwrap();
    assert_eq!(
        (written.subject.as_str(), variant(&sent).as_str()),
        (read.as_str(), if read == "Plain" { "plain" } else { "restock" })
    );
    shop.restart();
}

#[test]
fn the_comparison_group_gets_no_variant() {
    let shop = shop(NOW);
    shop.define(LETTER);
    shop.define(&campaign("1d", "[plain, restock]", "holdout: 40%\n"));
    let mut people = 0;
    for number in 0..40 {
        let customer = shop.customer(&format!("u{number}"));
        customer.identifies(json!({ "email": format!("u{number}@example.com") }));
        customer.does("visit", json!({}));
        let told = shop.told().remove(0);
        people += usize::from(told.to_string().ends_with("sent") && told.decision.because.is_none());
    }
    assert!(people > 10 && people < 40);
    assert_eq!(assignments(&shop).len(), people);
    assert!(shop.engine().campaigns(shop.reader().as_ref()).unwrap()[0].campaign == Name::parse("nudge").unwrap());
    shop.restart();
}

#[test]
fn a_bandit_without_a_goal_is_refused_with_what_to_do() {
    let shop = shop(NOW);
    shop.define(LETTER);
    for (yaml, words) in [
        (
            campaign("1d", "[plain, restock]", "").replace("goal: { did: order, within: 1d }\n", ""),
            "at `steps[0].allocate`: `allocate: bandit` learns from who reaches the campaign's goal, and there is none: add one, such as goal: { did: Order Completed, within: 14d }",
        ),
        (
            campaign("1d", "{ plain: 1, restock: 0 }", ""),
            "at `steps[0].allocate`: `allocate: bandit` shares customers among variants: name two or more, such as variants: [plain, restock]",
        ),
        (campaign("1d", "[plain, restock]", "").replace("bandit", "bandid"), "did you mean `bandit`?"),
        (campaign("1d", "[plain, plain]", ""), "at `steps[0].variants[1]`: `plain` is named twice"),
        (
            campaign("1d", "{ a: 1, b: 1, c: 1, d: 1, e: 1, plain: 1 }", ""),
            "at `steps[0].variants`: `allocate: bandit` takes at most 5 variants, found 6",
        ),
        (campaign("1d", "plain", ""), "expected a map of variants to weights, or a list of variants, found text"),
    ] {
        let error = shop.try_define(&yaml).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
