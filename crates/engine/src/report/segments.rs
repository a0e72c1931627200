//! Segments: how many, who, since when, why, and who came and went.

use super::{ReportError, Who, json};
use crate::profile::Customer;
use crate::segment::as_of::{Past, apply, exists_since};
use crate::segment::describe::describe;
use crate::segment::test::earlier;
use crate::segment::why::{Why, why};
use crate::segment::{Asked, Node, Plan};
use crate::state::Engine;
use domain::{CustomerId, DefinitionKind, Name, Segment, Timestamp};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Page, Reader, Transition};

/// Most turns of a rule that are looked through for what brought a movement about.
const TURNS: usize = 10_000;

/// A segment in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SegmentRow {
    /// Its name.
    pub segment: Name,
    /// Its title, else its name.
    pub title: String,
    /// Its rule in plain words.
    pub rule: String,
    /// Members now.
    pub members: u64,
    /// The version of its definition.
    pub version: u32,
    /// When that version was made.
    #[serde(serialize_with = "json::at")]
    pub changed_at: Timestamp,
    /// What refers to it.
    pub used_by: Vec<User>,
}

/// A definition that refers to another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct User {
    /// `segment` or `campaign`.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: Name,
    /// Its title, else its name.
    pub title: String,
}

impl User {
    pub(crate) fn new(kind: DefinitionKind, name: &Name, title: Option<&str>) -> User {
        User { kind, name: name.clone(), title: title.unwrap_or(name.as_str()).to_owned() }
    }
}

/// A page of members at present.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct MemberPage {
    /// Members in all.
    pub count: u64,
    /// By name.
    pub members: Vec<Member>,
    /// The last one's id, if there are more after it.
    #[serde(serialize_with = "after")]
    pub next: Option<CustomerId>,
}

/// A person's place in a list by name. Two people can bear one name, as userId and as anonymousId.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The name.
    pub name: Arc<str>,
    /// Who.
    pub id: CustomerId,
}

/// A page of people by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamePage {
    /// How many there are in all.
    pub count: u64,
    /// This page of them.
    pub people: Vec<Place>,
    /// Whether there are more after it.
    pub has_more: bool,
}

impl NamePage {
    /// After whom the next page begins, if there is one.
    pub fn next(&self) -> Option<&Place> {
        self.people.last().filter(|_| self.has_more)
    }
}

/// A page of a list that is sorted.
pub fn page_of_sorted(everybody: &[Place], after: Option<&Place>, limit: usize) -> NamePage {
    let from = after.map_or(0, |after| everybody.partition_point(|place| place <= after));
    let end = from.saturating_add(limit).min(everybody.len());
    NamePage { count: everybody.len() as u64, people: everybody[from..end].to_vec(), has_more: end < everybody.len() }
}

fn after<S: serde::Serializer>(id: &Option<CustomerId>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

/// A member.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Member {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The instant of history at which membership began.
    #[serde(serialize_with = "json::maybe_at")]
    pub since: Option<Timestamp>,
    /// The first later instant at which it would end if nothing arrived.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
}

/// Somebody entered or left.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Movement {
    /// When.
    #[serde(serialize_with = "json::at")]
    pub time: Timestamp,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// Entered, or left.
    pub entered: bool,
    /// What brought it about: an event in words, a changed rule, or time alone.
    pub because: String,
}

/// How much one segment has in common with another.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Overlap {
    /// The other one.
    pub segment: Name,
    /// Its title, else its name.
    pub title: String,
    /// Members of the other one.
    pub members: u64,
    /// Members of both.
    pub both: u64,
    /// How many would be in both if one said nothing about the other: members · members / customers, rounded.
    pub expected: u64,
}

/// Why somebody is in a segment, or why not.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct WhyIn {
    /// Which.
    pub segment: Name,
    /// Its title, else its name.
    pub title: String,
    /// The answer.
    #[serde(flatten)]
    pub why: Why,
}

impl Engine {
    /// How many members of a segment are in each of the others now, those most out of the ordinary first.
    /// O(customers).
    pub fn overlaps(&self, name: &str) -> Result<Vec<Overlap>, ReportError> {
        let (name, _) = self.get_version(DefinitionKind::Segment, name)?;
        let own = self.plan.segment(&name).ok_or_else(|| missing(name.as_str()))?;
        let counts = self.counts();
        let mut both = vec![0_u64; counts.len()];
        for customer in self.customers.values().filter(|customer| customer.is_member(own)) {
            customer.memberships.all().for_each(|segment| both[segment] += 1);
        }
        let customers = (self.customers.len() as u64).max(1);
        let expected = |members: u64| {
            let product = u128::from(members) * u128::from(counts[own]) + u128::from(customers / 2);
            u64::try_from(product / u128::from(customers)).unwrap_or(u64::MAX)
        };
        let others = self.definitions.segments.keys().filter(|other| **other != name);
        let mut overlaps: Vec<Overlap> = others
            .filter_map(|other| {
                let index = self.plan.segment(other)?;
                Some(Overlap {
                    segment: other.clone(),
                    title: self.segment_title(other),
                    members: counts[index],
                    both: both[index],
                    expected: expected(counts[index]),
                })
            })
            .collect();
        // In standard deviations of a count, roughly: the difference over the root of what was expected.
        let unusual = |overlap: &Overlap| {
            let difference = overlap.both.abs_diff(overlap.expected);
            u128::from(difference) * u128::from(difference) * 1_000 / u128::from(overlap.expected.max(1))
        };
        overlaps.sort_by(|a, b| unusual(b).cmp(&unusual(a)).then_with(|| a.segment.cmp(&b.segment)));
        Ok(overlaps)
    }

