//! What a dry run answers.

use domain::message::{Because, Message, Outcome, Written};
use domain::{CustomerId, Name, Timestamp};
use engine::profile::People;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a campaign would have done.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DryRun {
    /// The campaign.
    pub campaign: Name,
    /// When it would have started.
    #[serde(serialize_with = "as_text")]
    pub from: Timestamp,
    /// Until when it was followed.
    #[serde(serialize_with = "as_text")]
    pub to: Timestamp,
    /// Calls that were lived through, those before the start among them.
    pub calls: usize,
    /// People known by the end.
    pub customers: usize,
    /// Entries.
    pub entries: usize,
    /// Those at the very start: present members of the segment that lets in.
    pub at_start: usize,
    /// People who entered.
    pub people: usize,
    /// Journeys under way at the end.
    pub inside: usize,
    /// Tasks that people would have been asked to do.
    pub tasks: usize,
    /// Vouchers that would have been given.
    pub vouchers: usize,
    /// Vouchers that nobody would have got, since the codes that are left in their pool today had been given by then.
    pub without_voucher: usize,
    /// Points that would have been given.
    pub points: u64,
    /// Other systems that would have been told.
    pub webhooks: usize,
    /// How each message ended, the commonest first.
    pub outcomes: Vec<Ended>,
    /// Why messages were held for a while, the commonest first; most of them went later.
    pub holds: Vec<Held>,
    /// Month by month, in the workspace's zone.
    pub months: Vec<Month>,
    /// How many people would have got how many messages.
    pub per_person: Vec<PerPerson>,
    /// Who would have heard most often.
    pub most: Vec<Often>,
    /// What people did within the goal's window although nothing was sent: what the campaign has to beat.
    pub anyway: Option<Anyway>,
    /// The campaign was really running for a part of that time, so that what people did is not what they do without it.
    pub was_running: bool,
    /// Every message by its last outcome, in order of time; the first thousand.
    pub messages: Vec<Told>,
    /// Messages in all.
    pub messages_in_all: usize,
    /// What five people would read, those with the oddest data among them.
    pub letters: Vec<Letter>,
}

/// A message as somebody would read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Letter {
    /// Who.
    pub customer: String,
    /// At which step.
    pub step: String,
    /// To which address.
    pub to: String,
    /// Their name as it stands in the header.
    pub to_name: Option<String>,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: Option<String>,
}

/// Messages that ended alike.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// Its reason.
    pub because: Option<Because>,
    /// Messages.
    pub messages: usize,
    /// Of how many people.
    pub people: usize,
}

/// Messages that were held for a reason.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Held {
    /// The reason.
    pub because: Because,
    /// Messages.
    pub messages: usize,
}

/// A month.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Month {
    /// Such as `2011-03`.
    pub month: String,
    /// Entries.
    pub entries: usize,
    /// Messages sent.
    pub sent: usize,
    /// Messages that the comparison group would have got.
    pub would_have_sent: usize,
}

/// People alike in how often they hear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PerPerson {
    /// Messages each.
    pub messages: usize,
    /// People.
    pub people: usize,
}

/// Somebody and how often they hear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Often {
    /// Their name.
    pub customer: String,
    /// Messages.
    pub messages: usize,
}

/// What people did without being written to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Anyway {
    /// Journeys that a message would have reached, or the comparison group's draw.
    pub journeys: usize,
    /// Those of them whose window was over by the end.
    pub complete: usize,
    /// Those of the complete ones in which the goal was reached.
    pub reached: usize,
}

/// A message by its last outcome.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Told {
    /// When.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// To whom.
    pub customer: String,
    /// At which step.
    pub step: String,
    /// Which variant.
    pub variant: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
    /// Its reason.
    pub because: Option<Because>,
    /// What was missing, or the reason in words.
    pub detail: Option<String>,
    /// The subject as written.
    pub subject: Option<String>,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// How much there is to look at in a letter, in some way.
type Look<'a> = &'a dyn Fn(&(&Message, &Written)) -> usize;

/// The letters of five people: the longest and shortest text, the strangest name, the longest subject, and the latest one.
pub(super) fn oddest(messages: &HashMap<Arc<str>, Message>, people: &People) -> Vec<Letter> {
    let mut all: Vec<(&Message, &Written)> =
        messages.values().filter_map(|message| Some((message, message.written.as_deref()?))).collect();
    all.sort_by(|a, b| (a.0.decided_at, &a.0.id).cmp(&(b.0.decided_at, &b.0.id)));
    let strange = |written: &Written| {
        let name = written.to_name.as_deref().unwrap_or_default();
        name.chars().filter(|c| !c.is_ascii_alphabetic() && *c != ' ').count() * 100 + name.chars().count()
    };
    let looks: [Look<'_>; 5] = [
        &|(_, written)| strange(written),
        &|(_, written)| written.text.chars().count(),
        &|(_, written)| usize::MAX - written.text.chars().count(),
        &|(_, written)| written.subject.chars().count(),
        &|(message, _)| usize::try_from(message.decided_at.0).unwrap_or_default(),
    ];
    let mut seen: BTreeSet<CustomerId> = BTreeSet::new();
    let mut letters = Vec::new();
    for look in looks {
        let open = all.iter().filter(|(message, _)| !seen.contains(&message.customer));
        let Some((message, written)) = open.max_by_key(|one| look(one)) else { break };
        seen.insert(message.customer);
        letters.push(Letter {
            customer: people.name_of(CustomerId(people.person(message.customer.0))).to_string(),
            step: message.step.clone(),
            to: written.to.clone(),
            to_name: written.to_name.clone(),
            subject: written.subject.clone(),
            text: written.text.clone(),
            html: written.html.clone(),
        });
    }
    letters
}
