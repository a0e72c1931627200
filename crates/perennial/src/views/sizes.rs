//! Sizes of segments over time: one walk over all of the past for all segments, at most once a minute.

use super::{EngineViews, House};
use crate::pages::PageError;
use crate::pages::chart::SizePoint;
use crate::pages::text::Count;
use domain::{Name, Position, Timestamp};
use engine::report::Snapshot;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::StoreError;

/// For so long a walk is good enough; the present is counted live.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Up to so many calls the page waits for the walk; beyond, it shows what there is and the walk goes on beside it.
const WAITED_FOR: u64 = 400_000;
/// Local days of the small curve in the list.
const DAYS: i64 = 30;
/// Points of the large curve.
const POINTS: i64 = 40;

/// The last walk.
#[derive(Default)]
pub(super) struct Sizes {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Arc<Walk>>,
    is_walking: bool,
}

/// What a walk found.
pub(super) struct Walk {
    versions: Vec<(Name, u32)>,
    position: Position,
    made: Instant,
    days: BTreeMap<Date, usize>,
    week_ago: usize,
    plot: Vec<Date>,
    sizes: BTreeMap<Name, Vec<u64>>,
}

impl Walk {
    /// Members at the end of each of the last 30 local days, oldest first; today: `now`.
    pub(super) fn last_days(&self, segment: &Name, now: u64) -> Vec<Count> {
        let Some(sizes) = self.sizes.get(segment) else { return Vec::new() };
        let last: Vec<usize> = self.days.values().rev().take(DAYS as usize).copied().collect();
        let mut counts: Vec<Count> = last.into_iter().rev().map(|place| Count(sizes[place])).collect();
        if let Some(today) = counts.last_mut() {
            *today = Count(now);
        }
        counts
    }

    /// Members seven days ago.
    pub(super) fn week_ago(&self, segment: &Name) -> Option<u64> {
        self.sizes.get(segment).map(|sizes| sizes[self.week_ago])
    }

    /// Members at the end of evenly spaced local days since the first event, oldest first; today: `now`.
    pub(super) fn points(&self, segment: &Name, now: u64) -> Vec<SizePoint> {
        let Some(sizes) = self.sizes.get(segment) else { return Vec::new() };
        let point = |day: &Date| SizePoint { day: *day, members: Count(sizes[self.days[day]]) };
        let mut points: Vec<SizePoint> = self.plot.iter().map(point).collect();
        if let Some(today) = points.last_mut() {
            today.members = Count(now);
        }
        points
    }
}

/// What a walk needs, taken from the engine.
struct Plan {
    snapshot: Snapshot,
    versions: Vec<(Name, u32)>,
    zone: TimeZone,
    first: Timestamp,
}

impl<H: House> EngineViews<H> {
    /// The last walk if it is good enough; never waits for one.
    pub(super) fn sizes_at_hand(&self) -> Option<Arc<Walk>> {
        let (position, versions) = {
            let engine = self.house.read();
            let versions = engine.segments().into_iter().map(|row| (row.segment, row.version)).collect::<Vec<_>>();
            (engine.position(), versions)
        };
        let state = self.sizes.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.last.clone().filter(|last| last.versions == versions)?;
        let is_good = last.position == position || position.0 > WAITED_FOR;
        (is_good && last.made.elapsed() < GOOD_FOR).then_some(last)
    }

    /// Sizes over time; none while the first walk over a long past is still on its way.
    pub(super) fn sizes(&self) -> Result<Option<Arc<Walk>>, PageError> {
        let (position, versions) = {
            let engine = self.house.read();
            let versions = engine.segments().into_iter().map(|row| (row.segment, row.version)).collect::<Vec<_>>();
            (engine.position(), versions)
        };
        let stale = {
            let mut state = self.sizes.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = state.last.clone().filter(|last| last.versions == versions)
                && (last.position == position || position.0 > WAITED_FOR)
                && last.made.elapsed() < GOOD_FOR
            {
                return Ok(Some(last));
            }
            let is_long = position.0 > WAITED_FOR;
            if is_long && state.is_walking {
                return Ok(state.last.clone());
            }
            state.is_walking = true;
            is_long.then(|| state.last.clone())
        };
        let (house, sizes) = (self.house.clone(), self.sizes.clone());
        match stale {
            None => walk_and_keep(house.as_ref(), &sizes).map(Some).map_err(super::broken),
            Some(stale) => {
                std::thread::spawn(move || {
                    if let Err(error) = walk_and_keep(house.as_ref(), &sizes) {
                        tracing::warn!("sizes of segments could not be worked out: {error}");
                    }
                });
                Ok(stale)
            }
        }
    }
}

