//! A campaign that is tried.

use super::{EngineViews, House, told};
use crate::dry_run::Trouble;
use crate::pages::PageError;
use crate::pages::tried::{Came, TriedView, Try};
use domain::{Name, Span};
use engine::report::ReportError;
use scenario::dry_run::NoDryRun;

impl<H: House> EngineViews<H> {
    pub(super) fn tried_view(&self, name: &str, asked: Option<Try>) -> Result<TriedView, PageError> {
        let unknown = || told(ReportError::NoDefinition { kind: "campaign", name: name.to_owned() });
        let campaign = Name::parse(name).map_err(|_| unknown())?;
        let title = {
            let engine = self.house.read();
            let found = engine.definitions().campaigns.get(&campaign).ok_or_else(unknown)?;
            found.title.clone().unwrap_or_else(|| name.to_owned())
        };
        let came = match (asked, &self.dry_runs) {
            (None, _) => None,
            (Some(_), None) => Some(Err("campaigns cannot be tried here".to_owned())),
            (Some(asked), Some(runs)) => {
                let came = match asked {
                    Try::Check => runs.preflight(Vec::new(), Some(campaign)).map(Came::Check),
                    Try::Past(days) => {
                        let from = self.house.now().minus(Span::days(days));
                        runs.run(Vec::new(), Some(campaign), from, None).map(Came::Past)
                    }
                };
                Some(match came {
                    Err(Trouble::Not(NoDryRun::Store(error))) => return Err(PageError::Broken(error.to_string())),
                    Err(trouble) => Err(trouble.to_string()),
                    Ok(came) => Ok(came),
                })
            }
        };
        Ok(TriedView { name: name.to_owned(), title, came })
    }
}
