//! What the buttons and choices of the builder do to a campaign: to its entry, its steps and the ways of its branches.

use super::buttons::{Press, first_condition, made};
use super::own;
use super::seen::Seen;
use super::tree::{FieldName, Tree};
use super::words::{NEW_STEPS, REWARDS, SIDES, TRIGGERS, WAITS};
use domain::campaign::STEPS;
use serde_json::{Value, json};

/// What stands in a list of a campaign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Member {
    /// A step.
    Step,
    /// A way of a branch.
    Way,
    /// A condition or a test.
    Other,
}

/// The word that heads a step, if it is one.
pub(super) fn step_of(tree: &Tree) -> Option<&'static str> {
    one_of(tree, &STEPS)
}

/// The word that heads what lets in, if it is one.
pub(super) fn trigger_of(tree: &Tree) -> Option<&'static str> {
    one_of(tree, &domain::campaign::TRIGGERS)
}

fn one_of(tree: &Tree, words: &[&'static str]) -> Option<&'static str> {
    let mut found = words.iter().copied().filter(|word| tree.has(word));
    match (found.next(), found.next()) {
        (Some(word), None) => Some(word),
        _ => None,
    }
}

/// The kind of a step's wait.
pub(super) fn wait_of(step: &Tree) -> &'static str {
    match step.get("wait") {
        Some(inner @ Tree::Map(..)) => one_of(inner, &["until", "local", "best_time"]).unwrap_or(""),
        _ => "for",
    }
}

/// On which side of a date something happens.
pub(super) fn side_of(tree: &Tree) -> &'static str {
    ["before", "after"].into_iter().find(|word| tree.has(word)).unwrap_or("")
}

/// The key under which a numbered list stands.
fn key_of_list(definition: &Tree, list: u32) -> Option<&str> {
    let (map, place) = definition.place_in_map(list)?;
    definition.find(map)?.entries().get(place).map(|(key, _)| key.as_str())
}

/// What a numbered thing is, by the list in which it stands.
fn member(definition: &Tree, id: u32) -> Member {
    let list = definition.place_in_list(id).and_then(|(list, _)| key_of_list(definition, list));
    match list {
        Some("steps" | "then" | "else") => Member::Step,
        Some("branch") => Member::Way,
        _ => Member::Other,
    }
}

/// Does what a button says that is about a campaign: about a step, a way of a branch or what stands in them. Returns whether
/// it was.
pub(super) fn take(definition: &mut Tree, button: Press<'_>, seen: &Seen) -> bool {
    match (button, member(definition, button.id())) {
        (Press::More(list, kind), _) => add_step(definition, list, kind, seen),
        (Press::Way(id), _) => add_way(definition, id, false, seen),
        (Press::Otherwise(id), _) => add_way(definition, id, true, seen),
        (Press::Variant(id), _) => add_variant(definition, id, seen),
        (Press::Inside(id, word), _) => decide_inside(definition, id, word),
        (_, Member::Other) => return false,
        (Press::Remove(id), _) => remove(definition, id),
        (Press::Up(id), _) => shift(definition, id, false),
        (Press::Down(id), _) => shift(definition, id, true),
        (Press::Copy(id), _) => copy(definition, id),
        // These are about conditions, and a step is none.
        (Press::Add(_) | Press::Group(_) | Press::Wrap(_) | Press::Unwrap(_), _) => {}
        _ => return false,
    }
    true
}

/// What becomes of customers inside when a campaign is edited. That they finish need not be said.
fn decide_inside(definition: &mut Tree, id: u32, word: &str) {
    let Some(campaign) = definition.find_mut(id).filter(|found| found.has("campaign")) else { return };
    if word == "move" {
        campaign.put("people_inside", Tree::Leaf(json!("move")));
    } else {
        campaign.remove("people_inside");
    }
}

/// The key under which the steps of a way stand.
pub(super) fn steps_key(way: &Tree) -> &'static str {
    if way.has("else") { "else" } else { "then" }
}

