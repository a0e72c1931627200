//! The workspace's settings, purposes and templates, as data.

use crate::id::Name;
use crate::language::{TAG_LIMIT, from_near_to_wide, plain_tag};
use crate::message::Channel;
use crate::money::Currency;
use crate::rate::Percent;
use crate::segment::read_percent;
use crate::shape::{Fields, ShapeError, kind_of, list, name, refuse, text, unknown};
use crate::time::{Span, Timestamp, Zone};
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
    /// What implies a yes, and for how long.
    pub implied: Vec<Implied>,
    /// A yes from outside counts once the customer has confirmed it, within this time.
    pub confirm: Option<Span>,
}

/// An event from which a yes follows for some time, as Canada's anti-spam law lets one follow from a purchase.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Implied {
    /// Its name.
    pub event: String,
    /// For how long.
    pub lasts: Lasts,
}

/// How long something lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasts {
    /// To the same day and time so many months later, in UTC; the last of the month where there is no such day.
    Months(u32),
    /// Exactly so long.
    For(Span),
}

impl Lasts {
    /// The first instant at which it is over.
    pub fn end(self, from: Timestamp) -> Timestamp {
        match self {
            Lasts::Months(months) => crate::time::add_months(from, months),
            Lasts::For(span) => from.plus(span),
        }
    }
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
    /// Of a notification (channel push): Liquid of the address that a click leads to.
    pub url: Option<String>,
    /// Of a notification: Liquid of the address of the picture beside it.
    pub icon: Option<String>,
    /// What its bodies are written in; none: told by the first characters of each.
    pub format: Option<Format>,
    /// Parts of the template that a variant replaces.
    pub variants: Vec<(String, Parts)>,
    /// Parts that are said in another language, by language tags (BCP 47), no two of which are alike.
    pub locales: Vec<Locale>,
}

/// What a body is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// HTML: begins with `<`.
    Html,
    /// Markdown.
    Markdown,
    /// MJML: begins with `<mjml`.
    Mjml,
}

impl Format {
    /// What a body looks like.
    pub fn of(body: &str) -> Format {
        let begin = body.trim_start();
        if begin.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("<mjml")) {
            Format::Mjml
        } else if begin.starts_with('<') {
            Format::Html
        } else {
            Format::Markdown
        }
    }
}

/// Parts of a template that a variant or a language overrides.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// Another subject.
    pub subject: Option<String>,
    /// Another body.
    pub body: Option<String>,
    /// Another text; absent beside another body: made from it.
    pub text: Option<String>,
    /// Another address that a click on the notification leads to.
    pub url: Option<String>,
    /// Another picture beside the notification.
    pub icon: Option<String>,
}

/// What a template says in one language.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locale {
    /// As written: `fr`, `pt-BR`.
    pub tag: String,
    /// What is said otherwise than in the template.
    pub parts: Parts,
    /// What the template's variants say in this language.
    pub variants: Vec<(String, Parts)>,
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
            implied: match fields.get("implied") {
                None => Vec::new(),
                Some(Value::Array(items)) if items.len() > IMPLIED_LIMIT => {
                    return refuse("implied", format!("{} events, more than {IMPLIED_LIMIT}", items.len()));
                }
                Some(value) => list(value, "implied")?
                    .iter()
                    .enumerate()
                    .map(|(i, item)| read_implied(item, &format!("implied[{i}]")))
                    .collect::<Result<_, _>>()?,
            },
            confirm: fields.get("confirm").map(|value| read_confirm(value, "confirm")).transpose()?,
        };
        fields.finish()?;
        for (key, is_there) in [("implied", !purpose.implied.is_empty()), ("confirm", purpose.confirm.is_some())] {
            if is_there && purpose.granted_by_default {
                return refuse(key, "what is granted by default needs no yes; leave one of the two away");
            }
            if is_there && purpose.name == service() {
                return refuse(key, "messages of service need no consent");
            }
        }
        Ok(purpose)
    }
}

/// Most events that imply a yes.
pub(crate) const IMPLIED_LIMIT: usize = 20;

fn read_implied(value: &Value, path: &str) -> Result<Implied, ShapeError> {
    let fields = Fields::of(value, path)?;
    let event = one_line(fields.require("did")?, &fields.at("did"))?;
    let lasts = match (fields.count("months")?, fields.span("for")?) {
        (Some(months), None) if (1..=120).contains(&months) => Lasts::Months(months),
        (Some(_), None) => return refuse(&fields.at("months"), "expected 1 to 120 months"),
        (None, Some(span)) if span.0 > 0 => Lasts::For(span),
        _ => return refuse(path, "write for how long: either `months: 24` or `for: 180d`"),
    };
    fields.finish()?;
    Ok(Implied { event, lasts })
}

/// How long a customer has to confirm where nothing is said.
const CONFIRM_WITHIN: Span = Span::days(7);

