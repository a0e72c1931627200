//! What the pages of links say in Danish: *du*.

use super::Language;

pub(super) const DANISH: Language = Language {
    tag: "da",
    also: &[],

    this_shop: "denne butik",
    offers_and_news: "Tilbud og nyheder",
    by_email: "på e-mail",
    by_text_message: "på sms",
    by_notification: "med notifikationer",
    this_way: "på denne måde",

    leave_title: "Vil du ikke have flere af disse beskeder?",
    leave_text: "Ét klik, og {shop} skriver ikke længere til dig {by} om: {purpose}. Beskeder om dine ordrer kommer stadig.",
    less_instead: "Eller vælg, hvad du får, og hvor ofte",
    left_title: "Du er afmeldt",
    left_text: "{shop} skriver ikke længere til dig {by} om: {purpose}.",
    changed_your_mind: "Har du skiftet mening? Vælg, hvad du får, og hvor ofte",

    was_it_you: "Var det dig?",
    somebody_gave: "Nogen har oplyst {address}, så {shop} kan skrive dertil om: {purpose}.",
    somebody_asked: "Nogen har bedt om, at {shop} skriver til dig om: {purpose}.",
    press_confirms: "Ét klik, og vi skriver til dig. Hvis det ikke var dig, skal du ikke gøre noget: så skriver ingen.",
    yes_write: "Ja, skriv til mig",
    thank_you: "Tak",
    may_write_now: "{shop} må nu skrive til dig om: {purpose}. I hver besked er der et link, så du kan stoppe det igen.",
    too_late_title: "Linket er udløbet",
    too_late_text: "Der er ikke ændret noget. Hvis du stadig vil høre fra butikken, så tilmeld dig igen.",
    other_address_title: "Linket hører til en anden adresse",
    other_address_text: "Din adresse er ændret siden. Hvis du vil høre fra butikken, så tilmeld dig med den nuværende.",

    what_you_get: "Det får du fra os",
    may_write_to: "{shop} må skrive til {address} om:",
    may_write_about: "{shop} må skrive til dig om:",
    how_often: "Hvor ofte",
    at_any_time: "så ofte der er noget at fortælle",
    weekly: "højst én gang om ugen",
    monthly: "højst én gang om måneden",
    in_this_language: "På dette sprog",
    as_before: "som før",
    save: "Gem",
    orders_anyway: "Beskeder om dine ordrer kommer under alle omstændigheder. Vil du ikke have andet, så lad alle felter stå tomme.",
    noted_title: "Det er noteret",
    noted_text: "{shop} skriver til dig, som du ønsker det. Du kan ændre det igen med det samme link.",

    on_to: "Videre til",
    broken_title: "Linket virker ikke",
    broken_text: "Måske er det blevet afkortet undervejs. Prøv linket i en anden besked, eller skriv til butikken.",
    not_now_title: "Det lykkedes ikke lige nu",
    not_now_text: "Prøv igen om et minut.",
};
