//! A definition as a tree whose maps and lists bear numbers, so that a form can name each of its fields.
//!
//! The numbers are given in the order of reading. A form holds the definition as it was and one field for whatever it
//! shows; what it does not show, and what nobody changed, comes back exactly as it was.

use super::words::UNITS;
use serde_json::{Map, Number, Value};

/// A value of JSON. Maps and lists bear numbers; of what is made later the numbers go on from there.
#[derive(Clone, PartialEq, Debug)]
pub enum Tree {
    /// Text, a number, true, false or nothing.
    Leaf(Value),
    /// A list.
    List(u32, Vec<Tree>),
    /// A map. In between, while a form is read, a key may stand twice.
    Map(u32, Vec<(String, Tree)>),
}

/// Hands out the numbers.
#[derive(Default)]
pub struct Numbers(u32);

impl Numbers {
    /// Numbers that no form has named yet.
    pub fn far() -> Numbers {
        Numbers(u32::MAX / 2)
    }

    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0 - 1
    }
}

impl Tree {
    /// Numbers a value.
    pub fn of(value: &Value, numbers: &mut Numbers) -> Tree {
        match value {
            Value::Array(items) => {
                let id = numbers.next();
                Tree::List(id, items.iter().map(|item| Tree::of(item, numbers)).collect())
            }
            Value::Object(map) => {
                let id = numbers.next();
                Tree::Map(id, map.iter().map(|(key, value)| (key.clone(), Tree::of(value, numbers))).collect())
            }
            leaf => Tree::Leaf(leaf.clone()),
        }
    }

    /// The value without numbers. Of a key that stands twice the later one stays.
    pub fn value(&self) -> Value {
        match self {
            Tree::Leaf(value) => value.clone(),
            Tree::List(_, items) => Value::Array(items.iter().map(Tree::value).collect()),
            Tree::Map(_, entries) => {
                let mut map = Map::new();
                for (key, tree) in entries {
                    map.insert(key.clone(), tree.value());
                }
                Value::Object(map)
            }
        }
    }

