//! Customers: found by what people know of them, and everything about one.

use super::{ReportError, Who, json, ledger::Ledger, timeline};
use crate::decide::limits::{Asking, concerns, counted, quiet_until};
use crate::deliver::browsers::KnownBrowser;
use crate::profile::identity::{JoinedBy, NameKind};
use crate::profile::standing::Statement;
use crate::profile::{By, Customer, rewards};
use crate::segment::as_of::{Past, apply};
use crate::segment::why::{Reason, why};
use crate::state::Engine;
use domain::message::Channel;
use domain::workspace::{CapWindow, marketing, service};
use domain::{CustomerId, Name, Purpose, Span, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Reader, Suppression};

/// Most proposals to join somebody with the same address: more is a shared or invented address.
const PROPOSALS: usize = 5;
/// Most statements of consent that are told of one customer: the latest ones. All of them are in the history.
const SAID: usize = 100;
/// Most vouchers that are told of one customer: the latest ones.
const VOUCHERS: usize = 100;

/// A page of customers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Found {
    /// Everybody, visitors included.
    pub total: u64,
    /// How many the text finds.
    pub found: u64,
    /// This page of them, last seen first.
    pub customers: Vec<FoundCustomer>,
}

/// A customer in a list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FoundCustomer {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// Since when they exist.
    #[serde(serialize_with = "json::at")]
    pub first_seen: Timestamp,
    /// The last thing they did.
    #[serde(serialize_with = "json::at")]
    pub last_seen: Timestamp,
    /// Names of the segments they are in.
    pub segments: Vec<Name>,
}

/// Everything about one customer at an instant.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Profile {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The instant.
    #[serde(serialize_with = "json::at")]
    pub as_of: Timestamp,
    /// Every id that stands for this person, the oldest first.
    pub identities: Vec<Identity>,
    /// Which ids were joined, and why.
    pub joins: Vec<Join>,
    /// What is known, by name.
    pub traits: Map<String, Value>,
    /// Since when each trait has its value.
    pub traits_since: BTreeMap<Arc<str>, At>,
    /// The segments they are in, by name.
    pub segments: Vec<Membership>,
    /// Whether we may write, per purpose and channel.
    pub consent: Vec<Consent>,
    /// What was said of consent, the latest first.
    pub consent_said: Vec<Said>,
    /// Points they earned so far.
    pub points: u64,
    /// Vouchers they were given, the latest first.
    pub vouchers: Vec<Voucher>,
    /// Pools that had no code left for them, the longest wait first.
    pub vouchers_owed: Vec<Arc<str>>,
    /// Browsers that they let us notify, the latest first; only of the present.
    pub browsers: Vec<KnownBrowser>,
    /// A person is talking with them; until when, if nothing more is said.
    #[serde(serialize_with = "json::maybe_at")]
    pub talking_until: Option<Timestamp>,
    /// A complaint is open.
    pub complaint_open: bool,
    /// Their address gets nothing until a person lifts it.
    pub suppression: Option<Suppressed>,
    /// How much of each cap is used; only of the present.
    pub caps: Vec<CapUse>,
    /// When they are left in peace.
    pub quiet_hours: Option<Quiet>,
    /// Campaigns they are inside of; only of the present.
    pub journeys: Vec<Inside>,
    /// The zone their days are counted in.
    pub zone: String,
    /// Since when they exist.
    #[serde(serialize_with = "json::at")]
    pub first_seen: Timestamp,
    /// The last thing they did.
    #[serde(serialize_with = "json::at")]
    pub last_seen: Timestamp,
    /// Number of calls.
    pub calls: u32,
    /// Others with the same e-mail address, who may be the same person.
    pub same_address: Vec<Who>,
}

/// An instant in a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct At(#[serde(serialize_with = "json::at")] pub Timestamp);

/// An id that stands for a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Identity {
    /// `userId` or `anonymousId`.
    pub kind: &'static str,
    /// As it was sent.
    pub name: Arc<str>,
    /// The earliest time of its calls; none if none lies at or before the instant.
    #[serde(serialize_with = "json::maybe_at")]
    pub first_seen: Option<Timestamp>,
    /// Its number: what is parted.
    #[serde(serialize_with = "json::id")]
    pub id: CustomerId,
    /// It gives the person their name.
    pub is_name: bool,
}

