//! Snapshots of the live state, which make the start quick.
//!
//! A snapshot holds what was derived from calls up to a position: people, customers, known messageIds, what is left of
//! orders, names and values seen, calls with amounts set apart, and events dated ahead. Facts and memberships are not in it: they are recovered and asked anew, as at every start. It is
//! a cache and nothing more: one that does not fit is ignored, and the state is rebuilt from history.
//!
//! The file: `MAGIC`, then frames of (length, CRC-32, kind, content), the last one of kind `End`. Content is postcard, that of
//! messageIds the sixteen bytes of each. Frames are
//! checked before they are understood, and bounded, so that memory is bounded too.

use crate::dedupe::{Fingerprinter, Seen};
use crate::processors::processors;
use crate::profile::orders::Orders;
use crate::profile::{Customer, Customers, People};
use crate::report::catalogue::Catalogue;
use crate::report::door::Quarantined;
use crate::report::samples::Samples;
use crate::segment::Plan;
use crate::state::{Engine, HashMap};
use crate::timers::Timer;
use domain::{Call, CustomerId, Position, Timestamp};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Reader, RowId, StoreError};

/// Raised with every change of what a frame holds, or of how calls become state, within a version of Perennial.
const FORMAT: u32 = 7;
const MAGIC: &[u8; 8] = b"perennSN";
/// Things in one frame: of customers of a few kilobytes, some megabytes.
const FRAME_ITEMS: usize = 4_096;
/// Ids of calls in one: a megabyte.
const FRAME_IDS: usize = 65_536;
/// Room made for a frame before it is read.
const FRAME_ROOM: usize = 16 << 20;
/// Most bytes of a frame that is read. A length beyond it is damage.
const FRAME_BYTES: u32 = 1 << 30;

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Header,
    Seen,
    People,
    Customers,
    Ahead,
    Orders,
    Catalogue,
    Samples,
    Quarantined,
    End,
}

impl Kind {
    const ALL: [Kind; 10] = [
        Kind::Header,
        Kind::Seen,
        Kind::People,
        Kind::Customers,
        Kind::Ahead,
        Kind::Orders,
        Kind::Catalogue,
        Kind::Samples,
        Kind::Quarantined,
        Kind::End,
    ];

    fn find(number: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// To what a snapshot belongs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Of Perennial: another one may read the same calls differently.
    version: String,
    /// What decides what is kept of a customer.
    plan: u128,
    /// The instant up to which everything due was done.
    clock: Timestamp,
    /// The last call in it.
    position: Position,
    /// The journal row that ends with it.
    row: u32,
    /// How often somebody had been erased: one from before must not bring them back.
    erasures: u64,
    /// Number of customers, to make room for them at once.
    customers: u64,
    /// A hash of that call: a store that was put back and went on another way has another one there.
    last: u128,
}

impl Header {
    fn understand(content: &[u8]) -> Result<Header, Unfit> {
        // These two stood first in every format; what follows may be anything.
        let ((format, version), _) = postcard::take_from_bytes::<(u32, String)>(content).map_err(damaged)?;
        if format != FORMAT || version != env!("CARGO_PKG_VERSION") {
            return Err(Unfit::OtherVersion(version));
        }
        understand(content)
    }
}

/// Numbers of things, at the end: a file cut between two frames is found.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Counts {
    seen: u64,
    customers: u64,
    ahead: u64,
}

/// Why a snapshot was not used. The state is then rebuilt from history, and is the same.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Another version of Perennial wrote it.
    #[error("version {0} of Perennial wrote it")]
    OtherVersion(String),
    /// Other rules were in force.
    #[error("the definitions have changed since")]
    OtherPlan,
    /// The store has fewer calls, or others.
    #[error("it does not belong to this history")]
    OtherHistory,
    /// It was taken after an instant that was never committed: what time did meanwhile must be done again.
    #[error("it is ahead of what was committed")]
    Ahead,
    /// What it belongs to could not be read; the start will say so too.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn damaged(reason: impl std::fmt::Display) -> Unfit {
    Unfit::Damaged(reason.to_string())
}

/// What a snapshot holds, read and checked.
pub(crate) struct Loaded {
    pub(crate) position: Position,
    pub(crate) row: u32,
    seen: Seen,
    people: People,
    customers: Customers,
    ahead: BTreeMap<(Timestamp, Position), Arc<Call>>,
    orders: Orders,
    catalogue: Catalogue,
    samples: Samples,
    quarantined: Quarantined,
}

