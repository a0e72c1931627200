//! What happened, and what a campaign does, in words that somebody who runs a shop understands.

use crate::ingest::machine::Machine;
use crate::segment::describe::{describe, span_words};
use domain::call::events;
use domain::campaign::{Action, Again, Allocate, Campaign, Goal, OnRecord, Reward, Step, Trigger, Wait};
use domain::definition::Definitions;
use domain::{Call, CallKind, Currency, Money, Name, Span};
use serde_json::Value;

/// Longest piece of a property that stands in a sentence, in characters.
const PIECE: usize = 120;
/// Longest quote, in characters.
const QUOTE: usize = 600;
/// Most products named after an order.
const PRODUCTS: usize = 4;

/// A call in words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallWords {
    /// What happened: "Order o-5001".
    pub what: String,
    /// Its worth, where it has one.
    pub amount: Option<Money>,
    /// More about it: "Earl Grey 100 g × 2".
    pub detail: String,
    /// What the customer wrote.
    pub quote: Option<String>,
}

/// Puts a call into words. `currency`: of amounts that name none.
pub fn call_words(call: &Call, currency: Currency) -> CallWords {
    let body = call.body_value();
    let of = |keys: &[&str]| piece(&body, keys);
    let mut words = CallWords::default();
    words.what = match (call.kind, call.event.as_deref()) {
        (CallKind::Identify, _) => {
            words.detail = keys_words(&body);
            "Told us about themselves".to_owned()
        }
        (CallKind::Alias, _) => "Came under another id".to_owned(),
        (CallKind::Group, _) => with("Belongs to group", call.other_id.as_deref().map(str::to_owned)),
        (CallKind::Record, _) => {
            words.detail = attributes_words(&body);
            record_words(call)
        }
        (_, Some(event)) => {
            words.amount = worth(&body, currency);
            words.quote = quote(&body, event);
            words.detail = detail(&body, event);
            event_words(event, &of)
        }
        (_, None) => call.kind.word().to_owned(),
    };
    words
}

fn event_words(event: &str, of: &dyn Fn(&[&str]) -> Option<String>) -> String {
    let thing = || of(&["name", "title", "product", "product_name", "path", "url", "sku", "product_id"]);
    let order = || of(&["order_id", "orderId", "id"]);
    let campaign = || of(&["campaign"]);
    match event {
        events::ORDER_COMPLETED => with("Order", order()),
        events::ORDER_REFUNDED => with("Money back for order", order()),
        "Order Cancelled" => with("Cancelled order", order()),
        "Order Updated" => with("Changed order", order()),
        events::PAGE_VIEWED | events::SCREEN_VIEWED | "Product Viewed" | "Product Clicked" => {
            with("Looked at", thing())
        }
        "Product List Viewed" => with("Looked through", of(&["category", "list_id"])),
        "Products Searched" => {
            of(&["query"]).map_or_else(|| "Searched".to_owned(), |query| format!("Searched for “{query}”"))
        }
        "Product Added" => with("Put into the basket:", thing()),
        "Product Removed" => with("Took out of the basket:", thing()),
        "Cart Viewed" => "Looked at the basket".to_owned(),
        "Checkout Started" => "Began to check out".to_owned(),
        "Payment Failed" => "A payment failed".to_owned(),
        "Payment Recovered" => "The failed payment came in".to_owned(),
        "Message Sent" => with("A message went out:", of(&["subject", "template", "campaign"])),
        "Message Held" => with("A message was held:", of(&["subject", "template", "campaign"])),
        "Message Skipped" => with("A message was skipped:", of(&["subject", "template", "campaign"])),
        "Message Failed" => with("A message failed:", of(&["subject", "template", "campaign"])),
        events::IN_APP_SHOWN => with("Saw a message in the shop, of", campaign()),
        events::IN_APP_CLICKED => with("Followed a message in the shop, of", campaign()),
        events::IN_APP_DISMISSED => with("Put away a message in the shop, of", campaign()),
        events::PUSH_SUBSCRIBED => with("Lets us notify a browser:", of(&["browser"])),
        events::PUSH_UNSUBSCRIBED => browser_went(of(&["because"]).as_deref()).to_owned(),
        events::PUSH_CLICKED => with("Followed a notification of", campaign()),
        "Signed Up" => "Signed up".to_owned(),
        events::CONSENT_CHANGED => consent_words(of),
        events::UNSUBSCRIBED => with("Wants no more messages of", campaign()),
        events::MARKED_AS_SPAM => with("Called a message spam, of", campaign()),
        events::EMAIL_BOUNCED => with("Their server refused a mail of", campaign()),
        events::LINK_CLICKED => with("Followed a link in a mail of", campaign()),
        events::EMAIL_OPENED => with("Opened a mail of", campaign()),
        events::MACHINE_OPENED => with("A machine fetched the pictures of a mail of", campaign()),
        events::MACHINE_CLICKED => with("A machine followed a link in a mail of", campaign()),
        "Email Delivered" => with("Their server has the mail of", campaign()),
        events::LIST_CHANGED => list_words(of),
        events::CONVERSATION_OPENED => "A conversation began".to_owned(),
        events::CONVERSATION_CLOSED => "The conversation ended".to_owned(),
        events::COMPLAINT_OPENED => "Complained".to_owned(),
        events::POINTS_EARNED => with("Earned points:", of(&["points"])),
        events::VOUCHER_ISSUED => with("Got the voucher", of(&["code"])),
        events::VOUCHER_NOT_ISSUED => with("There was no code left for a voucher of", of(&["pool"])),
        events::TASK_OPENED => with("Something to do:", of(&["title"])),
        events::TASK_COMPLETED => with("Done:", of(&["title", "task"])),
        crate::decide::entry::KEY_MISSING => {
            with("Did not enter, since the event lacks what tells one entry from another:", campaign())
        }
        events::COMPLAINT_RESOLVED => "The complaint is settled".to_owned(),
        super::ledger::MESSAGE_SEEN => "A person looked at an uncertain message".to_owned(),
        super::ledger::JOIN_DECLINED => {
            "A person said that somebody with the same address is another person".to_owned()
        }
        other => with(other, thing()),
    }
}

