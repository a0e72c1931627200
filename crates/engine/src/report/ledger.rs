//! What pages remember of history so that they need not read it each time: orders by name, uncertain messages
//! that a person has looked at, joins that a person declined. Read once, then call by call.
//!
//! By name and not by person, so that it stays right whoever is joined or parted. O(orders) in memory.

use super::words::worth;
use crate::state::Engine;
use domain::call::events;
use domain::message::Message;
use domain::{Call, Currency, CustomerId, Money, Position, Span, Timestamp, Trust};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use store::{Reader, RowId, StoreError};

/// The event that says that a person has looked at an uncertain message. Its `message_id` says which.
pub const MESSAGE_SEEN: &str = "Message Seen";
/// The event that says that a person declined to join a customer with `other`, an internal id.
pub const JOIN_DECLINED: &str = "Join Declined";

/// Below so many orders nobody can say what is usual.
pub const REGULAR_ORDERS: usize = 3;
/// Somebody silent for longer than this has left, and is no longer drifting away.
pub const GONE_AFTER: Span = Span::days(365);

/// One order.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Order {
    at: Timestamp,
    worth: Option<Money>,
}

/// Orders, messages looked at and joins declined, up to a row of the journal.
#[derive(Default)]
pub struct Ledger {
    row: RowId,
    position: Position,
    orders: HashMap<CustomerId, Vec<Order>>,
    seen: HashSet<String>,
    declined: BTreeSet<(CustomerId, CustomerId)>,
}

/// What somebody ordered.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Bought {
    /// Orders up to now.
    pub orders: u64,
    /// Their worth, a sum per currency, the largest first.
    pub worth: Vec<Money>,
    /// The last one.
    #[serde(serialize_with = "super::json::maybe_at")]
    pub last: Option<Timestamp>,
}

/// A regular who is silent for longer than is usual for them.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Quiet {
    /// Who.
    #[serde(serialize_with = "super::json::id")]
    pub customer: CustomerId,
    /// Orders up to now.
    pub orders: u64,
    /// The median gap between their orders, in milliseconds.
    pub usual_gap_ms: i64,
    /// The last order.
    #[serde(serialize_with = "super::json::at")]
    pub last: Timestamp,
    /// When the silence became unusual.
    #[serde(serialize_with = "super::json::at")]
    pub since: Timestamp,
    /// What their orders of the last 365 days were worth, per currency.
    pub worth_in_year: Vec<Money>,
}

impl Ledger {
    /// Reads what was committed since the last time. `name_of` finds the name that a call belongs to, `currency`
    /// is that of amounts that name none. O(new calls); returns whether there were any.
    pub fn catch_up(
        &mut self,
        reader: &dyn Reader,
        currency: Currency,
        name_of: &dyn Fn(&Call, Position) -> Option<CustomerId>,
    ) -> Result<bool, StoreError> {
        let before = self.row;
        reader.replay(self.row, &mut |row| {
            for (offset, call) in (0_u64..).zip(&row.calls) {
                let Some(event) = call.event.as_deref() else { continue };
                let position = Position(row.first.0 + offset);
                match event {
                    events::ORDER_COMPLETED => {
                        if let Some(name) = name_of(call, position) {
                            let worth = worth(&call.body_value(), currency);
                            self.orders.entry(name).or_default().push(Order { at: call.timestamp, worth });
                        }
                    }
                    // Only our own notes: a page's visitor must not hide anything from a person.
                    MESSAGE_SEEN if call.trust == Trust::Perennial => self.note_seen(call),
                    JOIN_DECLINED if call.trust == Trust::Perennial => {
                        if let Some(name) = name_of(call, position) {
                            self.note_declined(call, name);
                        }
                    }
                    _ => {}
                }
            }
            self.row = row.id;
            self.position = Position((row.first.0 + row.calls.len() as u64).saturating_sub(1));
            Ok(())
        })?;
        Ok(self.row != before)
    }

    fn note_seen(&mut self, call: &Call) {
        if let Some(id) = call.body_value().get("message_id").and_then(|id| id.as_str()) {
            self.seen.insert(id.to_owned());
        }
    }

    fn note_declined(&mut self, call: &Call, name: CustomerId) {
        let other = call.body_value().get("other").and_then(|other| other.as_str()?.parse::<CustomerId>().ok());
        if let Some(other) = other {
            self.declined.insert((name.min(other), name.max(other)));
        }
    }

    /// The last call that was read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether a person has looked at an uncertain message.
    pub fn is_seen(&self, message: &str) -> bool {
        self.seen.contains(message)
    }

    /// Whether a person said that two people, each with all their ids, are two.
    pub fn is_declined(&self, one: &[CustomerId], other: &[CustomerId]) -> bool {
        one.iter().any(|a| other.iter().any(|b| self.declined.contains(&((*a).min(*b), (*a).max(*b)))))
    }

    /// What the bearer of these ids ordered up to an instant.
    pub fn bought(&self, ids: &[CustomerId], now: Timestamp) -> Bought {
        let orders = self.orders_of(ids, now);
        Bought {
            orders: orders.len() as u64,
            worth: sums(orders.iter().filter_map(|order| order.worth)),
            last: orders.iter().map(|order| order.at).max(),
        }
    }

