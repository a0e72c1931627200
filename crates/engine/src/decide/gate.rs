//! The gate: what every message passes before anything reaches a customer, in the order of the spec,
//! the same for those who will be held out. Each refusal is written down.

use crate::decide::address::normal_on;
use crate::decide::limits::{Asking, CapAnswer, MarkKind, ask_cap, ask_wish, quiet_until};
use crate::profile::consent::Standpoint;
use crate::profile::in_app::USEFUL_UNTIL;
use crate::segment::test::earlier;
use crate::state::{Addressed, Engine};
use crate::timers::Timer;
use domain::call::events;
use domain::campaign::{Action, Campaign, State};
use domain::message::{Because, Channel, Decision, Message, Outcome, Written};
use domain::segment::ConsentState;
use domain::workspace::service;
use domain::{CustomerId, MessageId, Name, Timestamp};
use models::assignment;
use std::sync::Arc;
use store::Arm;

/// What the gate says.
#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Go {
        variant: Option<String>,
        written: Arc<Written>,
    },
    Hold {
        because: Because,
        until: Option<Timestamp>,
        detail: Option<String>,
    },
    /// A person must say whether it may go as it is written.
    HoldForApproval(Arc<Written>),
    Skip(Because, Option<String>),
    Withhold(Because),
}

impl Engine {
    /// Walks the gate with every message that is due for it, the higher priority first, then the older campaign. Of one
    /// campaign customers come in their order: what the ledger keeps of neighbours lies side by side.
    pub(crate) fn settle_gate(&mut self) {
        for customer in std::mem::take(&mut self.work.held_of) {
            self.requeue_held(customer);
        }
        let mut queue: Vec<(i32, Timestamp, CustomerId, MessageId)> = Vec::new();
        for id in std::mem::take(&mut self.work.gate) {
            if let Some(message) = self.messages.get(&id)
                && let Some(campaigning) = self.campaigns.get(&message.campaign)
            {
                let priority = campaigning.current.campaign.priority;
                queue.push((-priority, campaigning.facts.started_at, message.customer, id));
            }
        }
        queue.sort();
        for (_, _, _, id) in queue {
            self.walk_gate(&id);
        }
    }

    /// Something happened to a customer: whatever is held of theirs is asked again.
    fn requeue_held(&mut self, customer: CustomerId) {
        for journey in self.journeys_of.get(&customer).into_iter().flatten() {
            let Some(id) = self.journeys.get(journey).and_then(|journey| journey.message.clone()) else { continue };
            if self.messages.get(&id).is_some_and(|message| message.outcome == Some(Outcome::Held)) {
                self.work.gate.insert(id);
            }
        }
    }

    fn walk_gate(&mut self, id: &MessageId) {
        let Some(message) = self.messages.get(id) else { return };
        // Queued or under way: the gate is behind it; the attempt asks again what may have changed.
        if message.phase.is_some() || (message.outcome.is_none() && message.written.is_some()) {
            return;
        }
        let message = message.clone();
        if self.has_expired(&message) {
            let gave_up = message.because == Some(Because::PutOff);
            let (outcome, because) =
                if gave_up { (Outcome::Failed, Because::GaveUp) } else { (Outcome::Skipped, Because::Expired) };
            let words = message.detail.clone().filter(|_| gave_up);
            self.conclude(id, outcome, Some(because), words);
            return;
        }
        match self.ask_gate(&message) {
            Answer::Go { variant, written } => self.let_through(id, variant, written),
            Answer::Hold { because, until, detail } => self.hold(id, because, until, detail),
            Answer::HoldForApproval(written) => self.hold_for_approval(id, written),
            Answer::Skip(because, detail) => self.conclude(id, Outcome::Skipped, Some(because), detail),
            Answer::Withhold(because) => {
                if because == Because::Holdout {
                    self.expose(&message, Arm::HeldOut);
                }
                self.conclude(id, Outcome::WouldHaveSent, Some(because), None);
            }
        }
    }

