//! What other systems were told, and what a person can do where one does not listen.

use super::{EngineViews, House, broken, words};
use crate::pages::PageError;
use crate::pages::links::Link;
use crate::pages::session::Notice;
use crate::pages::text::{Count, Tag, Tone};
use crate::pages::webhooks::{EndpointRow, WebhookRow, WebhooksView};
use domain::Name;
use engine::Engine;
use engine::deliver::webhooks::EndpointReport;
use store::{Page, Webhook, WebhookFilter, WebhookState};

/// Webhooks on the page.
const ROWS: u32 = 50;

impl<H: House> EngineViews<H> {
    pub(super) fn webhooks_view(&self) -> Result<WebhooksView, PageError> {
        self.look(|engine, reader, _| {
            let counts = reader.webhook_counts().map_err(broken)?;
            let count = |is_counted: &dyn Fn(&store::WebhookCount) -> bool| {
                Count(counts.iter().filter(|it| is_counted(it)).map(|it| it.count).sum())
            };
            let mut endpoints: Vec<EndpointReport> = engine.endpoints();
            let mut rows = Vec::new();
            for state in [
                WebhookState::GaveUp,
                WebhookState::Waiting,
                WebhookState::Trying,
                WebhookState::Done,
                WebhookState::Kept,
            ] {
                let limit = ROWS.saturating_sub(u32::try_from(rows.len()).unwrap_or(ROWS));
                // Those that are over must not crowd out those that are under way.
                let limit = if state == WebhookState::GaveUp { ROWS / 2 } else { limit };
                let filter = WebhookFilter { state: Some(state), ..WebhookFilter::default() };
                if limit > 0 {
                    let found = reader.webhooks(&filter, Page { skip: 0, limit }).map_err(broken)?;
                    rows.extend(found.iter().map(|webhook| row(engine, &endpoints, webhook)));
                }
            }
            for known in &counts {
                if !endpoints.iter().any(|it| it.name == known.endpoint) {
                    endpoints.push(EndpointReport {
                        name: known.endpoint.clone(),
                        is_configured: false,
                        open: 0,
                        failures: 0,
                        rest_until: None,
                        off: None,
                    });
                }
            }
            let endpoints = endpoints.iter().map(|endpoint| EndpointRow {
                done: count(&|it| it.endpoint == endpoint.name && it.state == WebhookState::Done),
                ..endpoint_row(endpoint)
            });
            Ok(WebhooksView {
                endpoints: endpoints.collect(),
                rows,
                all: count(&|_| true),
                given_up: count(&|it| it.state == WebhookState::GaveUp),
            })
        })
    }

    pub(super) fn turn_on(&self, endpoint: &str) -> Result<Notice, PageError> {
        let missing = || PageError::NotFound(format!("endpoint “{endpoint}”"));
        let name = Name::parse(endpoint).map_err(|_| missing())?;
        let was_off = self.change(move |engine, now| engine.turn_on_endpoint(&name, now))?;
        Ok(match was_off {
            true => Notice::done("Turned on. What waits for it is told now."),
            false => Notice::not_done("It was not turned off."),
        })
    }

    pub(super) fn try_webhook(&self, id: &str) -> Result<Notice, PageError> {
        let found = self.read(|reader| reader.webhook(id))?;
        let webhook = found.ok_or_else(|| PageError::NotFound(format!("webhook “{id}”")))?;
        let tried = self.change(move |engine, now| engine.try_webhook_again(&webhook, now))?;
        tried.map_err(PageError::Refused)?;
        Ok(Notice::done("It is tried now."))
    }
}

fn endpoint_row(endpoint: &EndpointReport) -> EndpointRow {
    let (words, tone, advice) = match endpoint {
        EndpointReport { off: Some(off), .. } => (
            "Turned off",
            Tone::Rose,
            format!(
                "It said that it wants to hear nothing any more ({}). If that was a mistake, turn it on again.",
                off.reason
            ),
        ),
        EndpointReport { is_configured: false, .. } => (
            "Not configured",
            Tone::Plain,
            format!(
                "What is meant for it is written down and kept here. To really tell it, add [webhooks.{}] to the configuration.",
                endpoint.name
            ),
        ),
        EndpointReport { rest_until: Some(_), .. } => (
            "Resting",
            Tone::Sun,
            "It did not take the last ones, so it is let alone for a few minutes. Look whether it is up.".to_owned(),
        ),
        EndpointReport { failures: 1.., .. } => {
            ("Failing", Tone::Sun, "It did not take the last one, which is tried again.".to_owned())
        }
        _ => ("Listening", Tone::Leaf, "It takes what it is told.".to_owned()),
    };
    EndpointRow {
        name: endpoint.name.to_string(),
        state: Tag::new(words, tone),
        advice,
        open: Count(endpoint.open),
        done: Count(0),
        is_off: endpoint.off.is_some(),
    }
}

fn row(engine: &Engine, endpoints: &[EndpointReport], webhook: &Webhook) -> WebhookRow {
    let progress = &webhook.progress;
    let said = progress.reply.as_deref().unwrap_or_default();
    let (words, tone, advice) = match progress.state {
        WebhookState::Done => ("Understood", Tone::Leaf, String::new()),
        WebhookState::Trying => ("Being told", Tone::Sky, String::new()),
        WebhookState::Waiting if progress.attempts == 0 => {
            ("Waiting", Tone::Sky, "It is told as soon as its system can be.".to_owned())
        }
        WebhookState::Waiting => ("Tried again", Tone::Sun, said.to_owned()),
        WebhookState::GaveUp => (
            "Given up",
            Tone::Rose,
            format!("{said}. Tell the system by hand, or have it tried once it listens again."),
        ),
        WebhookState::Kept => {
            ("Kept here", Tone::Plain, "Its system is not configured; nothing left this machine.".to_owned())
        }
    };
    let is_open = |endpoint: &EndpointReport| endpoint.is_configured && endpoint.off.is_none();
    let may_be_told = endpoints.iter().any(|endpoint| endpoint.name == webhook.endpoint && is_open(endpoint));
    let advice = match progress.state {
        WebhookState::Waiting if !may_be_told => "Its system is not listening, see above.".to_owned(),
        _ => advice,
    };
    let who = engine.who(webhook.customer);
    WebhookRow {
        id: webhook.id.to_string(),
        event: webhook.event.clone(),
        endpoint: webhook.endpoint.to_string(),
        customer: words::link(&who),
        campaign: Link::campaign(webhook.campaign.as_str(), &engine.campaign_title(&webhook.campaign)),
        state: Tag::new(words, tone),
        advice,
        attempts: Count(u64::from(progress.attempts)),
        again: progress.due.filter(|_| progress.attempts > 0).map(domain::Timestamp::as_jiff),
        at: progress.ended_at.or(progress.tried_at).unwrap_or(webhook.made_at).as_jiff(),
        may_be_tried: may_be_told && matches!(progress.state, WebhookState::Waiting | WebhookState::GaveUp),
    }
}
