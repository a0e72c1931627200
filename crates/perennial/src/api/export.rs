//! `/api/export/calls`: all calls from outside as lines that `import --map segment-calls` reads, streamed as they are
//! read. Tables come from `/api/query`, definitions from `/api/definitions`.

use crate::api::Shared;
use crate::api::operations::Operation;
use crate::api::problems::{Fault, Problem};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use domain::{Call, CallKind, Trust};
use futures::stream;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use store::{JournalRow, Reader, RowId, StoreError};
use tokio::sync::mpsc::{Sender, channel};

/// Bytes that are gathered before they are sent.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait for a slow receiver; reading waits for it then.
const PIECES: usize = 4;

/// What stands under `/api/export`.
pub(super) fn operations() -> Vec<Operation> {
    let operation = Operation::new(
        Method::POST,
        "/api/export/calls",
        "exportCalls",
        "Every call that came from outside, in order, one JSON object a line.",
        calls,
    );
    let says = "Calls of Segment's HTTP spec, which another Perennial imports with the mapping `segment-calls`. What \
        Perennial itself wrote down, such as messages, is left out: tables have it. An answer that breaks off ends \
        without its last line.";
    vec![operation.says(says).answers_with(200, "application/x-ndjson", json!({ "type": "string" }))]
}

async fn calls(State(app): State<Shared>) -> Response {
    // A reader of its own: the others are for those who look shortly.
    let reader = tokio::task::spawn_blocking(move || app.handle.with_reader(|reader| reader.another())).await;
    let reader = match reader {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) => return Fault::from(error).into_response(),
        Err(error) => return Problem::new("failed", error.to_string()).into_response(),
    };
    let (send, receive) = channel(PIECES);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = write(reader.as_ref(), &send) {
            // The receiver sees an answer that breaks off.
            let _ = send.blocking_send(Err(std::io::Error::other(error.to_string())));
        }
    });
    let pieces =
        stream::unfold(receive, |mut receive| async move { receive.recv().await.map(|piece| (piece, receive)) });
    let media = HeaderValue::from_static("application/x-ndjson");
    ([(header::CONTENT_TYPE, media)], Body::from_stream(pieces)).into_response()
}

fn write(reader: &dyn Reader, to: &Sender<Result<Bytes, std::io::Error>>) -> Result<(), StoreError> {
    let io = |reason: String| StoreError::Io { doing: "read", reason };
    let gone = || io("nobody takes it any more".to_owned());
    let mut piece = Vec::with_capacity(2 * PIECE);
    reader.replay(RowId(0), &mut |row: JournalRow| {
        let from_outside = row.calls.iter().filter(|call| call.trust != Trust::Perennial);
        for call in from_outside.filter(|call| call.emptied_mark().is_none()) {
            serde_json::to_writer(&mut piece, &line(call)).map_err(|error| io(error.to_string()))?;
            piece.push(b'\n');
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(2 * PIECE));
                to.blocking_send(Ok(full.into())).map_err(|_| gone())?;
            }
        }
        Ok(())
    })?;
    to.blocking_send(Ok(piece.into())).map_err(|_| gone())
}

/// A call as Segment's HTTP spec writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    r#type: &'static str,
    message_id: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traits: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a RawValue>,
}

fn line(call: &Call) -> Line<'_> {
    let (is_event, body) = (call.event.is_some(), Some(&*call.body));
    let other = call.other_id.as_deref();
    let of = |kind: CallKind| call.kind == kind;
    Line {
        // Pages and screens are events of a name, and come back as such.
        r#type: if is_event { CallKind::Track.word() } else { call.kind.word() },
        message_id: &call.message_id,
        timestamp: call.timestamp.to_string(),
        user_id: call.user_id.as_deref(),
        anonymous_id: call.anonymous_id.as_deref(),
        previous_id: other.filter(|_| of(CallKind::Alias)),
        group_id: other.filter(|_| of(CallKind::Group)),
        event: call.event.as_deref(),
        kind: call.record.as_ref().map(|record| &*record.kind),
        record_id: call.record.as_ref().map(|record| &*record.id),
        deleted: call.record.as_ref().is_some_and(|record| record.deleted),
        left: call.record.as_ref().is_some_and(|record| record.left),
        properties: body.filter(|_| is_event),
        traits: body.filter(|_| of(CallKind::Identify) || of(CallKind::Group)),
        attributes: body.filter(|_| of(CallKind::Record)),
        context: call.context.as_deref(),
    }
}
