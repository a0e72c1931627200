//! Browsers that a customer lets us notify (web push). All from Perennial's own events.

use crate::profile::customer::Order;
use domain::call::events;
use domain::{Call, Timestamp, Trust};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// Most browsers of one customer that are notified: those that came last. More is a machine.
pub const NOTIFIED: usize = 10;
/// Most browsers of which something is kept, those that went included. All of them are in the history.
const KEPT: usize = 50;

/// A browser that can be notified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Browser {
    /// The address at its push service: whoever knows it could be that browser.
    pub endpoint: Arc<str>,
    /// Its public key, in base64url.
    pub p256dh: Arc<str>,
    /// The secret that it shares with us, in base64url.
    pub auth: Arc<str>,
    /// What people call it: `Chrome on Android`.
    pub name: Option<Arc<str>>,
}

/// What was said last of an endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Told {
    order: Order,
    endpoint: Arc<str>,
    /// None: it went.
    browser: Option<Browser>,
}

/// What was said last of each endpoint, in the order of history.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Browsers(Vec<Told>);

impl Browsers {
    /// Whether an event tells of a browser. Only Perennial's own words count.
    pub fn are_told_by(call: &Call) -> bool {
        call.trust == Trust::Perennial
            && matches!(call.event.as_deref(), Some(events::PUSH_SUBSCRIBED | events::PUSH_UNSUBSCRIBED))
    }

    /// Takes an event into account.
    pub fn apply(&mut self, call: &Call, order: Order) {
        let body = call.body_value();
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(Arc::from);
        let Some(endpoint): Option<Arc<str>> = text("endpoint") else { return };
        let browser = match (call.event.as_deref(), text("p256dh"), text("auth")) {
            (Some(events::PUSH_SUBSCRIBED), Some(p256dh), Some(auth)) => {
                Some(Browser { endpoint: endpoint.clone(), p256dh, auth, name: text("browser") })
            }
            _ => None,
        };
        self.insert(Told { order, endpoint, browser });
    }

    /// Takes over what another of the person's names has.
    pub fn absorb(&mut self, other: Browsers) {
        for told in other.0 {
            self.insert(told);
        }
    }

    /// Browsers that are there at an instant, with since when, the latest first.
    pub fn present(&self, now: Timestamp) -> impl Iterator<Item = (&Browser, Timestamp)> {
        let told = self.0.iter().rev().filter(move |told| told.order.0 <= now);
        told.filter_map(|told| Some((told.browser.as_ref()?, told.order.0))).take(NOTIFIED)
    }

    /// A browser that is there, by its endpoint.
    pub fn find(&self, endpoint: &str) -> Option<&Browser> {
        self.0.iter().find(|told| told.endpoint.as_ref() == endpoint)?.browser.as_ref()
    }

    /// Endpoints of all browsers that are there.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|told| told.browser.as_ref().map(|browser| &browser.endpoint))
    }

    /// Endpoints of browsers that went.
    pub(crate) fn went(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter(|told| told.browser.is_none()).map(|told| &told.endpoint)
    }

    fn insert(&mut self, told: Told) {
        let same = |other: &Told| other.endpoint == told.endpoint;
        if let Some(at) = self.0.iter().position(same) {
            if self.0.get(at).is_some_and(|other| other.order > told.order) {
                return;
            }
            self.0.remove(at);
        }
        let place = self.0.partition_point(|other| other.order <= told.order);
        self.0.insert(place, told);
        if self.0.len() > KEPT {
            self.0.remove(0);
        }
    }
}
