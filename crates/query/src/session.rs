//! What one question works with: the data at one position, and the engine of SQL set up for it.

use crate::batch::BATCH_ROWS;
use crate::dictionary::TABLES;
use crate::provider::Provider;
use crate::question::{CATALOG, SCHEMA};
use crate::{QueryError, functions};
use datafusion::arrow::temporal_conversions::timestamp_ms_to_datetime;
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{SessionConfig, SessionContext};
use domain::message::Message;
use domain::{MessageId, Position, Timestamp};
use engine::report::Tables;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Assignment, MailReport, Reacted, Reader, Sharing, StoreError, Task, Webhook};

/// The data that a question is about, all of it at one position of the journal.
pub struct Source {
    pub(crate) tables: Tables,
    /// Stands still at the position, for what does not only grow.
    reader: Mutex<Box<dyn Reader>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the data at {:?}", self.tables.position())
    }
}

impl Source {
    /// The live state, and a reader at rest ([`Reader::at_rest`]) that was opened when everything up to the live
    /// state's position was committed, and nothing more.
    pub fn new(tables: Tables, at_rest: Box<dyn Reader>) -> Source {
        Source { tables, reader: Mutex::new(at_rest) }
    }

    /// The instant that answers are about.
    pub fn clock(&self) -> Timestamp {
        self.tables.clock()
    }

    /// The position that answers are about.
    pub fn position(&self) -> Position {
        self.tables.position()
    }

    /// A reader of its own for a long walk over the journal, which only grows.
    pub(crate) fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.still(|reader| reader.another())
    }

    pub(crate) fn messages_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Message)>, StoreError> {
        self.still(|reader| reader.messages_after(after, limit))
    }

    pub(crate) fn webhooks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Webhook)>, StoreError> {
        self.still(|reader| reader.webhooks_after(after, limit))
    }

    pub(crate) fn tasks_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Task)>, StoreError> {
        self.still(|reader| reader.tasks_after(after, limit))
    }

    pub(crate) fn reactions_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MessageId, Reacted)>, StoreError> {
        self.still(|reader| reader.reactions_after(after, limit))
    }

    pub(crate) fn assignments_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Assignment)>, StoreError> {
        self.still(|reader| reader.assignments_after(after, limit))
    }

    pub(crate) fn sharings_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Sharing)>, StoreError> {
        self.still(|reader| reader.sharings_after(after, limit))
    }

    pub(crate) fn reports_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, MailReport)>, StoreError> {
        self.still(|reader| reader.reports_after(after, limit))
    }

    // A panic while it read has changed nothing.
    fn still<T>(&self, read: impl FnOnce(&dyn Reader) -> T) -> T {
        read(self.reader.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

/// The engine of SQL over a source, within the bounds of `runtime`.
pub(crate) fn state(
    source: &Arc<Source>,
    runtime: Arc<RuntimeEnv>,
    partitions: usize,
) -> Result<SessionState, QueryError> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_target_partitions(partitions)
        .with_batch_size(BATCH_ROWS);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    // 100.10 is what is written, not the nearest binary fraction: money is compared with such numbers.
    options.sql_parser.parse_float_as_decimal = true;
    let mut context = SessionContext::new_with_config_rt(config, runtime);
    functions::register(&mut context)?;
    for table in TABLES {
        context.register_table(table.name, Arc::new(Provider::new(table, source.clone())))?;
    }
    let mut state = context.state();
    // The instant the answer is about, which in a demo is not that of the machine.
    state.execution_props_mut().query_execution_start_time =
        timestamp_ms_to_datetime(source.clock().0).map(|now| now.and_utc());
    Ok(state)
}
