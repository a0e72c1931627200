//! The tea shop: customers simulated day by day, with truths planted in what they do, as data that states them.
//!
//! A [`Shop`] writes the calls that a real shop's web page and servers would send to Perennial. It is a pure function of
//! its [`Config`] and of the messages its customers received: no clock, no I/O, no randomness but the keyed kind of
//! `chance.rs`. So a shop is rebuilt from its seed by handing in the same messages again, and two worlds that differ in
//! one message differ in what that message does and in nothing else.
//!
//! ```text
//! truth       what is planted, as numbers          people      who they are      catalogue   what is sold
//! life        one customer, day by day             visits      browsing, buying  orders      money, exactly
//! parcels     due, late, reviewed, refunded        boxes       subscriptions, passes, failed payments
//! post        messages and how they are answered   answers     what a perfect analyst would find
//! calls       writing JSON     days   the calendar     chance   keyed randomness
//! ```
//!
//! What deliberately does not live here: sending, storing, or judging anything.

mod answers;
mod boxes;
mod calls;
mod catalogue;
mod chance;
mod days;
mod life;
mod orders;
mod parcels;
mod people;
mod post;
mod truth;
mod visits;

use std::collections::HashSet;

pub use answers::{Answers, MessageAnswer, Parcels, Stay, Subscriptions, Tally};
pub use calls::Call;
use calls::{Diary, Noted, Source};
use chance::{Dice, Purpose, hash};
use days::{DAY_MS, midnight_before};
use life::Life;
pub use post::Received;
use post::Sender;
use truth::HISTORY_DAYS;
pub use truth::{Audience, CourierTruth, MessageTruth, PassTruth, SecondOrderTruth, SubscriptionTruth, Truth};

/// What makes one shop different from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The same seed is the same shop, call by call.
    pub seed: u64,
    /// Customers who come within the 30 months; later ones keep coming at the pace reached.
    pub customers: u32,
    /// When the 30 months (913 days) begin: UTC, ms; the midnight before it is taken.
    pub opens_ms: i64,
}

impl Config {
    /// A shop whose 30 months end with the UTC day of `end_ms`.
    pub fn ending_at(seed: u64, customers: u32, end_ms: i64) -> Config {
        let opens_ms = midnight_before(end_ms) - i64::from(HISTORY_DAYS - 1) * DAY_MS;
        Config { seed, customers, opens_ms }
    }

    /// The instant at which the 30 months are over and the earlier e-mail tool falls silent: UTC, ms, a midnight.
    pub fn history_ends_ms(&self) -> i64 {
        midnight_before(self.opens_ms) + i64::from(HISTORY_DAYS) * DAY_MS
    }
}

/// A tea shop and its customers at an instant of simulated time.
#[derive(Debug)]
pub struct Shop {
    world: World,
    lives: Vec<Life>,
    /// The first day that is not planned yet.
    next_day: u32,
    /// Up to which instant calls were handed out.
    told_until_ms: i64,
    /// Calls planned but later than `told_until_ms`: at most the rest of a day and what is already bound to follow.
    pending: Vec<Noted>,
    /// Messages for days that are not planned yet, by time.
    mailbag: Vec<Received>,
    seen_messages: HashSet<u64>,
    tally: Tally,
}

/// What is the same for all customers.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) truth: Truth,
    pub(crate) dice: Dice,
    opens_ms: i64,
    customers: u32,
}

impl Shop {
    /// Opens the shop; nobody has come yet.
    pub fn open(config: &Config) -> Shop {
        let opens_ms = midnight_before(config.opens_ms);
        Shop {
            world: World {
                truth: Truth::of_shop_ending(config.history_ends_ms()),
                dice: Dice::new(config.seed),
                opens_ms,
                customers: config.customers,
            },
            lives: Vec::new(),
            next_day: 0,
            told_until_ms: opens_ms - 1,
            pending: Vec::new(),
            mailbag: Vec::new(),
            seen_messages: HashSet::new(),
            tally: Tally::default(),
        }
    }

