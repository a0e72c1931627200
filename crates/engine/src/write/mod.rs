//! Writes a message for one customer, and signs its links. Whether it may be sent is decided elsewhere.
//!
//! Pure: no clock, no I/O, no randomness.
//!
//! Liquid runs first (`liquid`, `evaluate`, `filters`, `dates`) and gives the author's text and the printed values apart;
//! then Markdown or MJML becomes HTML (`markdown`, `mjml`) and style sheets are written into their elements (`style`), and only
//! then are the values escaped, each for its place (`markup`).

mod dates;
mod escape;
mod evaluate;
mod filters;
mod language;
mod layout;
pub mod links;
mod liquid;
mod markdown;
mod marked;
mod markup;
mod mjml;
mod shown;
mod style;

#[cfg(test)]
mod tests;

pub use evaluate::Writing;
pub use language::{own_name_of, unsubscribe_in};
pub use links::Signer;

use domain::money::Currency;
use domain::time::{Timestamp, Zone};
use domain::workspace::{Format, Parts, Sender, TEMPLATE_LIMIT, Template};
pub use evaluate::Gaps;
use evaluate::{OUTPUT_LIMIT, Piece, Scene};
use liquid::{Chain, Expr, Node, NodeKind, Offset, Path, Program, Step};
use markup::Linking;
use serde_json::{Value, json};
pub use shown::{Setting, Shown, Source, show};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Characters of a subject. What a header line may hold (RFC 5322, 2.1.1).
const SUBJECT_LIMIT: usize = 998;
/// Bytes of an address in a notification: all of one has room for 4,000, and its words must find some as well.
const ADDRESS_LIMIT: usize = 1_000;

/// Everything that one message is written from.
pub struct Letter<'a> {
    /// What is written.
    pub template: &'a Template,
    /// Which variant of it; one that the template does not define is the template itself.
    pub variant: Option<&'a str>,
    /// The language it is written in, as the trait `locale` says: `fr-CA`, `pt_BR`.
    pub locale: Option<&'a str>,
    /// Traits, as `customer`.
    pub customer: &'a Value,
    /// Properties of what let the customer in, as `event`.
    pub event: &'a Value,
    /// The record's attributes and `id`, as `record`.
    pub record: &'a Value,
    /// About the campaign, as `campaign`.
    pub campaign: &'a Value,
    /// What the customer was given on the way, as `voucher`: its `code`, `pool` and `expires`.
    pub voucher: &'a Value,
    /// The message's own links, as `links`.
    pub links: &'a Links,
    /// Who writes; named at the foot.
    pub sender: Option<&'a Sender>,
    /// What stands at the foot.
    pub footer: Footer,
    /// What `now` and `today` mean.
    pub now: Timestamp,
    /// The customer's zone, in which dates are written.
    pub zone: &'a Zone,
    /// Of amounts that `currency` writes.
    pub currency: Currency,
    /// Gives the link that counts a click; none: clicks are not counted.
    pub track_clicks: Option<&'a dyn Fn(&str) -> String>,
    /// Where missing values are noted that print as nothing, to look at it; none: the first one ends the writing.
    pub gaps: Option<&'a Gaps>,
}

/// A message's own links.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Links {
    /// Takes consent back.
    pub unsubscribe: String,
    /// Shows the customer's preferences.
    pub preferences: String,
    /// Shows the message in a browser.
    pub view: String,
    /// Confirms a yes; none where no yes let the customer in.
    pub confirm: Option<String>,
}

/// What stands at the foot of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Footer {
    /// Sender, postal address and, unless the template has one, a link to unsubscribe.
    Marketing,
    /// Nothing.
    Service,
}

/// A message as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendered {
    /// One line of at most 998 characters, without control characters.
    pub subject: String,
    /// A whole page.
    pub html: String,
    /// What stands in it, as it can be put into another page.
    pub fragment: String,
    /// The same to read without HTML.
    pub text: String,
    /// Of a notification: where a click leads, counted where clicks are.
    pub url: Option<String>,
    /// Of a notification: the address of the picture beside it.
    pub icon: Option<String>,
}

