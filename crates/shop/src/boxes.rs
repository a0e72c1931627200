//! What runs for months: the monthly box with its payments, cards that expire, and tasting passes. Truth 4 acts here.

use crate::World;
use crate::calls::Diary;
use crate::catalogue::DISCOVERY_BOX;
use crate::chance::{Draws, Purpose};
use crate::days::{DAY_MS, Date, HOUR_MS};
use crate::life::{Errand, Life, Presence};
use crate::orders::{Discount, Line, Order};

/// A subscription to the monthly box.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The how-many-th of this customer; errands of an earlier one find nobody.
    number: u32,
    id: String,
    /// The card is valid until this day, exclusive.
    card_expires_ms: i64,
    card_has_failed_expired: bool,
    last_four: u32,
}

/// A tasting pass for the tea house.
#[derive(Debug)]
pub(crate) struct Pass {
    id: String,
    ends: u32,
}

/// Probability to take the box beside an order that is not the first, and a pass beside any.
const SUBSCRIBES: f64 = 0.075;
const TAKES_PASS: f64 = 0.03;
/// A month between boxes, in days.
const BOX_EVERY_DAYS: u32 = 30;
const PASS_PRICE_PENCE: i64 = 45_00;

/// Why a payment failed, as the bank says it.
const DECLINED: [&str; 3] = ["insufficient_funds", "do_not_honor", "processing_error"];

impl Life {
    pub(crate) fn consider_subscribing(&mut self, day: u32, time_ms: i64, world: &World, diary: &mut Diary<'_>) {
        let mut draws = world.dice.of(self.person.number, day, Purpose::Subscribe);
        // Not beside the first order: the box itself must not be the second one of truth 1.
        let is_regular = self.orders_before(time_ms + 1) >= 2;
        if self.subscription.is_some() || !is_regular || !draws.happens(SUBSCRIBES) {
            return;
        }
        self.subscriptions_ever += 1;
        let number = self.subscriptions_ever;
        let subscription = Subscription {
            number,
            id: format!("box-{:05}-{number}", self.person.number),
            card_expires_ms: card_expiry(time_ms, &mut draws),
            card_has_failed_expired: false,
            last_four: draws.below(10_000),
        };
        let user = &self.person.user_id;
        write_card(&subscription, user, time_ms + 30_000, diary);
        diary.record(time_ms + 31_000, user, "subscription", &subscription.id, |attributes| {
            attributes.text("status", "active");
            attributes.text("plan", DISCOVERY_BOX.name);
            attributes.money("price", DISCOVERY_BOX.price_pence);
            attributes.text("currency", "GBP");
            attributes.instant("renews", world.midnight(day + BOX_EVERY_DAYS) + 6 * HOUR_MS);
        });
        self.errands.push((day + BOX_EVERY_DAYS, Errand::Renew { subscription: number }));
        self.subscription = Some(subscription);
        diary.tally.subscriptions.started += 1;
    }

    /// The monthly payment: a box, or the first failure.
    pub(crate) fn renew_box(&mut self, number: u32, day: u32, world: &World, diary: &mut Diary<'_>) {
        let Some(subscription) = self.subscription.as_mut().filter(|it| it.number == number) else {
            return;
        };
        let truth = &world.truth.subscriptions;
        let mut draws = world.dice.of(self.person.number, day, Purpose::Renewal);
        let time_ms = world.midnight(day) + 6 * HOUR_MS + i64::from(draws.below(1_800_000));
        let is_expired = time_ms >= subscription.card_expires_ms && !subscription.card_has_failed_expired;
        let fails = if is_expired { truth.payment_fails_on_expired_card } else { truth.payment_fails };
        if !draws.happens(fails) {
            if is_expired {
                renew_card(subscription, &self.person.user_id, time_ms - HOUR_MS, diary);
            }
            return self.send_box(day, time_ms, world, diary);
        }
        subscription.card_has_failed_expired = is_expired;
        let reason = if is_expired { "expired_card" } else { *draws.pick(&DECLINED) };
        let id = subscription.id.clone();
        diary.track(time_ms, self.person.named(), "Payment Failed", |properties| {
            properties.text("subscription", &id);
            properties.money("amount", DISCOVERY_BOX.price_pence);
            properties.text("currency", "GBP");
            properties.text("reason", reason);
        });
        diary.record(time_ms + 1_000, &self.person.user_id, "subscription", &id, |attributes| {
            attributes.text("status", "past_due");
        });
        diary.tally.subscriptions.payments_failed += 1;
        self.errands.push((day + truth.retry_days[0], Errand::Retry { subscription: number, attempt: 0 }));
    }

