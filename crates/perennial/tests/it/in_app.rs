//! Messages in the shop's own pages: whose they are, what becomes of them, and what a stranger gets.

use crate::house::{Answer, House};
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use serde_json::{Value, json};

const SHOP: &str = "
purpose: marketing
default: granted
---
template: note
channel: in_app
subject: Hello {{ customer.first_name }}
body: 'Your **voucher** waits: [see](https://tea.example/v?a=1). {{ customer.first_name }}'
---
campaign: notes
enter: { on: { did: Visited }, again: always }
steps: [ { message: note } ]
---
campaign: followed
enter: { on: { did: In-App Message Clicked }, again: always }
steps: [ { set: { trait: followed, to: true } } ]
";

struct Shop {
    house: House,
    server: String,
}

impl Shop {
    fn open() -> Shop {
        let house = House::new();
        let server = house.key("server");
        house.define(SHOP);
        let shop = Shop { house, server };
        shop.meets("ana", "<b>Ana</b>");
        shop
    }

    fn meets(&self, user: &str, name: &str) {
        let traits = json!({ "first_name": name });
        self.house.call(&self.server, json!({ "type": "identify", "userId": user, "traits": traits })).assert_success();
        self.visits(user);
    }

    fn visits(&self, user: &str) {
        self.house.call(&self.server, json!({ "type": "track", "userId": user, "event": "Visited" })).assert_success();
    }

    fn token_by(&self, key: &str, body: &Value) -> Answer {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
        let request = Request::post("/v1/in-app/token")
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/json");
        self.house.ask(request.body(Body::from(body.to_string())).unwrap())
    }

    fn token(&self, user: &str) -> String {
        self.token_by(&self.server, &json!({ "userId": user })).json()["token"].as_str().unwrap().to_owned()
    }

    fn fetch(&self, token: &str) -> Answer {
        let request = Request::get("/v1/in-app/messages").header("authorization", format!("Bearer {token}"));
        self.house.ask(request.body(Body::empty()).unwrap())
    }

