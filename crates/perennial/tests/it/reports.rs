//! Mails that come back: a bounce closes the address, a complaint ends marketing, and what nobody can prove changes nothing.

use crate::house::{Answer, House, basic};
use crate::process::Desk;
use axum::body::Body;
use axum::http::Request;
use domain::MessageId;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use store::{MessageFilter, Page};

const SHOP: &str = "
workspace: settings
sender: { name: The Tea House, address: hello@tea.example, postal_address: '1 Leaf Lane, London' }
---
purpose: marketing
default: granted
channels: [email]
---
template: hello
channel: email
subject: Hello {{ customer.first_name }}
body: Hello {{ customer.first_name }}
---
segment: invited
where: { trait: invited, is: true }
---
segment: bounced
where: { did: Email Bounced, where: { bounce: { is: hard } } }
---
campaign: welcome
enter: { on: { enters: invited } }
steps: [ { id: hello, message: hello } ]
---
campaign: alert
purpose: service
enter: { on: { did: Pass Ending }, again: always }
steps: [ { id: hello, message: hello } ]
";

fn notice(to: &str, status: &str, mail_id: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; somebody@else.example\r\nAction: failed\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 550 no such user\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Message-ID: <{mail_id}>\r\n\r\n--b--\r\n"
    )
}

fn complaint(mail_id: &str) -> String {
    format!(
        "From: abuse@provider.example\r\nSubject: FW\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n--b\r\n\
         Content-Type: message/rfc822\r\n\r\nMessage-ID: <{mail_id}>\r\n\r\nHello\r\n--b--\r\n"
    )
}

struct Shop {
    house: House,
    key: String,
}

impl Shop {
    /// A shop that wrote to Ana and Ben.
    fn new() -> Shop {
        let house = House::new();
        let key = house.key("server");
        house.define(SHOP);
        for name in ["ana", "ben"] {
            let traits = json!({ "email": format!("{name}@example.com"), "first_name": name, "invited": true });
            house.call(&key, json!({ "type": "identify", "userId": name, "traits": traits })).assert_success();
        }
        Shop { house, key }
    }

    fn message_to(&self, name: &str) -> MessageId {
        let page = Page { skip: 0, limit: 10 };
        let messages = self.house.look(|reader| reader.messages(&MessageFilter::default(), page).unwrap());
        let to = format!("{name}@example.com");
        messages.into_iter().find(|it| it.written.as_ref().is_some_and(|written| written.to == to)).unwrap().id
    }

    fn mail_id(&self, name: &str) -> String {
        format!("{}@tea.example", self.message_to(name))
    }

    /// The return path that the mail to somebody has.
    fn return_path(&self, name: &str) -> String {
        let token = self.house.open().handle().read().signer().return_token(&self.message_to(name)).unwrap();
        format!("bounces+{token}@tea.example")
    }

    fn post(&self, path: &str, authorization: &str, mail: &str) -> Answer {
        let request =
            Request::post(path).header("authorization", authorization).header("content-type", "message/rfc822");
        self.house.ask(request.body(Body::from(mail.to_owned())).unwrap())
    }

