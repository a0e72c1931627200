//! Dry runs for the API and the pages: one at a time, within a time, in a directory that is thrown away.

use crate::runtime::Handle;
use domain::definition::Defined;
use domain::{Definition, Name, Timestamp};
use scenario::dry_run::{DryRun, GoOn, NoDryRun, Past, Question, dry_run};
use scenario::preflight::{Preflight, preflight};
use std::path::Path;
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};
use store::{Reader, StoreError};

/// Longest dry run. A year of a shop with half a million rows takes seconds.
const LONGEST: Duration = Duration::from_secs(300);
/// Where they live inside the data directory.
const DIRECTORY: &str = "dry-runs";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Another one is under way.
    #[error("another dry run is under way; ask again when it is done")]
    Busy,
    /// What was sent holds no campaign, or several.
    #[error("{0}")]
    WhichCampaign(String),
    /// It took too long.
    #[error("the dry run was stopped after {} minutes; choose a shorter time", LONGEST.as_secs() / 60)]
    TooSlow,
    /// It could not be made.
    #[error(transparent)]
    Not(#[from] NoDryRun),
}

/// Makes dry runs of one workspace.
pub struct DryRuns {
    handle: Handle,
    one_at_a_time: Mutex<()>,
}

impl DryRuns {
    /// For a workspace.
    pub fn new(handle: Handle) -> DryRuns {
        DryRuns { handle, one_at_a_time: Mutex::new(()) }
    }

    /// What a campaign would have done. `tried`: definitions that take the place of those in force; `campaign`: which one, if
    /// it is not the only one among them. `to`: now, where nothing is said. Blocks.
    pub fn run(
        &self,
        tried: Vec<Defined>,
        campaign: Option<Name>,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> Result<DryRun, Trouble> {
        let campaign = chosen(campaign, &tried)?;
        self.alone(tried, |past, reader, scratch, now, go_on| {
            dry_run(&Question { campaign, from, to: to.unwrap_or(now) }, past, reader, scratch, go_on)
        })
    }

    /// What is known of a campaign before it starts. Arguments as for `run`. Blocks.
    pub fn preflight(&self, tried: Vec<Defined>, campaign: Option<Name>) -> Result<Preflight, Trouble> {
        let campaign = chosen(campaign, &tried)?;
        self.alone(tried, |past, reader, scratch, now, go_on| preflight(&campaign, past, reader, scratch, now, go_on))
    }

    /// Does it with nobody else at it, in a directory that is thrown away, and no longer than it may take.
    fn alone<T>(
        &self,
        tried: Vec<Defined>,
        work: impl FnOnce(&Past, &dyn Reader, &Path, Timestamp, GoOn<'_>) -> Result<T, NoDryRun>,
    ) -> Result<T, Trouble> {
        let _alone = match self.one_at_a_time.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Trouble::Busy),
        };
        let now = self.handle.now();
        let past = Past::of(&self.handle.read(), tried, now);
        let scratch = self.handle.dir().join(DIRECTORY);
        // What an interrupted one left is nobody's.
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch).map_err(|error| {
            NoDryRun::Store(StoreError::Io { doing: "opened", reason: format!("{}: {error}", scratch.display()) })
        })?;
        let begun = Instant::now();
        let reader = self.handle.reader().map_err(NoDryRun::Store)?;
        let result = work(&past, &*reader, &scratch, now, &|_, _| begun.elapsed() < LONGEST);
        let _ = std::fs::remove_dir_all(&scratch);
        match result {
            Err(NoDryRun::Stopped(_)) => Err(Trouble::TooSlow),
            other => Ok(other?),
        }
    }
}

/// The campaign that is meant.
fn chosen(campaign: Option<Name>, tried: &[Defined]) -> Result<Name, Trouble> {
    campaign.map_or_else(|| only_campaign(tried), Ok)
}

fn only_campaign(tried: &[Defined]) -> Result<Name, Trouble> {
    let mut campaigns = tried.iter().filter_map(|one| match &one.definition {
        Definition::Campaign(campaign) => Some(&campaign.name),
        _ => None,
    });
    match (campaigns.next(), campaigns.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => Err(Trouble::WhichCampaign("there is no campaign among these definitions".to_owned())),
        (Some(one), Some(other)) => Err(Trouble::WhichCampaign(format!(
            "there are several campaigns, `{one}` and `{other}`; say which one is meant"
        ))),
    }
}
