//! Sets of streams or segments by their places in the plan, 64 to a word: what an event or a customer concerns is put together
//! from them without sorting.

/// A set of places in the plan.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Numbers(Vec<u64>);

impl Numbers {
    /// Adds one.
    #[inline]
    pub fn insert(&mut self, number: usize) {
        let word = number / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    /// Adds all of another set.
    #[inline]
    pub fn add(&mut self, others: &Numbers) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    /// Takes everything out; its room stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether all of another set are in it.
    #[inline]
    pub fn covers(&self, others: &Numbers) -> bool {
        let own = self.0.iter().copied().chain(std::iter::repeat(0));
        others.0.iter().zip(own).all(|(other, own)| other & !own == 0)
    }

    /// Everything in it, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(word * 64 + bit as usize)
            })
        })
    }
}

impl FromIterator<usize> for Numbers {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Numbers {
        let mut set = Numbers::default();
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_put_together_from_others_and_told_in_order() {
        let mut set: Numbers = [130, 3, 64].into_iter().collect();
        set.add(&[3, 5].into_iter().collect());
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 5, 64, 130]);
        assert!(set.covers(&[5, 130].into_iter().collect()) && set.covers(&Numbers::default()));
        assert!(!set.covers(&[5, 131].into_iter().collect()), "one is missing");
        assert!(!set.covers(&[700].into_iter().collect()), "beyond its room");
        set.clear();
        assert_eq!(set.iter().next(), None);
    }
}
