//! The events that rules ask about: read from chunks, and passed tile by tile.

use super::chunk::{Chunk, Lane, TILE, TiledColumn};
use super::packed::Packed;
use super::parallel::in_parallel;
use super::question::{Leaf, Rules};
use super::select::{Columns, Select, Values, Without};
use super::tally::{Counters, Counts, Tally};
use super::tile::{Found, TileEntries};
use crate::segment::feature::Kept;
use crate::segment::plan::{Node, Plan, Rhythm, StreamSpec};
use domain::segment::EventName;
use domain::{Position, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whose calls are whose, by the numbers of names: that of a name's person stands at its number.
pub(super) type Persons = [u32];

/// The streams that rules ask about.
struct Needed {
    /// Each with whether the order of events of one instant matters.
    streams: BTreeMap<u32, bool>,
}

/// Reads what rules ask about.
pub(super) fn read<'a>(plan: &Plan, rules: &Rules, chunks: &[&'a Chunk]) -> Result<Sources<'a>, Without> {
    Needed::of(plan, rules).read(plan, chunks, rules.now)
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
        let no_room = || ();
        let read = in_parallel(jobs.len(), no_room, |number, ()| {
            let ((place, event), streams) = &jobs[number];
            read_lane(plan, chunks[*place], event, streams)
        });
        let mut sources = Sources::default();
        for (stream, in_order) in &self.streams {
            let spec = &plan.streams[*stream as usize];
            let cutoff = spec.need.forgets_before(now).map_or(i64::MIN, |cutoff| cutoff.0);
            sources
                .add(&spec.event, Source { stream: *stream, kept: Vec::new(), cutoff, in_order: *in_order, rows: 0 });
        }
        for one in read.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
            sources.take(one);
        }
        let parts = sources.families.iter_mut().flat_map(|family| &mut family.parts);
        parts.for_each(Part::share_columns);
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
    node: TiledColumn<'a>,
    time: TiledColumn<'a>,
    offset: Option<TiledColumn<'a>>,
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
    let in_order = streams.iter().any(|(_, in_order)| *in_order);
    let read = Arc::new(LaneColumns {
        lane,
        first: Position(chunk.directory.first),
        node: TiledColumn::new(chunk, lane, &lane.node),
        time: TiledColumn::new(chunk, lane, &lane.time),
        offset: in_order.then(|| TiledColumn::new(chunk, lane, &lane.offset)),
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
    /// How many events it has at most.
    pub(super) rows: usize,
    /// Events at or before it are no longer asked about.
    cutoff: i64,
    /// The order of events of one instant matters.
    in_order: bool,
}

/// The part of a family in one lane of one chunk.
struct Part<'a> {
    lane: Arc<LaneColumns<'a>>,
    takers: Vec<Taker>,
    shared: Vec<Shared>,
}

/// One stream of a family that takes some events of a part.
struct Taker {
    /// Its place in the family.
    place: usize,
    select: Select,
    values: Values,
    begins: usize,
    /// Who asks the same column finds out together with it.
    is_shared: bool,
}

/// A column that several takers ask: who takes the rows of each of its values.
struct Shared {
    places: Arc<Packed>,
    /// Where those of each value begin, and where the last ones end.
    starts: Vec<u32>,
    takers: Vec<u32>,
}

/// What is to be done with the events of the streams, by their place among all.
pub(super) struct Uses {
    /// Whether their events are put together person by person.
    pub(super) arranged: Vec<bool>,
    /// By which tallies they are counted.
    pub(super) counted: Vec<Vec<usize>>,
    pub(super) tallies: Vec<Tally>,
}

/// How the events of each family are passed: which of its parts are looked at closely, and which are only counted.
///
/// Of a condition about the last thirty days most parts lie before all of them, some within, and one or two across the edge. Those within
/// are counted once for all conditions on the same stream.
pub(super) struct Passing {
    /// By family and part: whether anybody asks when its events happened.
    asks_times: Vec<Vec<bool>>,
    /// By the streams' places.
    streams: Vec<PassedStream>,
    /// By tally, which of the counters it has while its family is passed: families take turns, so that counters stay at hand.
    counters: Vec<usize>,
    /// For each of the counters a tally that has it.
    owners: Vec<usize>,
}

