//! Deterministic assignment of people to comparison groups and variants.
//!
//! GrowthBook's hash, version 2: `fnv1a32(decimal(fnv1a32(seed + value))) mod 10000`.
//! Source: GrowthBook SDK specification (build your own, hashing algorithm), cases in
//! `reference/experiments.json`. Feed it ASCII values only: elsewhere the hash runs over UTF-16
//! code units, and other alphabets would fall into other buckets.

/// Number of buckets: shares have a resolution of 0.01 %.
pub const BUCKETS: u16 = 10_000;

/// The bucket of a value under a seed, in [0, 10,000).
pub fn bucket(seed: &str, value: &str) -> u16 {
    let inner = fnv1a32([seed, value]);
    let outer = fnv1a32([inner.to_string().as_str()]);
    u16::try_from(outer % u32::from(BUCKETS)).expect("a remainder by 10,000 fits")
}

/// Chooses one of `weights` by bucket: cumulative ranges, half open, first match.
/// Returns its index; none when all weights are 0.
pub fn choose(bucket: u16, weights: &[u32]) -> Option<usize> {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 {
        return None;
    }
    let mut reached = 0_u64;
    for (index, weight) in weights.iter().enumerate() {
        reached += u64::from(*weight);
        // bucket / BUCKETS < reached / total, in whole numbers.
        if u64::from(bucket) * total < reached * u64::from(BUCKETS) {
            return Some(index);
        }
    }
    None
}

fn fnv1a32<'a>(parts: impl IntoIterator<Item = &'a str>) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for part in parts {
        for unit in part.encode_utf16() {
            hash = (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Option<Vec<serde_json::Value>> {
        let path =
            format!("{}/../../../shared/reference/experiments.json", std::env::var("CARGO_MANIFEST_DIR").unwrap());
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: ../shared/reference is not here");
            return None;
        };
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn the_hash_agrees_with_growthbook() {
        for (seed, value, expected) in [
            ("seed", "a", 505),
            ("seed", "b", 2696),
            ("foo", "ab", 2575),
            ("foo", "def", 2019),
            ("90850943850283058242805", "123", 7516),
        ] {
            assert_eq!(bucket(seed, value), expected, "{seed} {value}");
        }
    }

    #[test]
    fn every_case_of_the_reference_agrees() {
        let Some(cases) = cases() else { return };
        let mut checked = 0;
        for case in &cases {
            if case["method"] != "assignment.hash" {
                continue;
            }
            let expected = case["expected"]["bucket"].as_array().unwrap();
            if let Some(values) = case["input"]["values"].as_array() {
                let seed = case["settings"]["seed"].as_str().unwrap();
                for (value, expected) in values.iter().zip(expected) {
                    let share = f64::from(bucket(seed, value.as_str().unwrap())) / 10_000.0;
                    assert_eq!(Some(share), expected.as_f64(), "{value}");
                    checked += 1;
                }
            }
            for (row, expected) in case["input"]["rows"].as_array().into_iter().flatten().zip(expected) {
                if row["version"] == 2 {
                    let share =
                        f64::from(bucket(row["seed"].as_str().unwrap(), row["value"].as_str().unwrap())) / 10_000.0;
                    assert_eq!(Some(share), expected.as_f64(), "{row}");
                    checked += 1;
                }
            }
        }
        assert!(checked >= 17, "only {checked} cases were found");
    }

    #[test]
    fn half_of_ten_thousand_customers_are_in_half_of_the_buckets() {
        let inside = (0..10_000).filter(|id| bucket("segment:s", &format!("c{id}")) < 5_000).count();
        assert!((4_800..=5_200).contains(&inside), "{inside}");
    }

    #[test]
    fn weights_share_the_buckets() {
        let mut counts = [0_u32; 3];
        for bucket in 0..BUCKETS {
            counts[choose(bucket, &[1, 0, 3]).unwrap()] += 1;
        }
        assert_eq!(counts, [2_500, 0, 7_500]);
        assert_eq!(choose(0, &[0, 0]), None);
    }
}
