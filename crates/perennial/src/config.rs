//! The configuration file: `perennial.default.toml` is both the defaults and the documentation.

use anyhow::{Context, bail};
use domain::Name;
use domain::message::Channel;
use engine::deliver::brake::BrakeLimit;
use engine::deliver::pace::Limits;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The defaults with a comment for each.
pub const DEFAULTS: &str = include_str!("../../../perennial.default.toml");

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[history]`
    pub history: History,
    /// `[query]`
    pub query: Query,
    /// `[email]`
    pub email: Email,
    /// `[outward]`
    pub outward: Outward,
    /// `[webhooks.NAME]`
    pub webhooks: BTreeMap<String, WebhookEndpoint>,
    /// `[messages.CHANNEL]`
    pub messages: Messages,
}

/// Who sends messages that are no mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    /// Texts.
    pub sms: Option<Provider>,
    /// Notifications of apps and browsers.
    pub push: Option<Provider>,
    /// Messages to whatever the owner runs.
    pub webhook: Option<Provider>,
}

impl Messages {
    /// Those that are configured.
    pub fn providers(&self) -> impl Iterator<Item = (Channel, &Provider)> {
        let all = [(Channel::Sms, &self.sms), (Channel::Push, &self.push), (Channel::Webhook, &self.webhook)];
        all.into_iter().filter_map(|(channel, provider)| Some((channel, provider.as_ref()?)))
    }
}

/// How a provider is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaks {
    /// Perennial's own JSON, signed as webhooks are.
    Signed,
    /// Twilio's Messages API.
    Twilio,
    /// Only push: browsers, by their push services (RFC 8030).
    #[serde(rename = "web_push")]
    WebPush,
}

/// A provider that takes messages by HTTP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// How it is spoken to.
    pub send: Speaks,
    /// Where; for Twilio another host than its own, for tests.
    #[serde(default)]
    pub url: String,
    /// `whsec_…`, all of which sign.
    #[serde(default)]
    pub secrets: Vec<Hidden>,
    /// File that holds them, one a line.
    #[serde(default)]
    pub secrets_file: PathBuf,
    /// Variable of the environment that holds them, separated by spaces.
    #[serde(default)]
    pub secrets_env: String,
    /// Most messages a minute; 0: no limit.
    #[serde(default)]
    pub per_minute: u32,
    /// Most messages on the first day of sending, the second …
    #[serde(default)]
    pub warm_up: Vec<u32>,
    /// Browsers: file that holds the private key (VAPID).
    #[serde(default)]
    pub key_file: PathBuf,
    /// Browsers: whom push services write to, `mailto:…` or `https://…`.
    #[serde(default)]
    pub subject: String,
    /// Twilio: the account, `AC…`.
    #[serde(default)]
    pub account: String,
    /// Twilio: file that holds the account's token.
    #[serde(default)]
    pub token_file: PathBuf,
    /// Twilio: variable of the environment that holds it.
    #[serde(default)]
    pub token_env: String,
    /// Twilio: the number that sends, its name, or a messaging service `MG…`.
    #[serde(default)]
    pub from: String,
}

impl Provider {
    /// All secrets, wherever they are. `place`: the section, for errors.
    pub fn secrets(&self, place: &str) -> anyhow::Result<Vec<String>> {
        read_secrets(place, "secrets", &self.secrets, &self.secrets_file, &self.secrets_env)
    }

    /// How fast messages may be.
    pub fn limits(&self) -> Limits {
        Limits { per_minute: some(self.per_minute), warm_up: self.warm_up.clone(), ..Limits::default() }
    }

    /// The account's token.
    pub fn token(&self, place: &str) -> anyhow::Result<String> {
        let tokens = read_secrets(place, "token", &[], &self.token_file, &self.token_env)?;
        match &tokens[..] {
            [token] => Ok(token.clone()),
            _ => bail!("`{place}` has {} tokens; Twilio takes one", tokens.len()),
        }
    }
}

/// Where connections by HTTP may lead beyond public addresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outward {
    /// Hosts, addresses and networks that may be reached although they are not public.
    pub allow: Vec<String>,
    /// Hosts that may be spoken to without encryption.
    pub plain_http: Vec<String>,
    /// File with certificates (PEM) that are trusted beside Mozilla's roots; empty: none.
    pub trusted_certificates: PathBuf,
}

/// A system that webhooks are told to. Its secrets are in the file itself, in one of their own, or in the environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// Where.
    pub url: String,
    /// `whsec_…`, all of which sign.
    #[serde(default)]
    pub secrets: Vec<Hidden>,
    /// File that holds them, one a line.
    #[serde(default)]
    pub secrets_file: PathBuf,
    /// Variable of the environment that holds them, separated by spaces.
    #[serde(default)]
    pub secrets_env: String,
}

