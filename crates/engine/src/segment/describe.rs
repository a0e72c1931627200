//! Rules in plain English, for pages and answers.

use domain::Condition;
use domain::segment::{
    ConsentState, Did, Events, KnownFor, Measure, RecordAsked, RecordQuestion, Regularly, Sequence, Windows,
};
use domain::value::{HeldFor, Operator, Quantifier, Scalar, Test, Tests, When};

/// A sentence without a full stop: `did Order Completed at least 3 times in the last 365 days`.
pub fn describe(condition: &Condition) -> String {
    match condition {
        Condition::All(inner) => join(inner, "and"),
        Condition::Any(inner) => join(inner, "or"),
        Condition::None(inner) if inner.len() == 1 => negation(&inner[0]),
        Condition::None(inner) => format!("none of these: {}", join(inner, "or")),
        Condition::Not(inner) => negation(inner),
        Condition::Everyone => "everybody".to_owned(),
        Condition::Segment(name) => format!("is in the segment {name}"),
        Condition::Trait(tests) => describe_tests(tests),
        Condition::Did(did) => describe_did(did),
        Condition::AtEnd(at_end) => {
            format!("in their {} {}, {}", at_end.end.word(), events(&at_end.events), describe_tests(&at_end.has))
        }
        Condition::Sequence(sequence) => describe_sequence(sequence),
        Condition::FirstTime(asked) => {
            format!("did {} for the first time in the last {}", events(&asked.events), span_words(asked.within))
        }
        Condition::Stopped(asked) => format!(
            "did {} in the last {}, but not in the last {}",
            events(&asked.events),
            span_words(asked.active),
            span_words(asked.quiet)
        ),
        Condition::Restarted(asked) => format!(
            "did {} again in the last {} after a pause of {} or longer",
            events(&asked.events),
            span_words(asked.recent),
            span_words(asked.quiet)
        ),
        Condition::Regularly(asked) => describe_regularly(asked),
        Condition::Record(asked) => describe_record(asked),
        Condition::Score(name, test) => format!("the score {name} {}", describe_test(test)),
        Condition::Consent(asked) => {
            let channel = asked.channel.as_deref().map(|channel| format!(" by {channel}")).unwrap_or_default();
            let purpose = &asked.purpose;
            let said = match asked.is {
                ConsentState::Granted => format!("agreed to {purpose}{channel}"),
                ConsentState::Withdrawn => format!("said no to {purpose}{channel}"),
                ConsentState::Expired => format!("agreed to {purpose}{channel}, but that has run out"),
                ConsentState::Unknown => format!("was never asked about {purpose}{channel}"),
                ConsentState::Pending => format!("has not confirmed yet that {purpose}{channel} is welcome"),
            };
            match asked.ends_within {
                Some(span) => format!("{said}, and that ends by itself within {}", span_words(span)),
                None => said,
            }
        }
        Condition::List(list) => format!("is on the list {list}"),
        Condition::KnownFor(KnownFor::AtLeast(span)) => {
            format!("has been a customer for {} or longer", span_words(*span))
        }
        Condition::KnownFor(KnownFor::LessThan(span)) => {
            format!("has been a customer for less than {}", span_words(*span))
        }
        Condition::Bucket(bucket) => format!("belongs to a random {} of customers", bucket.percent),
    }
}

/// What does not hold, as one says it where there are words for it.
fn negation(condition: &Condition) -> String {
    match condition {
        Condition::Segment(name) => format!("is not in the segment {name}"),
        Condition::List(list) => format!("is not on the list {list}"),
        Condition::Everyone => "nobody".to_owned(),
        other => format!("not ({})", describe(other)),
    }
}

fn join(inner: &[Condition], word: &str) -> String {
    let parts: Vec<String> = inner
        .iter()
        .map(|condition| match condition {
            Condition::All(list) | Condition::Any(list) | Condition::None(list) if list.len() > 1 => {
                format!("({})", describe(condition))
            }
            _ => describe(condition),
        })
        .collect();
    parts.join(&format!(" {word} "))
}

