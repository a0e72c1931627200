//! The list of campaigns.

use askama::Template;
use jiff::Timestamp;

use super::frame::Frame;
use super::links::Link;
use super::text::{Count, Money, Tag, Tone};

/// All campaigns.
#[derive(Debug, Clone, Default)]
pub struct CampaignsView {
    /// Running ones first, then by title.
    pub rows: Vec<CampaignRow>,
}

/// A campaign in the list.
#[derive(Debug, Clone)]
pub struct CampaignRow {
    /// Which.
    pub campaign: Link,
    /// Whether it runs.
    pub state: State,
    /// What it does, in one plain sentence.
    pub sentence: String,
    /// Customers who entered ever.
    pub entered: Count,
    /// Messages sent ever.
    pub sent: Count,
    /// Messages held now.
    pub held: Count,
    /// Messaged customers who came back within the window.
    pub came_back: Count,
    /// What they spent within the window; none where the goal has no value.
    pub revenue: Option<Money>,
    /// When it started.
    pub started: Timestamp,
}

/// Whether a campaign runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// People enter, messages go.
    Running,
    /// Nobody enters, nothing goes, waits run on.
    Paused,
    /// Over.
    Stopped,
}

impl State {
    /// The word in a pill.
    pub fn tag(&self) -> Tag {
        match self {
            State::Running => Tag::new("running", Tone::Leaf),
            State::Paused => Tag::new("paused", Tone::Sun),
            State::Stopped => Tag::new("stopped", Tone::Plain),
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        *self == State::Running
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        *self == State::Paused
    }
}

#[derive(Template)]
#[template(path = "campaigns.html")]
pub(super) struct CampaignsPage {
    pub(super) frame: Frame,
    pub(super) view: CampaignsView,
}

impl CampaignsPage {
    fn running(&self) -> Count {
        Count::from(self.view.rows.iter().filter(|row| row.state.is_running()).count())
    }

    fn sent(&self) -> Count {
        Count(self.view.rows.iter().fold(0, |sent, row| sent.saturating_add(row.sent.0)))
    }
}
