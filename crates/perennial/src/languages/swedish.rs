//! What the pages of links say in Swedish: *du*.

use super::Language;

pub(super) const SWEDISH: Language = Language {
    tag: "sv",
    also: &[],

    this_shop: "den här butiken",
    offers_and_news: "Erbjudanden och nyheter",
    by_email: "via e-post",
    by_text_message: "via sms",
    by_notification: "via notiser",
    this_way: "på det här sättet",

    leave_title: "Vill du inte ha fler sådana meddelanden?",
    leave_text: "Ett klick, så skriver {shop} inte längre till dig {by} om: {purpose}. Meddelanden om dina beställningar kommer ändå.",
    less_instead: "Eller välj vad du får och hur ofta",
    left_title: "Du får inte längre de här meddelandena",
    left_text: "{shop} skriver inte längre till dig {by} om: {purpose}.",
    changed_your_mind: "Har du ändrat dig? Välj vad du får och hur ofta",

    was_it_you: "Var det du?",
    somebody_gave: "Någon har angett {address} för att {shop} ska skriva dit om: {purpose}.",
    somebody_asked: "Någon har bett {shop} att skriva till dig om: {purpose}.",
    press_confirms: "Ett klick, så skriver vi till dig. Om det inte var du behöver du inte göra något: då skriver ingen.",
    yes_write: "Ja, skriv till mig",
    thank_you: "Tack",
    may_write_now: "{shop} får nu skriva till dig om: {purpose}. I varje meddelande finns en länk för att sluta få dem.",
    too_late_title: "Länken har gått ut",
    too_late_text: "Inget har ändrats. Om du fortfarande vill höra av butiken kan du anmäla dig en gång till.",
    other_address_title: "Länken hör till en annan adress",
    other_address_text: "Din adress har ändrats sedan dess. Om du vill höra av butiken kan du anmäla dig med den nuvarande.",

    what_you_get: "Det här får du från oss",
    may_write_to: "{shop} får skriva till {address} om:",
    may_write_about: "{shop} får skriva till dig om:",
    how_often: "Hur ofta",
    at_any_time: "så ofta det finns något att berätta",
    weekly: "högst en gång i veckan",
    monthly: "högst en gång i månaden",
    in_this_language: "På det här språket",
    as_before: "som förut",
    save: "Spara",
    orders_anyway: "Meddelanden om dina beställningar kommer i alla fall. Vill du inte ha något annat lämnar du alla rutor tomma.",
    noted_title: "Det är noterat",
    noted_text: "{shop} skriver till dig så som du vill ha det. Du kan ändra det igen med samma länk.",

    on_to: "Vidare till",
    broken_title: "Länken fungerar inte",
    broken_text: "Den kan ha klippts av på vägen. Prova länken i ett annat meddelande, eller skriv till butiken.",
    not_now_title: "Det gick inte just nu",
    not_now_text: "Försök igen om en minut.",
};
