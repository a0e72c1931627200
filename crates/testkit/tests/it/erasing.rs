//! Random lives in which people are erased, with crashes in the middle of it: nothing of them is left, everybody else
//! stays as they were, and the state is that of what is left.

use domain::call::{Source, Trust};
use domain::definition::read_text;
use domain::{Call, CustomerId, Position, Span, Timestamp};
use engine::ingest::{Door, DoorOptions, Endpoint};
use engine::profile::identity::NameKind;
use engine::segment::lanes::LaneLimits;
use engine::{Engine, Options};
use scenario::workspace::differences;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{HistoryLimits, RowId, Store};
use testkit::chance::Chance;
use testkit::memory_store::{Fault, MemoryDisk, MemoryStore};
use testkit::random;

const SEEDS: u64 = 150;
/// Lives that went wrong once: a device of three people is told of after the first of them was erased, and its name must go with the
/// last; somebody is erased of whom an alias spoke before they came, also to one from whom they were parted since.
const ONCE_WRONG: [u64; 5] = [296, 419, 859, 1067, 1140];
const STEPS: usize = 60;
const RULES: &str = "
purpose: marketing
default: granted
---
template: hello
channel: email
subject: Hello
body: Hello {{ customer.canary }}
---
segment: visitors
where: { did: visit }
---
segment: golden
where: { trait: plan, is: gold }
---
segment: holders
where: { record: pass, any: { status: { is: active } } }
---
campaign: nudge
enter: { on: { did: visit }, again: always }
steps: [ { wait: 1d }, { message: hello } ]
";

#[derive(Default, Debug)]
struct Facts {
    erased: usize,
    survived_a_crash: usize,
    undone_by_a_crash: usize,
    from_snapshot: usize,
}

struct Life {
    seed: u64,
    chance: Chance,
    disk: MemoryDisk,
    store: MemoryStore,
    engine: Engine,
    now: Timestamp,
    fresh: usize,
    snapshot: Option<Vec<u8>>,
    facts: Facts,
    trace: Vec<String>,
}

fn engine_of(store: &MemoryStore, mut snapshot: Option<&[u8]>) -> (Engine, bool) {
    let snapshot = snapshot.as_mut().map(|snapshot| snapshot as &mut dyn std::io::Read);
    let (engine, opened) = Engine::open_with(store, Options::default(), snapshot).unwrap();
    (engine, matches!(opened, engine::Opened::FromSnapshot(_)))
}

impl Life {
    fn begin(seed: u64) -> Life {
        let disk = MemoryDisk::new();
        let store = MemoryStore::open(disk.clone());
        let (engine, _) = engine_of(&store, None);
        let now = Timestamp(1_774_000_000_000);
        let mut life = Life {
            seed,
            chance: Chance::new(seed),
            disk,
            store,
            engine,
            now,
            fresh: 0,
            snapshot: None,
            facts: Facts::default(),
            trace: Vec::new(),
        };
        life.engine.define(read_text(RULES, "rules").unwrap(), "test", now).unwrap();
        life.commit();
        life
    }

    fn commit(&mut self) {
        let commit = self.engine.take_commit();
        self.store.commit(&commit).unwrap();
    }

    fn restart(&mut self) {
        self.store = MemoryStore::open(self.disk.clone());
        let (mut engine, from_snapshot) = engine_of(&self.store, self.snapshot.as_deref());
        self.facts.from_snapshot += usize::from(from_snapshot);
        engine.resume_deliveries();
        engine.tick(self.now);
        self.engine = engine;
        self.commit();
    }

    fn live(&mut self) {
        for _ in 0..STEPS {
            match self.chance.below(100) {
                0..50 => self.calls_arrive(),
                50..60 => {
                    self.now = self.now.plus(Span::hours(self.chance.between(1, 50)));
                    self.engine.tick(self.now);
                    self.commit();
                }
                60..70 => self.people_are_joined_or_parted(),
                70..78 => self.history_is_kept(),
                78..86 => {
                    let mut bytes = Vec::new();
                    self.commit();
                    self.snapshot = self.engine.save(&mut bytes).unwrap().then_some(bytes);
                }
                86..92 => self.restart(),
                _ => self.somebody_is_erased(),
            }
        }
        self.compare("in the end");
    }

