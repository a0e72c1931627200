//! The steps of a campaign in words, in their order, each with the ways within it.

use super::super::campaign::{step_of, steps_key, wait_of};
use super::super::tree::{Kind, Tree};
use super::super::words::{ALLOCATIONS, CHANNELS, NEW_STEPS, REWARDS, STEPS, WAITS};
use super::drawing::{Drawing, Standing, as_written, button, choice, choice_among, tool, words};
use super::{Block, Field, Node, Part, Section, Shape, Steps, TestLine};
use domain::shape::join;
use serde_json::Value;

/// Where a step stands among those beside it.
#[derive(Clone, Copy)]
struct Among {
    first: bool,
    last: bool,
    outermost: bool,
}

impl<'a> Drawing<'a> {
    /// The section of all steps.
    pub(super) fn way_through(&mut self, campaign: &Tree, root: u32) -> Section {
        let mut section = Section::of("What happens, step by step", "steps");
        match campaign.get("steps") {
            Some(steps @ Tree::List(..)) => section.steps = Some(self.steps(steps, "steps", true)),
            Some(_) => {
                let field = self.line(Kind::Raw, true, root, "steps", campaign, "Steps, as JSON", "wide", "");
                section.lines.push(vec![words("As it was written:"), field]);
            }
            None => section.adds.push(button(format!("put.{root}.steps"), "Add a step", "Add the first step")),
        }
        section.troubles = self.troubles_at("steps");
        section
    }

    fn steps(&mut self, list: &Tree, path: &str, outermost: bool) -> Steps {
        let Tree::List(id, items) = list else { return Steps { nodes: Vec::new(), adds: Vec::new() } };
        let last = items.len().saturating_sub(1);
        let draw = |(place, item): (usize, &Tree)| {
            let among = Among { first: place == 0, last: place == last, outermost };
            self.step(item, &format!("{path}[{place}]"), (*id, place), among)
        };
        let nodes = items.iter().enumerate().map(draw).collect();
        let add = |(kind, says): &(&str, &str)| {
            button(format!("more.{id}.{kind}"), &format!("+ {says}"), &format!("Add here: {says}"))
        };
        Steps { nodes, adds: NEW_STEPS.iter().map(add).collect() }
    }

    fn step(&mut self, step: &Tree, path: &str, (list, place): (u32, usize), among: Among) -> Node {
        let Some((head, id)) = step_of(step).zip(step.id()) else {
            let field = as_written(list, place, step, "A step, as JSON");
            return Node {
                lines: vec![vec![words("As it was written:"), field]],
                tools: step.id().map(|id| step_tools(id, among)).unwrap_or_default(),
                troubles: self.troubles_at(path),
                ..Node::of(step.id().unwrap_or(u32::MAX), Shape::Step)
            };
        };
        let mut node = Node::of(id, Shape::Step);
        let kinds = choice(format!("c.{id}"), "What happens at this step", STEPS, head);
        let mut line = vec![kinds.focused(self.new == Some(id)).reshaping()];
        let mut known = vec![head, "id"];
        match head {
            "message" => self.message(step, id, &mut line, &mut node, &mut known),
            "wait" => self.wait(step, id, path, &mut line, &mut node),
            "branch" => self.branch(step, id, path, &mut line, &mut node),
            "reward" => self.reward(step, id, &mut line, &mut node),
            "task" => self.task(step, id, &mut line, &mut node),
            "set" => self.memory(step, id, &mut line),
            _ => self.webhook(step, id, &mut line),
        }
        if step.has("id") {
            line.push(words("– called"));
            line.push(self.line(Kind::Text, false, id, "id", step, "Name of this step", "text", ""));
        } else {
            let label = "Give this step a name: what became of it is told under that name, and an edit finds it again";
            node.adds.push(button(format!("put.{id}.id"), "Name it", label));
        }
        line.extend(self.extras(step, id, &known));
        node.lines.insert(0, line);
        node.tools = step_tools(id, among);
        node.troubles = self.troubles_at(path);
        node
    }

