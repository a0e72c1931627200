//! What the filters do. Numbers behave as in `liquidjs`, which most marketers' templates were tried with.

use super::WriteError;
use super::dates;
use super::escape;
use super::evaluate::{OUTPUT_LIMIT, Piece, Run, Val, Writing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::money::{Currency, Money};
use domain::time::{Timestamp, Zone};
use hmac::{Hmac, Mac};
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// Every filter there is.
const NAMES: &[&str] = &[
    "abs",
    "append",
    "array_to_sentence_string",
    "at_least",
    "at_most",
    "base64_decode",
    "base64_encode",
    "capitalize",
    "ceil",
    "compact",
    "concat",
    "currency",
    "date",
    "date_to_long_string",
    "date_to_rfc822",
    "date_to_string",
    "date_to_xmlschema",
    "default",
    "divided_by",
    "downcase",
    "escape",
    "escape_once",
    "find",
    "first",
    "floor",
    "format_number",
    "group_by",
    "handleize",
    "has",
    "hmac_sha256",
    "join",
    "json",
    "jsonify",
    "last",
    "lstrip",
    "map",
    "minus",
    "modulo",
    "newline_to_br",
    "normalize_whitespace",
    "number_of_words",
    "number_with_delimiter",
    "plus",
    "pluralize",
    "pop",
    "prepend",
    "push",
    "random",
    "reject",
    "remove",
    "remove_first",
    "remove_last",
    "replace",
    "replace_first",
    "replace_last",
    "reverse",
    "round",
    "rstrip",
    "sample",
    "sha256",
    "shift",
    "size",
    "slice",
    "slugify",
    "sort",
    "sort_natural",
    "split",
    "strip",
    "strip_html",
    "strip_newlines",
    "sum",
    "time_zone",
    "times",
    "timezone",
    "titlecase",
    "to_integer",
    "to_json",
    "truncate",
    "truncatewords",
    "uniq",
    "unshift",
    "upcase",
    "uri_escape",
    "url_decode",
    "url_encode",
    "where",
    "xml_escape",
];

/// Refuses a filter that does not exist, with a hint where people expect one.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(match name {
        "raw" | "safe" => {
            format!(
                "`{name}` would let customers' values become HTML, which is not allowed: write the markup into the template"
            )
        }
        "money" | "money_with_currency" | "money_without_currency" | "money_without_trailing_zeros" => format!(
            "unknown filter `{name}`: write `currency` for amounts such as 12.50, `divided_by: 100 | currency` for pence"
        ),
        "md5" | "sha1" | "hmac_sha1" => {
            format!("unknown filter `{name}`: only sha256 and hmac_sha256 are offered")
        }
        _ => format!("unknown filter `{}`", name.chars().take(40).collect::<String>()),
    })
}

