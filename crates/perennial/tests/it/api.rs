//! What programs see of `/api`: segments made and changed by two at a time, pages of members, the past, problems,
//! and a document that tells the truth.

use crate::house::{Answer, House};
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BUYERS: &str = "segment: buyers\ntitle: Bought at all\nwhere: { did: Order Completed }\n";

/// A request as a program sends it.
fn ask(house: &House, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", format!("Bearer {}", house.open().app.token));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.ask(request.body(body.into()).unwrap())
}

const YAML: (&str, &str) = ("content-type", "application/yaml");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Fails unless the answer is a problem of this status and word; gives it.
#[track_caller]
fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{body}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("/api#{code}"));
    assert!(!body["title"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty(), "{body}");
    body
}

/// Customers who each ordered once on a day of January 2026, the number of the day being that of the customer.
fn a_shop(customers: u32) -> House {
    let house = House::new();
    let key = house.key("server");
    for number in 1..=customers {
        order(&house, &key, &format!("c-{number:02}"), &format!("2026-01-{number:02}T12:00:00Z"));
    }
    house
}

fn order(house: &House, key: &str, customer: &str, at: &str) {
    let call = json!({ "type": "track", "userId": customer, "event": "Order Completed", "properties": { "revenue": 10 }, "timestamp": at });
    house.call(key, call).assert_success();
}

#[test]
fn a_segment_is_made_read_changed_and_two_editors_do_not_overwrite_each_other() {
    let house = a_shop(3);
    let made = ask(&house, "POST", "/api/segments?by=ana", &[YAML], BUYERS);
    assert_eq!(
        (made.status, made.header("location"), made.header("etag")),
        (201, Some("/api/segments/buyers"), Some("\"1\""))
    );
    let made = made.json();
    assert_eq!((&made["count"], &made["enter"], &made["action"]), (&json!(3), &json!(3), &json!("created")), "{made}");
    assert_eq!((&made["changed_by"], &made["version"], &made["yaml"]), (&json!("ana"), &json!(1), &json!(BUYERS)));
    assert_eq!(
        made["definition"],
        json!({ "segment": "buyers", "title": "Bought at all", "where": { "did": "Order Completed" } })
    );
    assert!(made["sentence"].as_str().unwrap().contains("Order Completed"), "{made}");
    problem(&ask(&house, "POST", "/api/segments", &[YAML], BUYERS), 409, "exists");

    let got = ask(&house, "GET", "/api/segments/buyers", &[], "");
    let tag = got.header("etag").unwrap().to_owned();
    assert_eq!(got.json()["version"], 1);

    // Ana and Ben both opened version 1. Ana saves; Ben is told.
    let change = |tag: Option<&str>, by: &str, body: &str| {
        let mut headers = vec![JSON];
        headers.extend(tag.map(|tag| ("if-match", tag)));
        ask(&house, "PUT", &format!("/api/segments/buyers?by={by}"), &headers, body.to_owned())
    };
    let hers =
        json!({ "segment": "buyers", "where": { "did": "Order Completed", "before": "2026-01-03" } }).to_string();
    let saved = change(Some(&tag), "ana", &hers);
    assert_eq!((saved.status, saved.header("etag")), (200, Some("\"2\"")), "{}", saved.text());
    assert_eq!((&saved.json()["leave"], &saved.json()["count"]), (&json!(1), &json!(2)));
    let his = json!({ "segment": "buyers", "where": { "everyone": true } }).to_string();
    let told = problem(&change(Some(&tag), "ben", &his), 412, "changed");
    assert_eq!((&told["version"], &told["by"]), (&json!(2), &json!("ana")), "{told}");
    problem(&change(None, "ben", &his), 428, "needs_version");
    problem(&change(Some("yesterday's"), "ben", &his), 400, "wrong");
    assert_eq!(house.get("/api/segments/buyers")["count"], 2, "nothing of his counts");
    assert_eq!(change(Some("\"2\""), "ben", &his).status, 200);
    problem(&change(Some("\"3\""), "ben", &hers.replace("buyers", "others")), 400, "wrong");

    let versions = house.get("/api/segments/buyers/versions");
    let seen: Vec<_> = versions
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["version"].clone(), v["by"].clone(), v["action"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!(3), json!("ben"), json!("changed")),
            (json!(2), json!("ana"), json!("changed")),
            (json!(1), json!("ana"), json!("created"))
        ]
    );
    let diff = versions[0]["diff"].as_str().unwrap();
    assert!(
        diff.contains("\n-where: { did: Order Completed") && diff.contains("\n+where: { everyone: true }"),
        "{diff}"
    );
    assert_eq!(house.get("/api/segments/buyers/versions?limit=1&before=3")[0]["version"], 2);
    assert_eq!(house.get("/api/segments/buyers/versions/1")["yaml"], BUYERS);
    let diff = house.get("/api/segments/buyers/diff?from=1&to=3");
    assert!(diff["diff"].as_str().unwrap().contains("-title: Bought at all"), "{diff}");
    problem(&ask(&house, "GET", "/api/segments/buyers/versions/9", &[], ""), 404, "not_found");
}

