//! Rows that were not taken: the words for why, and the file that lists them.

use std::fmt;
use std::io::{self, Write};

/// Why a row was refused. The words are stable: scripts count by them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The row names no customer.
    NoCustomer,
    /// An id holds a NUL character.
    BadId,
    /// A column that is part of an id is empty.
    NoId,
    /// The time is missing, or not written in the format of the mapping.
    BadTime,
    /// A cell holds no number where one belongs, or one that cannot be carried exactly.
    BadNumber,
    /// A cell is no boolean, date or instant where one belongs.
    BadValue,
    /// The consent column holds a word that means neither yes nor no, or the proof of consent is missing.
    BadConsent,
    /// The line grants consent, which this mapping does not allow.
    ConsentNotAllowed,
    /// The row has another number of columns than the header.
    WrongColumns,
    /// The row has more columns than any file should.
    TooManyColumns,
    /// The row is longer than the limit.
    RowTooLong,
    /// A quote is opened and never closed; reading went on with the next line.
    UnclosedQuote,
    /// The bytes are no UTF-8, and the mapping names no other encoding.
    NotUtf8,
    /// The line is no JSON object.
    BadJson,
    /// The line is JSON, but no call.
    BadCall,
    /// The name of the event is missing, or cannot be one.
    BadEvent,
    /// No rule of the mapping is for this row.
    NoRule,
    /// Another line of the same order was refused, and half an order would be a wrong one.
    IncompleteOrder,
    /// The line belongs to an order that ended before, though the mapping says `sorted: true`.
    NotSorted,
    /// What the mapping's own `refuse` rule says, or what the engine said about the call.
    Other(String),
}

impl RefusalReason {
    /// The stable words, such as `no customer`.
    pub fn as_str(&self) -> &str {
        match self {
            RefusalReason::NoCustomer => "no customer",
            RefusalReason::BadId => "bad id",
            RefusalReason::NoId => "no id",
            RefusalReason::BadTime => "bad time",
            RefusalReason::BadNumber => "bad number",
            RefusalReason::BadValue => "bad value",
            RefusalReason::BadConsent => "bad consent",
            RefusalReason::ConsentNotAllowed => "consent not allowed",
            RefusalReason::WrongColumns => "wrong columns",
            RefusalReason::TooManyColumns => "too many columns",
            RefusalReason::RowTooLong => "row too long",
            RefusalReason::UnclosedQuote => "unclosed quote",
            RefusalReason::NotUtf8 => "not utf-8",
            RefusalReason::BadJson => "bad json",
            RefusalReason::BadCall => "bad call",
            RefusalReason::BadEvent => "bad event",
            RefusalReason::NoRule => "no rule",
            RefusalReason::IncompleteOrder => "incomplete order",
            RefusalReason::NotSorted => "not sorted",
            RefusalReason::Other(words) => words,
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file, as the caller named it.
    pub file: String,
    /// The line it begins in, from 1 with the header; in Parquet the row, from 1.
    pub line: u64,
    /// Why.
    pub reason: RefusalReason,
    /// The row as it stands in the file, cut to 1,000 characters.
    pub row: String,
}

/// Writes refused rows as CSV with the columns file, line, reason, row, for a person and a spreadsheet.
pub struct RefusedWriter<W: Write> {
    out: W,
    has_header: bool,
}

impl<W: Write> RefusedWriter<W> {
    /// Begins a file; the header is written with the first row.
    pub fn new(out: W) -> RefusedWriter<W> {
        RefusedWriter { out, has_header: false }
    }

    /// Adds a row.
    pub fn write(&mut self, refused: &Refused) -> io::Result<()> {
        self.write_header()?;
        let line = refused.line.to_string();
        let cells = [refused.file.as_str(), &line, refused.reason.as_str(), &refused.row];
        let quoted: Vec<String> = cells.into_iter().map(quoted_cell).collect();
        writeln!(self.out, "{}", quoted.join(","))
    }

    /// Writes what is left, also the header of a file without rows, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_header()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_header(&mut self) -> io::Result<()> {
        if self.has_header {
            return Ok(());
        }
        self.has_header = true;
        writeln!(self.out, "file,line,reason,row")
    }
}

/// Quotes a cell. One that a spreadsheet would run as a formula gets an apostrophe before it.
fn quoted_cell(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let apostrophe = if is_formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", cell.replace('\0', "").replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_refused_rows_opens_in_a_spreadsheet_and_runs_nothing() {
        let mut writer = RefusedWriter::new(Vec::new());
        for row in ["=HYPERLINK(\"http://x\")", "-1+2", "plain, with \"quotes\"\nand lines"] {
            let file = "@shop.csv".to_owned();
            writer.write(&Refused { file, line: 7, reason: RefusalReason::NoCustomer, row: row.to_owned() }).unwrap();
        }
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        assert_eq!(
            text,
            "file,line,reason,row\n\
             \"'@shop.csv\",\"7\",\"no customer\",\"'=HYPERLINK(\"\"http://x\"\")\"\n\
             \"'@shop.csv\",\"7\",\"no customer\",\"'-1+2\"\n\
             \"'@shop.csv\",\"7\",\"no customer\",\"plain, with \"\"quotes\"\"\nand lines\"\n"
        );
    }

    #[test]
    fn a_file_without_refused_rows_still_has_its_header() {
        let text = RefusedWriter::new(Vec::new()).finish().unwrap();
        assert_eq!(text, b"file,line,reason,row\n");
    }
}
