//! A definition as a form: groups, conditions and tests in words, each field named by the map it stands in.

mod blocks;
mod conditions;
mod drawing;

use super::seen::Seen;
use super::tree::{Kind, Tree};
use askama::Template;
use askama::filters::HtmlSafe;
use domain::segment::EventName;
use drawing::{Drawing, Standing, words};
use serde_json::Value;
use std::collections::BTreeMap;

/// Something wrong, at a path of the definition.
pub type Trouble = (String, String);

/// A piece of a line.
#[derive(Template)]
#[template(path = "builder/part.html")]
pub enum Part {
    /// Words that only tell.
    Words(String),
    /// A field of one line or of several.
    Field(Field),
    /// One of several words.
    Choice(Choice),
    /// A button.
    Button(Button),
    /// Pieces that stay on one line: a number and its unit.
    Together(Vec<Part>),
}

impl HtmlSafe for Part {}

/// A field that one types into.
pub struct Field {
    name: String,
    label: String,
    value: String,
    width: &'static str,
    is_number: bool,
    lines: usize,
    list: String,
    placeholder: &'static str,
}

/// A heading, and under it value, words and whether it is chosen.
type OptionGroup = (String, Vec<(String, String, bool)>);

/// A choice between words.
pub struct Choice {
    name: String,
    label: String,
    options: Vec<OptionGroup>,
    /// Whether other fields stand there after it was changed.
    reshapes: bool,
    /// Whether the reader's place is here.
    has_focus: bool,
}

/// A button that changes the form.
pub struct Button {
    value: String,
    words: String,
    label: String,
    class: &'static str,
}

/// A group or a condition.
#[derive(Template)]
#[template(path = "builder/node.html")]
pub struct Node {
    id: u32,
    is_group: bool,
    lines: Vec<Vec<Part>>,
    tools: Vec<Part>,
    troubles: Vec<String>,
    blocks: Vec<Block>,
    children: Vec<Node>,
    adds: Vec<Part>,
}

impl HtmlSafe for Node {}

impl Node {
    fn collect_troubles<'n>(&'n self, found: &mut Vec<(String, &'n [String])>) {
        found.push((format!("n{}", self.id), &self.troubles));
        self.blocks.iter().for_each(|block| block.collect_troubles(found));
        self.children.iter().for_each(|child| child.collect_troubles(found));
    }

    fn collect_names<'n>(&'n self, names: &mut Vec<&'n str>) {
        let parts = self.lines.iter().flatten().chain(&self.adds);
        names.extend(parts.flat_map(Part::names));
        self.blocks.iter().for_each(|block| block.collect_names(names));
        self.children.iter().for_each(|child| child.collect_names(names));
    }
}

impl Part {
    fn names(&self) -> Vec<&str> {
        match self {
            Part::Field(field) => vec![&field.name],
            Part::Choice(choice) => vec![&choice.name],
            Part::Together(parts) => parts.iter().flat_map(Part::names).collect(),
            Part::Words(_) | Part::Button(_) => Vec::new(),
        }
    }
}

impl Block {
    fn collect_troubles<'n>(&'n self, found: &mut Vec<(String, &'n [String])>) {
        for line in &self.lines {
            found.push((line.id.clone(), &line.troubles));
            line.inner.iter().for_each(|inner| inner.collect_troubles(found));
        }
    }

    fn collect_names<'n>(&'n self, names: &mut Vec<&'n str>) {
        for line in &self.lines {
            names.extend(line.parts.iter().flat_map(Part::names));
            line.inner.iter().for_each(|inner| inner.collect_names(names));
        }
        names.extend(self.adds.iter().flat_map(Part::names));
    }
}

impl Form {
    /// What is wrong at each place that can say so, by the place's id; also where nothing is.
    pub fn places(&self) -> Vec<(String, &[String])> {
        let mut found = Vec::new();
        self.rule.iter().for_each(|rule| rule.collect_troubles(&mut found));
        found
    }

    /// The names of all fields, in order: two forms with the same names look alike but for what was typed.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.head.iter().flatten().flat_map(Part::names).collect();
        self.rule.iter().for_each(|rule| rule.collect_names(&mut names));
        names
    }
}

/// Tests that belong together.
#[derive(Template)]
#[template(path = "builder/block.html")]
pub struct Block {
    title: String,
    lines: Vec<TestLine>,
    adds: Vec<Part>,
}

impl HtmlSafe for Block {}

struct TestLine {
    id: String,
    parts: Vec<Part>,
    troubles: Vec<String>,
    inner: Option<Block>,
}