fn walk_and_keep(house: &impl House, sizes: &Sizes) -> Result<Arc<Walk>, StoreError> {
    let walk = plan(house).and_then(|plan| walk(house, plan));
    let mut state = sizes.state.lock().unwrap_or_else(PoisonError::into_inner);
    state.is_walking = false;
    let walk = Arc::new(walk?);
    state.last = Some(walk.clone());
    Ok(walk)
}

fn plan(house: &impl House) -> Result<Plan, StoreError> {
    let engine = house.read();
    let versions = engine.segments().into_iter().map(|row| (row.segment, row.version)).collect();
    Ok(Plan {
        snapshot: engine.snapshot(),
        versions,
        zone: super::words::zone(&engine),
        first: engine.first_seen().unwrap_or(engine.clock()),
    })
}

fn walk(house: &impl House, plan: Plan) -> Result<Walk, StoreError> {
    let Plan { snapshot, versions, zone, first } = plan;
    let today = snapshot.clock.as_jiff().to_zoned(zone.clone()).date();
    let start = first.as_jiff().to_zoned(zone.clone()).date();
    let (plot, mut wanted) = days(start, today);
    wanted.sort_unstable();
    wanted.dedup();
    let week_ago = snapshot.clock.minus(domain::Span::days(7));
    let mut instants: Vec<Timestamp> = wanted.iter().map(|day| end_of(*day, &zone).min(snapshot.clock)).collect();
    instants.push(week_ago);
    // The walk asks in the order of time; the places find their way back.
    let mut order: Vec<usize> = (0..instants.len()).collect();
    order.sort_by_key(|place| instants[*place]);
    let ascending: Vec<Timestamp> = order.iter().map(|place| instants[*place]).collect();
    let found = house.with_reader(|reader| snapshot.sizes(reader, &ascending))?;
    let mut place_of = vec![0; order.len()];
    for (sorted, place) in order.iter().enumerate() {
        place_of[*place] = sorted;
    }
    Ok(Walk {
        versions,
        position: snapshot.position,
        made: Instant::now(),
        days: wanted.iter().enumerate().map(|(place, day)| (*day, place_of[place])).collect(),
        week_ago: place_of[wanted.len()],
        plot,
        sizes: snapshot.segments().cloned().zip(found).collect(),
    })
}

/// Evenly spaced days from about the first event to today, and all days that are asked about.
fn days(start: Date, today: Date) -> (Vec<Date>, Vec<Date>) {
    let before = |days: i64| domain::time::add_days(today, -days);
    let age = i64::from((today - start).get_days()).max(0);
    // Steps are whole days and end today, so the first day may lie a little before the first event.
    let step = ((age + POINTS - 2) / (POINTS - 1)).max(1);
    let count = (age + step - 1) / step + 1;
    let plot: Vec<Date> = (0..count).rev().map(|place| before(place * step)).collect();
    let wanted = plot.iter().copied().chain((0..DAYS).map(before)).collect();
    (plot, wanted)
}

/// The last millisecond of a local day.
fn end_of(day: Date, zone: &TimeZone) -> Timestamp {
    let next = domain::time::add_days(day, 1).to_zoned(zone.clone());
    next.map_or(domain::time::LATEST, |start| Timestamp(start.timestamp().as_millisecond() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_evenly_spaced_days_that_end_today() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        let (plot, wanted) = days(date("2026-11-20"), date("2026-11-22"));
        assert_eq!(plot, [date("2026-11-20"), date("2026-11-21"), date("2026-11-22")]);
        assert_eq!(wanted.len(), 33);
        let (plot, _) = days(date("2024-11-22"), date("2026-11-22"));
        assert!((30..=40).contains(&plot.len()), "{}", plot.len());
        assert_eq!(plot.last(), Some(&date("2026-11-22")));
        let gaps: Vec<i32> = plot.windows(2).map(|pair| (pair[1] - pair[0]).get_days()).collect();
        assert!(gaps.iter().all(|gap| *gap == gaps[0]), "{gaps:?}");
        let (plot, _) = days(date("2026-11-22"), date("2026-11-22"));
        assert_eq!(plot.len(), 1);
    }
}
