//! The builder of segments and campaigns as a page: the definition in words, the same as text, what it would do; of a
//! campaign the way through it as a drawing.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Pages;
use super::campaign::StepLine;
use super::edit::{Check, Definition, Draft, Inside, Problem};
use super::flow::Flow;
use super::frame::{Frame, Nav};
use super::guard::{Asked, Posted, Signed};
use super::links::Place;
use super::routes::{html, see};
use super::session::Notice;
use super::text::Count;
use super::views::{PageError, Views};
use crate::builder::form::{Form, Trouble, draw, events_named};
use crate::builder::{Bench, Seen, Sent, Subject, Wish};
use crate::gallery;

/// A definition at a glance.
#[derive(Debug, Clone, Default)]
pub struct Glanced {
    /// What it says, in one sentence.
    pub sentence: String,
    /// Of a campaign: its steps, with those who stand there now.
    pub steps: Vec<StepLine>,
    /// Of a campaign: who ever entered.
    pub entered: Count,
}

/// A definition at a glance, or what is wrong with it.
pub type Glance = Result<Glanced, Vec<Problem>>;

/// Everything that the page and its parts show.
pub(super) struct Built {
    kind: Definition,
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

/// The way through a campaign.
#[derive(Template)]
#[template(path = "builder/drawn.html")]
struct DrawnPart<'a> {
    built: &'a Built,
    flow: Option<Flow>,
    oob: &'static str,
}

/// A button that says what becomes of those inside.
#[derive(Template)]
#[template(path = "builder/inside.html")]
struct InsideButton {
    root: u32,
    word: &'static str,
    says: &'static str,
    is_chosen: bool,
}

/// How many it would mean, and who; what is wrong is said beside the form.
#[derive(Template)]
#[template(path = "builder/effect.html")]
struct EffectPart<'a> {
    check: Option<&'a Check>,
    /// The number of the definition in the form.
    root: u32,
}

impl EffectPart<'_> {
    fn inside(&self, inside: &Inside) -> [InsideButton; 2] {
        let root = self.root;
        [("finish", "finish the steps they began with"), ("move", "go on with the new steps")]
            .map(|(word, says)| InsideButton { root, word, says, is_chosen: inside.moves == (word == "move") })
    }
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
impl askama::filters::HtmlSafe for DrawnPart<'_> {}
impl askama::filters::HtmlSafe for InsideButton {}

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

    /// Only what happens in an order has a way through it.
    fn is_drawn(&self) -> bool {
        self.kind == Definition::Campaign
    }

    /// Draws the way, each box leading to its step in the list.
    fn drawn_part(&self, oob: &'static str) -> DrawnPart<'_> {
        let flow = self.glance.as_ref().ok().and_then(|glanced| {
            let places = self.form.as_ref().map(Form::steps).unwrap_or_default();
            let mut places = places.into_iter();
            let opens = |line: &StepLine| (!line.step.is_empty()).then(|| places.next()).flatten();
            let opens: Vec<String> = glanced
                .steps
                .iter()
                .map(opens)
                .map(|place| place.map_or(String::new(), |id| format!("#n-{id}")))
                .collect();
            Flow::leading(&glanced.steps, glanced.entered, &opens)
        });
        DrawnPart { built: self, flow, oob }
    }

    /// The number of the definition in the form.
    fn root(&self) -> u32 {
        self.bench.tree().map_or(0, |tree| crate::builder::root_of(&tree))
    }

    fn draft(&self) -> Draft {
        Draft { name: self.name.clone(), version: self.version, yaml: self.bench.counts().to_owned() }
    }
}

impl BuildPage {
    fn back(&self) -> Place {
        let kind = self.built.kind;
        self.built.name.as_deref().map_or_else(|| kind.list(), |name| kind.place(name))
    }

    fn gallery(&self) -> Place {
        if self.built.is_drawn() { Place::Plays } else { Place::Gallery }
    }

    fn effect(&self) -> EffectPart<'_> {
        EffectPart { check: self.check.as_ref(), root: self.built.root() }
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

