//! MJML to HTML, as marketers know it from elsewhere. Values stand aside as plain words meanwhile.

use super::WriteError;
use super::evaluate::Piece;
use super::marked::Marked;
use domain::shape::unknown;
use mrml::prelude::parser::Error;
use mrml::prelude::render::RenderOptions;

/// Every element of MJML that becomes HTML here. `mj-include` is none: nothing is read from elsewhere while a message is
/// written.
const ELEMENTS: [&str; 32] = [
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
];

/// Elements within one another. The library reads them by calling itself.
const DEPTH_LIMIT: usize = 100;

/// Elements that HTML never closes.
const VOID: [&str; 13] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// Makes a page of the author's MJML; the values are found again in it, where they are escaped for their place.
pub(super) fn to_html(pieces: &[Piece]) -> Result<Vec<Piece>, WriteError> {
    let marked = Marked::of(pieces);
    let source = marked.source.trim();
    check(source).map_err(WriteError::broken)?;
    let parsed = mrml::parse(source).map_err(|error| WriteError::broken(said(&error, source)))?;
    let page = parsed.element.render(&RenderOptions::default());
    let page = page.map_err(|error| WriteError::broken(format!("this MJML cannot be shown: {error}")))?;
    marked.pieces_of(&page)
}

/// Checks what can be known of MJML before Liquid has run: its elements. The error names the line.
pub(super) fn check(source: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    let mut rest = source;
    let line_at = |rest: &str| line_of(source, source.len() - rest.len());
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if rest.starts_with("<!--") {
            rest = rest.find("-->").map_or("", |end| &rest[end..]);
            continue;
        }
        let inner = &rest[1..];
        let is_closing = inner.starts_with('/');
        let inner = inner.strip_prefix('/').unwrap_or(inner);
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(inner.len());
        let element = inner[..end].to_ascii_lowercase();
        if element.starts_with("mj-") {
            if element == "mj-include" {
                return Err(format!(
                    "line {}: `mj-include` reads a file, which is not there when a message is written: put its text here",
                    line_at(rest)
                ));
            }
            if !ELEMENTS.contains(&element.as_str()) {
                let known = ELEMENTS.iter().copied();
                return Err(format!("line {}: {}", line_at(rest), unknown("MJML element", &element, known)));
            }
        }
        let closes_itself = inner.find('>').is_some_and(|at| inner[..at].ends_with('/'));
        if is_closing {
            depth = depth.saturating_sub(1);
        } else if !element.is_empty() && !closes_itself && !VOID.contains(&element.as_str()) {
            depth += 1;
            if depth > DEPTH_LIMIT {
                return Err(format!("line {}: more than {DEPTH_LIMIT} elements within one another", line_at(rest)));
            }
        }
        rest = inner;
    }
    Ok(())
}

fn line_of(source: &str, at: usize) -> usize {
    1 + source.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// The library's error in our words, with the line instead of the byte.
fn said(error: &Error, source: &str) -> String {
    let at = |start: usize| line_of(source, start);
    match error {
        Error::UnexpectedElement { position, .. } => {
            format!("line {}: this element does not belong here in MJML", at(position.start))
        }
        Error::UnexpectedToken { position, .. } => {
            format!("line {}: the MJML is broken here: is an element before it closed?", at(position.start))
        }
        Error::MissingAttribute { name, position, .. } => {
            format!("line {}: the attribute `{name}` is missing", at(position.start))
        }
        Error::InvalidAttribute { position, .. } | Error::InvalidFormat { position, .. } => {
            format!("line {}: this attribute is none that MJML knows", at(position.start))
        }
        Error::EndOfStream { .. } => "the MJML ends early: an element is not closed".to_owned(),
        Error::NoRootNode => "MJML begins with `<mjml>`".to_owned(),
        other => format!("this is no MJML: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::markup::{self, Linking};

    fn page(pieces: &[Piece]) -> Result<String, WriteError> {
        markup::write(&to_html(pieces)?, Linking::default())
    }

    fn author(text: &str) -> Piece {
        Piece::Author(text.into())
    }

    fn section(content: &str) -> String {
        format!("<mjml><mj-body><mj-section><mj-column>{content}</mj-column></mj-section></mj-body></mjml>")
    }

    #[test]
    fn a_newsletter_in_mjml_becomes_a_page_with_tables_that_mail_programs_understand() {
        let text = section(
            "<mj-text>Hello</mj-text><mj-button href=\"https://tea.example/a?b=1&amp;c=2\">To the tea</mj-button>",
        );
        let html = page(&[author(&text)]).unwrap();
        assert!(html.to_ascii_lowercase().starts_with("<!doctype html>"), "{html}");
        assert!(html.contains("<table"), "{html}");
        assert!(html.contains("Hello"), "{html}");
        assert!(html.contains("href=\"https://tea.example/a?b=1&amp;c=2\""), "{html}");
        assert!(!html.contains("<mj-"), "{html}");
    }

    #[test]
    fn a_customers_name_is_no_mjml_and_no_html() {
        let name = "</mj-text><mj-raw><script>alert(1)</script>";
        let text = section("<mj-text>Hi VALUE</mj-text>");
        let (before, after) = text.split_once("VALUE").unwrap();
        let html = page(&[author(before), Piece::Value(name.into()), author(after)]).unwrap();
        assert!(html.contains("&lt;/mj-text&gt;&lt;mj-raw&gt;&lt;script&gt;"), "{html}");
        assert!(!html.contains("<script>"), "{html}");
    }

    #[test]
    fn a_value_in_a_link_leads_only_where_links_may_lead() {
        let text = section("<mj-button href=\"VALUE\">Go</mj-button>");
        let (before, after) = text.split_once("VALUE").unwrap();
        let html = |url: &str| page(&[author(before), Piece::Value(url.into()), author(after)]).unwrap();
        assert!(html("https://tea.example/x").contains("href=\"https://tea.example/x\""));
        assert!(!html("javascript:alert(1)").contains("javascript"));
    }

    #[test]
    fn an_unknown_element_is_named_with_its_line_and_the_nearest_known() {
        let error = to_html(&[author("<mjml>\n<mj-body>\n<mj-buton>x</mj-buton></mj-body></mjml>")]).unwrap_err();
        let WriteError::Broken { message } = error else { panic!("{error}") };
        assert!(
            message.contains("line 3") && message.contains("mj-buton") && message.contains("mj-button"),
            "{message}"
        );
    }

    #[test]
    fn files_are_never_read() {
        let error =
            to_html(&[author("<mjml><mj-body><mj-include path=\"/etc/passwd\" /></mj-body></mjml>")]).unwrap_err();
        assert!(error.to_string().contains("mj-include"), "{error}");
    }

    #[test]
    fn a_thousand_elements_within_one_another_are_refused() {
        let deep = section(&format!("<mj-text>{}</mj-text>", "<div>".repeat(50_000)));
        assert!(to_html(&[author(&deep)]).unwrap_err().to_string().contains("within one another"));
    }

    #[test]
    fn broken_mjml_says_so() {
        for source in ["<mjml>", "<mjml><mj-body></mjml>", "<mjml><mj-body><mj-section></mj-body></mjml>", "<mjml"] {
            let error = to_html(&[author(source)]);
            assert!(matches!(error, Err(WriteError::Broken { .. })), "{source}: {error:?}");
        }
    }
}
