//! Pools of vouchers: what is left, and bringing codes.

use super::{EngineViews, House, broken};
use crate::api::vouchers::{codes_of, read_codes};
use crate::pages::PageError;
use crate::pages::session::Notice;
use crate::pages::text::{Count, Tag, Tone};
use crate::pages::vouchers::{PoolRow, VouchersView};
use domain::Name;
use engine::report::vouchers::PoolReport;

impl<H: House> EngineViews<H> {
    pub(super) fn vouchers_view(&self) -> Result<VouchersView, PageError> {
        self.look(|engine, reader, _| {
            let mut pools = engine.pools(reader).map_err(broken)?;
            // Stable: by name within.
            pools.sort_by_key(urgency);
            Ok(VouchersView { pools: pools.iter().map(row).collect() })
        })
    }

    pub(super) fn import_codes(&self, pool: &str, text: &str) -> Result<Notice, PageError> {
        let pool = Name::parse(pool.trim())
            .map_err(|error| PageError::Refused(format!("a pool cannot be called so: {error}")))?;
        let lines: Vec<(usize, &str)> = codes_of(text).collect();
        let (codes, refused) = read_codes(lines.iter().map(|(_, code)| *code));
        if let Some((place, reason)) = refused.first() {
            let place = usize::try_from(*place).unwrap_or(1);
            let line = lines.get(place.saturating_sub(1)).map_or(0, |(line, _)| *line);
            return Err(PageError::Refused(format!("nothing was imported: in line {line}, {reason}")));
        }
        if codes.is_empty() {
            return Err(PageError::Refused("there was no code in it".to_owned()));
        }
        let added = self.change(move |engine, now| engine.add_codes(&pool, &codes, now))?;
        let added = added.map_err(|error| PageError::Refused(error.to_string()))?;
        let mut words = format!(
            "{} imported, {} left now.",
            Count(added.added).of("code", "codes"),
            Count(added.left).of("code is", "codes are")
        );
        if added.duplicates > 0 {
            words.push_str(&format!(" {} known before.", Count(added.duplicates).of("was", "were")));
        }
        if added.made_up_for > 0 {
            words.push_str(&format!(
                " {} for one, and has it now.",
                Count(added.made_up_for).of("customer waited", "customers waited")
            ));
        }
        Ok(Notice::done(words))
    }
}

/// What asks for somebody's doing stands first.
fn urgency(pool: &PoolReport) -> u8 {
    match pool {
        PoolReport { is_imported: true, left: 0, is_used: true, .. } => 0,
        pool if pool.is_imported && pool.is_low() => 1,
        PoolReport { is_imported: true, is_used: true, .. } => 2,
        PoolReport { is_imported: false, .. } => 3,
        PoolReport { .. } => 4,
    }
}

fn row(pool: &PoolReport) -> PoolRow {
    let (words, tone, advice) = match pool {
        PoolReport { is_imported: false, .. } => (
            "Made as needed",
            Tone::Plain,
            "Perennial makes its codes. If your till must know them, import codes that it made.".to_owned(),
        ),
        PoolReport { left: 0, is_used: true, .. } => (
            "Used up",
            Tone::Rose,
            "Messages that show a code are held; nobody gets one without. Import codes, and they go out.".to_owned(),
        ),
        pool if pool.is_low() => (
            "Running dry",
            Tone::Sun,
            format!(
                "{} in the last seven days. Import more in time.",
                Count(pool.given_in_week).of("was given", "were given")
            ),
        ),
        PoolReport { is_used: false, .. } => ("Not used", Tone::Plain, "No campaign gives from it.".to_owned()),
        _ => ("Enough", Tone::Leaf, String::new()),
    };
    PoolRow {
        name: pool.pool.to_string(),
        state: Tag::new(words, tone),
        advice,
        left: pool.is_imported.then_some(Count(pool.left)),
        given: Count(pool.given),
        added_at: pool.added_at.map(domain::Timestamp::as_jiff),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_ask_for_somebody_stand_before_those_that_go_on_by_themselves() {
        let pool = |name: &str, is_imported, left, is_used| PoolReport {
            pool: Name::parse(name).unwrap(),
            is_imported,
            left,
            given: 40,
            given_in_week: 10,
            added_at: None,
            is_used,
        };
        let mut pools = [
            pool("as-needed", false, 0, true),
            pool("enough", true, 400, true),
            pool("idle", true, 0, false),
            pool("low", true, 9, true),
            pool("used-up", true, 0, true),
        ];
        pools.sort_by_key(urgency);
        let order: Vec<String> = pools.iter().map(row).map(|row| row.name).collect();
        assert_eq!(order, ["used-up", "low", "enough", "as-needed", "idle"]);
    }
}
