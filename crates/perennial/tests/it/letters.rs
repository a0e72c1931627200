//! Links in messages: forged ones lead nowhere, looking changes nothing, one click by the mail program does.

use crate::house::{Answer, House};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use store::{MessageFilter, Page};

pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36";

const SHOP: &str = "
workspace: settings
sender: { name: The Tea House, address: hello@tea.example, postal_address: '1 Leaf Lane, London' }
---
purpose: marketing
default: granted
channels: [email]
---
template: hello
channel: email
subject: Hello {{ customer.first_name }}
body: |
  <p>Hello {{ customer.first_name }}, <a href=\"https://tea.example/back?a=1\">see</a>
  <a href=\"{{ links.view }}\">view</a> <a href=\"{{ links.preferences }}\">preferences</a></p>
---
segment: invited
where: { trait: invited, is: true }
---
campaign: welcome
enter: { on: { enters: invited } }
steps: [ { id: hello, message: hello } ]
";

struct Scene {
    house: House,
    unsubscribe: String,
    html: String,
}

/// A shop that wrote to Ana, with the links in her mail.
fn a_mail_to_ana() -> Scene {
    a_mail_from(SHOP, None)
}

/// The same, from this shop, to an Ana whose language this is.
fn a_mail_from(shop: &str, locale: Option<&str>) -> Scene {
    let house = House::new();
    let key = house.key("server");
    house.define(shop);
    let mut traits = json!({ "email": "ana@example.com", "first_name": "<b>Ana</b>", "invited": true });
    if let Some(locale) = locale {
        traits["locale"] = locale.into();
    }
    house.call(&key, json!({ "type": "identify", "userId": "ana", "traits": traits })).assert_success();
    let messages =
        house.look(|reader| reader.messages(&MessageFilter::default(), Page { skip: 0, limit: 10 }).unwrap());
    assert_eq!(messages.len(), 1);
    let written = messages[0].written.clone().unwrap();
    Scene { house, unsubscribe: written.unsubscribe_path.clone(), html: written.html.clone().unwrap() }
}

