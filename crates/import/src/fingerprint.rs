//! Names content by 128 bits of SHA-256: message ids, group keys, files.
//!
//! A quicker hash would do for honest data, but cells hold what customers typed, and a row that another row can
//! collide with could be made to vanish as its duplicate.

use std::io::Read;

use sha2::{Digest, Sha256};

/// 128 bits that stand for some content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// Of several parts; where one ends and the next begins counts.
    pub(crate) fn of(parts: &[&[u8]]) -> Fingerprint {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Fingerprint::finish(hash)
    }

    /// Of everything a reader gives.
    pub(crate) fn of_reader(mut reader: impl Read) -> std::io::Result<Fingerprint> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Fingerprint::finish(hash)),
                read => hash.update(&buffer[..read]),
            }
        }
    }

    /// As 32 hexadecimal digits.
    pub(crate) fn hex(self) -> String {
        format!("{:032x}", self.0)
    }

    fn finish(hash: Sha256) -> Fingerprint {
        let digest = hash.finalize();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Fingerprint(u128::from_be_bytes(half))
    }
}
