//! Notifications in browsers, from the shop's page to what a browser opens.

// The browser of the tests of `channels`: its side of the RFCs.
#[path = "../../../channels/tests/it/browser.rs"]
mod browser;

use crate::house::{Answer, House, basic};
use crate::process::{Desk, Server, until};
use axum::body::Body;
use axum::http::Request;
use browser::Browser;
use perennial::config::Config;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const CHROME: &str =
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

const SHOP: &str = "
purpose: marketing
default: granted
---
workspace: settings
sender: { name: The Tea House, address: hello@tea.example, postal_address: 1 Leaf Lane }
---
template: note
channel: push
subject: '{{ customer.first_name }}, it is back'
body: Your **tea** is back
url: 'https://tea.example/back?a=1'
icon: https://tea.example/leaf.png
---
campaign: offer
enter: { on: { did: Visited }, again: always }
steps: [ { message: note } ]
---
campaign: followed
enter: { on: { did: Push Clicked }, again: always }
steps: [ { set: { trait: followed, to: true } } ]
---
campaign: alert
purpose: service
deadline: 1h
enter: { on: { did: Warned }, again: always }
steps: [ { message: note } ]
";

/// What the browsers of a house are asked and answered.
struct Shop {
    house: House,
    server: String,
    page: String,
    _files: TempDir,
}

