//! A campaign in words: who enters, what counts as success, how it runs. Its steps are drawn in `steps`.

use super::super::campaign::{again_of, kind_of, side_of, trigger_of};
use super::super::tree::{Kind, Tree};
use super::super::words::{AGAINS, INSIDE, PURPOSES, SIDES, STATES, TRIGGERS, Word};
use super::drawing::{Drawing, Standing, button, choice, choice_among, tool, words};
use super::{Field, Node, Part, Section, Shape, names};
use domain::shape::join;

/// What a campaign need not say, the button that adds it, and what that means.
const MAY_SAY: [(&str, &str, &str); 5] = [
    ("cap", "A limit of its own", "Limit how many of its messages somebody gets"),
    ("priority", "Goes before others", "Say which campaign goes first where not all may write"),
    ("exclusion_group", "Not beside others", "Let each customer into one campaign of a group only"),
    ("expires_after", "How long a message may wait", "Say for how long a message may be held back"),
    ("deadline", "How long a message is of use", "Say until when a service message is of use"),
];

impl<'a> Drawing<'a> {
    /// Name and title, and the sections of a campaign. `beside`: other definitions of its text.
    pub(super) fn campaign(&mut self, campaign: &Tree, beside: &[&Tree]) -> (Vec<Vec<Part>>, Vec<Section>) {
        let id = campaign.id().unwrap_or(0);
        let mut head = names(self, campaign, id, "campaign");
        let others: Vec<String> = beside.iter().filter_map(|one| said_beside(one)).collect();
        if !others.is_empty() {
            head.push(vec![words(format!("The text also holds {}.", others.join(", ")))]);
        }
        let sections = vec![self.entry(campaign, id), self.way_through(campaign, id), self.ends(campaign, id)];
        let running = self.running(campaign, id);
        (head, sections.into_iter().chain([running]).collect())
    }

    fn entry(&mut self, campaign: &Tree, root: u32) -> Section {
        let mut section = Section::of("Who enters", "enters");
        let Some((enter, id)) = campaign.get("enter").and_then(|enter| Some((enter, enter.id()?))) else {
            section.adds.push(button(format!("put.{root}.enter"), "Say who enters", "Say what lets somebody in"));
            section.troubles = self.troubles_at("enter");
            return section;
        };
        match enter.get("on").and_then(|on| Some((on, on.id()?, trigger_of(on)?))) {
            Some((on, on_id, head)) => section.nodes.push(self.trigger(on, on_id, head, id)),
            None => {
                let field = self.line(Kind::Raw, true, id, "on", enter, "What lets in, as JSON", "wide", "");
                section.lines.push(vec![words("As it was written:"), field]);
            }
        }
        match enter.get("only_if") {
            Some(rule) => {
                let drop = tool(format!("drop.{id}.only_if"), "×", "Take this condition away");
                let node = self.node(rule, "enter.only_if", (id, "only_if".to_owned()), Standing::Root);
                section.nodes.push(around(rule, "but only if at that moment", node, drop));
            }
            None => section.adds.push(button(format!("put.{id}.only_if"), "Only if …", "Ask something at that moment")),
        }
        let mut line = vec![words("Somebody may enter")];
        let present = again_of(enter);
        line.push(
            choice(format!("g.{id}"), "How often somebody may enter", AGAINS, present).keeping(present).reshaping(),
        );
        match enter.get("again") {
            Some(again @ Tree::Map(again_id, _)) if present == "after" => {
                line.push(self.span(true, *again_id, "after", again, "How long after the last time"));
                line.extend(self.extras(again, *again_id, &["after"]));
            }
            Some(_) if present.is_empty() => {
                line.push(self.line(Kind::Raw, false, id, "again", enter, "How often, as JSON", "text", ""));
            }
            _ => {}
        }
        let is_did = enter.get("on").is_some_and(|on| on.has("did"));
        if enter.has("key") {
            line.push(words("– once at a time for each"));
            line.push(self.line(
                Kind::Text,
                false,
                id,
                "key",
                enter,
                "Property, such as properties.order_id",
                "text",
                "",
            ));
        } else if is_did {
            let label = "Let somebody be inside several times, once for each order";
            section.adds.push(button(format!("put.{id}.key"), "Once for each …", label));
        }
        line.extend(self.extras(enter, id, &["on", "only_if", "again", "key"]));
        section.lines.push(line);
        section.troubles = self.troubles_at("enter");
        section
    }

