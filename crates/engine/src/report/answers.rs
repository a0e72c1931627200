//! Answers of commands and the API as JSON, by the names that people type.

use crate::state::Engine;
use domain::{Name, Timestamp};
use serde_json::Value;
use store::{Reader, StoreError};

use super::ReportError;

/// Most happenings in one answer; a page of the site goes on from there.
const HAPPENINGS: usize = 1_000;

impl Engine {
    /// `customers show`: everything about a customer at an instant; none if nobody is called so.
    pub fn customer_answer(&self, reader: &dyn Reader, name: &str, at: Timestamp) -> Result<Option<Value>, StoreError> {
        let as_of = Some(at).filter(|at| *at < self.clock());
        found(self.look_up(name).and_then(|person| self.profile(reader, person, as_of, None)))
    }

    /// `customers timeline`: what happened with a customer, latest first; none if nobody is called so.
    pub fn timeline_answer(&self, reader: &dyn Reader, name: &str) -> Result<Option<Value>, StoreError> {
        found(self.look_up(name).and_then(|person| self.timeline(reader, person, None, HAPPENINGS, None)))
    }

    /// `campaigns show`: everything about a campaign; none if there is no such campaign.
    pub fn campaign_answer(&self, reader: &dyn Reader, name: &Name) -> Result<Option<Value>, StoreError> {
        found(self.campaign(reader, name.as_str()))
    }
}

/// A report as JSON; what does not exist is none.
fn found<T: serde::Serialize>(report: Result<T, ReportError>) -> Result<Option<Value>, StoreError> {
    match report {
        Ok(report) => {
            Ok(Some(serde_json::to_value(report).expect("a report has text keys and no numbers that JSON lacks")))
        }
        Err(ReportError::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}
