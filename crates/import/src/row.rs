//! One row of a file, whatever its format: the cells that the mapping asks for, and where the row stands.

use crate::fingerprint::Fingerprint;

/// What a cell is in the file; CSV knows only text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    /// Absent, null, or one of the texts that count as empty.
    Missing,
    /// Text.
    Text,
    /// A number, as written.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object or array, as JSON text.
    Json,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    kind: CellKind,
    start: usize,
    end: usize,
}

/// A row that is read again and again into the same buffers.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// The line it begins in, from 1; the number of the row where the format has no lines.
    pub(crate) line: u64,
    /// The row as it stands in the file; JSON for Parquet.
    pub(crate) raw: Vec<u8>,
    text: String,
    /// Where each field of a CSV row ends in `text`; other formats leave it empty.
    field_ends: Vec<usize>,
    cells: Vec<Cell>,
}

impl Row {
    /// Empties the row for the next one.
    pub(crate) fn begin(&mut self, line: u64) {
        self.line = line;
        self.raw.clear();
        self.text.clear();
        self.field_ends.clear();
        self.cells.clear();
    }

    /// Adds a field of a CSV row.
    pub(crate) fn push_field(&mut self, text: &str) {
        self.text.push_str(text);
        self.field_ends.push(self.text.len());
    }

    /// Takes all fields of a CSV row at once. False, and nothing taken, if `text` cannot be cut there.
    pub(crate) fn set_fields(&mut self, text: &str, ends: &[usize]) -> bool {
        // Two fields may each end in half a character that together look whole.
        if !ends.iter().all(|end| text.is_char_boundary(*end)) {
            return false;
        }
        self.text.push_str(text);
        self.field_ends.extend_from_slice(ends);
        true
    }

    pub(crate) fn field_count(&self) -> usize {
        self.field_ends.len()
    }

    pub(crate) fn field(&self, field: usize) -> &str {
        let start = if field == 0 { 0 } else { self.field_ends[field - 1] };
        &self.text[start..self.field_ends[field]]
    }

    /// Says which fields of a CSV row the mapping's columns are.
    pub(crate) fn take_cells(&mut self, positions: &[usize], empty: &[String]) {
        for position in positions {
            let start = if *position == 0 { 0 } else { self.field_ends[*position - 1] };
            let end = self.field_ends[*position];
            let kind = if is_empty(&self.text[start..end], empty) { CellKind::Missing } else { CellKind::Text };
            self.cells.push(Cell { kind, start, end });
        }
    }

    /// Adds the cell of the mapping's next column, for formats that know kinds.
    pub(crate) fn push_cell(&mut self, kind: CellKind, text: &str, empty: &[String]) {
        let start = self.text.len();
        self.text.push_str(text);
        let kind = if kind == CellKind::Text && is_empty(text, empty) { CellKind::Missing } else { kind };
        self.cells.push(Cell { kind, start, end: self.text.len() });
    }

    /// The text in one of the mapping's columns; nothing where it is missing.
    pub(crate) fn cell(&self, column: usize) -> Option<&str> {
        let cell = self.cells.get(column)?;
        (cell.kind != CellKind::Missing).then(|| &self.text[cell.start..cell.end])
    }

    /// What the cell in one of the mapping's columns is.
    pub(crate) fn kind(&self, column: usize) -> CellKind {
        self.cells.get(column).map_or(CellKind::Missing, |cell| cell.kind)
    }

    /// Names the whole content of the row, mapped or not. Quoting and line ends do not count in CSV.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        if self.field_ends.is_empty() {
            return Fingerprint::of(&[&self.raw]);
        }
        let fields: Vec<&[u8]> = (0..self.field_count()).map(|field| self.field(field).as_bytes()).collect();
        Fingerprint::of(&fields)
    }

    /// The row as text, at most `most` characters of it, for the person who has to look at it.
    pub(crate) fn excerpt(&self, most: usize) -> String {
        let bytes = &self.raw[..self.raw.len().min(most.saturating_mul(4))];
        String::from_utf8_lossy(bytes).trim_end_matches(['\r', '\n']).chars().take(most).collect()
    }

    #[cfg(test)]
    pub(crate) fn of_cells(cells: &[Option<&str>]) -> Row {
        let mut row = Row::default();
        for cell in cells {
            match cell {
                Some(text) => row.push_cell(CellKind::Text, text, &[]),
                None => row.push_cell(CellKind::Missing, "", &[]),
            }
        }
        row
    }
}

fn is_empty(text: &str, empty: &[String]) -> bool {
    text.is_empty() || empty.iter().any(|word| word == text)
}
