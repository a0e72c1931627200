//! What the builder offers to choose from: what was really seen in this workspace.

use super::{EngineViews, House};
use crate::builder::{Seen, SeenName, SeenTemplate, SeenThing};
use domain::segment::EventName;
use engine::report::samples;

/// Kinds of records that are offered.
const KINDS: usize = 50;
/// Lists and segments that are offered.
const NAMES: usize = 500;

impl<H: House> EngineViews<H> {
    pub(super) fn seen_view(&self, events: &[EventName]) -> Seen {
        let engine = self.house.read();
        let (catalogue, samples) = (engine.catalogue(), engine.samples());
        let definitions = engine.definitions();
        let usual = EventName::Exact(domain::call::events::ORDER_COMPLETED.to_owned());
        let asked = events.iter().chain((!events.contains(&usual)).then_some(&usual));
        let thing = |event: &EventName| SeenThing { name: event.to_string(), names: names(samples.properties(event)) };
        let kinds = samples.records().into_iter().take(KINDS);
        Seen {
            events: catalogue
                .events()
                .into_iter()
                .filter(|(name, _)| *name != "_other")
                .take(NAMES)
                .map(|(name, _)| name.to_owned())
                .collect(),
            properties: asked.map(thing).collect(),
            traits: names(samples.traits()),
            records: kinds.map(|(kind, seen)| SeenThing { name: kind.to_owned(), names: names(seen) }).collect(),
            lists: samples.lists().into_iter().take(NAMES).map(str::to_owned).collect(),
            segments: definitions
                .segments
                .keys()
                .take(NAMES)
                .map(|name| (name.as_str().to_owned(), engine.segment_title(name)))
                .collect(),
            templates: definitions
                .templates
                .values()
                .take(NAMES)
                .map(|template| SeenTemplate {
                    name: template.name.as_str().to_owned(),
                    channel: template.channel.word().to_owned(),
                    variants: template.variants.iter().map(|(name, _)| name.clone()).collect(),
                })
                .collect(),
            pools: engine.pool_names().into_iter().take(NAMES).map(|name| name.as_str().to_owned()).collect(),
            endpoints: engine.endpoints().into_iter().take(NAMES).map(|it| it.name.as_str().to_owned()).collect(),
            campaigns: definitions.campaigns.keys().map(|name| name.as_str().to_owned()).collect(),
            purposes: definitions.purposes.keys().map(|name| name.as_str().to_owned()).collect(),
            zone: definitions.settings.zone.name().to_owned(),
        }
    }
}

fn names(seen: Vec<samples::SeenName<'_>>) -> Vec<SeenName> {
    let name = |seen: samples::SeenName<'_>| SeenName {
        name: seen.path.to_owned(),
        values: seen.values.into_iter().map(str::to_owned).collect(),
        is_number: seen.is_number,
    };
    seen.into_iter().map(name).collect()
}
