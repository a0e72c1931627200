//! Stories of segments over a real engine: the gallery, why in and why not, overlaps and versions.

use super::{SHOP, Story, a_busy_shop};
use crate::gallery::{self, Need};
use crate::pages::Views;
use crate::pages::edit::{Definition, Draft};
use crate::pages::segment::Mark;
use crate::pages::text::Count;
use crate::views::yaml;
use domain::Span;
use domain::segment::EventName;
use serde_json::json;
use std::collections::BTreeMap;

/// A shop in which something of everything that the gallery asks about has come in.
fn a_full_shop() -> Story {
    let story = a_busy_shop();
    for (place, ready) in gallery::all().iter().enumerate() {
        for (number, need) in ready.needs().into_iter().enumerate() {
            let user = format!("u{:02}", number % 10);
            story.send(&[match need {
                Need::Event(name) => json!({ "type": "track", "userId": user, "event": name, "properties": { "rating": 1, "place": place } }),
                Need::Trait(name) => json!({ "type": "identify", "userId": user, "traits": { name: "1990-03-06", "place": place } }),
                Need::Record(kind) => json!({ "type": "record", "userId": user, "kind": kind, "recordId": format!("{kind}-1"), "attributes": { "status": "active", "expires": "2026-03-09T00:00:00Z", "due": "2026-03-01", "place": place } }),
            }]);
        }
    }
    story.pass(Span::hours(30));
    story
}

#[test]
fn every_ready_segment_runs_and_is_counted_as_the_builder_counts_it() {
    let story = a_full_shop();
    let view = story.views.gallery().unwrap();
    assert!(
        view.rows.iter().all(|row| row.missing.is_empty()),
        "{:?}",
        view.rows.iter().map(|row| &row.missing).collect::<Vec<_>>()
    );
    let counts: BTreeMap<String, u64> = story.views.gallery_counts().unwrap().into_iter().collect();
    assert_eq!(counts.len(), gallery::all().len());
    let mut members = 0;
    for ready in gallery::all() {
        let mut definition = ready.definition(&BTreeMap::new());
        // The shop has segments of its own under some of these names.
        definition["segment"] = format!("my-{}", ready.offer.name).into();
        let draft = Draft { name: None, version: None, yaml: yaml::write(&definition) };
        let check = story
            .views
            .check(Definition::Segment, &draft)
            .unwrap()
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", ready.offer.name));
        assert!(check.warnings.is_empty(), "{}: {:?}", ready.offer.name, check.warnings);
        let effect = format!("{:?}", check.effect).replace("\\u{a0}", " ");
        let noun = if counts[&ready.offer.name] == 1 { "customer" } else { "customers" };
        assert!(
            effect.contains(&format!("\"{} {noun}\"", Count(counts[&ready.offer.name]))),
            "{}: {} in {effect}",
            ready.offer.name,
            counts[&ready.offer.name]
        );
        members += counts[&ready.offer.name];
    }
    assert!(members > 30, "{counts:?}");
}

#[test]
fn what_has_not_come_in_is_said_before_somebody_waits_for_it() {
    let story = Story::open(SHOP);
    let view = story.views.gallery().unwrap();
    let find = |name: &str| view.rows.iter().find(|row| row.offer.name == name).unwrap();
    assert_eq!(find("cart-abandoned").missing, ["the event Product Added", "the event Order Completed"]);
    assert_eq!(find("birthday-this-week").missing, ["the trait birthday"]);
    assert_eq!(find("pass-expires-soon").missing, ["records of the kind pass"]);
    assert!(find("regulars").exists.is_some() && find("at-risk").exists.is_none());
    assert_eq!(story.views.gallery_counts().unwrap().iter().map(|(_, count)| count).sum::<u64>(), 0);
}

