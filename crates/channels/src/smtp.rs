//! Carries written mails to one SMTP server: a few connections, kept and used again, each phase announced before it
//! begins and bounded in time. It never tries again: when to do so is the engine's.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lettre::transport::smtp::{
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::AsyncSmtpConnection,
    extension::ClientId,
};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{
    Delivered, EmailAddress, Phase, Reply, Trouble, WrittenMail,
    wire::{self, Wire},
};

mod session;
use session::{Session, not_sent};

/// Most connections one sender may hold. Each is also a mail that a crash makes uncertain.
pub const MAX_CONNECTIONS: usize = 100;

/// A password. `Debug` prints `***`, and nothing outside this crate reads it back.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a password.
    pub fn new(password: impl Into<String>) -> Secret {
        Secret(password.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Name and password for the server.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How the connection is encrypted. None of the ways falls back to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: a relay on this machine or in a trusted network.
    None,
    /// By STARTTLS, usually port 587. Without it nothing is sent.
    StartTls,
    /// From the first octet, usually port 465.
    Implicit,
}

/// Longest wait for each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection, and again for the TLS handshake.
    pub connect: Duration,
    /// For the greeting and the first EHLO. Some servers greet late on purpose, to try the patience of spammers.
    pub greeting: Duration,
    /// For the answer to any other command, and to the whole login.
    pub command: Duration,
    /// For the answer to DATA.
    pub data: Duration,
    /// For each piece of the body.
    pub body_piece: Duration,
    /// For the answer to the final dot. The server may be scanning; a short wait here makes uncertain mails.
    pub final_reply: Duration,
}

impl Default for Timeouts {
    /// RFC 5321 § 4.5.3.2, but a minute instead of five before DATA: until there, nothing is lost by trying later.
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(30),
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(60),
            data: Duration::from_secs(2 * 60),
            body_piece: Duration::from_secs(3 * 60),
            final_reply: Duration::from_secs(10 * 60),
        }
    }
}

/// Where mails go. `Debug` hides the password.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Name or IP address of the server; with TLS, the name its certificate is for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Encryption.
    pub tls: Tls,
    /// Certificates (PEM) trusted beside Mozilla's: a company's own authority.
    pub trusted_pem: Option<String>,
    /// Who we are, if the server wants to know.
    pub login: Option<Login>,
    /// Our name for EHLO: a domain name. Absent: `[127.0.0.1]`.
    pub hello_name: Option<String>,
    /// Longest waits.
    pub timeouts: Timeouts,
    /// Connections at a time, 1 to 20. Each may carry one mail that a crash leaves uncertain.
    pub connections: usize,
}

impl SmtpSettings {
    /// Settings with 4 connections, default waits and no login.
    pub fn new(host: impl Into<String>, port: u16, tls: Tls) -> SmtpSettings {
        SmtpSettings {
            host: host.into(),
            port,
            tls,
            trusted_pem: None,
            login: None,
            hello_name: None,
            timeouts: Timeouts::default(),
            connections: 4,
        }
    }
}

/// Why settings cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The host is neither a name nor an IP address.
    #[error("the SMTP host `{host}` is not a host name or IP address")]
    Host {
        /// As configured.
        host: String,
    },
    /// The hello name has other characters than letters, digits, dots and hyphens.
    #[error("the SMTP hello name `{name}` is not a domain name")]
    HelloName {
        /// As configured.
        name: String,
    },
    /// The trusted certificates cannot be read.
    #[error("the trusted certificates cannot be read: {reason}")]
    TrustedPem {
        /// What is wrong with them.
        reason: String,
    },
    /// A password would travel readable over a network.
    #[error("a password for `{host}` would be sent unencrypted; use STARTTLS or implicit TLS, or no login")]
    PasswordInTheClear {
        /// As configured.
        host: String,
    },
    /// No connection at all, or more than a sender may hold.
    #[error("{connections} SMTP connections are not between 1 and {MAX_CONNECTIONS}")]
    Connections {
        /// As configured.
        connections: usize,
    },
}

