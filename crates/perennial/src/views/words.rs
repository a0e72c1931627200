//! From the engine's words and units to those of a page.

use crate::pages::links::Link;
use crate::pages::outcome::{Outcome, Verdict};
use crate::pages::text::{Count, Money, TimeTag};
use domain::message::Because;
use domain::{Currency, Span, Timestamp};
use engine::Engine;
use engine::report::Who;
use jiff::tz::TimeZone;

/// The shop's zone.
pub(super) fn zone(engine: &Engine) -> TimeZone {
    TimeZone::get(engine.definitions().settings.zone.name()).unwrap_or(TimeZone::UTC)
}

/// A customer's link.
pub(super) fn link(who: &Who) -> Link {
    Link::customer(&who.id.to_string(), who.title())
}

/// An amount as pages write it.
pub(super) fn money(amount: domain::Money) -> Money {
    Money::new(amount.minor, amount.currency.as_str())
}

/// Of sums per currency, that of the shop's currency; else the largest.
pub(super) fn main_sum(sums: &[domain::Money], shop: Currency) -> Option<Money> {
    sums.iter().find(|sum| sum.currency == shop).or(sums.first()).copied().map(money)
}

/// Of sums per currency, all but the one that `main_sum` gives.
pub(super) fn other_sums(sums: &[domain::Money], shop: Currency) -> Vec<Money> {
    let main = main_sum(sums, shop);
    sums.iter().copied().map(money).filter(|sum| Some(sum) != main.as_ref()).collect()
}

/// An outcome as pages name it; none: on its way.
pub(super) fn outcome(outcome: Option<domain::message::Outcome>) -> Outcome {
    match outcome {
        None => Outcome::Waiting,
        Some(domain::message::Outcome::Sent) => Outcome::Sent,
        Some(domain::message::Outcome::Held) => Outcome::Held,
        Some(domain::message::Outcome::Skipped) => Outcome::Skipped,
        Some(domain::message::Outcome::WouldHaveSent) => Outcome::WouldHaveSent,
        Some(domain::message::Outcome::Failed) => Outcome::Failed,
        Some(domain::message::Outcome::Uncertain) => Outcome::Uncertain,
    }
}

/// A page's outcome in the engine's words; on its way: none.
pub(super) fn asked_outcome(outcome: Option<Outcome>) -> Option<domain::message::Outcome> {
    domain::message::Outcome::find(outcome?.code())
}

/// An outcome with its reason.
pub(super) fn verdict(of: Option<domain::message::Outcome>, because: Option<Because>) -> Verdict {
    Verdict { outcome: outcome(of), because: because.map(|because| because.word().to_owned()) }
}

/// An instant in words: "19 h ago", "9 Nov".
pub(super) fn near(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    TimeTag::near(at.as_jiff(), now.as_jiff(), zone).words()
}

/// "16 days", "5 hours".
pub(super) fn long(span: Span) -> String {
    if span.0 < Span::DAY.0 {
        let hours = u64::try_from(span.0 / Span::hours(1).0).unwrap_or(0).max(1);
        return Count(hours).of("hour", "hours");
    }
    Count(engine::report::customers::whole_days(span)).of("day", "days")
}

/// A sentence's first letter as a capital.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What messages of a purpose are called: "Offers by e-mail".
pub(super) fn purpose_by(purpose: &str, channel: &str) -> String {
    let what = if purpose == "marketing" { "Offers".to_owned() } else { capital(purpose) };
    format!("{what} by {}", engine::report::words::channel_words(channel))
}
