//! Carries out the engine's orders on the channel push where it goes to browsers: encrypts for each, hands it to its push
//! service, and tells which browsers are there no more.

use crate::config::{Config, Provider, Speaks};
use crate::consignment::Consignment;
use crate::post::end_of;
use crate::runtime::Handle;
use anyhow::{Context, bail};
use channels::outward::{Outward, Reach};
use channels::web_push::{self, Notification, Pushed, Urgency, VapidKey, WebPush};
use engine::deliver::{End, Order};

/// The section of the configuration, for errors.
const PLACE: &str = "messages.push";

/// The provider of push, where that is browsers.
fn provider(config: &Config) -> Option<&Provider> {
    config.messages.push.as_ref().filter(|provider| provider.send == Speaks::WebPush)
}

/// Whether push goes to browsers.
pub(crate) fn are_on(config: &Config) -> bool {
    provider(config).is_some()
}

/// Opens them. Errors: which setting cannot be used, and why.
pub fn open(config: &Config) -> anyhow::Result<Option<WebPush>> {
    let Some(provider) = provider(config) else { return Ok(None) };
    if provider.key_file.as_os_str().is_empty() {
        bail!("`{PLACE}.key_file` is empty; `perennial push new` makes a key");
    }
    let file = provider.key_file.display();
    let text = std::fs::read_to_string(&provider.key_file)
        .with_context(|| format!("`{PLACE}.key_file`: {file} cannot be read; `perennial push new` makes a key"))?;
    let key = VapidKey::read(&text).with_context(|| format!("`{PLACE}.key_file`: {file}"))?;
    Ok(Some(WebPush::new(key, &provider.subject).with_context(|| format!("`{PLACE}.subject`"))?))
}

/// What the door for browsers must know.
#[derive(Debug, Clone)]
pub struct Door {
    /// The key that pages give to browsers.
    pub public_key: String,
    /// Where endpoints may lead.
    pub reach: Reach,
}

/// Opens the door for browsers. Errors: which setting cannot be used, and why.
pub fn door(config: &Config) -> anyhow::Result<Option<Door>> {
    let Some(web_push) = open(config)? else { return Ok(None) };
    let reach = Reach::new(&config.outward.allow, &config.outward.plain_http).context("`[outward]`")?;
    Ok(Some(Door { public_key: web_push.public_key(), reach }))
}

/// Carries out one order, from its record to its end. Every way out is recorded.
pub(crate) async fn deliver(web_push: &WebPush, outward: &Outward, handle: Handle, consignment: Consignment) {
    let end = send(web_push, outward, &handle, &consignment).await;
    consignment.ended(&handle, end).await;
}

async fn send(web_push: &WebPush, outward: &Outward, handle: &Handle, consignment: &Consignment) -> End {
    let order = consignment.order();
    // What was checked when it came in may lead nowhere since the owner changed what may be reached.
    let readable = order.browsers.iter().filter_map(|known| {
        match web_push::Browser::read(&known.endpoint, &known.p256dh, &known.auth, outward.reach()) {
            Ok(browser) => Some((known, browser)),
            Err(error) => {
                tracing::warn!(message.id = %order.message, "a browser is passed over: {error}");
                None
            }
        }
    });
    let (known, browsers): (Vec<_>, Vec<_>) = readable.unzip();
    if browsers.is_empty() {
        let reply = "none of the customer's browsers may be reached".to_owned();
        return End::Rejected { reply, of_recipient: false };
    }
    let notification = notification_of(handle, order);
    // Push services compare it with their own clocks: a demo's time would be refused.
    let at_s = jiff::Timestamp::now().as_second();
    let mut recorder = consignment.recorder(handle);
    let Pushed { delivered, gone, all_gone } =
        web_push.send(outward, &notification, &browsers, at_s, &mut recorder).await;
    let gone: Vec<_> = gone.iter().filter_map(|place| known.get(*place).copied().cloned()).collect();
    if !gone.is_empty() {
        let customer = order.customer;
        // Should it not be durable, the next message finds them gone again.
        let noted =
            handle.change_later(gone.len(), move |engine, now| engine.browsers_gone(customer, &gone, now)).await;
        if let Err(error) = noted {
            tracing::warn!(message.id = %order.message, "that browsers are gone was not recorded: {error}");
        }
    }
    match end_of(delivered) {
        End::Rejected { reply, .. } if all_gone => End::Gone { reply },
        end => end,
    }
}

fn notification_of(handle: &Handle, order: &Order) -> Notification {
    let engine = handle.read();
    let written = &order.written;
    let shop = || engine.definitions().settings.sender.as_ref().map(|sender| sender.name.clone());
    let unsubscribe = || format!("{}{}", engine.options().public_url, written.unsubscribe_path);
    let (title, body) = match (written.subject.as_str(), shop()) {
        ("", Some(shop)) => (shop, written.text.clone()),
        ("", None) => (written.text.clone(), String::new()),
        (title, _) => (title.to_owned(), written.text.clone()),
    };
    Notification {
        id: order.message.to_string(),
        title,
        body: body.trim().to_owned(),
        url: written.url.clone(),
        icon: written.icon.clone(),
        unsubscribe: order.is_marketing.then(unsubscribe),
        unsubscribe_label: engine.unsubscribe_label(order.customer),
        ttl_s: u64::try_from(order.useful_for.0 / 1_000).unwrap_or_default(),
        urgency: if order.is_marketing { Urgency::Low } else { Urgency::High },
    }
}
