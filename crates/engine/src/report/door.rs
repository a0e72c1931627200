//! The door: what came in, from where, what was refused and why.

use super::catalogue::Beyond;
use super::{Who, json};
use crate::ingest::{self, Door, DoorOptions, Endpoint};
use crate::run::Receipt;
use crate::state::Engine;
use domain::{Call, CallKind, Position, Source, Timestamp, Trust};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use store::{Page, Reader, Reception, Refused, RowId, StoreError};

/// Journal rows looked at for the last calls.
const LAST_ROWS: u64 = 8;
/// Refused calls looked at for examples.
const EXAMPLES_AMONG: u32 = 200;
/// Examples of each reason.
const EXAMPLES: usize = 3;

/// What came in.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DoorReport {
    /// Calls of today, by UTC, as tallies are kept.
    pub today: Totals,
    /// Calls ever.
    pub ever: Totals,
    /// Every source, the busiest first.
    pub sources: Vec<SourceRow>,
    /// The last calls, latest first.
    pub calls: Vec<CallRow>,
    /// Refused calls that are kept, by reason, the most frequent first.
    pub refused: Vec<RefusedReason>,
    /// Accepted calls ever of which amounts are set apart.
    pub quarantined: u64,
    /// The last of them, latest first.
    pub last_quarantined: Vec<QuarantinedRow>,
    /// Names of events and properties beyond what is told apart.
    pub beyond: Beyond,
}

/// Calls by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Totals {
    /// Accepted.
    pub accepted: u64,
    /// Known already; those with other content included.
    pub duplicates: u64,
    /// Refused.
    pub refused: u64,
}

impl Totals {
    fn add(&mut self, reception: Reception, count: u64) {
        let own = match reception {
            Reception::Accepted => &mut self.accepted,
            Reception::Duplicate | Reception::DuplicateDiffers => &mut self.duplicates,
            Reception::Refused => &mut self.refused,
        };
        *own = own.saturating_add(count);
    }

    /// All calls.
    pub fn all(&self) -> u64 {
        self.accepted.saturating_add(self.duplicates).saturating_add(self.refused)
    }
}

/// A source.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SourceRow {
    /// Its name.
    pub source: String,
    /// How far it is trusted, as far as its keys or last calls tell.
    pub trust: Vec<Trust>,
    /// Calls ever.
    #[serde(flatten)]
    pub totals: Totals,
    /// Its last call, if it is among the last of all.
    #[serde(serialize_with = "json::maybe_at")]
    pub last_call: Option<Timestamp>,
}

/// A call that came in.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CallRow {
    /// When it arrived.
    #[serde(serialize_with = "json::at")]
    pub received_at: Timestamp,
    /// From which source.
    pub source: Arc<str>,
    /// Its kind; empty if it was refused.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The event's name, or the record's.
    pub name: String,
    /// Whose it is.
    pub who: Option<Who>,
    /// What became of it.
    pub reception: Reception,
}

/// Calls of which amounts are set apart, kept to be shown.
const QUARANTINED_KEPT: usize = 20;

/// Calls of which amounts are set apart.
#[derive(Clone, Default, Debug, Serialize, serde::Deserialize)]
pub(crate) struct Quarantined {
    count: u64,
    #[serde(with = "crate::snapshot::as_json")]
    last: VecDeque<(Position, Arc<Call>)>,
}

impl Quarantined {
    /// How many, and where the last of them stand, for comparing.
    pub(crate) fn describe(&self) -> String {
        let last: Vec<u64> = self.last.iter().map(|(position, _)| position.0).collect();
        format!("{} of which {last:?}", self.count)
    }

    /// Notes another.
    pub(crate) fn note(&mut self, position: Position, call: &Arc<Call>) {
        self.count += 1;
        if self.last.len() == QUARANTINED_KEPT {
            self.last.pop_front();
        }
        self.last.push_back((position, call.clone()));
    }
}

/// A call of which amounts are set apart.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct QuarantinedRow {
    /// When it arrived.
    #[serde(serialize_with = "json::at")]
    pub received_at: Timestamp,
    /// From which source.
    pub source: Arc<str>,
    /// The event's name.
    pub event: String,
    /// Whose it is.
    pub who: Option<Who>,
    /// The amounts as they were sent, such as `revenue 1000000000000 GBP`.
    pub sent: String,
    /// Why they are set apart.
    pub because: String,
}

/// Refused calls with one reason.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RefusedReason {
    /// The reason, a stable word.
    pub reason: String,
    /// How many are kept.
    pub count: u64,
    /// The latest of them.
    pub examples: Vec<RefusedExample>,
}

