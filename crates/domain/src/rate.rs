//! Shares that are checked when made.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A share of people in hundredths of a percent, 0 to 10,000: the resolution of the assignment hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Percent(u16);

impl Percent {
    /// Nobody.
    pub const ZERO: Percent = Percent(0);

    /// Reads `20`, `"20%"` or `"2.5 %"`: 0 to 100 with at most two decimals.
    pub fn parse(text: &str) -> Result<Percent, String> {
        let refuse = || format!("`{text}` is no share: write 0 to 100, with at most two decimals, such as 20%");
        let number = text.trim().trim_end_matches('%').trim();
        let value: rust_decimal::Decimal = number.parse().map_err(|_| refuse())?;
        let hundredths = value * rust_decimal::Decimal::from(100);
        if hundredths.fract() != rust_decimal::Decimal::ZERO {
            return Err(refuse());
        }
        let whole = u16::try_from(hundredths.trunc().mantissa() / 10_i128.pow(hundredths.trunc().scale()))
            .map_err(|_| refuse())?;
        if whole > 10_000 {
            return Err(refuse());
        }
        Ok(Percent(whole))
    }

    /// Hundredths of a percent, 0 to 10,000: the first bucket that is outside.
    pub fn buckets(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = rust_decimal::Decimal::new(i64::from(self.0), 2).normalize();
        write!(f, "{value}%")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_with_two_decimals_and_no_more() {
        assert_eq!(Percent::parse("20%").unwrap().buckets(), 2_000);
        assert_eq!(Percent::parse("0.25").unwrap().buckets(), 25);
        assert_eq!(Percent::parse("100").unwrap().to_string(), "100%");
        for bad in ["-1", "100.01", "1.001", "abc", "", "1e9"] {
            assert!(Percent::parse(bad).is_err(), "{bad}");
        }
    }
}
