//! Scenario files with expectations that are not ours.

use std::path::{Path, PathBuf};
use testkit::Keeps;
use testkit::scenario::{Verdict, run_file};

fn files(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference").join(folder);
    let Ok(entries) = std::fs::read_dir(&path) else {
        println!("skipped: {} is not here", path.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn run_all(folder: &str, keeps: Keeps) {
    let (mut passed, mut not_yet, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for file in files(folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        match run_file(&file, keeps) {
            Verdict::Passed => passed.push(name),
            Verdict::NotYet(reason) => not_yet.push(format!("{name}: {reason}")),
            Verdict::Failed(failures) => failed.push(format!("{name}: {}", failures.join("\n  "))),
            Verdict::Unreadable(reason) => failed.push(format!("{name} cannot be read: {reason}")),
        }
    }
    println!("{folder}: {} passed: {}", passed.len(), passed.join(" "));
    println!("{} not yet:\n  {}", not_yet.len(), not_yet.join("\n  "));
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn the_reference_scenarios_of_segments_hold() {
    run_all("scenarios", Keeps::Memory);
}

#[test]
fn the_reference_scenarios_of_campaigns_hold() {
    run_all("campaign_scenarios", Keeps::Memory);
}

#[test]
fn the_reference_scenarios_hold_on_sqlite_too() {
    run_all("scenarios", Keeps::Files);
    run_all("campaign_scenarios", Keeps::Files);
}
