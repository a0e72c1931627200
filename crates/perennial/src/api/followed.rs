//! Which links of which mails were followed within the last seconds.
//!
//! A scanner follows all of them at once, a reader one after the other. In memory only; what is forgotten at a stop is a few
//! seconds old.
//!
//! A click is judged a moment after it came, when those beside it are known too: of the first link that a scanner follows nobody
//! could tell otherwise. The reader does not wait for that: they are on their way already.

use domain::{MessageId, Span, Timestamp};
use engine::ingest::machine::{COMPANY, Company};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long others are waited for.
const PATIENCE: Duration = Duration::from_millis(2_000);
/// Links that are remembered; at more in ten seconds the oldest are forgotten, and clicks are taken for a person's.
const REMEMBERED: usize = 20_000;

/// Links that were followed lately.
pub struct Followed {
    lately: Mutex<Lately>,
    patience_ms: AtomicU64,
}

impl Default for Followed {
    fn default() -> Followed {
        let followed = Followed { lately: Mutex::default(), patience_ms: AtomicU64::new(0) };
        followed.set_patience(PATIENCE);
        followed
    }
}

impl Followed {
    /// Waits for others no longer than this.
    pub fn set_patience(&self, patience: Duration) {
        self.patience_ms.store(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long others are waited for.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.load(Ordering::Relaxed))
    }

    /// A link was followed.
    pub fn note(&self, message: &MessageId, url: &str, at: Timestamp) {
        self.lately().note(message, url, at);
    }

    /// Which others of the same mail were followed around it.
    pub fn company(&self, message: &MessageId, url: &str, at: Timestamp) -> Company {
        self.lately().company(message, url, at)
    }

    fn lately(&self) -> MutexGuard<'_, Lately> {
        // A list that a panic left is still a list.
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Lately {
    /// Of each mail: the links, and when each was followed last.
    links: BTreeMap<MessageId, BTreeMap<Box<str>, Timestamp>>,
    /// The same in the order in which they came.
    order: VecDeque<(Timestamp, MessageId, Box<str>)>,
}

impl Lately {
    fn note(&mut self, message: &MessageId, url: &str, at: Timestamp) {
        while let Some((noted, ..)) = self.order.front()
            && (self.order.len() >= REMEMBERED || at.since(*noted) > Span(COMPANY.0 * 2))
        {
            self.forget_oldest();
        }
        self.links.entry(message.clone()).or_default().insert(url.into(), at);
        self.order.push_back((at, message.clone(), url.into()));
    }

    fn forget_oldest(&mut self) {
        let Some((noted, message, url)) = self.order.pop_front() else { return };
        let Some(links) = self.links.get_mut(&message) else { return };
        // Followed again later, it is still known by that.
        if links.get(&url).is_some_and(|at| *at <= noted) {
            links.remove(&url);
        }
        if links.is_empty() {
            self.links.remove(&message);
        }
    }

    fn company(&self, message: &MessageId, url: &str, at: Timestamp) -> Company {
        let all = self.links.get(message).into_iter().flatten();
        let apart = |other: &Timestamp| Span(at.since(*other).0.abs());
        let around: Vec<(&str, Span)> =
            all.map(|(link, other)| (&**link, apart(other))).filter(|(_, apart)| *apart <= COMPANY).collect();
        let nearest = around.iter().filter(|(link, _)| *link != url).map(|(_, apart)| *apart).min();
        let own = usize::from(!around.iter().any(|(link, _)| *link == url));
        Company { nearest, links: around.len() + own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_767_268_800_000);

    fn after(ms: i64) -> Timestamp {
        NOON.plus(Span(ms))
    }

    fn mail(id: &str) -> MessageId {
        MessageId(id.into())
    }

    #[test]
    fn links_of_one_mail_that_are_followed_together_are_company_and_others_are_not() {
        let mut lately = Lately::default();
        let ana = mail("m_ana");
        lately.note(&ana, "https://tea.example/1", NOON);
        lately.note(&mail("m_ben"), "https://tea.example/2", after(5));
        let alone = lately.company(&ana, "https://tea.example/1", NOON);
        assert_eq!(alone, Company { nearest: None, links: 1 }, "Ben's mail is another");
        lately.note(&ana, "https://tea.example/2", after(40));
        lately.note(&ana, "https://tea.example/2", after(90));
        lately.note(&ana, "https://tea.example/3", after(9_000));
        let first = lately.company(&ana, "https://tea.example/1", NOON);
        assert_eq!(first, Company { nearest: Some(Span(90)), links: 3 });
        let later = lately.company(&ana, "https://tea.example/4", after(11_000));
        assert_eq!(later, Company { nearest: Some(Span(2_000)), links: 2 }, "beyond ten seconds they are no company");
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let mut lately = Lately::default();
        for number in 0..REMEMBERED + 50 {
            lately.note(&mail(&format!("m_{number}")), "https://tea.example", NOON);
        }
        assert_eq!((lately.order.len(), lately.links.len()), (REMEMBERED, REMEMBERED));
        lately.note(&mail("m_ana"), "https://tea.example", after(60_000));
        assert_eq!((lately.order.len(), lately.links.len()), (1, 1));
    }
}
