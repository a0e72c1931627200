//! Where a customer stands with the segments of the plan: in which they are, and when which must be asked again by time
//! alone. Not part of a snapshot: it is asked anew at every start.

use domain::Timestamp;

/// No instant is known at which time alone may change a membership.
const NEVER: Timestamp = Timestamp(i64::MAX);

/// One segment of which there is something to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stand {
    check: Timestamp,
    segment: u32,
    is_member: bool,
}

/// Memberships, and the instants at which they must be asked again.
///
/// One piece of memory with 16 bytes a segment. Segments of which the customer is no member, and which time alone does not
/// change, take none.
#[derive(Clone, Default, Debug)]
pub struct Memberships {
    /// By the segment's index in the plan, in its order.
    stands: Vec<Stand>,
}

fn number(segment: usize) -> u32 {
    u32::try_from(segment).expect("definitions are bounded far below")
}

impl Memberships {
    fn place(&self, segment: u32) -> Result<usize, usize> {
        self.stands.binary_search_by_key(&segment, |stand| stand.segment)
    }

    /// Whether the customer is in a segment.
    pub fn has(&self, segment: usize) -> bool {
        self.place(number(segment)).is_ok_and(|at| self.stands[at].is_member)
    }

    /// The segments that the customer is in, in order.
    pub fn all(&self) -> impl Iterator<Item = usize> {
        self.stands.iter().filter(|stand| stand.is_member).map(|stand| stand.segment as usize)
    }

    /// Whether there is something to say of a segment.
    pub fn knows(&self, segment: usize) -> bool {
        self.place(number(segment)).is_ok()
    }

    /// The segments of which there is something to say, in order.
    pub fn segments(&self) -> impl Iterator<Item = usize> {
        self.stands.iter().map(|stand| stand.segment as usize)
    }

    /// Sets whether the customer is in a segment, and when it must be asked again. Returns whether they entered or left.
    pub fn set(&mut self, segment: usize, is_member: bool, check: Option<Timestamp>) -> bool {
        let segment = number(segment);
        let new = Stand { check: check.unwrap_or(NEVER), segment, is_member };
        let says_nothing = !is_member && check.is_none();
        match self.place(segment) {
            Ok(at) => {
                let was_member = self.stands[at].is_member;
                if says_nothing {
                    self.stands.remove(at);
                } else {
                    self.stands[at] = new;
                }
                was_member != is_member
            }
            Err(at) => {
                if !says_nothing {
                    self.stands.insert(at, new);
                }
                is_member
            }
        }
    }

    /// Lets the customer be in a segment. Returns whether they were not before.
    pub fn join(&mut self, segment: usize) -> bool {
        let check = self.place(number(segment)).map_or(NEVER, |at| self.stands[at].check);
        self.set(segment, true, Some(check).filter(|check| *check != NEVER))
    }

    /// The first instant at which a segment must be asked again.
    pub fn next_check(&self) -> Option<Timestamp> {
        self.stands.iter().map(|stand| stand.check).min().filter(|check| *check != NEVER)
    }

    /// The segments that must be asked again by an instant, in order.
    pub fn due(&self, by: Timestamp) -> impl Iterator<Item = usize> {
        self.stands.iter().filter(move |stand| stand.check <= by).map(|stand| stand.segment as usize)
    }

    /// Forgets when segments must be asked again.
    pub fn forget_checks(&mut self) {
        self.stands.retain_mut(|stand| {
            stand.check = NEVER;
            stand.is_member
        });
    }

    /// All that is to say, in the order of the segments.
    pub(crate) fn stands(&self) -> &[Stand] {
        &self.stands
    }

    /// Leaves every segment.
    pub fn clear(&mut self) {
        self.stands.clear();
    }

    /// Goes on under a plan in which segments have other places, or none any more. All must be asked again.
    pub fn renumber(&mut self, places: &[Option<usize>]) {
        self.stands.retain_mut(|stand| {
            let Some(place) = places.get(stand.segment as usize).copied().flatten() else { return false };
            *stand = Stand { check: NEVER, segment: number(place), ..*stand };
            stand.is_member
        });
        self.stands.sort_unstable_by_key(|stand| stand.segment);
    }
}

/// Looks at all of them, so that they are at hand when they are needed next. Returns a number to no purpose.
pub(crate) fn fetch(stands: &[Stand]) -> u32 {
    // Four of them share a line of memory.
    stands.iter().step_by(4).fold(0, |sum, stand| sum ^ stand.segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_nothing_and_waits_for_nothing_takes_no_room() {
        let mut ana = Memberships::default();
        assert!(ana.set(7, true, Some(Timestamp(50))), "she enters");
        assert!(!ana.set(7, true, Some(Timestamp(60))), "she stays");
        assert!(!ana.set(3, false, Some(Timestamp(55))), "she is not in it, and may come to be");
        assert_eq!((ana.has(7), ana.has(3), ana.next_check()), (true, false, Some(Timestamp(55))));
        assert_eq!(ana.due(Timestamp(60)).collect::<Vec<_>>(), [3, 7]);
        assert!(!ana.set(3, false, None));
        assert!(ana.set(7, false, None), "she leaves");
        assert!(ana.stands.is_empty());
    }

    #[test]
    fn memberships_go_on_under_other_numbers() {
        let mut ana = Memberships::default();
        ana.set(0, true, None);
        ana.set(1, true, Some(Timestamp(9)));
        ana.set(2, false, Some(Timestamp(9)));
        ana.set(3, true, None);
        ana.renumber(&[Some(4), None, Some(1), Some(0)]);
        assert_eq!(ana.all().collect::<Vec<_>>(), [0, 4]);
        assert_eq!(ana.next_check(), None);
        assert!(!ana.join(4), "she is in it already");
        assert!(ana.join(2));
    }
}
