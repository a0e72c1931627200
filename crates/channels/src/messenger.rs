//! Messages of text and push channels on the wire: one request to a provider, and what its answer means.
//! Perennial's own form is signed as webhooks are; `twilio` speaks that provider's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::outward::{Answer, Outward, Target};
use crate::signature::SigningSecrets;
use crate::smtp::{PhaseRecorder, Secret};
use crate::webhook::words_of;
use crate::{Delivered, Phase, Reply, Trouble};

/// Twilio's words for a number that takes no texts: it is no number, its owner said STOP, it is no mobile.
const TWILIO_REFUSED_NUMBERS: [u64; 3] = [21_211, 21_610, 21_614];

/// A message as it goes to a provider. The same at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id: a provider that knows it already must not send it again.
    pub id: String,
    /// `sms`, `push` or `webhook`.
    pub channel: &'static str,
    /// The address on the channel.
    pub to: String,
    /// Its first line, where the template has one.
    pub subject: String,
    /// What is to be read.
    pub text: String,
    /// By which campaign.
    pub campaign: String,
    /// `marketing` or `service`.
    pub purpose: &'static str,
    /// Where one unsubscribes; none for service.
    pub unsubscribe_url: Option<String>,
    /// Of a notification: where a click leads.
    pub url: Option<String>,
    /// Of a notification: the address of the picture beside it.
    pub icon: Option<String>,
    /// When it was decided, in RFC 3339.
    pub decided_at: String,
}

impl Note {
    /// The documented body, `docs/webhooks.md`.
    fn body(&self) -> Vec<u8> {
        let mut data = json!({
            "id": self.id,
            "channel": self.channel,
            "to": self.to,
            "subject": self.subject,
            "text": self.text,
            "campaign": self.campaign,
            "purpose": self.purpose,
        });
        for (key, value) in [("unsubscribe_url", &self.unsubscribe_url), ("url", &self.url), ("icon", &self.icon)] {
            if let Some(value) = value {
                data[key] = value.as_str().into();
            }
        }
        json!({ "type": "message.send", "timestamp": self.decided_at, "data": data }).to_string().into_bytes()
    }
}

/// A provider, and how it is spoken to.
#[derive(Clone)]
pub enum Messenger {
    /// Perennial's own form.
    Signed {
        /// Where.
        target: Target,
        /// By which it knows us.
        secrets: SigningSecrets,
    },
    /// Twilio's Messages API.
    Twilio {
        /// `…/Accounts/AC…/Messages.json`.
        target: Target,
        /// The account, `AC…`.
        account: String,
        /// Its password.
        token: Secret,
        /// A number, a name, or a messaging service `MG…`.
        from: String,
    },
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Messenger::Signed { target, .. } => write!(f, "Signed({target})"),
            Messenger::Twilio { target, .. } => write!(f, "Twilio({target})"),
        }
    }
}

impl Messenger {
    /// Where Twilio takes messages of an account.
    pub fn twilio_url(base: &str, account: &str) -> String {
        let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
        format!("{}/2010-04-01/Accounts/{account}/Messages.json", base.trim_end_matches('/'))
    }

    /// Carries one message to one outcome. `at_s`: now, in seconds since 1970-01-01 UTC.
    ///
    /// The recorder hears of [`Phase::Connect`] and [`Phase::Body`] before they begin. From the latter on, silence means
    /// that nobody knows.
    pub async fn send(
        &self,
        outward: &Outward,
        note: &Note,
        at_s: i64,
        recorder: &mut impl PhaseRecorder,
    ) -> Delivered {
        let broken = |phase, sentence: String| Delivered::PutOff { phase, trouble: Trouble::Connection(sentence) };
        if let Err(refused) = recorder.begin(Phase::Connect).await {
            return Delivered::NotSent { phase: Phase::Connect, reason: refused.reason };
        }
        let Some((headers, body)) = self.request(note, at_s) else {
            return broken(Phase::Connect, "the id or the account cannot stand in a header".to_owned());
        };
        let connection = match outward.connect(self.target()).await {
            Ok(connection) => connection,
            Err(error) => return broken(Phase::Connect, error.to_string()),
        };
        if let Err(refused) = recorder.begin(Phase::Body).await {
            return Delivered::NotSent { phase: Phase::Body, reason: refused.reason };
        }
        match connection.post(headers, body).await {
            Ok(answer) => self.read(&answer),
            Err(error) => Delivered::Uncertain { trouble: Trouble::Connection(error.to_string()) },
        }
    }

    fn target(&self) -> &Target {
        match self {
            Messenger::Signed { target, .. } | Messenger::Twilio { target, .. } => target,
        }
    }

    fn request(&self, note: &Note, at_s: i64) -> Option<(HeaderMap, Vec<u8>)> {
        match self {
            Messenger::Signed { secrets, .. } => {
                let body = note.body();
                Some((secrets.headers(&note.id, at_s, &body)?, body))
            }
            Messenger::Twilio { account, token, from, .. } => {
                let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("To", &note.to).append_pair(sender, from).append_pair("Body", &note.text);
                let login = STANDARD.encode(format!("{account}:{}", token.reveal()));
                let mut login = HeaderValue::from_str(&format!("Basic {login}")).ok()?;
                login.set_sensitive(true);
                let mut headers = HeaderMap::new();
                headers.insert(AUTHORIZATION, login);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                Some((headers, form.finish().into_bytes()))
            }
        }
    }

    fn read(&self, answer: &Answer) -> Delivered {
        let reply = Reply { retry_after: answer.retry_after, ..Reply::new(answer.status, &words_of(answer)) };
        let is_about_us = matches!(self, Messenger::Twilio { .. }) && matches!(answer.status, 401 | 403 | 404);
        match answer.status {
            200..300 => Delivered::Sent { reply },
            // A wrong password or account says nothing of this message.
            _ if is_about_us => Delivered::PutOff { phase: Phase::Body, trouble: Trouble::Reply(reply) },
            408 | 425 | 429 => Delivered::PutOff { phase: Phase::Body, trouble: Trouble::Reply(reply) },
            400..500 => Delivered::Rejected { phase: Phase::Body, reply, of_recipient: self.refuses_recipient(answer) },
            // It points elsewhere, or broke: it said that it did not take the message.
            _ => Delivered::PutOff { phase: Phase::Body, trouble: Trouble::Reply(reply) },
        }
    }

    fn refuses_recipient(&self, answer: &Answer) -> bool {
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match self {
            Messenger::Signed { .. } => said.get("suppress").and_then(Value::as_bool) == Some(true),
            Messenger::Twilio { .. } => {
                said.get("code").and_then(Value::as_u64).is_some_and(|code| TWILIO_REFUSED_NUMBERS.contains(&code))
            }
        }
    }
}
