//! Invented shops, to look at pages and to test them: much data, no data, ugly data. No part of the product.

#[path = "fixtures/shared.rs"]
mod shared;
#[path = "fixtures/tasks.rs"]
mod tasks;
#[path = "fixtures/templates.rs"]
mod templates;
#[path = "fixtures/tried.rs"]
mod tried;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::builder::{Seen, SeenName, SeenTemplate, SeenThing};
use crate::pages::build::{Glance, Glanced};
use crate::pages::campaign::{Arm, CampaignView, Decision, Funnel, Reactions, StepLine};
use crate::pages::campaigns::{CampaignRow, CampaignsView, State};
use crate::pages::chart::SizePoint;
use crate::pages::customer::{
    BrowserRow, CapUse, ConsentRow, CustomerView, Earlier, Happening, Identity, JoinProposal, Membership, RecordRow,
    SaidRow, Suppression, TraitRow, VoucherRow, WhyCondition,
};
use crate::pages::customers::{CustomerRow, CustomerSearch, CustomersView};
use crate::pages::edit::{Check, Definition, Draft, Inside, Preview, Problem};
use crate::pages::filter::Filter;
use crate::pages::frame::{Sending, Workspace};
use crate::pages::gallery::{GalleryCounts, GalleryRow, GalleryView};
use crate::pages::home::{Attention, Finding, HomeView};
use crate::pages::ingest::{
    BeyondNames, CallOutcome, CallRow, IngestView, QuarantinedRow, RefusedCall, RefusedReason, SourceRow, Totals,
};
use crate::pages::links::{Link, Place};
use crate::pages::message::{LedgerRow, MessageView};
use crate::pages::outbox::{MessageRow, OutboxView};
use crate::pages::outcome::{Outcome, ReasonCount, Verdict};
use crate::pages::reports::{ReportRow, ReportsView};
use crate::pages::segment::{DiffLine, Mark, MemberRow, Movement, OverlapRow, SegmentView, VersionRow, Way};
use crate::pages::segments::{SegmentRow, SegmentsView};
use crate::pages::session::Notice;
use crate::pages::tasks::TasksView;
use crate::pages::templates::{LinkRow, Shows, TemplateView, TemplatesView};
use crate::pages::text::{Count, Money, Prose, Tag, Tone};
use crate::pages::tried::{TriedView, Try};
use crate::pages::vouchers::{PoolRow, VouchersView};
use crate::pages::webhooks::{EndpointRow, WebhookRow, WebhooksView};
use crate::pages::why::{WhyReason, WhyRow, WhyView};
use crate::pages::{Order, PageError, Views};
use domain::segment::EventName;

/// Which invented shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invented {
    /// A tea shop on a busy Sunday.
    Busy,
    /// A shop that was opened a minute ago.
    Empty,
    /// A shop whose customers chose their names to break pages.
    Ugly,
}

/// An invented shop that remembers which buttons were pressed.
pub struct Shop {
    what: Invented,
    /// The orders carried out.
    pub orders: Mutex<Vec<Order>>,
}

/// The texts that ugly data is made of.
pub const UGLY: [&str; 8] = [
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')</script>",
    "مرحبا بالعالم \u{202e}txt.exe",
    "👩‍👩‍👧‍👦🇬🇧 Zoë Ωmega 王小明",
    "{{ frame.csrf }} {% raw %} </textarea></pre></title>",
    "../../etc/passwd?x=1&y=2#z",
    "   ",
    "aVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLongNameWithoutAnySpaceInItAtAllaVeryLong",
];

const NAMES: [(&str, &str); 12] = [
    ("Sarah Whitmore", "sarah.w@example.com"),
    ("Oluwaseun Adébáyò-Montgomery", "olu@example.org"),
    ("M. Ng", "m.ng@example.com"),
    ("Zofia Wiśniewska", "zofia@example.net"),
    ("José Ángel Núñez de la Torre", "jose.angel@example.es"),
    ("Priya Raghunathan", "priya.r@example.in"),
    ("王小明", "xiaoming@example.cn"),
    ("Ffion Llewellyn", "ffion@example.wales"),
    ("visitor 7f3a", "anonymous, 3 visits"),
    ("Tom Baker", "tom@example.com"),
    ("Σοφία Παπαδοπούλου", "sofia@example.gr"),
    ("Agnes Brown", "no address"),
];

const SEGMENT_YAML: &str = "segment: lapsed-regulars
title: Regulars who stopped
where:
  all:
    - { did: Order Completed, at_least: 3, within: 365d }
    - { did_not: Order Completed, within: 30d }
";

const TEMPLATE_YAML: &str = "template: restocked
channel: email
subject: We restocked yours
body: |
  Dear {{ customer.first_name | default: 'customer' }},

  it is back.
";

const CAMPAIGN_YAML: &str = "campaign: win-back
title: We restocked yours
purpose: marketing
enter:
  on: { enters: lapsed-regulars }
  again: { after: 90d }
goal: { did: Order Completed, within: 14d, value: properties.revenue }
exit_if: { did: Order Completed }
holdout: 20%
cap: { at_most: 1, per: 30d }
steps:
  - id: first
    message: restocked
    channel: email
    variants: { plain: 1, restock: 1 }
  - wait: 3d
";

impl Shop {
    fn versions(&self) -> Vec<VersionRow> {
        vec![VersionRow {
            version: 3,
            at: ago(24 * 12),
            by: self.words(1, "page"),
            lines: vec![
                DiffLine { mark: Mark::Kept, text: self.words(0, "segment: lapsed-regulars") },
                DiffLine { mark: Mark::Out, text: self.words(1, "within: 45d") },
                DiffLine { mark: Mark::In, text: self.words(2, "within: 30d") },
            ],
        }]
    }

    fn steps(&self, fresh: bool) -> Vec<StepLine> {
        let lines = [
            (0, "pause", "wait 3 days", 118),
            (0, "2", "take the first way that fits", 0),
            (1, "", "if opened a mail within 3 days", 0),
            (2, "first", "write “hello-again”", 51),
            (1, "", "otherwise", 0),
            (2, "2.2.1", "wait for Tue-Thu 10:00 where the customer lives", 43),
            (2, "gift", "give a voucher of “spring”, good for 14 days", 0),
        ];
        let line = |(depth, step, words, here): (u32, &str, &str, u64)| StepLine {
            depth,
            step: step.to_owned(),
            words: self.words(0, words),
            here: if fresh { Count(0) } else { self.count(here) },
        };
        lines.into_iter().map(line).collect()
    }

    /// Opens an invented shop.
    pub fn open(what: Invented) -> Shop {
        Shop { what, orders: Mutex::new(Vec::new()) }
    }

    fn is_empty(&self) -> bool {
        self.what == Invented::Empty
    }

    fn is_ugly(&self) -> bool {
        self.what == Invented::Ugly
    }

    /// A text of the busy shop, or an ugly one in its place.
    fn words(&self, place: usize, busy: &str) -> String {
        if self.is_ugly() { UGLY[place % UGLY.len()].to_owned() } else { busy.to_owned() }
    }

