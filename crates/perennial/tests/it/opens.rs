//! Who opened a mail and followed its links: people, and apart from them the machines that look at every mail.

use crate::house::{Answer, House};
use crate::letters::BROWSER;
use axum::body::Body;
use axum::http::Request;
use domain::{MessageId, Span};
use serde_json::{Value, json};
use std::time::Duration;
use store::{MessageFilter, Page};

const SHOP: &str = "
workspace: settings
sender: { name: The Tea House, address: hello@tea.example, postal_address: '1 Leaf Lane, London' }
---
purpose: marketing
default: granted
channels: [email]
---
template: three-teas
subject: Three teas
body: |
  <p><a href=\"https://tea.example/1\">one</a> <a href=\"https://tea.example/2\">two</a> <a href=\"https://tea.example/3\">three</a></p>
---
segment: invited
where: { trait: invited, is: true }
---
segment: readers
where: { did: Email *, within: 30d }
---
campaign: teas
enter: { on: { enters: invited } }
steps:
  - message: three-teas
  - wait: { until: { did: Email Link Clicked }, at_most: 2d }
  - branch:
      - { if: { did: Email Link Clicked }, then: [ { set: { trait: asked_for_it, to: true } } ] }
      - { else: [ { set: { trait: asked_for_it, to: false } } ] }
";
const APPLE: &str = "Mozilla/5.0";
const GMAIL: &str = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";

struct Scene {
    house: House,
    message: MessageId,
    links: Vec<String>,
}

/// A shop that counts opens and wrote to Ana just now.
fn a_mail_to_ana() -> Scene {
    let house = House::with(|config| config.email.count_opens = true);
    let key = house.key("server");
    house.define(SHOP);
    let traits = json!({ "email": "ana@example.com", "invited": true });
    house.call(&key, json!({ "type": "identify", "userId": "ana", "traits": traits })).assert_success();
    let message = house
        .look(|reader| reader.messages(&MessageFilter::default(), Page { skip: 0, limit: 10 }).unwrap())
        .pop()
        .unwrap();
    let html = message.written.unwrap().html.clone().unwrap();
    let links = html.split("http://127.0.0.1:7700").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let links: Vec<String> = links.filter(|link| link.starts_with("/c/")).collect();
    assert_eq!(links.len(), 3, "{html}");
    assert!(!html.contains("/o/"), "what pages show has no picture that counts: {html}");
    Scene { house, message: message.id, links }
}

impl Scene {
    fn picture(&self) -> String {
        format!("/o/{}.gif", self.house.open().handle().read().signer().open_token(&self.message))
    }

    fn asks(&self, method: &str, path: &str, agent: &str) -> Answer {
        self.house.ask(request(method, path, agent))
    }

    fn count(&self, event: &str) -> usize {
        self.house.events("ana", event).len()
    }

    fn asked_for_it(&self) -> Value {
        self.house.get("/api/customers/ana")["traits"]["asked_for_it"].clone()
    }
}

fn request(method: &str, path: &str, agent: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).header("user-agent", agent).body(Body::empty()).unwrap()
}

#[test]
fn a_scanner_that_follows_every_link_at_delivery_is_nobody_who_asked_for_it() {
    let scene = a_mail_to_ana();
    // Within two seconds after the server took the mail: looked at, then run as a browser would.
    for link in &scene.links {
        for method in ["HEAD", "GET", "POST"] {
            assert!(scene.asks(method, link, BROWSER).status < 300, "{method} {link}");
        }
    }
    assert_eq!((scene.count("Email Link Clicked"), scene.count("Machine Clicked Email Link")), (0, 3));
    let machine = &scene.house.events("ana", "Machine Clicked Email Link")[0]["properties"];
    assert_eq!((&machine["machine"], &machine["because"]), (&json!(true), &json!("too_soon")));
    assert_eq!(machine["message_id"], json!(scene.message.to_string()));
    assert_eq!(scene.asked_for_it(), json!(null), "Ana waits on");
    assert!(scene.house.get("/api/segments/readers/members")["members"].as_array().unwrap().is_empty());

    scene.house.pass(Span::hours(1));
    assert_eq!(scene.asks("POST", &scene.links[1], BROWSER).status, 204);
    assert_eq!((scene.count("Email Link Clicked"), scene.count("Machine Clicked Email Link")), (1, 3));
    assert_eq!(scene.asked_for_it(), json!(true));
    assert_eq!(scene.house.get("/api/segments/readers/members")["members"].as_array().unwrap().len(), 1);

    let numbers = json!({ "opened": 0, "clicked": 1, "machine_opened": 0, "machine_clicked": 1 });
    assert_eq!(scene.house.get("/api/campaigns/teas")["reactions"], numbers, "one message, however many links");
    let campaign = scene.house.page("/campaigns/teas").text();
    assert!(campaign.contains("Clicked by people") && campaign.contains("Clicked by machines"), "{campaign}");
    assert!(!campaign.contains("Opened by"), "what never happened has no row");
    let message = scene.house.page(&format!("/messages/{}", scene.message)).text();
    assert!(message.contains("Followed a link") && message.contains("not counted as a person"), "{message}");
    let customer = scene.house.page("/customers/ana").text();
    assert!(customer.contains("sooner after the mail was delivered than a person can"), "{customer}");
    assert!(customer.contains("class=\"faint\">A machine followed a link"), "{customer}");
}

