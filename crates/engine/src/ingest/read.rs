//! From bytes to the fields of each call: the grammar of JSON and the names of the fields.
//! What a field may hold is `check.rs`.

use super::check::{Fault, decode, kind_of};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Keys of a call beside its properties. The largest SDK sends 20.
const KEYS_LIMIT: usize = 500;
/// Keys of all calls of a body that are remembered from one pass, 32 bytes each: 25 for each of the most calls that a batch may
/// have. A body with more is read call by call.
const ENTRIES_LIMIT: usize = 500_000;
/// Keys that nobody reads and that are remembered by name, for the note about them.
const UNREAD_LIMIT: usize = 5;

/// The body as text, without a byte order mark.
pub(super) fn text(body: &[u8]) -> Result<&str, Fault> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => Err(Fault::here(
            "bad_json",
            format!("byte {} of the body is not UTF-8; send JSON as UTF-8", error.valid_up_to()),
        )),
    }
}

/// The fields of a JSON object, each as its raw text.
pub(super) fn fields(text: &str) -> Result<Fields<'_>, Fault> {
    let is_other_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
    if !text.trim_start().starts_with('{') && is_other_json() {
        return Err(Fault::here(
            "bad_shape",
            format!(
                "expected a call as an object {{…}}, found {}; a list of calls goes to /v1/batch as {{\"batch\": […]}}",
                kind_of(text)
            ),
        ));
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| bad_json(text, &error))?;
    fields.checked()
}

/// A batch's body: its fields beside the list, and the calls in it.
pub(super) struct Batch<'b> {
    pub(super) fields: Fields<'b>,
    pub(super) items: Items<'b>,
}

/// The calls of a batch, each with its text.
pub(super) enum Items<'b> {
    /// Their fields were read in the one pass over the body.
    Read(ReadItems<'b>),
    /// Each is still to be read.
    Raw(Vec<&'b RawValue>),
}

impl<'b> Items<'b> {
    /// Number of calls.
    pub(super) fn len(&self) -> usize {
        match self {
            Items::Read(items) => items.ends.len(),
            Items::Raw(items) => items.len(),
        }
    }

    /// A call's text.
    pub(super) fn text(&self, index: usize) -> &'b str {
        match self {
            Items::Read(items) => items.text(index),
            Items::Raw(items) => items.get(index).map_or("", |item| item.get()),
        }
    }

    /// A call's fields.
    pub(super) fn fields(&self, index: usize) -> Result<Fields<'b>, Fault> {
        match self {
            Items::Read(items) => items.fields(index),
            Items::Raw(_) => fields(self.text(index)),
        }
    }
}

/// Calls of which only the ends of their fields are known: what stands there is looked at when its turn comes.
pub(super) struct ReadItems<'b> {
    body: &'b str,
    /// Keys and values of all calls, one after the other.
    entries: Vec<Entry<'b>>,
    /// Behind the last entry of each call.
    ends: Vec<usize>,
}

impl<'b> ReadItems<'b> {
    fn entries(&self, index: usize) -> &[Entry<'b>] {
        let begin = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(begin);
        self.entries.get(begin..end).unwrap_or(&[])
    }

    fn fields(&self, index: usize) -> Result<Fields<'b>, Fault> {
        let mut fields = Fields::default();
        for (key, value) in self.entries(index) {
            fields.take(key, value);
        }
        fields.checked()
    }

    /// From the brace before the first key to the one behind the last value.
    fn text(&self, index: usize) -> &'b str {
        let entries = self.entries(index);
        let (Some((first, _)), Some((_, last))) = (entries.first(), entries.last()) else { return "{}" };
        let place = |part: &str| (part.as_ptr() as usize).saturating_sub(self.body.as_ptr() as usize);
        let begin = self.body.get(..place(first.get())).and_then(|before| before.rfind('{'));
        let after = place(last.get()) + last.get().len();
        let end = self.body.get(after..).and_then(|rest| rest.find('}')).map(|end| after + end + 1);
        begin.zip(end).and_then(|(begin, end)| self.body.get(begin..end)).unwrap_or("")
    }
}

/// Reads the body of a batch.
pub(super) fn batch(text: &str) -> Result<Batch<'_>, Fault> {
    // One pass over all bytes. Where it fails, the slow way says why.
    if let Ok(Body { fields, items: Some((entries, ends)) }) = serde_json::from_str(text)
        && fields.twice.is_none()
        && fields.count <= KEYS_LIMIT
    {
        return Ok(Batch { fields, items: Items::Read(ReadItems { body: text, entries, ends }) });
    }
    let fields = fields(text)?;
    let Some(list) = fields.raw(Field::Batch) else {
        return Err(Fault::at("batch", "bad_shape", "the list of calls is missing; send {\"batch\": [call, …]}"));
    };
    let items = serde_json::from_str(list)
        .map_err(|_| Fault::at("batch", "bad_shape", format!("expected a list of calls, found {}", kind_of(list))))?;
    Ok(Batch { fields, items: Items::Raw(items) })
}

