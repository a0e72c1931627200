//! Identity resolution: which calls belong to which person.
//!
//! Every name under which somebody was seen is a node; joins are edges between nodes; a person is a
//! connected set of nodes and bears the id of its oldest node. An anonymous name that is later used by a
//! second known customer gets a second node: earlier calls stay where they were.

use crate::profile::records::By;
use crate::profile::sharing::Sharing;
use crate::state::HashMap;
use domain::{Call, CallKind, CustomerId, Position, Timestamp, Trust};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::ErasedName;

/// The number of a name, from 1, in the order in which names were first seen.
pub type NodeId = u32;

/// Which space a name lives in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub enum NameKind {
    /// A userId.
    User,
    /// An anonymousId.
    Visitor,
}

/// One name.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Node {
    /// Its space.
    pub kind: NameKind,
    /// The name as sent.
    pub name: Arc<str>,
    /// The oldest node of the person.
    pub person: NodeId,
    /// Journal rows that hold calls of this node, ascending.
    pub rows: Vec<u32>,
    /// The last of them; 0: none. Beside the list, so that asking whether it is there costs no look into it.
    last_row: u32,
}

/// Why two nodes are one person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum JoinedBy {
    /// `identify` with both ids.
    Identify,
    /// `alias`.
    Alias,
    /// A person, on the page or the command line.
    Hand,
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Edge {
    a: NodeId,
    b: NodeId,
    by: JoinedBy,
}

/// What a call did to identities.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The node that the call belongs to.
    pub node: NodeId,
    /// Nodes that were seen for the first time.
    pub is_new: bool,
    /// People that became one: (the one that stays, the one that went).
    pub joined: Vec<(CustomerId, CustomerId)>,
}

/// A join that is not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JoinRefused {
    /// A browser key tried to join two known customers.
    #[error("a browser key cannot join two known customers: send this alias with a server key")]
    NeedsServerKey,
}

/// Whether a call is the journal's note of a join or parting by hand: no event, and nobody's.
pub fn is_by_hand(call: &Call) -> bool {
    call.kind == CallKind::Alias && call.trust == Trust::Perennial
}

/// The nodes of a name, each with the position from which the name stands for it. Almost every name has one.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Named {
    first: (Position, NodeId),
    later: Vec<(Position, NodeId)>,
}

impl Named {
    fn latest(&self) -> NodeId {
        self.later.last().unwrap_or(&self.first).1
    }

    /// The node at a position of the journal; before the first it is the first.
    fn at(&self, at: Position) -> NodeId {
        self.later.iter().rev().find(|(from, _)| *from <= at).unwrap_or(&self.first).1
    }
}

/// All names and people.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct People {
    /// Node i stands at i - 1.
    nodes: Vec<Node>,
    #[serde(deserialize_with = "crate::snapshot::with_room")]
    users: HashMap<Arc<str>, Named>,
    #[serde(deserialize_with = "crate::snapshot::with_room")]
    visitors: HashMap<Arc<str>, Named>,
    edges: Vec<Edge>,
    /// Of people who were merged by hand: which of their names would be one without that, each by its group's oldest.
    apart: BTreeMap<NodeId, NodeId>,
    /// Nodes of people with more than one.
    members: HashMap<NodeId, Vec<NodeId>>,
    /// Names that an alias joined before they were ever seen as a userId.
    promised: HashMap<Arc<str>, NodeId>,
    /// Who shares which record.
    pub(crate) sharing: Sharing,
    /// How often people were parted since the start.
    partings: u64,
    /// Names that were one person until they were parted, and when.
    parted: Vec<(BTreeSet<NodeId>, Timestamp)>,
    /// Names that were erased, by number. Calls bear a token in their place, so that everybody else's numbers and joins
    /// come about as they did.
    erased: BTreeMap<NodeId, ErasedName>,
}

/// What people are shown in the place of a name that was erased.
const ERASED: &str = "(erased)";
/// How the token of an erased name begins. Nobody can send it: names with control characters are refused.
const TOKEN: char = '\u{1}';

/// What stands in calls in the place of a name that was erased.
pub(crate) fn token(node: NodeId) -> Arc<str> {
    format!("{TOKEN}{node}").into()
}

