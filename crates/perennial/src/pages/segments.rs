//! The list of segments.

use askama::Template;

use super::chart::Sparkline;
use super::frame::Frame;
use super::links::Link;
use super::text::Count;

/// All segments.
#[derive(Debug, Clone, Default)]
pub struct SegmentsView {
    /// Everybody the shop knows, to compare with.
    pub customers: Count,
    /// By title.
    pub rows: Vec<SegmentRow>,
}

/// A segment in the list.
#[derive(Debug, Clone)]
pub struct SegmentRow {
    /// Which.
    pub segment: Link,
    /// Its definition in one plain sentence.
    pub sentence: String,
    /// Members now.
    pub members: Count,
    /// Members at the end of each of the last 30 local days, oldest first.
    pub size: Vec<Count>,
    /// Members now, less those of seven days ago.
    pub change_in_week: i64,
    /// Campaigns that use it.
    pub used_by: Vec<Link>,
}

impl SegmentRow {
    fn spark(&self) -> Sparkline {
        Sparkline::new(&self.size)
    }

    fn change(&self) -> String {
        let amount = Count(self.change_in_week.unsigned_abs());
        match self.change_in_week {
            0 => "no change in a week".to_owned(),
            1.. => format!("+{amount} in a week"),
            _ => format!("−{amount} in a week"),
        }
    }
}

#[derive(Template)]
#[template(path = "segments.html")]
pub(super) struct SegmentsPage {
    pub(super) frame: Frame,
    pub(super) view: SegmentsView,
}
