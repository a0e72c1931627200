//! Ready campaigns: each a file that says what it is for and what one may change, and then the definitions themselves as text.
//!
//! They come with the segments and templates they need, so that what opens in the editor can be saved as it stands.

use super::{Need, Offer, each_once, offer};
use domain::campaign::Trigger;
use domain::definition::{Definitions, read_text};
use domain::segment::EventName;
use domain::{DefinitionKind, Name};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const FILES: &[&str] = &[
    include_str!("plays/welcome-by-taste.yaml"),
    include_str!("plays/second-order.yaml"),
    include_str!("plays/thank-you.yaml"),
    include_str!("plays/abandoned-cart.yaml"),
    include_str!("plays/restock.yaml"),
    include_str!("plays/review-request.yaml"),
    include_str!("plays/refer-a-friend.yaml"),
    include_str!("plays/low-review.yaml"),
    include_str!("plays/birthday.yaml"),
    include_str!("plays/anniversary.yaml"),
    include_str!("plays/win-back-ladder.yaml"),
    include_str!("plays/re-permission.yaml"),
    include_str!("plays/consent-ends.yaml"),
    include_str!("plays/pass-ends.yaml"),
    include_str!("plays/payment-failed.yaml"),
    include_str!("plays/parcel-late.yaml"),
];

/// What stands between two definitions.
const BETWEEN: &str = "\n---\n";

/// A ready campaign.
#[derive(Clone, Debug)]
pub struct Play {
    /// What people read of it.
    pub offer: Offer,
    /// Its definitions, with tokens such as `{days}` for what one may change.
    definitions: Vec<String>,
}

/// All of them, in the order in which they are shown: what belongs together stands together.
pub fn all() -> &'static [Play] {
    static ALL: LazyLock<Vec<Play>> =
        LazyLock::new(|| FILES.iter().map(|file| read(file).expect("a test reads every file")).collect());
    &ALL
}

/// Finds one by its name.
pub fn find(name: &str) -> Option<&'static Play> {
    all().iter().find(|play| play.offer.name == name)
}

fn read(file: &str) -> Option<Play> {
    let (head, definitions) = file.split_once(BETWEEN)?;
    let value = domain::definition::read_yaml(head).ok()?.pop()?;
    let definitions = definitions.split(BETWEEN).map(|text| text.trim_end().to_owned()).collect();
    Some(Play { offer: offer(&value)?, definitions })
}

impl Play {
    /// The text for the editor, with what was chosen; what cannot be meant counts as not chosen.
    ///
    /// Segments and templates whose names exist already are left out, so that nobody's own are overwritten, and a remark
    /// says so; the campaign takes a name that is free.
    pub fn text(&self, chosen: &BTreeMap<String, String>, exists: &dyn Fn(DefinitionKind, &Name) -> bool) -> String {
        let mut remarks = String::new();
        let mut texts = Vec::new();
        for text in self.filled(chosen) {
            let Some((kind, name)) = heading(&text) else { continue };
            if !exists(kind, &name) {
                texts.push(text);
            } else if kind == DefinitionKind::Campaign {
                let free = (2..1_000)
                    .find_map(|n| Name::parse(&format!("{name}-{n}")).ok().filter(|name| !exists(kind, name)));
                let free = free.unwrap_or(name.clone());
                texts.push(text.replacen(&format!("campaign: {name}"), &format!("campaign: {free}"), 1));
            } else {
                remarks.push_str(&format!("# Your own {} `{name}` is used as it is.\n", kind.word()));
            }
        }
        format!("{remarks}{}\n", texts.join(BETWEEN))
    }

    /// What it waits for and asks about: without it nobody would enter.
    pub fn needs(&self) -> Vec<Need> {
        let mut definitions = Definitions::new();
        let whole = self.filled(&BTreeMap::new()).join(BETWEEN);
        for one in read_text(&whole, &self.offer.name).unwrap_or_default() {
            definitions.put(one.definition);
        }
        let mut needs = Vec::new();
        for campaign in definitions.campaigns.values() {
            match &campaign.enter.on {
                Trigger::Did { event: EventName::Exact(event), .. } => needs.push(Need::Event(event.clone())),
                Trigger::Date(date) => needs.extend(date.path.first().map(|key| Need::Trait(key.to_owned()))),
                Trigger::Record(record) => needs.push(Need::Record(record.kind.clone())),
                Trigger::Enters(_) | Trigger::Leaves(_) | Trigger::Every(_) | Trigger::Did { .. } => {}
            }
            needs.extend(campaign.enter.only_if.iter().flat_map(Need::of));
        }
        needs.extend(definitions.segments.values().flat_map(|segment| Need::of(&segment.rule)));
        // What we write ourselves comes in once the first letter is out.
        needs.retain(|need| !matches!(need, Need::Event(event) if OURS.contains(&event.as_str())));
        each_once(needs)
    }

