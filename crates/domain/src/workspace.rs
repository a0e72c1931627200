//! The workspace's settings, purposes and templates, as data.

use crate::id::Name;
use crate::message::Channel;
use crate::money::Currency;
use crate::rate::Percent;
use crate::segment::read_percent;
use crate::shape::{Fields, ShapeError, kind_of, list, name, refuse, text, unknown};
use crate::time::{Span, Zone};
use jiff::civil::Time;
use serde_json::Value;

/// `workspace: settings`.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// For customers without a zone of their own.
    pub zone: Zone,
    /// Of amounts that name none.
    pub currency: Currency,
    /// Caps that hold for all campaigns.
    pub caps: Vec<Cap>,
    /// When customers are left in peace.
    pub quiet_hours: Option<QuietHours>,
    /// The workspace's comparison group.
    pub global_holdout: Option<GlobalHoldout>,
    /// Who writes.
    pub sender: Option<Sender>,
}

impl Default for Settings {
    /// Zone UTC, pounds, no caps, no quiet hours, no global holdout.
    fn default() -> Self {
        Settings {
            zone: Zone::utc(),
            currency: Currency::GBP,
            caps: Vec::new(),
            quiet_hours: None,
            global_holdout: None,
            sender: None,
        }
    }
}

/// At most so many messages in a window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cap {
    /// Only messages of this purpose; none: marketing.
    pub purpose: Option<Name>,
    /// Only on this channel; none: all.
    pub channel: Option<Channel>,
    /// So many.
    pub at_most: u32,
    /// In which window.
    pub window: CapWindow,
}

/// The window of a cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapWindow {
    /// Rolling and half open, as `within`.
    Per(Span),
    /// The current local day and the n - 1 before.
    PerDays(u32),
}

/// Local hours in which marketing waits: `from` included, `to` excluded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuietHours {
    /// Beginning.
    pub from: Time,
    /// End; before `from` when the night lies between.
    pub to: Time,
    /// For which purposes.
    pub purposes: Vec<Name>,
}

/// The workspace's comparison group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GlobalHoldout {
    /// Its share.
    pub percent: Percent,
    /// Seed of its hash.
    pub seed: String,
}

/// Who writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Name on the From line.
    pub name: String,
    /// Address on the From line.
    pub address: String,
    /// Postal address in the footer.
    pub postal_address: Option<String>,
}

/// `purpose: news`: what messages may be for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purpose {
    /// Its name.
    pub name: Name,
    /// Whether silence means yes.
    pub granted_by_default: bool,
    /// Its channels; empty: all.
    pub channels: Vec<Channel>,
}

/// `template: hello-again`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    /// Its name.
    pub name: Name,
    /// The channel it is written for.
    pub channel: Channel,
    /// Liquid.
    pub subject: String,
    /// Liquid in HTML or Markdown.
    pub body: String,
    /// Liquid; absent: made from the body.
    pub text: Option<String>,
    /// What the body is written in.
    pub format: Format,
    /// Parts of the template that a variant replaces.
    pub variants: Vec<(String, Parts)>,
}

/// What a body is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// HTML: begins with `<`.
    Html,
    /// Markdown.
    Markdown,
}

/// Parts of a template that a variant overrides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// Another subject.
    pub subject: Option<String>,
    /// Another body.
    pub body: Option<String>,
}

/// Consent words of the spec, as they stand in `Consent Changed`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// A yes.
    Granted,
    /// A no.
    Withdrawn,
}

/// Largest template part, in bytes.
pub const TEMPLATE_LIMIT: usize = 256 * 1024;

