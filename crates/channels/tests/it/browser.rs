//! A browser's side of web push, written from RFC 8291 and 8188 for tests: it has a key pair, subscribes with it, and opens
//! what it gets. P-256 is done by hand over big numbers, slowly and without care for secrets, so that it shares nothing with
//! what it judges.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use rsa::BigUint;

const P: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const GENERATOR: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                         4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// A point of the curve; none is infinity.
type Point = Option<(BigUint, BigUint)>;

pub(crate) struct Browser {
    private: BigUint,
    pub(crate) public: Vec<u8>,
    pub(crate) auth: Vec<u8>,
}

impl Browser {
    /// Whose keys follow from a name.
    pub(crate) fn called(name: &str) -> Browser {
        let of = |what: &str| digest(&SHA256, format!("{name} {what}").as_bytes()).as_ref().to_vec();
        // A number below 2^255 is below the order of the curve.
        let mut private = of("private");
        private[0] &= 0x7f;
        Browser::with(&private, &of("auth")[..16])
    }

    pub(crate) fn with(private: &[u8], auth: &[u8]) -> Browser {
        let private = BigUint::from_bytes_be(private);
        let public = encoded(&times(&private, &decoded(&hex(GENERATOR))));
        Browser { private, public, auth: auth.to_vec() }
    }

    /// The public key, as `PushSubscription.toJSON()` gives it.
    pub(crate) fn p256dh(&self) -> String {
        BASE64.encode(&self.public)
    }

    /// The secret, as `PushSubscription.toJSON()` gives it.
    pub(crate) fn auth(&self) -> String {
        BASE64.encode(&self.auth)
    }

    /// What both sides agree upon.
    pub(crate) fn agrees_with(&self, public: &[u8]) -> Vec<u8> {
        padded(&times(&self.private, &decoded(public)).unwrap().0)
    }

    /// Opens a message. None: it is not for this browser, or was changed.
    pub(crate) fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = body.split_at(16);
        let (size, rest) = rest.split_at(4);
        assert!(body.len() <= 4_096 && u32::from_be_bytes(size.try_into().unwrap()) == 4_096, "one record");
        assert_eq!(rest[0], 65, "the sender's public key");
        let (sender, record) = rest[1..].split_at(65);
        let info = [b"WebPush: info\0".as_slice(), &self.public, sender].concat();
        let material = expand(&hash(&self.auth, &self.agrees_with(sender)), &info, 32);
        let key = hash(salt, &material);
        let content = expand(&key, b"Content-Encoding: aes128gcm\0", 16);
        let nonce = expand(&key, b"Content-Encoding: nonce\0", 12);
        let content = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content).unwrap());
        let mut record = record.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(&nonce).unwrap();
        let plain = content.open_in_place(nonce, Aad::empty(), &mut record).ok()?.to_vec();
        let end = plain.iter().rposition(|octet| *octet != 0)?;
        assert_eq!(plain[end], 2, "the last record");
        Some(plain[..end].to_vec())
    }
}

fn hash(key: &[u8], content: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), content).as_ref().to_vec()
}

/// HKDF-Expand of one block.
fn expand(key: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    hash(key, &[info, &[1]].concat())[..length].to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn prime() -> BigUint {
    BigUint::from_bytes_be(&hex(P))
}

fn decoded(point: &[u8]) -> Point {
    assert_eq!((point.len(), point[0]), (65, 4), "an uncompressed point");
    Some((BigUint::from_bytes_be(&point[1..33]), BigUint::from_bytes_be(&point[33..])))
}

fn padded(number: &BigUint) -> Vec<u8> {
    let octets = number.to_bytes_be();
    [vec![0; 32 - octets.len()], octets].concat()
}

fn encoded(point: &Point) -> Vec<u8> {
    let (x, y) = point.as_ref().unwrap();
    [vec![4], padded(x), padded(y)].concat()
}

/// By doubling and adding, from the highest bit.
fn times(factor: &BigUint, point: &Point) -> Point {
    let mut sum = None;
    for octet in factor.to_bytes_be() {
        for bit in (0..8).rev() {
            sum = plus(&sum, &sum);
            if octet >> bit & 1 == 1 {
                sum = plus(&sum, point);
            }
        }
    }
    sum
}

fn plus(a: &Point, b: &Point) -> Point {
    let (Some((x1, y1)), Some((x2, y2))) = (a, b) else { return a.clone().or(b.clone()) };
    let p = prime();
    let minus = |a: &BigUint, b: &BigUint| (a + &p - b) % &p;
    let over = |a: BigUint, b: BigUint| a * b.modpow(&(&p - 2u32), &p) % &p;
    let slope = if x1 == x2 {
        if y1 != y2 {
            return None;
        }
        // The curve's a is -3.
        over(minus(&(x1 * x1 * 3u32 % &p), &BigUint::from(3u32)), y1 * 2u32 % &p)
    } else {
        over(minus(y2, y1), minus(x2, x1))
    };
    let x = minus(&minus(&(&slope * &slope % &p), x1), x2);
    let y = minus(&(slope * minus(x1, &x) % &p), y1);
    Some((x, y))
}
