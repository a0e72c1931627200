//! What a message says to one customer: the template written with what is known of them.

use crate::state::Engine;
use crate::write::{
    Footer, Letter, Links, Setting, Shown, Source, TemplateFacts, WriteError, render, show, unsubscribe_in,
};
use domain::CustomerId;
use domain::message::{Channel, Message, Written};
use domain::workspace::Sender;
use serde_json::{Map, Value, json};
use store::Journey;

impl Engine {
    /// Writes a message. The error is the reason why it must be held: a value that is missing, or a template that fails.
    pub(crate) fn write(&self, message: &Message, variant: Option<&str>, journey: &Journey) -> Result<Written, String> {
        let person = self.person(message.customer);
        let Some(template) = self.definitions.templates.get(&message.template) else {
            return Err(format!("there is no template `{}`", message.template));
        };
        let Some(to) = self.address_of(person, message.channel) else {
            return Err("the customer has no address".to_owned());
        };
        let traits = self.customers.get(person).map(|customer| customer.traits.all(self.clock).0).unwrap_or_default();
        let to_name = full_name(&traits);
        let customer = Value::Object(traits);
        let (event, record) = (self.event_of(journey), self.record_of(journey));
        let voucher = self.voucher_of(journey);
        let signer = self.signer();
        let unsubscribe_path = format!("/u/{}", signer.unsubscribe_token(&message.id));
        let url = &self.options.public_url;
        let links = Links {
            unsubscribe: format!("{url}{unsubscribe_path}"),
            preferences: format!("{url}/p/{}", signer.preferences_token(&message.id)),
            view: format!("{url}/v/{}", signer.view_token(&message.id)),
            confirm: self
                .purpose_to_confirm(&event)
                .map(|purpose| format!("{url}/y/{}", signer.confirm_token(&message.id, &purpose))),
        };
        let campaign = json!({ "name": message.campaign, "step": message.step });
        let track = |target: &str| format!("{url}/c/{}", signer.click_token(&message.id, target));
        let zone = self.zone_of(person);
        let is_letter = message.channel == Channel::Email;
        let footer = if is_letter && message.purpose != domain::workspace::service() {
            Footer::Marketing
        } else {
            Footer::Service
        };
        let letter = Letter {
            template,
            variant,
            locale: customer.get("locale").and_then(Value::as_str),
            customer: &customer,
            event: &event,
            record: &record,
            campaign: &campaign,
            voucher: &voucher,
            links: &links,
            sender: self.definitions.settings.sender.as_ref(),
            now: self.clock,
            zone: &zone,
            currency: self.definitions.settings.currency,
            footer,
            track_clicks: matches!(message.channel, Channel::Email | Channel::Push).then_some(&track),
            gaps: None,
        };
        // A template is written by a person and filled by strangers: should the library below panic all the same,
        // only this message is held.
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| render(&letter)));
        let rendered = match written {
            Ok(Ok(rendered)) => rendered,
            Ok(Err(WriteError::Missing { path })) => {
                let pool = if path.starts_with("voucher.") { self.waits_for_codes(&journey.id, person) } else { None };
                return Err(match pool {
                    Some(pool) => format!("{path} is missing: the pool `{pool}` has no codes left"),
                    None => format!("{path} is missing"),
                });
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("the template could not be written".to_owned()),
        };
        if self.options.keeps_the_law && footer == Footer::Marketing {
            let sender = self.definitions.settings.sender.as_ref();
            let has_link = rendered.html.contains(&links.unsubscribe);
            if let Some(gap) = LegalGap::of(sender, has_link) {
                return Err(gap.to_string());
            }
        }
        Ok(Written {
            to,
            to_name,
            subject: rendered.subject,
            text: rendered.text,
            html: match message.channel {
                Channel::Email => Some(rendered.html),
                Channel::InApp => Some(rendered.fragment),
                _ => None,
            },
            unsubscribe_path,
            url: rendered.url,
            icon: rendered.icon,
        })
    }

    /// Shows a template or a piece of Liquid, with the traits of a customer as `customer` unless `data` has its own.
    pub fn show(
        &self,
        source: Source<'_>,
        customer: Option<CustomerId>,
        mut data: Map<String, Value>,
    ) -> Result<Shown, WriteError> {
        let known = customer.map(|id| self.person(id));
        let traits = known.and_then(|person| self.customers.get(person));
        if let Some(traits) = traits {
            data.entry("customer").or_insert_with(|| Value::Object(traits.traits.all(self.clock).0));
        }
        let zone = known.map_or_else(|| self.definitions.settings.zone.clone(), |person| self.zone_of(person));
        let setting = Setting {
            now: self.clock,
            zone: &zone,
            currency: self.definitions.settings.currency,
            sender: self.definitions.settings.sender.as_ref(),
            public_url: &self.options.public_url,
        };
        show(source, &data, setting)
    }

    /// "Unsubscribe" in a customer's language, for a button beside what was written.
    pub fn unsubscribe_label(&self, customer: CustomerId) -> &'static str {
        unsubscribe_in(self.locale_of(customer).as_deref())
    }

    /// A customer's language, as the trait `locale` says.
    pub fn locale_of(&self, customer: CustomerId) -> Option<String> {
        let customer = self.customers.get(self.person(customer))?;
        Some(customer.traits.get("locale", self.clock)?.as_str()?.to_owned())
    }

    /// Signs and checks links in messages.
    pub fn signer(&self) -> crate::write::links::Signer {
        crate::write::links::Signer::new(self.secrets.link_key)
    }
}