    #[track_caller]
    fn take(&self, mail: &str) -> Value {
        let answer = self.post("/api/reports", &format!("Bearer {}", self.house.open().app.token), mail);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn customer(&self, name: &str) -> Value {
        self.house.get(&format!("/api/customers/{name}"))
    }

    /// The outcome of an alert that falls due now.
    fn alert(&self, name: &str) -> Value {
        let call = json!({ "type": "track", "userId": name, "event": "Pass Ending", "properties": {} });
        self.house.call(&self.key, call).assert_success();
        let decisions = self.house.get(&format!("/api/decisions?customer={name}&campaign=alert"));
        decisions.as_array().unwrap().last().unwrap().clone()
    }
}

#[test]
fn a_hard_bounce_closes_the_address_for_everything_and_is_told_wherever_one_looks() {
    let shop = Shop::new();
    let taken = shop.take(&notice(&shop.return_path("ana"), "5.1.1", "nothing@else.example"));
    assert_eq!(
        (&taken["kind"], &taken["customer"], &taken["known"]),
        (&json!("hard_bounce"), &json!("ana"), &json!(false))
    );
    assert_eq!(shop.customer("ana")["suppression"]["address"], "ana@example.com", "not the one that the report names");
    let bounced = shop.house.events("ana", "Email Bounced");
    assert_eq!(bounced.len(), 1, "{bounced:?}");
    assert_eq!(shop.house.get("/api/segments/bounced/count")["count"], 1);
    assert_eq!(shop.alert("ana")["because"], "suppressed");
    assert_eq!(shop.alert("ben")["outcome"], "sent", "nobody else");
    let listed = shop.house.get("/api/reports");
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["status"]), (1, &json!("5.1.1")));
    let handle = shop.house.open().handle();
    let report =
        handle.with_reader(|reader| Ok(handle.read().message(reader, &shop.message_to("ana").0).unwrap())).unwrap();
    assert_eq!(report.reports.len(), 1, "it stands in the message's own ledger");
    assert_eq!(report.row.outcome, Some(domain::message::Outcome::Sent), "what was sent stays sent");

    // And in SQL, beside what is of no mail of ours and what a provider told by an event.
    shop.take(&notice("hello@tea.example", "5.7.1", "nothing@else.example"));
    let told = json!({ "message_id": shop.message_to("ben").to_string() });
    let call = json!({ "type": "track", "userId": "ben", "event": "Email Marked as Spam", "properties": told });
    shop.house.call(&shop.key, call).assert_success();
    let ask = |sql: &str| {
        shop.house.manage(axum::http::Method::POST, "/api/query", Some(json!({ "sql": sql })))["rows"].clone()
    };
    let both = "SELECT kind, customer, status, words, message IS NULL FROM reports ORDER BY time, report";
    let rows = ask(both);
    let found = |row: Value| assert!(rows.as_array().unwrap().contains(&row), "{row} in {rows}");
    found(json!(["hard_bounce", "ana", "5.1.1", "550 no such user", "false"]));
    found(json!(["soft_bounce", null, "5.7.1", "550 no such user", "true"]));
    found(json!(["complaint", "ben", null, "told by an event", "false"]));
    let joined = "SELECT m.customer FROM reports r JOIN messages m ON m.message = r.message WHERE r.kind = 'complaint'";
    assert_eq!(ask(joined), json!([["ben"]]));
}

#[test]
fn the_same_report_twice_is_one_and_so_is_another_server_that_says_the_same() {
    let shop = Shop::new();
    let mail = notice(&shop.return_path("ana"), "5.2.2", &shop.mail_id("ana"));
    assert_eq!(shop.take(&mail)["known"], false);
    assert_eq!(shop.take(&mail)["known"], true);
    let again = shop.take(&mail.replace("mx.example", "mx2.example"));
    assert_eq!((&again["known"], &again["kind"]), (&json!(false), &json!("soft_bounce")));
    assert_eq!(shop.house.events("ana", "Email Bounced").len(), 1);
    assert!(shop.customer("ana")["suppression"].is_null(), "a full mailbox empties again");
    assert_eq!(shop.house.get("/api/segments/bounced/count")["count"], 0);
    assert_eq!(shop.alert("ana")["outcome"], "sent");
}

#[test]
fn who_complained_gets_no_more_marketing_but_the_alerts() {
    let shop = Shop::new();
    let taken = shop.take(&complaint(&shop.mail_id("ben")));
    assert_eq!((&taken["kind"], &taken["customer"]), (&json!("complaint"), &json!("ben")));
    let consent = shop.customer("ben")["consent"].as_array().unwrap().clone();
    assert!(consent.iter().any(|one| one["purpose"] == "marketing" && one["status"] == "withdrawn"), "{consent:?}");
    assert_eq!(shop.house.events("ben", "Email Marked as Spam").len(), 1);
    assert_eq!(shop.alert("ben")["outcome"], "sent");
    assert!(shop.customer("ana")["suppression"].is_null());
}

