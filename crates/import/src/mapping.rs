//! The mapping: a small YAML file that says what the rows of a file mean. Its keys and their checks live here; the
//! files under `mappings/` teach them by example. Applying a mapping to rows is `calls`.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use crate::condition::Condition;
use crate::json;
use crate::numbers::{Calculation, DecimalMark};
use crate::strict::{Keys, MappingError, Node, nearest};
use crate::times::{TimeFormat, TimePattern};

/// The longest mapping, in bytes. A long one has some hundred lines.
const LONGEST_MAPPING: usize = 256 * 1024;
/// The most columns one mapping can name.
const MOST_COLUMNS: usize = 1_000;
/// The deepest object that a mapping can build.
const DEEPEST_OBJECT: usize = 8;

const SHIPPED: &[(&str, &str)] = &[
    ("online-retail", include_str!("../mappings/online-retail.yaml")),
    ("cdnow", include_str!("../mappings/cdnow.yaml")),
    ("grocery", include_str!("../mappings/grocery.yaml")),
    ("segment-calls", include_str!("../mappings/segment-calls.yaml")),
];

pub(crate) const TOP_KEYS: &[&str] = &[
    "mapping",
    "title",
    "format",
    "encoding",
    "empty",
    "customer",
    "anonymous",
    "time",
    "group_by",
    "sorted",
    "refuse",
    "events",
    "identify",
    "records",
    "consent",
    "pass_through",
];
pub(crate) const FORMAT_KEYS: &[&str] = &["kind", "delimiter", "header", "columns", "quote", "decimal_mark"];
pub(crate) const TIME_KEYS: &[&str] = &["column", "value", "format", "zone"];
pub(crate) const EVENT_KEYS: &[&str] = &["event", "rule", "when", "id", "properties", "products"];
pub(crate) const VALUE_KEYS: &[&str] =
    &["column", "as", "format", "zone", "value", "calculate", "sum", "count", "object"];
pub(crate) const RECORD_KEYS: &[&str] = &["record", "record_id", "when", "attributes", "deleted_when", "left_when"];
pub(crate) const CONSENT_KEYS: &[&str] =
    &["purpose", "channel", "when", "status", "basis", "source", "text_version", "expires"];

/// Keys that people put in the wrong place, and where they belong.
const ELSEWHERE: &[(&str, &str)] = &[
    ("delimiter", "under `format`"),
    ("header", "under `format`"),
    ("kind", "under `format`"),
    ("columns", "under `format`"),
    ("decimal_mark", "under `format`"),
    ("encoding", "at the top"),
    ("group_by", "at the top"),
    ("sorted", "at the top"),
    ("customer", "at the top"),
    ("time", "at the top"),
    ("traits", "under `identify`"),
    ("attributes", "under an entry of `records`"),
    ("properties", "under an entry of `events`"),
    ("products", "under an entry of `events`"),
    ("text_version", "under an entry of `consent`"),
    ("zone", "under `time`"),
];

/// What the rows of a file mean: which column is the customer, when it happened, which calls come of it.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) yaml: Arc<str>,
    pub(crate) format: Format,
    pub(crate) encoding: Encoding,
    pub(crate) empty: Vec<String>,
    pub(crate) customer: Option<IdColumn>,
    pub(crate) anonymous: Option<IdColumn>,
    pub(crate) time: Option<TimeRule>,
    pub(crate) group_by: Vec<usize>,
    pub(crate) sorted: bool,
    pub(crate) refuse: Vec<RefuseRule>,
    pub(crate) events: Vec<EventRule>,
    pub(crate) identify: Vec<IdentifyRule>,
    pub(crate) records: Vec<RecordRule>,
    pub(crate) consents: Vec<ConsentRule>,
    pub(crate) pass_through: Option<PassThrough>,
    /// Every column that is named anywhere. All others are places in this list.
    pub(crate) columns: Vec<String>,
}

/// What the file looks like; whatever is `None` is found out from the file.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    pub(crate) kind: Option<FileKind>,
    pub(crate) delimiter: Option<Delimiter>,
    pub(crate) has_header: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) quote: bool,
    pub(crate) decimal_mark: DecimalMark,
}