/// Puts a value through one filter. What is missing stays missing, unless the filter is `default`.
pub(super) fn apply<'d>(
    run: &mut Run<'_, 'd>,
    name: &str,
    input: Val<'d>,
    args: &[Val<'d>],
    named: &[(&str, Val<'d>)],
) -> Result<Val<'d>, WriteError> {
    if name == "default" {
        return default(run, input, args, named);
    }
    if let Some(missing) = std::iter::once(&input).chain(args).find(|value| matches!(value, Val::Missing(_))) {
        return Ok(missing.clone());
    }
    let mut call = Call { run, name, args };
    match name {
        // Numbers.
        "abs" => call.one_number(&input, i64::checked_abs, f64::abs),
        "ceil" => call.rounded(&input, f64::ceil),
        "floor" | "to_integer" => call.rounded(&input, f64::floor),
        "round" => call.round(&input),
        "plus" => call.two_numbers(&input, i64::checked_add, |a, b| a + b),
        "minus" => call.two_numbers(&input, i64::checked_sub, |a, b| a - b),
        "times" => call.two_numbers(&input, i64::checked_mul, |a, b| a * b),
        "divided_by" => call.divided(&input, exact_quotient, |a, b| a / b),
        "modulo" => call.divided(&input, i64::checked_rem, |a, b| a % b),
        "at_least" => call.two_numbers(&input, |a, b| Some(a.max(b)), f64::max),
        "at_most" => call.two_numbers(&input, |a, b| Some(a.min(b)), f64::min),
        "currency" => call.currency(&input),
        "number_with_delimiter" | "format_number" => call.number_with_delimiter(&input),
        "pluralize" => call.pluralize(&input),
        // Texts.
        "append" => call.append(&input),
        "prepend" => call.prepend(&input),
        "capitalize" => call.text_to_text(&input, capitalize),
        "titlecase" => call.text_to_text(&input, |text| text.split(' ').map(capitalize).collect::<Vec<_>>().join(" ")),
        "upcase" => call.text_to_text(&input, str::to_uppercase),
        "downcase" => call.text_to_text(&input, str::to_lowercase),
        "strip" => call.strip(&input, true, true),
        "lstrip" => call.strip(&input, true, false),
        "rstrip" => call.strip(&input, false, true),
        "strip_html" => call.text_to_text(&input, escape::strip_html),
        "strip_newlines" => call.text_to_text(&input, |text| text.replace(['\r', '\n'], "")),
        "normalize_whitespace" => {
            call.text_to_text(&input, |text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        "newline_to_br" => call.newline_to_br(&input),
        "escape" | "xml_escape" => call.escape(&input, escape::html),
        "escape_once" => call.escape(&input, |text| escape::html(&escape::unescape(text))),
        "url_encode" => call.text_to_text(&input, |text| escape::url_component(text).replace("%20", "+")),
        "uri_escape" => call.text_to_text(&input, escape::url),
        "url_decode" => call.text_to_text(&input, escape::url_decode),
        "slugify" | "handleize" => call.text_to_text(&input, slug),
        "base64_encode" => call.text_to_text(&input, base64_encode),
        "base64_decode" => call.text_to_text(&input, base64_decode),
        "sha256" => call.text_to_text(&input, sha256),
        "hmac_sha256" => call.hmac_sha256(&input),
        "truncate" => call.truncate(&input),
        "truncatewords" => call.truncate_words(&input),
        "number_of_words" => call.number_of_words(&input),
        "split" => call.split(&input),
        "remove" | "replace" | "remove_first" | "replace_first" | "remove_last" | "replace_last" => {
            call.replace(&input)
        }
        // Texts and lists.
        "size" => call.size(&input),
        "slice" => call.slice(&input),
        "json" | "jsonify" | "to_json" => {
            let json = call.run.json(&input)?;
            call.run.made(json)
        }
        // Lists.
        "join" => call.join(&input),
        "array_to_sentence_string" => call.sentence(&input),
        "first" => Ok(call.run.items(&input)?.into_iter().next().unwrap_or(Val::Nil)),
        "last" => Ok(call.run.items(&input)?.pop().unwrap_or(Val::Nil)),
        "reverse" => call.list(&input, |items| items.reverse()),
        "compact" => call.list(&input, |items| items.retain(|item| !item.is_nil())),
        "pop" => call.list(&input, |items| drop(items.pop())),
        "shift" => call.list(&input, |items| drop((!items.is_empty()).then(|| items.remove(0)))),
        "push" | "unshift" => call.push(&input),
        "concat" => call.concat(&input),
        "uniq" => call.uniq(&input),
        "map" => call.map(&input),
        "sum" => call.sum(&input),
        "sort" | "sort_natural" => call.sort(&input),
        "where" | "reject" | "find" | "has" => call.choose(&input),
        "group_by" => call.group_by(&input),
        "random" | "sample" => call.random(&input),
        // Dates.
        "date" => call.date(&input),
        "date_to_xmlschema" => call.date_as(&input, "%Y-%m-%dT%H:%M:%S%:z"),
        "date_to_rfc822" => call.date_as(&input, "%a, %d %b %Y %H:%M:%S %z"),
        "date_to_string" => call.date_as(&input, "%d %b %Y"),
        "date_to_long_string" => call.date_as(&input, "%d %B %Y"),
        "timezone" | "time_zone" => call.in_zone(&input),
        _ => Err(WriteError::broken(format!("unknown filter `{name}`"))),
    }
}

fn default<'d>(
    run: &mut Run<'_, 'd>,
    input: Val<'d>,
    args: &[Val<'d>],
    named: &[(&str, Val<'d>)],
) -> Result<Val<'d>, WriteError> {
    let allows_false = named.iter().any(|(name, value)| *name == "allow_false" && value.is_true());
    let is_absent = match &input {
        Val::Missing(_) | Val::Nil | Val::Empty | Val::Blank => true,
        Val::Bool(is_true) => !is_true && !allows_false,
        Val::Text(text) => text.is_empty(),
        Val::Markup(pieces) => pieces.is_empty(),
        Val::Json(_) | Val::List(_) => run.equal(&input, &Val::Empty)?,
        _ => false,
    };
    if is_absent { Ok(args.first().cloned().unwrap_or_else(|| Val::Text("".into()))) } else { Ok(input) }
}

/// One filter at work.
struct Call<'c, 'a, 'd> {
    run: &'c mut Run<'a, 'd>,
    name: &'c str,
    args: &'c [Val<'d>],
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            // Where a whole number meets a fraction, the nearest float is what everyone else computes with too.
            Number::Whole(number) => number as f64,
            Number::Fraction(number) => number,
        }
    }
}

