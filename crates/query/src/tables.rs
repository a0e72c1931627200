//! How the rows of each table are made.

use crate::batch::{Cell, Rows};
use crate::dictionary::{
    ASSIGNMENTS, AssignmentColumn, CONSENTS, CUSTOMERS, ConsentColumn, CustomerColumn, DICTIONARY, DictionaryColumn,
    EVENTS, EventColumn, MEMBERSHIPS, MESSAGES, MembershipColumn, MessageColumn, REACTIONS, RECORDS, REPORTS,
    ReactionColumn, RecordColumn, ReportColumn, SHARES, ShareColumn, TABLES, TASKS, TRAITS, Table, TaskColumn,
    TraitColumn, WEBHOOKS, WebhookColumn,
};
use crate::provider::Sought;
use crate::session::Source;
use domain::message::ReactionKind;
use domain::{Call, CustomerId, Timestamp};
use engine::report::tables::Belongs;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use store::StoreError;

/// Beyond so many people the whole history is read rather than the rows that name them.
const FEW: usize = 1_000;
/// Calls in memory while it is worked out since when people belong: about 200 MB.
const CALLS_AT_ONCE: u64 = 500_000;
/// Messages read in one piece.
const MESSAGES_AT_ONCE: u32 = 1_000;

/// Reads a table: those of its rows that may be sought, with the columns of these indices.
pub(crate) fn read(
    table: &Table,
    source: &Source,
    columns: &[usize],
    sought: &Sought,
    rows: &mut Rows,
) -> Result<(), StoreError> {
    // Whether the reader had enough or the rows ended is the same here.
    let _ = match table.name {
        name if name == EVENTS.name => return events(source, sought, rows),
        name if name == MEMBERSHIPS.name => return memberships(source, columns, sought, rows),
        name if name == MESSAGES.name => return messages(source, sought, rows),
        name if name == REACTIONS.name => return reactions(source, sought, rows),
        name if name == ASSIGNMENTS.name => return assignments(source, sought, rows),
        name if name == SHARES.name => return shares(source, sought, rows),
        name if name == REPORTS.name => return reports(source, sought, rows),
        name if name == WEBHOOKS.name => return webhooks(source, sought, rows),
        name if name == TASKS.name => return tasks(source, sought, rows),
        name if name == CUSTOMERS.name => customers(source, sought, rows),
        name if name == TRAITS.name => traits(source, sought, rows),
        name if name == RECORDS.name => records(source, sought, rows),
        name if name == CONSENTS.name => consents(source, sought, rows),
        name if name == DICTIONARY.name => dictionary(rows),
        name => unreachable!("the dictionary has a table `{name}` that nobody reads"),
    };
    Ok(())
}

fn events(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let tables = &source.tables;
    let some = sought.words("customer").filter(|names| names.len() <= FEW);
    let some: Option<BTreeSet<CustomerId>> =
        some.map(|names| names.iter().flat_map(|name| tables.named(name)).collect());
    let reader = source.reader()?;
    tables.visit_calls(reader.as_ref(), some.as_ref(), &mut |_, call, owner| {
        let is_sought = sought.may_be_at(call.timestamp)
            && sought.may_be("name", call.event.as_deref())
            && sought.may_be("type", Some(call.kind.word()));
        if !is_sought {
            return rows.pass_over();
        }
        rows.push(|index| event(source, call, owner, EventColumn::ALL[index]))
    })
}

fn event<'a>(source: &'a Source, call: &'a Call, owner: CustomerId, column: EventColumn) -> Cell<'a> {
    match column {
        EventColumn::Customer => Cell::text(source.tables.name(owner)),
        EventColumn::Time => Cell::Instant(call.timestamp),
        EventColumn::ReceivedAt => Cell::Instant(call.received_at),
        EventColumn::Type => Cell::text(call.kind.word()),
        EventColumn::Name => Cell::maybe_text(call.event.as_deref()),
        EventColumn::Properties => Cell::text(call.body.get()),
        EventColumn::MessageId => Cell::text(&call.message_id),
        EventColumn::Source => Cell::text(&call.source),
        EventColumn::UserId => Cell::maybe_text(call.user_id.as_deref()),
        EventColumn::AnonymousId => Cell::maybe_text(call.anonymous_id.as_deref()),
        EventColumn::Context => Cell::maybe_text(call.context.as_deref().map(|context| context.get())),
        EventColumn::Kind => Cell::maybe_text(call.record.as_ref().map(|record| record.kind.as_ref())),
        EventColumn::Record => Cell::maybe_text(call.record.as_ref().map(|record| record.id.as_ref())),
    }
}

