//! Definitions of every kind, read from YAML or JSON, and checked against each other.

use crate::campaign::{Action, Campaign, Step, Trigger};
use crate::id::Name;
use crate::segment::{Condition, Segment};
use crate::shape::{ShapeError, kind_of, nearest, refuse};
use crate::workspace::{Purpose, Settings, Template, marketing, service};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

mod line;

/// Largest text of definitions taken in one piece, in bytes.
pub const TEXT_LIMIT: usize = 4 << 20;
/// Most definitions in a workspace.
pub const DEFINITION_LIMIT: usize = 5_000;

/// The kinds of definitions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words of the spec")]
pub enum DefinitionKind {
    Workspace,
    Purpose,
    Segment,
    Template,
    Campaign,
}

impl DefinitionKind {
    /// The key that heads such a definition.
    pub fn word(self) -> &'static str {
        match self {
            DefinitionKind::Workspace => "workspace",
            DefinitionKind::Purpose => "purpose",
            DefinitionKind::Segment => "segment",
            DefinitionKind::Template => "template",
            DefinitionKind::Campaign => "campaign",
        }
    }

    /// All kinds, in the order in which they can refer to each other.
    pub const ALL: [DefinitionKind; 5] = [
        DefinitionKind::Workspace,
        DefinitionKind::Purpose,
        DefinitionKind::Segment,
        DefinitionKind::Template,
        DefinitionKind::Campaign,
    ];

    /// Finds the kind by its word.
    pub fn find(word: &str) -> Option<DefinitionKind> {
        DefinitionKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// One definition.
#[derive(Clone, PartialEq, Debug)]
pub enum Definition {
    /// The workspace's settings.
    Workspace(Box<Settings>),
    /// What messages may be for.
    Purpose(Purpose),
    /// Who is meant.
    Segment(Box<Segment>),
    /// What is written.
    Template(Box<Template>),
    /// What is done.
    Campaign(Box<Campaign>),
}

impl Definition {
    /// Reads one definition; its first key says which kind it is.
    pub fn read(value: &Value) -> Result<Definition, ShapeError> {
        let Value::Object(map) = value else {
            return refuse("", format!("expected a definition, found {}", kind_of(value)));
        };
        let kinds: Vec<_> = DefinitionKind::ALL.into_iter().filter(|kind| map.contains_key(kind.word())).collect();
        // A campaign has a `purpose:` beside its own head.
        let kind = match kinds.as_slice() {
            [kind] => *kind,
            [DefinitionKind::Purpose, DefinitionKind::Campaign] => DefinitionKind::Campaign,
            [] => {
                let words = DefinitionKind::ALL.map(DefinitionKind::word);
                let found = map.keys().next().map_or("", String::as_str);
                return refuse("", crate::shape::unknown("kind of definition", found, words.into_iter()));
            }
            _ => return refuse("", "one definition at a time: use a list, or `---` between them"),
        };
        Ok(match kind {
            DefinitionKind::Workspace => Definition::Workspace(Box::new(Settings::read(value)?)),
            DefinitionKind::Purpose => Definition::Purpose(Purpose::read(value)?),
            DefinitionKind::Segment => Definition::Segment(Box::new(Segment::read(value)?)),
            DefinitionKind::Template => Definition::Template(Box::new(Template::read(value)?)),
            DefinitionKind::Campaign => Definition::Campaign(Box::new(Campaign::read(value)?)),
        })
    }

    /// Its kind.
    pub fn kind(&self) -> DefinitionKind {
        match self {
            Definition::Workspace(_) => DefinitionKind::Workspace,
            Definition::Purpose(_) => DefinitionKind::Purpose,
            Definition::Segment(_) => DefinitionKind::Segment,
            Definition::Template(_) => DefinitionKind::Template,
            Definition::Campaign(_) => DefinitionKind::Campaign,
        }
    }

    /// Its name; the settings are called `settings`.
    pub fn name(&self) -> Name {
        match self {
            Definition::Workspace(_) => Name::parse("settings").expect("a literal that fits the grammar"),
            Definition::Purpose(purpose) => purpose.name.clone(),
            Definition::Segment(segment) => segment.name.clone(),
            Definition::Template(template) => template.name.clone(),
            Definition::Campaign(campaign) => campaign.name.clone(),
        }
    }
}

/// A definition that cannot be used, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct DefinitionError {
    /// The file or form it came from.
    pub origin: String,
    /// Kind and name, as far as known, such as ``segment `lapsed` ``.
    pub definition: String,
    /// What is wrong.
    pub error: ShapeError,
    /// On which line of the text, from 1, where that is known.
    pub line: Option<usize>,
}