impl Format {
    /// Nothing is said: everything is found out from the file.
    fn unknown() -> Format {
        Format {
            kind: None,
            delimiter: None,
            has_header: true,
            columns: Vec::new(),
            quote: true,
            decimal_mark: DecimalMark::Point,
        }
    }
}

/// The formats of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Csv,
    JsonLines,
    Parquet,
}

/// What stands between two fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// This one ASCII character.
    Character(u8),
    /// Any run of blanks and tabs; leading ones do not count.
    Whitespace,
}

/// How bytes become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8; a row that is not is refused.
    Utf8,
    /// UTF-8 where a row is that, otherwise windows-1252: exports of the last decades mix both.
    Windows1252,
}

/// A column that holds an id.
#[derive(Clone, Debug)]
pub(crate) struct IdColumn {
    pub(crate) column: usize,
    pub(crate) clean: Vec<Clean>,
}

/// A repair that an id needs because of the program that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clean {
    /// `17850.0` is `17850`: pandas and spreadsheets turn ids into numbers.
    WholeNumber,
    /// Blanks around it go.
    Trim,
    /// Lower case, for e-mail addresses that serve as ids.
    Lowercase,
}

/// When the row happened.
#[derive(Clone, Debug)]
pub(crate) enum TimeRule {
    Column {
        column: usize,
        format: TimeFormat,
    },
    /// One instant for all rows, in milliseconds since 1970: the moment of the export.
    Fixed(i64),
}

/// Rows that are not wanted, and why.
#[derive(Clone, Debug)]
pub(crate) struct RefuseRule {
    pub(crate) when: Condition,
    pub(crate) reason: String,
}

/// Rows, or groups of rows, that become an event.
#[derive(Clone, Debug)]
pub(crate) struct EventRule {
    /// Distinguishes two rules of one event in the message ids.
    pub(crate) rule: Option<String>,
    pub(crate) event: EventName,
    pub(crate) when: Condition,
    pub(crate) id: Vec<usize>,
    pub(crate) properties: Vec<(String, Value)>,
    pub(crate) products: Vec<(String, Value)>,
}

/// The name of an event.
#[derive(Clone, Debug)]
pub(crate) enum EventName {
    Fixed(String),
    Column(usize),
}

/// Rows that say something about the person.
#[derive(Clone, Debug)]
pub(crate) struct IdentifyRule {
    pub(crate) when: Condition,
    pub(crate) traits: Vec<(String, Value)>,
}

/// Rows that are, or change, a thing that the person has.
#[derive(Clone, Debug)]
pub(crate) struct RecordRule {
    pub(crate) kind: String,
    pub(crate) record_id: Vec<usize>,
    pub(crate) when: Condition,
    pub(crate) attributes: Vec<(String, Value)>,
    pub(crate) deleted_when: Option<Condition>,
    pub(crate) left_when: Option<Condition>,
}

/// Rows that give or withdraw consent, with the proof of it.
#[derive(Clone, Debug)]
pub(crate) struct ConsentRule {
    pub(crate) purpose: String,
    pub(crate) channel: Option<String>,
    pub(crate) when: Condition,
    pub(crate) status: ConsentStatus,
    pub(crate) basis: String,
    pub(crate) source: TextSource,
    pub(crate) text_version: TextSource,
    pub(crate) expires: Option<Value>,
}

/// Which cells mean yes and which mean no; an empty one says nothing, any other refuses the row.
#[derive(Clone, Debug)]
pub(crate) struct ConsentStatus {
    pub(crate) column: usize,
    pub(crate) granted: Vec<String>,
    pub(crate) withdrawn: Vec<String>,
}

/// A text that is the same for all rows, or stands in each.
#[derive(Clone, Debug)]
pub(crate) enum TextSource {
    Fixed(String),
    Column(usize),
}

/// Lines that already are calls.
#[derive(Clone, Debug)]
pub(crate) struct PassThrough {
    pub(crate) consent: PassedConsent,
}

/// What becomes of consent that is granted in lines that already are calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassedConsent {
    /// The line is refused. Withdrawals are taken.
    Refuse,
    /// The line is taken if it names `source` and `text_version`.
    WithSource,
}

