//! Tests on properties, attributes and traits in words.

use super::super::buttons::operator_of;
use super::super::tree::{Kind, Tree};
use super::super::words::{ELEMENTS, OPERATORS, TEST_GROUPS, Word};
use super::drawing::{Drawing, Names, as_written, button, choice, choice_in, tool, words};
use super::{Block, Field, Part, TestLine};
use domain::shape::join;
use domain::value::TEXTUAL;
use serde_json::Value;

impl<'a> Drawing<'a> {
    /// A block of tests. `holder`: what may be taken away with it.
    pub(super) fn block(
        &mut self,
        tests: &Tree,
        path: &str,
        names: &Names<'a>,
        title: &str,
        holder: (u32, &str),
    ) -> Block {
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
            None => parts.push(as_written(id, key, value, "A test, as JSON")),
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
    pub(super) fn test(
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
            ("within_past" | "within_next", _) => line.push(self.span(true, id, word, test, "How long")),
            ("on_day", _) => line.push(self.line(Kind::Text, true, id, word, test, "Day", "number", "days")),
            ("anniversary", Some(operand)) => {
                let is_today = matches!(operand, Tree::Leaf(_));
                let options = [("today", "today"), ("within_next", "today or in the next")];
                let chosen = if is_today { "today" } else { "within_next" };
                line.push(choice(format!("a.{id}"), "Which day", &options, chosen).reshaping());
                match operand {
                    Tree::Leaf(Value::String(text)) if text == "today" => {}
                    Tree::Map(inner, _) => {
                        line.push(self.span(true, *inner, "within_next", operand, "How many days"));
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
