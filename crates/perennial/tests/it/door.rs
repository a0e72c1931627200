//! The door as SDKs, browsers and attackers see it. T-numbers are those of the list of attacks.

use crate::house::{House, basic, gzip};
use axum::body::Body;
use axum::http::{Method, Request};
use perennial::api::tracking::{BODY_LIMIT, WIRE_LIMIT};
use serde_json::{Value, json};
use store::Reception;

fn track(user: &str, event: &str, properties: Value) -> Value {
    json!({ "type": "track", "userId": user, "event": event, "properties": properties })
}

fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path)
}

#[test]
fn every_call_and_its_short_form_is_answered_with_exactly_what_sdks_expect() {
    let house = House::new();
    let key = house.key("server");
    let calls = [
        ("identify", "i", json!({ "userId": "ana", "traits": { "plan": "gold" } })),
        ("track", "t", json!({ "userId": "ana", "event": "Product Viewed" })),
        ("page", "p", json!({ "userId": "ana", "name": "Home" })),
        ("screen", "s", json!({ "userId": "ana", "name": "Home" })),
        ("group", "g", json!({ "userId": "ana", "groupId": "acme" })),
        ("alias", "a", json!({ "userId": "ana", "previousId": "visitor-1" })),
        (
            "record",
            "record",
            json!({ "userId": "ana", "kind": "pass", "recordId": "p-1", "attributes": { "status": "active" } }),
        ),
    ];
    for (long, short, call) in calls {
        for path in [long, short] {
            let answer = house.send(&format!("/v1/{path}"), &key, call.to_string());
            answer.assert_success();
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    for path in ["batch", "b", "import"] {
        let body = json!({ "batch": [track("ana", "Product Viewed", json!({}))] });
        house.send(&format!("/v1/{path}"), &key, body.to_string()).assert_success();
    }
    house.batch(&key, &[]).assert_success();
    assert_eq!(house.events("ana", "Product Viewed").len(), 5);
    assert_eq!(house.tally(Reception::Accepted), 17);
}

#[test]
fn a_body_is_read_by_looking_at_it_whatever_it_is_called() {
    let house = House::new();
    let key = house.key("server");
    let body = track("ana", "Product Viewed", json!({})).to_string();
    let labels = [
        (vec![], body.clone().into_bytes()),
        (vec![("content-type", "text/plain")], body.clone().into_bytes()),
        (vec![("content-type", "application/x-www-form-urlencoded")], body.clone().into_bytes()),
        // Sent gzipped without saying so: one SDK does.
        (vec![("content-type", "application/json")], gzip(body.as_bytes())),
        (vec![("content-type", "application/json"), ("content-encoding", "gzip")], gzip(body.as_bytes())),
        // And the other way round.
        (vec![("content-encoding", "gzip")], body.clone().into_bytes()),
    ];
    let sent = labels.len();
    for (headers, body) in labels {
        let mut request = post("/v1/track").header("authorization", basic(&key));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        house.ask(request.body(Body::from(body)).unwrap()).assert_success();
    }
    assert_eq!(house.events("ana", "Product Viewed").len(), sent);
}

#[test]
fn a_key_may_stand_in_the_header_the_body_or_the_address_and_a_wrong_one_is_told() {
    let house = House::new();
    let key = house.key("browser");
    let call = |write_key: Option<&str>| {
        let mut call = track("ana", "Product Viewed", json!({}));
        if let Some(write_key) = write_key {
            call["writeKey"] = write_key.into();
        }
        call.to_string()
    };
    house.send("/v1/t", &key, call(None)).assert_success();
    house
        .ask(post("/v1/t").header("authorization", format!("Bearer {key}")).body(call(None).into()).unwrap())
        .assert_success();
    house.ask(post("/v1/t").body(call(Some(&key)).into()).unwrap()).assert_success();
    house.ask(post(&format!("/v1/t?writeKey={key}")).body(call(None).into()).unwrap()).assert_success();
    let batch = json!({ "writeKey": key, "batch": [track("ana", "Product Viewed", json!({}))] });
    house.ask(post("/v1/batch").body(gzip(batch.to_string().as_bytes()).into()).unwrap()).assert_success();
    assert_eq!(house.events("ana", "Product Viewed").len(), 5);

    // No key ends in a 0: with a letter of theirs one key in thirty-two would be right after all.
    let wrong_secret = format!("{}0", &key[..key.len() - 1]);
    for wrong in ["wk_test", "", &wrong_secret, "pk_aaaaaa_bbbbbbbbbbbbbbbbbbbb", "ключ"] {
        house.send("/v1/t", wrong, call(None)).assert_refused(401, "bad_key");
        house.ask(post("/v1/t").body(call(Some(wrong)).into()).unwrap()).assert_refused(401, "bad_key");
    }
    house.ask(post("/v1/t").body(call(None).into()).unwrap()).assert_refused(401, "bad_key");
    house
        .ask(post("/v1/t").header("authorization", "Basic ???").body(call(None).into()).unwrap())
        .assert_refused(401, "bad_key");
    assert_eq!(house.events("ana", "Product Viewed").len(), 5, "nothing of a stranger counts");

    let id = perennial::keys::id_of(&key).unwrap().to_owned();
    house.manage(Method::DELETE, &format!("/api/keys/{id}"), None);
    house.send("/v1/t", &key, call(None)).assert_refused(401, "bad_key");
}

#[test]
fn any_page_may_send_without_cookies_and_none_may_manage() {
    let house = House::new();
    let key = house.key("browser");
    let origin = "https://shop.example";
    let preflight = |path: &str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap()
    };
    for path in ["/v1/t", "/v1/batch", "/v1/p"] {
        let answer = house.ask(preflight(path));
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(answer.header("access-control-allow-headers").unwrap().contains("content-type"));
        assert!(answer.header("access-control-allow-credentials").is_none());
    }
    let answer = house.ask(
        post("/v1/t")
            .header("origin", origin)
            .header("authorization", basic(&key))
            .body(track("ana", "X", json!({})).to_string().into())
            .unwrap(),
    );
    answer.assert_success();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    // Also where it is refused: else the page cannot read why.
    let answer = house.ask(post("/v1/t").header("origin", origin).body("{}".into()).unwrap());
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, Some("*")));

    // T21: managing and the pages say nothing to other origins, with a token or without.
    let token = format!("Bearer {}", house.open().app.token);
    for path in ["/api/customers", "/api/definitions", "/", "/customers", "/segments"] {
        for method in [Method::OPTIONS, Method::GET, Method::POST] {
            for token in [None, Some(&token)] {
                let mut request = Request::builder()
                    .method(method.clone())
                    .uri(path)
                    .header("origin", origin)
                    .header("host", "127.0.0.1:7700");
                if let Some(token) = token {
                    request = request.header("authorization", token);
                }
                let answer = house.ask(request.body(Body::empty()).unwrap());
                for name in
                    ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers"]
                {
                    assert!(answer.header(name).is_none(), "{method} {path} answers with {name}");
                }
            }
        }
    }
}

