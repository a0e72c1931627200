//! Segment's HTTP tracking spec, and our `record` calls, as the SDKs really speak it.
//!
//! Success is exactly `200 {"success":true}`: two SDKs send again on 202. Bodies are read by looking at
//! them, not at their Content-Type: gzip arrives unlabelled, JSON as text/plain.

use crate::api::{Shared, not_done, problem};
use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use domain::{CallKind, Source};
use engine::Receipt;
use engine::ingest::{Arrival, Door, Endpoint, Refusal, find_write_key, read};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

/// Most bytes of a body on the wire. One SDK was seen to send 853,634.
pub const WIRE_LIMIT: usize = 4 << 20;
/// Most bytes of a body when decompressed.
pub const BODY_LIMIT: usize = 16 << 20;
/// A body that takes longer than this to arrive is given up.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The routes of `/v1`. Any page may send here, without cookies.
pub fn router() -> Router<Shared> {
    let mut router = Router::new();
    for (path, short, kind) in [
        ("identify", "i", CallKind::Identify),
        ("track", "t", CallKind::Track),
        ("page", "p", CallKind::Page),
        ("screen", "s", CallKind::Screen),
        ("group", "g", CallKind::Group),
        ("alias", "a", CallKind::Alias),
        ("record", "record", CallKind::Record),
    ] {
        let take = move |state: State<Shared>, request: Request| async move {
            take(state, Endpoint::One(kind), request).await
        };
        router = router.route(&format!("/v1/{path}"), post(take));
        if short != path {
            router = router.route(&format!("/v1/{short}"), post(take));
        }
    }
    for path in ["batch", "b", "import"] {
        router = router.route(
            &format!("/v1/{path}"),
            post(|state: State<Shared>, request: Request| async move { take(state, Endpoint::Batch, request).await }),
        );
    }
    router.route("/v1/projects/{key}/settings", get(settings)).layer(middleware::from_fn(cors))
}

/// Answers preflights, and lets any page read the answers. No credentials: cookies mean nothing here.
pub(super) async fn cors(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type, authorization, content-encoding"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// What the browser SDK asks before it starts: send everything here, and nowhere else.
async fn settings(State(app): State<Shared>, Path(key): Path<String>) -> Response {
    let host = app.public_url.trim_start_matches("https://").trim_start_matches("http://").to_owned();
    let protocol = if app.public_url.starts_with("https://") { "https" } else { "http" };
    if source_of(&app, &key).is_none() {
        return bad_key();
    }
    Json(json!({
        "integrations": { "Segment.io": { "apiKey": key, "apiHost": format!("{host}/v1"), "protocol": protocol, "unbundledIntegrations": [], "addBundledMetadata": false } },
        "plan": { "track": { "__default": { "enabled": true, "integrations": {} } }, "identify": { "__default": { "enabled": true } }, "group": { "__default": { "enabled": true } } },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": { "sampleRate": 0 },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": []
    }))
    .into_response()
}

async fn take(State(app): State<Shared>, endpoint: Endpoint, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = refuse_encoding(&parts.headers) {
        return refused;
    }
    if content_length(&parts.headers).is_some_and(|length| length > WIRE_LIMIT) {
        return too_large();
    }
    let key = basic_key(&parts.headers).or_else(|| query_key(parts.uri.query()));
    // A wrong key in the header is told before the body is read: strangers cost next to nothing.
    let known = match &key {
        Some(key) => match source_of(&app, key) {
            Some(source) => Some(source),
            None => return bad_key(),
        },
        None => None,
    };
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let reading = {
        let app = app.clone();
        let read = move || read_request(&app, &body, endpoint, known).map_err(Box::new);
        tokio::task::spawn_blocking(read).await
    };
    match reading {
        Ok(Ok((source, Ok(arrived)))) => answer(&app, source, arrived).await,
        Ok(Ok((source, Err(refusal)))) => refuse_whole(&app, source, refusal).await,
        Ok(Err(response)) => *response,
        Err(_) => {
            problem(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the body could not be read; the reason is in the log")
        }
    }
}

/// The calls of a body as they go to the writer, and what was set aside of them.
struct Arrived {
    items: Vec<Result<Arrival, Refusal>>,
    set_aside: Vec<(usize, String)>,
}

type ReadRequest = (Source, Result<Arrived, Refusal>);

/// Decompresses, authenticates and checks one body. Runs beside the async threads: it is pure work.
#[expect(clippy::result_large_err, reason = "the error is the answer, made once a request")]
fn read_request(
    app: &Shared,
    body: &Bytes,
    endpoint: Endpoint,
    known: Option<Source>,
) -> Result<ReadRequest, Response> {
    let unpacked;
    let text: &[u8] = if is_gzip(body) {
        unpacked = unpack(body)?;
        &unpacked
    } else {
        body
    };
    if is_gzip(text) {
        return Err(problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "packed_twice",
            "the body is gzipped twice; send it gzipped once",
        ));
    }
    let source = match known {
        Some(source) => source,
        None => find_write_key(text).and_then(|key| source_of(app, &key)).ok_or_else(bad_key)?,
    };
    let random = random_id();
    let door = Door {
        now: app.handle.now(),
        source: &source,
        fresh_id: &|index| format!("perennial-{random}-{index}"),
        options: &app.door,
        correct_skew: true,
    };
    let reading = read(text, endpoint, &door)
        .map(|reading| Arrived { items: app.handle.arrive(reading.items), set_aside: reading.set_aside });
    Ok((source, reading))
}

async fn answer(app: &Shared, source: Source, arrived: Arrived) -> Response {
    let Arrived { items, set_aside } = arrived;
    let is_batch = items.len() != 1;
    let receipts = match app.handle.ingest(source, items).await {
        Ok(receipts) => receipts,
        Err(error) => return not_done(&error),
    };
    let refused: Vec<Value> = receipts
        .iter()
        .enumerate()
        .filter_map(|(index, receipt)| match receipt {
            Receipt::Refused { reason, message } => Some(json!({ "index": index, "code": reason, "message": message })),
            _ => None,
        })
        .collect();
    if refused.is_empty() {
        // Exactly this, to the byte: SDKs compare.
        return match set_aside.is_empty() {
            true => Json(json!({ "success": true })).into_response(),
            false => with_notes(json!({ "success": true }), &set_aside),
        };
    }
    if refused.len() < receipts.len() {
        let duplicates = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Duplicate { .. })).count();
        let accepted = receipts.len() - refused.len() - duplicates;
        return with_notes(
            json!({ "success": true, "accepted": accepted, "duplicates": duplicates, "refused": refused }),
            &set_aside,
        );
    }
    let first = &refused[0];
    let mut body = json!({ "code": first["code"], "message": first["message"] });
    if is_batch {
        body["refused"] = refused.into();
    }
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// Adds what was set aside as a header: the body of a success stays exactly what SDKs expect.
fn with_notes(body: Value, notes: &[(usize, String)]) -> Response {
    let mut response = Json(body).into_response();
    let text: String = notes.iter().take(5).map(|(index, note)| format!("[{index}] {note}; ")).collect();
    let ascii: String =
        text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(1_000).collect();
    if let Ok(value) = HeaderValue::from_str(&ascii)
        && !notes.is_empty()
    {
        response.headers_mut().insert("x-perennial-set-aside", value);
    }
    response
}

