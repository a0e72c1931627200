//! Makes a case on which two answers differ small: calls, definitions, parts of rules and of calls go as long as
//! the answers still differ.

use crate::agreement::ask::{Disagreement, Look, Outcome, Question, run};
use crate::agreement::{Act, Case, Step};
use serde_json::Value;

/// Most lives that are lived to make one case small: each is a few milliseconds.
const LIVES: usize = 6_000;

/// The smallest case that was found on which the same question is still answered twice, and how.
pub fn shrink(case: &Case, found: &Disagreement) -> (Case, Disagreement) {
    let mut shrinking = Shrinking { look: look_for(found), lives: 0, case: case.clone(), found: found.clone() };
    shrinking.try_case(cut(case, found));
    loop {
        let before = shrinking.size();
        shrinking.drop_steps();
        shrinking.drop_definitions();
        shrinking.simplify_values();
        if shrinking.size() >= before || shrinking.lives >= LIVES {
            return (shrinking.case, shrinking.found);
        }
    }
}

/// What to look at so that the same is seen again, whatever else is left out.
fn look_for(found: &Disagreement) -> Look {
    match found.question {
        // The seed matters only for what is looked at; panics and duplicates come without looking.
        Question::Panic | Question::Duplicate => Look::AtEnd(Question::Panic),
        _ => Look::AtEnd(found.question.clone()),
    }
}

/// The case up to the moment at which the answers differed.
fn cut(case: &Case, found: &Disagreement) -> Case {
    let mut steps = case.steps[..found.steps.min(case.steps.len())].to_vec();
    let at = steps.last().map_or(found.now, |step| step.at.max(found.now));
    steps.push(Step { at, act: Act::Wait });
    Case { steps, ..case.clone() }
}

struct Shrinking {
    look: Look,
    lives: usize,
    case: Case,
    found: Disagreement,
}

impl Shrinking {
    fn size(&self) -> usize {
        let of = |values: &[Value]| values.iter().map(|value| value.to_string().len()).sum::<usize>();
        let act = |step: &Step| match &step.act {
            Act::Wait => 1,
            Act::Send(call) => 10 + call.to_string().len(),
            Act::Define(values) => 10 + of(values),
            Act::Restart | Act::Merge(..) | Act::Unmerge(..) => 10,
        };
        of(&self.case.definitions) + self.case.steps.iter().map(act).sum::<usize>()
    }

    /// Takes a case if the two still disagree on it.
    fn try_case(&mut self, case: Case) -> bool {
        if self.lives >= LIVES {
            return false;
        }
        self.lives += 1;
        match run(&case, &self.look) {
            Outcome::Disagreed(found) => {
                (self.case, self.found) = (case, *found);
                true
            }
            Outcome::Agreed(_) | Outcome::Invalid(_) => false,
        }
    }

    fn drop_steps(&mut self) {
        let mut piece = self.case.steps.len() / 2;
        while piece > 0 {
            let mut start = 0;
            // The last step is the moment of the question.
            while start + piece < self.case.steps.len() {
                let mut case = self.case.clone();
                case.steps.drain(start..start + piece);
                if !self.try_case(case) {
                    start += piece;
                }
            }
            piece /= 2;
        }
    }

    fn drop_definitions(&mut self) {
        let mut index = 0;
        while index < self.case.definitions.len() {
            let mut case = self.case.clone();
            case.definitions.remove(index);
            if !self.try_case(case) {
                index += 1;
            }
        }
    }

    fn simplify_values(&mut self) {
        for place in 0..self.case.definitions.len() {
            self.simplify(&move |case| case.definitions.get_mut(place));
        }
        for step in 0..self.case.steps.len() {
            if matches!(self.case.steps[step].act, Act::Send(_)) {
                self.simplify(&move |case| match &mut case.steps[step].act {
                    Act::Send(call) => Some(call),
                    _ => None,
                });
            }
            let mut place = 0;
            while let Act::Define(values) = &self.case.steps[step].act {
                if place >= values.len() {
                    break;
                }
                let mut case = self.case.clone();
                if let Act::Define(values) = &mut case.steps[step].act {
                    values.remove(place);
                }
                if !self.try_case(case) {
                    self.simplify(&move |case| match &mut case.steps[step].act {
                        Act::Define(values) => values.get_mut(place),
                        _ => None,
                    });
                    place += 1;
                }
            }
        }
    }

    /// Leaves out parts of one value, the largest first, as long as that changes nothing.
    fn simplify(&mut self, find: &dyn Fn(&mut Case) -> Option<&mut Value>) {
        let mut edit = 0;
        loop {
            let mut case = self.case.clone();
            let Some(value) = find(&mut case) else { return };
            if !apply_edit(value, edit) {
                return;
            }
            if !self.try_case(case) {
                edit += 1;
            }
        }
    }
}

/// Makes the edit of a number: edits are numbered through the value from the outside in. Returns whether there is one.
fn apply_edit(value: &mut Value, number: usize) -> bool {
    let mut left = number;
    edit(value, &mut left)
}

fn edit(value: &mut Value, left: &mut usize) -> bool {
    // A group may become one of its parts: `not: {x}` becomes x, `all: [a, b]` becomes a.
    for part in parts(value) {
        if take(left) {
            *value = part;
            return true;
        }
    }
    match value {
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in &keys {
                if take(left) {
                    map.shift_remove(key);
                    return true;
                }
            }
            keys.iter().any(|key| map.get_mut(key).is_some_and(|inner| edit(inner, left)))
        }
        Value::Array(items) => {
            for index in 0..items.len() {
                if take(left) {
                    items.remove(index);
                    return true;
                }
            }
            items.iter_mut().any(|inner| edit(inner, left))
        }
        _ => false,
    }
}

/// Objects one or two levels inside that may stand for the whole.
fn parts(value: &Value) -> Vec<Value> {
    let Some(map) = value.as_object().filter(|map| map.len() == 1) else { return Vec::new() };
    let inner = map.values().flat_map(|inner| match inner {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    });
    inner.filter(Value::is_object).collect()
}

fn take(left: &mut usize) -> bool {
    if *left == 0 {
        return true;
    }
    *left -= 1;
    false
}