#[test]
fn a_segment_in_use_stays_and_a_name_that_is_gone_is_not_used_again() {
    let house = a_shop(1);
    house.define(&format!("{BUYERS}---\nsegment: loyal\ntitle: The loyal\nwhere: {{ segment: buyers }}\n"));
    let used = problem(&ask(&house, "DELETE", "/api/segments/buyers", &[], ""), 409, "in_use");
    assert_eq!(used["used_by"], json!([{ "kind": "segment", "name": "loyal", "title": "The loyal" }]));
    problem(&ask(&house, "DELETE", "/api/segments/loyal", &[("if-match", "\"7\"")], ""), 412, "changed");
    assert_eq!(ask(&house, "DELETE", "/api/segments/loyal?by=ana", &[], "").json(), json!({ "deleted": "loyal" }));
    assert_eq!(ask(&house, "DELETE", "/api/segments/buyers", &[("if-match", "*")], "").status, 200);
    problem(&ask(&house, "GET", "/api/segments/buyers", &[], ""), 404, "not_found");
    let again = problem(&ask(&house, "POST", "/api/segments", &[YAML], BUYERS), 409, "exists");
    assert!(again["detail"].as_str().unwrap().contains("deleted"), "{again}");
    problem(&ask(&house, "POST", "/api/preview/segment", &[YAML], BUYERS), 409, "exists");
    let versions = house.get("/api/segments/loyal/versions");
    assert_eq!((&versions[0]["action"], &versions[0]["by"]), (&json!("deleted"), &json!("ana")));
}

#[test]
fn a_preview_tells_what_saving_then_does_and_saves_nothing() {
    let house = a_shop(9);
    house.define(BUYERS);
    let key = house.key("server");
    house
        .call(&key, json!({ "type": "identify", "userId": "visitor", "traits": { "city": "Leeds" } }))
        .assert_success();
    // Known to the live state; asking what nobody asked before; naming another segment; nobody.
    for (rule, enter, leave) in [
        ("{ did: Order Completed, before: 2026-01-05 }", 0, 5),
        ("{ did: Page Viewed }", 0, 9),
        ("{ did_not: Page Viewed }", 1, 0),
        ("{ all: [ { everyone: true }, { not: { trait: city, is: Leeds } } ] }", 0, 0),
        ("{ did: Order Completed, sum: revenue, above: 100 }", 0, 9),
    ] {
        let yaml = format!("segment: buyers\nwhere: {rule}\n");
        let preview = ask(&house, "POST", "/api/preview/segment", &[YAML], yaml.clone());
        assert_eq!(preview.status, 200, "{}", preview.text());
        let preview = preview.json();
        assert_eq!((&preview["enter"], &preview["leave"]), (&json!(enter), &json!(leave)), "{rule}: {preview}");
        assert_eq!(preview["count"], 9 + enter - leave);
        assert_eq!(preview["sample"].as_array().unwrap().len(), (9 + enter - leave).min(5));
        assert_eq!((&preview["customers"], &preview["version"]), (&json!(10), &json!(1)));
        assert_eq!(preview["definition"]["segment"], "buyers");
        assert!(preview["yaml"].as_str().unwrap().starts_with("segment: buyers\nwhere: {"), "{preview}");
        assert_eq!(house.get("/api/segments/buyers/count")["count"], 9, "nothing was saved");
        // Saved under another name, so that the next line finds what it expects.
        let other = yaml.replace("buyers", &format!("s-{}", rule.len()));
        let saved = ask(&house, "POST", "/api/segments", &[YAML], other).json();
        assert_eq!(saved["count"], preview["count"], "{rule}");
    }
    let warned =
        ask(&house, "POST", "/api/preview/segment", &[YAML], "segment: x\nwhere: { did: Order Complete }").json();
    assert!(warned["warnings"][0].as_str().unwrap().contains("`Order Completed`"), "{warned}");
}

