//! What the pages behind the links in messages say to customers, as data, and in which language a reader gets it.
//!
//! One language a file. What the shop calls things is not here, and the word *Unsubscribe*, which mails say too, is
//! `engine::write`'s.
//!
//! A shop's name stands where a sentence does not bend it: as the subject, or after a colon. No native speaker has checked the
//! sentences yet.

mod czech;
mod danish;
mod dutch;
mod english;
mod finnish;
mod french;
mod german;
mod italian;
mod norwegian;
mod polish;
mod portuguese;
mod spanish;
mod swedish;

use domain::language::{from_near_to_wide, plain_tag};
use domain::message::Channel;

/// Every sentence of the pages in one language; the compiler refuses a language that lacks one.
///
/// In braces stands what a page fills in: `{shop}`, `{address}` (masked), `{purpose}`, and `{by}`, which is how a message came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Language {
    /// Its tag, for `lang`.
    pub tag: &'static str,
    /// Plain tags that mean it too.
    pub also: &'static [&'static str],

    /// Who writes, where the shop did not say its name; as a subject.
    pub this_shop: &'static str,
    /// The purpose `marketing`.
    pub offers_and_news: &'static str,
    /// `{by}`: how a message came.
    pub by_email: &'static str,
    /// `{by}`: how a message came.
    pub by_text_message: &'static str,
    /// `{by}`: how a message came.
    pub by_notification: &'static str,
    /// `{by}`: how a message came.
    pub this_way: &'static str,

    /// Before somebody unsubscribes.
    pub leave_title: &'static str,
    /// `{shop}`, `{by}`, `{purpose}`.
    pub leave_text: &'static str,
    /// A link to the preferences.
    pub less_instead: &'static str,
    /// After somebody unsubscribed.
    pub left_title: &'static str,
    /// `{shop}`, `{by}`, `{purpose}`.
    pub left_text: &'static str,
    /// A link to the preferences.
    pub changed_your_mind: &'static str,

    /// Before a yes is confirmed.
    pub was_it_you: &'static str,
    /// `{shop}`, `{address}`, `{purpose}`.
    pub somebody_gave: &'static str,
    /// The same where there is no address to show: `{shop}`, `{purpose}`.
    pub somebody_asked: &'static str,
    /// What the button does.
    pub press_confirms: &'static str,
    /// A button.
    pub yes_write: &'static str,
    /// After a yes was confirmed.
    pub thank_you: &'static str,
    /// `{shop}`, `{purpose}`.
    pub may_write_now: &'static str,
    /// A yes can no longer be confirmed.
    pub too_late_title: &'static str,
    /// What to do then.
    pub too_late_text: &'static str,
    /// A yes was given for another address.
    pub other_address_title: &'static str,
    /// What to do then.
    pub other_address_text: &'static str,

    /// The page of preferences.
    pub what_you_get: &'static str,
    /// Before the purposes: `{shop}`, `{address}`.
    pub may_write_to: &'static str,
    /// The same where there is no address to show: `{shop}`.
    pub may_write_about: &'static str,
    /// Before a choice.
    pub how_often: &'static str,
    /// A choice.
    pub at_any_time: &'static str,
    /// A choice.
    pub weekly: &'static str,
    /// A choice.
    pub monthly: &'static str,
    /// Before a choice.
    pub in_this_language: &'static str,
    /// A choice.
    pub as_before: &'static str,
    /// A button.
    pub save: &'static str,
    /// At the end of the page.
    pub orders_anyway: &'static str,
    /// After it was saved.
    pub noted_title: &'static str,
    /// `{shop}`.
    pub noted_text: &'static str,

    /// Before the name of the page where a link leads.
    pub on_to: &'static str,
    /// A link that we did not sign.
    pub broken_title: &'static str,
    /// What to do then.
    pub broken_text: &'static str,
    /// What was asked could not be done.
    pub not_now_title: &'static str,
    /// What to do then.
    pub not_now_text: &'static str,
}

