//! From a decision to the customer: the outbox with its ledger of attempts.
//!
//! decided → attempt recorded (`started`) → about to go out (`data`) → sent, put off, rejected or uncertain.
//! Each arrow is durable before the next begins. Policy is here; the wire is in `channels`.

pub mod answers;
pub mod brake;
pub mod browsers;
pub mod confirm;
pub mod in_app;
pub mod letter;
pub mod outbox;
pub mod pace;
pub mod preferences;
pub mod reports;
pub mod webhooks;

use crate::decide::address::normal_address;
use crate::decide::limits::MarkKind;
use crate::dedupe::Known;
use crate::profile::browsers::Browser;
use crate::state::{Engine, Rest};
use crate::timers::Timer;
use domain::message::{Because, Channel, Message, Outcome, Phase, Written};
use domain::workspace::service;
use domain::{Call, CallKind, CustomerId, MessageId, Span, Timestamp, Trust};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Attempt, RestChange, Suppression, SuppressionChange};

/// Failures of different addresses in a row after which a channel rests.
const FAILURES_BEFORE_REST: usize = 5;
/// How long it rests before it is tried again.
const REST: Span = Span::minutes(5);
/// The longest that a receiver may ask to be let alone: what it takes is asked again by then.
const LONGEST_ASKED: Span = Span::hours(24);
/// How long after its decision a service message is of use.
const DEADLINE: Span = Span::days(3);

/// Whom an event is about: userId, anonymousId.
type Names = (Option<Arc<str>>, Option<Arc<str>>);

/// An attempt to make: recorded, and to be carried out once its record is durable.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    /// The message.
    pub message: MessageId,
    /// 1 for the first attempt.
    pub number: u32,
    /// On which channel.
    pub channel: Channel,
    /// What goes out: the same bytes at every attempt.
    pub written: Arc<Written>,
    /// When it was decided: the date in its header, so that a repetition is the same to the byte.
    pub decided_at: Timestamp,
    /// Its campaign.
    pub campaign: domain::Name,
    /// Marketing, which carries the unsubscribe headers.
    pub is_marketing: bool,
    /// For whom; a browser that is gone is taken from them.
    pub customer: CustomerId,
    /// The browsers that it goes to, where the channel goes to browsers.
    pub browsers: Vec<Browser>,
    /// For so long it is of use.
    pub useful_for: Span,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The channel accepted it.
    Sent {
        /// Its words.
        reply: String,
    },
    /// To be tried again later; nothing went out.
    PutOff {
        /// Why.
        reply: String,
        /// The receiver cannot be reached, rather than this address.
        unreachable: bool,
        /// How long it wants to be let alone, if it says so.
        retry_after: Option<Span>,
    },
    /// Nobody is there any more, which says nothing of the channel.
    Gone {
        /// Its words.
        reply: String,
    },
    /// Refused for good.
    Rejected {
        /// Its words.
        reply: String,
        /// The recipient is refused: the address is suppressed.
        of_recipient: bool,
    },
    /// The body went out and no reply came.
    NoReply {
        /// What is known.
        detail: String,
    },
}

impl Engine {
    /// Records attempts for messages that are due on a channel. The orders may be carried out only after
    /// the commit that holds them is durable.
    pub fn order_attempts(&mut self, channel: Channel, now: Timestamp, at_most: usize) -> Vec<Order> {
        self.tick(now);
        let now = self.clock;
        let mut orders = Vec::new();
        for id in self.outbox.take_due(channel, now, at_most, self.options.limits(channel)) {
            let lane = self.messages.get(&id).map(outbox::lane_of);
            match self.begin_attempt(&id) {
                Some(order) => orders.push(order),
                None => self.attempt_was_not_made(channel, lane, &id),
            }
        }
        self.settle();
        orders
    }

    /// A message that was taken out of the outbox did not set out: its place and its share of the day are free again.
    fn attempt_was_not_made(&mut self, channel: Channel, lane: Option<Arc<str>>, id: &MessageId) {
        if let Some(lane) = lane {
            self.outbox.landed(channel, &lane, id, self.options.limits(channel), self.clock);
        }
        self.outbox.give_back(channel, self.clock);
    }

