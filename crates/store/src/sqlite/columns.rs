//! How the rows of each fact are read: the columns and the function that takes them stand side by side.

use super::words::{Columns, Names};
use crate::journal::StoredRow;
use crate::{
    Assignment, Attempt, CampaignFacts, DefinitionVersion, EndpointOff, Exposure, Journey, Key, MailReport,
    MessageCount, OpenTasks, PoolCount, Reacted, ReactionCount, RecordKey, Refused, Resting, RowId, Sharing,
    Suppression, Tally, TallyKey, Task, Webhook, WebhookCount, WebhookProgress,
};
use domain::message::{Approval, Decision, Message, Written};
use domain::{CustomerId, MessageId, Name, Position, Timestamp};
use rusqlite::{Connection, Params, Result, Row};
use std::sync::Arc;

/// Runs a query and reads every row of it.
pub(super) fn read_all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&mut Columns<'_, '_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut found = Vec::new();
    visit_all(connection, sql, params, read, |fact| found.push(fact))?;
    Ok(found)
}

/// Runs a query and hands on every row of it.
pub(super) fn visit_all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&mut Columns<'_, '_>) -> Result<T>,
    mut visit: impl FnMut(T),
) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut names = Names::default();
    while let Some(row) = rows.next()? {
        visit(read(&mut Columns::of(row, &mut names))?);
    }
    Ok(())
}

pub(super) const DEFINITION: &str = "kind, name, version, at_ms, by, value";
pub(super) fn definition(columns: &mut Columns<'_, '_>) -> Result<DefinitionVersion> {
    Ok(DefinitionVersion {
        kind: columns.word()?,
        name: columns.name()?,
        version: columns.take()?,
        at: columns.instant()?,
        by: columns.take()?,
        value: columns.json_if_any()?,
    })
}

pub(super) const CAMPAIGN: &str = "name, started_at_ms, draw, compared_since_ms, version, paused_at_ms, stopped_at_ms";
pub(super) fn campaign(columns: &mut Columns<'_, '_>) -> Result<CampaignFacts> {
    Ok(CampaignFacts {
        name: columns.name()?,
        started_at: columns.instant()?,
        draw: columns.take()?,
        compared_since: columns.instant()?,
        version: columns.take()?,
        paused_at: columns.instant_if_any()?,
        stopped_at: columns.instant_if_any()?,
    })
}

pub(super) const JOURNEY: &str = "id, campaign, customer, key, entered_at_ms, version, step, stage, until_ms, message, \
    trigger, ended_at_ms, record_kind, record_id, occasion, waits_since_ms, done";
pub(super) fn journey(columns: &mut Columns<'_, '_>) -> Result<Journey> {
    let journey = Journey {
        id: columns.take()?,
        campaign: columns.name()?,
        customer: columns.take().map(CustomerId)?,
        key: columns.take()?,
        entered_at: columns.instant()?,
        version: columns.take()?,
        step: columns.take()?,
        stage: columns.word()?,
        until: columns.instant_if_any()?,
        message: columns.take::<Option<Arc<str>>>()?.map(MessageId),
        trigger: columns.take()?,
        ended_at: columns.instant_if_any()?,
        record: None,
        occasion: None,
        waits_since: None,
        done: Vec::new(),
    };
    let (kind, id): (Option<Arc<str>>, Option<Arc<str>>) = (columns.take()?, columns.take()?);
    Ok(Journey {
        record: kind.zip(id).map(|(kind, id)| RecordKey { kind, id }),
        occasion: columns.take()?,
        waits_since: columns.instant_if_any()?,
        done: columns.json_if_any()?.unwrap_or_default(),
        ..journey
    })
}

pub(super) const TASK: &str =
    "id, customer, campaign, step, title, owner, due_ms, draft, opened_at_ms, completed_at_ms";
pub(super) fn task(columns: &mut Columns<'_, '_>) -> Result<Task> {
    Ok(Task {
        id: columns.take()?,
        customer: columns.take().map(CustomerId)?,
        campaign: columns.name()?,
        step: columns.take()?,
        title: columns.take()?,
        owner: columns.take()?,
        due: columns.instant_if_any()?,
        draft: columns.name_if_any()?,
        opened_at: columns.instant()?,
        completed_at: columns.instant_if_any()?,
    })
}

/// Reads `number` and `TASK`.
pub(super) fn numbered_task(columns: &mut Columns<'_, '_>) -> Result<(u64, Task)> {
    Ok((columns.take()?, task(columns)?))
}

pub(super) fn open_tasks(columns: &mut Columns<'_, '_>) -> Result<OpenTasks> {
    Ok(OpenTasks { owner: columns.take()?, count: columns.take()?, overdue: columns.take()? })
}

