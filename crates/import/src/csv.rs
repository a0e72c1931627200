//! Rows of CSV and its relatives: any one-character delimiter, or runs of blanks.
//!
//! `csv-core` knows the grammar; the buffers are ours, so that a row of a gigabyte, a quote that is never closed or a
//! hundred thousand columns cost one refused row and no memory.

use std::io;

use csv_core::ReadRecordResult;

use crate::chunks::{Chunks, NextLine};
use crate::mapping::{Delimiter, Encoding};
use crate::refused::RefusalReason;
use crate::row::Row;
use crate::source::{Limits, Next};

/// How often a file may be read again from the line after a broken quote. Each time costs up to one row of the
/// longest length, so that hostile files stay quick; honest ones have a handful.
const MOST_RESTARTS: u32 = 1_000;

/// The rows of one CSV file.
pub(crate) struct CsvRows {
    chunks: Chunks,
    grammar: Grammar,
    /// The delimiter, where there is one character.
    delimiter: u8,
    encoding: Encoding,
    limits: Limits,
    line: u64,
    restarts: u32,
    fields: Vec<u8>,
    ends: Vec<usize>,
    /// How many fields every row has; unknown while the header is read.
    width: Option<usize>,
    positions: Vec<usize>,
    empty: Vec<String>,
}

/// How much of a row was looked at when it was given up.
#[derive(Clone, Copy)]
enum Scanned {
    /// All of it: another row begins behind so many bytes.
    Whole(usize),
    /// So many bytes, and it goes on.
    Partly(usize),
}

enum Grammar {
    Quoted(Box<csv_core::Reader>),
    Whitespace,
}

impl CsvRows {
    pub(crate) fn new(
        chunks: Chunks,
        delimiter: Delimiter,
        quote: bool,
        encoding: Encoding,
        limits: Limits,
    ) -> CsvRows {
        let grammar = match delimiter {
            Delimiter::Character(byte) => {
                Grammar::Quoted(Box::new(csv_core::ReaderBuilder::new().delimiter(byte).quoting(quote).build()))
            }
            Delimiter::Whitespace => Grammar::Whitespace,
        };
        let delimiter = match delimiter {
            Delimiter::Character(byte) => byte,
            Delimiter::Whitespace => b' ',
        };
        CsvRows {
            chunks,
            grammar,
            delimiter,
            encoding,
            limits,
            line: 1,
            restarts: 0,
            fields: vec![0; 4096],
            ends: vec![0; 64],
            width: None,
            positions: Vec::new(),
            empty: Vec::new(),
        }
    }

    /// Says how wide every row is, and which fields of it the mapping asks for.
    pub(crate) fn expect(&mut self, width: usize, positions: Vec<usize>, empty: Vec<String>) {
        self.width = Some(width);
        self.positions = positions;
        self.empty = empty;
    }

    /// Reads the next row.
    pub(crate) fn next(&mut self, row: &mut Row) -> io::Result<Next> {
        let next = match &self.grammar {
            Grammar::Quoted(_) => self.next_record(row)?,
            Grammar::Whitespace => self.next_words(row)?,
        };
        if let (Next::Row, Some(width)) = (&next, self.width) {
            debug_assert_eq!(row.field_count(), width);
            row.take_cells(&self.positions, &self.empty);
        }
        Ok(next)
    }