fn read_confirm(value: &Value, path: &str) -> Result<Span, ShapeError> {
    let fields = Fields::of(value, path)?;
    let within = fields.span("within")?.unwrap_or(CONFIRM_WITHIN);
    if within.0 <= 0 || within > Span::days(365) {
        return refuse(&fields.at("within"), "expected up to 365d");
    }
    fields.finish()?;
    Ok(within)
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
        let body = part(&fields, "body")?
            .ok_or_else(|| ShapeError { path: String::new(), message: "`body` is missing".to_owned() })?;
        let variants = read_variants(&fields)?;
        let template = Template {
            name: fields.require_name("template")?,
            channel: read_channel(&fields)?.unwrap_or(Channel::Email),
            subject: part(&fields, "subject")?.unwrap_or_default(),
            format: read_format(&fields)?,
            text: part(&fields, "text")?,
            url: part(&fields, "url")?,
            icon: part(&fields, "icon")?,
            locales: match fields.get("locales") {
                None => Vec::new(),
                Some(value) => read_locales(value, &variants)?,
            },
            variants,
            body,
        };
        fields.finish()?;
        template.refuse_parts_of_others()?;
        Ok(template)
    }

    /// Only a notification leads somewhere as a whole, and only beside one stands a picture of its own.
    fn refuse_parts_of_others(&self) -> Result<(), ShapeError> {
        if self.channel == Channel::Push {
            return Ok(());
        }
        let in_variants = |at: String, variants: &[(String, Parts)]| -> Vec<(String, Parts)> {
            variants.iter().map(|(name, parts)| (format!("{at}variants.{name}."), parts.clone())).collect()
        };
        let own = Parts { url: self.url.clone(), icon: self.icon.clone(), ..Parts::default() };
        let mut all = vec![(String::new(), own)];
        all.extend(in_variants(String::new(), &self.variants));
        for locale in &self.locales {
            let at = format!("locales.{}.", locale.tag);
            all.push((at.clone(), locale.parts.clone()));
            all.extend(in_variants(at, &locale.variants));
        }
        for (at, parts) in all {
            if let Some((key, _)) = [("url", parts.url), ("icon", parts.icon)].into_iter().find(|(_, it)| it.is_some())
            {
                let message = format!("belongs to notifications; this template is for {}, not push", self.channel);
                return refuse(&format!("{at}{key}"), message);
            }
        }
        Ok(())
    }

    /// What a body of it is written in.
    pub fn format_of(&self, body: &str) -> Format {
        self.format.unwrap_or_else(|| Format::of(body))
    }

    /// What is said to somebody whose trait `locale` is this: the parts of that locale, else of its language, shortened
    /// from the end as RFC 4647, 3.4 looks languages up. Upper and lower case, `_` and `-`, and what follows `.` or `@`
    /// (`pt_BR.UTF-8`) do not matter.
    pub fn locale_for(&self, wanted: &str) -> Option<&Locale> {
        from_near_to_wide(wanted).find_map(|wanted| self.locales.iter().find(|locale| plain_tag(&locale.tag) == wanted))
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

fn read_format(fields: &Fields<'_>) -> Result<Option<Format>, ShapeError> {
    match fields.text("format")? {
        Some("html") => Ok(Some(Format::Html)),
        Some("markdown") => Ok(Some(Format::Markdown)),
        Some("mjml") => Ok(Some(Format::Mjml)),
        Some(other) => refuse("format", unknown("format", other, ["html", "markdown", "mjml"].into_iter())),
        None => Ok(None),
    }
}

fn read_variants(fields: &Fields<'_>) -> Result<Vec<(String, Parts)>, ShapeError> {
    let path = fields.at("variants");
    let map = match fields.get("variants") {
        None => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(value) => return refuse(&path, format!("expected a map of variants, found {}", kind_of(value))),
    };
    map.iter()
        .map(|(variant, parts)| {
            let fields = Fields::of(parts, &crate::shape::join(&path, variant))?;
            let parts = read_parts(&fields)?;
            fields.finish()?;
            Ok((variant.clone(), parts))
        })
        .collect()
}

fn read_parts(fields: &Fields<'_>) -> Result<Parts, ShapeError> {
    Ok(Parts {
        subject: part(fields, "subject")?,
        body: part(fields, "body")?,
        text: part(fields, "text")?,
        url: part(fields, "url")?,
        icon: part(fields, "icon")?,
    })
}

/// Most languages of one template.
const LOCALES_LIMIT: usize = 200;

fn read_locales(value: &Value, variants: &[(String, Parts)]) -> Result<Vec<Locale>, ShapeError> {
    let Value::Object(map) = value else {
        return refuse("locales", format!("expected a map of languages, found {}", kind_of(value)));
    };
    if map.len() > LOCALES_LIMIT {
        return refuse("locales", format!("{} languages, more than {LOCALES_LIMIT}", map.len()));
    }
    let mut locales: Vec<Locale> = Vec::new();
    for (tag, parts) in map {
        let path = crate::shape::join("locales", tag);
        let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        if tag.len() > TAG_LIMIT || !tag.split(['-', '_']).all(is_part) {
            return refuse(&path, "a language is written like `fr` or `pt-BR`");
        }
        if let Some(other) = locales.iter().find(|other| plain_tag(&other.tag) == plain_tag(tag)) {
            return refuse(&path, format!("`{}` is the same language", other.tag));
        }
        let fields = Fields::of(parts, &path)?;
        let locale = Locale { tag: tag.clone(), parts: read_parts(&fields)?, variants: read_variants(&fields)? };
        let is_known = |name: &str| variants.iter().any(|(known, _)| known == name);
        if let Some((name, _)) = locale.variants.iter().find(|(name, _)| !is_known(name)) {
            let known = variants.iter().map(|(known, _)| known.as_str());
            return refuse(&crate::shape::join(&fields.at("variants"), name), unknown("variant", name, known));
        }
        fields.finish()?;
        locales.push(locale);
    }
    Ok(locales)
}
