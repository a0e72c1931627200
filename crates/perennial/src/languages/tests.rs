use super::*;
use engine::write::{own_name_of, unsubscribe_in};

/// Every sentence with its field's name; the compiler asks for those that are added.
fn sentences(language: &Language) -> Vec<(&'static str, &'static str)> {
    let Language {
        tag: _,
        also: _,
        this_shop,
        offers_and_news,
        by_email,
        by_text_message,
        by_notification,
        this_way,
        leave_title,
        leave_text,
        less_instead,
        left_title,
        left_text,
        changed_your_mind,
        was_it_you,
        somebody_gave,
        somebody_asked,
        press_confirms,
        yes_write,
        thank_you,
        may_write_now,
        too_late_title,
        too_late_text,
        other_address_title,
        other_address_text,
        what_you_get,
        may_write_to,
        may_write_about,
        how_often,
        at_any_time,
        weekly,
        monthly,
        in_this_language,
        as_before,
        save,
        orders_anyway,
        noted_title,
        noted_text,
        on_to,
        broken_title,
        broken_text,
        not_now_title,
        not_now_text,
    } = *language;
    vec![
        ("this_shop", this_shop),
        ("offers_and_news", offers_and_news),
        ("by_email", by_email),
        ("by_text_message", by_text_message),
        ("by_notification", by_notification),
        ("this_way", this_way),
        ("leave_title", leave_title),
        ("leave_text", leave_text),
        ("less_instead", less_instead),
        ("left_title", left_title),
        ("left_text", left_text),
        ("changed_your_mind", changed_your_mind),
        ("was_it_you", was_it_you),
        ("somebody_gave", somebody_gave),
        ("somebody_asked", somebody_asked),
        ("press_confirms", press_confirms),
        ("yes_write", yes_write),
        ("thank_you", thank_you),
        ("may_write_now", may_write_now),
        ("too_late_title", too_late_title),
        ("too_late_text", too_late_text),
        ("other_address_title", other_address_title),
        ("other_address_text", other_address_text),
        ("what_you_get", what_you_get),
        ("may_write_to", may_write_to),
        ("may_write_about", may_write_about),
        ("how_often", how_often),
        ("at_any_time", at_any_time),
        ("weekly", weekly),
        ("monthly", monthly),
        ("in_this_language", in_this_language),
        ("as_before", as_before),
        ("save", save),
        ("orders_anyway", orders_anyway),
        ("noted_title", noted_title),
        ("noted_text", noted_text),
        ("on_to", on_to),
        ("broken_title", broken_title),
        ("broken_text", broken_text),
        ("not_now_title", not_now_title),
        ("not_now_text", not_now_text),
    ]
}

/// The names in braces, in the order of the alphabet: languages put them where they need them.
fn places(sentence: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = sentence;
    while let Some((_, name, after)) = next_place(rest) {
        names.push(name);
        rest = after;
    }
    names.sort_unstable();
    names
}

#[test]
fn every_language_has_every_sentence_and_none_is_english_by_accident() {
    let english = sentences(&english::ENGLISH);
    for language in ALL {
        for ((name, sentence), (_, in_english)) in sentences(language).into_iter().zip(&english) {
            let at = format!("{name} in {}: {sentence}", language.tag);
            assert!(!sentence.is_empty() && sentence.trim() == sentence && !sentence.contains("  "), "{at}");
            assert_eq!(places(sentence), places(in_english), "{at}");
            assert_eq!(
                filled(sentence, &[("shop", "a"), ("by", "b"), ("purpose", "c"), ("address", "d")])
                    .matches(['{', '}'])
                    .count(),
                0,
                "{at}"
            );
            assert!(language.tag == "en" || sentence != *in_english, "{at}");
            let ends =
                |text: &str| text.trim_end_matches(['\u{a0}', ' ']).chars().last().filter(|end| ".:?".contains(*end));
            assert_eq!(ends(sentence), ends(in_english), "a sentence ends as the English one does: {at}");
        }
    }
}