    fn trigger(&mut self, on: &Tree, id: u32, head: &'static str, enter: u32) -> Node {
        let path = "enter.on";
        let mut node = Node::of(id, Shape::Way);
        let kinds = choice(format!("e.{enter}"), "What lets somebody in", TRIGGERS, head);
        let mut line = vec![words("When"), kinds.focused(self.new == Some(id)).reshaping()];
        match head {
            "enters" | "leaves" => line.push(self.segment(id, head, on)),
            "did" => {
                line.push(self.event(id, "did", on));
                if on.has("late") {
                    line.push(words("even if we hear of it late by"));
                    line.push(self.span(false, id, "late", on, "How late at most"));
                } else {
                    node.adds.push(button(format!("put.{id}.late"), "How late …", "Say how late it may arrive"));
                }
                self.where_of(on, id, path, on.text("did").unwrap_or(""), &mut node);
            }
            "every" => {
                line.push(self.line(Kind::Text, true, id, "every", on, "Times, as cron or RRULE", "text", "schedules"));
                let zone = on.text("zone").unwrap_or("");
                let zones = [("", "in the shop’s time"), ("customer", "in each customer’s own time")];
                line.push(choice(format!("t.{id}.zone"), "Whose time", &zones, zone).keeping(zone).typed());
            }
            _ => {
                let inner = on.get(head).and_then(|inner| Some((inner, inner.id()?)));
                match (head, inner) {
                    ("date", Some((inner, inner_id))) => self.on_date(inner, inner_id, &mut line),
                    (_, Some((inner, inner_id))) => self.on_record(head, inner, inner_id, &mut line, &mut node),
                    (_, None) => line.push(self.line(Kind::Raw, true, id, head, on, "Which date, as JSON", "wide", "")),
                }
            }
        }
        line.extend(self.extras(on, id, &[head, "late", "where", "zone"]));
        node.lines.push(line);
        node.troubles = self.troubles_at(path);
        node
    }

    /// The tests on an event, or a button that adds them.
    fn where_of(&mut self, holder: &Tree, id: u32, path: &str, event: &str, node: &mut Node) {
        match holder.get("where") {
            Some(tests) => {
                let names = self.names_of_event(event);
                node.blocks.push(self.block(tests, &join(path, "where"), &names, "Only those where", (id, "where")));
            }
            None => {
                let add = button(format!("put.{id}.where"), "Only those where …", "Add tests on the properties");
                node.adds.push(add);
            }
        }
    }

    fn side(&mut self, id: u32, holder: &Tree, line: &mut Vec<Part>) {
        let side = side_of(holder);
        if !side.is_empty() {
            line.push(self.span(true, id, side, holder, "How long before or after"));
        }
        line.push(choice(format!("f.{id}"), "Before or after", SIDES, side).reshaping());
    }

    fn on_date(&mut self, date: &Tree, id: u32, line: &mut Vec<Part>) {
        line.push(words("–"));
        self.side(id, date, line);
        let traits = self.names("traits", &self.seen.traits, true).list;
        line.push(self.line(Kind::Text, true, id, "trait", date, "Trait that holds the date", "text", &traits));
        line.push(words("at"));
        line.push(self.line(Kind::Text, false, id, "at", date, "Time of day, where they live", "number", "times"));
        let yearly = Kind::Flag.shown(date.get("yearly"));
        let often = [("", "every year"), ("true", "every year, as said"), ("false", "once")];
        line.push(choice(format!("b.{id}.yearly"), "Every year or once", &often, &yearly).keeping(&yearly).typed());
        line.extend(self.extras(date, id, &["before", "after", "trait", "at", "yearly"]));
    }

