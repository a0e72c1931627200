//! The builder of segments as a page: the rule in words, the same as text, what it would do.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Pages;
use super::edit::{Check, Definition, Draft, Problem};
use super::frame::{Frame, Nav};
use super::guard::{Asked, Posted, Signed};
use super::links::Place;
use super::routes::{html, see};
use super::session::Notice;
use super::text::Count;
use super::views::{PageError, Views};
use crate::builder::form::{Form, Trouble, draw, events_named};
use crate::builder::{Bench, Seen, Sent, Wish};
use crate::gallery;

/// A definition at a glance: its sentence, or what is wrong with it.
pub type Glance = Result<String, Vec<Problem>>;

/// Everything that the page and its parts show.
pub(super) struct Built {
    name: Option<String>,
    version: Option<u64>,
    bench: Bench,
    form: Option<Form>,
    glance: Glance,
    /// The form has other fields than the one that was sent.
    is_reshaped: bool,
}

#[derive(Template)]
#[template(path = "build.html")]
struct BuildPage {
    frame: Frame,
    built: Built,
    check: Option<Check>,
}

#[derive(Template)]
#[template(path = "builder/form.html")]
struct FormPart<'a> {
    built: &'a Built,
}

#[derive(Template)]
#[template(path = "builder/text.html")]
struct TextPart<'a> {
    built: &'a Built,
    /// The attribute that lets htmx put it where it belongs.
    oob: &'static str,
}

#[derive(Template)]
#[template(path = "builder/glance.html")]
struct GlancePart<'a> {
    built: &'a Built,
    oob: &'static str,
}

/// How many it would mean, and who; what is wrong is said beside the form.
#[derive(Template)]
#[template(path = "builder/effect.html")]
struct EffectPart<'a> {
    check: Option<&'a Check>,
}

impl askama::filters::HtmlSafe for EffectPart<'_> {}

/// What comes back while one works on the form: the parts that changed.
#[derive(Template)]
#[template(path = "builder/parts.html")]
struct Parts<'a> {
    built: &'a Built,
    part: PartAsked,
}

impl askama::filters::HtmlSafe for FormPart<'_> {}
impl askama::filters::HtmlSafe for TextPart<'_> {}
impl askama::filters::HtmlSafe for GlancePart<'_> {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartAsked {
    /// Somebody types in a field: everything but the fields.
    Fields,
    /// A button or a choice: everything.
    Shape,
    /// Somebody types in the text: everything but the text.
    Text,
}

impl Built {
    fn definition(&self) -> String {
        self.bench.definition.as_ref().map(serde_json::Value::to_string).unwrap_or_default()
    }

    /// A text area of the right height: short definitions without a hole, long ones without a scroll in a scroll.
    fn rows(&self) -> Count {
        Count::from((self.bench.text.lines().count() + 1).clamp(8, 30))
    }

    fn form_part(&self) -> FormPart<'_> {
        FormPart { built: self }
    }

    fn text_part(&self, oob: &'static str) -> TextPart<'_> {
        TextPart { built: self, oob }
    }

    fn glance_part(&self, oob: &'static str) -> GlancePart<'_> {
        GlancePart { built: self, oob }
    }

    fn draft(&self) -> Draft {
        Draft { name: self.name.clone(), version: self.version, yaml: self.bench.counts().to_owned() }
    }
}

impl BuildPage {
    fn back(&self) -> Place {
        self.built.name.as_deref().map_or(Place::Segments, |name| Place::Segment(name.to_owned()))
    }

    fn effect(&self) -> EffectPart<'_> {
        EffectPart { check: self.check.as_ref() }
    }
}

impl Parts<'_> {
    fn shows_form(&self) -> bool {
        self.part == PartAsked::Text || (self.part == PartAsked::Fields && self.built.is_reshaped)
    }
}

/// The form as it was sent, whatever its fields.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct BuildForm(Vec<(String, String)>);

impl Signed for BuildForm {
    fn csrf(&self) -> &str {
        self.get("csrf")
    }
}

impl BuildForm {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    fn sent(&self) -> Sent {
        Sent {
            definition: serde_json::from_str(self.get("definition")).ok(),
            fields: self.0.clone(),
            text: self.get("yaml").to_owned(),
            shown: self.get("shown").to_owned(),
        }
    }

    fn name(&self) -> Option<String> {
        Some(self.get("name")).filter(|name| !name.is_empty()).map(str::to_owned)
    }

    fn version(&self) -> Option<u64> {
        self.get("version").parse().ok()
    }

    fn part(&self) -> PartAsked {
        match self.get("part") {
            "fields" => PartAsked::Fields,
            "text" => PartAsked::Text,
            _ => PartAsked::Shape,
        }
    }

    /// What the form says after its fields were read, and how it is drawn next.
    fn build(&self, views: &dyn Views) -> Result<Built, PageError> {
        let sent = self.sent();
        let named = sent.definition.as_ref().map(events_named).unwrap_or_default();
        let seen = views.seen(&named)?;
        let before =
            sent.definition.as_ref().map(|definition| draw(&crate::builder::tree_of(definition), &seen, &[], None));
        let bench = Bench::turn(sent, Wish::read(self.get("do")), &seen);
        let mut built = drawn(views, bench, self.name(), self.version())?;
        built.is_reshaped = match (&before, &built.form) {
            (Some(before), Some(after)) => before.names() != after.names(),
            (before, after) => before.is_some() != after.is_some(),
        };
        Ok(built)
    }
}

