//! What a value of a call may look like: depth, keys, numbers, texts, ids and names. One pass over
//! text whose grammar `read.rs` has checked, without allocation unless something is wrong.

use domain::call::RecordPart;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Objects and lists within each other, the body of the call being the first. What is stored is
/// read again by recursive code, so that this limit keeps every later stack small as well.
const DEPTH_LIMIT: u32 = 32;
/// Keys of one object. The widest real call seen had 70.
const KEYS_LIMIT: usize = 500;
/// Values of one call, nested ones included; an order of 1,000 lines with nine fields each fits.
pub(super) const VALUES_LIMIT: usize = 10_000;
/// Characters of a key.
const KEY_LENGTH: usize = 128;
/// Characters of an id.
const ID_LENGTH: usize = 256;
/// Characters of an event's name, and of a message id.
const NAME_LENGTH: usize = 200;
/// Digits beyond any decimal or double that means something.
const NUMBER_LENGTH: usize = 100;
/// JavaScript and every double agree on whole numbers up to here: 2^53.
const WHOLE_LIMIT: u64 = 1 << 53;

/// What is wrong, and where in the call.
#[derive(Debug)]
pub(super) struct Fault {
    /// The stable word.
    pub(super) reason: &'static str,
    /// Such as `properties.products[2].price`; empty for the whole call.
    pub(super) path: String,
    /// What it is and what to do.
    pub(super) message: String,
}

impl Fault {
    /// A fault right here; the callers add where here is.
    pub(super) fn here(reason: &'static str, message: impl Into<String>) -> Fault {
        Fault { reason, path: String::new(), message: message.into() }
    }

    /// A fault at a path.
    pub(super) fn at(path: &str, reason: &'static str, message: impl Into<String>) -> Fault {
        Fault { reason, path: path.to_owned(), message: message.into() }
    }

    /// The same fault, seen from the object that holds it under `key`.
    pub(super) fn under(mut self, key: &str) -> Fault {
        let plain = !key.is_empty()
            && key.len() <= KEY_LENGTH
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte));
        let step = if plain {
            key.to_owned()
        } else {
            let shown: String = key.chars().take(80).flat_map(char::escape_debug).collect();
            format!("[\"{shown}\"]")
        };
        self.prepend(&step);
        self
    }

    /// The same fault, seen from the list that holds it at `index`.
    pub(super) fn under_index(mut self, index: usize) -> Fault {
        self.prepend(&format!("[{index}]"));
        self
    }

    fn prepend(&mut self, step: &str) {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
    }
}

/// What one pass over an object found.
pub(super) struct Checked {
    /// Values in it, itself included.
    pub(super) values: usize,
    /// Whether some text holds `\u0000`.
    pub(super) holds_nul: bool,
    /// Whether it spans lines; the journal keeps a call on one.
    spans_lines: bool,
}

/// Checks an object of a call: its properties, traits, attributes or context.
/// `before`: values of the call that were counted already.
pub(super) fn object(raw: &RawValue, before: usize) -> Result<Checked, Fault> {
    let text = raw.get();
    if !text.starts_with('{') {
        return Err(Fault::here("bad_shape", format!("expected an object {{…}}, found {}", kind_of(text))));
    }
    let mut walk = Walk { text, at: 0, values: before, holds_nul: false, spans_lines: false };
    // The call itself is the first level.
    walk.value(2)?;
    Ok(Checked { values: walk.values, holds_nul: walk.holds_nul, spans_lines: walk.spans_lines })
}

/// The text to keep of an object that was checked: as sent, unless it holds NUL or spans lines.
pub(super) fn to_keep(raw: &RawValue, checked: &Checked) -> Result<Arc<RawValue>, Fault> {
    if checked.holds_nul || checked.spans_lines { own(compact(raw.get())) } else { Ok(raw.to_owned().into()) }
}

/// Makes raw JSON of a text that we put together.
pub(super) fn own(text: String) -> Result<Arc<RawValue>, Fault> {
    match RawValue::from_string(text) {
        Ok(raw) => Ok(raw.into()),
        Err(error) => Err(Fault::here("bad_json", format!("{error}"))),
    }
}

/// Without white space between the tokens, and without NUL inside texts.
fn compact(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_text = false;
    // Everything that is looked for is ASCII, so that each cut lies between characters.
    while let Some(at) = rest.find(['"', '\\', ' ', '\n', '\r', '\t']) {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = if rest.starts_with("\\u0000") {
            6
        } else if rest.starts_with('\\') {
            // The escaped character is ASCII in valid JSON.
            kept.push_str(rest.get(..2).unwrap_or(""));
            2
        } else if rest.starts_with('"') {
            in_text = !in_text;
            kept.push('"');
            1
        } else {
            if in_text {
                kept.push_str(&rest[..1]);
            }
            1
        };
        rest = rest.get(taken..).unwrap_or("");
    }
    kept.push_str(rest);
    kept
}

/// One pass over valid JSON.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    values: usize,
    holds_nul: bool,
    spans_lines: bool,
}

