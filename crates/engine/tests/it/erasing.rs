//! Somebody asks to be forgotten.

use crate::LETTERS;
use domain::Trust;
use engine::Receipt;
use engine::deliver::preferences::{Frequency, Wishes};
use engine::ingest::machine::Asked;
use serde_json::json;
use testkit::{Keeps, Shop};

const NOW: &str = "2026-03-02T12:00:00Z";
const RULES: &str = "
segment: buyers
where: { did: Order Completed }
---
segment: gold
where: { trait: plan, is: gold }
---
segment: all-of-them
where: { everyone: true }
---
segment: pass-holders
where: { record: pass, any: { status: { is: active } } }
---
campaign: nudge
enter: { on: { did: visit }, again: always }
steps: [ { message: hello } ]
";

fn shop_in(keeps: Keeps) -> Shop {
    let shop = Shop::open_in(keeps, NOW);
    shop.define(LETTERS);
    shop.define(RULES);
    shop
}

/// Everything that can be seen of the shop's data and state.
fn everything(shop: &Shop) -> String {
    let reader = shop.reader();
    let mut seen = format!("{:#?}", shop.engine().look().describe());
    reader
        .replay(store::RowId(0), &mut |row| {
            seen.push_str(&format!("{row:?}\n"));
            Ok(())
        })
        .unwrap();
    let page = store::Page { skip: 0, limit: 1_000 };
    for message in reader.messages(&store::MessageFilter::default(), page).unwrap() {
        seen.push_str(&format!("{:?}\n", reader.message(&message.id).unwrap()));
    }
    seen.push_str(&format!("{:?}", reader.decisions(&store::DecisionFilter::default(), page).unwrap()));
    seen.push_str(&format!("{:?}", reader.refused(page).unwrap()));
    seen
}

#[test]
fn whoever_is_erased_is_gone_and_everybody_else_stays_as_they_were() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        let ana = shop.customer("ana");
        let ben = shop.customer("ben");
        shop.visitor("ana-phone").does("Order Completed", json!({ "note": "tea for Ana" }));
        ben.identifies(json!({ "email": "ben@example.com", "plan": "gold" }));
        ana.on("ana-phone").identifies(json!({ "email": "ana@example.com", "plan": "gold" }));
        ana.does("visit", json!({}));
        ben.does("visit", json!({}));
        shop.customer("cleo").does("Order Completed", json!({}));
        let before = everything(&shop);
        for trace in ["ana", "ana-phone", "ana@example.com", "tea for Ana"] {
            assert!(before.contains(trace), "{trace} is there before");
        }
        let number_of = |who: &str| shop.engine().look().find(who).map(|id| id.to_string());
        let (ben_before, cleo_before) = (number_of("ben"), number_of("cleo"));
        let erased = shop.erase("ana-phone");
        assert!(erased.calls >= 4 && erased.letters == 1 && erased.is_scrubbed, "{erased:?}");
        for round in 0..2 {
            let after = everything(&shop);
            for trace in ["ana-phone", "ana@example.com", "tea for Ana", "\"ana\""] {
                assert!(!after.contains(trace), "{trace} is left in round {round}");
            }
            assert_eq!(shop.members("all-of-them"), ["ben", "cleo"]);
            assert_eq!(
                (shop.members("buyers"), shop.members("gold")),
                (vec!["cleo".to_owned()], vec!["ben".to_owned()])
            );
            assert_eq!((number_of("ben"), number_of("cleo")), (ben_before.clone(), cleo_before.clone()));
            assert_eq!(number_of("ana"), None);
            assert_eq!(number_of("c1"), None, "their number is nobody's");
            assert_eq!(shop.members_as_of("all-of-them", NOW), ["ben", "cleo"], "in the past neither");
            shop.restart();
        }
        assert_eq!(shop.traits("ben")["email"], "ben@example.com");
        ben.does("visit", json!({}));
        assert_eq!(shop.deliveries().len(), 3, "the shop goes on");
    }
}