impl Scene {
    fn link(&self, start: &str) -> String {
        let from = self
            .html
            .find(&format!("127.0.0.1:7700/{start}/"))
            .unwrap_or_else(|| panic!("no /{start}/ in {}", self.html));
        self.html[from + "127.0.0.1:7700".len()..].split('"').next().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> Answer {
        self.house.ask(Request::get(path).body(Body::empty()).unwrap())
    }

    /// What a browser shows that asks for these languages.
    fn shown(&self, path: &str, languages: &str) -> String {
        let request = Request::get(path).header("accept-language", languages);
        self.house.ask(request.body(Body::empty()).unwrap()).text()
    }

    /// As the mail program does: no cookie, no origin.
    fn one_click(&self, path: &str) -> Answer {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.house.ask(request.body(Body::from("List-Unsubscribe=One-Click")).unwrap())
    }

    fn fills_in(&self, path: &str, fields: &str) -> Answer {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.house.ask(request.body(Body::from(fields.to_owned())).unwrap())
    }

    fn consent(&self) -> String {
        let consent = self.house.get("/api/customers/ana")["consent"].as_array().unwrap().clone();
        let marketing = consent.iter().find(|one| one["purpose"] == "marketing").unwrap();
        marketing["status"].as_str().unwrap().to_owned()
    }
}

#[test]
fn looking_changes_nothing_and_one_click_unsubscribes_t42() {
    let scene = a_mail_to_ana();
    for path in [&scene.unsubscribe, &scene.link("p"), &scene.link("v"), &scene.link("c")] {
        for method in ["GET", "HEAD"] {
            let answer = scene.house.ask(Request::builder().method(method).uri(path).body(Body::empty()).unwrap());
            assert_eq!(answer.status, 200, "{method} {path}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{path}");
        }
    }
    assert_eq!(scene.consent(), "granted");
    assert!(scene.house.events("ana", "Email Link Clicked").is_empty());

    let page = scene.get(&scene.unsubscribe).text();
    assert!(page.contains("how often") && page.contains("href=\"/p/"), "less is another choice than nothing: {page}");

    let answer = scene.one_click(&scene.unsubscribe);
    assert_eq!(answer.status, 200, "no redirect");
    assert!(answer.header("set-cookie").is_none());
    assert_eq!(scene.consent(), "withdrawn");
    scene.one_click(&scene.unsubscribe);
    assert_eq!(scene.house.events("ana", "Unsubscribed").len(), 1, "said twice, it counts once");

    // The person changes their mind on the page of preferences: looking does not, the button does.
    scene.get(&scene.link("p"));
    assert_eq!(scene.consent(), "withdrawn");
    assert!(!scene.get(&scene.link("p")).text().contains("ana@example.com"), "T43: the address is masked");
    assert_eq!(scene.one_click(&scene.link("p")).status, 400, "a form that was not filled in says nothing");
    assert_eq!(scene.consent(), "withdrawn");
    assert_eq!(scene.fills_in(&scene.link("p"), "save=1&purpose.marketing=on").status, 200);
    assert_eq!(scene.consent(), "granted");
}

#[test]
fn a_customer_says_what_they_want_and_in_which_language() {
    let scene = a_mail_to_ana();
    scene.house.define("purpose: new-teas\nchannels: [email]\n---\npurpose: by-phone\nchannels: [sms]\n---\ntemplate: bonjour\nsubject: Hello\nbody: Hello\nlocales: { fr: { subject: Bonjour }, de: { subject: Hallo } }");
    let page = scene.get(&scene.link("p")).text();
    for (part, is_there) in [
        ("name=\"purpose.marketing\" checked", true),
        ("name=\"purpose.new-teas\">", true),
        ("New teas", true),
        ("by-phone", false),
        ("purpose.service", false),
        ("<option value=\"fr\">Français<", true),
        ("<option value=\"\" selected>as often as there is something", true),
        ("Perennial", false),
    ] {
        assert_eq!(page.contains(part), is_there, "{part} in {page}");
    }
    let status = |purpose: &str| {
        let consent = scene.house.get("/api/customers/ana")["consent"].as_array().unwrap().clone();
        let one = consent.iter().find(|one| one["purpose"] == purpose).unwrap_or_else(|| panic!("{consent:?}")).clone();
        one["status"].as_str().unwrap().to_owned()
    };
    let said =
        scene.fills_in(&scene.link("p"), "save=1&purpose.new-teas=on&purpose.by-phone=on&purpose.%2e%2e=on&locale=fr");
    assert_eq!(said.status, 200);
    assert_eq!((status("marketing").as_str(), status("new-teas").as_str()), ("withdrawn", "granted"));
    assert_eq!(scene.house.events("ana", "Consent Changed").len(), 2, "by phone was not asked here");
    assert_eq!(scene.house.get("/api/customers/ana")["traits"]["locale"], "fr");
    let frequency = || scene.house.get("/api/customers/ana")["traits"]["message_frequency"].clone();
    for (field, expected) in
        [("frequency=monthly", "monthly"), ("frequency=hourly", "monthly"), ("nothing=1", "monthly")]
    {
        scene.fills_in(&scene.link("p"), &format!("save=1&purpose.new-teas=on&{field}"));
        assert_eq!(frequency(), expected, "{field}");
    }
    assert!(scene.get(&scene.link("p")).text().contains("<option value=\"monthly\" selected>"));
    scene.fills_in(&scene.link("p"), "save=1&purpose.new-teas=on&frequency=");
    assert!(frequency().is_null());
    scene.fills_in(&scene.link("p"), "save=1&purpose.new-teas=on&locale=xx");
    assert_eq!(scene.house.events("ana", "Consent Changed").len(), 2, "said twice, it counts once");
    assert_eq!(scene.house.get("/api/customers/ana")["traits"]["locale"], "fr", "nothing is written in xx");
}

/// What Ana's shop says in two languages, so that she may choose.
const IN_TWO_LANGUAGES: &str = "template: bonjour\nsubject: Hello\nbody: Hello\nlocales: { fr: { subject: Bonjour }, de: { subject: Hallo } }\n---\npurpose: new-teas\nchannels: [email]";

fn holds(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} in {page}");
    }
}