#[derive(Default)]
struct PassedStream {
    /// Tallies, and for those that count how many from which part on all is within.
    tallies: Vec<(usize, Option<usize>)>,
    /// The parts from which on some tally's are within, in order.
    wholes: Vec<usize>,
    /// Where their counts stand among those of the family.
    first_whole: usize,
}

/// What a thread works with, from one tile to the next.
pub(super) struct Room {
    /// Of each stream, by its place.
    pub(super) entries: Vec<TileEntries>,
    /// By tally, the people of the tile of whom it holds.
    pub(super) people: Vec<Vec<u64>>,
    counters: Vec<Counters>,
    /// Of the streams of a family, of the parts from each of their `wholes` to the next.
    wholes: Vec<Counts>,
    rows: Rows,
}

/// Rows of a part that are looked at: of whom they are, and when.
#[derive(Default)]
struct Rows {
    /// How many; what stands behind them is left over.
    count: usize,
    rows: Vec<u32>,
    persons: Vec<u32>,
    /// Left over from before where nobody asks for them.
    times: Vec<i64>,
    positions: Vec<u64>,
    /// For each taker that does not take all of them: which ones.
    taken: Vec<Vec<u32>>,
    /// What was read of a column.
    node: Packed,
    time: Packed,
    offset: Packed,
}

/// Events under a name that stands in another tile than its person, each with its position.
type Stray = (u64, Found);

