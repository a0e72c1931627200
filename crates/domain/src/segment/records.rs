//! Conditions on what a customer has: passes, subscriptions, shipments.

use crate::segment::{Measure, read_measure};
use crate::shape::{Fields, ShapeError, refuse};
use crate::time::Zone;
use crate::value::{Quantifier, Tests, read_record_tests, read_zone};

/// `record: kind` with what is asked of the customer's records of this kind.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordAsked {
    /// The kind, such as `pass`.
    pub kind: String,
    /// What is asked.
    pub question: RecordQuestion,
    /// Zone of calendar words, where the condition names one.
    pub zone: Option<Zone>,
}

/// What is asked of records.
#[derive(Clone, PartialEq, Debug)]
pub enum RecordQuestion {
    /// `any`, `every` (at least one is needed) or `no_one` of them satisfies all tests.
    Quantified(Quantifier, Tests),
    /// A count or an aggregate over those that satisfy `filter`.
    Measured {
        /// Tests that one and the same record passes.
        filter: Option<Tests>,
        /// The count or aggregate.
        measure: Measure,
    },
}

pub(super) fn read_record(fields: &Fields<'_>) -> Result<RecordAsked, ShapeError> {
    let kind = fields.require_text("record")?.to_owned();
    if kind.is_empty() || kind.chars().count() > 200 {
        return refuse(&fields.at("record"), "a kind of record has 1 to 200 characters");
    }
    let zone = read_zone(fields)?;
    let words = [("any", Quantifier::Any), ("every", Quantifier::Every), ("no_one", Quantifier::NoOne)];
    let mut quantified = None;
    for (word, quantifier) in words {
        if let Some(value) = fields.get(word) {
            if quantified.is_some() {
                return refuse(fields.path(), "one of `any`, `every` and `no_one`");
            }
            quantified = Some((quantifier, read_record_tests(value, &fields.at(word))?));
        }
    }
    if let Some((quantifier, tests)) = quantified {
        return Ok(RecordAsked { kind, question: RecordQuestion::Quantified(quantifier, tests), zone });
    }
    let filter = fields.get("where").map(|value| read_record_tests(value, &fields.at("where"))).transpose()?;
    Ok(RecordAsked { kind, question: RecordQuestion::Measured { filter, measure: read_measure(fields)? }, zone })
}
