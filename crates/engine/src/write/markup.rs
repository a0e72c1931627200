//! Puts values into HTML so that they stay values, and makes links count. Also reads HTML back as text.
//!
//! The writer follows the author's markup as a browser would and knows where it is; a value is escaped for its place.

use super::WriteError;
use super::escape;
use super::evaluate::{OUTPUT_LIMIT, Piece};
use super::links::URL_LIMIT;

/// Attributes that lead somewhere. A value in them may be http, https, mailto or tel.
const URL_ATTRIBUTES: [&str; 14] = [
    "action",
    "background",
    "cite",
    "codebase",
    "data",
    "dynsrc",
    "formaction",
    "href",
    "longdesc",
    "lowsrc",
    "ping",
    "poster",
    "src",
    "xlink:href",
];

/// What becomes of the links of a page.
#[derive(Clone, Copy, Default)]
pub(super) struct Linking<'a> {
    /// Gives the link that counts a click.
    pub(super) track: Option<&'a dyn Fn(&str) -> String>,
    /// Links that are never counted, by their beginning.
    pub(super) untracked: [&'a str; 4],
}

impl Linking<'_> {
    /// The link that counts a click and leads to `url`; none where this one is not counted.
    pub(super) fn counted(&self, url: &str) -> Option<String> {
        let is_own = self.untracked.iter().any(|own| !own.is_empty() && url.starts_with(own));
        let is_web = ["https://", "http://"].iter().any(|scheme| escape::starts_with_ignoring_case(url, scheme));
        let track = self.track.filter(|_| is_web && !is_own && url.len() <= URL_LIMIT)?;
        Some(track(url))
    }
}

/// Writes author's HTML and values as one page.
pub(super) fn write(pieces: &[Piece], linking: Linking<'_>) -> Result<String, WriteError> {
    let mut page = Page {
        out: String::new(),
        place: Place::Text,
        element: String::new(),
        is_closing: false,
        attribute: String::new(),
        begin: 0,
        has_value: false,
        linking,
    };
    for piece in pieces {
        match piece {
            Piece::Author(text) => page.author(text),
            Piece::Value(text) => page.value(text)?,
        }
        if page.out.len() > OUTPUT_LIMIT {
            return Err(WriteError::TooLong { part: "html".to_owned(), limit: OUTPUT_LIMIT });
        }
    }
    // A template that ends inside an attribute must not leave an unchecked link.
    if matches!(page.place, Place::Value(_)) {
        page.close_value();
    }
    Ok(page.out)
}

/// Where in the markup the writer stands. Source: the tokeniser of the HTML standard, without what mails never hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    TagOpen,
    TagName,
    InTag,
    AttributeName,
    AfterAttributeName,
    BeforeValue,
    /// In an attribute's value, with the quote that ends it.
    Value(Option<char>),
    /// After `<!`, until it shows whether it is a comment.
    Declaration,
    Comment,
    /// In an element whose content is no markup: script, style, title, …
    RawText,
}

/// A value was opened, and its first character is about to be written.
const NOT_YET: usize = usize::MAX;

struct Page<'a> {
    out: String,
    place: Place,
    element: String,
    is_closing: bool,
    attribute: String,
    /// Where the attribute's value, declaration or comment begins in `out`.
    begin: usize,
    /// A value stands in the current attribute.
    has_value: bool,
    linking: Linking<'a>,
}

