//! Compares what a step expects with what is.

use crate::expect::{Expect, In, Matter, Of};
use crate::matching::{best_pairs, differs_in};
use crate::run::{Run, Stop, shown, unreadable};
use crate::words;
use crate::workspace::Told;
use domain::campaign::Trigger;
use domain::message::Outcome;
use domain::value::Path;
use domain::{CustomerId, Name, Timestamp};
use engine::profile::People;
use serde_json::Value;
use std::collections::BTreeSet;
use store::{DecisionFilter, Page, TaskFilter, WebhookFilter};

/// Most people that a failure names.
const NAMED: usize = 20;
/// Most tasks and webhooks that are looked at: the latest ones.
const MATTERS: u32 = 100_000;
/// Most earlier decisions that a failure names.
const EARLIER: u32 = 5;

/// Everything that a step expects, in the order of the spec.
pub(crate) fn check(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    expect_members(run, expect)?;
    expect_counts(run, expect)?;
    expect_messages(run, expect)?;
    expect_none_sent(run, expect);
    expect_inside(run, expect)?;
    expect_traits(run, expect);
    expect_rewards(run, expect)?;
    expect_transitions(run, &expect.entered, true, &format!("{}.entered", expect.place))?;
    expect_transitions(run, &expect.left, false, &format!("{}.left", expect.place))?;
    expect_until(run, expect)?;
    expect_as_of(run, expect)
}

impl Run {
    /// Who bears a name: userId, then anonymousId. An internal id is nobody's name.
    fn find(&self, name: &str) -> Option<CustomerId> {
        let people = self.people();
        people.look_up_node(name).map(|node| CustomerId(people.person(node)))
    }

    fn people(&self) -> &People {
        self.workspace.engine().look().people()
    }

    fn person(&self, customer: CustomerId) -> CustomerId {
        CustomerId(self.people().person(customer.0))
    }

    fn name_of(&self, customer: CustomerId) -> String {
        self.people().name_of(customer).to_string()
    }

    /// Why somebody belongs or not, condition by condition.
    fn why(&self, segment: &Name, who: &str) -> Result<Vec<String>, Stop> {
        let Some(id) = self.find(who) else { return Ok(vec![format!("nobody is called `{who}`")]) };
        let why = self.workspace.engine().look().why(segment, id)?;
        Ok(why.map(|why| words::why(&why)).unwrap_or_default())
    }

    /// An error unless there is such a segment now.
    fn known_segment(&self, segment: &Name, place: &str) -> Result<(), Stop> {
        if self.workspace.engine().look().plan().segment(segment).is_some() {
            return Ok(());
        }
        Err(unreadable(&format!("{place}.{segment}"), &no_such("segment", segment, self.segments.iter())))
    }

    /// An error unless there is such a campaign, or was.
    fn known_campaign(&self, campaign: &Name, place: &str) -> Result<(), Stop> {
        if self.campaigns.contains(campaign) {
            return Ok(());
        }
        Err(unreadable(place, &no_such("campaign", campaign, self.campaigns.iter())))
    }

    fn persons(&self, names: &[String]) -> BTreeSet<CustomerId> {
        names.iter().filter_map(|name| self.find(name)).collect()
    }
}

fn no_such<'a>(kind: &str, name: &Name, known: impl Iterator<Item = &'a Name>) -> String {
    match domain::shape::nearest(name.as_str(), known.map(Name::as_str)).filter(|near| *near != name.as_str()) {
        Some(near) => format!("there is no {kind} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {kind} `{name}` at this step"),
    }
}

fn expect_members(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    for (segment, people) in &expect.members {
        run.known_segment(segment, &format!("{}.members", expect.place))?;
        for (who, expected) in people {
            let look = run.workspace.engine().look();
            let found = run.find(who).and_then(|id| look.is_member(segment, id)).unwrap_or(false);
            if *expected != found {
                let why = run.why(segment, who)?;
                run.fail(membership(who, segment, *expected), was_member(found), why);
            }
        }
    }
    Ok(())
}

fn membership(who: &str, segment: &Name, expected: bool) -> String {
    let word = if expected { "a member" } else { "no member" };
    format!("{who} is {word} of {segment}")
}

fn was_member(found: bool) -> String {
    (if found { "a member" } else { "no member" }).to_owned()
}

