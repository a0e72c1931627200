//! Rules asked of lanes: tile by tile, so that what is worked on fits into a processor's cache, on all processors.

use super::bits::Bits;
use super::chunk::{Chunk, Lane, TILE};
use super::kernel::{self, Kernel};
use super::packed::Packed;
use super::question::{Formula, Leaf, Rules};
use super::select::{Columns, Select, Values, Without};
use crate::profile::Customer;
use crate::segment::Scope;
use crate::segment::feature::{Entry, Kept, Streams};
use crate::segment::plan::{Node, Plan, Rhythm, StreamSpec};
use crate::segment::verdict::Asked;
use domain::segment::EventName;
use domain::{CustomerId, Position, Timestamp};
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
    let answers = in_parallel(tiles, |tile| {
        let entries: BTreeMap<u32, TileEntries> = sources
            .streams
            .iter()
            .map(|(stream, source)| (*stream, source.tile(*stream, tile, persons, &strays)))
            .collect();
        let sets: Vec<Vec<u64>> = leaves.iter().map(|leaf| leaf.ask(tile, &entries)).collect();
        let existing = words_of(&rules.existing, tile);
        let mut people: Vec<Vec<u64>> = rules.formulas.iter().map(|formula| formula.over(&sets)).collect();
        for set in &mut people {
            set.iter_mut().zip(&existing).for_each(|(word, existing)| *word &= existing);
        }
        people
    });
    let mut sets = vec![Bits(Vec::with_capacity(tiles * TILE_WORDS)); rules.formulas.len()];
    for tile in answers {
        for (set, words) in sets.iter_mut().zip(tile) {
            set.0.extend(words);
        }
    }
    Ok(sets)
}

/// Does `count` jobs on all processors; the answers are in the order of the jobs.
fn in_parallel<T: Send>(count: usize, job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let answer = job(number);
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
        let read = in_parallel(jobs.len(), |number| {
            let ((place, event), streams) = &jobs[number];
            read_lane(plan, chunks[*place], event, streams)
        });
        let mut sources = Sources::default();
        for stream in self.streams.keys() {
            let spec = &plan.streams[*stream as usize];
            let cutoff = spec.need.forgets_before(now).map_or(i64::MIN, |cutoff| cutoff.0);
            sources.streams.insert(*stream, Source { cutoff, ..Source::default() });
        }
        for one in read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            let Some(source) = sources.streams.get_mut(&one.stream) else { continue };
            source.in_order |= one.in_order;
            // Values of this part stand behind those of the parts before; whether they passed has two values in all.
            let is_passed = matches!(one.values, Values::Passed(_));
            let begins = if is_passed { 0 } else { source.kept.len() };
            if !is_passed || source.kept.is_empty() {
                source.kept.extend(one.kept);
            }
            source.parts.push(Part { lane: one.lane, select: one.select, values: one.values, begins });
        }
        Ok(sources)
    }
}

/// What was read of one lane for one of the streams that mean it.
struct ReadLane<'a> {
    stream: u32,
    in_order: bool,
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
    for (stream, in_order) in streams {
        let spec: &StreamSpec = &plan.streams[*stream as usize];
        let select = spec.filter.as_ref().map_or(Ok(Select::Fixed(true)), |filter| columns.select(filter))?;
        if !matches!(select, Select::Fixed(false)) {
            let mut kept = Vec::new();
            let values = columns.values(spec, &mut kept)?;
            selected.push((*stream, *in_order, select, values, kept));
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
    let with = |(stream, in_order, select, values, kept)| ReadLane {
        stream,
        in_order,
        lane: read.clone(),
        select,
        values,
        kept,
    };
    Ok(selected.into_iter().map(with).collect())
}

/// Everything that was read, by stream.
#[derive(Default)]
pub(super) struct Sources<'a> {
    streams: BTreeMap<u32, Source<'a>>,
}

/// One stream.
#[derive(Default)]
pub(super) struct Source<'a> {
    parts: Vec<Part<'a>>,
    /// The different values that are kept.
    pub(super) kept: Vec<Kept>,
    /// Events at or before it are no longer asked about.
    cutoff: i64,
    /// The order of events of one instant matters.
    in_order: bool,
}

/// The part of a stream in one lane of one chunk.
struct Part<'a> {
    lane: Arc<LaneColumns<'a>>,
    select: Select,
    values: Values,
    begins: usize,
}