    fn person(&self, place: usize) -> (String, String, String) {
        let (name, contact) = NAMES[place % NAMES.len()];
        let id = if self.is_ugly() { UGLY[place % 6].to_owned() } else { format!("c{}", place + 1) };
        (id, self.words(place, name), self.words(place + 1, contact))
    }

    fn customer_link(&self, place: usize) -> Link {
        let (id, name, _) = self.person(place);
        Link::customer(&id, &name)
    }

    fn campaign_link(&self, place: usize) -> Link {
        let campaigns = [("win-back", "We restocked yours"), ("welcome", "Welcome"), ("birthday", "Birthday tea")];
        let (name, title) = campaigns[place % campaigns.len()];
        Link::campaign(&self.words(place + 4, name), &self.words(place + 2, title))
    }

    fn offer(&self, offer: &crate::gallery::Offer) -> GalleryRow {
        GalleryRow {
            offer: offer.clone(),
            missing: if self.is_empty() { vec!["the event Order Completed".to_owned()] } else { Vec::new() },
            exists: self.is_ugly().then(|| Link::segment(UGLY[5], UGLY[0])),
        }
    }

    fn count(&self, busy: u64) -> Count {
        match self.what {
            Invented::Empty => Count(0),
            Invented::Busy => Count(busy),
            Invented::Ugly => Count(u64::MAX / 3),
        }
    }

