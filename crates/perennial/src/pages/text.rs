//! How numbers, money, shares, times and sentences read on a page. No HTML but `<time>` and links in a sentence.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::links::Place;

/// No-break space: a number and its unit stay on one line.
const NBSP: char = '\u{a0}';

/// A number of things; prints with thousands separators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl Count {
    /// The count with its noun: "1 customer", "5,012 customers".
    pub fn of(&self, one: &str, many: &str) -> String {
        format!("{self}{NBSP}{}", if self.0 == 1 { one } else { many })
    }

    /// Whether there are none.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// This count as a share of `whole`.
    pub fn share_of(&self, whole: &Count) -> Share {
        Share { part: self.0, whole: whole.0 }
    }
}

impl From<u64> for Count {
    fn from(number: u64) -> Self {
        Count(number)
    }
}

impl From<usize> for Count {
    fn from(number: usize) -> Self {
        Count(number as u64)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_thousands(u128::from(self.0)))
    }
}

/// A part of a whole; prints as a percentage with no more digits than are known, "–" of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many of the whole.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl Share {
    /// The share in thousandths, rounded half up; 0 of nothing.
    pub fn per_mille(&self) -> u64 {
        let whole = u128::from(self.whole);
        if whole == 0 {
            return 0;
        }
        u64::try_from((u128::from(self.part) * 1000 + whole / 2) / whole).unwrap_or(u64::MAX)
    }

    /// "214" of every 1,000, rounded half up; "–" of nothing.
    pub fn of_every(&self, number: u64) -> String {
        let whole = u128::from(self.whole);
        if whole == 0 {
            return "–".to_owned();
        }
        with_thousands((u128::from(self.part) * u128::from(number) + whole / 2) / whole)
    }

    /// How many tenths of a percent wide a bar for this share is, at most a full bar.
    pub fn width(&self) -> String {
        let per_mille = self.per_mille().min(1000);
        format!("{}.{}%", per_mille / 10, per_mille % 10)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.whole == 0 {
            return f.write_str("–");
        }
        match (self.part, self.per_mille()) {
            (1.., 0) => write!(f, "under{NBSP}0.1{NBSP}%"),
            (_, 0) => write!(f, "0{NBSP}%"),
            (_, tenths @ ..100) => write!(f, "{}.{}{NBSP}%", tenths / 10, tenths % 10),
            (_, tenths) => write!(f, "{}{NBSP}%", with_thousands(u128::from((tenths + 5) / 10))),
        }
    }
}

/// An amount of money in minor units (pence); prints with its symbol and exact pence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// Minor units: pence, cents, yen.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: String,
}

impl Money {
    /// An amount in minor units of a currency.
    pub fn new(minor: i64, currency: &str) -> Money {
        Money { minor, currency: currency.to_owned() }
    }

    /// The mean per customer, rounded half away from zero; none where there are no customers.
    pub fn per(&self, customers: &Count) -> Option<Money> {
        if customers.is_zero() {
            return None;
        }
        let (minor, customers) = (i128::from(self.minor), i128::from(customers.0));
        let mean = (minor.abs() + customers / 2) / customers * minor.signum();
        let minor = i64::try_from(mean).expect("a mean is no larger than its sum");
        Some(Money { minor, currency: self.currency.clone() })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "−" } else { "" };
        let digits = minor_digits(&self.currency);
        let unit = 10_u64.pow(digits);
        let minor = self.minor.unsigned_abs();
        let mut amount = with_thousands(u128::from(minor / unit));
        if digits > 0 {
            let width = digits as usize;
            amount.push_str(&format!(".{:0width$}", minor % unit));
        }
        match symbol(&self.currency) {
            Some(symbol) => write!(f, "{sign}{symbol}{amount}"),
            None => write!(f, "{sign}{}{NBSP}{amount}", self.currency),
        }
    }
}

fn symbol(currency: &str) -> Option<&'static str> {
    match currency {
        "GBP" => Some("£"),
        "EUR" => Some("€"),
        "USD" => Some("$"),
        "JPY" => Some("¥"),
        "INR" => Some("₹"),
        _ => None,
    }
}

/// Digits after the point, from ISO 4217.
fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