    fn orders_of(&self, ids: &[CustomerId], now: Timestamp) -> Vec<Order> {
        ids.iter().filter_map(|id| self.orders.get(id)).flatten().filter(|order| order.at <= now).copied().collect()
    }

    /// Regulars who are drifting away: three orders or more, and silent for more than 2.5 times the median gap
    /// between their orders, yet not for longer than a year. The most worth in the last year first.
    ///
    /// A plain statement about what was: no forecast. O(orders).
    pub fn quiet_regulars(&self, engine: &Engine, now: Timestamp) -> Vec<Quiet> {
        let mut by_person: HashMap<CustomerId, Vec<Order>> = HashMap::new();
        for (name, orders) in &self.orders {
            let person = engine.person(*name);
            by_person.entry(person).or_default().extend(orders.iter().filter(|order| order.at <= now));
        }
        let main = engine.definitions.settings.currency;
        let mut quiet: Vec<Quiet> =
            by_person.into_iter().filter_map(|(person, orders)| quiet(person, orders, now)).collect();
        quiet.sort_by_key(|quiet| {
            let worth = quiet.worth_in_year.iter().find(|worth| worth.currency == main).map_or(0, |worth| worth.minor);
            (std::cmp::Reverse(worth), quiet.customer)
        });
        quiet
    }
}

impl Engine {
    /// A person has looked at an uncertain message: an event in the customer's history. Said twice, it is noted twice.
    pub fn note_seen(&mut self, message: &Message, now: Timestamp) {
        self.reach(now);
        let properties =
            json!({ "message_id": message.id, "campaign": message.campaign, "template": message.template });
        self.happen(self.person(message.customer), MESSAGE_SEEN, &properties, &message.id.0);
        self.settle();
    }

    /// A person has said that somebody with the same address is another person: an event in the history of the one
    /// on whose page it was said.
    pub fn note_declined(&mut self, person: CustomerId, other: CustomerId, now: Timestamp) {
        self.reach(now);
        let person = self.person(person);
        let properties = json!({ "other": other.to_string(), "other_name": self.people.name_of(self.person(other)) });
        self.happen(person, JOIN_DECLINED, &properties, &format!("{person}:{other}"));
        self.settle();
    }
}

fn quiet(customer: CustomerId, mut orders: Vec<Order>, now: Timestamp) -> Option<Quiet> {
    if orders.len() < REGULAR_ORDERS {
        return None;
    }
    orders.sort_by_key(|order| order.at);
    let mut gaps: Vec<i64> = orders.windows(2).map(|pair| pair[1].at.since(pair[0].at).0).collect();
    gaps.sort_unstable();
    let middle = gaps.len() / 2;
    let usual_gap_ms = if gaps.len() % 2 == 1 { gaps[middle] } else { i64::midpoint(gaps[middle - 1], gaps[middle]) };
    // Several orders at one sitting say nothing about when somebody comes again.
    if usual_gap_ms < Span::DAY.0 {
        return None;
    }
    let last = orders.last()?.at;
    let since = last.plus(Span(usual_gap_ms.saturating_mul(5) / 2));
    if now <= since || now.since(last) > GONE_AFTER {
        return None;
    }
    let year_ago = now.minus(Span::days(365));
    let worth_in_year = sums(orders.iter().filter(|order| order.at > year_ago).filter_map(|order| order.worth));
    Some(Quiet { customer, orders: orders.len() as u64, usual_gap_ms, last, since, worth_in_year })
}

/// Adds amounts up per currency; the largest sum first. Currencies are never mixed.
pub fn sums(amounts: impl Iterator<Item = Money>) -> Vec<Money> {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for amount in amounts {
        let sum = sums.entry(amount.currency).or_default();
        *sum = sum.saturating_add(amount.minor);
    }
    let mut sums: Vec<Money> = sums.into_iter().map(|(currency, minor)| Money { minor, currency }).collect();
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.minor));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(days: &[i64]) -> Vec<Order> {
        let worth = Some(Money { minor: 1_000, currency: Currency::GBP });
        days.iter().map(|day| Order { at: Timestamp(day * Span::DAY.0), worth }).collect()
    }

    fn quiet_on(days: &[i64], today: i64) -> Option<Quiet> {
        quiet(CustomerId(1), orders(days), Timestamp(today * Span::DAY.0))
    }

    #[test]
    fn a_regular_is_quiet_after_two_and_a_half_times_their_own_usual_gap() {
        // Gaps of 10, 10 and 40 days: usual is 10, unusual from day 85 on.
        assert_eq!(quiet_on(&[0, 10, 20, 60], 85), None);
        let found = quiet_on(&[0, 10, 20, 60], 86).unwrap();
        assert_eq!(found.usual_gap_ms, 10 * Span::DAY.0);
        assert_eq!(found.since, Timestamp(85 * Span::DAY.0));
        assert_eq!(found.worth_in_year, [Money { minor: 4_000, currency: Currency::GBP }]);
    }

    #[test]
    fn two_orders_make_no_regular_and_a_year_of_silence_is_no_drifting() {
        assert_eq!(quiet_on(&[0, 10], 300), None);
        assert_eq!(quiet_on(&[0, 10, 20], 20 + 366), None);
        assert!(quiet_on(&[0, 10, 20], 20 + 365).is_some());
        // Three parcels ordered in one sitting.
        assert_eq!(quiet_on(&[5, 5, 5], 200), None);
    }
}
