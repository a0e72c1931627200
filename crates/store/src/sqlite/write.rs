//! Writes a commit, table by table, inside one transaction.

use super::{ledger, movements};
use crate::journal::RowWriter;
use crate::{
    Assignment, CampaignFacts, Commit, DefinitionVersion, EndpointChange, EndpointOff, Exposure, Journey, Key,
    MailReport, ROW_CALLS, Refused, RestChange, Resting, RowId, Sharing, StoreError, SuppressionChange, TallyKey, Task,
    Transition, UNMATCHED_KEPT, VoucherCode, VoucherGiven, Webhook, WebhookProgress,
};
use domain::message::{Channel, Decision};
use domain::{Position, Span, Timestamp};
use rusqlite::{CachedStatement, Connection, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Refused calls are kept for a person to look at: so many of the newest …
pub(super) const REFUSED_KEPT: u64 = 10_000;
/// … and no longer than this.
pub(super) const REFUSED_FOR: Span = Span::days(30);

/// What can go wrong while writing: the database, or the commit itself.
pub(super) enum WriteError {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        WriteError::Sqlite(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        WriteError::Store(error)
    }
}

/// What writing keeps from one commit to the next.
pub(super) struct Pen {
    /// Compresses and numbers rows of the journal.
    pub(super) rows: RowWriter,
    pub(super) numbers: ledger::Numbers,
}

impl Pen {
    pub(super) fn new() -> Result<Pen, StoreError> {
        Ok(Pen { rows: RowWriter::new()?, numbers: ledger::Numbers::default() })
    }
}

/// Writes all of it. The caller's transaction makes it durable, or undoes it; then the pen must forget its numbers.
pub(super) fn write(connection: &Connection, pen: &mut Pen, commit: &Commit) -> Result<(), WriteError> {
    let Pen { rows, numbers } = pen;
    append_calls(connection, rows, commit)?;
    add_transitions(connection, &commit.transitions)?;
    add_decisions(connection, &commit.decisions)?;
    ledger::put_messages(connection, &commit.messages, numbers)?;
    ledger::put_attempts(connection, &commit.attempts, numbers)?;
    numbers.keep_under_way(&commit.messages);
    ledger::add_reactions(connection, &commit.reactions)?;
    ledger::put_kept_mails(connection, &commit.kept_mails)?;
    put_journeys(connection, &commit.journeys)?;
    put_tasks(connection, commit)?;
    add_webhooks(connection, &commit.webhooks)?;
    move_webhooks(connection, &commit.webhook_progress)?;
    change_endpoints(connection, &commit.endpoints)?;
    add_codes(connection, &commit.codes)?;
    give_codes(connection, &commit.codes_given)?;
    put_exposures(connection, &commit.exposures)?;
    add_sharings(connection, &commit.sharings)?;
    add_assignments(connection, &commit.assignments)?;
    put_campaigns(connection, &commit.campaigns)?;
    add_definitions(connection, &commit.definitions)?;
    put_first_sent(connection, &commit.first_sent)?;
    change_rests(connection, &commit.rests)?;
    change_suppressions(connection, &commit.suppressions)?;
    add_reports(connection, &commit.reports)?;
    add_refused(connection, &commit.refused, commit.clock)?;
    remove_refused(connection, &commit.refused_gone)?;
    put_keys(connection, &commit.keys)?;
    add_tallies(connection, &commit.tallies)?;
    Ok(())
}

fn append_calls(connection: &Connection, rows: &mut RowWriter, commit: &Commit) -> Result<(), WriteError> {
    let (mut position, mut last_row) = connection
        .prepare_cached("SELECT position, last_row FROM meta")?
        .query_row([], |row| Ok((Position(row.get(0)?), RowId(row.get(1)?))))?;
    commit.check_follows(position)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO journal (row, first, count, min_time_ms, max_time_ms, size_bytes, checksum, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for calls in commit.calls.chunks(ROW_CALLS) {
        last_row.0 += 1;
        let row = rows.write(last_row, Position(position.0 + 1), calls)?;
        insert.execute(params![
            row.id.0,
            row.first.0,
            row.count,
            row.min_time.0,
            row.max_time.0,
            row.size_bytes,
            row.checksum,
            row.body
        ])?;
        position.0 += row.count;
    }
    connection
        .prepare_cached(
            "UPDATE meta SET position = ?1, last_row = ?2, clock_ms = ?3, clock_offset_ms = coalesce(?4, clock_offset_ms)",
        )?
        .execute(params![position.0, last_row.0, commit.clock.0, commit.clock_offset_ms])?;
    Ok(())
}

fn add_transitions(connection: &Connection, transitions: &[Transition]) -> rusqlite::Result<()> {
    if transitions.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached("INSERT INTO transitions (segment, count, body) VALUES (?1, ?2, ?3)")?;
    for row in movements::pack(transitions) {
        insert.execute(params![row.segment.as_str(), row.count(), row.body])?;
    }
    Ok(())
}

fn add_decisions(connection: &Connection, decisions: &[Decision]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO decisions (message, customer, campaign, step, at_ms, outcome, because, detail, until_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for decision in decisions {
        let Decision { message, customer, campaign, step, at, outcome, because, detail, until } = decision;
        insert.execute(params![
            &*message.0,
            customer.0,
            campaign.as_str(),
            step,
            at.0,
            outcome.word(),
            because.map(|because| because.word()),
            detail,
            millis(*until)
        ])?;
    }
    Ok(())
}

fn put_journeys(connection: &Connection, journeys: &[Journey]) -> Result<(), WriteError> {
    let mut change = connection.prepare_cached(
        "UPDATE journeys SET campaign = ?2, customer = ?3, key = ?4, entered_at_ms = ?5, version = ?6, step = ?7, stage = ?8,
             until_ms = ?9, message = ?10, trigger = ?11, ended_at_ms = ?12, record_kind = ?13, record_id = ?14,
             occasion = ?15, waits_since_ms = ?16, done = ?17
         WHERE id = ?1",
    )?;
    let mut add = connection.prepare_cached(
        "INSERT INTO journeys (id, campaign, customer, key, entered_at_ms, version, step, stage, until_ms, message,
             trigger, ended_at_ms, record_kind, record_id, occasion, waits_since_ms, done)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    for journey in journeys {
        let done = if journey.done.is_empty() { None } else { Some(json(&journey.done)?) };
        let write = |statement: &mut CachedStatement<'_>| {
            statement.execute(params![
                &*journey.id,
                journey.campaign.as_str(),
                journey.customer.0,
                journey.key,
                journey.entered_at.0,
                journey.version,
                journey.step,
                journey.stage.word(),
                millis(journey.until),
                journey.message.as_ref().map(|message| &*message.0),
                journey.trigger,
                millis(journey.ended_at),
                journey.record.as_ref().map(|record| &*record.kind),
                journey.record.as_ref().map(|record| &*record.id),
                journey.occasion,
                millis(journey.waits_since),
                done
            ])
        };
        if write(&mut change)? == 0 {
            write(&mut add)?;
        }
    }
    Ok(())
}

fn put_tasks(connection: &Connection, commit: &Commit) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO tasks (id, customer, campaign, step, title, owner, due_ms, draft, opened_at_ms, completed_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET customer = ?2, campaign = ?3, step = ?4, title = ?5, owner = ?6, due_ms = ?7,
             draft = ?8, opened_at_ms = ?9, completed_at_ms = ?10",
    )?;
    for task in &commit.tasks {
        let Task { id, customer, campaign, step, title, owner, due, draft, opened_at, completed_at } = task;
        put.execute(params![
            &**id,
            customer.0,
            campaign.as_str(),
            step,
            title,
            owner,
            millis(*due),
            draft.as_ref().map(domain::Name::as_str),
            opened_at.0,
            millis(*completed_at)
        ])?;
    }
    let mut done =
        connection.prepare_cached("UPDATE tasks SET completed_at_ms = coalesce(completed_at_ms, ?2) WHERE id = ?1")?;
    for (id, at) in &commit.tasks_done {
        done.execute(params![&**id, at.0])?;
    }
    Ok(())
}

fn add_codes(connection: &Connection, codes: &[VoucherCode]) -> rusqlite::Result<()> {
    let mut add =
        connection.prepare_cached("INSERT INTO voucher_codes (code, pool, added_at_ms) VALUES (?1, ?2, ?3)")?;
    for VoucherCode { code, pool, added_at } in codes {
        add.execute(params![&**code, pool.as_str(), added_at.0])?;
    }
    Ok(())
}

/// The last word on that each code is given once: whatever the engine believes, a second time undoes the commit.
fn give_codes(connection: &Connection, given: &[VoucherGiven]) -> Result<(), WriteError> {
    let mut give = connection.prepare_cached(
        "UPDATE voucher_codes SET given_at_ms = ?2, customer = ?3, campaign = ?4, step = ?5
         WHERE code = ?1 AND given_at_ms IS NULL",
    )?;
    for VoucherGiven { code, customer, campaign, step, at } in given {
        if give.execute(params![&**code, at.0, customer.0, campaign.as_str(), step])? != 1 {
            let reason = "a voucher's code is not left, and would be given a second time".to_owned();
            return Err(StoreError::Io { doing: "written", reason }.into());
        }
    }
    Ok(())
}

fn add_webhooks(connection: &Connection, webhooks: &[Webhook]) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO webhooks (id, customer, campaign, step, endpoint, event, body, made_at_ms, state, attempts, due_ms,
             tried_at_ms, ended_at_ms, expires_ms, reply)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT (id) DO NOTHING",
    )?;
    for webhook in webhooks {
        let Webhook { id, customer, campaign, step, endpoint, event, body, made_at, progress } = webhook;
        let WebhookProgress { state, attempts, due, tried_at, ended_at, expires, reply } = progress;
        add.execute(params![
            &**id,
            customer.0,
            campaign.as_str(),
            step,
            endpoint.as_str(),
            event,
            body,
            made_at.0,
            state.word(),
            attempts,
            millis(*due),
            millis(*tried_at),
            millis(*ended_at),
            expires.0,
            reply
        ])?;
    }
    Ok(())
}

