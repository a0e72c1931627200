//! What the buttons and the choices of the builder do to a definition.

use super::seen::Seen;
use super::tree::{FieldName, Kind, Numbers, Tree, part_twins};
use super::words::{AGGREGATES, COMPARISONS, ELEMENTS, GROUPS, LOWER, UPPER, WINDOWS};
use domain::value::{OPERATORS, TEXTUAL};
use serde_json::{Value, json};

/// A button of the builder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// Adds a condition to a group.
    Add(u32),
    /// Adds a group to a group.
    Group(u32),
    /// Takes a condition or a group away.
    Remove(u32),
    /// Moves it towards the beginning; at the border of a group out of it, before a group into it.
    Up(u32),
    /// Moves it towards the end.
    Down(u32),
    /// Says it once more.
    Copy(u32),
    /// Puts it into a group of its own.
    Wrap(u32),
    /// Puts what a group holds in its place.
    Unwrap(u32),
    /// Adds something that need not be said.
    Put(u32, &'a str),
    /// Takes something away that need not be said.
    Drop(u32, &'a str),
    /// Adds a test to a block.
    Test(u32),
    /// Adds a group of tests to a block.
    TestGroup(u32),
    /// Takes the test at a place away from its block.
    DropTest(u32, usize),
}

impl<'a> Step<'a> {
    /// The number of what it is about.
    pub fn id(self) -> u32 {
        match self {
            Step::Add(id)
            | Step::Group(id)
            | Step::Remove(id)
            | Step::Up(id)
            | Step::Down(id)
            | Step::Copy(id)
            | Step::Wrap(id)
            | Step::Unwrap(id)
            | Step::Put(id, _)
            | Step::Drop(id, _)
            | Step::Test(id)
            | Step::TestGroup(id)
            | Step::DropTest(id, _) => id,
        }
    }

    /// Reads the value of a button: `add.3`, `put.3.zone`.
    pub fn read(text: &'a str) -> Option<Step<'a>> {
        let mut parts = text.splitn(3, '.');
        let (word, id) = (parts.next()?, parts.next()?.parse().ok()?);
        let rest = parts.next();
        Some(match (word, rest) {
            ("add", None) => Step::Add(id),
            ("group", None) => Step::Group(id),
            ("remove", None) => Step::Remove(id),
            ("up", None) => Step::Up(id),
            ("down", None) => Step::Down(id),
            ("copy", None) => Step::Copy(id),
            ("wrap", None) => Step::Wrap(id),
            ("unwrap", None) => Step::Unwrap(id),
            ("put", Some(key)) => Step::Put(id, key),
            ("drop", Some(key)) => Step::Drop(id, key),
            ("test", None) => Step::Test(id),
            ("tests", None) => Step::TestGroup(id),
            ("droptest", Some(place)) => Step::DropTest(id, place.parse().ok()?),
            _ => return None,
        })
    }
}

/// The number that what was just added bears, so that the page can go there.
pub const NEW: u32 = u32::MAX - 1;

fn made(value: &Value) -> Tree {
    let mut tree = Tree::of(value, &mut Numbers::far());
    if let Tree::Map(id, _) | Tree::List(id, _) = &mut tree {
        *id = NEW;
    }
    tree
}

/// The word by which the builder calls a condition or a group: its head, of sequences `then` or `then_not`.
pub fn head_of(tree: &Tree) -> Option<&'static str> {
    let owns_any = tree.has("record") || tree.has("trait");
    let mut heads = domain::segment::HEADS.iter().filter(|head| tree.has(head) && !(**head == "any" && owns_any));
    let (head, None) = (heads.next()?, heads.next()) else { return None };
    match *head {
        "sequence" => {
            let inner = tree.get("sequence")?;
            match (inner.has("then"), inner.has("then_not")) {
                (true, false) => Some("then"),
                (false, true) => Some("then_not"),
                _ => None,
            }
        }
        head => Some(head),
    }
}

/// Whether a head is a group.
pub fn is_group(head: &str) -> bool {
    GROUPS.iter().any(|(word, _)| *word == head)
}

/// The operator of a test: its word, for `exists` with its value.
pub fn operator_of(test: &Tree) -> Option<&'static str> {
    let words = OPERATORS.iter().chain(ELEMENTS).copied();
    let mut found = words.filter(|word| test.has(word));
    let (word, None) = (found.next()?, found.next()) else { return None };
    match (word, test.get(word)) {
        ("exists", Some(Tree::Leaf(Value::Bool(false)))) => Some("exists:false"),
        ("exists", _) => Some("exists:true"),
        (word, _) => Some(word),
    }
}

/// How a condition counts or sums.
pub fn measure_of(tree: &Tree) -> &'static str {
    if let Some(word) = AGGREGATES.iter().find(|word| tree.has(word)) {
        return word;
    }
    let lower = LOWER.iter().find(|word| tree.has(word));
    let upper = UPPER.iter().find(|word| tree.has(word));
    match (lower, upper) {
        (Some(_), Some(_)) => "range",
        (Some(word), None) | (None, Some(word)) => word,
        (None, None) => "",
    }
}

