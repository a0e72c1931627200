//! Markdown to HTML. Values stand aside as plain words while Markdown is read, so that they are never its syntax.

use super::WriteError;
use super::evaluate::{OUTPUT_LIMIT, Piece};
use pulldown_cmark::{Options, Parser, html};

/// Reads the author's Markdown; the values are found again in the HTML, where they are escaped for their place.
pub(super) fn to_html(pieces: &[Piece]) -> Result<Vec<Piece>, WriteError> {
    let mark = unused_word(pieces);
    let mut source = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Author(text) => source.push_str(text),
            Piece::Value(_) => source.push_str(&format!("{mark}{index}z")),
        }
    }
    let mut page = String::new();
    html::push_html(&mut page, Parser::new_ext(&source, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    // Marks and tags add to the text; far beyond it, something is wrong.
    if page.len() > 4 * OUTPUT_LIMIT {
        return Err(WriteError::TooLong { part: "html".to_owned(), limit: OUTPUT_LIMIT });
    }
    Ok(with_values(&page, &mark, pieces))
}

/// Letters that the author never wrote. Letters and digits alone pass through Markdown, also inside URLs.
fn unused_word(pieces: &[Piece]) -> String {
    let written: String =
        pieces.iter().map(|piece| if let Piece::Author(text) = piece { text } else { "\0" }).collect();
    let mut mark = "qvalue".to_owned();
    // An author who writes all sixty of them sees their own values in odd places, and nobody else's.
    while mark.len() < 64 && written.contains(&mark) {
        mark.push('q');
    }
    mark
}

fn with_values(page: &str, mark: &str, pieces: &[Piece]) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = page;
    let mut author = String::new();
    while let Some(begin) = rest.find(mark) {
        author.push_str(&rest[..begin]);
        let after = &rest[begin + mark.len()..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let value = after[..digits].parse().ok().and_then(|index: usize| pieces.get(index));
        match value {
            Some(Piece::Value(text)) if after[digits..].starts_with('z') => {
                found.push(Piece::Author(std::mem::take(&mut author).into()));
                found.push(Piece::Value(text.clone()));
                rest = &after[digits + 1..];
            }
            // The author's own letters; the mark may begin within them.
            _ => {
                author.push_str(&mark[..1]);
                rest = &rest[begin + 1..];
            }
        }
    }
    author.push_str(rest);
    found.push(Piece::Author(author.into()));
    found
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
