//! What arrives: one call of a customer's history, as it was accepted.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The kinds of Segment's tracking spec, and our own `record`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// Something the customer did.
    Track,
    /// A page was seen.
    Page,
    /// A screen of an app was seen.
    Screen,
    /// Traits of a customer; with both ids it joins them.
    Identify,
    /// The customer belongs to a group.
    Group,
    /// Two ids are one person.
    Alias,
    /// Something a customer has: a pass, a subscription, a shipment.
    Record,
}

impl CallKind {
    /// The word in the call's `type`.
    pub fn word(self) -> &'static str {
        match self {
            CallKind::Track => "track",
            CallKind::Page => "page",
            CallKind::Screen => "screen",
            CallKind::Identify => "identify",
            CallKind::Group => "group",
            CallKind::Alias => "alias",
            CallKind::Record => "record",
        }
    }

    /// Finds the kind of a `type`.
    pub fn find(word: &str) -> Option<CallKind> {
        Some(match word {
            "track" => CallKind::Track,
            "page" => CallKind::Page,
            "screen" => CallKind::Screen,
            "identify" => CallKind::Identify,
            "group" => CallKind::Group,
            "alias" => CallKind::Alias,
            "record" => CallKind::Record,
            _ => return None,
        })
    }
}

/// How far the sender of a call is trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// A public key in a page or an app: behaviour only.
    Browser,
    /// A secret key on the company's own server.
    Server,
    /// A file that the owner imported.
    File,
    /// Perennial itself: messages and what became of them.
    Perennial,
}

impl Trust {
    /// The word in tables and files.
    pub fn word(self) -> &'static str {
        match self {
            Trust::Browser => "browser",
            Trust::Server => "server",
            Trust::File => "file",
            Trust::Perennial => "perennial",
        }
    }

    /// Finds it by its word.
    pub fn find(word: &str) -> Option<Trust> {
        [Trust::Browser, Trust::Server, Trust::File, Trust::Perennial].into_iter().find(|it| it.word() == word)
    }
}

/// Who sent a call: the key's source name and its trust.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Source {
    /// Name of the source, such as `shop` or `import`.
    pub name: Arc<str>,
    /// How far it is trusted.
    pub trust: Trust,
}

impl Source {
    /// A source by name and trust.
    pub fn new(name: &str, trust: Trust) -> Source {
        Source { name: name.into(), trust }
    }
}

/// The part of a `record` call beside its attributes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordPart {
    /// `pass`, `subscription`, `shipment` …
    #[serde(rename = "k")]
    pub kind: Arc<str>,
    /// The record's id, unique with the kind in the workspace.
    #[serde(rename = "i")]
    pub id: Arc<str>,
    /// The record ended for all.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// This customer's share of it ended.
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

/// The key of a call's context under which amounts are kept that cannot be right. What stands in the body instead is
/// cut to what can be.
pub const QUARANTINED: &str = "perennial_quarantined";

/// Amounts of a call that are set apart: nothing that adds up counts them.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Quarantine {
    /// Why.
    pub because: String,
    /// The amounts as they were sent, by their key in the body.
    pub sent: serde_json::Map<String, serde_json::Value>,
}

/// How the messageId of a call begins that was emptied. Nobody can send it: ids with control characters are refused.
const EMPTIED: &str = "\u{1}erased ";

