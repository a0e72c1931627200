//! Where links in messages lead: unsubscribe, preferences, click, view in the browser. No login; the link is signed.
//!
//! GET never changes anything: scanners of mail follow links. The one exception is the picture by which an open is told, where
//! opens are counted: fetching it is all that a mail program does, and whether it was a person is judged.

use crate::api::{Shared, not_done};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use domain::message::{Channel, Message};
use domain::workspace::marketing;
use domain::{MessageId, Name, Timestamp};
use engine::deliver::confirm::Confirming;
use engine::deliver::preferences::{Frequency, Wishes};
use engine::ingest::machine::Asked;

#[derive(Template, Default)]
#[template(path = "letter.html")]
struct LetterPage {
    /// The shop's name: customers do not know ours. Empty: nobody can say.
    shop: String,
    title: String,
    lines: Vec<String>,
    button: Option<(String, String)>,
    /// Where else they may go, and its words.
    link: Option<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "preferences.html")]
struct PreferencesPage {
    shop: String,
    sender: String,
    address: String,
    action: String,
    /// Name, words, whether it is wanted now.
    purposes: Vec<(String, String, bool)>,
    /// Word, words, whether it is theirs now.
    frequencies: Vec<(&'static str, &'static str, bool)>,
    /// Tag, whether it is theirs now.
    languages: Vec<(String, bool)>,
}

#[derive(Template)]
#[template(path = "leaving.html")]
struct LeavingPage {
    url: String,
    host: String,
    count: String,
}

/// Tells us that a person followed a link, then goes on. A scanner does not run it.
const CLICK_JS: &str = "const s=document.currentScript;const go=()=>location.replace(s.dataset.url);\
navigator.sendBeacon?(navigator.sendBeacon(s.dataset.count),go()):(fetch(s.dataset.count,{method:'POST',keepalive:true}),setTimeout(go,200));";

/// One transparent pixel.
const PICTURE: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

/// The routes of links in messages.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/u/{token}", get(unsubscribe_page).post(unsubscribe))
        .route("/p/{token}", get(preferences_page).post(preferences))
        .route("/y/{token}", get(confirm_page).post(confirm))
        .route("/c/click.js", get(click_script))
        .route("/c/{token}", get(leaving).post(clicked))
        .route("/o/{token}", get(picture))
        .route("/v/{token}", get(view))
}

async fn click_script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "public, max-age=86400")], CLICK_JS)
        .into_response()
}

/// A message by the id that a signed link carried; none of somebody who was erased, whose mails may lie about for years.
fn message_of(app: &Shared, id: Option<MessageId>) -> Option<Message> {
    let id = id?;
    let found = app.handle.with_reader(|reader| app.handle.read().find_message(reader, &id));
    let found = found.inspect_err(|error| tracing::error!("a message could not be read: {error}")).ok().flatten()?;
    app.handle.read().is_somebodys(&found).then_some(found)
}

async fn find(app: &Shared, id: Option<MessageId>) -> Option<Message> {
    let app = app.clone();
    tokio::task::spawn_blocking(move || message_of(&app, id)).await.ok().flatten()
}

async fn unsubscribe_page(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let id = app.handle.read().signer().verify_unsubscribe(&token);
    match find(&app, id).await {
        None => unknown_link(),
        Some(message) if !app.handle.read().is_subscribed(&message) => already(&app, &message),
        Some(message) => page(LetterPage {
            shop: shop(&app),
            title: "No more of these messages?".to_owned(),
            lines: vec![format!(
                "One press, and {} will not write to you about offers and news {} again. Messages about your orders still come.",
                sender(&app),
                by(message.channel)
            )],
            button: Some((format!("/u/{token}"), "Unsubscribe".to_owned())),
            link: Some((to_preferences(&app, &message), "Or choose what you get, and how often")),
        }),
    }
}

/// How a message came, in words.
fn by(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "by e-mail",
        Channel::Sms => "by text message",
        Channel::Push => "by notification",
        Channel::Webhook | Channel::InApp => "this way",
    }
}

fn to_preferences(app: &Shared, message: &Message) -> String {
    format!("/p/{}", app.handle.read().signer().preferences_token(&message.id))
}

fn already(app: &Shared, message: &Message) -> Response {
    page(LetterPage {
        shop: shop(app),
        title: "You are unsubscribed".to_owned(),
        lines: vec![format!(
            "{} does not write to you about offers and news {} any more.",
            sender(app),
            by(message.channel)
        )],
        link: Some((to_preferences(app, message), "Changed your mind? Choose what you get, and how often")),
        ..LetterPage::default()
    })
}

/// One-click by the mail program (RFC 8058) or the button of our page: the same.
async fn unsubscribe(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let id = app.handle.read().signer().verify_unsubscribe(&token);
    let Some(message) = find(&app, id).await else { return unknown_link() };
    let theirs = message.clone();
    match app.handle.change_later(1, move |engine, now| engine.unsubscribe(&message, now)).await {
        Ok(()) => already(&app, &theirs),
        Err(error) => not_done(&error),
    }
}