    /// Lets time pass, and returns the calls up to `until_ms` that were not handed out before, in the order of time.
    ///
    /// `received` are messages that Perennial really sent, each handed in once (a `message_id` seen before is left
    /// out), at the latest one day after it was received. Within that bound it does not matter at which call of
    /// `advance` a message comes or how far time goes at once: the calls are the same, except that answers to a message
    /// handed in late are handed out late, with their true time. Handing in a whole history of messages at once
    /// rebuilds the shop.
    ///
    /// Memory is that of the calls returned: fill a large shop by weeks or months.
    pub fn advance(&mut self, until_ms: i64, received: &[Received]) -> Vec<Call> {
        self.take_in(received);
        self.answer_mail_before(self.world.midnight(self.next_day));
        while self.world.midnight(self.next_day) <= until_ms {
            self.live_through(self.next_day);
            self.next_day += 1;
            self.answer_mail_before(self.world.midnight(self.next_day));
        }
        self.told_until_ms = self.told_until_ms.max(until_ms);
        self.hand_out()
    }

    /// What is planted in the data.
    pub fn truth(&self) -> &Truth {
        &self.world.truth
    }

    /// The truth, and what it came to so far. Days are counted as a whole, so an instant within a day counts that day's end.
    pub fn answers(&self) -> Answers {
        Answers { truth: self.world.truth.clone(), customers: self.lives.len() as u32, realised: self.tally.clone() }
    }

    /// Up to which instant calls were handed out: UTC, ms. Before the first advance, 1 ms before the opening.
    pub fn now_ms(&self) -> i64 {
        self.told_until_ms
    }

    fn take_in(&mut self, received: &[Received]) {
        for message in received {
            if self.seen_messages.insert(hash(&message.message_id)) {
                self.mailbag.push(message.clone());
            }
        }
        // The id breaks ties, so that the order in which messages are handed in does not matter.
        self.mailbag.sort_by(|a, b| (a.at_ms, &a.message_id).cmp(&(b.at_ms, &b.message_id)));
    }

    fn answer_mail_before(&mut self, before_ms: i64) {
        let count = self.mailbag.partition_point(|message| message.at_ms < before_ms);
        for message in self.mailbag.drain(..count) {
            let Some(life) = recipient(&mut self.lives, &message.customer) else {
                self.tally.unknown_recipients += 1;
                continue;
            };
            let source = Source::Message(hash(&message.message_id));
            let mut diary = Diary::open(&mut self.pending, &mut self.tally, life.person.number, source);
            life.receive(&message, Sender::Perennial, &self.world, &mut diary);
        }
    }

    fn live_through(&mut self, day: u32) {
        while self.world.arrival_day(self.lives.len() as u32 + 1) <= day {
            self.lives.push(Life::begin(self.lives.len() as u32 + 1, day, &self.world));
        }
        for life in &mut self.lives {
            let mut diary = Diary::open(&mut self.pending, &mut self.tally, life.person.number, Source::Day(day));
            life.live(day, &self.world, &mut diary);
        }
    }

    fn hand_out(&mut self) -> Vec<Call> {
        self.pending.sort_unstable_by_key(|noted| noted.place);
        let count = self.pending.partition_point(|noted| noted.place.0 <= self.told_until_ms);
        self.pending.drain(..count).map(|Noted { place, json }| Call { time_ms: place.0, json }).collect()
    }
}

fn recipient<'a>(lives: &'a mut [Life], user_id: &str) -> Option<&'a mut Life> {
    let number: u32 = user_id.strip_prefix("t-")?.parse().ok()?;
    lives.get_mut(number.checked_sub(1)? as usize).filter(|life| life.person.user_id == user_id)
}

impl World {
    /// The first instant of a day, counted from the opening.
    pub(crate) fn midnight(&self, day: u32) -> i64 {
        self.opens_ms + i64::from(day) * DAY_MS
    }

    pub(crate) fn day_of(&self, time_ms: i64) -> u32 {
        (time_ms - self.opens_ms).div_euclid(DAY_MS).max(0) as u32
    }

    /// The day on which a customer first comes. Arrivals grow evenly to twice the first day's over the 30 months:
    /// by the share x of that time, (x + x²/2) / 1.5 of the customers have come.
    fn arrival_day(&self, number: u32) -> u32 {
        let jitter = self.dice.of(number, 0, Purpose::Arrival).unit();
        let share_of_customers = (f64::from(number - 1) + jitter) / f64::from(self.customers.max(1));
        let share_of_time = (1.0 + 3.0 * share_of_customers).sqrt() - 1.0;
        (share_of_time * f64::from(HISTORY_DAYS)) as u32
    }
}
