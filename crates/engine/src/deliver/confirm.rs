//! Double opt-in: the customer says by a link in a message that a yes was theirs.
//!
//! The message is one of a service campaign that enters on the yes; nothing here sends anything.

use crate::decide::address::normal_on;
use crate::state::Engine;
use domain::call::events;
use domain::message::Message;
use domain::segment::ConsentState;
use domain::{Name, Timestamp};
use serde_json::{Value, json};

/// What a link that confirms would do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirming {
    /// A yes waits for it.
    Waits,
    /// The customer is written to already.
    Granted,
    /// Its time is over, or the customer has said no since.
    TooLate,
    /// It went to an address that the customer no longer has: it says nothing of the present one.
    OtherAddress,
}

impl Engine {
    /// What a link of a message that confirms a purpose would do now.
    pub fn confirming(&self, message: &Message, purpose: &Name) -> Confirming {
        let person = self.person(message.customer);
        let Some(stands) = self.consent_of(person, purpose, message.channel) else { return Confirming::TooLate };
        if stands.state == ConsentState::Granted {
            return Confirming::Granted;
        }
        let went_to = message.written.as_ref().and_then(|written| normal_on(message.channel, &written.to));
        if went_to != self.address_of(person, message.channel) {
            return Confirming::OtherAddress;
        }
        // A second request does not lengthen the life of the first one's link.
        let within = self.definitions.purposes.get(purpose).and_then(|purpose| purpose.confirm);
        let works = within.is_none_or(|within| message.decided_at.plus(within) > self.clock);
        if works && stands.state == ConsentState::Pending { Confirming::Waits } else { Confirming::TooLate }
    }

    /// The customer pressed it. Only a yes that waits becomes one that counts; returns how it stood.
    pub fn confirm(&mut self, message: &Message, purpose: &Name, now: Timestamp) -> Confirming {
        self.reach(now);
        let confirming = self.confirming(message, purpose);
        if confirming != Confirming::Waits {
            return confirming;
        }
        let person = self.person(message.customer);
        let mut properties = json!({
            "purpose": purpose, "channel": message.channel, "status": "granted", "basis": "express",
            "source": "confirmation link", "message_id": message.id,
        });
        if let Some(asked) = self.consent_of(person, purpose, message.channel).and_then(|stands| stands.said) {
            if let Some(version) = &asked.text_version {
                properties["text_version"] = Value::from(version.as_ref());
            }
            if let Some(expires) = asked.expires {
                properties["expires"] = expires.to_string().into();
            }
        }
        self.happen(person, events::CONSENT_CHANGED, &properties, &message.id.0);
        self.settle();
        confirming
    }

    /// Which purpose a message asks to confirm: the one of the yes that let its customer in.
    pub(crate) fn purpose_to_confirm(&self, event: &Value) -> Option<Name> {
        let name = Name::parse(event.get("purpose")?.as_str()?).ok()?;
        self.definitions.purposes.contains_key(&name).then_some(name)
    }
}