/// Two ids that were joined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Join {
    /// One.
    pub one: Arc<str>,
    /// The other.
    pub other: Arc<str>,
    /// `identify`, `alias` or `hand`.
    pub by: &'static str,
    /// Their numbers.
    #[serde(skip)]
    pub ids: (CustomerId, CustomerId),
}

/// A segment somebody is in, and why.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Membership {
    /// Which.
    pub segment: Name,
    /// Its title, else its name.
    pub title: String,
    /// The instant of history at which it began.
    #[serde(serialize_with = "json::maybe_at")]
    pub since: Option<Timestamp>,
    /// The first later instant at which it would end if nothing arrived.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
    /// Condition by condition.
    pub conditions: Vec<Reason>,
}

/// Whether we may write for a purpose on a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Consent {
    /// The purpose.
    pub purpose: Name,
    /// The channel.
    pub channel: Channel,
    /// `granted`, `unknown`, `withdrawn`, `expired` or `pending`.
    pub status: &'static str,
    /// When it was said or done; none: nothing was.
    #[serde(serialize_with = "json::maybe_at")]
    pub since: Option<Timestamp>,
    /// When it ends by itself.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
    /// Express or implied, where it was said.
    pub basis: Option<Arc<str>>,
    /// Where it was said, or the event that it follows from.
    pub source: Option<Arc<str>>,
    /// Which wording the customer saw.
    pub text_version: Option<Arc<str>>,
}

/// What was once said of consent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Said {
    /// When; it may lie ahead.
    #[serde(serialize_with = "json::at")]
    pub time: Timestamp,
    /// For which purpose.
    pub purpose: Arc<str>,
    /// On which channel; none: all.
    pub channel: Option<Arc<str>>,
    /// `granted`, `withdrawn` or `pending`.
    pub status: &'static str,
    /// Express or implied, where it was said.
    pub basis: Option<Arc<str>>,
    /// Where it was said.
    pub source: Option<Arc<str>>,
    /// Which wording the customer saw.
    pub text_version: Option<Arc<str>>,
    /// When it runs out by what it says itself.
    #[serde(serialize_with = "json::maybe_at")]
    pub expires: Option<Timestamp>,
}

impl From<&Statement> for Said {
    fn from(statement: &Statement) -> Said {
        Said {
            time: statement.order.0,
            purpose: statement.purpose.clone(),
            channel: statement.channel.clone(),
            status: statement.word.status(),
            basis: statement.basis.clone(),
            source: statement.source.clone(),
            text_version: statement.text_version.clone(),
            expires: statement.expires,
        }
    }
}

/// A voucher that was given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Voucher {
    /// What the customer shows.
    pub code: Arc<str>,
    /// From which pool.
    pub pool: Arc<str>,
    /// When.
    #[serde(serialize_with = "json::at")]
    pub given_at: Timestamp,
    /// Good up to but without this instant.
    #[serde(serialize_with = "json::maybe_at")]
    pub expires: Option<Timestamp>,
}

impl From<&rewards::Voucher> for Voucher {
    fn from(voucher: &rewards::Voucher) -> Voucher {
        Voucher {
            code: voucher.code.clone(),
            pool: voucher.pool.clone(),
            given_at: voucher.order.0,
            expires: voucher.expires,
        }
    }
}

/// An address that gets nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Suppressed {
    /// The address.
    pub address: String,
    /// Why: the receiver's words.
    pub reason: String,
    /// Since when.
    #[serde(serialize_with = "json::at")]
    pub since: Timestamp,
}

impl From<&Suppression> for Suppressed {
    fn from(suppression: &Suppression) -> Suppressed {
        Suppressed { address: suppression.address.clone(), reason: suppression.reason.clone(), since: suppression.at }
    }
}

/// How much of a cap is used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CapUse {
    /// For which purpose.
    pub purpose: Name,
    /// On which channel; none: all.
    pub channel: Option<Channel>,
    /// Its window: `7d`, or `2 local days`.
    pub per: String,
    /// Messages that count now.
    pub used: u64,
    /// Messages that may.
    pub at_most: u32,
}

/// Quiet hours as they hold for one customer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Quiet {
    /// `21:00`.
    pub from: String,
    /// `08:00`.
    pub to: String,
    /// They hold now, until then.
    #[serde(serialize_with = "json::maybe_at")]
    pub now_until: Option<Timestamp>,
}

