//! What the pages of links say in Polish: *Ty*, with a capital letter, as shops there write; no past tense of the shop, whose
//! gender nobody knows.

use super::Language;

pub(super) const POLISH: Language = Language {
    tag: "pl",
    also: &[],

    this_shop: "ten sklep",
    offers_and_news: "Oferty i nowości",
    by_email: "e-mailem",
    by_text_message: "SMS-em",
    by_notification: "powiadomieniem",
    this_way: "w ten sposób",

    leave_title: "Nie chcesz już dostawać tych wiadomości?",
    leave_text: "Jedno kliknięcie i {shop} nie będzie już pisać do Ciebie {by} na temat: {purpose}. Wiadomości o Twoich zamówieniach będą nadal przychodzić.",
    less_instead: "Albo wybierz, co dostajesz i jak często",
    left_title: "Nie będziesz już dostawać tych wiadomości",
    left_text: "{shop} nie pisze już do Ciebie {by} na temat: {purpose}.",
    changed_your_mind: "Chcesz to zmienić? Wybierz, co dostajesz i jak często",

    was_it_you: "Czy to Ty?",
    somebody_gave: "Ktoś podał adres {address}, żeby dostawać wiadomości. Nadawca: {shop}. Temat: {purpose}.",
    somebody_asked: "Ktoś zapisał Cię na wiadomości. Nadawca: {shop}. Temat: {purpose}.",
    press_confirms: "Jedno kliknięcie i zaczniemy do Ciebie pisać. Jeśli to nie Ty, nic nie rób: nikt nie napisze.",
    yes_write: "Tak, piszcie do mnie",
    thank_you: "Dziękujemy",
    may_write_now: "{shop} może teraz pisać do Ciebie na temat: {purpose}. W każdej wiadomości jest link, który pozwala to zakończyć.",
    too_late_title: "Ten link stracił ważność",
    too_late_text: "Nic się nie zmieniło. Jeśli nadal chcesz dostawać wiadomości od sklepu, zapisz się jeszcze raz.",
    other_address_title: "Ten link należy do innego adresu",
    other_address_text: "Od tego czasu Twój adres się zmienił. Jeśli chcesz dostawać wiadomości od sklepu, zapisz się, podając obecny adres.",

    what_you_get: "Co od nas dostajesz",
    may_write_to: "{shop} może pisać na adres {address} na temat:",
    may_write_about: "{shop} może pisać do Ciebie na temat:",
    how_often: "Jak często",
    at_any_time: "zawsze, gdy jest o czym pisać",
    weekly: "najwyżej raz w tygodniu",
    monthly: "najwyżej raz w miesiącu",
    in_this_language: "W tym języku",
    as_before: "tak jak dotąd",
    save: "Zapisz",
    orders_anyway: "Wiadomości o Twoich zamówieniach będą przychodzić tak czy inaczej. Jeśli nie chcesz nic więcej, zostaw wszystkie pola puste.",
    noted_title: "Zapisane",
    noted_text: "{shop} będzie pisać tak, jak sobie życzysz. Możesz to znowu zmienić tym samym linkiem.",

    on_to: "Dalej na stronę",
    broken_title: "Ten link nie działa",
    broken_text: "Może został ucięty po drodze. Spróbuj linku z innej wiadomości albo napisz do sklepu.",
    not_now_title: "Teraz się nie udało",
    not_now_text: "Spróbuj ponownie za minutę.",
};
