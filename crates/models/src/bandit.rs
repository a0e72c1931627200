//! Sending more of what works: Thompson sampling with a floor, and what may be said about the variants afterwards.
//!
//! Sources: Thompson sampling by Gaussian posteriors and the additive floor as in gbstats (`BanditsSimple`); estimates after
//! it by adaptively weighted AIPW scores, Hadad, Hirshberg, Zhan, Wager, Athey: Confidence intervals for policy evaluation
//! in adaptive experiments (PNAS 2021).

use crate::normal::{below, density};

/// Parts of which shares are whole numbers: as many as there are buckets to draw from.
pub const PARTS: u32 = 10_000;
/// The share that every variant keeps, in parts: what is never tried again cannot turn out to be better.
pub const FLOOR: u32 = 1_000;
/// Customers each variant needs before shares move, where nothing else is asked for.
pub const LEAST: u64 = 100;
/// Most variants: with their floors they take half of everybody, the other half can move.
pub const MOST_VARIANTS: usize = 5;

/// Beyond so many standard errors from its mean a posterior has no mass that counts: 10^-16.
const REACH: f64 = 8.3;
/// Nodes and weights of Gauss's rule with five points on [-1, 1].
const GAUSS: [(f64, f64); 5] = [
    (0.0, 0.568_888_888_888_888_9),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

/// What came of the customers of one variant, in whole numbers: minor units of money, or 1 for who came back and 0 for
/// who did not. Sums of whole numbers are the same in whatever order they are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcomes {
    /// Customers.
    pub customers: u64,
    /// Sum of their outcomes.
    pub sum: i128,
    /// Sum of the squares of their outcomes.
    pub sum_squares: i128,
}

impl Outcomes {
    /// Counts one more customer.
    pub fn add(&mut self, outcome: i64) {
        let outcome = i128::from(outcome);
        self.customers += 1;
        self.sum = self.sum.saturating_add(outcome);
        self.sum_squares = self.sum_squares.saturating_add(outcome * outcome);
    }

    fn and(self, other: Outcomes) -> Outcomes {
        Outcomes {
            customers: self.customers + other.customers,
            sum: self.sum.saturating_add(other.sum),
            sum_squares: self.sum_squares.saturating_add(other.sum_squares),
        }
    }

    /// The mean outcome; 0 of nobody.
    pub fn mean(&self) -> f64 {
        if self.customers == 0 { 0.0 } else { self.sum as f64 / self.customers as f64 }
    }

    /// The variance of outcomes, with divisor n - 1; 0 of fewer than two customers.
    pub fn variance(&self) -> f64 {
        if self.customers < 2 {
            return 0.0;
        }
        let (n, count) = (i128::from(self.customers), self.customers as f64);
        let exact = n.checked_mul(self.sum_squares).zip(self.sum.checked_mul(self.sum));
        match exact {
            Some((squares, square)) => squares.saturating_sub(square).max(0) as f64 / (count * (count - 1.0)),
            None => {
                let mean = self.mean();
                ((self.sum_squares as f64 - count * mean * mean) / (count - 1.0)).max(0.0)
            }
        }
    }
}

/// What is believed of a variant's mean: a normal distribution.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Posterior {
    /// Its middle.
    pub mean: f64,
    /// Its standard deviation, above 0.
    pub standard_error: f64,
}

