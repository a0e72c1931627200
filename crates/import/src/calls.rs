//! Applies a mapping to rows: each row becomes calls of Segment's HTTP spec, a line of an order, or a refusal.
//!
//! Message ids come from the data alone: `import:<mapping>:<rule>:<key>`, so that a second import changes nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::fingerprint::Fingerprint;
use crate::json::{push_comma, push_decimal, push_key, push_text, without_nul_escapes};
use crate::json_lines::read_object;
use crate::mapping::{
    Clean, ConsentRule, EventName, EventRule, IdColumn, Mapping, PassedConsent, TextSource, TimeRule, Value, ValueKind,
};
use crate::numbers::{Calculation, read_money, read_number};
use crate::refused::RefusalReason;
use crate::row::{CellKind, Row};
use crate::times::{TimeFormat, write_instant};

/// The longest key that stands readable in a message id; a longer one is hashed.
const LONGEST_READABLE_KEY: usize = 96;
/// The longest name of an event.
const LONGEST_EVENT_NAME: usize = 256;
/// The longest number that is passed on as it stands.
const LONGEST_NUMBER: usize = 64;

type Taken<T> = Result<T, RefusalReason>;

/// One call, ready to be sent to `/v1/batch` or handed to the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The call as one JSON object of Segment's HTTP spec.
    pub json: String,
    /// The name of the event for `track`, `Page Viewed` and `Screen Viewed`; otherwise the type.
    pub name: String,
    /// The `userId`, or the `anonymousId` where there is none.
    pub customer: String,
    /// Whether `customer` is an `anonymousId`.
    pub is_anonymous: bool,
    /// When it happened, in milliseconds since 1970.
    pub time_ms: i64,
    /// How many lines of the files it was made of.
    pub rows: u64,
    /// The file its first line stands in, as a place in the list that the caller gave.
    pub file: usize,
    /// Its first line.
    pub line: u64,
}

/// Whose row it is.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) user: Option<String>,
    pub(crate) anonymous: Option<String>,
}

impl Who {
    pub(crate) fn name(&self) -> &str {
        self.user.as_deref().or(self.anonymous.as_deref()).unwrap_or_default()
    }
}

/// Who, and when: what every call of a row shares.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) who: Who,
    pub(crate) time_ms: i64,
    pub(crate) file: usize,
    pub(crate) line: u64,
}

/// A line of an order, before it joins the others.
#[derive(Debug)]
pub(crate) struct OrderLine {
    pub(crate) key: OrderKey,
    pub(crate) event: String,
    /// The properties that one line is enough for, as JSON, with NUL between them; empty where missing.
    pub(crate) fixed: String,
    pub(crate) amounts: Vec<Decimal>,
    pub(crate) product: String,
}

/// What makes lines one order.
#[derive(Clone, Debug)]
pub(crate) struct OrderKey {
    pub(crate) rule: usize,
    pub(crate) fingerprint: Fingerprint,
    /// The same for all rules: lines with another one are another order, also when the file is sorted.
    pub(crate) columns: Fingerprint,
    pub(crate) message_id: String,
}

/// Applies one mapping to row after row.
pub(crate) struct Applying<'a> {
    mapping: &'a Mapping,
    row: &'a Row,
}

