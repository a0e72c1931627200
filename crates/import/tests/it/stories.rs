//! What a shop sees that brings its files: orders, customers, passes, consent, calls of another tool.

use import::{Item, Limits, Mapping, MappingError, Source};

use crate::desk::{Desk, drain, gzip, import_all, import_within, mapping, zstd};

const ORDERS: &str = r#"
mapping: shop
customer: { column: Customer, clean: [trim, whole_number] }
time: { column: When, format: "%d/%m/%Y %H:%M", zone: Europe/London }
group_by: [Order]
events:
  - event: Order Completed
    when: { Quantity: { above: 0 } }
    properties:
      order_id: Order
      revenue: { sum: Quantity * Price }
      lines: { count: lines }
      currency: { value: GBP }
    products: { sku: Sku, quantity: { column: Quantity, as: integer } }
  - event: Order Refunded
    when: { Quantity: { below: 0 } }
    properties: { order_id: Order, revenue: { sum: -Quantity * Price } }
"#;

const ROWS: &str = "Order,Customer,When,Sku,Quantity,Price
1,ana,01/07/2026 09:30,tea,3,0.10
2,ben,01/07/2026 11:00,cup,1,12.00
1,ana,01/07/2026 09:15,pot,2,0.05
1,ana,01/07/2026 10:00,tea,-1,0.10
";

const PAYMENTS: &str = "
mapping: payments
customer: customer
time: at
events:
  - event: Paid
    properties: { amount: { column: amount, as: money }, note: note }
";

