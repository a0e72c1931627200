//! The pages' seam over the live engine: asks `engine::report`, puts the answers into the words of the shop.
//!
//! Each page has its file. What is dear to work out is kept here for a moment: who needs attention (`pulse`), what
//! was ordered (`ledger`), sizes of segments over time (`sizes`).
//!
//! Locks are always taken in this order: a kept answer, the ledger, the engine. A thread that waits for the ledger
//! with the engine in its hands would wait for ever once the writer stands between.

mod buttons;
mod campaigns;
mod customers;
mod diff;
mod editor;
mod gallery;
mod home;
mod house;
mod ingest;
mod messages;
mod pulse;
mod reports;
mod seen;
mod segments;
mod sizes;
mod tasks;
mod templates;
#[cfg(test)]
mod tests;
mod tried;
mod vouchers;
mod webhooks;
mod words;
pub mod yaml;

pub use house::House;

use crate::builder::Seen;
use crate::dry_run::DryRuns;
use crate::link_check::LinkCheck;
use crate::pages::build::Glance;
use crate::pages::campaign::CampaignView;
use crate::pages::campaigns::CampaignsView;
use crate::pages::chart::SizePoint;
use crate::pages::customer::CustomerView;
use crate::pages::customers::{CustomerSearch, CustomersView};
use crate::pages::edit::{Check, Definition, Draft, Problem};
use crate::pages::filter::Filter;
use crate::pages::frame::{Sending, Workspace};
use crate::pages::gallery::{GalleryCounts, GalleryView};
use crate::pages::home::HomeView;
use crate::pages::ingest::IngestView;
use crate::pages::message::MessageView;
use crate::pages::outbox::OutboxView;
use crate::pages::reports::ReportsView;
use crate::pages::segment::SegmentView;
use crate::pages::segments::SegmentsView;
use crate::pages::session::Notice;
use crate::pages::tasks::TasksView;
use crate::pages::templates::{LinkRow, Shows, TemplateView, TemplatesView};
use crate::pages::tried::{TriedView, Try};
use crate::pages::vouchers::VouchersView;
use crate::pages::webhooks::WebhooksView;
use crate::pages::why::WhyView;
use crate::pages::{Order, PageError, Views};
use crate::questions::{QuestionError, Questions};
use crate::runtime::{Handle, JobError};
use domain::campaign::State;
use domain::segment::EventName;
use engine::Engine;
use engine::ingest::DoorOptions;
use engine::report::{Ledger, ReportError};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use store::{Reader, StoreError};

/// For so long an answer that is dear to work out is good enough.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pages of one workspace.
pub struct EngineViews<H = Handle> {
    house: Arc<H>,
    sending: Sending,
    public_url: String,
    door: DoorOptions,
    questions: Option<Arc<Questions>>,
    dry_runs: Option<Arc<DryRuns>>,
    ledger: Arc<RwLock<Ledger>>,
    pulse: Arc<pulse::Pulse>,
    sizes: Arc<sizes::Sizes>,
    counted: Arc<gallery::Counted>,
    link_check: Option<LinkCheck>,
}

impl<H: House> EngineViews<H> {
    /// Pages over a workspace. `sending`: the server that mail goes to, none if nothing leaves this machine.
    pub fn new(house: H, sending: Option<String>, public_url: String) -> EngineViews<H> {
        EngineViews {
            house: Arc::new(house),
            sending: sending.map_or(Sending::Nothing, Sending::By),
            public_url,
            door: DoorOptions::default(),
            questions: None,
            dry_runs: None,
            ledger: Arc::default(),
            pulse: Arc::new(pulse::Pulse::new(PATIENCE)),
            sizes: Arc::default(),
            counted: Arc::default(),
            link_check: None,
        }
    }

    /// Looks at links by this.
    #[must_use]
    pub fn with_link_check(mut self, link_check: LinkCheck) -> EngineViews<H> {
        self.link_check = Some(link_check);
        self
    }

    /// Tries refused calls again as this door would read them.
    #[must_use]
    pub fn with_door(mut self, door: DoorOptions) -> EngineViews<H> {
        self.door = door;
        self
    }

    /// Answers questions in SQL by this.
    #[must_use]
    pub fn with_questions(mut self, questions: Arc<Questions>) -> EngineViews<H> {
        self.questions = Some(questions);
        self
    }

    /// Tries campaigns by this.
    #[must_use]
    pub fn with_dry_runs(mut self, dry_runs: Arc<DryRuns>) -> EngineViews<H> {
        self.dry_runs = Some(dry_runs);
        self
    }