pub(super) fn voucher_code(columns: &mut Columns<'_, '_>) -> Result<(Name, Arc<str>, bool)> {
    Ok((columns.name()?, columns.take()?, columns.take()?))
}

pub(super) fn pool_count(columns: &mut Columns<'_, '_>) -> Result<PoolCount> {
    Ok(PoolCount {
        pool: columns.name()?,
        left: columns.take()?,
        given: columns.take()?,
        given_since: columns.take()?,
        added_at: columns.instant()?,
    })
}

/// All of a webhook but its body, which comes last.
pub(super) const WEBHOOK: &str = "id, customer, campaign, step, endpoint, event, made_at_ms, state, attempts, due_ms, \
    tried_at_ms, ended_at_ms, expires_ms, reply";
pub(super) fn webhook(columns: &mut Columns<'_, '_>) -> Result<Webhook> {
    Ok(Webhook {
        id: columns.take()?,
        customer: columns.take().map(CustomerId)?,
        campaign: columns.name()?,
        step: columns.take()?,
        endpoint: columns.name()?,
        event: columns.take()?,
        made_at: columns.instant()?,
        progress: WebhookProgress {
            state: columns.word()?,
            attempts: columns.take()?,
            due: columns.instant_if_any()?,
            tried_at: columns.instant_if_any()?,
            ended_at: columns.instant_if_any()?,
            expires: columns.instant()?,
            reply: columns.take()?,
        },
        body: columns.take()?,
    })
}

/// Reads `number`, `WEBHOOK` and `body`.
pub(super) fn numbered_webhook(columns: &mut Columns<'_, '_>) -> Result<(u64, Webhook)> {
    Ok((columns.take()?, webhook(columns)?))
}

pub(super) const ENDPOINT_OFF: &str = "name, at_ms, reason";
pub(super) fn endpoint_off(columns: &mut Columns<'_, '_>) -> Result<EndpointOff> {
    Ok(EndpointOff { name: columns.name()?, at: columns.instant()?, reason: columns.take()? })
}

/// Columns `endpoint`, `state`, `count(*)`.
pub(super) fn webhook_count(columns: &mut Columns<'_, '_>) -> Result<WebhookCount> {
    Ok(WebhookCount { endpoint: columns.name()?, state: columns.word()?, count: columns.take()? })
}

/// Of `messages`. That a body has begun to go out is written with the attempt alone.
pub(super) const MESSAGE: &str = "id, customer, campaign, step, template, variant, channel, purpose, decided_at_ms, \
    outcome, because, outcome_at_ms, attempts, \
    CASE WHEN phase = 'started' THEN coalesce((SELECT tried.phase FROM attempts AS tried \
        WHERE tried.message = messages.number AND tried.number = messages.attempts AND tried.phase = 'data'), phase) \
        ELSE phase END, \
    due_ms, expires_ms, detail, approved_at_ms, approved_by";
/// Columns of `letters`, after those of `messages`.
pub(super) const LETTER: &str = "to_address, to_name, subject, text, html, unsubscribe_path, url, icon";
/// Reads `MESSAGE`: a message without what was written.
pub(super) fn message(columns: &mut Columns<'_, '_>) -> Result<Message> {
    Ok(Message {
        id: columns.take().map(MessageId)?,
        customer: columns.take().map(CustomerId)?,
        campaign: columns.name()?,
        step: columns.take()?,
        template: columns.name()?,
        variant: columns.take()?,
        channel: columns.word()?,
        purpose: columns.name()?,
        decided_at: columns.instant()?,
        outcome: columns.word_if_any()?,
        because: columns.word_if_any()?,
        outcome_at: columns.instant_if_any()?,
        attempts: columns.take()?,
        phase: columns.word_if_any()?,
        due: columns.instant_if_any()?,
        expires: columns.instant()?,
        detail: columns.take()?,
        approved: approval(columns)?,
        written: None,
    })
}

fn approval(columns: &mut Columns<'_, '_>) -> Result<Option<Approval>> {
    let (at, by) = (columns.instant_if_any()?, columns.take::<Option<String>>()?);
    Ok(at.map(|at| Approval { at, by: by.unwrap_or_default() }))
}

/// A row of the journal by its number.
pub(super) const STORED_ROW: &str =
    "SELECT first, count, min_time_ms, max_time_ms, size_bytes, checksum, body FROM journal WHERE row = ?1";
/// Reads `STORED_ROW`. The body is looked at where SQLite has it.
pub(super) fn stored_row<'r>(id: RowId, row: &'r Row<'_>) -> Result<StoredRow<'r>> {
    Ok(StoredRow {
        id,
        first: Position(row.get(0)?),
        count: row.get(1)?,
        min_time: Timestamp(row.get(2)?),
        max_time: Timestamp(row.get(3)?),
        size_bytes: row.get(4)?,
        checksum: row.get(5)?,
        body: row.get_ref(6)?.as_blob()?,
    })
}

