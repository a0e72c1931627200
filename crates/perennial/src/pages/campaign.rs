//! One campaign: how far customers got, what was held and why, both arms side by side, every decision.

use askama::Template;
use jiff::Timestamp;

use super::campaigns::State;
use super::chart::{Bar, BarPart, Bars, Pair};
use super::filter::Filter;
use super::flow::Flow;
use super::frame::Frame;
use super::links::{Link, Place};
use super::outcome::{Outcome, ReasonCount, Verdict};
use super::segment::VersionRow;
use super::shared::SharedStep;
use super::text::{Count, Money, Share, Tone};

/// Everything on a campaign's page.
#[derive(Debug, Clone)]
pub struct CampaignView {
    /// Its name in files and addresses.
    pub name: String,
    /// Its title for people; the name where there is none.
    pub title: String,
    /// Whether it runs.
    pub state: State,
    /// What it does, in one plain sentence.
    pub sentence: String,
    /// "marketing" or "service".
    pub purpose: String,
    /// When it started.
    pub started: Timestamp,
    /// Its definition as it was written.
    pub yaml: String,
    /// The version of the definition.
    pub version: u64,
    /// Its versions, the latest first.
    pub versions: Vec<VersionRow>,
    /// Customers inside now.
    pub inside: Count,
    /// Messages that resuming would let fall due at once.
    pub due_on_resume: Count,
    /// Why it paused itself: what share of its mails was called spam.
    pub braked: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<StepLine>,
    /// How far customers got.
    pub funnel: Funnel,
    /// What was done with its messages.
    pub reactions: Reactions,
    /// What the goal is, in words: "an order within 14 days of entering". None: no goal.
    pub goal: Option<String>,
    /// Customers whose window is still open, so that they may yet come back.
    pub still_open: Count,
    /// When the comparison began anew; none: with the campaign.
    pub compared_since: Option<Timestamp>,
    /// Those who were messaged.
    pub messaged: Arm,
    /// Those who were held out to compare.
    pub held_out: Arm,
    /// Steps whose variants are shared by what works.
    pub shared: Vec<SharedStep>,
    /// "20 %", from the definition.
    pub holdout: String,
    /// This page of decisions, latest first.
    pub decisions: Vec<Decision>,
    /// How many the filter lets through.
    pub decisions_found: Count,
    /// The cursor of the next page of decisions.
    pub next: Option<String>,
}

/// A step, or a way of the branch above it.
#[derive(Debug, Clone)]
pub struct StepLine {
    /// How deep it stands, from 0.
    pub depth: u32,
    /// Its id; empty: it is a way of a branch.
    pub step: String,
    /// What happens, in plain words.
    pub words: String,
    /// Customers who stand there now.
    pub here: Count,
}

impl StepLine {
    /// How deep it is set in: beyond this a narrow page has no room for words.
    fn depth(&self) -> u32 {
        self.depth.min(6)
    }
}

/// How far customers got; each number counts messages by their latest outcome, but for the first and the last.
#[derive(Debug, Clone, Default)]
pub struct Funnel {
    /// Entries.
    pub entered: Count,
    /// Messages that reached the gate.
    pub reached_gate: Count,
    /// Through the gate and on their way.
    pub waiting: Count,
    /// Held now, by reason.
    pub held: Vec<ReasonCount>,
    /// Skipped, by reason.
    pub skipped: Vec<ReasonCount>,
    /// Failed, by reason.
    pub failed: Vec<ReasonCount>,
    /// Uncertain, by reason.
    pub uncertain: Vec<ReasonCount>,
    /// Would have been sent, by reason.
    pub would_have_sent: Vec<ReasonCount>,
    /// Sent.
    pub sent: Count,
    /// Messaged customers who reached the goal within the window.
    pub came_back: Count,
}

/// What was done with messages that arrived, each message once for each.
#[derive(Debug, Clone, Default)]
pub struct Reactions {
    /// Opened by people.
    pub opened: Count,
    /// A link followed by people.
    pub clicked: Count,
    /// Pictures fetched by machines.
    pub machine_opened: Count,
    /// A link followed by machines.
    pub machine_clicked: Count,
}

impl Reactions {
    fn has_machines(&self) -> bool {
        !self.machine_opened.is_zero() || !self.machine_clicked.is_zero()
    }
}

/// One side of the comparison. Customers, not messages.
#[derive(Debug, Clone, Default)]
pub struct Arm {
    /// Customers whose draw put them on this side, or would.
    pub entered: Count,
    /// Of those, with a message that is held now.
    pub held: Count,
    /// Of those, with a message sent (or, held out, that would have been sent): the denominator of all below.
    pub customers: Count,
    /// Of `customers`, those who reached the goal within the window.
    pub came_back: Count,
    /// Goal events within the window.
    pub goals: Count,
    /// Their value; none where the goal has no value.
    pub revenue: Option<Money>,
    /// Their value in other currencies, which are never added up with it.
    pub also: Vec<Money>,
}

impl Arm {
    fn share(&self) -> Share {
        self.came_back.share_of(&self.customers)
    }

    fn revenue(&self) -> String {
        shown(self.revenue.as_ref())
    }

    fn revenue_per_customer(&self) -> String {
        shown(self.revenue.as_ref().and_then(|revenue| revenue.per(&self.customers)).as_ref())
    }