fn bad_json(text: &str, error: &serde_json::Error) -> Fault {
    if text.trim().is_empty() {
        return Fault::here("bad_json", "the body is empty; send a call as a JSON object");
    }
    // Where an error stands is of use; only the characters before it tell what it is.
    let near = text
        .lines()
        .nth(error.line().saturating_sub(1))
        .and_then(|line| line.get(error.column().saturating_sub(1)..))
        .unwrap_or("");
    let advice = if near.starts_with(['N', 'I', 'a']) {
        "; NaN and Infinity are no JSON, send null or leave the value out"
    } else {
        ""
    };
    Fault::here("bad_json", format!("the body is no JSON object: {error}{advice}"))
}

macro_rules! fields {
    ($($variant:ident $word:literal),* $(,)?) => {
        /// The fields we read.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Field { $($variant),* }

        impl Field {
            const ALL: &'static [Field] = &[$(Field::$variant),*];

            /// Its name in the call.
            pub(super) fn word(self) -> &'static str {
                match self { $(Field::$variant => $word),* }
            }

            fn find(word: &str) -> Option<Field> {
                match word { $($word => Some(Field::$variant),)* _ => None }
            }
        }
    };
}

fields! {
    Type "type", UserId "userId", AnonymousId "anonymousId", PreviousId "previousId", GroupId "groupId",
    Event "event", Name "name", Category "category", Properties "properties", Traits "traits",
    Attributes "attributes", Context "context", MessageId "messageId", Timestamp "timestamp",
    OriginalTimestamp "originalTimestamp", SentAt "sentAt", WriteKey "writeKey", Kind "kind",
    RecordId "recordId", Deleted "deleted", Left "left", Batch "batch",
}

/// Some of the fields.
#[derive(Clone, Copy, Default)]
pub(super) struct FieldSet(u32);

impl FieldSet {
    /// These fields.
    pub(super) const fn of(fields: &[Field]) -> FieldSet {
        let (mut bits, mut at) = (0, 0);
        while at < fields.len() {
            bits |= 1 << fields[at] as u32;
            at += 1;
        }
        FieldSet(bits)
    }

    /// Both together.
    pub(super) const fn and(self, other: FieldSet) -> FieldSet {
        FieldSet(self.0 | other.0)
    }

    fn without(self, other: FieldSet) -> FieldSet {
        FieldSet(self.0 & !other.0)
    }

    fn has(self, field: Field) -> bool {
        FieldSet::of(&[field]).without(self).is_empty()
    }

    fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Fields that SDKs send and that say nothing about the customer: which destinations to use, how the
/// SDK was loaded, when someone else received the call.
fn is_of_no_use(word: &str) -> bool {
    matches!(
        word,
        "integrations" | "_metadata" | "channel" | "version" | "receivedAt" | "options" | "projectId" | "rudderId"
    )
}

/// The fields of one object.
#[derive(Default)]
pub(super) struct Fields<'b> {
    found: [Option<&'b RawValue>; Field::ALL.len()],
    present: FieldSet,
    twice: Option<Field>,
    count: usize,
    unread: Vec<Cow<'b, str>>,
}

impl<'b> Fields<'b> {
    /// The raw value of a field; null counts as absent.
    pub(super) fn value(&self, field: Field) -> Option<&'b RawValue> {
        self.found[field as usize].filter(|raw| raw.get() != "null")
    }

    /// Its text.
    pub(super) fn raw(&self, field: Field) -> Option<&'b str> {
        self.value(field).map(RawValue::get)
    }

    /// A field that is text.
    pub(super) fn text(&self, field: Field) -> Option<Cow<'b, str>> {
        self.raw(field).filter(|raw| raw.starts_with('"')).and_then(|raw| decode(raw).ok())
    }

    /// The names of fields that say something and are not among `read`.
    pub(super) fn unread(&self, read: FieldSet) -> Vec<Cow<'b, str>> {
        if self.unread.is_empty() && self.present.without(read).is_empty() {
            return Vec::new();
        }
        let says_something = |field: &Field| self.raw(*field).is_some_and(|raw| raw != "{}" && raw != "\"\"");
        let elsewhere = Field::ALL.iter().filter(|field| !read.has(**field)).filter(|field| says_something(field));
        elsewhere.map(|field| Cow::Borrowed(field.word())).chain(self.unread.iter().cloned()).collect()
    }

    /// The first of the names that nobody reads that satisfies a question.
    pub(super) fn find_unread(&self, question: impl Fn(&str) -> bool) -> Option<&str> {
        self.unread.iter().map(Cow::as_ref).find(|name| question(name))
    }

    /// Refuses too many of them, and one that stands twice.
    fn checked(self) -> Result<Fields<'b>, Fault> {
        if self.count > KEYS_LIMIT {
            return Err(Fault::here(
                "too_many_properties",
                format!("more than {KEYS_LIMIT} fields; put what belongs to the event into `properties`"),
            ));
        }
        if let Some(twice) = self.twice {
            let message = format!("`{}` stands twice; send it once", twice.word());
            return Err(Fault::at(twice.word(), "duplicate_key", message));
        }
        Ok(self)
    }

    fn take(&mut self, key: &'b RawValue, value: &'b RawValue) {
        self.count += 1;
        let word = word_of(key);
        match Field::find(&word) {
            Some(field) => {
                self.present = self.present.and(FieldSet::of(&[field]));
                if self.found[field as usize].replace(value).is_some() {
                    self.twice = Some(field);
                }
            }
            None if is_of_no_use(&word) || value.get() == "null" => {}
            None if self.unread.len() < UNREAD_LIMIT => self.unread.push(word),
            None => {}
        }
    }
}