/// One event of a stream.
#[derive(Clone, Copy, Default)]
struct Found {
    time: i64,
    position: u64,
    value: u32,
}

/// Events under a name that stands in another tile than its person.
struct Stray {
    person: u32,
    found: Found,
}

/// Those of each stream and tile.
type Strays = BTreeMap<(u32, usize), Vec<Stray>>;

impl<'a> Sources<'a> {
    pub(super) fn source(&self, stream: u32) -> Option<&Source<'a>> {
        self.streams.get(&stream)
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
        for (stream, source) in &self.streams {
            for tile in &leaves {
                source.each(*tile, persons, &mut |person, found| {
                    let home = person as usize / TILE;
                    if home != *tile {
                        strays.entry((*stream, home)).or_default().push(Stray { person, found });
                    }
                });
            }
        }
        strays
    }
}

impl Source<'_> {
    /// Visits the events under the names of a tile, each with its person.
    #[inline]
    fn each(&self, tile: usize, persons: &Persons, visit: &mut impl FnMut(u32, Found)) {
        let base = tile * TILE;
        for part in &self.parts {
            let columns = &part.lane;
            let min = columns.lane.min_time;
            for row in columns.lane.tile(tile) {
                let time = min.saturating_add_unsigned(columns.time.get(row));
                if time <= self.cutoff || !part.select.passes(row) {
                    continue;
                }
                let node = base + usize::try_from(columns.node.get(row)).unwrap_or(0);
                let person = persons.get(node).copied().unwrap_or(0);
                if person == 0 {
                    continue;
                }
                let position = columns.offset.as_ref().map_or(0, |offset| columns.first.0 + offset.get(row));
                let value = match &part.values {
                    Values::Nothing => 0,
                    Values::By(places, own) => part.begins + own + usize::try_from(places.get(row)).unwrap_or(0),
                    Values::Passed(select) => usize::from(select.passes(row)),
                };
                visit(person, Found { time, position, value: u32::try_from(value).unwrap_or(u32::MAX) });
            }
        }
    }

    /// The events of the people of a tile, those of each together and in order.
    fn tile(&self, stream: u32, tile: usize, persons: &Persons, strays: &Strays) -> TileEntries {
        let mut found: Vec<(u16, Found)> = Vec::new();
        let place = |person: u32| u16::try_from(person as usize % TILE).unwrap_or(0);
        self.each(tile, persons, &mut |person, one| {
            if person as usize / TILE == tile {
                found.push((place(person), one));
            }
        });
        let strays = strays.get(&(stream, tile)).into_iter().flatten();
        found.extend(strays.map(|stray| (place(stray.person), stray.found)));
        if self.in_order {
            found.sort_unstable_by_key(|(person, one)| (*person, one.time, one.position));
        }
        let size = persons.len().saturating_sub(tile * TILE).min(TILE);
        let mut starts = vec![0_u32; size + 1];
        for (person, _) in &found {
            starts[usize::from(*person) + 1] += 1;
        }
        let present = (0_u16..=u16::MAX).zip(&starts[1..]).filter(|(_, count)| **count > 0);
        let present: Vec<u16> = present.map(|(person, _)| person).collect();
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        // Stable, so that of one instant what arrived first stays first.
        let mut next = starts.clone();
        let has_values = !self.kept.is_empty();
        let mut times = vec![Timestamp(0); found.len()];
        let mut values = vec![0_u32; if has_values { found.len() } else { 0 }];
        for (person, one) in &found {
            let at = &mut next[usize::from(*person)];
            times[*at as usize] = Timestamp(one.time);
            if has_values {
                values[*at as usize] = one.value;
            }
            *at += 1;
        }
        let mut entries = TileEntries { starts, present, times, values };
        entries.sort_late();
        entries
    }
}

/// The events of a stream of the people of a tile.
pub(super) struct TileEntries {
    /// Where each person's begin.
    starts: Vec<u32>,
    /// Those who have any.
    present: Vec<u16>,
    times: Vec<Timestamp>,
    /// Empty where the stream keeps nothing but instants.
    values: Vec<u32>,
}

