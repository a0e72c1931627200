//! Person or machine?
//!
//! Mail programs fetch pictures of mails that nobody opened, and guards of mailboxes follow every link to see where it leads.
//! Neither is a customer who read something. The door judges once, before anything is written down; what a machine did becomes an
//! event of another name, so that whoever asks who opened or clicked is told of people.
//!
//! Pure: what is known of one request goes in, a verdict with its reason comes out. When in doubt it was a person: a customer
//! whose click is not believed is written to as if they did not care, and that is worse than a number that is a little high.
//!
//! Sources of the user agents are named in the tests.

use super::{check, read};
use domain::call::events;
use domain::{Span, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// A click that comes sooner after the mail was taken by its server cannot be a person's: it has to arrive, be shown, be read.
const SOONEST_CLICK: Span = Span(5_000);
/// A mail that lies open in a list's preview is shown as it arrives, but not before it does.
const SOONEST_OPEN: Span = Span(2_000);
/// Two links of one mail within less: nobody moves a pointer from one to the other and presses in that time.
const AT_ONCE: Span = Span(700);
/// Links of one mail within [`COMPANY`] that no reader follows.
const MANY: usize = 5;
/// How far around a click others of the same mail are looked at.
pub const COMPANY: Span = Span(10_000);
/// Characters of a user agent that are looked at; browsers send about 120.
const AGENT_LENGTH: usize = 1_000;
/// Characters of it that are kept with the event, so that a person can see what it was.
const AGENT_KEPT: usize = 200;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// The picture was fetched by which an open is told.
    Opened,
    /// A link was followed.
    Clicked,
}

impl Act {
    /// The event that tells of a person who did it, and of a machine.
    pub fn events(self) -> (&'static str, &'static str) {
        match self {
            Act::Opened => (events::EMAIL_OPENED, events::MACHINE_OPENED),
            Act::Clicked => (events::LINK_CLICKED, events::MACHINE_CLICKED),
        }
    }
}

/// Other links of the same mail that were followed around a click.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Company {
    /// How far in time the nearest was; none: there was no other.
    pub nearest: Option<Span>,
    /// Different links within [`COMPANY`] before and after, this one among them.
    pub links: usize,
}

/// What is known of a request when it is judged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// When it came.
    pub at: Timestamp,
    /// What it calls itself; empty: nothing.
    pub user_agent: String,
    /// It says that it fetches ahead of a person (`Sec-Purpose`, `Purpose`, `X-Purpose`, `X-Moz`).
    pub ahead: bool,
    /// Other links of the same mail.
    pub company: Company,
}

impl Asked {
    /// What is kept of what it calls itself.
    pub fn agent_kept(&self) -> String {
        self.user_agent.chars().filter(|c| !c.is_control()).take(AGENT_KEPT).collect()
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $words:literal;)+) => {
        /// Why something was not a person.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Machine { $($(#[$doc])* $variant,)+ }
        impl Machine {
            /// Every reason.
            pub const ALL: &'static [Machine] = &[$(Machine::$variant,)+];
            /// A stable word, in the event's property `because`.
            pub fn word(self) -> &'static str { match self { $(Machine::$variant => $word,)+ } }
            /// The same for people.
            pub fn words(self) -> &'static str { match self { $(Machine::$variant => $words,)+ } }
            /// Finds it by its word.
            pub fn find(word: &str) -> Option<Machine> { match word { $($word => Some(Machine::$variant),)+ _ => None } }
        }
    };
}

reasons! {
    /// Mail Privacy Protection.
    AppleMail = "apple_mail_privacy", "Apple Mail fetches the pictures of every mail, read or not";
    /// Gmail's look before anybody opens.
    GmailAhead = "gmail_prefetch", "Gmail fetched the pictures before anybody opened it";
    /// A guard of mailboxes that says its name.
    Guard = "security_scanner", "a security scanner looked at the mail";
    /// A search engine, or the maker of a preview.
    Crawler = "crawler", "a crawler, or a program that makes previews of links";
    /// A program that is no browser.
    Program = "program", "a program, not a browser";
    /// A browser that nobody sits at.
    Headless = "headless_browser", "a browser that runs without a screen";
    /// Nothing was said of what it is.
    Nameless = "no_user_agent", "it did not say what it is, which every browser does";
    /// It said so itself.
    Ahead = "prefetch", "it was fetched ahead, before anybody asked for it";
    /// Before a person could.
    TooSoon = "too_soon", "it came sooner after the mail was delivered than a person can";
    /// Several links in no time.
    Together = "links_together", "links of the mail were followed faster than a person can";
    /// The provider that sends the event marks it.
    Marked = "marked_by_provider", "the provider that reported it says that it was a machine";
}

