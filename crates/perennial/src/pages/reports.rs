//! What other mail servers reported of mails: bounces and complaints.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::Link;
use super::text::Tag;

/// What came back, the latest first.
#[derive(Debug, Clone, Default)]
pub struct ReportsView {
    /// Reports of which nobody knows the message; up to 50.
    pub unmatched: Vec<ReportRow>,
    /// The others; up to 50.
    pub matched: Vec<ReportRow>,
}

/// Something that came back.
#[derive(Debug, Clone)]
pub struct ReportRow {
    /// What it says, in a word or some.
    pub said: Tag,
    /// When it came.
    pub at: Timestamp,
    /// The message it is about.
    pub message: Option<Link>,
    /// To whom that went.
    pub customer: Option<Link>,
    /// Of which address it says so itself.
    pub address: Option<String>,
    /// The other server's words.
    pub words: String,
    /// How it begins, where nobody knows what it is about.
    pub beginning: String,
}

#[derive(Template)]
#[template(path = "reports.html")]
pub(super) struct ReportsPage {
    pub(super) frame: Frame,
    pub(super) view: ReportsView,
}
