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
    commands::{Data, Mail, Rcpt, Rset},
    extension::ClientId,
    response::Response,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{
    Delivered, EmailAddress, Phase, Reply, Trouble, WrittenMail,
    wire::{self, Reins, Wire},
};

/// Most mails over one connection: many servers close after a hundred.
const MAX_MAILS_PER_CONNECTION: u32 = 100;
/// Longest life of a connection, so that a change of the server's address is noticed.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(5 * 60);
/// Most connections one sender may hold. Each is also a mail that a crash makes uncertain.
pub const MAX_CONNECTIONS: usize = 100;
/// The body is written in pieces of this many octets, each with its own time limit.
const BODY_PIECE_OCTETS: usize = 32 * 1024;
/// Time for a kept connection to show that it is alive. A new one is never worse than a long wait for an old one.
const RESET_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection over which a mail went so lately is used again without asking whether it is alive.
const FRESH: Duration = Duration::from_secs(2);
/// Time for a goodbye. It is a courtesy: nothing depends on the answer.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

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
        Ok(Session { connection, reins, opened: Instant::now(), mails: 0, took: None, health: Health::Ready })
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

/// One connection and what it has been through.
struct Session {
    connection: AsyncSmtpConnection,
    reins: Arc<Reins>,
    opened: Instant,
    mails: u32,
    /// When the server took the last mail; it is where a new one begins.
    took: Option<Instant>,
    health: Health,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} mails, {:?})", self.mails, self.health)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    /// Server and client agree on where they are.
    Ready,
    /// In the middle of something.
    Busy,
    /// Out of step: only good for closing.
    Broken,
}

/// A command, and how long its answer may take.
struct Step {
    phase: Phase,
    command: String,
    limit: Duration,
}

impl Step {
    /// Addresses are checked when they are made; this is the last door before the wire.
    fn check(&self) -> Result<(), Delivered> {
        let command = &self.command;
        if command.ends_with("\r\n") && command.find(['\r', '\n']) == Some(command.len() - 2) {
            return Ok(());
        }
        let reason = "the command would have been more than one line".to_owned();
        Err(Delivered::NotSent { phase: self.phase, reason })
    }

    /// Whether an answer leads on.
    fn judge(&self, reply: Result<Response, Trouble>) -> Result<(), Delivered> {
        let expected_hundred = if self.phase == Phase::Data { 3 } else { 2 };
        let reply = reply.and_then(|response| expect_hundred(expected_hundred, &response));
        reply.map(drop).map_err(|trouble| Delivered::refused(self.phase, trouble))
    }
}

impl Session {
    async fn send(
        &mut self,
        envelope: &Envelope,
        mail: &WrittenMail,
        recorder: &mut impl PhaseRecorder,
        timeouts: &Timeouts,
    ) -> Delivered {
        self.mails += 1;
        self.took = None;
        self.health = Health::Busy;
        match self.dialogue(envelope, mail, recorder, timeouts).await {
            Ok(reply) => {
                self.health = Health::Ready;
                self.took = Some(Instant::now());
                // The mail is out: whatever the recorder says now, that stays true.
                let _ = recorder.begin(Phase::Accepted).await;
                Delivered::Sent { reply }
            }
            Err(delivered) => {
                let has_answered = delivered.reply().is_some_and(|reply| !reply.ends_the_connection());
                self.health = if has_answered && self.health == Health::Busy { Health::Ready } else { Health::Broken };
                delivered
            }
        }
    }

    async fn dialogue(
        &mut self,
        envelope: &Envelope,
        mail: &WrittenMail,
        recorder: &mut impl PhaseRecorder,
        timeouts: &Timeouts,
    ) -> Result<Reply, Delivered> {
        let from = Mail::new(Some(envelope.from.for_command()), Vec::new());
        let to = Rcpt::new(envelope.to.for_command(), Vec::new());
        let steps = [
            Step { phase: Phase::MailFrom, command: from.to_string(), limit: timeouts.command },
            Step { phase: Phase::Rcpt, command: to.to_string(), limit: timeouts.command },
            Step { phase: Phase::Data, command: Data.to_string(), limit: timeouts.data },
        ];
        if self.reins.pipelines() {
            self.steps_at_once(&steps, recorder).await?;
        } else {
            for step in &steps {
                begin(recorder, step.phase).await?;
                self.step(step).await?;
            }
        }
        begin(recorder, Phase::Body).await?;
        self.body(mail, timeouts).await
    }

    /// Says one command and takes its answer, which must be the one that leads on.
    async fn step(&mut self, step: &Step) -> Result<(), Delivered> {
        step.check()?;
        let reply = within(step.limit, "no answer", self.connection.command(&step.command)).await;
        step.judge(reply)
    }

