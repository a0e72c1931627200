//! What a customer was given: a ledger of points, and vouchers. All of it from Perennial's own events.

use crate::profile::customer::Order;
use domain::call::events;
use domain::{Call, Timestamp, Trust};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Most vouchers that are kept of one customer: the latest ones. All of them are in the history.
const VOUCHERS: usize = 1_000;

/// A voucher that a customer was given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Voucher {
    /// When, and in which order.
    pub order: Order,
    /// From which pool.
    pub pool: Arc<str>,
    /// What the customer shows.
    pub code: Arc<str>,
    /// Good up to but without this instant; none: for ever.
    pub expires: Option<Timestamp>,
    /// In which journey it was given.
    pub journey: Arc<str>,
    /// At which step of it.
    pub step: Arc<str>,
}

/// A voucher that a customer was to get when its pool had no code left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Owed {
    /// When, and in which order.
    pub order: Order,
    /// From which pool.
    pub pool: Arc<str>,
    /// In which journey.
    pub journey: Arc<str>,
    /// At which step of it.
    pub step: Arc<str>,
}

/// What a customer was given.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rewards {
    /// Points earned so far.
    pub points: u64,
    /// Vouchers given so far.
    pub given: u64,
    /// The latest vouchers, in order.
    pub vouchers: Vec<Voucher>,
    /// Those for which there was no code at first, in order, also where there was one later; as many at most.
    owed: Vec<Owed>,
}

impl Rewards {
    /// Whether an event gives something. Only Perennial's own words count: they are written with the step that gives.
    pub fn are_given_by(call: &Call) -> bool {
        let gives =
            |event| matches!(event, events::POINTS_EARNED | events::VOUCHER_ISSUED | events::VOUCHER_NOT_ISSUED);
        call.trust == Trust::Perennial && call.event.as_deref().is_some_and(gives)
    }

    /// Takes an event that gives something into account.
    pub fn apply(&mut self, call: &Call, order: Order) {
        match call.event.as_deref() {
            Some(events::POINTS_EARNED) => {
                let points = call.body_value().get("points").and_then(Value::as_u64).unwrap_or_default();
                self.points = self.points.saturating_add(points);
            }
            Some(events::VOUCHER_ISSUED) => {
                let body = call.body_value();
                let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
                let voucher = Voucher {
                    order,
                    pool: text("pool").into(),
                    code: text("code").into(),
                    expires: Timestamp::parse(text("expires")),
                    journey: text("journey").into(),
                    step: text("step").into(),
                };
                self.given = self.given.saturating_add(1);
                self.insert(voucher);
            }
            Some(events::VOUCHER_NOT_ISSUED) => {
                let body = call.body_value();
                let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().into();
                self.owe(Owed { order, pool: text("pool"), journey: text("journey"), step: text("step") });
            }
            _ => {}
        }
    }

    fn insert(&mut self, voucher: Voucher) {
        let place = self.vouchers.partition_point(|other| other.order <= voucher.order);
        self.vouchers.insert(place, voucher);
        if self.vouchers.len() > VOUCHERS {
            self.vouchers.remove(0);
        }
    }

    fn owe(&mut self, owed: Owed) {
        let place = self.owed.partition_point(|other| other.order <= owed.order);
        self.owed.insert(place, owed);
        if self.owed.len() > VOUCHERS {
            self.owed.remove(0);
        }
    }

    /// Takes over what another of the person's names was given.
    pub fn absorb(&mut self, other: Rewards) {
        self.points = self.points.saturating_add(other.points);
        self.given = self.given.saturating_add(other.given);
        for voucher in other.vouchers {
            self.insert(voucher);
        }
        for owed in other.owed {
            self.owe(owed);
        }
    }

    /// The latest voucher of a journey; none while a later one waits for a code, so that no message shows the wrong one.
    pub fn voucher_of(&self, journey: &str) -> Option<&Voucher> {
        let voucher = self.vouchers.iter().rfind(|voucher| voucher.journey.as_ref() == journey)?;
        let waits = self.owed_in(journey).is_some_and(|owed| owed.order > voucher.order);
        (!waits).then_some(voucher)
    }

    /// Vouchers that wait for a code, in order.
    pub fn owed(&self) -> impl DoubleEndedIterator<Item = &Owed> {
        let is_made_up_for = |owed: &Owed| {
            let later = self.vouchers.iter().rev().take_while(|voucher| voucher.order > owed.order);
            later.into_iter().any(|voucher| voucher.journey == owed.journey && voucher.step == owed.step)
        };
        self.owed.iter().filter(move |owed| !is_made_up_for(owed))
    }

    /// The latest voucher of a journey that waits for a code.
    pub fn owed_in(&self, journey: &str) -> Option<&Owed> {
        self.owed().rfind(|owed| owed.journey.as_ref() == journey)
    }
}
