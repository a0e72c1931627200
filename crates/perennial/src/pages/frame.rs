//! What stands around every page: the way to the others, the shop's name, the notice about what was just done.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::assets;
use super::links::Place;
use super::session::Notice;
use super::text::{Count, TimeTag, Tone};

/// The shop, as the frame of every page needs it. Asked for with every page, so its counts must be at hand.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The shop's name.
    pub name: String,
    /// The shop's zone, in which times are shown.
    pub zone: TimeZone,
    /// Now on the engine's clock; in the demo it may be turned.
    pub now: Timestamp,
    /// Whether and how messages leave.
    pub sending: Sending,
    /// Customers who need attention.
    pub attention: Count,
    /// All customers.
    pub customers: Count,
    /// All segments.
    pub segments: Count,
    /// Campaigns that run.
    pub campaigns: Count,
    /// Uncertain messages that nobody has looked at.
    pub uncertain: Count,
    /// Tasks that are open.
    pub tasks: Count,
    /// Refused calls that are kept.
    pub refused: Count,
}

/// Whether and how messages leave this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// Nothing leaves.
    Nothing,
    /// By a server, named.
    By(String),
}

/// Which item of the way is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nav {
    Today,
    Customers,
    Segments,
    Campaigns,
    Messages,
    Tasks,
    Sources,
    Elsewhere,
}

/// An item of the way.
pub(super) struct NavItem {
    pub(super) nav: Nav,
    pub(super) word: &'static str,
    pub(super) to: Place,
    pub(super) count: Count,
    pub(super) tone: Tone,
    /// The picture on a phone: paths in a box of 20.
    pub(super) picture: &'static str,
}

/// The frame of one page for one visit.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) workspace: Workspace,
    pub(super) current: Nav,
    pub(super) csrf: String,
    pub(super) notice: Option<Notice>,
}

impl Frame {
    /// An instant, near or far, as a `<time>` tag.
    pub(super) fn time(&self, at: &Timestamp) -> TimeTag {
        TimeTag::near(*at, self.workspace.now, &self.workspace.zone)
    }

    /// An instant to the second, as a `<time>` tag.
    pub(super) fn exact(&self, at: &Timestamp) -> TimeTag {
        TimeTag::exact(*at, &self.workspace.zone)
    }

    /// An instant to the second, in words alone, for a place that takes no tag.
    pub(super) fn exact_words(&self, at: &Timestamp) -> String {
        TimeTag::exact(*at, &self.workspace.zone).words()
    }

    pub(super) fn is_new(&self) -> bool {
        self.workspace.customers.is_zero()
    }

    pub(super) fn sheet(&self) -> &'static str {
        assets::sheet()
    }

    pub(super) fn script(&self) -> &'static str {
        assets::script()
    }

    pub(super) fn items(&self) -> [NavItem; 7] {
        let shop = &self.workspace;
        let item = |nav, word, to, count, picture| NavItem { nav, word, to, count, tone: Tone::Plain, picture };
        let today = item(
            Nav::Today,
            "Today",
            Place::Home,
            shop.attention,
            "M10 3v2M10 15v2M3 10h2M15 10h2M5 5l1.4 1.4M13.600 13.600 15 15M15 5l-1.400 1.400M6.400 13.600 5 15M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
        );
        let customers = item(
            Nav::Customers,
            "Customers",
            Place::Customers(String::new()),
            shop.customers,
            "M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM4 17c.5-3.500 3-5 6-5s5.500 1.500 6 5",
        );
        let segments = item(
            Nav::Segments,
            "Segments",
            Place::Segments,
            shop.segments,
            "M8 4a5 5 0 1 0 0 10A5 5 0 0 0 8 4ZM12 6.500a5 5 0 1 1-5 7",
        );
        let campaigns = item(
            Nav::Campaigns,
            "Campaigns",
            Place::Campaigns,
            shop.campaigns,
            "M15.500 9A6 6 0 1 0 15 13M16 4.500V9h-4.500",
        );
        let messages = item(
            Nav::Messages,
            "Messages",
            Place::Messages(String::new()),
            shop.uncertain,
            "M3 5h14v10H3ZM3 5.500l7 5.500 7-5.500",
        );
        let tasks = item(Nav::Tasks, "Tasks", Place::Tasks, shop.tasks, "M4 5h12v11H4ZM7 10.500l2 2 4-4.500");
        let sources = item(
            Nav::Sources,
            "Sources",
            Place::Sources,
            shop.refused,
            "M10 3v8M6.500 8 10 11.500 13.500 8M4 12v4h12v-4",
        );
        [
            today,
            customers,
            segments,
            campaigns,
            // What is uncertain, to do or refused waits for a person, so these counts are said to be so.
            NavItem { tone: Tone::Rose, ..messages },
            NavItem { tone: Tone::Sun, ..tasks },
            NavItem { tone: Tone::Sun, ..sources },
        ]
    }

    pub(super) fn sends_by(&self) -> Option<&str> {
        match &self.workspace.sending {
            Sending::Nothing => None,
            Sending::By(server) => Some(server),
        }
    }
}
