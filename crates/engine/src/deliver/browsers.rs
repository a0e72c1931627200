//! Browsers that come and go: whose they are, and who may say so.
//!
//! A browser belongs to one customer, to whoever used it last: an endpoint that somebody else registers is taken from the
//! first, so that nobody reads another's messages on a shared machine. What comes in is checked at the door; here it is
//! decided whose it is.

use crate::profile::browsers::Browser;
use crate::profile::identity::NameKind;
use crate::state::Engine;
use crate::write::links::keyed_hash;
use domain::call::events;
use domain::message::Channel;
use domain::{CustomerId, Timestamp};
use hmac::Mac;
use serde_json::json;

const LABEL: &[u8] = b"perennial browser 1\0";

/// Who a browser says that it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subscriber {
    /// A customer whose token it showed: a userId.
    Customer(String),
    /// A visitor: an anonymousId, which the page made up.
    Visitor(String),
}

/// Why a browser is not taken, or not let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BrowserRefused {
    /// The visitor is known by a userId.
    #[error(
        "this visitor is a known customer; show the customer's token, since a key in a page may not say where messages to them go"
    )]
    KnownCustomer,
    /// The endpoint is known with another secret.
    #[error("this endpoint is known with another `auth`; only the browser itself can take it over")]
    OtherSecret,
    /// No such browser, or not with this secret.
    #[error("there is no browser with this endpoint and `auth`")]
    Unknown,
}

/// Why a browser is notified no more, as it stands in the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Went {
    /// The customer said so in the page.
    Removed,
    /// A person took it off on the customer's page.
    ByHand,
    /// Its push service does not know it any more.
    Gone,
    /// Another customer uses it now.
    OtherCustomer,
    /// It has another endpoint now.
    Renewed,
}

impl Went {
    fn word(self) -> &'static str {
        match self {
            Went::Removed => "removed",
            Went::ByHand => "by_hand",
            Went::Gone => "gone",
            Went::OtherCustomer => "other_customer",
            Went::Renewed => "renewed",
        }
    }
}

/// A browser as the customer's page shows it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct KnownBrowser {
    /// What a button names it by: it tells nothing of the endpoint.
    pub id: String,
    /// `Chrome on Android`, where it said so.
    pub browser: Option<String>,
    /// The host of its push service.
    pub service: String,
    /// Since when it is notified.
    #[serde(serialize_with = "crate::deliver::browsers::written")]
    pub since: Timestamp,
}

