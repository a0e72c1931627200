//! Messages, those of the earlier tool and those of Perennial, and how customers answer them. Truth 2 acts here.

use crate::World;
use crate::calls::Diary;
use crate::chance::{Purpose, hash};
use crate::days::{DAY_MS, Date, HOUR_MS, weekday};
use crate::life::{Errand, Life, Presence};
use crate::orders::{Discount, Order};
use crate::truth::{Audience, HISTORY_DAYS, MessageTruth};
use crate::visits::{Intent, shopping_time, visit};

/// A message that a customer really received from Perennial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The shop's user id, such as `t-00042`.
    pub customer: String,
    /// When it arrived: UTC, ms.
    pub at_ms: i64,
    /// The template, by which the truth knows what it does; any other name is allowed.
    pub template: String,
    /// The campaign, repeated in the answers.
    pub campaign: String,
    /// Unique; repeated in the answers. What a customer does depends on template and day, never on this id.
    pub message_id: String,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    EarlierTool,
    Perennial,
}

/// A message remembered because it changes what comes later.
#[derive(Debug)]
pub(crate) struct Kept {
    at_ms: i64,
    /// The hash of the template's name: a comparison of texts for each of them on each day would be felt.
    template: u64,
}

/// Days since the last order after which a regular counts as lapsed, and orders that make a regular.
const LAPSED_AFTER_DAYS: i64 = 45;
const REGULAR_ORDERS: usize = 2;
/// Who has not ordered for so long gets no newsletter any more.
const CLEANED_AFTER_DAYS: i64 = 180;
/// The earlier tool's win-back: whom, how often, and which share of them got nothing, for comparison.
const WIN_BACK_AFTER_DAYS: i64 = 60;
const WIN_BACK_EVERY_DAYS: u32 = 60;
const MOST_WIN_BACKS: u32 = 5;
const WIN_BACK_WITHHELD: f64 = 0.2;
/// How soon mail programs look at what arrived.
const FETCHED_AFTER_MS: i64 = 40_000;

impl Life {
    /// Newsletters on the first Tuesday of the month, win-backs on Thursdays, until the tool was switched off.
    pub(crate) fn hear_from_earlier_tool(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let midnight_ms = world.midnight(day);
        // The tool reads unsubscriptions at night, a day old.
        let may_write = self.has_consented && self.unsubscribed_ms.is_none_or(|time_ms| time_ms > midnight_ms - DAY_MS);
        if day >= HISTORY_DAYS || !may_write {
            return;
        }
        let date = Date::of(midnight_ms);
        let last_seen_ms = self.last_order_before(midnight_ms).unwrap_or(world.midnight(self.signs_up));
        let is_on_list = midnight_ms - last_seen_ms < CLEANED_AFTER_DAYS * DAY_MS;
        if weekday(midnight_ms) == 2 && date.day <= 7 && is_on_list {
            let campaign = format!("newsletter-{:04}-{:02}", date.year, date.month);
            self.hear("newsletter", &campaign, midnight_ms + 10 * HOUR_MS, world, diary);
        }
        if weekday(midnight_ms) == 4 {
            self.hear_win_back(day, world, diary);
        }
    }

    fn hear_win_back(&mut self, day: u32, world: &World, diary: &mut Diary<'_>) {
        let midnight_ms = world.midnight(day);
        let last_order = self.last_order_before(midnight_ms);
        let is_regular = self.orders_before(midnight_ms) >= REGULAR_ORDERS;
        let has_lapsed = last_order.is_some_and(|time_ms| midnight_ms - time_ms >= WIN_BACK_AFTER_DAYS * DAY_MS);
        let has_rested = self.last_win_back.is_none_or(|last| day - last >= WIN_BACK_EVERY_DAYS);
        if !is_regular || !has_lapsed || !has_rested || self.win_backs >= MOST_WIN_BACKS {
            return;
        }
        self.last_win_back = Some(day);
        self.win_backs += 1;
        let mut draws = world.dice.of(self.person.number, day, Purpose::OldTool);
        let time_ms = midnight_ms + 17 * HOUR_MS;
        let is_withheld = draws.happens(WIN_BACK_WITHHELD);
        let template = if draws.happens(0.5) { "ten-percent-off" } else { "restocked" };
        if is_withheld {
            diary.track(time_ms, self.person.named(), "Message Withheld", |properties| {
                properties.text("campaign", "win-back");
                properties.text("template", template);
                properties.text("because", "comparison group");
            });
        } else {
            self.hear(template, "win-back", time_ms, world, diary);
        }
    }