#[test]
fn every_language_stands_once_and_mails_know_it_too() {
    let mut seen = std::collections::BTreeSet::new();
    for language in ALL {
        for tag in [plain_tag(language.tag).as_str()].into_iter().chain(language.also.iter().copied()) {
            assert!(seen.insert(tag.to_owned()), "{tag} stands twice");
            assert_eq!(Language::find(tag), Some(language));
            assert!(!own_name_of(tag).contains(tag), "{tag} has no name of its own");
            assert!(language.tag == "en" || unsubscribe_in(Some(tag)) != "Unsubscribe", "{tag} has no button");
        }
    }
}

#[test]
fn somebody_reads_what_they_chose_else_what_their_browser_asks_for_else_english() {
    for (locale, accept, tag) in [
        (Some("fr_CA"), Some("pl"), "fr"),
        (Some("FR-be.UTF-8"), None, "fr"),
        (Some("pt_BR"), None, "pt-BR"),
        (Some("pt-AO"), None, "pt"),
        (Some("no"), None, "nb"),
        (Some("nn-NO"), None, "nb"),
        (Some("en-GB"), Some("de"), "en"),
        (None, Some("pl,en;q=0.5"), "pl"),
        (None, Some("en;q=0.5, pl"), "pl"),
        (None, Some("ja, sr;q=0.9, cs-CZ;q=0.8, de;q=0.7"), "cs"),
        (None, Some("de;q=0, fr;q=0.001"), "fr"),
        (Some("tlh"), Some("it"), "it"),
        (Some("tlh"), None, "en"),
        (Some(""), Some(""), "en"),
        (Some("<script>"), Some("*"), "en"),
        (None, None, "en"),
    ] {
        assert_eq!(Language::choose(locale, accept).tag, tag, "{locale:?}, {accept:?}");
    }
    assert_eq!(Language::choose(Some(&"de-".repeat(100_000)), None).tag, "de");
}

#[test]
fn a_browser_that_asks_in_a_garbled_way_does_no_harm() {
    for garbled in [
        "de;q=",
        "de;q=2",
        "de;q=-1",
        "de;q=0.1234",
        "de;q=1.001",
        "de;q=NaN",
        "de;q=inf",
        "de;q=1e3",
        "de;q=0.5;q=0.6",
        "de;level=1",
        "de;;",
        ";",
        ",,,",
        "d e",
        "de\u{fc}",
        "de;q=999999999999999999999",
        "de;q=0.",
        "q=1",
        "=",
        "de; q = 1",
    ] {
        let alone = Language::choose(None, Some(garbled)).tag;
        assert_eq!(alone, "en", "{garbled}");
        assert_eq!(Language::choose(None, Some(&format!("{garbled},fi;q=0.3"))).tag, "fi", "{garbled}");
    }
    assert_eq!(accepted("da;q=1., sv;Q=0.5"), ["da", "sv"], "as the grammar has it");
    // Only the beginning is read, and a language that was cut through is not taken for another.
    let many = format!("fi;q=0.1,{}", "de,".repeat(100_000));
    assert_eq!(accepted(&many).len(), ACCEPTED_LIMIT);
    let cut = format!("fi;q=0.1,{},den", "x".repeat(ACCEPT_LIMIT - 12));
    assert_eq!(accepted(&cut).first().map(|tag| tag.len()), Some(ACCEPT_LIMIT - 12));
    assert_eq!(Language::choose(None, Some(&cut)).tag, "fi");
    assert_eq!(Language::choose(None, Some(&"d".repeat(100_000))).tag, "en");
    assert_eq!(Language::choose(None, Some(&"\u{1f375}".repeat(100_000))).tag, "en");
}

#[test]
fn what_is_filled_in_is_not_read_again() {
    let said = filled("{shop} and {address}", &[("shop", "{address} {by} {"), ("address", "}{shop}")]);
    assert_eq!(said, "{address} {by} { and }{shop}");
}