impl Page<'_> {
    fn author(&mut self, text: &str) {
        for c in text.chars() {
            self.step(c);
        }
    }

    fn step(&mut self, c: char) {
        let is_space = c.is_ascii_whitespace();
        match self.place {
            Place::Text if c == '<' => self.place = Place::TagOpen,
            Place::Text => {}
            Place::TagOpen => {
                self.element.clear();
                self.is_closing = false;
                self.place = match c {
                    '!' | '?' => {
                        self.begin = self.out.len() - 1;
                        Place::Declaration
                    }
                    '/' => {
                        self.is_closing = true;
                        Place::TagName
                    }
                    '<' => Place::TagOpen,
                    c if c.is_ascii_alphabetic() => {
                        self.element.push(c.to_ascii_lowercase());
                        Place::TagName
                    }
                    _ => Place::Text,
                };
            }
            Place::TagName => match c {
                '>' => self.end_tag(),
                '/' => self.place = Place::InTag,
                _ if is_space => self.place = Place::InTag,
                _ => self.element.push(c.to_ascii_lowercase()),
            },
            Place::InTag | Place::AfterAttributeName => match c {
                '>' => self.end_tag(),
                '=' if self.place == Place::AfterAttributeName => self.place = Place::BeforeValue,
                '/' => self.place = Place::InTag,
                _ if is_space => {}
                _ => {
                    self.attribute.clear();
                    self.attribute.push(c.to_ascii_lowercase());
                    self.place = Place::AttributeName;
                }
            },
            Place::AttributeName => match c {
                '>' => self.end_tag(),
                '=' => self.place = Place::BeforeValue,
                '/' => self.place = Place::InTag,
                _ if is_space => self.place = Place::AfterAttributeName,
                _ => self.attribute.push(c.to_ascii_lowercase()),
            },
            Place::BeforeValue => match c {
                '>' => self.end_tag(),
                '"' | '\'' => self.open_value(Some(c)),
                _ if is_space => {}
                _ => self.open_value(None),
            },
            Place::Value(Some(quote)) if c == quote => {
                self.close_value();
                self.place = Place::InTag;
            }
            Place::Value(None) if c == '>' => {
                self.close_value();
                self.end_tag();
            }
            Place::Value(None) if is_space => {
                self.close_value();
                self.place = Place::InTag;
            }
            Place::Value(_) => {}
            Place::Declaration => {
                if c == '>' {
                    self.place = Place::Text;
                } else if c == '-' && self.out[self.begin..] == *"<!-" {
                    self.place = Place::Comment;
                    self.begin = self.out.len() + 1;
                }
            }
            Place::Comment => {
                let comment = &self.out[self.begin..];
                if c == '>'
                    && (comment.is_empty() || comment == "-" || comment.ends_with("--") || comment.ends_with("--!"))
                {
                    self.place = Place::Text;
                }
            }
            Place::RawText => self.step_in_raw_text(c),
        }
        self.out.push(c);
        if self.begin == NOT_YET {
            // A quote stands before the value, anything else is its first character.
            let quoted = matches!(self.place, Place::Value(Some(_)));
            self.begin = self.out.len() - if quoted { 0 } else { c.len_utf8() };
        }
    }

    fn step_in_raw_text(&mut self, c: char) {
        if c != '>' && c != '/' && !c.is_ascii_whitespace() {
            return;
        }
        let ending = self.element.len() + 2;
        let out = self.out.as_bytes();
        let Some(tail) = out.len().checked_sub(ending).map(|begin| &out[begin..]) else {
            return;
        };
        if tail.starts_with(b"</") && tail[2..].eq_ignore_ascii_case(self.element.as_bytes()) {
            self.is_closing = true;
            if c == '>' { self.end_tag() } else { self.place = Place::InTag }
        }
    }

    fn end_tag(&mut self) {
        let is_raw = matches!(
            self.element.as_str(),
            "script" | "style" | "title" | "textarea" | "xmp" | "iframe" | "noembed" | "noframes"
        );
        self.place = if is_raw && !self.is_closing { Place::RawText } else { Place::Text };
    }

    fn open_value(&mut self, quote: Option<char>) {
        self.place = Place::Value(quote);
        self.has_value = false;
        self.begin = NOT_YET;
    }

    fn close_value(&mut self) {
        let begin = self.begin;
        let is_url = URL_ATTRIBUTES.contains(&self.attribute.as_str());
        let is_set = self.attribute == "srcset";
        if !is_url && !is_set {
            return;
        }
        let url = escape::unescape(&self.out[begin..]);
        let is_allowed =
            if is_set { url.split(',').all(leads_somewhere_allowed) } else { leads_somewhere_allowed(&url) };
        if self.has_value && !is_allowed {
            self.out.truncate(begin);
            self.out.push('#');
            return;
        }
        let is_link = self.attribute == "href" && matches!(self.element.as_str(), "a" | "area");
        if let Some(counted) = self.linking.counted(url.trim()).filter(|_| is_link) {
            self.out.truncate(begin);
            self.out.push_str(&escape::html(&counted));
        }
    }

    fn value(&mut self, text: &str) -> Result<(), WriteError> {
        match self.place {
            Place::Text => self.push_escaped(text),
            Place::TagOpen => {
                // The author's `<` was no tag so far, and a value must not make it one.
                self.out.pop();
                self.out.push_str("&lt;");
                self.place = Place::Text;
                self.push_escaped(text);
            }
            Place::BeforeValue => {
                self.open_value(None);
                self.begin = self.out.len();
                self.value_in_attribute(text)?;
            }
            Place::Value(_) => self.value_in_attribute(text)?,
            Place::Comment => self.push_escaped(&text.replace('-', "\u{2010}")),
            Place::RawText => match self.element.as_str() {
                "title" | "textarea" => self.push_escaped(text),
                "style" => self.push_escaped(&in_style(text)),
                _ => return Err(misplaced(&format!("inside <{}>", self.element))),
            },
            Place::TagName | Place::InTag | Place::AttributeName | Place::AfterAttributeName | Place::Declaration => {
                return Err(misplaced("inside a tag but not inside an attribute's quotes"));
            }
        }
        Ok(())
    }

    fn value_in_attribute(&mut self, text: &str) -> Result<(), WriteError> {
        self.has_value = true;
        if self.attribute.starts_with("on") || self.attribute == "srcdoc" {
            return Err(misplaced(&format!("inside the attribute `{}`", self.attribute)));
        }
        if self.attribute == "style" {
            self.push_escaped(&in_style(text));
        } else {
            self.push_escaped(text);
        }
        Ok(())
    }

    fn push_escaped(&mut self, text: &str) {
        let is_unquoted = self.place == Place::Value(None);
        for c in text.chars() {
            match escape::html_entity(c) {
                Some(entity) => self.out.push_str(entity),
                // Without quotes, a space would end the value and begin an attribute.
                None if is_unquoted && (c.is_whitespace() || matches!(c, '=' | '`' | '/')) => {
                    self.out.push_str(&format!("&#{};", u32::from(c)));
                }
                None if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => {}
                None => self.out.push(c),
            }
        }
    }
}