/// The message and purpose of a link that confirms, if we signed it.
async fn to_confirm(app: &Shared, token: &str) -> Option<(Message, Name)> {
    let (id, purpose) = app.handle.read().signer().verify_confirm(token)?;
    Some((find(app, Some(id)).await?, purpose))
}

async fn confirm_page(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let Some((message, purpose)) = to_confirm(&app, &token).await else { return unknown_link() };
    let confirming = app.handle.read().confirming(&message, &purpose);
    if confirming != Confirming::Waits {
        return confirmed(&app, confirming, &purpose);
    }
    let address = message.written.as_ref().map(|written| masked(&written.to)).unwrap_or_default();
    page(LetterPage {
        shop: shop(&app),
        title: "Was it you?".to_owned(),
        lines: vec![
            format!("Somebody gave {address} to {} for: {}.", sender(&app), purpose_words(&purpose)),
            "One press, and they will write to you. If it was not you, do nothing: nobody will.".to_owned(),
        ],
        button: Some((format!("/y/{token}"), "Yes, write to me".to_owned())),
        ..LetterPage::default()
    })
}

async fn confirm(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let Some((message, purpose)) = to_confirm(&app, &token).await else { return unknown_link() };
    let asked = purpose.clone();
    match app.handle.change_later(1, move |engine, now| engine.confirm(&message, &asked, now)).await {
        Ok(Confirming::Waits) => confirmed(&app, Confirming::Granted, &purpose),
        Ok(other) => confirmed(&app, other, &purpose),
        Err(error) => not_done(&error),
    }
}

fn confirmed(app: &Shared, confirming: Confirming, purpose: &Name) -> Response {
    let (title, line) = match confirming {
        Confirming::Granted | Confirming::Waits => (
            "Thank you",
            format!(
                "{} may write to you about: {}. Each message has a link to stop that.",
                sender(app),
                purpose_words(purpose)
            ),
        ),
        Confirming::TooLate => (
            "This link has run out",
            "Nothing was changed. If you still want to hear from the shop, sign up once more.".to_owned(),
        ),
        Confirming::OtherAddress => (
            "This link belongs to another address",
            "Your address has changed since. If you want to hear from the shop, sign up with the present one."
                .to_owned(),
        ),
    };
    page(LetterPage { shop: shop(app), title: title.to_owned(), lines: vec![line], ..LetterPage::default() })
}

async fn preferences_page(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let id = app.handle.read().signer().verify_preferences(&token);
    let Some(message) = find(&app, id).await else { return unknown_link() };
    let address = message.written.as_ref().map(|written| masked(&written.to)).unwrap_or_default();
    let preferences = app.handle.read().preferences(&message);
    let languages = preferences.locales.iter().map(|tag| (tag.clone(), preferences.locale.as_ref() == Some(tag)));
    let purposes =
        preferences.purposes.iter().map(|(name, granted)| (name.as_str().to_owned(), purpose_words(name), *granted));
    under_policy(PreferencesPage {
        shop: shop(&app),
        sender: sender(&app),
        address,
        action: format!("/p/{token}"),
        purposes: purposes.collect(),
        frequencies: frequencies(preferences.frequency),
        languages: languages.collect(),
    })
}

fn frequencies(theirs: Option<Frequency>) -> Vec<(&'static str, &'static str, bool)> {
    let words = |frequency: Frequency| match frequency {
        Frequency::Weekly => "at most once a week",
        Frequency::Monthly => "at most once a month",
    };
    let any = ("", "as often as there is something", theirs.is_none());
    let each = Frequency::ALL.map(|frequency| (frequency.word(), words(frequency), theirs == Some(frequency)));
    [any].into_iter().chain(each).collect()
}

fn purpose_words(name: &Name) -> String {
    if *name == marketing() { "Offers and news".to_owned() } else { plain(name.as_str()) }
}

