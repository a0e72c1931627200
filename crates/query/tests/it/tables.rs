//! What stands in the tables.

use crate::Analyst;
use query::write::Format;
use serde_json::json;
use testkit::Shop;

/// Ana looks and buys, first as a visitor; Ben is known by a file; somebody only looked.
fn shop() -> Shop {
    let shop = Shop::open("2026-01-01T00:00:00Z");
    let visitor = shop.visitor("v1");
    visitor.says(json!({ "type": "page", "name": "Home", "properties": { "path": "/" } }));
    shop.days(1);
    shop.customer("ana").on("v1").identifies(json!({ "email": "ana@example.com", "points": 12.5, "tags": ["a", "b"] }));
    shop.customer("ana").does("Order Completed", json!({ "total": 19.99, "items": [{ "sku": "sencha", "n": 2 }] }));
    shop.days(1);
    shop.customer("ben").identifies(json!({ "email": "ben@example.com" }));
    shop.customer("ben").does("Order Completed", json!({ "total": "100.10", "currency": "EUR" }));
    shop.visitor("v2").says(json!({ "type": "screen", "name": "Menu" }));
    shop
}

#[test]
fn what_happened_stands_under_the_person_it_belongs_to_today() {
    let (shop, analyst) = (shop(), Analyst::new());
    assert_eq!(
        analyst.ask(&shop, "SELECT time, customer, type, name, anonymous_id FROM events ORDER BY time, type, name"),
        [
            "2026-01-01T00:00:00Z | ana | page | Page Viewed | v1",
            "2026-01-02T00:00:00Z | ana | identify | - | v1",
            "2026-01-02T00:00:00Z | ana | track | Order Completed | -",
            "2026-01-03T00:00:00Z | ben | identify | - | -",
            "2026-01-03T00:00:00Z | v2 | screen | Screen Viewed | v2",
            "2026-01-03T00:00:00Z | ben | track | Order Completed | -",
        ]
    );
}

#[test]
fn people_and_what_is_known_of_them_are_tables_too() {
    let (shop, analyst) = (shop(), Analyst::new());
    assert_eq!(
        analyst.ask(&shop, "SELECT * FROM customers ORDER BY customer"),
        [
            "ana | 2026-01-01T00:00:00Z | 2026-01-02T00:00:00Z",
            "ben | 2026-01-03T00:00:00Z | 2026-01-03T00:00:00Z",
            "v2 | 2026-01-03T00:00:00Z | 2026-01-03T00:00:00Z",
        ]
    );
    assert_eq!(
        analyst.ask(&shop, "SELECT customer, name, value, since FROM traits WHERE customer = 'ana' ORDER BY name"),
        [
            "ana | email | \"ana@example.com\" | 2026-01-02T00:00:00Z",
            "ana | points | 12.5 | 2026-01-02T00:00:00Z",
            "ana | tags | [\"a\",\"b\"] | 2026-01-02T00:00:00Z",
        ]
    );
    assert_eq!(
        analyst.ask(&shop, "SELECT json_as_text(value) FROM traits WHERE name = 'email' ORDER BY 1"),
        ["ana@example.com", "ben@example.com"]
    );
}

#[test]
fn what_people_have_is_there_until_it_is_over() {
    let (shop, analyst) = (shop(), Analyst::new());
    let pass = |attributes: serde_json::Value| json!({ "type": "record", "kind": "pass", "recordId": "p1", "attributes": attributes });
    shop.customer("ana").says(pass(json!({ "status": "active", "price": 20 })));
    shop.days(1);
    shop.customer("ben").says(pass(json!({ "status": "paused" })));
    let sql = "SELECT customer, kind, record, attributes, since FROM records ORDER BY customer";
    assert_eq!(
        analyst.ask(&shop, sql),
        [
            "ana | pass | p1 | {\"price\":20,\"status\":\"paused\"} | 2026-01-03T00:00:00Z",
            "ben | pass | p1 | {\"price\":20,\"status\":\"paused\"} | 2026-01-04T00:00:00Z",
        ]
    );
    shop.customer("ana").says(json!({ "type": "record", "kind": "pass", "recordId": "p1", "left": true }));
    assert_eq!(analyst.ask(&shop, "SELECT customer FROM records WHERE kind = 'pass'"), ["ben"]);
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM events WHERE type = 'record' AND record = 'p1'"), ["3"]);
}

