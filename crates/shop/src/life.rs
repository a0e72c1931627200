//! The life of one customer, day by day: coming, signing up, ordering, leaving. What follows from an order, a box or a
//! message is in `parcels.rs`, `boxes.rs` and `post.rs`.
//!
//! A day is planned as a whole from what is known at its first instant. What happens later on that day, by a message,
//! is older than a day before any plan asks for it; that is why time may advance in steps of any size.

use crate::World;
use crate::boxes::{Pass, Subscription};
use crate::calls::{Diary, Named};
use crate::chance::Purpose;
use crate::days::{DAY_MS, HOUR_MS};
use crate::orders::{Discount, Order};
use crate::parcels::Parcel;
use crate::people::Person;
use crate::post::Kept;
use crate::visits::{Intent, pace_on, shopping_time, visit, wander};

/// One customer and all that is remembered of them.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) person: Person,
    pub(crate) signs_up: u32,
    /// When they left and came back, by day; nothing yet: here.
    comings: Vec<(u32, Presence)>,
    /// Instants of completed orders, ascending. An answer to a message can put one into the next days.
    orders: Vec<i64>,
    /// Until which day a late parcel is resented, and by how much it multiplies the risk of leaving.
    pub(crate) resents_until: u32,
    pub(crate) resentment: f64,
    pub(crate) has_consented: bool,
    pub(crate) unsubscribed_ms: Option<i64>,
    /// What is bound to happen, and on which day.
    pub(crate) errands: Vec<(u32, Errand)>,
    pub(crate) kept_messages: Vec<Kept>,
    pub(crate) win_backs: u32,
    pub(crate) last_win_back: Option<u32>,
    pub(crate) subscription: Option<Subscription>,
    pub(crate) subscriptions_ever: u32,
    pub(crate) pass: Option<Pass>,
    pub(crate) passes_ever: u32,
}

/// Whether a customer is still one. Nobody sees this but the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    Left,
}

/// Something that comes by itself on its day.
#[derive(Debug)]
pub(crate) enum Errand {
    Deliver(Box<Parcel>),
    Renew { subscription: u32 },
    Retry { subscription: u32, attempt: usize },
    PassEnds,
    Return,
    TellBirthday,
}

/// Probability of ordering on the day of signing up.
const ORDERS_AT_ONCE: f64 = 0.62;
/// Those who have not yet ordered come at least at this pace, orders a day.
const FIRST_ORDER_RATE: f64 = 1.0 / 60.0;
/// In the first 30 days after the first order enthusiasm multiplies the pace.
const ENTHUSIASM: f64 = 1.9;
/// Visits without an order for each with one.
const BROWSES_PER_ORDER: f64 = 1.5;

impl Life {
    pub(crate) fn begin(number: u32, day: u32, world: &World) -> Life {
        let mut draws = world.dice.of(number, 0, Purpose::SignUp);
        let waits = if draws.happens(0.5) { 0 } else { draws.between(1, 14) };
        Life {
            person: Person::meet(world.dice, number),
            signs_up: day + waits,
            comings: Vec::new(),
            orders: Vec::new(),
            resents_until: 0,
            resentment: 1.0,
            has_consented: draws.happens(0.80),
            unsubscribed_ms: None,
            errands: Vec::new(),
            kept_messages: Vec::new(),
            win_backs: 0,
            last_win_back: None,
            subscription: None,
            subscriptions_ever: 0,
            pass: None,
            passes_ever: 0,
        }
    }

    /// Lives through one day.
    pub(crate) fn live(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        if day < self.signs_up {
            return self.come_unknown(day, world, diary);
        }
        if day == self.signs_up {
            return self.sign_up(day, world, diary);
        }
        self.run_errands(day, world, diary);
        self.consider_leaving(day, world, diary);
        if self.presence_on(day) == Presence::Here {
            self.consider_cancelling_box(day, world, diary);
            self.consider_shopping(day, world, diary);
            self.consider_talking(day, world, diary);
        }
        self.hear_from_earlier_tool(day, world, diary);
    }