impl WebhookEndpoint {
    /// All secrets, wherever they are. `place`: the section, for errors.
    pub fn secrets(&self, place: &str) -> anyhow::Result<Vec<String>> {
        read_secrets(place, "secrets", &self.secrets, &self.secrets_file, &self.secrets_env)
    }
}

/// Text that is not for logs.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Secrets under `place.key`, `place.key_file` and `place.key_env`. Errors: there are none, or one cannot be read.
fn read_secrets(place: &str, key: &str, own: &[Hidden], file: &Path, variable: &str) -> anyhow::Result<Vec<String>> {
    let mut secrets: Vec<String> = own.iter().map(|hidden| hidden.0.clone()).collect();
    if !file.as_os_str().is_empty() {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("`{place}.{key}_file`: {} cannot be read", file.display()))?;
        secrets.extend(text.split_whitespace().map(str::to_owned));
    }
    if !variable.is_empty() {
        let text = std::env::var(variable)
            .with_context(|| format!("`{place}.{key}_env`: the variable `{variable}` is not set"))?;
        secrets.extend(text.split_whitespace().map(str::to_owned));
    }
    if secrets.is_empty() {
        bail!("`{place}` has no secret; give `{key}_file` or `{key}_env`, or `secrets` where several sign");
    }
    Ok(secrets)
}

impl Config {
    /// The names of the endpoints of webhooks. Errors: one cannot be named in a campaign.
    pub fn endpoint_names(&self) -> anyhow::Result<std::collections::BTreeSet<Name>> {
        let name = |name: &String| {
            Name::parse(name).map_err(|reason| anyhow::anyhow!("`[webhooks.{name}]` cannot be named so: {reason}"))
        };
        self.webhooks.keys().map(name).collect()
    }
}

/// Where Perennial listens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where links in messages lead; empty: the listener's address.
    pub public_url: String,
}

/// What browsers may send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    /// Takes orders from browser keys.
    pub browser_may_order: bool,
    /// Protected traits that browsers may set all the same.
    pub browser_traits: Vec<String>,
    /// The largest amount of one event that is believed, in units of its currency.
    pub largest_amount: u64,
}

/// How much stays in the journal.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// More calls than this are sealed into files.
    pub journal_calls: JournalCalls,
}

impl History {
    /// The limits of the store, with files as large as usual.
    pub fn limits(&self) -> store::HistoryLimits {
        store::HistoryLimits { journal_calls: self.journal_calls.0, ..store::HistoryLimits::default() }
    }
}

/// A number of calls, from 1,000 to 10,000,000.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub struct JournalCalls(u64);

impl TryFrom<u64> for JournalCalls {
    type Error = String;

    fn try_from(calls: u64) -> Result<Self, String> {
        match calls {
            1_000..=10_000_000 => Ok(JournalCalls(calls)),
            _ => Err(format!("journal_calls must be from 1,000 to 10,000,000, not {calls}")),
        }
    }
}

/// What a question in SQL may use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// How long it may take.
    pub seconds: u64,
    /// Memory for sorting, grouping and joining, in MB.
    pub memory_mb: u64,
    /// Disk for what does not fit, and for its answer, in MB.
    pub disk_mb: u64,
}

/// How mail goes out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// `outbox`: nothing leaves the machine; `smtp`: real sending.
    pub send: Send,
    /// Host of the SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `none`, `starttls` or `implicit`.
    pub tls: Tls,
    /// User, if it asks for one.
    pub user: String,
    /// File that holds the password.
    pub password_file: PathBuf,
    /// Connections at a time, 1 to 100.
    pub connections: usize,
    /// Most mails a minute; 0: no limit.
    pub per_minute: u32,
    /// Most mails a minute to one receiving domain; 0: no limit.
    pub domain_per_minute: u32,
    /// Other limits for some domains.
    pub domains: BTreeMap<String, u32>,
    /// Most mails on the first day of sending, the second …
    pub warm_up: Vec<u32>,
    /// Where bounces go, with a token after a `+`; empty: to the sender.
    pub bounce_address: String,
    /// Marketing mails carry the picture by which opens are told.
    pub count_opens: bool,
    /// Share of a campaign's mails called spam, in percent, beyond which it pauses itself; 0: never.
    pub complaint_limit: Share,
    /// Mails below which a share says nothing.
    pub complaint_limit_from: u32,
    /// Keys that sign mails.
    pub dkim: Vec<Dkim>,
}

impl Email {
    /// When a campaign pauses itself.
    pub fn brake(&self) -> Option<BrakeLimit> {
        let Share(per_100_000) = self.complaint_limit;
        (per_100_000 > 0).then_some(BrakeLimit { per_100_000, from: self.complaint_limit_from })
    }