/// Somebody's place inside a campaign.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Inside {
    /// The campaign.
    pub campaign: Name,
    /// Its title, else its name.
    pub title: String,
    /// For which key.
    pub key: Option<String>,
    /// When they entered.
    #[serde(serialize_with = "json::at")]
    pub entered_at: Timestamp,
    /// The step they stand at.
    pub step: String,
    /// What they do there: `due`, `waiting` or `messaging`.
    pub stage: &'static str,
    /// For `waiting`: until when.
    #[serde(serialize_with = "json::maybe_at")]
    pub until: Option<Timestamp>,
}

/// Something that a customer has now.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct HeldRecord {
    /// Such as `pass`.
    pub kind: Arc<str>,
    /// The recordId.
    pub id: Arc<str>,
    /// Its attributes.
    pub attributes: Map<String, Value>,
}

impl Engine {
    /// What a person has now, by kind and id. O(records of theirs).
    pub fn records_of(&self, person: CustomerId) -> Vec<HeldRecord> {
        let Some(customer) = self.customers.get(self.person(person)) else { return Vec::new() };
        let held = |record: &crate::profile::records::Record| HeldRecord {
            kind: record.kind.clone(),
            id: record.id.clone(),
            attributes: record.attributes(self.clock).0,
        };
        customer.records.all(self.clock).map(held).collect()
    }

    /// Everybody whose id, name or e-mail address holds the text, whatever its case; the last seen first.
    /// O(customers), under 100 ms for 100,000; an index is worth it beyond a million.
    pub fn find_customers(&self, text: &str, skip: usize, limit: usize, now: Timestamp) -> Found {
        let mut found = self.matching(text, now);
        let count = found.len();
        let end = skip.saturating_add(limit).min(count);
        let latest_first = |(seen, id): &(Timestamp, CustomerId)| (std::cmp::Reverse(*seen), std::cmp::Reverse(*id));
        // Only what is shown is sorted.
        if end < count {
            found.select_nth_unstable_by_key(end, latest_first);
            found.truncate(end);
        }
        found.sort_unstable_by_key(latest_first);
        let page = found.into_iter().skip(skip).filter_map(|(_, id)| self.found_customer(id)).collect();
        Found { total: self.customers.len() as u64, found: count as u64, customers: page }
    }

    /// The people whose id, name or e-mail address holds the text. O(customers).
    pub fn people_matching(&self, text: &str) -> BTreeSet<CustomerId> {
        self.matching(text, self.clock).into_iter().map(|(_, id)| id).collect()
    }

    fn matching(&self, text: &str, now: Timestamp) -> Vec<(Timestamp, CustomerId)> {
        let wanted = text.trim().to_lowercase();
        let everybody = self.customers.iter();
        everybody
            .filter(|(id, customer)| wanted.is_empty() || self.is_meant(*id, customer, &wanted, now))
            .map(|(id, customer)| (customer.last_seen, id))
            .collect()
    }

    fn is_meant(&self, id: CustomerId, customer: &Customer, wanted: &str, now: Timestamp) -> bool {
        let trait_holds =
            |key: &str| matches!(customer.traits.get(key, now), Some(Value::String(text)) if holds(text, wanted));
        let named = || self.people.nodes_of(id.0).iter().any(|node| holds(&self.people.node(*node).name, wanted));
        let whole_name = || {
            let of = |keys: [&str; 2]| keys.iter().find_map(|key| customer.traits.get(key, now)?.as_str());
            let both = of(["first_name", "firstName"]).zip(of(["last_name", "lastName"]));
            both.is_some_and(|(first, last)| holds(&format!("{first} {last}"), wanted))
        };
        ["email", "name", "first_name", "last_name", "firstName", "lastName"].into_iter().any(trait_holds)
            || named()
            || whole_name()
            || id.to_string() == wanted
    }

    fn found_customer(&self, id: CustomerId) -> Option<FoundCustomer> {
        let customer = self.customers.get(id)?;
        let segments = self.plan.segments.iter().enumerate().filter(|(index, _)| customer.is_member(*index));
        Some(FoundCustomer {
            who: self.who(id),
            first_seen: customer.first_seen,
            last_seen: customer.last_seen,
            segments: segments.map(|(_, segment)| segment.name.clone()).collect(),
        })
    }

