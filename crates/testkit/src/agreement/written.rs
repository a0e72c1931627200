//! A case as a scenario file, so that whoever mends it can run it with `perennial test`.

use crate::agreement::ask::{Disagreement, Question};
use crate::agreement::{Act, Case};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The scenario of a case that ends with what the plain evaluator expects. What a scenario cannot expect stands in its
/// first lines as a comment.
pub fn scenario(title: &str, case: &Case, found: &Disagreement) -> String {
    let mut text = String::new();
    for line in found.what.lines() {
        let _ = writeln!(text, "# {line}");
    }
    let _ = writeln!(text, "scenario: {}", json!(title));
    let _ = writeln!(text, "clock: {}\ndefine:", case.start);
    // JSON is a part of YAML: a definition or a call to a line is short and safe.
    for definition in &case.definitions {
        let _ = writeln!(text, "  - {definition}");
    }
    let _ = writeln!(text, "steps:");
    for step in &case.steps {
        let act = match &step.act {
            Act::Wait => continue,
            Act::Send(call) => format!("send:\n      - {call}"),
            Act::Define(values) => {
                let lines: Vec<String> = values.iter().map(|value| format!("\n      - {value}")).collect();
                format!("define:{}", lines.concat())
            }
            Act::Restart => "restart: true".to_owned(),
            Act::Merge(a, b) => format!("merge: {}", json!([a, b])),
            Act::Unmerge(a, b) => format!("unmerge: {}", json!([a, b])),
        };
        let _ = writeln!(text, "  - at: {}\n    {act}", step.at);
    }
    let at = case.steps.last().map_or(case.start, |step| step.at);
    let at = if matches!(found.question, Question::Turns(..)) { found.now } else { at };
    let _ = writeln!(text, "  - at: {at}\n    expect: {}", expected(found));
    text
}

fn expected(found: &Disagreement) -> Value {
    let people: Map<String, Value> =
        found.expected.iter().map(|(name, member)| (name.clone(), (*member).into())).collect();
    let of = |segment: &domain::Name| json!({ segment.as_str(): people });
    match &found.question {
        Question::Members(segment) | Question::Turns(segment, _) | Question::Since(segment) => {
            json!({ "members": of(segment) })
        }
        Question::AsOf(segment, at) => json!({ "as_of": { at.to_string(): of(segment) } }),
        Question::Until(segment) => {
            let until: Map<String, Value> = found
                .until
                .iter()
                .map(|(who, at)| (who.clone(), at.map_or(Value::Null, |at| at.to_string().into())))
                .collect();
            json!({ "members": of(segment), "until": { segment.as_str(): until } })
        }
        Question::People | Question::Duplicate | Question::Panic => json!({}),
    }
}
