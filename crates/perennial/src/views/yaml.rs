//! Definitions as YAML, as a person would write them: what is short stands in one line, what is long in a block.
//!
//! The store keeps definitions as JSON with its keys in the order in which they were written. What is printed here
//! reads back to the same value; where a value could not, it is printed as JSON, which is YAML too.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Longest map or list that stands in one line, in characters.
const LINE: usize = 100;

/// A definition as YAML.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block_map(map, 0, &mut text),
        value => {
            let _ = writeln!(text, "{}", flow(value));
        }
    }
    let reads_back = domain::definition::read_yaml(&text).is_ok_and(|read| read.len() == 1 && read[0] == *value);
    if reads_back { text } else { json(value) }
}

/// Several definitions as documents of one text.
pub fn write_all<'a>(values: impl IntoIterator<Item = &'a Value>) -> String {
    let texts: Vec<String> = values.into_iter().map(write).collect();
    texts.join("---\n")
}

fn json(value: &Value) -> String {
    printable(&format!("{value:#}\n"))
}

/// JSON in which every character that YAML refuses to read stands as an escape. Such stand in texts only.
fn printable(json: &str) -> String {
    let must_escape = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if must_escape(c) {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

fn block_map(map: &Map<String, Value>, indent: usize, text: &mut String) {
    for (key, value) in map {
        let _ = write!(text, "{:indent$}{}:", "", key_words(key));
        entry(value, indent + 2, text);
    }
}

/// A value after its key, or after the dash of its list.
fn entry(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::String(words) if is_block_text(words) => block_text(words, indent, text),
        Value::Object(map) if !map.is_empty() && !fits(value, indent) => {
            text.push('\n');
            block_map(map, indent, text);
        }
        Value::Array(items) if !items.is_empty() && (!fits(value, indent) || items.iter().any(Value::is_object)) => {
            text.push('\n');
            block_list(items, indent, text);
        }
        value => {
            let _ = writeln!(text, " {}", flow(value));
        }
    }
}

fn block_list(items: &[Value], indent: usize, text: &mut String) {
    for item in items {
        let _ = write!(text, "{:indent$}-", "");
        match item {
            // The first key stands beside the dash.
            Value::Object(map) if !map.is_empty() && !fits(item, indent + 2) => {
                let mut inner = String::new();
                block_map(map, indent + 2, &mut inner);
                let _ = write!(text, " {}", inner.trim_start_matches(' '));
            }
            item => entry(item, indent + 2, text),
        }
    }
}

fn fits(value: &Value, indent: usize) -> bool {
    !holds_block_text(value) && indent + flow(value).chars().count() <= LINE
}

fn holds_block_text(value: &Value) -> bool {
    match value {
        Value::String(words) => is_block_text(words),
        Value::Array(items) => items.iter().any(holds_block_text),
        Value::Object(map) => map.values().any(holds_block_text),
        _ => false,
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(words) => scalar(words),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", key_words(key), flow(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key. Of the words that a reader of YAML 1.1 takes for truth values `on` is one of our keys, and a word to us.
fn key_words(key: &str) -> String {
    if key == "on" { key.to_owned() } else { scalar(key) }
}

/// A text on one line: plain where nobody could take it for something else, else in quotes as JSON has them.
fn scalar(words: &str) -> String {
    if is_plain(words) { words.to_owned() } else { printable(&Value::from(words).to_string()) }
}

fn is_plain(words: &str) -> bool {
    let may_begin = |c: char| c.is_alphanumeric() || c == '/' || c == '_';
    let may_stand = |c: char| c.is_alphanumeric() || " _-./+()’“”…%£€·×;=@".contains(c);
    let is_word = words.starts_with(may_begin) && words.chars().all(may_stand) && !words.ends_with(' ');
    is_word && !looks_like_another_kind(words)
}

/// What YAML 1.2, or a reader of 1.1, might take for a number, a truth value, nothing, or a date and time.
fn looks_like_another_kind(words: &str) -> bool {
    let lower = words.to_lowercase();
    let named = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"].contains(&lower.as_str());
    let is_span = domain::Span::parse(words).is_ok();
    let numberish = words.starts_with(|c: char| c.is_ascii_digit())
        && !is_span
        && words.chars().all(|c| c.is_ascii_digit() || "+-.:_eExXoOabcdefABCDEFtTzZ ".contains(c));
    named || numberish
}

/// Whether a text is shown as a block: it has lines, and nothing that a block would lose.
fn is_block_text(words: &str) -> bool {
    let lines_are_clean = words.lines().all(|line| {
        !line.ends_with([' ', '\t']) && !line.chars().any(|c| (c.is_control() && c != '\t') || !is_plain_anywhere(c))
    });
    let begins_clean = !words.starts_with([' ', '\n', '\t']);
    let ends_clean = !words.ends_with("\n\n");
    words.contains('\n') && lines_are_clean && begins_clean && ends_clean && !words.contains('\r')
}

/// Not a mark of byte order, nor another line end that a reader of YAML may see.
fn is_plain_anywhere(c: char) -> bool {
    !matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')
}

fn block_text(words: &str, indent: usize, text: &mut String) {
    let _ = writeln!(text, " |{}", if words.ends_with('\n') { "" } else { "-" });
    for line in words.lines() {
        if line.is_empty() {
            text.push('\n');
        } else {
            let _ = writeln!(text, "{:indent$}{line}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn there_and_back(value: &Value) -> String {
        let text = write(value);
        let read = domain::definition::read_yaml(&text).unwrap();
        assert_eq!(read, std::slice::from_ref(value), "{text}");
        text
    }

    #[test]
    fn a_segment_reads_as_a_person_would_have_written_it() {
        let value = json!({
            "segment": "lapsed-regulars",
            "title": "Regulars who stopped",
            "where": { "all": [
                { "did": "Order Completed", "at_least": 3, "within": "365d" },
                { "did_not": "Order Completed", "within": "30d" },
            ] },
        });
        assert_eq!(
            there_and_back(&value),
            "segment: lapsed-regulars\ntitle: Regulars who stopped\nwhere:\n  all:\n    - { did: Order Completed, at_least: 3, within: 365d }\n    - { did_not: Order Completed, within: 30d }\n"
        );
    }

    #[test]
    fn a_template_keeps_the_lines_of_its_body() {
        let value = json!({ "template": "hello", "channel": "email", "subject": "{{ customer.first_name | default: 'Hello' }}, back?", "body": "Hello,\n\n  indented\nbye\n" });
        let text = there_and_back(&value);
        assert!(text.contains("body: |\n  Hello,\n\n    indented\n  bye\n"), "{text}");
        assert!(text.contains("subject: \"{{ customer"), "{text}");
    }

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        let odd = [
            "true",
            "No",
            "null",
            "~",
            "12",
            "1e5",
            "0x1f",
            "21:00",
            "2026-01-01",
            "- a",
            "a: b",
            "a #b",
            "'x'",
            "\"x\"",
            "",
            " ",
            " a",
            "a ",
            "*",
            "&a",
            "!t",
            "%d",
            "@x",
            "`x`",
            "[a]",
            "{a}",
            "a\tb",
            "a\nb ",
            "\n",
            "\na",
            "a\n\n",
            "é",
            "\u{202e}x",
            "x\u{7f}",
            "x\u{85}y",
            "\u{feff}",
            "a\u{0}b\u{1f}",
            "\u{ffff}",
            "?",
            ":",
            "a:",
            ",",
            "|",
            ">",
            "<<",
            "---",
            "...",
            "20%",
            "30d",
            "Ünï",
            "\u{feff}a",
            "a\u{2028}b",
            "1_000",
            ".5",
            "+1",
        ];
        for text in odd {
            there_and_back(&json!({ "a": text }));
            there_and_back(&json!({ text: 1, "list": [text, [text], { "x": text }] }));
        }
    }

    #[test]
    fn whatever_is_stored_reads_back_as_it_was() {
        let deep = json!({ "a": [[], {}, [[1, 2], { "b": [{ "c": null }] }], 1.5, -0.0, 1e300, true], "long": vec!["some words that make the line long"; 12], "x": { "y": { "z": "w\nv" } } });
        there_and_back(&deep);
        assert_eq!(write(&json!({ "enter": { "on": { "enters": "x" } } })), "enter: { on: { enters: x } }\n");
        there_and_back(&json!({}));
        there_and_back(&json!([1, 2]));
        there_and_back(&json!("text"));
        assert_eq!(write_all([&json!({ "a": 1 }), &json!({ "b": 2 })]), "a: 1\n---\nb: 2\n");
    }
}
