//! Messages that wait in the shop's own pages and apps, and what the customer did with them. All from Perennial's own events.

use crate::profile::customer::Order;
use domain::call::events;
use domain::{Call, Timestamp, Trust};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Most messages, and most answers to them, that are kept of one customer: the latest ones. All of them are in the history.
const KEPT: usize = 200;

/// What a customer can do with a message in the shop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It was on the screen.
    Shown,
    /// It was followed.
    Clicked,
    /// It was put away, and is shown no more.
    Dismissed,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Answer; 3] = [Answer::Shown, Answer::Clicked, Answer::Dismissed];

    /// The word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Shown => "shown",
            Answer::Clicked => "clicked",
            Answer::Dismissed => "dismissed",
        }
    }

    /// The event that says so.
    pub fn event(self) -> &'static str {
        match self {
            Answer::Shown => events::IN_APP_SHOWN,
            Answer::Clicked => events::IN_APP_CLICKED,
            Answer::Dismissed => events::IN_APP_DISMISSED,
        }
    }
}

/// A message that was put where the customer finds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// When, and in which order.
    pub order: Order,
    /// Its id.
    pub message: Arc<str>,
    /// It is of use up to but without this instant.
    pub until: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Answered {
    order: Order,
    message: Arc<str>,
    answer: Answer,
}

/// Messages and answers, each in the order of history.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InApp {
    sent: Vec<Sent>,
    answered: Vec<Answered>,
}

impl InApp {
    /// Whether an event tells of such a message. Only Perennial's own words count.
    pub fn is_told_by(call: &Call) -> bool {
        let Some(event) = call.event.as_deref().filter(|_| call.trust == Trust::Perennial) else { return false };
        let is_answer = Answer::ALL.iter().any(|answer| answer.event() == event);
        is_answer || event == events::MESSAGE_SENT && call.body.get().contains(USEFUL_UNTIL)
    }

    /// Takes an event into account.
    pub fn apply(&mut self, call: &Call, order: Order) {
        let body = call.body_value();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let Some(message) = text("message_id").map(Arc::from) else { return };
        match Answer::ALL.into_iter().find(|answer| Some(answer.event()) == call.event.as_deref()) {
            Some(answer) => insert(&mut self.answered, Answered { order, message, answer }, |it| it.order),
            None => {
                let Some(until) = text(USEFUL_UNTIL).and_then(Timestamp::parse) else { return };
                insert(&mut self.sent, Sent { order, message, until }, |it| it.order);
            }
        }
    }

    /// Takes over what another of the person's names has.
    pub fn absorb(&mut self, other: InApp) {
        for sent in other.sent {
            insert(&mut self.sent, sent, |it| it.order);
        }
        for answered in other.answered {
            insert(&mut self.answered, answered, |it| it.order);
        }
    }

    /// Messages to show at an instant, the latest first: those of use that were not put away.
    pub fn to_show(&self, now: Timestamp) -> impl Iterator<Item = &Sent> {
        let is_there = move |sent: &&Sent| sent.order.0 <= now && now < sent.until;
        self.sent.iter().rev().filter(is_there).filter(|sent| !self.was(&sent.message, Answer::Dismissed))
    }

    /// A message, however old.
    pub fn find(&self, message: &str) -> Option<&Sent> {
        self.sent.iter().find(|sent| sent.message.as_ref() == message)
    }

    /// Whether the customer did this with a message.
    pub fn was(&self, message: &str, answer: Answer) -> bool {
        self.answered.iter().any(|it| it.answer == answer && it.message.as_ref() == message)
    }
}

/// The property of `Message Sent` that says until when a message in the shop is of use.
pub const USEFUL_UNTIL: &str = "useful_until";

fn insert<T>(values: &mut Vec<T>, value: T, order: impl Fn(&T) -> Order) {
    let place = values.partition_point(|other| order(other) <= order(&value));
    values.insert(place, value);
    if values.len() > KEPT {
        values.remove(0);
    }
}