/// A refused call.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RefusedExample {
    /// Its number.
    pub id: u64,
    /// When it arrived.
    #[serde(serialize_with = "json::at")]
    pub received_at: Timestamp,
    /// From which source.
    pub source: String,
    /// What is wrong with it and what to do.
    pub message: String,
    /// As it came, at most 16 KB.
    pub raw: String,
}

impl From<Refused> for RefusedExample {
    fn from(refused: Refused) -> RefusedExample {
        RefusedExample {
            id: refused.id,
            received_at: refused.at,
            source: refused.source,
            message: refused.message,
            raw: refused.raw,
        }
    }
}

/// What became of refused calls that were tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TriedAgain {
    /// Accepted now.
    pub accepted: u64,
    /// Had arrived meanwhile.
    pub duplicates: u64,
    /// Refused again; they stay.
    pub refused: u64,
}

impl Engine {
    /// What came in: totals, sources, the last calls, refused ones by reason.
    pub fn door(&self, reader: &dyn Reader, calls: usize) -> Result<DoorReport, StoreError> {
        let (today, ever, mut sources) = self.tallied(reader)?;
        let examples = reader.refused(Page { skip: 0, limit: EXAMPLES_AMONG })?;
        let last = self.last_calls(reader)?;
        for row in &mut sources {
            let of_row = last.iter().filter(|(_, call)| *call.source == row.source);
            row.last_call = of_row.clone().map(|(_, call)| call.received_at).max();
            let keys = self.keys().filter(|key| key.source == row.source).map(|key| key.trust);
            row.trust = keys.chain(of_row.map(|(_, call)| call.trust)).collect();
            row.trust.sort_unstable_by_key(|trust| *trust as u8);
            row.trust.dedup();
        }
        let mut latest: Vec<&(Position, Arc<Call>)> = last.iter().collect();
        latest.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
        let mut rows: Vec<CallRow> =
            latest.into_iter().take(calls).map(|(position, call)| self.call_row(*position, call)).collect();
        rows.extend(examples.iter().map(refused_row));
        rows.sort_by_key(|row| std::cmp::Reverse(row.received_at));
        rows.truncate(calls);
        let last_quarantined = self.quarantined.last.iter().rev();
        Ok(DoorReport {
            today,
            ever,
            sources,
            calls: rows,
            refused: by_reason(reader.refused_counts()?, examples),
            quarantined: self.quarantined.count,
            last_quarantined: last_quarantined.map(|(position, call)| self.quarantined_row(*position, call)).collect(),
            beyond: self.catalogue.beyond(),
        })
    }

    /// Totals of today and ever, and of each source ever, the busiest first.
    fn tallied(&self, reader: &dyn Reader) -> Result<(Totals, Totals, Vec<SourceRow>), StoreError> {
        let day = self.clock.0.div_euclid(86_400_000);
        let (mut today, mut ever) = (Totals::default(), Totals::default());
        let mut sources: BTreeMap<Arc<str>, Totals> = BTreeMap::new();
        for tally in reader.tallies(u32::MAX)? {
            if i64::from(tally.key.day) == day {
                today.add(tally.key.reception, tally.count);
            }
            ever.add(tally.key.reception, tally.count);
            sources.entry(tally.key.source).or_default().add(tally.key.reception, tally.count);
        }
        let row = |(source, totals): (Arc<str>, Totals)| SourceRow {
            source: source.to_string(),
            trust: Vec::new(),
            totals,
            last_call: None,
        };
        let mut sources: Vec<SourceRow> = sources.into_iter().map(row).collect();
        sources.sort_by_key(|row| std::cmp::Reverse(row.totals.all()));
        Ok((today, ever, sources))
    }

    /// Calls of today and when the last one came, for the first page. O(sources).
    pub fn door_today(&self, reader: &dyn Reader) -> Result<(Totals, Option<Timestamp>), StoreError> {
        let day = self.clock.0.div_euclid(86_400_000);
        let mut today = Totals::default();
        for tally in reader.tallies(1)?.into_iter().filter(|tally| i64::from(tally.key.day) == day) {
            today.add(tally.key.reception, tally.count);
        }
        let last = self.last_calls(reader)?.iter().map(|(_, call)| call.received_at).max();
        Ok((today, last))
    }

    /// Calls from outside in the last rows of the journal.
    fn last_calls(&self, reader: &dyn Reader) -> Result<Vec<(Position, Arc<Call>)>, StoreError> {
        let end = u64::from(self.next_row);
        let rows: Vec<RowId> = (end.saturating_sub(LAST_ROWS).max(1)..end).map(RowId).collect();
        let mut calls = Vec::new();
        for row in reader.rows(&rows)? {
            for (offset, call) in (0_u64..).zip(row.calls) {
                if call.trust != Trust::Perennial {
                    calls.push((Position(row.first.0 + offset), call));
                }
            }
        }
        Ok(calls)
    }