/// Judges a request. None: it is taken for a person.
///
/// `since_sent`: since the mail was taken by its server; 0 while it was not yet.
pub fn judge(act: Act, asked: &Asked, since_sent: Span) -> Option<Machine> {
    let agent = asked.user_agent.trim();
    if agent.is_empty() {
        return Some(Machine::Nameless);
    }
    let soonest = match act {
        Act::Opened => SOONEST_OPEN,
        Act::Clicked => SOONEST_CLICK,
    };
    let by_time = || (since_sent < soonest).then_some(Machine::TooSoon);
    let is_together = act == Act::Clicked
        && (asked.company.nearest.is_some_and(|nearest| nearest < AT_ONCE) || asked.company.links >= MANY);
    by_agent(act, agent)
        .or(asked.ahead.then_some(Machine::Ahead))
        .or_else(by_time)
        .or(is_together.then_some(Machine::Together))
}

/// What a user agent alone tells. None: it may be a person.
pub fn by_agent(act: Act, agent: &str) -> Option<Machine> {
    // Apple's proxy says this and no more. Whoever follows a link has a browser, which says more.
    if agent == "Mozilla/5.0" {
        return Some(if act == Act::Opened { Machine::AppleMail } else { Machine::Program });
    }
    let agent: String = agent.chars().take(AGENT_LENGTH).flat_map(char::to_lowercase).collect();
    // Gmail and Yahoo fetch pictures when their customer opens the mail, and hide who that is: that is an open.
    if act == Act::Opened && ["googleimageproxy", "yahoomailproxy"].iter().any(|proxy| agent.contains(proxy)) {
        return None;
    }
    // A browser of 2015 with a second Mozilla at its end, which nobody has: Gmail's look at what arrived.
    if agent.ends_with("edge/12.246 mozilla/5.0") {
        return Some(Machine::GmailAhead);
    }
    let has = |parts: &[&str]| parts.iter().any(|part| agent.contains(part));
    let begins = |parts: &[&str]| parts.iter().any(|part| agent.starts_with(part));
    if has(GUARDS) {
        Some(Machine::Guard)
    } else if has(HEADLESS) {
        Some(Machine::Headless)
    } else if has(CRAWLERS) || names_a_bot(&agent) {
        Some(Machine::Crawler)
    } else if begins(PROGRAMS) || has(LIBRARIES) {
        Some(Machine::Program)
    } else {
        None
    }
}

/// Guards of mailboxes, as they call themselves. Most call themselves a browser, and are told by time.
const GUARDS: &[&str] = &[
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "office existence discovery",
    "ironport",
    "ciscosecureemail",
    "trendmicro",
    "trend micro",
    "messagelabs",
    "symantec",
    "forcepoint",
    "fireeye",
    "fortiguard",
    "sophos",
    "cloudmark",
    "avanan",
    "virustotal",
    "urlscan",
    "mailscanner",
    "cortex/",
];
const HEADLESS: &[&str] =
    &["headlesschrome", "phantomjs", "puppeteer", "playwright", "selenium", "htmlunit", "slimerjs"];
const CRAWLERS: &[&str] = &[
    "bingpreview",
    "skypeuripreview",
    "facebookexternalhit",
    "facebookcatalog",
    "whatsapp/",
    "embedly",
    "quora link preview",
    "google-safety",
    "google favicon",
    "crawler",
    "spider",
    "slurp",
];
/// How the user agents of programs begin.
const PROGRAMS: &[&str] = &[
    "curl/",
    "wget/",
    "python",
    "java/",
    "go-http-client/",
    "okhttp/",
    "apache-httpclient/",
    "libwww-perl/",
    "lwp",
    "ruby",
    "php/",
    "node",
    "axios/",
    "undici",
    "got ",
    "got/",
    "deno/",
    "bun/",
    "guzzlehttp/",
    "ahc/",
    "lua-resty-http/",
    "amazon cloudfront",
    "postmanruntime/",
    "httpie/",
    "reqwest/",
    "hubspot connect",
];
/// Libraries that stand somewhere in it.
const LIBRARIES: &[&str] = &["aiohttp", "httpx", "urllib", "scrapy", "powershell", "winhttp"];