#[test]
fn why_says_for_every_segment_what_holds_and_what_stands_behind_it() {
    let story = a_busy_shop();
    let view = story.views.why(&story.id("u01"), None).unwrap();
    assert_eq!(view.rows.len(), 2);
    let regulars = view.rows.iter().find(|row| row.segment.text == "regulars").unwrap();
    assert!(regulars.is_member && regulars.since.is_some() && regulars.until.is_some());
    assert_eq!(regulars.reasons[0].text, "Did Order Completed at least twice in the last 30 days");
    assert_eq!(regulars.reasons[0].because.len(), 3);
    let not = story.views.why(&story.id("u20"), Some("regulars")).unwrap();
    assert_eq!(not.rows.len(), 1);
    assert!(!not.rows[0].is_member && !not.rows[0].reasons[0].holds);
    assert_eq!(not.rows[0].reasons[0].because.len(), 1, "the one order that is there");
    assert!(story.views.why("nobody-there", None).is_err());
    assert!(story.views.why(&story.id("u20"), Some("no-such")).is_err());
}

#[test]
fn a_segments_page_shows_what_changed_between_versions_by_whom_and_who_is_elsewhere_too() {
    let story = a_busy_shop();
    let draft = story.views.draft(Definition::Segment, Some("regulars")).unwrap();
    let changed = Draft { yaml: draft.yaml.replace("30d", "45d"), ..draft };
    story.views.save(Definition::Segment, &changed).unwrap().unwrap();
    let view = story.views.segment("regulars", None).unwrap();
    assert_eq!(
        view.versions.iter().map(|row| (row.version, row.by.as_str())).collect::<Vec<_>>(),
        [(2, "page"), (1, "test")]
    );
    let marks: Vec<Mark> =
        view.versions[0].lines.iter().map(|line| line.mark).filter(|mark| *mark != Mark::Kept).collect();
    assert_eq!(marks, [Mark::Out, Mark::In]);
    assert!(view.versions[1].lines.iter().all(|line| line.mark == Mark::In));
    assert_eq!(view.overlaps.len(), 1);
    assert_eq!(
        (view.overlaps[0].both, view.overlaps[0].expected),
        (Count(8), Count(8)),
        "all regulars are buyers, and so is everybody"
    );
    assert_eq!(story.views.segment_size("regulars").unwrap().unwrap().last().unwrap().members, Count(8));
    assert!(!story.views.segment("regulars", None).unwrap().size.is_empty(), "at hand from now on");
}

#[test]
fn the_builder_offers_what_was_really_seen() {
    let story = a_busy_shop();
    let seen = story.views.seen(&[EventName::Exact("Order Completed".to_owned())]).unwrap();
    assert!(seen.events.contains(&"Order Completed".to_owned()));
    let orders = seen.properties.iter().find(|thing| thing.name == "Order Completed").unwrap();
    let currency = orders.names.iter().find(|name| name.name == "currency").unwrap();
    assert_eq!(currency.values, ["GBP"]);
    assert!(seen.traits.iter().any(|name| name.name == "first_name" && name.values == ["Ana"]));
    assert!(seen.segments.iter().any(|(name, title)| name == "buyers" && title == "Everybody who bought"));
    let glance = |yaml: &str| {
        let draft = Draft { name: None, version: None, yaml: yaml.to_owned() };
        story.views.glance(Definition::Segment, &draft).unwrap()
    };
    let sentence = glance("segment: x\nwhere: { did_not: A, within: 2h }").unwrap().sentence;
    assert_eq!(sentence, "Has not done A in the last 2 hours");
    assert!(
        glance("segment: x\nwhere: { segment: regular }").unwrap_err()[0].message.contains("did you mean `regulars`")
    );
}

const QUIET: &str = "
- segment: quiet
  where: { all: [ { did: Order Completed }, { did_not: Order Completed, within: 10d } ] }
- template: hello
  channel: email
  subject: Hello
  body: Hello
- campaign: ask-back
  purpose: service
  enter: { on: { enters: quiet } }
  steps: [ { id: first, message: hello } ]
";

#[test]
fn a_message_that_follows_an_entry_is_not_what_brought_it_about() {
    let story = Story::open(QUIET);
    story.meets("ana", Some("Ana"), true);
    story.orders("ana", "10.00");
    story.pass(Span::days(11));
    let view = story.views.segment("quiet", None).unwrap();
    assert_eq!(view.movements.iter().map(|moved| moved.because.as_str()).collect::<Vec<_>>(), ["by time alone"]);
    story.orders("ana", "5.00");
    let view = story.views.segment("quiet", None).unwrap();
    assert!(view.movements[0].because.contains("o-ana"), "{:?}", view.movements[0]);
}
