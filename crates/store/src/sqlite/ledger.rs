//! Writes what becomes of messages: each mail comes here three times, so nothing is written that did not change. How far an
//! attempt has come is written with the attempt alone, once its message says that one is under way.

use super::write::millis;
use crate::{Attempt, Reaction, is_address_alone};
use domain::MessageId;
use domain::message::{Message, Written};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers of messages that are under way, by their ids: each comes here three times in a few milliseconds, and looking an id
/// up costs as much as writing what changed. As many as are under way.
#[derive(Default)]
pub(super) struct Numbers(HashMap<Arc<str>, i64>);

impl Numbers {
    /// What was written may have been undone.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn find(&self, connection: &Connection, id: &MessageId) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.0.get(&id.0) {
            return Ok(Some(*number));
        }
        let mut find = connection.prepare_cached("SELECT number FROM messages WHERE id = ?1")?;
        find.query_row([&*id.0], |row| row.get(0)).optional()
    }

    /// Nothing more is expected of those that are not under way.
    pub(super) fn keep_under_way(&mut self, messages: &[Message]) {
        for message in messages.iter().filter(|message| message.phase.is_none()) {
            self.0.remove(&message.id.0);
        }
    }
}

pub(super) fn put_messages(
    connection: &Connection,
    messages: &[Message],
    numbers: &mut Numbers,
) -> rusqlite::Result<()> {
    // While a message is under way nothing else of it changes, and nothing that an index is about: most of what is written.
    // No statement returns anything, or falls back on another row: SQLite would keep a journal of each for itself.
    let mut advance = connection.prepare_cached(
        "UPDATE messages SET attempts = ?14, phase = ?15, due_ms = ?16, expires_ms = ?17, detail = ?18
         WHERE number = ?1 AND (id, customer, campaign, step, template, variant, channel, purpose, decided_at_ms, outcome,
             because, outcome_at_ms, approved_at_ms, approved_by)
             IS (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?19, ?20)",
    )?;
    let mut change = connection.prepare_cached(
        "UPDATE messages SET customer = ?3, campaign = ?4, step = ?5, template = ?6, variant = ?7, channel = ?8,
             purpose = ?9, decided_at_ms = ?10, outcome = ?11, because = ?12, outcome_at_ms = ?13, attempts = ?14,
             phase = ?15, due_ms = ?16, expires_ms = ?17, detail = ?18, approved_at_ms = ?19, approved_by = ?20
         WHERE number = ?1 AND id = ?2",
    )?;
    let mut add = connection.prepare_cached(
        "INSERT INTO messages (number, id, customer, campaign, step, template, variant, channel, purpose, decided_at_ms,
             outcome, because, outcome_at_ms, attempts, phase, due_ms, expires_ms, detail, approved_at_ms, approved_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
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
    for message in messages {
        let write = |statement: &mut CachedStatement<'_>, number: Option<i64>| {
            statement.execute(params![
                number,
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
            ])
        };
        let is_under_way = message.phase.is_some();
        let number = match numbers.find(connection, &message.id)? {
            Some(number) => {
                if !is_under_way || write(&mut advance, Some(number))? == 0 {
                    write(&mut change, Some(number))?;
                }
                number
            }
            None => {
                write(&mut add, None)?;
                connection.last_insert_rowid()
            }
        };
        numbers.0.insert(message.id.0.clone(), number);
        if let Some(written) = &message.written {
            let Written { to, to_name, subject, text, html, unsubscribe_path, url, icon } = &**written;
            let is_whole = !is_address_alone(written);
            let parts = params![number, to, to_name, subject, text, html, unsubscribe_path, url, icon, is_whole];
            put_letter.execute(parts)?;
        }
    }
    Ok(())
}

/// Writes attempts. When one began is written once.
pub(super) fn put_attempts(connection: &Connection, attempts: &[Attempt], numbers: &Numbers) -> rusqlite::Result<()> {
    let mut change = connection.prepare_cached(
        "UPDATE attempts SET phase = ?3, ended_at_ms = ?4, result = ?5, reply = ?6 WHERE message = ?1 AND number = ?2",
    )?;
    let mut add = connection.prepare_cached(
        "INSERT INTO attempts (message, number, phase, ended_at_ms, result, reply, started_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for attempt in attempts {
        let Attempt { message, number, started_at, phase, ended_at, result, reply } = attempt;
        let Some(of) = numbers.find(connection, message)? else { continue };
        if change.execute(params![of, number, phase.word(), millis(*ended_at), result, reply])? == 0 {
            add.execute(params![of, number, phase.word(), millis(*ended_at), result, reply, started_at.0])?;
        }
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
