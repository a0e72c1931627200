//! What is worth sealing and merging. Pure: it looks at lists and numbers alone.

use super::{HistoryFile, HistoryLimits};
use crate::RowId;
use std::ops::Range;

/// Fewer files than this are merged only into one that is at least half full, so that a call is written
/// again a few times in its life and not each time a small file comes.
const FEWEST_FILES: usize = 4;

/// A row of the journal without its calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalSpan {
    /// Its number.
    pub row: RowId,
    /// Number of its calls.
    pub count: u64,
    /// Bytes of its calls as JSON.
    pub json_bytes: u64,
}

/// The last row of those to seal next, if any are to be sealed.
///
/// At least one row, then as many as fit in a file and leave half of the journal. `waiting`: calls in the journal; `rows`:
/// its rows, oldest first.
pub fn rows_to_seal<E>(
    waiting: u64,
    rows: impl Iterator<Item = Result<JournalSpan, E>>,
    limits: &HistoryLimits,
) -> Result<Option<RowId>, E> {
    if waiting <= limits.journal_calls {
        return Ok(None);
    }
    let mut last = None;
    let (mut calls, mut bytes) = (0, 0);
    for row in rows {
        let row = row?;
        calls += row.count;
        bytes += row.json_bytes;
        let fits = calls <= limits.file_calls && bytes <= limits.file_bytes;
        if last.is_some() && !fits {
            break;
        }
        last = Some(row.row);
        if waiting.saturating_sub(calls) <= limits.journal_calls / 2 {
            break;
        }
    }
    Ok(last)
}

/// Which files of the list (in order) to merge next, if any.
///
/// Neighbours that fit in one, of which none has more than
/// half of the calls. So a call is merged at most once for each doubling of its file.
pub fn files_to_merge(files: &[HistoryFile], limits: &HistoryLimits) -> Option<Range<usize>> {
    (0..files.len()).find_map(|start| {
        let (mut calls, mut bytes, mut largest) = (0, 0, 0);
        let mut end = start;
        for file in &files[start..] {
            if calls + file.count > limits.file_calls || bytes + file.json_bytes > limits.file_bytes {
                break;
            }
            calls += file.count;
            bytes += file.json_bytes;
            largest = largest.max(file.count);
            end += 1;
        }
        let is_worth_it = end - start >= FEWEST_FILES || calls >= limits.file_calls / 2;
        (end - start > 1 && largest * 2 <= calls && is_worth_it).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Position, Timestamp};
    use std::convert::Infallible;

    const LIMITS: HistoryLimits = HistoryLimits { journal_calls: 100, file_calls: 80, file_bytes: 8_000 };

    fn sealed(rows: &[(u64, u64)]) -> Option<u64> {
        let waiting = rows.iter().map(|(count, _)| count).sum();
        let spans = (1..).zip(rows).map(|(row, (count, json_bytes))| {
            Ok::<_, Infallible>(JournalSpan { row: RowId(row), count: *count, json_bytes: *json_bytes })
        });
        rows_to_seal(waiting, spans, &LIMITS).unwrap_or_default().map(|row| row.0)
    }

    #[test]
    fn a_journal_is_sealed_when_it_is_long_and_keeps_its_newer_half() {
        assert_eq!(sealed(&[(50, 1), (50, 1)]), None);
        assert_eq!(sealed(&[(10, 1); 11]), Some(6), "50 of 110 stay");
        assert_eq!(sealed(&[(10, 1); 40]), Some(8), "a file takes 80");
        assert_eq!(sealed(&[(200, 1)]), Some(1), "a row is never cut, and never left for ever");
        assert_eq!(sealed(&[(10, 3_000); 40]), Some(2), "nor does a file grow beyond its bytes");
        assert_eq!(sealed(&[(10, 9_000); 40]), Some(1));
    }

    fn merged(counts: &[u64]) -> Option<Range<usize>> {
        let file = |count: &u64| HistoryFile {
            name: String::new(),
            first_row: RowId(0),
            last_row: RowId(0),
            first: Position(0),
            count: *count,
            json_bytes: 1,
            min_time: Timestamp(0),
            max_time: Timestamp(0),
            min_name: String::new(),
            max_name: String::new(),
            size_bytes: 0,
            sums: Vec::new(),
        };
        files_to_merge(&counts.iter().map(file).collect::<Vec<_>>(), &LIMITS)
    }

    #[test]
    fn neighbours_are_merged_when_it_makes_fewer_files_for_little_work() {
        assert_eq!(merged(&[]), None);
        assert_eq!(merged(&[5, 5, 5]), None, "too little to be worth it");
        assert_eq!(merged(&[5, 5, 5, 5]), Some(0..4));
        assert_eq!(merged(&[30, 30]), Some(0..2), "half full at least");
        assert_eq!(merged(&[50, 10, 10, 10]), None, "mostly it would write the first one again");
        assert_eq!(merged(&[80, 80, 30, 30, 70]), Some(2..4));
        assert_eq!(merged(&[80, 80, 41, 41]), None, "together they do not fit");
    }

    #[test]
    fn a_call_is_written_again_a_few_times_at_most() {
        let (mut files, mut written) = (Vec::new(), 0);
        for number in 0..8_000 {
            files.push(1 + number % 2);
            while let Some(run) = merged(&files) {
                let sum = files[run.clone()].iter().sum();
                written += sum;
                files.splice(run, [sum]);
            }
        }
        assert!(written <= 12_000 * 5, "{written}");
        assert!(files.len() <= 12_000 / 40 + 8, "{}", files.len());
    }
}
