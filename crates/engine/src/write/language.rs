//! The few words that Perennial itself says to customers in their language. All others are the shop's own.

/// What stands on a button or link that ends messages, by language; a region has its own where it says it differently.
const UNSUBSCRIBE: &[(&str, &str)] = &[
    ("ar", "إلغاء الاشتراك"),
    ("bg", "Отписване"),
    ("ca", "Cancel·la la subscripció"),
    ("cs", "Odhlásit odběr"),
    ("da", "Afmeld"),
    ("de", "Abmelden"),
    ("el", "Κατάργηση εγγραφής"),
    ("en", "Unsubscribe"),
    ("es", "Darse de baja"),
    ("et", "Loobu"),
    ("fi", "Peruuta tilaus"),
    ("fr", "Se désabonner"),
    ("he", "ביטול הרשמה"),
    ("hr", "Odjava"),
    ("hu", "Leiratkozás"),
    ("id", "Berhenti berlangganan"),
    ("it", "Annulla l’iscrizione"),
    ("ja", "配信停止"),
    ("ko", "수신 거부"),
    ("lt", "Atsisakyti"),
    ("lv", "Atrakstīties"),
    ("nb", "Meld deg av"),
    ("nl", "Afmelden"),
    ("nn", "Meld deg av"),
    ("no", "Meld deg av"),
    ("pl", "Wypisz się"),
    ("pt", "Cancelar subscrição"),
    ("pt-br", "Cancelar inscrição"),
    ("ro", "Dezabonare"),
    ("ru", "Отписаться"),
    ("sk", "Odhlásiť odber"),
    ("sl", "Odjava"),
    ("sr", "Одјава"),
    ("sv", "Avsluta prenumeration"),
    ("th", "ยกเลิกการรับข่าวสาร"),
    ("tr", "Abonelikten çık"),
    ("uk", "Відписатися"),
    ("vi", "Hủy đăng ký"),
    ("zh", "取消订阅"),
    ("zh-hant", "取消訂閱"),
    ("zh-hk", "取消訂閱"),
    ("zh-tw", "取消訂閱"),
];
/// Longest tag that is looked up: what stands in a trait may be anything.
const TAG_LIMIT: usize = 35;

/// "Unsubscribe" in the language of somebody whose trait `locale` is this, shortened from the end until it is known (RFC 4647,
/// § 3.4); else in English.
pub fn unsubscribe_in(locale: Option<&str>) -> &'static str {
    let known = |tag: &str| UNSUBSCRIBE.iter().find(|(own, _)| *own == tag).map(|(_, words)| *words);
    let tag: String = locale.unwrap_or_default().trim().chars().take(TAG_LIMIT).collect();
    let tag = tag.replace('_', "-").to_ascii_lowercase();
    let mut wanted = tag.as_str();
    loop {
        if let Some(words) = known(wanted) {
            return words;
        }
        match wanted.rsplit_once('-') {
            Some((shorter, _)) => wanted = shorter,
            None => return "Unsubscribe",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_button_speaks_the_customers_language_and_english_to_everybody_else() {
        for (locale, words) in [
            (Some("de"), "Abmelden"),
            (Some("de_AT"), "Abmelden"),
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
        assert!(UNSUBSCRIBE.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(UNSUBSCRIBE.iter().all(|(_, words)| words.chars().count() <= 24));
    }
}
