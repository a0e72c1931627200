//! What a browser's key may send. It stands in the page for everybody to read, so that whatever it
//! sends may be invented: behaviour is taken, what is worth money or permission is not.

use super::DoorOptions;
use super::check::{Fault, decode};
use domain::call::{CallKind, events};

/// Events that only a server may report, with the reason.
const PROTECTED: &[(&str, &str)] = &[
    (events::ORDER_REFUNDED, "refunds"),
    (events::CONSENT_CHANGED, "consent"),
    (events::LIST_CHANGED, "lists"),
    (events::CONVERSATION_OPENED, "conversations"),
    (events::CONVERSATION_CLOSED, "conversations"),
    (events::COMPLAINT_OPENED, "complaints"),
    (events::COMPLAINT_RESOLVED, "complaints"),
    (events::TASK_OPENED, "tasks"),
    (events::TASK_COMPLETED, "tasks"),
    (events::UNSUBSCRIBED, "consent"),
    (events::MACHINE_OPENED, "messages"),
    (events::MACHINE_CLICKED, "messages"),
    (events::PUSH_SUBSCRIBED, "subscriptions of browsers"),
    (events::PUSH_UNSUBSCRIBED, "subscriptions of browsers"),
    (events::PUSH_CLICKED, "messages"),
];

/// Orders: only a server, unless the workspace has none that could.
const ORDERS: &[&str] = &[events::ORDER_COMPLETED, "Order Updated", "Order Cancelled"];

/// First words of events that Perennial writes itself, or a server.
const PROTECTED_STARTS: &[(&str, &str)] = &[
    ("Message ", "messages"),
    ("Email ", "messages"),
    ("In-App ", "messages"),
    ("Points ", "points"),
    ("Reward ", "rewards"),
    ("Voucher ", "vouchers"),
];

/// Refuses what a browser's key may not send.
pub(super) fn may_send(kind: CallKind, event: Option<&str>, options: &DoorOptions) -> Result<(), Fault> {
    if kind == CallKind::Record {
        return Err(needs_server_key("type", "records"));
    }
    match event.and_then(|event| protected(event, options)) {
        Some(what) => Err(needs_server_key("event", what)),
        None => Ok(()),
    }
}

fn needs_server_key(path: &str, what: &str) -> Fault {
    Fault::at(
        path,
        "needs_server_key",
        format!(
            "{what} are not taken from a browser's key, which anybody can read; send them from your server with a server key"
        ),
    )
}

fn protected(event: &str, options: &DoorOptions) -> Option<&'static str> {
    if ORDERS.contains(&event) && !options.browser_may_order {
        return Some("orders");
    }
    let by_name = PROTECTED.iter().find(|(name, _)| *name == event);
    let by_start = || PROTECTED_STARTS.iter().find(|(start, _)| event.starts_with(start));
    by_name.or_else(by_start).map(|(_, what)| *what)
}

/// Whether a trait of a known customer may be set by a server only. Spellings such as
/// `marketingConsent` and `marketing_consent` are one.
pub(super) fn is_protected_trait(key: &str, options: &DoorOptions) -> bool {
    let key = decode(key).unwrap_or_default();
    if options.browser_traits.iter().any(|allowed| *allowed == key) {
        return false;
    }
    is_protected_name(&key)
}

/// Whether a trait of this name decides where messages go or what somebody may have.
pub(super) fn is_protected_name(key: &str) -> bool {
    let plain: String = key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect();
    let whole = ["email", "phone", "marketingconsent", "tier", "credit", "role"];
    whole.contains(&plain.as_str()) || plain.starts_with("consent") || plain.starts_with("points")
}