    /// Why a person is in each of some segments, or why not, by title; of all segments where none is named.
    /// O(history of theirs · conditions).
    pub fn whys(&self, reader: &dyn Reader, person: CustomerId, only: Option<&str>) -> Result<Vec<WhyIn>, ReportError> {
        let person = self.person(person);
        let past = self.past(reader, person)?;
        let only = only.map(|name| self.get_version(DefinitionKind::Segment, name)).transpose()?.map(|(name, _)| name);
        let wanted = self.definitions.segments.values();
        let mut whys: Vec<WhyIn> = wanted
            .filter(|segment| only.as_ref().is_none_or(|only| *only == segment.name))
            .filter_map(|segment| {
                let planned = &self.plan.segments[self.plan.segment(&segment.name)?];
                Some(WhyIn {
                    segment: segment.name.clone(),
                    title: self.segment_title(&segment.name),
                    why: why(&self.plan, (&segment.rule, &planned.rule), person, &past, self.clock),
                })
            })
            .collect();
        whys.sort_by(|a, b| a.title.cmp(&b.title).then_with(|| a.segment.cmp(&b.segment)));
        Ok(whys)
    }

    /// Every version of a definition, the latest first.
    pub fn versions(
        &self,
        reader: &dyn Reader,
        kind: DefinitionKind,
        name: &str,
    ) -> Result<Vec<store::DefinitionVersion>, ReportError> {
        let (name, _) = self.get_version(kind, name)?;
        let mut versions = reader.versions(kind, &name)?;
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }

    /// All segments with their sizes, by title. O(customers).
    pub fn segments(&self) -> Vec<SegmentRow> {
        let counts = self.counts();
        let mut rows: Vec<SegmentRow> =
            self.definitions.segments.values().filter_map(|segment| self.segment_row(segment, &counts)).collect();
        rows.sort_by(|a, b| a.title.cmp(&b.title).then_with(|| a.segment.cmp(&b.segment)));
        rows
    }

    /// One segment with its size. O(customers).
    pub fn segment(&self, name: &str) -> Result<SegmentRow, ReportError> {
        let (name, _) = self.get_version(DefinitionKind::Segment, name)?;
        let segment = self.definitions.segments.get(&name);
        segment.and_then(|segment| self.segment_row(segment, &self.counts())).ok_or_else(|| missing(name.as_str()))
    }

    fn segment_row(&self, segment: &Segment, counts: &[u64]) -> Option<SegmentRow> {
        let version = self.version(DefinitionKind::Segment, &segment.name)?;
        Some(SegmentRow {
            segment: segment.name.clone(),
            title: self.segment_title(&segment.name),
            rule: describe(&segment.rule),
            members: counts[self.plan.segment(&segment.name)?],
            version: version.version,
            changed_at: version.at,
            used_by: self.users_of(DefinitionKind::Segment, &segment.name),
        })
    }

