//! The list of customers, and one of them.

use super::{EngineViews, House, told, words};
use crate::pages::PageError;
use crate::pages::customer::{
    BrowserRow, CapUse, ConsentRow, CustomerView, Earlier, Happening, Identity, JoinProposal, Membership, RecordRow,
    SaidRow, Suppression, TraitRow, VoucherRow, WhyCondition,
};
use crate::pages::customers::{CustomerRow, CustomerSearch, CustomersView};
use crate::pages::links::{Link, Place};
use crate::pages::outcome::Verdict;
use crate::pages::text::{Count, Prose, Tag, Tone};
use crate::pages::why::{WhyReason, WhyRow, WhyView};
use domain::call::events;
use domain::{Position, Timestamp, Trust};
use engine::Engine;
use engine::deliver::browsers::KnownBrowser;
use engine::report::customers::{Consent, FoundCustomer, HeldRecord, Profile, Said, Voucher};
use engine::report::segments::WhyIn;
use engine::report::timeline::{self, Before, MessageMoment};
use engine::report::{Ledger, ReportError};
use engine::segment::why::{Evidence, Reason};
use jiff::tz::TimeZone;
use serde_json::Value;

/// Customers on a page.
const ROWS: usize = 50;
/// Happenings on a page.
const HAPPENINGS: usize = 40;
/// Words about a customer in the list.
const TAGS: usize = 3;
/// Events named behind one condition.
const EVIDENCE: usize = 2;
/// Records shown, and attributes of each.
const RECORDS: usize = 40;
const ATTRIBUTES: usize = 4;
/// Parts of objects among the traits.
const PARTS: usize = 60;

impl<H: House> EngineViews<H> {
    pub(super) fn customers_view(&self, search: &CustomerSearch) -> Result<CustomersView, PageError> {
        let skip = search.after.as_deref().and_then(|cursor| cursor.parse::<usize>().ok()).unwrap_or(0);
        self.look(|engine, _, ledger| {
            let found = engine.find_customers(&search.query, skip, ROWS, engine.clock());
            let shown = skip + found.customers.len();
            Ok(CustomersView {
                total: Count(found.total),
                found: Count(found.found),
                next: ((shown as u64) < found.found && !found.customers.is_empty()).then(|| shown.to_string()),
                rows: found.customers.iter().map(|row| customer_row(engine, ledger, row)).collect(),
            })
        })
    }

    /// Why somebody is in a segment or not; in every segment where none is named.
    pub(super) fn why_view(&self, id: &str, only: Option<&str>) -> Result<WhyView, PageError> {
        self.look(|engine, reader, _| {
            let person = engine.look_up_id(id).map_err(|error| match error {
                ReportError::NoCustomer(_) => PageError::NotFound(format!("customer “{id}”")),
                other => told(other),
            })?;
            let mut rows: Vec<WhyRow> = engine.whys(reader, person, only).map_err(told)?.iter().map(why_row).collect();
            rows.sort_by_key(|row| !row.is_member);
            Ok(WhyView { customer: words::link(&engine.who(person)), only: only.map(str::to_owned), rows })
        })
    }

