//! What was done with mails that arrived: opens and clicks, by people and by machines, as facts of the message. Conditions ask the
//! events; these are the numbers on pages.

use crate::state::Engine;
use domain::message::ReactionKind;
use domain::{Call, MessageId, Trust};
use store::Reaction;

/// Bytes of a message's id. Ours have 28; providers may send their own, which are of no message.
const ID_LIMIT: usize = 64;

impl Engine {
    /// Notes an event that tells of an open or a click, whoever sent it, for the message that it names.
    pub(crate) fn note_reaction(&mut self, call: &Call) {
        let Some(kind) = call.event.as_deref().and_then(ReactionKind::of_event) else { return };
        // A browser's key may not send them; what it may, is asked at the door alone.
        if call.trust == Trust::Browser {
            return;
        }
        let body = call.body_value_of(&|key| key == "message_id");
        let message = body.get("message_id").and_then(serde_json::Value::as_str);
        if let Some(message) = message.filter(|id| !id.is_empty() && id.len() <= ID_LIMIT) {
            let message = MessageId(message.into());
            self.pending.reactions.push(Reaction { message, kind, at: call.timestamp });
        }
    }
}
