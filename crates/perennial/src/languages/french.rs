//! What the pages of links say in French: *vous*.

use super::Language;

pub(super) const FRENCH: Language = Language {
    tag: "fr",
    also: &[],

    this_shop: "cette boutique",
    offers_and_news: "Offres et nouveautés",
    by_email: "par e-mail",
    by_text_message: "par SMS",
    by_notification: "par notification",
    this_way: "par ce moyen",

    leave_title: "Ne plus recevoir ces messages\u{a0}?",
    leave_text: "Un clic, et {shop} ne vous écrira plus {by} à propos de\u{a0}: {purpose}. Les messages concernant vos commandes continueront d’arriver.",
    less_instead: "Ou choisissez ce que vous recevez, et à quelle fréquence",
    left_title: "Votre désabonnement est enregistré",
    left_text: "{shop} ne vous écrit plus {by} à propos de\u{a0}: {purpose}.",
    changed_your_mind: "Vous avez changé d’avis\u{a0}? Choisissez ce que vous recevez, et à quelle fréquence",

    was_it_you: "Était-ce vous\u{a0}?",
    somebody_gave: "Quelqu’un a donné l’adresse {address} pour que {shop} y écrive à propos de\u{a0}: {purpose}.",
    somebody_asked: "Quelqu’un a demandé que {shop} vous écrive à propos de\u{a0}: {purpose}.",
    press_confirms: "Un clic, et nous vous écrirons. Si ce n’était pas vous, ne faites rien\u{a0}: personne ne vous écrira.",
    yes_write: "Oui, écrivez-moi",
    thank_you: "Merci",
    may_write_now: "{shop} peut désormais vous écrire à propos de\u{a0}: {purpose}. Chaque message contient un lien pour y mettre fin.",
    too_late_title: "Ce lien a expiré",
    too_late_text: "Rien n’a été modifié. Si vous souhaitez toujours recevoir des nouvelles de la boutique, inscrivez-vous de nouveau.",
    other_address_title: "Ce lien correspond à une autre adresse",
    other_address_text: "Votre adresse a changé depuis. Si vous souhaitez recevoir des nouvelles de la boutique, inscrivez-vous avec votre adresse actuelle.",

    what_you_get: "Ce que vous recevez de notre part",
    may_write_to: "{shop} peut écrire à {address} à propos de\u{a0}:",
    may_write_about: "{shop} peut vous écrire à propos de\u{a0}:",
    how_often: "À quelle fréquence",
    at_any_time: "dès qu’il y a du nouveau",
    weekly: "au plus une fois par semaine",
    monthly: "au plus une fois par mois",
    in_this_language: "Dans cette langue",
    as_before: "comme avant",
    save: "Enregistrer",
    orders_anyway: "Les messages concernant vos commandes arrivent dans tous les cas. Pour ne rien recevoir d’autre, laissez toutes les cases vides.",
    noted_title: "C’est noté",
    noted_text: "{shop} vous écrira comme vous l’avez souhaité. Le même lien vous permet de changer d’avis à tout moment.",

    on_to: "Redirection vers",
    broken_title: "Ce lien ne fonctionne pas",
    broken_text: "Il a peut-être été coupé en chemin. Essayez le lien d’un autre message, ou écrivez à la boutique.",
    not_now_title: "Cela n’a pas fonctionné cette fois-ci",
    not_now_text: "Veuillez réessayer dans une minute.",
};
