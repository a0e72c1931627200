//! How we stand with a customer: what they allow, which lists they are on, whether a person is talking with them or a
//! complaint is open.
//!
//! All from events, each counting from its own time on. How consent stands is worked out in `consent`.

use crate::profile::customer::Order;
use domain::call::events;
use domain::{Call, Span, Timestamp, Trust};
use serde_json::Value;
use std::sync::Arc;

/// A conversation that stays silent for so long ends by itself.
pub const SILENCE: Span = Span::days(7);
/// Most statements of each kind that are kept of one customer: the latest ones.
const KEPT: usize = 1_000;

/// What a statement says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Word {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Somebody said yes in the customer's name, and the customer is asked to confirm it.
    Request,
}

impl Word {
    /// The word in `Consent Changed`.
    pub fn status(self) -> &'static str {
        match self {
            Word::Yes => "granted",
            Word::No => "withdrawn",
            Word::Request => "pending",
        }
    }
}

/// What was said of consent, once.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Statement {
    /// From when on, and in which order.
    pub order: Order,
    /// For which purpose.
    pub purpose: Arc<str>,
    /// On which channel; none: all.
    pub channel: Option<Arc<str>>,
    /// What was said.
    pub word: Word,
    /// A yes that a server reports, neither implied nor confirmed there: whoever filled in the form may have named another's
    /// address.
    pub from_outside: bool,
    /// When a yes runs out.
    pub expires: Option<Timestamp>,
    /// Express, implied, or not said.
    pub basis: Option<Arc<str>>,
    /// Where it was made.
    pub source: Option<Arc<str>>,
    /// Which wording the customer saw.
    pub text_version: Option<Arc<str>>,
}

#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
struct ListChange {
    order: Order,
    list: Arc<str>,
    member: bool,
    by_person: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
enum Talk {
    Conversation,
    Complaint,
}

#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
struct TalkChange {
    order: Order,
    about: Talk,
    opened: bool,
    id: Option<Arc<str>>,
}

/// Statements, lists and talks, each in the order of history. Of most customers there are none, and then nothing is kept.
#[derive(Clone, Default, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Standing(Option<Box<Said>>);

#[derive(Clone, Default, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
struct Said {
    statements: Vec<Statement>,
    lists: Vec<ListChange>,
    talks: Vec<TalkChange>,
}

/// What an event did to the standing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touched {
    /// Nothing.
    Nothing,
    /// Consent.
    Consent,
    /// Lists.
    Lists,
    /// Conversations or complaints.
    Talks,
}

impl Standing {
    /// Takes an event into account.
    pub fn apply(&mut self, call: &Call, order: Order) -> Touched {
        let Some(event) = call.event.as_deref() else {
            return Touched::Nothing;
        };
        match event {
            events::CONSENT_CHANGED => self.consent_changed(&call.body_value(), call.trust, order),
            events::UNSUBSCRIBED | events::MARKED_AS_SPAM => {
                let body = call.body_value();
                let purpose = if event == events::MARKED_AS_SPAM {
                    "marketing".into()
                } else {
                    // Our own events name the purpose of their message; another sender's mean marketing.
                    text(&body, "purpose").unwrap_or_else(|| "marketing".into())
                };
                let channel = if event == events::MARKED_AS_SPAM {
                    None
                } else {
                    Some(text(&body, "channel").unwrap_or_else(|| "email".into()))
                };
                insert(
                    &mut self.said().statements,
                    Statement {
                        order,
                        purpose,
                        channel,
                        word: Word::No,
                        from_outside: false,
                        expires: None,
                        basis: None,
                        source: Some(event.into()),
                        text_version: None,
                    },
                    |statement| statement.order,
                );
                Touched::Consent
            }
            events::LIST_CHANGED => {
                let body = call.body_value();
                let (Some(list), Some(member)) = (text(&body, "list"), flag(&body, "member")) else {
                    return Touched::Nothing;
                };
                let by_person = text(&body, "source").as_deref() == Some("person");
                insert(&mut self.said().lists, ListChange { order, list, member, by_person }, |change| change.order);
                Touched::Lists
            }
            events::CONVERSATION_OPENED => self.talk(call, order, Talk::Conversation, true, "conversation"),
            events::CONVERSATION_CLOSED => self.talk(call, order, Talk::Conversation, false, "conversation"),
            events::COMPLAINT_OPENED => self.talk(call, order, Talk::Complaint, true, "complaint"),
            events::COMPLAINT_RESOLVED => self.talk(call, order, Talk::Complaint, false, "complaint"),
            _ => Touched::Nothing,
        }
    }

    fn consent_changed(&mut self, body: &Value, trust: Trust, order: Order) -> Touched {
        let word = [Word::Yes, Word::No, Word::Request];
        let status = text(body, "status");
        let Some(word) = word.into_iter().find(|word| Some(word.status()) == status.as_deref()) else {
            return Touched::Nothing;
        };
        let Some(purpose) = text(body, "purpose") else {
            return Touched::Nothing;
        };
        let expires = text(body, "expires").and_then(|text| Timestamp::parse_in(&text, &domain::Zone::utc()));
        let basis = text(body, "basis");
        let is_settled = basis.as_deref() == Some("implied") || flag(body, "confirmed") == Some(true);
        let statement = Statement {
            order,
            purpose,
            channel: text(body, "channel"),
            word,
            // What the owner imports with its proof, and what was said on our own pages, is settled.
            from_outside: trust == Trust::Server && !is_settled,
            expires,
            basis,
            source: text(body, "source"),
            text_version: text(body, "text_version"),
        };
        insert(&mut self.said().statements, statement, |statement| statement.order);
        Touched::Consent
    }