/// Why a message could not be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WriteError {
    /// A value is printed that the customer does not have.
    #[error("`{path}` is missing or empty: give it a value, or write `| default: '…'` in the template")]
    Missing {
        /// Where it was looked for, such as `customer.first_name`.
        path: String,
    },
    /// The template itself asked not to be sent (`abort_message`).
    #[error("the template aborted the message: {reason}")]
    Aborted {
        /// In the template's words; may be empty.
        reason: String,
    },
    /// The template is wrong, or became so with this customer's values.
    #[error("the template is broken: {message}")]
    Broken {
        /// What is wrong, and on which line.
        message: String,
    },
    /// A part became larger than a message may be.
    #[error("{part} is longer than {limit} bytes: print less, or cut with `truncate`")]
    TooLong {
        /// Which part.
        part: String,
        /// What is allowed.
        limit: usize,
    },
    /// The template had more to do than a message takes.
    #[error("the template takes too long: it loops too often or over too much")]
    TooSlow,
}

impl WriteError {
    fn broken(message: impl Into<String>) -> WriteError {
        WriteError::Broken { message: message.into() }
    }

    /// Names the line, unless an inner one was named already.
    fn at_line(self, line: usize) -> WriteError {
        match self {
            WriteError::Broken { message } if !message.starts_with("line ") => {
                WriteError::Broken { message: format!("line {line}: {message}") }
            }
            other => other,
        }
    }
}

/// What a template asks for, found without running it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateFacts {
    /// Paths it reads, such as `customer.first_name`, in alphabetical order.
    pub fields: Vec<String>,
    /// Every body of it prints `links.unsubscribe`. Where it does not, [`render`] adds the link at the foot of
    /// marketing mail, except to whole pages.
    pub has_unsubscribe: bool,
    /// A body of it is a whole HTML page, which is sent as it is.
    pub is_whole_page: bool,
}

/// Writes a message for one customer.
///
/// Errors: `Missing` and `Aborted` are about this customer; the others are for the author of the template.
pub fn render(letter: &Letter<'_>) -> Result<Rendered, WriteError> {
    let parts = parts_of(letter);
    let links = links_value(letter.links);
    let run = |source: &str, writing| run(source, &scene(letter, &links, writing));

    let subject = one_line(&run(parts.subject, Writing::Text).map_err(in_part("subject"))?)?;
    let body = run(parts.body, Writing::Html).map_err(in_part("body"))?;
    let format = letter.template.format_of(parts.body);
    let body = match format {
        Format::Markdown => markdown::to_html(&body),
        Format::Html => style::inline(body),
        Format::Mjml => mjml::to_html(&body),
    };
    let body = body.map_err(in_part("body"))?;
    let html = markup::write(&body, linking(letter)).map_err(in_part("body"))?;
    let text = match parts.text {
        Some(source) => concat(&run(source, Writing::Text).map_err(in_part("text"))?),
        // From the body without counted links: a reader of plain text sees where they lead.
        None => markup::to_text(&markup::write(&body, Linking::default()).map_err(in_part("body"))?),
    };
    let address = |part: &'static str, source: Option<&str>| -> Result<Option<String>, WriteError> {
        let Some(source) = source else { return Ok(None) };
        address(letter, part, &run(source, Writing::Text).map_err(in_part(part))?)
    };
    let rendered = Rendered {
        url: address("url", parts.url)?.map(|url| linking(letter).counted(&url).unwrap_or(url)),
        icon: address("icon", parts.icon)?,
        html: finish_html(letter, format, &subject, html.clone()),
        fragment: html,
        text: finish_text(letter, &readable(&text)),
        subject,
    };
    check_length("html", &rendered.html)?;
    check_length("text", &rendered.text)?;
    Ok(rendered)
}

