//! Reads numbers exactly and calculates with them exactly: a result that would have to be rounded is an error.
//!
//! `Quantity * UnitPrice` and its like in a mapping are parsed here.

use rust_decimal::Decimal;

/// The most nested parentheses or signs of one calculation.
const DEEPEST_CALCULATION: usize = 32;
/// The longest calculation, in bytes: far beyond what a person writes.
const LONGEST_CALCULATION: usize = 1_000;
/// The most digits read from one cell: more than any 96-bit decimal holds.
const LONGEST_NUMBER: usize = 64;

/// Which character begins the decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalMark {
    /// `1,234.50`
    Point,
    /// `1.234,50`
    Comma,
}

impl DecimalMark {
    fn grouping(self) -> char {
        match self {
            DecimalMark::Point => ',',
            DecimalMark::Comma => '.',
        }
    }
}

/// Reads a plain number: sign, digits, decimal places, also `1.5e3`. No grouping marks.
pub(crate) fn read_number(text: &str, mark: DecimalMark) -> Option<Decimal> {
    let text = text.trim();
    if text.len() > LONGEST_NUMBER {
        return None;
    }
    match mark {
        DecimalMark::Point => read_digits(text),
        DecimalMark::Comma if text.contains('.') => None,
        DecimalMark::Comma => read_digits(&text.replace(',', ".")),
    }
}

/// Reads an amount of money: as [`read_number`], and with grouping marks, a currency sign or code, or in
/// accountants' parentheses for a negative amount.
pub(crate) fn read_money(text: &str, mark: DecimalMark) -> Option<Decimal> {
    let text = text.trim();
    if text.len() > LONGEST_NUMBER {
        return None;
    }
    let (text, is_negative) = match text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let text = without_currency(text);
    let (whole, places) = match mark {
        DecimalMark::Point => text.split_once('.').unwrap_or((text.as_str(), "")),
        DecimalMark::Comma => text.split_once(',').unwrap_or((text.as_str(), "")),
    };
    let whole = without_grouping(whole, mark.grouping())?;
    let amount = if places.is_empty() { read_digits(&whole)? } else { read_digits(&format!("{whole}.{places}"))? };
    Some(if is_negative { -amount } else { amount })
}

/// `£-1.50`, `-£1.50`, `1.50 GBP` and `USD 1.50` without the currency; which one it is the mapping says.
fn without_currency(text: &str) -> String {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let is_currency = |c: char| c.is_alphabetic() || "£$€¥₹₽₩₺ ".contains(c) || c.is_whitespace();
    let amount = text.trim_matches(is_currency);
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    // A currency code has three letters; anything longer is a sentence, and is no amount.
    if letters > 3 { String::new() } else { format!("{sign}{amount}") }
}

/// `1,234,567` without its marks; nothing when the groups are not of three digits (`1,23` may mean 1.23).
fn without_grouping(whole: &str, grouping: char) -> Option<String> {
    let mut groups = whole.split([grouping, ' ', '\u{a0}', '\u{202f}', '\'']);
    let mut digits = groups.next()?.to_owned();
    for group in groups {
        let is_group_of_three = group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
        if !is_group_of_three || digits.trim_start_matches(['-', '+']).is_empty() {
            return None;
        }
        digits.push_str(group);
    }
    Some(digits)
}

fn read_digits(text: &str) -> Option<Decimal> {
    let (text, digits) = match text.strip_prefix('+') {
        Some(digits) => (digits, digits),
        None => (text, text.strip_prefix('-').unwrap_or(text)),
    };
    // The decimal crate also accepts `1_000` and `.`; files that hold those hold something else.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.bytes().any(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Decimal::from_str_exact(text).ok();
    }
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let is_plain = mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    let exponent: i32 = exponent.parse().ok()?;
    if !is_plain || exponent.abs() > 28 {
        return None;
    }
    let mantissa = Decimal::from_str_exact(mantissa).ok()?;
    let power = Decimal::from_i128_with_scale(10_i128.pow(exponent.unsigned_abs()), 0);
    if exponent >= 0 {
        multiply(mantissa, power)
    } else {
        let scale = mantissa.scale() + exponent.unsigned_abs();
        Decimal::try_from_i128_with_scale(mantissa.mantissa(), scale).ok()
    }
}