    fn talk(&mut self, call: &Call, order: Order, about: Talk, opened: bool, key: &str) -> Touched {
        let id = text(&call.body_value(), key);
        insert(&mut self.said().talks, TalkChange { order, about, opened, id }, |change| change.order);
        Touched::Talks
    }

    /// Statements at or before `now` that name the purpose, and the channel or none; the latest first.
    pub fn statements_about<'a, 'b>(
        &'a self,
        purpose: &'b str,
        channel: &'b str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Statement> + use<'a, 'b> {
        self.statements().iter().rev().filter(move |statement| {
            statement.order.0 <= now
                && statement.purpose.as_ref() == purpose
                && statement.channel.as_deref().is_none_or(|named| named == channel)
        })
    }

    /// Whether the customer is on a list: the latest word decides, a person's beats all others.
    pub fn is_on_list(&self, list: &str, now: Timestamp) -> bool {
        let mut verdict = None;
        for change in self.lists().iter().filter(|change| change.order.0 <= now && change.list.as_ref() == list) {
            match verdict {
                Some((true, _)) if !change.by_person => {}
                _ => verdict = Some((change.by_person, change.member)),
            }
        }
        verdict.is_some_and(|(_, member)| member)
    }

    /// When a list changes next by time alone.
    pub fn next_list_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.lists().iter().map(|change| change.order.0).find(|at| *at > now)
    }

    /// Whether a person is talking with the customer, and until when if nothing more is said.
    pub fn is_talking(&self, now: Timestamp) -> (bool, Option<Timestamp>) {
        let open = self.open(Talk::Conversation, now);
        let latest = open.iter().map(|order| order.0).max();
        match latest {
            Some(at) if at.plus(SILENCE) > now => (true, Some(at.plus(SILENCE))),
            _ => (false, None),
        }
    }

    /// Since when the oldest open conversation and the oldest open complaint wait, where there are some.
    pub fn waits_since(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let oldest = |about| self.open(about, now).into_iter().map(|order| order.0).min();
        let talk = if self.is_talking(now).0 { oldest(Talk::Conversation) } else { None };
        (talk, oldest(Talk::Complaint))
    }

    /// Whether a complaint is open.
    pub fn has_open_complaint(&self, now: Timestamp) -> bool {
        !self.open(Talk::Complaint, now).is_empty()
    }

    /// When a talk changes next by an event dated ahead.
    pub fn next_talk_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.talks().iter().map(|change| change.order.0).find(|at| *at > now)
    }

    fn open(&self, about: Talk, now: Timestamp) -> Vec<Order> {
        let mut open: Vec<(Option<Arc<str>>, Order)> = Vec::new();
        for change in self.talks().iter().filter(|change| change.order.0 <= now && change.about == about) {
            match (&change.id, change.opened) {
                (id, true) => {
                    open.retain(|(other, _)| id.is_none() || other != id);
                    open.push((id.clone(), change.order));
                }
                (Some(_), false) => open.retain(|(other, _)| *other != change.id),
                // A close without id closes all.
                (None, false) => open.clear(),
            }
        }
        open.into_iter().map(|(_, order)| order).collect()
    }

    /// Takes over what another of the person's names said.
    pub fn absorb(&mut self, other: Standing) {
        let Some(other) = other.0 else { return };
        let own = self.said();
        for statement in other.statements {
            insert(&mut own.statements, statement, |statement| statement.order);
        }
        for change in other.lists {
            insert(&mut own.lists, change, |change| change.order);
        }
        for change in other.talks {
            insert(&mut own.talks, change, |change| change.order);
        }
    }

    fn said(&mut self) -> &mut Said {
        self.0.get_or_insert_default()
    }

    fn lists(&self) -> &[ListChange] {
        self.0.as_ref().map_or(&[], |said| &said.lists)
    }

    fn talks(&self) -> &[TalkChange] {
        self.0.as_ref().map_or(&[], |said| &said.talks)
    }

    /// All statements, the oldest first.
    pub fn statements(&self) -> &[Statement] {
        self.0.as_ref().map_or(&[], |said| &said.statements)
    }
}

fn insert<T>(values: &mut Vec<T>, value: T, order: impl Fn(&T) -> Order) {
    let place = values.partition_point(|other| order(other) <= order(&value));
    values.insert(place, value);
    if values.len() > KEPT {
        values.remove(0);
    }
}

fn text(body: &Value, key: &str) -> Option<Arc<str>> {
    match body.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.as_str().into()),
        Some(Value::Number(number)) => Some(number.to_string().into()),
        _ => None,
    }
}

fn flag(body: &Value, key: &str) -> Option<bool> {
    match body.get(key) {
        Some(Value::Bool(flag)) => Some(*flag),
        Some(Value::String(word)) if word == "true" => Some(true),
        Some(Value::String(word)) if word == "false" => Some(false),
        _ => None,
    }
}