    /// Tries a failed payment again; after the last time the subscription is lost.
    pub(crate) fn retry_payment(
        &mut self,
        number: u32,
        attempt: usize,
        day: u32,
        world: &World,
        diary: &mut Diary<'_>,
    ) {
        let truth = &world.truth.subscriptions;
        let failed_ms = world.midnight(day - truth.retry_days[attempt]);
        let was_told = self.has_heard("payment-failed", failed_ms, world.midnight(day));
        let Some(subscription) = self.subscription.as_mut().filter(|it| it.number == number) else {
            return;
        };
        let succeeds = truth.retry_succeeds * if was_told { truth.message_multiplier } else { 1.0 };
        let mut draws = world.dice.of(self.person.number, day, Purpose::Retry);
        let time_ms = world.midnight(day) + 7 * HOUR_MS + i64::from(draws.below(1_800_000));
        if draws.happens(succeeds) {
            if subscription.card_has_failed_expired {
                renew_card(subscription, &self.person.user_id, time_ms - HOUR_MS, diary);
            }
            let id = subscription.id.clone();
            diary.track(time_ms, self.person.named(), "Payment Recovered", |properties| {
                properties.text("subscription", &id);
                properties.money("amount", DISCOVERY_BOX.price_pence);
                properties.text("currency", "GBP");
            });
            diary.tally.subscriptions.payments_recovered += 1;
            self.send_box(day, time_ms + 2_000, world, diary);
        } else if let Some(next) = truth.retry_days.get(attempt + 1) {
            let next_day = day - truth.retry_days[attempt] + next;
            self.errands.push((next_day, Errand::Retry { subscription: number, attempt: attempt + 1 }));
        } else {
            diary.tally.subscriptions.lost_to_failed_payments += 1;
            self.cancel_box(time_ms, diary);
        }
    }

    /// A box is an order like any other, of the subscription's.
    fn send_box(&mut self, day: u32, time_ms: i64, world: &World, diary: &mut Diary<'_>) {
        let Some(subscription) = &self.subscription else {
            return;
        };
        let number = subscription.number;
        let order = Order {
            id: format!("o-{:05}-{day}-box", self.person.number),
            time_ms,
            lines: vec![Line { product: &DISCOVERY_BOX, quantity: 1 }],
            discount: Discount::Nothing,
            subscription: Some(subscription.id.clone()),
        };
        diary.record(time_ms + 500, &self.person.user_id, "subscription", &subscription.id, |attributes| {
            attributes.text("status", "active");
            attributes.instant("renews", world.midnight(day + BOX_EVERY_DAYS) + 6 * HOUR_MS);
        });
        self.complete_order(&order, world, diary);
        self.errands.push((day + BOX_EVERY_DAYS, Errand::Renew { subscription: number }));
    }

    pub(crate) fn consider_cancelling_box(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        if self.subscription.is_none() {
            return;
        }
        let mut draws = world.dice.of(self.person.number, day, Purpose::CancelBox);
        if draws.happens(world.truth.subscriptions.cancels_daily) {
            self.cancel_box(world.midnight(day) + i64::from(draws.between(8 * 60, 22 * 60)) * 60_000, diary);
        }
    }

