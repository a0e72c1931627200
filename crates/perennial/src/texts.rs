//! Carries out the engine's orders on channels of texts and push: over HTTP, to the provider that the configuration names.

use crate::config::{Provider, Speaks};
use crate::consignment::Consignment;
use crate::post::end_of;
use crate::runtime::Handle;
use anyhow::{Context, bail};
use channels::outward::{Outward, Target};
use channels::{Messenger, Note, Secret, SigningSecrets};
use domain::message::Channel;
use engine::deliver::Order;

/// Where Twilio is.
const TWILIO: &str = "https://api.twilio.com";

/// Opens the provider of a channel. Errors: which setting cannot be used, and why.
pub fn open(channel: Channel, provider: &Provider, outward: &Outward) -> anyhow::Result<Messenger> {
    let place = format!("messages.{channel}");
    let target =
        |url: &str| Target::read(url, outward.reach()).map_err(|error| anyhow::anyhow!("`{place}.url` {error}"));
    match provider.send {
        Speaks::Signed => {
            let secrets = SigningSecrets::read(&provider.secrets(&place)?).with_context(|| format!("`{place}`"))?;
            Ok(Messenger::Signed { target: target(&provider.url)?, secrets })
        }
        Speaks::WebPush => bail!("`{place}.send`: web_push is for [messages.push] only"),
        Speaks::Twilio if channel != Channel::Sms => bail!("`{place}.send`: twilio sends sms only"),
        Speaks::Twilio => {
            for (key, value) in [("account", &provider.account), ("from", &provider.from)] {
                if value.trim().is_empty() {
                    bail!("`{place}.{key}` is empty; Twilio needs it");
                }
            }
            let base = if provider.url.is_empty() { TWILIO } else { &provider.url };
            Ok(Messenger::Twilio {
                target: target(&Messenger::twilio_url(base, &provider.account))?,
                account: provider.account.clone(),
                token: Secret::new(provider.token(&place)?),
                from: provider.from.clone(),
            })
        }
    }
}

/// Carries out one order, from its record to its end. Every way out is recorded.
pub(crate) async fn deliver(messenger: &Messenger, outward: &Outward, handle: Handle, consignment: Consignment) {
    let note = note_of(consignment.order(), &handle.read().options().public_url);
    // The receiver compares it with its own clock: a demo's time would be refused.
    let at_s = jiff::Timestamp::now().as_second();
    let delivered = messenger.send(outward, &note, at_s, &mut consignment.recorder(&handle)).await;
    consignment.ended(&handle, end_of(delivered)).await;
}

fn note_of(order: &Order, public_url: &str) -> Note {
    let unsubscribe_url = order.is_marketing.then(|| format!("{public_url}{}", order.written.unsubscribe_path));
    Note {
        id: order.message.to_string(),
        channel: order.channel.word(),
        to: order.written.to.clone(),
        subject: order.written.subject.clone(),
        text: order.written.text.clone(),
        campaign: order.campaign.to_string(),
        purpose: if order.is_marketing { "marketing" } else { "service" },
        unsubscribe_url,
        url: order.written.url.clone(),
        icon: order.written.icon.clone(),
        decided_at: order.decided_at.to_string(),
    }
}