    fn calls_arrive(&mut self) {
        let calls: Vec<Value> = (0..1 + self.chance.below(4)).map(|_| self.new_call()).collect();
        let source = Source::new("shop", Trust::Server);
        let options = DoorOptions::default();
        let door = Door {
            now: self.now,
            source: &source,
            fresh_id: &|_| String::new(),
            options: &options,
            correct_skew: false,
        };
        let body = json!({ "batch": calls }).to_string();
        let reading = engine::ingest::read(body.as_bytes(), Endpoint::Batch, &door).ok().unwrap();
        let calls = reading.items.into_iter().map(|item| item.ok().unwrap()).collect();
        self.engine.ingest(calls, self.now);
        self.commit();
    }

    /// A call with a word that is in no other.
    fn new_call(&mut self) -> Value {
        self.fresh += 1;
        let canary = format!("canary-{}-", self.fresh);
        let mut call = random::call(&mut self.chance, self.now);
        call["messageId"] = format!("id-of-{canary}").into();
        for part in ["properties", "traits", "attributes"] {
            if let Some(fields) = call.get_mut(part).and_then(Value::as_object_mut) {
                fields.insert("canary".to_owned(), canary.clone().into());
                if part == "traits" {
                    fields.insert("email".to_owned(), format!("{canary}@example.com").into());
                }
            }
        }
        call
    }

    fn people_are_joined_or_parted(&mut self) {
        let count = i64::try_from(self.engine.look().people().node_count()).unwrap();
        let mut any = || CustomerId(u32::try_from(self.chance.between(1, count.max(1))).unwrap());
        let (a, b) = (any(), any());
        if self.chance.happens(50) {
            let _ = self.engine.merge_people(a, b, self.now);
        } else {
            let _ = self.engine.unmerge_names(a.0, b.0, self.now);
        }
        self.commit();
    }

    fn history_is_kept(&mut self) {
        let limits = HistoryLimits { journal_calls: 10, file_calls: 40, file_bytes: u64::MAX };
        if let Some(prepared) = self.store.sealer().unwrap().prepare(&limits).unwrap() {
            self.store.adopt(prepared).unwrap();
        }
        if let Some(job) = self.engine.lane_job(&LaneLimits { fewest_calls: 5, most_calls: 50 }) {
            let (reader, engine) = (self.store.reader().unwrap(), &self.engine);
            if let Some(sealed) = job.run(reader.as_ref(), &mut |row| engine.names_of(row)).unwrap() {
                self.engine.adopt_lanes(sealed);
            }
        }
    }

    fn calls(&self) -> Vec<(Position, std::sync::Arc<Call>)> {
        let mut calls = Vec::new();
        let reader = self.store.reader().unwrap();
        reader
            .replay(RowId(0), &mut |row| {
                calls.extend((row.first.0..).map(Position).zip(row.calls));
                Ok(())
            })
            .unwrap();
        calls
    }

    fn somebody_is_erased(&mut self) {
        self.engine.tick(self.now);
        self.commit();
        let people: Vec<CustomerId> = self.engine.look().customers().into_iter().collect();
        if people.is_empty() {
            return;
        }
        let person = *self.chance.pick(&people);
        let traces = self.traces_of(person);
        let others = self.others_than(person);
        let user_names = self.user_names_of(person);
        let erasure = self.engine.erasure(person).unwrap();
        // As the process does: the snapshot is a cache, and goes first.
        self.snapshot = None;
        let fault = match self.chance.below(10) {
            0 => Some(Fault::CommitFails),
            1 => Some(Fault::CommitLost),
            2 => Some(Fault::CommitUnacknowledged),
            3 | 4 => {
                self.disk.crash_at(self.disk.crash_points() + 1 + self.chance.below(2));
                None
            }
            _ => None,
        };
        if let Some(fault) = fault {
            self.disk.fail_next(fault);
        }
        let engine = &self.engine;
        let done = self.store.erase(&erasure, &|position, call| engine.without(&erasure, position, call));
        self.trace.push(format!("{person} is erased: {fault:?} {:?}", done.as_ref().map(|done| done.calls)));
        self.restart();
        let dump = format!("{}\n{}\n{:#?}", self.disk.dump(), self.shelf(), self.engine.look().describe());
        let left: Vec<&String> = traces.iter().filter(|trace| dump.contains(trace.as_str())).collect();
        match &done {
            Ok(_) => assert!(left.is_empty(), "seed {}: {left:?} is left\n{}", self.seed, self.trace.join("\n")),
            Err(_) if left.is_empty() => self.facts.survived_a_crash += 1,
            Err(_) => {
                assert_eq!(left.len(), traces.len(), "seed {}: half of it is left: {left:?}", self.seed);
                self.facts.undone_by_a_crash += 1;
                return self.compare("after an erasure that did not happen");
            }
        }
        self.facts.erased += 1;
        // An alias named them before they came: what is left of that, a name that nobody used, bears theirs no longer.
        let bears_no_name = |(before, after): (&(CustomerId, String), &(CustomerId, String))| {
            before == after || (before.0 == after.0 && after.1 == "(erased)" && user_names.contains(&before.1))
        };
        let after = self.others_than(person);
        let is_same = others.len() == after.len() && others.iter().zip(&after).all(bears_no_name);
        assert!(is_same, "seed {}: others changed\n{}\n{others:?}\n{after:?}", self.seed, self.trace.join("\n"));
        self.compare("after an erasure");
    }

