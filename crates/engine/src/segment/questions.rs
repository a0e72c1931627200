//! Questions about segments: how many, who, who was, why, and what a change would do.

use crate::define::{Change, DefineError};
use crate::segment::Plan;
use crate::segment::as_of::{build, members};
use crate::segment::plan::Node;
use crate::segment::verdict::Asked;
use crate::segment::why::{Why, why};
use crate::state::Engine;
use domain::definition::Defined;
use domain::{CustomerId, DefinitionKind, Name, Timestamp};
use store::{Reader, StoreError};

impl Engine {
    /// Number of members now. O(customers).
    pub fn segment_size(&self, segment: &Name) -> usize {
        match self.plan.segment(segment) {
            Some(index) => self.customers.values().filter(|customer| customer.is_member(index)).count(),
            None => 0,
        }
    }

    /// Members now, in the order of ids. O(customers).
    pub fn segment_members(&self, segment: &Name) -> Vec<CustomerId> {
        let Some(index) = self.plan.segment(segment) else { return Vec::new() };
        let mut members: Vec<CustomerId> =
            self.customers.iter().filter(|(_, customer)| customer.is_member(index)).map(|(id, _)| *id).collect();
        members.sort_unstable();
        members
    }

    /// Who was a member at an instant, by today's definition and today's identities. O(calls).
    pub fn members_as_of(
        &self,
        reader: &dyn Reader,
        segment: &Name,
        at: Timestamp,
    ) -> Result<Vec<CustomerId>, StoreError> {
        let (plan, rule) = self.plan_of(segment);
        members(reader, &self.people, &plan, &rule, at)
    }

    /// A plan for one segment and those it names, and its rule. Small, so that history is walked quickly.
    fn plan_of(&self, segment: &Name) -> (Plan, Node) {
        let mut definitions = self.definitions.clone();
        let mut needed = vec![segment.clone()];
        let mut next = 0;
        while let Some(name) = needed.get(next).cloned() {
            next += 1;
            for inner in definitions.segments.get(&name).map(|segment| segment.rule.segments()).unwrap_or_default() {
                if !needed.contains(inner) {
                    needed.push(inner.clone());
                }
            }
        }
        definitions.segments.retain(|name, _| needed.contains(name));
        let plan = Plan::new(&definitions);
        let rule = plan.segment(segment).map_or(Node::Never, |index| plan.segments[index].rule.clone());
        (plan, rule)
    }

    /// Why somebody is in a segment or not, at an instant. None if nobody bears the name.
    pub fn why(
        &self,
        reader: &dyn Reader,
        segment: &Name,
        customer: &str,
        at: Timestamp,
    ) -> Result<Option<Why>, StoreError> {
        let Some(id) = self.people.look_up(customer) else { return Ok(None) };
        let Some(definition) = self.definitions.segments.get(segment) else { return Ok(None) };
        let (plan, rule) = self.plan_of(segment);
        let history = self.histories(reader, &[id])?.remove(&id).unwrap_or_default();
        Ok(Some(why(&plan, (&definition.rule, &rule), id, &history, at)))
    }

    /// What definitions would change if they took effect now: for segments how many would enter and leave.
    /// O(calls).
    pub fn plan_changes(
        &self,
        reader: &dyn Reader,
        defined: &[Defined],
        now: Timestamp,
    ) -> Result<Vec<Change>, DefineError> {
        let mut definitions = self.definitions.clone();
        for one in defined {
            definitions.put(one.definition.clone());
        }
        definitions.check()?;
        let plan = Plan::new(&definitions);
        let customers = build(reader, &self.people, &plan, now)?;
        let mut changes = Vec::new();
        for one in defined {
            let (kind, name) = (one.definition.kind(), one.definition.name());
            let action = match self.version(kind, &name) {
                None => "created",
                Some(version) if version.value.as_ref() == Some(&one.value) => "unchanged",
                Some(_) => "changed",
            };
            let mut change = Change { kind, name: name.clone(), action, enter: 0, leave: 0 };
            if kind == DefinitionKind::Segment
                && let Some(index) = plan.segment(&name)
            {
                let old = self.plan.segment(&name);
                for (id, customer) in &customers {
                    let will = Asked { plan: &plan, id: *id, customer, now, floor: None }
                        .verdict(&plan.segments[index].rule)
                        .holds;
                    let is =
                        old.is_some_and(|old| self.customers.get(id).is_some_and(|customer| customer.is_member(old)));
                    change.enter += u64::from(will && !is);
                    change.leave += u64::from(is && !will);
                }
            }
            changes.push(change);
        }
        Ok(changes)
    }

    /// The latest versions of all definitions, by kind and name.
    pub fn all_versions(&self) -> impl Iterator<Item = &store::DefinitionVersion> {
        self.versions.values()
    }

    /// All ids under which facts of a person may be stored: those of every name they ever had.
    pub fn ids_of(&self, name: &str) -> Option<Vec<CustomerId>> {
        let id = self.people.look_up(name)?;
        Some(self.people.nodes_of(id.0).into_iter().map(CustomerId).collect())
    }
}