/// Reads `number` and `MESSAGE`.
pub(super) fn numbered_message(columns: &mut Columns<'_, '_>) -> Result<(u64, Message)> {
    Ok((columns.take()?, message(columns)?))
}

/// Reads `MESSAGE` and `LETTER`: a message with what was written, if anything was.
pub(super) fn message_with_letter(columns: &mut Columns<'_, '_>) -> Result<Message> {
    let message = message(columns)?;
    let Some(to) = columns.take()? else {
        return Ok(message);
    };
    let written = Written {
        to,
        to_name: columns.take()?,
        subject: columns.take()?,
        text: columns.take()?,
        html: columns.take()?,
        unsubscribe_path: columns.take()?,
        url: columns.take()?,
        icon: columns.take()?,
    };
    Ok(Message { written: Some(Arc::new(written)), ..message })
}

/// Of `attempts`, with the id of the message as ?1.
pub(super) const ATTEMPT: &str = "?1, number, started_at_ms, phase, ended_at_ms, result, reply";
pub(super) fn attempt(columns: &mut Columns<'_, '_>) -> Result<Attempt> {
    Ok(Attempt {
        message: columns.take().map(MessageId)?,
        number: columns.take()?,
        started_at: columns.instant()?,
        phase: columns.word()?,
        ended_at: columns.instant_if_any()?,
        result: columns.take()?,
        reply: columns.take()?,
    })
}

pub(super) const REACTED: &str = "kind, first_at_ms, last_at_ms, times";
pub(super) fn reacted(columns: &mut Columns<'_, '_>) -> Result<Reacted> {
    Ok(Reacted {
        kind: columns.word()?,
        first_at: columns.instant()?,
        last_at: columns.instant()?,
        times: columns.take()?,
    })
}

/// Reads the number, the message's id and `REACTED`.
pub(super) fn numbered_reaction(columns: &mut Columns<'_, '_>) -> Result<(u64, MessageId, Reacted)> {
    Ok((columns.take()?, columns.take().map(MessageId)?, reacted(columns)?))
}

/// Columns `campaign`, `kind`, `count(*)`.
pub(super) fn reaction_count(columns: &mut Columns<'_, '_>) -> Result<ReactionCount> {
    Ok(ReactionCount { campaign: columns.name()?, kind: columns.word()?, messages: columns.take()? })
}

pub(super) const DECISION: &str =
    "number, message, customer, campaign, step, at_ms, outcome, because, detail, until_ms";
pub(super) fn decision(columns: &mut Columns<'_, '_>) -> Result<(u64, Decision)> {
    let number = columns.take()?;
    let decision = Decision {
        message: columns.take().map(MessageId)?,
        customer: columns.take().map(CustomerId)?,
        campaign: columns.name()?,
        step: columns.take()?,
        at: columns.instant()?,
        outcome: columns.word()?,
        because: columns.word_if_any()?,
        detail: columns.take()?,
        until: columns.instant_if_any()?,
    };
    Ok((number, decision))
}

pub(super) const EXPOSURE: &str = "journey, campaign, customer, arm, at_ms, until_ms, came_back_at_ms, goals, worth";
pub(super) fn exposure(columns: &mut Columns<'_, '_>) -> Result<Exposure> {
    Ok(Exposure {
        journey: columns.take()?,
        campaign: columns.name()?,
        customer: columns.take().map(CustomerId)?,
        arm: columns.word()?,
        at: columns.instant()?,
        until: columns.instant()?,
        came_back_at: columns.instant_if_any()?,
        goals: columns.take()?,
        worth: columns.json_if_any()?.unwrap_or_default(),
    })
}

/// Columns `channel`, `domain`, `in_a_row`, `until_ms`.
pub(super) fn resting(columns: &mut Columns<'_, '_>) -> Result<Resting> {
    Ok(Resting {
        channel: columns.word()?,
        domain: columns.take()?,
        in_a_row: columns.take()?,
        until: columns.instant()?,
    })
}

pub(super) const SHARING: &str = "campaign, step, draw, since_ms, variants";
pub(super) fn sharing(columns: &mut Columns<'_, '_>) -> Result<Sharing> {
    Ok(Sharing {
        campaign: columns.name()?,
        step: columns.take()?,
        draw: columns.take()?,
        since: columns.instant()?,
        variants: columns.json_if_any()?.unwrap_or_default(),
    })
}

