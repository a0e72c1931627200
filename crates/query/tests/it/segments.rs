//! What a segment says in words, SQL says as well, and both mean the same people.

use crate::Analyst;
use serde_json::json;
use std::ops::ControlFlow;
use testkit::Shop;

/// Thirty customers who order now and then, by no pattern that fits the rules.
fn shop() -> Shop {
    let shop = Shop::open("2025-01-01T00:00:00Z");
    shop.define(
        "
segment: regulars
where: { did: Order Completed, at_least: 3, within: 365d }
---
segment: lapsed
where:
  all:
    - { did: Order Completed }
    - { did_not: Order Completed, within: 30d }
---
segment: big
where: { did: Order Completed, sum: total, above: 100 }
---
segment: mail
where: { trait: email, ends_with: example.com }
",
    );
    for day in 0_u64..400 {
        for who in 0_u64..30 {
            if (day * 31 + who * who * 7) % (11 + who * 5) == who % 11 {
                let total = format!("{}.{:02}", (day + who) % 40, (day * who) % 100);
                shop.customer(&format!("c{who}")).does("Order Completed", json!({ "total": total }));
            }
        }
        shop.days(1);
    }
    for who in (0..30).step_by(3) {
        shop.customer(&format!("c{who}")).identifies(json!({ "email": format!("{who}@example.com") }));
    }
    shop
}

#[test]
fn a_rule_in_sql_means_the_same_people_as_the_segment() {
    let (shop, analyst) = (shop(), Analyst::new());
    let rules = [
        (
            "regulars",
            "SELECT customer FROM events
             WHERE name = 'Order Completed' AND time > now() - interval '365 days' AND time <= now()
             GROUP BY customer HAVING count(*) >= 3",
        ),
        (
            "lapsed",
            "SELECT customer FROM events WHERE name = 'Order Completed' AND time <= now()
             GROUP BY customer HAVING max(time) <= now() - interval '30 days'",
        ),
        (
            "big",
            "SELECT customer FROM events WHERE name = 'Order Completed' AND time <= now()
             GROUP BY customer HAVING sum(json_get_decimal(properties, 'total')) > 100",
        ),
        ("mail", "SELECT customer FROM traits WHERE name = 'email' AND json_as_text(value) LIKE '%example.com'"),
    ];
    for (segment, sql) in rules {
        let members = shop.members(segment);
        assert!(!members.is_empty() && members.len() < 30, "{segment} tells nobody apart: {members:?}");
        assert_eq!(
            analyst.ask(&shop, &format!("SELECT customer FROM ({sql}) ORDER BY customer")),
            members,
            "{segment}"
        );
        let table = format!("SELECT customer FROM memberships WHERE segment = '{segment}' ORDER BY customer");
        assert_eq!(analyst.ask(&shop, &table), members, "{segment}");
    }
}

#[test]
fn since_is_the_instant_at_which_each_membership_began() {
    let (shop, analyst) = (shop(), Analyst::new());
    let of_table = analyst.ask(&shop, "SELECT segment, customer, since FROM memberships ORDER BY segment, customer");
    let mut of_why = Vec::new();
    for segment in ["big", "lapsed", "mail", "regulars"] {
        for who in shop.members(segment) {
            let since = shop.why(segment, &who).since.unwrap();
            of_why.push(format!("{segment} | {who} | {since}"));
        }
    }
    assert_eq!(of_table, of_why);
    // Worked out for few people at a time it is the same.
    let tables = shop.engine().tables(engine::report::Wanted { memberships: true, ..Default::default() });
    for calls_at_once in [1, 40, u64::MAX] {
        let mut piecewise = Vec::new();
        let mut visit = |belongs: &engine::report::tables::Belongs<'_>, since: Option<domain::Timestamp>| {
            let (segment, who) = (belongs.segment, tables.name(belongs.customer));
            piecewise.push(format!("{segment} | {who} | {}", since.unwrap()));
            ControlFlow::Continue(())
        };
        tables.visit_since(shop.reader().as_ref(), calls_at_once, &|_| true, &mut visit).unwrap();
        piecewise.sort();
        assert_eq!(piecewise, of_table, "{calls_at_once}");
    }
}

#[test]
fn two_who_turn_out_to_be_one_are_one_in_every_table() {
    let (shop, analyst) = (shop(), Analyst::new());
    let customers = || analyst.ask(&shop, "SELECT count(*), count(DISTINCT customer) FROM customers");
    let (before, orders) = (customers(), "SELECT count(*) FROM events WHERE customer = 'c1'");
    assert_eq!(before, ["29 | 29"], "one never ordered");
    let (one, other) =
        (analyst.ask(&shop, orders), analyst.ask(&shop, "SELECT count(*) FROM events WHERE customer = 'c2'"));
    shop.merge("c1", "c2");
    assert_eq!(customers(), ["28 | 28"]);
    let sum = [&one, &other].map(|count| count[0].parse::<u64>().unwrap()).iter().sum::<u64>();
    assert_eq!(analyst.ask(&shop, orders), [sum.to_string()]);
    assert_eq!(analyst.ask(&shop, "SELECT count(*) FROM memberships WHERE customer = 'c2'"), ["0"]);
}