/// What the law asks of a marketing mail and it lacks (CAN-SPAM Act, § 5(a)(5); UWG, § 7(3); PECR, 23).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LegalGap {
    /// Nobody is named who writes.
    #[error(
        "marketing mail must say who writes it and from where: add `sender` with a `postal_address` to `workspace: settings`"
    )]
    NoSender,
    /// Where the sender can be reached by post is not said.
    #[error("marketing mail must bear a postal address: add `postal_address` to `sender` in `workspace: settings`")]
    NoPostalAddress,
    /// It cannot be unsubscribed.
    #[error(
        "a whole page of HTML goes out as it is, and this one has no link to unsubscribe: print `{{{{ links.unsubscribe }}}}` in it"
    )]
    NoUnsubscribe,
}

impl LegalGap {
    /// The first thing that is missing. `has_link`: it can be unsubscribed.
    pub(crate) fn of(sender: Option<&Sender>, has_link: bool) -> Option<LegalGap> {
        let Some(sender) = sender else { return Some(LegalGap::NoSender) };
        match sender.postal_address.as_deref().map(str::trim) {
            None | Some("") => Some(LegalGap::NoPostalAddress),
            Some(_) if !has_link => Some(LegalGap::NoUnsubscribe),
            Some(_) => None,
        }
    }

    /// As it is known before anything is written. Only a whole page gets no foot, and with it no link.
    pub(crate) fn of_template(sender: Option<&Sender>, facts: &TemplateFacts) -> Option<LegalGap> {
        LegalGap::of(sender, facts.has_unsubscribe || !facts.is_whole_page)
    }
}

/// First and last name from the traits that shops use for them.
pub fn full_name(traits: &Map<String, Value>) -> Option<String> {
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| traits.get(*key)?.as_str()).map(str::trim).filter(|text| !text.is_empty())
    };
    let whole = text(&["name", "fullName", "full_name"]);
    let first = text(&["first_name", "firstName"]);
    let last = text(&["last_name", "lastName"]);
    match (whole, first, last) {
        (_, Some(first), Some(last)) => Some(format!("{first} {last}")),
        (Some(whole), ..) => Some(whole.to_owned()),
        (None, one, None) | (None, None, one) => one.map(str::to_owned),
    }
}
