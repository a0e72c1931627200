//! Notifications at push services of all kinds, opened by the browsers that they are for.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use channels::outward::{Limits, Outward, Reach, RetryAfter};
use channels::web_push::{Notification, Pushed, Urgency, VapidKey, WebPush};
use channels::{Delivered, Phase, PhaseRecorder, Refused, Trouble};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::listener::{Act, Listener, answer, closed_port};
use crate::server::AUTHORITY_PEM;

/// 2026-03-02T12:00:00Z.
const NOW_S: i64 = 1_772_452_800;

fn outward() -> Outward {
    let hosts = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let limits = Limits { answer: Duration::from_millis(500), ..Limits::default() };
    Outward::new(Reach::new(&hosts, &hosts).unwrap(), Some(AUTHORITY_PEM)).unwrap().with_limits(limits)
}

fn shop() -> WebPush {
    let key = VapidKey::read(&VapidKey::generate().unwrap()).unwrap();
    WebPush::new(key, "mailto:hello@tea.example").unwrap()
}

fn notification() -> Notification {
    Notification {
        id: "m_01".to_owned(),
        title: "Your pass ends tomorrow".to_owned(),
        body: "Renew it – it takes a minute 🍵".to_owned(),
        url: Some("https://hello.tea.example/c/abc".to_owned()),
        icon: None,
        unsubscribe: None,
        unsubscribe_label: "",
        ttl_s: 86_400,
        urgency: Urgency::High,
    }
}

fn subscribed(browser: &Browser, url: &str) -> channels::web_push::Browser {
    channels::web_push::Browser::read(url, &browser.p256dh(), &browser.auth(), outward().reach()).unwrap()
}

/// Sends to one browser for each push service.
async fn push(services: &[&Listener]) -> (Pushed, Vec<Phase>) {
    let browsers: Vec<_> =
        services.iter().map(|service| subscribed(&Browser::called("Ana's"), &service.url("/wpush/v2/x"))).collect();
    let mut phases = Vec::new();
    let pushed = shop().send(&outward(), &notification(), &browsers, NOW_S, &mut phases).await;
    (pushed, phases)
}

async fn service(status: &str, headers: &str) -> Listener {
    Listener::open([answer(status, headers, "")]).await
}

