//! Writes JSON exactly: decimals digit by digit, text escaped, NUL characters left out.
//!
//! Nothing here goes through floating point. Reading JSON is `json_lines`.

use rust_decimal::Decimal;

/// The most significant digits that every reader of JSON keeps, also one that uses doubles.
const DIGITS_OF_A_DOUBLE: u32 = 15;
/// 2^53: beyond it doubles skip integers.
const LARGEST_EXACT_INTEGER: i128 = 1 << 53;

/// Appends `text` as a JSON string. NUL is left out, since C libraries downstream would cut there.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0 => "",
            0x01..=0x1F => {
                out.push_str(&text[copied..at]);
                out.push_str(&format!("\\u{byte:04x}"));
                copied = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        out.push_str(escape);
        copied = at + 1;
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// Appends a decimal as a JSON number, or as text where a double could not carry it.
pub(crate) fn push_decimal(out: &mut String, number: Decimal) {
    let number = number.normalize();
    let plain = number.to_string();
    if is_exact_in_a_double(number) {
        out.push_str(&plain);
    } else {
        push_text(out, &plain);
    }
}

fn is_exact_in_a_double(number: Decimal) -> bool {
    let digits = number.mantissa().unsigned_abs();
    let fits_the_digits = digits < 10_u128.pow(DIGITS_OF_A_DOUBLE);
    let is_small_integer = number.scale() == 0 && number.mantissa().abs() <= LARGEST_EXACT_INTEGER;
    fits_the_digits || is_small_integer
}

/// Appends `,` unless an object or array was just opened.
pub(crate) fn push_comma(out: &mut String) {
    if !out.is_empty() && !out.ends_with(['{', '[']) {
        out.push(',');
    }
}

/// Appends `"key":`, with a comma before it where one is due.
pub(crate) fn push_key(out: &mut String, key: &str) {
    push_comma(out);
    push_text(out, key);
    out.push(':');
}

/// Removes every `\u0000` from JSON text that is known to be well-formed.
pub(crate) fn without_nul_escapes(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    // Outside of strings there is no backslash, so escapes can be walked without knowing the structure.
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("\\u0000") {
            rest = after;
            continue;
        }
        let escape = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
        out.push_str(&rest[..escape]);
        rest = &rest[escape..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let mut out = String::new();
        push_text(&mut out, value);
        out
    }

    fn decimal(value: &str) -> String {
        let mut out = String::new();
        push_decimal(&mut out, Decimal::from_str_exact(value).expect("a decimal"));
        out
    }

    #[test]
    fn text_survives_the_way_through_a_json_reader_except_for_nul() {
        for value in ["", "a\"b\\c", "line\r\nnext\ttab", "\u{1}\u{1f}\u{7f}", "Größe 🫖 \u{2028}"] {
            assert_eq!(serde_json::from_str::<String>(&text(value)).expect("JSON"), value);
        }
        assert_eq!(text("a\0b"), "\"ab\"");
    }

    #[test]
    fn a_decimal_is_written_digit_by_digit_and_as_text_where_a_double_would_bend_it() {
        assert_eq!(decimal("139.120"), "139.12");
        assert_eq!(decimal("-0.00"), "0");
        assert_eq!(decimal("100000"), "100000");
        assert_eq!(decimal("9007199254740992"), "9007199254740992");
        assert_eq!(decimal("9007199254740993"), "\"9007199254740993\"");
        assert_eq!(decimal("12345678901234567890123"), "\"12345678901234567890123\"");
        assert_eq!(decimal("0.1234567890123456789"), "\"0.1234567890123456789\"");
    }

    #[test]
    fn nul_escapes_go_and_escaped_backslashes_stay() {
        assert_eq!(without_nul_escapes(r#"{"a":"x\u0000y"}"#), r#"{"a":"xy"}"#);
        assert_eq!(without_nul_escapes(r#"{"a":"x\\u0000y\u00e9\""}"#), r#"{"a":"x\\u0000y\u00e9\""}"#);
    }
}
