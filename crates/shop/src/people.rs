//! Who the customers are: names, homes, tastes, and how often they come. Not what they do.

use crate::calls::{Named, Object};
use crate::catalogue::{CATALOGUE, Family, Product, TEAS};
use crate::chance::{Dice, Draws, Purpose};

/// One customer as a person; the same for a seed and a number, whatever happens.
#[derive(Debug)]
pub(crate) struct Person {
    /// From 1 on; the user id is `t-00042`.
    pub(crate) number: u32,
    pub(crate) user_id: String,
    pub(crate) anonymous_id: String,
    first_name: Option<&'static str>,
    last_name: &'static str,
    email: String,
    birthday: Option<String>,
    /// Some tell their birthday only weeks later.
    pub(crate) tells_birthday_later: bool,
    pub(crate) home: &'static Home,
    tells_zone: bool,
    locale: &'static str,
    phone: Option<String>,
    pub(crate) likes: [Family; 2],
    /// What they buy again and again, the dearest to them first.
    pub(crate) favourites: [&'static Product; 4],
    /// Orders a day while they are customers, before season and weekday.
    pub(crate) order_rate: f64,
}

/// Where people live. `offset_hours` is the usual distance from UTC, for the time of day at which they shop.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) city: &'static str,
    pub(crate) region: &'static str,
    pub(crate) country: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) offset_hours: i64,
    locale: &'static str,
    weight: u32,
}

/// Mean orders a day, and the shape of the gamma distribution over customers.
const MEAN_ORDER_RATE: f64 = 1.0 / 82.0;
const ORDER_RATE_SHAPE: f64 = 1.3;

impl Person {
    pub(crate) fn meet(dice: Dice, number: u32) -> Person {
        let mut draws = dice.of(number, 0, Purpose::Person);
        let home = &HOMES[draws.weighted(HOMES.iter().map(|home| home.weight))];
        let odd = odd_name(number);
        let (first_name, last_name) = match odd {
            Some(&(first, last)) => (first, last),
            None => ((!draws.happens(0.01)).then(|| *draws.pick(FIRST_NAMES)), *draws.pick(LAST_NAMES)),
        };
        let (likes, favourites) = tastes(dice.of(number, 0, Purpose::Taste));
        Person {
            number,
            user_id: format!("t-{number:05}"),
            anonymous_id: format!("web-{:012x}", draws.bits() >> 16),
            first_name,
            last_name,
            email: format!("{}.{}.{number}@tea.example", slug(first_name.unwrap_or("")), slug(last_name)),
            birthday: birthday(&mut draws),
            tells_birthday_later: draws.happens(0.15),
            home,
            tells_zone: !draws.happens(0.05),
            locale: if draws.happens(0.9) { home.locale } else { "en" },
            phone: draws.happens(0.3).then(|| format!("+4477009{:05}", draws.below(100_000))),
            likes,
            favourites,
            order_rate: draws.gamma(ORDER_RATE_SHAPE, MEAN_ORDER_RATE),
        }
    }

    pub(crate) fn named(&self) -> Named<'_> {
        Named::User(&self.user_id)
    }

    pub(crate) fn birthday(&self) -> Option<&str> {
        self.birthday.as_deref()
    }

    pub(crate) fn write_traits(&self, traits: &mut Object<'_>, signed_up_ms: i64) {
        traits.text("email", &self.email);
        if let Some(first_name) = self.first_name {
            traits.text("first_name", first_name);
        }
        traits.text("last_name", self.last_name);
        if let (Some(birthday), false) = (&self.birthday, self.tells_birthday_later) {
            traits.text("birthday", birthday);
        }
        if self.tells_zone {
            traits.text("timezone", self.home.zone);
        }
        traits.text("locale", self.locale);
        traits.object("address", |address| {
            address.text("city", self.home.city);
            address.text("region", self.home.region);
            address.text("country", self.home.country);
        });
        if let Some(phone) = &self.phone {
            traits.text("phone", phone);
        }
        traits.instant("created_at", signed_up_ms);
    }
}