/// Those of each stream and tile.
pub(super) type Strays = BTreeMap<(u32, usize), Vec<Stray>>;

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
        source.rows += read.lane.lane.rows;
        // Values of this part stand behind those of the parts before; whether they passed has two values in all.
        let is_passed = matches!(read.values, Values::Passed(_));
        let begins = if is_passed { 0 } else { source.kept.len() };
        if !is_passed || source.kept.is_empty() {
            source.kept.extend(read.kept);
        }
        let taker = Taker { place, select: read.select, values: read.values, begins, is_shared: false };
        match family.parts.iter_mut().find(|part| Arc::ptr_eq(&part.lane, &read.lane)) {
            Some(part) => part.takers.push(taker),
            None => family.parts.push(Part { lane: read.lane, takers: vec![taker], shared: Vec::new() }),
        }
    }

    /// Number of streams.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where a stream stands among all.
    pub(super) fn place(&self, stream: u32) -> Option<usize> {
        let (family, place) = self.places.get(&stream)?;
        Some(self.families.iter().take(*family).map(|family| family.streams.len()).sum::<usize>() + place)
    }

    /// How the events are passed, for their uses.
    pub(super) fn passing(&self, uses: &Uses) -> Passing {
        let mut passing = Passing {
            asks_times: Vec::new(),
            streams: Vec::new(),
            counters: vec![0; uses.tallies.len()],
            owners: Vec::new(),
        };
        for family in &self.families {
            let first = passing.streams.len();
            let (mut taken, mut first_whole) = (BTreeSet::new(), 0);
            for (place, source) in (first..).zip(&family.streams) {
                let passed = family.passed(source, &uses.counted[place], &uses.tallies, first_whole);
                for (tally, _) in &passed.tallies {
                    let is_free = |number: &usize| {
                        let owner = &uses.tallies[passing.owners[*number]];
                        !taken.contains(number) && owner.counts_as(&uses.tallies[*tally])
                    };
                    let number = (0..passing.owners.len()).find(is_free).unwrap_or(passing.owners.len());
                    if number == passing.owners.len() {
                        passing.owners.push(*tally);
                    }
                    taken.insert(number);
                    passing.counters[*tally] = number;
                }
                first_whole += passed.wholes.len();
                passing.streams.push(passed);
            }
            let asks_times = family.parts.iter().enumerate().map(|(number, part)| {
                part.takers.iter().any(|taker| {
                    let place = first + taker.place;
                    let asks = |(tally, whole): &(usize, Option<usize>)| {
                        let is_across = uses.tallies[*tally].looks_at(part.lane.lane.min_time, part.lane.lane.max_time);
                        whole.is_none_or(|whole| number < whole) && is_across
                    };
                    uses.arranged[place] || passing.streams[place].tallies.iter().any(asks)
                })
            });
            let asks_times = asks_times.collect();
            passing.asks_times.push(asks_times);
        }
        passing
    }

    /// Room for one thread.
    pub(super) fn room(&self, uses: &Uses, passing: &Passing) -> Room {
        let mut entries = Vec::new();
        entries.resize_with(self.len(), TileEntries::default);
        let wholes = passing.streams.iter().map(|stream| stream.first_whole + stream.wholes.len()).max().unwrap_or(0);
        Room {
            entries,
            people: vec![Vec::new(); uses.tallies.len()],
            counters: passing.owners.iter().map(|tally| uses.tallies[*tally].room()).collect(),
            wholes: (0..wholes).map(|_| Counts::default()).collect(),
            rows: Rows::default(),
        }
    }

    /// Finds the events of people who are one with somebody in another tile. O(names), and O(rows) of tiles with such.
    pub(super) fn strays(&self, persons: &Persons) -> Result<Strays, Without> {
        let mut strays = Strays::new();
        let mut rows = Rows::default();
        for tile in 0..persons.len().div_ceil(TILE) {
            let is_stray = |person: u32| person as usize / TILE != tile;
            let mut names = persons.iter().skip(tile * TILE).take(TILE);
            if !names.any(|person| *person != 0 && is_stray(*person)) {
                continue;
            }
            for family in &self.families {
                for part in &family.parts {
                    rows.look_at(part, tile, persons, Some(family.cutoff()), is_stray)?;
                    for (number, taker) in part.takers.iter().enumerate() {
                        let source = &family.streams[taker.place];
                        rows.each(number, taker, |at| {
                            let home = rows.persons[at] as usize / TILE;
                            let stray = (rows.position(at, part), rows.event(at, taker));
                            strays.entry((source.stream, home)).or_default().push(stray);
                        });
                    }
                }
            }
        }
        Ok(strays)
    }

    /// Whether what was read of the chunks, tile by tile, is what was written. Ask after all tiles.
    pub(super) fn check(&self) -> Result<(), Without> {
        for part in self.families.iter().flat_map(|family| &family.parts) {
            let LaneColumns { node, time, offset, .. } = part.lane.as_ref();
            for column in [node, time].into_iter().chain(offset) {
                column.check()?;
            }
        }
        Ok(())
    }

    /// Passes the events of the people of a tile, and does with each what it is there for.
    pub(super) fn tile(
        &self,
        tile: usize,
        persons: &Persons,
        strays: &Strays,
        uses: &Uses,
        passing: &Passing,
        room: &mut Room,
    ) -> Result<(), Without> {
        room.entries.iter_mut().for_each(TileEntries::clear);
        let mut first = 0;
        for (family, asks_times) in self.families.iter().zip(&passing.asks_times) {
            for (number, part) in family.parts.iter().enumerate() {
                let cutoff = asks_times[number].then(|| family.cutoff());
                room.rows.look_at(part, tile, persons, cutoff, |person| person as usize / TILE == tile)?;
                family.pass(number, first, uses, passing, room);
            }
            for (place, source) in (first..).zip(&family.streams) {
                let strays = strays.get(&(source.stream, tile)).map_or(&[][..], Vec::as_slice);
                source.end(place, strays, uses, passing, room);
            }
            first += family.streams.len();
        }
        Ok(())
    }
}

