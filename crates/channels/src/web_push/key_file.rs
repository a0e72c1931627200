//! What a file with a key for notifications may hold: ours and OpenSSL's PEM, and what programs for web push print.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rsa::pkcs8::der::asn1::{BitStringRef, OctetStringRef};
use rsa::pkcs8::der::{self, Reader, SliceReader, TagMode, TagNumber};
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject};

use super::browser::POINT;
use super::curve::{SCALAR, public_half};
use super::vapid::VapidKeyError;

/// RFC 5480: keys of elliptic curves, and the curve P-256.
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Reads a private key of P-256: PKCS#8 or SEC 1 in PEM, or its 32 octets in base64url, alone or beside its public half.
pub(super) fn read(text: &str) -> Result<EcdsaKeyPair, VapidKeyError> {
    if text.contains("-----BEGIN ") { read_pem(text) } else { read_words(text) }
}

fn read_pem(text: &str) -> Result<EcdsaKeyPair, VapidKeyError> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs8(der)) => {
            let info = PrivateKeyInfo::try_from(der.secret_pkcs8_der()).map_err(|_| VapidKeyError::Kind)?;
            if info.algorithm.oid != ELLIPTIC || info.algorithm.parameters_oid() != Ok(P256) {
                return Err(VapidKeyError::Kind);
            }
            pair_of(sec1(info.private_key).ok_or(VapidKeyError::Kind)?.private, None)
        }
        Ok(PrivateKeyDer::Sec1(der)) => {
            let key = sec1(der.secret_sec1_der()).ok_or(VapidKeyError::Kind)?;
            if key.curve != Some(P256) {
                return Err(VapidKeyError::Kind);
            }
            pair_of(key.private, None)
        }
        Ok(_) => Err(VapidKeyError::Kind),
        Err(_) if text.contains("-----BEGIN ENCRYPTED") || text.contains(",ENCRYPTED") => Err(VapidKeyError::Encrypted),
        Err(_) if text.contains("-----BEGIN PUBLIC KEY") => Err(VapidKeyError::Public),
        Err(_) => Err(VapidKeyError::NotThere),
    }
}

/// `ECPrivateKey`, RFC 5915. Its public half may be missing.
struct Sec1<'a> {
    private: &'a [u8],
    curve: Option<ObjectIdentifier>,
}

fn sec1(der: &[u8]) -> Option<Sec1<'_>> {
    let read = || -> der::Result<Sec1<'_>> {
        let mut reader = SliceReader::new(der)?;
        let key = reader.sequence(|fields| {
            let _version: u8 = fields.decode()?;
            let private = fields.decode::<OctetStringRef<'_>>()?.as_bytes();
            let curve = fields.context_specific(TagNumber::N0, TagMode::Explicit)?;
            let _public: Option<BitStringRef<'_>> = fields.context_specific(TagNumber::N1, TagMode::Explicit)?;
            Ok(Sec1 { private, curve })
        })?;
        reader.finish(key)
    };
    read().ok()
}

/// The words of a text that are keys by their lengths, whatever stands around them: `npx web-push generate-vapid-keys` prints
/// both halves under headings, and with `--json` as an object.
fn read_words(text: &str) -> Result<EcdsaKeyPair, VapidKeyError> {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/');
    let octets = text
        .split(|c| !is_of_key(c))
        .filter_map(|word| URL_SAFE_NO_PAD.decode(word.replace('+', "-").replace('/', "_")).ok());
    let (mut private, mut public) = (Vec::new(), Vec::new());
    for octets in octets {
        match octets.len() {
            SCALAR => private.push(octets),
            POINT => public.push(octets),
            _ => {}
        }
    }
    match (&private[..], &public[..]) {
        ([], []) => Err(VapidKeyError::NotThere),
        ([], _) => Err(VapidKeyError::Public),
        ([private], [] | [_]) => pair_of(private, public.first().map(Vec::as_slice)),
        _ => Err(VapidKeyError::Several),
    }
}