impl DefinitionError {
    /// An error that stands in no text.
    pub fn new(definition: String, error: ShapeError) -> DefinitionError {
        DefinitionError { origin: "definitions".to_owned(), definition, error, line: None }
    }

    /// Says from which text it came and on which line of it it stands, if the definition is in there.
    #[must_use]
    pub fn located(mut self, text: &str, origin: &str) -> DefinitionError {
        let unknown = self.error.message.strip_prefix("unknown ").and_then(|rest| rest.split('`').nth(1));
        if let Some(line) = line::find_line(text, &self.definition, &self.error.path, unknown) {
            self.line = Some(line);
            origin.clone_into(&mut self.origin);
        }
        self
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: ", self.origin)?,
            None => write!(f, "{}: ", self.origin)?,
        }
        if !self.definition.is_empty() {
            write!(f, "{}: ", self.definition)?;
        }
        write!(f, "{}", self.error)
    }
}

/// A definition with the data it was read from.
#[derive(Clone, PartialEq, Debug)]
pub struct Defined {
    /// As understood.
    pub definition: Definition,
    /// As written, as JSON: what is stored, shown and given back.
    pub value: Value,
}

/// Reads all definitions of a text: YAML documents, lists of definitions, or JSON.
pub fn read_text(text: &str, origin: &str) -> Result<Vec<Defined>, DefinitionError> {
    let fail = |definition: String, error: ShapeError| {
        let error = DefinitionError { origin: origin.to_owned(), ..DefinitionError::new(definition, error) };
        error.located(text, origin)
    };
    // The reader of YAML says the line itself.
    let unread = |error| DefinitionError { origin: origin.to_owned(), ..DefinitionError::new(String::new(), error) };
    let documents = read_yaml(text).map_err(unread)?;
    let mut found = Vec::new();
    for document in documents {
        let items = match document {
            Value::Null => Vec::new(),
            Value::Array(items) => items,
            other => vec![other],
        };
        for value in items {
            let definition = Definition::read(&value).map_err(|error| fail(heading(&value), error))?;
            found.push(Defined { definition, value });
        }
    }
    Ok(found)
}

/// Reads YAML 1.2 (JSON is a part of it) into JSON values, one a document. Duplicate keys are errors.
pub fn read_yaml(text: &str) -> Result<Vec<Value>, ShapeError> {
    if text.len() > TEXT_LIMIT {
        return refuse("", format!("{} bytes, more than {TEXT_LIMIT}", text.len()));
    }
    // The core schema knows neither `yes` nor `1_000`: those are text.
    let options = serde_saphyr::options! { strict_booleans: true, underscored_numbers_as_strings: true };
    serde_saphyr::from_multiple_with_options::<Value>(text, options).or_else(|error| {
        let place = |location: serde_saphyr::Location| format!("line {} column {}", location.line(), location.column());
        match error.without_snippet() {
            serde_saphyr::Error::DuplicateMappingKey { key, location } => match line::find_twice(text) {
                Some(line::Twice { path, key, lines: (first, second) }) => {
                    refuse(&path, format!("`{key}` stands twice, in line {first} and in line {second}; keep one"))
                }
                None => {
                    let key = key.as_deref().unwrap_or("a key");
                    refuse("", format!("{}: `{key}` stands twice in one map; keep one", place(*location)))
                }
            },
            serde_saphyr::Error::NonFiniteFloat { value, location } => {
                refuse("", format!("{}: `{value}` is no number; text stands in quotes", place(*location)))
            }
            _ => refuse("", error.to_string()),
        }
    })
}

fn heading(value: &Value) -> String {
    DefinitionKind::ALL
        .into_iter()
        .rev()
        .find_map(|kind| {
            let name = value.get(kind.word())?.as_str()?;
            Some(format!("{} `{}`", kind.word(), name.chars().take(100).collect::<String>()))
        })
        .unwrap_or_default()
}