#[test]
fn nobody_closes_the_address_of_another_with_a_made_up_report() {
    let shop = Shop::new();
    let token = shop.return_path("ana");
    let mut forged = token.clone().into_bytes();
    let last = token.find('@').unwrap() - 1;
    forged[last] = if forged[last] == b'a' { b'b' } else { b'a' };
    for (to, id) in [
        (String::from_utf8(forged).unwrap(), "nothing@tea.example".to_owned()),
        ("bounces@tea.example".to_owned(), "ana@example.com".to_owned()),
        ("bounces+@tea.example".to_owned(), format!("m_{}@tea.example", "a".repeat(26))),
        ("hello@tea.example".to_owned(), String::new()),
    ] {
        let mail = notice(&to, "5.1.1", &id).replace("somebody@else.example", "ana@example.com");
        let taken = shop.take(&mail);
        assert_eq!((&taken["message"], &taken["customer"]), (&Value::Null, &Value::Null), "{to} {id}");
    }
    assert!(shop.customer("ana")["suppression"].is_null());
    assert!(shop.house.events("ana", "Email Bounced").is_empty());
    let kept = shop.house.get("/api/reports?unmatched=true");
    assert_eq!(kept.as_array().unwrap().len(), 4, "they are kept to look at: {kept}");
}

#[test]
fn the_door_for_providers_opens_to_server_keys_only_and_is_bounded() {
    let shop = Shop::new();
    let mail = notice(&shop.return_path("ana"), "5.1.1", "x@y.example");
    let browser = shop.house.key("browser");
    for key in ["Bearer nonsense".to_owned(), basic(&browser), basic("sk_nobody_x")] {
        let answer = shop.post("/v1/reports", &key, &mail);
        assert_eq!(answer.status, 401, "{key}: {}", answer.text());
    }
    assert!(shop.customer("ana")["suppression"].is_null());
    let large = "x".repeat(channels::MAX_REPORT_OCTETS + 1);
    assert_eq!(shop.post("/v1/reports", &basic(&shop.key), &large).status, 413);
    assert_eq!(shop.post("/v1/reports", &basic(&shop.key), "").status, 400);
    let answer = shop.post("/v1/reports", &basic(&shop.key), &mail);
    assert_eq!((answer.status, &answer.json()["kind"]), (200, &json!("hard_bounce")), "{}", answer.text());
}

#[test]
fn a_mail_server_hands_them_to_the_command_and_a_folder_is_emptied() {
    let desk = Desk::new();
    let shop = desk.file("shop.yaml", SHOP);
    assert_eq!(desk.run(&["apply", &shop]).status, 0);
    let mut child = desk.command(&["--json", "bounce"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(notice("bounces@tea.example", "5.1.1", "x@y").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let taken: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &taken["kind"]), (Some(0), &json!("hard_bounce")));
    assert_eq!(desk.run(&["bounce"]).status, 2, "nothing on standard input");
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(desk.path("mails").join(folder)).unwrap();
    }
    let maildir = desk.path("mails");
    std::fs::write(maildir.join("new/1.host"), complaint("x@y")).unwrap();
    std::fs::write(maildir.join("new/2.host"), "").unwrap();
    let maildir = maildir.to_str().unwrap();
    let taken = desk.json(&["bounce", "--maildir", maildir]);
    assert_eq!((taken.as_array().unwrap().len(), &taken[0]["kind"]), (1, &json!("complaint")), "{taken}");
    assert_eq!(desk.json(&["bounce", "--maildir", maildir]), json!([]), "each is taken once");
    assert!(desk.path("mails/cur/1.host:2,S").exists() && desk.path("mails/cur/2.host:2,S").exists());
    assert_eq!(desk.json(&["bounce", "--unmatched"]).as_array().unwrap().len(), 2);
    assert_eq!(desk.run(&["bounce", "--maildir", "nowhere"]).status, 3);
}
