//! Rules asked of lanes: tile by tile, so that what is worked on fits into a processor's cache, on all processors.

use super::bits::Bits;
use super::chunk::{Chunk, TILE};
use super::followed::Followed;
use super::parallel::in_parallel;
use super::question::{Formula, Leaf, Rules};
use super::select::Without;
use super::sources::{self, Persons, Room, Sources, Uses};
use super::tally::Tally;
use super::tile::TileEntries;
use crate::profile::Customer;
use crate::segment::feature::{Kept, Streams};
use crate::segment::plan::{Node, Plan, Rhythm};
use crate::segment::verdict::Asked;
use domain::{CustomerId, Timestamp};
use std::borrow::Cow;

/// Words of a set that one tile fills.
const TILE_WORDS: usize = TILE / 64;

/// Asks rules of chunks, in the order of their positions. One set of people for each rule.
///
/// Memory: the properties that are asked about; and for each processor what else is read of one tile, its entries, and what is counted
/// of its people.
pub(super) fn evaluate(plan: &Plan, rules: &Rules, chunks: &[&Chunk], persons: &Persons) -> Result<Vec<Bits>, Without> {
    let sources = sources::read(plan, rules, chunks)?;
    let mut uses = Uses::of_nothing(&sources);
    let leaves: Vec<Asking<'_>> =
        rules.leaves.iter().map(|leaf| Asking::new(plan, leaf, &sources, &mut uses, rules.now)).collect();
    let (passing, strays) = (sources.passing(&uses), sources.strays(persons)?);
    let tiles = persons.len().div_ceil(TILE);
    let answers = in_parallel(
        tiles,
        || sources.room(&uses, &passing),
        |tile, room| {
            sources.tile(tile, persons, &strays, &uses, &passing, room)?;
            let sets: Vec<Vec<u64>> = leaves.iter().map(|leaf| leaf.ask(tile, room)).collect();
            let existing = words_of(&rules.existing, tile);
            let people = rules.formulas.iter().map(|formula| {
                let mut people = formula.over(&sets).into_owned();
                people.iter_mut().zip(&existing).for_each(|(word, existing)| *word &= existing);
                people
            });
            Ok(people.collect::<Vec<Vec<u64>>>())
        },
    );
    let answers = answers.into_iter().collect::<Result<Vec<_>, Without>>()?;
    sources.check()?;
    let mut sets = vec![Bits(Vec::with_capacity(tiles * TILE_WORDS)); rules.formulas.len()];
    for tile in answers {
        for (set, words) in sets.iter_mut().zip(tile) {
            set.0.extend(words);
        }
    }
    Ok(sets)
}

fn words_of(set: &Bits, tile: usize) -> Vec<u64> {
    let start = (tile * TILE_WORDS).min(set.0.len());
    let end = ((tile + 1) * TILE_WORDS).min(set.0.len());
    let mut words = set.0[start..end].to_vec();
    words.resize(TILE_WORDS, 0);
    words
}

/// One condition, ready to be asked of tile after tile.
struct Asking<'a> {
    plan: &'a Plan,
    now: Timestamp,
    way: Way<'a>,
}

/// How a condition is asked.
enum Way<'a> {
    /// It was asked already.
    People(&'a Bits),
    /// By what was counted.
    Tally(usize),
    /// Of the events of each person, put together.
    Entries {
        node: &'a Node,
        /// The streams that it looks at.
        streams: Vec<(u32, &'a [Kept])>,
        /// Where their events stand among those of a tile.
        places: Vec<usize>,
        /// What it says of people without any such event.
        of_nobody: bool,
        followed: Option<Followed>,
    },
}

impl<'a> Asking<'a> {
    /// Notes what has to be done with its events.
    fn new(plan: &'a Plan, leaf: &'a Leaf, sources: &'a Sources<'_>, uses: &mut Uses, now: Timestamp) -> Asking<'a> {
        let node = match leaf {
            Leaf::People(people) => return Asking { plan, now, way: Way::People(people) },
            Leaf::Streams(node) => node,
        };
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
        let of_nobody = general(plan, node, &nobody(), now);
        // Where the calendar ends instants no longer move: that is left to the evaluator of all rules.
        let calendar_goes_on = now.0.abs() <= domain::time::LATEST.0 / 2;
        let places: Vec<usize> = streams.iter().filter_map(|stream| sources.place(*stream)).collect();
        if let ([stream], [place]) = (streams.as_slice(), places.as_slice())
            && calendar_goes_on
            && let Some(source) = sources.source(*stream)
            && let Some(tally) = Tally::of(node, &source.kept, source.rows, now)
            && tally.of_nobody() == of_nobody
        {
            return Asking { plan, now, way: Way::Tally(uses.count(*place, tally)) };
        }
        places.iter().for_each(|place| uses.arranged[*place] = true);
        let kept = |stream: u32| sources.source(stream).map_or(&[][..], |source| source.kept.as_slice());
        let streams: Vec<(u32, &[Kept])> = streams.into_iter().map(|stream| (stream, kept(stream))).collect();
        let followed = if calendar_goes_on { Followed::of(node) } else { None };
        Asking { plan, now, way: Way::Entries { node, streams, places, of_nobody, followed } }
    }

    /// The people of a tile of whom the condition holds.
    fn ask(&self, tile: usize, room: &mut Room) -> Vec<u64> {
        let (node, streams, places, of_nobody, followed) = match &self.way {
            Way::People(people) => return words_of(people, tile),
            Way::Tally(tally) => return std::mem::take(&mut room.people[*tally]),
            Way::Entries { node, streams, places, of_nobody, followed } => (node, streams, places, of_nobody, followed),
        };
        let mut words = vec![if *of_nobody { u64::MAX } else { 0 }; TILE_WORDS];
        let entries: Vec<&TileEntries> = places.iter().filter_map(|place| room.entries.get(*place)).collect();
        if entries.is_empty() || entries.len() < streams.len() {
            return words;
        }
        let mut mark = |person: usize, holds: bool| {
            let bit = 1 << (person % 64);
            if holds { words[person / 64] |= bit } else { words[person / 64] &= !bit }
        };
        if let (Some(followed), [first, then]) = (followed, entries.as_slice()) {
            followed.ask(first, then, self.now, mark);
            return words;
        }
        let mut customer = nobody();
        // Whoever is in both streams is asked twice, and answers the same.
        for person in entries.iter().flat_map(|entries| entries.present()) {
            let held = streams.iter().zip(&entries);
            customer.streams =
                Streams::of(held.map(|((stream, kept), entries)| (*stream, entries.entries(person, kept))));
            mark(person, general(self.plan, node, &customer, self.now));
        }
        words
    }
}

/// The evaluator of all rules.
fn general(plan: &Plan, node: &Node, customer: &Customer, now: Timestamp) -> bool {
    Asked::of(plan, CustomerId(0), customer, now).verdict(node).holds
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
