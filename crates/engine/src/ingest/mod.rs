//! The door: bytes of one request body become checked calls, each accepted or refused with a reason.
//!
//! No HTTP, no clock, no I/O and no randomness here. Duplicates and identities are the profile's matter.
//! Of two equal keys in properties the later holds; of the call's own fields each may stand once.

mod amounts;
mod arrival;
mod check;
pub mod machine;
mod read;
#[cfg(test)]
mod tests;
mod trust;
mod when;

pub use amounts::{LARGEST_AMOUNT, quarantine_refund};
pub use arrival::{Arrival, Arrivals, Keys};
use check::Fault;
use domain::call::{Call, CallKind, Source, Trust, events};
use domain::time::{Span, Timestamp};
use read::{Batch, Field, FieldSet, Fields, Items};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// Items of one batch. The SDKs send 100; a call has more than 20 bytes and a body at most 4 MB.
pub const BATCH_LIMIT: usize = 20_000;
/// Bytes of one call.
pub const CALL_LIMIT: usize = 1_000_000;
/// Bytes of a refused item that are kept, so that a person can see what it was.
pub const RAW_LIMIT: usize = 16 * 1024;
/// Where the sender's own time is kept when a browser's clock is far ahead.
pub const ORIGINAL_TIMESTAMP: &str = "perennial_original_timestamp";

/// The fields of each call, whatever its kind.
const COMMON: FieldSet = FieldSet::of(&[
    Field::Type,
    Field::UserId,
    Field::AnonymousId,
    Field::MessageId,
    Field::Timestamp,
    Field::OriginalTimestamp,
    Field::SentAt,
    Field::Context,
    Field::WriteKey,
]);
/// The fields beside a batch. Rudder's SDK repeats `sentAt` as `timestamp` there.
const BESIDE_A_BATCH: FieldSet = FieldSet::of(&[Field::Batch, Field::SentAt, Field::WriteKey, Field::Timestamp]);

/// What kind of call the address of a request names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// One call of this kind.
    One(CallKind),
    /// A body with a list of calls, `{"batch": […]}`.
    Batch,
    /// One call, whose `type` decides.
    Any,
}

/// What was read from one body. Every item is in it once, accepted or refused.
#[derive(Debug)]
pub struct Reading {
    /// `writeKey` in the body.
    pub write_key: Option<String>,
    /// When the sender says that it sent the body.
    pub sent_at: Option<Timestamp>,
    /// The calls in the order of the body.
    pub items: Vec<Result<Call, Refusal>>,
    /// Parts of accepted calls that were not taken: index of the call, and what and why.
    pub set_aside: Vec<(usize, String)>,
}

/// Why a call, or a whole body, was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// A stable word: `bad_json`, `bad_shape`, `bad_type`, `bad_name`, `bad_id`, `no_id`, `bad_number`,
    /// `bad_text`, `bad_time`, `duplicate_key`, `needs_server_key`, `too_large`, `too_deep`,
    /// `too_many_properties`, `too_many_values`, `too_many_calls`, `negative_amount`.
    pub reason: &'static str,
    /// What, where, and what to do.
    pub message: String,
    /// The item as it was sent, at most 16 KB of it.
    pub raw: String,
    /// Its message id, where it has one.
    pub message_id: Option<String>,
    /// Its place in the batch, counted from 0.
    pub index: usize,
}

/// What the door knows beside the body.
pub struct Door<'a> {
    /// When the body arrived.
    pub now: Timestamp,
    /// Who sent it, found by its key.
    pub source: &'a Source,
    /// A message id for the call at an index that brings none.
    pub fresh_id: &'a dyn Fn(usize) -> String,
    /// What the workspace decided.
    pub options: &'a DoorOptions,
    /// Whether `sentAt` corrects the sender's clock; not so for files, which are read long after.
    pub correct_skew: bool,
}

/// What a workspace may decide about its door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorOptions {
    /// Takes orders from a browser's key; refunds never.
    pub browser_may_order: bool,
    /// Traits of known customers that a browser may set although they are protected.
    pub browser_traits: Vec<String>,
    /// How far ahead a browser may date a call before the time of arrival is taken.
    pub max_future_for_browser: Span,
    /// Below this difference between `sentAt` and arrival, the sender's clock is right: the rest is
    /// the journey, at most the 15 s until an SDK gives up, and requests repeated as first written.
    pub skew_tolerance: Span,
    /// A call that waited longer at its sender was given its time by hand.
    pub longest_wait: Span,
    /// The largest amount of one event that is believed, in units of its currency (10,000 times as much where the
    /// unit is small, as in yen); none: `LARGEST_AMOUNT`. Larger ones are set apart.
    pub largest_amount: Option<Decimal>,
}

