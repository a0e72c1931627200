//! Which expected outcome is which that happened: each matched once, and as many as can be.

use crate::expect::Wanted;
use crate::workspace::Told;
use domain::CustomerId;

/// In what an outcome differs from the one expected; nothing: it is the one. `to`: whom the expected name means, if the
/// expectation names somebody.
pub(crate) fn differs_in(wanted: &Wanted, to: Option<Option<CustomerId>>, told: &Told) -> Vec<&'static str> {
    let (decision, message) = (&told.decision, &told.message);
    let mut differs = Vec::new();
    let mut note = |key, is_same: bool| {
        if !is_same {
            differs.push(key);
        }
    };
    note("to", to.is_none_or(|person| person == Some(told.customer)));
    note("campaign", wanted.campaign.as_ref().is_none_or(|name| *name == decision.campaign));
    note("step", wanted.step.as_ref().is_none_or(|step| *step == decision.step));
    note("template", wanted.template.as_ref().is_none_or(|name| *name == message.template.as_str()));
    note("variant", wanted.variant.as_deref().is_none_or(|variant| message.variant.as_deref() == Some(variant)));
    note("channel", wanted.channel.is_none_or(|channel| channel == message.channel));
    note("outcome", wanted.outcome.is_none_or(|outcome| outcome == decision.outcome));
    note("because", wanted.because.is_none_or(|because| decision.because == Some(because)));
    note("at", wanted.at.is_none_or(|at| at == decision.at));
    note("contains", wanted.contains.as_deref().is_none_or(|text| is_written_in(told, text)));
    note("lacks", wanted.lacks.as_deref().is_none_or(|text| !is_written_in(told, text)));
    differs
}

/// Whether a text stands in the subject, the HTML source or the text part.
fn is_written_in(told: &Told, text: &str) -> bool {
    told.message.written.as_ref().is_some_and(|written| {
        written.subject.contains(text)
            || written.text.contains(text)
            || written.html.as_deref().is_some_and(|html| html.contains(text))
    })
}

/// Pairs as many of the left with the right as possible, each at most once: for each of the left, whom it got.
///
/// First come, first served would let a loose expectation take the outcome that only a strict one fits. Augmenting
/// paths, O(left · edges).
pub(crate) fn best_pairs(left: usize, right: usize, fits: impl Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
    let fitting: Vec<Vec<usize>> =
        (0..left).map(|one| (0..right).filter(|other| fits(one, *other)).collect()).collect();
    let mut owner: Vec<Option<usize>> = vec![None; right];
    for start in 0..left {
        augment(start, &fitting, &mut owner);
    }
    let mut pairs = vec![None; left];
    for (other, one) in owner.into_iter().enumerate() {
        if let Some(one) = one {
            pairs[one] = Some(other);
        }
    }
    pairs
}

/// Finds a partner for `start`, moving others to their second choice where that helps. Breadth first, without recursion:
/// a path can be as long as the list.
fn augment(start: usize, fitting: &[Vec<usize>], owner: &mut [Option<usize>]) {
    // For each of the right that was reached: from whom of the left.
    let mut reached_from: Vec<Option<usize>> = vec![None; owner.len()];
    let mut waiting = std::collections::VecDeque::from([start]);
    while let Some(one) = waiting.pop_front() {
        for other in &fitting[one] {
            if reached_from[*other].is_some() {
                continue;
            }
            reached_from[*other] = Some(one);
            match owner[*other] {
                Some(next) => waiting.push_back(next),
                None => return hand_along(*other, start, &reached_from, owner),
            }
        }
    }
}

/// Gives everybody on the way what they reached, back to the start.
fn hand_along(free: usize, start: usize, reached_from: &[Option<usize>], owner: &mut [Option<usize>]) {
    let mut other = free;
    while let Some(one) = reached_from[other] {
        let gives_up = owner.iter().position(|owned| *owned == Some(one));
        owner[other] = Some(one);
        match gives_up {
            Some(given) if one != start => other = given,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::best_pairs;

    #[test]
    fn a_loose_expectation_does_not_take_what_only_a_strict_one_fits() {
        // The first fits both, the second only the first outcome.
        let fits = |one: usize, other: usize| one == 0 || other == 0;
        assert_eq!(best_pairs(2, 2, fits), [Some(1), Some(0)]);
        // Three people and three outcomes in a circle, and one too many.
        let circle = |one: usize, other: usize| other == one || other == (one + 1) % 3;
        let pairs = best_pairs(4, 3, |one, other| circle(one % 3, other));
        assert_eq!(pairs.iter().flatten().count(), 3);
    }

    #[test]
    fn nobody_gets_what_does_not_fit_and_nothing_is_given_twice() {
        for seed in 0_u64..200 {
            let fits = |one: usize, other: usize| (seed >> ((one * 4 + other) % 13)) & 1 == 1;
            let pairs = best_pairs(4, 4, fits);
            let mut given: Vec<usize> = pairs.iter().flatten().copied().collect();
            assert!(pairs.iter().enumerate().all(|(one, other)| other.is_none_or(|other| fits(one, other))));
            given.sort_unstable();
            given.dedup();
            assert_eq!(given.len(), pairs.iter().flatten().count());
            assert_eq!(given.len(), most(0, &mut Vec::new(), &fits), "seed {seed}");
        }
    }

    /// The same by trying everything.
    fn most(one: usize, taken: &mut Vec<usize>, fits: &dyn Fn(usize, usize) -> bool) -> usize {
        if one == 4 {
            return taken.len();
        }
        let mut best = most(one + 1, taken, fits);
        for other in 0..4 {
            if fits(one, other) && !taken.contains(&other) {
                taken.push(other);
                best = best.max(most(one + 1, taken, fits));
                taken.pop();
            }
        }
        best
    }
}
