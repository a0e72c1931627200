//! A text in which values stand aside as plain words while a library reads the author's part of it, and are found
//! again in what the library made.

use super::WriteError;
use super::evaluate::{OUTPUT_LIMIT, Piece};

/// The author's text with a word for each value.
pub(super) struct Marked<'p> {
    /// What a library may read: the values are words of letters and digits in it.
    pub(super) source: String,
    mark: String,
    pieces: &'p [Piece],
}

impl<'p> Marked<'p> {
    /// Puts words in the place of values. O(text).
    pub(super) fn of(pieces: &'p [Piece]) -> Marked<'p> {
        let mark = unused_word(pieces);
        let mut source = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Author(text) => source.push_str(text),
                Piece::Value(_) => source.push_str(&format!("{mark}{index}z")),
            }
        }
        Marked { source, mark, pieces }
    }

    /// What a library made of the source, with the values in their places.
    pub(super) fn pieces_of(&self, page: &str) -> Result<Vec<Piece>, WriteError> {
        // Marks and tags add to the text; far beyond it, something is wrong.
        if page.len() > 4 * OUTPUT_LIMIT {
            return Err(WriteError::TooLong { part: "html".to_owned(), limit: OUTPUT_LIMIT });
        }
        let mut found = Vec::new();
        let mut rest = page;
        let mut author = String::new();
        while let Some(begin) = rest.find(&self.mark) {
            author.push_str(&rest[..begin]);
            let after = &rest[begin + self.mark.len()..];
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let value = after[..digits].parse().ok().and_then(|index: usize| self.pieces.get(index));
            match value {
                Some(Piece::Value(text)) if after[digits..].starts_with('z') => {
                    found.push(Piece::Author(std::mem::take(&mut author).into()));
                    found.push(Piece::Value(text.clone()));
                    rest = &after[digits + 1..];
                }
                // The author's own letters; the mark may begin within them.
                _ => {
                    author.push_str(&self.mark[..1]);
                    rest = &rest[begin + 1..];
                }
            }
        }
        author.push_str(rest);
        found.push(Piece::Author(author.into()));
        Ok(found)
    }
}

/// Letters that the author never wrote. Letters and digits alone pass through Markdown and HTML, also inside URLs.
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
