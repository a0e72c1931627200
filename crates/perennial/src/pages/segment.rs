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

    fn next_page(&self, cursor: &str) -> String {
        format!("{}?after={}#members", self.place(), encoded(cursor))
    }
}
