//! An answer that is looked at: its first rows as text, and how many there are in all.

use crate::cell;
use crate::write::heads;
use crate::{QueryError, Sink};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use serde::{Deserialize, Serialize};

/// Most bytes of text that are kept to be looked at.
const BYTES: usize = 32 << 20;

/// The first rows of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Its columns.
    pub columns: Vec<Head>,
    /// Its first rows: the text of each value, null where there is none.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many rows it has in all.
    pub count: u64,
}

/// A column of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Its name; two columns never share one.
    pub name: String,
    /// Whether it holds numbers, which stand right.
    pub is_number: bool,
}

/// Keeps the first rows of an answer and counts the others.
#[derive(Debug)]
pub struct Look {
    most: usize,
    bytes: usize,
    answer: Answer,
}

impl Look {
    /// Keeps at most so many rows.
    pub fn new(most: usize) -> Look {
        Look { most, bytes: 0, answer: Answer::default() }
    }

    /// What was kept.
    pub fn answer(self) -> Answer {
        self.answer
    }
}

impl Sink for Look {
    fn begin(&mut self, schema: &SchemaRef) -> Result<(), QueryError> {
        let is_number = |kind: &DataType| kind.is_numeric();
        let heads = heads(schema).into_iter().zip(schema.fields());
        self.answer.columns =
            heads.map(|(name, field)| Head { name, is_number: is_number(field.data_type()) }).collect();
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.answer.count += batch.num_rows() as u64;
        for row in 0..batch.num_rows() {
            if self.answer.rows.len() >= self.most || self.bytes >= BYTES {
                return Ok(());
            }
            let cells: Vec<Option<String>> =
                batch.columns().iter().map(|column| cell::text(column.as_ref(), row)).collect();
            self.bytes += cells.iter().flatten().map(String::len).sum::<usize>();
            self.answer.rows.push(cells);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), QueryError> {
        Ok(())
    }
}
