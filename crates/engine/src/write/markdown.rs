//! Markdown to HTML. Values stand aside as plain words while Markdown is read, so that they are never its syntax.

use super::WriteError;
use super::evaluate::Piece;
use super::marked::Marked;
use pulldown_cmark::{Options, Parser, html};

/// Reads the author's Markdown; the values are found again in the HTML, where they are escaped for their place.
pub(super) fn to_html(pieces: &[Piece]) -> Result<Vec<Piece>, WriteError> {
    let marked = Marked::of(pieces);
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(&marked.source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    marked.pieces_of(&page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::markup::{self, Linking};

    fn html_of(pieces: &[Piece]) -> String {
        markup::write(&to_html(pieces).unwrap(), Linking::default()).unwrap()
    }

    fn author(text: &str) -> Piece {
        Piece::Author(text.into())
    }

    fn value(text: &str) -> Piece {
        Piece::Value(text.into())
    }

    #[test]
    fn a_value_is_neither_markdown_nor_html() {
        for name in [
            "[x](http://evil.example)",
            "**bold**",
            "# head",
            "`code`",
            "<script>",
            "1. one",
            "a\n\n- b",
            "![i](x)",
            "| a |",
            "\\",
        ] {
            let html = html_of(&[author("**Hi** "), value(name), author(",\n\n"), value(name), author("\n")]);
            let shown = crate::write::escape::html(name);
            assert_eq!(html, format!("<p><strong>Hi</strong> {shown},</p>\n<p>{shown}</p>\n"));
        }
    }

    #[test]
    fn a_value_can_be_the_target_of_a_link() {
        let link = |url: &str| html_of(&[author("[shop]("), value(url), author(")")]);
        assert_eq!(
            link("https://x.example/ä (b)?c&d"),
            "<p><a href=\"https://x.example/ä (b)?c&amp;d\">shop</a></p>\n"
        );
        assert_eq!(link("javascript:alert(1)"), "<p><a href=\"#\">shop</a></p>\n");
    }

    #[test]
    fn an_author_who_writes_our_mark_gets_their_own_words() {
        let html = html_of(&[author("qvalue qvalueq1z "), value("Ana"), author("7z qvalueq")]);
        assert_eq!(html, "<p>qvalue qvalueq1z Ana7z qvalueq</p>\n");
    }
}
