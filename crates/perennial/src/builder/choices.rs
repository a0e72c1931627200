//! What the choices of the builder do to a definition: another kind of condition, another operator, another window.

use super::buttons::{head_of, is_group, made, measure_of, operator_of, question_of};
use super::campaign;
use super::seen::Seen;
use super::tree::{FieldName, Kind, Tree};
use super::words::{AGGREGATES, COMPARISONS, ELEMENTS, LOWER, MEASURES, RECORD_QUESTIONS, UPPER, WINDOWS};
use domain::value::{OPERATORS, TEXTUAL};
use serde_json::{Value, json};

/// Does what the choices of the form say, after its fields were written.
pub(super) fn choose(tree: &mut Tree, fields: &[(String, String)], seen: &Seen) {
    let root = tree.id();
    let chosen = || {
        let read = fields.iter().filter_map(|(name, choice)| Some((FieldName::read(name)?, choice.as_str())));
        read.filter(move |(field, _)| Some(field.id) != root)
    };
    // Where the kind or the question changes, the other choices are still those of the former one.
    let changes = |field: &FieldName<'_>, choice: &str, tree: &Tree| {
        let found = tree.find(field.id);
        match field.letter {
            'h' => found.and_then(head_of).is_some_and(|head| head != choice),
            'q' => found.is_some_and(|found| question_of(found) != choice),
            'c' => found.and_then(campaign::step_of).is_some_and(|head| head != choice),
            _ => false,
        }
    };
    let others: Vec<u32> =
        chosen().filter(|(field, choice)| changes(field, choice, tree)).map(|(field, _)| field.id).collect();
    for (field, choice) in chosen() {
        let is_of_former = others.contains(&field.id) && !matches!(field.letter, 'h' | 'q' | 'c');
        let Some(found) = tree.find_mut(field.id).filter(|_| !is_of_former) else { continue };
        match field.letter {
            'h' => choose_head(found, choice, seen),
            'o' => choose_operator(found, choice),
            'm' => choose_measure(found, choice, seen),
            'p' => rename_one(found, COMPARISONS.iter().map(|(word, _)| *word), choice),
            'w' => choose_window(found, field.key, choice),
            'q' => choose_question(found, choice, seen),
            'y' => rename_one(found, ["at_least", "less_than"].into_iter(), choice),
            'a' => choose_anniversary(found, choice),
            _ => campaign::choose(found, &field, choice, seen),
        }
    }
}

fn rename_one(tree: &mut Tree, words: impl Iterator<Item = &'static str>, choice: &str) {
    let words: Vec<&str> = words.collect();
    let Tree::Map(_, entries) = tree else { return };
    if words.contains(&choice)
        && let Some(entry) = entries.iter_mut().find(|(key, _)| words.contains(&key.as_str()))
    {
        choice.clone_into(&mut entry.0);
    }
}

/// What a condition says of events, kept when it becomes another.
struct Kept {
    event: String,
    then: Option<String>,
    filter: Option<Tree>,
    zone: Option<Tree>,
    span: String,
}

fn kept(tree: &Tree, seen: &Seen) -> Kept {
    let named = ["did", "did_not", "first_time", "last", "first", "stopped", "restarted", "regularly"];
    let sequence = tree.get("sequence");
    let inner = sequence.and_then(|sequence| sequence.get("first"));
    let then = sequence.and_then(|sequence| sequence.get("then").or_else(|| sequence.get("then_not")));
    let event = named
        .iter()
        .find_map(|word| tree.text(word))
        .or_else(|| inner.and_then(|first| first.text("did")))
        .unwrap_or_else(|| seen.usual_event());
    let filter = tree.get("where").or_else(|| tree.get("among")).or_else(|| inner.and_then(|first| first.get("where")));
    Kept {
        event: event.to_owned(),
        then: then.and_then(|then| then.text("did")).map(str::to_owned),
        filter: filter.filter(|_| !tree.has("record")).cloned(),
        zone: tree.get("zone").cloned(),
        span: tree.text("within").unwrap_or("30d").to_owned(),
    }
}