    pub(super) fn customer_view(&self, id: &str, before: Option<&str>) -> Result<CustomerView, PageError> {
        self.look(|engine, reader, ledger| {
            let missing = |error| match error {
                ReportError::NoCustomer(_) => PageError::NotFound(format!("customer “{id}”")),
                other => told(other),
            };
            let person = engine.look_up_id(id).map_err(missing)?;
            let before = before.and_then(read_cursor);
            let (profile, timeline) =
                engine.customer_page(reader, person, before, HAPPENINGS, ledger).map_err(missing)?;
            let bought = ledger.bought(&engine.ids_of_person(person), engine.clock());
            let scene = Scene { engine, now: engine.clock(), zone: words::zone(engine) };
            Ok(CustomerView {
                id: profile.who.id.to_string(),
                name: profile.who.title().to_owned(),
                about: about(&profile),
                first_seen: profile.first_seen.as_jiff(),
                tags: tags(&profile),
                orders: Count(bought.orders),
                spent: words::main_sum(&bought.worth, engine.definitions().settings.currency),
                notices: scene.notices(&profile),
                proposals: profile.same_address.iter().map(|other| proposal(&profile, other)).collect(),
                timeline: timeline.happenings.iter().map(happening).collect(),
                earlier: timeline
                    .next
                    .map(|next| Earlier { before: write_cursor(next), count: Count(timeline.earlier) }),
                is_earlier_page: before.is_some(),
                traits: trait_rows(&profile),
                records: scene.records(person),
                segments: profile.segments.iter().map(|membership| scene.membership(membership)).collect(),
                consents: profile.consent.iter().map(consent_row).collect(),
                consents_said: profile.consent_said.iter().map(said_row).collect(),
                points: Count(profile.points),
                vouchers: profile.vouchers.iter().map(voucher_row).collect(),
                vouchers_owed: profile.vouchers_owed.iter().map(ToString::to_string).collect(),
                browsers: profile.browsers.iter().map(browser_row).collect(),
                suppressions: profile.suppression.iter().map(suppression).collect(),
                quiet_hours: quiet_hours(&profile),
                caps: profile.caps.iter().map(cap_use).collect(),
                identities: scene.identities(&profile),
            })
        })
    }
}

fn why_row(answer: &WhyIn) -> WhyRow {
    WhyRow {
        segment: Link::segment(answer.segment.as_str(), &answer.title),
        is_member: answer.why.member,
        since: answer.why.since.map(Timestamp::as_jiff),
        until: answer.why.until.map(Timestamp::as_jiff),
        reasons: answer.why.conditions.iter().map(why_reason).collect(),
    }
}

fn why_reason(reason: &Reason) -> WhyReason {
    let text = match reason.group {
        Some("all") => "All of these".to_owned(),
        Some("any") => "At least one of these".to_owned(),
        Some("none") => "None of these".to_owned(),
        Some(_) => "Not this".to_owned(),
        None => words::capital(&reason.condition),
    };
    let because = reason.because.iter().map(|evidence| (evidence.time.map(Timestamp::as_jiff), evidence.what.clone()));
    WhyReason {
        text,
        holds: reason.holds,
        until: reason.until.map(Timestamp::as_jiff),
        because: because.collect(),
        inner: reason.conditions.iter().map(why_reason).collect(),
    }
}

/// What everything on the page is said in.
struct Scene<'a> {
    engine: &'a Engine,
    now: Timestamp,
    zone: TimeZone,
}

fn customer_row(engine: &Engine, ledger: &Ledger, row: &FoundCustomer) -> CustomerRow {
    let bought = ledger.bought(&engine.ids_of_person(row.who.id), engine.clock());
    let tag = |segment| Tag::new(engine.segment_title(segment), Tone::Leaf);
    CustomerRow {
        customer: words::link(&row.who),
        contact: row.who.contact().to_owned(),
        tags: row.segments.iter().take(TAGS).map(tag).collect(),
        orders: Count(bought.orders),
        spent: words::main_sum(&bought.worth, engine.definitions().settings.currency),
        last_seen: row.last_seen.as_jiff(),
    }
}

fn about(profile: &Profile) -> Vec<String> {
    let place = profile.traits.get("city").or_else(|| profile.traits.get("country")).and_then(Value::as_str);
    let contact = profile.who.contact();
    let words = place.into_iter().chain(Some(contact).filter(|contact| !contact.is_empty()));
    words.map(|word| engine::report::words::cut(word, 100)).collect()
}

fn tags(profile: &Profile) -> Vec<Tag> {
    let waits = [
        profile.complaint_open.then(|| Tag::new("complaint open", Tone::Rose)),
        profile.talking_until.map(|_| Tag::new("talking", Tone::Sun)),
        profile.suppression.as_ref().map(|_| Tag::new("address suppressed", Tone::Rose)),
    ];
    let segments = profile.segments.iter().map(|membership| Tag::new(membership.title.clone(), Tone::Leaf));
    waits.into_iter().flatten().chain(segments.take(TAGS)).collect()
}

