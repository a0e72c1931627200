//! What happens to live state when two people turn out to be one, or one to be two.

use crate::profile::Customer;
use crate::profile::identity::{NodeId, is_by_hand};
use crate::segment::Touch;
use crate::segment::as_of::{Past, apply, exists_since, histories};
use crate::state::Engine;
use domain::{Call, CallKind, CustomerId, Position, Timestamp, Trust};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::{Reader, StoreError, Transition};

/// Why two people could not be joined or parted.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A name nobody bears.
    #[error("nobody is called `{0}`")]
    Unknown(String),
    /// They are one already.
    #[error("`{0}` and `{1}` are one person already")]
    OneAlready(String, String),
    /// They are two already.
    #[error("`{0}` and `{1}` are two people already")]
    TwoAlready(String, String),
    /// History could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Joins the people of two names by hand, for all of history. Can be undone with `unmerge`.
    pub fn merge(&mut self, a: &str, b: &str, now: Timestamp) -> Result<CustomerId, JoinError> {
        // The names that were said, not the people behind them: taking back one of several merges parts those whom it joined.
        let (x, y) = (self.find_name(a)?, self.find_name(b)?);
        self.merge_names(x, y, now)
    }

    /// Joins two people by their ids: a name may be another one's id, so pages never go by names.
    pub fn merge_people(&mut self, a: CustomerId, b: CustomerId, now: Timestamp) -> Result<CustomerId, JoinError> {
        for id in [a, b] {
            if !self.people.is_somebody(id) {
                return Err(JoinError::Unknown(id.to_string()));
            }
        }
        self.merge_names(a.0, b.0, now)
    }

    fn merge_names(&mut self, x: NodeId, y: NodeId, now: Timestamp) -> Result<CustomerId, JoinError> {
        let name = |node: NodeId| self.people.node(node).name.clone();
        if self.people.person(x) == self.people.person(y) {
            return Err(JoinError::OneAlready(name(x).to_string(), name(y).to_string()));
        }
        let name = name(x);
        self.reach(now);
        self.append(self.by_hand(&name, x, y, true));
        self.settle();
        Ok(self.person(CustomerId(x)))
    }

    /// Parts two names that were joined: every call goes back to the id that it named.
    pub fn unmerge(&mut self, a: &str, b: &str, now: Timestamp) -> Result<(), JoinError> {
        let (x, y) = (self.find_name(a)?, self.find_name(b)?);
        self.unmerge_names(x, y, now)
    }

    /// Parts two names by their numbers.
    pub fn unmerge_names(&mut self, x: NodeId, y: NodeId, now: Timestamp) -> Result<(), JoinError> {
        for node in [x, y] {
            if !self.people.is_somebody(CustomerId(node)) {
                return Err(JoinError::Unknown(CustomerId(node).to_string()));
            }
        }
        if self.people.person(x) != self.people.person(y) || x == y {
            return Err(JoinError::TwoAlready(
                self.people.node(x).name.to_string(),
                self.people.node(y).name.to_string(),
            ));
        }
        self.reach(now);
        self.append(self.by_hand(&self.people.node(x).name.clone(), x, y, false));
        self.rebuild_parted()?;
        self.settle();
        Ok(())
    }

    fn find_name(&self, name: &str) -> Result<NodeId, JoinError> {
        let by_id = || name.parse::<CustomerId>().ok().filter(|id| self.people.is_somebody(*id)).map(|id| id.0);
        self.people.look_up_node(name).or_else(by_id).ok_or_else(|| JoinError::Unknown(name.to_owned()))
    }

    /// The journal's note of a join or parting by hand. It is no event and belongs to nobody.
    fn by_hand(&self, name: &Arc<str>, a: NodeId, b: NodeId, joined: bool) -> Call {
        let what = if joined { "merge" } else { "unmerge" };
        let body = format!("{{\"by_hand\":\"{what}\",\"a\":{a},\"b\":{b}}}");
        let id = self.seen.id_of(&["by_hand", what, &a.to_string(), &b.to_string(), &self.position.0.to_string()]);
        Call {
            kind: CallKind::Alias,
            message_id: id.into(),
            user_id: Some(name.clone()),
            anonymous_id: None,
            other_id: None,
            event: None,
            timestamp: self.clock,
            received_at: self.clock,
            source: "perennial".into(),
            trust: Trust::Perennial,
            record: None,
            body: raw(body),
            context: None,
        }
    }

    /// Carries out a note of a join or parting by hand. Returns whether the call was one.
    pub(crate) fn take_by_hand(&mut self, call: &Call) -> bool {
        if !is_by_hand(call) {
            return false;
        }
        let body = call.body_value();
        let node = |key: &str| body.get(key)?.as_u64().and_then(|node| NodeId::try_from(node).ok());
        let (Some(a), Some(b)) = (node("a"), node("b")) else {
            return false;
        };
        let known = 1..=self.people.node_count();
        if !known.contains(&(a as usize)) || !known.contains(&(b as usize)) {
            return false;
        }
        if body.get("by_hand").and_then(|word| word.as_str()) == Some("merge") {
            if let Some((stays, goes)) = self.people.merge(a, b) {
                self.absorb(stays, goes);
            }
        } else if let Some(parts) = self.people.unmerge(a, b, call.timestamp) {
            // Their history is read once the calls that follow are in: the journal may be replaying.
            let whole = parts.iter().min().copied().unwrap_or(CustomerId(a));
            self.parted.extend(parts.into_iter().map(|part| (part, whole)));
        }
        true
    }

    /// Gives the state of one person to another. It holds for all of history: whoever was in a segment under either
    /// name was in it before, and does not enter it by the join.
    pub(crate) fn absorb(&mut self, stays: CustomerId, goes: CustomerId) {
        if let Some(mut gone) = self.customers.remove(goes) {
            let now = self.clock;
            self.timers.set(goes, None);
            let memberships: Vec<usize> = gone.memberships.all().collect();
            gone.memberships.clear();
            match self.customers.get_mut(stays) {
                Some(customer) => customer.absorb(gone, &self.plan, now),
                None => {
                    self.customers.insert(stays, gone);
                }
            }
            self.hand_over(&memberships, goes, false);
            self.hand_over(&memberships, stays, true);
        }
        self.work.touched.hand_over(goes, stays);
        self.work.touched.add(stays, Touch::all());
        self.rejoin_campaigns(stays, goes);
    }

    /// Notes whose endpoints a person's browsers have. Of those that went nothing is left.
    pub(crate) fn note_endpoints(&mut self, id: CustomerId) {
        let Some(browsers) = self.customers.get(id).and_then(|customer| customer.browsers.as_deref()) else { return };
        self.browser_owners.extend(browsers.endpoints().map(|endpoint| (endpoint.clone(), id)));
        for endpoint in browsers.went() {
            if self.browser_owners.get(endpoint) == Some(&id) {
                self.browser_owners.remove(endpoint);
            }
        }
    }

    /// Writes down that memberships begin or end for an id without anybody entering or leaving.
    fn hand_over(&mut self, segments: &[usize], id: CustomerId, entered: bool) {
        for index in segments {
            let changed =
                !entered || self.customers.get_mut(id).is_some_and(|customer| customer.memberships.join(*index));
            if changed {
                let segment = self.plan.segments[*index].name.clone();
                self.pending.transitions.push(Transition { segment, customer: id, at: self.clock, entered });
            }
        }
    }

    /// Has those rebuilt too who share a record with people that were parted while the journal was replayed: who named it
    /// first after the parting learned from somebody who had no state of their own yet.
    pub(crate) fn rebuild_beside_parted(&mut self) {
        if self.parted.is_empty() {
            return;
        }
        let parted: BTreeSet<CustomerId> = self.parted.keys().map(|part| self.person(*part)).collect();
        let beside = self.people.sharing.beside(&|node| parted.contains(&CustomerId(self.people.person(node))));
        for node in beside {
            let sharer = CustomerId(self.people.person(node));
            self.parted.entry(sharer).or_insert(sharer);
        }
    }

    /// Gives each part of people that were parted their own history again. O(their calls).
    pub(crate) fn rebuild_parted(&mut self) -> Result<(), StoreError> {
        let parted = std::mem::take(&mut self.parted);
        let wholes: BTreeMap<CustomerId, Vec<usize>> = parted
            .iter()
            .map(|(part, whole)| {
                (
                    *part,
                    self.customers.get(*whole).map(|customer| customer.memberships.all().collect()).unwrap_or_default(),
                )
            })
            .collect();
        let parts: BTreeSet<CustomerId> = parted.into_keys().map(|part| self.person(part)).collect();
        let now = self.clock;
        for part in parts {
            let past = self.history(part)?;
            let old = self.customers.remove(part);
            self.timers.set(part, None);
            let Some(exists) = exists_since(&past) else { continue };
            let mut customer = Customer::new(exists);
            for past in &past {
                apply(&self.plan, &mut customer, past, now);
            }
            let is_whole = old.is_some();
            customer.memberships = old.map(|old| old.memberships).unwrap_or_default();
            self.customers.insert(part, customer);
            self.note_endpoints(part);
            if !is_whole {
                // They were members as part of the whole: being parted is no entry.
                let whole = wholes.get(&part).cloned().unwrap_or_default();
                self.hand_over(&whole, part, true);
            }
            self.work.touched.add(part, Touch::all());
        }
        self.repart_campaigns();
        Ok(())
    }

    /// The history of one person, what waits for the commit included.
    pub fn history(&self, customer: CustomerId) -> Result<Vec<Past>, StoreError> {
        Ok(self.histories(self.reader.as_ref(), &[customer])?.remove(&customer).unwrap_or_default())
    }

    /// The histories of several people in order, what waits for the commit included; read through `reader`.
    pub(crate) fn histories(
        &self,
        reader: &dyn Reader,
        customers: &[CustomerId],
    ) -> Result<HashMap<CustomerId, Vec<Past>>, StoreError> {
        let committed = self.position.0 - self.pending.calls.len() as u64;
        let pending: Vec<(Position, Arc<Call>)> =
            (committed + 1..).map(Position).zip(self.pending.calls.iter().cloned()).collect();
        let mut histories = histories(reader, &self.people, customers, &pending)?;
        for past in histories.values_mut() {
            past.sort_by_key(|past| (past.call.timestamp, past.position));
        }
        Ok(histories)
    }
}

/// Raw JSON of a text that was just made as JSON.
pub(crate) fn raw(json: String) -> Arc<serde_json::value::RawValue> {
    let raw = serde_json::value::RawValue::from_string(json).unwrap_or_else(|_| {
        serde_json::value::RawValue::from_string("{}".to_owned()).expect("an empty object is JSON")
    });
    Arc::from(raw)
}