#[test]
fn json_is_read_inside_and_amounts_are_exact() {
    let (shop, analyst) = (shop(), Analyst::new());
    assert_eq!(
        analyst.ask(
            &shop,
            "SELECT sum(json_get_decimal(properties, 'total')), max(json_get_str(properties, 'items', 0, 'sku')),
                    max(properties->'items'->0->>'n'), bool_or(json_contains(properties, 'currency')),
                    max(json_length(properties, 'items'))
             FROM events WHERE name = 'Order Completed'"
        ),
        ["120.09 | sencha | 2 | true | 1"]
    );
    // A number as it is written, not the nearest binary fraction.
    assert_eq!(
        analyst.ask(&shop, "SELECT customer FROM events WHERE json_get_decimal(properties, 'total') = 100.10"),
        ["ben"]
    );
    assert_eq!(analyst.ask(&shop, "SELECT json_get_decimal('{\"n\": 0.1}', 'n') + 0.2 = 0.3"), ["true"]);
}

#[test]
fn now_is_the_instant_of_the_data_and_days_have_zones() {
    let (shop, analyst) = (shop(), Analyst::new());
    assert_eq!(analyst.ask(&shop, "SELECT now()"), ["2026-01-03T00:00:00Z"]);
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM events WHERE time > now() - interval '36 hours'"), ["5"]);
    assert_eq!(
        analyst.ask(
            &shop,
            "SELECT date_trunc('month', time), count(*) FROM events
             WHERE time >= '2026-01-02' AND time < TIMESTAMP '2026-01-03T00:00:00Z' GROUP BY 1"
        ),
        ["2026-01-01T00:00:00Z | 2"]
    );
    assert_eq!(
        analyst
            .ask(&shop, "SELECT date_part('hour', time AT TIME ZONE 'Europe/Berlin') FROM events WHERE type = 'page'"),
        ["1"]
    );
}

#[test]
fn conditions_that_spare_reading_change_nothing_in_the_answer() {
    let (shop, analyst) = (shop(), Analyst::new());
    for (spared, plain) in [
        ("name = 'Order Completed'", "name || '' = 'Order Completed'"),
        ("name IN ('Order Completed', 'Page Viewed')", "name || '' IN ('Order Completed', 'Page Viewed')"),
        ("NOT (name = 'Order Completed')", "NOT (name || '' = 'Order Completed')"),
        ("customer = 'ana'", "customer || '' = 'ana'"),
        ("customer IN ('ana', 'nobody', 'v2') AND type = 'track'", "customer || '' = 'ana' AND type || '' = 'track'"),
        ("time > '2026-01-02T00:00:00Z'", "date_trunc('millisecond', time) > '2026-01-02T00:00:00Z'"),
        ("time BETWEEN '2026-01-02' AND '2026-01-02'", "date_trunc('day', time) = '2026-01-02' AND type <> 'page'"),
        ("name = 'Order Completed' OR customer = 'v2'", "name || '' = 'Order Completed' OR customer || '' = 'v2'"),
        ("name IS NULL", "type = 'identify'"),
        ("name <> 'Page Viewed'", "name IN ('Order Completed', 'Screen Viewed')"),
    ] {
        let count = |condition: &str| analyst.ask(&shop, &format!("SELECT count(*) FROM events WHERE {condition}"));
        assert_eq!(count(spared), count(plain), "{spared}");
    }
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM (SELECT customer FROM events LIMIT 2)"), ["2"]);
}

#[test]
fn the_dictionary_is_the_same_for_people_and_for_sql() {
    let (shop, analyst) = (shop(), Analyst::new());
    let described = analyst.ask(&shop, "DESCRIBE memberships");
    assert_eq!(described.len(), 3);
    assert!(described[0].starts_with("segment | text | "), "{described:?}");
    assert_eq!(
        analyst.ask(&shop, "SHOW TABLES"),
        [
            "assignments",
            "consents",
            "customers",
            "dictionary",
            "events",
            "memberships",
            "messages",
            "reactions",
            "records",
            "reports",
            "shares",
            "tasks",
            "traits",
            "webhooks"
        ]
    );
    // What SQL itself says of the columns agrees.
    let of_sql =
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2";
    assert_eq!(
        analyst.ask(&shop, of_sql),
        analyst.ask(&shop, "SELECT table_name, column_name FROM dictionary ORDER BY 1, 2")
    );
    // Every sentence is one: a column without meaning is none.
    for table in query::dictionary::TABLES {
        for column in table.columns {
            assert!(column.meaning.len() > 8, "{}.{}", table.name, column.name);
        }
    }
}