/// To what a snapshot taken at a moment would belong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotKey {
    /// The last call in it.
    pub position: Position,
    /// A hash of what decides what is kept of a customer.
    pub plan: u128,
}

impl Engine {
    /// To what a snapshot taken now would belong: with the same key another one would bring nothing.
    pub fn snapshot_key(&self) -> SnapshotKey {
        SnapshotKey { position: self.position, plan: fingerprint(&self.plan) }
    }

    /// Writes a snapshot.
    ///
    /// Call it when everything is durable, the clock too: commit what `take_commit` gives, also where that is empty, or the
    /// snapshot is ahead of the store and will be ignored. Returns false, with nothing of use written, while something
    /// waits to be done or to become durable. O(state); memory: one frame.
    pub fn save(&self, out: &mut dyn Write) -> Result<bool, StoreError> {
        if !self.work.is_done() || self.has_pending() || !self.parted.is_empty() || self.next_row == 1 {
            return Ok(false);
        }
        let row = self.next_row - 1;
        let last = last_call(self.reader.as_ref(), row, self.position, self.seen.fingerprinter())?;
        let Some(last) = last else { return Ok(false) };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let plan = fingerprint(&self.plan);
        let header = Header {
            format: FORMAT,
            version,
            plan,
            clock: self.clock,
            position: self.position,
            row,
            erasures: self.erasures,
            customers: self.customers.len() as u64,
            last,
        };
        let written = self.write_frames(&header, &mut Frames { out });
        written.map(|()| true).map_err(|error| StoreError::Io { doing: "written", reason: error.to_string() })
    }

    fn write_frames(&self, header: &Header, frames: &mut Frames<'_>) -> std::io::Result<()> {
        frames.out.write_all(MAGIC)?;
        frames.put(Kind::Header, header)?;
        let seen = self.put_seen(frames)?;
        frames.put(Kind::People, &self.people)?;
        let customers = frames.put_all(Kind::Customers, self.customers.iter())?;
        let ahead = self.ahead.iter().map(|((_, position), call)| (position, AsJson(call)));
        let ahead = frames.put_all(Kind::Ahead, ahead)?;
        frames.put(Kind::Orders, &self.orders)?;
        frames.put(Kind::Catalogue, &self.catalogue)?;
        frames.put(Kind::Samples, &self.samples)?;
        frames.put(Kind::Quarantined, &self.quarantined)?;
        frames.put(Kind::End, &Counts { seen, customers, ahead })?;
        frames.out.flush()
    }

    fn put_seen(&self, frames: &mut Frames<'_>) -> std::io::Result<u64> {
        let mut content = Vec::new();
        let mut entries = self.seen.entries().peekable();
        while entries.peek().is_some() {
            content.clear();
            entries.by_ref().take(FRAME_IDS).for_each(|entry| content.extend_from_slice(&entry));
            frames.put_bytes(Kind::Seen, &content)?;
        }
        Ok(self.seen.len() as u64)
    }

    /// Another engine, which knows nothing yet but the rules: to make a snapshot from history, beside this one, while
    /// this one goes on. Ask for it between two commits, with the clock committed. O(definitions).
    pub fn replica(&self, reader: Box<dyn Reader>) -> Replica {
        let mut engine = Engine::empty(reader, self.options.clone(), self.secrets.clone(), self.clock);
        engine.plan = self.plan.clone();
        engine.people = People::with_erased(self.people.erased());
        engine.erasures = self.erasures;
        Replica { engine, until: self.position }
    }

