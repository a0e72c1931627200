//! Write keys: who may send what. The key itself is shown once; its hash is kept.

use crate::state::Engine;
use domain::{Source, Timestamp};
use store::Key;

impl Engine {
    /// All keys, revoked ones too, by id.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.values()
    }

    /// The source of the key with this hash, if it is not revoked. O(log keys): the id is part of the key.
    pub fn source_of_key(&self, id: &str, hash: &[u8]) -> Option<Source> {
        let key = self.keys.get(id)?;
        // Both are SHA-256 of long random texts: what a comparison's time would tell is of no use.
        (key.revoked_at.is_none() && key.hash == hash).then(|| Source::new(&key.source, key.trust))
    }

    /// Adds a key.
    pub fn add_key(&mut self, key: Key) {
        self.pending.keys.push(key.clone());
        self.keys.insert(key.id.clone(), key);
    }

    /// Revokes a key. Returns whether there was one in force.
    pub fn revoke_key(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(key) = self.keys.get_mut(id).filter(|key| key.revoked_at.is_none()) else {
            return false;
        };
        key.revoked_at = Some(now);
        self.pending.keys.push(key.clone());
        true
    }
}