impl<'a> Applying<'a> {
    pub(crate) fn new(mapping: &'a Mapping, row: &'a Row) -> Applying<'a> {
        Applying { mapping, row }
    }

    /// Why the mapping does not want the row, if it does not.
    pub(crate) fn unwanted(&self) -> Option<RefusalReason> {
        let mark = self.mapping.format.decimal_mark;
        let rule = self.mapping.refuse.iter().find(|rule| rule.when.holds(self.row, mark))?;
        Some(RefusalReason::Other(rule.reason.clone()))
    }

    pub(crate) fn who(&self) -> Taken<Who> {
        let find = |column: &Option<IdColumn>| column.as_ref().map_or(Ok(None), |column| self.find_id(column));
        let who = Who { user: find(&self.mapping.customer)?, anonymous: find(&self.mapping.anonymous)? };
        if who.user.is_none() && who.anonymous.is_none() { Err(RefusalReason::NoCustomer) } else { Ok(who) }
    }

    fn find_id(&self, id: &IdColumn) -> Taken<Option<String>> {
        let Some(text) = self.row.cell(id.column) else {
            return Ok(None);
        };
        if text.contains('\0') {
            return Err(RefusalReason::BadId);
        }
        if self.row.kind(id.column) == CellKind::Json {
            return Err(RefusalReason::BadId);
        }
        let text = id.clean.iter().fold(text.to_owned(), |text, clean| clean.apply(&text));
        Ok((!text.is_empty()).then_some(text))
    }

    pub(crate) fn time(&self) -> Taken<i64> {
        match &self.mapping.time {
            Some(TimeRule::Fixed(instant_ms)) => Ok(*instant_ms),
            Some(TimeRule::Column { column, format }) => {
                self.row.cell(*column).and_then(|text| format.read(text)).ok_or(RefusalReason::BadTime)
            }
            None => Err(RefusalReason::BadTime),
        }
    }

    fn rules_of(&self) -> impl Iterator<Item = (usize, &'a EventRule)> {
        let (mapping, row) = (self.mapping, self.row);
        let mark = mapping.format.decimal_mark;
        mapping.events.iter().enumerate().filter(move |(_, rule)| rule.when.holds(row, mark))
    }

    /// The lines of orders that the row is.
    pub(crate) fn order_lines(&self, who: &Who) -> Taken<Vec<OrderLine>> {
        let mut lines = Vec::new();
        for (index, rule) in self.rules_of() {
            let event = self.event_name(rule)?.into_owned();
            let key = self.order_key(index, rule, &event, who)?;
            let mut line = OrderLine { key, event, fixed: String::new(), amounts: Vec::new(), product: String::new() };
            for (_, value) in &rule.properties {
                match value {
                    Value::Sum(calculation) => line.amounts.push(self.amount(calculation)?),
                    Value::CountOfLines => {}
                    _ => {
                        self.push_value(&mut line.fixed, value)?;
                        line.fixed.push('\0');
                    }
                }
            }
            if !rule.products.is_empty() {
                self.push_object(&mut line.product, &rule.products)?;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    /// The orders that a refused row would have belonged to, as far as it can be told.
    pub(crate) fn order_keys(&self, who: &Who) -> Vec<OrderKey> {
        let key = |(index, rule): (usize, &EventRule)| {
            let event = self.event_name(rule).ok()?;
            self.order_key(index, rule, &event, who).ok()
        };
        self.rules_of().filter_map(key).collect()
    }

    fn order_key(&self, index: usize, rule: &EventRule, event: &str, who: &Who) -> Taken<OrderKey> {
        let customer = self.mapping.customer.as_ref().map(|id| id.column);
        let anonymous = self.mapping.anonymous.as_ref().map(|id| id.column);
        let mut parts: Vec<&str> = Vec::new();
        let mut names_customer = false;
        for column in &self.mapping.group_by {
            // The customer counts as cleaned: `17850` and `17850.0` are one.
            if Some(*column) == customer && who.user.is_some() {
                names_customer = true;
                parts.push(who.name());
            } else {
                let may_be_empty = Some(*column) == customer || Some(*column) == anonymous;
                match self.row.cell(*column) {
                    Some(text) => parts.push(text),
                    None if may_be_empty => parts.push(""),
                    None => return Err(RefusalReason::NoId),
                }
            }
        }
        if !names_customer {
            // Lines of two people are never one order.
            parts.push(who.name());
        }
        let bytes: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        let columns = Fingerprint::of(&bytes);
        let index_bytes = index.to_le_bytes();
        let fingerprint = Fingerprint::of(&[&index_bytes, event.as_bytes(), columns.hex().as_bytes()]);
        Ok(OrderKey { rule: index, fingerprint, columns, message_id: self.message_id(&rule.id_name(event), &parts) })
    }

    /// The calls that the row is by itself; `number_among_equals` counts rows of equal content, from 1.
    pub(crate) fn calls(
        &self,
        subject: &Subject,
        number_among_equals: &mut dyn FnMut(Fingerprint) -> u64,
    ) -> Taken<Vec<Call>> {
        let mut calls = Vec::new();
        if !self.mapping.is_grouped() {
            let mut content: Option<(String, u64)> = None;
            for (_, rule) in self.rules_of() {
                calls.push(self.event_call(rule, subject, &mut content, number_among_equals)?);
            }
        }
        let mark = self.mapping.format.decimal_mark;
        for rule in self.mapping.identify.iter().filter(|rule| rule.when.holds(self.row, mark)) {
            let mut traits = String::new();
            self.push_object(&mut traits, &rule.traits)?;
            calls.push(self.stateful_call("identify", &[("traits", &traits)], subject));
        }
        for rule in self.mapping.records.iter().filter(|rule| rule.when.holds(self.row, mark)) {
            let mut attributes = String::new();
            self.push_object(&mut attributes, &rule.attributes)?;
            let (mut kind, mut record_id) = (String::new(), String::new());
            push_text(&mut kind, &rule.kind);
            push_text(&mut record_id, &self.ids(&rule.record_id)?.join(":"));
            let mut fields: Vec<(&str, &str)> =
                vec![("kind", &kind), ("recordId", &record_id), ("attributes", &attributes)];
            if rule.deleted_when.as_ref().is_some_and(|when| when.holds(self.row, mark)) {
                fields.push(("deleted", "true"));
            }
            if rule.left_when.as_ref().is_some_and(|when| when.holds(self.row, mark)) {
                fields.push(("left", "true"));
            }
            calls.push(self.stateful_call("record", &fields, subject));
        }
        for rule in self.mapping.consents.iter().filter(|rule| rule.when.holds(self.row, mark)) {
            calls.extend(self.find_consent_call(rule, subject)?);
        }
        Ok(calls)
    }

    fn event_call(
        &self,
        rule: &EventRule,
        subject: &Subject,
        content: &mut Option<(String, u64)>,
        number_among_equals: &mut dyn FnMut(Fingerprint) -> u64,
    ) -> Taken<Call> {
        let event = self.event_name(rule)?;
        let message_id = if rule.id.is_empty() {
            let (hash, number) = content.get_or_insert_with(|| {
                let fingerprint = self.row.fingerprint();
                (fingerprint.hex(), number_among_equals(fingerprint))
            });
            // Two honest equal rows are two events; a second import counts them the same way.
            let number = number.to_string();
            let parts = [hash.as_str(), &number];
            self.message_id(&rule.id_name(&event), if number == "1" { &parts[..1] } else { &parts })
        } else {
            let parts = self.ids(&rule.id)?;
            self.message_id(&rule.id_name(&event), &parts)
        };
        let mut properties = String::from("{");
        for (name, value) in &rule.properties {
            match value {
                Value::CountOfLines => {
                    push_key(&mut properties, name);
                    properties.push('1');
                }
                Value::Sum(calculation) => {
                    push_key(&mut properties, name);
                    push_decimal(&mut properties, self.amount(calculation)?);
                }
                _ => self.push_entry(&mut properties, name, value)?,
            }
        }
        if !rule.products.is_empty() {
            push_key(&mut properties, "products");
            properties.push('[');
            let mut product = String::new();
            self.push_object(&mut product, &rule.products)?;
            properties.push_str(&product);
            properties.push(']');
        }
        properties.push('}');
        Ok(track(&event, &properties, subject, subject.time_ms, &message_id, 1))
    }

    fn event_name(&self, rule: &'a EventRule) -> Taken<Cow<'a, str>> {
        match &rule.event {
            EventName::Fixed(event) => Ok(Cow::Borrowed(event)),
            EventName::Column(column) => {
                let event = self.row.cell(*column).ok_or(RefusalReason::BadEvent)?;
                match event {
                    // Only the `consent` block sets consent, since only it asks for the proof.
                    "Consent Changed" => Err(RefusalReason::ConsentNotAllowed),
                    _ if event.contains('\0') || event.len() > LONGEST_EVENT_NAME => Err(RefusalReason::BadEvent),
                    _ => Ok(Cow::Borrowed(event)),
                }
            }
        }
    }

    /// The cells that make an id; each has to be there.
    fn ids(&self, columns: &[usize]) -> Taken<Vec<&'a str>> {
        let id = |column: &usize| match self.row.cell(*column) {
            None => Err(RefusalReason::NoId),
            Some(text) if text.contains('\0') => Err(RefusalReason::BadId),
            Some(text) => Ok(text),
        };
        columns.iter().map(id).collect()
    }

    fn find_consent_call(&self, rule: &ConsentRule, subject: &Subject) -> Taken<Option<Call>> {
        let Some(word) = self.row.cell(rule.status.column) else {
            return Ok(None);
        };
        let is_among = |words: &[String]| words.iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
        let status = match (is_among(&rule.status.granted), is_among(&rule.status.withdrawn)) {
            (true, false) => "granted",
            (false, true) => "withdrawn",
            _ => return Err(RefusalReason::BadConsent),
        };
        let text = |source: &TextSource| match source {
            TextSource::Fixed(text) => Ok(text.clone()),
            TextSource::Column(column) => self.row.cell(*column).map(str::to_owned).ok_or(RefusalReason::BadConsent),
        };
        let (source, text_version) = (text(&rule.source)?, text(&rule.text_version)?);
        let mut properties = String::from("{");
        let mut push = |key: &str, text: &str| {
            push_key(&mut properties, key);
            push_text(&mut properties, text);
        };
        push("purpose", &rule.purpose);
        if let Some(channel) = &rule.channel {
            push("channel", channel);
        }
        push("status", status);
        push("basis", &rule.basis);
        push("source", &source);
        push("text_version", &text_version);
        // A withdrawal does not expire.
        if let (Some(expires), "granted") = (&rule.expires, status) {
            self.push_entry(&mut properties, "expires", expires)?;
        }
        properties.push('}');
        let message_id = self.content_id("consent", &[subject.who.name(), &subject.time_ms.to_string(), &properties]);
        Ok(Some(track("Consent Changed", &properties, subject, subject.time_ms, &message_id, 1)))
    }

    /// A call that says how things stand: saying it twice changes nothing, so its content is its id.
    fn stateful_call(&self, call_type: &str, fields: &[(&str, &str)], subject: &Subject) -> Call {
        let time = subject.time_ms.to_string();
        let mut content = vec![subject.who.name(), subject.who.anonymous.as_deref().unwrap_or_default(), &time];
        fields.iter().for_each(|(key, json)| content.extend([*key, *json]));
        let message_id = self.content_id(call_type, &content);
        let mut json = begin_call(call_type, &subject.who);
        for (key, value) in fields {
            push_key(&mut json, key);
            json.push_str(value);
        }
        end_call(&mut json, subject.time_ms, &message_id);
        finished(json, call_type, subject, subject.time_ms, 1)
    }

    fn content_id(&self, rule: &str, content: &[&str]) -> String {
        let bytes: Vec<&[u8]> = content.iter().map(|part| part.as_bytes()).collect();
        self.message_id(rule, &[&Fingerprint::of(&bytes).hex()])
    }

    fn message_id(&self, rule: &str, parts: &[&str]) -> String {
        message_id(&self.mapping.name, rule, parts)
    }

    fn push_object(&self, out: &mut String, values: &[(String, Value)]) -> Taken<()> {
        out.push('{');
        for (name, value) in values {
            self.push_entry(out, name, value)?;
        }
        out.push('}');
        Ok(())
    }

    /// Adds `"name":value`, or nothing where the value is missing.
    fn push_entry(&self, out: &mut String, name: &str, value: &Value) -> Taken<()> {
        let before = out.len();
        push_key(out, name);
        let with_key = out.len();
        self.push_value(out, value)?;
        if out.len() == with_key {
            out.truncate(before);
        }
        Ok(())
    }

    fn push_value(&self, out: &mut String, value: &Value) -> Taken<()> {
        match value {
            Value::Fixed(json) => out.push_str(json),
            Value::Column { column, kind } => self.push_cell(out, *column, kind)?,
            Value::Calculate(calculation) | Value::Sum(calculation) => push_decimal(out, self.amount(calculation)?),
            Value::CountOfLines => out.push('1'),
            Value::Object(values) => {
                let before = out.len();
                self.push_object(out, values)?;
                if &out[before..] == "{}" {
                    out.truncate(before);
                }
            }
        }
        Ok(())
    }

    fn push_cell(&self, out: &mut String, column: usize, kind: &ValueKind) -> Taken<()> {
        let Some(text) = self.row.cell(column) else {
            return Ok(());
        };
        let mark = self.mapping.format.decimal_mark;
        match kind {
            ValueKind::AsItIs => return push_as_it_is(out, self.row.kind(column), text),
            ValueKind::Text => push_text(out, text),
            ValueKind::Decimal => push_decimal(out, self.number(column).ok_or(RefusalReason::BadNumber)?),
            ValueKind::Money => {
                let amount = match self.row.kind(column) {
                    CellKind::Number => self.number(column),
                    _ => read_money(text, mark),
                };
                push_decimal(out, amount.ok_or(RefusalReason::BadNumber)?);
            }
            ValueKind::Integer => {
                let number = self.number(column).filter(|number| number.fract().is_zero());
                push_decimal(out, number.ok_or(RefusalReason::BadNumber)?);
            }
            ValueKind::Boolean => out.push_str(read_boolean(text).ok_or(RefusalReason::BadValue)?),
            ValueKind::Instant(format) => push_instant(out, format, text)?,
            ValueKind::Date(format) => {
                let day = format.read_day(text).ok_or(RefusalReason::BadValue)?;
                push_text(out, &day.to_string());
            }
        }
        Ok(())
    }

    fn amount(&self, calculation: &Calculation) -> Taken<Decimal> {
        // An empty cell is no zero: a sum without it would be wrong, and nobody would know.
        calculation.value(&|column| self.number(column)).ok_or(RefusalReason::BadNumber)
    }

    fn number(&self, column: usize) -> Option<Decimal> {
        // The decimal mark is a habit of people; JSON and Parquet have but one.
        let mark = match self.row.kind(column) {
            CellKind::Number => crate::numbers::DecimalMark::Point,
            _ => self.mapping.format.decimal_mark,
        };
        read_number(self.row.cell(column)?, mark)
    }
}

impl Clean {
    fn apply(self, text: &str) -> String {
        match self {
            Clean::Trim => text.trim().to_owned(),
            Clean::Lowercase => text.to_lowercase(),
            Clean::WholeNumber => match text.split_once('.') {
                Some((whole, zeros))
                    if !whole.is_empty()
                        && whole.bytes().all(|byte| byte.is_ascii_digit())
                        && zeros.bytes().all(|byte| byte == b'0') =>
                {
                    whole.to_owned()
                }
                _ => text.to_owned(),
            },
        }
    }
}

fn push_as_it_is(out: &mut String, kind: CellKind, text: &str) -> Taken<()> {
    match kind {
        CellKind::Missing => {}
        CellKind::Text => push_text(out, text),
        CellKind::Boolean => out.push_str(text),
        CellKind::Json => out.push_str(&without_nul_escapes(text)),
        CellKind::Number => match read_number(text, crate::numbers::DecimalMark::Point) {
            Some(number) => push_decimal(out, number),
            // More digits than any decimal of ours: whole they stay as text.
            None if text.len() <= LONGEST_NUMBER
                && text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) =>
            {
                push_text(out, text);
            }
            None => return Err(RefusalReason::BadNumber),
        },
    }
    Ok(())
}

fn push_instant(out: &mut String, format: &TimeFormat, text: &str) -> Taken<()> {
    let instant_ms = format.read(text).ok_or(RefusalReason::BadValue)?;
    out.push('"');
    write_instant(out, instant_ms);
    out.push('"');
    Ok(())
}

fn read_boolean(text: &str) -> Option<&'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "t" | "1" | "1.0" => Some("true"),
        "false" | "no" | "n" | "f" | "0" | "0.0" => Some("false"),
        _ => None,
    }
}