    /// Reads a snapshot of this store's history, if it fits this engine, which has its definitions.
    ///
    /// Frames are read here and understood on all processors: of a million customers that is most of a start.
    pub(crate) fn load(&self, from: &mut dyn Read, until: Position) -> Result<Loaded, Unfit> {
        let mut magic = [0; MAGIC.len()];
        from.read_exact(&mut magic).map_err(damaged)?;
        if &magic != MAGIC {
            return Err(damaged("it is no snapshot"));
        }
        let header = match read_frame(from)?.checked()? {
            (Kind::Header, content) => Header::understand(&content)?,
            (kind, _) => return Err(damaged(format!("it begins with {kind:?}"))),
        };
        self.check(&header, until)?;
        let seen = self.seen.another(until.0);
        let mut loaded = Loaded {
            position: header.position,
            row: header.row,
            seen: Seen::default(),
            people: People::default(),
            customers: Customers::default(),
            ahead: BTreeMap::new(),
            orders: Orders::default(),
            catalogue: Catalogue::default(),
            samples: Samples::default(),
            quarantined: Quarantined::default(),
        };
        let threads = processors();
        std::thread::scope(|scope| {
            // What is understood is state anyway; what waits to be is a frame or two for each. Whoever is free takes the next:
            // names are one frame, which takes as long as many others.
            let (understood, parts) = std::sync::mpsc::channel();
            let (send, frames) = std::sync::mpsc::sync_channel::<Frame>(threads);
            let frames = Arc::new(Mutex::new(frames));
            for _ in 0..threads {
                let (understood, frames) = (understood.clone(), frames.clone());
                scope.spawn(move || {
                    let next = || frames.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    while let Ok(frame) = next() {
                        if understood.send(Part::of(frame)).is_err() {
                            // Whoever listens no more has found damage.
                            return;
                        }
                    }
                });
            }
            drop((understood, frames));
            // Ids need no understanding, and are most of what there is: they go in beside everything else.
            let (ids, frames_of_ids) = std::sync::mpsc::sync_channel::<Frame>(1);
            let knowing = scope.spawn(move || know(seen, &frames_of_ids));
            let mut end = None;
            loop {
                let frame = read_frame(from)?;
                let is_end = frame.kind == Kind::End as u8;
                let taker = if frame.kind == Kind::Seen as u8 { &ids } else { &send };
                if taker.send(frame).is_err() {
                    return Err(damaged("a part of it could not be understood"));
                }
                for part in parts.try_iter() {
                    end = end.or(loaded.take(part?));
                }
                if is_end {
                    break;
                }
            }
            drop((send, ids));
            for part in parts {
                end = end.or(loaded.take(part?));
            }
            loaded.seen = knowing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            let found = Counts {
                seen: loaded.seen.len() as u64,
                customers: loaded.customers.len() as u64,
                ahead: loaded.ahead.len() as u64,
            };
            if end == Some(found) { Ok(loaded) } else { Err(damaged("parts of it are missing")) }
        })
    }

    fn check(&self, header: &Header, until: Position) -> Result<(), Unfit> {
        if header.plan != fingerprint(&self.plan) {
            return Err(Unfit::OtherPlan);
        }
        let last = last_call(self.reader.as_ref(), header.row, header.position, self.seen.fingerprinter())?;
        if header.erasures != self.erasures || header.position > until || last != Some(header.last) {
            return Err(Unfit::OtherHistory);
        }
        if header.clock > self.clock {
            return Err(Unfit::Ahead);
        }
        Ok(())
    }

    /// Takes the state of a snapshot for its own. Events dated ahead of it whose time has come meanwhile have happened.
    pub(crate) fn take_over(&mut self, loaded: Loaded) {
        let Loaded { position, row, seen, people, customers, ahead, orders, catalogue, samples, quarantined } = loaded;
        (self.position, self.next_row) = (position, row + 1);
        self.seen = seen;
        self.orders.take_over(orders);
        (self.people, self.customers) = (people, customers);
        let with_browsers: Vec<CustomerId> =
            self.customers.iter().filter(|(_, customer)| customer.browsers.is_some()).map(|(id, _)| id).collect();
        with_browsers.into_iter().for_each(|id| self.note_endpoints(id));
        (self.catalogue, self.samples, self.quarantined) = (catalogue, samples, quarantined);
        self.ahead = ahead.into_iter().filter(|((at, _), _)| *at > self.clock).collect();
        for (at, position) in self.ahead.keys() {
            self.timers.insert(*at, Timer::Event(*position));
        }
    }

    /// A hash of everything that `Look::describe` tells of the live state: 32 hexadecimal digits. The same history
    /// and facts give the same, in whatever order they are looked at. O(state).
    pub fn state_hash(&self) -> String {
        let mut sum = 0_u128;
        // A sum does not depend on the order, so that nothing has to be sorted.
        self.look().describe_each(&mut |key, value| sum = sum.wrapping_add(hash(&[key.as_bytes(), value.as_bytes()])));
        format!("{sum:032x}")
    }
}