/// Where the value of a property comes from.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Column {
        column: usize,
        kind: ValueKind,
    },
    /// The same for every row, as JSON text.
    Fixed(String),
    /// Worked out from the columns of one line.
    Calculate(Calculation),
    /// Added up over the lines of a group.
    Sum(Calculation),
    /// How many lines the group has.
    CountOfLines,
    Object(Vec<(String, Value)>),
}

/// What a cell has to be.
#[derive(Clone, Debug)]
pub(crate) enum ValueKind {
    /// As the file has it: text in CSV, text, number, boolean or object in JSONL and Parquet.
    AsItIs,
    Text,
    Decimal,
    Integer,
    Money,
    Boolean,
    Instant(TimeFormat),
    Date(TimeFormat),
}

impl Mapping {
    /// Reads a mapping. `origin` names the file in errors.
    ///
    /// Strict: unknown and duplicate keys are errors, and so is an id, a number or a date where a text belongs.
    pub fn parse(yaml: &str, origin: &str) -> Result<Mapping, MappingError> {
        let document = read_yaml(yaml, origin)?;
        Decoder::default().mapping(yaml, &Node::root(origin, &document))
    }

    /// A mapping that comes with Perennial; nothing if there is none of that name.
    pub fn shipped(name: &str) -> Option<Mapping> {
        let (_, yaml) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
        Some(Mapping::parse(yaml, name).expect("a test reads every shipped mapping"))
    }

    /// The names of the mappings that come with Perennial.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// The shipped mapping whose name is nearest to a mistyped one.
    pub fn nearest_shipped(name: &str) -> Option<&'static str> {
        nearest(name, &Mapping::shipped_names().collect::<Vec<_>>())
    }

    /// The name, which is part of every message id: renaming a mapping makes its rows new.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The title for people, if it has one.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The YAML text it was read from.
    pub fn yaml(&self) -> &str {
        &self.yaml
    }

    /// A mapping that asks for nothing, for looking at a file that has none yet.
    pub(crate) fn none_yet() -> Mapping {
        Mapping {
            name: String::new(),
            title: None,
            yaml: "".into(),
            format: Format::unknown(),
            encoding: Encoding::Windows1252,
            empty: Vec::new(),
            customer: None,
            anonymous: None,
            time: None,
            group_by: Vec::new(),
            sorted: false,
            refuse: Vec::new(),
            events: Vec::new(),
            identify: Vec::new(),
            records: Vec::new(),
            consents: Vec::new(),
            pass_through: None,
            columns: Vec::new(),
        }
    }

    pub(crate) fn is_grouped(&self) -> bool {
        !self.group_by.is_empty()
    }
}

fn read_yaml(yaml: &str, origin: &str) -> Result<Json, MappingError> {
    let error = |message: String| MappingError::Yaml { origin: origin.to_owned(), message };
    if yaml.len() > LONGEST_MAPPING {
        return Err(error(format!("it is longer than {LONGEST_MAPPING} bytes")));
    }
    let mut options = serde_saphyr::Options::default();
    // YAML 1.2: `yes` and `on` are text, and so is `007`.
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::Error;
    options.merge_keys = serde_saphyr::MergeKeyPolicy::Error;
    if let Some(budget) = &mut options.budget {
        // Nobody needs anchors here, and bombs are made of them.
        budget.max_aliases = 0;
        budget.max_depth = 32;
    }
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(yaml, options).map_err(|problem| error(problem.to_string()))
}

/// Reads the tree and gives each named column its place.
#[derive(Default)]
struct Decoder {
    columns: Vec<String>,
}