/// `import:<mapping>:<rule>:<key>`: readable where the key is short and plain, otherwise a hash of it.
pub(crate) fn message_id(mapping: &str, rule: &str, parts: &[&str]) -> String {
    let is_plain =
        |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let length: usize = parts.iter().map(|part| part.len() + 1).sum();
    let key = if parts.iter().all(is_plain) && length <= LONGEST_READABLE_KEY {
        parts.join(":")
    } else {
        let bytes: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        // No readable key begins with a tilde, so the two kinds cannot meet.
        format!("~{}", Fingerprint::of(&bytes).hex())
    };
    format!("import:{mapping}:{rule}:{key}")
}

/// A `track` call; `properties` is JSON.
pub(crate) fn track(
    event: &str,
    properties: &str,
    subject: &Subject,
    time_ms: i64,
    message_id: &str,
    rows: u64,
) -> Call {
    let mut json = begin_call("track", &subject.who);
    push_key(&mut json, "event");
    push_text(&mut json, event);
    push_key(&mut json, "properties");
    json.push_str(properties);
    end_call(&mut json, time_ms, message_id);
    finished(json, event, subject, time_ms, rows)
}

fn begin_call(call_type: &str, who: &Who) -> String {
    let mut json = String::with_capacity(256);
    json.push('{');
    push_key(&mut json, "type");
    push_text(&mut json, call_type);
    for (key, id) in [("userId", &who.user), ("anonymousId", &who.anonymous)] {
        if let Some(id) = id {
            push_key(&mut json, key);
            push_text(&mut json, id);
        }
    }
    json
}

