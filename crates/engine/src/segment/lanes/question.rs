//! Rules as lanes are asked them: groups over conditions, each of which is a set of people.

use super::bits::Bits;
use super::parallel::in_parallel;
use crate::profile::Customers;
use crate::segment::plan::{EventsNode, Held, Node, Plan, Rhythm};
use crate::segment::verdict::Asked;
use domain::Timestamp;

/// Parts in which everybody is asked: each takes room for all numbers.
const PARTS: usize = 8;

/// A rule over conditions that are known by their number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Formula {
    All(Vec<Formula>),
    Any(Vec<Formula>),
    None(Vec<Formula>),
    Not(Box<Formula>),
    Fixed(bool),
    Leaf(usize),
}

/// A condition.
#[derive(Debug)]
pub(super) enum Leaf {
    /// About streams of events: it is asked of lanes.
    Streams(Node),
    /// About anything else: it was asked of everybody's live state.
    People(Bits),
}

/// Some rules, and when they are asked.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) formulas: Vec<Formula>,
    pub(super) leaves: Vec<Leaf>,
    pub(super) now: Timestamp,
    /// Everybody who exists then.
    pub(super) existing: Bits,
}

/// The live state, as far as it says what can be asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Live<'a> {
    /// How far back it keeps the past of values.
    pub(crate) held: &'a Held,
    /// When it is.
    pub(crate) clock: Timestamp,
}

/// Conditions that the live state has to answer, while they are collected.
struct Collected<'a> {
    plan: &'a Plan,
    leaves: Vec<Found<'a>>,
}

#[derive(PartialEq)]
enum Found<'a> {
    Streams(&'a Node),
    People(&'a Node),
}

impl Rules {
    /// Everybody who exists.
    pub(crate) fn existing(&self) -> &Bits {
        &self.existing
    }

    /// Takes rules of a plan apart. None where lanes cannot answer them: history must be read then.
    ///
    /// `customers`: the live state, asked at `now`. O(rules), and O(customers) for each condition that is not about
    /// events.
    pub(crate) fn of(
        plan: &Plan,
        rules: &[&Node],
        live: Live<'_>,
        customers: &Customers,
        now: Timestamp,
        room: usize,
    ) -> Option<Rules> {
        if !live.held.covers(&plan.held) {
            return None;
        }
        let mut collected = Collected { plan, leaves: Vec::new() };
        let formulas = rules.iter().map(|rule| collected.formula(rule)).collect::<Option<Vec<_>>>()?;
        // Live state knows of values only how they are now.
        let is_of_any_time = |found: &Found<'_>| {
            matches!(found, Found::Streams(_) | Found::People(Node::KnownFor(_) | Node::Bucket(_) | Node::Score(..)))
        };
        if now != live.clock && !collected.leaves.iter().all(is_of_any_time) {
            return None;
        }
        let asked: Vec<(usize, &Node)> = collected
            .leaves
            .iter()
            .enumerate()
            .filter_map(|(place, found)| if let Found::People(node) = found { Some((place, *node)) } else { None })
            .collect();
        let nodes: Vec<&Node> = asked.iter().map(|(_, node)| *node).collect();
        let (existing, answers) = ask_everybody(plan, &nodes, customers, now, room);
        let mut leaves: Vec<Leaf> = collected
            .leaves
            .iter()
            .map(|found| match found {
                Found::Streams(node) => Leaf::Streams((*node).clone()),
                Found::People(_) => Leaf::People(Bits::default()),
            })
            .collect();
        for ((place, _), people) in asked.into_iter().zip(answers) {
            leaves[place] = Leaf::People(people);
        }
        Some(Rules { formulas, leaves, now, existing })
    }
}

/// Everybody who exists at `now`, and of whom each condition holds then, by their live state. On all processors.
fn ask_everybody(
    plan: &Plan,
    nodes: &[&Node],
    customers: &Customers,
    now: Timestamp,
    room: usize,
) -> (Bits, Vec<Bits>) {
    let parts = customers.parts();
    let some = parts.len().div_ceil(PARTS).max(1);
    let answers = in_parallel(
        parts.len().div_ceil(some),
        || (),
        |number, ()| {
            let mut existing = Bits::with_room(room);
            let mut holds = vec![Bits::with_room(room); nodes.len()];
            for (id, customer) in parts.iter().skip(number * some).take(some).flatten() {
                if customer.first_seen > now {
                    continue;
                }
                existing.insert(*id);
                for (node, people) in nodes.iter().zip(&mut holds) {
                    let asked = Asked::of(plan, *id, customer, now);
                    if asked.verdict(node).holds {
                        people.insert(*id);
                    }
                }
            }
            (existing, holds)
        },
    );
    let none = (Bits::with_room(room), vec![Bits::with_room(room); nodes.len()]);
    answers.into_iter().fold(none, |(mut existing, mut holds), (more, others)| {
        existing.add(&more);
        holds.iter_mut().zip(&others).for_each(|(people, more)| people.add(more));
        (existing, holds)
    })
}

impl<'a> Collected<'a> {
    fn formula(&mut self, node: &'a Node) -> Option<Formula> {
        let mut each = |inner: &'a [Node]| inner.iter().map(|node| self.formula(node)).collect::<Option<Vec<_>>>();
        Some(match node {
            Node::All(inner) => Formula::All(each(inner)?),
            Node::Any(inner) => Formula::Any(each(inner)?),
            Node::None(inner) => Formula::None(each(inner)?),
            Node::Not(inner) => Formula::Not(Box::new(self.formula(inner)?)),
            Node::Everyone => Formula::Fixed(true),
            Node::Never => Formula::Fixed(false),
            Node::Segment(index) => self.formula(&self.plan.segments.get(*index)?.rule)?,
            Node::Did(did) => {
                self.check_events(&did.events)?;
                self.leaf(Found::Streams(node))
            }
            Node::Rhythm(rhythm) => {
                self.check_events(&rhythm.stream)?;
                if let Rhythm::Sequence { then, .. } = &rhythm.rhythm {
                    self.check_events(then)?;
                }
                self.leaf(Found::Streams(node))
            }
            // What consent follows from is kept by the live plan, under other numbers than by this one.
            Node::Consent(_, Some(terms)) if !terms.streams.is_empty() => return None,
            Node::Consent(..)
            | Node::Trait(..)
            | Node::TraitElements(_)
            | Node::Triggered(..)
            | Node::Record(_)
            | Node::Score(..)
            | Node::List(_)
            | Node::KnownFor(_)
            | Node::Bucket(_) => self.leaf(Found::People(node)),
        })
    }

    /// A condition that several rules ask is asked once.
    fn leaf(&mut self, found: Found<'a>) -> Formula {
        let place = self.leaves.iter().position(|known| *known == found).unwrap_or_else(|| {
            self.leaves.push(found);
            self.leaves.len() - 1
        });
        Formula::Leaf(place)
    }

    /// None if the stream's filter moves with now, the condition with the customer's zone, or either with what triggered.
    fn check_events(&self, events: &EventsNode) -> Option<()> {
        let spec = self.plan.streams.get(events.stream as usize)?;
        let is_fixed = !spec.keeps_body && !events.uses_zone && events.key.is_none() && events.triggered.is_none();
        is_fixed.then_some(())
    }
}
