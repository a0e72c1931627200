//! Style sheets of HTML written into its elements, since some mail programs drop `<style>`. Values stand aside as plain
//! words meanwhile.

use super::WriteError;
use super::escape;
use super::evaluate::Piece;
use super::layout::is_whole_page;
use super::marked::Marked;
use css_inline::CSSInliner;

/// Elements within one another. The library reads them by calling itself.
const DEPTH_LIMIT: usize = 500;

/// Writes the rules of every `<style>` into the elements that they mean. The sheets stay, for what cannot stand in an
/// element: `@media`, `:hover`. Bodies without a sheet are left as they are.
pub(super) fn inline(pieces: Vec<Piece>) -> Result<Vec<Piece>, WriteError> {
    let has_sheet =
        |piece: &Piece| matches!(piece, Piece::Author(text) if escape::find_ignoring_case(text, "<style").is_some());
    if !pieces.iter().any(has_sheet) {
        return Ok(pieces);
    }
    let marked = Marked::of(&pieces);
    if marked.source.matches('<').count() > 0 && depth(&marked.source) > DEPTH_LIMIT {
        return Err(WriteError::broken(format!("more than {DEPTH_LIMIT} elements within one another")));
    }
    // Nothing is read from elsewhere while a message is written.
    let inliner =
        CSSInliner::options().load_remote_stylesheets(false).keep_style_tags(true).keep_link_tags(true).build();
    let page = if is_whole_page(&marked.source) {
        inliner.inline(&marked.source)
    } else {
        let (sheets, rest) = apart(&marked.source);
        let css = sheets.concat();
        inliner.inline_fragment(&rest, &css).map(|html| format!("<style>{css}</style>{html}"))
    };
    let page = page.map_err(|error| WriteError::broken(format!("the style sheet cannot be read: {error}")))?;
    marked.pieces_of(&page)
}

/// The contents of the style elements, and what is left without them.
fn apart(source: &str) -> (Vec<&str>, String) {
    let (mut sheets, mut left, mut rest) = (Vec::new(), String::new(), source);
    while let Some(begin) = escape::find_ignoring_case(rest, "<style") {
        left.push_str(&rest[..begin]);
        let inner = &rest[begin..];
        let Some(open) = inner.find('>') else {
            rest = "";
            break;
        };
        let inner = &inner[open + 1..];
        let end = escape::find_ignoring_case(inner, "</style").unwrap_or(inner.len());
        sheets.push(&inner[..end]);
        rest = inner[end..].split_once('>').map_or("", |(_, after)| after);
    }
    left.push_str(rest);
    (sheets, left)
}

/// At least as deep as any element can stand.
fn depth(source: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0_usize);
    for (at, _) in source.match_indices('<') {
        let after = &source.as_bytes()[at + 1..];
        match after.first() {
            Some(b'/') => now = now.saturating_sub(1),
            Some(letter) if letter.is_ascii_alphabetic() && !is_void(&source[at + 1..]) => now += 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

fn is_void(tag: &str) -> bool {
    let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
    matches!(
        name.to_ascii_lowercase().as_str(),
        "br" | "hr" | "img" | "input" | "meta" | "link" | "col" | "p" | "li" | "td" | "tr"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::markup::{self, Linking};

    fn author(text: &str) -> Piece {
        Piece::Author(text.into())
    }

    fn html(pieces: Vec<Piece>) -> String {
        markup::write(&inline(pieces).unwrap(), Linking::default()).unwrap()
    }

    #[test]
    fn rules_stand_in_the_elements_that_they_mean_and_screens_sizes_stay_in_the_sheet() {
        let html = html(vec![author(
            "<style>p { color: red } @media (max-width: 600px) { p { color: blue } }</style><p class=\"a\">Hello</p>",
        )]);
        assert!(html.contains("style=\"color: red;\"") || html.contains("style=\"color: red\""), "{html}");
        assert!(html.contains("@media (max-width: 600px)"), "{html}");
        assert!(html.contains("Hello</p>"), "{html}");
    }

    #[test]
    fn a_whole_page_stays_a_page() {
        let html = html(vec![author(
            "<!DOCTYPE html><html><head><style>.b { padding: 1px }</style></head><body><div class=\"b\">x</div></body></html>",
        )]);
        assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
        assert!(html.contains("padding: 1px"), "{html}");
        assert!(html.matches("<body").count() == 1, "{html}");
    }

    #[test]
    fn a_name_is_no_style_and_no_html() {
        let html = html(vec![
            author("<style>b { color: red }</style><p>Hi <b>"),
            Piece::Value("</b><style>*{display:none}</style>".into()),
            author("</b></p>"),
        ]);
        assert!(html.contains("&lt;/b&gt;&lt;style&gt;"), "{html}");
        assert_eq!(html.matches("<style>").count(), 1, "{html}");
    }

    #[test]
    fn without_a_sheet_nothing_changes() {
        let pieces = vec![author("<p>one<p>two"), Piece::Value("x".into())];
        assert_eq!(inline(pieces.clone()).unwrap().len(), pieces.len());
    }

    #[test]
    fn sheets_elsewhere_are_not_read() {
        let html = html(vec![author(
            "<html><head><link rel=\"stylesheet\" href=\"file:///etc/passwd\"><style>p{color:red}</style></head><body><p>x</p></body></html>",
        )]);
        assert!(!html.contains("root:"), "{html}");
    }
}
