//! Each ready campaign is lived through once: its story stands beside this file, and its definitions are what the gallery gives.

use crate::process::Desk;
use perennial::gallery::plays;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn every_ready_campaign_does_what_its_card_says() {
    let desk = Desk::new();
    let stories = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/it/plays");
    std::fs::create_dir(desk.path("definitions")).unwrap();
    for play in plays::all() {
        let name = &play.offer.name;
        let story = std::fs::read_to_string(stories.join(format!("{name}.yaml")))
            .unwrap_or_else(|_| panic!("{name} has no story"));
        // Everybody gets it here: who is compared is drawn, and told elsewhere.
        let text = play.text(&BTreeMap::new(), &|_, _| false);
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("holdout:")).collect();
        desk.file(&format!("definitions/{name}.yaml"), &text.join("\n"));
        desk.file(&format!("{name}.yaml"), &story);
    }
    let files: Vec<String> = plays::all().iter().map(|play| format!("{}.yaml", play.offer.name)).collect();
    let mut arguments = vec!["test"];
    arguments.extend(files.iter().map(String::as_str));
    let ran = desk.run(&arguments);
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.starts_with(&format!("{} passed", plays::all().len())), "{}", ran.out);
}
