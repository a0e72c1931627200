//! Rules asked of lanes: tile by tile, so that what is worked on fits into a processor's cache, on all processors.

use super::bits::Bits;
use super::chunk::{Chunk, Lane, TILE};
use super::kernel::{self, Kernel};
use super::packed::Packed;
use super::question::{Formula, Leaf, Rules};
use super::select::{Columns, Select, Values, Without};
use super::tile::{Found, TileEntries};
use crate::profile::Customer;
use crate::segment::Scope;
use crate::segment::feature::{Kept, Streams};
use crate::segment::plan::{Node, Plan, Rhythm, StreamSpec};
use crate::segment::verdict::Asked;
use domain::segment::EventName;
use domain::{CustomerId, Position, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Words of a set that one tile fills.
const TILE_WORDS: usize = TILE / 64;

/// Whose calls are whose, by the numbers of names: that of a name's person stands at its number.
pub(super) type Persons = [u32];

/// Asks rules of chunks, in the order of their positions. One set of people for each rule.
///
/// Memory: the columns that are asked about, and for each processor the entries of one tile.
pub(super) fn evaluate(plan: &Plan, rules: &Rules, chunks: &[&Chunk], persons: &Persons) -> Result<Vec<Bits>, Without> {
    let needed = Needed::of(plan, rules);
    let sources = needed.read(plan, chunks, rules.now)?;
    let leaves: Vec<Asking<'_>> =
        rules.leaves.iter().map(|leaf| Asking::new(plan, leaf, &sources, rules.now)).collect();
    let strays = sources.strays(persons);
    let tiles = persons.len().div_ceil(TILE);
    let answers = in_parallel(tiles, Vec::new, |tile, entries: &mut Vec<TileEntries>| {
        sources.tile(tile, persons, &strays, entries);
        let sets: Vec<Vec<u64>> = leaves.iter().map(|leaf| leaf.ask(tile, entries)).collect();
        let existing = words_of(&rules.existing, tile);
        let people = rules.formulas.iter().map(|formula| {
            let mut people = formula.over(&sets).into_owned();
            people.iter_mut().zip(&existing).for_each(|(word, existing)| *word &= existing);
            people
        });
        people.collect::<Vec<Vec<u64>>>()
    });
    let mut sets = vec![Bits(Vec::with_capacity(tiles * TILE_WORDS)); rules.formulas.len()];
    for tile in answers {
        for (set, words) in sets.iter_mut().zip(tile) {
            set.0.extend(words);
        }
    }
    Ok(sets)
}

/// Does `count` jobs on all processors, each of which has room of its own that one job leaves to the next; the answers
/// are in the order of the jobs.
fn in_parallel<R, T: Send>(count: usize, room: fn() -> R, job: impl Fn(usize, &mut R) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    let work = || {
        let mut room = room();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let answer = job(number, &mut room);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, answer));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get).min(count.max(1));
    std::thread::scope(|scope| {
        // This thread works too.
        (1..workers).for_each(|_| {
            scope.spawn(work);
        });
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, answer)| answer).collect()
}

fn words_of(set: &Bits, tile: usize) -> Vec<u64> {
    let start = (tile * TILE_WORDS).min(set.0.len());
    let end = ((tile + 1) * TILE_WORDS).min(set.0.len());
    let mut words = set.0[start..end].to_vec();
    words.resize(TILE_WORDS, 0);
    words
}

/// The streams that rules ask about.
struct Needed {
    /// Each with whether the order of events of one instant matters.
    streams: BTreeMap<u32, bool>,
}

