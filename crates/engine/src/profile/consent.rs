//! How consent stands for a purpose on a channel: by what was said, and by what follows from what was done.
//!
//! A no holds until the customer says yes. What follows from an event holds for a time that the purpose sets, and never
//! against a later no. A yes that must be confirmed takes nothing away from what held before.

use crate::profile::Customer;
use crate::profile::standing::{Statement, Word};
use domain::message::Channel;
use domain::segment::ConsentState;
use domain::workspace::Implied;
use domain::{Name, Purpose, Timestamp};
use std::cmp::Reverse;

/// A purpose, with the streams that keep when each of the events that imply a yes was done last.
#[derive(Clone, PartialEq, Debug)]
pub struct Terms {
    /// The purpose.
    pub purpose: Purpose,
    /// As `purpose.implied`.
    pub streams: Vec<u32>,
}

/// An event that implies a yes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done<'a> {
    /// Its name.
    pub event: &'a str,
    /// When it was done.
    pub at: Timestamp,
    /// The first instant at which nothing follows from it any more.
    pub end: Timestamp,
}

/// How consent stands at an instant, and why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Standpoint<'a> {
    /// The state.
    pub state: ConsentState,
    /// The statement that decides.
    pub said: Option<&'a Statement>,
    /// The event that decides, where no statement does.
    pub done: Option<Done<'a>>,
    /// Of what is granted or pending: when it ends by time alone.
    pub until: Option<Timestamp>,
}

impl Standpoint<'_> {
    /// Express or implied, where that is known.
    pub fn basis(&self) -> Option<&str> {
        match (self.done, self.said) {
            (Some(_), _) => Some("implied"),
            (None, said) => said?.basis.as_deref(),
        }
    }

    /// Since when it stands like this; none: nothing was ever said or done.
    pub fn since(&self) -> Option<Timestamp> {
        self.done.map(|done| done.at).or_else(|| self.said.map(|said| said.order.0))
    }

    /// In words, why nothing may be sent; none where it may.
    pub fn refusal(&self) -> Option<String> {
        let day = |at: Timestamp| at.to_string().get(..10).unwrap_or_default().to_owned();
        let asked = self.said.map(|said| day(said.order.0)).unwrap_or_default();
        Some(match (self.state, self.said, self.done) {
            (ConsentState::Granted, ..) => return None,
            (ConsentState::Withdrawn, ..) => format!("they said no on {asked}"),
            (ConsentState::Pending, ..) => format!("they were asked to confirm on {asked} and have not yet"),
            (ConsentState::Expired, _, Some(done)) => format!(
                "consent that followed from {} on {} ended on {}",
                done.event.chars().take(60).collect::<String>(),
                day(done.at),
                day(done.end)
            ),
            (ConsentState::Expired, ..) => format!("their yes of {asked} has run out"),
            (ConsentState::Unknown, ..) => "they never said yes".to_owned(),
        })
    }
}

impl Customer {
    /// How consent stands for a purpose on a channel at an instant. O(statements).
    pub fn consent<'a>(&'a self, terms: &'a Terms, channel: &str, now: Timestamp) -> Standpoint<'a> {
        let purpose = &terms.purpose;
        let about = || self.standing.statements_about(purpose.name.as_str(), channel, now);
        let said = about().find(|statement| !statement.waits_for(purpose));
        let no = about().find(|statement| statement.word == Word::No);
        // Nothing follows against a later no.
        let follows = self.each_implied(terms, now).filter(|done| no.is_none_or(|no| done.at > no.order.0));
        let done = follows.max_by_key(|done| (done.end, done.at, Reverse(done.event)));
        let settled = settle(purpose, said, done, now);
        if settled.state == ConsentState::Granted {
            return settled;
        }
        let waits = about()
            .take_while(|statement| said.is_none_or(|said| said.order < statement.order))
            .find(|statement| statement.waits_for(purpose) && statement.ends(purpose).is_none_or(|end| end > now));
        match waits {
            Some(asked) => {
                Standpoint { state: ConsentState::Pending, said: Some(asked), done: None, until: asked.ends(purpose) }
            }
            None => settled,
        }
    }

