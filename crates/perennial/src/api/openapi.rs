//! `/api/openapi.json` and the page `/api`: what the operations say of themselves, as a document and to read.

mod shapes;
mod tried;

use crate::api::Shared;
use crate::api::operations::Operation;
use crate::api::problems::{KINDS, MEDIA_TYPE};
use axum::Json;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// A reference to a shape of the document.
pub fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A list of a shape.
pub fn list_of(name: &str) -> Value {
    json!({ "type": "array", "items": shape(name) })
}

/// What stands beside the operations: the document and the page.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(Method::GET, "/api/openapi.json", "getOpenApi", "This document.", openapi)
            .answers(json!({ "type": "object" }))
            .open_to_all(),
        Operation::new(Method::GET, "/api", "readApi", "The operations to read, with examples.", page)
            .answers_with(200, "text/html", json!({ "type": "string" }))
            .open_to_all(),
    ]
}

/// The document. Made once.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| document_of(&crate::api::operations()))
}

async fn openapi() -> Json<&'static Value> {
    Json(document())
}

fn document_of(operations: &[Operation]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let place = paths.entry(operation.path).or_insert_with(|| json!({}));
        place[operation.method.as_str().to_lowercase()] = operation_object(operation);
    }
    let mut groups: Vec<&str> = operations.iter().map(|operation| group(operation)).collect();
    groups.dedup();
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Perennial",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What commands, pages and other programs ask and change. Events come in at /v1, as Segment's HTTP tracking API has them; that is not described here. Instants are RFC 3339 in UTC. Errors are application/problem+json (RFC 9457).",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": groups.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes::all(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The token of the data directory: only those who can read that know it (`server.json` while a server runs)." },
                "serverKey": { "type": "http", "scheme": "basic", "description": "A server key (`sk_…`) as the user, without a password." },
                "browserKey": { "type": "http", "scheme": "basic", "description": "A browser key (`pk_…`) as the user, without a password." },
                "customerToken": { "type": "http", "scheme": "bearer", "description": "A customer's token, made at `/v1/in-app/token`." },
            },
        },
    })
}

fn group(operation: &Operation) -> &'static str {
    match operation.group {
        "" | "openapi.json" | "schemas" => "about",
        "preview" => "segments",
        group => group,
    }
}

fn operation_object(operation: &Operation) -> Value {
    let mut object = json!({
        "operationId": operation.id, "summary": operation.summary, "tags": [group(operation)],
        "responses": responses(operation),
    });
    if !operation.description.is_empty() {
        object["description"] = operation.description.into();
    }
    if !operation.parameters.is_empty() {
        object["parameters"] = operation.parameters.clone().into();
    }
    if let Some((media, schema)) = &operation.body {
        let content: Map<String, Value> =
            media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
        object["requestBody"] = json!({ "required": true, "content": content });
    }
    match operation.secured_by {
        Some(scheme) => {
            let schemes = std::iter::once(scheme).chain(operation.or_by);
            object["security"] = schemes.map(|scheme| json!({ scheme: [] })).collect();
        }
        None if operation.is_open => object["security"] = json!([]),
        None => {}
    }
    object
}

/// The good answer, and one for each status of a problem.
fn responses(operation: &Operation) -> Value {
    let (status, media, schema) = &operation.answer;
    let mut good = json!({ "description": "Done.", "content": { *media: { "schema": schema } } });
    if operation.path.starts_with("/api/segments/{name}") || *status == 201 {
        let version = json!({ "description": "The version, for `If-Match`.", "schema": { "type": "string" } });
        if matches!(operation.id, "getSegment" | "changeSegment" | "createSegment") {
            good["headers"] = json!({ "ETag": version });
        }
    }
    let mut responses = Map::from_iter([(status.to_string(), good)]);
    for (word, status, title, todo) in problems_of(operation) {
        let place = responses
            .entry(status.as_u16().to_string())
            .or_insert_with(|| json!({ "description": "", "content": { MEDIA_TYPE: { "schema": shape("Problem") } } }));
        let said = place["description"].as_str().unwrap_or_default();
        let space = if said.is_empty() { "" } else { " " };
        place["description"] = format!("{said}{space}`{word}`: {title}. {todo}").into();
    }
    responses.into()
}

