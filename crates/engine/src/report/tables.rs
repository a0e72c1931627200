//! What a question over whole tables needs of the live state, taken at once, so that the writer need not wait for the
//! question. What is on disk is read beside it, up to the same position.

use super::customers::Said;
use super::snapshot::Snapshot;
use crate::profile::records::Record;
use crate::state::Engine;
use domain::{Call, CustomerId, Name, Position, Timestamp};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use store::{Reader, RowId, StoreError};

/// Journal rows read in one piece when only some customers are asked about.
const ROWS_AT_ONCE: usize = 64;

/// Which of the larger parts a question needs. People are always taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Traits of customers.
    pub traits: bool,
    /// What customers have.
    pub records: bool,
    /// Memberships in segments.
    pub memberships: bool,
    /// What was said of consent.
    pub consents: bool,
}

/// The live state as tables see it, at one position of the journal.
pub struct Tables {
    snapshot: Snapshot,
    customers: Vec<Known>,
    names: OnceLock<HashMap<CustomerId, Arc<str>>>,
}

/// A customer who is known.
pub struct Known {
    /// Who.
    pub id: CustomerId,
    /// Since when they exist.
    pub first_seen: Timestamp,
    /// The last thing they did.
    pub last_seen: Timestamp,
    /// Number of calls.
    pub calls: u32,
    /// By name: the value and since when it holds. Empty unless wanted.
    pub traits: Vec<(Arc<str>, Arc<Value>, Timestamp)>,
    /// What they have, by kind and id. Empty unless wanted.
    records: Vec<Record>,
    /// Segments of the plan they are in. Empty unless wanted.
    segments: Vec<usize>,
    /// What was said of consent, the oldest first. Empty unless wanted.
    pub consents: Vec<Said>,
}

/// Somebody is in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Belongs<'a> {
    /// The segment.
    pub segment: &'a Name,
    /// Who.
    pub customer: CustomerId,
    index: usize,
}

impl Engine {
    /// Takes what tables need. O(names + customers · what is wanted); values are shared, not copied.
    pub fn tables(&self, wanted: Wanted) -> Tables {
        let now = self.clock;
        let known = self.customers.iter().map(|(id, customer)| Known {
            id,
            first_seen: customer.first_seen,
            last_seen: customer.last_seen,
            calls: customer.calls,
            traits: match wanted.traits {
                true => customer
                    .traits
                    .each_after(now, None)
                    .map(|(key, value, at)| (key.clone(), value.clone(), at))
                    .collect(),
                false => Vec::new(),
            },
            records: match wanted.records {
                true => customer.records.all(now).cloned().collect(),
                false => Vec::new(),
            },
            segments: match wanted.memberships {
                true => customer.memberships.all().collect(),
                false => Vec::new(),
            },
            consents: match wanted.consents {
                true => customer.standing.statements().iter().map(Said::from).collect(),
                false => Vec::new(),
            },
        });
        Tables { customers: known.collect(), snapshot: self.snapshot(), names: OnceLock::new() }
    }
}

impl Tables {
    /// The instant they were taken at.
    pub fn clock(&self) -> Timestamp {
        self.snapshot.clock
    }

    /// Calls known then.
    pub fn position(&self) -> Position {
        self.snapshot.position
    }

    /// Everybody, visitors included, in no particular order.
    pub fn customers(&self) -> &[Known] {
        &self.customers
    }

    /// The person's name: the userId first seen, else the oldest anonymousId. The first question is O(names).
    pub fn name(&self, id: CustomerId) -> &str {
        let people = &self.snapshot.people;
        let names = self.names.get_or_init(|| people.everyone().map(|id| (id, people.name_of(id))).collect());
        let named = (1..=people.node_count()).contains(&(id.0 as usize));
        let person = if named { CustomerId(people.person(id.0)) } else { id };
        names.get(&person).map_or("", |name| name)
    }

    /// Whom a name in a table means: rarely more than one, when a visitor chose the name of a customer.
    pub fn named(&self, name: &str) -> BTreeSet<CustomerId> {
        self.snapshot.people.everyone().filter(|id| self.name(*id) == name).collect()
    }

