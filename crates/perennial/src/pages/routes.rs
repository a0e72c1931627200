//! The menu of the pages: which address shows what, and what each button does. Looking never changes anything.

use askama::Template;
use axum::extract::{DefaultBodyLimit, Form, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde::Deserialize;

use super::campaign::CampaignPage;
use super::campaigns::CampaignsPage;
use super::chart::SizeChart;
use super::customer::CustomerPage;
use super::customers::{CustomerSearch, CustomersPage};
use super::edit::{Definition, Draft, EditPage, PreviewPart};
use super::filter::{Filter, FilterQuery};
use super::frame::{Frame, Nav};
use super::guard::{self, Asked, Posted, Signed};
use super::home::HomePage;
use super::ingest::IngestPage;
use super::links::Place;
use super::login::{BareTroublePage, LinkPage, LoginPage, SessionsPage, Trouble, TroublePage};
use super::message::MessagePage;
use super::outbox::OutboxPage;
use super::query::{EXAMPLE, QueryPage, ROWS};
use super::reports::ReportsPage;
use super::segment::{SegmentPage, SizePart};
use super::segments::SegmentsPage;
use super::session::{LoginError, Notice, Visit, random_token};
use super::views::{Order, PageError, Views};
use super::vouchers;
use super::webhooks::WebhooksPage;
use super::{Pages, assets, build, gallery, tasks, templates, tried, why};

/// A definition of 200 nodes is a few dozen kilobytes; a megabyte is beyond any that would be accepted.
const FORM_BYTES: usize = 1024 * 1024;

pub(super) fn router(pages: Pages) -> Router {
    let inside = Router::new()
        .route("/", get(home))
        .route("/customers", get(customers))
        .route("/customers/{id}", get(customer))
        .route("/customers/{id}/why", get(why::why))
        .route("/customers/{id}/merge", post(merge))
        .route("/customers/{id}/dismiss", post(dismiss))
        .route("/customers/{id}/unmerge", post(unmerge))
        .route("/customers/{id}/erase", post(erase))
        .route("/customers/{id}/lift", post(lift))
        .route("/customers/{id}/browser", post(remove_browser))
        .route("/segments", get(segments))
        .route("/segments/{name}", get(segment))
        .route("/segments/{name}/size", get(segment_size))
        .route("/gallery", get(gallery::gallery))
        .route("/gallery/campaigns", get(gallery::plays))
        .route("/gallery/counts", get(gallery::counts))
        .route("/edit/segment", get(build::segment).post(build::press))
        .route("/edit/campaign", get(build::campaign).post(build::press))
        .route("/edit/build", post(build::parts))
        .route("/edit/build/effect", post(build::effect))
        .route("/campaigns", get(campaigns))
        .route("/campaigns/{name}", get(campaign))
        .route("/campaigns/{name}/try", get(tried::tried).post(tried::try_it))
        .route("/campaigns/{name}/pause", post(pause))
        .route("/campaigns/{name}/resume", post(resume))
        .route("/campaigns/{name}/compare-anew", post(compare_anew))
        .route("/campaigns/{name}/stop", post(stop))
        .route("/templates", get(templates::templates))
        .route("/templates/{name}", get(templates::template))
        .route("/templates/{name}/body", get(templates::body))
        .route("/templates/{name}/links", post(templates::check_links))
        .route("/messages", get(messages))
        .route("/messages/{id}", get(message))
        .route("/messages/{id}/body", get(message_body))
        .route("/messages/{id}/seen", post(seen))
        .route("/messages/{id}/approve", post(approve))
        .route("/tasks", get(tasks::tasks))
        .route("/tasks/{id}/done", post(tasks::done))
        .route("/webhooks", get(webhooks))
        .route("/reports", get(reports))
        .route("/webhooks/{id}/again", post(try_webhook))
        .route("/webhooks/endpoints/{name}/on", post(turn_on))
        .route("/vouchers", get(vouchers::vouchers))
        .route("/vouchers/import", post(vouchers::import))
        .route("/sources", get(ingest))
        .route("/sources/replay", post(replay))
        .route("/query", get(query).post(ask))
        .route("/edit/template", get(edit).post(save))
        .route("/edit/template/preview", post(preview))
        .route("/sessions", get(sessions))
        .route("/logout", post(log_out))
        .fallback(nowhere)
        .layer(from_fn_with_state(pages.clone(), guard::be_logged_in));
    Router::new()
        .route("/login", get(login).post(log_in))
        .route("/login/{token}", get(link))
        .route("/assets/{file}", get(assets::asset))
        .merge(inside)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(guard::be_the_same_site))
        .layer(from_fn_with_state(pages.clone(), guard::be_the_right_host))
        .layer(middleware::from_fn(guard::be_strict))
        .with_state(pages)
}

