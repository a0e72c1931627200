//! Ways out of the house: mails are written here and handed to an SMTP server; everything else goes by HTTP, through one
//! guarded connector.
//! Policy does not live here: when to try again, whom to suppress and who consented is the engine's.
//!
//! The way of a mail: customer values become checked types ([`HeaderText`], [`EmailAddress`], [`LinkUrl`]), a
//! [`Mail`] of them is written to bytes once ([`Mail::write`]) and signed by its domain ([`DkimSigner::sign`]), and [`Smtp::send`] carries these bytes, telling a
//! [`PhaseRecorder`] before each phase, to exactly one [`Delivered`]. A [`Messenger`] carries a [`Note`] the same way to a
//! provider of texts; an [`Endpoint`] is told of a webhook; [`web_push`] notifies browsers. All of these go through [`outward`]. What other mail servers send back is read by [`Report`].

mod address;
mod dkim;
mod header;
mod mail;
mod messenger;
mod outcome;
pub mod outward;
mod pem;
mod report;
mod signature;
mod smtp;
pub mod web_push;
mod webhook;
mod wire;

pub use address::{AddressError, EmailAddress, MailId, MailIdError, Mailbox};
pub use dkim::{DkimKey, DkimKeyError, DkimKind, DkimNameError, DkimSigner};
pub use header::{HeaderText, HeaderTextError, LinkUrl, LinkUrlError};
pub use mail::{ExtraHeader, Mail, MailError, Unsubscribe, WrittenMail};
pub use messenger::{Messenger, Note};
pub use outcome::{Delivered, EnhancedCode, Phase, Reply, Trouble};
pub use report::{MAX_REPORT_OCTETS, Report, ReportError, ReportKind};
pub use signature::{SigningError, SigningSecrets};
pub use smtp::{
    Envelope, Login, MAX_CONNECTIONS, PhaseRecorder, Refused, Secret, SettingsError, Smtp, SmtpSettings, Timeouts, Tls,
};
pub use webhook::{Endpoint, Told};
