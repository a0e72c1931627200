//! What the pages of links say in English.

use super::Language;

pub(super) const ENGLISH: Language = Language {
    tag: "en",
    also: &[],

    this_shop: "this shop",
    offers_and_news: "Offers and news",
    by_email: "by e-mail",
    by_text_message: "by text message",
    by_notification: "by notification",
    this_way: "this way",

    leave_title: "No more of these messages?",
    leave_text: "One press, and {shop} will not write to you {by} again about: {purpose}. Messages about your orders still come.",
    less_instead: "Or choose what you get, and how often",
    left_title: "You are unsubscribed",
    left_text: "{shop} does not write to you {by} any more about: {purpose}.",
    changed_your_mind: "Changed your mind? Choose what you get, and how often",

    was_it_you: "Was it you?",
    somebody_gave: "Somebody gave {address} to {shop} for: {purpose}.",
    somebody_asked: "Somebody asked {shop} to write to you about: {purpose}.",
    press_confirms: "One press, and we will write to you. If it was not you, do nothing: nobody will.",
    yes_write: "Yes, write to me",
    thank_you: "Thank you",
    may_write_now: "{shop} may write to you about: {purpose}. Each message has a link to stop that.",
    too_late_title: "This link has run out",
    too_late_text: "Nothing was changed. If you still want to hear from the shop, sign up once more.",
    other_address_title: "This link belongs to another address",
    other_address_text: "Your address has changed since. If you want to hear from the shop, sign up with the present one.",

    what_you_get: "What you get from us",
    may_write_to: "{shop} may write to {address} about:",
    may_write_about: "{shop} may write to you about:",
    how_often: "How often",
    at_any_time: "as often as there is something",
    weekly: "at most once a week",
    monthly: "at most once a month",
    in_this_language: "In this language",
    as_before: "as before",
    save: "Save",
    orders_anyway: "Messages about your orders come in any case. To hear nothing else, leave all boxes empty.",
    noted_title: "Noted",
    noted_text: "{shop} writes to you as you said. You can change it again with the same link.",

    on_to: "On to",
    broken_title: "This link does not work",
    broken_text: "It may have been cut off on its way. Try the link in another message, or write to the shop.",
    not_now_title: "That did not work just now",
    not_now_text: "Please try again in a minute.",
};
