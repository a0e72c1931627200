//! What the pages of links say in Italian: *lei*.

use super::Language;

pub(super) const ITALIAN: Language = Language {
    tag: "it",
    also: &[],

    this_shop: "questo negozio",
    offers_and_news: "Offerte e novità",
    by_email: "via e-mail",
    by_text_message: "via SMS",
    by_notification: "con notifiche",
    this_way: "in questo modo",

    leave_title: "Non vuole più ricevere questi messaggi?",
    leave_text: "Basta un clic e {shop} non le scriverà più {by} su: {purpose}. I messaggi sui suoi ordini continueranno ad arrivare.",
    less_instead: "Oppure scelga che cosa ricevere e quanto spesso",
    left_title: "La sua iscrizione è annullata",
    left_text: "{shop} non le scrive più {by} su: {purpose}.",
    changed_your_mind: "Ha cambiato idea? Scelga che cosa ricevere e quanto spesso",

    was_it_you: "È una sua richiesta?",
    somebody_gave: "Qualcuno ha indicato l’indirizzo {address} perché {shop} vi scriva su: {purpose}.",
    somebody_asked: "Qualcuno ha chiesto che {shop} le scriva su: {purpose}.",
    press_confirms: "Basta un clic e le scriveremo. Se la richiesta non è sua, non faccia nulla: nessuno le scriverà.",
    yes_write: "Sì, scrivetemi",
    thank_you: "Grazie",
    may_write_now: "{shop} può ora scriverle su: {purpose}. In ogni messaggio c’è un link per non riceverne più.",
    too_late_title: "Questo link è scaduto",
    too_late_text: "Non è stato cambiato nulla. Se desidera ancora ricevere notizie dal negozio, si iscriva di nuovo.",
    other_address_title: "Questo link appartiene a un altro indirizzo",
    other_address_text: "Nel frattempo il suo indirizzo è cambiato. Se desidera ricevere notizie dal negozio, si iscriva con quello attuale.",

    what_you_get: "Che cosa riceve da noi",
    may_write_to: "{shop} può scrivere a {address} su:",
    may_write_about: "{shop} può scriverle su:",
    how_often: "Quanto spesso",
    at_any_time: "ogni volta che c’è qualcosa di nuovo",
    weekly: "al massimo una volta alla settimana",
    monthly: "al massimo una volta al mese",
    in_this_language: "In questa lingua",
    as_before: "come finora",
    save: "Salva",
    orders_anyway: "I messaggi sui suoi ordini arrivano in ogni caso. Per non ricevere altro, lasci vuote tutte le caselle.",
    noted_title: "Scelta salvata",
    noted_text: "{shop} le scriverà come ha scelto. Può cambiare di nuovo con lo stesso link.",

    on_to: "Si prosegue verso",
    broken_title: "Questo link non funziona",
    broken_text: "Forse si è interrotto lungo la strada. Provi il link di un altro messaggio o scriva al negozio.",
    not_now_title: "In questo momento non ha funzionato",
    not_now_text: "Riprovi tra un minuto, per favore.",
};