    fn on_record(&mut self, head: &'static str, record: &Tree, id: u32, line: &mut Vec<Part>, node: &mut Node) {
        let kind = kind_of(record).to_owned();
        let attributes = self.names_of_record(&kind);
        let kinds = self.list("kinds", self.seen.records.iter().map(|thing| thing.name.as_str()));
        let path = join("enter.on", head);
        let kind_key = if head == "record" { "kind" } else { "record" };
        line.push(words("–"));
        if head == "record" {
            self.side(id, record, line);
        } else {
            line.push(self.span(false, id, "after", record, "How long after the date"));
            line.push(words("after"));
        }
        line.push(self.line(Kind::Text, true, id, "date", record, "Attribute with the date", "text", &attributes.list));
        line.push(words("of a"));
        line.push(self.line(Kind::Text, true, id, kind_key, record, "Kind of record", "text", &kinds));
        let mut known = vec!["kind", "record", "date", "before", "after", "unless"];
        if head == "missing" {
            known.extend(["did", "where"]);
            if record.has("did") {
                line.push(words("without"));
                line.push(self.line(Kind::Text, false, id, "did", record, "Event that did not come", "text", "events"));
                self.where_of(record, id, &path, record.text("did").unwrap_or(""), node);
            } else {
                let label = "Name the event that did not come";
                node.adds.push(button(format!("put.{id}.did"), "Without something done …", label));
            }
        }
        match record.get("unless") {
            Some(tests) => {
                let title = "Not for one that has";
                node.blocks.push(self.block(tests, &join(&path, "unless"), &attributes, title, (id, "unless")));
            }
            None => {
                let add = button(format!("put.{id}.unless"), "Not for one that has …", "Leave some of them out");
                node.adds.push(add);
            }
        }
        line.extend(self.extras(record, id, &known));
    }

    fn ends(&mut self, campaign: &Tree, root: u32) -> Section {
        let mut section = Section::of("What counts as success, and who leaves", "ends");
        match campaign.get("goal").and_then(|goal| Some((goal, goal.id()?))) {
            Some((goal, id)) => {
                let mut node = Node::of(id, Shape::Way);
                let event = goal.text("did").unwrap_or("").to_owned();
                let mut line = vec![words("Success is that they did"), self.event(id, "did", goal), words("within")];
                line.push(self.span(false, id, "within", goal, "How long after entering"));
                line.push(words("of entering, worth its"));
                let names = self.names_of_event(&event).list;
                line.push(self.line(Kind::Text, false, id, "value", goal, "Property with its value", "text", &names));
                line.extend(self.extras(goal, id, &["did", "within", "value", "where"]));
                node.lines.push(line);
                self.where_of(goal, id, "goal", &event, &mut node);
                node.tools.push(tool(format!("drop.{root}.goal"), "×", "Take the goal away"));
                node.troubles = self.troubles_at("goal");
                section.nodes.push(node);
            }
            None if campaign.has("goal") => {
                let field = self.line(Kind::Raw, false, root, "goal", campaign, "The goal, as JSON", "wide", "");
                section.lines.push(vec![words("Goal, as it was written:"), field]);
            }
            None => section.adds.push(button(
                format!("put.{root}.goal"),
                "Say what counts as success",
                "Count who reaches a goal, beside the comparison group",
            )),
        }
        match campaign.get("exit_if") {
            Some(rule) => {
                let drop = tool(format!("drop.{root}.exit_if"), "×", "Take this condition away");
                let node = self.node(rule, "exit_if", (root, "exit_if".to_owned()), Standing::Root);
                section.nodes.push(around(rule, "They leave at once if", node, drop));
            }
            None => section.adds.push(button(
                format!("put.{root}.exit_if"),
                "Let them leave if …",
                "Say when somebody leaves before the last step",
            )),
        }
        section.troubles = self.troubles_at("goal");
        section
    }

