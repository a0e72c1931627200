//! `perennial push`: the key by which push services and browsers know the shop.

use super::Out;
use super::dkim::keep;
use crate::config::Config;
use channels::web_push::VapidKey;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What `push` is told.
#[derive(Subcommand)]
pub(super) enum PushCommand {
    /// Make a key for notifications in browsers: prints its public half; the private key stays in the data directory
    New {
        /// Where the private key is written; default: `push/vapid.pem` in the data directory
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// The public half of the configured key, for pages that subscribe browsers themselves
    Key,
}

/// Carries it out.
pub(super) fn push(command: PushCommand, dir: &Path, config: &Config, out: &Out) -> anyhow::Result<()> {
    match command {
        PushCommand::New { key_file } => {
            let pem = VapidKey::generate()?;
            let public_key = VapidKey::read(&pem)?.public();
            let own = || dir.join("push").join("vapid.pem");
            let file = std::path::absolute(key_file.unwrap_or_else(own))?;
            keep(
                &file,
                &pem,
                "browsers that were subscribed with it know no other; name another file with --key-file",
            )?;
            let file = file.display().to_string();
            out.answer(&json!({ "public_key": public_key, "key_file": file }), |print| {
                writeln!(print, "The public key, which pages give to browsers:\n\n{public_key}\n")?;
                writeln!(print, "Notify browsers with it, in the configuration:\n")?;
                writeln!(print, "[messages.push]\nsend = \"web_push\"\nkey_file = {file:?}")?;
                writeln!(print, "subject = \"mailto:…\"   # whom push services write to where something is wrong")
            })
        }
        PushCommand::Key => {
            let key = crate::notifications::open(config)?.map(|web_push| web_push.public_key());
            out.answer(&json!({ "public_key": key }), |print| match &key {
                Some(key) => writeln!(print, "{key}"),
                None => writeln!(print, "no key is configured; `perennial push new` makes one"),
            })
        }
    }
}