fn with_thousands(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An instant as a `<time>` tag: relative when near, a date when far, the exact time on hover.
#[derive(Template)]
#[template(ext = "html", source = r#"<time datetime="{{ machine }}" title="{{ exact }}">{{ words }}</time>"#)]
pub struct TimeTag {
    machine: String,
    exact: String,
    words: String,
}

impl HtmlSafe for TimeTag {}

impl TimeTag {
    /// "19 h ago", "yesterday", "18 Nov", as seen at `now` in the shop's `zone`.
    pub fn near(at: Timestamp, now: Timestamp, zone: &TimeZone) -> TimeTag {
        TimeTag { words: relative(at, now, zone), ..TimeTag::exact(at, zone) }
    }

    /// "Wed 18 Nov 2026, 14:02:31 GMT", for ledgers, where the second matters.
    pub fn exact(at: Timestamp, zone: &TimeZone) -> TimeTag {
        let local = at.to_zoned(zone.clone());
        let exact = local.strftime("%a %-d %b %Y, %H:%M:%S %Z").to_string();
        TimeTag { machine: at.to_string(), words: exact.clone(), exact }
    }

    /// The words alone.
    pub fn words(self) -> String {
        self.words
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn relative(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let seconds = at.as_second() - now.as_second();
    let (local, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let days = (local.date() - today.date()).get_days();
    let clock = local.strftime("%H:%M");
    match seconds {
        -44..=0 => "just now".to_owned(),
        1..=44 => "in a moment".to_owned(),
        _ if seconds.abs() < HOUR => apart(seconds, MINUTE, "min"),
        _ if seconds < 0 && seconds > -DAY => apart(seconds, HOUR, "h"),
        _ if days == 0 => format!("today, {clock}"),
        _ if days == 1 => format!("tomorrow, {clock}"),
        _ if days == -1 => "yesterday".to_owned(),
        // A day of another year needs its year, unless it is only weeks away.
        _ if local.year() == today.year() || seconds.abs() < 60 * DAY => local.strftime("%-d %b").to_string(),
        _ => local.strftime("%-d %b %Y").to_string(),
    }
}

/// "5 min ago" or "in 5 min": the distance in whole units, at least one.
fn apart(seconds: i64, unit: i64, name: &str) -> String {
    let whole = (seconds.abs() / unit).max(1);
    if seconds < 0 { format!("{whole}{NBSP}{name} ago") } else { format!("in {whole}{NBSP}{name}") }
}

/// How long since, in the largest unit that says enough: "26 months", "12 days".
pub fn how_long(since: Timestamp, now: Timestamp) -> String {
    let days = u64::try_from((now.as_second() - since.as_second()).max(0) / DAY).unwrap_or(0);
    match days {
        0 => "less than a day".to_owned(),
        1..=60 => Count(days).of("day", "days"),
        // Thirty and a half days a month: near enough for "customer for 26 months".
        61..=1_095 => Count(days * 2 / 61).of("month", "months"),
        _ => Count(days / 365).of("year", "years"),
    }
}

/// A sentence with strong parts and links; everything in it is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"{%- for piece in pieces -%}{%- match piece -%}
{%- when Piece::Plain(words) -%}{{ words }}{%- when Piece::Strong(words) -%}<b>{{ words }}</b>
{%- when Piece::Linked(words, place) -%}<a href="{{ place }}"><bdi>{{ words }}</bdi></a>{%- endmatch -%}{%- endfor -%}"#
)]
pub struct Prose {
    pieces: Vec<Piece>,
}

impl HtmlSafe for Prose {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Strong(String),
    Linked(String, Place),
}

impl Prose {
    /// An empty sentence, to be said piece by piece.
    pub fn new() -> Prose {
        Prose::default()
    }

    /// A sentence without strong parts.
    pub fn plain(words: impl Into<String>) -> Prose {
        Prose::new().say(words)
    }

    /// Adds plain words.
    #[must_use]
    pub fn say(mut self, words: impl Into<String>) -> Prose {
        self.pieces.push(Piece::Plain(words.into()));
        self
    }

    /// Adds words that carry the meaning: a number, a name.
    #[must_use]
    pub fn strong(mut self, words: impl Into<String>) -> Prose {
        self.pieces.push(Piece::Strong(words.into()));
        self
    }

    /// Adds words that lead somewhere.
    #[must_use]
    pub fn link(mut self, words: impl Into<String>, place: Place) -> Prose {
        self.pieces.push(Piece::Linked(words.into(), place));
        self
    }

    /// Whether nothing has been said.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// The colour of a thing: never alone, always beside a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Plain,
    /// Good, ours.
    Leaf,
    /// Look soon.
    Sun,
    /// A person is waiting, or something is broken.
    Rose,
    /// What the customer did by themselves.
    Sky,
}

impl Tone {
    /// The class of the sheet.
    pub fn class(&self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Leaf => "leaf",
            Tone::Sun => "sun",
            Tone::Rose => "rose",
            Tone::Sky => "sky",
        }
    }
}

/// A word in a pill.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<span class="tag {{ tone.class() }}">{{ text }}</span>"#)]
pub struct Tag {
    /// The word.
    pub text: String,
    /// Its colour.
    pub tone: Tone,
}

impl HtmlSafe for Tag {}

impl Tag {
    /// A word in a colour.
    pub fn new(text: impl Into<String>, tone: Tone) -> Tag {
        Tag { text: text.into(), tone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn money_shows_its_currency_and_exact_pence() {
        assert_eq!(Money::new(123_456_789, "GBP").to_string(), "£1,234,567.89");
        assert_eq!(Money::new(-5, "EUR").to_string(), "−€0.05");
        assert_eq!(Money::new(1_200, "JPY").to_string(), "¥1,200");
        assert_eq!(Money::new(1_500, "KWD").to_string(), "KWD\u{a0}1.500");
        assert_eq!(Money::new(i64::MIN, "GBP").to_string(), "−£92,233,720,368,547,758.08");
    }

    #[test]
    fn a_mean_per_customer_is_rounded_to_the_penny_and_does_not_exist_without_customers() {
        assert_eq!(Money::new(1_000, "GBP").per(&Count(3)).unwrap().minor, 333);
        assert_eq!(Money::new(-1_001, "GBP").per(&Count(2)).unwrap().minor, -501);
        assert_eq!(Money::new(1_000, "GBP").per(&Count(0)), None);
    }

    #[test]
    fn shares_keep_no_more_digits_than_are_known() {
        let share = |part, whole| Share { part, whole }.to_string().replace('\u{a0}', " ");
        assert_eq!(share(214, 1000), "21 %");
        assert_eq!(share(41, 1000), "4.1 %");
        assert_eq!(share(1, 1_000_000), "under 0.1 %");
        assert_eq!(share(0, 7), "0 %");
        assert_eq!(share(0, 0), "–");
        assert_eq!(share(u64::MAX, u64::MAX), "100 %");
    }

    #[test]
    fn times_are_relative_when_near_and_dates_when_far() {
        let zone = TimeZone::get("Europe/London").unwrap();
        let now = at("2026-11-22T12:00:00Z");
        let words = |text| relative(at(text), now, &zone).replace('\u{a0}', " ");
        assert_eq!(words("2026-11-22T11:59:40Z"), "just now");
        assert_eq!(words("2026-11-22T11:20:00Z"), "40 min ago");
        assert_eq!(words("2026-11-21T17:00:00Z"), "19 h ago");
        assert_eq!(words("2026-11-21T09:00:00Z"), "yesterday");
        assert_eq!(words("2026-11-09T09:00:00Z"), "9 Nov");
        assert_eq!(words("2025-02-09T09:00:00Z"), "9 Feb 2025");
        assert_eq!(words("2026-11-22T12:05:00Z"), "in 5 min");
        assert_eq!(words("2026-11-23T08:00:00Z"), "tomorrow, 08:00");
        assert_eq!(TimeTag::exact(at("2026-07-01T12:00:00Z"), &zone).exact, "Wed 1 Jul 2026, 13:00:00 BST");
        assert_eq!(words("-009999-01-02T01:59:59Z"), "2 Jan -9999");
    }

    #[test]
    fn a_sentence_escapes_what_it_is_told() {
        let prose = Prose::new().strong("<b>").say(" & ").link("x", Place::Customer("a/b?".into()));
        assert_eq!(prose.to_string(), r#"<b>&#60;b&#62;</b> &#38; <a href="/customers/a%2Fb%3F"><bdi>x</bdi></a>"#);
    }
}
