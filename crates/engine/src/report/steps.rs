//! The steps of a campaign as a list, each with those who stand there now.

use super::words::step_words;
use crate::segment::describe::describe;
use crate::state::Engine;
use domain::Campaign;
use domain::campaign::{Action, Step};
use serde::Serialize;
use std::collections::HashMap;

/// One line of the list: a step, or a way of a branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StepLine {
    /// How deep it stands, from 0.
    pub depth: u32,
    /// The step's id; none: it is a way of the branch above.
    pub step: Option<String>,
    /// What happens, in words.
    pub does: String,
    /// Journeys that stand there now.
    pub here: u64,
}

impl Engine {
    /// The steps of a campaign with those inside, whichever version they follow. O(journeys).
    pub fn step_lines(&self, campaign: &Campaign) -> Vec<StepLine> {
        let mut here: HashMap<&str, u64> = HashMap::new();
        if let Some(campaigning) = self.campaigns.get(&campaign.name) {
            let own = self.journeys.values().filter(|journey| journey.campaign == campaign.name);
            for journey in own.filter(|journey| journey.stage.is_inside()) {
                if let Some(place) = campaigning.version(journey.version).program.at(journey.step) {
                    *here.entry(place.id.as_str()).or_default() += 1;
                }
            }
        }
        let mut lines = Vec::new();
        add(&campaign.steps, 0, &here, &mut lines);
        lines
    }
}

fn add(steps: &[Step], depth: u32, here: &HashMap<&str, u64>, lines: &mut Vec<StepLine>) {
    for step in steps {
        let does = match &step.action {
            Action::Branch(_) => "take the first way that fits".to_owned(),
            action => step_words(action),
        };
        let standing = here.get(step.id.as_str()).copied().unwrap_or_default();
        lines.push(StepLine { depth, step: Some(step.id.clone()), does, here: standing });
        let Action::Branch(ways) = &step.action else { continue };
        for way in ways {
            let does = way.condition.as_ref().map_or("otherwise".to_owned(), |rule| format!("if {}", describe(rule)));
            lines.push(StepLine { depth: depth + 1, step: None, does, here: 0 });
            add(&way.steps, depth + 2, here, lines);
        }
    }
}
