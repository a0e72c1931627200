//! Text and links that may stand in a header, and the block of header lines they are written to.
//! The only place where header lines are made: nothing unchecked can reach one.

use std::fmt::{self, Write as _};

use email_encoding::headers::{quoted_string, rfc2047, writer::EmailWriter};

use crate::Mailbox;

/// Longest header text in characters: twice what any inbox shows of a subject.
const MAX_TEXT_CHARS: usize = 500;
/// Longest link in octets: with its header's name it fits a line of 998, RFC 5322 § 2.1.1.
const MAX_LINK_OCTETS: usize = 900;
/// Longest word written as it is; a longer one is encoded, because only encoded words can be folded.
const MAX_PLAIN_WORD_OCTETS: usize = 60;

/// Text for a header: a subject or a display name.
///
/// It has no control characters, line or paragraph separators, no bidirectional controls (they let a name show as another
/// one), no white space at its ends and no two spaces in a row, and at most 500 characters. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderText(String);

/// Why a text may not stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTextError {
    /// A line break, tab or another control character.
    #[error("the text contains a line break or another control character")]
    ControlCharacter,
    /// Longer than 500 characters.
    #[error("the text is longer than {MAX_TEXT_CHARS} characters")]
    TooLong,
}

impl HeaderText {
    /// Checks what the owner wrote: says what is wrong instead of mending it. Spaces and bidirectional controls are
    /// tidied as in [`HeaderText::from_customer`].
    pub fn parse(text: &str) -> Result<HeaderText, HeaderTextError> {
        if text.chars().any(ends_a_line) {
            return Err(HeaderTextError::ControlCharacter);
        }
        if text.chars().count() > MAX_TEXT_CHARS {
            return Err(HeaderTextError::TooLong);
        }
        Ok(HeaderText(tidied(text)))
    }

    /// Makes header text of whatever a customer is called. Never fails: control characters become spaces,
    /// bidirectional controls go, and what is longer than 500 characters is cut.
    pub fn from_customer(text: &str) -> HeaderText {
        // Cut before tidying, so that a name of a gigabyte costs no more than a long one. A character that goes
        // makes the text shorter than need be; nobody is called that.
        let cut = match text.char_indices().nth(MAX_TEXT_CHARS) {
            Some((end, _)) => &text[..end],
            None => text,
        };
        HeaderText(tidied(cut))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderText(***)")
    }
}

fn ends_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Characters of Unicode's property `Bidi_Control`.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Without bidirectional controls; runs of white space and control characters become one space, none at the ends.
fn tidied(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut space_is_due = false;
    for c in text.chars().filter(|&c| !is_bidi_control(c)) {
        if c == ' ' || ends_a_line(c) {
            space_is_due = true;
            continue;
        }
        if space_is_due && !tidied.is_empty() {
            tidied.push(' ');
        }
        space_is_due = false;
        tidied.push(c);
    }
    tidied
}

/// A link that may stand between angle brackets in a header. `Debug` prints `***`, for it carries a customer's token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LinkUrl(String);

/// Why a text is not a link for a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkUrlError {
    /// Not `https://…` (or `http://…`, which only tests and machines without a certificate use).
    #[error("the link does not begin with `https://` and a host")]
    Scheme,
    /// Spaces, controls, brackets, quotes, or letters that should be percent-encoded.
    #[error("the link has characters that must be percent-encoded")]
    Character,
    /// Longer than 900 octets.
    #[error("the link is longer than {MAX_LINK_OCTETS} characters")]
    TooLong,
}

impl LinkUrl {
    /// Checks an absolute link. Nothing is encoded here: the caller that built the link knows its parts.
    pub fn parse(text: &str) -> Result<LinkUrl, LinkUrlError> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let has_host = rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['));
        if !has_host {
            return Err(LinkUrlError::Scheme);
        }
        if text.len() > MAX_LINK_OCTETS {
            return Err(LinkUrlError::TooLong);
        }
        // Commas and brackets separate the links of a List-Unsubscribe, RFC 2369 § 2.
        let may_stand = |b: u8| b.is_ascii_graphic() && !b"<>\"\\^`{|},".contains(&b);
        if !text.bytes().all(may_stand) {
            return Err(LinkUrlError::Character);
        }
        Ok(LinkUrl(text.to_owned()))
    }

    /// The link.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LinkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkUrl(***)")
    }
}

/// Header lines in the making: folded at 76 octets where a space allows, words outside ASCII encoded (RFC 2047).
#[derive(Default)]
pub(crate) struct HeaderBlock {
    lines: String,
}