#[test]
fn what_was_sent_once_is_a_duplicate_for_ever_and_who_comes_again_is_somebody_new() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        let order = |id: &str| json!({ "type": "track", "userId": "ana", "event": "Order Completed", "messageId": id, "timestamp": NOW });
        shop.send(&order("order-1"), Trust::Server);
        shop.customer("ana").identifies(json!({ "plan": "gold" }));
        shop.customer("ben").does("Order Completed", json!({}));
        shop.erase("ana");
        // The owner imports the old file once more.
        assert_eq!(shop.send(&order("order-1"), Trust::File), Receipt::Duplicate { differs: false });
        assert_eq!(shop.members("all-of-them"), ["ben"], "nothing comes back");
        shop.restart();
        assert_eq!(shop.send(&order("order-1"), Trust::File), Receipt::Duplicate { differs: false });
        // She buys again, weeks later.
        shop.days(20);
        shop.customer("ana").does("Order Completed", json!({}));
        assert_eq!(shop.members("all-of-them"), ["ana", "ben"]);
        assert!(shop.is_in("buyers", "ana") && !shop.is_in("gold", "ana"));
        assert_eq!(shop.engine().look().find("ana").unwrap().to_string(), "c3", "a number of her own");
        shop.restart();
        // And may be erased again.
        shop.erase("ana");
        assert_eq!(shop.members("all-of-them"), ["ben"]);
        shop.restart();
    }
}

#[test]
fn a_message_on_its_way_is_not_sent_and_a_held_one_ends() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        for who in ["ana", "ben", "cleo"] {
            shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
        }
        shop.channel_answers("4xx");
        shop.customer("ana").does("visit", json!({}));
        shop.channel_answers("accept");
        shop.stop_post();
        shop.customer("ben").does("visit", json!({}));
        shop.customer("cleo").does("visit", json!({}));
        let before = shop.deliveries().len();
        shop.erase("ana");
        shop.erase("ben");
        shop.start_post();
        shop.days(5);
        let after: Vec<String> = shop.deliveries()[before..].iter().map(|it| it.written.to.clone()).collect();
        assert_eq!(after, ["cleo@example.com"]);
        let engine = shop.engine();
        let counts = shop.reader().message_counts(None).unwrap();
        let counts: Vec<_> = counts.iter().map(|it| (it.outcome.map(|it| it.word()), it.count)).collect();
        assert!(counts.contains(&(Some("skipped"), 2)) && counts.contains(&(Some("sent"), 1)), "{counts:?}");
        assert!(engine.next_attempt().is_none(), "nothing waits");
    }
}

#[test]
fn an_old_letter_of_somebody_who_was_erased_makes_nobody_new() {
    let shop = shop_in(Keeps::Memory);
    shop.customer("ana").identifies(json!({ "email": "ana@example.com" }));
    shop.customer("ana").does("visit", json!({}));
    let page = store::Page { skip: 0, limit: 10 };
    let letter = shop.reader().messages(&store::MessageFilter::default(), page).unwrap().pop().unwrap();
    shop.erase("ana");
    shop.days(1);
    let calls = || {
        let mut count = 0;
        let mut visit = |row: store::JournalRow| {
            count += row.calls.len();
            Ok(())
        };
        shop.reader().replay(store::RowId(0), &mut visit).unwrap();
        count
    };
    let before = calls();
    let now = shop.now();
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned();
    let asked = Asked { at: now, user_agent: agent, ..Asked::default() };
    assert!(!shop.engine().is_somebodys(&letter));
    {
        let mut engine = shop.engine_mut();
        engine.clicked(&letter, "https://tea.example/1", &asked, now);
        engine.opened(&letter, &asked, now);
        engine.unsubscribe(&letter, now);
        let purposes = ["marketing"].map(testkit::actors::name).into();
        let wishes = Wishes { purposes, frequency: Some(Some(Frequency::Weekly)), locale: Some("fr".to_owned()) };
        engine.set_preferences(&letter, &wishes, now);
        engine.confirm(&letter, &testkit::actors::name("marketing"), now);
    }
    shop.settle();
    assert!(shop.members("all-of-them").is_empty(), "{:?}", shop.members("all-of-them"));
    assert_eq!(shop.reader().reactions(&letter.id).unwrap(), []);
    assert_eq!(calls(), before, "nothing was written down at all");
    shop.restart();
    assert!(shop.members("all-of-them").is_empty());
}