    /// A message of the earlier tool: what it wrote down itself, and the answer.
    fn hear(&mut self, template: &str, campaign: &str, at_ms: i64, world: &World, diary: &mut Diary<'_>) {
        let message = Received {
            customer: self.person.user_id.clone(),
            at_ms: at_ms + i64::from(self.person.number % 600) * 1_000,
            template: template.to_owned(),
            campaign: campaign.to_owned(),
            message_id: format!("old-{campaign}-{:05}-{}", self.person.number, world.day_of(at_ms)),
        };
        diary.track(message.at_ms, self.person.named(), "Message Sent", |properties| {
            properties.text("campaign", campaign);
            properties.text("template", template);
            properties.text("message_id", &message.message_id);
            properties.text("channel", "email");
        });
        self.receive(&message, Sender::EarlierTool, world, diary);
    }

    /// Reads a message, or not, and does what the truth says. All draws are made in any case and in one order, so that
    /// what one message does is the same whatever else was received.
    pub(crate) fn receive(&mut self, message: &Received, sender: Sender, world: &World, diary: &mut Diary<'_>) {
        let truth = world.truth.message(&message.template);
        let day = world.day_of(message.at_ms);
        let mut draws = world.dice.of_word(self.person.number, day, Purpose::Answer, &message.template);
        let works = truth.works_at(message.at_ms);
        let rest_began_ms = message.at_ms - i64::from(truth.rest_days) * DAY_MS;
        let has_rested = match sender {
            // It leaves two months between its own, and must not depend on when Perennial's were handed in.
            Sender::EarlierTool => true,
            Sender::Perennial => !self.has_kept(&message.template, rest_began_ms, message.at_ms),
        };
        let is_moved = works && has_rested && self.is_of(truth.audience, message.at_ms);
        let buys = draws.happens(truth.extra_order) && is_moved;
        let interest = self.interest(truth, works, day);
        let opens = draws.happens(truth.opened * interest) || buys;
        let clicks = (draws.happens(truth.clicked * interest) && opens) || buys;
        let unsubscribes = draws.happens(truth.unsubscribed) && self.unsubscribed_ms.is_none();
        let opened_ms =
            message.at_ms + 60_000 + draws.exponential(4.0 * HOUR_MS as f64).min(60.0 * HOUR_MS as f64) as i64;
        let buys_days_later = 2 + (draws.exponential(2.5) as u32).min(11);

        let answer = diary.tally.message(&message.campaign, &message.template, works);
        answer.received += 1;
        answer.to_audience += u64::from(is_moved);
        answer.opened += u64::from(opens);
        answer.clicked += u64::from(clicks);
        answer.unsubscribed += u64::from(unsubscribes);

        if sender == Sender::Perennial && self.person.number.is_multiple_of(3) {
            self.fetch_unread(message, diary);
        }
        if opens {
            self.write_answer("Email Opened", opened_ms, message, diary);
        }
        if clicks {
            self.write_answer("Email Link Clicked", opened_ms + 20_000, message, diary);
        }
        if unsubscribes {
            self.unsubscribe(opened_ms + 60_000, message, diary);
        }
        if buys {
            self.order_because_of(message, day + buys_days_later, world, diary);
        }
        if message.template != "newsletter" {
            self.kept_messages.push(Kept { at_ms: message.at_ms, template: hash(&message.template) });
        }
    }