    /// How fast mail may be.
    pub fn limits(&self) -> Limits {
        let domain = |(domain, limit): (&String, &u32)| (domain.to_ascii_lowercase(), *limit);
        Limits {
            places: Some(self.connections.clamp(1, channels::MAX_CONNECTIONS) * crate::runtime::MAILS_PER_CONNECTION),
            per_minute: some(self.per_minute),
            domain_per_minute: some(self.domain_per_minute),
            domains: self.domains.iter().map(domain).collect(),
            warm_up: self.warm_up.clone(),
        }
    }
}

/// A share in percent, from 0 to 100, as thousandths of a percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(u32);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(percent: f64) -> Result<Self, String> {
        let written = format!("{:.0}", percent * 1_000.0);
        match written.parse() {
            Ok(thousandths @ 0..=100_000) => Ok(Share(thousandths)),
            _ => Err(format!("a share is from 0 to 100 percent, not {percent}")),
        }
    }
}

/// A limit, where 0 says that there is none.
fn some(limit: u32) -> Option<u32> {
    (limit > 0).then_some(limit)
}

/// A key that signs the mails of a domain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkim {
    /// The domain of the sender's address, or one above it.
    pub domain: String,
    /// Under which name the public key stands in the domain's DNS.
    pub selector: String,
    /// File that holds the private key in PEM form.
    pub key_file: PathBuf,
}

/// Whether mail really goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Send {
    /// Kept in the outbox.
    Outbox,
    /// Handed to an SMTP server.
    Smtp,
}

/// How the connection to the SMTP server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all: only on the same machine.
    None,
    /// Upgraded, or nothing is sent.
    Starttls,
    /// From the first byte.
    Implicit,
}

impl Config {
    /// Reads a file over the defaults. Unknown keys are errors.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Config> {
        let mut table: toml::Table = DEFAULTS.parse().context("the built-in defaults")?;
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("the configuration {} cannot be read", file.display()))?;
            let own: toml::Table =
                text.parse().with_context(|| format!("the configuration {} is no TOML", file.display()))?;
            overlay(&mut table, own);
        }
        let place = file
            .map_or_else(|| "the built-in defaults".to_owned(), |file| format!("the configuration {}", file.display()));
        toml::Value::Table(table).try_into().context(place)
    }
}

/// Puts the values of `own` over those of `table`, section by section.
fn overlay(table: &mut toml::Table, own: toml::Table) {
    for (key, value) in own {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(above)) => overlay(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_send_nothing_and_listen_on_this_machine_only() {
        let config = Config::read(None).unwrap();
        assert_eq!(config.email.send, Send::Outbox);
        assert!(config.server.listen.ip().is_loopback());
        assert!(!config.ingest.browser_may_order);
    }

    #[test]
    fn a_journal_of_no_calls_is_refused_with_the_range() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("perennial.toml");
        std::fs::write(&file, "[history]\njournal_calls = 0\n").unwrap();
        let error = format!("{:#}", Config::read(Some(&file)).unwrap_err());
        assert!(error.contains("from 1,000 to 10,000,000, not 0"), "{error}");
        let limits = Config::read(None).unwrap().history.limits();
        assert_eq!(limits, store::HistoryLimits::default(), "the file says what the store does by itself");
    }

    #[test]
    fn an_endpoint_takes_its_secrets_from_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = dir.path().join("secrets");
        std::fs::write(&secrets, "whsec_new\nwhsec_old\n").unwrap();
        let file = dir.path().join("perennial.toml");
        let text = format!(
            "[webhooks.erp]\nurl = \"https://erp.example/\"\nsecrets = [\"whsec_first\"]\nsecrets_file = {secrets:?}\n\
             [webhooks.wms]\nurl = \"https://wms.example/\"\nsecrets_env = \"PERENNIAL_NOBODY_SETS_THIS\"\n",
        );
        std::fs::write(&file, text).unwrap();
        let config = Config::read(Some(&file)).unwrap();
        assert_eq!(config.endpoint_names().unwrap().len(), 2);
        let erp = &config.webhooks["erp"];
        assert_eq!(erp.secrets("webhooks.erp").unwrap(), ["whsec_first", "whsec_new", "whsec_old"]);
        assert!(!format!("{config:?}").contains("whsec_"), "secrets are not for logs");
        let error = format!("{:#}", config.webhooks["wms"].secrets("webhooks.wms").unwrap_err());
        assert!(error.contains("webhooks.wms.secrets_env") && error.contains("is not set"), "{error}");
        std::fs::write(&file, "[webhooks.erp]\nurl = \"https://erp.example/\"\nsecret = \"x\"\n").unwrap();
        let error = format!("{:#}", Config::read(Some(&file)).unwrap_err());
        assert!(error.contains("secret"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("perennial.toml");
        std::fs::write(&file, "[email]\nsned = \"smtp\"\n").unwrap();
        let error = format!("{:#}", Config::read(Some(&file)).unwrap_err());
        assert!(error.contains("sned"), "{error}");
    }
}