fn drawn(views: &dyn Views, bench: Bench, name: Option<String>, version: Option<u64>) -> Result<Built, PageError> {
    let named = bench.definition.as_ref().map(events_named).unwrap_or_default();
    let seen: Seen = views.seen(&named)?;
    let draft = Draft { name: name.clone(), version, yaml: bench.counts().to_owned() };
    let glance = match &bench.hindrance {
        Some(hindrance) => {
            let message = hindrance.clone();
            Err(vec![Problem { path: String::new(), line: None, message }])
        }
        None => views.glance(&draft)?,
    };
    let troubles: Vec<Trouble> = match (&glance, &bench.hindrance) {
        (Err(problems), None) => {
            problems.iter().map(|problem| (problem.path.clone(), problem.message.clone())).collect()
        }
        _ => Vec::new(),
    };
    let form = bench.tree().map(|tree| draw(&tree, &seen, &troubles, bench.new));
    Ok(Built { name, version, bench, form, glance, is_reshaped: false })
}

/// The definition under a name that no segment has yet.
fn named_anew(views: &dyn Views, mut definition: serde_json::Value) -> Result<serde_json::Value, PageError> {
    let free = definition["segment"].as_str().map(|name| Ok(views.seen(&[])?.free_name(name))).transpose()?;
    if let Some(free) = free {
        definition["segment"] = free.into();
    }
    Ok(definition)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct BuildQuery {
    name: Option<String>,
    /// A ready segment from the gallery to begin with.
    from: Option<String>,
    /// What was chosen there: `quiet:45,amount:100`.
    #[serde(flatten)]
    parameters: std::collections::BTreeMap<String, String>,
}

pub(super) async fn build(
    State(pages): State<Pages>,
    visit: super::session::Visit,
    Asked(query): Asked<BuildQuery>,
) -> Response {
    pages
        .show(
            visit,
            Nav::Segments,
            move |views| {
                if let Some(ready) = query.from.as_deref() {
                    let definition = gallery::fill(ready, &query.parameters)
                        .ok_or_else(|| PageError::NotFound(format!("ready segment “{ready}”")))?;
                    return drawn(views, Bench::of(named_anew(views, definition)?), None, None);
                }
                let draft = views.draft(Definition::Segment, query.name.as_deref())?;
                if let (None, Some(definition)) = (&draft.name, Bench::open(&draft.yaml).definition) {
                    return drawn(views, Bench::of(named_anew(views, definition)?), None, None);
                }
                drawn(views, Bench::open(&draft.yaml), draft.name, draft.version)
            },
            |frame, built| BuildPage { frame, built, check: None },
        )
        .await
}

/// The parts of the form that change while one works on it.
pub(super) async fn parts(State(pages): State<Pages>, Posted(visit, form): Posted<BuildForm>) -> Response {
    let part = form.part();
    match pages.ask(move |views| form.build(views)).await {
        Ok(built) => {
            let mut response = html(StatusCode::OK, &Parts { built: &built, part });
            // The count follows by itself, a little later.
            response.headers_mut().insert("hx-trigger", HeaderValue::from_static("built"));
            response
        }
        Err(error) => pages.trouble(visit, Nav::Segments, &error).await,
    }
}

/// What the definition would do, worked out over the past.
pub(super) async fn preview(State(pages): State<Pages>, Posted(visit, form): Posted<BuildForm>) -> Response {
    let asked = pages.ask(move |views| {
        let built = form.build(views)?;
        match built.glance {
            Err(_) => Ok(None),
            Ok(_) => views.check(Definition::Segment, &built.draft()).map(Some),
        }
    });
    match asked.await {
        Ok(check) => html(StatusCode::OK, &EffectPart { check: check.as_ref() }),
        Err(error) => pages.trouble(visit, Nav::Segments, &error).await,
    }
}

/// Any button without JavaScript, and saving with it.
pub(super) async fn press(State(pages): State<Pages>, Posted(visit, form): Posted<BuildForm>) -> Response {
    enum Pressed {
        Saved(String),
        Shown(Box<(Built, Option<Check>)>),
    }
    let asked = pages.ask(move |views| {
        let mut built = form.build(views)?;
        let then = form.get("then");
        if built.bench.hindrance.is_some() || !matches!(then, "save" | "check") {
            return Ok(Pressed::Shown(Box::new((built, None))));
        }
        if then == "check" {
            let check = views.check(Definition::Segment, &built.draft())?;
            return Ok(Pressed::Shown(Box::new((built, Some(check)))));
        }
        Ok(match views.save(Definition::Segment, &built.draft())? {
            Ok(name) => Pressed::Saved(name),
            Err(problems) => {
                built.glance = Err(problems.clone());
                Pressed::Shown(Box::new((built, Some(Err(problems)))))
            }
        })
    });
    match asked.await {
        Ok(Pressed::Saved(name)) => {
            pages.sessions.tell(&visit, Notice::done("Saved. The segment counts from now on.".to_owned()));
            see(&Place::Segment(name))
        }
        Ok(Pressed::Shown(shown)) => {
            let (built, check) = *shown;
            let is_refused = matches!(check, Some(Err(_)));
            let status = if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            match pages.frame(visit.clone(), Nav::Segments).await {
                Ok(frame) => html(status, &BuildPage { frame, built, check }).into_response(),
                Err(error) => pages.trouble(visit, Nav::Segments, &error).await,
            }
        }
        Err(error) => pages.trouble(visit, Nav::Segments, &error).await,
    }
}
