//! Pools of vouchers: how many codes are left, and how soon they are used up.

use super::json;
use crate::state::Engine;
use domain::{Name, Span, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use store::{Reader, StoreError};

/// The pace at which codes go is that of so many days.
const PACE: Span = Span::days(7);
/// Under so many percent of all that were imported a pool is low.
const LOW_PERCENT: u64 = 10;

/// A pool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PoolReport {
    /// Its name in campaigns.
    pub pool: Name,
    /// Whether codes were imported. Where none ever were, Perennial makes them as they are needed.
    pub is_imported: bool,
    /// Codes that are left.
    pub left: u64,
    /// Imported codes that were given; those that are made as needed are not counted here.
    pub given: u64,
    /// Of these, those of the last seven days.
    pub given_in_week: u64,
    /// When codes were imported last.
    #[serde(serialize_with = "json::maybe_at")]
    pub added_at: Option<Timestamp>,
    /// Whether a campaign that is not stopped gives from it.
    pub is_used: bool,
}

impl PoolReport {
    /// Whether somebody should bring more codes: the rest lasts for less than a week at the pace of the last one, or little
    /// is left of what was imported.
    pub fn is_low(&self) -> bool {
        let is_little = self.left * 100 < (self.left + self.given) * LOW_PERCENT;
        self.is_imported && self.is_used && (self.left == 0 || is_little || self.left < self.given_in_week)
    }
}

impl Engine {
    /// All pools that campaigns name or into which codes were imported, by name.
    pub fn pools(&self, reader: &dyn Reader) -> Result<Vec<PoolReport>, StoreError> {
        let mut pools: BTreeMap<Name, PoolReport> = BTreeMap::new();
        for count in reader.pool_counts(self.clock().minus(PACE))? {
            let report = PoolReport {
                pool: count.pool.clone(),
                is_imported: true,
                left: count.left,
                given: count.given,
                given_in_week: count.given_since,
                added_at: Some(count.added_at),
                is_used: false,
            };
            pools.insert(count.pool, report);
        }
        for pool in self.pools_in_use() {
            let made = || PoolReport {
                pool: pool.clone(),
                is_imported: false,
                left: 0,
                given: 0,
                given_in_week: 0,
                added_at: None,
                is_used: true,
            };
            pools.entry(pool.clone()).or_insert_with(made).is_used = true;
        }
        Ok(pools.into_values().collect())
    }
}
