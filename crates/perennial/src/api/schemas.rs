//! `/api/schemas`: JSON Schemas of what people write, for editors. They tell nothing of anybody.

use crate::api::operations::Operation;
use crate::api::problems::{Fault, Problem};
use axum::extract::Path;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What stands under `/api/schemas`.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(Method::GET, "/api/schemas/{kind}", "getSchema", "The JSON Schema of what people write, for editors.", schema)
            .says("Kinds: segment, campaign, scenario, mapping, purpose, template, workspace, and definition for any of them.")
            .answers_with(200, "application/schema+json", json!({ "type": "object" }))
            .may_say(&["not_found"])
            .open_to_all(),
    ]
}

/// All kinds of schemas.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    domain::schema::KINDS.iter().copied().chain(["mapping"])
}

/// The schema of a kind; none if there is no such kind.
pub fn find(kind: &str) -> Option<Value> {
    if kind == "mapping" { Some(import::schema()) } else { domain::schema::of(kind) }
}

async fn schema(Path(kind): Path<String>) -> Result<Response, Fault> {
    let Some(found) = find(&kind) else {
        let near = domain::shape::nearest(&kind, kinds()).unwrap_or_default();
        let shown: String = kind.chars().take(100).collect();
        let detail = format!("there is no schema `{shown}`; did you mean `{near}`?");
        return Err(Problem::new("not_found", detail).with("nearest", near).into());
    };
    let mut response = found.to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/schema+json"));
    Ok(response)
}
