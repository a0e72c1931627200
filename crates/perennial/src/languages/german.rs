//! What the pages of links say in German: *Sie*.

use super::Language;

pub(super) const GERMAN: Language = Language {
    tag: "de",
    also: &[],

    this_shop: "dieser Shop",
    offers_and_news: "Angebote und Neuigkeiten",
    by_email: "per E-Mail",
    by_text_message: "per SMS",
    by_notification: "per Push-Nachricht",
    this_way: "auf diesem Weg",

    leave_title: "Möchten Sie diese Nachrichten nicht mehr bekommen?",
    leave_text: "Ein Klick, und {shop} schreibt Ihnen {by} nicht mehr zu: {purpose}. Nachrichten zu Ihren Bestellungen kommen weiterhin.",
    less_instead: "Oder wählen Sie, was Sie bekommen und wie oft",
    left_title: "Sie sind abgemeldet",
    left_text: "{shop} schreibt Ihnen {by} nicht mehr zu: {purpose}.",
    changed_your_mind: "Doch anders überlegt? Wählen Sie, was Sie bekommen und wie oft",

    was_it_you: "Waren Sie das?",
    somebody_gave: "Jemand hat die Adresse {address} angegeben, damit {shop} dorthin schreibt zu: {purpose}.",
    somebody_asked: "Jemand hat darum gebeten, dass {shop} Ihnen schreibt zu: {purpose}.",
    press_confirms: "Ein Klick, und wir schreiben Ihnen. Wenn Sie es nicht waren, tun Sie einfach nichts: Dann schreibt Ihnen niemand.",
    yes_write: "Ja, schreiben Sie mir",
    thank_you: "Vielen Dank",
    may_write_now: "{shop} darf Ihnen jetzt schreiben zu: {purpose}. In jeder Nachricht steht ein Link, mit dem Sie das wieder beenden.",
    too_late_title: "Dieser Link ist abgelaufen",
    too_late_text: "Es wurde nichts geändert. Wenn Sie weiterhin vom Shop hören möchten, melden Sie sich bitte noch einmal an.",
    other_address_title: "Dieser Link gehört zu einer anderen Adresse",
    other_address_text: "Ihre Adresse hat sich seitdem geändert. Wenn Sie vom Shop hören möchten, melden Sie sich bitte mit der jetzigen an.",

    what_you_get: "Was Sie von uns bekommen",
    may_write_to: "{shop} darf an {address} schreiben zu:",
    may_write_about: "{shop} darf Ihnen schreiben zu:",
    how_often: "Wie oft",
    at_any_time: "immer, wenn es etwas gibt",
    weekly: "höchstens einmal pro Woche",
    monthly: "höchstens einmal im Monat",
    in_this_language: "In dieser Sprache",
    as_before: "wie bisher",
    save: "Speichern",
    orders_anyway: "Nachrichten zu Ihren Bestellungen kommen in jedem Fall. Wenn Sie sonst nichts bekommen möchten, lassen Sie alle Kästchen leer.",
    noted_title: "Ist notiert",
    noted_text: "{shop} schreibt Ihnen so, wie Sie es möchten. Mit demselben Link können Sie es jederzeit wieder ändern.",

    on_to: "Weiter zu",
    broken_title: "Dieser Link funktioniert nicht",
    broken_text: "Vielleicht wurde er unterwegs abgeschnitten. Probieren Sie den Link in einer anderen Nachricht, oder schreiben Sie dem Shop.",
    not_now_title: "Das hat gerade nicht geklappt",
    not_now_text: "Bitte versuchen Sie es in einer Minute noch einmal.",
};