fn consent_words(of: &dyn Fn(&[&str]) -> Option<String>) -> String {
    let said = match (of(&["status"]).as_deref(), of(&["basis"]).as_deref()) {
        (Some("granted"), Some("implied")) => "May be taken to agree to",
        (Some("granted"), _) => "Said yes to",
        (Some("pending"), _) => "Was asked to confirm",
        _ => "Said no to",
    };
    let by = of(&["channel"]).map(|channel| format!(" by {}", channel_words(&channel))).unwrap_or_default();
    format!("{said} {}{by}", of(&["purpose"]).unwrap_or_else(|| "messages".to_owned()))
}

fn browser_went(because: Option<&str>) -> &'static str {
    match because {
        Some("gone") => "A browser is not there any more",
        Some("by_hand") => "A person took a browser off",
        Some("other_customer") => "Another customer uses that browser now",
        Some("renewed") => "A browser got another address",
        _ => "Wants no more notifications in a browser",
    }
}

fn list_words(of: &dyn Fn(&[&str]) -> Option<String>) -> String {
    let said = if of(&["member"]).as_deref() == Some("true") { "Put on the list" } else { "Taken off the list" };
    with(said, of(&["list"]))
}

/// "e-mail" for `email`.
pub fn channel_words(channel: &str) -> &str {
    match channel {
        "email" => "e-mail",
        "sms" => "text message",
        "in_app" => "message in the shop",
        "push" => "notification",
        other => other,
    }
}

fn record_words(call: &Call) -> String {
    let Some(record) = &call.record else { return "A record changed".to_owned() };
    let what = format!("{} {}", cut(&record.kind, PIECE), cut(&record.id, PIECE));
    match (record.deleted, record.left) {
        (true, _) => format!("Ended: {what}"),
        (_, true) => format!("No longer theirs: {what}"),
        _ => format!("Changed: {what}"),
    }
}

fn keys_words(body: &Value) -> String {
    let keys: Vec<&str> = body.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).take(8).collect();
    cut(&keys.join(", "), PIECE)
}

fn attributes_words(body: &Value) -> String {
    let pairs: Vec<String> =
        body.as_object().into_iter().flatten().take(4).map(|(key, value)| format!("{key}: {}", plain(value))).collect();
    cut(&pairs.join(" · "), PIECE * 2)
}

/// What an event is worth: `revenue`, else `total`, else `amount`, in its own currency, else the workspace's.
pub fn worth(body: &Value, workspace: Currency) -> Option<Money> {
    let amount = ["revenue", "total", "amount"].iter().find_map(|key| domain::value::number(body.get(*key)?))?;
    let currency = body.get("currency").and_then(Value::as_str).and_then(Currency::parse).unwrap_or(workspace);
    Money::from_major(amount, currency)
}

/// What somebody wrote, in the events that carry words.
fn quote(body: &Value, event: &str) -> Option<String> {
    let speaks = matches!(event, events::CONVERSATION_OPENED | events::COMPLAINT_OPENED)
        || event.contains("Review")
        || event.contains("Feedback");
    let keys = ["text", "message", "body", "comment", "review", "subject", "about"];
    let found = || keys.iter().find_map(|key| body.get(*key)?.as_str().map(str::trim).filter(|text| !text.is_empty()));
    if speaks { found().map(|text| cut(text, QUOTE)) } else { None }
}

