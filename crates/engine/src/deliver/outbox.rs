//! Messages that are through the gate and wait to set out.
//!
//! Channels know nothing of each other, and on one channel each receiving domain has a queue, a pace and a rest of its own:
//! one that is slow or refuses costs the others nothing.

use crate::deliver::pace::{Limits, Pace, WarmUp};
use domain::message::{Channel, Message};
use domain::{CustomerId, MessageId, Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::Resting;

/// Failures of different addresses of a domain, none taken in between, after which it rests.
const FAILURES_BEFORE_REST: usize = 5;
/// How long it rests, the first time, the second …
const RESTS: [Span; 4] = [Span::minutes(1), Span::minutes(5), Span::minutes(15), Span::hours(1)];
/// A domain whose message is on its way for longer is slow.
const SLOW: Span = Span(5_000);
/// Places on a channel where its owner does not say: the bound on what a crash leaves uncertain.
const PLACES: usize = 20;
/// How long ago another domain may have taken something for this one's failures to be its own.
const OTHERS_LATELY: Span = Span::hours(1);

/// What may be tried, by channel.
#[derive(Default)]
pub(crate) struct Outbox(BTreeMap<Channel, Waiting>);

/// Why a message that is through the gate has not set out, and until when at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waits {
    /// Why.
    pub because: WaitsBecause,
    /// When it may set out at the earliest, as far as known.
    pub until: Option<Timestamp>,
}

/// Why a message that is through the gate has not set out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitsBecause {
    /// It goes next.
    Next,
    /// As many as may are on their way to its domain.
    OnTheirWay,
    /// The pace of the channel.
    Pace,
    /// The pace to its domain.
    DomainPace,
    /// Its domain rests after failures in a row, or asked for it.
    DomainRests,
    /// A young sender has sent as many as it may today.
    WarmUp,
}

#[derive(Default)]
struct Waiting {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// Lanes of which a message may set out, by when.
    ready: BTreeSet<(Timestamp, Arc<str>)>,
    pace: Pace,
    warm_up: WarmUp,
    /// The last two domains that took something, and when.
    took: [Option<(Arc<str>, Timestamp)>; 2],
}

/// When a message may set out, for whom, and which. Of one instant customers come in their order, as at the gate.
type Due = (Timestamp, CustomerId, MessageId);

fn due_of(message: &Message, due: Timestamp) -> Due {
    (due, message.customer, message.id.clone())
}

/// What waits for one receiving domain, and how that fares.
#[derive(Default)]
struct Lane {
    queue: BTreeSet<Due>,
    /// On their way, since when.
    under_way: BTreeMap<MessageId, Timestamp>,
    /// Addresses that failed since one was taken.
    failed: BTreeSet<String>,
    /// Rests in a row; while there are any, it is tried with one message at a time.
    rests: usize,
    rest_until: Option<Timestamp>,
    pace: Pace,
    ready_at: Option<Timestamp>,
}

impl Lane {
    /// Whether one more may be on its way to it. `all`: the places of the channel. O(those on their way) only where it
    /// depends on how long they have been.
    fn has_place(&self, name: &str, all: usize, now: Timestamp) -> bool {
        let taken = self.under_way.len();
        let (if_slow, if_not) = ((all / 4).max(1), (all * 9 / 10).max(1));
        if self.rests > 0 {
            return taken == 0;
        }
        if name.is_empty() {
            // A channel without domains has no others that a hanging one could stop.
            return taken < all;
        }
        // The rest is for the others, should this one hang.
        let is_slow = || self.under_way.values().any(|since| now.since(*since) > SLOW);
        taken < if_slow.min(if_not) || (taken < if_not && !is_slow())
    }

    fn opens(&self, per_minute: Option<u32>) -> Timestamp {
        self.pace.opens(per_minute).max(self.rest_until.unwrap_or(Timestamp(i64::MIN)))
    }

    fn is_forgettable(&self, now: Timestamp, per_minute: Option<u32>) -> bool {
        self.queue.is_empty()
            && self.under_way.is_empty()
            && self.failed.is_empty()
            && self.rests == 0
            && self.opens(per_minute) <= now
    }
}

/// The queue of a message: its address's domain, for mail.
pub(crate) fn lane_of(message: &Message) -> Arc<str> {
    let to = message.written.as_ref().map(|written| written.to.as_str()).unwrap_or_default();
    lane_of_address(message.channel, to)
}

pub(crate) fn lane_of_address(channel: Channel, address: &str) -> Arc<str> {
    match (channel, address.rsplit_once('@')) {
        (Channel::Email, Some((_, domain))) => domain.to_ascii_lowercase().into(),
        _ => "".into(),
    }
}