impl Uses {
    /// Nothing is done with them yet.
    pub(super) fn of_nothing(sources: &Sources<'_>) -> Uses {
        let streams = sources.len();
        Uses { arranged: vec![false; streams], counted: vec![Vec::new(); streams], tallies: Vec::new() }
    }

    /// Has the events of a stream counted. Returns the number of the tally.
    pub(super) fn count(&mut self, place: usize, tally: Tally) -> usize {
        self.tallies.push(tally);
        self.counted[place].push(self.tallies.len() - 1);
        self.tallies.len() - 1
    }
}

impl Family<'_> {
    /// What is older is asked about by none of its streams.
    fn cutoff(&self) -> i64 {
        self.streams.iter().map(|source| source.cutoff).min().unwrap_or(i64::MAX)
    }

    /// How the events of a stream are passed for its tallies.
    fn passed(&self, source: &Source, counted: &[usize], tallies: &[Tally], first_whole: usize) -> PassedStream {
        let takes = |part: &Part<'_>| part.takers.iter().any(|taker| self.streams[taker.place].stream == source.stream);
        let whole = |tally: &Tally| {
            let is_within = |part: &Part<'_>| tally.is_within(part.lane.lane.min_time, part.lane.lane.max_time);
            let across = self.parts.iter().rposition(|part| takes(part) && !is_within(part));
            let whole = across.map_or(0, |across| across + 1);
            (tally.counts_how_many() && whole < self.parts.len()).then_some(whole)
        };
        let tallies: Vec<_> = counted.iter().map(|tally| (*tally, whole(&tallies[*tally]))).collect();
        let mut wholes: Vec<usize> = tallies.iter().filter_map(|(_, whole)| *whole).collect();
        wholes.sort_unstable();
        wholes.dedup();
        PassedStream { tallies, wholes, first_whole }
    }

    /// Does with the rows of a part that are looked at what they are there for. `first`: the place of the family's first stream
    /// among all.
    fn pass(&self, number: usize, first: usize, uses: &Uses, passing: &Passing, room: &mut Room) {
        let Room { entries, counters, wholes, rows, .. } = room;
        let part = &self.parts[number];
        let Lane { min_time, max_time, .. } = part.lane.lane;
        for (taking, taker) in part.takers.iter().enumerate() {
            let (source, place) = (&self.streams[taker.place], first + taker.place);
            let passed = &passing.streams[place];
            if let Some(whole) = passed.wholes.partition_point(|whole| *whole <= number).checked_sub(1) {
                rows.count_whole(taking, taker, &mut wholes[passed.first_whole + whole]);
            }
            for (tally, whole) in &passed.tallies {
                let is_counted = whole.is_some_and(|whole| whole <= number);
                if !is_counted && uses.tallies[*tally].looks_at(*min_time, *max_time) {
                    let counters = &mut counters[passing.counters[*tally]];
                    rows.count(taking, taker, &uses.tallies[*tally], counters);
                }
            }
            if uses.arranged[place] {
                rows.each(taking, taker, |at| {
                    if rows.times[at] > source.cutoff {
                        let position = source.in_order.then(|| rows.position(at, part));
                        entries[place].push(rows.event(at, taker), position);
                    }
                });
            }
        }
    }
}

impl Source {
    /// Ends a tile: what was found elsewhere is added, and what was counted together is given to each tally.
    fn end(&self, place: usize, strays: &[Stray], uses: &Uses, passing: &Passing, room: &mut Room) {
        let passed = &passing.streams[place];
        for (tally, _) in &passed.tallies {
            let counted = strays.iter().map(|(_, found)| *found);
            uses.tallies[*tally].count(&mut room.counters[passing.counters[*tally]], counted);
        }
        // What is within for a tally is within for those that reach further back.
        let mut counts = &mut room.wholes[passed.first_whole..passed.first_whole + passed.wholes.len()];
        for whole in passed.wholes.iter().rev() {
            let Some((own, older)) = counts.split_last_mut() else { break };
            for (tally, _) in passed.tallies.iter().filter(|(_, from)| from.as_ref() == Some(whole)) {
                room.counters[passing.counters[*tally]].add(own);
            }
            match older.last_mut() {
                Some(next) => next.take_over(own),
                None => own.clear(),
            }
            counts = older;
        }
        for (tally, _) in &passed.tallies {
            room.people[*tally] = uses.tallies[*tally].people(&mut room.counters[passing.counters[*tally]]);
        }
        if uses.arranged[place] {
            let entries = &mut room.entries[place];
            for (position, found) in strays.iter().filter(|(_, found)| found.time > self.cutoff) {
                entries.push(*found, self.in_order.then_some(*position));
            }
            entries.arrange(!self.kept.is_empty());
        }
    }
}