/// How many of everybody each variant gets, in parts of `PARTS`, the sum of which is `PARTS`; none of no variants.
///
/// `start`: weights where it begins, one for each of `outcomes`. They hold, with the floor, until every variant has `least`
/// customers, at least one. Then a variant's share is its chance to be the best, N(m, s²/n) being what is believed of each mean, and no
/// variant's is below `FLOOR` (of more than ten variants: below an equal share).
///
/// A variant all of whose customers did the same has no spread of its own: it takes that of all of them together, so that
/// a hundred customers of whom none bought are not taken for proof that none ever will.
pub fn shares(outcomes: &[Outcomes], start: &[u32], least: u64) -> Vec<u32> {
    let is_early = outcomes.iter().any(|arm| arm.customers < least.max(1));
    let pooled = outcomes.iter().fold(Outcomes::default(), |all, arm| all.and(*arm)).variance();
    if is_early || pooled <= 0.0 || !pooled.is_finite() {
        return in_parts(&begin(outcomes.len(), start));
    }
    let believed: Vec<Posterior> = outcomes
        .iter()
        .map(|arm| {
            let own = arm.variance();
            let variance = if own > 0.0 { own } else { pooled };
            Posterior { mean: arm.mean(), standard_error: (variance / arm.customers as f64).sqrt() }
        })
        .collect();
    in_parts(&best_arm_probabilities(&believed))
}

/// The weights where it begins, as shares of 1; equal ones where none is above 0.
fn begin(count: usize, start: &[u32]) -> Vec<f64> {
    let weights: Vec<f64> = (0..count).map(|arm| f64::from(start.get(arm).copied().unwrap_or(0))).collect();
    let total: f64 = weights.iter().sum();
    let equal = 1.0 / count.max(1) as f64;
    weights.iter().map(|weight| if total > 0.0 { weight / total } else { equal }).collect()
}

/// For each of some variants the chance that its mean is the highest. The sum is 1 but for 10^-9.
///
/// By Gauss's rule on pieces between the ends of all distributions, each cut so fine that none of them bends much within:
/// the same at every run and on every machine, to about nine digits.
pub fn best_arm_probabilities(believed: &[Posterior]) -> Vec<f64> {
    match believed {
        [] => Vec::new(),
        [_] => vec![1.0],
        [one, other] => {
            let first = below((one.mean - other.mean) / one.standard_error.hypot(other.standard_error));
            vec![first, 1.0 - first]
        }
        _ => (0..believed.len()).map(|arm| best_probability(believed, arm)).collect(),
    }
}

fn best_probability(believed: &[Posterior], arm: usize) -> f64 {
    let own = believed[arm];
    let ends = |it: &Posterior| (it.mean - REACH * it.standard_error, it.mean + REACH * it.standard_error);
    let (from, to) = ends(&own);
    let mut cuts: Vec<f64> = believed.iter().flat_map(|it| <[f64; 2]>::from(ends(it))).collect();
    cuts.retain(|cut| *cut > from && *cut < to);
    cuts.extend([from, to]);
    cuts.sort_by(f64::total_cmp);
    let others = |x: f64| {
        let others = believed.iter().enumerate().filter(|(other, _)| *other != arm);
        others.map(|(_, it)| below((x - it.mean) / it.standard_error)).product::<f64>()
    };
    let mut sum = 0.0;
    for piece in cuts.windows(2) {
        let (low, high) = (piece[0], piece[1]);
        let middle = f64::midpoint(low, high);
        let bends_here = |it: &&Posterior| {
            let (low, high) = ends(it);
            low <= middle && middle <= high
        };
        let finest = believed.iter().filter(bends_here).map(|it| it.standard_error).fold(own.standard_error, f64::min);
        // A piece is at most 16.6 of its finest standard errors long, which is 17 panels.
        let panels = ((high - low) / finest).ceil().clamp(1.0, 1_000.0);
        let half = (high - low) / panels / 2.0;
        let mut centre = low + half;
        while centre < high {
            for (node, weight) in GAUSS {
                let x = centre + node * half;
                sum += weight * half * density((x - own.mean) / own.standard_error) / own.standard_error * others(x);
            }
            centre += 2.0 * half;
        }
    }
    sum.clamp(0.0, 1.0)
}

/// Shares with a floor under each: p = f + (1 - k f) w, as gbstats adds it. `floor` and `weights` in shares of 1.
pub fn with_floor(weights: &[f64], floor: f64) -> Vec<f64> {
    let count = weights.len() as f64;
    let floor = floor.min(1.0 / count);
    weights.iter().map(|weight| floor + (1.0 - count * floor) * weight).collect()
}