    fn call_row(&self, position: Position, call: &Call) -> CallRow {
        let owner = self.people.owner(call, position);
        CallRow {
            received_at: call.received_at,
            source: call.source.clone(),
            kind: call.kind.word(),
            name: match (&call.event, &call.record) {
                (Some(event), _) => event.to_string(),
                (None, Some(record)) => format!("{} {}", record.kind, record.id),
                (None, None) => String::new(),
            },
            who: owner.map(|owner| self.who(owner)),
            reception: Reception::Accepted,
        }
    }

    fn quarantined_row(&self, position: Position, call: &Call) -> QuarantinedRow {
        let quarantine = call.quarantine();
        let sent = quarantine.iter().flat_map(|quarantine| &quarantine.sent);
        let sent: Vec<String> =
            sent.map(|(key, amount)| format!("{key} {}", amount.to_string().trim_matches('"'))).collect();
        let body = call.body_value();
        let currency = body.get("currency").and_then(serde_json::Value::as_str).unwrap_or_default();
        QuarantinedRow {
            received_at: call.received_at,
            source: call.source.clone(),
            event: call.event.as_deref().unwrap_or_default().to_owned(),
            who: self.people.owner(call, position).map(|owner| self.who(owner)),
            sent: format!("{} {currency}", sent.join(", ")).trim().to_owned(),
            because: quarantine.map(|quarantine| quarantine.because).unwrap_or_default(),
        }
    }

    /// Calls ever of which amounts are set apart.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.count
    }

    /// Takes refused calls again that can be read now, and strikes them off the list of refused ones: what is
    /// accepted counts, what arrived meanwhile is a duplicate, what may still not join is noted anew.
    /// The one question here that changes something.
    pub fn take_again(&mut self, again: Vec<(u64, Call)>, now: Timestamp) -> TriedAgain {
        let mut tried = TriedAgain::default();
        for (id, call) in again {
            for receipt in self.ingest(vec![call], now) {
                match receipt {
                    Receipt::Accepted(_) => tried.accepted += 1,
                    Receipt::Duplicate { .. } => tried.duplicates += 1,
                    Receipt::Refused { .. } => tried.refused += 1,
                }
            }
            self.pending.refused_gone.push(id);
        }
        tried
    }
}

fn refused_row(refused: &Refused) -> CallRow {
    CallRow {
        received_at: refused.at,
        source: refused.source.as_str().into(),
        kind: "",
        name: refused.reason.clone(),
        who: None,
        reception: Reception::Refused,
    }
}

fn by_reason(counts: Vec<(String, u64)>, examples: Vec<Refused>) -> Vec<RefusedReason> {
    let mut reasons: Vec<RefusedReason> =
        counts.into_iter().map(|(reason, count)| RefusedReason { reason, count, examples: Vec::new() }).collect();
    for example in examples {
        if let Some(reason) = reasons
            .iter_mut()
            .find(|reason| reason.reason == example.reason)
            .filter(|reason| reason.examples.len() < EXAMPLES)
        {
            reason.examples.push(example.into());
        }
    }
    reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    reasons
}

/// Reads a refused call again, as its source would be read today. Its arrival stays the one that it had where the
/// call names no time of its own; it is received now. None: it is refused still.
pub fn read_again(refused: &Refused, options: &DoorOptions, now: Timestamp) -> Option<Call> {
    let source = Source { name: refused.source.as_str().into(), trust: refused.trust };
    let fresh_id = |index: usize| format!("again:{}:{index}", refused.id);
    let door = Door { now: refused.at, source: &source, fresh_id: &fresh_id, options, correct_skew: false };
    let endpoint = guess_endpoint(&refused.raw);
    let mut reading = ingest::read(refused.raw.as_bytes(), endpoint, &door).ok()?;
    // A body with several calls was refused as a whole; its sender has to send it again.
    let (Ok(mut call), true) = (reading.items.pop()?, reading.items.is_empty()) else { return None };
    call.received_at = now;
    Some(call)
}

/// A call that came to the address of its kind need not name it: what it carries does.
fn guess_endpoint(raw: &str) -> Endpoint {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(raw).unwrap_or_default();
    if fields.contains_key("type") {
        return Endpoint::Any;
    }
    let kinds = [
        ("event", CallKind::Track),
        ("previousId", CallKind::Alias),
        ("groupId", CallKind::Group),
        ("recordId", CallKind::Record),
        ("traits", CallKind::Identify),
    ];
    let kind = kinds.into_iter().find(|(field, _)| fields.contains_key(*field));
    kind.map_or(Endpoint::Any, |(_, kind)| Endpoint::One(kind))
}