impl People {
    /// Nobody yet, but for those who were erased.
    pub fn with_erased(erased: Vec<ErasedName>) -> People {
        let erased = erased.into_iter().map(|name| (name.number, name)).collect();
        People { erased, ..People::default() }
    }

    /// The same names, numbers and joins, as known before the first call: nobody has a row of the journal or shares a record.
    pub fn without_calls(&self) -> People {
        let nodes = self.nodes.iter().map(|node| Node { rows: Vec::new(), last_row: 0, ..node.clone() }).collect();
        People {
            nodes,
            users: self.users.clone(),
            visitors: self.visitors.clone(),
            edges: self.edges.clone(),
            apart: self.apart.clone(),
            members: self.members.clone(),
            promised: self.promised.clone(),
            sharing: Sharing::default(),
            partings: 0,
            parted: Vec::new(),
            erased: self.erased.clone(),
        }
    }

    /// The known customer of the same name as a visitor whom only an alias had named until then.
    pub(crate) fn came_as(&self, node: NodeId) -> Option<NodeId> {
        let Node { kind: NameKind::Visitor, name, .. } = self.node(node) else { return None };
        let is_one = self.visitors.get(name).is_some_and(|named| named.later.is_empty());
        self.users.get(name).filter(|named| is_one && named.later.is_empty()).map(|named| named.first.1)
    }

    /// Whether somebody was erased whose name others bear.
    pub(crate) fn left_a_name(&self, node: NodeId) -> bool {
        self.erased.get(&node).is_some_and(|name| name.shared.is_some())
    }

    /// Names that were erased, by number.
    pub fn erased(&self) -> Vec<ErasedName> {
        self.erased.values().cloned().collect()
    }

    /// Those that are erased once these names are too. A name that somebody else bears as well stays known as theirs.
    pub fn erased_with(&self, nodes: &BTreeSet<NodeId>, at: Timestamp) -> Vec<ErasedName> {
        let is_gone = |node: NodeId| nodes.contains(&node) || self.erased.contains_key(&node);
        let mut erased = self.erased.clone();
        for node in nodes {
            erased.insert(*node, ErasedName { number: *node, at, shared: None });
        }
        for (name, named) in self.visitors.iter().filter(|(name, _)| !name.starts_with(TOKEN)) {
            let all = || std::iter::once(&named.first).chain(&named.later);
            let is_shared = all().any(|(_, node)| !is_gone(*node));
            for (from, node) in all() {
                if let Some(erased) = erased.get_mut(node) {
                    erased.shared = is_shared.then(|| (name.clone(), *from));
                }
            }
        }
        erased.into_values().collect()
    }

