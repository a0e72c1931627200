//! Tests on a value: the operators of a segment, and paths into traits and properties.
//! What they mean at an instant is decided in the engine; here stands what was asked.

use crate::shape::{Fields, ShapeError, kind_of, list, refuse, span, text, unknown};
use crate::time::{Span, Zone};
use rust_decimal::Decimal;
use serde_json::Value;
use std::fmt;

/// A path into a JSON object: `address.city`, `["value with spaces"].x`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    text: String,
    /// Empty when the path is malformed: such a condition is false whatever its sense.
    keys: Vec<String>,
}

impl Path {
    /// Reads a path. A malformed one is kept: it finds nothing and says so by `is_malformed`.
    pub fn new(text: &str) -> Path {
        Path { text: text.to_owned(), keys: split(text).unwrap_or_default() }
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it can never find anything.
    pub fn is_malformed(&self) -> bool {
        self.keys.is_empty()
    }

    /// The first key.
    pub fn first(&self) -> Option<&str> {
        self.keys.first().map(String::as_str)
    }

    /// The keys after the first.
    pub fn rest(&self) -> &[String] {
        self.keys.get(1..).unwrap_or(&[])
    }

    /// The value the path leads to.
    pub fn find<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        if self.keys.is_empty() {
            return None;
        }
        find_keys(object, &self.keys)
    }

    /// The path without a leading key, such as `properties` in `properties.revenue`.
    pub fn without_prefix(&self, key: &str) -> Path {
        match self.keys.split_first() {
            Some((first, rest)) if first == key && !rest.is_empty() => {
                Path { text: self.text.clone(), keys: rest.to_vec() }
            }
            _ => self.clone(),
        }
    }
}

/// Walks keys through nested objects.
pub fn find_keys<'a>(object: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(object, |value, key| value.as_object()?.get(key))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a character may stand in a key without brackets: letters and digits of all languages, and what names of
/// traits and properties are usually made of (`utm_source`, `$browser`, `@type`, `og:title`).
fn stands_alone(character: char) -> bool {
    character.is_alphanumeric() || "_-$@:".contains(character)
}

fn split(text: &str) -> Option<Vec<String>> {
    if text.is_empty() || text.len() > 512 {
        return None;
    }
    let mut keys = Vec::new();
    let mut rest = text;
    loop {
        if let Some(inner) = rest.strip_prefix("[\"") {
            let end = inner.find("\"]")?;
            if end == 0 {
                return None;
            }
            keys.push(inner[..end].to_owned());
            rest = &inner[end + 2..];
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let key = &rest[..end];
            if key.is_empty() || !key.chars().all(stands_alone) {
                return None;
            }
            keys.push(key.to_owned());
            rest = &rest[end..];
        }
        if rest.is_empty() {
            return Some(keys);
        }
        if let Some(after) = rest.strip_prefix('.') {
            if after.is_empty() {
                return None;
            }
            rest = after;
        } else if !rest.starts_with("[\"") {
            return None;
        }
    }
}

/// A single value as comparisons see it: text that is a JSON number is that number,
/// `"true"` and `"false"` are truth values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum Scalar {
    /// An exact decimal.
    Number(#[serde(with = "decimal_bytes")] Decimal),
    /// True or false.
    Bool(bool),
    /// Any other text, compared code point by code point.
    Text(String),
}

