//! What a customer does with a message: unsubscribes, follows a link, says what they want.

use super::Order;
use crate::ingest::machine::{self, Act, Asked};
use crate::state::Engine;
use domain::call::events;
use domain::message::{Channel, Message, Outcome};
use domain::segment::ConsentState;
use domain::{MessageId, Span, Timestamp};
use serde_json::json;
use store::{Reader, StoreError};

/// How long after it was sent a mail's opens count.
pub const OPENS_COUNT_FOR: Span = Span::days(60);

impl Engine {
    /// The message of an id: open ones from memory, others from the store.
    pub fn find_message(&self, reader: &dyn Reader, id: &MessageId) -> Result<Option<Message>, StoreError> {
        match self.messages.get(id) {
            Some(message) => Ok(Some(message.clone())),
            None => Ok(reader.message(id)?.map(|(message, _)| message)),
        }
    }

    /// Whether a message's customer is somebody still: nobody was erased.
    pub fn is_somebodys(&self, message: &Message) -> bool {
        self.people.is_somebody(self.person(message.customer))
    }

    /// The customer wants no more messages of the message's purpose on its channel. Said twice, it counts once.
    pub fn unsubscribe(&mut self, message: &Message, now: Timestamp) {
        self.reach(now);
        let person = self.person(message.customer);
        let stands = self.consent_of(person, &message.purpose, message.channel);
        if stands.is_some_and(|stands| stands.state != ConsentState::Withdrawn) {
            self.happen(person, events::UNSUBSCRIBED, &about(message), &message.id.0);
            self.settle();
        }
    }

    /// A link in a mail was followed, by the customer or by a machine. The same link counts once a minute.
    pub fn clicked(&mut self, message: &Message, url: &str, asked: &Asked, now: Timestamp) {
        self.reach(now);
        let minute = self.clock.0.div_euclid(60_000).to_string();
        let mut properties = about(message);
        properties["url"] = url.into();
        self.reacted(message, Act::Clicked, asked, properties, &[url, &minute]);
    }

    /// The picture was fetched by which an open is told, by the customer's mail program or by a machine. A mail that is opened
    /// again counts again an hour later, and none after [`OPENS_COUNT_FOR`]: mails are looked for by programs for years.
    pub fn opened(&mut self, message: &Message, asked: &Asked, now: Timestamp) {
        self.reach(now);
        if since_sent(message, asked.at) > OPENS_COUNT_FOR {
            return;
        }
        let hour = self.clock.0.div_euclid(3_600_000).to_string();
        self.reacted(message, Act::Opened, asked, about(message), &[&hour]);
    }

    fn reacted(
        &mut self,
        message: &Message,
        act: Act,
        asked: &Asked,
        mut properties: serde_json::Value,
        occasion: &[&str],
    ) {
        let (by_person, by_machine) = act.events();
        let is_notification = message.channel == Channel::Push;
        // Nobody but its browser can read where a notification leads, and whoever sees one may press it at once.
        let since = if is_notification { Span::days(1) } else { since_sent(message, asked.at) };
        let event = match machine::judge(act, asked, since) {
            None if is_notification => events::PUSH_CLICKED,
            None => by_person,
            Some(machine) => {
                properties["machine"] = true.into();
                properties["because"] = machine.word().into();
                properties["user_agent"] = asked.agent_kept().into();
                by_machine
            }
        };
        let about = [&[&*message.id.0][..], occasion].concat();
        self.happen_once(self.person(message.customer), event, &properties, &about);
        self.settle();
    }

    /// Where the picture lies by which the open of a mail is told; none: opens of it are not counted.
    pub fn open_url(&self, order: &Order) -> Option<String> {
        let counts = self.options.counts_opens && order.channel == Channel::Email && order.is_marketing;
        let token = || self.signer().open_token(&order.message);
        counts.then(|| format!("{}/o/{}.gif", self.options.public_url, token()))
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
            .filter(|message| message.outcome == Some(Outcome::Sent))
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

/// Since the mail's server took it. 0 while it has not: guards look at a mail before they let their server answer.
fn since_sent(message: &Message, at: Timestamp) -> Span {
    let is_out = matches!(message.outcome, Some(Outcome::Sent | Outcome::Uncertain));
    let sent_at = message.outcome_at.filter(|_| is_out);
    sent_at.map_or(Span(0), |sent_at| Span(at.since(sent_at).0.max(0)))
}

pub(super) fn about(message: &Message) -> serde_json::Value {
    json!({
        "campaign": message.campaign, "message_id": message.id, "template": message.template, "variant": message.variant,
        "purpose": message.purpose, "channel": message.channel, "step": message.step,
    })
}
