//! The writer works on what comes next while a commit is under way: nobody is told of anything before it is durable,
//! and what was built upon a commit that failed fails with it.

use channels::{Phase, PhaseRecorder as _};
use domain::definition::read_text;
use domain::message::{Channel, Outcome};
use domain::{Name, Source, Timestamp, Trust};
use engine::deliver::End;
use engine::ingest::{Door, DoorOptions, Endpoint, read};
use engine::{Engine, Options, Receipt};
use perennial::consignment::Consignment;
use perennial::runtime::{Deliveries, Handle, JobError, Outgoing, Writer, start_on};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Commit, Erased, Erasure, Prepared, Reader, Recovered, Rewrite, Sealer, Shelf, Store, StoreError};
use testkit::memory_store::{Fault, MemoryDisk, MemoryStore};

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(20);

/// A disk at whose gate commits wait until the test lets them in.
struct Gate {
    store: MemoryStore,
    at_the_gate: Sender<usize>,
    may_pass: Receiver<()>,
}

impl Store for Gate {
    fn recover(&self) -> Result<Recovered, StoreError> {
        self.store.recover()
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if !commit.calls.is_empty() {
            let _ = self.at_the_gate.send(commit.calls.len());
            let _ = self.may_pass.recv();
        }
        self.store.commit(commit)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }

    fn shelf(&self) -> Arc<dyn Shelf> {
        self.store.shelf()
    }

    fn sealer(&self) -> Result<Box<dyn Sealer>, StoreError> {
        self.store.sealer()
    }

    fn adopt(&mut self, prepared: Prepared) -> Result<(), StoreError> {
        self.store.adopt(prepared)
    }

    fn erase(&mut self, erasure: &Erasure, rewrite: Rewrite<'_>) -> Result<Erased, StoreError> {
        self.store.erase(erasure, rewrite)
    }
}

/// A workspace behind the gate.
struct House {
    handle: Handle,
    writer: Option<Writer>,
    /// Where its snapshot is left.
    _dir: tempfile::TempDir,
    disk: MemoryDisk,
    at_the_gate: Receiver<usize>,
    may_pass: Option<Sender<()>>,
    answers: (Sender<Answer>, Mutex<Receiver<Answer>>),
}

type Answer = (String, Result<Vec<Receipt>, JobError>);

impl House {
    fn open() -> House {
        House::with(Options::default(), None)
    }

    fn with(options: Options, deliveries: Option<Deliveries>) -> House {
        let disk = MemoryDisk::new();
        let dir = tempfile::tempdir().unwrap();
        let (tell, at_the_gate) = channel();
        let (let_in, may_pass) = channel();
        let store = MemoryStore::open(disk.clone());
        let reading = store.clone();
        let gate = Gate { store, at_the_gate: tell, may_pass };
        let (handle, writer) =
            start_on(Box::new(gate), Box::new(move || reading.reader()), dir.path(), options, deliveries).unwrap();
        let (tell, hear) = channel();
        let answers = (tell, Mutex::new(hear));
        House { handle, writer: Some(writer), _dir: dir, disk, at_the_gate, may_pass: Some(let_in), answers }
    }

