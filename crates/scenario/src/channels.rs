//! Pretended channels: they answer in no time as told, and remember everything that was handed to them.

use domain::message::{Channel, Written};
use domain::{MessageId, Name, Span, Timestamp};
use engine::deliver::webhooks::{Errand, Heard};
use engine::deliver::{End, Order};
use engine::profile::browsers::Browser;
use std::collections::HashMap;

/// How a pretended channel answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// 250: it has the message.
    Accept,
    /// 4xx: try later.
    PutOff,
    /// 5xx: this recipient does not exist.
    Refuse,
    /// It takes the message, and no reply comes.
    NoReply,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Answer; 4] = [Answer::Accept, Answer::PutOff, Answer::Refuse, Answer::NoReply];

    /// The word in scenarios.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Accept => "accept",
            Answer::PutOff => "4xx",
            Answer::Refuse => "5xx",
            Answer::NoReply => "no_reply",
        }
    }

    /// Finds the answer by its word in scenarios.
    pub fn find(word: &str) -> Option<Answer> {
        Answer::ALL.into_iter().find(|answer| answer.word() == word)
    }

    /// How an attempt ends with this answer.
    pub fn end(self) -> End {
        match self {
            Answer::Accept => End::Sent { reply: "250 2.0.0 accepted".to_owned() },
            Answer::PutOff => {
                End::PutOff { reply: "451 4.7.1 try again later".to_owned(), unreachable: false, retry_after: None }
            }
            Answer::Refuse => End::Rejected { reply: "550 5.1.1 no such mailbox".to_owned(), of_recipient: true },
            Answer::NoReply => End::NoReply { detail: "the connection broke after the final dot".to_owned() },
        }
    }
}

/// One handing over of a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivery {
    /// Which message.
    pub message: MessageId,
    /// Which attempt.
    pub number: u32,
    /// What was handed over.
    pub written: Written,
    /// To which browsers, where a channel goes to browsers.
    pub browsers: Vec<Browser>,
    /// For how long it is of use.
    pub useful_for: Span,
    /// How the channel answered.
    pub answer: Answer,
}

/// One telling of a webhook.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Telling {
    /// What was told, whom, and at which attempt.
    pub errand: Errand,
    /// When.
    pub at: Timestamp,
}

/// All channels of a story.
#[derive(Clone, Default, Debug)]
pub struct Channels {
    endpoints: HashMap<Name, Heard>,
    tellings: Vec<Telling>,
    whole: HashMap<Channel, Answer>,
    by_address: HashMap<(Channel, String), Answer>,
    deliveries: Vec<Delivery>,
}

impl Channels {
    /// From now on a channel answers so, whatever was said of it before.
    pub fn answer_all(&mut self, channel: Channel, answer: Answer) {
        self.by_address.retain(|(other, _), _| *other != channel);
        self.whole.insert(channel, answer);
    }

    /// From now on a channel answers so to one address, beside what was said of it.
    pub fn answer_to(&mut self, channel: Channel, address: &str, answer: Answer) {
        self.by_address.insert((channel, address.to_owned()), answer);
    }

    /// Takes a message and answers.
    pub fn take(&mut self, order: &Order) -> End {
        let own = self.by_address.get(&(order.channel, order.written.to.clone()));
        let answer = own.or_else(|| self.whole.get(&order.channel)).copied().unwrap_or(Answer::Accept);
        self.deliveries.push(Delivery {
            message: order.message.clone(),
            number: order.number,
            written: (*order.written).clone(),
            browsers: order.browsers.clone(),
            useful_for: order.useful_for,
            answer,
        });
        answer.end()
    }

    /// From now on an endpoint of webhooks answers so; at first each takes everything.
    pub fn answer_endpoint(&mut self, endpoint: &Name, heard: Heard) {
        self.endpoints.insert(endpoint.clone(), heard);
    }

    /// Tells an endpoint, which answers.
    pub fn tell(&mut self, errand: &Errand, at: Timestamp) -> Heard {
        self.tellings.push(Telling { errand: errand.clone(), at });
        let own = self.endpoints.get(&errand.endpoint).cloned();
        own.unwrap_or_else(|| Heard::Done { reply: "answered 204".to_owned() })
    }

    /// Every telling so far.
    pub fn tellings(&self) -> &[Telling] {
        &self.tellings
    }

    /// Everything that was handed over so far.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }
}
