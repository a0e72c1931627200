//! Signs the links in a message, so that nobody can make one up or use one for another purpose.
//!
//! A token is what it is about and 128 bits of HMAC-SHA256, in URL-safe base64. Message ids are opaque, so a
//! token tells nothing about the customer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::{MessageId, Name};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of a message id in a link. Ours have 28.
const ID_LIMIT: usize = 64;
/// Bytes of a URL that is counted when clicked. Longer ones are linked directly.
pub const URL_LIMIT: usize = 2_000;
const MAC_LENGTH: usize = 16;
/// Characters of a token: base64 of the longest content.
const TOKEN_LIMIT: usize = (1 + ID_LIMIT + URL_LIMIT + MAC_LENGTH).div_ceil(3) * 4;

/// Signs and checks links with the workspace's key.
pub struct Signer {
    key: [u8; 32],
}

/// What a link is for. Signed with it, so that one cannot stand for another.
#[derive(Clone, Copy)]
enum Purpose {
    Unsubscribe,
    Click,
    View,
    Preferences,
    ReturnPath,
    Confirm,
    Open,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Purpose::Unsubscribe => b"perennial link 1: unsubscribe\0",
            Purpose::Click => b"perennial link 1: click\0",
            Purpose::View => b"perennial link 1: view\0",
            Purpose::Preferences => b"perennial link 1: preferences\0",
            Purpose::ReturnPath => b"perennial link 1: return path\0",
            Purpose::Confirm => b"perennial link 1: confirm\0",
            Purpose::Open => b"perennial link 1: open\0",
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// A signer with the workspace's key: 32 random bytes that never leave the machine.
    pub fn new(key: [u8; 32]) -> Signer {
        Signer { key }
    }

    /// The token of `/u/{token}`: takes back the consent that the message was sent under.
    pub fn unsubscribe_token(&self, message: &MessageId) -> String {
        self.sign(Purpose::Unsubscribe, message, "")
    }

    /// The message of an unsubscribe token; none if we did not sign it.
    pub fn verify_unsubscribe(&self, token: &str) -> Option<MessageId> {
        self.verify_bare(Purpose::Unsubscribe, token)
    }

    /// The token of `/v/{token}`: shows the message in a browser.
    pub fn view_token(&self, message: &MessageId) -> String {
        self.sign(Purpose::View, message, "")
    }

    /// The message of a view token; none if we did not sign it.
    pub fn verify_view(&self, token: &str) -> Option<MessageId> {
        self.verify_bare(Purpose::View, token)
    }

    /// The token of `/p/{token}`: shows the customer's preferences.
    pub fn preferences_token(&self, message: &MessageId) -> String {
        self.sign(Purpose::Preferences, message, "")
    }

    /// The message of a preferences token; none if we did not sign it.
    pub fn verify_preferences(&self, token: &str) -> Option<MessageId> {
        self.verify_bare(Purpose::Preferences, token)
    }

    /// The token of `/c/{token}`: counts a click and leads to `url`.
    ///
    /// `url`: http or https, at most [`URL_LIMIT`] bytes; the token of any other is not accepted back.
    pub fn click_token(&self, message: &MessageId, url: &str) -> String {
        self.sign(Purpose::Click, message, url)
    }

    /// The message and URL of a click token; none if we did not sign it.
    pub fn verify_click(&self, token: &str) -> Option<(MessageId, String)> {
        let (message, url) = self.verify(Purpose::Click, token)?;
        // A redirect must never lead to `javascript:`, whoever asked for the token.
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        is_web.then_some((message, url))
    }

    /// The token of `/o/{token}.gif`: the picture by which an open is told.
    pub fn open_token(&self, message: &MessageId) -> String {
        self.sign(Purpose::Open, message, "")
    }

    /// The message of an open token; none if we did not sign it.
    pub fn verify_open(&self, token: &str) -> Option<MessageId> {
        self.verify_bare(Purpose::Open, token)
    }

    /// What stands in the return path of a message, so that what comes back is known to be about it: 52 of `a-z2-7`, since
    /// mail servers may fold case. None for ids that are not ours.
    pub fn return_token(&self, message: &MessageId) -> Option<String> {
        let own = own_part(&message.0)?;
        let mac = self.mac(Purpose::ReturnPath, own.as_bytes()).finalize().into_bytes();
        Some(format!("{own}{}", base32(&mac[..MAC_LENGTH])))
    }