    fn message(&mut self, step: &Tree, id: u32, line: &mut Vec<Part>, node: &mut Node, known: &mut Vec<&'static str>) {
        known.extend(["channel", "variants", "allocate", "approve"]);
        let present = step.text("message").unwrap_or("");
        let templates = self.seen.templates.iter();
        let templates = templates.map(|seen| (seen.name.clone(), format!("{} ({})", seen.name, seen.channel)));
        line.push(choice_among(format!("T.{id}.message"), "Template", templates, present).keeping(present).typed());
        if step.has("channel") {
            let channel = step.text("channel").unwrap_or("");
            line.push(words("by"));
            line.push(choice(format!("t.{id}.channel"), "By which way", CHANNELS, channel).keeping(channel).typed());
        } else {
            node.adds.push(button(format!("put.{id}.channel"), "By another way", "Say by which way it goes out"));
        }
        if step.has("approve") {
            let present = Kind::Flag.shown(step.get("approve"));
            let options = [("true", "after a person has approved each one"), ("false", "without asking anybody")];
            line.push(choice(format!("B.{id}.approve"), "Approved by a person", &options, &present).typed());
            line.push(tool(format!("drop.{id}.approve"), "×", "Leave this out"));
        } else {
            node.adds.push(button(format!("put.{id}.approve"), "Ask a person first", "A person approves each one"));
        }
        match step.get("variants") {
            Some(variants) => node.blocks.push(self.variants(variants, step, id)),
            None => {
                let label = "Share customers among variants of the message";
                node.adds.push(button(format!("put.{id}.variants"), "Try variants", label));
                if step.has("allocate") {
                    line.push(words("shared"));
                    line.push(self.line(Kind::Text, false, id, "allocate", step, "How they are shared", "text", ""));
                }
            }
        }
    }

    fn variants(&mut self, variants: &Tree, step: &Tree, step_id: u32) -> Block {
        let mut lines = Vec::new();
        let test = |id: String, parts| TestLine { id, parts, troubles: Vec::new(), inner: None };
        let known = self.seen.variants_of(step.text("message").unwrap_or_default());
        let offered = self.list(&format!("variants-{step_id}"), known.iter().map(String::as_str));
        let field = |name: String, label: &str, value: String, width, is_number, list: String| {
            let (label, placeholder) = (label.to_owned(), "");
            Part::Field(Field { name, label, value, width, is_number, lines: 0, list, placeholder })
        };
        match variants {
            Tree::Map(id, entries) => {
                for (place, (key, weight)) in entries.iter().enumerate() {
                    let shown = Kind::Raw.shown(Some(weight));
                    let parts = vec![
                        field(format!("k.{id}.{place}"), "Variant", key.clone(), "text", false, offered.clone()),
                        words("with weight"),
                        field(format!("J.{id}.{key}"), "Weight", shown, "number", true, String::new()),
                        tool(format!("droptest.{id}.{place}"), "×", "Take this variant away"),
                    ];
                    lines.push(test(format!("v{id}-{place}"), parts));
                }
            }
            Tree::List(id, items) => {
                for place in 0..items.len() {
                    let name =
                        self.line(Kind::Text, true, *id, &place.to_string(), variants, "Variant", "text", &offered);
                    let drop = tool(format!("droptest.{id}.{place}"), "×", "Take this variant away");
                    lines.push(test(format!("v{id}-{place}"), vec![name, drop]));
                }
            }
            Tree::Leaf(_) => {
                let raw = self.line(Kind::Raw, false, step_id, "variants", step, "Variants, as JSON", "wide", "");
                lines.push(test(format!("v{step_id}"), vec![raw]));
            }
        }
        let present = step.text("allocate").unwrap_or("");
        let mut ways = ALLOCATIONS.to_vec();
        if present == "weights" {
            ways[0].0 = "weights";
        }
        let allocate = choice(format!("t.{step_id}.allocate"), "How customers are shared", &ways, present);
        let adds = vec![
            words("Customers get them"),
            allocate.keeping(present).typed(),
            button(format!("variant.{step_id}"), "Add a variant", "Add a variant"),
            button(format!("drop.{step_id}.variants"), "No variants", "Send everybody the same"),
        ];
        Block { title: "Variants".to_owned(), lines, adds }
    }

    fn wait(&mut self, step: &Tree, id: u32, path: &str, line: &mut Vec<Part>, node: &mut Node) {
        let kind = wait_of(step);
        line.push(choice(format!("i.{id}"), "How long", WAITS, kind).keeping(kind).reshaping());
        let inner = step.get("wait").and_then(|inner| Some((inner, inner.id()?)));
        match (kind, inner) {
            ("for", _) => line.push(self.span(true, id, "wait", step, "How long")),
            ("until", Some((inner, inner_id))) => {
                if let Some(rule) = inner.get("until") {
                    let at = join(&join(path, "wait"), "until");
                    node.children.push(self.node(rule, &at, (inner_id, "until".to_owned()), Standing::Root));
                }
                if inner.has("at_most") {
                    line.push(words("at most"));
                    line.push(self.span(false, inner_id, "at_most", inner, "How long at most"));
                } else {
                    let label = "Go on after some time in any case";
                    node.adds.push(button(format!("put.{inner_id}.at_most"), "At most …", label));
                }
                line.extend(self.extras(inner, inner_id, &["until", "at_most"]));
            }
            ("local", Some((inner, inner_id))) => {
                let label = "Days and time, such as Tue-Thu 10:00 or Mon 09:00-17:00";
                line.push(self.line(Kind::Text, true, inner_id, "local", inner, label, "text", "hours"));
                line.extend(self.extras(inner, inner_id, &["local"]));
            }
            ("best_time", Some((inner, inner_id))) => {
                line.push(self.span(true, inner_id, "best_time", inner, "How long at most"));
                line.extend(self.extras(inner, inner_id, &["best_time"]));
            }
            _ => line.push(self.line(Kind::Raw, true, id, "wait", step, "How long, as JSON", "wide", "")),
        }
    }

