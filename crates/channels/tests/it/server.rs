//! An SMTP server on 127.0.0.1 that behaves as scripted and remembers what it heard.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// The authority that signed the server's certificate. Both were made for these tests and last until 2120.
pub(crate) const AUTHORITY_PEM: &str = include_str!("tls/authority.pem");

/// A place in the dialogue at which a script can step in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    MailFrom,
    Rcpt,
    Data,
    /// After the first octets of the body, the rest unread.
    MidBody,
    /// After the final dot.
    Dot,
    Rset,
}

/// What the server does there.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answers with these octets as they are.
    Say(Vec<u8>),
    /// Answers, then closes.
    SayAndClose(Vec<u8>),
    /// Stays silent, the connection open.
    Hang,
    /// Closes without a word.
    Close,
    /// Closes with a TCP reset.
    Reset,
}

pub(crate) fn say(line: &str) -> Act {
    Act::Say(format!("{line}\r\n").into_bytes())
}

/// What to do where, first come first served; where the script is silent or used up, the server is friendly.
#[derive(Debug, Default, Clone)]
pub(crate) struct Script {
    acts: HashMap<Step, VecDeque<Act>>,
    implicit_tls: bool,
    pipelines: bool,
}

impl Script {
    pub(crate) fn friendly() -> Script {
        Script::default()
    }

    pub(crate) fn implicit_tls() -> Script {
        Script { implicit_tls: true, ..Script::default() }
    }

    /// Takes several commands at once, and says so.
    pub(crate) fn pipelining(self) -> Script {
        Script { pipelines: true, ..self }
    }

    pub(crate) fn at(mut self, step: Step, act: Act) -> Script {
        self.acts.entry(step).or_default().push_back(act);
        self
    }

    pub(crate) async fn open(self) -> Server {
        let socket = TcpSocket::new_v4().unwrap();
        // Small, so that a large body cannot hide in the kernel while the server does not read.
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let port = listener.local_addr().unwrap().port();
        let memory = Arc::new(Mutex::new(Memory::default()));
        let (implicit_tls, pipelines) = (self.implicit_tls, self.pipelines);
        let script = Arc::new(Mutex::new(self));
        let server = Server { port, memory: memory.clone() };
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let guest = Guest { script: script.clone(), memory: memory.clone(), pipelines };
                tokio::spawn(async move {
                    guest.remember(|memory| {
                        memory.connections += 1;
                        memory.open += 1;
                        memory.most_open = memory.most_open.max(memory.open);
                    });
                    guest.serve(tcp, implicit_tls).await;
                    guest.remember(|memory| memory.open -= 1);
                });
            }
        });
        server
    }
}

#[derive(Debug, Default)]
struct Memory {
    connections: usize,
    open: usize,
    most_open: usize,
    lines: Vec<String>,
    ahead: usize,
    bodies: Vec<Vec<u8>>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    memory: Arc<Mutex<Memory>>,
}

impl Server {
    /// Commands in the order in which they came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.memory.lock().unwrap().lines.clone()
    }

    /// Bodies that ended with a final dot, with the dots still stuffed and the final one left out.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.memory.lock().unwrap().bodies.clone()
    }

    /// How many commands had come before the one before them was answered.
    pub(crate) fn came_ahead(&self) -> usize {
        self.memory.lock().unwrap().ahead
    }

    pub(crate) fn connections(&self) -> usize {
        self.memory.lock().unwrap().connections
    }

    pub(crate) fn most_open(&self) -> usize {
        self.memory.lock().unwrap().most_open
    }
}

/// One connection, seen from the server.
struct Guest {
    script: Arc<Mutex<Script>>,
    memory: Arc<Mutex<Memory>>,
    pipelines: bool,
}

enum End {
    Closed,
    WantsTls,
}

impl Guest {
    fn remember(&self, change: impl FnOnce(&mut Memory)) {
        change(&mut self.memory.lock().unwrap());
    }

    fn scripted(&self, step: Step) -> Option<Act> {
        self.script.lock().unwrap().acts.get_mut(&step)?.pop_front()
    }

