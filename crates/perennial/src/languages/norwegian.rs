//! What the pages of links say in Norwegian, in bokmål, which those who write nynorsk read too: *du*.

use super::Language;

pub(super) const NORWEGIAN: Language = Language {
    tag: "nb",
    also: &["no", "nn"],

    this_shop: "denne butikken",
    offers_and_news: "Tilbud og nyheter",
    by_email: "på e-post",
    by_text_message: "på SMS",
    by_notification: "med varsler",
    this_way: "på denne måten",

    leave_title: "Vil du ikke ha flere slike meldinger?",
    leave_text: "Ett klikk, og {shop} skriver ikke lenger til deg {by} om: {purpose}. Meldinger om bestillingene dine kommer fortsatt.",
    less_instead: "Eller velg hva du får, og hvor ofte",
    left_title: "Du er meldt av",
    left_text: "{shop} skriver ikke lenger til deg {by} om: {purpose}.",
    changed_your_mind: "Har du ombestemt deg? Velg hva du får, og hvor ofte",

    was_it_you: "Var det deg?",
    somebody_gave: "Noen har oppgitt {address} for at {shop} skal skrive dit om: {purpose}.",
    somebody_asked: "Noen har bedt om at {shop} skriver til deg om: {purpose}.",
    press_confirms: "Ett klikk, og vi skriver til deg. Hvis det ikke var deg, trenger du ikke å gjøre noe: da skriver ingen.",
    yes_write: "Ja, skriv til meg",
    thank_you: "Takk",
    may_write_now: "{shop} kan nå skrive til deg om: {purpose}. I hver melding er det en lenke for å slutte å få dem.",
    too_late_title: "Lenken er utløpt",
    too_late_text: "Ingenting er endret. Hvis du fortsatt vil høre fra butikken, kan du melde deg på en gang til.",
    other_address_title: "Lenken hører til en annen adresse",
    other_address_text: "Adressen din er endret siden da. Hvis du vil høre fra butikken, kan du melde deg på med den nåværende.",

    what_you_get: "Dette får du fra oss",
    may_write_to: "{shop} kan skrive til {address} om:",
    may_write_about: "{shop} kan skrive til deg om:",
    how_often: "Hvor ofte",
    at_any_time: "så ofte det er noe å fortelle",
    weekly: "høyst én gang i uken",
    monthly: "høyst én gang i måneden",
    in_this_language: "På dette språket",
    as_before: "som før",
    save: "Lagre",
    orders_anyway: "Meldinger om bestillingene dine kommer uansett. Vil du ikke ha noe annet, lar du alle rutene stå tomme.",
    noted_title: "Det er notert",
    noted_text: "{shop} skriver til deg slik du ønsker. Du kan endre det igjen med den samme lenken.",

    on_to: "Videre til",
    broken_title: "Lenken virker ikke",
    broken_text: "Den kan ha blitt kuttet av på veien. Prøv lenken i en annen melding, eller skriv til butikken.",
    not_now_title: "Det gikk ikke akkurat nå",
    not_now_text: "Prøv igjen om et minutt.",
};