/// All of them, English first.
pub const ALL: [&Language; 14] = [
    &english::ENGLISH,
    &german::GERMAN,
    &french::FRENCH,
    &spanish::SPANISH,
    &italian::ITALIAN,
    &dutch::DUTCH,
    &portuguese::PORTUGUESE,
    &portuguese::BRAZILIAN,
    &polish::POLISH,
    &swedish::SWEDISH,
    &danish::DANISH,
    &norwegian::NORWEGIAN,
    &finnish::FINNISH,
    &czech::CZECH,
];

/// Most bytes of `Accept-Language` that are read, and most languages in it: browsers send a handful.
const ACCEPT_LIMIT: usize = 512;
const ACCEPTED_LIMIT: usize = 16;

impl Language {
    /// The language of somebody whose trait `locale` is this and whose browser sent this `Accept-Language`.
    ///
    /// The first of them that we speak, else English.
    pub fn choose(locale: Option<&str>, accept: Option<&str>) -> &'static Language {
        let own = locale.and_then(Language::find);
        own.or_else(|| accepted(accept?).into_iter().find_map(Language::find)).unwrap_or(&english::ENGLISH)
    }

    /// The nearest to a tag, or none.
    pub fn find(tag: &str) -> Option<&'static Language> {
        let means = |language: &Language, tag: &str| plain_tag(language.tag) == tag || language.also.contains(&tag);
        from_near_to_wide(tag).find_map(|tag| ALL.into_iter().find(|language| means(language, &tag)))
    }

    /// How a message came.
    pub fn by(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Email => self.by_email,
            Channel::Sms => self.by_text_message,
            Channel::Push => self.by_notification,
            Channel::Webhook | Channel::InApp => self.this_way,
        }
    }
}

/// The tags that a browser asks for, the dearest first; of two that are as dear, the one it named first.
///
/// What is not written as RFC 9110, § 12.5.4 has it is passed over, and so are `*` and what the reader cannot read (`q=0`).
fn accepted(header: &str) -> Vec<&str> {
    let read = if header.len() <= ACCEPT_LIMIT {
        header
    } else {
        // The last one was cut through: `de` might have been `den`.
        header.get(..ACCEPT_LIMIT).and_then(|cut| cut.rsplit_once(',')).map_or("", |(whole, _)| whole)
    };
    let mut wanted: Vec<(&str, u16)> =
        read.split(',').take(ACCEPTED_LIMIT).filter_map(wish).filter(|(_, weight)| *weight > 0).collect();
    wanted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    wanted.into_iter().map(|(tag, _)| tag).collect()
}

/// A tag and how dear it is, in thousandths.
fn wish(part: &str) -> Option<(&str, u16)> {
    let (tag, weight) = match part.split_once(';') {
        None => (part.trim(), 1_000),
        Some((tag, weight)) => (tag.trim(), thousandths(weight.trim().strip_prefix(['q', 'Q'])?.strip_prefix('=')?)?),
    };
    let is_tag = !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_tag.then_some((tag, weight))
}

/// `0`, `1`, `0.5`, `0.123`, `1.000`; nothing else is a weight.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let are_digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits || !matches!(whole, "0" | "1") {
        return None;
    }
    let weight: u16 = format!("{whole}{part:0<3}").parse().ok()?;
    (weight <= 1_000).then_some(weight)
}

/// A sentence with what stands in its braces filled in. What is filled in is not read again, whatever it holds.
pub fn filled(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, name, after)) = next_place(rest) {
        text.push_str(before);
        match values.iter().find(|(own, _)| *own == name) {
            Some((_, value)) => text.push_str(value),
            None => debug_assert!(false, "nothing to fill in for {name} of: {sentence}"),
        }
        rest = after;
    }
    text.push_str(rest);
    text
}

/// What stands before the next braces, in them, and behind.
fn next_place(sentence: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = sentence.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests;