impl Scalar {
    /// The scalar of a JSON value; none for missing ones, lists and maps.
    pub fn of(value: &Value) -> Option<Scalar> {
        match value {
            Value::Bool(flag) => Some(Scalar::Bool(*flag)),
            Value::Number(number) => Some(match decimal(&number.to_string()) {
                Some(decimal) => Scalar::Number(decimal),
                None => Scalar::Text(number.to_string()),
            }),
            Value::String(text) => match text.as_str() {
                "" => None,
                "true" => Some(Scalar::Bool(true)),
                "false" => Some(Scalar::Bool(false)),
                other => Some(match decimal(other) {
                    Some(decimal) => Scalar::Number(decimal),
                    None => Scalar::Text(other.to_owned()),
                }),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The exact number of a JSON value: a number, or text that is a JSON number.
pub fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => decimal(&number.to_string()),
        Value::String(text) => decimal(text),
        _ => None,
    }
}

/// Reads exactly what JSON calls a number: no `+`, no leading zeros, no bare point.
pub fn decimal(text: &str) -> Option<Decimal> {
    let bytes = text.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let json_start = match unsigned {
        [b'0'] => true,
        [b'0', next, ..] => matches!(next, b'.' | b'e' | b'E'),
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    if !json_start || bytes.len() > 64 {
        return None;
    }
    let json_rest = unsigned.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !json_rest || unsigned.last().is_some_and(|b| !b.is_ascii_digit()) {
        return None;
    }
    let point = unsigned.iter().position(|b| *b == b'.');
    if point.is_some_and(|at| !unsigned.get(at + 1).is_some_and(u8::is_ascii_digit)) {
        return None;
    }
    if unsigned.iter().any(|b| matches!(b, b'e' | b'E')) {
        Decimal::from_scientific(text).ok()
    } else {
        Decimal::from_str_exact(text).ok()
    }
    .map(|decimal| decimal.normalize())
}

/// An instant in a test: fixed, a date, or relative to the instant asked about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum When {
    /// RFC 3339, a local date-time or a date, read in the test's zone.
    Written(String),
    /// `now`, `now+3d`, `now-3d`.
    Now(Span),
}

/// An operator with its value. One per test.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the words of the spec's table, named alike")]
pub enum Operator {
    Is(Option<Scalar>),
    IsNot(Option<Scalar>),
    In(Vec<Scalar>),
    NotIn(Vec<Scalar>),
    Exists(bool),
    Above(Decimal),
    AtLeast(Decimal),
    Below(Decimal),
    AtMost(Decimal),
    Between(Decimal, Decimal),
    Contains(String),
    NotContains(String),
    StartsWith(String),
    EndsWith(String),
    /// Rust `regex` syntax, finds anywhere; compiled size at most 1 MB.
    Matches(String),
    Includes(Scalar),
    NotIncludes(Scalar),
    Before(When),
    After(When),
    WithinPast(Span),
    WithinNext(Span),
    /// Local calendar day relative to today.
    OnDay(i32),
    /// Month and day on one of the local calendar days from today to so many days later.
    Anniversary(u32),
    /// Has been this value in an unbroken run for so long, or not yet for so long.
    HeldFor(Scalar, HeldFor),
}

/// How long a value has been held. At exactly that long `AtLeast` is true, `LessThan` false.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HeldFor {
    /// So long or longer.
    AtLeast(Span),
    /// Not yet so long.
    LessThan(Span),
}

impl HeldFor {
    /// The length of time asked about.
    pub fn span(self) -> Span {
        match self {
            HeldFor::AtLeast(span) | HeldFor::LessThan(span) => span,
        }
    }
}

impl Operator {
    /// Whether the answer can change by time alone.
    pub fn depends_on_now(&self) -> bool {
        match self {
            Operator::Before(when) | Operator::After(when) => matches!(when, When::Now(_)),
            Operator::WithinPast(_)
            | Operator::WithinNext(_)
            | Operator::OnDay(_)
            | Operator::Anniversary(_)
            | Operator::HeldFor(..) => true,
            _ => false,
        }
    }
}

/// One operator, with its zone and case rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Test {
    /// What is asked.
    pub operator: Operator,
    /// Text is compared without regard to case.
    pub ignore_case: bool,
    /// The zone of this test, where it names one.
    pub zone: Option<Zone>,
}

/// Tests on properties, attributes or the elements of a list.
#[derive(Clone, PartialEq, Debug)]
pub enum Tests {
    /// All hold.
    All(Vec<Tests>),
    /// One holds.
    Any(Vec<Tests>),
    /// None holds.
    None(Vec<Tests>),
    /// The value at the path passes.
    At(Path, Test),
    /// Elements of the list at the path pass, each tested as one.
    Elements(Path, Quantifier, Box<Tests>),
}

/// How many elements of a list, or records of a customer, must pass.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// All, and at least one.
    Every,
    /// None.
    NoOne,
}

impl Tests {
    /// Whether the answer can change by time alone.
    pub fn depends_on_now(&self) -> bool {
        match self {
            Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => inner.iter().any(Tests::depends_on_now),
            Tests::At(_, test) => test.operator.depends_on_now(),
            Tests::Elements(_, _, inner) => inner.depends_on_now(),
        }
    }

    /// Calls `visit` with every path and the test on it.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Path, &'a Test)) {
        match self {
            Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => {
                inner.iter().for_each(|tests| tests.walk(visit));
            }
            Tests::At(path, test) => visit(path, test),
            Tests::Elements(_, _, inner) => inner.walk(visit),
        }
    }

    /// Number of tests on values, for their limit.
    pub fn size(&self) -> usize {
        match self {
            Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => inner.iter().map(Tests::size).sum(),
            Tests::At(..) => 1,
            Tests::Elements(_, _, inner) => 1 + inner.size(),
        }
    }
}