/// An engine that comes up to where another one stood, from what is durable alone, to write a snapshot of that moment.
pub struct Replica {
    engine: Engine,
    until: Position,
}

impl Replica {
    /// To what its snapshot will belong.
    pub fn key(&self) -> SnapshotKey {
        SnapshotKey { position: self.until, plan: fingerprint(&self.engine.plan) }
    }

    /// Reads an older snapshot if it fits, then the calls since, and writes the new one. Gives up between two rows of the
    /// journal once `is_over` says so. Returns whether it wrote one. O(state) memory beside the engine's own.
    pub fn write(
        mut self,
        older: Option<&mut dyn Read>,
        out: &mut dyn Write,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, StoreError> {
        // One that does not fit was logged at the start already.
        if let Some(Ok(loaded)) = older.map(|older| self.engine.load(older, self.until)) {
            self.engine.take_over(loaded);
        }
        self.engine.replay_journal(self.until, is_over)?;
        match is_over() {
            true => Ok(false),
            false => self.engine.save(out),
        }
    }
}

/// The keyed hash of the call at a position, which is the last one of a row; none if it is not.
fn last_call(
    reader: &dyn Reader,
    row: u32,
    position: Position,
    hashes: Fingerprinter,
) -> Result<Option<u128>, StoreError> {
    let rows = reader.rows(&[RowId(u64::from(row))])?;
    let found = rows.first().filter(|row| row.first.0 + row.calls.len() as u64 == position.0 + 1);
    Ok(found.and_then(|row| row.calls.last()).map(|call| hashes.id_hash(&call.message_id)))
}

/// What of a plan decides what is kept of a customer.
fn fingerprint(plan: &Plan) -> u128 {
    let kept = plan.kept();
    hash(&kept.iter().map(String::as_bytes).collect::<Vec<_>>())
}

fn hash(parts: &[&[u8]]) -> u128 {
    let mut hasher = SipHasher24::new();
    for part in parts {
        hasher.write_u64(part.len() as u64);
        hasher.write(part);
    }
    hasher.finish128().as_u128()
}

/// Writes frames.
struct Frames<'a> {
    out: &'a mut dyn Write,
}

impl Frames<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, kind: Kind, content: &T) -> std::io::Result<()> {
        self.put_bytes(kind, &postcard::to_allocvec(content).map_err(std::io::Error::other)?)
    }

    fn put_bytes(&mut self, kind: Kind, content: &[u8]) -> std::io::Result<()> {
        let too_long = |_| std::io::Error::other("a part of the state is larger than a frame can be");
        let length = u32::try_from(content.len()).map_err(too_long)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[kind as u8]);
        hasher.update(content);
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&hasher.finalize().to_le_bytes())?;
        self.out.write_all(&[kind as u8])?;
        self.out.write_all(content)
    }

    /// Things in frames of some thousand each. Returns how many there were.
    fn put_all<T: Serialize>(&mut self, kind: Kind, all: impl Iterator<Item = T>) -> std::io::Result<u64> {
        let mut count = 0;
        let mut all = all.peekable();
        while all.peek().is_some() {
            let some: Vec<T> = all.by_ref().take(FRAME_ITEMS).collect();
            count += some.len() as u64;
            self.put(kind, &some)?;
        }
        Ok(count)
    }
}

/// A frame as it stands in the file, not checked yet.
struct Frame {
    kind: u8,
    sum: u32,
    content: Vec<u8>,
}

impl Frame {
    fn checked(self) -> Result<(Kind, Vec<u8>), Unfit> {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[self.kind]);
        hasher.update(&self.content);
        if hasher.finalize() != self.sum {
            return Err(damaged("the checksum of a frame differs"));
        }
        let kind = Kind::find(self.kind).ok_or_else(|| damaged("a frame is of no known kind"))?;
        Ok((kind, self.content))
    }
}

fn read_frame(from: &mut dyn Read) -> Result<Frame, Unfit> {
    let mut head = [0; 9];
    from.read_exact(&mut head).map_err(damaged)?;
    let number = |bytes: &[u8]| bytes.try_into().map_or(u32::MAX, u32::from_le_bytes);
    let (length, sum) = (number(&head[..4]), number(&head[4..8]));
    if length > FRAME_BYTES {
        return Err(damaged("a frame is longer than any can be"));
    }
    // Memory grows with what is there, not with what a damaged length claims.
    let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or(FRAME_ROOM).min(FRAME_ROOM));
    from.take(u64::from(length)).read_to_end(&mut content).map_err(damaged)?;
    if content.len() as u64 != u64::from(length) {
        return Err(damaged("it ends within a frame"));
    }
    Ok(Frame { kind: head[8], sum, content })
}

