//! What becomes of a request at servers that are friendly, slow, broken or hostile, and where none is sent at all.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use channels::outward::{Answer, ConnectError, Limits, Names, NoAnswer, Outward, Reach, RetryAfter, Target};
use channels::{
    Delivered, Endpoint, Messenger, Note, Phase, PhaseRecorder, Refused, Secret, SigningSecrets, Told, Trouble,
};
use serde_json::{Value, json};

use crate::listener::{Act, Listener, answer, closed_port};
use crate::server::AUTHORITY_PEM;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// 2026-03-02T12:00:00Z.
const NOW_S: i64 = 1_772_452_800;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn list(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

/// May speak to this machine without encryption, and waits half a second.
fn outward() -> Outward {
    let hosts = list(&["127.0.0.1", "erp.internal"]);
    let limits = Limits {
        connect: Duration::from_secs(5),
        answer: Duration::from_millis(500),
        head_octets: 16 * 1024,
        body_octets: 1_000,
    };
    Outward::new(Reach::new(&hosts, &hosts).unwrap(), Some(AUTHORITY_PEM)).unwrap().with_limits(limits)
}

fn target(outward: &Outward, url: &str) -> Target {
    Target::read(url, outward.reach()).unwrap()
}

async fn post(outward: &Outward, url: &str) -> Result<Answer, NoAnswer> {
    let connection = outward.connect(&target(outward, url)).await.unwrap();
    connection.post(hyper::HeaderMap::new(), "{}").await
}

#[tokio::test]
async fn a_request_arrives_as_it_was_made_and_its_answer_comes_back() {
    let server = Listener::open([answer("201 Created", "retry-after: 7\r\n", "welcome")]).await;
    let outward = outward();
    let said = post(&outward, &server.url("/hooks?key=%20x")).await.unwrap();
    assert_eq!((said.status, said.body.as_slice()), (201, b"welcome".as_slice()));
    assert_eq!(said.retry_after, Some(RetryAfter::Seconds(7)));
    let [heard] = &server.heard()[..] else { panic!("one request") };
    assert_eq!(heard.line, "POST /hooks?key=%20x HTTP/1.1");
    assert_eq!(heard.header("host"), format!("127.0.0.1:{}", server.port));
    assert_eq!((heard.header("content-length"), heard.body.as_slice()), ("2", b"{}".as_slice()));
    assert!(heard.header("user-agent").starts_with("Perennial/"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed_t49() {
    let elsewhere = Listener::open([answer("200 OK", "", "secrets")]).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("location: {}\r\n", elsewhere.url("/latest/meta-data"));
        let server = Listener::open([answer(status, &location, "")]).await;
        let said = post(&outward(), &server.url("/")).await.unwrap();
        assert!(said.is_redirect() && !said.is_success(), "{said:?}");
    }
    assert_eq!(elsewhere.connections(), 0, "nobody went there");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_cut_off() {
    let outward = outward();
    let endless = |head: &str, again: &str| Act::Forever(head.into(), again.into());
    for (act, expected) in [
        (endless("HTTP/1.1 200 OK\r\n", &format!("x: {}\r\n", "y".repeat(1_000))), NoAnswer::TooLong),
        (endless("HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyy"), NoAnswer::TooLong),
        (endless("HTTP/1.1 ", "0000000000000000"), NoAnswer::NotHttp),
        (endless("", "HTTP/1.1 100 Continue\r\n\r\n"), NoAnswer::TooSlow),
        (Act::Say("SSH-2.0-OpenSSH_9.9\r\n".into()), NoAnswer::NotHttp),
        (Act::Hang, NoAnswer::TooSlow),
        (Act::SayAndHang("HTTP/1.1 200 OK\r\n".into()), NoAnswer::TooSlow),
        (Act::Close, NoAnswer::Closed),
        (Act::Say("HTTP/1.1 200 OK\r\ncontent-".into()), NoAnswer::Closed),
    ] {
        let server = Listener::open([act.clone()]).await;
        let start = Instant::now();
        let said = post(&outward, &server.url("/")).await;
        assert_eq!(said, Err(expected), "{act:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn once_the_status_is_said_the_rest_of_the_answer_changes_nothing() {
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1_000));
    for act in [
        Act::Forever("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(), chunk.into()),
        Act::Forever("HTTP/1.1 200 OK\r\n\r\n".into(), vec![b'x'; 1_000]),
        Act::SayAndHang("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nxx".into()),
        Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nxx".into()),
        Act::Say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense".into()),
    ] {
        let server = Listener::open([act.clone()]).await;
        let said = post(&outward(), &server.url("/")).await.unwrap();
        assert_eq!(said.status, 200, "{act:?}");
        assert!(said.body.len() <= 1_000, "no more is kept than asked for");
    }
}

#[tokio::test]
async fn a_name_is_judged_by_where_it_leads_at_that_moment() {
    let server = Listener::open([]).await;
    let leads_to = |addresses: Vec<IpAddr>| Names::Given(Arc::new(move |_: &str| addresses.clone()));
    let url = format!("http://erp.internal:{}/", server.port);
    let forbidden = |error: &ConnectError| matches!(error, ConnectError::Forbidden { .. });

    // The owner named the host, so that it may be on this machine; where machines learn their passwords it may not.
    let there = outward().with_names(leads_to(vec![LOOPBACK]));
    assert_eq!(post(&there, &url).await.unwrap().status, 204);
    let metadata = outward().with_names(leads_to(vec!["169.254.169.254".parse().unwrap()]));
    assert!(forbidden(&metadata.connect(&target(&metadata, &url)).await.unwrap_err()));

    // A public name may not lead inside. Of several addresses the public ones count.
    let plain = list(&["shop.example", "localhost"]);
    let strict = || Outward::new(Reach::new(&[], &plain).unwrap(), None).unwrap();
    for inside in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "64:ff9b::7f00:1"] {
        let outward = strict().with_names(leads_to(vec![inside.parse().unwrap(), LOOPBACK]));
        let url = format!("http://shop.example:{}/", server.port);
        let error = outward.connect(&target(&outward, &url)).await.unwrap_err();
        assert!(forbidden(&error), "{inside}: {error}");
        assert!(error.to_string().contains("outward.allow"), "{error}");
    }
    // By the system's own resolver as well, with the dot and without.
    for host in ["localhost", "localhost.", "LOCALHOST"] {
        let outward = strict();
        let error = outward.connect(&target(&outward, &format!("http://{host}:{}/", server.port))).await.unwrap_err();
        assert!(forbidden(&error), "{host}: {error}");
    }
    assert_eq!(server.connections(), 1, "nothing was even connected to");

    let unknown = strict().with_names(leads_to(Vec::new()));
    let error = unknown.connect(&target(&unknown, "http://shop.example/")).await.unwrap_err();
    assert!(matches!(error, ConnectError::UnknownName { .. }));
}

#[tokio::test]
async fn a_name_that_answers_otherwise_the_second_time_leads_nowhere_else() {
    let server = Listener::open([]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // The first answer is fit; a second would be the metadata of the machine.
    let names = Names::Given(Arc::new(move |_: &str| match count.fetch_add(1, Ordering::Relaxed) {
        0 => vec![LOOPBACK],
        _ => vec!["169.254.169.254".parse().unwrap()],
    }));
    let outward = outward().with_names(names);
    let url = format!("http://erp.internal:{}/", server.port);
    assert_eq!(post(&outward, &url).await.unwrap().status, 204);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "asked once; what was judged is what was connected to");
    assert_eq!(server.heard()[0].header("host"), format!("erp.internal:{}", server.port));
    assert!(matches!(outward.connect(&target(&outward, &url)).await, Err(ConnectError::Forbidden { .. })));
}

#[tokio::test]
async fn encrypted_only_with_who_it_should_be() {
    let server = Listener::encrypted([answer("200 OK", "", "hello")]).await;
    let names = Names::Given(Arc::new(|_: &str| vec![LOOPBACK]));
    let allowed = || Reach::new(&list(&["127.0.0.1"]), &[]).unwrap();
    let trusting = Outward::new(allowed(), Some(AUTHORITY_PEM)).unwrap().with_names(names.clone());
    let url = |host: &str| format!("https://{host}:{}/", server.port);
    assert_eq!(post(&trusting, &url("localhost")).await.unwrap().body, b"hello");
    assert_eq!(post(&trusting, &url("localhost.")).await.unwrap().status, 200);

    let other_name = trusting.connect(&target(&trusting, &url("erp.example"))).await.unwrap_err();
    assert!(matches!(other_name, ConnectError::Tls { .. }), "{other_name}");
    let strict = Outward::new(allowed(), None).unwrap().with_names(names);
    let untrusted = strict.connect(&target(&strict, &url("localhost"))).await.unwrap_err();
    assert!(matches!(untrusted, ConnectError::Tls { .. }), "{untrusted}");
    assert_eq!(server.heard().len(), 2, "who is not trusted hears nothing");
    assert!(Outward::new(Reach::default(), Some("no certificate")).is_err());
}

#[tokio::test]
async fn where_nobody_listens_nothing_went_out() {
    let outward = outward();
    let url = format!("http://127.0.0.1:{}/", closed_port().await);
    let error = outward.connect(&target(&outward, &url)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}

#[test]
fn signatures_are_those_of_the_standards_own_vectors() {
    let file = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../../shared/reference/standard-webhooks-vectors.json");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: there is no {}", file.display());
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(!vectors.is_empty());
    for vector in vectors {
        let word = |key: &str| vector[key].as_str().unwrap();
        let secrets = SigningSecrets::read(&[word("secret")]).unwrap();
        let signed = secrets.sign(word("id"), vector["timestamp"].as_i64().unwrap(), word("body").as_bytes());
        assert_eq!(signed, word("signature"));
    }
}

fn endpoint(outward: &Outward, server: &Listener) -> Endpoint {
    Endpoint::new(target(outward, &server.url("/hooks")), SigningSecrets::read(&[SECRET]).unwrap())
}

#[tokio::test]
async fn a_webhook_carries_its_id_its_time_and_its_signature() {
    let server = Listener::open([answer("204 No Content", "", "")]).await;
    let outward = outward();
    let told = endpoint(&outward, &server).tell(&outward, "wh_1", NOW_S, br#"{"type":"promo.granted"}"#).await;
    assert_eq!(told, Told::Done { status: 204 });
    let [heard] = &server.heard()[..] else { panic!("one request") };
    assert_eq!(heard.header("webhook-id"), "wh_1");
    assert_eq!(heard.header("webhook-timestamp"), NOW_S.to_string());
    let expected = SigningSecrets::read(&[SECRET]).unwrap().sign("wh_1", NOW_S, &heard.body);
    assert_eq!(heard.header("webhook-signature"), expected);
    assert_eq!(heard.header("content-type"), "application/json");
    assert_eq!(heard.body, br#"{"type":"promo.granted"}"#);
}

#[tokio::test]
async fn what_an_endpoint_answers_is_done_gone_or_not_yet() {
    let outward = outward();
    let not_yet = |reason: &str, retry_after| Told::NotYet { reason: reason.to_owned(), retry_after };
    let long = "x".repeat(500);
    for (act, expected) in [
        (answer("200 OK", "", "fine"), Told::Done { status: 200 }),
        (answer("410 Gone", "", ""), Told::Gone),
        (answer("404 Not Found", "", ""), not_yet("answered 404", None)),
        (
            answer("429 Too Many", "retry-after: 90\r\n", "slow\n\u{1b}down"),
            not_yet("answered 429: slow down", Some(RetryAfter::Seconds(90))),
        ),
        (
            answer("503 Later", "retry-after: Mon, 02 Mar 2026 12:30:00 GMT\r\n", ""),
            not_yet("answered 503", Some(RetryAfter::At((NOW_S + 1_800) * 1_000))),
        ),
        (answer("500 Oops", "", &long), not_yet(&format!("answered 500: {}", &long[..200]), None)),
        (
            answer("302 Found", "location: http://169.254.169.254/\r\n", ""),
            not_yet("answered 302, which points elsewhere; redirects are not followed", None),
        ),
        (Act::Hang, not_yet("no answer came in time", None)),
        (Act::Close, not_yet("the connection was closed before an answer came", None)),
    ] {
        let server = Listener::open([act]).await;
        assert_eq!(endpoint(&outward, &server).tell(&outward, "wh_1", NOW_S, b"{}").await, expected);
    }
}

fn note() -> Note {
    Note {
        id: "m_1".to_owned(),
        channel: "sms",
        to: "+447700900123".to_owned(),
        subject: String::new(),
        text: "Tea & cake + \u{1f375}".to_owned(),
        campaign: "win-back".to_owned(),
        purpose: "marketing",
        unsubscribe_url: Some("https://tea.example/u/1".to_owned()),
        url: None,
        icon: None,
        decided_at: "2026-03-02T12:00:00Z".to_owned(),
    }
}

fn signed(outward: &Outward, url: &str) -> Messenger {
    Messenger::Signed { target: target(outward, url), secrets: SigningSecrets::read(&[SECRET]).unwrap() }
}

fn twilio(outward: &Outward, server: &Listener) -> Messenger {
    Messenger::Twilio {
        target: target(outward, &Messenger::twilio_url(&server.url(""), "AC123")),
        account: "AC123".to_owned(),
        token: Secret::new("t0ken"),
        from: "+15005550006".to_owned(),
    }
}

#[tokio::test]
async fn a_provider_gets_a_signed_message_and_each_phase_is_announced() {
    let server = Listener::open([answer("202 Accepted", "", "")]).await;
    let outward = outward();
    let mut phases: Vec<Phase> = Vec::new();
    let delivered = signed(&outward, &server.url("/texts")).send(&outward, &note(), NOW_S, &mut phases).await;
    assert!(matches!(delivered, Delivered::Sent { .. }), "{delivered:?}");
    assert_eq!(phases, [Phase::Connect, Phase::Body]);
    let [heard] = &server.heard()[..] else { panic!("one request") };
    assert_eq!(heard.header("webhook-id"), "m_1");
    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    let expected = json!({
        "type": "message.send", "timestamp": "2026-03-02T12:00:00Z",
        "data": {
            "id": "m_1", "channel": "sms", "to": "+447700900123", "subject": "", "text": "Tea & cake + \u{1f375}",
            "campaign": "win-back", "purpose": "marketing", "unsubscribe_url": "https://tea.example/u/1",
        },
    });
    assert_eq!(body, expected);
    let again = signed(&outward, &server.url("/texts")).send(&outward, &note(), NOW_S + 60, &mut phases).await;
    assert!(matches!(again, Delivered::Sent { .. }));
    assert_eq!(server.heard()[1].body, heard.body, "the same bytes at every attempt");
}

#[tokio::test]
async fn a_providers_answer_is_sent_rejected_put_off_or_unknown() {
    let outward = outward();
    let mut phases: Vec<Phase> = Vec::new();
    let because = |delivered: &Delivered| delivered.because();
    for (act, expected) in [
        (answer("200 OK", "", "{}"), None),
        (answer("400 Bad", "", "{}"), Some("rejected")),
        (answer("422 No", "", r#"{"suppress": true}"#), Some("rejected")),
        (answer("408 Late", "", ""), Some("put_off")),
        (answer("425 Early", "", ""), Some("put_off")),
        (answer("429 Many", "", ""), Some("put_off")),
        (answer("500 Oops", "", ""), Some("put_off")),
        (answer("302 Found", "location: http://169.254.169.254/\r\n", ""), Some("put_off")),
        (Act::Hang, Some("no_reply")),
        (Act::Close, Some("no_reply")),
        (Act::Say("nonsense\r\n\r\n".into()), Some("no_reply")),
    ] {
        let server = Listener::open([act.clone()]).await;
        let delivered = signed(&outward, &server.url("/")).send(&outward, &note(), NOW_S, &mut phases).await;
        assert_eq!(because(&delivered), expected, "{act:?}: {delivered:?}");
        if let Delivered::Rejected { of_recipient, reply, .. } = &delivered {
            assert_eq!(*of_recipient, reply.code == 422, "only who says so has the address suppressed");
        }
    }
    let nobody = format!("http://127.0.0.1:{}/", closed_port().await);
    let delivered = signed(&outward, &nobody).send(&outward, &note(), NOW_S, &mut phases).await;
    assert!(matches!(delivered, Delivered::PutOff { phase: Phase::Connect, trouble: Trouble::Connection(_) }));
}

/// Refuses a phase, as the engine does for an attempt that is no longer the present one.
struct No(Phase);

impl PhaseRecorder for No {
    async fn begin(&mut self, phase: Phase) -> Result<(), Refused> {
        if phase == self.0 { Err(Refused { reason: "stale".to_owned() }) } else { Ok(()) }
    }
}

#[tokio::test]
async fn what_is_not_on_record_does_not_go_out() {
    let server = Listener::open([]).await;
    let outward = outward();
    for phase in [Phase::Connect, Phase::Body] {
        let delivered = signed(&outward, &server.url("/")).send(&outward, &note(), NOW_S, &mut No(phase)).await;
        assert_eq!(delivered, Delivered::NotSent { phase, reason: "stale".to_owned() });
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn twilio_is_spoken_to_in_its_own_words() {
    let refused = |code: u64| answer("400 Bad Request", "", &json!({ "code": code, "message": "no" }).to_string());
    let server = Listener::open([
        answer("201 Created", "", r#"{"sid":"SM1"}"#),
        refused(21_211),
        refused(21_610),
        refused(21_606),
        answer("401 Unauthorized", "", r#"{"code":20003}"#),
        answer("429 Too Many Requests", "", r#"{"code":20429}"#),
    ])
    .await;
    let outward = outward();
    let mut phases: Vec<Phase> = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..6 {
        let delivered = twilio(&outward, &server).send(&outward, &note(), NOW_S, &mut phases).await;
        let suppresses = matches!(delivered, Delivered::Rejected { of_recipient: true, .. });
        ends.push((delivered.because(), suppresses));
    }
    let rejected = Some("rejected");
    let expected = [
        (None, false),
        (rejected, true),
        (rejected, true),
        (rejected, false),
        (Some("put_off"), false),
        (Some("put_off"), false),
    ];
    assert_eq!(ends, expected);
    let heard = &server.heard()[0];
    assert_eq!(heard.line, "POST /2010-04-01/Accounts/AC123/Messages.json HTTP/1.1");
    assert_eq!(heard.header("authorization"), "Basic QUMxMjM6dDBrZW4=");
    assert_eq!(heard.header("content-type"), "application/x-www-form-urlencoded");
    let body = String::from_utf8(heard.body.clone()).unwrap();
    assert_eq!(body, "To=%2B447700900123&From=%2B15005550006&Body=Tea+%26+cake+%2B+%F0%9F%8D%B5");
    assert!(!format!("{:?}", twilio(&outward, &server)).contains("t0ken"));
}
