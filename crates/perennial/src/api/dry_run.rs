//! `/api/simulate`: what a campaign would have done on the real past.

use crate::api::Shared;
use crate::api::openapi::shape;
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, Problem, ask};
use crate::dry_run::Trouble;
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use domain::definition::{Defined, TEXT_LIMIT, read_text};
use domain::{Name, Span, Timestamp};
use scenario::dry_run::NoDryRun;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What stands under `/api/simulate`.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            Method::POST,
            "/api/simulate",
            "simulateCampaign",
            "What a campaign would have done on the real past, with the gate in force. Sends nothing and changes nothing.",
            simulate,
        )
        .says("Every call counts at its own time, people are who they are known to be today, and messages that other campaigns really sent count for caps. One at a time; five minutes at most.")
        .takes_json(shape("Simulate"))
        .takes_up_to(TEXT_LIMIT + 1_000)
        .answers(shape("DryRun"))
        .may_say(&["definition", "not_found", "refused", "busy"]),
        Operation::new(
            Method::POST,
            "/api/preflight",
            "preflightCampaign",
            "What is known of a campaign before it starts: whom it reaches, what the gate would say, what could be measured.",
            preflight,
        )
        .says("Made of two dry runs: one that starts now, and one over the past three months.")
        .takes_json(json!({
            "type": "object", "additionalProperties": false,
            "properties": { "campaign": { "type": "string" }, "definitions": { "type": "string" } },
        }))
        .takes_up_to(TEXT_LIMIT + 1_000)
        .answers(shape("Preflight"))
        .may_say(&["definition", "not_found", "refused", "busy"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The campaign's name; the only one of `definitions`, where nothing is said.
    campaign: Option<String>,
    /// Definitions that are tried in the place of those in force, as YAML or JSON.
    definitions: Option<String>,
    from: String,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meant {
    campaign: Option<String>,
    definitions: Option<String>,
}

impl Meant {
    /// The definitions that are tried, and the campaign's name where it was said.
    fn read(&self) -> Result<(Vec<Defined>, Option<Name>), Fault> {
        let campaign = self.campaign.as_deref().map(|name| Name::parse(name).map_err(Fault::Wrong)).transpose()?;
        let tried = match self.definitions.as_deref() {
            Some(text) => read_text(text, "the request")?,
            None => Vec::new(),
        };
        if campaign.is_none() && tried.is_empty() {
            return Err(Fault::Wrong("name a `campaign`, or send `definitions` with one in them".to_owned()));
        }
        Ok((tried, campaign))
    }
}

async fn simulate(State(app): State<Shared>, Json(asked): Json<Asked>) -> Answer {
    ask(&app, move |app| {
        let now = app.handle.now();
        let from = instant("from", &asked.from, now)?;
        let to = asked.to.as_deref().map(|to| instant("to", to, now)).transpose()?;
        let (tried, campaign) = Meant { campaign: asked.campaign, definitions: asked.definitions }.read()?;
        answer(&app.dry_runs.run(tried, campaign, from, to)?)
    })
    .await
}

async fn preflight(State(app): State<Shared>, Json(asked): Json<Meant>) -> Answer {
    ask(&app, move |app| {
        let (tried, campaign) = asked.read()?;
        answer(&app.dry_runs.preflight(tried, campaign)?)
    })
    .await
}

/// An instant as it is written, `now`, or `-90d`: so long ago.
fn instant(key: &str, text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    let text = text.trim();
    let ago = text.strip_prefix("now").unwrap_or(text).strip_prefix('-').and_then(|span| Span::parse(span).ok());
    match (text, ago) {
        ("now", _) => Ok(now),
        (_, Some(span)) => Ok(now.minus(span)),
        _ => Timestamp::parse(text).ok_or_else(|| {
            Fault::Wrong(format!("`{key}`: `{text}` is no time such as 2026-03-01T00:00:00Z, -90d or now"))
        }),
    }
}

fn answer(made: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(made).map_err(|error| Fault::Broken(error.to_string()))
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Fault {
        match trouble {
            Trouble::Busy => Problem::new("busy", trouble.to_string()).into(),
            Trouble::Not(NoDryRun::Unknown(name)) => Fault::NotFound(format!("there is no campaign `{name}`")),
            Trouble::Not(NoDryRun::Define(error)) => error.into(),
            Trouble::Not(NoDryRun::Store(error)) => error.into(),
            Trouble::Not(NoDryRun::WrongTime(words)) | Trouble::WhichCampaign(words) => Fault::Wrong(words),
            Trouble::Not(error) => Fault::Conflict(error.to_string()),
            Trouble::TooSlow => Fault::Conflict(trouble.to_string()),
        }
    }
}
