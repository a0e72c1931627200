//! The engine's own reader, which several threads may look through at a time: they take turns.

use domain::message::{Decision, Message};
use domain::{Call, DefinitionKind, MessageId, Name, Position, Timestamp};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{
    Assignment, Attempt, DecisionFilter, DefinitionVersion, Exposure, HistoryFile, JournalRow, MailReport,
    MessageCount, MessageFilter, OpenTasks, Page, PoolCount, Reacted, ReactionCount, Reader, Refused, ReportFilter,
    RowId, Sharing, StoreError, Tally, Task, TaskFilter, Transition, Webhook, WebhookCount, WebhookFilter,
};

/// A reader behind a lock: a connection may move between threads but not be shared, the engine is shared.
pub(crate) struct SharedReader(Mutex<Box<dyn Reader>>);

impl SharedReader {
    /// Puts a reader behind a lock.
    pub(crate) fn new(reader: Box<dyn Reader>) -> SharedReader {
        SharedReader(Mutex::new(reader))
    }

    // Whoever panicked while reading has changed nothing.
    fn turn(&self) -> MutexGuard<'_, Box<dyn Reader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader for SharedReader {
    fn replay(
        &self,
        after: RowId,
        visit: &mut dyn FnMut(JournalRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.turn().replay(after, visit)
    }
    fn rows(&self, rows: &[RowId]) -> Result<Vec<JournalRow>, StoreError> {
        self.turn().rows(rows)
    }
    fn calls_naming(
        &self,
        rows: &[RowId],
        names: &HashSet<Arc<str>>,
    ) -> Result<Vec<(Position, Arc<Call>)>, StoreError> {
        self.turn().calls_naming(rows, names)
    }
    fn history(&self) -> Result<Vec<HistoryFile>, StoreError> {
        self.turn().history()
    }
    fn decisions(&self, filter: &DecisionFilter, page: Page) -> Result<Vec<(u64, Decision)>, StoreError> {
        self.turn().decisions(filter, page)
    }
    fn decision_count(&self, filter: &DecisionFilter) -> Result<u64, StoreError> {
        self.turn().decision_count(filter)
    }
    fn messages(&self, filter: &MessageFilter, page: Page) -> Result<Vec<Message>, StoreError> {
        self.turn().messages(filter, page)
    }
    fn message(&self, id: &MessageId) -> Result<Option<(Message, Vec<Attempt>)>, StoreError> {
        self.turn().message(id)
    }
    fn kept_mail(&self, id: &MessageId) -> Result<Option<String>, StoreError> {
        self.turn().kept_mail(id)
    }
    fn another(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.turn().another()
    }
    fn at_rest(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.turn().at_rest()
    }
    fn messages_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Message)>, StoreError> {
        self.turn().messages_after(after, limit)
    }
    fn message_counts(&self, campaign: Option<&Name>) -> Result<Vec<MessageCount>, StoreError> {
        self.turn().message_counts(campaign)
    }
    fn reactions(&self, id: &MessageId) -> Result<Vec<Reacted>, StoreError> {
        self.turn().reactions(id)
    }
    fn reactions_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MessageId, Reacted)>, StoreError> {
        self.turn().reactions_after(after, limit)
    }
    fn assignments_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Assignment)>, StoreError> {
        self.turn().assignments_after(after, limit)
    }
    fn sharings_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Sharing)>, StoreError> {
        self.turn().sharings_after(after, limit)
    }
    fn reaction_counts(&self, campaign: Option<&Name>) -> Result<Vec<ReactionCount>, StoreError> {
        self.turn().reaction_counts(campaign)
    }
    fn transitions(&self, segment: &Name, page: Page) -> Result<Vec<Transition>, StoreError> {
        self.turn().transitions(segment, page)
    }
    fn tasks(&self, filter: &TaskFilter, page: Page) -> Result<Vec<Task>, StoreError> {
        self.turn().tasks(filter, page)
    }
    fn tasks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Task)>, StoreError> {
        self.turn().tasks_after(after, limit)
    }
    fn open_tasks(&self, now: Timestamp) -> Result<Vec<OpenTasks>, StoreError> {
        self.turn().open_tasks(now)
    }
    fn webhooks(&self, filter: &WebhookFilter, page: Page) -> Result<Vec<Webhook>, StoreError> {
        self.turn().webhooks(filter, page)
    }
    fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        self.turn().webhook(id)
    }
    fn webhooks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Webhook)>, StoreError> {
        self.turn().webhooks_after(after, limit)
    }
    fn webhook_counts(&self) -> Result<Vec<WebhookCount>, StoreError> {
        self.turn().webhook_counts()
    }
    fn pool_counts(&self, since: Timestamp) -> Result<Vec<PoolCount>, StoreError> {
        self.turn().pool_counts(since)
    }
    fn exposures(&self, campaign: &Name) -> Result<Vec<Exposure>, StoreError> {
        self.turn().exposures(campaign)
    }
    fn journey_counts(&self, campaign: &Name) -> Result<(u64, u64), StoreError> {
        self.turn().journey_counts(campaign)
    }
    fn versions(&self, kind: DefinitionKind, name: &Name) -> Result<Vec<DefinitionVersion>, StoreError> {
        self.turn().versions(kind, name)
    }
    fn reports(&self, filter: &ReportFilter, page: Page) -> Result<Vec<MailReport>, StoreError> {
        self.turn().reports(filter, page)
    }
    fn reports_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MailReport)>, StoreError> {
        self.turn().reports_after(after, limit)
    }
    fn refused(&self, page: Page) -> Result<Vec<Refused>, StoreError> {
        self.turn().refused(page)
    }
    fn refused_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.turn().refused_counts()
    }
    fn refused_call(&self, id: u64) -> Result<Option<Refused>, StoreError> {
        self.turn().refused_call(id)
    }
    fn tallies(&self, days: u32) -> Result<Vec<Tally>, StoreError> {
        self.turn().tallies(days)
    }
    fn size_bytes(&self) -> Result<u64, StoreError> {
        self.turn().size_bytes()
    }
}
