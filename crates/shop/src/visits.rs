//! Visits to the web shop: when, what is looked at, what goes into the basket. Whether somebody comes is `life.rs`.

use crate::World;
use crate::calls::{Diary, Named};
use crate::catalogue::{CATALOGUE, Family, Product, TEAS};
use crate::chance::Draws;
use crate::days::{Date, HOUR_MS, weekday};
use crate::orders::{Line, write_product};
use crate::people::{Home, Person, product_of};

/// How the month changes the pace of orders: a summer trough, a Christmas peak. Mean about 1.
const SEASON: [f64; 12] = [0.95, 0.95, 0.98, 0.95, 0.92, 0.85, 0.78, 0.80, 0.97, 1.08, 1.30, 1.45];
/// How the weekday does, Sunday first.
const WEEK: [f64; 7] = [1.20, 1.05, 0.98, 0.95, 0.97, 0.90, 0.95];
/// Weight of each local hour.
const DAY: [u32; 24] = [1, 1, 0, 0, 0, 1, 3, 6, 8, 9, 10, 10, 11, 10, 9, 9, 9, 10, 11, 13, 14, 12, 8, 4];

/// What a visit comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    Browse,
    Buy,
}

/// A visit that is over.
pub(crate) struct Visited {
    pub(crate) ended_ms: i64,
    pub(crate) basket: Vec<Line>,
}

/// By how much the day's season and weekday multiply the pace of orders.
pub(crate) fn pace_on(midnight_ms: i64) -> f64 {
    SEASON[Date::of(midnight_ms).month as usize - 1] * WEEK[weekday(midnight_ms)]
}

/// An instant of the day at which somebody living there would shop.
pub(crate) fn shopping_time(home: &Home, midnight_ms: i64, draws: &mut Draws) -> i64 {
    let local_hour = draws.weighted(DAY.iter().copied()) as i64;
    let hour = (local_hour - home.offset_hours).rem_euclid(24);
    midnight_ms + hour * HOUR_MS + i64::from(draws.below(HOUR_MS as u32))
}

/// Walks through the shop from `start_ms` on. A buyer leaves with a basket; a browser may leave one behind.
pub(crate) fn visit(
    person: &Person,
    named: Named<'_>,
    start_ms: i64,
    intent: Intent,
    draws: &mut Draws,
    diary: &mut Diary<'_>,
) -> Visited {
    let mut time_ms = start_ms;
    let mut wait = |draws: &mut Draws| {
        time_ms += i64::from(draws.between(3_000, 90_000));
        time_ms
    };
    diary.page(start_ms, named, "Home", "/");
    if intent == Intent::Buy || draws.happens(0.3) {
        look_around(person, named, wait(draws), draws, diary);
    }
    let basket = match intent {
        Intent::Buy => fill_basket(person, draws),
        Intent::Browse if draws.happens(0.12) => vec![Line { product: choose(person, draws), quantity: 1 }],
        Intent::Browse => Vec::new(),
    };
    let only_looked_at = if basket.is_empty() { u32::from(draws.happens(0.8)) } else { draws.below(2) };
    for _ in 0..only_looked_at {
        let product = choose(person, draws);
        diary.track(wait(draws), named, "Product Viewed", |properties| write_product(properties, product));
    }
    for line in &basket {
        diary.track(wait(draws), named, "Product Viewed", |properties| write_product(properties, line.product));
        diary.track(wait(draws), named, "Product Added", |properties| {
            write_product(properties, line.product);
            properties.number("quantity", line.quantity);
        });
    }
    if !basket.is_empty() && draws.happens(0.4) {
        diary.page(wait(draws), named, "Basket", "/basket");
    }
    Visited { ended_ms: wait(draws), basket }
}

fn look_around(person: &Person, named: Named<'_>, time_ms: i64, draws: &mut Draws, diary: &mut Diary<'_>) {
    if draws.happens(0.3) {
        let product = choose(person, draws);
        // People type the first word of what they want, in small letters.
        let query = product.name.split([' ', ',']).next().unwrap_or(product.name).to_lowercase();
        diary.track(time_ms, named, "Products Searched", |properties| properties.text("query", &query));
    } else {
        let family = if draws.happens(0.8) { person.likes[draws.below(2) as usize] } else { draws.pick(&TEAS).0 };
        diary.track(time_ms, named, "Product List Viewed", |properties| {
            properties.text("list_id", family.category());
            properties.text("category", family.category());
        });
    }
}

/// One to five different products, mostly favourites.
fn fill_basket(person: &Person, draws: &mut Draws) -> Vec<Line> {
    let mut basket: Vec<Line> = Vec::with_capacity(3);
    loop {
        let product = choose(person, draws);
        if basket.iter().all(|line| line.product.sku != product.sku) {
            let quantity = match draws.unit() {
                one if one < 0.8 || product.family == Family::Ware => 1,
                two if two < 0.94 => 2,
                _ => 3,
            };
            basket.push(Line { product, quantity });
        }
        if basket.len() == 5 || !draws.happens(0.45) {
            return basket;
        }
    }
}

/// A favourite, something of the families liked, the ware that goes with them, or anything at all.
fn choose(person: &Person, draws: &mut Draws) -> &'static Product {
    let liked = person.likes[usize::from(draws.happens(0.3))];
    match draws.unit() {
        favourite if favourite < 0.55 => person.favourites[draws.weighted([4, 3, 2, 1].into_iter())],
        family if family < 0.80 => product_of(draws, liked),
        companion if companion < 0.88 => liked.companion(),
        _ => draws.pick(&CATALOGUE),
    }
}

/// Looks around without being known yet.
pub(crate) fn wander(person: &Person, day: u32, world: &World, draws: &mut Draws, diary: &mut Diary<'_>) {
    let start_ms = shopping_time(person.home, world.midnight(day), draws);
    visit(person, Named::Anonymous(&person.anonymous_id), start_ms, Intent::Browse, draws, diary);
}