/// A step of a kind, as one begins with it.
fn new_step(kind: &str, seen: &Seen) -> Value {
    match kind {
        "message" => json!({ "message": seen.usual_template() }),
        "wait" => json!({ "wait": "3d" }),
        "branch" => {
            json!({ "branch": [{ "if": { "did": seen.usual_event(), "within": "3d" }, "then": [] }, { "else": [] }] })
        }
        "reward" => json!({ "reward": { "points": 50 } }),
        "task" => json!({ "task": { "title": "Call {{ customer.first_name | default: 'this customer' }}" } }),
        "set" => json!({ "set": { "trait": "contacted", "to": true } }),
        _ => {
            let endpoint = seen.endpoints.first().map_or("our-system", String::as_str);
            json!({ "webhook": { "url_of": endpoint, "event": "customer.moved" } })
        }
    }
}

/// Adds a step at the end of a list of steps.
fn add_step(definition: &mut Tree, list: u32, kind: &str, seen: &Seen) {
    let is_steps = matches!(key_of_list(definition, list), Some("steps" | "then" | "else"));
    if !is_steps || !NEW_STEPS.iter().any(|(word, _)| *word == kind) {
        return;
    }
    if let Some(Tree::List(_, items)) = definition.find_mut(list) {
        items.push(made(&new_step(kind, seen)));
    }
}

/// Adds a way to a branch: one with a condition before the one that takes all others, or that one.
fn add_way(definition: &mut Tree, id: u32, is_other: bool, seen: &Seen) {
    let Some(Tree::List(_, ways)) = definition.find_mut(id).and_then(|step| step.find_entry_mut("branch")) else {
        return;
    };
    let other = ways.iter().position(|way| way.has("else"));
    match (is_other, other) {
        (true, None) => ways.push(made(&json!({ "else": [] }))),
        (true, Some(_)) => {}
        (false, other) => {
            ways.insert(other.unwrap_or(ways.len()), made(&json!({ "if": first_condition(seen), "then": [] })));
        }
    }
}

/// Adds a variant to a message: one of the template's that is not there yet, else a name to be written.
fn add_variant(definition: &mut Tree, id: u32, seen: &Seen) {
    let Some(step) = definition.find_mut(id).filter(|step| step.has("message")) else { return };
    let known = seen.variants_of(step.text("message").unwrap_or_default()).to_vec();
    let numbered = (1..).map(|number| format!("variant-{number}"));
    let Some(variants) = step.find_entry_mut("variants") else { return };
    let is_taken = |name: &String| match &*variants {
        Tree::List(_, items) => items.iter().any(|item| *item == Tree::Leaf(Value::from(name.as_str()))),
        other => other.has(name),
    };
    let Some(name) = known.into_iter().chain(numbered).find(|name| !is_taken(name)) else { return };
    match variants {
        Tree::List(_, items) => items.push(Tree::Leaf(Value::from(name))),
        map => map.put(&name, Tree::Leaf(json!(1))),
    }
}

/// With which variants sharing begins.
pub(super) fn first_variants(step: &Tree, seen: &Seen) -> Value {
    let known = seen.variants_of(step.text("message").unwrap_or_default());
    let names = known.iter().map(String::as_str).chain(["variant-1", "variant-2"]).take(known.len().max(2));
    Value::Object(names.map(|name| (name.to_owned(), json!(1))).collect())
}

/// Takes a step or a way away; a branch without ways goes with its last one. The last step of a campaign stays.
fn remove(definition: &mut Tree, id: u32) {
    let Some((list, place)) = definition.place_in_list(id) else { return };
    let key = key_of_list(definition, list).unwrap_or_default().to_owned();
    let branch = definition.place_in_map(list).map(|(map, _)| map);
    let Some(Tree::List(_, items)) = definition.find_mut(list) else { return };
    if key == "steps" && items.len() == 1 {
        return;
    }
    items.remove(place);
    // What takes all others is nothing without another way.
    let has_way = items.iter().any(|way| !way.has("else"));
    if let (false, "branch", Some(branch)) = (has_way, key.as_str(), branch) {
        remove(definition, branch);
    }
}