    /// Members of each segment of the plan now. O(customers + memberships).
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.plan.segments.len()];
        for customer in self.customers.values() {
            customer.memberships.all().for_each(|segment| counts[segment] += 1);
        }
        counts
    }

    /// Who is in a segment, in no particular order. O(customers).
    pub(crate) fn members_now(&self, index: usize) -> impl Iterator<Item = CustomerId> + '_ {
        self.customers.iter().filter(move |(_, customer)| customer.is_member(index)).map(|(id, _)| id)
    }

    /// A page of present members by name, after one of them, and who came and went lately, the latest first.
    /// O(customers + history of those shown).
    pub fn segment_page(
        &self,
        reader: &dyn Reader,
        name: &str,
        after: Option<CustomerId>,
        limit: usize,
        movements: u32,
    ) -> Result<(MemberPage, Vec<Movement>), ReportError> {
        let (name, version) = self.get_version(DefinitionKind::Segment, name)?;
        let index = self.plan.segment(&name).ok_or_else(|| missing(name.as_str()))?;
        let (count, page, next) = self.places(&name, after, limit);
        let transitions = match movements {
            0 => Vec::new(),
            limit => reader.transitions(&name, Page { skip: 0, limit })?,
        };
        let moved = transitions.iter().map(|transition| self.person(transition.customer));
        let people: BTreeSet<CustomerId> = page.iter().copied().chain(moved).collect();
        let pasts = self.histories(reader, &people.into_iter().collect::<Vec<_>>())?;
        let past = |id: &CustomerId| pasts.get(id).map_or(&[][..], Vec::as_slice);
        let members = page.iter().map(|id| self.member(index, *id, past(id))).collect();
        let movements = transitions.iter().map(|transition| {
            let person = self.person(transition.customer);
            Movement {
                time: transition.at,
                who: self.who(person),
                entered: transition.entered,
                because: self.cause(
                    index,
                    &Transition { customer: person, ..transition.clone() },
                    version.at,
                    past(&person),
                ),
            }
        });
        Ok((MemberPage { count, members, next }, movements.collect()))
    }

    /// A page of present members by name, after a place; that may be of somebody who has left. O(customers).
    pub fn member_names(&self, segment: &Name, after: Option<&Place>, limit: usize) -> NamePage {
        let mut page = NamePage { count: 0, people: Vec::new(), has_more: false };
        let Some(index) = self.plan.segment(segment) else { return page };
        for id in self.members_now(index) {
            page.count += 1;
            let place = Place { name: self.people.name_of(id), id };
            if after.is_none_or(|after| place > *after) {
                page.people.push(place);
            }
        }
        page.has_more = page.people.len() > limit;
        if page.has_more {
            // Only what is shown is sorted.
            page.people.select_nth_unstable(limit);
            page.people.truncate(limit);
        }
        page.people.sort_unstable();
        page
    }

    /// The number of members, the ids of a page of them by name, and the last of these if there are more.
    fn places(
        &self,
        segment: &Name,
        after: Option<CustomerId>,
        limit: usize,
    ) -> (u64, Vec<CustomerId>, Option<CustomerId>) {
        let known = |id: &CustomerId| (1..=self.people.node_count()).contains(&(id.0 as usize));
        let after = after.filter(known).map(|id| Place { name: self.people.name_of(self.person(id)), id });
        let page = self.member_names(segment, after.as_ref(), limit);
        let next = page.next().map(|place| place.id);
        (page.count, page.people.into_iter().map(|place| place.id).collect(), next)
    }

    fn member(&self, index: usize, id: CustomerId, past: &[Past]) -> Member {
        let planned = &self.plan.segments[index];
        let why = self
            .definitions
            .segments
            .get(&planned.name)
            .map(|segment| why(&self.plan, (&segment.rule, &planned.rule), id, past, self.clock));
        let (since, until) = why.map_or((None, None), |why| (why.since, why.until));
        Member { who: self.who(id), since, until }
    }

    /// What brought a movement about: the rule itself, an event, or time alone. The journal of movements knows when
    /// it was noticed; history knows when and by what it came.
    fn cause(&self, index: usize, transition: &Transition, changed_at: Timestamp, past: &[Past]) -> String {
        if transition.at == changed_at {
            return "the rule changed".to_owned();
        }
        let rule = &self.plan.segments[index].rule;
        let turned = last_turn(&self.plan, rule, transition, past);
        let then = || past.iter().filter(|past| Some(past.call.timestamp) == turned);
        // What follows at the same instant, such as a message, brought it about only if the rule asks for it.
        let asks_for = |past: &&Past| {
            let segment = self.definitions.segments.get(&transition.segment);
            let mut asks = false;
            if let (Some(segment), Some(name)) = (segment, past.call.event.as_deref()) {
                segment.rule.walk(&mut |rule| rule.events(&mut |event, _| asks |= event.matches(name)));
            }
            asks
        };
        let event = then().find(|past| past.call.trust != domain::Trust::Perennial).or_else(|| then().find(asks_for));
        match event {
            Some(past) => super::words::call_words(&past.call, self.definitions.settings.currency).what,
            None => "by time alone".to_owned(),
        }
    }
}

/// The last instant of history, up to a movement, at which the rule turned as the movement says. O(their calls).
fn last_turn(plan: &Plan, rule: &Node, transition: &Transition, past: &[Past]) -> Option<Timestamp> {
    let born = exists_since(past)?;
    let mut customer = Customer::new(born);
    let mut next = past.iter().peekable();
    let (mut held, mut turned, mut at) = (false, None, born);
    for _ in 0..TURNS.max(past.len() * 4) {
        while let Some(past) = next.next_if(|past| past.call.timestamp <= at) {
            apply(plan, &mut customer, past, at);
        }
        let asked = Asked::of(plan, transition.customer, &customer, at);
        let verdict = asked.verdict(rule);
        if verdict.holds != held {
            held = verdict.holds;
            turned = if held == transition.entered { Some(at) } else { turned };
        }
        let event = next.peek().map(|past| past.call.timestamp);
        match earlier(event, verdict.check) {
            Some(turn) if turn <= transition.at => at = turn,
            _ => break,
        }
    }
    turned
}

fn missing(name: &str) -> ReportError {
    ReportError::NoDefinition { kind: DefinitionKind::Segment.word(), name: name.to_owned() }
}
