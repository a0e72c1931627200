//! The stream under the SMTP dialogue: TCP, TLS where asked for, and a guard on what a server may send.
//! The dialogue itself is in `smtp.rs`.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
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

/// A connection on which the server's words are bounded and made ASCII.
pub(crate) struct Wire {
    stream: Stream,
    /// What is handed out before anything is read: see [`Wire::after_starttls`].
    prelude: &'static [u8],
    read_since_write: usize,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(crate) fn plain(tcp: TcpStream) -> Wire {
        Wire { stream: Stream::Plain(tcp), prelude: b"", read_since_write: 0 }
    }

    pub(crate) async fn tls(tcp: TcpStream, tls: &TlsConnector, host: ServerName<'static>) -> io::Result<Wire> {
        let stream = Stream::Tls(Box::new(tls.connect(host, tcp).await?));
        Ok(Wire { stream, prelude: b"", read_since_write: 0 })
    }

    /// As [`Wire::tls`], after [`ask_for_tls`]. The server does not greet again, but lettre begins every connection
    /// by reading a greeting: it gets one from us.
    pub(crate) async fn after_starttls(
        tcp: TcpStream,
        tls: &TlsConnector,
        host: ServerName<'static>,
    ) -> io::Result<Wire> {
        Ok(Wire { prelude: b"220 encrypted\r\n", ..Wire::tls(tcp, tls, host).await? })
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
        if !self.prelude.is_empty() {
            let (now, later) = self.prelude.split_at(self.prelude.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.prelude = later;
            return Poll::Ready(Ok(()));
        }
        if self.read_since_write >= MAX_REPLY_OCTETS {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the server's answer is too long");
            return Poll::Ready(Err(error));
        }
        let filled_before = buffer.filled().len();
        ready!(match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        })?;
        let fresh = &mut buffer.filled_mut()[filled_before..];
        // lettre gives up on a reply that is not UTF-8. A 250 in Latin-1 would make the mail uncertain, a 550 no
        // bounce; only the digits matter, so other octets than printable ASCII become `?`.
        for octet in fresh.iter_mut() {
            if !(octet.is_ascii_graphic() || b" \t\r\n".contains(octet)) {
                *octet = b'?';
            }
        }
        self.read_since_write += fresh.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.read_since_write = 0;
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
