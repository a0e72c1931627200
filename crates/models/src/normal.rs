//! The standard normal distribution.

use std::f64::consts::{PI, SQRT_2};

/// Beyond so many standard deviations a tail is smaller than 2 in 10^16: nothing beside 1 in double precision.
const TAIL: f64 = 8.3;

/// The density at `z`.
pub fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// The probability of a value of at most `z`, to about 15 digits. NaN gives NaN.
///
/// Source: Abramowitz & Stegun, 26.2.11 (series) near the middle, 26.2.14 (continued fraction) in the tails.
pub fn below(z: f64) -> f64 {
    if z.is_nan() {
        return z;
    }
    if z < -TAIL {
        return 0.0;
    }
    if z > TAIL {
        return 1.0;
    }
    if z.abs() < 3.0 { 0.5 + density(z) * series(z) } else { tail(z) }
}

/// z + z³/3 + z⁵/(3·5) + …; below 3 it needs at most 40 terms.
fn series(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    for _ in 0..100 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
        if term.abs() < 1e-17 * sum.abs().max(SQRT_2 * 1e-8) {
            break;
        }
    }
    sum
}

/// 1/(x+ 1/(x+ 2/(x+ 3/(x+ …, from the end; beyond 3 eighty levels are more than enough.
fn tail(z: f64) -> f64 {
    let x = z.abs();
    let mut below_it = x;
    for level in (1_u32..=80).rev() {
        below_it = x + f64::from(level) / below_it;
    }
    let tail = density(x) / below_it;
    if z > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_has_the_values_of_the_tables() {
        // 0.5 · erfc(-z/√2) of Python's math module.
        for (z, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, 0.158_655_253_931_457_05),
            (1.959_963_984_540_054, 0.975),
            (2.999, 0.998_645_663_466_272_8),
            (3.0, 0.998_650_101_968_369_9),
            (-4.0, 3.167_124_183_311_986e-5),
            (-8.0, 6.220_960_574_271_74e-16),
        ] {
            let found = below(z);
            assert!((found - expected).abs() <= 1e-13 * expected.max(1e-3), "{z}: {found}");
        }
        assert_eq!((below(f64::INFINITY), below(f64::NEG_INFINITY)), (1.0, 0.0));
        assert!(below(f64::NAN).is_nan());
        for step in -800..800 {
            let z = f64::from(step) / 100.0;
            assert!(below(z) <= below(z + 0.01), "falls at {z}");
            assert!((below(z) + below(-z) - 1.0).abs() < 1e-15, "{z}");
        }
    }
}
