//! What a dry run takes over from the workspace whose past it lives through again.

use crate::decide::limits::{Mark, MarkKind};
use crate::profile::People;
use crate::segment::questions::with_inner;
use crate::state::Engine;
use domain::campaign::Trigger;
use domain::definition::Definitions;
use domain::message::Channel;
use domain::workspace::marketing;
use domain::{Call, Campaign, MessageId, Name, Timestamp, Trust};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::Suppression;

impl Engine {
    /// Addresses that may not be written to, with since when, in order of time.
    pub fn suppressions(&self) -> Vec<Suppression> {
        let mut all: Vec<Suppression> = self.suppressions.values().cloned().collect();
        all.sort_by(|a, b| (a.at, &a.address).cmp(&(b.at, &b.address)));
        all
    }

    /// When each campaign was first defined.
    pub fn campaign_starts(&self) -> BTreeMap<Name, Timestamp> {
        self.campaigns.iter().map(|(name, campaigning)| (name.clone(), campaigning.facts.started_at)).collect()
    }

    /// Knows from now on who is who, as `people` do: names, numbers and joins. Every draw falls on the same people then.
    /// Only for an engine that has taken no call yet. O(names).
    pub fn know_people(&mut self, people: &People) {
        debug_assert!(self.customers.is_empty(), "identities are taken over before the first call");
        self.people = people.without_calls();
    }

    /// Counts a message that another campaign really sent for caps, as its event tells of it. Any other call is passed over.
    /// `definitions`: where the purpose of that campaign stands; marketing, if it is gone.
    pub fn recall_sent(&mut self, call: &Call, definitions: &Definitions) {
        if call.trust != Trust::Perennial
            || !matches!(call.event.as_deref(), Some("Message Sent" | "Message Uncertain"))
        {
            return;
        }
        let body = call.body_value();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let (Some(campaign), Some(channel), Some(message)) = (
            text("campaign").and_then(|name| Name::parse(name).ok()),
            text("channel").and_then(Channel::find),
            text("message_id"),
        ) else {
            return;
        };
        let Some(customer) = self.look().find(call.name()) else { return };
        let purpose = definitions.campaigns.get(&campaign).map_or_else(marketing, |campaign| campaign.purpose.clone());
        let (at, message) = (call.timestamp, MessageId(message.into()));
        self.put_mark(customer, Mark { at, message, campaign, purpose, channel, kind: MarkKind::Gone });
    }
}

/// The segments that a campaign asks about, and those that these ask about.
pub fn segments_of(campaign: &Campaign, definitions: &Definitions) -> BTreeSet<Name> {
    let trigger = match &campaign.enter.on {
        Trigger::Enters(segment) | Trigger::Leaves(segment) => Some(segment),
        _ => None,
    };
    let conditions = campaign.conditions();
    let asked = conditions.iter().flat_map(|(_, condition)| condition.segments());
    with_inner(definitions, asked.chain(trigger).cloned().collect()).into_iter().collect()
}