    fn money(&self, minor: i64) -> Money {
        if self.is_ugly() { Money::new(i64::MIN, "XTS") } else { Money::new(minor, "GBP") }
    }
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().expect("a fixed instant")
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn ahead(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

impl Views for Shop {
    fn workspace(&self) -> Result<Workspace, PageError> {
        Ok(Workspace {
            name: self.words(7, if self.is_empty() { "New shop" } else { "The Tea House · demo" }),
            zone: TimeZone::get("Europe/London").expect("the zone database is built in"),
            now: now(),
            sending: if self.is_ugly() { Sending::By(UGLY[1].to_owned()) } else { Sending::Nothing },
            attention: self.count(7),
            customers: self.count(5_012),
            segments: self.count(14),
            campaigns: self.count(6),
            uncertain: self.count(2),
            tasks: self.count(4),
            refused: self.count(31),
        })
    }

    fn home(&self) -> Result<HomeView, PageError> {
        if self.is_empty() {
            return Ok(HomeView::default());
        }
        let finding = |place: usize, tag: &str, tone, title: &str, text: &str, actions: &[(&str, Place)]| Finding {
            tag: Tag::new(self.words(place, tag), tone),
            title: self.words(place + 1, title),
            text: Prose::plain(self.words(place + 2, text)),
            actions: actions.iter().map(|(text, to)| Link::new(text, to.clone())).collect(),
        };
        let attention = |place: usize, about: &str, why: &str, quote: Option<&str>, hours, action: &str| Attention {
            customer: self.customer_link(place),
            about: self.words(place, about),
            why: self.words(place + 2, why),
            quote: quote.map(|quote| self.words(place + 3, quote)),
            since: ago(hours),
            action: Link::new(action, Place::Customer(self.person(place).0)),
        };
        Ok(HomeView {
            lead: Prose::new()
                .strong(self.words(0, "412 regulars have gone quiet."))
                .say(self.words(1, " They usually bring in "))
                .strong("£18,400")
                .say(" a quarter; 38 came back last week after a message."),
            lead_note: Prose::plain("counted just now · ")
                .link("who they are", Place::Segment("lapsed-regulars".into())),
            lead_action: Some(Link::new("Ask them back", Place::Campaign("win-back".into()))),
            findings: vec![
                finding(
                    0,
                    "Held back",
                    Tone::Sun,
                    "63 offers wait for quiet hours to end",
                    "They go out from 08:00 tomorrow, in each customer’s own time.",
                    &[("Show them", Place::Messages("held".into()))],
                ),
                finding(
                    1,
                    "Uncertain",
                    Tone::Rose,
                    "Two mails may or may not have gone out",
                    "The mail server took them yesterday at 21:07 and never answered. They are not sent twice.",
                    &[("Look at them", Place::Messages("uncertain".into()))],
                ),
                finding(
                    2,
                    "Came back",
                    Tone::Leaf,
                    "“We restocked yours” was followed by 214 orders",
                    "Of 1,000 customers with the message 214 came back, of 1,000 in the comparison group 130.",
                    &[("Open the campaign", Place::Campaign("win-back".into()))],
                ),
            ],
            attention: vec![
                attention(
                    0,
                    "customer for 26 months",
                    "Complaint open, no answer yet",
                    Some("the parcel came open again, second time since summer"),
                    19,
                    "Answer",
                ),
                attention(
                    1,
                    "box subscriber",
                    "Card expires on 30 November, the box renews on 2 December",
                    None,
                    30,
                    "Tell them",
                ),
                attention(2, "112 orders", "Usually orders every 16 days, quiet for 41", None, 25 * 24, "Open"),
                attention(6, "3 orders", "Parcel s-8812 is 6 days late", None, 6 * 24, "Open"),
            ],
            attention_total: self.count(7),
            campaigns: self.campaigns()?.rows.into_iter().take(3).collect(),
            ingest: self.ingest()?.day,
            last_call: Some(ago(0)),
        })
    }

    fn customers(&self, search: &CustomerSearch) -> Result<CustomersView, PageError> {
        if self.is_empty() {
            return Ok(CustomersView::default());
        }
        let tags = [
            vec![Tag::new("Regular", Tone::Leaf), Tag::new("At risk", Tone::Sun)],
            vec![Tag::new("Box subscriber", Tone::Leaf)],
            vec![],
        ];
        let rows: Vec<CustomerRow> = (0..24)
            .map(|place| CustomerRow {
                customer: self.customer_link(place),
                contact: self.person(place).2,
                tags: if self.is_ugly() {
                    vec![Tag::new(UGLY[place % 8], Tone::Rose)]
                } else {
                    tags[place % 3].clone()
                },
                orders: self.count(112 / (place as u64 + 1)),
                spent: (place % 4 != 3).then(|| self.money(283_150 / (place as i64 + 1))),
                last_seen: ago((place * place * 4) as i64),
            })
            .filter(|row| row.customer.text.to_lowercase().contains(&search.query.to_lowercase()))
            .collect();
        let found = if search.query.is_empty() { self.count(5_012) } else { Count::from(rows.len()) };
        let next = search.query.is_empty().then(|| self.words(5, "c24"));
        Ok(CustomersView { total: self.count(5_012), found, rows, next })
    }

    fn customer(&self, id: &str, before: Option<&str>) -> Result<CustomerView, PageError> {
        if self.is_empty() {
            return Err(PageError::NotFound(format!("customer “{id}”")));
        }
        if id == "broken" {
            return Err(PageError::Broken("disk I/O error at /var/lib/perennial/journal.db, SELECT * FROM x".into()));
        }
        let place = (0..24).find(|&place| self.person(place).0 == id).unwrap_or(0);
        let (id, name, contact) = self.person(place);
        Ok(CustomerView {
            about: vec![self.words(3, "Leeds"), contact],
            first_seen: ago(26 * 30 * 24 + 200),
            tags: vec![
                Tag::new(self.words(0, "Regular"), Tone::Leaf),
                Tag::new(self.words(7, "At risk"), Tone::Sun),
                Tag::new("Loves black tea", Tone::Plain),
            ],
            orders: self.count(9),
            spent: Some(self.money(31_075)),
            notices: vec![
                Prose::new()
                    .strong(self.words(2, "A person is talking with Sarah."))
                    .say(" Marketing waits until the conversation is closed."),
            ],
            proposals: vec![JoinProposal {
                other: self.words(5, "c41"),
                name: self.words(3, "S. Whitmore"),
                because: self.words(4, "same e-mail address, sarah.w@example.com"),
            }],
            timeline: self.timeline(),
            earlier: before.is_none().then(|| Earlier { before: self.words(1, "e214"), count: self.count(214) }),
            is_earlier_page: before.is_some(),
            traits: [
                ("first_name", "Sarah"),
                ("city", "Leeds"),
                ("country", "GB"),
                ("birthday", "04-17"),
                ("favourite", "Earl Grey 100 g"),
                ("timezone", "Europe/London"),
            ]
            .iter()
            .enumerate()
            .map(|(place, (name, value))| TraitRow {
                name: self.words(place, name),
                value: self.words(place + 1, value),
                since: ago(9_000),
            })
            .collect(),
            records: vec![RecordRow {
                kind: self.words(0, "shipment"),
                id: self.words(1, "s-8812"),
                about: self.words(2, "due 12 Nov, arrived 18 Nov"),
                status: Some(Tag::new("delivered", Tone::Leaf)),
            }],
            segments: vec![Membership {
                segment: Link::segment(&self.words(5, "lapsed-regulars"), &self.words(0, "Regulars who stopped")),
                since: ago(22),
                conditions: vec![
                    WhyCondition {
                        text: self.words(1, "3 or more orders in a year"),
                        holds: true,
                        because: self.words(2, "9, the last on 9 Nov"),
                    },
                    WhyCondition {
                        text: "no order in 12 days".into(),
                        holds: true,
                        because: "since yesterday, 14:02".into(),
                    },
                    WhyCondition { text: "in Scotland".into(), holds: false, because: "city is Leeds".into() },
                ],
                until: Some(ahead(24 * 120)),
                leaves: Some("with the next order".into()),
            }],
            consents: vec![
                ConsentRow {
                    what: self.words(4, "Offers by e-mail"),
                    status: Tag::new("yes, express", Tone::Leaf),
                    since: Some(ago(8_000)),
                    until: Some(ahead(24 * 200)),
                    from: self.words(1, "checkout, wording 3"),
                },
                ConsentRow {
                    what: "Text messages".into(),
                    status: Tag::new("not asked", Tone::Plain),
                    since: None,
                    until: None,
                    from: String::new(),
                },
            ],
            consents_said: vec![SaidRow {
                at: ago(8_000),
                what: self.words(4, "Offers by e-mail"),
                word: "yes, express".into(),
                from: self.words(1, "checkout, wording 3"),
            }],
            points: Count(120),
            vouchers: vec![VoucherRow {
                code: self.words(2, "SPRING-7F3K"),
                pool: self.words(3, "spring"),
                at: ago(300),
                expires: Some(ahead(24 * 14)),
            }],
            browsers: vec![BrowserRow {
                id: "mfrggzdfmztwq2lknnwg23tpoa".into(),
                name: self.words(1, "Chrome on Android"),
                since: ago(900),
            }],
            vouchers_owed: if self.is_ugly() { vec![self.words(1, "autumn")] } else { Vec::new() },
            suppressions: if place == 1 || self.is_ugly() {
                vec![Suppression {
                    address: self.words(0, "olu@example.org"),
                    because: self.words(1, "Their server said: no such mailbox"),
                    since: ago(50),
                }]
            } else {
                Vec::new()
            },
            quiet_hours: Some("21:00 to 08:00, London".into()),
            caps: vec![CapUse { what: "Offers by e-mail, 7 days".into(), used: self.count(1), of: Count(2) }],
            identities: vec![
                Identity {
                    kind: "user id".into(),
                    id: self.words(0, "u-2041"),
                    since: ago(19_000),
                    joined: None,
                    can_unmerge: false,
                },
                Identity {
                    kind: "anonymous id".into(),
                    id: self.words(7, "7f3a9c1e-22d0-4b7e-9a51-0c8e4d1f6a37"),
                    since: ago(19_100),
                    joined: Some("by identify, 14 Sep 2024".into()),
                    can_unmerge: true,
                },
            ],
            id,
            name,
        })
    }

    fn segments(&self) -> Result<SegmentsView, PageError> {
        if self.is_empty() {
            return Ok(SegmentsView::default());
        }
        let rows = [
            ("lapsed-regulars", "Regulars who stopped", "3 or more orders in a year, none in 30 days", 412, 38),
            ("box-subscribers", "Box subscribers", "has a subscription that is active", 228, 0),
            ("new-this-month", "New this month", "first order in the last 30 days", 540, -21),
            ("vip", "Best customers", "spent £500 or more in a year", 96, 2),
            ("late-parcels", "Waiting for a late parcel", "has a shipment that is due and not delivered", 0, -3),
        ];
        let rows = rows.iter().enumerate().map(|(place, (name, title, sentence, members, change))| SegmentRow {
            segment: Link::segment(&self.words(place + 5, name), &self.words(place, title)),
            sentence: self.words(place + 1, sentence),
            members: self.count(*members),
            size: (0..30).map(|day| Count(members + (day * 7 + members) % 23 * members / 90)).collect(),
            change_in_week: if self.is_ugly() { i64::MIN } else { *change },
            used_by: if place == 0 { vec![self.campaign_link(0)] } else { Vec::new() },
        });
        Ok(SegmentsView { customers: self.count(5_012), rows: rows.collect() })
    }

    fn segment(&self, name: &str, after: Option<&str>) -> Result<SegmentView, PageError> {
        let is_known = self.is_ugly() || ["lapsed-regulars", "nobody"].contains(&name);
        if self.is_empty() || !is_known {
            return Err(PageError::NotFound(format!("segment “{name}”")));
        }
        let nobody = name == "nobody";
        let today = jiff::civil::Date::constant(2026, 11, 22);
        let size = |back: u64| {
            let wave = (back * 13 + 7) % 19;
            Count(412 - (back * back) / 40 + wave - (wave / 2) - 7)
        };
        Ok(SegmentView {
            name: name.to_owned(),
            title: self.words(3, if nobody { "Nobody fits" } else { "Regulars who stopped" }),
            sentence: self.words(0, "3 or more orders in a year, and none in 30 days"),
            yaml: self.words(4, SEGMENT_YAML),
            version: 3,
            changed: ago(24 * 12),
            members_now: if nobody { Count(0) } else { self.count(412) },
            customers: self.count(5_012),
            size: if nobody {
                Vec::new()
            } else {
                (0..90_u64)
                    .rev()
                    .map(|back| SizePoint {
                        day: today.saturating_sub(jiff::Span::new().days(back as i64)),
                        members: if back == 0 { Count(412) } else { size(back) },
                    })
                    .collect()
            },
            members: if nobody {
                Vec::new()
            } else {
                (0..12)
                    .map(|place| MemberRow {
                        customer: self.customer_link(place),
                        contact: self.person(place).2,
                        since: ago(place as i64 * 31 + 2),
                        until: (place % 3 != 0).then(|| ahead(24 * 30 * (place as i64 + 3))),
                    })
                    .collect()
            },
            next: (!nobody && after.is_none()).then(|| self.words(1, "m12")),
            movements: if nobody {
                Vec::new()
            } else {
                (0..8)
                    .map(|place| Movement {
                        at: ago(place as i64 * 9 + 1),
                        customer: self.customer_link(place + 3),
                        way: if place % 3 == 1 { Way::Left } else { Way::Entered },
                        because: self
                            .words(place, if place % 3 == 1 { "ordered o-5102" } else { "30 days without an order" }),
                    })
                    .collect()
            },
            used_by: if nobody { Vec::new() } else { vec![self.campaign_link(0), self.campaign_link(1)] },
            warnings: if self.is_ugly() { vec![UGLY[0].to_owned()] } else { Vec::new() },
            overlaps: (0..4)
                .map(|place| OverlapRow {
                    segment: Link::segment(&self.words(place + 5, "vip"), &self.words(place, "Best customers")),
                    both: self.count(40 * place as u64),
                    expected: self.count(33),
                })
                .collect(),
            versions: self.versions(),
        })
    }

    fn campaigns(&self) -> Result<CampaignsView, PageError> {
        if self.is_empty() {
            return Ok(CampaignsView::default());
        }
        let rows = [
            (State::Running, "Asks regulars who stopped to come back, with what they liked", 5_388, 4_310, 63, 922),
            (State::Running, "Greets after the first order and shows how to brew", 2_120, 2_101, 4, 641),
            (State::Paused, "A cup on the house in the week of the birthday", 402, 371, 0, 88),
        ];
        let rows =
            rows.iter().enumerate().map(|(place, (state, sentence, entered, sent, held, came_back))| CampaignRow {
                campaign: self.campaign_link(place),
                state: *state,
                sentence: self.words(place, sentence),
                entered: self.count(*entered),
                sent: self.count(*sent),
                held: self.count(*held),
                came_back: self.count(*came_back),
                revenue: (place != 2).then(|| self.money(*came_back as i64 * 3_290)),
                started: ago(24 * 265),
            });
        Ok(CampaignsView { rows: rows.collect() })
    }

    fn tried(&self, name: &str, asked: Option<Try>) -> Result<TriedView, PageError> {
        self.tried_view(name, asked)
    }

    fn campaign(&self, name: &str, decisions: &Filter) -> Result<CampaignView, PageError> {
        let is_known = self.is_ugly() || ["win-back", "birthday", "fresh"].contains(&name);
        if self.is_empty() || !is_known {
            return Err(PageError::NotFound(format!("campaign “{name}”")));
        }
        let fresh = name == "fresh";
        let reason = |because: &str, count: u64| ReasonCount { because: because.to_owned(), count: self.count(count) };
        let funnel = Funnel {
            entered: self.count(5_601),
            reached_gate: self.count(5_590),
            waiting: Count(0),
            held: vec![
                reason("quiet_hours", 41),
                reason("frequency_cap", 17),
                reason(&self.words(0, "person_talking"), 5),
            ],
            skipped: vec![reason("no_consent", 92), reason("exited", 31), reason("no_address", 10)],
            failed: vec![reason("rejected", 4)],
            uncertain: vec![reason("no_reply", 2)],
            would_have_sent: vec![reason("holdout", 1_029), reason("global_holdout", 49)],
            sent: self.count(4_310),
            came_back: self.count(922),
        };
        let rows: Vec<Decision> = (0..18).map(|place| self.decision(place)).collect();
        let wanted = |decision: &Decision| {
            decisions.outcome.is_none_or(|outcome| outcome == decision.verdict.outcome)
                && (decisions.because.is_empty() || decision.verdict.because.as_deref() == Some(&*decisions.because))
                && decision.customer.text.contains(&decisions.customer)
        };
        let rows: Vec<Decision> = rows.into_iter().filter(|decision| !fresh && wanted(decision)).collect();
        Ok(CampaignView {
            name: name.to_owned(),
            title: self.words(2, if fresh { "Fresh from the press" } else { "We restocked yours" }),
            state: if name == "birthday" { State::Paused } else { State::Running },
            sentence: self.words(0, "Asks regulars who stopped to come back, with what they liked"),
            purpose: self.words(1, "marketing"),
            started: ago(24 * 265),
            yaml: self.words(4, CAMPAIGN_YAML),
            version: 4,
            versions: self.versions(),
            inside: if fresh { Count(0) } else { self.count(212) },
            due_on_resume: self.count(23),
            braked: (name == "birthday").then(|| self.words(3, "of 2,104 mails 9 were called spam, more than 0.3 %")),
            steps: self.steps(fresh),
            funnel: if fresh { Funnel::default() } else { funnel },
            reactions: if fresh {
                Reactions::default()
            } else {
                Reactions {
                    opened: self.count(1_402),
                    clicked: self.count(391),
                    machine_opened: self.count(1_977),
                    machine_clicked: self.count(204),
                }
            },
            goal: Some(self.words(3, "an order within 14 days of entering")),
            still_open: if fresh { Count(0) } else { self.count(212) },
            compared_since: (name == "birthday").then(|| ago(24 * 100)),
            messaged: if fresh {
                Arm::default()
            } else {
                Arm {
                    entered: self.count(4_480),
                    held: self.count(51),
                    customers: self.count(4_310),
                    came_back: self.count(922),
                    goals: self.count(1_101),
                    revenue: Some(self.money(3_031_240)),
                    also: Vec::new(),
                }
            },
            held_out: if fresh {
                Arm::default()
            } else {
                Arm {
                    entered: self.count(1_121),
                    held: self.count(12),
                    customers: self.count(1_078),
                    came_back: self.count(140),
                    goals: self.count(158),
                    revenue: Some(self.money(437_610)),
                    also: Vec::new(),
                }
            },
            shared: if fresh { Vec::new() } else { self.shared() },
            holdout: "20 %".into(),
            decisions_found: if rows.is_empty() { Count(0) } else { self.count(5_561) },
            next: (!rows.is_empty() && decisions.after.is_none()).then(|| self.words(5, "d18")),
            decisions: rows,
        })
    }

    fn messages(&self, filter: &Filter) -> Result<OutboxView, PageError> {
        if self.is_empty() {
            return Ok(OutboxView::default());
        }
        let counts = [6_782, 67, 201, 1_390, 9, 2].map(|count| self.count(count));
        let rows: Vec<MessageRow> = (0..20)
            .map(|place| self.message_row(place))
            .filter(|row| filter.outcome.is_none_or(|outcome| outcome == row.verdict.outcome))
            .filter(|row| row.customer.text.to_lowercase().contains(&filter.customer.to_lowercase()))
            .collect();
        Ok(OutboxView {
            counts: Outcome::ALL.into_iter().zip(counts).collect(),
            uncertain: [5, 11].map(|place| self.message_row(place)).to_vec(),
            approvals: [3, 4].map(|place| self.message_row(place)).to_vec(),
            approvals_in_all: self.count(31),
            found: Count::from(rows.len()),
            next: (!rows.is_empty() && filter.after.is_none()).then(|| self.words(3, "m20")),
            rows,
        })
    }

    fn reports(&self) -> Result<ReportsView, PageError> {
        if self.is_empty() {
            return Ok(ReportsView::default());
        }
        let row = |place: usize, said: &str, tone, said_by: &str, is_ours: bool| ReportRow {
            said: Tag::new(said, tone),
            at: ago(3),
            message: is_ours.then(|| Link::message("m_1", &self.words(2, "the mail it is about (5.1.1)"))),
            customer: is_ours.then(|| self.customer_link(place)),
            address: (!is_ours).then(|| self.words(4, "somebody@example.org")),
            words: self.words(place, said_by),
            beginning: if is_ours { String::new() } else { self.words(5, "From: MAILER-DAEMON@example.org") },
        };
        Ok(ReportsView {
            unmatched: vec![row(1, "Something else", Tone::Plain, "Out of office: back on Monday", false)],
            matched: vec![
                row(2, "The address takes no mail", Tone::Rose, "550 5.1.1 no such user", true),
                row(3, "Called spam", Tone::Rose, "abuse", true),
            ],
        })
    }

    fn vouchers(&self) -> Result<VouchersView, PageError> {
        if self.is_empty() {
            return Ok(VouchersView::default());
        }
        let pool = |name: &str, state: Tag, advice: &str, left| PoolRow {
            name: self.words(2, name),
            state,
            advice: self.words(1, advice),
            left,
            given: self.count(318),
            added_at: left.map(|_| ago(2_000)),
        };
        Ok(VouchersView {
            pools: vec![
                pool("autumn", Tag::new("Used up", Tone::Rose), "Import codes, and they go out.", Some(Count(0))),
                pool("birthday", Tag::new("Made as needed", Tone::Plain), "Perennial makes its codes.", None),
                pool("spring", Tag::new("Enough", Tone::Leaf), "", Some(self.count(1_204))),
            ],
        })
    }

    fn webhooks(&self) -> Result<WebhooksView, PageError> {
        if self.is_empty() {
            return Ok(WebhooksView::default());
        }
        let endpoint = |name: &str, state: Tag, advice: &str, open, is_off| EndpointRow {
            name: name.to_owned(),
            state,
            advice: self.words(1, advice),
            open: Count(open),
            done: self.count(214),
            is_off,
        };
        let row = |place: usize, state: Tag, attempts, again: Option<i64>, may_be_tried| WebhookRow {
            id: format!("wh_{place}"),
            event: self.words(place, "promo.granted"),
            endpoint: "erp".into(),
            customer: self.customer_link(place),
            campaign: Link::campaign("win-back", &self.words(2, "Ask regulars back")),
            state,
            advice: self.words(3, "answered 500: maintenance until noon"),
            attempts: Count(attempts),
            again: again.map(|hours| ago(-hours)),
            at: ago(2),
            may_be_tried,
        };
        Ok(WebhooksView {
            endpoints: vec![
                endpoint("erp", Tag::new("Turned off", Tone::Rose), "It wants to hear nothing any more.", 3, true),
                endpoint("wms", Tag::new("Listening", Tone::Leaf), "It takes what it is told.", 0, false),
            ],
            rows: vec![
                row(5, Tag::new("Given up", Tone::Rose), 14, None, true),
                row(6, Tag::new("Tried again", Tone::Sun), 4, Some(3), true),
                row(7, Tag::new("Understood", Tone::Leaf), 1, None, false),
            ],
            all: self.count(217),
            given_up: Count(1),
        })
    }

    fn message(&self, id: &str) -> Result<MessageView, PageError> {
        let place = (0..20).find(|&place| self.message_row(place).id == id);
        let (false, Some(place)) = (self.is_empty(), place) else {
            return Err(PageError::NotFound(format!("message “{id}”")));
        };
        let row = self.message_row(place);
        let explanation = match row.verdict.outcome {
            Outcome::Sent | Outcome::Waiting => "",
            Outcome::Held => {
                "It waits until the quiet hours end at 08:00 in Leeds; then it goes through the gate again."
            }
            Outcome::Skipped => "It will not go out: there is no consent for offers by e-mail.",
            Outcome::WouldHaveSent => {
                "This customer is in the comparison group: everything was decided as for a real message, and nothing was sent."
            }
            Outcome::Failed => {
                "Their server refused the address, so nothing more is written to it until a person lifts that."
            }
            Outcome::Uncertain => {
                "The mail server took the message and never answered. It may have arrived. It is an offer, so it is not sent twice."
            }
        };
        let left = matches!(row.verdict.outcome, Outcome::Sent | Outcome::Uncertain | Outcome::Failed);
        let step = |minutes: i64, attempt, phase: &str, detail: &str, tone| LedgerRow {
            at: row.at - SignedDuration::from_secs(60 - minutes * 7),
            attempt,
            phase: self.words(place, phase),
            detail: self.words(place + 1, detail),
            tone,
            is_faint: false,
        };
        let mut ledger = vec![
            step(0, None, "Fell due", "step first of win-back", Tone::Plain),
            step(1, None, "Went through the gate", "consent yes · nobody talking · 1 of 2 this week", Tone::Plain),
        ];
        if left {
            ledger.push(step(
                2,
                Some(1),
                "Attempt recorded",
                "Message-ID written to disk before anything is sent",
                Tone::Plain,
            ));
            ledger.push(step(3, Some(1), "Handed over", "smtp.example: 354 go ahead", Tone::Sky));
        }
        ledger.push(LedgerRow {
            at: row.at,
            attempt: left.then_some(1),
            phase: row.verdict.outcome.words().into(),
            detail: self
                .words(place, if row.verdict.outcome == Outcome::Sent { "250 2.0.0 queued as 4Xk2m" } else { "" }),
            tone: row.verdict.outcome.tone(),
            is_faint: false,
        });
        if row.verdict.outcome == Outcome::Sent {
            let by_machine = step(9, None, "A machine fetched its pictures", "not counted as a person", Tone::Plain);
            ledger.push(LedgerRow { is_faint: true, ..by_machine });
            ledger.push(step(40, None, "Opened", "2 times, last on Sun 22 Nov 2026, 09:14:02 GMT", Tone::Leaf));
        }
        Ok(MessageView {
            subject: row.message.text.clone(),
            customer: row.customer.clone(),
            campaign: row.campaign.clone(),
            step: self.words(5, "first"),
            variant: Some(self.words(0, "restock")),
            channel: row.channel.clone(),
            verdict: row.verdict.clone(),
            at: row.at,
            again: row.again,
            explanation: explanation.to_owned(),
            is_seen: false,
            notification: (place == 3).then(|| self.notification()),
            headers: if row.verdict.outcome == Outcome::Skipped {
                Vec::new()
            } else {
                [
                    ("From", "The Tea House <hello@tea.example>"),
                    ("To", "Sarah Whitmore <sarah.w@example.com>"),
                    ("Subject", "Sarah, your Earl Grey is back"),
                    ("Date", "Sat, 21 Nov 2026 17:02:11 +0000"),
                    ("Message-ID", "<0192f1c4a7b37d1e8f2a@tea.example>"),
                    ("List-Unsubscribe", "<https://tea.example/u/8f2a0192f1c4a7b37d1e>"),
                    ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
                ]
                .iter()
                .enumerate()
                .map(|(place, (name, value))| ((*name).to_owned(), self.words(place, value)))
                .collect()
            },
            text: (row.verdict.outcome != Outcome::Skipped).then(|| {
                self.words(1, "Hello Sarah,\n\nyour Earl Grey 100 g is back on the shelf, from the same garden as last time.\n\nSee it: https://tea.example/earl-grey\n\nThe Tea House, 1 Leaf Lane, London\nNo more of these: https://tea.example/u/8f2a0192f1c4a7b37d1e\n")
            }),
            has_html: row.verdict.outcome != Outcome::Skipped && place != 3,
            size_bytes: self.count(8_412),
            ledger,
            id: row.id,
        })
    }

    fn message_body(&self, id: &str) -> Result<String, PageError> {
        self.message(id)?;
        let evil = if self.is_ugly() { UGLY[1] } else { "" };
        Ok(format!(
            "<!doctype html><meta charset=utf-8><body style='margin:0;background:#f4f1ea;font-family:Georgia,serif;color:#222'>\
             <div style='max-width:520px;margin:0 auto;padding:32px 24px;background:#fff'><h1 style='font-size:26px'>Your Earl Grey is back</h1>{evil}\
             <p style='font-size:16px;line-height:1.6'>Hello Sarah,</p><p style='font-size:16px;line-height:1.6'>the Earl Grey you \
             ordered nine times is on the shelf again, from the same garden as last time.</p><p><a href='https://tea.example/earl-grey' \
             style='display:inline-block;background:#2c6e4f;color:#fff;padding:12px 20px;text-decoration:none;border-radius:6px'>See it</a></p>\
             <p style='font-size:13px;color:#777'>The Tea House, 1 Leaf Lane, London · <a href='https://tea.example/u'>No more of these</a></p></div>"
        ))
    }

    fn ask(&self, sql: &str, most: usize) -> Result<Result<query::Answer, String>, PageError> {
        if sql.contains("wrong") {
            return Ok(Err(self.words(0, "there is no column `wrong` here; did you mean `name`?")));
        }
        let head = |place: usize, name: &str, is_number| query::Head { name: self.words(place, name), is_number };
        let row = |place: usize| vec![Some(self.words(place, "Order Completed")), Some("1204".to_owned()), None];
        let count = if self.is_empty() { 0 } else { 1_204 };
        let columns = vec![head(1, "name", false), head(2, "count", true), head(3, "properties", false)];
        Ok(Ok(query::Answer { columns, rows: (0..count.min(most)).map(row).collect(), count: count as u64 }))
    }

    fn ask_for_csv(&self, _: &str) -> Result<Result<std::fs::File, String>, PageError> {
        let mut file = tempfile::tempfile().map_err(|error| PageError::Broken(error.to_string()))?;
        std::io::Write::write_all(&mut file, b"name\r\nOrder Completed\r\n")
            .and_then(|()| std::io::Seek::rewind(&mut file))
            .map_err(|error| PageError::Broken(error.to_string()))?;
        Ok(Ok(file))
    }

    fn templates(&self) -> Result<TemplatesView, PageError> {
        Ok(self.templates_view())
    }

    fn template(&self, name: &str, _: &Shows) -> Result<TemplateView, PageError> {
        if self.is_empty() {
            return Err(PageError::NotFound(format!("template “{name}”")));
        }
        Ok(self.template_view(name))
    }

    fn template_body(&self, name: &str, _: &Shows) -> Result<String, PageError> {
        self.message_body(name)
    }

    fn check_links(&self, urls: &[String]) -> Result<Vec<LinkRow>, PageError> {
        Ok(self.links_checked(urls))
    }

    fn tasks(&self, owner: &str, _: u64) -> Result<TasksView, PageError> {
        Ok(self.tasks_view(owner))
    }

    fn ingest(&self) -> Result<IngestView, PageError> {
        if self.is_empty() {
            return Ok(IngestView::default());
        }
        let totals = |accepted, duplicate, refused| Totals {
            accepted: self.count(accepted),
            duplicate: self.count(duplicate),
            refused: self.count(refused),
        };
        let source = |place: usize, name: &str, kind: &str, totals, hours| SourceRow {
            name: self.words(place, name),
            kind: kind.to_owned(),
            totals,
            last_call: Some(ago(hours)),
        };
        let calls = ["Order Completed", "Page Viewed", "", "Cart Abandoned", "Shipment Delivered", "Page Viewed"];
        let raw = "{\"type\":\"track\",\"userId\":\"u-77\",\"event\":\"Order Completed\",\"properties\":{\"revenue\":\"25,00\",\"currency\":\"GBP\"},\"timestamp\":\"2026-11-22T09:14:02Z\"}";
        let refused = |place: usize, code: &str, explanation: &str, count, detail: &str| RefusedReason {
            code: self.words(place, code),
            explanation: self.words(place + 1, explanation),
            count: self.count(count),
            samples: vec![RefusedCall {
                at: ago(3),
                source: self.words(place, "shop"),
                detail: self.words(place + 2, detail),
                raw: if self.is_ugly() { UGLY[0].repeat(400) } else { raw.to_owned() },
            }],
        };
        Ok(IngestView {
            day: totals(48_210, 112, 31),
            ever: totals(20_481_993, 90_112, 4_070),
            sources: vec![
                source(0, "website", "browser key", totals(17_204_551, 61_020, 3_102), 0),
                source(1, "shop", "server key", totals(3_102_442, 29_092, 31), 1),
                source(2, "orders-2024.csv", "file", totals(175_000, 0, 937), 24 * 200),
            ],
            calls: (0..14)
                .map(|place| CallRow {
                    at: ago(0) - SignedDuration::from_secs(place as i64 * 47),
                    source: self.words(place, if place % 4 == 3 { "shop" } else { "website" }),
                    kind: if calls[place % 6].is_empty() { "identify".into() } else { "track".into() },
                    name: if calls[place % 6].is_empty() { String::new() } else { self.words(place, calls[place % 6]) },
                    customer: (place % 7 != 6).then(|| self.customer_link(place)),
                    outcome: match place % 7 {
                        6 => CallOutcome::Refused,
                        3 => CallOutcome::Duplicate,
                        _ => CallOutcome::Accepted,
                    },
                })
                .collect(),
            refused: vec![
                refused(
                    0,
                    "P0012",
                    "An amount is not a number",
                    24,
                    "properties.revenue is “25,00”; write 25.00 or \"25.00\"",
                ),
                refused(1, "P0007", "A browser key may not send orders", 7, "Order Completed needs a server key"),
            ],
            quarantined: self.count(2),
            last_quarantined: (0..2)
                .map(|place| QuarantinedRow {
                    at: ago(5),
                    source: self.words(place, "shop"),
                    event: self.words(place + 1, "Order Completed"),
                    customer: Some(self.customer_link(place)),
                    sent: self.words(place + 2, "revenue 249900000 GBP"),
                    because: "more than 1000000".to_owned(),
                })
                .collect(),
            beyond: BeyondNames {
                events: self.count(1_204),
                properties: self.count(88),
                of: vec![(self.words(3, "Page Viewed"), self.count(88))],
            },
            turned_away: self.count(41),
            too_slow: self.count(3),
        })
    }

    fn segment_size(&self, name: &str) -> Result<Option<Vec<SizePoint>>, PageError> {
        self.segment(name, None).map(|view| (!self.is_ugly()).then_some(view.size))
    }

    fn why(&self, customer: &str, segment: Option<&str>) -> Result<WhyView, PageError> {
        let id = self.customer(customer, None)?.id;
        let reason = |place: usize, holds, inner| WhyReason {
            text: self.words(place, "Did Order Completed at least 3 times in the last 365 days"),
            holds,
            until: place.is_multiple_of(2).then(|| ahead(24 * 30)),
            because: vec![
                (Some(ago(30)), self.words(place + 1, "Order Completed (o-5102)")),
                (None, self.words(3, "plan: gold")),
            ],
            inner,
        };
        let row = |place: usize| WhyRow {
            segment: Link::segment(
                &self.words(place + 5, "lapsed-regulars"),
                &self.words(place, "Regulars who stopped"),
            ),
            is_member: place == 0,
            since: (place == 0).then(|| ago(100)),
            until: (place == 1).then(|| ahead(100)),
            reasons: vec![reason(0, true, vec![reason(1, false, Vec::new()), reason(2, true, Vec::new())])],
        };
        let rows = if segment.is_some() { vec![row(0)] } else { (0..3).map(row).collect() };
        Ok(WhyView {
            customer: Link::customer(&id, &self.words(2, "Sarah Whitfield")),
            only: segment.map(str::to_owned),
            rows,
        })
    }

    fn gallery(&self) -> Result<GalleryView, PageError> {
        let offers = crate::gallery::all().iter().map(|ready| &ready.offer);
        Ok(GalleryView { rows: offers.map(|offer| self.offer(offer)).collect() })
    }

    fn gallery_counts(&self) -> Result<GalleryCounts, PageError> {
        Ok(crate::gallery::all().iter().map(|ready| (ready.offer.name.clone(), self.count(412).0)).collect())
    }

    fn plays(&self) -> Result<GalleryView, PageError> {
        let offers = crate::gallery::plays::all().iter().map(|play| &play.offer);
        Ok(GalleryView { rows: offers.map(|offer| self.offer(offer)).collect() })
    }

    fn play(&self, name: &str, chosen: &BTreeMap<String, String>) -> Result<Draft, PageError> {
        let play = crate::gallery::plays::find(name).ok_or_else(|| PageError::NotFound(name.to_owned()))?;
        Ok(Draft { name: None, version: None, yaml: play.text(chosen, &|_, _| self.is_ugly()) })
    }

    fn seen(&self, _: &[EventName]) -> Result<Seen, PageError> {
        if self.is_empty() {
            return Ok(Seen::default());
        }
        let name = |place: usize, name: &str| SeenName {
            name: self.words(place, name),
            values: vec![self.words(place + 1, "GBP")],
            is_number: false,
        };
        Ok(Seen {
            events: vec![self.words(0, "Order Completed"), self.words(1, "Product Viewed")],
            properties: vec![SeenThing { name: self.words(0, "Order Completed"), names: vec![name(2, "currency")] }],
            traits: vec![name(3, "plan")],
            records: vec![SeenThing { name: self.words(4, "pass"), names: vec![name(5, "status")] }],
            lists: vec![self.words(6, "vip")],
            segments: vec![(self.words(5, "regulars"), self.words(0, "Regulars"))],
            purposes: vec!["marketing".to_owned()],
            templates: vec![SeenTemplate {
                name: self.words(1, "hello-again"),
                channel: "email".to_owned(),
                variants: vec![self.words(2, "restock")],
            }],
            pools: vec![self.words(3, "spring")],
            endpoints: vec![self.words(4, "erp")],
            campaigns: vec![self.words(5, "win-back")],
            zone: "Europe/London".to_owned(),
        })
    }

    fn glance(&self, kind: Definition, draft: &Draft) -> Result<Glance, PageError> {
        let sentence = self.check(kind, draft)?.map(|preview| preview.sentence);
        let steps = if kind == Definition::Campaign { self.steps(draft.name.is_none()) } else { Vec::new() };
        Ok(sentence.map(|sentence| Glanced { sentence, steps, entered: self.count(1_204) }))
    }

    fn copy(&self, kind: Definition, name: &str) -> Result<Draft, PageError> {
        Ok(Draft { name: None, version: None, ..self.draft(kind, Some(name))? })
    }

    fn draft(&self, kind: Definition, name: Option<&str>) -> Result<Draft, PageError> {
        if self.is_ugly() && kind == Definition::Segment {
            let ugly = serde_json::json!({
                "segment": UGLY[5], "title": UGLY[0],
                "where": { "all": [
                    { "did": UGLY[1], "where": { UGLY[2]: { "is": UGLY[3] } } },
                    { "trait": UGLY[0], "in": [UGLY[1], UGLY[2]] },
                    { "list": UGLY[1], UGLY[0]: UGLY[1] },
                    { "segment": UGLY[1] },
                    UGLY[1],
                ] },
            });
            return Ok(Draft { name: name.map(str::to_owned), version: None, yaml: crate::views::yaml::write(&ugly) });
        }
        if self.is_ugly() && kind == Definition::Campaign {
            let ugly = serde_json::json!({
                "campaign": UGLY[1], "title": UGLY[0], UGLY[2]: UGLY[3],
                "enter": {
                    "on": { "did": UGLY[1], "where": { UGLY[2]: { "is": UGLY[3] } } },
                    "only_if": { "trait": UGLY[0], "in": [UGLY[1], UGLY[2]] }, "key": UGLY[4],
                },
                "goal": { "did": UGLY[2], UGLY[0]: 3 },
                "steps": [
                    { "id": UGLY[1], "message": UGLY[2], "variants": { UGLY[0]: 1, UGLY[3]: UGLY[1] } },
                    { "branch": [{ "if": { "list": UGLY[0] }, "then": [{ "wait": UGLY[1] }, UGLY[2]] }, UGLY[3]] },
                    { "task": { "title": UGLY[0], "for": UGLY[1] } },
                    { "set": { "trait": UGLY[2], "to": { UGLY[0]: UGLY[1] } } },
                ],
            });
            return Ok(Draft { name: name.map(str::to_owned), version: None, yaml: crate::views::yaml::write(&ugly) });
        }
        let yaml = match kind {
            Definition::Segment => SEGMENT_YAML,
            Definition::Campaign => CAMPAIGN_YAML,
            Definition::Template => TEMPLATE_YAML,
        };
        Ok(Draft { name: name.map(str::to_owned), version: name.map(|_| 3), yaml: self.words(4, yaml) })
    }

    fn check(&self, kind: Definition, draft: &Draft) -> Result<Check, PageError> {
        if draft.yaml.contains("witin") {
            return Ok(Err(vec![Problem {
                path: "where.all[1].witin".into(),
                line: Some(6),
                message: "unknown key `witin`; did you mean `within`?".into(),
            }]));
        }
        Ok(Ok(Preview {
            sentence: self.words(0, "3 or more orders in a year, and none in 30 days"),
            effect: Prose::new().strong(self.count(412).of("customer", "customers")).say(" now: 30 enter and 4 leave."),
            sample: if self.is_empty() { Vec::new() } else { (0..4).map(|place| self.customer_link(place)).collect() },
            inside: (kind == Definition::Campaign && draft.name.is_some())
                .then(|| Inside { people: self.count(212), moves: self.is_ugly() }),
            warnings: if self.is_ugly() { vec![UGLY[0].into()] } else { Vec::new() },
            text: (kind == Definition::Template).then(|| self.words(2, "Dear Sarah,\n\nwe restocked yours.")),
            notification: (kind == Definition::Template && draft.yaml.contains("channel: push"))
                .then(|| self.notification()),
        }))
    }

    fn save(&self, kind: Definition, draft: &Draft) -> Result<Result<String, Vec<Problem>>, PageError> {
        match self.check(kind, draft)? {
            Ok(_) => Ok(Ok(match kind {
                Definition::Segment => "lapsed-regulars".into(),
                Definition::Campaign => "win-back".into(),
                Definition::Template => "hello".into(),
            })),
            Err(problems) => Ok(Err(problems)),
        }
    }

    fn carry_out(&self, order: &Order) -> Result<Notice, PageError> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order.clone());
        match order {
            Order::Merge { .. } => Ok(Notice::done("Joined. Their timelines are one now.")),
            Order::StopCampaign(_) => Err(PageError::Refused("it is stopped already".into())),
            _ => Ok(Notice::done("Done.")),
        }
    }
}

