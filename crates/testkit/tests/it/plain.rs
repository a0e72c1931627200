//! The engine against the plain evaluator: random small lives and definitions, at random instants and at every turn.

use std::path::Path;
use std::time::Instant;
use testkit::agreement::{self, Case, Look, Outcome};
use testkit::verify::run_cases;

/// Random lives in CI; `PLAIN_CASES` asks for more, `PLAIN_FROM` for others.
const CASES: u64 = 300;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn the_engine_agrees_with_a_plain_reading_of_the_spec() {
    let (from, cases) = (from_environment("PLAIN_FROM", 0), from_environment("PLAIN_CASES", CASES));
    let began = Instant::now();
    let (facts, failures) = run_cases(from, cases, &|_, failure| {
        if let Some(failure) = failure {
            println!("{failure}");
        }
    });
    println!("{cases} lives in {:?}: {facts:?}", began.elapsed());
    assert!(failures.is_empty(), "{} of {cases} lives failed; each is printed as a scenario", failures.len());
    if cases >= CASES {
        assert!(facts.turns > 250, "time alone moved only {} people", facts.turns);
        for (word, (no, yes)) in &facts.verdicts {
            let is_constant = ["everyone", "score"].contains(word);
            assert!(is_constant || (*no > 1 && *yes > 1), "`{word}` held {yes} times, and {no} times not");
        }
        assert!(facts.verdicts.len() > 20, "not every condition was asked: {facts:?}");
    }
}

#[test]
fn a_case_written_down_as_a_scenario_says_the_same() {
    for seed in 0..12 {
        let case = Case::random(seed);
        let Outcome::Agreed(_) = agreement::run(&case, &Look::Everywhere(seed)) else { continue };
        let case = agreement::without_refused(&case);
        for segment in ["s0", "s1"] {
            let found = agreement::members_at_end(&case, segment);
            let text = agreement::scenario("written down", &case, &found);
            let report = scenario::test_text(&text, "written", Path::new(".")).unwrap();
            assert!(report.unreadable.is_empty() && report.failed() == 0, "{report:?}\n{text}");
            assert_eq!(report.passed(), 1, "{text}");
        }
    }
}
