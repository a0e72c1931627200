//! `/api/render`: a template as somebody would read it. Sends nothing.

use crate::api::Shared;
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, ask};
use axum::Json;
use axum::extract::State;
use axum::http::Method;
use domain::definition::{TEXT_LIMIT, read_text};
use domain::{Definition, Name, Template};
use engine::write::{Source, WriteError};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What stands under `/api/render`.
pub(super) fn operations() -> Vec<Operation> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let maybe = json!({ "type": ["string", "null"] });
    vec![
        Operation::new(
            Method::POST,
            "/api/render",
            "renderTemplate",
            "A template, or a piece of Liquid, as somebody would read it. Sends nothing.",
            render,
        )
        .takes_json(json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "template": text("The name of a template."),
                "definition": text("A template's definition, as YAML or JSON, in the place of a name."),
                "liquid": text("Liquid alone, in the place of a name; it becomes plain text."),
                "variant": text("Which variant of the template."),
                "customer": text("Whose traits stand as `customer`."),
                "data": { "type": "object", "description": "What first words such as `event` mean; `customer` here goes before the traits." },
            },
        }))
        .takes_up_to(TEXT_LIMIT)
        .answers(json!({
            "type": "object", "required": ["subject", "text", "html", "url", "icon", "missing", "links", "held"],
            "properties": {
                "subject": maybe, "text": { "type": "string" }, "html": maybe,
                "url": { "type": ["string", "null"], "description": "Of a notification: where a click leads." },
                "icon": { "type": ["string", "null"], "description": "Of a notification: the address of the picture beside it." },
                "missing": { "type": "array", "items": { "type": "string" }, "description": "Values that are printed and not there." },
                "links": { "type": "array", "items": { "type": "string" }, "description": "Where its links lead, each once." },
                "held": { "type": ["string", "null"], "description": "Why a message would be held; null: it would go." },
            },
        }))
        .may_say(&["definition", "not_found"]),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    template: Option<String>,
    definition: Option<String>,
    liquid: Option<String>,
    variant: Option<String>,
    customer: Option<String>,
    #[serde(default)]
    data: Map<String, Value>,
}

async fn render(State(app): State<Shared>, Json(asked): Json<Asked>) -> Answer {
    ask(&app, move |app| {
        let engine = app.handle.read();
        let defined = asked.definition.as_deref().map(one_template).transpose()?;
        let source = match (&asked.template, &defined, &asked.liquid) {
            (Some(name), None, None) => {
                let known = Name::parse(name).ok().and_then(|name| engine.definitions().templates.get(&name));
                let template = known.ok_or_else(|| Fault::NotFound(format!("there is no template `{name}`")))?;
                Source::Template(template, asked.variant.as_deref())
            }
            (None, Some(template), None) => Source::Template(template, asked.variant.as_deref()),
            (None, None, Some(text)) => Source::Liquid(text),
            _ => return Err(Fault::Wrong("send one of `template`, `definition` and `liquid`".to_owned())),
        };
        let customer = asked.customer.as_deref().map(|id| engine.look_up(id)).transpose()?;
        told(engine.show(source, customer, asked.data.clone()))
    })
    .await
}

/// The only template of some definitions.
pub fn one_template(text: &str) -> Result<Template, Fault> {
    let mut found = read_text(text, "the request")?.into_iter().filter_map(|one| match one.definition {
        Definition::Template(template) => Some(*template),
        _ => None,
    });
    match (found.next(), found.next()) {
        (Some(template), None) => Ok(template),
        (None, _) => Err(Fault::Wrong("there is no template among these definitions".to_owned())),
        (Some(_), Some(_)) => Err(Fault::Wrong("there are several templates; send one".to_owned())),
    }
}

/// What is shown as JSON, with why it would be held.
pub fn told(shown: Result<engine::write::Shown, WriteError>) -> Result<Value, Fault> {
    let (shown, held) = match shown {
        Ok(shown) => {
            let held = shown.missing.first().map(|path| format!("{path} is missing"));
            (shown, held)
        }
        Err(WriteError::Broken { message }) => return Err(Fault::Wrong(format!("the template is broken: {message}"))),
        Err(error) => (engine::write::Shown::default(), Some(error.to_string())),
    };
    let mut value = serde_json::to_value(shown).map_err(|error| Fault::Broken(error.to_string()))?;
    value["held"] = json!(held);
    Ok(value)
}