/// The key pair of a private key. ring works the public half out itself and refuses another, so that neither a wrong file nor a
/// wrong sum of ours can be taken for a key.
fn pair_of(private: &[u8], public: Option<&[u8]>) -> Result<EcdsaKeyPair, VapidKeyError> {
    let own = public_half(private).ok_or(VapidKeyError::Kind)?;
    if public.is_some_and(|public| public != own) {
        return Err(VapidKeyError::OtherHalf);
    }
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, private, &own, &SystemRandom::new())
        .map_err(|_| VapidKeyError::Kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::KeyPair;

    /// What `npx web-push generate-vapid-keys` of web-push 3.6.7 printed.
    const PRINTED: &str = "
=======================================

Public Key:
BNo4MIgc1LdQuyBid57KgbFqtTP7E0n6-n7uxN-9c9mrA722O3LMHBOwqfL1A9hPgZHxVZet5B9YpW9TODr5mZU

Private Key:
3tGXbKWK-vevvNkLhmRF2pDma4R41A1RLOhEn_wfopw

=======================================
";
    const PUBLIC: &str = "BNo4MIgc1LdQuyBid57KgbFqtTP7E0n6-n7uxN-9c9mrA722O3LMHBOwqfL1A9hPgZHxVZet5B9YpW9TODr5mZU";
    const PRIVATE: &str = "3tGXbKWK-vevvNkLhmRF2pDma4R41A1RLOhEn_wfopw";
    /// The same key, as `openssl ecparam -genkey` writes keys.
    const SEC1: &str = "
-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIN7Rl2ylivr3r7zZC4ZkRdqQ5muEeNQNUSzoRJ/8H6KcoAoGCCqGSM49
AwEHoUQDQgAE2jgwiBzUt1C7IGJ3nsqBsWq1M/sTSfr6fu7E371z2asDvbY7cswc
E7Cp8vUD2E+BkfFVl63kH1ilb1M4OvmZlQ==
-----END EC PRIVATE KEY-----
";
    /// As `openssl ec -no_public` writes it: without its public half.
    const SEC1_ALONE: &str = "
-----BEGIN EC PRIVATE KEY-----
MDECAQEEIN7Rl2ylivr3r7zZC4ZkRdqQ5muEeNQNUSzoRJ/8H6KcoAoGCCqGSM49
AwEH
-----END EC PRIVATE KEY-----
";
    /// As `openssl pkcs8 -topk8` writes it.
    const PKCS8: &str = "
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3tGXbKWK+vevvNkL
hmRF2pDma4R41A1RLOhEn/wfopyhRANCAATaODCIHNS3ULsgYneeyoGxarUz+xNJ
+vp+7sTfvXPZqwO9tjtyzBwTsKny9QPYT4GR8VWXreQfWKVvUzg6+ZmV
-----END PRIVATE KEY-----
";
    /// Of another curve, with private keys of the same length.
    const SECP256K1: &str = "
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEIEPoe2B+iYgQ0odGTPm98ATDOWRJJm10n1F3Da5rBWtVoAcGBSuBBAAK
oUQDQgAE8eMaI7bIZF3VQYhZDRLbjgH2LvdyU1iNVclySvgfHKB0Am5D33SBbPpT
Z00srtb852yaRJ/kC/NZDMqSD9Xx3w==
-----END EC PRIVATE KEY-----
";
    /// As `openssl ec -aes128` writes it.
    const LOCKED_SEC1: &str = "
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,BC398FB5541E9D39A2A3D053930BD47C

XR8mFTZXfrSA6WgYmwADF0ML1Isqslq75xB1WTbz5Zl/8rRrQEl9PiqSJC09loJQ
nhQxX3IlGrMudBDXm1LvOtwKqSZSFGuCkkPGBvXSDoyVoUpQ2WJ7lp0QEzTPVLsT
pSyZrIhx2LEu1JcSR+3vduS0FkWo062c4Ugzl096Hy8=
-----END EC PRIVATE KEY-----
";
    /// As `openssl pkcs8 -topk8` writes it with a password.
    const ENCRYPTED: &str = "
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjsWquB3+QG3wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEOwyYfD8C2sFwwqylnGEz/QEgZAn
jqbAD5eMJIN5fxt1hcNE4xToQVulstQzfVVzAatTLQ8a1qkYoIOennX/gHsLgPhp
L1WqXwVzV/AXApaQYdFK8/GhuNj2p2WFSTW0721wLKvghOMqlvxRARZbCiUMuuge
PEjcOg2bUHhn67oJvWoiIn6c+/G9RzFCLEvTU6/p0e2Ha73qFnretZyNhs905Zw=
-----END ENCRYPTED PRIVATE KEY-----
";

    fn public(text: &str) -> Result<String, VapidKeyError> {
        read(text).map(|pair| URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()))
    }

    #[test]
    fn a_key_of_another_system_is_taken_in_every_form_in_which_they_write_it() {
        let json = format!(r#"{{"publicKey":"{PUBLIC}","privateKey":"{PRIVATE}"}}"#);
        let environment = format!("VAPID_PUBLIC_KEY={PUBLIC}\r\nVAPID_PRIVATE_KEY=\"{PRIVATE}=\"\r\n");
        for text in [PRINTED, PRIVATE, &format!("{PRIVATE}\n"), &json, &environment, SEC1, SEC1_ALONE, PKCS8] {
            assert_eq!(public(text).as_deref(), Ok(PUBLIC), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_key_is_told_from_the_others() {
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE";
        let zero = "A".repeat(43);
        // The order of the curve: one more than the highest key.
        let order = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
        for (text, error) in [
            ("", VapidKeyError::NotThere),
            ("hunter2", VapidKeyError::NotThere),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n", VapidKeyError::NotThere),
            (PUBLIC, VapidKeyError::Public),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", VapidKeyError::Public),
            (&format!("{PRIVATE} {other}"), VapidKeyError::Several),
            (&format!("{PUBLIC} {other}"), VapidKeyError::OtherHalf),
            (&zero, VapidKeyError::Kind),
            (order, VapidKeyError::Kind),
            (SECP256K1, VapidKeyError::Kind),
            (ENCRYPTED, VapidKeyError::Encrypted),
            (LOCKED_SEC1, VapidKeyError::Encrypted),
        ] {
            assert_eq!(public(text).unwrap_err(), error, "{text}");
        }
    }
}
