//! Stories of the pages over a real engine: what a person sees agrees with what was decided.

use super::{EngineViews, House};
use crate::pages::customers::CustomerSearch;
use crate::pages::edit::{Definition, Draft, Inside};
use crate::pages::filter::Filter;
use crate::pages::outcome::Outcome as Shown;
use crate::pages::text::Count;
use crate::pages::{Order, PageError, Sessions, Site, Views, router};
use crate::runtime::JobError;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use domain::message::{Channel, Outcome};
use domain::{Name, Source, Span, Timestamp, Trust};
use engine::deliver::End;
use engine::ingest::{self, Door, DoorOptions, Endpoint};
use engine::{Engine, Options, Receipt};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use store::{Arm, DecisionFilter, Page, Reader, Store, StoreError};
use testkit::memory_store::{MemoryDisk, MemoryStore};
use tower::ServiceExt;

mod segments;
mod templates;

/// A shop without a thread: what is done is durable when the call returns.
struct Shop {
    engine: RwLock<Engine>,
    store: Mutex<MemoryStore>,
    now: AtomicI64,
}

impl House for Shop {
    fn read(&self) -> RwLockReadGuard<'_, Engine> {
        self.engine.read().unwrap()
    }

    fn with_reader<T>(&self, look: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = self.store.lock().unwrap().reader()?;
        look(reader.as_ref())
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        Ok(self.work(change))
    }
}

impl Shop {
    fn work<T>(&self, work: impl FnOnce(&mut Engine, Timestamp) -> T) -> T {
        let mut engine = self.engine.write().unwrap();
        let result = work(&mut engine, self.now());
        self.store.lock().unwrap().commit(&engine.take_commit()).unwrap();
        result
    }
}

/// A person in the shop's back room: the pages, and what happens outside.
struct Story {
    shop: Arc<Shop>,
    views: Arc<EngineViews<Keeper>>,
}

/// The views hold the shop as their own; the story looks on.
struct Keeper(Arc<Shop>);

impl House for Keeper {
    fn read(&self) -> RwLockReadGuard<'_, Engine> {
        self.0.read()
    }

    fn with_reader<T>(&self, look: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.with_reader(look)
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, JobError> {
        self.0.change(change)
    }
}

const SHOP: &str = "
- workspace: settings
  zone: Europe/London
  currency: GBP
  sender: { name: The Tea House, address: hello@tea.example, postal_address: '1 Leaf Lane, London' }
  caps: [ { purpose: marketing, channel: email, at_most: 2, per: 7d } ]
  quiet_hours: { from: '21:00', to: '08:00' }
- segment: buyers
  title: Everybody who bought
  where: { did: Order Completed }
- segment: regulars
  where: { did: Order Completed, at_least: 2, within: 30d }
- template: thanks
  channel: email
  subject: \"Thank you, {{ customer.first_name }}\"
  body: \"Hello {{ customer.first_name }}, [no more]({{ links.unsubscribe }})\"
- campaign: thank-you
  title: Thank you
  enter: { on: { did: Order Completed }, again: always }
  goal: { did: Order Completed, within: 14d, value: properties.revenue }
  holdout: 40%
  steps: [ { id: first, message: thanks } ]
";

impl Story {
    /// A shop with definitions, on a Wednesday at noon.
    fn open(definitions: &str) -> Story {
        Story::open_with(definitions, Options::default())
    }

    fn open_with(definitions: &str, options: Options) -> Story {
        let store = MemoryStore::open(MemoryDisk::new());
        let engine = Engine::open(&store, options).unwrap();
        let now = Timestamp::parse("2026-03-04T12:00:00Z").unwrap();
        let shop = Arc::new(Shop { engine: RwLock::new(engine), store: Mutex::new(store), now: AtomicI64::new(now.0) });
        let views = EngineViews::new(Keeper(shop.clone()), None, "http://127.0.0.1:7700".to_owned()).impatient();
        let story = Story { shop, views: Arc::new(views) };
        let defined = domain::definition::read_text(definitions, "the story").unwrap();
        story.shop.work(|engine, now| engine.define(defined, "test", now)).unwrap();
        story
    }

    fn pass(&self, span: Span) {
        self.shop.now.fetch_add(span.0, Ordering::Relaxed);
        self.shop.work(|engine, now| engine.tick(now));
    }

    /// Sends calls with a key; those that are refused at the door are noted.
    fn send_with(&self, trust: Trust, calls: &[Value]) -> Vec<Receipt> {
        let body = json!({ "batch": calls }).to_string();
        let source = Source::new("shop", trust);
        let now = self.shop.now();
        let fresh_id = |index: usize| format!("fresh:{}:{index}:{body}", now.0);
        let door =
            Door { now, source: &source, fresh_id: &fresh_id, options: &DoorOptions::default(), correct_skew: true };
        let items = ingest::read(body.as_bytes(), Endpoint::Batch, &door).unwrap().items;
        self.shop.work(|engine, now| crate::runtime::take_items(engine, &source, items, now))
    }