/// Two families liked, the first more, and four favourites among them.
fn tastes(mut draws: Draws) -> ([Family; 2], [&'static Product; 4]) {
    let mut family = || TEAS[draws.weighted(TEAS.iter().map(|(_, weight)| *weight))].0;
    let likes = [family(), family()];
    let favourites = [likes[0], likes[0], likes[1], likes[0]].map(|family| product_of(&mut draws, family));
    (likes, favourites)
}

pub(crate) fn product_of(draws: &mut Draws, family: Family) -> &'static Product {
    let count = family.products().count() as u32;
    family.products().nth(draws.below(count) as usize).unwrap_or(&CATALOGUE[0])
}

/// In full, as `MM-DD` without the year, or unknown.
fn birthday(draws: &mut Draws) -> Option<String> {
    let year = 2006 - (draws.gamma(4.0, 26.0) as u32).min(80);
    let month = draws.between(1, 12);
    let is_leap = year.is_multiple_of(4);
    let last_day = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = draws.between(1, last_day);
    match draws.unit() {
        told if told < 0.62 => Some(format!("{year:04}-{month:02}-{day:02}")),
        told if told < 0.78 => Some(format!("{month:02}-{day:02}")),
        _ => None,
    }
}

/// The part of an address made from a name: ASCII letters and digits, `guest` where none is left.
fn slug(name: &str) -> String {
    let slug: String = name.chars().map(without_accent).filter(char::is_ascii_alphanumeric).take(20).collect();
    if slug.is_empty() { "guest".to_owned() } else { slug.to_ascii_lowercase() }
}

fn without_accent(letter: char) -> char {
    match letter {
        'á' | 'ä' => 'a',
        'é' | 'ë' | 'É' => 'e',
        'í' => 'i',
        'ó' | 'ö' | 'Ó' => 'o',
        'ú' | 'ü' => 'u',
        'ć' => 'c',
        'ł' | 'Ł' => 'l',
        'ñ' | 'Ñ' => 'n',
        'Ś' | 'ś' => 's',
        'Ż' | 'ż' => 'z',
        other => other,
    }
}

/// Names that pages must show well. They belong to every eleventh of the first customers, so that small shops have them too.
fn odd_name(number: u32) -> Option<&'static (Option<&'static str>, &'static str)> {
    if number % 11 == 3 { ODD_NAMES.get((number / 11) as usize) } else { None }
}

static ODD_NAMES: [(Option<&str>, &str); 14] = [
    (Some("Maximiliana-Theodora"), "Featherstonehaugh-Cholmondeley-Majoribanks"),
    (Some("O"), "E"),
    (Some("王"), "小明"),
    (Some("محمد"), "الأحمد"),
    (Some("נועה"), "לוי"),
    (Some("Siobhán"), "O'Súilleabháin"),
    (Some("<b>Bold</b>"), "<script>"),
    (None, "Prince"),
    (Some("Łukasz"), "Żółć-Święcicki"),
    (Some("さくら"), "東海林"),
    (Some("  Space "), "d’Été “Quote”"),
    (Some("{{ first_name }}"), "Null"),
    (Some("Zoë 🍵"), "Ñandú"),
    (Some("José María del Carmen de la Santísima Trinidad"), "\"Pepe\" \\ Backslash & Sons"),
];

static FIRST_NAMES: &[&str] = &[
    "Olivia", "George", "Amelia", "Arthur", "Isla", "Noah", "Ava", "Muhammad", "Freya", "Leo", "Priya", "Oscar",
    "Aisha", "Harry", "Grace", "Archie", "Mei", "Jack", "Zara", "Henry", "Ruth", "Theodore", "Ingrid", "Kwame",
    "Eilidh", "Rhys", "Niamh", "Tomasz", "Ana", "Dmitri", "Chloë", "André", "Yuki", "Fatima", "Callum", "Morag",
    "Gwen", "Declan", "Sunita", "Rafael", "Hannah", "Ibrahim", "Lucía", "Jürgen", "Margaret", "Kenneth", "Dorothy",
    "Winston", "Beatrice", "Edward", "Sofia", "Björn", "Amara", "Tunde", "Keiko", "Patrick", "Elspeth", "Hamish", "Jo",
    "Al",
];