    /// Sends an event from a thread of its own; the answer comes when it comes.
    fn send(&self, id: &str) {
        self.send_call(
            id,
            domain::CallKind::Track,
            format!(r#"{{"messageId":"{id}","userId":"ana","event":"Tea Tasted"}}"#),
        );
    }

    fn send_call(&self, id: &str, kind: domain::CallKind, body: String) {
        let (handle, tell, id) = (self.handle.clone(), self.answers.0.clone(), id.to_owned());
        std::thread::spawn(move || {
            let source = Source::new("shop", Trust::Server);
            let options = DoorOptions::default();
            let door = Door {
                now: Timestamp(jiff::Timestamp::now().as_millisecond()),
                source: &source,
                fresh_id: &|_| String::new(),
                options: &options,
                correct_skew: false,
            };
            let items = read(body.as_bytes(), Endpoint::One(kind), &door).unwrap().items;
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let answer = runtime.block_on(handle.ingest(source, handle.arrive(items)));
            let _ = tell.send((id, answer));
        });
    }

    /// A commit with so many calls stands at the gate.
    fn waits_at_the_gate(&self) -> usize {
        self.at_the_gate.recv_timeout(SOON).unwrap()
    }

    fn let_in(&self) {
        self.may_pass.as_ref().unwrap().send(()).unwrap();
    }

    fn answer(&self) -> Answer {
        self.answers.1.lock().unwrap().recv_timeout(SOON).unwrap()
    }

    fn is_unanswered(&self) -> bool {
        self.answers.1.lock().unwrap().recv_timeout(Duration::from_millis(100)).is_err()
    }

    /// Waits until the live state has taken so many calls.
    fn live_state_has(&self, calls: u64) {
        let has = crate::process::until(SOON, || self.handle.read().position().0 == calls);
        assert!(has, "the live state has {} calls", self.handle.read().position().0);
    }

    fn on_disk(&self) -> u64 {
        MemoryStore::open(self.disk.clone()).recover().unwrap().position.0
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // Whatever still waits may pass.
        self.may_pass = None;
        if let Some(writer) = self.writer.take() {
            writer.stop();
        }
    }
}

fn is_accepted(answer: &Result<Vec<Receipt>, JobError>) -> bool {
    matches!(answer.as_deref(), Ok([Receipt::Accepted(_)]))
}

#[test]
fn the_next_calls_are_worked_on_while_the_first_become_durable_and_each_is_answered_after_its_own_commit() {
    let house = House::open();
    house.send("first");
    assert_eq!(house.waits_at_the_gate(), 1);
    house.send("second");
    house.live_state_has(2);
    house.send("third");
    house.live_state_has(3);
    assert!(house.is_unanswered(), "nothing is durable yet");
    assert_eq!(house.on_disk(), 0);

    house.let_in();
    let (id, answer) = house.answer();
    assert!(id == "first" && is_accepted(&answer), "{id}: {answer:?}");
    assert_eq!(house.waits_at_the_gate(), 2, "what came meanwhile is one commit");
    assert!(house.is_unanswered());
    house.let_in();
    for _ in 0..2 {
        assert!(is_accepted(&house.answer().1));
    }
    assert_eq!(house.on_disk(), 3);
}

#[test]
fn what_was_built_upon_a_commit_that_failed_fails_with_it_and_may_be_sent_again() {
    for fault in [Fault::CommitFails, Fault::CommitUnacknowledged] {
        let house = House::open();
        house.send("first");
        house.waits_at_the_gate();
        house.send("second");
        house.live_state_has(2);
        house.disk.fail_next(fault);
        house.let_in();
        for _ in 0..2 {
            let (id, answer) = house.answer();
            assert!(matches!(answer, Err(JobError::NotStored(_))), "{id}: {answer:?}");
        }
        let kept = u64::from(fault == Fault::CommitUnacknowledged);
        house.live_state_has(kept);
        assert_eq!(house.on_disk(), kept);

        // The senders try again: what had become durable without anybody knowing is a duplicate.
        for id in ["first", "second"] {
            house.send(id);
            if kept == 0 || id == "second" {
                house.waits_at_the_gate();
                house.let_in();
            }
            let expected = if kept == 1 && id == "first" { "Duplicate" } else { "Accepted" };
            let (_, answer) = house.answer();
            assert!(format!("{answer:?}").contains(expected), "{id}: {answer:?}");
        }
        assert_eq!((house.on_disk(), house.handle.read().position().0), (2, 2));
    }
}

#[test]
fn a_repeated_call_is_not_called_known_before_the_first_is_durable() {
    let house = House::open();
    house.send("first");
    house.waits_at_the_gate();
    house.send("first");
    assert!(house.is_unanswered());
    house.disk.fail_next(Fault::CommitFails);
    house.let_in();
    for _ in 0..2 {
        assert!(matches!(house.answer().1, Err(JobError::NotStored(_))), "neither may be forgotten by its sender");
    }
}

#[test]
fn what_asks_for_history_waits_until_history_holds_everything_before_it() {
    let house = House::open();
    house.send("first");
    house.waits_at_the_gate();
    let (tell, told) = channel();
    let handle = house.handle.clone();
    let asking = std::thread::spawn(move || {
        let segment = "segment: tasters\nwhere: { did: Tea Tasted }\n";
        let defined = handle.change(move |engine, now| {
            let _ = tell.send(());
            engine.define(read_text(segment, "a test").unwrap(), "a test", now).map(|_| members(engine))
        });
        defined.unwrap().unwrap()
    });
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "the definition waits for the commit");
    house.let_in();
    told.recv_timeout(SOON).unwrap();
    assert_eq!(asking.join().unwrap(), 1, "the history that the segment was filled from has the first event");
}

fn members(engine: &Engine) -> usize {
    engine.look().members(&Name::parse("tasters").unwrap()).unwrap().len()
}