impl Decoder {
    fn mapping(mut self, yaml: &str, root: &Node<'_>) -> Result<Mapping, MappingError> {
        let keys = root.keys(TOP_KEYS, ELSEWHERE)?;
        let mapping = Mapping {
            name: name(&keys.get("mapping", "give it a name such as `shop-orders`")?)?,
            title: keys.find("title").map(|title| title.text().map(str::to_owned)).transpose()?,
            yaml: yaml.into(),
            format: format(&keys)?,
            encoding: match keys.find("encoding") {
                Some(node) => node.word(&[("utf-8", Encoding::Utf8), ("windows-1252", Encoding::Windows1252)])?,
                None => Encoding::Utf8,
            },
            empty: match keys.find("empty") {
                Some(node) => node.items()?.iter().map(word_for_empty).collect::<Result<_, _>>()?,
                None => Vec::new(),
            },
            customer: keys.find("customer").map(|node| self.id_column(&node)).transpose()?,
            anonymous: keys.find("anonymous").map(|node| self.id_column(&node)).transpose()?,
            time: keys.find("time").map(|node| self.time(&node)).transpose()?,
            group_by: self.find_columns(&keys, "group_by")?,
            sorted: keys.find("sorted").map(|node| node.yes_or_no()).transpose()?.unwrap_or(false),
            refuse: self.each(&keys, "refuse", Decoder::refuse_rule)?,
            events: self.each(&keys, "events", Decoder::event_rule)?,
            identify: self.each(&keys, "identify", Decoder::identify_rule)?,
            records: self.each(&keys, "records", Decoder::record_rule)?,
            consents: self.each(&keys, "consent", Decoder::consent_rule)?,
            pass_through: keys.find("pass_through").map(|node| pass_through(&node)).transpose()?,
            columns: Vec::new(),
        };
        check_the_whole(&mapping, &keys)?;
        if self.columns.len() > MOST_COLUMNS {
            return Err(root.wrong(format!("names more than {MOST_COLUMNS} columns")));
        }
        Ok(Mapping { columns: self.columns, ..mapping })
    }

