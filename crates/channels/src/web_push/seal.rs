//! The encryption of one message for one browser: RFC 8291 over the content encoding `aes128gcm` of RFC 8188.
//!
//! A message is one record: push services need not take more than 4,096 octets (RFC 8030 § 7.2).

use std::fmt;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use super::browser::{BrowserKeys, POINT};

const SALT: usize = 16;
const SECRET: usize = 32;
const TAG: usize = 16;
/// What every push service takes.
const RECORD: usize = 4_096;
/// Salt, size of a record, length of the key's name, its name: our public key.
const HEAD: usize = SALT + 4 + 1 + POINT;
/// What ends the last record, RFC 8188 § 2.
const LAST: u8 = 2;
/// Most octets of a message before it is encrypted.
pub const PLAIN_OCTETS: usize = RECORD - HEAD - TAG - 1;

/// The system has no randomness, or the browser's key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no key could be agreed upon for a message")]
pub struct NoFresh;

/// What is new for every message: a salt, and a key pair of which only the public half and what it agrees upon with the
/// browser's are kept. Never used twice.
#[derive(Clone)]
pub struct Fresh {
    /// Random.
    pub salt: [u8; SALT],
    /// Our half of this one exchange, an uncompressed point.
    pub public: [u8; POINT],
    /// What ECDH gives for our private half and the browser's public key.
    pub secret: [u8; SECRET],
}

impl Fresh {
    /// Makes it from the system's randomness.
    pub fn new(keys: &BrowserKeys) -> Result<Fresh, NoFresh> {
        let random = SystemRandom::new();
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(|_| NoFresh)?;
        let public = own.compute_public_key().map_err(|_| NoFresh)?;
        let public = public.as_ref().try_into().map_err(|_| NoFresh)?;
        let theirs = UnparsedPublicKey::new(&ECDH_P256, &keys.public);
        let secret = agree_ephemeral(own, &theirs, |secret| <[u8; SECRET]>::try_from(secret)).map_err(|_| NoFresh)?;
        let mut salt = [0; SALT];
        random.fill(&mut salt).map_err(|_| NoFresh)?;
        Ok(Fresh { salt, public, secret: secret.map_err(|_| NoFresh)? })
    }
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fresh(***)")
    }
}

/// Encrypts a message for one browser: the body of the request. None: it is longer than [`PLAIN_OCTETS`].
pub fn seal(plain: &[u8], keys: &BrowserKeys, fresh: &Fresh) -> Option<Vec<u8>> {
    // RFC 8291 § 3.4: both public keys are bound in, and the secret that only the browser and we know.
    let info: [&[u8]; 3] = [b"WebPush: info\0", &keys.public, &fresh.public];
    let mut key_material = [0; SECRET];
    derive(&keys.auth, &fresh.secret, &info, &mut key_material);
    encrypt(plain, &key_material, fresh.salt, &fresh.public)
}

/// One record of RFC 8188 with its head.
fn encrypt(plain: &[u8], key_material: &[u8], salt: [u8; SALT], key_name: &[u8]) -> Option<Vec<u8>> {
    let mut key = [0; 16];
    derive(&salt, key_material, &[b"Content-Encoding: aes128gcm\0"], &mut key);
    let mut nonce = [0; 12];
    derive(&salt, key_material, &[b"Content-Encoding: nonce\0"], &mut nonce);
    let mut record = plain.to_vec();
    record.push(LAST);
    if HEAD + record.len() + TAG > RECORD {
        return None;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("the key is as long as AES-128 takes it"));
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)
        .expect("a record is far shorter than what AES-GCM takes");
    let size = u32::try_from(RECORD).expect("a small constant").to_be_bytes();
    let name_length = [u8::try_from(key_name.len()).expect("a key's name is a point or shorter")];
    Some([&salt, &size[..], &name_length, key_name, &record].concat())
}

/// HKDF with SHA-256, RFC 5869: `out.len()` octets, at most 255 times 32.
fn derive(salt: &[u8], key_material: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let key = Salt::new(HKDF_SHA256, salt).extract(key_material);
    let expanded = key.expand(info, Length(out.len())).expect("the lengths here are of keys");
    expanded.fill(out).expect("it was asked for this length");
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn a_record_is_that_of_rfc_8188_section_3_1() {
        let key = BASE64.decode("yqdlZ-tYemfogSmv7Ws5PQ").unwrap();
        let sealed = encrypt(b"I am the walrus", &key, octets("I1BsxtFttlv3u_Oo94xnmw"), b"").unwrap();
        assert_eq!(BASE64.encode(sealed), "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg");
    }

    #[test]
    fn a_message_is_that_of_rfc_8291_appendix_a() {
        let keys = BrowserKeys::read(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "BTBZMqHH6r4Tts7J_aSIgg",
        )
        .unwrap();
        let fresh = Fresh {
            salt: octets("DGv6ra1nlYgDCS1FRnbzlw"),
            public: octets("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"),
            secret: octets("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"),
        };
        let sealed = seal(b"When I grow up, I want to be a watermelon", &keys, &fresh).unwrap();
        let head = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        let body = "8pfeW0KbunFT06SuDKoJH9Ql87S1QUrdirN6GcG7sFz1y1sqLgVi1VhjVkHsUoEsbI_0LpXMuGvnzQ";
        let expected = [BASE64.decode(head).unwrap(), BASE64.decode(body).unwrap()].concat();
        assert_eq!(BASE64.encode(sealed), BASE64.encode(expected));
    }

    #[test]
    fn a_message_fits_into_what_every_push_service_takes_and_none_is_like_another() {
        let keys = BrowserKeys::read(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "BTBZMqHH6r4Tts7J_aSIgg",
        )
        .unwrap();
        let (one, other) = (Fresh::new(&keys).unwrap(), Fresh::new(&keys).unwrap());
        assert_ne!((one.salt, one.public), (other.salt, other.public));
        assert_eq!(seal(&[b'x'; PLAIN_OCTETS], &keys, &one).unwrap().len(), 4_096);
        assert_eq!(seal(&[b'x'; PLAIN_OCTETS + 1], &keys, &one), None);
    }
}
