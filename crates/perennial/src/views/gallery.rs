//! The galleries over a workspace: what each ready segment or campaign needs, and how many people a segment means here.

use super::{EngineViews, House, broken};
use crate::gallery::plays::{self, Play};
use crate::gallery::{self, Need, Ready};
use crate::pages::PageError;
use crate::pages::edit::Draft;
use crate::pages::gallery::{GalleryCounts, GalleryRow, GalleryView};
use crate::pages::links::Link;
use domain::{Campaign, Name, Position};
use engine::Engine;
use std::collections::BTreeMap;
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
            let mut offer = ready.offer.clone();
            let currency = engine.definitions().settings.currency;
            for parameter in offer.parameters.iter_mut().filter(|parameter| parameter.name == "currency") {
                parameter.value = currency.to_string();
            }
            let name = Name::parse(&offer.name).ok();
            let exists = name.filter(|name| engine.definitions().segments.contains_key(name));
            GalleryRow {
                missing: missing(&engine, ready.needs()),
                exists: exists.map(|name| Link::segment(name.as_str(), &engine.segment_title(&name))),
                offer,
            }
        };
        Ok(GalleryView { rows: gallery::all().iter().map(row).collect() })
    }

    pub(super) fn plays_view(&self) -> Result<GalleryView, PageError> {
        let engine = self.house.read();
        let row = |play: &Play| {
            let name = Name::parse(&play.offer.name).ok();
            let campaign = name.and_then(|name| engine.definitions().campaigns.get(&name));
            let link = |campaign: &Campaign| {
                Link::campaign(campaign.name.as_str(), campaign.title.as_deref().unwrap_or(campaign.name.as_str()))
            };
            GalleryRow {
                missing: missing(&engine, play.needs()),
                exists: campaign.map(link),
                offer: play.offer.clone(),
            }
        };
        Ok(GalleryView { rows: plays::all().iter().map(row).collect() })
    }

    /// A ready campaign for the editor, with what was chosen, and without what this workspace has of its own.
    pub(super) fn play_draft(&self, name: &str, chosen: &BTreeMap<String, String>) -> Result<Draft, PageError> {
        let play = plays::find(name).ok_or_else(|| PageError::NotFound(format!("ready campaign “{name}”")))?;
        let engine = self.house.read();
        let exists = |kind, name: &Name| engine.version(kind, name).is_some_and(|version| version.value.is_some());
        Ok(Draft { name: None, version: None, yaml: play.text(chosen, &exists) })
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
            let wanted = gallery::all().iter().filter(|ready| missing(&engine, ready.needs()).is_empty());
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

/// What is needed and has not come in.
fn missing(engine: &Engine, needs: Vec<Need>) -> Vec<String> {
    let (catalogue, samples) = (engine.catalogue(), engine.samples());
    let is_missing = |need: &Need| match need {
        Need::Event(name) => !catalogue.has_event(name),
        Need::Trait(name) => !samples.traits().iter().any(|seen| seen.path.split('.').next() == Some(name.as_str())),
        Need::Record(kind) => !samples.records().iter().any(|(seen, _)| seen == kind),
    };
    let words = |need: Need| match need {
        Need::Event(name) => format!("the event {name}"),
        Need::Trait(name) => format!("the trait {name}"),
        Need::Record(kind) => format!("records of the kind {kind}"),
    };
    needs.into_iter().filter(is_missing).map(words).collect()
}