impl Needed {
    fn of(plan: &Plan, rules: &Rules) -> Needed {
        let mut streams: BTreeMap<u32, bool> = BTreeMap::new();
        let mut need = |stream: u32, in_order: bool| *streams.entry(stream).or_default() |= in_order;
        for leaf in &rules.leaves {
            match leaf {
                Leaf::Streams(Node::Did(did)) => need(did.events.stream, false),
                Leaf::Streams(Node::Rhythm(rhythm)) => {
                    need(rhythm.stream.stream, matches!(rhythm.rhythm, Rhythm::AtEnd(_)));
                    if let Rhythm::Sequence { then, .. } = &rhythm.rhythm {
                        need(then.stream, false);
                    }
                }
                Leaf::Streams(_) | Leaf::People(_) => {}
            }
        }
        streams.retain(|stream, _| (*stream as usize) < plan.streams.len());
        Needed { streams }
    }

    /// Reads what is needed of the chunks.
    fn read<'a>(&self, plan: &Plan, chunks: &[&'a Chunk], now: Timestamp) -> Result<Sources<'a>, Without> {
        let mut jobs: BTreeMap<(usize, &'a str), Vec<(u32, bool)>> = BTreeMap::new();
        for (stream, in_order) in &self.streams {
            let spec = &plan.streams[*stream as usize];
            let cutoff = spec.need.forgets_before(now);
            for (place, chunk) in chunks.iter().enumerate() {
                let lanes = match &spec.event {
                    EventName::Exact(name) => chunk.lane(name).into_iter().collect::<Vec<_>>(),
                    EventName::Prefix(_) => {
                        chunk.directory.lanes.iter().filter(|lane| spec.event.matches(&lane.event)).collect()
                    }
                };
                // What is older than every question is not read at all.
                for lane in lanes.into_iter().filter(|lane| cutoff.is_none_or(|cutoff| lane.max_time > cutoff.0)) {
                    jobs.entry((place, lane.event.as_str())).or_default().push((*stream, *in_order));
                }
            }
        }
        let jobs: Vec<_> = jobs.into_iter().collect();
        let read = in_parallel(
            jobs.len(),
            || (),
            |number, ()| {
                let ((place, event), streams) = &jobs[number];
                read_lane(plan, chunks[*place], event, streams)
            },
        );
        let mut sources = Sources::default();
        for (stream, in_order) in &self.streams {
            let spec = &plan.streams[*stream as usize];
            let cutoff = spec.need.forgets_before(now).map_or(i64::MIN, |cutoff| cutoff.0);
            sources.add(&spec.event, Source { stream: *stream, kept: Vec::new(), cutoff, in_order: *in_order });
        }
        for one in read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            sources.take(one);
        }
        Ok(sources)
    }
}

/// What was read of one lane for one of the streams that mean it.
struct ReadLane<'a> {
    stream: u32,
    lane: Arc<LaneColumns<'a>>,
    select: Select,
    values: Values,
    kept: Vec<Kept>,
}

/// The columns of a lane that say whose and when.
struct LaneColumns<'a> {
    lane: &'a Lane,
    first: Position,
    node: Packed,
    time: Packed,
    offset: Option<Packed>,
}

/// Reads a lane for some streams, each with whether order matters.
fn read_lane<'a>(
    plan: &Plan,
    chunk: &'a Chunk,
    event: &str,
    streams: &[(u32, bool)],
) -> Result<Vec<ReadLane<'a>>, Without> {
    let Some(lane) = chunk.lane(event) else { return Ok(Vec::new()) };
    let mut columns = Columns::new(chunk, lane);
    let mut selected = Vec::new();
    for (stream, _) in streams {
        let spec: &StreamSpec = &plan.streams[*stream as usize];
        let select = spec.filter.as_ref().map_or(Ok(Select::Fixed(true)), |filter| columns.select(filter))?;
        if !matches!(select, Select::Fixed(false)) {
            let mut kept = Vec::new();
            let values = columns.values(spec, &mut kept)?;
            selected.push((*stream, select, values, kept));
        }
    }
    if selected.is_empty() {
        return Ok(Vec::new());
    }
    let read = Arc::new(LaneColumns {
        lane,
        first: Position(chunk.directory.first),
        node: chunk.numbers(&lane.node)?,
        time: chunk.numbers(&lane.time)?,
        offset: if streams.iter().any(|(_, in_order)| *in_order) { Some(chunk.numbers(&lane.offset)?) } else { None },
    });
    let with = |(stream, select, values, kept)| ReadLane { stream, lane: read.clone(), select, values, kept };
    Ok(selected.into_iter().map(with).collect())
}

