//! What the buttons and the choices of the builder do to a definition.

use super::campaign;
use super::choices::choose_window;
use super::seen::Seen;
use super::tree::{Numbers, Tree, part_twins};
use super::words::{AGGREGATES, ELEMENTS, GROUPS, LOWER, UPPER, WINDOWS};
use super::{Subject, own};
use domain::value::OPERATORS;
use serde_json::{Value, json};

/// A button of the builder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Press<'a> {
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
    /// Adds a step of a kind to a list of steps.
    More(u32, &'a str),
    /// Adds a way to a branch.
    Way(u32),
    /// Adds the way for all others to a branch.
    Otherwise(u32),
    /// Adds a variant to a message.
    Variant(u32),
    /// What becomes of customers inside a campaign when it is edited.
    Inside(u32, &'a str),
}

impl<'a> Press<'a> {
    /// The number of what it is about.
    pub fn id(self) -> u32 {
        match self {
            Press::Add(id)
            | Press::Group(id)
            | Press::Remove(id)
            | Press::Up(id)
            | Press::Down(id)
            | Press::Copy(id)
            | Press::Wrap(id)
            | Press::Unwrap(id)
            | Press::Put(id, _)
            | Press::Drop(id, _)
            | Press::Test(id)
            | Press::TestGroup(id)
            | Press::DropTest(id, _)
            | Press::More(id, _)
            | Press::Way(id)
            | Press::Otherwise(id)
            | Press::Variant(id)
            | Press::Inside(id, _) => id,
        }
    }

    /// Reads the value of a button: `add.3`, `put.3.zone`.
    pub fn read(text: &'a str) -> Option<Press<'a>> {
        let mut parts = text.splitn(3, '.');
        let (word, id) = (parts.next()?, parts.next()?.parse().ok()?);
        let rest = parts.next();
        Some(match (word, rest) {
            ("add", None) => Press::Add(id),
            ("group", None) => Press::Group(id),
            ("remove", None) => Press::Remove(id),
            ("up", None) => Press::Up(id),
            ("down", None) => Press::Down(id),
            ("copy", None) => Press::Copy(id),
            ("wrap", None) => Press::Wrap(id),
            ("unwrap", None) => Press::Unwrap(id),
            ("put", Some(key)) => Press::Put(id, key),
            ("drop", Some(key)) => Press::Drop(id, key),
            ("test", None) => Press::Test(id),
            ("tests", None) => Press::TestGroup(id),
            ("droptest", Some(place)) => Press::DropTest(id, place.parse().ok()?),
            ("more", Some(kind)) => Press::More(id, kind),
            ("way", None) => Press::Way(id),
            ("otherwise", None) => Press::Otherwise(id),
            ("variant", None) => Press::Variant(id),
            ("inside", Some(word)) => Press::Inside(id, word),
            _ => return None,
        })
    }
}

/// The number that what was just added bears, so that the page can go there.
pub const NEW: u32 = u32::MAX - 1;

pub(super) fn made(value: &Value) -> Tree {
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

/// The condition with which a new line begins.
pub fn first_condition(seen: &Seen) -> Value {
    json!({ "did": seen.usual_event(), "within": "30d" })
}

/// What a condition asks of records.
pub fn question_of(tree: &Tree) -> &'static str {
    ELEMENTS.iter().find(|word| tree.has(word)).copied().unwrap_or("count")
}

/// Does what a button says. What is not there any more changes nothing.
pub fn take(definition: &mut Tree, step: Press<'_>, seen: &Seen) {
    // The definition itself is no condition, though it too has a key `segment`.
    let subject = Subject::of(definition);
    let may_change = match (subject, step) {
        (_, Press::Drop(_, key)) => !["where", "segment", "campaign", "enter", "steps"].contains(&key),
        (Subject::Campaign, Press::Put(..) | Press::Inside(..)) => true,
        _ => false,
    };
    if [definition.id(), own(definition).id()].contains(&Some(step.id())) && !may_change {
        return;
    }
    let before = definition.clone();
    match step {
        button if campaign::take(definition, button, seen) => {}
        Press::Add(id) => add(definition, id, made(&first_condition(seen))),
        Press::Group(id) => {
            add(definition, id, made(&json!({ "any": [first_condition(seen), first_condition(seen)] })))
        }
        Press::Remove(id) => remove(definition, id),
        Press::Up(id) => shift(definition, id, -1),
        Press::Down(id) => shift(definition, id, 1),
        Press::Copy(id) => {
            let copy = definition.find(id).map(|found| made(&found.value()));
            match (copy, definition.place_in_list(id)) {
                (Some(copy), Some((list, place))) => insert(definition, list, place + 1, copy),
                (Some(copy), None) => add(definition, id, copy),
                (None, _) => {}
            }
        }
        Press::Wrap(id) => {
            if let Some(found) = definition.find_mut(id) {
                let inner = std::mem::replace(found, Tree::Leaf(Value::Null));
                *found = Tree::Map(NEW, vec![("any".to_owned(), Tree::List(u32::MAX, vec![inner]))]);
            }
        }
        Press::Unwrap(id) => unwrap(definition, id),
        Press::Put(id, key) => put(definition, id, key, seen),
        Press::Drop(id, key) => {
            if let Some(found) = definition.find_mut(id) {
                found.remove(key);
            }
        }
        Press::Test(id) => add_test(definition, id, "", &json!({ "exists": true })),
        Press::TestGroup(id) => add_test(definition, id, "any", &json!([{ "": { "exists": true } }])),
        Press::DropTest(id, place) => {
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
                && ["where", "among", "any", "all", "none", "unless", "variants"].contains(&entries[place].0.as_str())
                && entries.len() > 1
            {
                entries.remove(place);
            }
        }
        // These are about campaigns alone.
        Press::More(..) | Press::Way(_) | Press::Otherwise(_) | Press::Variant(_) | Press::Inside(..) => {}
    }
    // Whatever was taken away, a segment has a rule, and a campaign an entry and a step.
    let is_whole = match subject {
        Subject::Segment => definition.has("where"),
        Subject::Campaign => campaign::is_whole(definition) || !campaign::is_whole(&before),
    };
    if !is_whole {
        *definition = before;
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
        match entries[place].0.as_str() {
            "not" => {
                let group = *group;
                remove(definition, group);
            }
            // These need not be said.
            "only_if" | "exit_if" => {
                entries.remove(place);
            }
            _ => entries[place].1 = made(&json!({ "everyone": true })),
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
        "recent" | "ends_within" => json!("30d"),
        "channel" => json!("email"),
        "ignore_case" => json!(true),
        "at_most" if found.has("until") => json!("5d"),
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
        other => match campaign::first_value(found, other, seen) {
            Some(value) => value,
            None => return,
        },
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
