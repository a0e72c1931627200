//! Asked of chunks directly: people whose names stand in different tiles, and events that arrived late.

use super::bits::Bits;
use super::build::ChunkBuilder;
use super::chunk::TILE;
use super::evaluate::evaluate;
use super::question::{Live, Rules};
use crate::profile::Customer;
use crate::segment::plan::{Node, Plan};
use domain::definition::{Definition, Definitions};
use domain::{Call, CallKind, CustomerId, Position, Timestamp, Trust};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn call(hour: i64, event: &str, body: &Value) -> Arc<Call> {
    Arc::new(Call {
        kind: CallKind::Track,
        message_id: "m".into(),
        user_id: Some("u".into()),
        anonymous_id: None,
        other_id: None,
        event: Some(event.into()),
        timestamp: Timestamp(hour * 3_600_000),
        received_at: Timestamp(0),
        source: "shop".into(),
        trust: Trust::Server,
        record: None,
        body: serde_json::value::to_raw_value(body).unwrap().into(),
        context: None,
    })
}

/// Who is meant by each of some rules at an hour, where name 5 and the name `FAR` are one person, and the name after it is another.
fn each_of(rules: &[Value], chunks: &[&[(u32, Arc<Call>)]], hour: i64) -> Vec<Vec<u32>> {
    let mut definitions = Definitions::new();
    for (number, rule) in rules.iter().enumerate() {
        definitions.put(Definition::read(&json!({"segment": format!("asked-{number:02}"), "where": rule})).unwrap());
    }
    let plan = Plan::new(&definitions);
    let mut position = 1;
    let build = |calls: &&[(u32, Arc<Call>)]| {
        let mut builder = ChunkBuilder::in_memory_from(Position(position));
        calls.iter().for_each(|(node, call)| builder.take(*node, call));
        position += calls.len() as u64;
        builder.in_memory().unwrap()
    };
    let built: Vec<_> = chunks.iter().map(build).collect();
    let built: Vec<_> = built.iter().collect();
    let mut persons: Vec<u32> = (0..=FAR + 1).collect();
    persons[FAR as usize] = 5;
    let people = [5, FAR + 1].map(|id| (CustomerId(id), Customer::new(Timestamp(0))));
    let now = Timestamp(hour * 3_600_000);
    let live = Live { held: &plan.held, clock: now };
    let asked: Vec<&Node> = plan.segments.iter().map(|segment| &segment.rule).collect();
    let customers = people.into_iter().collect();
    let rules = Rules::of(&plan, &asked, live, &customers, now, persons.len()).unwrap();
    let found: Vec<Bits> = evaluate(&plan, &rules, &built, &persons).unwrap();
    found.iter().map(|people| people.iter().map(|id| id.0).collect()).collect()
}

/// Who is meant by one.
fn members(rule: &Value, chunks: &[&[(u32, Arc<Call>)]], hour: i64) -> Vec<u32> {
    each_of(std::slice::from_ref(rule), chunks, hour).remove(0)
}

/// A name in the second tile.
const FAR: u32 = TILE as u32 + 4_464;

#[test]
fn the_events_of_one_person_are_found_under_all_their_names() {
    let (order, tea, cups) = ("Order Completed", json!({"category": "tea"}), json!({"category": "cups"}));
    let first = [(5, call(1, order, &tea)), (FAR + 1, call(2, order, &tea))];
    // One that arrived late, and one of the same instant as another.
    let second = [(FAR, call(3, order, &cups)), (5, call(3, order, &tea)), (FAR, call(0, order, &cups))];
    let ask = |rule: Value| members(&rule, &[&first, &second], 10);
    assert_eq!(ask(json!({"did": order, "exactly": 4})), [5]);
    assert_eq!(ask(json!({"did": order, "exactly": 2, "where": {"category": {"is": "tea"}}})), [5]);
    assert_eq!(ask(json!({"did_not": order, "within": "8h"})), [FAR + 1]);
    assert_eq!(ask(json!({"did": order, "within": "8h", "at_least": 2})), [5]);
    assert_eq!(ask(json!({"first": order, "has": {"category": {"is": "cups"}}})), [5]);
    // Of one instant the one that arrived later is the last.
    assert_eq!(ask(json!({"last": order, "has": {"category": {"is": "tea"}}})), [5, FAR + 1]);
    assert_eq!(ask(json!({"did": order, "distinct": "category", "at_least": 2})), [5]);
    assert_eq!(ask(json!({"first_time": order, "within": "9h"})), [FAR + 1]);
    assert_eq!(ask(json!({"none": [{"did": "Never Done"}]})), [5, FAR + 1]);
}

