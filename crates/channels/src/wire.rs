//! The stream under the SMTP dialogue: TCP, TLS where asked for, and a guard on what a server may send.
//! The dialogue itself is in `smtp.rs`.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Most octets a server may send in answer to one command. EHLO, the longest, takes about 1 kB; lettre itself
/// would gather a line without end until the timeout.
const MAX_REPLY_OCTETS: usize = 16 * 1024;

/// TLS with Mozilla's roots and the owner's own, by ring whatever other crates made the process's default.
///
/// The roots are in the binary: the same server is trusted on every machine, also in a bare container. A company
/// with its own authority names it in `trusted_pem`. Errors: a sentence about `trusted_pem`.
pub(crate) fn tls_connector(trusted_pem: Option<&str>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = trusted_pem {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        if certificates.is_empty() {
            return Err("no certificate in it".to_owned());
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The longest line of a reply to EHLO that is looked at for what the server offers.
const MAX_OFFER_OCTETS: usize = 32;

/// What the dialogue and its wire, which lettre holds, tell each other.
#[derive(Debug, Default)]
pub(crate) struct Reins {
    /// What is written waits, to go out together with what comes next.
    holds: AtomicBool,
    /// Octets written that the system has not taken yet.
    unsent: AtomicUsize,
    /// The server said that it takes several commands at once.
    pipelines: AtomicBool,
}

impl Reins {
    /// Lets what is written wait from now on, or go with what is written next.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.store(holds, Ordering::Relaxed);
    }

    /// Asks whether something that was written is still here, its end at least.
    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent.load(Ordering::Relaxed) > 0
    }

    /// Asks whether the server takes several commands at once, RFC 2920.
    pub(crate) fn pipelines(&self) -> bool {
        self.pipelines.load(Ordering::Relaxed)
    }
}

/// A connection on which the server's words are bounded and made ready for lettre's parser.
pub(crate) struct Wire {
    stream: Stream,
    reins: Arc<Reins>,
    /// Written, but not yet taken by the system from `sent` on.
    outgoing: Vec<u8>,
    sent: usize,
    /// The line that is being read, as far as an offer can be long.
    line: Vec<u8>,
    /// Read and made ready, but not yet handed out; never more than one read of the stream.
    ready: Vec<u8>,
    /// Place in the line that is being read.
    column: usize,
    read_since_write: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(crate) fn plain(tcp: TcpStream) -> Wire {
        Wire::over(Stream::Plain(tcp))
    }

    fn over(stream: Stream) -> Wire {
        Wire {
            stream,
            reins: Arc::default(),
            outgoing: Vec::new(),
            sent: 0,
            line: Vec::new(),
            ready: Vec::new(),
            column: 0,
            read_since_write: 0,
        }
    }

    /// What the dialogue needs of it once lettre holds it.
    pub(crate) fn reins(&self) -> Arc<Reins> {
        self.reins.clone()
    }

    pub(crate) async fn tls(tcp: TcpStream, tls: &TlsConnector, host: ServerName<'static>) -> io::Result<Wire> {
        Ok(Wire::over(Stream::Tls(Box::new(tls.connect(host, tcp).await?))))
    }

    /// As [`Wire::tls`], after [`ask_for_tls`]. The server does not greet again, but lettre begins every connection
    /// by reading a greeting: it gets one from us.
    pub(crate) async fn after_starttls(
        tcp: TcpStream,
        tls: &TlsConnector,
        host: ServerName<'static>,
    ) -> io::Result<Wire> {
        Ok(Wire { ready: b"220 encrypted\r\n".to_vec(), ..Wire::tls(tcp, tls, host).await? })
    }

    /// Takes what the server sent, so that lettre can read it: a 250 that it could not would make the mail
    /// uncertain, a 550 no bounce.
    /// - Other octets than printable ASCII become `?`, for lettre gives up on what is not UTF-8.
    /// - A code without text, which RFC 5321 § 4.2 allows, gets the space that lettre wants after it.
    fn make_ready(&mut self, octets: &[u8]) {
        for &octet in octets {
            let ends_line = matches!(octet, b'\r' | b'\n');
            if ends_line && self.column == 3 {
                self.ready.push(b' ');
            }
            let is_readable = ends_line || octet == b'\t' || octet == b' ' || octet.is_ascii_graphic();
            self.ready.push(if is_readable { octet } else { b'?' });
            self.column = if ends_line { 0 } else { self.column + 1 };
            if ends_line {
                self.note_offer();
            } else if self.line.len() <= MAX_OFFER_OCTETS {
                self.line.push(octet);
            }
        }
    }

    /// lettre tells of a few offers in the reply to EHLO only; this is not one of them.
    fn note_offer(&mut self) {
        let offer = self.line.strip_prefix(b"250-").or_else(|| self.line.strip_prefix(b"250 "));
        if offer.is_some_and(|offer| offer.trim_ascii_end().eq_ignore_ascii_case(b"PIPELINING")) {
            self.reins.pipelines.store(true, Ordering::Relaxed);
        }
        self.line.clear();
    }

    /// Hands what was written to the system. Where it takes only a part, what is left is known.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.outgoing.get(self.sent..).filter(|left| !left.is_empty()) {
            let taken = ready!(match &mut self.stream {
                Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, left),
                Stream::Tls(tls) => Pin::new(tls).poll_write(cx, left),
            })?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += taken;
            self.reins.unsent.store(self.outgoing.len() - self.sent, Ordering::Relaxed);
        }
        self.outgoing.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// Goes through the unencrypted beginning up to the server's consent to STARTTLS.