impl Default for DoorOptions {
    fn default() -> DoorOptions {
        DoorOptions {
            browser_may_order: false,
            browser_traits: Vec::new(),
            max_future_for_browser: Span::hours(24),
            skew_tolerance: Span::minutes(2),
            longest_wait: when::LONGEST_WAIT,
            largest_amount: None,
        }
    }
}

/// Whether a trait is protected: what a browser says of it never stands against a server's word.
pub fn is_protected_trait(name: &str) -> bool {
    trust::is_protected_name(name)
}

/// Asks whether a text can be a userId or anonymousId. Errors: why not, in words.
pub fn check_id(text: &str) -> Result<(), String> {
    let quoted = serde_json::Value::from(text).to_string();
    check::id(Some(&quoted), "id").map(drop).map_err(|fault| fault.message)
}

/// Finds the `writeKey` of a body before anybody is authenticated. The answer for a body that is no
/// JSON means nothing; the cost is one pass.
pub fn find_write_key(body: &[u8]) -> Option<String> {
    read::peek(body, Field::WriteKey).map(Cow::into_owned)
}

/// Reads one request body, already decompressed and bounded.
/// Errors: the whole body is unusable. A single call that is refused is an item of the reading.
pub fn read(body: &[u8], endpoint: Endpoint, door: &Door<'_>) -> Result<Reading, Refusal> {
    let whole = |fault: Fault| refusal(fault, &String::from_utf8_lossy(start_of(body)), 0);
    let text = read::text(body).map_err(whole)?;
    let reading = match endpoint {
        Endpoint::One(kind) => read_one(text, Some(kind), door),
        Endpoint::Any => read_one(text, None, door),
        Endpoint::Batch => read_batch(text, door),
    };
    reading.map_err(whole)
}

fn read_one(text: &str, kind: Option<CallKind>, door: &Door<'_>) -> Result<Reading, Fault> {
    let fields = read::fields(text)?;
    let mut reader = Reader::new(door, None);
    let call = if text.len() > CALL_LIMIT { Err(too_large()) } else { reader.call(&fields, kind, 0) };
    // A single call's `sentAt` was read with the call.
    let sent_at = when::instant(&fields, Field::SentAt).unwrap_or(None);
    Ok(Reading {
        write_key: fields.text(Field::WriteKey).map(Cow::into_owned),
        sent_at,
        items: vec![call.map_err(|fault| refusal(fault, text, 0))],
        set_aside: reader.set_aside,
    })
}

fn read_batch(text: &str, door: &Door<'_>) -> Result<Reading, Fault> {
    let Batch { fields: body, items } = read::batch(text)?;
    if items.len() > BATCH_LIMIT {
        let message = format!("{} calls are more than {BATCH_LIMIT}; send several batches", items.len());
        return Err(Fault::at("batch", "too_many_calls", message));
    }
    let sent_at = when::instant(&body, Field::SentAt)?;
    let mut reader = Reader::new(door, sent_at);
    let read = (0..items.len()).map(|index| {
        let in_batch = |fault: Fault| refusal(fault.under_index(index).under("batch"), items.text(index), index);
        reader.item(&items, index).map_err(in_batch)
    });
    let items = read.collect();
    reader.note_unread(&body, BESIDE_A_BATCH, "a batch", 0);
    Ok(Reading {
        write_key: body.text(Field::WriteKey).map(Cow::into_owned),
        sent_at,
        items,
        set_aside: reader.set_aside,
    })
}

fn too_large() -> Fault {
    Fault::here("too_large", "a call may have 1 MB; send less with it, or several calls")
}

fn refusal(fault: Fault, raw: &str, index: usize) -> Refusal {
    let message_id = read::peek(raw.as_bytes(), Field::MessageId)
        .map(|id| id.chars().take(200).collect::<String>())
        .filter(|id| !id.is_empty());
    let raw = raw.get(..raw.floor_char_boundary(RAW_LIMIT)).unwrap_or("").to_owned();
    let message = match fault.path.as_str() {
        "" => fault.message,
        path => format!("at `{path}`: {}", fault.message),
    };
    Refusal { reason: fault.reason, message, raw, message_id, index }
}

fn start_of(body: &[u8]) -> &[u8] {
    body.get(..RAW_LIMIT).unwrap_or(body)
}