    /// Its number, if it is a map or a list.
    pub fn id(&self) -> Option<u32> {
        match self {
            Tree::Leaf(_) => None,
            Tree::List(id, _) | Tree::Map(id, _) => Some(*id),
        }
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(String, Tree)] {
        match self {
            Tree::Map(_, entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Tree] {
        match self {
            Tree::List(_, items) => items,
            _ => &[],
        }
    }

    /// The value of a map's key.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries().iter().find(|(other, _)| other == key).map(|(_, tree)| tree)
    }

    /// Whether a map has a key.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The text of a map's key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Tree::Leaf(Value::String(text))) => Some(text),
            _ => None,
        }
    }

    /// Finds a map or list by its number.
    pub fn find_mut(&mut self, id: u32) -> Option<&mut Tree> {
        if self.id() == Some(id) {
            return Some(self);
        }
        match self {
            Tree::Leaf(_) => None,
            Tree::List(_, items) => items.iter_mut().find_map(|item| item.find_mut(id)),
            Tree::Map(_, entries) => entries.iter_mut().find_map(|(_, tree)| tree.find_mut(id)),
        }
    }

    /// Finds a map or list by its number.
    pub fn find(&self, id: u32) -> Option<&Tree> {
        if self.id() == Some(id) {
            return Some(self);
        }
        match self {
            Tree::Leaf(_) => None,
            Tree::List(_, items) => items.iter().find_map(|item| item.find(id)),
            Tree::Map(_, entries) => entries.iter().find_map(|(_, tree)| tree.find(id)),
        }
    }

    /// The way to a map or list, place by place.
    pub fn way_to(&self, id: u32) -> Option<Vec<usize>> {
        if self.id() == Some(id) {
            return Some(Vec::new());
        }
        let inner = |place: usize, tree: &Tree| {
            tree.way_to(id).map(|way| std::iter::once(place).chain(way).collect::<Vec<_>>())
        };
        match self {
            Tree::Leaf(_) => None,
            Tree::List(_, items) => items.iter().enumerate().find_map(|(place, item)| inner(place, item)),
            Tree::Map(_, entries) => entries.iter().enumerate().find_map(|(place, (_, tree))| inner(place, tree)),
        }
    }

    /// What stands at the end of a way.
    pub fn at(&self, way: &[usize]) -> Option<&Tree> {
        way.iter().try_fold(self, |tree, place| match tree {
            Tree::Leaf(_) => None,
            Tree::List(_, items) => items.get(*place),
            Tree::Map(_, entries) => entries.get(*place).map(|(_, tree)| tree),
        })
    }

    /// The list that holds a numbered item, and its place there.
    pub fn place_in_list(&self, id: u32) -> Option<(u32, usize)> {
        match self {
            Tree::Leaf(_) => None,
            Tree::List(own, items) => match items.iter().position(|item| item.id() == Some(id)) {
                Some(place) => Some((*own, place)),
                None => items.iter().find_map(|item| item.place_in_list(id)),
            },
            Tree::Map(_, entries) => entries.iter().find_map(|(_, tree)| tree.place_in_list(id)),
        }
    }

    /// The map that holds a numbered value, and its place there.
    pub fn place_in_map(&self, id: u32) -> Option<(u32, usize)> {
        match self {
            Tree::Leaf(_) => None,
            Tree::Map(own, entries) => match entries.iter().position(|(_, tree)| tree.id() == Some(id)) {
                Some(place) => Some((*own, place)),
                None => entries.iter().find_map(|(_, tree)| tree.place_in_map(id)),
            },
            Tree::List(_, items) => items.iter().find_map(|item| item.place_in_map(id)),
        }
    }

    /// The value of a map's key, to change it.
    pub fn find_entry_mut(&mut self, key: &str) -> Option<&mut Tree> {
        match self {
            Tree::Map(_, entries) => entries.iter_mut().find(|(other, _)| other == key).map(|(_, tree)| tree),
            _ => None,
        }
    }

    /// Puts another map or list in its place, which takes over its number.
    pub fn replace_by(&mut self, mut new: Tree) {
        if let (Some(number), Tree::Map(own, _) | Tree::List(own, _)) = (self.id(), &mut new) {
            *own = number;
        }
        *self = new;
    }

    /// Puts a value under a key: in its place if the key is there, else at the end.
    pub fn put(&mut self, key: &str, tree: Tree) {
        let Tree::Map(_, entries) = self else { return };
        match entries.iter_mut().find(|(other, _)| other == key) {
            Some(entry) => entry.1 = tree,
            None => entries.push((key.to_owned(), tree)),
        }
    }

    /// Takes a key out of a map.
    pub fn remove(&mut self, key: &str) -> Option<Tree> {
        let Tree::Map(_, entries) = self else { return None };
        let place = entries.iter().position(|(other, _)| other == key)?;
        Some(entries.remove(place).1)
    }

    /// Replaces keys of a map by others, the new ones standing where the first of the old ones stood.
    pub fn replace_keys(&mut self, old: &[&str], new: Vec<(String, Tree)>) {
        let Tree::Map(_, entries) = self else { return };
        let place = entries.iter().position(|(key, _)| old.contains(&key.as_str())).unwrap_or(entries.len());
        entries.retain(|(key, _)| !old.contains(&key.as_str()));
        let place = place.min(entries.len());
        entries.splice(place..place, new);
    }
}

/// What a field of the form is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Text as it is.
    Text,
    /// A number, true, false or text.
    Scalar,
    /// A number.
    Number,
    /// Several scalars, one a line.
    Lines,
    /// A number and a unit of time.
    Span,
    /// True or false; empty: not said.
    Flag,
    /// Anything, as JSON.
    Raw,
}