/// Whether a word ends in "bot", as in `Googlebot/2.1` and `Slackbot-LinkExpanding`; a phone of the maker Cubot has it too.
fn names_a_bot(agent: &str) -> bool {
    agent.match_indices("bot").any(|(at, bot)| {
        let after = agent.get(at + bot.len()..).and_then(|rest| rest.chars().next());
        let is_maker = agent.get(..at).is_some_and(|before| before.ends_with("cu"));
        !is_maker && after.is_none_or(|next| !next.is_alphabetic())
    })
}

/// Properties by which a provider marks an open or a click of a machine: true, or text that is not "false".
const MARKS: &[&str] = &[
    // Ours, and what programs write who know nothing better.
    "machine",
    "is_bot",
    // Braze, Klaviyo.
    "machine_open",
    "is_suspected_bot_click",
    "Bot Click",
    // SendGrid.
    "sg_machine_open",
];

/// An event that a sender told, as it is kept.
pub(super) struct Renamed {
    /// Its name.
    pub(super) event: &'static str,
    /// Its properties, with `machine` and `because`.
    pub(super) body: Arc<RawValue>,
}

/// Judges an open or a click that a provider tells: by its mark, else by the user agent it names. None: a person's, or
/// something else.
pub(super) fn judge_told(event: &str, body: &RawValue, context: Option<&RawValue>) -> Option<Renamed> {
    let act = match event {
        events::EMAIL_OPENED => Act::Opened,
        events::LINK_CLICKED => Act::Clicked,
        _ => return None,
    };
    let properties: Value = serde_json::from_str(body.get()).ok()?;
    let context: Value = context.and_then(|context| serde_json::from_str(context.get()).ok()).unwrap_or_default();
    let named = || {
        let client = properties.get("client-info");
        let places = ["user_agent", "userAgent", "useragent", "UserAgent", "user-agent"];
        let found = |of: &Value| places.iter().find_map(|key| of.get(*key)?.as_str().map(str::to_owned));
        found(&properties).or_else(|| found(client?)).or_else(|| found(&context))
    };
    let machine = if is_marked(&properties) {
        Machine::Marked
    } else {
        let agent = named()?;
        by_agent(act, agent.trim()).filter(|_| !agent.trim().is_empty())?
    };
    let added = format!(",\"machine\":true,\"because\":\"{}\"", machine.word());
    let body = super::with_entries(Some(&*without(body, &["machine", "because"])), &added).ok()?;
    Some(Renamed { event: act.events().1, body })
}

fn is_marked(properties: &Value) -> bool {
    let is_true = |value: &Value| match value {
        Value::Bool(is) => *is,
        Value::String(text) => !matches!(text.trim().to_ascii_lowercase().as_str(), "" | "false" | "0" | "no" | "null"),
        _ => false,
    };
    let inside = |outer: &str, inner: &str| properties.get(outer).and_then(|value| value.get(inner));
    // Mailgun says `gmail` of every picture that comes by Gmail's proxy, which is how people open there.
    let by_mailgun = inside("client-info", "bot").filter(|bot| bot.as_str() != Some("gmail"));
    MARKS
        .iter()
        .filter_map(|key| properties.get(*key))
        .chain(by_mailgun)
        // SparkPost.
        .chain(inside("user_agent_parsed", "is_prefetched"))
        .any(is_true)
}