    /// What only this person's calls say, and their names where nobody else bears them.
    fn traces_of(&self, person: CustomerId) -> BTreeSet<String> {
        let people = self.engine.look().people();
        let own: BTreeSet<u32> = people.nodes_of(person.0).into_iter().collect();
        let calls = self.calls();
        let theirs = calls.iter().filter(|(position, call)| people.owner(call, *position) == Some(person));
        let canary = |call: &Call| {
            let text = call.message_id.strip_prefix("id-of-")?;
            call.body.get().contains(text).then(|| text.to_owned())
        };
        let mut traces: BTreeSet<String> = theirs.filter_map(|(_, call)| canary(call)).collect();
        let all = 1..=u32::try_from(people.node_count()).unwrap();
        for node in &own {
            let name = &people.node(*node).name;
            if !all.clone().any(|other| !own.contains(&other) && people.node(other).name == *name) {
                traces.insert(format!("Some(\"{name}\")"));
            }
        }
        // A name that stands in no call, as one that an alias promised, has left no trace to begin with.
        let before = format!("{}\n{:#?}", self.disk.dump(), self.engine.look().describe());
        traces.retain(|trace| before.contains(trace.as_str()));
        traces
    }

    /// What lies on the shelf of derived things, as text where it is some.
    fn shelf(&self) -> String {
        let shelf = self.store.shelf();
        let mut text = String::new();
        for name in shelf.names().unwrap() {
            let thing = shelf.open(&name).unwrap();
            let mut bytes = vec![0; usize::try_from(thing.size_bytes()).unwrap()];
            thing.read(0, &mut bytes).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        text
    }

    /// What a person is called as a known customer.
    fn user_names_of(&self, person: CustomerId) -> BTreeSet<String> {
        let people = self.engine.look().people();
        let nodes = people.nodes_of(person.0).into_iter().map(|node| people.node(node));
        nodes.filter(|node| node.kind == NameKind::User).map(|node| node.name.to_string()).collect()
    }

    /// Names of everybody else with their numbers.
    fn others_than(&self, person: CustomerId) -> Vec<(CustomerId, String)> {
        let people = self.engine.look().people();
        let others = people.everyone().filter(|id| *id != person);
        others.map(|id| (id, people.name_of(id).to_string())).collect()
    }

    /// The live state is that of history, and of a snapshot.
    fn compare(&mut self, when: &str) {
        let (mut fresh, _) = engine_of(&MemoryStore::open(self.disk.clone()), None);
        fresh.tick(self.now);
        let found = differences(&self.engine.look().describe(), &fresh.look().describe());
        assert!(found.is_empty(), "seed {}, {when}:\n{}\n{}", self.seed, self.trace.join("\n"), found.join("\n"));
        let calls = self.calls();
        let mut ids = BTreeSet::new();
        assert!(calls.iter().all(|(_, call)| ids.insert(call.message_id.clone())), "seed {}: twice", self.seed);
    }
}

#[test]
fn nobody_who_was_erased_is_left_anywhere_whatever_crashes() {
    let mut all = Facts::default();
    for seed in (0..SEEDS).chain(ONCE_WRONG) {
        let mut life = Life::begin(seed);
        life.live();
        all.erased += life.facts.erased;
        all.survived_a_crash += life.facts.survived_a_crash;
        all.undone_by_a_crash += life.facts.undone_by_a_crash;
        all.from_snapshot += life.facts.from_snapshot;
    }
    println!("{all:?}");
    assert!(
        all.erased > 150 && all.survived_a_crash > 15 && all.undone_by_a_crash > 15,
        "too little happened: {all:?}"
    );
    assert!(all.from_snapshot > 15, "snapshots were hardly tried: {all:?}");
}