#[test]
fn a_german_customer_reads_german_from_the_first_page_to_the_last() {
    let scene = a_mail_from(SHOP, Some("de_AT"));
    scene.house.define(IN_TWO_LANGUAGES);
    // Her browser asks for something else; what the shop knows of her goes first.
    let page = scene.shown(&scene.link("p"), "fr");
    holds(
        &page,
        &[
            "<html lang=\"de\">",
            "<h1>Was Sie von uns bekommen</h1>",
            "The Tea House darf an a…@example.com schreiben zu:",
            "Angebote und Neuigkeiten",
            "New teas",
            "<option value=\"weekly\">höchstens einmal pro Woche",
            "<option value=\"\">wie bisher",
            "<option value=\"de\">Deutsch<",
        ],
    );
    let noted = scene.fills_in(&scene.link("p"), "save=1&purpose.marketing=on&frequency=weekly").text();
    holds(&noted, &["<html lang=\"de\">", "Ist notiert", "The Tea House schreibt Ihnen so, wie Sie es möchten."]);
    assert_eq!(scene.house.get("/api/customers/ana")["traits"]["message_frequency"], "weekly");
    holds(
        &scene.get(&scene.link("c")).text(),
        &["<html lang=\"de\">", "Weiter zu <a href=\"https://tea.example/back?a=1\""],
    );
    let page = scene.get(&scene.unsubscribe).text();
    holds(
        &page,
        &[">Abmelden</button>", "The Tea House schreibt Ihnen per E-Mail nicht mehr zu: Angebote und Neuigkeiten."],
    );
    holds(&scene.one_click(&scene.unsubscribe).text(), &["Sie sind abgemeldet", "Doch anders überlegt?"]);

    // She chooses French on the page, and is answered in it.
    let noted = scene.fills_in(&scene.link("p"), "save=1&locale=fr").text();
    holds(&noted, &["<html lang=\"fr\">", "C’est noté"]);
    let page = scene.shown(&scene.link("p"), "de");
    holds(&page, &["<html lang=\"fr\">", "<option value=\"fr\" selected>Français<", "Offres et nouveautés"]);
}

#[test]
fn whoever_said_no_language_reads_the_one_their_browser_asks_for() {
    let scene = a_mail_to_ana();
    holds(&scene.shown(&scene.link("p"), "pl,en;q=0.5"), &["<html lang=\"pl\">", "Co od nas dostajesz", ">Zapisz<"]);
    holds(&scene.shown(&scene.unsubscribe, "xx, nn;q=0.9"), &["<html lang=\"nb\">", ">Meld deg av</button>"]);
    for garbled in ["tlh", "de;q=x", "*", ";;;q=,", &"de-AT;q=2,".repeat(500)] {
        holds(&scene.shown(&scene.link("p"), garbled), &["<html lang=\"en\">", "What you get from us"]);
    }
    let in_fr_ca = a_mail_from(SHOP, Some("fr_CA"));
    holds(&in_fr_ca.get(&in_fr_ca.link("p")).text(), &["<html lang=\"fr\">", "Ce que vous recevez"]);
    let in_klingon = a_mail_from(SHOP, Some("tlh"));
    holds(&in_klingon.get(&in_klingon.link("p")).text(), &["<html lang=\"en\">", "What you get from us"]);
    // Of a link that nobody signed, only the browser tells who reads; it names no shop.
    let broken = scene.house.ask(Request::get("/p/x").header("accept-language", "es-MX").body(Body::empty()).unwrap());
    assert_eq!(broken.status, 404);
    holds(&broken.text(), &["<html lang=\"es\">", "Este enlace no funciona"]);
    assert!(!broken.text().contains("Tea House"));
}