impl Scene<'_> {
    fn near(&self, at: Timestamp) -> String {
        words::near(at, self.now, &self.zone)
    }

    fn notices(&self, profile: &Profile) -> Vec<Prose> {
        let name = profile.who.title();
        let mut notices = Vec::new();
        if let Some(until) = profile.talking_until {
            let prose = Prose::new().strong(format!("A person is talking with {name}."));
            notices.push(
                prose.say(format!(
                    " Offers wait until the conversation is closed, or silent until {}.",
                    self.near(until)
                )),
            );
        }
        if profile.complaint_open {
            notices.push(Prose::new().strong("A complaint is open.").say(" Offers wait until it is settled."));
        }
        for inside in &profile.journeys {
            let prose = Prose::plain("Inside ")
                .link(inside.title.clone(), Place::Campaign(inside.campaign.as_str().to_owned()));
            let doing = match (inside.stage, inside.until) {
                ("waiting", Some(until)) => format!(": waits at step {}, goes on {}", inside.step, self.near(until)),
                ("messaging", _) => format!(": at step {}, a message is being decided or sent", inside.step),
                _ => format!(": at step {}", inside.step),
            };
            notices.push(prose.say(format!("{doing}, since {}.", self.near(inside.entered_at))));
        }
        notices
    }

    fn membership(&self, membership: &engine::report::customers::Membership) -> Membership {
        Membership {
            segment: Link::segment(membership.segment.as_str(), &membership.title),
            since: membership.since.unwrap_or(self.now).as_jiff(),
            conditions: membership.conditions.iter().map(|reason| self.condition(reason)).collect(),
            until: membership.until.map(Timestamp::as_jiff),
            leaves: None,
        }
    }

    fn condition(&self, reason: &Reason) -> WhyCondition {
        let evidence = if reason.because.is_empty() { inner_evidence(reason) } else { reason.because.iter().collect() };
        let named: Vec<String> = evidence.iter().take(EVIDENCE).map(|evidence| self.evidence(evidence)).collect();
        let because = match (named.as_slice(), reason.holds) {
            ([], true) => "it holds".to_owned(),
            ([], false) => "it does not hold".to_owned(),
            (named, _) => named.join(", "),
        };
        WhyCondition { text: reason.condition.clone(), holds: reason.holds, because }
    }

    fn records(&self, person: domain::CustomerId) -> Vec<RecordRow> {
        let row = |record: &HeldRecord| {
            let said = |key: &str| record.attributes.get(key).and_then(Value::as_str);
            let others = record.attributes.iter().filter(|(key, _)| *key != "status");
            let about = others.take(ATTRIBUTES).map(|(key, value)| format!("{key} {}", self.attribute(value)));
            RecordRow {
                kind: record.kind.to_string(),
                id: record.id.to_string(),
                about: about.collect::<Vec<_>>().join(" · "),
                status: said("status").map(|status| Tag::new(engine::report::words::cut(status, 40), Tone::Plain)),
            }
        };
        self.engine.records_of(person).iter().take(RECORDS).map(row).collect()
    }

    /// A value as one says it: of an instant its day.
    fn attribute(&self, value: &Value) -> String {
        let instant = value.as_str().filter(|text| text.contains('T')).and_then(Timestamp::parse);
        match instant {
            Some(at) => self.near(at),
            None => engine::report::words::cut(&engine::report::words::plain(value), 60),
        }
    }

    fn evidence(&self, evidence: &Evidence) -> String {
        match evidence.time {
            Some(at) => format!("{} ({})", evidence.what, self.near(at)),
            None => evidence.what.clone(),
        }
    }

    fn identities(&self, profile: &Profile) -> Vec<Identity> {
        let has_several = profile.identities.len() > 1;
        let rows = profile.identities.iter().map(|identity| {
            let join = profile.joins.iter().find(|join| join.ids.0 == identity.id || join.ids.1 == identity.id);
            let joined = join.filter(|_| !identity.is_name).map(|join| match join.by {
                "identify" => "when they said who they are".to_owned(),
                "alias" => "by the shop".to_owned(),
                _ => "by hand".to_owned(),
            });
            let first = identity.first_seen.unwrap_or(profile.first_seen);
            Identity {
                kind: if identity.kind == "userId" { "user id" } else { "anonymous id" }.to_owned(),
                id: identity.name.to_string(),
                since: first.as_jiff(),
                joined,
                can_unmerge: has_several
                    && !identity.is_name
                    && self.engine.look_up_id(&identity.id.to_string()).is_ok(),
            }
        });
        rows.collect()
    }
}

