//! What scripts rely on: exit statuses and JSON as `spec/cli.md` says, with the server running or not.

use crate::house::basic;
use crate::process::{Desk, Server};
use serde_json::{Value, json};

const MAPPING: &str = "
mapping: orders
customer: { column: customer }
time: { column: at, format: '%Y-%m-%d', zone: UTC }
events:
  - event: Order Completed
    id: order
    properties:
      order_id: order
      revenue: { column: worth, as: money }
      currency: { value: EUR }
";
const ORDERS: &str = "order,customer,at,worth\n1,ana,2026-01-05,10.00\n2,ana,2026-02-05,20.50\n3,ben,2026-02-06,5.25\n4,,2026-02-07,9.00\n5,cid,2026-02-08,not-a-number\n";
const SEGMENTS: &str = "
segment: buyers
title: Bought at all
where: { did: Order Completed }
---
segment: spenders
where: { did: Order Completed, sum: revenue, at_least: 25 }
";

/// A desk with the orders imported and the segments defined.
fn a_shop() -> Desk {
    let desk = Desk::new();
    let (orders, mapping, segments) =
        (desk.file("orders.csv", ORDERS), desk.file("orders.yaml", MAPPING), desk.file("segments.yaml", SEGMENTS));
    assert_eq!(desk.run(&["import", &orders, "--map", &mapping]).status, 1);
    assert_eq!(desk.run(&["apply", &segments]).status, 0);
    desk
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

#[test]
fn exit_statuses_tell_no_from_wrong_from_impossible() {
    let desk = Desk::new();
    let status = |arguments: &[&str]| {
        let ran = desk.run(arguments);
        assert!(
            ran.status == 0
                || ran.out.is_empty()
                || ran.err.is_empty()
                || arguments.contains(&"--json")
                || ran.status == 1,
            "{arguments:?}: {ran:?}"
        );
        ran.status
    };
    // 2: wrong usage or configuration.
    for wrong in [
        vec!["dance"],
        vec!["segments", "count"],
        vec!["keys", "create", "--kind", "root"],
        vec!["demo", "--customers", "3"],
        vec!["decisions"],
        vec!["import", "orders.csv"],
        vec!["serve", "--listen", "here"],
    ] {
        assert_eq!(status(&wrong), 2, "{wrong:?}");
    }
    let unknown = desk.file("bad.toml", "[server]\nlisten = \"127.0.0.1:0\"\nport = 80\n");
    let ran = desk.run(&["--config", &unknown, "config", "check"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("port"), "the unknown key is named: {}", ran.err);
    for (name, text) in [
        ("kind.toml", "[email]\nsend = 5\n"),
        ("shape.toml", "[server\n"),
        ("section.toml", "[mail]\nsend = \"smtp\"\n"),
    ] {
        assert_eq!(status(&["--config", &desk.file(name, text), "config", "check"]), 2, "{name}");
    }
    let mapping = desk.file("bad.yaml", "mapping: x\ncolour: blue\n");
    let orders = desk.file("orders.csv", ORDERS);
    assert_eq!(status(&["import", &orders, "--map", &mapping]), 2);
    // 3: could not be done.
    assert_eq!(status(&["segments", "list"]), 3, "no data there");
    assert_eq!(status(&["login"]), 3);
    assert_eq!(status(&["import", "nowhere.csv", "--map", "cdnow"]), 3);
    assert_eq!(status(&["--config", "nowhere.toml", "config", "check"]), 3);
    assert!(!desk.data().exists(), "commands that only look make no data");
    // 0: done.
    assert_eq!(status(&["--version"]), 0);
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["config", "check"]), 0);
    // What is not there or cannot be understood is the asker's mistake.
    assert_eq!(status(&["keys", "create", "--kind", "server"]), 0);
    assert_eq!(status(&["customers", "show", "nobody"]), 2);
    assert_eq!(status(&["segments", "count", "no-such"]), 2);
    let definitions = desk.file("bad-segment.yaml", "segment: s\nwhere: { did: X, att_least: 3 }\n");
    let ran = desk.run(&["apply", &definitions]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("att_least") && ran.err.contains("at_least"), "{}", ran.err);
}

