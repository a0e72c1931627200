//! The shipped mappings on the real files under `shared/data`; skipped where that folder is not there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use import::{Item, Mapping, Source};
use serde_json::Value as Json;

use crate::desk::{Desk, Imported, drain, import_all};

fn find_shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn import_shared(path: &Path, mapping: &str) -> Imported {
    let began = Instant::now();
    let imported = drain(Source::open(&[path.to_owned()], &Mapping::shipped(mapping).unwrap()).unwrap()).unwrap();
    println!("{mapping}: {} rows in {:?}", imported.summary.rows, began.elapsed());
    imported
}

/// Adds up the number that stands as `"revenue":` in each call, in thousandths, from the digits alone.
fn revenue_thousandths(imported: &Imported, event: &str) -> i64 {
    let thousandths = |json: &str| {
        let from = json.find("\"revenue\":").unwrap() + "\"revenue\":".len();
        let number: String =
            json[from..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
        let (whole, places) = number.split_once('.').unwrap_or((&number, ""));
        let sign = if whole.starts_with('-') { -1 } else { 1 };
        assert!(places.len() <= 3, "{number}");
        whole.parse::<i64>().unwrap() * 1000 + sign * format!("{places:0<3}").parse::<i64>().unwrap()
    };
    imported.calls.iter().filter(|call| call.name == event).map(|call| thousandths(&call.json)).sum()
}

#[test]
fn every_shipped_mapping_can_be_read_and_bears_its_name() {
    for name in Mapping::shipped_names() {
        assert_eq!(Mapping::shipped(name).unwrap().name(), name);
    }
    assert!(Mapping::shipped("amazon").is_none());
    assert_eq!(Mapping::nearest_shipped("online_retail"), Some("online-retail"));
}

#[test]
fn online_retail_gives_the_orders_and_refunds_that_its_literature_counts() {
    let Some(path) = find_shared("online_retail_I_full.csv.gz") else {
        return;
    };
    let imported = import_shared(&path, "online-retail");
    let summary = &imported.summary;
    assert_eq!((summary.rows, summary.customers, summary.refused), (541_909, 4_372, 135_080));
    let events = BTreeMap::from([("Order Completed".to_owned(), 18_536), ("Order Refunded".to_owned(), 3_654)]);
    assert_eq!(summary.events_by_name, events);
    assert_eq!(summary.refused_by_reason, BTreeMap::from([("no customer".to_owned(), 135_080)]));
    assert_eq!(revenue_thousandths(&imported, "Order Completed"), 8_911_407_904, "pounds, to the tenth of a penny");
    assert_eq!(revenue_thousandths(&imported, "Order Refunded"), 611_342_090);
    assert_eq!(imported.calls.iter().map(|call| call.rows).sum::<u64>(), 541_909 - 135_080, "every line is somewhere");

    let first: Json = serde_json::from_str(&imported.calls[0].json).unwrap();
    assert!(imported.calls[0].json.contains(r#""revenue":139.12,"currency":"GBP""#), "{}", imported.calls[0].json);
    assert_eq!(first["userId"], "17850");
    assert_eq!(first["messageId"], "import:online-retail:order-completed:536365:17850");
    assert_eq!(first["timestamp"], "2010-12-01T08:26:00.000Z");
    assert_eq!(first["properties"]["products"].as_array().unwrap().len(), 7);
    assert_eq!(first["properties"]["products"][0]["price"], 2.55);
}

#[test]
fn online_retail_begun_again_at_any_call_gives_what_was_missing() {
    let Some(path) = find_shared("online_retail_I_full.csv.gz") else {
        return;
    };
    let mapping = Mapping::shipped("online-retail").unwrap();
    let open = || Source::open(std::slice::from_ref(&path), &mapping).unwrap();
    let mut killed = open();
    let mut before = Vec::new();
    for item in &mut killed {
        if let Item::Call(call) = item.unwrap() {
            before.push(call);
        }
        if before.len() == 9_000 {
            break;
        }
    }
    let fingerprint = killed.fingerprint().unwrap();
    let checkpoint = import::Checkpoint { fingerprint, calls: killed.calls_handed_out() };
    let after = drain(open().resume(&checkpoint).unwrap()).unwrap();
    assert_eq!(before.len() + after.calls.len(), 22_190);
    assert_eq!(after.summary.events_by_name["Order Completed"], 18_536, "the summary is of the whole");
    assert_eq!(drain(killed).unwrap().calls, after.calls, "the same as if it had not been interrupted");
}

#[test]
fn cdnow_keeps_both_of_two_equal_orders() {
    let Some(path) = find_shared("CDNOW_sample.txt") else {
        return;
    };
    let imported = import_shared(&path, "cdnow");
    assert_eq!((imported.summary.rows, imported.summary.customers, imported.summary.refused), (6_919, 2_357, 0));
    assert_eq!(imported.summary.events_by_name["Order Completed"], 6_919);
    assert_eq!(revenue_thousandths(&imported, "Order Completed"), 244_091_940);
    let mut ids = imported.message_ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6_919, "21 orders have an equal one and still their own id");
    assert_eq!(import_shared(&path, "cdnow").message_ids(), imported.message_ids());
    assert!(imported.calls[0].json.contains(r#""userId":"00004""#), "leading zeros stay");
}

#[test]
fn grocery_has_a_purchase_per_line() {
    let Some(path) = find_shared("groceryElog.csv") else {
        return;
    };
    let imported = import_shared(&path, "grocery");
    assert_eq!((imported.summary.rows, imported.summary.customers, imported.summary.refused), (10_483, 1_525, 0));
    let mut ids = imported.message_ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10_483);
}

#[test]
fn a_proposed_mapping_for_each_of_the_files_works_as_it_stands() {
    for (name, rows) in
        [("online_retail_I_full.csv.gz", 541_909), ("CDNOW_sample.txt", 6_919), ("groceryElog.csv", 10_483)]
    {
        let Some(path) = find_shared(name) else {
            return;
        };
        let yaml = import::sniff(&path).unwrap();
        let imported = import_all(&[path], &yaml);
        assert_eq!(imported.summary.rows, rows, "{yaml}");
        assert!(imported.summary.refused_by_reason.keys().all(|reason| reason == "no customer"), "{yaml}");
    }
    let desk = Desk::new();
    let german = desk.file("kunden.csv", "Kunde;E-Mail;Datum;Betrag\nk1;a@b.de;01.03.2026;\"1.234,50 €\"\n");
    let imported = import_all(std::slice::from_ref(&german), &import::sniff(&german).unwrap());
    assert!(imported.calls[0].json.contains(r#""Betrag":1234.5"#), "{}", imported.calls[0].json);
}
