//! What a perfect analyst would find: the truth, and what it came to in this very shop so far.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::truth::Truth;

/// The answers to the questions that the shop's data poses, counted while it was made.
#[derive(Clone, Debug, Serialize)]
pub struct Answers {
    /// The planted truths.
    pub truth: Truth,
    /// Customers who have come so far, visitors not yet signed up included.
    pub customers: u32,
    /// What happened so far.
    pub realised: Tally,
}

/// Counts of what really happened, with causes that the data alone does not show.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Calls written, those not handed out yet included.
    pub calls: u64,
    /// Completed orders, boxes included.
    pub orders: u64,
    /// Their revenue without tax and shipping, in pence.
    pub revenue_minor: i64,
    /// (1) Buyers from their early second order on.
    pub stay_after_early_second_order: Stay,
    /// (1) Buyers without one, or before it.
    pub stay_otherwise: Stay,
    /// (2) What messages did, by campaign, template and whether the template still worked then.
    pub messages: Vec<MessageAnswer>,
    /// (3) Parcels to the region of the courier change, before it.
    pub parcels_in_region_before: Parcels,
    /// (3) Parcels to the region, after the change.
    pub parcels_in_region_after: Parcels,
    /// (3) Parcels to all other regions.
    pub parcels_elsewhere: Parcels,
    /// (4) Subscriptions.
    pub subscriptions: Subscriptions,
    /// Messages handed in for people who do not exist (yet); they change nothing.
    pub unknown_recipients: u64,
    #[serde(skip)]
    places: BTreeMap<(String, String, bool), usize>,
}

/// Time spent as a customer, and how often it ended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stay {
    /// Days spent, over all customers, until they first left.
    pub days: u64,
    /// Customers who left.
    pub left: u64,
}

impl Stay {
    /// Mean stay in days: days spent per leaving, which takes those into account who are still here.
    pub fn mean_days(&self) -> f64 {
        self.days as f64 / self.left as f64
    }
}

/// What the messages of a campaign with one template did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MessageAnswer {
    /// The campaign.
    pub campaign: String,
    /// The template.
    pub template: String,
    /// Whether the template moved people at that time.
    pub works: bool,
    /// Messages received.
    pub received: u64,
    /// Of them to people whom the template can move: of the audience, and rested.
    pub to_audience: u64,
    /// Opened.
    pub opened: u64,
    /// Clicked.
    pub clicked: u64,
    /// Unsubscribed because of it.
    pub unsubscribed: u64,
    /// Orders that would not have happened without the message.
    pub extra_orders: u64,
    /// Their revenue, in pence.
    pub extra_revenue_minor: i64,
}

/// Parcels and their lateness.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Parcels {
    /// Delivered.
    pub delivered: u64,
    /// Of them after the due instant.
    pub late: u64,
    /// Complaints they led to.
    pub complaints: u64,
}

/// Subscriptions and how they ended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Subscriptions {
    /// Begun.
    pub started: u64,
    /// Lost, for any reason.
    pub lost: u64,
    /// Lost because a payment failed and was not recovered.
    pub lost_to_failed_payments: u64,
    /// Payments that failed at first.
    pub payments_failed: u64,
    /// Of them recovered.
    pub payments_recovered: u64,
}

impl Tally {
    /// The row of a campaign, template and working, made when first asked for.
    pub(crate) fn message(&mut self, campaign: &str, template: &str, works: bool) -> &mut MessageAnswer {
        let place = *self.places.entry((campaign.to_owned(), template.to_owned(), works)).or_insert_with(|| {
            self.messages.push(MessageAnswer {
                campaign: campaign.to_owned(),
                template: template.to_owned(),
                works,
                ..MessageAnswer::default()
            });
            self.messages.len() - 1
        });
        &mut self.messages[place]
    }
}
