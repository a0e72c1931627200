//! What a list shows: the filter of messages and decisions, as it stands in an address.

use serde::Deserialize;

use super::links::encoded;
use super::outcome::Outcome;

/// Which messages or decisions a list shows. Empty fields let everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only this reason, by code.
    pub because: String,
    /// Only customers whose id, name or address holds this text.
    pub customer: String,
    /// Only this campaign; the outbox only, a campaign's page knows its own.
    pub campaign: String,
    /// The cursor of a later page, as a view gave it out.
    pub after: Option<String>,
}

/// A filter as the address has it; unknown words are as if they were absent, since a link may be old.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilterQuery {
    outcome: String,
    because: String,
    customer: String,
    campaign: String,
    after: Option<String>,
}

impl From<FilterQuery> for Filter {
    fn from(query: FilterQuery) -> Filter {
        Filter {
            outcome: Outcome::of_code(&query.outcome),
            because: query.because,
            customer: query.customer,
            campaign: query.campaign,
            after: query.after.filter(|cursor| !cursor.is_empty()),
        }
    }
}

impl Filter {
    /// Whether everything is let through.
    pub fn is_empty(&self) -> bool {
        *self == Filter { after: self.after.clone(), ..Filter::default() }
    }

    /// The code of the outcome, empty for all.
    pub fn outcome_code(&self) -> &'static str {
        self.outcome.as_ref().map_or("", Outcome::code)
    }

    /// This filter with another outcome and reason, from its first page, as the query of an address.
    pub fn with(&self, outcome: &str, because: &str) -> String {
        self.query(outcome, because, None)
    }

    /// The next page of this filter, as the query of an address.
    pub fn after(&self, cursor: &str) -> String {
        self.query(self.outcome_code(), &self.because, Some(cursor))
    }

    fn query(&self, outcome: &str, because: &str, after: Option<&str>) -> String {
        let fields = [
            ("outcome", outcome),
            ("because", because),
            ("customer", &self.customer),
            ("campaign", &self.campaign),
            ("after", after.unwrap_or("")),
        ];
        let set = fields.iter().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<String> = set.map(|(field, value)| format!("{field}={}", encoded(value))).collect();
        format!("?{}", pairs.join("&"))
    }
}