/// Reads the calls of one body, one after the other.
struct Reader<'b, 'd> {
    door: &'d Door<'d>,
    sent_at: Option<Timestamp>,
    set_aside: Vec<(usize, String)>,
    /// The last context that was checked. The SDKs of servers send the same one with each call.
    context: Option<Context<'b>>,
}

struct Context<'b> {
    raw: &'b RawValue,
    kept: Arc<RawValue>,
    values: usize,
}

/// The notes about fields that nobody reads, of one body: those already made are looked for among
/// so many, so that an SDK's habit is told once.
const NOTES_COMPARED: usize = 16;

impl<'b, 'd> Reader<'b, 'd> {
    fn new(door: &'d Door<'d>, sent_at: Option<Timestamp>) -> Reader<'b, 'd> {
        Reader { door, sent_at, set_aside: Vec::new(), context: None }
    }

    fn item(&mut self, items: &Items<'b>, index: usize) -> Result<Call, Fault> {
        if items.text(index).len() > CALL_LIMIT {
            return Err(too_large());
        }
        let fields = items.fields(index)?;
        self.call(&fields, None, index)
    }

    fn call(&mut self, fields: &Fields<'b>, kind: Option<CallKind>, index: usize) -> Result<Call, Fault> {
        let kind = kind_of_call(fields, kind)?;
        let message_id = check::message_id(fields.raw(Field::MessageId))?;
        let ids = Ids::read(fields, kind)?;
        let event = event_of(fields, kind)?;
        let record = record_of(fields, kind)?;
        if self.door.source.trust == Trust::Browser {
            trust::may_send(kind, event.as_deref(), self.door.options)?;
        }
        let when = when::happened(fields, self.sent_at, self.door)?;
        // Notes are made last: a call that is refused has nothing set aside.
        let mut notes = Vec::new();
        let (context, values) = self.context(fields, &mut notes)?;
        let mut body = self.body(fields, kind, &ids, values, &mut notes)?;
        let amounts = match event.as_deref() {
            Some(event) => amounts::judge(event, &body, self.door.options.largest_amount)
                .map_err(|fault| fault.under("properties"))?,
            None => None,
        };
        let context = match when.set_aside {
            Some(original) => {
                notes.push(format!("the time {original} lies ahead of ours; the time of arrival counts, and `context.{ORIGINAL_TIMESTAMP}` keeps the other"));
                Some(with_original(context.as_deref(), original)?)
            }
            None => context,
        };
        let context = match amounts {
            Some(judged) => {
                body = judged.body;
                notes.push(judged.note);
                Some(with_entries(context.as_deref(), &judged.mark)?)
            }
            None => context,
        };
        // Judged here, before anything is written down, so that it is the same however often history is read.
        let renamed = event.as_deref().and_then(|event| machine::judge_told(event, &body, context.as_deref()));
        let event: Option<Arc<str>> = match renamed {
            Some(renamed) => {
                body = renamed.body;
                Some(renamed.event.into())
            }
            None => event.map(Into::into),
        };
        self.set_aside.extend(notes.into_iter().map(|note| (index, note)));
        self.note_unread(fields, fields_of(kind), word_with_article(kind), index);
        Ok(Call {
            kind,
            message_id: message_id.unwrap_or_else(|| (self.door.fresh_id)(index).into()),
            user_id: ids.user,
            anonymous_id: ids.anonymous,
            other_id: ids.other,
            event,
            timestamp: when.timestamp,
            received_at: self.door.now,
            source: self.door.source.name.clone(),
            trust: self.door.source.trust,
            record,
            body,
            context,
        })
    }

    /// The context, and the number of values in it.
    fn context(
        &mut self,
        fields: &Fields<'b>,
        notes: &mut Vec<String>,
    ) -> Result<(Option<Arc<RawValue>>, usize), Fault> {
        let Some(raw) = fields.value(Field::Context) else { return Ok((None, 0)) };
        if let Some(last) = self.context.as_ref().filter(|last| last.raw.get() == raw.get()) {
            return Ok((Some(last.kept.clone()), last.values));
        }
        let checked = check::object(raw, 0).map_err(|fault| fault.under("context"))?;
        if raw.get() == "{}" {
            return Ok((None, 0));
        }
        let kept = check::to_keep(raw, &checked)?;
        if checked.holds_nul {
            notes.push(without_nul("context"));
        } else {
            self.context = Some(Context { raw, kept: kept.clone(), values: checked.values });
        }
        Ok((Some(kept), checked.values))
    }

