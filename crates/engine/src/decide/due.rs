//! Entries by time: dates of traits and of records, what is missing by then, and schedules.
//!
//! Nothing polls: the next instant of a date is part of the customer's one timer, and a schedule has one of its own. Both are
//! worked out from the live state, so that a start sets them again. Up to the engine's clock everything has been let in.

use crate::profile::Customer;
use crate::profile::records::Record;
use crate::segment::test::{Subject, earlier};
use crate::segment::verdict::Asked;
use crate::segment::{Scope, Touch, Verdict};
use crate::state::{Campaigning, Engine, KnownDate, Triggered};
use crate::timers::Timer;
use domain::campaign::{OnDate, OnRecord, State, Trigger};
use domain::time::{add_days, day_of_year, month_and_day};
use domain::{CustomerId, Name, Span, Timestamp, Zone};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::RecordKey;

/// Years that are looked through for the next day of a date; 29 February counts as 1 March, so that every year has one.
const YEARS: i16 = 3;

impl Engine {
    /// Lets in whom a date lets in at this instant, of what `touch` may have moved.
    pub(crate) fn trigger_by_time(&mut self, id: CustomerId, touch: &Touch) {
        let now = self.clock;
        let Some(customer) = self.customers.get(id) else { return };
        let zone_moved = touch.may_move();
        let mut found = Vec::new();
        let mut known = Vec::new();
        for (name, campaigning) in &self.campaigns {
            let runs = campaigning.current.campaign.state == State::Running;
            match &campaigning.current.campaign.enter.on {
                Trigger::Date(on) => {
                    let is_touched = touch.traits.iter().any(|key| Some(key.as_ref()) == on.path.first());
                    if !runs || !(zone_moved || is_touched) {
                        continue;
                    }
                    let zone = customer.zone(now, &self.definitions.settings.zone);
                    if let Some((_, day)) = next_date(customer, on, &zone, now, now).filter(|(at, _)| *at == now) {
                        let occasion = Some(day.to_string());
                        found.push(Triggered { occasion, ..Triggered::of(name.clone(), id) });
                    }
                }
                Trigger::Record(on) => {
                    let is_touched = touch.records.iter().any(|kind| kind.as_ref() == on.kind);
                    if !(zone_moved || is_touched) {
                        continue;
                    }
                    let dates = self.dates_of(customer, on);
                    if runs {
                        let before = self.known_dates.get(&(name.clone(), id));
                        for (record, date) in &dates {
                            let is_known = before.and_then(|before| before.get(record)) == Some(date);
                            if self.lets_in_for(campaigning, on, id, customer, record, date, is_known) {
                                let record = RecordKey { kind: on.kind.as_str().into(), id: record.clone() };
                                let occasion = Some(date.written.clone());
                                let triggered = Triggered::of(name.clone(), id);
                                found.push(Triggered { record: Some(record), occasion, ..triggered });
                            }
                        }
                    }
                    known.push((name.clone(), dates));
                }
                _ => {}
            }
        }
        for (name, dates) in known {
            self.know_dates(name, id, dates);
        }
        for triggered in found {
            self.trigger_once(triggered);
        }
    }

