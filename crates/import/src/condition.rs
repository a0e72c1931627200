//! Decides which rows a rule is for, with the operators of segments (`is`, `in`, `starts_with`, …) on cells.
//!
//! Windows and counts are for segments; a row only has its own cells.

use rust_decimal::Decimal;
use serde_json::Value as Json;

use crate::numbers::{DecimalMark, read_number};
use crate::row::Row;
use crate::strict::{MappingError, Node};

/// The deepest nesting of `all`, `any`, `none`.
const DEEPEST_CONDITION: usize = 16;
pub(crate) const OPERATORS: &[&str] = &[
    "is",
    "is_not",
    "in",
    "not_in",
    "exists",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "above",
    "at_least",
    "below",
    "at_most",
];

/// What has to hold of a row.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// All hold; an empty one always does.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// None holds.
    None(Vec<Condition>),
    /// The cell in this column passes the test.
    Cell(usize, Test),
}

/// A test on one cell. A missing cell passes only the negated ones, as in segments.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    In(Vec<Wanted>),
    NotIn(Vec<Wanted>),
    Exists(bool),
    Contains(String),
    NotContains(String),
    StartsWith(String),
    EndsWith(String),
    Above(Decimal),
    AtLeast(Decimal),
    Below(Decimal),
    AtMost(Decimal),
}

/// A value to compare with: text that is a number is that number.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    text: String,
    number: Option<Decimal>,
}

impl Condition {
    /// Always holds.
    pub(crate) fn always() -> Condition {
        Condition::All(Vec::new())
    }

    pub(crate) fn parse(node: &Node<'_>, column: &mut dyn FnMut(&str) -> usize) -> Result<Condition, MappingError> {
        parse_at_depth(node, column, 0)
    }

    pub(crate) fn holds(&self, row: &Row, mark: DecimalMark) -> bool {
        match self {
            Condition::All(inner) => inner.iter().all(|condition| condition.holds(row, mark)),
            Condition::Any(inner) => inner.iter().any(|condition| condition.holds(row, mark)),
            Condition::None(inner) => !inner.iter().any(|condition| condition.holds(row, mark)),
            Condition::Cell(column, test) => test.passes(row.cell(*column), mark),
        }
    }
}

fn parse_at_depth(
    node: &Node<'_>,
    column: &mut dyn FnMut(&str) -> usize,
    depth: usize,
) -> Result<Condition, MappingError> {
    if depth > DEEPEST_CONDITION {
        return Err(node.wrong(format!("is nested deeper than {DEEPEST_CONDITION}")));
    }
    let mut all = Vec::new();
    for map in node.items()? {
        for (key, value) in map.entries()? {
            // A group holds a list and a test holds a map, so that a column may well be called `any`.
            let group = match (key, value.value) {
                ("all", Json::Array(_)) => Condition::All,
                ("any", Json::Array(_)) => Condition::Any,
                ("none", Json::Array(_)) => Condition::None,
                _ => {
                    for test in parse_tests(&value)? {
                        all.push(Condition::Cell(column(key), test));
                    }
                    continue;
                }
            };
            let mut inner = Vec::new();
            for item in value.items()? {
                inner.push(parse_at_depth(&item, column, depth + 1)?);
            }
            all.push(group(inner));
        }
    }
    if all.is_empty() {
        return Err(node.wrong("says nothing; leave it out to mean every row"));
    }
    Ok(Condition::All(all))
}

fn parse_tests(node: &Node<'_>) -> Result<Vec<Test>, MappingError> {
    if !matches!(node.value, Json::Object(_)) {
        return Err(node.wrong("is no test; write `{ is: value }` or another of the operators"));
    }
    node.keys(OPERATORS, &[])?;
    let mut tests = Vec::new();
    for (operator, value) in node.entries()? {
        let text = || value.text().map(str::to_owned);
        tests.push(match operator {
            "is" => Test::In(vec![wanted(&value)?]),
            "is_not" => Test::NotIn(vec![wanted(&value)?]),
            "in" => Test::In(value.items()?.iter().map(wanted).collect::<Result<_, _>>()?),
            "not_in" => Test::NotIn(value.items()?.iter().map(wanted).collect::<Result<_, _>>()?),
            "exists" => Test::Exists(value.yes_or_no()?),
            "contains" => Test::Contains(text()?),
            "not_contains" => Test::NotContains(text()?),
            "starts_with" => Test::StartsWith(text()?),
            "ends_with" => Test::EndsWith(text()?),
            "above" => Test::Above(number(&value)?),
            "at_least" => Test::AtLeast(number(&value)?),
            "below" => Test::Below(number(&value)?),
            // The keys were checked above; the last operator that is left is `at_most`.
            _ => Test::AtMost(number(&value)?),
        });
    }
    if tests.is_empty() {
        return Err(node.wrong("holds no operator"));
    }
    Ok(tests)
}