/// One accepted call. Serialises to one line of the journal; keys are short because there are millions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Its kind.
    #[serde(rename = "k")]
    pub kind: CallKind,
    /// The id under which it counts once.
    #[serde(rename = "m")]
    pub message_id: Arc<str>,
    /// The known customer it names.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Arc<str>>,
    /// The visitor it names.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub anonymous_id: Option<Arc<str>>,
    /// `alias`: the id that is joined to `user_id`; `group`: the group's id.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub other_id: Option<Arc<str>>,
    /// Event name of track, page and screen calls.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Arc<str>>,
    /// When it happened.
    #[serde(rename = "t")]
    pub timestamp: Timestamp,
    /// When it reached us.
    #[serde(rename = "r")]
    pub received_at: Timestamp,
    /// The source's name.
    #[serde(rename = "s")]
    pub source: Arc<str>,
    /// The source's trust.
    #[serde(rename = "w")]
    pub trust: Trust,
    /// Kind, id and end of a record.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordPart>,
    /// A JSON object: properties of an event, traits of identify and group, attributes of a record.
    #[serde(rename = "b")]
    pub body: Arc<RawValue>,
    /// Segment's `context`, a JSON object.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Arc<RawValue>>,
}

impl Call {
    /// The name under which it is filed: that of the known customer, else of the visitor; empty where it names nobody.
    /// Identity resolution goes by the same name.
    pub fn name(&self) -> &str {
        self.user_id.as_deref().or(self.anonymous_id.as_deref()).unwrap_or_default()
    }

    /// The body parsed, without amounts that are set apart: whatever adds up or asks reads this. The body was checked
    /// to be an object when the call was accepted.
    pub fn body_value(&self) -> serde_json::Value {
        self.without_quarantined(serde_json::from_str(self.body.get()).unwrap_or(serde_json::Value::Null))
    }

    /// As `body_value`, with none but the wanted keys at the top: of a wide body that few ask about little is made.
    pub fn body_value_of(&self, is_wanted: &dyn Fn(&str) -> bool) -> serde_json::Value {
        let mut json = serde_json::Deserializer::from_str(self.body.get());
        let body = serde::Deserializer::deserialize_map(&mut json, Wanted(is_wanted));
        self.without_quarantined(body.unwrap_or(serde_json::Value::Null))
    }

    fn without_quarantined(&self, mut body: serde_json::Value) -> serde_json::Value {
        if let (Some(quarantine), Some(body)) = (self.quarantine(), body.as_object_mut()) {
            body.retain(|key, _| !quarantine.sent.contains_key(key));
        }
        body
    }

    /// Whether amounts of the call are set apart. O(bytes of the context).
    pub fn is_quarantined(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.get().contains(QUARANTINED))
    }

    /// The amounts that are set apart, if there are any.
    pub fn quarantine(&self) -> Option<Quarantine> {
        #[derive(Deserialize)]
        struct Context {
            perennial_quarantined: Quarantine,
        }
        if !self.is_quarantined() {
            return None;
        }
        let context: Context = serde_json::from_str(self.context.as_ref()?.get()).ok()?;
        Some(context.perennial_quarantined)
    }

    /// What stands in its place once its customer is erased: that something came then under these names, which the caller
    /// replaces, and `mark`, which tells it from others without telling of anybody. It is nobody's, and no event.
    pub fn emptied(&self, mark: &str) -> Call {
        Call {
            message_id: format!("{EMPTIED}{mark}").into(),
            event: None,
            timestamp: self.received_at,
            record: None,
            body: Arc::from(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")),
            context: None,
            ..self.clone()
        }
    }

    /// The mark of a call that was emptied.
    pub fn emptied_mark(&self) -> Option<&str> {
        self.message_id.strip_prefix(EMPTIED)
    }

    /// Whether a segment can ask for it by name.
    pub fn is_event(&self) -> bool {
        self.event.is_some()
    }
}

/// Reads an object without what stands under other keys.
struct Wanted<'a>(&'a dyn Fn(&str) -> bool);

/// Whether a key is wanted, and it if so.
struct WantedKey<'a>(&'a dyn Fn(&str) -> bool);

