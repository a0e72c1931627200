//! How large a comparison must be: two shares, compared by the normal approximation without pooling.
//!
//! Source: Fleiss, Levin, Paik: Statistical Methods for Rates and Proportions, chapter 4, without continuity correction.

/// Standard normal quantile of 1 - 0.05/2: a false alarm in one of twenty comparisons without effect.
const Z_ALARM: f64 = 1.959_963_984_540_054;
/// Standard normal quantile of 0.8: an effect of that size is found four times in five.
const Z_POWER: f64 = 0.841_621_233_572_914_3;

/// People needed in the first group to tell a share of `baseline` from `baseline · (1 + relative)`.
///
/// The second group is `ratio` times as large. Shares are in 0 to 1, exclusive; None where the second share is not.
pub fn sample_size(baseline: f64, relative: f64, ratio: f64) -> Option<f64> {
    let other = baseline * (1.0 + relative);
    let is_share = |share: f64| share > 0.0 && share < 1.0;
    if !is_share(baseline) || !is_share(other) || relative == 0.0 || ratio.is_nan() || ratio <= 0.0 {
        return None;
    }
    let spread = baseline * (1.0 - baseline) + other * (1.0 - other) / ratio;
    Some((Z_ALARM + Z_POWER).powi(2) * spread / (other - baseline).powi(2))
}

/// The smallest rise of a share of `baseline` that groups of these sizes would show four times in five, as a difference
/// of shares. None where a group is empty, or no rise up to 100 % would do.
pub fn smallest_rise(baseline: f64, held_out: f64, messaged: f64) -> Option<f64> {
    if !(0.0..1.0).contains(&baseline) || held_out < 1.0 || messaged < 1.0 {
        return None;
    }
    // With nobody coming back in the past, one who does is already much: a share of nothing has no spread.
    let shows = |rise: f64| {
        let other = baseline + rise;
        let spread = baseline * (1.0 - baseline) / held_out + other * (1.0 - other) / messaged;
        rise >= (Z_ALARM + Z_POWER) * spread.sqrt()
    };
    let (mut low, mut high) = (0.0, 1.0 - baseline);
    if !shows(high) {
        return None;
    }
    // The spread is concave in the rise and the rise is linear: once it shows, more of it shows too.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if shows(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_of_a_tenth_on_one_in_twenty_needs_31_231_people_each() {
        // Expected value: reference case `power_sample_size_prop`, a closed form computed independently.
        let needed = sample_size(0.05, 0.1, 1.0).unwrap();
        assert!((needed - 31_230.692_462_974_963).abs() < 1e-6, "{needed}");
    }

    #[test]
    fn what_can_be_seen_and_what_is_needed_agree() {
        for (baseline, relative) in [(0.05, 0.1), (0.2, 0.25), (0.01, 1.0), (0.6, 0.2)] {
            for ratio in [1.0, 4.0, 19.0] {
                let needed = sample_size(baseline, relative, ratio).unwrap();
                let rise = smallest_rise(baseline, needed, needed * ratio).unwrap();
                assert!((rise - baseline * relative).abs() < 1e-9, "{baseline} {relative} {ratio}: {rise}");
            }
        }
    }

    #[test]
    fn what_makes_no_sense_has_no_answer() {
        assert_eq!(sample_size(0.0, 0.1, 1.0), None);
        assert_eq!(sample_size(0.9, 0.2, 1.0), None);
        assert_eq!(sample_size(0.5, 0.0, 1.0), None);
        assert_eq!(sample_size(0.5, 0.1, 0.0), None);
        assert_eq!(sample_size(f64::NAN, 0.1, 1.0), None);
        assert_eq!(smallest_rise(0.1, 0.0, 100.0), None);
        assert_eq!(smallest_rise(0.9, 2.0, 2.0), None);
        assert_eq!(smallest_rise(1.0, 100.0, 100.0), None);
        assert!(smallest_rise(0.0, 100.0, 100.0).unwrap() < 0.1);
    }
}