fn customers(source: &Source, sought: &Sought, rows: &mut Rows) -> ControlFlow<()> {
    for known in source.tables.customers() {
        let name = source.tables.name(known.id);
        if !sought.may_be("customer", Some(name)) {
            rows.pass_over()?;
            continue;
        }
        rows.push(|index| match CustomerColumn::ALL[index] {
            CustomerColumn::Customer => Cell::text(name),
            CustomerColumn::FirstSeen => Cell::Instant(known.first_seen),
            CustomerColumn::LastSeen => Cell::Instant(known.last_seen),
        })?;
    }
    ControlFlow::Continue(())
}

fn traits(source: &Source, sought: &Sought, rows: &mut Rows) -> ControlFlow<()> {
    for known in source.tables.customers() {
        let customer = source.tables.name(known.id);
        if !sought.may_be("customer", Some(customer)) {
            rows.pass_over()?;
            continue;
        }
        for (name, value, since) in &known.traits {
            if !sought.may_be("name", Some(name)) {
                rows.pass_over()?;
                continue;
            }
            rows.push(|index| match TraitColumn::ALL[index] {
                TraitColumn::Customer => Cell::text(customer),
                TraitColumn::Name => Cell::text(name),
                TraitColumn::Value => Cell::Text(Cow::Owned(value.to_string())),
                TraitColumn::Since => Cell::Instant(*since),
            })?;
        }
    }
    ControlFlow::Continue(())
}

fn records(source: &Source, sought: &Sought, rows: &mut Rows) -> ControlFlow<()> {
    for (customer, record, since) in source.tables.records() {
        let customer = source.tables.name(customer);
        if !sought.may_be("customer", Some(customer)) || !sought.may_be("kind", Some(&record.kind)) {
            rows.pass_over()?;
            continue;
        }
        rows.push(|index| match RecordColumn::ALL[index] {
            RecordColumn::Customer => Cell::text(customer),
            RecordColumn::Kind => Cell::text(&record.kind),
            RecordColumn::Record => Cell::text(&record.id),
            RecordColumn::Attributes => {
                let (attributes, _) = record.attributes(source.tables.clock());
                Cell::Text(Cow::Owned(serde_json::Value::Object(attributes).to_string()))
            }
            RecordColumn::Since => Cell::maybe_instant(since),
        })?;
    }
    ControlFlow::Continue(())
}

fn consents(source: &Source, sought: &Sought, rows: &mut Rows) -> ControlFlow<()> {
    for known in source.tables.customers() {
        let customer = source.tables.name(known.id);
        if !sought.may_be("customer", Some(customer)) {
            rows.pass_over()?;
            continue;
        }
        for said in &known.consents {
            if !sought.may_be("purpose", Some(&said.purpose)) || !sought.may_be_at(said.time) {
                rows.pass_over()?;
                continue;
            }
            rows.push(|index| match ConsentColumn::ALL[index] {
                ConsentColumn::Customer => Cell::text(customer),
                ConsentColumn::Time => Cell::Instant(said.time),
                ConsentColumn::Purpose => Cell::text(&said.purpose),
                ConsentColumn::Channel => Cell::maybe_text(said.channel.as_deref()),
                ConsentColumn::Status => Cell::text(said.status),
                ConsentColumn::Basis => Cell::maybe_text(said.basis.as_deref()),
                ConsentColumn::Source => Cell::maybe_text(said.source.as_deref()),
                ConsentColumn::TextVersion => Cell::maybe_text(said.text_version.as_deref()),
                ConsentColumn::Expires => Cell::maybe_instant(said.expires),
            })?;
        }
    }
    ControlFlow::Continue(())
}

fn memberships(source: &Source, columns: &[usize], sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let is_sought = |belongs: &Belongs<'_>| {
        sought.may_be("segment", Some(belongs.segment.as_str()))
            && sought.may_be("customer", Some(source.tables.name(belongs.customer)))
    };
    let mut push = |belongs: &Belongs<'_>, since: Option<Timestamp>| {
        rows.push(|index| match MembershipColumn::ALL[index] {
            MembershipColumn::Segment => Cell::Text(Cow::Owned(belongs.segment.to_string())),
            MembershipColumn::Customer => Cell::text(source.tables.name(belongs.customer)),
            MembershipColumn::Since => Cell::maybe_instant(since),
        })
    };
    // Only this column costs more than memory.
    if columns.iter().any(|index| MembershipColumn::ALL[*index] == MembershipColumn::Since) {
        return source.tables.visit_since(source.reader()?.as_ref(), CALLS_AT_ONCE, &is_sought, &mut push);
    }
    let _ = source.tables.memberships().filter(is_sought).try_for_each(|belongs| push(&belongs, None));
    Ok(())
}

