//! Reads a file in chunks and cuts lines from it, neither of them longer than a limit.

use std::io::{self, Read};

/// How much is asked of the file at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// What was read and not yet used.
pub(crate) struct Chunks {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_at_end: bool,
}

/// What stands next in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextLine {
    /// A line of so many bytes without its line end, and so many with it.
    Line { content: usize, whole: usize },
    /// A line that is longer than the limit; its beginning is in the buffer.
    TooLong,
    /// Nothing.
    End,
}

impl Chunks {
    pub(crate) fn new(reader: Box<dyn Read + Send>) -> Chunks {
        Chunks { reader, buffer: Vec::new(), start: 0, end: 0, is_at_end: false }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether the file has no more than what is unread.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
    }

    /// Reads another chunk behind what is unread. The caller bounds how much it leaves unread.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.end + CHUNK_BYTES {
            self.buffer.resize(self.end + CHUNK_BYTES, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.is_at_end = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    /// Reads until so many bytes are unread, or the file ends.
    pub(crate) fn fill_to(&mut self, bytes: usize) -> io::Result<()> {
        while self.unread().len() < bytes && !self.is_at_end {
            self.fill()?;
        }
        Ok(())
    }

    /// Finds the next line without using it up.
    pub(crate) fn next_line(&mut self, limit: usize) -> io::Result<NextLine> {
        let mut searched = 0;
        loop {
            let unread = self.unread();
            if let Some(at) = unread[searched..].iter().position(|byte| *byte == b'\n') {
                let end = searched + at;
                let content = if unread[..end].ends_with(b"\r") { end - 1 } else { end };
                let line = NextLine::Line { content, whole: end + 1 };
                return Ok(if content > limit { NextLine::TooLong } else { line });
            }
            searched = unread.len();
            if searched > limit + 1 {
                return Ok(NextLine::TooLong);
            }
            if self.is_at_end {
                let line = NextLine::Line { content: searched, whole: searched };
                return Ok(if searched == 0 { NextLine::End } else { line });
            }
            self.fill()?;
        }
    }

    /// Uses up everything to the end of the line, however long it is.
    pub(crate) fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = self.unread().iter().position(|byte| *byte == b'\n') {
                self.consume(at + 1);
                return Ok(());
            }
            self.consume(self.unread().len());
            if self.is_at_end {
                return Ok(());
            }
            self.fill()?;
        }
    }
}
