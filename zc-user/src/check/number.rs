//! Numbers that are exact as long as they are whole.

use std::{
    cmp::Ordering,
    fmt::{self, Display, Formatter},
};

use serde::{Serialize, Serializer};

/// A number of an expression. Whole numbers are exact, so that bytes up to `u64::MAX` compare to
/// the byte; anything else is as exact as an `f64`.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number.
    Whole(i128),
    /// A fraction, or a whole number that is too large for an `i128`.
    Real(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
        }
    }
}

impl Number {
    /// The nearest `f64`.
    #[expect(clippy::cast_precision_loss, reason = "asked for")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Whole(value) => value as f64,
            Self::Real(value) => value,
        }
    }

    /// Whether it is neither infinite nor no number at all.
    pub fn is_finite(self) -> bool {
        self.as_f64().is_finite()
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self == Self::Whole(0)
    }

    /// The number of JSON, exact where it is whole and fits in 64 bits.
    pub fn from_json(number: &serde_json::Number) -> Option<Self> {
        let whole = number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from));
        whole.map(Self::Whole).or_else(|| number.as_f64().map(Self::Real))
    }

    fn combine(
        self,
        other: Self,
        whole: fn(i128, i128) -> Option<i128>,
        real: fn(f64, f64) -> f64,
    ) -> Self {
        let exact = match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => whole(left, right),
            _ => None,
        };
        exact.map_or_else(|| Self::Real(real(self.as_f64(), other.as_f64())), Self::Whole)
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Self {
        self.combine(other, i128::checked_add, |left, right| left + right)
    }

    /// The difference.
    pub(super) fn minus(self, other: Self) -> Self {
        self.combine(other, i128::checked_sub, |left, right| left - right)
    }

    /// The product.
    pub(super) fn times(self, other: Self) -> Self {
        self.combine(other, i128::checked_mul, |left, right| left * right)
    }

    /// The quotient, whole where the division leaves no remainder. Not finite where `other` is 0.
    pub(super) fn over(self, other: Self) -> Self {
        let whole = |left: i128, right: i128| {
            left.checked_rem(right).filter(|rest| *rest == 0).and(left.checked_div(right))
        };
        self.combine(other, whole, |left, right| left / right)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (Self::Real(left), Self::Real(right)) => left.partial_cmp(&right),
            (Self::Whole(left), Self::Real(right)) => mixed(left, right),
            (Self::Real(left), Self::Whole(right)) => mixed(right, left).map(Ordering::reverse),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

/// Compares without rounding the whole number, which an `f64` may be too coarse for.
fn mixed(whole: i128, real: f64) -> Option<Ordering> {
    if real.is_nan() {
        return None;
    }
    // Beyond an i128 the conversion saturates, and the largest i128 is not the number meant.
    let limit = 2f64.powi(127);
    if real >= limit {
        return Some(Ordering::Less);
    }
    if real < -limit {
        return Some(Ordering::Greater);
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, and without its fraction")]
    let floor = real.floor() as i128;
    let fraction = if real.fract() == 0.0 { Ordering::Equal } else { Ordering::Less };
    Some(whole.cmp(&floor).then(fraction))
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Whole(value) = *self else { return serializer.serialize_f64(self.as_f64()) };
        // Readers of JSON keep 64 bits at most.
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => serializer.serialize_u64(value),
            (_, Ok(value)) => serializer.serialize_i64(value),
            _ => serializer.serialize_f64(self.as_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_compare_to_the_last_digit() {
        let max = Number::from(u64::MAX);
        let less = Number::from(u64::MAX - 1);
        assert_eq!(max.as_f64(), less.as_f64());
        assert!(less < max && max != less);
        assert!(max < Number::Real(2f64.powi(64)) && Number::Real(2f64.powi(64)) > max);
        assert!(max.plus(Number::Whole(1)) == Number::Real(2f64.powi(64)));
        assert!(max.minus(less) == Number::Whole(1));
    }

    #[test]
    fn whole_and_fraction_compare_exactly() {
        for (whole, real, order) in [
            (0, 0.5, Ordering::Less),
            (0, -0.5, Ordering::Greater),
            (-1, -0.5, Ordering::Less),
            (-1, -1.0, Ordering::Equal),
            (0, -0.0, Ordering::Equal),
            (i128::MAX, 2f64.powi(127), Ordering::Less),
            (i128::MIN, -(2f64.powi(127)), Ordering::Equal),
            (i128::MIN, f64::NEG_INFINITY, Ordering::Greater),
            (1, f64::INFINITY, Ordering::Less),
        ] {
            let (whole, real) = (Number::Whole(whole), Number::Real(real));
            assert_eq!(whole.partial_cmp(&real), Some(order), "{whole:?} {real:?}");
            assert_eq!(real.partial_cmp(&whole), Some(order.reverse()), "{whole:?} {real:?}");
        }
        assert_eq!(Number::Whole(0).partial_cmp(&Number::Real(f64::NAN)), None);
    }

    #[test]
    fn a_quotient_is_whole_where_it_can_be() {
        assert!(matches!(Number::Whole(6).over(Number::Whole(-3)), Number::Whole(-2)));
        assert!(matches!(Number::Whole(1).over(Number::Whole(2)), Number::Real(0.5)));
        assert!(!Number::Whole(1).over(Number::Whole(0)).is_finite());
        assert!(Number::Whole(i128::MIN).over(Number::Whole(-1)).is_finite());
    }

    #[test]
    fn what_overflows_is_near_and_does_not_wrap() {
        let large = Number::Whole(i128::MAX);
        assert!(large.times(large).as_f64() > 1e76);
        assert!(large.plus(Number::Whole(1)) == Number::Real(2f64.powi(127)));
    }

    #[test]
    fn json_keeps_every_digit_of_64_bits() {
        let json = |number: Number| serde_json::to_string(&number).unwrap();
        assert_eq!(json(Number::from(u64::MAX)), "18446744073709551615");
        assert_eq!(json(Number::Whole(-5)), "-5");
        assert_eq!(json(Number::Whole(i128::MAX)), "1.7014118346046923e+38");
        assert_eq!(json(Number::Real(0.25)), "0.25");
        let read: serde_json::Number = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(Number::from_json(&read), Some(Number::from(u64::MAX)));
    }
}
