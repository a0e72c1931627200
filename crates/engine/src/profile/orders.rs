//! What is left of each order after its refunds, so that nobody gets back more than was paid. By order id, in memory,
//! rebuilt from the journal.

use crate::state::HashMap;
use domain::call::events;
use domain::{Call, Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Orders with an id and an amount.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Orders {
    /// By a keyed hash of the id: ids are long and there are millions. Two ids with one hash, once in 2^64, would at
    /// worst set a refund apart that a person then looks at.
    left: HashMap<u64, Money>,
    /// The workspace's own and not in a snapshot.
    #[serde(skip)]
    key: [u8; 16],
}

/// The code of ISO 4217 for no currency: of amounts that name none.
const NONE: &str = "XXX";

/// Money of an order, by the order's id.
struct Part {
    order: String,
    amount: Money,
}

impl Orders {
    /// No orders yet. `key`: secret, so that nobody can make two ids collide.
    pub fn new(key: [u8; 16]) -> Orders {
        Orders { left: HashMap::default(), key }
    }

    /// Goes on with what a snapshot of the same workspace holds.
    pub(crate) fn take_over(&mut self, other: Orders) {
        self.left = other.left;
    }

    /// What is left of each order, by the hash of its id, in no particular order.
    pub(crate) fn left(&self) -> impl Iterator<Item = (u64, Money)> {
        self.left.iter().map(|(order, left)| (*order, *left))
    }

    fn hash_of(&self, order: &str) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(order.as_bytes());
        hasher.finish()
    }

    /// Takes an order or a refund that was accepted. Anything else costs a comparison of its name.
    pub fn take(&mut self, call: &Call) {
        let Some(event) = call.event.as_deref() else { return };
        let is_order = event == events::ORDER_COMPLETED;
        if !is_order && event != events::ORDER_REFUNDED {
            return;
        }
        let Some(Part { order, amount }) = part(call) else { return };
        let key = self.hash_of(&order);
        match self.left.get_mut(&key) {
            None if is_order => {
                self.left.insert(key, amount);
            }
            Some(left) if !is_order && left.currency == amount.currency => {
                left.minor = left.minor.saturating_sub(amount.minor.saturating_abs()).max(0);
            }
            // The same order again, a refund of an order that we never saw, or in another currency.
            _ => {}
        }
    }

    /// What is left of the order that a refund gives more back of than that; none: there is nothing wrong with it.
    pub fn exceeded_by(&self, call: &Call) -> Option<Money> {
        if call.event.as_deref() != Some(events::ORDER_REFUNDED) {
            return None;
        }
        let Part { order, amount } = part(call)?;
        let left = self.left.get(&self.hash_of(&order))?;
        let exceeds = left.currency == amount.currency && amount.minor.saturating_abs() > left.minor;
        exceeds.then_some(*left)
    }
}

/// The order that an event is about and the amount in it.
fn part(call: &Call) -> Option<Part> {
    let body = call.body_value();
    let order = match body.get("order_id")? {
        Value::String(id) if !id.is_empty() => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let amount = ["revenue", "total", "amount"].iter().find_map(|key| domain::value::number(body.get(*key)?))?;
    let currency =
        body.get("currency").and_then(Value::as_str).and_then(Currency::parse).or_else(|| Currency::parse(NONE))?;
    Some(Part { order, amount: Money::from_major(amount, currency)? })
}
