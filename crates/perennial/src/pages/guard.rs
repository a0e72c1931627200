//! What stands before every page: the right host, the same site, a session, and headers that tell browsers to be strict.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Form, RequestExt};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::Pages;
use super::login::{LoginPage, Trouble};
use super::routes::{bare_trouble, html};
use super::session::Visit;

/// How browsers reach the pages.
#[derive(Debug, Clone)]
pub struct Site {
    /// Host names one may use, without port. Others are refused: a name that an attacker points at this machine
    /// (DNS rebinding) must not reach the pages.
    pub hosts: Vec<String>,
    /// Whether browsers come by https, so that the cookie may insist on it.
    pub https: Https,
    /// The name of the session cookie. Ports share cookies, so two Perennials on one host need two names.
    pub cookie: String,
    /// The wall clock, for sessions.
    pub clock: fn() -> Timestamp,
}

/// Whether browsers come by https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Https {
    /// They do, perhaps through a proxy.
    Yes,
    /// They do not: this machine only.
    No,
}

impl Site {
    /// The site on this machine alone, at a port, by http.
    pub fn local(port: u16) -> Site {
        Site {
            hosts: ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(),
            https: Https::No,
            cookie: format!("perennial_{port}"),
            clock: Timestamp::now,
        }
    }

    /// The site under a public host as well, reached by https through a proxy.
    #[must_use]
    pub fn also_at(mut self, public_host: &str) -> Site {
        self.hosts.push(public_host.to_ascii_lowercase());
        self.https = Https::Yes;
        self
    }

    fn allows(&self, host: &str) -> bool {
        let host = without_port(host).to_ascii_lowercase();
        self.hosts.contains(&host)
    }

    /// `Strict` would log people out who come by a link from their mail.
    pub(super) fn cookie_for(&self, token: &str) -> String {
        format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{}", self.cookie_name(), self.secure())
    }

    pub(super) fn cookie_gone(&self) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", self.cookie_name(), self.secure())
    }

    /// `__Host-` makes browsers refuse the cookie from any other host or path; they allow the prefix by https only.
    fn cookie_name(&self) -> String {
        match self.https {
            Https::Yes => format!("__Host-{}", self.cookie),
            Https::No => self.cookie.clone(),
        }
    }

    fn secure(&self) -> &'static str {
        match self.https {
            Https::Yes => "; Secure",
            Https::No => "",
        }
    }

    fn session_token<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let name = self.cookie_name();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

const POLICY: &str = "default-src 'self'; script-src 'self'; object-src 'none'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'self'";

/// Headers of every answer; a route that needs others has set them already.
pub(super) async fn be_strict(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let strict = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in strict {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Only the hosts of the site.
pub(super) async fn be_the_right_host(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    match host(&request) {
        Some(host) if pages.site.allows(host) => next.run(request).await,
        _ => {
            let text = "Perennial answers under the names it was told only. Open it as http://127.0.0.1 with its \
                        port, or put this name into the configuration as the public host.";
            let trouble = Trouble::new("This is not an address of Perennial", text);
            bare_trouble(StatusCode::MISDIRECTED_REQUEST, trouble)
        }
    }
}

fn host(request: &Request) -> Option<&str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, None) => request.uri().authority().map(|authority| authority.as_str()),
        // Two hosts: two servers on the way would read two requests.
        _ => None,
    }
}

/// What changes something comes from our own pages. This stands beside the token in the form, not in its place.
pub(super) async fn be_the_same_site(request: Request, next: Next) -> Response {
    let changes_nothing = matches!(*request.method(), Method::GET | Method::HEAD);
    if changes_nothing || is_from_our_pages(&request) {
        return next.run(request).await;
    }
    let text = "Another site tried to press a button here. Nothing was changed.";
    bare_trouble(StatusCode::FORBIDDEN, Trouble::new("That did not come from here", text))
}

fn is_from_our_pages(request: &Request) -> bool {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    match text("origin") {
        // With `Referrer-Policy: no-referrer`, browsers say `null` for our own forms as well; those that do not send
        // `Sec-Fetch-Site` beside it are left to the token in the form.
        None | Some("null") => true,
        Some(origin) => origin.split_once("://").map(|(_, from)| from) == host(request),
    }
}

/// Only with a session; the visit goes along with the request.
pub(super) async fn be_logged_in(State(pages): State<Pages>, mut request: Request, next: Next) -> Response {
    let token = pages.site.session_token(request.headers());
    let Some(visit) = token.and_then(|token| pages.sessions.visit(token, (pages.site.clock)())) else {
        let trouble = match (token.is_some(), request.method() == Method::GET) {
            (_, false) => Some("You are no longer logged in. Nothing was changed.".to_owned()),
            (true, true) => {
                Some("You were logged out: half an hour without a click, or Perennial was restarted.".to_owned())
            }
            (false, true) => None,
        };
        let mut response = html(StatusCode::UNAUTHORIZED, &LoginPage { trouble });
        // htmx would put the login page into a corner of the old one.
        response.headers_mut().insert("hx-refresh", HeaderValue::from_static("true"));
        return response;
    };
    request.extensions_mut().insert(visit);
    next.run(request).await
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visit, StatusCode> {
        // Missing only if a route were mounted outside the guard: then nobody gets in.
        parts.extensions.get::<Visit>().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// What an address asks for. An address that cannot be read (an old link, a typing error) asks for nothing in particular.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned + Default> FromRequestParts<S> for Asked<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked<T>, Infallible> {
        Ok(Asked(Query::try_from_uri(&parts.uri).map(|Query(asked)| asked).unwrap_or_default()))
    }
}

/// A form with the token of its session.
pub(super) trait Signed: DeserializeOwned {
    /// The token as it came.
    fn csrf(&self) -> &str;
}

/// A form that was written by the session that sends it. Unknown and missing fields are refused.
pub(super) struct Posted<T>(pub(super) Visit, pub(super) T);

impl<S: Send + Sync, T: Signed + 'static> FromRequest<S> for Posted<T> {
    type Rejection = Response;

    async fn from_request(mut request: Request, _: &S) -> Result<Posted<T>, Response> {
        let visit: Visit = request.extract_parts().await.map_err(IntoResponse::into_response)?;
        let form = request.extract::<Form<T>, _>().await;
        let Form(form) = form.map_err(|rejection| {
            let text =
                "The form did not have the fields that belong to it, or was longer than 1 MB. Nothing was changed.";
            bare_trouble(rejection.status(), Trouble::new("This form cannot be read", text))
        })?;
        if !visit.wrote(form.csrf()) {
            let text = "It was written before you logged in, or not by us. Nothing was changed. Go back, load the page \
                        again and repeat it there.";
            return Err(bare_trouble(StatusCode::FORBIDDEN, Trouble::new("This form is out of date", text)));
        }
        Ok(Posted(visit, form))
    }
}
