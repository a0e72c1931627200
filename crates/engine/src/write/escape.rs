//! Ways to write a text so that another format takes it literally, and back.

/// Escapes for HTML, in text and in quoted attributes.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match html_entity(c) {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn html_entity(c: char) -> Option<&'static str> {
    Some(match c {
        '<' => "&lt;",
        '>' => "&gt;",
        '&' => "&amp;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// Names that mails use; all others stay as they are written.
const ENTITIES: [(&str, char); 46] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("shy", '\u{ad}'),
    ("copy", '©'),
    ("reg", '®'),
    ("trade", '™'),
    ("euro", '€'),
    ("pound", '£'),
    ("yen", '¥'),
    ("cent", '¢'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("hellip", '…'),
    ("bull", '•'),
    ("middot", '·'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("laquo", '«'),
    ("raquo", '»'),
    ("times", '×'),
    ("deg", '°'),
    ("larr", '←'),
    ("rarr", '→'),
    ("zwnj", '\u{200c}'),
    ("agrave", 'à'),
    ("aacute", 'á'),
    ("ccedil", 'ç'),
    ("egrave", 'è'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("ntilde", 'ñ'),
    ("auml", 'ä'),
    ("ouml", 'ö'),
    ("uuml", 'ü'),
    ("szlig", 'ß'),
    ("colon", ':'),
    ("sol", '/'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("num", '#'),
];

/// Reads HTML's entities.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find('&') {
        plain.push_str(&rest[..begin]);
        rest = &rest[begin..];
        match entity(rest) {
            Some((c, length)) => {
                plain.push(c);
                rest = &rest[length..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The entity at the beginning of a text, and its length there. Numbers may lack their semicolon, as in browsers.
fn entity(text: &str) -> Option<(char, usize)> {
    let name = &text[1..];
    if let Some(number) = name.strip_prefix('#') {
        let (radix, digits) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits),
            None => (10, number),
        };
        let count = digits.bytes().take(8).take_while(|byte| char::from(*byte).is_digit(radix)).count();
        let c = u32::from_str_radix(&digits[..count], radix).ok().and_then(char::from_u32)?;
        let length = text.len() - digits.len() + count;
        return Some((c, length + usize::from(digits[count..].starts_with(';'))));
    }
    let length = name.bytes().take(8).take_while(u8::is_ascii_alphanumeric).count();
    if name.as_bytes().get(length) != Some(&b';') {
        return None;
    }
    let found = ENTITIES.iter().find(|(entity, _)| *entity == &name[..length])?;
    Some((found.1, length + 2))
}

/// A text without its HTML: tags, comments, scripts and styles.
pub(super) fn strip_html(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    // What was sought in vain is not sought again, so that a text of `<!--<!--<!--` stays linear.
    let mut in_vain = [false; 4];
    while let Some(begin) = rest.find('<') {
        plain.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let pairs = [("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->"), ("<", ">")];
        let found = pairs.iter().enumerate().find_map(|(index, (opening, closing))| {
            if in_vain[index] || !starts_with_ignoring_case(rest, opening) {
                return None;
            }
            let end = find_ignoring_case(rest, closing);
            in_vain[index] = end.is_none();
            end.map(|end| end + closing.len())
        });
        match found {
            Some(end) => rest = &rest[end..],
            None => {
                plain.push('<');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

pub(super) fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Where an ASCII `pattern` stands first.
pub(super) fn find_ignoring_case(text: &str, pattern: &str) -> Option<usize> {
    text.as_bytes().windows(pattern.len()).position(|window| window.eq_ignore_ascii_case(pattern.as_bytes()))
}

fn percent_encode(text: &str, kept: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if kept(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Encodes for a place inside a URL, as JavaScript's `encodeURIComponent`.
pub(super) fn url_component(text: &str) -> String {
    percent_encode(text, |byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte))
}

/// Encodes what no URL may contain, and leaves its structure, as JavaScript's `encodeURI`.
pub(super) fn url(text: &str) -> String {
    percent_encode(text, |byte| byte.is_ascii_alphanumeric() || b"-_.!~*'();/?:@&=+$,#".contains(&byte))
}

/// Encodes a URL for a place inside `url(…)` of a style: without brackets, quotes and semicolons.
pub(super) fn url_in_style(text: &str) -> String {
    percent_encode(text, |byte| byte.is_ascii_alphanumeric() || b"-_.~/?:@&=+$,#%".contains(&byte))
}

/// Reads percent encoding, and `+` as a space. What is no UTF-8 afterwards becomes a replacement sign.
pub(super) fn url_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        let escaped = if *byte == b'%' { digit(1).zip(digit(2)) } else { None };
        match escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_escaped_reads_as_it_was() {
        assert_eq!(html("<b>\"Tom\" & 'Eve'</b>"), "&lt;b&gt;&quot;Tom&quot; &amp; &#39;Eve&#39;&lt;/b&gt;");
        assert_eq!(unescape("&lt;&amp;lt;&#39;&#x41;&euro;&nope;&#xd800; & &#65"), "<&lt;'A€&nope;&#xd800; & A");
        assert_eq!(strip_html("a<br>b<!-- <i> -->c<STYLE>x<y</Style>d <"), "abcd <");
        assert_eq!(url_component("ä b&c"), "%C3%A4%20b%26c");
        assert_eq!(url_decode("%C3%A4+b%2"), "ä b%2");
    }

    proptest! {
        #[test]
        fn reading_undoes_escaping(text in ".*") {
            prop_assert_eq!(unescape(&html(&text)), text.clone());
            prop_assert_eq!(url_decode(&url_component(&text)), text.clone());
            let stripped = strip_html(&text);
            prop_assert!(stripped.len() <= text.len());
            unescape(&text);
            url_decode(&text);
        }
    }
}
