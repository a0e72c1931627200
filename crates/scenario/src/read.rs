//! A scenario file as data: read strictly before anything is run. Every error names the key and its place.

use crate::channels::Answer;
use crate::expect::Expect;
use crate::files;
use domain::definition::{Defined, Definition, DefinitionKind, read_yaml};
use domain::message::Channel;
use domain::shape::{Fields, ShapeError, join, kind_of, refuse, span, text, unknown};
use domain::{Name, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Most scenarios in a file, steps in a scenario, calls in it, and characters of a name.
const SCENARIOS: usize = 1_000;
const STEPS: usize = 10_000;
const SENDS: usize = 100_000;
/// Most codes of one pool that a step imports.
const CODES: usize = 10_000;
const NAME: usize = 300;
/// Most definitions of one `define`, those from other files included.
const DEFINITIONS: usize = domain::definition::DEFINITION_LIMIT;

/// One scenario.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) clock: Timestamp,
    pub(crate) define: Vec<Defined>,
    pub(crate) steps: Vec<Step>,
}

/// One step. The order of the fields is that in which they happen.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: Timestamp,
    pub(crate) restart: bool,
    pub(crate) define: Vec<Defined>,
    pub(crate) delete: Vec<(DefinitionKind, Name)>,
    pub(crate) merge: Option<[String; 2]>,
    pub(crate) unmerge: Option<[String; 2]>,
    pub(crate) erase: Option<String>,
    pub(crate) codes: Vec<(Name, Vec<String>)>,
    pub(crate) outbox: Vec<(Channel, Answers)>,
    pub(crate) send: Vec<Value>,
    pub(crate) expect: Option<Expect>,
}

/// How a channel answers from now on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answers {
    All(Answer),
    ByAddress(Vec<(String, Answer)>),
}

/// Reads the scenarios of a text. None: the text holds definitions only, and is no scenario.
pub(crate) fn scenarios(text: &str, folder: &Path) -> Result<Option<Vec<Scenario>>, ShapeError> {
    let documents = read_yaml(text)?;
    let documents: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
    if documents.is_empty() {
        return refuse("", "the file is empty; a scenario begins with `scenario:`");
    }
    if documents.iter().all(is_definitions) {
        return Ok(None);
    }
    if documents.len() > SCENARIOS {
        return refuse("", format!("{} scenarios in one file, more than {SCENARIOS}", documents.len()));
    }
    let several = documents.len() > 1;
    let read = documents.iter().enumerate().map(|(index, document)| {
        scenario(document, folder).map_err(|error| match several {
            true => ShapeError { message: format!("document {}: {}", index + 1, error.message), ..error },
            false => error,
        })
    });
    read.collect::<Result<_, _>>().map(Some)
}

fn is_definitions(document: &Value) -> bool {
    match document {
        Value::Array(items) => !items.is_empty() && items.iter().all(is_definitions),
        Value::Object(map) => {
            let is_kind = |key: &String| DefinitionKind::find(key).is_some();
            !["scenario", "steps", "clock"].iter().any(|key| map.contains_key(*key)) && map.keys().any(is_kind)
        }
        _ => false,
    }
}

fn scenario(document: &Value, folder: &Path) -> Result<Scenario, ShapeError> {
    let fields = Fields::of(document, "")?;
    let name = fields.require_text("scenario")?.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return refuse("scenario", format!("a name has 1 to {NAME} characters, in one line"));
    }
    let clock = instant(fields.require("clock")?, "clock")?;
    let zone = fields.text("zone")?;
    if let Some(zone) = zone
        && domain::Zone::find(zone).is_none()
    {
        return refuse("zone", format!("`{zone}` is no time zone such as Europe/Berlin"));
    }
    let mut values = match fields.get("define") {
        Some(value) => definition_values(value, "define", folder)?,
        None => Vec::new(),
    };
    begin_with(&mut values, zone)?;
    let define = definitions(values, zone)?;
    let steps = steps(fields.require("steps")?, clock, zone, folder)?;
    fields.finish()?;
    Ok(Scenario { name: name.to_owned(), clock, define, steps })
}

/// What every scenario has unless it defines it: a zone, and a marketing purpose to which silence means yes.
fn begin_with(values: &mut Vec<(String, Value)>, zone: Option<&str>) -> Result<(), ShapeError> {
    let settings = values.iter().find(|(_, value)| value.get("workspace").is_some());
    match (zone, settings) {
        (Some(zone), Some((place, settings))) => {
            if let Some(other) = settings.get("zone").filter(|other| *other != zone) {
                let words =
                    format!("the workspace's zone is {other} here, and `{zone}` in `zone`; leave one of them out");
                return refuse(&join(place, "zone"), words);
            }
        }
        (Some(zone), None) => {
            values.push(("zone".to_owned(), json!({ "workspace": "settings", "zone": zone })));
        }
        (None, _) => {}
    }
    let is_marketing = |value: &Value| {
        value.get("campaign").is_none() && value.get("purpose").is_some_and(|purpose| purpose == "marketing")
    };
    if !values.iter().any(|(_, value)| is_marketing(value)) {
        values.push(("define".to_owned(), json!({ "purpose": "marketing", "default": "granted" })));
    }
    Ok(())
}

