//! What a browser shows: a few lines of JSON that the service worker reads, bounded so that it fits into one record.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::seal::PLAIN_OCTETS;

/// Most characters of a title: platforms show less.
const TITLE_CHARS: usize = 150;
/// Most octets of each address: longer ones leave no room for words.
const URL_OCTETS: usize = 1_700;
/// Characters of a topic, RFC 8030 § 5.4.
const TOPIC_CHARS: usize = 32;
/// Longest that a push service keeps a message; they cut it themselves at four weeks.
const LONGEST_TTL_S: u64 = 28 * 86_400;

/// How much a message is worth to a battery, RFC 8030 § 5.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Offers and news: they come when the device has power or Wi-Fi.
    Low,
    /// A parcel, a pass, a payment: they come at once.
    High,
}

impl Urgency {
    pub(super) fn word(self) -> &'static str {
        match self {
            Urgency::Low => "low",
            Urgency::High => "high",
        }
    }
}

/// A notification as it goes to every browser of one customer. `Debug` hides what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// The message's id: a later notification with the same id takes the place of the earlier one.
    pub id: String,
    /// Its first line.
    pub title: String,
    /// What is to be read.
    pub body: String,
    /// Where a click leads: http or https.
    pub url: Option<String>,
    /// A picture beside it: http or https.
    pub icon: Option<String>,
    /// Where one unsubscribes; none for service.
    pub unsubscribe: Option<String>,
    /// What stands on the button for that, a word or two.
    pub unsubscribe_label: &'static str,
    /// How long it is of use, in seconds: so long a push service keeps it for a device that is off.
    pub ttl_s: u64,
    /// How urgent it is.
    pub urgency: Urgency,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notification({} ***)", self.id)
    }
}

impl Notification {
    /// What the service worker reads, at most [`PLAIN_OCTETS`] long: a long text is cut, an address is whole or not there.
    pub(super) fn json(&self) -> Vec<u8> {
        let mut said = json!({ "id": self.id, "title": cut(&self.title, TITLE_CHARS), "body": "" });
        for (key, url) in [("url", &self.url), ("unsubscribe", &self.unsubscribe), ("icon", &self.icon)] {
            if let Some(url) = url.as_ref().filter(|url| url.len() <= URL_OCTETS) {
                said[key] = url.as_str().into();
                if said.to_string().len() > PLAIN_OCTETS {
                    said[key] = Value::Null;
                }
            }
        }
        if !said["unsubscribe"].is_null() {
            said["unsubscribe_label"] = self.unsubscribe_label.into();
            if said.to_string().len() > PLAIN_OCTETS {
                said["unsubscribe_label"] = Value::Null;
            }
        }
        let room = PLAIN_OCTETS.saturating_sub(said.to_string().len());
        said["body"] = within(&self.body, room).into();
        said.to_string().into_bytes()
    }

    /// One that a push service still keeps is replaced by another of the same topic: so that a message which goes once
    /// more, since nobody knows whether it arrived, is shown once.
    pub(super) fn topic(&self) -> String {
        let mut topic = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.id.as_bytes()));
        topic.truncate(TOPIC_CHARS);
        topic
    }

    pub(super) fn ttl(&self) -> u64 {
        self.ttl_s.min(LONGEST_TTL_S)
    }
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// As much of a text as takes so many octets in JSON.
fn within(text: &str, room: usize) -> String {
    let octets = |c: char| json!(c).to_string().len() - 2;
    let whole: usize = text.chars().map(octets).sum();
    if whole <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub('…'.len_utf8());
    let fits = |c: &char| left.checked_sub(octets(*c)).inspect(|rest| left = *rest).is_some();
    let begin: String = text.chars().take_while(fits).collect();
    format!("{begin}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notification(body: &str) -> Notification {
        Notification {
            id: "m_1".to_owned(),
            title: "Your tea is on its way".to_owned(),
            body: body.to_owned(),
            url: Some("https://tea.example/c/x".to_owned()),
            icon: Some("https://tea.example/leaf.png".to_owned()),
            unsubscribe: None,
            unsubscribe_label: "Abmelden",
            ttl_s: 3_600,
            urgency: Urgency::High,
        }
    }

    #[test]
    fn a_notification_says_what_the_service_worker_reads() {
        let said: Value = serde_json::from_slice(&notification("It comes tomorrow.").json()).unwrap();
        let expected = json!({
            "id": "m_1", "title": "Your tea is on its way", "body": "It comes tomorrow.",
            "url": "https://tea.example/c/x", "icon": "https://tea.example/leaf.png",
        });
        assert_eq!(said, expected);
        let offer = Notification { unsubscribe: Some("https://tea.example/u/x".to_owned()), ..notification("Tea") };
        let said: Value = serde_json::from_slice(&offer.json()).unwrap();
        assert_eq!(
            (&said["unsubscribe"], &said["unsubscribe_label"]),
            (&json!("https://tea.example/u/x"), &json!("Abmelden"))
        );
        let topic = notification("").topic();
        assert_eq!(topic.len(), 32);
        assert!(topic.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')), "{topic}");
    }

    #[test]
    fn however_long_it_is_it_fits_and_addresses_stay_whole() {
        for word in ["x", "é", "\"", "\u{1}", "🍵"] {
            let long = Notification {
                title: word.repeat(2_000),
                icon: Some(format!("https://tea.example/{}", "i".repeat(1_600))),
                unsubscribe: Some(format!("https://tea.example/{}", "u".repeat(1_600))),
                ..notification(&word.repeat(10_000))
            };
            let json = long.json();
            assert!(json.len() <= PLAIN_OCTETS && json.len() > PLAIN_OCTETS - 20, "{word}: {}", json.len());
            let said: Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(said["url"], "https://tea.example/c/x");
            assert!(said["body"].as_str().unwrap().ends_with('…'), "{said}");
        }
        let endless =
            Notification { url: Some(format!("https://tea.example/{}", "u".repeat(5_000))), ..notification("x") };
        let said: Value = serde_json::from_slice(&endless.json()).unwrap();
        assert_eq!(said.get("url"), None);
    }
}
