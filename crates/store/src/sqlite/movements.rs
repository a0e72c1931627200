//! Entries and exits of a segment as they lie in a row: all of one commit in one piece (`format_15.sql`).

use crate::Transition;
use domain::{CustomerId, Name, Timestamp};
use std::collections::HashMap;

/// Bytes of one entry or exit.
const BYTES: usize = 13;
/// Most of them in one row, so that whoever reads a page of the newest does not unpack a million.
const ROW: usize = 4_096;

/// What one row says.
pub(super) struct Row<'a> {
    pub(super) segment: &'a Name,
    pub(super) body: Vec<u8>,
}

impl Row<'_> {
    pub(super) fn count(&self) -> usize {
        self.body.len() / BYTES
    }
}

/// Packs transitions by segment, each segment's in the order in which they happened. O(transitions).
pub(super) fn pack(transitions: &[Transition]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut open: HashMap<&Name, usize> = HashMap::new();
    for Transition { segment, customer, at, entered } in transitions {
        let place = open.entry(segment).or_insert(usize::MAX);
        if rows.get(*place).is_none_or(|row| row.count() == ROW) {
            *place = rows.len();
            rows.push(Row { segment, body: Vec::new() });
        }
        if let Some(row) = rows.get_mut(*place) {
            row.body.extend_from_slice(&customer.0.to_be_bytes());
            row.body.extend_from_slice(&at.0.to_be_bytes());
            row.body.push(u8::from(*entered));
        }
    }
    rows
}

/// What a row of this segment holds, the latest first. None: that is not what `pack` writes.
pub(super) fn newest_first<'a>(segment: &'a Name, body: &'a [u8]) -> Option<impl Iterator<Item = Transition> + 'a> {
    let (movements, []) = body.as_chunks::<BYTES>() else { return None };
    Some(movements.iter().rev().map(|&[a, b, c, d, at @ .., entered]| Transition {
        segment: segment.clone(),
        customer: CustomerId(u32::from_be_bytes([a, b, c, d])),
        at: Timestamp(i64::from_be_bytes(at)),
        entered: entered == 1,
    }))
}
