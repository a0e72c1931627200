//! Columns of numbers, each as wide as the largest needs: any of them is read at once, at the speed of memory.

/// Bytes behind the last number, so that eight can be read from any place.
const BEHIND: usize = 8;

/// Numbers of equal width.
#[derive(Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    width: usize,
    mask: u64,
}

impl Packed {
    /// Takes bytes that were written by `pack`, of `width` bytes a number (0 to 8).
    pub(super) fn new(mut bytes: Vec<u8>, width: u8) -> Packed {
        bytes.extend([0; BEHIND]);
        Packed { bytes, width: usize::from(width.min(8)), mask: mask_of(width) }
    }

    /// Puts others in their place, in the same room. `fill` writes their bytes.
    pub(super) fn refill<T, E>(
        &mut self,
        width: u8,
        size: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        (self.width, self.mask) = (usize::from(width.min(8)), mask_of(width));
        self.bytes.resize(size + BEHIND, 0);
        fill(&mut self.bytes[..size])
    }

    /// The number of a row; 0 beyond the end.
    #[inline]
    pub(super) fn get(&self, row: usize) -> u64 {
        let at = row * self.width;
        match self.bytes.get(at..at + BEHIND).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => u64::from_le_bytes(bytes) & self.mask,
            None => 0,
        }
    }
}

/// The bits of a number of so many bytes.
fn mask_of(width: u8) -> u64 {
    if width >= 8 { u64::MAX } else { (1 << (8 * width)) - 1 }
}

/// Bytes that the number takes.
pub(super) fn width_of(most: u64) -> u8 {
    u8::try_from((64 - most.leading_zeros()).div_ceil(8)).expect("a number has eight bytes at most")
}

/// Appends numbers to `into`, each in `width` bytes, the least significant first.
pub(super) fn pack(numbers: impl Iterator<Item = u64>, width: u8, into: &mut Vec<u8>) {
    let width = usize::from(width.min(8));
    for number in numbers {
        into.extend_from_slice(&number.to_le_bytes()[..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for most in [0, 1, 255, 256, 65_535, 1 << 24, 1 << 40, u64::MAX] {
            let numbers = [0, most / 3, most];
            let mut bytes = Vec::new();
            pack(numbers.into_iter(), width_of(most), &mut bytes);
            assert_eq!(bytes.len(), 3 * usize::from(width_of(most)));
            let mut others = Packed::new(vec![7; 100], 3);
            let size = bytes.len();
            others
                .refill(width_of(most), size, |into| {
                    into.copy_from_slice(&bytes);
                    Ok::<(), ()>(())
                })
                .unwrap();
            assert_eq!([0, 1, 2].map(|row| others.get(row)), numbers);
            let packed = Packed::new(bytes, width_of(most));
            assert_eq!([0, 1, 2].map(|row| packed.get(row)), numbers);
            assert_eq!(packed.get(100), 0, "beyond the end there is nothing");
        }
    }
}