    fn branch(&mut self, step: &Tree, id: u32, path: &str, line: &mut Vec<Part>, node: &mut Node) {
        let Some(Tree::List(list, ways)) = step.get("branch") else {
            line.push(self.line(Kind::Raw, true, id, "branch", step, "Ways, as JSON", "wide", ""));
            return;
        };
        let conditions = ways.iter().filter(|way| !way.has("else")).count();
        for (place, way) in ways.iter().enumerate() {
            let at = format!("{path}.branch[{place}]");
            node.children.push(self.way(way, &at, (*list, place), conditions));
        }
        node.adds.push(button(format!("way.{id}"), "Add a way", "Add a way with a condition"));
        if conditions == ways.len() {
            let label = "Say what happens to those whom no way fits";
            node.adds.push(button(format!("otherwise.{id}"), "Otherwise …", label));
        }
    }

    fn way(&mut self, way: &Tree, path: &str, (list, place): (u32, usize), conditions: usize) -> Node {
        let is_readable = matches!(way, Tree::Map(..)) && matches!(way.get(steps_key(way)), Some(Tree::List(..)));
        let Some(id) = way.id().filter(|_| is_readable) else {
            let field = as_written(list, place, way, "A way, as JSON");
            return Node {
                lines: vec![vec![words("As it was written:"), field]],
                tools: way.id().map(|id| way_tools(id, false, true, true)).unwrap_or_default(),
                troubles: self.troubles_at(path),
                ..Node::of(way.id().unwrap_or(u32::MAX), Shape::Way)
            };
        };
        let key = steps_key(way);
        let mut node = match way.get("if") {
            Some(rule) => {
                let rule = self.node(rule, &join(path, "if"), (id, "if".to_owned()), Standing::Root);
                Node { lines: vec![vec![words("if")]], children: vec![rule], ..Node::of(id, Shape::Way) }
            }
            None => Node { lines: vec![vec![words("otherwise")]], ..Node::of(id, Shape::Way) },
        };
        if let Some(steps) = way.get(key) {
            node.steps = Some(self.steps(steps, &join(path, key), false));
        }
        if let Some(line) = node.lines.first_mut() {
            line.extend(self.extras(way, id, &["if", key]));
        }
        node.tools = way_tools(id, key == "else", place == 0, place + 1 == conditions);
        node.troubles = self.troubles_at(path);
        node
    }

    fn reward(&mut self, step: &Tree, id: u32, line: &mut Vec<Part>, node: &mut Node) {
        let reward = step.get("reward").and_then(|reward| Some((reward, reward.id()?)));
        let Some((reward, inner)) = reward.filter(|(reward, _)| reward.has("points") != reward.has("voucher")) else {
            line.push(self.line(Kind::Raw, true, id, "reward", step, "What is given, as JSON", "wide", ""));
            return;
        };
        if reward.has("points") {
            line.push(self.line(Kind::Number, true, inner, "points", reward, "How many", "number", ""));
            line.push(choice(format!("r.{inner}"), "What is given", REWARDS, "points").reshaping());
        } else {
            line.push(choice(format!("r.{inner}"), "What is given", REWARDS, "voucher").reshaping());
            let pools = self.list("pools", self.seen.pools.iter().map(String::as_str));
            line.push(self.line(Kind::Text, true, inner, "voucher", reward, "Pool of vouchers", "text", &pools));
            if reward.has("expires") {
                line.push(words("good for"));
                line.push(self.span(false, inner, "expires", reward, "For how long it is good"));
            } else {
                node.adds.push(button(format!("put.{inner}.expires"), "Good for …", "Say for how long it is good"));
            }
        }
        line.extend(self.extras(reward, inner, &["points", "voucher", "expires"]));
    }

