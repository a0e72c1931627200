//! What a file is worth: its size, and what one customer's calls cost to read from it.

use super::*;
use crate::history::columns::Placed;
use domain::{Call, CallKind, Position, Timestamp, Trust};
use serde_json::value::RawValue;
use std::time::{Duration, Instant};

/// Call `number` of a shop in which `names` customers take turns at random.
fn call(number: u64, names: u64) -> Placed {
    let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let body = format!(
        "{{\"product_id\":\"tea-{}\",\"price\":{}.{:02},\"quantity\":{},\"currency\":\"GBP\",\"category\":\"green tea\"}}",
        (noise >> 8) % 300,
        (noise >> 16) % 40,
        (noise >> 24) % 100,
        (noise >> 32) % 4 + 1
    );
    let context = format!(
        "{{\"ip\":\"203.0.113.{}\",\"locale\":\"en-GB\",\"library\":{{\"name\":\"analytics-node\",\"version\":\"2.1.3\"}}}}",
        (noise >> 20) % 256
    );
    let event = ["Product Viewed", "Product Added", "Order Completed"][(number % 3) as usize];
    let at = Timestamp(1_767_225_600_000 + number.cast_signed() * 2_500);
    let raw = |json: String| RawValue::from_string(json).unwrap().into();
    let call = Call {
        kind: CallKind::Track,
        message_id: format!("node-next-{}-{noise:016x}", at.0).into(),
        user_id: Some(format!("user-{:06}", (noise >> 40) % names).into()),
        anonymous_id: None,
        other_id: None,
        event: Some(event.into()),
        timestamp: at,
        received_at: Timestamp(at.0 + 120),
        source: "shop".into(),
        trust: Trust::Server,
        record: None,
        body: raw(body),
        context: Some(raw(context)),
    };
    Placed { position: Position(number), row: RowId(number.div_ceil(1_000)), call: Arc::new(call) }
}

fn written(dir: &Path, calls: u64, names: u64) -> HistoryFile {
    write(&dir.join("file"), "file", (1..=calls).map(|number| call(number, names)).collect()).unwrap()
}

fn named(name: &str) -> HashSet<Arc<str>> {
    HashSet::from([name.into()])
}

#[test]
fn a_name_longer_than_an_index_keeps_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let long = |number: u64| format!("{}{number:05}", "é".repeat(200));
    let calls = (1..=5_000).map(|number| {
        let mut placed = call(number, 10);
        let mut with_name = placed.call.as_ref().clone();
        with_name.user_id = Some(long(number % 500).into());
        placed.call = Arc::new(with_name);
        placed
    });
    let listed = write(&dir.path().join("file"), "file", calls.collect()).unwrap();
    let file = OpenFile::open(dir.path(), &listed).unwrap().unwrap();
    for number in [0, 1, 250, 499] {
        let found = file.calls_naming(&named(&long(number)), &|_| true, &mut Reads::default()).unwrap();
        assert_eq!(found.len(), 10, "{number}");
    }
    assert!(file.calls_naming(&named(&long(500)), &|_| true, &mut Reads::default()).unwrap().is_empty());
}

#[test]
fn a_file_over_several_row_groups_comes_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let count = GROUP_CALLS as u64 + 1_500;
    let listed = written(dir.path(), count, 3);
    let file = OpenFile::open(dir.path(), &listed).unwrap().unwrap();
    let calls = file.calls(&|row| row.0 != 7).unwrap();
    let positions: Vec<u64> = calls.iter().map(|it| it.position.0).collect();
    let expected: Vec<u64> = (1..=count).filter(|number| number.div_ceil(1_000) != 7).collect();
    assert_eq!(positions, expected);
    let mut reads = Reads::default();
    let found = file.calls_naming(&named("user-000001"), &|_| true, &mut reads).unwrap();
    assert_eq!(found.len(), (1..=count).filter(|number| call(*number, 3).call.name() == "user-000001").count());
    assert!(found.is_sorted_by_key(|it| it.position));
}

/// As `calls_naming`, by the statistics of row groups alone: the names of whole groups are read.
fn by_statistics(file: &OpenFile, name: &str) -> usize {
    let mut found = 0;
    for index in 0..file.file.num_row_groups() {
        let group = file.file.get_row_group(index).unwrap();
        let statistics = group.metadata().column(NAME).statistics().unwrap();
        let (min, max) = (statistics.min_bytes_opt().unwrap(), statistics.max_bytes_opt().unwrap());
        if min <= name.as_bytes() && name.as_bytes() <= max {
            let all = 0..usize::try_from(group.metadata().num_rows()).unwrap();
            let names = GroupReader { group: &*group, ranges: std::slice::from_ref(&all) }.names().unwrap();
            let ranges = ranges_of(names.iter().map(|it| it.data() == name.as_bytes()));
            found += GroupReader { group: &*group, ranges: &ranges }.calls().unwrap().len();
        }
    }
    found
}

#[test]
#[ignore = "measures, and is worth something only with --release"]
fn one_customer() {
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let calls: Vec<Placed> = (1..=262_144).map(|number| call(number, 20_000)).collect();
    println!("made: {:?}", start.elapsed());
    let start = Instant::now();
    let listed = write(&dir.path().join("file"), "file", calls).unwrap();
    let (bytes, json) = (listed.size_bytes / listed.count, listed.json_bytes / listed.count);
    println!("written: {:?}; {bytes} bytes a call, {json} as JSON", start.elapsed());
    let start = Instant::now();
    let file = OpenFile::open(dir.path(), &listed).unwrap().unwrap();
    println!("opened: {:?}; footer and indexes {} bytes", start.elapsed(), file.file.metadata().memory_size());
    let average = |ask: &dyn Fn(&str) -> usize, name: &dyn Fn(u64) -> String| -> (Duration, usize) {
        let start = Instant::now();
        let found = (0..200).map(|number| ask(&name(number * 99))).sum();
        (start.elapsed() / 200, found)
    };
    let present = |number: u64| format!("user-{number:06}");
    let absent = |number: u64| format!("user-{number:06}-nobody");
    let pages = |name: &str| file.calls_naming(&named(name), &|_| true, &mut Reads::default()).unwrap().len();
    for _ in 0..2 {
        println!("page index: {:?} (calls found)", average(&pages, &present));
        println!("page index, absent: {:?}", average(&pages, &absent));
        println!("statistics of row groups: {:?}", average(&|name| by_statistics(&file, name), &present));
        println!("statistics of row groups, absent: {:?}", average(&|name| by_statistics(&file, name), &absent));
    }
    let start = Instant::now();
    let all = file.calls(&|_| true).unwrap().len();
    println!("all {all} in their order: {:?}", start.elapsed());
}