fn misplaced(place: &str) -> WriteError {
    WriteError::broken(format!("a value is printed {place}, where it cannot be made safe"))
}

/// A value as part of a style: a web address, or a word, number or colour.
fn in_style(text: &str) -> String {
    let is_web =
        escape::starts_with_ignoring_case(text, "https://") || escape::starts_with_ignoring_case(text, "http://");
    if is_web {
        return escape::url_in_style(text);
    }
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '#' | '%' | '.' | ',' | '-' | '_')).collect()
}

/// Whether a URL is relative, http, https, mailto or tel, read as browsers do: without white space and control characters.
fn leads_somewhere_allowed(url: &str) -> bool {
    let url: String = url.chars().filter(|c| !c.is_whitespace() && !c.is_control()).take(100).collect();
    match url.find([':', '/', '?', '#']) {
        Some(at) if url[at..].starts_with(':') => {
            matches!(url[..at].to_ascii_lowercase().as_str(), "http" | "https" | "mailto" | "tel")
        }
        _ => true,
    }
}

// Back to text.

/// Reads HTML as text: paragraphs as lines, links as `text (url)`, lists with dashes.
///
/// Our own, over a crate: the input is our own writer's, so a hundred lines do, and they stay linear on unclosed tags.
pub(super) fn to_text(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    while let Some(begin) = rest.find('<') {
        text.words(&rest[..begin]);
        rest = &rest[begin..];
        let Some((tag, length)) = tag(rest) else {
            text.words("<");
            rest = &rest[1..];
            continue;
        };
        rest = &rest[length..];
        if !tag.is_closing && matches!(tag.name.as_str(), "head" | "style" | "script" | "title") {
            let missing = if tag.name == "head" { 0 } else { rest.len() };
            let end = escape::find_ignoring_case(rest, &format!("</{}", tag.name)).unwrap_or(missing);
            rest = &rest[end..];
            continue;
        }
        text.tag(&tag);
    }
    text.words(rest);
    text.finish()
}