#[test]
fn lines_of_one_order_become_one_call_with_an_exact_sum_and_the_earliest_time() {
    let imported = Desk::new().import("orders.csv", ROWS, ORDERS);
    assert_eq!(
        imported.calls[0].json,
        concat!(
            r#"{"type":"track","userId":"ana","event":"Order Completed","properties":{"order_id":"1","revenue":0.4,"#,
            r#""lines":2,"currency":"GBP","products":[{"sku":"tea","quantity":3},{"sku":"pot","quantity":2}]},"#,
            r#""timestamp":"2026-07-01T08:15:00.000Z","messageId":"import:shop:order-completed:1:ana"}"#
        )
    );
    assert_eq!((imported.calls[0].rows, imported.calls[0].line), (2, 2));
    let events: Vec<(&str, &str)> =
        imported.calls.iter().map(|call| (call.name.as_str(), call.customer.as_str())).collect();
    assert_eq!(events, [("Order Completed", "ana"), ("Order Completed", "ben"), ("Order Refunded", "ana")]);
    assert!(imported.calls[2].json.contains(r#""revenue":0.1}"#), "the amount refunded is positive");
    let summary = serde_json::to_value(&imported.summary).unwrap();
    let expected = serde_json::json!({
        "rows": 4, "customers": 2, "events_by_name": { "Order Completed": 2, "Order Refunded": 1 },
        "refused": 0, "refused_by_reason": {}
    });
    assert_eq!(summary, expected);
}

#[test]
fn the_ids_come_from_the_data_so_lines_in_another_order_or_split_over_files_give_the_same_ones() {
    let desk = Desk::new();
    let mut ids = desk.import("orders.csv", ROWS, ORDERS).message_ids();
    assert_eq!(desk.import("again.csv", ROWS, ORDERS).message_ids(), ids, "a second import, from a copy");

    let (header, rows) = ROWS.split_once('\n').unwrap();
    let turned: Vec<&str> = std::iter::once(header).chain(rows.lines().rev()).collect();
    let mut turned_ids = desk.import("turned.csv", turned.join("\n"), ORDERS).message_ids();
    ids.sort();
    turned_ids.sort();
    assert_eq!(turned_ids, ids);

    let lines: Vec<&str> = rows.lines().collect();
    let first = desk.file("first.csv", format!("{header}\n{}\n{}\n", lines[0], lines[1]));
    let second = desk.file("second.csv", format!("{header}\n{}\n{}\n", lines[2], lines[3]));
    let split = import_all(&[first, second], ORDERS);
    assert!(split.calls[0].json.contains(r#""revenue":0.4"#), "an order may continue in the next file");
}

#[test]
fn packed_files_and_other_delimiters_are_recognised_by_their_content() {
    let desk = Desk::new();
    let plain = desk.import("orders.csv", ROWS, ORDERS);
    let semicolons = ROWS.replace(',', ";");
    let with_mark = format!("\u{feff}{ROWS}").replace('\n', "\r\n");
    for (name, content) in [
        ("a.csv.gz", gzip(ROWS.as_bytes())),
        ("b", [gzip(&ROWS.as_bytes()[..50]), gzip(&ROWS.as_bytes()[50..])].concat()),
        ("c.csv", zstd(ROWS.as_bytes())),
        ("d.csv", semicolons.into_bytes()),
        ("e.txt", ROWS.replace(',', "\t").into_bytes()),
        ("f.csv", with_mark.into_bytes()),
        ("g.csv", ROWS.trim_end().as_bytes().to_vec()),
    ] {
        assert_eq!(desk.import(name, content, ORDERS).calls, plain.calls, "{name}");
    }
}

#[test]
fn an_order_with_one_refused_line_is_refused_whole_because_half_of_it_would_keep_the_right_one_out() {
    let rows = ROWS.replace("pot,2,0.05", "pot,2,five pence");
    let imported = Desk::new().import("orders.csv", &rows, ORDERS);
    assert_eq!(imported.reasons(), [(4, "bad number"), (2, "incomplete order")]);
    assert_eq!(imported.refused[1].row, "1,ana,01/07/2026 09:30,tea,3,0.10");
    let events: Vec<&str> = imported.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(events, ["Order Completed", "Order Refunded"], "ben's order and the refund are whole");
    let lines = imported.calls.iter().map(|call| call.rows).sum::<u64>();
    assert_eq!(lines + imported.summary.refused, imported.summary.rows);
}

#[test]
fn rows_that_cannot_be_taken_say_why_in_stable_words() {
    let rows = "customer,at,amount,note
,2026-03-01,1.00,nobody
ana,yesterday,1.00,when
ana,,1.00,when
ana,2026-03-01,a lot,how much
ana,2026-03-01,1.00
ana,2026-03-01,1.00,fine,and more
an\0a,2026-03-01,1.00,cut
ana,2026-03-01,\"1,000.50\",f\0ine
";
    let imported = Desk::new().import("payments.csv", rows, PAYMENTS);
    assert_eq!(
        imported.reasons(),
        [
            (2, "no customer"),
            (3, "bad time"),
            (4, "bad time"),
            (5, "bad number"),
            (6, "wrong columns"),
            (7, "wrong columns"),
            (8, "bad id")
        ]
    );
    assert_eq!(imported.summary.refused_by_reason["wrong columns"], 2);
    assert_eq!(imported.json()[0]["properties"], serde_json::json!({ "amount": 1000.5, "note": "fine" }));
}

#[test]
fn rows_that_no_rule_is_for_are_refused_and_a_mapping_may_refuse_rows_of_its_own() {
    let yaml = ORDERS
        .replace("group_by: [Order]", "refuse: [{ when: { Sku: { is: pot } }, reason: no pots }]\ngroup_by: [Order]");
    let rows = format!("{ROWS}3,ana,01/07/2026 09:30,tea,0,1.00\n");
    let imported = Desk::new().import("orders.csv", rows, &yaml);
    assert_eq!(imported.reasons(), [(4, "no pots"), (6, "no rule")]);
    assert!(
        imported.calls[0].json.contains(r#""revenue":0.3"#),
        "the order stands without the pots, as the mapping says"
    );
}

#[test]
fn two_honest_equal_rows_stay_two_events_and_an_overlapping_export_adds_none() {
    let desk = Desk::new();
    let row = "ana,2026-03-01,1.00,tea\n";
    let march = format!("customer,at,amount,note\n{row}{row}");
    let ids = desk.import("march.csv", &march, PAYMENTS).message_ids();
    assert_ne!(ids[0], ids[1]);
    let march = desk.file("march.csv", &march);
    let april =
        desk.file("april.csv", "customer,at,amount,note\n\"ana\",2026-03-01,1.00,tea\nben,2026-04-01,2.00,tea\n");
    let both = import_all(&[march, april], PAYMENTS).message_ids();
    assert_eq!(both[..2], ids[..]);
    assert_eq!(both[2], ids[0], "the same row in the next export is the same event, however it is quoted");
    assert!(!ids.contains(&both[3]));
}

#[test]
fn a_file_given_twice_is_refused_before_it_doubles_its_orders() {
    let desk = Desk::new();
    let (first, copy) = (desk.file("a.csv", ROWS), desk.file("b.csv", ROWS));
    for paths in [[first.clone(), copy], [first.clone(), first]] {
        let problem = Source::open(&paths, &mapping(ORDERS)).err().unwrap().to_string();
        assert!(problem.contains("same content") && problem.contains("give it once"), "{problem}");
    }
}

#[test]
fn in_a_sorted_file_each_order_comes_at_its_end_and_a_straggler_is_refused() {
    let yaml = format!("{ORDERS}\nsorted: true\n");
    let rows = "Order,Customer,When,Sku,Quantity,Price
1,ana,01/07/2026 09:30,tea,3,0.10
1,ana,01/07/2026 09:15,pot,2,0.05
2,ben,01/07/2026 11:00,cup,1,12.00
1,ana,01/07/2026 10:00,tea,1,0.10
";
    let imported = Desk::new().import("orders.csv", rows, &yaml);
    let ids = imported.message_ids();
    assert_eq!(ids, ["import:shop:order-completed:1:ana", "import:shop:order-completed:2:ben"]);
    assert_eq!(imported.reasons(), [(5, "not sorted")]);
}

#[test]
fn in_a_sorted_file_a_refused_line_between_two_orders_does_not_open_the_first_again() {
    let yaml = format!("{ORDERS}\nsorted: true\n");
    let rows = "Order,Customer,When,Sku,Quantity,Price
1,ana,01/07/2026 09:30,tea,3,0.10
2,ben,01/07/2026 11:00,cup,1,dear
2,ben,01/07/2026 11:00,pot,1,1.00
3,cleo,01/07/2026 11:00,pot,1,1.00
1,ana,01/07/2026 10:00,tea,1,0.10
";
    let imported = Desk::new().import("orders.csv", rows, &yaml);
    let ids = imported.message_ids();
    assert_eq!(ids, ["import:shop:order-completed:1:ana", "import:shop:order-completed:3:cleo"]);
    assert_eq!(imported.reasons(), [(3, "bad number"), (6, "not sorted"), (4, "incomplete order")]);
}

#[test]
fn more_open_orders_than_memory_is_meant_for_end_with_advice() {
    let desk = Desk::new();
    let path = desk.file("orders.csv", ROWS);
    let limits = Limits { open_lines: 2, ..Limits::default() };
    let problem = import_within(&[path], ORDERS, limits).err().unwrap().to_string();
    assert!(problem.contains("2 lines") && problem.contains("sorted: true"), "{problem}");
}

#[test]
fn a_customers_file_becomes_traits_and_a_pass_file_becomes_records() {
    let people = Desk::new().import(
        "people.csv",
        "Id,Mail,Born,VIP,City,Visits\n7,ana@example.com,24.12.1990,yes,Köln,9007199254740993\n8,,,,,\n",
        r#"
mapping: people
customer: Id
time: { value: 2026-03-01T00:00:00Z }
identify:
  traits:
    email: Mail
    birthday: { column: Born, as: date, format: "%d.%m.%Y" }
    vip: { column: VIP, as: boolean }
    address: { object: { city: City, country: { value: DE } } }
    visits: { column: Visits, as: integer }
"#,
    );
    assert_eq!(
        people.json()[0]["traits"],
        serde_json::json!({ "email": "ana@example.com", "birthday": "1990-12-24", "vip": true,
            "address": { "city": "Köln", "country": "DE" }, "visits": "9007199254740993" })
    );
    assert_eq!(
        people.json()[1]["traits"],
        serde_json::json!({ "address": { "country": "DE" } }),
        "empty cells are absent"
    );
    assert_eq!(people.summary.events_by_name["identify"], 2);

    let passes = Desk::new().import(
        "passes.csv",
        "Member,Pass,Status,Until,Seen\n7,A1,active,2026-12-01,2026-03-01\n7,A1,gone,2026-12-01,2026-04-01\n",
        r#"
mapping: passes
customer: Member
time: Seen
records:
  - record: pass
    record_id: [Member, Pass]
    attributes: { status: Status, expires: { column: Until, as: instant, zone: Europe/Berlin } }
    deleted_when: { Status: { is: gone } }
"#,
    );
    let calls = passes.json();
    assert_eq!((&calls[0]["kind"], &calls[0]["recordId"]), (&"pass".into(), &"7:A1".into()));
    assert_eq!(calls[0]["attributes"]["expires"], "2026-11-30T23:00:00.000Z");
    assert!(calls[0].get("deleted").is_none() && calls[1]["deleted"] == true);
    assert_ne!(calls[0]["messageId"], calls[1]["messageId"]);
}

#[test]
fn consent_is_only_set_by_a_block_that_names_its_source_and_wording() {
    let yaml = r#"
mapping: consents
customer: Id
time: { value: 2026-03-01T00:00:00Z }
consent:
  - purpose: news
    channel: email
    status: { column: News, granted: ["yes"], withdrawn: ["no"] }
    source: checkout of the old shop
    text_version: "2024-05"
"#;
    let imported = Desk::new().import("people.csv", "Id,News\n1,yes\n2,No\n3,maybe\n4,\n", yaml);
    assert_eq!(
        imported.json()[0]["properties"],
        serde_json::json!({ "purpose": "news", "channel": "email", "status": "granted", "basis": "express",
            "source": "checkout of the old shop", "text_version": "2024-05" })
    );
    assert_eq!(imported.json()[1]["properties"]["status"], "withdrawn");
    assert_eq!(imported.reasons(), [(4, "bad consent"), (5, "no rule")], "an empty cell says nothing at all");

    let without = yaml.replace("    text_version: \"2024-05\"\n", "");
    let problem = Mapping::parse(&without, "t.yaml").err().unwrap().to_string();
    assert!(problem.contains("`text_version` is missing in `consent[0]`"), "{problem}");
    let as_event = "mapping: a\ncustomer: Id\ntime: At\nevents: [{ event: Consent Changed }]\n";
    let problem = Mapping::parse(as_event, "t.yaml").err().unwrap().to_string();
    assert!(problem.contains("`consent` block alone"), "{problem}");

    let by_column = "mapping: a\ncustomer: Id\ntime: { value: 2026-03-01 }\nevents: [{ event: { column: Name } }]\n";
    let imported = Desk::new().import("events.csv", "Id,Name\n1,Consent Changed\n1,Signed Up\n", by_column);
    assert_eq!(imported.reasons(), [(2, "consent not allowed")]);
    assert_eq!(imported.calls[0].name, "Signed Up");
}

#[test]
fn lines_that_already_are_calls_pass_and_get_what_they_lack() {
    let lines = r#"{"type":"track","userId":"u1","event":"Order Completed","properties":{"revenue":12.10,"note":"a\u0000b"},"timestamp":"2026-03-01T10:00:00Z","messageId":"m-1"}

{"type":"page","anonymousId":"a1","name":"Home","timestamp":"2026-03-01T10:00:00+01:00"}
{"type":"page","anonymousId":"a1","name":"Home","timestamp":"2026-03-01T10:00:00+01:00"}
{"type":"track","userId":"u1","event":"Seen"}
{"type":"track","userId":"u1","timestamp":"2026-03-01T10:00:00Z"}
{"type":"track","event":"Seen","timestamp":"2026-03-01T10:00:00Z"}
{"type":"dance","userId":"u1","timestamp":"2026-03-01T10:00:00Z"}
{"type":"identify","userId":"u\u0000","timestamp":"2026-03-01T10:00:00Z"}
{"type":"identify","userId":17,"timestamp":"2026-03-01T10:00:00Z"}
{"type":"identify","userId":"u1","traits":{"x":1e999},"timestamp":"2026-03-01T10:00:00Z"}
{"type":"identify","type":"track","userId":"u1","timestamp":"2026-03-01T10:00:00Z"}
[1]
{"type":"track","userId":"u1","event":"Consent Changed","properties":{"status":"granted","purpose":"news"},"timestamp":"2026-03-01T10:00:00Z"}
{"type":"track","userId":"u1","event":"Consent Changed","properties":{"status":"withdrawn","purpose":"news"},"timestamp":"2026-03-01T10:00:00Z"}
"#;
    let desk = Desk::new();
    let path = desk.file("calls.jsonl", lines);
    let imported = drain(Source::open(&[path], &Mapping::shipped("segment-calls").unwrap()).unwrap()).unwrap();
    assert_eq!(
        imported.calls[0].json,
        r#"{"type":"track","userId":"u1","event":"Order Completed","properties":{"revenue":12.10,"note":"ab"},"timestamp":"2026-03-01T10:00:00Z","messageId":"m-1"}"#
    );
    let names: Vec<&str> = imported.calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["Order Completed", "Page Viewed", "Page Viewed", "Consent Changed"]);
    assert!(imported.calls[1].is_anonymous);
    assert_ne!(imported.message_ids()[1], imported.message_ids()[2], "two equal views are two");
    assert_eq!(
        imported.reasons(),
        [
            (5, "bad time"),
            (6, "bad event"),
            (7, "no customer"),
            (8, "bad call"),
            (9, "bad id"),
            (10, "bad id"),
            (11, "bad json"),
            (12, "bad json"),
            (13, "bad json"),
            (14, "consent not allowed")
        ]
    );
    let yaml = "mapping: calls\nformat: { kind: jsonl }\npass_through: { consent: with_source }\n";
    let grant = |proof: &str| {
        format!(
            r#"{{"type":"track","userId":"u1","event":"Consent Changed","properties":{{"status":"granted"{proof}}},"timestamp":"2026-03-01T10:00:00Z"}}"#
        )
    };
    let lines = [grant(""), grant(r#","source":"form","text_version":"3""#)].join("\n");
    let imported = desk.import("grants.jsonl", lines, yaml);
    assert_eq!((imported.calls.len(), imported.reasons()), (1, vec![(1, "bad consent")]));
}

#[test]
fn objects_of_any_shape_are_mapped_by_paths_and_keep_their_kinds() {
    let yaml = "
mapping: rows
customer: user.id
time: at
events:
  - event: Paid
    id: [no]
    properties: { amount: amount, paid: paid, tags: tags, city: user.address.city, key: a.b, big: big, no: no }
";
    let lines = r#"{"no":1,"user":{"id":"ana","address":{"city":"Köln"}},"at":"2026-03-01","amount":12.10,"paid":true,"tags":["a",{"b":1.50}],"a.b":"dotted","big":12345678901234567890123}
{"no":2,"user":"ana","at":"2026-03-01"}
{"no":3,"user":{"id":5},"at":"2026-03-01","amount":null}"#;
    let imported = Desk::new().import("rows.ndjson", lines, yaml);
    let expected = r#""properties":{"amount":12.1,"paid":true,"tags":["a",{"b":1.50}],"city":"Köln","key":"dotted","big":"12345678901234567890123","no":1}"#;
    assert!(imported.calls[0].json.contains(expected), "{}", imported.calls[0].json);
    assert_eq!(imported.reasons(), [(2, "no customer")]);
    assert_eq!(
        (imported.json()[1]["userId"].clone(), imported.json()[1]["properties"].clone()),
        ("5".into(), serde_json::json!({ "no": 3 }))
    );
}

#[test]
fn parquet_keeps_its_kinds_and_its_decimals() {
    let desk = Desk::new();
    let path = desk.path("payments.parquet");
    write_parquet(&path);
    let yaml = "
mapping: payments
customer: customer
time: { column: at, zone: Europe/Berlin }
events: [{ event: Paid, properties: { amount: amount, pieces: pieces, share: share } }]
";
    let imported = import_all(std::slice::from_ref(&path), yaml);
    assert_eq!(imported.summary.rows, 3);
    let json = &imported.calls[0].json;
    assert!(json.contains(r#""properties":{"amount":-1234.5,"pieces":7,"share":0.1}"#), "{json}");
    assert!(
        json.contains(r#""timestamp":"2026-03-01T09:00:00.000Z""#),
        "a clock without zone is the mapping's: {json}"
    );
    assert_eq!(imported.reasons(), [(2, "no customer")]);
    assert_eq!(import_all(std::slice::from_ref(&path), yaml).message_ids(), imported.message_ids());
    let problem =
        Source::open(&[path], &mapping(&yaml.replace("amount: amount", "amount: amout"))).err().unwrap().to_string();
    assert!(problem.contains("no column `amout`; did you mean `amount`?"), "{problem}");
}

fn write_parquet(path: &std::path::Path) {
    use parquet::data_type::{ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message rows {
        OPTIONAL BYTE_ARRAY customer (UTF8);
        REQUIRED INT64 at (TIMESTAMP(NANOS,false));
        REQUIRED INT64 amount (DECIMAL(12,2));
        REQUIRED INT32 pieces;
        REQUIRED DOUBLE share;
    }";
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties.into()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&["ana".into(), "ben".into()], Some(&[1, 0, 1]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1_772_359_200_000_000_000; 3], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[-123_450, 1, 2], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&[7, 8, 9], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[0.1, 0.2, 0.3], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn an_interrupted_import_goes_on_where_it_stopped_and_only_with_the_same_files() {
    let desk = Desk::new();
    let path = desk.file("orders.csv", ROWS);
    let open = || Source::open(std::slice::from_ref(&path), &mapping(ORDERS)).unwrap();
    let whole = drain(open()).unwrap();
    let mut killed = open();
    let fingerprint = killed.fingerprint().unwrap();
    while killed.calls_handed_out() < 2 {
        killed.next().unwrap().unwrap();
    }
    let checkpoint = import::Checkpoint { fingerprint, calls: killed.calls_handed_out() };
    let rest = drain(open().resume(&checkpoint).unwrap()).unwrap();
    assert_eq!(rest.calls, whole.calls[2..]);
    assert_eq!(rest.summary.events_by_name, whole.summary.events_by_name);

    desk.file("orders.csv", ROWS.replace("12.00", "13.00"));
    let problem = open().resume(&checkpoint).err().unwrap().to_string();
    assert!(problem.contains("other files"), "{problem}");
}

#[test]
fn progress_is_reported_while_orders_are_gathered() {
    let desk = Desk::new();
    let rows: String = (0..20_000).map(|i| format!("{i},ana,01/07/2026 09:30,tea,3,0.10\n")).collect();
    let path = desk.file("orders.csv", format!("{}\n{rows}", ROWS.lines().next().unwrap()));
    let mut source = Source::open(std::slice::from_ref(&path), &mapping(ORDERS)).unwrap();
    let Some(Ok(Item::Progress(first))) = source.next() else { panic!("progress comes first") };
    assert_eq!(first.rows, 8_192);
    assert!(first.bytes_read > 0 && first.bytes_total == std::fs::metadata(&path).unwrap().len());
    while source.next().is_some() {}
    assert_eq!((source.progress().bytes_read, source.progress().rows), (first.bytes_total, 20_000));
}

#[test]
fn a_preview_shows_the_columns_and_the_first_calls_without_reading_everything() {
    let desk = Desk::new();
    let path = desk.file("orders.csv", format!("{ROWS},,,,,\n"));
    let preview = import::preview(&[path], &mapping(ORDERS), 2).unwrap();
    assert_eq!(preview.calls.len(), 2);
    assert_eq!(preview.refused.len(), 1);
    let kinds: Vec<(&str, &str)> = preview.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let expected = [
        ("Order", "integer"),
        ("Customer", "text"),
        ("When", "instant"),
        ("Sku", "text"),
        ("Quantity", "integer"),
        ("Price", "decimal"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(preview.columns[3].samples, ["tea", "cup", "pot"]);
    assert!((preview.columns[0].share_empty - 0.2).abs() < 1e-9);
}

#[test]
fn a_column_that_is_missing_or_ambiguous_stops_the_import_before_its_first_row() {
    let desk = Desk::new();
    let problem =
        |content: &str| Source::open(&[desk.file("o.csv", content)], &mapping(ORDERS)).err().unwrap().to_string();
    let slip = problem("Order,Custmer,When,Sku,Quantity,Price\n");
    assert!(slip.contains("no column `Customer`; did you mean `Custmer`?"), "{slip}");
    assert!(problem("Order,Customer,Customer,When,Sku,Quantity,Price\n").contains("two columns called `Customer`"));
    assert!(problem("").contains("is empty"));
}

#[test]
fn a_mapping_that_cannot_be_right_says_where_and_what_instead() {
    let problem =
        |yaml: &str| Mapping::parse(yaml, "shop.yaml").err().unwrap_or_else(|| panic!("accepted: {yaml}")).to_string();
    let begin = "mapping: a\ncustomer: Id\ntime: At\n";
    let event = |rest: &str| format!("{begin}events:\n  - event: Paid\n{rest}");
    for (yaml, words) in [
        (
            event("    propertys: { a: b }\n"),
            "shop.yaml: unknown key `propertys` in `events[0]`; did you mean `properties`?",
        ),
        (event("    delimiter: \",\"\n"), "`delimiter` in `events[0]`; it belongs under `format`"),
        (event("    event: Other\n"), "event"),
        (
            event("    properties: { a: { column: b, as: monney } }\n"),
            "`events[0].properties.a.as`: `monney` is not known; did you mean `money`?",
        ),
        (event("    properties: { a: { sum: b /c } }\n"), "unexpected `/`"),
        (event("    properties: { a: { column: b, value: 1 } }\n"), "exactly one of"),
        (event("    properties: { a: { value: 1, as: text } }\n"), "go with `column`"),
        (event("    products: { a: { sum: b } }\n"), "here it is one line"),
        (event("    when: { a: { like: b } }\n"), "unknown key `like` in `events[0].when.a`"),
        (event("    id: []\n"), "empty list"),
        (event("  - event: Paid\n"), "give one of them a `rule`"),
        (event("sorted: true\n"), "`group_by` is missing at the top"),
        (event("group_by: [a]\n").replace("Paid\n", "Paid\n    id: [b]\n"), "`id` does not go with `group_by`"),
        (event("format: { delimiter: \"ab\" }\n"), "is no delimiter"),
        (event("format: { header: false }\n"), "`columns` is missing in `format`"),
        (event("title: 7\n"), "`title`: is no text; write it in quotes"),
        (event("empty: [~]\n"), "in quotes"),
        (begin.to_owned(), "`events` is missing"),
        ("mapping: a\ntime: At\nevents: [{ event: Paid }]\n".to_owned(), "`customer` is missing"),
        ("mapping: a\ncustomer: Id\nevents: [{ event: Paid }]\n".to_owned(), "`time` is missing"),
        ("mapping: a b\n".to_owned(), "part of every message id"),
        (event("").replace("time: At", "time: { column: At, zone: Mars }"), "no time zone"),
        (event("").replace("time: At", "time: { column: At, format: dmy }"), "no format of a time"),
        ("pass_through: {}\nmapping: a\ncustomer: Id\n".to_owned(), "does not go with `pass_through`"),
        ("- a\n- b\n".to_owned(), "is a list; a map"),
        ("{".to_owned(), "not a YAML document"),
        ("a: &x [1]\nb: *x\n".to_owned(), "not a YAML document"),
        (format!("mapping: a\n# {}", "x".repeat(300_000)), "longer than"),
    ] {
        let problem = problem(&yaml);
        assert!(problem.contains(words), "{problem}\n  should say: {words}");
    }
    let twice = Mapping::parse("mapping: a\nmapping: b\n", "shop.yaml");
    assert!(matches!(twice, Err(MappingError::Yaml { message, .. }) if message.contains("duplicate")), "said twice");
}

#[test]
fn yaml_is_read_as_version_1_2_so_that_words_and_times_stay_text() {
    let yaml = "mapping: no\ncustomer: on\ntime: yes\nevents: [{ event: off, properties: { at: 21:00, code: { value: 007 } } }]\n";
    let imported = Desk::new().import("a.csv", "on,yes,21:00\nana,2026-03-01,x\n", yaml);
    let json = &imported.calls[0].json;
    assert!(json.contains(r#""event":"off","properties":{"at":"x","code":"007"}"#), "{json}");
}
