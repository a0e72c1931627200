//! Amounts that cannot be right. An order of a billion, by a slip of a decimal point or of malice, would bend every sum
//! it is part of: the event is taken, its amount is cut to the workspace's maximum and set apart, and nothing that
//! adds up counts it. Money that goes back is a refund and nothing else.

use super::check::{self, Fault, decode};
use super::read;
use domain::call::{QUARANTINED, events};
use domain::value::decimal;
use domain::{Call, Currency};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The largest believable amount of one event, in units of a currency, where the workspace names none.
pub const LARGEST_AMOUNT: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Currencies of which a loaf of bread costs hundreds or thousands: there the maximum is 10,000 times as much.
const SMALL_UNITS: [&str; 25] = [
    "BIF", "CDF", "CLP", "COP", "CRC", "DJF", "GNF", "HUF", "IDR", "IQD", "IRR", "ISK", "JPY", "KHR", "KRW", "LAK",
    "LBP", "MGA", "MMK", "PYG", "RWF", "TZS", "UGX", "UZS", "VND",
];

/// The amount that any event may carry.
const EVERYWHERE: &str = "revenue";
/// Amounts of orders beside it.
const OF_ORDERS: [&str; 3] = ["total", "subtotal", "amount"];

/// An amount of a body, as it was sent.
struct Amount<'b> {
    key: &'b str,
    sent: &'b str,
}

impl Amount<'_> {
    /// Its number as text; none if it is no number.
    fn text(&self) -> Option<&str> {
        let text = self.sent.trim_matches('"');
        let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        (is_number && text.parse::<f64>().is_ok()).then_some(text)
    }

    fn is_negative(&self) -> bool {
        self.text().and_then(|text| text.parse::<f64>().ok()).is_some_and(|amount| amount < 0.0)
    }

    /// Whether it is larger than `most`, on either side of 0.
    fn is_beyond(&self, most: Decimal) -> bool {
        let Some(text) = self.text() else { return false };
        // What a decimal cannot hold is larger than every maximum, or all but 0.
        decimal(text)
            .map_or_else(|| text.parse::<f64>().is_ok_and(|amount| amount.abs() > 1.0), |amount| amount.abs() > most)
    }
}

/// What the door does with the amounts of an event.
pub(super) struct Judged {
    /// The body with amounts that can be believed.
    pub(super) body: Arc<RawValue>,
    /// The entry of the context that keeps what was sent, with a comma before it.
    pub(super) mark: String,
    /// The words for the sender.
    pub(super) note: String,
}

/// Judges the amounts of an event. None: there is nothing wrong with them. `largest`: what the workspace says.
/// Errors: a negative amount of something that is no refund.
pub(super) fn judge(event: &str, body: &RawValue, largest: Option<Decimal>) -> Result<Option<Judged>, Fault> {
    let is_order = event.starts_with("Order ");
    if !is_order && !body.get().contains(EVERYWHERE) {
        return Ok(None);
    }
    let entries = read::entries(body);
    let is_amount = |key: &str| key == EVERYWHERE || (is_order && OF_ORDERS.contains(&key));
    let amounts: Vec<Amount<'_>> = entries
        .iter()
        .map(|(key, sent)| Amount { key: key.trim_matches('"'), sent })
        .filter(|amount| is_amount(amount.key) && amount.text().is_some())
        .collect();
    if amounts.is_empty() {
        return Ok(None);
    }
    let gives_back = event.to_ascii_lowercase().contains("refund");
    if let Some(negative) = amounts.iter().find(|amount| amount.is_negative())
        && !gives_back
    {
        let message = format!(
            "{} is below 0; money that goes back is an event `{}`, with the amount that goes back",
            negative.sent,
            events::ORDER_REFUNDED
        );
        return Err(Fault::at(negative.key, "negative_amount", message));
    }
    let currency = entries.iter().rev().find(|(key, _)| *key == "\"currency\"").map(|(_, value)| *value);
    let code = currency.filter(|code| !matches!(*code, "null" | "\"\"")).map(|code| decode(code).unwrap_or_default());
    let code = match code {
        None => None,
        Some(code) => match Currency::parse(&code) {
            Some(currency) => Some(currency),
            None => {
                let because = "the currency is no code such as GBP";
                let all: Vec<&Amount<'_>> = amounts.iter().collect();
                return set_apart(body, &all, None, because).map(Some);
            }
        },
    };
    let most = maximum(code, largest);
    let absurd: Vec<&Amount<'_>> = amounts.iter().filter(|amount| amount.is_beyond(most)).collect();
    if absurd.is_empty() {
        return Ok(None);
    }
    set_apart(body, &absurd, Some(most), &format!("more than {most}")).map(Some)
}

/// The largest believable amount in a currency.
fn maximum(currency: Option<Currency>, largest: Option<Decimal>) -> Decimal {
    let is_small = currency.is_some_and(|currency| SMALL_UNITS.contains(&currency.as_str()));
    let scale = if is_small { Decimal::from(10_000) } else { Decimal::ONE };
    largest.unwrap_or(LARGEST_AMOUNT).checked_mul(scale).unwrap_or(Decimal::MAX)
}

/// Cuts amounts to `most`, and makes the mark that keeps them as they were sent.
fn set_apart(body: &RawValue, amounts: &[&Amount<'_>], most: Option<Decimal>, because: &str) -> Result<Judged, Fault> {
    let is_meant = |key: &str| amounts.iter().any(|amount| amount.key == key.trim_matches('"'));
    let entries = read::entries(body).into_iter().map(|(key, value)| match most {
        Some(most) if is_meant(key) => {
            let sign = if value.trim_matches('"').starts_with('-') { "-" } else { "" };
            format!("{key}:{sign}{most}")
        }
        _ => format!("{key}:{value}"),
    });
    let entries: Vec<String> = entries.collect();
    let sent: Vec<String> = amounts.iter().map(|amount| format!("\"{}\":{}", amount.key, amount.sent)).collect();
    let shown: String = amounts.first().map_or("", |amount| amount.sent).chars().take(40).collect();
    Ok(Judged {
        body: check::own(format!("{{{}}}", entries.join(",")))?,
        mark: format!(",\"{QUARANTINED}\":{{\"because\":\"{because}\",\"sent\":{{{}}}}}", sent.join(",")),
        note: format!("the amount {shown} is set apart and counts nowhere: {because}; the event itself counts"),
    })
}

/// A refund of which only `left` can be: the rest was given back before, or never paid.
pub fn quarantine_refund(call: &Call, left: Decimal) -> Option<Call> {
    let entries = read::entries(&call.body);
    let amounts: Vec<Amount<'_>> = entries
        .iter()
        .map(|(key, sent)| Amount { key: key.trim_matches('"'), sent })
        .filter(|amount| (amount.key == EVERYWHERE || OF_ORDERS.contains(&amount.key)) && amount.is_beyond(left))
        .collect();
    let amounts: Vec<&Amount<'_>> = amounts.iter().collect();
    let judged =
        set_apart(&call.body, &amounts, Some(left), &format!("more than the {left} that is left of its order")).ok()?;
    let context = super::with_entries(call.context.as_deref(), &judged.mark).ok()?;
    Some(Call { body: judged.body, context: Some(context), ..call.clone() })
}
