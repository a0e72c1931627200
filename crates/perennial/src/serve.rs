//! The server: one listener for pages, SDKs and commands.

use crate::api::{self, Shared};
use crate::config::{Config, Send, Speaks};
use crate::connections::Connections;
use crate::history::Keeper;
use crate::link_check::LinkCheck;
use crate::notifications;
use crate::pace::{self, Pace};
use crate::pages::{self, Sessions, Site};
use crate::questions::Questions;
use crate::runtime::{Deliveries, Handle, Writer, start};
use crate::views::EngineViews;
use crate::ways::{self, Ways};
use crate::webhooks;
use anyhow::Context;
use axum::Router;
use axum::http::{HeaderValue, header};
use domain::message::Channel;
use engine::{Endpoints, Options};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// File in the data directory that tells commands where the server is.
const FILE: &str = "server.json";
/// A request's head must arrive within this time.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Where a running server is, and what to show it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Running {
    /// Its URL.
    pub url: String,
    /// The token of this run.
    pub token: String,
    /// Its process.
    pub pid: u32,
}

impl Running {
    /// What the data directory says of a server; none if none was left there.
    pub fn find(dir: &Path) -> Option<Running> {
        serde_json::from_str(&std::fs::read_to_string(dir.join(FILE)).ok()?).ok()
    }
}

/// A workspace that is open in this process.
pub struct Open {
    /// Everything but the listener.
    pub app: Shared,
    /// The whole site.
    pub router: Router,
    /// The sessions of the pages.
    pub sessions: Arc<Sessions>,
    /// Only while serving: a single command is over too soon to seal anything.
    keeper: Option<Keeper>,
    writer: Writer,
}

impl Open {
    /// Opens a data directory. With a runtime to send on and real sending configured, mail goes out; a single command never sends.
    pub fn new(
        dir: &Path,
        config: &Config,
        listen: SocketAddr,
        serving: Option<&tokio::runtime::Handle>,
    ) -> anyhow::Result<Open> {
        let public_url = public_url(config, listen);
        let mut options = Options { public_url: public_url.clone(), ..Options::default() };
        options.endpoints = Endpoints::Only(config.endpoint_names()?);
        options.real_channels = ways::channels(config);
        options.keeps_the_law = options.real_channels.contains(&Channel::Email);
        options.limits = ways::limits(config);
        options.brake = config.email.brake();
        options.counts_opens = config.email.count_opens;
        options.notifies_browsers = notifications::are_on(config);
        let push = match serving {
            Some(_) => notifications::door(config)?,
            // A single command asks for something else: it works with a key that cannot be read.
            None => notifications::door(config).ok().flatten(),
        };
        let sending = match serving.filter(|_| ways::lead_out(config)) {
            Some(runtime) => Some((runtime.clone(), Ways::open(config)?)),
            None => None,
        };
        let (send, mut take) = tokio::sync::mpsc::unbounded_channel();
        // Unbounded, yet never more than the writer's bounds on what is under way.
        let deliveries: Deliveries = Box::new(move |outgoing| drop(send.send(outgoing)));
        let (handle, writer) = start(dir, options, sending.is_some().then_some(deliveries))?;
        if let Some((runtime, ways)) = sending {
            let (handle, spawner, ways) = (handle.clone(), runtime.clone(), Arc::new(ways));
            runtime.spawn(async move {
                while let Some(outgoing) = take.recv().await {
                    spawner.spawn(ways.clone().carry_out(handle.clone(), outgoing));
                }
            });
        }
        let keeper = serving.map(|_| Keeper::start(&handle, config.history.limits())).transpose()?;
        let sessions = Arc::new(Sessions::new());
        let questions = Arc::new(Questions::new(handle.clone(), dir, &config.query)?);
        let app = api::manage::app(handle.clone(), config, push, &public_url, sessions.clone(), questions.clone());
        let views = EngineViews::new(handle, sending_words(config), public_url.clone());
        let views = views.with_door(app.door.clone()).with_questions(questions).with_dry_runs(app.dry_runs.clone());
        let views = match serving {
            Some(_) => views.with_link_check(LinkCheck::new(webhooks::open_outward(config)?)),
            // A single command shows no pages.
            None => views,
        };
        let mut site = Site::local(listen.port());
        if let Some(host) = public_host(config) {
            site = site.also_at(&host);
        }
        let router = pages::router(Arc::new(views), sessions.clone(), site).merge(api::router(app.clone()));
        let router = router.layer(axum::middleware::from_fn(close_after_chunks));
        Ok(Open { app, router, sessions, keeper, writer })
    }

    /// The writer's handle.
    pub fn handle(&self) -> &Handle {
        &self.app.handle
    }

    /// Finishes what waits and closes the store.
    pub fn close(self) {
        if let Some(keeper) = self.keeper {
            keeper.stop();
        }
        self.writer.stop();
    }
}

