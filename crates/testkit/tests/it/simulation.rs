//! Simulated years with crashes, lost replies and clock jumps, and the bugs that the oracles must find.

use engine::state::PlantedBug;
use testkit::verify::{first_catch, run_seeds};

#[test]
fn nothing_is_lost_doubled_or_early_in_three_hundred_lives_with_crashes() {
    let (facts, failures) = run_seeds(0, 300, &|_, _| {});
    println!("{facts:?}");
    let words: Vec<String> = failures.iter().take(3).map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} seeds failed:\n{}", failures.len(), words.join("\n\n"));
    assert!(facts.restarts > 300 && facts.delivered > 300, "too little happened: {facts:?}");
    assert!(facts.sealed > 300 && facts.from_snapshot > 100, "history and snapshots were hardly tried: {facts:?}");
}

#[test]
fn every_planted_bug_is_found() {
    // Bugs are looked for beside each other; each within so many seeds.
    const SEEDS: u64 = 200;
    let next = std::sync::Mutex::new(PlantedBug::ALL.iter().copied());
    let found = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(bug) = next.lock().unwrap().next() else { return };
                    let caught = first_catch(bug, SEEDS);
                    found.lock().unwrap().push((bug, caught));
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    for (bug, caught) in &found {
        match caught {
            Some(failure) => {
                println!("{bug:?}: seed {}: {}", failure.seed, failure.what.lines().next().unwrap_or_default())
            }
            None => println!("{bug:?}: not found in {SEEDS} seeds"),
        }
    }
    let missed: Vec<_> = found.iter().filter(|(_, caught)| caught.is_none()).map(|(bug, _)| bug).collect();
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(found.len(), PlantedBug::ALL.len());
}

#[test]
fn a_seed_lives_the_same_life_twice() {
    for seed in [3, 17] {
        let lives: Vec<String> = (0..2).map(|_| format!("{:?}", testkit::simulation::run(seed, None))).collect();
        assert_eq!(lives[0], lives[1]);
    }
}