    fn place(&mut self, name: &str) -> usize {
        let known = self.columns.iter().position(|column| column == name);
        known.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })
    }

    fn column(&mut self, node: &Node<'_>) -> Result<usize, MappingError> {
        Ok(self.place(node.text()?))
    }

    fn find_columns(&mut self, keys: &Keys<'_>, key: &str) -> Result<Vec<usize>, MappingError> {
        let Some(node) = keys.find(key) else {
            return Ok(Vec::new());
        };
        node.items()?.iter().map(|item| self.column(item)).collect()
    }

    fn each<T>(
        &mut self,
        keys: &Keys<'_>,
        key: &str,
        read: fn(&mut Decoder, &Node<'_>) -> Result<T, MappingError>,
    ) -> Result<Vec<T>, MappingError> {
        let Some(node) = keys.find(key) else {
            return Ok(Vec::new());
        };
        node.items()?.iter().map(|item| read(self, item)).collect()
    }

    fn when(&mut self, keys: &Keys<'_>) -> Result<Condition, MappingError> {
        Ok(self.find_condition(keys, "when")?.unwrap_or_else(Condition::always))
    }

    fn find_condition(&mut self, keys: &Keys<'_>, key: &str) -> Result<Option<Condition>, MappingError> {
        keys.find(key).map(|node| Condition::parse(&node, &mut |name| self.place(name))).transpose()
    }

    fn id_column(&mut self, node: &Node<'_>) -> Result<IdColumn, MappingError> {
        if matches!(node.value, Json::String(_)) {
            return Ok(IdColumn { column: self.column(node)?, clean: Vec::new() });
        }
        let keys = node.keys(&["column", "clean"], ELSEWHERE)?;
        let column = self.column(&keys.get("column", "name the column that holds the id")?)?;
        let words = [("whole_number", Clean::WholeNumber), ("trim", Clean::Trim), ("lowercase", Clean::Lowercase)];
        let clean = match keys.find("clean") {
            Some(clean) => clean.items()?.iter().map(|item| item.word(&words)).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(IdColumn { column, clean })
    }

    fn time(&mut self, node: &Node<'_>) -> Result<TimeRule, MappingError> {
        if matches!(node.value, Json::String(_)) {
            return Ok(TimeRule::Column { column: self.column(node)?, format: TimeFormat::iso() });
        }
        let keys = node.keys(TIME_KEYS, ELSEWHERE)?;
        let format = time_format(&keys)?;
        match (keys.find("column"), keys.find("value")) {
            (Some(column), None) => Ok(TimeRule::Column { column: self.column(&column)?, format }),
            (None, Some(value)) => match format.read(value.text()?) {
                Some(instant_ms) => Ok(TimeRule::Fixed(instant_ms)),
                None => Err(value.wrong("is no instant; write one such as 2026-03-01T00:00:00Z")),
            },
            _ => Err(node.wrong("needs either `column` or `value`")),
        }
    }

    fn refuse_rule(&mut self, node: &Node<'_>) -> Result<RefuseRule, MappingError> {
        let keys = node.keys(&["when", "reason"], ELSEWHERE)?;
        keys.get("when", "say which rows are refused")?;
        let reason = keys.get("reason", "say why, in a few words")?.text()?.to_owned();
        Ok(RefuseRule { when: self.when(&keys)?, reason })
    }

    fn event_rule(&mut self, node: &Node<'_>) -> Result<EventRule, MappingError> {
        let keys = node.keys(EVENT_KEYS, ELSEWHERE)?;
        let event = self.event_name(&keys.get("event", "name the event, such as `Order Completed`")?)?;
        Ok(EventRule {
            rule: keys.find("rule").map(|rule| name(&rule)).transpose()?,
            event,
            when: self.when(&keys)?,
            id: self.find_columns(&keys, "id")?,
            properties: self.values(&keys, "properties", Lines::Many)?,
            products: self.values(&keys, "products", Lines::One)?,
        })
    }

    fn event_name(&mut self, node: &Node<'_>) -> Result<EventName, MappingError> {
        if matches!(node.value, Json::Object(_)) {
            let keys = node.keys(&["column"], ELSEWHERE)?;
            return Ok(EventName::Column(self.column(&keys.get("column", "name the column that holds the name")?)?));
        }
        let event = node.text()?;
        if event == "Consent Changed" {
            return Err(node.wrong("consent is set by the `consent` block alone, which asks for its source"));
        }
        Ok(EventName::Fixed(event.to_owned()))
    }

    fn identify_rule(&mut self, node: &Node<'_>) -> Result<IdentifyRule, MappingError> {
        let keys = node.keys(&["when", "traits"], ELSEWHERE)?;
        keys.get("traits", "say what becomes of the columns, such as `email: E-mail`")?;
        Ok(IdentifyRule { when: self.when(&keys)?, traits: self.values(&keys, "traits", Lines::One)? })
    }

    fn record_rule(&mut self, node: &Node<'_>) -> Result<RecordRule, MappingError> {
        let keys = node.keys(RECORD_KEYS, ELSEWHERE)?;
        let kind = keys.get("record", "name the kind, such as `pass`")?.text()?.to_owned();
        keys.get("record_id", "name the column that tells one of them from another")?;
        Ok(RecordRule {
            kind,
            record_id: self.find_columns(&keys, "record_id")?,
            when: self.when(&keys)?,
            attributes: self.values(&keys, "attributes", Lines::One)?,
            deleted_when: self.find_condition(&keys, "deleted_when")?,
            left_when: self.find_condition(&keys, "left_when")?,
        })
    }

    fn consent_rule(&mut self, node: &Node<'_>) -> Result<ConsentRule, MappingError> {
        let keys = node.keys(CONSENT_KEYS, ELSEWHERE)?;
        let source = keys.get("source", "say where the consent was given, such as `checkout of the old shop`")?;
        let text_version = keys.get("text_version", "say which wording people agreed to, such as \"2024-05\"")?;
        Ok(ConsentRule {
            purpose: keys.get("purpose", "name the purpose, such as `news`")?.text()?.to_owned(),
            channel: keys.find("channel").map(|channel| channel.text().map(str::to_owned)).transpose()?,
            when: self.when(&keys)?,
            status: self.consent_status(&keys.get("status", "name the column, and which words mean yes and no")?)?,
            basis: match keys.find("basis") {
                Some(basis) => basis.word(&[("express", "express"), ("implied", "implied")])?.to_owned(),
                None => "express".to_owned(),
            },
            source: self.text_source(&source)?,
            text_version: self.text_source(&text_version)?,
            expires: keys.find("expires").map(|expires| self.value(&expires, Lines::One, 0)).transpose()?,
        })
    }

    fn consent_status(&mut self, node: &Node<'_>) -> Result<ConsentStatus, MappingError> {
        let keys = node.keys(&["column", "granted", "withdrawn"], ELSEWHERE)?;
        let words = |key: &str| -> Result<Vec<String>, MappingError> {
            let Some(node) = keys.find(key) else {
                return Ok(Vec::new());
            };
            node.items()?.iter().map(|item| item.text().map(str::to_owned)).collect()
        };
        let (granted, withdrawn) = (words("granted")?, words("withdrawn")?);
        if granted.is_empty() && withdrawn.is_empty() {
            return Err(node.wrong("needs `granted` or `withdrawn`: the words that mean yes and no"));
        }
        if let Some(both) = granted.iter().find(|word| withdrawn.contains(word)) {
            return Err(node.wrong(format!("`{both}` cannot mean granted and withdrawn")));
        }
        Ok(ConsentStatus { column: self.column(&keys.get("column", "name the column")?)?, granted, withdrawn })
    }

    fn text_source(&mut self, node: &Node<'_>) -> Result<TextSource, MappingError> {
        if matches!(node.value, Json::Object(_)) {
            let keys = node.keys(&["column"], ELSEWHERE)?;
            return Ok(TextSource::Column(self.column(&keys.get("column", "name the column")?)?));
        }
        Ok(TextSource::Fixed(node.text()?.to_owned()))
    }

    fn values(&mut self, keys: &Keys<'_>, key: &str, lines: Lines) -> Result<Vec<(String, Value)>, MappingError> {
        let Some(node) = keys.find(key) else {
            return Ok(Vec::new());
        };
        self.named_values(&node, lines, 0)
    }

    fn named_values(
        &mut self,
        node: &Node<'_>,
        lines: Lines,
        depth: usize,
    ) -> Result<Vec<(String, Value)>, MappingError> {
        let mut values = Vec::new();
        for (name, value) in node.entries()? {
            values.push((name.to_owned(), self.value(&value, lines, depth)?));
        }
        if values.is_empty() {
            return Err(node.wrong("is empty; leave it out instead"));
        }
        Ok(values)
    }

    fn value(&mut self, node: &Node<'_>, lines: Lines, depth: usize) -> Result<Value, MappingError> {
        if matches!(node.value, Json::String(_)) {
            return Ok(Value::Column { column: self.column(node)?, kind: ValueKind::AsItIs });
        }
        let keys = node.keys(VALUE_KEYS, ELSEWHERE)?;
        let sources = ["column", "value", "calculate", "sum", "count", "object"];
        let named: Vec<&str> = sources.into_iter().filter(|key| keys.find(key).is_some()).collect();
        let [source] = named[..] else {
            return Err(node.wrong("needs exactly one of `column`, `value`, `calculate`, `sum`, `count`, `object`"));
        };
        if source != "column" && ["as", "format", "zone"].iter().any(|key| keys.find(key).is_some()) {
            return Err(node.wrong(format!("`as`, `format` and `zone` go with `column`, not with `{source}`")));
        }
        if lines == Lines::One && matches!(source, "sum" | "count") {
            return Err(
                node.wrong(format!("`{source}` runs over the lines of an order; here it is one line: `calculate`"))
            );
        }
        let of = keys.get(source, "")?;
        match source {
            "column" => Ok(Value::Column { column: self.column(&of)?, kind: value_kind(&keys)? }),
            "value" => fixed_value(&of),
            "calculate" => Ok(Value::Calculate(self.calculation(&of)?)),
            "sum" => Ok(Value::Sum(self.calculation(&of)?)),
            "count" => of.word(&[("lines", Value::CountOfLines)]),
            _ if depth >= DEEPEST_OBJECT => Err(of.wrong(format!("is nested deeper than {DEEPEST_OBJECT}"))),
            _ => Ok(Value::Object(self.named_values(&of, Lines::One, depth + 1)?)),
        }
    }

    fn calculation(&mut self, node: &Node<'_>) -> Result<Calculation, MappingError> {
        let text = node.text()?;
        Calculation::parse(text, &mut |name| self.place(name))
            .map_err(|problem| node.wrong(format!("`{}` {problem}", text.chars().take(60).collect::<String>())))
    }
}

/// Whether a value can run over the lines of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    One,
    Many,
}

