//! The key by which push services know who sends, and what it says: VAPID, RFC 8292.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use url::Url;

use super::key_file;
use crate::address::EmailAddress;
use crate::pem;

/// How long what was signed is good: § 2 allows a day, and clocks differ.
const LIFE_S: i64 = 12 * 3_600;
/// Longest subject.
const SUBJECT: usize = 500;

/// Why a key cannot be used or made. Says nothing of the key itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VapidKeyError {
    /// There is no private key in it.
    #[error(
        "there is no private key in it; it may hold PEM (`-----BEGIN PRIVATE KEY-----` or `-----BEGIN EC PRIVATE KEY-----`) or what `web-push generate-vapid-keys` prints"
    )]
    NotThere,
    /// Another curve or another kind.
    #[error("the key is not one of the curve P-256; make one with `perennial push new`")]
    Kind,
    /// Only what everybody may know.
    #[error("only the public half of a key is in it; the private one is needed, in base64url 43 characters long")]
    Public,
    /// It is not said which one counts.
    #[error("several keys are in it; keep the one that browsers were subscribed with")]
    Several,
    /// Two halves of two keys.
    #[error("the public key in it does not belong to the private one")]
    OtherHalf,
    /// Locked.
    #[error("the key is locked with a password; write it without one, as `openssl pkcs8 -topk8 -nocrypt` does")]
    Encrypted,
    /// A key could not be made.
    #[error("a key could not be made: the system has no randomness")]
    NotMade,
}

/// Whom a push service may write to is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address such as mailto:hello@tea.example nor a page such as https://tea.example/contact")]
pub struct SubjectError(String);

/// A private key of P-256. `Debug` hides it.
#[derive(Clone)]
pub struct VapidKey(Arc<EcdsaKeyPair>);

impl VapidKey {
    /// Reads a private key: PKCS#8 or SEC 1 in PEM, or its 32 octets in base64url, as programs for web push print it.
    pub fn read(text: &str) -> Result<VapidKey, VapidKeyError> {
        key_file::read(text).map(|pair| VapidKey(Arc::new(pair)))
    }

    /// Makes a key, in PEM form.
    pub fn generate() -> Result<String, VapidKeyError> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        made.map(|document| pem::of_private_key(document.as_ref())).map_err(|_| VapidKeyError::NotMade)
    }

    /// Its public half as pages give it to browsers (`applicationServerKey`): an uncompressed point in base64url.
    pub fn public(&self) -> String {
        BASE64.encode(self.0.public_key().as_ref())
    }

    /// The header `authorization` for a push service. `audience`: its origin. `at_s`: now, in seconds since 1970-01-01 UTC.
    /// None: the system has no randomness.
    pub(super) fn authorization(&self, audience: &str, subject: &str, at_s: i64) -> Option<String> {
        let head = BASE64.encode(json!({ "typ": "JWT", "alg": "ES256" }).to_string());
        let expires = at_s.saturating_add(LIFE_S);
        let claims = BASE64.encode(json!({ "aud": audience, "exp": expires, "sub": subject }).to_string());
        let said = format!("{head}.{claims}");
        let signature = self.0.sign(&SystemRandom::new(), said.as_bytes()).ok()?;
        Some(format!("vapid t={said}.{}, k={}", BASE64.encode(signature), self.public()))
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VapidKey({} ***)", self.public())
    }
}

/// Reads whom a push service writes to where something is wrong with what we send, RFC 8292 § 2.1.
pub(super) fn read_subject(text: &str) -> Result<String, SubjectError> {
    let is_address = |address: &str| EmailAddress::parse(address).is_ok();
    let is_page = || Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host());
    let is_one = match text.strip_prefix("mailto:") {
        Some(address) => is_address(address),
        None => is_page(),
    };
    let is_plain = text.len() <= SUBJECT && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_one && is_plain { Ok(text.to_owned()) } else { Err(SubjectError(text.chars().take(SUBJECT).collect())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    /// What a push service does: the claims, if `k` signed them.
    fn verified(header: &str) -> Option<Value> {
        let (token, key) = header.strip_prefix("vapid t=")?.split_once(", k=")?;
        let (said, signature) = token.rsplit_once('.')?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, BASE64.decode(key).ok()?);
        key.verify(said.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
        let (head, claims) = said.split_once('.')?;
        let read = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).ok()?).ok();
        assert_eq!(read(head)?, json!({ "typ": "JWT", "alg": "ES256" }));
        read(claims)
    }

    #[test]
    fn what_is_signed_says_who_sends_to_whom_and_until_when() {
        // RFC 8292 § 2.4, so that the judge is known to be right.
        let example = "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
        let claims =
            json!({ "aud": "https://push.example.net", "exp": 1_453_523_768, "sub": "mailto:push@example.com" });
        assert_eq!(verified(example), Some(claims));
        assert_eq!(verified(&example.replace(".i3C", ".j3C")), None);

        let key = VapidKey::read(&VapidKey::generate().unwrap()).unwrap();
        let said = key.authorization("https://push.example.net", "mailto:hello@tea.example", 1_772_452_800).unwrap();
        let claims =
            json!({ "aud": "https://push.example.net", "exp": 1_772_496_000, "sub": "mailto:hello@tea.example" });
        assert_eq!(verified(&said), Some(claims), "{said}");
        assert!(said.ends_with(&key.public()) && key.public().starts_with('B'));
    }

    #[test]
    fn a_key_of_another_kind_is_refused_with_what_to_do() {
        let other = crate::DkimKey::generate(crate::DkimKind::Ed25519).unwrap();
        assert_eq!(VapidKey::read(&other).unwrap_err(), VapidKeyError::Kind);
        assert_eq!(VapidKey::read("hunter2").unwrap_err(), VapidKeyError::NotThere);
        assert!(VapidKeyError::Kind.to_string().contains("perennial push new"));
    }

    #[test]
    fn a_subject_is_an_address_or_a_page() {
        for good in ["mailto:hello@tea.example", "https://tea.example/contact"] {
            assert_eq!(read_subject(good).as_deref(), Ok(good));
        }
        for wrong in
            ["", "hello@tea.example", "mailto:", "mailto:x", "http://tea.example", "https://", "mailto:a@b.c\r\nx: y"]
        {
            assert!(read_subject(wrong).is_err(), "{wrong}");
        }
    }
}
