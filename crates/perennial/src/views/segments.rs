//! The list of segments, and one of them.

use super::{EngineViews, House, told, words, yaml};
use crate::pages::PageError;
use crate::pages::links::Link;
use crate::pages::segment::{MemberRow, Movement, SegmentView, Way};
use crate::pages::segments::{SegmentRow, SegmentsView};
use crate::pages::text::Count;
use domain::{DefinitionKind, Timestamp};
use engine::report::segments::User;

/// Members on a page: of each the history is read, to tell since when.
const MEMBERS: usize = 20;
/// Who came and went.
const MOVEMENTS: u32 = 12;

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

    pub(super) fn segment_view(&self, name: &str, after: Option<&str>) -> Result<SegmentView, PageError> {
        // A name that does not exist must not cost a walk over the past.
        self.house.read().segment(name).map_err(told)?;
        let sizes = if after.is_none() { self.sizes()? } else { None };
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
            })
        })
    }
}

fn link(user: &User) -> Link {
    match user.kind {
        DefinitionKind::Campaign => Link::campaign(user.name.as_str(), &user.title),
        _ => Link::segment(user.name.as_str(), &user.title),
    }
}
