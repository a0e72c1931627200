//! One connection to an SMTP server: the dialogue of a mail, phase by phase.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use lettre::transport::smtp::{
    client::AsyncSmtpConnection,
    commands::{Data, Mail, Rcpt, Rset},
    response::Response,
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Envelope, PhaseRecorder, Refused, Timeouts, within};
use crate::{Delivered, Phase, Reply, Trouble, WrittenMail, wire::Reins};

/// Most mails over one connection: many servers close after a hundred.
const MAX_MAILS_PER_CONNECTION: u32 = 100;
/// Longest life of a connection, so that a change of the server's address is noticed.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(5 * 60);
/// The body is written in pieces of this many octets, each with its own time limit.
const BODY_PIECE_OCTETS: usize = 32 * 1024;
/// Time for a kept connection to show that it is alive. A new one is never worse than a long wait for an old one.
const RESET_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection over which a mail went so lately is used again without asking whether it is alive.
const FRESH: Duration = Duration::from_secs(2);
/// Time for a goodbye. It is a courtesy: nothing depends on the answer.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection and what it has been through.
pub(super) struct Session {
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
    /// A connection on which server and client have greeted each other.
    pub(super) fn new(connection: AsyncSmtpConnection, reins: Arc<Reins>) -> Session {
        Session { connection, reins, opened: Instant::now(), mails: 0, took: None, health: Health::Ready }
    }

    /// Sends one mail.
    pub(super) async fn send(
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
    pub(super) async fn reset(&mut self, limit: Duration) -> bool {
        self.health = Health::Broken;
        let answer = within(limit.min(RESET_TIMEOUT), "no answer", self.connection.command(Rset)).await;
        if answer.is_ok_and(|response| hundred(&response) == 2) {
            self.health = Health::Ready;
        }
        self.health == Health::Ready
    }

    /// Whether the server took a mail just now: there is nothing to clear, and it was there a moment ago.
    pub(super) fn is_fresh(&self) -> bool {
        self.took.is_some_and(|took| took.elapsed() < FRESH)
    }

    pub(super) fn may_be_used_again(&self) -> bool {
        self.health == Health::Ready
            && self.mails < MAX_MAILS_PER_CONNECTION
            && self.opened.elapsed() < MAX_CONNECTION_AGE
    }

    pub(super) async fn quit(mut self) {
        // In the middle of a body, QUIT would be a line of the mail: a broken connection is only dropped.
        if self.health == Health::Ready {
            let _ = timeout(QUIT_TIMEOUT, self.connection.quit()).await;
        }
    }
}

async fn begin(recorder: &mut impl PhaseRecorder, phase: Phase) -> Result<(), Delivered> {
    recorder.begin(phase).await.map_err(|refused| not_sent(phase, refused))
}

pub(super) fn not_sent(phase: Phase, refused: Refused) -> Delivered {
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
