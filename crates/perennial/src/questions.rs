//! Questions in SQL about a workspace that is open: the data is taken at one position, the answer comes within bounds.

use crate::config;
use crate::runtime::{Handle, JobError};
use engine::report::Wanted;
use query::write::Format;
use query::{Answer, Limits, Queries, QueryError, Source};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Directory inside the data directory for what does not fit in memory.
const DIRECTORY: &str = "queries";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The question, or answering it.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The data could not be taken.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The data could not be read.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// Answers questions about one workspace.
pub struct Questions {
    handle: Handle,
    queries: Queries,
}

impl Questions {
    /// Within what the configuration allows.
    pub fn new(handle: Handle, dir: &Path, config: &config::Query) -> Result<Questions, QueryError> {
        let limits = Limits {
            memory_bytes: usize::try_from(config.memory_mb << 20).unwrap_or(usize::MAX),
            disk_bytes: config.disk_mb << 20,
            directory: dir.join(DIRECTORY),
            time: Duration::from_secs(config.seconds),
        };
        Ok(Questions { handle, queries: Queries::new(limits)? })
    }

    /// The first rows of an answer, and how many there are. Blocks.
    pub fn look(&self, sql: &str, most: usize) -> Result<Answer, QuestionError> {
        self.queries.look(sql, most, |wanted| self.take(wanted))
    }

    /// An answer as a file without a name. Blocks.
    pub fn file(&self, sql: &str, format: Format) -> Result<File, QuestionError> {
        self.queries.file(sql, format, |wanted| self.take(wanted))
    }

    fn take(&self, wanted: Wanted) -> Result<Source, QuestionError> {
        let (tables, reader) = self.handle.at_rest(wanted)??;
        Ok(Source::new(tables, reader))
    }
}
