//! Who is who, read from all calls in order: names, and the joins that make several names one person.

use domain::CustomerId;
use domain::call::{Call, CallKind, Trust};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Names and joins, read from all calls in order.
#[derive(Default)]
struct Names {
    /// Whether each name is a userId. Their numbers are from 1, in the order in which they were first seen.
    is_user: Vec<bool>,
    current: HashMap<(bool, String), u32>,
    promised: BTreeMap<String, u32>,
    /// Pairs of names that are one person, and whether by hand.
    joins: Vec<(u32, u32, bool)>,
}

/// For each call the person it belongs to, and for each name the person it means today.
pub(super) fn owners(calls: &[Arc<Call>]) -> (Vec<Option<CustomerId>>, Vec<CustomerId>) {
    let mut names = Names::default();
    let nodes: Vec<Option<u32>> = calls.iter().map(|call| names.take(call)).collect();
    let person = |node: u32| CustomerId(names.everybody(node)[0]);
    let all = (1..).take(names.is_user.len()).map(person).collect();
    (nodes.into_iter().map(|node| node.map(person)).collect(), all)
}

impl Names {
    /// Reads one call; returns the name it belongs to.
    fn take(&mut self, call: &Call) -> Option<u32> {
        if call.kind == CallKind::Alias && call.trust == Trust::Perennial {
            self.by_hand(&call.body_value());
            return None;
        }
        let (user, visitor) = (call.user_id.as_deref(), call.anonymous_id.as_deref());
        let Some(user) = user else { return visitor.map(|visitor| self.name(false, visitor)) };
        let own = self.name(true, user);
        match (call.kind, visitor, call.other_id.as_deref()) {
            (CallKind::Identify, Some(visitor), _) => self.join_visitor(visitor, own),
            (CallKind::Alias, _, Some(previous)) => {
                let trusted = call.trust != Trust::Browser;
                let is_new = !self.current.contains_key(&(false, previous.to_owned()));
                match self.current.get(&(true, previous.to_owned())).copied() {
                    Some(other) if trusted => self.join(other, own, false),
                    Some(_) => {}
                    None => {
                        self.join_visitor(previous, own);
                        if trusted && is_new {
                            self.promised.insert(previous.to_owned(), own);
                        }
                    }
                }
            }
            _ => {}
        }
        Some(own)
    }

    fn name(&mut self, is_user: bool, name: &str) -> u32 {
        if let Some(known) = self.current.get(&(is_user, name.to_owned())) {
            return *known;
        }
        let fresh = self.fresh(is_user, name);
        if is_user && let Some(other) = self.promised.remove(name) {
            self.join(other, fresh, false);
        }
        fresh
    }

    fn fresh(&mut self, is_user: bool, name: &str) -> u32 {
        self.is_user.push(is_user);
        let number = u32::try_from(self.is_user.len()).expect("a test has few names");
        self.current.insert((is_user, name.to_owned()), number);
        number
    }

    fn join_visitor(&mut self, visitor: &str, user: u32) {
        let known = self.name(false, visitor);
        // What calls join does not depend on merges by hand: those can be undone as if they had not been.
        if self.joined_by_calls(known).contains(&user) {
            return;
        }
        let is_taken = self.joined_by_calls(known).iter().any(|name| self.is_user[*name as usize - 1]);
        let own = if is_taken { self.fresh(false, visitor) } else { known };
        self.join(own, user, false);
    }

    fn join(&mut self, a: u32, b: u32, by_hand: bool) {
        let joined = if by_hand { self.everybody(a) } else { self.joined_by_calls(a) };
        if !joined.contains(&b) {
            self.joins.push((a, b, by_hand));
        }
    }

    /// All names of the person of a name, the oldest first.
    fn everybody(&self, name: u32) -> Vec<u32> {
        reached(name, &self.joins)
    }

    /// The names that are one with a name by calls alone.
    fn joined_by_calls(&self, name: u32) -> Vec<u32> {
        let joins: Vec<(u32, u32, bool)> = self.joins.iter().filter(|join| !join.2).copied().collect();
        reached(name, &joins)
    }

    fn by_hand(&mut self, body: &Value) {
        let name = |key: &str| u32::try_from(body[key].as_u64().unwrap_or_default()).unwrap_or_default();
        let (a, b) = (name("a"), name("b"));
        if body["by_hand"] == "merge" {
            self.join(a, b, true);
            return;
        }
        // Joins are made once more, those by hand last, without those by which one would come to be the other.
        let (by_hand, by_calls): (Vec<_>, Vec<_>) = self.joins.iter().partition(|join| join.2);
        let mut kept = Vec::new();
        for join in by_calls.into_iter().chain(by_hand) {
            kept.push(join);
            if reached(a, &kept).contains(&b) {
                kept.pop();
            }
        }
        self.joins.retain(|join| kept.contains(join));
    }
}

/// All names to which joins lead from one, the oldest first.
fn reached(name: u32, joins: &[(u32, u32, bool)]) -> Vec<u32> {
    let mut found = BTreeSet::from([name]);
    loop {
        let before = found.len();
        for (a, b, _) in joins {
            if found.contains(a) || found.contains(b) {
                found.extend([*a, *b]);
            }
        }
        if found.len() == before {
            return found.into_iter().collect();
        }
    }
}