fn events(events: &Events) -> String {
    match &events.filter {
        None => events.event.to_string(),
        Some(tests) => format!("{} where {}", events.event, describe_tests(tests)),
    }
}

fn describe_sequence(sequence: &Sequence) -> String {
    let Sequence { first, then, absent, within, same, recent } = sequence;
    let same = same.as_ref().map(|path| format!(" with the same {path}")).unwrap_or_default();
    let recent = recent.map(|recent| format!(" in the last {}", span_words(recent))).unwrap_or_default();
    let not = if *absent { "no " } else { "" };
    format!("did {}{recent} and then {not}{}{same} within {}", events(first), events(then), span_words(*within))
}

fn describe_regularly(asked: &Regularly) -> String {
    let often = if asked.at_least == 1 { String::new() } else { format!(" at least {}", times(asked.at_least)) };
    let every = span_words(asked.every);
    let every = every.strip_prefix("1 ").unwrap_or(&every).to_owned();
    let event = events(&asked.events);
    if asked.at_least_periods == asked.periods {
        format!("did {event}{often} every {every}, {} in a row", times(asked.periods))
    } else {
        format!(
            "did {event}{often} in at least {} of the last {} periods of {}",
            asked.at_least_periods,
            asked.periods,
            span_words(asked.every)
        )
    }
}

fn describe_record(asked: &RecordAsked) -> String {
    let kind = &asked.kind;
    match &asked.question {
        RecordQuestion::Quantified(Quantifier::Any, tests) => format!("has a {kind} whose {}", describe_tests(tests)),
        RecordQuestion::Quantified(Quantifier::Every, tests) => {
            format!("has a {kind}, and of every {kind} {}", describe_tests(tests))
        }
        RecordQuestion::Quantified(Quantifier::NoOne, tests) => {
            format!("has no {kind} whose {}", describe_tests(tests))
        }
        RecordQuestion::Measured { filter, measure } => {
            let which = filter.as_ref().map(|tests| format!(" whose {}", describe_tests(tests))).unwrap_or_default();
            match measure {
                Measure::Count { least: 0, most: Some(0) } => format!("has no {kind}{which}"),
                Measure::Count { least: 1, most: None } => format!("has a {kind}{which}"),
                Measure::Count { least, most: None } => format!("has at least {least} of {kind}{which}"),
                Measure::Count { least: 0, most: Some(most) } => format!("has at most {most} of {kind}{which}"),
                Measure::Count { least, most: Some(most) } if least == most => {
                    format!("has exactly {most} of {kind}{which}")
                }
                Measure::Count { least, most: Some(most) } => format!("has {least} to {most} of {kind}{which}"),
                Measure::Aggregate { aggregate, path, comparison } => {
                    format!("the {} over every {kind}{which} is {comparison}", aggregate_words(aggregate.word(), path))
                }
            }
        }
    }
}

fn aggregate_words(aggregate: &str, path: &domain::Path) -> String {
    match aggregate {
        "distinct" => format!("number of different {path}"),
        word => format!("{word} of {path}"),
    }
}