/// Everything that was read.
#[derive(Default)]
pub(super) struct Sources<'a> {
    families: Vec<Family<'a>>,
    /// The family of each stream, and its place in it.
    places: BTreeMap<u32, (usize, usize)>,
}

/// Streams of the same events, which are looked through once for all of them.
struct Family<'a> {
    event: EventName,
    streams: Vec<Source>,
    parts: Vec<Part<'a>>,
}

/// One stream.
pub(super) struct Source {
    stream: u32,
    /// The different values that are kept.
    pub(super) kept: Vec<Kept>,
    /// Events at or before it are no longer asked about.
    cutoff: i64,
    /// The order of events of one instant matters.
    in_order: bool,
}

/// The part of a family in one lane of one chunk.
struct Part<'a> {
    lane: Arc<LaneColumns<'a>>,
    takers: Vec<Taker>,
}

/// One stream of a family that takes some events of a part.
struct Taker {
    /// Its place in the family.
    place: usize,
    select: Select,
    values: Values,
    begins: usize,
}

/// Events under a name that stands in another tile than its person, each with its position.
type Stray = (u64, Found);

/// Those of each stream and tile.
type Strays = BTreeMap<(u32, usize), Vec<Stray>>;

fn place_of(person: u32) -> u16 {
    u16::try_from(person as usize % TILE).unwrap_or(0)
}

impl<'a> Sources<'a> {
    pub(super) fn source(&self, stream: u32) -> Option<&Source> {
        let (family, place) = self.places.get(&stream)?;
        self.families.get(*family)?.streams.get(*place)
    }

    fn add(&mut self, event: &EventName, source: Source) {
        let family = match self.families.iter().position(|family| family.event == *event) {
            Some(family) => family,
            None => {
                self.families.push(Family { event: event.clone(), streams: Vec::new(), parts: Vec::new() });
                self.families.len() - 1
            }
        };
        let streams = &mut self.families[family].streams;
        self.places.insert(source.stream, (family, streams.len()));
        streams.push(source);
    }

    /// Adds what was read of a lane. Lanes come in the order of their chunks, the streams of each one after the other.
    fn take(&mut self, read: ReadLane<'a>) {
        let Some((family, place)) = self.places.get(&read.stream).copied() else { return };
        let family = &mut self.families[family];
        let source = &mut family.streams[place];
        // Values of this part stand behind those of the parts before; whether they passed has two values in all.
        let is_passed = matches!(read.values, Values::Passed(_));
        let begins = if is_passed { 0 } else { source.kept.len() };
        if !is_passed || source.kept.is_empty() {
            source.kept.extend(read.kept);
        }
        let taker = Taker { place, select: read.select, values: read.values, begins };
        match family.parts.iter_mut().find(|part| Arc::ptr_eq(&part.lane, &read.lane)) {
            Some(part) => part.takers.push(taker),
            None => family.parts.push(Part { lane: read.lane, takers: vec![taker] }),
        }
    }

    /// Finds the events of people who are one with somebody in another tile. O(names), and O(rows) of tiles with such.
    fn strays(&self, persons: &Persons) -> Strays {
        let leaves: Vec<usize> = (0..persons.len().div_ceil(TILE))
            .filter(|tile| {
                let names = persons.iter().skip(tile * TILE).take(TILE);
                names.clone().any(|person| *person != 0 && *person as usize / TILE != *tile)
            })
            .collect();
        let mut strays = Strays::new();
        for family in &self.families {
            for tile in &leaves {
                family.each(*tile, persons, &mut |source, person, position, found| {
                    let home = person as usize / TILE;
                    if home != *tile {
                        strays.entry((family.streams[source].stream, home)).or_default().push((position, found));
                    }
                });
            }
        }
        strays
    }