/// A name as words: `new-teas` reads "New teas".
fn plain(name: &str) -> String {
    let words = name.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Fields: `save`, `purpose.NAME` for each purpose that is wanted, `frequency`, `locale`. A purpose that is not among them is not
/// wanted; the others stay as they are.
async fn preferences(
    State(app): State<Shared>,
    Path(token): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let id = app.handle.read().signer().verify_preferences(&token);
    let Some(message) = find(&app, id).await else { return unknown_link() };
    if !fields.iter().any(|(key, _)| key == "save") {
        return (StatusCode::BAD_REQUEST, "the form was not filled in; nothing was changed\n").into_response();
    }
    let wanted = fields.iter().filter_map(|(key, _)| Name::parse(key.strip_prefix("purpose.")?).ok());
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let frequency = match field("frequency").as_deref() {
        Some("") => Some(None),
        // A word that we do not know changes nothing, as no word does.
        word => word.and_then(Frequency::find).map(Some),
    };
    let wishes = Wishes { purposes: wanted.collect(), frequency, locale: field("locale") };
    let done = app.handle.change_later(1, move |engine, now| engine.set_preferences(&message, &wishes, now)).await;
    match done {
        Ok(()) => page(LetterPage {
            shop: shop(&app),
            title: "Noted".to_owned(),
            lines: vec![format!(
                "{} writes to you as you said. You can change it again with the same link.",
                sender(&app)
            )],
            ..LetterPage::default()
        }),
        Err(error) => not_done(&error),
    }
}

async fn leaving(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let target = app.handle.read().signer().verify_click(&token);
    let Some((_, url)) = target.filter(|(_, url)| url.starts_with("https://") || url.starts_with("http://")) else {
        return unknown_link();
    };
    let host = url.split('/').nth(2).unwrap_or("the page").to_owned();
    let html = LeavingPage { url, host, count: format!("/c/{token}") }.render();
    let mut response = html_or_trouble(html);
    let policy = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

async fn clicked(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let target = app.handle.read().signer().verify_click(&token);
    let Some((id, url)) = target else { return unknown_link() };
    let at = app.handle.now();
    app.followed.note(&id, &url, at);
    // Goes on when the reader's browser has gone on and hangs up.
    let counted = tokio::spawn(async move {
        let Some(message) = find(&app, Some(id.clone())).await else { return unknown_link() };
        tokio::time::sleep(app.followed.patience()).await;
        let asked = Asked { company: app.followed.company(&id, &url, at), ..asked(&headers, at) };
        match app.handle.change_later(1, move |engine, now| engine.clicked(&message, &url, &asked, now)).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => not_done(&error),
        }
    });
    counted.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// What a request tells of who makes it.
fn asked(headers: &HeaderMap, at: Timestamp) -> Asked {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let purposes = ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().filter_map(text);
    Asked {
        at,
        user_agent: text("user-agent").unwrap_or_default(),
        ahead: purposes.into_iter().any(|purpose| ["prefetch", "preview"].iter().any(|ahead| purpose.contains(ahead))),
        ..Asked::default()
    }
}

/// The picture by which an open is told. Asked for without being fetched (HEAD), nothing was opened.
async fn picture(State(app): State<Shared>, Path(token): Path<String>, method: Method, headers: HeaderMap) -> Response {
    let token = token.strip_suffix(".gif").unwrap_or(&token);
    let id = app.handle.read().signer().verify_open(token);
    let Some(message) = find(&app, id).await else { return unknown_link() };
    if method == Method::GET && app.handle.read().options().counts_opens {
        let asked = asked(&headers, app.handle.now());
        if let Err(error) = app.handle.change_later(1, move |engine, now| engine.opened(&message, &asked, now)).await {
            return not_done(&error);
        }
    }
    let mut response = ([(header::CONTENT_TYPE, "image/gif")], PICTURE).into_response();
    secure(&mut response);
    response
}

async fn view(State(app): State<Shared>, Path(token): Path<String>) -> Response {
    let id = app.handle.read().signer().verify_view(&token);
    let Some(written) = find(&app, id).await.and_then(|message| message.written) else { return unknown_link() };
    let body = written
        .html
        .clone()
        .unwrap_or_else(|| format!("<pre>{}</pre>", written.text.replace('&', "&amp;").replace('<', "&lt;")));
    let mut response = Html(body).into_response();
    let policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; frame-ancestors 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    secure(&mut response);
    response
}

/// The shop's name where customers may read it; empty: it did not say.
fn shop(app: &Shared) -> String {
    let engine = app.handle.read();
    engine.definitions().settings.sender.as_ref().map(|sender| sender.name.clone()).unwrap_or_default()
}

fn sender(app: &Shared) -> String {
    Some(shop(app)).filter(|shop| !shop.is_empty()).unwrap_or_else(|| "this shop".to_owned())
}

/// `s…@example.com`: enough to recognise one's own, too little for a stranger.
fn masked(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!("{}…@{domain}", local.chars().next().unwrap_or(' ')),
        None => "you".to_owned(),
    }
}

fn unknown_link() -> Response {
    let mut response = page(LetterPage {
        title: "This link does not work".to_owned(),
        lines: vec![
            "It may have been cut off on its way. Try the link in another message, or write to the shop.".to_owned(),
        ],
        ..LetterPage::default()
    });
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn page(page: LetterPage) -> Response {
    under_policy(page)
}

fn under_policy(page: impl Template) -> Response {
    let mut response = html_or_trouble(page.render());
    let policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

fn html_or_trouble(html: Result<String, askama::Error>) -> Response {
    let mut response = match html {
        Ok(html) => Html(html).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    secure(&mut response);
    response
}

fn secure(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