impl Settings {
    /// Reads `workspace: settings`.
    pub fn read(value: &Value) -> Result<Settings, ShapeError> {
        let fields = Fields::of(value, "")?;
        let word = fields.require_text("workspace")?;
        if word != "settings" {
            return refuse("workspace", format!("expected `settings`, found `{word}`"));
        }
        let defaults = Settings::default();
        let settings = Settings {
            zone: crate::value::read_zone(&fields)?.unwrap_or(defaults.zone),
            currency: match fields.text("currency")? {
                None => defaults.currency,
                Some(code) => match Currency::parse(code) {
                    Some(currency) => currency,
                    None => return refuse("currency", format!("`{code}` is no currency code such as GBP")),
                },
            },
            caps: match fields.get("caps") {
                None => Vec::new(),
                Some(Value::Array(items)) if items.is_empty() => Vec::new(),
                Some(value) => list(value, "caps")?
                    .iter()
                    .enumerate()
                    .map(|(i, item)| read_cap(item, &format!("caps[{i}]")))
                    .collect::<Result<_, _>>()?,
            },
            quiet_hours: fields.get("quiet_hours").map(|value| read_quiet_hours(value, "quiet_hours")).transpose()?,
            global_holdout: fields
                .get("global_holdout")
                .map(|value| read_global_holdout(value, "global_holdout"))
                .transpose()?,
            sender: fields.get("sender").map(|value| read_sender(value, "sender")).transpose()?,
        };
        fields.finish()?;
        Ok(settings)
    }
}

/// Reads a cap: `at_most` and `per` or `per_days`.
pub fn read_cap(value: &Value, path: &str) -> Result<Cap, ShapeError> {
    let fields = Fields::of(value, path)?;
    let window = match (fields.span("per")?, fields.count("per_days")?) {
        (Some(span), None) if span.0 > 0 => CapWindow::Per(span),
        (None, Some(days)) if (1..=3_660).contains(&days) => CapWindow::PerDays(days),
        _ => return refuse(path, "write either `per: 7d` or `per_days: 1`"),
    };
    let cap = Cap {
        purpose: fields.get("purpose").map(|value| name(value, &fields.at("purpose"))).transpose()?,
        channel: read_channel(&fields)?,
        at_most: match fields.count("at_most")? {
            Some(count) => count,
            None => return refuse(path, "`at_most` is missing"),
        },
        window,
    };
    fields.finish()?;
    Ok(cap)
}

/// Reads `channel:`.
pub fn read_channel(fields: &Fields<'_>) -> Result<Option<Channel>, ShapeError> {
    match fields.text("channel")? {
        None => Ok(None),
        Some(word) => read_channel_word(word, &fields.at("channel")).map(Some),
    }
}

fn read_channel_word(word: &str, path: &str) -> Result<Channel, ShapeError> {
    match Channel::find(word) {
        Some(channel) => Ok(channel),
        None => refuse(path, unknown("channel", word, Channel::ALL.iter().map(|channel| channel.word()))),
    }
}

fn read_quiet_hours(value: &Value, path: &str) -> Result<QuietHours, ShapeError> {
    let fields = Fields::of(value, path)?;
    let purposes = match fields.get("purposes") {
        None => vec![marketing()],
        Some(value) => list(value, &fields.at("purposes"))?
            .iter()
            .map(|item| name(item, &fields.at("purposes")))
            .collect::<Result<_, _>>()?,
    };
    let hours = QuietHours { from: read_time(&fields, "from")?, to: read_time(&fields, "to")?, purposes };
    if hours.from == hours.to {
        return refuse(path, "`from` and `to` are the same: that would be never or always");
    }
    fields.finish()?;
    Ok(hours)
}

fn read_time(fields: &Fields<'_>, key: &'static str) -> Result<Time, ShapeError> {
    let word = fields.require_text(key)?;
    match crate::campaign::read_time(word) {
        Some(time) => Ok(time),
        None => refuse(&fields.at(key), format!("`{word}` is no time of day such as \"21:00\"")),
    }
}

fn read_global_holdout(value: &Value, path: &str) -> Result<GlobalHoldout, ShapeError> {
    let fields = Fields::of(value, path)?;
    let holdout = GlobalHoldout {
        percent: read_percent(fields.require("percent")?, &fields.at("percent"))?,
        seed: fields.require_text("seed")?.to_owned(),
    };
    if !holdout.seed.is_ascii() {
        return refuse(&fields.at("seed"), "a seed is ASCII, so that every language hashes it alike");
    }
    fields.finish()?;
    Ok(holdout)
}