    /// Everything about one customer, at present or as of an instant: by today's definitions and identities over
    /// everything with time up to it. `ledger`: knows which joins were declined. O(their calls · conditions),
    /// and O(customers) for the proposals.
    pub fn profile(
        &self,
        reader: &dyn Reader,
        person: CustomerId,
        as_of: Option<Timestamp>,
        ledger: Option<&Ledger>,
    ) -> Result<Profile, ReportError> {
        let past = self.past(reader, self.person(person))?;
        self.profile_of(person, &past, as_of, ledger)
    }

    /// Everything about one customer at present, and a page of what happened; their history is read once.
    pub fn customer_page(
        &self,
        reader: &dyn Reader,
        person: CustomerId,
        before: Option<timeline::Before>,
        limit: usize,
        ledger: &Ledger,
    ) -> Result<(Profile, timeline::Timeline), ReportError> {
        let past = self.past(reader, self.person(person))?;
        let profile = self.profile_of(person, &past, None, Some(ledger))?;
        Ok((profile, self.timeline_of(reader, person, past, before, limit, None)?))
    }

    fn profile_of(
        &self,
        person: CustomerId,
        past: &[Past],
        as_of: Option<Timestamp>,
        ledger: Option<&Ledger>,
    ) -> Result<Profile, ReportError> {
        let now = self.instant(as_of)?;
        let person = self.person(person);
        let rebuilt;
        let customer = match (as_of, self.customers.get(person)) {
            (None, Some(live)) => live,
            _ => {
                rebuilt = self
                    .rebuild(past, now)
                    .ok_or_else(|| ReportError::NoCustomer(self.people.name_of(person).to_string()))?;
                &rebuilt
            }
        };
        let (traits, since) = customer.traits.all(now);
        let is_present = as_of.is_none();
        let rewards = customer.rewards();
        let zone = customer.zone(now, &self.definitions.settings.zone);
        Ok(Profile {
            who: self.who(person),
            as_of: now,
            identities: self.identities(person, past, now),
            joins: self.joins(person),
            traits,
            traits_since: since.into_iter().map(|(key, at)| (key, At(at))).collect(),
            segments: self.memberships(person, customer, past, as_of),
            consent: self.consents(customer, now),
            consent_said: customer.standing.statements().iter().rev().take(SAID).map(Said::from).collect(),
            points: rewards.points,
            vouchers: rewards.vouchers.iter().rev().take(VOUCHERS).map(Voucher::from).collect(),
            vouchers_owed: rewards.owed().map(|owed| owed.pool.clone()).collect(),
            browsers: if is_present { self.browsers_of(person) } else { Vec::new() },
            talking_until: customer.standing.is_talking(now).1,
            complaint_open: customer.standing.has_open_complaint(now),
            suppression: self
                .address_of(person, Channel::Email)
                .and_then(|address| self.suppression_of(&address).map(|it| (address, it)))
                .map(|(address, suppression)| Suppressed { address, ..Suppressed::from(suppression) }),
            caps: if is_present { self.cap_uses(person, &zone) } else { Vec::new() },
            quiet_hours: self.quiet_hours(&zone, now),
            journeys: if is_present { self.insides(person) } else { Vec::new() },
            zone: zone.name().to_owned(),
            first_seen: customer.first_seen,
            last_seen: customer.last_seen,
            calls: customer.calls,
            same_address: if is_present { self.same_address(person, ledger) } else { Vec::new() },
        })
    }

    /// A customer's state as it was at an instant; none if there was nobody yet.
    fn rebuild(&self, past: &[Past], now: Timestamp) -> Option<Customer> {
        let before = || past.iter().filter(|past| past.call.timestamp <= now);
        let first = before().find(|past| past.by == By::Self_)?;
        let mut customer = Customer::new(first.call.timestamp.min(first.call.received_at));
        for past in before() {
            apply(&self.plan, &mut customer, past, now);
        }
        Some(customer)
    }

    fn identities(&self, person: CustomerId, past: &[Past], now: Timestamp) -> Vec<Identity> {
        let mut first: BTreeMap<u32, Timestamp> = BTreeMap::new();
        for past in past.iter().filter(|past| past.call.timestamp <= now) {
            if let Some(node) = self.people.node_at(&past.call, past.position) {
                let known = first.entry(node).or_insert(past.call.timestamp);
                *known = (*known).min(past.call.timestamp);
            }
        }
        let name = self.people.name_of(person);
        let known = self.people.is_known(person);
        let nodes = self.people.nodes_of(person.0);
        let name_node = nodes.iter().copied().find(|node| {
            self.people.node(*node).name == name && (self.people.node(*node).kind == NameKind::User) == known
        });
        nodes
            .into_iter()
            .map(|number| {
                let node = self.people.node(number);
                let kind = match node.kind {
                    NameKind::User => "userId",
                    NameKind::Visitor => "anonymousId",
                };
                Identity {
                    kind,
                    name: node.name.clone(),
                    first_seen: first.get(&number).copied(),
                    id: CustomerId(number),
                    is_name: name_node == Some(number),
                }
            })
            .collect()
    }

