//! `perennial test` as scripts and CI see it: exit statuses, JSON and `JUnit`. The scenarios beside this file are our own.

use crate::process::Desk;
use serde_json::json;
use std::path::Path;

const HOLDS: &str = "
scenario: a buyer is a buyer
clock: 2026-03-02T12:00:00Z
define: [ { segment: buyers, where: { did: Order Completed } } ]
steps:
  - at: +0s
    send: [ { type: track, userId: ana, event: Order Completed } ]
    expect: { members: { buyers: { ana: true } } }
";

fn own() -> String {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/it/scenarios").to_str().unwrap().to_owned()
}

fn scenarios_in(path: &Path) -> usize {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().map(|entry| scenarios_in(&entry.unwrap().path())).sum();
    }
    std::fs::read_to_string(path).unwrap().lines().filter(|line| line.starts_with("scenario:")).count()
}

#[test]
fn our_own_scenarios_hold_and_need_no_data() {
    let desk = Desk::new();
    let ran = desk.run(&["test", &own()]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let count = scenarios_in(Path::new(&own()));
    assert!(ran.out.starts_with(&format!("{count} passed, 1 file of definitions passed over; ")), "{ran:?}");
    assert!(ran.out.contains(" steps in "), "{ran:?}");
    assert!(ran.err.lines().all(|line| line.starts_with("warning ")), "{ran:?}");
    assert!(ran.err.contains("segment `absent`: the path `a..b` is malformed"), "{ran:?}");
    assert!(!desk.data().exists(), "a scenario has a workspace of its own");
    let answer = desk.json(&["test", &own()]);
    assert_eq!((&answer["passed"], &answer["failed"]), (&json!(count), &json!(0)));
    let first = &answer["scenarios"][0];
    assert!(first["file"].as_str().unwrap().ends_with("scenarios/asked-back-once.yaml"), "sorted: {first}");
    assert_eq!((&first["passed"], &first["failures"]), (&json!(true), &json!([])));
}

#[test]
fn what_does_not_hold_is_told_with_its_reason_and_the_answer_is_no() {
    let desk = Desk::new();
    desk.file("a.yaml", HOLDS);
    let wrong = desk.file("b.yaml", &HOLDS.replace("{ ana: true }", "{ ana: false, ben: true }"));
    let ran = desk.run(&["test", "a.yaml", "b.yaml"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    for told in [
        "failed b.yaml: a buyer is a buyer: step 1 (2026-03-02T12:00:00Z): expected: ana is no member of buyers; was: a member",
        "belongs since 2026-03-02T12:00:00Z",
        "nobody is called `ben`",
        "1 passed, 1 failed; 2 steps in ",
    ] {
        assert!(ran.out.contains(told), "{told}: {ran:?}");
    }
    assert!(!ran.out.contains('\u{1b}'), "no colours where it is no terminal");

    let ran = desk.run(&["--json", "test", &wrong, "--junit", "results.xml"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let answer = ran.json();
    assert_eq!((&answer["passed"], &answer["failed"]), (&json!(0), &json!(1)));
    let scenario = &answer["scenarios"][0];
    assert_eq!((&scenario["name"], &scenario["passed"]), (&json!("a buyer is a buyer"), &json!(false)));
    assert_eq!(scenario["failures"][0]["step"], 1);
    assert_eq!(scenario["failures"].as_array().unwrap().len(), 2);
    let junit = std::fs::read_to_string(desk.path("results.xml")).unwrap();
    assert!(junit.starts_with("<?xml") && junit.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{junit}");
    assert_eq!(junit.matches("<failure message=\"step 1").count(), 2, "{junit}");
}

#[test]
fn a_file_that_cannot_be_read_is_wrong_usage_and_the_others_run_all_the_same() {
    let desk = Desk::new();
    desk.file("good.yaml", HOLDS);
    desk.file("bad.yaml", &HOLDS.replace("members:", "member:"));
    for (paths, told) in [
        (vec!["bad.yaml", "good.yaml"], "at `steps[0].expect`: unknown key `member`; did you mean `members`?"),
        (vec!["good.yaml", "nowhere.yaml"], "nowhere.yaml: "),
    ] {
        let arguments = [&["--json", "test", "--junit", "results.xml"][..], &paths].concat();
        let ran = desk.run(&arguments);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.err.contains(told), "{told}: {ran:?}");
        let answer = ran.json();
        assert_eq!((&answer["passed"], answer["errors"].as_array().unwrap().len()), (&json!(1), 1), "{answer}");
        let junit = std::fs::read_to_string(desk.path("results.xml")).unwrap();
        assert!(junit.contains("errors=\"1\"") && junit.contains("<error message="), "{junit}");
        let plain = desk.run(&[&["test"][..], &paths].concat());
        assert!(plain.status == 2 && plain.out.contains(told), "{plain:?}");
    }
    assert_eq!(desk.run(&["test"]).status, 2);
    assert_eq!(desk.run(&["test", "good.yaml", "--junit", "no/such/folder/x.xml"]).status, 3);
}