fn detail(body: &Value, event: &str) -> String {
    match event {
        events::ORDER_COMPLETED | "Order Updated" | "Order Cancelled" => products(body),
        "Payment Failed" => piece(body, &["reason"]).unwrap_or_default(),
        events::EMAIL_BOUNCED => piece(body, &["reason"]).unwrap_or_default(),
        events::LINK_CLICKED | events::PUSH_CLICKED => piece(body, &["url", "link_url"]).unwrap_or_default(),
        events::MACHINE_OPENED | events::MACHINE_CLICKED => {
            let because = body.get("because").and_then(Value::as_str).and_then(Machine::find);
            because.map(|because| because.words().to_owned()).unwrap_or_default()
        }
        events::CONSENT_CHANGED => piece(body, &["source"]).unwrap_or_default(),
        _ => String::new(),
    }
}

fn products(body: &Value) -> String {
    let products: Vec<&Value> = body.get("products").and_then(Value::as_array).into_iter().flatten().collect();
    let mut named: Vec<String> = products
        .iter()
        .take(PRODUCTS)
        .filter_map(|product| {
            let name = piece(product, &["name", "title", "sku", "product_id"])?;
            Some(match product.get("quantity").and_then(Value::as_u64) {
                Some(quantity) if quantity > 1 => format!("{name} × {quantity}"),
                _ => name,
            })
        })
        .collect();
    if products.len() > PRODUCTS {
        named.push(format!("{} more", products.len() - PRODUCTS));
    }
    named.join(", ")
}

fn with(words: &str, thing: Option<String>) -> String {
    match thing {
        Some(thing) => format!("{words} {thing}"),
        None => words.trim_end_matches(':').trim_end_matches(" of").trim_end_matches(',').to_owned(),
    }
}

fn piece(body: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        let text = plain(body.get(*key)?);
        (!text.trim().is_empty() && text != "null").then(|| cut(&text, PIECE))
    })
}

/// A JSON value as a person reads it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// At most so many characters, with an ellipsis where some are left out.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => format!("{}…", text.chars().take(most.saturating_sub(1)).collect::<String>()),
        None => text.to_owned(),
    }
}

/// What a campaign does, in one plain sentence without a full stop.
pub fn campaign_words(campaign: &Campaign, definitions: &Definitions) -> String {
    let title = |name: &Name| {
        let title = definitions.segments.get(name).and_then(|segment| segment.title.as_deref());
        format!("“{}”", title.unwrap_or(name.as_str()))
    };
    let when = match &campaign.enter.on {
        Trigger::Enters(segment) => format!("When somebody enters {}", title(segment)),
        Trigger::Leaves(segment) => format!("When somebody leaves {}", title(segment)),
        Trigger::Did { event, filter, .. } => {
            format!("After {event}{}", if filter.is_some() { " that fits" } else { "" })
        }
        Trigger::Date(on) => {
            let days = on.days.unsigned_abs();
            let what = format!("the date in {}", on.path);
            let when = match on.days {
                0 => format!("On {what}"),
                1 | -1 => format!("One day {} {what}", if on.days < 0 { "before" } else { "after" }),
                _ => format!("{days} days {} {what}", if on.days < 0 { "before" } else { "after" }),
            };
            let every_year = if on.yearly { ", every year" } else { "" };
            format!("{when}{every_year}, at {:02}:{:02} where the customer lives", on.at.hour(), on.at.minute())
        }
        Trigger::Record(on) => record_trigger_words(on),
        Trigger::Every(on) => {
            let zone = if on.in_own_zone { " where the customer lives" } else { "" };
            format!("For everybody at the times “{}”{zone}", on.schedule)
        }
    };
    let only = campaign.enter.only_if.as_ref().map(|rule| format!(", if {}", describe(rule))).unwrap_or_default();
    let steps = steps_words(&campaign.steps);
    let again = match campaign.enter.again {
        Again::Never => ", once for each customer".to_owned(),
        Again::After(span) => format!(", again after {} at the earliest", span_words(span)),
        Again::Always => String::new(),
    };
    format!("{when}{only}: {steps}{again}")
}

fn record_trigger_words(on: &OnRecord) -> String {
    let shift = span_words(Span(on.shift.0.abs()));
    let when = match on.shift.0 {
        0 => format!("At the date {} of a {}", on.date, on.kind),
        below if below < 0 => format!("{shift} before the date {} of a {}", on.date, on.kind),
        _ => format!("{shift} after the date {} of a {}", on.date, on.kind),
    };
    let absent = on.absent.as_ref().map(|rule| format!(", without: {}", describe(rule))).unwrap_or_default();
    let unless = if on.unless.is_some() { ", unless it is settled" } else { "" };
    format!("{when}{absent}{unless}")
}

