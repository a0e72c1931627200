//! New segments are answered from lanes: what those say, and what happens when they are lost, foreign or lacking.

use domain::definition::read_text;
use domain::{Call, CallKind, Name, Span, Timestamp, Trust};
use engine::define::Wanted;
use engine::segment::lanes::LaneLimits;
use engine::{Engine, Options};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::Store;
use testkit::memory_store::{MemoryDisk, MemoryStore};

const RULES: &str = "\
segment: tea-lovers
where: { did: Order Completed, at_least: 2, within: 30d, where: { category: { is: tea } } }
---
segment: spent-fifty
where: { did: Order Completed, sum: revenue, at_least: 50 }
---
segment: left-in-cart
where: { sequence: { first: { did: Product Added }, then_not: { did: Order Completed }, within: 2h } }
---
segment: tea-at-last
where: { all: [ { last: Order Completed, has: { category: { is: tea } } }, { not: { segment: spent-fifty } } ] }
";

const SEGMENTS: [&str; 4] = ["tea-lovers", "spent-fifty", "left-in-cart", "tea-at-last"];

/// Some calls to a chunk, so that a short story has several.
const SMALL: LaneLimits = LaneLimits { fewest_calls: 3, most_calls: 6 };

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A shop on a disk, with everything that happens a day apart.
struct House {
    store: MemoryStore,
    engine: Engine,
    now: Timestamp,
    calls: u32,
}

impl House {
    fn open(disk: &MemoryDisk) -> House {
        let store = MemoryStore::open(disk.clone());
        let engine = Engine::open(&store, Options::default()).unwrap();
        let now = engine.clock().max(Timestamp::parse("2026-03-02T12:00:00Z").unwrap());
        House { store, engine, now, calls: 0 }
    }

    fn restart(self, disk: &MemoryDisk) -> House {
        let calls = self.calls;
        drop(self);
        House { calls, ..House::open(disk) }
    }

    fn define(&mut self, rules: &str) {
        self.engine.define(read_text(rules, "the story").unwrap(), "the story", self.now).unwrap();
        self.commit();
    }

    fn send(&mut self, user: &str, event: &str, properties: &Value) {
        self.now = self.now.plus(Span::days(1));
        self.calls += 1;
        let call = Call {
            kind: CallKind::Track,
            message_id: format!("m{}-{}", self.calls, self.now.0).into(),
            user_id: Some(user.into()),
            anonymous_id: None,
            other_id: None,
            event: Some(event.into()),
            timestamp: self.now,
            received_at: self.now,
            source: "shop".into(),
            trust: Trust::Server,
            record: None,
            body: RawValue::from_string(properties.to_string()).unwrap().into(),
            context: None,
        };
        self.engine.ingest(vec![call], self.now);
        self.commit();
    }

    fn commit(&mut self) {
        let commit = self.engine.take_commit();
        self.store.commit(&commit).unwrap();
    }

    /// Makes chunks as long as any are worth making. Returns how many.
    fn seal(&mut self) -> usize {
        let mut made = 0;
        while let Some(job) = self.engine.lane_job(&SMALL) {
            let reader = self.store.reader().unwrap();
            let sealed = job.run(reader.as_ref(), &mut |row| self.engine.names_of(row)).unwrap().unwrap();
            self.engine.adopt_lanes(sealed);
            made += 1;
        }
        made
    }

    /// What lanes say of each segment is what live membership says, at present and as a preview.
    fn agrees(&self) -> bool {
        SEGMENTS.iter().all(|segment| {
            let Some(found) = self.engine.members_by_lanes(&name(segment), self.engine.clock()).unwrap() else {
                return false;
            };
            assert_eq!(found, self.engine.segment_members(&name(segment)), "{segment}");
            true
        })
    }
}

fn live(house: &mut House) {
    for (user, event, properties) in [
        ("ana", "Order Completed", json!({"category": "tea", "revenue": 30})),
        ("ben", "Product Added", json!({"sku": "oolong"})),
        ("ana", "Order Completed", json!({"category": "tea", "revenue": "20.00"})),
        ("cleo", "Order Completed", json!({"category": "cups", "revenue": 49.99})),
        ("cleo", "Order Completed", json!({"category": "tea"})),
        ("ana", "Product Added", json!({})),
        ("ana", "Page Viewed", json!({"path": "/"})),
    ] {
        house.send(user, event, &properties);
    }
}

