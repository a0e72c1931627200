//! The engine against the plain evaluator: random small histories and definitions, at random instants.

use domain::definition::{Defined, Definition};
use domain::{Call, Name, Span, Timestamp, Trust};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Page, RowId, TransitionFilter};
use testkit::actors::name;
use testkit::chance::Chance;
use testkit::plain::Plain;
use testkit::{Keeps, Post, Shop, random};

/// Random worlds in CI; `PLAIN_CASES` asks for more.
const CASES: u64 = 150;

struct World {
    shop: Shop,
    chance: Chance,
    segments: Vec<Name>,
    /// Transitions that were compared.
    transitions: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let start = Timestamp::parse("2026-03-25T12:00:00Z").unwrap();
        let shop = Shop::bare(start, Keeps::Memory, Post::Outbox);
        let mut world = World { shop, chance: Chance::new(seed), segments: Vec::new(), transitions: 0 };
        let zone = *world.chance.pick(&["UTC", "Europe/London", "America/New_York"]);
        world.put(vec![
            json!({ "workspace": "settings", "zone": zone }),
            json!({ "purpose": "news", "default": world.chance.clone().pick(&["granted", "unknown"]), "channels": ["email", "sms"] }),
        ]);
        world.redefine();
        world
    }

    fn put(&self, values: Vec<serde_json::Value>) {
        let defined = values
            .into_iter()
            .map(|value| Defined {
                definition: Definition::read(&value).unwrap_or_else(|error| panic!("{value}: {error}")),
                value,
            })
            .collect();
        let now = self.shop.now();
        self.shop.engine_mut().define(defined, "test", now).unwrap();
        self.shop.settle();
    }

    fn redefine(&mut self) {
        let now = self.shop.now();
        let values = random::segments(&mut self.chance, now);
        let mut names: BTreeSet<Name> = self.segments.iter().cloned().collect();
        names.extend(values.iter().map(|value| name(value["segment"].as_str().unwrap())));
        self.put(values);
        self.segments = names.into_iter().collect();
    }

    fn calls(&self) -> Vec<Arc<Call>> {
        let mut calls = Vec::new();
        self.shop
            .reader()
            .replay(RowId(0), &mut |row| {
                calls.extend(row.calls);
                Ok(())
            })
            .unwrap();
        calls
    }

    fn act(&mut self) {
        match self.chance.below(100) {
            0..70 => {
                let now = self.shop.now();
                let call = random::call(&mut self.chance, now);
                self.shop.send(&call, Trust::Server);
            }
            70..76 => self.shop.restart(),
            76..80 => self.redefine(),
            80..90 => {
                let people: Vec<_> = self.shop.engine().look().customers().into_iter().collect();
                if people.len() >= 2 {
                    let (a, b) = (*self.chance.pick(&people), *self.chance.pick(&people));
                    if a != b {
                        let now = self.shop.now();
                        self.shop.engine_mut().merge_people(a, b, now).unwrap();
                        self.shop.settle();
                    }
                }
            }
            _ => {
                let nodes = self.shop.engine().look().people().node_count() as u64;
                let now = self.shop.now();
                let (a, b) = (1 + self.chance.below(nodes), 1 + self.chance.below(nodes));
                if nodes >= 2 {
                    let number = |node: u64| u32::try_from(node).unwrap();
                    // Refused where they are two already.
                    let _ = self.shop.engine_mut().unmerge_names(number(a), number(b), now);
                    self.shop.settle();
                }
            }
        }
    }

    /// Time passes; who enters and leaves by time alone is known beforehand to the millisecond.
    fn pass_time(&mut self) {
        let (now, calls) = (self.shop.now(), self.calls());
        let until = match self.chance.below(10) {
            0..3 => now,
            3..8 => random::near(&mut self.chance, now, Span(0), Span::days(2)),
            _ => now.plus(Span::days(self.chance.between(1, 9))),
        }
        .max(now);
        let definitions = self.shop.engine().definitions().clone();
        let plain = Plain::new(&calls, &definitions);
        let mut expected = Vec::new();
        for segment in &self.segments {
            for id in plain.people() {
                let person = plain.person(id).unwrap();
                let mut member = person.is_in(segment, now);
                for at in person.turns(segment, now, until) {
                    if person.is_in(segment, at) != member {
                        member = !member;
                        expected.push((at, segment.to_string(), id, member));
                    }
                }
            }
        }
        let before = self.transition_count();
        self.shop.move_to(until);
        let count = self.transition_count() - before;
        let page = Page { skip: 0, limit: u32::try_from(count.max(1)).unwrap() };
        let found = self.shop.reader().transitions(&TransitionFilter::default(), page).unwrap();
        let mut found: Vec<_> = found
            .into_iter()
            .take(usize::try_from(count).unwrap())
            .map(|(_, it)| (it.at, it.segment.to_string(), it.customer, it.entered))
            .collect();
        expected.sort();
        found.sort();
        if found != expected {
            for (_, segment, id, _) in found.iter().chain(&expected) {
                println!("{segment}: {:?}\n{id}:", definitions.segments[&name(segment)].rule);
                for (index, call) in calls.iter().enumerate().filter(|(index, _)| plain.owner(*index) == Some(*id)) {
                    println!(
                        "  {index} {} {:?} {:?} arrived {} {}",
                        call.timestamp, call.kind, call.event, call.received_at, call.body
                    );
                }
            }
        }
        assert_eq!(found, expected, "entries and exits by time alone, from {now} to {until}");
        self.transitions += expected.len();
    }

    fn transition_count(&self) -> u64 {
        let newest = self.shop.reader().transitions(&TransitionFilter::default(), Page { skip: 0, limit: 1 }).unwrap();
        newest.first().map_or(0, |(number, _)| *number)
    }

    fn compare(&mut self) {
        let (now, calls) = (self.shop.now(), self.calls());
        let definitions = self.shop.engine().definitions().clone();
        let plain = Plain::new(&calls, &definitions);
        if self.shop.engine().look().customers() != plain.people() {
            for (index, call) in calls.iter().enumerate() {
                println!(
                    "  {} {:?} {:?} {:?} {:?} {} owner {:?}",
                    index + 1,
                    call.kind,
                    call.user_id,
                    call.anonymous_id,
                    call.other_id,
                    call.body,
                    plain.owner(index)
                );
            }
            for number in 1..=self.shop.engine().look().people().node_count() {
                println!("  {:?}", self.shop.engine().look().people().node(u32::try_from(number).unwrap()));
            }
        }
        assert_eq!(self.shop.engine().look().customers(), plain.people(), "people");
        for segment in &self.segments {
            let live = self.shop.engine().look().members(segment).unwrap();
            assert_eq!(
                live,
                plain.members(segment, now),
                "members of {segment} at {now}: {:?}",
                definitions.segments[segment].rule
            );
        }
        let segment = self.chance.pick(&self.segments).clone();
        let at = random::near(&mut self.chance, now, Span::days(12), Span(0)).min(now);
        let as_of = self.shop.engine().look().members_as_of(&segment, at).unwrap().unwrap();
        assert_eq!(
            as_of,
            plain.members(&segment, at),
            "members of {segment} as of {at}: {:?}",
            definitions.segments[&segment].rule
        );
        let people: Vec<_> = plain.people().into_iter().collect();
        if !people.is_empty() {
            let id = *self.chance.pick(&people);
            self.compare_why(&plain.person(id).unwrap(), &segment, now);
        }
    }

    fn compare_why(&self, person: &testkit::plain::Person<'_>, segment: &Name, now: Timestamp) {
        let why = self.shop.engine().look().why(segment, person.id).unwrap().unwrap();
        let member = person.is_in(segment, now);
        assert_eq!(why.member, member, "why: {why:?}");
        let horizon = now.plus(Span::days(40));
        let until = person.turns(segment, now, horizon).into_iter().find(|at| person.is_in(segment, *at) != member);
        assert_eq!(
            why.until.filter(|at| *at <= horizon),
            until,
            "until, of {} in {segment} at {now}: {why:?}",
            person.id
        );
        if member {
            let start = person.exists.unwrap();
            let mut began = person.is_in(segment, start).then_some(start);
            for at in person.turns(segment, start, now) {
                began = match (person.is_in(segment, at), began) {
                    (true, None) => Some(at),
                    (true, began) => began,
                    (false, _) => None,
                };
            }
            assert_eq!(why.since, began, "since, of {} in {segment} at {now}: {why:?}", person.id);
        }
    }
}

fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    for _ in 0..30 {
        world.act();
        world.compare();
        world.pass_time();
        world.compare();
    }
    world.transitions
}

#[test]
fn the_engine_agrees_with_a_plain_reading_of_the_spec() {
    let cases = std::env::var("PLAIN_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let first = std::env::var("PLAIN_FROM").ok().and_then(|first| first.parse().ok()).unwrap_or(0);
    let mut transitions = 0;
    let mut failed = 0;
    for seed in first..first + cases {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(count) => transitions += count,
            Err(_) => {
                println!("seed {seed} failed: repeat it with PLAIN_FROM={seed} PLAIN_CASES=1");
                failed += 1;
                assert!(failed < 5, "enough");
            }
        }
    }
    assert_eq!(failed, 0);
    println!("{cases} worlds, {transitions} entries and exits by time alone");
    assert!(cases < 20 || transitions > 50, "time alone moved only {transitions} people");
}
