//! Webhooks on their way: which may be tried when, and what follows from each attempt.
//!
//! At least once: an attempt that was cut off is made again with the same id and the same bytes. Endpoints know nothing of
//! each other: each has its own queue, its own few places and its own rest. Policy is here; the wire is in `channels`.

use super::{bounded, delay_after};
use crate::state::{Engine, HashMap};
use domain::{Name, Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{EndpointChange, EndpointOff, Webhook, WebhookProgress, WebhookState};

/// How long a webhook is tried.
const TRIED_FOR: Span = Span::days(3);
/// Attempts under way at one endpoint, at most: more would only be a burden to a slow one.
const PLACES: usize = 4;
/// Failures in a row after which an endpoint rests.
const FAILURES_BEFORE_REST: u32 = 5;
/// How long it rests, before one webhook is tried to see whether it is back.
const REST: Span = Span::minutes(5);
/// The longest rest that an endpoint can ask for: one that is wrong about that must not lose everything.
const LONGEST_REST: Span = Span::hours(1);
/// Where an endpoint cannot be tried at all, what waits is looked at so often, to give it up in time.
const LOOK_AGAIN: Span = Span::hours(8);

/// An attempt to make: recorded, and to be carried out once its record is durable. The body is read from the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Errand {
    /// The webhook: its webhook-id.
    pub id: Arc<str>,
    /// 1 for the first attempt.
    pub number: u32,
    /// Whom to tell.
    pub endpoint: Name,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// The endpoint has it.
    Done {
        /// Its words.
        reply: String,
    },
    /// It wants to hear nothing any more, of this or anything else.
    Gone {
        /// Its words.
        reply: String,
    },
    /// It may have it, and is told again.
    NotYet {
        /// What happened.
        reply: String,
        /// When it wants to be asked again, from now.
        retry_after: Option<Span>,
    },
}

/// Webhooks that are not over, and their endpoints.
#[derive(Default)]
pub(crate) struct Webhooks {
    open: HashMap<Arc<str>, Open>,
    endpoints: BTreeMap<Name, Endpoint>,
}

impl Webhooks {
    /// All of it in words that compare: what a start must bring back.
    pub(crate) fn describe(&self, visit: &mut dyn FnMut(String, String)) {
        for (id, open) in &self.open {
            visit(format!("webhook {id} to {}", open.endpoint), format!("{:?}", open.progress));
        }
        for off in self.endpoints.values().filter_map(|endpoint| endpoint.off.as_ref()) {
            visit(format!("endpoint {}", off.name), format!("off since {}: {}", off.at, off.reason));
        }
    }
}

struct Open {
    endpoint: Name,
    progress: WebhookProgress,
}

#[derive(Default)]
struct Endpoint {
    /// What waits, by when it may be tried.
    queue: BTreeSet<(Timestamp, Arc<str>)>,
    trying: usize,
    failures: u32,
    rest_until: Option<Timestamp>,
    off: Option<EndpointOff>,
}

impl Endpoint {
    /// After so many failures one attempt at a time shows whether it is back.
    fn places(&self) -> usize {
        let places = if self.is_failing() { 1 } else { PLACES };
        places.saturating_sub(self.trying)
    }

    fn is_failing(&self) -> bool {
        self.failures >= FAILURES_BEFORE_REST
    }

    fn take_first(&mut self, now: Timestamp) -> Option<Arc<str>> {
        let is_due = self.queue.first().is_some_and(|(due, _)| *due <= now);
        if is_due { self.queue.pop_first().map(|(_, id)| id) } else { None }
    }
}

/// An endpoint, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointReport {
    /// Its name.
    pub name: Name,
    /// Whether the configuration has it.
    pub is_configured: bool,
    /// Webhooks that wait for it, or are being tried.
    pub open: u64,
    /// Failures in a row.
    pub failures: u32,
    /// It is let alone until then.
    pub rest_until: Option<Timestamp>,
    /// It is told nothing.
    pub off: Option<EndpointOff>,
}

impl Engine {
    /// Puts a webhook into the outbox: it is told, if its endpoint is configured, or kept.
    pub(crate) fn post_webhook(&mut self, webhook: Webhook) {
        let mut webhook = webhook;
        let is_known = self.webhooks.open.contains_key(&webhook.id);
        if self.options.endpoints.has(&webhook.endpoint) && !is_known {
            let endpoint = webhook.endpoint.clone();
            webhook.progress.state = WebhookState::Waiting;
            webhook.progress.due = Some(self.clock);
            self.queue_webhook(webhook.id.clone(), endpoint, webhook.progress.clone());
        }
        self.pending.webhooks.push(webhook);
    }