    /// The events of the people of a tile, by stream in the order of families.
    fn tile(&self, tile: usize, persons: &Persons, strays: &Strays, into: &mut Vec<TileEntries>) {
        into.resize_with(self.places.len(), TileEntries::default);
        let mut rest = into.as_mut_slice();
        for family in &self.families {
            let (own, others) = rest.split_at_mut(family.streams.len());
            rest = others;
            family.tile(tile, persons, strays, own);
        }
    }

    /// Where the events of a stream stand among those of a tile.
    fn place(&self, stream: u32) -> Option<usize> {
        let (family, place) = self.places.get(&stream)?;
        Some(self.families.iter().take(*family).map(|family| family.streams.len()).sum::<usize>() + place)
    }
}

impl Family<'_> {
    /// Visits the events under the names of a tile: of which stream, of whom, at which position if that matters.
    #[inline]
    fn each(&self, tile: usize, persons: &Persons, visit: &mut impl FnMut(usize, u32, u64, Found)) {
        let base = tile * TILE;
        let cutoff = self.streams.iter().map(|source| source.cutoff).min().unwrap_or(i64::MAX);
        for part in &self.parts {
            let columns = &part.lane;
            let min = columns.lane.min_time;
            for row in columns.lane.tile(tile) {
                let time = min.saturating_add_unsigned(columns.time.get(row));
                if time <= cutoff {
                    continue;
                }
                let node = base + usize::try_from(columns.node.get(row)).unwrap_or(0);
                let person = persons.get(node).copied().unwrap_or(0);
                if person == 0 {
                    continue;
                }
                for taker in &part.takers {
                    if time <= self.streams[taker.place].cutoff || !taker.select.passes(row) {
                        continue;
                    }
                    let position = columns.offset.as_ref().map_or(0, |offset| columns.first.0 + offset.get(row));
                    let value = match &taker.values {
                        Values::Nothing => 0,
                        Values::By(places, own) => taker.begins + own + usize::try_from(places.get(row)).unwrap_or(0),
                        Values::Passed(select) => usize::from(select.passes(row)),
                    };
                    let value = u32::try_from(value).unwrap_or(u32::MAX);
                    visit(taker.place, person, position, Found { time, value, place: place_of(person) });
                }
            }
        }
    }

    /// The events of the people of a tile, those of each together and in order.
    fn tile(&self, tile: usize, persons: &Persons, strays: &Strays, into: &mut [TileEntries]) {
        into.iter_mut().for_each(TileEntries::clear);
        self.each(tile, persons, &mut |source, person, position, found| {
            if person as usize / TILE == tile {
                into[source].push(found, self.streams[source].in_order.then_some(position));
            }
        });
        for (source, entries) in self.streams.iter().zip(into) {
            for (position, found) in strays.get(&(source.stream, tile)).into_iter().flatten() {
                entries.push(*found, source.in_order.then_some(*position));
            }
            entries.arrange(!source.kept.is_empty());
        }
    }
}

/// One condition, ready to be asked of tile after tile.
struct Asking<'a> {
    plan: &'a Plan,
    leaf: &'a Leaf,
    /// The streams that it looks at.
    streams: Vec<(u32, &'a [Kept])>,
    /// Where their events stand among those of a tile.
    places: Vec<usize>,
    /// What it says of people without any such event.
    of_nobody: bool,
    kernel: Option<Kernel>,
    now: Timestamp,
}

