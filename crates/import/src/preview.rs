//! Looks at files before anything is imported: the columns, the first calls, and a mapping to begin with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::calls::Call;
use crate::csv::CsvRows;
use crate::json_lines::{JsonRows, read_object};
use crate::mapping::{Delimiter, FileKind, Mapping};
use crate::numbers::{DecimalMark, read_money, read_number};
use crate::parquet::ParquetRows;
use crate::refused::Refused;
use crate::row::Row;
use crate::source::{ImportError, InputFile, Item, Limits, Next, Source, first_lines, look_at};
use crate::times::{TimeFormat, TimePattern};

/// How many rows are read for a preview. Orders that begin near the end of them may lack lines.
const ROWS_OF_A_PREVIEW: u64 = 10_000;
/// How many rows are read to describe the columns.
const ROWS_OF_COLUMNS: usize = 1_000;
const SAMPLES: usize = 3;
/// How many characters of a sample are shown.
const SAMPLE_CHARACTERS: usize = 60;
/// The patterns that are tried on a column, besides ISO 8601; the first that reads all of it.
const PATTERNS: &[&str] = &[
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%d-%m-%Y",
    "%d %b %Y",
    "%Y%m%d",
];

/// What an import would begin with.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The first calls.
    pub calls: Vec<Call>,
    /// Lines that were refused on the way.
    pub refused: Vec<Refused>,
    /// The columns of the first file.
    pub columns: Vec<ColumnPreview>,
}

/// A column as far as the first rows tell.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnPreview {
    /// Its name in the header, or the key.
    pub name: String,
    /// `integer`, `decimal`, `money`, `boolean`, `instant`, `date`, `object`, `text` or `empty`.
    pub kind: &'static str,
    /// A few different values.
    pub samples: Vec<String>,
    /// Which part of the rows has nothing there, between 0 and 1.
    pub share_empty: f64,
    #[serde(skip)]
    pattern: Option<&'static str>,
    #[serde(skip)]
    comma: bool,
}

/// Shows what a mapping makes of the first rows: at most `n` calls and `n` refused lines.
pub fn preview(paths: &[PathBuf], mapping: &Mapping, n: usize) -> Result<Preview, ImportError> {
    let mut source = Source::open(paths, mapping)?.only_first_rows(ROWS_OF_A_PREVIEW);
    let (mut calls, mut refused) = (Vec::new(), Vec::new());
    while calls.len() < n {
        match source.next().transpose()? {
            Some(Item::Call(call)) => calls.push(call),
            Some(Item::Refused(line)) if refused.len() < n => refused.push(line),
            Some(Item::Refused(_) | Item::Progress(_)) => {}
            None => break,
        }
    }
    let columns = match source.files().first() {
        Some(file) => describe(&read_table(file, mapping)?),
        None => Vec::new(),
    };
    Ok(Preview { calls, refused, columns })
}

/// Proposes a mapping for a file that has none: YAML with comments, to be read and corrected by a person.
pub fn sniff(path: &Path) -> Result<String, ImportError> {
    let mut mapping = Mapping::none_yet();
    let mut file = look_at(path, &mapping)?;
    if file.kind == FileKind::Csv {
        let lines = first_lines(&file, 20)?;
        if has_blanks_as_delimiter(&lines) {
            file.delimiter = Delimiter::Whitespace;
        }
        mapping.format.has_header = begins_with_header(&lines, file.delimiter);
    }
    let table = read_table(&file, &mapping)?;
    Ok(propose(path, &file, &mapping, &describe(&table)))
}

/// The first rows of a file, by columns.
struct Table {
    rows: usize,
    columns: Vec<(String, Vec<String>)>,
}

impl Table {
    fn push(&mut self, name: &str, text: &str) {
        let place = self.columns.iter().position(|(column, _)| column == name).unwrap_or_else(|| {
            self.columns.push((name.to_owned(), Vec::new()));
            self.columns.len() - 1
        });
        if !text.is_empty() {
            self.columns[place].1.push(text.to_owned());
        }
    }
}