    fn send(&self, calls: &[Value]) {
        for receipt in self.send_with(Trust::Server, calls) {
            assert!(matches!(receipt, Receipt::Accepted(_)), "{receipt:?}");
        }
    }

    fn orders(&self, user: &str, revenue: &str) {
        self.send(&[json!({ "type": "track", "userId": user, "event": "Order Completed", "properties": { "revenue": revenue, "currency": "GBP", "order_id": format!("o-{user}") } })]);
    }

    fn meets(&self, user: &str, first_name: Option<&str>, consent: bool) {
        let mut traits = json!({ "email": format!("{user}@example.org") });
        if let Some(name) = first_name {
            traits["first_name"] = name.into();
        }
        self.send(&[json!({ "type": "identify", "userId": user, "traits": traits })]);
        if consent {
            self.send(&[json!({ "type": "track", "userId": user, "event": "Consent Changed", "properties": { "purpose": "marketing", "status": "granted", "basis": "express" } })]);
        }
    }

    fn id(&self, name: &str) -> String {
        self.shop.read().look_up(name).unwrap().to_string()
    }

    fn members(&self, segment: &str) -> Vec<String> {
        let mut members = Vec::new();
        let mut after = None;
        loop {
            let view = self.views.segment(segment, after.as_deref()).unwrap();
            assert!(view.members_now.0 as usize >= view.members.len());
            members.extend(view.members.iter().map(|member| member.customer.text.clone()));
            match view.next {
                Some(next) => after = Some(next),
                None => return members,
            }
        }
    }
}

fn all(outcome: Option<Shown>) -> Filter {
    Filter { outcome, ..Filter::default() }
}

/// Thirty customers: some said no, some have no name, some are held out.
fn a_busy_shop() -> Story {
    let story = Story::open(SHOP);
    for number in 0..30 {
        let user = format!("u{number:02}");
        story.meets(&user, (number % 7 != 3).then_some("Ana"), number % 5 != 4);
        story.orders(&user, "10.00");
    }
    story.pass(Span::hours(1));
    for number in 0..8 {
        story.orders(&format!("u{number:02}"), "25.50");
    }
    story.pass(Span::hours(10));
    story.orders("u01", "5.00");
    story
}

#[test]
fn the_funnel_adds_up_and_agrees_with_the_ledger_of_decisions() {
    let story = a_busy_shop();
    let name = Name::parse("thank-you").unwrap();
    let view = story.views.campaign("thank-you", &Filter::default()).unwrap();
    let sum = |reasons: &[crate::pages::outcome::ReasonCount]| reasons.iter().map(|reason| reason.count.0).sum::<u64>();
    let funnel = &view.funnel;
    let parts = [&funnel.held, &funnel.skipped, &funnel.failed, &funnel.uncertain, &funnel.would_have_sent];
    let whole = parts.iter().map(|part| sum(part)).sum::<u64>() + funnel.sent.0 + funnel.waiting.0;
    assert_eq!(funnel.reached_gate.0, whole);
    assert_eq!(funnel.entered.0, 39);
    assert!(
        funnel.sent.0 > 0 && sum(&funnel.would_have_sent) > 0 && sum(&funnel.skipped) > 0 && sum(&funnel.held) > 0,
        "{funnel:?}"
    );

    // What is final was decided once; what is held was held at least once.
    let decided = |outcome| {
        let filter =
            DecisionFilter { campaign: Some(name.clone()), outcome: Some(outcome), ..DecisionFilter::default() };
        story.shop.with_reader(|reader| reader.decision_count(&filter)).unwrap()
    };
    assert_eq!(decided(Outcome::Sent), funnel.sent.0);
    assert_eq!(decided(Outcome::Skipped), sum(&funnel.skipped));
    assert_eq!(decided(Outcome::WouldHaveSent), sum(&funnel.would_have_sent));
    assert!(decided(Outcome::Held) >= sum(&funnel.held));
    assert_eq!(
        view.decisions_found.0,
        decided(Outcome::Sent) + decided(Outcome::Skipped) + decided(Outcome::WouldHaveSent) + decided(Outcome::Held)
    );

    // The page of decisions, page by page, shows them all, and so does the outbox.
    let mut filter = all(Some(Shown::Sent));
    let mut shown = 0;
    loop {
        let page = story.views.campaign("thank-you", &filter).unwrap();
        assert!(page.decisions.iter().all(|decision| decision.verdict.outcome == Shown::Sent));
        shown += page.decisions.len() as u64;
        match page.next {
            Some(next) => filter.after = Some(next),
            None => break,
        }
    }
    assert_eq!(shown, funnel.sent.0);
    let outbox = story.views.messages(&Filter::default()).unwrap();
    assert_eq!(outbox.found, funnel.reached_gate);
    assert_eq!(outbox.counts.iter().map(|(_, count)| count.0).sum::<u64>(), funnel.reached_gate.0);
    let skipped = story.views.messages(&all(Some(Shown::Skipped))).unwrap();
    assert_eq!(skipped.found.0, sum(&funnel.skipped));

    // One customer's decisions: by any part of their name.
    let one = Filter { customer: "u04@exam".into(), ..Filter::default() };
    let page = story.views.campaign("thank-you", &one).unwrap();
    assert!(
        page.decisions_found.0 >= 1
            && page.decisions.iter().all(|decision| decision.verdict.because.as_deref() == Some("no_consent")),
        "{:?}",
        page.decisions
    );
    let nobody = Filter { customer: "nobody".into(), ..Filter::default() };
    assert_eq!(story.views.campaign("thank-you", &nobody).unwrap().decisions_found, Count(0));
    let odd = Filter { because: "<b>".into(), ..Filter::default() };
    assert_eq!(story.views.messages(&odd).unwrap().found, Count(0));
}

