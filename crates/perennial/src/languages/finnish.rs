//! What the pages of links say in Finnish: *sinä*. Names do not take endings; a noun that takes them stands before.

use super::Language;

pub(super) const FINNISH: Language = Language {
    tag: "fi",
    also: &[],

    this_shop: "tämä kauppa",
    offers_and_news: "Tarjoukset ja uutiset",
    by_email: "sähköpostitse",
    by_text_message: "tekstiviestillä",
    by_notification: "ilmoituksella",
    this_way: "tällä tavalla",

    leave_title: "Etkö halua enää näitä viestejä?",
    leave_text: "Yksi painallus, ja {shop} ei enää kirjoita sinulle {by} aiheesta: {purpose}. Viestit tilauksistasi tulevat yhä.",
    less_instead: "Tai valitse, mitä saat ja kuinka usein",
    left_title: "Et saa enää näitä viestejä",
    left_text: "{shop} ei enää kirjoita sinulle {by} aiheesta: {purpose}.",
    changed_your_mind: "Muutitko mielesi? Valitse, mitä saat ja kuinka usein",

    was_it_you: "Olitko se sinä?",
    somebody_gave: "Joku on antanut osoitteen {address}, jotta {shop} kirjoittaisi siihen aiheesta: {purpose}.",
    somebody_asked: "Joku on pyytänyt, että {shop} kirjoittaisi sinulle aiheesta: {purpose}.",
    press_confirms: "Yksi painallus, ja kirjoitamme sinulle. Jos se et ollut sinä, älä tee mitään: silloin kukaan ei kirjoita.",
    yes_write: "Kyllä, kirjoittakaa minulle",
    thank_you: "Kiitos",
    may_write_now: "{shop} saa nyt kirjoittaa sinulle aiheesta: {purpose}. Jokaisessa viestissä on linkki, jolla voit lopettaa ne.",
    too_late_title: "Linkki on vanhentunut",
    too_late_text: "Mitään ei muutettu. Jos haluat yhä viestejä kaupasta, ilmoittaudu uudelleen.",
    other_address_title: "Linkki kuuluu toiseen osoitteeseen",
    other_address_text: "Osoitteesi on muuttunut sen jälkeen. Jos haluat viestejä kaupasta, ilmoittaudu nykyisellä osoitteellasi.",

    what_you_get: "Mitä saat meiltä",
    may_write_to: "{shop} saa kirjoittaa osoitteeseen {address} näistä aiheista:",
    may_write_about: "{shop} saa kirjoittaa sinulle näistä aiheista:",
    how_often: "Kuinka usein",
    at_any_time: "aina kun on kerrottavaa",
    weekly: "enintään kerran viikossa",
    monthly: "enintään kerran kuukaudessa",
    in_this_language: "Tällä kielellä",
    as_before: "kuten ennenkin",
    save: "Tallenna",
    orders_anyway: "Viestit tilauksistasi tulevat joka tapauksessa. Jos et halua muuta, jätä kaikki ruudut tyhjiksi.",
    noted_title: "Merkitty muistiin",
    noted_text: "{shop} kirjoittaa sinulle niin kuin toivoit. Voit muuttaa valintojasi samalla linkillä.",

    on_to: "Siirrytään sivustolle",
    broken_title: "Linkki ei toimi",
    broken_text: "Se on ehkä katkennut matkalla. Kokeile toisen viestin linkkiä tai kirjoita kauppaan.",
    not_now_title: "Se ei onnistunut juuri nyt",
    not_now_text: "Yritä uudelleen minuutin kuluttua.",
};