/// The addresses of the SMTP dialogue. They need not be those of the headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub from: EmailAddress,
    /// The one recipient.
    pub to: EmailAddress,
}

/// A recorder's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why, for the record.
    pub reason: String,
}

/// Hears of each phase before it begins, and may refuse it.
///
/// The record of [`Phase::Body`] must be durable before the future ends: the body goes out next, and after a crash
/// the record alone tells that the mail may have arrived. A refusal closes the connection: [`Delivered::NotSent`].
/// [`Phase::Accepted`] is told after the fact; a refusal of it changes nothing.
pub trait PhaseRecorder: Send {
    /// Records that `phase` begins.
    fn begin(&mut self, phase: Phase) -> impl Future<Output = Result<(), Refused>> + Send;
}

/// Remembers the phases, for tests and test mails.
impl PhaseRecorder for Vec<Phase> {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        self.push(phase);
        Ok(())
    }
}

/// A sender over one SMTP server. Share it by reference: it holds the connections and bounds their number.
#[derive(Debug)]
pub struct Smtp {
    settings: SmtpSettings,
    hello: ClientId,
    encryption: Encryption,
    places: Semaphore,
    /// The places that a receiving domain may take, for those to whom a mail is under way.
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
    idle: Mutex<Vec<Session>>,
}

enum Encryption {
    None,
    StartTls(TlsConnector, ServerName<'static>),
    Implicit(TlsConnector, ServerName<'static>),
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encryption")
    }
}

impl Smtp {
    /// Checks the settings and makes a sender. Nothing is connected yet.
    pub fn new(settings: SmtpSettings) -> Result<Smtp, SettingsError> {
        if !(1..=MAX_CONNECTIONS).contains(&settings.connections) {
            return Err(SettingsError::Connections { connections: settings.connections });
        }
        let is_in_the_clear = settings.tls == Tls::None && !is_this_machine(&settings.host);
        if settings.login.is_some() && is_in_the_clear {
            return Err(SettingsError::PasswordInTheClear { host: settings.host });
        }
        Ok(Smtp {
            hello: hello(settings.hello_name.as_deref())?,
            encryption: encryption(&settings)?,
            places: Semaphore::new(settings.connections),
            shares: Mutex::new(HashMap::new()),
            idle: Mutex::new(Vec::new()),
            settings,
        })
    }

    /// Sends one mail, waiting for a free connection first, and tells what became of it. To one receiving domain at most nine
    /// tenths of the connections are in use, so that one that hangs does not stop the others.
    ///
    /// Dropping the future closes the connection: before [`Phase::Body`] was recorded nothing has been sent, after it
    /// the mail is uncertain.
    pub async fn send(&self, envelope: &Envelope, mail: &WrittenMail, recorder: &mut impl PhaseRecorder) -> Delivered {
        let share = self.share(envelope.to.domain());
        let _of_share = share.acquire().await.expect("the semaphore is never closed");
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        if let Err(refused) = recorder.begin(Phase::Connect).await {
            return not_sent(Phase::Connect, refused);
        }
        let mut session = match self.session().await {
            Ok(session) => session,
            Err(trouble) => return Delivered::refused(Phase::Connect, trouble),
        };
        let was_asked = !session.is_fresh();
        let mut delivered = session.send(envelope, mail, recorder, &self.settings.timeouts).await;
        if !was_asked && delivered.found_nobody() {
            // It died between two mails: nothing of this one has gone.
            session.quit().await;
            session = match self.connect().await {
                Ok(session) => session,
                Err(trouble) => return Delivered::refused(Phase::Connect, trouble),
            };
            delivered = session.send(envelope, mail, recorder, &self.settings.timeouts).await;
        }
        self.keep(session).await;
        delivered
    }

    fn share(&self, domain: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() > MAX_CONNECTIONS * 16 {
            // Whoever waits for a share holds it too.
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let all = (self.settings.connections * 9 / 10).max(1);
        shares.entry(domain.to_ascii_lowercase()).or_insert_with(|| Arc::new(Semaphore::new(all))).clone()
    }

    /// Says goodbye on the connections that are not in use.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for session in idle {
            session.quit().await;
        }
    }

