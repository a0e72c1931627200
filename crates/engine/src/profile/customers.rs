//! Everybody's live state, by their number.
//!
//! Numbers are dense, so that a place is looked up, not searched; and states stand in blocks of equal size, without gaps: a walk
//! over everybody goes through memory in order, can be shared out among processors, and a million customers never have to be
//! moved at once when one more comes.

use super::Customer;
use domain::CustomerId;

/// Customers in a block.
const BLOCK: usize = 4_096;

/// A customer's state, with their number.
pub type Held = (CustomerId, Customer);

/// Everybody's live state.
#[derive(Debug, Default)]
pub struct Customers {
    /// By number, the place plus one; 0: there is nobody.
    places: Vec<u32>,
    /// All full but the last one.
    blocks: Vec<Vec<Held>>,
}

impl Customers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    fn place(&self, id: CustomerId) -> Option<usize> {
        self.places.get(id.0 as usize).and_then(|place| (*place as usize).checked_sub(1))
    }

    /// Somebody's state. O(1).
    #[inline]
    pub fn get(&self, id: CustomerId) -> Option<&Customer> {
        let place = self.place(id)?;
        self.blocks.get(place / BLOCK)?.get(place % BLOCK).map(|(_, customer)| customer)
    }

    /// Somebody's state, to change it. O(1).
    #[inline]
    pub fn get_mut(&mut self, id: CustomerId) -> Option<&mut Customer> {
        let place = self.place(id)?;
        self.blocks.get_mut(place / BLOCK)?.get_mut(place % BLOCK).map(|(_, customer)| customer)
    }

    /// Whether there is such a customer.
    pub fn contains(&self, id: CustomerId) -> bool {
        self.place(id).is_some()
    }

    /// Adds somebody, unless they are there. Returns whether they are new. O(1) at average.
    pub fn add_with(&mut self, id: CustomerId, make: impl FnOnce() -> Customer) -> bool {
        if self.contains(id) {
            return false;
        }
        let number = id.0 as usize;
        if self.places.len() <= number {
            self.places.resize(number + 1, 0);
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            // A shop with few customers needs no room for many.
            let room = if self.blocks.is_empty() { 0 } else { BLOCK };
            self.blocks.push(Vec::with_capacity(room));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push((id, make()));
        }
        self.places[number] = u32::try_from(self.len()).expect("customers are numbered in 32 bits");
        true
    }

    /// Puts a state in the place of what was known of somebody, which is returned. O(1) at average.
    pub fn insert(&mut self, id: CustomerId, customer: Customer) -> Option<Customer> {
        if let Some(known) = self.get_mut(id) {
            return Some(std::mem::replace(known, customer));
        }
        self.add_with(id, || customer);
        None
    }

    /// Takes somebody out; the last one takes their place. O(1).
    pub fn remove(&mut self, id: CustomerId) -> Option<Customer> {
        let place = self.place(id)?;
        let last = self.blocks.last_mut()?.pop()?;
        if self.blocks.last().is_some_and(Vec::is_empty) {
            self.blocks.pop();
        }
        self.places[id.0 as usize] = 0;
        if place == self.len() {
            return Some(last.1);
        }
        self.places[last.0.0 as usize] = u32::try_from(place + 1).expect("customers are numbered in 32 bits");
        let held = self.blocks.get_mut(place / BLOCK)?.get_mut(place % BLOCK)?;
        Some(std::mem::replace(held, last).1)
    }

    /// Everybody, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (CustomerId, &Customer)> {
        self.blocks.iter().flatten().map(|(id, customer)| (*id, customer))
    }

    /// Everybody, to change them, in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (CustomerId, &mut Customer)> {
        self.blocks.iter_mut().flatten().map(|(id, customer)| (*id, customer))
    }

    /// Everybody's numbers, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = CustomerId> {
        self.iter().map(|(id, _)| id)
    }

    /// Everybody's states, in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &Customer> {
        self.iter().map(|(_, customer)| customer)
    }

    /// Everybody in parts, to be shared out among processors.
    pub fn parts(&self) -> &[Vec<Held>] {
        &self.blocks
    }
}

impl Extend<Held> for Customers {
    fn extend<I: IntoIterator<Item = Held>>(&mut self, all: I) {
        for (id, customer) in all {
            self.insert(id, customer);
        }
    }
}

impl FromIterator<Held> for Customers {
    fn from_iter<I: IntoIterator<Item = Held>>(all: I) -> Customers {
        let mut customers = Customers::default();
        customers.extend(all);
        customers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn who_comes_and_goes_is_found_as_in_a_map(
            steps in proptest::collection::vec((any::<bool>(), 0_u32..9_000, 0_i64..1_000), 0..400),
            many in prop_oneof![Just(0_u32), 4_000_u32..9_000],
        ) {
            let (mut customers, mut plain) = (Customers::default(), BTreeMap::new());
            let first = (0..many).map(|id| (true, id, i64::from(id)));
            for (comes, id, since) in first.chain(steps) {
                let (id, customer) = (CustomerId(id), Customer::new(Timestamp(since)));
                let (was, known) = match comes {
                    true => (customers.insert(id, customer), plain.insert(id, since)),
                    false => (customers.remove(id), plain.remove(&id)),
                };
                prop_assert_eq!(was.map(|was| was.first_seen.0), known);
                prop_assert_eq!(customers.get(id).map(|one| one.first_seen.0), plain.get(&id).copied());
            }
            prop_assert_eq!(customers.len(), plain.len());
            prop_assert_eq!(customers.parts().iter().map(Vec::len).sum::<usize>(), plain.len());
            let all: BTreeMap<CustomerId, i64> = customers.iter().map(|(id, one)| (id, one.first_seen.0)).collect();
            prop_assert_eq!(all, plain);
        }
    }
}
