//! The pieces of which conditions and tests are drawn: fields, choices, buttons, lists of suggestions.

use super::super::seen::{Seen, SeenName};
use super::super::tree::{Kind, Tree, split_span};
use super::super::words::{UNITS, Word};
use super::{Button, Choice, Field, Part, Trouble};
use std::collections::BTreeMap;

/// Suggestions in one list; more would not be read.
const SUGGESTED: usize = 200;

/// Where a condition stands, for its buttons.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The whole of a rule.
    Root,
    /// What a `not` is about.
    Alone,
    /// One of a list: at the outermost group or deeper.
    Listed { first: bool, last: bool, outermost: bool },
}

pub(super) struct Drawing<'a> {
    pub(super) seen: &'a Seen,
    pub(super) new: Option<u32>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) lists: BTreeMap<String, Vec<String>>,
    pub(super) properties: BTreeMap<String, usize>,
}

pub(super) fn words(text: impl Into<String>) -> Part {
    Part::Words(text.into())
}

/// A piece that the form cannot take apart, as JSON: what stands under a key or at a place of a map or list.
pub(super) fn as_written(holder: u32, key: impl std::fmt::Display, piece: &Tree, label: &str) -> Part {
    Part::Field(Field {
        name: format!("J.{holder}.{key}"),
        label: label.to_owned(),
        value: Kind::Raw.shown(Some(piece)),
        width: "wide",
        is_number: false,
        lines: 3,
        list: String::new(),
        placeholder: "",
    })
}

pub(super) fn button(value: impl Into<String>, words: &str, label: &str) -> Part {
    Part::Button(Button { value: value.into(), words: words.to_owned(), label: label.to_owned(), class: "" })
}

pub(super) fn tool(value: impl Into<String>, words: &str, label: &str) -> Part {
    Part::Button(Button { value: value.into(), words: words.to_owned(), label: label.to_owned(), class: "tool" })
}

pub(super) fn choice(name: String, label: &str, options: &[Word], present: &str) -> Choice {
    choice_in(name, label, &[("", options)], present)
}

pub(super) fn choice_in(name: String, label: &str, groups: &[(&str, &[Word])], present: &str) -> Choice {
    let option = |(word, words): &Word| ((*word).to_owned(), (*words).to_owned(), *word == present);
    let options = groups.iter().map(|(title, options)| ((*title).to_owned(), options.iter().map(option).collect()));
    Choice { name, label: label.to_owned(), options: options.collect(), reshapes: true, has_focus: false }
}

/// A choice among things of the workspace: their names, and what they are called.
pub(super) fn choice_among(
    name: String,
    label: &str,
    things: impl Iterator<Item = (String, String)>,
    present: &str,
) -> Choice {
    let options = things.map(|(value, words)| {
        let is_chosen = value == present;
        (value, words, is_chosen)
    });
    let options = vec![(String::new(), options.collect())];
    Choice { name, label: label.to_owned(), options, reshapes: true, has_focus: false }
}

impl Choice {
    /// A present word that is none of the known ones stays what it is.
    pub(super) fn keeping(mut self, present: &str) -> Choice {
        let is_there = self.options.iter().any(|(_, options)| options.iter().any(|(_, _, chosen)| *chosen));
        if !is_there {
            self.options.push((String::new(), vec![(present.to_owned(), present.to_owned(), true)]));
        }
        self
    }

    pub(super) fn focused(mut self, has_focus: bool) -> Choice {
        self.has_focus = has_focus;
        self
    }

    pub(super) fn typed(mut self) -> Part {
        self.reshapes = false;
        Part::Choice(self)
    }

    pub(super) fn reshaping(self) -> Part {
        Part::Choice(self)
    }
}

/// Names that tests may ask about, and what stands before them in the list of those seen.
#[derive(Clone)]
pub(super) struct Names<'a> {
    pub(super) names: Vec<&'a SeenName>,
    pub(super) prefix: String,
    pub(super) list: String,
    pub(super) keeps_past: bool,
}