fn choose_head(tree: &mut Tree, choice: &str, seen: &Seen) {
    let Some(present) = head_of(tree) else { return };
    if present == choice || (is_group(present) != is_group(choice)) {
        return;
    }
    if is_group(choice) {
        return regroup(tree, present, choice);
    }
    let kept = kept(tree, seen);
    let (event, span) = (kept.event.as_str(), kept.span.as_str());
    let property = seen.usual_property(event);
    let value = match choice {
        "did" => json!({ "did": event, "within": span }),
        "did_not" => json!({ "did_not": event, "within": span }),
        "first_time" => json!({ "first_time": event, "within": span }),
        "last" => json!({ "last": event, "has": { property: { "exists": true } } }),
        "first" => json!({ "first": event, "has": { property: { "exists": true } } }),
        "then" | "then_not" => {
            let then = kept.then.as_deref().unwrap_or(seen.usual_event());
            json!({ "sequence": { "first": { "did": event }, choice: { "did": then }, "within": "2h" } })
        }
        "stopped" => json!({ "stopped": event, "active": "90d", "quiet": "30d" }),
        "restarted" => json!({ "restarted": event, "quiet": "60d", "recent": "7d" }),
        "regularly" => json!({ "regularly": event, "every": "30d", "periods": 3 }),
        "record" => json!({ "record": seen.usual_kind(), "at_least": 1 }),
        "trait" => json!({ "trait": seen.usual_trait(), "exists": true }),
        "known_for" => json!({ "known_for": { "less_than": "30d" } }),
        "consent" => json!({ "consent": { "purpose": "marketing", "channel": "email", "is": "granted" } }),
        "list" => json!({ "list": seen.usual_list() }),
        "segment" => json!({ "segment": seen.usual_segment() }),
        "score" => json!({ "score": domain::segment::SCORES[0], "at_least": 0.5 }),
        "bucket" => json!({ "bucket": { "seed": "try", "percent": 50 } }),
        "everyone" => json!({ "everyone": true }),
        _ => return,
    };
    let mut new = made(&value);
    let takes_filter =
        ["did", "did_not", "first_time", "last", "first", "stopped", "restarted", "regularly"].contains(&choice);
    if let Some(filter) = kept.filter {
        match choice {
            "then" | "then_not" => {
                if let Some(sequence) = new.find_entry_mut("sequence").and_then(|inner| inner.find_entry_mut("first")) {
                    sequence.put("where", filter);
                }
            }
            _ if takes_filter => new.put("where", filter),
            _ => {}
        }
    }
    if let Some(zone) = kept.zone.filter(|_| takes_filter || choice == "trait" || choice == "record") {
        new.put("zone", zone);
    }
    tree.replace_by(new);
}

fn regroup(tree: &mut Tree, present: &str, choice: &str) {
    let Some(inner) = tree.remove(present) else { return };
    let new = match (present, choice, inner) {
        ("not", _, one) => Tree::List(u32::MAX, vec![one]),
        (_, "not", Tree::List(_, items)) if items.len() == 1 => {
            items.into_iter().next().unwrap_or(Tree::Leaf(Value::Null))
        }
        // Not all of several: the group stays inside.
        (_, "not", list) => Tree::Map(u32::MAX, vec![(present.to_owned(), list)]),
        (_, _, list) => list,
    };
    tree.put(choice, new);
}

fn choose_operator(test: &mut Tree, choice: &str) {
    let Some(present) = operator_of(test) else { return };
    if present == choice {
        return;
    }
    let (old, (new, fixed)) = (
        present.split(':').next().unwrap_or(present),
        match choice.split_once(':') {
            Some((word, value)) => (word, Some(value == "true")),
            None => (choice, None),
        },
    );
    let is_known = OPERATORS.contains(&new) || ELEMENTS.contains(&new);
    let Some(value) = test.get(old).filter(|_| is_known) else { return };
    let first = match value {
        Tree::List(_, items) => items.first().map(Tree::value),
        Tree::Leaf(Value::Bool(_)) if old == "exists" => None,
        Tree::Leaf(value) => Some(value.clone()),
        map => map.get("value").map(Tree::value),
    };
    let text = first.as_ref().map(|value| Kind::Scalar.shown(Some(&Tree::Leaf(value.clone())))).unwrap_or_default();
    let number = first.clone().filter(|value| domain::value::number(value).is_some()).unwrap_or(json!(0));
    let span = Some(text.clone()).filter(|text| domain::Span::parse(text).is_ok()).unwrap_or("30d".to_owned());
    let inner = match value {
        Tree::Map(..) if ELEMENTS.contains(&old) => value.clone(),
        _ => made(&json!({ "": { "exists": true } })),
    };
    let new_value = match new {
        "exists" => json!(fixed.unwrap_or(true)),
        "is" | "is_not" | "includes" | "not_includes" => first.unwrap_or(json!("")),
        "in" | "not_in" => match value {
            Tree::List(..) => value.value(),
            _ => first.map_or(json!([]), |value| json!([value])),
        },
        "above" | "at_least" | "below" | "at_most" => number,
        "between" => json!([number, number]),
        "before" | "after" => json!("now"),
        "within_past" | "within_next" => json!(span),
        "on_day" | "anniversary" => json!("today"),
        "held_for" => json!({ "value": first.unwrap_or(json!("")), "at_least": "7d" }),
        _ => json!(text),
    };
    let new_tree = if ELEMENTS.contains(&new) { inner } else { made(&new_value) };
    test.replace_keys(&[old], vec![(new.to_owned(), new_tree)]);
    if !TEXTUAL.contains(&new) {
        test.remove("ignore_case");
    }
    if ELEMENTS.contains(&new) {
        test.remove("zone");
    }
}