    fn joins(&self, person: CustomerId) -> Vec<Join> {
        let word = |by| match by {
            JoinedBy::Identify => "identify",
            JoinedBy::Alias => "alias",
            JoinedBy::Hand => "hand",
        };
        let name = |node: u32| self.people.node(node).name.clone();
        let joins = self.people.joins_of(person).into_iter();
        joins
            .map(|(a, b, by)| Join { one: name(a), other: name(b), by: word(by), ids: (CustomerId(a), CustomerId(b)) })
            .collect()
    }

    fn memberships(
        &self,
        person: CustomerId,
        customer: &Customer,
        past: &[Past],
        as_of: Option<Timestamp>,
    ) -> Vec<Membership> {
        let now = as_of.unwrap_or(self.clock);
        let is_member = |index: usize| match as_of {
            None => customer.is_member(index),
            Some(_) => {
                crate::segment::Asked::of(&self.plan, person, customer, now)
                    .verdict(&self.plan.segments[index].rule)
                    .holds
            }
        };
        let mut memberships = Vec::new();
        for (index, planned) in self.plan.segments.iter().enumerate() {
            let Some(segment) = self.definitions.segments.get(&planned.name).filter(|_| is_member(index)) else {
                continue;
            };
            let why = why(&self.plan, (&segment.rule, &planned.rule), person, past, now);
            memberships.push(Membership {
                segment: segment.name.clone(),
                title: self.segment_title(&segment.name),
                since: why.since,
                until: why.until,
                conditions: why.conditions,
            });
        }
        memberships
    }

    fn consents(&self, customer: &Customer, now: Timestamp) -> Vec<Consent> {
        let used: BTreeSet<Channel> =
            self.definitions.templates.values().map(|template| template.channel).chain([Channel::Email]).collect();
        let mut consents = Vec::new();
        // Service messages need no consent.
        for purpose in self.definitions.purposes.values().filter(|purpose| purpose.name != service()) {
            let said = |channel: Channel| {
                customer.standing.statements().iter().any(|statement| {
                    statement.purpose.as_ref() == purpose.name.as_str()
                        && statement.channel.as_deref() == Some(channel.word())
                })
            };
            let channels = Channel::ALL.iter().copied();
            for channel in channels.filter(|channel| {
                if purpose.channels.is_empty() {
                    used.contains(channel) || said(*channel)
                } else {
                    purpose.channels.contains(channel)
                }
            }) {
                consents.extend(self.consent(customer, purpose, channel, now));
            }
        }
        consents
    }

    fn consent(&self, customer: &Customer, purpose: &Purpose, channel: Channel, now: Timestamp) -> Option<Consent> {
        let stands = customer.consent(self.plan.purposes.get(&purpose.name)?, channel.word(), now);
        let said = stands.said;
        let source = match stands.done {
            Some(done) => Some(done.event.into()),
            None => said.and_then(|said| said.source.clone()),
        };
        Some(Consent {
            purpose: purpose.name.clone(),
            channel,
            status: stands.state.word(),
            since: stands.since(),
            until: stands.until,
            basis: stands.basis().map(Arc::from),
            source,
            text_version: said.and_then(|said| said.text_version.clone()),
        })
    }

    fn cap_uses(&self, person: CustomerId, zone: &domain::Zone) -> Vec<CapUse> {
        let marks = self.marks_of(person);
        let default = marketing();
        let nobody = Name::parse("none").expect("a literal that fits the grammar");
        let mut uses = Vec::new();
        for cap in &self.definitions.settings.caps {
            let purpose = cap.purpose.as_ref().unwrap_or(&default);
            let asking = Asking {
                campaign: &nobody,
                purpose,
                channel: cap.channel.unwrap_or(Channel::Email),
                zone,
                now: self.clock,
            };
            if concerns(cap, false, asking) {
                let per = match cap.window {
                    CapWindow::Per(span) => span.to_string(),
                    CapWindow::PerDays(1) => "local day".to_owned(),
                    CapWindow::PerDays(days) => format!("{days} local days"),
                };
                let used = counted(cap, false, &marks, asking).len() as u64;
                uses.push(CapUse { purpose: purpose.clone(), channel: cap.channel, per, used, at_most: cap.at_most });
            }
        }
        uses
    }

