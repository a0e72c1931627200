//! Keys that sign mails: read from PEM as `openssl` and others write it, made new, and shown as the record for DNS.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{self, CryptoRng, RngCore};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

/// RFC 8301: at least 1,024 bits, and 2,048 is what everybody can verify and DNS can carry.
const RSA_BITS: usize = 2_048;
/// The two kinds of keys that receivers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DkimKind {
    /// RSA with 2,048 bits when made here: every receiver verifies it.
    Rsa,
    /// Short and quick; many receivers pass over it, so it goes beside an RSA key. RFC 8463.
    Ed25519,
}

impl DkimKind {
    /// The word in signatures and records.
    pub fn word(self) -> &'static str {
        match self {
            DkimKind::Rsa => "rsa",
            DkimKind::Ed25519 => "ed25519",
        }
    }
}

/// Why a key cannot be used or made. Says nothing of the key itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DkimKeyError {
    /// There is no private key in it.
    #[error("there is no private key in PEM form (`-----BEGIN PRIVATE KEY-----`)")]
    NotPem,
    /// Neither RSA of 2,048 bits or more nor Ed25519.
    #[error("the key is neither RSA with 2,048 to 4,096 bits nor Ed25519; make one with `perennial dkim new`")]
    Kind,
    /// A key could not be made.
    #[error("a key could not be made: {0}")]
    NotMade(String),
}

/// A private key that signs mails. `Debug` shows its kind only.
#[derive(Clone)]
pub struct DkimKey(Arc<Pair>);

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl DkimKey {
    /// Reads a private key: PKCS#8, or PKCS#1 for RSA.
    pub fn read(pem: &str) -> Result<DkimKey, DkimKeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| DkimKeyError::NotPem)?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519);
                ed25519.or_else(|_| RsaKeyPair::from_pkcs8(der).map(Pair::Rsa))
            }
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Pair::Rsa),
            _ => return Err(DkimKeyError::Kind),
        };
        Ok(DkimKey(Arc::new(pair.map_err(|_| DkimKeyError::Kind)?)))
    }

    /// Makes a key, in PEM form. An RSA key takes a second or some.
    pub fn generate(kind: DkimKind) -> Result<String, DkimKeyError> {
        let not_made = |reason: &dyn fmt::Display| DkimKeyError::NotMade(reason.to_string());
        let der = match kind {
            DkimKind::Ed25519 => {
                let document =
                    Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|error| not_made(&error))?;
                document.as_ref().to_vec()
            }
            DkimKind::Rsa => {
                SystemRandom::new().fill(&mut [0; 1]).map_err(|error| not_made(&error))?;
                let key = rsa::RsaPrivateKey::new(&mut Randomness, RSA_BITS).map_err(|error| not_made(&error))?;
                key.to_pkcs8_der().map_err(|error| not_made(&error))?.as_bytes().to_vec()
            }
        };
        Ok(crate::pem::of_private_key(&der))
    }

    /// Its kind.
    pub fn kind(&self) -> DkimKind {
        match &*self.0 {
            Pair::Rsa(_) => DkimKind::Rsa,
            Pair::Ed25519(_) => DkimKind::Ed25519,
        }
    }

    /// What DNS must say of it, as a TXT record: `v=DKIM1; k=…; p=…`.
    pub fn record(&self) -> String {
        let public = match &*self.0 {
            Pair::Rsa(pair) => public_key_info(pair.public_key().as_ref()),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        };
        format!("v=DKIM1; k={}; p={}", self.kind().word(), STANDARD.encode(public))
    }

    /// Signs a text: its SHA-256 hash, which RSA makes part of the signature and Ed25519 takes for the message (RFC 8463 § 3).
    /// The same text gives the same signature.
    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &*self.0 {
            Pair::Ed25519(pair) => pair.sign(digest(&SHA256, text).as_ref()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                // Randomness only blinds the arithmetic.
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .expect("the buffer is as long as the key, and the system has randomness");
                signature
            }
        }
    }
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimKey({} ***)", self.kind().word())
    }
}

/// A public key of RSA as DNS has it: `SubjectPublicKeyInfo`, RFC 5280 § 4.1.
fn public_key_info(public_key: &[u8]) -> Vec<u8> {
    let bits = [&[0], public_key].concat();
    der(SEQUENCE, &[&RSA_ALGORITHM, &der(BIT_STRING, &bits)[..]].concat())
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
/// `SEQUENCE { rsaEncryption, NULL }`.
const RSA_ALGORITHM: [u8; 15] =
    [SEQUENCE, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// A value of DER: tag, length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|octet| **octet == 0).count()..];
    let mut out = vec![tag];
    match length {
        &[one] if one < 0x80 => out.push(one),
        [] => out.push(0),
        longer => {
            out.push(0x80 | u8::try_from(longer.len()).expect("a length has eight octets at most"));
            out.extend_from_slice(longer);
        }
    }
    out.extend_from_slice(content);
    out
}

/// The system's randomness, as the maker of RSA keys asks for it.
struct Randomness;

impl RngCore for Randomness {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.try_fill_bytes(bytes).expect("the system gave randomness a moment ago, when the key was begun");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        // Its error type without `std` takes a number only; nobody reads it.
        SystemRandom::new().fill(bytes).map_err(|_| rand_core::Error::from(NO_RANDOMNESS))
    }
}

impl CryptoRng for Randomness {}

const NO_RANDOMNESS: std::num::NonZeroU32 = std::num::NonZeroU32::new(rand_core::Error::CUSTOM_START).unwrap();
