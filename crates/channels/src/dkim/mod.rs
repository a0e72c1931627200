//! DKIM signatures, RFC 6376 and RFC 8463: by them a receiver knows that a mail comes from its sender's domain and was not
//! changed. The bytes that go out are what is signed, so a mail is signed last and never written again.

mod canonical;
mod key;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::{EmailAddress, WrittenMail};

pub use key::{DkimKey, DkimKeyError, DkimKind};

/// What is signed of the head, where a mail has it. Gmail takes List-Unsubscribe only when it is signed (RFC 8058 § 4).
const SIGNED: [&str; 11] = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
];
/// Longest label of a domain name, RFC 1035.
const MAX_LABEL_OCTETS: usize = 63;
/// Longest domain name.
const MAX_DOMAIN_OCTETS: usize = 253;
/// Characters of base64 on one line of the signature.
const BASE64_LINE: usize = 72;

/// Why there is no signer of a domain and selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DkimNameError {
    /// Not a domain name in lower-case ASCII.
    #[error("`{0}` is not a domain name in lower-case letters, digits, hyphens and dots")]
    Domain(String),
    /// Not a selector.
    #[error("`{0}` is not a selector: letters, digits and hyphens, with dots between parts")]
    Selector(String),
}

/// Signs the mails of a domain. `Debug` shows domain and selector.
#[derive(Clone)]
pub struct DkimSigner {
    domain: String,
    selector: String,
    key: DkimKey,
}

impl DkimSigner {
    /// A signer for mails from a domain and those below it. The public key is looked up at `selector._domainkey.domain`.
    pub fn new(domain: &str, selector: &str, key: DkimKey) -> Result<DkimSigner, DkimNameError> {
        if !is_name(domain) || !domain.contains('.') {
            return Err(DkimNameError::Domain(domain.to_owned()));
        }
        if !is_name(selector) {
            return Err(DkimNameError::Selector(selector.to_owned()));
        }
        Ok(DkimSigner { domain: domain.to_owned(), selector: selector.to_owned(), key })
    }

    /// What the DNS record must say.
    pub fn record(&self) -> String {
        self.key.record()
    }

    /// The name of the DNS record.
    pub fn record_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }

    /// The domain that signs.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether a signature of this domain speaks for a sender, as DMARC asks it: the same domain, or one above it.
    pub fn speaks_for(&self, sender: &EmailAddress) -> bool {
        let below = sender.domain().strip_suffix(&self.domain);
        below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
    }

    /// The mail with its signature before it. `at_s`: when it was written, in seconds since 1970-01-01 UTC. The same mail
    /// gives the same signature.
    pub fn sign(&self, mail: &WrittenMail, at_s: i64) -> WrittenMail {
        let text = std::str::from_utf8(mail.as_bytes()).expect("a written mail is ASCII");
        let (fields, body) = canonical::parts(text);
        let body_hash = STANDARD.encode(digest(&SHA256, canonical::body(body).as_bytes()));
        let names = signed_names(&fields);
        let (kind, domain, selector) = (self.key.kind().word(), &self.domain, &self.selector);
        let unsigned = format!(
            " v=1; a={kind}-sha256; c=relaxed/relaxed;\r\n d={domain};\r\n s={selector}; t={at_s};\r\n h={};\r\n \
             bh={body_hash};\r\n b=",
            names.join(":\r\n  "),
        );
        let signature = self.key.sign(signed_text(&fields, &names, &unsigned).as_bytes());
        let mut signed = format!("DKIM-Signature:{unsigned}");
        for (place, piece) in STANDARD.encode(signature).as_bytes().chunks(BASE64_LINE).enumerate() {
            if place > 0 {
                signed.push_str("\r\n  ");
            }
            signed.push_str(std::str::from_utf8(piece).expect("base64 is ASCII"));
        }
        signed.push_str("\r\n");
        signed.push_str(text);
        WrittenMail::from_bytes(signed.as_bytes()).expect("a mail with one more header of short lines is a mail")
    }
}