    fn quiet_hours(&self, zone: &domain::Zone, now: Timestamp) -> Option<Quiet> {
        let hours = self.definitions.settings.quiet_hours.as_ref()?;
        let clock = |time: jiff::civil::Time| format!("{:02}:{:02}", time.hour(), time.minute());
        let now_until = hours.purposes.first().and_then(|purpose| quiet_until(hours, purpose, zone, now));
        Some(Quiet { from: clock(hours.from), to: clock(hours.to), now_until })
    }

    fn insides(&self, person: CustomerId) -> Vec<Inside> {
        let journeys = self.journeys_of.get(&person).into_iter().flatten().filter_map(|id| self.journeys.get(id));
        let inside = journeys.filter(|journey| journey.stage.is_inside()).map(|journey| {
            let prepared =
                self.campaigns.get(&journey.campaign).map(|campaigning| campaigning.version(journey.version));
            let step = prepared
                .and_then(|prepared| prepared.program.at(journey.step))
                .map_or_else(|| (journey.step + 1).to_string(), |place| place.id.clone());
            Inside {
                campaign: journey.campaign.clone(),
                title: self.campaign_title(&journey.campaign),
                key: journey.key.clone(),
                entered_at: journey.entered_at,
                step,
                stage: journey.stage.word(),
                until: journey.until,
            }
        });
        inside.collect()
    }

    /// Others with the same e-mail address whom nobody has called another person. O(customers).
    fn same_address(&self, person: CustomerId, ledger: Option<&Ledger>) -> Vec<Who> {
        let Some(address) = self.address_of(person, Channel::Email) else { return Vec::new() };
        let own = self.ids_of_person(person);
        // Most addresses differ at first sight, and need no taking apart. Lower case keeps the length of ASCII.
        let looks_same = |id: &CustomerId| {
            let email = self
                .customers
                .get(*id)
                .and_then(|customer| customer.traits.get("email", self.clock))
                .and_then(Value::as_str);
            email.is_some_and(|email| {
                (email.len() == address.len() || !email.is_ascii()) && email.to_lowercase() == address.to_lowercase()
            })
        };
        let same = |other: &CustomerId| {
            *other != person && looks_same(other) && self.address_of(*other, Channel::Email).as_ref() == Some(&address)
        };
        let asked =
            |other: &CustomerId| ledger.is_none_or(|ledger| !ledger.is_declined(&own, &self.ids_of_person(*other)));
        let mut others: Vec<CustomerId> = self.customers.ids().filter(same).filter(asked).collect();
        others.sort_unstable();
        others.truncate(PROPOSALS);
        others.into_iter().map(|other| self.who(other)).collect()
    }

    /// The segment's title, else its name.
    pub fn segment_title(&self, name: &Name) -> String {
        let title = self.definitions.segments.get(name).and_then(|segment| segment.title.clone());
        title.unwrap_or_else(|| name.as_str().to_owned())
    }

    /// The campaign's title, else its name.
    pub fn campaign_title(&self, name: &Name) -> String {
        let title = self.definitions.campaigns.get(name).and_then(|campaign| campaign.title.clone());
        title.unwrap_or_else(|| name.as_str().to_owned())
    }
}

/// Whether a text holds another that is in lower case already.
fn holds(text: &str, wanted: &str) -> bool {
    if text.len() < wanted.len() && text.is_ascii() {
        return false;
    }
    if text.is_ascii() && wanted.is_ascii() {
        return text.as_bytes().windows(wanted.len()).any(|piece| piece.eq_ignore_ascii_case(wanted.as_bytes()));
    }
    text.to_lowercase().contains(wanted)
}

/// How long a span is, in days, rounded to at least one.
pub fn whole_days(span: Span) -> u64 {
    u64::try_from((span.0 + Span::DAY.0 / 2) / Span::DAY.0).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_search_does_not_mind_case_in_any_script() {
        assert!(holds("Ana@Example.org", "ana@ex"));
        assert!(holds("ÉMILE", "émi"));
        assert!(holds("Straße", "straße"));
        assert!(!holds("ana", "anna"));
        assert!(!holds("", "a"));
    }
}