/// All definitions of a workspace, each by its name.
#[derive(Clone, Default, Debug)]
pub struct Definitions {
    /// The settings.
    pub settings: Settings,
    /// Purposes. `marketing` and `service` are always there.
    pub purposes: BTreeMap<Name, Purpose>,
    /// Segments.
    pub segments: BTreeMap<Name, Segment>,
    /// Templates.
    pub templates: BTreeMap<Name, Template>,
    /// Campaigns.
    pub campaigns: BTreeMap<Name, Campaign>,
}

impl Definitions {
    /// Those of an empty workspace: the two purposes that always exist.
    pub fn new() -> Definitions {
        let mut definitions = Definitions::default();
        for name in [marketing(), service()] {
            let purpose = Purpose {
                name: name.clone(),
                granted_by_default: name == service(),
                channels: Vec::new(),
                implied: Vec::new(),
                confirm: None,
            };
            definitions.purposes.insert(name, purpose);
        }
        definitions
    }

    /// Adds or replaces one, without checking what it refers to.
    pub fn put(&mut self, definition: Definition) {
        match definition {
            Definition::Workspace(settings) => self.settings = *settings,
            Definition::Purpose(purpose) => {
                self.purposes.insert(purpose.name.clone(), purpose);
            }
            Definition::Segment(segment) => {
                self.segments.insert(segment.name.clone(), *segment);
            }
            Definition::Template(template) => {
                self.templates.insert(template.name.clone(), *template);
            }
            Definition::Campaign(campaign) => {
                self.campaigns.insert(campaign.name.clone(), *campaign);
            }
        }
    }

    /// Takes one out, without checking what refers to it. `marketing` and `service` fall back to how they were born,
    /// the settings to their defaults.
    pub fn remove(&mut self, kind: DefinitionKind, name: &Name) {
        match kind {
            DefinitionKind::Workspace => self.settings = Settings::default(),
            DefinitionKind::Purpose => {
                self.purposes.remove(name);
                if let Some(born) = Definitions::new().purposes.remove(name) {
                    self.purposes.insert(name.clone(), born);
                }
            }
            DefinitionKind::Segment => {
                self.segments.remove(name);
            }
            DefinitionKind::Template => {
                self.templates.remove(name);
            }
            DefinitionKind::Campaign => {
                self.campaigns.remove(name);
            }
        }
    }

    /// Kind and name of those that refer to one directly: campaigns, then segments, by name. O(nodes of all).
    pub fn users_of(&self, kind: DefinitionKind, name: &Name) -> Vec<(DefinitionKind, Name)> {
        let rule_uses = |rule: &Condition| {
            let mut uses = false;
            rule.walk(&mut |condition| {
                uses |= match condition {
                    Condition::Segment(target) => kind == DefinitionKind::Segment && target == name,
                    Condition::Consent(asked) => kind == DefinitionKind::Purpose && asked.purpose == *name,
                    _ => false,
                };
            });
            uses
        };
        let campaign_uses = |campaign: &Campaign| {
            let by_itself = match kind {
                DefinitionKind::Segment => {
                    matches!(&campaign.enter.on, Trigger::Enters(target) | Trigger::Leaves(target) if target == name)
                }
                DefinitionKind::Template => campaign.templates().any(|template| template == name),
                DefinitionKind::Purpose => campaign.purpose == *name,
                DefinitionKind::Workspace | DefinitionKind::Campaign => false,
            };
            by_itself || campaign.conditions().into_iter().any(|(_, condition)| rule_uses(condition))
        };
        let campaigns = self.campaigns.values().filter(|campaign| campaign_uses(campaign));
        let segments = self.segments.values().filter(|segment| rule_uses(&segment.rule));
        campaigns
            .map(|campaign| (DefinitionKind::Campaign, campaign.name.clone()))
            .chain(segments.map(|segment| (DefinitionKind::Segment, segment.name.clone())))
            .collect()
    }

    /// Checks every reference: unknown targets and circles are errors that name them.
    pub fn check(&self) -> Result<(), DefinitionError> {
        for segment in self.segments.values() {
            self.check_condition(&segment.rule, "where", &format!("segment `{}`", segment.name))?;
            self.check_circle(segment)?;
        }
        for campaign in self.campaigns.values() {
            self.check_campaign(campaign)?;
        }
        Ok(())
    }