impl<'a> Names<'a> {
    pub(super) fn find(&self, path: &str) -> Option<&'a SeenName> {
        self.names.iter().find(|seen| seen.name.strip_prefix(&self.prefix) == Some(path)).copied()
    }
}

impl<'a> Drawing<'a> {
    /// Takes the troubles at a path or below.
    pub(super) fn troubles_at(&mut self, path: &str) -> Vec<String> {
        let is_here =
            |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let (here, rest) = std::mem::take(&mut self.troubles).into_iter().partition(|(at, _)| is_here(at));
        self.troubles = rest;
        let here: Vec<Trouble> = here;
        here.into_iter().map(|(_, words)| words).collect()
    }

    pub(super) fn list<'b>(&mut self, name: &str, items: impl Iterator<Item = &'b str>) -> String {
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
    pub(super) fn line(
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

    pub(super) fn span(&mut self, is_required: bool, id: u32, key: &str, holder: &Tree, label: &str) -> Part {
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
        Part::Together(vec![field, choice.typed()])
    }

    /// One of the segments that there are, by its title.
    pub(super) fn segment(&mut self, id: u32, key: &str, holder: &Tree) -> Part {
        let present = holder.text(key).unwrap_or("");
        let segments = self.seen.segments.iter().map(|(name, title)| (name.clone(), title.clone()));
        choice_among(format!("T.{id}.{key}"), "Segment", segments, present).keeping(present).typed()
    }

    pub(super) fn event(&mut self, id: u32, key: &str, holder: &Tree) -> Part {
        self.line(Kind::Text, true, id, key, holder, "Event", "text", "events")
    }

    pub(super) fn names_of_event(&mut self, event: &str) -> Names<'a> {
        let thing = self.seen.properties.iter().find(|thing| thing.name == event);
        self.names(&format!("event {event}"), thing.map_or(&[], |thing| &thing.names), false)
    }

    pub(super) fn names_of_record(&mut self, kind: &str) -> Names<'a> {
        let thing = self.seen.records.iter().find(|thing| thing.name == kind);
        self.names(&format!("record {kind}"), thing.map_or(&[], |thing| &thing.names), true)
    }

    pub(super) fn names(&mut self, of: &str, names: &'a [SeenName], keeps_past: bool) -> Names<'a> {
        let number = self.properties.len();
        let number = *self.properties.entry(of.to_owned()).or_insert(number);
        let list = self.list(
            &format!("names-{number}"),
            names.iter().map(|seen| seen.name.as_str()).filter(|name| !name.contains("[].")),
        );
        Names { names: names.iter().collect(), prefix: String::new(), list, keeps_past }
    }

    pub(super) fn within(&mut self, names: &Names<'a>, path: &str) -> Names<'a> {
        let prefix = format!("{}{path}[].", names.prefix);
        let inner: Vec<&SeenName> = names.names.iter().filter(|seen| seen.name.starts_with(&prefix)).copied().collect();
        let number = self.lists.len();
        let list =
            self.list(&format!("parts-{number}"), inner.iter().filter_map(|seen| seen.name.strip_prefix(&prefix)));
        Names { names: inner, prefix, list, keeps_past: false }
    }

    /// What the form has no field for: a key that does not belong here, or a value of another kind.
    pub(super) fn extras(&mut self, tree: &Tree, id: u32, known: &[&str]) -> Vec<Part> {
        let mut parts = Vec::new();
        for (key, _) in tree.entries().iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            parts.push(words(format!("{key}:")));
            parts.push(self.line(Kind::Raw, true, id, key, tree, &format!("{key}, as JSON"), "text", ""));
            parts.push(tool(format!("drop.{id}.{key}"), "×", &format!("Take {key} away")));
        }
        parts
    }
}

pub(super) fn tools(id: u32, is_group: bool, standing: Standing) -> Vec<Part> {
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
