//! Money as integer minor units with a currency. It never becomes a float.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Pounds sterling.
    pub const GBP: Currency = Currency(*b"GBP");

    /// Reads three letters, in either case.
    pub fn parse(text: &str) -> Option<Currency> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Currency(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made of ASCII letters by parse")
    }

    /// Decimals of the minor unit (ISO 4217): 2 for most, 0 for yen and won, 3 for some dinars.
    pub fn decimals(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Currency::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no currency code such as GBP")))
    }
}

/// An amount in minor units of its currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Money {
    /// Minor units, such as pence.
    pub minor: i64,
    /// Its currency.
    pub currency: Currency,
}

impl Money {
    /// The amount of a decimal number of major units, half a minor unit rounded away from zero.
    /// None beyond the range of 64-bit minor units.
    pub fn from_major(major: Decimal, currency: Currency) -> Option<Money> {
        let scaled = major.checked_mul(Decimal::from(10_u32.pow(currency.decimals())))?;
        let rounded = scaled.round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        let minor = i64::try_from(rounded.trunc().mantissa() / 10_i128.checked_pow(rounded.scale())?).ok()?;
        Some(Money { minor, currency })
    }

    /// The amount in major units, exact.
    pub fn major(self) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(self.minor), self.currency.decimals())
    }
}

impl fmt::Display for Money {
    /// `25.00 CAD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.major(), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pence_yen_and_dinars_have_their_own_minor_units() {
        let of = |text: &str, code| Money::from_major(text.parse().unwrap(), Currency::parse(code).unwrap()).unwrap();
        assert_eq!(of("8911407.90", "GBP").minor, 891_140_790);
        assert_eq!(of("25.0", "cad").to_string(), "25.00 CAD");
        assert_eq!(of("1500", "JPY").minor, 1_500);
        assert_eq!(of("1.2345", "KWD").minor, 1_235);
        assert_eq!(of("-0.005", "GBP").minor, -1);
        assert!(Money::from_major(Decimal::MAX, Currency::GBP).is_none());
    }
}
