//! Addresses as they are compared, whichever way they were written. What is no address of its channel is none.

use domain::message::Channel;

/// Longest token of an app or browser: web push endpoints are the longest, at some hundred characters.
const TOKEN: usize = 4_096;

/// An e-mail address as it is compared: trimmed of nothing, its domain in lower case. None for what is no address.
pub fn normal_email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let bad =
        |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')' | '@');
    let ok = !local.is_empty()
        && local.len() <= 64
        && !domain.is_empty()
        && domain.len() <= 250
        && !local.contains(bad)
        && !domain.contains(bad);
    ok.then(|| format!("{local}@{}", domain.to_lowercase()))
}

/// A phone number in E.164, such as +447700900123. Spaces and the marks people write between digits are left out; a number
/// without its country is none, since nobody knows whose it is.
pub fn normal_phone(text: &str) -> Option<String> {
    if text.len() > 40 {
        return None;
    }
    let digits: String = text
        .trim()
        .strip_prefix('+')?
        .chars()
        .filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '(' | ')' | '/'))
        .collect();
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    is_number.then(|| format!("+{digits}"))
}

/// The token of an app or browser, as its provider gave it.
pub fn normal_token(text: &str) -> Option<String> {
    let ok = !text.is_empty() && text.len() <= TOKEN && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    ok.then(|| text.to_owned())
}

/// An address on a channel.
pub(crate) fn normal_on(channel: Channel, text: &str) -> Option<String> {
    match channel {
        Channel::Email => normal_email(text),
        Channel::Sms => normal_phone(text),
        Channel::Push | Channel::Webhook | Channel::InApp => normal_token(text),
    }
}

/// An address of whichever channel, told apart by its form.
pub(crate) fn normal_address(text: &str) -> Option<String> {
    if text.contains('@') {
        normal_email(text)
    } else if text.trim_start().starts_with('+') {
        normal_phone(text)
    } else {
        normal_token(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_names_its_country_however_it_is_written() {
        for written in ["+447700900123", " +44 7700 900123", "+44 (7700) 900-123", "+44.7700.900.123"] {
            assert_eq!(normal_phone(written).as_deref(), Some("+447700900123"), "{written}");
        }
        for wrong in [
            "07700900123",
            "447700900123",
            "+0447700900123",
            "+44",
            "+44 7700 900123 ext 7",
            "+4477009001234567",
            "",
            "+",
        ] {
            assert_eq!(normal_phone(wrong), None, "{wrong}");
        }
    }
}
