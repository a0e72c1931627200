//! How commands reach a workspace: the running server of a data directory, or the directory itself.

use crate::config::Config;
use crate::serve::{Open, Running};
use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::{Method, Request};
use futures::StreamExt;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use store::StoreError;
use tower::ServiceExt;

/// A way to ask.
pub struct Client {
    way: Way,
}

enum Way {
    /// A server runs: it is asked over loopback.
    Remote { running: Running, agent: ureq::Agent },
    /// None runs: this process opens the directory and asks itself.
    Local { open: Box<Open>, runtime: tokio::runtime::Runtime },
}

/// The answer to a request: its status and its JSON.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A request was refused, or could not be carried out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// What was wrong.
    pub message: String,
}

/// The command line asks for something that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);

impl Client {
    /// Connects to the server of a data directory, or opens the directory. `create`: a directory without data is made.
    pub fn connect(dir: &Path, config: &Config, create: Create) -> anyhow::Result<Client> {
        if let Some(running) = Running::find(dir) {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_connect(Some(Duration::from_secs(2)))
                .build()
                .into();
            let alive = agent.get(format!("{}/healthz", running.url)).call().is_ok();
            if alive {
                return Ok(Client { way: Way::Remote { running, agent } });
            }
        }
        if create == Create::No && !dir.join("perennial.sqlite").exists() {
            bail!(
                "there is no data in {}; `perennial demo`, `perennial serve` or `perennial import` make some",
                dir.display()
            );
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let open = Open::new(dir, config, config.server.listen, None)?;
        Ok(Client { way: Way::Local { open: Box::new(open), runtime } })
    }

    /// Asks, and gives the answer whatever its status.
    pub fn ask(&self, method: &Method, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<Reply> {
        match &self.way {
            Way::Remote { running, agent } => {
                let mut request = running.request(method, path);
                if body.is_some() {
                    request = request.header("content-type", "application/json");
                }
                let mut response = agent
                    .run(request.body(body.unwrap_or_default())?)
                    .with_context(|| format!("the server at {} does not answer", running.url))?;
                let text = response.body_mut().with_config().limit(1 << 30).read_to_string()?;
                Ok(Reply { status: response.status().as_u16(), body: as_json(text.as_bytes()) })
            }
            Way::Local { open, runtime } => runtime.block_on(async move {
                let response = ask_router(open, method, path, body.unwrap_or_default()).await?;
                let status = response.status().as_u16();
                let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
                Ok(Reply { status, body: as_json(&bytes) })
            }),
        }
    }

    /// The body of an answer that is a success; any other is an error with its words.
    pub fn successful(reply: Reply) -> anyhow::Result<Value> {
        if (200..300).contains(&reply.status) {
            return Ok(reply.body);
        }
        let message =
            reply.body.get("detail").and_then(Value::as_str).unwrap_or("the answer makes no sense").to_owned();
        Err(Refused { status: reply.status, message }.into())
    }

    /// Asks for something; an answer that is no success is an error.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        Client::successful(self.ask(&Method::GET, path, None)?)
    }

    /// Sends JSON; an answer that is no success is an error.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Client::successful(self.ask(&Method::POST, path, Some(serde_json::to_vec(body)?))?)
    }

    /// Sends bytes that are JSON already.
    pub fn post_bytes(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        Client::successful(self.ask(&Method::POST, path, Some(body))?)
    }

    /// Asks for a file and hands it on as it comes; an answer that is no success is an error.
    pub fn download(&self, path: &str, body: &Value, to: &mut dyn Write) -> anyhow::Result<()> {
        let body = serde_json::to_vec(body)?;
        match &self.way {
            Way::Remote { running, agent } => {
                let request = running.request(&Method::POST, path).header("content-type", "application/json");
                let mut response = agent
                    .run(request.body(body)?)
                    .with_context(|| format!("the server at {} does not answer", running.url))?;
                if !response.status().is_success() {
                    let status = response.status().as_u16();
                    let text = response.body_mut().read_to_string()?;
                    return Client::successful(Reply { status, body: as_json(text.as_bytes()) }).map(drop);
                }
                std::io::copy(&mut response.body_mut().as_reader(), to)?;
            }
            Way::Local { open, runtime } => runtime.block_on(async {
                let response = ask_router(open, &Method::POST, path, body).await?;
                let status = response.status();
                let mut pieces = response.into_body().into_data_stream();
                let mut told = Vec::new();
                while let Some(piece) = pieces.next().await {
                    match status.is_success() {
                        true => to.write_all(&piece?)?,
                        false => told.extend_from_slice(&piece?),
                    }
                }
                match status.is_success() {
                    true => Ok(()),
                    false => Client::successful(Reply { status: status.as_u16(), body: as_json(&told) }).map(drop),
                }
            })?,
        }
        Ok(to.flush()?)
    }

    /// Removes something.
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        Client::successful(self.ask(&Method::DELETE, path, None)?)
    }

    /// Whether a server answers.
    pub fn is_remote(&self) -> bool {
        matches!(self.way, Way::Remote { .. })
    }

    /// Finishes what waits and closes the directory, if this process opened it.
    pub fn close(self) {
        if let Way::Local { open, runtime } = self.way {
            drop(runtime);
            open.close();
        }
    }
}

/// A body as JSON, or as the text that it is.
fn as_json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

async fn ask_router(
    open: &Open,
    method: &Method,
    path: &str,
    body: Vec<u8>,
) -> anyhow::Result<axum::response::Response> {
    let request = Request::builder()
        .method(method.clone())
        .uri(path)
        .header("authorization", format!("Bearer {}", open.app.token))
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    Ok(open.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {}))
}

impl Running {
    fn request(&self, method: &Method, path: &str) -> ureq::http::request::Builder {
        ureq::http::Request::builder()
            .method(method.as_str())
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
    }
}

/// Whether a command may make a data directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// It may.
    Yes,
    /// There must be data.
    No,
}

/// The exit status that an error asks for: 2 wrong usage or configuration, 3 could not be done.
pub fn exit_status(error: &anyhow::Error) -> u8 {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return if (400..500).contains(&refused.status) { 2 } else { 3 };
    }
    if error.downcast_ref::<StoreError>().is_some() || error.downcast_ref::<std::io::Error>().is_some() {
        return 3;
    }
    if error.downcast_ref::<WrongUsage>().is_some()
        || error.downcast_ref::<toml::de::Error>().is_some()
        || error.downcast_ref::<import::MappingError>().is_some()
    {
        return 2;
    }
    3
}

/// Puts a text into a path or query of a URL.
pub fn in_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