    /// Asks in SQL. What is wrong with the question is for the page to say.
    fn questions<T>(
        &self,
        ask: impl FnOnce(&Questions) -> Result<T, QuestionError>,
    ) -> Result<Result<T, String>, PageError> {
        let Some(questions) = &self.questions else {
            return Ok(Err("questions cannot be asked here".to_owned()));
        };
        match ask(questions) {
            Ok(answer) => Ok(Ok(answer)),
            Err(QuestionError::Query(error)) if error.is_the_askers() => Ok(Err(error.to_string())),
            Err(QuestionError::Job(error)) => Ok(Err(error.to_string())),
            Err(error) => Err(broken(error)),
        }
    }

    /// Answers nothing from memory: for tests, which look twice within a moment.
    #[cfg(test)]
    fn impatient(mut self) -> EngineViews<H> {
        self.pulse = Arc::new(pulse::Pulse::new(Duration::ZERO));
        self
    }

    /// Looks at the engine, the store and the ledger together.
    fn look<T>(
        &self,
        look: impl FnOnce(&Engine, &dyn Reader, &Ledger) -> Result<T, PageError>,
    ) -> Result<T, PageError> {
        look_at(self.house.as_ref(), &self.ledger, look)
    }

    /// Looks at the store alone.
    fn read<T>(&self, read: impl FnOnce(&dyn Reader) -> Result<T, StoreError>) -> Result<T, PageError> {
        self.house.with_reader(read).map_err(broken)
    }

    /// Does something on the writer's thread, and returns once it is durable.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Engine, domain::Timestamp) -> T + Send + 'static,
    ) -> Result<T, PageError> {
        self.house.change(change).map_err(|error| match error {
            JobError::Panicked => PageError::Broken(error.to_string()),
            JobError::Busy | JobError::Stopped | JobError::NotStored(_) => PageError::Refused(error.to_string()),
        })
    }
}

impl<H: House> Views for EngineViews<H> {
    fn workspace(&self) -> Result<Workspace, PageError> {
        let pulse = self.pulse()?;
        let engine = self.house.read();
        let definitions = engine.definitions();
        let running = definitions.campaigns.values().filter(|campaign| campaign.state == State::Running);
        let name = definitions.settings.sender.as_ref().map(|sender| sender.name.clone());
        Ok(Workspace {
            name: name.unwrap_or_else(|| "Your shop".to_owned()),
            zone: words::zone(&engine),
            now: self.house.now().as_jiff(),
            sending: self.sending.clone(),
            attention: pulse.attention.needs.len().into(),
            customers: engine.customer_count().into(),
            segments: definitions.segments.len().into(),
            campaigns: running.count().into(),
            uncertain: pulse.attention.uncertain.into(),
            tasks: pulse.tasks.into(),
            refused: pulse.refused.into(),
        })
    }

    fn home(&self) -> Result<HomeView, PageError> {
        self.home_view()
    }

    fn customers(&self, search: &CustomerSearch) -> Result<CustomersView, PageError> {
        self.customers_view(search)
    }

    fn customer(&self, id: &str, before: Option<&str>) -> Result<CustomerView, PageError> {
        self.customer_view(id, before)
    }

    fn segments(&self) -> Result<SegmentsView, PageError> {
        self.segments_view()
    }

    fn segment(&self, name: &str, after: Option<&str>) -> Result<SegmentView, PageError> {
        self.segment_view(name, after)
    }

    fn segment_size(&self, name: &str) -> Result<Option<Vec<SizePoint>>, PageError> {
        self.size_view(name)
    }

    fn why(&self, customer: &str, segment: Option<&str>) -> Result<WhyView, PageError> {
        self.why_view(customer, segment)
    }

    fn gallery(&self) -> Result<GalleryView, PageError> {
        self.gallery_view()
    }

    fn gallery_counts(&self) -> Result<GalleryCounts, PageError> {
        self.count_gallery()
    }

    fn plays(&self) -> Result<GalleryView, PageError> {
        self.plays_view()
    }

    fn play(&self, name: &str, chosen: &BTreeMap<String, String>) -> Result<Draft, PageError> {
        self.play_draft(name, chosen)
    }

    fn seen(&self, events: &[EventName]) -> Result<Seen, PageError> {
        Ok(self.seen_view(events))
    }

    fn glance(&self, kind: Definition, draft: &Draft) -> Result<Glance, PageError> {
        self.glance_at(kind, draft)
    }

    fn campaigns(&self) -> Result<CampaignsView, PageError> {
        self.campaigns_view()
    }

    fn campaign(&self, name: &str, decisions: &Filter) -> Result<CampaignView, PageError> {
        self.campaign_view(name, decisions)
    }