    /// The weakest state over the purpose's channels, and the first instant at which one of them ends.
    pub fn weakest_consent(&self, terms: &Terms, now: Timestamp) -> (ConsentState, Option<Timestamp>) {
        let channels = if terms.purpose.channels.is_empty() { Channel::ALL } else { &terms.purpose.channels };
        let all = channels.iter().map(|channel| self.consent(terms, channel.word(), now));
        let weakest = |(state, until): (ConsentState, Option<Timestamp>), next: Standpoint<'_>| {
            let first = until.into_iter().chain(next.until).min();
            (state.min(next.state), first)
        };
        let strongest = (ConsentState::Granted, None);
        if channels.is_empty() { (ConsentState::Unknown, None) } else { all.fold(strongest, weakest) }
    }

    /// When the state of consent for a purpose may change next by time alone.
    pub fn next_consent_change(&self, terms: &Terms, now: Timestamp) -> Option<Timestamp> {
        let purpose = &terms.purpose;
        let own = || self.standing.statements().iter().filter(|said| said.purpose.as_ref() == purpose.name.as_str());
        let starts = own().map(|statement| statement.order.0);
        let ends = own().filter_map(|statement| statement.ends(purpose));
        let ahead = terms.streams.iter().filter_map(|stream| {
            let times = self.streams.entries(*stream).iter().map(|entry| entry.order.0);
            times.filter(|at| *at > now).min()
        });
        let done = self.each_implied(terms, now).map(|done| done.end);
        starts.chain(ends).chain(ahead).chain(done).filter(|at| *at > now).min()
    }

    /// Of each event that implies a yes when it was done last.
    fn each_implied<'a>(&'a self, terms: &'a Terms, now: Timestamp) -> impl Iterator<Item = Done<'a>> {
        terms.purpose.implied.iter().zip(&terms.streams).filter_map(move |(implied, stream)| {
            let entries = self.streams.entries(*stream);
            let past = entries.partition_point(|entry| entry.order.0 <= now);
            let at = entries.get(past.checked_sub(1)?)?.order.0;
            Some(Done { event: &implied.event, at, end: implied.lasts.end(at) })
        })
    }
}

/// What holds by the latest statement that waits for nothing, and by what follows from an event.
fn settle<'a>(
    purpose: &Purpose,
    said: Option<&'a Statement>,
    done: Option<Done<'a>>,
    now: Timestamp,
) -> Standpoint<'a> {
    let in_force = done.filter(|done| done.end > now);
    let by_event = |state, done: Option<Done<'a>>| Standpoint {
        state,
        said: None,
        done,
        until: done.map(|done| done.end).filter(|_| state == ConsentState::Granted),
    };
    let Some(said) = said else {
        return match (in_force, done) {
            (Some(_), _) => by_event(ConsentState::Granted, in_force),
            (None, Some(_)) => by_event(ConsentState::Expired, done),
            (None, None) if purpose.granted_by_default => by_event(ConsentState::Granted, None),
            (None, None) => by_event(ConsentState::Unknown, None),
        };
    };
    let by_word = |state, until| Standpoint { state, said: Some(said), done: None, until };
    match (said.word, said.ends(purpose)) {
        (Word::No | Word::Request, _) => by_word(ConsentState::Withdrawn, None),
        (Word::Yes, None) => by_word(ConsentState::Granted, None),
        (Word::Yes, Some(end)) if end > now => {
            let until = in_force.map_or(end, |done| done.end.max(end));
            by_word(ConsentState::Granted, Some(until))
        }
        (Word::Yes, Some(_)) => match in_force {
            Some(_) => by_event(ConsentState::Granted, in_force),
            None => by_word(ConsentState::Expired, None),
        },
    }
}

impl Statement {
    /// Whether it counts only once the customer has confirmed it.
    pub fn waits_for(&self, purpose: &Purpose) -> bool {
        self.word == Word::Request || self.word == Word::Yes && self.from_outside && purpose.confirm.is_some()
    }

    /// The first instant at which it no longer counts, of those that end by themselves: at what it says itself; what waits
    /// for the customer at the purpose's time; what is implied by the purpose's clock for its source, else by the shortest.
    pub fn ends(&self, purpose: &Purpose) -> Option<Timestamp> {
        let at = self.order.0;
        if self.waits_for(purpose) {
            let confirm = purpose.confirm.map(|within| at.plus(within));
            return self.expires.into_iter().chain(confirm).min();
        }
        if self.word != Word::Yes || self.expires.is_some() || self.basis.as_deref() != Some("implied") {
            return self.expires;
        }
        let by_clock = |implied: &Implied| implied.lasts.end(at);
        let named = purpose.implied.iter().find(|implied| self.source.as_deref() == Some(&implied.event));
        named.map(by_clock).or_else(|| purpose.implied.iter().map(by_clock).min())
    }
}

/// All purposes of a workspace with their streams, by name.
pub type AllTerms = std::collections::BTreeMap<Name, Terms>;
