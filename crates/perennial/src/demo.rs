//! `perennial demo`: a simulated tea shop with known truths, and thirty months of history.
//!
//! Its campaigns have been running for the last two of them. Time passes when told to, and customers answer messages.

use crate::runtime::{Clock, Driver, Handle, open_store};
use anyhow::{Context, bail};
use domain::definition::{Defined, read_text};
use domain::message::Outcome;
use domain::{Call, Source, Span, Timestamp, Trust};
use engine::Engine;
use engine::ingest::{Door, DoorOptions, Endpoint, read};
use serde::{Deserialize, Serialize};
use shop::{Received, Shop};
use std::path::Path;
use store::{MessageFilter, Page, Reader, Store, StoreError};

/// Days before the end of the history from which the demo's campaigns run.
const CAMPAIGN_DAYS: i64 = 75;
/// Calls are handed over in pieces of at most so many.
const PIECE: usize = 20_000;
/// File in the data directory that says which shop it is.
const FILE: &str = "demo.json";

const DEFINITIONS: [(&str, &str); 3] = [
    ("demo/workspace.yaml", include_str!("../demo/workspace.yaml")),
    ("demo/segments.yaml", include_str!("../demo/segments.yaml")),
    ("demo/campaigns.yaml", include_str!("../demo/campaigns.yaml")),
];

/// Which shop a data directory simulates, and how far it was fed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DemoShop {
    /// The seed.
    pub seed: u64,
    /// Customers in the first thirty months.
    pub customers: u32,
    /// When it opened, in ms.
    pub opens_ms: i64,
    /// Up to when its calls were fed, in ms.
    pub fed_until_ms: i64,
}

