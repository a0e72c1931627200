//! A campaign that is tried: what it would have done on the past, and what is known before it starts. Nothing is sent.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use scenario::dry_run::{Anyway, DryRun, Ended, Held};
use scenario::preflight::{Look, Preflight};
use serde::Deserialize;

use super::chart::{Bar, BarPart, Bars};
use super::frame::{Frame, Nav};
use super::guard::{Posted, Signed};
use super::links::{Link, Place};
use super::outcome::{Outcome, Verdict, because_in_words};
use super::session::Visit;
use super::text::{Count, Share};
use super::{PageError, Pages};

/// How far back one may look, in days and words.
const SPANS: [(i64, &str); 6] = [
    (30, "30 days"),
    (90, "90 days"),
    (180, "half a year"),
    (365, "a year"),
    (730, "two years"),
    (1_825, "five years"),
];
/// Messages on the page.
const MESSAGES: usize = 50;

/// What is asked of a campaign that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// What is known before it starts.
    Check,
    /// What it would have done in the last so many days.
    Past(i64),
}

/// A campaign that is tried.
pub struct TriedView {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What came of it; none: nothing was asked yet. In words where it could not be done.
    pub came: Option<Result<Came, String>>,
}

/// What came of trying.
pub enum Came {
    /// What is known before it starts.
    Check(Preflight),
    /// What it would have done.
    Past(DryRun),
}

#[derive(Template)]
#[template(path = "tried.html")]
pub(super) struct TriedPage {
    pub(super) frame: Frame,
    pub(super) view: TriedView,
    pub(super) days: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TryForm {
    csrf: String,
    then: String,
    days: String,
}

impl Signed for TryForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

pub(super) async fn tried(State(pages): State<Pages>, visit: Visit, Path(name): Path<String>) -> Response {
    pages
        .show(
            visit,
            Nav::Campaigns,
            move |views| views.tried(&name, None),
            |frame, view| TriedPage { frame, view, days: 90 },
        )
        .await
}

pub(super) async fn try_it(
    State(pages): State<Pages>,
    Path(name): Path<String>,
    Posted(visit, form): Posted<TryForm>,
) -> Response {
    let days = form.days.parse().ok().filter(|days| SPANS.iter().any(|(known, _)| known == days)).unwrap_or(90);
    let asked = if form.then == "past" { Try::Past(days) } else { Try::Check };
    pages
        .show(
            visit,
            Nav::Campaigns,
            move |views| match views.tried(&name, Some(asked)) {
                Err(PageError::Refused(why)) => Ok(TriedView { came: Some(Err(why)), ..views.tried(&name, None)? }),
                other => other,
            },
            move |frame, view| TriedPage { frame, view, days },
        )
        .await
}

impl TriedPage {
    fn place(&self) -> Place {
        Place::Campaign(self.view.name.clone())
    }

    fn spans(&self) -> [(i64, &'static str); 6] {
        SPANS
    }

    fn is_chosen(&self, days: &i64) -> bool {
        self.days == *days
    }

    fn count(&self, count: &usize) -> Count {
        Count::from(*count)
    }

    fn rounded(&self, number: &f64) -> Count {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rounded count of people, not below 0"
        )]
        let whole = number.round().max(0.0) as u64;
        Count(whole)
    }

    fn points(&self, rise: &f64) -> String {
        format!("{rise:.1}")
    }

    fn ends(&self, outcomes: &[Ended], entered: &usize) -> Bars {
        let mut rows = vec![bar("Entered", *entered, super::text::Tone::Sky)];
        for outcome in Outcome::ALL {
            let own = outcomes.iter().filter(|ended| ended.outcome.word() == outcome.code());
            let own: Vec<&Ended> = own.collect();
            let messages: usize = own.iter().map(|ended| ended.messages).sum();
            if messages == 0 && outcome != Outcome::Sent {
                continue;
            }
            let parts = own.iter().filter_map(|ended| {
                let because = ended.because?;
                Some(BarPart {
                    words: because_in_words(because.word()),
                    count: Count::from(ended.messages),
                    opens: String::new(),
                })
            });
            let words = match outcome {
                Outcome::Sent => "Would be sent",
                Outcome::Held => "Still held at the end",
                Outcome::WouldHaveSent => "Comparison group",
                other => other.words(),
            };
            rows.push(Bar { parts: parts.collect(), ..bar(words, messages, outcome.tone()) });
        }
        let whole = rows.iter().map(|row| row.count).max().unwrap_or_default();
        Bars::new(rows, &whole)
    }

    fn months(&self, run: &DryRun) -> Bars {
        let rows: Vec<Bar> =
            run.months.iter().map(|month| bar(&month.month, month.sent, super::text::Tone::Leaf)).collect();
        let whole = rows.iter().map(|row| row.count).max().unwrap_or_default();
        Bars::new(rows, &whole)
    }

    fn held(&self, holds: &[Held]) -> String {
        let parts = holds
            .iter()
            .map(|held| format!("{} ({})", because_in_words(held.because.word()), Count::from(held.messages)));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn given(&self, run: &DryRun) -> Option<String> {
        let parts = [
            (Count::from(run.tasks), "task for a person", "tasks for people"),
            (Count::from(run.vouchers), "voucher", "vouchers"),
            (Count(run.points), "point", "points"),
            (Count::from(run.webhooks), "webhook", "webhooks"),
        ];
        let parts = parts.iter().filter(|(count, ..)| !count.is_zero()).map(|(count, one, many)| count.of(one, many));
        let words = parts.collect::<Vec<_>>().join(", ");
        (!words.is_empty()).then_some(words)
    }

    fn share(&self, anyway: &Anyway) -> Share {
        Count::from(anyway.reached).share_of(&Count::from(anyway.complete))
    }

    fn instant(&self, told: &scenario::dry_run::Told) -> jiff::Timestamp {
        told.at.as_jiff()
    }

    fn customer(&self, name: &str) -> Link {
        Link::customer(name, name)
    }

    fn verdict(&self, told: &scenario::dry_run::Told) -> Verdict {
        let outcome = Outcome::of_code(told.outcome.word()).unwrap_or(Outcome::Waiting);
        Verdict { outcome, because: told.because.map(|because| because.word().to_owned()) }
    }

    fn shown<'a>(&self, run: &'a DryRun) -> &'a [scenario::dry_run::Told] {
        &run.messages[..run.messages.len().min(MESSAGES)]
    }

    fn best_look<'a>(&self, looks: &'a [Look]) -> Option<&'a Look> {
        looks.iter().find(|look| look.smallest_rise.is_some_and(|rise| rise <= 5.0))
    }
}

fn bar(label: &str, count: usize, tone: super::text::Tone) -> Bar {
    let count = Count::from(count);
    Bar { label: label.to_owned(), count, value: count.to_string(), tone, opens: None, parts: Vec::new() }
}
