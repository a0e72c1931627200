//! Standard Webhooks 1.0: how a request says who sent it. The receiver computes the same over the bytes it got.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ring::hmac;

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// How long it is without that, decoded, in octets: the spec's 192 to 512 bits.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that sign at a time: two while one takes over from the other, and room for a mistake.
const MAX_SECRETS: usize = 5;

/// Why secrets cannot sign. Says nothing of the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Not the form that receivers expect.
    #[error("secret {number} does not have the form `{PREFIX}…` with base64 of 24 to 64 octets after it")]
    Form {
        /// Which one, from 1.
        number: usize,
    },
    /// None, or too many.
    #[error("{count} secrets are given; 1 to {MAX_SECRETS} can sign")]
    Count {
        /// How many there are.
        count: usize,
    },
}

/// Secrets that all sign, so that a receiver can change from one to another. `Debug` shows none.
#[derive(Clone)]
pub struct SigningSecrets(Vec<hmac::Key>);

impl SigningSecrets {
    /// Reads secrets of the form `whsec_…`.
    pub fn read<S: AsRef<str>>(secrets: &[S]) -> Result<SigningSecrets, SigningError> {
        if !(1..=MAX_SECRETS).contains(&secrets.len()) {
            return Err(SigningError::Count { count: secrets.len() });
        }
        let key = |(index, secret): (usize, &S)| {
            let form = SigningError::Form { number: index + 1 };
            let encoded = secret.as_ref().trim().strip_prefix(PREFIX).ok_or_else(|| form.clone())?;
            let octets = STANDARD.decode(encoded).map_err(|_| form.clone())?;
            LENGTHS.contains(&octets.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &octets)).ok_or(form)
        };
        Ok(SigningSecrets(secrets.iter().enumerate().map(key).collect::<Result<_, _>>()?))
    }

    /// The value of `webhook-signature`: one signature for each secret. `at_s`: seconds since 1970-01-01 UTC.
    pub fn sign(&self, id: &str, at_s: i64, body: &[u8]) -> String {
        let one = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{at_s}.").as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        let signatures: Vec<String> = self.0.iter().map(one).collect();
        signatures.join(" ")
    }

    /// The headers of a signed request with a body of JSON. None if `id` cannot stand in a header.
    pub(crate) fn headers(&self, id: &str, at_s: i64, body: &[u8]) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let ours = [
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at_s.to_string()),
            ("webhook-signature", self.sign(id, at_s, body)),
        ];
        for (name, value) in ours {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
        }
        Some(headers)
    }
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecrets({} ***)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_its_form_or_is_refused_without_being_repeated() {
        let ok = format!("whsec_{}", STANDARD.encode([7; 24]));
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!", "whsec_c2hvcnQ="] {
            let error = SigningSecrets::read(&[ok.as_str(), wrong]).unwrap_err();
            assert_eq!(error, SigningError::Form { number: 2 });
            assert!(wrong.len() < 8 || !error.to_string().contains(wrong));
        }
        assert_eq!(SigningSecrets::read::<&str>(&[]).unwrap_err(), SigningError::Count { count: 0 });
        assert_eq!(SigningSecrets::read(&[&ok; 6]).unwrap_err(), SigningError::Count { count: 6 });
        assert_eq!(format!("{:?}", SigningSecrets::read(&[ok]).unwrap()), "SigningSecrets(1 ***)");
    }

    #[test]
    fn while_secrets_change_each_signs() {
        let (old, new) = (format!("whsec_{}", STANDARD.encode([1; 32])), format!("whsec_{}", STANDARD.encode([2; 32])));
        let sign = |secrets: &[&String]| SigningSecrets::read(secrets).unwrap().sign("wh_1", 1_772_452_800, b"{}");
        let both = sign(&[&new, &old]);
        assert_eq!(both, format!("{} {}", sign(&[&new]), sign(&[&old])));
        assert_ne!(sign(&[&new]), sign(&[&old]));
    }
}