/// Compiles a pattern of `matches` within its limit.
pub fn pattern(source: &str, ignore_case: bool) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(source)
        .size_limit(1 << 20)
        .nest_limit(100)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|error| format!("the pattern cannot be used: {}", error.to_string().lines().last().unwrap_or("")))
}

/// The words of which a test bears exactly one.
pub const OPERATORS: &[&str] = &[
    "is",
    "is_not",
    "in",
    "not_in",
    "exists",
    "above",
    "at_least",
    "below",
    "at_most",
    "between",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "includes",
    "not_includes",
    "before",
    "after",
    "within_past",
    "within_next",
    "on_day",
    "anniversary",
    "held_for",
];

/// Operators that compare text, so that `ignore_case` says something beside them.
pub const TEXTUAL: &[&str] = &[
    "is",
    "is_not",
    "in",
    "not_in",
    "contains",
    "not_contains",
    "starts_with",
    "ends_with",
    "matches",
    "includes",
    "not_includes",
];

/// Whether what is tested keeps its past: only then one can ask how long a value has been held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Past {
    Kept,
    Unknown,
}

/// Reads the one operator among fields that may hold others beside it.
pub fn read_test(fields: &Fields<'_>) -> Result<Test, ShapeError> {
    read_test_of(fields, Past::Unknown)
}

fn read_test_of(fields: &Fields<'_>, past: Past) -> Result<Test, ShapeError> {
    let mut found = None;
    for word in OPERATORS {
        if fields.has(word) {
            if let Some(other) = found {
                return refuse(fields.path(), format!("one operator per test, found `{other}` and `{word}`"));
            }
            found = Some(*word);
        }
    }
    let Some(word) = found else {
        let stranger = fields.keys().find(|key| !matches!(*key, "trait" | "score" | "zone" | "ignore_case"));
        return match stranger {
            Some(key) => {
                let known = OPERATORS.iter().copied().chain(["any", "every", "no_one"]);
                refuse(fields.path(), unknown("operator", key, known))
            }
            None => refuse(fields.path(), "an operator is missing, such as `is`, `above` or `exists`"),
        };
    };
    let value = fields.get_raw(word).expect("the key was just seen");
    if word == "held_for" && past == Past::Unknown {
        return refuse(&fields.at(word), "`held_for` can be asked of traits and of attributes of records only");
    }
    let ignore_case = fields.flag("ignore_case")?;
    let operator = read_operator(word, value, &fields.at(word))?;
    if let Operator::Matches(source) = &operator {
        pattern(source, ignore_case.unwrap_or(false)).or_else(|message| refuse(&fields.at(word), message))?;
    }
    if ignore_case.is_some() && !TEXTUAL.contains(&word) {
        return refuse(&fields.at("ignore_case"), format!("`ignore_case` says nothing beside `{word}`"));
    }
    Ok(Test { operator, ignore_case: ignore_case.unwrap_or(false), zone: read_zone(fields)? })
}

/// Reads `zone:`.
pub fn read_zone(fields: &Fields<'_>) -> Result<Option<Zone>, ShapeError> {
    match fields.text("zone")? {
        None => Ok(None),
        Some(name) => match Zone::find(name) {
            Some(zone) => Ok(Some(zone)),
            None => refuse(&fields.at("zone"), format!("`{name}` is no IANA zone such as Europe/Berlin")),
        },
    }
}