    /// The message of a return path's token; none if we did not sign it.
    pub fn verify_return(&self, token: &str) -> Option<MessageId> {
        let (own, mac) = token.split_at_checked(OWN_PART)?;
        let message = MessageId(format!("m_{own}").into());
        own_part(&message.0)?;
        let mac = unbase32(mac).filter(|mac| mac.len() == MAC_LENGTH)?;
        // Compares in constant time.
        self.mac(Purpose::ReturnPath, own.as_bytes()).verify_truncated_left(&mac).ok()?;
        Some(message)
    }

    /// The token of `/y/{token}`: confirms a yes for a purpose.
    pub fn confirm_token(&self, message: &MessageId, purpose: &Name) -> String {
        self.sign(Purpose::Confirm, message, purpose.as_str())
    }

    /// The message and purpose of a token that confirms; none if we did not sign it.
    pub fn verify_confirm(&self, token: &str) -> Option<(MessageId, Name)> {
        let (message, purpose) = self.verify(Purpose::Confirm, token)?;
        Some((message, Name::parse(&purpose).ok()?))
    }

    fn sign(&self, purpose: Purpose, message: &MessageId, url: &str) -> String {
        let id = message.0.as_bytes();
        // An id beyond the limit gets a length that no content has, so its token is refused.
        let mut content = vec![u8::try_from(id.len()).unwrap_or(u8::MAX)];
        content.extend_from_slice(id);
        content.extend_from_slice(url.as_bytes());
        let mac = self.mac(purpose, &content).finalize().into_bytes();
        content.extend_from_slice(&mac[..MAC_LENGTH]);
        URL_SAFE_NO_PAD.encode(content)
    }

    fn verify(&self, purpose: Purpose, token: &str) -> Option<(MessageId, String)> {
        if token.len() > TOKEN_LIMIT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (content, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LENGTH)?)?;
        // Compares in constant time.
        self.mac(purpose, content).verify_truncated_left(mac).ok()?;
        let (length, rest) = content.split_first()?;
        let (id, url) = rest.split_at_checked(usize::from(*length))?;
        if id.is_empty() || id.len() > ID_LIMIT || url.len() > URL_LIMIT {
            return None;
        }
        let id = std::str::from_utf8(id).ok()?;
        Some((MessageId(id.into()), String::from_utf8(url.to_vec()).ok()?))
    }

    fn verify_bare(&self, purpose: Purpose, token: &str) -> Option<MessageId> {
        let (message, url) = self.verify(purpose, token)?;
        url.is_empty().then_some(message)
    }

    fn mac(&self, purpose: Purpose, content: &[u8]) -> Hmac<Sha256> {
        keyed_hash(&self.key, purpose.label(), content)
    }
}

/// A hash that only who has the workspace's key can make. `label`: what it is for, ended by a zero, so that one never stands for
/// another.
pub(crate) fn keyed_hash(key: &[u8; 32], label: &[u8], content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(label);
    mac.update(content);
    mac
}

/// Characters of a message's id after `m_`.
const OWN_PART: usize = 26;
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What tells a message's id from others, if it is one of ours.
fn own_part(id: &str) -> Option<&str> {
    let own = id.strip_prefix("m_")?;
    (own.len() == OWN_PART && own.bytes().all(|byte| LETTERS.contains(&byte))).then_some(own)
}

/// RFC 4648 § 6 in small letters, without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(LETTERS[(bits >> count & 31) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(LETTERS[(bits << (5 - count) & 31) as usize]));
    }
    text
}