    fn running(&mut self, campaign: &Tree, id: u32) -> Section {
        let mut section = Section::of("How it runs", "runs");
        let purpose = campaign.text("purpose").unwrap_or("");
        let known = PURPOSES.iter().map(|(word, words)| ((*word).to_owned(), (*words).to_owned()));
        let defined = self.seen.purposes.iter().filter(|name| *name != "marketing" && *name != "service");
        let purposes = known.chain(defined.map(|name| (name.clone(), name.clone())));
        let purposes = choice_among(format!("t.{id}.purpose"), "Purpose", purposes, purpose).keeping(purpose);
        section.lines.push(vec![words("It is"), purposes.typed()]);
        let mut share = self.line(Kind::Scalar, false, id, "holdout", campaign, "Comparison group", "number", "shares");
        if let Part::Field(Field { placeholder, .. }) = &mut share {
            *placeholder = "0 %";
        }
        section.lines.push(vec![words("Keep back"), share, words("of them, drawn once, to see who comes anyway")]);
        for (key, says, label) in MAY_SAY {
            if !campaign.has(key) {
                section.adds.push(button(format!("put.{id}.{key}"), says, label));
            }
        }
        if let Some(cap) = campaign.get("cap") {
            section.lines.push(self.cap(cap, id, campaign));
        }
        if campaign.has("priority") {
            let number = self.line(Kind::Number, false, id, "priority", campaign, "Priority", "number", "");
            section.lines.push(vec![words("Goes first with priority"), number, words("– higher before lower")]);
        }
        if campaign.has("exclusion_group") {
            let label = "Name of the group of campaigns";
            let group = self.line(Kind::Text, false, id, "exclusion_group", campaign, label, "text", "");
            section.lines.push(vec![words("Of the campaigns called"), group, words("each customer gets one at most")]);
        }
        if campaign.has("expires_after") {
            let span = self.span(false, id, "expires_after", campaign, "How long a message may wait");
            section.lines.push(vec![
                words("A message may wait"),
                span,
                words("until it may go out; then it is left out"),
            ]);
        }
        if campaign.has("deadline") {
            let span = self.span(false, id, "deadline", campaign, "How long a message is of use");
            section.lines.push(vec![words("A message is of use for"), span]);
        }
        // What is said, though it goes without saying, stays said.
        let said = |key: &str, word: &'static str, options: &[Word]| {
            let present = campaign.text(key).unwrap_or("").to_owned();
            let mut options = options.to_vec();
            if present == word {
                options[0].0 = word;
            }
            (present, options)
        };
        let (present, options) = said("people_inside", "finish", INSIDE);
        let inside = "When it is edited, customers inside";
        let choose = choice(format!("t.{id}.people_inside"), inside, &options, &present).keeping(&present);
        section.lines.push(vec![words(inside), choose.typed()]);
        let (present, options) = said("state", "running", STATES);
        let state = choice(format!("t.{id}.state"), "State", &options, &present).keeping(&present);
        section.lines.push(vec![words("Now it"), state.typed()]);
        let known = ["campaign", "title", "enter", "steps", "goal", "exit_if", "purpose", "holdout", "cap", "priority"];
        let more = ["exclusion_group", "expires_after", "deadline", "people_inside", "state"];
        let known: Vec<&str> = known.into_iter().chain(more).collect();
        let extra = self.extras(campaign, id, &known);
        if !extra.is_empty() {
            section.lines.push(extra);
        }
        for (key, _, _) in MAY_SAY {
            section.troubles.extend(self.troubles_at(key));
        }
        for key in ["purpose", "holdout", "people_inside", "state"] {
            section.troubles.extend(self.troubles_at(key));
        }
        section
    }

    fn cap(&mut self, cap: &Tree, root: u32, campaign: &Tree) -> Vec<Part> {
        let Some(id) = cap.id() else {
            return vec![
                words("Limit:"),
                self.line(Kind::Raw, false, root, "cap", campaign, "Limit, as JSON", "wide", ""),
            ];
        };
        let mut line =
            vec![words("At most"), self.line(Kind::Number, true, id, "at_most", cap, "How many", "number", "")];
        if cap.has("per_days") {
            line.push(words("messages of it in"));
            line.push(self.line(
                Kind::Number,
                true,
                id,
                "per_days",
                cap,
                "Calendar days, today among them",
                "number",
                "",
            ));
            line.push(words("calendar days"));
        } else {
            line.push(words("messages of it in"));
            line.push(self.span(true, id, "per", cap, "In how long"));
        }
        line.extend(self.extras(cap, id, &["at_most", "per", "per_days"]));
        line.push(tool(format!("drop.{root}.cap"), "×", "Take this limit away"));
        line
    }
}

/// A condition with words before it.
pub(super) fn around(rule: &Tree, says: &str, node: Node, drop: Part) -> Node {
    Node {
        lines: vec![vec![words(says)]],
        tools: vec![drop],
        children: vec![node],
        // A number that no field and no other node bears.
        ..Node::of(u32::MAX - 2 - rule.id().unwrap_or(0), Shape::Way)
    }
}

fn said_beside(tree: &Tree) -> Option<String> {
    let (kind, name) = tree.entries().first()?;
    let name = match name {
        Tree::Leaf(name) => name.as_str()?.to_owned(),
        _ => return None,
    };
    Some(format!("the {kind} {name}"))
}