/// Definitions as written, each with its place; those behind `from:` included.
fn definition_values(value: &Value, place: &str, folder: &Path) -> Result<Vec<(String, Value)>, ShapeError> {
    let mut values = Vec::new();
    for (index, item) in list(value, place, DEFINITIONS)?.iter().enumerate() {
        let place = format!("{place}[{index}]");
        if item.get("from").is_none() {
            values.push((place, item.clone()));
            continue;
        }
        let fields = Fields::of(item, &place)?;
        let from = fields.require_text("from")?;
        fields.finish()?;
        let place = join(&place, "from");
        for file in files::behind(&folder.join(from)).or_else(|reason| refuse(&place, reason))? {
            let wrong =
                |reason: String| ShapeError { path: place.clone(), message: format!("{}: {reason}", file.display()) };
            let text = files::text(&file).map_err(wrong)?;
            for document in read_yaml(&text).map_err(|error| wrong(error.to_string()))? {
                let items = match document {
                    Value::Array(items) => items,
                    Value::Null => Vec::new(),
                    other => vec![other],
                };
                // Scenarios may lie beside the definitions that they test.
                let items = items.into_iter().filter(|item| item.get("scenario").is_none());
                values.extend(items.map(|item| (format!("{place}: {}", file.display()), item)));
            }
        }
        if values.len() > DEFINITIONS {
            return refuse(&place, format!("more than {DEFINITIONS} definitions"));
        }
    }
    Ok(values)
}

fn definitions(values: Vec<(String, Value)>, zone: Option<&str>) -> Result<Vec<Defined>, ShapeError> {
    let mut found: Vec<Defined> = Vec::new();
    let mut places: BTreeMap<(DefinitionKind, Name), (String, usize)> = BTreeMap::new();
    for (place, mut value) in values {
        if value.get("alert").is_some() {
            return refuse(
                &join(&place, "alert"),
                "`alert` is part of the specification but not done by this version yet",
            );
        }
        // The scenario's zone is the workspace's, whatever else its settings say.
        if let (Some(zone), Some(settings)) = (zone, value.as_object_mut())
            && settings.contains_key("workspace")
            && !settings.contains_key("zone")
        {
            settings.insert("zone".to_owned(), zone.into());
        }
        let definition = match Definition::read(&value) {
            Ok(definition) => definition,
            Err(error) => return Err(ShapeError { path: under(&place, &error.path), message: error.message }),
        };
        let (kind, name) = (definition.kind(), definition.name());
        match places.get(&(kind, name.clone())) {
            None => {
                places.insert((kind, name), (place, found.len()));
                found.push(Defined { definition, value });
            }
            // One file may come by two ways, such as a folder and itself.
            Some((_, index)) if found[*index].value == value => {}
            Some((first, _)) => {
                let message = format!("{} `{name}` is defined here and in `{first}`; keep one of them", kind.word());
                return refuse(&place, message);
            }
        }
    }
    Ok(found)
}

fn under(place: &str, path: &str) -> String {
    if path.is_empty() { place.to_owned() } else { format!("{place}.{path}") }
}