impl<'t> Walk<'t> {
    /// The next byte; 0 after the end, which valid JSON holds nowhere.
    #[inline]
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The next byte that is not white space.
    fn token(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\t' => self.at += 1,
                b'\n' | b'\r' => {
                    self.spans_lines = true;
                    self.at += 1;
                }
                byte => return byte,
            }
        }
    }

    fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or("")
    }

    fn value(&mut self, depth: u32) -> Result<(), Fault> {
        self.values += 1;
        if self.values > VALUES_LIMIT {
            return Err(Fault::here(
                "too_many_values",
                format!("the call holds more than {VALUES_LIMIT} values; send several calls"),
            ));
        }
        let first = self.token();
        if depth > DEPTH_LIMIT && matches!(first, b'{' | b'[') {
            return Err(Fault::here(
                "too_deep",
                format!("objects and lists may stand {DEPTH_LIMIT} deep in a call; send a flatter one"),
            ));
        }
        match first {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                while self.byte().is_ascii_alphabetic() {
                    self.at += 1;
                }
                Ok(())
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<(), Fault> {
        self.at += 1;
        let mut keys = 0;
        while self.token() == b'"' {
            keys += 1;
            if keys > KEYS_LIMIT {
                return Err(Fault::here(
                    "too_many_properties",
                    format!("one object holds more than {KEYS_LIMIT} keys; put repeated things into a list"),
                ));
            }
            let key = self.key()?;
            // The colon.
            self.token();
            self.at += 1;
            self.value(depth + 1).map_err(|fault| fault.under(&decode(key).unwrap_or(Cow::Borrowed(key))))?;
            if self.token() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Ok(())
    }

    fn list(&mut self, depth: u32) -> Result<(), Fault> {
        self.at += 1;
        let mut index = 0;
        while !matches!(self.token(), b']' | 0) {
            self.value(depth + 1).map_err(|fault| fault.under_index(index))?;
            index += 1;
            if self.token() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A key with its quotes.
    fn key(&mut self) -> Result<&'t str, Fault> {
        let start = self.at;
        let mut plain = true;
        self.at += 1;
        loop {
            match self.byte() {
                b'"' | 0 => break,
                b'\\' => {
                    plain = false;
                    self.at += 2;
                }
                byte => {
                    plain &= byte < 0x7f;
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        let key = self.since(start);
        // Two bytes are the quotes.
        let plain = plain && (3..=KEY_LENGTH + 2).contains(&key.len());
        if !plain {
            check_key(key)?;
        }
        Ok(key)
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or(&[]);
            self.at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            if self.byte() != b'\\' {
                break;
            }
            self.escape()?;
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let Some(unit) = self.unit() else {
            self.at += 2;
            return Ok(());
        };
        self.at += 6;
        match unit {
            0 => self.holds_nul = true,
            0xd800..=0xdbff => match self.unit() {
                Some(0xdc00..=0xdfff) => self.at += 6,
                _ => return Err(lone_surrogate(unit)),
            },
            0xdc00..=0xdfff => return Err(lone_surrogate(unit)),
            _ => {}
        }
        Ok(())
    }

    /// The UTF-16 unit of a `\uXXXX` that stands here.
    fn unit(&self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let (mut whole, mut exponent) = (true, false);
        loop {
            match self.byte() {
                b'0'..=b'9' | b'-' | b'+' => {}
                b'.' => whole = false,
                b'e' | b'E' => (whole, exponent) = (false, true),
                _ => break,
            }
            self.at += 1;
        }
        let text = self.since(start);
        // Of so few characters, a whole number is below 2^53, and a fraction neither huge nor tiny.
        if text.len() <= 15 && !exponent { Ok(()) } else { check_number(text, whole) }
    }
}

fn lone_surrogate(unit: u16) -> Fault {
    Fault::here(
        "bad_text",
        format!("`\\u{unit:04x}` is half a character; cut texts between characters, not between UTF-16 units"),
    )
}

fn check_key(key: &str) -> Result<(), Fault> {
    let key = decode(key)?;
    if key.is_empty() {
        return Err(Fault::here("bad_name", "a key is empty; give the value a name").under(""));
    }
    if key.chars().count() > KEY_LENGTH {
        return Err(Fault::here(
            "bad_name",
            format!("a key may have {KEY_LENGTH} characters; shorten it, or send it as a value"),
        )
        .under(&key));
    }
    if key.chars().any(char::is_control) {
        return Err(Fault::here("bad_name", "a key holds a control character; take it out").under(&key));
    }
    Ok(())
}

fn check_number(text: &str, whole: bool) -> Result<(), Fault> {
    let refuse = |why: &str| {
        let shown = text.get(..40).map_or_else(|| text.to_owned(), |start| format!("{start}…"));
        Err(Fault::here("bad_number", format!("{shown} {why}")))
    };
    if text.len() > NUMBER_LENGTH {
        return refuse("has more than 100 characters; round it, or send it as text in quotes");
    }
    if whole {
        let digits = text.strip_prefix('-').unwrap_or(text);
        return match digits.parse::<u64>() {
            Ok(number) if number <= WHOLE_LIMIT => Ok(()),
            _ => refuse("is beyond 2^53 and would lose digits; send it as text in quotes"),
        };
    }
    let number: f64 = text.parse().unwrap_or(f64::INFINITY);
    if number.is_infinite() {
        return refuse("is larger than any number we can keep; send it as text in quotes");
    }
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    if number == 0.0 && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        return refuse("is so small that it would become 0; round it");
    }
    Ok(())
}

/// What a JSON text is, for people.
pub(super) fn kind_of(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(_) => "a number",
        None => "nothing",
    }
}

/// The text of a JSON string with its quotes.
pub(super) fn decode(raw: &str) -> Result<Cow<'_, str>, Fault> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Ok(Cow::Owned(text)),
        // The grammar was checked, so that only half a surrogate pair is left to be wrong.
        Err(_) => Err(Fault::here(
            "bad_text",
            "the text holds half a character such as `\\ud83d`; cut texts between characters",
        )),
    }
}

/// An id: text, or a whole number as its decimal text. Null and empty text are no id.
pub(super) fn id(raw: Option<&str>, path: &'static str) -> Result<Option<Arc<str>>, Fault> {
    let Some(id) = text_or_whole(raw, path, "bad_id")? else { return Ok(None) };
    check_text(&id, path, "bad_id", ID_LENGTH)?;
    // What a program prints for a variable without a value. Taken as an id, it would make one
    // customer of everybody whom the program did not know.
    if matches!(&*id, "undefined" | "null" | "NaN" | "[object Object]") {
        return Err(Fault::at(
            path,
            "bad_id",
            format!("`{id}` is what a program prints for a missing value; leave the field out where there is no id"),
        ));
    }
    Ok(Some(id.into()))
}

/// A message id; null and empty text are none.
pub(super) fn message_id(raw: Option<&str>) -> Result<Option<Arc<str>>, Fault> {
    let Some(id) = text_or_whole(raw, "messageId", "bad_id")? else { return Ok(None) };
    check_text(&id, "messageId", "bad_id", NAME_LENGTH)?;
    Ok(Some(id.into()))
}

/// An event's name.
pub(super) fn event(raw: Option<&str>) -> Result<Cow<'_, str>, Fault> {
    let raw = raw.unwrap_or("\"\"");
    if !raw.starts_with('"') {
        return Err(Fault::at("event", "bad_name", format!("expected text, found {}", kind_of(raw))));
    }
    let name = decode(raw).map_err(|fault| fault.under("event"))?;
    if name.is_empty() {
        return Err(Fault::at(
            "event",
            "bad_name",
            "a track call names its event; send `event`, such as \"Order Completed\"",
        ));
    }
    check_text(&name, "event", "bad_name", NAME_LENGTH)?;
    Ok(name)
}

/// Kind, id and end of a record call.
pub(super) fn record(
    kind: Option<&str>,
    id: Option<&str>,
    deleted: Option<&str>,
    left: Option<&str>,
) -> Result<RecordPart, Fault> {
    let name = match kind {
        Some(raw) if raw.starts_with('"') => decode(raw).map_err(|fault| fault.under("kind"))?,
        _ => Cow::Borrowed(""),
    };
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if !fits {
        return Err(Fault::at(
            "kind",
            "bad_name",
            "a record names its kind with 1 to 64 of a-z, 0-9, _ and -, such as \"pass\"",
        ));
    }
    let Some(id) = self::id(id, "recordId")? else {
        return Err(Fault::at("recordId", "no_id", "a record call names its record; send `recordId`"));
    };
    Ok(RecordPart { kind: name.into(), id, deleted: flag(deleted, "deleted")?, left: flag(left, "left")? })
}

fn flag(raw: Option<&str>, path: &'static str) -> Result<bool, Fault> {
    match raw {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Fault::at(path, "bad_shape", format!("expected true or false, found {}", kind_of(other)))),
    }
}

fn text_or_whole<'t>(
    raw: Option<&'t str>,
    path: &'static str,
    reason: &'static str,
) -> Result<Option<Cow<'t, str>>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if raw.starts_with('"') {
        let text = decode(raw).map_err(|fault| fault.under(path))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        check_number(raw, true).map_err(|fault| fault.under(path))?;
        Ok(Some(Cow::Borrowed(raw)))
    } else {
        Err(Fault::at(path, reason, format!("expected text, found {}; send it in quotes", kind_of(raw))))
    }
}

fn check_text(text: &str, path: &str, reason: &'static str, longest: usize) -> Result<(), Fault> {
    let is_plain = text.len() <= longest && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain {
        return Ok(());
    }
    if text.len() > longest && text.chars().count() > longest {
        return Err(Fault::at(path, reason, format!("it may have {longest} characters; shorten it")));
    }
    if text.chars().any(char::is_control) {
        return Err(Fault::at(path, reason, "it holds a control character; take it out"));
    }
    Ok(())
}