impl DemoShop {
    /// Reads which shop a data directory simulates; none if it is no demo.
    pub fn read(dir: &Path) -> anyhow::Result<Option<DemoShop>> {
        match std::fs::read_to_string(dir.join(FILE)) {
            Ok(text) => Ok(Some(
                serde_json::from_str(&text).with_context(|| format!("{} is damaged", dir.join(FILE).display()))?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", dir.join(FILE).display())),
        }
    }

    fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let new = dir.join("demo.json.new");
        std::fs::write(&new, serde_json::to_string(self)?)?;
        std::fs::rename(&new, dir.join(FILE))?;
        Ok(())
    }

    fn open(&self) -> Shop {
        Shop::open(&shop::Config { seed: self.seed, customers: self.customers, opens_ms: self.opens_ms })
    }
}

/// Fills a fresh data directory. `progress` is told the share that is done, from 0 to 1.
pub fn fill(
    dir: &Path,
    seed: u64,
    customers: u32,
    now: Timestamp,
    progress: &mut dyn FnMut(f64),
) -> anyhow::Result<DemoShop> {
    let mut store = open_store(dir)?;
    if store.recover()?.position.0 > 0 {
        bail!("{} holds data already; a demo wants a fresh directory: use another --data-dir", dir.display());
    }
    let config = shop::Config::ending_at(seed, customers, now.0);
    let mut demo = DemoShop { seed, customers, opens_ms: config.opens_ms, fed_until_ms: config.opens_ms };
    demo.write(dir)?;
    let mut shop = demo.open();
    let mut engine = Engine::open(&store, engine::Options::default())?;
    let campaigns_start = Timestamp(config.history_ends_ms()).minus(Span::days(CAMPAIGN_DAYS));
    let share = |at: i64| (at - config.opens_ms) as f64 / (now.0 - config.opens_ms).max(1) as f64;
    let mut at = config.opens_ms;
    while at < campaigns_start.0 {
        at = (at + 30 * Span::DAY.0).min(campaigns_start.0);
        let calls = shop.advance(at, &[]);
        let mut calls = checked(&calls)?.into_iter().peekable();
        while calls.peek().is_some() {
            let piece: Vec<Call> = calls.by_ref().take(PIECE).collect();
            let last = piece.last().map_or(at, |call| call.received_at.0);
            engine.ingest(piece, Timestamp(last));
            commit(&mut store, &mut engine)?;
        }
        progress(share(at));
    }
    engine.define(definitions()?, "demo", campaigns_start)?;
    commit(&mut store, &mut engine)?;
    let mut received = Vec::new();
    while at < now.0 {
        at = (at + Span::DAY.0).min(now.0);
        feed_day(&mut shop, &mut received, at, &mut |calls, until| {
            let decided = take_hours(&mut engine, calls, until);
            commit(&mut store, &mut engine)?;
            Ok(decided)
        })?;
        progress(share(at));
    }
    demo.fed_until_ms = now.0;
    demo.write(dir)?;
    Ok(demo)
}

fn definitions() -> anyhow::Result<Vec<Defined>> {
    let mut all = Vec::new();
    for (origin, text) in DEFINITIONS {
        all.extend(read_text(text, origin)?);
    }
    Ok(all)
}

fn commit(store: &mut dyn Store, engine: &mut Engine) -> Result<(), StoreError> {
    let commit = engine.take_commit();
    if commit.is_empty() { Ok(()) } else { store.commit(&commit) }
}

/// Lets a day pass: the shop's calls go in, and the messages that went out come back to the shop's customers.
fn feed_day(
    shop: &mut Shop,
    received: &mut Vec<Received>,
    until: i64,
    take: &mut dyn FnMut(Vec<Call>, Timestamp) -> anyhow::Result<Vec<Received>>,
) -> anyhow::Result<()> {
    let calls = shop.advance(until, received);
    received.clear();
    received.extend(take(checked(&calls)?, Timestamp(until))?);
    Ok(())
}

/// Hands over the calls of a day, hour by hour, so that each decision is made at its own time.
/// Returns the messages that were sent.
fn take_hours(engine: &mut Engine, calls: Vec<Call>, until: Timestamp) -> Vec<Received> {
    let mut calls = calls.into_iter().peekable();
    while let Some(first) = calls.peek() {
        let hour = first.received_at.plus(Span::hours(1));
        let mut piece = Vec::new();
        while let Some(call) = calls.next_if(|call| call.received_at < hour) {
            piece.push(call);
        }
        let last = piece.last().map_or(hour, |call| call.received_at);
        engine.ingest(piece, last);
    }
    engine.tick(until);
    engine.sent_since_commit().map(|(message, customer)| received_of(message, customer)).collect()
}

fn received_of(message: &domain::message::Message, customer: String) -> Received {
    Received {
        customer,
        at_ms: message.outcome_at.unwrap_or(message.decided_at).0,
        template: message.template.to_string(),
        campaign: message.campaign.to_string(),
        message_id: message.id.to_string(),
    }
}

/// Reads the shop's calls through the door that everything comes through.
fn checked(calls: &[shop::Call]) -> anyhow::Result<Vec<Call>> {
    let source = Source::new("demo shop", Trust::Server);
    let options = DoorOptions::default();
    let mut checked = Vec::with_capacity(calls.len());
    for call in calls {
        let door = Door {
            now: Timestamp(call.time_ms),
            source: &source,
            fresh_id: &|_| String::new(),
            options: &options,
            correct_skew: false,
        };
        let reading = read(call.json.as_bytes(), Endpoint::Any, &door);
        for item in reading.map_err(refusal)?.items {
            checked.push(item.map_err(refusal)?);
        }
    }
    Ok(checked)
}

#[expect(clippy::needless_pass_by_value, reason = "given to `map_err`")]
fn refusal(refusal: engine::ingest::Refusal) -> anyhow::Error {
    anyhow::anyhow!("the simulated shop sent a call that is refused: {}: {}", refusal.message, refusal.raw)
}

/// What came of letting time pass.
#[derive(Clone, Debug, Serialize)]
pub struct Advanced {
    /// The demo's time now.
    pub now: String,
    /// Calls of customers that came in.
    pub events: u64,
    /// Messages that went out.
    pub sent: u64,
}

/// Lets a demo's time pass on a running writer: customers act, and answer the messages they get.
pub fn advance(handle: &Handle, span: Span) -> anyhow::Result<Advanced> {
    let dir = handle.dir().to_owned();
    let Some(demo) = DemoShop::read(&dir)? else {
        bail!("{} holds no demo: only a simulated shop's time can be advanced", dir.display());
    };
    handle.drive(move |driver| advance_on(driver, demo, &dir, span))?
}

fn advance_on(driver: &mut Driver<'_>, mut demo: DemoShop, dir: &Path, span: Span) -> anyhow::Result<Advanced> {
    let start = driver.clock.now();
    let target = start.plus(span);
    let before = {
        let engine = driver.engine.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        received_before(driver.store.reader()?.as_ref(), &engine)?
    };
    let mut shop = demo.open();
    shop.advance(demo.fed_until_ms, &before);
    // Messages of the time before are handed in again with the first step: the shop knows them by their ids.
    let mut received = before;
    let (mut events, mut sent) = (0_u64, 0_u64);
    let mut at = demo.fed_until_ms;
    while at < target.0 {
        at = (at + Span::DAY.0).min(target.0);
        feed_day(&mut shop, &mut received, at, &mut |calls, until| {
            events += calls.len() as u64;
            let went = driver.step(|engine| take_hours(engine, calls, until))?;
            sent += went.len() as u64;
            Ok(went)
        })?;
    }
    demo.fed_until_ms = target.0;
    demo.write(dir)?;
    let offset = driver.clock.offset_ms().saturating_add(target.since(driver.clock.now()).0);
    driver.clock.set_offset_ms(offset);
    driver.step(|engine| engine.set_clock_offset_ms(offset))?;
    Ok(Advanced { now: target.to_string(), events, sent })
}

/// All messages that customers of a demo ever got.
fn received_before(reader: &dyn Reader, engine: &Engine) -> Result<Vec<Received>, StoreError> {
    let filter = MessageFilter { outcome: Some(Outcome::Sent), ..MessageFilter::default() };
    let mut received = Vec::new();
    let mut page = Page { skip: 0, limit: 1_000 };
    loop {
        let messages = reader.messages(&filter, page)?;
        received.extend(messages.iter().map(|message| received_of(message, engine.name_of(message.customer))));
        if messages.len() < page.limit as usize {
            return Ok(received);
        }
        page.skip += u64::from(page.limit);
    }
}

/// What a perfect analyst would find in a demo: its truths, and what came of them up to now.
pub fn answers(dir: &Path, reader: &dyn Reader, engine: &Engine) -> anyhow::Result<shop::Answers> {
    let Some(demo) = DemoShop::read(dir)? else {
        bail!("{} holds no demo", dir.display());
    };
    let received = received_before(reader, engine)?;
    let mut shop = demo.open();
    shop.advance(demo.fed_until_ms, &received);
    Ok(shop.answers())
}

/// The present instant for a demo that is made now.
pub fn present() -> Timestamp {
    Clock::default().now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Definition;
    use domain::workspace::marketing;

    #[test]
    fn every_offer_of_the_demo_says_how_to_get_less_and_how_to_get_none() {
        let all = definitions().unwrap();
        let offers = all.iter().filter_map(|defined| match &defined.definition {
            Definition::Campaign(campaign) if campaign.purpose == marketing() => Some(campaign),
            _ => None,
        });
        let named: Vec<_> = offers.flat_map(|campaign| campaign.templates()).collect();
        assert!(named.len() >= 3, "{named:?}");
        for defined in &all {
            if let Definition::Template(template) = &defined.definition {
                let is_offer = named.contains(&&template.name);
                for link in ["{{ links.preferences }}", "{{ links.unsubscribe }}"] {
                    assert_eq!(template.body.contains(link), is_offer, "{link} in `{}`", template.name);
                }
            }
        }
    }
}
