//! A folder of definitions beside the server: what would change, what does, and who changed it meanwhile.

use crate::process::{Desk, Ran, Server};
use serde_json::{Value, json};
use std::path::Path;

const BUYERS: &str = "# Everybody who ever bought.\nsegment: buyers\nwhere: { did: Order Completed } # at all\n";
const LOYAL: &str = "segment: loyal\nwhere: { all: [ { segment: buyers }, { did: Order Completed, at_least: 2 } ] }\n";

/// A desk with a folder of two segments, and two customers with one and two orders.
fn a_desk() -> Desk {
    let desk = Desk::new();
    let calls = "{\"type\":\"track\",\"messageId\":\"1\",\"userId\":\"ana\",\"event\":\"Order Completed\",\"timestamp\":\"2026-01-01T00:00:00Z\"}\n{\"type\":\"track\",\"messageId\":\"2\",\"userId\":\"ana\",\"event\":\"Order Completed\",\"timestamp\":\"2026-01-02T00:00:00Z\"}\n{\"type\":\"track\",\"messageId\":\"3\",\"userId\":\"ben\",\"event\":\"Order Completed\",\"timestamp\":\"2026-01-03T00:00:00Z\"}\n";
    assert_eq!(desk.run(&["import", &desk.file("calls.jsonl", calls), "--map", "segment-calls"]).status, 0);
    std::fs::create_dir_all(desk.path("shop/segments")).unwrap();
    put(&desk, "segments/buyers.yaml", BUYERS);
    put(&desk, "segments/loyal.yaml", LOYAL);
    desk
}

fn put(desk: &Desk, file: &str, text: &str) {
    std::fs::write(desk.path("shop").join(file), text).unwrap();
}

fn got(desk: &Desk, file: &str) -> String {
    std::fs::read_to_string(desk.path("shop").join(file)).unwrap()
}

fn folder(desk: &Desk, command: &str, more: &[&str]) -> Ran {
    let path = desk.path("shop");
    desk.run(&[&["--json", command, path.to_str().unwrap()], more].concat())
}

fn changes(answer: &Value) -> Vec<(String, String, u64, u64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = answer["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            (
                text(&change["name"]),
                text(&change["action"]),
                change["enter"].as_u64().unwrap(),
                change["leave"].as_u64().unwrap(),
            )
        })
        .collect()
}

fn change(name: &str, action: &str, enter: u64, leave: u64) -> (String, String, u64, u64) {
    (name.to_owned(), action.to_owned(), enter, leave)
}

/// What somebody saves on the running server, by a program.
fn save_on_server(desk: &Desk, server: &Server, name: &str, yaml: &str) {
    let running: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.data().join("server.json")).unwrap()).unwrap();
    let token = format!("Bearer {}", running["token"].as_str().unwrap());
    let address = format!("{}/api/segments/{name}?by=ben", server.url);
    let saved = ureq::put(&address)
        .header("authorization", &token)
        .header("content-type", "application/yaml")
        .header("if-match", "*")
        .send(yaml)
        .unwrap();
    assert_eq!(saved.status().as_u16(), 200);
}

