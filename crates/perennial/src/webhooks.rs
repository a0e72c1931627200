//! Tells the endpoints that the configuration names: reads what is to be told from the store, hands it to the wire, tells
//! the engine what came of it. When to try again is the engine's.

use crate::config::Config;
use crate::runtime::{Handle, JobError};
use anyhow::Context;
use channels::outward::{Outward, Reach, RetryAfter, Target};
use channels::{Endpoint, SigningSecrets, Told};
use domain::{Name, Span, Timestamp};
use engine::deliver::webhooks::{Errand, Heard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// After a result that could not be stored, so long until the next try.
const RETRY: Duration = Duration::from_secs(1);

/// Opens the way out as it is configured.
pub fn open_outward(config: &Config) -> anyhow::Result<Outward> {
    let reach = Reach::new(&config.outward.allow, &config.outward.plain_http).context("`[outward]`")?;
    let file = &config.outward.trusted_certificates;
    let trusted = if file.as_os_str().is_empty() {
        None
    } else {
        let reading = || format!("`outward.trusted_certificates`: {} cannot be read", file.display());
        Some(std::fs::read_to_string(file).with_context(reading)?)
    };
    Ok(Outward::new(reach, trusted.as_deref())?)
}

/// Everybody who is told.
pub struct Endpoints {
    outward: Arc<Outward>,
    endpoints: BTreeMap<Name, Endpoint>,
}

impl Endpoints {
    /// Reads the endpoints of the configuration. Errors: which one cannot be used, and why.
    pub fn open(config: &Config, outward: Arc<Outward>) -> anyhow::Result<Endpoints> {
        config.endpoint_names()?;
        let mut endpoints = BTreeMap::new();
        for (name, endpoint) in &config.webhooks {
            let place = format!("webhooks.{name}");
            let target = Target::read(&endpoint.url, outward.reach())
                .map_err(|error| anyhow::anyhow!("`{place}.url` {error}"))?;
            let secrets = SigningSecrets::read(&endpoint.secrets(&place)?).with_context(|| format!("`{place}`"))?;
            let name = Name::parse(name).map_err(anyhow::Error::msg)?;
            endpoints.insert(name, Endpoint::new(target, secrets));
        }
        Ok(Endpoints { outward, endpoints })
    }
}

/// Carries out one errand, from its record to its end.
pub async fn carry_out(endpoints: Arc<Endpoints>, handle: Handle, errand: Errand) {
    let _under_way = handle.health().webhook_sets_out();
    // None: its customer was erased meanwhile, and nothing is left to tell.
    let Some(heard) = tell(&endpoints, &handle, &errand).await else { return };
    loop {
        let (id, number, heard) = (errand.id.clone(), errand.number, heard.clone());
        match handle.change_later(1, move |engine, now| engine.webhook_ended(&id, number, heard, now)).await {
            Ok(()) | Err(JobError::Stopped) => return,
            Err(error) => {
                tracing::warn!(webhook.id = %errand.id, "the end of an attempt waits to be recorded: {error}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn tell(endpoints: &Endpoints, handle: &Handle, errand: &Errand) -> Option<Heard> {
    let not_yet = |reply: String| Heard::NotYet { reply, retry_after: None };
    let (reading, id) = (handle.clone(), errand.id.clone());
    let read = tokio::task::spawn_blocking(move || reading.with_reader(|reader| reader.webhook(&id))).await;
    let webhook = match read {
        Ok(Ok(found)) => found?,
        Ok(Err(error)) => return Some(not_yet(error.to_string())),
        Err(_) => return Some(not_yet("reading it failed; the reason is in the log".to_owned())),
    };
    let Some(endpoint) = endpoints.endpoints.get(&errand.endpoint) else {
        return Some(not_yet(format!("no endpoint `{}` is configured", errand.endpoint)));
    };
    // The receiver compares it with its own clock: a demo's time would be refused.
    let at_s = jiff::Timestamp::now().as_second();
    Some(match endpoint.tell(&endpoints.outward, &errand.id, at_s, webhook.body.as_bytes()).await {
        Told::Done { status } => Heard::Done { reply: format!("answered {status}") },
        Told::Gone => Heard::Gone { reply: "answered 410".to_owned() },
        Told::NotYet { reason, retry_after } => {
            Heard::NotYet { reply: reason, retry_after: retry_after.map(|asked| wait_of(asked, at_s)) }
        }
    })
}

/// How long until it wants to be asked again; a date that has passed is now.
pub(crate) fn wait_of(asked: RetryAfter, now_s: i64) -> Span {
    match asked {
        RetryAfter::Seconds(seconds) => Span(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)),
        RetryAfter::At(at) => Timestamp(at).since(Timestamp(now_s.saturating_mul(1_000))).max(Span(0)),
    }
}
