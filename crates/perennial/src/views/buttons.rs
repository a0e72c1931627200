//! What a person does with a button: each is one change, told back in a sentence.

use super::{EngineViews, House, broken, told};
use crate::erase::EraseError;
use crate::pages::session::Notice;
use crate::pages::text::Count;
use crate::pages::{Order, PageError};
use domain::campaign::State;
use domain::{Call, CustomerId, MessageId, Name};
use engine::define::DefineError;
use engine::profile::joining::JoinError;
use engine::report::door::{TriedAgain, read_again};
use store::Page;

/// Refused calls tried again at one press; the button can be pressed again.
const TRIED_AT_ONCE: usize = 10_000;
/// Refused calls read at a time: each may have 16 KB.
const READ_AT_ONCE: u32 = 500;
/// Refused calls taken again in one change, so that the door does not wait.
const TAKEN_AT_ONCE: usize = 500;

impl<H: House> EngineViews<H> {
    pub(super) fn press(&self, order: &Order) -> Result<Notice, PageError> {
        match order {
            Order::Merge { customer, other } => self.merge(customer, other),
            Order::DismissMerge { customer, other } => self.dismiss(customer, other),
            Order::Unmerge { customer, identity } => self.unmerge(customer, identity),
            Order::Erase { customer, is_confirmed } => self.erase(customer, *is_confirmed),
            Order::LiftSuppression { customer, address } => self.lift(customer, address),
            Order::RemoveBrowser { customer, browser } => self.remove_browser(customer, browser),
            Order::PauseCampaign(name) => self.set_state(name, State::Paused),
            Order::ResumeCampaign(name) => self.set_state(name, State::Running),
            Order::StopCampaign(name) => self.set_state(name, State::Stopped),
            Order::CompareAnew(name) => self.compare_anew(name),
            Order::CompleteTask(id) => self.complete_task(id),
            Order::Approve(id) => self.approve(id),
            Order::MarkSeen(id) => self.mark_seen(id),
            Order::TryWebhook(id) => self.try_webhook(id),
            Order::TurnOnEndpoint(name) => self.turn_on(name),
            Order::ImportCodes { pool, codes } => self.import_codes(pool, codes),
            Order::Replay { reason } => self.replay(reason),
        }
    }

    /// The person on whose page a button stands. By id alone: somebody may be called `c17`.
    fn person(&self, id: &str) -> Result<CustomerId, PageError> {
        self.house.read().look_up_id(id).map_err(told)
    }

    fn merge(&self, customer: &str, other: &str) -> Result<Notice, PageError> {
        let (one, other) = (self.person(customer)?, self.person(other)?);
        self.change(move |engine, now| engine.merge_people(one, other, now))?.map_err(not_joined)?;
        Ok(Notice::done("Joined. Their timelines are one now; you can part them again on this page."))
    }

    fn compare_anew(&self, name: &str) -> Result<Notice, PageError> {
        let missing = || PageError::NotFound(format!("campaign `{name}`"));
        let own = domain::Name::parse(name).map_err(|_| missing())?;
        self.change(move |engine, now| engine.start_comparison(&own, now))?.map_err(|_| missing())?;
        Ok(Notice::done(
            "A new comparison has begun: everybody is drawn anew, and what was learned of variants is forgotten.",
        ))
    }

    fn dismiss(&self, customer: &str, other: &str) -> Result<Notice, PageError> {
        let (one, other) = (self.person(customer)?, self.person(other)?);
        if one == other {
            return Err(PageError::Refused("they are one person already".to_owned()));
        }
        self.change(move |engine, now| engine.note_declined(one, other, now))?;
        Ok(Notice::done("Two people. You will not be asked again."))
    }

    fn unmerge(&self, customer: &str, identity: &str) -> Result<Notice, PageError> {
        let (own, name) = {
            let engine = self.house.read();
            let person = engine.look_up_id(customer).map_err(told)?;
            let (own, name) = (engine.look().people().nodes_of(person.0), engine.look().people().name_of(person));
            let people = engine.look().people();
            let named = own.iter().rev().copied().find(|node| people.node(*node).name.as_ref() == identity);
            let keeps = own.iter().copied().find(|node| people.node(*node).name == name && Some(*node) != named);
            let Some(named) = named else {
                return Err(PageError::Refused(format!("`{identity}` is no id of this customer, or no longer")));
            };
            let Some(keeps) = keeps.or_else(|| own.iter().copied().find(|node| *node != named)) else {
                return Err(PageError::Refused("there is nothing to part: this is their only id".to_owned()));
            };
            (named, keeps)
        };
        self.change(move |engine, now| engine.unmerge_names(own, name, now))?.map_err(not_joined)?;
        Ok(Notice::done("Parted. Every call went back to the id that it named."))
    }

    fn erase(&self, customer: &str, is_confirmed: bool) -> Result<Notice, PageError> {
        if !is_confirmed {
            return Err(PageError::Refused(
                "write the word erase into the field to confirm; nothing was changed".to_owned(),
            ));
        }
        let person = self.person(customer)?;
        match self.house.erase(person) {
            Ok(erased) => {
                let calls = Count::from(erased.calls).of("call", "calls");
                Ok(Notice::done(format!(
                    "Erased. {calls} of theirs hold nothing any more, and nothing is sent to them."
                )))
            }
            Err(EraseError::Unknown(_)) => Err(PageError::Refused("they were erased already".to_owned())),
            Err(EraseError::Job(error)) => Err(PageError::Refused(error.to_string())),
            Err(EraseError::Store(error)) => Err(broken(error)),
        }
    }