    fn come_unknown(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let mut draws = world.dice.of(self.person.number, day, Purpose::Wander);
        if draws.happens(0.25) {
            wander(&self.person, day, world, &mut draws, diary);
        }
    }

    fn sign_up(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let person = &self.person;
        let mut draws = world.dice.of(person.number, day, Purpose::SignUp);
        let start_ms = shopping_time(person.home, world.midnight(day), &mut draws);
        let unknown = Named::Anonymous(&person.anonymous_id);
        let came = visit(person, unknown, start_ms, Intent::Browse, &mut draws, diary);
        let signed_up_ms = came.ended_ms;
        let both = Named::Both { user: &person.user_id, anonymous: &person.anonymous_id };
        diary.identify(signed_up_ms, both, |traits| person.write_traits(traits, signed_up_ms));
        if self.has_consented {
            let basis = if draws.happens(0.85) { "express" } else { "implied" };
            diary.track(signed_up_ms + 400, person.named(), "Consent Changed", |properties| {
                properties.text("purpose", "marketing");
                properties.text("channel", "email");
                properties.text("status", "granted");
                properties.text("basis", basis);
                properties.text("source", if basis == "express" { "signup-form" } else { "checkout" });
                properties.text("text_version", "2024-1");
            });
        }
        if person.tells_birthday_later {
            self.errands.push((day + draws.between(20, 60), Errand::TellBirthday));
        }
        if draws.happens(ORDERS_AT_ONCE) {
            self.buy(day, signed_up_ms + 45_000, world, diary);
        }
    }

    fn run_errands(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let mut index = 0;
        while index < self.errands.len() {
            if self.errands[index].0 > day {
                index += 1;
                continue;
            }
            // Order is kept: two errands of one day run in the order in which they came up.
            let (_, errand) = self.errands.remove(index);
            match errand {
                Errand::Deliver(parcel) => self.deliver(&parcel, day, world, diary),
                Errand::Renew { subscription } => self.renew_box(subscription, day, world, diary),
                Errand::Retry { subscription, attempt } => self.retry_payment(subscription, attempt, day, world, diary),
                Errand::PassEnds => self.end_pass(day, world, diary),
                Errand::Return => self.come_back(day),
                Errand::TellBirthday => self.tell_birthday(day, world, diary),
            }
        }
    }

    fn tell_birthday(&self, day: u32, world: &World, diary: &mut Diary<'_>) {
        if let Some(birthday) = self.person.birthday() {
            let time_ms = world.midnight(day) + 12 * HOUR_MS;
            diary.identify(time_ms, self.person.named(), |traits| traits.text("birthday", birthday));
        }
    }

    /// Truth 1, and the resentment of truth 3.
    fn consider_leaving(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        if self.presence_on(day) == Presence::Left {
            return;
        }
        let now_ms = world.midnight(day);
        let truth = &world.truth.second_order;
        let has_ordered = self.orders_before(now_ms) > 0;
        let stays_longer = self.has_early_second_order(now_ms, world);
        let has_returned = !self.comings.is_empty();
        let stay_days = match (has_returned, has_ordered, stays_longer) {
            (true, _, _) => truth.stay_after_return_days,
            (false, false, _) => truth.stay_without_order_days,
            (false, true, false) => truth.stay_days,
            (false, true, true) => truth.stay_days * truth.stay_multiplier,
        };
        let resentment = if day <= self.resents_until { self.resentment } else { 1.0 };
        let leaves = world.dice.of(self.person.number, day, Purpose::Leave).happens(resentment / stay_days);
        if has_ordered && !has_returned {
            let tally = &mut *diary.tally;
            let stay = if stays_longer { &mut tally.stay_after_early_second_order } else { &mut tally.stay_otherwise };
            stay.days += 1;
            stay.left += u64::from(leaves);
        }
        if leaves {
            self.comings.push((day, Presence::Left));
            self.cancel_box(now_ms + 9 * HOUR_MS, diary);
        }
    }

