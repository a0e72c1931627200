//! The steps of a campaign in one row: where each stands, and what comes after it.

use crate::segment::Standpoint;
use crate::segment::plan::{Node, Plan};
use domain::Name;
use domain::Purpose;
use domain::campaign::{Action, Step, Wait, Way};
use std::collections::BTreeMap;

/// One version's steps, those within branches after their branch. A journey stands at an index of this row.
#[derive(Clone, Default, Debug)]
pub struct Program {
    /// In order.
    pub places: Vec<Place>,
}

/// One step of the row.
#[derive(Clone, Debug)]
pub struct Place {
    /// The step's id.
    pub id: String,
    /// Where it is written, such as `3` or `3.2.1`: its id unless it has one of its own.
    pub place: String,
    /// What happens; of a branch the ways are below.
    pub action: Action,
    /// The index of what comes after it; that of no step: the end.
    pub next: usize,
    /// For a branch: each way's condition, none being `else`, and the index of its first step.
    pub ways: Vec<(Option<Node>, usize)>,
    /// For a wait: the condition that ends it.
    pub until: Option<Node>,
}

/// What steps are compiled with.
pub struct Compiling<'a> {
    /// The plan whose streams they share.
    pub plan: &'a mut Plan,
    /// Purposes, for conditions on consent.
    pub purposes: &'a BTreeMap<Name, Purpose>,
    /// How a branch's conditions are meant.
    pub in_branch: Standpoint<'a>,
    /// How a wait's condition is meant.
    pub in_wait: Standpoint<'a>,
}

impl Program {
    /// Puts steps in a row and compiles their conditions.
    pub fn new(steps: &[Step], compiling: &mut Compiling<'_>) -> Program {
        let mut program = Program::default();
        let end = steps.iter().map(size).sum();
        program.add(steps, "", end, compiling);
        program
    }

    fn add(&mut self, steps: &[Step], prefix: &str, after: usize, compiling: &mut Compiling<'_>) {
        for (i, step) in steps.iter().enumerate() {
            let own = self.places.len();
            let next = if i + 1 == steps.len() { after } else { own + size(step) };
            let place = format!("{prefix}{}", i + 1);
            let until = match &step.action {
                Action::Wait(Wait::Until { condition, .. }) => {
                    Some(compiling.plan.compile_rule(condition, compiling.purposes, compiling.in_wait).0)
                }
                _ => None,
            };
            let (action, ways) = match &step.action {
                Action::Branch(ways) => (Action::Branch(Vec::new()), ways.as_slice()),
                other => (other.clone(), &[][..]),
            };
            self.places.push(Place { id: step.id.clone(), place, action, next, ways: Vec::new(), until });
            let ways = self.add_ways(ways, &step.id, next, compiling);
            self.places[own].ways = ways;
        }
    }

    fn add_ways(
        &mut self,
        ways: &[Way],
        id: &str,
        next: usize,
        compiling: &mut Compiling<'_>,
    ) -> Vec<(Option<Node>, usize)> {
        let mut compiled = Vec::with_capacity(ways.len());
        for (i, way) in ways.iter().enumerate() {
            let condition = way.condition.as_ref();
            let node = condition
                .map(|condition| compiling.plan.compile_rule(condition, compiling.purposes, compiling.in_branch).0);
            let first = if way.steps.is_empty() { next } else { self.places.len() };
            compiled.push((node, first));
            self.add(&way.steps, &format!("{id}.{}.", i + 1), next, compiling);
        }
        compiled
    }

    /// The step at an index; none: the end.
    pub fn at(&self, step: u32) -> Option<&Place> {
        self.places.get(step as usize)
    }

    /// The step with an id.
    pub fn find(&self, id: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.id == id)
    }

    /// The index after a step.
    pub fn after(&self, step: u32) -> u32 {
        self.at(step).map_or(step, |place| index(place.next))
    }

    /// Where in this row somebody stands who stood at `step` of another: at the step with the same id, else at the same
    /// place; where that step is gone, at the next one left. With it whether the step itself is there.
    pub fn place_of(&self, step: u32, other: &Program) -> (u32, bool) {
        let mut at = step;
        // The way to the end of the other row is never longer than the row.
        for _ in 0..=other.places.len() {
            let Some(place) = other.at(at) else { break };
            let has_id = place.id != place.place;
            let found =
                self.places.iter().position(|own| if has_id { own.id == place.id } else { own.place == place.place });
            if let Some(found) = found {
                return (index(found), at == step);
            }
            at = index(place.next);
        }
        (index(self.places.len()), false)
    }
}

fn size(step: &Step) -> usize {
    let mut size = 0;
    step.walk("", &mut |_, _| size += 1);
    size
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a campaign has at most a hundred steps")
}
