//! The seam between pages and engine: what pages ask for, and what a person can do on them.

use super::build::Glance;
use super::campaign::CampaignView;
use super::campaigns::CampaignsView;
use super::chart::SizePoint;
use super::customer::CustomerView;
use super::customers::{CustomerSearch, CustomersView};
use super::edit::{Check, Definition, Draft, Problem};
use super::filter::Filter;
use super::frame::Workspace;
use super::gallery::{GalleryCounts, GalleryView};
use super::home::HomeView;
use super::ingest::IngestView;
use super::message::MessageView;
use super::outbox::OutboxView;
use super::reports::ReportsView;
use super::segment::SegmentView;
use super::segments::SegmentsView;
use super::session::Notice;
use super::tasks::TasksView;
use super::templates::{LinkRow, Shows, TemplateView, TemplatesView};
use super::tried::{TriedView, Try};
use super::vouchers::VouchersView;
use super::webhooks::WebhooksView;
use super::why::WhyView;
use crate::builder::Seen;
use domain::segment::EventName;
use query::Answer;
use std::collections::BTreeMap;
use std::fs::File;

/// Where pages get what they show. Calls block; the pages make them off the async threads, at most 16 at once.
///
/// Reading changes nothing. Cursors are opaque to the pages; one that cannot be read is the first page.
pub trait Views: Send + Sync + 'static {
    /// The shop and the counts around every page.
    fn workspace(&self) -> Result<Workspace, PageError>;
    /// What matters now.
    fn home(&self) -> Result<HomeView, PageError>;
    /// A page of customers.
    fn customers(&self, search: &CustomerSearch) -> Result<CustomersView, PageError>;
    /// A customer by internal id, any id they were ever known by, or name; the timeline before a cursor.
    fn customer(&self, id: &str, before: Option<&str>) -> Result<CustomerView, PageError>;
    /// All segments.
    fn segments(&self) -> Result<SegmentsView, PageError>;
    /// A segment by name; its members after a cursor.
    fn segment(&self, name: &str, after: Option<&str>) -> Result<SegmentView, PageError>;
    /// Its size over time, worked out if need be; none while a long past is still being read.
    fn segment_size(&self, name: &str) -> Result<Option<Vec<SizePoint>>, PageError>;
    /// Why a customer is in a segment or not; in every segment if none is named.
    fn why(&self, customer: &str, segment: Option<&str>) -> Result<WhyView, PageError>;
    /// Ready segments, and what each needs that has not come in.
    fn gallery(&self) -> Result<GalleryView, PageError>;
    /// How many customers each ready segment would mean now. Reads the past once for all of them.
    fn gallery_counts(&self) -> Result<GalleryCounts, PageError>;
    /// Ready campaigns, and what each needs that has not come in.
    fn plays(&self) -> Result<GalleryView, PageError>;
    /// What the editor starts with for a ready campaign with what was chosen.
    fn play(&self, name: &str, chosen: &BTreeMap<String, String>) -> Result<Draft, PageError>;
    /// What the builder offers, with the properties of some events.
    fn seen(&self, events: &[EventName]) -> Result<Seen, PageError>;
    /// A segment's or campaign's text at a glance, or what is wrong with it; counts nobody anew, so it answers at once.
    fn glance(&self, kind: Definition, draft: &Draft) -> Result<Glance, PageError>;
    /// All campaigns.
    fn campaigns(&self) -> Result<CampaignsView, PageError>;
    /// A campaign by name; the decisions that the filter lets through.
    fn campaign(&self, name: &str, decisions: &Filter) -> Result<CampaignView, PageError>;
    /// A campaign that is tried, if something is asked: it may take minutes. Sends nothing, changes nothing.
    fn tried(&self, name: &str, asked: Option<Try>) -> Result<TriedView, PageError>;
    /// A page of messages that the filter lets through.
    fn messages(&self, filter: &Filter) -> Result<OutboxView, PageError>;
    /// A message by id.
    fn message(&self, id: &str) -> Result<MessageView, PageError>;
    /// The HTML part of a message as it was or would be sent. It is shown in a sandbox and may hold anything.
    fn message_body(&self, id: &str) -> Result<String, PageError>;
    /// All templates.
    fn templates(&self) -> Result<TemplatesView, PageError>;
    /// A template by name, as somebody would read it.
    fn template(&self, name: &str, shows: &Shows) -> Result<TemplateView, PageError>;
    /// Its HTML part. It is shown in a sandbox and may hold anything.
    fn template_body(&self, name: &str, shows: &Shows) -> Result<String, PageError>;
    /// Asks each of these addresses once whether it answers. May take 15 s.
    fn check_links(&self, urls: &[String]) -> Result<Vec<LinkRow>, PageError>;
    /// What people are asked to do, a page counted from 0; only what is for `owner`, unless that is empty.
    fn tasks(&self, owner: &str, page: u64) -> Result<TasksView, PageError>;
    /// What other systems were told.
    fn webhooks(&self) -> Result<WebhooksView, PageError>;
    /// What came back about mails.
    fn reports(&self) -> Result<ReportsView, PageError>;
    /// Pools of vouchers.
    fn vouchers(&self) -> Result<VouchersView, PageError>;
    /// What came in.
    fn ingest(&self) -> Result<IngestView, PageError>;
    /// What the editor starts with; without a name, an example.
    fn draft(&self, kind: Definition, name: Option<&str>) -> Result<Draft, PageError>;
    /// The text of one that there is, under a name that nobody has yet.
    fn copy(&self, kind: Definition, name: &str) -> Result<Draft, PageError>;
    /// What a text would do if it were saved, or what is wrong with it. Saves nothing.
    fn check(&self, kind: Definition, draft: &Draft) -> Result<Check, PageError>;
    /// Saves a text; returns the name it is saved under. Problems include that somebody saved another version meanwhile.
    fn save(&self, kind: Definition, draft: &Draft) -> Result<Result<String, Vec<Problem>>, PageError>;
    /// The first rows of the answer to a question in SQL, or what is wrong with it. May take a minute.
    fn ask(&self, sql: &str, most: usize) -> Result<Result<Answer, String>, PageError>;
    /// The whole answer as CSV, or what is wrong with the question. May take a minute.
    fn ask_for_csv(&self, sql: &str) -> Result<Result<File, String>, PageError>;
    /// Does what a button says; returns the sentence that tells what was done, or why not.
    fn carry_out(&self, order: &Order) -> Result<Notice, PageError>;
}

