//! What a customer does with a message: unsubscribes, follows a link, says what they want.

use crate::state::Engine;
use domain::message::Message;
use domain::segment::ConsentState;
use domain::{MessageId, Timestamp};
use serde_json::json;
use store::{Reader, StoreError};

impl Engine {
    /// The message of an id: open ones from memory, others from the store.
    pub fn find_message(&self, reader: &dyn Reader, id: &MessageId) -> Result<Option<Message>, StoreError> {
        match self.messages.get(id) {
            Some(message) => Ok(Some(message.clone())),
            None => Ok(reader.message(id)?.map(|(message, _)| message)),
        }
    }

    /// The customer wants no more messages of the message's purpose on its channel. Said twice, it counts once.
    pub fn unsubscribe(&mut self, message: &Message, now: Timestamp) {
        self.reach(now);
        let person = self.person(message.customer);
        let stands = self.consent_of(person, &message.purpose, message.channel);
        if stands.is_some_and(|stands| stands.state != ConsentState::Withdrawn) {
            self.happen(person, domain::call::events::UNSUBSCRIBED, &about(message), &message.id.0);
            self.settle();
        }
    }

    /// The customer followed a link.
    pub fn clicked(&mut self, message: &Message, url: &str, now: Timestamp) {
        self.reach(now);
        let mut properties = about(message);
        properties["url"] = url.into();
        self.happen(self.person(message.customer), domain::call::events::LINK_CLICKED, &properties, &message.id.0);
        self.settle();
    }

    /// Whether the customer of a message may be written to for its purpose.
    pub fn is_subscribed(&self, message: &Message) -> bool {
        self.is_granted(self.person(message.customer), &message.purpose, message.channel)
    }

    /// Messages sent since the last commit was taken, each with its customer's name.
    pub fn sent_since_commit(&self) -> impl Iterator<Item = (&Message, String)> {
        self.pending
            .messages
            .iter()
            .filter(|message| message.outcome == Some(domain::message::Outcome::Sent))
            .map(|message| (message, self.name_of(message.customer)))
    }

    /// The name of the person that a stored customer id means today.
    pub fn name_of(&self, customer: domain::CustomerId) -> String {
        self.people.name_of(self.person(customer)).to_string()
    }

    /// A demo's time runs ahead by so many milliseconds.
    pub fn set_clock_offset_ms(&mut self, offset_ms: i64) {
        self.pending.clock_offset_ms = Some(offset_ms);
    }

    /// Number of people known, visitors included.
    pub fn customer_count(&self) -> usize {
        self.customers.len()
    }
}

pub(super) fn about(message: &Message) -> serde_json::Value {
    json!({
        "campaign": message.campaign, "message_id": message.id, "template": message.template, "variant": message.variant,
        "purpose": message.purpose, "channel": message.channel, "step": message.step,
    })
}