///
/// Done here and not by lettre, because lettre keeps what it has buffered: somebody on the way could slip in replies
/// that would be taken for encrypted ones ("NO STARTTLS", Poddebniak et al. 2021). `hello`: the name for EHLO.
pub(crate) async fn ask_for_tls(tcp: &mut TcpStream, hello: &str) -> io::Result<()> {
    let mut reader = BufReader::new(tcp);
    expect_reply(&read_reply(&mut reader).await?, "220")?;
    reader.get_mut().write_all(format!("EHLO {hello}\r\n").as_bytes()).await?;
    let features = read_reply(&mut reader).await?;
    expect_reply(&features, "250")?;
    let offers_tls = features.lines().any(|line| line.get(4..).is_some_and(|f| f.eq_ignore_ascii_case("STARTTLS")));
    if !offers_tls {
        return Err(io::Error::other("the server does not offer STARTTLS"));
    }
    reader.get_mut().write_all(b"STARTTLS\r\n").await?;
    expect_reply(&read_reply(&mut reader).await?, "220")?;
    if !reader.buffer().is_empty() {
        return Err(io::Error::other("the server sent more than its consent before encryption began"));
    }
    Ok(())
}

fn expect_reply(reply: &str, code: &str) -> io::Result<()> {
    if reply.starts_with(code) {
        return Ok(());
    }
    Err(io::Error::other("the server refused to begin encryption"))
}

/// Reads the lines of one reply.
async fn read_reply(reader: &mut BufReader<&mut TcpStream>) -> io::Result<String> {
    let mut reply = Vec::new();
    let mut bounded = reader.take(MAX_REPLY_OCTETS as u64);
    loop {
        let line_start = reply.len();
        bounded.read_until(b'\n', &mut reply).await?;
        let line = &reply[line_start..];
        if !line.ends_with(b"\n") || line.len() < 4 {
            return Err(io::Error::other("the server's answer is cut off or too long"));
        }
        if line[3] != b'-' {
            return Ok(String::from_utf8_lossy(&reply).into_owned());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ready.is_empty() {
            if self.read_since_write >= MAX_REPLY_OCTETS {
                let error = io::Error::new(io::ErrorKind::InvalidData, "the server's answer is too long");
                return Poll::Ready(Err(error));
            }
            let mut octets = [0; 1024];
            let mut fresh = ReadBuf::new(&mut octets);
            ready!(match &mut self.stream {
                Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, &mut fresh),
                Stream::Tls(tls) => Pin::new(tls).poll_read(cx, &mut fresh),
            })?;
            self.read_since_write += fresh.filled().len();
            self.make_ready(fresh.filled());
        }
        let now = self.ready.len().min(buffer.remaining());
        buffer.put_slice(&self.ready[..now]);
        self.ready.drain(..now);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    /// Takes everything; it goes out when it is flushed, which lettre does after each command and each piece of a body.
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.read_since_write = 0;
        self.outgoing.extend_from_slice(bytes);
        self.reins.unsent.store(self.outgoing.len() - self.sent, Ordering::Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reins.holds.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx))?;
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
