//! Sets of people by their number, 64 to a word: a million of them are 125 KB.

use domain::CustomerId;

/// A set of people.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Bits(pub(super) Vec<u64>);

impl Bits {
    /// Nobody, with room for so many numbers.
    pub(crate) fn with_room(numbers: usize) -> Bits {
        Bits(vec![0; numbers.div_ceil(64)])
    }

    /// Adds somebody.
    pub(crate) fn insert(&mut self, id: CustomerId) {
        let word = id.0 as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (id.0 % 64);
    }

    /// Adds everybody of another set.
    pub(super) fn add(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// Whether somebody is in it.
    pub(crate) fn contains(&self, id: CustomerId) -> bool {
        self.0.get(id.0 as usize / 64).is_some_and(|word| word & (1 << (id.0 % 64)) != 0)
    }

    /// Number of people.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Number of people who are in this set and not in another.
    pub(crate) fn count_without(&self, other: &Bits) -> u64 {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter().zip(others).map(|(word, other)| u64::from((word & !other).count_ones())).sum()
    }

    /// Everybody in it, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = CustomerId> + '_ {
        (0_u32..).zip(&self.0).flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(CustomerId(word * 64 + bit))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_people_counts_and_lists_them() {
        let mut some = Bits::default();
        let numbers = [1, 63, 64, 65, 70_000];
        numbers.iter().for_each(|id| some.insert(CustomerId(*id)));
        let mut few = Bits::with_room(64);
        few.insert(CustomerId(63));
        assert_eq!(some.iter().map(|id| id.0).collect::<Vec<_>>(), numbers);
        assert_eq!((some.count(), few.count(), some.count_without(&few), few.count_without(&some)), (5, 1, 4, 0));
        assert!(some.contains(CustomerId(64)) && !some.contains(CustomerId(66)) && !few.contains(CustomerId(70_000)));
    }
}
