//! What came back about mails: what nobody can tell the message of first, for a person to look at.

use super::{EngineViews, House, broken, words};
use crate::pages::PageError;
use crate::pages::links::Link;
use crate::pages::reports::{ReportRow, ReportsView};
use crate::pages::text::{Tag, Tone};
use domain::message::ReportKind;
use engine::Engine;
use store::{MailReport, Page, ReportFilter};

/// Reports of each sort on the page.
const ROWS: u32 = 50;
/// Characters of the beginning that is shown of an unmatched report.
const BEGINNING: usize = 4_000;

impl<H: House> EngineViews<H> {
    pub(super) fn reports_view(&self) -> Result<ReportsView, PageError> {
        self.look(|engine, reader, _| {
            let find = |matched| {
                let filter = ReportFilter { matched: Some(matched), ..ReportFilter::default() };
                let found = reader.reports(&filter, Page { skip: 0, limit: ROWS }).map_err(broken)?;
                Ok(found.iter().map(|report| row(engine, report)).collect())
            };
            Ok(ReportsView { unmatched: find(false)?, matched: find(true)? })
        })
    }
}

fn row(engine: &Engine, report: &MailReport) -> ReportRow {
    let (said, tone) = words_of(report.kind);
    let subject = || match &report.status {
        Some(status) => format!("the mail it is about ({status})"),
        None => "the mail it is about".to_owned(),
    };
    ReportRow {
        said: Tag::new(said, tone),
        at: report.at.as_jiff(),
        message: report.message.as_ref().map(|message| Link::message(&message.0, &subject())),
        customer: report.customer.map(|customer| words::link(&engine.who(customer))),
        address: report.address.clone(),
        words: report.words.clone(),
        beginning: report.raw.chars().take(BEGINNING).collect(),
    }
}

/// What a report says, and the colour of its dot.
pub(super) fn words_of(kind: ReportKind) -> (&'static str, Tone) {
    match kind {
        ReportKind::HardBounce => ("The address takes no mail", Tone::Rose),
        ReportKind::SoftBounce => ("It did not arrive", Tone::Sun),
        ReportKind::Delayed => ("It is delayed", Tone::Sun),
        ReportKind::Delivered => ("It arrived", Tone::Leaf),
        ReportKind::Complaint => ("Called spam", Tone::Rose),
        ReportKind::Other => ("Something else", Tone::Plain),
    }
}