fn word_of(key: &RawValue) -> Cow<'_, str> {
    decode(key.get()).unwrap_or(Cow::Borrowed(key.get()))
}

type Entry<'b> = (&'b RawValue, &'b RawValue);

/// A batch's body: `batch` itself is not among the fields, but keys and values of the calls in it, and where each ends.
struct Body<'b> {
    fields: Fields<'b>,
    items: Option<(Vec<Entry<'b>>, Vec<usize>)>,
}

/// Keys and values of the objects of a list, one after the other. Anything else in the list is an error.
#[derive(Default)]
struct Entries<'b> {
    entries: Vec<Entry<'b>>,
    ends: Vec<usize>,
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list […]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Entries::default();
                while list.next_element_seed(One(&mut entries.entries))?.is_some() {
                    entries.ends.push(entries.entries.len());
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Reads one object into the list of all.
struct One<'a, 'de>(&'a mut Vec<Entry<'de>>);

impl<'de> DeserializeSeed<'de> for One<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object {…}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let most = (self.0.len() + KEYS_LIMIT).min(ENTRIES_LIMIT);
        while let Some(entry) = map.next_entry()? {
            if self.0.len() >= most {
                return Err(A::Error::custom("more keys than are remembered"));
            }
            self.0.push(entry);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object {…}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
                let mut body = Body { fields: Fields::default(), items: None };
                while let Some(key) = map.next_key::<&RawValue>()? {
                    if word_of(key) != Field::Batch.word() {
                        body.fields.take(key, map.next_value()?);
                        continue;
                    }
                    let Entries { entries, ends } = map.next_value()?;
                    if body.items.replace((entries, ends)).is_some() {
                        body.fields.twice = Some(Field::Batch);
                    }
                }
                Ok(body)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object {…}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    fields.take(key, value);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Fields of an object that was checked, in order: key with its quotes, value.
/// Allocates; for the few calls that are rewritten.
pub(super) fn entries(object: &RawValue) -> Vec<(&str, &str)> {
    struct Entries<'b>(Vec<(&'b str, &'b str)>);
    impl<'de> Deserialize<'de> for Entries<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Object;
            impl<'de> Visitor<'de> for Object {
                type Value = Entries<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object {…}")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                    let mut entries = Vec::new();
                    while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                        entries.push((key.get(), value.get()));
                    }
                    Ok(Entries(entries))
                }
            }
            deserializer.deserialize_map(Object)
        }
    }
    serde_json::from_str(object.get()).map_or_else(|_| Vec::new(), |Entries(entries)| entries)
}

/// Finds the text of a top-level field in bytes that nobody has checked: linear, without recursion
/// and allocation, and with any answer for a body that is no JSON.
pub(super) fn peek<'b>(body: &'b [u8], field: Field) -> Option<Cow<'b, str>> {
    let mut at = body.iter().position(|&byte| byte == b'{')? + 1;
    let mut depth = 0_usize;
    let mut key: Option<&'b [u8]> = None;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => {
                let end = end_of_string(body, at)?;
                let string = &body[at..end];
                at = end;
                match key {
                    _ if depth > 0 => {}
                    None => key = Some(&string[1..string.len() - 1]),
                    Some(key) if key == field.word().as_bytes() => {
                        return match decode(std::str::from_utf8(string).ok()?).ok()? {
                            Cow::Borrowed(text) => Some(Cow::Borrowed(text)),
                            Cow::Owned(text) => Some(Cow::Owned(text)),
                        };
                    }
                    Some(_) => {}
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => key = None,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The place after the closing quote of a string that begins at `start`.
fn end_of_string(body: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match body.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
