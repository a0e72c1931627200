//! Messages that are through the gate and wait for their channel. Channels know nothing of each other: what waits for one
//! costs the others nothing.

use domain::message::Channel;
use domain::{MessageId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What may be tried, by channel and by when.
#[derive(Default)]
pub(crate) struct Outbox(BTreeMap<Channel, BTreeSet<(Timestamp, MessageId)>>);

impl Outbox {
    pub(crate) fn insert(&mut self, channel: Channel, due: Timestamp, id: MessageId) {
        self.0.entry(channel).or_default().insert((due, id));
    }

    pub(crate) fn remove(&mut self, channel: Channel, due: Timestamp, id: &MessageId) {
        if let Some(queue) = self.0.get_mut(&channel) {
            queue.remove(&(due, id.clone()));
        }
    }

    /// Takes out what is due on a channel, the longest due first.
    pub(crate) fn take_due(&mut self, channel: Channel, now: Timestamp, at_most: usize) -> Vec<MessageId> {
        let Some(queue) = self.0.get_mut(&channel) else { return Vec::new() };
        let mut taken = Vec::new();
        while taken.len() < at_most
            && queue.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, id)) = queue.pop_first()
        {
            taken.push(id);
        }
        taken
    }

    /// When something may be tried on a channel.
    pub(crate) fn next_on(&self, channel: Channel) -> Option<Timestamp> {
        self.0.get(&channel)?.first().map(|(due, _)| *due)
    }

    /// When something may be tried on any channel.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.values().filter_map(|queue| queue.first()).map(|(due, _)| *due).min()
    }

    /// All of it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Timestamp, MessageId)> {
        self.0.values().flatten()
    }
}
