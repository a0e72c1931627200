//! What the pages of links say in Czech: *vy*. A noun that takes endings stands before names, which take none.

use super::Language;

pub(super) const CZECH: Language = Language {
    tag: "cs",
    also: &[],

    this_shop: "tento obchod",
    offers_and_news: "Nabídky a novinky",
    by_email: "e-mailem",
    by_text_message: "textovou zprávou",
    by_notification: "oznámením",
    this_way: "tímto způsobem",

    leave_title: "Nechcete už tyto zprávy dostávat?",
    leave_text: "Jedno kliknutí a {shop} vám už nebude {by} psát na téma: {purpose}. Zprávy o vašich objednávkách budou chodit dál.",
    less_instead: "Nebo si vyberte, co dostáváte a jak často",
    left_title: "Odběr je odhlášen",
    left_text: "{shop} vám už {by} nepíše na téma: {purpose}.",
    changed_your_mind: "Rozmysleli jste si to? Vyberte si, co dostáváte a jak často",

    was_it_you: "Byli jste to vy?",
    somebody_gave: "Někdo zadal adresu {address}, aby dostával zprávy. Odesílatel: {shop}. Téma: {purpose}.",
    somebody_asked: "Někdo vás přihlásil k odběru zpráv. Odesílatel: {shop}. Téma: {purpose}.",
    press_confirms: "Jedno kliknutí a začneme vám psát. Pokud jste to nebyli vy, nedělejte nic: nikdo vám psát nebude.",
    yes_write: "Ano, pište mi",
    thank_you: "Děkujeme",
    may_write_now: "{shop} vám nyní smí psát na téma: {purpose}. V každé zprávě je odkaz, kterým to ukončíte.",
    too_late_title: "Platnost tohoto odkazu vypršela",
    too_late_text: "Nic se nezměnilo. Pokud chcete od obchodu stále dostávat zprávy, přihlaste se znovu.",
    other_address_title: "Tento odkaz patří k jiné adrese",
    other_address_text: "Vaše adresa se od té doby změnila. Pokud chcete od obchodu dostávat zprávy, přihlaste se se současnou adresou.",

    what_you_get: "Co od nás dostáváte",
    may_write_to: "{shop} smí psát na adresu {address} na téma:",
    may_write_about: "{shop} vám smí psát na téma:",
    how_often: "Jak často",
    at_any_time: "kdykoli je o čem psát",
    weekly: "nejvýše jednou týdně",
    monthly: "nejvýše jednou měsíčně",
    in_this_language: "V tomto jazyce",
    as_before: "jako dosud",
    save: "Uložit",
    orders_anyway: "Zprávy o vašich objednávkách chodí v každém případě. Nechcete-li dostávat nic jiného, nechte všechna políčka prázdná.",
    noted_title: "Zaznamenáno",
    noted_text: "{shop} vám bude psát tak, jak si přejete. Stejným odkazem to můžete znovu změnit.",

    on_to: "Pokračujeme na",
    broken_title: "Tento odkaz nefunguje",
    broken_text: "Možná se cestou zkrátil. Zkuste odkaz v jiné zprávě nebo napište obchodu.",
    not_now_title: "Teď se to nepodařilo",
    not_now_text: "Zkuste to prosím za minutu znovu.",
};
