//! The steps of the engine go one way: a later step reads what an earlier one wrote, none calls back.

use std::path::Path;

/// Steps in their order; those of one line may know each other.
const STEPS: [&[&str]; 6] =
    [&["ingest"], &["profile", "segment"], &["decide", "write"], &["deliver"], &["outcome"], &["report"]];

fn level(step: &str) -> Option<usize> {
    STEPS.iter().position(|steps| steps.contains(&step))
}

fn visit(dir: &Path, own: usize, offenders: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("the sources are here") {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            visit(&path, own, offenders);
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source is text");
        for (number, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let step: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if level(&step).is_some_and(|target| target > own) {
                    offenders.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
        }
    }
}

#[test]
fn no_step_of_the_engine_knows_a_later_one() {
    let sources = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("src");
    let mut offenders = Vec::new();
    for (own, steps) in STEPS.iter().enumerate() {
        for step in *steps {
            visit(&sources.join(step), own, &mut offenders);
        }
    }
    assert!(offenders.is_empty(), "a step looks ahead:\n{}", offenders.join("\n"));
}