fn messages(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.messages_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, message) in &page {
            let is_sought = sought.may_be("campaign", Some(message.campaign.as_str()))
                && sought.may_be("outcome", message.outcome.map(|outcome| outcome.word()));
            let goes_on = match is_sought {
                false => rows.pass_over(),
                true => rows.push(|index| match MessageColumn::ALL[index] {
                    MessageColumn::Message => Cell::text(&message.id.0),
                    MessageColumn::Customer => Cell::text(source.tables.name(message.customer)),
                    MessageColumn::Campaign => Cell::text(message.campaign.as_str()),
                    MessageColumn::Variant => Cell::maybe_text(message.variant.as_deref()),
                    MessageColumn::Channel => Cell::Text(Cow::Owned(message.channel.to_string())),
                    MessageColumn::DecidedAt => Cell::Instant(message.decided_at),
                    MessageColumn::Outcome => Cell::maybe_text(message.outcome.map(|outcome| outcome.word())),
                    MessageColumn::Because => Cell::maybe_text(message.because.map(|because| because.word())),
                    MessageColumn::OutcomeAt => Cell::maybe_instant(message.outcome_at),
                    MessageColumn::Step => Cell::text(&message.step),
                    MessageColumn::Template => Cell::text(message.template.as_str()),
                    MessageColumn::Purpose => Cell::text(message.purpose.as_str()),
                    MessageColumn::Detail => Cell::maybe_text(message.detail.as_deref()),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn reactions(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.reactions_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, ..)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, message, reacted) in &page {
            let kind = match reacted.kind {
                ReactionKind::Opened | ReactionKind::MachineOpened => "opened",
                ReactionKind::Clicked | ReactionKind::MachineClicked => "clicked",
            };
            let by = if reacted.kind.is_of_machine() { "machine" } else { "person" };
            let is_sought = sought.may_be("message", Some(&*message.0))
                && sought.may_be("kind", Some(kind))
                && sought.may_be("done_by", Some(by));
            let goes_on = match is_sought {
                false => rows.pass_over(),
                true => rows.push(|index| match ReactionColumn::ALL[index] {
                    ReactionColumn::Message => Cell::text(&message.0),
                    ReactionColumn::Kind => Cell::text(kind),
                    ReactionColumn::DoneBy => Cell::text(by),
                    ReactionColumn::FirstAt => Cell::Instant(reacted.first_at),
                    ReactionColumn::LastAt => Cell::Instant(reacted.last_at),
                    ReactionColumn::Times => Cell::Count(reacted.times.into()),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn assignments(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.assignments_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, assignment) in &page {
            let customer = source.tables.name(assignment.customer);
            let is_sought = sought.may_be("campaign", Some(assignment.campaign.as_str()))
                && sought.may_be("customer", Some(customer))
                && sought.may_be_at(assignment.at);
            let own = assignment.shares.iter().find(|(variant, _)| *variant == assignment.variant);
            let all = || assignment.shares.iter().map(|(variant, share)| (variant.as_ref(), u64::from(*share)));
            let shares = || serde_json::json!(all().collect::<BTreeMap<_, _>>()).to_string();
            let goes_on = match is_sought {
                false => rows.pass_over(),
                true => rows.push(|index| match AssignmentColumn::ALL[index] {
                    AssignmentColumn::Message => Cell::text(&assignment.message.0),
                    AssignmentColumn::Customer => Cell::text(customer),
                    AssignmentColumn::Campaign => Cell::text(assignment.campaign.as_str()),
                    AssignmentColumn::Step => Cell::text(&assignment.step),
                    AssignmentColumn::Comparison => Cell::Count(assignment.draw.into()),
                    AssignmentColumn::Time => Cell::Instant(assignment.at),
                    AssignmentColumn::Variant => Cell::text(&assignment.variant),
                    AssignmentColumn::Share => Cell::Count(own.map_or(0, |(_, share)| u64::from(*share))),
                    AssignmentColumn::ShareOf => Cell::Count(all().map(|(_, share)| share).sum()),
                    AssignmentColumn::Shares => Cell::Text(shares().into()),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn shares(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.sharings_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (sharing, of) in page.iter().flat_map(|(_, sharing)| sharing.variants.iter().map(move |of| (sharing, of))) {
            let goes_on = match sought.may_be("campaign", Some(sharing.campaign.as_str())) {
                false => rows.pass_over(),
                true => rows.push(|index| match ShareColumn::ALL[index] {
                    ShareColumn::Campaign => Cell::text(sharing.campaign.as_str()),
                    ShareColumn::Step => Cell::text(&sharing.step),
                    ShareColumn::Comparison => Cell::Count(sharing.draw.into()),
                    ShareColumn::Since => Cell::Instant(sharing.since),
                    ShareColumn::Variant => Cell::text(&of.variant),
                    ShareColumn::Share => Cell::Count(of.share.into()),
                    ShareColumn::Customers => Cell::Count(of.customers),
                    ShareColumn::CameBack => Cell::Count(of.came_back),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn reports(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.reports_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, report) in &page {
            let customer = report.customer.map(|customer| source.tables.name(customer));
            let is_sought = sought.may_be("kind", Some(report.kind.word()))
                && sought.may_be("customer", customer)
                && sought.may_be_at(report.at);
            let goes_on = match is_sought {
                false => rows.pass_over(),
                true => rows.push(|index| match ReportColumn::ALL[index] {
                    ReportColumn::Report => Cell::text(&report.id),
                    ReportColumn::Time => Cell::Instant(report.at),
                    ReportColumn::Kind => Cell::text(report.kind.word()),
                    ReportColumn::Message => Cell::maybe_text(report.message.as_ref().map(|message| &*message.0)),
                    ReportColumn::Customer => Cell::maybe_text(customer),
                    ReportColumn::Address => Cell::maybe_text(report.address.as_deref()),
                    ReportColumn::Status => Cell::maybe_text(report.status.as_deref()),
                    ReportColumn::Words => Cell::text(&report.words),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn webhooks(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.webhooks_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, webhook) in &page {
            let progress = &webhook.progress;
            let is_sought = sought.may_be("campaign", Some(webhook.campaign.as_str()))
                && sought.may_be("endpoint", Some(webhook.endpoint.as_str()))
                && sought.may_be("state", Some(progress.state.word()));
            let goes_on = match is_sought {
                false => rows.pass_over(),
                true => rows.push(|index| match WebhookColumn::ALL[index] {
                    WebhookColumn::Webhook => Cell::text(&webhook.id),
                    WebhookColumn::Customer => Cell::text(source.tables.name(webhook.customer)),
                    WebhookColumn::Campaign => Cell::text(webhook.campaign.as_str()),
                    WebhookColumn::Step => Cell::text(&webhook.step),
                    WebhookColumn::Endpoint => Cell::text(webhook.endpoint.as_str()),
                    WebhookColumn::Event => Cell::text(&webhook.event),
                    WebhookColumn::MadeAt => Cell::Instant(webhook.made_at),
                    WebhookColumn::State => Cell::text(progress.state.word()),
                    WebhookColumn::Attempts => Cell::Count(progress.attempts.into()),
                    WebhookColumn::Due => Cell::maybe_instant(progress.due),
                    WebhookColumn::EndedAt => Cell::maybe_instant(progress.ended_at),
                    WebhookColumn::Reply => Cell::maybe_text(progress.reply.as_deref()),
                    WebhookColumn::Body => Cell::text(&webhook.body),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn tasks(source: &Source, sought: &Sought, rows: &mut Rows) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = source.tasks_after(after, MESSAGES_AT_ONCE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, task) in &page {
            let is_sought = sought.may_be("campaign", Some(task.campaign.as_str()))
                && sought.may_be("owner", task.owner.as_deref());
            let goes_on = match is_sought {
                false => rows.pass_over(),
                true => rows.push(|index| match TaskColumn::ALL[index] {
                    TaskColumn::Task => Cell::text(&task.id),
                    TaskColumn::Customer => Cell::text(source.tables.name(task.customer)),
                    TaskColumn::Campaign => Cell::text(task.campaign.as_str()),
                    TaskColumn::Step => Cell::text(&task.step),
                    TaskColumn::Title => Cell::text(&task.title),
                    TaskColumn::Owner => Cell::maybe_text(task.owner.as_deref()),
                    TaskColumn::Due => Cell::maybe_instant(task.due),
                    TaskColumn::Draft => Cell::maybe_text(task.draft.as_ref().map(domain::Name::as_str)),
                    TaskColumn::OpenedAt => Cell::Instant(task.opened_at),
                    TaskColumn::CompletedAt => Cell::maybe_instant(task.completed_at),
                }),
            };
            if goes_on.is_break() {
                return Ok(());
            }
        }
    }
}

fn dictionary(rows: &mut Rows) -> ControlFlow<()> {
    for table in TABLES {
        for column in table.columns {
            rows.push(|index| {
                Cell::text(match DictionaryColumn::ALL[index] {
                    DictionaryColumn::Table => table.name,
                    DictionaryColumn::Column => column.name,
                    DictionaryColumn::Type => column.kind.word(),
                    DictionaryColumn::Meaning => column.meaning,
                })
            })?;
        }
    }
    ControlFlow::Continue(())
}
