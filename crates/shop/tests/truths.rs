//! Stories of the tea shop: it is the same for everyone, its books add up, and its truths can be found in its data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use serde_json::Value;
use shop::{Call, Config, Received, Shop};

const DAY_MS: i64 = 86_400_000;
/// 2026-11-22T00:00:00Z is the last day of all shops here.
const END_MS: i64 = 1_795_305_600_000;
const SEED: u64 = 20_261_122;

/// A call, read as Perennial would.
struct Seen {
    time_ms: i64,
    user: Option<String>,
    event: String,
    kind: String,
    call: Value,
}

impl Seen {
    fn is(&self, event: &str) -> bool {
        self.event == event
    }

    fn property(&self, name: &str) -> &str {
        self.call["properties"][name].as_str().unwrap_or("")
    }

    fn attribute(&self, name: &str) -> &str {
        self.call["attributes"][name].as_str().unwrap_or("")
    }

    fn is_record(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// Something only a visitor of the shop does.
    fn is_visit(&self) -> bool {
        self.kind == "page"
    }
}

/// The whole history of 5,000 customers, made once for all tests.
fn history() -> &'static (Shop, Vec<Seen>) {
    static HISTORY: OnceLock<(Shop, Vec<Seen>)> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let (mut shop, end_ms) = open(5_000);
        let calls = shop.advance(end_ms, &[]);
        let seen = calls.iter().map(read).collect();
        (shop, seen)
    })
}

fn open(customers: u32) -> (Shop, i64) {
    let config = Config::ending_at(SEED, customers, END_MS);
    (Shop::open(&config), config.history_ends_ms() - 1)
}

fn read(call: &Call) -> Seen {
    let value: Value = serde_json::from_str(&call.json).expect("the shop writes JSON");
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let user = text("userId");
    let event = text("event").unwrap_or_default();
    // Of a record its kind, of all else its type: no record is called `page`.
    let kind = text("kind").or_else(|| text("type")).unwrap_or_default();
    Seen { time_ms: call.time_ms, user, event, kind, call: value }
}

fn by_user() -> BTreeMap<&'static str, Vec<&'static Seen>> {
    let mut users: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for seen in &history().1 {
        if let Some(user) = &seen.user {
            users.entry(user).or_default().push(seen);
        }
    }
    users
}

/// Money as written, in pence, without a float in between.
fn pence(text: &str) -> i64 {
    let (pounds, pence) = text.split_once('.').expect("money has two decimals");
    assert_eq!(pence.len(), 2, "{text}");
    pounds.parse::<i64>().expect("pounds") * 100 + pence.parse::<i64>().expect("pence")
}