impl fmt::Debug for DkimSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimSigner({})", self.record_name())
    }
}

/// Which fields a signature lists: those that are there, and From once more, so that nobody can add a second one.
fn signed_names(fields: &[canonical::Field<'_>]) -> Vec<&'static str> {
    let is_there = |name: &&str| fields.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    let mut names: Vec<&str> = SIGNED.into_iter().filter(is_there).collect();
    names.insert(0, "From");
    names
}

/// What is signed: the listed fields, the last of a name first, then the signature itself without its `b=`.
/// A name that is listed more often than it is there adds nothing. RFC 6376 § 3.7 and § 5.4.2.
fn signed_text(fields: &[canonical::Field<'_>], names: &[&str], unsigned: &str) -> String {
    let mut left: Vec<canonical::Field<'_>> = fields.to_vec();
    let mut text = String::new();
    for name in names {
        if let Some(place) = left.iter().rposition(|field| field.name.eq_ignore_ascii_case(name)) {
            text.push_str(&canonical::field(left.remove(place)));
        }
    }
    let own = canonical::field(canonical::Field { name: "DKIM-Signature", value: unsigned });
    text.push_str(own.trim_end_matches("\r\n"));
    text
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_OCTETS).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_DOMAIN_OCTETS && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    /// RFC 8463, appendix A.3, the mail below its signatures.
    const DINNER: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
        To: Suzie Q <suzie@shopping.example.net>\r\n\
        Subject: Is dinner ready?\r\n\
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
        Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
        \r\n\
        Hi.\r\n\
        \r\n\
        We lost the game.  Are you hungry yet?\r\n\
        \r\n\
        Joe.\r\n";
    /// Appendix A.2, the secret key, in the envelope of RFC 8410.
    const BRISBANE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn the_mail_of_the_standard_gets_the_signature_of_the_standard() {
        let (fields, body) = canonical::parts(DINNER);
        let body_hash = STANDARD.encode(digest(&SHA256, canonical::body(body).as_bytes()));
        assert_eq!(body_hash, "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
        let unsigned = " v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
            q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
            bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
        let names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"];
        let key = DkimKey::read(BRISBANE).unwrap();
        assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        let signature = STANDARD.encode(key.sign(signed_text(&fields, &names, unsigned).as_bytes()));
        assert_eq!(
            signature,
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
        );
    }

    fn signer(key: &DkimKey) -> DkimSigner {
        DkimSigner::new("football.example.com", "brisbane", key.clone()).unwrap()
    }

    #[test]
    fn a_signature_lists_what_is_there_and_from_once_more_and_is_the_same_each_time() {
        let mail = WrittenMail::from_bytes(DINNER.as_bytes()).unwrap();
        let signer = signer(&DkimKey::read(BRISBANE).unwrap());
        let signed = signer.sign(&mail, 1_057_982_437);
        assert_eq!(signed, signer.sign(&mail, 1_057_982_437));
        assert!(signed.as_bytes().ends_with(mail.as_bytes()), "the mail itself is left as it is");
        let text = std::str::from_utf8(signed.as_bytes()).unwrap();
        let (fields, _) = canonical::parts(text);
        let own = canonical::field(fields[0]);
        assert!(
            own.starts_with(
                "dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; s=brisbane; \
             t=1057982437; h=From: From: To: Subject: Date: Message-ID; bh="
            ),
            "{own}"
        );
        assert!(text.lines().all(|line| line.len() <= 78), "{text}");
    }

    /// What a receiver does: reads the tags, takes the signature out, and asks the key of the record.
    fn verifies(mail: &WrittenMail, key: &DkimKey) -> bool {
        let text = std::str::from_utf8(mail.as_bytes()).unwrap();
        let (mut fields, body) = canonical::parts(text);
        let own = fields.remove(0);
        let (before, signature) = own.value.rsplit_once(" b=").unwrap();
        let tag = |name: &str| {
            let mut tags = before.split(';').filter_map(|tag| tag.trim().split_once('='));
            tags.find(|(key, _)| *key == name).map(|(_, value)| value.replace(char::is_whitespace, "")).unwrap()
        };
        let signature = STANDARD.decode(signature.split_whitespace().collect::<String>()).unwrap();
        let names = tag("h");
        let names: Vec<&str> = names.split(':').collect();
        let signed = signed_text(&fields, &names, &format!("{before} b="));
        let record = key.record();
        let public = STANDARD.decode(record.rsplit_once("p=").unwrap().1).unwrap();
        let is_signed = match key.kind() {
            DkimKind::Ed25519 => {
                let hash = digest(&SHA256, signed.as_bytes());
                UnparsedPublicKey::new(&ED25519, public).verify(hash.as_ref(), &signature).is_ok()
            }
            // Ring wants the two numbers without the 24 octets around them.
            DkimKind::Rsa => {
                let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public[24..]);
                public.verify(signed.as_bytes(), &signature).is_ok()
            }
        };
        is_signed && tag("bh") == STANDARD.encode(digest(&SHA256, canonical::body(body).as_bytes()))
    }

    #[test]
    fn new_keys_of_both_kinds_sign_what_their_records_verify_and_nothing_else() {
        let mail = WrittenMail::from_bytes(DINNER.as_bytes()).unwrap();
        for kind in [DkimKind::Ed25519, DkimKind::Rsa] {
            let pem = DkimKey::generate(kind).unwrap();
            let key = DkimKey::read(&pem).unwrap();
            assert_eq!(key.kind(), kind);
            assert!(key.record().starts_with(&format!("v=DKIM1; k={}; p=", kind.word())));
            let signed = signer(&key).sign(&mail, 1_057_982_437);
            assert!(verifies(&signed, &key), "{kind:?}");
            let text = String::from_utf8(signed.as_bytes().to_vec()).unwrap();
            for (from, to) in
                [("dinner", "lunch"), ("We lost", "We won"), ("From: Joe", "From: Eve <e@e.example>\r\nFrom: Joe")]
            {
                let changed = WrittenMail::from_bytes(text.replacen(from, to, 1).as_bytes()).unwrap();
                assert!(!verifies(&changed, &key), "{kind:?}: {from} → {to}");
            }
            let spaced = text.replacen("Is dinner ready?", "Is  dinner\r\n ready? ", 1);
            assert!(verifies(&WrittenMail::from_bytes(spaced.as_bytes()).unwrap(), &key), "relays may fold");
            assert!(!format!("{key:?}").contains(&pem[40..60]), "a key is not for logs");
        }
    }

    #[test]
    fn a_domain_signs_for_itself_and_what_is_below_it() {
        let signer = signer(&DkimKey::read(BRISBANE).unwrap());
        for (address, speaks) in [
            ("joe@football.example.com", true),
            ("joe@news.football.example.com", true),
            ("joe@example.com", false),
            ("joe@notfootball.example.com", false),
        ] {
            assert_eq!(signer.speaks_for(&EmailAddress::parse(address).unwrap()), speaks, "{address}");
        }
        assert_eq!(signer.record_name(), "brisbane._domainkey.football.example.com");
    }

    #[test]
    fn names_that_could_break_a_header_are_refused() {
        let key = DkimKey::read(BRISBANE).unwrap();
        for domain in ["", "tea", "Tea.example", "tea.example; b=", "tea..example", "-tea.example", "tea.example\r\n"] {
            assert!(DkimSigner::new(domain, "s1", key.clone()).is_err(), "{domain:?}");
        }
        for selector in ["", "s 1", "s;1", "s._domainkey", &"s".repeat(64)] {
            assert!(DkimSigner::new("tea.example", selector, key.clone()).is_err(), "{selector:?}");
        }
    }
}