fn exact_quotient(dividend: i64, divisor: i64) -> Option<i64> {
    (dividend.checked_rem(divisor)? == 0).then(|| dividend / divisor)
}

impl<'d> Call<'_, '_, 'd> {
    fn broken(&self, message: impl std::fmt::Display) -> WriteError {
        WriteError::broken(format!("`{}`: {message}", self.name))
    }

    fn arg(&self, index: usize) -> Result<&Val<'d>, WriteError> {
        self.args.get(index).ok_or_else(|| self.broken("an argument is missing"))
    }

    fn text_arg(&mut self, index: usize) -> Result<Arc<str>, WriteError> {
        let value = self.arg(index)?.clone();
        self.run.text(&value)
    }

    fn text_arg_or(&mut self, index: usize, otherwise: &str) -> Result<Arc<str>, WriteError> {
        if index < self.args.len() { self.text_arg(index) } else { Ok(otherwise.into()) }
    }

    fn count_arg_or(&mut self, index: usize, otherwise: i64) -> Result<i64, WriteError> {
        match self.args.get(index).cloned() {
            None => Ok(otherwise),
            Some(value) => Ok(match self.number(&value)? {
                Number::Whole(number) => number,
                // `as` holds at the ends of the range.
                Number::Fraction(number) => number as i64,
            }),
        }
    }

    fn text_to_text(&mut self, input: &Val<'d>, change: impl Fn(&str) -> String) -> Result<Val<'d>, WriteError> {
        let text = self.run.text(input)?;
        self.run.made(change(&text))
    }

    // Numbers.

    fn number(&mut self, value: &Val<'d>) -> Result<Number, WriteError> {
        match value {
            Val::Int(number) => Ok(Number::Whole(*number)),
            Val::Float(number) => Ok(Number::Fraction(*number)),
            Val::Nil | Val::Bool(false) => Ok(Number::Whole(0)),
            Val::Bool(true) => Ok(Number::Whole(1)),
            other => {
                let text = self.run.text(other)?;
                let written = text.trim();
                if written.is_empty() {
                    return Ok(Number::Whole(0));
                }
                if let Ok(number) = written.parse::<i64>() {
                    return Ok(Number::Whole(number));
                }
                match written.parse::<f64>() {
                    Ok(number) if number.is_finite() => Ok(Number::Fraction(number)),
                    // liquidjs would take 0, and a customer would read a wrong price.
                    _ => Err(self.broken("expected a number, found a text")),
                }
            }
        }
    }

    fn fraction(&self, number: f64) -> Result<Val<'d>, WriteError> {
        if number.is_finite() { Ok(Val::Float(number)) } else { Err(self.broken("the result is no finite number")) }
    }

    fn one_number(
        &mut self,
        input: &Val<'d>,
        whole: fn(i64) -> Option<i64>,
        fraction: fn(f64) -> f64,
    ) -> Result<Val<'d>, WriteError> {
        let number = self.number(input)?;
        if let Number::Whole(number) = number
            && let Some(result) = whole(number)
        {
            return Ok(Val::Int(result));
        }
        self.fraction(fraction(number.float()))
    }

    fn two_numbers(
        &mut self,
        input: &Val<'d>,
        whole: fn(i64, i64) -> Option<i64>,
        fraction: fn(f64, f64) -> f64,
    ) -> Result<Val<'d>, WriteError> {
        let argument = self.arg(0)?.clone();
        let (left, right) = (self.number(input)?, self.number(&argument)?);
        if let (Number::Whole(left), Number::Whole(right)) = (left, right)
            && let Some(result) = whole(left, right)
        {
            return Ok(Val::Int(result));
        }
        self.fraction(fraction(left.float(), right.float()))
    }

    fn divided(
        &mut self,
        input: &Val<'d>,
        whole: fn(i64, i64) -> Option<i64>,
        fraction: fn(f64, f64) -> f64,
    ) -> Result<Val<'d>, WriteError> {
        let argument = self.arg(0)?.clone();
        if self.number(&argument)?.float() == 0.0 {
            return Err(self.broken("divided by 0"));
        }
        self.two_numbers(input, whole, fraction)
    }

    fn rounded(&mut self, input: &Val<'d>, round: fn(f64) -> f64) -> Result<Val<'d>, WriteError> {
        self.one_number(input, Some, round)
    }

    fn round(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let digits = self.count_arg_or(0, 0)?.clamp(-15, 15);
        let number = self.number(input)?;
        if let (Number::Whole(number), 0..) = (number, digits) {
            return Ok(Val::Int(number));
        }
        let scale = 10_f64.powi(i32::try_from(digits).expect("clamped to 15"));
        // Half rounds up, as JavaScript's Math.round does.
        self.fraction((number.float() * scale + 0.5).floor() / scale)
    }

    /// The number as a decimal, for money and grouping.
    fn decimal(&mut self, input: &Val<'d>) -> Result<Decimal, WriteError> {
        let text = match self.number(input)? {
            Number::Whole(number) => number.to_string(),
            Number::Fraction(number) => number.to_string(),
        };
        text.parse().map_err(|_| self.broken("the number is too large"))
    }

    fn currency(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let currency = if self.args.is_empty() {
            self.run.scene.currency
        } else {
            let word = self.text_arg(0)?;
            find_currency(&word)
                .ok_or_else(|| self.broken("expected a currency such as 'GBP' or a locale such as 'en-gb'"))?
        };
        let amount = self.decimal(input)?;
        let money = Money::from_major(amount, currency).ok_or_else(|| self.broken("the amount is too large"))?;
        self.run.made(money_text(money))
    }

    fn number_with_delimiter(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let delimiter = if self.name == "format_number" { ",".into() } else { self.text_arg_or(0, ",")? };
        let separator = if self.name == "format_number" { ".".into() } else { self.text_arg_or(1, ".")? };
        let number = self.decimal(input)?;
        self.run.made(grouped(&number.to_string(), &delimiter, &separator))
    }

    fn pluralize(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let number = self.number(input)?.float();
        let singular = self.text_arg(0)?;
        if number == 1.0 {
            return Ok(Val::Text(singular));
        }
        let plural = self.text_arg_or(1, &format!("{singular}s"))?;
        Ok(Val::Text(plural))
    }

    // Texts.

    fn append(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let (text, other) = (self.run.text(input)?, self.text_arg(0)?);
        self.run.made(format!("{text}{other}"))
    }

    fn prepend(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let (text, other) = (self.run.text(input)?, self.text_arg(0)?);
        self.run.made(format!("{other}{text}"))
    }

    fn strip(&mut self, input: &Val<'d>, begin: bool, end: bool) -> Result<Val<'d>, WriteError> {
        fn strip_text(text: &str, begin: bool, end: bool) -> &str {
            let text = if begin { text.trim_start() } else { text };
            if end { text.trim_end() } else { text }
        }
        let Val::Markup(pieces) = input else {
            return self.text_to_text(input, |text| strip_text(text, begin, end).to_owned());
        };
        // What was captured stays markup: `{% capture %}` with line breaks, then `strip`, is how people write functions.
        self.run.spend(pieces.len())?;
        let mut pieces = pieces.to_vec();
        if begin && let Some(first) = pieces.first_mut() {
            *first = with_text(first, strip_text(first.text(), true, false));
        }
        if end && let Some(last) = pieces.last_mut() {
            *last = with_text(last, strip_text(last.text(), false, true));
        }
        pieces.retain(|piece| !piece.text().is_empty());
        Ok(Val::Markup(pieces.into()))
    }

    /// Escapes; but where the output is escaped anyway, doing so here would make it twice.
    fn escape(&mut self, input: &Val<'d>, change: fn(&str) -> String) -> Result<Val<'d>, WriteError> {
        match (self.run.scene.writing, self.name, input) {
            (Writing::Text, ..) => self.text_to_text(input, change),
            (Writing::Html, "escape_once", Val::Text(_)) => self.text_to_text(input, escape::unescape),
            (Writing::Html, ..) => Ok(input.clone()),
        }
    }

    fn newline_to_br(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let text = self.run.text(input)?;
        if self.run.scene.writing == Writing::Text {
            return self.run.made(text.replace("\r\n", "\n").replace('\n', "<br />\n"));
        }
        let mut pieces = Vec::new();
        for (number, line) in text.lines().enumerate() {
            self.run.spend(1 + line.len())?;
            if number > 0 {
                pieces.push(Piece::Author("<br />\n".into()));
            }
            pieces.push(Piece::Value(line.into()));
        }
        Ok(Val::Markup(pieces.into()))
    }

    fn hmac_sha256(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let (text, key) = (self.run.text(input)?, self.text_arg(0)?);
        self.run.made(hmac_sha256(&text, &key))
    }

    fn truncate(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let text = self.run.text(input)?;
        let length = usize::try_from(self.count_arg_or(0, 50)?).unwrap_or(0);
        let ending = self.text_arg_or(1, "...")?;
        if text.chars().count() <= length {
            return Ok(Val::Text(text));
        }
        let kept: String = text.chars().take(length.saturating_sub(ending.chars().count())).collect();
        self.run.made(kept + &ending)
    }

    fn truncate_words(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let text = self.run.text(input)?;
        let count = usize::try_from(self.count_arg_or(0, 15)?).unwrap_or(0).max(1);
        let ending = self.text_arg_or(1, "...")?;
        let mut words = text.split_whitespace();
        let kept: Vec<_> = words.by_ref().take(count).collect();
        if words.next().is_none() {
            return Ok(Val::Text(text));
        }
        self.run.made(kept.join(" ") + &ending)
    }

    fn number_of_words(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        Ok(Val::count(self.run.text(input)?.split_whitespace().count()))
    }

    fn split(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let (text, separator) = (self.run.text(input)?, self.text_arg(0)?);
        let limit = super::evaluate::LIST_LIMIT + 1;
        let mut parts: Vec<&str> = if separator.is_empty() {
            text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).take(limit).collect()
        } else if separator.as_ref() == " " {
            // As in Ruby: runs of spaces are one.
            text.split_whitespace().take(limit).collect()
        } else {
            text.split(separator.as_ref()).take(limit).collect()
        };
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        let parts = parts.into_iter().map(|part| Val::Text(part.into())).collect();
        self.run.made_list(parts)
    }

    fn replace(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let (text, pattern) = (self.run.text(input)?, self.text_arg(0)?);
        let replacement = if self.name.starts_with("remove") { "".into() } else { self.text_arg_or(1, "")? };
        let found = match self.name {
            "remove_first" | "replace_first" => text.find(pattern.as_ref()).into_iter().collect(),
            "remove_last" | "replace_last" => text.rfind(pattern.as_ref()).into_iter().collect(),
            _ => text.match_indices(pattern.as_ref()).map(|(at, _)| at).collect::<Vec<_>>(),
        };
        // Before it is made: half a megabyte replaced at half a million places is no text any more.
        let grown = text.len().saturating_add(found.len().saturating_mul(replacement.len()));
        self.run.check_length(grown.saturating_sub(found.len() * pattern.len()))?;
        let mut result = String::with_capacity(grown.min(OUTPUT_LIMIT));
        let mut rest = 0;
        for at in found {
            result.push_str(&text[rest..at]);
            result.push_str(&replacement);
            rest = at + pattern.len();
        }
        result.push_str(&text[rest..]);
        self.run.made(result)
    }

    // Texts and lists.

    fn size(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        Ok(match input {
            Val::Json(Value::Object(map)) => Val::count(map.len()),
            Val::Json(_) | Val::List(_) | Val::Range(..) => Val::count(self.run.items(input)?.len()),
            Val::Text(_) | Val::Markup(_) | Val::Instant(..) => Val::count(self.run.text(input)?.chars().count()),
            _ => Val::Int(0),
        })
    }

    fn slice(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let begin = self.count_arg_or(0, 0)?;
        let length = usize::try_from(self.count_arg_or(1, 1)?).unwrap_or(0);
        let from_end = |count: usize| {
            let position = if begin < 0 { i128::from(begin) + count as i128 } else { i128::from(begin) };
            usize::try_from(position.max(0)).unwrap_or(usize::MAX)
        };
        if let Val::Json(Value::Array(_)) | Val::List(_) | Val::Range(..) = input {
            let items = self.run.items(input)?;
            let skipped = from_end(items.len());
            return self.run.made_list(items.into_iter().skip(skipped).take(length).collect());
        }
        let text = self.run.text(input)?;
        let skipped = from_end(text.chars().count());
        self.run.made(text.chars().skip(skipped).take(length).collect::<String>())
    }

    // Lists.

    fn list(&mut self, input: &Val<'d>, change: impl Fn(&mut Vec<Val<'d>>)) -> Result<Val<'d>, WriteError> {
        let mut items = self.run.items(input)?;
        change(&mut items);
        self.run.made_list(items)
    }

    fn join(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let separator = self.text_arg_or(0, " ")?;
        let mut text = String::new();
        for (index, item) in self.run.items(input)?.iter().enumerate() {
            if index > 0 {
                text.push_str(&separator);
            }
            text.push_str(&self.run.text(item)?);
            self.run.check_length(text.len())?;
        }
        self.run.made(text)
    }

    fn sentence(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let connector = self.text_arg_or(0, "and")?;
        let items = self.run.items(input)?;
        let mut text = String::new();
        for (index, item) in items.iter().enumerate() {
            match (index, items.len()) {
                (0, _) => {}
                (1, 2) => text.push_str(&format!(" {connector} ")),
                (index, length) if index + 1 == length => text.push_str(&format!(", {connector} ")),
                _ => text.push_str(", "),
            }
            text.push_str(&self.run.text(item)?);
            self.run.check_length(text.len())?;
        }
        self.run.made(text)
    }

    fn push(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let item = self.arg(0)?.clone();
        // Lists in lists in lists, built by a loop, would be as deep as the loop is long.
        if matches!(item, Val::List(_) | Val::Map(_)) {
            return Err(self.broken("a list cannot be put into a list: use `concat`"));
        }
        let mut items = self.run.items(input)?;
        if self.name == "push" {
            items.push(item);
        } else {
            items.insert(0, item);
        }
        self.run.made_list(items)
    }

    fn concat(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let other = self.arg(0)?.clone();
        let mut items = self.run.items(input)?;
        items.extend(self.run.items(&other)?);
        self.run.made_list(items)
    }

    fn uniq(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let mut seen = HashSet::new();
        let mut kept = Vec::new();
        for item in self.run.items(input)? {
            if seen.insert(self.run.json(&item)?) {
                kept.push(item);
            }
        }
        self.run.made_list(kept)
    }

    /// A property of an item of a list: `name`, or `product.name`.
    fn property(&mut self, item: &Val<'d>, name: &str) -> Val<'d> {
        match item {
            Val::Json(value) => {
                let found = value.get(name).or_else(|| name.split('.').try_fold(*value, |value, key| value.get(key)));
                found.map_or(Val::Nil, Val::of_json)
            }
            Val::Map(entries) => {
                entries.iter().find(|(key, _)| *key == name).map_or(Val::Nil, |(_, value)| value.clone())
            }
            _ => Val::Nil,
        }
    }

    fn map(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let name = self.text_arg(0)?;
        let items = self.run.items(input)?;
        let mut properties = Vec::with_capacity(items.len());
        for item in &items {
            self.run.spend(name.len())?;
            properties.push(self.property(item, &name));
        }
        self.run.made_list(properties)
    }

    fn sum(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let items = if self.args.is_empty() { input.clone() } else { self.map(input)? };
        let mut whole = Some(0_i64);
        let mut total = 0.0;
        for item in self.run.items(&items)? {
            let number = self.number(&item)?;
            total += number.float();
            whole = match number {
                Number::Whole(number) => whole.and_then(|sum| sum.checked_add(number)),
                Number::Fraction(_) => None,
            };
        }
        match whole {
            Some(sum) => Ok(Val::Int(sum)),
            None => self.fraction(total),
        }
    }

    fn sort(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let property = if self.args.is_empty() { None } else { Some(self.text_arg(0)?) };
        let mut keyed = Vec::new();
        for item in self.run.items(input)? {
            let by = match &property {
                Some(name) => self.property(&item, name),
                None => item.clone(),
            };
            keyed.push((self.sort_key(&by)?, item));
        }
        // Comparing is about ten steps an item for lists within the limit.
        self.run.spend(keyed.len() * 10)?;
        keyed.sort_by(|(left, _), (right, _)| left.order(right));
        self.run.made_list(keyed.into_iter().map(|(_, item)| item).collect())
    }

    fn sort_key(&mut self, value: &Val<'d>) -> Result<SortKey, WriteError> {
        if self.name == "sort"
            && let Some(number) = value.as_float()
        {
            return Ok(SortKey::Number(number));
        }
        if value.is_nil() {
            return Ok(SortKey::Nothing);
        }
        let text = self.run.text(value)?;
        Ok(SortKey::Text(if self.name == "sort" { text.to_string() } else { text.to_lowercase() }))
    }

    /// `where`, `reject`, `find`, `has`: by a property that is true, or equal to the second argument.
    fn choose(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let name = self.text_arg(0)?;
        let wanted = self.args.get(1).cloned();
        let mut kept = Vec::new();
        for item in self.run.items(input)? {
            self.run.spend(name.len())?;
            let property = self.property(&item, &name);
            let fits = match &wanted {
                Some(wanted) => self.run.equal(&property, wanted)?,
                None => property.is_true(),
            };
            if fits == (self.name != "reject") {
                kept.push(item);
            }
        }
        match self.name {
            "find" => Ok(kept.into_iter().next().unwrap_or(Val::Nil)),
            "has" => Ok(Val::Bool(!kept.is_empty())),
            _ => self.run.made_list(kept),
        }
    }

    fn group_by(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let name = self.text_arg(0)?;
        let mut groups: Vec<(String, Val<'d>, Vec<Val<'d>>)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for item in self.run.items(input)? {
            // Groups of groups, built by a loop, would be as deep as the loop is long.
            if !matches!(item, Val::Json(_)) {
                return Err(self.broken("only lists of objects can be grouped"));
            }
            let property = self.property(&item, &name);
            let key = self.run.json(&property)?;
            let place = *places.entry(key.clone()).or_insert_with(|| {
                groups.push((key, property, Vec::new()));
                groups.len() - 1
            });
            groups[place].2.push(item);
        }
        let groups = groups
            .into_iter()
            .map(|(_, name, items)| Val::Map(Arc::new([("name", name), ("items", Val::List(items.into()))])))
            .collect();
        self.run.made_list(groups)
    }

    /// One of a list, or a number below the given one: by a hash of the customer and the moment, because the same
    /// message written twice must be the same.
    fn random(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let mut seed = self.run.scene.now.0.to_string();
        if let Some((_, customer)) = self.run.scene.roots.iter().find(|(name, _)| *name == "customer") {
            seed.push_str(&self.run.json(&Val::of_json(customer))?);
        }
        let drawn = u64::from_str_radix(&sha256(&seed)[..15], 16).expect("fifteen hexadecimal digits");
        match input {
            Val::Json(Value::Array(_)) | Val::List(_) | Val::Range(..) => {
                let items = self.run.items(input)?;
                let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
                if count == 0 {
                    return Ok(Val::Nil);
                }
                let chosen = usize::try_from(drawn % count).expect("below the length of a list");
                Ok(items[chosen].clone())
            }
            Val::Int(below) if *below > 0 => {
                let number = drawn % below.unsigned_abs();
                Ok(Val::Int(i64::try_from(number).expect("below an i64")))
            }
            other => Ok(other.clone()),
        }
    }

    // Dates.

    fn instant(&mut self, input: &Val<'d>) -> Result<Option<(Timestamp, Zone)>, WriteError> {
        let scene = self.run.scene;
        Ok(match input {
            Val::Instant(at, zone) => Some((*at, zone.clone())),
            Val::Int(number) => Some((dates::from_number(*number), scene.zone.clone())),
            // `as` holds at the ends of the range.
            Val::Float(number) => Some((Timestamp((number * 1000.0) as i64), scene.zone.clone())),
            other => {
                let text = self.run.text(other)?;
                dates::read(&text, scene.now, scene.zone).map(|at| (at, scene.zone.clone()))
            }
        })
    }

    fn date(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let pattern = self.text_arg_or(0, "%A, %B %-e, %Y at %-l:%M %P %z")?;
        let Some((at, mut zone)) = self.instant(input)? else {
            return Ok(input.clone());
        };
        if self.args.len() > 1 {
            zone = self.zone_arg(1)?;
        }
        // A pattern of directives grows at most twentyfold; its length is the author's.
        self.run.check_length(pattern.len().saturating_mul(20))?;
        self.run.made(dates::strftime(&pattern, at, &zone))
    }

    fn date_as(&mut self, input: &Val<'d>, pattern: &str) -> Result<Val<'d>, WriteError> {
        match self.instant(input)? {
            Some((at, zone)) => self.run.made(dates::strftime(pattern, at, &zone)),
            None => Ok(input.clone()),
        }
    }

    fn in_zone(&mut self, input: &Val<'d>) -> Result<Val<'d>, WriteError> {
        let zone = self.zone_arg(0)?;
        match self.instant(input)? {
            Some((at, _)) => Ok(Val::Instant(at, zone)),
            None => Ok(input.clone()),
        }
    }

    fn zone_arg(&mut self, index: usize) -> Result<Zone, WriteError> {
        let name = self.text_arg(index)?;
        Zone::find(&name).ok_or_else(|| self.broken("expected a time zone such as 'Europe/London'"))
    }
}

fn with_text(piece: &Piece, text: &str) -> Piece {
    match piece {
        Piece::Author(_) => Piece::Author(text.into()),
        Piece::Value(_) => Piece::Value(text.into()),
    }
}

enum SortKey {
    Number(f64),
    Text(String),
    Nothing,
}

impl SortKey {
    /// A total order, as sorting needs: numbers, then texts, then what is missing.
    fn order(&self, other: &SortKey) -> Ordering {
        match (self, other) {
            (SortKey::Number(left), SortKey::Number(right)) => left.total_cmp(right),
            (SortKey::Text(left), SortKey::Text(right)) => left.cmp(right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            SortKey::Number(_) => 0,
            SortKey::Text(_) => 1,
            SortKey::Nothing => 2,
        }
    }
}

/// First letter large, the others small.
fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase(),
        None => String::new(),
    }
}

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&word.to_lowercase());
    }
    slug
}

