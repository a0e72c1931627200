//! Questions in SQL, with the dictionary of what can be asked beside them.

use super::frame::Frame;
use super::text::Count;
use askama::Template;
use query::Answer;
use query::dictionary::{FUNCTIONS, TABLES, Table};

/// Rows of an answer on the page; the file has them all.
pub(super) const ROWS: usize = 200;
/// What stands in an empty box.
pub(super) const EXAMPLE: &str = "SELECT name, count(*) AS times, count(DISTINCT customer) AS customers
FROM events
WHERE time > now() - interval '30 days'
GROUP BY name
ORDER BY times DESC";

#[derive(Template)]
#[template(path = "query.html")]
pub(super) struct QueryPage {
    pub(super) frame: Frame,
    pub(super) sql: String,
    /// Of the question as it was asked; none: nothing was yet.
    pub(super) answer: Option<Result<Answer, String>>,
}

impl QueryPage {
    fn rows(&self) -> Count {
        Count::from((self.sql.lines().count() + 2).clamp(8, 30))
    }

    fn number(&self, number: &u64) -> Count {
        Count(*number)
    }

    fn has_more(&self, answer: &Answer) -> bool {
        (answer.rows.len() as u64) < answer.count
    }

    fn tables(&self) -> &'static [&'static Table] {
        &TABLES
    }

    fn functions(&self) -> &'static [(&'static str, &'static str)] {
        FUNCTIONS
    }
}
