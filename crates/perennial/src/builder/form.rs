//! A definition as a form: groups, conditions and tests in words, each field named by the map it stands in.

use super::seen::{Seen, SeenName};
use super::steps::{head_of, is_group, measure_of, operator_of, question_of, windows_of};
use super::tree::{Kind, Tree, split_span};
use super::words::{
    AGGREGATES, COMPARISONS, CONSENTS, ELEMENTS, GROUPS, HEADS, LOWER, MEASURES, OPERATORS, RECORD_QUESTIONS,
    TEST_GROUPS, UNITS, UPPER, WINDOWS, Word,
};
use askama::Template;
use askama::filters::HtmlSafe;
use domain::segment::{EventName, SCORES};
use domain::shape::join;
use domain::value::TEXTUAL;
use serde_json::Value;
use std::collections::BTreeMap;

/// Suggestions in one list; more would not be read.
const SUGGESTED: usize = 200;

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
        names.extend(parts.filter_map(Part::name));
        self.blocks.iter().for_each(|block| block.collect_names(names));
        self.children.iter().for_each(|child| child.collect_names(names));
    }
}

impl Part {
    fn name(&self) -> Option<&str> {
        match self {
            Part::Field(field) => Some(&field.name),
            Part::Choice(choice) => Some(&choice.name),
            Part::Words(_) | Part::Button(_) => None,
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
            names.extend(line.parts.iter().filter_map(Part::name));
            line.inner.iter().for_each(|inner| inner.collect_names(names));
        }
        names.extend(self.adds.iter().filter_map(Part::name));
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
        let mut names: Vec<&str> = self.head.iter().flatten().filter_map(Part::name).collect();
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
    fn sent(&self) -> Option<(String, String)> {
        match self {
            Part::Field(field) if field.lines > 0 => {
                Some((field.name.clone(), super::tree::in_lines(&field.value).replace('\n', "\r\n")))
            }
            Part::Field(field) => Some((field.name.clone(), super::tree::in_one_line(&field.value))),
            Part::Choice(choice) => {
                let mut options = choice.options.iter().flat_map(|(_, options)| options);
                let chosen = options.clone().find(|(_, _, chosen)| *chosen).or_else(|| options.next());
                chosen.map(|(value, _, _)| (choice.name.clone(), value.clone()))
            }
            Part::Words(_) | Part::Button(_) => None,
        }
    }
}

#[cfg(test)]
impl Form {
    /// What a browser sends if nobody touches the form.
    pub(super) fn sent(&self) -> Vec<(String, String)> {
        fn of_block(block: &Block, sent: &mut Vec<(String, String)>) {
            for line in &block.lines {
                sent.extend(line.parts.iter().filter_map(Part::sent));
                line.inner.iter().for_each(|inner| of_block(inner, sent));
            }
            sent.extend(block.adds.iter().filter_map(Part::sent));
        }
        fn of_node(node: &Node, sent: &mut Vec<(String, String)>) {
            sent.extend(node.lines.iter().flatten().chain(&node.adds).filter_map(Part::sent));
            node.blocks.iter().for_each(|block| of_block(block, sent));
            node.children.iter().for_each(|child| of_node(child, sent));
        }
        let mut sent: Vec<_> = self.head.iter().flatten().filter_map(Part::sent).collect();
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

/// Where a condition stands, for its buttons.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The rule itself, or what a `not` is about.
    Alone,
    /// One of a list: at the outermost group or deeper.
    Listed { first: bool, last: bool, outermost: bool },
}

struct Drawing<'a> {
    seen: &'a Seen,
    new: Option<u32>,
    troubles: Vec<Trouble>,
    lists: BTreeMap<String, Vec<String>>,
    properties: BTreeMap<String, usize>,
}

fn words(text: impl Into<String>) -> Part {
    Part::Words(text.into())
}

fn button(value: impl Into<String>, words: &str, label: &str) -> Part {
    Part::Button(Button { value: value.into(), words: words.to_owned(), label: label.to_owned(), class: "" })
}

fn tool(value: impl Into<String>, words: &str, label: &str) -> Part {
    Part::Button(Button { value: value.into(), words: words.to_owned(), label: label.to_owned(), class: "tool" })
}

fn choice(name: String, label: &str, options: &[Word], present: &str) -> Choice {
    choice_in(name, label, &[("", options)], present)
}

fn choice_in(name: String, label: &str, groups: &[(&str, &[Word])], present: &str) -> Choice {
    let option = |(word, words): &Word| ((*word).to_owned(), (*words).to_owned(), *word == present);
    let options = groups.iter().map(|(title, options)| ((*title).to_owned(), options.iter().map(option).collect()));
    Choice { name, label: label.to_owned(), options: options.collect(), reshapes: true, has_focus: false }
}

impl Choice {
    /// A present word that is none of the known ones stays what it is.
    fn keeping(mut self, present: &str) -> Choice {
        let is_there = self.options.iter().any(|(_, options)| options.iter().any(|(_, _, chosen)| *chosen));
        if !is_there {
            self.options.push((String::new(), vec![(present.to_owned(), present.to_owned(), true)]));
        }
        self
    }