fn base64_encode(text: &str) -> String {
    STANDARD.encode(text)
}

/// What is no base64 or no text inside comes out empty.
fn base64_decode(text: &str) -> String {
    STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(text: &str) -> String {
    hexadecimal(&Sha256::digest(text))
}

fn hmac_sha256(text: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(text.as_bytes());
    hexadecimal(&mac.finalize().into_bytes())
}

/// `GBP`, or the currency of a locale such as `en-gb`.
fn find_currency(word: &str) -> Option<Currency> {
    if let Some(currency) = Currency::parse(word) {
        return Some(currency);
    }
    let region = word.rsplit(['-', '_']).next()?.to_ascii_uppercase();
    let code = match region.as_str() {
        "AT" | "BE" | "CY" | "DE" | "EE" | "ES" | "FI" | "FR" | "GR" | "HR" | "IE" | "IT" | "LT" | "LU" | "LV"
        | "MT" | "NL" | "PT" | "SI" | "SK" => "EUR",
        "AU" => "AUD",
        "BR" => "BRL",
        "CA" => "CAD",
        "CH" => "CHF",
        "CZ" => "CZK",
        "DK" => "DKK",
        "GB" | "UK" => "GBP",
        "IN" => "INR",
        "JP" => "JPY",
        "MX" => "MXN",
        "NO" => "NOK",
        "NZ" => "NZD",
        "PL" => "PLN",
        "SE" => "SEK",
        "US" => "USD",
        "ZA" => "ZAR",
        _ => return None,
    };
    Currency::parse(code)
}

/// `£1,234.50`; currencies without a sign of their own by their code: `1,234.50 CHF`.
fn money_text(money: Money) -> String {
    let amount = grouped(&money.major().abs().to_string(), ",", ".");
    let minus = if money.minor < 0 { "-" } else { "" };
    let sign = match money.currency.as_str() {
        "GBP" => "£",
        "EUR" => "€",
        "USD" => "$",
        "CAD" => "CA$",
        "AUD" => "A$",
        "NZD" => "NZ$",
        "JPY" => "¥",
        "INR" => "₹",
        code => return format!("{minus}{amount} {code}"),
    };
    format!("{minus}{sign}{amount}")
}

/// Digits in groups of three: `1234.5` as `1,234.5`.
fn grouped(number: &str, delimiter: &str, separator: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push_str(delimiter);
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push_str(separator);
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        for (amount, code, expected) in [
            ("33.25", "GBP", "£33.25"),
            ("1234567.5", "en-us", "$1,234,567.50"),
            ("-5", "fr-FR", "-€5.00"),
            ("1500", "JPY", "¥1,500"),
            ("999.999", "CHF", "1,000.00 CHF"),
        ] {
            let money = Money::from_major(amount.parse().unwrap(), find_currency(code).unwrap()).unwrap();
            assert_eq!(money_text(money), expected);
        }
        assert!(find_currency("pounds").is_none() && find_currency("").is_none());
        assert_eq!(grouped("-1234567.25", ".", ","), "-1.234.567,25");
    }

    #[test]
    fn a_filter_that_was_promised_does_something() {
        for name in NAMES {
            assert_eq!(check_name(name), Ok(()));
        }
        assert!(check_name("raw").unwrap_err().contains("not allowed"));
        assert!(check_name("money").unwrap_err().contains("currency"));
    }
}
