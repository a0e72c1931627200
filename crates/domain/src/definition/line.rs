//! Where in a text of definitions something stands: errors name a path, people look for a line.

use crate::shape::join;
use granit_parser::{Event, Parser};
use std::collections::HashMap;

/// Deepest nesting that is followed; definitions are far flatter.
const DEPTH: usize = 200;

/// A node of the text with the line on which it begins, from 1.
struct Node {
    line: usize,
    kind: Kind,
}

enum Kind {
    Scalar(String),
    List(Vec<Node>),
    /// Keys with their lines, and values.
    Map(Vec<(String, usize, Node)>),
}

/// Finds the line of a path within the definition that `heading` names, such as ``segment `lapsed` ``; where that is
/// empty, within the whole text. `word`: an unknown key, which stands in the map at the path.
/// None where the text cannot be read so far. O(text).
pub(super) fn find_line(text: &str, heading: &str, path: &str, word: Option<&str>) -> Option<usize> {
    let documents = parse(text);
    let definitions = documents.iter().flat_map(|document| match &document.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![document],
    });
    let mut fitting = definitions.filter(|definition| heading.is_empty() || is_headed(definition, heading));
    let found = fitting.next()?;
    let (node, line) = follow(found, found.line, path);
    match (&node.kind, word) {
        (Kind::Map(entries), Some(word)) => {
            Some(entries.iter().find(|(key, ..)| key == word).map_or(line, |(_, line, _)| *line))
        }
        _ => Some(line),
    }
}

/// A key that stands twice in one map.
pub(super) struct Twice {
    /// The map's path within its document.
    pub(super) path: String,
    pub(super) key: String,
    /// The lines of both.
    pub(super) lines: (usize, usize),
}

/// The first key that stands twice in one map. O(text).
pub(super) fn find_twice(text: &str) -> Option<Twice> {
    parse(text).iter().find_map(|document| twice_in(document, ""))
}

fn twice_in(node: &Node, path: &str) -> Option<Twice> {
    match &node.kind {
        Kind::Scalar(_) => None,
        Kind::List(items) => {
            items.iter().enumerate().find_map(|(index, item)| twice_in(item, &format!("{path}[{index}]")))
        }
        Kind::Map(entries) => {
            let mut seen = HashMap::new();
            entries.iter().find_map(|(key, line, value)| match seen.insert(key, *line) {
                Some(first) => Some(Twice { path: path.to_owned(), key: key.clone(), lines: (first, *line) }),
                None => twice_in(value, &join(path, key)),
            })
        }
    }
}

fn is_headed(definition: &Node, heading: &str) -> bool {
    let Some((kind, name)) = heading.trim_end_matches('`').split_once(" `") else { return false };
    let Kind::Map(entries) = &definition.kind else { return false };
    entries.iter().any(|(key, _, value)| key == kind && matches!(&value.kind, Kind::Scalar(text) if text == name))
}

/// The deepest node that the path leads to, and its line. Keys may have dots themselves: the longest that fits is
/// taken.
fn follow<'n>(node: &'n Node, line: usize, path: &str) -> (&'n Node, usize) {
    let path = path.trim_start_matches('.');
    if path.is_empty() {
        return (node, line);
    }
    match &node.kind {
        Kind::Map(entries) => {
            let fits =
                |key: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            match entries.iter().filter(|(key, ..)| fits(key)).max_by_key(|(key, ..)| key.len()) {
                Some((key, line, value)) => follow(value, *line, &path[key.len()..]),
                None => (node, line),
            }
        }
        Kind::List(items) => {
            let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let item = index.and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest)));
            match item {
                Some((item, rest)) => follow(item, item.line, rest),
                None => (node, line),
            }
        }
        Kind::Scalar(_) => (node, line),
    }
}

/// An open list or map.
enum Open {
    List(usize, Vec<Node>),
    Map(usize, Vec<(String, usize, Node)>, Option<(String, usize)>),
}

/// Reads as many documents as can be read.
fn parse(text: &str) -> Vec<Node> {
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let line = span.start.line();
        let done = match event {
            Event::Scalar(text, ..) => Some(Node { line, kind: Kind::Scalar(text.into_owned()) }),
            Event::Alias(..) => Some(Node { line, kind: Kind::Scalar(String::new()) }),
            Event::SequenceStart(..) => {
                open.push(Open::List(line, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(line, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(line, items)) => Some(Node { line, kind: Kind::List(items) }),
                Some(Open::Map(line, entries, _)) => Some(Node { line, kind: Kind::Map(entries) }),
                None => None,
            },
            _ => None,
        };
        if open.len() > DEPTH {
            break;
        }
        let Some(node) = done else { continue };
        match open.last_mut() {
            None => documents.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some((text, line)) => entries.push((text, line, node)),
                None => {
                    let text = match node.kind {
                        Kind::Scalar(text) => text,
                        _ => String::new(),
                    };
                    *key = Some((text, node.line));
                }
            },
        }
    }
    // What was cut off by an error is still worth a line.
    while let Some(cut) = open.pop() {
        let node = match cut {
            Open::List(line, items) => Node { line, kind: Kind::List(items) },
            Open::Map(line, entries, _) => Node { line, kind: Kind::Map(entries) },
        };
        match open.last_mut() {
            None => documents.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => {
                if let Some((text, line)) = key.take() {
                    entries.push((text, line, node));
                }
            }
        }
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::find_line;

    const TEXT: &str = "# Two of them\nsegment: a\nwhere: { everyone: true }\n---\n- segment: b\n  where:\n    all:\n      - { did: X }\n      - did: Y\n        where: { \"a.b\": { is: 3 },\n          c: { witin: 1 } }\n";

    #[test]
    fn a_path_leads_to_its_line_also_in_flow_maps_and_later_documents() {
        let line = |path: &str, word: Option<&str>| find_line(TEXT, "segment `b`", path, word);
        assert_eq!(line("", None), Some(5));
        assert_eq!(line("where.all[1]", None), Some(9));
        assert_eq!(line("where.all[1].where.a.b.is", None), Some(10));
        assert_eq!(line("where.all[1].where.c", Some("witin")), Some(11));
        assert_eq!(find_line(TEXT, "segment `a`", "where", None), Some(3));
        assert_eq!(find_line(TEXT, "segment `c`", "where", None), None);
        assert_eq!(line("where.all[7].x", None), Some(7), "as far as the path goes");
    }

    #[test]
    fn no_text_is_too_odd_or_too_deep_to_be_looked_at() {
        for text in ["", "[", "{{{", "a: b: c", "\u{0}", "&a [*a]", "? [x]\n: y", "- - - -"] {
            let _ = find_line(text, "", "a[0].b", Some("x"));
        }
        let _ = find_line(&"[".repeat(100_000), "", "[0]", None);
    }
}