    /// Asks consent, suppression and exit once more, and quiet hours and caps, since time may have passed;
    /// then records the attempt in the same step.
    fn begin_attempt(&mut self, id: &MessageId) -> Option<Order> {
        let message = self.messages.get(id)?.clone();
        if message.fate_is_unknown() {
            if !self.may_be_repeated(&message) {
                self.conclude(id, Outcome::Uncertain, Some(Because::NoReply), None);
                return None;
            }
        } else if !self.asks_again(&message) {
            return None;
        }
        let now = self.clock;
        let is_marketing = message.purpose != service();
        let browsers = self.browsers_for(message.channel, message.customer);
        let useful_for = self.useful_until_any(&message).since(now).max(Span(0));
        let message = self.messages.get_mut(id)?;
        let written = message.written.clone()?;
        message.attempts += 1;
        message.phase = Some(Phase::Started);
        message.due = None;
        let message = message.clone();
        self.mark_open(&message);
        self.pending.attempts.push(Attempt {
            message: id.clone(),
            number: message.attempts,
            started_at: now,
            phase: Phase::Started,
            ended_at: None,
            result: None,
            reply: None,
        });
        let order = Order {
            message: id.clone(),
            number: message.attempts,
            channel: message.channel,
            written,
            decided_at: message.decided_at,
            campaign: message.campaign.clone(),
            is_marketing,
            customer: message.customer,
            browsers,
            useful_for,
        };
        self.write_progress(message);
        Some(order)
    }