#[test]
fn sums_are_exact_whatever_the_numbers_look_like() {
    let paid = |revenue: Value| call(1, "Order Completed", &json!({"revenue": revenue}));
    let orders = [
        (5, paid(json!("0.1"))),
        (FAR, paid(json!(0.2))),
        (5, paid(json!("no number"))),
        (FAR + 1, paid(json!(0.300001))),
        (FAR + 1, call(1, "Order Completed", &json!({}))),
    ];
    let ask = |orders: &[(u32, Arc<Call>)], limit: &str| {
        members(&json!({"did": "Order Completed", "sum": "revenue", "at_least": limit}), &[orders], 2)
    };
    assert_eq!(ask(&orders, "0.3"), [5, FAR + 1]);
    assert_eq!(ask(&orders, "0.300001"), [FAR + 1]);
    // Finer and larger numbers than are summed as integers.
    let fine = [(5, paid(json!("0.00000000000000000001"))), (FAR + 1, paid(json!("79000000000000000000000000000")))];
    assert_eq!(ask(&fine, "0.00000000000000000001"), [5, FAR + 1]);
    assert_eq!(ask(&fine, "1"), [FAR + 1]);
}

/// What somebody did: which of three names, at which hour, and for how much.
type Done = (usize, i64, i64);

/// What one of two people had done by an hour: the first two names are the one's.
fn done_by(chunks: &[Vec<Done>], person: usize, now: i64) -> Vec<Done> {
    let is_theirs = |done: &&Done| (done.0 == 2) == (person == 1) && done.1 <= now;
    chunks.iter().flatten().filter(is_theirs).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Rules that are asked together share what is counted, chunk by chunk; what comes out is what counting one by one says.
    #[test]
    fn how_many_how_much_and_whether_are_as_counted_one_by_one(
        chunks in proptest::collection::vec(proptest::collection::vec((0_usize..3, 0_i64..40, 0_i64..5), 0..30), 1..5),
        windows in proptest::collection::vec((1_i64..45, 0_u32..6, 0_u32..4), 1..5),
        now in 5_i64..45,
    ) {
        let names = [5, FAR, FAR + 1];
        let paid = |done: &Done| (names[done.0], call(done.1, "Paid", &json!({"revenue": done.2})));
        let built: Vec<Vec<(u32, Arc<Call>)>> = chunks.iter().map(|chunk| chunk.iter().map(paid).collect()).collect();
        let built: Vec<&[(u32, Arc<Call>)]> = built.iter().map(Vec::as_slice).collect();
        let (mut rules, mut expected) = (Vec::new(), Vec::new());
        for (within, least, more) in windows {
            let (window, some, most) = (format!("{within}h"), least.max(1), least + more);
            rules.extend([
                json!({"did": "Paid", "at_least": some, "within": window}),
                json!({"did": "Paid", "at_most": most, "within": window}),
                json!({"did": "Paid", "exactly": least}),
                json!({"did": "Paid", "at_least": some, "where": {"revenue": {"above": 2}}, "within": window}),
                json!({"did": "Paid", "sum": "revenue", "above": least, "within": window}),
                json!({"first_time": "Paid", "within": window}),
            ]);
            let holds = |all: &[Done]| {
                let recent: Vec<&Done> = all.iter().filter(|done| done.1 > now - within).collect();
                let count = |some: &[&Done]| u32::try_from(some.len()).unwrap();
                let large: Vec<&Done> = recent.iter().copied().filter(|done| done.2 > 2).collect();
                [
                    count(&recent) >= some,
                    count(&recent) <= most,
                    u32::try_from(all.len()).unwrap() == least,
                    count(&large) >= some,
                    recent.iter().map(|done| done.2).sum::<i64>() > i64::from(least),
                    !all.is_empty() && recent.len() == all.len(),
                ]
            };
            let (one, other) = (holds(&done_by(&chunks, 0, now)), holds(&done_by(&chunks, 1, now)));
            for (one, other) in one.into_iter().zip(other) {
                expected.push([(one, 5), (other, FAR + 1)].into_iter().filter(|(holds, _)| *holds).map(|(_, id)| id).collect());
            }
        }
        let expected: Vec<Vec<u32>> = expected;
        prop_assert_eq!(each_of(&rules, &built, now), expected, "{:?} at hour {}", rules, now);
    }
}
