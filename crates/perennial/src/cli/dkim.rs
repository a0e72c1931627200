//! `perennial dkim`: keys that sign mails, and what DNS must say of them.

use super::Out;
use crate::client::WrongUsage;
use crate::config::Config;
use anyhow::Context;
use channels::{DkimKey, DkimKind, DkimSigner};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Longest string of a TXT record, RFC 1035: a longer text is several.
const TXT_OCTETS: usize = 255;

/// What `dkim` is told.
#[derive(Subcommand)]
pub(super) enum DkimCommand {
    /// Make a key for a domain: prints the record to publish; the private key stays in the data directory
    New {
        /// The domain of the sender's address, such as tea.example
        domain: String,
        /// A name for the key, such as s2026; another one for each key
        #[arg(long, value_name = "NAME")]
        selector: String,
        /// rsa is verified everywhere; ed25519 goes beside it
        #[arg(long, value_enum, default_value_t = Kind::Rsa)]
        kind: Kind,
        /// Where the private key is written; default: the directory `dkim` of the data directory
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// The records that the configured keys need
    Records,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Rsa,
    Ed25519,
}

/// Carries it out.
pub(super) fn dkim(command: DkimCommand, dir: &Path, config: &Config, out: &Out) -> anyhow::Result<()> {
    match command {
        DkimCommand::New { domain, selector, kind, key_file } => {
            let kind = match kind {
                Kind::Rsa => DkimKind::Rsa,
                Kind::Ed25519 => DkimKind::Ed25519,
            };
            let domain = domain.to_ascii_lowercase();
            let pem = DkimKey::generate(kind)?;
            let signer = DkimSigner::new(&domain, &selector, DkimKey::read(&pem)?)
                .map_err(|error| WrongUsage(error.to_string()))?;
            let own = || dir.join("dkim").join(format!("{}.pem", signer.record_name()));
            let file = std::path::absolute(key_file.unwrap_or_else(own))?;
            keep(&file, &pem, "choose another selector")?;
            let answer = json!({
                "domain": domain, "selector": selector, "kind": kind.word(), "name": signer.record_name(),
                "type": "TXT", "value": signer.record(), "key_file": file.display().to_string(),
            });
            out.answer(&answer, |print| {
                writeln!(print, "Publish this record in the DNS of {domain}:\n\n{}\n", zone_line(&signer))?;
                writeln!(print, "Once it can be looked up, sign with it, in the configuration:\n")?;
                writeln!(print, "[[email.dkim]]\ndomain = {domain:?}\nselector = {selector:?}")?;
                writeln!(print, "key_file = {:?}", file.display().to_string())
            })
        }
        DkimCommand::Records => {
            let signers = crate::post::signers(&config.email)?;
            let record =
                |signer: &DkimSigner| json!({ "name": signer.record_name(), "type": "TXT", "value": signer.record() });
            let answer: Vec<Value> = signers.iter().map(record).collect();
            out.answer(&json!(answer), |print| {
                for signer in &signers {
                    writeln!(print, "{}", zone_line(signer))?;
                }
                if signers.is_empty() {
                    writeln!(print, "no key is configured; `perennial dkim new` makes one")?;
                }
                Ok(())
            })
        }
    }
}

/// The record as a line of a zone file.
fn zone_line(signer: &DkimSigner) -> String {
    let value = signer.record();
    let strings = value.as_bytes().chunks(TXT_OCTETS).map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece)));
    let strings: Vec<String> = strings.collect();
    format!("{}. IN TXT ( {} )", signer.record_name(), strings.join(" "))
}

/// Writes a private key that only its owner can read. Errors: there is a file already; `instead` says what to do.
pub(super) fn keep(file: &Path, pem: &str, instead: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        options.mode(0o600);
        builder.mode(0o700);
    }
    if let Some(parent) = file.parent() {
        builder.create(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    let mut open = match options.open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let words = format!("there is a key in {} already; {instead}", file.display());
            return Err(WrongUsage(words).into());
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be written", file.display())),
    };
    open.write_all(pem.as_bytes()).and_then(|()| open.sync_all()).with_context(|| format!("{}", file.display()))
}