fn read_sender(value: &Value, path: &str) -> Result<Sender, ShapeError> {
    let fields = Fields::of(value, path)?;
    let sender = Sender {
        name: one_line(fields.require("name")?, &fields.at("name"))?,
        address: one_line(fields.require("address")?, &fields.at("address"))?,
        postal_address: fields
            .get("postal_address")
            .map(|value| one_line(value, &fields.at("postal_address")))
            .transpose()?,
    };
    fields.finish()?;
    Ok(sender)
}

fn one_line(value: &Value, path: &str) -> Result<String, ShapeError> {
    let text = text(value, path)?;
    if text.is_empty() || text.len() > 300 || text.chars().any(char::is_control) {
        return refuse(path, "expected one line of 1 to 300 characters");
    }
    Ok(text.to_owned())
}

impl Purpose {
    /// Reads a purpose's definition.
    pub fn read(value: &Value) -> Result<Purpose, ShapeError> {
        let fields = Fields::of(value, "")?;
        let purpose = Purpose {
            name: fields.require_name("purpose")?,
            granted_by_default: match fields.text("default")? {
                None | Some("unknown") => false,
                Some("granted") => true,
                Some(other) => return refuse("default", unknown("default", other, ["granted", "unknown"].into_iter())),
            },
            channels: match fields.get("channels") {
                None => Vec::new(),
                Some(value) => list(value, "channels")?
                    .iter()
                    .map(|item| read_channel_word(text(item, "channels")?, "channels"))
                    .collect::<Result<_, _>>()?,
            },
        };
        fields.finish()?;
        Ok(purpose)
    }
}

/// The purpose of campaigns that name none.
pub fn marketing() -> Name {
    Name::parse("marketing").expect("a literal that fits the grammar")
}

/// The purpose of alerts, receipts and answers.
pub fn service() -> Name {
    Name::parse("service").expect("a literal that fits the grammar")
}

impl Template {
    /// Reads a template's definition.
    pub fn read(value: &Value) -> Result<Template, ShapeError> {
        let fields = Fields::of(value, "")?;
        if fields.has("locales") {
            return refuse("locales", "`locales` is part of the specification but not used by this version yet");
        }
        let body = part(&fields, "body")?
            .ok_or_else(|| ShapeError { path: String::new(), message: "`body` is missing".to_owned() })?;
        let template = Template {
            name: fields.require_name("template")?,
            channel: read_channel(&fields)?.unwrap_or(Channel::Email),
            subject: part(&fields, "subject")?.unwrap_or_default(),
            format: read_format(&fields, &body)?,
            text: part(&fields, "text")?,
            variants: match fields.get("variants") {
                None => Vec::new(),
                Some(value) => read_variants(value)?,
            },
            body,
        };
        fields.finish()?;
        Ok(template)
    }
}

fn part(fields: &Fields<'_>, key: &'static str) -> Result<Option<String>, ShapeError> {
    match fields.text(key)? {
        Some(text) if text.len() > TEMPLATE_LIMIT => {
            refuse(&fields.at(key), format!("{} bytes, more than {TEMPLATE_LIMIT}", text.len()))
        }
        other => Ok(other.map(str::to_owned)),
    }
}

fn read_format(fields: &Fields<'_>, body: &str) -> Result<Format, ShapeError> {
    match fields.text("format")? {
        Some("html") => Ok(Format::Html),
        Some("markdown") => Ok(Format::Markdown),
        Some("mjml") => refuse("format", "MJML is part of the specification but not written by this version yet"),
        Some(other) => refuse("format", unknown("format", other, ["html", "markdown"].into_iter())),
        None if body.trim_start().to_ascii_lowercase().starts_with("<mjml") => {
            refuse("body", "MJML is part of the specification but not written by this version yet")
        }
        None if body.trim_start().starts_with('<') => Ok(Format::Html),
        None => Ok(Format::Markdown),
    }
}

fn read_variants(value: &Value) -> Result<Vec<(String, Parts)>, ShapeError> {
    let Value::Object(map) = value else {
        return refuse("variants", format!("expected a map of variants, found {}", kind_of(value)));
    };
    map.iter()
        .map(|(variant, parts)| {
            let fields = Fields::of(parts, &format!("variants.{variant}"))?;
            let parts = Parts { subject: part(&fields, "subject")?, body: part(&fields, "body")? };
            fields.finish()?;
            Ok((variant.clone(), parts))
        })
        .collect()
}
