//! Carries out the engine's orders over SMTP: builds the mail, speaks to the server, tells what came of it.

use crate::config::{Dkim, Email, Tls};
use crate::consignment::Consignment;
use crate::runtime::Handle;
use crate::webhooks::wait_of;
use anyhow::{Context, bail};
use channels::{
    Delivered, DkimKey, DkimSigner, EmailAddress, Envelope, ExtraHeader, HeaderText, LinkUrl, Login, Mail, MailId,
    Mailbox, Phase, Secret, Smtp, SmtpSettings, Trouble, Unsubscribe, WrittenMail,
};
use domain::workspace::Sender;
use engine::deliver::{End, Order};
use engine::write::links::Signer;
use std::sync::Arc;

/// Where mails leave from: the server that takes them, and who signs them.
pub struct Post {
    smtp: Smtp,
    signers: Vec<DkimSigner>,
    bounces: Option<EmailAddress>,
}

/// Most characters before the `@` of the address for bounces: with its token it must fit the 64 of an address.
const BOUNCES_LOCAL: usize = 11;

impl Post {
    /// Opens what the configuration names; nothing is connected yet. Errors: which setting cannot be used, and why.
    pub fn open(email: &Email) -> anyhow::Result<Post> {
        let bounces = match email.bounce_address.as_str() {
            "" => None,
            address => Some(bounces(address).with_context(|| format!("`email.bounce_address`: {address}"))?),
        };
        Ok(Post { smtp: smtp(email)?, signers: signers(email)?, bounces })
    }

    /// Where what comes back about a message goes: to an address that only this message has, or to the sender.
    fn return_path(&self, signer: &Signer, order: &Order, sender: EmailAddress) -> EmailAddress {
        let own = self.bounces.as_ref().zip(signer.return_token(&order.message)).and_then(|(bounces, token)| {
            EmailAddress::parse(&format!("{}+{token}@{}", bounces.local_part(), bounces.domain())).ok()
        });
        own.unwrap_or(sender)
    }

    /// The mail with a signature of each key that speaks for its sender. Errors: there are keys, but none that does.
    fn sign(&self, mail: WrittenMail, sender: &EmailAddress, at_s: i64) -> anyhow::Result<WrittenMail> {
        if self.signers.is_empty() {
            return Ok(mail);
        }
        let mut speaking = self.signers.iter().filter(|signer| signer.speaks_for(sender)).peekable();
        if speaking.peek().is_none() {
            let known: Vec<&str> = self.signers.iter().map(DkimSigner::domain).collect();
            bail!("no key of `email.dkim` signs for {}; there are keys for {}", sender.domain(), known.join(", "));
        }
        Ok(speaking.fold(mail, |mail, signer| signer.sign(&mail, at_s)))
    }
}

fn bounces(address: &str) -> anyhow::Result<EmailAddress> {
    let address = EmailAddress::parse(address)?;
    if address.local_part().len() > BOUNCES_LOCAL || address.local_part().contains('+') {
        bail!("it may have {BOUNCES_LOCAL} characters before the `@`, and no `+`: each mail adds its token there");
    }
    Ok(address)
}

/// Who signs, by the configuration. Errors: a key that cannot be used, and why.
pub fn signers(email: &Email) -> anyhow::Result<Vec<DkimSigner>> {
    email.dkim.iter().map(signer).collect()
}

fn signer(dkim: &Dkim) -> anyhow::Result<DkimSigner> {
    let file = dkim.key_file.display();
    let pem = std::fs::read_to_string(&dkim.key_file)
        .with_context(|| format!("`email.dkim`: the key {file} cannot be read"))?;
    let key = DkimKey::read(&pem).with_context(|| format!("`email.dkim`: {file}"))?;
    DkimSigner::new(&dkim.domain, &dkim.selector, key).context("`email.dkim`")
}