    fn focused(mut self, has_focus: bool) -> Choice {
        self.has_focus = has_focus;
        self
    }

    fn typed(mut self) -> Part {
        self.reshapes = false;
        Part::Choice(self)
    }

    fn reshaping(self) -> Part {
        Part::Choice(self)
    }
}

/// Names that tests may ask about, and what stands before them in the list of those seen.
#[derive(Clone)]
struct Names<'a> {
    names: Vec<&'a SeenName>,
    prefix: String,
    list: String,
    keeps_past: bool,
}

impl<'a> Names<'a> {
    fn find(&self, path: &str) -> Option<&'a SeenName> {
        self.names.iter().find(|seen| seen.name.strip_prefix(&self.prefix) == Some(path)).copied()
    }
}

impl<'a> Drawing<'a> {
    /// Takes the troubles at a path or below.
    fn troubles_at(&mut self, path: &str) -> Vec<String> {
        let is_here =
            |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let (here, rest) = std::mem::take(&mut self.troubles).into_iter().partition(|(at, _)| is_here(at));
        self.troubles = rest;
        let here: Vec<Trouble> = here;
        here.into_iter().map(|(_, words)| words).collect()
    }

    fn list<'b>(&mut self, name: &str, items: impl Iterator<Item = &'b str>) -> String {
        let items: Vec<String> = items.take(SUGGESTED).map(str::to_owned).collect();
        if items.is_empty() {
            return String::new();
        }
        self.lists.insert(name.to_owned(), items);
        name.to_owned()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a field says all of this, and each call reads as the field it makes"
    )]
    fn line(
        &mut self,
        kind: Kind,
        is_required: bool,
        id: u32,
        key: &str,
        holder: &Tree,
        label: &str,
        width: &'static str,
        list: &str,
    ) -> Part {
        let present = match (holder, key.parse::<usize>()) {
            (Tree::List(_, items), Ok(place)) => items.get(place),
            _ => holder.get(key),
        };
        let letter = if is_required { kind.letter().to_ascii_uppercase() } else { kind.letter() };
        let value = kind.shown(present);
        let lines = match kind {
            Kind::Lines => value.lines().count().clamp(2, 8),
            Kind::Raw => 2,
            _ => 0,
        };
        let list = if self.lists.contains_key(list) { list.to_owned() } else { String::new() };
        Part::Field(Field {
            name: format!("{letter}.{id}.{key}"),
            label: label.to_owned(),
            value,
            width,
            is_number: kind == Kind::Number,
            lines,
            list,
            placeholder: if kind == Kind::Lines { "one a line" } else { "" },
        })
    }

    fn span(&mut self, is_required: bool, id: u32, key: &str, holder: &Tree, label: &str) -> Vec<Part> {
        let shown = Kind::Span.shown(holder.get(key));
        let (amount, unit) = split_span(&shown);
        let letter = if is_required { 'D' } else { 'd' };
        let is_whole = unit.is_empty() && !amount.is_empty();
        let field = Part::Field(Field {
            name: format!("{letter}.{id}.{key}"),
            label: label.to_owned(),
            value: amount.to_owned(),
            width: if is_whole { "text" } else { "number" },
            is_number: true,
            lines: 0,
            list: String::new(),
            placeholder: "",
        });
        let unit = if unit.is_empty() && !is_whole { "d" } else { unit };
        let choice = choice(format!("u.{id}.{key}"), &format!("{label}, unit"), UNITS, unit);
        let choice = if is_whole { choice.keeping(unit) } else { choice };
        vec![field, choice.typed()]
    }

    fn event(&mut self, id: u32, key: &str, holder: &Tree) -> Part {
        self.line(Kind::Text, true, id, key, holder, "Event", "text", "events")
    }

    fn names_of_event(&mut self, event: &str) -> Names<'a> {
        let thing = self.seen.properties.iter().find(|thing| thing.name == event);
        self.names(&format!("event {event}"), thing.map_or(&[], |thing| &thing.names), false)
    }

    fn names_of_record(&mut self, kind: &str) -> Names<'a> {
        let thing = self.seen.records.iter().find(|thing| thing.name == kind);
        self.names(&format!("record {kind}"), thing.map_or(&[], |thing| &thing.names), true)
    }

    fn names(&mut self, of: &str, names: &'a [SeenName], keeps_past: bool) -> Names<'a> {
        let number = self.properties.len();
        let number = *self.properties.entry(of.to_owned()).or_insert(number);
        let list = self.list(
            &format!("names-{number}"),
            names.iter().map(|seen| seen.name.as_str()).filter(|name| !name.contains("[].")),
        );
        Names { names: names.iter().collect(), prefix: String::new(), list, keeps_past }
    }

    fn within(&mut self, names: &Names<'a>, path: &str) -> Names<'a> {
        let prefix = format!("{}{path}[].", names.prefix);
        let inner: Vec<&SeenName> = names.names.iter().filter(|seen| seen.name.starts_with(&prefix)).copied().collect();
        let number = self.lists.len();
        let list =
            self.list(&format!("parts-{number}"), inner.iter().filter_map(|seen| seen.name.strip_prefix(&prefix)));
        Names { names: inner, prefix, list, keeps_past: false }
    }

    /// What the form has no field for: a key that does not belong here, or a value of another kind.
    fn extras(&mut self, tree: &Tree, id: u32, known: &[&str]) -> Vec<Part> {
        let mut parts = Vec::new();
        for (key, _) in tree.entries().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            parts.push(words(format!("{key}:")));
            parts.push(self.line(Kind::Raw, true, id, key, tree, &format!("{key}, as JSON"), "text", ""));
            parts.push(tool(format!("drop.{id}.{key}"), "×", &format!("Take {key} away")));
        }
        parts
    }

    fn node(&mut self, tree: &Tree, path: &str, address: (u32, String), standing: Standing) -> Node {
        let Some((head, id)) = head_of(tree).zip(tree.id()) else { return self.raw(tree, path, address, standing) };
        if is_group(head) {
            self.group(tree, head, id, path, standing)
        } else {
            self.condition(tree, head, id, path, standing)
        }
    }

    /// A piece that the form cannot take apart, as JSON.
    fn raw(&mut self, tree: &Tree, path: &str, (holder, key): (u32, String), standing: Standing) -> Node {
        let id = tree.id().unwrap_or(u32::MAX);
        let field = Part::Field(Field {
            name: format!("J.{holder}.{key}"),
            label: "A condition, as JSON".to_owned(),
            value: Kind::Raw.shown(Some(tree)),
            width: "wide",
            is_number: false,
            lines: 3,
            list: String::new(),
            placeholder: "",
        });
        Node {
            id,
            is_group: false,
            lines: vec![vec![words("As it was written:"), field]],
            tools: tree.id().map(|id| tools(id, false, standing)).unwrap_or_default(),
            troubles: self.troubles_at(path),
            blocks: Vec::new(),
            children: Vec::new(),
            adds: Vec::new(),
        }
    }

    fn group(&mut self, tree: &Tree, head: &'static str, id: u32, path: &str, standing: Standing) -> Node {
        let at = join(path, head);
        let outermost = path == "where";
        let children = match tree.get(head) {
            Some(Tree::List(list, items)) => {
                let last = items.len().saturating_sub(1);
                let child = |(place, item): (usize, &Tree)| {
                    let standing = Standing::Listed { first: place == 0, last: place == last, outermost };
                    self.node(item, &format!("{at}[{place}]"), (*list, place.to_string()), standing)
                };
                items.iter().enumerate().map(child).collect()
            }
            Some(one) => vec![self.node(one, &at, (id, head.to_owned()), Standing::Alone)],
            None => Vec::new(),
        };
        let mut line = vec![
            choice(format!("h.{id}"), "How these belong together", GROUPS, head)
                .focused(self.new == Some(id))
                .reshaping(),
        ];
        line.extend(self.extras(tree, id, &[head]));
        let adds = match head {
            "not" => Vec::new(),
            _ => vec![
                button(format!("add.{id}"), "Add a condition", "Add a condition to this group"),
                button(format!("group.{id}"), "Add a group", "Add a group to this group"),
            ],
        };
        Node {
            id,
            is_group: true,
            lines: vec![line],
            tools: tools(id, true, standing),
            troubles: self.troubles_at(path),
            blocks: Vec::new(),
            children,
            adds,
        }
    }

    fn condition(&mut self, tree: &Tree, head: &'static str, id: u32, path: &str, standing: Standing) -> Node {
        let mut lines = vec![vec![
            choice_in(format!("h.{id}"), "Kind of condition", HEADS, head).focused(self.new == Some(id)).reshaping(),
        ]];
        let mut blocks = Vec::new();
        let mut more: Vec<Part> = Vec::new();
        let mut known: Vec<&'static str> = vec![head];
        match head {
            "did" | "did_not" => self.did(tree, head, id, &mut lines[0], &mut more, &mut known),
            "first_time" => {
                known.push("within");
                lines[0].extend([self.event(id, head, tree), words("in the last")]);
                lines[0].extend(self.span(true, id, "within", tree, "How long ago at most"));
            }
            "last" | "first" => {
                lines[0].push(self.event(id, head, tree));
                known.extend(["among", "has"]);
            }
            "then" | "then_not" => {
                known.push("sequence");
                self.sequence(tree, head, path, &mut lines, &mut blocks, &mut more);
            }
            "stopped" => {
                known.extend(["active", "quiet"]);
                lines[0].extend([self.event(id, head, tree), words("– did it in the last")]);
                lines[0].extend(self.span(true, id, "active", tree, "How far back"));
                lines[0].push(words("but not in the last"));
                lines[0].extend(self.span(true, id, "quiet", tree, "Without any for"));
            }
            "restarted" => {
                known.extend(["quiet", "recent"]);
                lines[0].extend([self.event(id, head, tree), words("in the last")]);
                lines[0].extend(self.span(true, id, "recent", tree, "How long ago at most"));
                lines[0].push(words("after a pause of"));
                lines[0].extend(self.span(true, id, "quiet", tree, "Length of the pause"));
                lines[0].push(words("or longer"));
            }
            "regularly" => {
                known.extend(["every", "periods", "at_least_periods", "at_least"]);
                lines[0].push(self.event(id, head, tree));
                self.regularly(tree, id, &mut lines[0], &mut more);
            }
            "record" => self.record(tree, id, path, &mut lines[0], &mut blocks, &mut known),
            "trait" => {
                let names = self.names("traits", &self.seen.traits, true);
                lines[0].push(self.line(Kind::Text, true, id, "trait", tree, "Trait", "text", &names.list.clone()));
                let trait_path = tree.text("trait").unwrap_or("").to_owned();
                let inner = self.test(tree, id, path, &names, &trait_path, &mut lines[0], &mut known, &mut more);
                blocks.extend(inner);
            }
            "score" => {
                let scores: Vec<Word> = SCORES.iter().map(|score| (*score, *score)).collect();
                let present = tree.text("score").unwrap_or("");
                lines[0].push(choice(format!("T.{id}.score"), "Score", &scores, present).keeping(present).typed());
                let names = Names { names: Vec::new(), prefix: String::new(), list: String::new(), keeps_past: false };
                let inner = self.test(tree, id, path, &names, "", &mut lines[0], &mut known, &mut more);
                blocks.extend(inner);
            }
            "known_for" => {
                if let Some(inner) = tree.get("known_for") {
                    let inner_id = inner.id().unwrap_or(u32::MAX);
                    self.bound(inner, inner_id, "for at least", "for less than", &mut lines[0]);
                    let extra = self.extras(inner, inner_id, &["at_least", "less_than"]);
                    lines[0].extend(extra);
                }
            }
            "consent" => self.consent(tree, &mut lines[0], &mut more),
            "list" => {
                let list = self.list("lists", self.seen.lists.iter().map(String::as_str));
                lines[0].push(self.line(Kind::Text, true, id, "list", tree, "Name of the list", "text", &list));
            }
            "segment" => {
                let present = tree.text("segment").unwrap_or("");
                let options = self.seen.segments.iter();
                let options = options.map(|(name, title)| (name.clone(), title.clone(), name == present)).collect();
                let choice = Choice {
                    name: format!("T.{id}.segment"),
                    label: "Segment".to_owned(),
                    options: vec![(String::new(), options)],
                    reshapes: false,
                    has_focus: false,
                };
                lines[0].push(choice.keeping(present).typed());
            }
            "bucket" => {
                if let Some(inner) = tree.get("bucket") {
                    let inner_id = inner.id().unwrap_or(u32::MAX);
                    lines[0].push(words("of"));
                    lines[0].push(self.line(Kind::Scalar, true, inner_id, "percent", inner, "Percent", "number", ""));
                    lines[0].push(words("percent, drawn by"));
                    lines[0].push(self.line(
                        Kind::Text,
                        true,
                        inner_id,
                        "seed",
                        inner,
                        "Any word; another word draws other people",
                        "text",
                        "",
                    ));
                    let extra = self.extras(inner, inner_id, &["percent", "seed"]);
                    lines[0].extend(extra);
                }
            }
            _ => {}
        }
        self.where_and_zone(tree, head, id, path, &mut blocks, &mut more, &mut known);
        let extra = self.extras(tree, id, &known);
        if !extra.is_empty() {
            lines.push(extra);
        }
        if path == "where" {
            more.push(button(format!("add.{id}"), "Add a condition", "Add a condition beside this one"));
        }
        Node {
            id,
            is_group: false,
            lines,
            tools: tools(id, false, standing),
            troubles: self.troubles_at(path),
            blocks,
            children: Vec::new(),
            adds: more,
        }
    }

    fn did(
        &mut self,
        tree: &Tree,
        head: &'static str,
        id: u32,
        line: &mut Vec<Part>,
        more: &mut Vec<Part>,
        known: &mut Vec<&'static str>,
    ) {
        line.push(self.event(id, head, tree));
        if head == "did" {
            let names = self.names_of_event(tree.text("did").unwrap_or(""));
            self.measure(tree, id, &names, line, known);
        }
        let windows = windows_of(tree);
        for window in &windows {
            line.push(choice(format!("w.{id}.{window}"), "When", WINDOWS, window).reshaping());
            match (*window, tree.get(window)) {
                ("within", _) => line.extend(self.span(true, id, "within", tree, "How long")),
                ("within_days", _) => {
                    line.push(self.line(
                        Kind::Number,
                        true,
                        id,
                        "within_days",
                        tree,
                        "Days before today",
                        "number",
                        "",
                    ));
                    line.push(words("and today"));
                }
                ("between", Some(list @ Tree::List(list_id, items))) if items.len() == 2 => {
                    line.push(self.line(Kind::Text, true, *list_id, "0", list, "From", "when", "whens"));
                    line.push(words("up to"));
                    line.push(self.line(Kind::Text, true, *list_id, "1", list, "Up to, without", "when", "whens"));
                }
                ("between", _) => {
                    line.push(self.line(Kind::Raw, true, id, "between", tree, "Two instants", "text", ""))
                }
                (window, _) => {
                    line.push(self.line(Kind::Text, true, id, window, tree, "Date or instant", "when", "whens"))
                }
            }
            known.push(window);
        }
        if windows.is_empty() {
            line.push(choice(format!("w.{id}.-"), "When", WINDOWS, "").reshaping());
        } else {
            more.push(button(format!("put.{id}.window"), "And when else", "Add another window of time"));
        }
    }

    /// How often, or what sum.
    fn measure(
        &mut self,
        tree: &Tree,
        id: u32,
        names: &Names<'_>,
        line: &mut Vec<Part>,
        known: &mut Vec<&'static str>,
    ) {
        let measure = measure_of(tree);
        line.push(choice(format!("m.{id}"), "How often, or what sum", MEASURES, measure).reshaping());
        if AGGREGATES.contains(&measure) {
            known.push(measure);
            line.push(self.line(Kind::Text, true, id, measure, tree, "Property", "text", &names.list));
            if let Some((word, _)) = COMPARISONS.iter().find(|(word, _)| tree.has(word)) {
                known.push(word);
                line.push(choice(format!("p.{id}"), "Comparison", COMPARISONS, word).reshaping());
                line.push(self.line(Kind::Number, true, id, word, tree, "Limit", "number", ""));
            }
            return;
        }
        let bounds: Vec<&'static str> = LOWER.iter().chain(UPPER).copied().filter(|word| tree.has(word)).collect();
        for (place, word) in bounds.iter().enumerate() {
            let said = match (measure, *word) {
                ("range", "more_than") => "more than",
                ("range", "fewer_than") => "and fewer than",
                ("range", _) if place > 0 => "and",
                _ => "",
            };
            if !said.is_empty() {
                line.push(words(said));
            }
            line.push(self.line(Kind::Number, true, id, word, tree, "How often", "number", ""));
            known.push(word);
        }
        if let (false, true) = (bounds.is_empty(), tree.has("did")) {
            line.push(words("times"));
        }
    }

    fn regularly(&mut self, tree: &Tree, id: u32, line: &mut Vec<Part>, more: &mut Vec<Part>) {
        line.push(words("–"));
        if tree.has("at_least") {
            line.push(words("at least"));
            line.push(self.line(Kind::Number, false, id, "at_least", tree, "How often in a period", "number", ""));
            line.push(words("times"));
        } else {
            more.push(button(
                format!("put.{id}.at_least"),
                "More than once each time",
                "Ask for several in each period",
            ));
        }
        if tree.has("at_least_periods") {
            line.push(words("in at least"));
            line.push(self.line(
                Kind::Number,
                false,
                id,
                "at_least_periods",
                tree,
                "In how many periods",
                "number",
                "",
            ));
            line.push(words("of the last"));
        } else {
            line.push(words("in each of the last"));
            more.push(button(format!("put.{id}.at_least_periods"), "Not in every one", "Allow periods without any"));
        }
        line.push(self.line(Kind::Number, true, id, "periods", tree, "How many periods", "number", ""));
        line.push(words("periods of"));
        line.extend(self.span(true, id, "every", tree, "Length of a period"));
    }

    fn sequence(
        &mut self,
        tree: &Tree,
        head: &'static str,
        path: &str,
        lines: &mut Vec<Vec<Part>>,
        blocks: &mut Vec<Block>,
        more: &mut Vec<Part>,
    ) {
        let Some(sequence) = tree.get("sequence") else { return };
        let Some(id) = sequence.id() else { return };
        let at = join(path, "sequence");
        let mut first_event = String::new();
        for (word, said) in [("first", "first"), (head, if head == "then" { "and then" } else { "but then not" })] {
            let Some(inner) = sequence.get(word) else { continue };
            let Some(inner_id) = inner.id() else { continue };
            let event = inner.text("did").unwrap_or("").to_owned();
            let mut line = vec![words(said), self.event(inner_id, "did", inner)];
            if word == head {
                line.push(words("within"));
                line.extend(self.span(true, id, "within", sequence, "Within"));
            } else {
                first_event.clone_from(&event);
            }
            line.extend(self.extras(inner, inner_id, &["did", "where", "zone"]));
            lines.push(line);
            let names = self.names_of_event(&event);
            let inner_at = join(&at, word);
            match inner.get("where") {
                Some(tests) => {
                    blocks.push(self.block(
                        tests,
                        &join(&inner_at, "where"),
                        &names,
                        &format!("Where of that {event}"),
                        (inner_id, "where"),
                    ));
                }
                None => more.push(button(
                    format!("put.{inner_id}.where"),
                    &format!("Only some {event}"),
                    "Add tests on the event",
                )),
            }
            if inner.has("zone") {
                let zone = self.line(Kind::Text, false, inner_id, "zone", inner, "Time zone", "text", "zones");
                lines.push(vec![words("days counted in"), zone]);
            }
        }
        let mut line = Vec::new();
        if sequence.has("same") {
            let names = self.names_of_event(&first_event);
            line.extend([
                words("both with the same"),
                self.line(Kind::Text, false, id, "same", sequence, "Property that both share", "text", &names.list),
            ]);
        } else {
            more.push(button(format!("put.{id}.same"), "With the same …", "Both bear the same value of a property"));
        }
        if sequence.has("recent") {
            line.push(words("the first one in the last"));
            line.extend(self.span(false, id, "recent", sequence, "How long ago at most"));
        } else {
            more.push(button(format!("put.{id}.recent"), "Only lately", "Ask that the first one was lately"));
        }
        line.extend(self.extras(sequence, id, &["first", "then", "then_not", "within", "same", "recent"]));
        if !line.is_empty() {
            lines.push(line);
        }
    }

    fn record(
        &mut self,
        tree: &Tree,
        id: u32,
        path: &str,
        line: &mut Vec<Part>,
        blocks: &mut Vec<Block>,
        known: &mut Vec<&'static str>,
    ) {
        let kinds = self.list("kinds", self.seen.records.iter().map(|thing| thing.name.as_str()));
        line.push(self.line(Kind::Text, true, id, "record", tree, "Kind of record", "text", &kinds));
        let question = question_of(tree);
        line.push(choice(format!("q.{id}"), "What is asked", RECORD_QUESTIONS, question).reshaping());
        let names = self.names_of_record(tree.text("record").unwrap_or(""));
        if question == "count" {
            self.measure(tree, id, &names, line, known);
        } else if let Some(tests) = tree.get(question) {
            known.push(question);
            blocks.push(self.block(
                tests,
                &join(path, question),
                &names,
                "All of this holds of one and the same",
                (id, ""),
            ));
        }
    }

    fn consent(&mut self, tree: &Tree, line: &mut Vec<Part>, more: &mut Vec<Part>) {
        let Some(inner) = tree.get("consent") else { return };
        let Some(id) = inner.id() else { return };
        let present = inner.text("is").unwrap_or("");
        line.push(choice(format!("T.{id}.is"), "What they said", CONSENTS, present).keeping(present).typed());
        line.push(words("to"));
        let purposes = self.list("purposes", self.seen.purposes.iter().map(String::as_str));
        line.push(self.line(Kind::Text, true, id, "purpose", inner, "Purpose", "text", &purposes));
        if inner.has("channel") {
            line.push(words("by"));
            line.push(self.line(Kind::Text, false, id, "channel", inner, "Channel; empty for all", "text", ""));
        } else {
            more.push(button(format!("put.{id}.channel"), "By one channel", "Ask about one channel only"));
        }
        line.extend(self.extras(inner, id, &["is", "purpose", "channel"]));
    }

    fn bound(&mut self, inner: &Tree, id: u32, at_least: &'static str, less_than: &'static str, line: &mut Vec<Part>) {
        let word = if inner.has("less_than") { "less_than" } else { "at_least" };
        line.push(
            choice(format!("y.{id}"), "Longer or shorter", &[("at_least", at_least), ("less_than", less_than)], word)
                .reshaping(),
        );
        line.extend(self.span(true, id, word, inner, "How long"));
    }

    #[expect(clippy::too_many_arguments, reason = "one line of the table of what a condition may say beside its head")]
    fn where_and_zone(
        &mut self,
        tree: &Tree,
        head: &'static str,
        id: u32,
        path: &str,
        blocks: &mut Vec<Block>,
        more: &mut Vec<Part>,
        known: &mut Vec<&'static str>,
    ) {
        let names_event =
            ["did", "did_not", "first_time", "last", "first", "stopped", "restarted", "regularly"].contains(&head);
        let may_filter = names_event || (head == "record" && question_of(tree) == "count");
        if may_filter {
            let names = match head {
                "record" => self.names_of_record(tree.text("record").unwrap_or("")),
                head => self.names_of_event(tree.text(head).unwrap_or("")),
            };
            known.push("where");
            for (word, title) in [("where", "Only those where"), ("among", "Among those where")] {
                if let Some(tests) = tree.get(word).filter(|_| word == "where" || head == "last" || head == "first") {
                    blocks.push(self.block(tests, &join(path, word), &names, title, (id, word)));
                }
            }
            if let Some(tests) = tree.get("has").filter(|_| head == "last" || head == "first") {
                blocks.push(self.block(tests, &join(path, "has"), &names, "That one has", (id, "")));
            }
            if !tree.has("where") {
                more.push(button(format!("put.{id}.where"), "Only those where …", "Add tests on the properties"));
            }
        }
        if names_event || head == "record" {
            known.push("zone");
            if tree.has("zone") {
                let zone = self.line(
                    Kind::Text,
                    false,
                    id,
                    "zone",
                    tree,
                    "Time zone; empty for the customer’s own",
                    "text",
                    "zones",
                );
                more.extend([words("days counted in"), zone]);
            } else if head != "stopped" && head != "restarted" {
                more.push(button(format!("put.{id}.zone"), "In a time zone", "Count calendar days in one time zone"));
            }
        }
    }

    /// A block of tests. `holder`: what may be taken away with it.
    fn block(&mut self, tests: &Tree, path: &str, names: &Names<'a>, title: &str, holder: (u32, &str)) -> Block {
        let mut lines = Vec::new();
        match tests {
            Tree::Map(id, entries) => {
                for (place, (key, value)) in entries.iter().enumerate() {
                    lines.push(self.test_line((*id, place), key, value, path, names));
                }
            }
            Tree::List(id, items) => {
                for (place, item) in items.iter().enumerate() {
                    let at = format!("{path}[{place}]");
                    lines.push(match item {
                        Tree::Map(own, entries) if entries.len() == 1 => {
                            self.test_line((*own, 0), &entries[0].0, &entries[0].1, &at, names).dropped_by(*id, place)
                        }
                        Tree::Map(..) | Tree::List(..) => {
                            let inner = self.block(item, &at, names, "All of these at once", (0, ""));
                            let drop = tool(format!("droptest.{id}.{place}"), "×", "Take these away");
                            TestLine {
                                id: format!("t{id}-{place}"),
                                parts: vec![drop],
                                troubles: self.troubles_at(&at),
                                inner: Some(inner),
                            }
                        }
                        Tree::Leaf(_) => {
                            let field = self.line(
                                Kind::Raw,
                                true,
                                *id,
                                &place.to_string(),
                                tests,
                                "A test, as JSON",
                                "wide",
                                "",
                            );
                            TestLine {
                                id: format!("t{id}-{place}"),
                                parts: vec![field],
                                troubles: self.troubles_at(&at),
                                inner: None,
                            }
                        }
                    });
                }
            }
            Tree::Leaf(_) => {}
        }
        let mut adds = Vec::new();
        if let Some(id) = tests.id() {
            adds.push(button(format!("test.{id}"), "Add a test", "Add a test here"));
            if !tests.has("any") {
                adds.push(button(format!("tests.{id}"), "Add “one of these”", "Add a group of which one must hold"));
            }
        }
        if !holder.1.is_empty() {
            adds.push(button(
                format!("drop.{}.{}", holder.0, holder.1),
                "Take all of this away",
                "Take these tests away",
            ));
        }
        Block { title: title.to_owned(), lines, adds }
    }

    fn test_line(
        &mut self,
        (id, place): (u32, usize),
        key: &str,
        value: &Tree,
        path: &str,
        names: &Names<'a>,
    ) -> TestLine {
        let at = join(path, key);
        let drop = tool(format!("droptest.{id}.{place}"), "×", "Take this test away");
        let name = format!("k.{id}.{place}");
        let line_id = format!("t{id}-{place}");
        if matches!(key, "any" | "all" | "none") && matches!(value, Tree::List(..)) {
            let choice = choice(name, "How these belong together", TEST_GROUPS, key).reshaping();
            let inner = self.block(value, &at, names, "", (0, ""));
            return TestLine {
                id: line_id,
                parts: vec![choice, drop],
                troubles: self.troubles_at(&at),
                inner: Some(inner),
            };
        }
        let mut parts = vec![Part::Field(Field {
            name,
            label: "Property".to_owned(),
            value: key.to_owned(),
            width: "text",
            is_number: false,
            lines: 0,
            list: names.list.clone(),
            placeholder: "property",
        })];
        let mut inner = None;
        let mut more = Vec::new();
        let mut known = Vec::new();
        match value.id().zip(operator_of(value)) {
            Some((test_id, _)) => {
                inner = self.test(value, test_id, &at, names, key, &mut parts, &mut known, &mut more);
                parts.extend(self.extras(value, test_id, &known));
            }
            None => parts.push(Part::Field(Field {
                name: format!("J.{id}.{key}"),
                label: "A test, as JSON".to_owned(),
                value: Kind::Raw.shown(Some(value)),
                width: "wide",
                is_number: false,
                lines: 2,
                list: String::new(),
                placeholder: "",
            })),
        }
        parts.extend(more);
        parts.push(drop);
        let mut troubles = self.troubles_at(&at);
        if key.is_empty() {
            troubles.push("say which property".to_owned());
        }
        TestLine { id: line_id, parts, troubles, inner }
    }

    /// One operator with its value; what it asks of the entries of a list comes back as a block.
    #[expect(clippy::too_many_arguments, reason = "a test stands in three places, each with words of its own")]
    fn test(
        &mut self,
        test: &Tree,
        id: u32,
        path: &str,
        names: &Names<'a>,
        of: &str,
        line: &mut Vec<Part>,
        known: &mut Vec<&'static str>,
        more: &mut Vec<Part>,
    ) -> Option<Block> {
        let present = operator_of(test)?;
        let word = present.split(':').next().unwrap_or(present);
        known.extend([operator_key(word), "ignore_case", "zone"]);
        let offered: Vec<(&str, &[Word])> =
            OPERATORS.iter().filter(|(title, _)| *title != "Over time" || names.keeps_past).copied().collect();
        line.push(choice_in(format!("o.{id}"), "Comparison", &offered, present).keeping(present).reshaping());
        let values = names.find(of).map(|seen| seen.values.clone()).unwrap_or_default();
        let list = self.list(&format!("values-{id}"), values.iter().map(String::as_str));
        let operand = test.get(word);
        match (word, operand) {
            ("exists", _) => {}
            ("is" | "is_not" | "includes" | "not_includes", _) => {
                line.push(self.line(Kind::Scalar, true, id, word, test, "Value", "text", &list));
            }
            ("in" | "not_in", Some(Tree::List(..))) => {
                line.push(self.line(Kind::Lines, true, id, word, test, "Values, one a line", "text", ""));
            }
            ("above" | "at_least" | "below" | "at_most", _) => {
                line.push(self.line(Kind::Number, true, id, word, test, "Number", "number", ""));
            }
            ("between", Some(both @ Tree::List(both_id, items))) if items.len() == 2 => {
                line.push(self.line(Kind::Number, true, *both_id, "0", both, "From", "number", ""));
                line.push(words("and"));
                line.push(self.line(Kind::Number, true, *both_id, "1", both, "To", "number", ""));
            }
            ("before" | "after", _) => {
                line.push(self.line(Kind::Text, true, id, word, test, "Date or instant", "when", "whens"));
            }
            ("within_past" | "within_next", _) => line.extend(self.span(true, id, word, test, "How long")),
            ("on_day", _) => line.push(self.line(Kind::Text, true, id, word, test, "Day", "number", "days")),
            ("anniversary", Some(operand)) => {
                let is_today = matches!(operand, Tree::Leaf(_));
                let options = [("today", "today"), ("within_next", "today or in the next")];
                let chosen = if is_today { "today" } else { "within_next" };
                line.push(choice(format!("a.{id}"), "Which day", &options, chosen).reshaping());
                match operand {
                    Tree::Leaf(Value::String(text)) if text == "today" => {}
                    Tree::Map(inner, _) => {
                        line.extend(self.span(true, *inner, "within_next", operand, "How many days"));
                        line.extend(self.extras(operand, *inner, &["within_next"]));
                    }
                    _ => line.push(self.line(Kind::Raw, true, id, word, test, "Which day", "text", "")),
                }
            }
            ("held_for", Some(operand @ Tree::Map(inner, _))) => {
                line.push(self.line(Kind::Scalar, true, *inner, "value", operand, "Value", "text", &list));
                self.bound(operand, *inner, "for at least", "for less than", line);
                line.extend(self.extras(operand, *inner, &["value", "at_least", "less_than"]));
            }
            (element, Some(tests)) if ELEMENTS.contains(&element) => {
                let inner = self.within(names, of);
                return Some(self.block(tests, &join(path, element), &inner, "One and the same entry", (0, "")));
            }
            ("contains" | "not_contains" | "starts_with" | "ends_with" | "matches", _) => {
                line.push(self.line(Kind::Text, true, id, word, test, "Text", "text", &list));
            }
            (word, _) => line.push(self.line(Kind::Raw, true, id, word, test, "Value, as JSON", "text", "")),
        }
        if test.has("ignore_case") {
            let present = Kind::Flag.shown(test.get("ignore_case"));
            let options = [("true", "in capitals or not"), ("false", "with capitals as written"), ("", "as usual")];
            line.push(choice(format!("b.{id}.ignore_case"), "Capitals", &options, &present).keeping(&present).typed());
        } else if TEXTUAL.contains(&word) {
            more.push(tool(format!("put.{id}.ignore_case"), "Aa", "In capitals or not"));
        }
        if test.has("zone") {
            line.push(words("in"));
            line.push(self.line(
                Kind::Text,
                false,
                id,
                "zone",
                test,
                "Time zone; empty for the customer’s own",
                "text",
                "zones",
            ));
        } else if ["before", "after", "on_day", "anniversary"].contains(&word) {
            more.push(tool(format!("put.{id}.zone"), "zone", "Count days in one time zone"));
        }
        None
    }
}

