//! `/v1/push`: browsers that a customer lets us notify, told by the shop's own pages.
//!
//! A key in a page is public, so by it only visitors nobody knows yet bring their browsers; for a customer the page shows the
//! token that the shop's server had made. A browser that goes or gets another address proves by its endpoint and its secret
//! which one it is.

use crate::api::openapi::shape;
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, Problem};
use crate::api::tracking::{basic_key, source_of};
use crate::api::{App, Shared};
use crate::notifications::Door;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use channels::web_push::Browser as CheckedBrowser;
use engine::deliver::browsers::{BrowserRefused, Subscriber};
use engine::ingest::check_id;
use engine::profile::browsers::Browser;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most bytes of a body: two subscriptions and what stands around them.
const BODY: usize = 16 << 10;
/// The service worker, with `"$PLACE"` where our address stands.
const WORKER: &str = include_str!("../../assets/push/worker.js");
/// What a page calls to ask for leave.
const PAGE: &str = include_str!("../../assets/push/page.js");

/// The scripts that pages of the shop load.
pub(super) fn scripts() -> Router<Shared> {
    Router::new()
        .route("/v1/push/worker.js", get(|app: State<Shared>| async move { script(&app, WORKER) }))
        .route("/v1/push/page.js", get(|app: State<Shared>| async move { script(&app, PAGE) }))
}

fn script(app: &App, text: &str) -> Response {
    let place = json!(format!("{}/v1/push/", app.public_url)).to_string();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        // Browsers look for a newer worker once a day at least.
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (header::HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, text.replace("\"$PLACE\"", &place)).into_response()
}

/// What stands under `/v1/push`.
pub(super) fn operations() -> Vec<Operation> {
    let known = || {
        json!({
            "type": "object", "required": ["endpoint", "auth"], "additionalProperties": false,
            "properties": {
                "endpoint": { "type": "string", "maxLength": 2048, "description": "As it was registered." },
                "auth": { "type": "string", "maxLength": 64, "description": "Its secret, as it was registered." },
            },
        })
    };
    let subscribed = || {
        json!({
            "type": "object", "required": ["subscribed"],
            "properties": { "subscribed": { "type": "boolean", "description": "Whether the browser is notified from now on." } },
        })
    };
    vec![
        Operation::new(
            Method::GET,
            "/v1/push/key",
            "getPushKey",
            "The key that a page gives to `pushManager.subscribe` as `applicationServerKey`.",
            key,
        )
        .answers(json!({
            "type": "object", "required": ["key"],
            "properties": { "key": { "type": "string", "description": "A point of P-256 in base64url." } },
        }))
        .may_say(&["refused"])
        .open_to_all(),
        Operation::new(
            Method::POST,
            "/v1/push/subscriptions",
            "subscribeBrowser",
            "This browser is to be notified.",
            subscribe,
        )
        .says("For a customer show their token (made at `/v1/in-app/token`). For a visitor whom nobody knows yet show a browser key and send `anonymousId`; once they are known, the browser is theirs. May be repeated at every visit: it counts once. A browser belongs to whoever registered it last. At most ten browsers of one customer are notified, those that came last.")
        .takes_json(json!({
            "type": "object", "required": ["subscription"], "additionalProperties": false,
            "properties": {
                "subscription": shape("PushSubscription"),
                "anonymousId": { "type": ["string", "null"], "maxLength": 256, "description": "Of a visitor, beside a browser key." },
            },
        }))
        .takes_up_to(BODY)
        .answers(subscribed())
        .may_say(&["bad_customer_token", "refused"])
        .secured_by("customerToken")
        .or_by("browserKey"),
        Operation::new(
            Method::POST,
            "/v1/push/subscriptions/renew",
            "renewBrowser",
            "This browser has another endpoint now.",
            renew,
        )
        .says("For the event `pushsubscriptionchange`. Needs no token: the old endpoint and its secret say which browser it was. May be repeated.")
        .takes_json(json!({
            "type": "object", "required": ["old", "subscription"], "additionalProperties": false,
            "properties": { "old": known(), "subscription": shape("PushSubscription") },
        }))
        .takes_up_to(BODY)
        .answers(subscribed())
        .may_say(&["not_found", "refused"])
        .open_to_all(),
        Operation::new(
            Method::POST,
            "/v1/push/subscriptions/remove",
            "unsubscribeBrowser",
            "This browser is not to be notified any more.",
            unsubscribe,
        )
        .says("Needs no token: endpoint and secret say which browser it is. Of one that is not known there is nothing to do.")
        .takes_json(known())
        .takes_up_to(BODY)
        .answers(subscribed())
        .open_to_all(),
    ]
}

fn door(app: &App) -> Result<&Door, Fault> {
    app.push.as_ref().ok_or_else(|| {
        let words = "browsers are not notified here; the configuration needs [messages.push] with send = \"web_push\"";
        Fault::Conflict(words.to_owned())
    })
}

async fn key(State(app): State<Shared>) -> Answer {
    Ok(Json(json!({ "key": door(&app)?.public_key })))
}

/// `PushSubscription.toJSON()`.
#[derive(Deserialize)]
struct Given {
    endpoint: String,
    keys: GivenKeys,
}

#[derive(Deserialize)]
struct GivenKeys {
    p256dh: String,
    auth: String,
}

