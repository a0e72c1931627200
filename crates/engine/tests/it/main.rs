//! Stories of the engine: what a shop and its customers would see.

#![allow(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on has failed, and the line says where"
)]

mod backfill;
mod bandits;
mod brake;
mod browsers;
mod campaigns;
mod confirming;
mod edges;
mod erasing;
mod gate;
mod identity;
mod in_app;
mod lanes;
mod limits;
mod order;
mod segments;
mod sending;
mod snapshots;
mod vouchers;
mod webhooks;

/// Templates and campaigns of the stories.
const LETTERS: &str = "
template: hello
channel: email
subject: Hello
body: Hello
---
template: news
channel: email
subject: News
body: News
";

/// A shop with letters to write.
fn shop(now: &str) -> testkit::Shop {
    let shop = testkit::Shop::open(now);
    shop.define(LETTERS);
    shop
}