/// The known operator of a word, for as long as the program lives.
fn operator_key(word: &str) -> &'static str {
    domain::value::OPERATORS.iter().chain(ELEMENTS).copied().find(|known| *known == word).unwrap_or("")
}

impl TestLine {
    /// Its last part takes away the item of a list instead of the one entry in it.
    fn dropped_by(mut self, list: u32, place: usize) -> TestLine {
        for part in &mut self.parts {
            if let Part::Button(button) = part
                && button.value.starts_with("droptest.")
            {
                button.value = format!("droptest.{list}.{place}");
            }
        }
        self
    }
}

fn tools(id: u32, is_group: bool, standing: Standing) -> Vec<Part> {
    let what = if is_group { "group" } else { "condition" };
    let mut tools = Vec::new();
    if let Standing::Listed { first, last, outermost } = standing {
        if !(first && outermost) {
            tools.push(tool(format!("up.{id}"), "↑", &format!("Move this {what} up")));
        }
        if !(last && outermost) {
            tools.push(tool(format!("down.{id}"), "↓", &format!("Move this {what} down")));
        }
        tools.push(tool(format!("copy.{id}"), "⧉", &format!("Say this {what} once more")));
    }
    if is_group {
        tools.push(tool(format!("unwrap.{id}"), "⊟", "Take the conditions out of this group"));
    } else {
        tools.push(tool(format!("wrap.{id}"), "⊞", "Put this condition into a group"));
    }
    tools.push(tool(format!("remove.{id}"), "×", &format!("Take this {what} away")));
    tools
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