/// Steps in plain words, one after the other.
fn steps_words(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "do nothing".to_owned();
    }
    steps.iter().map(|step| step_words(&step.action)).collect::<Vec<_>>().join(", then ")
}

/// What happens at a step, in plain words: "write “hello”", "wait 3 days".
pub fn step_words(action: &Action) -> String {
    match action {
        Action::Message { template, allocate: Allocate::Bandit, .. } => {
            format!("write “{template}”, more and more of the variant that works better")
        }
        Action::Message { template, .. } => format!("write “{template}”"),
        Action::Wait(wait) => wait_words(wait),
        Action::Branch(ways) => {
            let ways = ways.iter().map(|way| match &way.condition {
                Some(rule) => format!("if {}: {}", describe(rule), steps_words(&way.steps)),
                None => format!("otherwise {}", steps_words(&way.steps)),
            });
            format!("({})", ways.collect::<Vec<_>>().join("; "))
        }
        Action::Reward(Reward::Points(1)) => "give one point".to_owned(),
        Action::Reward(Reward::Points(points)) => format!("give {points} points"),
        Action::Reward(Reward::Voucher { pool, expires }) => {
            let good = expires.map(|span| format!(", good for {}", span_words(span))).unwrap_or_default();
            format!("give a voucher of “{pool}”{good}")
        }
        Action::Task(task) => {
            let owner = task.owner.as_ref().map(|owner| format!(" for {owner}")).unwrap_or_default();
            format!("open the task “{}”{owner}", cut(&task.title, 80))
        }
        Action::Set { key, value: Value::Null } => format!("remove the trait {key}"),
        Action::Set { key, value } => format!("set the trait {key} to {}", cut(&plain(value), 80)),
        Action::Webhook { endpoint, event } => format!("tell {endpoint} {event}"),
    }
}

fn wait_words(wait: &Wait) -> String {
    match wait {
        Wait::For(span) => format!("wait {}", span_words(*span)),
        Wait::Until { condition, at_most } => {
            let at_most = at_most.map(|span| format!(", {} at most", span_words(span))).unwrap_or_default();
            format!("wait until {}{at_most}", describe(condition))
        }
        Wait::Local(local) => format!("wait for {local} where the customer lives"),
        Wait::BestTime(span) => format!("wait for the customer's best hour within {}", span_words(*span)),
    }
}

/// What counts as coming back: "Order Completed within 14 days of entering".
pub fn goal_words(goal: &Goal) -> String {
    let fits = if goal.filter.is_some() { " that fits" } else { "" };
    format!("{}{fits} within {} of entering", goal.event, span_words(goal.within))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Timestamp, Trust};
    use serde_json::json;

    fn event(name: &str, body: &Value) -> Call {
        Call {
            kind: CallKind::Track,
            message_id: "m".into(),
            user_id: Some("ana".into()),
            anonymous_id: None,
            other_id: None,
            event: Some(name.into()),
            timestamp: Timestamp(0),
            received_at: Timestamp(0),
            source: "shop".into(),
            trust: Trust::Server,
            record: None,
            body: crate::profile::joining::raw(body.to_string()),
            context: None,
        }
    }

    #[test]
    fn an_order_reads_as_what_was_bought_for_how_much() {
        let body = json!({"order_id": "o-5001", "revenue": "25.00", "currency": "EUR", "products": [{"name": "Earl Grey", "quantity": 2}, {"sku": "x"}]});
        let words = call_words(&event("Order Completed", &body), Currency::GBP);
        assert_eq!(words.what, "Order o-5001");
        assert_eq!(words.amount.map(|amount| amount.to_string()).as_deref(), Some("25.00 EUR"));
        assert_eq!(words.detail, "Earl Grey × 2, x");
    }

    #[test]
    fn what_a_customer_wrote_is_a_quote_and_an_unknown_event_keeps_its_name() {
        let body = json!({"complaint": "k1", "about": "late", "text": " it came open "});
        let words = call_words(&event("Complaint Opened", &body), Currency::GBP);
        assert_eq!((words.what.as_str(), words.quote.as_deref()), ("Complained", Some("it came open")));
        assert_eq!(
            call_words(&event("Tea Tasted", &json!({"name": "Keemun"})), Currency::GBP).what,
            "Tea Tasted Keemun"
        );
        assert_eq!(call_words(&event("Order Completed", &json!({})), Currency::GBP).what, "Order");
        assert_eq!(call_words(&event("Unsubscribed", &json!({})), Currency::GBP).what, "Wants no more messages");
    }

    #[test]
    fn endless_texts_are_cut() {
        let words = call_words(&event("Page Viewed", &json!({"name": "ä".repeat(5_000)})), Currency::GBP);
        assert!(words.what.chars().count() < 150);
    }
}