fn describe_did(did: &Did) -> String {
    let filter = did.filter.as_ref().map(|tests| format!(" where {}", describe_tests(tests))).unwrap_or_default();
    let window = describe_windows(&did.windows);
    let event = &did.event;
    // What is asked of the event stands last: it may be long.
    match &did.measure {
        Measure::Count { least: 0, most: Some(0) } => format!("has not done {event}{window}{filter}"),
        Measure::Count { least: 1, most: None } => format!("did {event}{window}{filter}"),
        Measure::Count { least, most: None } => format!("did {event} at least {}{window}{filter}", times(*least)),
        Measure::Count { least: 0, most: Some(most) } => {
            format!("did {event} at most {}{window}{filter}", times(*most))
        }
        Measure::Count { least, most: Some(most) } if least == most => {
            format!("did {event} exactly {}{window}{filter}", times(*most))
        }
        Measure::Count { least, most: Some(most) } => format!("did {event} {least} to {most} times{window}{filter}"),
        Measure::Aggregate { aggregate, path, comparison } => {
            let aggregate = aggregate_words(aggregate.word(), path);
            format!("the {aggregate} over {event}{window}{filter} is {comparison}")
        }
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

fn describe_windows(windows: &Windows) -> String {
    let mut text = String::new();
    if let Some(span) = windows.within {
        text.push_str(&format!(" in the last {}", span_words(span)));
    }
    match windows.within_days {
        Some(0) => text.push_str(" today"),
        Some(1) => text.push_str(" today or yesterday"),
        Some(days) => text.push_str(&format!(" today or in the {days} days before")),
        None => {}
    }
    match (windows.after.as_ref().map(when_words), windows.before.as_ref().map(when_words)) {
        (Some(after), Some(before)) => text.push_str(&format!(" from {after} until {before}")),
        (Some(after), None) => text.push_str(&format!(" since {after}")),
        (None, Some(before)) => text.push_str(&format!(" before {before}")),
        (None, None) => {}
    }
    text
}

/// `30 days`, `2 hours`, `90 seconds`.
pub fn span_words(span: domain::Span) -> String {
    let text = span.to_string();
    let (number, unit) = text.split_at(text.len() - 1);
    let word = match unit {
        "d" => "day",
        "h" => "hour",
        "m" => "minute",
        _ => "second",
    };
    if number == "1" { format!("1 {word}") } else { format!("{number} {word}s") }
}

fn describe_tests(tests: &Tests) -> String {
    let list =
        |inner: &[Tests], word: &str| inner.iter().map(describe_tests).collect::<Vec<_>>().join(&format!(" {word} "));
    match tests {
        Tests::Any(inner) | Tests::All(inner) if inner.len() == 1 => describe_tests(&inner[0]),
        Tests::All(inner) => list(inner, "and"),
        Tests::Any(inner) => format!("({})", list(inner, "or")),
        Tests::None(inner) => format!("none of ({})", list(inner, "or")),
        Tests::At(path, test) => format!("{path} {}", describe_test(test)),
        Tests::Elements(path, quantifier, inner) => {
            let word = match quantifier {
                Quantifier::Any => "one of",
                Quantifier::Every => "every one of",
                Quantifier::NoOne => "no one of",
            };
            format!("{word} {path} has {}", describe_tests(inner))
        }
    }
}

fn describe_test(test: &Test) -> String {
    let text = match &test.operator {
        Operator::Is(operand) => format!("is {}", operand.as_ref().map_or_else(|| "nothing".to_owned(), scalar)),
        Operator::IsNot(operand) => format!("is not {}", operand.as_ref().map_or_else(|| "nothing".to_owned(), scalar)),
        Operator::In(operands) => format!("is one of {}", scalars(operands)),
        Operator::NotIn(operands) => format!("is none of {}", scalars(operands)),
        Operator::Exists(true) => "is known".to_owned(),
        Operator::Exists(false) => "is not known".to_owned(),
        Operator::Above(limit) => format!("is above {limit}"),
        Operator::AtLeast(limit) => format!("is at least {limit}"),
        Operator::Below(limit) => format!("is below {limit}"),
        Operator::AtMost(limit) => format!("is at most {limit}"),
        Operator::Between(low, high) => format!("is between {low} and {high}"),
        Operator::Contains(part) => format!("contains “{part}”"),
        Operator::NotContains(part) => format!("does not contain “{part}”"),
        Operator::StartsWith(part) => format!("starts with “{part}”"),
        Operator::EndsWith(part) => format!("ends with “{part}”"),
        Operator::Matches(pattern) => format!("matches {pattern}"),
        Operator::Includes(operand) => format!("includes {}", scalar(operand)),
        Operator::NotIncludes(operand) => format!("does not include {}", scalar(operand)),
        Operator::Before(when) => format!("is before {}", when_words(when)),
        Operator::After(when) => format!("is after {}", when_words(when)),
        Operator::WithinPast(span) => format!("lies in the last {}", span_words(*span)),
        Operator::WithinNext(span) => format!("lies in the next {}", span_words(*span)),
        Operator::OnDay(0) => "is today".to_owned(),
        Operator::OnDay(-1) => "was yesterday".to_owned(),
        Operator::OnDay(1) => "is tomorrow".to_owned(),
        Operator::OnDay(days) if *days < 0 => format!("was {} days ago", -days),
        Operator::OnDay(days) => format!("is in {days} days"),
        Operator::Anniversary(0) => "has its anniversary today".to_owned(),
        Operator::Anniversary(1) => "has its anniversary today or tomorrow".to_owned(),
        Operator::Anniversary(days) => format!("has its anniversary in the next {days} days"),
        Operator::HeldFor(value, HeldFor::AtLeast(span)) => {
            format!("has been {} for {} or longer", scalar(value), span_words(*span))
        }
        Operator::HeldFor(value, HeldFor::LessThan(span)) => {
            format!("has been {} for less than {}", scalar(value), span_words(*span))
        }
    };
    if test.ignore_case { format!("{text} (in any case)") } else { text }
}

fn when_words(when: &When) -> String {
    match when {
        When::Written(text) => text.clone(),
        When::Now(span) if span.0 == 0 => "now".to_owned(),
        When::Now(span) if span.0 < 0 => format!("{} ago", span_words(domain::Span(-span.0))),
        When::Now(span) => format!("{} from now", span_words(*span)),
    }
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(flag) => flag.to_string(),
        Scalar::Text(text) => format!("“{text}”"),
    }
}

fn scalars(values: &[Scalar]) -> String {
    values.iter().map(scalar).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::describe;
    use domain::Condition;

    #[test]
    fn a_rule_reads_as_one_would_say_it() {
        let said = [
            (
                "{ did: Order Completed, at_least: 3, within: 365d }",
                "did Order Completed at least 3 times in the last 365 days",
            ),
            ("{ did_not: Order Completed, within: 30d }", "has not done Order Completed in the last 30 days"),
            (
                "{ did: Order Completed, sum: revenue, at_least: 250, within: 365d, where: { currency: { is: GBP } } }",
                "the sum of revenue over Order Completed in the last 365 days where currency is “GBP” is at least 250",
            ),
            (
                "{ all: [ { did: A }, { any: [ { did: B }, { list: vip } ] }, { not: { segment: regulars } } ] }",
                "did A and (did B or is on the list vip) and is not in the segment regulars",
            ),
            (
                "{ sequence: { first: { did: Product Added }, then_not: { did: Order Completed }, within: 2h } }",
                "did Product Added and then no Order Completed within 2 hours",
            ),
            ("{ stopped: Visit, active: 14d, quiet: 7d }", "did Visit in the last 14 days, but not in the last 7 days"),
            ("{ last: Visit, has: { kind: { is: gym } } }", "in their last Visit, kind is “gym”"),
            ("{ record: pass, any: { status: { is: active } } }", "has a pass whose status is “active”"),
            ("{ consent: { purpose: news, channel: email, is: withdrawn } }", "said no to news by email"),
            (
                "{ consent: { purpose: news, channel: email, is: granted, ends_within: 30d } }",
                "agreed to news by email, and that ends by itself within 30 days",
            ),
            ("{ did: A, within_days: 0 }", "did A today"),
            ("{ none: [ { did: A }, { did: B } ] }", "none of these: did A or did B"),
        ];
        for (rule, words) in said {
            let value = domain::definition::read_yaml(rule).unwrap().remove(0);
            assert_eq!(describe(&Condition::read(&value, "where").unwrap()), words, "{rule}");
        }
    }
}
