//! What comes back from other mail servers, read: notices of delivery (RFC 3464), complaints (RFC 5965), and mails that are
//! neither. What follows from one is the engine's; here nothing is believed, only read.

use mailparse::{MailHeader, MailHeaderMap, ParsedMail, addrparse};

use crate::outcome::{EnhancedCode, refuses_address};

/// Largest mail that is read, in octets: a notice returns the mail it is about, at most some hundred kilobytes.
pub const MAX_REPORT_OCTETS: usize = 4 << 20;
/// Deepest part that is looked at: a report has its parts at depth 1, a list or a forwarder may wrap it twice.
const MAX_DEPTH: usize = 4;
/// Most parts looked at.
const MAX_PARTS: usize = 50;
/// Most addresses and ids that may say which message a report is about.
const MAX_CLUES: usize = 20;
/// Longest clue in octets.
const MAX_CLUE_OCTETS: usize = 320;
/// Longest words kept of a report, in characters.
const MAX_WORDS: usize = 500;

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// The address takes no mail: it is unknown, closed, or its domain is.
    HardBounce,
    /// This mail did not arrive, which says nothing lasting of the address: full, too late, refused by policy.
    SoftBounce,
    /// It is tried still.
    Delayed,
    /// It arrived.
    Delivered,
    /// The reader called it spam.
    Complaint,
    /// No report, or one of a kind that nothing follows from.
    Other,
}

/// A report as it was read. Everything in it was written by strangers. `Debug` shows its kind and status.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// What it says.
    pub kind: ReportKind,
    /// Of which recipient, where it names one.
    pub recipient: Option<String>,
    /// The status of a notice, such as 5.1.1.
    pub status: Option<EnhancedCode>,
    /// The other server's words, or the kind of complaint: at most 500 characters, none of them a control character.
    pub words: String,
    /// Addresses that may carry the token of a return path: those the report was sent to, and the return path of the mail
    /// it returns.
    pub return_paths: Vec<String>,
    /// What may be the Message-ID of the mail it is about, without angle brackets.
    pub mail_ids: Vec<String>,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Report({:?} {:?})", self.kind, self.status.map(|status| status.to_string()))
    }
}

/// Why a text is no mail at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Larger than is read.
    #[error("the mail has {octets} octets, more than the {MAX_REPORT_OCTETS} that a report may have")]
    TooLarge {
        /// Its size.
        octets: usize,
    },
    /// There are no header lines, or its parts lie too deep.
    #[error("this is no mail: {reason}")]
    NotAMail {
        /// What is wrong with it.
        reason: String,
    },
}

impl Report {
    /// Reads a mail as it was received. O(size).
    pub fn read(mail: &[u8]) -> Result<Report, ReportError> {
        if mail.len() > MAX_REPORT_OCTETS {
            return Err(ReportError::TooLarge { octets: mail.len() });
        }
        let not_a_mail = |reason: String| ReportError::NotAMail { reason };
        let parsed = mailparse::parse_mail(mail).map_err(|error| not_a_mail(error.to_string()))?;
        if parsed.headers.is_empty() {
            return Err(not_a_mail("it has no header".to_owned()));
        }
        let mut parts = Vec::new();
        flatten(&parsed, 0, &mut parts);
        let mut report = Report {
            kind: ReportKind::Other,
            recipient: None,
            status: None,
            words: words(&parsed.headers.get_first_value("Subject").unwrap_or_default()),
            return_paths: Vec::new(),
            mail_ids: Vec::new(),
        };
        for name in ["To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"] {
            parsed.headers.get_all_values(name).iter().for_each(|value| report.hear_of_return_path(value));
        }
        let notice = parts.iter().find(|part| is_of(part, "message/delivery-status", "message/global-delivery-status"));
        let feedback = parts.iter().find(|part| is_of(part, "message/feedback-report", "message/feedback-report"));
        let returned = parts.iter().find(|part| {
            is_of(part, "message/rfc822", "message/global")
                || is_of(part, "text/rfc822-headers", "message/global-headers")
        });
        if let Some(returned) = returned {
            report.read_returned(&raw_text(returned));
        }
        match (feedback, notice) {
            (Some(feedback), _) => report.read_feedback(&raw_text(feedback)),
            (None, Some(notice)) => report.read_notice(&raw_text(notice)),
            (None, None) => {
                for name in ["In-Reply-To", "References"] {
                    parsed.headers.get_all_values(name).iter().for_each(|value| report.hear_of_mail_ids(value));
                }
            }
        }
        Ok(report)
    }

