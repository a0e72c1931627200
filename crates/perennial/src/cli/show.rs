//! Answers in words and tables, for people at a terminal.

use serde_json::Value;
use std::io::{Result, Write};

/// The text of a field, or the value as JSON.
pub(super) fn text(value: &Value, key: &str) -> String {
    word(&value[key])
}

/// A text in one line. A name may hold what would move a terminal's cursor.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn word(value: &Value) -> String {
    match value {
        // A name may hold what would move a terminal's cursor.
        Value::String(text) => one_line(text),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A table of some fields of a list of objects.
pub(super) fn table(print: &mut dyn Write, list: &Value, columns: &[&str]) -> Result<()> {
    let rows: Vec<Vec<String>> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|column| text(row, column)).collect())
        .collect();
    if rows.is_empty() {
        return writeln!(print, "nothing yet");
    }
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| rows.iter().map(|row| row[at].chars().count()).chain([columns[at].len()]).max().unwrap_or(0).min(60))
        .collect();
    let header: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    for row in std::iter::once(&header).chain(&rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(print, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// One line for each element.
pub(super) fn lines(print: &mut dyn Write, list: &Value) -> Result<()> {
    for item in list.as_array().into_iter().flatten() {
        writeln!(print, "{}", word(item))?;
    }
    Ok(())
}

/// What definitions changed, or would.
pub(super) fn changes(print: &mut dyn Write, answer: &Value) -> Result<()> {
    table(print, &answer["changes"], &["kind", "name", "action", "enter", "leave"])
}

/// A segment with its rule.
pub(super) fn segment(print: &mut dyn Write, answer: &Value) -> Result<()> {
    writeln!(print, "{}: {} customers", text(answer, "segment"), answer["count"])?;
    writeln!(print, "{}", text(answer, "sentence"))?;
    let (at, by) = (text(answer, "changed_at"), text(answer, "changed_by"));
    writeln!(print, "version {} of {at}, by {by}\n", answer["version"])?;
    diff(print, &answer["yaml"])
}

/// The versions of a definition, each with what it changed.
pub(super) fn versions(print: &mut dyn Write, answer: &Value) -> Result<()> {
    for version in answer.as_array().into_iter().flatten() {
        let (at, by, action) = (text(version, "at"), text(version, "by"), text(version, "action"));
        writeln!(print, "version {}: {action} at {at} by {by}", version["version"])?;
        for line in version["diff"].as_str().unwrap_or_default().lines() {
            writeln!(print, "  {}", one_line(line))?;
        }
    }
    Ok(())
}

/// A text of several lines.
pub(super) fn diff(print: &mut dyn Write, lines: &Value) -> Result<()> {
    for line in lines.as_str().unwrap_or_default().lines() {
        writeln!(print, "{}", one_line(line))?;
    }
    Ok(())
}

/// Why somebody belongs, condition by condition.
pub(super) fn why(print: &mut dyn Write, answer: &Value) -> Result<()> {
    let until = |value: &Value| match value.as_str() {
        Some(until) => format!(" (until {until} if nothing happens)"),
        None => String::new(),
    };
    let verdict = if answer["member"] == true { "belongs" } else { "does not belong" };
    writeln!(print, "{verdict}{}", until(&answer["until"]))?;
    reasons(print, &answer["conditions"], 1, &until)
}

fn reasons(print: &mut dyn Write, conditions: &Value, depth: usize, until: &dyn Fn(&Value) -> String) -> Result<()> {
    for condition in conditions.as_array().into_iter().flatten() {
        let mark = if condition["holds"] == true { "yes" } else { "no " };
        let indent = "  ".repeat(depth);
        writeln!(print, "{indent}{mark}  {}{}", text(condition, "condition"), until(&condition["until"]))?;
        for evidence in condition["because"].as_array().into_iter().flatten() {
            writeln!(print, "{indent}       {}  {}", text(evidence, "time"), text(evidence, "what"))?;
        }
        reasons(print, &condition["conditions"], depth + 1, until)?;
    }
    Ok(())
}

/// One customer.
pub(super) fn customer(print: &mut dyn Write, answer: &Value) -> Result<()> {
    writeln!(print, "{}", serde_json::to_string_pretty(answer).unwrap_or_default())
}

/// What happened to one customer, the latest first.
pub(super) fn timeline(print: &mut dyn Write, answer: &Value) -> Result<()> {
    for entry in answer["happenings"].as_array().into_iter().flatten() {
        let detail = text(entry, "detail");
        let gap = if detail.is_empty() { "" } else { "  " };
        writeln!(print, "{}  {}{gap}{detail}", text(entry, "time"), text(entry, "what"))?;
    }
    Ok(())
}

/// Customers that were looked for.
pub(super) fn found(print: &mut dyn Write, answer: &Value) -> Result<()> {
    let list = answer.get("customers").unwrap_or(answer);
    table(print, list, &["id", "customer", "email", "last_seen"])
}

/// Campaigns with their numbers.
pub(super) fn campaigns(print: &mut dyn Write, answer: &Value) -> Result<()> {
    if answer.is_array() {
        return table(print, answer, &["campaign", "state", "entered", "sent", "would_have_sent", "came_back"]);
    }
    writeln!(print, "{}", serde_json::to_string_pretty(answer).unwrap_or_default())
}

/// Decisions, one a line.
pub(super) fn decisions(print: &mut dyn Write, answer: &Value) -> Result<()> {
    table(print, answer, &["at", "customer", "campaign", "step", "outcome", "because", "detail"])
}