/// A name that stands in message ids: letters, digits, `-`, `_`.
fn name(node: &Node<'_>) -> Result<String, MappingError> {
    let text = node.text()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_plain || text.len() > 64 {
        return Err(
            node.wrong("may have letters, digits, `-` and `_`, at most 64; it becomes part of every message id")
        );
    }
    Ok(text.to_owned())
}

/// A word that counts as empty: `NULL`, `n/a`; `-`.
fn word_for_empty(node: &Node<'_>) -> Result<String, MappingError> {
    match node.value {
        Json::String(text) => Ok(text.clone()),
        _ => Err(node.wrong("is no text; write it in quotes")),
    }
}

fn format(top: &Keys<'_>) -> Result<Format, MappingError> {
    let mut format = Format::unknown();
    let Some(node) = top.find("format") else {
        return Ok(format);
    };
    let keys = node.keys(FORMAT_KEYS, ELSEWHERE)?;
    if let Some(kind) = keys.find("kind") {
        let kinds = [("csv", FileKind::Csv), ("jsonl", FileKind::JsonLines), ("parquet", FileKind::Parquet)];
        format.kind = Some(kind.word(&kinds)?);
    }
    if let Some(delimiter) = keys.find("delimiter") {
        format.delimiter = Some(read_delimiter(&delimiter)?);
    }
    if let Some(columns) = keys.find("columns") {
        for item in columns.items()? {
            let column = item.text()?.to_owned();
            if format.columns.contains(&column) {
                return Err(item.wrong(format!("names the column `{column}` a second time")));
            }
            format.columns.push(column);
        }
        // Who names the columns has a file that does not.
        format.has_header = false;
    }
    if let Some(header) = keys.find("header") {
        format.has_header = header.yes_or_no()?;
        if !format.has_header && format.columns.is_empty() {
            return Err(node.missing("columns", "a file without a header needs the names of its columns, in order"));
        }
    }
    if let Some(quote) = keys.find("quote") {
        format.quote = quote.yes_or_no()?;
    }
    if let Some(mark) = keys.find("decimal_mark") {
        format.decimal_mark = mark.word(&[(".", DecimalMark::Point), (",", DecimalMark::Comma)])?;
    }
    Ok(format)
}