    fn filled(&self, chosen: &BTreeMap<String, String>) -> Vec<String> {
        let fill = |text: &String| {
            self.offer.parameters.iter().fold(text.clone(), |text, parameter| {
                text.replace(&format!("{{{}}}", parameter.name), parameter.chosen(chosen))
            })
        };
        self.definitions.iter().map(fill).collect()
    }
}

/// Events about our own letters.
const OURS: [&str; 3] = ["Message Sent", "Email Opened", "Email Link Clicked"];

/// What a text defines, by its first line.
fn heading(text: &str) -> Option<(DefinitionKind, Name)> {
    let (kind, name) = text.lines().next()?.split_once(": ")?;
    Some((DefinitionKind::find(kind)?, Name::parse(name.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: DefinitionKind, _: &Name) -> bool {
        false
    }

    /// What a text defines, checked as a workspace would.
    fn defined(text: &str) -> Definitions {
        let mut definitions = Definitions::new();
        for one in read_text(text, "a play").unwrap_or_else(|error| panic!("{error}\n{text}")) {
            definitions.put(one.definition);
        }
        definitions
    }

    #[test]
    fn every_ready_campaign_can_be_saved_as_it_stands() {
        for play in all() {
            let text = play.text(&BTreeMap::new(), &nothing);
            let definitions = defined(&text);
            definitions.check().unwrap_or_else(|error| panic!("{}: {error}", play.offer.name));
            let names: Vec<&str> = definitions.campaigns.keys().map(Name::as_str).collect();
            assert_eq!(names, [play.offer.name.as_str()]);
            assert!(play.offer.purpose.ends_with('.') && play.offer.purpose.len() > 60, "{}", play.offer.purpose);
            // What we do ourselves needs nobody to send it.
            let is_about_letters = ["re-permission", "consent-ends"].contains(&play.offer.name.as_str());
            assert_eq!(play.needs().is_empty(), is_about_letters, "{}: {:?}", play.offer.name, play.needs());
            for parameter in &play.offer.parameters {
                assert!(!text.contains(&format!("{{{}}}", parameter.name)), "{text}");
                let other = if parameter.is_number { "17" } else { "tea/white" };
                let changed = play.text(&BTreeMap::from([(parameter.name.clone(), other.to_owned())]), &nothing);
                assert_ne!(changed, text, "{}: {} changes nothing", play.offer.name, parameter.name);
                defined(&changed);
            }
        }
    }

    #[test]
    fn what_the_shop_has_of_its_own_is_left_as_it_is() {
        let play = find("win-back-ladder").unwrap();
        let own = |kind, name: &Name| {
            matches!(
                (kind, name.as_str()),
                (DefinitionKind::Segment, "quiet-regulars")
                    | (DefinitionKind::Template, "may-we-ask")
                    | (DefinitionKind::Campaign, "win-back-ladder" | "win-back-ladder-2")
            )
        };
        let text = play.text(&BTreeMap::new(), &own);
        let definitions = defined(&text);
        assert!(definitions.segments.is_empty());
        let names: Vec<&str> = definitions.templates.keys().map(Name::as_str).collect();
        assert_eq!(names, ["a-gift-for-you", "what-is-new"]);
        let names: Vec<&str> = definitions.campaigns.keys().map(Name::as_str).collect();
        assert_eq!(names, ["win-back-ladder-3"]);
        assert!(text.starts_with("# Your own segment `quiet-regulars` is used as it is.\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_meant_is_as_if_nothing_had_been_chosen() {
        let play = find("welcome-by-taste").unwrap();
        let usual = play.text(&BTreeMap::new(), &nothing);
        for (name, odd) in [("days", "-1"), ("days", "x\n- 1"), ("taste", ""), ("taste", "a\"b"), ("taste", "a\nb: c")]
        {
            let chosen = BTreeMap::from([(name.to_owned(), odd.to_owned())]);
            assert_eq!(play.text(&chosen, &nothing), usual, "{odd:?}");
        }
    }
}