impl Part<'_> {
    /// Finds the columns that several takers ask.
    fn share_columns(&mut self) {
        let mut columns: Vec<(Arc<Packed>, Vec<usize>)> = Vec::new();
        for (number, taker) in self.takers.iter().enumerate() {
            let Select::Leaf(places, _) = &taker.select else { continue };
            match columns.iter_mut().find(|(column, _)| Arc::ptr_eq(column, places)) {
                Some((_, takers)) => takers.push(number),
                None => columns.push((places.clone(), vec![number])),
            }
        }
        for (places, numbers) in columns.into_iter().filter(|(_, takers)| takers.len() > 1) {
            let answers = |number: &usize| match &self.takers[*number].select {
                Select::Leaf(_, answers) => answers.as_slice(),
                _ => &[],
            };
            let mut shared = Shared { places, starts: vec![0], takers: Vec::new() };
            for value in 0..numbers.iter().map(|number| answers(number).len()).max().unwrap_or(0) {
                let takes = |number: &&usize| answers(number).get(value).copied().unwrap_or(false);
                shared.takers.extend(numbers.iter().filter(takes).filter_map(|number| u32::try_from(*number).ok()));
                shared.starts.push(u32::try_from(shared.takers.len()).unwrap_or(u32::MAX));
            }
            self.shared.push(shared);
            numbers.into_iter().for_each(|number| self.takers[number].is_shared = true);
        }
    }
}

impl Shared {
    /// Those who take a row.
    #[inline]
    fn takers(&self, row: usize) -> &[u32] {
        let value = usize::try_from(self.places.get(row)).unwrap_or(usize::MAX);
        match (self.starts.get(value), self.starts.get(value.saturating_add(1))) {
            (Some(start), Some(end)) => self.takers.get(*start as usize..*end as usize).unwrap_or(&[]),
            _ => &[],
        }
    }
}

impl Taker {
    /// Which of its stream's values a row has.
    #[inline]
    fn value(&self, row: usize) -> u32 {
        let value = match &self.values {
            Values::Nothing => 0,
            Values::By(places, own) => self.begins + own + usize::try_from(places.get(row)).unwrap_or(0),
            Values::Passed(select) => usize::from(select.passes(row)),
        };
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    fn takes_all(&self) -> bool {
        matches!(self.select, Select::Fixed(true))
    }
}

impl Rows {
    /// Finds the rows of a tile of a part that lie behind a cutoff, of people who are wanted, and who takes which. `cutoff`: none where
    /// nobody asks when they happened.
    fn look_at(
        &mut self,
        part: &Part<'_>,
        tile: usize,
        persons: &Persons,
        cutoff: Option<i64>,
        wants: impl Fn(u32) -> bool,
    ) -> Result<(), Without> {
        let columns = &part.lane;
        let (range, min) = (columns.lane.tile(tile), columns.lane.min_time);
        let names = persons.get(tile * TILE..).unwrap_or(&[]);
        columns.node.read(tile, &range, &mut self.node)?;
        if cutoff.is_some() {
            columns.time.read(tile, &range, &mut self.time)?;
        }
        if self.rows.len() < range.len() {
            self.rows.resize(range.len(), 0);
            self.persons.resize(range.len(), 0);
            self.times.resize(range.len(), 0);
        }
        let mut count = 0;
        for (at, row) in range.clone().enumerate() {
            let name = usize::try_from(self.node.get(at)).unwrap_or(usize::MAX);
            let person = names.get(name).copied().unwrap_or(0);
            let mut is_wanted = (person != 0) & wants(person);
            // Written in any case, and kept if it counts: whether it does is hard to guess, and a wrong guess takes longer.
            self.rows[count] = u32::try_from(row).unwrap_or(u32::MAX);
            self.persons[count] = person;
            if let Some(cutoff) = cutoff {
                let time = min.saturating_add_unsigned(self.time.get(at));
                self.times[count] = time;
                is_wanted &= time > cutoff;
            }
            count += usize::from(is_wanted);
        }
        self.count = count;
        if let Some(offset) = &columns.offset {
            offset.read(tile, &range, &mut self.offset)?;
            self.positions.clear();
            let offset_of = |row: &u32| self.offset.get(*row as usize - range.start);
            self.positions.extend(self.rows[..count].iter().map(|row| columns.first.0 + offset_of(row)));
        }
        self.share_out(part);
        Ok(())
    }