    /// How a webhook begins that nobody carries out.
    pub(crate) fn kept_webhook(&self) -> WebhookProgress {
        WebhookProgress {
            state: WebhookState::Kept,
            attempts: 0,
            due: None,
            tried_at: None,
            ended_at: None,
            expires: self.clock.plus(TRIED_FOR),
            reply: None,
        }
    }

    fn queue_webhook(&mut self, id: Arc<str>, endpoint: Name, progress: WebhookProgress) {
        let due = progress.due.unwrap_or(self.clock);
        self.webhooks.endpoints.entry(endpoint.clone()).or_default().queue.insert((due, id.clone()));
        self.webhooks.open.insert(id, Open { endpoint, progress });
    }

    /// Records attempts for everything that may be tried now. The errands may be carried out only after the commit that
    /// holds them is durable.
    pub fn order_webhooks(&mut self, now: Timestamp) -> Vec<Errand> {
        if self.next_webhook().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let now = self.reach(now);
        let names: Vec<Name> = self.webhooks.endpoints.keys().cloned().collect();
        let mut errands = Vec::new();
        for name in names {
            let is_configured = self.options.endpoints.has(&name);
            let Some(endpoint) = self.webhooks.endpoints.get_mut(&name) else { continue };
            if !is_configured || endpoint.off.is_some() {
                self.look_through(&name);
                continue;
            }
            if endpoint.rest_until.is_some_and(|until| until > now) {
                continue;
            }
            endpoint.rest_until = None;
            self.order_from(&name, &mut errands);
        }
        errands
    }

    fn order_from(&mut self, name: &Name, errands: &mut Vec<Errand>) {
        let now = self.clock;
        while let Some(endpoint) = self.webhooks.endpoints.get_mut(name)
            && endpoint.places() > 0
            && let Some(id) = endpoint.take_first(now)
        {
            let is_failing = endpoint.is_failing();
            let Some(open) = self.webhooks.open.get_mut(&id) else { continue };
            if is_failing && open.progress.expires <= now {
                self.give_up(&id, "its endpoint took nothing for three days");
                continue;
            }
            open.progress.state = WebhookState::Trying;
            open.progress.attempts = open.progress.attempts.saturating_add(1);
            open.progress.tried_at = Some(now);
            open.progress.due = None;
            errands.push(Errand { id: id.clone(), number: open.progress.attempts, endpoint: name.clone() });
            let progress = open.progress.clone();
            endpoint.trying += 1;
            self.pending.webhook_progress.push((id, progress));
        }
    }

    /// Gives up what waited too long for an endpoint that cannot be tried; the rest goes on waiting.
    fn look_through(&mut self, name: &Name) {
        let now = self.clock;
        let mut later = Vec::new();
        while let Some(endpoint) = self.webhooks.endpoints.get_mut(name)
            && let Some(id) = endpoint.take_first(now)
        {
            let Some(expires) = self.webhooks.open.get(&id).map(|open| open.progress.expires) else { continue };
            if expires <= now {
                let why = match &endpoint.off {
                    Some(_) => "its endpoint was turned off and stayed off for three days",
                    None => "its endpoint was taken out of the configuration",
                };
                self.give_up(&id, why);
            } else {
                later.push((now.plus(LOOK_AGAIN).min(expires), id));
            }
        }
        if let Some(endpoint) = self.webhooks.endpoints.get_mut(name) {
            endpoint.queue.extend(later);
        }
    }

    fn give_up(&mut self, id: &Arc<str>, why: &str) {
        let Some(mut open) = self.webhooks.open.remove(id) else { return };
        open.progress.state = WebhookState::GaveUp;
        open.progress.due = None;
        open.progress.ended_at = Some(self.clock);
        let last = open.progress.reply.take();
        open.progress.reply = Some(bounded(&last.map_or_else(|| why.to_owned(), |last| format!("{why}; {last}"))));
        self.pending.webhook_progress.push((id.clone(), open.progress));
    }

