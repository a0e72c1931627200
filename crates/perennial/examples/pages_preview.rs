//! Serves the pages over invented shops, to look at them: `cargo run --example pages_preview [busy|empty|ugly] [PORT]`.

use std::sync::Arc;

// The pages as the binary has them; once the crate has a library, this becomes `use perennial::pages;`.
#[path = "../src/pages/mod.rs"]
#[allow(dead_code, reason = "the preview does not use what only the command line will")]
pub mod pages;

#[cfg(not(test))]
#[path = "../src/pages/fixtures.rs"]
pub mod fixtures;
#[cfg(test)]
use pages::fixtures;

// What the pages find beside themselves.
pub use perennial::{api, builder, gallery, views};

use fixtures::{Invented, Shop};
use pages::{Sessions, Site};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut words = std::env::args().skip(1);
    let what = match words.next().as_deref() {
        Some("empty") => Invented::Empty,
        Some("ugly") => Invented::Ugly,
        _ => Invented::Busy,
    };
    let port = words.next().and_then(|port| port.parse().ok()).unwrap_or(7711);
    let sessions = Arc::new(Sessions::new());
    let link = sessions.issue_link(jiff::Timestamp::now());
    let router = pages::router(Arc::new(Shop::open(what)), sessions, Site::local(port));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://127.0.0.1:{port}/login/{link}");
    axum::serve(listener, router).await
}
