//! Calls become a chunk.

use super::chunk::{Chunk, Column, Directory, FORMAT, Lane, MAGIC, Piece, TILE};
use super::packed::{pack, width_of};
use crate::profile::identity::NodeId;
use domain::{Call, CallKind, Position};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::{RowId, StoreError};

/// How much of its calls a chunk holds.
#[derive(Clone, Copy)]
struct Room {
    /// Most properties of a lane that are kept. Questions about others are answered from history.
    columns: usize,
    /// Most bytes of a value that is kept, as JSON.
    value_bytes: usize,
    /// Most lanes: names of events are few, except where somebody sends ids as names.
    lanes: usize,
}

const ON_THE_SHELF: Room = Room { columns: 64, value_bytes: 1_024, lanes: 10_000 };
const IN_MEMORY: Room = Room { columns: usize::MAX, value_bytes: usize::MAX, lanes: usize::MAX };

/// A chunk in the making. Memory: some 30 bytes an event, and its different values.
pub(super) struct ChunkBuilder {
    first_row: RowId,
    last_row: RowId,
    first: Position,
    count: u64,
    last_message: Arc<str>,
    lanes: BTreeMap<Arc<str>, LaneBuilder>,
    is_cut: bool,
    room: Room,
}

#[derive(Default)]
struct LaneBuilder {
    rows: Vec<Row>,
    keys: HashMap<Box<str>, usize>,
    columns: Vec<ColumnBuilder>,
    is_cut: bool,
}

#[derive(Clone, Copy)]
struct Row {
    node: NodeId,
    time: i64,
    offset: u32,
}

#[derive(Default)]
struct ColumnBuilder {
    known: HashMap<Box<str>, u32>,
    values: Vec<Box<str>>,
    /// The value's number by row; rows behind the end have none.
    places: Vec<u32>,
    is_cut: bool,
}

impl ChunkBuilder {
    /// Nothing yet; the first call will be that of `first`, in `row`.
    pub(super) fn new(row: RowId, first: Position) -> ChunkBuilder {
        ChunkBuilder {
            first_row: row,
            last_row: row,
            first,
            count: 0,
            last_message: "".into(),
            lanes: BTreeMap::new(),
            is_cut: false,
            room: ON_THE_SHELF,
        }
    }

    /// A chunk that is asked at once and thrown away: everything has room in it.
    pub(super) fn in_memory_from(first: Position) -> ChunkBuilder {
        ChunkBuilder { room: IN_MEMORY, ..ChunkBuilder::new(RowId(0), first) }
    }

    /// The name of the chunk on the shelf.
    pub(super) fn name(&self) -> String {
        format!("lanes-{:012}-{:012}.bin", self.first_row.0, self.last_row.0)
    }

    /// Calls taken so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Takes the calls of the next journal row, each with the number of the name it is filed under.
    pub(super) fn take_row<'a>(&mut self, row: RowId, calls: impl Iterator<Item = (NodeId, &'a Arc<Call>)>) {
        self.last_row = row;
        for (node, call) in calls {
            self.take(node, call);
        }
    }

    /// Takes the next call.
    pub(super) fn take(&mut self, node: NodeId, call: &Arc<Call>) {
        let offset = u32::try_from(self.count).expect("a chunk has at most some millions of calls");
        self.count += 1;
        self.last_message = call.message_id.clone();
        let is_event = matches!(call.kind, CallKind::Track | CallKind::Page | CallKind::Screen);
        let Some(event) = call.event.as_ref().filter(|_| is_event && node != 0) else { return };
        let has_room = self.lanes.len() < self.room.lanes;
        if let Some(lane) = self.lanes.get_mut(event) {
            lane.take(Row { node, time: call.timestamp.0, offset }, call, self.room);
        } else if has_room {
            let lane = self.lanes.entry(event.clone()).or_default();
            lane.take(Row { node, time: call.timestamp.0, offset }, call, self.room);
        } else {
            self.is_cut = true;
        }
    }

    /// The chunk as bytes. None where it has more names of events than fit: then history must be asked.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        if self.is_cut {
            return None;
        }
        let mut bytes = Vec::new();
        let lanes = self.lanes.into_iter().map(|(event, lane)| lane.finish(&event, &mut bytes)).collect();
        let directory = Directory {
            format: FORMAT,
            first_row: self.first_row.0,
            last_row: self.last_row.0,
            first: self.first.0,
            count: self.count,
            last_message: self.last_message.to_string(),
            lanes,
        };
        let directory = serde_json::to_vec(&directory).expect("names and numbers can be written as JSON");
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(&(directory.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&directory).to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        Some(bytes)
    }

    /// The chunk, in memory.
    pub(super) fn in_memory(self) -> Result<Chunk, StoreError> {
        let bytes: Arc<[u8]> = self.finish().unwrap_or_default().into();
        Chunk::open("memory", Box::new(bytes))
    }
}