fn move_webhooks(connection: &Connection, moved: &[(Arc<str>, WebhookProgress)]) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE webhooks SET state = ?2, attempts = ?3, due_ms = ?4, tried_at_ms = ?5, ended_at_ms = ?6,
             expires_ms = ?7, reply = ?8 WHERE id = ?1",
    )?;
    for (id, progress) in moved {
        let WebhookProgress { state, attempts, due, tried_at, ended_at, expires, reply } = progress;
        update.execute(params![
            &**id,
            state.word(),
            attempts,
            millis(*due),
            millis(*tried_at),
            millis(*ended_at),
            expires.0,
            reply
        ])?;
    }
    Ok(())
}

fn change_endpoints(connection: &Connection, changes: &[EndpointChange]) -> rusqlite::Result<()> {
    let mut off = connection.prepare_cached(
        "INSERT INTO endpoints_off (name, at_ms, reason) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
    )?;
    let mut on = connection.prepare_cached("DELETE FROM endpoints_off WHERE name = ?1")?;
    for change in changes {
        match change {
            EndpointChange::Off(EndpointOff { name, at, reason }) => {
                off.execute(params![name.as_str(), at.0, reason])?
            }
            EndpointChange::On(name) => on.execute(params![name.as_str()])?,
        };
    }
    Ok(())
}