#[test]
fn answers_become_files_without_loss() {
    let (shop, analyst) = (shop(), Analyst::new());
    let sql =
        "SELECT events.customer, json_get_decimal(properties, 'total') AS total, time, properties->'items' AS items,
                      9007199254740993 AS large, again.customer, ['a', null] AS list, '' AS empty
               FROM events JOIN customers again ON again.customer = events.customer
               WHERE name = 'Order Completed' ORDER BY events.customer";
    let json = String::from_utf8(analyst.file(&shop, sql, Format::Json)).unwrap();
    assert_eq!(
        json,
        "[\n{\"customer\":\"ana\",\"total\":19.99,\"time\":\"2026-01-02T00:00:00Z\",\
         \"items\":\"[{\\\"sku\\\":\\\"sencha\\\",\\\"n\\\":2}]\",\"large\":9007199254740993,\"customer_2\":\"ana\",\
         \"list\":[\"a\",null],\"empty\":\"\"},\n\
         {\"customer\":\"ben\",\"total\":100.1,\"time\":\"2026-01-03T00:00:00Z\",\"items\":null,\
         \"large\":9007199254740993,\"customer_2\":\"ben\",\"list\":[\"a\",null],\"empty\":\"\"}\n]\n"
    );
    let csv = String::from_utf8(analyst.file(&shop, sql, Format::Csv)).unwrap();
    assert_eq!(
        csv,
        "customer,total,time,items,large,customer_2,list,empty\r\n\
         ana,19.99,2026-01-02T00:00:00Z,\"[{\"\"sku\"\":\"\"sencha\"\",\"\"n\"\":2}]\",9007199254740993,ana,\"[\"\"a\"\",null]\",\"\"\r\n\
         ben,100.1,2026-01-03T00:00:00Z,,9007199254740993,ben,\"[\"\"a\"\",null]\",\"\"\r\n"
    );
    let nothing = analyst.file(&shop, "SELECT customer FROM events WHERE false", Format::Json);
    assert_eq!(nothing, b"[]\n");
    let parquet = analyst.file(&shop, sql, Format::Parquet);
    assert_eq!((&parquet[..4], &parquet[parquet.len() - 4..]), (&b"PAR1"[..], &b"PAR1"[..]));
}

#[test]
fn messages_are_listed_with_what_became_of_them() {
    let shop = Shop::open("2026-01-01T00:00:00Z");
    shop.define(
        "
template: hello
channel: email
subject: Hello
body: Hello
---
campaign: welcome
purpose: service
enter: { on: { did: Order Completed } }
steps: [{ message: hello }]
",
    );
    shop.customer("ana").identifies(json!({ "email": "ana@example.com" }));
    shop.customer("ana").does("Order Completed", json!({}));
    shop.customer("ben").does("Order Completed", json!({}));
    shop.settle();
    let analyst = Analyst::new();
    assert_eq!(
        analyst.ask(&shop, "SELECT customer, campaign, channel, outcome, because FROM messages ORDER BY customer"),
        ["ana | welcome | email | sent | -", "ben | welcome | email | skipped | no_address"]
    );
    // What Perennial did is something that happened.
    assert_eq!(
        analyst.ask(
            &shop,
            "SELECT e.name, m.campaign FROM events e
             JOIN messages m ON m.message = json_get_str(e.properties, 'message_id') WHERE e.source = 'perennial' ORDER BY 1"
        ),
        ["Message Sent | welcome", "Message Skipped | welcome"]
    );
}

#[test]
fn who_got_which_variant_and_how_they_were_shared_are_tables_too() {
    let shop = Shop::open("2026-01-01T00:00:00Z");
    shop.define(
        "
purpose: marketing
default: granted
---
template: hello
channel: email
subject: Hello
body: Hello
variants: { warm: { subject: Hello again } }
---
campaign: nudge
enter: { on: { did: visit }, again: always }
goal: { did: order, within: 2d }
steps: [ { id: first, message: hello, variants: { plain: 1, warm: 3 }, allocate: bandit } ]
",
    );
    for who in ["ana", "ben", "zoe"] {
        shop.customer(who).identifies(json!({ "email": format!("{who}@example.com") }));
        shop.customer(who).does("visit", json!({}));
    }
    shop.settle();
    let analyst = Analyst::new();
    assert_eq!(
        analyst.ask(
            &shop,
            "SELECT campaign, step, comparison, since, variant, share, customers, came_back FROM shares ORDER BY variant"
        ),
        [
            "nudge | first | 1 | 2026-01-01T00:00:00Z | plain | 3000 | 0 | 0",
            "nudge | first | 1 | 2026-01-01T00:00:00Z | warm | 7000 | 0 | 0"
        ]
    );
    let drawn = analyst.ask(
        &shop,
        "SELECT customer, a.campaign, a.step, comparison, time, a.variant = m.variant,
                share = json_get_int(shares, a.variant), share_of, shares
         FROM assignments a JOIN messages m USING (customer, message) ORDER BY customer",
    );
    let expected = |who: &str| {
        format!(
            r#"{who} | nudge | first | 1 | 2026-01-01T00:00:00Z | true | true | 10000 | {{"plain":3000,"warm":7000}}"#
        )
    };
    assert_eq!(drawn, ["ana", "ben", "zoe"].map(expected));
    for (spared, plain) in [("customer = 'ben'", "customer || '' = 'ben'"), ("campaign = 'x'", "campaign || '' = 'x'")]
    {
        let count =
            |condition: &str| analyst.ask(&shop, &format!("SELECT count(*) FROM assignments WHERE {condition}"));
        assert_eq!(count(spared), count(plain), "{spared}");
    }

    let now = shop.now();
    shop.engine_mut().start_comparison(&domain::Name::parse("nudge").unwrap(), now).unwrap();
    shop.customer("ana").does("visit", json!({}));
    shop.settle();
    assert_eq!(
        analyst.ask(&shop, "SELECT comparison, count(*) FROM assignments GROUP BY 1 ORDER BY 1"),
        ["1 | 3", "2 | 1"],
        "it is drawn anew"
    );
}