fn wanted(node: &Node<'_>) -> Result<Wanted, MappingError> {
    let text = match node.value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Bool(flag) => flag.to_string(),
        _ => return Err(node.wrong("is no text, number, true or false")),
    };
    let number = read_number(&text, DecimalMark::Point);
    Ok(Wanted { text, number })
}

fn number(node: &Node<'_>) -> Result<Decimal, MappingError> {
    wanted(node)?.number.ok_or_else(|| node.wrong("is no number"))
}

impl Test {
    fn passes(&self, cell: Option<&str>, mark: DecimalMark) -> bool {
        let Some(cell) = cell else {
            return matches!(self, Test::NotIn(_) | Test::NotContains(_) | Test::Exists(false));
        };
        let number = |holds: &dyn Fn(Decimal) -> bool| read_number(cell, mark).is_some_and(holds);
        match self {
            Test::In(values) => values.iter().any(|wanted| wanted.equals(cell, mark)),
            Test::NotIn(values) => !values.iter().any(|wanted| wanted.equals(cell, mark)),
            Test::Exists(wanted) => *wanted,
            Test::Contains(part) => cell.contains(part.as_str()),
            Test::NotContains(part) => !cell.contains(part.as_str()),
            Test::StartsWith(part) => cell.starts_with(part.as_str()),
            Test::EndsWith(part) => cell.ends_with(part.as_str()),
            Test::Above(limit) => number(&|number| number > *limit),
            Test::AtLeast(limit) => number(&|number| number >= *limit),
            Test::Below(limit) => number(&|number| number < *limit),
            Test::AtMost(limit) => number(&|number| number <= *limit),
        }
    }
}

impl Wanted {
    fn equals(&self, cell: &str, mark: DecimalMark) -> bool {
        let is_boolean = matches!(self.text.as_str(), "true" | "false");
        cell == self.text
            || (is_boolean && cell.eq_ignore_ascii_case(&self.text))
            || self.number.is_some_and(|wanted| read_number(cell, mark) == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(test: &str, cell: Option<&str>) -> bool {
        let yaml = serde_json::json!({ "column": serde_json::from_str::<Json>(test).expect("JSON") });
        let condition = Condition::parse(&Node::root("test", &yaml), &mut |_| 0).expect("a condition");
        condition.holds(&Row::of_cells(&[cell]), DecimalMark::Point)
    }

    #[test]
    fn operators_mean_what_they_mean_in_segments() {
        assert!(passes(r#"{"is": 10}"#, Some("10.0")));
        assert!(passes(r#"{"is": "C"}"#, Some("C")) && !passes(r#"{"is": "C"}"#, Some("c")));
        assert!(passes(r#"{"is": true}"#, Some("True")));
        assert!(passes(r#"{"in": ["a", "b"]}"#, Some("b")) && passes(r#"{"not_in": ["a"]}"#, Some("b")));
        assert!(passes(r#"{"starts_with": "C"}"#, Some("C536379")) && passes(r#"{"ends_with": "9"}"#, Some("C536379")));
        assert!(
            passes(r#"{"contains": "36"}"#, Some("C536379")) && !passes(r#"{"not_contains": "36"}"#, Some("C536379"))
        );
        assert!(
            passes(r#"{"above": 1, "at_most": 2}"#, Some("2")) && !passes(r#"{"above": 1, "at_most": 2}"#, Some("1"))
        );
        assert!(passes(r#"{"at_least": 2}"#, Some("2")) && !passes(r#"{"below": 2}"#, Some("two")));
    }

    #[test]
    fn a_missing_cell_passes_only_the_negated_tests() {
        for negated in
            [r#"{"is_not": "a"}"#, r#"{"not_in": ["a"]}"#, r#"{"not_contains": "a"}"#, r#"{"exists": false}"#]
        {
            assert!(passes(negated, None), "{negated}");
        }
        for other in [r#"{"is": "a"}"#, r#"{"below": 5}"#, r#"{"exists": true}"#, r#"{"starts_with": "a"}"#] {
            assert!(!passes(other, None), "{other}");
        }
    }

    #[test]
    fn groups_nest_and_a_column_may_be_called_any() {
        let yaml =
            serde_json::json!({ "any": [{ "column": { "is": "a" } }, { "none": [{ "any": { "exists": true } }] }] });
        let mut names: Vec<String> = Vec::new();
        let mut column = |name: &str| {
            names.push(name.to_owned());
            names.len() - 1
        };
        let condition = Condition::parse(&Node::root("test", &yaml), &mut column).expect("a condition");
        assert_eq!(names, ["column", "any"]);
        assert!(condition.holds(&Row::of_cells(&[Some("b"), None]), DecimalMark::Point));
        assert!(!condition.holds(&Row::of_cells(&[Some("b"), Some("c")]), DecimalMark::Point));
    }
}