/// Closes the connection after a chunked body. A request may carry a length beside its chunks; the chunks count, and a
/// proxy that went by the length would let the rest pass as the next request of somebody else. There is none then.
async fn close_after_chunks(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = next.run(request).await;
    if is_chunked {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn public_url(config: &Config, listen: SocketAddr) -> String {
    match config.server.public_url.trim_end_matches('/') {
        "" => format!("http://{listen}"),
        url => url.to_owned(),
    }
}

fn public_host(config: &Config) -> Option<String> {
    let url = config.server.public_url.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    Some(host.to_owned())
}

/// Where things go; none: nothing leaves this machine.
fn sending_words(config: &Config) -> Option<String> {
    let mail = (config.email.send == Send::Smtp).then(|| format!("{}:{}", config.email.host, config.email.port));
    let texts = config.messages.providers().map(|(channel, provider)| match provider.send {
        Speaks::Signed => format!("{channel} by {}", host_of(&provider.url)),
        Speaks::Twilio => format!("{channel} by Twilio"),
        Speaks::WebPush => format!("{channel} by the services of browsers"),
    });
    let names: Vec<&str> = config.webhooks.keys().map(String::as_str).collect();
    let webhooks = (!names.is_empty()).then(|| format!("webhooks to {}", names.join(", ")));
    let ways: Vec<String> = mail.into_iter().chain(texts).chain(webhooks).collect();
    (!ways.is_empty()).then(|| ways.join("; "))
}

/// The host of a URL, which may hold secrets after it.
fn host_of(url: &str) -> &str {
    url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or("a provider")
}

/// What is told once the server listens.
pub struct Listening {
    /// The URL of the pages.
    pub url: String,
    /// A login link that works once, within 15 minutes.
    pub login: String,
}

/// Serves a data directory until the process is told to stop.
pub fn serve(
    dir: &Path,
    config: &Config,
    listen: SocketAddr,
    tell: impl FnOnce(&Listening, &Open) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime
        .block_on(TcpListener::bind(listen))
        .with_context(|| format!("cannot listen on {listen}; choose another with --listen"))?;
    let listen = listener.local_addr()?;
    let told = {
        let _within = runtime.enter();
        Told::listen()?
    };
    let sending = sending_runtime()?;
    let open = Open::new(dir, config, listen, Some(sending.handle()))?;
    let file = Advertised::new(dir, &open, listen)?;
    let login = format!("{}/login/{}", open.app.public_url, open.sessions.issue_link(jiff::Timestamp::now()));
    tell(&Listening { url: format!("{}/", open.app.public_url), login }, &open)?;
    let (router, connections) = (open.router.clone(), open.handle().connections().clone());
    runtime.block_on(async move {
        tokio::select! {
            () = accept(listener, router, connections, Limits::USUAL) => {}
            () = told.stop() => tracing::info!("stopping"),
        }
    });
    drop(file);
    // Messages on their way get a moment to come back with an answer, so that few are left uncertain; no others set out.
    let handle = open.handle().clone();
    handle.health().send_no_more();
    runtime.block_on(async move {
        for _ in 0..100 {
            if handle.health().in_flight() + handle.health().webhooks_under_way() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    sending.shutdown_timeout(Duration::from_secs(2));
    runtime.shutdown_timeout(Duration::from_secs(2));
    open.close();
    Ok(())
}

/// What carries out messages: threads of its own, half as many as there are processors. Thousands of connections that each do a
/// little are best served by few: on two processors one thread sends a tenth more mails than two that wake each other.
fn sending_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads((processors / 2).max(1))
        .thread_name("sending")
        .enable_all()
        .build()
}

/// How long a sender may take.
#[derive(Clone, Copy)]
struct Limits {
    head: Duration,
    body: Pace,
}

impl Limits {
    const USUAL: Limits = Limits { head: HEAD_TIME, body: Pace::USUAL };
}

/// Accepts connections, bounded in number, each with time limits on heads and bodies.
async fn accept(listener: TcpListener, router: Router, connections: Arc<Connections>, limits: Limits) {
    let too_slow = connections.too_slow.clone();
    let router = router.layer(axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            next.run(pace::keep(request, limits.body, &too_slow))
        },
    ));
    loop {
        let Some(room) = connections.room().await else { return };
        let (stream, place) = match listener.accept().await {
            Ok((stream, from)) => match connections.take(from.ip(), room) {
                Some(place) => (stream, place),
                // Closed without a word: an answer would cost what the limit saves.
                None => continue,
            },
            Err(error) => {
                // Out of file handles or the like: wait instead of turning in a busy loop.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(64 * 1024);
            // A client that goes away in the middle is none of our errors.
            let _ = http.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

/// Waits for Ctrl-C, and for what service managers send.
struct Told {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Told {
    /// Listens from now on, within a runtime: whoever is told that the server is up may stop it at once.
    fn listen() -> std::io::Result<Told> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Told { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
        }
        #[cfg(not(unix))]
        Ok(Told {})
    }

    async fn stop(mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        tokio::signal::ctrl_c().await.unwrap_or_default();
    }
}

/// The file that tells commands where the server is; gone when it stops.
struct Advertised {
    file: PathBuf,
}

impl Advertised {
    fn new(dir: &Path, open: &Open, listen: SocketAddr) -> anyhow::Result<Advertised> {
        let file = dir.join(FILE);
        let running =
            Running { url: format!("http://{listen}"), token: open.app.token.clone(), pid: std::process::id() };
        let new = dir.join("server.json.new");
        write_private(&new, &serde_json::to_string(&running)?)?;
        std::fs::rename(&new, &file)?;
        Ok(Advertised { file })
    }
}

impl Drop for Advertised {
    fn drop(&mut self) {
        // If it cannot be removed, commands find nobody there and open the directory themselves.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Loopback;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    /// A listener that reads bodies and says how long they were, with limits that a test can wait for.
    fn listen(connections: &Arc<Connections>) -> (tokio::runtime::Runtime, SocketAddr) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let read = |body: axum::body::Body| async move {
            match axum::body::to_bytes(body, 1 << 20).await {
                Ok(body) => (axum::http::StatusCode::OK, body.len().to_string()),
                Err(error) if pace::is_too_slow(&error) => (axum::http::StatusCode::REQUEST_TIMEOUT, String::new()),
                Err(_) => (axum::http::StatusCode::BAD_REQUEST, String::new()),
            }
        };
        let router = Router::new().route("/", axum::routing::post(read));
        let body = Pace { grace: Duration::from_millis(300), rate: 1_024, most: Duration::from_secs(20) };
        let limits = Limits { head: Duration::from_millis(300), body };
        runtime.spawn(accept(listener, router, connections.clone(), limits));
        (runtime, address)
    }

    fn open(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn rest(stream: &mut TcpStream) -> String {
        let mut rest = Vec::new();
        // A reset is a close as well.
        let _ = stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }

    const POST: &str = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3000\r\n\r\n";

    #[test]
    fn who_sends_slowly_is_given_up_and_who_is_only_slow_at_first_is_not_t18() {
        let connections = Arc::new(Connections::new(64, 64, Loopback::Counts));
        let (_runtime, address) = listen(&connections);

        // A head that never ends, and a connection on which nothing comes.
        let mut slow_head = open(address);
        slow_head.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n").unwrap();
        let mut idle = open(address);
        // A body of which a byte came.
        let mut slow_body = open(address);
        slow_body.write_all(POST.as_bytes()).unwrap();
        slow_body.write_all(b"x").unwrap();
        // A body of which a third came before the sender fell silent: it earned a second, not for ever.
        let mut stalled = open(address);
        stalled.write_all(POST.as_bytes()).unwrap();
        stalled.write_all(&[b'x'; 1_000]).unwrap();
        // One that waits within the grace and then sends all.
        let mut late = open(address);
        late.write_all(POST.as_bytes()).unwrap();
        late.write_all(&[b'x'; 3_000]).unwrap();

        assert!(rest(&mut late).ends_with("\r\n\r\n3000"));
        assert!(!rest(&mut slow_head).starts_with("HTTP/1.1 200"));
        assert!(!rest(&mut idle).starts_with("HTTP/1.1 200"));
        assert!(rest(&mut slow_body).starts_with("HTTP/1.1 408"));
        assert!(rest(&mut stalled).starts_with("HTTP/1.1 408"));
        assert_eq!(connections.too_slow(), 2);
    }

    #[test]
    fn one_address_cannot_take_every_place_t18() {
        let connections = Arc::new(Connections::new(64, 3, Loopback::Counts));
        let (_runtime, address) = listen(&connections);
        let whole = [POST.as_bytes(), &[b'x'; 3_000]].concat();
        let mut held: Vec<TcpStream> = (0..3)
            .map(|_| {
                let mut stream = open(address);
                // A place is taken once the server has read something: the request is begun.
                stream.write_all(&whole[..whole.len() - 1]).unwrap();
                stream
            })
            .collect();
        let mut fourth = open(address);
        let _ = fourth.write_all(&whole);
        assert_eq!(rest(&mut fourth), "", "closed without a word");
        assert_eq!(connections.turned_away(), 1);
        // One that is done makes room.
        held[0].write_all(b"x").unwrap();
        assert!(rest(&mut held[0]).ends_with("3000"));
        let answered = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let mut again = open(address);
            let _ = again.write_all(&whole);
            rest(&mut again).ends_with("3000")
        });
        assert!(answered);
    }
}
