//! One notification to every browser of a customer: one outcome, and which browsers are there no more.

use std::fmt;

use futures::future::join_all;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::browser::Browser;
use super::payload::Notification;
use super::seal::{Fresh, seal};
use super::vapid::{SubjectError, VapidKey, read_subject};
use crate::outward::{Answer, Connection, NoAnswer, Outward};
use crate::smtp::PhaseRecorder;
use crate::webhook::words_of;
use crate::{Delivered, Phase, Reply, Trouble};

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");

/// Who sends notifications.
#[derive(Clone)]
pub struct WebPush {
    key: VapidKey,
    subject: String,
}

impl fmt::Debug for WebPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebPush({} {:?})", self.subject, self.key)
    }
}

/// What became of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Pushed {
    /// The one outcome. Sent, if at least one browser's push service took it.
    pub delivered: Delivered,
    /// Which of the browsers are there no more, by their places in the list.
    pub gone: Vec<usize>,
    /// That is all there is to say: no other browser was refused.
    pub all_gone: bool,
}

/// A connection to a browser's push service, and what goes over it.
type Ready = (Connection, HeaderMap, Vec<u8>);

async fn post(opened: Result<Ready, String>) -> Said {
    match opened {
        Ok((connection, headers, body)) => match connection.post(headers, body).await {
            Ok(answer) => Said::by(&answer),
            Err(error) => Said::Nothing(error),
        },
        Err(trouble) => Said::Later(Trouble::Connection(trouble)),
    }
}

/// What one push service said.
enum Said {
    Taken(Reply),
    Gone(Reply),
    Refused(Reply),
    Later(Trouble),
    Nothing(NoAnswer),
}

impl WebPush {
    /// `subject`: whom a push service writes to where something is wrong, `mailto:…` or `https://…`.
    pub fn new(key: VapidKey, subject: &str) -> Result<WebPush, SubjectError> {
        Ok(WebPush { key, subject: read_subject(subject)? })
    }

    /// The key that pages give to browsers.
    pub fn public_key(&self) -> String {
        self.key.public()
    }

    /// Carries one notification to one outcome. `at_s`: now, in seconds since 1970-01-01 UTC.
    ///
    /// The recorder hears of [`Phase::Connect`] and [`Phase::Body`] before they begin, each once for all browsers. From the
    /// latter on, silence means that nobody knows.
    pub async fn send(
        &self,
        outward: &Outward,
        notification: &Notification,
        browsers: &[Browser],
        at_s: i64,
        recorder: &mut impl PhaseRecorder,
    ) -> Pushed {
        let not_sent = |phase, reason| Pushed::alone(Delivered::NotSent { phase, reason });
        if let Err(refused) = recorder.begin(Phase::Connect).await {
            return not_sent(Phase::Connect, refused.reason);
        }
        let plain = notification.json();
        let opened =
            join_all(browsers.iter().map(|browser| self.open(outward, notification, &plain, browser, at_s))).await;
        if !opened.iter().any(Result::is_ok) {
            let trouble = opened.into_iter().find_map(Result::err).unwrap_or_else(|| "there is no browser".to_owned());
            let trouble = Trouble::Connection(trouble);
            return Pushed::alone(Delivered::PutOff { phase: Phase::Connect, trouble });
        }
        if let Err(refused) = recorder.begin(Phase::Body).await {
            return not_sent(Phase::Body, refused.reason);
        }
        Pushed::of(join_all(opened.into_iter().map(post)).await)
    }

    /// The request for one browser, and a connection to its push service. Errors: a sentence; nothing went out.
    async fn open(
        &self,
        outward: &Outward,
        notification: &Notification,
        plain: &[u8],
        browser: &Browser,
        at_s: i64,
    ) -> Result<Ready, String> {
        let fresh = Fresh::new(&browser.keys).map_err(|error| error.to_string())?;
        let body = seal(plain, &browser.keys, &fresh).ok_or("the notification is too long")?;
        let headers = self.headers(notification, browser, at_s).ok_or("the request could not be signed")?;
        let connection = outward.connect(&browser.target).await.map_err(|error| error.to_string())?;
        Ok((connection, headers, body))
    }

