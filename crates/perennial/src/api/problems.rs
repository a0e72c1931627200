//! Why a request to `/api` was not answered: `application/problem+json`, as RFC 9457 has it.
//!
//! Senders at `/v1` get the shape of error that their SDKs know: `api::problem`.

use crate::api::App;
use crate::runtime::JobError;
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::definition::DefinitionError;
use engine::define::DefineError;
use engine::report::ReportError;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::StoreError;

/// The media type of every error under `/api`.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The kinds of problems: word, status, title, and what to do. `type` is `/api#` and the word.
pub const KINDS: &[(&str, StatusCode, &str, &str)] = &[
    ("wrong", StatusCode::BAD_REQUEST, "The request cannot be understood", "Mend what `detail` names and ask again."),
    (
        "definition",
        StatusCode::BAD_REQUEST,
        "The definition cannot be used",
        "`path` says where in it, `nearest` the nearest word that is known, `origin` and `line` in which file.",
    ),
    (
        "bad_token",
        StatusCode::UNAUTHORIZED,
        "The token is missing or wrong",
        "Show the token of the data directory: `Authorization: Bearer …`.",
    ),
    (
        "bad_key",
        StatusCode::UNAUTHORIZED,
        "The write key is missing or may not do this",
        "Show a server key (`sk_…`) as the user of Basic auth, from your server.",
    ),
    (
        "bad_customer_token",
        StatusCode::UNAUTHORIZED,
        "The customer's token is missing, wrong or too old",
        "Have your server make a fresh one at `/v1/in-app/token`, and show it: `Authorization: Bearer …`.",
    ),
    ("not_found", StatusCode::NOT_FOUND, "There is no such thing", "Look at the list; names are exact."),
    (
        "wrong_method",
        StatusCode::METHOD_NOT_ALLOWED,
        "The address does not take this method",
        "`Allow` lists those it takes.",
    ),
    ("refused", StatusCode::CONFLICT, "It cannot be done as things stand", "`detail` says what stands in the way."),
    ("in_use", StatusCode::CONFLICT, "The definition is in use", "Change or delete what `used_by` lists first."),
    ("exists", StatusCode::CONFLICT, "The name is taken", "Take another name, or change the definition that has it."),
    (
        "drift",
        StatusCode::CONFLICT,
        "Changed on the server meanwhile",
        "`drift` lists what; pull it, or apply with `force`.",
    ),
    (
        "changed",
        StatusCode::PRECONDITION_FAILED,
        "Somebody changed it meanwhile",
        "Get it again (`version` is the present one), put in what you changed, and send it with the new version.",
    ),
    (
        "needs_version",
        StatusCode::PRECONDITION_REQUIRED,
        "Say which version you change",
        "Send `If-Match` with the `ETag` you got.",
    ),
    ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", "Send it in pieces."),
    (
        "wrong_media",
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body is of another kind",
        "Say `Content-Type: application/json`; definitions may be `application/yaml` too.",
    ),
    (
        "disk_full",
        StatusCode::INSUFFICIENT_STORAGE,
        "The answer does not fit on the disk",
        "Ask for less, or make room; `[query]` in the configuration bounds it.",
    ),
    ("failed", StatusCode::INTERNAL_SERVER_ERROR, "It could not be done", "The reason is in the log of the server."),
    (
        "busy",
        StatusCode::SERVICE_UNAVAILABLE,
        "Too much is waiting",
        "Ask again after `Retry-After` seconds; nothing was done.",
    ),
    (
        "stopping",
        StatusCode::SERVICE_UNAVAILABLE,
        "The server is stopping",
        "Ask again when it runs; nothing was done.",
    ),
    (
        "not_stored",
        StatusCode::SERVICE_UNAVAILABLE,
        "It could not be stored",
        "`detail` says why, such as a full disk; nothing was done.",
    ),
];