fn end_call(json: &mut String, time_ms: i64, message_id: &str) {
    push_key(json, "timestamp");
    json.push('"');
    write_instant(json, time_ms);
    json.push('"');
    push_key(json, "messageId");
    push_text(json, message_id);
    json.push('}');
}

fn finished(json: String, name: &str, subject: &Subject, time_ms: i64, rows: u64) -> Call {
    Call {
        json,
        name: name.to_owned(),
        customer: subject.who.name().to_owned(),
        is_anonymous: subject.who.user.is_none(),
        time_ms,
        rows,
        file: subject.file,
        line: subject.line,
    }
}

/// Takes a line that already is a call. Only what is missing is added, and NUL characters go.
pub(crate) fn passed_call(
    mapping: &Mapping,
    row: &Row,
    file: usize,
    number_among_equals: &mut dyn FnMut(Fingerprint) -> u64,
) -> Taken<Call> {
    let line = std::str::from_utf8(&row.raw).map_err(|_| RefusalReason::NotUtf8)?;
    let object = read_object(line).ok_or(RefusalReason::BadJson)?;
    let call_type = object.find_text("type").ok_or(RefusalReason::BadCall)?;
    let event = object.find_text("event");
    let name = match (call_type.as_str(), &event) {
        ("track", Some(event)) if event.contains('\0') || event.len() > LONGEST_EVENT_NAME => {
            return Err(RefusalReason::BadEvent);
        }
        ("track", Some(event)) => event.clone(),
        ("track", None) => return Err(RefusalReason::BadEvent),
        ("page", _) => "Page Viewed".to_owned(),
        ("screen", _) => "Screen Viewed".to_owned(),
        ("identify" | "alias" | "group" | "record", _) => call_type.clone(),
        _ => return Err(RefusalReason::BadCall),
    };
    let who = Who { user: object.find_text("userId"), anonymous: object.find_text("anonymousId") };
    for id in ["userId", "anonymousId", "messageId"] {
        // An id that is a number, or empty, would be another one for the next reader.
        let given = object.find(id).is_some_and(|value| !matches!(value.get(), "null" | "\"\""));
        match object.find_text(id) {
            None if given => return Err(RefusalReason::BadId),
            Some(text) if text.contains('\0') => return Err(RefusalReason::BadId),
            _ => {}
        }
    }
    if who.user.is_none() && who.anonymous.is_none() {
        return Err(RefusalReason::NoCustomer);
    }
    let timestamp = object.find_text("timestamp").ok_or(RefusalReason::BadTime)?;
    let is_instant = timestamp.trim().parse::<jiff::Timestamp>().is_ok();
    let time_ms = TimeFormat::iso().read(&timestamp).filter(|_| is_instant).ok_or(RefusalReason::BadTime)?;
    if name == "Consent Changed" {
        check_passed_consent(mapping, object.find("properties").map(|properties| properties.get()))?;
    }
    let mut json = String::from("{");
    for (key, value) in &object.entries {
        if key == "messageId" && object.find_text("messageId").is_none() {
            continue;
        }
        push_key(&mut json, key);
        json.push_str(&without_nul_escapes(value.get()));
    }
    if object.find_text("messageId").is_none() {
        let content = row.fingerprint();
        let number = number_among_equals(content).to_string();
        let hash = content.hex();
        let parts = [hash.as_str(), &number];
        push_comma(&mut json);
        push_text(&mut json, "messageId");
        json.push(':');
        push_text(&mut json, &message_id(&mapping.name, &call_type, if number == "1" { &parts[..1] } else { &parts }));
    }
    json.push('}');
    let subject = Subject { who, time_ms, file, line: row.line };
    Ok(finished(json, &name, &subject, time_ms, 1))
}

