//! Files and mappings that mean harm, or were damaged on the way: bounded, refused with a reason, never a panic.

use std::time::Instant;

use import::{Limits, Mapping, Source};
use proptest::prelude::*;

use crate::desk::{Desk, gzip, import_all, import_within, mapping, zstd};

const NOTES: &str = "
mapping: notes
format: { kind: csv, delimiter: \",\" }
customer: customer
time: { value: 2026-03-01T00:00:00Z }
events: [{ event: Noted, properties: { note: note } }]
";

#[test]
fn a_row_of_many_megabytes_costs_one_refusal_and_reading_goes_on() {
    let long = "x".repeat(5_000_000);
    let rows = format!("customer,note\nana,{long}\nben,ok\ncleo,\"{long}\"\ndora,ok\n");
    let imported = Desk::new().import("notes.csv", rows, NOTES);
    assert_eq!(imported.reasons(), [(2, "row too long"), (4, "row too long")]);
    assert_eq!(imported.refused[0].row.len(), 1_000, "the row is cut for the report");
    assert_eq!(imported.summary.customers, 2);
}

#[test]
fn a_quote_that_is_never_closed_takes_only_its_own_line_down() {
    let rows = "customer,note\nana,\"open\nben,ok\ncleo,\"closed\nover lines\"\ndora,\"open at the end\nemil,ok\n";
    let imported = Desk::new().import("notes.csv", rows, NOTES);
    assert_eq!(imported.reasons(), [(2, "unclosed quote"), (6, "unclosed quote")]);
    let customers: Vec<&str> = imported.calls.iter().map(|call| call.customer.as_str()).collect();
    assert_eq!(customers, ["ben", "cleo", "emil"]);
    assert!(imported.calls[1].json.contains(r#""note":"closed\nover lines""#));
}

#[test]
fn a_file_full_of_broken_quotes_does_not_take_for_ever() {
    let rows = format!("customer,note\n{}", "ana,\"open\n".repeat(300_000));
    let began = Instant::now();
    let imported = Desk::new().import("notes.csv", rows, NOTES);
    assert!(imported.calls.is_empty());
    assert!(imported.summary.refused > 1_000);
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[test]
fn a_hundred_thousand_columns_are_refused() {
    let many = ",".repeat(100_000);
    let imported = Desk::new().import("notes.csv", format!("customer,note\n{many}\nana,ok\n"), NOTES);
    assert_eq!(imported.reasons(), [(2, "too many columns")]);
    assert_eq!(imported.calls.len(), 1);
    let desk = Desk::new();
    let header = desk.file("wide.csv", format!("{many}\n"));
    let problem = Source::open(&[header], &mapping(NOTES)).err().unwrap().to_string();
    assert!(problem.contains("too many columns"), "{problem}");
}

#[test]
fn bytes_that_are_no_text_are_refused_or_read_as_the_mapping_says() {
    let rows = b"customer,note\nana,caf\xe9\nben,caf\xc3\xa9\n\xc3,\xa9\ncleo,\x80 5\n";
    let desk = Desk::new();
    let strict = desk.import("notes.csv", rows, NOTES);
    assert_eq!(strict.reasons(), [(2, "not utf-8"), (4, "not utf-8"), (5, "not utf-8")]);
    let mixed = desk.import("notes.csv", rows, &format!("{NOTES}encoding: windows-1252\n"));
    let notes: Vec<String> =
        mixed.json().iter().map(|call| call["properties"]["note"].as_str().unwrap().to_owned()).collect();
    assert_eq!(notes, ["café", "café", "©", "€ 5"]);
}

#[test]
fn a_bomb_is_unpacked_in_little_memory_and_then_stopped() {
    let desk = Desk::new();
    // A gibibyte of zeros in a few kilobytes, as gzip and as zstd, one of them around the other.
    let megabyte = vec![b'0'; 1 << 20];
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::Write::write_all(&mut encoder, b"customer,note\n").unwrap();
    for _ in 0..400 {
        std::io::Write::write_all(&mut encoder, &megabyte).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let problem =
        import_within(&[desk.file("bomb.csv.zst", &bomb)], NOTES, Limits::default()).err().unwrap().to_string();
    assert!(problem.contains("times its size"), "{problem}");
    for (name, content, words) in [
        ("twice.gz", gzip(&zstd(b"customer,note\n")), "packed twice"),
        ("sheet.xlsx", b"PK\x03\x04....".to_vec(), "save the sheet as CSV"),
        ("wide.csv", b"\xFF\xFEc\0".to_vec(), "UTF-16"),
    ] {
        let problem = Source::open(&[desk.file(name, content)], &mapping(NOTES)).err().unwrap().to_string();
        assert!(problem.contains(words), "{problem}");
    }
    let problem = Source::open(&["/dev/zero".into()], &mapping(NOTES)).err().unwrap().to_string();
    assert!(problem.contains("no regular file"), "{problem}");
}

#[test]
fn a_file_that_ends_within_its_packing_is_an_error_that_says_where() {
    let desk = Desk::new();
    let rows: String = (0..50_000).map(|i| format!("c{i},note {}\n", i * 7919 % 10_007)).collect();
    let packed = gzip(format!("customer,note\n{rows}").as_bytes());
    let cut = desk.file("cut.csv.gz", &packed[..packed.len() / 2]);
    let problem = import_within(&[cut], NOTES, Limits::default()).err().unwrap().to_string();
    assert!(problem.contains("cannot be read on after line"), "{problem}");
}

#[test]
fn a_damaged_parquet_file_is_an_error_and_no_panic() {
    let desk = Desk::new();
    let yaml = NOTES.replace("format: { kind: csv, delimiter: \",\" }\n", "");
    for content in [
        b"PAR1".to_vec(),
        b"PAR1\0\0\0\0\xff\xff\xff\x7fPAR1".to_vec(),
        [b"PAR1".as_slice(), &[7; 500], b"\x40\0\0\0PAR1"].concat(),
    ] {
        assert!(import_within(&[desk.file("a.parquet", content)], &yaml, Limits::default()).is_err());
    }
}

fn survives(desk: &Desk, name: &str, content: &[u8], yaml: &str) {
    if let Ok(imported) =
        import_within(&[desk.file(name, content)], yaml, Limits { row_bytes: 64, ..Limits::default() })
    {
        // Every call is JSON and every line is accounted for.
        imported.json();
        let lines: u64 = imported.calls.iter().map(|call| call.rows).sum();
        assert_eq!(lines + imported.summary.refused, imported.summary.rows);
    }
}

/// Bytes that often look like a table.
fn tables() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b",".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"1".to_vec()),
        Just(b"-0.5".to_vec()),
        Just(b"1e9".to_vec()),
        Just(b"\xC3\xA9".to_vec()),
        Just(b"\xFF".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"ana,1,2\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8)
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn json_lines() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(r#"{"customer":"ana","a":1,"b":2}"#),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(":"),
        Just(","),
        Just("\""),
        Just(r"\u0000"),
        Just(r"\ud800"),
        Just("\n"),
        Just("1e999"),
        Just("-"),
        Just("0.10"),
        Just("\"customer\""),
        Just("\"a\""),
        Just("null")
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

const GROUPED: &str = "
mapping: fuzz
customer: customer
time: { value: 2026-03-01 }
group_by: [a]
events: [{ event: Seen, properties: { sum: { sum: a * b }, n: { count: lines } }, products: { b: b } }]
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_csv_reader_panic_or_lose_a_line(body in tables()) {
        let desk = Desk::new();
        let content = [b"customer,a,b\n".as_slice(), &body].concat();
        survives(&desk, "a.csv", &content, GROUPED);
        survives(&desk, "b.csv", &content, &format!("{GROUPED}encoding: windows-1252\nsorted: true\n"));
        survives(&desk, "c.csv", &body, &format!("{GROUPED}format: {{ delimiter: whitespace, columns: [customer, a, b] }}\n"));
        let _ = import::sniff(&desk.file("d", &body));
    }

    #[test]
    fn no_bytes_make_the_jsonl_reader_panic(body in json_lines()) {
        let desk = Desk::new();
        survives(&desk, "a.jsonl", &body, GROUPED);
        survives(&desk, "b.jsonl", &body, "mapping: c\nformat: { kind: jsonl }\npass_through: {}\n");
        let _ = import::sniff(&desk.file("c.jsonl", &body));
    }

    #[test]
    fn no_text_makes_the_mapping_reader_panic(text in "\\PC{0,200}", at in 0_usize..2_000, junk in "[\\PC\n]{0,6}") {
        let _ = Mapping::parse(&text, "fuzz");
        let shipped = include_str!("../../mappings/online-retail.yaml");
        let mut broken = shipped.to_owned();
        let at = (0..=at.min(shipped.len())).rev().find(|at| shipped.is_char_boundary(*at)).unwrap_or(0);
        broken.insert_str(at, &junk);
        let _ = Mapping::parse(&broken, "fuzz");
    }

    #[test]
    fn amounts_add_up_exactly_whatever_they_are(pence in prop::collection::vec(-1_000_000_i64..1_000_000, 1..20)) {
        let rows: String = pence.iter().map(|pence| format!("ana,{}{}.{:02},1\n", if *pence < 0 { "-" } else { "" }, pence.abs() / 100, pence.abs() % 100)).collect();
        let yaml = GROUPED.replace("group_by: [a]", "group_by: [b]");
        let desk = Desk::new();
        let imported = import_all(&[desk.file("a.csv", format!("customer,a,b\n{rows}"))], &yaml);
        let total: i64 = pence.iter().sum();
        let exact = serde_json::Value::from(total as f64 / 100.0);
        let written = imported.json()[0]["properties"]["sum"].clone();
        prop_assert_eq!(written.as_f64(), exact.as_f64());
    }
}
