//! The hundred segments as Perennial's own definitions.

use crate::Result;
use domain::definition::{Defined, Definition};
use serde_json::{Value, json};

/// Reads `segs.json` of the shared bench: five kinds of questions, with their numbers.
pub(crate) fn read(path: &str) -> Result<Vec<Defined>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let asked: Vec<Value> = serde_json::from_str(&text)?;
    asked.iter().enumerate().map(|(number, asked)| defined(&format!("s{number:02}"), &rule(asked)?)).collect()
}

/// A segment by name and rule.
pub(crate) fn defined(name: &str, rule: &Value) -> Result<Defined> {
    let value = json!({ "segment": name, "where": rule });
    Ok(Defined { definition: Definition::read(&value)?, value })
}

fn rule(asked: &Value) -> Result<Value> {
    let number = |key: &str| asked[key].as_i64().unwrap_or(0);
    let days = |days: i64| format!("{days}d");
    let event = &asked["e"];
    Ok(match asked["t"].as_str() {
        Some("A") => json!({ "did": event, "at_least": number("k"), "within": days(number("d")) }),
        // Nothing in the last d days, so that whatever counts in d + 365 lies before them.
        Some("B") => json!({ "all": [
            { "did_not": event, "within": days(number("d")) },
            { "did": event, "at_least": number("k"), "within": days(number("d") + 365) },
        ]}),
        // "After the last order" cannot be said; this asks as much of the same events. compare.py asks rivals for it too.
        Some("C") => json!({ "sequence": {
            "first": { "did": "product_viewed", "where": { "category": { "is": asked["c"] } } },
            "then_not": { "did": "order_completed" },
            "within": "2h", "recent": days(number("d")),
        }}),
        Some("D") => json!({
            "did": "order_completed", "sum": "revenue", "at_least": number("v"), "within": days(number("d")),
        }),
        Some("E") => json!({ "all": [
            { "first_time": "order_completed", "within": days(number("d2")) },
            { "not": { "first_time": "order_completed", "within": days(number("d1")) } },
            { "did": event, "at_least": number("k") },
        ]}),
        _ => return Err(format!("no such kind of segment: {asked}").into()),
    })
}
