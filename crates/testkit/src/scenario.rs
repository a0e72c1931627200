//! Runs scenario files (`spec/scenarios.md`) through the engine. What this version does not do yet is told
//! apart from what it does wrongly.

use crate::actors::{Keeps, Post, Shop, Told};
use crate::channels::Answer;
use crate::clock::instant;
use domain::call::Trust;
use domain::definition::{Defined, Definition, read_yaml};
use domain::message::{Channel, Outcome};
use domain::{DefinitionKind, Name, Span, Timestamp};
use engine::Receipt;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use store::{Page, TransitionFilter};

/// What became of a scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every expectation held.
    Passed,
    /// Some did not: what, where, and why.
    Failed(Vec<String>),
    /// It needs what this version does not do yet.
    NotYet(String),
    /// The file is wrong.
    Unreadable(String),
}

/// Why a scenario stopped before its end.
enum Stop {
    NotYet(String),
    Unreadable(String),
    Failed(String),
}

type Step<T> = Result<T, Stop>;

/// Runs the scenario in a file.
pub fn run_file(path: &Path, keeps: Keeps) -> Verdict {
    match std::fs::read_to_string(path) {
        Ok(text) => run_text(&text, path.parent(), keeps),
        Err(error) => Verdict::Unreadable(error.to_string()),
    }
}

/// Runs a scenario. `folder`: where `from:` begins.
pub fn run_text(text: &str, folder: Option<&Path>, keeps: Keeps) -> Verdict {
    let documents = match read_yaml(text) {
        Ok(documents) => documents,
        Err(error) => return Verdict::Unreadable(error),
    };
    let [scenario] = documents.as_slice() else {
        return Verdict::Unreadable("a file holds one scenario".to_owned());
    };
    match Run::begin(scenario, folder, keeps).and_then(|mut run| run.all_steps(scenario).map(|()| run.failures)) {
        Ok(failures) if failures.is_empty() => Verdict::Passed,
        Ok(failures) => Verdict::Failed(failures),
        Err(Stop::Failed(failure)) => Verdict::Failed(vec![failure]),
        Err(Stop::NotYet(reason)) => Verdict::NotYet(reason),
        Err(Stop::Unreadable(reason)) => Verdict::Unreadable(reason),
    }
}

struct Run<'a> {
    shop: Shop,
    folder: Option<&'a Path>,
    place: String,
    failures: Vec<String>,
    /// Outcomes since the step before.
    told: Vec<Told>,
    /// Number of transitions at the end of the step before.
    transitions: u64,
}

fn unreadable<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Unreadable(message.into()))
}

fn fields<'a>(value: &'a Value, place: &str, known: &[&str]) -> Step<&'a Map<String, Value>> {
    let Some(map) = value.as_object() else { return unreadable(format!("{place}: expected a map")) };
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => unreadable(format!("{place}: unknown key `{key}`")),
        None => Ok(map),
    }
}

fn text<'a>(value: &'a Value, place: &str) -> Step<&'a str> {
    match value.as_str() {
        Some(text) => Ok(text),
        None => unreadable(format!("{place}: expected text, found {value}")),
    }
}

fn list<'a>(value: &'a Value, place: &str) -> Step<&'a [Value]> {
    match value.as_array() {
        Some(list) => Ok(list),
        None => unreadable(format!("{place}: expected a list, found {value}")),
    }
}

fn map<'a>(value: &'a Value, place: &str) -> Step<&'a Map<String, Value>> {
    match value.as_object() {
        Some(map) => Ok(map),
        None => unreadable(format!("{place}: expected a map, found {value}")),
    }
}

fn flag(value: &Value, place: &str) -> Step<bool> {
    match value.as_bool() {
        Some(flag) => Ok(flag),
        None => unreadable(format!("{place}: expected true or false, found {value}")),
    }
}

fn name(value: &str, place: &str) -> Step<Name> {
    Name::parse(value).or_else(|error| unreadable(format!("{place}: {error}")))
}

fn time(value: &Value, place: &str) -> Step<Timestamp> {
    match Timestamp::parse(text(value, place)?) {
        Some(at) => Ok(at),
        None => unreadable(format!("{place}: {value} is no instant")),
    }
}

