//! Stories that every `Store` must pass: `store_contract!(make)` makes a test of each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed, and the line says where")]

use domain::message::{
    Approval, Because, Channel, Decision, Message, Outcome, Phase, ReactionKind, ReportKind, Written,
};
use domain::{Call, CallKind, CustomerId, DefinitionKind, MessageId, Money, Name, Position, Span, Timestamp, Trust};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use store::{
    Arm, Assignment, Attempt, CampaignFacts, Commit, DecisionFilter, DefinitionVersion, EndpointChange, EndpointOff,
    ErasedName, Erasure, Exposure, HistoryLimits, JournalRow, Journey, Key, MailReport, MessageFilter, Page, Prepared,
    ROW_CALLS, Reacted, Reaction, Reception, RecordKey, Refused, ReportFilter, RestChange, Resting, RowId, Sharing,
    Stage, Store, StoreError, Suppression, SuppressionChange, TakenFrom, TallyKey, Task, TaskFilter, Transition,
    UNMATCHED_KEPT, VariantShare, VoucherCode, VoucherGiven, VoucherPool, Webhook, WebhookFilter, WebhookProgress,
    WebhookState, address_alone,
};

/// Where a store keeps its data: opened again, it has what was committed.
pub trait Place {
    /// Opens the store. What was opened before has been dropped.
    fn open(&self) -> Box<dyn Store>;
}

/// Makes a test of every story. `make` is a path to a function that gives a new, empty `Place`.
#[macro_export]
macro_rules! store_contract {
    ($make:path) => {
        $crate::store_contract!($make:
            a_new_store_is_empty_and_keeps_its_secrets
            what_was_committed_is_there_after_reopening
            calls_come_back_as_they_were_in_rows_of_a_thousand
            a_replay_goes_on_after_any_row
            a_failed_commit_leaves_no_trace
            a_commit_that_does_not_follow_is_refused
            a_reader_sees_each_commit_once_it_is_done
            a_reader_at_rest_shows_what_was_committed_then
            pages_follow_each_other
            entries_and_exits_are_paged_however_many_came_at_once
            lists_are_filtered_by_what_is_asked
            waiting_messages_come_first_then_the_latest_outcome
            what_was_written_stays_when_a_message_changes
            how_far_an_attempt_has_come_is_seen_at_its_message
            a_mail_is_kept_as_it_went_out_first
            what_is_done_with_a_message_is_counted_once_for_it
            what_changed_several_times_in_a_commit_is_as_its_last_change
            recover_brings_back_open_journeys_and_the_last_entry
            tasks_are_listed_until_they_are_done_and_webhooks_stay_as_they_were_made
            a_code_of_a_pool_is_imported_once_and_given_once
            tasks_stand_in_the_order_in_which_they_are_due
            a_webhook_is_recovered_until_it_is_done_or_given_up
            an_endpoint_is_off_until_a_person_turns_it_on
            recover_brings_back_open_messages_and_a_year_of_those_sent
            recover_brings_back_exposures_until_their_window_closes
            recover_brings_back_who_got_which_variant_and_what_came_of_it
            who_got_which_variant_is_read_in_order_piece_by_piece
            the_latest_version_counts_and_deleted_definitions_are_gone
            a_suppression_holds_until_it_is_lifted
            a_domain_rests_until_it_takes_something
            a_revoked_key_stays_known
            tallies_add_up_and_show_the_newest_days
            reports_are_found_by_their_message_and_the_newest_unmatched_are_kept
            refused_calls_are_numbered_and_go_when_dismissed
            old_and_too_many_refused_calls_are_forgotten
            the_calls_of_some_are_found_among_those_of_all
            sealing_changes_nothing_that_can_be_seen
            files_of_history_follow_each_other_without_gaps
            the_calls_of_some_are_found_in_history
            a_replay_sees_each_call_once_while_rows_are_sealed_and_merged
            a_file_that_was_never_adopted_is_forgotten
            a_file_is_adopted_once
            an_erased_person_leaves_no_trace_and_everybody_else_all_of_theirs
            what_was_prepared_before_somebody_was_erased_is_refused
        );
    };
    ($make:path: $($story:ident)+) => {
        $(
            #[test]
            fn $story() {
                $crate::store_contract::$story(&$make());
            }
        )+
    };
}

/// A store that holds nothing answers with nothing.
pub fn a_new_store_is_empty_and_keeps_its_secrets(place: &dyn Place) {
    let first = place.open().recover().unwrap();
    assert_eq!(first.position, Position(0));
    assert_eq!(first.clock, Timestamp(0));
    assert!(first.messages.is_empty() && first.journeys.is_empty() && first.definitions.is_empty());
    let store = place.open();
    assert!(store.recover().unwrap().secrets == first.secrets, "secrets are made once");
    assert!(rows_of(&*store).is_empty());
    assert!(store.reader().unwrap().rows(&[RowId(0), RowId(1), RowId(u64::MAX)]).unwrap().is_empty());
    assert!(store.reader().unwrap().message(&message_id(1)).unwrap().is_none());
}

/// One of everything, and again after opening the store anew.
pub fn what_was_committed_is_there_after_reopening(place: &dyn Place) {
    let mut store = place.open();
    let commit = one_of_everything();
    store.commit(&commit).unwrap();
    let before = describe(&*store);
    let recovered = store.recover().unwrap();
    drop(store);

    let store = place.open();
    assert_eq!(describe(&*store), before);
    assert_eq!(recovered.position, commit.position);
    assert_eq!(recovered.clock, commit.clock);
    assert_eq!(recovered.clock_offset_ms, 7);
    assert_eq!(recovered.definitions, commit.definitions);
    assert_eq!(recovered.campaigns, commit.campaigns);
    assert_eq!(recovered.journeys, commit.journeys);
    assert_eq!(recovered.messages, commit.messages);
    assert_eq!(recovered.exposures, commit.exposures);
    assert_eq!(recovered.keys, commit.keys);
    assert_eq!(recovered.suppressions.len(), 1);
    let reader = store.reader().unwrap();
    let (found, attempts) = reader.message(&message_id(1)).unwrap().unwrap();
    assert_eq!((&found, &attempts), (&commit.messages[0], &commit.attempts));
    assert_eq!(reader.decisions(&DecisionFilter::default(), ALL).unwrap(), [(1, commit.decisions[0].clone())]);
    assert_eq!(reader.transitions(&name("regulars"), ALL).unwrap(), commit.transitions);
}

/// Ids, text of any kind and the bytes of a body are those of the call; rows are numbered from 1.
pub fn calls_come_back_as_they_were_in_rows_of_a_thousand(place: &dyn Place) {
    let mut store = place.open();
    let mut calls: Vec<Arc<Call>> = (1..=2 * ROW_CALLS as u64 + 1).map(call).collect();
    calls[3] = Arc::new(Call {
        body: raw(
            "{\n  \"note\": \"line\\nfeed, \\u00e9, 🍵\",\n  \"price\": 12.50, \"big\": 12345678901234567890123\n}",
        ),
        context: Some(raw("{ }")),
        event: Some("Tëa \u{2028} \"drunk\"\\".into()),
        ..(*calls[3]).clone()
    });
    append(&mut *store, &calls[..5]);
    append(&mut *store, &calls[5..]);
    drop(store);

    let rows = rows_of(&*place.open());
    let shape: Vec<_> = rows.iter().map(|row| (row.id.0, row.first.0, row.calls.len())).collect();
    assert_eq!(shape, [(1, 1, 5), (2, 6, ROW_CALLS), (3, 6 + ROW_CALLS as u64, ROW_CALLS - 4)]);
    let found: Vec<String> = rows.iter().flat_map(|row| &row.calls).map(|call| format!("{call:?}")).collect();
    let expected: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
    assert_eq!(found, expected);
    assert_eq!(rows[0].calls[3].body.get(), calls[3].body.get(), "white space of a body is kept");
}

/// The calls that name somebody, each at its position, whatever stands in names and bodies.
pub fn the_calls_of_some_are_found_among_those_of_all(place: &dyn Place) {
    let mut store = place.open();
    let odd = |name: &str| {
        let mut call = call(1).as_ref().clone();
        call.user_id = Some(name.into());
        call.message_id = format!("odd-{name}").into();
        call.body = raw("{\"u\":\"user-2\",\n\"x\":[{\"a\":\"visitor-3\"}]}");
        Arc::new(call)
    };
    append(&mut *store, &(1..=20).map(call).collect::<Vec<_>>());
    append(&mut *store, &[odd("a\"b\n"), odd("ü"), call(22)]);
    append(&mut *store, &[call(23)]);
    let reader = store.reader().unwrap();
    let found = |rows: &[u64], names: &[&str]| {
        let rows: Vec<RowId> = rows.iter().copied().map(RowId).collect();
        let names = names.iter().map(|name| Arc::from(*name)).collect();
        let calls = reader.calls_naming(&rows, &names).unwrap();
        let told = calls.into_iter().map(|(position, call)| (position.0, call.message_id.to_string()));
        told.collect::<Vec<_>>()
    };
    let message = |number: u64, position| (position, format!("message-{number}"));
    assert_eq!(found(&[2, 1, 77], &["user-2", "visitor-3"]), [message(2, 2), message(3, 3), message(22, 23)]);
    assert_eq!(found(&[2], &["ü", "a\"b\n"]), [(21, "odd-a\"b\n".to_owned()), (22, "odd-ü".to_owned())]);
    assert_eq!(found(&[3], &["user-2"]), []);
    assert_eq!(found(&[], &["user-2"]), []);
    assert_eq!(found(&[1, 2], &[]), []);
}

/// From the beginning, from the middle, from the end; an error of the visitor stops it.
pub fn a_replay_goes_on_after_any_row(place: &dyn Place) {
    let mut store = place.open();
    for number in 1..=4 {
        append(&mut *store, &[call(number)]);
    }
    let reader = store.reader().unwrap();
    let after = |row| {
        let mut seen = Vec::new();
        reader
            .replay(RowId(row), &mut |row| {
                seen.push(row.id.0);
                Ok(())
            })
            .unwrap();
        seen
    };
    assert_eq!(after(0), [1, 2, 3, 4]);
    assert_eq!(after(2), [3, 4]);
    assert!(after(4).is_empty() && after(99).is_empty() && after(u64::MAX).is_empty());
    let rows = reader.rows(&[RowId(4), RowId(2), RowId(77), RowId(2)]).unwrap();
    assert_eq!(rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [2, 4]);
    let mut visits = 0;
    let stop = reader.replay(RowId(0), &mut |_| {
        visits += 1;
        Err(StoreError::Io { doing: "read", reason: "enough".to_owned() })
    });
    assert!(stop.is_err() && visits == 1);
}

/// A commit whose last part cannot be done takes its first parts back.
pub fn a_failed_commit_leaves_no_trace(place: &dyn Place) {
    let mut store = place.open();
    store.commit(&one_of_everything()).unwrap();
    let before = describe(&*store);
    let mut commit = one_of_everything();
    commit.calls = (4..=6).map(call).collect();
    commit.position = Position(6);
    commit.messages = vec![message(9)];
    // Version 1 was committed: calls, messages and all that is written before must not stay.
    assert!(store.commit(&commit).is_err());
    assert_eq!(describe(&*store), before);
    drop(store);

    let mut store = place.open();
    assert_eq!(describe(&*store), before);
    commit.definitions.clear();
    // A code is imported once as well.
    commit.codes.clear();
    store.commit(&commit).unwrap();
    assert_eq!(store.recover().unwrap().position, Position(6), "the store goes on after a failure");
}

