//! Edges of conditions at which the engine and the plain evaluator of the test kit once differed.

use crate::shop;
use serde_json::json;

#[test]
fn the_first_visit_of_a_kind_is_looked_for_among_that_kind_also_where_its_test_moves_with_now() {
    let shop = shop("2026-04-05T00:00:00Z");
    shop.define(
        "segment: began-small
where: { first: visit, where: { n: { at_most: 10 } }, has: { ends: { before: now } } }
---
segment: ended-small
where: { last: visit, among: { n: { at_most: 10 } }, has: { ends: { before: now } } }",
    );
    let ana = shop.customer("ana");
    ana.does("visit", json!({}));
    shop.days(1);
    ana.does("visit", json!({ "n": 5, "ends": "2026-04-01" }));
    shop.days(1);
    ana.does("visit", json!({ "n": 50 }));
    assert!(shop.is_in("began-small", "ana"), "the first visit of all was not a small one");
    assert!(shop.is_in("ended-small", "ana"), "the latest visit of all was not a small one");
}