    fn lift(&self, customer: &str, address: &str) -> Result<Notice, PageError> {
        self.person(customer)?;
        let address = address.to_owned();
        let was = self.change(move |engine, now| engine.lift_suppression(&address, now))?;
        Ok(if was {
            Notice::done("Lifted. Messages to this address go out again.")
        } else {
            Notice::not_done("That address was not suppressed any more.")
        })
    }

    fn remove_browser(&self, customer: &str, browser: &str) -> Result<Notice, PageError> {
        let person = self.person(customer)?;
        let browser = browser.to_owned();
        let was = self.change(move |engine, now| engine.remove_browser(person, &browser, now))?;
        Ok(if was {
            Notice::done("Taken off. That browser shows nothing of ours any more, unless they say yes there again.")
        } else {
            Notice::not_done("That browser was taken off already.")
        })
    }

    fn set_state(&self, name: &str, state: State) -> Result<Notice, PageError> {
        let missing = || PageError::NotFound(format!("campaign “{name}”"));
        let name = Name::parse(name).map_err(|_| missing())?;
        let own = name.clone();
        let set = self.change(move |engine, now| {
            let was = engine.definitions().campaigns.get(&own).map(|campaign| campaign.state);
            if was == Some(state) {
                return Ok(false);
            }
            engine.set_campaign_state(&own, state, "page", now).map(|_| true)
        })?;
        match set {
            Ok(true) => {}
            Ok(false) => return Err(PageError::Refused(format!("it is {} already", state.word()))),
            Err(DefineError::Unknown { .. }) => return Err(missing()),
            Err(DefineError::Store(error)) => return Err(broken(error)),
            Err(other) => return Err(PageError::Refused(other.to_string())),
        }
        Ok(Notice::done(match state {
            State::Paused => "Paused. Nobody enters and nothing goes; waits run on.",
            State::Running => "It runs again. What fell due meanwhile goes through the gate now.",
            State::Stopped => "Stopped. Everybody inside has left, held messages will not go out.",
        }))
    }

    fn approve(&self, id: &str) -> Result<Notice, PageError> {
        let id = MessageId(id.into());
        let done = self.change({
            let id = id.clone();
            move |engine, now| engine.approve(&id, "somebody on a page", now)
        })?;
        done.map_err(|error| PageError::Refused(error.to_string()))?;
        let held = {
            let engine = self.house.read();
            engine.message_under_way(&id).and_then(|message| message.because)
        };
        Ok(Notice::done(match held {
            None => "Approved. It is on its way.".to_owned(),
            Some(because) => {
                let why = crate::pages::outcome::because_in_words(because.word());
                format!("Approved. It goes as soon as the gate lets it: {why}.")
            }
        }))
    }

    fn mark_seen(&self, id: &str) -> Result<Notice, PageError> {
        let message = self.read(|reader| Ok(reader.message(&MessageId(id.into()))?.map(|(message, _)| message)))?;
        let Some(message) = message else { return Err(PageError::NotFound(format!("message “{id}”"))) };
        if message.outcome != Some(domain::message::Outcome::Uncertain) {
            return Err(PageError::Refused("this message is not uncertain".to_owned()));
        }
        self.change(move |engine, now| engine.note_seen(&message, now))?;
        Ok(Notice::done("Noted. It no longer waits for anybody."))
    }

    /// Reads refused calls again as the door would today. What is still refused stays as it is.
    fn replay(&self, reason: &str) -> Result<Notice, PageError> {
        let now = self.house.now();
        let mut again: Vec<(u64, Call)> = Vec::new();
        let mut still = 0_u64;
        let mut skip = 0;
        loop {
            let page = self.read(|reader| reader.refused(Page { skip, limit: READ_AT_ONCE }))?;
            let is_last = page.len() < READ_AT_ONCE as usize;
            skip += page.len() as u64;
            for refused in page.iter().filter(|refused| reason.is_empty() || refused.reason == reason) {
                match read_again(refused, &self.door, now) {
                    Some(call) => again.push((refused.id, call)),
                    None => still += 1,
                }
            }
            if is_last || again.len() >= TRIED_AT_ONCE {
                break;
            }
        }
        // The oldest first, as they came.
        again.sort_by_key(|(id, _)| *id);
        let mut tried = TriedAgain::default();
        while !again.is_empty() {
            let rest = again.split_off(again.len().min(TAKEN_AT_ONCE));
            let piece = std::mem::replace(&mut again, rest);
            let done = self.change(move |engine, now| engine.take_again(piece, now))?;
            tried.accepted += done.accepted;
            tried.duplicates += done.duplicates;
            tried.refused += done.refused;
        }
        Ok(replayed(tried, still))
    }
}

fn replayed(tried: TriedAgain, still: u64) -> Notice {
    let refused = still + tried.refused;
    let taken = tried.accepted + tried.duplicates;
    let duplicates = match tried.duplicates {
        0 => String::new(),
        count => format!(", {} had arrived meanwhile", Count(count)),
    };
    let rest = match refused {
        0 => ".".to_owned(),
        count => format!("; {} refused still.", Count(count).of("call is", "calls are")),
    };
    match (taken, refused) {
        (0, 0) => Notice::not_done("There was nothing to try again."),
        (0, _) => Notice::not_done(format!("None could be taken{rest}")),
        _ => Notice::done(format!("{} accepted{duplicates}{rest}", Count(tried.accepted).of("call was", "calls were"))),
    }
}

fn not_joined(error: JoinError) -> PageError {
    match error {
        JoinError::Store(error) => broken(error),
        other => PageError::Refused(other.to_string()),
    }
}