fn put_exposures(connection: &Connection, exposures: &[Exposure]) -> Result<(), WriteError> {
    let mut put = connection.prepare_cached(
        "INSERT INTO exposures (journey, campaign, customer, arm, at_ms, until_ms, came_back_at_ms, goals, worth)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (journey) DO UPDATE SET campaign = ?2, customer = ?3, arm = ?4, at_ms = ?5, until_ms = ?6,
             came_back_at_ms = ?7, goals = ?8, worth = ?9",
    )?;
    for exposure in exposures {
        let Exposure { journey, campaign, customer, arm, at, until, came_back_at, goals, worth } = exposure;
        put.execute(params![
            &**journey,
            campaign.as_str(),
            customer.0,
            arm.word(),
            at.0,
            until.0,
            millis(*came_back_at),
            goals,
            json(worth)?
        ])?;
    }
    Ok(())
}

fn add_sharings(connection: &Connection, sharings: &[Sharing]) -> Result<(), WriteError> {
    let mut insert = connection
        .prepare_cached("INSERT INTO shares (campaign, step, draw, since_ms, variants) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for sharing in sharings {
        let Sharing { campaign, step, draw, since, variants } = sharing;
        insert.execute(params![campaign.as_str(), step, draw, since.0, json(variants)?])?;
    }
    Ok(())
}