fn read_table(file: &InputFile, mapping: &Mapping) -> Result<Table, ImportError> {
    let limits = Limits::default();
    let mut table = Table { rows: 0, columns: Vec::new() };
    let mut row = Row::default();
    let error = |problem: String| ImportError::Unsupported { file: file.name.clone(), problem };
    match file.kind {
        FileKind::Csv => {
            let quote = mapping.format.quote;
            let mut rows = CsvRows::new(file.chunks(&Arc::default())?, file.delimiter, quote, mapping.encoding, limits);
            let mut names = mapping.format.columns.clone();
            let mut is_header = mapping.format.has_header;
            while table.rows < ROWS_OF_COLUMNS {
                match rows.next(&mut row).map_err(|problem| error(problem.to_string()))? {
                    Next::End => break,
                    Next::Refused(_) => continue,
                    Next::Row => {}
                }
                if names.is_empty() {
                    let name = |i: usize| match is_header {
                        true => row.field(i).to_owned(),
                        false => format!("column_{}", i + 1),
                    };
                    names = (0..row.field_count()).map(name).collect();
                }
                if std::mem::take(&mut is_header) {
                    continue;
                }
                table.rows += 1;
                names
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| *i < row.field_count())
                    .for_each(|(i, name)| table.push(name, row.field(i)));
            }
        }
        FileKind::JsonLines => {
            let mut rows = JsonRows::new(file.chunks(&Arc::default())?, mapping.encoding, limits, &[], Vec::new());
            while table.rows < ROWS_OF_COLUMNS {
                match rows.next(&mut row).map_err(|problem| error(problem.to_string()))? {
                    Next::End => break,
                    Next::Refused(_) => {}
                    Next::Row => push_object(&mut table, &row),
                }
            }
        }
        FileKind::Parquet => {
            let mut rows = ParquetRows::open(file.file()?, &[], Vec::new(), limits.row_bytes).map_err(error)?;
            while table.rows < ROWS_OF_COLUMNS {
                match rows.next(&mut row).map_err(error)? {
                    Next::End => break,
                    Next::Refused(_) => {}
                    Next::Row => push_object(&mut table, &row),
                }
            }
        }
    }
    Ok(table)
}

fn push_object(table: &mut Table, row: &Row) {
    table.rows += 1;
    let text = String::from_utf8_lossy(&row.raw);
    for (name, value) in read_object(&text).into_iter().flat_map(|object| object.entries) {
        let value = value.get();
        let text = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
        table.push(&name, if value == "null" { "" } else { &text });
    }
}

fn describe(table: &Table) -> Vec<ColumnPreview> {
    let describe = |(name, values): &(String, Vec<String>)| {
        let mut samples: Vec<String> = Vec::new();
        for value in values {
            let sample: String = value.chars().take(SAMPLE_CHARACTERS).collect();
            if !samples.contains(&sample) {
                samples.push(sample);
            }
            if samples.len() == SAMPLES {
                break;
            }
        }
        let (kind, pattern) = found_kind(values);
        let share_empty = if table.rows == 0 { 1.0 } else { 1.0 - values.len() as f64 / table.rows as f64 };
        let comma = !all_read(values, DecimalMark::Point) && all_read(values, DecimalMark::Comma);
        ColumnPreview { name: name.clone(), kind, samples, share_empty: share_empty.max(0.0), pattern, comma }
    };
    table.columns.iter().map(describe).collect()
}

fn all_read(values: &[String], mark: DecimalMark) -> bool {
    values.iter().all(|value| read_money(value, mark).is_some())
}

fn found_kind(values: &[String]) -> (&'static str, Option<&'static str>) {
    let all = |test: &dyn Fn(&str) -> bool| values.iter().all(|value| test(value));
    if values.is_empty() {
        return ("empty", None);
    }
    for pattern in PATTERNS {
        let format = TimeFormat { pattern: TimePattern::Pattern((*pattern).to_owned()), zone: TimeZone::UTC };
        // A day as one number is only believed in our times.
        let is_time = |text: &str| format.read(text).is_some_and(|ms| (0..4_102_444_800_000).contains(&ms));
        if all(&is_time) {
            return (if pattern.contains("%H") { "instant" } else { "date" }, Some(pattern));
        }
    }
    if all(&|text| read_number(text, DecimalMark::Point).is_some()) {
        let is_whole =
            |text: &str| read_number(text, DecimalMark::Point).is_some_and(|number| number.fract().is_zero());
        return (if all(&is_whole) { "integer" } else { "decimal" }, None);
    }
    if all_read(values, DecimalMark::Point) || all_read(values, DecimalMark::Comma) {
        return ("money", None);
    }
    if all(&|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no")) {
        return ("boolean", None);
    }
    if all(&|text| TimeFormat::iso().read(text).is_some()) {
        return (if all(&|text| text.len() == 10) { "date" } else { "instant" }, None);
    }
    if all(&|text| text.starts_with(['{', '['])) {
        return ("object", None);
    }
    ("text", None)
}

fn has_blanks_as_delimiter(lines: &[String]) -> bool {
    let words = |line: &String| line.split_ascii_whitespace().count();
    let width = lines.first().map_or(0, words);
    let has_others = lines.iter().any(|line| line.contains([',', ';', '\t', '|']));
    width > 1 && !has_others && lines.iter().all(|line| words(line) == width)
}

/// A header has no numbers in it.
fn begins_with_header(lines: &[String], delimiter: Delimiter) -> bool {
    let Some(line) = lines.first() else {
        return true;
    };
    let is_number = |field: &str| read_number(field.trim_matches('"'), DecimalMark::Point).is_some();
    match delimiter {
        Delimiter::Character(byte) => !line.split(char::from(byte)).any(is_number),
        Delimiter::Whitespace => !line.split_ascii_whitespace().any(is_number),
    }
}

