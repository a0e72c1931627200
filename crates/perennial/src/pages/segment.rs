//! One segment: its sentence, its size over time, who is in it and who came and went.

use askama::Template;
use jiff::Timestamp;

use super::chart::{SizeChart, SizePoint};
use super::frame::Frame;
use super::links::{Link, Place, encoded};
use super::text::{Count, Share};

/// Everything on a segment's page.
#[derive(Debug, Clone)]
pub struct SegmentView {
    /// Its name in files and addresses.
    pub name: String,
    /// Its title for people; the name where there is none.
    pub title: String,
    /// Its definition in one plain sentence.
    pub sentence: String,
    /// Its definition as it was written.
    pub yaml: String,
    /// The version of the definition.
    pub version: u64,
    /// When that version was made.
    pub changed: Timestamp,
    /// Members now.
    pub members_now: Count,
    /// Everybody the shop knows.
    pub customers: Count,
    /// Size at the end of local days, oldest first, today last; at most 400.
    pub size: Vec<SizePoint>,
    /// This page of members, by name.
    pub members: Vec<MemberRow>,
    /// The cursor of the next page of members.
    pub next: Option<String>,
    /// Who came and went lately, latest first; a dozen or two.
    pub movements: Vec<Movement>,
    /// Campaigns and segments that use it.
    pub used_by: Vec<Link>,
    /// What is odd about the definition: mixed currencies, malformed paths.
    pub warnings: Vec<String>,
    /// What it has in common with other segments, the most unusual first; a handful.
    pub overlaps: Vec<OverlapRow>,
    /// Its versions, the latest first.
    pub versions: Vec<VersionRow>,
}

/// A member.
#[derive(Debug, Clone)]
pub struct MemberRow {
    /// Who.
    pub customer: Link,
    /// How they are reached or known.
    pub contact: String,
    /// The instant of history at which membership began.
    pub since: Timestamp,
    /// The first instant at which it would end if nothing arrived.
    pub until: Option<Timestamp>,
}

/// Another segment, and how many are in both.
#[derive(Debug, Clone)]
pub struct OverlapRow {
    /// The other one.
    pub segment: Link,
    /// Members of both.
    pub both: Count,
    /// How many would be if one said nothing about the other.
    pub expected: Count,
}

impl OverlapRow {
    /// How unusual that is, in words.
    fn words(&self) -> String {
        let (both, expected) = (self.both.0, self.expected.0);
        let tenths = |part: u64, whole: u64| part.saturating_mul(10) / whole.max(1);
        // Of a handful nothing can be said.
        if both.max(expected) < 10 {
            return "too few to say".to_owned();
        }
        match (tenths(both, expected), tenths(expected, both)) {
            _ if expected == 0 => "more than by chance".to_owned(),
            (_, less) if both == 0 || less >= 100 => "far fewer than by chance".to_owned(),
            (more @ 15.., _) => format!("{}.{} times as many as by chance", more / 10, more % 10),
            (_, less @ 15..) => format!("{}.{} times fewer than by chance", less / 10, less % 10),
            _ => "about as many as by chance".to_owned(),
        }
    }
}

/// A version of the definition.
#[derive(Debug, Clone)]
pub struct VersionRow {
    /// From 1.
    pub version: u64,
    /// When it was saved.
    pub at: Timestamp,
    /// By whom: a page, a file, the demo.
    pub by: String,
    /// What it changed of the version before; of the first one, all of it.
    pub lines: Vec<DiffLine>,
}

/// A line of a text that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// What became of it.
    pub mark: Mark,
    /// The line.
    pub text: String,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It stands in both versions.
    Kept,
    /// It was put in.
    In,
    /// It was taken out.
    Out,
}

impl DiffLine {
    pub(super) fn sign(&self) -> char {
        match self.mark {
            Mark::Kept => ' ',
            Mark::In => '+',
            Mark::Out => '−',
        }
    }

    pub(super) fn class(&self) -> &'static str {
        match self.mark {
            Mark::Kept => "",
            Mark::In => "leaf",
            Mark::Out => "rose",
        }
    }
}

/// Somebody came or went.
#[derive(Debug, Clone)]
pub struct Movement {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub customer: Link,
    /// Which way.
    pub way: Way,
    /// Why: "ordered", "30 days without an order".
    pub because: String,
}

/// Which way somebody moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Into the segment.
    Entered,
    /// Out of it.
    Left,
}

impl Way {
    fn word(&self) -> &'static str {
        match self {
            Way::Entered => "entered",
            Way::Left => "left",
        }
    }

    fn dot(&self) -> &'static str {
        match self {
            Way::Entered => "leaf",
            Way::Left => "hollow",
        }
    }
}

#[derive(Template)]
#[template(path = "segment.html")]
pub(super) struct SegmentPage {
    pub(super) frame: Frame,
    pub(super) view: SegmentView,
    pub(super) is_first_page: bool,
}

impl SegmentPage {
    fn chart(&self) -> SizeChart {
        SizeChart::new(&format!("Members of {}", self.view.title), &self.view.size)
    }

    fn share(&self) -> Share {
        self.view.members_now.share_of(&self.view.customers)
    }

    fn edit(&self) -> Place {
        Place::EditSegment(self.view.name.clone())
    }

    fn place(&self) -> Place {
        Place::Segment(self.view.name.clone())
    }

    fn why(&self, customer: &Link) -> Place {
        match &customer.to {
            Place::Customer(id) => Place::Why(id.clone(), Some(self.view.name.clone())),
            other => other.clone(),
        }
    }

    fn next_page(&self, cursor: &str) -> String {
        format!("{}?after={}#members", self.place(), encoded(cursor))
    }
}

/// The chart alone; htmx fetches it after the page.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% match chart %}{% when Some(chart) %}<div class="chart-here">{{ chart }}</div>{% when None %}<div class="chart-here" hx-get="{{ place }}/size" hx-trigger="load delay:3s" hx-swap="outerHTML"><p class="small">The past is long, and is still being read. The curve comes by itself.</p></div>{% endmatch %}"#
)]
pub(super) struct SizePart {
    pub(super) chart: Option<SizeChart>,
    pub(super) place: Place,
}