#[cfg(test)]
impl Part {
    /// What a browser sends for it if nobody touches it.
    fn sent(&self) -> Vec<(String, String)> {
        match self {
            Part::Field(field) if field.lines > 0 => {
                vec![(field.name.clone(), super::tree::in_lines(&field.value).replace('\n', "\r\n"))]
            }
            Part::Field(field) => vec![(field.name.clone(), super::tree::in_one_line(&field.value))],
            Part::Choice(choice) => {
                let mut options = choice.options.iter().flat_map(|(_, options)| options);
                let chosen = options.clone().find(|(_, _, chosen)| *chosen).or_else(|| options.next());
                chosen.map(|(value, _, _)| (choice.name.clone(), value.clone())).into_iter().collect()
            }
            Part::Together(parts) => parts.iter().flat_map(Part::sent).collect(),
            Part::Words(_) | Part::Button(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
impl Form {
    /// What a browser sends if nobody touches the form.
    pub(super) fn sent(&self) -> Vec<(String, String)> {
        fn of_block(block: &Block, sent: &mut Vec<(String, String)>) {
            for line in &block.lines {
                sent.extend(line.parts.iter().flat_map(Part::sent));
                line.inner.iter().for_each(|inner| of_block(inner, sent));
            }
            sent.extend(block.adds.iter().flat_map(Part::sent));
        }
        fn of_node(node: &Node, sent: &mut Vec<(String, String)>) {
            sent.extend(node.lines.iter().flatten().chain(&node.adds).flat_map(Part::sent));
            node.blocks.iter().for_each(|block| of_block(block, sent));
            node.children.iter().for_each(|child| of_node(child, sent));
        }
        let mut sent: Vec<_> = self.head.iter().flatten().flat_map(Part::sent).collect();
        self.rule.iter().for_each(|rule| of_node(rule, &mut sent));
        sent
    }
}

/// The whole form.
pub struct Form {
    /// Name and title.
    pub head: Vec<Vec<Part>>,
    /// The rule; none if there is no `where`.
    pub rule: Option<Node>,
    /// Suggestions by the id of their list.
    pub lists: BTreeMap<String, Vec<String>>,
    /// What is wrong with the definition as a whole, or at a place that the form does not show.
    pub troubles: Vec<String>,
}

/// Draws a definition. `troubles` stand beside the nearest thing that the form shows.
/// `new`: the number of what was just added.
pub fn draw(definition: &Tree, seen: &Seen, troubles: &[Trouble], new: Option<u32>) -> Form {
    let mut drawing =
        Drawing { seen, new, troubles: troubles.to_vec(), lists: BTreeMap::new(), properties: BTreeMap::new() };
    drawing.list("events", seen.events.iter().map(String::as_str));
    drawing.list("days", ["today", "yesterday", "tomorrow", "+3d", "-7d"].into_iter());
    drawing.list("whens", ["now", "now+3d", "now-3d", "2026-01-31", "2026-01-31T09:00:00Z"].into_iter());
    let zones = ["UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Tokyo"];
    drawing
        .list("zones", std::iter::once(seen.zone.as_str()).chain(zones.into_iter().filter(|zone| *zone != seen.zone)));
    let id = definition.id().unwrap_or(0);
    let mut head = vec![
        vec![
            words("Name"),
            drawing.line(Kind::Text, true, id, "segment", definition, "Name in files and addresses", "text", ""),
        ],
        vec![words("Title"), drawing.line(Kind::Text, false, id, "title", definition, "Title for people", "wide", "")],
    ];
    // Deepest first: what stands beside a condition does not stand beside its group again.
    let rule =
        definition.get("where").map(|rule| drawing.node(rule, "where", (id, "where".to_owned()), Standing::Alone));
    let extra = drawing.extras(definition, id, &["segment", "title", "where"]);
    if !extra.is_empty() {
        head.push(extra);
    }
    let troubles = drawing.troubles.into_iter().map(|(_, words)| words).collect();
    Form { head, rule, lists: drawing.lists, troubles }
}

/// The events and kinds of records that a definition names, so that their properties can be offered.
pub fn events_named(definition: &Value) -> Vec<EventName> {
    let mut named = Vec::new();
    find_events(definition, &mut named, 0);
    named.truncate(40);
    named
}

fn find_events(value: &Value, named: &mut Vec<EventName>, depth: usize) {
    const WORDS: [&str; 8] = ["did", "did_not", "first_time", "last", "first", "stopped", "restarted", "regularly"];
    match value {
        Value::Array(items) if depth < 100 => items.iter().for_each(|item| find_events(item, named, depth + 1)),
        Value::Object(map) if depth < 100 => {
            for (key, inner) in map {
                match inner {
                    Value::String(text) if WORDS.contains(&key.as_str()) => {
                        let event = match text.strip_suffix('*') {
                            Some(prefix) => EventName::Prefix(prefix.to_owned()),
                            None => EventName::Exact(text.clone()),
                        };
                        if !named.contains(&event) {
                            named.push(event);
                        }
                    }
                    inner => find_events(inner, named, depth + 1),
                }
            }
        }
        _ => {}
    }
}