#[test]
fn both_arms_are_what_was_exposed_and_nothing_else() {
    let story = a_busy_shop();
    let name = Name::parse("thank-you").unwrap();
    let exposures = story.shop.with_reader(|reader| reader.exposures(&name)).unwrap();
    let view = story.views.campaign("thank-you", &Filter::default()).unwrap();
    for (arm, side) in [(Arm::Messaged, &view.messaged), (Arm::HeldOut, &view.held_out)] {
        let own: Vec<_> = exposures.iter().filter(|exposure| exposure.arm == arm).collect();
        let people: std::collections::HashSet<_> = own.iter().map(|exposure| exposure.customer).collect();
        let back: std::collections::HashSet<_> =
            own.iter().filter(|exposure| exposure.came_back_at.is_some()).map(|exposure| exposure.customer).collect();
        assert_eq!(side.customers.0, people.len() as u64);
        assert_eq!(side.came_back.0, back.len() as u64);
        assert_eq!(side.goals.0, own.iter().map(|exposure| u64::from(exposure.goals)).sum::<u64>());
        let worth: i64 = own.iter().flat_map(|exposure| &exposure.worth).map(|worth| worth.minor).sum();
        assert_eq!(side.revenue.as_ref().map(|revenue| revenue.minor), Some(worth));
        assert!(side.also.is_empty());
        assert!(side.customers <= side.entered);
        assert!(side.came_back.0 > 0, "{arm:?}");
    }
    // Everybody who entered stands on one side.
    assert_eq!(view.messaged.entered.0 + view.held_out.entered.0, 30);
    assert_eq!(view.funnel.came_back, view.messaged.came_back);
    assert!(view.still_open.0 > 0);
}

#[test]
fn list_count_and_profile_show_the_same_members() {
    let story = a_busy_shop();
    let buyers = story.views.segment("buyers", None).unwrap();
    assert_eq!(buyers.members_now, Count(30));
    assert_eq!(story.members("buyers").len(), 30);
    let list = story.views.segments().unwrap();
    // The list has walked over the past; the page takes the curve from there.
    let regulars = story.views.segment("regulars", None).unwrap();
    assert_eq!(regulars.members_now, Count(8));
    let row = list.rows.iter().find(|row| row.segment.text == "regulars").unwrap();
    assert_eq!(row.members, Count(8));
    assert_eq!(row.size.last(), Some(&Count(8)));
    assert_eq!((row.size.len(), row.change_in_week), (30, 8));
    assert_eq!(regulars.size.last().map(|point| point.members), Some(Count(8)));
    for member in &regulars.members {
        let crate::pages::links::Place::Customer(id) = &member.customer.to else { panic!("a link to a customer") };
        let profile = story.views.customer(id, None).unwrap();
        let membership = profile
            .segments
            .iter()
            .find(|membership| membership.segment.text == "regulars")
            .expect("the profile agrees");
        assert_eq!(membership.since, member.since);
        assert_eq!(membership.until, member.until);
        assert!(
            membership
                .conditions
                .iter()
                .all(|condition| condition.holds && condition.because.contains("Order Completed")),
            "{:?}",
            membership.conditions
        );
    }
    let outside = story.views.customer(&story.id("u20"), None).unwrap();
    assert_eq!(outside.segments.len(), 1);
    assert_eq!(outside.spent.map(|spent| spent.to_string()).as_deref(), Some("£10.00"));

    // Time alone makes them leave, and the page says so.
    story.pass(Span::days(40));
    let later = story.views.segment("regulars", None).unwrap();
    assert_eq!(later.members_now, Count(0));
    assert_eq!(later.movements.first().map(|movement| movement.because.as_str()), Some("by time alone"));
    let size = story.views.segment_size("regulars").unwrap().unwrap();
    assert!(size.iter().any(|point| point.members.0 == 8), "{size:?}");
}

