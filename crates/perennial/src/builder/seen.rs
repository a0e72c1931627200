//! What was really seen in the workspace, as far as the builder offers it to choose from.

use super::Subject;

/// A name with values of it, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenName {
    /// A property, a trait or an attribute, as a path.
    pub name: String,
    /// Values of it.
    pub values: Vec<String>,
    /// Whether all values seen are numbers.
    pub is_number: bool,
}

/// Something with named parts: an event with its properties, a kind of record with its attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenThing {
    /// The event's name or the kind of record; of a prefix as it is written, with `*`.
    pub name: String,
    /// Its properties or attributes.
    pub names: Vec<SeenName>,
}

/// A template that a campaign can send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenTemplate {
    /// Its name.
    pub name: String,
    /// How it goes out, in words.
    pub channel: String,
    /// Its variants.
    pub variants: Vec<String>,
}

/// Everything that is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Event names, the most frequent first.
    pub events: Vec<String>,
    /// Properties of those events that the definition names.
    pub properties: Vec<SeenThing>,
    /// Traits.
    pub traits: Vec<SeenName>,
    /// Kinds of records with their attributes.
    pub records: Vec<SeenThing>,
    /// Names of lists.
    pub lists: Vec<String>,
    /// Other segments: name and title.
    pub segments: Vec<(String, String)>,
    /// Purposes.
    pub purposes: Vec<String>,
    /// Templates.
    pub templates: Vec<SeenTemplate>,
    /// Pools of vouchers.
    pub pools: Vec<String>,
    /// Names under which other systems can be told.
    pub endpoints: Vec<String>,
    /// Names of campaigns that there are.
    pub campaigns: Vec<String>,
    /// The workspace's zone.
    pub zone: String,
}

impl Seen {
    /// The event with which a new condition begins: orders, where there are some.
    pub fn usual_event(&self) -> &str {
        let orders = domain::call::events::ORDER_COMPLETED;
        let has_orders = self.events.is_empty() || self.events.iter().any(|event| event == orders);
        if has_orders { orders } else { &self.events[0] }
    }

    fn properties_of(&self, event: &str) -> &[SeenName] {
        self.properties.iter().find(|thing| thing.name == event).map_or(&[], |thing| &thing.names)
    }

    fn attributes_of(&self, kind: &str) -> &[SeenName] {
        self.records.iter().find(|thing| thing.name == kind).map_or(&[], |thing| &thing.names)
    }

    /// A property with which a new test begins.
    pub fn usual_property(&self, event: &str) -> &str {
        usual(self.properties_of(event)).unwrap_or("")
    }

    /// A property that can be added up.
    pub fn usual_number(&self, event: &str) -> &str {
        let names = self.properties_of(event);
        let money = names.iter().find(|found| found.name == "revenue");
        money
            .or_else(|| names.iter().find(|found| found.is_number && !found.name.contains("[]")))
            .map_or("revenue", |found| &found.name)
    }

    /// An attribute of the usual kind of record.
    pub fn usual_attribute(&self) -> &str {
        self.usual_attribute_of(self.usual_kind())
    }

    /// An attribute of a kind of record.
    pub fn usual_attribute_of(&self, kind: &str) -> &str {
        usual(self.attributes_of(kind)).unwrap_or("status")
    }

    /// An attribute that sounds like a date.
    pub fn usual_date_of(&self, kind: &str) -> &str {
        let sounds = |name: &&SeenName| {
            ["expires", "due", "date", "ends", "until", "_at"].iter().any(|word| name.name.contains(word))
        };
        self.attributes_of(kind).iter().find(sounds).map_or("expires", |seen| &seen.name)
    }

    /// The kind of record with which a new condition begins.
    pub fn usual_kind(&self) -> &str {
        self.records.first().map_or("pass", |found| &found.name)
    }

    /// The trait with which a new condition begins.
    pub fn usual_trait(&self) -> &str {
        usual(&self.traits).unwrap_or("email")
    }

    /// The list with which a new condition begins.
    pub fn usual_list(&self) -> &str {
        self.lists.first().map_or("vip", String::as_str)
    }

    /// A name that no segment, or no campaign, has yet: this one, or this one with a number.
    pub fn free_name(&self, subject: Subject, name: &str) -> String {
        let is_taken = |name: &str| match subject {
            Subject::Segment => self.segments.iter().any(|(other, _)| other == name),
            Subject::Campaign => self.campaigns.iter().any(|other| other == name),
        };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| !is_taken(name)).unwrap_or_else(|| name.to_owned())
    }

    /// The template that a new message sends.
    pub fn usual_template(&self) -> &str {
        let mail = self.templates.iter().find(|template| template.channel == domain::message::Channel::Email.word());
        mail.or(self.templates.first()).map_or("hello", |template| &template.name)
    }

    /// Variants of a template, with which sharing begins.
    pub fn variants_of(&self, template: &str) -> &[String] {
        self.templates.iter().find(|seen| seen.name == template).map_or(&[], |seen| &seen.variants)
    }

    /// The segment with which a new condition begins.
    pub fn usual_segment(&self) -> &str {
        self.segments.first().map_or("", |(name, _)| name)
    }
}

/// The name with which one begins: one that has a few values to choose from, not one inside a list.
fn usual(names: &[SeenName]) -> Option<&str> {
    let mut names = names.iter().filter(|found| !found.name.contains("[]"));
    let first = names.clone().next();
    names.find(|found| !found.values.is_empty()).or(first).map(|found| found.name.as_str())
}