/// The column whose name speaks of it most clearly.
fn find_column<'a>(columns: &'a [ColumnPreview], words: &[&str], kinds: &[&str]) -> Option<&'a ColumnPreview> {
    let fits = |column: &&ColumnPreview| kinds.is_empty() || kinds.contains(&column.kind);
    let is_called = |column: &ColumnPreview, word: &str| column.name.to_lowercase().contains(word);
    words.iter().find_map(|word| columns.iter().filter(fits).find(|column| is_called(column, word)))
}

fn propose(path: &Path, file: &InputFile, mapping: &Mapping, columns: &[ColumnPreview]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let numbers = ["decimal", "money", "integer"];
    let customer = find_column(columns, &["customer", "cust", "client", "user", "member", "email", "e-mail"], &[])
        .or(columns.first());
    let time = find_column(columns, &["date", "time", "created", "_at", ""], &["instant", "date"]);
    let order = find_column(columns, &["invoice", "order", "receipt", "transaction"], &["text", "integer"]);
    let amount = find_column(columns, &["revenue", "total", "amount", "price", "value", "paid"], &numbers);
    let stem = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem: String = stem
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let name = if stem.is_empty() { "my-file" } else { &stem };

    let mut yaml = String::from(
        "# A first guess from the beginning of the file. Read it, correct it, try it with --preview.\n#\n",
    );
    for column in columns {
        let empty = (column.share_empty * 100.0).round();
        let samples: Vec<String> = column.samples.iter().map(|sample| quoted(sample)).collect();
        yaml.push_str(&format!(
            "#   {}: {}, {empty} % empty, such as {}\n",
            quoted(&column.name),
            column.kind,
            samples.join(", ")
        ));
    }
    yaml.push_str(&format!("mapping: {name}   # part of every message id: do not rename it later\n"));
    yaml.push_str(&format!("format: {{ {} }}\n", format_line(file, mapping, columns)));
    let fallback = ColumnPreview {
        name: "CUSTOMER COLUMN".to_owned(),
        kind: "text",
        samples: Vec::new(),
        share_empty: 0.0,
        pattern: None,
        comma: false,
    };
    let customer = customer.unwrap_or(&fallback);
    let is_float = customer.samples.iter().any(|sample| sample.ends_with(".0"));
    let clean = if is_float { ", clean: whole_number" } else { "" };
    yaml.push_str(&format!("customer: {{ column: {}{clean} }}   # whose row it is\n", quoted(&customer.name)));
    match time {
        Some(time) => {
            let pattern = time.pattern.map(|pattern| format!(", format: {}", quoted(pattern))).unwrap_or_default();
            yaml.push_str(&format!(
                "time: {{ column: {}{pattern}, zone: UTC }}   # in which zone are these times?\n",
                quoted(&time.name)
            ));
        }
        None => yaml.push_str(
            "time: { value: \"2026-01-01T00:00:00Z\" }   # no column looks like a time: when was this written?\n",
        ),
    }
    if amount.is_none() && order.is_none() && time.is_none() {
        yaml.push_str("identify:\n  traits:\n");
        columns.iter().for_each(|column| {
            yaml.push_str(&format!("    {}: {{ column: {} }}\n", quoted(&column.name), quoted(&column.name)))
        });
        return yaml;
    }
    yaml.push_str("events:\n  - event: Order Completed\n");
    if let Some(order) = order {
        yaml.push_str(&format!(
            "    id: [{}]   # if an order has several lines, use `group_by` at the top instead\n",
            quoted(&order.name)
        ));
    }
    yaml.push_str("    properties:\n");
    for column in
        columns.iter().filter(|column| column.name != customer.name && time.is_none_or(|time| time.name != column.name))
    {
        let is_amount = amount.is_some_and(|amount| amount.name == column.name);
        let key = if is_amount { "revenue" } else { &column.name };
        let kind = match column.kind {
            _ if is_amount => ", as: money",
            "decimal" => ", as: decimal",
            "money" => ", as: money",
            "boolean" => ", as: boolean",
            _ => "",
        };
        yaml.push_str(&format!("      {}: {{ column: {}{kind} }}\n", quoted(key), quoted(&column.name)));
    }
    yaml.push_str("      \"currency\": { value: EUR }   # which one is it?\n");
    yaml
}

fn format_line(file: &InputFile, mapping: &Mapping, columns: &[ColumnPreview]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut line = match file.kind {
        FileKind::Parquet => return "kind: parquet".to_owned(),
        FileKind::JsonLines => return "kind: jsonl".to_owned(),
        FileKind::Csv => "kind: csv, delimiter: ".to_owned(),
    };
    match file.delimiter {
        Delimiter::Whitespace => line.push_str("whitespace"),
        Delimiter::Character(b'\t') => line.push_str("tab"),
        Delimiter::Character(byte) => line.push_str(&quoted(&char::from(byte).to_string())),
    }
    if columns.iter().any(|column| column.comma) {
        line.push_str(", decimal_mark: \",\"");
    }
    if !mapping.format.has_header {
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        line.push_str(&format!(", columns: [{}]", names.join(", ")));
    }
    line
}
