//! A template, or a piece of Liquid, shown with given data: to look at, not to send. Nothing holds it; what is missing
//! prints as nothing and is told.

use super::evaluate::{Gaps, Piece, Scene, Writing};
use super::{Footer, Letter, Links, Rendered, WriteError, concat, render, run};
use domain::message::Channel;
use domain::money::Currency;
use domain::time::{Timestamp, Zone};
use domain::workspace::{Sender, Template};
use serde_json::{Map, Value, json};
use std::cell::RefCell;

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A template and, of it, a variant.
    Template(&'a Template, Option<&'a str>),
    /// Liquid alone: it becomes plain text.
    Liquid(&'a str),
}

/// The circumstances in which it is written.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// What `now` means.
    pub now: Timestamp,
    /// In which zone dates are written.
    pub zone: &'a Zone,
    /// Of amounts that `currency` writes.
    pub currency: Currency,
    /// Who writes.
    pub sender: Option<&'a Sender>,
    /// Where links lead.
    pub public_url: &'a str,
}

/// How it looks.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Shown {
    /// The subject; none of Liquid alone.
    pub subject: Option<String>,
    /// As text.
    pub text: String,
    /// As HTML; none of Liquid alone.
    pub html: Option<String>,
    /// Of a notification: where a click leads.
    pub url: Option<String>,
    /// Of a notification: the address of the picture beside it.
    pub icon: Option<String>,
    /// Values that are printed and missing: a message would be held for the first of them.
    pub missing: Vec<String>,
    /// Where its links lead, in the order in which they stand, each once; without those that we make ourselves.
    pub links: Vec<String>,
}

/// Shows a template or a piece of Liquid. `data`: what its first words mean, such as `customer`; what is not there is empty.
///
/// Errors: the template is broken, aborts, or has too much to do.
pub fn show(source: Source<'_>, data: &Map<String, Value>, setting: Setting<'_>) -> Result<Shown, WriteError> {
    let gaps = Gaps::default();
    let targets = RefCell::new(Vec::new());
    let note = |target: &str| {
        let mut targets = targets.borrow_mut();
        if !targets.iter().any(|known| known == target) {
            targets.push(target.to_owned());
        }
        target.to_owned()
    };
    let link = |word: &str| format!("{}/{word}/preview", setting.public_url);
    let links = Links { unsubscribe: link("u"), preferences: link("p"), view: link("v"), confirm: Some(link("y")) };
    let mut shown = match source {
        Source::Template(template, variant) => {
            let empty = json!({});
            let root = |key: &str| data.get(key).unwrap_or(&empty);
            let customer = root("customer");
            let letter = Letter {
                template,
                variant,
                locale: customer.get("locale").and_then(Value::as_str),
                customer,
                event: root("event"),
                record: root("record"),
                campaign: root("campaign"),
                voucher: root("voucher"),
                links: &links,
                sender: setting.sender,
                // Only mail has a foot.
                footer: if template.channel == Channel::Email { Footer::Marketing } else { Footer::Service },
                now: setting.now,
                zone: setting.zone,
                currency: setting.currency,
                track_clicks: Some(&note),
                gaps: Some(&gaps),
            };
            let Rendered { subject, html, text, url, icon, .. } = render(&letter)?;
            Shown { subject: Some(subject), text, html: Some(html), url, icon, ..Shown::default() }
        }
        Source::Liquid(text) => {
            let links = super::links_value(&links);
            let mut roots: Vec<(&str, &Value)> = data.iter().map(|(key, value)| (key.as_str(), value)).collect();
            if !data.contains_key("links") {
                roots.push(("links", &links));
            }
            let scene = Scene {
                roots,
                now: setting.now,
                zone: setting.zone,
                currency: setting.currency,
                writing: Writing::Text,
                gaps: Some(&gaps),
            };
            let pieces: Vec<Piece> = run(text, &scene)?;
            Shown { text: concat(&pieces), ..Shown::default() }
        }
    };
    shown.links = targets.into_inner();
    shown.missing = gaps.into_inner().into_iter().collect();
    Ok(shown)
}