#[test]
fn what_other_systems_were_told_is_a_table_too() {
    let (shop, analyst) = (shop(), Analyst::new());
    shop.define(
        "campaign: promo\nenter: { on: { did: visit }, again: always }\n\
         steps: [ { id: tell, webhook: { url_of: erp, event: promo.granted } } ]",
    );
    shop.customer("ana").does("visit", json!({}));
    assert_eq!(
        analyst.ask(
            &shop,
            "SELECT customer, campaign, step, endpoint, event, made_at, state, attempts, due, ended_at, reply, \
             json_get_str(body, 'type') FROM webhooks WHERE state = 'done' AND endpoint = 'erp'"
        ),
        [
            "ana | promo | tell | erp | promo.granted | 2026-01-03T00:00:00Z | done | 1 | - | 2026-01-03T00:00:00Z | answered 204 | promo.granted"
        ]
    );
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM webhooks WHERE state = 'waiting'"), ["0"]);
}

#[test]
fn what_people_said_of_consent_is_a_table() {
    let (shop, analyst) = (shop(), Analyst::new());
    let ana = shop.customer("ana");
    ana.does(
        "Consent Changed",
        json!({
            "purpose": "marketing", "channel": "email", "status": "granted", "basis": "express", "source": "checkout",
            "text_version": "3", "expires": "2027-01-03T00:00:00Z",
        }),
    );
    shop.days(1);
    ana.does("Unsubscribed", json!({}));
    shop.customer("ben").does("Consent Changed", json!({ "purpose": "marketing", "status": "pending" }));
    assert_eq!(
        analyst.ask(&shop, "SELECT * FROM consents WHERE purpose = 'marketing' ORDER BY time, customer"),
        [
            "ana | 2026-01-03T00:00:00Z | marketing | email | granted | express | checkout | 3 | 2027-01-03T00:00:00Z",
            "ana | 2026-01-04T00:00:00Z | marketing | email | withdrawn | - | Unsubscribed | - | -",
            "ben | 2026-01-04T00:00:00Z | marketing | - | pending | - | - | - | -",
        ]
    );
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM consents WHERE time > '2026-01-03T12:00:00Z'"), ["2"]);
}

#[test]
fn what_people_are_asked_to_do_is_a_table_too() {
    let (shop, analyst) = (shop(), Analyst::new());
    shop.define(
        "campaign: calls\nenter: { on: { did: visit }, again: always }\n\
         steps: [ { id: call, task: { title: Call back, for: care, due: 2d } } ]",
    );
    shop.customer("ana").does("visit", json!({}));
    shop.customer("ben").does("visit", json!({}));
    let task = analyst.ask(&shop, "SELECT task FROM tasks WHERE customer = 'ana'").remove(0);
    shop.customer("ana").does("Task Completed", json!({ "task": task }));
    assert_eq!(
        analyst.ask(
            &shop,
            "SELECT customer, campaign, step, title, owner, due, draft, opened_at, completed_at FROM tasks \
             WHERE owner = 'care' ORDER BY customer"
        ),
        [
            "ana | calls | call | Call back | care | 2026-01-05T00:00:00Z | - | 2026-01-03T00:00:00Z | 2026-01-03T00:00:00Z",
            "ben | calls | call | Call back | care | 2026-01-05T00:00:00Z | - | 2026-01-03T00:00:00Z | -",
        ]
    );
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM tasks WHERE completed_at IS NULL AND owner = 'shop'"), ["0"]);
}
