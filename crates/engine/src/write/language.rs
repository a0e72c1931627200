//! The few words that Perennial itself says in messages in the customer's language. All others are the shop's own; what the
//! pages behind the links say is not here, but with those pages.

use domain::language::{from_near_to_wide, plain_tag};

/// Tag, what the language calls itself, and what stands on a button or link that ends messages; a region has its own where it
/// says it differently.
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("ar", "العربية", "إلغاء الاشتراك"),
    ("bg", "Български", "Отписване"),
    ("ca", "Català", "Cancel·la la subscripció"),
    ("cs", "Čeština", "Odhlásit odběr"),
    ("da", "Dansk", "Afmeld"),
    ("de", "Deutsch", "Abmelden"),
    ("el", "Ελληνικά", "Κατάργηση εγγραφής"),
    ("en", "English", "Unsubscribe"),
    ("es", "Español", "Darse de baja"),
    ("et", "Eesti", "Loobu"),
    // Not "tilaus": that is an order, too.
    ("fi", "Suomi", "Lopeta viestit"),
    ("fr", "Français", "Se désabonner"),
    ("he", "עברית", "ביטול הרשמה"),
    ("hr", "Hrvatski", "Odjava"),
    ("hu", "Magyar", "Leiratkozás"),
    ("id", "Bahasa Indonesia", "Berhenti berlangganan"),
    ("it", "Italiano", "Annulla l’iscrizione"),
    ("ja", "日本語", "配信停止"),
    ("ko", "한국어", "수신 거부"),
    ("lt", "Lietuvių", "Atsisakyti"),
    ("lv", "Latviešu", "Atrakstīties"),
    ("nb", "Norsk bokmål", "Meld deg av"),
    ("nl", "Nederlands", "Afmelden"),
    ("nn", "Norsk nynorsk", "Meld deg av"),
    ("no", "Norsk", "Meld deg av"),
    ("pl", "Polski", "Wypisz się"),
    ("pt", "Português", "Cancelar subscrição"),
    ("pt-br", "Português (Brasil)", "Cancelar inscrição"),
    ("ro", "Română", "Dezabonare"),
    ("ru", "Русский", "Отписаться"),
    ("sk", "Slovenčina", "Odhlásiť odber"),
    ("sl", "Slovenščina", "Odjava"),
    ("sr", "Српски", "Одјава"),
    ("sv", "Svenska", "Avsluta prenumeration"),
    ("th", "ไทย", "ยกเลิกการรับข่าวสาร"),
    ("tr", "Türkçe", "Abonelikten çık"),
    ("uk", "Українська", "Відписатися"),
    ("vi", "Tiếng Việt", "Hủy đăng ký"),
    ("zh", "中文", "取消订阅"),
    ("zh-hant", "繁體中文", "取消訂閱"),
    ("zh-hk", "繁體中文（香港）", "取消訂閱"),
    ("zh-tw", "繁體中文（台灣）", "取消訂閱"),
];

/// "Unsubscribe" in the language of somebody whose trait `locale` is this, or the nearest to it; else in English.
pub fn unsubscribe_in(locale: Option<&str>) -> &'static str {
    find(locale.unwrap_or_default()).map_or("Unsubscribe", |(_, _, words)| words)
}

/// What a language calls itself, by its tag.
///
/// One that is written for a region of which nothing is known here has its tag beside it, and an unknown one is named by its tag.
pub fn own_name_of(tag: &str) -> String {
    match find(tag) {
        Some((known, name, _)) if known == plain_tag(tag) => name.to_owned(),
        Some((_, name, _)) => format!("{name} ({tag})"),
        None => tag.to_owned(),
    }
}

fn find(tag: &str) -> Option<(&'static str, &'static str, &'static str)> {
    from_near_to_wide(tag).find_map(|tag| LANGUAGES.iter().find(|(own, _, _)| *own == tag).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_button_speaks_the_customers_language_and_english_to_everybody_else() {
        for (locale, words) in [
            (Some("de"), "Abmelden"),
            (Some("de_AT"), "Abmelden"),
            (Some("de_AT.UTF-8"), "Abmelden"),
            (Some(" FR-ca "), "Se désabonner"),
            (Some("pt-BR"), "Cancelar inscrição"),
            (Some("pt-AO"), "Cancelar subscrição"),
            (Some("zh-Hant-HK"), "取消訂閱"),
            (Some("zh-Hans-CN"), "取消订阅"),
            (Some("en-GB"), "Unsubscribe"),
            (Some("tlh"), "Unsubscribe"),
            (Some(""), "Unsubscribe"),
            (Some("-"), "Unsubscribe"),
            (Some("<script>"), "Unsubscribe"),
            (None, "Unsubscribe"),
        ] {
            assert_eq!(unsubscribe_in(locale), words, "{locale:?}");
        }
        assert_eq!(unsubscribe_in(Some(&"de-".repeat(10_000))), "Abmelden");
    }

    #[test]
    fn it_fits_on_a_button_and_every_language_stands_once() {
        assert!(LANGUAGES.is_sorted_by(|(one, ..), (next, ..)| one < next));
        assert!(LANGUAGES.iter().all(|(_, _, words)| words.chars().count() <= 24));
    }

    #[test]
    fn a_language_is_offered_by_the_name_it_gives_itself() {
        for (tag, name) in
            [("fr", "Français"), ("pt_BR", "Português (Brasil)"), ("de-AT", "Deutsch (de-AT)"), ("tlh", "tlh")]
        {
            assert_eq!(own_name_of(tag), name);
        }
    }
}
