//! What becomes of a mail at servers that are friendly, strict, slow, broken or hostile.

use std::{sync::Arc, time::Duration};

use channels::{
    Delivered, EmailAddress, Envelope, Login, Phase, PhaseRecorder, Refused, Secret, SettingsError, Smtp, SmtpSettings,
    Timeouts, Tls, Trouble, WrittenMail,
};

use tokio::sync::Notify;

use crate::server::{AUTHORITY_PEM, Act, Script, Server, Step, say};

const ALL_PHASES: [Phase; 6] =
    [Phase::Connect, Phase::MailFrom, Phase::Rcpt, Phase::Data, Phase::Body, Phase::Accepted];

/// Steps up to the body with the phase they belong to.
const STEPS_BEFORE_BODY: [(Step, Phase); 5] = [
    (Step::Greeting, Phase::Connect),
    (Step::Ehlo, Phase::Connect),
    (Step::MailFrom, Phase::MailFrom),
    (Step::Rcpt, Phase::Rcpt),
    (Step::Data, Phase::Data),
];

fn to(address: &str) -> Envelope {
    Envelope { from: EmailAddress::parse("bounce@tea.example").unwrap(), to: EmailAddress::parse(address).unwrap() }
}

fn a_mail() -> WrittenMail {
    WrittenMail::from_bytes(b"Subject: hello\r\n\r\nTea is ready.\r\n").unwrap()
}

fn settings(server: &Server) -> SmtpSettings {
    SmtpSettings::new("127.0.0.1", server.port, Tls::None)
}

fn sender(server: &Server) -> Smtp {
    Smtp::new(settings(server)).unwrap()
}

/// A sender whose every wait is short, for servers that stay silent.
fn impatient(server: &Server) -> Smtp {
    let short = Duration::from_millis(250);
    let timeouts = Timeouts {
        connect: short,
        greeting: short,
        command: short,
        data: short,
        body_piece: short,
        final_reply: short,
    };
    Smtp::new(SmtpSettings { timeouts, ..settings(server) }).unwrap()
}

async fn send(smtp: &Smtp) -> Delivered {
    smtp.send(&to("ana@shop.example"), &a_mail(), &mut Vec::new()).await
}

async fn sent_at(script: Script) -> Delivered {
    send(&sender(&script.open().await)).await
}

fn is_put_off(delivered: &Delivered) -> bool {
    delivered.because() == Some("put_off")
}

/// Refuses one phase, as a recorder does that cannot write, and remembers all.
struct Refuses {
    phase: Phase,
    seen: Vec<Phase>,
}

