//! The list of segments, and one of them.

use super::diff::diff;
use super::{EngineViews, House, told, words, yaml};
use crate::pages::PageError;
use crate::pages::chart::SizePoint;
use crate::pages::links::Link;
use crate::pages::segment::{MemberRow, Movement, OverlapRow, SegmentView, VersionRow, Way};
use crate::pages::segments::{SegmentRow, SegmentsView};
use crate::pages::text::Count;
use domain::{DefinitionKind, Timestamp};
use engine::Engine;
use engine::report::segments::{Overlap, User};
use store::DefinitionVersion;

/// Members on a page: of each the history is read, to tell since when.
const MEMBERS: usize = 20;
/// Who came and went.
const MOVEMENTS: u32 = 12;
/// Other segments that it is compared with: those most out of the ordinary.
const OVERLAPS: usize = 8;
/// Versions shown.
const VERSIONS: usize = 20;

impl<H: House> EngineViews<H> {
    pub(super) fn segments_view(&self) -> Result<SegmentsView, PageError> {
        let sizes = self.sizes()?;
        let engine = self.house.read();
        let rows = engine.segments().into_iter().map(|row| {
            let week_ago = sizes.as_ref().and_then(|sizes| sizes.week_ago(&row.segment)).unwrap_or(row.members);
            SegmentRow {
                segment: Link::segment(row.segment.as_str(), &row.title),
                sentence: row.rule,
                members: Count(row.members),
                size: sizes.as_ref().map(|sizes| sizes.last_days(&row.segment, row.members)).unwrap_or_default(),
                change_in_week: i64::try_from(row.members)
                    .unwrap_or(i64::MAX)
                    .saturating_sub(i64::try_from(week_ago).unwrap_or(i64::MAX)),
                used_by: row.used_by.iter().map(link).collect(),
            }
        });
        Ok(SegmentsView { customers: engine.customer_count().into(), rows: rows.collect() })
    }

    /// Its size over time; none while a long past is still being read.
    pub(super) fn size_view(&self, name: &str) -> Result<Option<Vec<SizePoint>>, PageError> {
        let row = self.house.read().segment(name).map_err(told)?;
        Ok(self.sizes()?.map(|sizes| sizes.points(&row.segment, row.members)))
    }

    pub(super) fn segment_view(&self, name: &str, after: Option<&str>) -> Result<SegmentView, PageError> {
        // A name that does not exist must not cost a walk over the past.
        self.house.read().segment(name).map_err(told)?;
        // The curve follows by itself where it is not at hand.
        let sizes = if after.is_none() { self.sizes_at_hand() } else { None };
        let after = after.and_then(|cursor| cursor.parse().ok());
        self.look(|engine, reader, _| {
            let row = engine.segment(name).map_err(told)?;
            let (page, movements) = engine.segment_page(reader, name, after, MEMBERS, MOVEMENTS).map_err(told)?;
            let value =
                engine.version(DefinitionKind::Segment, &row.segment).and_then(|version| version.value.as_ref());
            Ok(SegmentView {
                name: row.segment.as_str().to_owned(),
                title: row.title,
                sentence: row.rule,
                yaml: value.map(yaml::write).unwrap_or_default(),
                version: row.version.into(),
                changed: row.changed_at.as_jiff(),
                members_now: Count(row.members),
                customers: engine.customer_count().into(),
                size: sizes.map(|sizes| sizes.points(&row.segment, row.members)).unwrap_or_default(),
                members: page
                    .members
                    .iter()
                    .map(|member| MemberRow {
                        customer: words::link(&member.who),
                        contact: member.who.contact().to_owned(),
                        since: member.since.unwrap_or(engine.clock()).as_jiff(),
                        until: member.until.map(Timestamp::as_jiff),
                    })
                    .collect(),
                next: page.next.map(|next| next.to_string()),
                movements: movements
                    .iter()
                    .map(|movement| Movement {
                        at: movement.time.as_jiff(),
                        customer: words::link(&movement.who),
                        way: if movement.entered { Way::Entered } else { Way::Left },
                        because: movement.because.clone(),
                    })
                    .collect(),
                used_by: row.used_by.iter().map(link).collect(),
                warnings: engine.segment_warnings(&row.segment),
                overlaps: if row.members == 0 { Vec::new() } else { overlaps(engine, name)? },
                versions: versions(&engine.versions(reader, DefinitionKind::Segment, name).map_err(told)?),
            })
        })
    }
}

fn overlaps(engine: &Engine, name: &str) -> Result<Vec<OverlapRow>, PageError> {
    let found = engine.overlaps(name).map_err(told)?;
    let row = |overlap: &Overlap| OverlapRow {
        segment: Link::segment(overlap.segment.as_str(), &overlap.title),
        both: Count(overlap.both),
        expected: Count(overlap.expected),
    };
    // Of a handful nothing can be said.
    Ok(found.iter().filter(|overlap| overlap.both > 0 || overlap.expected >= 10).take(OVERLAPS).map(row).collect())
}

pub(super) fn versions(versions: &[DefinitionVersion]) -> Vec<VersionRow> {
    let text = |version: &DefinitionVersion| version.value.as_ref().map(yaml::write).unwrap_or_default();
    let row = |(place, version): (usize, &DefinitionVersion)| {
        let before = versions.get(place + 1).map(text).unwrap_or_default();
        VersionRow {
            version: version.version.into(),
            at: version.at.as_jiff(),
            by: version.by.clone(),
            lines: diff(&before, &text(version)),
        }
    };
    versions.iter().enumerate().take(VERSIONS).map(row).collect()
}

fn link(user: &User) -> Link {
    match user.kind {
        DefinitionKind::Campaign => Link::campaign(user.name.as_str(), &user.title),
        _ => Link::segment(user.name.as_str(), &user.title),
    }
}