static LAST_NAMES: &[&str] = &[
    "Smith",
    "Jones",
    "Taylor",
    "Brown",
    "Williams",
    "Wilson",
    "Johnson",
    "Davies",
    "Patel",
    "Robinson",
    "Wright",
    "Thompson",
    "Evans",
    "Walker",
    "White",
    "Roberts",
    "Green",
    "Hall",
    "Wood",
    "Harris",
    "Khan",
    "Lewis",
    "Martin",
    "Jackson",
    "Clarke",
    "Clark",
    "Turner",
    "Hill",
    "Singh",
    "Scott",
    "Cooper",
    "Morris",
    "Ward",
    "Moore",
    "Begum",
    "King",
    "Campbell",
    "Stewart",
    "MacDonald",
    "Murray",
    "O'Brien",
    "Murphy",
    "Kowalski",
    "Nowak",
    "Okafor",
    "Mensah",
    "Nguyen",
    "Chen",
    "Li",
    "Tanaka",
    "Müller",
    "García",
    "Dubois",
    "Rossi",
    "Silva",
    "Ahmed",
    "Hussain",
    "Ali",
    "Fraser",
    "Sinclair",
    "Llewellyn",
    "Hughes",
    "Pritchard",
    "Quigley",
    "Attenborough",
    "Ó Briain",
    "Smythe-Jones",
    "van der Berg",
    "de Souza",
    "Lam",
    "Wu",
    "Ng",
];

const fn british(city: &'static str, region: &'static str, weight: u32) -> Home {
    Home { city, region, country: "GB", zone: "Europe/London", offset_hours: 0, locale: "en-GB", weight }
}

const fn abroad(
    (city, region, country): (&'static str, &'static str, &'static str),
    (zone, offset_hours): (&'static str, i64),
    locale: &'static str,
    weight: u32,
) -> Home {
    Home { city, region, country, zone, offset_hours, locale, weight }
}

static HOMES: [Home; 24] = [
    british("London", "London", 150),
    british("Brighton", "South East", 60),
    british("Oxford", "South East", 55),
    british("Bristol", "South West", 50),
    british("Exeter", "South West", 30),
    british("Cambridge", "East of England", 50),
    british("Norwich", "East of England", 30),
    british("Nottingham", "East Midlands", 50),
    british("Birmingham", "West Midlands", 70),
    british("Manchester", "North West", 70),
    british("Liverpool", "North West", 35),
    british("Newcastle upon Tyne", "North East", 35),
    british("Leeds", "Yorkshire and the Humber", 60),
    british("Cardiff", "Wales", 35),
    british("Edinburgh", "Scotland", 70),
    british("Glasgow", "Scotland", 50),
    british("Belfast", "Northern Ireland", 20),
    abroad(("Dublin", "Leinster", "IE"), ("Europe/Dublin", 0), "en-IE", 20),
    abroad(("Berlin", "Berlin", "DE"), ("Europe/Berlin", 1), "de-DE", 18),
    abroad(("Paris", "Île-de-France", "FR"), ("Europe/Paris", 1), "fr-FR", 14),
    abroad(("New York", "New York", "US"), ("America/New_York", -5), "en-US", 12),
    abroad(("Tokyo", "Tokyo", "JP"), ("Asia/Tokyo", 9), "ja-JP", 6),
    abroad(("Sydney", "New South Wales", "AU"), ("Australia/Sydney", 10), "en-AU", 6),
    abroad(("Kathmandu", "Bagmati", "NP"), ("Asia/Kathmandu", 6), "ne-NP", 4),
];