fn add_assignments(connection: &Connection, assignments: &[Assignment]) -> Result<(), WriteError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO assignments (message, journey, campaign, step, draw, customer, at_ms, variant, shares)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (message) DO NOTHING",
    )?;
    for assignment in assignments {
        let Assignment { message, journey, campaign, step, draw, customer, at, variant, shares } = assignment;
        insert.execute(params![
            &*message.0,
            &**journey,
            campaign.as_str(),
            step,
            draw,
            customer.0,
            at.0,
            &**variant,
            json(shares)?
        ])?;
    }
    Ok(())
}

fn put_campaigns(connection: &Connection, campaigns: &[CampaignFacts]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO campaigns (name, started_at_ms, draw, version, paused_at_ms, stopped_at_ms, compared_since_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (name) DO UPDATE SET started_at_ms = ?2, draw = ?3, version = ?4, paused_at_ms = ?5,
             stopped_at_ms = ?6, compared_since_ms = ?7",
    )?;
    for campaign in campaigns {
        let CampaignFacts { name, started_at, draw, compared_since, version, paused_at, stopped_at } = campaign;
        put.execute(params![
            name.as_str(),
            started_at.0,
            draw,
            version,
            millis(*paused_at),
            millis(*stopped_at),
            compared_since.0
        ])?;
    }
    Ok(())
}

fn add_definitions(connection: &Connection, definitions: &[DefinitionVersion]) -> Result<(), WriteError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO definitions (kind, name, version, at_ms, by, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for definition in definitions {
        let DefinitionVersion { kind, name, version, at, by, value } = definition;
        let value = value.as_ref().map(json).transpose()?;
        insert.execute(params![kind.word(), name.as_str(), version, at.0, by, value])?;
    }
    Ok(())
}

fn change_suppressions(connection: &Connection, changes: &[SuppressionChange]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO suppressions (address, at_ms, reason) VALUES (?1, ?2, ?3)
         ON CONFLICT (address) DO UPDATE SET at_ms = ?2, reason = ?3",
    )?;
    let mut lift = connection.prepare_cached("DELETE FROM suppressions WHERE address = ?1")?;
    for change in changes {
        match change {
            SuppressionChange::Add(suppression) => {
                put.execute(params![suppression.address, suppression.at.0, suppression.reason])?;
            }
            SuppressionChange::Lift(address) => {
                lift.execute([address])?;
            }
        }
    }
    Ok(())
}

