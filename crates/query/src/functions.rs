//! Functions of SQL beyond those of the engine: JSON, exact numbers in it, and bounds on those that make much of little.

use datafusion::arrow::array::{Array, ArrayRef, Decimal128Builder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_int64_array;
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;
use std::sync::Arc;

/// Digits of an exact number.
const PRECISION: u8 = 38;
/// Digits after the point.
const SCALE: i8 = 10;
/// Most characters or elements that a function may be asked to make of one value.
const MOST: i64 = 10_000;
/// Functions that make as much as a number says. The bound on memory does not see it before it is there.
const MAKERS: [&str; 7] = ["repeat", "lpad", "rpad", "array_repeat", "array_resize", "generate_series", "range"];

/// Makes the functions known.
pub(crate) fn register(context: &mut SessionContext) -> Result<()> {
    datafusion_functions_json::register_all(context)?;
    FunctionRegistry::register_udf(context, Arc::new(ScalarUDF::new_from_impl(GetDecimal::new())))?;
    for name in MAKERS {
        let maker = FunctionRegistry::udf(context, name)?;
        FunctionRegistry::register_udf(context, Arc::new(ScalarUDF::new_from_impl(Bounded { maker })))?;
    }
    Ok(())
}

/// `json_get_decimal`: an exact number inside JSON, read as segments read numbers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct GetDecimal {
    signature: Signature,
}

impl GetDecimal {
    fn new() -> GetDecimal {
        GetDecimal { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for GetDecimal {
    fn name(&self) -> &str {
        "json_get_decimal"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let is_text = |kind: &DataType| {
            matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
        };
        match arguments {
            [json, path @ ..] if is_text(json) && path.iter().all(|kind| is_text(kind) || kind.is_integer()) => {
                Ok(DataType::Decimal128(PRECISION, SCALE))
            }
            _ => plan_err!(
                "json_get_decimal takes JSON text and the names that lead inside: json_get_decimal(properties, 'total')"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_one = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let [json, path @ ..] = columns.as_slice() else {
            return plan_err!("json_get_decimal takes JSON text");
        };
        let json = texts(json)?;
        let path = path.iter().map(keys).collect::<Result<Vec<_>>>()?;
        let mut numbers = Decimal128Builder::with_capacity(json.len());
        for (row, json) in json.iter().enumerate() {
            let keys = path.iter().map(|keys| keys[row].as_ref());
            numbers.append_option(json.as_deref().and_then(|json| number(json, keys)));
        }
        let numbers = numbers.finish().with_precision_and_scale(PRECISION, SCALE)?;
        Ok(match is_one {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&numbers, 0)?),
            false => ColumnarValue::Array(Arc::new(numbers)),
        })
    }
}

/// One step inside JSON.
enum Key {
    Name(String),
    Place(i64),
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>> {
    let column = datafusion::arrow::compute::cast(column, &DataType::Utf8)?;
    let column = datafusion::common::cast::as_string_array(&column)?;
    Ok(column.iter().map(|text| text.map(str::to_owned)).collect())
}

fn keys(column: &ArrayRef) -> Result<Vec<Option<Key>>> {
    if column.data_type().is_integer() {
        let places = datafusion::arrow::compute::cast(column, &DataType::Int64)?;
        return Ok(as_int64_array(&places)?.iter().map(|place| place.map(Key::Place)).collect());
    }
    Ok(texts(column)?.into_iter().map(|name| name.map(Key::Name)).collect())
}

/// The number that the keys lead to, in units of the last digit.
fn number<'a>(json: &str, keys: impl Iterator<Item = Option<&'a Key>>) -> Option<i128> {
    let whole: Value = serde_json::from_str(json).ok()?;
    let mut value = &whole;
    for key in keys {
        value = match key? {
            Key::Name(name) => value.get(name)?,
            Key::Place(place) => value.get(usize::try_from(*place).ok()?)?,
        };
    }
    in_units(domain::value::number(value)?)
}

fn in_units(number: Decimal) -> Option<i128> {
    let scale = u32::from(SCALE.unsigned_abs());
    let mut rounded = number.round_dp_with_strategy(scale, RoundingStrategy::MidpointNearestEven).normalize();
    let missing = scale - rounded.scale();
    rounded.set_scale(0).ok()?;
    rounded.mantissa().checked_mul(10_i128.pow(missing))
}

/// A function that makes as much as a number says, bounded.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    maker: Arc<ScalarUDF>,
}

impl Bounded {
    fn check(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let mut numbers = Vec::new();
        for argument in &args.args {
            if !argument.data_type().is_integer() {
                continue;
            }
            let column = argument.to_array(args.number_rows)?;
            let column = datafusion::arrow::compute::cast(&column, &DataType::Int64)?;
            let column = as_int64_array(&column)?;
            let (least, most) = (datafusion::arrow::compute::min(column), datafusion::arrow::compute::max(column));
            numbers.push((least.unwrap_or(0), most.unwrap_or(0)));
        }
        // Of a series, what counts is the way from its start to its end; of all others the number itself.
        let asked = match (self.maker.name(), numbers.as_slice()) {
            ("generate_series" | "range", [from, to, ..]) => to.1.abs_diff(from.0).max(from.1.abs_diff(to.0)),
            _ => numbers.iter().map(|(_, most)| u64::try_from(*most).unwrap_or(0)).max().unwrap_or(0),
        };
        if asked > MOST.unsigned_abs() {
            return Err(DataFusionError::Execution(format!(
                "{} may make at most {MOST} characters or elements of one value, {asked} were asked for",
                self.maker.name()
            )));
        }
        Ok(())
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.maker.name()
    }

    fn aliases(&self) -> &[String] {
        self.maker.aliases()
    }

    fn signature(&self) -> &Signature {
        self.maker.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.maker.return_type(arguments)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<Arc<datafusion::arrow::datatypes::Field>> {
        self.maker.return_field_from_args(args)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.maker.coerce_types(arguments)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.maker.schema_name(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.check(&args)?;
        self.maker.invoke_with_args(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_json_is_read_as_segments_read_it() {
        let total = |json: &str| number(json, [Some(&Key::Name("total".to_owned()))].into_iter());
        assert_eq!(total(r#"{"total": 12.34}"#), Some(123_400_000_000));
        assert_eq!(total(r#"{"total": "12.34"}"#), Some(123_400_000_000));
        assert_eq!(total(r#"{"total": -1e2}"#), Some(-1_000_000_000_000));
        assert_eq!(total(r#"{"total": 0.00000000005}"#), Some(0), "the even neighbour");
        assert_eq!(total(r#"{"total": true}"#), None);
        assert_eq!(total(r#"{"other": 1}"#), None);
        assert_eq!(total("nonsense"), None);
    }
}
