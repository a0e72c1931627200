//! Scenario files with expectations that are not ours.

use std::path::Path;

fn run_all(folder: &str) {
    let path = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../../shared/reference").join(folder);
    if !path.is_dir() {
        println!("skipped: {} is not here", path.display());
        return;
    }
    let report = scenario::test(&[path], &|_, _| {}).unwrap();
    let (not_yet, wrong): (Vec<_>, Vec<_>) = report.unreadable.iter().partition(|unreadable| unreadable.is_not_yet());
    for unreadable in not_yet {
        println!("not yet: {unreadable}");
    }
    let mut words = Vec::new();
    report.print(&mut words, scenario::Colours::No).unwrap();
    let words = String::from_utf8(words).unwrap();
    println!("{}", words.lines().last().unwrap_or_default());
    assert!(wrong.is_empty() && report.failed() == 0, "{words}");
}

#[test]
fn the_reference_scenarios_of_segments_hold() {
    run_all("scenarios");
}

#[test]
fn the_reference_scenarios_of_campaigns_hold() {
    run_all("campaign_scenarios");
}