#[test]
fn the_tests_own_browser_agrees_with_the_rfc() {
    // RFC 8291, appendix A.
    let read = |text: &str| BASE64.decode(text).unwrap();
    let browser = Browser::with(&read("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), &read("BTBZMqHH6r4Tts7J_aSIgg"));
    assert_eq!(
        browser.p256dh(),
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    );
    let sender = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
    assert_eq!(BASE64.encode(browser.agrees_with(&read(sender))), "kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
    let body = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_\
                yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    let opened = browser.open(&read(&body.replace(' ', ""))).unwrap();
    assert_eq!(String::from_utf8(opened).unwrap(), "When I grow up, I want to be a watermelon");
}

#[tokio::test]
async fn a_notification_is_opened_by_its_browser_alone_and_says_who_sent_it() {
    let server = Listener::encrypted([answer("201 Created", "location: https://push.example/m/1\r\n", "")]).await;
    let url = format!("https://localhost:{}/wpush/v2/abc", server.port);
    let (ana, ben, shop) = (Browser::called("Ana's"), Browser::called("Ben's"), shop());
    let mut phases = Vec::new();
    let pushed = shop.send(&outward(), &notification(), &[subscribed(&ana, &url)], NOW_S, &mut phases).await;
    assert!(matches!(&pushed.delivered, Delivered::Sent { reply } if reply.code == 201), "{pushed:?}");
    assert_eq!((phases, pushed.gone), (vec![Phase::Connect, Phase::Body], vec![]));

    let [heard] = &server.heard()[..] else { panic!("one request") };
    assert_eq!(heard.line, "POST /wpush/v2/abc HTTP/1.1");
    let said: Value = serde_json::from_slice(&ana.open(&heard.body).unwrap()).unwrap();
    let expected = json!({
        "id": "m_01", "title": "Your pass ends tomorrow", "body": "Renew it – it takes a minute 🍵",
        "url": "https://hello.tea.example/c/abc",
    });
    assert_eq!(said, expected);
    assert_eq!(ben.open(&heard.body), None, "nobody else's browser can read it");
    assert_eq!((heard.header("ttl"), heard.header("urgency")), ("86400", "high"));
    assert_eq!(heard.header("content-encoding"), "aes128gcm");
    assert_eq!(heard.header("topic").len(), 32);

    let (token, key) = heard.header("authorization").strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(key, shop.public_key());
    let (said, signature) = token.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, BASE64.decode(key).unwrap());
    public.verify(said.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64.decode(said.split_once('.').unwrap().1).unwrap()).unwrap();
    let origin = format!("https://localhost:{}", server.port);
    assert_eq!(claims, json!({ "aud": origin, "exp": NOW_S + 43_200, "sub": "mailto:hello@tea.example" }));
}

#[tokio::test]
async fn what_a_push_service_answers_has_one_meaning() {
    for (status, headers, because, is_gone) in [
        ("200 OK", "", None, false),
        ("201 Created", "", None, false),
        ("202 Accepted", "", None, false),
        ("404 Not Found", "", Some("rejected"), true),
        ("410 Gone", "", Some("rejected"), true),
        ("400 Bad Request", "", Some("rejected"), false),
        ("401 Unauthorized", "", Some("rejected"), false),
        ("403 Forbidden", "", Some("rejected"), false),
        ("413 Content Too Large", "", Some("rejected"), false),
        ("429 Too Many Requests", "retry-after: 120\r\n", Some("put_off"), false),
        ("500 Oops", "", Some("put_off"), false),
        ("503 Away", "retry-after: 60\r\n", Some("put_off"), false),
        ("302 Found", "location: http://127.0.0.1/\r\n", Some("put_off"), false),
    ] {
        let (pushed, _) = push(&[&service(status, headers).await]).await;
        assert_eq!((pushed.delivered.because(), pushed.all_gone), (because, is_gone), "{status}: {pushed:?}");
        assert_eq!(pushed.gone, if is_gone { vec![0] } else { vec![] }, "{status}");
        assert!(
            !matches!(pushed.delivered, Delivered::Rejected { of_recipient: true, .. }),
            "{status} suppresses nobody"
        );
        if let Delivered::PutOff { trouble: Trouble::Reply(reply), .. } = &pushed.delivered {
            let asked = headers.split_once("retry-after: ").map(|(_, rest)| rest.trim().parse().unwrap());
            assert_eq!(reply.retry_after, asked.map(RetryAfter::Seconds), "{status}");
        }
    }
    for act in [Act::Hang, Act::Close, Act::Say("SSH-2.0-OpenSSH_9.9\r\n".into())] {
        let (pushed, _) = push(&[&Listener::open([act]).await]).await;
        assert_eq!(pushed.delivered.because(), Some("no_reply"), "it may have arrived: {pushed:?}");
    }
}

#[tokio::test]
async fn every_browser_gets_it_and_one_that_takes_it_is_enough() {
    let (takes, gone, away, silent) = (
        service("201 Created", "").await,
        service("410 Gone", "").await,
        service("503 Away", "retry-after: 60\r\n").await,
        Listener::open([Act::Hang]).await,
    );
    let (pushed, phases) = push(&[&gone, &takes, &away, &silent]).await;
    let Delivered::Sent { reply } = &pushed.delivered else { panic!("{pushed:?}") };
    assert_eq!(
        (reply.text.as_str(), &pushed.gone[..], pushed.all_gone),
        ("taken for 1 of 4 browsers", &[0][..], false)
    );
    assert_eq!(phases, [Phase::Connect, Phase::Body], "each once, whatever their number");
    for service in [&takes, &gone, &away, &silent] {
        assert_eq!(service.heard().len(), 1);
    }
    let (pushed, _) = push(&[&gone, &away, &silent]).await;
    assert_eq!((pushed.delivered.because(), pushed.gone), (Some("no_reply"), vec![0]), "one may have taken it");
    let (pushed, _) = push(&[&gone, &away]).await;
    assert_eq!((pushed.delivered.because(), pushed.all_gone), (Some("put_off"), false));
    let (pushed, _) = push(&[&gone, &gone]).await;
    assert_eq!((pushed.delivered.because(), pushed.gone, pushed.all_gone), (Some("rejected"), vec![0, 1], true));
}

/// Holds back one phase.
struct Unwilling(Phase);

impl PhaseRecorder for Unwilling {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        if phase == self.0 { Err(Refused { reason: "no".to_owned() }) } else { Ok(()) }
    }
}

#[tokio::test]
async fn nothing_goes_out_that_was_not_recorded_and_nothing_goes_inside() {
    for phase in [Phase::Connect, Phase::Body] {
        let server = service("201 Created", "").await;
        let browser = subscribed(&Browser::called("Ana's"), &server.url("/x"));
        let pushed = shop().send(&outward(), &notification(), &[browser], NOW_S, &mut Unwilling(phase)).await;
        assert_eq!(pushed.delivered, Delivered::NotSent { phase, reason: "no".to_owned() });
        assert_eq!(server.heard().len(), 0);
    }
    // A name that leads inside is refused when it is looked up, and a port where nobody listens is tried later.
    let closed = closed_port().await;
    let only_public = Outward::new(Reach::default(), None).unwrap();
    let keys = Browser::called("Ana's");
    let inside =
        channels::web_push::Browser::read("https://localhost/x", &keys.p256dh(), &keys.auth(), only_public.reach());
    let mut phases = Vec::new();
    let pushed = shop().send(&only_public, &notification(), &[inside.unwrap()], NOW_S, &mut phases).await;
    assert_eq!((pushed.delivered.because(), phases.as_slice()), (Some("put_off"), &[Phase::Connect][..]));
    assert!(pushed.delivered.detail().contains("is this machine"), "{}", pushed.delivered.detail());
    let nobody = subscribed(&keys, &format!("http://127.0.0.1:{closed}/x"));
    let pushed = shop().send(&outward(), &notification(), &[nobody], NOW_S, &mut Vec::new()).await;
    assert!(matches!(pushed.delivered, Delivered::PutOff { phase: Phase::Connect, .. }), "{pushed:?}");
}
