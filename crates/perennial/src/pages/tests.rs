//! Stories of the pages: what a person sees, and what nobody can make them do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use jiff::Timestamp;
use tower::ServiceExt;

use super::fixtures::{Invented, Shop, UGLY};
use super::links::encoded;
use super::{Order, Sessions, Site, router};

mod builder;

/// Minutes by which tests have turned the wall clock on; one clock a test, since a test runs on one thread.
fn wall_clock() -> Timestamp {
    Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(MINUTES.with(|minutes| minutes.load(Ordering::Relaxed)))
}

thread_local! {
    static MINUTES: AtomicI64 = const { AtomicI64::new(0) };
}

/// Somebody in front of a browser.
struct Browser {
    router: Router,
    shop: Arc<Shop>,
    sessions: Arc<Sessions>,
    cookie: String,
    csrf: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Browser {
    /// Opens a shop and stands before its login page.
    fn outside(what: Invented) -> Browser {
        MINUTES.with(|minutes| minutes.store(0, Ordering::Relaxed));
        let (shop, sessions) = (Arc::new(Shop::open(what)), Arc::new(Sessions::new()));
        let site = Site { clock: wall_clock, ..Site::local(7700) };
        let router = router(shop.clone(), sessions.clone(), site);
        Browser { router, shop, sessions, cookie: String::new(), csrf: String::new() }
    }

    /// Opens a shop and logs in.
    async fn inside(what: Invented) -> Browser {
        let mut browser = Browser::outside(what);
        let link = browser.sessions.issue_link(wall_clock());
        let answer = browser.post("/login", &format!("token={link}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser.cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let page = browser.get("/sessions").await.body;
        let after = page.split("name=\"csrf\" value=\"").nth(1).unwrap();
        browser.csrf = after[..32].to_owned();
        browser
    }

    async fn get(&self, address: &str) -> Answer {
        self.send(self.request("GET", address).body(Body::empty()).unwrap()).await
    }

    /// Posts fields as they are.
    async fn post(&self, address: &str, fields: &str) -> Answer {
        let request = self.request("POST", address).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(fields.to_owned())).unwrap()).await
    }

    /// Presses a button of a page: the fields with the token of the session.
    async fn press(&self, address: &str, fields: &str) -> Answer {
        self.post(address, &format!("csrf={}&{fields}", self.csrf)).await
    }

    fn request(&self, method: &str, address: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(address).header(header::HOST, "127.0.0.1:7700");
        if self.cookie.is_empty() { request } else { request.header(header::COOKIE, &self.cookie) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 16 * 1024 * 1024).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    fn orders(&self) -> Vec<Order> {
        self.shop.orders.lock().unwrap().clone()
    }
}

/// Every page of a shop, by address.
fn addresses(what: Invented) -> Vec<String> {
    let lists = [
        "/",
        "/customers",
        "/segments",
        "/campaigns",
        "/messages",
        "/templates",
        "/edit/template",
        "/webhooks",
        "/reports",
        "/vouchers",
        "/sources",
        "/query",
        "/edit/segment",
        "/gallery",
        "/gallery?count=yes",
        "/gallery/campaigns",
        "/edit/campaign?from=win-back-ladder&quiet=90",
        "/edit/campaign",
        "/sessions",
    ];
    let (customer, segment, campaign, message) = match what {
        Invented::Busy => ("c1", "lapsed-regulars", "win-back", "m0"),
        _ => (UGLY[0], UGLY[5], UGLY[1], "<img src=x onerror=alert(1)>0"),
    };
    let search = format!("/customers?q={}&after=x", encoded(UGLY[1]));
    let filtered = format!("/messages?outcome=held&because={0}&customer={0}&campaign={0}", encoded(UGLY[1]));
    let ones = [("/customers/", customer), ("/segments/", segment), ("/campaigns/", campaign), ("/messages/", message)];
    let ones = ones.map(|(list, id)| format!("{list}{}", encoded(id)));
    let edits =
        [format!("/edit/segment?name={}", encoded(segment)), format!("/edit/campaign?name={}", encoded(campaign))];
    let mut all: Vec<String> = lists.map(str::to_owned).into_iter().chain([search, filtered]).chain(edits).collect();
    if what != Invented::Empty {
        all.push(format!("/customers/{}/why", encoded(customer)));
        all.push(format!("/segments/{}?chart=yes", encoded(segment)));
        all.push(format!("/templates/{}?as={}", encoded(segment), encoded(customer)));
        all.push("/templates/note".to_owned());
        all.extend(ones);
    }
    all
}

#[tokio::test]
async fn every_page_stands_with_much_data_with_none_and_with_ugly_data() {
    for what in [Invented::Busy, Invented::Empty, Invented::Ugly] {
        let browser = Browser::inside(what).await;
        for address in addresses(what) {
            let answer = browser.get(&address).await;
            assert_eq!(answer.status, StatusCode::OK, "{what:?} {address}");
            assert!(answer.body.contains("</html>"), "{what:?} {address} was cut");
            assert!(answer.body.len() < 60_000, "{what:?} {address} has {} bytes", answer.body.len());
        }
    }
}

#[tokio::test]
async fn a_name_made_of_markup_is_read_as_a_name() {
    let browser = Browser::inside(Invented::Ugly).await;
    for address in addresses(Invented::Ugly) {
        let body = browser.get(&address).await.body;
        assert!(!body.contains("<img"), "{address}");
        assert!(!body.contains("alert('x')"), "{address}");
        assert_eq!(body.matches("<script").count(), 1, "{address}: only our own");
        assert_eq!(body.matches("</textarea>").count(), body.matches("<textarea").count(), "{address}");
        assert_eq!(body.matches("</title>").count(), body.matches("<title>").count(), "{address}");
        assert!(!body.contains(" onerror=alert(1)>"), "{address}");
    }
}

#[tokio::test]
async fn no_page_asks_another_machine_for_anything_or_writes_script_or_style_inline() {
    for what in [Invented::Busy, Invented::Empty] {
        let browser = Browser::inside(what).await;
        for address in addresses(what) {
            let body = browser.get(&address).await.body;
            for attribute in ["src=\"", "href=\"", "action=\"", "hx-get=\"", "hx-post=\""] {
                for link in body.split(attribute).skip(1) {
                    let is_here = (link.starts_with('/') && !link.starts_with("//")) || link.starts_with('#');
                    assert!(is_here, "{address}: {}", &link[..40.min(link.len())]);
                }
            }
            for forbidden in [" style=\"", "<style", " onclick", "javascript:", " hx-on"] {
                assert!(!body.contains(forbidden), "{address} has {forbidden}");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_strict() {
    let browser = Browser::inside(Invented::Busy).await;
    let outside = Browser::outside(Invented::Busy);
    let answers = [
        browser.get("/").await,
        browser.get("/nowhere").await,
        browser.get("/customers/broken").await,
        browser.post("/sources/replay", "").await,
        outside.get("/").await,
        outside.get("/login").await,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'self'",
            "script-src 'self'",
            "object-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn the_sheet_and_the_script_are_kept_for_ever_under_the_name_of_their_content() {
    let browser = Browser::inside(Invented::Busy).await;
    let page = browser.get("/").await.body;
    for kind in ["css", "js"] {
        let address = page.split('"').find(|text| text.starts_with("/assets/") && text.ends_with(kind)).unwrap();
        let asset = browser.get(address).await;
        assert_eq!(asset.status, StatusCode::OK);
        assert!(asset.header("cache-control").contains("immutable"));
    }
    assert_eq!(browser.get("/assets/perennial-000000000000.css").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/assets/..%2Fmain.rs").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_mail_is_shown_in_a_frame_that_can_do_nothing() {
    let browser = Browser::inside(Invented::Ugly).await;
    let message = format!("/messages/{}", encoded("<img src=x onerror=alert(1)>0"));
    let page = browser.get(&message).await.body;
    assert!(page.contains("sandbox title"), "the frame has an empty sandbox");
    let body = browser.get(&format!("{message}/body")).await;
    assert!(body.body.contains("<script>alert('x')</script>"), "the mail stands there as it is");
    let policy = body.header("content-security-policy");
    assert!(policy.starts_with("sandbox; default-src 'none'") && policy.contains("frame-ancestors 'self'"));
    assert!(!policy.contains("script-src"));
}

#[tokio::test]
async fn without_a_session_every_page_says_how_to_get_in_and_shows_nothing_else() {
    let browser = Browser::outside(Invented::Busy);
    for address in addresses(Invented::Busy).iter().map(String::as_str).chain(["/nowhere", "/messages/m0/body"]) {
        let answer = browser.get(address).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{address}");
        assert!(answer.body.contains("perennial login"), "{address}");
        assert!(!answer.body.contains("Tea House") && !answer.body.contains("Whitmore"), "{address}");
    }
}

#[tokio::test]
async fn a_login_link_works_once_and_opening_it_uses_nothing_up() {
    let browser = Browser::outside(Invented::Busy);
    let link = browser.sessions.issue_link(wall_clock());
    // The mail scanner, the chat preview and the person open it.
    for _ in 0..3 {
        let page = browser.get(&format!("/login/{link}")).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.headers.get("set-cookie").is_none());
    }
    let first = browser.post("/login", &format!("token={link}")).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    let cookie = first.header("set-cookie");
    for part in ["perennial_7700=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    let again = browser.post("/login", &format!("token={link}")).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.headers.get("set-cookie").is_none());
    assert!(again.body.contains("used already or has expired"));
}

#[tokio::test]
async fn behind_https_the_cookie_insists_on_it() {
    let sessions = Arc::new(Sessions::new());
    let link = sessions.issue_link(Timestamp::now());
    let site = Site::local(7700).also_at("shop.example");
    let router = router(Arc::new(Shop::open(Invented::Busy)), sessions, site);
    let request = Request::post("/login")
        .header(header::HOST, "Shop.Example")
        .header(header::ORIGIN, "https://Shop.Example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = router.oneshot(request.body(Body::from(format!("token={link}"))).unwrap()).await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-perennial_7700=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn after_ten_guessed_links_everybody_waits_a_minute() {
    let browser = Browser::outside(Invented::Busy);
    for _ in 0..10 {
        assert_eq!(browser.post("/login", "token=guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let answer = browser.post("/login", "token=guess").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "60");
}

#[tokio::test]
async fn a_session_left_alone_ends_and_the_page_says_why_and_how_to_come_back() {
    let browser = Browser::inside(Invented::Busy).await;
    MINUTES.with(|minutes| minutes.store(29, Ordering::Relaxed));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    MINUTES.with(|minutes| minutes.store(59, Ordering::Relaxed));
    let answer = browser.get("/customers").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body.contains("half an hour without a click") && answer.body.contains("perennial login"));
    assert_eq!(answer.header("hx-refresh"), "true");
    let late = browser.press("/campaigns/win-back/pause", "").await;
    assert!(late.status == StatusCode::UNAUTHORIZED && late.body.contains("Nothing was changed"));
    assert_eq!(browser.orders(), []);
}

#[tokio::test]
async fn logging_out_ends_the_session_on_the_server_too() {
    let browser = Browser::inside(Invented::Busy).await;
    let answer = browser.press("/logout", "").await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(browser.get("/").await.status, StatusCode::UNAUTHORIZED);
}

/// Every button of the pages: its address, its fields, what it orders.
fn buttons() -> Vec<(&'static str, &'static str, Order)> {
    let (c1, c41) = (|| "c1".to_owned(), || "c41".to_owned());
    vec![
        ("/customers/c1/merge", "other=c41", Order::Merge { customer: c1(), other: c41() }),
        ("/customers/c1/dismiss", "other=c41", Order::DismissMerge { customer: c1(), other: c41() }),
        ("/customers/c1/unmerge", "identity=7f3a", Order::Unmerge { customer: c1(), identity: "7f3a".into() }),
        ("/customers/c1/erase", "word=Erase", Order::Erase { customer: c1(), is_confirmed: true }),
        ("/customers/c1/erase", "word=yes", Order::Erase { customer: c1(), is_confirmed: false }),
        ("/customers/c1/lift", "address=a%40b.c", Order::LiftSuppression { customer: c1(), address: "a@b.c".into() }),
        (
            "/customers/c1/browser",
            "browser=mfrggzdf",
            Order::RemoveBrowser { customer: c1(), browser: "mfrggzdf".into() },
        ),
        ("/campaigns/win-back/pause", "", Order::PauseCampaign("win-back".into())),
        ("/campaigns/win-back/resume", "", Order::ResumeCampaign("win-back".into())),
        ("/campaigns/win-back/compare-anew", "", Order::CompareAnew("win-back".into())),
        ("/campaigns/win-back/stop", "", Order::StopCampaign("win-back".into())),
        ("/messages/m5/seen", "", Order::MarkSeen("m5".into())),
        ("/tasks/t1/done", "", Order::CompleteTask("t1".into())),
        ("/messages/m5/approve", "", Order::Approve("m5".into())),
        ("/webhooks/wh_5/again", "", Order::TryWebhook("wh_5".into())),
        ("/webhooks/endpoints/erp/on", "", Order::TurnOnEndpoint("erp".into())),
        (
            "/vouchers/import",
            "pool=spring&codes=A-1%0D%0AA-2",
            Order::ImportCodes { pool: "spring".into(), codes: "A-1\r\nA-2".into() },
        ),
        ("/sources/replay", "reason=P0012", Order::Replay { reason: "P0012".into() }),
        ("/sources/replay", "reason=", Order::Replay { reason: String::new() }),
    ]
}

#[tokio::test]
async fn each_button_does_what_it_says_and_goes_back_to_its_page() {
    for (address, fields, order) in buttons() {
        let browser = Browser::inside(Invented::Busy).await;
        let fields = fields.trim_end_matches('&');
        let answer = browser.press(address, fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{address}: {}", answer.body);
        assert_eq!(browser.orders(), [order]);
        let back = browser.get(answer.header("location")).await;
        assert!(back.body.contains("role=\"status\""), "{address}: the page says what was done");
        let again = browser.get(answer.header("location")).await;
        assert!(!again.body.contains("role=\"status\""), "{address}: once");
    }
}

#[tokio::test]
async fn a_button_pressed_without_the_token_of_the_session_does_nothing() {
    let other = Browser::inside(Invented::Busy).await;
    for (address, fields, _) in buttons() {
        let browser = Browser::inside(Invented::Busy).await;
        for token in ["", "csrf=&", "csrf=guess&", &format!("csrf={}&", other.csrf)] {
            let answer = browser.post(address, &format!("{token}{fields}")).await;
            let is_refused = matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY);
            assert!(is_refused, "{address} with {token}: {}", answer.status);
            assert!(answer.body.contains("Nothing was changed"));
        }
        assert_eq!(browser.orders(), []);
    }
    let browser = Browser::inside(Invented::Busy).await;
    assert_eq!(browser.post("/edit/segment", "yaml=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/edit/build", "csrf=x&yaml=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/edit/campaign", "yaml=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/edit/build/effect", "csrf=x&yaml=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/edit/template", "yaml=x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(browser.post("/logout", "csrf=x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "still logged in");
}

#[tokio::test]
async fn another_site_cannot_press_a_button_even_with_the_token() {
    let browser = Browser::inside(Invented::Busy).await;
    let pressed_with = |name: &'static str, value: &'static str| {
        let request = browser
            .request("POST", "/campaigns/win-back/stop")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(name, value);
        browser.send(request.body(Body::from(format!("csrf={}", browser.csrf))).unwrap())
    };
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
        ("origin", "http://127.0.0.1:7701"),
        ("origin", "http://127.0.0.1:7700.evil.example"),
    ] {
        assert_eq!(pressed_with(name, value).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    assert_eq!(browser.orders(), []);
    // Ours say `null`, because of `Referrer-Policy: no-referrer`, with `same-origin` beside it.
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:7700"), ("origin", "null")] {
        assert_eq!(pressed_with(name, value).await.status, StatusCode::SEE_OTHER, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_field_that_does_not_belong_to_a_form_is_refused() {
    let browser = Browser::inside(Invented::Busy).await;
    let answer = browser.press("/campaigns/win-back/pause", "state=stopped").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let long = format!("yaml={}", "a".repeat(2 * 1024 * 1024));
    assert_eq!(browser.press("/edit/segment", &long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(browser.orders(), []);
}

#[tokio::test]
async fn looking_never_changes_anything() {
    let browser = Browser::inside(Invented::Busy).await;
    for address in addresses(Invented::Busy) {
        browser.get(&address).await;
    }
    for (address, fields, _) in buttons() {
        let answer = browser.get(&format!("{address}?csrf={}&{fields}", browser.csrf)).await;
        assert!(matches!(answer.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND), "{address}");
    }
    assert_eq!(browser.get(&format!("/logout?csrf={}", browser.csrf)).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(browser.orders(), []);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_host_name_that_somebody_else_points_at_this_machine_reaches_nothing() {
    let browser = Browser::inside(Invented::Busy).await;
    for host in ["evil.example", "evil.example:7700", "127.0.0.1.evil.example", "", "localhost@evil.example"] {
        let request = Request::get("/").header(header::HOST, host).header(header::COOKIE, &browser.cookie);
        let answer = browser.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!answer.body.contains("Tea House"));
    }
    for host in ["localhost", "LOCALHOST:7700", "127.0.0.1", "[::1]:7700", "[::1]"] {
        let request = Request::get("/").header(header::HOST, host).header(header::COOKIE, &browser.cookie);
        assert_eq!(browser.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK, "{host}");
    }
    let twice = browser.request("GET", "/").header(header::HOST, "evil.example").body(Body::empty()).unwrap();
    assert_eq!(browser.send(twice).await.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_broken_page_shows_a_number_and_nothing_of_the_cause() {
    let browser = Browser::inside(Invented::Busy).await;
    let answer = browser.get("/customers/broken").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.body.contains("in the log under number"));
    for secret in ["SELECT", "/var/lib", "disk I/O"] {
        assert!(!answer.body.contains(secret));
    }
}

#[tokio::test]
async fn a_definition_with_a_mistake_is_kept_as_it_was_written_with_the_place_of_the_mistake() {
    let browser = Browser::inside(Invented::Busy).await;
    let written = "segment: x\r\nwhere:\r\n  did: \"<b>\"\r\n  witin: 3d\r\n";
    let answer = browser.press("/edit/segment", &format!("name=x&version=3&then=save&yaml={}", encoded(written))).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("where.all[1].witin") && answer.body.contains("line 6"));
    assert!(answer.body.contains("segment: x\nwhere:\n  did: &#34;&#60;b&#62;&#34;\n  witin: 3d\n</textarea>"));
    assert!(answer.body.contains("name=\"version\" value=\"3\""), "the version it started from comes back");
}

#[tokio::test]
async fn without_javascript_the_check_button_shows_the_preview_and_saves_nothing() {
    let browser = Browser::inside(Invented::Busy).await;
    let checked = browser.press("/edit/segment", "name=&version=&then=check&yaml=segment%3A+x").await;
    assert!(checked.status == StatusCode::OK && checked.body.contains("30 enter and 4 leave"));
    let live = browser.press("/edit/build/effect", "kind=segment&name=&version=&yaml=segment%3A+x").await;
    assert!(live.body.contains("30 enter and 4 leave") && !live.body.contains("<html"), "the part alone");
    let note = browser.press("/edit/template/preview", "name=&version=&yaml=template%3A+note%0Achannel%3A+push").await;
    assert!(note.body.contains("class=\"notification\"") && !note.body.contains("<pre"), "as a browser shows it");
    let saved = browser.press("/edit/segment", "name=&version=&then=save&yaml=segment%3A+x").await;
    assert_eq!((saved.status, saved.header("location")), (StatusCode::SEE_OTHER, "/segments/lapsed-regulars"));
}

#[tokio::test]
async fn variants_that_are_shared_by_what_works_show_todays_shares_and_what_may_be_said() {
    let page = Browser::inside(Invented::Busy).await.get("/campaigns/win-back").await.body;
    for words in [
        "Today <b>72 of 100</b> get <i><bdi>restock</bdi></i>, <b>28 of 100</b> get <i><bdi>plain</bdi></i>.",
        "“restock” works better than “plain”: of 100 customers with it, 2.1 to 9.8 more come back.",
        "How customers were shared since 13 Oct; today restock 72 of 100, plain 28 of 100",
        "variant restock: 72 of 100 got it on 2026-11-20",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("NaN"));
    let fresh = Browser::inside(Invented::Busy).await.get("/campaigns/fresh").await.body;
    assert!(!fresh.contains("Which message works better"));
}

#[tokio::test]
async fn a_campaign_shows_both_arms_with_counts_and_means_per_customer() {
    let page = Browser::inside(Invented::Busy).await.get("/campaigns/win-back").await.body.replace('\u{a0}', " ");
    for number in [
        "5,601",
        "quiet hours</a> 41",
        "1,078",
        "922</b> <small>21 %",
        "140</b> <small>13 %",
        "£30,312.40",
        "£7.03",
        "£4.06",
        "0.26",
        "of every 1,000: 214 with the message, 130 in",
    ] {
        assert!(page.contains(number), "{number}");
    }
    assert!(!page.contains("significant"), "no verdict yet");
}

#[tokio::test]
async fn an_empty_shop_teaches_how_to_fill_it_on_every_page() {
    let browser = Browser::inside(Invented::Empty).await;
    for address in ["/", "/customers", "/segments", "/campaigns", "/messages", "/sources"] {
        assert!(browser.get(address).await.body.contains("perennial demo"), "{address}");
    }
}

#[tokio::test]
async fn every_page_can_be_walked_with_a_keyboard_and_heard() {
    let browser = Browser::inside(Invented::Busy).await;
    for address in addresses(Invented::Busy) {
        let body = browser.get(&address).await.body;
        assert_eq!(body.matches("<h1").count(), 1, "{address}");
        assert!(body.contains("class=\"skip\" href=\"#main\"") && body.contains("<main id=\"main\""), "{address}");
        assert!(
            ["/sessions", "/query"].contains(&address.as_str()) || body.contains("aria-current=\"page\""),
            "{address}"
        );
        assert!(body.contains("<html lang=\"en\">"), "{address}");
        for field in body.split("<input ").skip(1).filter(|field| field.contains("type=\"search\"")) {
            let id = field.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            assert!(body.contains(&format!("for=\"{id}\"")), "{address}: {id} has no label");
        }
    }
}

#[test]
fn every_colour_of_words_is_readable_on_every_ground_it_stands_on() {
    let sheet = include_str!("../../assets/perennial.css");
    let blocks: Vec<&str> =
        sheet.split(":root {").skip(1).take(2).map(|block| block.split('}').next().unwrap()).collect();
    for (mode, block) in ["light", "dark"].iter().zip(blocks) {
        let colour = |name: &str| luminance(block.split(&format!("--{name}: #")).nth(1).unwrap());
        let words = ["ink", "soft", "faint", "leaf", "sun", "rose", "sky"];
        let plain = words.iter().flat_map(|word| ["paper", "surface"].map(|ground| (*word, ground.to_owned())));
        let sunk = ["ink", "soft", "faint"].map(|word| (word, "sunk".to_owned()));
        let tags = ["leaf", "sun", "rose", "sky"].map(|word| (word, format!("{word}-soft")));
        for (word, ground) in plain.chain(sunk).chain(tags).chain([("surface", "leaf".to_owned())]) {
            let (a, b) = (colour(word), colour(&ground));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{mode}: {word} on {ground} is {contrast:.2}");
        }
        let (edge, surface) = (colour("edge"), colour("surface"));
        let contrast = (edge.max(surface) + 0.05) / (edge.min(surface) + 0.05);
        assert!(contrast >= 3.0, "{mode}: the edge of a field is {contrast:.2}");
    }
}

/// Relative luminance of a colour written as six hexadecimal digits, WCAG 2.2.
fn luminance(digits: &str) -> f64 {
    let channel = |place: usize| {
        let value = f64::from(u8::from_str_radix(&digits[place..place + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

#[tokio::test]
async fn a_question_in_sql_gets_a_table_or_a_reason_or_a_file() {
    let browser = Browser::inside(Invented::Busy).await;
    let empty = browser.get("/query").await.body;
    for word in ["<code>events</code>", "<code>received_at</code>", "json_get_str"] {
        assert!(empty.contains(word), "the dictionary has {word}");
    }
    let answer = browser.press("/query", "sql=SELECT+1&then=show").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("The first 200 of 1,204\u{a0}rows"), "{}", answer.body);
    assert!(answer.body.contains("SELECT 1"), "the question stays in its box");
    let wrong = browser.press("/query", "sql=SELECT+wrong&then=show").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("there is no column `wrong` here"), "{}", wrong.body);
    let file = browser.press("/query", "sql=SELECT+1&then=csv").await;
    assert_eq!((file.status, file.body.as_str()), (StatusCode::OK, "name\r\nOrder Completed\r\n"));
    assert!(file.header("content-disposition").contains("answer.csv"));
    // Another page cannot make somebody ask.
    assert_eq!(browser.post("/query", "sql=SELECT+1&csrf=0").await.status, StatusCode::FORBIDDEN);
    let ugly = Browser::inside(Invented::Ugly).await.press("/query", "sql=%3C%2Ftextarea%3E%3Cimg&then=show").await;
    assert!(!ugly.body.contains("<img") && ugly.body.matches("</textarea>").count() == 1, "{}", ugly.body);
}
