//! `perennial bounce`: mails that came back, as a mail server hands them over or from a folder.

use super::{Out, show};
use crate::client::{Client, WrongUsage};
use anyhow::Context;
use channels::MAX_REPORT_OCTETS;
use clap::Args;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most mails taken of a Maildir at a time; the rest the next time.
const MAILS: usize = 10_000;

/// What `bounce` is told.
#[derive(Args)]
pub(super) struct Bounce {
    /// A Maildir whose new mails are taken and then moved to its folder `cur`; default: one mail on standard input
    #[arg(long, value_name = "DIR")]
    maildir: Option<PathBuf>,
    /// Only list those of which nobody knows the message
    #[arg(long, conflicts_with = "maildir")]
    unmatched: bool,
}

/// Takes them.
pub(super) fn bounce(asked: &Bounce, client: impl FnOnce() -> anyhow::Result<Client>, out: &Out) -> anyhow::Result<()> {
    if asked.unmatched {
        let answer = super::with(client()?, |client| client.get("/api/reports?unmatched=true"))?;
        return out
            .answer(&answer, |print| show::table(print, &answer, &["time", "kind", "status", "address", "words"]));
    }
    let taken = match &asked.maildir {
        None => {
            let mut mail = Vec::new();
            let most = MAX_REPORT_OCTETS as u64 + 1;
            std::io::stdin().lock().take(most).read_to_end(&mut mail).context("standard input cannot be read")?;
            if mail.is_empty() {
                return Err(WrongUsage("give one mail on standard input, or a folder with --maildir".to_owned()).into());
            }
            super::with(client()?, |client| take(client, mail).map(|report| vec![report]))?
        }
        Some(dir) => super::with(client()?, |client| take_all(client, dir))?,
    };
    let answer = match (&asked.maildir, &taken[..]) {
        (None, [one]) => one.clone(),
        _ => json!(taken),
    };
    out.answer(&answer, |print| {
        for report in &taken {
            let about = match report["customer"].as_str() {
                Some(customer) => format!("about a mail to {customer}"),
                None => "of no mail of ours; it is kept to look at".to_owned(),
            };
            writeln!(print, "{} {about}: {}", show::text(report, "kind"), show::text(report, "words"))?;
        }
        Ok(())
    })
}

fn take(client: &Client, mail: Vec<u8>) -> anyhow::Result<Value> {
    client.post_bytes("/api/reports", mail)
}

/// A mail that cannot be read is moved like the others, so that it does not stand in the way; the log says which.
fn take_all(client: &Client, dir: &Path) -> anyhow::Result<Vec<Value>> {
    let (new, cur) = (dir.join("new"), dir.join("cur"));
    let listed = std::fs::read_dir(&new).with_context(|| format!("{} is no Maildir", dir.display()))?;
    let mut names = listed.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    let mut taken = Vec::new();
    for name in names.into_iter().take(MAILS) {
        let file = new.join(&name);
        if !std::fs::symlink_metadata(&file)?.is_file() {
            continue;
        }
        let mut mail = Vec::new();
        std::fs::File::open(&file)?.take(MAX_REPORT_OCTETS as u64 + 1).read_to_end(&mut mail)?;
        match take(client, mail) {
            Ok(report) => taken.push(report),
            Err(error) => match error.downcast_ref::<crate::client::Refused>() {
                Some(refused) if refused.status < 500 => {
                    tracing::warn!("{} is no mail that can be read: {refused}", file.display());
                }
                _ => return Err(error),
            },
        }
        let mut seen = name;
        seen.push(":2,S");
        std::fs::rename(&file, cur.join(seen)).with_context(|| format!("{} cannot be moved", file.display()))?;
    }
    Ok(taken)
}
