//! A campaign that too many people call spam pauses itself. Mailbox providers ask bulk senders to stay below 0.3 %; who stays
//! above lands in the spam folder with everything, alerts included.
//!
//! Mails and complaints are counted by when the mail went, so that a complaint that comes days later is held against the
//! mails among which it was sent.

use crate::state::Engine;
use domain::campaign::State;
use domain::message::{Channel, Message, Outcome};
use domain::workspace::service;
use domain::{DefinitionKind, Name, Span, Timestamp};
use std::collections::BTreeMap;

/// How far back mails and complaints count.
pub const WINDOW: Span = store::COMPLAINTS_LOOK_BACK;
/// How the author of a pause begins that nobody but the brake made.
const AUTHOR: &str = "the complaint brake";
const MINUTE_MS: i64 = 60_000;

/// When a campaign pauses itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BrakeLimit {
    /// Complaints of 100,000 mails beyond which it does: 300 are 0.3 %.
    pub per_100_000: u32,
    /// Mails below which a share says nothing.
    pub from: u32,
}

impl Default for BrakeLimit {
    /// What Gmail and Yahoo ask of bulk senders, once a thousand mails went.
    fn default() -> BrakeLimit {
        BrakeLimit { per_100_000: 300, from: 1_000 }
    }
}

/// Mails of the last days and what was called spam of them, for each campaign.
#[derive(Default)]
pub(crate) struct Brake(BTreeMap<Name, BTreeMap<i64, Counts>>);

#[derive(Clone, Copy, Default)]
struct Counts {
    sent: u32,
    complaints: u32,
}

impl Brake {
    fn at(&mut self, campaign: &Name, at: Timestamp) -> &mut Counts {
        let minutes = self.0.entry(campaign.clone()).or_default();
        minutes.entry(at.0.div_euclid(MINUTE_MS)).or_default()
    }

    fn forget_before(&mut self, campaign: &Name, since: Timestamp) {
        if let Some(minutes) = self.0.get_mut(campaign) {
            *minutes = minutes.split_off(&since.0.div_euclid(MINUTE_MS));
        }
    }

    /// Mails that went from an instant on, to the minute, and complaints about them.
    fn since(&self, campaign: &Name, since: Timestamp) -> (u32, u32) {
        let from = since.0.div_euclid(MINUTE_MS);
        let counted = self.0.get(campaign).into_iter().flat_map(|minutes| minutes.range(from..));
        counted.fold((0, 0), |(sent, complaints), (_, counts)| {
            (sent.saturating_add(counts.sent), complaints.saturating_add(counts.complaints))
        })
    }
}

impl Engine {
    /// A mail went. Alerts are not braked: they are asked for, and the law may want them.
    pub(crate) fn brake_counts_sent(&mut self, message: &Message, at: Timestamp) {
        if may_be_braked(message) && at >= self.clock.minus(WINDOW) {
            let sent = &mut self.brake.at(&message.campaign, at).sent;
            *sent = sent.saturating_add(1);
        }
    }

    /// A mail that went then was called spam, before the start.
    pub(crate) fn brake_recalls_complaint(&mut self, campaign: &Name, sent_at: Timestamp) {
        let complaints = &mut self.brake.at(campaign, sent_at).complaints;
        *complaints = complaints.saturating_add(1);
    }

    /// A mail was called spam: where that makes too many, its campaign pauses. What counts began at the last change of the
    /// campaign: what a person resumed, or wrote anew, is judged by what it sends from then on.
    pub(crate) fn brake_on_complaint(&mut self, message: &Message) {
        let sent_at = message.outcome_at.filter(|_| message.outcome == Some(Outcome::Sent));
        let Some(sent_at) = sent_at.filter(|_| may_be_braked(message)) else { return };
        let window = self.clock.minus(WINDOW);
        if sent_at < window {
            return;
        }
        self.brake.forget_before(&message.campaign, window);
        self.brake_recalls_complaint(&message.campaign, sent_at);
        let changed = self.version(DefinitionKind::Campaign, &message.campaign).map(|version| version.at);
        let Some(since) = changed.map(|changed| changed.max(window)) else { return };
        let (sent, complaints) = self.brake.since(&message.campaign, since);
        let Some(BrakeLimit { per_100_000, from }) = self.options.brake else { return };
        let is_over = u64::from(complaints) * 100_000 > u64::from(sent) * u64::from(per_100_000);
        let is_running = |state| state == State::Running;
        let state = self.definitions.campaigns.get(&message.campaign).map(|campaign| campaign.state);
        if sent < from || !is_over || !state.is_some_and(is_running) {
            return;
        }
        let limit = f64::from(per_100_000) / 1_000.0;
        let by = format!("{AUTHOR}: of {sent} mails {complaints} were called spam, more than {limit} %");
        tracing::warn!(campaign.id = %message.campaign, sent, complaints, "campaign `{}` is paused: {by}", message.campaign);
        // It was in force as it stands, so it can be put in force with another state.
        if let Err(error) = self.set_campaign_state(&message.campaign, State::Paused, &by, self.clock) {
            tracing::error!(campaign.id = %message.campaign, "the campaign could not be paused: {error}");
        }
    }

    /// Why a campaign that is paused paused itself; none if it did not.
    pub fn braked_because(&self, campaign: &Name) -> Option<&str> {
        let is_paused = self.definitions.campaigns.get(campaign)?.state == State::Paused;
        let version = self.version(DefinitionKind::Campaign, campaign)?;
        version.by.strip_prefix(AUTHOR)?.strip_prefix(": ").filter(|_| is_paused)
    }
}

fn may_be_braked(message: &Message) -> bool {
    message.channel == Channel::Email && message.purpose != service()
}