async fn home(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Today, |views| views.home(), |frame, view| HomePage { frame, view }).await
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SearchQuery {
    q: String,
    after: Option<String>,
}

/// A name or an address is shorter; what is longer finds nothing and costs time.
const QUERY_CHARACTERS: usize = 400;

async fn customers(State(pages): State<Pages>, visit: Visit, Asked(query): Asked<SearchQuery>) -> Response {
    let after = query.after.filter(|cursor| !cursor.is_empty());
    let search = CustomerSearch { query: query.q.chars().take(QUERY_CHARACTERS).collect(), after };
    let asked = search.clone();
    pages
        .show(
            visit,
            Nav::Customers,
            move |views| views.customers(&asked),
            move |frame, view| CustomersPage { frame, search, view },
        )
        .await
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PageQuery {
    before: Option<String>,
    after: Option<String>,
    /// The curve with the page, not after it: for those who read without JavaScript.
    chart: Option<String>,
}

async fn customer(
    State(pages): State<Pages>,
    visit: Visit,
    Path(id): Path<String>,
    Asked(query): Asked<PageQuery>,
) -> Response {
    let before = query.before;
    pages
        .show(
            visit,
            Nav::Customers,
            move |views| views.customer(&id, before.as_deref()),
            |frame, view| CustomerPage { frame, view },
        )
        .await
}

async fn segments(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Segments, |views| views.segments(), |frame, view| SegmentsPage { frame, view }).await
}

async fn segment(
    State(pages): State<Pages>,
    visit: Visit,
    Path(name): Path<String>,
    Asked(query): Asked<PageQuery>,
) -> Response {
    let after = query.after;
    let is_first_page = after.is_none();
    let with_chart = is_first_page && query.chart.is_some();
    pages
        .show(
            visit,
            Nav::Segments,
            move |views| {
                let mut view = views.segment(&name, after.as_deref())?;
                if with_chart && view.size.is_empty() {
                    view.size = views.segment_size(&name)?.unwrap_or_default();
                }
                Ok(view)
            },
            move |frame, view| SegmentPage { frame, view, is_first_page },
        )
        .await
}

async fn segment_size(State(pages): State<Pages>, visit: Visit, Path(name): Path<String>) -> Response {
    let place = Place::Segment(name.clone());
    match pages.ask(move |views| views.segment_size(&name)).await {
        Ok(points) => {
            let chart = points.map(|points| SizeChart::new("Members", &points));
            html(StatusCode::OK, &SizePart { chart, place })
        }
        Err(error) => pages.trouble(visit, Nav::Segments, &error).await,
    }
}

async fn campaigns(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Campaigns, |views| views.campaigns(), |frame, view| CampaignsPage { frame, view }).await
}

async fn campaign(
    State(pages): State<Pages>,
    visit: Visit,
    Path(name): Path<String>,
    Asked(query): Asked<FilterQuery>,
) -> Response {
    let filter = Filter::from(query);
    let asked = filter.clone();
    pages
        .show(
            visit,
            Nav::Campaigns,
            move |views| views.campaign(&name, &asked),
            move |frame, view| CampaignPage { frame, view, filter },
        )
        .await
}

async fn messages(State(pages): State<Pages>, visit: Visit, Asked(query): Asked<FilterQuery>) -> Response {
    let filter = Filter::from(query);
    let asked = filter.clone();
    pages
        .show(
            visit,
            Nav::Messages,
            move |views| views.messages(&asked),
            move |frame, view| OutboxPage { frame, view, filter },
        )
        .await
}