#[test]
fn a_hostile_name_stays_words_in_every_language() {
    let hostile = SHOP.replace("The Tea House", "'<script>x</script>{address}{by}\"'");
    let scene = a_mail_from(&hostile, None);
    for language in
        ["en", "de", "fr", "es", "it", "nl", "pt", "pt-BR", "pl", "sv", "da", "nb", "fi", "cs", "\"><script>x", "<b>"]
    {
        for path in [&scene.link("p"), &scene.unsubscribe, &scene.link("c")] {
            let page = scene.shown(path, language);
            assert!(!page.contains("<script>x") && !page.contains("\"><script>"), "{language} {path}: {page}");
            let is_ours = !language.contains('<');
            assert!(!is_ours || page.contains(&format!("<html lang=\"{language}\">")), "{language} {path}: {page}");
        }
        let page = scene.shown(&scene.link("p"), language);
        assert!(page.contains("{address}{by}"), "a name is not filled in: {page}");
    }
    // A shop that did not say its name begins a sentence with a capital letter all the same.
    let nameless = a_mail_from(SHOP.split_once("---").unwrap().1, Some("nl"));
    holds(&nameless.get(&nameless.link("p")).text(), &["<p>Deze winkel mag naar a…@example.com schrijven over:"]);
}

#[test]
fn a_click_counts_when_a_person_goes_on_and_leads_only_where_the_mail_said() {
    let scene = a_mail_to_ana();
    let click = scene.link("c");
    assert!(scene.get(&click).text().contains("https://tea.example/back"));
    // The same link counts once a minute: both presses are to be in one, wherever in a minute this test runs.
    let into_the_minute = jiff::Timestamp::now().as_millisecond().rem_euclid(60_000);
    scene.house.pass(domain::Span(domain::Span::minutes(6).0 - into_the_minute));
    let in_a_browser = || Request::post(&click).header("user-agent", BROWSER).body(Body::empty()).unwrap();
    assert_eq!(scene.house.ask(in_a_browser()).status, 204);
    assert_eq!(scene.house.ask(in_a_browser()).status, 204, "pressed twice, it counts once");
    let clicks = scene.house.events("ana", "Email Link Clicked");
    assert_eq!((clicks.len(), clicks[0]["properties"]["url"].as_str()), (1, Some("https://tea.example/back?a=1")));
}

#[test]
fn a_link_that_was_changed_or_made_for_something_else_leads_nowhere_t41() {
    let scene = a_mail_to_ana();
    let token = scene.unsubscribe.rsplit('/').next().unwrap().to_owned();
    let mut forged = vec![
        "x".to_owned(),
        "..%2F..".to_owned(),
        "a".repeat(5_000),
        String::from_utf8(vec![b'A'; token.len()]).unwrap(),
        token[..token.len() - 1].to_owned(),
    ];
    for place in [0, token.len() / 2, token.len() - 1] {
        let mut changed: Vec<char> = token.chars().collect();
        changed[place] = if changed[place] == 'a' { 'b' } else { 'a' };
        forged.push(changed.into_iter().collect());
    }
    // Bound to its purpose: the link to look at a mail in the browser, which people share, does not unsubscribe.
    for other in ["v", "p", "c"] {
        forged.push(scene.link(other).rsplit('/').next().unwrap().to_owned());
    }
    for token in forged {
        let answer = scene.one_click(&format!("/u/{token}"));
        assert!(answer.status == 404 || answer.status == 414, "{token}: {}", answer.status);
        assert_eq!(scene.get(&format!("/u/{token}")).status, answer.status);
    }
    for other in ["v", "p", "c"] {
        assert_eq!(scene.get(&format!("/{other}/{token}")).status, 404, "/{other}/ with a token to unsubscribe");
        assert_eq!(
            scene.one_click(&format!("/{other}/{token}")).status / 100,
            4,
            "/{other}/ with a token to unsubscribe"
        );
    }
    assert_eq!(scene.consent(), "granted");
}