type ProblemKind = (&'static str, axum::http::StatusCode, &'static str, &'static str);

/// The problems an operation can answer with: its own, and those of every operation like it.
fn problems_of(operation: &Operation) -> impl Iterator<Item = &'static ProblemKind> {
    let mut words = operation.problems.to_vec();
    if !operation.is_open {
        words.push("bad_token");
    }
    if !operation.parameters.is_empty() || operation.body.is_some() {
        words.push("wrong");
    }
    if operation.body.is_some() {
        words.extend(["too_large", "wrong_media"]);
    }
    if operation.method != Method::GET {
        words.extend(["busy", "stopping", "not_stored"]);
    }
    words.push("failed");
    KINDS.iter().filter(move |kind| words.contains(&kind.0))
}

async fn page() -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    let page = PAGE.get_or_init(|| page_of(&crate::api::operations()));
    let mut response = page.as_str().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Everything in it is our own text; it is escaped all the same.
fn page_of(operations: &[Operation]) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Perennial: the API</title><body><main><h1>The API</h1>\
         <p>What commands, pages and other programs ask and change. For makers of clients: <a href=\"/api/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\
         <p>Show the token of the data directory, which stands in <code>server.json</code> there while a server runs:</p>\
         <pre>URL=http://127.0.0.1:7700\nTOKEN=$(sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/' perennial-data/server.json)</pre>",
    );
    let mut last = "";
    for operation in operations {
        let group = group(operation);
        if group != last {
            let _ = write!(html, "<h2>{}</h2>", escape(group));
            last = group;
        }
        let _ = write!(
            html,
            "<h3 id=\"{}\"><code>{} {}</code></h3><p>{} {}</p>",
            operation.id,
            operation.method,
            escape(operation.path),
            escape(operation.summary),
            escape(operation.description)
        );
        for parameter in operation.parameters.iter().filter(|parameter| parameter["in"] != "path") {
            let word = |key: &str| escape(parameter[key].as_str().unwrap_or_default());
            let _ = write!(html, "<p><code>{}</code> ({}): {}</p>", word("name"), word("in"), word("description"));
        }
        let _ = write!(html, "<pre>{}</pre>", escape(&curl(operation)));
    }
    html.push_str("<h2>problems</h2><p>Errors are <code>application/problem+json</code>, as RFC 9457 has it.</p><dl>");
    for (word, status, title, todo) in KINDS {
        let _ = write!(
            html,
            "<dt id=\"{word}\"><code>{word}</code> ({})</dt><dd>{}. {}</dd>",
            status.as_u16(),
            escape(title),
            escape(todo)
        );
    }
    html.push_str("</dl></main></body></html>\n");
    html
}

/// How one asks with curl.
fn curl(operation: &Operation) -> String {
    let mut path = operation.path.to_owned();
    for (parameter, example) in [
        ("{name}", "lapsed-regulars"),
        ("{customer}", "ana"),
        ("{version}", "1"),
        ("{id}", "ana"),
        ("{kind}", "segment"),
    ] {
        path = path.replace(parameter, example);
    }
    let mut line = "curl".to_owned();
    match operation.secured_by {
        Some("serverKey") => line.push_str(" -u \"$SERVER_KEY:\""),
        Some(_) => line.push_str(" -H \"Authorization: Bearer $CUSTOMER_TOKEN\""),
        None if !operation.is_open => line.push_str(" -H \"Authorization: Bearer $TOKEN\""),
        None => {}
    }
    if operation.method != Method::GET {
        let _ = write!(line, " -X {}", operation.method);
    }
    if operation.id == "changeSegment" {
        line.push_str(" -H 'If-Match: \"1\"'");
    }
    match &operation.body {
        Some((media, _)) if media.contains(&"message/rfc822") => {
            line.push_str(" -H 'Content-Type: message/rfc822' --data-binary @bounce.eml");
        }
        Some((media, _)) if media.contains(&"application/yaml") => {
            line.push_str(" -H 'Content-Type: application/yaml' --data-binary @segments/lapsed-regulars.yaml");
        }
        Some(_) => line.push_str(" -H 'Content-Type: application/json' --data @body.json"),
        None => {}
    }
    let _ = write!(line, " \"$URL{path}\"");
    line
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What stands where no operation is.
pub async fn nowhere(axum::extract::State(_): axum::extract::State<Shared>) -> crate::api::problems::Problem {
    crate::api::problems::Problem::new("not_found", "there is nothing at this address; /api lists what there is")
}