    /// Names of others that were one with some of these until they were parted, each with the last instant of that: what
    /// was written down of them before may speak of both.
    pub fn parted_from(&self, nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, Timestamp> {
        let mut others: BTreeMap<NodeId, Timestamp> = BTreeMap::new();
        for (whole, at) in self.parted.iter().filter(|(whole, _)| !whole.is_disjoint(nodes)) {
            for node in whole.difference(nodes) {
                let until = others.entry(*node).or_insert(*at);
                *until = (*until).max(*at);
            }
        }
        others
    }

    /// The number of the next new name.
    fn next_node(&self) -> NodeId {
        NodeId::try_from(self.nodes.len() + 1).expect("fewer than 4 billion names: a position counts them")
    }

    /// Whether an id is that of a person, or of a name of theirs: known, and not erased.
    pub fn is_somebody(&self, id: CustomerId) -> bool {
        (1..=self.nodes.len()).contains(&(id.0 as usize)) && !self.erased.contains_key(&id.0)
    }

    /// Checks whether a call may join what it asks to join. Asked before the call is accepted.
    pub fn may_join(&self, call: &Call) -> Result<(), JoinRefused> {
        if call.kind != CallKind::Alias || call.trust != Trust::Browser {
            return Ok(());
        }
        let (Some(user), Some(previous)) = (&call.user_id, &call.other_id) else {
            return Ok(());
        };
        let known = |name: &Arc<str>| self.find(NameKind::User, name);
        match (known(previous), known(user)) {
            (Some(a), Some(b)) if self.person(a) == self.person(b) => Ok(()),
            (Some(_), _) => Err(JoinRefused::NeedsServerKey),
            _ => Ok(()),
        }
    }

    /// Finds or makes the node of a call at its position, and joins what the call joins.
    /// None for a call without any id, which ingest refuses.
    pub fn resolve(&mut self, call: &Call, at: Position) -> Option<Resolved> {
        let mut joined = Vec::new();
        let before = self.nodes.len();
        let node = match (&call.user_id, &call.anonymous_id) {
            (Some(user), visitor) => {
                let node = self.node_of(NameKind::User, user, at, &mut joined);
                match (call.kind, visitor, &call.other_id) {
                    (CallKind::Identify, Some(visitor), _) => {
                        self.join_visitor(visitor, node, at, JoinedBy::Identify, &mut joined)
                    }
                    (CallKind::Alias, _, Some(previous)) => self.alias(previous, node, at, call.trust, &mut joined),
                    _ => {}
                }
                node
            }
            (None, Some(visitor)) => self.node_of(NameKind::Visitor, visitor, at, &mut joined),
            (None, None) => return None,
        };
        Some(Resolved { node, is_new: self.nodes.len() > before, joined })
    }

    fn node_of(
        &mut self,
        kind: NameKind,
        name: &Arc<str>,
        at: Position,
        joined: &mut Vec<(CustomerId, CustomerId)>,
    ) -> NodeId {
        // Who uses the name of somebody who was erased is somebody new.
        if let Some(node) = self.find(kind, name)
            && (!self.erased.contains_key(&node) || name.starts_with(TOKEN))
        {
            return node;
        }
        let node = self.add(kind, name, at);
        if kind == NameKind::User
            && let Some(promised) = self.promised.remove(name)
            && (!self.erased.contains_key(&promised) || name.starts_with(TOKEN))
        {
            self.join(promised, node, JoinedBy::Alias, joined);
        }
        node
    }

    fn add(&mut self, kind: NameKind, name: &Arc<str>, at: Position) -> NodeId {
        let node = self.next_node();
        self.nodes.push(Node { kind, name: name.clone(), person: node, rows: Vec::new(), last_row: 0 });
        self.bear(kind, name, at, node);
        let Some(erased) = self.erased.get(&node) else { return node };
        if let Some((name, _)) = erased.shared.clone() {
            self.bear(NameKind::Visitor, &name, at, node);
        }
        if !name.starts_with(TOKEN) {
            // An alias gave it a name that somebody else came by; their own calls bear the token.
            self.bear(kind, &token(node), at, node);
        }
        node
    }

    /// From a position on a name stands for a node.
    fn bear(&mut self, kind: NameKind, name: &Arc<str>, at: Position, node: NodeId) {
        let names = match kind {
            NameKind::User => &mut self.users,
            NameKind::Visitor => &mut self.visitors,
        };
        match names.entry(name.clone()) {
            Entry::Occupied(mut known) => known.get_mut().later.push((at, node)),
            Entry::Vacant(free) => {
                free.insert(Named { first: (at, node), later: Vec::new() });
            }
        }
    }

    /// Joins a visitor's name to a known customer, unless it already stands for another one:
    /// then it stands for this one from here on, and earlier calls stay.
    fn join_visitor(
        &mut self,
        visitor: &Arc<str>,
        user: NodeId,
        at: Position,
        by: JoinedBy,
        joined: &mut Vec<(CustomerId, CustomerId)>,
    ) {
        let node = self.node_of(NameKind::Visitor, visitor, at, joined);
        // A merge by hand can be undone "as if it had not been": what calls join does not depend on it.
        let own = self.own(node);
        if own == self.own(user) {
            return;
        }
        let all = self.nodes_of(self.person(node));
        let taken = all.iter().any(|other| self.own(*other) == own && self.node(*other).kind == NameKind::User);
        let node = if taken { self.add(NameKind::Visitor, visitor, at) } else { node };
        self.join(node, user, by, joined);
    }

    fn alias(
        &mut self,
        previous: &Arc<str>,
        user: NodeId,
        at: Position,
        trust: Trust,
        joined: &mut Vec<(CustomerId, CustomerId)>,
    ) {
        match self.find(NameKind::User, previous) {
            Some(known) if trust != Trust::Browser => self.join(known, user, JoinedBy::Alias, joined),
            // A browser's alias of two known customers was refused before.
            Some(_) => {}
            None => {
                let unseen = self.find(NameKind::Visitor, previous).is_none();
                self.join_visitor(previous, user, at, JoinedBy::Alias, joined);
                if unseen && trust != Trust::Browser {
                    self.promised.insert(previous.clone(), user);
                }
            }
        }
    }

    /// The oldest of the names that would be one with a name without merges by hand.
    fn own(&self, node: NodeId) -> NodeId {
        self.apart.get(&node).copied().unwrap_or_else(|| self.person(node))
    }

    fn join(&mut self, a: NodeId, b: NodeId, by: JoinedBy, joined: &mut Vec<(CustomerId, CustomerId)>) {
        let (x, y) = (self.node(a).person, self.node(b).person);
        let (p, q) = (self.own(a), self.own(b));
        if if by == JoinedBy::Hand { x == y } else { p == q } {
            // Kept out, so that a client that repeats its alias does not fill the memory.
            return;
        }
        self.edges.push(Edge { a, b, by });
        if by == JoinedBy::Hand || self.apart.contains_key(&a) || self.apart.contains_key(&b) {
            let both: BTreeSet<NodeId> = self.nodes_of(x).into_iter().chain(self.nodes_of(y)).collect();
            let is_one = |own: NodeId| by != JoinedBy::Hand && (own == p || own == q);
            let all = both.into_iter().map(|node| (node, self.own(node)));
            let apart: Vec<(NodeId, NodeId)> =
                all.map(|(node, own)| (node, if is_one(own) { p.min(q) } else { own })).collect();
            self.apart.extend(apart);
        }
        if x == y {
            return;
        }
        let (stays, goes) = (x.min(y), x.max(y));
        let moved = self.members.remove(&goes).unwrap_or_else(|| vec![goes]);
        for node in &moved {
            self.nodes[*node as usize - 1].person = stays;
        }
        self.members.entry(stays).or_insert_with(|| vec![stays]).extend(moved);
        joined.push((CustomerId(stays), CustomerId(goes)));
    }

    /// Joins the people of two names by hand. Returns (stays, goes), or none if they are one already.
    pub fn merge(&mut self, a: NodeId, b: NodeId) -> Option<(CustomerId, CustomerId)> {
        let mut joined = Vec::new();
        self.join(a, b, JoinedBy::Hand, &mut joined);
        joined.pop()
    }

    /// Parts two names again by taking back the joins that make them one, the latest first, joins by hand
    /// before others. Returns the people that the one person became, or none if they were not one. O(all joins).
    pub fn unmerge(&mut self, a: NodeId, b: NodeId, at: Timestamp) -> Option<Vec<CustomerId>> {
        let person = self.node(a).person;
        if self.node(b).person != person || a == b {
            return None;
        }
        self.partings += 1;
        let nodes = self.nodes_of(person);
        self.parted.push((nodes.iter().copied().collect(), at));
        // Joins are made once more, those by hand after the others, each in the order it came about, but for those that
        // would make the two one.
        let mut order: Vec<usize> = (0..self.edges.len()).filter(|i| self.person(self.edges[*i].a) == person).collect();
        order.sort_by_key(|index| self.edges[*index].by == JoinedBy::Hand);
        let mut groups = Groups::new(&nodes);
        let mut taken_back = BTreeSet::new();
        for index in order {
            let edge = self.edges[index];
            let (one, other) = (groups.of(edge.a), groups.of(edge.b));
            let (a, b) = (groups.of(a), groups.of(b));
            if (one, other) == (a, b) || (one, other) == (b, a) {
                taken_back.insert(index);
            } else {
                groups.join(edge.a, edge.b);
            }
        }
        let mut index = 0..self.edges.len();
        self.edges.retain(|_| index.next().is_none_or(|index| !taken_back.contains(&index)));
        Some(self.regroup(person))
    }

    /// How often people were parted since the start: as long as it stays, people only grow together.
    pub fn partings(&self) -> u64 {
        self.partings
    }

    /// Gives the nodes of a person to the people that their edges make. O(all joins).
    fn regroup(&mut self, person: NodeId) -> Vec<CustomerId> {
        let nodes = self.nodes_of(person);
        self.members.remove(&person);
        let (mut groups, mut own) = (Groups::new(&nodes), Groups::new(&nodes));
        let mut merged = BTreeSet::new();
        for edge in self.edges.iter().filter(|edge| self.nodes[edge.a as usize - 1].person == person) {
            groups.join(edge.a, edge.b);
            match edge.by {
                JoinedBy::Hand => {
                    merged.insert(edge.a);
                }
                JoinedBy::Identify | JoinedBy::Alias => own.join(edge.a, edge.b),
            }
        }
        let merged: BTreeSet<NodeId> = merged.into_iter().map(|node| groups.of(node)).collect();
        let mut people: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for node in nodes {
            let oldest = groups.of(node);
            self.nodes[node as usize - 1].person = oldest;
            people.entry(oldest).or_default().push(node);
            if merged.contains(&oldest) {
                self.apart.insert(node, own.of(node));
            } else {
                self.apart.remove(&node);
            }
        }
        let ids = people.keys().copied().map(CustomerId).collect();
        self.members.extend(people.into_iter().filter(|(_, group)| group.len() > 1));
        ids
    }

    /// The node that a name stands for now.
    pub fn find(&self, kind: NameKind, name: &str) -> Option<NodeId> {
        self.named(kind, name).map(Named::latest)
    }

    fn named(&self, kind: NameKind, name: &str) -> Option<&Named> {
        match kind {
            NameKind::User => self.users.get(name),
            NameKind::Visitor => self.visitors.get(name),
        }
    }

    /// The node that a name stood for at a position of the journal.
    pub(crate) fn find_at(&self, kind: NameKind, name: &Arc<str>, at: Position) -> Option<NodeId> {
        self.named(kind, name).map(|named| named.at(at))
    }

    /// The person to whom a call at a position belongs, by today's identities.
    pub fn owner(&self, call: &Call, at: Position) -> Option<CustomerId> {
        if is_by_hand(call) || call.emptied_mark().is_some() {
            return None;
        }
        let node = match (&call.user_id, &call.anonymous_id) {
            (Some(user), _) => self.find_at(NameKind::User, user, at)?,
            (None, Some(visitor)) => self.find_at(NameKind::Visitor, visitor, at)?,
            (None, None) => return None,
        };
        Some(CustomerId(self.node(node).person))
    }

    /// Everybody whose state a call changes: its owner, and of a record the others who share it.
    pub fn concerned(&self, call: &Call, at: Position) -> Vec<(CustomerId, By)> {
        let Some(owner) = self.owner(call, at) else { return Vec::new() };
        let mut concerned = vec![(owner, By::Self_)];
        for node in call.record.iter().flat_map(|part| self.sharing.of(&part.kind, &part.id)) {
            let sharer = CustomerId(self.person(*node));
            if concerned.iter().all(|(known, _)| *known != sharer) {
                concerned.push((sharer, By::Sharer));
            }
        }
        concerned
    }

    /// The node that a call would belong to now, if its name is known.
    pub(crate) fn node_now(&self, call: &Call) -> Option<NodeId> {
        match (&call.user_id, &call.anonymous_id) {
            (Some(user), _) => self.find(NameKind::User, user),
            (None, Some(visitor)) => self.find(NameKind::Visitor, visitor),
            (None, None) => None,
        }
    }

    /// The node to which a call at a position belongs. Unlike the owner it never changes.
    pub fn node_at(&self, call: &Call, at: Position) -> Option<NodeId> {
        match (&call.user_id, &call.anonymous_id) {
            (Some(user), _) => self.find_at(NameKind::User, user, at),
            (None, Some(visitor)) => self.find_at(NameKind::Visitor, visitor, at),
            (None, None) => None,
        }
    }

    /// The node that an alias at a position joined to its userId: a known customer's, else a visitor's.
    pub(crate) fn previous_at(&self, name: &Arc<str>, at: Position) -> Option<NodeId> {
        let user = self.users.get(name).filter(|named| named.first.0 <= at).map(|named| named.at(at));
        user.or_else(|| self.find_at(NameKind::Visitor, name, at))
    }

    /// Finds a person by internal id, userId or anonymousId, in the order userId, anonymousId, id.
    pub fn look_up(&self, name: &str) -> Option<CustomerId> {
        let by_name = self.find(NameKind::User, name).or_else(|| self.find(NameKind::Visitor, name));
        if let Some(node) = by_name {
            return Some(CustomerId(self.person(node)));
        }
        let id: CustomerId = name.parse().ok()?;
        self.is_somebody(id).then(|| CustomerId(self.person(id.0)))
    }

    /// The node by name alone, in the order userId, anonymousId.
    pub fn look_up_node(&self, name: &str) -> Option<NodeId> {
        self.find(NameKind::User, name).or_else(|| self.find(NameKind::Visitor, name))
    }

    /// A node by its number.
    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize - 1]
    }

    /// The person of a node, as the number of the oldest node.
    pub fn person(&self, node: NodeId) -> NodeId {
        self.node(node).person
    }

    /// The person of each name, by the name's number; at 0, which is no number, stands 0.
    pub fn persons(&self) -> Vec<NodeId> {
        std::iter::once(0).chain(self.nodes.iter().map(|node| node.person)).collect()
    }

    /// Notes that a journal row holds a call of a node.
    pub fn note_row(&mut self, node: NodeId, row: u32) {
        let node = &mut self.nodes[node as usize - 1];
        if node.last_row != row {
            node.last_row = row;
            node.rows.push(row);
        }
    }

    /// The nodes of a person, the oldest first.
    pub fn nodes_of(&self, person: NodeId) -> Vec<NodeId> {
        let mut nodes = self.members.get(&person).cloned().unwrap_or_else(|| vec![person]);
        nodes.sort_unstable();
        nodes
    }

    /// Journal rows that hold calls of a person, ascending and distinct.
    pub fn rows_of(&self, customer: CustomerId) -> Vec<u32> {
        let nodes = self.nodes_of(customer.0);
        let mut rows: Vec<u32> = nodes.iter().flat_map(|node| self.node(*node).rows.iter().copied()).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// A person's name: the userId first seen, else the oldest anonymousId.
    pub fn name_of(&self, customer: CustomerId) -> Arc<str> {
        let nodes = self.nodes_of(customer.0);
        let user = nodes.iter().find(|node| self.node(**node).kind == NameKind::User);
        let node = user.or(nodes.first()).copied().unwrap_or(customer.0);
        let name = &self.node(node).name;
        if self.erased.contains_key(&node) || name.starts_with(TOKEN) { ERASED.into() } else { name.clone() }
    }

    /// Whether a person has a userId.
    pub fn is_known(&self, customer: CustomerId) -> bool {
        self.nodes_of(customer.0).iter().any(|node| self.node(*node).kind == NameKind::User)
    }

    /// Number of names ever seen.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Every person, the oldest first.
    pub fn everyone(&self) -> impl Iterator<Item = CustomerId> + '_ {
        self.nodes
            .iter()
            .enumerate()
            .filter(|(index, node)| node.person as usize == index + 1 && !self.erased.contains_key(&node.person))
            .map(|(_, node)| CustomerId(node.person))
    }

    /// Pairs of names joined, with why, for the customer's page.
    pub fn joins_of(&self, customer: CustomerId) -> Vec<(NodeId, NodeId, JoinedBy)> {
        let nodes: BTreeSet<NodeId> = self.nodes_of(customer.0).into_iter().collect();
        self.edges.iter().filter(|edge| nodes.contains(&edge.a)).map(|edge| (edge.a, edge.b, edge.by)).collect()
    }
}

/// Nodes that are one, each group by its oldest.
struct Groups(BTreeMap<NodeId, NodeId>);

impl Groups {
    fn new(nodes: &[NodeId]) -> Groups {
        Groups(nodes.iter().map(|node| (*node, *node)).collect())
    }

    fn of(&self, node: NodeId) -> NodeId {
        let mut at = node;
        while let Some(older) = self.0.get(&at).filter(|older| **older != at) {
            at = *older;
        }
        at
    }

    fn join(&mut self, a: NodeId, b: NodeId) {
        let (a, b) = (self.of(a), self.of(b));
        self.0.insert(a.max(b), a.min(b));
    }
}