/// An object without some keys.
fn without<'b>(body: &'b RawValue, keys: &[&str]) -> Cow<'b, RawValue> {
    let entries = read::entries(body);
    let is_one = |key: &str| check::decode(key).is_ok_and(|key| keys.contains(&key.as_ref()));
    if !entries.iter().any(|(key, _)| is_one(key)) {
        return Cow::Borrowed(body);
    }
    let kept: Vec<String> =
        entries.iter().filter(|(key, _)| !is_one(key)).map(|(key, value)| format!("{key}:{value}")).collect();
    match RawValue::from_string(format!("{{{}}}", kept.join(","))) {
        Ok(kept) => Cow::Owned(kept),
        Err(_) => Cow::Borrowed(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What people sit at: none of these may be taken for a machine. From browsers and mail programs as they are.
    const PEOPLE: &[&str] = &[
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36 Edg/146.0.0.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        // Apple Mail without Mail Privacy Protection.
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.7.0",
        // Outlook on a desk loads pictures by itself.
        "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; .NET4.0E; Microsoft Outlook 16.0.17928; ms-office; MSOffice 16)",
        "Outlook-iOS/723.4027091.prod.iphone (4.2509.0)",
        // A phone whose maker is called Cubot (matomo's device-detector lists dozens of its models).
        "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
    ];

    /// With where each was seen. mailgun: "Open and Click Bot Detection"; gmass: "False opens in Gmail"; groundhogg: its filter of
    /// traffic; braze: "Bot click filtering"; phplist: issue 415; own: what the program sends.
    const MACHINES: &[(&str, Machine, &str)] = &[
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
            Machine::GmailAhead,
            "gmass, groundhogg",
        ),
        ("Barracuda Sentinel (EE)", Machine::Guard, "braze, gmass"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Microsoft Office Existence Discovery",
            Machine::Guard,
            "Office, which looks whether a link is there",
        ),
        ("Mimecast-Link-Protect", Machine::Guard, "Mimecast"),
        ("Mozilla/5.0 (compatible; Proofpoint URL Defense)", Machine::Guard, "Proofpoint"),
        ("cortex/1.0", Machine::Guard, "gmass"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.6778.33 Safari/537.36",
            Machine::Headless,
            "Chrome without a screen",
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
            Machine::Crawler,
            "phplist",
        ),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Machine::Crawler, "own"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", Machine::Crawler, "own"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
            Machine::Crawler,
            "own",
        ),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", Machine::Crawler, "own"),
        ("WhatsApp/2.23.20.0 A", Machine::Crawler, "own"),
        ("Mozilla/5.0 (compatible; SkypeUriPreview Preview/0.5)", Machine::Crawler, "own"),
        ("curl/8.5.0", Machine::Program, "own"),
        ("Wget/1.21.4", Machine::Program, "own"),
        ("python-requests/2.32.3", Machine::Program, "braze"),
        ("Python/3.9 aiohttp/3.8.1", Machine::Program, "gmass"),
        ("lua-resty-http/0.10 (Lua) ngx_lua/10019", Machine::Program, "gmass"),
        ("okhttp/4.10.0", Machine::Program, "gmass"),
        ("AHC/2.1", Machine::Program, "gmass"),
        ("Java/17.0.2", Machine::Program, "gmass"),
        ("Go-http-client/2.0", Machine::Program, "own"),
        ("node", Machine::Program, "own: fetch of Node"),
        ("Amazon CloudFront", Machine::Program, "gmass"),
    ];

    fn asked(agent: &str) -> Asked {
        Asked { user_agent: agent.to_owned(), ..Asked::default() }
    }

    const AN_HOUR: Span = Span::hours(1);

    #[test]
    fn what_people_sit_at_is_a_person_and_programs_are_not() {
        for agent in PEOPLE {
            for act in [Act::Opened, Act::Clicked] {
                assert_eq!(judge(act, &asked(agent), AN_HOUR), None, "{agent}");
            }
        }
        for (agent, machine, source) in MACHINES {
            for act in [Act::Opened, Act::Clicked] {
                assert_eq!(judge(act, &asked(agent), AN_HOUR), Some(*machine), "{agent} ({source})");
            }
        }
        assert_eq!(judge(Act::Opened, &asked(" "), AN_HOUR), Some(Machine::Nameless));
        // Whatever is sent, an answer comes.
        for odd in ["bot", "é".repeat(5_000).as_str(), "\u{0}\u{ffff}", "cubot", "robot vacuum"] {
            let _ = judge(Act::Clicked, &asked(odd), AN_HOUR);
        }
    }

    #[test]
    fn apple_fetches_pictures_of_every_mail_and_gmail_and_yahoo_those_that_are_opened() {
        // Documented by Mailgun; SocketLabs, "Identifying Apple MPP opens", has the same.
        assert_eq!(judge(Act::Opened, &asked("Mozilla/5.0"), AN_HOUR), Some(Machine::AppleMail));
        assert_eq!(judge(Act::Clicked, &asked("Mozilla/5.0"), AN_HOUR), Some(Machine::Program));
        // Validity, "What do the different provider categories mean": their proxies fetch at the open.
        for proxy in [
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
            "Mozilla/5.0 (compatible; YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html)",
        ] {
            assert_eq!(judge(Act::Opened, &asked(proxy), AN_HOUR), None, "{proxy}");
            assert_eq!(judge(Act::Opened, &asked(proxy), Span(1_000)), Some(Machine::TooSoon), "{proxy}");
        }
    }

    #[test]
    fn a_guard_that_calls_itself_a_browser_is_told_by_time() {
        let chrome = PEOPLE[0];
        for (act, ms, machine) in [
            (Act::Clicked, 0, Some(Machine::TooSoon)),
            (Act::Clicked, 2_000, Some(Machine::TooSoon)),
            (Act::Clicked, 4_999, Some(Machine::TooSoon)),
            (Act::Clicked, 5_000, None),
            (Act::Opened, 1_999, Some(Machine::TooSoon)),
            (Act::Opened, 2_000, None),
        ] {
            assert_eq!(judge(act, &asked(chrome), Span(ms)), machine, "{act:?} after {ms} ms");
        }
        let in_company = |nearest_ms: Option<i64>, links| Asked {
            company: Company { nearest: nearest_ms.map(Span), links },
            ..asked(chrome)
        };
        for (company, machine) in [
            (in_company(None, 1), None),
            (in_company(Some(699), 2), Some(Machine::Together)),
            // Somebody opens article after article of a newsletter in tabs.
            (in_company(Some(700), 4), None),
            (in_company(Some(1_500), 5), Some(Machine::Together)),
        ] {
            assert_eq!(judge(Act::Clicked, &company, AN_HOUR), machine, "{:?}", company.company);
        }
        let ahead = Asked { ahead: true, ..asked(chrome) };
        assert_eq!(judge(Act::Clicked, &ahead, AN_HOUR), Some(Machine::Ahead));
    }

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        for machine in Machine::ALL {
            assert_eq!(Machine::find(machine.word()), Some(*machine));
            assert!(!machine.words().is_empty());
        }
    }

    fn told(event: &str, properties: &Value, context: &Value) -> Option<(String, Value)> {
        let raw = |value: &Value| RawValue::from_string(value.to_string()).unwrap();
        let renamed = judge_told(event, &raw(properties), Some(&*raw(context)))?;
        Some((renamed.event.to_owned(), serde_json::from_str(renamed.body.get()).unwrap()))
    }

    #[test]
    fn what_a_provider_marks_is_kept_under_the_machines_name() {
        for marked in [
            json!({ "sg_machine_open": true }),
            json!({ "machine_open": "true" }),
            json!({ "machine_open": "Apple" }),
            json!({ "client-info": { "bot": "apple", "user-agent": "Mozilla/5.0" } }),
            json!({ "client-info": { "bot": "generic" } }),
            json!({ "user_agent_parsed": { "is_prefetched": true } }),
            json!({ "machine": true, "because": "we say so" }),
        ] {
            let (event, body) = told("Email Opened", &marked, &json!({})).unwrap_or_else(|| panic!("{marked}"));
            assert_eq!(event, "Machine Opened Email");
            assert_eq!((&body["machine"], &body["because"]), (&json!(true), &json!("marked_by_provider")), "{marked}");
        }
        let (event, body) = told("Email Link Clicked", &json!({ "Bot Click": true, "url": "x" }), &json!({})).unwrap();
        assert_eq!((event.as_str(), &body["url"]), ("Machine Clicked Email Link", &json!("x")));
    }

    #[test]
    fn what_a_provider_does_not_mark_is_judged_by_the_user_agent_it_names() {
        for (properties, context, because) in [
            (json!({ "useragent": "Mozilla/5.0" }), json!({}), Some("apple_mail_privacy")),
            (json!({ "UserAgent": "Barracuda Sentinel (EE)" }), json!({}), Some("security_scanner")),
            (json!({}), json!({ "userAgent": "curl/8.5.0" }), Some("program")),
            (json!({ "client-info": { "bot": "", "user-agent": "curl/8.5.0" } }), json!({}), Some("program")),
            (json!({ "useragent": PEOPLE[0] }), json!({}), None),
            (
                json!({ "client-info": { "bot": "gmail", "user-agent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)" } }),
                json!({}),
                None,
            ),
            (json!({ "sg_machine_open": false, "machine_open": null, "is_bot": "false" }), json!({}), None),
            (json!({ "user_agent": "" }), json!({}), None),
            (json!({}), json!({}), None),
        ] {
            let found = told("Email Opened", &properties, &context);
            let found = found.as_ref().and_then(|(_, body)| body["because"].as_str());
            assert_eq!(found, because, "{properties} {context}");
        }
        assert!(told("Order Completed", &json!({ "machine": true }), &json!({})).is_none());
    }
}
