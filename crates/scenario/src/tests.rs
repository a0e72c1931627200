//! Stories of scenario files: what holds, what does not and why, and what is no scenario.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and the line says where")]

use crate::{Report, test, test_text};
use std::path::Path;

/// A shop whose customers lapse after 30 days and are asked back.
const HEAD: &str = "
scenario: a story
clock: 2026-03-02T12:00:00Z
define:
  - segment: lapsed
    where: { all: [ { did: Order Completed }, { did_not: Order Completed, within: 30d } ] }
  - template: come-back
    subject: We restocked it
    body: The tea you liked is back
  - campaign: win-back
    enter: { on: { enters: lapsed }, again: always }
    exit_if: { did: Order Completed, within: 1d }
    holdout: 0%
    steps: [ { message: come-back } ]
steps:
  - at: 2026-03-02T12:00:00Z
    send:
      - { type: identify, userId: u1, traits: { email: u1@example.com, plan: gold, points: 7 } }
      - { type: track, userId: u1, event: Order Completed, properties: { revenue: 25.0 } }
      - { type: identify, userId: u2, traits: { email: u2@example.com } }
";

#[track_caller]
fn run(text: &str) -> Report {
    let report = test_text(text, "story.yaml", Path::new("")).unwrap();
    assert!(!report.scenarios.is_empty() || !report.unreadable.is_empty(), "something came of it");
    report
}

/// Runs the shop's story with more steps.
#[track_caller]
fn told(steps: &str) -> Report {
    run(&format!("{HEAD}{steps}"))
}

#[track_caller]
fn holds(steps: &str) {
    let report = told(steps);
    assert!(report.unreadable.is_empty() && report.failed() == 0 && report.passed() == 1, "{}", words(&report));
}

/// What is told to people, without colours.
fn words(report: &Report) -> String {
    let mut out = Vec::new();
    report.print(&mut out, crate::Colours::No).unwrap();
    String::from_utf8(out).unwrap()
}

/// Fails unless exactly these expectations failed: step, and what was expected.
#[track_caller]
fn fails(steps: &str, expected: &[(usize, &str)]) -> Report {
    let report = told(steps);
    assert!(report.unreadable.is_empty(), "{}", words(&report));
    let failures = &report.scenarios[0].failures;
    let found: Vec<(usize, &str)> = failures.iter().map(|it| (it.step, it.expected.as_str())).collect();
    assert_eq!(found, expected, "{}", words(&report));
    report
}

/// Fails unless the text is refused at this place with these words.
#[track_caller]
fn refused(text: &str, place: &str, words: &str) {
    let report = run(text);
    assert!(report.scenarios.is_empty(), "{report:?}");
    let error = &report.unreadable[0].error;
    assert_eq!(error.path, place, "{error}");
    assert!(error.message.contains(words), "{error}");
}

#[test]
fn a_customer_who_lapses_is_asked_back_at_that_second() {
    holds(
        "
  - at: +30d
    expect:
      members: { lapsed: { u1: true, u2: false, nobody: false } }
      count: { lapsed: 1 }
      entered: { lapsed: [ u1 ] }
      left: { lapsed: [] }
      messages:
        - { to: u1, campaign: win-back, outcome: sent, at: 2026-04-01T12:00:00Z, contains: restocked, lacks: <b> }
      only: true
      not_sent: [ u2 ]
      no_messages_to: [ u2, nobody ]
      inside: { win-back: { u1: false, u2: false } }
      traits: { u1: { plan: gold, points: 7.0, missing: null } }
      until: { lapsed: { u1: null, u2: null, nobody: null } }
      as_of: { 2026-03-15T12:00:00Z: { lapsed: { u1: false } }, 2026-04-01T12:00:00Z: { lapsed: { u1: true } } }
  - at: +1d
    send: [ { type: track, userId: u1, event: Order Completed } ]
    expect:
      members: { lapsed: { u1: false } }
      left: { lapsed: [ u1 ] }
      entered: { lapsed: [] }
      until: { lapsed: { u1: 2026-05-02T12:00:00Z } }
      only: true
",
    );
}