/// The events behind a group are those behind what is in it.
fn inner_evidence(reason: &Reason) -> Vec<&Evidence> {
    reason
        .conditions
        .iter()
        .filter(|inner| inner.holds == reason.holds)
        .flat_map(|inner| if inner.because.is_empty() { inner_evidence(inner) } else { inner.because.iter().collect() })
        .collect()
}

fn proposal(profile: &Profile, other: &engine::report::Who) -> JoinProposal {
    let address = profile.who.email.as_deref().unwrap_or_default();
    JoinProposal {
        other: other.id.to_string(),
        name: other.title().to_owned(),
        because: format!("same e-mail address, {address}"),
    }
}

fn happening(happening: &timeline::Happening) -> Happening {
    let mut what = match &happening.message {
        Some(moment) => Prose::new().link(moment.subject.clone(), Place::Message(moment.message.to_string())),
        None => Prose::plain(happening.what.clone()),
    };
    if let Some(worth) = happening.worth {
        what = what.say(" · ").strong(words::money(worth).to_string());
    }
    Happening {
        at: happening.time.as_jiff(),
        times: Count(happening.times.into()),
        what,
        more: happening.detail.clone(),
        quote: happening.quote.clone(),
        verdict: happening.message.as_ref().map(moment_verdict),
        tags: Vec::new(),
        tone: tone(happening),
        is_faint: happening.event.as_deref().is_some_and(events::is_of_machine),
    }
}

fn moment_verdict(moment: &MessageMoment) -> Verdict {
    words::verdict(Some(moment.outcome), moment.because)
}

fn tone(happening: &timeline::Happening) -> Tone {
    if let Some(moment) = &happening.message {
        return words::outcome(Some(moment.outcome)).tone();
    }
    match happening.event.as_deref() {
        Some(events::COMPLAINT_OPENED | events::MARKED_AS_SPAM | events::EMAIL_BOUNCED | "Payment Failed") => {
            Tone::Rose
        }
        Some(events::CONVERSATION_OPENED | events::UNSUBSCRIBED | events::ORDER_REFUNDED) => Tone::Sun,
        Some(events::ORDER_COMPLETED) => Tone::Leaf,
        Some(event) if events::is_of_machine(event) => Tone::Plain,
        Some(_) if happening.trust != Trust::Perennial => Tone::Sky,
        _ => Tone::Plain,
    }
}

fn trait_rows(profile: &Profile) -> Vec<TraitRow> {
    let mut rows = Vec::new();
    for (key, value) in &profile.traits {
        let since = profile.traits_since.get(key.as_str()).map_or(profile.first_seen, |at| at.0);
        add_trait(key, value, since, &mut rows);
    }
    rows
}

/// Parts of an object stand for themselves, one level deep.
fn add_trait(key: &str, value: &Value, since: Timestamp, rows: &mut Vec<TraitRow>) {
    let row = |name: String, value: &Value| TraitRow {
        name,
        value: engine::report::words::cut(&engine::report::words::plain(value), 300),
        since: since.as_jiff(),
    };
    match value {
        Value::Object(parts) if !parts.is_empty() => {
            rows.extend(parts.iter().take(PARTS).map(|(part, value)| row(format!("{key}.{part}"), value)))
        }
        value => rows.push(row(key.to_owned(), value)),
    }
}