    /// What everybody has, if that was wanted, each thing with since when they have had it without a break.
    pub fn records(&self) -> impl Iterator<Item = (CustomerId, &Record, Option<Timestamp>)> {
        let now = self.clock();
        let all = self.customers.iter().flat_map(|known| known.records.iter().map(|record| (known.id, record)));
        all.map(move |(id, record)| (id, record, record.had_since(now)))
    }

    /// Who is in which segment, if that was wanted.
    pub fn memberships(&self) -> impl Iterator<Item = Belongs<'_>> {
        self.customers.iter().flat_map(|known| {
            known.segments.iter().map(|index| Belongs {
                segment: &self.snapshot.plan.segments[*index].name,
                customer: known.id,
                index: *index,
            })
        })
    }

    /// Visits memberships that are asked about, each with the instant of history at which it began, until the visitor
    /// breaks. All of history is read once for every `calls_at_once` calls of those people: so many are kept in memory
    /// meanwhile, at 400 bytes each or so.
    pub fn visit_since(
        &self,
        reader: &dyn Reader,
        calls_at_once: u64,
        is_asked: &dyn Fn(&Belongs<'_>) -> bool,
        visit: &mut dyn FnMut(&Belongs<'_>, Option<Timestamp>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let asked: Vec<Belongs<'_>> = self.memberships().filter(|belongs| is_asked(belongs)).collect();
        let calls: HashMap<CustomerId, u32> = self.customers.iter().map(|known| (known.id, known.calls)).collect();
        let mut rest = asked.as_slice();
        while !rest.is_empty() {
            let mut members: HashMap<CustomerId, Vec<usize>> = HashMap::new();
            let mut weight = 0_u64;
            // At least one person, however long their history.
            let end = rest.iter().position(|belongs| {
                if !members.contains_key(&belongs.customer) {
                    weight += u64::from(calls.get(&belongs.customer).copied().unwrap_or(0));
                    if weight > calls_at_once && !members.is_empty() {
                        return true;
                    }
                }
                members.entry(belongs.customer).or_default().push(belongs.index);
                false
            });
            let (piece, later) = rest.split_at(end.unwrap_or(rest.len()));
            let began = self.snapshot.memberships_since(reader, &members)?;
            for belongs in piece {
                if visit(belongs, began.get(&(belongs.customer, belongs.index)).copied()).is_break() {
                    return Ok(());
                }
            }
            rest = later;
        }
        Ok(())
    }

    /// Visits what happened to everybody or to some, in the order in which it arrived, until the visitor breaks. Calls
    /// that are nobody's, such as the note of a join by hand, are left out.
    pub fn visit_calls(
        &self,
        reader: &dyn Reader,
        of: Option<&BTreeSet<CustomerId>>,
        visit: &mut dyn FnMut(Position, &Call, CustomerId) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let people = &self.snapshot.people;
        let mut visit = |position: Position, call: &Call| {
            let owner = people.owner(call, position).filter(|owner| of.is_none_or(|of| of.contains(owner)));
            match owner {
                Some(owner) => visit(position, call, owner),
                None => ControlFlow::Continue(()),
            }
        };
        let Some(of) = of else {
            return self.visit_all(reader, &mut visit);
        };
        let rows: BTreeSet<u32> = of.iter().flat_map(|id| people.rows_of(*id)).collect();
        let rows: Vec<RowId> = rows.into_iter().map(|row| RowId(u64::from(row))).collect();
        let nodes = of.iter().flat_map(|id| people.nodes_of(id.0));
        let names: HashSet<Arc<str>> = nodes.map(|node| people.node(node).name.clone()).collect();
        for piece in rows.chunks(ROWS_AT_ONCE) {
            for (position, call) in reader.calls_naming(piece, &names)? {
                if position <= self.snapshot.position && visit(position, &call).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn visit_all(
        &self,
        reader: &dyn Reader,
        visit: &mut dyn FnMut(Position, &Call) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut is_over = false;
        let result = reader.replay(RowId(0), &mut |row| {
            for (offset, call) in (0_u64..).zip(&row.calls) {
                let position = Position(row.first.0 + offset);
                if position > self.snapshot.position || visit(position, call).is_break() {
                    is_over = true;
                    return Err(StoreError::Io { doing: "read", reason: "nothing more was asked".to_owned() });
                }
            }
            Ok(())
        });
        if is_over { Ok(()) } else { result }
    }
}