    fn says(&self, token: &str, message: &str, what: &str, body: &str) -> Answer {
        let request = Request::post(format!("/v1/in-app/messages/{message}/{what}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        self.house.ask(request.body(Body::from(body.to_owned())).unwrap())
    }

    fn happened(&self, event: &str) -> usize {
        self.house.events("ana", event).len()
    }
}

#[test]
fn a_device_fetches_its_customers_messages_and_says_what_became_of_them() {
    let shop = Shop::open();
    let token = shop.token("ana");
    let fetched = shop.fetch(&token);
    assert_eq!((fetched.status, fetched.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(fetched.header("cache-control"), Some("no-store"));
    let message = fetched.json()["messages"][0].clone();
    let html = message["html"].as_str().unwrap();
    assert!(html.contains("<strong>voucher</strong>") && html.contains("https://tea.example/v?a=1"), "{html}");
    assert!(html.contains("&lt;b&gt;Ana") && !html.contains("<b>Ana") && !html.contains("<html"), "T31: {html}");
    assert_eq!(
        (&message["title"], &message["shown"], &message["clicked"]),
        (&json!("Hello <b>Ana</b>"), &json!(false), &json!(false))
    );
    let id = message["id"].as_str().unwrap();
    assert_eq!(shop.happened("In-App Message Shown"), 0, "looking changes nothing");

    for _ in 0..2 {
        assert_eq!(shop.says(&token, id, "shown", "").status, 200);
        assert_eq!(shop.says(&token, id, "clicked", r#"{ "url": "https://tea.example/v?a=1" }"#).status, 200);
    }
    assert_eq!(
        (shop.happened("In-App Message Shown"), shop.happened("In-App Message Clicked")),
        (1, 1),
        "repeated, it counts once"
    );
    let click = shop.house.events("ana", "In-App Message Clicked");
    assert_eq!(
        (&click[0]["properties"]["url"], &click[0]["properties"]["campaign"]),
        (&json!("https://tea.example/v?a=1"), &json!("notes"))
    );
    assert_eq!(shop.house.get("/api/customers/ana")["traits"]["followed"], true, "campaigns can ask for it");
    let again = shop.fetch(&token).json();
    assert_eq!((&again["messages"][0]["shown"], &again["messages"][0]["clicked"]), (&json!(true), &json!(true)));
    assert_eq!(shop.says(&token, id, "clicked", r#"{ "url": "javascript:alert(1)" }"#).status, 400);

    assert_eq!(shop.says(&token, id, "dismissed", "").status, 200);
    assert_eq!(shop.fetch(&token).json(), json!({ "messages": [] }));
    shop.visits("ana");
    assert_eq!(shop.fetch(&token).json()["messages"].as_array().unwrap().len(), 1, "the next one is there");
}

#[test]
fn nobody_reads_or_answers_anothers_messages() {
    let shop = Shop::open();
    shop.meets("ben", "Ben");
    let (ana, ben) = (shop.token("ana"), shop.token("ben"));
    let id = shop.fetch(&ana).json()["messages"][0]["id"].as_str().unwrap().to_owned();
    let of_ben = shop.fetch(&ben).json();
    assert!(of_ben["messages"].as_array().unwrap().iter().all(|message| message["id"] != id.as_str()), "{of_ben}");
    for what in ["shown", "clicked", "dismissed"] {
        let answer = shop.says(&ben, &id, what, "{}");
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("not_found")), "{what}");
    }
    assert_eq!(shop.happened("In-App Message Dismissed"), 0);

    // A key in a page is public: it neither fetches nor has a token made.
    let browser = shop.house.key("browser");
    let refused = shop.token_by(&browser, &json!({ "userId": "ana" }));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some("bad_key")));
    let mut strange = vec![browser, shop.server.clone(), String::new(), "x".to_owned(), "A".repeat(10_000)];
    // Changed anywhere, it is nobody's.
    for place in [0, ana.len() / 2, ana.len() - 1] {
        let mut changed: Vec<char> = ana.chars().collect();
        changed[place] = if changed[place] == 'B' { 'C' } else { 'B' };
        strange.push(changed.into_iter().collect());
    }
    for token in &strange {
        let answer = shop.fetch(token);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("bad_customer_token")), "{token:.40}");
        assert_eq!(shop.says(token, &id, "shown", "").status, 401, "{token:.40}");
    }
    // By the userId alone: neither an internal id nor a visitor's name is one.
    let internal = shop.house.get("/api/customers/ana")["id"].as_str().unwrap().to_owned();
    assert_eq!(shop.fetch(&shop.token(&internal)).json(), json!({ "messages": [] }));
    assert_eq!(shop.fetch(&shop.token("nobody-yet")).json(), json!({ "messages": [] }));
    for (body, status) in [
        (json!({ "userId": "ana", "expires_in": "31d" }), 400),
        (json!({ "userId": "ana", "expires_in": "0s" }), 400),
        (json!({ "userId": "" }), 400),
        (json!({ "userId": "ana", "role": "admin" }), 400),
        (json!({ "userId": "ana", "expires_in": "1s" }), 200),
    ] {
        assert_eq!(shop.token_by(&shop.server, &body).status, status, "{body}");
    }
    // What a browser makes up is not taken for what a customer did.
    let forged = json!({ "type": "track", "userId": "ana", "event": "In-App Message Clicked" });
    let answer = shop.house.call(&shop.house.key("browser"), forged);
    assert_eq!(shop.happened("In-App Message Clicked"), 0, "{}", answer.text());
}

#[test]
fn two_names_of_one_person_see_the_same_messages() {
    let shop = Shop::open();
    shop.meets("ana-at-work", "Ana");
    assert_eq!(shop.fetch(&shop.token("ana")).json()["messages"].as_array().unwrap().len(), 1);
    let pair = json!({ "a": "ana", "b": "ana-at-work" });
    shop.house.manage(axum::http::Method::POST, "/api/customers/merge", Some(pair));
    let messages = shop.fetch(&shop.token("ana-at-work")).json();
    let ids: Vec<&str> = messages["messages"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        assert_eq!(shop.says(&shop.token("ana"), id, "dismissed", "").status, 200);
    }
    assert_eq!(shop.fetch(&shop.token("ana-at-work")).json(), json!({ "messages": [] }));
}