/// What a person can do with a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// These two are one person.
    Merge {
        /// The internal id on whose page it was said.
        customer: String,
        /// The internal id of the other.
        other: String,
    },
    /// These two are not one person; do not ask again.
    DismissMerge {
        /// The internal id on whose page it was said.
        customer: String,
        /// The internal id of the other.
        other: String,
    },
    /// Give every call back to the id that it named.
    Unmerge {
        /// The internal id of the joined person.
        customer: String,
        /// The id to part, as it was sent.
        identity: String,
    },
    /// Take a customer out of everything.
    Erase {
        /// The internal id.
        customer: String,
        /// Whether the word was written that confirms it.
        is_confirmed: bool,
    },
    /// Write to this address again.
    LiftSuppression {
        /// The internal id.
        customer: String,
        /// The address as the view gave it.
        address: String,
    },
    /// Notify a browser no more.
    RemoveBrowser {
        /// The internal id.
        customer: String,
        /// The browser's id as the view gave it.
        browser: String,
    },
    /// Nobody enters, nothing goes.
    PauseCampaign(String),
    /// Go on.
    ResumeCampaign(String),
    /// End it for good.
    StopCampaign(String),
    /// Draw comparison group and variants of a campaign anew, and compare from now on.
    CompareAnew(String),
    /// A task is done; by its id.
    CompleteTask(String),
    /// A message may go, as it is written.
    Approve(String),
    /// A person has looked at an uncertain message.
    MarkSeen(String),
    /// Try a webhook now: one that waits, or one that was given up.
    TryWebhook(String),
    /// Tell an endpoint again that said that it wants to hear nothing.
    TurnOnEndpoint(String),
    /// Import codes into a pool of vouchers.
    ImportCodes {
        /// The pool's name as it was typed.
        pool: String,
        /// Codes as they were typed, one a line.
        codes: String,
    },
    /// Try the refused calls of a reason again, or all.
    Replay {
        /// The reason's code; empty for all.
        reason: String,
    },
}

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// There is no such thing; the words name it: "customer `u1`".
    #[error("there is no {0}")]
    NotFound(String),
    /// It is right that this is refused; the words say why and what to do.
    #[error("{0}")]
    Refused(String),
    /// Something broke. The page shows a number only; the cause goes to the log.
    #[error("{0}")]
    Broken(String),
}