impl Shop {
    fn open() -> Shop {
        let files = TempDir::new().unwrap();
        let key = files.path().join("vapid.pem");
        std::fs::write(&key, channels::web_push::VapidKey::generate().unwrap()).unwrap();
        let file = files.path().join("perennial.toml");
        let text = format!(
            "[messages.push]\nsend = \"web_push\"\nkey_file = {key:?}\nsubject = \"mailto:hello@tea.example\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let house = House::with(|config| *config = Config::read(Some(&file)).unwrap());
        house.define(SHOP);
        let (server, page) = (house.key("server"), house.key("browser"));
        let shop = Shop { house, server, page, _files: files };
        for user in ["ana", "ben"] {
            shop.house
                .call(&shop.server, json!({ "type": "identify", "userId": user, "traits": { "first_name": user } }));
        }
        shop
    }

    fn token(&self, user: &str) -> String {
        let body = json!({ "userId": user }).to_string();
        let request = Request::post("/v1/in-app/token")
            .header("authorization", basic(&self.server))
            .header("content-type", "application/json");
        let answer = self.house.ask(request.body(Body::from(body)).unwrap());
        format!("Bearer {}", answer.json()["token"].as_str().unwrap())
    }

    fn post(&self, path: &str, authorization: &str, body: &Value) -> Answer {
        let mut request = Request::post(format!("/v1/push/{path}"))
            .header("content-type", "application/json")
            .header("user-agent", CHROME);
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        self.house.ask(request.body(Body::from(body.to_string())).unwrap())
    }

    fn get(&self, path: &str) -> Answer {
        self.house.ask(Request::get(path).body(Body::empty()).unwrap())
    }

    fn browsers(&self, who: &str) -> Vec<Value> {
        self.house.get(&format!("/api/customers/{who}"))["browsers"].as_array().unwrap().clone()
    }
}

fn subscription(browser: &Browser, endpoint: &str) -> Value {
    json!({ "endpoint": endpoint, "expirationTime": null, "keys": { "p256dh": browser.p256dh(), "auth": browser.auth() } })
}

#[test]
fn a_page_registers_its_browser_once_and_the_customers_page_shows_it() {
    let shop = Shop::open();
    let (ana, browser) = (shop.token("ana"), Browser::called("Ana's"));
    let given = json!({ "subscription": subscription(&browser, "https://push.example/a") });
    for _ in 0..3 {
        let answer = shop.post("subscriptions", &ana, &given);
        assert_eq!((answer.status, answer.json()), (200, json!({ "subscribed": true })), "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(shop.house.events("ana", "Push Subscribed").len(), 1, "at every visit, it counts once");
    let known = shop.browsers("ana");
    assert_eq!(
        (known.len(), &known[0]["browser"], &known[0]["service"]),
        (1, &json!("Chrome on Android"), &json!("push.example"))
    );
    assert!(!known[0].to_string().contains("/a"), "the endpoint is a secret: {}", known[0]);

    // It has another endpoint now, and then she takes it back: the browser itself says so, without a token.
    let other = subscription(&browser, "https://push.example/b");
    let old = |auth: &str| json!({ "endpoint": "https://push.example/a", "auth": auth });
    let renew = |auth: &str| shop.post("subscriptions/renew", "", &json!({ "old": old(auth), "subscription": other }));
    assert_eq!(renew("AAAAAAAAAAAAAAAAAAAAAA").status, 404);
    assert_eq!((renew(&browser.auth()).status, renew(&browser.auth()).status), (200, 200));
    assert_eq!(shop.browsers("ana").len(), 1);
    let remove = |auth: &str| {
        shop.post("subscriptions/remove", "", &json!({ "endpoint": "https://push.example/b", "auth": auth }))
    };
    assert_eq!(remove("AAAAAAAAAAAAAAAAAAAAAA").json(), json!({ "subscribed": false }), "a stranger learns nothing");
    assert_eq!(shop.browsers("ana").len(), 1);
    assert_eq!(remove(&browser.auth()).status, 200);
    assert_eq!(shop.browsers("ana").len(), 0);
}

#[test]
fn a_key_in_a_page_brings_the_browsers_of_strangers_only() {
    let shop = Shop::open();
    let given = |id: Option<&str>| {
        let mut body = json!({ "subscription": subscription(&Browser::called("Eve's"), "https://push.example/e") });
        body["anonymousId"] = json!(id);
        body
    };
    let key = basic(&shop.page);
    assert_eq!(shop.post("subscriptions", &key, &given(Some("v-1"))).status, 200);
    assert_eq!(shop.browsers("v-1").len(), 1);
    shop.house.call(&shop.server, json!({ "type": "identify", "userId": "ana", "anonymousId": "v-2" }));
    let refused = shop.post("subscriptions", &key, &given(Some("v-2")));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("refused")), "{}", refused.text());
    assert_eq!(shop.browsers("ana").len(), 0, "nobody gets Ana's messages by knowing her visitor's id");
    for (authorization, id, status) in [
        (key.as_str(), None, 400),
        (&key, Some(""), 400),
        (&key, Some("undefined"), 400),
        (&key, Some("a\u{0}b"), 400),
        ("", Some("v-3"), 401),
        ("Bearer nonsense", Some("v-3"), 401),
        ("Basic cGtfbm86", Some("v-3"), 401),
    ] {
        assert_eq!(shop.post("subscriptions", authorization, &given(id)).status, status, "{authorization} {id:?}");
    }
    // What a browser makes up is not taken for what it is.
    let forged = json!({ "endpoint": "https://push.example/x", "p256dh": "x", "auth": "x" });
    let call = json!({ "type": "track", "anonymousId": "v-1", "event": "Push Subscribed", "properties": forged });
    assert_eq!(shop.house.call(&shop.page, call).status, 400);
}

#[test]
fn what_leads_inside_or_is_no_key_is_refused_before_it_is_kept() {
    let shop = Shop::open();
    let (ana, browser) = (shop.token("ana"), Browser::called("Ana's"));
    let try_with = |change: &dyn Fn(&mut Value)| {
        let mut given = json!({ "subscription": subscription(&browser, "https://push.example/a") });
        change(&mut given["subscription"]);
        shop.post("subscriptions", &ana, &given)
    };
    let endless = format!("https://push.example/{}", "x".repeat(3_000));
    for endpoint in [
        "http://push.example/a",
        "https://127.0.0.1/a",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://user:pass@push.example/",
        "file:///etc/passwd",
        "https://push.example:25/",
        "javascript:alert(1)",
        "https://push.example/a b",
        "https://push.example/\r\nx: y",
        "",
        endless.as_str(),
    ] {
        let answer = try_with(&|subscription| subscription["endpoint"] = endpoint.into());
        assert_eq!(answer.status, 400, "{endpoint}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains("endpoint"), "{}", answer.text());
    }
    let off_the_curve = {
        let mut key = browser.p256dh();
        let last = if key.ends_with('A') { "E" } else { "A" };
        key.replace_range(86.., last);
        key
    };
    for (key, value) in [("p256dh", off_the_curve.as_str()), ("p256dh", "BAAA"), ("auth", "AAAA"), ("auth", "?")] {
        let answer = try_with(&|subscription| subscription["keys"][key] = value.into());
        assert_eq!(answer.status, 400, "{key} {value}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(key), "{}", answer.text());
    }
    assert_eq!(try_with(&|subscription| subscription["keys"] = json!("x")).status, 400);
    assert_eq!(try_with(&|subscription| subscription["padding"] = "x".repeat(20_000).into()).status, 413);
    assert_eq!(shop.browsers("ana").len(), 0);
}

#[test]
fn the_scripts_of_the_shops_pages_know_where_they_came_from() {
    let shop = Shop::open();
    for name in ["worker.js", "page.js"] {
        let script = shop.get(&format!("/v1/push/{name}"));
        assert_eq!(script.status, 200);
        assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(script.header("access-control-allow-origin"), Some("*"));
        let text = script.text();
        assert!(
            text.contains("const place = \"http://127.0.0.1:7700/v1/push/\";") && !text.contains("$PLACE"),
            "{text}"
        );
    }
    let key = shop.get("/v1/push/key").json()["key"].as_str().unwrap().to_owned();
    assert_eq!((key.len(), &key[..1]), (87, "B"), "an uncompressed point");
    // Where browsers are not notified, pages are told.
    let other = House::new();
    let refused = other.ask(Request::get("/v1/push/key").body(Body::empty()).unwrap());
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("web_push"), "{}", refused.text());
}

/// A request as a push service heard it.
#[derive(Clone, Debug)]
struct Heard {
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// A push service. What it answers for a path is told; else it takes what comes. None: it stays silent.
#[derive(Clone)]
struct Service {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<BTreeMap<String, Option<&'static str>>>>,
}

impl Service {
    fn open() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = Service { port, heard: Arc::default(), answers: Arc::default() };
        let serving = service.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let service = serving.clone();
                std::thread::spawn(move || service.serve(stream));
            }
        });
        service
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn answers(&self, path: &str, answer: Option<&'static str>) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn heard(&self, path: &str) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().filter(|heard| heard.path == path).cloned().collect()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            // Whoever was killed says nothing more.
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let path = lines[0].split(' ').nth(1).unwrap().to_owned();
        let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers: BTreeMap<String, String> = lines[1..].iter().filter_map(header).collect();
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        self.heard.lock().unwrap().push(Heard { path: path.clone(), headers, body });
        let answer = self.answers.lock().unwrap().get(&path).copied().unwrap_or(Some("201 Created\r\n"));
        match answer {
            Some(head) => drop(write!(reader.get_mut(), "HTTP/1.1 {head}content-length: 0\r\n\r\n")),
            // Silent until the other side is gone.
            None => drop(reader.read(&mut [0])),
        }
    }
}