/// A problem to be answered.
#[derive(Debug)]
pub struct Problem {
    code: &'static str,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of one of `KINDS`, and what it is about.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem { code, detail: detail.into(), more: Map::new() }
    }

    /// Adds a member beside those of the RFC.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Problem {
        self.more.insert(key.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = KINDS.iter().find(|(code, ..)| *code == self.code);
        let (status, title) =
            kind.map_or((StatusCode::INTERNAL_SERVER_ERROR, "It could not be done"), |kind| (kind.1, kind.2));
        let mut body = json!({
            "type": format!("/api#{}", self.code), "title": title, "status": status.as_u16(),
            "detail": self.detail, "code": self.code,
        });
        if let Value::Object(map) = &mut body {
            map.extend(self.more);
        }
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// Why a request was not answered.
#[derive(Debug)]
pub enum Fault {
    /// There is no such thing.
    NotFound(String),
    /// The request makes no sense.
    Wrong(String),
    /// It makes sense, and cannot be done as things stand.
    Conflict(String),
    /// The writer did not do it.
    Job(JobError),
    /// It failed for a reason that is none of the asker's business.
    Broken(String),
    /// Anything else.
    Told(Box<Problem>),
}

impl Fault {
    /// What it says, for a command that has no server to ask.
    pub fn words(&self) -> String {
        match self {
            Fault::NotFound(words) | Fault::Wrong(words) | Fault::Conflict(words) | Fault::Broken(words) => {
                words.clone()
            }
            Fault::Job(error) => error.to_string(),
            Fault::Told(problem) => problem.detail.clone(),
        }
    }
}

impl From<JobError> for Fault {
    fn from(error: JobError) -> Fault {
        Fault::Job(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Broken(error.to_string())
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Fault {
        Fault::Told(Box::new(problem))
    }
}

impl From<ReportError> for Fault {
    fn from(error: ReportError) -> Fault {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Ahead { .. } => Fault::Wrong(error.to_string()),
            _ => Fault::NotFound(error.to_string()),
        }
    }
}

impl From<DefinitionError> for Fault {
    fn from(error: DefinitionError) -> Fault {
        let mut problem = Problem::new("definition", error.to_string()).with("path", error.error.path.clone());
        problem = problem.with("message", error.error.message.clone());
        if let Some(nearest) = error.error.nearest() {
            problem = problem.with("nearest", nearest);
        }
        if let Some(line) = error.line {
            problem = problem.with("line", line);
        }
        if !error.definition.is_empty() {
            problem = problem.with("definition", error.definition);
        }
        problem.with("origin", error.origin).into()
    }
}

impl From<DefineError> for Fault {
    fn from(error: DefineError) -> Fault {
        match error {
            DefineError::Definition(error) => error.into(),
            DefineError::Store(error) => error.into(),
            DefineError::Unknown { .. } => Fault::NotFound(error.to_string()),
            DefineError::NameIsGone { .. } => Problem::new("exists", error.to_string()).into(),
            DefineError::InUse { ref users, .. } => {
                let users = json!(users);
                Problem::new("in_use", error.to_string()).with("used_by", users).into()
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::NotFound(detail) => Problem::new("not_found", detail).into_response(),
            Fault::Wrong(detail) => Problem::new("wrong", detail).into_response(),
            Fault::Conflict(detail) => Problem::new("refused", detail).into_response(),
            Fault::Job(error) => Problem::new(code_of(&error), error.to_string()).into_response(),
            Fault::Broken(detail) => {
                tracing::error!("a request could not be answered: {detail}");
                Problem::new("failed", "it could not be done; the reason is in the log").into_response()
            }
            Fault::Told(problem) => problem.into_response(),
        }
    }
}

/// The word for a job that was not done.
pub fn code_of(error: &JobError) -> &'static str {
    match error {
        JobError::Busy => "busy",
        JobError::Stopped => "stopping",
        JobError::NotStored(_) => "not_stored",
        JobError::Panicked => "failed",
    }
}

/// An answer of `/api`.
pub type Answer = Result<Json<Value>, Fault>;

/// Answers a question of the live state beside the async threads: it may take long.
pub async fn ask(app: &Arc<App>, question: impl FnOnce(&App) -> Result<Value, Fault> + Send + 'static) -> Answer {
    ask_for(app, question).await.map(Json)
}

/// As `ask`, for an answer of another shape.
pub async fn ask_for<T: Send + 'static>(
    app: &Arc<App>,
    question: impl FnOnce(&App) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let app = app.clone();
    match tokio::task::spawn_blocking(move || question(&app)).await {
        Ok(result) => result,
        Err(error) => Err(Fault::Broken(error.to_string())),
    }
}

/// What axum itself refuses, such as an unknown field, it says in plain text or not at all; here it is said as a
/// problem. And nobody keeps an answer.
pub async fn say_as_problem(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_said = kind == MEDIA_TYPE || kind.starts_with("application/json");
    let mut response = if (status.is_client_error() || status.is_server_error()) && !is_said {
        in_words(response).await
    } else {
        response
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn in_words(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let code = match parts.status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "wrong_method",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "wrong_media",
        status if status.is_server_error() => "failed",
        _ => "wrong",
    };
    // Its sentences are short; a longer one is cut rather than lost.
    let text = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = match text.trim() {
        "" => parts.status.canonical_reason().unwrap_or("it was refused").to_lowercase(),
        text => text.to_owned(),
    };
    let mut told = Problem::new(code, detail).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            told.headers_mut().insert(name, value.clone());
        }
    }
    told
}