    /// Ends the subscription, if there is one.
    pub(crate) fn cancel_box(&mut self, time_ms: i64, diary: &mut Diary<'_>) {
        let Some(subscription) = self.subscription.take() else {
            return;
        };
        diary.record(time_ms, &self.person.user_id, "subscription", &subscription.id, |attributes| {
            attributes.text("status", "cancelled");
            attributes.instant("cancelled", time_ms);
        });
        diary.tally.subscriptions.lost += 1;
    }

    pub(crate) fn consider_pass(&mut self, day: u32, time_ms: i64, world: &World, diary: &mut Diary<'_>) {
        let takes = world.dice.of(self.person.number, day, Purpose::Pass).happens(TAKES_PASS);
        if self.pass.is_none() && takes {
            self.start_pass(day, time_ms + 60_000, world, diary);
        }
    }

    fn start_pass(&mut self, day: u32, time_ms: i64, world: &World, diary: &mut Diary<'_>) {
        self.passes_ever += 1;
        let ends = day + world.truth.passes.valid_days;
        let id = format!("pass-{:05}-{}", self.person.number, self.passes_ever);
        diary.record(time_ms, &self.person.user_id, "pass", &id, |attributes| {
            attributes.text("status", "active");
            attributes.text("name", "Tasting Pass");
            attributes.money("price", PASS_PRICE_PENCE);
            attributes.text("currency", "GBP");
            attributes.instant("expires", world.midnight(ends));
        });
        self.errands.push((ends, Errand::PassEnds));
        self.pass = Some(Pass { id, ends });
    }

    pub(crate) fn end_pass(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let Some(Pass { id, ends }) = self.pass.take() else {
            return;
        };
        let truth = &world.truth.passes;
        diary.record(world.midnight(ends), &self.person.user_id, "pass", &id, |attributes| {
            attributes.text("status", "expired");
        });
        let since_ms = world.midnight(ends) - 30 * DAY_MS;
        let was_told = self.has_heard("pass-expires", since_ms, world.midnight(ends));
        let renewed = if was_told { truth.renewed_after_message } else { truth.renewed };
        let mut draws = world.dice.of(self.person.number, day, Purpose::Pass);
        if draws.happens(renewed) && self.presence_on(day) == Presence::Here {
            let time_ms = world.midnight(day) + i64::from(draws.between(9 * 60, 21 * 60)) * 60_000;
            self.start_pass(day, time_ms, world, diary);
        }
    }
}

/// The end of a month, one to 36 months away: cards are valid for three years.
fn card_expiry(time_ms: i64, draws: &mut Draws) -> i64 {
    let today = Date::of(time_ms);
    let months = today.month + draws.between(1, 36);
    Date { year: today.year + i64::from((months - 1) / 12), month: (months - 1) % 12 + 1, day: 1 }.midnight_ms()
}

fn renew_card(subscription: &mut Subscription, user: &str, time_ms: i64, diary: &mut Diary<'_>) {
    let Date { year, month, .. } = Date::of(time_ms);
    subscription.card_expires_ms = Date { year: year + 3, month, day: 1 }.midnight_ms();
    subscription.card_has_failed_expired = false;
    subscription.last_four = (subscription.last_four * 7 + 1_234) % 10_000;
    write_card(subscription, user, time_ms, diary);
}

fn write_card(subscription: &Subscription, user: &str, time_ms: i64, diary: &mut Diary<'_>) {
    let id = subscription.id.replacen("box", "card", 1);
    diary.record(time_ms, user, "payment_method", &id, |attributes| {
        attributes.instant("expires", subscription.card_expires_ms);
        attributes.text("brand", if subscription.last_four.is_multiple_of(3) { "Mastercard" } else { "Visa" });
        attributes.formatted("last4", format_args!("{:04}", subscription.last_four));
        attributes.text("subscription", &subscription.id);
    });
}
