//! How many steps a second: `cargo run --release -p scenario --example scenario_speed -- 1000`.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000);
    let dir = tempfile::tempdir().expect("the machine has a directory for temporary files");
    for number in 0..count {
        let file = dir.path().join(format!("lapsed-{number:05}.yaml"));
        std::fs::write(file, scenario(number)).expect("a file can be written there");
    }
    let report = scenario::test(&[PathBuf::from(dir.path())], &|_, _| {}).expect("the machine lets us work");
    report.print(&mut std::io::stdout(), scenario::Colours::No).expect("standard output takes it");
}

/// Twenty steps with two customers, two segments and a campaign; every tenth restarts.
fn scenario(number: usize) -> String {
    let mut text = format!(
        "scenario: number {number}
clock: 2026-03-02T12:00:00Z
define:
  - segment: lapsed
    where: {{ all: [ {{ did: Order Completed }}, {{ did_not: Order Completed, within: 30d }} ] }}
  - segment: spenders
    where: {{ did: Order Completed, sum: revenue, at_least: {} }}
  - template: hello
    subject: We restocked
    body: Come and see
  - campaign: win-back
    enter: {{ on: {{ enters: lapsed }}, again: always }}
    holdout: 0%
    steps: [ {{ message: hello }} ]
steps:
",
        50 + number % 50
    );
    for step in 0..20 {
        let _ = writeln!(text, "  - at: +{}d", if step == 0 { 0 } else { 1 + (number + step) % 20 });
        if step == 10 && number.is_multiple_of(10) {
            text.push_str("    restart: true\n");
        }
        let _ = writeln!(
            text,
            "    send: [ {{ type: identify, userId: u1, traits: {{ email: u1@example.com }} }}, {{ type: track, userId: u{}, event: Order Completed, properties: {{ revenue: 7 }} }} ]
    expect: {{ members: {{ lapsed: {{ u{}: false }}, spenders: {{ u3: false }} }}, not_sent: [ u2 ] }}",
            1 + step % 2,
            1 + step % 2
        );
    }
    text
}