    /// Two digits after the point: more are not known of a mean of whole events.
    fn goals_per_customer(&self) -> String {
        if self.customers.is_zero() {
            return "–".to_owned();
        }
        let customers = u128::from(self.customers.0);
        let hundredths = (u128::from(self.goals.0) * 100 + customers / 2) / customers;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

fn shown(money: Option<&Money>) -> String {
    money.map_or_else(|| "–".to_owned(), Money::to_string)
}

/// One outcome reached.
#[derive(Debug, Clone)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// About whom.
    pub customer: Link,
    /// At which step.
    pub step: String,
    /// With which variant.
    pub variant: Option<String>,
    /// What and why.
    pub verdict: Verdict,
    /// Why it has its variant, where that is not by weights alone.
    pub why: Option<String>,
    /// The message it decided about; none where nobody was to get one.
    pub message: Option<Link>,
}

const OPENED: &str = "Opened by people";
const CLICKED: &str = "Clicked by people";
const MACHINES_OPENED: &str = "Opened by machines";
const MACHINES_CLICKED: &str = "Clicked by machines";

#[derive(Template)]
#[template(path = "campaign.html")]
pub(super) struct CampaignPage {
    pub(super) frame: Frame,
    pub(super) view: CampaignView,
    pub(super) filter: Filter,
}

impl CampaignPage {
    fn place(&self) -> Place {
        Place::Campaign(self.view.name.clone())
    }

    fn copy(&self) -> Place {
        Place::CopyCampaign(self.view.name.clone())
    }

    fn edit(&self) -> Place {
        Place::EditCampaign(self.view.name.clone())
    }

    fn outcomes(&self) -> [Outcome; 6] {
        Outcome::ALL
    }

    fn flow(&self) -> Option<Flow> {
        Flow::of(&self.view.steps, self.view.funnel.entered)
    }

    fn held_now(&self) -> Count {
        total(&self.view.funnel.held)
    }

    fn is_compared(&self) -> bool {
        !self.view.held_out.entered.is_zero() || !self.view.held_out.customers.is_zero()
    }

    fn pair(&self) -> Pair {
        Pair::new(self.view.messaged.share(), self.view.held_out.share())
    }

    fn funnel(&self) -> Bars {
        let funnel = &self.view.funnel;
        let plain = |label: &str, count: Count, tone| Bar {
            label: label.to_owned(),
            count,
            value: count.to_string(),
            tone,
            opens: None,
            parts: Vec::new(),
        };
        let mut rows = vec![
            plain("Entered", funnel.entered, Tone::Sky),
            plain("Reached the gate", funnel.reached_gate, Tone::Sky),
            plain("On their way", funnel.waiting, Tone::Sky),
            self.row(Outcome::Held, &funnel.held, "Held now"),
            self.row(Outcome::Skipped, &funnel.skipped, "Skipped"),
            self.row(Outcome::Failed, &funnel.failed, "Failed"),
            self.row(Outcome::Uncertain, &funnel.uncertain, "Uncertain"),
            self.row(Outcome::WouldHaveSent, &funnel.would_have_sent, "Would have been sent"),
            Bar { opens: Some(self.decisions_of("sent", "")), ..plain("Sent", funnel.sent, Tone::Leaf) },
            plain(OPENED, self.view.reactions.opened, Tone::Leaf),
            plain(CLICKED, self.view.reactions.clicked, Tone::Leaf),
            plain(MACHINES_OPENED, self.view.reactions.machine_opened, Tone::Plain),
            plain(MACHINES_CLICKED, self.view.reactions.machine_clicked, Tone::Plain),
        ];
        // What never happened needs no row; what may happen to every campaign keeps its zero.
        let is_rare = |label: &str| {
            ["Failed", "Uncertain", "On their way", OPENED, CLICKED, MACHINES_OPENED, MACHINES_CLICKED].contains(&label)
        };
        rows.retain(|row| !row.count.is_zero() || !is_rare(&row.label));
        if self.view.goal.is_some() {
            rows.push(plain("Came back", funnel.came_back, Tone::Leaf));
        }
        let whole = rows.iter().map(|row| row.count).max().unwrap_or_default();
        Bars::new(rows, &whole)
    }

    fn row(&self, outcome: Outcome, reasons: &[ReasonCount], label: &str) -> Bar {
        let count = total(reasons);
        Bar {
            label: label.to_owned(),
            count,
            value: count.to_string(),
            tone: outcome.tone(),
            opens: Some(self.decisions_of(outcome.code(), "")),
            parts: reasons
                .iter()
                .map(|reason| BarPart {
                    words: reason.words(),
                    count: reason.count,
                    opens: self.decisions_of(outcome.code(), &reason.because),
                })
                .collect(),
        }
    }

    fn decisions_of(&self, outcome: &str, because: &str) -> String {
        format!("{}{}#decisions", self.place(), Filter::default().with(outcome, because))
    }

    fn next_page(&self, cursor: &str) -> String {
        format!("{}{}#decisions", self.place(), self.filter.after(cursor))
    }
}

fn total(reasons: &[ReasonCount]) -> Count {
    Count(reasons.iter().fold(0, |sum, reason| sum.saturating_add(reason.count.0)))
}
