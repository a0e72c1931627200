//! `/v1/in-app`: messages in the shop's own pages and apps, asked for by the customer's device.
//!
//! A key in a page is public, so it opens nothing here: a device shows a token that the shop's server had made for its
//! customer, and sees and answers that customer's messages alone.

use crate::api::openapi::shape;
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, Problem, ask, ask_for};
use crate::api::tracking::{basic_key, source_of};
use crate::api::{App, Shared};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use domain::{CustomerId, MessageId, Span, Trust};
use engine::deliver::in_app::{TOKEN_LIFE, ToShow};
use engine::profile::in_app::Answer as Did;
use serde::Deserialize;
use serde_json::{Value, json};

/// How long a token is good where nothing is said.
const USUAL_LIFE: Span = Span::days(1);
/// Longest address of a link that is noted with a click.
const URL: usize = 2_000;

/// What stands under `/v1/in-app`.
pub(super) fn operations() -> Vec<Operation> {
    let answered = || {
        json!({
            "type": "object", "required": ["message", "answer"],
            "properties": { "message": { "type": "string" }, "answer": { "enum": Did::ALL.map(Did::word) } },
        })
    };
    vec![
        Operation::new(
            Method::POST,
            "/v1/in-app/token",
            "createCustomerToken",
            "A token with which one customer's device fetches its messages.",
            token,
        )
        .says("Call it from your server, with a server key, when your customer is logged in there, and hand the token to their page or app. A browser key cannot have one made.")
        .takes_json(json!({
            "type": "object", "required": ["userId"], "additionalProperties": false,
            "properties": {
                "userId": { "type": "string", "minLength": 1, "description": "Whose device it is." },
                "expires_in": { "type": "string", "description": "How long it is good, as 24h or 7d; a day where nothing is said, 30 days at most." },
            },
        }))
        .answers(json!({
            "type": "object", "required": ["token", "expires"],
            "properties": { "token": { "type": "string" }, "expires": { "type": "string", "format": "date-time" } },
        }))
        .may_say(&["bad_key"])
        .secured_by("serverKey"),
        Operation::new(
            Method::GET,
            "/v1/in-app/messages",
            "listInAppMessages",
            "The customer's messages that are to be shown now, the latest first; at most twenty.",
            messages,
        )
        .says("A message is there until it is dismissed or no longer of use. Looking changes nothing: say `shown` when it was on the screen.")
        .answers(json!({
            "type": "object", "required": ["messages"],
            "properties": { "messages": { "type": "array", "items": shape("InAppMessage") } },
        }))
        .may_say(&["bad_customer_token"])
        .secured_by("customerToken"),
        Operation::new(
            Method::POST,
            "/v1/in-app/messages/{id}/shown",
            "showInAppMessage",
            "The message was on the screen.",
            shown,
        )
        .says("May be repeated until it is answered; it counts once.")
        .answers(answered())
        .may_say(&["bad_customer_token", "not_found"])
        .secured_by("customerToken"),
        Operation::new(
            Method::POST,
            "/v1/in-app/messages/{id}/clicked",
            "clickInAppMessage",
            "The message was followed.",
            clicked,
        )
        .says("May be repeated until it is answered; it counts once.")
        .takes_json(json!({
            "type": "object", "additionalProperties": false,
            "properties": { "url": { "type": ["string", "null"], "maxLength": URL, "description": "Where to: http or https." } },
        }))
        .answers(answered())
        .may_say(&["bad_customer_token", "not_found"])
        .secured_by("customerToken"),
        Operation::new(
            Method::POST,
            "/v1/in-app/messages/{id}/dismissed",
            "dismissInAppMessage",
            "The message was put away, and is not shown again.",
            dismissed,
        )
        .says("May be repeated until it is answered; it counts once.")
        .answers(answered())
        .may_say(&["bad_customer_token", "not_found"])
        .secured_by("customerToken"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenAsked {
    #[serde(rename = "userId")]
    user_id: String,
    expires_in: Option<String>,
}

async fn token(State(app): State<Shared>, headers: HeaderMap, Json(asked): Json<TokenAsked>) -> Answer {
    let source = basic_key(&headers).and_then(|key| source_of(&app, &key));
    if source.is_none_or(|source| source.trust != Trust::Server) {
        let detail =
            "show a server key (sk_…) as the user of Basic auth; whoever holds a token reads that customer's messages";
        return Err(Problem::new("bad_key", detail).into());
    }
    let life = match &asked.expires_in {
        None => USUAL_LIFE,
        Some(text) => Span::parse(text).map_err(Fault::Wrong)?,
    };
    if life.0 <= 0 || life > TOKEN_LIFE {
        return Err(Fault::Wrong("`expires_in` must be more than nothing and at most 30d".to_owned()));
    }
    if asked.user_id.is_empty() {
        return Err(Fault::Wrong("`userId` is empty".to_owned()));
    }
    let until = app.handle.now().plus(life);
    let token = app.handle.read().customer_token(&asked.user_id, until);
    let token = token.map_err(|reason| Fault::Wrong(reason.to_owned()))?;
    Ok(Json(json!({ "token": token, "expires": until.to_string() })))
}

/// Whose device it is; none: nobody has been heard of under that userId yet. The error: it does not say so as it must.
fn customer(app: &App, headers: &HeaderMap) -> Result<Option<CustomerId>, Fault> {
    let engine = app.handle.read();
    let user = basic_key(headers).and_then(|token| engine.verify_customer_token(&token, app.handle.now()));
    let Some(user) = user else {
        let detail = "show the customer's token: Authorization: Bearer …; your server has it made at /v1/in-app/token";
        return Err(Problem::new("bad_customer_token", detail).into());
    };
    Ok(engine.who_is_user(&user))
}

async fn messages(State(app): State<Shared>, headers: HeaderMap) -> Answer {
    ask(&app, move |app| {
        let Some(person) = customer(app, &headers)? else { return Ok(json!({ "messages": [] })) };
        let reader = app.handle.reader()?;
        let found = app.handle.read().in_app(&*reader, person, app.handle.now())?;
        Ok(json!({ "messages": found.iter().map(shown_message).collect::<Vec<_>>() }))
    })
    .await
}

fn shown_message(found: &ToShow) -> Value {
    let written = found.message.written.as_ref();
    json!({
        "id": found.message.id,
        "title": written.map(|written| &written.subject),
        "text": written.map(|written| &written.text),
        "html": written.and_then(|written| written.html.as_ref()),
        "campaign": found.message.campaign,
        "sent_at": found.at.to_string(),
        "until": found.until.to_string(),
        "shown": found.was_shown,
        "clicked": found.was_clicked,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Followed {
    url: Option<String>,
}

async fn shown(State(app): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    did(&app, &headers, id, Did::Shown, None).await
}

async fn dismissed(State(app): State<Shared>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    did(&app, &headers, id, Did::Dismissed, None).await
}

async fn clicked(
    State(app): State<Shared>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(followed): Json<Followed>,
) -> Answer {
    if followed.url.as_ref().is_some_and(|url| {
        url.len() > URL
            || !(url.starts_with("https://") || url.starts_with("http://"))
            || url.chars().any(char::is_control)
    }) {
        return Err(Fault::Wrong(format!("`url` is an address by http or https of at most {URL} characters")));
    }
    did(&app, &headers, id, Did::Clicked, followed.url).await
}

async fn did(app: &Shared, headers: &HeaderMap, id: String, answer: Did, url: Option<String>) -> Answer {
    let (headers, answered) = (headers.clone(), json!({ "message": id, "answer": answer.word() }));
    let message = ask_for(app, move |app| {
        let missing = || Fault::NotFound(format!("there is no message `{id}` for this customer"));
        let person = customer(app, &headers)?.ok_or_else(missing)?;
        let engine = app.handle.read();
        if !engine.has_in_app(person, &id) {
            return Err(missing());
        }
        let reader = app.handle.reader()?;
        engine.find_message(&*reader, &MessageId(id.as_str().into()))?.ok_or_else(missing)
    })
    .await?;
    app.handle.change_later(1, move |engine, now| engine.answer_in_app(&message, answer, url.as_deref(), now)).await?;
    Ok(Json(answered))
}