#[test]
fn a_plan_tells_what_apply_then_does() {
    let desk = a_desk();
    let plan = folder(&desk, "plan", &[]);
    assert_eq!(plan.status, 0, "{plan:?}");
    let expected = [change("buyers", "created", 2, 0), change("loyal", "created", 1, 0)];
    assert_eq!(changes(&plan.json()), expected);
    assert_eq!(desk.json(&["segments", "list"]), json!([]), "a plan changes nothing");
    let applied = folder(&desk, "apply", &[]).json();
    assert_eq!(applied["changes"], plan.json()["changes"]);
    assert_eq!(applied["diffs"], plan.json()["diffs"]);
    assert!(changes(&folder(&desk, "plan", &[]).json()).iter().all(|(_, action, ..)| action == "unchanged"));

    // One segment changes; another that names it moves with it.
    put(&desk, "segments/buyers.yaml", &BUYERS.replace("Order Completed }", "Order Completed, before: 2026-01-02 }"));
    let plan = folder(&desk, "plan", &[]).json();
    assert_eq!(changes(&plan), [change("buyers", "changed", 0, 1), change("loyal", "unchanged", 0, 0)]);
    let diff = plan["diffs"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("\n-where: { did: Order Completed }\n+where: { did: Order Completed, before: "), "{diff}");
    let path = desk.path("shop");
    let words = desk.run(&["plan", path.to_str().unwrap()]);
    assert!(words.out.contains("  -where: { did: Order Completed }"), "{}", words.out);
    let applied = folder(&desk, "apply", &[]).json();
    assert_eq!(applied["changes"], plan["changes"]);
    let versions = desk.json(&["segments", "versions", "buyers"]);
    assert_eq!((versions.as_array().unwrap().len(), &versions[0]["diff"]), (2, &plan["diffs"][0]["diff"]));
    assert_eq!(desk.json(&["segments", "diff", "buyers"])["diff"], plan["diffs"][0]["diff"]);
    assert!(desk.run(&["segments", "versions", "buyers"]).out.contains("version 1: created"));
}

#[test]
fn a_mistake_is_told_with_file_line_and_the_nearest_word() {
    let desk = a_desk();
    put(&desk, "segments/loyal.yaml", "# Two or more\n\nsegment: loyal\nwhere:\n  all:\n    - { segment: buyer }\n");
    for command in ["plan", "apply"] {
        let ran = folder(&desk, command, &[]);
        assert_eq!(ran.status, 2, "{ran:?}");
        let place = format!("{}:4", Path::new("segments").join("loyal.yaml").display());
        assert!(ran.err.contains(&place) && ran.err.contains("did you mean `buyers`?"), "{}", ran.err);
    }
    put(&desk, "segments/loyal.yaml", "segment: loyal\nwhere:\n  did: Order Completed\n  at_leest: 2\n");
    let ran = folder(&desk, "plan", &[]);
    assert!(ran.err.contains("loyal.yaml:4") && ran.err.contains("`at_least`"), "{}", ran.err);
    put(&desk, "segments/loyal.yaml", "segment: buyers\nwhere: { everyone: true }\n");
    let ran = folder(&desk, "plan", &[]);
    assert!(ran.status == 2 && ran.err.contains("twice") && ran.err.contains("loyal.yaml"), "{ran:?}");
}

