//! A campaign tells another system, over a real socket.

use crate::house::basic;
use crate::process::{Desk, Server, until};
use channels::SigningSecrets;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECRETS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as a system heard it.
#[derive(Clone, Debug)]
struct Heard {
    id: String,
    at_s: i64,
    signature: String,
    body: Vec<u8>,
}

/// A system that hears webhooks. It answers what it is told to, or nothing.
struct System {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    answer: Arc<Mutex<Option<&'static str>>>,
}

impl System {
    fn open(answer: Option<&'static str>) -> System {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let system = System { port, heard: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let (heard, answer) = (system.heard.clone(), system.answer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, answer) = (heard.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &heard, &answer));
            }
        });
        system
    }

    fn answers(&self, status: &'static str) {
        *self.answer.lock().unwrap() = Some(status);
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn config(&self, desk: &Desk) {
        desk.file(
            "perennial.toml",
            &format!(
                "[outward]\nallow = [\"127.0.0.1\"]\nplain_http = [\"127.0.0.1\"]\n\
                 [webhooks.erp]\nurl = \"http://127.0.0.1:{}/hooks\"\nsecrets = {SECRETS:?}\n",
                self.port
            ),
        );
    }
}

fn serve(stream: TcpStream, heard: &Mutex<Vec<Heard>>, answer: &Mutex<Option<&'static str>>) {
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        // Whoever was killed says nothing more.
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value).to_owned();
    let mut body = vec![0; header("content-length").parse().unwrap()];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    heard.lock().unwrap().push(Heard {
        id: header("webhook-id"),
        at_s: header("webhook-timestamp").parse().unwrap(),
        signature: header("webhook-signature"),
        body,
    });
    let said = *answer.lock().unwrap();
    match said {
        Some(status) => {
            let _ = write!(reader.get_mut(), "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        }
        // Silent until the other side is gone.
        None => drop(reader.read(&mut [0])),
    }
}

fn campaign(endpoint: &str) -> String {
    format!(
        "campaign: promo\nenter: {{ on: {{ did: Promo Asked }} }}\n\
         steps: [ {{ webhook: {{ url_of: {endpoint}, event: promo.granted }} }} ]\n"
    )
}

fn ana_asks(server: &Server, key: &str) {
    let call = json!({ "userId": "ana", "event": "Promo Asked", "properties": { "shelf": "oolong" } });
    let sent = ureq::post(&format!("{}/v1/track", server.url))
        .header("authorization", &basic(key))
        .header("content-type", "application/json")
        .send(call.to_string());
    assert_eq!(sent.unwrap().status(), 200);
}

fn row(desk: &Desk) -> Value {
    let ran = desk.run(&["query", "SELECT state, attempts, reply FROM webhooks", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let rows: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    rows[0].clone()
}

#[test]
fn a_system_is_told_again_with_the_same_id_after_a_kill_9_in_the_middle() {
    let (desk, system) = (Desk::new(), System::open(None));
    system.config(&desk);
    let key = desk.key("server");
    let file = desk.file("campaign.yaml", &campaign("erp"));
    desk.json(&["apply", &file]);
    let server = Server::start(&desk);
    ana_asks(&server, &key);
    assert!(until(PATIENCE, || system.heard().len() == 1), "it hears of it");
    server.kill();

    system.answers("204 No Content");
    let server = Server::start(&desk);
    assert!(until(PATIENCE, || system.heard().len() == 2), "and again, since nobody knows whether it understood");
    assert!(until(PATIENCE, || row(&desk)["state"] == "done"), "{}", row(&desk));
    assert_eq!(row(&desk), json!({ "state": "done", "attempts": 2, "reply": "answered 204" }));
    assert_eq!(server.stop(), 0);

    let [first, second] = &system.heard()[..] else { panic!("twice") };
    assert_eq!((&first.id, &first.body), (&second.id, &second.body), "the same id and bytes");
    assert!(first.id.starts_with("wh_") && first.at_s <= second.at_s);
    let secrets = SigningSecrets::read(&SECRETS).unwrap();
    for heard in [first, second] {
        assert_eq!(heard.signature, secrets.sign(&heard.id, heard.at_s, &heard.body), "both secrets sign");
    }
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["customer"]["id"]), (&json!("promo.granted"), &json!("ana")));
    assert_eq!(body["data"]["event"]["shelf"], "oolong");
    let server = Server::start(&desk);
    assert!(
        !until(Duration::from_millis(300), || system.heard().len() > 2),
        "what it understood it does not hear again"
    );
    drop(server);
}

#[test]
fn a_campaign_that_tells_nobody_who_is_configured_is_refused_where_something_is_sent() {
    let (desk, system) = (Desk::new(), System::open(Some("204 No Content")));
    let file = desk.file("campaign.yaml", &campaign("epr"));
    let planned = desk.json(&["plan", &file]);
    assert!(planned.to_string().contains("webhooks to `epr` are kept here"), "{planned}");
    system.config(&desk);
    let ran = desk.run(&["apply", &file]);
    assert_ne!(ran.status, 0);
    let told = format!("{}{}", ran.out, ran.err);
    for words in ["steps[0].webhook.url_of", "no endpoint `epr` is configured", "`erp`", "[webhooks.epr]"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_configuration_that_leads_inside_is_refused_before_anything_is_sent() {
    let desk = Desk::new();
    let check = |section: &str| {
        desk.file("perennial.toml", section);
        desk.run(&["config", "check"])
    };
    let endpoint = |url: &str, secret: &str| format!("[webhooks.erp]\nurl = \"{url}\"\nsecrets = [\"{secret}\"]\n");
    assert_eq!(check(&endpoint("https://erp.example/hooks", SECRETS[0])).status, 0);
    for (section, words) in [
        (endpoint("https://169.254.169.254/", SECRETS[0]), "webhooks.erp.url"),
        (endpoint("https://2130706433/", SECRETS[0]), "is this machine"),
        (endpoint("http://erp.example/", SECRETS[0]), "outward.plain_http"),
        (endpoint("https://user:pass@erp.example/", SECRETS[0]), "before the `@`"),
        (endpoint("https://erp.example/", "hunter2"), "whsec_"),
        ("[webhooks.ERP]\nurl = \"https://erp.example/\"\n".to_owned(), "cannot be named so"),
        ("[webhooks.erp]\nurl = \"https://erp.example/\"\n".to_owned(), "has no secret"),
        ("[outward]\nallow = [\"10.0.0.0/40\"]\n".to_owned(), "10.0.0.0/40"),
    ] {
        let ran = check(&section);
        let told = format!("{}{}", ran.out, ran.err);
        assert!(ran.status != 0 && told.contains(words), "{section}: {ran:?}");
        assert!(!told.contains("hunter2") && !told.contains("user:pass"), "secrets are not repeated: {told}");
    }
}

const TEXTS: &str = "
purpose: marketing
default: granted
---
template: text
channel: sms
body: Tea is back
---
campaign: text
enter: { on: { did: Promo Asked }, again: always }
steps: [ { message: text } ]
";

fn outcomes(desk: &Desk) -> Value {
    let ran = desk.run(&["query", "SELECT outcome, because FROM messages ORDER BY decided_at", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_text_goes_to_its_provider_and_one_of_which_nobody_knows_is_never_repeated() {
    let (desk, system) = (Desk::new(), System::open(Some("202 Accepted")));
    desk.file(
        "perennial.toml",
        &format!(
            "[outward]\nallow = [\"127.0.0.1\"]\nplain_http = [\"127.0.0.1\"]\n\
             [messages.sms]\nsend = \"signed\"\nurl = \"http://127.0.0.1:{}/texts\"\nsecrets = {SECRETS:?}\n",
            system.port
        ),
    );
    let key = desk.key("server");
    let file = desk.file("texts.yaml", TEXTS);
    desk.json(&["apply", &file]);
    let server = Server::start(&desk);
    let known = ureq::post(&format!("{}/v1/identify", server.url))
        .header("authorization", &basic(&key))
        .header("content-type", "application/json")
        .send(json!({ "userId": "ana", "traits": { "phone": "+44 7700 900123" } }).to_string());
    assert_eq!(known.unwrap().status(), 200);
    ana_asks(&server, &key);
    assert!(
        until(PATIENCE, || outcomes(&desk) == json!([{ "outcome": "sent", "because": null }])),
        "{}",
        outcomes(&desk)
    );
    let first = system.heard()[0].clone();
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    assert_eq!((&body["type"], &body["data"]["to"]), (&json!("message.send"), &json!("+447700900123")));
    assert_eq!((&body["data"]["text"], &body["data"]["purpose"]), (&json!("Tea is back"), &json!("marketing")));
    assert_eq!(body["data"]["id"], json!(first.id), "the message's own id");
    assert_eq!(first.signature, SigningSecrets::read(&SECRETS).unwrap().sign(&first.id, first.at_s, &first.body));

    // It takes the next one, and we die before it answers.
    *system.answer.lock().unwrap() = None;
    ana_asks(&server, &key);
    assert!(until(PATIENCE, || system.heard().len() == 2));
    server.kill();
    system.answers("202 Accepted");
    let server = Server::start(&desk);
    let expected = json!([{ "outcome": "sent", "because": null }, { "outcome": "uncertain", "because": "no_reply" }]);
    assert!(until(PATIENCE, || outcomes(&desk) == expected), "{}", outcomes(&desk));
    assert!(!until(Duration::from_millis(300), || system.heard().len() > 2), "an offer is not sent twice");
    drop(server);
}

#[test]
fn a_provider_that_hangs_holds_up_no_other_way_out() {
    let (desk, texts, erp) = (Desk::new(), System::open(None), System::open(Some("204 No Content")));
    desk.file(
        "perennial.toml",
        &format!(
            "[outward]\nallow = [\"127.0.0.1\"]\nplain_http = [\"127.0.0.1\"]\n\
             [messages.sms]\nsend = \"signed\"\nurl = \"http://127.0.0.1:{}/texts\"\nsecrets = {SECRETS:?}\n\
             [messages.push]\nsend = \"signed\"\nurl = \"http://127.0.0.1:{}/push\"\nsecrets = {SECRETS:?}\n\
             [webhooks.erp]\nurl = \"http://127.0.0.1:{}/hooks\"\nsecrets = {SECRETS:?}\n\
             [webhooks.slow]\nurl = \"http://127.0.0.1:{}/hooks\"\nsecrets = {SECRETS:?}\n",
            texts.port, erp.port, erp.port, texts.port
        ),
    );
    let key = desk.key("server");
    let push = "template: note\nchannel: push\nbody: Tea is back\n---\ncampaign: note\n\
        enter: { on: { did: Promo Asked }, again: always }\nsteps: [ { message: note } ]\n";
    let slow = campaign("slow").replace("campaign: promo", "campaign: slow");
    let all = format!("{TEXTS}---\n{push}---\n{}---\n{slow}", campaign("erp"));
    let file = desk.file("all.yaml", &all);
    desk.json(&["apply", &file]);
    let server = Server::start(&desk);
    // More than may be on their way at a time, on a channel and at an endpoint.
    let calls: Vec<Value> = (0..30)
        .flat_map(|number| {
            let who = format!("u{number}");
            let phone = format!("+447700900{number:03}");
            [
                json!({ "type": "identify", "userId": who, "traits": { "phone": phone } }),
                json!({ "type": "track", "userId": who, "event": "Promo Asked" }),
            ]
        })
        .collect();
    let sent = ureq::post(&format!("{}/v1/batch", server.url))
        .header("authorization", &basic(&key))
        .header("content-type", "application/json")
        .send(json!({ "batch": calls }).to_string());
    assert_eq!(sent.unwrap().status(), 200);
    // 30 webhooks and 30 notes arrive while all that was meant for the others hangs.
    assert!(until(PATIENCE, || erp.heard().len() == 60), "{}", erp.heard().len());
    assert!(until(PATIENCE, || texts.heard().len() >= 24), "20 texts and 4 webhooks hang: {}", texts.heard().len());
    server.kill();
}