fn change_rests(connection: &Connection, changes: &[RestChange]) -> rusqlite::Result<()> {
    let mut begin = connection.prepare_cached(
        "INSERT INTO resting (channel, domain, in_a_row, until_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (channel, domain) DO UPDATE SET in_a_row = ?3, until_ms = ?4",
    )?;
    let mut end = connection.prepare_cached("DELETE FROM resting WHERE channel = ?1 AND domain = ?2")?;
    for change in changes {
        match change {
            RestChange::Begins(Resting { channel, domain, in_a_row, until }) => {
                begin.execute(params![channel.word(), &**domain, in_a_row, until.0])?
            }
            RestChange::Ends(channel, domain) => end.execute(params![channel.word(), &**domain])?,
        };
    }
    Ok(())
}

fn put_first_sent(connection: &Connection, channels: &[(Channel, Timestamp)]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO sending (channel, first_sent_ms) VALUES (?1, ?2) ON CONFLICT (channel) DO NOTHING",
    )?;
    for (channel, at) in channels {
        put.execute(params![channel.word(), at.0])?;
    }
    Ok(())
}

fn add_reports(connection: &Connection, reports: &[MailReport]) -> rusqlite::Result<()> {
    if reports.is_empty() {
        return Ok(());
    }
    let mut add = connection.prepare_cached(
        "INSERT INTO reports (id, at_ms, kind, message, customer, address, status, words, raw)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO NOTHING",
    )?;
    for report in reports {
        let MailReport { id, at, kind, message, customer, address, status, words, raw } = report;
        let (message, customer) = (message.as_ref().map(|id| &*id.0), customer.map(|id| id.0));
        add.execute(params![&**id, at.0, kind.word(), message, customer, address, status, words, raw])?;
    }
    let mut forget = connection.prepare_cached(
        "DELETE FROM reports WHERE message IS NULL AND number <=
             (SELECT number FROM reports WHERE message IS NULL ORDER BY number DESC LIMIT 1 OFFSET ?1)",
    )?;
    forget.execute([UNMATCHED_KEPT])?;
    Ok(())
}

fn add_refused(connection: &Connection, refused: &[Refused], clock: Timestamp) -> rusqlite::Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO refused (at_ms, source, trust, reason, message, raw) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for call in refused {
        let Refused { id: _, at, source, trust, reason, message, raw } = call;
        insert.execute(params![at.0, source, trust.word(), reason, message, raw])?;
    }
    // Counted by number: those that were replayed or dismissed leave gaps, so it may be fewer, never more.
    connection
        .prepare_cached("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1")?
        .execute([REFUSED_KEPT])?;
    connection.prepare_cached("DELETE FROM refused WHERE at_ms < ?1")?.execute([clock.minus(REFUSED_FOR).0])?;
    Ok(())
}

fn remove_refused(connection: &Connection, gone: &[u64]) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM refused WHERE id = ?1")?;
    for id in gone.iter().copied().filter_map(super::read::within_sqlite) {
        delete.execute([id])?;
    }
    Ok(())
}

fn put_keys(connection: &Connection, keys: &[Key]) -> rusqlite::Result<()> {
    let mut put = connection.prepare_cached(
        "INSERT INTO keys (id, hash, trust, source, created_at_ms, revoked_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET hash = ?2, trust = ?3, source = ?4, created_at_ms = ?5, revoked_at_ms = ?6",
    )?;
    for key in keys {
        let Key { id, hash, trust, source, created_at, revoked_at } = key;
        put.execute(params![id, hash, trust.word(), source, created_at.0, millis(*revoked_at)])?;
    }
    Ok(())
}

fn add_tallies(connection: &Connection, tallies: &BTreeMap<TallyKey, u64>) -> rusqlite::Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO tallies (day, source, reception, reason, count) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (day, source, reception, reason) DO UPDATE SET count = count + ?5",
    )?;
    for (TallyKey { day, source, reception, reason }, count) in tallies {
        add.execute(params![day, &**source, reception.word(), reason.as_deref().unwrap_or(""), count])?;
    }
    Ok(())
}

pub(super) fn millis(instant: Option<Timestamp>) -> Option<i64> {
    instant.map(|instant| instant.0)
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Io { doing: "written", reason: error.to_string() })
}