/// The exact product; nothing where it would have to be rounded.
pub(crate) fn multiply(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let product = a.checked_mul(b)?;
    // The crate rounds instead of failing when the places run out: the scale tells.
    let is_exact = product.scale() == a.scale() + b.scale() || product.is_zero() && (a.is_zero() || b.is_zero());
    is_exact.then_some(product)
}

/// The exact sum; nothing where it would have to be rounded.
pub(crate) fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let sum = a.checked_add(b)?;
    let is_exact = sum.scale() >= a.scale().max(b.scale()) || a.is_zero() || b.is_zero();
    is_exact.then_some(sum)
}

/// A calculation over the columns of one line: `Quantity * UnitPrice`, `-(Net + Tax)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Calculation {
    /// A column, by its place in the mapping's list.
    Column(usize),
    /// A number written in the mapping.
    Number(Decimal),
    /// The opposite sign.
    Minus(Box<Calculation>),
    /// Both, added.
    Sum(Box<Calculation>, Box<Calculation>),
    /// Both, multiplied.
    Product(Box<Calculation>, Box<Calculation>),
}

impl Calculation {
    /// Reads a calculation; `column` gives each named column its place.
    /// Column names with other characters than letters, digits, `_` and `.` stand in backticks.
    pub(crate) fn parse(text: &str, column: &mut dyn FnMut(&str) -> usize) -> Result<Calculation, String> {
        if text.len() > LONGEST_CALCULATION {
            return Err(format!("is longer than {LONGEST_CALCULATION} characters"));
        }
        let mut reader = Reader { rest: text, column, depth: 0 };
        let calculation = reader.sum()?;
        match reader.peek() {
            None => Ok(calculation),
            Some(found) => Err(format!("has an unexpected `{found}`; use + - * ( ), columns and numbers")),
        }
    }

