//! What is odd about definitions but allowed: said beside the preview and on their pages.

use crate::state::Engine;
use domain::call::events;
use domain::campaign::{Action, Step, Trigger};
use domain::definition::{Definition, Definitions};
use domain::message::Channel;
use domain::segment::{EventName, Measure, RecordQuestion};
use domain::value::Quantifier;
use domain::{Campaign, Condition, Name, Segment, Tests};

impl Engine {
    pub(super) fn warn_segment(&self, segment: &Segment) -> Vec<String> {
        let mut warnings = Vec::new();
        self.warn_rule(&segment.rule, &mut warnings);
        warnings
    }

    /// What is odd about a segment that exists: for its page.
    pub fn segment_warnings(&self, name: &Name) -> Vec<String> {
        self.definitions.segments.get(name).map(|segment| self.warn_segment(segment)).unwrap_or_default()
    }

    pub(super) fn warn_campaign(&self, campaign: &Campaign, definitions: &Definitions) -> Vec<String> {
        let mut warnings = Vec::new();
        for (_, rule) in campaign.conditions() {
            self.warn_rule(rule, &mut warnings);
        }
        if let Trigger::Did { event, .. } = &campaign.enter.on {
            self.warn_event(event, &mut warnings);
        }
        if let Some(goal) = &campaign.goal {
            self.warn_event(&goal.event, &mut warnings);
        }
        let steps = campaign.all_steps();
        let writes = steps.iter().any(|step| matches!(step.action, Action::Message { .. }));
        if writes && definitions.settings.sender.is_none() {
            warnings.push(
                "no sender is defined, so real mail cannot go out: add `sender:` to `workspace: settings`".to_owned(),
            );
        }
        if !self.options.real_channels.is_empty() {
            self.warn_channels(&steps, definitions, &mut warnings);
        }
        let mut unknown = std::collections::BTreeSet::new();
        for step in &steps {
            if let Action::Webhook { endpoint, .. } = &step.action
                && !self.options.endpoints.has(endpoint)
            {
                unknown.insert(endpoint);
            }
        }
        for endpoint in unknown {
            warnings.push(format!(
                "webhooks to `{endpoint}` are kept here: no `[webhooks.{endpoint}]` stands in the configuration"
            ));
        }
        warnings
    }

    /// Where something is really sent, a message that is only written down may look as if it had been.
    fn warn_channels(&self, steps: &[&Step], definitions: &Definitions, warnings: &mut Vec<String>) {
        let channel_of = |step: &&Step| match &step.action {
            Action::Message { template, channel, .. } => {
                channel.or_else(|| definitions.templates.get(template).map(|template| template.channel))
            }
            _ => None,
        };
        let channels: std::collections::BTreeSet<Channel> = steps.iter().filter_map(channel_of).collect();
        for channel in channels.difference(&self.options.real_channels) {
            warnings.push(format!(
                "messages by {channel} are kept here and count as sent: nothing in the configuration sends them"
            ));
        }
    }

    fn warn_rule(&self, rule: &Condition, warnings: &mut Vec<String>) {
        rule.walk(&mut |condition| {
            condition.events(&mut |event, _| self.warn_event(event, warnings));
            if let Condition::Score(name, _) = condition {
                warnings.push(format!("nobody has a score `{name}` yet: it is missing until predictions fill it"));
            }
            warn_condition(condition, warnings);
        });
        warnings.dedup();
    }

    fn warn_event(&self, event: &EventName, warnings: &mut Vec<String>) {
        let seen = match event {
            EventName::Exact(name) => self.catalogue.has_event(name) || is_own(name),
            EventName::Prefix(_) => self.catalogue.events().iter().any(|(name, _)| event.matches(name)),
        };
        if !seen {
            let known = self.catalogue.events();
            let near = domain::shape::nearest(&event.to_string(), known.iter().map(|(name, _)| *name))
                .map(|near| format!("; the nearest that has is `{near}`"));
            warnings.push(format!("no event `{event}` has come in so far{}", near.unwrap_or_default()));
        }
    }
}

/// What is odd about a definition whatever happens: paths that lead nowhere, currencies that are added up alike.
pub fn warnings_of(definition: &Definition) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |rule: &Condition| rule.walk(&mut |condition| warn_condition(condition, &mut warnings));
    match definition {
        Definition::Segment(segment) => warn(&segment.rule),
        Definition::Campaign(campaign) => campaign.conditions().iter().for_each(|(_, rule)| warn(rule)),
        Definition::Workspace(_) | Definition::Purpose(_) | Definition::Template(_) => {}
    }
    warnings.dedup();
    warnings
}

fn warn_condition(condition: &Condition, warnings: &mut Vec<String>) {
    let measured = match condition {
        Condition::Did(did) => Some((&did.measure, did.filter.as_ref())),
        Condition::Record(asked) => match &asked.question {
            RecordQuestion::Measured { filter, measure } => Some((measure, filter.as_ref())),
            RecordQuestion::Quantified(..) => None,
        },
        _ => None,
    };
    if let Some((Measure::Aggregate { path, .. }, filter)) = measured {
        let is_money = ["revenue", "total", "value", "price", "amount"].contains(&path.as_str());
        if is_money && !filter.is_some_and(|tests| names(tests, "currency")) {
            warnings.push(format!("`{path}` is added up over all currencies alike: add `where: {{ currency: {{ is: … }} }}` if there are several"));
        }
        if path.is_malformed() {
            warnings.push(malformed(path.as_str()));
        }
    }
    if let Condition::Sequence(sequence) = condition
        && let Some(path) = sequence.same.as_ref().filter(|path| path.is_malformed())
    {
        warnings.push(malformed(path.as_str()));
    }
    condition.own_tests(&mut |tests| warn_tests(tests, warnings));
}

fn malformed(path: &str) -> String {
    format!("the path `{path}` is malformed, so its condition is never true")
}

/// Events that Perennial writes itself may well be asked for before the first one.
fn is_own(name: &str) -> bool {
    let starts = ["Message ", "Email ", "In-App "];
    let names = [events::UNSUBSCRIBED, events::PUSH_SUBSCRIBED, events::PUSH_UNSUBSCRIBED, events::PUSH_CLICKED];
    starts.iter().any(|start| name.starts_with(start)) || names.contains(&name) || events::is_of_machine(name)
}

fn names(tests: &Tests, key: &str) -> bool {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => inner.iter().any(|tests| names(tests, key)),
        Tests::At(path, _) => path.first() == Some(key),
        Tests::Elements(_, Quantifier::Any | Quantifier::Every | Quantifier::NoOne, inner) => names(inner, key),
    }
}

fn warn_tests(tests: &Tests, warnings: &mut Vec<String>) {
    match tests {
        Tests::All(inner) | Tests::Any(inner) | Tests::None(inner) => {
            inner.iter().for_each(|tests| warn_tests(tests, warnings))
        }
        Tests::At(path, _) if path.is_malformed() => warnings.push(malformed(path.as_str())),
        Tests::At(..) => {}
        Tests::Elements(path, _, inner) => {
            if path.is_malformed() {
                warnings.push(malformed(path.as_str()));
            }
            warn_tests(inner, warnings);
        }
    }
}