/// The bytes of such a text; none if another text would stand for the same bytes.
fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let place = LETTERS.iter().position(|own| *own == letter)?;
        bits = (bits << 5) | u32::try_from(place).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).ok()?);
        }
        bits &= (1 << count) - 1;
    }
    (bits == 0 && count < 5).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signer() -> Signer {
        Signer::new([7; 32])
    }

    fn message(id: &str) -> MessageId {
        MessageId(id.into())
    }

    #[test]
    fn a_link_leads_back_to_its_message() {
        let ana = message("m_01hzy3k5v9q8w7e6r5t4y3u2i1");
        let signer = signer();
        assert_eq!(signer.verify_unsubscribe(&signer.unsubscribe_token(&ana)), Some(ana.clone()));
        assert_eq!(signer.verify_view(&signer.view_token(&ana)), Some(ana.clone()));
        assert_eq!(signer.verify_open(&signer.open_token(&ana)), Some(ana.clone()));
        assert_eq!(signer.verify_preferences(&signer.preferences_token(&ana)), Some(ana.clone()));
        let url = "https://tea.example/a?b=c&d=é#e";
        assert_eq!(signer.verify_click(&signer.click_token(&ana, url)), Some((ana.clone(), url.to_owned())));
        let news = Name::parse("news").unwrap();
        assert_eq!(signer.verify_confirm(&signer.confirm_token(&ana, &news)), Some((ana.clone(), news)));
        let token = signer.unsubscribe_token(&ana);
        assert!(
            token.len() < 64 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{token}"
        );
    }

    #[test]
    fn a_token_of_one_purpose_is_refused_for_another() {
        let ana = message("m_ana");
        let signer = signer();
        let tokens = [
            signer.unsubscribe_token(&ana),
            signer.view_token(&ana),
            signer.preferences_token(&ana),
            signer.click_token(&ana, ""),
            signer.click_token(&ana, "https://tea.example"),
            signer.confirm_token(&ana, &Name::parse("news").unwrap()),
            signer.open_token(&ana),
        ];
        for (index, token) in tokens.iter().enumerate() {
            assert_eq!(signer.verify_unsubscribe(token).is_some(), index == 0);
            assert_eq!(signer.verify_view(token).is_some(), index == 1);
            assert_eq!(signer.verify_preferences(token).is_some(), index == 2);
            assert_eq!(signer.verify_click(token).is_some(), index == 4);
            assert_eq!(signer.verify_confirm(token).is_some(), index == 5);
            assert_eq!(signer.verify_open(token).is_some(), index == 6);
        }
    }

    #[test]
    fn a_token_of_one_message_says_nothing_about_another_and_another_key_makes_another_token() {
        let signer = signer();
        let token = signer.unsubscribe_token(&message("m_ana"));
        assert_ne!(token, signer.unsubscribe_token(&message("m_ben")));
        assert_eq!(Signer::new([8; 32]).verify_unsubscribe(&token), None);
        assert_eq!(format!("{signer:?}"), "Signer(***)");
    }

    #[test]
    fn a_changed_token_is_refused() {
        let signer = signer();
        let token = signer.unsubscribe_token(&message("m_ana"));
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(signer.verify_unsubscribe(&changed), None, "{index}");
        }
        for end in 0..token.len() {
            assert_eq!(signer.verify_unsubscribe(&token[..end]), None);
        }
        for bad in ["", "=", "é", &format!("{token}="), &format!("{token}A"), &"A".repeat(1_000_000)] {
            assert_eq!(signer.verify_unsubscribe(bad), None);
        }
    }

    #[test]
    fn a_return_path_leads_back_to_its_message_and_nobody_can_make_one_up() {
        let ana = message("m_abcdefghijklmnopqrstuvwxy2");
        let token = signer().return_token(&ana).unwrap();
        assert_eq!(token.len(), 52, "with a name before it, it fits the 64 octets of an address");
        assert!(token.bytes().all(|byte| LETTERS.contains(&byte)), "{token}");
        assert_eq!(signer().verify_return(&token), Some(ana.clone()));
        assert_eq!(Signer::new([8; 32]).verify_return(&token), None);
        for index in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(signer().verify_return(&changed), None, "{index}");
        }
        for bad in ["", "é", &token[..51], &format!("{token}a"), &token.to_uppercase(), &"a".repeat(1_000_000)] {
            assert_eq!(signer().verify_return(bad), None);
        }
        assert_eq!(signer().return_token(&message("m_ana")), None);
        assert_eq!(base32(b"foobar"), "mzxw6ytboi", "RFC 4648");
        assert_eq!(unbase32("mzxw6ytboi").as_deref(), Some(&b"foobar"[..]));
    }

    #[test]
    fn a_click_leads_only_to_the_web_and_within_bounds() {
        let signer = signer();
        let ana = message("m_ana");
        for url in [
            "javascript:alert(1)",
            "//evil.example",
            "data:text/html,x",
            &format!("https://x/{}", "y".repeat(URL_LIMIT)),
        ] {
            assert_eq!(signer.verify_click(&signer.click_token(&ana, url)), None, "{url:.40}");
        }
        let longest = format!("https://x/{}", "y".repeat(URL_LIMIT - 10));
        let id = message(&"m".repeat(ID_LIMIT));
        assert_eq!(signer.verify_click(&signer.click_token(&id, &longest)), Some((id, longest)));
        assert_eq!(signer.verify_view(&signer.view_token(&message(&"m".repeat(300)))), None);
    }

    proptest! {
        #[test]
        fn no_text_is_a_token_by_accident(text in ".{0,200}") {
            prop_assert_eq!(signer().verify_unsubscribe(&text), None);
            prop_assert_eq!(signer().verify_click(&text), None);
        }
    }
}
