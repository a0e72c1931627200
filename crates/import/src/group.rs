//! Gathers lines into orders: what was read of an order so far, kept small, and the call it becomes.

use std::collections::{HashMap, HashSet};

use rust_decimal::Decimal;

use crate::calls::{Call, OrderKey, OrderLine, Subject, track};
use crate::fingerprint::Fingerprint;
use crate::json::{push_comma, push_decimal, push_key};
use crate::mapping::{Mapping, Value};
use crate::numbers::add;
use crate::refused::RefusalReason;

/// The lines of one order, as far as they were read.
struct Order {
    rule: usize,
    columns: Fingerprint,
    event: String,
    message_id: String,
    subject: Subject,
    /// The JSON of properties that the first line is enough for, with NUL between them.
    fixed: String,
    amounts: Vec<Decimal>,
    /// The lines' objects with commas between them.
    products: String,
    lines: Vec<LinePlace>,
    /// A line of it was refused, and so it will be.
    is_incomplete: bool,
}

/// Where a line stands: 16 bits of file and 48 of line, since there is one for every line that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LinePlace(u64);

impl LinePlace {
    /// `Source::open` allows 65,536 files.
    pub(crate) fn new(file: usize, line: u64) -> LinePlace {
        LinePlace((file as u64) << 48 | (line & ((1 << 48) - 1)))
    }
}

/// All orders that may still grow.
#[derive(Default)]
pub(crate) struct Orders {
    orders: Vec<Order>,
    places: HashMap<Fingerprint, usize>,
    closed: HashSet<Fingerprint>,
    latest: Option<Fingerprint>,
    lines: u64,
    bytes: u64,
}

impl Orders {
    /// How many lines are held.
    pub(crate) fn line_count(&self) -> u64 {
        self.lines
    }

    /// Roughly how much memory they take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many orders of a sorted file are remembered as ended.
    pub(crate) fn closed_count(&self) -> usize {
        self.closed.len()
    }

    /// In a sorted file, whether another order begins with these columns.
    pub(crate) fn begins_another(&self, columns: Fingerprint) -> bool {
        self.latest.is_some_and(|latest| latest != columns)
    }

    /// In a sorted file, whether the order with these columns ended before.
    pub(crate) fn has_ended(&self, columns: Fingerprint) -> bool {
        self.closed.contains(&columns)
    }

    /// Adds a line. An error means that the sums cannot be carried exactly; the order is incomplete then.
    pub(crate) fn add(&mut self, mapping: &Mapping, line: OrderLine, subject: &Subject) -> Result<(), RefusalReason> {
        self.latest = Some(line.key.columns);
        let order = self.order(line.key, &line.event, subject);
        let is_first = order.lines.is_empty() && order.amounts.is_empty();
        if is_first {
            order.fixed = line.fixed;
            order.amounts = line.amounts;
        } else {
            for (sum, amount) in order.amounts.iter_mut().zip(line.amounts) {
                match add(*sum, amount) {
                    Some(total) => *sum = total,
                    None => {
                        order.is_incomplete = true;
                        return Err(RefusalReason::BadNumber);
                    }
                }
            }
        }
        if !mapping.events[order.rule].products.is_empty() {
            push_comma(&mut order.products);
            order.products.push_str(&line.product);
        }
        order.subject.time_ms = order.subject.time_ms.min(subject.time_ms);
        order.lines.push(LinePlace::new(subject.file, subject.line));
        let grown = line.product.len() + size_of::<LinePlace>();
        self.lines += 1;
        self.bytes += grown as u64;
        Ok(())
    }

    /// Notes that a line of the order was refused.
    pub(crate) fn spoil(&mut self, key: OrderKey, subject: &Subject) {
        self.latest = Some(key.columns);
        self.order(key, "", subject).is_incomplete = true;
    }

    fn order(&mut self, key: OrderKey, event: &str, subject: &Subject) -> &mut Order {
        let next = self.orders.len();
        let place = *self.places.entry(key.fingerprint).or_insert(next);
        if place == next {
            self.bytes += (size_of::<Order>() + 4 * size_of::<Fingerprint>() + key.message_id.len()) as u64;
            self.orders.push(Order {
                rule: key.rule,
                columns: key.columns,
                event: event.to_owned(),
                message_id: key.message_id,
                subject: subject.clone(),
                fixed: String::new(),
                amounts: Vec::new(),
                products: String::new(),
                lines: Vec::new(),
                is_incomplete: false,
            });
        }
        let order = &mut self.orders[place];
        if order.event.is_empty() {
            event.clone_into(&mut order.event);
        }
        order
    }

    /// Ends all orders: calls in the order of their first lines, and the lines of those that are incomplete.
    pub(crate) fn end(
        &mut self,
        mapping: &Mapping,
        incomplete: &mut HashSet<LinePlace>,
    ) -> std::vec::IntoIter<EndedOrder> {
        if mapping.sorted {
            // All of them: a refused line of the next order may have come before this one was ended.
            self.closed.extend(self.orders.iter().map(|order| order.columns));
        }
        self.latest = None;
        self.places = HashMap::new();
        self.lines = 0;
        self.bytes = 0;
        let (complete, spoilt): (Vec<Order>, Vec<Order>) =
            std::mem::take(&mut self.orders).into_iter().partition(|order| !order.is_incomplete);
        incomplete.extend(spoilt.into_iter().flat_map(|order| order.lines));
        complete.into_iter().map(EndedOrder).collect::<Vec<_>>().into_iter()
    }
}

/// An order to which no line will be added. It becomes a call only when its turn comes, to keep memory low.
pub(crate) struct EndedOrder(Order);

impl EndedOrder {
    pub(crate) fn into_call(self, mapping: &Mapping) -> Call {
        let order = self.0;
        let rule = &mapping.events[order.rule];
        let mut fixed = order.fixed.split('\0');
        let mut amounts = order.amounts.iter();
        let mut properties = String::from("{");
        for (name, value) in &rule.properties {
            let mut json = String::new();
            match value {
                Value::Sum(_) => amounts.next().into_iter().for_each(|amount| push_decimal(&mut json, *amount)),
                Value::CountOfLines => json = order.lines.len().to_string(),
                _ => json.push_str(fixed.next().unwrap_or_default()),
            }
            if !json.is_empty() {
                push_key(&mut properties, name);
                properties.push_str(&json);
            }
        }
        if !rule.products.is_empty() {
            push_key(&mut properties, "products");
            properties.push('[');
            properties.push_str(&order.products);
            properties.push(']');
        }
        properties.push('}');
        let rows = order.lines.len() as u64;
        track(&order.event, &properties, &order.subject, order.subject.time_ms, &order.message_id, rows)
    }
}