    fn tried(&self, name: &str, asked: Option<Try>) -> Result<TriedView, PageError> {
        self.tried_view(name, asked)
    }

    fn messages(&self, filter: &Filter) -> Result<OutboxView, PageError> {
        self.outbox_view(filter)
    }

    fn message(&self, id: &str) -> Result<MessageView, PageError> {
        self.message_view(id)
    }

    fn message_body(&self, id: &str) -> Result<String, PageError> {
        self.body_view(id)
    }

    fn templates(&self) -> Result<TemplatesView, PageError> {
        self.templates_view()
    }

    fn template(&self, name: &str, shows: &Shows) -> Result<TemplateView, PageError> {
        self.template_view(name, shows)
    }

    fn template_body(&self, name: &str, shows: &Shows) -> Result<String, PageError> {
        self.template_body_view(name, shows)
    }

    fn check_links(&self, urls: &[String]) -> Result<Vec<LinkRow>, PageError> {
        self.look_at_links(urls)
    }

    fn tasks(&self, owner: &str, page: u64) -> Result<TasksView, PageError> {
        self.tasks_view(owner, page)
    }

    fn reports(&self) -> Result<ReportsView, PageError> {
        self.reports_view()
    }

    fn webhooks(&self) -> Result<WebhooksView, PageError> {
        self.webhooks_view()
    }

    fn vouchers(&self) -> Result<VouchersView, PageError> {
        self.vouchers_view()
    }

    fn ingest(&self) -> Result<IngestView, PageError> {
        self.ingest_view()
    }

    fn draft(&self, kind: Definition, name: Option<&str>) -> Result<Draft, PageError> {
        self.draft_view(kind, name)
    }

    fn copy(&self, kind: Definition, name: &str) -> Result<Draft, PageError> {
        self.copy_draft(kind, name)
    }

    fn check(&self, kind: Definition, draft: &Draft) -> Result<Check, PageError> {
        self.check_draft(kind, draft)
    }

    fn save(&self, kind: Definition, draft: &Draft) -> Result<Result<String, Vec<Problem>>, PageError> {
        let saved = self.save_draft(kind, draft);
        self.pulse.forget();
        saved
    }

    fn ask(&self, sql: &str, most: usize) -> Result<Result<query::Answer, String>, PageError> {
        self.questions(|questions| questions.look(sql, most))
    }

    fn ask_for_csv(&self, sql: &str) -> Result<Result<std::fs::File, String>, PageError> {
        self.questions(|questions| questions.file(sql, query::write::Format::Csv))
    }

    fn carry_out(&self, order: &Order) -> Result<Notice, PageError> {
        let pressed = self.press(order);
        self.pulse.forget();
        pressed
    }
}

/// Looks at the engine, the store and the ledger together.
fn look_at<T>(
    house: &impl House,
    ledger: &RwLock<Ledger>,
    look: impl FnOnce(&Engine, &dyn Reader, &Ledger) -> Result<T, PageError>,
) -> Result<T, PageError> {
    let looked = house.with_reader(|reader| {
        let ledger = caught_up(house, ledger, reader)?;
        let engine = house.read();
        Ok(look(&engine, reader, &ledger))
    });
    looked.map_err(broken)?
}

/// The ledger, with everything that was committed. Taken before the engine, never after.
fn caught_up<'l>(
    house: &impl House,
    ledger: &'l RwLock<Ledger>,
    reader: &dyn Reader,
) -> Result<RwLockReadGuard<'l, Ledger>, StoreError> {
    let (position, currency) = {
        let engine = house.read();
        (engine.position(), engine.definitions().settings.currency)
    };
    let is_behind = ledger.read().unwrap_or_else(PoisonError::into_inner).position() < position;
    if is_behind {
        let mut ledger = ledger.write().unwrap_or_else(PoisonError::into_inner);
        ledger.catch_up(reader, currency, &|call, position| house.read().name_at(call, position))?;
    }
    Ok(ledger.read().unwrap_or_else(PoisonError::into_inner))
}

fn broken(error: impl std::fmt::Display) -> PageError {
    PageError::Broken(error.to_string())
}

/// What a page says of a question without an answer.
fn told(error: ReportError) -> PageError {
    match error {
        ReportError::NoCustomer(name) => PageError::NotFound(format!("customer “{name}”")),
        ReportError::NoDefinition { kind, name } => PageError::NotFound(format!("{kind} “{name}”")),
        ReportError::NoMessage(id) => PageError::NotFound(format!("message “{id}”")),
        ReportError::Ahead { .. } => PageError::Refused(error.to_string()),
        ReportError::Store(error) => broken(error),
    }
}
