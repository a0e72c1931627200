//! What the pages of links say in Spanish: *usted*.

use super::Language;

pub(super) const SPANISH: Language = Language {
    tag: "es",
    also: &[],

    this_shop: "esta tienda",
    offers_and_news: "Ofertas y novedades",
    by_email: "por correo electrónico",
    by_text_message: "por SMS",
    by_notification: "por notificación",
    this_way: "por esta vía",

    leave_title: "¿No quiere recibir más estos mensajes?",
    leave_text: "Con un clic, {shop} dejará de escribirle {by} sobre: {purpose}. Los mensajes sobre sus pedidos seguirán llegando.",
    less_instead: "O elija qué recibe y con qué frecuencia",
    left_title: "Se ha dado de baja",
    left_text: "{shop} ya no le escribe {by} sobre: {purpose}.",
    changed_your_mind: "¿Ha cambiado de opinión? Elija qué recibe y con qué frecuencia",

    was_it_you: "¿Fue usted?",
    somebody_gave: "Alguien indicó la dirección {address} para que {shop} le escriba sobre: {purpose}.",
    somebody_asked: "Alguien pidió que {shop} le escriba sobre: {purpose}.",
    press_confirms: "Con un clic, empezaremos a escribirle. Si no fue usted, no haga nada: nadie le escribirá.",
    yes_write: "Sí, escríbanme",
    thank_you: "Gracias",
    may_write_now: "{shop} puede escribirle sobre: {purpose}. Cada mensaje incluye un enlace para dejar de recibirlos.",
    too_late_title: "Este enlace ha caducado",
    too_late_text: "No se ha cambiado nada. Si todavía quiere recibir noticias de la tienda, suscríbase de nuevo.",
    other_address_title: "Este enlace corresponde a otra dirección",
    other_address_text: "Su dirección ha cambiado desde entonces. Si quiere recibir noticias de la tienda, suscríbase con la actual.",

    what_you_get: "Lo que recibe de nosotros",
    may_write_to: "{shop} puede escribir a {address} sobre:",
    may_write_about: "{shop} puede escribirle sobre:",
    how_often: "Con qué frecuencia",
    at_any_time: "siempre que haya algo nuevo",
    weekly: "como máximo una vez por semana",
    monthly: "como máximo una vez al mes",
    in_this_language: "En este idioma",
    as_before: "como hasta ahora",
    save: "Guardar",
    orders_anyway: "Los mensajes sobre sus pedidos llegan en cualquier caso. Si no quiere recibir nada más, deje todas las casillas vacías.",
    noted_title: "Anotado",
    noted_text: "{shop} le escribirá como usted ha elegido. Puede cambiarlo de nuevo con el mismo enlace.",

    on_to: "Redirigiendo a",
    broken_title: "Este enlace no funciona",
    broken_text: "Quizá se cortó por el camino. Pruebe el enlace de otro mensaje o escriba a la tienda.",
    not_now_title: "Ahora mismo no ha funcionado",
    not_now_text: "Por favor, inténtelo de nuevo dentro de un minuto.",
};
