//! The instants at which a verdict may change by time alone: too many rather than too few. They are found without
//! understanding the rule: every span and every date in it, before and after everything that ever happened.

use crate::plain::Person;
use domain::segment::{KnownFor, Windows};
use domain::time::add_days;
use domain::value::{HeldFor, Operator, Test, Tests, When};
use domain::workspace::Lasts;
use domain::{Condition, Name, Span, Timestamp, Zone};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a rule says of time.
#[derive(Default)]
struct Said {
    spans: BTreeSet<Span>,
    texts: Vec<String>,
    zones: Vec<Zone>,
}

impl Person<'_> {
    /// Instants after `from`, up to `to`, at which the verdict of a segment may change by time alone.
    pub fn turns(&self, segment: &Name, from: Timestamp, to: Timestamp) -> BTreeSet<Timestamp> {
        let mut said = Said::default();
        said.spans.insert(Span(0));
        said.zones.push(self.definitions.settings.zone.clone());
        self.collect(&self.definitions.segments[segment].rule, &mut said);
        let mut bases: BTreeSet<Timestamp> = BTreeSet::new();
        for (call, body) in self.calls.iter().zip(self.bodies) {
            bases.extend([call.timestamp, call.received_at]);
            said.zones.extend(body.get("timezone").and_then(Value::as_str).and_then(Zone::find));
            collect_texts(body, &mut said.texts);
        }
        for record in self.records {
            bases.insert(record.at);
            collect_texts(&record.body, &mut said.texts);
        }
        said.zones.sort_by(|a, b| a.name().cmp(b.name()));
        said.zones.dedup();
        for text in &said.texts {
            bases.extend(said.zones.iter().filter_map(|zone| Timestamp::parse_in(text, zone)));
        }
        let mut turns = BTreeSet::new();
        for base in &bases {
            for span in &said.spans {
                for at in [base.plus(*span), base.minus(*span)] {
                    turns.extend([at, at.plus(Span(1))].into_iter().filter(|at| *at > from && *at <= to));
                }
            }
        }
        for zone in &said.zones {
            let mut day = zone.date(from);
            while zone.start_of_day(day) <= to {
                turns.extend(Some(zone.start_of_day(day)).filter(|at| *at > from));
                day = add_days(day, 1);
            }
        }
        turns
    }

    fn collect(&self, rule: &Condition, said: &mut Said) {
        match rule {
            Condition::All(rules) | Condition::Any(rules) | Condition::None(rules) => {
                rules.iter().for_each(|rule| self.collect(rule, said));
            }
            Condition::Not(rule) => self.collect(rule, said),
            Condition::Segment(name) => self.collect(&self.definitions.segments[name].rule, said),
            Condition::KnownFor(KnownFor::AtLeast(span) | KnownFor::LessThan(span)) => {
                said.spans.insert(*span);
            }
            Condition::Did(did) => {
                said.windows(&did.windows);
                said.zones.extend(did.zone.clone());
            }
            Condition::AtEnd(asked) => said.zones.extend(asked.events.zone.clone()),
            Condition::Sequence(asked) => {
                said.spans.insert(asked.within);
                said.spans.extend(asked.recent);
                said.zones.extend(asked.first.zone.iter().chain(&asked.then.zone).cloned());
            }
            Condition::FirstTime(asked) => {
                said.spans.insert(asked.within);
                said.zones.extend(asked.events.zone.clone());
            }
            Condition::Stopped(asked) => {
                said.spans.extend([asked.active, asked.quiet]);
                said.zones.extend(asked.events.zone.clone());
            }
            Condition::Restarted(asked) => {
                let whole = Span(asked.quiet.0 + asked.recent.0);
                said.spans.extend([asked.quiet, asked.recent, whole]);
                said.zones.extend(asked.events.zone.clone());
            }
            Condition::Regularly(asked) => {
                said.spans.extend((1..=i64::from(asked.periods)).map(|i| Span(asked.every.0 * i)));
                said.zones.extend(asked.events.zone.clone());
            }
            Condition::Consent(asked) => {
                let purpose = &self.definitions.purposes[&asked.purpose];
                let clocks = purpose.implied.iter().filter_map(|clock| match clock.lasts {
                    Lasts::For(span) => Some(span),
                    // Months are tried by examples alone: they end where no span of this rule leads.
                    Lasts::Months(_) => None,
                });
                let lasting: Vec<Span> = clocks.chain(purpose.confirm).chain([Span(0)]).collect();
                for span in lasting {
                    said.spans.insert(span);
                    said.spans.extend(asked.ends_within.map(|within| Span(span.0 - within.0)));
                }
            }
            Condition::Record(asked) => said.zones.extend(asked.zone.clone()),
            Condition::Trait(_)
            | Condition::Score(..)
            | Condition::List(_)
            | Condition::Bucket(_)
            | Condition::Everyone => {}
        }
        rule.own_tests(&mut |tests| said.tests(tests));
    }
}

impl Said {
    fn windows(&mut self, windows: &Windows) {
        self.spans.extend(windows.within);
        windows.after.iter().chain(&windows.before).for_each(|edge| self.edge(edge));
    }

    fn edge(&mut self, edge: &When) {
        match edge {
            When::Written(text) => self.texts.push(text.clone()),
            When::Now(span) => drop(self.spans.insert(*span)),
        }
    }

    fn tests(&mut self, tests: &Tests) {
        tests.walk(&mut |_, test| self.test(test));
    }

    fn test(&mut self, test: &Test) {
        self.zones.extend(test.zone.clone());
        match &test.operator {
            Operator::Before(edge) | Operator::After(edge) => self.edge(edge),
            Operator::WithinPast(span)
            | Operator::WithinNext(span)
            | Operator::HeldFor(_, HeldFor::AtLeast(span) | HeldFor::LessThan(span)) => {
                self.spans.insert(*span);
            }
            _ => {}
        }
    }
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(map) => map.values().for_each(|item| collect_texts(item, texts)),
        _ => {}
    }
}