fn read_operator(word: &str, value: &Value, path: &str) -> Result<Operator, ShapeError> {
    Ok(match word {
        "is" => Operator::Is(operand(value, path)?),
        "is_not" => Operator::IsNot(operand(value, path)?),
        "in" => Operator::In(scalars(value, path)?),
        "not_in" => Operator::NotIn(scalars(value, path)?),
        "exists" => match value {
            Value::Bool(flag) => Operator::Exists(*flag),
            other => return refuse(path, format!("expected true or false, found {}", kind_of(other))),
        },
        "above" => Operator::Above(amount(value, path)?),
        "at_least" => Operator::AtLeast(amount(value, path)?),
        "below" => Operator::Below(amount(value, path)?),
        "at_most" => Operator::AtMost(amount(value, path)?),
        "between" => match list(value, path)? {
            [low, high] => {
                let (low, high) = (amount(low, path)?, amount(high, path)?);
                if low > high {
                    return refuse(path, format!("{low} is above {high}: nothing can lie between"));
                }
                Operator::Between(low, high)
            }
            _ => return refuse(path, "expected two numbers, such as [10, 20]"),
        },
        "contains" => Operator::Contains(words(value, path)?),
        "not_contains" => Operator::NotContains(words(value, path)?),
        "starts_with" => Operator::StartsWith(words(value, path)?),
        "ends_with" => Operator::EndsWith(words(value, path)?),
        "matches" => Operator::Matches(text(value, path)?.to_owned()),
        "includes" => Operator::Includes(scalar(value, path)?),
        "not_includes" => Operator::NotIncludes(scalar(value, path)?),
        "before" => Operator::Before(when(value, path)?),
        "after" => Operator::After(when(value, path)?),
        "within_past" => Operator::WithinPast(span(value, path)?),
        "within_next" => Operator::WithinNext(span(value, path)?),
        "on_day" => Operator::OnDay(day(value, path)?),
        "anniversary" => Operator::Anniversary(anniversary(value, path)?),
        "held_for" => held_for(value, path)?,
        _ => return refuse(path, unknown("operator", word, OPERATORS.iter().copied())),
    })
}

fn operand(value: &Value, path: &str) -> Result<Option<Scalar>, ShapeError> {
    match value {
        // `is: null` and `is: ""` can be asked, and hold of nothing.
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        other => scalar(other, path).map(Some),
    }
}

fn scalar(value: &Value, path: &str) -> Result<Scalar, ShapeError> {
    match Scalar::of(value) {
        Some(scalar) => Ok(scalar),
        None => refuse(path, format!("expected text, a number, true or false, found {}", kind_of(value))),
    }
}

fn scalars(value: &Value, path: &str) -> Result<Vec<Scalar>, ShapeError> {
    list(value, path)?.iter().map(|item| scalar(item, path)).collect()
}

fn amount(value: &Value, path: &str) -> Result<Decimal, ShapeError> {
    match number(value) {
        Some(number) => Ok(number),
        None => refuse(path, format!("expected a number, found {}", kind_of(value))),
    }
}

fn words(value: &Value, path: &str) -> Result<String, ShapeError> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(_) => refuse(path, "the text is empty; ask `exists: true` for any text at all"),
        other => refuse(path, format!("expected text, found {}", kind_of(other))),
    }
}

/// An instant as an edge: written, or from now.
pub(crate) fn when(value: &Value, path: &str) -> Result<When, ShapeError> {
    let text = text(value, path)?;
    if let Some(rest) = text.strip_prefix("now") {
        let shift = match rest.split_at_checked(1) {
            None => Span(0),
            Some(("+", span)) => Span::parse(span).or_else(|message| refuse(path, message))?,
            Some(("-", span)) => Span(-Span::parse(span).or_else(|message| refuse(path, message))?.0),
            Some(_) => return refuse(path, format!("`{text}` is no instant: write now, now+3d or now-3d")),
        };
        return Ok(When::Now(shift));
    }
    match crate::time::Timestamp::parse_in(text, &Zone::utc()) {
        Some(_) => Ok(When::Written(text.to_owned())),
        None => refuse(path, format!("`{text}` is no instant: write 2026-01-31T09:00:00Z, a date, or now-3d")),
    }
}

fn day(value: &Value, path: &str) -> Result<i32, ShapeError> {
    let text = text(value, path)?;
    let days = match text {
        "today" => Some(0),
        "yesterday" => Some(-1),
        "tomorrow" => Some(1),
        other => other
            .strip_suffix('d')
            .filter(|number| number.starts_with(['+', '-']))
            .and_then(|number| number.parse::<i32>().ok())
            .filter(|days| days.abs() <= 36_525),
    };
    match days {
        Some(days) => Ok(days),
        None => refuse(path, format!("`{text}` is no day: write today, yesterday, tomorrow, +3d or -7d")),
    }
}

/// The last of the calendar days on which an anniversary may fall, today being 0.
fn anniversary(value: &Value, path: &str) -> Result<u32, ShapeError> {
    if let Value::String(word) = value {
        return if word == "today" {
            Ok(0)
        } else {
            refuse(path, format!("`{word}` is no anniversary: write `today` or `{{ within_next: 3d }}`"))
        };
    }
    let fields = Fields::of(value, path)?;
    let at = fields.at("within_next");
    let span = span(fields.require("within_next")?, &at)?;
    fields.finish()?;
    match (span.0 % Span::DAY.0, u32::try_from(span.0 / Span::DAY.0)) {
        (0, Ok(days)) => Ok(days),
        _ => refuse(&at, "whole days, such as 3d or 2w: anniversaries are calendar days"),
    }
}

