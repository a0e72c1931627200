//! What an edit does with people inside who move to the new version.

use crate::decide::program::Program;
use crate::state::Engine;
use domain::campaign::{Action, PeopleInside, Wait};
use domain::message::{Because, Channel, Message, Outcome};
use domain::{Name, Timestamp};
use std::sync::Arc;
use store::{Journey, Stage};

impl Engine {
    /// Moves those inside a campaign to its present version, where it says so. O(journeys).
    pub(crate) fn move_people(&mut self, campaign: &Name) {
        let Some(campaigning) = self.campaigns.get(campaign) else { return };
        if campaigning.current.campaign.people_inside != PeopleInside::Move {
            return;
        }
        let version = campaigning.current.version;
        let behind = |journey: &&Journey| {
            journey.campaign == *campaign && journey.version != version && journey.stage.is_inside()
        };
        let inside: Vec<Arc<str>> = self.journeys.values().filter(behind).map(|journey| journey.id.clone()).collect();
        for journey in inside {
            self.move_journey(&journey, version);
        }
    }

    fn move_journey(&mut self, id: &Arc<str>, version: u32) {
        let Some(journey) = self.journeys.get(id) else { return };
        let Some(campaigning) = self.campaigns.get(&journey.campaign) else { return };
        let (old, new) = (campaigning.version(journey.version).clone(), campaigning.current.clone());
        let (step, is_there) = new.program.place_of(journey.step, &old.program);
        let until = self.until_in(journey, &new.program, step).filter(|_| is_there);
        let message = journey.message.clone().and_then(|id| self.messages.get(&id).cloned());
        let same_message = message.as_ref().is_some_and(|message| {
            is_there && new.program.at(step).is_some_and(|place| place.id == message.step && is_message(&place.action))
        });
        let Some(journey) = self.journeys.get_mut(id) else { return };
        (journey.version, journey.step) = (version, step);
        match journey.stage {
            Stage::Waiting => match until {
                Some(until) => {
                    journey.until = Some(until);
                    self.set_journey_timer(id, until);
                }
                None => {
                    journey.stage = Stage::Due;
                    (journey.until, journey.waits_since) = (None, None);
                }
            },
            Stage::Messaging if same_message => {}
            Stage::Messaging => {
                journey.stage = Stage::Due;
                journey.message = None;
            }
            _ => {}
        }
        self.save_journey(id);
        if let Some(message) = message {
            if same_message {
                self.write_anew(&message, &new.program);
            } else if message.phase.is_none() && !message.fate_is_unknown() {
                // The step it was for is gone; what is on its way already does not come back.
                self.conclude(&message.id, Outcome::Skipped, Some(Because::Exited), None);
            }
        }
        self.work.steps.insert(id.clone());
    }

    /// Until when somebody waits at a wait of the new version, who has waited there before.
    fn until_in(&self, journey: &Journey, program: &Program, step: u32) -> Option<Timestamp> {
        let since = journey.waits_since.filter(|_| journey.stage == Stage::Waiting)?;
        let Action::Wait(wait) = &program.at(step)?.action else { return None };
        Some(match wait {
            Wait::For(span) => since.plus(*span),
            Wait::Until { at_most, .. } => at_most.map_or(domain::time::LATEST, |span| since.plus(span)),
            Wait::Local(local) => local.next_from(self.clock, &self.zone_of(self.person(journey.customer))),
            Wait::BestTime(_) => journey.until?,
        })
    }

    /// A message that is held is written as the new version says; one that is on its way stays as it is.
    fn write_anew(&mut self, message: &Message, program: &Program) {
        let Some(Action::Message { template, channel, .. }) = program.find(&message.step).map(|place| &place.action)
        else {
            return;
        };
        let channel = channel.unwrap_or_else(|| {
            self.definitions.templates.get(template).map_or(Channel::Email, |template| template.channel)
        });
        let is_held = message.outcome == Some(Outcome::Held) && message.phase.is_none() && message.attempts == 0;
        let is_other = message.template != *template || message.channel != channel;
        let Some(held) = self.messages.get_mut(&message.id).filter(|_| is_held && is_other) else { return };
        (held.template, held.channel, held.written) = (template.clone(), channel, None);
        let held = held.clone();
        self.pending.messages.push(held);
    }
}

fn is_message(action: &Action) -> bool {
    matches!(action, Action::Message { .. })
}
