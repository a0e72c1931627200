//! A definition as a form: groups, conditions and tests in words, each field named by the map it stands in.

mod blocks;
mod campaign;
mod conditions;
mod drawing;
mod steps;

use super::buttons::head_of;
use super::seen::Seen;
use super::tree::{Kind, Tree};
use super::{Subject, own};
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

/// What a node is, and so how it looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Condition,
    Group,
    Step,
    /// A way of a branch, or a condition with words around it.
    Way,
}

impl Shape {
    fn class(self) -> &'static str {
        match self {
            Shape::Condition => "",
            Shape::Group => " group",
            Shape::Step => " deed",
            Shape::Way => " way",
        }
    }

    /// A condition has its tools beside what can be added to it; they fit no better.
    fn has_tools_below(self) -> bool {
        self == Shape::Condition
    }
}

/// A group, a condition, a step or a way.
#[derive(Template)]
#[template(path = "builder/node.html")]
pub struct Node {
    id: u32,
    shape: Shape,
    lines: Vec<Vec<Part>>,
    tools: Vec<Part>,
    troubles: Vec<String>,
    blocks: Vec<Block>,
    children: Vec<Node>,
    steps: Option<Steps>,
    adds: Vec<Part>,
}

impl HtmlSafe for Node {}

/// Steps in their order, and buttons that add one.
#[derive(Template)]
#[template(path = "builder/steps.html")]
pub struct Steps {
    nodes: Vec<Node>,
    adds: Vec<Part>,
}

impl HtmlSafe for Steps {}

/// A part of the form under a heading.
pub struct Section {
    /// The heading; empty: none.
    pub title: &'static str,
    /// Its id, where it says what is wrong.
    pub id: &'static str,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Steps.
    pub steps: Option<Steps>,
    /// Rows of fields below them.
    pub lines: Vec<Vec<Part>>,
    /// What is wrong.
    pub troubles: Vec<String>,
    /// Buttons.
    pub adds: Vec<Part>,
}

impl Node {
    fn of(id: u32, shape: Shape) -> Node {
        Node {
            id,
            shape,
            lines: Vec::new(),
            tools: Vec::new(),
            troubles: Vec::new(),
            blocks: Vec::new(),
            children: Vec::new(),
            steps: None,
            adds: Vec::new(),
        }
    }

    fn below(&self) -> impl Iterator<Item = &Node> {
        self.children.iter().chain(self.steps.iter().flat_map(|steps| &steps.nodes))
    }

    fn collect_troubles<'n>(&'n self, found: &mut Vec<(String, &'n [String])>) {
        found.push((format!("n{}", self.id), &self.troubles));
        self.blocks.iter().for_each(|block| block.collect_troubles(found));
        self.below().for_each(|child| child.collect_troubles(found));
    }

    fn each_part<'n>(&'n self, visit: &mut dyn FnMut(&'n Part)) {
        let steps = self.steps.iter().flat_map(|steps| &steps.adds);
        self.lines.iter().flatten().chain(&self.adds).chain(&self.tools).chain(steps).for_each(&mut *visit);
        self.blocks.iter().for_each(|block| block.each_part(visit));
        self.below().for_each(|child| child.each_part(visit));
    }

    /// The numbers of the steps in it, in order.
    fn collect_steps(&self, found: &mut Vec<u32>) {
        if self.shape == Shape::Step {
            found.push(self.id);
        }
        self.below().for_each(|child| child.collect_steps(found));
    }
}

impl Section {
    fn of(title: &'static str, id: &'static str) -> Section {
        let (nodes, lines, troubles, adds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Section { title, id, nodes, steps: None, lines, troubles, adds }
    }

    fn all_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().chain(self.steps.iter().flat_map(|steps| &steps.nodes))
    }
}

/// Whether a thing bears the reader's place after a button made or moved it.
pub(super) fn has_focus(tree: &Tree) -> bool {
    head_of(tree).is_some() || super::campaign::step_of(tree).is_some()
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

    fn each_part<'n>(&'n self, visit: &mut dyn FnMut(&'n Part)) {
        for line in &self.lines {
            line.parts.iter().for_each(&mut *visit);
            line.inner.iter().for_each(|inner| inner.each_part(visit));
        }
        self.adds.iter().for_each(visit);
    }
}

