//! Who is logged in: one-time links, sessions, their limits.
//!
//! Kept in memory only, on purpose: a restart ends every session, a copied data directory or backup holds no way in,
//! and a new link is one command away.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::text::Tone;

/// A link is for the minutes between printing and clicking.
const LINK_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// A desk left alone.
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// A working day, however busy.
const ABSOLUTE: SignedDuration = SignedDuration::from_hours(12);
/// Wrong links a minute, from everybody together. A link has 128 bits: this only keeps the log readable.
const WRONG_PER_MINUTE: usize = 10;
/// Links that wait to be used; the oldest goes when one more is asked for.
const OPEN_LINKS: usize = 10;
/// A small shop has a handful of people with a few devices each; the one idle longest goes.
const OPEN_SESSIONS: usize = 100;

/// The sessions of this process.
#[derive(Default)]
pub struct Sessions {
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    links: VecDeque<(Key, Timestamp)>,
    open: HashMap<Key, Session>,
    wrong: VecDeque<Timestamp>,
}

struct Session {
    csrf: String,
    began: Timestamp,
    seen: Timestamp,
    notice: Option<Notice>,
}

/// The SHA-256 of a token. Looking one up by its hash tells a timer nothing about the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    fn of(token: &str) -> Key {
        Key(Sha256::digest(token.as_bytes()).into())
    }
}

/// One look at a page by somebody who is logged in.
#[derive(Clone)]
pub struct Visit {
    /// Which session.
    pub key: Key,
    /// The token that every form of this session carries.
    pub csrf: String,
}

impl Visit {
    /// Whether a form was written by this session. Hashes are compared, so that time tells nothing.
    pub fn wrote(&self, csrf: &str) -> bool {
        Key::of(csrf) == Key::of(&self.csrf)
    }
}

/// What a person is told once, on the next page, about what they just did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// Leaf when done, rose when not.
    pub tone: Tone,
}

impl Notice {
    /// It was done.
    pub fn done(text: impl Into<String>) -> Notice {
        Notice { text: text.into(), tone: Tone::Leaf }
    }

    /// It was not done, and why.
    pub fn not_done(text: impl Into<String>) -> Notice {
        Notice { text: text.into(), tone: Tone::Rose }
    }
}

/// Why a link opened nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Used, expired or never given out: the answer is the same for all.
    #[error("this link was used already or has expired")]
    WrongLink,
    /// Ten wrong links within a minute.
    #[error("too many wrong links; wait a minute")]
    TooMany,
}

/// A session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSession {
    /// When it began.
    pub began: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
    /// When it ends, if nothing is clicked.
    pub ends: Timestamp,
    /// Whether it is the one that looks.
    pub own: bool,
}

impl Sessions {
    /// No sessions, no links.
    pub fn new() -> Sessions {
        Sessions::default()
    }

    /// A new one-time token for `/login/{token}`, good for 15 minutes and one use.
    pub fn issue_link(&self, now: Timestamp) -> String {
        let token = random_token();
        let mut ledger = self.ledger();
        ledger.links.retain(|(_, issued)| now.duration_since(*issued) < LINK_LIFE);
        if ledger.links.len() == OPEN_LINKS {
            ledger.links.pop_front();
        }
        ledger.links.push_back((Key::of(&token), now));
        token
    }

    /// Exchanges a one-time token for the token of a new session. The link is gone afterwards.
    pub fn log_in(&self, link: &str, now: Timestamp) -> Result<String, LoginError> {
        let mut ledger = self.ledger();
        ledger.wrong.retain(|at| now.duration_since(*at) < SignedDuration::from_mins(1));
        if ledger.wrong.len() >= WRONG_PER_MINUTE {
            return Err(LoginError::TooMany);
        }
        ledger.links.retain(|(_, issued)| now.duration_since(*issued) < LINK_LIFE);
        let link = Key::of(link);
        let Some(place) = ledger.links.iter().position(|(open, _)| *open == link) else {
            ledger.wrong.push_back(now);
            return Err(LoginError::WrongLink);
        };
        ledger.links.remove(place);
        Ok(ledger.begin(now))
    }

    /// The visit of a session token, if the session is still open; it counts as used from now on.
    pub fn visit(&self, token: &str, now: Timestamp) -> Option<Visit> {
        let key = Key::of(token);
        let mut ledger = self.ledger();
        ledger.open.retain(|_, session| now < session.ends());
        let session = ledger.open.get_mut(&key)?;
        session.seen = session.seen.max(now);
        Some(Visit { key, csrf: session.csrf.clone() })
    }

    /// Leaves a notice for the next page of this session.
    pub fn tell(&self, visit: &Visit, notice: Notice) {
        if let Some(session) = self.ledger().open.get_mut(&visit.key) {
            session.notice = Some(notice);
        }
    }

    /// Takes the notice that was left, so that it is read once.
    pub fn take_notice(&self, visit: &Visit) -> Option<Notice> {
        self.ledger().open.get_mut(&visit.key)?.notice.take()
    }

    /// The open sessions, latest used first.
    pub fn list(&self, visit: &Visit, now: Timestamp) -> Vec<OpenSession> {
        let mut ledger = self.ledger();
        ledger.open.retain(|_, session| now < session.ends());
        let mut list: Vec<OpenSession> = ledger
            .open
            .iter()
            .map(|(key, session)| OpenSession {
                began: session.began,
                seen: session.seen,
                ends: session.ends(),
                own: *key == visit.key,
            })
            .collect();
        list.sort_by_key(|session| std::cmp::Reverse(session.seen));
        list
    }

