//! The ways out of this machine that the configuration opens, and who carries what over which.

use crate::config::{Config, Send};
use crate::runtime::{Handle, Outgoing};
use crate::{notifications, post, texts, webhooks};
use channels::Messenger;
use channels::outward::Outward;
use channels::web_push::WebPush;
use domain::message::Channel;
use engine::deliver::pace::Limits;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The channels on which messages really go out.
pub(crate) fn channels(config: &Config) -> BTreeSet<Channel> {
    let mail = (config.email.send == Send::Smtp).then_some(Channel::Email);
    mail.into_iter().chain(config.messages.providers().map(|(channel, _)| channel)).collect()
}

/// How fast each of them may be.
pub(crate) fn limits(config: &Config) -> BTreeMap<Channel, Limits> {
    let texts = config.messages.providers().map(|(channel, provider)| (channel, provider.limits()));
    texts.chain([(Channel::Email, config.email.limits())]).collect()
}

/// Whether anything leaves this machine.
pub(crate) fn lead_out(config: &Config) -> bool {
    !channels(config).is_empty() || !config.webhooks.is_empty()
}

/// Every way out that is configured.
pub(crate) struct Ways {
    post: Option<Arc<post::Post>>,
    messengers: BTreeMap<Channel, Messenger>,
    web_push: Option<WebPush>,
    endpoints: Arc<webhooks::Endpoints>,
    outward: Arc<Outward>,
}

impl Ways {
    /// Opens them; nothing is connected yet. Errors: which setting cannot be used, and why.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Ways> {
        let outward = Arc::new(webhooks::open_outward(config)?);
        let mut messengers = BTreeMap::new();
        let web_push = notifications::open(config)?;
        let is_push = |channel| channel == Channel::Push && web_push.is_some();
        for (channel, provider) in config.messages.providers().filter(|(channel, _)| !is_push(*channel)) {
            messengers.insert(channel, texts::open(channel, provider, &outward)?);
        }
        Ok(Ways {
            post: (config.email.send == Send::Smtp).then(|| post::Post::open(&config.email)).transpose()?.map(Arc::new),
            messengers,
            web_push,
            endpoints: Arc::new(webhooks::Endpoints::open(config, outward.clone())?),
            outward,
        })
    }

    /// Carries something out, to its end.
    pub(crate) async fn carry_out(self: Arc<Self>, handle: Handle, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Webhook(errand) => webhooks::carry_out(self.endpoints.clone(), handle, errand).await,
            Outgoing::Message(consignment) => {
                let channel = consignment.channel();
                let messenger = self.messengers.get(&channel);
                match (channel, messenger, &self.post, &self.web_push) {
                    (_, Some(messenger), ..) => texts::deliver(messenger, &self.outward, handle, consignment).await,
                    (Channel::Email, None, Some(post), _) => post::deliver(post.clone(), handle, consignment).await,
                    (Channel::Push, None, _, Some(web_push)) => {
                        notifications::deliver(web_push, &self.outward, handle, consignment).await
                    }
                    _ => consignment.put_off(&handle, "its channel is not open").await,
                }
            }
        }
    }
}
