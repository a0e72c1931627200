//! Makes and reads write keys: `pk_` (browser) or `sk_` (server), an id, a secret.

use domain::{Timestamp, Trust};
use sha2::{Digest, Sha256};
use store::Key;

/// A key just made: the text is shown once.
pub struct FreshKey {
    /// What the sender uses.
    pub text: String,
    /// What is kept.
    pub key: Key,
}

/// Makes a key of 160 random bits.
pub fn make(trust: Trust, source: &str, now: Timestamp) -> Result<FreshKey, getrandom::Error> {
    let mut random = [0_u8; 26];
    getrandom::fill(&mut random)?;
    let letters: String =
        random.iter().map(|byte| char::from(b"abcdefghijkmnpqrstuvwxyz23456789"[usize::from(byte % 32)])).collect();
    let (id, secret) = letters.split_at(6);
    let kind = if trust == Trust::Browser { "pk" } else { "sk" };
    let id = format!("{kind}_{id}");
    let text = format!("{id}_{secret}");
    let key = Key { hash: hash(&text), id, trust, source: source.to_owned(), created_at: now, revoked_at: None };
    Ok(FreshKey { text, key })
}

/// The id within a key's text.
pub fn id_of(text: &str) -> Option<&str> {
    let end = text.rfind('_')?;
    text.get(..end).filter(|id| id.len() == 9)
}

/// SHA-256 of a key's text.
pub fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_carries_its_id_and_is_kept_as_a_hash_only() {
        let fresh = make(Trust::Server, "shop", Timestamp(0)).unwrap();
        assert!(fresh.text.starts_with("sk_"));
        assert_eq!(id_of(&fresh.text), Some(fresh.key.id.as_str()));
        assert_eq!(hash(&fresh.text), fresh.key.hash);
        assert!(!format!("{:?}", fresh.key).contains(&fresh.text));
        assert_eq!(id_of("wk_test"), None);
    }
}
