//! The truth of the shop, as data: what is planted for the product to find. All behaviour reads its numbers from here.

use serde::Serialize;

use crate::days::{DAY_MS, Date};

/// The four planted truths and the rates around them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// (1) A second order soon after the first makes customers stay longer.
    pub second_order: SecondOrderTruth,
    /// (2) What messages do; among them the "10 % off" that stopped working and the "we restocked yours" that works.
    pub messages: Vec<MessageTruth>,
    /// What a message with any other template does.
    pub other_messages: MessageTruth,
    /// (3) The courier change in one region.
    pub courier: CourierTruth,
    /// (4) How subscriptions are lost.
    pub subscriptions: SubscriptionTruth,
    /// Tasting passes and their renewal.
    pub passes: PassTruth,
}

/// Truth 1: how long customers stay, by whether they ordered again soon.
///
/// Staying is the time from the first order until a customer leaves for good, or until a message brings them
/// back. The daily risk of leaving is `1 / stay`, the same every day, for those who have not ordered a second time
/// within `within_days`; from such an order on it is divided by `stay_multiplier`.
///
/// Stays that are counted come out at about 2.8 times, since late parcels (truth 3) hit those most who order most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecondOrderTruth {
    /// A second order counts up to so many days after the first, the end included.
    pub within_days: u32,
    /// How many times longer they stay then.
    pub stay_multiplier: f64,
    /// Mean stay without it, in days.
    pub stay_days: f64,
    /// Mean stay of those who never ordered, from signing up, in days.
    pub stay_without_order_days: f64,
    /// Mean stay after a message brought somebody back, in days; for both groups.
    pub stay_after_return_days: f64,
}

/// Whom a message moves to buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// At least two orders, the last of them at least 45 days ago.
    LapsedRegulars,
    /// Exactly one order, less than 30 days ago.
    FirstTimers,
    /// Nobody orders because of it.
    Nobody,
}

/// What one template does to those who receive it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MessageTruth {
    /// The template's name, as Perennial and the earlier tool send it.
    pub template: String,
    /// Who orders because of it.
    pub audience: Audience,
    /// Probability of one order more than without the message, one to fourteen days after it, for the audience.
    pub extra_order: f64,
    /// Whoever got the same template within so many days before is not moved again.
    pub rest_days: u32,
    /// From this instant on (UTC, ms) it moves nobody any more, and is opened and clicked less. None: works for ever.
    pub stopped_working_ms: Option<i64>,
    /// Probability of being opened, while the customer has not left (who left opens a third as often).
    pub opened: f64,
    /// Probability of a click, given opened.
    pub clicked: f64,
    /// Probability that it makes the customer unsubscribe.
    pub unsubscribed: f64,
}

impl MessageTruth {
    /// Whether the template still moved people at that instant.
    pub fn works_at(&self, time_ms: i64) -> bool {
        self.audience != Audience::Nobody && self.stopped_working_ms.is_none_or(|stopped_ms| time_ms < stopped_ms)
    }
}

/// Truth 3. A late parcel raises the risk of a complaint and of leaving; from `from_ms` on parcels to `region` are mostly late.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CourierTruth {
    /// The `address.region` concerned, also on shipments.
    pub region: String,
    /// The change, UTC, ms: parcels of orders from then on go by `to`.
    pub from_ms: i64,
    /// The courier before, and everywhere else.
    pub from: String,
    /// The courier after.
    pub to: String,
    /// Share of late parcels (delivered after their due instant) before and elsewhere.
    pub late_share: f64,
    /// Share of late parcels in the region after the change.
    pub late_share_after: f64,
    /// By how many days a late parcel of the new courier is late, lowest and highest, all equally likely.
    pub late_days_after: (u32, u32),
    /// Probability of a complaint after a parcel in time.
    pub complaint: f64,
    /// By how much a late parcel multiplies it.
    pub complaint_multiplier: f64,
    /// By how much a late parcel multiplies the daily risk of leaving.
    pub leaving_multiplier: f64,
    /// For how many days after delivery.
    pub leaving_days: u32,
    /// A `parcel-late` message that arrives at least a day before the parcel leaves this share of both excesses.
    pub left_by_message: f64,
}

/// Truth 4. Of lost subscriptions, `lost_to_failed_payments` end because a payment failed and was not recovered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubscriptionTruth {
    /// The share that follows from the rates below; measured in [`crate::Answers`].
    pub lost_to_failed_payments: f64,
    /// Daily risk of cancelling the box while staying a customer. Whoever leaves cancels too.
    pub cancels_daily: f64,
    /// Probability that a monthly payment fails although the card is valid.
    pub payment_fails: f64,
    /// Probability that the first payment after the card's expiry fails: the new card was not told.
    pub payment_fails_on_expired_card: f64,
    /// A failed payment is tried again so many days after it; after the last the subscription is cancelled.
    pub retry_days: [u32; 3],
    /// Probability that a retry succeeds.
    pub retry_succeeds: f64,
    /// By how much a `payment-failed` message, received at least a day before the retry, multiplies it.
    pub message_multiplier: f64,
}

