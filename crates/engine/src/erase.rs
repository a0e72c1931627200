//! Erasing a person: what becomes of their calls, and what ends with them.
//!
//! Their calls are emptied, not cut out, and their names become tokens: positions, numbers of names and joins come about
//! as they did, so that nothing of anybody else moves.
//! Of each call a keyed hash of its messageId stays, so that sending it again, as an import or a client's retry does,
//! brings nothing back: it is a duplicate. Whoever uses the name later in a call of its own is a new customer.
//!
//! Here it is only worked out; a store carries it out in one step, and then the workspace is opened again from what
//! is left.

use crate::decide::address::{normal_address, normal_email, normal_phone};
use crate::profile::By;
use crate::profile::identity::{NameKind, NodeId, is_by_hand, token};
use crate::state::Engine;
use domain::message::{Because, Decision, Message, Outcome, Phase};
use domain::{Call, CallKind, CustomerId, Position};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use store::{Commit, Erasure, Journey, Stage, StoreError, Suppression, SuppressionChange, Transition};

/// How the hash of an address begins; no address holds a colon there.
const HASH: &str = "hash:";
/// What stands in the place of the receiver's words about an address of somebody who was erased.
const SUPPRESSED: &str = "it was suppressed before its customer was erased";

impl Engine {
    /// Works out what erasing a person takes. Ask between two commits: everything must be durable. Nothing changes
    /// here. Reads their history: O(their calls + names).
    pub fn erasure(&self, person: CustomerId) -> Result<Erasure, StoreError> {
        let person = self.person(person);
        let nodes: BTreeSet<NodeId> = self.people.nodes_of(person.0).into_iter().collect();
        let parted = self.people.parted_from(&nodes);
        let mut erasure = Erasure {
            customers: nodes.iter().copied().map(CustomerId).collect(),
            parted: parted.into_iter().map(|(node, until)| (CustomerId(node), until)).collect(),
            names: nodes.iter().map(|node| self.people.node(*node).name.clone()).collect(),
            erased: self.people.erased_with(&nodes, self.clock),
            commit: Commit { position: self.position, clock: self.clock, ..Commit::default() },
            ..Erasure::default()
        };
        let addresses = self.addresses_ever(person, &erasure)?;
        erasure.addresses = addresses.iter().map(|address| address.to_lowercase()).collect();
        erasure.commit.transitions = self.ended_memberships(&erasure);
        (erasure.commit.messages, erasure.commit.decisions) = self.ended_messages(&erasure);
        erasure.commit.journeys = self.ended_journeys(&erasure);
        erasure.commit.suppressions = self.blinded(&addresses);
        Ok(erasure)
    }

    /// What becomes of a call at a position when a person is erased: their own is emptied, and wherever one of their names
    /// stands, a token takes its place. None: it stays as it is.
    pub fn without(&self, erasure: &Erasure, position: Position, call: &Call) -> Option<Call> {
        // A name that others bore as well was left where it stood when one of them was erased. Once the last of them goes, so
        // does the name, wherever it stands for one who went before.
        let is_erased = |node: &NodeId| {
            erasure.customers.contains(&CustomerId(*node))
                || (self.people.left_a_name(*node)
                    && erasure.erased.iter().any(|name| name.number == *node && name.shared.is_none()))
        };
        // An alias spoke of them before they came, to somebody they were parted from since: that one stays, under a token.
        let bears_an_erased_name =
            |node: &NodeId| is_erased(node) || self.people.came_as(*node).as_ref().is_some_and(is_erased);
        let find = |kind: NameKind, name: &Option<Arc<str>>| {
            name.as_ref().and_then(|name| self.people.find_at(kind, name, position)).filter(bears_an_erased_name)
        };
        let (user, visitor, previous) = if is_by_hand(call) {
            // It bears the name of the first of the two, of whichever kind.
            let first = call.body_value().get("a").and_then(Value::as_u64);
            (first.and_then(|node| NodeId::try_from(node).ok()).filter(bears_an_erased_name), None, None)
        } else {
            let previous = call.other_id.as_ref().filter(|_| call.kind == CallKind::Alias);
            // The name is theirs who came by it, whom this alias is to join; where nobody did, that of whom it named.
            let previous = previous
                .and_then(|name| self.people.previous_at(name, position))
                .filter(|node| is_erased(&self.people.came_as(*node).unwrap_or(*node)));
            (find(NameKind::User, &call.user_id), find(NameKind::Visitor, &call.anonymous_id), previous)
        };
        let is_own = !is_by_hand(call) && self.people.node_at(call, position).as_ref().is_some_and(is_erased);
        if user.or(visitor).or(previous).is_none() && !is_own {
            return None;
        }
        let mut call = if is_own { self.emptied(call) } else { call.clone() };
        // An alias that named somebody before they came, and they themselves, bear one token, so that it joins them again.
        let token = |node: NodeId| token(self.people.came_as(node).filter(is_erased).unwrap_or(node));
        call.user_id = user.map(token).or(call.user_id);
        call.anonymous_id = visitor.map(token).or(call.anonymous_id);
        // Of a group that somebody belonged to nothing is left either.
        let other = call.other_id.filter(|_| !is_own || call.kind == CallKind::Alias);
        call.other_id = previous.map(token).or(other);
        Some(call)
    }