impl TileEntries {
    /// Puts the events of each person in order where some arrived late, those of one instant as they arrived.
    fn sort_late(&mut self) {
        let present = std::mem::take(&mut self.present);
        for person in &present {
            let range = self.range(usize::from(*person));
            let own = &mut self.times[range.clone()];
            if own.is_sorted() {
                continue;
            }
            let mut order: Vec<usize> = (0..own.len()).collect();
            order.sort_by_key(|at| own[*at]);
            let times: Vec<Timestamp> = order.iter().map(|at| own[*at]).collect();
            own.copy_from_slice(&times);
            if let Some(own) = self.values.get_mut(range) {
                let values: Vec<u32> = order.iter().map(|at| own[*at]).collect();
                own.copy_from_slice(&values);
            }
        }
        self.present = present;
    }

    fn range(&self, person: usize) -> std::ops::Range<usize> {
        match (self.starts.get(person), self.starts.get(person + 1)) {
            (Some(start), Some(end)) => *start as usize..*end as usize,
            _ => 0..0,
        }
    }

    /// Visits everybody who has any: their place, and when and with which values their events happened.
    #[inline]
    pub(super) fn each(&self, mut visit: impl FnMut(usize, &[Timestamp], &[u32])) {
        for person in &self.present {
            let range = self.range(usize::from(*person));
            let values = self.values.get(range.clone()).unwrap_or(&[]);
            visit(usize::from(*person), self.times.get(range).unwrap_or(&[]), values);
        }
    }

    /// When somebody's events happened.
    #[inline]
    pub(super) fn times(&self, person: usize) -> &[Timestamp] {
        self.times.get(self.range(person)).unwrap_or(&[])
    }

    /// What is kept of somebody's events, by number.
    #[inline]
    pub(super) fn values(&self, person: usize) -> &[u32] {
        self.values.get(self.range(person)).unwrap_or(&[])
    }

    fn entries(&self, person: usize, kept: &[Kept]) -> Vec<Entry> {
        let order = |(number, time): (u64, &Timestamp)| (*time, number);
        let values = self.values(person).iter().map(|value| kept.get(*value as usize));
        (0_u64..)
            .zip(self.times(person))
            .zip(values.chain(std::iter::repeat(None)))
            .map(|(at, kept)| Entry { order: order(at), value: kept.cloned().unwrap_or(Kept::Nothing) })
            .collect()
    }
}

/// One condition, ready to be asked of tile after tile.
struct Asking<'a> {
    plan: &'a Plan,
    leaf: &'a Leaf,
    /// The streams that it looks at.
    streams: Vec<(u32, &'a [Kept])>,
    /// What it says of people without any such event.
    of_nobody: bool,
    kernel: Option<Kernel>,
    now: Timestamp,
}

impl<'a> Asking<'a> {
    fn new(plan: &'a Plan, leaf: &'a Leaf, sources: &'a Sources<'_>, now: Timestamp) -> Asking<'a> {
        let mut asking = Asking { plan, leaf, streams: Vec::new(), of_nobody: false, kernel: None, now };
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
    fn ask(&self, tile: usize, entries: &BTreeMap<u32, TileEntries>) -> Vec<u64> {
        let node = match self.leaf {
            Leaf::People(people) => return words_of(people, tile),
            Leaf::Streams(node) => node,
        };
        let mut words = vec![if self.of_nobody { u64::MAX } else { 0 }; TILE_WORDS];
        let streams: Option<Vec<&TileEntries>> = self.streams.iter().map(|(stream, _)| entries.get(stream)).collect();
        let Some(streams) = streams.filter(|streams| !streams.is_empty()) else { return words };
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
        for person in streams.iter().flat_map(|entries| &entries.present) {
            let person = usize::from(*person);
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
    fn over(&self, sets: &[Vec<u64>]) -> Vec<u64> {
        let all = |inner: &[Formula], start: u64, join: fn(&mut u64, u64)| {
            let mut words = vec![start; TILE_WORDS];
            for formula in inner {
                words.iter_mut().zip(formula.over(sets)).for_each(|(word, other)| join(word, other));
            }
            words
        };
        match self {
            Formula::All(inner) => all(inner, u64::MAX, |word, other| *word &= other),
            Formula::Any(inner) => all(inner, 0, |word, other| *word |= other),
            Formula::None(inner) => all(inner, u64::MAX, |word, other| *word &= !other),
            Formula::Not(inner) => inner.over(sets).into_iter().map(|word| !word).collect(),
            Formula::Fixed(holds) => vec![if *holds { u64::MAX } else { 0 }; TILE_WORDS],
            Formula::Leaf(place) => sets.get(*place).cloned().unwrap_or_else(|| vec![0; TILE_WORDS]),
        }
    }
}
