//! The files of history on a disk in memory: sealed, merged and adopted as on a real one.

use domain::{Position, Timestamp};
use std::collections::BTreeMap;
use store::history::{JournalSpan, files_to_merge, rows_to_seal};
use store::{Erasure, HistoryFile, HistoryLimits, JournalRow, Prepared, Rewrite, RowId, StoreError, TakenFrom};

/// Files and the list of those that count.
#[derive(Clone, Default)]
pub(crate) struct MemoryHistory {
    listed: Vec<HistoryFile>,
    /// What lies on the disk by name, whether it is in the list or not.
    written: BTreeMap<String, Vec<JournalRow>>,
    erasures: u64,
}

impl MemoryHistory {
    /// The files that count, in the order of their calls.
    pub(crate) fn listed(&self) -> &[HistoryFile] {
        &self.listed
    }

    /// The last row that is in a file; 0: none.
    pub(crate) fn last_row(&self) -> RowId {
        self.listed.last().map(|file| file.last_row).unwrap_or_default()
    }

    /// A row, if it was sealed.
    pub(crate) fn row(&self, id: RowId) -> Option<JournalRow> {
        let file = self.listed.iter().find(|file| file.holds(id))?;
        let rows = self.written.get(&file.name)?;
        rows.iter().find(|row| row.id == id).cloned()
    }

    /// What a start does: files that no transaction adopted are removed.
    pub(crate) fn sweep(&mut self) {
        let listed = &self.listed;
        self.written.retain(|name, _| listed.iter().any(|file| file.name == *name));
    }

    /// Rewrites the calls of all files, each under a new name, and forgets files that no transaction adopted. Returns how
    /// many calls changed.
    pub(crate) fn erase(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> u64 {
        self.erasures += 1;
        self.sweep();
        let mut changed = 0;
        for file in &mut self.listed {
            let Some(rows) = self.written.get(&file.name) else { continue };
            let rewritten: Vec<Option<(Vec<_>, u64)>> =
                rows.iter().map(|row| erasure.rewrite_row(row, rewrite)).collect();
            if rewritten.iter().all(Option::is_none) {
                continue;
            }
            let mut rows = self.written.remove(&file.name).unwrap_or_default();
            for (row, rewritten) in rows.iter_mut().zip(rewritten) {
                if let Some((calls, count)) = rewritten {
                    row.calls = calls;
                    changed += count;
                }
            }
            if let Some(new) = describe(&rows) {
                let name = format!("{}-e{}.parquet", new.name.trim_end_matches(".parquet"), self.erasures);
                *file = HistoryFile { name: name.clone(), ..new };
                self.written.insert(name, rows);
            }
        }
        changed
    }

    /// Everything that lies on the disk.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &JournalRow> {
        self.written.values().flatten()
    }

    /// Files on the disk that are not in the list.
    pub(crate) fn orphans(&self) -> usize {
        self.written.len() - self.listed.len()
    }

    /// Finds what is worth sealing or merging and writes the file.
    pub(crate) fn prepare(&mut self, journal: &[JournalRow], limits: &HistoryLimits) -> Option<Prepared> {
        let waiting = journal.iter().map(|row| row.calls.len() as u64).sum();
        let spans = journal.iter().map(|row| {
            let span = JournalSpan { row: row.id, count: row.calls.len() as u64, json_bytes: json_bytes(row) };
            Ok::<_, std::convert::Infallible>(span)
        });
        let Ok(last) = rows_to_seal(waiting, spans, limits);
        let (rows, from) = match last {
            Some(last) => (journal.iter().filter(|row| row.id <= last).cloned().collect(), TakenFrom::Journal),
            None => {
                let run = files_to_merge(&self.listed, limits)?;
                let names = self.listed[run].iter().map(|file| &file.name);
                let rows: Vec<JournalRow> =
                    names.filter_map(|name| self.written.get(name)).flatten().cloned().collect();
                (rows, TakenFrom::Files)
            }
        };
        let file = describe(&rows)?;
        self.written.insert(file.name.clone(), rows);
        Some(Prepared { file, from, erasures: self.erasures })
    }

    /// Puts a prepared file in the place of rows of the journal or of smaller files.
    pub(crate) fn adopt(&mut self, journal: &mut Vec<JournalRow>, prepared: Prepared) -> Result<(), StoreError> {
        let Prepared { file, from, erasures } = prepared;
        if erasures != self.erasures {
            self.sweep();
            let reason = "somebody was erased while a file of history was written; it is written again".to_owned();
            return Err(StoreError::Io { doing: "written", reason });
        }
        let replaced = self.listed.iter().filter(|it| file.holds(it.first_row) && file.holds(it.last_row));
        let merged: u64 = replaced.map(|it| it.count).sum();
        let sealed = journal.iter().filter(|row| file.holds(row.id)).map(|row| row.calls.len() as u64).sum();
        let expected = match from {
            TakenFrom::Journal => (file.count, 0),
            TakenFrom::Files => (0, file.count),
        };
        if (sealed, merged) != expected {
            let reason = format!("the calls of {} are no longer where they were taken from", file.name);
            return Err(StoreError::Io { doing: "written", reason });
        }
        journal.retain(|row| !file.holds(row.id));
        self.listed.retain(|it| !file.holds(it.first_row));
        let place = self.listed.partition_point(|it| it.first_row < file.first_row);
        self.listed.insert(place, file);
        self.sweep();
        Ok(())
    }
}

fn json_bytes(row: &JournalRow) -> u64 {
    row.calls.iter().map(|call| call.body.get().len() as u64 + 100).sum()
}

fn describe(rows: &[JournalRow]) -> Option<HistoryFile> {
    let (oldest, newest) = (rows.first()?, rows.last()?);
    let calls = || rows.iter().flat_map(|row| &row.calls);
    let times = || calls().map(|call| call.timestamp);
    let names = || calls().map(|call| call.name());
    let count = calls().count() as u64;
    Some(HistoryFile {
        name: format!("calls-{:012}-{:012}.parquet", oldest.first.0, oldest.first.0 + count - 1),
        first_row: oldest.id,
        last_row: newest.id,
        first: Position(oldest.first.0),
        count,
        json_bytes: rows.iter().map(json_bytes).sum(),
        min_time: times().min().unwrap_or(Timestamp(0)),
        max_time: times().max().unwrap_or(Timestamp(0)),
        min_name: names().min().unwrap_or_default().to_owned(),
        max_name: names().max().unwrap_or_default().to_owned(),
        size_bytes: 0,
        sums: Vec::new(),
    })
}