struct Tag<'a> {
    name: String,
    is_closing: bool,
    attributes: &'a str,
}

/// The tag or comment at the beginning of a text, and its length. None for a `<` that begins none.
fn tag(text: &str) -> Option<(Tag<'_>, usize)> {
    if text.starts_with("<!--") {
        let end = text.find("-->").map_or(text.len(), |end| end + 3);
        return Some((Tag { name: String::new(), is_closing: false, attributes: "" }, end));
    }
    let inner = &text[1..];
    let is_closing = inner.starts_with('/');
    let named = inner.strip_prefix('/').unwrap_or(inner);
    if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
        return None;
    }
    let mut quote = None;
    let mut before = ' ';
    let end = text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '>') => return Some(at),
            // Only after `=`, so that an apostrophe (`<p don't>`) opens nothing.
            (None, '"' | '\'') if before == '=' => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
        None
    });
    let end = end.unwrap_or(text.len());
    let content = &text[text.len() - named.len()..end.max(text.len() - named.len())];
    let name_end = content.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(content.len());
    let tag = Tag { name: content[..name_end].to_ascii_lowercase(), is_closing, attributes: &content[name_end..] };
    Some((tag, (end + 1).min(text.len())))
}

impl Tag<'_> {
    fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            let name_end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            let after = after.trim_start();
            let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
                // An attribute without value; a stray sign must not stop the walk.
                rest = if name.is_empty() { rest.get(1..).unwrap_or("") } else { after };
                continue;
            };
            let (value, following) = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                _ => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(escape::unescape(value));
            }
            rest = following;
        }
    }
}

#[derive(Default)]
struct Text {
    out: String,
    /// Line breaks owed before the next word.
    breaks: usize,
    has_space: bool,
    preformatted: usize,
    /// Open links: their address and where their text begins.
    links: Vec<(String, usize)>,
    /// Where the text of the last list item begins.
    item: usize,
    /// Open lists: the number of the next item, none for dashes.
    lists: Vec<Option<usize>>,
}

impl Text {
    fn words(&mut self, html: &str) {
        let text = escape::unescape(html);
        if self.preformatted > 0 {
            self.flush();
            self.out.push_str(&text);
            return;
        }
        for c in text.chars() {
            match c {
                // A soft hyphen or an invisible joiner is there for the layout.
                '\u{ad}' | '\u{200c}' => {}
                c if c.is_whitespace() => self.has_space = true,
                c => {
                    self.flush();
                    self.out.push(c);
                }
            }
        }
    }

    /// Writes the breaks or the space owed.
    fn flush(&mut self) {
        if self.breaks > 0 && !self.out.is_empty() {
            self.out.truncate(self.out.trim_end_matches(' ').len());
            self.out.push_str(if self.breaks > 1 { "\n\n" } else { "\n" });
        } else if self.has_space && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.has_space = false;
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        match (tag.name.as_str(), tag.is_closing) {
            // Markdown's loose lists put a paragraph into the item: it goes on in the same line.
            ("p", false) if self.item == self.out.len() && !self.out.is_empty() => {}
            ("br", _) => self.breaks = (self.breaks + 1).min(2),
            ("hr", _) => {
                self.breaks = 2;
                self.flush();
                self.out.push_str("---");
                self.breaks = 2;
            }
            ("p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "blockquote", _) => self.breaks = 2,
            ("pre", is_closing) => {
                self.breaks = 2;
                self.preformatted =
                    if is_closing { self.preformatted.saturating_sub(1) } else { self.preformatted + 1 };
            }
            ("div" | "tr" | "section" | "article" | "header" | "footer" | "center", _) => {
                self.breaks = self.breaks.max(1)
            }
            ("td" | "th", _) => self.has_space = true,
            ("ul" | "ol", true) => {
                self.lists.pop();
                self.breaks = if self.lists.is_empty() { 2 } else { 1 };
            }
            ("ul" | "ol", false) => {
                self.breaks = if self.lists.is_empty() { 2 } else { 1 };
                self.lists.push((tag.name == "ol").then_some(1));
            }
            ("li", false) => self.item(),
            ("img", false) => {
                if let Some(alternative) = tag.attribute("alt").filter(|text| !text.trim().is_empty()) {
                    self.words(&escape::html(&alternative));
                }
            }
            ("a", false) => {
                self.close_link();
                if let Some(url) = tag.attribute("href") {
                    // The text begins after the space owed.
                    if self.has_space || self.breaks > 0 {
                        self.flush();
                    }
                    self.links.push((url, self.out.len()));
                }
            }
            ("a", true) => self.close_link(),
            _ => {}
        }
    }

    fn item(&mut self) {
        self.breaks = self.breaks.max(1);
        self.flush();
        self.out.push_str(&"  ".repeat(self.lists.len().saturating_sub(1).min(8)));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.out.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.out.push_str("- "),
        }
        self.breaks = 0;
        self.has_space = false;
        self.item = self.out.len();
    }