    /// Records how an attempt ended, and when the next one is made. One that is no longer the present attempt is passed
    /// over: a later one tells.
    pub fn webhook_ended(&mut self, id: &str, number: u32, heard: Heard, now: Timestamp) {
        let now = self.reach(now);
        let Some((id, open)) = self.webhooks.open.get_key_value(id) else { return };
        if open.progress.state != WebhookState::Trying || open.progress.attempts != number {
            return;
        }
        let (id, name) = (id.clone(), open.endpoint.clone());
        let endpoint = self.webhooks.endpoints.entry(name.clone()).or_default();
        endpoint.trying = endpoint.trying.saturating_sub(1);
        match heard {
            Heard::Done { reply } => {
                (endpoint.failures, endpoint.rest_until) = (0, None);
                #[cfg(feature = "planted-bugs")]
                if self.has_bug(crate::state::PlantedBug::WebhookIsToldAgain) {
                    self.tell_again(&id, &reply, None);
                    return;
                }
                self.end_webhook(&id, WebhookState::Done, &reply);
            }
            Heard::Gone { reply } => {
                // What was on its way when the first one said so is told the same, and moves nothing.
                if endpoint.off.is_none() {
                    let off = EndpointOff { name, at: now, reason: bounded(&reply) };
                    tracing::warn!(endpoint = %off.name, "the endpoint wants to hear nothing any more and is turned off");
                    endpoint.off = Some(off.clone());
                    self.pending.endpoints.push(EndpointChange::Off(off));
                }
                self.end_webhook(&id, WebhookState::GaveUp, &reply);
            }
            Heard::NotYet { reply, retry_after } => {
                endpoint.failures = endpoint.failures.saturating_add(1);
                let rest = if endpoint.is_failing() { Some(REST) } else { None };
                let asked = retry_after.map(|asked| asked.min(LONGEST_REST));
                if let Some(rest) = rest.max(asked) {
                    endpoint.rest_until = endpoint.rest_until.max(Some(now.plus(rest)));
                }
                self.tell_again(&id, &reply, retry_after);
            }
        }
    }

    fn end_webhook(&mut self, id: &Arc<str>, state: WebhookState, reply: &str) {
        let Some(mut open) = self.webhooks.open.remove(id) else { return };
        open.progress.state = state;
        open.progress.ended_at = Some(self.clock);
        open.progress.reply = Some(bounded(reply));
        self.pending.webhook_progress.push((id.clone(), open.progress));
    }

    /// The ladder of messages, and not before the endpoint wants to be asked.
    fn tell_again(&mut self, id: &Arc<str>, reply: &str, retry_after: Option<Span>) {
        let now = self.clock;
        let Some(open) = self.webhooks.open.get_mut(id) else { return };
        let again = now.plus(delay_after(open.progress.attempts));
        open.progress.reply = Some(bounded(reply));
        if again > open.progress.expires {
            self.give_up(id, "it was not taken within three days");
            return;
        }
        let asked = retry_after.map_or(again, |span| now.plus(span));
        let due = again.max(asked).min(open.progress.expires);
        open.progress.state = WebhookState::Waiting;
        open.progress.due = Some(due);
        let (name, progress) = (open.endpoint.clone(), open.progress.clone());
        self.webhooks.endpoints.entry(name).or_default().queue.insert((due, id.clone()));
        self.pending.webhook_progress.push((id.clone(), progress));
    }

    /// When the next webhook may be tried.
    pub fn next_webhook(&self) -> Option<Timestamp> {
        let next = |(name, endpoint): (&Name, &Endpoint)| {
            let (due, _) = endpoint.queue.first()?;
            if endpoint.off.is_some() || !self.options.endpoints.has(name) {
                return Some(*due);
            }
            (endpoint.places() > 0).then(|| endpoint.rest_until.map_or(*due, |until| until.max(*due)))
        };
        self.webhooks.endpoints.iter().filter_map(next).min()
    }

    /// A person turns an endpoint on again: what waits for it is tried at once. Returns whether it was off.
    pub fn turn_on_endpoint(&mut self, name: &Name, now: Timestamp) -> bool {
        let now = self.reach(now);
        let Some(endpoint) = self.webhooks.endpoints.get_mut(name) else { return false };
        if endpoint.off.take().is_none() {
            return false;
        }
        (endpoint.failures, endpoint.rest_until) = (0, None);
        let waiting: Vec<Arc<str>> = std::mem::take(&mut endpoint.queue).into_iter().map(|(_, id)| id).collect();
        for id in waiting {
            let Some(open) = self.webhooks.open.get_mut(&id) else { continue };
            open.progress.due = Some(now);
            self.pending.webhook_progress.push((id.clone(), open.progress.clone()));
            endpoint.queue.insert((now, id));
        }
        self.pending.endpoints.push(EndpointChange::On(name.clone()));
        true
    }