fn expect_counts(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    for (segment, expected) in &expect.count {
        run.known_segment(segment, &format!("{}.count", expect.place))?;
        let members = run.workspace.engine().look().members(segment).unwrap_or_default();
        if members.len() as u64 != *expected {
            let mut names: Vec<String> = members.iter().take(NAMED).map(|id| run.name_of(*id)).collect();
            names.sort();
            let dots = if members.len() > NAMED { ", …" } else { "" };
            let who = vec![format!("members: {}{dots}", names.join(", "))];
            run.fail(format!("{segment} has {expected} members"), members.len().to_string(), who);
        }
    }
    Ok(())
}

fn expect_messages(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    for (index, wanted) in expect.messages.iter().enumerate() {
        if let Some(campaign) = &wanted.campaign {
            run.known_campaign(campaign, &format!("{}.messages[{index}].campaign", expect.place))?;
        }
    }
    let people: Vec<_> = expect.messages.iter().map(|wanted| wanted.to.as_deref().map(|to| run.find(to))).collect();
    let differs = |wanted: usize, told: usize| differs_in(&expect.messages[wanted], people[wanted], &run.told[told]);
    let pairs = best_pairs(expect.messages.len(), run.told.len(), |wanted, told| differs(wanted, told).is_empty());
    let taken: BTreeSet<usize> = pairs.iter().flatten().copied().collect();
    let mut missed = Vec::new();
    for (index, wanted) in expect.messages.iter().enumerate() {
        if pairs[index].is_some() {
            continue;
        }
        let open = (0..run.told.len()).filter(|told| !taken.contains(told));
        let near = open.map(|told| (differs(index, told), told)).min_by_key(|(differs, _)| differs.len());
        let mut why = Vec::new();
        if let Some((differs, told)) = near.filter(|(differs, _)| !differs.contains(&"to")) {
            why.push(format!("the nearest is {}; it differs in {}", words::told(&run.told[told]), differs.join(", ")));
        }
        match (&wanted.to, &wanted.campaign) {
            (Some(who), campaign) => why.extend(decisions_about(run, who, campaign.as_ref())?),
            (None, _) => why.extend(run.told.iter().map(words::told)),
        }
        missed.push((shown(&wanted.written), why));
    }
    let others: Vec<String> = run
        .told
        .iter()
        .enumerate()
        .filter(|(told, _)| !taken.contains(told))
        .map(|(_, told)| words::told(told))
        .collect();
    for (wanted, why) in missed {
        run.fail(format!("the outcome {wanted}"), "none such".to_owned(), why);
    }
    if expect.only && !others.is_empty() {
        let expected = if expect.messages.is_empty() { "no outcome of any message" } else { "no outcome but these" };
        run.fail(expected.to_owned(), format!("{} more", others.len()), others);
    }
    Ok(())
}

/// What was decided about somebody in this step and before; where nothing was, why not.
fn decisions_about(run: &Run, who: &str, campaign: Option<&Name>) -> Result<Vec<String>, Stop> {
    let Some(id) = run.find(who) else { return Ok(vec![format!("nobody is called `{who}`")]) };
    let own: Vec<String> = run.told.iter().filter(|told| told.customer == id).map(words::told).collect();
    if !own.is_empty() {
        return Ok([vec![format!("decided about {who} in this step:")], own].concat());
    }
    let mut lines = vec![format!("nothing was decided about {who} in this step")];
    let filter = DecisionFilter { customer: Some(id), ..DecisionFilter::default() };
    let earlier = run.workspace.reader()?.decisions(&filter, Page { skip: 0, limit: EARLIER })?;
    if !earlier.is_empty() {
        lines.push("before:".to_owned());
        lines.extend(earlier.iter().rev().map(|(_, decision)| words::decision(who, decision)));
    }
    let engine = run.workspace.engine();
    if let Some(campaign) = campaign
        && let Some(defined) = engine.definitions().campaigns.get(campaign)
    {
        let inside = engine.look().is_inside(campaign, id).unwrap_or(false);
        lines.push(format!("{who} is {} {campaign}", if inside { "inside" } else { "not inside" }));
        if let Trigger::Enters(segment) | Trigger::Leaves(segment) = &defined.enter.on {
            lines.push(format!("{campaign} begins with {segment}:"));
            lines.extend(run.why(segment, who)?.into_iter().map(|line| format!("  {line}")));
        }
    }
    Ok(lines)
}

