//! What a sender would see: what is taken, what is refused and why. The bodies in `recorded/` were
//! written by the real SDKs against a listening socket.

use super::*;
use domain::call::Source;
use proptest::prelude::*;
use serde_json::{Value, json};

const SEGMENT_NODE: &str = include_str!("recorded/segment-node-3.1.0.json");
const RUDDER_NODE: &str = include_str!("recorded/rudder-node-3.0.13.json");
const RUDDER_NODE_FIRST: &str = include_str!("recorded/rudder-node-3.0.13-first.json");
const SEGMENT_PYTHON: &str = include_str!("recorded/segment-python-2.4.0.json");

const NOW: &str = "2026-11-22T06:01:00.000Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// A shop's door, with the key that stands at it.
struct Visit {
    source: Source,
    options: DoorOptions,
    correct_skew: bool,
}

fn server() -> Visit {
    Visit { source: Source::new("shop", Trust::Server), options: DoorOptions::default(), correct_skew: true }
}

fn browser() -> Visit {
    Visit { source: Source::new("web", Trust::Browser), ..server() }
}

impl Visit {
    fn read(&self, endpoint: Endpoint, body: impl AsRef<[u8]>) -> Result<Reading, Refusal> {
        let door = Door {
            now: at(NOW),
            source: &self.source,
            fresh_id: &|index| format!("fresh-{index}"),
            options: &self.options,
            correct_skew: self.correct_skew,
        };
        read(body.as_ref(), endpoint, &door)
    }

    fn sends(&self, call: &Value) -> Result<Call, Refusal> {
        self.read(Endpoint::Any, call.to_string()).and_then(|mut reading| reading.items.remove(0))
    }

    fn batch(&self, calls: &[Value]) -> Reading {
        self.read(Endpoint::Batch, json!({ "batch": calls }).to_string()).unwrap()
    }
}

fn track(properties: &Value) -> Value {
    json!({"type": "track", "userId": "u1", "event": "Viewed", "properties": properties})
}

/// A track call whose properties are this very text.
fn raw_track(properties: &str) -> String {
    format!(r#"{{"type":"track","userId":"u1","event":"Viewed","properties":{properties}}}"#)
}

fn refused(reading: Result<Reading, Refusal>) -> Refusal {
    match reading {
        Err(refusal) => refusal,
        Ok(mut reading) => reading.items.remove(0).expect_err("the call is refused"),
    }
}

fn reason(outcome: Result<Call, Refusal>) -> &'static str {
    outcome.expect_err("the call is refused").reason
}

fn calls(reading: &Reading) -> Vec<&Call> {
    reading.items.iter().map(|item| item.as_ref().unwrap()).collect()
}

// The clients people use.

#[test]
fn every_call_of_the_real_sdks_is_taken_and_nothing_is_set_aside() {
    for (body, kinds) in [
        (SEGMENT_NODE, "identify page screen track track track group alias"),
        (RUDDER_NODE_FIRST, "identify"),
        (RUDDER_NODE, "page screen track track group alias"),
        (SEGMENT_PYTHON, "identify page screen track track track group alias"),
    ] {
        let reading = server().read(Endpoint::Batch, body).unwrap();
        assert_eq!(reading.set_aside, []);
        let calls = calls(&reading);
        assert_eq!(calls.iter().map(|call| call.kind.word()).collect::<Vec<_>>().join(" "), kinds);
        for call in calls {
            match call.kind {
                CallKind::Identify => {
                    assert_eq!(call.user_id.as_deref(), Some("u-1001"));
                    assert_eq!(call.anonymous_id.as_deref(), Some("anon-7f3c"));
                    assert_eq!(call.body_value()["address"]["city"], "Toronto");
                }
                CallKind::Page => {
                    assert_eq!(call.event.as_deref(), Some("Page Viewed"));
                    assert_eq!((&call.user_id, call.anonymous_id.as_deref()), (&None, Some("anon-7f3c")));
                    assert_eq!(call.body_value()["name"], "Product");
                    assert_eq!(call.body_value()["path"], "/tea/earl-grey");
                }
                CallKind::Screen => {
                    assert_eq!(call.event.as_deref(), Some("Screen Viewed"));
                    assert_eq!(call.body_value(), json!({"name": "Home", "tab": "deals"}));
                }
                CallKind::Track if call.event.as_deref() == Some("Order Completed") => {
                    assert_eq!(&*call.message_id, "dup-0001");
                    // The program gave this time: it stays exact although `sentAt` is today.
                    assert_eq!(call.timestamp, at("2026-01-15T09:30:00.000Z"));
                    assert_eq!(call.body_value()["products"][0]["price"], 12.5);
                }
                CallKind::Track => assert_eq!(call.event.as_deref(), Some("Product Viewed")),
                CallKind::Group => assert_eq!(call.other_id.as_deref(), Some("g-42")),
                CallKind::Alias => {
                    assert_eq!(call.user_id.as_deref(), Some("u-1001"));
                    assert_eq!(call.other_id.as_deref(), Some("anon-7f3c"));
                }
                CallKind::Record => unreachable!("no SDK sends records"),
            }
        }
    }
}