    fn body(
        &mut self,
        fields: &Fields<'b>,
        kind: CallKind,
        ids: &Ids,
        values: usize,
        notes: &mut Vec<String>,
    ) -> Result<Arc<RawValue>, Fault> {
        let field = match kind {
            CallKind::Track | CallKind::Page | CallKind::Screen => Field::Properties,
            CallKind::Identify | CallKind::Group => Field::Traits,
            CallKind::Record => Field::Attributes,
            CallKind::Alias => return Ok(EMPTY.clone()),
        };
        let mut body = match fields.value(field).filter(|raw| raw.get() != "{}") {
            None => EMPTY.clone(),
            Some(raw) => {
                let checked = check::object(raw, values).map_err(|fault| fault.under(field.word()))?;
                if checked.holds_nul {
                    notes.push(without_nul(field.word()));
                }
                check::to_keep(raw, &checked)?
            }
        };
        if matches!(kind, CallKind::Page | CallKind::Screen) {
            body = with_name_and_category(body, fields)?;
        }
        let names_a_customer = self.door.source.trust == Trust::Browser && ids.user.is_some();
        if kind == CallKind::Identify && names_a_customer {
            body = self.without_protected_traits(body, notes)?;
        }
        Ok(body)
    }

    fn without_protected_traits(&self, body: Arc<RawValue>, notes: &mut Vec<String>) -> Result<Arc<RawValue>, Fault> {
        let is_protected = |key: &str| trust::is_protected_trait(key, self.door.options);
        let entries = read::entries(&body);
        let (protected, free): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| is_protected(key));
        if protected.is_empty() {
            return Ok(body);
        }
        notes.extend(protected.iter().map(|(key, _)| {
            format!("the trait {key} of a known customer is not taken from a browser's key; send it with a server key")
        }));
        let free: Vec<String> = free.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        check::own(format!("{{{}}}", free.join(",")))
    }

    fn note_unread(&mut self, fields: &Fields<'_>, read: FieldSet, of: &str, index: usize) {
        let names = fields.unread(read);
        if names.is_empty() {
            return;
        }
        let shown: Vec<String> = names.iter().map(|name| format!("`{}`", shown(name))).collect();
        let note = format!(
            "{of} has no field {}; it was left out: what belongs to the call goes into its properties, traits, attributes or context",
            shown.join(", ")
        );
        let told = self.set_aside.iter().rev().take(NOTES_COMPARED).any(|(_, told)| *told == note);
        if !told {
            self.set_aside.push((index, note));
        }
    }
}

/// The body of a call that says nothing further.
static EMPTY: LazyLock<Arc<RawValue>> = LazyLock::new(|| check::own("{}".to_owned()).expect("an empty object is JSON"));

fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

fn without_nul(field: &str) -> String {
    format!("`\\u0000` was taken out of texts in `{field}`")
}

/// The whom of a call.
struct Ids {
    user: Option<Arc<str>>,
    anonymous: Option<Arc<str>>,
    other: Option<Arc<str>>,
}

impl Ids {
    fn read(fields: &Fields<'_>, kind: CallKind) -> Result<Ids, Fault> {
        let id = |field: Field| check::id(fields.raw(field), field.word());
        let user = id(Field::UserId)?;
        let anonymous = id(Field::AnonymousId)?;
        let other = match kind {
            CallKind::Alias => id(Field::PreviousId)?,
            CallKind::Group => id(Field::GroupId)?,
            _ => None,
        };
        let missing = match kind {
            CallKind::Alias if user.is_none() => Some(("userId", "an alias names the customer; send `userId`")),
            CallKind::Alias if other.is_none() => {
                Some(("previousId", "an alias names the id that is joined; send `previousId`"))
            }
            _ if user.is_none() && anonymous.is_none() => {
                Some(("", "the call names nobody; send `userId` or `anonymousId`"))
            }
            CallKind::Group if other.is_none() => Some(("groupId", "a group call names its group; send `groupId`")),
            _ => None,
        };
        let Some((path, message)) = missing else { return Ok(Ids { user, anonymous, other }) };
        let message = match fields.find_unread(is_misspelt_id) {
            Some(name) => format!("{message}; `{}` is not read", shown(name)),
            None => message.to_owned(),
        };
        Err(Fault::at(path, "no_id", message))
    }
}

fn is_misspelt_id(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    ["userid", "anonymousid", "previousid", "groupid", "id", "distinctid"].contains(&plain.as_str())
}

