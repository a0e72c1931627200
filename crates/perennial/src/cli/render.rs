//! `perennial render`: a template as somebody would read it.

use super::{Ended, Out, with};
use crate::api::render::{one_template, told};
use crate::client::{Client, WrongUsage};
use anyhow::Context;
use clap::Args;
use domain::workspace::{Settings, Template};
use domain::{Name, Timestamp};
use engine::write::{Setting, Source, show};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

/// Most bytes of data: what templates see of one customer is far less.
const DATA_BYTES: u64 = 4 << 20;

/// What `render` is told.
#[derive(Args)]
pub(super) struct Render {
    /// The name of a template, a file with one, or a file of Liquid
    template: String,
    /// JSON with what the template's first words mean, such as {"customer": {…}, "event": {…}}; - reads standard input
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// Whose traits stand as `customer`: userId, anonymousId or internal id
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Which variant of the template
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
}

enum What {
    Named(String),
    Template(Box<Template>, String),
    Liquid(String),
}

/// Shows a template. The answer is no where a message would be held.
pub(super) fn render(
    asked: &Render,
    client: impl FnOnce() -> anyhow::Result<Client>,
    out: &Out,
) -> anyhow::Result<Ended> {
    let data = data(asked.data.as_deref())?;
    let what = what(&asked.template)?;
    let answer = match (&what, &asked.customer) {
        (What::Template(template, _), None) => alone(Source::Template(template, asked.variant.as_deref()), &data)?,
        (What::Liquid(text), None) => alone(Source::Liquid(text), &data)?,
        (what, customer) => {
            let mut body = json!({ "data": data, "customer": customer, "variant": asked.variant });
            match what {
                What::Named(name) => body["template"] = name.as_str().into(),
                What::Template(_, text) => body["definition"] = text.as_str().into(),
                What::Liquid(text) => body["liquid"] = text.as_str().into(),
            }
            with(client()?, |client| client.post("/api/render", &body))?
        }
    };
    out.answer(&answer, |print| {
        if let Some(subject) = answer["subject"].as_str() {
            writeln!(print, "{subject}\n")?;
        }
        let text = answer["text"].as_str().unwrap_or_default();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        write!(print, "{text}{end}")
    })?;
    match answer["held"].as_str() {
        None => Ok(Ended::Yes),
        Some(why) => {
            eprintln!("perennial: a message would be held: {why}");
            Ok(Ended::No)
        }
    }
}

/// Without a workspace: in UTC, in pounds, from nobody.
fn alone(source: Source<'_>, data: &Map<String, Value>) -> anyhow::Result<Value> {
    let settings = Settings::default();
    let now = Timestamp(jiff::Timestamp::now().as_millisecond());
    let setting = Setting {
        now,
        zone: &settings.zone,
        currency: settings.currency,
        sender: None,
        public_url: "https://example.com",
    };
    told(show(source, data, setting)).map_err(|fault| WrongUsage(fault.words()).into())
}

fn what(template: &str) -> anyhow::Result<What> {
    let path = Path::new(template);
    if !path.is_file() {
        if Name::parse(template).is_ok() {
            return Ok(What::Named(template.to_owned()));
        }
        if template.contains('{') {
            return Ok(What::Liquid(template.to_owned()));
        }
        let words = format!("`{template}` is neither the name of a template nor a file");
        return Err(WrongUsage(words).into());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{template} cannot be read"))?;
    let is_definition = path.extension().is_some_and(|kind| ["yaml", "yml", "json"].iter().any(|known| kind == *known))
        || text.lines().any(|line| line.starts_with("template:"));
    if !is_definition {
        return Ok(What::Liquid(text));
    }
    match one_template(&text) {
        Ok(found) => Ok(What::Template(Box::new(found), text)),
        Err(fault) => Err(WrongUsage(format!("{template}: {}", fault.words())).into()),
    }
}

fn data(from: Option<&str>) -> anyhow::Result<Map<String, Value>> {
    let Some(from) = from else { return Ok(Map::new()) };
    let mut text = String::new();
    if from == "-" {
        std::io::stdin().take(DATA_BYTES + 1).read_to_string(&mut text).context("the data could not be read")?;
    } else {
        let file = std::fs::File::open(from).with_context(|| format!("{from} cannot be read"))?;
        file.take(DATA_BYTES + 1).read_to_string(&mut text).with_context(|| format!("{from} cannot be read"))?;
    }
    if text.len() as u64 > DATA_BYTES {
        return Err(WrongUsage(format!("the data has more than {DATA_BYTES} bytes")).into());
    }
    serde_json::from_str(&text).map_err(|error| {
        WrongUsage(format!("the data is no JSON object such as {{\"customer\": {{}}}}: {error}")).into()
    })
}