impl LaneBuilder {
    fn take(&mut self, row: Row, call: &Call, room: Room) {
        let number = self.rows.len();
        self.rows.push(row);
        // The body was checked to be an object when the call was accepted.
        let Ok(body) = serde_json::from_str::<Body<'_>>(call.body.get()) else {
            self.is_cut = true;
            return;
        };
        let apart = call.quarantine();
        for (key, value) in body.0 {
            // What is set apart counts nowhere.
            if apart.as_ref().is_none_or(|apart| !apart.sent.contains_key(key.as_ref())) {
                self.put(number, &key, value.get(), room);
            }
        }
    }

    fn put(&mut self, row: usize, key: &str, value: &str, room: Room) {
        let place = match self.keys.get(key) {
            Some(place) => *place,
            None if self.columns.len() < room.columns => {
                self.keys.insert(key.into(), self.columns.len());
                self.columns.push(ColumnBuilder::default());
                self.columns.len() - 1
            }
            None => {
                self.is_cut = true;
                return;
            }
        };
        let column = &mut self.columns[place];
        if value.len() > room.value_bytes {
            column.is_cut = true;
            return;
        }
        let number = match column.known.get(value) {
            Some(number) => *number,
            None => {
                column.values.push(value.into());
                let number = u32::try_from(column.values.len()).expect("fewer values than calls");
                column.known.insert(value.into(), number);
                number
            }
        };
        column.places.resize(row, 0);
        // Of a key that stands twice the last counts, as everywhere.
        column.places.truncate(row);
        column.places.push(number);
    }

    fn finish(self, event: &str, into: &mut Vec<u8>) -> Lane {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_unstable_by_key(|at| {
            let row = &self.rows[*at];
            (row.node, row.time, row.offset)
        });
        let rows = || order.iter().map(|at| self.rows[*at]);
        let tiles = self.rows.iter().map(|row| row.node as usize / TILE + 1).max().unwrap_or(0);
        let tile_of = |at: &usize| self.rows[*at].node as usize / TILE;
        let starts = (0..=tiles).map(|tile| order.partition_point(|at| tile_of(at) < tile)).collect();
        let min_time = rows().map(|row| row.time).min().unwrap_or(0);
        let max_time = rows().map(|row| row.time).max().unwrap_or(0);
        let after = |row: Row| row.time.abs_diff(min_time);
        Lane {
            event: event.to_owned(),
            rows: self.rows.len(),
            starts,
            min_time,
            max_time,
            node: piece(rows().map(|row| u64::from(row.node) % TILE as u64), 2, into),
            time: piece(rows().map(after), width_of(max_time.abs_diff(min_time)), into),
            offset: {
                let most = rows().map(|row| row.offset).max().unwrap_or(0);
                piece(rows().map(|row| u64::from(row.offset)), width_of(u64::from(most)), into)
            },
            columns: self
                .keys
                .iter()
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .map(|(key, place)| self.columns[*place].finish(key, &order, into))
                .collect(),
            is_cut: self.is_cut,
        }
    }
}

impl ColumnBuilder {
    fn finish(&self, key: &str, order: &[usize], into: &mut Vec<u8>) -> Column {
        let start = into.len();
        for value in &self.values {
            into.extend_from_slice(value.as_bytes());
            into.push(b'\n');
        }
        let values = placed(start, 0, into);
        let places = order.iter().map(|at| u64::from(self.places.get(*at).copied().unwrap_or(0)));
        let places = piece(places, width_of(self.values.len() as u64), into);
        Column { key: key.to_owned(), values, places, is_cut: self.is_cut }
    }
}

fn piece(numbers: impl Iterator<Item = u64>, width: u8, into: &mut Vec<u8>) -> Piece {
    let start = into.len();
    pack(numbers, width, into);
    placed(start, width, into)
}

fn placed(start: usize, width: u8, bytes: &[u8]) -> Piece {
    let written = &bytes[start..];
    Piece { at: start as u64, size: written.len() as u64, width, sum: crc32fast::hash(written) }
}

/// The top level of a body: its keys, and their values as they were written.
struct Body<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    pairs.push((key, value));
                }
                Ok(Body(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}