#[test]
fn everybody_is_found_by_name_address_and_id_and_paged_without_loss() {
    let story = Story::open(SHOP);
    for number in 0..120 {
        story.meets(&format!("u{number:03}"), Some("Ána"), false);
        story.pass(Span::minutes(1));
    }
    let mut seen = std::collections::HashSet::new();
    let mut search = CustomerSearch::default();
    loop {
        let page = story.views.customers(&search).unwrap();
        assert_eq!((page.total, page.found), (Count(120), Count(120)));
        assert!(page.rows.windows(2).all(|pair| pair[0].last_seen >= pair[1].last_seen));
        seen.extend(page.rows.iter().map(|row| row.contact.clone()));
        match page.next {
            Some(next) => search.after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen.len(), 120);
    let find =
        |query: &str| story.views.customers(&CustomerSearch { query: query.into(), after: None }).unwrap().found.0;
    assert_eq!(find("U07"), 10);
    assert_eq!(find("u077@EXAMPLE"), 1);
    assert_eq!(find("áNA"), 120);
    assert_eq!(find(&story.id("u003")), 1);
    assert_eq!(find("zzz"), 0);
}

#[test]
fn two_people_are_joined_parted_and_left_alone_by_the_buttons() {
    let story = Story::open(SHOP);
    story.send(&[
        json!({ "type": "identify", "userId": "ana", "traits": { "email": "ana@example.org", "first_name": "Ana" } }),
        json!({ "type": "identify", "userId": "ana-2", "traits": { "email": "ana@EXAMPLE.org" } }),
    ]);
    story.orders("ana", "10.00");
    story.orders("ana-2", "20.00");
    let (one, two) = (story.id("ana"), story.id("ana-2"));
    let view = story.views.customer(&one, None).unwrap();
    assert_eq!(view.proposals.len(), 1);
    assert_eq!(view.proposals[0].other, two);

    story.views.carry_out(&Order::Merge { customer: one.clone(), other: two.clone() }).unwrap();
    let joined = story.views.customer(&two, None).unwrap();
    assert_eq!((joined.id.as_str(), joined.orders), (one.as_str(), Count(2)));
    assert_eq!(joined.spent.map(|spent| spent.to_string()).as_deref(), Some("£30.00"));
    assert!(joined.proposals.is_empty());
    assert_eq!(story.members("regulars"), ["Ana"]);
    let own = joined.identities.iter().find(|identity| identity.id == "ana-2").unwrap();
    assert!(own.can_unmerge && own.joined.as_deref() == Some("by hand"));
    assert!(matches!(
        story.views.carry_out(&Order::Merge { customer: one.clone(), other: two.clone() }),
        Err(PageError::Refused(_))
    ));

    story.views.carry_out(&Order::Unmerge { customer: one.clone(), identity: "ana-2".into() }).unwrap();
    let parted = story.views.customer(&two, None).unwrap();
    assert_eq!((parted.id.as_str(), parted.orders), (two.as_str(), Count(1)));
    assert!(story.members("regulars").is_empty());
    assert!(matches!(
        story.views.carry_out(&Order::Unmerge { customer: one.clone(), identity: "ana-2".into() }),
        Err(PageError::Refused(_))
    ));

    // Said once that they are two, nobody asks again, on neither page.
    story.views.carry_out(&Order::DismissMerge { customer: two.clone(), other: one.clone() }).unwrap();
    assert!(story.views.customer(&one, None).unwrap().proposals.is_empty());
    assert!(story.views.customer(&two, None).unwrap().proposals.is_empty());
}

#[test]
fn a_customer_who_is_called_like_an_internal_id_does_not_stand_in_for_another() {
    let story = Story::open(SHOP);
    story.meets("ana", Some("Ana"), false);
    story.meets("c1", Some("Eve"), false);
    assert_eq!(story.views.customer("c1", None).unwrap().name, "Ana");
    story.meets("bob", Some("Bob"), false);
    story.views.carry_out(&Order::Merge { customer: "c1".into(), other: story.id("bob") }).unwrap();
    assert_eq!(story.views.customer(&story.id("bob"), None).unwrap().id, "c1");
    assert_eq!(story.views.customer("c2", None).unwrap().name, "Eve");
}

#[test]
fn a_bad_definition_is_told_with_its_path_and_saves_nothing() {
    let story = Story::open(SHOP);
    let draft = |yaml: &str| Draft { name: None, version: None, yaml: yaml.into() };
    let bad = draft("segment: fresh\nwhere:\n  all:\n    - { did: Order Completed, witin: 3d }\n");
    let problems = story.views.save(Definition::Segment, &bad).unwrap().unwrap_err();
    assert_eq!((problems[0].path.as_str(), problems[0].line), ("where.all[0]", Some(4)));
    assert!(problems[0].message.contains("did you mean `within`"), "{problems:?}");
    let unknown = draft("segment: fresh\nwhere: { segment: byers }\n");
    for problems in [
        story.views.save(Definition::Segment, &unknown).unwrap().unwrap_err(),
        story.views.check(Definition::Segment, &unknown).unwrap().unwrap_err(),
    ] {
        assert!(problems[0].message.contains("did you mean `buyers`"), "{problems:?}");
        assert_eq!((problems[0].path.as_str(), problems[0].line), ("where", Some(2)));
    }
    assert!(matches!(story.views.segment("fresh", None), Err(PageError::NotFound(_))));
}

#[test]
fn whoever_edits_a_campaign_is_asked_about_the_people_inside_and_who_changed_what_stays_to_be_read() {
    let story = Story::open(SHOP);
    story.meets("ana", Some("Ana"), false);
    let order = json!({ "type": "track", "userId": "ana", "messageId": "m-1", "event": "Order Completed" });
    let with_a_wait = |wait: &str| {
        let draft = story.views.draft(Definition::Campaign, Some("thank-you")).unwrap();
        let Some(start) = draft.yaml.find("steps:") else { panic!("{}", draft.yaml) };
        let yaml = format!("{}steps: [ {{ wait: {wait} }}, {{ id: first, message: thanks }} ]\n", &draft.yaml[..start]);
        Draft { yaml, ..draft }
    };
    let inside = |draft: &Draft| story.views.check(Definition::Campaign, draft).unwrap().unwrap().inside;
    assert_eq!(inside(&with_a_wait("7d")), None, "nobody is inside");
    story.views.save(Definition::Campaign, &with_a_wait("7d")).unwrap().unwrap();
    story.send_with(Trust::Server, &[order]);
    let draft = with_a_wait("3d");
    assert_eq!(
        inside(&draft),
        Some(Inside { people: Count(1), moves: false }),
        "she finishes unless somebody says more"
    );
    let glanced = story.views.glance(Definition::Campaign, &draft).unwrap().unwrap();
    let steps: Vec<_> = glanced.steps.iter().map(|line| (line.step.as_str(), line.here)).collect();
    assert_eq!(steps, [("1", Count(1)), ("first", Count(0))], "the drawing beside the list says where she stands");
    assert_eq!(glanced.entered, Count(1));
    let moving = Draft { yaml: format!("{}people_inside: move\n", draft.yaml), ..draft };
    assert_eq!(inside(&moving), Some(Inside { people: Count(1), moves: true }));
    story.views.save(Definition::Campaign, &moving).unwrap().unwrap();
    let view = story.views.campaign("thank-you", &Filter::default()).unwrap();
    let versions: Vec<_> = view.versions.iter().map(|row| (row.version, row.by.as_str())).collect();
    assert_eq!(versions[0].0, view.version);
    assert_eq!((versions.len(), versions[2]), (3, (1, "test")));
    let changed = |text: &str| view.versions[0].lines.iter().any(|line| line.text.contains(text));
    assert!(changed("people_inside: move") && changed("3d"), "{:?}", view.versions[0].lines);
}

#[test]
fn a_copy_has_a_name_of_its_own_and_changes_nothing_of_the_original() {
    let story = Story::open(SHOP);
    let spenders = "segment: spenders\nwhere: { did: Order Completed }\n";
    let draft = Draft { name: None, version: None, yaml: spenders.to_owned() };
    story.views.save(Definition::Segment, &draft).unwrap().unwrap();
    for name in ["spenders-copy", "spenders-copy-2"] {
        let copy = story.views.copy(Definition::Segment, "spenders").unwrap();
        assert_eq!((&copy.name, copy.version), (&None, None), "it is saved as a new one");
        assert_eq!(story.views.save(Definition::Segment, &copy).unwrap().unwrap(), name);
    }
    assert_eq!(story.views.draft(Definition::Segment, Some("spenders")).unwrap().version, Some(1));
    assert!(matches!(story.views.copy(Definition::Campaign, "nobody"), Err(PageError::NotFound(_))));

    let running = story.views.draft(Definition::Campaign, Some("thank-you")).unwrap();
    let paused = Draft { yaml: format!("{}state: paused\n", running.yaml), ..running };
    story.views.save(Definition::Campaign, &paused).unwrap().unwrap();
    let copy = story.views.copy(Definition::Campaign, "thank-you").unwrap();
    assert!(copy.yaml.contains("campaign: thank-you-copy") && !copy.yaml.contains("paused"), "{}", copy.yaml);
    assert_eq!(story.views.save(Definition::Campaign, &copy).unwrap().unwrap(), "thank-you-copy");
}

#[test]
fn a_rule_is_tried_over_the_real_past_saved_and_guarded_against_two_writers() {
    let story = a_busy_shop();
    let yaml = "segment: spenders\nwhere: { did: Order Completed, sum: revenue, above: 30 }\n";
    let draft = Draft { name: None, version: None, yaml: yaml.into() };
    let preview = story.views.check(Definition::Segment, &draft).unwrap().unwrap();
    assert_eq!(preview.effect.to_string().replace('\u{a0}', " "), "<b>8 customers</b> now, of 30.");
    assert_eq!(preview.sample.len(), 5);
    assert!(preview.warnings.iter().any(|warning| warning.contains("currencies")), "{:?}", preview.warnings);
    assert_eq!(story.views.save(Definition::Segment, &draft).unwrap().unwrap(), "spenders");
    assert_eq!(story.views.segment("spenders", None).unwrap().members_now, Count(8));

    let mine = story.views.draft(Definition::Segment, Some("spenders")).unwrap();
    assert_eq!((mine.version, mine.yaml.as_str()), (Some(1), yaml));
    let preview = story.views.check(Definition::Segment, &mine).unwrap().unwrap();
    assert_eq!(preview.effect.to_string().replace('\u{a0}', " "), "<b>8 customers</b> now: 0 enter and 0 leave.");
    assert_eq!(preview.sample.len(), 5, "opened and not changed yet, it shows whom it means already");
    let mut theirs = mine.clone();
    theirs.yaml = yaml.replace("above: 30", "above: 40");
    let preview = story.views.check(Definition::Segment, &theirs).unwrap().unwrap();
    assert!(preview.effect.to_string().contains("leave"), "{}", preview.effect);
    story.views.save(Definition::Segment, &theirs).unwrap().unwrap();
    let problems = story.views.save(Definition::Segment, &mine).unwrap().unwrap_err();
    assert!(problems[0].message.contains("version 2 meanwhile"), "{problems:?}");
    let problems = story.views.save(Definition::Segment, &draft).unwrap().unwrap_err();
    assert!(problems[0].message.contains("already"), "{problems:?}");

    // The examples that the editors begin with can be saved as they stand.
    for kind in [Definition::Segment, Definition::Campaign, Definition::Template] {
        let example = story.views.draft(kind, None).unwrap();
        story.views.check(kind, &example).unwrap().unwrap();
    }
    let fresh = Story::open(SHOP);
    let example = fresh.views.draft(Definition::Segment, None).unwrap();
    fresh.views.save(Definition::Segment, &example).unwrap().unwrap();
}

#[test]
fn a_campaign_is_paused_resumed_and_stopped_for_good() {
    let story = a_busy_shop();
    let press = |order: Order| story.views.carry_out(&order);
    press(Order::PauseCampaign("thank-you".into())).unwrap();
    assert!(matches!(press(Order::PauseCampaign("thank-you".into())), Err(PageError::Refused(_))));
    let paused = story.views.campaign("thank-you", &Filter::default()).unwrap();
    assert!(paused.state.is_paused() && paused.yaml.contains("state: paused"), "{}", paused.yaml);
    assert_eq!(paused.version, 2);
    press(Order::ResumeCampaign("thank-you".into())).unwrap();
    press(Order::StopCampaign("thank-you".into())).unwrap();
    let stopped = story.views.campaign("thank-you", &Filter::default()).unwrap();
    assert_eq!(stopped.inside, Count(0));
    assert!(stopped.funnel.held.is_empty(), "{:?}", stopped.funnel);
    assert!(matches!(press(Order::StopCampaign("none".into())), Err(PageError::NotFound(_))));
}

#[test]
fn refused_calls_are_shown_and_taken_again_once_they_may_come_in() {
    let story = Story::open(SHOP);
    let order = json!({ "type": "track", "userId": "ana", "messageId": "m-1", "event": "Order Completed", "properties": { "revenue": "9.00" } });
    let nobody = json!({ "type": "track", "event": "Page Viewed" });
    for receipt in story.send_with(Trust::Browser, &[order, nobody]) {
        assert!(matches!(receipt, Receipt::Refused { .. }), "{receipt:?}");
    }
    story.meets("bob", Some("Bob"), false);
    let view = story.views.ingest().unwrap();
    assert_eq!((view.day.refused, view.day.accepted), (Count(2), Count(1)));
    assert_eq!(view.day, view.ever);
    assert_eq!(view.refused.len(), 2);
    assert!(view.calls.iter().any(|call| call.customer.is_some()));
    assert_eq!(story.views.workspace().unwrap().refused, Count(2));

    // With today's rules nothing changes; with a door that takes orders from browsers one of them counts.
    let notice = story.views.carry_out(&Order::Replay { reason: String::new() }).unwrap();
    assert!(notice.text.contains("None"), "{}", notice.text);
    let door = DoorOptions { browser_may_order: true, ..DoorOptions::default() };
    let open = EngineViews::new(Keeper(story.shop.clone()), None, String::new()).with_door(door).impatient();
    let notice = open.carry_out(&Order::Replay { reason: "needs_server_key".into() }).unwrap();
    assert!(notice.text.contains("1\u{a0}call was accepted"), "{}", notice.text);
    assert_eq!(open.workspace().unwrap().refused, Count(1));
    assert_eq!(open.customer(&story.id("ana"), None).unwrap().orders, Count(1));
    assert_eq!(story.members("buyers"), ["ana"]);
}

#[test]
fn amounts_that_cannot_be_right_are_shown_where_the_owner_looks_for_what_came_in() {
    let story = Story::open(SHOP);
    story.meets("ana", Some("Ana"), false);
    story.orders("ana", "249900000.00");
    story.orders("ana", "24.99");
    let view = story.views.ingest().unwrap();
    assert_eq!((view.quarantined, view.last_quarantined.len()), (Count(1), 1));
    let row = &view.last_quarantined[0];
    assert_eq!((row.event.as_str(), row.sent.as_str()), ("Order Completed", "revenue 249900000.00 GBP"));
    assert_eq!(row.because, "more than 1000000");
    assert!(row.customer.is_some());
    let customer = story.views.customer(&story.id("ana"), None).unwrap();
    assert_eq!(customer.orders, Count(2), "the order is an order");
    assert!(view.beyond.of.is_empty());
}

#[test]
fn today_names_who_waits_who_fell_silent_and_what_nobody_knows() {
    let mut options = Options::default();
    options.real_channels.insert(Channel::Email);
    let story = Story::open_with(&SHOP.replace("holdout: 40%", "holdout: 0%"), options);
    assert!(story.views.home().unwrap().lead.is_empty());
    story.meets("ana", Some("Ana"), true);
    for _ in 0..4 {
        story.orders("ana", "50.00");
        story.pass(Span::days(10));
    }
    story.pass(Span::days(16));
    // Four orders ten days apart; silent for 26 days, one more than two and a half times that.
    story.meets("bob", Some("Bob"), true);
    story.send(&[json!({ "type": "track", "userId": "bob", "event": "Complaint Opened", "properties": { "text": "it came open", "complaint": "k1" } })]);
    let home = story.views.home().unwrap();
    let lead = home.lead.to_string().replace('\u{a0}', " ");
    assert!(
        lead.contains("1 customer waits for an answer.")
            && lead.contains("1 regular has gone quiet.")
            && lead.contains("£200.00"),
        "{lead}"
    );
    let why: Vec<&str> = home.attention.iter().map(|need| need.why.as_str()).collect();
    assert_eq!(why, ["Complaint open", "Usually orders every 10\u{a0}days, quiet for 26\u{a0}days"]);
    assert_eq!(home.attention[0].quote.as_deref(), Some("it came open"));
    assert_eq!(home.attention_total, Count(2));
    assert_eq!(story.views.workspace().unwrap().attention, Count(2));

    // A message goes out and the server never answers: it waits for a person until one has looked.
    story.meets("cleo", Some("Cleo"), true);
    story.orders("cleo", "5.00");
    let orders = story.shop.work(|engine, now| engine.order_attempts(Channel::Email, now, 50));
    let order = orders.iter().find(|order| order.written.to.starts_with("cleo")).unwrap().clone();
    story.shop.work(|engine, now| engine.attempt_sends_data(&order.message, order.number, now));
    story.shop.work(|engine, now| {
        engine.attempt_ended(&order.message, order.number, End::NoReply { detail: "the line went dead".into() }, now)
    });
    let id = order.message.to_string();
    assert_eq!(story.views.workspace().unwrap().uncertain, Count(1));
    let message = story.views.message(&id).unwrap();
    assert!(!message.is_seen && message.explanation.contains("not sent twice"), "{}", message.explanation);
    let header = |name: &str| message.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("Subject"), Some("Thank you, Cleo"));
    assert_eq!(header("To"), Some("Cleo <cleo@example.org>"));
    assert!(
        header("List-Unsubscribe").is_some_and(|value| value.starts_with("<http://127.0.0.1:7700/u/")),
        "{:?}",
        message.headers
    );
    assert!(message.size_bytes.0 > 500);
    let phases: Vec<&str> = message.ledger.iter().map(|row| row.phase.as_str()).collect();
    assert_eq!(phases, ["Fell due", "Attempt recorded", "No reply", "Uncertain"]);
    assert!(story.views.message_body(&id).unwrap().contains("Hello Cleo"));
    assert_eq!(story.views.messages(&Filter::default()).unwrap().uncertain.len(), 1);
    story.views.carry_out(&Order::MarkSeen(id.clone())).unwrap();
    assert!(story.views.message(&id).unwrap().is_seen);
    assert_eq!(story.views.workspace().unwrap().uncertain, Count(0));
    assert!(story.views.messages(&Filter::default()).unwrap().uncertain.is_empty());
    assert!(matches!(story.views.carry_out(&Order::MarkSeen("m_none".into())), Err(PageError::NotFound(_))));
}