impl Shop {
    fn timeline(&self) -> Vec<Happening> {
        let row = |hours: i64, tone, what: Prose, more: &str| Happening {
            at: ago(hours),
            times: Count(1),
            what,
            more: more.to_owned(),
            quote: None,
            verdict: None,
            tags: Vec::new(),
            tone,
            is_faint: false,
        };
        let mut rows = vec![
            Happening {
                quote: Some(self.words(0, "the parcel came open again, second time since summer")),
                tags: vec![Tag::new(self.words(1, "parcel"), Tone::Rose)],
                ..row(19, Tone::Rose, Prose::plain(self.words(2, "Complaint")), "")
            },
            Happening {
                verdict: Some(Verdict::because(Outcome::Held, "complaint_open")),
                ..row(
                    24,
                    Tone::Plain,
                    Prose::new().link(self.words(3, "Restocked: Earl Grey 100 g"), Place::Message("m1".into())),
                    "",
                )
            },
            row(
                4 * 24,
                Tone::Sun,
                Prose::plain(self.words(7, "Parcel s-8812 arrived 6 days late")),
                "An apology had gone out on 13 Nov and was read",
            ),
            row(
                13 * 24,
                Tone::Leaf,
                Prose::new().say(self.words(4, "Order o-5001 · ")).strong("£25.00"),
                "Earl Grey 100 g × 2",
            ),
            Happening { times: Count(3), ..row(15 * 24, Tone::Sky, Prose::plain("Looked at Earl Grey"), "") },
            Happening {
                verdict: Some(Verdict::sent()),
                ..row(
                    20 * 24,
                    Tone::Leaf,
                    Prose::new().link("What is new in black tea", Place::Message("m2".into())),
                    "",
                )
            },
        ];
        let earlier = (1..12).map(|place: i64| {
            row(
                (25 + place * 11) * 24,
                Tone::Leaf,
                Prose::new()
                    .say(format!("Order o-{} · ", 4_900 - place * 31))
                    .strong(format!("£{}.50", 12 + place * 3)),
                "Darjeeling 50 g",
            )
        });
        rows.extend(earlier);
        rows
    }