/// Reads `"name":12.30` out of raw JSON.
fn money_in(json: &str, name: &str) -> i64 {
    let start = json.find(&format!("\"{name}\":")).expect("the property is there") + name.len() + 3;
    let end = json[start..].find([',', '}']).expect("a number ends") + start;
    pence(&json[start..end])
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// One test, because a runner with a process a test would make the 30 months seven times.
#[test]
fn the_thirty_months_of_five_thousand_customers_keep_their_books_and_tell_the_truths() {
    println!("seed {SEED}");
    five_thousand_customers_make_about_a_quarter_of_a_million_calls_in_order();
    every_record_belongs_to_one_customer_and_begins_once();
    visitors_become_known_by_one_call_that_names_both_ids();
    customers_with_a_second_order_within_30_days_stay_three_times_longer();
    ten_percent_off_stopped_working_last_spring_and_restocked_works();
    the_courier_change_made_parcels_late_with_complaints_and_churn_there();
    failed_card_payments_cause_a_third_of_lost_subscriptions();
    the_truth_is_data();
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let pour = |seed| {
        let config = Config::ending_at(seed, 300, END_MS);
        Shop::open(&config).advance(config.history_ends_ms(), &[])
    };
    let first = pour(1);
    assert!(first.len() > 9_000, "{}", first.len());
    assert!(first == pour(1));
    assert!(first != pour(2));
}

#[test]
fn it_does_not_matter_in_which_steps_time_passes() {
    let (mut at_once, end_ms) = open(120);
    let mut whole = at_once.advance(end_ms + 40 * DAY_MS, &[]);
    let (mut step_by_step, _) = open(120);
    let mut parts = Vec::new();
    let mut now_ms = step_by_step.now_ms();
    while now_ms < end_ms + 40 * DAY_MS {
        // A step that is no part of a day, so that every hour of the day gets its turn.
        now_ms = (now_ms + 31 * 3_600_000 + 12_345).min(end_ms + 40 * DAY_MS);
        let part = step_by_step.advance(now_ms, &[]);
        assert!(part.iter().all(|call| call.time_ms <= now_ms));
        parts.extend(part);
    }
    assert_eq!(whole.len(), parts.len());
    assert!(whole == parts);
    whole.dedup();
    assert_eq!(whole.len(), parts.len(), "no call is handed out twice");
}

fn five_thousand_customers_make_about_a_quarter_of_a_million_calls_in_order() {
    let (shop, calls) = history();
    assert!((220_000..=280_000).contains(&calls.len()), "{}", calls.len());
    assert!((4_990..=5_010).contains(&shop.answers().customers), "{}", shop.answers().customers);
    assert!(calls.is_sorted_by_key(|seen| seen.time_ms));
    let ids: BTreeSet<&str> = calls.iter().filter_map(|seen| seen.call["messageId"].as_str()).collect();
    assert_eq!(ids.len(), calls.len(), "every call has an id of its own");
    for seen in calls.iter().step_by(97) {
        let timestamp: jiff::Timestamp =
            seen.call["timestamp"].as_str().and_then(|text| text.parse().ok()).expect("RFC 3339");
        assert_eq!(timestamp.as_millisecond(), seen.time_ms);
    }
    for event in [
        "Product Viewed",
        "Product Added",
        "Product List Viewed",
        "Products Searched",
        "Order Completed",
        "Order Refunded",
        "Email Opened",
        "Email Link Clicked",
        "Message Sent",
        "Message Withheld",
        "Unsubscribed",
        "Product Reviewed",
        "Complaint Opened",
        "Complaint Resolved",
        "Conversation Opened",
        "Conversation Closed",
        "Consent Changed",
        "Payment Failed",
        "Payment Recovered",
    ] {
        let count = calls.iter().filter(|seen| seen.is(event)).count();
        assert!(count >= 40, "{event}: {count}");
    }
    for kind in ["subscription", "pass", "shipment", "payment_method"] {
        assert!(calls.iter().any(|seen| seen.is_record(kind)), "{kind}");
    }
}

#[test]
fn orders_add_up_to_the_penny_and_refunds_stay_below() {
    let (mut shop, end_ms) = open(600);
    let mut totals: HashMap<String, i64> = HashMap::new();
    let mut refunds = 0;
    for call in shop.advance(end_ms, &coupons(600, end_ms - 400 * DAY_MS)) {
        let seen = read(&call);
        let order_id = seen.property("order_id").to_owned();
        if seen.is("Order Completed") {
            let [revenue, shipping, tax, discount, total] =
                ["revenue", "shipping", "tax", "discount", "total"].map(|name| money_in(&call.json, name));
            let products = call.json.split_once("\"products\":").expect("products").1;
            let goods: i64 = products
                .split("\"price\":")
                .skip(1)
                .map(|product| {
                    let price = pence(product.split(',').next().expect("a price"));
                    let quantity = product.split("\"quantity\":").nth(1).expect("a quantity");
                    price * quantity.split('}').next().expect("an end").parse::<i64>().expect("a count")
                })
                .sum();
            assert_eq!(goods - discount, revenue, "{}", call.json);
            assert_eq!(revenue + shipping + tax, total, "{}", call.json);
            assert_eq!(discount > 0, seen.property("coupon") == "TEN", "{}", call.json);
            assert!(totals.insert(order_id, total).is_none(), "order ids are unique: {}", call.json);
        } else if seen.is("Order Refunded") {
            refunds += 1;
            let refunded = money_in(&call.json, "total");
            assert!(refunded > 0 && refunded <= totals[&order_id], "{}", call.json);
        }
    }
    assert!(totals.len() > 1_000 && refunds > 20, "{} orders, {refunds} refunds", totals.len());
}

fn coupons(customers: u32, at_ms: i64) -> Vec<Received> {
    (1..=customers).map(|number| message("ten-percent-off", number, at_ms)).collect()
}

fn message(template: &str, number: u32, at_ms: i64) -> Received {
    Received {
        customer: format!("t-{number:05}"),
        at_ms,
        template: template.to_owned(),
        campaign: format!("try-{template}"),
        message_id: format!("msg-{template}-{number}-{at_ms}"),
    }
}

fn every_record_belongs_to_one_customer_and_begins_once() {
    let mut owners: HashMap<(String, String), &str> = HashMap::new();
    let mut begun = BTreeSet::new();
    for seen in &history().1 {
        if seen.call["type"] != "record" {
            continue;
        }
        let text = |key: &str| seen.call[key].as_str().expect("records name themselves").to_owned();
        let record = (text("kind"), text("recordId"));
        let user = seen.user.as_deref().expect("records belong to users");
        assert_eq!(*owners.entry(record.clone()).or_insert(user), user);
        let is_begun_by = matches!((record.0.as_str(), seen.attribute("status")), ("shipment", "sent"));
        let starts_pass = record.0 == "pass" && seen.attribute("status") == "active";
        let starts_box = !seen.attribute("plan").is_empty();
        if is_begun_by || starts_pass || starts_box {
            assert!(begun.insert(record.clone()), "{record:?} begins twice");
        }
        assert!(begun.contains(&record) || record.0 == "payment_method", "{record:?} changes before it begins");
    }
}

fn visitors_become_known_by_one_call_that_names_both_ids() {
    let mut known: HashMap<String, String> = HashMap::new();
    let mut odd_names = 0;
    for seen in &history().1 {
        let anonymous = seen.call["anonymousId"].as_str();
        match (&seen.user, anonymous) {
            (Some(user), Some(anonymous)) => {
                assert_eq!(seen.call["type"], "identify");
                assert!(known.insert(user.clone(), anonymous.to_owned()).is_none());
                let first_name = seen.call["traits"]["first_name"].as_str().unwrap_or("");
                odd_names += usize::from(["王", "<b>Bold</b>", "O", "Zoë 🍵"].contains(&first_name));
            }
            (Some(user), None) => {
                assert!(known.contains_key(user), "{user} is known before acting")
            }
            (None, anonymous) => assert!(anonymous.is_some()),
        }
    }
    assert_eq!(odd_names, 4);
}

/// Truth 1, as an analyst would look: buyers of the first year, from their first visit later than 30 days after the
/// first order (all were still customers then, so those who left at once do not count against the others) to their last
/// visit; gone are those silent for the last 150 days.
fn customers_with_a_second_order_within_30_days_stay_three_times_longer() {
    let (mut days, mut left, mut people) = ([0.0; 2], [0.0; 2], [0; 2]);
    for calls in by_user().values() {
        let orders: Vec<i64> =
            calls.iter().filter(|seen| seen.is("Order Completed")).map(|seen| seen.time_ms).collect();
        let Some(first_ms) = orders.first().copied() else {
            continue;
        };
        let landmark_ms = first_ms + 30 * DAY_MS;
        let mut visits =
            calls.iter().filter(|seen| seen.is_visit() && seen.time_ms > landmark_ms).map(|seen| seen.time_ms);
        let Some(seen_again_ms) = visits.next() else {
            continue;
        };
        let last_seen_ms = visits.next_back().unwrap_or(seen_again_ms);
        if first_ms > END_MS - 540 * DAY_MS {
            continue;
        }
        let is_early = orders.get(1).is_some_and(|second_ms| *second_ms <= landmark_ms);
        let is_gone = last_seen_ms < END_MS - 150 * DAY_MS;
        let until_ms = if is_gone { last_seen_ms } else { END_MS };
        let group = usize::from(is_early);
        people[group] += 1;
        days[group] += (until_ms - seen_again_ms) as f64 / DAY_MS as f64;
        left[group] += f64::from(is_gone);
    }
    let stays = [days[0] / left[0], days[1] / left[1]];
    let ratio = stays[1] / stays[0];
    println!("people {people:?}, mean stay {stays:?} days, ratio {ratio:.2}");
    assert!(people[1] > 200, "{people:?}");
    assert!((2.4..=3.6).contains(&ratio), "{stays:?}");

    let answers = history().0.answers().realised;
    let realised = answers.stay_after_early_second_order.mean_days() / answers.stay_otherwise.mean_days();
    println!("realised {realised:.2}");
    assert!((2.7..=3.3).contains(&realised), "{realised}");
}

/// Truth 2: orders within 14 days, with a message and without, in the earlier tool's own experiment.
fn ten_percent_off_stopped_working_last_spring_and_restocked_works() {
    let truth = history().0.truth();
    let stopped_ms = truth.message("ten-percent-off").stopped_working_ms.expect("it stopped");
    let mut counts: BTreeMap<(&str, bool), (usize, usize)> = BTreeMap::new();
    for calls in by_user().values() {
        for seen in calls.iter().filter(|seen| seen.property("campaign") == "win-back") {
            let arm = match (seen.is("Message Sent"), seen.is("Message Withheld")) {
                (true, _) => seen.property("template"),
                (_, true) => "nothing",
                _ => continue,
            };
            let within = seen.time_ms..seen.time_ms + 14 * DAY_MS;
            let ordered = calls.iter().any(|other| other.is("Order Completed") && within.contains(&other.time_ms));
            let count = counts.entry((arm, seen.time_ms >= stopped_ms)).or_default();
            count.0 += usize::from(ordered);
            count.1 += 1;
        }
    }
    println!("{counts:?}");
    let lift = |arm, after| {
        let rate = |arm| {
            let (ordered, all) = counts[&(arm, after)];
            share(ordered, all)
        };
        rate(arm) - rate("nothing")
    };
    assert!(lift("restocked", false) > 0.10, "{}", lift("restocked", false));
    assert!(lift("restocked", true) > 0.10, "{}", lift("restocked", true));
    assert!(lift("ten-percent-off", false) > 0.07, "{}", lift("ten-percent-off", false));
    assert!(lift("ten-percent-off", true).abs() < 0.04, "{}", lift("ten-percent-off", true));
}

/// Truth 3: lateness, complaints and churn, in the region and elsewhere, before and after.
fn the_courier_change_made_parcels_late_with_complaints_and_churn_there() {
    let truth = &history().0.truth().courier;
    let mut late: BTreeMap<(bool, bool), (usize, usize)> = BTreeMap::new();
    let mut complaints: BTreeMap<(bool, bool), (usize, usize)> = BTreeMap::new();
    let mut churn: BTreeMap<bool, (usize, usize)> = BTreeMap::new();
    for calls in by_user().values() {
        let mut due: HashMap<&str, &str> = HashMap::new();
        let mut is_there = false;
        for seen in calls {
            if seen.call["type"] == "identify" && seen.call["traits"]["address"].is_object() {
                is_there = seen.call["traits"]["address"]["region"] == truth.region.as_str();
            }
            let cell = (is_there, seen.time_ms >= truth.from_ms + 10 * DAY_MS);
            if seen.is_record("shipment") {
                let id = seen.call["recordId"].as_str().expect("an id");
                if seen.attribute("status") == "sent" {
                    assert_eq!(seen.attribute("region") == truth.region, is_there);
                    due.insert(id, seen.attribute("due"));
                } else {
                    let count = late.entry(cell).or_default();
                    // Instants of one format compare as text.
                    count.0 += usize::from(seen.attribute("delivered") > due[id]);
                    count.1 += 1;
                }
            }
            let count = complaints.entry(cell).or_default();
            count.0 += usize::from(seen.is("Complaint Opened"));
            count.1 += usize::from(seen.is("Order Completed"));
        }
        // Who ordered in the two months after the change: have they been seen in the last five?
        let window = truth.from_ms + 10 * DAY_MS..truth.from_ms + 100 * DAY_MS;
        if calls.iter().any(|seen| seen.is("Order Completed") && window.contains(&seen.time_ms)) {
            let is_back = calls.iter().any(|seen| seen.is_visit() && seen.time_ms > END_MS - 110 * DAY_MS);
            let count = churn.entry(is_there).or_default();
            count.0 += usize::from(!is_back);
            count.1 += 1;
        }
    }
    println!("late {late:?}\ncomplaints {complaints:?}\nchurn {churn:?}");
    let rate = |counts: &BTreeMap<(bool, bool), (usize, usize)>, cell| share(counts[&cell].0, counts[&cell].1);
    assert!(rate(&late, (true, true)) > 0.6);
    for cell in [(true, false), (false, true), (false, false)] {
        assert!(rate(&late, cell) < 0.07, "{cell:?}");
    }
    assert!(rate(&complaints, (true, true)) > 3.0 * rate(&complaints, (false, true)));
    let churned = |there| share(churn[&there].0, churn[&there].1);
    assert!(churned(true) > churned(false) + 0.10, "{} {}", churned(true), churned(false));
}

/// Truth 4: of the subscriptions lost, those in arrears when they ended.
fn failed_card_payments_cause_a_third_of_lost_subscriptions() {
    let mut status: HashMap<&str, &str> = HashMap::new();
    let (mut lost, mut in_arrears) = (0, 0);
    for seen in history().1.iter().filter(|seen| seen.is_record("subscription")) {
        let id = seen.call["recordId"].as_str().expect("an id");
        let before = status.insert(id, seen.attribute("status"));
        if seen.attribute("status") == "cancelled" {
            lost += 1;
            in_arrears += usize::from(before == Some("past_due"));
        }
    }
    let share = share(in_arrears, lost);
    println!("{lost} subscriptions lost of {}, {share:.3} of them in arrears", status.len());
    assert!(lost > 150, "{lost}");
    assert!((0.26..=0.42).contains(&share), "{share}");
}

#[test]
fn a_message_changes_nothing_for_those_who_did_not_get_it() {
    let (mut without, end_ms) = open(400);
    let (mut with, _) = open(400);
    let until_ms = end_ms + 60 * DAY_MS;
    let mail: Vec<Received> =
        (1..=400).step_by(2).map(|number| message("restocked", number, end_ms + DAY_MS)).collect();
    let mut fetched = 0;
    let mut split = |calls: Vec<Call>| {
        let mut lives: BTreeMap<String, Vec<Call>> = BTreeMap::new();
        for call in calls {
            let seen = read(&call);
            if seen.is("Email Opened") && seen.call["properties"]["user_agent"] == "Mozilla/5.0" {
                // A mail program that fetches what nobody reads is nobody's life.
                fetched += 1;
                continue;
            }
            let who = seen.user.unwrap_or_else(|| seen.call["anonymousId"].to_string());
            lives.entry(who).or_default().push(call);
        }
        lives
    };
    let (without_mail, with_mail) = (split(without.advance(until_ms, &[])), split(with.advance(until_ms, &mail)));
    assert!((50..=80).contains(&fetched), "every third of two hundred: {fetched}");
    let mut changed = 0;
    for (who, calls) in &without_mail {
        let got_mail = mail.iter().any(|message| &message.customer == who);
        if got_mail {
            changed += usize::from(calls != &with_mail[who]);
        } else {
            assert!(calls == &with_mail[who], "{who} got no message");
        }
    }
    let answers = with.answers().realised;
    let campaign = answers.messages.iter().find(|answer| answer.campaign == "try-restocked").expect("it is counted");
    println!("{changed} of {} lives changed; {campaign:?}", mail.len());
    assert_eq!(campaign.received, 200);
    assert!(campaign.opened > 20 && campaign.extra_orders >= 5, "{campaign:?}");
    // A message that was opened changes a life; one that was ignored does not.
    assert_eq!(changed as u64, campaign.opened.max(campaign.unsubscribed));
}

#[test]
fn messages_handed_in_by_the_day_or_all_at_once_rebuild_the_same_shop() {
    let (mut daily, end_ms) = open(250);
    let start_ms = end_ms + 1;
    let mut calls = daily.advance(end_ms, &[]);
    let mut mail = Vec::new();
    for day in 0..30 {
        // What was received in the course of a day is handed in with the next step, as a server would.
        let today: Vec<Received> = ["restocked", "second-cup", "payment-failed", "something new"]
            .iter()
            .flat_map(|template| (1..=250).map(move |number| (*template, number)))
            .filter(|(template, number)| (number + day + template.len() as u32).is_multiple_of(7))
            .map(|(template, number)| {
                message(template, number, start_ms + i64::from(day) * DAY_MS + i64::from(number) * 300_000)
            })
            .collect();
        calls.extend(daily.advance(end_ms + i64::from(day + 1) * DAY_MS, if day == 0 { &[] } else { &mail }));
        mail.extend(today);
    }
    calls.extend(daily.advance(end_ms + 60 * DAY_MS, &mail));

    let (mut rebuilt, _) = open(250);
    let at_once = rebuilt.advance(end_ms + 60 * DAY_MS, &mail);
    let by_text = |mut calls: Vec<Call>| {
        calls.sort_by(|a, b| (a.time_ms, &a.json).cmp(&(b.time_ms, &b.json)));
        calls
    };
    assert!(by_text(calls) == by_text(at_once));
    let (daily, rebuilt) = (daily.answers().realised, rebuilt.answers().realised);
    assert_eq!(
        (daily.calls, daily.orders, daily.revenue_minor),
        (rebuilt.calls, rebuilt.orders, rebuilt.revenue_minor)
    );
}

#[test]
fn ten_percent_off_brings_nobody_now_and_an_unknown_template_never_did() {
    let (mut shop, end_ms) = open(1_000);
    let mail: Vec<Received> = (1..=1_000)
        .flat_map(|number| {
            ["ten-percent-off", "hello-world"].map(|template| message(template, number, end_ms + DAY_MS))
        })
        .chain([message("restocked", 99_999, end_ms + DAY_MS)])
        .collect();
    shop.advance(end_ms + 30 * DAY_MS, &mail);
    let answers = shop.answers().realised;
    for template in ["ten-percent-off", "hello-world"] {
        let campaign = format!("try-{template}");
        let answer = answers.messages.iter().find(|answer| answer.campaign == campaign).expect("it is counted");
        assert!(answer.opened > 40, "{answer:?}");
        assert_eq!((answer.works, answer.extra_orders), (false, 0));
    }
    assert_eq!(answers.unknown_recipients, 1);
}

#[test]
fn a_small_shop_and_the_time_after_the_thirty_months_have_life_in_them() {
    let (mut shop, end_ms) = open(200);
    let history = shop.advance(end_ms, &[]);
    assert!(history.len() > 6_000, "{}", history.len());
    let fortnight = shop.advance(end_ms + 14 * DAY_MS, &[]);
    let seen: Vec<Seen> = fortnight.iter().map(read).collect();
    assert!(seen.iter().any(|seen| seen.is("Order Completed")));
    assert!(!seen.iter().any(|seen| seen.is("Message Sent")), "the earlier tool is switched off");
    assert!(shop.answers().customers > 200, "new customers keep coming");
}

fn the_truth_is_data() {
    let truth = serde_json::to_value(history().0.answers()).expect("answers are JSON");
    assert_eq!(truth["truth"]["second_order"]["stay_multiplier"], 3.0);
    assert_eq!(truth["truth"]["courier"]["region"], "Scotland");
    assert!(truth["realised"]["subscriptions"]["lost"].as_u64() > Some(100));
}