/// A shop that runs, with a push service beside it.
struct Running {
    desk: Desk,
    service: Service,
    key: String,
}

impl Running {
    fn open() -> Running {
        let (desk, service) = (Desk::new(), Service::open());
        let made = desk.json(&["push", "new"]);
        desk.file(
            "perennial.toml",
            &format!(
                "[outward]\nallow = [\"127.0.0.1\"]\nplain_http = [\"127.0.0.1\"]\n[messages.push]\nsend = \"web_push\"\n\
                 key_file = {}\nsubject = \"mailto:hello@tea.example\"\n",
                made["key_file"]
            ),
        );
        assert_eq!(desk.json(&["push", "key"])["public_key"], made["public_key"]);
        let file = desk.file("shop.yaml", SHOP);
        desk.json(&["apply", &file]);
        let key = desk.key("server");
        Running { desk, service, key }
    }

    fn ask(&self, server: &Server, path: &str, authorization: &str, body: Value) -> Value {
        let sent = ureq::post(&format!("{}{path}", server.url))
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .send(body.to_string());
        serde_json::from_str(&sent.unwrap().body_mut().read_to_string().unwrap()).unwrap()
    }

    fn meets(&self, server: &Server, user: &str, browsers: &[&str]) {
        let call = json!({ "userId": user, "traits": { "first_name": user, "locale": "de-AT" } });
        self.ask(server, "/v1/identify", &basic(&self.key), call);
        let token = self.ask(server, "/v1/in-app/token", &basic(&self.key), json!({ "userId": user }));
        let token = format!("Bearer {}", token["token"].as_str().unwrap());
        for name in browsers {
            let given = subscription(&Browser::called(name), &self.service.url(&format!("/{name}")));
            self.ask(server, "/v1/push/subscriptions", &token, json!({ "subscription": given }));
        }
    }