#[test]
fn a_customers_page_tells_what_happened_and_whether_we_may_write() {
    let story = a_busy_shop();
    let view = story.views.customer(&story.id("u01"), None).unwrap();
    assert_eq!(view.orders, Count(3));
    let what: Vec<String> = view.timeline.iter().map(|happening| happening.what.to_string()).collect();
    assert!(what.iter().any(|what| what.contains("Order o-u01 · <b>£25.50</b>")), "{what:?}");
    assert!(view.timeline.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let verdicts = view.timeline.iter().filter(|happening| happening.verdict.is_some()).count();
    assert_eq!(
        verdicts as u64,
        story
            .shop
            .with_reader(|reader| {
                let customer = Some(story.shop.read().look_up("u01").unwrap());
                reader
                    .decisions(&DecisionFilter { customer, ..DecisionFilter::default() }, Page { skip: 0, limit: 100 })
                    .map(|found| found.len() as u64)
            })
            .unwrap()
    );
    assert_eq!(view.consents.len(), 1);
    assert_eq!(
        (view.consents[0].what.as_str(), view.consents[0].status.text.as_str()),
        ("Offers by e-mail", "yes, express")
    );
    assert_eq!(view.quiet_hours.as_deref(), Some("21:00 to 08:00, London, now"));
    assert_eq!(view.caps.len(), 1);
    assert_eq!(view.caps[0].of, Count(2));
    assert_eq!(view.identities.len(), 1);
    assert!(view.traits.iter().any(|row| row.name == "email"));

    // Page by page nothing is lost.
    let story = Story::open(SHOP);
    for number in 0..130 {
        story.send(&[json!({ "type": "track", "userId": "ana", "event": "Tea Tasted", "properties": { "name": format!("cup {number}") } })]);
        story.pass(Span::minutes(1));
    }
    let (mut seen, mut before) = (0, None);
    loop {
        let view = story.views.customer("ana", before.as_deref()).unwrap();
        seen += view.timeline.len();
        let Some(earlier) = view.earlier else { break };
        assert_eq!(earlier.count.0 as usize, 130 - seen);
        before = Some(earlier.before);
    }
    assert_eq!(seen, 130);
    assert!(matches!(story.views.customer("nobody", None), Err(PageError::NotFound(_))));
}

#[tokio::test]
async fn a_name_made_of_markup_is_read_as_a_name_from_the_call_to_the_page() {
    let evil = "<script>alert('x')</script><img src=x onerror=alert(1)>";
    let story = Story::open(SHOP);
    story.send(&[
        json!({ "type": "identify", "userId": evil, "anonymousId": evil, "traits": { "first_name": evil, "last_name": "</title>", "email": "eve@example.org", "city": evil, evil: { evil: evil } } }),
        json!({ "type": "track", "userId": evil, "event": "Consent Changed", "properties": { "purpose": "marketing", "status": "granted", "basis": evil, "source": evil } }),
        json!({ "type": "track", "userId": evil, "event": "Order Completed", "properties": { "revenue": "3.00", "order_id": evil, "products": [{ "name": evil, "quantity": 2 }] } }),
        json!({ "type": "track", "userId": evil, "event": evil, "properties": { "name": evil } }),
        json!({ "type": "track", "userId": evil, "event": "Complaint Opened", "properties": { "text": evil, "complaint": evil } }),
        json!({ "type": "record", "userId": evil, "kind": "pass", "recordId": evil, "attributes": { "status": evil } }),
    ]);
    story.send_with(Trust::Browser, &[json!({ "type": "track", "event": evil, "properties": { evil: evil } })]);
    story.pass(Span::hours(1));
    let id = story.id(evil);
    let message = story.views.messages(&Filter::default()).unwrap().rows.first().map(|row| row.id.clone()).unwrap();

    let sessions = Arc::new(Sessions::new());
    let clock: fn() -> jiff::Timestamp = || jiff::Timestamp::UNIX_EPOCH;
    let site = Site { clock, ..Site::local(7700) };
    let site = router(story.views.clone(), sessions.clone(), site);
    let ask = |request: Request<Body>| {
        let site = site.clone();
        async move {
            let response = site.oneshot(request).await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let body = to_bytes(response.into_body(), 8 << 20).await.unwrap();
            (status, headers, String::from_utf8(body.to_vec()).unwrap())
        }
    };
    let link = sessions.issue_link(jiff::Timestamp::UNIX_EPOCH);
    let login = Request::post("/login")
        .header(header::HOST, "127.0.0.1:7700")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={link}")))
        .unwrap();
    let (status, headers, _) = ask(login).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let customer = format!("/customers/{id}");
    let message = format!("/messages/{message}");
    let pages = [
        "/",
        "/customers",
        &customer,
        "/segments",
        "/segments/buyers",
        "/campaigns",
        "/campaigns/thank-you",
        "/messages",
        &message,
        "/sources",
        "/edit/segment",
        "/edit/segment?name=buyers",
    ];
    for address in pages {
        let request = Request::get(address)
            .header(header::HOST, "127.0.0.1:7700")
            .header(header::COOKIE, &cookie)
            .body(Body::empty())
            .unwrap();
        let (status, _, body) = ask(request).await;
        assert_eq!(status, StatusCode::OK, "{address}: {body}");
        assert_eq!(body.matches("<script").count(), 1, "{address}: only our own");
        assert!(!body.contains("<img"), "{address}");
        assert_eq!(body.matches("</title>").count(), body.matches("<title>").count(), "{address}");
        let names_them = matches!(address, "/customers" | "/segments/buyers" | "/") || address == customer;
        assert!(!names_them || body.contains("&#60;script&#62;"), "{address} names them");
    }
}
