//! Parcels: sent, due, delivered in time or late, and what they lead to: complaints, reviews, refunds, leaving.

use crate::World;
use crate::calls::Diary;
use crate::catalogue::{Family, Product};
use crate::chance::{Draws, Purpose, hash};
use crate::days::{DAY_MS, HOUR_MS};
use crate::life::{Errand, Life};
use crate::orders::{Order, write_product};

/// A parcel on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    id: String,
    order_id: String,
    order_total_pence: i64,
    first_line_pence: i64,
    product: &'static Product,
    due_ms: i64,
    delivered_ms: i64,
    has_new_courier: bool,
}

impl Parcel {
    fn is_late(&self) -> bool {
        self.delivered_ms > self.due_ms
    }
}

/// Probability of a refund of some kind, and of a review, after a delivery.
const REFUND: f64 = 0.035;
const REVIEW: f64 = 0.09;

impl Life {
    /// Packs an order: the parcel leaves next day, with a due instant, and its delivery is decided now.
    pub(crate) fn send_parcel(&mut self, order: &Order, world: &World, diary: &mut Diary<'_>) {
        let truth = &world.truth.courier;
        let home = self.person.home;
        let day = world.day_of(order.time_ms);
        let mut draws = world.dice.of_word(self.person.number, day, Purpose::Parcel, &order.id);
        let has_new_courier = home.region == truth.region && order.time_ms >= truth.from_ms;
        let sent_ms = world.midnight(day + 1) + i64::from(draws.between(8 * 60, 16 * 60)) * 60_000;
        let transit_days = if home.country == "GB" { 3 } else { 8 };
        let due_ms = world.midnight(day + transit_days) + 18 * HOUR_MS;
        let (late_share, (fewest, most)) = match has_new_courier {
            true => (truth.late_share_after, truth.late_days_after),
            false => (truth.late_share, (1, 2)),
        };
        let delivered_ms = if draws.happens(late_share) {
            due_ms + i64::from(draws.between(fewest, most)) * DAY_MS - i64::from(draws.between(60, 540)) * 60_000
        } else {
            due_ms - i64::from(draws.between(30, 1_800)) * 60_000
        };
        let parcel = Parcel {
            id: order.id.replacen('o', "parcel", 1),
            order_id: order.id.clone(),
            order_total_pence: order.total_pence(),
            first_line_pence: order.lines[0].product.price_pence.min(order.revenue_pence()),
            product: order.lines[0].product,
            due_ms,
            delivered_ms,
            has_new_courier,
        };
        diary.record(sent_ms, &self.person.user_id, "shipment", &parcel.id, |attributes| {
            attributes.text("status", "sent");
            attributes.text("order_id", &parcel.order_id);
            attributes.text("courier", if has_new_courier { &truth.to } else { &truth.from });
            attributes.text("region", home.region);
            attributes.instant("due", due_ms);
        });
        self.errands.push((world.day_of(delivered_ms), Errand::Deliver(Box::new(parcel))));
    }

    /// Hands the parcel over, and decides what comes of it. Truth 3 acts here.
    pub(crate) fn deliver(&mut self, parcel: &Parcel, day: u32, world: &World, diary: &mut Diary<'_>) {
        let truth = &world.truth.courier;
        let mut draws = world.dice.of_word(self.person.number, day, Purpose::AfterDelivery, &parcel.id);
        diary.record(parcel.delivered_ms, &self.person.user_id, "shipment", &parcel.id, |attributes| {
            attributes.text("status", "delivered");
            attributes.instant("delivered", parcel.delivered_ms);
        });
        let was_told = self.has_heard("parcel-late", parcel.due_ms - DAY_MS, world.midnight(day));
        let excess = |multiplier: f64| match (parcel.is_late(), was_told) {
            (false, _) => 1.0,
            (true, false) => multiplier,
            (true, true) => 1.0 + (multiplier - 1.0) * truth.left_by_message,
        };
        if parcel.is_late() {
            self.resents_until = day + truth.leaving_days;
            self.resentment = excess(truth.leaving_multiplier);
        }
        let complains = draws.happens(truth.complaint * excess(truth.complaint_multiplier));
        let refunded = draws.happens(REFUND);
        let reviews = draws.happens(REVIEW);
        self.count_parcel(parcel, complains, world, diary);
        if complains {
            self.complain(parcel, &mut draws, diary);
        }
        if refunded {
            self.refund(parcel, &mut draws, diary);
        }
        if reviews {
            self.review(parcel, &mut draws, diary);
        }
    }

    fn count_parcel(&self, parcel: &Parcel, complains: bool, world: &World, diary: &mut Diary<'_>) {
        let tally = &mut *diary.tally;
        let parcels = match (self.person.home.region == world.truth.courier.region, parcel.has_new_courier) {
            (true, true) => &mut tally.parcels_in_region_after,
            (true, false) => &mut tally.parcels_in_region_before,
            (false, _) => &mut tally.parcels_elsewhere,
        };
        parcels.delivered += 1;
        parcels.late += u64::from(parcel.is_late());
        parcels.complaints += u64::from(complains);
    }