    fn next_record(&mut self, row: &mut Row) -> io::Result<Next> {
        self.skip_blank_lines()?;
        row.begin(self.line);
        let Grammar::Quoted(grammar) = &mut self.grammar else {
            return Ok(Next::End);
        };
        let (mut scanned, mut written, mut columns) = (0, 0, 0);
        loop {
            let input = &self.chunks.unread()[scanned..];
            if input.is_empty() && !self.chunks.is_at_end() {
                if scanned > self.limits.row_bytes {
                    return self.restart(row, RefusalReason::RowTooLong, Scanned::Partly(scanned));
                }
                self.chunks.fill()?;
                continue;
            }
            let is_last = input.is_empty();
            if is_last && scanned == 0 {
                return Ok(Next::End);
            }
            // A line end instead of the end of the file: within quotes it ends nothing, and so gives them away.
            let input = if is_last { b"\n" } else { input };
            let (result, read, wrote, ended) =
                grammar.read_record(input, &mut self.fields[written..], &mut self.ends[columns..]);
            if !is_last {
                scanned += read;
            }
            written += wrote;
            columns += ended;
            match result {
                ReadRecordResult::InputEmpty if is_last => {
                    return self.restart(row, RefusalReason::UnclosedQuote, Scanned::Whole(scanned));
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if written > self.limits.row_bytes => {
                    return self.restart(row, RefusalReason::RowTooLong, Scanned::Partly(scanned));
                }
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if columns > self.limits.columns => {
                    return self.restart(row, RefusalReason::TooManyColumns, Scanned::Partly(scanned));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(Next::End),
            }
        }
        self.take_record(row, scanned, written, columns)
    }

    fn take_record(&mut self, row: &mut Row, scanned: usize, written: usize, columns: usize) -> io::Result<Next> {
        let raw = &self.chunks.unread()[..scanned];
        let spans_lines = raw.trim_ascii_end().contains(&b'\n');
        let has_right_width = self.width.is_none_or(|width| width == columns);
        if spans_lines && !(has_right_width && self.closes_its_quotes(raw)) {
            // An opened quote swallowed the lines up to the next one.
            return self.restart(row, RefusalReason::UnclosedQuote, Scanned::Whole(scanned));
        }
        row.raw.extend_from_slice(&raw[..raw.len().min(self.limits.row_bytes)]);
        self.use_up(scanned);
        if scanned > self.limits.row_bytes {
            return Ok(Next::Refused(RefusalReason::RowTooLong));
        }
        if columns > self.limits.columns {
            return Ok(Next::Refused(RefusalReason::TooManyColumns));
        }
        if !has_right_width {
            return Ok(Next::Refused(RefusalReason::WrongColumns));
        }
        let (fields, ends) = (&self.fields[..written], &self.ends[..columns]);
        if std::str::from_utf8(fields).is_ok_and(|text| row.set_fields(text, ends)) {
            return Ok(Next::Row);
        }
        if self.encoding == Encoding::Utf8 {
            return Ok(Next::Refused(RefusalReason::NotUtf8));
        }
        let mut start = 0;
        for end in ends {
            row.push_field(&windows_1252(&fields[start..*end]));
            start = *end;
        }
        Ok(Next::Row)
    }

    fn next_words(&mut self, row: &mut Row) -> io::Result<Next> {
        self.skip_blank_lines()?;
        row.begin(self.line);
        let (content, whole) = match self.chunks.next_line(self.limits.row_bytes)? {
            NextLine::End => return Ok(Next::End),
            NextLine::TooLong => {
                return self.restart(row, RefusalReason::RowTooLong, Scanned::Partly(0));
            }
            NextLine::Line { content, whole } => (content, whole),
        };
        row.raw.extend_from_slice(&self.chunks.unread()[..content]);
        self.use_up(whole);
        let text = match std::str::from_utf8(&row.raw) {
            Ok(text) => text.to_owned(),
            Err(_) if self.encoding == Encoding::Windows1252 => windows_1252(&row.raw),
            Err(_) => return Ok(Next::Refused(RefusalReason::NotUtf8)),
        };
        let words = text.split_ascii_whitespace();
        let columns = words.clone().take(self.limits.columns + 1).count();
        if columns > self.limits.columns {
            return Ok(Next::Refused(RefusalReason::TooManyColumns));
        }
        if self.width.is_some_and(|width| width != columns) {
            return Ok(Next::Refused(RefusalReason::WrongColumns));
        }
        words.for_each(|word| row.push_field(word));
        Ok(Next::Row)
    }

    /// Whether every quoted field ends at a delimiter or line end. `csv-core` forgives other endings, and would put
    /// the rows between two broken quotes into one value without a word.
    fn closes_its_quotes(&self, raw: &[u8]) -> bool {
        let ends_field = |byte: u8| byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        let mut bytes = raw.iter().copied().peekable();
        let mut at_field_start = true;
        while let Some(byte) = bytes.next() {
            if !(at_field_start && byte == b'"') {
                at_field_start = ends_field(byte);
                continue;
            }
            loop {
                match (bytes.next(), bytes.peek().copied()) {
                    (None, _) => return false,
                    (Some(b'"'), Some(b'"')) => drop(bytes.next()),
                    (Some(b'"'), Some(next)) if !ends_field(next) => return false,
                    (Some(b'"'), _) => break,
                    _ => {}
                }
            }
            at_field_start = false;
        }
        true
    }

    /// Refuses a row whose end cannot be trusted and goes on with the line after its first. After too many of them
    /// it goes on behind what was scanned, and the lines in between are refused as one row.
    fn restart(&mut self, row: &mut Row, reason: RefusalReason, scanned: Scanned) -> io::Result<Next> {
        let first_line = self.chunks.unread().split(|byte| *byte == b'\n').next().unwrap_or_default();
        row.raw.extend_from_slice(&first_line[..first_line.len().min(self.limits.row_bytes)]);
        if let Grammar::Quoted(grammar) = &mut self.grammar {
            grammar.reset();
        }
        self.restarts += 1;
        let may_go_back = self.restarts <= MOST_RESTARTS;
        if let (Scanned::Whole(bytes), false) = (scanned, may_go_back) {
            self.use_up(bytes);
            return Ok(Next::Refused(reason));
        }
        if let (Scanned::Partly(bytes), false) = (scanned, may_go_back) {
            self.use_up(bytes);
        }
        self.chunks.skip_line()?;
        self.line += 1;
        Ok(Next::Refused(reason))
    }

    /// Blank lines are no rows. This also takes the `\n` that the grammar leaves behind a `\r`.
    fn skip_blank_lines(&mut self) -> io::Result<()> {
        loop {
            let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let blank = self.chunks.unread().iter().take_while(|byte| is_break(byte)).count();
            self.use_up(blank);
            if !self.chunks.unread().is_empty() || self.chunks.is_at_end() {
                return Ok(());
            }
            self.chunks.fill()?;
        }
    }

    fn use_up(&mut self, bytes: usize) {
        let lines = self.chunks.unread()[..bytes].iter().filter(|byte| **byte == b'\n').count();
        self.line += lines as u64;
        self.chunks.consume(bytes);
    }
}

/// Decodes windows-1252 as browsers do: every byte is some character.
pub(crate) fn windows_1252(bytes: &[u8]) -> String {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    let decode = |byte: &u8| match byte {
        0x80..=0x9F => FROM_0X80[usize::from(byte - 0x80)],
        _ => char::from(*byte),
    };
    match std::str::from_utf8(bytes) {
        // Only the fields that need it: files that mix both encodings mix them within a row.
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(decode).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_1252_reads_as_browsers_read_it() {
        assert_eq!(windows_1252(b"Caf\xe9 \x80 5 \x96 \x93ok\x94"), "Café € 5 – “ok”");
        assert_eq!(windows_1252("Café".as_bytes()), "Café");
    }
}
