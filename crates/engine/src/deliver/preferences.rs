//! What a customer says on the preference page: for which purposes they may be written to, and in which language.

use crate::state::Engine;
use domain::call::events;
use domain::message::Message;
use domain::workspace::service;
use domain::{Name, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What somebody said, or what is taken for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preferences {
    /// Purposes on the message's channel, and whether they may be written to for them.
    pub purposes: Vec<(Name, bool)>,
    /// Their language, as the trait `locale` says.
    pub locale: Option<String>,
    /// Languages in which something is written.
    pub locales: BTreeSet<String>,
}

impl Engine {
    /// What the customer of a message is asked about, with how it stands.
    pub fn preferences(&self, message: &Message) -> Preferences {
        let person = self.person(message.customer);
        let customer = self.customers.get(&person);
        let channel = message.channel;
        let asked = self.definitions.purposes.values().filter(|purpose| {
            purpose.name != service() && (purpose.channels.is_empty() || purpose.channels.contains(&channel))
        });
        let purposes = asked.map(|purpose| (purpose.name.clone(), self.is_granted(person, &purpose.name, channel)));
        let locale = customer.and_then(|customer| customer.traits.get("locale", self.clock));
        let templates = self.definitions.templates.values();
        Preferences {
            purposes: purposes.collect(),
            locale: locale.and_then(Value::as_str).map(str::to_owned),
            locales: templates.flat_map(|template| template.locales.iter().map(|locale| locale.tag.clone())).collect(),
        }
    }

    /// The customer said it. Only what differs from how it stands becomes an event, and a yes where the one there is would end by
    /// itself: whoever asks for letters on that page has said so, and is not taken for it. A language that nothing is written in is
    /// left as it is.
    pub fn set_preferences(
        &mut self,
        message: &Message,
        granted: &BTreeSet<Name>,
        locale: Option<&str>,
        now: Timestamp,
    ) {
        self.reach(now);
        let person = self.person(message.customer);
        let before = self.preferences(message);
        for (purpose, was_granted) in &before.purposes {
            let is_granted = granted.contains(purpose);
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
        if let Some(locale) = locale.filter(|locale| before.locale.as_deref() != Some(*locale))
            && before.locales.contains(locale)
        {
            let context = json!({ "source": "preference page" });
            self.set_own_trait(person, "locale", &locale.into(), &message.id.0, &context);
        }
        self.settle();
    }
}
