//! A webhook on the wire: one signed request to an endpoint, and what its answer means.
//! When to try again, and for how long, is decided by the engine.

use crate::outward::{Answer, Outward, RetryAfter, Target};
use crate::signature::SigningSecrets;

/// Most characters that are kept of what an endpoint answered.
const MAX_WORDS: usize = 200;

/// A system that is told.
#[derive(Debug, Clone)]
pub struct Endpoint {
    target: Target,
    secrets: SigningSecrets,
}

/// What became of one attempt to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Told {
    /// A 2xx: it knows.
    Done {
        /// The status.
        status: u16,
    },
    /// A 410: it wants to hear nothing any more, of this or anything else.
    Gone,
    /// Anything else. It may have heard, and will hear again with the same id.
    NotYet {
        /// What happened, in a few words without control characters.
        reason: String,
        /// When it wants to be asked again.
        retry_after: Option<RetryAfter>,
    },
}

impl Endpoint {
    /// An endpoint at a URL that was read, whose requests these secrets sign.
    pub fn new(target: Target, secrets: SigningSecrets) -> Endpoint {
        Endpoint { target, secrets }
    }

    /// Tells it once. `id`: the same at every attempt; `at_s`: now, in seconds since 1970-01-01 UTC.
    pub async fn tell(&self, outward: &Outward, id: &str, at_s: i64, body: &[u8]) -> Told {
        let not_yet = |reason: String| Told::NotYet { reason, retry_after: None };
        let Some(headers) = self.secrets.headers(id, at_s, body) else {
            return not_yet("its id cannot stand in a header".to_owned());
        };
        let connection = match outward.connect(&self.target).await {
            Ok(connection) => connection,
            Err(error) => return not_yet(error.to_string()),
        };
        match connection.post(headers, body.to_vec()).await {
            Ok(answer) if answer.is_success() => Told::Done { status: answer.status },
            Ok(Answer { status: 410, .. }) => Told::Gone,
            Ok(answer) => Told::NotYet { reason: words_of(&answer), retry_after: answer.retry_after },
            Err(error) => not_yet(error.to_string()),
        }
    }
}

/// What an answer said, for people.
pub(crate) fn words_of(answer: &Answer) -> String {
    if answer.is_redirect() {
        return format!("answered {}, which points elsewhere; redirects are not followed", answer.status);
    }
    let text = String::from_utf8_lossy(&answer.body);
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    let words: String = words.join(" ").chars().take(MAX_WORDS).collect();
    match words.as_str() {
        "" => format!("answered {}", answer.status),
        words => format!("answered {}: {words}", answer.status),
    }
}
