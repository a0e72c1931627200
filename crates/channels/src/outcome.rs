//! What became of one attempt to send: the server's words, and the one outcome they mean.
//! What follows from it, a retry or a suppression, is decided by the engine.

use std::fmt;

use crate::outward::RetryAfter;

/// Longest text kept of a server's reply, in characters.
const MAX_REPLY_CHARS: usize = 500;

/// A phase of sending, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Finding or making a connection: TCP, TLS, EHLO, login.
    Connect,
    /// Naming the sender.
    MailFrom,
    /// Naming the recipient.
    Rcpt,
    /// Asking to send the body.
    Data,
    /// The body, its final dot and the wait for the answer. From here on a crash leaves an uncertain mail.
    Body,
    /// The server took the mail.
    Accepted,
}

impl Phase {
    /// The phase's name in tables and logs.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Connect => "connect",
            Phase::MailFrom => "mail_from",
            Phase::Rcpt => "rcpt",
            Phase::Data => "data",
            Phase::Body => "body",
            Phase::Accepted => "accepted",
        }
    }

    /// Asks whether the record of this phase must be on disk before the phase may begin.
    pub fn must_be_durable(self) -> bool {
        self == Phase::Body
    }
}

/// A code such as `5.1.1`, RFC 3463.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u16,
    /// What it is about: 1 the address, 2 the mailbox, 7 policy.
    pub subject: u16,
    /// What exactly.
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads the code at the head of a reply's text. It counts only if its class is that of `code`, RFC 2034 § 4.
    fn leading(code: u16, text: &str) -> Option<EnhancedCode> {
        EnhancedCode::read(text).filter(|enhanced| enhanced.class == code / 100)
    }

    /// The code that a text begins with.
    pub fn read(text: &str) -> Option<EnhancedCode> {
        let number = |part: &str| {
            let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| part.parse::<u16>().ok()).flatten()
        };
        let word = text.trim_start().split([' ', '\t']).next()?;
        let mut parts = word.split('.');
        let enhanced = EnhancedCode {
            class: number(parts.next()?)?,
            subject: number(parts.next()?)?,
            detail: number(parts.next()?)?,
        };
        parts.next().is_none().then_some(enhanced)
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A server's reply. `Debug` hides the text, for servers like to repeat the address in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// Three digits, 200 to 559.
    pub code: u16,
    /// The enhanced code, if the text begins with one of the same class.
    pub enhanced: Option<EnhancedCode>,
    /// The text with its enhanced code: at most 500 characters, no control characters.
    pub text: String,
    /// When the provider wants to be asked again, where it says so: by HTTP only.
    pub retry_after: Option<RetryAfter>,
}

impl Reply {
    pub(crate) fn new(code: u16, text: &str) -> Reply {
        let without_controls = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = text.chars().map(without_controls).take(MAX_REPLY_CHARS).collect();
        Reply { code, enhanced: EnhancedCode::leading(code, &text), text, retry_after: None }
    }

