//! What comes back about mails that were sent: bounces, complaints, and what nobody can tell the message of.
//!
//! Whoever knows the address that bounces go to can write there. So a report counts only for the message whose return path or
//! id it shows: both are keyed, and nobody who did not get that very mail knows them. What shows neither is kept for a person
//! to look at, and nothing follows from it.

use super::bounded;
use crate::state::Engine;
use crate::write::links::Signer;
use domain::message::{Channel, Message, ReportKind};
use domain::{Call, MessageId, Timestamp, Trust};
use serde_json::json;
use std::sync::Arc;
use store::{MailReport, Page, Reader, ReportFilter, StoreError};

/// Bytes that are kept of a report that nobody can match.
const RAW_BYTES: usize = 16 * 1024;
/// Reports of one message that are looked at: more than one of each kind is a mistake somewhere.
const OF_ONE_MESSAGE: u32 = 100;
/// Reports taken since the start that are remembered, for those that come twice before the first is on disk.
const REMEMBERED: usize = 1_000;

/// A report as it was read, before it is known what it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Came {
    /// Made of its bytes.
    pub id: Arc<str>,
    /// What it says.
    pub kind: ReportKind,
    /// Of which recipient, as it says itself.
    pub address: Option<String>,
    /// Its status, such as 5.1.1.
    pub status: Option<String>,
    /// The other server's words.
    pub words: String,
    /// Addresses that may be the return path of a message.
    pub return_paths: Vec<String>,
    /// What may be a message's id with the sender's domain, `m_…@tea.example`.
    pub mail_ids: Vec<String>,
    /// As it came.
    pub raw: String,
}

/// What a report turned out to be about.
#[derive(Clone, PartialEq, Debug)]
pub enum About {
    /// It came before, and is kept as it was then.
    Known(MailReport),
    /// One message, and whether something of this kind came back about it before.
    Message {
        /// Which.
        message: Box<Message>,
        /// Whether it is the first of its kind.
        is_first: bool,
    },
    /// Nobody knows.
    Nothing,
}

impl Engine {
    /// Looks for what a report is about. Reads committed data only.
    pub fn about_report(&self, reader: &dyn Reader, came: &Came) -> Result<About, StoreError> {
        let known = ReportFilter { id: Some(came.id.clone()), ..ReportFilter::default() };
        if let Some(known) = reader.reports(&known, Page { skip: 0, limit: 1 })?.pop() {
            return Ok(About::Known(known));
        }
        let signer = self.signer();
        let clues = clues(&signer, came);
        for id in clues {
            if let Some(message) = self.find_message(reader, &id)?.filter(|message| message.channel == Channel::Email) {
                let of_it = ReportFilter { message: Some(id), ..ReportFilter::default() };
                let before = reader.reports(&of_it, Page { skip: 0, limit: OF_ONE_MESSAGE })?;
                let is_first = !before.iter().any(|report| report.kind == came.kind);
                return Ok(About::Message { message: Box::new(message), is_first });
            }
        }
        Ok(About::Nothing)
    }

    /// Keeps a report, and lets follow from it what has to. Returns it as it is kept; a report that came before changes nothing.
    pub fn take_report(&mut self, came: Came, about: About, now: Timestamp) -> MailReport {
        let now = self.reach(now);
        let (message, is_first) = match about {
            About::Known(known) => return known,
            About::Message { message, is_first } => (Some(message), is_first),
            About::Nothing => (None, false),
        };
        let Came { id, kind, address, status, words, raw, .. } = came;
        let report = MailReport {
            id,
            at: now,
            kind,
            message: message.as_ref().map(|message| message.id.clone()),
            customer: message.as_ref().map(|message| message.customer),
            address,
            status,
            words: bounded(&words),
            raw: if message.is_some() { String::new() } else { beginning(&raw) },
        };
        let is_repeated = self.keep_report(&report);
        if let Some(message) = message.filter(|_| is_first && !is_repeated) {
            self.follow_report(&message, &report);
            self.settle();
        }
        report
    }

    /// Keeps a report. Returns whether it came since the start, or another of its kind about the same message.
    fn keep_report(&mut self, report: &MailReport) -> bool {
        let sign = (report.message.clone(), report.kind, report.id.clone());
        let is_repeated = self
            .reported
            .iter()
            .any(|(about, kind, id)| *id == sign.2 || (about.is_some() && (about, *kind) == (&sign.0, sign.1)));
        if self.reported.len() >= REMEMBERED {
            self.reported.pop_front();
        }
        self.reported.push_back(sign);
        self.pending.reports.push(report.clone());
        is_repeated
    }