    fn decision(&self, place: usize) -> Decision {
        let row = self.message_row(place);
        Decision {
            at: row.at,
            customer: row.customer,
            step: self.words(place, "first"),
            variant: place.is_multiple_of(3).then(|| self.words(place, "restock")),
            message: (row.verdict.outcome != Outcome::Skipped).then_some(row.message),
            why: (place.is_multiple_of(6))
                .then(|| self.words(place, "variant restock: 72 of 100 got it on 2026-11-20")),
            verdict: row.verdict,
        }
    }

    fn message_row(&self, place: usize) -> MessageRow {
        let verdicts = [
            Verdict::sent(),
            Verdict::because(Outcome::Held, "quiet_hours"),
            Verdict::sent(),
            Verdict::because(Outcome::WouldHaveSent, "holdout"),
            Verdict::because(Outcome::Skipped, "no_consent"),
            Verdict::because(Outcome::Uncertain, "no_reply"),
            Verdict::because(Outcome::Failed, "rejected"),
            Verdict::because(Outcome::Held, "frequency_cap"),
        ];
        let verdict = verdicts[if place == 11 { 5 } else { place % 8 }].clone();
        let subjects = ["Sarah, your Earl Grey is back", "Welcome to the Tea House", "A cup on the house"];
        let id = if self.is_ugly() { format!("{}{place}", UGLY[place % 6]) } else { format!("m{place}") };
        MessageRow {
            message: Link::message(&id, &self.words(place, subjects[place % 3])),
            id,
            customer: self.customer_link(place),
            campaign: self.campaign_link(place),
            channel: "email".into(),
            at: ago(place as i64 * 5),
            again: (verdict.outcome == Outcome::Held).then(|| ahead(20)),
            verdict,
        }
    }
}