    fn consider_shopping(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let midnight_ms = world.midnight(day);
        let rate = match self.orders.first() {
            None => self.person.order_rate.max(FIRST_ORDER_RATE),
            Some(first_ms) if midnight_ms - first_ms < 30 * DAY_MS => self.person.order_rate * ENTHUSIASM,
            Some(_) => self.person.order_rate,
        };
        let pace = rate * pace_on(midnight_ms);
        let mut draws = world.dice.of(self.person.number, day, Purpose::Visit);
        let (buys, browses) = (draws.happens(pace), draws.happens(pace * BROWSES_PER_ORDER));
        if !buys && !browses {
            return;
        }
        let start_ms = shopping_time(self.person.home, midnight_ms, &mut draws);
        if buys {
            self.buy(day, start_ms, world, diary);
        } else {
            visit(&self.person, self.person.named(), start_ms, Intent::Browse, &mut draws, diary);
        }
    }

    fn buy(&mut self, day: u32, start_ms: i64, world: &World, diary: &mut Diary<'_>) {
        let person = &self.person;
        let mut draws = world.dice.of(person.number, day, Purpose::Basket);
        let visited = visit(person, person.named(), start_ms, Intent::Buy, &mut draws, diary);
        let order = Order {
            id: format!("o-{:05}-{day}", person.number),
            time_ms: visited.ended_ms,
            lines: visited.basket,
            discount: Discount::Nothing,
            subscription: None,
        };
        self.complete_order(&order, world, diary);
        self.consider_subscribing(day, order.time_ms, world, diary);
        self.consider_pass(day, order.time_ms, world, diary);
    }

    /// Writes the order down and sends it off.
    pub(crate) fn complete_order(&mut self, order: &Order, world: &World, diary: &mut Diary<'_>) {
        diary.track(order.time_ms, self.person.named(), "Order Completed", |properties| order.write(properties));
        let place = self.orders.partition_point(|time_ms| *time_ms <= order.time_ms);
        self.orders.insert(place, order.time_ms);
        diary.tally.orders += 1;
        diary.tally.revenue_minor += order.revenue_pence();
        self.send_parcel(order, world, diary);
    }

    fn consider_talking(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        const SUBJECTS: [&str; 6] = [
            "How hot should the water be?",
            "Do you ship to the Isle of Man?",
            "Is this tea free of nuts?",
            "Gift wrapping",
            "Which oolong for a beginner?",
            "Invoice for my company",
        ];
        let mut draws = world.dice.of(self.person.number, day, Purpose::Talk);
        if !draws.happens(1.0 / 900.0) {
            return;
        }
        let opened_ms = shopping_time(self.person.home, world.midnight(day), &mut draws);
        let closed_ms = opened_ms + i64::from(draws.between(10, 3_000)) * 60_000;
        let subject = *draws.pick(&SUBJECTS);
        let id = format!("talk-{:05}-{day}", self.person.number);
        diary.track(opened_ms, self.person.named(), "Conversation Opened", |properties| {
            properties.text("conversation", &id);
            properties.text("channel", "chat");
            properties.text("subject", subject);
        });
        diary.track(closed_ms, self.person.named(), "Conversation Closed", |properties| {
            properties.text("conversation", &id);
        });
    }

    fn come_back(&mut self, day: u32) {
        if self.presence_on(day) == Presence::Left {
            self.comings.push((day, Presence::Here));
        }
    }

    pub(crate) fn presence_on(&self, day: u32) -> Presence {
        let last = self.comings.iter().rev().find(|(since, _)| *since <= day);
        last.map_or(Presence::Here, |(_, presence)| *presence)
    }

    /// Orders completed before an instant.
    pub(crate) fn orders_before(&self, time_ms: i64) -> usize {
        self.orders.partition_point(|order_ms| *order_ms < time_ms)
    }

    /// The last order before an instant.
    pub(crate) fn last_order_before(&self, time_ms: i64) -> Option<i64> {
        self.orders_before(time_ms).checked_sub(1).map(|index| self.orders[index])
    }

    fn has_early_second_order(&self, time_ms: i64, world: &World) -> bool {
        let within_ms = i64::from(world.truth.second_order.within_days) * DAY_MS;
        self.orders_before(time_ms) >= 2 && self.orders[1] - self.orders[0] <= within_ms
    }
}