#[test]
fn what_two_people_share_stays_with_the_other() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        let (ana, ben) = (shop.customer("ana"), shop.customer("ben"));
        let pass = |status: &str| json!({ "type": "record", "kind": "pass", "recordId": "family", "attributes": { "status": status } });
        // A tablet that was hers first, and a pass that both have.
        ana.on("tablet").identifies(json!({}));
        shop.visitor("tablet").does("Order Completed", json!({}));
        ben.on("tablet").identifies(json!({}));
        ben.says(pass("waiting"));
        ana.says(pass("active"));
        assert_eq!(shop.members("pass-holders").len(), 2);
        shop.erase("ana");
        assert_eq!(shop.members("pass-holders"), Vec::<String>::new(), "what she said of it is gone");
        shop.visitor("tablet").does("Order Completed", json!({}));
        assert_eq!(shop.members("all-of-them"), ["ben"], "the tablet is his");
        assert!(shop.is_in("buyers", "ben"));
        shop.restart();
        // Numbers of names stay, whoever else used the tablet in between.
        shop.customer("cleo").on("tablet").identifies(json!({}));
        shop.visitor("tablet").does("visit", json!({}));
        shop.restart();
        shop.erase("ben");
        assert_eq!(shop.members("all-of-them"), ["cleo"]);
        assert!(!everything(&shop).contains("\"ben\""));
        shop.restart();
    }
}

#[test]
fn of_two_who_were_one_for_a_while_only_one_is_erased() {
    for keeps in [Keeps::Memory, Keeps::Files] {
        let shop = shop_in(keeps);
        shop.customer("ana").does("Order Completed", json!({}));
        shop.customer("ben").identifies(json!({ "plan": "gold" }));
        shop.merge("ana", "ben");
        shop.customer("ben").does("Order Completed", json!({}));
        shop.unmerge("ana", "ben");
        shop.customer("cleo").on("dora-phone").identifies(json!({}));
        shop.visitor("dora-phone").does("visit", json!({ "note": "dora was here" }));
        shop.unmerge("cleo", "dora-phone");
        shop.restart();
        shop.erase("ben");
        assert_eq!(shop.members("buyers"), ["ana"]);
        shop.restart();
        shop.erase("dora-phone");
        assert!(!everything(&shop).contains("dora"), "not in the calls of another either");
        shop.customer("cleo").does("Order Completed", json!({}));
        shop.restart();
        assert_eq!(shop.members("buyers"), ["ana", "cleo"]);
        let mut left = shop.members("all-of-them");
        left.sort();
        assert_eq!(left, ["ana", "cleo"]);
    }
}

#[test]
fn an_address_that_refused_us_stays_closed_without_being_known() {
    let shop = shop_in(Keeps::Memory);
    shop.customer("ana").identifies(json!({ "email": "ana@example.com" }));
    shop.channel_answers_to("ana@example.com", "5xx");
    shop.customer("ana").does("visit", json!({}));
    let before = shop.deliveries().len();
    shop.erase("ana");
    assert!(!everything(&shop).contains("ana@example.com"));
    shop.channel_answers("accept");
    shop.customer("anna").identifies(json!({ "email": "ana@example.com" }));
    shop.customer("anna").does("visit", json!({}));
    assert_eq!(shop.deliveries().len(), before, "still suppressed");
    shop.restart();
    let now = shop.now();
    assert!(shop.engine_mut().lift_suppression("ana@example.com", now));
    shop.settle();
    shop.customer("anna").does("visit", json!({}));
    assert_eq!(shop.deliveries().len(), before + 1);
}

#[test]
fn a_snapshot_from_before_brings_nobody_back() {
    let shop = shop_in(Keeps::Files);
    shop.customer("ana").identifies(json!({ "plan": "gold" }));
    shop.customer("ben").identifies(json!({}));
    let snapshot = shop.snapshot();
    shop.erase("ana");
    let (mut engine, opened) = shop.open_from(&snapshot);
    engine.tick(shop.now());
    assert!(matches!(opened, engine::Opened::SnapshotIgnored(engine::snapshot::Unfit::OtherHistory)), "{opened:?}");
    assert_eq!(engine.state_hash(), shop.engine().state_hash());
    let later = shop.snapshot();
    let (mut engine, opened) = shop.open_from(&later);
    engine.tick(shop.now());
    assert!(matches!(opened, engine::Opened::FromSnapshot(_)), "{opened:?}");
    assert_eq!(engine.state_hash(), shop.engine().state_hash());
    assert!(engine.look().find("ana").is_none());
}