const THANKS: &str = r#"
- { workspace: settings, sender: { name: Tea, address: tea@tea.example } }
- { template: thanks, channel: email, subject: Thank you, body: Thank you. }
- { campaign: thanks, purpose: service, enter: { on: { did: Tea Tasted }, again: always }, steps: [ { message: thanks } ] }
"#;

/// A shop that writes to Ana as soon as she has tasted tea, and the messages that leave it.
fn a_shop_that_thanks() -> (House, Receiver<Consignment>) {
    let (tell, leaving) = channel();
    let deliveries: Deliveries = Box::new(move |outgoing| {
        if let Outgoing::Message(consignment) = outgoing {
            let _ = tell.send(consignment);
        }
    });
    let options = Options { real_channels: [Channel::Email].into(), ..Options::default() };
    let house = House::with(options, Some(deliveries));
    let defined = house.handle.change(|engine, now| engine.define(read_text(THANKS, "a test").unwrap(), "a test", now));
    defined.unwrap().unwrap();
    let ana = r#"{"messageId":"i","userId":"ana","traits":{"email":"ana@example.com"}}"#;
    house.send_call("i", domain::CallKind::Identify, ana.to_owned());
    house.waits_at_the_gate();
    house.let_in();
    assert!(is_accepted(&house.answer().1));
    (house, leaving)
}

/// Whether the body of a message may go out.
fn may_send(handle: &Handle, consignment: &Consignment) -> bool {
    let mut recorder = consignment.recorder(handle);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(recorder.begin(Phase::Body)).is_ok()
}

fn ends(handle: &Handle, consignment: &Consignment, end: End) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(consignment.ended(handle, end));
}

/// The server takes the mail, which is an event, too.
fn is_taken(house: &House, consignment: &Consignment) {
    let handle = &house.handle;
    std::thread::scope(|scope| {
        scope.spawn(|| ends(handle, consignment, End::Sent { reply: "250 taken".to_owned() }));
        house.waits_at_the_gate();
        house.let_in();
    });
}

#[test]
fn a_message_leaves_while_its_attempt_becomes_durable_and_its_body_after_that() {
    let (house, leaving) = a_shop_that_thanks();
    house.send("first");
    house.waits_at_the_gate();
    let consignment = leaving.recv_timeout(SOON).unwrap();
    assert_eq!(house.on_disk(), 1, "only Ana is durable yet");
    let handle = &house.handle;
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| may_send(handle, &consignment));
        std::thread::sleep(Duration::from_millis(100));
        assert!(!asks.is_finished(), "the body waits");
        house.let_in();
        assert!(asks.join().unwrap());
    });
    is_taken(&house, &consignment);
    assert_eq!(house.handle.health().in_flight(), 0);
}

#[test]
fn what_left_with_a_commit_that_failed_sends_no_body_and_does_not_speak_for_what_is_ordered_anew() {
    for fault in [Fault::CommitFails, Fault::CommitUnacknowledged] {
        let (house, leaving) = a_shop_that_thanks();
        house.send("first");
        house.waits_at_the_gate();
        let lost = leaving.recv_timeout(SOON).unwrap();
        house.disk.fail_next(fault);
        house.let_in();
        assert!(matches!(house.answer().1, Err(JobError::NotStored(_))));
        // Nobody knew whether it is durable. If it was, the message is ordered by itself; else with the call that is sent again.
        house.send("first");
        if fault == Fault::CommitFails {
            house.waits_at_the_gate();
            house.let_in();
        }
        house.answer().1.unwrap();
        let anew = leaving.recv_timeout(SOON).unwrap();
        assert!(!may_send(&house.handle, &lost), "{fault:?}: the one that was lost stays");
        assert!(may_send(&house.handle, &anew), "{fault:?}: the new one goes");
        ends(&house.handle, &lost, End::NoReply { detail: "it says something".to_owned() });
        assert_eq!(house.handle.health().in_flight(), 1, "{fault:?}: the new one is still on its way");
        is_taken(&house, &anew);
        assert_eq!(house.handle.health().in_flight(), 0);
        let attempts = |message: &domain::MessageId| {
            let found = house.handle.with_reader(|reader| reader.message(message)).unwrap();
            found.map(|(message, attempts)| (message.outcome, attempts.len()))
        };
        // What was durable without anybody knowing counts as an attempt that never came to its body.
        let all = if fault == Fault::CommitFails { 1 } else { 2 };
        assert_eq!(attempts(&anew.order().message), Some((Some(Outcome::Sent), all)), "{fault:?}");
        assert!(leaving.try_recv().is_err(), "{fault:?}: nothing else leaves");
    }
}
