//! Carries out the engine's orders over SMTP: builds the mail, speaks to the server, tells what came of it.

use crate::config::{Email, Tls};
use crate::runtime::Handle;
use anyhow::{Context, bail};
use channels::{
    Delivered, EmailAddress, Envelope, ExtraHeader, HeaderText, LinkUrl, Login, Mail, MailId, Mailbox, Phase,
    PhaseRecorder, Refused, Secret, Smtp, SmtpSettings, Trouble, Unsubscribe, WrittenMail,
};
use domain::MessageId;
use domain::workspace::Sender;
use engine::deliver::{End, Order};
use std::sync::Arc;

/// Opens the SMTP channel that the configuration names.
pub fn open(email: &Email) -> anyhow::Result<Smtp> {
    let tls = match email.tls {
        Tls::None => channels::Tls::None,
        Tls::Starttls => channels::Tls::StartTls,
        Tls::Implicit => channels::Tls::Implicit,
    };
    let mut settings = SmtpSettings::new(email.host.clone(), email.port, tls);
    if !email.user.is_empty() {
        if email.password_file.as_os_str().is_empty() {
            bail!("`email.user` is set but `email.password_file` is not");
        }
        let password = std::fs::read_to_string(&email.password_file)
            .with_context(|| format!("the password file {} cannot be read", email.password_file.display()))?;
        settings.login =
            Some(Login { user: email.user.clone(), password: Secret::new(password.trim_end_matches(['\r', '\n'])) });
    }
    Ok(Smtp::new(settings)?)
}

/// Carries out one order, from its record to its end. Every way out is recorded.
pub async fn deliver(smtp: Arc<Smtp>, handle: Handle, order: Order) {
    let end = send(&smtp, &handle, &order).await;
    ended(&handle, &order, end).await;
}

/// Ends an attempt that could not even begin.
pub(crate) async fn put_off(handle: &Handle, order: &Order, why: &str) {
    ended(handle, order, later(why)).await;
}

/// An attempt is over: its end is recorded, and its place is free.
pub(crate) async fn ended(handle: &Handle, order: &Order, end: End) {
    record_end(handle, order.message.clone(), order.number, end).await;
    handle.health().landed(&order.message);
}

/// Tells the engine how an attempt ended. The mail is out: the record is tried until it is durable or the process stops;
/// after a stop the attempt's phase says what is known.
async fn record_end(handle: &Handle, message: MessageId, number: u32, end: End) {
    loop {
        let (id, end) = (message.clone(), end.clone());
        match handle.change_later(1, move |engine, now| engine.attempt_ended(&id, number, end, now)).await {
            Ok(()) | Err(crate::runtime::JobError::Stopped) => return,
            Err(error) => {
                tracing::warn!(message.id = %message, "the end of an attempt waits to be recorded: {error}");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

async fn send(smtp: &Smtp, handle: &Handle, order: &Order) -> End {
    let (sender, public_url) = {
        let engine = handle.read();
        (engine.definitions().settings.sender.clone(), engine.options().public_url.clone())
    };
    let Some(sender) = sender else {
        return later("no sender is defined; add `sender:` to `workspace: settings`");
    };
    let (envelope, mail) = match write(order, &sender, &public_url) {
        Ok(written) => written,
        Err(error) => {
            return End::Rejected { reply: format!("the mail cannot be written: {error:#}"), of_recipient: false };
        }
    };
    end_of(smtp.send(&envelope, &mail, &mut Recorder::of(handle, order)).await)
}

/// What the end of a delivery means for the engine.
pub(crate) fn end_of(delivered: Delivered) -> End {
    match delivered {
        Delivered::Sent { reply } => End::Sent { reply: reply.text },
        Delivered::PutOff { phase, trouble } => {
            let unreachable = phase <= Phase::MailFrom || matches!(trouble, Trouble::Connection(_));
            End::PutOff { reply: trouble.to_string(), unreachable }
        }
        Delivered::Rejected { reply, of_recipient, .. } => {
            let words = match reply.enhanced {
                Some(enhanced) => format!("{} {enhanced} {}", reply.code, reply.text),
                None => format!("{} {}", reply.code, reply.text),
            };
            End::Rejected { reply: words, of_recipient }
        }
        Delivered::Uncertain { trouble } => End::NoReply { detail: trouble.to_string() },
        // The engine did not want it to go: the attempt is no longer the present one, or its record is not durable.
        Delivered::NotSent { reason, .. } => later(&reason),
    }
}

fn later(reply: &str) -> End {
    End::PutOff { reply: reply.to_owned(), unreachable: false }
}

/// Writes the mail of an order: the same bytes at every attempt.
pub fn write(order: &Order, sender: &Sender, public_url: &str) -> anyhow::Result<(Envelope, WrittenMail)> {
    let mail = mail_of(order, sender, public_url)?;
    let envelope = Envelope { from: mail.from.address.clone(), to: mail.to.address.clone() };
    Ok((envelope, mail.write()?))
}

fn mail_of(order: &Order, sender: &Sender, public_url: &str) -> anyhow::Result<Mail> {
    let from = EmailAddress::parse(&sender.address).context("the sender's address")?;
    let to = EmailAddress::parse(&order.written.to).context("the customer's address")?;
    let domain = from.domain().to_owned();
    let list_unsubscribe = if order.is_marketing {
        let url = format!("{public_url}{}", order.written.unsubscribe_path);
        Some(Unsubscribe { one_click_url: LinkUrl::parse(&url).context("the unsubscribe link")?, mailto: None })
    } else {
        None
    };
    let mut extra = vec![ExtraHeader::Campaign(HeaderText::from_customer(order.campaign.as_str()))];
    extra.push(if order.is_marketing { ExtraHeader::Bulk } else { ExtraHeader::AutoGenerated });
    Ok(Mail {
        id: MailId::new(&order.message.0, &domain)?,
        from: Mailbox { name: Some(HeaderText::from_customer(&sender.name)), address: from },
        to: Mailbox { name: order.written.to_name.as_deref().map(HeaderText::from_customer), address: to },
        reply_to: None,
        subject: HeaderText::from_customer(&order.written.subject),
        text: order.written.text.clone(),
        html: order.written.html.clone(),
        list_unsubscribe,
        date_ms: order.decided_at.0,
        extra,
    })
}

/// Makes the step before the body durable before the body goes out.
pub(crate) struct Recorder {
    handle: Handle,
    message: MessageId,
    number: u32,
}

impl Recorder {
    pub(crate) fn of(handle: &Handle, order: &Order) -> Recorder {
        Recorder { handle: handle.clone(), message: order.message.clone(), number: order.number }
    }
}

impl PhaseRecorder for Recorder {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        if !phase.must_be_durable() {
            return Ok(());
        }
        let (id, number) = (self.message.clone(), self.number);
        let refuse = |reason: &str| Refused { reason: reason.to_owned() };
        match self.handle.change_later(1, move |engine, now| engine.attempt_sends_data(&id, number, now)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refuse("this attempt is no longer the present one")),
            Err(error) => Err(refuse(&error.to_string())),
        }
    }
}
