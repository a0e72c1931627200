//! Stands in for the reader while the engine lends it to a walk over the journal.

use domain::message::{Decision, Message};
use domain::{DefinitionKind, MessageId, Name, Timestamp};
use store::{
    Assignment, Attempt, DecisionFilter, DefinitionVersion, Exposure, HistoryFile, JournalRow, MailReport,
    MessageCount, MessageFilter, OpenTasks, Page, PoolCount, Reacted, ReactionCount, Reader, Refused, ReportFilter,
    RowId, Sharing, StoreError, Tally, Task, TaskFilter, Transition, Webhook, WebhookCount, WebhookFilter,
};

/// A reader that has nothing.
pub(crate) struct NoReader;

fn none<T>() -> Result<T, StoreError> {
    Err(StoreError::Io { doing: "read", reason: "the journal is being walked".to_owned() })
}

impl Reader for NoReader {
    fn replay(&self, _: RowId, _: &mut dyn FnMut(JournalRow) -> Result<(), StoreError>) -> Result<(), StoreError> {
        none()
    }
    fn rows(&self, _: &[RowId]) -> Result<Vec<JournalRow>, StoreError> {
        none()
    }
    fn history(&self) -> Result<Vec<HistoryFile>, StoreError> {
        none()
    }
    fn decisions(&self, _: &DecisionFilter, _: Page) -> Result<Vec<(u64, Decision)>, StoreError> {
        none()
    }
    fn messages(&self, _: &MessageFilter, _: Page) -> Result<Vec<Message>, StoreError> {
        none()
    }
    fn message(&self, _: &MessageId) -> Result<Option<(Message, Vec<Attempt>)>, StoreError> {
        none()
    }
    fn kept_mail(&self, _: &MessageId) -> Result<Option<String>, StoreError> {
        none()
    }
    fn another(&self) -> Result<Box<dyn Reader>, StoreError> {
        none()
    }
    fn at_rest(&self) -> Result<Box<dyn Reader>, StoreError> {
        none()
    }
    fn messages_after(&self, _: u64, _: u32) -> Result<Vec<(u64, Message)>, StoreError> {
        none()
    }
    fn message_counts(&self, _: Option<&Name>) -> Result<Vec<MessageCount>, StoreError> {
        none()
    }
    fn reactions(&self, _: &MessageId) -> Result<Vec<Reacted>, StoreError> {
        none()
    }
    fn reactions_after(&self, _: u64, _: u32) -> Result<Vec<(u64, MessageId, Reacted)>, StoreError> {
        none()
    }
    fn assignments_after(&self, _: u64, _: u32) -> Result<Vec<(u64, Assignment)>, StoreError> {
        none()
    }
    fn sharings_after(&self, _: u64, _: u32) -> Result<Vec<(u64, Sharing)>, StoreError> {
        none()
    }
    fn reaction_counts(&self, _: Option<&Name>) -> Result<Vec<ReactionCount>, StoreError> {
        none()
    }
    fn transitions(&self, _: &Name, _: Page) -> Result<Vec<Transition>, StoreError> {
        none()
    }
    fn tasks(&self, _: &TaskFilter, _: Page) -> Result<Vec<Task>, StoreError> {
        none()
    }
    fn tasks_after(&self, _: u64, _: u32) -> Result<Vec<(u64, Task)>, StoreError> {
        none()
    }
    fn open_tasks(&self, _: Timestamp) -> Result<Vec<OpenTasks>, StoreError> {
        none()
    }
    fn webhooks(&self, _: &WebhookFilter, _: Page) -> Result<Vec<Webhook>, StoreError> {
        none()
    }
    fn webhook(&self, _: &str) -> Result<Option<Webhook>, StoreError> {
        none()
    }
    fn webhooks_after(&self, _: u64, _: u32) -> Result<Vec<(u64, Webhook)>, StoreError> {
        none()
    }
    fn webhook_counts(&self) -> Result<Vec<WebhookCount>, StoreError> {
        none()
    }
    fn pool_counts(&self, _: Timestamp) -> Result<Vec<PoolCount>, StoreError> {
        none()
    }
    fn exposures(&self, _: &Name) -> Result<Vec<Exposure>, StoreError> {
        none()
    }
    fn journey_counts(&self, _: &Name) -> Result<(u64, u64), StoreError> {
        none()
    }
    fn versions(&self, _: DefinitionKind, _: &Name) -> Result<Vec<DefinitionVersion>, StoreError> {
        none()
    }
    fn reports(&self, _: &ReportFilter, _: Page) -> Result<Vec<MailReport>, StoreError> {
        none()
    }
    fn reports_after(&self, _: u64, _: u32) -> Result<Vec<(u64, MailReport)>, StoreError> {
        none()
    }
    fn refused(&self, _: Page) -> Result<Vec<Refused>, StoreError> {
        none()
    }
    fn refused_call(&self, _: u64) -> Result<Option<Refused>, StoreError> {
        none()
    }
    fn tallies(&self, _: u32) -> Result<Vec<Tally>, StoreError> {
        none()
    }
    fn size_bytes(&self) -> Result<u64, StoreError> {
        none()
    }
}