    /// Notes an event by which a provider tells that a mail of ours was called spam.
    pub(crate) fn note_complaint(&mut self, call: &Call) {
        let is_told = call.event.as_deref() == Some(domain::call::events::MARKED_AS_SPAM)
            && !matches!(call.trust, Trust::Browser | Trust::Perennial);
        if !is_told {
            return;
        }
        let body = call.body_value_of(&|key| key == "message_id");
        if let Some(id) = body.get("message_id").and_then(serde_json::Value::as_str).filter(|id| !id.is_empty()) {
            self.complained.push(MessageId(id.into()));
        }
    }

    /// Lets follow from the complaints that were noted what follows from a report, but for the event, which is there.
    pub(crate) fn follow_complaints(&mut self) {
        for id in std::mem::take(&mut self.complained) {
            if let Err(error) = self.take_complaint(&id) {
                tracing::error!(message.id = %id, "a complaint about a message could not be counted: {error}");
            }
        }
    }

    fn take_complaint(&mut self, id: &MessageId) -> Result<(), StoreError> {
        let reader = self.reader.as_ref();
        let Some(message) = self.find_message(reader, id)?.filter(|message| message.channel == Channel::Email) else {
            return Ok(());
        };
        let of_it = ReportFilter { message: Some(id.clone()), ..ReportFilter::default() };
        let before = reader.reports(&of_it, Page { skip: 0, limit: OF_ONE_MESSAGE })?;
        if before.iter().any(|report| report.kind == ReportKind::Complaint) {
            return Ok(());
        }
        let report = MailReport {
            id: format!("told:{id}").into(),
            at: self.clock,
            kind: ReportKind::Complaint,
            message: Some(id.clone()),
            customer: Some(message.customer),
            address: None,
            status: None,
            words: "told by an event".to_owned(),
            raw: String::new(),
        };
        if !self.keep_report(&report) {
            self.brake_on_complaint(&message);
            self.settle();
        }
        Ok(())
    }

    fn follow_report(&mut self, message: &Message, report: &MailReport) {
        let reason = match &report.status {
            Some(status) if !report.words.contains(status.as_str()) => format!("{status} {}", report.words),
            _ => report.words.clone(),
        };
        let mut properties = json!({
            "campaign": message.campaign, "message_id": message.id, "template": message.template, "variant": message.variant,
            "purpose": message.purpose, "channel": message.channel, "step": message.step,
        });
        let event = match report.kind {
            ReportKind::HardBounce | ReportKind::SoftBounce => {
                let is_hard = report.kind == ReportKind::HardBounce;
                properties["bounce"] = if is_hard { "hard".into() } else { "soft".into() };
                properties["reason"] = reason.as_str().into();
                if is_hard && let Some(written) = &message.written {
                    self.suppress(&written.to, &reason);
                }
                domain::call::events::EMAIL_BOUNCED
            }
            ReportKind::Complaint => {
                properties["reason"] = reason.as_str().into();
                domain::call::events::MARKED_AS_SPAM
            }
            ReportKind::Delayed | ReportKind::Delivered | ReportKind::Other => return,
        };
        let about = format!("{}:{}", message.id, report.kind);
        self.happen(self.person(message.customer), event, &properties, &about);
        if report.kind == ReportKind::Complaint {
            self.settle();
            self.brake_on_complaint(message);
        }
    }
}

/// The messages that a report may be about, those by a signed return path first.
fn clues(signer: &Signer, came: &Came) -> Vec<MessageId> {
    let token = |address: &String| {
        let (local, _) = address.rsplit_once('@')?;
        let (_, token) = local.rsplit_once('+')?;
        signer.verify_return(&token.to_ascii_lowercase())
    };
    let own = |mail_id: &String| {
        let (id, _) = mail_id.split_once('@')?;
        // Only what could be one of ours is looked up.
        let message = MessageId(id.into());
        signer.return_token(&message).map(|_| message)
    };
    came.return_paths.iter().filter_map(token).chain(came.mail_ids.iter().filter_map(own)).collect()
}

fn beginning(raw: &str) -> String {
    let end = (0..=raw.len().min(RAW_BYTES)).rev().find(|end| raw.is_char_boundary(*end)).unwrap_or(0);
    raw[..end].to_owned()
}