impl Waiting {
    /// Works out anew when something of a lane may set out.
    fn put_in_order(&mut self, name: &Arc<str>, limits: &Limits, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        if let Some(at) = lane.ready_at.take() {
            self.ready.remove(&(at, name.clone()));
        }
        let per_minute = limits.of_domain(name);
        let has_place = lane.has_place(name, limits.places.unwrap_or(PLACES), now);
        match lane.queue.first() {
            Some((due, ..)) if has_place => {
                let at = (*due).max(lane.opens(per_minute));
                lane.ready_at = Some(at);
                self.ready.insert((at, name.clone()));
            }
            Some(_) => {}
            None => {
                if lane.is_forgettable(now, per_minute) {
                    self.lanes.remove(name);
                }
            }
        }
    }

    /// Notes which domain took something last.
    fn note_took(&mut self, name: &Arc<str>, at: Timestamp) {
        match &mut self.took {
            [Some((latest, last)), _] if latest == name => *last = at.max(*last),
            [latest, before] => {
                *before = latest.take();
                *latest = Some((name.clone(), at));
            }
        }
    }

    /// When the channel lets the next message go, whichever domain it is for.
    fn opens(&self, now: Timestamp, limits: &Limits) -> Timestamp {
        self.pace.opens(limits.per_minute).max(self.warm_up.opens(now, &limits.warm_up))
    }
}

impl Outbox {
    /// A message may be tried from an instant on.
    pub(crate) fn insert(&mut self, message: &Message, due: Timestamp, limits: &Limits, now: Timestamp) {
        let waiting = self.0.entry(message.channel).or_default();
        let name = lane_of(message);
        waiting.lanes.entry(name.clone()).or_default().queue.insert(due_of(message, due));
        waiting.put_in_order(&name, limits, now);
    }

    /// A message is over, or held: it waits here no more, and is no longer on its way.
    pub(crate) fn remove(&mut self, message: &Message, limits: &Limits, now: Timestamp) {
        let name = lane_of(message);
        let Some(waiting) = self.0.get_mut(&message.channel) else { return };
        let Some(lane) = waiting.lanes.get_mut(&name) else { return };
        if let Some(due) = message.due {
            lane.queue.remove(&due_of(message, due));
        }
        lane.under_way.remove(&message.id);
        waiting.put_in_order(&name, limits, now);
    }

    /// Takes out what may set out on a channel, the longest due first; each is on its way until it is `remove`d or `landed`.
    pub(crate) fn take_due(
        &mut self,
        channel: Channel,
        now: Timestamp,
        at_most: usize,
        limits: &Limits,
    ) -> Vec<MessageId> {
        let Some(waiting) = self.0.get_mut(&channel) else { return Vec::new() };
        let mut taken = Vec::new();
        while taken.len() < at_most
            && waiting.opens(now, limits) <= now
            && let Some((at, name)) = waiting.ready.first().cloned()
            && at <= now
        {
            let Some(lane) = waiting.lanes.get_mut(&name) else { break };
            let has_place = lane.has_place(&name, limits.places.unwrap_or(PLACES), now);
            if has_place && let Some((_, _, id)) = lane.queue.pop_first() {
                lane.under_way.insert(id.clone(), now);
                lane.pace.take(now, limits.of_domain(&name));
                waiting.pace.take(now, limits.per_minute);
                waiting.warm_up.take(now);
                taken.push(id);
            }
            // Where it turned out to be slow, it is out of the order until something of it lands.
            waiting.put_in_order(&name, limits, now);
        }
        taken
    }

    /// An attempt is over. What becomes of the message is told apart.
    pub(crate) fn landed(
        &mut self,
        channel: Channel,
        lane: &Arc<str>,
        id: &MessageId,
        limits: &Limits,
        now: Timestamp,
    ) {
        let Some(waiting) = self.0.get_mut(&channel) else { return };
        if let Some(lane) = waiting.lanes.get_mut(lane) {
            lane.under_way.remove(id);
        }
        waiting.put_in_order(lane, limits, now);
    }

    /// A domain took a message. Returns whether it had been let rest.
    pub(crate) fn took(&mut self, channel: Channel, name: &Arc<str>, limits: &Limits, now: Timestamp) -> bool {
        let waiting = self.0.entry(channel).or_default();
        waiting.warm_up.since.get_or_insert(now);
        waiting.note_took(name, now);
        let mut was_resting = false;
        if let Some(lane) = waiting.lanes.get_mut(name) {
            lane.failed.clear();
            was_resting = lane.rests > 0 || lane.rest_until.is_some();
            (lane.rests, lane.rest_until) = (0, None);
        }
        waiting.put_in_order(name, limits, now);
        was_resting
    }

    /// How often in a row a domain was let rest, and until when.
    pub(crate) fn resting(&self, channel: Channel, name: &Arc<str>) -> Option<Resting> {
        let lane = self.0.get(&channel)?.lanes.get(name)?;
        let in_a_row = u32::try_from(lane.rests).unwrap_or(u32::MAX);
        Some(Resting { channel, domain: name.clone(), in_a_row, until: lane.rest_until? })
    }

    /// A domain rested when the process stopped.
    pub(crate) fn rested(&mut self, rest: Resting) {
        let lane = self.0.entry(rest.channel).or_default().lanes.entry(rest.domain).or_default();
        lane.rests = usize::try_from(rest.in_a_row).unwrap_or(usize::MAX);
        lane.rest_until = Some(rest.until);
    }

