//! Segments: how many, who, since when, why, and who came and went.

use super::{ReportError, Who, json};
use crate::segment::describe::describe;
use crate::segment::why::why;
use crate::state::Engine;
use domain::campaign::Trigger;
use domain::{Condition, CustomerId, DefinitionKind, Name, Segment, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use store::{Page, Reader, StoreError, TransitionFilter};

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

impl Engine {
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
            used_by: self.users_of(&segment.name),
        })
    }

    /// Members of each segment of the plan now. O(customers + memberships).
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.plan.segments.len()];
        for customer in self.customers.values() {
            for (place, word) in customer.members.iter().enumerate() {
                let mut bits = *word;
                while bits != 0 {
                    counts[place * 64 + bits.trailing_zeros() as usize] += 1;
                    bits &= bits - 1;
                }
            }
        }
        counts
    }

    fn users_of(&self, name: &Name) -> Vec<User> {
        let mut users = Vec::new();
        for campaign in self.definitions.campaigns.values() {
            let by_trigger =
                matches!(&campaign.enter.on, Trigger::Enters(target) | Trigger::Leaves(target) if target == name);
            let names = |rule: &Option<Condition>| rule.as_ref().is_some_and(|rule| rule.segments().contains(&name));
            if by_trigger || names(&campaign.enter.only_if) || names(&campaign.exit_if) {
                users.push(User {
                    kind: DefinitionKind::Campaign,
                    name: campaign.name.clone(),
                    title: self.campaign_title(&campaign.name),
                });
            }
        }
        for segment in self.definitions.segments.values() {
            if segment.rule.segments().contains(&name) {
                users.push(User {
                    kind: DefinitionKind::Segment,
                    name: segment.name.clone(),
                    title: self.segment_title(&segment.name),
                });
            }
        }
        users
    }

    fn members_now(&self, index: usize) -> impl Iterator<Item = CustomerId> + '_ {
        self.customers.iter().filter(move |(_, customer)| customer.is_member(index)).map(|(id, _)| *id)
    }

    /// A page of present members by name, after one of them. O(customers + history of those shown).
    pub fn member_page(
        &self,
        reader: &dyn Reader,
        name: &str,
        after: Option<CustomerId>,
        limit: usize,
    ) -> Result<MemberPage, ReportError> {
        let (name, _) = self.get_version(DefinitionKind::Segment, name)?;
        let index = self.plan.segment(&name).ok_or_else(|| missing(name.as_str()))?;
        let known = |id: &CustomerId| (1..=self.people.node_count()).contains(&(id.0 as usize));
        let after = after.filter(known).map(|id| (self.people.name_of(self.person(id)), id));
        let mut count = 0;
        let mut rest: Vec<(Arc<str>, CustomerId)> = Vec::new();
        for id in self.members_now(index) {
            count += 1;
            let place = (self.people.name_of(id), id);
            if after.as_ref().is_none_or(|after| place > *after) {
                rest.push(place);
            }
        }
        let has_more = rest.len() > limit;
        if has_more {
            rest.select_nth_unstable(limit);
            rest.truncate(limit);
        }
        rest.sort_unstable();
        let next = rest.last().filter(|_| has_more).map(|(_, id)| *id);
        let members = rest.into_iter().map(|(_, id)| self.member(reader, index, id)).collect::<Result<_, _>>()?;
        Ok(MemberPage { count, members, next })
    }

    fn member(&self, reader: &dyn Reader, index: usize, id: CustomerId) -> Result<Member, StoreError> {
        let planned = &self.plan.segments[index];
        let why = match self.definitions.segments.get(&planned.name) {
            Some(segment) => {
                Some(why(&self.plan, (&segment.rule, &planned.rule), id, &self.past(reader, id)?, self.clock))
            }
            None => None,
        };
        let (since, until) = why.map_or((None, None), |why| (why.since, why.until));
        Ok(Member { who: self.who(id), since, until })
    }

    /// Who came and went lately, the latest first, with what brought it about. O(history of those shown).
    pub fn movements(&self, reader: &dyn Reader, name: &str, limit: u32) -> Result<Vec<Movement>, ReportError> {
        let (name, version) = self.get_version(DefinitionKind::Segment, name)?;
        let filter = TransitionFilter { segment: Some(name), customer: None };
        let transitions = reader.transitions(&filter, Page { skip: 0, limit })?;
        // One customer often moves more than once.
        let mut pasts = BTreeMap::new();
        let mut movements = Vec::new();
        for (_, transition) in transitions {
            let person = self.person(transition.customer);
            let past = match pasts.entry(person) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.past(reader, person)?),
            };
            let event = past.iter().rev().find(|past| {
                past.call.timestamp == transition.at
                    || (past.call.received_at == transition.at && past.call.timestamp < transition.at)
            });
            let because = match event {
                _ if transition.at == version.at => "the rule changed".to_owned(),
                Some(past) => super::words::call_words(&past.call, self.definitions.settings.currency).what,
                None => "by time alone".to_owned(),
            };
            movements.push(Movement {
                time: transition.at,
                who: self.who(person),
                entered: transition.entered,
                because,
            });
        }
        Ok(movements)
    }
}

fn missing(name: &str) -> ReportError {
    ReportError::NoDefinition { kind: DefinitionKind::Segment.word(), name: name.to_owned() }
}
