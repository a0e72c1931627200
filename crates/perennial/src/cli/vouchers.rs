//! `perennial vouchers`: pools of vouchers whose codes come from elsewhere.

use super::{Ended, Out, show};
use crate::api::vouchers::codes_of;
use crate::client::Client;
use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Codes of one request.
const PIECE: usize = 50_000;

#[derive(Subcommand)]
pub(super) enum VouchersCommand {
    /// Pools, and how many codes are left
    List,
    /// Bring codes into a pool: one a line, in the order in which they are to be given
    Import {
        /// The pool's name in campaigns
        pool: String,
        /// A text file; a first line `code` is a heading
        file: PathBuf,
    },
}

/// Lists, or imports. Importing twice changes nothing: a code is known by itself.
pub(super) fn vouchers(client: &Client, command: &VouchersCommand, out: &Out) -> anyhow::Result<Ended> {
    match command {
        VouchersCommand::List => {
            let answer = client.get("/api/vouchers")?;
            out.answer(&answer, |print| {
                show::table(print, &answer, &["pool", "left", "given", "given_in_week", "is_low"])
            })?;
            Ok(Ended::Yes)
        }
        VouchersCommand::Import { pool, file } => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("{} cannot be read as text", file.display()))?;
            let answer = import(client, pool, &text)?;
            let is_clean = answer["refused"] == 0;
            out.answer(&answer, |print| {
                writeln!(
                    print,
                    "{}: {} added, {} known before, {} refused; {} left",
                    pool, answer["added"], answer["duplicates"], answer["refused"], answer["left"]
                )?;
                for refused in answer["refused_codes"].as_array().into_iter().flatten() {
                    writeln!(print, "  line {}: {}", refused["line"], show::text(refused, "reason"))?;
                }
                Ok(())
            })?;
            Ok(if is_clean { Ended::Yes } else { Ended::No })
        }
    }
}

fn import(client: &Client, pool: &str, text: &str) -> anyhow::Result<Value> {
    let lines: Vec<(usize, &str)> = codes_of(text).collect();
    let (mut added, mut duplicates, mut refused, mut made_up_for) = (0, 0, 0, 0);
    let (mut left, mut told) = (json!(0), Vec::new());
    let path = format!("/api/vouchers/{}/codes", crate::client::in_url(pool));
    for piece in lines.chunks(PIECE) {
        let codes: Vec<&str> = piece.iter().map(|(_, code)| *code).collect();
        let answer = client.post(&path, &json!({ "codes": codes }))?;
        let count = |key: &str| answer[key].as_u64().unwrap_or_default();
        added += count("added");
        duplicates += count("duplicates");
        refused += count("refused");
        made_up_for += count("made_up_for");
        left = answer["left"].clone();
        for one in answer["refused_codes"].as_array().into_iter().flatten() {
            // Its place in the piece becomes its line in the file.
            let place = one["place"].as_u64().and_then(|place| usize::try_from(place).ok()).unwrap_or(1);
            let line = piece.get(place.saturating_sub(1)).map(|(line, _)| *line);
            told.push(json!({ "line": line, "reason": one["reason"] }));
        }
    }
    Ok(json!({
        "pool": pool, "added": added, "duplicates": duplicates, "refused": refused, "refused_codes": told,
        "left": left, "made_up_for": made_up_for,
    }))
}
