//! Where a browser wants to be notified, and the keys that only it can open messages with.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;

use crate::outward::{Reach, Target, TargetError};

/// An uncompressed point of P-256.
pub(super) const POINT: usize = 65;
/// The secret that a browser shares with whom it lets write, RFC 8291 § 3.2.
pub(super) const AUTH: usize = 16;
/// How an uncompressed point begins, SEC 1 § 2.3.3.
const UNCOMPRESSED: u8 = 4;

/// As browsers write it; some libraries pad it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why somebody cannot be notified. Repeats nothing of what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// The endpoint is no place to send to.
    #[error("`endpoint` {0}")]
    Endpoint(#[from] TargetError),
    /// Push services answer where https usually does; what answers elsewhere may be anything.
    #[error(
        "`endpoint` is at another port than 443; if it is meant, list its host in `outward.allow` of the configuration"
    )]
    Port,
    /// The public key has another form.
    #[error("`p256dh` is no public key of P-256: {POINT} octets in base64url, beginning with `B`")]
    PublicKey,
    /// The secret has another form.
    #[error("`auth` is no secret of {AUTH} octets in base64url")]
    Auth,
}

/// The keys of one browser. `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserKeys {
    pub(super) public: [u8; POINT],
    pub(super) auth: [u8; AUTH],
}

impl BrowserKeys {
    /// Reads what `PushSubscription.toJSON()` gives: base64url, with or without padding. The point must be one of the curve.
    pub fn read(p256dh: &str, auth: &str) -> Result<BrowserKeys, BrowserError> {
        let public: [u8; POINT] = octets(p256dh).ok_or(BrowserError::PublicKey)?;
        let auth = octets(auth).ok_or(BrowserError::Auth)?;
        if public.first() != Some(&UNCOMPRESSED) || !is_on_the_curve(&public) {
            return Err(BrowserError::PublicKey);
        }
        Ok(BrowserKeys { public, auth })
    }
}

impl fmt::Debug for BrowserKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserKeys(***)")
    }
}

/// A browser that can be notified.
#[derive(Debug, Clone)]
pub struct Browser {
    pub(super) target: Target,
    pub(super) keys: BrowserKeys,
}

impl Browser {
    /// Reads a subscription. Errors: it leads where nothing may be sent, or its keys are none.
    pub fn read(endpoint: &str, p256dh: &str, auth: &str, reach: &Reach) -> Result<Browser, BrowserError> {
        let target = Target::read(endpoint, reach)?;
        if !target.may_be_named_by_strangers(reach) {
            return Err(BrowserError::Port);
        }
        Ok(Browser { target, keys: BrowserKeys::read(p256dh, auth)? })
    }
}

fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Decoding nonsense of any length costs nothing.
    let octets = if text.len() <= 4 * N { BASE64.decode(text).ok()? } else { return None };
    octets.try_into().ok()
}

/// ring checks a point when it is used, and has no other way to ask.
fn is_on_the_curve(public: &[u8; POINT]) -> bool {
    let any = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new());
    any.is_ok_and(|any| agree_ephemeral(any, &UnparsedPublicKey::new(&ECDH_P256, public), |_| ()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8291, appendix A.
    const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn a_subscription_has_keys_of_exactly_their_length_and_a_point_of_the_curve() {
        let keys = BrowserKeys::read(P256DH, AUTH).unwrap();
        assert_eq!(
            keys,
            BrowserKeys::read(&format!("{P256DH}="), &format!("{AUTH}==")).unwrap(),
            "padding is no matter"
        );
        assert_eq!(format!("{keys:?}"), "BrowserKeys(***)");
        let off_the_curve = P256DH.replace("iw4", "iww");
        let compressed = format!("A{}", &P256DH[1..44]);
        for wrong in ["", "B", &P256DH[..80], &off_the_curve, &compressed, &"B".repeat(87), &"A".repeat(1_000_000), "é"]
        {
            assert_eq!(BrowserKeys::read(wrong, AUTH), Err(BrowserError::PublicKey), "{wrong:.100}");
        }
        for wrong in ["", "BTBZMqHH6r4Tts7J_aSI", "BTBZMqHH6r4Tts7J_aSIggAA", "????????????????????????"] {
            assert_eq!(BrowserKeys::read(P256DH, wrong), Err(BrowserError::Auth), "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_leads_outside_and_by_https() {
        let reach = Reach::default();
        assert!(Browser::read("https://push.example/wpush/v2/abc", P256DH, AUTH, &reach).is_ok());
        for inside in
            ["http://push.example/x", "https://127.0.0.1/x", "https://[::1]/", "https://a:b@push.example/", "x"]
        {
            let error = Browser::read(inside, P256DH, AUTH, &reach).unwrap_err();
            assert!(matches!(error, BrowserError::Endpoint(_)), "{inside}: {error}");
        }
        for port in ["https://push.example:22/x", "https://push.example:6379/", "https://push.example:80/"] {
            assert_eq!(Browser::read(port, P256DH, AUTH, &reach).unwrap_err(), BrowserError::Port, "{port}");
        }
        let reach = Reach::new(&["push.internal".to_owned()], &[]).unwrap();
        assert!(Browser::read("https://push.internal:8443/x", P256DH, AUTH, &reach).is_ok(), "the owner listed it");
    }
}
