//! Where links in messages lead: unsubscribe, preferences, click, view in the browser. No login; the link is signed.
//!
//! GET never changes anything: scanners of mail follow links. The one exception is the picture by which an open is told, where
//! opens are counted: fetching it is all that a mail program does, and whether it was a person is judged.
//!
//! The pages speak the customer's language; their sentences are in `languages`.

use crate::api::{Shared, not_done};
use crate::languages::{Language, filled};
use crate::runtime::JobError;
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use domain::language::plain_tag;
use domain::message::Message;
use domain::workspace::marketing;
use domain::{MessageId, Name, Timestamp};
use engine::deliver::confirm::Confirming;
use engine::deliver::preferences::{Frequency, Wishes};
use engine::ingest::machine::Asked;
use engine::write::{own_name_of, unsubscribe_in};

/// How a page speaks: in one reader's language, for one shop.
struct Speech {
    words: &'static Language,
    /// The shop's name: customers do not know ours. Empty: nobody can say.
    shop: String,
}

impl Speech {
    /// To whom a message went: as the trait `locale` says, which the page of preferences sets, else as their browser asks.
    fn to(app: &Shared, message: &Message, headers: &HeaderMap) -> Speech {
        let engine = app.handle.read();
        let locale = engine.locale_of(message.customer);
        let sender = engine.definitions().settings.sender.as_ref();
        Speech {
            words: Language::choose(locale.as_deref(), accept_language(headers)),
            shop: sender.map(|sender| sender.name.clone()).unwrap_or_default(),
        }
    }

    /// To whom we do not know.
    fn to_a_stranger(headers: &HeaderMap) -> Speech {
        Speech { words: Language::choose(None, accept_language(headers)), shop: String::new() }
    }

    /// A sentence with the shop's name and these values filled in.
    fn says(&self, sentence: &str, values: &[(&str, &str)]) -> String {
        let is_nameless = self.shop.is_empty();
        let shop = if is_nameless { self.words.this_shop } else { &self.shop };
        let mut values = values.to_vec();
        values.push(("shop", shop));
        let text = filled(sentence, &values);
        if is_nameless && sentence.starts_with('{') { capitalized(&text) } else { text }
    }

    fn purpose(&self, name: &Name) -> String {
        if *name == marketing() {
            self.words.offers_and_news.to_owned()
        } else {
            capitalized(&name.as_str().replace('-', " "))
        }
    }

    fn page(self, title: &'static str, lines: Vec<String>) -> LetterPage {
        LetterPage { speech: self, title, lines, button: None, link: None }
    }
}

fn accept_language(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()
}

fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[derive(Template)]
#[template(path = "letter.html")]
struct LetterPage {
    speech: Speech,
    title: &'static str,
    lines: Vec<String>,
    button: Option<(String, &'static str)>,
    /// Where else they may go, and its words.
    link: Option<(String, &'static str)>,
}

#[derive(Template)]
#[template(path = "preferences.html")]
struct PreferencesPage {
    /// Before the purposes.
    begins: String,
    action: String,
    /// Name, words, whether it is wanted now.
    purposes: Vec<(String, String, bool)>,
    /// Word, words, whether it is theirs now.
    frequencies: Vec<(&'static str, &'static str, bool)>,
    /// Tag, what the language calls itself, whether it is theirs now.
    languages: Vec<(String, String, bool)>,
    speech: Speech,
}

#[derive(Template)]
#[template(path = "leaving.html")]
struct LeavingPage {
    words: &'static Language,
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

async fn unsubscribe_page(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let id = app.handle.read().signer().verify_unsubscribe(&token);
    let Some(message) = find(&app, id).await else { return unknown_link(&headers) };
    let speech = Speech::to(&app, &message, &headers);
    if !app.handle.read().is_subscribed(&message) {
        return already(&app, speech, &message);
    }
    let words = speech.words;
    let purpose = speech.purpose(&message.purpose);
    let line = speech.says(words.leave_text, &[("by", words.by(message.channel)), ("purpose", &purpose)]);
    under_policy(LetterPage {
        button: Some((format!("/u/{token}"), unsubscribe_in(Some(words.tag)))),
        link: Some((to_preferences(&app, &message), words.less_instead)),
        ..speech.page(words.leave_title, vec![line])
    })
}

fn to_preferences(app: &Shared, message: &Message) -> String {
    format!("/p/{}", app.handle.read().signer().preferences_token(&message.id))
}

fn already(app: &Shared, speech: Speech, message: &Message) -> Response {
    let words = speech.words;
    let purpose = speech.purpose(&message.purpose);
    let line = speech.says(words.left_text, &[("by", words.by(message.channel)), ("purpose", &purpose)]);
    under_policy(LetterPage {
        link: Some((to_preferences(app, message), words.changed_your_mind)),
        ..speech.page(words.left_title, vec![line])
    })
}

/// One-click by the mail program (RFC 8058) or the button of our page: the same.
async fn unsubscribe(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let id = app.handle.read().signer().verify_unsubscribe(&token);
    let Some(message) = find(&app, id).await else { return unknown_link(&headers) };
    let theirs = message.clone();
    let done = app.handle.change_later(1, move |engine, now| engine.unsubscribe(&message, now)).await;
    let speech = Speech::to(&app, &theirs, &headers);
    match done {
        Ok(()) => already(&app, speech, &theirs),
        Err(error) => not_now(speech, &error),
    }
}

/// The message and purpose of a link that confirms, if we signed it.
async fn to_confirm(app: &Shared, token: &str) -> Option<(Message, Name)> {
    let (id, purpose) = app.handle.read().signer().verify_confirm(token)?;
    Some((find(app, Some(id)).await?, purpose))
}

async fn confirm_page(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let Some((message, purpose)) = to_confirm(&app, &token).await else { return unknown_link(&headers) };
    let speech = Speech::to(&app, &message, &headers);
    let confirming = app.handle.read().confirming(&message, &purpose);
    if confirming != Confirming::Waits {
        return confirmed(speech, confirming, &purpose);
    }
    let words = speech.words;
    let purpose = speech.purpose(&purpose);
    let asked = match address_of(&message) {
        Some(address) => speech.says(words.somebody_gave, &[("address", &address), ("purpose", &purpose)]),
        None => speech.says(words.somebody_asked, &[("purpose", &purpose)]),
    };
    under_policy(LetterPage {
        button: Some((format!("/y/{token}"), words.yes_write)),
        ..speech.page(words.was_it_you, vec![asked, words.press_confirms.to_owned()])
    })
}

async fn confirm(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let Some((message, purpose)) = to_confirm(&app, &token).await else { return unknown_link(&headers) };
    let (asked, theirs) = (purpose.clone(), message.clone());
    let done = app.handle.change_later(1, move |engine, now| engine.confirm(&message, &asked, now)).await;
    let speech = Speech::to(&app, &theirs, &headers);
    match done {
        Ok(Confirming::Waits) => confirmed(speech, Confirming::Granted, &purpose),
        Ok(other) => confirmed(speech, other, &purpose),
        Err(error) => not_now(speech, &error),
    }
}

fn confirmed(speech: Speech, confirming: Confirming, purpose: &Name) -> Response {
    let words = speech.words;
    let (title, line) = match confirming {
        Confirming::Granted | Confirming::Waits => {
            (words.thank_you, speech.says(words.may_write_now, &[("purpose", &speech.purpose(purpose))]))
        }
        Confirming::TooLate => (words.too_late_title, words.too_late_text.to_owned()),
        Confirming::OtherAddress => (words.other_address_title, words.other_address_text.to_owned()),
    };
    under_policy(speech.page(title, vec![line]))
}

async fn preferences_page(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let id = app.handle.read().signer().verify_preferences(&token);
    let Some(message) = find(&app, id).await else { return unknown_link(&headers) };
    let speech = Speech::to(&app, &message, &headers);
    let words = speech.words;
    let preferences = app.handle.read().preferences(&message);
    let own = preferences.locale.as_deref().map(plain_tag);
    let languages = preferences.locales.iter();
    let languages = languages.map(|tag| (tag.clone(), own_name_of(tag), own.as_ref() == Some(&plain_tag(tag))));
    let purposes = preferences.purposes.iter();
    let purposes = purposes.map(|(name, granted)| (name.as_str().to_owned(), speech.purpose(name), *granted));
    under_policy(PreferencesPage {
        begins: match address_of(&message) {
            Some(address) => speech.says(words.may_write_to, &[("address", &address)]),
            None => speech.says(words.may_write_about, &[]),
        },
        action: format!("/p/{token}"),
        purposes: purposes.collect(),
        frequencies: frequencies(words, preferences.frequency),
        languages: languages.collect(),
        speech,
    })
}

fn frequencies(words: &Language, theirs: Option<Frequency>) -> Vec<(&'static str, &'static str, bool)> {
    let said = |frequency: Frequency| match frequency {
        Frequency::Weekly => words.weekly,
        Frequency::Monthly => words.monthly,
    };
    let any = ("", words.at_any_time, theirs.is_none());
    let each = Frequency::ALL.map(|frequency| (frequency.word(), said(frequency), theirs == Some(frequency)));
    [any].into_iter().chain(each).collect()
}

/// Fields: `save`, `purpose.NAME` for each purpose that is wanted, `frequency`, `locale`. A purpose that is not among them is not
/// wanted; the others stay as they are. The answer speaks the language that was chosen.
async fn preferences(
    State(app): State<Shared>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let id = app.handle.read().signer().verify_preferences(&token);
    let Some(message) = find(&app, id).await else { return unknown_link(&headers) };
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
    let theirs = message.clone();
    let done = app.handle.change_later(1, move |engine, now| engine.set_preferences(&message, &wishes, now)).await;
    let speech = Speech::to(&app, &theirs, &headers);
    match done {
        Ok(()) => {
            let line = speech.says(speech.words.noted_text, &[]);
            let title = speech.words.noted_title;
            under_policy(speech.page(title, vec![line]))
        }
        Err(error) => not_now(speech, &error),
    }
}

async fn leaving(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let target = app.handle.read().signer().verify_click(&token);
    let is_web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    let Some((id, url)) = target.filter(|(_, url)| is_web(url)) else { return unknown_link(&headers) };
    // Whoever was erased, or whose message cannot be read now, goes on all the same.
    let speech = match find(&app, Some(id)).await {
        Some(message) => Speech::to(&app, &message, &headers),
        None => Speech::to_a_stranger(&headers),
    };
    let host = url.split('/').nth(2).filter(|host| !host.is_empty()).unwrap_or(&url).to_owned();
    let html = LeavingPage { words: speech.words, url, host, count: format!("/c/{token}") }.render();
    let mut response = html_or_trouble(html);
    let policy = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

async fn clicked(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let target = app.handle.read().signer().verify_click(&token);
    let Some((id, url)) = target else { return unknown_link(&headers) };
    let at = app.handle.now();
    app.followed.note(&id, &url, at);
    // Goes on when the reader's browser has gone on and hangs up.
    let counted = tokio::spawn(async move {
        let Some(message) = find(&app, Some(id.clone())).await else { return unknown_link(&headers) };
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
    let Some(message) = find(&app, id).await else { return unknown_link(&headers) };
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

async fn view(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let id = app.handle.read().signer().verify_view(&token);
    let Some(written) = find(&app, id).await.and_then(|message| message.written) else { return unknown_link(&headers) };
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

/// `s…@example.com`: enough to recognise one's own, too little for a stranger. None: it did not go to a mail address.
fn address_of(message: &Message) -> Option<String> {
    let (local, domain) = message.written.as_ref()?.to.split_once('@')?;
    Some(format!("{}…@{domain}", local.chars().next().unwrap_or(' ')))
}

fn unknown_link(headers: &HeaderMap) -> Response {
    let speech = Speech::to_a_stranger(headers);
    let words = speech.words;
    let mut response = under_policy(speech.page(words.broken_title, vec![words.broken_text.to_owned()]));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The answer that programs get, with a page that people can read.
fn not_now(speech: Speech, error: &JobError) -> Response {
    let refused = not_done(error);
    let words = speech.words;
    let mut response = under_policy(speech.page(words.not_now_title, vec![words.not_now_text.to_owned()]));
    *response.status_mut() = refused.status();
    if let Some(after) = refused.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    response
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
