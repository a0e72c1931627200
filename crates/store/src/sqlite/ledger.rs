//! Writes what becomes of messages: each mail comes here three times, so nothing is written that did not change.

use super::write::millis;
use crate::{Attempt, Reaction, is_address_alone};
use domain::MessageId;
use domain::message::{Message, Written};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::sync::Arc;

/// Writes messages, and returns their numbers by their ids.
pub(super) fn put_messages<'a>(
    connection: &Connection,
    messages: &'a [Message],
) -> rusqlite::Result<HashMap<&'a str, i64>> {
    // While a message is under way nothing else of it changes, and nothing that an index is about: most of what is written.
    let mut advance = connection.prepare_cached(
        "UPDATE messages SET attempts = ?13, phase = ?14, due_ms = ?15, expires_ms = ?16, detail = ?17
         WHERE id = ?1 AND (customer, campaign, step, template, variant, channel, purpose, decided_at_ms, outcome, because,
             outcome_at_ms, approved_at_ms, approved_by) IS (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?18, ?19)
         RETURNING number",
    )?;
    let mut put = connection.prepare_cached(
        "INSERT INTO messages (id, customer, campaign, step, template, variant, channel, purpose, decided_at_ms,
             outcome, because, outcome_at_ms, attempts, phase, due_ms, expires_ms, detail,
             approved_at_ms, approved_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
         ON CONFLICT (id) DO UPDATE SET customer = ?2, campaign = ?3, step = ?4, template = ?5, variant = ?6,
             channel = ?7, purpose = ?8, decided_at_ms = ?9, outcome = ?10, because = ?11, outcome_at_ms = ?12,
             attempts = ?13, phase = ?14, due_ms = ?15, expires_ms = ?16, detail = ?17,
             approved_at_ms = ?18, approved_by = ?19
         RETURNING number",
    )?;
    // The parts sent are many times larger than the rest and almost never change: they are written once,
    // and a message without them, or with the address alone, leaves them as they are.
    let mut put_letter = connection.prepare_cached(
        "INSERT INTO letters (message, to_address, to_name, subject, text, html, unsubscribe_path, url, icon)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (message) DO UPDATE SET to_address = ?2, to_name = ?3, subject = ?4, text = ?5, html = ?6,
             unsubscribe_path = ?7, url = ?8, icon = ?9
         WHERE ?10 AND (to_address, to_name, subject, text, html, unsubscribe_path, url, icon)
             IS NOT (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut numbers = HashMap::with_capacity(messages.len());
    for message in messages {
        let write = |statement: &mut CachedStatement<'_>| {
            let row = params![
                &*message.id.0,
                message.customer.0,
                message.campaign.as_str(),
                message.step,
                message.template.as_str(),
                message.variant,
                message.channel.word(),
                message.purpose.as_str(),
                message.decided_at.0,
                message.outcome.map(|outcome| outcome.word()),
                message.because.map(|because| because.word()),
                millis(message.outcome_at),
                message.attempts,
                message.phase.map(|phase| phase.word()),
                millis(message.due),
                message.expires.0,
                message.detail,
                millis(message.approved.as_ref().map(|approval| approval.at)),
                message.approved.as_ref().map(|approval| &approval.by)
            ];
            statement.query_row(row, |row| row.get(0)).optional()
        };
        let advanced = if message.phase.is_some() { write(&mut advance)? } else { None };
        let number: i64 = match advanced {
            Some(number) => number,
            None => write(&mut put)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        };
        numbers.insert(&*message.id.0, number);
        if let Some(written) = &message.written {
            let Written { to, to_name, subject, text, html, unsubscribe_path, url, icon } = &**written;
            let is_whole = !is_address_alone(written);
            let parts = params![number, to, to_name, subject, text, html, unsubscribe_path, url, icon, is_whole];
            put_letter.execute(parts)?;
        }
    }
    Ok(numbers)
}

/// `numbers`: those of messages that are known by now.
pub(super) fn put_attempts(
    connection: &Connection,
    attempts: &[Attempt],
    numbers: &HashMap<&str, i64>,
) -> rusqlite::Result<()> {
    let mut find = connection.prepare_cached("SELECT number FROM messages WHERE id = ?1")?;
    let mut put = connection.prepare_cached(
        "INSERT INTO attempts (message, number, started_at_ms, phase, ended_at_ms, result, reply)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (message, number) DO UPDATE SET started_at_ms = ?3, phase = ?4, ended_at_ms = ?5, result = ?6,
             reply = ?7",
    )?;
    for attempt in attempts {
        let Attempt { message, number, started_at, phase, ended_at, result, reply } = attempt;
        let known = match numbers.get(&*message.0) {
            Some(known) => Some(*known),
            None => find.query_row([&*message.0], |row| row.get(0)).optional()?,
        };
        let Some(known) = known else { continue };
        put.execute(params![known, number, started_at.0, phase.word(), millis(*ended_at), result, reply])?;
    }
    Ok(())
}

pub(super) fn add_reactions(connection: &Connection, reactions: &[Reaction]) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO reactions (message, kind, first_at_ms, last_at_ms, times)
             SELECT number, ?2, ?3, ?3, 1 FROM messages WHERE id = ?1
         ON CONFLICT (message, kind) DO UPDATE SET first_at_ms = min(first_at_ms, ?3), last_at_ms = max(last_at_ms, ?3),
             times = times + 1",
    )?;
    for Reaction { message, kind, at } in reactions {
        add.execute(params![&*message.0, kind.word(), at.0])?;
    }
    Ok(())
}

pub(super) fn put_kept_mails(connection: &Connection, mails: &[(MessageId, Arc<str>)]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO kept_mails (message, mail) SELECT number, ?2 FROM messages WHERE id = ?1
         ON CONFLICT (message) DO NOTHING",
    )?;
    for (message, mail) in mails {
        put.execute(params![&*message.0, &**mail])?;
    }
    Ok(())
}