/// A step once more, without the ids of the first: no two steps bear the same.
fn copy(definition: &mut Tree, id: u32) {
    let Some((list, place)) = definition.place_in_list(id) else { return };
    let Some(found) = definition.find(id) else { return };
    let mut value = found.value();
    forget_ids(&mut value);
    if let Value::Object(way) = &mut value
        && let Some(steps) = way.remove("else")
    {
        // Only one way takes all others.
        way.insert("if".to_owned(), json!({ "everyone": true }));
        way.insert("then".to_owned(), steps);
    }
    let is_other = found.has("else");
    if let Some(Tree::List(_, items)) = definition.find_mut(list) {
        items.insert(if is_other { place } else { place + 1 }, made(&value));
    }
}

fn forget_ids(value: &mut Value) {
    let Value::Object(map) = value else { return };
    if STEPS.iter().any(|head| map.contains_key(*head)) {
        map.remove("id");
    }
    for key in ["branch", "then", "else"] {
        if let Some(Value::Array(items)) = map.get_mut(key) {
            items.iter_mut().for_each(forget_ids);
        }
    }
}

/// Moves a way among the ways of its branch, or a step one place on: at a branch into it, at the end of a way into the
/// next one, at the end of the last behind the branch.
fn shift(definition: &mut Tree, id: u32, down: bool) {
    let Some((list, place)) = definition.place_in_list(id) else { return };
    let Some(Tree::List(_, items)) = definition.find(list) else { return };
    let neighbour = if down { Some(place + 1).filter(|next| *next < items.len()) } else { place.checked_sub(1) };
    if member(definition, id) == Member::Way {
        let other = |at: usize| items.get(at).is_some_and(|way| way.has("else"));
        if let Some(neighbour) = neighbour.filter(|neighbour| !other(*neighbour) && !other(place))
            && let Some(Tree::List(_, items)) = definition.find_mut(list)
        {
            items.swap(place, neighbour);
        }
        return;
    }
    let target = match neighbour {
        Some(neighbour) => match way_into(&items[neighbour], down) {
            Some(into) => Some(into),
            None => {
                if let Some(Tree::List(_, items)) = definition.find_mut(list) {
                    items.swap(place, neighbour);
                }
                return;
            }
        },
        None => way_out(definition, list, down),
    };
    let Some((target, at)) = target else { return };
    let Some(Tree::List(_, items)) = definition.find_mut(list) else { return };
    let moved = items.remove(place);
    if let Some(Tree::List(_, items)) = definition.find_mut(target) {
        let at = at.min(items.len());
        items.insert(at, moved);
    }
}

/// Into a branch: the list of the first or last of its ways, and the place in it.
fn way_into(step: &Tree, down: bool) -> Option<(u32, usize)> {
    let ways = step.get("branch")?.items();
    let way = if down { ways.first()? } else { ways.last()? };
    let Some(Tree::List(list, items)) = way.get(steps_key(way)) else { return None };
    Some((*list, if down { 0 } else { items.len() }))
}

/// Out of a way: into the one beside it, else beside the branch.
fn way_out(definition: &Tree, list: u32, down: bool) -> Option<(u32, usize)> {
    let (way, _) = definition.place_in_map(list)?;
    let (ways, place) = definition.place_in_list(way)?;
    let beside = if down { place.checked_add(1) } else { place.checked_sub(1) };
    let beside = beside.and_then(|beside| definition.find(ways)?.items().get(beside));
    if let Some(beside) = beside {
        let Some(Tree::List(list, items)) = beside.get(steps_key(beside)) else { return None };
        return Some((*list, if down { 0 } else { items.len() }));
    }
    let (branch, _) = definition.place_in_map(ways)?;
    let (outer, place) = definition.place_in_list(branch)?;
    Some((outer, if down { place + 1 } else { place }))
}

