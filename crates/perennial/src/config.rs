//! The configuration file: `perennial.default.toml` is both the defaults and the documentation.

use anyhow::Context;
use serde::Deserialize;
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
    fn an_unknown_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("perennial.toml");
        std::fs::write(&file, "[email]\nsned = \"smtp\"\n").unwrap();
        let error = format!("{:#}", Config::read(Some(&file)).unwrap_err());
        assert!(error.contains("sned"), "{error}");
    }
}