/// Checks a template when it is saved: every part and variant of it reads as Liquid. Errors name part and line.
pub fn check_template(template: &Template) -> Result<TemplateFacts, String> {
    let mut fields = BTreeSet::new();
    let mut has_unsubscribe = true;
    let mut is_whole_page = false;
    let mut check = |part: String, source: &str, is_body: bool| {
        let program = parse(source).map_err(|message| format!("{part}: {message}"))?;
        let read = paths_of(&program);
        if is_body {
            has_unsubscribe &= read.contains("links.unsubscribe");
            match template.format_of(source) {
                Format::Markdown => {}
                Format::Html => is_whole_page |= layout::is_whole_page(source),
                Format::Mjml => {
                    is_whole_page = true;
                    mjml::check(source).map_err(|message| format!("{part}: {message}"))?;
                }
            }
        }
        fields.extend(read);
        Ok::<_, String>(())
    };
    check("subject".to_owned(), &template.subject, false)?;
    check("body".to_owned(), &template.body, true)?;
    for (part, source) in [("text", &template.text), ("url", &template.url), ("icon", &template.icon)] {
        if let Some(source) = source {
            check(part.to_owned(), source, false)?;
        }
    }
    let variants = |at: &str, variants: &'_ [(String, Parts)]| -> Vec<(String, Parts)> {
        variants.iter().map(|(variant, parts)| (format!("{at}variants.{variant}"), parts.clone())).collect()
    };
    let mut others = variants("", &template.variants);
    for locale in &template.locales {
        others.push((format!("locales.{}", locale.tag), locale.parts.clone()));
        others.extend(variants(&format!("locales.{}.", locale.tag), &locale.variants));
    }
    for (at, parts) in others {
        let Parts { subject, body, text, url, icon } = parts;
        for (part, source) in [("subject", subject), ("body", body), ("text", text), ("url", url), ("icon", icon)] {
            if let Some(source) = source {
                check(format!("{at}.{part}"), &source, part == "body")?;
            }
        }
    }
    Ok(TemplateFacts { fields: fields.into_iter().collect(), has_unsubscribe, is_whole_page })
}

/// Runs one piece of Liquid over `data`, whose keys are its first words.
///
/// `writing`: whether values are escaped for HTML.
pub fn render_text(
    source: &str,
    data: &Value,
    writing: Writing,
    now: Timestamp,
    zone: &Zone,
    currency: Currency,
) -> Result<String, WriteError> {
    let roots = data.as_object().map(|map| map.iter().map(|(key, value)| (key.as_str(), value)).collect());
    let scene = Scene { roots: roots.unwrap_or_default(), now, zone, currency, writing, gaps: None };
    let pieces = run(source, &scene)?;
    match writing {
        Writing::Html => markup::write(&pieces, Linking::default()),
        Writing::Text => Ok(concat(&pieces)),
    }
}

// Parts.

struct Sources<'a> {
    subject: &'a str,
    body: &'a str,
    text: Option<&'a str>,
    url: Option<&'a str>,
    icon: Option<&'a str>,
}

/// Template, locale, variant: what comes later replaces what came before. What a locale says of the variant comes last.
fn parts_of<'a>(letter: &Letter<'a>) -> Sources<'a> {
    let template = letter.template;
    let locale = letter.locale.and_then(|wanted| template.locale_for(wanted));
    let of_variant = |variants: &'a [(String, Parts)]| {
        variants.iter().find(|(name, _)| Some(name.as_str()) == letter.variant).map(|(_, parts)| parts)
    };
    let others = [
        locale.map(|locale| &locale.parts),
        of_variant(&template.variants),
        locale.and_then(|locale| of_variant(&locale.variants)),
    ];
    let mut sources = Sources {
        subject: &template.subject,
        body: &template.body,
        text: template.text.as_deref(),
        url: template.url.as_deref(),
        icon: template.icon.as_deref(),
    };
    for parts in others.into_iter().flatten() {
        if let Some(subject) = &parts.subject {
            sources.subject = subject;
        }
        if let Some(body) = &parts.body {
            sources.body = body;
            // A text says what its own body says: another body has its text made from it.
            sources.text = None;
        }
        if let Some(text) = &parts.text {
            sources.text = Some(text);
        }
        sources.url = parts.url.as_deref().or(sources.url);
        sources.icon = parts.icon.as_deref().or(sources.icon);
    }
    sources
}