    /// Whether a message was held too long. A pause does not count against it.
    fn has_expired(&self, message: &Message) -> bool {
        let is_paused = self
            .campaigns
            .get(&message.campaign)
            .is_some_and(|campaigning| campaigning.current.campaign.state == State::Paused);
        message.expires <= self.clock && !is_paused
    }

    /// Asks the gate once more about a message that was let through and waited: what held then may not hold now.
    /// Returns whether it may still go; if not, it has been held or ended.
    pub(crate) fn may_still_go(&mut self, message: &Message) -> bool {
        if self.has_expired(message) {
            self.conclude(&message.id, Outcome::Skipped, Some(Because::Expired), None);
            return false;
        }
        match self.ask_gate(message) {
            Answer::Go { .. } => return true,
            Answer::Hold { because, until, detail } => self.hold(&message.id, because, until, detail),
            Answer::HoldForApproval(written) => self.hold_for_approval(&message.id, written),
            Answer::Skip(because, detail) => self.conclude(&message.id, Outcome::Skipped, Some(because), detail),
            Answer::Withhold(because) => self.conclude(&message.id, Outcome::WouldHaveSent, Some(because), None),
        }
        false
    }

    fn ask_gate(&self, message: &Message) -> Answer {
        let person = self.person(message.customer);
        let Some(campaigning) = self.campaigns.get(&message.campaign) else {
            return skip(Because::Exited);
        };
        let state = campaigning.current.campaign.state;
        let Some(journey) = self.journey_of_message(message).and_then(|id| self.journeys.get(&id)) else {
            return skip(Because::Exited);
        };
        if state == State::Stopped {
            return skip(Because::Exited);
        }
        let prepared = campaigning.version(journey.version).clone();
        let Some(step) = prepared.program.find(&message.step) else {
            return skip(Because::Exited);
        };
        if let Err(because) = self.ask_permission(message, person) {
            // Why consent is missing is worth a sentence: it may have ended by itself, or wait to be confirmed.
            let detail = (because == Because::NoConsent).then(|| self.refusal_of(message, person)).flatten();
            return Answer::Skip(because, detail);
        }
        // The receiver said when: whatever else happens to the customer does not bring that nearer.
        if message.because == Some(Because::PutOff)
            && let Some(until) = message.due.filter(|until| *until > self.clock)
        {
            return Answer::Hold { because: Because::PutOff, until: Some(until), detail: message.detail.clone() };
        }
        if state == State::Paused {
            return hold(Because::Paused, None);
        }
        if let Some(held) = self.ask_talks(message, person) {
            return held;
        }
        // The variant is part of the draw, a hash known at any time; it decides what is written.
        let drawn = self.draw_variant(&prepared.campaign, &campaigning.facts, step, person);
        let variant = drawn.map(|drawn| drawn.variant.to_string());
        let written = match &message.written {
            Some(written) => written.clone(),
            None => match self.write(message, variant.as_deref(), journey) {
                Ok(written) => Arc::new(written),
                Err(detail) => {
                    return Answer::Hold { because: Because::MissingValue, until: None, detail: Some(detail) };
                }
            },
        };
        if message.approved.is_none() && matches!(step.action, Action::Message { approve: true, .. }) {
            return Answer::HoldForApproval(written);
        }
        if let Some(held) = self.ask_limits(message, &prepared.campaign, person) {
            return held;
        }
        if let Some(rest) =
            self.rests.get(&message.channel).and_then(|rest| rest.until).filter(|until| *until > self.clock)
        {
            return hold(Because::ChannelDown, Some(rest));
        }
        // A message that was tried has passed the draw before.
        if message.attempts == 0
            && let Some(because) = self.draw_holdout(&prepared.campaign, campaigning.facts.draw, person)
        {
            return if because == Because::NotEligible { skip(because) } else { Answer::Withhold(because) };
        }
        Answer::Go { variant, written }
    }