    fn does(&self, server: &Server, user: &str, event: &str) {
        self.ask(server, "/v1/track", &basic(&self.key), json!({ "userId": user, "event": event }));
    }

    fn outcomes(&self) -> Value {
        let sql = "SELECT outcome, because FROM messages ORDER BY decided_at";
        let ran = self.desk.run(&["query", sql, "--format", "json"]);
        assert_eq!(ran.status, 0, "{ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    }

    #[track_caller]
    fn last_becomes(&self, outcome: &str, because: Option<&str>) {
        let expected = json!({ "outcome": outcome, "because": because });
        let last = || self.outcomes().as_array().unwrap().last().cloned();
        assert!(until(PATIENCE, || last() == Some(expected.clone())), "{:?}", self.outcomes());
    }

    fn browsers(&self, user: &str) -> usize {
        self.desk.json(&["customers", "show", user])["browsers"].as_array().unwrap().len()
    }
}

#[test]
fn every_browser_opens_its_own_copy_and_a_click_is_counted() {
    let shop = Running::open();
    let server = Server::start(&shop.desk);
    shop.meets(&server, "ana", &["phone", "laptop"]);
    shop.does(&server, "ana", "Visited");
    shop.last_becomes("sent", None);
    let mut link = String::new();
    for name in ["phone", "laptop"] {
        let [heard] = &shop.service.heard(&format!("/{name}"))[..] else { panic!("one for {name}") };
        let said: Value = serde_json::from_slice(&Browser::called(name).open(&heard.body).unwrap()).unwrap();
        assert_eq!((&said["title"], &said["body"]), (&json!("ana, it is back"), &json!("Your tea is back")));
        assert_eq!(said["icon"], "https://tea.example/leaf.png");
        assert!(said["unsubscribe"].as_str().unwrap().starts_with(&format!("{}/u/", server.url)), "{said}");
        assert_eq!(said["unsubscribe_label"], "Abmelden", "in the customer's language");
        link = said["url"].as_str().unwrap().to_owned();
        assert_eq!(
            (heard.headers["urgency"].as_str(), heard.headers["content-encoding"].as_str()),
            ("low", "aes128gcm")
        );
        let ttl: u64 = heard.headers["ttl"].parse().unwrap();
        assert!((259_000..=259_200).contains(&ttl), "three days, as long as it may be held: {ttl}");
        assert!(heard.headers["authorization"].starts_with("vapid t="));
    }
    assert_ne!(shop.service.heard("/phone")[0].body, shop.service.heard("/laptop")[0].body);
    // A scanner that looks at the link counts for nothing; the page behind it tells when somebody is there.
    assert!(link.starts_with(&format!("{}/c/", server.url)), "{link}");
    let page = ureq::get(&link).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(page.contains("https://tea.example/back?a=1"), "{page}");
    let followed = || shop.desk.json(&["customers", "show", "ana"])["traits"]["followed"].clone();
    assert_eq!(followed(), Value::Null);
    // Whatever is no browser counts as a machine.
    ureq::post(&link).header("user-agent", "curl/8.5.0").send("").unwrap();
    ureq::post(&link).header("user-agent", CHROME).send("").unwrap();
    assert!(until(PATIENCE, || followed() == json!(true)), "campaigns can ask for it");

    shop.does(&server, "ana", "Warned");
    assert!(until(PATIENCE, || shop.service.heard("/phone").len() == 2));
    let alert = shop.service.heard("/phone")[1].clone();
    assert_eq!(alert.headers["urgency"], "high");
    assert!(alert.headers["ttl"].parse::<u64>().unwrap() <= 3_600, "until its deadline");
    let said: Value = serde_json::from_slice(&Browser::called("phone").open(&alert.body).unwrap()).unwrap();
    assert_eq!(said.get("unsubscribe"), None, "an alert is no offer: {said}");
}

#[test]
fn what_a_push_service_answers_decides_what_becomes_of_browser_and_message() {
    let shop = Running::open();
    let server = Server::start(&shop.desk);
    shop.meets(&server, "ana", &["phone", "old"]);
    shop.service.answers("/old", Some("410 Gone\r\n"));
    shop.does(&server, "ana", "Visited");
    shop.last_becomes("sent", None);
    assert!(until(PATIENCE, || shop.browsers("ana") == 1), "the one that is gone was taken off");
    shop.does(&server, "ana", "Visited");
    shop.last_becomes("sent", None);
    assert!(until(PATIENCE, || shop.service.heard("/phone").len() == 2));
    assert_eq!(shop.service.heard("/old").len(), 1, "it is not asked again");

    shop.service.answers("/phone", Some("413 Content Too Large\r\n"));
    shop.does(&server, "ana", "Visited");
    shop.last_becomes("failed", Some("rejected"));
    assert_eq!(shop.browsers("ana"), 1, "that says nothing of the browser");
    shop.service.answers("/phone", Some("429 Too Many Requests\r\nretry-after: 3600\r\n"));
    shop.does(&server, "ana", "Visited");
    shop.last_becomes("held", Some("put_off"));
    drop(server);

    let shop = Running::open();
    let server = Server::start(&shop.desk);
    shop.meets(&server, "ben", &["tablet"]);
    shop.service.answers("/tablet", Some("404 Not Found\r\n"));
    shop.does(&server, "ben", "Visited");
    shop.last_becomes("failed", Some("rejected"));
    assert!(until(PATIENCE, || shop.browsers("ben") == 0));
    shop.does(&server, "ben", "Visited");
    shop.last_becomes("skipped", Some("no_address"));
}

#[test]
fn an_offer_of_which_nobody_knows_is_not_repeated_after_a_kill_9() {
    let shop = Running::open();
    let server = Server::start(&shop.desk);
    shop.meets(&server, "ana", &["phone"]);
    shop.service.answers("/phone", None);
    shop.does(&server, "ana", "Visited");
    assert!(until(PATIENCE, || shop.service.heard("/phone").len() == 1));
    server.kill();
    shop.service.answers("/phone", Some("201 Created\r\n"));
    let server = Server::start(&shop.desk);
    shop.last_becomes("uncertain", Some("no_reply"));
    assert!(
        !until(Duration::from_millis(300), || shop.service.heard("/phone").len() > 1),
        "an offer is not sent twice"
    );
    drop(server);
}

#[test]
fn a_key_for_notifications_is_made_once_and_a_wrong_one_is_told_before_anything_starts() {
    let desk = Desk::new();
    let made = desk.json(&["push", "new"]);
    assert_eq!(made["public_key"].as_str().unwrap().len(), 87);
    let file = made["key_file"].as_str().unwrap();
    assert!(std::fs::read_to_string(file).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = desk.run(&["push", "new"]);
    assert!(again.status == 2 && again.err.contains("--key-file"), "{again:?}");
    let section = |key: &str, subject: &str| {
        format!("[messages.push]\nsend = \"web_push\"\nkey_file = {key:?}\nsubject = {subject:?}\n")
    };
    desk.file("no-key.pem", "no key");
    for (text, words) in [
        (section("no-key.pem", "mailto:hello@tea.example"), "no-key.pem: there is no private key"),
        (section("nowhere.pem", "mailto:hello@tea.example"), "nowhere.pem cannot be read"),
        (section("", "mailto:hello@tea.example"), "perennial push new"),
        (section(file, "hello@tea.example"), "messages.push.subject"),
        (
            section(file, "mailto:hello@tea.example").replace("push", "sms").replace("web_sms", "web_push"),
            "for [messages.push] only",
        ),
    ] {
        desk.file("perennial.toml", &text);
        let checked = desk.run(&["config", "check"]);
        assert!(checked.status != 0 && checked.err.contains(words), "{words}: {checked:?}");
    }
    // A shop that moves here brings the key of its browsers as the other system printed it.
    let brought = desk.file("brought.txt", "Public Key:\nBNo4MIgc1LdQuyBid57KgbFqtTP7E0n6-n7uxN-9c9mrA722O3LMHBOwqfL1A9hPgZHxVZet5B9YpW9TODr5mZU\n\nPrivate Key:\n3tGXbKWK-vevvNkLhmRF2pDma4R41A1RLOhEn_wfopw\n");
    desk.file("perennial.toml", &section(&brought, "mailto:hello@tea.example"));
    assert!(desk.json(&["push", "key"])["public_key"].as_str().unwrap().starts_with("BNo4MIgc1LdQ"));
    desk.file("perennial.toml", &section(file, "https://tea.example/contact"));
    assert_eq!(desk.run(&["config", "check"]).status, 0);
    assert_eq!(desk.json(&["push", "key"])["public_key"], made["public_key"]);
}