impl Kind {
    /// The letter of its fields; a capital one says that an empty field leaves an empty value, not none.
    pub(super) fn letter(self) -> char {
        match self {
            Kind::Text => 't',
            Kind::Scalar => 's',
            Kind::Number => 'n',
            Kind::Lines => 'l',
            Kind::Span => 'd',
            Kind::Flag => 'b',
            Kind::Raw => 'j',
        }
    }

    fn of_letter(letter: char) -> Option<Kind> {
        [Kind::Text, Kind::Scalar, Kind::Number, Kind::Lines, Kind::Span, Kind::Flag, Kind::Raw]
            .into_iter()
            .find(|kind| kind.letter() == letter)
    }

    /// A value as its field shows it.
    pub(super) fn shown(self, tree: Option<&Tree>) -> String {
        match (self, tree) {
            (_, None) => String::new(),
            (Kind::Lines, Some(Tree::List(_, items))) => {
                items.iter().map(|item| Kind::Scalar.shown(Some(item))).collect::<Vec<_>>().join("\n")
            }
            (Kind::Raw, Some(tree)) => tree.value().to_string(),
            (_, Some(Tree::Leaf(Value::Null))) => String::new(),
            (_, Some(Tree::Leaf(Value::String(text)))) => text.clone(),
            (_, Some(tree)) => tree.value().to_string(),
        }
    }

    /// The value of what somebody wrote.
    fn read(self, text: &str) -> Value {
        match self {
            Kind::Text | Kind::Span => Value::from(text),
            Kind::Number => number(text.trim()).unwrap_or_else(|| Value::from(text)),
            Kind::Scalar => scalar(text),
            Kind::Lines => {
                Value::Array(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(scalar).collect())
            }
            Kind::Flag => Value::Bool(text == "true"),
            Kind::Raw => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        }
    }
}

fn scalar(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        other => number(other).unwrap_or_else(|| Value::from(other)),
    }
}

/// A number that is written back as it was read; else it stays a text, which means the same.
fn number(text: &str) -> Option<Value> {
    domain::value::decimal(text)?;
    let number: Number = serde_json::from_str(text).ok()?;
    (number.to_string() == text).then_some(Value::Number(number))
}

/// A duration as amount and unit; what is none stands whole in the amount.
pub(super) fn split_span(text: &str) -> (&str, &str) {
    let unit = text.char_indices().last().map_or("", |(at, _)| &text[at..]);
    let amount = &text[..text.len() - unit.len()];
    let is_span = !amount.is_empty()
        && amount.bytes().all(|byte| byte.is_ascii_digit())
        && UNITS.iter().any(|(letter, _)| *letter == unit);
    if is_span { (amount, unit) } else { (text, "") }
}

/// What a browser gives back of a text that it shows in a field of one line.
pub(super) fn in_one_line(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\n' | '\r')).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

/// What a browser gives back of a text that it shows in a field of several lines.
pub fn in_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}")
}

/// A field's name, taken apart: `t.3.within` is the text `within` of map 3.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FieldName<'a> {
    /// What kind of field it is.
    pub(super) letter: char,
    /// Of which map or list.
    pub(super) id: u32,
    /// Which key or place; empty for fields about the whole.
    pub(super) key: &'a str,
}

