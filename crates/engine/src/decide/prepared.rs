//! Campaigns compiled against the plan.

use crate::decide::program::{Compiling, Program};
use crate::segment::Standpoint;
use crate::segment::compile::own_messages_only;
use crate::segment::feature::{Keeps, Need};
use crate::segment::plan::{Node, Plan, StreamSpec};
use crate::segment::test::CompiledTests;
use domain::call::events;
use domain::campaign::{Action, Campaign, Goal, Trigger, Wait};
use domain::definition::Definitions;
use domain::segment::{EventName, Events};
use domain::{Call, Timestamp, Zone};
use rust_decimal::Decimal;

/// What somebody does when they are there: the events by which the best time is found. What machines do has other names.
const HABITS: [&str; 4] = [events::EMAIL_OPENED, events::LINK_CLICKED, events::PUSH_CLICKED, events::ORDER_COMPLETED];
/// So many of the latest of each are looked at.
const HABITS_KEPT: usize = 30;

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
    pub exit_if: Option<Node>,
    /// Its steps.
    pub program: Program,
    /// Records that satisfy these let nobody in.
    pub unless: Option<CompiledTests>,
    /// Holds if what must be missing is there.
    pub absent: Option<Node>,
    /// Streams that tell when somebody is there, where a step asks.
    pub habits: Vec<u32>,
    trigger_filter: Option<CompiledTests>,
    goal_filter: Option<CompiledTests>,
}

impl Prepared {
    /// Compiles one version; its conditions share the plan's streams.
    pub fn new(campaign: &Campaign, version: u32, plan: &mut Plan, definitions: &Definitions) -> Prepared {
        let purposes = &definitions.purposes;
        let triggered = Standpoint { triggered: true, ..Standpoint::default() };
        let inside = Standpoint { own_messages_of: Some(&campaign.name), ..Standpoint::default() };
        let since = Standpoint { since: true, key: campaign.enter.key.as_ref(), ..inside };
        let only_if = campaign.enter.only_if.as_ref().map(|rule| plan.compile_rule(rule, purposes, triggered).0);
        let exit_if = campaign.exit_if.as_ref().map(|rule| plan.compile_rule(rule, purposes, since).0);
        let (mut trigger_filter, mut unless, mut absent) = (None, None, None);
        match &campaign.enter.on {
            Trigger::Did { filter, .. } => trigger_filter = filter.as_ref().map(CompiledTests::new),
            Trigger::Record(on) => {
                unless = on.unless.as_ref().map(CompiledTests::new);
                absent = on.absent.as_ref().map(|rule| plan.compile_rule(rule, purposes, triggered).0);
            }
            _ => {}
        }
        let goal_filter = campaign.goal.as_ref().and_then(|goal| {
            let events = Events { event: goal.event.clone(), filter: goal.filter.clone(), zone: None };
            own_messages_only(&events, &campaign.name).as_ref().map(CompiledTests::new)
        });
        let program =
            Program::new(&campaign.steps, &mut Compiling { plan, purposes, in_branch: inside, in_wait: since });
        let asks_habits = program.places.iter().any(|place| matches!(place.action, Action::Wait(Wait::BestTime(_))));
        let habits = if asks_habits { habits(plan) } else { Vec::new() };
        let campaign = campaign.clone();
        Prepared { campaign, version, only_if, exit_if, program, unless, absent, habits, trigger_filter, goal_filter }
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

fn habits(plan: &mut Plan) -> Vec<u32> {
    let streams = HABITS.into_iter().map(|name| {
        plan.stream(StreamSpec {
            event: EventName::Exact(name.to_owned()),
            filter: None,
            keeps: Keeps::Nothing,
            keeps_body: false,
            need: Need::recent(HABITS_KEPT, None),
        })
    });
    streams.collect()
}

fn passes(filter: &CompiledTests, call: &Call, at: Timestamp, zone: &Zone) -> bool {
    !filter.is_malformed() && filter.ask(&call.body_value(), at, zone).holds
}
