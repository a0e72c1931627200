//! Who needs attention and what was refused: around every page, so it is worked out once in a moment, and in a
//! large shop beside the pages.

use super::{EngineViews, House, broken, look_at};
use crate::pages::PageError;
use engine::report::Ledger;
use engine::report::attention::Attention;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A page waits for so long at most; what takes longer is worked out beside it, and the page shows the last beat.
const WAITED_FOR: Duration = Duration::from_millis(50);
/// A beat is good for so many times as long as it took, so that it never takes more than a twentieth of a core.
const TIMES: u32 = 20;
/// But no longer than this.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// What waits.
pub(super) struct Beat {
    /// Who needs a person.
    pub(super) attention: Attention,
    /// Refused calls that are kept.
    pub(super) refused: u64,
    /// Tasks that are open; a thousand are many.
    pub(super) tasks: u64,
}

/// The last beat.
pub(super) struct Pulse {
    patience: Duration,
    last: Mutex<Option<Last>>,
}

struct Last {
    at: Instant,
    took: Duration,
    beat: Arc<Beat>,
    is_old: bool,
    is_under_way: bool,
}

impl Pulse {
    pub(super) fn new(patience: Duration) -> Pulse {
        Pulse { patience, last: Mutex::new(None) }
    }

    /// Somebody has changed something: the next page shows it.
    pub(super) fn forget(&self) {
        if let Some(last) = self.last().as_mut() {
            last.is_old = true;
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_good(&self, last: &Last) -> bool {
        let good_for =
            if self.patience.is_zero() { Duration::ZERO } else { (last.took * TIMES).min(GOOD_FOR).max(self.patience) };
        !last.is_old && last.at.elapsed() < good_for
    }

    fn take(&self, house: &impl House, ledger: &RwLock<Ledger>) -> Result<Last, PageError> {
        let began = Instant::now();
        let beat = look_at(house, ledger, |engine, reader, ledger| {
            let refused = reader.refused_counts().map_err(broken)?.iter().map(|(_, count)| count).sum();
            let attention = engine.attention(reader, ledger).map_err(broken)?;
            let tasks = reader.open_tasks(engine.clock()).map_err(broken)?.iter().map(|open| open.count).sum();
            Ok(Arc::new(Beat { attention, refused, tasks }))
        })?;
        Ok(Last { at: Instant::now(), took: began.elapsed(), beat, is_old: false, is_under_way: false })
    }
}

impl<H: House> EngineViews<H> {
    /// The present beat, or one that is hardly older.
    pub(super) fn pulse(&self) -> Result<Arc<Beat>, PageError> {
        {
            let mut known = self.pulse.last();
            if let Some(last) = known.as_mut() {
                let is_slow = last.took > WAITED_FOR;
                if self.pulse.is_good(last) || (is_slow && last.is_under_way) {
                    return Ok(last.beat.clone());
                }
                if is_slow && !last.is_old {
                    last.is_under_way = true;
                    self.take_beside();
                    return Ok(last.beat.clone());
                }
            }
        }
        let last = self.pulse.take(self.house.as_ref(), &self.ledger)?;
        let beat = last.beat.clone();
        *self.pulse.last() = Some(last);
        Ok(beat)
    }

    fn take_beside(&self) {
        let (house, ledger, pulse) = (self.house.clone(), self.ledger.clone(), self.pulse.clone());
        std::thread::spawn(move || match pulse.take(house.as_ref(), &ledger) {
            Ok(last) => *pulse.last() = Some(last),
            Err(error) => {
                tracing::warn!("who needs attention could not be worked out: {error}");
                if let Some(last) = pulse.last().as_mut() {
                    last.is_under_way = false;
                }
            }
        });
    }
}