fn consent_row(consent: &Consent) -> ConsentRow {
    let (word, tone) = match (consent.status, consent.basis.as_deref()) {
        ("granted", Some(basis)) => (format!("yes, {basis}"), Tone::Leaf),
        ("granted", None) if consent.since.is_none() => ("yes, unless they say no".to_owned(), Tone::Leaf),
        ("granted", None) => ("yes".to_owned(), Tone::Leaf),
        ("withdrawn", _) => ("no".to_owned(), Tone::Rose),
        ("expired", _) => ("the yes ran out".to_owned(), Tone::Sun),
        ("pending", _) => ("not confirmed yet".to_owned(), Tone::Sun),
        _ => ("not asked".to_owned(), Tone::Plain),
    };
    ConsentRow {
        what: words::purpose_by(consent.purpose.as_str(), consent.channel.word()),
        status: Tag::new(word, tone),
        since: consent.since.map(Timestamp::as_jiff),
        until: consent.until.map(Timestamp::as_jiff),
        from: said_where(consent.source.as_deref(), consent.text_version.as_deref()),
    }
}

/// "checkout, wording 3".
/// Characters that are shown of where something was said: a whole text in its place would bury the rest.
const SAID_LENGTH: usize = 60;

fn said_where(source: Option<&str>, text_version: Option<&str>) -> String {
    let short = |text: &str| engine::report::words::cut(text, SAID_LENGTH);
    let wording = text_version.map(|version| format!("wording {}", short(version)));
    let parts: Vec<String> = source.map(short).into_iter().chain(wording).collect();
    parts.join(", ")
}

fn browser_row(browser: &KnownBrowser) -> BrowserRow {
    BrowserRow {
        id: browser.id.clone(),
        name: browser.browser.clone().unwrap_or_else(|| browser.service.clone()),
        since: browser.since.as_jiff(),
    }
}

fn voucher_row(voucher: &Voucher) -> VoucherRow {
    VoucherRow {
        code: voucher.code.to_string(),
        pool: voucher.pool.to_string(),
        at: voucher.given_at.as_jiff(),
        expires: voucher.expires.map(Timestamp::as_jiff),
    }
}

fn said_row(said: &Said) -> SaidRow {
    let word = match (said.status, said.basis.as_deref()) {
        ("granted", Some(basis)) => format!("yes, {basis}"),
        ("granted", None) => "yes".to_owned(),
        ("pending", _) => "to be confirmed".to_owned(),
        _ => "no".to_owned(),
    };
    SaidRow {
        at: said.time.as_jiff(),
        what: match said.channel.as_deref() {
            Some(channel) => words::purpose_by(&said.purpose, channel),
            None => format!("{}, whichever way", words::capital(&said.purpose)),
        },
        word,
        from: said_where(said.source.as_deref(), said.text_version.as_deref()),
    }
}

fn suppression(suppression: &engine::report::customers::Suppressed) -> Suppression {
    Suppression {
        address: suppression.address.clone(),
        because: format!("Their server said: {}", suppression.reason),
        since: suppression.since.as_jiff(),
    }
}

fn quiet_hours(profile: &Profile) -> Option<String> {
    let hours = profile.quiet_hours.as_ref()?;
    let city = profile.zone.rsplit('/').next().unwrap_or(&profile.zone).replace('_', " ");
    let now = if hours.now_until.is_some() { ", now" } else { "" };
    Some(format!("{} to {}, {city}{now}", hours.from, hours.to))
}

fn cap_use(cap: &engine::report::customers::CapUse) -> CapUse {
    let what = match cap.channel {
        Some(channel) => words::purpose_by(cap.purpose.as_str(), channel.word()),
        None if cap.purpose.as_str() == "marketing" => "Offers".to_owned(),
        None => words::capital(cap.purpose.as_str()),
    };
    let per = domain::Span::parse(&cap.per).map_or_else(|_| cap.per.clone(), words::long);
    CapUse { what: format!("{what}, {per}"), used: Count(cap.used), of: Count(cap.at_most.into()) }
}

fn write_cursor(before: Before) -> String {
    format!("{}.{}", before.0.0, before.1.0)
}

fn read_cursor(text: &str) -> Option<Before> {
    let (at, position) = text.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), Position(position.parse().ok()?)))
}
