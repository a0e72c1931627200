//! Who a mail is from and for, and its Message-ID: each is made by one checked constructor.
//! What a display name may hold lives in `header.rs`.

use std::fmt;

use crate::HeaderText;

/// Longest address in octets, RFC 5321 § 4.5.3.1.3 less the angle brackets.
const MAX_ADDRESS_OCTETS: usize = 254;
/// Longest part before the `@` in octets, RFC 5321 § 4.5.3.1.1.
const MAX_LOCAL_OCTETS: usize = 64;
/// Longest id inside a Message-ID: with the longest domain the header still fits one line of 998 octets.
const MAX_ID_OCTETS: usize = 128;

/// An e-mail address that is safe in a header and in an SMTP command.
///
/// The domain is lower-case ASCII (UTS 46), the part before the `@` is kept as written: `Ana@` and `ana@` are two
/// mailboxes to the server, so they are two here. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(lettre::Address);

/// Why a text is not an e-mail address. It never repeats the text, which may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than 254 octets.
    #[error("the address is longer than {MAX_ADDRESS_OCTETS} characters")]
    TooLong,
    /// A line break or another control character.
    #[error("the address contains a line break or another control character")]
    ControlCharacter,
    /// White space anywhere, also at the ends.
    #[error("the address contains a space")]
    Space,
    /// No `@`.
    #[error("the address has no `@`")]
    NoAt,
    /// Nothing before or after the `@`.
    #[error("the address has nothing before or after its `@`")]
    EmptyPart,
    /// The part before the `@` is longer than 64 octets.
    #[error("the part before the `@` is longer than {MAX_LOCAL_OCTETS} characters")]
    LocalPartTooLong,
    /// Letters outside ASCII before the `@`: they need SMTPUTF8, which few servers take.
    #[error("the part before the `@` has letters outside a-z, which most mail servers refuse; ask for another address")]
    LocalPartNotAscii,
    /// Brackets, quotes, commas, a second `@`, or a dot at an end or next to another.
    #[error("the part before the `@` has characters or dots that an address cannot have there")]
    LocalPart,
    /// Not a domain name: empty labels, forbidden characters, an IP address.
    #[error("the part after the `@` is not a domain name")]
    Domain,
}

impl EmailAddress {
    /// Checks a text and makes an address of it. Nothing is trimmed: the caller decides what a space means.
    ///
    /// Quoted local parts (`"a b"@…`) and address literals (`a@[192.0.2.1]`) are refused: valid on paper, in
    /// practice an attack or a mistake.
    pub fn parse(text: &str) -> Result<EmailAddress, AddressError> {
        if text.len() > MAX_ADDRESS_OCTETS {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        if text.chars().any(char::is_whitespace) {
            return Err(AddressError::Space);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::EmptyPart);
        }
        check_local_part(local)?;
        let domain = ascii_domain(domain).ok_or(AddressError::Domain)?;
        if local.len() + 1 + domain.len() > MAX_ADDRESS_OCTETS {
            return Err(AddressError::TooLong);
        }
        // lettre checks once more: two readings of the grammar must agree before an address reaches a command.
        let address = lettre::Address::new(local, domain).map_err(|_| AddressError::LocalPart)?;
        Ok(EmailAddress(address))
    }

    /// The address as it is written in headers and commands.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// The form under which an address is suppressed or looked up: domain folded, local part as it is.
    pub fn normalised(&self) -> &str {
        self.as_str()
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.user()
    }

    /// The part after the `@`, lower-case ASCII.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    pub(crate) fn for_command(&self) -> lettre::Address {
        self.0.clone()
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(***)")
    }
}

/// A dot-atom, RFC 5322 § 3.2.3.
fn check_local_part(local: &str) -> Result<(), AddressError> {
    if !local.is_ascii() {
        return Err(AddressError::LocalPartNotAscii);
    }
    if local.len() > MAX_LOCAL_OCTETS {
        return Err(AddressError::LocalPartTooLong);
    }
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_octet);
    if !local.split('.').all(is_atom) {
        return Err(AddressError::LocalPart);
    }
    Ok(())
}

fn is_atom_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet)
}

/// The lower-case ASCII form of a domain name, or nothing if it is none.
fn ascii_domain(domain: &str) -> Option<String> {
    // Strict: letters, digits and hyphens only, labels of at most 63 octets, 253 in all.
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let last_label = domain.rsplit('.').next().unwrap_or_default();
    // A last label of digits is an IPv4 address; an empty one is the root's dot, a second spelling of one domain.
    let is_name = !last_label.is_empty() && !last_label.bytes().all(|b| b.is_ascii_digit());
    is_name.then_some(domain)
}

/// An address with the name that stands before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, if any.
    pub name: Option<HeaderText>,
    /// The address.
    pub address: EmailAddress,
}

impl From<EmailAddress> for Mailbox {
    fn from(address: EmailAddress) -> Mailbox {
        Mailbox { name: None, address }
    }
}