impl PhaseRecorder for Refuses {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        self.seen.push(phase);
        if phase == self.phase {
            return Err(Refused { reason: "disk full".to_owned() });
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_mail_arrives_as_written_and_each_phase_is_announced() {
    let server = Script::friendly().open().await;
    let smtp = sender(&server);
    let mut phases = Vec::new();
    let delivered = smtp.send(&to("ana@shop.example"), &a_mail(), &mut phases).await;
    let Delivered::Sent { reply } = &delivered else { panic!("{delivered:?}") };
    assert_eq!((reply.code, reply.text.as_str()), (250, "2.0.0 queued"));
    assert_eq!(delivered.because(), None);
    assert_eq!(phases, ALL_PHASES);
    assert_eq!(
        server.heard(),
        ["EHLO [127.0.0.1]", "MAIL FROM:<bounce@tea.example>", "RCPT TO:<ana@shop.example>", "DATA"]
    );
    assert_eq!(server.bodies(), [a_mail().as_bytes()]);
}

#[tokio::test]
async fn a_server_that_takes_commands_at_once_gets_them_in_one_piece() {
    let one_by_one = Script::friendly().open().await;
    assert!(matches!(send(&sender(&one_by_one)).await, Delivered::Sent { .. }));
    assert_eq!(one_by_one.came_ahead(), 0, "who does not offer it is asked command by command");

    let server = Script::friendly().pipelining().open().await;
    let smtp = sender(&server);
    for _ in 0..2 {
        let mut phases = Vec::new();
        let delivered = smtp.send(&to("ana@shop.example"), &a_mail(), &mut phases).await;
        assert!(matches!(delivered, Delivered::Sent { .. }), "{delivered:?}");
        assert_eq!(phases, ALL_PHASES);
    }
    assert_eq!((server.bodies().len(), server.connections()), (2, 1));
    assert_eq!(server.heard(), {
        let mail = ["MAIL FROM:<bounce@tea.example>", "RCPT TO:<ana@shop.example>", "DATA"];
        [&["EHLO [127.0.0.1]"][..], &mail, &mail].concat()
    });
    assert_eq!(server.came_ahead(), 4, "RCPT and DATA of each mail");
}

#[tokio::test]
async fn whatever_a_server_answers_it_means_the_same_at_once_as_one_by_one() {
    let bye = Act::SayAndClose(b"421 4.3.2 shutting down\r\n".to_vec());
    let acts =
        [say("450 4.2.0 later"), say("550 5.1.1 no"), say("220 what"), say("garbage"), bye, Act::Close, Act::Hang];
    for step in [Step::MailFrom, Step::Rcpt, Step::Data, Step::Dot] {
        for act in &acts {
            let script = Script::friendly().at(step, act.clone());
            let one_by_one = send(&impatient(&script.clone().open().await)).await;
            let server = script.pipelining().open().await;
            let smtp = impatient(&server);
            let at_once = send(&smtp).await;
            let of = |it: &Delivered| (it.because(), it.phase(), it.reply().cloned());
            assert_eq!(of(&at_once), of(&one_by_one), "{step:?} {act:?}: {at_once:?}");
            let arrived = server.bodies().len();
            let was_taken = step == Step::Dot || matches!(one_by_one, Delivered::Sent { .. });
            assert_eq!(arrived, usize::from(was_taken), "{step:?} {act:?}: nothing is sent that was refused");
            assert!(
                matches!(send(&smtp).await, Delivered::Sent { .. }),
                "{step:?} {act:?}: the next mail is not in its way"
            );
            assert_eq!(server.bodies().len(), arrived + 1);
        }
    }
}

#[tokio::test]
async fn a_refused_recipient_costs_no_connection_where_the_server_then_wants_no_body() {
    let no_recipient = || Script::friendly().pipelining().at(Step::Rcpt, say("550 5.1.1 no"));
    let strict = no_recipient().at(Step::Data, say("554 5.5.1 no valid recipients")).open().await;
    let lax = no_recipient().open().await;
    for (server, connections) in [(&strict, 1), (&lax, 2)] {
        let smtp = sender(server);
        assert!(matches!(send(&smtp).await, Delivered::Rejected { of_recipient: true, .. }));
        assert!(matches!(send(&smtp).await, Delivered::Sent { .. }));
        assert_eq!((server.bodies().len(), server.connections()), (1, connections));
    }
}

#[tokio::test]
async fn a_4xx_at_any_phase_puts_the_mail_off_with_the_servers_words() {
    for (step, phase) in STEPS_BEFORE_BODY.into_iter().chain([(Step::Dot, Phase::Body)]) {
        let delivered = sent_at(Script::friendly().at(step, say("451 4.7.1 Greylisted, try again"))).await;
        assert!(is_put_off(&delivered), "{step:?}: {delivered:?}");
        assert_eq!(delivered.phase(), phase);
        let reply = delivered.reply().expect("the server gave a reason");
        assert_eq!((reply.code, reply.text.as_str()), (451, "4.7.1 Greylisted, try again"), "{step:?}");
        assert_eq!(reply.enhanced.unwrap().to_string(), "4.7.1");
    }
}

#[tokio::test]
async fn a_5xx_for_the_mail_rejects_it_but_one_for_us_only_puts_it_off() {
    for (step, phase, about_the_mail, about_the_recipient) in [
        (Step::Greeting, Phase::Connect, false, false),
        (Step::Ehlo, Phase::Connect, false, false),
        (Step::MailFrom, Phase::MailFrom, true, false),
        (Step::Rcpt, Phase::Rcpt, true, true),
        (Step::Data, Phase::Data, true, false),
        (Step::Dot, Phase::Body, true, false),
    ] {
        let delivered = sent_at(Script::friendly().at(step, say("550 no"))).await;
        assert_eq!(delivered.phase(), phase);
        assert_eq!(delivered.reply().unwrap().code, 550);
        match delivered {
            Delivered::Rejected { of_recipient, .. } => {
                assert!(about_the_mail, "{step:?}");
                assert_eq!(of_recipient, about_the_recipient, "{step:?}");
            }
            delivered => assert!(is_put_off(&delivered) && !about_the_mail, "{step:?}: {delivered:?}"),
        }
    }
}

#[tokio::test]
async fn a_bounce_is_of_the_recipient_and_a_policy_refusal_is_not() {
    for (words, expected) in [
        ("550 5.1.1 No such user", true),
        ("550-5.1.1 The account\r\n550 5.1.1 does not exist", true),
        ("554 5.2.1 Mailbox disabled", true),
        ("550 no such user here", true),
        ("550 5.7.1 Relaying denied", false),
        ("552 5.2.2 Mailbox full", false),
        ("530 5.7.0 Must issue a STARTTLS command first", false),
    ] {
        let delivered = sent_at(Script::friendly().at(Step::Rcpt, say(words))).await;
        let Delivered::Rejected { of_recipient, phase: Phase::Rcpt, .. } = delivered else {
            panic!("{words}: {delivered:?}")
        };
        assert_eq!(of_recipient, expected, "{words}");
    }
}

#[tokio::test]
async fn a_421_puts_off_and_the_next_mail_takes_a_new_connection() {
    for (step, phase) in [
        (Step::MailFrom, Phase::MailFrom),
        (Step::Rcpt, Phase::Rcpt),
        (Step::Data, Phase::Data),
        (Step::Dot, Phase::Body),
    ] {
        let bye = Act::SayAndClose(b"421 4.3.2 shutting down\r\n".to_vec());
        let server = Script::friendly().at(step, bye).open().await;
        let smtp = sender(&server);
        let delivered = send(&smtp).await;
        assert!(is_put_off(&delivered), "{step:?}: {delivered:?}");
        assert_eq!((delivered.phase(), delivered.reply().unwrap().code), (phase, 421));
        assert!(matches!(send(&smtp).await, Delivered::Sent { .. }));
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn what_is_not_smtp_puts_off_before_the_final_dot_and_is_uncertain_after_it() {
    let endless_line = Act::Say(vec![b'x'; 1_000_000]);
    let endless_reply = Act::Say(b"250-more\r\n".repeat(100_000));
    let other_words = Act::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let no_code = say("650 what");
    let two_codes = say("250-yes\r\n550 no");
    let no_text_at_all = say("");
    for garbage in [endless_line, endless_reply, other_words, no_code, two_codes, no_text_at_all] {
        for (step, phase) in STEPS_BEFORE_BODY {
            let delivered = sent_at(Script::friendly().at(step, garbage.clone())).await;
            assert!(is_put_off(&delivered), "{step:?}: {delivered:?}");
            assert_eq!(delivered.phase(), phase);
        }
        let delivered = sent_at(Script::friendly().at(Step::Dot, garbage)).await;
        assert_eq!(delivered.because(), Some("no_reply"), "{delivered:?}");
    }
}

#[tokio::test]
async fn a_yes_that_does_not_fit_the_question_is_no_yes() {
    let delivered = sent_at(Script::friendly().at(Step::Data, say("250 ok"))).await;
    assert!(is_put_off(&delivered), "{delivered:?}");
    let delivered = sent_at(Script::friendly().at(Step::Rcpt, say("354 go ahead"))).await;
    assert!(is_put_off(&delivered), "{delivered:?}");
    let delivered = sent_at(Script::friendly().at(Step::Dot, say("354 go on"))).await;
    assert_eq!(delivered.because(), Some("no_reply"));
}

#[tokio::test]
async fn a_server_that_goes_away_puts_off_before_the_final_dot_and_is_uncertain_after_it() {
    for act in [Act::Close, Act::Reset, Act::Hang] {
        for (step, phase) in STEPS_BEFORE_BODY {
            let delivered = send(&impatient(&Script::friendly().at(step, act.clone()).open().await)).await;
            assert!(is_put_off(&delivered), "{step:?} {act:?}: {delivered:?}");
            assert_eq!((delivered.phase(), delivered.reply()), (phase, None));
        }
        let server = Script::friendly().at(Step::Dot, act.clone()).open().await;
        let delivered = send(&impatient(&server)).await;
        assert_eq!(delivered.because(), Some("no_reply"), "{act:?}: {delivered:?}");
        assert_eq!(server.bodies().len(), 1, "the server has the mail: this is why it is uncertain");
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_of_the_body_puts_off() {
    let large = WrittenMail::from_bytes(&b"Tea is ready, and there is a lot of it.\r\n".repeat(200_000)).unwrap();
    for act in [Act::Close, Act::Reset, Act::Hang] {
        let server = Script::friendly().at(Step::MidBody, act.clone()).open().await;
        let smtp = impatient(&server);
        let delivered = smtp.send(&to("ana@shop.example"), &large, &mut Vec::new()).await;
        assert!(is_put_off(&delivered), "{act:?}: {delivered:?}");
        assert_eq!(delivered.phase(), Phase::Body);
        assert!(server.bodies().is_empty());
    }
}

#[tokio::test]
async fn nobody_listening_puts_off() {
    let smtp = Smtp::new(SmtpSettings::new("127.0.0.1", 1, Tls::None)).unwrap();
    let delivered = send(&smtp).await;
    assert!(is_put_off(&delivered));
    assert_eq!(delivered.phase(), Phase::Connect);
}

#[tokio::test]
async fn a_recorder_that_cannot_write_keeps_the_body_here() {
    for phase in [Phase::Connect, Phase::MailFrom, Phase::Rcpt, Phase::Data, Phase::Body] {
        let server = Script::friendly().open().await;
        let smtp = sender(&server);
        let mut recorder = Refuses { phase, seen: Vec::new() };
        let delivered = smtp.send(&to("ana@shop.example"), &a_mail(), &mut recorder).await;
        assert_eq!(delivered, Delivered::NotSent { phase, reason: "disk full".to_owned() });
        assert_eq!(recorder.seen.last(), Some(&phase), "nothing is begun after a refusal");
        assert!(matches!(send(&smtp).await, Delivered::Sent { .. }), "the next mail is not in its way");
        assert_eq!(server.bodies(), [a_mail().as_bytes()], "only the second mail arrived");
    }
}

#[tokio::test]
async fn a_mail_that_was_accepted_stays_sent_whatever_the_recorder_says_then() {
    let server = Script::friendly().open().await;
    let mut recorder = Refuses { phase: Phase::Accepted, seen: Vec::new() };
    let delivered = sender(&server).send(&to("ana@shop.example"), &a_mail(), &mut recorder).await;
    assert!(matches!(delivered, Delivered::Sent { .. }));
}

/// Says that it was asked to record the body, and never ends.
struct WritesForever {
    asked: Arc<Notify>,
}

impl PhaseRecorder for WritesForever {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        if phase == Phase::Body {
            self.asked.notify_one();
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_send_that_is_given_up_before_the_body_leaves_no_mail_behind() {
    let server = Script::friendly().open().await;
    let smtp = Smtp::new(SmtpSettings { connections: 1, ..settings(&server) }).unwrap();
    let asked = Arc::new(Notify::new());
    let mut recorder = WritesForever { asked: asked.clone() };
    let (ana, mail) = (to("ana@shop.example"), a_mail());
    tokio::select! {
        delivered = smtp.send(&ana, &mail, &mut recorder) => panic!("{delivered:?}"),
        () = asked.notified() => {}
    }
    assert!(matches!(send(&smtp).await, Delivered::Sent { .. }), "its place is free again");
    assert_eq!((server.bodies().len(), server.connections()), (1, 2));
}

#[tokio::test]
async fn one_connection_carries_many_mails_also_after_a_bounce() {
    let server = Script::friendly().at(Step::Rcpt, say("250 ok")).at(Step::Rcpt, say("550 5.1.1 no")).open().await;
    let smtp = sender(&server);
    assert!(matches!(send(&smtp).await, Delivered::Sent { .. }));
    assert!(matches!(send(&smtp).await, Delivered::Rejected { .. }));
    assert!(matches!(send(&smtp).await, Delivered::Sent { .. }));
    assert_eq!(server.connections(), 1);
    assert_eq!(
        server.heard().iter().filter(|line| *line == "RSET").count(),
        1,
        "only where there is something to clear"
    );
    smtp.close().await;
    assert_eq!(server.heard().last().unwrap(), "QUIT");
}

#[tokio::test]
async fn a_connection_is_renewed_after_a_hundred_mails() {
    let server = Script::friendly().open().await;
    let smtp = sender(&server);
    for _ in 0..101 {
        assert!(matches!(send(&smtp).await, Delivered::Sent { .. }));
    }
    assert_eq!((server.bodies().len(), server.connections()), (101, 2));
}

#[tokio::test]
async fn a_kept_connection_that_has_died_is_replaced_without_a_word() {
    for death in [Act::Close, Act::Reset, Act::Hang, say("421 idle too long"), say("garbage")] {
        // After a bounce it is asked whether it is alive; after a mail that was taken it is just used.
        let after_a_bounce = Script::friendly().at(Step::Rcpt, say("550 5.1.1 no")).at(Step::Rset, death.clone());
        let after_a_mail = Script::friendly().at(Step::MailFrom, say("250 ok")).at(Step::MailFrom, death.clone());
        for script in [after_a_bounce, after_a_mail] {
            let server = script.open().await;
            let smtp = impatient(&server);
            let first = send(&smtp).await;
            assert!(matches!(first, Delivered::Sent { .. } | Delivered::Rejected { .. }));
            assert!(matches!(send(&smtp).await, Delivered::Sent { .. }), "{death:?}");
            assert_eq!(server.connections(), 2);
        }
    }
}

#[tokio::test]
async fn there_are_never_more_connections_than_allowed() {
    let server = Script::friendly().open().await;
    let smtp = Arc::new(Smtp::new(SmtpSettings { connections: 3, ..settings(&server) }).unwrap());
    // Spawned, so that the futures must be Send.
    let sends: Vec<_> = (0..30)
        .map(|_| {
            let smtp = smtp.clone();
            tokio::spawn(async move { send(&smtp).await })
        })
        .collect();
    for sending in sends {
        assert!(matches!(sending.await.unwrap(), Delivered::Sent { .. }));
    }
    assert_eq!(server.bodies().len(), 30);
    assert!(server.most_open() <= 3, "{}", server.most_open());
}

#[tokio::test]
async fn a_domain_that_hangs_leaves_connections_to_the_others() {
    let server = Script::friendly().open().await;
    let smtp = Arc::new(Smtp::new(SmtpSettings { connections: 4, ..settings(&server) }).unwrap());
    let hanging: Vec<_> = (0..6)
        .map(|_| {
            let smtp = smtp.clone();
            tokio::spawn(async move {
                let mut recorder = WritesForever { asked: Arc::default() };
                smtp.send(&to("bob@Slow.example"), &a_mail(), &mut recorder).await
            })
        })
        .collect();
    while server.connections() < 3 {
        tokio::task::yield_now().await;
    }
    let sent = tokio::time::timeout(Duration::from_secs(10), send(&smtp)).await;
    assert!(matches!(sent, Ok(Delivered::Sent { .. })), "a place is left for her: {sent:?}");
    assert_eq!(server.connections(), 4, "three for the one that hangs, one for the others");
    for sending in hanging {
        sending.abort();
    }
}

#[tokio::test]
async fn a_body_cannot_smuggle_a_second_mail() {
    let hostile =
        b"Subject: x\r\n\r\nhello\r\n.\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<ceo@shop.example>\r\nDATA\r\n\
        \n.\nMAIL FROM:<a@x.example>\n\r.\r..\r\n.\r\n..\n.\r\r\n.";
    let server = Script::friendly().open().await;
    let smtp = sender(&server);
    let mail = WrittenMail::from_bytes(hostile).unwrap();
    assert!(matches!(smtp.send(&to("ana@shop.example"), &mail, &mut Vec::new()).await, Delivered::Sent { .. }));
    assert_eq!(
        server.heard().len(),
        4,
        "EHLO, MAIL, RCPT, DATA and nothing that the body brought: {:?}",
        server.heard()
    );
    let bodies = server.bodies();
    assert_eq!(bodies.len(), 1);
    let body = std::str::from_utf8(&bodies[0]).unwrap();
    assert!(!body.replace("\r\n", "").contains(['\r', '\n']), "no bare CR or LF on the wire");
    let unstuffed: String = body.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
    assert!(body.lines().all(|line| line != "."));
    assert_eq!(unstuffed.as_bytes(), mail.as_bytes());
}

#[test]
fn bytes_that_smtp_cannot_carry_are_refused_before_a_connection() {
    assert!(WrittenMail::from_bytes("Subject: ä\r\n".as_bytes()).is_err());
    assert!(WrittenMail::from_bytes(b"a\0b").is_err());
    assert!(WrittenMail::from_bytes(&[b'a'; 999]).is_err());
    assert!(WrittenMail::from_bytes(&[b'a'; 998]).is_ok());
}

#[tokio::test]
async fn unusual_but_legal_replies_are_understood() {
    let script = Script::friendly()
        .at(Step::MailFrom, say("250"))
        .at(Step::Rcpt, Act::Say(b"250-2.1.5 Empf\xe4nger\r\n250-\r\n250 2.1.5 in Ordnung\r\n".to_vec()))
        .at(Step::Data, say("354"))
        .at(Step::Dot, say("250"));
    assert!(matches!(sent_at(script).await, Delivered::Sent { .. }));
    let latin_1 = Act::Say(b"550 5.1.1 Empf\xe4nger \x1b[31munbekannt\r\n".to_vec());
    let delivered = sent_at(Script::friendly().at(Step::Rcpt, latin_1)).await;
    assert!(matches!(delivered, Delivered::Rejected { of_recipient: true, .. }), "{delivered:?}");
    assert_eq!(delivered.detail(), "550 5.1.1 Empf?nger ?[31munbekannt");
}

#[tokio::test]
async fn a_long_reply_is_kept_in_part() {
    let words = format!("550-5.1.1 {0}\r\n550 5.1.1 {0}", "x".repeat(900));
    let delivered = sent_at(Script::friendly().at(Step::Rcpt, say(&words))).await;
    assert_eq!(delivered.reply().unwrap().text.chars().count(), 500);
}

#[tokio::test]
async fn mails_go_encrypted_where_asked_for() {
    let trusted_pem = Some(AUTHORITY_PEM.to_owned());
    for (script, tls) in [(Script::implicit_tls(), Tls::Implicit), (Script::friendly(), Tls::StartTls)] {
        let server = script.open().await;
        let login = Some(Login { user: "tea".to_owned(), password: Secret::new("hunter2") });
        let settings = SmtpSettings {
            login,
            trusted_pem: trusted_pem.clone(),
            ..SmtpSettings::new("localhost", server.port, tls)
        };
        let smtp = Smtp::new(settings).unwrap();
        let delivered = send(&smtp).await;
        assert!(matches!(delivered, Delivered::Sent { .. }), "{tls:?}: {delivered:?}");
        let heard = server.heard();
        let login = heard.iter().position(|line| line == "AUTH PLAIN AHRlYQBodW50ZXIy").expect("it logs in");
        let start = heard.iter().position(|line| line == "STARTTLS");
        assert_eq!(start.is_some(), tls == Tls::StartTls);
        assert!(start.is_none_or(|start| start < login), "the password goes after encryption: {heard:?}");
    }
}

#[tokio::test]
async fn without_the_encryption_asked_for_nothing_is_sent() {
    let untrusted = Script::implicit_tls().open().await;
    let other_name = Script::implicit_tls().open().await;
    let no_starttls = Script::friendly().at(Step::Ehlo, say("250-tea.example\r\n250 SIZE 1000")).open().await;
    let no_consent = Script::friendly().at(Step::StartTls, say("454 4.7.0 not now")).open().await;
    let slipped_in = Script::friendly()
        .at(Step::StartTls, Act::Say(b"220 go ahead\r\n250-tea.example\r\n250 AUTH PLAIN\r\n".to_vec()))
        .open()
        .await;
    let plain = Script::friendly().open().await;
    let ours = Some(AUTHORITY_PEM);
    for (server, host, tls, trust, reason) in [
        (&untrusted, "localhost", Tls::Implicit, None, "UnknownIssuer"),
        (&other_name, "127.0.0.1", Tls::Implicit, ours, "not valid for name"),
        (&no_starttls, "localhost", Tls::StartTls, ours, "does not offer STARTTLS"),
        (&no_consent, "localhost", Tls::StartTls, ours, "refused to begin encryption"),
        (&slipped_in, "localhost", Tls::StartTls, ours, "before encryption began"),
        (&plain, "localhost", Tls::Implicit, ours, "corrupt message"),
    ] {
        let settings =
            SmtpSettings { trusted_pem: trust.map(str::to_owned), ..SmtpSettings::new(host, server.port, tls) };
        let delivered = send(&Smtp::new(settings).unwrap()).await;
        assert!(is_put_off(&delivered), "{delivered:?}");
        assert_eq!(delivered.phase(), Phase::Connect);
        assert!(delivered.detail().contains(reason), "{delivered:?}");
        assert!(!server.heard().iter().any(|line| line.starts_with("MAIL") || line.starts_with("AUTH")));
    }
}

#[tokio::test]
async fn a_wrong_password_puts_off_and_blames_no_recipient() {
    let server = Script::friendly().at(Step::Auth, say("535 5.7.8 wrong password")).open().await;
    let login = Some(Login { user: "tea".to_owned(), password: Secret::new("hunter2") });
    let smtp = Smtp::new(SmtpSettings { login, ..settings(&server) }).unwrap();
    let delivered = send(&smtp).await;
    let Delivered::PutOff { phase: Phase::Connect, trouble: Trouble::Reply(reply) } = delivered else {
        panic!("{delivered:?}")
    };
    assert_eq!(reply.code, 535);
}

#[test]
fn settings_that_would_leak_or_cannot_work_are_refused() {
    let login = Some(Login { user: "tea".to_owned(), password: Secret::new("hunter2") });
    let in_the_clear = SmtpSettings { login, ..SmtpSettings::new("mail.example", 25, Tls::None) };
    let printed = format!("{in_the_clear:?}");
    assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
    let error = Smtp::new(in_the_clear.clone()).unwrap_err();
    assert_eq!(error, SettingsError::PasswordInTheClear { host: "mail.example".to_owned() });
    let smtp = Smtp::new(SmtpSettings { tls: Tls::StartTls, ..in_the_clear }).unwrap();
    assert!(!format!("{smtp:?}").contains("hunter2"));

    let new = || SmtpSettings::new("mail.example", 25, Tls::StartTls);
    assert!(matches!(
        Smtp::new(SmtpSettings { connections: 0, ..new() }),
        Err(SettingsError::Connections { connections: 0 })
    ));
    assert!(matches!(
        Smtp::new(SmtpSettings { host: "mail example".to_owned(), ..new() }),
        Err(SettingsError::Host { .. })
    ));
    let two_lines = Some("tea\r\nMAIL FROM:<x>".to_owned());
    assert!(matches!(Smtp::new(SmtpSettings { hello_name: two_lines, ..new() }), Err(SettingsError::HelloName { .. })));
    let no_pem = Some("not a certificate".to_owned());
    assert!(matches!(Smtp::new(SmtpSettings { trusted_pem: no_pem, ..new() }), Err(SettingsError::TrustedPem { .. })));
}