pub(crate) fn written<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl Engine {
    /// A browser wants to be notified. Said again it says nothing new. Returns whether it did.
    pub fn subscribe_browser(
        &mut self,
        subscriber: &Subscriber,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<bool, BrowserRefused> {
        self.reach(now);
        let person = self.subscriber(subscriber);
        if let (Subscriber::Visitor(_), Some(person)) = (subscriber, person)
            && self.people.is_known(person)
        {
            return Err(BrowserRefused::KnownCustomer);
        }
        if let Some(owner) = self.owner_of_endpoint(&browser.endpoint) {
            let known = self.find_browser(owner, &browser.endpoint);
            if known.is_some_and(|known| !self.is_same_secret(&known.auth, &browser.auth)) {
                return Err(BrowserRefused::OtherSecret);
            }
            if Some(owner) == person && known == Some(browser) {
                return Ok(false);
            }
            if Some(owner) != person {
                self.let_go(owner, &browser.endpoint, Went::OtherCustomer);
            }
        }
        self.take_browser(subscriber, person, browser);
        self.settle();
        Ok(true)
    }

    /// A browser wants to be notified no more; whoever knows endpoint and secret is that browser. Said again it says nothing new.
    pub fn unsubscribe_browser(&mut self, endpoint: &str, auth: &str, now: Timestamp) -> Result<(), BrowserRefused> {
        self.reach(now);
        let owner = self.owner_with_secret(endpoint, auth)?;
        self.let_go(owner, endpoint, Went::Removed);
        self.settle();
        Ok(())
    }

    /// A browser has another endpoint now (`pushsubscriptionchange`). Nobody is asked whose it is: it says by its old endpoint
    /// and secret which one it was.
    pub fn renew_browser(
        &mut self,
        endpoint: &str,
        auth: &str,
        browser: &Browser,
        now: Timestamp,
    ) -> Result<(), BrowserRefused> {
        self.reach(now);
        let owner = match self.owner_with_secret(endpoint, auth) {
            // Repeated, since the answer to the first was lost.
            Err(BrowserRefused::Unknown) => {
                return self.owner_with_secret(&browser.endpoint, &browser.auth).map(|_| ());
            }
            other => other?,
        };
        if let Some(other) = self.owner_of_endpoint(&browser.endpoint)
            && other != owner
        {
            return Err(BrowserRefused::OtherSecret);
        }
        let old = self.find_browser(owner, endpoint).and_then(|old| old.name.clone());
        let browser = Browser { name: browser.name.clone().or(old), ..browser.clone() };
        if browser.endpoint.as_ref() != endpoint {
            self.let_go(owner, endpoint, Went::Renewed);
        }
        self.say_subscribed(owner, &browser);
        self.settle();
        Ok(())
    }

    /// A person takes a browser off, by the id that [`Engine::browsers_of`] gives. Returns whether it was there.
    pub fn remove_browser(&mut self, person: CustomerId, id: &str, now: Timestamp) -> bool {
        self.reach(now);
        let person = self.person(person);
        let endpoint =
            self.present_browsers(person).into_iter().find(|found| self.id_of_browser(&found.endpoint) == id);
        let Some(found) = endpoint else { return false };
        self.let_go(person, &found.endpoint, Went::ByHand);
        self.settle();
        true
    }

    /// Push services said that they do not know these any more.
    pub fn browsers_gone(&mut self, customer: CustomerId, gone: &[Browser], now: Timestamp) {
        self.reach(now);
        let person = self.person(customer);
        for browser in gone {
            // What was registered anew meanwhile is another one.
            if self.find_browser(person, &browser.endpoint) == Some(browser) {
                self.let_go(person, &browser.endpoint, Went::Gone);
            }
        }
        self.settle();
    }

    /// The browsers of a person that are notified now, the latest first.
    pub fn browsers_of(&self, person: CustomerId) -> Vec<KnownBrowser> {
        let person = self.person(person);
        let browsers = self.customers.get(person).and_then(|customer| customer.browsers.as_deref());
        let known = |(browser, since): (&Browser, Timestamp)| KnownBrowser {
            id: self.id_of_browser(&browser.endpoint),
            browser: browser.name.as_deref().map(str::to_owned),
            service: browser.endpoint.split('/').nth(2).unwrap_or_default().to_owned(),
            since,
        };
        browsers.into_iter().flat_map(|browsers| browsers.present(self.clock)).map(known).collect()
    }

    /// Whom an order on a channel goes to, where that is browsers.
    pub(crate) fn browsers_for(&self, channel: Channel, customer: CustomerId) -> Vec<Browser> {
        if channel != Channel::Push || !self.options.notifies_browsers {
            return Vec::new();
        }
        self.present_browsers(self.person(customer))
    }

    fn present_browsers(&self, person: CustomerId) -> Vec<Browser> {
        let browsers = self.customers.get(person).and_then(|customer| customer.browsers.as_deref());
        browsers
            .into_iter()
            .flat_map(|browsers| browsers.present(self.clock))
            .map(|(browser, _)| browser.clone())
            .collect()
    }

    fn find_browser(&self, person: CustomerId, endpoint: &str) -> Option<&Browser> {
        self.customers.get(person)?.browsers.as_deref()?.find(endpoint)
    }

    fn subscriber(&self, subscriber: &Subscriber) -> Option<CustomerId> {
        match subscriber {
            Subscriber::Customer(name) => self.who_is_user(name),
            Subscriber::Visitor(name) => {
                self.people.find(NameKind::Visitor, name).map(|node| CustomerId(self.people.person(node)))
            }
        }
    }

    /// Whose an endpoint is.
    fn owner_of_endpoint(&self, endpoint: &str) -> Option<CustomerId> {
        let owner = self.person(*self.browser_owners.get(endpoint)?);
        // It may have gone since, or with another part of somebody who was parted.
        self.find_browser(owner, endpoint).map(|_| owner)
    }

    fn owner_with_secret(&self, endpoint: &str, auth: &str) -> Result<CustomerId, BrowserRefused> {
        let owner = self.owner_of_endpoint(endpoint).ok_or(BrowserRefused::Unknown)?;
        let known = self.find_browser(owner, endpoint).ok_or(BrowserRefused::Unknown)?;
        if self.is_same_secret(&known.auth, auth) { Ok(owner) } else { Err(BrowserRefused::Unknown) }
    }

    /// In constant time: of both a keyed hash is compared. Padding is no matter.
    fn is_same_secret<'a>(&self, known: &'a str, shown: &'a str) -> bool {
        let unpadded = |secret: &'a str| secret.trim_end_matches('=').as_bytes();
        let hash = |secret| keyed_hash(&self.secrets.link_key, LABEL, unpadded(secret));
        hash(shown).verify(&hash(known).finalize().into_bytes()).is_ok()
    }

    fn id_of_browser(&self, endpoint: &str) -> String {
        self.seen.id_of(&["browser", endpoint])
    }

    fn take_browser(&mut self, subscriber: &Subscriber, person: Option<CustomerId>, browser: &Browser) {
        match (person, subscriber) {
            (Some(person), _) => self.say_subscribed(person, browser),
            // Nobody has been heard of under this id yet: from now on they exist.
            (None, Subscriber::Customer(name)) => {
                self.happen_to((Some(name.as_str().into()), None), events::PUSH_SUBSCRIBED, &about(browser), "");
            }
            (None, Subscriber::Visitor(name)) => {
                self.happen_to((None, Some(name.as_str().into())), events::PUSH_SUBSCRIBED, &about(browser), "");
            }
        }
    }

    fn say_subscribed(&mut self, person: CustomerId, browser: &Browser) {
        self.happen(person, events::PUSH_SUBSCRIBED, &about(browser), &self.id_of_browser(&browser.endpoint));
    }

    fn let_go(&mut self, person: CustomerId, endpoint: &str, went: Went) {
        let properties = json!({ "endpoint": endpoint, "because": went.word() });
        self.happen(person, events::PUSH_UNSUBSCRIBED, &properties, &self.id_of_browser(endpoint));
    }
}

fn about(browser: &Browser) -> serde_json::Value {
    let mut properties = json!({ "endpoint": browser.endpoint, "p256dh": browser.p256dh, "auth": browser.auth });
    if let Some(name) = &browser.name {
        properties["browser"] = name.as_ref().into();
    }
    properties
}
