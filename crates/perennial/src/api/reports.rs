//! `/api/reports`: what comes back about mails, handed over as it was received; and `/v1/reports`, the same for those who
//! have a server key, such as a mail provider's webhook.

use crate::api::openapi::{list_of, shape};
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, Problem, ask, ask_for};
use crate::api::{App, Shared};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use channels::{MAX_REPORT_OCTETS, Report, ReportError};
use domain::Trust;
use domain::message::ReportKind;
use engine::deliver::reports::{About, Came};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{MailReport, Page, ReportFilter};

/// What stands under `/api/reports`.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            Method::POST,
            "/api/reports",
            "takeReport",
            "Takes a mail that came back: a bounce (RFC 3464), a complaint (RFC 5965), or anything else.",
            take,
        )
        .says("It counts for the message whose return path or Message-ID it shows; what shows none of ours is kept for a person to look at, and nothing follows from it. The same report twice is one. `/v1/reports` takes the same from whoever has a server key, as the user of Basic auth.")
        .takes_mail()
        .takes_up_to(MAX_REPORT_OCTETS)
        .answers(shape("MailReport")),
        Operation::new(Method::GET, "/api/reports", "listReports", "What came back about mails, the latest first; the first thousand.", list)
            .takes("query", "unmatched", "Only those of which nobody knows the message.", json!({ "type": "boolean", "default": false }))
            .answers(list_of("MailReport")),
    ]
}

/// The door for those who have a server key.
pub(super) fn router(app: Shared) -> Router<Shared> {
    let guard = middleware::from_fn_with_state(app, only_with_server_key);
    let limit = DefaultBodyLimit::max(MAX_REPORT_OCTETS);
    let said = middleware::from_fn(crate::api::problems::say_as_problem);
    Router::new().route("/v1/reports", post(take).layer(limit).layer(guard).layer(said))
}

async fn only_with_server_key(State(app): State<Shared>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let key = super::tracking::basic_key(&headers);
    let is_server =
        key.and_then(|key| super::tracking::source_of(&app, &key)).is_some_and(|it| it.trust == Trust::Server);
    if !is_server {
        return Problem::new("bad_token", "show a server key as the user of Basic auth").into_response();
    }
    next.run(request).await
}

async fn take(State(app): State<Shared>, body: Bytes) -> Answer {
    let (came, about) = ask_for(&app, move |app| read(app, &body)).await?;
    let known = matches!(about, About::Known(_));
    let report = app.handle.change_later(1, move |engine, now| engine.take_report(came, about, now)).await?;
    let mut answer = shown(&app, &report);
    answer["known"] = known.into();
    Ok(Json(answer))
}

/// Reads a mail and looks for what it is about.
fn read(app: &App, mail: &[u8]) -> Result<(Came, About), Fault> {
    let report = Report::read(mail).map_err(|error| match error {
        ReportError::TooLarge { .. } => Problem::new("too_large", error.to_string()).into(),
        ReportError::NotAMail { .. } => Fault::Wrong(error.to_string()),
    })?;
    let kind = match report.kind {
        channels::ReportKind::HardBounce => ReportKind::HardBounce,
        channels::ReportKind::SoftBounce => ReportKind::SoftBounce,
        channels::ReportKind::Delayed => ReportKind::Delayed,
        channels::ReportKind::Delivered => ReportKind::Delivered,
        channels::ReportKind::Complaint => ReportKind::Complaint,
        channels::ReportKind::Other => ReportKind::Other,
    };
    let hash = Sha256::digest(mail);
    let id: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let came = Came {
        id: format!("r_{id}").into(),
        kind,
        address: report.recipient,
        status: report.status.map(|status| status.to_string()),
        words: report.words,
        return_paths: report.return_paths,
        mail_ids: report.mail_ids,
        raw: String::from_utf8_lossy(mail).replace('\0', " "),
    };
    let about = app.handle.with_reader(|reader| app.handle.read().about_report(reader, &came))?;
    Ok((came, about))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    unmatched: bool,
}

async fn list(State(app): State<Shared>, Query(asked): Query<Asked>) -> Answer {
    ask(&app, move |app| {
        let filter = ReportFilter { matched: asked.unmatched.then_some(false), ..ReportFilter::default() };
        let reports = app.handle.with_reader(|reader| reader.reports(&filter, Page { skip: 0, limit: 1_000 }))?;
        Ok(reports.iter().map(|report| shown(app, report)).collect())
    })
    .await
}

/// A report as the API tells it.
fn shown(app: &App, report: &MailReport) -> Value {
    let customer = report.customer.map(|customer| app.handle.read().name_of(customer));
    json!({
        "report": report.id, "time": report.at.to_string(), "kind": report.kind, "message": report.message,
        "customer": customer, "address": report.address, "status": report.status, "words": report.words,
    })
}
