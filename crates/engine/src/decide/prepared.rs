//! Campaigns compiled against the plan.

use crate::segment::plan::{Node, Plan, Uses};
use crate::segment::test::CompiledTests;
use domain::campaign::{Campaign, Goal, Trigger};
use domain::definition::Definitions;
use domain::{Call, Timestamp, Zone};
use rust_decimal::Decimal;

/// One version of a campaign, ready to decide with.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// As defined.
    pub campaign: Campaign,
    /// Which version.
    pub version: u32,
    /// Asked at the trigger.
    pub only_if: Option<Node>,
    /// Leaves when this holds.
    pub exit_if: Option<(Node, Uses)>,
    trigger_filter: Option<CompiledTests>,
    goal_filter: Option<CompiledTests>,
}

impl Prepared {
    /// Compiles one version; its conditions share the plan's streams.
    pub fn new(campaign: &Campaign, version: u32, plan: &mut Plan, definitions: &Definitions) -> Prepared {
        let purposes = &definitions.purposes;
        let only_if = campaign.enter.only_if.as_ref().map(|rule| plan.compile_rule(rule, purposes, None).0);
        let exit_if = campaign.exit_if.as_ref().map(|rule| plan.compile_rule(rule, purposes, Some(&campaign.name)));
        let trigger_filter = match &campaign.enter.on {
            Trigger::Did { filter: Some(filter), .. } => Some(CompiledTests::new(filter)),
            _ => None,
        };
        let goal_filter = campaign.goal.as_ref().and_then(|goal| goal.filter.as_ref()).map(CompiledTests::new);
        Prepared { campaign: campaign.clone(), version, only_if, exit_if, trigger_filter, goal_filter }
    }

    /// Whether events of this name may let in.
    pub fn is_triggered_by_name(&self, call: &Call) -> bool {
        match (&self.campaign.enter.on, call.event.as_deref()) {
            (Trigger::Did { event, .. }, Some(name)) => event.matches(name),
            _ => false,
        }
    }

    /// Whether an event lets in, as far as its name and tests say.
    pub fn is_trigger(&self, call: &Call, zone: &Zone) -> bool {
        self.is_triggered_by_name(call)
            && self.trigger_filter.as_ref().is_none_or(|filter| passes(filter, call, call.timestamp, zone))
    }

    /// The worth of an event that is the goal: none if it is not; its value where the goal names one.
    pub fn goal_worth(&self, call: &Call, zone: &Zone) -> Option<Option<(Decimal, Option<String>)>> {
        let goal: &Goal = self.campaign.goal.as_ref()?;
        let event = call.event.as_deref()?;
        if !goal.event.matches(event) {
            return None;
        }
        if let Some(filter) = &self.goal_filter
            && !passes(filter, call, call.timestamp, zone)
        {
            return None;
        }
        let Some(path) = &goal.value else {
            return Some(None);
        };
        let body = call.body_value();
        let amount = path.find(&body).and_then(domain::value::number);
        let currency = body.get("currency").and_then(|value| value.as_str()).map(str::to_owned);
        Some(amount.map(|amount| (amount, currency)))
    }
}

fn passes(filter: &CompiledTests, call: &Call, at: Timestamp, zone: &Zone) -> bool {
    !filter.is_malformed() && filter.ask(&call.body_value(), at, zone).holds
}