    fn check_circle(&self, start: &Segment) -> Result<(), DefinitionError> {
        // Depth first with the way walked, so that the error can name the circle. The visited set keeps it linear.
        let mut done = std::collections::BTreeSet::new();
        let mut way = vec![(&start.name, start.rule.segments())];
        while let Some((name, rest)) = way.last_mut() {
            let Some(next) = rest.pop() else {
                done.insert(*name);
                way.pop();
                continue;
            };
            if let Some(at) = way.iter().position(|(name, _)| *name == next) {
                let mut circle: Vec<String> = way[at..].iter().map(|(name, _)| format!("`{name}`")).collect();
                circle.push(format!("`{next}`"));
                return Err(self.error(
                    &format!("segment `{}`", start.name),
                    "where",
                    format!("segments in a circle: {}", circle.join(" → ")),
                ));
            }
            if done.contains(next) {
                continue;
            }
            if let Some(segment) = self.segments.get(next) {
                way.push((next, segment.rule.segments()));
            }
        }
        Ok(())
    }

    fn check_campaign(&self, campaign: &Campaign) -> Result<(), DefinitionError> {
        let heading = format!("campaign `{}`", campaign.name);
        if let Trigger::Enters(name) | Trigger::Leaves(name) = &campaign.enter.on {
            self.check_segment(name, "enter.on", &heading)?;
        }
        for (path, condition) in campaign.conditions() {
            self.check_condition(condition, &path, &heading)?;
        }
        self.check_purpose(&campaign.purpose, "purpose", &heading)?;
        let mut result = Ok(());
        campaign.walk(&mut |path, step| {
            if result.is_ok() {
                result = self.check_step(step, path, &heading);
            }
        });
        result
    }

    fn check_step(&self, step: &Step, path: &str, heading: &str) -> Result<(), DefinitionError> {
        let Action::Message { template, variants, .. } = &step.action else { return Ok(()) };
        let Some(found) = self.templates.get(template) else {
            let message = missing("template", template, self.templates.keys());
            return Err(self.error(heading, &format!("{path}.message"), message));
        };
        for (variant, _) in variants {
            let known = found.variants.iter().any(|(name, _)| name == variant);
            if !known && !found.variants.is_empty() && variant != "plain" {
                let near = nearest(variant, found.variants.iter().map(|(name, _)| name.as_str())).unwrap_or("");
                return Err(self.error(
                    heading,
                    &format!("{path}.variants"),
                    format!("template `{template}` has no variant `{variant}`; did you mean `{near}`?"),
                ));
            }
        }
        Ok(())
    }

    /// Checks what a condition refers to.
    pub fn check_condition(&self, condition: &Condition, path: &str, heading: &str) -> Result<(), DefinitionError> {
        let mut result = Ok(());
        condition.walk(&mut |inner| {
            if result.is_err() {
                return;
            }
            match inner {
                Condition::Segment(name) => result = self.check_segment(name, path, heading),
                Condition::Consent(asked) => result = self.check_purpose(&asked.purpose, path, heading),
                _ => {}
            }
        });
        result
    }

    fn check_segment(&self, name: &Name, path: &str, heading: &str) -> Result<(), DefinitionError> {
        if self.segments.contains_key(name) {
            return Ok(());
        }
        Err(self.error(heading, path, missing("segment", name, self.segments.keys())))
    }

    fn check_purpose(&self, name: &Name, path: &str, heading: &str) -> Result<(), DefinitionError> {
        if self.purposes.contains_key(name) {
            return Ok(());
        }
        Err(self.error(heading, path, missing("purpose", name, self.purposes.keys())))
    }

    #[expect(clippy::unused_self, reason = "reads as a question to the definitions")]
    fn error(&self, heading: &str, path: &str, message: String) -> DefinitionError {
        DefinitionError::new(heading.to_owned(), ShapeError { path: path.to_owned(), message })
    }
}

fn missing<'a>(kind: &str, name: &Name, known: impl Iterator<Item = &'a Name>) -> String {
    match nearest(name.as_str(), known.map(Name::as_str)) {
        Some(near) => format!("there is no {kind} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {kind} `{name}`"),
    }
}

#[cfg(test)]
mod tests;