#[test]
fn lanes_say_what_live_membership_says_with_some_calls_in_chunks_and_some_not() {
    let disk = MemoryDisk::new();
    let mut house = House::open(&disk);
    house.define(RULES);
    live(&mut house);
    assert!(house.agrees(), "everything is among the latest calls");
    assert_eq!(house.seal(), 1, "one call is left over");
    live(&mut house);
    assert!(house.agrees(), "half of it is in chunks");
    house.seal();
    assert!(house.agrees());
    let members = house.engine.segment_members(&name("spent-fifty"));
    assert_eq!(members.len(), 2, "ana and cleo");
}

#[test]
fn a_start_finds_the_chunks_again_and_makes_those_that_were_lost_or_damaged() {
    let disk = MemoryDisk::new();
    let mut house = House::open(&disk);
    house.define(RULES);
    live(&mut house);
    live(&mut house);
    house.seal();
    let shelf = house.store.shelf();
    let mut house = house.restart(&disk);
    assert_eq!(house.seal(), 0, "all chunks are there");
    assert!(house.agrees());
    // One is gone, and of another a byte is not what it was.
    let names = shelf.names().unwrap();
    let (lost, hurt) = (names.first().unwrap(), names.last().unwrap());
    let mut bytes = vec![0; usize::try_from(shelf.open(hurt).unwrap().size_bytes()).unwrap()];
    shelf.open(hurt).unwrap().read(0, &mut bytes).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    shelf.put(hurt, &bytes).unwrap();
    shelf.remove(lost);
    let mut house = house.restart(&disk);
    assert!(house.seal() > 0);
    assert!(house.agrees());
}

#[test]
fn chunks_of_another_journal_are_taken_away() {
    let (disk, other) = (MemoryDisk::new(), MemoryDisk::new());
    let (mut house, mut foreign) = (House::open(&disk), House::open(&other));
    house.define(RULES);
    // Its calls have other ids.
    foreign.calls = 1_000;
    foreign.send("dora", "Order Completed", &json!({"category": "tea", "revenue": 500}));
    for house in [&mut house, &mut foreign] {
        live(house);
        live(house);
    }
    foreign.seal();
    let (shelf, others) = (house.store.shelf(), foreign.store.shelf());
    for name in others.names().unwrap() {
        let chunk = others.open(&name).unwrap();
        let mut bytes = vec![0; usize::try_from(chunk.size_bytes()).unwrap()];
        chunk.read(0, &mut bytes).unwrap();
        shelf.put(&name, &bytes).unwrap();
    }
    let house = house.restart(&disk);
    assert_eq!(shelf.names().unwrap(), Vec::<String>::new());
    assert!(house.agrees());
}

#[test]
fn what_lanes_do_not_keep_is_answered_from_history() {
    let disk = MemoryDisk::new();
    let mut house = House::open(&disk);
    let essay = "tea ".repeat(1_000);
    for _ in 0..4 {
        house.send("ana", "Review Posted", &json!({"stars": 5, "text": essay}));
    }
    house.seal();
    let rule = |path: &str, test: Value| {
        let value = json!({"segment": format!("by-{path}"), "where": {"did": "Review Posted", "where": {path: test}}});
        read_text(&value.to_string(), "the story").unwrap()
    };
    let reader = house.store.reader().unwrap();
    for (path, test) in [("stars", json!({"is": 5})), ("text", json!({"contains": "tea"}))] {
        let draft = house.engine.draft(&Wanted { put: rule(path, test), delete: Vec::new() }).unwrap();
        assert_eq!(draft.changes(reader.as_ref()).unwrap()[0].enter, 1, "{path}");
    }
    house.define(&json!([rule("text", json!({"contains": "tea"}))[0].value]).to_string());
    assert_eq!(house.engine.members_by_lanes(&name("by-text"), house.engine.clock()).unwrap(), None);
    assert_eq!(house.engine.segment_members(&name("by-text")).len(), 1);
}