/// The Message-ID of a mail: the same for each attempt, so that a receiver can drop a repetition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MailId {
    id: String,
    domain: String,
}

/// Why two texts do not make a Message-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailIdError {
    /// The id is empty, longer than 128, or has other characters than letters, digits and `.` `_` `-` `+` `=`.
    #[error("the id of a mail has 1 to {MAX_ID_OCTETS} letters, digits or `._-+=`")]
    Id,
    /// Not a domain name.
    #[error("the domain of a mail's id is not a domain name")]
    Domain,
}

impl MailId {
    /// Makes `<id@domain>`. `id`: 1 to 128 letters, digits, `.`, `_`, `-`, `+`, `=`; `domain`: the sender's.
    pub fn new(id: &str, domain: &str) -> Result<MailId, MailIdError> {
        let may_stand_in_id = |b: u8| b.is_ascii_alphanumeric() || b"._-+=".contains(&b);
        if !(1..=MAX_ID_OCTETS).contains(&id.len()) || !id.bytes().all(may_stand_in_id) {
            return Err(MailIdError::Id);
        }
        let domain = ascii_domain(domain).ok_or(MailIdError::Domain)?;
        Ok(MailId { id: id.to_owned(), domain })
    }

    /// The id without the domain.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}@{}>", self.id, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_addresses_are_taken_and_their_domain_is_folded() {
        let address = EmailAddress::parse("Ana.O'Neil+tea@Shop.EXAMPLE").unwrap();
        assert_eq!(address.as_str(), "Ana.O'Neil+tea@shop.example");
        assert_eq!(address.normalised(), "Ana.O'Neil+tea@shop.example");
        assert_eq!((address.local_part(), address.domain()), ("Ana.O'Neil+tea", "shop.example"));
        assert_eq!(EmailAddress::parse("ana@bücher.example").unwrap().as_str(), "ana@xn--bcher-kva.example");
        // The decomposed spelling is the same domain.
        assert_eq!(EmailAddress::parse("ana@bu\u{308}cher.example"), EmailAddress::parse("ana@bücher.example"));
        assert_eq!(EmailAddress::parse("root@localhost").unwrap().as_str(), "root@localhost");
    }

    #[test]
    fn an_address_cannot_smuggle_a_command_or_a_header() {
        use AddressError::*;
        let long_local = format!("{}@b.example", "a".repeat(65));
        let long_domain = format!("a@{}example", "abcdefghi.".repeat(26));
        let refused = [
            ("a@b.c>\r\nRCPT TO:<x", ControlCharacter),
            ("a@b.example\n", ControlCharacter),
            ("a\0@b.example", ControlCharacter),
            ("a\u{85}@b.example", ControlCharacter),
            (" a@b.example", Space),
            ("a@b.example SIZE=1", Space),
            ("a\u{2028}@b.example", Space),
            ("a@b.example>", Domain),
            ("<a@b.example", LocalPart),
            ("\"a,b\"@b.example", LocalPart),
            ("a@x@b.example", LocalPart),
            ("a,b@c.example", LocalPart),
            (".a@b.example", LocalPart),
            ("a..b@b.example", LocalPart),
            ("b.example", NoAt),
            ("", NoAt),
            ("@b.example", EmptyPart),
            ("a@", EmptyPart),
            ("a@.example", Domain),
            ("a@b..example", Domain),
            ("a@b.example.", Domain),
            ("a@-b.example", Domain),
            ("a@b_c.example", Domain),
            ("a@192.0.2.1", Domain),
            ("a@[192.0.2.1]", Domain),
            ("a@b\u{202e}.example", Domain),
            ("a@b＞.example", Domain),
            ("a@b＠c.example", Domain),
            ("añа@b.example", LocalPartNotAscii),
            (long_local.as_str(), LocalPartTooLong),
            (long_domain.as_str(), TooLong),
        ];
        for (text, reason) in refused {
            assert_eq!(EmailAddress::parse(text), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn a_refusal_and_a_debug_print_tell_nothing_of_the_address() {
        let address = EmailAddress::parse("ana.secret@shop.example").unwrap();
        assert_eq!(format!("{:?}", Mailbox::from(address)), "Mailbox { name: None, address: EmailAddress(***) }");
        let refusal = EmailAddress::parse("ana.secret@@shop.example").unwrap_err();
        assert!(!refusal.to_string().contains("secret"));
    }

    #[test]
    fn a_message_id_is_made_of_plain_characters_only() {
        assert_eq!(MailId::new("msg_01J", "Tea.Example").unwrap().to_string(), "<msg_01J@tea.example>");
        for id in ["", "a b", "a>", "a\r\nBcc: x", "ä", &"x".repeat(129)] {
            assert_eq!(MailId::new(id, "tea.example"), Err(MailIdError::Id), "{id:?}");
        }
        assert_eq!(MailId::new("a", "tea.example>\r\nBcc: x"), Err(MailIdError::Domain));
    }
}
