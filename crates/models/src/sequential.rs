//! Ranges that stay true however often one looks.

/// Half of the width of a range around an estimate that holds at every look, with a chance of at most `alarm` that it
/// ever leaves the truth out.
///
/// `standard_error`: of the estimate now. `count`: units behind it now. `planned`: units at which the range is at its
/// narrowest beside one for a single look; any number is right, none may be chosen later. `alarm` in (0, 1).
/// None where there is nothing to say: no units, or numbers out of range.
///
/// Source: Waudby-Smith et al., Time-uniform central limit theory and asymptotic confidence sequences (2021), as in gbstats.
pub fn half_width(standard_error: f64, count: f64, planned: f64, alarm: f64) -> Option<f64> {
    let in_range = standard_error.is_finite() && standard_error >= 0.0 && count >= 1.0 && planned >= 1.0;
    let is_chance = alarm > 0.0 && alarm < 1.0;
    if !in_range || !is_chance {
        return None;
    }
    let log = -2.0 * alarm.ln();
    let rho_squared = (log + (log + 1.0).ln()) / planned;
    let spread = count * rho_squared + 1.0;
    Some(standard_error * (2.0 * spread / (count * rho_squared) * (spread.sqrt() / alarm).ln()).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_are_those_of_gbstats() {
        // Reference cases `seq_mean_rel_default` and `seq_prop_abs_alpha10`: the estimate's standard error, both arms'
        // units, the tuning parameter, alpha, and half of the width of the expected range.
        for (error, count, planned, alarm, low, high) in [
            (0.034_995_180_168_535_33, 2_380.0, 5_000.0, 0.05, -0.024_176_742_071_853_15, 0.192_176_742_071_853_26),
            (
                0.000_987_339_860_433_073,
                100_000.0,
                100_000.0,
                0.1,
                0.001_271_053_275_515_219_9,
                0.006_728_946_724_484_781,
            ),
        ] {
            let half: f64 = (high - low) / 2.0;
            let found = half_width(error, count, planned, alarm).unwrap();
            assert!((found - half).abs() <= 1e-9 * half, "{found} instead of {half}");
        }
    }

    #[test]
    fn out_of_nothing_nothing_is_said() {
        assert_eq!(half_width(1.0, 0.0, 5_000.0, 0.05), None);
        assert_eq!(half_width(f64::NAN, 10.0, 5_000.0, 0.05), None);
        assert_eq!(half_width(1.0, 10.0, 0.0, 0.05), None);
        assert_eq!(half_width(1.0, 10.0, 5_000.0, 1.0), None);
        assert_eq!(half_width(0.0, 10.0, 5_000.0, 0.05), Some(0.0));
    }
}
