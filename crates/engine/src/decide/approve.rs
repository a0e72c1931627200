//! Messages of steps that say `approve: true`: a person reads each one and says that it may go, as it is written.

use crate::state::Engine;
use domain::message::{Approval, Because, Message, Outcome, Written};
use domain::{MessageId, Timestamp};
use std::sync::Arc;

/// Why a message cannot be approved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotApproved {
    /// It has ended, or there is none.
    #[error("this message waits for nobody any more")]
    Over,
    /// Somebody approved it before.
    #[error("this message was approved before")]
    Already,
    /// It waits for something else.
    #[error("this message does not wait for approval")]
    NotAsked,
}

impl Engine {
    /// Holds a message until a person approves it, as it is written now: what they saw is what goes.
    pub(crate) fn hold_for_approval(&mut self, id: &MessageId, written: Arc<Written>) {
        // Written with a variant, it stays with that, however variants are shared on the day on which it is approved.
        self.assign_variant(id);
        if let Some(message) = self.messages.get_mut(id) {
            message.written.get_or_insert(written);
        }
        self.hold(id, Because::NeedsApproval, None, None);
    }

    /// A person says that a message may go as it is written. The rest of the gate is still before it.
    pub fn approve(&mut self, id: &MessageId, by: &str, now: Timestamp) -> Result<(), NotApproved> {
        let now = self.reach(now);
        let Some(message) = self.messages.get_mut(id) else { return Err(NotApproved::Over) };
        if message.outcome != Some(Outcome::Held) || message.because != Some(Because::NeedsApproval) {
            return Err(if message.approved.is_some() { NotApproved::Already } else { NotApproved::NotAsked });
        }
        message.approved = Some(Approval { at: now, by: by.to_owned() });
        let message = message.clone();
        // From here on it is on its way to this address, and nobody else who has it gets this step.
        self.note_address(&message, None);
        self.pending.messages.push(message);
        self.work.gate.insert(id.clone());
        self.settle();
        Ok(())
    }

    /// A message that has not ended.
    pub fn message_under_way(&self, id: &MessageId) -> Option<&Message> {
        self.messages.get(id)
    }

    /// Messages that wait for a person's word, the oldest first. O(messages that are not final).
    pub fn waiting_for_approval(&self) -> Vec<&Message> {
        let waits = |message: &&Message| {
            message.outcome == Some(Outcome::Held) && message.because == Some(Because::NeedsApproval)
        };
        let mut waiting: Vec<&Message> = self.messages.values().filter(waits).collect();
        waiting.sort_by(|a, b| (a.decided_at, &a.id).cmp(&(b.decided_at, &b.id)));
        waiting
    }
}
