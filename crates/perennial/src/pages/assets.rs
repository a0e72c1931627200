//! The sheet and the script, inside the binary. Their addresses hold a hash of their content, so browsers keep them for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const SHEET: &str = include_str!("../../assets/perennial.css");
const HTMX: &str = include_str!("../../assets/htmx.min.js");
const ICON: &str = include_str!("../../assets/perennial.svg");

static SHEET_PATH: LazyLock<String> = LazyLock::new(|| address("perennial", SHEET, "css"));
static HTMX_PATH: LazyLock<String> = LazyLock::new(|| address("htmx", HTMX, "js"));

/// The address of the sheet.
pub(crate) fn sheet() -> &'static str {
    &SHEET_PATH
}

/// The address of htmx.
pub(super) fn script() -> &'static str {
    &HTMX_PATH
}

fn address(name: &str, content: &str, kind: &str) -> String {
    let hash = Sha256::digest(content.as_bytes());
    let short: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/assets/{name}-{short}.{kind}")
}

/// Serves an asset. An old hash is not found: its page is gone too.
pub(super) async fn asset(Path(file): Path<String>) -> Response {
    const FOR_EVER: &str = "public, max-age=31536000, immutable";
    let (kind, age, content) = match format!("/assets/{file}").as_str() {
        path if path == sheet() => ("text/css; charset=utf-8", FOR_EVER, SHEET),
        path if path == script() => ("text/javascript; charset=utf-8", FOR_EVER, HTMX),
        "/assets/perennial.svg" => ("image/svg+xml", "public, max-age=86400", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, age)], content).into_response()
}
