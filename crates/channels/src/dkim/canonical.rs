//! The "relaxed" form of RFC 6376 § 3.4: what of a mail a signature speaks of, whatever relays do to its white space.
//! What is signed, and with which key, is in `mod.rs`.

/// A header field as it stands in a mail: its name, and what follows the colon, folding and all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// Takes a mail apart at its first empty line. Each line ends with CR LF, as in a `WrittenMail`.
/// Lines that are no field and continue none are passed over.
pub(super) fn parts(mail: &str) -> (Vec<Field<'_>>, &str) {
    let (head, body) = match mail.strip_prefix("\r\n") {
        Some(body) => ("", body),
        None => mail.split_once("\r\n\r\n").unwrap_or((mail, "")),
    };
    let mut fields = Vec::new();
    let mut rest = head;
    while !rest.is_empty() {
        let end = end_of_field(rest);
        let (field, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = after.strip_prefix("\r\n").unwrap_or(after);
        if let Some((name, value)) = field.split_once(':') {
            fields.push(Field { name: name.trim_end_matches([' ', '\t']), value });
        }
    }
    (fields, body)
}

/// Where the first field ends: before a line break that no white space follows.
fn end_of_field(head: &str) -> usize {
    let breaks = head.match_indices("\r\n").map(|(at, _)| at);
    let is_end = |at: &usize| !head.get(at + 2..).is_some_and(|next| next.starts_with([' ', '\t']));
    breaks.into_iter().find(is_end).unwrap_or(head.len())
}

/// A field in relaxed form, with the CR LF that ends it.
pub(super) fn field(field: Field<'_>) -> String {
    let name = field.name.to_ascii_lowercase();
    let value = field.value.replace("\r\n", "");
    format!("{name}:{}\r\n", single_spaced(value.trim_matches([' ', '\t'])))
}

/// A body in relaxed form: white space at the ends of lines and empty lines at the end are gone, other white space is one
/// space, and what is left ends with CR LF. An empty body stays empty.
pub(super) fn body(body: &str) -> String {
    let mut relaxed = String::with_capacity(body.len());
    let mut empty_lines = 0;
    for line in body.split("\r\n") {
        let line = line.trim_end_matches([' ', '\t']);
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            relaxed.push_str("\r\n");
        }
        relaxed.push_str(&single_spaced(line));
        relaxed.push_str("\r\n");
    }
    relaxed
}

/// Runs of spaces and tabs as one space.
fn single_spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut was_space = false;
    for c in text.chars() {
        let is_space = c == ' ' || c == '\t';
        match (is_space, was_space) {
            (true, true) => {}
            (true, false) => out.push(' '),
            (false, _) => out.push(c),
        }
        was_space = is_space;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6376 § 3.4.5, example 1; `<SP>`, `<HTAB>` and `<CRLF>` written out.
    const EXAMPLE: &str = "A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n";

    #[test]
    fn the_example_of_the_standard_comes_out_as_the_standard_says() {
        let (fields, text) = parts(EXAMPLE);
        let head: String = fields.into_iter().map(field).collect();
        assert_eq!(head, "a:X\r\nb:Y Z\r\n");
        assert_eq!(body(text), " C\r\nD E\r\n");
    }

    #[test]
    fn empty_bodies_and_bodies_of_nothing_but_space_are_empty() {
        for text in ["", "\r\n", "\r\n\r\n", " \t\r\n \r\n"] {
            assert_eq!(body(text), "", "{text:?}");
        }
        assert_eq!(body("one"), "one\r\n", "a last line without its end gets one");
        assert_eq!(body("one\r\n\r\n\r\ntwo\r\n\r\n"), "one\r\n\r\n\r\ntwo\r\n");
    }

    #[test]
    fn folded_fields_stay_whole_and_a_mail_without_body_has_none() {
        let (fields, body) = parts("Subject: one\r\n two\r\n\tthree\r\nTo: a@b.example\r\n");
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        assert_eq!((names, body), (vec!["Subject", "To"], ""));
        assert_eq!(field(fields[0]), "subject:one two three\r\n");
    }
}