#[test]
fn every_expectation_can_fail_and_the_others_are_looked_at_all_the_same() {
    let report = fails(
        "
  - at: +30d
    expect:
      members: { lapsed: { u1: false, u2: true } }
      count: { lapsed: 2 }
      messages:
        - { to: u1, campaign: win-back, outcome: held, because: quiet_hours }
        - { to: u2, campaign: win-back, outcome: sent }
      only: true
      not_sent: [ u1 ]
      no_messages_to: [ u1 ]
      inside: { win-back: { u2: true } }
      traits: { u1: { plan: silver, points: null } }
      tasks: [ { about: u1, title: Call back } ]
      webhooks: [ { about: u1, event: promo.granted } ]
      vouchers: { u1: 1, u2: 0 }
      points: { u1: 120, u2: 0 }
      entered: { lapsed: [ u2 ] }
      left: { lapsed: [ u1 ] }
      until: { lapsed: { u1: 2026-05-01T12:00:00Z } }
      as_of: { 2026-03-15T12:00:00Z: { lapsed: { u1: true } } }
  - at: +1d
    expect: { entered: { lapsed: [] }, count: { lapsed: 3 } }
",
        &[
            (2, "u1 is no member of lapsed"),
            (2, "u2 is a member of lapsed"),
            (2, "lapsed has 2 members"),
            (2, r#"the outcome {"to":"u1","campaign":"win-back","outcome":"held","because":"quiet_hours"}"#),
            (2, r#"the outcome {"to":"u2","campaign":"win-back","outcome":"sent"}"#),
            (2, "no outcome but these"),
            (2, "nothing is sent to u1"),
            (2, "nothing is decided about u1"),
            (2, "u2 is inside win-back"),
            (2, "the trait plan of u1 is \"silver\""),
            (2, "the trait points of u1 is null"),
            (2, r#"the task {"about":"u1","title":"Call back"}"#),
            (2, r#"the webhook {"about":"u1","event":"promo.granted"}"#),
            (2, "u1 has 1 vouchers"),
            (2, "u1 has 120 points"),
            (2, "u2 entered lapsed in this step"),
            (2, "u1 left lapsed in this step"),
            (2, "u1 changes in lapsed at 2026-05-01T12:00:00Z"),
            (2, "u1 is a member of lapsed as of 2026-03-15T12:00:00Z"),
            (3, "lapsed has 3 members"),
        ],
    );
    let words = words(&report);
    assert!(words.contains("story.yaml: a story: step 2 (2026-04-01T12:00:00Z): expected: u1 is no member"), "{words}");
    assert!(words.contains("Order Completed") && words.contains("2026-03-02T12:00:00Z"), "the why: {words}");
    assert!(words.contains("it differs in outcome, because"), "the nearest outcome: {words}");
    assert!(words.contains("nothing was decided about u2 in this step"), "{words}");
    assert!(words.ends_with(" a second\n") && words.contains("1 failed; 3 steps in"), "{words}");
}

#[test]
fn a_loose_expectation_leaves_the_outcome_that_only_a_strict_one_fits() {
    holds(
        "
  - at: +1d
    send:
      - { type: track, userId: u2, event: Order Completed }
      - { type: identify, userId: u2, traits: { email: null } }
  - at: +30d
    expect:
      messages: [ { campaign: win-back }, { to: u1, outcome: sent } ]
      only: true
",
    );
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let story = |restart: &str| {
        format!(
            "
  - at: +29d
    {restart}
    expect: {{ members: {{ lapsed: {{ u1: false }} }} }}
  - at: +1d
    {restart}
    expect: {{ messages: [ {{ to: u1, outcome: sent }} ], only: true, entered: {{ lapsed: [ u1 ] }} }}
  - at: +0s
    {restart}
    expect: {{ only: true, entered: {{ lapsed: [] }}, members: {{ lapsed: {{ u1: true }} }} }}
"
        )
    };
    holds(&story("restart: true"));
    holds(&story("restart: false"));
}

#[test]
fn channels_answer_as_they_are_told_for_all_or_for_one_address() {
    holds(
        "
  - at: +1d
    send: [ { type: track, userId: u2, event: Order Completed } ]
    outbox: { email: 5xx }
  - at: +1d
    outbox: { email: { u1@example.com: no_reply } }
  - at: +29d
    expect:
      messages:
        - { to: u1, outcome: uncertain, because: no_reply }
        - { to: u2, outcome: sent }
      only: true
      until: { lapsed: { u1: null } }
",
    );
    let report = fails(
        "\n  - at: +0s\n    outbox: { email: 5xx }\n  - at: +30d\n    expect: { messages: [ { to: u1, outcome: sent } ] }\n",
        &[(3, r#"the outcome {"to":"u1","outcome":"sent"}"#)],
    );
    assert!(words(&report).contains("failed because rejected"), "{}", words(&report));
}

#[test]
fn people_are_merged_and_parted_by_hand_and_answer_to_each_name() {
    holds(
        "
  - at: +30d
    merge: [ u1, u2 ]
    expect: { members: { lapsed: { u1: true, u2: true } }, count: { lapsed: 1 } }
  - at: +0s
    unmerge: [ u1, u2 ]
    expect: { members: { lapsed: { u1: true, u2: false } } }
",
    );
    fails(
        "\n  - at: +1d\n    merge: [ u1, nobody ]\n    expect: { count: { lapsed: 0 } }\n",
        &[(2, "`u1` and `nobody` become one person")],
    );
}

#[test]
fn who_is_erased_is_a_member_of_nothing_and_may_come_again_as_somebody_new() {
    holds(
        "
  - at: +30d
    erase: u1
    expect: { members: { lapsed: { u1: false } }, count: { lapsed: 0 }, inside: { win-back: { u1: false } } }
  - at: +1d
    restart: true
    send:
      - { type: track, userId: u1, event: Order Completed }
    expect: { members: { lapsed: { u1: false } } }
  - at: +30d
    expect: { members: { lapsed: { u1: true } } }
",
    );
    fails("\n  - at: +1d\n    erase: nobody\n    expect: { count: { lapsed: 0 } }\n", &[(2, "`nobody` is erased")]);
}

#[test]
fn definitions_change_and_go_during_the_story() {
    holds(
        "
  - at: +15d
    define:
      - segment: lapsed
        where: { all: [ { did: Order Completed }, { did_not: Order Completed, within: 10d } ] }
    expect: { entered: { lapsed: [ u1 ] }, messages: [ { to: u1, outcome: sent } ] }
  - at: +1d
    delete: { campaign: win-back }
    expect: { inside: { win-back: { u1: false } } }
  - at: +1d
    delete: { segment: lapsed, template: come-back }
",
    );
    let report = fails("\n  - at: +1d\n    delete: { segment: lapsed }\n", &[(2, "segment `lapsed` is deleted")]);
    assert!(words(&report).contains("is in use by campaign `win-back`"), "{}", words(&report));
    refused(
        &format!("{HEAD}  - at: +1d\n    delete: {{ segment: laps }}\n"),
        "steps[1].delete.segment",
        "no segment `laps`",
    );
}

#[test]
fn a_call_that_the_door_refuses_fails_the_step_and_a_duplicate_does_not() {
    let report = fails(
        "
  - at: +1d
    send:
      - { type: track, event: Order Completed }
      - { type: track, userId: u2, event: Order Completed, messageId: m1 }
      - { type: track, userId: u2, event: Order Completed, messageId: m1 }
      - just a word
  - at: +30d
    expect: { members: { lapsed: { u1: true, u2: true } } }
",
        &[(2, r#"{"type":"track","event":"Order Completed"} is accepted"#), (2, "\"just a word\" is accepted")],
    );
    assert!(words(&report).contains("refused ("), "{}", words(&report));
}

#[test]
fn the_zone_is_the_workspaces_and_marketing_is_granted_unless_defined() {
    let story = |define: &str, expect: &str| {
        format!(
            "
scenario: zones
clock: 2026-03-02T22:30:00Z
zone: Asia/Tokyo
define:
  - segment: bought-today
    where: {{ did: Order Completed, within_days: 0 }}
  - segment: may-write
    where: {{ consent: {{ purpose: marketing, channel: email, is: granted }} }}
  {define}
steps:
  - at: +0s
    send: [ {{ type: track, userId: u1, event: Order Completed }} ]
  - at: 2026-03-03T14:59:59Z
    expect: {{ members: {{ bought-today: {{ u1: true }}, may-write: {{ u1: {expect} }} }} }}
  - at: +1s
    expect: {{ members: {{ bought-today: {{ u1: false }} }} }}
"
        )
    };
    for (define, expect) in [
        ("", "true"),
        ("- { workspace: settings, quiet_hours: { from: \"21:00\", to: \"09:00\" } }", "true"),
        ("- { workspace: settings, zone: Asia/Tokyo }", "true"),
        ("- { purpose: marketing, default: unknown }", "false"),
    ] {
        let report = run(&story(define, expect));
        assert!(report.passed() == 1 && report.unreadable.is_empty(), "{define}: {}", words(&report));
    }
    refused(&story("- { workspace: settings, zone: Europe/Rome }", "true"), "define[2].zone", "leave one of them out");
}

#[test]
fn whatever_is_wrong_with_a_file_is_named_with_its_place() {
    let step = |step: &str| format!("{HEAD}{step}");
    for (text, place, words) in [
        ("[]".to_owned(), "", "expected a map"),
        ("scenario: x\nclock: 2026-03-02T12:00:00Z\nsteps: []\ncolour: red".to_owned(), "", "unknown key `colour`"),
        ("scenario: x\nclock: noon\nsteps: []".to_owned(), "clock", "`noon` is no instant"),
        ("scenario: x\nsteps: []".to_owned(), "", "`clock` is missing"),
        (
            "scenario: x\nclock: 2026-03-02T12:00:00Z\nzone: Mars\nsteps: []".to_owned(),
            "zone",
            "`Mars` is no time zone",
        ),
        ("scenario: [x]\nclock: 2026-03-02T12:00:00Z\nsteps: []".to_owned(), "scenario", "expected text"),
        ("scenario: x\nscenario: y".to_owned(), "", "`scenario` stands twice, in line 1 and in line 2"),
        (
            step("  - { at: +1d, define: [ { segment: s, where: { did: X } }, { segment: s, where: { did: Y } } ] }"),
            "steps[1].define[1]",
            "segment `s` is defined here and in `steps[1].define[0]`; keep one of them",
        ),
        ("".to_owned(), "", "empty"),
        ("segment: s\nwhere: { did: X }".to_owned(), "", "no scenario"),
        (step("  - { at: +1d, expects: {} }"), "steps[1]", "unknown key `expects`; did you mean `expect`?"),
        (step("  - { at: +1d, expect: { member: {} } }"), "steps[1].expect", "did you mean `members`?"),
        (step("  - { at: 2026-03-01T12:00:00Z }"), "steps[1].at", "lies before 2026-03-02T12:00:00Z"),
        (step("  - { at: +1 day }"), "steps[1].at", "is no duration"),
        (step("  - { send: [] }"), "steps[1]", "`at` is missing"),
        (step("  - { at: +1d, restart: maybe }"), "steps[1].restart", "expected true or false"),
        (step("  - { at: +1d, merge: [ u1 ] }"), "steps[1].merge", "expected two names"),
        (step("  - { at: +1d, merge: [ u1, u2, u3 ] }"), "steps[1].merge", "3 values"),
        (step("  - { at: +1d, outbox: { mail: accept } }"), "steps[1].outbox", "did you mean `email`?"),
        (step("  - { at: +1d, outbox: { email: 6xx } }"), "steps[1].outbox.email", "unknown answer"),
        (step("  - { at: +1d, delete: { segments: x } }"), "steps[1].delete", "did you mean `segment`?"),
        (
            step("  - { at: +1d, define: [ { segment: s, where: { did: X, withn: 3d } } ] }"),
            "steps[1].define[0].where",
            "did you mean `within`?",
        ),
        (
            step("  - { at: +1d, define: [ { segment: s, where: { segment: t } } ] }"),
            "steps[1].define",
            "there is no segment `t`",
        ),
        (step("  - { at: +1d, define: [ { alert: a } ] }"), "steps[1].define[0].alert", "not done by this version yet"),
        (step("  - { at: +1d, define: [ { from: nowhere } ] }"), "steps[1].define[0].from", "nowhere"),
        (step("  - { at: +1d, erase: [ u1, u2 ] }"), "steps[1].erase", "expected text"),
        (
            step("  - { at: +1d, expect: { members: { laps: { u1: true } } } }"),
            "steps[1].expect.members.laps",
            "did you mean `lapsed`?",
        ),
        (
            step("  - { at: +1d, expect: { members: { lapsed: { u1: 1 } } } }"),
            "steps[1].expect.members.lapsed.u1",
            "expected true or false",
        ),
        (
            step("  - { at: +1d, expect: { inside: { winback: { u1: true } } } }"),
            "steps[1].expect.inside.winback",
            "did you mean `win-back`?",
        ),
        (
            step("  - { at: +1d, expect: { messages: [ { to: u1, campaign: other } ] } }"),
            "steps[1].expect.messages[0].campaign",
            "no campaign `other`",
        ),
        (
            step("  - { at: +1d, expect: { messages: [ { outcome: send } ] } }"),
            "steps[1].expect.messages[0].outcome",
            "did you mean `sent`?",
        ),
        (
            step("  - { at: +1d, expect: { messages: [ { too: u1 } ] } }"),
            "steps[1].expect.messages[0]",
            "did you mean `to`?",
        ),
        (step("  - { at: +1d, expect: { count: { lapsed: -1 } } }"), "steps[1].expect.count.lapsed", "whole number"),
        (
            step("  - { at: +1d, expect: { tasks: [ { abut: u1 } ] } }"),
            "steps[1].expect.tasks[0]",
            "did you mean `about`?",
        ),
        (step("  - { at: +1d, expect: { points: { u1: many } } }"), "steps[1].expect.points.u1", "whole number"),
        (
            step("  - { at: +1d, expect: { as_of: { 2027-03-02T12:00:00Z: { lapsed: {} } } } }"),
            "steps[1].expect.as_of.2027-03-02T12:00:00Z",
            "is after",
        ),
        (
            step("  - { at: +1d, expect: { until: { lapsed: { u1: soon } } } }"),
            "steps[1].expect.until.lapsed.u1",
            "is no instant",
        ),
    ] {
        let report = run(&text);
        assert!(report.scenarios.is_empty(), "{text}");
        let error = &report.unreadable[0].error;
        assert!(error.path == place && error.message.contains(words), "{text}\n{error}");
    }
}

#[test]
fn a_bomb_of_aliases_and_a_century_of_greetings_end_soon() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ('b'..='z').zip('a'..='y') {
        bomb.push_str(&format!("{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"));
    }
    assert_eq!(run(&bomb).unreadable.len(), 1);
    assert_eq!(run(&format!("scenario: {}x{}", "[".repeat(20_000), "]".repeat(20_000))).unreadable.len(), 1);
    assert_eq!(
        run(&format!("scenario: x\nclock: 2026-03-02T12:00:00Z\nsteps: {}", "a: { ".repeat(300))).unreadable.len(),
        1
    );
    // The end of the calendar is no panic.
    holds("\n  - at: 9999-12-30T00:00:00Z\n    expect: { members: { lapsed: { u1: true } } }\n  - at: +5000w\n");
}

#[test]
fn a_folder_is_walked_in_order_and_definitions_beside_scenarios_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("segments/buyers.yaml", "segment: buyers\nwhere: { did: Order Completed }\n");
    write("segments/.hidden.yaml", "nonsense: true");
    let scenario = |name: &str, expected: bool| {
        format!(
            "scenario: {name}\nclock: 2026-03-02T12:00:00Z\ndefine: [ {{ from: ../segments }} ]\nsteps:\n  - at: +0s\n    send: [ {{ type: track, userId: u1, event: Order Completed }} ]\n    expect: {{ members: {{ buyers: {{ u1: {expected} }} }} }}\n"
        )
    };
    write("tests/b.yaml", &scenario("second", true));
    write("tests/a.yml", &format!("{}---\n{}", scenario("first", true), scenario("first again", false)));
    write("tests/deep/c.json", r#"{"scenario": "third", "clock": "2026-03-02T12:00:00Z", "steps": []}"#);
    write("tests/notes.txt", "no scenario");
    let counted = std::sync::atomic::AtomicUsize::new(0);
    let count = |_: usize, all: usize| {
        assert_eq!(all, 4);
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let report = test(&[dir.path().to_owned()], &count).unwrap();
    let names: Vec<(&str, bool)> = report.scenarios.iter().map(|it| (it.name.as_str(), it.passed())).collect();
    assert_eq!(
        names,
        [("first", true), ("first again", false), ("second", true), ("third", true)],
        "{}",
        words(&report)
    );
    assert_eq!((report.passed_over, report.unreadable.len(), counted.into_inner()), (1, 0, 4), "{}", words(&report));

    // A typing error does not make a scenario a file that nobody looks at.
    write("tests/d.yaml", "senario: x\nclock: 2026-03-02T12:00:00Z\nsteps: []\n");
    write("tests/e.yaml", "scenario: x\n  clock: [");
    std::fs::write(dir.path().join("tests/f.yaml"), b"\xff\xfe").unwrap();
    let report =
        test(&[dir.path().join("tests"), dir.path().join("nowhere"), dir.path().join("segments")], &|_, _| {}).unwrap();
    assert_eq!((report.scenarios.len(), report.unreadable.len()), (4, 4), "{}", words(&report));
}

#[test]
fn what_a_scenario_says_cannot_break_the_xml_or_move_the_cursor() {
    let text = "scenario: \"<b> & \\\"quotes\\\" 'here' ]]>\"\nclock: 2026-03-02T12:00:00Z\nsteps:\n  - at: +0s\n    send: [ { type: track, userId: \"a\\u0007\\e[31m<x>\\ufffe\", event: X } ]\n    expect: { traits: { \"a\\u0007\\e[31m<x>\\ufffe\": { y: \"&\\n\\u0000\" } } }\n";
    let report = run(text);
    assert_eq!(report.failed(), 1, "{}", words(&report));
    let xml = crate::junit(&report);
    assert!(xml.chars().all(|c| c == '\n' || !c.is_control()), "{xml}");
    assert!(xml.contains("name=\"&lt;b&gt; &amp; &quot;quotes&quot; &apos;here&apos; ]]&gt;\""), "{xml}");
    assert!(xml.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{xml}");
    assert!(!xml.contains('\u{fffe}') && !xml.contains("<x>"), "{xml}");
    assert!(words(&report).chars().all(|c| c == '\n' || !c.is_control()), "{}", words(&report));
    // Colours come from us alone.
    let mut out = Vec::new();
    report.print(&mut out, crate::Colours::Yes).unwrap();
    assert!(String::from_utf8(out).unwrap().starts_with("\u{1b}[31mfailed\u{1b}[0m story.yaml"));
}

#[test]
fn of_very_many_failures_the_first_are_told_and_all_are_counted() {
    let people: Vec<String> = (0..80).map(|number| format!("x{number}: true")).collect();
    let report = told(&format!("  - at: +1d\n    expect: {{ members: {{ lapsed: {{ {} }} }} }}\n", people.join(", ")));
    let tested = &report.scenarios[0];
    assert_eq!((tested.failures.len(), tested.failures_left_out), (50, 30));
    assert!(words(&report).contains("and 30 failures more"));
    assert_eq!(report.json()["scenarios"][0]["failures"].as_array().unwrap().len(), 51);
}

#[test]
fn what_is_odd_about_definitions_is_said_once_and_fails_nothing() {
    let story = |name: &str| {
        format!(
            "scenario: {name}\nclock: 2026-03-02T12:00:00Z\ndefine:\n  - {{ segment: odd, where: {{ any: [ {{ trait: 'a..b', is: 1 }}, {{ did: Order, sum: revenue, above: 5 }} ] }} }}\nsteps: [ {{ at: +0s, expect: {{ count: {{ odd: 0 }} }} }} ]"
        )
    };
    let report = run(&format!("{}\n---\n{}", story("one"), story("two")));
    assert_eq!(report.passed(), 2);
    let mut said = Vec::new();
    report.print_warnings(&mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    let path = "warning story.yaml: one: segment `odd`: the path `a..b` is malformed, so its condition is never true (so too in 1 more)";
    assert!(said.contains(path), "{said}");
    assert!(said.contains("`revenue` is added up over all currencies alike"), "{said}");
    assert_eq!(said.matches("warning").count(), 2);
    assert_eq!(report.json()["scenarios"][1]["warnings"].as_array().unwrap().len(), 2);
}
