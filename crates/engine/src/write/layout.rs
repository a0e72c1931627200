//! The plain sheet that Markdown and bare HTML are put on, and the lines at its foot.

use super::escape::html as escaped;
use super::{Footer, Letter, unsubscribe_in};

/// Whether HTML is a whole page of its own, which is left as it is.
pub(super) fn is_whole_page(html: &str) -> bool {
    super::escape::find_ignoring_case(html, "<html").is_some()
}

/// The body on a sheet of 600 px: the system's font, quiet colours, dark where the reader's screen is dark.
///
/// Styles stand inline, because some mail programs drop `<style>`; there, only what a mail can do without stands: sizes of headings, and dark mode.
pub(super) fn page(subject: &str, body: &str, footer: Option<&str>) -> String {
    let title = escaped(subject);
    let footer = footer.unwrap_or("");
    format!(
        r#"<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
img {{ max-width: 100%; height: auto; }}
.letter h1 {{ margin: 0 0 16px; font-size: 26px; line-height: 1.25; }}
.letter h2 {{ margin: 24px 0 8px; font-size: 20px; line-height: 1.3; }}
.letter a {{ color: #2a5db0; }}
@media (prefers-color-scheme: dark) {{
.sheet {{ background: #1c1c1e !important; color: #ececec !important; }}
.letter {{ background: #262629 !important; color: #ececec !important; }}
.letter a {{ color: #8ab4f8 !important; }}
.foot, .foot a {{ color: #a0a0a6 !important; }}
}}
</style>
</head>
<body class="sheet" style="margin:0;padding:0;background:#f4f4f2;color:#222222;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td align="center" style="padding:24px 12px;">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width:600px;"><tr>
<td class="letter" align="left" style="padding:28px 32px;background:#ffffff;border-radius:8px;color:#222222;font:16px/1.55 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;">
{body}
</td></tr>{footer}</table>
</td></tr></table>
</body>
</html>
"#
    )
}

/// The lines at the foot of a marketing mail: who writes, from where, and how to end it.
pub(super) fn footer_html(letter: &Letter<'_>, has_link: bool) -> Option<String> {
    let mut lines: Vec<String> = footer_words(letter)?.iter().map(|line| escaped(line)).collect();
    if let Some(url) = footer_link(letter, has_link) {
        let words = escaped(unsubscribe_in(letter.locale));
        lines.push(format!(r#"<a href="{}" style="color:#77777c;">{words}</a>"#, escaped(url)));
    }
    if lines.is_empty() {
        return None;
    }
    Some(format!(
        r#"
<tr><td class="foot" align="center" style="padding:20px 32px;color:#77777c;font:13px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;">
{}
</td></tr>"#,
        lines.join("<br>\n")
    ))
}

/// The same lines for the text part.
pub(super) fn footer_text(letter: &Letter<'_>, has_link: bool) -> Option<String> {
    let mut lines: Vec<String> = footer_words(letter)?.into_iter().map(str::to_owned).collect();
    if let Some(url) = footer_link(letter, has_link) {
        lines.push(format!("{}: {url}", unsubscribe_in(letter.locale)));
    }
    // Mail programs fold away what follows "-- ".
    (!lines.is_empty()).then(|| format!("-- \n{}", lines.join("\n")))
}

/// Name and postal address; none where there is no footer at all.
fn footer_words<'a>(letter: &Letter<'a>) -> Option<Vec<&'a str>> {
    if letter.footer == Footer::Service {
        return None;
    }
    let words = letter.sender.map(|sender| {
        let address = sender.postal_address.as_deref();
        std::iter::once(sender.name.as_str()).chain(address).collect()
    });
    Some(words.unwrap_or_default())
}

fn footer_link<'a>(letter: &Letter<'a>, has_link: bool) -> Option<&'a str> {
    let url = letter.links.unsubscribe.as_str();
    (!has_link && !url.is_empty()).then_some(url)
}