    /// Ends this session.
    pub fn log_out(&self, visit: &Visit) {
        self.ledger().open.remove(&visit.key);
    }

    /// Ends every session and every link that waits.
    pub fn log_out_everywhere(&self) {
        let mut ledger = self.ledger();
        ledger.open.clear();
        ledger.links.clear();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing below can panic half-way through a change, so a poisoned lock still guards a whole ledger.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn begin(&mut self, now: Timestamp) -> String {
        if self.open.len() >= OPEN_SESSIONS {
            let idle_longest = self.open.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key);
            idle_longest.and_then(|key| self.open.remove(&key));
        }
        let token = random_token();
        let session = Session { csrf: random_token(), began: now, seen: now, notice: None };
        self.open.insert(Key::of(&token), session);
        token
    }
}

impl Session {
    fn ends(&self) -> Timestamp {
        let idle = self.seen.saturating_add(IDLE).expect("a duration in seconds never fails to saturate");
        let absolute = self.began.saturating_add(ABSOLUTE).expect("a duration in seconds never fails to saturate");
        idle.min(absolute)
    }
}

/// 128 random bits as 32 hexadecimal digits.
pub fn random_token() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers, or nothing here is safe");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn a_link_opens_one_session_and_then_nothing() {
        let sessions = Sessions::new();
        let link = sessions.issue_link(at(0));
        assert_eq!(link.len(), 32);
        let token = sessions.log_in(&link, at(1)).unwrap();
        assert_ne!(token, link);
        assert!(sessions.visit(&token, at(2)).is_some());
        assert_eq!(sessions.log_in(&link, at(2)), Err(LoginError::WrongLink));
    }

    #[test]
    fn a_link_is_worth_nothing_after_fifteen_minutes() {
        let sessions = Sessions::new();
        let link = sessions.issue_link(at(0));
        assert_eq!(sessions.log_in(&link, at(15)), Err(LoginError::WrongLink));
    }

    #[test]
    fn a_session_ends_after_half_an_hour_alone_and_after_twelve_hours_of_work() {
        let sessions = Sessions::new();
        let idle = sessions.log_in(&sessions.issue_link(at(0)), at(0)).unwrap();
        assert!(sessions.visit(&idle, at(29)).is_some());
        assert!(sessions.visit(&idle, at(58)).is_some());
        assert!(sessions.visit(&idle, at(88)).is_none());

        let busy = sessions.log_in(&sessions.issue_link(at(0)), at(0)).unwrap();
        for minute in (0..720).step_by(20) {
            assert!(sessions.visit(&busy, at(minute)).is_some(), "minute {minute}");
        }
        assert!(sessions.visit(&busy, at(720)).is_none());
    }

    #[test]
    fn after_ten_wrong_links_within_a_minute_even_a_right_one_waits() {
        let sessions = Sessions::new();
        let link = sessions.issue_link(at(0));
        for _ in 0..10 {
            assert_eq!(sessions.log_in("guess", at(0)), Err(LoginError::WrongLink));
        }
        assert_eq!(sessions.log_in(&link, at(0)), Err(LoginError::TooMany));
        assert!(sessions.log_in(&link, at(1)).is_ok());
    }

    #[test]
    fn logging_out_everywhere_ends_the_other_sessions_and_the_links_that_wait() {
        let sessions = Sessions::new();
        let (desk, phone) = (sessions.issue_link(at(0)), sessions.issue_link(at(0)));
        let (desk, phone) = (sessions.log_in(&desk, at(0)).unwrap(), sessions.log_in(&phone, at(0)).unwrap());
        let waiting = sessions.issue_link(at(0));
        let visit = sessions.visit(&desk, at(1)).unwrap();
        assert_eq!(sessions.list(&visit, at(1)).iter().map(|open| open.own).collect::<Vec<_>>(), [true, false]);
        sessions.log_out_everywhere();
        assert!(sessions.visit(&phone, at(1)).is_none());
        assert_eq!(sessions.log_in(&waiting, at(1)), Err(LoginError::WrongLink));
    }

    #[test]
    fn a_form_of_another_session_is_not_ours() {
        let sessions = Sessions::new();
        let ours = sessions.log_in(&sessions.issue_link(at(0)), at(0)).unwrap();
        let theirs = sessions.log_in(&sessions.issue_link(at(0)), at(0)).unwrap();
        let (ours, theirs) = (sessions.visit(&ours, at(0)).unwrap(), sessions.visit(&theirs, at(0)).unwrap());
        assert!(ours.wrote(&ours.csrf) && !ours.wrote(&theirs.csrf) && !ours.wrote(""));
    }

    #[test]
    fn links_and_sessions_are_bounded_and_the_oldest_goes_first() {
        let sessions = Sessions::new();
        let first = sessions.issue_link(at(0));
        for _ in 0..OPEN_LINKS {
            sessions.issue_link(at(1));
        }
        assert_eq!(sessions.log_in(&first, at(2)), Err(LoginError::WrongLink));

        let oldest = sessions.log_in(&sessions.issue_link(at(3)), at(3)).unwrap();
        for _ in 0..OPEN_SESSIONS {
            sessions.log_in(&sessions.issue_link(at(4)), at(4)).unwrap();
        }
        assert!(sessions.visit(&oldest, at(5)).is_none());
        assert_eq!(sessions.ledger().open.len(), OPEN_SESSIONS);
    }
}