impl<'a> Asking<'a> {
    fn new(plan: &'a Plan, leaf: &'a Leaf, sources: &'a Sources<'_>, now: Timestamp) -> Asking<'a> {
        let mut asking =
            Asking { plan, leaf, streams: Vec::new(), places: Vec::new(), of_nobody: false, kernel: None, now };
        let Leaf::Streams(node) = leaf else { return asking };
        let mut streams = Vec::new();
        match node {
            Node::Did(did) => streams.push(did.events.stream),
            Node::Rhythm(rhythm) => {
                streams.push(rhythm.stream.stream);
                if let Rhythm::Sequence { then, .. } = &rhythm.rhythm {
                    streams.push(then.stream);
                }
            }
            _ => {}
        }
        asking.places = streams.iter().filter_map(|stream| sources.place(*stream)).collect();
        let kept = |stream: u32| sources.source(stream).map_or(&[][..], |source| source.kept.as_slice());
        asking.streams = streams.into_iter().map(|stream| (stream, kept(stream))).collect();
        asking.of_nobody = asking.general(node, &nobody());
        asking.kernel = kernel::of(node, &asking.streams, now);
        asking
    }

    /// The evaluator of all rules.
    fn general(&self, node: &Node, customer: &Customer) -> bool {
        let scope = Scope::default();
        Asked { plan: self.plan, id: CustomerId(0), customer, now: self.now, floor: None, scope }.verdict(node).holds
    }

    /// The people of a tile of whom the condition holds.
    fn ask(&self, tile: usize, entries: &[TileEntries]) -> Vec<u64> {
        let node = match self.leaf {
            Leaf::People(people) => return words_of(people, tile),
            Leaf::Streams(node) => node,
        };
        let mut words = vec![if self.of_nobody { u64::MAX } else { 0 }; TILE_WORDS];
        let streams: Vec<&TileEntries> = self.places.iter().filter_map(|place| entries.get(*place)).collect();
        if streams.is_empty() || streams.len() < self.streams.len() {
            return words;
        }
        let mut customer = nobody();
        let mut mark = |person: usize, holds: bool| {
            let bit = 1 << (person % 64);
            if holds { words[person / 64] |= bit } else { words[person / 64] &= !bit }
        };
        if let Some(kernel) = &self.kernel {
            kernel.ask(&streams, self.now, mark);
            return words;
        }
        // Whoever is in both streams is asked twice, and answers the same.
        for person in streams.iter().flat_map(|entries| entries.present()) {
            let held = self.streams.iter().zip(&streams);
            customer.streams =
                Streams::of(held.map(|((stream, kept), entries)| (*stream, entries.entries(person, kept))));
            mark(person, self.general(node, &customer));
        }
        words
    }
}

/// Somebody of whom nothing is known, and who exists.
fn nobody() -> Customer {
    Customer::new(domain::time::EARLIEST)
}

impl Formula {
    /// The people of a tile of whom the rule holds, from those of whom each condition holds.
    fn over<'s>(&self, sets: &'s [Vec<u64>]) -> Cow<'s, [u64]> {
        let all = |inner: &[Formula], start: u64, join: fn(&mut u64, u64)| {
            let mut words = vec![start; TILE_WORDS];
            for formula in inner {
                words.iter_mut().zip(formula.over(sets).iter()).for_each(|(word, other)| join(word, *other));
            }
            Cow::Owned(words)
        };
        match self {
            Formula::All(inner) => all(inner, u64::MAX, |word, other| *word &= other),
            Formula::Any(inner) => all(inner, 0, |word, other| *word |= other),
            Formula::None(inner) => all(inner, u64::MAX, |word, other| *word &= !other),
            Formula::Not(inner) => inner.over(sets).iter().map(|word| !word).collect(),
            Formula::Fixed(holds) => Cow::Owned(vec![if *holds { u64::MAX } else { 0 }; TILE_WORDS]),
            Formula::Leaf(place) => match sets.get(*place) {
                Some(words) => Cow::Borrowed(words),
                None => Cow::Owned(vec![0; TILE_WORDS]),
            },
        }
    }
}