    /// Asks whether the server says that it closes the connection.
    pub(crate) fn ends_the_connection(&self) -> bool {
        self.code == 421
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(f, "Reply({} {enhanced} ***)", self.code),
            None => write!(f, "Reply({} ***)", self.code),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The server answered, and refused.
    Reply(Reply),
    /// It did not answer, or not so that it could be understood: a sentence, without anything the server said.
    Connection(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Reply(reply) => reply.fmt(f),
            Trouble::Connection(sentence) => f.write_str(sentence),
        }
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Delivered {
    /// The server took the mail.
    Sent {
        /// Its reply to the final dot.
        reply: Reply,
    },
    /// The mail did not leave, and may later: a 4xx, no connection, silence before the final dot.
    ///
    /// In [`Phase::Connect`] also a 5xx: it is about us (a wrong password, a blocked address), not about this mail.
    PutOff {
        /// Where it stopped.
        phase: Phase,
        /// What the server said, or what broke.
        trouble: Trouble,
    },
    /// The server refused this mail for good.
    Rejected {
        /// What it refused: the sender, the recipient, or in [`Phase::Body`] the content.
        phase: Phase,
        /// The 5xx.
        reply: Reply,
        /// Whether it is the recipient that does not exist or take mail, so that the address is to be suppressed.
        of_recipient: bool,
    },
    /// No understandable answer after the final dot: the mail may have arrived.
    Uncertain {
        /// What broke.
        trouble: Trouble,
    },
    /// The recorder, or the last check before the wire, refused a phase: the mail was not sent.
    NotSent {
        /// The phase that was not begun.
        phase: Phase,
        /// The reason given.
        reason: String,
    },
}

impl Delivered {
    /// The `because` of the outcome, in the words of the tables: nothing for a mail that was sent, or that the
    /// recorder held back and knows why.
    pub fn because(&self) -> Option<&'static str> {
        match self {
            Delivered::Sent { .. } | Delivered::NotSent { .. } => None,
            Delivered::PutOff { .. } => Some("put_off"),
            Delivered::Rejected { .. } => Some("rejected"),
            Delivered::Uncertain { .. } => Some("no_reply"),
        }
    }

    /// Whether the first command of a mail met a connection that had ended, or was about to be.
    pub(crate) fn found_nobody(&self) -> bool {
        match self {
            Delivered::PutOff { phase: Phase::MailFrom, trouble: Trouble::Connection(_) } => true,
            Delivered::PutOff { phase: Phase::MailFrom, trouble: Trouble::Reply(reply) } => reply.ends_the_connection(),
            _ => false,
        }
    }

    /// The server's reply, if it is what decided.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Delivered::Sent { reply } | Delivered::Rejected { reply, .. } => Some(reply),
            Delivered::PutOff { trouble: Trouble::Reply(reply), .. } => Some(reply),
            Delivered::PutOff { .. } | Delivered::Uncertain { .. } | Delivered::NotSent { .. } => None,
        }
    }

    /// The phase in which it was decided.
    pub fn phase(&self) -> Phase {
        match self {
            Delivered::Sent { .. } => Phase::Accepted,
            Delivered::Uncertain { .. } => Phase::Body,
            Delivered::PutOff { phase, .. } | Delivered::Rejected { phase, .. } | Delivered::NotSent { phase, .. } => {
                *phase
            }
        }
    }

    /// One line to keep with the attempt: the reply or what broke, free of control characters. It may hold an
    /// address, so it belongs in the table, not in a log.
    pub fn detail(&self) -> String {
        match self {
            Delivered::Sent { reply } | Delivered::Rejected { reply, .. } => reply.to_string(),
            Delivered::PutOff { trouble, .. } | Delivered::Uncertain { trouble } => trouble.to_string(),
            Delivered::NotSent { reason, .. } => reason.clone(),
        }
    }

    /// What trouble means when it is certain that the server did not take the mail.
    pub(crate) fn refused(phase: Phase, trouble: Trouble) -> Delivered {
        match trouble {
            Trouble::Reply(reply) if reply.code >= 500 && phase > Phase::Connect => {
                let of_recipient = refuses_recipient(phase, &reply);
                Delivered::Rejected { phase, reply, of_recipient }
            }
            trouble => Delivered::PutOff { phase, trouble },
        }
    }
}

/// Asks whether a 5xx says that the recipient does not exist or takes no mail.
fn refuses_recipient(phase: Phase, reply: &Reply) -> bool {
    match reply.enhanced {
        // All that MAIL FROM is answered is about the sender.
        Some(enhanced) => phase != Phase::MailFrom && refuses_address(enhanced),
        // Without an enhanced code the phase tells, except for codes that are about the conversation: syntax and
        // order (50x), login (53x), and 552, a full mailbox (RFC 5321 § 4.2.3).
        None => phase == Phase::Rcpt && !matches!(reply.code, 500..=509 | 530..=539 | 552),
    }
}

/// Whether a code is about the recipient's address: 5.1.x, but for 5.1.7 and 5.1.8, which are about the sender's
/// (RFC 3463 § 3.2), and 5.2.1, a mailbox that was closed.
pub(crate) fn refuses_address(enhanced: EnhancedCode) -> bool {
    match (enhanced.subject, enhanced.detail) {
        (1, detail) => !matches!(detail, 7 | 8),
        place => place == (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_the_recipient_suppresses() {
        let of_recipient = |phase, code, text| refuses_recipient(phase, &Reply::new(code, text));
        for (code, text) in [
            (550, "5.1.1 No such user"),
            (550, "5.1.10 null MX"),
            (550, "5.2.1 disabled"),
            (550, "no such user"),
            (550, ""),
            (553, "5.1 is not an enhanced code"),
            (550, "4.7.1 another class does not count"),
        ] {
            assert!(of_recipient(Phase::Rcpt, code, text), "{code} {text}");
        }
        for (code, text) in [
            (550, "5.7.1 blocked"),
            (552, "5.2.2 full"),
            (552, "full"),
            (550, "5.1.8 bad sender"),
            (503, "bad sequence"),
            (530, "log in first"),
        ] {
            assert!(!of_recipient(Phase::Rcpt, code, text), "{code} {text}");
        }
        assert!(of_recipient(Phase::Body, 550, "5.1.1 No such user"));
        assert!(!of_recipient(Phase::Body, 554, "looks like spam"));
        assert!(!of_recipient(Phase::MailFrom, 550, "5.1.1 who are you"));
    }

    #[test]
    fn a_reply_is_kept_short_and_without_control_characters() {
        let reply = Reply::new(250, &format!("2.0.0 \u{1b}[31m\r\n{}", "x".repeat(10_000)));
        assert_eq!(reply.text.chars().count(), 500);
        assert!(!reply.text.chars().any(char::is_control));
        assert_eq!(reply.enhanced.unwrap().to_string(), "2.0.0");
        assert_eq!(format!("{:?}", Reply::new(550, "5.1.1 <ana@x.example>")), "Reply(550 5.1.1 ***)");
    }
}
