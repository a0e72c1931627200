//! Questions are answered one beside the other, within bounds of memory, disk and time.

use crate::question::{self, Question};
use crate::session::{self, Source};
use crate::write::Format;
use crate::{Answer, Look, QueryError};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use engine::report::Wanted;
use futures::StreamExt;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Questions answered at a time; others wait, within their time.
const AT_ONCE: usize = 2;
/// Threads that compute. More would take the processor from those who receive events.
const THREADS: usize = 2;
/// Deeply nested SQL is taken apart on the stack, by code that does not all ask how much is left. Only what is used of
/// it is ever memory.
const STACK_BYTES: usize = 256 << 20;
/// A question that does not stop by itself when its time is over is left alone after this.
const GRACE: Duration = Duration::from_secs(2);
/// Batches that wait for whoever writes the answer.
const WAITING: usize = 2;

/// What a question may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Memory for sorting, grouping and joining; beyond it they go to disk.
    pub memory_bytes: usize,
    /// Disk for that.
    pub disk_bytes: u64,
    /// Where on disk. Only for this: what a crash left there is removed.
    pub directory: PathBuf,
    /// How long a question may take.
    pub time: Duration,
}

/// Takes an answer, batch by batch.
pub trait Sink {
    /// What columns it has.
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), QueryError>;
    /// Some rows.
    fn rows(&mut self, batch: &RecordBatch) -> Result<(), QueryError>;
    /// That was all.
    fn end(&mut self) -> Result<(), QueryError>;
}

/// Answers questions on threads of its own.
pub struct Queries {
    limits: Limits,
    /// None once it is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    places: Arc<Semaphore>,
}

enum Piece {
    Columns(SchemaRef),
    Rows(RecordBatch),
    Over(Result<(), QueryError>),
}

impl Queries {
    /// Starts the threads.
    pub fn new(limits: Limits) -> Result<Queries, QueryError> {
        match std::fs::remove_dir_all(&limits.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        std::fs::create_dir_all(&limits.directory)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()?;
        Ok(Queries { limits, runtime: Some(runtime), places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        self.runtime.as_ref().expect("it is taken only when dropped")
    }

    /// Reads a question and checks that it only reads, and only what is there. Blocks shortly; not for async code.
    pub fn read(&self, sql: &str) -> Result<Question, QueryError> {
        let (answer, wait) = std::sync::mpsc::sync_channel(1);
        let sql = sql.to_owned();
        self.runtime().spawn(async move {
            // Whoever asked has waited: nobody goes away here.
            let _ = answer.send(question::read(&sql));
        });
        wait.recv().unwrap_or_else(|_| Err(QueryError::Failed("it could not be read".to_owned())))
    }

    /// Answers a question. Blocks; not for async code.
    pub fn answer(&self, question: &Question, source: Source, sink: &mut dyn Sink) -> Result<(), QueryError> {
        let environment = self.environment()?;
        let (pieces, mut take) = mpsc::channel(WAITING);
        let (sql, places, time) = (question.sql.clone(), self.places.clone(), self.limits.time);
        self.runtime().spawn(async move {
            let work = async {
                let _place = places.acquire().await;
                work(&sql, Arc::new(source), environment, &pieces).await
            };
            let result = tokio::time::timeout(time, work).await.unwrap_or(Err(QueryError::TooLong(time)));
            // If nobody takes it, nobody waits for it.
            let _ = pieces.send(Piece::Over(result)).await;
        });
        // Planning does not pause where it could be told to stop, so whoever waits does not go by its word alone.
        let most = tokio::time::Instant::now() + time + GRACE;
        loop {
            let next = async { tokio::time::timeout_at(most, take.recv()).await };
            let Ok(piece) = self.runtime().block_on(next) else { return Err(QueryError::TooLong(time)) };
            match piece {
                Some(Piece::Columns(schema)) => sink.begin(&schema)?,
                Some(Piece::Rows(batch)) => sink.rows(&batch)?,
                Some(Piece::Over(result)) => {
                    result?;
                    return sink.end();
                }
                // A panic in somebody else's code; what it was about is on standard error.
                None => return Err(QueryError::Failed("the engine of SQL broke off".to_owned())),
            }
        }
    }

    /// The first rows of an answer, and how many there are. `take` takes the data, once it is clear what is needed.
    pub fn look<E: From<QueryError>>(
        &self,
        sql: &str,
        most: usize,
        take: impl FnOnce(Wanted) -> Result<Source, E>,
    ) -> Result<Answer, E> {
        let question = self.read(sql)?;
        let mut look = Look::new(most);
        self.answer(&question, take(question.wanted)?, &mut look)?;
        Ok(look.answer())
    }

    /// An answer as a file without a name, ready to be read from its start: whoever reads it slowly holds up nothing,
    /// and an error shows before the first byte went out.
    pub fn file<E: From<QueryError>>(
        &self,
        sql: &str,
        format: Format,
        take: impl FnOnce(Wanted) -> Result<Source, E>,
    ) -> Result<File, E> {
        let question = self.read(sql)?;
        let source = take(question.wanted)?;
        let spool = || -> Result<File, QueryError> {
            let mut file = tempfile::tempfile_in(&self.limits.directory)?;
            let most = self.limits.disk_bytes;
            let to = BufWriter::new(Room { to: &mut file, left: most, most });
            self.answer(&question, source, format.writer(to).as_mut())?;
            file.rewind()?;
            Ok(file)
        };
        Ok(spool()?)
    }

    fn environment(&self) -> Result<Arc<RuntimeEnv>, QueryError> {
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![self.limits.directory.clone()]))
            .with_max_temp_directory_size(self.limits.disk_bytes);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.limits.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        // No question reads a file, whatever way somebody finds to name one.
        environment.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
        Ok(environment)
    }
}

impl Drop for Queries {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for a long question would hold up whoever closes the house.
            runtime.shutdown_background();
        }
    }
}

async fn work(
    sql: &str,
    source: Arc<Source>,
    environment: Arc<RuntimeEnv>,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), QueryError> {
    let state = session::state(&source, environment, THREADS)?;
    let plan = state.statement_to_plan(question::parse(sql)?).await?;
    let only_questions = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_questions.verify_plan(&plan)?;
    let mut stream = DataFrame::new(state, plan).execute_stream().await?;
    if pieces.send(Piece::Columns(stream.schema())).await.is_err() {
        return Ok(());
    }
    while let Some(batch) = stream.next().await {
        // Whoever asked has gone away: the stream is dropped, and with it everything that works for it.
        if pieces.send(Piece::Rows(batch?)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// A file that may grow only so far.
struct Room<'a> {
    to: &'a mut File,
    left: u64,
    most: u64,
}

impl Write for Room<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.left = self.left.checked_sub(written as u64).ok_or_else(|| {
            io::Error::other(format!("it has more than {} MB, which `query.disk_mb` allows", self.most >> 20))
        })?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