#[test]
fn the_mail_in_the_browser_runs_nothing_t31_t33() {
    let scene = a_mail_to_ana();
    assert!(scene.html.contains("&lt;b&gt;Ana"), "{}", scene.html);
    let answer = scene.get(&scene.link("v"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("sandbox;") && policy.contains("default-src 'none'"), "{policy}");
}

#[test]
fn a_yes_is_confirmed_by_a_press_on_the_page_and_by_nothing_else() {
    let house = House::new();
    let key = house.key("server");
    house.define(
        "purpose: news\nchannels: [email]\nconfirm: { within: 3d }\n---\ntemplate: please-confirm\nsubject: Was it you?\nbody: |\n  <p><a href=\"{{ links.confirm }}\">Yes</a> <a href=\"{{ links.view }}\">view</a></p>\n---\ncampaign: confirm-news\npurpose: service\nenter:\n  on: { did: Consent Changed, where: { purpose: { is: news } } }\n  only_if: { consent: { purpose: news, channel: email, is: pending } }\nsteps: [ { message: please-confirm } ]",
    );
    house
        .call(&key, json!({ "type": "identify", "userId": "ana", "traits": { "email": "ana@example.com" } }))
        .assert_success();
    let properties = json!({ "purpose": "news", "channel": "email", "status": "granted", "source": "form" });
    house
        .call(&key, json!({ "type": "track", "userId": "ana", "event": "Consent Changed", "properties": properties }))
        .assert_success();
    let messages =
        house.look(|reader| reader.messages(&MessageFilter::default(), Page { skip: 0, limit: 10 }).unwrap());
    let html = messages[0].written.clone().unwrap().html.clone().unwrap();
    let scene = Scene { house, unsubscribe: String::new(), html };
    let status = || scene.house.get("/api/customers/ana")["consent"].clone();
    let news = |consent: &serde_json::Value| {
        let all = consent.as_array().unwrap();
        all.iter().find(|one| one["purpose"] == "news").unwrap()["status"].clone()
    };
    assert_eq!(news(&status()), "pending");
    let link = scene.link("y");
    for method in ["GET", "HEAD"] {
        let answer = scene.house.ask(Request::builder().method(method).uri(&link).body(Body::empty()).unwrap());
        assert_eq!((answer.status, answer.header("referrer-policy")), (200, Some("no-referrer")), "{method}");
    }
    let page = scene.get(&link).text();
    assert!(page.contains("a…@example.com") && !page.contains("ana@example.com"), "{page}");
    holds(
        &scene.shown(&link, "fi"),
        &["<html lang=\"fi\">", "Olitko se sinä?", "osoitteen a…@example.com", "aiheesta: News."],
    );
    assert_eq!(news(&status()), "pending", "T42: scanners that follow links confirm nothing");
    // Another link of the same mail does not confirm, and this one does nothing else.
    let token = link.rsplit('/').next().unwrap();
    let view = scene.link("v");
    assert_eq!(scene.one_click(&format!("/y/{}", view.rsplit('/').next().unwrap())).status, 404);
    assert_eq!(scene.one_click(&format!("/u/{token}")).status, 404);
    assert_eq!(news(&status()), "pending");
    let thanks = scene.fills_in(&link, "");
    assert_eq!(thanks.status, 200);
    assert!(thanks.text().contains("Thank you"), "{}", thanks.text());
    assert_eq!(news(&status()), "granted");
    let request = Request::post(&link).header("content-type", "application/x-www-form-urlencoded");
    let thanks = scene.house.ask(request.header("accept-language", "sv").body(Body::empty()).unwrap()).text();
    holds(&thanks, &["<html lang=\"sv\">", "<h1>Tack</h1>", "Den här butiken får nu skriva till dig om: News."]);
    assert_eq!(scene.house.events("ana", "Consent Changed").len(), 2, "pressed twice, it counts once");
}