    /// A person has a webhook tried at once: one that waits, or one that was given up, for another three days.
    /// Errors: why it cannot be.
    pub fn try_webhook_again(&mut self, webhook: &Webhook, now: Timestamp) -> Result<(), String> {
        let now = self.reach(now);
        if !self.options.endpoints.has(&webhook.endpoint) {
            return Err(format!("no endpoint `{}` is configured", webhook.endpoint));
        }
        let known = self.webhooks.open.get(&webhook.id).map(|open| open.progress.clone());
        let mut progress = match known {
            Some(progress) if progress.state == WebhookState::Waiting => progress,
            None if webhook.progress.state == WebhookState::GaveUp => webhook.progress.clone(),
            _ => return Err("it is neither waiting nor given up".to_owned()),
        };
        let endpoint = self.webhooks.endpoints.entry(webhook.endpoint.clone()).or_default();
        if endpoint.off.is_some() {
            return Err(format!("the endpoint `{}` is turned off; turn it on first", webhook.endpoint));
        }
        endpoint.queue.retain(|(_, id)| *id != webhook.id);
        endpoint.rest_until = None;
        progress.state = WebhookState::Waiting;
        progress.due = Some(now);
        progress.ended_at = None;
        progress.expires = progress.expires.max(now.plus(TRIED_FOR));
        self.queue_webhook(webhook.id.clone(), webhook.endpoint.clone(), progress.clone());
        self.pending.webhook_progress.push((webhook.id.clone(), progress));
        Ok(())
    }

    /// Every endpoint that is configured or that something waits for, by name.
    pub fn endpoints(&self) -> Vec<EndpointReport> {
        let names: BTreeSet<&Name> = self.options.endpoints.names().chain(self.webhooks.endpoints.keys()).collect();
        let report = |name: &Name| {
            let known = self.webhooks.endpoints.get(name);
            EndpointReport {
                name: name.clone(),
                is_configured: self.options.endpoints.has(name),
                open: known.map_or(0, |endpoint| (endpoint.queue.len() + endpoint.trying) as u64),
                failures: known.map_or(0, |endpoint| endpoint.failures),
                rest_until: known.and_then(|endpoint| endpoint.rest_until).filter(|until| *until > self.clock),
                off: known.and_then(|endpoint| endpoint.off.clone()),
            }
        };
        names.into_iter().map(report).collect()
    }

    /// What a start finds: what waits goes on waiting, and attempts that were under way are made again at once.
    pub(crate) fn restore_webhooks(&mut self, webhooks: Vec<Webhook>, off: Vec<EndpointOff>) {
        for off in off {
            let endpoint = self.webhooks.endpoints.entry(off.name.clone()).or_default();
            endpoint.off = Some(off);
        }
        for webhook in webhooks {
            let Webhook { id, endpoint, progress, .. } = webhook;
            if progress.state == WebhookState::Trying {
                self.webhooks.endpoints.entry(endpoint.clone()).or_default().trying += 1;
                self.webhooks.open.insert(id, Open { endpoint, progress });
            } else {
                self.queue_webhook(id, endpoint, progress);
            }
        }
    }

    /// Attempts that nobody tells the end of any more are made again, at once.
    pub(crate) fn resume_webhooks(&mut self) {
        #[cfg(feature = "planted-bugs")]
        if self.has_bug(crate::state::PlantedBug::WebhooksAreNotResumed) {
            return;
        }
        let is_cut_off = |(_, open): &(&Arc<str>, &Open)| open.progress.state == WebhookState::Trying;
        let mut cut_off: Vec<Arc<str>> =
            self.webhooks.open.iter().filter(is_cut_off).map(|(id, _)| id.clone()).collect();
        cut_off.sort();
        for id in cut_off {
            let Some(open) = self.webhooks.open.get_mut(&id) else { continue };
            open.progress.state = WebhookState::Waiting;
            open.progress.due = Some(self.clock);
            open.progress.reply = Some("stopped while it was being told".to_owned());
            let (name, progress) = (open.endpoint.clone(), open.progress.clone());
            let endpoint = self.webhooks.endpoints.entry(name).or_default();
            endpoint.trying = endpoint.trying.saturating_sub(1);
            endpoint.queue.insert((self.clock, id.clone()));
            self.pending.webhook_progress.push((id, progress));
        }
    }
}