fn read_delimiter(node: &Node<'_>) -> Result<Delimiter, MappingError> {
    match (node.text()?, node.text()?.as_bytes()) {
        ("tab", _) => Ok(Delimiter::Character(b'\t')),
        ("whitespace", _) => Ok(Delimiter::Whitespace),
        (_, [byte])
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) =>
        {
            Ok(Delimiter::Character(*byte))
        }
        _ => Err(node.wrong("is no delimiter; write one character such as \",\" or \";\", or tab, or whitespace")),
    }
}

fn time_format(keys: &Keys<'_>) -> Result<TimeFormat, MappingError> {
    let zone = match keys.find("zone") {
        Some(node) => TimeZone::get(node.text()?)
            .map_err(|_| node.wrong("is no time zone; write a name such as UTC or Europe/Berlin"))?,
        None => TimeZone::UTC,
    };
    let pattern = match keys.find("format") {
        None => TimePattern::Iso,
        Some(node) => match node.text()? {
            "iso" => TimePattern::Iso,
            "unix_seconds" => TimePattern::UnixSeconds,
            "unix_milliseconds" => TimePattern::UnixMilliseconds,
            pattern if pattern.contains('%') => TimePattern::Pattern(pattern.to_owned()),
            _ => {
                let words = "iso, unix_seconds, unix_milliseconds or a pattern such as \"%d/%m/%Y %H:%M\"";
                return Err(node.wrong(format!("is no format of a time; write {words}")));
            }
        },
    };
    Ok(TimeFormat { pattern, zone })
}