#[test]
fn members_come_page_by_page_while_people_come_and_go() {
    let house = a_shop(7);
    house.define(&format!("{BUYERS}---\nsegment: named\nwhere: {{ trait: keep, exists: true }}\n"));
    let key = house.key("server");
    for number in 1..=7 {
        let call = json!({ "type": "identify", "userId": format!("c-{number:02}"), "traits": { "keep": true } });
        house.call(&key, call).assert_success();
    }
    let page = |after: &str| house.get(&format!("/api/segments/named/members?limit=3{after}"));
    let names = |page: &Value| serde_json::from_value::<Vec<String>>(page["members"].clone()).unwrap();
    let first = page("");
    assert_eq!((names(&first), &first["count"]), (vec!["c-01".into(), "c-02".into(), "c-03".into()], &json!(7)));
    // The last one of the page leaves, one joins before it and one after it.
    for (user, keep) in [("c-03", Value::Null), ("c-00", json!(true)), ("c-035", json!(true))] {
        house.call(&key, json!({ "type": "identify", "userId": user, "traits": { "keep": keep } })).assert_success();
    }
    let second = page(&format!("&after={}", first["next"].as_str().unwrap()));
    assert_eq!(names(&second), ["c-035", "c-04", "c-05"]);
    let third = page(&format!("&after={}", second["next"].as_str().unwrap()));
    assert_eq!((names(&third), &third["next"]), (vec!["c-06".into(), "c-07".into()], &Value::Null));

    // The past, page by page; what is dated back meanwhile shows in the next list, not in the middle of this one.
    let past =
        |after: &str| house.get(&format!("/api/segments/buyers/members?limit=2&as_of=2026-01-04T00:00:00Z{after}"));
    let first = past("");
    assert_eq!((names(&first), &first["count"]), (vec!["c-01".into(), "c-02".into()], &json!(3)));
    order(&house, &key, "c-015", "2026-01-02T00:00:00Z");
    let second = past(&format!("&after={}", first["next"].as_str().unwrap()));
    assert_eq!((names(&second), &second["next"]), (vec!["c-03".into()], &Value::Null));
    assert_eq!(past("")["count"], 4);
    for wrong in [
        "limit=0",
        "limit=10001",
        "limit=x",
        "after=nonsense",
        "after=MQ",
        "as_of=2999-01-01T00:00:00Z",
        "as_of=then",
        "page=2",
    ] {
        problem(&ask(&house, "GET", &format!("/api/segments/buyers/members?{wrong}"), &[], ""), 400, "wrong");
    }
}

#[test]
fn the_past_is_answered_by_count_membership_and_why_alike() {
    let house = a_shop(3);
    house.define("segment: recent\nwhere: { did: Order Completed, within: 7d }\n");
    let at = "as_of=2026-01-09T12:00:00Z";
    assert_eq!(
        house.get(&format!("/api/segments/recent/count?{at}"))["count"],
        1,
        "an order exactly 7 days old is out"
    );
    let member = house.get(&format!("/api/segments/recent/members/c-03?{at}"));
    assert_eq!((&member["member"], &member["customer"]), (&json!(true), &json!("c-03")), "{member}");
    assert_eq!(member["since"], "2026-01-03T12:00:00Z");
    assert_eq!(member["until"], "2026-01-10T12:00:00Z");
    assert_eq!(house.get(&format!("/api/segments/recent/members/c-02?{at}"))["member"], false);
    assert_eq!(house.get("/api/segments/recent/members/c-03")["member"], false);
    let why = house.get(&format!("/api/segments/recent/why/c-03?{at}"));
    assert_eq!((&why["member"], &why["until"]), (&member["member"], &member["until"]));
    problem(&ask(&house, "GET", "/api/segments/recent/members/nobody", &[], ""), 404, "not_found");
    let near = problem(&ask(&house, "GET", "/api/segments/recen/count", &[], ""), 404, "not_found");
    assert_eq!(near["nearest"], "recent");
}

