//! Ways out of the house: mails are written here and handed to an SMTP server.
//! Policy does not live here: when to try again, whom to suppress and who consented is the engine's.
//!
//! The way of a mail: customer values become checked types ([`HeaderText`], [`EmailAddress`], [`LinkUrl`]), a
//! [`Mail`] of them is written to bytes once ([`Mail::write`]), and [`Smtp::send`] carries these bytes, telling a
//! [`PhaseRecorder`] before each phase, to exactly one [`Delivered`].

mod address;
mod header;
mod mail;
mod outcome;
mod smtp;
mod wire;

pub use address::{AddressError, EmailAddress, MailId, MailIdError, Mailbox};
pub use header::{HeaderText, HeaderTextError, LinkUrl, LinkUrlError};
pub use mail::{ExtraHeader, Mail, MailError, Unsubscribe, WrittenMail};
pub use outcome::{Delivered, EnhancedCode, Phase, Reply, Trouble};
pub use smtp::{Envelope, Login, PhaseRecorder, Refused, Secret, SettingsError, Smtp, SmtpSettings, Timeouts, Tls};