fn choose_anniversary(test: &mut Tree, choice: &str) {
    let Some(present) = test.find_entry_mut("anniversary") else { return };
    match (choice, &present) {
        ("today", Tree::Map(..)) => *present = Tree::Leaf(json!("today")),
        ("within_next", Tree::Leaf(_)) => *present = made(&json!({ "within_next": "7d" })),
        _ => {}
    }
}

fn choose_measure(tree: &mut Tree, choice: &str, seen: &Seen) {
    let present = measure_of(tree);
    let is_known = MEASURES.iter().any(|(word, _)| *word == choice);
    if present == choice || !is_known {
        return;
    }
    let number = LOWER.iter().chain(UPPER).find_map(|word| tree.get(word)).cloned();
    let number = number.filter(|_| !AGGREGATES.contains(&present)).unwrap_or_else(|| made(&json!(2)));
    let event = tree.text("did").map(str::to_owned);
    let property = AGGREGATES.iter().find_map(|word| tree.get(word)).cloned().unwrap_or_else(|| {
        let number = event.map_or_else(|| seen.usual_attribute(), |event| seen.usual_number(&event));
        made(&json!(number))
    });
    let comparison = COMPARISONS.iter().find(|(word, _)| tree.has(word)).filter(|_| AGGREGATES.contains(&present));
    let new = if AGGREGATES.contains(&choice) {
        let (word, limit) = match comparison {
            Some((word, _)) => (*word, tree.get(word).cloned().unwrap_or_else(|| made(&json!(100)))),
            None => ("at_least", made(&json!(100))),
        };
        vec![(choice.to_owned(), property), (word.to_owned(), limit)]
    } else {
        match choice {
            "" => Vec::new(),
            "range" => vec![("at_least".to_owned(), number.clone()), ("at_most".to_owned(), number)],
            word => vec![(word.to_owned(), number)],
        }
    };
    let old: Vec<&str> = AGGREGATES.iter().chain(LOWER).chain(UPPER).chain(&["above", "below"]).copied().collect();
    if new.is_empty() {
        tree.replace_keys(&old, Vec::new());
    } else {
        let is_there = tree.entries().iter().any(|(key, _)| old.contains(&key.as_str()));
        if is_there {
            tree.replace_keys(&old, new);
        } else if let Tree::Map(_, entries) = tree {
            // Beside the event, as one says it.
            entries.splice(1..1, new);
        }
    }
}

pub(super) fn choose_window(tree: &mut Tree, present: &str, choice: &str) {
    let is_known = |word: &str| WINDOWS.iter().any(|(known, _)| *known == word);
    if present == choice || !is_known(choice) || !(is_known(present) || present == "-") || tree.has(choice) {
        return;
    }
    let value = match choice {
        "within" => json!("30d"),
        "within_days" => json!(7),
        "after" | "before" => json!("2026-01-01"),
        "between" => json!(["2026-01-01", "2026-02-01"]),
        _ => {
            tree.remove(present);
            return;
        }
    };
    if present == "-" {
        tree.put(choice, made(&value));
    } else {
        tree.replace_keys(&[present], vec![(choice.to_owned(), made(&value))]);
    }
}

fn choose_question(tree: &mut Tree, choice: &str, seen: &Seen) {
    let present = question_of(tree);
    if !tree.has("record") || present == choice || !RECORD_QUESTIONS.iter().any(|(word, _)| *word == choice) {
        return;
    }
    let attribute = seen.usual_attribute_of(tree.text("record").unwrap_or(""));
    let tests = tree.get(if present == "count" { "where" } else { present }).cloned();
    let old: Vec<&str> = ["any", "every", "no_one", "where", "above", "below"]
        .iter()
        .chain(AGGREGATES)
        .chain(LOWER)
        .chain(UPPER)
        .copied()
        .collect();
    let new = if choice == "count" {
        let mut new = vec![("at_least".to_owned(), made(&json!(1)))];
        new.extend(tests.map(|tests| ("where".to_owned(), tests)));
        new
    } else {
        vec![(choice.to_owned(), tests.unwrap_or_else(|| made(&json!({ attribute: { "exists": true } }))))]
    };
    tree.replace_keys(&old, new);
}