fn smtp(email: &Email) -> anyhow::Result<Smtp> {
    let tls = match email.tls {
        Tls::None => channels::Tls::None,
        Tls::Starttls => channels::Tls::StartTls,
        Tls::Implicit => channels::Tls::Implicit,
    };
    let mut settings = SmtpSettings::new(email.host.clone(), email.port, tls);
    settings.connections = email.connections;
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
pub(crate) async fn deliver(post: Arc<Post>, handle: Handle, consignment: Consignment) {
    let end = send(&post, &handle, &consignment).await;
    consignment.ended(&handle, end).await;
}

async fn send(post: &Post, handle: &Handle, consignment: &Consignment) -> End {
    let order = consignment.order();
    let (sender, public_url, signer, picture) = {
        let engine = handle.read();
        let sender = engine.definitions().settings.sender.clone();
        (sender, engine.options().public_url.clone(), engine.signer(), engine.open_url(order))
    };
    let Some(sender) = sender else {
        return later("no sender is defined; add `sender:` to `workspace: settings`");
    };
    let (mut envelope, mail) = match write(order, &sender, &public_url, picture.as_deref()) {
        Ok(written) => written,
        Err(error) => {
            return End::Rejected { reply: format!("the mail cannot be written: {error:#}"), of_recipient: false };
        }
    };
    let mail = match kept(handle, order).await {
        Ok(Some(mail)) => mail,
        Ok(None) => match post.sign(mail, &envelope.from, order.decided_at.0.div_euclid(1_000)) {
            Ok(signed) => signed,
            Err(error) => return later(&format!("{error:#}")),
        },
        Err(error) => return later(&format!("the mail of the earlier attempt cannot be read: {error:#}")),
    };
    envelope.from = post.return_path(&signer, order, envelope.from);
    let recorder = consignment.recorder(handle);
    // Marketing is never repeated.
    let mut recorder = if order.is_marketing { recorder } else { recorder.keeping(&mail) };
    end_of(post.smtp.send(&envelope, &mail, &mut recorder).await)
}

/// A mail that may have arrived goes out again as it went, whatever became of sender, keys and templates since.
async fn kept(handle: &Handle, order: &Order) -> anyhow::Result<Option<WrittenMail>> {
    if order.number == 1 || order.is_marketing {
        return Ok(None);
    }
    let (handle, message) = (handle.clone(), order.message.clone());
    let kept = tokio::task::spawn_blocking(move || handle.with_reader(|reader| reader.kept_mail(&message))).await??;
    kept.map(|mail| WrittenMail::from_bytes(mail.as_bytes()).context("a kept mail")).transpose()
}

/// What the end of a delivery means for the engine.
pub(crate) fn end_of(delivered: Delivered) -> End {
    match delivered {
        Delivered::Sent { reply } => End::Sent { reply: reply.text },
        Delivered::PutOff { phase, trouble } => {
            let unreachable = phase <= Phase::MailFrom || matches!(trouble, Trouble::Connection(_));
            let asked = match &trouble {
                Trouble::Reply(reply) => reply.retry_after,
                Trouble::Connection(_) => None,
            };
            let retry_after = asked.map(|asked| wait_of(asked, jiff::Timestamp::now().as_second()));
            End::PutOff { reply: trouble.to_string(), unreachable, retry_after }
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

pub(crate) fn later(reply: &str) -> End {
    End::PutOff { reply: reply.to_owned(), unreachable: false, retry_after: None }
}

/// Writes the mail of an order, not signed yet: the same bytes at every attempt, as long as nothing is changed that it is
/// made of.
///
/// `picture`: where the picture lies by which an open is told, if opens are counted.
pub fn write(
    order: &Order,
    sender: &Sender,
    public_url: &str,
    picture: Option<&str>,
) -> anyhow::Result<(Envelope, WrittenMail)> {
    let mut mail = mail_of(order, sender, public_url)?;
    mail.html = mail.html.map(|html| with_picture(html, picture));
    let envelope = Envelope { from: mail.from.address.clone(), to: mail.to.address.clone() };
    Ok((envelope, mail.write()?))
}

/// A page with the picture at its end. It is put in as the mail is written and nowhere else, so that whoever looks at the message
/// on a page of ours, or by the link that shows it in a browser, is not taken for its reader.
fn with_picture(mut html: String, picture: Option<&str>) -> String {
    let Some(url) = picture else { return html };
    let end = html.to_ascii_lowercase().rfind("</body>").unwrap_or(html.len());
    html.insert_str(
        end,
        &format!(r#"<img src="{url}" width="1" height="1" alt="" style="border:0;width:1px;height:1px">"#),
    );
    html
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