fn kind_of_call(fields: &Fields<'_>, expected: Option<CallKind>) -> Result<CallKind, Fault> {
    let refuse = |message: String| Err(Fault::at("type", "bad_type", message));
    let kinds = "track, page, screen, identify, group, alias or record";
    let Some(raw) = fields.raw(Field::Type) else {
        return expected.map_or_else(|| refuse(format!("the kind of call is missing; send `type`: {kinds}")), Ok);
    };
    let word = fields.text(Field::Type);
    let found = word.as_deref().and_then(CallKind::find);
    match (found, expected) {
        (Some(found), Some(expected)) if found != expected => refuse(format!(
            "the address is for {} calls, the call says {}; send it to /v1/{} or to /v1/batch",
            expected.word(),
            found.word(),
            found.word()
        )),
        (Some(found), _) => Ok(found),
        (None, _) => {
            let word = word.map_or_else(|| check::kind_of(raw).to_owned(), |word| format!("`{}`", shown(&word)));
            refuse(format!("{word} is no kind of call; send {kinds}"))
        }
    }
}

fn event_of<'b>(fields: &Fields<'b>, kind: CallKind) -> Result<Option<Cow<'b, str>>, Fault> {
    Ok(match kind {
        CallKind::Track => Some(check::event(fields.raw(Field::Event))?),
        CallKind::Page => Some(Cow::Borrowed(events::PAGE_VIEWED)),
        CallKind::Screen => Some(Cow::Borrowed(events::SCREEN_VIEWED)),
        CallKind::Identify | CallKind::Group | CallKind::Alias | CallKind::Record => None,
    })
}

fn record_of(fields: &Fields<'_>, kind: CallKind) -> Result<Option<domain::call::RecordPart>, Fault> {
    if kind != CallKind::Record {
        return Ok(None);
    }
    let raw = |field: Field| fields.raw(field);
    check::record(raw(Field::Kind), raw(Field::RecordId), raw(Field::Deleted), raw(Field::Left)).map(Some)
}

/// Properties of a page or screen with the call's own `name` and `category` beside them, unless the
/// sender has set them there.
fn with_name_and_category(body: Arc<RawValue>, fields: &Fields<'_>) -> Result<Arc<RawValue>, Fault> {
    let mut added = String::new();
    let mut entries = None;
    for field in [Field::Name, Field::Category] {
        let Some(raw) = fields.raw(field).filter(|raw| *raw != "\"\"") else { continue };
        let is_clean = fields.text(field).is_some_and(|text| !text.contains('\0'));
        if !is_clean {
            let message = format!("expected text of whole characters without NUL, found {}", check::kind_of(raw));
            return Err(Fault::at(field.word(), "bad_name", message));
        }
        let entries = entries.get_or_insert_with(|| read::entries(&body));
        let is_there = entries.iter().any(|(key, _)| check::decode(key).is_ok_and(|key| key == field.word()));
        if !is_there {
            added.push_str(&format!(",\"{}\":{raw}", field.word()));
        }
    }
    if added.is_empty() { Ok(body) } else { with_entries(Some(&body), &added) }
}

fn with_original(context: Option<&RawValue>, original: &str) -> Result<Arc<RawValue>, Fault> {
    // Behind the sender's own keys: of two that are the same, the later holds.
    with_entries(context, &format!(",\"{ORIGINAL_TIMESTAMP}\":{original}"))
}

/// An object with further entries; `added` begins with a comma.
fn with_entries(object: Option<&RawValue>, added: &str) -> Result<Arc<RawValue>, Fault> {
    let inner = object.map_or("", RawValue::get).trim();
    let inner = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or("").trim();
    let added = if inner.is_empty() { added.strip_prefix(',').unwrap_or(added) } else { added };
    check::own(format!("{{{inner}{added}}}"))
}

fn fields_of(kind: CallKind) -> FieldSet {
    COMMON.and(match kind {
        CallKind::Track => FieldSet::of(&[Field::Event, Field::Properties]),
        CallKind::Page | CallKind::Screen => FieldSet::of(&[Field::Name, Field::Category, Field::Properties]),
        CallKind::Identify => FieldSet::of(&[Field::Traits]),
        CallKind::Group => FieldSet::of(&[Field::GroupId, Field::Traits]),
        CallKind::Alias => FieldSet::of(&[Field::PreviousId]),
        CallKind::Record => {
            FieldSet::of(&[Field::Kind, Field::RecordId, Field::Deleted, Field::Left, Field::Attributes])
        }
    })
}

fn word_with_article(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Track => "a track call",
        CallKind::Page => "a page call",
        CallKind::Screen => "a screen call",
        CallKind::Identify => "an identify call",
        CallKind::Group => "a group call",
        CallKind::Alias => "an alias call",
        CallKind::Record => "a record call",
    }
}
