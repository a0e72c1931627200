//! What the pages of links say in Portuguese: in Portugal without naming whom they address, in Brazil *você*.

use super::Language;

pub(super) const PORTUGUESE: Language = Language {
    tag: "pt",
    also: &[],

    this_shop: "esta loja",
    offers_and_news: "Ofertas e novidades",
    by_email: "por e-mail",
    by_text_message: "por SMS",
    by_notification: "por notificação",
    this_way: "por esta via",

    leave_title: "Não quer receber mais estas mensagens?",
    leave_text: "Basta um clique e {shop} deixa de lhe escrever {by} sobre: {purpose}. As mensagens sobre as suas encomendas continuam a chegar.",
    less_instead: "Ou escolha o que recebe e com que frequência",
    left_title: "A sua subscrição foi cancelada",
    left_text: "{shop} já não lhe escreve {by} sobre: {purpose}.",
    changed_your_mind: "Mudou de ideias? Escolha o que recebe e com que frequência",

    was_it_you: "Foi um pedido seu?",
    somebody_gave: "Alguém indicou o endereço {address} para que {shop} escreva sobre: {purpose}.",
    somebody_asked: "Alguém pediu que {shop} lhe escreva sobre: {purpose}.",
    press_confirms: "Basta um clique e passamos a escrever-lhe. Se o pedido não foi seu, não faça nada: ninguém lhe escreverá.",
    yes_write: "Sim, escrevam-me",
    thank_you: "Agradecemos a confirmação",
    may_write_now: "{shop} pode agora escrever-lhe sobre: {purpose}. Cada mensagem tem um link para deixar de receber estas mensagens.",
    too_late_title: "Este link expirou",
    too_late_text: "Nada foi alterado. Se ainda quer receber notícias da loja, inscreva-se de novo.",
    other_address_title: "Este link pertence a outro endereço",
    other_address_text: "O seu endereço mudou entretanto. Se quer receber notícias da loja, inscreva-se com o endereço atual.",

    what_you_get: "O que recebe de nós",
    may_write_to: "{shop} pode escrever para {address} sobre:",
    may_write_about: "{shop} pode escrever-lhe sobre:",
    how_often: "Com que frequência",
    at_any_time: "sempre que houver novidades",
    weekly: "no máximo uma vez por semana",
    monthly: "no máximo uma vez por mês",
    in_this_language: "Neste idioma",
    as_before: "como até agora",
    save: "Guardar",
    orders_anyway: "As mensagens sobre as suas encomendas chegam sempre. Para não receber mais nada, deixe todas as caixas vazias.",
    noted_title: "Está anotado",
    noted_text: "{shop} vai escrever-lhe como escolheu. Pode voltar a alterar com o mesmo link.",

    on_to: "A caminho de",
    broken_title: "Este link não funciona",
    broken_text: "Talvez tenha sido cortado pelo caminho. Experimente o link de outra mensagem ou escreva à loja.",
    not_now_title: "Não foi possível neste momento",
    not_now_text: "Tente de novo daqui a um minuto, por favor.",
};

pub(super) const BRAZILIAN: Language = Language {
    tag: "pt-BR",

    leave_title: "Não quer mais receber estas mensagens?",
    leave_text: "Com um clique, {shop} deixa de escrever para você {by} sobre: {purpose}. As mensagens sobre seus pedidos continuam chegando.",
    less_instead: "Ou escolha o que você recebe e com que frequência",
    left_title: "Sua inscrição foi cancelada",
    left_text: "{shop} não escreve mais para você {by} sobre: {purpose}.",
    changed_your_mind: "Mudou de ideia? Escolha o que você recebe e com que frequência",

    was_it_you: "Foi você?",
    somebody_gave: "Alguém informou o endereço {address} para que {shop} escreva sobre: {purpose}.",
    somebody_asked: "Alguém pediu que {shop} escreva para você sobre: {purpose}.",
    press_confirms: "Com um clique, passamos a escrever para você. Se não foi você, não faça nada: ninguém vai escrever.",
    yes_write: "Sim, escrevam para mim",
    may_write_now: "{shop} agora pode escrever para você sobre: {purpose}. Cada mensagem tem um link para deixar de receber estas mensagens.",
    too_late_text: "Nada foi alterado. Se ainda quiser receber notícias da loja, inscreva-se de novo.",
    other_address_text: "Seu endereço mudou desde então. Se quiser receber notícias da loja, inscreva-se com o endereço atual.",

    what_you_get: "O que você recebe de nós",
    may_write_about: "{shop} pode escrever para você sobre:",
    as_before: "como antes",
    save: "Salvar",
    orders_anyway: "As mensagens sobre seus pedidos chegam de qualquer forma. Para não receber mais nada, deixe todas as caixas vazias.",
    noted_text: "{shop} vai escrever para você do jeito que você escolheu. Você pode mudar de novo com o mesmo link.",

    broken_text: "Talvez ele tenha sido cortado no caminho. Tente o link de outra mensagem ou escreva para a loja.",
    not_now_title: "Não deu certo agora",

    ..PORTUGUESE
};
