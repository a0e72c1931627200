//! Keyed randomness: every draw is a function of (seed, customer, day, purpose) and of nothing else.
//!
//! Ten lines of our own instead of a crate: a generator with a running state would let one customer's draw shift all
//! that follow, and the promise here is the opposite. What a customer would do on a day is fixed before anyone asks,
//! so the worlds with and without a message differ by that message only (common random numbers). `SplitMix64` (Steele,
//! Lea & Flood 2014) is a permutation of 64 bits with good mixing; nothing here needs to be secret.

/// What a draw is for. Two purposes never share a stream, so that a new draw in one leaves the others as they were.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Arrival = 1,
    Person,
    Taste,
    Wander,
    SignUp,
    Leave,
    Visit,
    Basket,
    Parcel,
    AfterDelivery,
    Subscribe,
    Renewal,
    Retry,
    CancelBox,
    Pass,
    OldTool,
    Answer,
    AnswerBasket,
    Talk,
}

/// The source of all chance in one shop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    seed: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice { seed }
    }

    /// The draws of one customer on one day for one purpose.
    pub(crate) fn of(self, customer: u32, day: u32, purpose: Purpose) -> Draws {
        let who_and_when = (u64::from(customer) << 32) | u64::from(day);
        Draws { state: mix(mix(self.seed ^ ((purpose as u64) << 56)) ^ who_and_when) }
    }

    /// As [`Dice::of`], told apart further by a word (the template of a message).
    pub(crate) fn of_word(self, customer: u32, day: u32, purpose: Purpose, word: &str) -> Draws {
        let Draws { state } = self.of(customer, day, purpose);
        Draws { state: mix(state ^ hash(word)) }
    }
}

/// A stream of independent draws.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    state: u64,
}

impl Draws {
    pub(crate) fn bits(&mut self) -> u64 {
        let bits = mix(self.state);
        self.state = self.state.wrapping_add(GOLDEN);
        bits
    }

    /// Uniform in [0, 1), 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in 0..`bound`; `bound` is at least 1.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        // The bias of the multiplication is below 2^-32, invisible here.
        (((self.bits() >> 32) * u64::from(bound)) >> 32) as u32
    }

    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u32) as usize]
    }

    /// An index, as likely as its weight is large.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        for (index, weight) in weights.enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Gamma with `shape` ≥ 1 and the given mean.   Source: Marsaglia & Tsang (2000).
    pub(crate) fn gamma(&mut self, shape: f64, mean: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        // Nineteen of twenty first tries succeed; 64 failures in a row do not happen.
        for _ in 0..64 {
            let normal = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
            let v = (1.0 + c * normal).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
                return d * v * mean / shape;
            }
        }
        mean
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a, 64 bits: short texts to keys.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_numbers_are_those_of_the_published_splitmix64() {
        let mut draws = Draws { state: 1_234_567 };
        assert_eq!(draws.bits(), 6_457_827_717_110_365_317);
        assert_eq!(draws.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_draw_depends_on_its_key_only() {
        let dice = Dice::new(7);
        assert_eq!(dice.of(3, 9, Purpose::Leave).bits(), dice.of(3, 9, Purpose::Leave).bits());
        assert_ne!(dice.of(3, 9, Purpose::Leave).bits(), dice.of(3, 9, Purpose::Visit).bits());
        assert_ne!(dice.of(3, 9, Purpose::Leave).bits(), dice.of(9, 3, Purpose::Leave).bits());
    }

    #[test]
    fn gamma_draws_have_the_mean_and_variance_of_their_shape() {
        let dice = Dice::new(1);
        let draws: Vec<f64> = (0..20_000).map(|i| dice.of(i, 0, Purpose::Person).gamma(1.5, 3.0)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((mean - 3.0).abs() < 0.06, "{mean}");
        assert!((variance - 6.0).abs() < 0.35, "{variance}");
    }
}
