//! A question is read and checked before anything is taken for it.

use crate::error::no_table;
use crate::{QueryError, SQL_BYTES, dictionary};
use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{DescribeAlias, Query, SetExpr, ShowStatementIn, Statement as Sql, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use engine::report::Wanted;

/// Table functions that may stand where a table does.
const TABLE_FUNCTIONS: [&str; 3] = ["generate_series", "range", "unnest"];
/// The names before a table's, which nobody needs to write.
pub(crate) const CATALOG: &str = "perennial";
pub(crate) const SCHEMA: &str = "public";
/// Signs of one question: a list of some thousand values fits, a sum of as many terms does not make planning endless.
const TOKENS: usize = 20_000;

/// A question that only reads, and what must be taken for it.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked, perhaps in other words: `DESCRIBE events` becomes a question to the dictionary.
    pub(crate) sql: String,
    /// The parts of the live state that it is about.
    pub wanted: Wanted,
}

/// Reads SQL. Deeply nested SQL needs a deep stack here and where the statement is dropped.
pub(crate) fn read(sql: &str) -> Result<Question, QueryError> {
    let statement = parse(sql)?;
    let Some(sql) = in_other_words(&statement, sql)? else {
        return Err(QueryError::Wrong(
            "only questions can be asked here: SELECT, WITH, EXPLAIN, SHOW TABLES or DESCRIBE; nothing can be changed"
                .to_owned(),
        ));
    };
    let statement = parse(&sql)?;
    let (tables, _) = resolve_table_references(&statement, true)?;
    let mut wanted = Wanted::default();
    for table in &tables {
        match known(table) {
            Some("traits") => wanted.traits = true,
            Some("records") => wanted.records = true,
            Some("memberships") => wanted.memberships = true,
            Some("consents") => wanted.consents = true,
            Some(_) => {}
            None => return Err(no_table(table.table())),
        }
    }
    Ok(Question { sql, wanted })
}

/// Reads one statement.
pub(crate) fn parse(sql: &str) -> Result<Statement, QueryError> {
    if sql.len() > SQL_BYTES {
        let reason = format!("the question has {} bytes, more than {SQL_BYTES}", sql.len());
        return Err(QueryError::Wrong(reason));
    }
    let dialect = GenericDialect {};
    let tokens = datafusion::sql::sqlparser::tokenizer::Tokenizer::new(&dialect, sql)
        .tokenize()
        .map_err(|error| QueryError::Wrong(format!("this cannot be read as SQL: {error}")))?;
    if tokens.len() > TOKENS {
        return Err(QueryError::Wrong(format!("the question has more than {TOKENS} words and signs")));
    }
    let mut statements = DFParserBuilder::new(sql).with_dialect(&dialect).build()?.parse_statements()?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(QueryError::Wrong("nothing is asked; try SELECT count(*) FROM events".to_owned())),
        (Some(_), more) => Err(QueryError::Wrong(format!("one question at a time; there are {} here", more + 1))),
    }
}

/// What is asked, if it is a question.
fn in_other_words(statement: &Statement, sql: &str) -> Result<Option<String>, QueryError> {
    let describe = |table: &str| match dictionary::find(table) {
        Some(table) => {
            Ok(Some(format!("SELECT column_name, type, meaning FROM dictionary WHERE table_name = '{}'", table.name)))
        }
        None => Err(no_table(table)),
    };
    let same = || Ok(Some(sql.to_owned()));
    match statement {
        Statement::Explain(explain) => match in_other_words(&explain.statement, sql)? {
            Some(_) => same(),
            None => Ok(None),
        },
        Statement::Statement(statement) => match statement.as_ref() {
            Sql::Query(query) if only_reads(query) => same(),
            Sql::Explain { statement, .. } => match statement.as_ref() {
                Sql::Query(query) if only_reads(query) => same(),
                _ => Ok(None),
            },
            Sql::ExplainTable { describe_alias: DescribeAlias::Describe | DescribeAlias::Desc, table_name, .. } => {
                describe(&last_part(&table_name.to_string()))
            }
            Sql::ShowTables { .. } => {
                Ok(Some("SELECT DISTINCT table_name FROM dictionary ORDER BY table_name".to_owned()))
            }
            Sql::ShowColumns { show_options, .. } => match &show_options.show_in {
                Some(ShowStatementIn { parent_name: Some(name), .. }) => describe(&last_part(&name.to_string())),
                _ => Ok(None),
            },
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The plan is checked again when it is made; this refuses early what the words alone say.
fn only_reads(query: &Query) -> bool {
    fn body_reads(body: &SetExpr) -> bool {
        match body {
            SetExpr::Select(select) => {
                select.into.is_none()
                    && select.from.iter().all(|from| !matches!(&from.relation, TableFactor::Function { .. }))
            }
            SetExpr::Query(query) => only_reads(query),
            SetExpr::SetOperation { left, right, .. } => body_reads(left) && body_reads(right),
            SetExpr::Values(_) | SetExpr::Table(_) => true,
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
        }
    }
    let with = query.with.iter().flat_map(|with| &with.cte_tables);
    body_reads(&query.body) && with.into_iter().all(|table| only_reads(&table.query))
}

fn last_part(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_lowercase()
}

/// The table of ours that a reference means, or the reference's own name where it is a function or the schema's schema.
fn known(table: &TableReference) -> Option<&str> {
    match table.schema().filter(|_| table.catalog().is_none_or(|catalog| catalog == CATALOG)) {
        None if table.schema().is_some() => None,
        Some("information_schema") => Some("information_schema"),
        None | Some(SCHEMA) => dictionary::find(table.table())
            .map(|known| known.name)
            .or_else(|| TABLE_FUNCTIONS.into_iter().find(|function| *function == table.table())),
        Some(_) => None,
    }
}