#[test]
fn every_error_is_a_problem_that_says_what_where_and_what_would_be_right() {
    let house = a_shop(1);
    let wrong =
        "segment: x\nwhere:\n  all:\n    - { did: Order Completed }\n    - { did: Order Completed, witin: 3d }\n";
    for path in ["/api/segments", "/api/preview/segment"] {
        let told = problem(&ask(&house, "POST", path, &[YAML], wrong), 400, "definition");
        assert_eq!(
            (&told["path"], &told["nearest"], &told["line"]),
            (&json!("where.all[1]"), &json!("within"), &json!(5)),
            "{told}"
        );
    }
    let missing =
        problem(&ask(&house, "POST", "/api/segments", &[YAML], "segment: x\nwhere: { segment: y }"), 400, "definition");
    assert_eq!(missing["path"], "where", "{missing}");
    let asked = json!({ "by": "a test", "documents": [{ "origin": "a.yaml", "text": BUYERS }, { "origin": "b/c.yaml", "text": "# x\n\nsegment: x\nwhere: { segment: buyer }\n" }] });
    let together = problem(&ask(&house, "POST", "/api/definitions", &[JSON], asked.to_string()), 400, "definition");
    assert_eq!(
        (&together["origin"], &together["line"], &together["nearest"]),
        (&json!("b/c.yaml"), &json!(4), &json!("buyers")),
        "{together}"
    );

    problem(&ask(&house, "GET", "/api/nothing", &[], ""), 404, "not_found");
    problem(&ask(&house, "GET", "/api/segments/x/y/z", &[], ""), 404, "not_found");
    let method = ask(&house, "PATCH", "/api/segments", &[], "");
    problem(&method, 405, "wrong_method");
    assert!(method.header("allow").unwrap().contains("POST"));
    problem(&ask(&house, "POST", "/api/segments", &[("content-type", "text/html")], BUYERS), 415, "wrong_media");
    problem(&ask(&house, "POST", "/api/keys", &[YAML], "{}"), 415, "wrong_media");
    problem(&ask(&house, "POST", "/api/segments", &[YAML], vec![b' '; (1 << 20) + 1]), 413, "too_large");
    for body in [
        "",
        "[]",
        "- segment: a\n  where: { everyone: true }\n- segment: b\n  where: { everyone: true }",
        "purpose: p",
        "\u{0}",
    ] {
        let answer = ask(&house, "POST", "/api/segments", &[YAML], body);
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
    }
    problem(&ask(&house, "POST", "/api/segments", &[JSON], vec![0xff, 0xfe]), 400, "wrong");
    let stranger = house.ask(Request::get("/api/segments").body(Body::empty()).unwrap());
    problem(&stranger, 401, "bad_token");
    let long = "x".repeat(101);
    problem(&ask(&house, "POST", &format!("/api/segments?by={long}"), &[YAML], BUYERS), 400, "wrong");

    // JSON as programs write it: escapes of every kind; a key twice is an error.
    let escaped = "{\"segment\":\"smile\",\"title\":\"\\ud83d\\ude00 \\u00fc \\/ \\t\",\"where\":{\"everyone\":true}}";
    let made = ask(&house, "POST", "/api/segments", &[JSON], escaped);
    assert_eq!((made.status, &made.json()["title"]), (201, &json!("😀 ü / \t")), "{}", made.text());
    let twice = "{\"segment\":\"twice\",\"where\":{\"everyone\":true},\"where\":{\"list\":\"x\"}}";
    problem(&ask(&house, "POST", "/api/segments", &[JSON], twice), 400, "definition");
}

/// A schema that allows no field it does not name: an answer must not have what the document is silent about.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".to_owned(), false.into());
            }
            map.values_mut().for_each(closed);
        }
        Value::Array(items) => items.iter_mut().for_each(closed),
        _ => {}
    }
}

struct Document(Value);

impl Document {
    fn of(house: &House) -> Document {
        let request = Request::get("/api/openapi.json").body(Body::empty()).unwrap();
        Document(house.ask(request).json())
    }

    /// Every operation: its path, its method, and what is said of it.
    fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
    }

    /// Fails unless an answer is as the document says of the operation.
    #[track_caller]
    fn assert_true(&self, id: &str, answer: &Answer) {
        let (_, _, operation) = self.operations().find(|(.., operation)| operation["operationId"] == id).unwrap();
        let said = &operation["responses"][answer.status.to_string()];
        let media = answer.header("content-type").unwrap().split(';').next().unwrap();
        let mut schema = said["content"][media]["schema"].clone();
        assert!(schema.is_object(), "{id} does not tell of {} {media}: {}", answer.status, answer.text());
        schema["components"] = self.0["components"].clone();
        closed(&mut schema);
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let body = if media.ends_with("ndjson") { answer.text().into() } else { answer.json() };
        let errors: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{id}: {errors:?} in {body}");
    }
}