    /// Whether a customer may be written to for a purpose on a channel now.
    pub(crate) fn is_granted(&self, person: CustomerId, purpose: &Name, channel: Channel) -> bool {
        self.consent_of(person, purpose, channel).is_some_and(|stands| stands.state == ConsentState::Granted)
    }

    /// How a customer's consent for a purpose on a channel stands now.
    pub(crate) fn consent_of(&self, person: CustomerId, purpose: &Name, channel: Channel) -> Option<Standpoint<'_>> {
        let (terms, customer) = self.plan.purposes.get(purpose).zip(self.customers.get(person))?;
        Some(customer.consent(terms, channel.word(), self.clock))
    }

    fn refusal_of(&self, message: &Message, person: CustomerId) -> Option<String> {
        self.consent_of(person, &message.purpose, message.channel)?.refusal()
    }

    /// Consent for purpose and channel, suppression, an address. Asked here and again when the attempt is recorded.
    pub(crate) fn ask_permission(&self, message: &Message, person: CustomerId) -> Result<String, Because> {
        if message.purpose != service() && !self.is_granted(person, &message.purpose, message.channel) {
            return Err(Because::NoConsent);
        }
        let Some(address) = self.address_of(person, message.channel) else {
            return Err(Because::NoAddress);
        };
        // What was written already goes to the address of then.
        let written = message.written.as_ref().and_then(|written| normal_on(message.channel, &written.to));
        if self.suppression_of(&address).is_some()
            || written.is_some_and(|address| self.suppression_of(&address).is_some())
        {
            return Err(Because::Suppressed);
        }
        let place = (message.campaign.clone(), message.step.clone(), address.clone());
        let went_to = self.addressed.get(&place).into_iter().flat_map(|messages| messages.values());
        // What is older than the ledger looks back is forgotten, at a restart as well as here.
        let since = self.clock.minus(store::CAPS_LOOK_BACK);
        let mut recent = went_to.filter(|addressed| addressed.gone_at.is_none_or(|at| at >= since));
        if recent.any(|addressed| self.person(addressed.customer) != person) {
            Err(Because::DuplicateAddress)
        } else {
            Ok(address)
        }
    }

    /// Notes that a message goes to its address, or that it went.
    pub(crate) fn note_address(&mut self, message: &Message, gone_at: Option<Timestamp>) {
        let Some(place) = address_place(message) else { return };
        let since = self.clock.minus(store::CAPS_LOOK_BACK);
        let messages = self.addressed.entry(place).or_default();
        messages.retain(|_, addressed| addressed.gone_at.is_none_or(|at| at >= since));
        messages.insert(message.id.clone(), Addressed { customer: message.customer, gone_at });
    }

    fn forget_address(&mut self, message: &Message) {
        let Some(place) = address_place(message) else { return };
        if let Some(messages) = self.addressed.get_mut(&place) {
            messages.remove(&message.id);
            if messages.is_empty() {
                self.addressed.remove(&place);
            }
        }
    }

    /// The customer's address on a channel, normalised. Where a channel knows people by who they are, that is the address.
    pub(crate) fn address_of(&self, person: CustomerId, channel: Channel) -> Option<String> {
        if channel == Channel::Push && self.options.notifies_browsers {
            let browsers = self.customers.get(person)?.browsers.as_deref()?;
            // Nobody else bears it, and it says nothing of where the browsers are.
            return browsers.present(self.clock).next().map(|_| person.to_string());
        }
        let key = match channel {
            Channel::Email => "email",
            Channel::Sms => "phone",
            Channel::Push => "push_token",
            Channel::Webhook | Channel::InApp => return Some(self.people.name_of(person).to_string()),
        };
        let value = self.customers.get(person).and_then(|customer| customer.traits.get(key, self.clock));
        match (value.as_ref().and_then(|value| value.as_str()), channel) {
            (Some(text), _) => normal_on(channel, text),
            // A provider of push can know people by their id as well.
            (None, Channel::Push) => Some(self.people.name_of(person).to_string()),
            (None, _) => None,
        }
    }

    fn ask_talks(&self, message: &Message, person: CustomerId) -> Option<Answer> {
        if message.purpose == service() {
            return None;
        }
        let standing = &self.customers.get(person)?.standing;
        let (talking, silent_at) = standing.is_talking(self.clock);
        if talking {
            return Some(hold(Because::PersonTalking, silent_at));
        }
        standing.has_open_complaint(self.clock).then(|| hold(Because::ComplaintOpen, None))
    }

    /// Caps, then quiet hours.
    fn ask_limits(&self, message: &Message, campaign: &Campaign, person: CustomerId) -> Option<Answer> {
        let settings = &self.definitions.settings;
        let zone = self.zone_of(person);
        let mut marks = self.marks_of(person);
        marks.retain(|mark| mark.message != message.id);
        let asking = Asking {
            campaign: &campaign.name,
            purpose: &message.purpose,
            channel: message.channel,
            zone: &zone,
            now: self.clock,
        };
        let own = campaign.cap.iter().map(|cap| (cap, true));
        let mut full: Option<(Timestamp, bool)> = None;
        let caps = settings.caps.iter().map(|cap| (cap, false)).chain(own);
        let wished = self.wished_frequency(person).map(|frequency| ask_wish(frequency.span(), &marks, asking));
        for answer in caps.map(|(cap, own)| ask_cap(cap, own, &marks, asking)).chain(wished) {
            if let CapAnswer::Full { until, by_others_now } = answer {
                let (latest, all_by_others) = full.unwrap_or((until, true));
                full = Some((latest.max(until), all_by_others && by_others_now));
            }
        }
        if let Some((until, by_others_now)) = full {
            let by_cap = |because: &Because| matches!(because, Because::LowerPriority | Because::FrequencyCap);
            // Asked again before there was to be room, it is the same hold; when there was to be room and others took it, a
            // new one.
            let still_full = message.outcome == Some(Outcome::Held) && message.due.is_none_or(|due| due > self.clock);
            let before = message.because.filter(|because| still_full && by_cap(because));
            let because = before.unwrap_or(if by_others_now { Because::LowerPriority } else { Because::FrequencyCap });
            return Some(hold(because, Some(until)));
        }
        let quiet = settings.quiet_hours.as_ref()?;
        let until = quiet_until(quiet, &message.purpose, &zone, self.clock)?;
        Some(hold(Because::QuietHours, Some(until)))
    }

    /// The draw of the comparison groups, by the canonical id: global first, then the exclusion group, then the campaign's.
    pub(crate) fn draw_holdout(&self, campaign: &Campaign, draw: u32, person: CustomerId) -> Option<Because> {
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::HoldoutGetsMessages) {
            return None;
        }
        if campaign.purpose == service() {
            return None;
        }
        let id = person.to_string();
        let global = self.definitions.settings.global_holdout.as_ref();
        if global.is_some_and(|holdout| assignment::bucket(&holdout.seed, &id) < holdout.percent.buckets()) {
            return Some(Because::GlobalHoldout);
        }
        if campaign.exclusion_group.is_some() && !self.is_drawn_among(campaign, &id) {
            return Some(Because::NotEligible);
        }
        let seed = format!("{}:{draw}", campaign.name);
        (assignment::bucket(&seed, &id) < campaign.holdout.buckets()).then_some(Because::Holdout)
    }

    /// Of the campaigns of a group each customer is drawn for one: the one with the highest hash. A campaign that joins the
    /// group takes its share from each of the others and moves nobody between them.
    fn is_drawn_among(&self, campaign: &Campaign, id: &str) -> bool {
        let own =
            |other: &&Campaign| other.exclusion_group == campaign.exclusion_group && other.state != State::Stopped;
        let Some(group) = &campaign.exclusion_group else { return true };
        let rank = |name: &Name| assignment::bucket(&format!("exclusion:{group}:{name}"), id);
        let others = self.definitions.campaigns.values().filter(own).map(|other| &other.name);
        let first = others.chain([&campaign.name]).max_by_key(|name| (rank(name), std::cmp::Reverse((*name).clone())));
        first == Some(&campaign.name)
    }

    /// The gate is open: the message is queued for its channel, or kept in the outbox at once.
    fn let_through(&mut self, id: &MessageId, variant: Option<String>, written: Arc<Written>) {
        let now = self.clock;
        let assigned = self.assign_variant(id).map(|variant| variant.to_string());
        let Some(message) = self.messages.get_mut(id) else { return };
        message.variant = assigned.or(variant);
        message.written = Some(written);
        message.outcome = None;
        // Why it was held last is kept: held again for the same reason before it went, it is the same hold.
        // It counts for caps from here on.
        message.outcome_at = Some(now);
        message.due = Some(now);
        let message = message.clone();
        self.note_address(&message, None);
        self.mark(&message, now, MarkKind::OnItsWay);
        self.expose(&message, Arm::Messaged);
        self.pending.messages.push(message.clone());
        if self.options.real_channels.contains(&message.channel) {
            self.queue(&message, now);
        } else {
            self.keep_in_outbox(id);
        }
    }

    /// Holds a message. The same reason again writes nothing; another one writes a new decision.
    pub(crate) fn hold(&mut self, id: &MessageId, because: Because, until: Option<Timestamp>, detail: Option<String>) {
        let now = self.clock;
        let Some(message) = self.messages.get(id) else { return };
        let expires_after =
            self.campaigns.get(&message.campaign).map(|campaigning| campaigning.current.campaign.expires_after);
        let Some(message) = self.messages.get_mut(id) else { return };
        if message.expires == domain::time::LATEST
            && let Some(span) = expires_after
        {
            message.expires = now.plus(span);
        }
        let again = earlier(until, Some(message.expires)).filter(|at| *at > now);
        let repeated = matches!(message.outcome, None | Some(Outcome::Held)) && message.because == Some(because);
        let moved = message.due != until || message.phase.is_some();
        // Nothing is on its way any more.
        message.phase = None;
        message.due = until;
        message.detail.clone_from(&detail);
        if let Some(again) = again {
            self.timers.insert(again, Timer::Message(id.clone()));
        }
        if repeated {
            let moved = moved || message.outcome.is_none();
            message.outcome = Some(Outcome::Held);
            message.outcome_at = message.outcome_at.or(Some(now));
            let message = message.clone();
            self.count_or_free(&message, Outcome::Held);
            if moved {
                self.pending.messages.push(message);
            }
            return;
        }
        message.outcome = Some(Outcome::Held);
        message.because = Some(because);
        message.outcome_at = Some(now);
        let message = message.clone();
        self.count_or_free(&message, Outcome::Held);
        self.decide(&message, Outcome::Held, Some(because), detail, until);
        self.pending.messages.push(message);
    }

    /// Ends a message with a final outcome and goes on with its journey.
    pub(crate) fn conclude(
        &mut self,
        id: &MessageId,
        outcome: Outcome,
        because: Option<Because>,
        detail: Option<String>,
    ) {
        let now = self.clock;
        let Some(mut message) = self.messages.remove(id) else { return };
        self.outbox.remove(&message, self.options.limits(message.channel), now);
        let is_known = message.fate_is_unknown() && outcome == Outcome::Uncertain;
        message.outcome = Some(outcome);
        message.because = because;
        message.outcome_at = Some(now);
        message.due = None;
        message.phase = None;
        if detail.is_some() {
            message.detail.clone_from(&detail);
        }
        self.count_or_free(&message, outcome);
        // That nobody knows was written down when the reply was lost.
        if !is_known {
            self.decide(&message, outcome, because, detail, None);
        }
        if outcome == Outcome::Sent {
            self.brake_counts_sent(&message, now);
        }
        if message.attempts > 0 {
            self.write_progress(message.clone());
        } else {
            self.pending.messages.push(message.clone());
        }
        self.after_message(&message, outcome, because);
    }

    /// Writes down how far a message has come that was let through: what was written is in the ledger since then.
    pub(crate) fn write_progress(&mut self, message: Message) {
        self.pending.messages.push(Message { written: None, ..message });
    }

    /// Notes for caps and addresses that a message went, or that what it had taken while it waited is free again.
    fn count_or_free(&mut self, message: &Message, outcome: Outcome) {
        match outcome {
            Outcome::Sent | Outcome::Uncertain => {
                self.mark(message, self.clock, MarkKind::Gone);
                self.note_address(message, Some(self.clock));
            }
            Outcome::WouldHaveSent => {
                self.mark(message, self.clock, MarkKind::Withheld);
                self.forget_address(message);
            }
            Outcome::Held | Outcome::Skipped | Outcome::Failed => {
                self.unmark(message);
                if outcome != Outcome::Held {
                    self.forget_address(message);
                }
            }
        }
    }

    /// Drops a message without a decision: the journey it belonged to never was.
    pub(crate) fn drop_message(&mut self, id: &MessageId) {
        if let Some(mut message) = self.messages.remove(id) {
            self.outbox.remove(&message, self.options.limits(message.channel), self.clock);
            if message.outcome.is_some() || message.written.is_some() {
                let (outcome, because) = if message.fate_is_unknown() {
                    (Outcome::Uncertain, Because::NoReply)
                } else {
                    (Outcome::Skipped, Because::Exited)
                };
                message.outcome = Some(outcome);
                message.because = Some(because);
                message.outcome_at = Some(self.clock);
                message.due = None;
                self.count_or_free(&message, outcome);
                self.pending.messages.push(message);
            }
        }
    }

    /// Writes a decision down, in the ledger and in the customer's history.
    pub(crate) fn decide(
        &mut self,
        message: &Message,
        outcome: Outcome,
        because: Option<Because>,
        detail: Option<String>,
        until: Option<Timestamp>,
    ) {
        // Of a message that went the receiver's words stand with its attempt.
        let why = if outcome == Outcome::Sent { self.variant_words(message) } else { None };
        let detail = why.or(detail);
        self.pending.decisions.push(Decision {
            message: message.id.clone(),
            customer: message.customer,
            campaign: message.campaign.clone(),
            step: message.step.clone(),
            at: self.clock,
            outcome,
            because,
            detail,
            until,
        });
        let event = match outcome {
            Outcome::Sent => events::MESSAGE_SENT,
            Outcome::Held => "Message Held",
            Outcome::Skipped => "Message Skipped",
            Outcome::WouldHaveSent => "Message Withheld",
            Outcome::Failed => "Message Failed",
            Outcome::Uncertain => "Message Uncertain",
        };
        let mut properties = serde_json::json!({
            "campaign": message.campaign,
            "step": message.step,
            "template": message.template,
            "channel": message.channel,
            "message_id": message.id,
        });
        if let Some(variant) = &message.variant {
            properties["variant"] = variant.as_str().into();
        }
        if let Some(until) = self.useful_until(message).filter(|_| outcome == Outcome::Sent) {
            properties[USEFUL_UNTIL] = until.to_string().into();
        }
        if let Some(because) = because {
            properties["because"] = because.word().into();
        }
        self.happen(self.person(message.customer), event, &properties, &message.id.0);
    }
}

fn skip(because: Because) -> Answer {
    Answer::Skip(because, None)
}

fn hold(because: Because, until: Option<Timestamp>) -> Answer {
    Answer::Hold { because, until: until.filter(|at| *at != domain::time::LATEST), detail: None }
}

/// Campaign, step and normalised address of a message that was written.
fn address_place(message: &Message) -> Option<(Name, String, String)> {
    let to = &message.written.as_ref()?.to;
    let address = normal_on(message.channel, to).unwrap_or_else(|| to.clone());
    Some((message.campaign.clone(), message.step.clone(), address))
}