    /// A notice is groups of fields: one of the message, then one for each recipient. Ours have one recipient; of several
    /// the first that failed counts.
    fn read_notice(&mut self, text: &str) {
        let groups: Vec<Vec<(String, String)>> =
            text.split("\n\n").map(fields).filter(|group| !group.is_empty()).collect();
        let of_recipients: Vec<&Vec<(String, String)>> =
            groups.iter().filter(|group| field(group, "action").is_some()).collect();
        let has_failed = |group: &&&Vec<(String, String)>| {
            field(group, "action").is_some_and(|it| it.eq_ignore_ascii_case("failed"))
        };
        let Some(group) = of_recipients.iter().find(has_failed).or(of_recipients.first()) else { return };
        let typed =
            |name| field(group, name).map(|value| value.split_once(';').map_or(value, |(_, value)| value).trim());
        self.status = field(group, "status").and_then(EnhancedCode::read);
        self.recipient = typed("original-recipient").or(typed("final-recipient")).and_then(clue);
        if let Some(said) = typed("diagnostic-code").or(field(group, "status")) {
            self.words = words(said);
        }
        self.kind = match field(group, "action").unwrap_or_default().to_ascii_lowercase().as_str() {
            "failed" if self.status.is_none_or(is_about_the_address) => ReportKind::HardBounce,
            "failed" => ReportKind::SoftBounce,
            "delayed" => ReportKind::Delayed,
            "delivered" | "relayed" | "expanded" => ReportKind::Delivered,
            _ => ReportKind::Other,
        };
    }

    fn read_feedback(&mut self, text: &str) {
        let fields = fields(text);
        let kind = field(&fields, "feedback-type").unwrap_or_default().to_ascii_lowercase();
        let is_complaint = matches!(kind.as_str(), "abuse" | "fraud" | "virus" | "opt-out" | "opt-out-list");
        self.kind = if is_complaint { ReportKind::Complaint } else { ReportKind::Other };
        self.words = words(&kind);
        self.recipient = field(&fields, "original-rcpt-to").and_then(clue);
        if let Some(path) = field(&fields, "original-mail-from") {
            self.hear_of_return_path(path);
        }
    }

    /// The head of the mail that is returned, or of which only the head is.
    fn read_returned(&mut self, text: &str) {
        let Ok((headers, _)) = mailparse::parse_headers(text.as_bytes()) else { return };
        let all = |name: &str| -> Vec<String> { values(&headers, name) };
        all("Return-Path").iter().for_each(|value| self.hear_of_return_path(value));
        all("Message-ID").iter().for_each(|value| self.hear_of_mail_ids(value));
    }

    fn hear_of_return_path(&mut self, value: &str) {
        let listed = addrparse(value).ok();
        let found = listed.iter().flat_map(|list| list.iter()).flat_map(|address| match address {
            mailparse::MailAddr::Single(one) => vec![one.addr.clone()],
            mailparse::MailAddr::Group(group) => group.addrs.iter().map(|one| one.addr.clone()).collect(),
        });
        let found: Vec<String> = found.filter_map(|address| clue(&address)).collect();
        let room = MAX_CLUES.saturating_sub(self.return_paths.len());
        self.return_paths.extend(found.into_iter().take(room));
    }

    fn hear_of_mail_ids(&mut self, value: &str) {
        let found = value.split('<').filter_map(|rest| rest.split_once('>')).filter_map(|(id, _)| clue(id));
        let room = MAX_CLUES.saturating_sub(self.mail_ids.len());
        self.mail_ids.extend(found.take(room));
    }
}

fn flatten<'a, 'b>(part: &'a ParsedMail<'b>, depth: usize, parts: &mut Vec<&'a ParsedMail<'b>>) {
    if depth > MAX_DEPTH || parts.len() >= MAX_PARTS {
        return;
    }
    parts.push(part);
    for inner in &part.subparts {
        flatten(inner, depth + 1, parts);
    }
}

fn is_of(part: &ParsedMail<'_>, one: &str, other: &str) -> bool {
    let kind = part.ctype.mimetype.as_str();
    kind.eq_ignore_ascii_case(one) || kind.eq_ignore_ascii_case(other)
}

/// A part as text with plain line feeds; its transfer encoding is undone.
fn raw_text(part: &ParsedMail<'_>) -> String {
    let bytes = part.get_body_raw().unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\r', "\n")
}

fn values(headers: &[MailHeader<'_>], name: &str) -> Vec<String> {
    headers.get_all_values(name)
}

/// The fields of a group, unfolded, their names in lower case.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (false, _, Some((name, value))) => fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned())),
            _ => {}
        }
    }
    fields
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

/// Whether a final failure is about the address: the rule of refusals in the dialogue, and what only notices say: no reason
/// at all (5.0.0), and a domain that is not there (5.4.4, and 5.4.310 as Microsoft has it). What was not refused for good, as
/// when a server gave up after days of 4.4.1, is not.
fn is_about_the_address(status: EnhancedCode) -> bool {
    status.class == 5 && (refuses_address(status) || matches!((status.subject, status.detail), (0, 0) | (4, 4 | 310)))
}

fn clue(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    let is_clue =
        !text.is_empty() && text.len() <= MAX_CLUE_OCTETS && !text.contains(|c: char| c.is_control() || c == ' ');
    is_clue.then(|| text.to_owned())
}

fn words(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS).collect()
}