#[test]
fn a_scanner_that_comes_later_is_told_by_following_all_links_at_once() {
    let scene = a_mail_to_ana();
    scene.house.open().app.followed.set_patience(Duration::from_millis(400));
    scene.house.pass(Span::minutes(30));
    let answers = scene.house.ask_together(scene.links.iter().map(|link| request("POST", link, BROWSER)).collect());
    assert!(answers.iter().all(|answer| answer.status == 204), "{answers:?}");
    assert_eq!((scene.count("Email Link Clicked"), scene.count("Machine Clicked Email Link")), (0, 3));
    let machines = scene.house.events("ana", "Machine Clicked Email Link");
    assert!(machines.iter().all(|machine| machine["properties"]["because"] == "links_together"), "{machines:?}");
    assert_eq!(scene.asked_for_it(), json!(null));
}

#[test]
fn an_open_counts_when_a_person_looks_and_is_told_apart_when_a_machine_fetches_it() {
    let scene = a_mail_to_ana();
    let picture = scene.picture();
    scene.house.pass(Span(10_000));
    let answer = scene.asks("GET", &picture, APPLE);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/gif")));
    assert!(answer.body.starts_with(b"GIF89a") && answer.body.len() < 64, "{:?}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("set-cookie").is_none());
    assert_eq!((scene.count("Email Opened"), scene.count("Machine Opened Email")), (0, 1));
    assert_eq!(scene.asks("HEAD", &picture, BROWSER).status, 200);
    assert_eq!(scene.count("Email Opened"), 0, "asked for and not fetched is not opened");
    assert!(scene.house.get("/api/segments/readers/members")["members"].as_array().unwrap().is_empty());

    scene.house.pass(Span::hours(3));
    for _ in 0..5 {
        assert_eq!(scene.asks("GET", &picture, GMAIL).status, 200);
    }
    assert_eq!(scene.count("Email Opened"), 1, "looked at again at once, it is one open");
    scene.house.pass(Span::hours(2));
    scene.asks("GET", &picture, GMAIL);
    assert_eq!((scene.count("Email Opened"), scene.count("Machine Opened Email")), (2, 1));
    scene.house.pass(Span::days(61));
    assert_eq!(scene.asks("GET", &picture, GMAIL).status, 200);
    assert_eq!(scene.count("Email Opened"), 2, "after two months it is a program that looks for pictures");

    let numbers = scene.house.get("/api/campaigns/teas")["reactions"].clone();
    assert_eq!(numbers, json!({ "opened": 1, "clicked": 0, "machine_opened": 1, "machine_clicked": 0 }));
    let rows = |sql: &str| scene.house.manage(axum::http::Method::POST, "/api/query", Some(json!({ "sql": sql })));
    let by_sql = rows("SELECT kind, done_by, times FROM reactions ORDER BY done_by DESC");
    assert_eq!(by_sql["rows"], json!([["opened", "person", "2"], ["opened", "machine", "1"]]));

    // Made up, cut off, or made for something else, it is no picture and counts nothing.
    let signer = scene.house.open().handle().read().signer();
    for token in ["x".to_owned(), picture[3..20].to_owned(), signer.view_token(&scene.message)] {
        assert_eq!(scene.asks("GET", &format!("/o/{token}.gif"), BROWSER).status, 404, "{token}");
    }
}

#[test]
fn marketing_mail_carries_the_picture_only_where_opens_are_counted_and_alerts_never() {
    for (counts, purpose, carries) in [(true, "marketing", true), (false, "marketing", false), (true, "service", false)]
    {
        let house = House::with(|config| config.email.count_opens = counts);
        let key = house.key("server");
        house.define(&SHOP.replace("campaign: teas", &format!("campaign: teas\npurpose: {purpose}")));
        let traits = json!({ "email": "ana@example.com", "invited": true });
        house.call(&key, json!({ "type": "identify", "userId": "ana", "traits": traits })).assert_success();
        let message = house
            .look(|reader| reader.messages(&MessageFilter::default(), Page { skip: 0, limit: 10 }).unwrap())
            .pop()
            .unwrap();
        let (mail, picture) = {
            let engine = house.open().handle().read();
            let report = house.look(|reader| engine.message(reader, &message.id.0).unwrap());
            let order = report.order().unwrap();
            let sender = engine.definitions().settings.sender.clone().unwrap();
            let picture = engine.open_url(&order);
            let (_, mail) =
                perennial::post::write(&order, &sender, "http://127.0.0.1:7700", picture.as_deref()).unwrap();
            (String::from_utf8(mail.as_bytes().to_vec()).unwrap().replace("=\r\n", ""), picture)
        };
        assert_eq!(picture.is_some(), carries, "{purpose} {counts}");
        assert_eq!(mail.contains("/o/") && mail.contains(".gif"), carries, "{mail}");
        if carries {
            let at = mail.find("/o/").unwrap();
            assert!(mail[at..].contains("</body>"), "it stands inside the page: {mail}");
        }
        // Somebody has a link from a time when opens were counted: the picture comes, and nothing is counted.
        if !counts {
            let token = house.open().handle().read().signer().open_token(&message.id);
            house.pass(Span::hours(1));
            assert_eq!(house.ask(request("GET", &format!("/o/{token}.gif"), BROWSER)).status, 200);
            assert!(house.events("ana", "Email Opened").is_empty());
        }
    }
}

#[test]
fn what_a_provider_says_of_machines_is_believed_from_a_server_and_from_no_browser() {
    let scene = a_mail_to_ana();
    let (server, browser) = (scene.house.key("server"), scene.house.key("browser"));
    let opened = |properties: Value| json!({ "type": "track", "userId": "ana", "event": "Email Opened", "properties": properties });
    let id = scene.message.to_string();
    for properties in [
        json!({ "message_id": id, "sg_machine_open": true }),
        json!({ "message_id": id, "useragent": APPLE }),
        json!({ "message_id": id, "useragent": GMAIL }),
    ] {
        scene.house.call(&server, opened(properties)).assert_success();
    }
    assert_eq!((scene.count("Email Opened"), scene.count("Machine Opened Email")), (1, 2));
    let numbers = json!({ "opened": 1, "clicked": 0, "machine_opened": 1, "machine_clicked": 0 });
    assert_eq!(scene.house.get("/api/campaigns/teas")["reactions"], numbers);
    for event in ["Email Opened", "Machine Opened Email", "Machine Clicked Email Link"] {
        let forged = json!({ "type": "track", "userId": "ana", "event": event, "properties": { "message_id": id } });
        scene.house.call(&browser, forged);
    }
    assert_eq!((scene.count("Email Opened"), scene.count("Machine Opened Email")), (1, 2));
}

#[test]
fn the_links_of_somebody_who_was_erased_lead_nowhere_and_make_nobody_new() {
    let scene = a_mail_to_ana();
    let message = scene.house.look(|reader| reader.message(&scene.message).unwrap()).unwrap().0;
    let unsubscribe = message.written.unwrap().unsubscribe_path.clone();
    let view = format!("/v/{}", scene.house.open().handle().read().signer().view_token(&scene.message));
    scene.house.pass(Span::hours(1));
    scene.house.manage(axum::http::Method::POST, "/api/customers/ana/erase", None);
    for (method, path) in [
        ("POST", &scene.links[0]),
        ("GET", &scene.picture()),
        ("GET", &view),
        ("GET", &unsubscribe),
        ("POST", &unsubscribe),
    ] {
        assert_eq!(scene.asks(method, path, BROWSER).status, 404, "{method} {path}");
    }
    assert_eq!(scene.house.get("/api/customers?find=")["total"], 0, "nobody came of it");
}
