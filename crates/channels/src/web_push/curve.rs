//! The public half of a private key of P-256, for keys that come without it: ring signs with a key only when both are there.
//!
//! Done once, when a key is read, over big numbers that take no care of their timing: nobody can watch it. What it gives is
//! checked by ring. Addition of points as in SEC 1 § 2.2.1; numbers of the curve from SP 800-186 § 3.2.1.3.

use rsa::BigUint;

/// Octets of a private key, and of a coordinate.
pub(super) const SCALAR: usize = 32;

const P: &[u8; 64] = b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const ORDER: &[u8; 64] = b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const X: &[u8; 64] = b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
const Y: &[u8; 64] = b"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/// None is the point at infinity.
type Point = Option<(BigUint, BigUint)>;

/// The uncompressed point that belongs to a private key. None: it is none, being zero, too large, or not of 32 octets.
pub(super) fn public_half(private: &[u8]) -> Option<Vec<u8>> {
    let key = BigUint::from_bytes_be(private);
    if private.len() != SCALAR || key >= number(ORDER) {
        return None;
    }
    let (x, y) = Curve { p: number(P) }.times(private, &Some((number(X), number(Y))))?;
    Some([vec![4], padded(&x), padded(&y)].concat())
}

fn number(hex: &[u8]) -> BigUint {
    BigUint::parse_bytes(hex, 16).expect("the constants are hexadecimal")
}

fn padded(coordinate: &BigUint) -> Vec<u8> {
    let octets = coordinate.to_bytes_be();
    [vec![0; SCALAR.saturating_sub(octets.len())], octets].concat()
}

struct Curve {
    p: BigUint,
}

impl Curve {
    /// By doubling and adding, from the highest bit.
    fn times(&self, factor: &[u8], point: &Point) -> Point {
        let mut sum = None;
        for octet in factor {
            for bit in (0..8).rev() {
                sum = self.plus(&sum, &sum);
                if octet >> bit & 1 == 1 {
                    sum = self.plus(&sum, point);
                }
            }
        }
        sum
    }

    fn plus(&self, one: &Point, other: &Point) -> Point {
        let (Some((x1, y1)), Some((x2, y2))) = (one, other) else { return one.clone().or_else(|| other.clone()) };
        let slope = if x1 != x2 {
            self.over(&self.minus(y2, y1), &self.minus(x2, x1))
        } else if y1 == y2 {
            // The curve's a is -3.
            self.over(&self.minus(&(x1 * x1 * 3_u32 % &self.p), &BigUint::from(3_u32)), &(y1 * 2_u32 % &self.p))
        } else {
            return None;
        };
        let x = self.minus(&self.minus(&(&slope * &slope % &self.p), x1), x2);
        let y = self.minus(&(slope * self.minus(x1, &x) % &self.p), y1);
        Some((x, y))
    }

    fn minus(&self, one: &BigUint, other: &BigUint) -> BigUint {
        (one + &self.p - other) % &self.p
    }

    /// By Fermat's little theorem: p is prime.
    fn over(&self, one: &BigUint, other: &BigUint) -> BigUint {
        one * other.modpow(&(&self.p - 2_u32), &self.p) % &self.p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_is_that_of_rfc_6979() {
        // A.2.5
        let private = number(b"C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
        let x = number(b"60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6");
        let y = number(b"7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
        let expected = [vec![4], padded(&x), padded(&y)].concat();
        assert_eq!(public_half(&padded(&private)), Some(expected));
    }

    #[test]
    fn what_is_no_private_key_has_no_public_half() {
        let order = padded(&number(ORDER));
        let last = padded(&(number(ORDER) - 1_u32));
        assert!(public_half(&last).is_some_and(|point| point[1..33] == padded(&number(X))));
        for wrong in [&order[..], &[0; 32], &[255; 32], &[1; 31], &[1; 33], &[]] {
            assert_eq!(public_half(wrong), None, "{wrong:?}");
        }
    }
}