fn steps(value: &Value, clock: Timestamp, zone: Option<&str>, folder: &Path) -> Result<Vec<Step>, ShapeError> {
    let (mut now, mut sends, mut steps) = (clock, 0, Vec::new());
    for (index, value) in list(value, "steps", STEPS)?.iter().enumerate() {
        let step = step(value, &format!("steps[{index}]"), now, zone, folder)?;
        now = step.at;
        sends += step.send.len();
        if sends > SENDS {
            return refuse(&format!("steps[{index}].send"), format!("more than {SENDS} calls in one scenario"));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn step(value: &Value, place: &str, before: Timestamp, zone: Option<&str>, folder: &Path) -> Result<Step, ShapeError> {
    let fields = Fields::of(value, place)?;
    let at = moment(fields.require("at")?, &fields.at("at"), before)?;
    let define = match fields.get("define") {
        Some(value) => definitions(definition_values(value, &fields.at("define"), folder)?, zone)?,
        None => Vec::new(),
    };
    let delete = match fields.get("delete") {
        Some(value) => deletions(value, &fields.at("delete"))?,
        None => Vec::new(),
    };
    let pair_of = |key| fields.get(key).map(|value| pair(value, &fields.at(key))).transpose();
    let (merge, unmerge) = (pair_of("merge")?, pair_of("unmerge")?);
    let erase = fields.get("erase").map(|value| text(value, &fields.at("erase")).map(str::to_owned)).transpose()?;
    let codes = match fields.get("codes") {
        Some(value) => codes(value, &fields.at("codes"))?,
        None => Vec::new(),
    };
    let outbox = match fields.get("outbox") {
        Some(value) => outbox(value, &fields.at("outbox"))?,
        None => Vec::new(),
    };
    let send = match fields.get("send") {
        Some(value) => list(value, &fields.at("send"), SENDS)?.to_vec(),
        None => Vec::new(),
    };
    let expect = fields.get("expect").map(|value| Expect::read(value, &fields.at("expect"), at)).transpose()?;
    let restart = fields.flag("restart")?.unwrap_or(false);
    fields.finish()?;
    Ok(Step { at, restart, define, delete, merge, unmerge, erase, codes, outbox, send, expect })
}

/// An instant, or a span after the step before.
fn moment(value: &Value, place: &str, before: Timestamp) -> Result<Timestamp, ShapeError> {
    let at = match text(value, place)?.strip_prefix('+') {
        Some(after) => before.plus(span(&after.into(), place)?),
        None => instant(value, place)?,
    };
    if at < before {
        return refuse(place, format!("{at} lies before {before}, where the clock stands by then"));
    }
    Ok(at)
}

/// An instant with its offset, such as 2026-03-02T12:00:00Z.
pub(crate) fn instant(value: &Value, place: &str) -> Result<Timestamp, ShapeError> {
    let written = text(value, place)?;
    match Timestamp::parse(written) {
        Some(at) => Ok(at),
        None => {
            let shown: String = written.chars().take(60).collect();
            refuse(place, format!("`{shown}` is no instant such as 2026-03-02T12:00:00Z"))
        }
    }
}

fn deletions(value: &Value, place: &str) -> Result<Vec<(DefinitionKind, Name)>, ShapeError> {
    let read = map(value, place)?.iter().map(|(kind, name)| {
        let Some(found) = DefinitionKind::find(kind) else {
            return refuse(
                place,
                unknown("kind of definition", kind, DefinitionKind::ALL.map(DefinitionKind::word).into_iter()),
            );
        };
        Ok((found, domain::shape::name(name, &join(place, kind))?))
    });
    read.collect()
}

fn pair(value: &Value, place: &str) -> Result<[String; 2], ShapeError> {
    match list(value, place, 2)? {
        [a, b] => Ok([text(a, place)?.to_owned(), text(b, place)?.to_owned()]),
        _ => refuse(place, "expected two names, such as [u1, u2]"),
    }
}

fn codes(value: &Value, place: &str) -> Result<Vec<(Name, Vec<String>)>, ShapeError> {
    let read = map(value, place)?.iter().map(|(pool, codes)| {
        let place = join(place, pool);
        let pool = Name::parse(pool).or_else(|error| refuse(&place, error))?;
        let code = |(i, value): (usize, &Value)| {
            let place = format!("{place}[{i}]");
            let code = engine::decide::pools::read_code(text(value, &place)?);
            code.map(str::to_owned).or_else(|reason| refuse(&place, reason))
        };
        let codes = list(codes, &place, CODES)?.iter().enumerate().map(code);
        Ok((pool, codes.collect::<Result<_, _>>()?))
    });
    read.collect()
}

fn outbox(value: &Value, place: &str) -> Result<Vec<(Channel, Answers)>, ShapeError> {
    let read = map(value, place)?.iter().map(|(word, answers)| {
        let Some(channel) = Channel::find(word) else {
            return refuse(place, unknown("channel", word, Channel::ALL.iter().map(|channel| channel.word())));
        };
        let place = join(place, word);
        let answers = match answers {
            Value::Object(by_address) => {
                let one =
                    |(address, word): (&String, &Value)| Ok((address.clone(), answer(word, &join(&place, address))?));
                Answers::ByAddress(by_address.iter().map(one).collect::<Result<_, _>>()?)
            }
            word => Answers::All(answer(word, &place)?),
        };
        Ok((channel, answers))
    });
    read.collect()
}

fn answer(value: &Value, place: &str) -> Result<Answer, ShapeError> {
    let word = text(value, place)?;
    match Answer::find(word) {
        Some(answer) => Ok(answer),
        None => refuse(place, unknown("answer of a channel", word, Answer::ALL.into_iter().map(Answer::word))),
    }
}

/// A list of at most `limit` values.
pub(crate) fn list<'a>(value: &'a Value, place: &str, limit: usize) -> Result<&'a [Value], ShapeError> {
    match value {
        Value::Array(items) if items.len() > limit => {
            refuse(place, format!("the list has {} values, more than {limit}", items.len()))
        }
        Value::Array(items) => Ok(items),
        other => refuse(place, format!("expected a list, found {}", kind_of(other))),
    }
}

/// A map.
pub(crate) fn map<'a>(value: &'a Value, place: &str) -> Result<&'a serde_json::Map<String, Value>, ShapeError> {
    match value {
        Value::Object(map) => Ok(map),
        other => refuse(place, format!("expected a map, found {}", kind_of(other))),
    }
}