    fn complain(&self, parcel: &Parcel, draws: &mut Draws, diary: &mut Diary<'_>) {
        let (about, text) = if parcel.is_late() { *draws.pick(&LATE) } else { *draws.pick(&WRONG) };
        let id = parcel.id.replacen("parcel", "complaint", 1);
        let opened_ms = parcel.delivered_ms + i64::from(draws.between(20, 1_200)) * 60_000;
        let resolved_ms = opened_ms + i64::from(draws.between(4, 200)) * HOUR_MS;
        diary.track(opened_ms, self.person.named(), "Complaint Opened", |properties| {
            properties.text("complaint", &id);
            properties.text("order_id", &parcel.order_id);
            properties.text("about", about);
            properties.text("text", text);
        });
        // One of ten is still waiting for an answer.
        if !draws.happens(0.1) {
            diary.track(resolved_ms, self.person.named(), "Complaint Resolved", |properties| {
                properties.text("complaint", &id);
            });
        }
    }

    /// The whole order, or the first thing in it.
    fn refund(&self, parcel: &Parcel, draws: &mut Draws, diary: &mut Diary<'_>) {
        const REASONS: [&str; 4] = ["damaged", "wrong item", "not to my taste", "changed my mind"];
        let time_ms = parcel.delivered_ms + i64::from(draws.between(24, 240)) * HOUR_MS;
        let reason = *draws.pick(&REASONS);
        let pence = if draws.happens(0.4) { parcel.order_total_pence } else { parcel.first_line_pence };
        diary.track(time_ms, self.person.named(), "Order Refunded", |properties| {
            properties.text("order_id", &parcel.order_id);
            properties.money("total", pence);
            properties.text("currency", "GBP");
            properties.text("reason", reason);
        });
    }

    fn review(&self, parcel: &Parcel, draws: &mut Draws, diary: &mut Diary<'_>) {
        let time_ms = parcel.delivered_ms + i64::from(draws.between(30, 300)) * HOUR_MS;
        // What is loved by some is odd to others: exotic teas are rated to both ends.
        let weights = match (parcel.product.family, parcel.is_late()) {
            (Family::Exotic, _) => [20, 12, 10, 18, 40],
            (_, true) => [18, 17, 20, 25, 20],
            _ => [3, 5, 12, 34, 46],
        };
        let rating = draws.weighted(weights.into_iter());
        let mut body = (*draws.pick(REVIEWS[rating])).replace("{tea}", parcel.product.name);
        if parcel.is_late() && draws.happens(0.6) {
            body.push_str(" It came days late, though.");
        }
        diary.track(time_ms, self.person.named(), "Product Reviewed", |properties| {
            properties.formatted("review_id", format_args!("review-{:016x}", hash(&parcel.id)));
            write_product(properties, parcel.product);
            properties.number("rating", rating as u32 + 1);
            properties.text("review_body", &body);
        });
    }
}

static LATE: [(&str, &str); 6] = [
    ("delivery", "My parcel came days after the date you promised."),
    ("delivery", "Where is my order? The tracking has not moved since Monday."),
    ("delivery", "The new courier left it at a depot forty miles away. I waited all week."),
    ("delivery", "It was meant as a birthday present and arrived too late."),
    ("delivery", "Third late parcel in a row. What happened to the old courier?"),
    ("delivery", "Late again, and nobody told me."),
];

static WRONG: [(&str, &str); 6] = [
    ("product", "The tin was dented and the tea had spilled."),
    ("product", "This tastes of nothing, the leaves look old."),
    ("order", "I was sent the wrong tea."),
    ("order", "One item is missing from the box."),
    ("payment", "I was charged twice for the same order."),
    ("service", "I wrote to you last week and nobody answered."),
];

static REVIEWS: [&[&str]; 5] = [
    &[
        "Undrinkable. I poured the {tea} away.",
        "Tastes of wet cardboard, what a disappointment.",
        "The {tea} smelled stale, and the tin was broken.",
    ],
    &["Not for me. The {tea} is far too bitter.", "Weak and overpriced.", "I expected more of the {tea}."],
    &["The {tea} is all right, nothing special.", "Decent, but I have had better for less.", "Fine for every day."],
    &[
        "Lovely {tea}, good for a second infusion too.",
        "Fresh and well packed. Will order again.",
        "Really nice, a little dear perhaps.",
    ],
    &[
        "The best {tea} I have ever had!",
        "Wonderful scent, sweet finish. My whole family loves it.",
        "Perfect. I drink {tea} every morning now.",
        "Ausgezeichnet! Sehr feiner Geschmack.",
        "最高のお茶です。また買います。",
    ],
];