#[test]
fn a_key_that_signs_mails_is_made_once_and_told_as_the_record_to_publish() {
    let desk = Desk::new();
    let make = ["dkim", "new", "tea.example", "--selector", "s1", "--kind", "ed25519"];
    let made = desk.json(&make);
    assert_eq!(made["name"], "s1._domainkey.tea.example");
    assert!(made["value"].as_str().unwrap().starts_with("v=DKIM1; k=ed25519; p="), "{made}");
    let file = made["key_file"].as_str().unwrap();
    assert!(std::fs::read_to_string(file).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = desk.run(&make);
    assert_eq!(again.status, 2);
    assert!(again.err.contains("choose another selector"), "{again:?}");
    for wrong in [["dkim", "new", "tea", "--selector", "s1"], ["dkim", "new", "tea.example", "--selector", "s;1"]] {
        assert_eq!(desk.run(&wrong).status, 2, "{wrong:?}");
    }
    let key =
        |file: &str| format!("[[email.dkim]]\ndomain = \"tea.example\"\nselector = \"s1\"\nkey_file = {file:?}\n");
    desk.file("perennial.toml", &format!("[email]\nsend = \"smtp\"\n{}", key(file)));
    assert_eq!(desk.json(&["dkim", "records"])[0]["value"], made["value"]);
    desk.file("no-key.pem", "no key");
    desk.file("perennial.toml", &format!("[email]\nsend = \"smtp\"\n{}", key("no-key.pem")));
    let checked = desk.run(&["config", "check"]);
    assert!(checked.status != 0 && checked.err.contains("no-key.pem: there is no private key"), "{checked:?}");
}

#[test]
fn with_json_there_is_one_document_on_standard_output_even_when_it_fails() {
    let desk = Desk::new();
    let ran = desk.run(&["--json", "segments", "list"]);
    assert_eq!(ran.status, 3);
    assert!(ran.json()["error"].as_str().unwrap().contains("no data"), "{ran:?}");
    assert!(!ran.err.is_empty());
}

#[test]
fn importing_twice_changes_nothing_and_refused_rows_are_written_down() {
    let desk = Desk::new();
    let (orders, mapping) = (desk.file("orders.csv", ORDERS), desk.file("orders.yaml", MAPPING));
    let import = |more: &[&str]| desk.run(&[&["--json", "import", &orders, "--map", &mapping], more].concat());

    let dry = import(&["--dry-run"]);
    assert_eq!(dry.status, 1);
    assert!(!desk.data().exists(), "a dry run stores nothing");
    let refused = desk.path("refused.csv");
    let first = import(&["--refused", refused.to_str().unwrap()]);
    assert_eq!(first.status, 1, "rows were refused: {first:?}");
    let answer = first.json();
    assert_eq!(
        (&answer["rows"], &answer["customers"], &answer["accepted"], &answer["duplicates"], &answer["refused"]),
        (&json!(5), &json!(2), &json!(3), &json!(0), &json!(2)),
        "{answer}"
    );
    assert_eq!(answer["events_by_name"], json!({ "Order Completed": 3 }));
    let reasons = answer["refused_by_reason"].as_object().unwrap();
    assert_eq!(reasons.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 2);
    assert!(reasons.contains_key("no customer"), "{answer}");
    let written = std::fs::read_to_string(refused).unwrap();
    assert!(written.contains("2026-02-07") && written.contains("not-a-number"), "{written}");
    assert_eq!(dry.json()["rows"], answer["rows"]);

    let second = import(&[]).json();
    assert_eq!((&second["accepted"], &second["duplicates"], &second["refused"]), (&json!(0), &json!(3), &json!(2)));
    assert_eq!(
        desk.json(&["customers", "find", ""])["customers"].as_array().unwrap().len(),
        2,
        "who has only refused rows is nobody"
    );
}

#[test]
fn answers_have_the_shapes_of_the_spec() {
    let desk = a_shop();
    let created = desk.json(&["keys", "create", "--kind", "browser", "--source", "web"]);
    assert_eq!((&created["kind"], &created["source"]), (&json!("browser"), &json!("web")));
    assert!(created["key"].as_str().unwrap().starts_with("pk_"));
    let list = desk.json(&["keys", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert!(!list.to_string().contains(created["key"].as_str().unwrap()), "the secret is shown once");
    desk.json(&["keys", "revoke", list[0]["id"].as_str().unwrap()]);
    assert!(desk.json(&["keys", "list"])[0]["revoked_at"].is_string());

    let count = desk.json(&["segments", "count", "buyers"]);
    assert_eq!(keys(&count), ["segment", "as_of", "count"]);
    assert_eq!((&count["segment"], &count["count"]), (&json!("buyers"), &json!(2)));
    let members = desk.json(&["segments", "members", "buyers", "--as-of", "2026-02-01T00:00:00Z"]);
    assert_eq!(keys(&members), ["segment", "as_of", "members"]);
    assert_eq!((&members["as_of"], &members["members"]), (&json!("2026-02-01T00:00:00Z"), &json!(["ana"])));
    assert_eq!(desk.json(&["segments", "members", "spenders"])["members"], json!(["ana"]));
    assert_eq!(
        desk.run(&["segments", "count", "buyers", "--as-of", "2999-01-01T00:00:00Z"]).status,
        2,
        "what will be is not known"
    );

    let why = desk.json(&["segments", "why", "spenders", "ana"]);
    assert_eq!(why["member"], true);
    assert!(why.as_object().unwrap().contains_key("until") && why["conditions"].is_array(), "{why}");
    assert_eq!(desk.json(&["segments", "why", "spenders", "ben"])["member"], false);

    let customer = desk.json(&["customers", "show", "ana"]);
    for key in ["id", "identities", "traits"] {
        assert!(customer.as_object().unwrap().contains_key(key), "{customer}");
    }
    let timeline = desk.json(&["customers", "timeline", "ana"]);
    assert_eq!(timeline["happenings"].as_array().unwrap().len(), 2);
    assert_eq!(timeline["happenings"][1]["time"], "2026-01-05T00:00:00Z");

    let plan = desk
        .json(&["plan", &desk.file("more.yaml", "segment: buyers\nwhere: { did: Order Completed, at_least: 2 }\n")]);
    assert_eq!(
        plan["changes"],
        json!([{ "kind": "segment", "name": "buyers", "action": "changed", "enter": 0, "leave": 1 }]),
        "{plan}"
    );
    assert_eq!(desk.json(&["segments", "count", "buyers"])["count"], 2, "a plan changes nothing");
    let files = desk.json(&["pull", desk.path("pulled").to_str().unwrap()]);
    assert_eq!(files["files"].as_array().unwrap().len(), 2);
    let again = desk.json(&["apply", desk.path("pulled").to_str().unwrap()]);
    assert!(again["changes"].as_array().unwrap().iter().all(|change| change["action"] == "unchanged"), "{again}");
    assert!(desk.json(&["decisions", "--customer", "ana"]).is_array());
    assert_eq!(desk.json(&["campaigns", "list"]), json!([]));

    // Two customers are one person, and are two again.
    desk.json(&["customers", "merge", "ana", "ben"]);
    assert_eq!(desk.json(&["segments", "members", "buyers"])["members"], json!(["ana"]));
    desk.json(&["customers", "unmerge", "ana", "ben"]);
    assert_eq!(desk.json(&["segments", "members", "buyers"])["members"], json!(["ana", "ben"]));
}

#[test]
fn a_command_gets_the_same_answer_with_the_server_running_and_without() {
    let desk = a_shop();
    let asked: &[&[&str]] = &[
        &["segments", "list"],
        &["segments", "show", "spenders"],
        &["segments", "members", "buyers", "--as-of", "2026-03-01T00:00:00Z"],
        &["segments", "why", "spenders", "ana", "--as-of", "2026-03-01T00:00:00Z"],
        &["customers", "find", "ana"],
        &["customers", "timeline", "ben"],
        &["customers", "show", "ben", "--as-of", "2026-03-01T00:00:00Z"],
        &["keys", "list"],
        &["decisions", "--customer", "ana"],
        &["campaigns", "list"],
    ];
    let alone: Vec<Value> = asked.iter().map(|command| desk.json(command)).collect();
    let server = Server::start(&desk);
    for (command, alone) in asked.iter().zip(&alone) {
        assert_eq!(desk.json(command), *alone, "{command:?}");
    }
    // What commands change while it runs counts at once, in both ways.
    let key = desk.key("server");
    let sent = ureq::post(&format!("{}/v1/track", server.url))
        .header("authorization", &basic(&key))
        .send(json!({ "userId": "dan", "event": "Order Completed" }).to_string())
        .unwrap();
    assert_eq!(sent.status().as_u16(), 200);
    assert_eq!(desk.json(&["segments", "count", "buyers"])["count"], 3);
    assert!(desk.json(&["login"])["url"].as_str().unwrap().starts_with(&server.url));
    let orders = desk.file("more.csv", "order,customer,at,worth\n9,eva,2026-03-05,99.00\n");
    assert_eq!(desk.json(&["import", &orders, "--map", desk.path("orders.yaml").to_str().unwrap()])["accepted"], 1);
    assert!(server.login.starts_with(&server.url));
    assert_eq!(server.stop(), 0);
    assert_eq!(desk.json(&["segments", "count", "buyers"])["count"], 4);
}

#[test]
fn a_data_directory_has_one_server_at_a_time_and_a_second_says_so() {
    let desk = Desk::new();
    let server = Server::start(&desk);
    let Err(second) = Server::try_start(&desk) else { panic!("two servers on one directory") };
    assert_eq!(second.status, 3, "{second:?}");
    assert!(second.err.contains("data") && !second.err.contains("panicked"), "{second:?}");
    assert_eq!(desk.run(&["keys", "list"]).status, 0, "the first one still answers");
    // Where the file that leads to the server is gone, a command does not open the directory beside it.
    std::fs::remove_file(desk.data().join("server.json")).unwrap();
    let lost = desk.run(&["keys", "list"]);
    assert_eq!(lost.status, 3, "{lost:?}");
    server.kill();
    // A server that was killed leaves no lock.
    assert_eq!(desk.run(&["keys", "list"]).status, 0);
    let server = Server::start(&desk);
    assert_eq!(server.stop(), 0);
}

#[test]
fn completions_and_the_documented_configuration_are_printed() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = desk.run(&["completions", shell]);
        assert_eq!(ran.status, 0);
        assert!(ran.out.contains("perennial") && ran.out.contains("segments"), "{shell}");
    }
    let shown = desk.run(&["config", "show"]);
    assert_eq!(shown.status, 0);
    assert_eq!(shown.out, perennial::config::DEFAULTS);
    // What is printed can be used.
    let file = desk.file("perennial.toml", &shown.out);
    assert_eq!(desk.json(&["--config", &file, "config", "check"]), json!({ "ok": true }));
}

#[test]
fn a_small_demo_fills_a_directory_and_its_time_passes() {
    let desk = Desk::new();
    let filled = desk.json(&["demo", "--no-serve", "--customers", "20", "--seed", "7"]);
    assert_eq!(keys(&filled), ["url", "customers", "events", "seed"]);
    assert_eq!(filled["seed"], 7);
    assert!(filled["customers"].as_u64().unwrap() >= 20 && filled["events"].as_u64().unwrap() > 100, "{filled}");
    assert_eq!(desk.json(&["demo", "--no-serve"]), filled, "filled once");
    let before = desk.json(&["segments", "count", "regulars"])["as_of"].as_str().unwrap().to_owned();
    let advanced = desk.json(&["demo", "advance", "14d"]);
    assert!(advanced["now"].as_str().unwrap() > before.as_str(), "{advanced}");
    assert!(desk.json(&["demo", "--answers"]).is_object());
    assert!(desk.json(&["campaigns", "list"]).as_array().unwrap().len() >= 3);
    let begun = desk.json(&["campaigns", "compare-anew", "win-back"]);
    assert_eq!(begun, json!({ "campaign": "win-back", "comparison": 2 }));
    let unknown = desk.run(&["campaigns", "compare-anew", "win-bak"]);
    assert!(unknown.status != 0 && unknown.err.contains("win-bak"), "{unknown:?}");
    let other = desk.run(&["demo", "advance", "soon"]);
    assert_eq!(other.status, 2);
}

#[test]
fn a_rebuild_finds_the_state_as_it_was_with_and_without_a_server_and_whatever_befell_the_snapshot() {
    let desk = Desk::new();
    desk.json(&["demo", "--no-serve", "--customers", "20", "--seed", "7"]);
    let regulars = desk.json(&["segments", "members", "regulars"])["members"].clone();
    let snapshot = desk.data().join("snapshot");
    assert!(snapshot.exists(), "a clean stop leaves a snapshot");
    let rebuilt = desk.json(&["rebuild"]);
    assert_eq!(keys(&rebuilt), ["before", "after", "calls", "same"]);
    assert_eq!((&rebuilt["before"], &rebuilt["same"]), (&rebuilt["after"], &json!(true)), "{rebuilt}");
    assert!(rebuilt["calls"].as_u64().unwrap() > 100);
    // A server opens from the snapshot, and says the same.
    let server = Server::start(&desk);
    assert_eq!(desk.json(&["rebuild"]), rebuilt);
    assert_eq!(server.stop(), 0);
    // Damaged or gone: it only takes longer.
    for damage in [Some("something else"), None] {
        match damage {
            Some(text) => std::fs::write(&snapshot, text).unwrap(),
            None => std::fs::remove_file(&snapshot).unwrap_or_default(),
        }
        let ran = desk.run(&["segments", "members", "regulars", "--json"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(ran.json()["members"], regulars);
        assert_eq!(ran.err.contains("the snapshot was not used"), damage.is_some(), "{ran:?}");
        assert_eq!(desk.json(&["rebuild"])["after"], rebuilt["after"]);
    }
}

/// Every file of a directory with its bytes.
fn files_of(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_of(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn a_customer_who_is_erased_is_nowhere_to_be_found_with_and_without_a_server() {
    let desk = Desk::new();
    let calls = desk.data().with_file_name("calls.jsonl");
    let line = |id: u32, who: &str| {
        json!({ "type": "track", "userId": who, "event": "Order Completed", "messageId": format!("m-{id}"),
            "timestamp": "2026-03-01T10:00:00Z", "properties": { "note": format!("canary of {who}") } })
        .to_string()
    };
    let people = ["ana-canary", "ben", "cleo-canary"];
    let lines: Vec<String> = (0..30_u32).map(|id| line(id, people[id as usize % 3])).collect();
    std::fs::write(&calls, lines.join("\n")).unwrap();
    let import = |desk: &Desk| desk.json(&["import", calls.to_str().unwrap(), "--map", "segment-calls"]);
    assert_eq!(import(&desk)["accepted"], 30);
    let erased = desk.json(&["customers", "erase", "ana-canary"]);
    assert_eq!(keys(&erased), ["id", "calls", "messages", "refused", "scrubbed"]);
    assert_eq!((&erased["calls"], &erased["scrubbed"]), (&json!(10), &json!(true)), "{erased}");
    assert_eq!(desk.run(&["customers", "show", "ana-canary"]).status, 2, "nobody is called so");
    assert_eq!(desk.run(&["customers", "erase", "ana-canary"]).status, 2);
    let server = Server::start(&desk);
    assert_eq!(desk.json(&["customers", "erase", "cleo-canary"])["calls"], 10);
    assert_eq!(asked(&desk, "SELECT customer FROM customers"), json!([{ "customer": "ben" }]));
    assert_eq!(asked(&desk, "SELECT count(*) AS events FROM events"), json!([{ "events": 10 }]));
    assert_eq!(desk.json(&["rebuild"])["same"], true);
    // The same file once more brings nobody back.
    let again = import(&desk);
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(30)), "{again}");
    assert_eq!(server.stop(), 0);
    for (name, bytes) in files_of(&desk.data()) {
        for canary in ["ana-canary", "cleo-canary", "canary of ana", "canary of cleo"] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is left in {name}");
        }
    }
}

#[test]
fn an_export_holds_everything_and_comes_back_in_an_empty_directory_with_the_same_members() {
    let desk = Desk::new();
    desk.json(&["demo", "--no-serve", "--customers", "20", "--seed", "7"]);
    let somebody = asked(&desk, "SELECT customer FROM customers ORDER BY customer LIMIT 1")[0]["customer"].clone();
    desk.json(&["customers", "erase", somebody.as_str().unwrap()]);
    let dir = desk.path("out");
    let to = dir.to_str().unwrap();
    let all = desk.json(&["export", "--all", "--to", to]);
    let names: Vec<&str> = all["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    let present = ["customers", "traits", "records", "memberships", "consents"];
    let past = ["events", "messages", "webhooks", "tasks", "calls"];
    let tables: Vec<String> = present.into_iter().chain(past).map(|it| format!("{it}.jsonl")).collect();
    assert_eq!(names[..10], tables, "{all}");
    assert_eq!(names[10..], ["definitions"]);
    let lines =
        |dir: &std::path::Path, file: &str| std::fs::read_to_string(dir.join(file)).unwrap().lines().count() as u64;
    let count = |sql: &str| asked(&desk, sql)[0]["n"].as_u64().unwrap();
    assert_eq!(lines(&dir, "events.jsonl"), count("SELECT count(*) AS n FROM events"));
    assert_eq!(lines(&dir, "customers.jsonl"), count("SELECT count(*) AS n FROM customers"));
    assert_eq!(desk.run(&["export", "--to", to]).status, 2, "nothing is overwritten");

    // The same calls and definitions elsewhere give the same members.
    let other = Desk::new();
    assert_eq!(other.run(&["apply", dir.join("definitions").to_str().unwrap()]).status, 0);
    let calls = dir.join("calls.jsonl");
    let imported = other.run(&["import", calls.to_str().unwrap(), "--map", "segment-calls", "--json"]).json();
    assert_eq!(
        imported["accepted"].as_u64().unwrap() + imported["refused"].as_u64().unwrap(),
        lines(&dir, "calls.jsonl")
    );
    // Consent is not granted by an import, whoever asks.
    for segment in ["regulars", "lapsed-regulars", "one-time-buyers", "big-spenders"] {
        let members = |desk: &Desk| {
            let ran = desk.run(&["segments", "members", segment, "--as-of", "2026-01-01T00:00:00Z", "--json"]);
            (ran.status == 0).then(|| ran.json()["members"].clone())
        };
        assert_eq!(members(&desk), members(&other), "{segment}");
    }
    for sql in [
        "SELECT customer, count(*) AS orders FROM events WHERE name = 'Order Completed' GROUP BY customer ORDER BY customer",
        "SELECT customer, name, value FROM traits ORDER BY customer, name",
        "SELECT customer, kind, record, attributes FROM records ORDER BY customer, kind, record",
    ] {
        let found = asked(&desk, sql);
        assert!(found.as_array().unwrap().len() > 5, "{found}");
        assert_eq!(found, asked(&other, sql));
    }

    // With a server, and in other forms.
    let server = Server::start(&desk);
    for form in ["csv", "parquet"] {
        let dir = desk.path(form);
        let files = desk.json(&["export", "--format", form, "--to", dir.to_str().unwrap()]);
        assert_eq!(files["files"].as_array().unwrap().len(), 5, "{files}");
    }
    let csv = std::fs::read_to_string(desk.path("csv").join("customers.csv")).unwrap();
    assert_eq!(csv.lines().count() as u64, 1 + lines(&dir, "customers.jsonl"));
    let again = desk.path("again");
    desk.json(&["export", "--all", "--to", again.to_str().unwrap()]);
    let read = |dir: &std::path::Path| std::fs::read_to_string(dir.join("calls.jsonl")).unwrap();
    assert_eq!(read(&again), read(&dir));
    assert_eq!(server.stop(), 0);
}

/// The rows that answer a question.
fn asked(desk: &Desk, sql: &str) -> Value {
    let ran = desk.run(&["query", sql, "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_template_is_read_before_it_is_used() {
    let desk = Desk::new();
    let data = desk.file(
        "data.json",
        r#"{"customer": {"first_name": "ada", "points": 1234.5}, "event": {"items": [{"name": "Mug"}]}}"#,
    );
    let letter = desk.file("letter.liquid", "Hi {{ customer.first_name | capitalize }}: {{ event.items[0].name }}");
    // No workspace is needed for that.
    let ran = desk.run(&["render", &letter, "--data", &data]);
    assert_eq!((ran.status, ran.out.as_str()), (0, "Hi Ada: Mug\n"));
    let held = desk.run(&["render", "Hi {{ customer.nickname }}!", "--data", &data]);
    assert_eq!((held.status, held.out.as_str()), (1, "Hi !\n"));
    assert!(held.err.contains("customer.nickname is missing"), "{}", held.err);
    let broken = desk.run(&["render", "{% if %}"]);
    assert_eq!((broken.status, broken.out.as_str()), (2, ""));
    assert_eq!(desk.run(&["render", "no such thing"]).status, 2);
    let template = desk.file(
        "hello.yaml",
        "template: hello\nsubject: Hello {{ customer.first_name }}\nbody: We kept {{ customer.points }} points\nvariants: { short: { body: Points } }\n",
    );
    let answer = desk.json(&["render", &template, "--data", &data]);
    assert_eq!((&answer["subject"], &answer["held"]), (&"Hello ada".into(), &serde_json::Value::Null));
    assert!(answer["text"].as_str().unwrap().starts_with("We kept 1234.5 points"), "{answer}");
    let short = desk.run(&["render", &template, "--data", &data, "--variant", "short"]);
    assert!(short.out.starts_with("Hello ada\n\nPoints\n"), "{short:?}");
    // In a workspace: a template by its name, as a customer would read it.
    let calls = desk.file("people.csv", "id,at,first_name\nu1,2026-01-05,Ben\n");
    let mapping = desk.file(
        "people.yaml",
        "mapping: people\ncustomer: { column: id }\ntime: { column: at, format: '%Y-%m-%d', zone: UTC }\nidentify: { traits: { first_name: first_name } }\n",
    );
    let imported = desk.run(&["import", &calls, "--map", &mapping]);
    assert_eq!(imported.status, 0, "{imported:?}");
    desk.json(&["apply", &template]);
    let ran = desk.run(&["--json", "render", "hello", "--customer", "u1"]);
    assert_eq!((ran.status, ran.json()["subject"].as_str()), (1, Some("Hello Ben")));
    assert_eq!(ran.json()["missing"], serde_json::json!(["customer.points"]));
    assert_eq!(desk.run(&["render", "hello", "--customer", "nobody"]).status, 2);
}

#[test]
fn codes_of_vouchers_come_from_a_file_and_a_second_import_changes_nothing() {
    let desk = a_shop();
    let file = desk.path("codes.csv");
    std::fs::write(&file, "code\nSPRING-1\n\nSPRING-2\nnot one\nSPRING-1\n").unwrap();
    let import = || desk.run(&["vouchers", "import", "spring", file.to_str().unwrap(), "--json"]);
    let first = import();
    assert_eq!(first.status, 1, "a line was refused");
    let answer = first.json();
    assert_eq!(
        (&answer["added"], &answer["duplicates"], &answer["refused"], &answer["left"]),
        (&json!(2), &json!(1), &json!(1), &json!(2))
    );
    assert_eq!(answer["refused_codes"], json!([{ "line": 5, "reason": "it holds white space or control characters" }]));
    assert_eq!(import().json()["added"], 0);
    let pools = desk.json(&["vouchers", "list"]);
    assert_eq!(
        (&pools[0]["pool"], &pools[0]["left"], &pools[0]["is_low"]),
        (&json!("spring"), &json!(2), &json!(false))
    );
    assert_eq!(desk.run(&["vouchers", "import", "Not A Name", file.to_str().unwrap()]).status, 2);
    assert_eq!(desk.run(&["vouchers", "import", "spring", "nowhere.txt"]).status, 3);
}