    fn kind(&self) -> Definition {
        if self.get("kind") == Definition::Campaign.word() { Definition::Campaign } else { Definition::Segment }
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
        let bench = Bench::turn(subject(self.kind()), sent, Wish::read(self.get("do")), &seen);
        let mut built = drawn(views, self.kind(), bench, self.name(), self.version())?;
        built.is_reshaped = match (&before, &built.form) {
            (Some(before), Some(after)) => before.names() != after.names(),
            (before, after) => before.is_some() != after.is_some(),
        };
        Ok(built)
    }
}

/// What is wrong, where the form can say it: beside the field nobody asks which definition it is about, and what is wrong
/// with another definition of the text is said above all.
fn beside_its_field(kind: Definition, problem: &Problem) -> Trouble {
    let (path, message) = (problem.path.clone(), problem.message.clone());
    let Some((definition, rest)) = message.split_once("`: ") else { return (path, message) };
    let is_own = definition.strip_prefix(kind.word()).is_some_and(|rest| rest.starts_with(" `"));
    let names_one = definition.split_once(" `").is_some_and(|(kind, _)| kind.chars().all(|c| c.is_ascii_lowercase()));
    match (is_own, names_one) {
        (true, _) => (path, rest.to_owned()),
        (false, true) => (String::new(), message),
        (false, false) => (path, message),
    }
}

fn subject(kind: Definition) -> Subject {
    if kind == Definition::Campaign { Subject::Campaign } else { Subject::Segment }
}

fn nav(kind: Definition) -> Nav {
    if kind == Definition::Campaign { Nav::Campaigns } else { Nav::Segments }
}

fn drawn(
    views: &dyn Views,
    kind: Definition,
    bench: Bench,
    name: Option<String>,
    version: Option<u64>,
) -> Result<Built, PageError> {
    let named = bench.definition.as_ref().map(events_named).unwrap_or_default();
    let seen: Seen = views.seen(&named)?;
    let draft = Draft { name: name.clone(), version, yaml: bench.counts().to_owned() };
    let glance = match &bench.hindrance {
        Some(hindrance) => {
            let message = hindrance.clone();
            Err(vec![Problem { path: String::new(), line: None, message }])
        }
        None => views.glance(kind, &draft)?,
    };
    let troubles: Vec<Trouble> = match (&glance, &bench.hindrance) {
        (Err(problems), None) => problems.iter().map(|problem| beside_its_field(kind, problem)).collect(),
        _ => Vec::new(),
    };
    let form = bench.tree().map(|tree| draw(&tree, &seen, &troubles, bench.new));
    Ok(Built { kind, name, version, bench, form, glance, is_reshaped: false })
}