fn value_kind(keys: &Keys<'_>) -> Result<ValueKind, MappingError> {
    let Some(node) = keys.find("as") else {
        return match keys.find("format").or_else(|| keys.find("zone")) {
            Some(stray) => Err(stray.wrong("goes with `as: instant` or `as: date`")),
            None => Ok(ValueKind::AsItIs),
        };
    };
    let time = time_format(keys)?;
    let kind = node.word(&[
        ("text", ValueKind::Text),
        ("decimal", ValueKind::Decimal),
        ("integer", ValueKind::Integer),
        ("money", ValueKind::Money),
        ("boolean", ValueKind::Boolean),
        ("instant", ValueKind::Instant(time.clone())),
        ("date", ValueKind::Date(time)),
    ])?;
    let has_format = keys.find("format").is_some() || keys.find("zone").is_some();
    if has_format && !matches!(kind, ValueKind::Instant(_) | ValueKind::Date(_)) {
        return Err(keys.node().wrong("`format` and `zone` go with `as: instant` or `as: date`"));
    }
    Ok(kind)
}

fn fixed_value(node: &Node<'_>) -> Result<Value, MappingError> {
    let mut text = String::new();
    match node.value {
        Json::String(value) => json::push_text(&mut text, value),
        Json::Bool(value) => text.push_str(&value.to_string()),
        Json::Number(value) => text.push_str(&value.to_string()),
        _ => return Err(node.wrong("is no text, number, true or false")),
    }
    Ok(Value::Fixed(text))
}

fn pass_through(node: &Node<'_>) -> Result<PassThrough, MappingError> {
    let keys = node.keys(&["consent"], ELSEWHERE)?;
    let words = [("refuse", PassedConsent::Refuse), ("with_source", PassedConsent::WithSource)];
    let consent = match keys.find("consent") {
        Some(consent) => consent.word(&words)?,
        None => PassedConsent::Refuse,
    };
    Ok(PassThrough { consent })
}

/// The rules that concern several keys at once.
fn check_the_whole(mapping: &Mapping, keys: &Keys<'_>) -> Result<(), MappingError> {
    let top = keys.node();
    if mapping.pass_through.is_some() {
        let others =
            ["customer", "anonymous", "time", "group_by", "refuse", "events", "identify", "records", "consent"];
        return match others.iter().find_map(|key| keys.find(key)) {
            Some(other) => Err(other.wrong("does not go with `pass_through`: those lines already are calls")),
            None => Ok(()),
        };
    }
    let calls = mapping.events.len() + mapping.identify.len() + mapping.records.len() + mapping.consents.len();
    if calls == 0 {
        return Err(top.missing("events", "say what the rows become: `events`, `identify`, `records` or `consent`"));
    }
    if mapping.customer.is_none() && mapping.anonymous.is_none() {
        return Err(top.missing("customer", "name the column that holds the customer's id"));
    }
    if mapping.time.is_none() {
        let hint = "name the column, or give one instant for all rows: `{ value: 2026-03-01T00:00:00Z }`";
        return Err(top.missing("time", hint));
    }
    if mapping.sorted && !mapping.is_grouped() {
        return Err(top.missing("group_by", "`sorted` says that the lines of a group stand together"));
    }
    if mapping.is_grouped() && mapping.events.iter().any(|event| !event.id.is_empty()) {
        return Err(top.wrong("`id` does not go with `group_by`: a group is known by the columns it is grouped by"));
    }
    let mut known: Vec<String> = Vec::new();
    for event in &mapping.events {
        let id_name = event.id_name("");
        if known.contains(&id_name) {
            return Err(
                top.wrong(format!("two `events` share the name `{id_name}`; give one of them a `rule` of its own"))
            );
        }
        known.push(id_name);
    }
    Ok(())
}

impl EventRule {
    /// What stands for the rule in message ids; `event` is the name where a column holds it.
    pub(crate) fn id_name(&self, event: &str) -> String {
        match (&self.rule, &self.event) {
            (Some(rule), _) => rule.clone(),
            (None, EventName::Fixed(event)) => id_word(event),
            (None, EventName::Column(_)) => id_word(event),
        }
    }
}

/// `Order Completed` as `order-completed`.
fn id_word(event: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }
    };
    event.chars().map(plain).collect()
}