/// Tasting passes: bought beside an order, valid for `valid_days`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PassTruth {
    /// How long a pass is valid.
    pub valid_days: u32,
    /// Probability that it is renewed at its end by somebody who has not left.
    pub renewed: f64,
    /// The same after a `pass-expires` message, received at least a day and at most 30 days before.
    pub renewed_after_message: f64,
}

/// The days after which the earlier tool was switched off: the 30 months, counted as days.
pub(crate) const HISTORY_DAYS: u32 = 913;

impl Truth {
    /// The truth of a shop whose 30 months end at that instant.
    pub(crate) fn of_shop_ending(end_ms: i64) -> Truth {
        Truth {
            second_order: SecondOrderTruth {
                within_days: 30,
                stay_multiplier: 3.0,
                stay_days: 150.0,
                stay_without_order_days: 60.0,
                stay_after_return_days: 120.0,
            },
            messages: messages(last_spring_ms(end_ms)),
            other_messages: message("*", Audience::Nobody, 0.0, (0.15, 0.10, 0.002)),
            courier: CourierTruth {
                region: "Scotland".to_owned(),
                from_ms: end_ms - 270 * DAY_MS,
                from: "Postwagon".to_owned(),
                to: "Heron Parcels".to_owned(),
                late_share: 0.015,
                late_share_after: 0.70,
                late_days_after: (2, 6),
                complaint: 0.008,
                complaint_multiplier: 10.0,
                leaving_multiplier: 4.0,
                leaving_days: 30,
                left_by_message: 0.4,
            },
            subscriptions: SubscriptionTruth {
                lost_to_failed_payments: 1.0 / 3.0,
                cancels_daily: 0.0008,
                payment_fails: 0.115,
                payment_fails_on_expired_card: 0.75,
                retry_days: [3, 7, 14],
                retry_succeeds: 0.15,
                message_multiplier: 2.5,
            },
            passes: PassTruth { valid_days: 120, renewed: 0.35, renewed_after_message: 0.60 },
        }
    }

    /// What the template does; [`Truth::other_messages`] if it is not known.
    pub fn message(&self, template: &str) -> &MessageTruth {
        self.messages.iter().find(|message| message.template == template).unwrap_or(&self.other_messages)
    }
}

fn messages(last_spring_ms: i64) -> Vec<MessageTruth> {
    let ten_percent_off = MessageTruth {
        stopped_working_ms: Some(last_spring_ms),
        ..message("ten-percent-off", Audience::LapsedRegulars, 0.14, (0.30, 0.25, 0.004))
    };
    vec![
        message("restocked", Audience::LapsedRegulars, 0.18, (0.38, 0.35, 0.002)),
        ten_percent_off,
        message("second-cup", Audience::FirstTimers, 0.15, (0.42, 0.30, 0.002)),
        message("newsletter", Audience::Nobody, 0.0, (0.27, 0.14, 0.003)),
        message("payment-failed", Audience::Nobody, 0.0, (0.65, 0.55, 0.0)),
        message("parcel-late", Audience::Nobody, 0.0, (0.70, 0.30, 0.0)),
        message("pass-expires", Audience::Nobody, 0.0, (0.55, 0.40, 0.0)),
    ]
}

fn message(template: &str, audience: Audience, extra_order: f64, rates: (f64, f64, f64)) -> MessageTruth {
    let (opened, clicked, unsubscribed) = rates;
    MessageTruth {
        template: template.to_owned(),
        audience,
        extra_order,
        rest_days: 30,
        stopped_working_ms: None,
        opened,
        clicked,
        unsubscribed,
    }
}

/// The middle of April of the last spring that was over at `end_ms`; spring ends with May.
fn last_spring_ms(end_ms: i64) -> i64 {
    let end = Date::of(end_ms);
    let year = if end.month >= 6 { end.year } else { end.year - 1 };
    Date { year, month: 4, day: 15 }.midnight_ms()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_spring_is_the_one_that_was_over() {
        let at = |year, month, day| Date { year, month, day }.midnight_ms();
        assert_eq!(last_spring_ms(at(2026, 11, 22)), at(2026, 4, 15));
        assert_eq!(last_spring_ms(at(2026, 5, 31)), at(2025, 4, 15));
        assert_eq!(last_spring_ms(at(2026, 6, 1)), at(2026, 4, 15));
    }
}