/// Consent that is granted needs the mapping's permission and its own proof; a withdrawal always counts.
fn check_passed_consent(mapping: &Mapping, properties: Option<&str>) -> Taken<()> {
    let properties = properties.and_then(read_object).ok_or(RefusalReason::BadConsent)?;
    match properties.find_text("status").as_deref() {
        Some("withdrawn") => return Ok(()),
        Some("granted") => {}
        _ => return Err(RefusalReason::BadConsent),
    }
    let may_grant = mapping.pass_through.as_ref().is_some_and(|pass| pass.consent == PassedConsent::WithSource);
    if !may_grant {
        return Err(RefusalReason::ConsentNotAllowed);
    }
    let has_proof = properties.find_text("source").is_some() && properties.find_text("text_version").is_some();
    if has_proof { Ok(()) } else { Err(RefusalReason::BadConsent) }
}

/// Counts rows of equal content within one file.
#[derive(Default)]
pub(crate) struct EqualRows {
    seen: HashMap<Fingerprint, u64>,
}

impl EqualRows {
    /// Which one of its equals the row is, from 1.
    pub(crate) fn count(&mut self, content: Fingerprint) -> u64 {
        let number = self.seen.entry(content).or_default();
        *number += 1;
        *number
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Begins with another file. Equal rows in two files are one row that was exported twice.
    pub(crate) fn clear(&mut self) {
        self.seen.clear();
    }
}
