//! What can be worked out of a checked call before the writer takes it: its fingerprint, and the names it uses.
//! The writer is one thread and everything waits for it, so that what others can do is done by them.

use crate::dedupe::{Fingerprint, Fingerprinter};
use domain::{Call, CallKind};
use foldhash::quality::RandomState;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// The top-level keys of a call's properties or traits, in their order. Calls of one sender share them.
pub type Keys = Arc<[Box<str>]>;

/// Lists of keys that are remembered while the calls of one body are read: what one SDK sends has few.
const REMEMBERED: usize = 256;

/// A checked call with what was worked out beforehand.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The call.
    pub call: Arc<Call>,
    /// What tells it from others.
    pub fingerprint: Fingerprint,
    /// The names of its properties or traits.
    pub keys: Keys,
    /// Whether amounts of it are set apart.
    pub is_quarantined: bool,
}

/// Makes arrivals of calls that came together.
pub struct Arrivals {
    fingerprinter: Fingerprinter,
    hash: RandomState,
    remembered: HashMap<u64, Keys, RandomState>,
    /// The last context, and whether it sets amounts apart: calls of a body share it.
    context: Option<(Arc<RawValue>, bool)>,
}

impl Arrivals {
    /// None yet.
    pub fn new(fingerprinter: Fingerprinter) -> Arrivals {
        Arrivals { fingerprinter, hash: RandomState::default(), remembered: HashMap::default(), context: None }
    }

    /// What is worked out of a call. O(bytes of the call).
    pub fn of(&mut self, call: impl Into<Arc<Call>>) -> Arrival {
        let call = call.into();
        Arrival {
            fingerprint: self.fingerprinter.of(&call),
            keys: self.keys(&call),
            is_quarantined: self.is_quarantined(&call),
            call,
        }
    }

    fn is_quarantined(&mut self, call: &Call) -> bool {
        let Some(context) = &call.context else { return false };
        match &self.context {
            Some((last, is_quarantined)) if Arc::ptr_eq(last, context) => *is_quarantined,
            _ => {
                let is_quarantined = call.is_quarantined();
                self.context = Some((context.clone(), is_quarantined));
                is_quarantined
            }
        }
    }

    fn keys(&mut self, call: &Call) -> Keys {
        if !matches!(call.kind, CallKind::Track | CallKind::Page | CallKind::Screen | CallKind::Identify) {
            return Keys::default();
        }
        let mut hasher = self.hash.build_hasher();
        for key in top_level_keys(call.body.get()) {
            hasher.write(key.as_bytes());
            hasher.write_u8(0xff);
        }
        // Two lists with one hash would cost a wrong count in a list of names, once in 2^64.
        let hash = hasher.finish();
        if let Some(keys) = self.remembered.get(&hash) {
            return keys.clone();
        }
        let keys: Keys = top_level_keys(call.body.get()).map(|key| plain(key).into()).collect();
        if self.remembered.len() < REMEMBERED {
            self.remembered.insert(hash, keys.clone());
        }
        keys
    }
}

/// A key as it was meant: without its escapes.
fn plain(key: &str) -> Cow<'_, str> {
    if !key.contains('\\') {
        return Cow::Borrowed(key);
    }
    serde_json::from_str::<String>(&format!("\"{key}\"")).map_or(Cow::Borrowed(key), Cow::Owned)
}

/// The keys of an object that was checked, without their quotes.
fn top_level_keys(object: &str) -> impl Iterator<Item = &str> {
    let bytes = object.as_bytes();
    let (mut at, mut depth, mut is_key) = (0, 0_u32, false);
    std::iter::from_fn(move || {
        while let Some(byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    is_key = depth == 1;
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => is_key = depth == 1,
                b'"' => {
                    let begins = at;
                    at = end_of_text(bytes, begins);
                    let ends = at;
                    at += 1;
                    if std::mem::take(&mut is_key) {
                        return object.get(begins..ends);
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// Where the quote stands that closes a text which begins at `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let rest = bytes.get(at..).unwrap_or(&[]);
        match memchr::memchr2(b'"', b'\\', rest) {
            None => return bytes.len(),
            Some(found) if rest[found] == b'"' => return at + found,
            Some(found) => at += found + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(object: &str) -> Vec<String> {
        top_level_keys(object).map(|key| plain(key).into_owned()).collect()
    }

    #[test]
    fn the_names_at_the_top_are_found_whatever_the_values_look_like() {
        assert_eq!(keys("{}"), Vec::<String>::new());
        assert_eq!(
            keys(r#"{"a":1,"b":"x,\"y\":{","products":[{"sku":"t","n":[1,{"deep":2}]}], "c" : {"d":1} ,"last":null}"#),
            ["a", "b", "products", "c", "last"]
        );
        assert_eq!(keys(r#"{"tab\tbed":"\\","caf\u00e9":"\\\""}"#), ["tab\tbed", "café"]);
        // Never asked for anything but a checked object; it must come to an end all the same.
        for odd in ["", "\"", "{\"", "{\"a", "[[[", "}{", "{\"a\\", "{\"a\":\"\\"] {
            let _ = keys(odd);
        }
    }
}