    fn asks_again(&mut self, message: &Message) -> bool {
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::ConsentIsNotAskedAgain) {
            return true;
        }
        self.may_still_go(message)
    }

    /// Whether a message that may have arrived goes out once more: its address is still good, and it is still of use.
    fn may_be_repeated(&self, message: &Message) -> bool {
        let in_time = self.clock <= self.deadline(message);
        in_time && self.ask_permission(message, self.person(message.customer)).is_ok()
    }

    /// Records that the body of a message is about to go out. Durable before it does.
    /// Returns whether it may still go: not if the attempt is no longer the present one.
    pub fn attempt_sends_data(&mut self, id: &MessageId, number: u32, now: Timestamp) -> bool {
        self.attempt_sends_mail(id, number, None, now)
    }

    /// As `attempt_sends_data`. `mail`: the bytes that go out, which are kept where they may have to go out once more.
    pub fn attempt_sends_mail(&mut self, id: &MessageId, number: u32, mail: Option<Arc<str>>, now: Timestamp) -> bool {
        self.reach(now);
        let Some(message) = self.messages.get_mut(id) else { return false };
        if message.phase != Some(Phase::Started) || message.attempts != number {
            return false;
        }
        message.phase = Some(Phase::Data);
        if let Some(mail) = mail.filter(|_| message.purpose == service()) {
            self.pending.kept_mails.push((id.clone(), mail));
        }
        // Of the message itself nothing else changes: the attempt says how far it has come.
        self.pending.attempts.push(attempt_row(message, self.clock, Phase::Data, None, None));
        true
    }

    /// Records how an attempt ended, and what follows from it.
    pub fn attempt_ended(&mut self, id: &MessageId, number: u32, end: End, now: Timestamp) {
        let now = self.reach(now);
        let Some(message) = self.messages.get(id) else { return };
        if message.phase.is_none() || message.attempts != number {
            return;
        }
        let message = message.clone();
        let (result, reply) = match &end {
            End::Sent { reply } => ("sent", reply),
            End::PutOff { reply, .. } => ("put_off", reply),
            End::Rejected { reply, .. } | End::Gone { reply } => ("rejected", reply),
            End::NoReply { detail } => ("no_reply", detail),
        };
        self.pending.attempts.push(attempt_row(&message, now, Phase::Done, Some(result), Some(bounded(reply))));
        let address = message.written.as_ref().map(|written| written.to.clone()).unwrap_or_default();
        let lane = outbox::lane_of(&message);
        self.outbox.landed(message.channel, &lane, id, self.options.limits(message.channel), now);
        self.note_health(message.channel, &lane, &address, &end);
        match end {
            End::Sent { reply } => self.conclude(id, Outcome::Sent, None, Some(bounded(&reply))),
            End::Rejected { reply, of_recipient } => {
                if of_recipient {
                    self.suppress(&address, &reply);
                }
                if of_recipient && message.channel == Channel::Email {
                    self.happen(self.person(message.customer), domain::call::events::EMAIL_BOUNCED, &serde_json::json!({
                        "campaign": message.campaign, "message_id": message.id, "template": message.template, "bounce": "hard",
                        "reason": bounded(&reply),
                    }), &format!("{}:bounce", message.id));
                }
                self.conclude(id, Outcome::Failed, Some(Because::Rejected), Some(bounded(&reply)));
            }
            End::Gone { reply } => self.conclude(id, Outcome::Failed, Some(Because::Rejected), Some(bounded(&reply))),
            // It may have arrived at an earlier attempt: that this one was put off does not make it undone.
            End::PutOff { reply, .. } if message.fate_is_unknown() => self.leave_uncertain(id, &reply),
            End::PutOff { reply, retry_after, .. } => {
                let asked = retry_after.map(|asked| now.plus(asked.min(LONGEST_ASKED)));
                if let Some(until) = asked {
                    self.outbox.rest(message.channel, &lane, until, self.options.limits(message.channel), now);
                    self.pending.rests.extend(self.outbox.resting(message.channel, &lane).map(RestChange::Begins));
                }
                self.put_off(id, &reply, asked);
            }
            End::NoReply { detail } => self.leave_uncertain(id, &detail),
        }
        self.settle();
    }

    /// 4xx: tried again after 1 m, 5 m, 15 m, 1 h, 4 h, then every 8 h, until it expires; service until its deadline.
    /// And not before the receiver wants to be asked.
    fn put_off(&mut self, id: &MessageId, reply: &str, asked: Option<Timestamp>) {
        let now = self.clock;
        let Some(message) = self.messages.get(id) else { return };
        let deadline = (message.purpose == service()).then(|| self.deadline(message));
        let Some(message) = self.messages.get_mut(id) else { return };
        message.expires = deadline.unwrap_or(message.expires);
        if message.expires <= now {
            self.conclude(id, Outcome::Failed, Some(Because::GaveUp), Some(bounded(reply)));
            return;
        }
        // Too late for another try, it is given up when it expires.
        let again = now.plus(delay_after(message.attempts));
        let again = asked.map_or(again, |asked| asked.max(again)).min(message.expires);
        self.hold(id, Because::PutOff, Some(again), Some(bounded(reply)));
    }

    /// Nobody knows whether it arrived: written down once. Marketing is never repeated. Service is, byte for byte,
    /// until it is taken or too late.
    fn leave_uncertain(&mut self, id: &MessageId, detail: &str) {
        let now = self.clock;
        let Some(message) = self.messages.get(id).cloned() else { return };
        #[cfg(feature = "planted-bugs")]
        let repeats = message.purpose == service() || self.has_bug(crate::state::PlantedBug::UncertainIsRepeated);
        #[cfg(not(feature = "planted-bugs"))]
        let repeats = message.purpose == service();
        let again = now.plus(delay_after(message.attempts));
        let has_left = self.journey_of_message(&message).is_none();
        if !repeats || has_left || again > self.deadline(&message) {
            self.conclude(id, Outcome::Uncertain, Some(Because::NoReply), Some(bounded(detail)));
            return;
        }
        let is_first = !message.fate_is_unknown();
        let Some(message) = self.messages.get_mut(id) else { return };
        message.phase = None;
        message.because = Some(Because::NoReply);
        message.outcome_at = Some(now);
        message.due = Some(again);
        message.detail = Some(bounded(detail));
        let message = message.clone();
        self.queue(&message, again);
        self.mark_open(&message);
        if is_first {
            self.decide(&message, Outcome::Uncertain, Some(Because::NoReply), Some(bounded(detail)), Some(again));
        }
        self.write_progress(message);
    }

    /// After this instant a service message is no longer of use: what its campaign says, else the date of the record that it
    /// is about, if that lies ahead, else three days.
    fn deadline(&self, message: &Message) -> Timestamp {
        self.deadline_or(message, message.decided_at.plus(DEADLINE))
    }

    /// Until when a message of whichever purpose is of use.
    fn useful_until_any(&self, message: &Message) -> Timestamp {
        if message.purpose == service() {
            return self.deadline(message);
        }
        let expires_after = self.campaigns.get(&message.campaign).map(|it| it.current.campaign.expires_after);
        message.expires.min(message.decided_at.plus(expires_after.unwrap_or(DEADLINE)))
    }

    /// As `deadline`, with another instant where neither campaign nor record names one.
    fn deadline_or(&self, message: &Message, default: Timestamp) -> Timestamp {
        let Some(campaigning) = self.campaigns.get(&message.campaign) else { return default };
        let journey = self.journey_of_message(message).and_then(|id| self.journeys.get(&id));
        let prepared = journey.map_or(&campaigning.current, |journey| campaigning.version(journey.version));
        if let Some(span) = prepared.campaign.deadline {
            return message.decided_at.plus(span);
        }
        let zone = self.zone_of(self.person(message.customer));
        let date = journey.filter(|journey| journey.record.is_some()).and_then(|journey| journey.occasion.as_deref());
        let date = date.and_then(|written| Timestamp::parse_in(written, &zone));
        date.filter(|at| *at > message.decided_at).unwrap_or(default)
    }

    /// The built-in outbox: nothing leaves the machine, the message counts as sent.
    pub(crate) fn keep_in_outbox(&mut self, id: &MessageId) {
        let now = self.clock;
        let Some(message) = self.messages.get_mut(id) else { return };
        message.attempts += 1;
        message.phase = Some(Phase::Done);
        let message = message.clone();
        let mut row = attempt_row(
            &message,
            now,
            Phase::Done,
            Some("sent"),
            Some("kept in the outbox; nothing left this machine".to_owned()),
        );
        row.started_at = now;
        self.pending.attempts.push(row);
        self.conclude(id, Outcome::Sent, None, None);
    }

    /// A message waits in the outbox until an instant.
    pub(crate) fn queue(&mut self, message: &Message, due: Timestamp) {
        self.outbox.insert(message, due, self.options.limits(message.channel), self.clock);
    }

    fn note_health(&mut self, channel: Channel, lane: &Arc<str>, address: &str, end: &End) {
        let now = self.clock;
        let limits = self.options.limits(channel);
        if !matches!(end, End::Sent { .. } | End::NoReply { .. }) {
            self.outbox.give_back(channel, now);
        }
        let rest = self.rests.entry(channel).or_default();
        match end {
            End::Sent { .. } => {
                *rest = Rest::default();
                if self.outbox.began_at(channel).is_none() {
                    self.pending.first_sent.push((channel, now));
                }
                if self.outbox.took(channel, lane, limits, now) {
                    self.pending.rests.push(RestChange::Ends(channel, lane.clone()));
                }
            }
            End::Gone { .. } => {}
            // Whatever is not taken, by whichever address: one refusal says little, five in a row say that it is us; or that
            // it is one domain, if others took something lately.
            End::PutOff { .. } | End::Rejected { .. } | End::NoReply { .. } => {
                rest.failed.insert(address.to_owned());
                if let Some(until) = self.outbox.failed(channel, lane, address, limits, now) {
                    rest.failed.retain(|address| outbox::lane_of_address(channel, address) != *lane);
                    self.pending.rests.extend(self.outbox.resting(channel, lane).map(RestChange::Begins));
                    tracing::warn!(channel = %channel, "a receiving domain rests until {until} after failures in a row");
                }
                if rest.failed.len() >= FAILURES_BEFORE_REST {
                    rest.failed.clear();
                    rest.until = Some(now.plus(REST));
                    tracing::warn!(channel = %channel, "the channel rests for five minutes after failures in a row");
                }
            }
        }
    }

    /// From now on nothing is sent to an address, whatever the purpose, until a person lifts it.
    pub fn suppress(&mut self, address: &str, reason: &str) {
        let Some(address) = normal_address(address) else { return };
        let suppression = Suppression { address: address.clone(), at: self.clock, reason: bounded(reason) };
        self.pending.suppressions.push(SuppressionChange::Add(suppression.clone()));
        self.suppressions.insert(address, suppression);
    }

    /// A person lifts a suppression. Returns whether there was one.
    pub fn lift_suppression(&mut self, address: &str, now: Timestamp) -> bool {
        self.reach(now);
        let Some(address) = normal_address(address) else { return false };
        let mut was = false;
        for address in [self.blind(&address), address] {
            if self.suppressions.remove(&address).is_some() {
                was = true;
                self.pending.suppressions.push(SuppressionChange::Lift(address));
            }
        }
        was
    }

    /// Something of Perennial's own happens to a customer: an event in their history.
    /// `about` makes its messageId, with a number where the same happens again. With somebody who was erased nothing happens: an
    /// event under no name would make a customer of nobody.
    pub(crate) fn happen(&mut self, customer: CustomerId, event: &str, properties: &serde_json::Value, about: &str) {
        if !self.people.is_somebody(customer) {
            return;
        }
        let id = self.seen.id_of(&[about, event, &self.clock.0.to_string(), &self.position.0.to_string()]);
        self.append(self.own_event(customer, event, properties, &id));
    }

    /// As `happen`, unless it happened before: it counts once for what `about` names.
    pub(crate) fn happen_once(
        &mut self,
        customer: CustomerId,
        event: &str,
        properties: &serde_json::Value,
        about: &[&str],
    ) {
        if !self.people.is_somebody(customer) {
            return;
        }
        let id = self.seen.id_of(&[&[event][..], about].concat());
        let call = self.own_event(customer, event, properties, &id);
        if self.seen.ask(self.seen.fingerprinter().of(&call)) == Known::No {
            self.append(call);
        }
    }

    fn own_event(&self, customer: CustomerId, event: &str, properties: &serde_json::Value, id: &str) -> Call {
        let name = self.people.name_of(customer);
        let known = self.people.is_known(customer);
        let names = if known { (Some(name), None) } else { (None, Some(name)) };
        self.own_event_of(names, event, properties, id)
    }

    /// As `happen`, to whoever bears these names, userId and anonymousId; who was not heard of yet exists from now on.
    pub(crate) fn happen_to(&mut self, names: Names, event: &str, properties: &serde_json::Value, about: &str) {
        let id = self.seen.id_of(&[about, event, &self.clock.0.to_string(), &self.position.0.to_string()]);
        self.append(self.own_event_of(names, event, properties, &id));
    }

    fn own_event_of(
        &self,
        (user_id, anonymous_id): Names,
        event: &str,
        properties: &serde_json::Value,
        id: &str,
    ) -> Call {
        Call {
            kind: CallKind::Track,
            message_id: format!("perennial:{id}").into(),
            user_id,
            anonymous_id,
            other_id: None,
            event: Some(event.into()),
            timestamp: self.clock,
            received_at: self.clock,
            source: "perennial".into(),
            trust: Trust::Perennial,
            record: None,
            body: crate::profile::joining::raw(properties.to_string()),
            context: None,
        }
    }

    /// What follows from attempts that were under way when the process stopped: those whose body had not
    /// begun to go out are tried again; of the others nobody knows.
    pub fn resume_deliveries(&mut self) {
        self.resume_deliveries_except(&BTreeSet::new());
    }

    /// As `resume_deliveries`, where the process lives on and only the engine was opened again after a failed commit:
    /// `under_way` are the messages whose attempts somebody still carries out and will tell the end of.
    pub fn resume_deliveries_except(&mut self, under_way: &BTreeSet<MessageId>) {
        self.resume_webhooks();
        let is_interrupted = |message: &&Message| message.phase.is_some() && !under_way.contains(&message.id);
        let interrupted: Vec<Message> = self.messages.values().filter(is_interrupted).cloned().collect();
        for message in interrupted {
            let in_doubt = message.phase == Some(Phase::Data);
            let words = if in_doubt {
                "stopped while the message was going out"
            } else {
                "stopped before the message went out"
            };
            let result = if in_doubt { "no_reply" } else { "put_off" };
            self.pending.attempts.push(attempt_row(
                &message,
                self.clock,
                Phase::Done,
                Some(result),
                Some(words.to_owned()),
            ));
            if in_doubt {
                self.leave_uncertain(&message.id, words);
            } else if let Some(open) = self.messages.get_mut(&message.id) {
                open.phase = None;
                open.due = Some(self.clock);
                let open = open.clone();
                self.mark_open(&open);
                self.outbox.insert(&open, self.clock, self.options.limits(open.channel), self.clock);
                self.write_progress(open);
            }
        }
        self.settle();
    }

    /// When the next message may be tried, on whichever channel.
    pub fn next_attempt(&self) -> Option<Timestamp> {
        self.outbox.channels().filter_map(|channel| self.next_attempt_on(channel)).min()
    }

    /// When the next message may be tried on a channel.
    pub fn next_attempt_on(&self, channel: Channel) -> Option<Timestamp> {
        self.outbox.next_on(channel, self.clock, self.options.limits(channel))
    }

    /// Why a message that is through the gate has not set out; none for those that are not in the outbox.
    pub fn why_waits(&self, message: &Message) -> Option<outbox::Waits> {
        self.outbox.why_waits(message, self.clock, self.options.limits(message.channel))
    }

    /// Marks a message for the caps that is let through and not at its end: one that may have arrived counts from when
    /// it went, and while it goes out again as any other on its way.
    fn mark_open(&mut self, message: &Message) {
        let went = message.fate_is_unknown() && message.phase.is_none();
        let kind = if went { MarkKind::Gone } else { MarkKind::OnItsWay };
        self.mark(message, message.outcome_at.unwrap_or(message.decided_at), kind);
    }

    /// A channel that rested when the process stopped goes on resting.
    fn restore_rest(&mut self, message: &Message) {
        if message.because == Some(Because::ChannelDown)
            && let Some(until) = message.due.filter(|until| *until > self.clock)
        {
            let rest = self.rests.entry(message.channel).or_default();
            rest.until = rest.until.max(Some(until));
        }
    }

    pub(crate) fn restore_message(&mut self, message: Message) {
        let id = message.id.clone();
        let final_already = !matches!(message.outcome, None | Some(Outcome::Held));
        let at = message.outcome_at.unwrap_or(message.decided_at);
        match message.outcome {
            Some(Outcome::Sent | Outcome::Uncertain) => {
                self.outbox.went(message.channel, &outbox::lane_of(&message), at, self.clock);
                if message.outcome == Some(Outcome::Sent) {
                    self.brake_counts_sent(&message, at);
                }
                self.mark(&message, at, MarkKind::Gone);
                self.note_address(&message, Some(at));
            }
            Some(Outcome::WouldHaveSent) => self.mark(&message, at, MarkKind::Withheld),
            None if message.written.is_some() => {
                self.mark_open(&message);
                self.note_address(&message, None);
            }
            Some(Outcome::Held) => {
                // What waits for a person's word has taken no address yet.
                if message.because != Some(Because::NeedsApproval) {
                    self.note_address(&message, None);
                }
                self.restore_rest(&message);
            }
            _ => {}
        }
        if final_already {
            return;
        }
        match (message.outcome, message.due, message.phase) {
            (None, due, None) => {
                let waiting = Message { due: Some(due.unwrap_or(self.clock)), ..message.clone() };
                self.queue(&waiting, due.unwrap_or(self.clock));
            }
            (Some(Outcome::Held), due, _) => {
                let again = crate::segment::test::earlier(due, Some(message.expires)).unwrap_or(message.expires);
                self.timers.insert(again.max(self.clock), Timer::Message(id.clone()));
            }
            _ => {}
        }
        self.messages.insert(id, message);
    }
}

/// How long after an attempt the next one is made.
fn delay_after(attempts: u32) -> Span {
    match attempts {
        0 | 1 => Span::minutes(1),
        2 => Span::minutes(5),
        3 => Span::minutes(15),
        4 => Span::hours(1),
        5 => Span::hours(4),
        _ => Span::hours(8),
    }
}

fn attempt_row(
    message: &Message,
    now: Timestamp,
    phase: Phase,
    result: Option<&str>,
    reply: Option<String>,
) -> Attempt {
    Attempt {
        message: message.id.clone(),
        number: message.attempts,
        started_at: now,
        phase,
        ended_at: result.map(|_| now),
        result: result.map(str::to_owned),
        reply,
    }
}

fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}