/// What a key of a campaign begins with that need not be there.
pub(super) fn first_value(holder: &Tree, key: &str, seen: &Seen) -> Option<Value> {
    Some(match key {
        "only_if" | "exit_if" => first_condition(seen),
        "goal" => {
            let event = seen.usual_event();
            let money = seen.properties.iter().find(|thing| thing.name == event);
            let money = money.and_then(|thing| thing.names.iter().find(|name| name.name == "revenue"));
            match money {
                Some(_) => json!({ "did": event, "within": "14d", "value": "properties.revenue" }),
                None => json!({ "did": event, "within": "14d" }),
            }
        }
        "enter" => json!({ "on": new_trigger("enters", &Tree::Leaf(Value::Null), seen) }),
        "steps" => json!([new_step("message", seen)]),
        "cap" => json!({ "at_most": 1, "per": "30d" }),
        "priority" => json!(1),
        "exclusion_group" => json!("one-of-these"),
        "expires_after" | "deadline" => json!("3d"),
        "key" => json!("properties.order_id"),
        "late" => json!("24h"),
        "variants" => first_variants(holder, seen),
        "approve" => json!(true),
        "id" => json!(free_id(holder)),
        "expires" => json!("14d"),
        "for" => json!("care"),
        "due" => json!("2d"),
        "draft" => json!(seen.usual_template()),
        "did" => json!(seen.usual_event()),
        "unless" => json!({ seen.usual_attribute_of(kind_of(holder)): { "exists": true } }),
        _ => return None,
    })
}

/// The kind of record that a date is of.
pub(super) fn kind_of(holder: &Tree) -> &str {
    holder.text("kind").or_else(|| holder.text("record")).unwrap_or_default()
}

/// A name for a step, by what it does; the domain says where two bear the same.
fn free_id(step: &Tree) -> String {
    let head = step_of(step).unwrap_or("step");
    step.text("message").map_or_else(|| head.to_owned(), str::to_owned)
}

/// Does what one choice of the form says.
pub(super) fn choose(tree: &mut Tree, field: &FieldName<'_>, choice: &str, seen: &Seen) {
    match field.letter {
        'e' => choose_trigger(tree, choice, seen),
        'g' => choose_again(tree, choice),
        'c' => choose_step(tree, choice, seen),
        'i' => choose_wait(tree, choice, seen),
        'r' => choose_reward(tree, choice, seen),
        'f' => choose_side(tree, choice),
        'x' => choose_memory(tree, choice),
        _ => {}
    }
}

fn new_trigger(kind: &str, before: &Tree, seen: &Seen) -> Value {
    let inner = |word: &str, key: &str| before.get(word).and_then(|inner| inner.text(key)).map(str::to_owned);
    let segment = before.text("enters").or_else(|| before.text("leaves")).unwrap_or_else(|| seen.usual_segment());
    let kind_of = inner("record", "kind").or_else(|| inner("missing", "record"));
    let kind_of = kind_of.unwrap_or_else(|| seen.usual_kind().to_owned());
    let date = inner("record", "date").or_else(|| inner("missing", "date"));
    let date = date.unwrap_or_else(|| seen.usual_date_of(&kind_of).to_owned());
    match kind {
        "enters" => json!({ "enters": segment }),
        "leaves" => json!({ "leaves": segment }),
        "did" => json!({ "did": seen.usual_event() }),
        "date" => json!({ "date": { "trait": "birthday", "before": "3d", "at": "09:00" } }),
        "record" => json!({ "record": { "kind": kind_of, "date": date, "before": "1d" } }),
        "missing" => {
            let delivered = json!({ "status": { "is": "delivered" } });
            json!({ "missing": { "record": kind_of, "date": date, "after": "6h", "unless": delivered } })
        }
        _ => json!({ "every": "0 9 * * MON" }),
    }
}