fn in_part(part: &'static str) -> impl Fn(WriteError) -> WriteError {
    move |error| match error {
        WriteError::Broken { message } => WriteError::Broken { message: format!("{part}: {message}") },
        WriteError::TooLong { part: what, limit } if what == "output" => {
            WriteError::TooLong { part: part.to_owned(), limit }
        }
        other => other,
    }
}

fn parse(source: &str) -> Result<Program, String> {
    if source.len() > TEMPLATE_LIMIT {
        return Err(format!("{} bytes, more than {TEMPLATE_LIMIT}", source.len()));
    }
    liquid::parse(source)
}

fn run<'d>(source: &str, scene: &Scene<'d>) -> Result<Vec<Piece>, WriteError> {
    let program = parse(source).map_err(WriteError::broken)?;
    evaluate::run(&program, scene)
}

fn scene<'a>(letter: &Letter<'a>, links: &'a Value, writing: Writing) -> Scene<'a> {
    Scene {
        roots: vec![
            ("customer", letter.customer),
            ("event", letter.event),
            ("record", letter.record),
            ("campaign", letter.campaign),
            ("voucher", letter.voucher),
            ("links", links),
        ],
        now: letter.now,
        zone: letter.zone,
        currency: letter.currency,
        writing,
        gaps: letter.gaps,
    }
}

fn links_value(links: &Links) -> Value {
    json!({
        "unsubscribe": links.unsubscribe, "preferences": links.preferences, "view": links.view, "confirm": links.confirm,
    })
}

fn linking<'a>(letter: &Letter<'a>) -> Linking<'a> {
    Linking {
        track: letter.track_clicks,
        untracked: [
            &letter.links.unsubscribe,
            &letter.links.preferences,
            &letter.links.view,
            letter.links.confirm.as_deref().unwrap_or_default(),
        ],
    }
}

fn concat(pieces: &[Piece]) -> String {
    pieces.iter().map(Piece::text).collect()
}

/// One line: control characters and line breaks become spaces, runs of white space one. Signs that turn the direction of
/// writing go, because they make one address or amount look like another.
fn one_line(pieces: &[Piece]) -> Result<String, WriteError> {
    let text: String = concat(pieces)
        .chars()
        .filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c })
        .collect();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > SUBJECT_LIMIT {
        return Err(WriteError::TooLong { part: "subject".to_owned(), limit: SUBJECT_LIMIT });
    }
    Ok(line)
}

/// An address that stands alone: by http or https, and nothing where it is empty. What no address may contain is encoded in
/// values: a name with a space in it is no reason to send nothing.
fn address(letter: &Letter<'_>, part: &str, pieces: &[Piece]) -> Result<Option<String>, WriteError> {
    let address: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Value(value) => escape::url_in_style(value),
            Piece::Author(text) => text.to_string(),
        })
        .collect();
    let address = address.trim();
    let is_web = ["https://", "http://"].iter().any(|scheme| escape::starts_with_ignoring_case(address, scheme));
    // To look at it, what is missing in it is told, and not that it leads nowhere without.
    let lacks_values = || letter.gaps.is_some_and(|gaps| !gaps.borrow().is_empty());
    if address.is_empty() || (!is_web && lacks_values()) {
        return Ok(None);
    }
    if !is_web || address.contains(|c: char| c.is_control() || c.is_whitespace()) {
        let message = format!("{part}: write an address such as https://tea.example/renew, without spaces in it");
        return Err(WriteError::broken(message));
    }
    check_length_of(part, address, ADDRESS_LIMIT)?;
    Ok(Some(address.to_owned()))
}

