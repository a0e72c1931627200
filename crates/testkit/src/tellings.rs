//! Endpoints of webhooks in the simulation: they take, refuse, fail or leave for good, and remember what they heard.
//! Everything that is meant for them is heard at least once, with one id and one body, or ends as given up; and once it is on disk
//! that they took it, they hear it no more.

use crate::chance::Chance;
use domain::{Span, Timestamp};
use engine::deliver::webhooks::{Errand, Heard};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Commit, Page, Store, WebhookFilter, WebhookProgress, WebhookState};

/// Webhooks looked at together at the end.
const MANY: u32 = 100_000;
/// The longest step of the ladder: what is given up was tried until then.
const LADDER: Span = Span::hours(8);

type Check = Result<(), String>;

/// Everybody who is told.
pub(crate) struct Tellings {
    chance: Chance,
    heard: BTreeMap<Arc<str>, Story>,
}

/// What endpoints heard under one id.
struct Story {
    body: String,
    last_number: u32,
    was_understood: bool,
    was_gone: bool,
    /// That it took it is on disk.
    is_recorded: bool,
}

impl Tellings {
    /// A stream of chance of its own, so that what else happens in a run of a seed does not depend on it.
    pub(crate) fn new(seed: u64) -> Tellings {
        Tellings { chance: Chance::new(seed ^ 0x7765_6268_6f6f_6b73), heard: BTreeMap::new() }
    }

    /// Whether an answer has come back by now.
    pub(crate) fn comes_back(&mut self) -> bool {
        self.chance.happens(70)
    }

    /// Tells an endpoint what its row in the store says, which must be durable by now.
    pub(crate) fn tell(&mut self, errand: &Errand, store: &dyn Store, is_calm: bool) -> Result<Heard, String> {
        let reader = store.reader().map_err(|error| error.to_string())?;
        let found = reader.webhook(&errand.id).map_err(|error| error.to_string())?;
        let webhook = found.ok_or_else(|| format!("webhook {} is told and nowhere on disk", errand.id))?;
        let progress = &webhook.progress;
        if (progress.state, progress.attempts) != (WebhookState::Trying, errand.number) {
            let id = &errand.id;
            return Err(format!("attempt {} of webhook {id} is no record on disk: {progress:?}", errand.number));
        }
        let heard = if is_calm { done() } else { self.answer() };
        let fresh = Story {
            body: webhook.body.clone(),
            last_number: 0,
            was_understood: false,
            was_gone: false,
            is_recorded: false,
        };
        let story = self.heard.entry(errand.id.clone()).or_insert(fresh);
        if story.body != webhook.body {
            return Err(format!("webhook {} is told with other bytes than before", errand.id));
        }
        if story.is_recorded {
            return Err(format!("webhook {} is told again, though its end is on disk", errand.id));
        }
        if errand.number <= story.last_number {
            return Err(format!("attempt {} of webhook {} is made twice", errand.number, errand.id));
        }
        story.last_number = errand.number;
        story.was_understood |= matches!(heard, Heard::Done { .. });
        story.was_gone |= matches!(heard, Heard::Gone { .. });
        Ok(heard)
    }

    /// A commit is durable; `taken` is what the engine was told before it that endpoints took. Of an attempt that was no longer
    /// the present one nothing was recorded: a later one tells.
    pub(crate) fn recorded(&mut self, taken: &[Errand], commit: &Commit) {
        for errand in taken {
            let is_of =
                |(id, progress): &(Arc<str>, WebhookProgress)| *id == errand.id && progress.attempts == errand.number;
            if let Some(story) = self.heard.get_mut(&errand.id) {
                story.is_recorded |= commit.webhook_progress.iter().any(is_of);
            }
        }
    }

    fn answer(&mut self) -> Heard {
        match self.chance.between(0, 9) {
            0..=4 => done(),
            5 => Heard::Gone { reply: "answered 410".to_owned() },
            6 => {
                let seconds = self.chance.between(0, 200_000);
                let retry_after = Some(Span(seconds * 1_000));
                Heard::NotYet { reply: "answered 429".to_owned(), retry_after }
            }
            _ => Heard::NotYet { reply: "no answer came in time".to_owned(), retry_after: None },
        }
    }

    /// Long after the last fault: nothing waits that could be told, and what is over ended as it should.
    pub(crate) fn check_at_the_end(&self, store: &dyn Store, now: Timestamp) -> Check {
        let reader = store.reader().map_err(|error| error.to_string())?;
        let page = Page { skip: 0, limit: MANY };
        let all = reader.webhooks(&WebhookFilter::default(), page).map_err(|error| error.to_string())?;
        for webhook in all {
            let (id, progress) = (&webhook.id, &webhook.progress);
            let story = self.heard.get(id);
            let is_right = match progress.state {
                WebhookState::Done => story.is_some_and(|story| story.was_understood),
                WebhookState::GaveUp => {
                    let ended_at = progress.ended_at.unwrap_or(now);
                    story.is_some_and(|story| story.was_gone) || ended_at.plus(LADDER) >= progress.expires
                }
                WebhookState::Waiting => progress.due.is_some_and(|due| due >= now),
                // Its answer is on the way back, which takes no hour.
                WebhookState::Trying => {
                    let is_fresh = progress.tried_at.is_some_and(|at| at.plus(Span::hours(1)) >= now);
                    is_fresh && story.is_some_and(|story| story.last_number == progress.attempts)
                }
                WebhookState::Kept => false,
            };
            if !is_right {
                return Err(format!("webhook {id} of {} ends as {progress:?}", webhook.made_at));
            }
        }
        Ok(())
    }
}

fn done() -> Heard {
    Heard::Done { reply: "answered 204".to_owned() }
}