    async fn serve(&self, mut tcp: TcpStream, implicit_tls: bool) {
        if implicit_tls {
            if let Ok(tls) = tls_acceptor().accept(tcp).await {
                self.talk(tls, true).await;
            }
            return;
        }
        if let End::WantsTls = self.talk(&mut tcp, true).await
            && let Ok(tls) = tls_acceptor().accept(tcp).await
        {
            self.talk(tls, false).await;
        }
    }

    async fn talk(&self, stream: impl AsyncRead + AsyncWrite + Unpin + TcpInside, greets: bool) -> End {
        let mut stream = BufReader::new(stream);
        if greets {
            let act = self.scripted(Step::Greeting).unwrap_or_else(|| say("220 tea.example ESMTP"));
            if !perform(act, &mut stream).await {
                return End::Closed;
            }
        }
        let mut line = Vec::new();
        loop {
            line.clear();
            if !stream.read_until(b'\n', &mut line).await.is_ok_and(|octets| octets > 0) {
                return End::Closed;
            }
            let command = String::from_utf8_lossy(&line).trim_end().to_owned();
            let is_followed = !stream.buffer().is_empty();
            self.remember(|memory| {
                memory.lines.push(command.clone());
                memory.ahead += usize::from(is_followed);
            });
            let word = command.split(' ').next().unwrap_or_default();
            let (step, friendly) = match word {
                "EHLO" if self.pipelines => (Step::Ehlo, "250-tea.example\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN"),
                "EHLO" => (Step::Ehlo, "250-tea.example\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS"),
                "STARTTLS" => (Step::StartTls, "220 go ahead"),
                "AUTH" => (Step::Auth, "235 2.7.0 welcome"),
                "MAIL" => (Step::MailFrom, "250 2.1.0 ok"),
                "RCPT" => (Step::Rcpt, "250 2.1.5 ok"),
                "DATA" => (Step::Data, "354 go ahead"),
                "RSET" => (Step::Rset, "250 2.0.0 ok"),
                _ => return End::Closed,
            };
            let act = self.scripted(step).unwrap_or_else(|| say(friendly));
            let opens_body = matches!(&act, Act::Say(words) if step == Step::Data && words.starts_with(b"354"));
            if !perform(act, &mut stream).await {
                return End::Closed;
            }
            if step == Step::StartTls {
                return End::WantsTls;
            }
            if opens_body && !self.body(&mut stream).await {
                return End::Closed;
            }
        }
    }

    async fn body(&self, stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin + TcpInside>) -> bool {
        if let Some(act) = self.scripted(Step::MidBody) {
            let mut first = [0; 100];
            stream.read_exact(&mut first).await.unwrap();
            return perform(act, stream).await;
        }
        let mut body = Vec::new();
        while !body.ends_with(b"\r\n.\r\n") {
            if !stream.read_until(b'\n', &mut body).await.is_ok_and(|octets| octets > 0) {
                return false;
            }
        }
        body.truncate(body.len() - b".\r\n".len());
        self.remember(|memory| memory.bodies.push(body));
        let act = self.scripted(Step::Dot).unwrap_or_else(|| say("250 2.0.0 queued"));
        perform(act, stream).await
    }
}

async fn perform(act: Act, stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin + TcpInside>) -> bool {
    match act {
        Act::Say(octets) => stream.get_mut().write_all(&octets).await.is_ok(),
        Act::SayAndClose(octets) => {
            let _ = stream.get_mut().write_all(&octets).await;
            false
        }
        Act::Hang => std::future::pending().await,
        Act::Close => false,
        Act::Reset => {
            stream.get_ref().tcp().set_zero_linger().unwrap();
            false
        }
    }
}

/// A stream that knows its socket.
trait TcpInside {
    fn tcp(&self) -> &TcpStream;
}

impl TcpInside for &mut TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl TcpInside for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

pub(crate) fn tls_acceptor() -> TlsAcceptor {
    let certificates = CertificateDer::pem_slice_iter(include_bytes!("tls/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