async fn message(State(pages): State<Pages>, visit: Visit, Path(id): Path<String>) -> Response {
    pages.show(visit, Nav::Messages, move |views| views.message(&id), |frame, view| MessagePage { frame, view }).await
}

/// The mail alone, for the frame on its page: no script, no form, no link out, no picture from elsewhere.
/// Whatever a mail holds, it does nothing here.
pub(super) const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                                  frame-ancestors 'self'; base-uri 'none'; form-action 'none'";

async fn message_body(State(pages): State<Pages>, Path(id): Path<String>) -> Response {
    match pages.ask(move |views| views.message_body(&id)).await {
        Ok(body) => ([(header::CONTENT_SECURITY_POLICY, SANDBOX)], Html(body)).into_response(),
        Err(error) => {
            let (status, trouble) = told(&error);
            bare_trouble(status, trouble)
        }
    }
}

async fn webhooks(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Messages, |views| views.webhooks(), |frame, view| WebhooksPage { frame, view }).await
}

async fn reports(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Messages, |views| views.reports(), |frame, view| ReportsPage { frame, view }).await
}

async fn ingest(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Sources, |views| views.ingest(), |frame, view| IngestPage { frame, view }).await
}

async fn query(State(pages): State<Pages>, visit: Visit) -> Response {
    let page = |frame, ()| QueryPage { frame, sql: EXAMPLE.to_owned(), answer: None };
    pages.show(visit, Nav::Elsewhere, |_| Ok(()), page).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionForm {
    csrf: String,
    sql: String,
    /// "csv" for the whole answer as a file.
    #[serde(default)]
    then: String,
}

/// Changes nothing, but is posted: a question is long, names customers, and takes what another site must not make it take.
async fn ask(State(pages): State<Pages>, Posted(visit, form): Posted<QuestionForm>) -> Response {
    let sql = form.sql.replace("\r\n", "\n");
    let Ok(place) = pages.questions.clone().try_acquire_owned() else {
        let busy = Err("two questions are being answered already; ask again in a moment".to_owned());
        return pages.show_answer(visit, sql, busy).await;
    };
    let asked = sql.clone();
    let as_file = form.then == "csv";
    let views = pages.views.clone();
    let answered = tokio::task::spawn_blocking(move || {
        let _place = place;
        match as_file {
            true => views.ask_for_csv(&asked).map(|file| file.map(Answered::File)),
            false => views.ask(&asked, ROWS).map(|answer| answer.map(Answered::Rows)),
        }
    });
    match answered.await.unwrap_or_else(|_| Err(PageError::Broken("the view panicked".to_owned()))) {
        Ok(Ok(Answered::File(file))) => {
            let name = [(header::CONTENT_DISPOSITION, "attachment; filename=\"answer.csv\"")];
            (name, crate::api::sent(file, query::write::Format::Csv)).into_response()
        }
        Ok(Ok(Answered::Rows(answer))) => pages.show_answer(visit, sql, Ok(answer)).await,
        Ok(Err(reason)) => pages.show_answer(visit, sql, Err(reason)).await,
        Err(error) => pages.trouble(visit, Nav::Elsewhere, &error).await,
    }
}

enum Answered {
    Rows(query::Answer),
    File(std::fs::File),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EditQuery {
    name: Option<String>,
}

async fn edit(State(pages): State<Pages>, visit: Visit, Asked(query): Asked<EditQuery>) -> Response {
    pages
        .show(
            visit,
            Nav::Campaigns,
            move |views| {
                let draft = views.draft(Definition::Template, query.name.as_deref())?;
                let check = views.check(Definition::Template, &draft)?;
                Ok((draft, check))
            },
            move |frame, (draft, check)| EditPage { frame, draft, check: Some(check) },
        )
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftForm {
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    yaml: String,
    /// "check" from those who read without JavaScript.
    #[serde(default)]
    then: String,
}

impl DraftForm {
    fn draft(self) -> Draft {
        Draft {
            name: Some(self.name).filter(|name| !name.is_empty()),
            version: self.version.parse().ok(),
            // Browsers end the lines of a form with CR LF, whatever the text had.
            yaml: self.yaml.replace("\r\n", "\n"),
        }
    }
}

async fn preview(State(pages): State<Pages>, Posted(visit, form): Posted<DraftForm>) -> Response {
    let draft = form.draft();
    match pages.ask(move |views| views.check(Definition::Template, &draft)).await {
        Ok(check) => html(StatusCode::OK, &PreviewPart { check: Some(&check) }),
        Err(error) => pages.trouble(visit, Nav::Campaigns, &error).await,
    }
}

async fn save(State(pages): State<Pages>, Posted(visit, form): Posted<DraftForm>) -> Response {
    let only_check = form.then == "check";
    let draft = form.draft();
    let tried = draft.clone();
    let outcome = pages
        .ask(move |views| {
            if only_check {
                return Ok(Err(views.check(Definition::Template, &tried)?));
            }
            Ok(views.save(Definition::Template, &tried)?.map_err(Err))
        })
        .await;
    match outcome {
        Ok(Ok(name)) => {
            pages.sessions.tell(&visit, Notice::done("Saved. The template counts from now on."));
            see(&Place::Template(name))
        }
        Ok(Err(check)) => {
            let status = if check.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
            let page = |frame| EditPage { frame, draft, check: Some(check) };
            match pages.frame(visit.clone(), Nav::Campaigns).await {
                Ok(frame) => html(status, &page(frame)),
                Err(error) => pages.trouble(visit, Nav::Campaigns, &error).await,
            }
        }
        Err(error) => pages.trouble(visit, Nav::Campaigns, &error).await,
    }
}

/// A button without fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Button {
    csrf: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherForm {
    csrf: String,
    other: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityForm {
    csrf: String,
    identity: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordForm {
    csrf: String,
    word: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BrowserForm {
    csrf: String,
    browser: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressForm {
    csrf: String,
    address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonForm {
    csrf: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogoutForm {
    csrf: String,
    #[serde(default)]
    everywhere: String,
}

macro_rules! signed {
    ($($form:ty),*) => {
        $(impl Signed for $form {
            fn csrf(&self) -> &str {
                &self.csrf
            }
        })*
    };
}

signed!(
    QuestionForm,
    DraftForm,
    Button,
    OtherForm,
    IdentityForm,
    WordForm,
    BrowserForm,
    AddressForm,
    ReasonForm,
    LogoutForm
);

async fn merge(
    State(pages): State<Pages>,
    Path(customer): Path<String>,
    Posted(visit, form): Posted<OtherForm>,
) -> Response {
    let back = Place::Customer(customer.clone());
    pages.carry_out(visit, Order::Merge { customer, other: form.other }, back).await
}

async fn dismiss(
    State(pages): State<Pages>,
    Path(customer): Path<String>,
    Posted(visit, form): Posted<OtherForm>,
) -> Response {
    let back = Place::Customer(customer.clone());
    pages.carry_out(visit, Order::DismissMerge { customer, other: form.other }, back).await
}

async fn unmerge(
    State(pages): State<Pages>,
    Path(customer): Path<String>,
    Posted(visit, form): Posted<IdentityForm>,
) -> Response {
    let back = Place::Customer(customer.clone());
    pages.carry_out(visit, Order::Unmerge { customer, identity: form.identity }, back).await
}

async fn erase(
    State(pages): State<Pages>,
    Path(customer): Path<String>,
    Posted(visit, form): Posted<WordForm>,
) -> Response {
    let is_confirmed = form.word.trim().eq_ignore_ascii_case("erase");
    // Their page is gone then.
    let back = if is_confirmed { Place::Customers(String::new()) } else { Place::Customer(customer.clone()) };
    pages.carry_out(visit, Order::Erase { customer, is_confirmed }, back).await
}

async fn lift(
    State(pages): State<Pages>,
    Path(customer): Path<String>,
    Posted(visit, form): Posted<AddressForm>,
) -> Response {
    let back = Place::Customer(customer.clone());
    pages.carry_out(visit, Order::LiftSuppression { customer, address: form.address }, back).await
}

async fn remove_browser(
    State(pages): State<Pages>,
    Path(customer): Path<String>,
    Posted(visit, form): Posted<BrowserForm>,
) -> Response {
    let back = Place::Customer(customer.clone());
    pages.carry_out(visit, Order::RemoveBrowser { customer, browser: form.browser }, back).await
}

async fn pause(State(pages): State<Pages>, Path(name): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::PauseCampaign(name.clone()), Place::Campaign(name)).await
}

async fn resume(State(pages): State<Pages>, Path(name): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::ResumeCampaign(name.clone()), Place::Campaign(name)).await
}

async fn compare_anew(
    State(pages): State<Pages>,
    Path(name): Path<String>,
    Posted(visit, _): Posted<Button>,
) -> Response {
    pages.carry_out(visit, Order::CompareAnew(name.clone()), Place::Campaign(name)).await
}

async fn stop(State(pages): State<Pages>, Path(name): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::StopCampaign(name.clone()), Place::Campaign(name)).await
}

async fn seen(State(pages): State<Pages>, Path(id): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::MarkSeen(id.clone()), Place::Message(id)).await
}

async fn approve(State(pages): State<Pages>, Path(id): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::Approve(id.clone()), Place::Message(id)).await
}

async fn try_webhook(State(pages): State<Pages>, Path(id): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::TryWebhook(id), Place::Webhooks).await
}

async fn turn_on(State(pages): State<Pages>, Path(name): Path<String>, Posted(visit, _): Posted<Button>) -> Response {
    pages.carry_out(visit, Order::TurnOnEndpoint(name), Place::Webhooks).await
}

async fn replay(State(pages): State<Pages>, Posted(visit, form): Posted<ReasonForm>) -> Response {
    pages.carry_out(visit, Order::Replay { reason: form.reason }, Place::Sources).await
}

async fn login() -> Response {
    html(StatusCode::OK, &LoginPage { trouble: None })
}

/// Shows the button that uses a link. The link itself is not looked at: a mail scanner may open it as often as it likes.
async fn link(Path(token): Path<String>) -> Response {
    html(StatusCode::OK, &LinkPage { token })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkForm {
    token: String,
}

async fn log_in(State(pages): State<Pages>, Form(form): Form<LinkForm>) -> Response {
    match pages.sessions.log_in(&form.token, (pages.site.clock)()) {
        Ok(token) => {
            let cookie = AppendHeaders([(header::SET_COOKIE, pages.site.cookie_for(&token))]);
            (cookie, see(&Place::Home)).into_response()
        }
        Err(error) => {
            let status = match error {
                LoginError::WrongLink => StatusCode::UNAUTHORIZED,
                LoginError::TooMany => StatusCode::TOO_MANY_REQUESTS,
            };
            let mut response = html(status, &LoginPage { trouble: Some(capitalised(&error.to_string())) });
            if error == LoginError::TooMany {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            }
            response
        }
    }
}

async fn sessions(State(pages): State<Pages>, visit: Visit) -> Response {
    let sessions = pages.sessions.list(&visit, (pages.site.clock)());
    pages.show(visit, Nav::Elsewhere, |_| Ok(()), |frame, ()| SessionsPage { frame, sessions }).await
}

async fn log_out(State(pages): State<Pages>, Posted(visit, form): Posted<LogoutForm>) -> Response {
    if form.everywhere.is_empty() {
        pages.sessions.log_out(&visit);
    } else {
        pages.sessions.log_out_everywhere();
    }
    let cookie = AppendHeaders([(header::SET_COOKIE, pages.site.cookie_gone())]);
    (cookie, Redirect::to("/login")).into_response()
}

async fn nowhere(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.trouble(visit, Nav::Elsewhere, &PageError::NotFound("page at this address".to_owned())).await
}

impl Pages {
    /// Reads a view and shows it in the frame.
    pub(super) async fn show<View, Page>(
        &self,
        visit: Visit,
        nav: Nav,
        read: impl FnOnce(&dyn Views) -> Result<View, PageError> + Send + 'static,
        page: impl FnOnce(Frame, View) -> Page,
    ) -> Response
    where
        View: Send + 'static,
        Page: Template,
    {
        let read = self.ask(move |views| Ok((views.workspace()?, read(views)?))).await;
        match read {
            Ok((workspace, view)) => {
                let notice = self.sessions.take_notice(&visit);
                let frame = Frame { workspace, current: nav, csrf: visit.csrf, notice };
                html(StatusCode::OK, &page(frame, view))
            }
            Err(error) => self.trouble(visit, nav, &error).await,
        }
    }

    /// Shows a question with its answer, or with what is wrong with it.
    async fn show_answer(&self, visit: Visit, sql: String, answer: Result<query::Answer, String>) -> Response {
        let status = if answer.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        match self.frame(visit.clone(), Nav::Elsewhere).await {
            Ok(frame) => html(status, &QueryPage { frame, sql, answer: Some(answer) }),
            Err(error) => self.trouble(visit, Nav::Elsewhere, &error).await,
        }
    }

    /// Does what a button says and goes back to the page, which tells what was done.
    pub(super) async fn carry_out(&self, visit: Visit, order: Order, back: Place) -> Response {
        match self.ask(move |views| views.carry_out(&order)).await {
            Ok(notice) => {
                self.sessions.tell(&visit, notice);
                see(&back)
            }
            Err(PageError::Refused(why)) => {
                self.sessions.tell(&visit, Notice::not_done(capitalised(&why)));
                see(&back)
            }
            Err(error) => self.trouble(visit, Nav::Elsewhere, &error).await,
        }
    }

    /// Asks the views on a thread that may block.
    pub(super) async fn ask<Answer: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Views) -> Result<Answer, PageError> + Send + 'static,
    ) -> Result<Answer, PageError> {
        let turn = self.reads.clone().acquire_owned().await.expect("the semaphore is never closed");
        let views = self.views.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&*views);
            drop(turn);
            answer
        });
        // A panic in a view is a broken page, not a broken server. Its words may hold a customer's, so they are not repeated.
        answer.await.unwrap_or_else(|_| Err(PageError::Broken("the view panicked".to_owned())))
    }

    pub(super) async fn frame(&self, visit: Visit, nav: Nav) -> Result<Frame, PageError> {
        let workspace = self.ask(|views| views.workspace()).await?;
        let notice = self.sessions.take_notice(&visit);
        Ok(Frame { workspace, current: nav, csrf: visit.csrf, notice })
    }

    /// Says what could not be done, in the frame if that at least can be made.
    pub(super) async fn trouble(&self, visit: Visit, nav: Nav, error: &PageError) -> Response {
        let (status, trouble) = told(error);
        match self.frame(visit, nav).await {
            Ok(frame) => html(status, &TroublePage { frame, trouble }),
            Err(_) => bare_trouble(status, trouble),
        }
    }
}

