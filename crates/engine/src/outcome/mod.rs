//! What came of it: goal events inside the window, by side of the comparison.

mod reactions;

use crate::state::{Engine, GoalEvent};
use domain::{Currency, Money};

impl Engine {
    /// Counts a goal event for the exposure of its journey. Events at or before the exposure do not count.
    pub(crate) fn count_goal(&mut self, goal: &GoalEvent) {
        let workspace = self.definitions.settings.currency;
        let Some(journey) = self.journeys.get(&goal.journey) else { return };
        let person = self.person(journey.customer);
        let Some(exposure) =
            self.exposures.get_mut(&person).into_iter().flatten().find(|exposure| exposure.journey == goal.journey)
        else {
            return;
        };
        if goal.at <= exposure.at || goal.at > exposure.until {
            return;
        }
        exposure.goals = exposure.goals.saturating_add(1);
        exposure.came_back_at = Some(exposure.came_back_at.map_or(goal.at, |first| first.min(goal.at)));
        if let Some((amount, currency)) = &goal.worth {
            let currency = currency.as_deref().and_then(Currency::parse).unwrap_or(workspace);
            if let Some(worth) = Money::from_major(*amount, currency) {
                // Beyond twenty currencies in one window the counts still stand.
                let has_room = exposure.worth.len() < 20;
                match exposure.worth.iter_mut().find(|sum| sum.currency == currency) {
                    Some(sum) => sum.minor = sum.minor.saturating_add(worth.minor),
                    None if has_room => exposure.worth.push(worth),
                    None => {}
                }
            }
        }
        let exposure = exposure.clone();
        self.note_what_came(&exposure);
        self.pending.exposures.push(exposure);
    }
}