impl Given {
    /// Checked: an address that may be reached, and keys that are some.
    fn checked(&self, door: &Door, headers: &HeaderMap) -> Result<Browser, Fault> {
        let Given { endpoint, keys: GivenKeys { p256dh, auth } } = self;
        let wrong = |reason: String| Fault::Wrong(format!("subscription: {reason}"));
        if endpoint.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("`endpoint` holds a space or control character".to_owned()));
        }
        CheckedBrowser::read(endpoint, p256dh, auth, &door.reach).map_err(|error| wrong(error.to_string()))?;
        let name = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).and_then(browser_name);
        let unpadded = |text: &str| text.trim_end_matches('=').into();
        Ok(Browser {
            endpoint: endpoint.as_str().into(),
            p256dh: unpadded(p256dh),
            auth: unpadded(auth),
            name: name.map(Into::into),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribing {
    subscription: Given,
    #[serde(rename = "anonymousId")]
    anonymous_id: Option<String>,
}

async fn subscribe(State(app): State<Shared>, headers: HeaderMap, Json(asked): Json<Subscribing>) -> Answer {
    let subscriber = subscriber(&app, &headers, asked.anonymous_id)?;
    let browser = asked.subscription.checked(door(&app)?, &headers)?;
    let taken = app.handle.change_later(1, move |engine, now| engine.subscribe_browser(&subscriber, &browser, now));
    taken.await?.map_err(|refused| Fault::Conflict(refused.to_string()))?;
    Ok(Json(json!({ "subscribed": true })))
}

/// Whose browser it is: by the customer's token, or by a key of the page and the visitor's id.
fn subscriber(app: &Shared, headers: &HeaderMap, anonymous_id: Option<String>) -> Result<Subscriber, Fault> {
    let shown = basic_key(headers);
    let user = shown.as_ref().and_then(|token| app.handle.read().verify_customer_token(token, app.handle.now()));
    if let Some(user) = user {
        return Ok(Subscriber::Customer(user));
    }
    if shown.is_none_or(|key| source_of(app, &key).is_none()) {
        let detail = "show the customer's token (Authorization: Bearer …, made at /v1/in-app/token), or for a visitor a browser key as the user of Basic auth";
        return Err(Problem::new("bad_customer_token", detail).into());
    }
    let missing = || Fault::Wrong("`anonymousId` is missing: a key alone does not say whose browser it is".to_owned());
    let id = anonymous_id.filter(|id| !id.is_empty()).ok_or_else(missing)?;
    check_id(&id).map_err(|reason| Fault::Wrong(format!("`anonymousId`: {reason}")))?;
    Ok(Subscriber::Visitor(id))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    endpoint: String,
    auth: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewing {
    old: Known,
    subscription: Given,
}

async fn renew(State(app): State<Shared>, headers: HeaderMap, Json(asked): Json<Renewing>) -> Answer {
    let browser = asked.subscription.checked(door(&app)?, &headers)?;
    let Known { endpoint, auth } = asked.old;
    let renewed =
        app.handle.change_later(1, move |engine, now| engine.renew_browser(&endpoint, &auth, &browser, now)).await?;
    match renewed {
        Ok(()) => Ok(Json(json!({ "subscribed": true }))),
        Err(BrowserRefused::Unknown) => Err(Fault::NotFound(BrowserRefused::Unknown.to_string())),
        Err(refused) => Err(Fault::Conflict(refused.to_string())),
    }
}

async fn unsubscribe(State(app): State<Shared>, Json(known): Json<Known>) -> Answer {
    let Known { endpoint, auth } = known;
    let done = app.handle.change_later(1, move |engine, now| engine.unsubscribe_browser(&endpoint, &auth, now)).await?;
    // Of one that is not known nothing is told: it is not notified, which is what was asked for.
    let _: Result<(), BrowserRefused> = done;
    Ok(Json(json!({ "subscribed": false })))
}

/// `Chrome on Android` of what a browser says of itself. The order matters: most say that they are others as well.
fn browser_name(user_agent: &str) -> Option<String> {
    let one_of = |names: &[(&str, &'static str)]| {
        names.iter().find(|(sign, _)| user_agent.contains(sign)).map(|(_, name)| *name)
    };
    let browser = one_of(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Vivaldi/", "Vivaldi"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ])?;
    let system = one_of(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    Some(match system {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    })
}

/// The schema of a subscription.
pub(crate) fn subscription_schema() -> Value {
    json!({
        "type": "object", "required": ["endpoint", "keys"],
        "description": "What `PushSubscription.toJSON()` gives.",
        "properties": {
            "endpoint": { "type": "string", "maxLength": 2048, "description": "By https, to a public address." },
            "expirationTime": { "type": ["number", "null"] },
            "keys": {
                "type": "object", "required": ["p256dh", "auth"],
                "properties": {
                    "p256dh": { "type": "string", "maxLength": 100, "description": "65 octets in base64url: a point of P-256." },
                    "auth": { "type": "string", "maxLength": 64, "description": "16 octets in base64url." },
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_as_people_call_it() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
                Some("Chrome on Android"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
                Some("Safari on macOS"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
                Some("Safari on iPhone"),
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", Some("Firefox on Linux")),
            ("curl/8.5.0", None),
        ] {
            assert_eq!(browser_name(agent).as_deref(), name, "{agent}");
        }
    }
}
