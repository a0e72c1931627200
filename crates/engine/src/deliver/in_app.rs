//! Messages in the shop's own pages and apps: the customer's device fetches them and says what became of them.
//!
//! Through the gate and into the ledger like all others; they are there once, so that nothing is ever repeated.

use crate::profile::identity::NameKind;
use crate::profile::in_app::Answer;
use crate::state::Engine;
use crate::write::links::keyed_hash;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::message::{Channel, Message};
use domain::{CustomerId, MessageId, Span, Timestamp};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use store::{Reader, StoreError};

/// How long a message is of use where nothing says so.
const USEFUL: Span = Span::days(30);
/// Longest life of a token.
pub const TOKEN_LIFE: Span = Span::days(30);
/// Most messages that are shown at a time: more is a wall.
const SHOWN: usize = 20;
const LABEL: &[u8] = b"perennial in-app customer 1\0";
const MAC_LENGTH: usize = 16;
/// Bytes of an instant in a token.
const INSTANT: usize = 8;
/// Longest token: of the longest userId.
const TOKEN_LIMIT: usize = 4_096;

/// A message to show.
#[derive(Clone, PartialEq, Debug)]
pub struct ToShow {
    /// The message, with what was written.
    pub message: Message,
    /// When it was put there.
    pub at: Timestamp,
    /// It is shown up to but without this instant.
    pub until: Timestamp,
    /// Whether it was on the screen before.
    pub was_shown: bool,
    /// Whether it was followed before.
    pub was_clicked: bool,
}

impl Engine {
    /// What says to us who a device belongs to, until an instant. Only who may speak for the customer may have it: it is
    /// made for holders of a server key.
    ///
    /// Errors: the userId is too long for a token.
    pub fn customer_token(&self, user_id: &str, until: Timestamp) -> Result<String, &'static str> {
        let mut content = until.0.to_be_bytes().to_vec();
        content.extend_from_slice(user_id.as_bytes());
        let mac = self.customer_mac(&content).finalize().into_bytes();
        content.extend_from_slice(&mac[..MAC_LENGTH]);
        let token = URL_SAFE_NO_PAD.encode(content);
        if token.len() > TOKEN_LIMIT { Err("the userId is too long") } else { Ok(token) }
    }

    /// The userId of a token that we made and whose time is not over.
    pub fn verify_customer_token(&self, token: &str, now: Timestamp) -> Option<String> {
        if token.len() > TOKEN_LIMIT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (content, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LENGTH)?)?;
        // Compares in constant time.
        self.customer_mac(content).verify_truncated_left(mac).ok()?;
        let (until, user_id) = content.split_at_checked(INSTANT)?;
        let until = Timestamp(i64::from_be_bytes(until.try_into().ok()?));
        (now < until).then(|| String::from_utf8(user_id.to_vec()).ok())?
    }

    fn customer_mac(&self, content: &[u8]) -> Hmac<Sha256> {
        keyed_hash(&self.secrets.link_key, LABEL, content)
    }

    /// The person who bears a userId now. By that alone: an internal id or a visitor's name is none.
    pub fn who_is_user(&self, user_id: &str) -> Option<CustomerId> {
        let node = self.people.find(NameKind::User, user_id)?;
        Some(CustomerId(self.people.person(node)))
    }

    /// What is to be shown to somebody, the latest first.
    pub fn in_app(&self, reader: &dyn Reader, person: CustomerId, now: Timestamp) -> Result<Vec<ToShow>, StoreError> {
        let in_app = self.customers.get(person).and_then(|customer| customer.in_app.as_deref());
        let mut found = Vec::new();
        for sent in in_app.into_iter().flat_map(|in_app| in_app.to_show(now).map(move |sent| (in_app, sent))) {
            let (in_app, sent) = sent;
            if found.len() == SHOWN {
                break;
            }
            // What was written may be gone with somebody who was erased.
            let message = self.find_message(reader, &MessageId(sent.message.clone()))?;
            if let Some(message) = message.filter(|message| message.written.is_some()) {
                found.push(ToShow {
                    message,
                    at: sent.order.0,
                    until: sent.until,
                    was_shown: in_app.was(&sent.message, Answer::Shown),
                    was_clicked: in_app.was(&sent.message, Answer::Clicked),
                });
            }
        }
        Ok(found)
    }

    /// Whether a message is one that was put there for somebody.
    pub fn has_in_app(&self, person: CustomerId, message: &str) -> bool {
        let in_app = self.customers.get(person).and_then(|customer| customer.in_app.as_deref());
        in_app.is_some_and(|in_app| in_app.find(message).is_some())
    }

    /// A customer did something with a message: an event in their history. Said again it says nothing new, so a device may
    /// repeat it until it is heard.
    pub fn answer_in_app(&mut self, message: &Message, answer: Answer, url: Option<&str>, now: Timestamp) {
        self.reach(now);
        let person = self.person(message.customer);
        let in_app = self.customers.get(person).and_then(|customer| customer.in_app.as_deref());
        let is_new =
            in_app.is_some_and(|in_app| in_app.find(&message.id.0).is_some() && !in_app.was(&message.id.0, answer));
        if !is_new {
            return;
        }
        let mut properties = super::answers::about(message);
        if let Some(url) = url {
            properties["url"] = url.into();
        }
        self.happen(person, answer.event(), &properties, &message.id.0);
        self.settle();
    }

    /// Until when a message in the shop is of use: as long as a message of service is worth sending, else a month.
    pub(crate) fn useful_until(&self, message: &Message) -> Option<Timestamp> {
        (message.channel == Channel::InApp).then(|| self.deadline_or(message, self.clock.plus(USEFUL)))
    }
}
