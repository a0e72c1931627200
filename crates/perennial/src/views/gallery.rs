//! The gallery over a workspace: what each ready segment needs, and how many people it means here.

use super::{EngineViews, House, broken};
use crate::gallery::{self, Need, Ready};
use crate::pages::PageError;
use crate::pages::gallery::{GalleryCounts, GalleryRow, GalleryView};
use crate::pages::links::Link;
use domain::{Name, Position};
use engine::Engine;
use engine::report::catalogue::Catalogue;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long a count is good enough.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// The last count.
#[derive(Default)]
pub(super) struct Counted(Mutex<Option<(Position, Instant, GalleryCounts)>>);

impl<H: House> EngineViews<H> {
    pub(super) fn gallery_view(&self) -> Result<GalleryView, PageError> {
        let engine = self.house.read();
        let row = |ready: &Ready| {
            let mut ready = ready.clone();
            let currency = engine.definitions().settings.currency;
            for parameter in ready.parameters.iter_mut().filter(|parameter| parameter.name == "currency") {
                parameter.value = currency.to_string();
            }
            let name = Name::parse(&ready.name).ok();
            let exists = name.filter(|name| engine.definitions().segments.contains_key(name));
            GalleryRow {
                missing: missing(&engine, &ready),
                exists: exists.map(|name| Link::segment(name.as_str(), &engine.segment_title(&name))),
                ready,
            }
        };
        Ok(GalleryView { rows: gallery::all().iter().map(row).collect() })
    }

    /// Reads the past once for all of them; the answer is kept for a minute, and as long as nothing comes in.
    pub(super) fn count_gallery(&self) -> Result<GalleryCounts, PageError> {
        // Held while counting: whoever comes meanwhile waits for the same answer.
        let mut counted = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = self.house.read().position();
        if let Some((at, made, counts)) = counted.as_ref()
            && (*at == position || made.elapsed() < GOOD_FOR)
        {
            return Ok(counts.clone());
        }
        let snapshot = {
            let engine = self.house.read();
            let wanted = gallery::all().iter().filter(|ready| missing(&engine, ready).is_empty());
            engine.snapshot_with(wanted.filter_map(Ready::counted).collect()).map_err(broken)?
        };
        let sizes = self.read(|reader| snapshot.sizes(reader, &[snapshot.clock]))?;
        let name = |name: &Name| name.as_str().trim_start_matches("ready-").to_owned();
        let counts: GalleryCounts = snapshot
            .segments()
            .zip(sizes)
            .map(|(segment, sizes)| (name(segment), sizes.first().copied().unwrap_or(0)))
            .collect();
        *counted = Some((position, Instant::now(), counts.clone()));
        Ok(counts)
    }
}

/// What a ready segment asks about and what has not come in.
fn missing(engine: &Engine, ready: &Ready) -> Vec<String> {
    let catalogue: &Catalogue = engine.catalogue();
    let is_missing = |need: &Need| match need {
        Need::Event(name) => !catalogue.has_event(name),
        Need::Trait(name) => !catalogue.traits().iter().any(|seen| seen.path.split('.').next() == Some(name.as_str())),
        Need::Record(kind) => !catalogue.records().iter().any(|(seen, _)| seen == kind),
    };
    let words = |need: Need| match need {
        Need::Event(name) => format!("the event {name}"),
        Need::Trait(name) => format!("the trait {name}"),
        Need::Record(kind) => format!("records of the kind {kind}"),
    };
    ready.needs().into_iter().filter(is_missing).map(words).collect()
}