fn expect_none_sent(run: &mut Run, expect: &Expect) {
    let left = |told: &Told| matches!(told.decision.outcome, Outcome::Sent | Outcome::Uncertain);
    for (names, expected, counts) in [
        (&expect.not_sent, "nothing is sent to", &left as &dyn Fn(&Told) -> bool),
        (&expect.no_messages_to, "nothing is decided about", &|_: &Told| true),
    ] {
        for who in names {
            let people = run.persons(std::slice::from_ref(who));
            let found: Vec<String> = run
                .told
                .iter()
                .filter(|told| people.contains(&told.customer) && counts(told))
                .map(words::told)
                .collect();
            if !found.is_empty() {
                run.fail(format!("{expected} {who}"), format!("{} outcomes", found.len()), found);
            }
        }
    }
}

fn expect_inside(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    for (campaign, people) in &expect.inside {
        run.known_campaign(campaign, &format!("{}.inside.{campaign}", expect.place))?;
        for (who, expected) in people {
            let look = run.workspace.engine().look();
            let found = run.find(who).and_then(|id| look.is_inside(campaign, id)).unwrap_or(false);
            if *expected != found {
                let why = decisions_about(run, who, Some(campaign))?;
                let word = |inside: bool| if inside { "inside" } else { "not inside" };
                run.fail(format!("{who} is {} {campaign}", word(*expected)), word(found).to_owned(), why);
            }
        }
    }
    Ok(())
}

fn expect_traits(run: &mut Run, expect: &Expect) {
    for (who, traits) in &expect.traits {
        let engine = run.workspace.engine();
        let customer = run.find(who).and_then(|id| engine.look().customer(id));
        let all = Value::Object(customer.map(|customer| customer.traits.all(engine.clock()).0).unwrap_or_default());
        for (key, expected) in traits {
            let found = all.get(key).or_else(|| Path::new(key).find(&all)).unwrap_or(&Value::Null);
            if !is_same(expected, found) {
                let why = vec![format!("traits of {who}: {}", shown(&all))];
                run.fail(format!("the trait {key} of {who} is {}", shown(expected)), shown(found), why);
            }
        }
    }
}

/// Equal, where 1 and 1.0 are one number.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => match (domain::value::number(a), domain::value::number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        _ => a == b,
    }
}

/// Tasks and webhooks: of all so far, each expected one matched once. Vouchers and points: given so far.
fn expect_rewards(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    if !expect.tasks.is_empty() {
        let reader = run.workspace.reader()?;
        let tasks = reader.tasks(&TaskFilter::default(), Page { skip: 0, limit: MATTERS })?;
        let found: Vec<Found> = tasks
            .into_iter()
            .map(|task| Found {
                about: run.person(task.customer),
                words: vec![
                    ("title", task.title),
                    ("campaign", task.campaign.to_string()),
                    ("step", task.step),
                    ("owner", task.owner.clone().unwrap_or_default()),
                    ("for", task.owner.unwrap_or_default()),
                    ("due", task.due.map(|due| due.to_string()).unwrap_or_default()),
                    ("draft", task.draft.map(|draft| draft.to_string()).unwrap_or_default()),
                ],
            })
            .collect();
        expect_matters(run, "task", &expect.tasks, &found);
    }
    if !expect.webhooks.is_empty() {
        let reader = run.workspace.reader()?;
        let webhooks = reader.webhooks(&WebhookFilter::default(), Page { skip: 0, limit: MATTERS })?;
        let found: Vec<Found> = webhooks
            .into_iter()
            .map(|webhook| Found {
                about: run.person(webhook.customer),
                words: vec![
                    ("event", webhook.event),
                    ("campaign", webhook.campaign.to_string()),
                    ("step", webhook.step),
                    ("url_of", webhook.endpoint.to_string()),
                ],
            })
            .collect();
        expect_matters(run, "webhook", &expect.webhooks, &found);
    }
    for (what, people) in [("vouchers", &expect.vouchers), ("points", &expect.points)] {
        for (who, expected) in people {
            let engine = run.workspace.engine();
            let customer = run.find(who).and_then(|id| engine.look().customer(id));
            let rewards = customer.map(engine::profile::Customer::rewards).unwrap_or_default();
            let found = if what == "points" { rewards.points } else { rewards.given };
            if found != *expected {
                let codes = rewards.vouchers.iter().map(|voucher| format!("voucher {}", voucher.code)).collect();
                run.fail(format!("{who} has {expected} {what}"), found.to_string(), codes);
            }
        }
    }
    Ok(())
}