async fn refuse_whole(app: &Shared, source: Source, refusal: Refusal) -> Response {
    let (reason, message) = (refusal.reason, refusal.message.clone());
    if let Err(error) = app.handle.ingest(source, vec![Err(refusal)]).await {
        return not_done(&error);
    }
    problem(StatusCode::BAD_REQUEST, reason, &message)
}

/// The source of a key in force.
pub fn source_of(app: &Shared, key: &str) -> Option<Source> {
    let id = crate::keys::id_of(key)?;
    app.handle.read().source_of_key(id, &crate::keys::hash(key))
}

fn bad_key() -> Response {
    let mut response = problem(
        StatusCode::UNAUTHORIZED,
        "bad_key",
        "no such write key; make one with `perennial keys create`, and send it as the user of Basic auth or as `writeKey` in the body",
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"perennial\""));
    response
}

fn too_large() -> Response {
    let mut response = problem(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "a request may have 4 MB, and 16 MB when unpacked; send smaller batches",
    );
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn refuse_encoding(headers: &HeaderMap) -> Option<Response> {
    let encoding = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    if matches!(encoding.as_str(), "" | "identity" | "gzip" | "x-gzip") {
        return None;
    }
    Some(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_encoding", "send the body plain or gzipped once"))
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read_body(body: Body) -> Result<Bytes, Response> {
    match tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, WIRE_LIMIT)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if crate::pace::is_too_slow(&error) => Err(too_slow()),
        Ok(Err(error)) => {
            // The limit is the only error that is ours; anything else is a connection that broke.
            let limited =
                std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("length limit"));
            Err(if limited {
                too_large()
            } else {
                problem(StatusCode::BAD_REQUEST, "broken_body", "the body did not arrive whole; send it again")
            })
        }
        Err(_) => Err(too_slow()),
    }
}

fn too_slow() -> Response {
    let mut response = problem(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        "the body arrived too slowly: it has 30 s, and must come at 1 KB a second; send smaller batches",
    );
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b])
}

#[expect(clippy::result_large_err, reason = "the error is the answer, made once a request")]
fn unpack(body: &[u8]) -> Result<Vec<u8>, Response> {
    let mut unpacked = Vec::with_capacity(body.len().saturating_mul(4).min(BODY_LIMIT));
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(BODY_LIMIT as u64 + 1);
    if reader.read_to_end(&mut unpacked).is_err() {
        return Err(problem(StatusCode::BAD_REQUEST, "bad_gzip", "the body looks gzipped but cannot be unpacked"));
    }
    if unpacked.len() > BODY_LIMIT { Err(too_large()) } else { Ok(unpacked) }
}

pub(super) fn basic_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let user = text.split(':').next()?;
    (!user.is_empty()).then(|| user.to_owned())
}

fn query_key(query: Option<&str>) -> Option<String> {
    let Query(pairs) = Query::<HashMap<String, String>>::try_from_uri(&format!("/?{}", query?).parse().ok()?).ok()?;
    pairs.get("writeKey").cloned()
}

/// 128 random bits as text.
pub fn random_id() -> String {
    crate::pages::session::random_token()
}