    /// Gives a connection that is ready for a mail: a kept one that still answers, or a new one.
    async fn session(&self) -> Result<Session, Trouble> {
        // Bounded by the number of kept connections: each turn uses one up.
        loop {
            let kept = self.idle().pop();
            let Some(mut session) = kept else { break };
            if session.may_be_used_again()
                && (session.is_fresh() || session.reset(self.settings.timeouts.command).await)
            {
                return Ok(session);
            }
            session.quit().await;
        }
        self.connect().await
    }

    async fn keep(&self, session: Session) {
        if session.may_be_used_again() {
            self.idle().push(session);
        } else {
            session.quit().await;
        }
    }

    async fn connect(&self) -> Result<Session, Trouble> {
        let Timeouts { connect, greeting, command, .. } = self.settings.timeouts;
        let address = (self.settings.host.as_str(), self.settings.port);
        let mut tcp = within(connect, "no connection", TcpStream::connect(address)).await?;
        // The pieces of a large body are written apart: without this each waits for the other side to acknowledge the one before,
        // which it puts off by 40 ms. Where it cannot be set, mail is slow and no worse.
        let _ = tcp.set_nodelay(true);
        let no_tls = "no TLS handshake";
        let wire = match &self.encryption {
            Encryption::None => Wire::plain(tcp),
            Encryption::Implicit(tls, host) => within(connect, no_tls, Wire::tls(tcp, tls, host.clone())).await?,
            Encryption::StartTls(tls, host) => {
                let hello = self.hello.to_string();
                within(greeting, "no consent to STARTTLS", wire::ask_for_tls(&mut tcp, &hello)).await?;
                within(connect, no_tls, Wire::after_starttls(tcp, tls, host.clone())).await?
            }
        };
        let reins = wire.reins();
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello);
        let mut connection = within(greeting, "no greeting", greeted).await?;
        if let Some(Login { user, password }) = &self.settings.login {
            let credentials = Credentials::new(user.clone(), password.0.clone());
            let login = connection.auth(DEFAULT_MECHANISMS, &credentials);
            within(command, "no answer to the login", login).await?;
        }
        Ok(Session::new(connection, reins))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        // A list of connections cannot be left half changed by a panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn hello(name: Option<&str>) -> Result<ClientId, SettingsError> {
    let Some(name) = name else {
        return Ok(ClientId::default());
    };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    if !is_name {
        return Err(SettingsError::HelloName { name: name.to_owned() });
    }
    Ok(ClientId::Domain(name.to_owned()))
}

fn encryption(settings: &SmtpSettings) -> Result<Encryption, SettingsError> {
    let host =
        ServerName::try_from(settings.host.clone()).map_err(|_| SettingsError::Host { host: settings.host.clone() })?;
    let connector =
        || wire::tls_connector(settings.trusted_pem.as_deref()).map_err(|reason| SettingsError::TrustedPem { reason });
    Ok(match settings.tls {
        Tls::None => Encryption::None,
        Tls::StartTls => Encryption::StartTls(connector()?, host),
        Tls::Implicit => Encryption::Implicit(connector()?, host),
    })
}

/// Waits for an answer, `limit` at most. `otherwise`: what there is instead, in words.
async fn within<T, E>(
    limit: Duration,
    otherwise: &str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble>
where
    Trouble: From<E>,
{
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Trouble::Connection(format!("{otherwise} within {} s", limit.as_secs_f32()))),
    }
}

impl From<lettre::transport::smtp::Error> for Trouble {
    fn from(error: lettre::transport::smtp::Error) -> Trouble {
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) => Trouble::Reply(Reply::new(code.into(), &source)),
            // What lettre could not read is in its error; it is the server's, so it is not repeated.
            None if error.is_response() => Trouble::Connection(
                "the connection ended, or the server answered something that is not SMTP".to_owned(),
            ),
            None => Trouble::Connection(source),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Connection(error.to_string())
    }
}