/// With the columns of an exposure after it, which are null where there is none.
pub(super) const ASSIGNMENT: &str = "message, assignments.journey, assignments.campaign, step, draw, \
    assignments.customer, assignments.at_ms, variant, shares, arm, exposures.at_ms, until_ms, came_back_at_ms, goals, worth";
pub(super) fn assignment(columns: &mut Columns<'_, '_>) -> Result<(Assignment, Option<Exposure>)> {
    let assignment = assignment_alone(columns)?;
    let Some(arm) = columns.word_if_any()? else { return Ok((assignment, None)) };
    let exposure = Exposure {
        journey: assignment.journey.clone(),
        campaign: assignment.campaign.clone(),
        // An assignment and the exposure of its journey stand under the same id.
        customer: assignment.customer,
        arm,
        at: columns.instant()?,
        until: columns.instant()?,
        came_back_at: columns.instant_if_any()?,
        goals: columns.take()?,
        worth: columns.json_if_any()?.unwrap_or_default(),
    };
    Ok((assignment, Some(exposure)))
}

fn assignment_alone(columns: &mut Columns<'_, '_>) -> Result<Assignment> {
    Ok(Assignment {
        message: columns.take().map(MessageId)?,
        journey: columns.take()?,
        campaign: columns.name()?,
        step: columns.take()?,
        draw: columns.take()?,
        customer: columns.take().map(CustomerId)?,
        at: columns.instant()?,
        variant: columns.take()?,
        shares: columns.json_if_any::<Vec<(Arc<str>, u32)>>()?.unwrap_or_default().into(),
    })
}

/// Reads the number and an assignment without what came of it.
pub(super) fn numbered_assignment(columns: &mut Columns<'_, '_>) -> Result<(u64, Assignment)> {
    Ok((columns.take()?, assignment_alone(columns)?))
}

/// Reads the number and `SHARING`.
pub(super) fn numbered_sharing(columns: &mut Columns<'_, '_>) -> Result<(u64, Sharing)> {
    Ok((columns.take()?, sharing(columns)?))
}

pub(super) const SUPPRESSION: &str = "address, at_ms, reason";
pub(super) fn suppression(columns: &mut Columns<'_, '_>) -> Result<Suppression> {
    Ok(Suppression { address: columns.take()?, at: columns.instant()?, reason: columns.take()? })
}

pub(super) const REPORT: &str = "id, at_ms, kind, message, customer, address, status, words, raw";
pub(super) fn report(columns: &mut Columns<'_, '_>) -> Result<MailReport> {
    Ok(MailReport {
        id: columns.take()?,
        at: columns.instant()?,
        kind: columns.word()?,
        message: columns.take::<Option<Arc<str>>>()?.map(MessageId),
        customer: columns.take::<Option<u32>>()?.map(CustomerId),
        address: columns.take()?,
        status: columns.take()?,
        words: columns.take()?,
        raw: columns.take()?,
    })
}

/// Reads `number` and `REPORT`.
pub(super) fn numbered_report(columns: &mut Columns<'_, '_>) -> Result<(u64, MailReport)> {
    Ok((columns.take()?, report(columns)?))
}

pub(super) const REFUSED: &str = "id, at_ms, source, trust, reason, message, raw";
pub(super) fn refused(columns: &mut Columns<'_, '_>) -> Result<Refused> {
    Ok(Refused {
        id: columns.take()?,
        at: columns.instant()?,
        source: columns.take()?,
        trust: columns.word()?,
        reason: columns.take()?,
        message: columns.take()?,
        raw: columns.take()?,
    })
}

pub(super) const KEY: &str = "id, hash, trust, source, created_at_ms, revoked_at_ms";
pub(super) fn key(columns: &mut Columns<'_, '_>) -> Result<Key> {
    Ok(Key {
        id: columns.take()?,
        hash: columns.take()?,
        trust: columns.word()?,
        source: columns.take()?,
        created_at: columns.instant()?,
        revoked_at: columns.instant_if_any()?,
    })
}

pub(super) const TALLY: &str = "day, source, reception, reason, count";
pub(super) fn tally(columns: &mut Columns<'_, '_>) -> Result<Tally> {
    let key = TallyKey {
        day: columns.take()?,
        source: columns.take()?,
        reception: columns.word()?,
        reason: columns.take::<String>().map(|reason| Some(reason).filter(|reason| !reason.is_empty()))?,
    };
    Ok(Tally { key, count: columns.take()? })
}

pub(super) const MESSAGE_COUNT: &str = "campaign, outcome, because, count(*)";
pub(super) fn message_count(columns: &mut Columns<'_, '_>) -> Result<MessageCount> {
    Ok(MessageCount {
        campaign: columns.name()?,
        outcome: columns.word_if_any()?,
        because: columns.word_if_any()?,
        count: columns.take()?,
    })
}
