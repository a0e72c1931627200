//! What a step expects, as written.

use crate::read::{instant, list, map};
use domain::message::{Because, Channel, Outcome};
use domain::shape::{Fields, ShapeError, join, kind_of, name, refuse, text, unknown};
use domain::{Name, Timestamp};
use serde_json::{Map, Value};

/// Most values in one list of expectations.
const EXPECTATIONS: usize = 10_000;

/// Somebody by a name, and what is expected of them.
pub(crate) type Of<T> = Vec<(String, T)>;
/// The same for each of several segments or campaigns.
pub(crate) type In<T> = Vec<(Name, T)>;

/// What was so at past instants, by segment and name.
pub(crate) type AsOf = Vec<(Timestamp, In<Of<bool>>)>;

/// The expectations of one step. What is absent is empty: an empty list expects nothing, but for `entered` and `left`.
#[derive(Clone, Default, Debug)]
pub(crate) struct Expect {
    /// Where it stands in the file.
    pub(crate) place: String,
    pub(crate) members: In<Of<bool>>,
    pub(crate) count: In<u64>,
    pub(crate) messages: Vec<Wanted>,
    /// No others than these.
    pub(crate) only: bool,
    pub(crate) not_sent: Vec<String>,
    pub(crate) no_messages_to: Vec<String>,
    pub(crate) inside: In<Of<bool>>,
    pub(crate) traits: Of<Map<String, Value>>,
    pub(crate) tasks: Vec<Matter>,
    pub(crate) webhooks: Vec<Matter>,
    pub(crate) vouchers: Of<u64>,
    pub(crate) points: Of<u64>,
    /// An empty list: nobody.
    pub(crate) entered: In<Vec<String>>,
    /// An empty list: nobody.
    pub(crate) left: In<Vec<String>>,
    pub(crate) until: In<Of<Option<Timestamp>>>,
    pub(crate) as_of: AsOf,
}

/// An outcome of a message that is expected. What is absent may be anything.
#[derive(Clone, Default, Debug)]
pub(crate) struct Wanted {
    /// As written, to show.
    pub(crate) written: Value,
    pub(crate) to: Option<String>,
    pub(crate) campaign: Option<Name>,
    pub(crate) step: Option<String>,
    pub(crate) template: Option<String>,
    pub(crate) variant: Option<String>,
    pub(crate) channel: Option<Channel>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) because: Option<Because>,
    pub(crate) contains: Option<String>,
    pub(crate) lacks: Option<String>,
    pub(crate) at: Option<Timestamp>,
}

/// A task or a webhook that is expected. What is absent may be anything.
#[derive(Clone, Debug)]
pub(crate) struct Matter {
    /// As written, to show.
    pub(crate) written: Value,
    pub(crate) about: Option<String>,
    /// Other words, by key.
    pub(crate) words: Vec<(&'static str, String)>,
}

/// What can be expected of a task, and of a webhook, beside whom it is about.
const TASK: [&str; 7] = ["title", "campaign", "step", "owner", "for", "due", "draft"];
const WEBHOOK: [&str; 4] = ["event", "campaign", "step", "url_of"];

impl Expect {
    /// Reads the expectations of a step at an instant.
    pub(crate) fn read(value: &Value, place: &str, at: Timestamp) -> Result<Expect, ShapeError> {
        let fields = Fields::of(value, place)?;
        let field = |key| (fields.get(key), fields.at(key));
        let expect = Expect {
            place: place.to_owned(),
            members: in_each(field("members"), |value, place| of_each(value, place, flag))?,
            count: in_each(field("count"), number)?,
            messages: each(field("messages"), wanted)?,
            only: fields.flag("only")?.unwrap_or(false),
            not_sent: each(field("not_sent"), words)?,
            no_messages_to: each(field("no_messages_to"), words)?,
            inside: in_each(field("inside"), |value, place| of_each(value, place, flag))?,
            traits: of(field("traits"), |value, place| map(value, place).cloned())?,
            tasks: each(field("tasks"), |value, place| matter(value, place, &TASK))?,
            webhooks: each(field("webhooks"), |value, place| matter(value, place, &WEBHOOK))?,
            vouchers: of(field("vouchers"), number)?,
            points: of(field("points"), number)?,
            entered: in_each(field("entered"), names)?,
            left: in_each(field("left"), names)?,
            until: in_each(field("until"), |value, place| of_each(value, place, instant_or_never))?,
            as_of: as_of(field("as_of"), at)?,
        };
        fields.finish()?;
        Ok(expect)
    }
}

type Field<'a> = (Option<&'a Value>, String);

fn of<T>((value, place): Field<'_>, read: impl Fn(&Value, &str) -> Result<T, ShapeError>) -> Result<Of<T>, ShapeError> {
    value.map_or(Ok(Vec::new()), |value| of_each(value, &place, read))
}

