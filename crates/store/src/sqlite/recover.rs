//! Reads what the engine needs at its start beside the journal.

use super::columns::{self, read_all, visit_all};
use crate::{COMPLAINTS_LOOK_BACK, Journey, Recovered, Secrets, VoucherPool};
use domain::{Name, Position, Timestamp};
use rusqlite::{Connection, Result};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Reads all of it, as of one commit.
pub(super) fn recover(connection: &Connection) -> Result<Recovered> {
    // One transaction, so that all tables are seen at the same commit.
    let transaction = connection.unchecked_transaction()?;
    let mut recovered = read_meta(&transaction)?;
    recovered.definitions = read_definitions(&transaction)?;
    recovered.campaigns = read_all(
        &transaction,
        &format!("SELECT {} FROM campaigns ORDER BY name", columns::CAMPAIGN),
        [],
        columns::campaign,
    )?;
    recovered.exposures = read_all(
        &transaction,
        &format!("SELECT {} FROM exposures WHERE until_ms >= ?1 ORDER BY number", columns::EXPOSURE),
        [recovered.clock.0],
        columns::exposure,
    )?;
    recovered.sharings = read_all(
        &transaction,
        &format!("SELECT {} FROM shares ORDER BY number", columns::SHARING),
        [],
        columns::sharing,
    )?;
    let assigned = format!(
        "SELECT {} FROM assignments LEFT JOIN exposures ON exposures.journey = assignments.journey ORDER BY assignments.number",
        columns::ASSIGNMENT
    );
    recovered.assignments = read_all(&transaction, &assigned, [], columns::assignment)?;
    let watched = recovered.exposures.iter().map(|exposure| &*exposure.journey).collect();
    recovered.journeys = read_journeys(&transaction, &watched)?;
    recovered.messages = read_messages(&transaction, recovered.clock)?;
    recovered.suppressions = read_all(
        &transaction,
        &format!("SELECT {} FROM suppressions ORDER BY address", columns::SUPPRESSION),
        [],
        columns::suppression,
    )?;
    let complaints = "SELECT DISTINCT campaign, outcome_at_ms, messages.id FROM reports JOIN messages ON messages.id = reports.message
         WHERE kind = 'complaint' AND outcome = 'sent' AND outcome_at_ms >= ?1 ORDER BY outcome_at_ms, messages.id";
    let since = recovered.clock.minus(COMPLAINTS_LOOK_BACK);
    recovered.complaints =
        read_all(&transaction, complaints, [since.0], |columns| Ok((columns.name()?, columns.instant()?)))?;
    let began = "SELECT channel, first_sent_ms FROM sending ORDER BY channel";
    recovered.first_sent = read_all(&transaction, began, [], |columns| Ok((columns.word()?, columns.instant()?)))?;
    let resting = "SELECT channel, domain, in_a_row, until_ms FROM resting ORDER BY channel, domain";
    recovered.resting = read_all(&transaction, resting, [], columns::resting)?;
    let open =
        format!("SELECT {}, '' FROM webhooks WHERE state IN ('waiting', 'trying') ORDER BY number", columns::WEBHOOK);
    recovered.webhooks = read_all(&transaction, &open, [], columns::webhook)?;
    recovered.endpoints_off = read_all(
        &transaction,
        &format!("SELECT {} FROM endpoints_off ORDER BY name", columns::ENDPOINT_OFF),
        [],
        columns::endpoint_off,
    )?;
    recovered.pools = read_pools(&transaction)?;
    recovered.keys =
        read_all(&transaction, &format!("SELECT {} FROM keys ORDER BY id", columns::KEY), [], columns::key)?;
    recovered.erased = super::erase::names(&transaction)?;
    recovered.erasures = super::erase::erasures(&transaction)?;
    Ok(recovered)
}

fn read_meta(connection: &Connection) -> Result<Recovered> {
    connection.query_row("SELECT position, clock_ms, clock_offset_ms, link_key, dedupe_key FROM meta", [], |row| {
        Ok(Recovered {
            position: Position(row.get(0)?),
            clock: Timestamp(row.get(1)?),
            clock_offset_ms: row.get(2)?,
            secrets: Secrets { link_key: row.get(3)?, dedupe_key: row.get(4)? },
            ..Recovered::default()
        })
    })
}

fn read_pools(connection: &Connection) -> Result<BTreeMap<Name, VoucherPool>> {
    let mut pools: BTreeMap<Name, VoucherPool> = BTreeMap::new();
    let sql = "SELECT pool, code, given_at_ms IS NULL FROM voucher_codes ORDER BY number";
    visit_all(connection, sql, [], columns::voucher_code, |(pool, code, is_left)| {
        let pool = pools.entry(pool).or_default();
        if is_left { pool.left.push(code) } else { pool.given.push(code) }
    })?;
    Ok(pools)
}

fn read_definitions(connection: &Connection) -> Result<Vec<crate::DefinitionVersion>> {
    let sql = format!(
        "SELECT {} FROM definitions AS d WHERE value IS NOT NULL AND version =
             (SELECT max(version) FROM definitions AS e WHERE e.kind = d.kind AND e.name = d.name)
         ORDER BY kind, name",
        columns::DEFINITION
    );
    read_all(connection, &sql, [], columns::definition)
}

/// Those inside and those watched for their goal; of the others the latest for each campaign, customer and key.
fn read_journeys(connection: &Connection, watched: &HashSet<&str>) -> Result<Vec<Journey>> {
    let sql = format!("SELECT {} FROM journeys ORDER BY number", columns::JOURNEY);
    let mut kept: Vec<(u64, Journey)> = Vec::new();
    let mut last = HashMap::new();
    let mut number = 0;
    visit_all(connection, &sql, [], columns::journey, |journey| {
        number += 1;
        if journey.stage.is_inside() {
            kept.push((number, journey));
            return;
        }
        let of = (journey.campaign.clone(), journey.customer, journey.key.clone());
        let earlier = match last.get(&of) {
            Some((_, newest)) if newest_of(&journey, newest) => last.insert(of, (number, journey)),
            Some(_) => Some((number, journey)),
            None => last.insert(of, (number, journey)),
        };
        kept.extend(earlier.filter(|(_, journey)| watched.contains(&*journey.id)));
    })?;
    kept.extend(last.into_values());
    kept.sort_unstable_by_key(|(number, _)| *number);
    Ok(kept.into_iter().map(|(_, journey)| journey).collect())
}

fn newest_of(journey: &Journey, other: &Journey) -> bool {
    journey.entered_at >= other.entered_at
}

/// Those that are not final with all that was written, and those that count for caps with the address alone.
fn read_messages(connection: &Connection, clock: Timestamp) -> Result<Vec<domain::message::Message>> {
    let (message, letter) = (columns::MESSAGE, columns::LETTER);
    let open = format!(
        "SELECT {message}, {letter} FROM messages LEFT JOIN letters ON letters.message = messages.number
         WHERE outcome = 'held' OR outcome IS NULL ORDER BY number"
    );
    let counted = format!(
        "SELECT {message}, to_address, to_name, '', '', NULL, '', NULL, NULL
         FROM messages LEFT JOIN letters ON letters.message = messages.number
         WHERE latest_ms >= ?1 AND outcome IN ('sent', 'uncertain', 'would_have_sent') ORDER BY number"
    );
    let mut messages = read_all(connection, &open, [], columns::message_with_letter)?;
    let since = clock.minus(crate::CAPS_LOOK_BACK);
    messages.extend(read_all(connection, &counted, [since.0], columns::message_with_letter)?);
    Ok(messages)
}