/// Calls are counted without gaps, so that a position names one call for ever.
pub fn a_commit_that_does_not_follow_is_refused(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, &[call(1), call(2)]);
    let before = describe(&*store);
    for position in [0, 1, 2, 4, u64::MAX] {
        let commit = Commit { calls: vec![call(3)], position: Position(position), ..Commit::default() };
        assert!(store.commit(&commit).is_err(), "{position}");
    }
    assert!(store.commit(&Commit { position: Position(3), ..Commit::default() }).is_err());
    assert_eq!(describe(&*store), before);
}

/// Readers opened before a commit see it as soon as it is done.
pub fn a_reader_sees_each_commit_once_it_is_done(place: &dyn Place) {
    let mut store = place.open();
    let reader = store.reader().unwrap();
    for number in 1..=3 {
        append(&mut *store, &[call(number)]);
        let mut seen = 0;
        reader
            .replay(RowId(0), &mut |row| {
                seen += row.calls.len() as u64;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, number);
        assert_eq!(store.recover().unwrap().position, Position(number));
    }
}

/// What comes later does not show, neither in what grows nor in what changes; messages come in order, piece by piece.
pub fn a_reader_at_rest_shows_what_was_committed_then(place: &dyn Place) {
    let mut store = place.open();
    append(&mut *store, &[call(1)]);
    let first = Message { outcome: Some(Outcome::Held), ..message(1) };
    store
        .commit(&Commit {
            position: Position(1),
            messages: vec![first.clone(), message(2), message(3)],
            ..Commit::default()
        })
        .unwrap();
    let rest = store.reader().unwrap().at_rest().unwrap();
    append(&mut *store, &[call(2)]);
    let changed = Message { outcome: Some(Outcome::Sent), ..message(1) };
    store.commit(&Commit { position: Position(2), messages: vec![changed, message(4)], ..Commit::default() }).unwrap();

    let mut calls = 0;
    rest.replay(RowId(0), &mut |row| {
        calls += row.calls.len();
        Ok(())
    })
    .unwrap();
    assert_eq!(calls, 1);
    let found = rest.messages_after(0, 2).unwrap();
    assert_eq!(found[0].1, Message { written: None, ..first.clone() }, "without its letter");
    let (last, _) = found[1];
    let others: Vec<MessageId> = rest.messages_after(last, 2).unwrap().into_iter().map(|(_, it)| it.id).collect();
    assert_eq!(others, [message_id(3)]);
    assert_eq!(rest.message(&message_id(1)).unwrap().unwrap().0, first);
    assert!(rest.messages_after(u64::MAX, 2).unwrap().is_empty());
    let another = store.reader().unwrap().at_rest().unwrap();
    assert_eq!(another.messages_after(0, 9).unwrap().len(), 4, "another one rests where things are now");
    assert_eq!(rest.messages_after(0, 9).unwrap().len(), 3);
}

/// An attempt alone says that its body has begun to go out, and when it began is written once; a commit that fails moves
/// nothing, nor does what is told of an attempt that is over.
pub fn how_far_an_attempt_has_come_is_seen_at_its_message(place: &dyn Place) {
    let mut store = place.open();
    let under_way = Message { outcome: None, because: None, attempts: 2, phase: Some(Phase::Started), ..message(1) };
    let in_phase = |number, phase, minutes| Attempt {
        started_at: NOW.plus(Span::minutes(minutes)),
        phase,
        ended_at: None,
        result: None,
        reply: None,
        ..attempt(1, number)
    };
    let began =
        Commit { messages: vec![under_way], attempts: vec![in_phase(2, Phase::Started, 0)], ..Commit::default() };
    store.commit(&began).unwrap();
    let goes_out = |number| Commit { attempts: vec![in_phase(number, Phase::Data, 1)], ..Commit::default() };
    let seen = |store: &dyn Store| {
        let (message, attempts) = store.reader().unwrap().message(&message_id(1)).unwrap().unwrap();
        let recovered = store.recover().unwrap().messages.pop().unwrap();
        assert_eq!(recovered.phase, message.phase);
        let attempts: Vec<_> = attempts.into_iter().map(|it| (it.number, it.phase, it.started_at)).collect();
        (message.phase, attempts)
    };
    let minute = NOW.plus(Span::minutes(1));
    store.commit(&goes_out(1)).unwrap();
    assert_eq!(
        seen(&*store),
        (Some(Phase::Started), vec![(1, Phase::Data, minute), (2, Phase::Started, NOW)]),
        "it was about another attempt"
    );
    let does_not_follow = Commit { position: Position(9), calls: vec![call(9)], ..goes_out(2) };
    store.commit(&does_not_follow).unwrap_err();
    assert_eq!(seen(&*store).0, Some(Phase::Started));
    store.commit(&goes_out(2)).unwrap();
    let gone = (Some(Phase::Data), vec![(1, Phase::Data, minute), (2, Phase::Data, NOW)]);
    assert_eq!(seen(&*store), gone);
    drop(store);
    let mut store = place.open();
    assert_eq!(seen(&*store), gone, "it is the same after a stop");
    let put_off = Message { outcome: None, because: None, attempts: 2, phase: None, ..message(1) };
    let over = Commit { messages: vec![put_off], attempts: vec![in_phase(2, Phase::Done, 5)], ..Commit::default() };
    store.commit(&over).unwrap();
    assert_eq!(seen(&*store), (None, vec![(1, Phase::Data, minute), (2, Phase::Done, NOW)]));
}

/// Whatever is told of it later.
pub fn a_mail_is_kept_as_it_went_out_first(place: &dyn Place) {
    let mut store = place.open();
    let kept = |mail: &str| vec![(message_id(1), mail.into()), (message_id(9), "of no message".into())];
    let first = Commit { messages: vec![message(1), message(2)], kept_mails: kept("first"), ..Commit::default() };
    store.commit(&first).unwrap();
    store.commit(&Commit { kept_mails: kept("second"), ..Commit::default() }).unwrap();
    let store = {
        drop(store);
        place.open()
    };
    let reader = store.reader().unwrap();
    assert_eq!(reader.kept_mail(&message_id(1)).unwrap().as_deref(), Some("first"));
    assert_eq!(reader.kept_mail(&message_id(2)).unwrap(), None);
}

/// Pages together hold each row once, newest first.
pub fn pages_follow_each_other(place: &dyn Place) {
    let mut store = place.open();
    let commit = Commit {
        transitions: (1..=25).map(|number| transition("regulars", number)).collect(),
        decisions: (1..=25).map(|number| decision(number, Outcome::Sent)).collect(),
        messages: (1..=25).map(message).collect(),
        refused: (1..=25).map(|number| refused(number, NOW)).collect(),
        clock: NOW,
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    let reader = store.reader().unwrap();
    let pages = [Page { skip: 0, limit: 10 }, Page { skip: 10, limit: 10 }, Page { skip: 20, limit: 10 }];
    let newest_first: Vec<u64> = (1..=25).rev().collect();
    let numbers = |of: &dyn Fn(Page) -> Vec<u64>| pages.into_iter().flat_map(of).collect::<Vec<u64>>();
    let of = |transition: &Transition| u64::from(transition.customer.0);
    let regulars = name("regulars");
    assert_eq!(numbers(&|page| reader.transitions(&regulars, page).unwrap().iter().map(of).collect()), newest_first);
    let of = |(number, _): &(u64, Decision)| *number;
    assert_eq!(
        numbers(&|page| reader.decisions(&DecisionFilter::default(), page).unwrap().iter().map(of).collect()),
        newest_first
    );
    assert_eq!(numbers(&|page| reader.refused(page).unwrap().iter().map(|it| it.id).collect()), newest_first);
    let ids: Vec<_> = pages
        .into_iter()
        .flat_map(|page| reader.messages(&MessageFilter::default(), page).unwrap())
        .map(|it| it.id)
        .collect();
    assert_eq!(ids, newest_first.iter().map(|number| message_id(*number)).collect::<Vec<_>>());
    assert!(reader.refused(Page { skip: 25, limit: 10 }).unwrap().is_empty());
    assert!(reader.refused(Page { skip: u64::MAX, limit: 10 }).unwrap().is_empty());
}

/// Ten thousand people enter at once and others now and then: pages of any size hold each once, newest first.
pub fn entries_and_exits_are_paged_however_many_came_at_once(place: &dyn Place) {
    let mut store = place.open();
    let mut all = Vec::new();
    for (commit, count) in [3, 10_000, 1, 5_000].into_iter().enumerate() {
        let first = all.len() as u64 + 1;
        let came: Vec<_> = (first..first + count)
            .map(|number| Transition { at: NOW.plus(Span(number.cast_signed())), ..transition("regulars", number) })
            .collect();
        // Another segment's come in between, and are not told with these.
        let others = came.iter().step_by(3).map(|it| Transition { segment: name("lapsed"), ..it.clone() });
        let mut transitions: Vec<_> = came.iter().cloned().chain(others).collect();
        transitions.sort_by_key(|it| it.at);
        let clock = NOW.plus(Span(commit as i64));
        store.commit(&Commit { transitions, clock, ..Commit::default() }).unwrap();
        all.extend(came);
    }
    all.reverse();
    drop(store);
    let store = place.open();
    let reader = store.reader().unwrap();
    assert_eq!(reader.transitions(&name("regulars"), Page { skip: 0, limit: u32::MAX }).unwrap(), all);
    for (skip, limit) in [(0, 50), (4_990, 20), (5_000, 1), (9_095, 5_000), (15_000, 10), (u64::MAX, 10), (0, 0)] {
        let from = usize::try_from(skip).unwrap().min(all.len());
        let expected = &all[from..(from + limit as usize).min(all.len())];
        assert_eq!(reader.transitions(&name("regulars"), Page { skip, limit }).unwrap(), expected, "{skip} {limit}");
    }
}

/// Each filter alone and together.
pub fn lists_are_filtered_by_what_is_asked(place: &dyn Place) {
    let mut store = place.open();
    let held = |number| Decision { because: Some(Because::QuietHours), ..decision(number, Outcome::Held) };
    let other = |number| Message { campaign: name("reorder"), ..message(number) };
    let commit = Commit {
        transitions: vec![transition("regulars", 1), transition("regulars", 2), transition("lapsed", 1)],
        decisions: vec![decision(1, Outcome::Sent), held(2), held(1)],
        messages: vec![message(1), Message { outcome: None, outcome_at: None, ..other(2) }, other(3)],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    let reader = store.reader().unwrap();
    let transitions = |segment: &str| reader.transitions(&name(segment), ALL).unwrap();
    assert_eq!(transitions("regulars"), [transition("regulars", 2), transition("regulars", 1)]);
    assert_eq!(transitions("lapsed"), [transition("lapsed", 1)]);
    assert!(transitions("welcomed").is_empty());

    let decisions =
        |filter| reader.decisions(&filter, ALL).unwrap().into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    let any = DecisionFilter::default;
    assert_eq!(decisions(DecisionFilter { message: Some(message_id(1)), ..any() }), [3, 1]);
    assert_eq!(decisions(DecisionFilter { customer: Some(CustomerId(2)), ..any() }), [2]);
    assert_eq!(decisions(DecisionFilter { outcome: Some(Outcome::Held), ..any() }), [3, 2]);
    assert_eq!(decisions(DecisionFilter { because: Some(Because::Paused), ..any() }), [0_u64; 0]);
    assert_eq!(
        decisions(DecisionFilter {
            customer: Some(CustomerId(1)),
            campaign: Some(name("win-back")),
            because: Some(Because::QuietHours),
            ..any()
        }),
        [3]
    );

    let messages = |filter| reader.messages(&filter, ALL).unwrap().into_iter().map(|it| it.id).collect::<Vec<_>>();
    let any = MessageFilter::default;
    assert_eq!(messages(MessageFilter { campaign: Some(name("reorder")), ..any() }), [message_id(2), message_id(3)]);
    assert_eq!(messages(MessageFilter { waiting: true, ..any() }), [message_id(2)]);
    assert_eq!(
        messages(MessageFilter { customer: Some(CustomerId(3)), outcome: Some(Outcome::Sent), ..any() }),
        [message_id(3)]
    );
    assert_eq!(reader.journey_counts(&name("reorder")).unwrap(), (0, 0));
    let counts: Vec<_> =
        reader.message_counts(Some(&name("reorder"))).unwrap().into_iter().map(|it| (it.outcome, it.count)).collect();
    assert_eq!(counts, [(None, 1), (Some(Outcome::Sent), 1)]);
    assert_eq!(reader.message_counts(None).unwrap().len(), 3);
}

/// The outbox stands before what is over.
pub fn waiting_messages_come_first_then_the_latest_outcome(place: &dyn Place) {
    let mut store = place.open();
    let at = |number, outcome, days| Message {
        outcome,
        outcome_at: outcome.map(|_| NOW.minus(Span::days(days))),
        ..message(number)
    };
    let commit = Commit {
        messages: vec![at(1, Some(Outcome::Sent), 3), at(2, None, 0), at(3, Some(Outcome::Failed), 1), at(4, None, 0)],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    // A hold that is lifted waits again.
    store.commit(&Commit { messages: vec![at(1, None, 0)], ..Commit::default() }).unwrap();
    let found = store.reader().unwrap().messages(&MessageFilter::default(), ALL).unwrap();
    let ids: Vec<_> = found.into_iter().map(|it| it.id).collect();
    assert_eq!(ids, [message_id(4), message_id(2), message_id(1), message_id(3)]);
}

/// The parts sent survive changes that do not carry them, and follow those that do.
pub fn what_was_written_stays_when_a_message_changes(place: &dyn Place) {
    let mut store = place.open();
    let read = |store: &dyn Store| store.reader().unwrap().message(&message_id(1)).unwrap().unwrap().0;
    store.commit(&Commit { messages: vec![message(1)], ..Commit::default() }).unwrap();
    let failed = Message { written: None, outcome: Some(Outcome::Failed), ..message(1) };
    store.commit(&Commit { messages: vec![failed.clone()], ..Commit::default() }).unwrap();
    assert_eq!(read(&*store), Message { written: message(1).written, ..failed });
    let mut again = message(1);
    Arc::make_mut(again.written.as_mut().unwrap()).html = None;
    store.commit(&Commit { messages: vec![again.clone()], ..Commit::default() }).unwrap();
    assert_eq!(read(&*store), again);
    let unwritten = Message { written: None, ..message(2) };
    store.commit(&Commit { messages: vec![unwritten.clone()], ..Commit::default() }).unwrap();
    assert_eq!(store.reader().unwrap().message(&message_id(2)).unwrap().unwrap(), (unwritten, Vec::new()));
}

/// Opens and clicks: a message counts once for each kind, however often; what is about no message counts nowhere.
pub fn what_is_done_with_a_message_is_counted_once_for_it(place: &dyn Place) {
    let mut store = place.open();
    let other = Message { campaign: name("reorder"), ..message(3) };
    let commit = Commit { messages: vec![message(1), message(2), other], ..Commit::default() };
    store.commit(&commit).unwrap();
    let reaction =
        |number, kind, minutes| Reaction { message: message_id(number), kind, at: NOW.plus(Span::minutes(minutes)) };
    let (opened, by_machine) = (ReactionKind::Opened, ReactionKind::MachineOpened);
    for reactions in [
        vec![reaction(1, by_machine, 0), reaction(1, opened, 30), reaction(1, opened, 10), reaction(9, opened, 1)],
        vec![reaction(1, opened, 60), reaction(2, by_machine, 1), reaction(3, ReactionKind::Clicked, 5)],
    ] {
        store.commit(&Commit { reactions, ..Commit::default() }).unwrap();
    }
    let reader = store.reader().unwrap();
    let at = |minutes| NOW.plus(Span::minutes(minutes));
    assert_eq!(
        reader.reactions(&message_id(1)).unwrap(),
        [
            Reacted { kind: opened, first_at: at(10), last_at: at(60), times: 3 },
            Reacted { kind: by_machine, first_at: at(0), last_at: at(0), times: 1 },
        ]
    );
    assert!(reader.reactions(&message_id(9)).unwrap().is_empty(), "there is no such message");
    let counts = |campaign: Option<&Name>| -> Vec<(String, &str, u64)> {
        let counts = reader.reaction_counts(campaign).unwrap();
        counts.into_iter().map(|it| (it.campaign.to_string(), it.kind.word(), it.messages)).collect()
    };
    let win_back = [("win-back".to_owned(), "machine_opened", 2), ("win-back".to_owned(), "opened", 1)];
    assert_eq!(counts(Some(&name("win-back"))), win_back);
    assert_eq!(counts(None).len(), 3);
    let seen: Vec<_> = reader.reactions_after(1, 2).unwrap().into_iter().map(|(n, id, it)| (n, id, it.kind)).collect();
    assert_eq!(seen, [(2, message_id(1), opened), (3, message_id(2), by_machine)]);
}

/// A commit from which everything but the latest of each was taken leaves what the whole one does.
pub fn what_changed_several_times_in_a_commit_is_as_its_last_change(place: &dyn Place) {
    let mut waits = message(1);
    (waits.outcome, waits.outcome_at) = (None, None);
    let mut gone = message(1);
    gone.written = gone.written.as_deref().map(address_alone).map(Arc::new);
    let held = Message { written: None, ..message(2) };
    let mut inside = journey(1);
    (inside.step, inside.stage, inside.ended_at) = (0, Stage::Due, None);
    let mut came_back = exposure(1);
    came_back.goals += 1;
    let whole = Commit {
        messages: vec![waits, held.clone(), message(3), gone, message(2), held],
        journeys: vec![inside, journey(2), journey(1)],
        exposures: vec![exposure(1), exposure(2), came_back.clone()],
        ..Commit::default()
    };
    let mut latest = whole.clone();
    latest.keep_latest();
    assert_eq!((latest.messages.len(), latest.journeys.len(), latest.exposures.len()), (3, 2, 2));
    assert_eq!(latest.exposures[0], came_back);
    for (kept, number) in latest.messages.iter().zip(1..) {
        assert_eq!(kept.id, message_id(number), "each stands where it first stood");
        assert_eq!(kept.written, message(number).written, "what was written is not forgotten");
    }
    // If the whole changes nothing after the latest, the latest said all of it.
    let mut store = place.open();
    store.commit(&latest).unwrap();
    let seen = describe(store.as_ref());
    store.commit(&whole).unwrap();
    assert_eq!(describe(store.as_ref()), seen);
}

/// Those inside, those watched, and for `again` the last entry for each key.
pub fn recover_brings_back_open_journeys_and_the_last_entry(place: &dyn Place) {
    let mut store = place.open();
    let over =
        |number, days| Journey { stage: Stage::Finished, entered_at: NOW.minus(Span::days(days)), ..journey(number) };
    let commit = Commit {
        clock: NOW,
        journeys: vec![
            journey(1),
            Journey { customer: CustomerId(1), ..over(2, 30) },
            Journey { customer: CustomerId(1), ..over(3, 10) },
            Journey { customer: CustomerId(1), ..over(4, 20) },
            Journey { customer: CustomerId(1), key: Some("order-9".to_owned()), ..over(5, 90) },
            Journey { customer: CustomerId(1), ..over(6, 40) },
            Journey { stage: Stage::Waiting, ..journey(7) },
        ],
        exposures: vec![Exposure { journey: journey_id(6), until: NOW, ..exposure(6) }],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    // Journey 7 ends later, and is then the only one of customer 7.
    store.commit(&Commit { clock: NOW, journeys: vec![over(7, 0)], ..Commit::default() }).unwrap();
    drop(store);
    let store = place.open();
    let ids: Vec<_> = store.recover().unwrap().journeys.into_iter().map(|it| it.id).collect();
    let expected = [1, 3, 5, 6, 7].map(journey_id);
    assert_eq!(ids, expected, "2 and 4 are over, not watched, and not the last entry");
    assert_eq!(store.reader().unwrap().journey_counts(&name("win-back")).unwrap(), (7, 1));
}

/// What is due first stands first, page by page; what has no time comes after it, and what is done last.
pub fn tasks_stand_in_the_order_in_which_they_are_due(place: &dyn Place) {
    let mut store = place.open();
    let due = |number: u64, days: Option<i64>, owner: Option<&str>| Task {
        due: days.map(|days| NOW.plus(Span::days(days))),
        owner: owner.map(str::to_owned),
        completed_at: None,
        ..task(number)
    };
    let tasks = vec![
        due(1, None, Some("care")),
        due(2, Some(3), Some("care")),
        due(3, Some(-1), None),
        Task { completed_at: Some(NOW), ..due(4, Some(-9), Some("care")) },
        due(5, Some(2), Some("shop")),
        Task { completed_at: Some(NOW.plus(Span(1))), ..due(6, None, None) },
    ];
    store.commit(&Commit { tasks, clock: NOW, ..Commit::default() }).unwrap();
    let reader = store.reader().unwrap();
    let ids = |filter: &TaskFilter, page: Page| {
        let found = reader.tasks(filter, page).unwrap();
        found.iter().map(|task| task.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&TaskFilter::default(), ALL), ["t_3", "t_5", "t_2", "t_1", "t_6", "t_4"]);
    let open = TaskFilter { open: Some(true), ..TaskFilter::default() };
    assert_eq!(ids(&open, Page { skip: 1, limit: 2 }), ["t_5", "t_2"]);
    let own = TaskFilter { owner: Some("care".to_owned()), ..open };
    assert_eq!(ids(&own, ALL), ["t_2", "t_1"]);
    let counts = reader.open_tasks(NOW).unwrap();
    let counts: Vec<_> = counts.iter().map(|it| (it.owner.as_deref(), it.count, it.overdue)).collect();
    assert_eq!(counts, [(None, 1, 1), (Some("care"), 2, 0), (Some("shop"), 1, 0)]);
    let (numbers, first): (Vec<u64>, Vec<Task>) = reader.tasks_after(0, 4).unwrap().into_iter().unzip();
    assert_eq!(first.iter().map(|task| &*task.id).collect::<Vec<_>>(), ["t_1", "t_2", "t_3", "t_4"]);
    assert_eq!(reader.tasks_after(numbers[3], 100).unwrap().len(), 2);
    assert!(reader.tasks_after(u64::MAX, 100).unwrap().is_empty());
}

/// Codes come out in the order in which they came in; what was given is not given again, whoever asks for it.
pub fn a_code_of_a_pool_is_imported_once_and_given_once(place: &dyn Place) {
    let mut store = place.open();
    let code = |pool: &str, code: &str| VoucherCode { code: code.into(), pool: name(pool), added_at: NOW };
    let given = |code: &str, number: u64, at: Timestamp| VoucherGiven {
        code: code.into(),
        customer: customer(number),
        campaign: name("win-back"),
        step: "2".to_owned(),
        at,
    };
    let commit = |codes, codes_given| Commit { codes, codes_given, clock: NOW, ..Commit::default() };
    assert!(!commit(vec![code("spring", "Z")], Vec::new()).is_empty());
    store.commit(&commit(vec![code("spring", "Z"), code("spring", "A"), code("autumn", "M")], Vec::new())).unwrap();
    // Imported and given in one commit.
    let later = NOW.plus(Span::DAY);
    store.commit(&commit(vec![code("spring", "B")], vec![given("Z", 1, NOW), given("B", 2, later)])).unwrap();
    drop(store);

    let mut store = place.open();
    for (wrong, why) in [
        (commit(vec![code("autumn", "A")], Vec::new()), "imported into another pool"),
        (commit(Vec::new(), vec![given("Z", 3, later)]), "given before"),
        (commit(Vec::new(), vec![given("Y", 3, later)]), "not there"),
    ] {
        store.commit(&wrong).expect_err(why);
        store = reopened(store, place);
    }
    let pools = store.recover().unwrap().pools;
    let of = |pool: &str| pools[&name(pool)].clone();
    assert_eq!(of("spring"), VoucherPool { left: vec!["A".into()], given: vec!["Z".into(), "B".into()] });
    assert_eq!(of("autumn"), VoucherPool { left: vec!["M".into()], given: Vec::new() });
    let counts = store.reader().unwrap().pool_counts(later).unwrap();
    let counts: Vec<_> = counts.iter().map(|it| (it.pool.as_str(), it.left, it.given, it.given_since)).collect();
    assert_eq!(counts, [("autumn", 1, 0, 0), ("spring", 1, 2, 1)]);
}

fn reopened(store: Box<dyn Store>, place: &dyn Place) -> Box<dyn Store> {
    drop(store);
    place.open()
}

/// A task is done once; a webhook keeps the bytes with which it was made.
pub fn tasks_are_listed_until_they_are_done_and_webhooks_stay_as_they_were_made(place: &dyn Place) {
    let mut store = place.open();
    let opened = Commit { tasks: vec![task(1), task(2)], webhooks: vec![webhook(1)], clock: NOW, ..Commit::default() };
    store.commit(&opened).unwrap();
    let later = NOW.plus(Span::DAY);
    let done = Commit {
        tasks_done: vec![("t_1".into(), NOW), ("t_1".into(), later), ("t_9".into(), NOW)],
        webhooks: vec![Webhook { body: "{}".to_owned(), ..webhook(1) }, webhook(2)],
        clock: NOW,
        ..Commit::default()
    };
    store.commit(&done).unwrap();
    drop(store);

    let reader = place.open().reader().unwrap();
    let done = Task { completed_at: Some(NOW), ..task(1) };
    assert_eq!(reader.tasks(&TaskFilter::default(), ALL).unwrap(), [task(2), done.clone()]);
    assert_eq!(reader.tasks(&TaskFilter { open: Some(true), ..TaskFilter::default() }, ALL).unwrap(), [task(2)]);
    assert_eq!(
        reader.tasks(&TaskFilter { open: Some(false), ..TaskFilter::default() }, ALL).unwrap(),
        std::slice::from_ref(&done)
    );
    let of_one = TaskFilter { customer: Some(customer(1)), campaign: Some(name("win-back")), ..TaskFilter::default() };
    assert_eq!(reader.tasks(&of_one, ALL).unwrap(), [done]);
    let by_id = TaskFilter { id: Some(task(2).id), ..TaskFilter::default() };
    assert_eq!(reader.tasks(&by_id, ALL).unwrap(), [task(2)]);
    assert_eq!(reader.tasks(&TaskFilter::default(), Page { skip: 1, limit: 1 }).unwrap().len(), 1);
    assert_eq!(reader.webhooks(&WebhookFilter::default(), ALL).unwrap(), [webhook(2), webhook(1)]);
    let of_nobody = WebhookFilter { customer: Some(customer(7)), ..WebhookFilter::default() };
    assert_eq!(reader.webhooks(&of_nobody, ALL).unwrap(), []);
}

/// How far a webhook has come is all that changes of it; what is not over comes back at a start, without its body.
pub fn a_webhook_is_recovered_until_it_is_done_or_given_up(place: &dyn Place) {
    let mut store = place.open();
    let in_state = |number: u64, state| {
        let progress = WebhookProgress { state, ..webhook(number).progress };
        Webhook { progress, ..webhook(number) }
    };
    let made: Vec<Webhook> = (1..).zip(WebhookState::ALL).map(|(number, state)| in_state(number, state)).collect();
    store.commit(&Commit { webhooks: made.clone(), clock: NOW, ..Commit::default() }).unwrap();
    let open = |store: &dyn Store| store.recover().unwrap().webhooks;
    let bare = |webhook: &Webhook| Webhook { body: String::new(), ..webhook.clone() };
    assert_eq!(open(&*store), [bare(&made[0]), bare(&made[1])], "waiting and being tried");

    let later = WebhookProgress {
        state: WebhookState::Waiting,
        attempts: 3,
        due: Some(NOW.plus(Span::minutes(15))),
        tried_at: Some(NOW),
        ended_at: None,
        expires: NOW.plus(Span::DAY),
        reply: Some("answered 500".to_owned()),
    };
    let done = WebhookProgress { state: WebhookState::Done, due: None, ended_at: Some(NOW), ..later.clone() };
    let moved = Commit {
        webhook_progress: vec![
            ("wh_1".into(), done.clone()),
            ("wh_2".into(), later.clone()),
            ("wh_404".into(), later.clone()),
        ],
        clock: NOW,
        ..Commit::default()
    };
    assert!(!moved.is_empty());
    store.commit(&moved).unwrap();
    drop(store);

    let store = place.open();
    let (first, second) = (Webhook { progress: done, ..webhook(1) }, Webhook { progress: later, ..webhook(2) });
    assert_eq!(open(&*store), [bare(&second)]);
    let reader = store.reader().unwrap();
    assert_eq!(reader.webhook("wh_1").unwrap(), Some(first.clone()));
    assert_eq!(reader.webhook("wh_404").unwrap(), None);
    let numbered = reader.webhooks_after(0, 2).unwrap();
    let (numbers, found): (Vec<u64>, Vec<Webhook>) = numbered.into_iter().unzip();
    assert_eq!(found, [first.clone(), second]);
    assert_eq!(reader.webhooks_after(numbers[1], 100).unwrap().len(), 3);
    assert!(reader.webhooks_after(u64::MAX, 100).unwrap().is_empty());
    let done = WebhookFilter { state: Some(WebhookState::Done), ..WebhookFilter::default() };
    assert_eq!(reader.webhooks(&done, ALL).unwrap(), [made[2].clone(), first]);
    let counts = reader.webhook_counts().unwrap();
    let counts: Vec<_> = counts.iter().map(|it| (it.endpoint.as_str(), it.state.word(), it.count)).collect();
    assert_eq!(counts, [("erp", "done", 2), ("erp", "gave_up", 1), ("erp", "kept", 1), ("erp", "waiting", 1)]);
}

/// The first word about it stays.
pub fn an_endpoint_is_off_until_a_person_turns_it_on(place: &dyn Place) {
    let mut store = place.open();
    let off = |endpoint: &str, reason: &str| EndpointOff { name: name(endpoint), at: NOW, reason: reason.to_owned() };
    let change = |endpoints| Commit { endpoints, clock: NOW, ..Commit::default() };
    assert!(!change(vec![EndpointChange::On(name("erp"))]).is_empty());
    let turned_off = [off("wms", "answered 410"), off("erp", "answered 410"), off("erp", "again")];
    store.commit(&change(turned_off.map(EndpointChange::Off).to_vec())).unwrap();
    drop(store);
    let mut store = place.open();
    assert_eq!(store.recover().unwrap().endpoints_off, [off("erp", "answered 410"), off("wms", "answered 410")]);
    store.commit(&change(vec![EndpointChange::On(name("erp")), EndpointChange::On(name("nobody"))])).unwrap();
    assert_eq!(store.recover().unwrap().endpoints_off, [off("wms", "answered 410")]);
}

/// Those that are final and old, or never went out, stay on disk.
pub fn recover_brings_back_open_messages_and_a_year_of_those_sent(place: &dyn Place) {
    let mut store = place.open();
    let at = |number, outcome, days| Message {
        outcome,
        outcome_at: outcome.map(|_| NOW.minus(Span::days(days))),
        ..message(number)
    };
    let commit = Commit {
        clock: NOW,
        messages: vec![
            at(1, None, 0),
            at(2, Some(Outcome::Held), 400),
            at(3, Some(Outcome::Sent), 366),
            at(4, Some(Outcome::Sent), 367),
            at(5, Some(Outcome::Uncertain), 1),
            at(6, Some(Outcome::Skipped), 1),
            at(7, Some(Outcome::Failed), 1),
            at(8, Some(Outcome::WouldHaveSent), 1),
        ],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    drop(store);
    let messages = place.open().recover().unwrap().messages;
    let ids: Vec<_> = messages.iter().map(|it| it.id.clone()).collect();
    assert_eq!(ids, [1, 2, 3, 5, 8].map(message_id));
    assert_eq!(messages[1], commit.messages[1], "an open one comes with what was written");
    let whole = commit.messages[2].written.as_ref().unwrap();
    assert_eq!(messages[2].written, Some(Arc::new(address_alone(whole))), "of one that went out, the address");
    assert_eq!(messages[2].written.as_ref().unwrap().to, "c3@x.test");
    // What was recovered may be committed again without harm to what is on disk.
    let mut store = place.open();
    store.commit(&Commit { clock: NOW, messages, ..Commit::default() }).unwrap();
    let (found, _) = store.reader().unwrap().message(&message_id(3)).unwrap().unwrap();
    assert_eq!(found.written.as_ref(), Some(whole));
}

/// The last instant of the window belongs to it.
pub fn recover_brings_back_exposures_until_their_window_closes(place: &dyn Place) {
    let mut store = place.open();
    let exposures =
        vec![Exposure { until: NOW, ..exposure(1) }, Exposure { until: NOW.plus(Span::DAY), ..exposure(2) }];
    store.commit(&Commit { clock: NOW, exposures: exposures.clone(), ..Commit::default() }).unwrap();
    assert_eq!(store.recover().unwrap().exposures, exposures);
    let came_back = Exposure { goals: 2, came_back_at: Some(NOW), worth: vec![pounds(1_250)], ..exposures[0].clone() };
    let later = Commit { clock: NOW.plus(Span(1)), exposures: vec![came_back.clone()], ..Commit::default() };
    store.commit(&later).unwrap();
    assert_eq!(store.recover().unwrap().exposures, exposures[1..]);
    let all = store.reader().unwrap().exposures(&name("win-back")).unwrap();
    assert_eq!(all, [came_back, exposures[1].clone()]);
    assert!(store.reader().unwrap().exposures(&name("reorder")).unwrap().is_empty());
}

/// Also long after the window has closed: what was learned is worked out from it. Who got a variant keeps it.
pub fn recover_brings_back_who_got_which_variant_and_what_came_of_it(place: &dyn Place) {
    let mut store = place.open();
    let later = NOW.plus(Span::DAY);
    let commit = Commit {
        clock: NOW,
        sharings: vec![sharing(NOW, 4_000), sharing(NOW, 5_000), sharing(later, 7_200)],
        assignments: vec![assignment(1), assignment(2), assignment(3)],
        exposures: vec![exposure(1), exposure(2)],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    let came_back = Exposure { goals: 2, came_back_at: Some(NOW), worth: vec![pounds(1_250)], ..exposure(1) };
    let other = Assignment { variant: "plain".into(), ..assignment(1) };
    let commit = Commit {
        clock: NOW.plus(Span::days(400)),
        assignments: vec![other, assignment(4)],
        exposures: vec![came_back.clone()],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    drop(store);
    let recovered = place.open().recover().unwrap();
    assert_eq!(recovered.sharings, [sharing(NOW, 4_000), sharing(NOW, 5_000), sharing(later, 7_200)]);
    let expected = [
        (assignment(1), Some(came_back)),
        (assignment(2), Some(exposure(2))),
        (assignment(3), None),
        (assignment(4), None),
    ];
    assert_eq!(recovered.assignments, expected);
}

/// What is asked in SQL: piece by piece, without waiting for what comes of it.
pub fn who_got_which_variant_is_read_in_order_piece_by_piece(place: &dyn Place) {
    let mut store = place.open();
    let commit = Commit {
        clock: NOW,
        sharings: vec![sharing(NOW, 4_000), sharing(NOW, 5_000), sharing(NOW.plus(Span::DAY), 7_200)],
        assignments: vec![assignment(1), assignment(2)],
        exposures: vec![exposure(1)],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    let other = Assignment { variant: "plain".into(), ..assignment(1) };
    store.commit(&Commit { clock: NOW, assignments: vec![other, assignment(3)], ..Commit::default() }).unwrap();
    let reader = store.reader().unwrap();
    let shared = |after, limit| reader.sharings_after(after, limit).unwrap();
    let all = shared(0, 9);
    let sharings: Vec<_> = all.iter().map(|(_, sharing)| sharing.clone()).collect();
    assert_eq!(sharings, [sharing(NOW, 4_000), sharing(NOW, 5_000), sharing(NOW.plus(Span::DAY), 7_200)]);
    assert_eq!((shared(0, 2), shared(all[1].0, 9)), (all[..2].to_vec(), all[2..].to_vec()));
    let assigned = |after, limit| reader.assignments_after(after, limit).unwrap();
    let all = assigned(0, 9);
    let assignments: Vec<_> = all.iter().map(|(_, assignment)| assignment.clone()).collect();
    assert_eq!(assignments, [assignment(1), assignment(2), assignment(3)], "who got one keeps it");
    assert_eq!((assigned(0, 1), assigned(all[0].0, 9)), (all[..1].to_vec(), all[1..].to_vec()));
    assert!(assigned(u64::MAX, 9).is_empty() && shared(u64::MAX, 9).is_empty());
}

/// Deleting is a version too; the history stays.
pub fn the_latest_version_counts_and_deleted_definitions_are_gone(place: &dyn Place) {
    let mut store = place.open();
    let deleted = DefinitionVersion { value: None, ..definition("lapsed", 2) };
    let commit = Commit {
        definitions: vec![definition("regulars", 1), definition("regulars", 2), definition("lapsed", 1), deleted],
        ..Commit::default()
    };
    store.commit(&commit).unwrap();
    assert_eq!(store.recover().unwrap().definitions, [definition("regulars", 2)]);
    let versions = |named| -> Vec<_> {
        let found = store.reader().unwrap().versions(DefinitionKind::Segment, &name(named)).unwrap();
        found.into_iter().map(|it| (it.version, it.value.is_some())).collect()
    };
    assert_eq!(versions("lapsed"), [(2, false), (1, true)]);
    assert_eq!(versions("regulars"), [(2, true), (1, true)]);
    assert!(store.reader().unwrap().versions(DefinitionKind::Campaign, &name("regulars")).unwrap().is_empty());
    store.commit(&Commit { definitions: vec![definition("lapsed", 3)], ..Commit::default() }).unwrap();
    assert_eq!(store.recover().unwrap().definitions.len(), 2, "a definition may come back");
}

/// A rest is recovered as it was last, and gone once something was taken.
pub fn a_domain_rests_until_it_takes_something(place: &dyn Place) {
    let mut store = place.open();
    let begins = |in_a_row| RestChange::Begins(resting("slow.example", in_a_row));
    let other = RestChange::Begins(resting("other.example", 1));
    for rests in [vec![begins(1), other], vec![begins(2)]] {
        store.commit(&Commit { rests, ..Commit::default() }).unwrap();
    }
    drop(store);
    let mut store = place.open();
    assert_eq!(store.recover().unwrap().resting, [resting("other.example", 1), resting("slow.example", 2)]);
    let ends = |domain: &str| RestChange::Ends(Channel::Email, domain.into());
    let rests = vec![ends("slow.example"), ends("never.example")];
    store.commit(&Commit { rests, ..Commit::default() }).unwrap();
    assert_eq!(store.recover().unwrap().resting, [resting("other.example", 1)]);
}

fn resting(domain: &str, in_a_row: u32) -> Resting {
    Resting { channel: Channel::Email, domain: domain.into(), in_a_row, until: NOW.plus(Span::minutes(5)) }
}

/// Changes of one commit are done in their order.
pub fn a_suppression_holds_until_it_is_lifted(place: &dyn Place) {
    let mut store = place.open();
    let add = |address: &str| SuppressionChange::Add(suppression(address));
    let lift = |address: &str| SuppressionChange::Lift(address.to_owned());
    let suppressions =
        vec![add("b@x.test"), add("a@x.test"), lift("b@x.test"), lift("unknown@x.test"), add("c@x.test")];
    store.commit(&Commit { suppressions, ..Commit::default() }).unwrap();
    let found = || store.recover().unwrap().suppressions;
    assert_eq!(found(), [suppression("a@x.test"), suppression("c@x.test")]);
    store.commit(&Commit { suppressions: vec![lift("a@x.test"), add("b@x.test")], ..Commit::default() }).unwrap();
    drop(store);
    assert_eq!(place.open().recover().unwrap().suppressions, [suppression("b@x.test"), suppression("c@x.test")]);
}

/// A key changes in place.
pub fn a_revoked_key_stays_known(place: &dyn Place) {
    let mut store = place.open();
    store.commit(&Commit { keys: vec![key("k2"), key("k1")], ..Commit::default() }).unwrap();
    let revoked = Key { revoked_at: Some(NOW), ..key("k2") };
    store.commit(&Commit { keys: vec![revoked.clone()], ..Commit::default() }).unwrap();
    drop(store);
    assert_eq!(place.open().recover().unwrap().keys, [key("k1"), revoked]);
}

/// Counts of several commits are sums.
pub fn tallies_add_up_and_show_the_newest_days(place: &dyn Place) {
    let mut store = place.open();
    let key = |day, reception, reason: Option<&str>| TallyKey {
        day,
        source: "shop".into(),
        reception,
        reason: reason.map(str::to_owned),
    };
    for _ in 0..2 {
        let tallies = BTreeMap::from([
            (key(1, Reception::Accepted, None), 5),
            (key(3, Reception::Refused, Some("no_customer")), 1),
            (key(3, Reception::Accepted, None), 10),
            (key(9, Reception::DuplicateDiffers, None), 2),
        ]);
        store.commit(&Commit { tallies, ..Commit::default() }).unwrap();
    }
    let reader = store.reader().unwrap();
    let found: Vec<_> = reader.tallies(2).unwrap().into_iter().map(|it| (it.key, it.count)).collect();
    let expected = [
        (key(9, Reception::DuplicateDiffers, None), 4),
        (key(3, Reception::Accepted, None), 20),
        (key(3, Reception::Refused, Some("no_customer")), 2),
    ];
    assert_eq!(found, expected, "the two newest days that have any");
    assert_eq!(reader.tallies(30).unwrap().len(), 4);
    assert!(reader.tallies(0).unwrap().is_empty());
}

/// Numbers are never used again.
pub fn refused_calls_are_numbered_and_go_when_dismissed(place: &dyn Place) {
    let mut store = place.open();
    store.commit(&Commit { clock: NOW, refused: vec![refused(0, NOW), refused(0, NOW)], ..Commit::default() }).unwrap();
    store.commit(&Commit { clock: NOW, refused_gone: vec![2, 17, u64::MAX], ..Commit::default() }).unwrap();
    drop(store);
    let mut store = place.open();
    store.commit(&Commit { clock: NOW, refused: vec![refused(0, NOW)], ..Commit::default() }).unwrap();
    let reader = store.reader().unwrap();
    let ids: Vec<_> = reader.refused(ALL).unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, [3, 1]);
    assert_eq!(reader.refused_call(1).unwrap(), Some(refused(1, NOW)));
    assert_eq!(reader.refused_call(2).unwrap(), None);
    assert_eq!(reader.refused_call(u64::MAX).unwrap(), None);
}

/// Nobody can fill the disk with nonsense.
pub fn old_and_too_many_refused_calls_are_forgotten(place: &dyn Place) {
    let mut store = place.open();
    let many = (0..10_001).map(|_| refused(0, NOW)).collect();
    store.commit(&Commit { clock: NOW, refused: many, ..Commit::default() }).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.refused_call(1).unwrap(), None);
    assert_eq!(reader.refused(Page { skip: 9_999, limit: 10 }).unwrap().len(), 1, "10,000 are kept");
    let later = NOW.plus(Span::days(30)).plus(Span(1));
    store.commit(&Commit { clock: later, refused: vec![refused(0, later)], ..Commit::default() }).unwrap();
    let ids: Vec<_> = reader.refused(ALL).unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(ids, [10_002], "after 30 days they are forgotten");
}

/// Files of a few calls, so that a story needs few.
pub const SMALL_FILES: HistoryLimits = HistoryLimits { journal_calls: 20, file_calls: 60, file_bytes: 1_000_000 };

/// Seals and merges until nothing is left to do. Returns how often it sealed and merged.
pub fn put_in_order(store: &mut dyn Store, limits: &HistoryLimits) -> (usize, usize) {
    let mut sealer = store.sealer().unwrap();
    let (mut sealed, mut merged) = (0, 0);
    while let Some(prepared) = sealer.prepare(limits).unwrap() {
        match prepared.from {
            TakenFrom::Journal => sealed += 1,
            TakenFrom::Files => merged += 1,
        }
        store.adopt(prepared).unwrap();
    }
    (sealed, merged)
}

/// A store with commits of 1 to 7 calls, and one of more than a row.
fn appended(place: &dyn Place, commits: u64) -> Box<dyn Store> {
    let mut store = place.open();
    let mut next = 1;
    for commit in 0..commits {
        let count = commit % 7 + 1;
        append(&mut *store, &(next..next + count).map(call).collect::<Vec<_>>());
        next += count;
    }
    store
}

/// What was sealed comes back call by call and row by row, as if it were in the journal.
pub fn sealing_changes_nothing_that_can_be_seen(place: &dyn Place) {
    let mut store = appended(place, 40);
    let long: Vec<_> = (1_000..1_000 + ROW_CALLS as u64 + 5).map(call).collect();
    let mut odd = call(5_000).as_ref().clone();
    odd.body =
        raw("{\n  \"note\": \"line\\nfeed, \\u00e9, 🍵\",\n  \"price\": 12.50, \"big\": 12345678901234567890123\n}");
    odd.context = Some(raw("{ }"));
    odd.user_id = Some("Zoë \"the\" \u{2028} tea\\lover".repeat(9).into());
    odd.anonymous_id = Some("visitor-1".into());
    odd.other_id = Some("".into());
    odd.timestamp = Timestamp(-1);
    append(&mut *store, &long);
    append(&mut *store, &[Arc::new(odd), call(2), call(3)]);
    let before = describe(&*store);
    let rows = rows_of(&*store);

    let (sealed, merged) = put_in_order(&mut *store, &HistoryLimits { file_calls: 1_200, ..SMALL_FILES });
    assert!(sealed > 0, "something was sealed");
    assert_eq!(describe(&*store), before);
    drop(store);
    let mut store = place.open();
    assert_eq!(describe(&*store), before, "after a start too");
    let reader = store.reader().unwrap();
    for row in rows.iter().step_by(3) {
        assert_eq!(format!("{:?}", reader.rows(&[row.id]).unwrap()), format!("{:?}", [row]));
    }
    let all: Vec<RowId> = rows.iter().rev().map(|row| row.id).chain([RowId(99_999)]).collect();
    assert_eq!(format!("{:?}", reader.rows(&all).unwrap()), format!("{rows:?}"));
    for after in [0, 1, 17, 38, 40, 41, 42, 43, 99] {
        let mut seen = Vec::new();
        let see = &mut |row: JournalRow| {
            seen.push(row.id);
            Ok(())
        };
        reader.replay(RowId(after), see).unwrap();
        let expected: Vec<RowId> = rows.iter().map(|row| row.id).filter(|id| id.0 > after).collect();
        assert_eq!(seen, expected, "after {after}");
    }
    append(&mut *store, &[call(7_000)]);
    assert_eq!(rows_of(&*store).len(), rows.len() + 1, "rows are numbered on");
    assert_eq!(put_in_order(&mut *store, &HistoryLimits { file_calls: 1_200, ..SMALL_FILES }), (0, 0), "{merged}");
}

/// The list says what is where, and merging keeps it short.
pub fn files_of_history_follow_each_other_without_gaps(place: &dyn Place) {
    let mut store = place.open();
    let (mut sealed, mut merged, mut next) = (0, 0, 1);
    for round in 0..200_u64 {
        let count = round % 5 + 1;
        append(&mut *store, &(next..next + count).map(call).collect::<Vec<_>>());
        next += count;
        let done = put_in_order(&mut *store, &SMALL_FILES);
        (sealed, merged) = (sealed + done.0, merged + done.1);
    }
    assert!(sealed >= 20 && merged >= 5, "{sealed} {merged}");
    let files = store.reader().unwrap().history().unwrap();
    assert!(files.len() < sealed, "{} files", files.len());
    let mut expected = (RowId(1), Position(1));
    let rows = rows_of(&*store);
    for file in &files {
        assert_eq!((file.first_row, file.first), expected);
        assert!(file.count <= SMALL_FILES.file_calls);
        let calls = || rows.iter().filter(|row| file.holds(row.id)).flat_map(|row| &row.calls);
        assert_eq!(file.count, calls().count() as u64);
        assert_eq!(file.min_time, calls().map(|call| call.timestamp).min().unwrap());
        assert_eq!(file.max_time, calls().map(|call| call.timestamp).max().unwrap());
        assert_eq!(file.min_name, calls().map(|call| call.name()).min().unwrap());
        assert_eq!(file.max_name, calls().map(|call| call.name()).max().unwrap());
        expected = (RowId(file.last_row.0 + 1), Position(file.last().0 + 1));
    }
    let in_journal = store.recover().unwrap().position.0 - files.last().unwrap().last().0;
    assert!(in_journal <= SMALL_FILES.journal_calls, "{in_journal}");
}

/// Somebody's calls are found by name in the journal, in history and across both.
pub fn the_calls_of_some_are_found_in_history(place: &dyn Place) {
    let mut store = appended(place, 60);
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let wanted = [names(&["user-2"]), names(&["visitor-33", "user-7", "user-8"]), names(&["nobody", ""]), names(&[])];
    let rows: [Vec<RowId>; 3] = [
        rows_of(&*store).iter().map(|row| row.id).collect(),
        vec![RowId(3), RowId(59), RowId(31), RowId(4), RowId(999)],
        vec![],
    ];
    let found = |store: &dyn Store| {
        let reader = store.reader().unwrap();
        let ask = |rows: &Vec<RowId>, names| format!("{:?}", reader.calls_naming(rows, names).unwrap());
        rows.iter().flat_map(|rows| wanted.iter().map(|names| ask(rows, names)).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let before = found(&*store);
    assert!(before[0].matches("user-2").count() > 10, "{}", before[0]);
    assert!(put_in_order(&mut *store, &SMALL_FILES).0 > 0);
    assert_eq!(found(&*store), before);
}

/// Whoever is in the middle of a replay sees each call once, whatever is committed, sealed and merged meanwhile.
pub fn a_replay_sees_each_call_once_while_rows_are_sealed_and_merged(place: &dyn Place) {
    let mut store = appended(place, 60);
    let rows: Vec<RowId> = rows_of(&*store).iter().map(|row| row.id).collect();
    let reader = store.reader().unwrap();
    let (mut seen, mut changes) = (Vec::new(), 0);
    let see = &mut |row: JournalRow| {
        seen.push(row.id);
        if seen.len() % 4 == 1 {
            append(&mut *store, &[call(9_000), call(9_001), call(9_002)]);
            let mut sealer = store.sealer().unwrap();
            for _ in 0..2 {
                if let Some(prepared) = sealer.prepare(&SMALL_FILES).unwrap() {
                    store.adopt(prepared).unwrap();
                    changes += 1;
                }
            }
        }
        Ok(())
    };
    reader.replay(RowId(0), see).unwrap();
    assert!(changes > 5, "{changes}");
    assert_eq!(seen, rows);
}

/// A file that was written and not adopted counts for nothing, and is gone after the next start.
pub fn a_file_that_was_never_adopted_is_forgotten(place: &dyn Place) {
    let store = appended(place, 30);
    let before = describe(&*store);
    let prepared = store.sealer().unwrap().prepare(&SMALL_FILES).unwrap().unwrap();
    assert_eq!(describe(&*store), before);
    assert!(store.reader().unwrap().history().unwrap().is_empty());
    drop(store);
    let mut store = place.open();
    assert_eq!(describe(&*store), before);
    assert_eq!(store.sealer().unwrap().prepare(&SMALL_FILES).unwrap().as_ref(), Some(&prepared), "it is made again");
    store.adopt(prepared).unwrap();
    assert_eq!(describe(&*store), before);
}

/// What no longer fits is refused and changes nothing.
pub fn a_file_is_adopted_once(place: &dyn Place) {
    let mut store = appended(place, 60);
    let before = describe(&*store);
    let prepared = store.sealer().unwrap().prepare(&SMALL_FILES).unwrap().unwrap();
    store.adopt(prepared.clone()).unwrap();
    assert!(store.adopt(prepared.clone()).is_err());
    assert!(store.adopt(Prepared { from: TakenFrom::Files, ..prepared }).is_ok(), "one file for itself is itself");
    let mut wrong = store.sealer().unwrap().prepare(&SMALL_FILES).unwrap().unwrap();
    wrong.file.count += 1;
    assert!(store.adopt(wrong).is_err());
    assert_eq!(describe(&*store), before);
}

/// A page long enough for any of these stories.
pub const ALL: Page = Page { skip: 0, limit: 1_000 };

/// What tells of user-4 in these stories: their name, device, address, words and key.
const TRACES: [&str; 7] = ["user-4", "\"visitor-9\"", "c4@x.test", "Hello Ana", "450 later", "trigger-4", "key-4"];

/// How user-4 is erased; the last call of another names a device of theirs.
fn erasure(store: &dyn Store) -> Erasure {
    let recovered = store.recover().unwrap();
    let ended =
        Message { outcome: Some(Outcome::Skipped), because: Some(Because::Exited), written: None, ..message(4) };
    Erasure {
        customers: [customer(4)].into(),
        parted: [(customer(6), NOW)].into(),
        names: ["user-4".into(), "visitor-9".into()].into(),
        addresses: ["c4@x.test".to_owned()].into(),
        erased: vec![ErasedName { number: 4, at: NOW, shared: Some(("till".into(), Position(3))) }],
        commit: Commit {
            position: recovered.position,
            clock: NOW,
            transitions: vec![Transition { entered: false, ..transition("regulars", 4) }],
            messages: vec![ended],
            suppressions: vec![
                SuppressionChange::Lift("c4@x.test".to_owned()),
                SuppressionChange::Add(suppression("hash:x")),
            ],
            ..Commit::default()
        },
    }
}

fn rewritten(_: Position, call: &Call) -> Option<Call> {
    match call.name() {
        "user-4" | "visitor-9" => {
            let token = Some("\u{1}4".into());
            let emptied = call.emptied(&format!("mark of {}", call.message_id));
            Some(Call { user_id: token, anonymous_id: None, ..emptied })
        }
        _ => Some(Call { anonymous_id: None, ..call.clone() }),
    }
}

/// What came back about the mail of a message, or of none.
fn report(number: u64, message: Option<u64>) -> MailReport {
    MailReport {
        id: format!("r_{number}").into(),
        at: NOW,
        kind: ReportKind::HardBounce,
        message: message.map(message_id),
        customer: message.map(customer),
        address: message.map(|number| format!("c{number}@x.test")),
        status: Some("5.1.1".to_owned()),
        words: "no such user".to_owned(),
        raw: if message.is_some() { String::new() } else { "Subject: bounced".to_owned() },
    }
}

/// The same report twice is one; of those that nobody can match a thousand are kept.
pub fn reports_are_found_by_their_message_and_the_newest_unmatched_are_kept(place: &dyn Place) {
    let mut store = place.open();
    let again = MailReport { words: "said again".to_owned(), ..report(1, Some(1)) };
    let reports = vec![report(1, Some(1)), report(2, Some(1)), report(3, None), again];
    store.commit(&Commit { reports, ..Commit::default() }).unwrap();
    let after = store.reader().unwrap().reports_after(0, 2).unwrap();
    assert_eq!(after.iter().map(|(_, it)| it).collect::<Vec<_>>(), [&report(1, Some(1)), &report(2, Some(1))]);
    let last = after.last().unwrap().0;
    assert_eq!(store.reader().unwrap().reports_after(last, 9).unwrap()[0].1, report(3, None));
    let find = |store: &dyn Store, filter: ReportFilter| store.reader().unwrap().reports(&filter, ALL).unwrap();
    let of_1 = ReportFilter { message: Some(message_id(1)), ..ReportFilter::default() };
    assert_eq!(find(&*store, of_1.clone()), [report(2, Some(1)), report(1, Some(1))]);
    assert_eq!(find(&*store, ReportFilter { id: Some("r_3".into()), ..ReportFilter::default() }), [report(3, None)]);
    let unmatched = ReportFilter { matched: Some(false), ..ReportFilter::default() };
    assert_eq!(find(&*store, unmatched.clone()), [report(3, None)]);
    let many = (10..u64::from(UNMATCHED_KEPT) + 10).map(|number| report(number, None)).collect();
    store.commit(&Commit { reports: many, ..Commit::default() }).unwrap();
    let store = {
        drop(store);
        place.open()
    };
    let page = Page { skip: u64::from(UNMATCHED_KEPT) - 1, limit: 10 };
    let oldest = store.reader().unwrap().reports(&unmatched, page).unwrap();
    assert_eq!(oldest, [report(10, None)], "the oldest is forgotten");
    assert_eq!(find(&*store, ReportFilter { matched: Some(true), ..ReportFilter::default() }).len(), 2);
}

/// A store in which user-4 did this and that, partly sealed, and was written to.
fn with_user_4(place: &dyn Place) -> Box<dyn Store> {
    let mut store = appended(place, 30);
    put_in_order(&mut *store, &SMALL_FILES);
    let mut shared = call(1).as_ref().clone();
    shared.anonymous_id = Some("visitor-9".into());
    append(&mut *store, &[Arc::new(shared), call(4), call(9), call(8)]);
    let position = store.recover().unwrap().position;
    let journey = |number, key: &str| Journey {
        key: Some(key.to_owned()),
        trigger: Some(format!("{{\"order\":\"trigger-{number}\"}}")),
        ..journey(number)
    };
    let to_both = message(4).written.unwrap();
    let to_6 = Written { to: "c6@x.test".to_owned(), text: "Hello Ben".to_owned(), html: None, ..(*to_both).clone() };
    let refused_4 = Refused { raw: "{\"userId\":\"user-4\"}".to_owned(), ..refused(0, NOW) };
    let facts = Commit {
        position,
        clock: NOW,
        // user-6 was one person with them for a while, and is written to still.
        messages: vec![
            message(4),
            Message { written: None, detail: None, ..message(5) },
            Message { written: Some(to_both), ..message(6) },
            Message {
                customer: customer(6),
                decided_at: NOW.plus(Span(1)),
                written: Some(Arc::new(to_6)),
                detail: None,
                ..message(7)
            },
        ],
        attempts: vec![attempt(4, 1)],
        kept_mails: vec![(message_id(4), "To: c4@x.test\r\n\r\nHello Ana".into())],
        decisions: vec![
            Decision { detail: Some("450 later".to_owned()), ..decision(4, Outcome::Sent) },
            Decision { detail: Some("the price".to_owned()), ..decision(5, Outcome::Held) },
        ],
        journeys: vec![journey(4, "key-4"), journey(5, "key-5")],
        tasks: vec![task(4), task(5)],
        webhooks: vec![webhook(4), webhook(5)],
        transitions: vec![transition("regulars", 4), transition("regulars", 5)],
        suppressions: vec![SuppressionChange::Add(suppression("c4@x.test"))],
        refused: vec![refused_4, refused(0, NOW)],
        reports: vec![report(4, Some(4)), report(5, Some(5)), report(6, None)],
        ..Commit::default()
    };
    store.commit(&facts).unwrap();
    store
}

/// Calls of the person are emptied where they stand, in history too; facts say nothing of them; the rest is as it was.
pub fn an_erased_person_leaves_no_trace_and_everybody_else_all_of_theirs(place: &dyn Place) {
    let mut store = with_user_4(place);
    let before = rows_of(&*store);
    let seen = describe(&*store);
    for trace in TRACES {
        assert!(seen.contains(trace), "{trace} is there before");
    }
    let erasure = erasure(&*store);
    let erased = store.erase(&erasure, &rewritten).unwrap();
    let theirs = |call: &Call| matches!(call.name(), "user-4" | "visitor-9");
    let own = before.iter().flat_map(|row| &row.calls).filter(|call| theirs(call)).count() as u64;
    assert_eq!((erased.calls, erased.letters, erased.refused), (own + 1, 2, 1));
    assert!(erased.is_scrubbed, "nobody reads meanwhile");
    for round in ["at once", "after a start"] {
        let seen = describe(&*store);
        for trace in TRACES {
            assert!(!seen.contains(trace), "{trace} is left {round}:\n{seen}");
        }
        let after = rows_of(&*store);
        assert_eq!(after.len(), before.len());
        for (old, new) in before.iter().zip(&after) {
            assert_eq!((old.id, old.first, old.calls.len()), (new.id, new.first, new.calls.len()));
            for (old, new) in old.calls.iter().zip(&new.calls) {
                if theirs(old) {
                    assert_eq!(new.emptied_mark(), Some(format!("mark of {}", old.message_id).as_str()));
                } else if old.anonymous_id.as_deref() == Some("visitor-9") {
                    assert_eq!(
                        format!("{new:?}"),
                        format!("{:?}", Call { anonymous_id: None, ..old.as_ref().clone() })
                    );
                } else {
                    assert_eq!(format!("{old:?}"), format!("{new:?}"));
                }
            }
        }
        let recovered = store.recover().unwrap();
        assert_eq!((&recovered.erased, recovered.erasures), (&erasure.erased, 1));
        let reader = store.reader().unwrap();
        let addresses: Vec<_> = recovered.suppressions.into_iter().map(|it| it.address).collect();
        assert_eq!(addresses, ["hash:x"]);
        let (later, _) = reader.message(&message_id(7)).unwrap().unwrap();
        assert_eq!(later.written.unwrap().text, "Hello Ben", "another's stays");
        let decisions = reader.decisions(&DecisionFilter::default(), ALL).unwrap();
        let details: Vec<_> = decisions.into_iter().map(|(_, it)| (it.outcome, it.detail)).collect();
        assert_eq!(
            details,
            [(Outcome::Held, Some("the price".to_owned())), (Outcome::Sent, None)],
            "what counts stays"
        );
        let (message, attempts) = reader.message(&message_id(4)).unwrap().unwrap();
        assert_eq!((message.written, message.detail, message.outcome), (None, None, Some(Outcome::Skipped)));
        assert_eq!((attempts[0].reply.as_ref(), attempts[0].result.as_deref()), (None, Some("put_off")));
        assert_eq!(reader.refused(ALL).unwrap().len(), 1);
        assert_eq!(reader.reports(&ReportFilter::default(), ALL).unwrap(), [report(6, None), report(5, Some(5))]);
        assert_eq!(reader.tasks(&TaskFilter::default(), ALL).unwrap(), [task(5)]);
        assert_eq!(reader.webhooks(&WebhookFilter::default(), ALL).unwrap(), [webhook(5)]);
        drop(reader);
        if round == "at once" {
            drop(store);
            store = place.open();
        }
    }
    // It goes on, and is sealed as ever.
    append(&mut *store, &[call(2)]);
    put_in_order(&mut *store, &SMALL_FILES);
    assert_eq!(rows_of(&*store).len(), before.len() + 1);
    // Erasing somebody of whom nothing is left changes nothing.
    let erasure = self::erasure(&*store);
    let nothing = store.erase(&erasure, &rewritten).unwrap();
    assert_eq!((nothing.calls, nothing.letters, nothing.refused), (0, 0, 0));
}

/// A file that was read before somebody was erased would bring them back.
pub fn what_was_prepared_before_somebody_was_erased_is_refused(place: &dyn Place) {
    let mut store = with_user_4(place);
    let most = HistoryLimits { journal_calls: 0, ..SMALL_FILES };
    let prepared = store.sealer().unwrap().prepare(&most).unwrap().unwrap();
    let erasure = erasure(&*store);
    store.erase(&erasure, &rewritten).unwrap();
    assert!(store.adopt(prepared).is_err());
    let after = describe(&*store);
    put_in_order(&mut *store, &most);
    assert_eq!(describe(&*store), after, "written again, it is fine");
    assert!(!after.contains("user-4"));
}

/// The present of these stories: 2026-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// Everything that can be seen of a store, as text, to compare one with another.
pub fn describe(store: &dyn Store) -> String {
    let recovered = store.recover().unwrap();
    let reader = store.reader().unwrap();
    let mut seen = format!("{recovered:#?}\n");
    for row in rows_of(store) {
        writeln!(seen, "{row:?}").expect("a String takes everything");
    }
    writeln!(
        seen,
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        reader.reports(&ReportFilter::default(), ALL).unwrap(),
        reader.decisions(&DecisionFilter::default(), ALL).unwrap(),
        reader.transitions(&name("regulars"), ALL).unwrap(),
        reader.messages(&MessageFilter::default(), ALL).unwrap(),
        reader.message_counts(None).unwrap(),
        reader.refused(ALL).unwrap(),
        reader.tallies(1_000).unwrap(),
    )
    .expect("a String takes everything");
    for message in reader.messages(&MessageFilter::default(), ALL).unwrap() {
        let reactions = reader.reactions(&message.id).unwrap();
        let (kept, message) = (reader.kept_mail(&message.id).unwrap(), reader.message(&message.id).unwrap());
        writeln!(seen, "{message:?} {kept:?} {reactions:?}").expect("a String takes everything");
    }
    for campaign in ["win-back", "reorder"].map(name) {
        let (exposures, journeys) = (reader.exposures(&campaign).unwrap(), reader.journey_counts(&campaign).unwrap());
        writeln!(seen, "{exposures:?} {journeys:?}").expect("a String takes everything");
    }
    for segment in ["regulars", "lapsed"].map(name) {
        writeln!(seen, "{:?}", reader.versions(DefinitionKind::Segment, &segment).unwrap())
            .expect("a String takes everything");
    }
    seen
}

/// All journal rows.
pub fn rows_of(store: &dyn Store) -> Vec<JournalRow> {
    let mut rows = Vec::new();
    store
        .reader()
        .unwrap()
        .replay(RowId(0), &mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
    rows
}

fn append(store: &mut dyn Store, calls: &[Arc<Call>]) {
    let position = Position(store.recover().unwrap().position.0 + calls.len() as u64);
    store.commit(&Commit { calls: calls.to_vec(), position, ..Commit::default() }).unwrap();
}

/// A commit with one of everything and three calls, the first of a store.
pub fn one_of_everything() -> Commit {
    let tally = TallyKey { day: 20_454, source: "shop".into(), reception: Reception::Accepted, reason: None };
    Commit {
        calls: (1..=3).map(call).collect(),
        position: Position(3),
        clock: NOW,
        clock_offset_ms: Some(7),
        transitions: vec![transition("regulars", 1)],
        decisions: vec![decision(1, Outcome::Held)],
        messages: vec![Message { outcome: Some(Outcome::Held), because: Some(Because::PutOff), ..message(1) }],
        attempts: vec![attempt(1, 1), attempt(1, 2)],
        reactions: vec![Reaction { message: message_id(1), kind: ReactionKind::Opened, at: NOW }],
        kept_mails: vec![(message_id(1), "To: c1@x.test\r\n\r\nHello".into())],
        journeys: vec![journey(1)],
        tasks: vec![task(1)],
        tasks_done: Vec::new(),
        webhooks: vec![webhook(1)],
        webhook_progress: Vec::new(),
        endpoints: vec![EndpointChange::Off(EndpointOff {
            name: name("erp"),
            at: NOW,
            reason: "answered 410".to_owned(),
        })],
        codes: vec![VoucherCode { code: "SPRING-1".into(), pool: name("spring"), added_at: NOW }],
        codes_given: Vec::new(),
        exposures: vec![exposure(1)],
        sharings: vec![sharing(NOW, 5_000)],
        assignments: vec![assignment(1)],
        campaigns: vec![campaign("win-back")],
        definitions: vec![definition("regulars", 1)],
        suppressions: vec![SuppressionChange::Add(suppression("gone@x.test"))],
        reports: vec![report(1, Some(1)), report(2, None)],
        first_sent: vec![(Channel::Email, NOW)],
        rests: vec![RestChange::Begins(resting("slow.example", 2))],
        refused: vec![refused(0, NOW)],
        refused_gone: Vec::new(),
        keys: vec![key("k1")],
        tallies: BTreeMap::from([(tally, 3)]),
    }
}

/// A name that fits the grammar.
pub fn name(text: &str) -> Name {
    Name::parse(text).expect("the stories use names that fit the grammar")
}

fn raw(json: &str) -> Arc<RawValue> {
    RawValue::from_string(json.to_owned()).expect("the stories use valid JSON").into()
}

fn pounds(minor: i64) -> Money {
    Money { minor, currency: domain::Currency::GBP }
}

/// Call number `number`: an order, a page or a record.
pub fn call(number: u64) -> Arc<Call> {
    let is_record = number % 7 == 3;
    let record = domain::call::RecordPart {
        kind: "pass".into(),
        id: format!("pass-{number}").into(),
        deleted: number.is_multiple_of(2),
        left: number.is_multiple_of(3),
    };
    let days = i64::try_from(number % 400).expect("a number below 400");
    Arc::new(Call {
        kind: if is_record { CallKind::Record } else { CallKind::Track },
        message_id: format!("message-{number}").into(),
        user_id: (!number.is_multiple_of(3)).then(|| format!("user-{}", number % 10).into()),
        anonymous_id: number.is_multiple_of(3).then(|| format!("visitor-{number}").into()),
        other_id: None,
        event: (!is_record).then(|| "Order Completed".into()),
        timestamp: NOW.minus(Span::days(days)),
        received_at: NOW,
        source: "shop".into(),
        trust: Trust::Server,
        record: is_record.then_some(record),
        body: raw(&format!("{{\"order_id\":\"o-{number}\",\"revenue\":{number}.50}}")),
        context: number.is_multiple_of(2).then(|| raw("{\"ip\":\"203.0.113.7\"}")),
    })
}

fn customer(number: u64) -> CustomerId {
    CustomerId(u32::try_from(number).expect("the stories have few customers"))
}

/// The id of message `number`.
pub fn message_id(number: u64) -> MessageId {
    MessageId(format!("m_{number:026}").into())
}

fn journey_id(number: u64) -> Arc<str> {
    format!("j_{number}").into()
}

/// Message `number`, sent to customer `number` by `win-back`.
pub fn message(number: u64) -> Message {
    Message {
        id: message_id(number),
        customer: customer(number),
        campaign: name("win-back"),
        step: "1".to_owned(),
        template: name("hello-again"),
        variant: Some("short".to_owned()),
        channel: Channel::Email,
        purpose: name("marketing"),
        decided_at: NOW,
        outcome: Some(Outcome::Sent),
        because: None,
        outcome_at: Some(NOW),
        attempts: 2,
        phase: Some(Phase::Done),
        due: Some(NOW.plus(Span::DAY)),
        expires: NOW.plus(Span::days(3)),
        written: Some(Arc::new(Written {
            to: format!("c{number}@x.test"),
            to_name: Some("Ana".to_owned()),
            subject: "We miss you".to_owned(),
            text: "Hello Ana".to_owned(),
            html: Some("<p>Hello Ana</p>".to_owned()),
            unsubscribe_path: "/u/1".to_owned(),
            url: number.is_multiple_of(3).then(|| "https://x.test/c/1".to_owned()),
            icon: number.is_multiple_of(3).then(|| "https://x.test/leaf.png".to_owned()),
        })),
        detail: Some("450 later".to_owned()),
        approved: number.is_multiple_of(2).then(|| Approval { at: NOW, by: "Maya".to_owned() }),
    }
}

/// Attempt `attempt` at message `number`.
pub fn attempt(number: u64, attempt: u32) -> Attempt {
    Attempt {
        message: message_id(number),
        number: attempt,
        started_at: NOW,
        phase: Phase::Done,
        ended_at: Some(NOW),
        result: Some("put_off".to_owned()),
        reply: Some("450 later".to_owned()),
    }
}

/// An outcome of message `number`.
pub fn decision(number: u64, outcome: Outcome) -> Decision {
    Decision {
        message: message_id(number),
        customer: customer(number),
        campaign: name("win-back"),
        step: "1".to_owned(),
        at: NOW,
        outcome,
        because: None,
        detail: Some("why".to_owned()),
        until: Some(NOW.plus(Span::DAY)),
    }
}

/// Customer `number` entered the segment.
pub fn transition(segment: &str, number: u64) -> Transition {
    Transition { segment: name(segment), customer: customer(number), at: NOW, entered: number % 2 == 1 }
}

/// Journey `number`: customer `number` is inside `win-back`.
pub fn journey(number: u64) -> Journey {
    Journey {
        id: journey_id(number),
        campaign: name("win-back"),
        customer: customer(number),
        key: None,
        entered_at: NOW,
        version: 1,
        step: 0,
        stage: Stage::Due,
        until: Some(NOW.plus(Span::DAY)),
        message: Some(message_id(number)),
        trigger: Some("{\"order_id\":\"o-1\"}".to_owned()),
        record: (number % 2 == 1).then(|| RecordKey { kind: "pass".into(), id: format!("p-{number}").into() }),
        occasion: Some("2026-12-01".to_owned()),
        waits_since: Some(NOW),
        done: if number % 2 == 1 { vec!["first".to_owned(), "3.1.2".to_owned()] } else { Vec::new() },
        ended_at: None,
    }
}

/// Task `number`: somebody is to call customer `number`.
pub fn task(number: u64) -> Task {
    Task {
        id: format!("t_{number}").into(),
        customer: customer(number),
        campaign: name("win-back"),
        step: "call".to_owned(),
        title: format!("Call customer {number}"),
        owner: (number % 2 == 1).then(|| "care".to_owned()),
        due: Some(NOW.plus(Span::DAY)),
        draft: Some(name("call-notes")),
        opened_at: NOW,
        completed_at: None,
    }
}

/// Webhook `number`.
pub fn webhook(number: u64) -> Webhook {
    Webhook {
        id: format!("wh_{number}").into(),
        customer: customer(number),
        campaign: name("win-back"),
        step: "tell".to_owned(),
        endpoint: name("erp"),
        event: "promo.granted".to_owned(),
        body: "{\"type\":\"promo.granted\"}".to_owned(),
        made_at: NOW,
        progress: WebhookProgress {
            state: WebhookState::Waiting,
            attempts: 0,
            due: Some(NOW),
            tried_at: None,
            ended_at: None,
            expires: NOW.plus(Span::days(3)),
            reply: None,
        },
    }
}

/// The exposure of journey `number`.
pub fn exposure(number: u64) -> Exposure {
    Exposure {
        journey: journey_id(number),
        campaign: name("win-back"),
        customer: customer(number),
        arm: if number.is_multiple_of(2) { Arm::HeldOut } else { Arm::Messaged },
        at: NOW,
        until: NOW.plus(Span::days(14)),
        came_back_at: None,
        goals: 0,
        worth: Vec::new(),
    }
}

/// How the variants of the first step are shared from an instant on; `restock` gets so many of 10,000.
pub fn sharing(since: Timestamp, share: u32) -> Sharing {
    let of = |variant: &str, share| VariantShare { variant: variant.into(), share, customers: 240, came_back: 12 };
    Sharing {
        campaign: name("win-back"),
        step: "first".to_owned(),
        draw: 1,
        since,
        variants: vec![of("plain", 10_000 - share), of("restock", share)],
    }
}

/// The variant of customer `number`.
pub fn assignment(number: u64) -> Assignment {
    Assignment {
        message: message_id(number),
        journey: journey_id(number),
        campaign: name("win-back"),
        step: "first".to_owned(),
        draw: 1,
        customer: customer(number),
        at: NOW,
        variant: "restock".into(),
        shares: [("plain".into(), 2_800), ("restock".into(), 7_200)].into(),
    }
}

/// Facts of a campaign.
pub fn campaign(named: &str) -> CampaignFacts {
    CampaignFacts {
        name: name(named),
        started_at: NOW,
        draw: 2,
        compared_since: NOW.plus(Span::DAY),
        version: 1,
        paused_at: Some(NOW),
        stopped_at: None,
    }
}

/// A version of a segment.
pub fn definition(named: &str, version: u32) -> DefinitionVersion {
    DefinitionVersion {
        kind: DefinitionKind::Segment,
        name: name(named),
        version,
        at: NOW,
        by: "demo".to_owned(),
        value: Some(serde_json::json!({ "segment": named, "who": { "did": "Order Completed", "at_least": version } })),
    }
}

/// An address that bounced.
pub fn suppression(address: &str) -> Suppression {
    Suppression { address: address.to_owned(), at: NOW, reason: "550 no such person".to_owned() }
}

/// A refused call with this number.
pub fn refused(id: u64, at: Timestamp) -> Refused {
    Refused {
        id,
        at,
        source: "shop".to_owned(),
        trust: Trust::Browser,
        reason: "no_customer".to_owned(),
        message: "write userId or anonymousId".to_owned(),
        raw: "{\"type\":\"track\"}".to_owned(),
    }
}

/// A key that works.
pub fn key(id: &str) -> Key {
    Key {
        id: id.to_owned(),
        hash: vec![1; 32],
        trust: Trust::File,
        source: "import".to_owned(),
        created_at: NOW,
        revoked_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::memory_store::{Fault, MemoryDisk, MemoryStore};
    use store::{Store, StoreError};

    impl Place for MemoryDisk {
        fn open(&self) -> Box<dyn Store> {
            Box::new(MemoryStore::open(self.clone()))
        }
    }

    crate::store_contract!(MemoryDisk::new);

    #[test]
    fn a_lost_commit_is_gone_and_an_unacknowledged_one_is_there() {
        let disk = MemoryDisk::new();
        let mut store = MemoryStore::open(disk.clone());
        let commit = super::one_of_everything();
        disk.fail_next(Fault::CommitFails);
        assert!(store.commit(&commit).is_err());
        assert_eq!(store.recover().unwrap().position.0, 0, "the process goes on");
        disk.fail_next(Fault::CommitLost);
        assert!(store.commit(&commit).is_err());
        assert!(store.recover().is_err() && store.commit(&commit).is_err(), "a dead process answers nothing");
        let mut store = MemoryStore::open(disk.clone());
        assert_eq!(store.recover().unwrap().position.0, 0);
        disk.fail_next(Fault::CommitUnacknowledged);
        assert!(store.commit(&commit).is_err());
        assert_eq!(store.recover().unwrap().position.0, 3);
    }

    #[test]
    fn a_crash_in_the_middle_of_an_erasure_leaves_all_or_nothing_of_the_person() {
        let mut found = Vec::new();
        for point in 1.. {
            let disk = MemoryDisk::new();
            let mut store = super::with_user_4(&disk);
            let erasure = super::erasure(&*store);
            disk.crash_at(disk.crash_points() + point);
            let run = store.erase(&erasure, &super::rewritten);
            let after = super::describe(&*disk.open());
            let traces = super::TRACES.iter().filter(|trace| after.contains(**trace)).count();
            if run.is_ok() {
                assert_eq!(traces, 0);
                break;
            }
            found.push(traces);
        }
        assert_eq!(found, [super::TRACES.len(), 0], "before it was durable, and after");
    }

    #[test]
    fn a_full_disk_refuses_calls_and_takes_the_rest() {
        let disk = MemoryDisk::new();
        let mut store = MemoryStore::open(disk.clone());
        let commit = super::one_of_everything();
        let without_calls = store::Commit { keys: commit.keys.clone(), ..store::Commit::default() };
        disk.fail_next(Fault::Full);
        store.commit(&without_calls).unwrap();
        assert!(matches!(store.commit(&commit), Err(StoreError::Full { .. })));
        disk.set_full(true);
        assert!(matches!(store.may_append(), Err(StoreError::Full { .. })));
        assert!(matches!(store.commit(&commit), Err(StoreError::Full { .. })));
        disk.set_full(false);
        store.commit(&commit).unwrap();
    }

    #[test]
    fn every_crash_point_of_a_run_can_be_reached() {
        let mut positions = Vec::new();
        for point in 1.. {
            let disk = MemoryDisk::new();
            disk.crash_at(point);
            let run = MemoryStore::open(disk.clone()).commit(&super::one_of_everything());
            if run.is_ok() {
                assert_eq!(disk.crash_points(), 2);
                break;
            }
            positions.push(MemoryStore::open(disk).recover().unwrap().position.0);
        }
        assert_eq!(positions, [0, 3], "before it was durable, and after");
    }
}