/// What a person is told about an error. The cause of a broken page goes to the log, its number to the page.
pub(super) fn told(error: &PageError) -> (StatusCode, Trouble) {
    match error {
        PageError::NotFound(what) => {
            let text = "It may have been joined with another, renamed or deleted.";
            (StatusCode::NOT_FOUND, Trouble::new(&format!("There is no {what}"), text))
        }
        PageError::Refused(why) => (StatusCode::CONFLICT, Trouble::new("That cannot be done", capitalised(why))),
        PageError::Broken(cause) => {
            let number = &random_token()[..8];
            tracing::error!(request.number = number, cause, "a page could not be shown");
            let text = format!("The cause is in the log under number {number}. Nothing was changed by looking.");
            (StatusCode::INTERNAL_SERVER_ERROR, Trouble::new("This page could not be made", text))
        }
    }
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}

pub(super) fn see(place: &Place) -> Response {
    Redirect::to(&place.to_string()).into_response()
}

pub(super) fn bare_trouble(status: StatusCode, trouble: Trouble) -> Response {
    html(status, &BareTroublePage { trouble })
}

pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(page) => (status, Html(page)).into_response(),
        // Rendering into a string fails only if a `Display` does, and none of ours can.
        Err(error) => {
            tracing::error!(cause = %error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
