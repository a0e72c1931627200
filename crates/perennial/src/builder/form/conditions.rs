//! Groups and conditions in words.

use super::super::buttons::{head_of, is_group, measure_of, question_of, windows_of};
use super::super::tree::{Kind, Tree};
use super::super::words::{
    AGGREGATES, COMPARISONS, CONSENTS, GROUPS, HEADS, LOWER, MEASURES, RECORD_QUESTIONS, UPPER, WINDOWS, Word,
};
use super::drawing::{Drawing, Names, Standing, as_written, button, choice, choice_in, tools, words};
use super::{Block, Node, Part, Shape};
use domain::segment::SCORES;
use domain::shape::join;

impl<'a> Drawing<'a> {
    pub(super) fn node(&mut self, tree: &Tree, path: &str, address: (u32, String), standing: Standing) -> Node {
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
        let field = as_written(holder, key, tree, "A condition, as JSON");
        Node {
            lines: vec![vec![words("As it was written:"), field]],
            tools: tree.id().map(|id| tools(id, false, standing)).unwrap_or_default(),
            troubles: self.troubles_at(path),
            ..Node::of(id, Shape::Condition)
        }
    }

    fn group(&mut self, tree: &Tree, head: &'static str, id: u32, path: &str, standing: Standing) -> Node {
        let at = join(path, head);
        let outermost = standing == Standing::Root;
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
            lines: vec![line],
            tools: tools(id, true, standing),
            troubles: self.troubles_at(path),
            children,
            adds,
            ..Node::of(id, Shape::Group)
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
                lines[0].push(self.span(true, id, "within", tree, "How long ago at most"));
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
                lines[0].push(self.span(true, id, "active", tree, "How far back"));
                lines[0].push(words("but not in the last"));
                lines[0].push(self.span(true, id, "quiet", tree, "Without any for"));
            }
            "restarted" => {
                known.extend(["quiet", "recent"]);
                lines[0].extend([self.event(id, head, tree), words("in the last")]);
                lines[0].push(self.span(true, id, "recent", tree, "How long ago at most"));
                lines[0].push(words("after a pause of"));
                lines[0].push(self.span(true, id, "quiet", tree, "Length of the pause"));
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
                lines[0].push(self.segment(id, "segment", tree));
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
        if standing == Standing::Root {
            more.push(button(format!("add.{id}"), "Add a condition", "Add a condition beside this one"));
        }
        Node {
            lines,
            tools: tools(id, false, standing),
            troubles: self.troubles_at(path),
            blocks,
            adds: more,
            ..Node::of(id, Shape::Condition)
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
                ("within", _) => line.push(self.span(true, id, "within", tree, "How long")),
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
            more.push(button(format!("put.{id}.window"), "More about when", "Add another window of time"));
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
        line.push(self.span(true, id, "every", tree, "Length of a period"));
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
                line.push(self.span(true, id, "within", sequence, "Within"));
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
            line.push(self.span(false, id, "recent", sequence, "How long ago at most"));
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
        if inner.has("ends_within") {
            line.push(words("and that ends by itself within"));
            line.push(self.span(false, id, "ends_within", inner, "How soon it ends"));
        } else if matches!(present, "granted" | "pending") {
            more.push(button(
                format!("put.{id}.ends_within"),
                "Only if it ends soon",
                "Ask that it ends by itself soon",
            ));
        }
        line.extend(self.extras(inner, id, &["is", "purpose", "channel", "ends_within"]));
    }

    pub(super) fn bound(
        &mut self,
        inner: &Tree,
        id: u32,
        at_least: &'static str,
        less_than: &'static str,
        line: &mut Vec<Part>,
    ) {
        let word = if inner.has("less_than") { "less_than" } else { "at_least" };
        line.push(
            choice(format!("y.{id}"), "Longer or shorter", &[("at_least", at_least), ("less_than", less_than)], word)
                .reshaping(),
        );
        line.push(self.span(true, id, word, inner, "How long"));
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
}
