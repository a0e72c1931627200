//! Questions about segments: how many, who, who was, and why.

use crate::segment::Plan;
use crate::segment::lanes::{Live, Rules};
use crate::segment::plan::Node;
use crate::segment::why::{Why, why};
use crate::state::Engine;
use domain::definition::Definitions;
use domain::{CustomerId, Name, Timestamp};
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
        let mut members: Vec<CustomerId> = self.members_now(index).collect();
        members.sort_unstable();
        members
    }

    /// A plan for one segment and those it names, and its rule. Small, so that history is walked quickly.
    pub(crate) fn plan_of(&self, segment: &Name) -> (Plan, Node) {
        let definitions = only_with(&self.definitions, vec![segment.clone()]);
        let plan = Plan::new(&definitions);
        let rule = plan.segment(segment).map_or(Node::Never, |index| plan.segments[index].rule.clone());
        (plan, rule)
    }

    /// Who satisfied a segment's rule at an instant, worked out from lanes: today's definition and identities over all
    /// events with time ≤ `at`, in the order of ids. None where lanes cannot tell; then `as_of::members` can.
    /// O(customers + events of the names that the rule mentions).
    pub fn members_by_lanes(&self, segment: &Name, at: Timestamp) -> Result<Option<Vec<CustomerId>>, StoreError> {
        let (plan, rule) = self.plan_of(segment);
        let room = self.people.node_count() + 1;
        let live = Live { held: &self.plan.held, clock: self.clock };
        let Some(rules) = Rules::of(&plan, &[&rule], live, &self.customers, at, room) else { return Ok(None) };
        let Some(view) = self.lanes.view(&plan, &self.people, self.position) else { return Ok(None) };
        let sets = view.ask(&plan, &rules)?;
        Ok(sets.first().map(|members| members.iter().collect()))
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

/// The definitions with these segments alone, and those that they name.
pub(crate) fn only_with(definitions: &Definitions, needed: Vec<Name>) -> Definitions {
    let needed = with_inner(definitions, needed);
    let mut definitions = definitions.clone();
    definitions.segments.retain(|name, _| needed.contains(name));
    definitions
}

/// These segments, and those that they name.
pub(crate) fn with_inner(definitions: &Definitions, mut needed: Vec<Name>) -> Vec<Name> {
    let mut next = 0;
    while let Some(name) = needed.get(next).cloned() {
        next += 1;
        for inner in definitions.segments.get(&name).map(|segment| segment.rule.segments()).unwrap_or_default() {
            if !needed.contains(inner) {
                needed.push(inner.clone());
            }
        }
    }
    needed
}