    fn headers(&self, notification: &Notification, browser: &Browser, at_s: i64) -> Option<HeaderMap> {
        let signed = self.key.authorization(&browser.target.origin(), &self.subject, at_s)?;
        let mut signed = HeaderValue::from_str(&signed).ok()?;
        signed.set_sensitive(true);
        Some(HeaderMap::from_iter([
            (AUTHORIZATION, signed),
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (TTL, notification.ttl().into()),
            (URGENCY, HeaderValue::from_static(notification.urgency.word())),
            (TOPIC, HeaderValue::from_str(&notification.topic()).ok()?),
        ]))
    }
}

impl Said {
    fn by(answer: &Answer) -> Said {
        let reply = Reply { retry_after: answer.retry_after, ..Reply::new(answer.status, &words_of(answer)) };
        match answer.status {
            200..300 => Said::Taken(reply),
            404 | 410 => Said::Gone(reply),
            408 | 425 | 429 => Said::Later(Trouble::Reply(reply)),
            // A wrong key, a message that is too large: not of this browser's owner, who is written to again.
            400..500 => Said::Refused(reply),
            // It points elsewhere, or broke: it said that it did not take the message.
            _ => Said::Later(Trouble::Reply(reply)),
        }
    }
}

impl Pushed {
    fn alone(delivered: Delivered) -> Pushed {
        Pushed { delivered, gone: Vec::new(), all_gone: false }
    }

    /// Taken by one is sent. Else, where one may have taken it, nobody knows. Else it is tried again where somebody asked
    /// for that, and only where all refuse it is refused.
    fn of(said: Vec<Said>) -> Pushed {
        let gone: Vec<usize> =
            said.iter().enumerate().filter(|(_, said)| matches!(said, Said::Gone(_))).map(|(place, _)| place).collect();
        let all_gone = gone.len() == said.len();
        let (asked, taken) = (said.len(), said.iter().filter(|said| matches!(said, Said::Taken(_))).count());
        let of_several = |reply: Reply| {
            if asked == 1 { reply } else { Reply { text: format!("taken for {taken} of {asked} browsers"), ..reply } }
        };
        let delivered = said.into_iter().map(Said::outcome).min_by_key(rank).map(|outcome| match outcome {
            Delivered::Sent { reply } => Delivered::Sent { reply: of_several(reply) },
            other => other,
        });
        let nobody = || Delivered::PutOff {
            phase: Phase::Connect,
            trouble: Trouble::Connection("there is no browser".to_owned()),
        };
        Pushed { delivered: delivered.unwrap_or_else(nobody), gone, all_gone }
    }
}

impl Said {
    fn outcome(self) -> Delivered {
        let of_recipient = false;
        match self {
            Said::Taken(reply) => Delivered::Sent { reply },
            Said::Gone(reply) | Said::Refused(reply) => Delivered::Rejected { phase: Phase::Body, reply, of_recipient },
            Said::Later(trouble) => Delivered::PutOff { phase: Phase::Body, trouble },
            Said::Nothing(error) => Delivered::Uncertain { trouble: Trouble::Connection(error.to_string()) },
        }
    }
}

/// Which of several answers counts: the lowest.
fn rank(delivered: &Delivered) -> u8 {
    match delivered {
        Delivered::Sent { .. } => 0,
        Delivered::Uncertain { .. } => 1,
        // One that says when to come back is better than one that cannot be reached.
        Delivered::PutOff { trouble: Trouble::Reply(reply), .. } if reply.retry_after.is_some() => 2,
        Delivered::PutOff { trouble: Trouble::Reply(_), .. } => 3,
        Delivered::PutOff { .. } => 4,
        Delivered::Rejected { reply, .. } if !matches!(reply.code, 404 | 410) => 5,
        Delivered::Rejected { .. } | Delivered::NotSent { .. } => 6,
    }
}