#[test]
fn the_key_is_found_in_the_body_wherever_it_stands() {
    assert_eq!(find_write_key(SEGMENT_NODE.as_bytes()).as_deref(), Some("wk_test"));
    assert_eq!(find_write_key(SEGMENT_PYTHON.as_bytes()).as_deref(), Some("wk_test"));
    assert_eq!(find_write_key(RUDDER_NODE.as_bytes()), None);
    let inner = r#"{"properties":{"writeKey":"theirs"},"note":"\"writeKey\":\"no\"","writeKey":"our\u0073"}"#;
    assert_eq!(find_write_key(inner.as_bytes()).as_deref(), Some("ours"));
    for broken in ["", "{", "[[[", "}", r#"{"writeKey"#, r#"{"writeKey":"x"#, r#"{"writeKey":7}"#, "\\", "\"\\"] {
        assert_eq!(find_write_key(broken.as_bytes()), None, "{broken}");
    }
    let reading = server().read(Endpoint::Batch, SEGMENT_NODE).unwrap();
    assert_eq!(reading.write_key.as_deref(), Some("wk_test"));
    assert_eq!(reading.sent_at, Some(at("2026-11-22T06:00:29.164Z")));
}

#[test]
fn the_address_decides_the_kind_where_the_call_does_not_and_both_must_agree() {
    let call = r#"{"anonymousId":"a","properties":{}}"#;
    let reading = server().read(Endpoint::One(CallKind::Page), call).unwrap();
    assert_eq!(calls(&reading)[0].kind, CallKind::Page);
    let other = server().read(Endpoint::One(CallKind::Page), r#"{"type":"track","userId":"u","event":"E"}"#);
    assert_eq!(
        refused(other).message,
        "at `type`: the address is for page calls, the call says track; send it to /v1/track or to /v1/batch"
    );
    assert_eq!(refused(server().read(Endpoint::Any, call)).reason, "bad_type");
    assert_eq!(reason(server().sends(&json!({"type": "Track", "userId": "u", "event": "E"}))), "bad_type");
}

#[test]
fn null_is_absent_everywhere_and_normal_inside() {
    let call = server()
        .sends(&json!({
            "type": "track", "userId": "u1", "anonymousId": null, "event": "Viewed", "messageId": null, "context": null,
            "timestamp": null, "sentAt": null, "integrations": null, "previousId": null, "name": null,
            "properties": {"price": null, "list": [null, {"x": null}]}
        }))
        .unwrap();
    assert_eq!((call.anonymous_id.clone(), call.context.is_none()), (None, true));
    assert_eq!(&*call.message_id, "fresh-0");
    assert_eq!(call.timestamp, at(NOW));
    assert_eq!(call.body.get(), r#"{"price":null,"list":[null,{"x":null}]}"#);
    let empty = server().sends(&json!({"type": "identify", "userId": "u1", "traits": null})).unwrap();
    assert_eq!(empty.body.get(), "{}");
}

// Item by item.

#[test]
fn a_batch_is_taken_or_refused_call_by_call() {
    let reading = server().batch(&[
        track(&json!({})),
        json!("not a call"),
        json!({"type": "track", "event": "Nobody", "messageId": "m-2"}),
        json!({"type": "track", "userId": "u1"}),
        json!(null),
        json!([[[]]]),
        json!({"type": "track", "userId": "u1", "event": "Viewed", "properties": {"products": [{"price": 1}, {"price": 99_007_199_254_740_993_u64}]}}),
        track(&json!({})),
    ]);
    let outcomes: Vec<&str> =
        reading.items.iter().map(|item| item.as_ref().map_or_else(|r| r.reason, |_| "ok")).collect();
    assert_eq!(outcomes, ["ok", "bad_shape", "no_id", "bad_name", "bad_shape", "bad_shape", "bad_number", "ok"]);
    let nobody = reading.items[2].as_ref().unwrap_err();
    assert_eq!((nobody.index, nobody.message_id.as_deref()), (2, Some("m-2")));
    assert_eq!(nobody.message, "at `batch[2]`: the call names nobody; send `userId` or `anonymousId`");
    assert_eq!(serde_json::from_str::<Value>(&nobody.raw).unwrap()["event"], "Nobody");
    let number = reading.items[6].as_ref().unwrap_err();
    assert_eq!(
        number.message,
        "at `batch[6].properties.products[1].price`: 99007199254740993 is beyond 2^53 and would lose digits; send it as text in quotes"
    );
    assert_eq!(&*reading.items[7].as_ref().unwrap().message_id, "fresh-7");
}

#[test]
fn a_body_that_is_no_batch_is_refused_as_a_whole_with_the_reason() {
    for (body, reason) in [
        ("", "bad_json"),
        ("hello", "bad_json"),
        (r#"{"batch":[{]}"#, "bad_json"),
        (r#"{"batch":[]} x"#, "bad_json"),
        ("[]", "bad_shape"),
        ("{}", "bad_shape"),
        (r#"{"batch":null}"#, "bad_shape"),
        (r#"{"batch":{}}"#, "bad_shape"),
        (r#"{"batch":[],"batch":[]}"#, "duplicate_key"),
        (r#"{"batch":[],"sentAt":"soon"}"#, "bad_time"),
    ] {
        assert_eq!(refused(server().read(Endpoint::Batch, body)).reason, reason, "{body}");
    }
    assert_eq!(refused(server().read(Endpoint::Batch, b"{\"batch\":[\"\xff\"]}")).reason, "bad_json");
    assert!(server().read(Endpoint::Batch, "\u{feff}{\"batch\":[]}").unwrap().items.is_empty());
    let nan = refused(server().read(Endpoint::Batch, r#"{"batch":[{"price": NaN}]}"#));
    assert!(nan.message.contains("NaN and Infinity are no JSON"), "{}", nan.message);
}

#[test]
fn what_nobody_reads_is_told_once() {
    let odd = json!({"type": "track", "userId": "u1", "event": "Paid", "revenue": 5, "traits": {"vip": true}});
    let reading = server().batch(&[odd.clone(), odd]);
    assert_eq!(calls(&reading).len(), 2);
    assert_eq!(
        reading.set_aside,
        [(0, "a track call has no field `traits`, `revenue`; it was left out: what belongs to the call goes into its properties, traits, attributes or context".to_owned())]
    );
    let misspelt = server().sends(&json!({"type": "track", "user_id": "u1", "event": "Paid"})).unwrap_err();
    assert_eq!(misspelt.message, "the call names nobody; send `userId` or `anonymousId`; `user_id` is not read");
}

#[test]
fn a_field_of_the_call_that_stands_twice_is_refused_and_of_two_properties_the_later_holds() {
    let twice = r#"{"type":"track","userId":"u1","event":"E","user\u0049d":"u2"}"#;
    let refusal = refused(server().read(Endpoint::Any, twice));
    assert_eq!(
        (refusal.reason, refusal.message.as_str()),
        ("duplicate_key", "at `userId`: `userId` stands twice; send it once")
    );
    let reading = server().read(Endpoint::Any, raw_track(r#"{"a":1,"a":2}"#)).unwrap();
    assert_eq!(calls(&reading)[0].body_value(), json!({"a": 2}));
}

// Who.

#[test]
fn each_kind_says_whom_it_needs() {
    let kinds = [
        (json!({"type": "page"}), "no_id"),
        (json!({"type": "identify", "userId": "", "anonymousId": ""}), "no_id"),
        (json!({"type": "alias", "userId": "u"}), "no_id"),
        (json!({"type": "alias", "previousId": "a", "anonymousId": "a"}), "no_id"),
        (json!({"type": "group", "userId": "u"}), "no_id"),
        (json!({"type": "group", "groupId": "g"}), "no_id"),
        (json!({"type": "record", "userId": "u", "kind": "pass"}), "no_id"),
        (json!({"type": "record", "userId": "u", "kind": "Pass!", "recordId": "p"}), "bad_name"),
        (json!({"type": "record", "kind": "pass", "recordId": "p"}), "no_id"),
        (json!({"type": "record", "userId": "u", "kind": "pass", "recordId": "p", "left": "yes"}), "bad_shape"),
    ];
    for (call, expected) in kinds {
        assert_eq!(reason(server().sends(&call)), expected, "{call}");
    }
    let record = server()
        .sends(&json!({"type": "record", "userId": "u1", "kind": "pass", "recordId": 77, "left": true,
            "attributes": {"status": "active", "expires": "2026-12-01T00:00:00Z"}}))
        .unwrap();
    let part = record.record.clone().unwrap();
    assert_eq!((&*part.kind, &*part.id, part.left, part.deleted), ("pass", "77", true, false));
    assert_eq!(record.body_value()["status"], "active");
    assert_eq!(record.event, None);
}

#[test]
fn ids_are_text_or_whole_numbers_and_neither_trimmed_nor_cleaned() {
    let id = |id: Value| server().sends(&json!({"type": "page", "userId": id}));
    for (given, kept) in
        [(json!(" A "), " A "), (json!(42), "42"), (json!("ß漢"), "ß漢"), (json!("__proto__"), "__proto__")]
    {
        assert_eq!(id(given).unwrap().user_id.as_deref(), Some(kept));
    }
    assert!(id(json!("é".repeat(256))).is_ok());
    for bad in [
        json!("é".repeat(257)),
        json!(1.5),
        json!(true),
        json!({}),
        json!(["u"]),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{7f}"),
        json!("undefined"),
        json!("null"),
    ] {
        assert_eq!(reason(id(bad.clone())), "bad_id", "{bad}");
    }
    assert_eq!(reason(id(json!(9_007_199_254_740_993_u64))), "bad_number");
}

// Time.

fn happened(call: &Value) -> String {
    server().sends(call).unwrap().timestamp.to_string()
}

fn timed(fields: &Value) -> Value {
    let mut call = track(&json!({}));
    call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    call
}

#[test]
fn a_wrong_clock_is_corrected_by_what_it_says_at_sending() {
    // Now is 06:01:00. The sender's clock is an hour ahead; it happened five seconds before the sending.
    for field in ["originalTimestamp", "timestamp"] {
        let ahead = timed(&json!({field: "2026-11-22T07:00:55Z", "sentAt": "2026-11-22T07:01:00Z"}));
        assert_eq!(happened(&ahead), "2026-11-22T06:00:55Z");
        let years_behind = timed(&json!({field: "1970-01-01T00:00:00Z", "sentAt": "1970-01-01T00:10:00Z"}));
        assert_eq!(happened(&years_behind), "2026-11-22T05:51:00Z");
        let without = timed(&json!({field: "2026-11-22T07:00:55Z"}));
        assert_eq!(happened(&without), "2026-11-22T07:00:55Z");
    }
    let in_batch =
        json!({"batch": [timed(&json!({"timestamp": "2026-11-22T07:00:55Z"}))], "sentAt": "2026-11-22T07:01:00Z"});
    let reading = server().read(Endpoint::Batch, in_batch.to_string()).unwrap();
    assert_eq!(calls(&reading)[0].timestamp.to_string(), "2026-11-22T06:00:55Z");
    let from_file = Visit { correct_skew: false, ..server() };
    let reading = from_file.read(Endpoint::Batch, in_batch.to_string()).unwrap();
    assert_eq!(calls(&reading)[0].timestamp.to_string(), "2026-11-22T07:00:55Z");
}

#[test]
fn a_time_that_was_given_stays_exact_to_the_millisecond() {
    let order = "2026-01-15T09:30:00.000Z";
    for fields in [
        // The journey and a repeated request are no wrong clock.
        json!({"timestamp": order, "sentAt": "2026-11-22T06:00:59.993Z"}),
        json!({"timestamp": order, "sentAt": "2026-11-22T05:59:01Z"}),
        json!({"originalTimestamp": order, "sentAt": "2026-11-22T06:00:59.993Z"}),
        // Both: the program said so (Rudder), or someone corrected it already (an archive).
        json!({"timestamp": order, "originalTimestamp": order, "sentAt": "2026-11-22T03:00:00Z"}),
        json!({"timestamp": order, "originalTimestamp": "2026-01-15T10:30:00Z", "sentAt": "2026-01-15T10:30:05Z"}),
        // A clock that wrote `sentAt` 1970 or 9999 did not write the timestamp.
        json!({"timestamp": order, "sentAt": "1970-01-01T00:00:00Z"}),
        json!({"timestamp": order, "sentAt": "9999-12-31T23:59:59Z"}),
        json!({"timestamp": order, "sentAt": "2026-11-22T09:00:00Z"}),
    ] {
        assert_eq!(happened(&timed(&fields)), "2026-01-15T09:30:00Z", "{fields}");
    }
}

#[test]
fn a_malformed_time_is_refused_with_advice_and_further_digits_are_cut() {
    for field in ["timestamp", "originalTimestamp", "sentAt"] {
        for bad in [
            json!("yesterday"),
            json!("2026-02-30T00:00:00Z"),
            json!("2026-01-15"),
            json!("2026-01-15T09:30:00"),
            json!(""),
            json!("10000-01-01T00:00:00Z"),
            json!("0000-01-01T00:00:00Z"),
            json!(1_768_469_400),
            json!({}),
            json!(true),
        ] {
            let refusal = server().sends(&timed(&json!({field: bad}))).unwrap_err();
            assert_eq!(refusal.reason, "bad_time", "{field}: {bad}");
            assert!(refusal.message.starts_with(&format!("at `{field}`: ")), "{}", refusal.message);
        }
    }
    for (given, read) in [
        ("2026-01-15T09:30:00.1239Z", "2026-01-15T09:30:00.123Z"),
        ("2026-01-15T10:30:00+01:00", "2026-01-15T09:30:00Z"),
        ("2026-11-22T06:00:41.789+00:00", "2026-11-22T06:00:41.789Z"),
        ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-30T22:00:00Z"),
    ] {
        assert_eq!(happened(&timed(&json!({"timestamp": given}))), read);
    }
}

#[test]
fn a_browser_dated_far_ahead_counts_on_arrival_and_a_server_may_date_ahead() {
    // T13.
    let call = timed(&json!({"timestamp": "9999-12-31T23:59:59Z", "context": {"locale": "en"}}));
    let reading = browser().read(Endpoint::Any, call.to_string()).unwrap();
    assert_eq!(calls(&reading)[0].timestamp, at(NOW));
    let context: Value = serde_json::from_str(calls(&reading)[0].context.as_ref().unwrap().get()).unwrap();
    assert_eq!(context, json!({"locale": "en", "perennial_original_timestamp": "9999-12-31T23:59:59Z"}));
    assert_eq!(reading.set_aside.len(), 1);
    let soon = timed(&json!({"timestamp": "2026-11-23T06:01:00Z"}));
    assert_eq!(browser().sends(&soon).unwrap().timestamp, at("2026-11-23T06:01:00Z"));
    assert_eq!(happened(&timed(&json!({"timestamp": "2027-06-01T00:00:00Z"}))), "2027-06-01T00:00:00Z");
    let long_ago = browser().sends(&timed(&json!({"timestamp": "1970-01-01T00:00:00Z"}))).unwrap();
    assert_eq!(long_ago.timestamp, Timestamp(0));
}

// Limits.

#[test]
fn deep_nesting_is_refused_without_recursion() {
    // T2.
    let bracket = "[".repeat(200_000);
    assert_eq!(refused(server().read(Endpoint::Any, &bracket)).reason, "bad_json");
    let closed = format!("{bracket}{}", "]".repeat(200_000));
    assert_eq!(refused(server().read(Endpoint::Batch, &closed)).reason, "bad_shape");
    let inside = refused(server().read(Endpoint::Any, raw_track(&format!("{{\"a\":{closed}}}"))));
    assert_eq!(inside.reason, "too_deep");
    assert!(inside.message.starts_with("at `properties.a[0][0]"), "{}", inside.message);
    let maps = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(refused(server().read(Endpoint::Any, raw_track(&maps))).reason, "too_deep");
    // The call is the first level, its properties the second.
    let nested = |levels: usize| raw_track(&format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels)));
    assert!(server().read(Endpoint::Any, nested(31)).unwrap().items[0].is_ok());
    assert_eq!(refused(server().read(Endpoint::Any, nested(32))).reason, "too_deep");
}

#[test]
fn nul_is_refused_in_ids_and_names_and_taken_out_of_values() {
    // T5.
    for call in [
        json!({"type": "track", "userId": "u\u{0}", "event": "E"}),
        json!({"type": "track", "userId": "u", "event": "E", "messageId": "\u{0}"}),
        json!({"type": "track", "userId": "u", "event": "E\u{0}"}),
        json!({"type": "page", "userId": "u", "name": "\u{0}"}),
        track(&json!({"a\u{0}b": 1})),
    ] {
        assert!(server().sends(&call).is_err(), "{call}");
    }
    let reading =
        server().read(Endpoint::Any, raw_track(r#"{"a":"x\u0000y","b":"\\u0000 \" ","c":["\u0000"]}"#)).unwrap();
    assert_eq!(calls(&reading)[0].body.get(), r#"{"a":"xy","b":"\\u0000 \" ","c":[""]}"#);
    assert_eq!(reading.set_aside, [(0, "`\\u0000` was taken out of texts in `properties`".to_owned())]);
    assert_eq!(refused(server().read(Endpoint::Any, raw_track("{\"a\":\"\u{0}\"}"))).reason, "bad_json");
}

#[test]
fn numbers_that_would_change_are_refused_with_their_path() {
    // T6.
    for bad in [
        "12345678901234567890123",
        "9007199254740993",
        "-9007199254740993",
        "1e999",
        "-1e999",
        "1e-400",
        &"1".repeat(5000),
    ] {
        let refusal = refused(server().read(Endpoint::Any, raw_track(&format!("{{\"n\":{bad}}}"))));
        assert_eq!(refusal.reason, "bad_number", "{bad}");
        assert!(refusal.message.starts_with("at `properties.n`: "), "{}", refusal.message);
    }
    for good in [
        "9007199254740992",
        "-9007199254740992",
        "0",
        "-0",
        "0e-400",
        "0.1",
        "1e300",
        "33.25",
        "1.7976931348623157e308",
    ] {
        assert!(
            server().read(Endpoint::Any, raw_track(&format!("{{\"n\":{good}}}"))).unwrap().items[0].is_ok(),
            "{good}"
        );
    }
    for no_json in ["NaN", "Infinity", "-Infinity", "01", "1.", "+1", ".5"] {
        assert_eq!(
            refused(server().read(Endpoint::Any, raw_track(&format!("{{\"n\":{no_json}}}")))).reason,
            "bad_json"
        );
    }
}

#[test]
fn half_a_character_is_refused_with_its_path() {
    for bad in [r#""\ud800""#, r#""\udc00""#, r#""\ud83d x""#, r#""\ud83d\n""#, r#""\ud83d\ud83d""#] {
        let refusal = refused(server().read(Endpoint::Any, raw_track(&format!("{{\"a\":[{bad}]}}"))));
        assert_eq!(refusal.reason, "bad_text");
        assert!(refusal.message.starts_with("at `properties.a[0]`: "), "{}", refusal.message);
        let in_id = format!(r#"{{"type":"page","userId":{bad}}}"#);
        assert_eq!(refused(server().read(Endpoint::Any, in_id)).reason, "bad_text");
    }
    let whole = server().read(Endpoint::Any, raw_track(r#"{"a":"\ud83d\ude00"}"#)).unwrap();
    assert_eq!(calls(&whole)[0].body_value()["a"], "😀");
}

#[test]
fn strange_keys_are_plain_data_and_empty_long_or_unprintable_ones_are_refused() {
    // T9.
    let strange =
        json!({"__proto__": {"admin": true}, "constructor": 1, "a.b": 2, "$set": 3, "ключ": 4, "with space": 5});
    assert_eq!(server().sends(&track(&strange)).unwrap().body_value(), strange);
    assert!(server().sends(&track(&json!({"é".repeat(128): 1}))).is_ok());
    for bad in [
        String::new(),
        "é".repeat(129),
        "k".repeat(10_000),
        "a\nb".to_owned(),
        "a\u{7f}".to_owned(),
        "\u{85}".to_owned(),
    ] {
        let refusal = server().sends(&track(&json!({"list": [{bad.clone(): 1}]}))).unwrap_err();
        assert_eq!(refusal.reason, "bad_name", "{bad}");
        assert!(refusal.message.starts_with("at `properties.list[0][\""), "{}", refusal.message);
        assert!(refusal.message.len() < 400 && !refusal.message.chars().any(char::is_control));
    }
}

#[test]
fn what_is_too_much_is_refused_and_the_rest_of_the_batch_kept() {
    // T10, T1.
    let keys = |count: usize| Value::Object((0..count).map(|i| (format!("k{i}"), json!(i))).collect());
    let list = |count: usize| json!({"list": vec![0; count]});
    let big = |bytes: usize| json!({"text": "x".repeat(bytes)});
    let reading = server().batch(&[
        track(&keys(500)),
        track(&keys(501)),
        track(&list(9_990)),
        track(&list(10_001)),
        track(&big(999_000)),
        track(&big(1_000_001)),
        json!({"type": "track", "userId": "u", "event": "E", "properties": list(6_000), "context": list(6_000)}),
        json!({"type": "track", "userId": "u", "event": "e".repeat(201)}),
        track(&json!({})),
    ]);
    let outcomes: Vec<&str> =
        reading.items.iter().map(|item| item.as_ref().map_or_else(|r| r.reason, |_| "ok")).collect();
    assert_eq!(
        outcomes,
        ["ok", "too_many_properties", "ok", "too_many_values", "ok", "too_large", "too_many_values", "bad_name", "ok"]
    );
    assert_eq!(reading.items[5].as_ref().unwrap_err().raw.len(), RAW_LIMIT);
    let fields: Value = Value::Object((0..501).map(|i| (format!("k{i}"), json!(i))).collect());
    assert_eq!(reason(server().sends(&fields)), "too_many_properties");
    let calls = vec![json!(1); BATCH_LIMIT + 1];
    let refusal = refused(server().read(Endpoint::Batch, json!({ "batch": calls }).to_string()));
    assert_eq!(refusal.reason, "too_many_calls");
}

#[test]
fn what_is_kept_stands_on_one_line() {
    let reading = server().read(Endpoint::Any, raw_track("{\n  \"a b\" : [ 1 ,\r\n\t\"x \\\" \\\\\" ]\n}")).unwrap();
    assert_eq!(calls(&reading)[0].body.get(), r#"{"a b":[1,"x \" \\"]}"#);
}

#[test]
fn the_name_and_category_of_a_page_are_properties_unless_the_sender_set_them() {
    let page = |properties: Value| json!({"type": "page", "userId": "u", "name": "Tea \"Earl\"", "category": "Shop", "properties": properties});
    let body = |call: &Value| server().sends(call).unwrap().body_value();
    assert_eq!(body(&page(json!(null))), json!({"name": "Tea \"Earl\"", "category": "Shop"}));
    assert_eq!(body(&page(json!({"a": 1, "name": "mine"}))), json!({"a": 1, "name": "mine", "category": "Shop"}));
    assert_eq!(reason(server().sends(&json!({"type": "page", "userId": "u", "name": 7}))), "bad_name");
}

// Trust.

#[test]
fn a_browser_may_not_send_what_is_worth_money_or_permission() {
    // T17.
    for event in [
        "Order Completed",
        "Order Refunded",
        "Order Updated",
        "Order Cancelled",
        "Consent Changed",
        "List Changed",
        "Conversation Opened",
        "Conversation Closed",
        "Complaint Opened",
        "Complaint Resolved",
        "Task Completed",
        "Message Sent",
        "Email Opened",
        "Email Marked as Spam",
        "Unsubscribed",
        "Points Earned",
        "Reward Redeemed",
        "Voucher Issued",
    ] {
        let call = json!({"type": "track", "anonymousId": "a", "event": event});
        let refusal = browser().sends(&call).unwrap_err();
        assert_eq!(refusal.reason, "needs_server_key", "{event}");
        assert!(refusal.message.starts_with("at `event`: "), "{}", refusal.message);
        assert!(server().sends(&call).is_ok());
    }
    let record = json!({"type": "record", "userId": "u", "kind": "pass", "recordId": "p"});
    assert_eq!(reason(browser().sends(&record)), "needs_server_key");
    for call in [
        json!({"type": "track", "anonymousId": "a", "event": "Product Viewed"}),
        json!({"type": "page", "anonymousId": "a", "name": "Order Completed"}),
        json!({"type": "group", "userId": "u", "groupId": "g"}),
        json!({"type": "alias", "userId": "u", "previousId": "a"}),
    ] {
        assert!(browser().sends(&call).is_ok(), "{call}");
    }
    let mut shop_without_server = browser();
    shop_without_server.options.browser_may_order = true;
    let order = |event: &str| json!({"type": "track", "userId": "u", "event": event});
    assert!(shop_without_server.sends(&order("Order Completed")).is_ok());
    assert_eq!(reason(shop_without_server.sends(&order("Order Refunded"))), "needs_server_key");
}

#[test]
fn a_browser_does_not_set_the_address_of_a_known_customer() {
    // T15.
    let traits = json!({"email": "eve@example.com", "points": 1_000_000, "marketingConsent": true, "consent_sms": 1, "tier": "gold",
        "plan": "x", "firstName": "Eve"});
    let known = json!({"type": "identify", "userId": "victim", "traits": traits});
    let reading = browser().read(Endpoint::Any, known.to_string()).unwrap();
    assert_eq!(calls(&reading)[0].body_value(), json!({"plan": "x", "firstName": "Eve"}));
    assert_eq!(reading.set_aside.len(), 5);
    assert_eq!(
        reading.set_aside[0].1,
        "the trait \"email\" of a known customer is not taken from a browser's key; send it with a server key"
    );
    let hidden = r#"{"type":"identify","userId":"v","traits":{"em\u0061il":"e@x","n":1}}"#;
    assert_eq!(calls(&browser().read(Endpoint::Any, hidden).unwrap())[0].body.get(), r#"{"n":1}"#);

    let visitor = json!({"type": "identify", "anonymousId": "a", "traits": traits});
    assert_eq!(browser().sends(&visitor).unwrap().body_value(), traits);
    assert_eq!(server().sends(&known).unwrap().body_value(), traits);
    let mut trusting = browser();
    trusting.options.browser_traits = vec!["email".to_owned()];
    assert_eq!(
        trusting.sends(&known).unwrap().body_value(),
        json!({"email": "eve@example.com", "plan": "x", "firstName": "Eve"})
    );
}

// Whatever comes.

#[test]
fn the_quick_way_to_read_a_time_agrees_with_the_calendar_library() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let millis = i64::try_from(state >> 16).unwrap() % 315_537_000_000_000 - 62_135_596_800_000;
        let text = format!("{:.3}", Timestamp(millis).as_jiff());
        if let Some(quick) = when::quick_for_test(&text) {
            assert_eq!(quick, Timestamp::parse(&text).unwrap(), "{text}");
        }
    }
    assert!(when::quick_for_test("2026-01-15T09:30:00.000Z").is_some());
}

fn check_reading(body: &[u8], outcome: Result<Reading, Refusal>) {
    let Ok(reading) = outcome else { return };
    for (place, item) in reading.items.iter().enumerate() {
        match item {
            Ok(call) => {
                assert!(call.body_value().is_object());
                if let Some(context) = &call.context {
                    assert!(serde_json::from_str::<Value>(context.get()).unwrap().is_object());
                }
                let line = serde_json::to_string(call).unwrap();
                assert!(!line.contains('\n') && !line.contains("\\u0000") || body.windows(2).any(|w| w == b"\\\\"));
                assert_eq!(serde_json::from_str::<Call>(&line).unwrap().message_id, call.message_id);
            }
            Err(refusal) => {
                assert_eq!(refusal.index, place);
                assert!(!refusal.message.is_empty() && refusal.raw.len() <= RAW_LIMIT);
            }
        }
    }
}

fn read_every_way(body: &[u8]) {
    let _ = find_write_key(body);
    for endpoint in [Endpoint::Any, Endpoint::Batch, Endpoint::One(CallKind::Page), Endpoint::One(CallKind::Record)] {
        check_reading(body, server().read(endpoint, body));
        check_reading(body, browser().read(endpoint, body));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(json!("2026-01-15T09:30:00Z")),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn any_call() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["track", "page", "screen", "identify", "group", "alias", "record"]);
    let fields = prop::sample::subsequence(
        vec![
            "userId",
            "anonymousId",
            "previousId",
            "groupId",
            "event",
            "name",
            "properties",
            "traits",
            "attributes",
            "context",
            "messageId",
            "timestamp",
            "originalTimestamp",
            "sentAt",
            "recordId",
            "deleted",
            "other",
        ],
        0..8,
    );
    (kind, fields, prop::collection::vec(any_json(), 8)).prop_map(|(kind, fields, values)| {
        let mut call = json!({"type": kind, "userId": "u1", "event": "E", "kind": "pass", "recordId": "r", "groupId": "g", "previousId": "p"});
        let entries = call.as_object_mut().unwrap();
        entries.extend(fields.into_iter().map(str::to_owned).zip(values));
        call
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_at_all_bring_the_door_down(body in prop::collection::vec(any::<u8>(), 0..300)) {
        read_every_way(&body);
    }

    #[test]
    fn no_json_brings_the_door_down(text in r#"[\[\]{}",:\\u0dD8ne1.\- tr]{0,60}"#) {
        read_every_way(text.as_bytes());
        read_every_way(raw_track(&text).as_bytes());
    }

    #[test]
    fn no_damage_to_a_real_body_brings_the_door_down(
        which in 0_usize..4,
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 1..6),
    ) {
        let mut body = [SEGMENT_NODE, RUDDER_NODE, RUDDER_NODE_FIRST, SEGMENT_PYTHON][which].as_bytes().to_vec();
        for (place, byte, how) in cuts {
            let place = place.index(body.len());
            match how {
                0 => body[place] = byte,
                1 => body.insert(place, byte),
                _ => { body.remove(place); }
            }
        }
        read_every_way(&body);
    }

    #[test]
    fn whatever_a_call_holds_it_is_taken_whole_or_refused(calls in prop::collection::vec(any_call(), 1..4)) {
        for call in &calls {
            read_every_way(call.to_string().as_bytes());
            let pretty = serde_json::to_string_pretty(call).unwrap();
            read_every_way(pretty.as_bytes());
            if let Ok(taken) = server().sends(call)
                && taken.kind == CallKind::Track
                && !taken.body.get().is_empty()
                && call["properties"].is_object()
                && !call["properties"].to_string().contains("\\u0000")
            {
                prop_assert_eq!(taken.body_value(), call["properties"].clone());
            }
        }
        read_every_way(json!({ "batch": calls }).to_string().as_bytes());
    }
}

/// Prints nanoseconds per call; run by hand: `cargo test --release -- --ignored --nocapture the_cost_of`.
#[test]
#[ignore = "measures, asserts nothing"]
fn the_cost_of_a_call() {
    let call = |i: usize| {
        format!(
            r#"{{"timestamp":"2026-11-22T06:00:29.160Z","integrations":{{}},"event":"Product Viewed","type":"track","properties":{{"product_id":"p-{i}","sku":"TEA-EG-100","category":"tea/black","name":"Earl Grey 100 g","price":12.5,"quantity":2,"currency":"CAD"}},"context":{{"library":{{"name":"analytics-node","version":"3.1.0"}}}},"userId":"u-{i}","messageId":"node-next-1795327229160-549f7224-7a09-4191-b2d8-{i:012}"}}"#
        )
    };
    let calls: Vec<String> = (0..1_000).map(call).collect();
    let body =
        format!("{{\"batch\":[{}],\"writeKey\":\"wk\",\"sentAt\":\"2026-11-22T06:00:30.000Z\"}}", calls.join(","));
    let (visit, rounds) = (server(), 300);
    let start = std::time::Instant::now();
    let taken: usize =
        (0..rounds).map(|_| visit.read(Endpoint::Batch, &body).unwrap().items.iter().flatten().count()).sum();
    let batch = start.elapsed().as_nanos() / taken as u128;
    let start = std::time::Instant::now();
    let taken: usize = (0..rounds)
        .flat_map(|_| calls.iter())
        .map(|call| visit.read(Endpoint::Any, call).unwrap().items.iter().flatten().count())
        .sum();
    let single = start.elapsed().as_nanos() / taken as u128;
    println!("{} bytes a call: {batch} ns in a batch, {single} ns alone", calls[0].len());
}
