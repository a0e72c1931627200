//! An HTTP server on 127.0.0.1 that behaves as scripted and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with these octets and closes.
    Say(Vec<u8>),
    /// Says this, then this again and again until nobody listens.
    Forever(Vec<u8>, Vec<u8>),
    /// Reads the request and stays silent.
    Hang,
    /// Says this and stays silent.
    SayAndHang(Vec<u8>),
    /// Reads the request and closes.
    Close,
}

/// An answer with a status line, headers and a body.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Act {
    Act::Say(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = found.next().map_or("", |(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} came twice");
        value
    }
}

pub(crate) struct Listener {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
}

impl Listener {
    /// Does one act for each request, the last one for all that follow.
    pub(crate) async fn open(acts: impl IntoIterator<Item = Act>) -> Listener {
        Listener::with(acts, None).await
    }

    pub(crate) async fn encrypted(acts: impl IntoIterator<Item = Act>) -> Listener {
        Listener::with(acts, Some(crate::server::tls_acceptor())).await
    }

    async fn with(acts: impl IntoIterator<Item = Act>, tls: Option<tokio_rustls::TlsAcceptor>) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let connections: Arc<Mutex<usize>> = Arc::default();
        let acts: VecDeque<Act> = acts.into_iter().collect();
        let (memory, count) = (heard.clone(), connections.clone());
        let acts = Arc::new(Mutex::new(acts));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let (memory, acts, tls) = (memory.clone(), acts.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, &memory, &acts).await,
                        // Who does not trust us goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, &memory, &acts).await;
                            }
                        }
                    }
                });
            }
        });
        Listener { port, heard, connections }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Connections ever made.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    memory: &Mutex<Vec<Heard>>,
    acts: &Mutex<VecDeque<Act>>,
) {
    let Some(heard) = read_request(&mut stream).await else { return };
    memory.lock().unwrap().push(heard);
    let act = {
        let mut acts = acts.lock().unwrap();
        if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() }
    };
    // Who has heard enough hangs up, which is no failure of ours.
    match act.unwrap_or_else(|| answer("204 No Content", "", "")) {
        Act::Say(octets) => drop(stream.write_all(&octets).await),
        Act::Forever(first, again) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&again).await.is_ok() {}
        }
        Act::SayAndHang(octets) => {
            let _ = stream.write_all(&octets).await;
            std::future::pending::<()>().await;
        }
        Act::Hang => std::future::pending::<()>().await,
        Act::Close => {}
    }
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Heard> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let mut octets = [0; 4_096];
        let count = stream.read(&mut octets).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&octets[..count]);
    };
    let head = String::from_utf8(read[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> =
        lines.map(|line| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap()).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, it)| it.parse().unwrap());
    let mut body = read[end + 4..].to_vec();
    while body.len() < length {
        let mut octets = [0; 4_096];
        let count = stream.read(&mut octets).await.ok().filter(|count| *count > 0)?;
        body.extend_from_slice(&octets[..count]);
    }
    Some(Heard { line, headers, body })
}

/// A port at which nobody listens.
pub(crate) async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}