    fn close_link(&mut self) {
        let Some((url, begin)) = self.links.pop() else {
            return;
        };
        let shown = self.out[begin.min(self.out.len())..].trim();
        let says_itself =
            shown == url || url.strip_prefix("mailto:") == Some(shown) || url.strip_prefix("tel:") == Some(shown);
        if says_itself || url.is_empty() || url.starts_with('#') {
            return;
        }
        let is_bare = shown.is_empty();
        self.out.push_str(&if is_bare { url } else { format!(" ({url})") });
    }

    fn finish(mut self) -> String {
        self.close_link();
        let lines: Vec<_> = self.out.lines().map(str::trim_end).collect();
        lines.join("\n").trim_matches('\n').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(text: &str) -> Piece {
        Piece::Author(text.into())
    }

    fn page(before: &str, value: &str, after: &str) -> Result<String, WriteError> {
        write(&[author(before), Piece::Value(value.into()), author(after)], Linking::default())
    }

    #[test]
    fn a_value_stays_a_value_wherever_it_stands() {
        for (before, value, after, expected) in [
            ("<p>", "<b>&", "</p>", "<p>&lt;b&gt;&amp;</p>"),
            ("<p title='", "' onclick='x", "'>", "<p title='&#39; onclick=&#39;x'>"),
            ("<p title=", "x onclick=y/", ">", "<p title=x&#32;onclick&#61;y&#47;>"),
            ("a <", "script>", " b", "a &lt;script&gt; b"),
            ("<!-- ", "--><script>", " -->", "<!-- \u{2010}\u{2010}&gt;&lt;script&gt; -->"),
            ("<style>p{color:", "red}</style><script>", "}</style>", "<style>p{color:redstylescript}</style>"),
            ("<p style=\"color:", "red;position:fixed", "\">", "<p style=\"color:redpositionfixed\">"),
            (
                "<td style=\"background:url(",
                "https://img.example/a b.png?x=1&y=2)",
                ")\">",
                "<td style=\"background:url(https://img.example/a%20b.png?x=1&amp;y=2%29)\">",
            ),
            ("<title>", "</title><script>", "</title>", "<title>&lt;/title&gt;&lt;script&gt;</title>"),
            ("<p>bell", "\u{7}\u{0}", "</p>", "<p>bell</p>"),
        ] {
            assert_eq!(page(before, value, after).unwrap(), expected);
        }
    }

    #[test]
    fn a_place_that_cannot_be_made_safe_is_refused() {
        for (before, after) in [
            ("<script>var x = '", "'</script>"),
            ("<SCRIPT >", "</SCRIPT>"),
            ("<p ", ">"),
            ("<p", ">"),
            ("<p class", "=x>"),
            ("<a onclick=\"", "\">"),
            ("<iframe srcdoc='", "'>"),
            ("<!DOCTYPE ", ">"),
        ] {
            assert!(matches!(page(before, "x", after), Err(WriteError::Broken { .. })), "{before}");
        }
    }

    #[test]
    fn a_value_leads_only_to_the_web_to_mail_or_to_the_telephone() {
        for (url, expected) in [
            ("https://tea.example/?a=1&b=2", "https://tea.example/?a=1&amp;b=2"),
            ("mailto:ana@tea.example", "mailto:ana@tea.example"),
            ("TEL:+44", "TEL:+44"),
            ("/boots", "/boots"),
            ("javascript:alert(1)", "#"),
            (" JaVa\nscript:alert(1)", "#"),
            ("\u{1}javascript:x", "#"),
            ("data:text/html,<script>", "#"),
            ("vbscript:x", "#"),
            ("file:///etc/passwd", "#"),
        ] {
            assert_eq!(page("<a href=\"", url, "\">x</a>").unwrap(), format!("<a href=\"{expected}\">x</a>"));
        }
        assert_eq!(page("<a href=", "javascript:x", ">x</a>").unwrap(), "<a href=#>x</a>");
        assert_eq!(page("<a href = 'java", "script:x", "'>x</a>").unwrap(), "<a href = '#'>x</a>");
        assert_eq!(page("<img src='java&#115;", "cript:x", "'").unwrap(), "<img src='#'");
        assert_eq!(page("<img srcset='https://a 1x, ", "javascript:x 2x", "'>").unwrap(), "<img srcset='#'>");
        assert_eq!(page("<a href='", "x", "").unwrap(), "<a href='x");
        // The author's own schemes are the author's business.
        assert_eq!(page("<img src='cid:logo'>", "x", "").unwrap(), "<img src='cid:logo'>x");
    }

    #[test]
    fn links_count_clicks_except_our_own() {
        let track = |url: &str| format!("https://t.example/c/[{url}]?a&b");
        let linking = Linking { track: Some(&track), untracked: ["https://t.example/u/1", "", "", ""] };
        let html = "<a href=\"https://x.example/?a=1&amp;b=2\">x</a> <A class=y HREF='http://y.example'>y</A> \
                    <a href=https://t.example/u/1?l=fr>u</a> <a href='mailto:a@b.example'>m</a> <a href='#top'>t</a> \
                    <img src='https://x.example/i.png'>";
        assert_eq!(
            write(&[author(html)], linking).unwrap(),
            "<a href=\"https://t.example/c/[https://x.example/?a=1&amp;b=2]?a&amp;b\">x</a> \
             <A class=y HREF='https://t.example/c/[http://y.example]?a&amp;b'>y</A> \
             <a href=https://t.example/u/1?l=fr>u</a> <a href='mailto:a@b.example'>m</a> <a href='#top'>t</a> \
             <img src='https://x.example/i.png'>"
        );
        let long = format!("<a href='https://x.example/{}'>x</a>", "y".repeat(URL_LIMIT));
        assert_eq!(write(&[author(&long)], linking).unwrap(), long);
    }

    #[test]
    fn html_reads_as_text() {
        let html = "<html><head><title>T</title><style>p{}</style></head><body><h1>Hello  Ana</h1>\n<p>Your <b>tea</b> is\n\
                    back &amp; <a href=\"https://x.example/?a&amp;b\">here</a>.<br>Bye</p><ul><li>one</li><li><p>two</p></li></ul>\
                    <ol><li>first<li>second</ol><!-- no --><table><tr><td>a</td><td>b</td></tr></table>\
                    <img alt='A cup' src=x><a href='mailto:t@x.example'>t@x.example</a> <a href='https://y.example'></a>\
                    <pre>a\n  b</pre>1 < 2 <";
        assert_eq!(
            to_text(html),
            "Hello Ana\n\nYour tea is back & here (https://x.example/?a&b).\nBye\n\n- one\n- two\n\n1. first\n2. second\n\n\
             a b\n\nA cupt@x.example https://y.example\n\na\n  b\n\n1 < 2 <"
        );
        for odd in ["<", "<a", "<a href", "<a href=", "<a href='", "</", "<!--", "<a = = href=x>y", "<a =>", "&#;&#x;&"]
        {
            to_text(odd);
        }
    }
}