impl<'a> Run<'a> {
    fn begin(scenario: &Value, folder: Option<&'a Path>, keeps: Keeps) -> Step<Run<'a>> {
        let top = fields(scenario, "scenario", &["scenario", "clock", "zone", "define", "steps"])?;
        let clock = time(top.get("clock").unwrap_or(&Value::Null), "clock")?;
        let shop = Shop::bare(clock, keeps, Post::Pretended);
        let mut run =
            Run { shop, folder, place: "define".to_owned(), failures: Vec::new(), told: Vec::new(), transitions: 0 };
        let mut definitions = match top.get("define") {
            Some(value) => run.read_definitions(value)?,
            None => Vec::new(),
        };
        let is_defined =
            |kind: DefinitionKind| definitions.iter().any(|value: &Value| value.get(kind.word()).is_some());
        let marketing_is_defined = definitions.iter().any(|value| {
            value.get("campaign").is_none() && value.get("purpose").is_some_and(|name| name == "marketing")
        });
        if let Some(zone) = top.get("zone")
            && !is_defined(DefinitionKind::Workspace)
        {
            definitions.push(json!({ "workspace": "settings", "zone": zone }));
        }
        if !marketing_is_defined {
            definitions.push(json!({ "purpose": "marketing", "default": "granted" }));
        }
        run.define(definitions)?;
        Ok(run)
    }

    fn all_steps(&mut self, scenario: &Value) -> Step<()> {
        for (number, step) in (1..).zip(list(scenario.get("steps").unwrap_or(&Value::Null), "steps")?) {
            self.place = format!("step {number}");
            self.step(step)?;
            if !self.failures.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Value) -> Step<()> {
        let known = ["at", "restart", "define", "delete", "merge", "unmerge", "erase", "outbox", "send", "expect"];
        let step = fields(step, &self.place, &known)?;
        self.move_clock(step.get("at").unwrap_or(&Value::Null))?;
        if let Some(restart) = step.get("restart")
            && flag(restart, &self.place)?
        {
            self.shop.restart();
        }
        if let Some(value) = step.get("define") {
            let definitions = self.read_definitions(value)?;
            self.define(definitions)?;
        }
        if let Some(value) = step.get("delete") {
            self.delete(value)?;
        }
        for (word, value) in [("merge", step.get("merge")), ("unmerge", step.get("unmerge"))] {
            if let Some(value) = value {
                self.join(word, value)?;
            }
        }
        if step.contains_key("erase") {
            return Err(Stop::NotYet("erase".to_owned()));
        }
        if let Some(value) = step.get("outbox") {
            self.set_outbox(value)?;
        }
        for call in step.get("send").map_or(Ok(&[][..]), |value| list(value, "send"))? {
            self.send(call)?;
        }
        self.told = self.shop.told();
        if let Some(expect) = step.get("expect") {
            self.expect(expect)?;
        }
        self.transitions = self.last_transition();
        Ok(())
    }

    fn move_clock(&mut self, at: &Value) -> Step<()> {
        let written = text(at, &self.place)?;
        let now = self.shop.now();
        let at = match written.strip_prefix('+') {
            Some(span) => now.plus(Span::parse(span).or_else(|error| unreadable(format!("{}: {error}", self.place)))?),
            None => time(at, &self.place)?,
        };
        if at < now {
            return unreadable(format!("{}: {written} lies before the step before it", self.place));
        }
        self.shop.move_to(at);
        self.place = format!("{} ({at})", self.place);
        Ok(())
    }

    fn read_definitions(&self, value: &Value) -> Step<Vec<Value>> {
        let mut definitions = Vec::new();
        for item in list(value, "define")? {
            match item.get("from") {
                None => definitions.push(item.clone()),
                Some(from) => {
                    let path = self.folder.unwrap_or(Path::new(".")).join(text(from, "from")?);
                    for file in definition_files(&path)? {
                        let content = std::fs::read_to_string(&file)
                            .or_else(|error| unreadable(format!("{}: {error}", file.display())))?;
                        for document in read_yaml(&content).or_else(unreadable)? {
                            match document {
                                Value::Array(items) => definitions.extend(items),
                                Value::Null => {}
                                other => definitions.push(other),
                            }
                        }
                    }
                }
            }
        }
        Ok(definitions)
    }

    fn define(&mut self, definitions: Vec<Value>) -> Step<()> {
        let mut defined = Vec::new();
        for value in definitions {
            if value.get("alert").is_some() {
                return Err(Stop::NotYet("alerts".to_owned()));
            }
            let definition = Definition::read(&value).map_err(|error| self.refused(&error.to_string()))?;
            defined.push(Defined { definition, value });
        }
        let now = self.shop.now();
        let result = self.shop.engine_mut().define(defined, "scenario", now);
        result.map_err(|error| self.refused(&error.to_string()))?;
        self.shop.settle();
        Ok(())
    }

    fn refused(&self, error: &str) -> Stop {
        if error.contains("by this version yet") {
            Stop::NotYet(error.to_owned())
        } else {
            Stop::Unreadable(format!("{}: {error}", self.place))
        }
    }

    fn delete(&mut self, value: &Value) -> Step<()> {
        for (kind, target) in map(value, "delete")? {
            let Some(kind) = DefinitionKind::find(kind) else {
                return unreadable(format!("delete: unknown kind `{kind}`"));
            };
            let target = name(text(target, "delete")?, "delete")?;
            let now = self.shop.now();
            let result = self.shop.engine_mut().delete_definition(kind, &target, "scenario", now);
            result.map_err(|error| Stop::Failed(format!("{}: {error}", self.place)))?;
        }
        self.shop.settle();
        Ok(())
    }

    fn join(&mut self, word: &str, value: &Value) -> Step<()> {
        let [a, b] = list(value, word)? else { return unreadable(format!("{word}: expected two names")) };
        let (a, b, now) = (text(a, word)?, text(b, word)?, self.shop.now());
        let result = match word {
            "merge" => self.shop.engine_mut().merge(a, b, now).map(|_| ()),
            _ => self.shop.engine_mut().unmerge(a, b, now),
        };
        result.map_err(|error| Stop::Failed(format!("{}: {error}", self.place)))?;
        self.shop.settle();
        Ok(())
    }

    fn set_outbox(&mut self, value: &Value) -> Step<()> {
        for (channel, answers) in map(value, "outbox")? {
            let Some(channel) = Channel::find(channel) else {
                return unreadable(format!("outbox: unknown channel `{channel}`"));
            };
            let mut channels = self.shop.channels();
            channels.answer_all(channel, Answer::Accept);
            match answers {
                Value::Object(by_address) => {
                    for (address, word) in by_address {
                        channels.answer_to(channel, address, answer(word)?);
                    }
                }
                word => channels.answer_all(channel, answer(word)?),
            }
        }
        Ok(())
    }

    fn send(&mut self, call: &Value) -> Step<()> {
        match self.shop.send(call, Trust::Server) {
            Receipt::Refused { reason, message } => {
                Err(Stop::Failed(format!("{}: {call} was refused ({reason}): {message}", self.place)))
            }
            Receipt::Accepted(_) | Receipt::Duplicate { .. } => Ok(()),
        }
    }

    fn expect(&mut self, expect: &Value) -> Step<()> {
        let known = [
            "members",
            "count",
            "messages",
            "only",
            "not_sent",
            "no_messages_to",
            "inside",
            "traits",
            "tasks",
            "webhooks",
            "vouchers",
            "points",
            "entered",
            "left",
            "until",
            "as_of",
        ];
        let expect = fields(expect, &format!("{}: expect", self.place), &known)?;
        for word in ["tasks", "webhooks", "vouchers", "points"] {
            if expect.contains_key(word) {
                return Err(Stop::NotYet(word.to_owned()));
            }
        }
        let only = expect.get("only").map_or(Ok(false), |value| flag(value, "only"))?;
        for (word, value) in expect {
            match word.as_str() {
                "members" => self.expect_members(value)?,
                "count" => self.expect_counts(value)?,
                "messages" => self.expect_messages(value, only)?,
                "not_sent" => self.expect_not_sent(value)?,
                "no_messages_to" => self.expect_no_messages_to(value)?,
                "inside" => self.expect_inside(value)?,
                "traits" => self.expect_traits(value)?,
                "entered" => self.expect_transitions(value, true)?,
                "left" => self.expect_transitions(value, false)?,
                "until" => self.expect_until(value)?,
                "as_of" => self.expect_as_of(value)?,
                _ => {}
            }
        }
        if only && !expect.contains_key("messages") && !self.told.is_empty() {
            self.fail(format!("expected no messages, found {}", self.told_words()));
        }
        Ok(())
    }

    fn fail(&mut self, what: impl std::fmt::Display) {
        self.failures.push(format!("{}: {what}", self.place));
    }

    fn told_words(&self) -> String {
        let words: Vec<String> = self.told.iter().map(|told| format!("{} {told}", told.decision.at)).collect();
        format!("[{}]", words.join(", "))
    }

    fn is_member(&self, segment: &str, who: &str) -> Step<bool> {
        let engine = self.shop.engine();
        if engine.look().plan().segment(&name(segment, "members")?).is_none() {
            return unreadable(format!("there is no segment `{segment}`"));
        }
        drop(engine);
        Ok(self.shop.is_in(segment, who))
    }

    fn why(&self, segment: &str, who: &str) -> String {
        if self.shop.engine().look().find(who).is_none() {
            return "nobody bears that name".to_owned();
        }
        format!("{:?}", self.shop.why(segment, who))
    }

    fn expect_members(&mut self, value: &Value) -> Step<()> {
        for (segment, people) in map(value, "members")? {
            for (who, expected) in map(people, "members")? {
                let (expected, found) = (flag(expected, "members")?, self.is_member(segment, who)?);
                if expected != found {
                    let why = self.why(segment, who);
                    self.fail(format!("{who} in {segment}: expected {expected}, was {found}\n    {why}"));
                }
            }
        }
        Ok(())
    }

    fn expect_counts(&mut self, value: &Value) -> Step<()> {
        for (segment, expected) in map(value, "count")? {
            let engine = self.shop.engine();
            let Some(members) = engine.look().members(&name(segment, "count")?) else {
                return unreadable(format!("there is no segment `{segment}`"));
            };
            drop(engine);
            if expected.as_u64() != Some(members.len() as u64) {
                self.fail(format!(
                    "count of {segment}: expected {expected}, was {} ({:?})",
                    members.len(),
                    self.shop.members(segment)
                ));
            }
        }
        Ok(())
    }

    fn expect_messages(&mut self, value: &Value, only: bool) -> Step<()> {
        let mut open: Vec<Told> = self.told.clone();
        for expected in list(value, "messages")? {
            let known = [
                "to", "campaign", "step", "template", "variant", "channel", "outcome", "because", "contains", "lacks",
                "at",
            ];
            let wanted = fields(expected, "messages", &known)?;
            let place = open.iter().position(|told| self.is_expected(told, wanted));
            match place {
                Some(place) => {
                    open.remove(place);
                }
                None => {
                    let found = self.told_words();
                    self.fail(format!("expected {expected}, found {found}"));
                }
            }
        }
        if only && !open.is_empty() {
            let extra: Vec<String> = open.iter().map(Told::to_string).collect();
            self.fail(format!("expected no other messages, found {extra:?}"));
        }
        Ok(())
    }

    fn is_expected(&self, told: &Told, wanted: &Map<String, Value>) -> bool {
        let decision = &told.decision;
        wanted.iter().all(|(key, value)| {
            let word = value.as_str().unwrap_or_default();
            match key.as_str() {
                "to" => self.shop.engine().look().find(word) == Some(told.customer),
                "campaign" => decision.campaign.as_str() == word,
                "step" => decision.step == word,
                "template" => told.message.template.as_str() == word,
                "variant" => told.message.variant.as_deref() == Some(word),
                "channel" => told.message.channel.word() == word,
                "outcome" => decision.outcome.word() == word,
                "because" => decision.because.is_some_and(|because| because.word() == word),
                "contains" => written(told).contains(word),
                "lacks" => !written(told).contains(word),
                "at" => decision.at == instant(word),
                _ => false,
            }
        })
    }

    fn expect_not_sent(&mut self, value: &Value) -> Step<()> {
        let people = self.people(value, "not_sent")?;
        let left = |told: &&Told| {
            matches!(told.decision.outcome, Outcome::Sent | Outcome::Uncertain) && people.contains(&told.customer)
        };
        if let Some(told) = self.told.iter().find(left) {
            let what = format!("expected nothing sent to {value}, found {} {told}", told.decision.at);
            self.fail(what);
        }
        Ok(())
    }

    fn expect_no_messages_to(&mut self, value: &Value) -> Step<()> {
        let people = self.people(value, "no_messages_to")?;
        if let Some(told) = self.told.iter().find(|told| people.contains(&told.customer)) {
            let what = format!(
                "expected no messages to {value}, found {} {told} ({:?})",
                told.decision.at, told.decision.detail
            );
            self.fail(what);
        }
        Ok(())
    }

    fn people(&self, value: &Value, place: &str) -> Step<BTreeSet<domain::CustomerId>> {
        let mut people = BTreeSet::new();
        for who in list(value, place)? {
            people.extend(self.shop.engine().look().find(text(who, place)?));
        }
        Ok(people)
    }

    fn expect_inside(&mut self, value: &Value) -> Step<()> {
        for (campaign, people) in map(value, "inside")? {
            for (who, expected) in map(people, "inside")? {
                let engine = self.shop.engine();
                let id = engine.look().find(who);
                let Some(found) =
                    id.map_or(Some(false), |id| engine.look().is_inside(&Name::parse(campaign).ok()?, id))
                else {
                    return unreadable(format!("there is no campaign `{campaign}`"));
                };
                drop(engine);
                if flag(expected, "inside")? != found {
                    self.fail(format!("{who} inside {campaign}: expected {expected}, was {found}"));
                }
            }
        }
        Ok(())
    }

    fn expect_traits(&mut self, value: &Value) -> Step<()> {
        for (who, traits) in map(value, "traits")? {
            let found = self.shop.traits(who);
            for (key, expected) in map(traits, "traits")? {
                if found.get(key).unwrap_or(&Value::Null) != expected {
                    self.fail(format!("trait {key} of {who}: expected {expected}, was {:?}", found.get(key)));
                }
            }
        }
        Ok(())
    }

    fn transitions_of(&self, segment: &str) -> Step<Vec<(u64, store::Transition)>> {
        let filter = TransitionFilter { segment: Some(name(segment, "entered")?), customer: None };
        let found = self.shop.reader().transitions(&filter, Page { skip: 0, limit: 1_000 });
        found.map_err(|error| Stop::Failed(error.to_string()))
    }

    fn last_transition(&self) -> u64 {
        let newest = self.shop.reader().transitions(&TransitionFilter::default(), Page { skip: 0, limit: 1 });
        newest.ok().and_then(|found| found.first().map(|(number, _)| *number)).unwrap_or_default()
    }

    fn expect_transitions(&mut self, value: &Value, entered: bool) -> Step<()> {
        for (segment, people) in map(value, "entered")? {
            let expected = self.people(people, "entered")?;
            let found = self.transitions_of(segment)?;
            let fresh = found.into_iter().filter(|(number, it)| *number > self.transitions && it.entered == entered);
            let found: BTreeSet<_> =
                fresh.filter_map(|(_, it)| self.shop.engine().look().find(&it.customer.to_string())).collect();
            let missing: Vec<_> = expected.difference(&found).collect();
            if !missing.is_empty() || expected.len() < list(people, "entered")?.len() {
                let word = if entered { "entered" } else { "left" };
                self.fail(format!("expected {people} to have {word} {segment}, found {found:?}"));
            }
        }
        Ok(())
    }

    fn expect_until(&mut self, value: &Value) -> Step<()> {
        for (segment, people) in map(value, "until")? {
            for (who, expected) in map(people, "until")? {
                let found = self.shop.why(segment, who).until;
                let expected = if expected.is_null() { None } else { Some(time(expected, "until")?) };
                if found != expected {
                    self.fail(format!(
                        "until of {who} in {segment}: expected {expected:?}, was {found:?}\n    {}",
                        self.why(segment, who)
                    ));
                }
            }
        }
        Ok(())
    }

    fn expect_as_of(&mut self, value: &Value) -> Step<()> {
        for (at, segments) in map(value, "as_of")? {
            for (segment, people) in map(segments, "as_of")? {
                let members = self.shop.engine().look().members_as_of(&name(segment, "as_of")?, instant(at));
                let Ok(Some(members)) = members else { return unreadable(format!("there is no segment `{segment}`")) };
                for (who, expected) in map(people, "as_of")? {
                    let found = self.shop.engine().look().find(who).is_some_and(|id| members.contains(&id));
                    if flag(expected, "as_of")? != found {
                        self.fail(format!("{who} in {segment} as of {at}: expected {expected}, was {found}"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn written(told: &Told) -> String {
    match &told.message.written {
        Some(written) => {
            format!("{}\n{}\n{}", written.subject, written.html.as_deref().unwrap_or_default(), written.text)
        }
        None => String::new(),
    }
}

fn answer(word: &Value) -> Step<Answer> {
    match word.as_str().and_then(Answer::find) {
        Some(answer) => Ok(answer),
        None => unreadable(format!("outbox: {word} is no answer: accept, 4xx, 5xx or no_reply")),
    }
}

fn definition_files(path: &Path) -> Step<Vec<std::path::PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).or_else(|error| unreadable(format!("{}: {error}", path.display())))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json"))
        .collect();
    files.sort();
    Ok(files)
}