impl HeaderBlock {
    pub(crate) fn text(&mut self, name: &'static str, text: &HeaderText) {
        self.line(name, |writer| {
            if may_be_plain(text.as_str()) {
                writer.folding().write_str(text.as_str())
            } else {
                rfc2047::encode(text.as_str(), writer)
            }
        });
    }

    pub(crate) fn mailbox(&mut self, name: &'static str, mailbox: &Mailbox) {
        let address = mailbox.address.as_str();
        let display_name = mailbox.name.as_ref().map_or("", HeaderText::as_str);
        self.line(name, |writer| {
            if display_name.is_empty() {
                return writer.write_str(address);
            }
            if may_be_plain(display_name) {
                quoted_string::encode(display_name, writer)?;
            } else {
                rfc2047::encode(display_name, writer)?;
            }
            writer.space();
            write!(writer.folding(), "<{address}>")
        });
    }

    /// Writes parts that were made of checked types or constants, a comma and a fold between them.
    pub(crate) fn ready(&mut self, name: &'static str, parts: &[&str]) {
        self.lines.push_str(name);
        self.lines.push_str(": ");
        self.lines.push_str(&parts.join(",\r\n "));
        self.lines.push_str("\r\n");
    }

    pub(crate) fn into_lines(self) -> String {
        self.lines
    }

    fn line(&mut self, name: &'static str, write: impl FnOnce(&mut EmailWriter<'_>) -> fmt::Result) {
        self.lines.push_str(name);
        self.lines.push(':');
        {
            let mut writer = EmailWriter::new(&mut self.lines, name.len() + 1, 1, false);
            write(&mut writer).expect("a String takes every write, and no text here has a control character");
        }
        self.lines.push_str("\r\n");
    }
}

/// Asks whether a header text can be written as it is. `=?` begins an encoded word: a customer so called would
/// bring line breaks and bidirectional controls back in through the reader's decoder.
fn may_be_plain(text: &str) -> bool {
    let is_plain_word = |word: &str| word.len() <= MAX_PLAIN_WORD_OCTETS && word.bytes().all(|b| b.is_ascii_graphic());
    text.split(' ').all(is_plain_word) && !text.contains("=?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_may_be_called_anything() {
        let name = HeaderText::from_customer("Ana\r\nBcc: evil@x.example\r\n\r\nhello");
        assert_eq!(name.as_str(), "Ana Bcc: evil@x.example hello");
        assert_eq!(HeaderText::from_customer("\u{202e}ana\u{2066}\u{200f} \t\0 b\u{2028}").as_str(), "ana b");
        assert_eq!(HeaderText::from_customer("").as_str(), "");
        assert_eq!(HeaderText::from_customer(&"é".repeat(100_000)).as_str().chars().count(), 500);
        assert_eq!(format!("{name:?}"), "HeaderText(***)");
    }

    #[test]
    fn what_the_owner_wrote_is_refused_rather_than_mended() {
        assert_eq!(HeaderText::parse("hi\r\nBcc: x"), Err(HeaderTextError::ControlCharacter));
        assert_eq!(HeaderText::parse("a\tb"), Err(HeaderTextError::ControlCharacter));
        assert_eq!(HeaderText::parse(&"a".repeat(501)), Err(HeaderTextError::TooLong));
        assert_eq!(HeaderText::parse("Tea  for  Ana ").unwrap().as_str(), "Tea for Ana");
    }

    #[test]
    fn a_link_cannot_leave_its_angle_brackets() {
        assert!(LinkUrl::parse("https://tea.example/u/abc?x=1&y=%20#z").is_ok());
        assert!(LinkUrl::parse("http://127.0.0.1:8080/u/abc").is_ok());
        for text in ["javascript:alert(1)", "//tea.example", "https://", "https:///path", ""] {
            assert_eq!(LinkUrl::parse(text), Err(LinkUrlError::Scheme), "{text}");
        }
        for tail in ["a b", "a>,<mailto:x", "a\r\nBcc: x", "ü", "\"", ","] {
            let text = format!("https://tea.example/{tail}");
            assert_eq!(LinkUrl::parse(&text), Err(LinkUrlError::Character), "{text}");
        }
        assert_eq!(LinkUrl::parse(&format!("https://{}", "a".repeat(900))), Err(LinkUrlError::TooLong));
    }

    #[test]
    fn an_encoded_word_in_a_name_stays_the_text_it_is() {
        let mut block = HeaderBlock::default();
        block.text("Subject", &HeaderText::from_customer("=?utf-8?q?=0D=0ABcc:_x?="));
        assert_eq!(block.into_lines(), "Subject: =?utf-8?b?PT91dGYtOD9xPz0wRD0wQUJjYzpfeD89?=\r\n");
    }
}
