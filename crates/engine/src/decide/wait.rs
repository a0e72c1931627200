//! Waits: for a time, for something to happen, for a local time of the week, for the customer's best hour.

use crate::decide::journey::Then;
use crate::decide::program::Place;
use crate::segment::{Node, Touch, Verdict};
use crate::state::Engine;
use crate::timers::Timer;
use domain::campaign::{Action, Wait};
use domain::time::LATEST;
use domain::{CustomerId, Span, Timestamp, Zone};
use jiff::civil::DateTime;
use std::sync::Arc;
use store::{Journey, Stage};

impl Engine {
    pub(crate) fn begin_wait(&mut self, id: &Arc<str>, wait: &Wait, place: &Place, habits: &[u32], next: u32) -> Then {
        let now = self.clock;
        let Some(journey) = self.journeys.get(id) else { return Then::Stay };
        let person = self.person(journey.customer);
        let until = match wait {
            Wait::For(span) => now.plus(*span),
            Wait::Until { at_most, .. } => {
                let holds = |rule: &Node| self.verdict_inside(journey, rule, Some(now)).is_some_and(|it| it.holds);
                if place.until.as_ref().is_some_and(holds) {
                    now
                } else {
                    at_most.map_or(LATEST, |span| now.plus(span))
                }
            }
            Wait::Local(local) => local.next_from(now, &self.zone_of(person)),
            Wait::BestTime(within) => self.best_time(person, habits, *within),
        };
        if until <= now {
            return Then::Go(next);
        }
        let Some(journey) = self.journeys.get_mut(id) else { return Then::Stay };
        journey.stage = Stage::Waiting;
        (journey.until, journey.waits_since) = (Some(until), Some(now));
        self.set_journey_timer(id, until);
        self.save_journey(id);
        if matches!(wait, Wait::Until { .. }) {
            // What ends the wait may come by time alone: the customer's timer must know.
            self.work.touched.add(person, Touch::all());
        }
        Then::Stay
    }

    pub(crate) fn set_journey_timer(&mut self, id: &Arc<str>, at: Timestamp) {
        if at < LATEST {
            self.timers.insert(at, Timer::Journey(id.clone()));
        }
    }

    fn place_of(&self, journey: &Journey) -> Option<&Place> {
        self.campaigns.get(&journey.campaign)?.version(journey.version).program.at(journey.step)
    }

    /// Whether what a journey waits for has happened since the wait began.
    pub(crate) fn until_verdict(&self, journey: &Journey) -> Option<Verdict> {
        if journey.stage != Stage::Waiting {
            return None;
        }
        let rule = self.place_of(journey)?.until.as_ref()?;
        self.verdict_inside(journey, rule, journey.waits_since)
    }

    /// Ends the waits of a customer that what happened ends, and moves those whose local time has moved. Waits run on in a
    /// pause too.
    pub(crate) fn watch_waits(&mut self, id: CustomerId) {
        let Some(journeys) = self.journeys_of.get(&id) else { return };
        let now = self.clock;
        let mut moved = Vec::new();
        for journey in journeys.iter().filter_map(|journey| self.journeys.get(journey)) {
            let Some(until) = journey.until.filter(|until| journey.stage == Stage::Waiting && *until > now) else {
                continue;
            };
            if self.until_verdict(journey).is_some_and(|verdict| verdict.holds) {
                moved.push((journey.id.clone(), now));
            } else if let Some(Action::Wait(Wait::Local(local))) = self.place_of(journey).map(|place| &place.action) {
                let local = local.next_from(now, &self.zone_of(id));
                if local != until {
                    moved.push((journey.id.clone(), local));
                }
            }
        }
        for (id, until) in moved {
            if let Some(journey) = self.journeys.get_mut(&id) {
                journey.until = Some(until);
            }
            self.save_journey(&id);
            if until <= now {
                self.work.steps.insert(id);
            } else {
                self.set_journey_timer(&id, until);
            }
        }
    }

    /// The beginning of the hour within `within` at which the customer was most often there; at a tie the one that comes
    /// first. The present hour counts as now. Of somebody never seen there: now.
    fn best_time(&self, person: CustomerId, habits: &[u32], within: Span) -> Timestamp {
        let now = self.clock;
        let Some(customer) = self.customers.get(person) else { return now };
        let times = habits.iter().flat_map(|stream| customer.streams.entries(*stream)).map(|entry| entry.order.0);
        best_hour(times.filter(|at| *at <= now), within, &self.zone_of(person), now)
    }
}

fn best_hour(times: impl Iterator<Item = Timestamp>, within: Span, zone: &Zone, now: Timestamp) -> Timestamp {
    let mut counts = [0_u32; 24];
    let hour_of = |local: DateTime| usize::try_from(local.hour()).unwrap_or_default();
    for at in times {
        counts[hour_of(zone.local(at))] += 1;
    }
    let this_hour = zone.local(now).date().to_datetime(jiff::civil::time(zone.local(now).hour(), 0, 0, 0));
    let mut best = (now, counts[hour_of(this_hour)]);
    // A day has every hour once, and an hour that changed clocks leave out is asked again the day after.
    for ahead in 1..=48 {
        let Ok(hour) = this_hour.checked_add(jiff::Span::new().hours(ahead)) else { break };
        let at = zone.at(hour);
        if at > now.plus(within) {
            break;
        }
        let count = counts[hour_of(hour)];
        if count > best.1 && zone.local(at).hour() == hour.hour() {
            best = (at, count);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(times: &[&str], within: Span, zone: &str, now: &str) -> String {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        best_hour(times.iter().map(|text| at(text)), within, &Zone::find(zone).unwrap(), at(now)).to_string()
    }

    #[test]
    fn the_best_hour_is_the_one_of_most_visits_that_lies_within_the_time() {
        let evenings = ["2026-02-01T19:05:00Z", "2026-02-02T19:55:00Z", "2026-02-03T07:10:00Z"];
        assert_eq!(best(&evenings, Span::hours(24), "UTC", "2026-03-02T12:00:00Z"), "2026-03-02T19:00:00Z");
        assert_eq!(best(&evenings, Span::hours(6), "UTC", "2026-03-02T12:00:00Z"), "2026-03-02T12:00:00Z");
        assert_eq!(best(&evenings, Span::hours(24), "UTC", "2026-03-02T20:00:00Z"), "2026-03-03T19:00:00Z");
        assert_eq!(best(&evenings, Span::hours(12), "UTC", "2026-03-02T20:00:00Z"), "2026-03-03T07:00:00Z");
        assert_eq!(best(&evenings, Span::hours(24), "UTC", "2026-03-02T19:30:00Z"), "2026-03-02T19:30:00Z");
        assert_eq!(best(&evenings, Span::hours(24), "Asia/Tokyo", "2026-03-02T12:00:00Z"), "2026-03-02T19:00:00Z");
        assert_eq!(best(&[], Span::hours(24), "UTC", "2026-03-02T12:00:00Z"), "2026-03-02T12:00:00Z");
    }
}
