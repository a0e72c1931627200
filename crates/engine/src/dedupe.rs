//! Which messageIds were accepted: 96 bits of keyed hashes in memory, rebuilt from the journal at start.
//!
//! About 20 bytes an event; kept for ever, which is more than the thirty days that are promised. Of a billion ids the chance
//! that any two share their bits is one in a hundred billion (n²/2⁹⁷).

use domain::Call;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What is known of a messageId.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Never seen.
    No,
    /// Accepted before with the same content.
    Same,
    /// Accepted before with other content: the first counts.
    Differs,
}

/// What tells one call from another: keyed hashes of its messageId and of its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    id: u128,
    // 32 bits tell a changed content apart well enough to be counted.
    content: u32,
}

impl Fingerprint {
    /// It in words, to stand in the place of the call.
    pub(crate) fn mark(self) -> String {
        format!("{:032x}{:08x}", self.id, self.content)
    }

    fn of_mark(mark: &str) -> Option<Fingerprint> {
        let (id, content) = mark.split_at_checked(32)?;
        Some(Fingerprint { id: u128::from_str_radix(id, 16).ok()?, content: u32::from_str_radix(content, 16).ok()? })
    }
}

/// Makes fingerprints, on whichever thread has the time.
#[derive(Clone, Copy, Default)]
pub struct Fingerprinter {
    /// Secret, so that nobody can make two ids collide.
    key: [u8; 16],
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprinter(***)")
    }
}

impl Fingerprinter {
    /// The fingerprint of a call. O(bytes of the call).
    pub fn of(&self, call: &Call) -> Fingerprint {
        if let Some(fingerprint) = call.emptied_mark().and_then(Fingerprint::of_mark) {
            return fingerprint;
        }
        Fingerprint { id: self.id_hash(&call.message_id), content: self.content_hash(call) }
    }

    /// The keyed hash of a messageId.
    pub(crate) fn id_hash(&self, id: &str) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(id.as_bytes());
        hasher.finish128().as_u128()
    }

    fn content_hash(&self, call: &Call) -> u32 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_key(&self.key);
        hasher.write(call.kind.word().as_bytes());
        for part in [&call.user_id, &call.anonymous_id, &call.other_id, &call.event] {
            hasher.write(part.as_deref().unwrap_or("").as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.write(call.body.get().as_bytes());
        u32::try_from(hasher.finish() & 0xffff_ffff).expect("the low half fits")
    }
}

/// What is kept of a messageId's hash: with the hash of the content it fills sixteen bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Id([u32; 3]);

impl Id {
    fn of(hash: u128) -> Id {
        let [bytes @ .., _, _, _, _] = hash.to_le_bytes();
        Id::of_bytes(bytes)
    }

    fn of_bytes([a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]) -> Id {
        Id([[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes))
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, high, _] = self.0;
        state.write_u64(u64::from(high) << 32 | u64::from(low));
    }
}

/// Takes 64 bits of a key that is a keyed hash already.
#[derive(Clone, Copy, Default, Debug)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Bytes of an id in a snapshot.
const ENTRY: usize = 16;

/// The ids accepted so far.
#[derive(Clone, Default, Debug)]
pub struct Seen {
    fingerprinter: Fingerprinter,
    ids: HashMap<Id, u32, BuildHasherDefault<AlreadyHashed>>,
}

impl Seen {
    /// An empty set with a secret key.
    pub fn new(key: [u8; 16]) -> Seen {
        Seen { fingerprinter: Fingerprinter { key }, ids: HashMap::default() }
    }

    /// Another one with the same key, which knows nothing yet and has room for so many ids.
    pub(crate) fn another(&self, ids: u64) -> Seen {
        let mut another = Seen { fingerprinter: self.fingerprinter, ids: HashMap::default() };
        another.expect(ids);
        another
    }

    /// What makes the fingerprints that this set knows.
    pub fn fingerprinter(&self) -> Fingerprinter {
        self.fingerprinter
    }

    /// Makes room for so many ids.
    pub fn expect(&mut self, ids: u64) {
        self.ids.reserve(usize::try_from(ids.min(100_000_000)).unwrap_or_default());
    }

    /// Whether a call's id was accepted.
    pub fn ask(&self, call: Fingerprint) -> Known {
        match self.ids.get(&Id::of(call.id)) {
            None => Known::No,
            Some(content) if *content == call.content => Known::Same,
            Some(_) => Known::Differs,
        }
    }

    /// Remembers an accepted call.
    pub fn add(&mut self, call: Fingerprint) {
        self.ids.entry(Id::of(call.id)).or_insert(call.content);
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// A keyed hash of some words, as 26 characters of `a-z 2-7`: for ids made from what they are about.
    pub fn id_of(&self, words: &[&str]) -> String {
        let mut hasher = SipHasher24::new_with_key(&self.fingerprinter.key);
        for word in words {
            hasher.write_u64(word.len() as u64);
            hasher.write(word.as_bytes());
        }
        let mut rest = hasher.finish128().as_u128();
        let mut text = String::with_capacity(26);
        for _ in 0..26 {
            let digit = u8::try_from(rest & 31).expect("five bits fit");
            text.push(char::from(if digit < 26 { b'a' + digit } else { b'2' + digit - 26 }));
            rest >>= 5;
        }
        text
    }

    /// The ids as they are kept, in sixteen bytes each: of a hash of it, and of one of its content.
    ///
    /// They come in the order in which they lie in memory: a set with room for as many is filled from its beginning to its
    /// end.
    pub(crate) fn entries(&self) -> impl Iterator<Item = [u8; ENTRY]> {
        let bytes = |(Id([a, b, c]), content): (&Id, &u32)| {
            let mut entry = [0; ENTRY];
            let words = [a, b, c, content];
            entry.as_chunks_mut().0.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_le_bytes());
            entry
        };
        self.ids.iter().map(bytes)
    }

    /// Takes ids that are kept already.
    pub(crate) fn extend(&mut self, entries: &[[u8; ENTRY]]) {
        self.ids.extend(entries.iter().map(|entry| {
            let [id @ .., a, b, c, d] = *entry;
            (Id::of_bytes(id), u32::from_le_bytes([a, b, c, d]))
        }));
    }
}