impl<'a> FieldName<'a> {
    /// Reads a name; none if it is no field of a definition.
    pub(super) fn read(name: &'a str) -> Option<FieldName<'a>> {
        let mut parts = name.splitn(3, '.');
        let mut letter = parts.next()?.chars();
        let (first, None) = (letter.next()?, letter.next()) else { return None };
        Some(FieldName { letter: first, id: parts.next()?.parse().ok()?, key: parts.next().unwrap_or("") })
    }
}

/// Writes what stands in the fields into the tree: pieces of JSON first, then names of keys, then values.
pub(super) fn write_fields(tree: &mut Tree, fields: &[(String, String)]) {
    let named = |letter| {
        fields.iter().filter_map(move |(name, text)| {
            FieldName::read(name).filter(|field| field.letter == letter).map(|field| (field, text))
        })
    };
    // What stands as JSON still stands under its old key.
    for (field, text) in named('J').chain(named('j')) {
        if let Some(found) = tree.find_mut(field.id) {
            write_field(found, &field, Kind::Raw, text, None);
        }
    }
    let mut renamed = Vec::new();
    for (field, text) in named('k') {
        let Some(Tree::Map(id, entries)) = tree.find_mut(field.id) else { continue };
        let Some(entry) = field.key.parse::<usize>().ok().and_then(|place| entries.get_mut(place)) else { continue };
        let text = in_one_line(text);
        if in_one_line(&entry.0) != text {
            entry.0 = text;
            renamed.push(*id);
        }
    }
    for id in renamed {
        if let Some(found) = tree.find_mut(id) {
            part_twins(found);
        }
    }
    for (name, text) in fields {
        let Some(field) = FieldName::read(name) else { continue };
        let kind = Kind::of_letter(field.letter.to_ascii_lowercase()).filter(|kind| *kind != Kind::Raw);
        let Some(kind) = kind else { continue };
        let unit = format!("u.{}.{}", field.id, field.key);
        let unit = fields.iter().find(|(name, _)| *name == unit).map(|(_, unit)| unit.as_str());
        let Some(found) = tree.find_mut(field.id) else { continue };
        write_field(found, &field, kind, text, unit);
    }
}

/// A map in which a key stands twice becomes a list of maps, which says the same of tests.
pub(super) fn part_twins(tree: &mut Tree) {
    let Tree::Map(id, entries) = tree else { return };
    let has_twins = entries.iter().enumerate().any(|(place, (key, _))| entries[..place].iter().any(|(k, _)| k == key));
    if has_twins {
        let id = *id;
        // The parts get a number that no field names.
        let parts = std::mem::take(entries).into_iter().map(|entry| Tree::Map(u32::MAX, vec![entry])).collect();
        *tree = Tree::List(id, parts);
    }
}

fn write_field(tree: &mut Tree, field: &FieldName<'_>, kind: Kind, text: &str, unit: Option<&str>) {
    let place = field.key.parse::<usize>();
    let present = match tree {
        Tree::Map(..) => tree.get(field.key),
        Tree::List(_, items) => place.as_ref().ok().and_then(|place| items.get(*place)),
        Tree::Leaf(_) => return,
    };
    let shown = kind.shown(present);
    let (is_same, written) = match kind {
        Kind::Span => {
            let (amount, letter) = split_span(&shown);
            let unit = unit.unwrap_or("");
            let text = text.trim();
            let is_whole = text.chars().next_back().is_none_or(|last| !last.is_ascii_digit());
            let written = if is_whole { text.to_owned() } else { format!("{text}{unit}") };
            (text == in_one_line(amount).trim() && (unit == letter || amount.is_empty()), written)
        }
        Kind::Lines | Kind::Raw => {
            let text = in_lines(text);
            (text == in_lines(&shown), text)
        }
        _ => (text == in_one_line(&shown), text.to_owned()),
    };
    if is_same {
        return;
    }
    let is_required = field.letter.is_ascii_uppercase();
    let value = Tree::Leaf(kind.read(&written));
    let value = match value {
        Tree::Leaf(whole @ (Value::Array(_) | Value::Object(_))) => Tree::of(&whole, &mut Numbers::far()),
        leaf => leaf,
    };
    match tree {
        Tree::Map(..) if written.is_empty() && !is_required => {
            tree.remove(field.key);
        }
        Tree::Map(..) => tree.put(field.key, value),
        Tree::List(_, items) => {
            if let Some(item) = place.ok().and_then(|place| items.get_mut(place)) {
                *item = value;
            }
        }
        Tree::Leaf(_) => {}
    }
}