/// Only an event that lets in has a key.
fn choose_trigger(enter: &mut Tree, choice: &str, seen: &Seen) {
    let Some(on) = enter.find_entry_mut("on") else { return };
    let is_other = trigger_of(on).is_some_and(|present| present != choice);
    if !is_other || !TRIGGERS.iter().any(|(word, _)| *word == choice) {
        return;
    }
    let new = made(&new_trigger(choice, on, seen));
    on.replace_by(new);
    if choice != "did" {
        enter.remove("key");
    }
}

fn choose_again(enter: &mut Tree, choice: &str) {
    let present = again_of(enter);
    if present == choice || present.is_empty() {
        return;
    }
    match choice {
        "never" => {
            enter.remove("again");
        }
        "always" => enter.put("again", made(&json!("always"))),
        "after" => enter.put("again", made(&json!({ "after": "90d" }))),
        _ => {}
    }
}

/// How often somebody may enter; empty: it is written in a way that the form does not know.
pub(super) fn again_of(enter: &Tree) -> &'static str {
    match enter.get("again") {
        None => "never",
        Some(Tree::Leaf(Value::String(word))) if word == "never" => "never",
        Some(Tree::Leaf(Value::String(word))) if word == "always" => "always",
        Some(again @ Tree::Map(..)) if again.has("after") => "after",
        Some(_) => "",
    }
}

fn choose_step(step: &mut Tree, choice: &str, seen: &Seen) {
    let is_other = step_of(step).is_some_and(|present| present != choice);
    if !is_other || !NEW_STEPS.iter().any(|(word, _)| *word == choice) {
        return;
    }
    let own_id = step.text("id").map(str::to_owned);
    let mut value = new_step(choice, seen);
    if let (Some(id), Value::Object(map)) = (own_id, &mut value) {
        map.insert("id".to_owned(), id.into());
    }
    step.replace_by(made(&value));
}

fn choose_wait(step: &mut Tree, choice: &str, seen: &Seen) {
    if !step.has("wait") || wait_of(step) == choice || !WAITS.iter().any(|(word, _)| *word == choice) {
        return;
    }
    let value = match choice {
        "until" => json!({ "until": { "did": seen.usual_event() }, "at_most": "5d" }),
        "local" => json!({ "local": "Tue-Thu 10:00" }),
        "best_time" => json!({ "best_time": "24h" }),
        _ => json!("3d"),
    };
    step.put("wait", made(&value));
}

fn choose_reward(reward: &mut Tree, choice: &str, seen: &Seen) {
    let present = one_of(reward, &["points", "voucher"]);
    if present.is_none() || present == Some(choice) || !REWARDS.iter().any(|(word, _)| *word == choice) {
        return;
    }
    let pool = seen.pools.first().map_or("vouchers", String::as_str);
    let new = match choice {
        "points" => ("points", json!(50)),
        _ => ("voucher", json!(pool)),
    };
    reward.remove("expires");
    reward.replace_keys(&["points", "voucher"], vec![(new.0.to_owned(), made(&new.1))]);
}

fn choose_side(date: &mut Tree, choice: &str) {
    let present = side_of(date);
    if present == choice || !SIDES.iter().any(|(word, _)| *word == choice) {
        return;
    }
    let span = date.remove(present).unwrap_or_else(|| made(&json!("1d")));
    if !choice.is_empty() {
        date.put(choice, span);
    }
}

fn choose_memory(set: &mut Tree, choice: &str) {
    let is_forgotten = set.get("to") == Some(&Tree::Leaf(Value::Null));
    match choice {
        "forget" if !is_forgotten && set.has("trait") => set.put("to", Tree::Leaf(Value::Null)),
        "to" if is_forgotten => set.put("to", Tree::Leaf(json!(true))),
        _ => {}
    }
}

/// Whether a campaign still has what every campaign has.
pub(super) fn is_whole(definition: &Tree) -> bool {
    let campaign = own(definition);
    campaign.has("enter") && campaign.get("steps").is_some_and(|steps| !steps.items().is_empty())
}