/// A task or webhook that there is, in the words in which it can be expected.
struct Found {
    about: CustomerId,
    words: Vec<(&'static str, String)>,
}

fn expect_matters(run: &mut Run, what: &str, expected: &[Matter], found: &[Found]) {
    let people: Vec<_> = expected.iter().map(|matter| matter.about.as_deref().map(|who| run.find(who))).collect();
    let fits = |one: usize, other: usize| {
        people[one].is_none_or(|about| about == Some(found[other].about))
            && expected[one].words.iter().all(|(key, word)| found[other].words.contains(&(*key, word.clone())))
    };
    let pairs = best_pairs(expected.len(), found.len(), fits);
    let line = |found: &Found| {
        let words: Vec<String> = found.words.iter().map(|(key, word)| format!("{key}: {word}")).collect();
        format!("{what} about {}, {}", run.name_of(found.about), words.join(", "))
    };
    let lines: Vec<String> = found.iter().map(line).collect();
    for (matter, _) in expected.iter().zip(&pairs).filter(|(_, pair)| pair.is_none()) {
        run.fail(format!("the {what} {}", shown(&matter.written)), "none such".to_owned(), lines.clone());
    }
}

fn expect_transitions(run: &mut Run, expected: &In<Vec<String>>, entered: bool, place: &str) -> Result<(), Stop> {
    for (segment, names) in expected {
        if !run.segments.contains(segment) {
            run.known_segment(segment, place)?;
        }
        let of_segment: Vec<(CustomerId, Timestamp, bool)> = run
            .transitions
            .iter()
            .filter(|it| it.segment == *segment)
            .map(|it| (CustomerId(run.people().person(it.customer.0)), it.at, it.entered))
            .collect();
        let moved: BTreeSet<CustomerId> =
            of_segment.iter().filter(|(.., way)| *way == entered).map(|(person, ..)| *person).collect();
        let lines = || {
            let line = |(person, at, entered): &(CustomerId, Timestamp, bool)| {
                format!("{at} {} {}", run.name_of(*person), if *entered { "entered" } else { "left" })
            };
            of_segment.iter().map(line).collect::<Vec<_>>()
        };
        let word = if entered { "entered" } else { "left" };
        let mut failures = Vec::new();
        if names.is_empty() && !moved.is_empty() {
            failures.push((format!("nobody {word} {segment} in this step"), lines()));
        }
        for who in names.iter().filter(|who| !run.find(who).is_some_and(|id| moved.contains(&id))) {
            let mut why = lines();
            if run.known_segment(segment, place).is_ok() {
                why.extend(run.why(segment, who)?);
            }
            failures.push((format!("{who} {word} {segment} in this step"), why));
        }
        for (expected, why) in failures {
            run.fail(expected, "not so".to_owned(), why);
        }
    }
    Ok(())
}

fn expect_until(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    for (segment, people) in &expect.until {
        run.known_segment(segment, &format!("{}.until", expect.place))?;
        for (who, expected) in people {
            let why = match run.find(who) {
                Some(id) => run.workspace.engine().look().why(segment, id)?,
                None => None,
            };
            let found = why.as_ref().and_then(|why| why.until);
            if found != *expected {
                let word = |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| at.to_string());
                let lines = run.why(segment, who)?;
                run.fail(format!("{who} changes in {segment} at {}", word(*expected)), word(found), lines);
            }
        }
    }
    Ok(())
}

fn expect_as_of(run: &mut Run, expect: &Expect) -> Result<(), Stop> {
    for (at, segments) in &expect.as_of {
        for (segment, people) in segments {
            run.known_segment(segment, &format!("{}.as_of.{at}", expect.place))?;
            let members = run.workspace.engine().look().members_as_of(segment, *at)?.unwrap_or_default();
            compare_as_of(run, *at, segment, people, &members);
        }
    }
    Ok(())
}

fn compare_as_of(run: &mut Run, at: Timestamp, segment: &Name, people: &Of<bool>, members: &BTreeSet<CustomerId>) {
    for (who, expected) in people {
        let found = run.find(who).is_some_and(|id| members.contains(&id));
        if *expected != found {
            let mut names: Vec<String> = members.iter().take(NAMED).map(|id| run.name_of(*id)).collect();
            names.sort();
            let why = vec![format!("members then: {}", names.join(", "))];
            run.fail(format!("{} as of {at}", membership(who, segment, *expected)), was_member(found), why);
        }
    }
}
