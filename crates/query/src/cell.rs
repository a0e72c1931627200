//! Values as text and as JSON, without loss.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// A value as a person reads it; none: there is none.
///
/// Instants are RFC 3339; decimals have all their digits, without zeros at their end.
pub(crate) fn text(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        // The null of a union lies in a child that is nothing but nulls.
        DataType::Null => return None,
        DataType::Union(..) => return text(&*column.as_union().value(row), 0),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            return text(dictionary.values().as_ref(), *dictionary.normalized_keys().get(row)?);
        }
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            without_zeros(display(column, row))
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Struct(_) => {
            let mut out = Vec::new();
            write_json(&mut out, column, row);
            String::from_utf8_lossy(&out).into_owned()
        }
        _ => display(column, row),
    })
}

/// Writes a value as JSON. Whole numbers and decimals are numbers with all their digits; what JSON has no word for is
/// text.
pub(crate) fn write_json(out: &mut Vec<u8>, column: &dyn Array, row: usize) {
    if column.is_null(row) {
        return out.extend_from_slice(b"null");
    }
    match column.data_type() {
        DataType::Null => out.extend_from_slice(b"null"),
        DataType::Union(..) => write_json(out, &*column.as_union().value(row), 0),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            match dictionary.normalized_keys().get(row) {
                Some(key) => write_json(out, dictionary.values().as_ref(), *key),
                None => out.extend_from_slice(b"null"),
            }
        }
        DataType::Boolean => out.extend_from_slice(display(column, row).as_bytes()),
        kind if kind.is_integer() => out.extend_from_slice(display(column, row).as_bytes()),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            out.extend_from_slice(without_zeros(display(column, row)).as_bytes());
        }
        DataType::Float64 => write_approximate(out, column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => write_approximate(out, f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::List(_) => write_list(out, &*column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => write_list(out, &*column.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => write_list(out, &*column.as_fixed_size_list().value(row)),
        DataType::Struct(_) => {
            let structure = column.as_struct();
            out.push(b'{');
            for (place, (name, field)) in structure.column_names().into_iter().zip(structure.columns()).enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
                write_json(out, field.as_ref(), row);
            }
            out.push(b'}');
        }
        _ => write_text(out, &display(column, row)),
    }
}

fn write_list(out: &mut Vec<u8>, list: &dyn Array) {
    out.push(b'[');
    for row in 0..list.len() {
        if row > 0 {
            out.push(b',');
        }
        write_json(out, list, row);
    }
    out.push(b']');
}

/// Writes text as JSON.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("text is JSON, and memory takes it");
}

/// The digits that lead back to the same number; what is no number is text.
fn write_approximate(out: &mut Vec<u8>, number: f64) {
    match number {
        number if number.is_nan() => write_text(out, "NaN"),
        number if number.is_infinite() => write_text(out, if number > 0.0 { "Infinity" } else { "-Infinity" }),
        _ => serde_json::to_writer(out, &number).expect("a finite number is JSON, and memory takes it"),
    }
}

fn display(column: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default().with_display_error(true);
    match ArrayFormatter::try_new(column, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(error) => error.to_string(),
    }
}

fn without_zeros(decimal: String) -> String {
    match decimal.contains('.') {
        true => decimal.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => decimal,
    }
}
