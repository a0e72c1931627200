//! Questions about a small shop, checked against what the product's own reports say.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on has failed, and the line says where"
)]

mod agreement;
mod bounds;
mod segments;
mod tables;

use query::{Answer, Limits, Queries, QueryError, Source};
use std::time::Duration;
use testkit::Shop;

/// Somebody who asks.
pub(crate) struct Analyst {
    queries: Queries,
    // Removed when it is dropped.
    _dir: tempfile::TempDir,
}

impl Analyst {
    pub(crate) fn new() -> Analyst {
        Analyst::with(64 << 20, Duration::from_secs(120))
    }

    pub(crate) fn with(memory_bytes: usize, time: Duration) -> Analyst {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { memory_bytes, disk_bytes: 1 << 30, directory: dir.path().join("queries"), time };
        Analyst { queries: Queries::new(limits).unwrap(), _dir: dir }
    }

    pub(crate) fn try_ask(&self, shop: &Shop, sql: &str) -> Result<Answer, QueryError> {
        self.queries.look(sql, 1_000, |wanted| source(shop, wanted))
    }

    pub(crate) fn file(&self, shop: &Shop, sql: &str, format: query::write::Format) -> Vec<u8> {
        let mut file = self.queries.file(sql, format, |wanted| source(shop, wanted)).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        bytes
    }

    /// The rows, each as its values with bars between.
    #[track_caller]
    pub(crate) fn ask(&self, shop: &Shop, sql: &str) -> Vec<String> {
        let answer = self.try_ask(shop, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let words = |row: Vec<Option<String>>| {
            row.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(" | ")
        };
        answer.rows.into_iter().map(words).collect()
    }

    /// Why a question is refused.
    #[track_caller]
    pub(crate) fn refusal(&self, shop: &Shop, sql: &str) -> String {
        match self.try_ask(shop, sql) {
            Err(QueryError::Wrong(reason)) => reason,
            other => panic!("{sql}: it should have been refused as wrong, but: {other:?}"),
        }
    }
}

fn source(shop: &Shop, wanted: engine::report::Wanted) -> Result<Source, QueryError> {
    Ok(Source::new(shop.engine().tables(wanted), shop.reader().at_rest()?))
}