#[test]
fn the_document_is_valid_and_tells_of_every_route_and_of_no_other() {
    let house = House::new();
    let document = Document::of(&house);
    let text = document.0.to_string();
    assert_eq!(document.0["openapi"], "3.1.0");
    assert!(document.0["info"]["title"].is_string() && document.0["info"]["version"].is_string());
    // Each reference leads somewhere, and each shape is used.
    let shapes = document.0["components"]["schemas"].as_object().unwrap();
    let used: BTreeSet<&str> =
        text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(used, shapes.keys().map(String::as_str).collect());
    for (name, shape) in shapes {
        assert!(jsonschema::draft202012::meta::validate(shape).is_ok(), "{name}");
    }
    let mut ids = BTreeSet::new();
    for (path, method, operation) in document.operations() {
        assert!(["get", "put", "post", "delete"].contains(&method), "{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        let told: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let needed: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(told, needed, "{method} {path}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(
                status.len() == 3 && !response["description"].as_str().unwrap().is_empty(),
                "{method} {path} {status}"
            );
        }
    }
    // What the document tells of is there, and no method beside it.
    let mut walked = 0;
    for (path, methods) in document.0["paths"].as_object().unwrap() {
        let concrete = path
            .replace("{version}", "1")
            .replace("{kind}", "segment")
            .replace("{name}", "x")
            .replace("{customer}", "x")
            .replace("{id}", "x");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let answer = ask(&house, method, &concrete, &[JSON], "{");
            let is_told = methods.get(method.to_lowercase()).is_some();
            assert_eq!(answer.status != 405, is_told, "{method} {path}: {}", answer.text());
            assert!(!answer.text().contains("nothing at this address"), "{method} {path}");
            walked += usize::from(is_told);
        }
    }
    // And the list that the router is made of has no more than that.
    let routed: BTreeSet<(String, String)> = perennial::api::operations()
        .iter()
        .map(|operation| (operation.method.as_str().to_lowercase(), operation.path.to_owned()))
        .collect();
    let told: BTreeSet<(String, String)> =
        document.operations().map(|(path, method, _)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!((routed.len(), &routed), (walked, &told));
    let page = house.ask(Request::get("/api").body(Body::empty()).unwrap());
    assert_eq!(page.status, 200);
    for (path, method, _) in document.operations() {
        assert!(page.text().contains(&format!("<code>{} {path}</code>", method.to_uppercase())), "{method} {path}");
    }
}

/// The operation, its method, path, headers and body.
type Asked<'a> = (&'a str, &'a str, String, Vec<(&'a str, &'a str)>, String);