    /// At one instant a date lets somebody in once, however often it is asked.
    fn trigger_once(&mut self, triggered: Triggered) {
        if self.let_in.0 != self.clock {
            self.let_in = (self.clock, BTreeSet::new());
        }
        let key = triggered.record.as_ref().map(|record| record.id.to_string());
        if self.let_in.1.insert((triggered.campaign.clone(), triggered.customer, key)) {
            self.work.triggers.push(triggered);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one record of one customer, as one campaign sees it")]
    fn lets_in_for(
        &self,
        campaigning: &Campaigning,
        on: &OnRecord,
        id: CustomerId,
        customer: &Customer,
        record: &str,
        date: &KnownDate,
        is_known: bool,
    ) -> bool {
        let now = self.clock;
        let instant = date.at.plus(on.shift);
        // A date that was known when its instant came has had its turn; a new one is still of use while it lies ahead.
        let at_once = !on.is_overdue && !is_known && instant < now && date.at > now;
        if !(instant == now || at_once) {
            return false;
        }
        let Some(record) = customer.records.find(&on.kind, record) else { return false };
        !self.is_spared(campaigning.version(campaigning.facts.version), id, customer, record).holds
    }

    /// Whether a record satisfies `unless`, or what must be missing is there; and when that may differ.
    fn is_spared(
        &self,
        prepared: &crate::decide::prepared::Prepared,
        id: CustomerId,
        customer: &Customer,
        record: &Record,
    ) -> Verdict {
        let now = self.clock;
        let mut spared = Verdict::fixed(false);
        if let Some(unless) = prepared.unless.as_ref().filter(|unless| !unless.is_malformed()) {
            let zone = customer.zone(now, &self.definitions.settings.zone);
            let answer = unless.ask_of(Subject::Record(record), now, &zone);
            spared = Verdict { holds: spared.holds || answer.holds, check: earlier(spared.check, answer.check) };
        }
        if let Some(absent) = &prepared.absent {
            let scope = Scope { record: Some(record), ..Scope::default() };
            let asked = Asked { scope, ..Asked::of(&self.plan, id, customer, now) };
            let verdict = asked.verdict(absent);
            spared = Verdict { holds: spared.holds || verdict.holds, check: earlier(spared.check, verdict.check) };
        }
        spared
    }

    /// Whether what somebody is inside for is no longer so: the record is gone, its date moved, or it is spared.
    pub(crate) fn record_verdict(&self, journey: &store::Journey, id: CustomerId) -> Option<Verdict> {
        let key = journey.record.as_ref()?;
        let prepared = self.campaigns.get(&journey.campaign)?.version(journey.version);
        let Trigger::Record(on) = &prepared.campaign.enter.on else { return None };
        let (customer, now) = (self.customers.get(id)?, self.clock);
        let Some(record) = customer.records.find(&key.kind, &key.id).filter(|record| record.is_had(now)) else {
            return Some(Verdict::fixed(true));
        };
        let zone = customer.zone(now, &self.definitions.settings.zone);
        let written = record.find(&on.date, now).and_then(|value| value.as_str());
        let instant = |text: Option<&str>| text.and_then(|text| Timestamp::parse_in(text, &zone));
        let moved = instant(written) != instant(journey.occasion.as_deref());
        let spared = self.is_spared(prepared, id, customer, record);
        let check = earlier(spared.check, customer.records.next_change(&key.kind, now));
        Some(Verdict { holds: moved || spared.holds, check })
    }

    /// The dates of the records that a customer has.
    fn dates_of(&self, customer: &Customer, on: &OnRecord) -> BTreeMap<Arc<str>, KnownDate> {
        let now = self.clock;
        let zone = customer.zone(now, &self.definitions.settings.zone);
        let dates = customer.records.of_kind(&on.kind, now).filter_map(|record| {
            let written = record.find(&on.date, now)?.as_str()?;
            let at = Timestamp::parse_in(written, &zone)?;
            Some((record.id.clone(), KnownDate { written: written.to_owned(), at }))
        });
        dates.collect()
    }

    fn know_dates(&mut self, campaign: Name, id: CustomerId, dates: BTreeMap<Arc<str>, KnownDate>) {
        if dates.is_empty() {
            self.known_dates.remove(&(campaign, id));
        } else {
            self.known_dates.insert((campaign, id), dates);
        }
    }

    /// Looks at all dates without letting anybody in: at a start they were seen before, and of those that are there when a
    /// campaign begins the instants that have passed are none of its business. O(customers · such campaigns).
    pub(crate) fn know_all_dates(&mut self) {
        self.known_dates.clear();
        let mut known = Vec::new();
        for (name, campaigning) in &self.campaigns {
            let Trigger::Record(on) = &campaigning.current.campaign.enter.on else { continue };
            known.extend(self.customers.iter().map(|(id, customer)| (name.clone(), id, self.dates_of(customer, on))));
        }
        for (name, id, dates) in known {
            self.know_dates(name, id, dates);
        }
    }

    /// Two people who turned out to be one know what either knew.
    pub(crate) fn rejoin_dates(&mut self, stays: CustomerId, goes: CustomerId) {
        let names: Vec<Name> = self.campaigns.keys().cloned().collect();
        for name in names {
            if let Some(theirs) = self.known_dates.remove(&(name.clone(), goes)) {
                let own = self.known_dates.entry((name, stays)).or_default();
                for (record, date) in theirs {
                    own.entry(record).or_insert(date);
                }
            }
        }
    }

    /// When a date lets a customer in next, or a call dated ahead moves one.
    pub(crate) fn entries_due(&self, asked: &Asked<'_>) -> Option<Timestamp> {
        let (customer, now) = (asked.customer, asked.now);
        let mut due = None;
        for campaigning in self.campaigns.values() {
            let campaign = &campaigning.current.campaign;
            let zone_change = || customer.traits.next_change("timezone", now);
            match &campaign.enter.on {
                Trigger::Date(on) if campaign.state == State::Running => {
                    let zone = asked.zone();
                    let next = next_date(customer, on, &zone, now, now.plus(Span(1)));
                    due = earlier(due, next.map(|(at, _)| at));
                    due = earlier(due, customer.traits.next_change(on.path.first().unwrap_or_default(), now));
                    due = earlier(due, zone_change());
                }
                Trigger::Record(on) => {
                    let instants = self.dates_of(customer, on).into_values().map(|date| date.at.plus(on.shift));
                    due = earlier(due, instants.filter(|at| *at > now).min());
                    due = earlier(due, customer.records.next_change(&on.kind, now));
                    due = earlier(due, zone_change());
                }
                Trigger::Every(on) if on.in_own_zone => due = earlier(due, zone_change()),
                _ => {}
            }
        }
        due
    }

    /// Sets the timers of all schedules anew, each at its next instant. O(customers) where their own zones count.
    pub(crate) fn set_schedules(&mut self) {
        for ((campaign, zone), due) in std::mem::take(&mut self.schedules) {
            self.timers.remove(due, Timer::Schedule(campaign, zone));
        }
        let mut places = Vec::new();
        for (name, campaigning) in &self.campaigns {
            let Trigger::Every(on) = &campaigning.current.campaign.enter.on else { continue };
            if campaigning.current.campaign.state != State::Running {
                continue;
            }
            if on.in_own_zone {
                let workspace = &self.definitions.settings.zone;
                let zones: BTreeSet<String> = self
                    .customers
                    .values()
                    .map(|customer| customer.zone(self.clock, workspace).name().to_owned())
                    .collect();
                places.extend(zones.into_iter().map(|zone| (name.clone(), Some(zone))));
            } else {
                places.push((name.clone(), None));
            }
        }
        for (campaign, zone) in places {
            self.set_schedule(campaign, zone);
        }
    }

    fn set_schedule(&mut self, campaign: Name, zone: Option<String>) {
        let Some(campaigning) = self.campaigns.get(&campaign) else { return };
        let Trigger::Every(on) = &campaigning.current.campaign.enter.on else { return };
        let local = zone.as_deref().and_then(Zone::find);
        let local = local.as_ref().unwrap_or(&self.definitions.settings.zone);
        let started = campaigning.facts.started_at;
        let Some((due, _)) = on.schedule.next_after(self.clock, started, local) else { return };
        self.timers.insert(due, Timer::Schedule(campaign.clone(), zone.clone()));
        self.schedules.insert((campaign, zone), due);
    }

    /// Somebody may be the first in their zone.
    pub(crate) fn ensure_schedules(&mut self, id: CustomerId, touch: &Touch) {
        if !touch.may_move() {
            return;
        }
        let Some(customer) = self.customers.get(id) else { return };
        let mut missing = Vec::new();
        for (name, campaigning) in &self.campaigns {
            let Trigger::Every(on) = &campaigning.current.campaign.enter.on else { continue };
            if on.in_own_zone && campaigning.current.campaign.state == State::Running {
                let zone = customer.zone(self.clock, &self.definitions.settings.zone);
                let place = (name.clone(), Some(zone.name().to_owned()));
                if !self.schedules.contains_key(&place) {
                    missing.push(place);
                }
            }
        }
        for (campaign, zone) in missing {
            self.set_schedule(campaign, zone);
        }
    }

    /// A schedule comes: everybody in its zone may enter. O(customers).
    pub(crate) fn schedule_comes(&mut self, campaign: &Name, zone: Option<&str>, due: Timestamp) {
        let place = (campaign.clone(), zone.map(str::to_owned));
        if self.schedules.get(&place) != Some(&due) {
            return;
        }
        self.schedules.remove(&place);
        let workspace = self.definitions.settings.zone.clone();
        let local = zone.and_then(Zone::find).unwrap_or_else(|| workspace.clone());
        let occasion = local.local(due).to_string();
        let is_there = |customer: &Customer| match zone {
            Some(zone) => customer.zone(due, &workspace).name() == zone,
            None => true,
        };
        let mut there: Vec<CustomerId> =
            self.customers.iter().filter(|(_, customer)| is_there(customer)).map(|(id, _)| id).collect();
        there.sort_unstable();
        for id in there {
            let occasion = Some(occasion.clone());
            self.work.triggers.push(Triggered { occasion, ..Triggered::of(campaign.clone(), id) });
        }
        self.set_schedule(place.0, place.1);
    }
}

/// The first instant from `from` on for the date of a customer's trait, with the day it is for.
///
/// A date without a year, or with a past one, comes again every year unless `yearly: false`; a date ahead comes first in
/// its own year.
fn next_date(
    customer: &Customer,
    on: &OnDate,
    zone: &Zone,
    now: Timestamp,
    from: Timestamp,
) -> Option<(Timestamp, Date)> {
    let text = customer.traits.find(&on.path, now)?.as_str()?;
    let (year, month, day) = match month_and_day(text) {
        Some((month, day)) => (None, month, day),
        None => {
            let date = zone.date(Timestamp::parse_in(text, zone)?);
            (Some(date.year()), date.month(), date.day())
        }
    };
    let in_year = |year: i16| {
        let date = day_of_year(year, month, day)?;
        Some((zone.at(add_days(date, on.days).to_datetime(on.at)), date))
    };
    let first_from = |from: Timestamp| {
        let first = add_days(zone.date(from), -on.days).year().saturating_sub(1);
        let first = year.map_or(first, |year| first.max(year));
        (first..=first.saturating_add(YEARS)).filter_map(in_year).find(|(at, _)| *at >= from)
    };
    match (year, on.yearly) {
        (Some(year), false) => in_year(year).filter(|(at, _)| *at >= from),
        (_, true) => first_from(from),
        // A day without a year that comes once comes the first time after it was said.
        (None, false) => {
            let said = customer.traits.since(on.path.first()?, now)?;
            first_from(said).filter(|(at, _)| *at >= from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Path;

    fn next(value: &str, days: i64, yearly: bool, zone: &str, said: &str, from: &str) -> String {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let mut customer = Customer::new(at(said));
        let traits = serde_json::json!({ "birthday": value });
        let horizons = std::collections::HashMap::new();
        let proof = |_: &str| crate::profile::customer::Proof::Proven;
        customer.traits.merge(traits.as_object().unwrap(), (at(said), 1), at(said), &horizons, &proof);
        let on = OnDate { path: Path::new("birthday"), days, at: jiff::civil::time(9, 0, 0, 0), yearly };
        let found = next_date(&customer, &on, &Zone::find(zone).unwrap(), at(from), at(from));
        found.map_or_else(|| "never".to_owned(), |(at, _)| at.to_string())
    }

    #[test]
    fn a_birthday_comes_every_year_by_the_local_clock() {
        let ask = |value, zone, from| next(value, -3, true, zone, "2026-01-01T00:00:00Z", from);
        assert_eq!(ask("1990-06-15", "Europe/London", "2026-06-01T00:00:00Z"), "2026-06-12T08:00:00Z");
        assert_eq!(ask("06-15", "Asia/Tokyo", "2026-06-01T00:00:00Z"), "2026-06-12T00:00:00Z");
        assert_eq!(ask("06-15", "Asia/Tokyo", "2026-06-12T00:00:00.001Z"), "2027-06-12T00:00:00Z");
        assert_eq!(ask("01-02", "UTC", "2026-06-01T00:00:00Z"), "2026-12-30T09:00:00Z");
        assert_eq!(ask("1992-02-29", "UTC", "2026-01-01T00:00:00Z"), "2026-02-26T09:00:00Z");
        assert_eq!(ask("1992-02-29", "UTC", "2028-01-01T00:00:00Z"), "2028-02-26T09:00:00Z");
        // A day is the customer's own: half past eleven at night in UTC is the next day in Seoul.
        assert_eq!(ask("2000-03-01T23:30:00Z", "Asia/Seoul", "2026-01-01T00:00:00Z"), "2026-02-27T00:00:00Z");
        assert_eq!(ask("soon", "UTC", "2026-01-01T00:00:00Z"), "never");
    }

    #[test]
    fn a_date_ahead_comes_first_in_its_own_year_and_once_where_it_is_not_yearly() {
        let ask = |value, yearly, from| next(value, 0, yearly, "UTC", "2026-01-10T00:00:00Z", from);
        assert_eq!(ask("2028-05-01", true, "2026-06-01T00:00:00Z"), "2028-05-01T09:00:00Z");
        assert_eq!(ask("2028-05-01", true, "2028-05-02T00:00:00Z"), "2029-05-01T09:00:00Z");
        assert_eq!(ask("2028-05-01", false, "2026-06-01T00:00:00Z"), "2028-05-01T09:00:00Z");
        assert_eq!(ask("2028-05-01", false, "2028-05-02T00:00:00Z"), "never");
        assert_eq!(ask("2024-05-01", false, "2026-06-01T00:00:00Z"), "never");
        assert_eq!(ask("05-01", false, "2026-01-10T00:00:00Z"), "2026-05-01T09:00:00Z");
        assert_eq!(ask("05-01", false, "2026-06-01T00:00:00Z"), "never");
    }
}