impl<'de> serde::de::Visitor<'de> for Wanted<'_> {
    type Value = serde_json::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<serde_json::Value, A::Error> {
        let mut found = serde_json::Map::new();
        while let Some(key) = map.next_key_seed(WantedKey(self.0))? {
            match key {
                Some(key) => {
                    found.insert(key, map.next_value()?);
                }
                None => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(serde_json::Value::Object(found))
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for WantedKey<'_> {
    type Value = Option<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Option<String>, D::Error> {
        from.deserialize_str(self)
    }
}

impl serde::de::Visitor<'_> for WantedKey<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Option<String>, E> {
        Ok((self.0)(key).then(|| key.to_owned()))
    }
}

/// Event names that Perennial gives a meaning of their own.
pub mod events {
    /// `page` calls.
    pub const PAGE_VIEWED: &str = "Page Viewed";
    /// `screen` calls.
    pub const SCREEN_VIEWED: &str = "Screen Viewed";
    /// Somebody bought.
    pub const ORDER_COMPLETED: &str = "Order Completed";
    /// Money went back.
    pub const ORDER_REFUNDED: &str = "Order Refunded";
    /// A statement of consent.
    pub const CONSENT_CHANGED: &str = "Consent Changed";
    /// A list gained or lost the customer.
    pub const LIST_CHANGED: &str = "List Changed";
    /// A person began to talk with the customer.
    pub const CONVERSATION_OPENED: &str = "Conversation Opened";
    /// The talk is over.
    pub const CONVERSATION_CLOSED: &str = "Conversation Closed";
    /// The customer complained.
    pub const COMPLAINT_OPENED: &str = "Complaint Opened";
    /// The complaint is settled.
    pub const COMPLAINT_RESOLVED: &str = "Complaint Resolved";
    /// The customer wants no more messages of the message's purpose.
    pub const UNSUBSCRIBED: &str = "Unsubscribed";
    /// The receiver called a message spam.
    pub const MARKED_AS_SPAM: &str = "Email Marked as Spam";
    /// The receiver's server refused the address.
    pub const EMAIL_BOUNCED: &str = "Email Bounced";
    /// Perennial gave points.
    pub const POINTS_EARNED: &str = "Points Earned";
    /// Perennial gave a voucher.
    pub const VOUCHER_ISSUED: &str = "Voucher Issued";
    /// A pool had no code left to give.
    pub const VOUCHER_NOT_ISSUED: &str = "Voucher Not Issued";
    /// Perennial gave a person something to do.
    pub const TASK_OPENED: &str = "Task Opened";
    /// It was done.
    pub const TASK_COMPLETED: &str = "Task Completed";
    /// A message went out.
    pub const MESSAGE_SENT: &str = "Message Sent";
    /// A message in the shop was on the screen.
    pub const IN_APP_SHOWN: &str = "In-App Message Shown";
    /// A message in the shop was followed.
    pub const IN_APP_CLICKED: &str = "In-App Message Clicked";
    /// A message in the shop was put away.
    pub const IN_APP_DISMISSED: &str = "In-App Message Dismissed";
    /// A browser is to be notified: `endpoint`, its keys, and what people call it.
    pub const PUSH_SUBSCRIBED: &str = "Push Subscribed";
    /// It is notified no more: `endpoint`, `because`.
    pub const PUSH_UNSUBSCRIBED: &str = "Push Unsubscribed";
    /// A notification was followed.
    pub const PUSH_CLICKED: &str = "Push Clicked";
    /// A person opened a mail.
    pub const EMAIL_OPENED: &str = "Email Opened";
    /// A person followed a link in a mail.
    pub const LINK_CLICKED: &str = "Email Link Clicked";
    /// A machine fetched what a person's open is told by. A name of its own, which no prefix such as `Email *` catches, so that
    /// whoever asks who opened is told of people.
    pub const MACHINE_OPENED: &str = "Machine Opened Email";
    /// A machine followed a link in a mail.
    pub const MACHINE_CLICKED: &str = "Machine Clicked Email Link";

    /// Whether an event tells of a machine that handled a mail.
    pub fn is_of_machine(event: &str) -> bool {
        event == MACHINE_OPENED || event == MACHINE_CLICKED
    }
}