#[test]
fn what_a_running_server_answers_is_what_the_document_says() {
    let house = a_shop(4);
    let document = Document::of(&house);
    let key = house.key("server");
    house.call(&key, json!({ "type": "identify", "userId": "c-01", "traits": { "email": "one@example.com", "name": "One", "city": "Leeds" } })).assert_success();
    house.define("purpose: marketing\ndefault: granted\n---\ntemplate: hello\nsubject: Hello\nbody: Hello\n---\ncampaign: called\nenter: { on: { enters: recent } }\nsteps: [ { task: { title: \"Call {{ customer.name }}\", for: care, due: 2d, draft: hello } } ]\n---\ncampaign: asked\nenter: { on: { enters: recent } }\ngoal: { did: Order Completed, within: 7d }\nsteps: [ { message: hello, approve: true } ]\n---\ncampaign: hello\nenter: { on: { enters: recent } }\ngoal: { did: Order Completed, value: properties.revenue }\nsteps: [ { message: hello, variants: [plain, warm], allocate: bandit } ]\n---\nsegment: recent\nwhere: { all: [ { did: Order Completed, within: 3650d }, { trait: city, exists: true } ] }\n");
    let at = "as_of=2026-01-03T00:00:00Z";
    let folder = json!({ "by": "x", "dry_run": true, "seen": {}, "documents": [{ "origin": "a", "text": "segment: recent\nwhere: { did: Order Complete }" }] });
    let mut apply = folder.clone();
    apply["dry_run"] = false.into();
    // RFC 8291, appendix A.
    let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    let keys = json!({ "p256dh": p256dh, "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
    let subscription = json!({ "endpoint": "https://push.example/x", "expirationTime": null, "keys": keys });
    let known = json!({ "endpoint": "https://push.example/x", "auth": "BTBZMqHH6r4Tts7J_aSIgg" });
    let waits = json!({ "sql": "SELECT message FROM messages WHERE because = 'needs_approval'" });
    let waits = ask(&house, "POST", "/api/query", &[JSON], waits.to_string());
    let waiting = waits.json()["rows"][0][0].as_str().unwrap_or_else(|| panic!("{waits:?}")).to_owned();
    let tasks = ask(&house, "GET", "/api/tasks", &[], String::new()).json();
    assert_eq!((&tasks[0]["title"], &tasks[0]["customer"]), (&json!("Call One"), &json!("c-01")));
    assert_eq!(tasks[0]["draft"]["subject"], "Hello");
    let task = tasks[0]["task"].as_str().unwrap().to_owned();
    let pair = json!({ "a": "c-03", "b": "c-04" });
    let server = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{key}:")));
    let server = ("authorization", server.as_str());
    let made = ask(&house, "POST", "/v1/in-app/token", &[JSON, server], json!({ "userId": "c-01" }).to_string()).json();
    let device = format!("Bearer {}", made["token"].as_str().unwrap());
    let device = ("authorization", device.as_str());
    let asked: Vec<Asked<'_>> = vec![
        ("createSegment", "POST", "/api/segments".into(), vec![YAML], BUYERS.into()),
        ("createSegment", "POST", "/api/segments".into(), vec![YAML], BUYERS.into()),
        ("createSegment", "POST", "/api/segments".into(), vec![YAML], "segment: y\nwhere: { didd: x }".into()),
        ("listSegments", "GET", "/api/segments".into(), vec![], String::new()),
        ("getSegment", "GET", "/api/segments/buyers".into(), vec![], String::new()),
        ("getSegment", "GET", "/api/segments/none".into(), vec![], String::new()),
        ("changeSegment", "PUT", "/api/segments/buyers".into(), vec![YAML, ("if-match", "\"1\"")], BUYERS.replace("at all", "once")),
        ("changeSegment", "PUT", "/api/segments/buyers".into(), vec![YAML, ("if-match", "\"1\"")], BUYERS.into()),
        ("changeSegment", "PUT", "/api/segments/buyers".into(), vec![YAML], BUYERS.into()),
        ("previewSegment", "POST", "/api/preview/segment".into(), vec![YAML], "segment: new\nwhere: { did: Page Viewed }".into()),
        ("countSegment", "GET", format!("/api/segments/buyers/count?{at}"), vec![], String::new()),
        ("listMembers", "GET", "/api/segments/buyers/members?limit=2".into(), vec![], String::new()),
        ("listMembers", "GET", "/api/segments/buyers/members?limit=0".into(), vec![], String::new()),
        ("getMembership", "GET", format!("/api/segments/recent/members/c-01?{at}"), vec![], String::new()),
        ("whyMember", "GET", "/api/segments/recent/why/c-01".into(), vec![], String::new()),
        ("listSegmentVersions", "GET", "/api/segments/buyers/versions".into(), vec![], String::new()),
        ("getSegmentVersion", "GET", "/api/segments/buyers/versions/2".into(), vec![], String::new()),
        ("diffSegment", "GET", "/api/segments/buyers/diff".into(), vec![], String::new()),
        ("deleteSegment", "DELETE", "/api/segments/recent".into(), vec![], String::new()),
        ("deleteSegment", "DELETE", "/api/segments/buyers".into(), vec![], String::new()),
        ("pullDefinitions", "GET", "/api/definitions".into(), vec![], String::new()),
        ("applyDefinitions", "POST", "/api/definitions".into(), vec![JSON], folder.to_string()),
        ("applyDefinitions", "POST", "/api/definitions".into(), vec![JSON], apply.to_string()),
        ("findCustomers", "GET", "/api/customers?find=c".into(), vec![], String::new()),
        ("getCustomer", "GET", "/api/customers/c-01".into(), vec![], String::new()),
        ("getTimeline", "GET", "/api/customers/c-01/timeline".into(), vec![], String::new()),
        ("mergeCustomers", "POST", "/api/customers/merge".into(), vec![JSON], pair.to_string()),
        ("unmergeCustomers", "POST", "/api/customers/unmerge".into(), vec![JSON], pair.to_string()),
        ("unmergeCustomers", "POST", "/api/customers/unmerge".into(), vec![JSON], pair.to_string()),
        ("eraseCustomer", "POST", "/api/customers/c-03/erase".into(), vec![JSON], "{}".into()),
        ("eraseCustomer", "POST", "/api/customers/c-03/erase".into(), vec![JSON], "{}".into()),
        ("listCampaigns", "GET", "/api/campaigns".into(), vec![], String::new()),
        ("getCampaign", "GET", "/api/campaigns/hello".into(), vec![], String::new()),
        ("approveMessage", "POST", format!("/api/messages/{waiting}/approve"), vec![JSON], json!({ "by": "Maya" }).to_string()),
        ("approveMessage", "POST", format!("/api/messages/{waiting}/approve"), vec![JSON], "{}".into()),
        ("compareAnew", "POST", "/api/campaigns/hello/compare-anew".into(), vec![], String::new()),
        ("compareAnew", "POST", "/api/campaigns/none/compare-anew".into(), vec![], String::new()),
        ("compareAnew", "POST", "/api/campaigns/%20/compare-anew".into(), vec![], String::new()),
        ("simulateCampaign", "POST", "/api/simulate".into(), vec![JSON], json!({ "campaign": "asked", "from": "-30d", "to": "now" }).to_string()),
        ("simulateCampaign", "POST", "/api/simulate".into(), vec![JSON], json!({ "campaign": "none", "from": "-30d" }).to_string()),
        ("simulateCampaign", "POST", "/api/simulate".into(), vec![JSON], json!({ "campaign": "asked", "from": "soon" }).to_string()),
        ("preflightCampaign", "POST", "/api/preflight".into(), vec![JSON], json!({ "campaign": "asked" }).to_string()),
        ("preflightCampaign", "POST", "/api/preflight".into(), vec![JSON], json!({ "definitions": "campaign: x\nenter: { on: { did: X } }\nsteps: [ { message: nothing } ]" }).to_string()),
        ("renderTemplate", "POST", "/api/render".into(), vec![JSON], json!({ "template": "hello", "customer": "c-01" }).to_string()),
        ("renderTemplate", "POST", "/api/render".into(), vec![JSON], json!({ "liquid": "{{ customer.none }}" }).to_string()),
        ("renderTemplate", "POST", "/api/render".into(), vec![JSON], json!({ "liquid": "{% if %}" }).to_string()),
        ("renderTemplate", "POST", "/api/render".into(), vec![JSON], json!({ "template": "none" }).to_string()),
        ("listTasks", "GET", "/api/tasks?for=care".into(), vec![], String::new()),
        ("listTasks", "GET", "/api/tasks?customer=nobody".into(), vec![], String::new()),
        ("completeTask", "POST", format!("/api/tasks/{task}/complete"), vec![JSON], json!({ "by": "Maya" }).to_string()),
        ("completeTask", "POST", format!("/api/tasks/{task}/complete"), vec![JSON], "{}".into()),
        ("completeTask", "POST", "/api/tasks/none/complete".into(), vec![JSON], "{}".into()),
        ("takeReport", "POST", "/api/reports".into(), vec![("content-type", "message/rfc822")], "Subject: away\r\n\r\nBack on Monday\r\n".into()),
        ("takeReport", "POST", "/api/reports".into(), vec![("content-type", "message/rfc822")], String::new()),
        ("listReports", "GET", "/api/reports?unmatched=true".into(), vec![], String::new()),
        ("createCustomerToken", "POST", "/v1/in-app/token".into(), vec![JSON, server], json!({ "userId": "c-01", "expires_in": "7d" }).to_string()),
        ("createCustomerToken", "POST", "/v1/in-app/token".into(), vec![JSON], json!({ "userId": "c-01" }).to_string()),
        ("listInAppMessages", "GET", "/v1/in-app/messages".into(), vec![device], String::new()),
        ("listInAppMessages", "GET", "/v1/in-app/messages".into(), vec![], String::new()),
        ("showInAppMessage", "POST", "/v1/in-app/messages/none/shown".into(), vec![device], String::new()),
        ("clickInAppMessage", "POST", "/v1/in-app/messages/none/clicked".into(), vec![device, JSON], "{}".into()),
        ("dismissInAppMessage", "POST", "/v1/in-app/messages/none/dismissed".into(), vec![device], String::new()),
        ("getPushKey", "GET", "/v1/push/key".into(), vec![], String::new()),
        ("subscribeBrowser", "POST", "/v1/push/subscriptions".into(), vec![JSON], json!({ "subscription": subscription }).to_string()),
        ("subscribeBrowser", "POST", "/v1/push/subscriptions".into(), vec![JSON, device], json!({ "subscription": subscription }).to_string()),
        ("subscribeBrowser", "POST", "/v1/push/subscriptions".into(), vec![JSON, device], "{}".into()),
        ("renewBrowser", "POST", "/v1/push/subscriptions/renew".into(), vec![JSON], json!({ "old": known, "subscription": subscription }).to_string()),
        ("unsubscribeBrowser", "POST", "/v1/push/subscriptions/remove".into(), vec![JSON], known.to_string()),
        ("importCodes", "POST", "/api/vouchers/spring/codes".into(), vec![JSON], json!({ "codes": ["A-1", "A-2", "A-1", "a b"] }).to_string()),
        ("importCodes", "POST", "/api/vouchers/Spring/codes".into(), vec![JSON], json!({ "codes": [] }).to_string()),
        ("listPools", "GET", "/api/vouchers".into(), vec![], String::new()),
        ("listDecisions", "GET", "/api/decisions?customer=c-01".into(), vec![], String::new()),
        ("listKeys", "GET", "/api/keys".into(), vec![], String::new()),
        ("createKey", "POST", "/api/keys".into(), vec![JSON], json!({ "kind": "browser", "source": "web" }).to_string()),
        ("createKey", "POST", "/api/keys".into(), vec![YAML], "kind: browser".into()),
        ("revokeKey", "DELETE", format!("/api/keys/{}", perennial::keys::id_of(&key).unwrap()), vec![], String::new()),
        ("importCalls", "POST", "/api/import?source=x".into(), vec![JSON], json!({ "batch": [{ "type": "track", "userId": "z", "event": "X", "messageId": "1" }, { "type": "track" }] }).to_string()),
        ("advanceDemo", "POST", "/api/demo/advance".into(), vec![JSON], json!({ "span": "1d" }).to_string()),
        ("getDemoAnswers", "GET", "/api/demo/answers".into(), vec![], String::new()),
        ("rebuild", "POST", "/api/rebuild".into(), vec![JSON], "{}".into()),
        ("createLoginLink", "POST", "/api/login-link".into(), vec![JSON], "{}".into()),
        ("exportCalls", "POST", "/api/export/calls".into(), vec![JSON], "{}".into()),
        ("query", "POST", "/api/query".into(), vec![JSON], json!({ "sql": "SELECT count(*) FROM customers" }).to_string()),
        ("getDictionary", "GET", "/api/query/dictionary".into(), vec![], String::new()),
        ("getOpenApi", "GET", "/api/openapi.json".into(), vec![], String::new()),
    ];
    let mut statuses = BTreeSet::new();
    for (id, method, path, headers, body) in asked {
        let answer = ask(&house, method, &path, &headers, body);
        statuses.insert((id, answer.status));
        document.assert_true(id, &answer);
    }
    for (_, _, operation) in document.operations() {
        let id = operation["operationId"].as_str().unwrap();
        let tried = statuses.iter().any(|(tried, _)| *tried == id);
        assert!(tried || ["readApi", "getSchema"].contains(&id), "{id} was not tried");
    }
    // These went well, so that more than their problems was looked at.
    for (id, status) in [
        ("createSegment", 201),
        ("changeSegment", 200),
        ("previewSegment", 200),
        ("applyDefinitions", 200),
        ("applyDefinitions", 409),
        ("mergeCustomers", 200),
        ("listDecisions", 200),
        ("importCalls", 200),
        ("deleteSegment", 409),
        ("eraseCustomer", 200),
        ("eraseCustomer", 404),
        ("approveMessage", 200),
        ("approveMessage", 409),
        ("compareAnew", 200),
        ("compareAnew", 404),
        ("simulateCampaign", 200),
        ("simulateCampaign", 404),
        ("simulateCampaign", 400),
        ("preflightCampaign", 200),
        ("preflightCampaign", 400),
        ("renderTemplate", 200),
        ("renderTemplate", 400),
        ("renderTemplate", 404),
        ("listTasks", 200),
        ("listTasks", 404),
        ("completeTask", 200),
        ("completeTask", 404),
        ("completeTask", 409),
        ("createCustomerToken", 200),
        ("createCustomerToken", 401),
        ("listInAppMessages", 200),
        ("listInAppMessages", 401),
        ("showInAppMessage", 404),
        ("getPushKey", 409),
        ("subscribeBrowser", 401),
        ("subscribeBrowser", 409),
        ("unsubscribeBrowser", 200),
        ("importCodes", 200),
        ("importCodes", 400),
        ("listPools", 200),
        ("rebuild", 200),
        ("exportCalls", 200),
    ] {
        assert!(statuses.contains(&(id, status)), "{id} {status} in {statuses:?}");
    }
}