    /// Says all commands in one piece, as RFC 2920 has it, and takes an answer to each. The first that does not lead on is what
    /// became of the mail; DATA is the last, so nothing of it is out before all have been answered.
    async fn steps_at_once(&mut self, steps: &[Step], recorder: &mut impl PhaseRecorder) -> Result<(), Delivered> {
        let mut commands = String::new();
        for step in steps {
            begin(recorder, step.phase).await?;
            step.check()?;
            commands.push_str(&step.command);
        }
        let mut refused = None;
        for step in steps {
            let commands = std::mem::take(&mut commands);
            let reply = match commands.is_empty() {
                false => within(step.limit, "no answer", self.connection.command(commands)).await,
                true => within(step.limit, "no answer", self.connection.read_response()).await,
            };
            let is_answered = matches!(reply, Ok(_) | Err(Trouble::Reply(_)));
            let wants_body = step.phase == Phase::Data && reply.is_ok();
            let judged = step.judge(reply).err();
            // Nobody knows where the server is, or it waits for a body that does not come.
            let is_out_of_step = !is_answered || (refused.is_some() && wants_body);
            refused = refused.or(judged);
            if is_out_of_step {
                self.health = Health::Broken;
                break;
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Sends the body and its final dot. Trouble before the dot puts off, later trouble is uncertain.
    async fn body(&mut self, mail: &WrittenMail, timeouts: &Timeouts) -> Result<Reply, Delivered> {
        // lettre ends the last line itself, stuffs dots, and adds the final one.
        let octets = mail.as_bytes();
        let octets = octets.strip_suffix(b"\r\n").unwrap_or(octets);
        let progress = Progress::new(timeouts, &self.reins);
        let response = progress.watch(self.connection.message_iter(progress.pieces(octets))).await;
        match response.and_then(|response| expect_hundred(2, &response)) {
            Ok(reply) => Ok(reply),
            Err(Trouble::Connection(sentence)) if progress.dot_may_be_out() => {
                Err(Delivered::Uncertain { trouble: Trouble::Connection(sentence) })
            }
            Err(trouble) => Err(Delivered::refused(Phase::Body, trouble)),
        }
    }

    /// Clears what an earlier mail left behind, and so finds out whether the server is still there.
    async fn reset(&mut self, limit: Duration) -> bool {
        self.health = Health::Broken;
        let answer = within(limit.min(RESET_TIMEOUT), "no answer", self.connection.command(Rset)).await;
        if answer.is_ok_and(|response| hundred(&response) == 2) {
            self.health = Health::Ready;
        }
        self.health == Health::Ready
    }

    /// Whether the server took a mail just now: there is nothing to clear, and it was there a moment ago.
    fn is_fresh(&self) -> bool {
        self.took.is_some_and(|took| took.elapsed() < FRESH)
    }

    fn may_be_used_again(&self) -> bool {
        self.health == Health::Ready
            && self.mails < MAX_MAILS_PER_CONNECTION
            && self.opened.elapsed() < MAX_CONNECTION_AGE
    }

    async fn quit(mut self) {
        // In the middle of a body, QUIT would be a line of the mail: a broken connection is only dropped.
        if self.health == Health::Ready {
            let _ = timeout(QUIT_TIMEOUT, self.connection.quit()).await;
        }
    }
}

async fn begin(recorder: &mut impl PhaseRecorder, phase: Phase) -> Result<(), Delivered> {
    recorder.begin(phase).await.map_err(|refused| not_sent(phase, refused))
}

fn not_sent(phase: Phase, refused: Refused) -> Delivered {
    Delivered::NotSent { phase, reason: refused.reason }
}

/// How far the body has gone. lettre asks for the next piece when the last one is written, and writes the final dot
/// when there is none left: so the iterator knows what the error of a failed send does not tell. The last piece goes out
/// together with the dot.
struct Progress<'a> {
    timeouts: &'a Timeouts,
    reins: &'a Reins,
    state: Mutex<BodyState>,
}

#[derive(Clone, Copy)]
struct BodyState {
    deadline: Instant,
    dot_may_be_out: bool,
}

impl<'a> Progress<'a> {
    fn new(timeouts: &'a Timeouts, reins: &'a Reins) -> Progress<'a> {
        let state = BodyState { deadline: Instant::now() + timeouts.body_piece, dot_may_be_out: false };
        Progress { timeouts, reins, state: Mutex::new(state) }
    }

    fn pieces<'b>(&'b self, octets: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let mut pieces = octets.chunks(BODY_PIECE_OCTETS);
        std::iter::from_fn(move || {
            let piece = pieces.next();
            self.reins.hold(piece.is_some() && pieces.len() == 0);
            let dot_may_be_out = piece.is_none();
            let limit = if dot_may_be_out { self.timeouts.final_reply } else { self.timeouts.body_piece };
            *self.state() = BodyState { deadline: Instant::now() + limit, dot_may_be_out };
            piece
        })
    }

    fn dot_may_be_out(&self) -> bool {
        // Of what the system did not take to the end, the end is the dot.
        self.state().dot_may_be_out && !self.reins.has_unsent()
    }

    /// Waits for the answer as long as pieces go out in time.
    async fn watch(
        &self,
        sending: impl Future<Output = Result<Response, lettre::transport::smtp::Error>>,
    ) -> Result<Response, Trouble> {
        let mut sending = std::pin::pin!(sending);
        // Bounded by the number of pieces: each turn has a later deadline.
        loop {
            let deadline = self.state().deadline;
            match timeout_at(deadline, &mut sending).await {
                Ok(answer) => return answer.map_err(Trouble::from),
                Err(_) if self.state().deadline > deadline => {}
                Err(_) => {
                    return Err(Trouble::Connection("no answer to the body in time".to_owned()));
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, BodyState> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

fn hundred(response: &Response) -> u16 {
    u16::from(response.code()) / 100
}

fn expect_hundred(expected: u16, response: &Response) -> Result<Reply, Trouble> {
    if hundred(response) != expected {
        return Err(Trouble::Connection("the server answered out of order".to_owned()));
    }
    let lines: Vec<&str> = response.message().collect();
    Ok(Reply::new(response.code().into(), &lines.join(" ")))
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
