//! What a customer says on the preference page: for which purposes they may be written to, how often, and in which language.

use crate::state::Engine;
use domain::call::events;
use domain::message::Message;
use domain::workspace::service;
use domain::{CustomerId, Name, Span, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The trait that holds how often a customer wants to be written to.
const FREQUENCY: &str = "message_frequency";

/// How often a customer wants to be written to at most, on all channels and for all purposes but service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frequency {
    /// Once in seven days.
    Weekly,
    /// Once in thirty days.
    Monthly,
}

impl Frequency {
    /// All of them, the shortest first.
    pub const ALL: [Frequency; 2] = [Frequency::Weekly, Frequency::Monthly];

    /// As the trait says it.
    pub fn word(self) -> &'static str {
        match self {
            Frequency::Weekly => "weekly",
            Frequency::Monthly => "monthly",
        }
    }

    /// The one with this word.
    pub fn find(word: &str) -> Option<Frequency> {
        Frequency::ALL.into_iter().find(|frequency| frequency.word() == word)
    }

    /// From one message to the next at least.
    pub fn span(self) -> Span {
        match self {
            Frequency::Weekly => Span::days(7),
            Frequency::Monthly => Span::days(30),
        }
    }
}

/// What a customer asks for on the page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wishes {
    /// Purposes for which they want to be written to.
    pub purposes: BTreeSet<Name>,
    /// How often at most; none: as often as there is something; absent: as before.
    pub frequency: Option<Option<Frequency>>,
    /// In which language; absent: as before.
    pub locale: Option<String>,
}

/// What somebody said, or what is taken for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preferences {
    /// Purposes on the message's channel, and whether they may be written to for them.
    pub purposes: Vec<(Name, bool)>,
    /// How often they want to be written to at most, as the trait `message_frequency` says; none: they did not say.
    pub frequency: Option<Frequency>,
    /// Their language, as the trait `locale` says.
    pub locale: Option<String>,
    /// Languages in which something is written.
    pub locales: BTreeSet<String>,
}

impl Engine {
    /// What the customer of a message is asked about, with how it stands.
    pub fn preferences(&self, message: &Message) -> Preferences {
        let person = self.person(message.customer);
        let channel = message.channel;
        let asked = self.definitions.purposes.values().filter(|purpose| {
            purpose.name != service() && (purpose.channels.is_empty() || purpose.channels.contains(&channel))
        });
        let purposes = asked.map(|purpose| (purpose.name.clone(), self.is_granted(person, &purpose.name, channel)));
        let templates = self.definitions.templates.values();
        Preferences {
            purposes: purposes.collect(),
            frequency: self.wished_frequency(person),
            locale: self.locale_of(person),
            locales: templates.flat_map(|template| template.locales.iter().map(|locale| locale.tag.clone())).collect(),
        }
    }

    /// How often a customer wants to be written to at most.
    pub(crate) fn wished_frequency(&self, person: CustomerId) -> Option<Frequency> {
        let said = self.customers.get(person)?.traits.get(FREQUENCY, self.clock)?;
        Frequency::find(said.as_str()?)
    }

    /// The customer said it. Only what differs from how it stands becomes an event, and a yes where the one there is would end by
    /// itself: whoever asks for letters on that page has said so, and is not taken for it. A language that nothing is written in is
    /// left as it is.
    pub fn set_preferences(&mut self, message: &Message, wishes: &Wishes, now: Timestamp) {
        self.reach(now);
        let person = self.person(message.customer);
        let before = self.preferences(message);
        for (purpose, was_granted) in &before.purposes {
            let is_granted = wishes.purposes.contains(purpose);
            let ends =
                || self.consent_of(person, purpose, message.channel).is_some_and(|stands| stands.until.is_some());
            if is_granted != *was_granted || (is_granted && ends()) {
                let status = if is_granted { "granted" } else { "withdrawn" };
                let properties = json!({
                    "purpose": purpose, "channel": message.channel, "status": status, "basis": "express",
                    "source": "preference page",
                });
                self.happen(person, events::CONSENT_CHANGED, &properties, &message.id.0);
            }
        }
        let context = json!({ "source": "preference page" });
        if let Some(frequency) = wishes.frequency.filter(|frequency| *frequency != before.frequency) {
            let said = frequency.map_or(Value::Null, |frequency| frequency.word().into());
            self.set_own_trait(person, FREQUENCY, &said, &message.id.0, &context);
        }
        if let Some(locale) = wishes.locale.as_deref().filter(|locale| before.locale.as_deref() != Some(*locale))
            && before.locales.contains(locale)
        {
            self.set_own_trait(person, "locale", &locale.into(), &message.id.0, &context);
        }
        self.settle();
    }
}