    /// Works it out exactly; `value` gives the number in a column.
    pub(crate) fn value(&self, value: &dyn Fn(usize) -> Option<Decimal>) -> Option<Decimal> {
        match self {
            Calculation::Column(column) => value(*column),
            Calculation::Number(number) => Some(*number),
            Calculation::Minus(inner) => Some(-inner.value(value)?),
            Calculation::Sum(a, b) => add(a.value(value)?, b.value(value)?),
            Calculation::Product(a, b) => multiply(a.value(value)?, b.value(value)?),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    column: &'a mut dyn FnMut(&str) -> usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn took(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn sum(&mut self) -> Result<Calculation, String> {
        let mut left = self.product()?;
        loop {
            if self.took('+') {
                left = Calculation::Sum(Box::new(left), Box::new(self.product()?));
            } else if self.took('-') {
                let right = Calculation::Minus(Box::new(self.product()?));
                left = Calculation::Sum(Box::new(left), Box::new(right));
            } else {
                return Ok(left);
            }
        }
    }

    fn product(&mut self) -> Result<Calculation, String> {
        let mut left = self.single()?;
        while self.took('*') {
            left = Calculation::Product(Box::new(left), Box::new(self.single()?));
        }
        Ok(left)
    }

    fn single(&mut self) -> Result<Calculation, String> {
        self.depth += 1;
        if self.depth > DEEPEST_CALCULATION {
            return Err(format!("is nested deeper than {DEEPEST_CALCULATION}"));
        }
        let single = self.single_at_this_depth();
        self.depth -= 1;
        single
    }

    fn single_at_this_depth(&mut self) -> Result<Calculation, String> {
        if self.took('-') {
            return Ok(Calculation::Minus(Box::new(self.single()?)));
        }
        if self.took('(') {
            let inner = self.sum()?;
            return if self.took(')') { Ok(inner) } else { Err("lacks a `)`".to_owned()) };
        }
        if self.took('`') {
            let Some((name, rest)) = self.rest.split_once('`') else {
                return Err("lacks the closing backtick of a column".to_owned());
            };
            self.rest = rest;
            return Ok(Calculation::Column((self.column)(name)));
        }
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(match self.rest.chars().next() {
                Some(found) => {
                    format!("has an unexpected `{found}`; use + - * ( ), columns and numbers")
                }
                None => "ends where a column or number is expected".to_owned(),
            });
        }
        self.rest = rest;
        match read_number(word, DecimalMark::Point) {
            Some(number) => Ok(Calculation::Number(number)),
            None => Ok(Calculation::Column((self.column)(word))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a decimal")
    }

    #[test]
    fn a_number_is_read_exactly_or_not_at_all() {
        let read = |text| read_number(text, DecimalMark::Point);
        assert_eq!(read(" 6.0 "), Some(decimal("6.0")));
        assert_eq!(read("+5"), Some(decimal("5")));
        assert_eq!(read("-0.001"), Some(decimal("-0.001")));
        assert_eq!(read("1.5e3"), Some(decimal("1500")));
        assert_eq!(read("25E-3"), Some(decimal("0.025")));
        for wrong in
            ["", ".", "-", "NaN", "Infinity", "1e999", "1e", "1_000", "1,5", "0x10", "--1", "+-1", "1.2.3", "٣"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(read("0.00000000000000000000000000001"), None, "29 places do not fit and are not rounded");
        assert_eq!(read_number("12,5", DecimalMark::Comma), Some(decimal("12.5")));
        assert_eq!(read_number("1.234,5", DecimalMark::Comma), None, "a plain number has no grouping marks");
    }

    #[test]
    fn money_may_wear_its_currency_and_grouping_marks() {
        let point = |text| read_money(text, DecimalMark::Point);
        assert_eq!(point("£1,234.50"), Some(decimal("1234.50")));
        assert_eq!(point("-£12"), Some(decimal("-12")));
        assert_eq!(point("£-12"), Some(decimal("-12")));
        assert_eq!(point("(3.20)"), Some(decimal("-3.20")));
        assert_eq!(point("USD 1,000,000"), Some(decimal("1000000")));
        assert_eq!(read_money("1.234,50 €", DecimalMark::Comma), Some(decimal("1234.50")));
        assert_eq!(read_money("1\u{a0}234,50", DecimalMark::Comma), Some(decimal("1234.50")));
        for unclear in ["1,23", ",123", "12 pounds", "", "£", "1.234.50"] {
            assert_eq!(point(unclear), None, "{unclear}");
        }
    }

    #[test]
    fn a_calculation_follows_the_usual_rules_and_is_exact() {
        let mut names = Vec::new();
        let mut column = |name: &str| {
            names.push(name.to_owned());
            names.len() - 1
        };
        let calculation = Calculation::parse("-(Quantity * `Unit Price`) + 2 * 0.05 - 1", &mut column).expect("parses");
        assert_eq!(names, ["Quantity", "Unit Price"]);
        let cells = [decimal("3"), decimal("0.1")];
        assert_eq!(calculation.value(&|column| Some(cells[column])), Some(decimal("-1.2")));
        assert_eq!(calculation.value(&|_| None), None);
    }

    #[test]
    fn a_result_that_would_be_rounded_is_no_result() {
        let long = decimal("0.123456789012345678901");
        assert_eq!(multiply(long, long), None);
        assert_eq!(add(decimal("79228162514264337593543950335"), decimal("0.5")), None);
        assert_eq!(multiply(Decimal::MAX, Decimal::MAX), None);
        assert_eq!(multiply(decimal("0.00"), long), Some(Decimal::ZERO));
    }

    #[test]
    fn a_malformed_calculation_says_what_is_wrong() {
        let parse = |text: &str| Calculation::parse(text, &mut |_| 0).expect_err("malformed");
        assert!(parse("a *").contains("ends where"));
        assert!(parse("a / b").contains("unexpected `/`"));
        assert!(parse("(a").contains("lacks a `)`"));
        assert!(parse("`a").contains("backtick"));
        assert!(parse(&"(".repeat(50)).contains("nested deeper"));
        assert!(parse(&"a+".repeat(900)).contains("longer"));
    }
}