fn of_each<T>(
    value: &Value,
    place: &str,
    read: impl Fn(&Value, &str) -> Result<T, ShapeError>,
) -> Result<Of<T>, ShapeError> {
    map(value, place)?.iter().map(|(who, value)| Ok((who.clone(), read(value, &join(place, who))?))).collect()
}

fn in_each<T>(
    (value, place): Field<'_>,
    read: impl Fn(&Value, &str) -> Result<T, ShapeError>,
) -> Result<In<T>, ShapeError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let one = |(word, value): (&String, &Value)| {
        let place = join(&place, word);
        let name = Name::parse(word).or_else(|message| refuse(&place, message))?;
        Ok((name, read(value, &place)?))
    };
    map(value, &place)?.iter().map(one).collect()
}

fn each<T>(
    (value, place): Field<'_>,
    read: impl Fn(&Value, &str) -> Result<T, ShapeError>,
) -> Result<Vec<T>, ShapeError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = list(value, &place, EXPECTATIONS)?.iter().enumerate();
    items.map(|(index, value)| read(value, &format!("{place}[{index}]"))).collect()
}

fn as_of((value, place): Field<'_>, now: Timestamp) -> Result<AsOf, ShapeError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let one = |(word, value): (&String, &Value)| {
        let place = join(&place, word);
        let at = instant(&word.as_str().into(), &place)?;
        if at > now {
            return refuse(&place, format!("this is after {now}, the time of the step: what will be is not known"));
        }
        Ok((at, in_each((Some(value), place), |value, place| of_each(value, place, flag))?))
    };
    map(value, &place)?.iter().map(one).collect()
}

fn flag(value: &Value, place: &str) -> Result<bool, ShapeError> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        other => refuse(place, format!("expected true or false, found {}", kind_of(other))),
    }
}

fn number(value: &Value, place: &str) -> Result<u64, ShapeError> {
    match value.as_u64() {
        Some(number) => Ok(number),
        None => refuse(place, format!("expected a whole number from 0, found {}", kind_of(value))),
    }
}

fn words(value: &Value, place: &str) -> Result<String, ShapeError> {
    text(value, place).map(str::to_owned)
}

fn names(value: &Value, place: &str) -> Result<Vec<String>, ShapeError> {
    each((Some(value), place.to_owned()), words)
}

fn instant_or_never(value: &Value, place: &str) -> Result<Option<Timestamp>, ShapeError> {
    if value.is_null() { Ok(None) } else { instant(value, place).map(Some) }
}

fn wanted(value: &Value, place: &str) -> Result<Wanted, ShapeError> {
    let fields = Fields::of(value, place)?;
    let words = |key| fields.text(key).map(|text| text.map(str::to_owned));
    let wanted = Wanted {
        written: value.clone(),
        to: words("to")?,
        campaign: fields.get("campaign").map(|value| name(value, &fields.at("campaign"))).transpose()?,
        step: words("step")?,
        template: words("template")?,
        variant: words("variant")?,
        channel: one_of(&fields, "channel", Channel::find, Channel::ALL.iter().map(|word| word.word()))?,
        outcome: one_of(&fields, "outcome", Outcome::find, Outcome::ALL.iter().map(|word| word.word()))?,
        because: one_of(&fields, "because", Because::find, Because::ALL.iter().map(|word| word.word()))?,
        contains: words("contains")?,
        lacks: words("lacks")?,
        at: fields.get("at").map(|value| instant(value, &fields.at("at"))).transpose()?,
    };
    fields.finish()?;
    Ok(wanted)
}

fn one_of<T>(
    fields: &Fields<'_>,
    key: &'static str,
    find: impl Fn(&str) -> Option<T>,
    known: impl Iterator<Item = &'static str>,
) -> Result<Option<T>, ShapeError> {
    let Some(word) = fields.text(key)? else { return Ok(None) };
    match find(word) {
        Some(found) => Ok(Some(found)),
        None => refuse(&fields.at(key), unknown(key, word, known)),
    }
}

fn matter(value: &Value, place: &str, known: &[&'static str]) -> Result<Matter, ShapeError> {
    let fields = Fields::of(value, place)?;
    let about = fields.text("about")?.map(str::to_owned);
    let mut words = Vec::new();
    for key in known {
        // An instant is compared as one, however it is written.
        let word = match *key {
            "due" => fields.get(key).map(|value| instant(value, &fields.at(key))).transpose()?.map(|at| at.to_string()),
            _ => fields.text(key)?.map(str::to_owned),
        };
        words.extend(word.map(|word| (*key, word)));
    }
    fields.finish()?;
    Ok(Matter { written: value.clone(), about, words })
}
