//! `/api/vouchers`: pools of vouchers whose codes come from elsewhere.

use crate::api::Shared;
use crate::api::openapi::{list_of, shape};
use crate::api::operations::Operation;
use crate::api::problems::{Answer, Fault, ask};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Method;
use domain::Name;
use engine::decide::pools::{CodesAdded, read_code};
use serde::Deserialize;
use serde_json::{Value, json};

/// Most bytes of one import: some hundred thousand codes.
const CODES_BYTES: usize = 16 << 20;
/// Codes taken in one change, so that nobody else waits long.
const CODES_AT_ONCE: usize = 10_000;
/// Refused codes that are named.
const REFUSED: usize = 100;

/// What stands under `/api/vouchers`.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(Method::GET, "/api/vouchers", "listPools", "Pools of vouchers, and how many codes are left.", pools)
            .answers(list_of("Pool")),
        Operation::new(
            Method::POST,
            "/api/vouchers/{id}/codes",
            "importCodes",
            "Imports codes into a pool, in the order in which they are to be given.",
            import,
        )
        .says("Each code is given at most once, to one customer; one that was imported before, into this pool or another, is passed over. Whoever was to get one when none was left gets it now, if their campaign still goes on. Before the first import Perennial makes the codes of a pool itself; after it, only imported ones are given.")
        .takes_json(json!({
            "type": "object", "required": ["codes"], "additionalProperties": false,
            "properties": { "codes": { "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 100 }, "description": "Without white space." } },
        }))
        .takes_up_to(CODES_BYTES)
        .answers(shape("CodesImported"))
        .may_say(&["refused"]),
    ]
}

async fn pools(State(app): State<Shared>) -> Answer {
    ask(&app, move |app| {
        let reader = app.handle.reader()?;
        let pools = app.handle.read().pools(&*reader)?;
        let rows = pools.iter().map(|pool| {
            let mut row = json!(pool);
            row["is_low"] = pool.is_low().into();
            row
        });
        Ok(Value::Array(rows.collect()))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    codes: Vec<String>,
}

/// Codes apart from what cannot be one: its place, counted from 1, and why.
pub fn read_codes<'a>(texts: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<(u64, &'static str)>) {
    let (mut codes, mut refused) = (Vec::new(), Vec::new());
    for (place, text) in (1..).zip(texts) {
        match read_code(text) {
            Ok(code) => codes.push(code.to_owned()),
            Err(reason) => refused.push((place, reason)),
        }
    }
    (codes, refused)
}

async fn import(State(app): State<Shared>, Path(pool): Path<String>, Json(asked): Json<Asked>) -> Answer {
    let pool =
        Name::parse(&pool).map_err(|error| Fault::Wrong(format!("a pool cannot be called `{pool}`: {error}")))?;
    let (codes, refused) = read_codes(asked.codes.iter().map(String::as_str));
    let mut all = CodesAdded::default();
    // Also without a code: it says how many are left.
    let mut pieces = codes.chunks(CODES_AT_ONCE).map(<[String]>::to_vec).collect::<Vec<_>>();
    if pieces.is_empty() {
        pieces.push(Vec::new());
    }
    for piece in pieces {
        let name = pool.clone();
        let added = app.handle.change_later(1, move |engine, now| engine.add_codes(&name, &piece, now)).await?;
        all.add(&added.map_err(|error| Fault::Conflict(error.to_string()))?);
    }
    let told = refused.iter().take(REFUSED).map(|(place, reason)| json!({ "place": place, "reason": reason }));
    let mut answer = json!(all);
    answer["pool"] = json!(pool);
    answer["refused"] = refused.len().into();
    answer["refused_codes"] = told.collect();
    Ok(Json(answer))
}

/// The codes of a text with the lines they stand in; empty lines and a heading are none, quotes around one are not part of it.
pub fn codes_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines();
    let codes = (1..).zip(lines).map(|(line, text)| (line, text.trim().trim_matches('"')));
    codes.filter(|(line, code)| !(code.is_empty() || *line == 1 && code.eq_ignore_ascii_case("code")))
}

#[cfg(test)]
mod tests {
    use super::codes_of;

    #[test]
    fn a_file_of_codes_is_read_as_a_till_or_a_table_writes_it() {
        let read = |text| codes_of(text).collect::<Vec<_>>();
        assert_eq!(read("\u{feff}code\r\nA-1\r\n\r\n\"B-2\"\r\n"), [(2, "A-1"), (4, "B-2")]);
        assert_eq!(read("A\ncode\n"), [(1, "A"), (2, "code")], "a code may be called so in another line");
        assert_eq!(read(""), []);
    }
}