    /// Finds who takes which rows.
    fn share_out(&mut self, part: &Part<'_>) {
        self.taken.iter_mut().for_each(Vec::clear);
        self.taken.resize_with(self.taken.len().max(part.takers.len()), Vec::new);
        let rows = &self.rows[..self.count];
        for shared in &part.shared {
            for (at, row) in (0_u32..).zip(rows) {
                shared.takers(*row as usize).iter().for_each(|taker| self.taken[*taker as usize].push(at));
            }
        }
        for (taker, taken) in part.takers.iter().zip(&mut self.taken) {
            if !taker.is_shared && !taker.takes_all() {
                let passing = (0_u32..).zip(rows).filter(|(_, row)| taker.select.passes(**row as usize));
                taken.extend(passing.map(|(at, _)| at));
            }
        }
    }

    /// Visits where the rows of a taker stand. `number`: the taker's in its part.
    #[inline]
    fn each(&self, number: usize, taker: &Taker, visit: impl FnMut(usize)) {
        match taker.takes_all() {
            true => (0..self.count).for_each(visit),
            false => self.taken[number].iter().map(|at| *at as usize).for_each(visit),
        }
    }

    /// An event of somebody whose place is theirs in the tile of their number.
    #[inline]
    fn event(&self, at: usize, taker: &Taker) -> Found {
        Found { place: place_of(self.persons[at]), time: self.times[at], value: taker.value(self.rows[at] as usize) }
    }

    /// The position of an event; 0 where that does not matter.
    fn position(&self, at: usize, part: &Part<'_>) -> u64 {
        if part.lane.offset.is_some() { self.positions[at] } else { 0 }
    }

    /// Counts the rows of a taker, whenever they happened.
    fn count_whole(&self, number: usize, taker: &Taker, counts: &mut Counts) {
        match taker.takes_all() {
            true => counts.count(self.persons[..self.count].iter().map(|person| place_of(*person))),
            false => counts.count(self.taken[number].iter().map(|at| place_of(self.persons[*at as usize]))),
        }
    }

    /// Counts the rows of a taker.
    fn count(&self, number: usize, taker: &Taker, tally: &Tally, counters: &mut Counters) {
        match (taker.takes_all(), matches!(taker.values, Values::Nothing)) {
            // The commonest case, without a detour.
            (true, true) => {
                let each = self.persons[..self.count].iter().zip(&self.times);
                let counted = each.map(|(person, time)| Found { place: place_of(*person), time: *time, value: 0 });
                tally.count(counters, counted);
            }
            (true, false) => tally.count(counters, (0..self.count).map(|at| self.event(at, taker))),
            (false, _) => {
                let rows = self.taken[number].iter().map(|at| *at as usize);
                tally.count(counters, rows.map(|at| self.event(at, taker)));
            }
        }
    }
}