/// The windows that a condition names.
pub fn windows_of(tree: &Tree) -> Vec<&'static str> {
    tree.entries()
        .iter()
        .filter_map(|(key, _)| WINDOWS.iter().find(|(word, _)| !word.is_empty() && word == key).map(|(word, _)| *word))
        .collect()
}

/// Does what the choices of the form say, after its fields were written.
pub fn choose(tree: &mut Tree, fields: &[(String, String)], seen: &Seen) {
    for (name, choice) in fields {
        let Some(field) = FieldName::read(name) else { continue };
        let Some(found) = tree.find_mut(field.id) else { continue };
        match field.letter {
            'h' => choose_head(found, choice, seen),
            'o' => choose_operator(found, choice),
            'm' => choose_measure(found, choice, seen),
            'p' => rename_one(found, COMPARISONS.iter().map(|(word, _)| *word), choice),
            'w' => choose_window(found, field.key, choice),
            'q' => choose_question(found, choice, seen),
            'y' => rename_one(found, ["at_least", "less_than"].into_iter(), choice),
            'a' => choose_anniversary(found, choice),
            _ => {}
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

/// The condition with which a new line begins.
pub fn first_condition(seen: &Seen) -> Value {
    json!({ "did": seen.usual_event(), "within": "30d" })
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
    let id = tree.id().unwrap_or(NEW);
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
    if let Tree::Map(own, _) = &mut new {
        *own = id;
    }
    *tree = new;
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
    let is_known = super::words::MEASURES.iter().any(|(word, _)| *word == choice);
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

fn choose_window(tree: &mut Tree, present: &str, choice: &str) {
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
    if present == choice || !super::words::RECORD_QUESTIONS.iter().any(|(word, _)| *word == choice) {
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

/// What a condition asks of records.
pub fn question_of(tree: &Tree) -> &'static str {
    ELEMENTS.iter().find(|word| tree.has(word)).copied().unwrap_or("count")
}

/// Does what a button says. What is not there any more changes nothing.
pub fn take(definition: &mut Tree, step: Step<'_>, seen: &Seen) {
    match step {
        Step::Add(id) => add(definition, id, made(&first_condition(seen))),
        Step::Group(id) => add(definition, id, made(&json!({ "any": [first_condition(seen), first_condition(seen)] }))),
        Step::Remove(id) => remove(definition, id),
        Step::Up(id) => shift(definition, id, -1),
        Step::Down(id) => shift(definition, id, 1),
        Step::Copy(id) => {
            let copy = definition.find(id).map(|found| made(&found.value()));
            match (copy, definition.place_in_list(id)) {
                (Some(copy), Some((list, place))) => insert(definition, list, place + 1, copy),
                (Some(copy), None) => add(definition, id, copy),
                (None, _) => {}
            }
        }
        Step::Wrap(id) => {
            if let Some(found) = definition.find_mut(id) {
                let inner = std::mem::replace(found, Tree::Leaf(Value::Null));
                *found = Tree::Map(NEW, vec![("any".to_owned(), Tree::List(u32::MAX, vec![inner]))]);
            }
        }
        Step::Unwrap(id) => unwrap(definition, id),
        Step::Put(id, key) => put(definition, id, key, seen),
        Step::Drop(id, key) => {
            if let Some(found) = definition.find_mut(id) {
                found.remove(key);
            }
        }
        Step::Test(id) => add_test(definition, id, "", &json!({ "exists": true })),
        Step::TestGroup(id) => add_test(definition, id, "any", &json!([{ "": { "exists": true } }])),
        Step::DropTest(id, place) => {
            match definition.find_mut(id) {
                Some(Tree::Map(_, entries)) if place < entries.len() => {
                    entries.remove(place);
                }
                Some(Tree::List(_, items)) if place < items.len() => {
                    items.remove(place);
                }
                _ => {}
            }
            // A block without a test says nothing: it goes too.
            let is_empty =
                definition.find(id).is_some_and(|block| block.entries().is_empty() && block.items().is_empty());
            if let (true, Some((map, place))) = (is_empty, definition.place_in_map(id))
                && let Some(Tree::Map(_, entries)) = definition.find_mut(map)
                && ["where", "among", "any", "all", "none"].contains(&entries[place].0.as_str())
                && entries.len() > 1
            {
                entries.remove(place);
            }
        }
    }
}

/// Adds to a group; beside a condition that stands alone, in a group that is made for both.
fn add(definition: &mut Tree, id: u32, new: Tree) {
    let Some(found) = definition.find_mut(id) else { return };
    match head_of(found) {
        Some(head) if is_group(head) && head != "not" => {
            if let Some(Tree::List(_, items)) = found.find_entry_mut(head) {
                items.push(new);
            }
        }
        _ => {
            let one = std::mem::replace(found, Tree::Leaf(Value::Null));
            *found = Tree::Map(u32::MAX, vec![("all".to_owned(), Tree::List(u32::MAX, vec![one, new]))]);
        }
    }
}

fn insert(definition: &mut Tree, list: u32, place: usize, new: Tree) {
    if let Some(Tree::List(_, items)) = definition.find_mut(list) {
        items.insert(place.min(items.len()), new);
    }
}

/// Takes it away, and with it the group that would be left empty.
fn remove(definition: &mut Tree, id: u32) {
    if let Some((list, place)) = definition.place_in_list(id) {
        let mut is_empty = false;
        if let Some(Tree::List(_, items)) = definition.find_mut(list) {
            items.remove(place);
            is_empty = items.is_empty();
        }
        if let (true, Some((group, _))) = (is_empty, definition.place_in_map(list)) {
            remove(definition, group);
        }
    } else if let Some((holder, place)) = definition.place_in_map(id)
        && let Some(Tree::Map(group, entries)) = definition.find_mut(holder)
    {
        if entries[place].0 == "not" {
            let group = *group;
            remove(definition, group);
        } else {
            entries[place].1 = made(&json!({ "everyone": true }));
        }
    }
}

fn shift(definition: &mut Tree, id: u32, way: isize) {
    let Some((list, place)) = definition.place_in_list(id) else { return };
    let neighbour = place.checked_add_signed(way);
    let Some(Tree::List(_, items)) = definition.find_mut(list) else { return };
    let last = items.len() - 1;
    match neighbour.filter(|neighbour| *neighbour <= last) {
        Some(neighbour) => {
            let into = head_of(&items[neighbour]).filter(|head| is_group(head) && *head != "not");
            let Some(head) = into else {
                items.swap(place, neighbour);
                return;
            };
            let moved = items.remove(place);
            let neighbour = if way > 0 { place } else { neighbour };
            if let Some(Tree::List(_, inner)) = items[neighbour].find_entry_mut(head) {
                let at = if way > 0 { 0 } else { inner.len() };
                inner.insert(at, moved);
            }
        }
        None => {
            let Some((group, _)) = definition.place_in_map(list) else { return };
            let Some((outer, outer_place)) = definition.place_in_list(group) else { return };
            let Some(Tree::List(_, items)) = definition.find_mut(list) else { return };
            let moved = items.remove(place);
            let is_empty = items.is_empty();
            insert(definition, outer, if way > 0 { outer_place + 1 } else { outer_place }, moved);
            if is_empty {
                remove(definition, group);
            }
        }
    }
}

fn unwrap(definition: &mut Tree, id: u32) {
    let Some(found) = definition.find_mut(id) else { return };
    let Some(head) = head_of(found).filter(|head| is_group(head)) else { return };
    let inner = match found.get(head) {
        Some(Tree::List(_, items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => return,
    };
    if inner.len() == 1 {
        if let Some(one) = inner.into_iter().next() {
            *found = one;
        }
    } else if let Some((list, place)) = definition.place_in_list(id)
        && let Some(Tree::List(_, items)) = definition.find_mut(list)
    {
        items.splice(place..=place, inner);
    }
}

fn put(definition: &mut Tree, id: u32, key: &str, seen: &Seen) {
    let Some(found) = definition.find_mut(id) else { return };
    if found.has(key) {
        return;
    }
    let event = head_of(found).and_then(|head| found.text(head)).or_else(|| found.text("did")).unwrap_or_default();
    let value = match key {
        "where" | "among" => {
            let property = match found.text("record") {
                Some(kind) => seen.usual_attribute_of(kind),
                None => seen.usual_property(event),
            };
            json!({ property: { "exists": true } })
        }
        "zone" => json!(seen.zone),
        "same" => {
            json!(seen.usual_property(found.get("first").and_then(|first| first.text("did")).unwrap_or_default()))
        }
        "recent" => json!("30d"),
        "channel" => json!("email"),
        "ignore_case" => json!(true),
        "at_least" => json!(1),
        "at_least_periods" => found.get("periods").map_or(json!(1), Tree::value),
        // One more window, of a kind that is not there yet.
        "window" => {
            let free = WINDOWS.iter().find(|(word, _)| !word.is_empty() && !found.has(word));
            if let Some((word, _)) = free {
                choose_window(found, "-", word);
            }
            return;
        }
        _ => return,
    };
    found.put(key, made(&value));
}

fn add_test(definition: &mut Tree, id: u32, key: &str, value: &Value) {
    match definition.find_mut(id) {
        Some(block @ Tree::Map(..)) => {
            if let Tree::Map(_, entries) = block {
                entries.push((key.to_owned(), made(value)));
            }
            part_twins(block);
        }
        Some(Tree::List(_, items)) => items.push(made(&json!({ key: value }))),
        _ => {}
    }
}