#[test]
fn what_was_changed_on_the_server_is_drift_until_it_is_pulled_or_overwritten() {
    let desk = a_desk();
    assert_eq!(folder(&desk, "apply", &[]).status, 0);
    let server = Server::start(&desk);
    save_on_server(&desk, &server, "buyers", "segment: buyers\ntitle: All buyers\nwhere: { did: Order Completed }\n");

    let plan = folder(&desk, "plan", &[]);
    assert_eq!(plan.status, 1, "a plan that would be refused: {plan:?}");
    let drift = &plan.json()["drift"];
    assert_eq!(
        (&drift[0]["name"], &drift[0]["by"], &drift[0]["version"]),
        (&json!("buyers"), &json!("ben"), &json!(2))
    );
    assert!(drift[0]["diff"].as_str().unwrap().contains("+title: All buyers"), "{drift}");
    let refused = folder(&desk, "apply", &[]);
    assert_eq!((refused.status, &refused.json()["changes"]), (1, &json!([])));
    assert_eq!(desk.json(&["segments", "show", "buyers"])["version"], 2, "nothing was overwritten");
    let path = desk.path("shop");
    let words = desk.run(&["apply", path.to_str().unwrap()]);
    assert!(words.out.contains("changed on the server by ben at"), "{}", words.out);

    // Pulled: what changed is written where it stood, under its heading; what did not keeps its text.
    put(&desk, "segments/loyal.yaml", &format!("# unchanged\n{LOYAL}"));
    let pulled = folder(&desk, "pull", &[]).json();
    assert_eq!(pulled["files"].as_array().unwrap().len(), 1, "{pulled}");
    assert_eq!(
        got(&desk, "segments/buyers.yaml"),
        "# Everybody who ever bought.\nsegment: buyers\ntitle: All buyers\nwhere: { did: Order Completed }\n"
    );
    assert_eq!(got(&desk, "segments/loyal.yaml"), format!("# unchanged\n{LOYAL}"));
    // What was seen may be built upon.
    put(&desk, "segments/buyers.yaml", "segment: buyers\ntitle: Buyers\nwhere: { did: Order Completed }\n");
    let plan = folder(&desk, "plan", &[]);
    assert_eq!((plan.status, &plan.json()["drift"]), (0, &json!([])));
    assert_eq!(folder(&desk, "apply", &[]).status, 0);
    assert_eq!(desk.json(&["segments", "show", "buyers"])["title"], "Buyers");
    // Applied from a folder: no drift, for this and any other copy of the folder.
    std::fs::remove_file(desk.path("shop/.perennial.json")).unwrap();
    put(&desk, "segments/buyers.yaml", BUYERS);
    assert_eq!(folder(&desk, "plan", &[]).status, 0);

    save_on_server(&desk, &server, "loyal", "segment: loyal\nwhere: { everyone: true }\n");
    assert_eq!(folder(&desk, "apply", &[]).status, 1);
    let forced = folder(&desk, "apply", &["--force"]);
    assert_eq!((forced.status, &forced.json()["drift"][0]["name"]), (0, &json!("loyal")));
    assert!(got(&desk, "segments/loyal.yaml").contains("at_least: 2"));
    assert_eq!(desk.json(&["segments", "count", "loyal"])["count"], 1);
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_the_folder_lacks_is_listed_and_deleted_only_when_that_is_asked_and_nothing_uses_it() {
    let desk = a_desk();
    put(
        &desk,
        "letters.yaml",
        "template: hello\nsubject: Hello\nbody: Hello\n---\ncampaign: hello\nenter: { on: { enters: loyal } }\nsteps: [ { message: hello } ]\n---\nsegment: idle\nwhere: { did_not: Order Completed }\n---\nsegment: idle-too\nwhere: { segment: idle }\n",
    );
    assert_eq!(folder(&desk, "apply", &[]).status, 0);
    let letters = got(&desk, "letters.yaml");
    std::fs::remove_file(desk.path("shop/letters.yaml")).unwrap();
    std::fs::remove_file(desk.path("shop/segments/loyal.yaml")).unwrap();
    let plan = folder(&desk, "plan", &[]).json();
    let only: Vec<&str> =
        plan["only_on_server"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(only, ["idle", "idle-too", "loyal", "hello", "hello"]);
    assert_eq!(folder(&desk, "apply", &[]).status, 0);
    assert_eq!(desk.json(&["segments", "list"]).as_array().unwrap().len(), 4, "nothing is deleted in silence");
    // The campaign stays, and so does what it uses.
    put(&desk, "letters.yaml", letters.split("---\n").nth(1).unwrap());
    let plan = folder(&desk, "plan", &["--prune"]).json();
    let gone = |answer: &Value| -> Vec<String> {
        changes(answer).into_iter().filter(|(_, action, ..)| action == "deleted").map(|(name, ..)| name).collect()
    };
    assert_eq!(gone(&plan), ["idle-too", "idle"]);
    let applied = folder(&desk, "apply", &["--prune"]).json();
    assert_eq!(applied["changes"], plan["changes"]);
    assert_eq!(applied["only_on_server"][0]["used_by"][0]["name"], "hello");
    let left = desk.json(&["segments", "list"]);
    let left: Vec<&str> = left.as_array().unwrap().iter().map(|one| one["segment"].as_str().unwrap()).collect();
    assert_eq!(left, ["buyers", "loyal"]);
    // A name that is gone is not used again.
    put(&desk, "idle.yaml", "segment: idle\nwhere: { everyone: true }\n");
    let again = folder(&desk, "plan", &[]);
    assert!(again.status == 2 && again.err.contains("deleted"), "{again:?}");
}