/// Whole parts, the floor under each; what rounding leaves goes to the largest remainders, of equal ones to the first.
fn in_parts(weights: &[f64]) -> Vec<u32> {
    if weights.is_empty() {
        return Vec::new();
    }
    let total: f64 = weights.iter().sum();
    let weights: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let wanted: Vec<f64> = with_floor(&weights, f64::from(FLOOR) / f64::from(PARTS))
        .into_iter()
        .map(|share| share * f64::from(PARTS))
        .collect();
    // A hair above a whole number is that number: 1,000 must not become 999 by what the last digit lost.
    let whole = |share: &f64| (share + 1e-6).floor().clamp(0.0, f64::from(PARTS)) as u32;
    let mut parts: Vec<u32> = wanted.iter().map(whole).collect();
    let mut left = PARTS.saturating_sub(parts.iter().sum());
    let mut order: Vec<usize> = (0..parts.len()).collect();
    let remainder = |arm: usize| wanted[arm] - f64::from(parts[arm]);
    order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)));
    for arm in order.into_iter().cycle() {
        if left == 0 {
            break;
        }
        parts[arm] += 1;
        left -= 1;
    }
    parts
}

/// What may be said about each variant after people were shared among them by what was known so far.
///
/// A plain mean may not be: a variant that began unluckily gets fewer people, and so fewer chances to make up for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Adaptive {
    arms: Vec<Scores>,
}

/// Sums of one variant, those of squares about a moving middle so that large numbers do not swallow small ones.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Scores {
    /// Customers who got it, and the sum of their outcomes.
    count: f64,
    sum: f64,
    /// Σh, and the mean of scores weighted with h.
    weight: f64,
    mean: f64,
    /// Σh², the mean of scores weighted with h², and Σh²(Γ - that mean)².
    weight_squares: f64,
    middle: f64,
    about_middle: f64,
}

/// An estimate of a variant's mean outcome, if everybody had got it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The estimate.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl Adaptive {
    /// Of so many variants, before anybody.
    pub fn new(variants: usize) -> Adaptive {
        Adaptive { arms: vec![Scores::default(); variants] }
    }

    /// Counts a customer who got variant `arm` with an outcome, in the order in which people were drawn. `shares`: the
    /// chance that each variant had at that draw, in [0, 1]; to a variant without any chance the draw says nothing.
    ///
    /// Γ(w) = m̂(w) + 1{A = w}(Y - m̂(w))/e(w), m̂ being the mean of earlier outcomes (0 before the first), h = √e.
    pub fn add(&mut self, arm: usize, outcome: f64, shares: &[f64]) {
        for (own, (scores, share)) in self.arms.iter_mut().zip(shares).enumerate() {
            if *share <= 0.0 {
                continue;
            }
            let expected = if scores.count > 0.0 { scores.sum / scores.count } else { 0.0 };
            let is_own = own == arm;
            let score = if is_own { expected + (outcome - expected) / share } else { expected };
            let weight = share.sqrt();
            scores.weight += weight;
            scores.mean += (score - scores.mean) * weight / scores.weight;
            scores.weight_squares += share;
            let before = score - scores.middle;
            scores.middle += before * share / scores.weight_squares;
            scores.about_middle += share * before * (score - scores.middle);
            if is_own {
                scores.count += 1.0;
                scores.sum += outcome;
            }
        }
    }

    /// What is known of a variant: Q = ΣhΓ/Σh, V = Σh²(Γ-Q)²/(Σh)². None while nobody got it.
    pub fn estimate(&self, arm: usize) -> Option<Estimate> {
        let scores = self.arms.get(arm).filter(|scores| scores.count > 0.0 && scores.weight > 0.0)?;
        let aside = scores.middle - scores.mean;
        let variance = (scores.about_middle + scores.weight_squares * aside * aside) / (scores.weight * scores.weight);
        Some(Estimate { mean: scores.mean, standard_error: variance.max(0.0).sqrt() })
    }
}

#[cfg(test)]
mod tests;
