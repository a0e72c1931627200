//! What the pages of links say in Dutch: *u*.

use super::Language;

pub(super) const DUTCH: Language = Language {
    tag: "nl",
    also: &[],

    this_shop: "deze winkel",
    offers_and_news: "Aanbiedingen en nieuws",
    by_email: "per e-mail",
    by_text_message: "per sms",
    by_notification: "via meldingen",
    this_way: "op deze manier",

    leave_title: "Wilt u deze berichten niet meer ontvangen?",
    leave_text: "Eén klik, en {shop} schrijft u {by} niet meer over: {purpose}. Berichten over uw bestellingen blijven komen.",
    less_instead: "Of kies wat u ontvangt en hoe vaak",
    left_title: "U bent afgemeld",
    left_text: "{shop} schrijft u {by} niet meer over: {purpose}.",
    changed_your_mind: "Van gedachten veranderd? Kies wat u ontvangt en hoe vaak",

    was_it_you: "Was u dit?",
    somebody_gave: "Iemand heeft het adres {address} opgegeven, zodat {shop} daarheen schrijft over: {purpose}.",
    somebody_asked: "Iemand heeft gevraagd of {shop} u wil schrijven over: {purpose}.",
    press_confirms: "Eén klik, en wij schrijven u. Was u het niet, doe dan niets: niemand zal u schrijven.",
    yes_write: "Ja, schrijf mij",
    thank_you: "Dank u wel",
    may_write_now: "{shop} mag u nu schrijven over: {purpose}. In elk bericht staat een link om daarmee te stoppen.",
    too_late_title: "Deze link is verlopen",
    too_late_text: "Er is niets gewijzigd. Wilt u nog steeds van de winkel horen, meld u dan opnieuw aan.",
    other_address_title: "Deze link hoort bij een ander adres",
    other_address_text: "Uw adres is sindsdien veranderd. Wilt u van de winkel horen, meld u dan aan met uw huidige adres.",

    what_you_get: "Wat u van ons ontvangt",
    may_write_to: "{shop} mag naar {address} schrijven over:",
    may_write_about: "{shop} mag u schrijven over:",
    how_often: "Hoe vaak",
    at_any_time: "zo vaak als er iets te melden is",
    weekly: "hoogstens één keer per week",
    monthly: "hoogstens één keer per maand",
    in_this_language: "In deze taal",
    as_before: "zoals voorheen",
    save: "Opslaan",
    orders_anyway: "Berichten over uw bestellingen komen in ieder geval. Wilt u verder niets ontvangen, laat dan alle vakjes leeg.",
    noted_title: "Genoteerd",
    noted_text: "{shop} schrijft u zoals u het wilt. Met dezelfde link kunt u het altijd weer wijzigen.",

    on_to: "Door naar",
    broken_title: "Deze link werkt niet",
    broken_text: "Misschien is hij onderweg afgebroken. Probeer de link in een ander bericht, of schrijf de winkel.",
    not_now_title: "Dat lukte nu even niet",
    not_now_text: "Probeer het over een minuut opnieuw.",
};
