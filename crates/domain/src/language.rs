//! Language tags, as people and programs write them: `fr-CA`, `pt_BR.UTF-8`. What is said in a language does not live here.

/// Most characters of a tag (RFC 5646, § 4.4.1).
pub const TAG_LIMIT: usize = 35;

/// A tag in the one spelling in which tags are compared.
///
/// Upper and lower case, `_` and `-`, and what follows `.` or `@` do not matter. A tag that is too long is cut one character behind the limit, so that it equals none that is not.
pub fn plain_tag(tag: &str) -> String {
    let tag = tag.split(['.', '@']).next().unwrap_or(tag).trim();
    tag.chars().take(TAG_LIMIT + 1).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The tags under which something may be written for somebody who wants this one, the nearest first; all are plain.
///
/// Itself, then shortened from the end, as RFC 4647, § 3.4 looks languages up.
pub fn from_near_to_wide(wanted: &str) -> impl Iterator<Item = String> {
    std::iter::successors(Some(plain_tag(wanted)), |tag| tag.rsplit_once('-').map(|(wider, _)| wider.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_however_its_tag_is_written() {
        for (tag, plain) in [("fr_CA", "fr-ca"), (" De-AT ", "de-at"), ("pt_BR.UTF-8", "pt-br"), ("ca@valencia", "ca")]
        {
            assert_eq!(plain_tag(tag), plain);
        }
        let near: Vec<String> = from_near_to_wide("zh-Hant_HK").collect();
        assert_eq!(near, ["zh-hant-hk", "zh-hant", "zh"]);
        assert_eq!(from_near_to_wide("").collect::<Vec<_>>(), [""]);
        assert_eq!(from_near_to_wide(&"de-".repeat(10_000)).last().unwrap(), "de");
        assert_ne!(plain_tag(&"a".repeat(TAG_LIMIT + 1)), plain_tag(&"a".repeat(TAG_LIMIT)));
    }
}