/// Fills a set with the ids of frames.
fn know(mut seen: Seen, frames: &std::sync::mpsc::Receiver<Frame>) -> Result<Seen, Unfit> {
    for frame in frames {
        let (_, content) = frame.checked()?;
        let (entries, []) = content.as_chunks() else { return Err(damaged("an id is cut")) };
        seen.extend(entries);
    }
    Ok(seen)
}

/// What a frame held.
enum Part {
    People(People),
    Customers(Vec<(CustomerId, Customer)>),
    Ahead(Vec<(Position, AsJson<Arc<Call>>)>),
    Orders(Orders),
    Catalogue(Catalogue),
    Samples(Samples),
    Quarantined(Quarantined),
    End(Counts),
}

impl Part {
    fn of(frame: Frame) -> Result<Part, Unfit> {
        let (kind, content) = frame.checked()?;
        Ok(match kind {
            Kind::Header | Kind::Seen => return Err(damaged(format!("{kind:?} is where it cannot be"))),
            Kind::People => Part::People(understand(&content)?),
            Kind::Customers => Part::Customers(understand(&content)?),
            Kind::Ahead => Part::Ahead(understand(&content)?),
            Kind::Orders => Part::Orders(understand(&content)?),
            Kind::Catalogue => Part::Catalogue(understand(&content)?),
            Kind::Samples => Part::Samples(understand(&content)?),
            Kind::Quarantined => Part::Quarantined(understand(&content)?),
            Kind::End => Part::End(understand(&content)?),
        })
    }
}

impl Loaded {
    /// Takes what a frame held. Returns what must be there in all, if it says so.
    fn take(&mut self, part: Part) -> Option<Counts> {
        match part {
            Part::People(people) => self.people = people,
            Part::Customers(customers) => self.customers.extend(customers),
            Part::Ahead(ahead) => {
                let ahead = ahead.into_iter().map(|(position, AsJson(call))| ((call.timestamp, position), call));
                self.ahead.extend(ahead);
            }
            Part::Orders(orders) => self.orders = orders,
            Part::Catalogue(catalogue) => self.catalogue = catalogue,
            Part::Samples(samples) => self.samples = samples,
            Part::Quarantined(quarantined) => self.quarantined = quarantined,
            Part::End(counts) => return Some(counts),
        }
        None
    }
}

fn understand<T: DeserializeOwned>(content: &[u8]) -> Result<T, Unfit> {
    postcard::from_bytes(content).map_err(damaged)
}

/// A thing that stands in the snapshot as JSON, since a format without names of fields cannot hold it: arbitrary JSON
/// can only be read by looking at it.
#[derive(Clone, Debug)]
pub(crate) struct AsJson<T>(pub(crate) T);

impl<T: Serialize> Serialize for AsJson<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_json::serialize(&self.0, serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for AsJson<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        as_json::deserialize(deserializer).map(AsJson)
    }
}

/// For `#[serde(with = …)]` on such things.
pub(crate) mod as_json {
    use serde::de::{DeserializeOwned, Error as _};
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(value).map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// For `#[serde(with = …)]` on decimals: sixteen bytes.
pub(crate) mod as_bytes {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.serialize()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
        Ok(Option::<[u8; 16]>::deserialize(deserializer)?.map(Decimal::deserialize))
    }
}

/// Most entries for which room is made because a snapshot says that they come.
const EXPECTED: usize = 4_000_000;

/// For `#[serde(deserialize_with = …)]` on maps of a million names: room for all of them at once. Grown bit by bit they would
/// lie in twice as much memory, all of which the system has to find.
pub(crate) fn with_room<'de, K, V, D>(deserializer: D) -> Result<HashMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Eq + Hash,
    V: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    deserializer.deserialize_map(Entries(PhantomData))
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Eq + Hash, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
    type Value = HashMap<K, V>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<HashMap<K, V>, A::Error> {
        let mut map = HashMap::default();
        map.reserve(entries.size_hint().unwrap_or(0).min(EXPECTED));
        while let Some((key, value)) = entries.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}
