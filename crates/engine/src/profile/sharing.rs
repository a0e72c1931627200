//! Which names share a record, so that a call about it reaches everybody who has it.

use crate::profile::identity::NodeId;
use domain::call::RecordPart;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// For each record, by kind and id, the names that ever spoke of it.
#[derive(Clone, Default, Debug, serde::Serialize, serde::Deserialize)]
pub struct Sharing {
    sharers: HashMap<Arc<str>, HashMap<Arc<str>, Vec<NodeId>>>,
}

impl Sharing {
    /// Notes that a name spoke of a record. Returns whether it did so for the first time.
    pub fn note(&mut self, part: &RecordPart, node: NodeId) -> bool {
        let records = match self.sharers.get_mut(&part.kind) {
            Some(records) => records,
            None => self.sharers.entry(part.kind.clone()).or_default(),
        };
        match records.get_mut(&part.id) {
            Some(nodes) if nodes.contains(&node) => false,
            Some(nodes) => {
                nodes.push(node);
                true
            }
            None => {
                records.insert(part.id.clone(), vec![node]);
                true
            }
        }
    }

    /// The names that ever spoke of a record of which one of these did too. O(records).
    pub fn beside(&self, is_one: &dyn Fn(NodeId) -> bool) -> BTreeSet<NodeId> {
        let records = self.sharers.values().flat_map(HashMap::values);
        let shared = records.filter(|nodes| nodes.len() > 1 && nodes.iter().any(|node| is_one(*node)));
        shared.flatten().copied().collect()
    }

    /// The names that ever spoke of a record.
    pub fn of(&self, kind: &str, id: &str) -> &[NodeId] {
        self.sharers.get(kind).and_then(|records| records.get(id)).map_or(&[], Vec::as_slice)
    }
}