fn held_for(value: &Value, path: &str) -> Result<Operator, ShapeError> {
    let fields = Fields::of(value, path)?;
    let held = scalar(fields.require("value")?, &fields.at("value"))?;
    let asked = match (fields.span("at_least")?, fields.span("less_than")?) {
        (Some(span), None) => HeldFor::AtLeast(span),
        (None, Some(span)) => HeldFor::LessThan(span),
        _ => return refuse(path, "write either `at_least` or `less_than`"),
    };
    fields.finish()?;
    Ok(Operator::HeldFor(held, asked))
}

/// Reads what stands beside `trait: path`: one operator, or `any`, `every` or `no_one` of the elements of a list.
pub fn read_trait_tests(path: Path, fields: &Fields<'_>) -> Result<Tests, ShapeError> {
    read_value_tests(path, fields, 1, Past::Kept)
}

/// Reads a block of tests on the attributes of a record.
pub fn read_record_tests(value: &Value, path: &str) -> Result<Tests, ShapeError> {
    read_tests_of(value, path, 1, Past::Kept)
}

/// Reads a block of tests: a map of paths (all hold), a list of maps, or `any` / `all` / `none` of such.
pub fn read_tests(value: &Value, path: &str, depth: usize) -> Result<Tests, ShapeError> {
    read_tests_of(value, path, depth, Past::Unknown)
}

fn read_tests_of(value: &Value, path: &str, depth: usize, past: Past) -> Result<Tests, ShapeError> {
    if depth > crate::segment::DEPTH_LIMIT {
        return refuse(path, format!("nested deeper than {} levels", crate::segment::DEPTH_LIMIT));
    }
    match value {
        Value::Array(_) => Ok(Tests::All(read_tests_list(value, path, depth, past)?)),
        Value::Object(map) => {
            if map.is_empty() {
                return refuse(path, "no test is given");
            }
            let mut all = Vec::new();
            for (key, inner) in map {
                let at = crate::shape::join(path, key);
                all.push(match key.as_str() {
                    "all" if inner.is_array() => Tests::All(read_tests_list(inner, &at, depth, past)?),
                    "any" if inner.is_array() => Tests::Any(read_tests_list(inner, &at, depth, past)?),
                    "none" if inner.is_array() => Tests::None(read_tests_list(inner, &at, depth, past)?),
                    _ => read_path_test(Path::new(key), inner, &at, depth, past)?,
                });
            }
            Ok(if all.len() == 1 { all.remove(0) } else { Tests::All(all) })
        }
        other => refuse(path, format!("expected a map of properties to tests, found {}", kind_of(other))),
    }
}

fn read_tests_list(value: &Value, path: &str, depth: usize, past: Past) -> Result<Vec<Tests>, ShapeError> {
    list(value, path)?
        .iter()
        .enumerate()
        .map(|(i, item)| read_tests_of(item, &format!("{path}[{i}]"), depth + 1, past))
        .collect()
}

fn read_path_test(at_path: Path, value: &Value, path: &str, depth: usize, past: Past) -> Result<Tests, ShapeError> {
    let fields = match value {
        Value::Object(_) => Fields::of(value, path)?,
        other => {
            return refuse(path, format!("expected a test such as {{ is: … }}, found {}", kind_of(other)));
        }
    };
    let tests = read_value_tests(at_path, &fields, depth, past)?;
    fields.finish()?;
    Ok(tests)
}

fn read_value_tests(at_path: Path, fields: &Fields<'_>, depth: usize, past: Past) -> Result<Tests, ShapeError> {
    for (word, quantifier) in [("any", Quantifier::Any), ("every", Quantifier::Every), ("no_one", Quantifier::NoOne)] {
        if let Some(inner) = fields.get(word) {
            let tests = read_tests_of(inner, &fields.at(word), depth + 1, Past::Unknown)?;
            return Ok(Tests::Elements(at_path, quantifier, Box::new(tests)));
        }
    }
    Ok(Tests::At(at_path, read_test_of(fields, past)?))
}

/// For `#[serde(with = …)]` on decimals that are kept for later, not shown: their sixteen bytes.
mod decimal_bytes {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        <[u8; 16]>::deserialize(deserializer).map(Decimal::deserialize)
    }
}