#[test]
fn the_browser_sdk_is_told_to_send_everything_here_and_nowhere_else() {
    let house = House::with(|config| config.server.public_url = "https://hello.example.com/".to_owned());
    let key = house.key("browser");
    let answer = house.ask(Request::get(format!("/v1/projects/{key}/settings")).body(Body::empty()).unwrap());
    assert_eq!(answer.status, 200);
    let integrations = answer.json()["integrations"].as_object().unwrap().clone();
    assert_eq!(integrations.keys().collect::<Vec<_>>(), ["Segment.io"]);
    assert_eq!(integrations["Segment.io"]["apiHost"], "hello.example.com/v1");
    assert_eq!(integrations["Segment.io"]["protocol"], "https");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    house.ask(Request::get("/v1/projects/nobody/settings").body(Body::empty()).unwrap()).assert_refused(401, "bad_key");
}

#[test]
fn a_batch_is_taken_item_by_item_and_what_is_refused_is_kept() {
    let house = House::new();
    let key = house.key("server");
    let answer = house.batch(
        &key,
        &[
            track("ana", "Product Viewed", json!({})),
            json!({ "type": "track", "event": "Product Viewed" }),
            track("ana", "", json!({})),
            json!({ "type": "dance", "userId": "ana" }),
            json!(17),
            track("ben", "Product Viewed", json!({})),
        ],
    );
    assert_eq!(answer.status, 200);
    let told = answer.json();
    assert_eq!((&told["success"], &told["accepted"], &told["duplicates"]), (&json!(true), &json!(2), &json!(0)));
    let codes: Vec<_> = told["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["index"].as_u64().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(codes, [(1, "no_id"), (2, "bad_name"), (3, "bad_type"), (4, "bad_shape")]);
    assert_eq!((house.events("ana", "Product Viewed").len(), house.events("ben", "Product Viewed").len()), (1, 1));

    let kept = house.refused();
    assert_eq!(
        kept.iter().map(|one| one.reason.as_str()).collect::<Vec<_>>(),
        ["no_id", "bad_name", "bad_type", "bad_shape"]
    );
    assert_eq!(kept[0].raw, r#"{"type":"track","event":"Product Viewed"}"#);
    assert_eq!((kept[0].source.as_str(), house.tally(Reception::Refused)), ("server", 4));

    // One call alone that is refused, and a batch of nothing else, are no success.
    house.call(&key, json!({ "type": "track", "event": "Product Viewed" })).assert_refused(400, "no_id");
    let answer = house.batch(&key, &[json!(1), json!(2)]);
    answer.assert_refused(400, "bad_shape");
    assert_eq!(answer.json()["refused"].as_array().unwrap().len(), 2);
    house.send("/v1/batch", &key, r#"{"batch": 5}"#).assert_refused(400, "bad_shape");
    house.send("/v1/batch", &key, "").assert_refused(400, "bad_json");
    house.send("/v1/track", &key, "<xml/>").assert_refused(400, "bad_json");
    assert_eq!(house.tally(Reception::Refused), 10, "each is counted and kept");
    assert_eq!(house.refused().len(), 10);
}

#[test]
fn too_large_bodies_are_refused_while_they_arrive_t1_t3() {
    let house = House::new();
    let key = house.key("server");
    // It says that it is too large: refused before a byte of it is read.
    let request = post("/v1/batch")
        .header("authorization", basic(&key))
        .header("content-length", "104857600")
        .body(Body::empty())
        .unwrap();
    let answer = house.ask(request);
    answer.assert_refused(413, "too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    house.send("/v1/batch", &key, vec![b' '; WIRE_LIMIT + 1]).assert_refused(413, "too_large");

    // A bomb: small on the wire, large unpacked.
    let bomb = gzip(&vec![b' '; BODY_LIMIT + 1]);
    assert!(bomb.len() < 20_000);
    house.send("/v1/batch", &key, bomb).assert_refused(413, "too_large");
    house.send("/v1/batch", &key, gzip(&gzip(b"{\"batch\":[]}"))).assert_refused(415, "packed_twice");
    for encoding in ["br", "zstd", "deflate", "gzip, gzip", "gzip, br"] {
        let request = post("/v1/batch")
            .header("authorization", basic(&key))
            .header("content-encoding", encoding)
            .body("x".into())
            .unwrap();
        house.ask(request).assert_refused(415, "bad_encoding");
    }
    let cut = gzip(track("ana", "X", json!({})).to_string().as_bytes());
    house.send("/v1/track", &key, cut[..cut.len() / 2].to_vec()).assert_refused(400, "bad_gzip");

    // One call above 1 MB is refused; the rest of its batch is kept.
    let large = track("ana", "Large", json!({ "text": "x".repeat(1_100_000) }));
    let answer = house.batch(&key, &[track("ana", "Before", json!({})), large, track("ana", "After", json!({}))]);
    let told = answer.json();
    assert_eq!(
        (&told["accepted"], &told["refused"][0]["code"], &told["refused"][0]["index"]),
        (&json!(2), &json!("too_large"), &json!(1))
    );
    assert_eq!(
        (house.events("ana", "Before").len(), house.events("ana", "After").len(), house.events("ana", "Large").len()),
        (1, 1, 0)
    );
    assert!(house.refused().iter().all(|one| one.raw.len() <= 16 * 1024));
}

#[test]
fn nesting_beyond_reason_is_refused_t2() {
    let house = House::new();
    let key = house.key("server");
    house.send("/v1/track", &key, "[".repeat(200_000)).assert_refused(400, "bad_json");
    for depth in [40, 200, 100_000] {
        let nested = format!(
            "{{\"userId\":\"ana\",\"event\":\"Deep\",\"properties\":{{\"a\":{}1{}}}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let answer = house.send("/v1/track", &key, nested);
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    let fits = format!(
        "{{\"userId\":\"ana\",\"event\":\"Deep\",\"properties\":{{\"a\":{}1{}}}}}",
        "[".repeat(20),
        "]".repeat(20)
    );
    house.send("/v1/track", &key, fits).assert_success();
    assert_eq!(house.events("ana", "Deep").len(), 1);
}

#[test]
fn what_serde_lets_through_and_no_program_expects_t5_t6() {
    let house = House::new();
    let key = house.key("server");
    // NUL names nobody and nothing; in a value it is taken out, and said so.
    house.send("/v1/track", &key, r#"{"userId":"a\u0000b","event":"X"}"#).assert_refused(400, "bad_id");
    house.send("/v1/track", &key, r#"{"userId":"ana","event":"X\u0000"}"#).assert_refused(400, "bad_name");
    let answer = house.send("/v1/identify", &key, r#"{"userId":"ana","traits":{"email":"an\u0000a@example.com"}}"#);
    answer.assert_success();
    assert!(answer.header("x-perennial-set-aside").unwrap().contains("u0000"));
    assert_eq!(house.get("/api/customers/ana")["traits"]["email"], "ana@example.com");

    for (number, code) in [
        ("NaN", "bad_json"),
        ("Infinity", "bad_json"),
        ("1e999", "bad_number"),
        ("12345678901234567890123", "bad_number"),
        ("9007199254740993", "bad_number"),
        ("1e-400", "bad_number"),
    ] {
        let answer = house.send(
            "/v1/track",
            &key,
            format!("{{\"userId\":\"ana\",\"event\":\"Number\",\"properties\":{{\"n\":{number}}}}}"),
        );
        assert_eq!(answer.status, 400, "{number}");
        // serde_json refuses 1e999 itself.
        assert!([code, "bad_json"].contains(&answer.json()["code"].as_str().unwrap()), "{number}: {}", answer.text());
    }
    for lone in [
        r#"{"userId":"ana","event":"Number","properties":{"t":"\ud83d"}}"#,
        "{\"userId\":\"ana\",\"event\":\"Number\",\"properties\":{\"t\":\"\u{0}\"}}",
    ] {
        assert_eq!(house.send("/v1/track", &key, lone).status, 400, "{lone}");
    }
    let bad_utf8 = b"{\"userId\":\"ana\",\"event\":\"Number\",\"properties\":{\"t\":\"\xff\xfe\"}}".to_vec();
    assert_eq!(house.send("/v1/track", &key, bad_utf8).status, 400);
    assert!(house.events("ana", "Number").is_empty());
    // T9: names that hurt other programs are names like others.
    house
        .send(
            "/v1/track",
            &key,
            r#"{"userId":"__proto__","event":"constructor","properties":{"__proto__":{"admin":true},"a.b":1}}"#,
        )
        .assert_success();
    assert_eq!(house.events("__proto__", "constructor").len(), 1);
    house.send("/v1/track", &key, r#"{"userId":"undefined","event":"X"}"#).assert_refused(400, "bad_id");
}

#[test]
fn a_message_id_counts_once_and_other_content_under_it_is_counted_as_such_t11() {
    let house = House::new();
    let key = house.key("server");
    let call = |price: u32| json!({ "type": "track", "messageId": "once", "userId": "ana", "event": "Product Viewed", "properties": { "price": price }, "timestamp": "2026-01-01T00:00:00Z" });
    let same: Vec<Value> = (0..100).map(|_| call(5)).collect();
    for _ in 0..10 {
        house.batch(&key, &same).assert_success();
    }
    house.call(&key, call(7)).assert_success();
    assert_eq!(house.events("ana", "Product Viewed").len(), 1);
    assert_eq!(house.events("ana", "Product Viewed")[0]["properties"]["price"], 5);
    let ends = [Reception::Accepted, Reception::Duplicate, Reception::DuplicateDiffers, Reception::Refused]
        .map(|reception| house.tally(reception));
    assert_eq!(ends, [1, 999, 1, 0]);
    let told = house.batch(&key, &[call(5), json!(1)]).json();
    assert_eq!((&told["accepted"], &told["duplicates"]), (&json!(0), &json!(1)));
}

#[test]
fn a_browsers_clock_ahead_is_set_right_and_the_past_is_history_t13() {
    let house = House::new();
    let (browser, server) = (house.key("browser"), house.key("server"));
    let at = |user: &str, timestamp: &str| json!({ "type": "track", "userId": user, "event": "Seen", "timestamp": timestamp });
    let now = house.open().handle().now();
    let near = |text: &str| domain::Timestamp::parse(text).unwrap().since(now).0.abs() < 60_000;
    let time = |user: &str| house.events(user, "Seen")[0]["time"].as_str().unwrap().to_owned();

    let answer = house.call(&browser, at("far", "9999-12-31T23:59:59Z"));
    answer.assert_success();
    assert!(answer.header("x-perennial-set-aside").unwrap().contains("9999"));
    assert!(near(&time("far")), "{}", time("far"));
    house.call(&browser, at("old", "1970-01-01T00:00:00Z")).assert_success();
    assert_eq!(time("old"), "1970-01-01T00:00:00Z");
    for (wrong, code) in [("tomorrow", "bad_time"), ("2026-13-45T00:00:00Z", "bad_time")] {
        house.call(&server, at("ana", wrong)).assert_refused(400, code);
    }
    house
        .call(&server, json!({ "type": "track", "userId": "ana", "event": "Seen", "timestamp": 1_700_000_000 }))
        .assert_refused(400, "bad_time");

    // `sentAt` says how wrong the sender's clock is: an hour slow here, and the event a minute before it was sent.
    let slow = now.minus(domain::Span::hours(1));
    let body = json!({ "sentAt": slow.to_string(), "batch": [at("skewed", &slow.minus(domain::Span::minutes(1)).to_string())] });
    house.send("/v1/batch", &browser, body.to_string()).assert_success();
    let corrected = domain::Timestamp::parse(&time("skewed")).unwrap();
    assert!((corrected.since(now).0 + 60_000).abs() < 30_000, "{corrected}");
}

#[test]
fn a_browser_key_cannot_buy_refund_consent_or_give_points_t17_t14() {
    let house = House::new();
    let (browser, server) = (house.key("browser"), house.key("server"));
    let forged = [
        track("ana", "Order Completed", json!({ "order_id": "o-1", "revenue": 10_000 })),
        track("ana", "Order Refunded", json!({ "order_id": "o-1" })),
        track("ana", "Order Cancelled", json!({ "order_id": "o-1" })),
        track("ana", "Points Earned", json!({ "points": 1_000_000 })),
        track("ana", "Reward Granted", json!({})),
        track("ana", "Voucher Issued", json!({})),
        track("ana", "Consent Changed", json!({ "purpose": "marketing", "status": "granted" })),
        track("ana", "List Changed", json!({ "list": "vip", "member": true })),
        track("ana", "Conversation Closed", json!({})),
        track("ana", "Complaint Resolved", json!({})),
        track("ana", "Message Sent", json!({})),
        track("ana", "Email Bounced", json!({})),
        track("ana", "Unsubscribed", json!({})),
        json!({ "type": "record", "userId": "ana", "kind": "pass", "recordId": "p-1", "attributes": { "status": "active" } }),
    ];
    for call in &forged {
        house.call(&browser, call.clone()).assert_refused(400, "needs_server_key");
    }
    let mut mixed = forged.to_vec();
    mixed.push(track("ana", "Product Viewed", json!({})));
    let told = house.batch(&browser, &mixed).json();
    assert_eq!((told["accepted"].as_u64(), told["refused"].as_array().unwrap().len()), (Some(1), forged.len()));
    assert!(house.events("ana", "Order Completed").is_empty());
    assert_eq!(house.refused().len(), 2 * forged.len());
    for call in &forged {
        house.call(&server, call.clone()).assert_success();
    }
    assert_eq!(house.events("ana", "Order Completed").len(), 1);

    // T14: a browser cannot make one person of two customers; a server can.
    house.batch(&server, &[track("mallory", "X", json!({})), track("victim", "X", json!({}))]).assert_success();
    let alias = json!({ "type": "alias", "userId": "mallory", "previousId": "victim" });
    house.call(&browser, alias.clone()).assert_refused(400, "needs_server_key");
    assert_ne!(house.get("/api/customers/mallory")["id"], house.get("/api/customers/victim")["id"]);
    house.call(&server, alias).assert_success();
    assert_eq!(house.get("/api/customers/mallory")["id"], house.get("/api/customers/victim")["id"]);
}

#[test]
fn a_browser_key_cannot_set_the_address_of_a_known_customer_t15() {
    let house = House::new();
    let (browser, server) = (house.key("browser"), house.key("server"));
    house
        .call(
            &server,
            json!({ "type": "identify", "userId": "ana", "traits": { "email": "ana@example.com", "points": 5 } }),
        )
        .assert_success();
    let forged = json!({ "email": "mallory@example.com", "marketing_consent": true, "points_balance": 1_000_000, "Tier": "gold", "role": "admin", "favourite": "oolong" });
    let answer = house.call(&browser, json!({ "type": "identify", "userId": "ana", "traits": forged }));
    answer.assert_success();
    assert!(answer.header("x-perennial-set-aside").unwrap().contains("email"));
    let traits = house.get("/api/customers/ana")["traits"].clone();
    assert_eq!(traits, json!({ "email": "ana@example.com", "points": 5, "favourite": "oolong" }));

    let house = House::with(|config| {
        config.ingest.browser_traits = vec!["email".to_owned()];
        config.ingest.browser_may_order = true;
    });
    let browser = house.key("browser");
    house
        .call(
            &browser,
            json!({ "type": "identify", "userId": "ana", "traits": { "email": "ana@example.com", "role": "admin" } }),
        )
        .assert_success();
    assert_eq!(house.get("/api/customers/ana")["traits"], json!({ "email": "ana@example.com" }));
    house.call(&browser, track("ana", "Order Completed", json!({}))).assert_success();
    house.call(&browser, track("ana", "Order Refunded", json!({}))).assert_refused(400, "needs_server_key");
}

#[test]
fn managing_needs_the_token_of_the_data_directory() {
    let house = House::new();
    let key = house.key("server");
    for path in ["/api/customers", "/api/keys", "/api/definitions", "/api/decisions", "/api/customers/ana"] {
        for authorization in [
            None,
            Some("Bearer ".to_owned()),
            Some("Bearer 0000".to_owned()),
            Some(format!("Bearer {key}")),
            Some(basic(&key)),
        ] {
            let mut request = Request::get(path);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            house.ask(request.body(Body::empty()).unwrap()).assert_refused(401, "bad_token");
        }
    }
    // T74: what is answered is nobody else's to keep.
    let request = Request::get("/api/customers")
        .header("authorization", format!("Bearer {}", house.open().app.token))
        .body(Body::empty())
        .unwrap();
    assert_eq!(house.ask(request).header("cache-control"), Some("no-store"));
}

#[test]
fn pages_are_strict_and_nobody_keeps_them_t54_t73_t74() {
    let house = House::new();
    let key = house.key("server");
    house.call(&key, json!({ "type": "identify", "userId": "<img src=x onerror=alert(1)>", "traits": { "name": "<script>alert(1)</script>" } })).assert_success();
    for path in ["/", "/login", "/customers", "/sources", "/nowhere", "/campaigns/%3Cscript%3E"] {
        let answer = house.ask(Request::get(path).header("host", "127.0.0.1:7700").body(Body::empty()).unwrap());
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'self'",
            "script-src 'self'",
            "object-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(!answer.text().contains("<script>alert"), "{path}");
    }
    // A stranger sees the login and nothing of the customers; another host name (DNS rebinding) not even that.
    let stranger = house.ask(Request::get("/customers").header("host", "127.0.0.1:7700").body(Body::empty()).unwrap());
    assert!(stranger.status != 200 || !stranger.text().contains("onerror"), "{}", stranger.text());
    let rebound = house.ask(Request::get("/login").header("host", "evil.example").body(Body::empty()).unwrap());
    assert!((400..500).contains(&rebound.status), "{}", rebound.status);

    // Logged in, what customers call themselves is text.
    let link = house.open().sessions.issue_link(jiff::Timestamp::now());
    let landing =
        house.ask(Request::get(format!("/login/{link}")).header("host", "127.0.0.1:7700").body(Body::empty()).unwrap());
    assert_eq!(landing.status, 200, "{}", landing.text());
    let logged_in = house.ask(
        Request::post("/login")
            .header("host", "127.0.0.1:7700")
            .header("origin", "http://127.0.0.1:7700")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={link}")))
            .unwrap(),
    );
    let cookie = logged_in
        .header("set-cookie")
        .unwrap_or_else(|| panic!("no session: {} {}", logged_in.status, logged_in.text()))
        .to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let customers = house.ask(
        Request::get("/customers")
            .header("host", "127.0.0.1:7700")
            .header("cookie", cookie)
            .body(Body::empty())
            .unwrap(),
    );
    assert_eq!(customers.status, 200);
    let html = customers.text();
    assert!(html.contains("alert(1)") && !html.contains("<script>alert(1)") && !html.contains("<img src=x"), "{html}");
}

#[test]
fn errors_tell_what_to_do_and_nothing_of_the_inside_t77_t57() {
    let house = House::new();
    let token = format!("Bearer {}", house.open().app.token);
    let ask = |method: &str, path: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", &token)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        house.ask(request)
    };
    let answers = [
        ask("GET", "/api/customers/nobody", ""),
        ask("GET", "/api/segments/no-such/count", ""),
        ask("GET", "/api/segments/..%2F..%2Fetc/count", ""),
        ask("GET", "/api/segments/x/count?as_of=yesterday", ""),
        ask("GET", "/api/customers?find=x&role=admin", ""),
        ask("POST", "/api/keys", r#"{"kind":"server","source":"x","trust":"perennial"}"#),
        ask("POST", "/api/keys", r#"{"kind":"root","source":"x"}"#),
        ask("POST", "/api/keys", "{"),
        ask("POST", "/api/definitions", r#"{"documents":[{"origin":"x","text":"segment: ["}],"by":"x"}"#),
        ask(
            "POST",
            "/api/definitions",
            r#"{"documents":[{"origin":"x","text":"segment: a\nwhere: { everyone: true }\nadmin: true"}],"by":"x"}"#,
        ),
        ask("POST", "/api/customers/merge", r#"{"a":"x","b":"y"}"#),
        ask("DELETE", "/api/keys/none", ""),
        ask("POST", "/api/import?source=x", "{"),
    ];
    for answer in &answers {
        assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
        for inside in ["src/", ".rs:", "panicked", "sqlite", "SELECT", "rusqlite", "/tmp", "stack"] {
            assert!(!answer.text().contains(inside), "{inside} in {}", answer.text());
        }
        // A command shows the detail; without one it can only say that the answer makes no sense.
        assert!(answer.json()["detail"].is_string(), "{} {}", answer.status, answer.text());
    }
    assert!(answers[9].text().contains("admin"), "the wrong key is named: {}", answers[9].text());
}

#[test]
fn a_million_names_stay_names_and_the_server_answers_t10() {
    let house = House::new();
    let key = house.key("server");
    for piece in 0..4 {
        let calls: Vec<Value> = (0..1_000)
            .map(|n| track("ana", &format!("Event {piece}-{n}"), json!({ (format!("p{piece}-{n}")): n })))
            .collect();
        house.batch(&key, &calls).assert_success();
    }
    let wide: serde_json::Map<String, Value> = (0..600).map(|n| (format!("k{n}"), json!(n))).collect();
    house.call(&key, track("ana", "Wide", wide.into())).assert_refused(400, "too_many_properties");
    house.call(&key, track("ana", "Long", json!({ ("k".repeat(10_000)): 1 }))).assert_refused(400, "bad_name");
    assert_eq!(house.tally(Reception::Accepted), 4_000);
}

fn count(house: &House, segment: &str) -> Value {
    house.get(&format!("/api/segments/{segment}/count"))["count"].clone()
}

fn metric(house: &House, name: &str) -> u64 {
    let answer = house.ask(Request::get("/metrics").body(Body::empty()).unwrap()).text();
    answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}

#[test]
fn an_absurd_amount_is_cut_set_apart_and_counts_nowhere_while_the_order_counts_t7() {
    let house = House::new();
    let key = house.key("server");
    house.define(
        "segment: bought\nwhere: { did: Order Completed }\n---\nsegment: spent\nwhere: { did: Order Completed, sum: revenue, above: 0 }\n---\nsegment: big\nwhere: { did: Order Completed, where: { revenue: { above: 100 } } }\n---\nsegment: refunded\nwhere: { did: Order Refunded, sum: revenue, above: 0 }",
    );
    let order = |user: &str, id: &str, properties: Value| {
        let mut call = track(user, "Order Completed", properties);
        call["messageId"] = id.into();
        call["properties"]["order_id"] = id.into();
        call
    };
    let absurd = [
        order("ana", "o-1", json!({ "revenue": 1e12, "currency": "GBP" })),
        order("bob", "o-2", json!({ "revenue": "1000000.01" })),
        order("cid", "o-3", json!({ "revenue": 25, "currency": "bitcoin" })),
        order("dot", "o-4", json!({ "revenue": 1e300 })),
    ];
    for call in &absurd {
        let answer = house.call(&key, call.clone());
        answer.assert_success();
        let note = answer.header("x-perennial-set-aside").unwrap();
        assert!(note.contains("is set apart and counts nowhere"), "{note}");
        // Sent again it is known.
        house.call(&key, call.clone()).assert_success();
    }
    assert_eq!(house.tally(Reception::Accepted), 4);
    assert_eq!(house.tally(Reception::Duplicate), 4);
    assert_eq!([count(&house, "bought"), count(&house, "spent"), count(&house, "big")], [json!(4), json!(0), json!(0)]);
    assert_eq!(metric(&house, "perennial_quarantined_total "), 4);
    // What the journal keeps in the place of the amount can be believed; as it was sent it stands beside.
    let rows = house.look(|reader| reader.rows(&[store::RowId(1)]).unwrap());
    let call = &rows[0].calls[0];
    assert!(call.body.get().contains("\"revenue\":1000000,"), "{}", call.body.get());
    let quarantine = call.quarantine().unwrap();
    assert_eq!((&quarantine.sent["revenue"], quarantine.because.as_str()), (&json!(1e12), "more than 1000000"));

    // At the limit, in a currency of small units, and as text: all of it can be right.
    for (user, id, properties) in [
        ("eva", "o-5", json!({ "revenue": 1_000_000, "currency": "GBP" })),
        ("fay", "o-6", json!({ "revenue": 8_000_000, "currency": "KRW" })),
        ("gus", "o-7", json!({ "revenue": "250.00", "currency": "CAD" })),
    ] {
        let answer = house.call(&key, order(user, id, properties));
        answer.assert_success();
        assert!(answer.header("x-perennial-set-aside").is_none());
    }
    assert_eq!([count(&house, "spent"), count(&house, "big")], [json!(3), json!(3)]);

    // Below 0 is for refunds alone.
    house.call(&key, order("hal", "o-8", json!({ "revenue": -5 }))).assert_refused(400, "negative_amount");
    house.call(&key, track("hal", "Basket Priced", json!({ "revenue": "-5" }))).assert_refused(400, "negative_amount");
    house.call(&key, track("hal", "Order Refunded", json!({ "revenue": -5 }))).assert_success();

    // Nobody gets back more than was paid.
    let refund = |amount: &str| {
        track("gus", "Order Refunded", json!({ "order_id": "o-7", "revenue": amount, "currency": "CAD" }))
    };
    house.call(&key, refund("250.01")).assert_success();
    assert_eq!(count(&house, "refunded"), json!(0), "more than the order");
    house.call(&key, refund("200.00")).assert_success();
    assert_eq!(count(&house, "refunded"), json!(1));
    house.call(&key, refund("50.01")).assert_success();
    house.call(&key, refund("50")).assert_success();
    house.call(&key, refund("0.01")).assert_success();
    assert_eq!(metric(&house, "perennial_quarantined_total "), 7);
    let refunds = house.events("gus", "Order Refunded");
    assert_eq!(refunds.len(), 5, "each is on the timeline");
}

#[test]
fn a_workspace_says_itself_what_is_absurd_t7() {
    let house = House::with(|config| config.ingest.largest_amount = 20_000_000);
    let key = house.key("server");
    house.define("segment: spent\nwhere: { did: Order Completed, sum: revenue, above: 0 }");
    house.call(&key, track("ana", "Order Completed", json!({ "revenue": 19_999_999.99 }))).assert_success();
    house.call(&key, track("bob", "Order Completed", json!({ "revenue": 20_000_001 }))).assert_success();
    assert_eq!(count(&house, "spent"), json!(1));
}

#[test]
fn names_without_end_are_counted_together_and_fill_no_memory_t10() {
    let house = House::new();
    let key = house.key("browser");
    // Seven thousand names of events, from somebody who put an id into the name.
    for batch in 0..7 {
        let calls: Vec<Value> =
            (0..1_000).map(|call| track("ana", &format!("Viewed {batch}-{call}"), json!({}))).collect();
        house.batch(&key, &calls).assert_success();
    }
    // A thousand and more names of properties of one event, and of traits.
    for batch in 0..7 {
        let keyed = |call: usize| json!({ (format!("p{batch}-{call}")): 1, "sku": "tea" });
        let calls: Vec<Value> = (0..100).map(|call| track("ana", "Product Viewed", keyed(call))).collect();
        house.batch(&key, &calls).assert_success();
        let traits: serde_json::Map<String, Value> =
            (0..300).map(|number| (format!("t{batch}-{number:03}"), json!(number))).collect();
        house.call(&key, json!({ "type": "identify", "userId": "ana", "traits": traits })).assert_success();
    }
    let engine = house.open().handle().read();
    let catalogue = engine.catalogue();
    let beyond = catalogue.beyond();
    // All seven thousand and Product Viewed: 5,000 names are told apart.
    assert_eq!((catalogue.events().len(), beyond.events), (5_001, 2_700));
    assert_eq!(catalogue.events()[0], ("_other", 2_700), "nothing is lost");
    assert_eq!(catalogue.events().iter().map(|(_, count)| count).sum::<u64>(), 7_700);
    assert_eq!(catalogue.traits().len(), 501);
    // Beyond the names of events nobody looks for names of properties either, but no more than 500 of them.
    assert_eq!(beyond.of, [("_other".to_owned(), 201), ("traits".to_owned(), 6)]);
    drop(engine);
    assert_eq!(metric(&house, "perennial_events_beyond_names_total "), 2_700);
    assert_eq!(metric(&house, "perennial_calls_beyond_properties_total "), 207);
    let traits = house.get("/api/customers/ana")["traits"].as_object().unwrap().len();
    assert_eq!(traits, 1_000, "of one customer so many traits are kept");
}