    /// The mail program of every third customer fetches the pictures of a mail as it arrives, read or not, as Apple's does. The
    /// earlier tool kept nothing of that. No draw is made: what customers do must not depend on their mail programs.
    fn fetch_unread(&self, message: &Received, diary: &mut Diary<'_>) {
        diary.track(message.at_ms + FETCHED_AFTER_MS, self.person.named(), "Email Opened", |properties| {
            properties.text("campaign", &message.campaign);
            properties.text("template", &message.template);
            properties.text("message_id", &message.message_id);
            properties.text("user_agent", "Mozilla/5.0");
        });
    }

    fn write_answer(&self, event: &str, time_ms: i64, message: &Received, diary: &mut Diary<'_>) {
        diary.track(time_ms, self.person.named(), event, |properties| {
            properties.text("campaign", &message.campaign);
            properties.text("template", &message.template);
            properties.text("message_id", &message.message_id);
            if event == "Email Link Clicked" {
                properties.text("link_url", "https://tea.example/shop");
            }
        });
    }

    fn unsubscribe(&mut self, time_ms: i64, message: &Received, diary: &mut Diary<'_>) {
        self.unsubscribed_ms = Some(time_ms);
        self.write_answer("Unsubscribed", time_ms, message, diary);
        diary.track(time_ms + 5, self.person.named(), "Consent Changed", |properties| {
            properties.text("purpose", "marketing");
            properties.text("channel", "email");
            properties.text("status", "withdrawn");
            properties.text("basis", "express");
            properties.text("source", "unsubscribe-link");
            properties.text("text_version", "2024-1");
        });
    }

    /// The one order more; whoever had left is back from the next day on. At least 24 hours lie between the message and
    /// the order, which is what allows messages to be handed in up to a day late.
    fn order_because_of(&mut self, message: &Received, day: u32, world: &World, diary: &mut Diary<'_>) {
        let person = &self.person;
        let mut draws = world.dice.of_word(person.number, day, Purpose::AnswerBasket, &message.template);
        let start_ms = shopping_time(person.home, world.midnight(day), &mut draws);
        let visited = visit(person, person.named(), start_ms, Intent::Buy, &mut draws, diary);
        let order = Order {
            id: format!("o-{:05}-{day}-m{:08x}", person.number, hash(&message.message_id) as u32),
            time_ms: visited.ended_ms,
            lines: visited.basket,
            discount: if message.template == "ten-percent-off" { Discount::TenPercent } else { Discount::Nothing },
            subscription: None,
        };
        self.complete_order(&order, world, diary);
        self.errands.push((day + 1, Errand::Return));
        let answer = diary.tally.message(&message.campaign, &message.template, true);
        answer.extra_orders += 1;
        answer.extra_revenue_minor += order.revenue_pence();
    }

    /// By how much the rates of opening and clicking shrink.
    fn interest(&self, truth: &MessageTruth, works: bool, day: u32) -> f64 {
        let has_worn_off = truth.stopped_working_ms.is_some() && !works;
        let worn_off = if has_worn_off { 0.7 } else { 1.0 };
        let left = if self.presence_on(day) == Presence::Left { 1.0 / 3.0 } else { 1.0 };
        worn_off * left
    }

    fn is_of(&self, audience: Audience, time_ms: i64) -> bool {
        let orders = self.orders_before(time_ms);
        let days_since = self.last_order_before(time_ms).map(|last_ms| (time_ms - last_ms) / DAY_MS);
        match audience {
            Audience::LapsedRegulars => orders >= REGULAR_ORDERS && days_since >= Some(LAPSED_AFTER_DAYS),
            Audience::FirstTimers => orders == 1 && days_since < Some(30),
            Audience::Nobody => false,
        }
    }

    /// Whether such a message was received in [`from_ms`, `before_ms`).
    fn has_kept(&self, template: &str, from_ms: i64, before_ms: i64) -> bool {
        let template = hash(template);
        self.kept_messages.iter().any(|kept| kept.template == template && (from_ms..before_ms).contains(&kept.at_ms))
    }

    /// Whether such a message was received since `from_ms` and at least a day before the day's plan at `midnight_ms`.
    pub(crate) fn has_heard(&self, template: &str, from_ms: i64, midnight_ms: i64) -> bool {
        self.has_kept(template, from_ms, midnight_ms - DAY_MS)
    }
}
