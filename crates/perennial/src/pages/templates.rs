//! Templates: each as a real customer would read it, what it asks for and who lacks it, and where its links lead.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::Pages;
use super::frame::{Frame, Nav};
use super::guard::{Asked, Posted, Signed};
use super::links::{Link, Place, encoded};
use super::notification::NotificationView;
use super::routes::{SANDBOX, bare_trouble, told};
use super::session::Visit;
use super::text::{Count, Tag};

/// All templates.
#[derive(Debug, Clone, Default)]
pub struct TemplatesView {
    /// By name.
    pub rows: Vec<TemplateRow>,
}

/// A template in the list.
#[derive(Debug, Clone)]
pub struct TemplateRow {
    /// To its page.
    pub template: Link,
    /// Its subject, as written.
    pub subject: String,
    /// "email", "sms".
    pub channel: String,
    /// Who sends it.
    pub campaigns: Vec<Link>,
    /// What is wrong with it.
    pub problems: Count,
}

/// One template.
#[derive(Debug, Clone)]
pub struct TemplateView {
    /// Its name.
    pub name: String,
    /// "email", "sms".
    pub channel: String,
    /// Who sends it.
    pub campaigns: Vec<Link>,
    /// Its variants.
    pub variants: Vec<String>,
    /// Languages that it is written in besides.
    pub locales: Vec<String>,
    /// As whom it is shown, and what was asked for to find them; none: nobody was found.
    pub reader: Option<Link>,
    /// How it reads for them.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As a browser shows it, on the channel push.
    pub notification: Option<NotificationView>,
    /// Why they would not get it, as it stands.
    pub held: Option<String>,
    /// Customers that there are.
    pub customers: Count,
    /// What it asks for.
    pub fields: Vec<FieldRow>,
    /// What its author should mend.
    pub problems: Vec<String>,
    /// Where its links lead.
    pub links: Vec<String>,
}

/// A value that a template asks for.
#[derive(Debug, Clone)]
pub struct FieldRow {
    /// Such as `customer.first_name`.
    pub path: String,
    /// Whether those who lack it get nothing.
    pub is_needed: bool,
    /// How many lack it.
    pub lack: Option<Count>,
    /// What is odd about it.
    pub remark: Option<String>,
}

/// Where a link leads.
#[derive(Debug, Clone)]
pub struct LinkRow {
    /// As it stands in the template.
    pub url: String,
    /// "Answers", "Is gone (404)".
    pub verdict: Tag,
}

/// As whom a template is shown, and which variant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Shows {
    /// An id, a name or an address; empty: somebody.
    #[serde(rename = "as")]
    pub reader: String,
    /// Empty: the template itself.
    pub variant: String,
}

impl Shows {
    fn query(&self) -> String {
        format!("as={}&variant={}", encoded(&self.reader), encoded(&self.variant))
    }
}

#[derive(Template)]
#[template(path = "templates.html")]
struct TemplatesPage {
    frame: Frame,
    view: TemplatesView,
}

#[derive(Template)]
#[template(path = "template.html")]
struct TemplatePage {
    frame: Frame,
    view: TemplateView,
    shows: Shows,
    /// What became of the links; none: nobody has asked.
    checked: Option<Vec<LinkRow>>,
}

impl TemplatePage {
    fn place(&self) -> Place {
        Place::Template(self.view.name.clone())
    }

    fn is_shown(&self, variant: &str) -> bool {
        self.shows.variant == variant
    }

    /// The page for another variant.
    fn of(&self, variant: &str) -> String {
        let shows = Shows { variant: variant.to_owned(), ..self.shows.clone() };
        format!("{}?{}", self.place(), shows.query())
    }

    fn body(&self) -> String {
        format!("{}/body?{}", self.place(), self.shows.query())
    }

    fn is_mail(&self) -> bool {
        self.view.channel == "email"
    }
}

pub(super) async fn templates(State(pages): State<Pages>, visit: Visit) -> Response {
    pages.show(visit, Nav::Campaigns, |views| views.templates(), |frame, view| TemplatesPage { frame, view }).await
}

pub(super) async fn template(
    State(pages): State<Pages>,
    visit: Visit,
    Path(name): Path<String>,
    Asked(shows): Asked<Shows>,
) -> Response {
    let asked = shows.clone();
    pages
        .show(
            visit,
            Nav::Campaigns,
            move |views| views.template(&name, &asked),
            |frame, view| TemplatePage { frame, view, shows, checked: None },
        )
        .await
}

/// The mail alone, for the frame in the page. It may hold anything.
pub(super) async fn body(State(pages): State<Pages>, Path(name): Path<String>, Asked(shows): Asked<Shows>) -> Response {
    match pages.ask(move |views| views.template_body(&name, &shows)).await {
        Ok(body) => ([(header::CONTENT_SECURITY_POLICY, SANDBOX)], Html(body)).into_response(),
        Err(error) => {
            let (status, trouble) = told(&error);
            bare_trouble(status, trouble)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinksForm {
    csrf: String,
    #[serde(default, rename = "as")]
    reader: String,
    #[serde(default)]
    variant: String,
}

impl Signed for LinksForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// Looks whether the links of a template lead somewhere: asked with a button, since it reaches out of this machine.
pub(super) async fn check_links(
    State(pages): State<Pages>,
    Path(name): Path<String>,
    Posted(visit, form): Posted<LinksForm>,
) -> Response {
    let shows = Shows { reader: form.reader, variant: form.variant };
    let asked = shows.clone();
    pages
        .show(
            visit,
            Nav::Campaigns,
            move |views| {
                let view = views.template(&name, &asked)?;
                let checked = views.check_links(&view.links)?;
                Ok((view, checked))
            },
            |frame, (view, checked)| TemplatePage { frame, view, shows, checked: Some(checked) },
        )
        .await
}