    fn emptied(&self, call: &Call) -> Call {
        call.emptied(&self.seen.fingerprinter().of(call).mark())
    }

    /// Every address in their own calls and on messages to them, normalised.
    fn addresses_ever(&self, person: CustomerId, erasure: &Erasure) -> Result<HashSet<String>, StoreError> {
        let mut addresses = HashSet::new();
        for past in self.history(person)?.iter().filter(|past| past.by == By::Self_) {
            let body = past.call.body_value();
            collect_addresses(&body, &mut addresses);
            let token = body.get("push_token").and_then(Value::as_str);
            addresses.extend(token.and_then(normal_address));
        }
        let messages = self.messages.values().filter(|message| erasure.customers.contains(&message.customer));
        addresses.extend(messages.filter_map(|message| normal_address(&message.written.as_ref()?.to)));
        Ok(addresses)
    }

    /// They leave every segment, so that entries and exits add up.
    fn ended_memberships(&self, erasure: &Erasure) -> Vec<Transition> {
        let mut transitions = Vec::new();
        for id in &erasure.customers {
            let Some(customer) = self.customers.get(*id) else { continue };
            let segments = self.plan.segments.iter().enumerate().filter(|(index, _)| customer.is_member(*index));
            transitions.extend(segments.map(|(_, segment)| Transition {
                segment: segment.name.clone(),
                customer: *id,
                at: self.clock,
                entered: false,
            }));
        }
        transitions
    }

    /// Messages that are held or on their way do not go: `skipped: exited`, or `uncertain` where the body may have gone
    /// out already.
    fn ended_messages(&self, erasure: &Erasure) -> (Vec<Message>, Vec<Decision>) {
        let (mut messages, mut decisions) = (Vec::new(), Vec::new());
        let is_open = |message: &&Message| matches!(message.outcome, None | Some(Outcome::Held));
        let is_theirs = |message: &&Message| erasure.speaks_of(message.customer, message.decided_at);
        for message in self.messages.values().filter(is_open).filter(is_theirs) {
            let is_known_uncertain = message.fate_is_unknown();
            let may_have_gone = is_known_uncertain || message.phase == Some(Phase::Data);
            let (outcome, because) = match may_have_gone {
                true => (Outcome::Uncertain, Because::NoReply),
                false => (Outcome::Skipped, Because::Exited),
            };
            if !is_known_uncertain {
                decisions.push(Decision {
                    message: message.id.clone(),
                    customer: message.customer,
                    campaign: message.campaign.clone(),
                    step: message.step.clone(),
                    at: self.clock,
                    outcome,
                    because: Some(because),
                    detail: None,
                    until: None,
                });
            }
            messages.push(Message {
                outcome: Some(outcome),
                because: Some(because),
                outcome_at: Some(self.clock),
                phase: None,
                due: None,
                written: None,
                detail: None,
                ..message.clone()
            });
        }
        (messages, decisions)
    }

    fn ended_journeys(&self, erasure: &Erasure) -> Vec<Journey> {
        let is_theirs = |journey: &&Journey| erasure.speaks_of(journey.customer, journey.entered_at);
        let inside = self.journeys.values().filter(is_theirs).filter(|journey| journey.stage.is_inside());
        let end = |journey: &Journey| Journey {
            stage: Stage::Exited,
            until: None,
            message: None,
            key: None,
            trigger: None,
            record: None,
            occasion: None,
            waits_since: None,
            ended_at: Some(self.clock),
            ..journey.clone()
        };
        inside.map(end).collect()
    }

    /// An address that may not be written to stays so, whoever bears it later; only a keyed hash of it is kept.
    fn blinded(&self, addresses: &HashSet<String>) -> Vec<SuppressionChange> {
        let mut changes = Vec::new();
        let suppressed = addresses.iter().filter_map(|address| self.suppressions.get(address));
        for Suppression { address, at, .. } in suppressed {
            changes.push(SuppressionChange::Lift(address.clone()));
            let blind = Suppression { address: self.blind(address), at: *at, reason: SUPPRESSED.to_owned() };
            changes.push(SuppressionChange::Add(blind));
        }
        changes
    }

    /// What stands for an address where the address itself must not stand.
    pub(crate) fn blind(&self, address: &str) -> String {
        format!("{HASH}{}", self.seen.id_of(&["suppressed", address]))
    }

    /// The suppression of a normalised address, of one who was erased too.
    pub(crate) fn suppression_of(&self, address: &str) -> Option<&Suppression> {
        // Most workspaces have few suppressions: the hash is only worked out where there is one.
        match self.suppressions.get(address) {
            None => {
                let mut blind = self.suppressions.range(HASH.to_owned()..);
                let has_blind = blind.next().is_some_and(|(known, _)| known.starts_with(HASH));
                if has_blind { self.suppressions.get(&self.blind(address)) } else { None }
            }
            found => found,
        }
    }
}

fn collect_addresses(value: &Value, addresses: &mut HashSet<String>) {
    match value {
        Value::String(text) if text.contains('@') => addresses.extend(normal_email(text)),
        Value::String(text) if text.trim_start().starts_with('+') => addresses.extend(normal_phone(text)),
        Value::Array(values) => values.iter().for_each(|value| collect_addresses(value, addresses)),
        Value::Object(fields) => fields.values().for_each(|value| collect_addresses(value, addresses)),
        _ => {}
    }
}