    fn task(&mut self, step: &Tree, id: u32, line: &mut Vec<Part>, node: &mut Node) {
        let Some((task, inner)) = step.get("task").and_then(|task| Some((task, task.id()?))) else {
            line.push(self.line(Kind::Raw, true, id, "task", step, "What to do, as JSON", "wide", ""));
            return;
        };
        line.push(self.line(Kind::Text, true, inner, "title", task, "What to do; Liquid is allowed", "wide", ""));
        let mut more = Vec::new();
        for (key, before, says, label) in [
            ("for", "for", "For whom", "Say whose task it is"),
            ("due", "within", "By when", "Say until when it is to be done"),
            ("draft", "beginning with", "With a draft", "Give them a template to begin with"),
        ] {
            if !task.has(key) {
                node.adds.push(button(format!("put.{inner}.{key}"), says, label));
                continue;
            }
            more.push(words(before));
            more.push(match key {
                "due" => self.span(false, inner, key, task, label),
                "draft" => {
                    let present = task.text("draft").unwrap_or("");
                    let templates = self.seen.templates.iter().map(|seen| (seen.name.clone(), seen.name.clone()));
                    choice_among(format!("T.{inner}.draft"), label, templates, present).keeping(present).typed()
                }
                _ => self.line(Kind::Text, false, inner, key, task, label, "text", ""),
            });
            more.push(tool(format!("drop.{inner}.{key}"), "×", "Leave this out"));
        }
        more.extend(self.extras(task, inner, &["title", "for", "due", "draft"]));
        if !more.is_empty() {
            node.lines.push(more);
        }
    }

    fn memory(&mut self, step: &Tree, id: u32, line: &mut Vec<Part>) {
        let Some((set, inner)) = step.get("set").and_then(|set| Some((set, set.id()?))) else {
            line.push(self.line(Kind::Raw, true, id, "set", step, "What to remember, as JSON", "wide", ""));
            return;
        };
        let names = self.names("traits", &self.seen.traits, true);
        line.push(self.line(Kind::Text, true, inner, "trait", set, "Trait", "text", &names.list));
        let is_forgotten = set.get("to") == Some(&Tree::Leaf(Value::Null));
        let ways = [("to", "is"), ("forget", "is forgotten")];
        let present = if is_forgotten { "forget" } else { "to" };
        line.push(choice(format!("x.{inner}"), "Set or forget", &ways, present).reshaping());
        if !is_forgotten {
            let kind =
                if matches!(set.get("to"), Some(Tree::Map(..) | Tree::List(..))) { Kind::Raw } else { Kind::Scalar };
            line.push(self.line(kind, true, inner, "to", set, "Value", "text", ""));
        }
        line.extend(self.extras(set, inner, &["trait", "to"]));
    }

    fn webhook(&mut self, step: &Tree, id: u32, line: &mut Vec<Part>) {
        let Some((webhook, inner)) = step.get("webhook").and_then(|webhook| Some((webhook, webhook.id()?))) else {
            line.push(self.line(Kind::Raw, true, id, "webhook", step, "Whom to tell, as JSON", "wide", ""));
            return;
        };
        let endpoints = self.list("endpoints", self.seen.endpoints.iter().map(String::as_str));
        line.push(self.line(Kind::Text, true, inner, "url_of", webhook, "Name of the system", "text", &endpoints));
        line.push(words("that"));
        line.push(self.line(Kind::Text, true, inner, "event", webhook, "Name of the event", "text", ""));
        line.extend(self.extras(webhook, inner, &["url_of", "event"]));
    }
}

fn step_tools(id: u32, among: Among) -> Vec<Part> {
    let mut tools = Vec::new();
    if !(among.first && among.outermost) {
        tools.push(tool(format!("up.{id}"), "↑", "Move this step up"));
    }
    if !(among.last && among.outermost) {
        tools.push(tool(format!("down.{id}"), "↓", "Move this step down"));
    }
    tools.push(tool(format!("copy.{id}"), "⧉", "Say this step once more"));
    if !(among.first && among.last && among.outermost) {
        tools.push(tool(format!("remove.{id}"), "×", "Take this step away"));
    }
    tools
}

fn way_tools(id: u32, is_other: bool, is_first: bool, is_last: bool) -> Vec<Part> {
    let mut tools = Vec::new();
    if !is_other {
        if !is_first {
            tools.push(tool(format!("up.{id}"), "↑", "Ask this way earlier"));
        }
        if !is_last {
            tools.push(tool(format!("down.{id}"), "↓", "Ask this way later"));
        }
        tools.push(tool(format!("copy.{id}"), "⧉", "This way once more"));
    }
    tools.push(tool(format!("remove.{id}"), "×", "Take this way away, and its steps"));
    tools
}
