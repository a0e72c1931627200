//! Who needs attention and what was refused: around every page, so it is worked out once in a moment.

use super::{EngineViews, House, broken};
use crate::pages::PageError;
use domain::Position;
use engine::report::attention::Attention;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What waits.
pub(super) struct Beat {
    /// Who needs a person.
    pub(super) attention: Attention,
    /// Refused calls that are kept.
    pub(super) refused: u64,
}

/// The last beat, and when it was taken.
pub(super) struct Pulse {
    patience: Duration,
    last: Mutex<Option<(Instant, Position, Arc<Beat>)>>,
}

impl Pulse {
    pub(super) fn new(patience: Duration) -> Pulse {
        Pulse { patience, last: Mutex::new(None) }
    }
}

impl<H: House> EngineViews<H> {
    /// The present beat, or one that is hardly older. Several pages at once wait for one beat.
    pub(super) fn pulse(&self) -> Result<Arc<Beat>, PageError> {
        let mut last = self.pulse.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, _, beat)) = &*last
            && at.elapsed() < self.pulse.patience
        {
            return Ok(beat.clone());
        }
        let (position, beat) = self.look(|engine, reader, ledger| {
            let refused = reader.refused_counts().map_err(broken)?.iter().map(|(_, count)| count).sum();
            let attention = engine.attention(reader, ledger).map_err(broken)?;
            Ok((engine.position(), Arc::new(Beat { attention, refused })))
        })?;
        *last = Some((Instant::now(), position, beat.clone()));
        Ok(beat)
    }
}