/// A text part: one kind of line break, no control characters beside it and the tab.
fn readable(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .map(|c| if c == '\r' { '\n' } else { c })
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

fn finish_html(letter: &Letter<'_>, format: Format, subject: &str, html: String) -> String {
    if format != Format::Markdown && layout::is_whole_page(&html) {
        return html;
    }
    let has_link = html.contains(&escape::html(&letter.links.unsubscribe));
    layout::page(subject, &html, layout::footer_html(letter, has_link).as_deref())
}

fn finish_text(letter: &Letter<'_>, text: &str) -> String {
    let has_link = text.contains(letter.links.unsubscribe.as_str());
    match layout::footer_text(letter, has_link) {
        Some(footer) => format!("{}\n\n{footer}\n", text.trim_end()),
        None => text.to_owned(),
    }
}

fn check_length(part: &str, text: &str) -> Result<(), WriteError> {
    check_length_of(part, text, OUTPUT_LIMIT)
}

fn check_length_of(part: &str, text: &str, limit: usize) -> Result<(), WriteError> {
    if text.len() > limit {
        return Err(WriteError::TooLong { part: part.to_owned(), limit });
    }
    Ok(())
}

// What a template reads.

/// Every path whose first word the template does not make itself.
fn paths_of(program: &Program) -> BTreeSet<String> {
    let mut reading = Reading::default();
    reading.nodes(&program.nodes);
    let Reading { paths, own } = reading;
    paths.into_iter().filter(|(root, _)| !own.contains(root)).map(|(_, path)| path).collect()
}

#[derive(Default)]
struct Reading {
    paths: BTreeSet<(Arc<str>, String)>,
    own: BTreeSet<Arc<str>>,
}

impl Reading {
    fn nodes(&mut self, nodes: &[Node]) {
        for node in nodes {
            self.node(&node.kind);
        }
    }

    fn node(&mut self, kind: &NodeKind) {
        match kind {
            NodeKind::Text(_) | NodeKind::Break | NodeKind::Continue | NodeKind::Abort(_) => {}
            NodeKind::Print(chain) => self.chain(chain),
            NodeKind::Assign { name, chain } => {
                self.own.insert(name.clone());
                self.chain(chain);
            }
            NodeKind::Capture { name, body } => {
                self.own.insert(name.clone());
                self.nodes(body);
            }
            NodeKind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.expression(condition);
                    self.nodes(body);
                }
                self.nodes(otherwise);
            }
            NodeKind::Case { subject, whens, otherwise } => {
                self.expression(subject);
                for (values, body) in whens {
                    self.expressions(values);
                    self.nodes(body);
                }
                self.nodes(otherwise);
            }
            NodeKind::For(head) => {
                self.own.extend([head.variable.clone(), "forloop".into(), "tablerowloop".into()]);
                self.expression(&head.collection);
                self.expressions(&head.limit);
                if let Some(Offset::At(offset)) = &head.offset {
                    self.expression(offset);
                }
                self.expressions(head.table.iter().flatten());
                self.nodes(&head.body);
                self.nodes(&head.otherwise);
            }
            NodeKind::Cycle { group, values, .. } => {
                self.expressions(group);
                self.expressions(values);
            }
            NodeKind::Increment(name) | NodeKind::Decrement(name) => {
                self.own.insert(name.clone());
            }
        }
    }

    fn chain(&mut self, chain: &Chain) {
        self.expression(&chain.base);
        for call in &chain.filters {
            self.expressions(&call.args);
            self.expressions(call.named.iter().map(|(_, value)| value));
        }
    }

    fn expressions<'e>(&mut self, expressions: impl IntoIterator<Item = &'e Expr>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Path(path) => self.path(path),
            Expr::Range(left, right)
            | Expr::Compare(_, left, right)
            | Expr::And(left, right)
            | Expr::Or(left, right) => {
                self.expression(left);
                self.expression(right);
            }
            Expr::Not(inner) => self.expression(inner),
            _ => {}
        }
    }

    fn path(&mut self, path: &Path) {
        self.paths.insert((path.root.clone(), path.written()));
        for step in &path.steps {
            if let Step::Index(index) = step {
                self.expression(index);
            }
        }
    }
}