impl Form {
    /// What is wrong at each place that can say so, by the place's id; also where nothing is.
    pub fn places(&self) -> Vec<(String, &[String])> {
        let mut found = Vec::new();
        for section in &self.sections {
            section.all_nodes().for_each(|node| node.collect_troubles(&mut found));
            if !section.id.is_empty() {
                found.push((section.id.to_owned(), &section.troubles));
            }
        }
        found
    }

    /// The numbers of the steps, in order.
    pub fn steps(&self) -> Vec<u32> {
        let mut found = Vec::new();
        self.sections.iter().flat_map(Section::all_nodes).for_each(|node| node.collect_steps(&mut found));
        found
    }

    /// The names of all fields, in order: two forms with the same names look alike but for what was typed.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.each_part(&mut |part| names.extend(part.names()));
        names
    }

    /// Fields, choices, buttons and words, in order.
    fn each_part<'n>(&'n self, visit: &mut dyn FnMut(&'n Part)) {
        self.head.iter().flatten().for_each(&mut *visit);
        for section in &self.sections {
            section.all_nodes().for_each(|node| node.each_part(visit));
            let steps = section.steps.iter().flat_map(|steps| &steps.adds);
            section.lines.iter().flatten().chain(&section.adds).chain(steps).for_each(&mut *visit);
        }
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
    /// What its buttons send.
    fn pressed(&self) -> Vec<String> {
        match self {
            Part::Button(button) => vec![button.value.clone()],
            Part::Together(parts) => parts.iter().flat_map(Part::pressed).collect(),
            Part::Words(_) | Part::Field(_) | Part::Choice(_) => Vec::new(),
        }
    }

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
    /// What its buttons send.
    pub(super) fn buttons(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.each_part(&mut |part| found.extend(part.pressed()));
        found
    }

    /// What a browser sends if nobody touches the form.
    pub(super) fn sent(&self) -> Vec<(String, String)> {
        let mut sent = Vec::new();
        self.each_part(&mut |part| sent.extend(part.sent()));
        sent
    }
}

/// The whole form.
pub struct Form {
    /// Name and title.
    pub head: Vec<Vec<Part>>,
    /// Its parts; none where there is nothing that could be shown.
    pub sections: Vec<Section>,
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
    drawing.list("times", ["08:00", "09:00", "10:00", "18:00"].into_iter());
    drawing.list("hours", ["Tue-Thu 10:00", "Mon-Fri 09:00-17:00", "Sat 10:00"].into_iter());
    drawing.list("schedules", ["0 9 * * MON", "0 9 1 * *", "0 18 * * FRI", "0 10 * * *"].into_iter());
    drawing.list("shares", ["5%", "10%", "20%", "50%"].into_iter());
    let (head, sections) = match Subject::of(definition) {
        Subject::Segment => segment(&mut drawing, definition),
        Subject::Campaign => {
            let campaign = own(definition);
            let beside: Vec<&Tree> = definition.items().iter().filter(|one| !std::ptr::eq(*one, campaign)).collect();
            drawing.campaign(campaign, &beside)
        }
    };
    let troubles = drawing.troubles.into_iter().map(|(_, words)| words).collect();
    Form { head, sections, lists: drawing.lists, troubles }
}

/// The name and title of a definition.
fn names(drawing: &mut Drawing<'_>, definition: &Tree, id: u32, key: &'static str) -> Vec<Vec<Part>> {
    vec![
        vec![
            words("Name"),
            drawing.line(Kind::Text, true, id, key, definition, "Name in files and addresses", "text", ""),
        ],
        vec![words("Title"), drawing.line(Kind::Text, false, id, "title", definition, "Title for people", "wide", "")],
    ]
}

fn segment(drawing: &mut Drawing<'_>, definition: &Tree) -> (Vec<Vec<Part>>, Vec<Section>) {
    let id = definition.id().unwrap_or(0);
    let mut head = names(drawing, definition, id, "segment");
    // Deepest first: what stands beside a condition does not stand beside its group again.
    let rule =
        definition.get("where").map(|rule| drawing.node(rule, "where", (id, "where".to_owned()), Standing::Root));
    let extra = drawing.extras(definition, id, &["segment", "title", "where"]);
    if !extra.is_empty() {
        head.push(extra);
    }
    let section = |rule| Section { nodes: vec![rule], ..Section::of("", "") };
    (head, rule.map(section).into_iter().collect())
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