/// The definition under a name that nothing of its kind has yet.
fn named_anew(
    views: &dyn Views,
    kind: Definition,
    mut definition: serde_json::Value,
) -> Result<serde_json::Value, PageError> {
    let one = match &mut definition {
        serde_json::Value::Array(several) => several.iter_mut().find(|one| one.get(kind.word()).is_some()),
        one => Some(one),
    };
    if let Some(name) = one.and_then(|one| one.get_mut(kind.word()))
        && let Some(written) = name.as_str()
    {
        *name = views.seen(&[])?.free_name(subject(kind), written).into();
    }
    Ok(definition)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct BuildQuery {
    name: Option<String>,
    /// A ready one from the gallery to begin with.
    from: Option<String>,
    /// One that there is, to begin with a copy of it.
    copy: Option<String>,
    /// What was chosen in the gallery: `quiet:45,amount:100`.
    #[serde(flatten)]
    parameters: std::collections::BTreeMap<String, String>,
}

pub(super) async fn segment(state: State<Pages>, visit: super::session::Visit, asked: Asked<BuildQuery>) -> Response {
    build(Definition::Segment, state, visit, asked).await
}

pub(super) async fn campaign(state: State<Pages>, visit: super::session::Visit, asked: Asked<BuildQuery>) -> Response {
    build(Definition::Campaign, state, visit, asked).await
}

async fn build(
    kind: Definition,
    State(pages): State<Pages>,
    visit: super::session::Visit,
    Asked(query): Asked<BuildQuery>,
) -> Response {
    let begin = move |views: &dyn Views| {
        let draft = match (query.from.as_deref(), query.copy.as_deref()) {
            (Some(ready), _) if kind == Definition::Segment => {
                let definition = gallery::fill(ready, &query.parameters)
                    .ok_or_else(|| PageError::NotFound(format!("ready segment “{ready}”")))?;
                return drawn(views, kind, Bench::of(named_anew(views, kind, definition)?), None, None);
            }
            (Some(ready), _) => views.play(ready, &query.parameters)?,
            (None, Some(original)) => views.copy(kind, original)?,
            (None, None) => views.draft(kind, query.name.as_deref())?,
        };
        let bench = Bench::open(subject(kind), &draft.yaml);
        // A ready campaign keeps its words and comments; only an example is not to take a name that is taken.
        let is_example = draft.name.is_none() && query.from.is_none() && query.copy.is_none();
        match bench.definition {
            Some(definition) if is_example => {
                drawn(views, kind, Bench::of(named_anew(views, kind, definition)?), None, None)
            }
            _ => drawn(views, kind, bench, draft.name, draft.version),
        }
    };
    pages.show(visit, nav(kind), begin, |frame, built| BuildPage { frame, built, check: None }).await
}

/// The parts of the form that change while one works on it.
pub(super) async fn parts(State(pages): State<Pages>, Posted(visit, form): Posted<BuildForm>) -> Response {
    let (part, kind) = (form.part(), form.kind());
    match pages.ask(move |views| form.build(views)).await {
        Ok(built) => {
            let mut response = html(StatusCode::OK, &Parts { built: &built, part });
            // The count follows by itself, a little later.
            response.headers_mut().insert("hx-trigger", HeaderValue::from_static("built"));
            response
        }
        Err(error) => pages.trouble(visit, nav(kind), &error).await,
    }
}

/// What the definition would do, worked out over the past.
pub(super) async fn effect(State(pages): State<Pages>, Posted(visit, form): Posted<BuildForm>) -> Response {
    let kind = form.kind();
    let asked = pages.ask(move |views| {
        let built = form.build(views)?;
        let check = match built.glance {
            Err(_) => None,
            Ok(_) => Some(views.check(kind, &built.draft())?),
        };
        Ok((check, built.root()))
    });
    match asked.await {
        Ok((check, root)) => html(StatusCode::OK, &EffectPart { check: check.as_ref(), root }),
        Err(error) => pages.trouble(visit, nav(kind), &error).await,
    }
}

/// Any button without JavaScript, and saving with it.
pub(super) async fn press(State(pages): State<Pages>, Posted(visit, form): Posted<BuildForm>) -> Response {
    enum Pressed {
        Saved(String),
        Shown(Box<(Built, Option<Check>)>),
    }
    let kind = form.kind();
    let asked = pages.ask(move |views| {
        let mut built = form.build(views)?;
        let then = form.get("then");
        if built.bench.hindrance.is_some() || !matches!(then, "save" | "check") {
            return Ok(Pressed::Shown(Box::new((built, None))));
        }
        if then == "check" {
            let check = views.check(kind, &built.draft())?;
            return Ok(Pressed::Shown(Box::new((built, Some(check)))));
        }
        Ok(match views.save(kind, &built.draft())? {
            Ok(name) => Pressed::Saved(name),
            Err(problems) => {
                built.glance = Err(problems.clone());
                Pressed::Shown(Box::new((built, Some(Err(problems)))))
            }
        })
    });
    match asked.await {
        Ok(Pressed::Saved(name)) => {
            pages.sessions.tell(&visit, Notice::done(format!("Saved. The {} counts from now on.", kind.word())));
            see(&kind.place(&name))
        }
        Ok(Pressed::Shown(shown)) => {
            let (built, check) = *shown;
            let is_refused = matches!(check, Some(Err(_)));
            let status = if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            match pages.frame(visit.clone(), nav(kind)).await {
                Ok(frame) => html(status, &BuildPage { frame, built, check }).into_response(),
                Err(error) => pages.trouble(visit, nav(kind), &error).await,
            }
        }
        Err(error) => pages.trouble(visit, nav(kind), &error).await,
    }
}