    /// A domain did not take a message. Returns until when it rests, if that is its own trouble: others took something lately.
    pub(crate) fn failed(
        &mut self,
        channel: Channel,
        name: &Arc<str>,
        address: &str,
        limits: &Limits,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let waiting = self.0.entry(channel).or_default();
        let is_fine = |took: &(Arc<str>, Timestamp)| took.0 != *name && now.since(took.1) <= OTHERS_LATELY;
        let others_are_fine = waiting.took.iter().flatten().any(is_fine);
        let lane = waiting.lanes.entry(name.clone()).or_default();
        lane.failed.insert(address.to_owned());
        // One that was let rest is tried with one message: a single failure sends it to rest again.
        let is_enough = lane.failed.len() >= FAILURES_BEFORE_REST || lane.rests > 0;
        let is_resting = lane.rest_until.is_some_and(|until| until > now);
        let rest = (is_enough && others_are_fine && !is_resting).then(|| {
            let until = now.plus(RESTS.get(lane.rests).copied().unwrap_or(RESTS[RESTS.len() - 1]));
            lane.rests = lane.rests.saturating_add(1);
            lane.rest_until = Some(until);
            lane.failed.clear();
            until
        });
        waiting.put_in_order(name, limits, now);
        rest
    }

    /// A receiver asked not to be tried before an instant.
    pub(crate) fn rest(
        &mut self,
        channel: Channel,
        name: &Arc<str>,
        until: Timestamp,
        limits: &Limits,
        now: Timestamp,
    ) {
        let waiting = self.0.entry(channel).or_default();
        let lane = waiting.lanes.entry(name.clone()).or_default();
        lane.rest_until = lane.rest_until.max(Some(until));
        waiting.put_in_order(name, limits, now);
    }

    /// A message that set out did not go: it does not count for the day.
    pub(crate) fn give_back(&mut self, channel: Channel, now: Timestamp) {
        if let Some(waiting) = self.0.get_mut(&channel) {
            waiting.warm_up.give_back(now);
        }
    }

    /// What a start knows of a channel: when its first message went.
    pub(crate) fn began(&mut self, channel: Channel, since: Timestamp) {
        self.0.entry(channel).or_default().warm_up = WarmUp::begun(since);
    }

    /// When the first message went on a channel.
    pub(crate) fn began_at(&self, channel: Channel) -> Option<Timestamp> {
        self.0.get(&channel)?.warm_up.since
    }

    /// A message went before the start; `now`: when the start is.
    pub(crate) fn went(&mut self, channel: Channel, name: &Arc<str>, at: Timestamp, now: Timestamp) {
        let Some(waiting) = self.0.get_mut(&channel) else { return };
        if waiting.warm_up.since.is_some_and(|since| since <= at) {
            waiting.warm_up.take(at);
        }
        if now.since(at) <= OTHERS_LATELY {
            waiting.note_took(name, at);
        }
    }

    /// When something may be tried on a channel.
    pub(crate) fn next_on(&self, channel: Channel, now: Timestamp, limits: &Limits) -> Option<Timestamp> {
        let waiting = self.0.get(&channel)?;
        let (at, _) = waiting.ready.first()?;
        Some((*at).max(waiting.opens(now, limits)))
    }

    /// Why a message that waits here has not set out; none: it does not wait here.
    pub(crate) fn why_waits(&self, message: &Message, now: Timestamp, limits: &Limits) -> Option<Waits> {
        let waiting = self.0.get(&message.channel)?;
        let name = lane_of(message);
        let lane = waiting.lanes.get(&name)?;
        let due = message.due?;
        if !lane.queue.contains(&due_of(message, due)) {
            return None;
        }
        let ahead = |at: Timestamp| at > now;
        let all = [
            (WaitsBecause::DomainRests, lane.rest_until.unwrap_or(Timestamp(i64::MIN))),
            (WaitsBecause::WarmUp, waiting.warm_up.opens(now, &limits.warm_up)),
            (WaitsBecause::DomainPace, lane.pace.opens(limits.of_domain(&name))),
            (WaitsBecause::Pace, waiting.pace.opens(limits.per_minute)),
        ];
        let latest = all.into_iter().filter(|(_, at)| ahead(*at)).max_by_key(|(_, at)| *at);
        if let Some((because, until)) = latest {
            return Some(Waits { because, until: Some(until) });
        }
        let has_place = lane.has_place(&name, limits.places.unwrap_or(PLACES), now);
        let because = if has_place { WaitsBecause::Next } else { WaitsBecause::OnTheirWay };
        Some(Waits { because, until: Some(due).filter(|due| ahead(*due)) })
    }

    /// Every channel on which something waits.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        self.0.keys().copied()
    }

    /// All of it that waits.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Due> {
        self.0.values().flat_map(|waiting| waiting.lanes.values()).flat_map(|lane| &lane.queue)
    }
}
