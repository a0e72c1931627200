//! The operations of `/api`: one list makes the router and the document at `/api/openapi.json`, so that neither can
//! know what the other does not.

use crate::api::Shared;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Value, json};

/// Most bytes of a body, where an operation does not say otherwise: many times the largest definition.
pub const BODY_BYTES: usize = 1 << 20;

/// One operation: where it stands, what does it, and what is said of it.
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, with `{parameters}` as both axum and OpenAPI write them.
    pub path: &'static str,
    /// Its name for makers of clients.
    pub id: &'static str,
    /// The heading it stands under.
    pub group: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// More of it, where there is more to say.
    pub description: &'static str,
    /// What stands in the query, the path and the headers.
    pub parameters: Vec<Value>,
    /// Media types and schema of the body.
    pub body: Option<(&'static [&'static str], Value)>,
    /// The answer when it went well: status, media type, schema.
    pub answer: (u16, &'static str, Value),
    /// Words of the problems that are its own, beside those that every operation can have.
    pub problems: &'static [&'static str],
    /// Whether it needs no token of the data directory.
    pub is_open: bool,
    /// What it needs in its place, by the name of a scheme of the document.
    pub secured_by: Option<&'static str>,
    /// Another scheme that it takes as well.
    pub or_by: Option<&'static str>,
    routes: MethodRouter<Shared>,
    limit: usize,
}

impl Operation {
    /// An operation that answers 200 with JSON.
    pub fn new<T: 'static>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: impl Handler<T, Shared>,
    ) -> Operation {
        let filter = MethodFilter::try_from(method.clone()).expect("the methods in use here are plain ones");
        let group = path.split('/').nth(2).unwrap_or_default();
        Operation {
            method,
            path,
            id,
            group,
            summary,
            description: "",
            parameters: path_parameters(path),
            body: None,
            answer: (200, "application/json", json!({})),
            problems: &[],
            is_open: false,
            secured_by: None,
            or_by: None,
            routes: on(filter, handler),
            limit: BODY_BYTES,
        }
    }

    /// Says more.
    #[must_use]
    pub fn says(mut self, description: &'static str) -> Operation {
        self.description = description;
        self
    }

    /// Takes a parameter in the query or a header: `in`, name, what it means, schema.
    #[must_use]
    pub fn takes(mut self, place: &str, name: &str, description: &str, schema: Value) -> Operation {
        let mut parameter = json!({ "in": place, "name": name, "description": description });
        parameter["schema"] = schema;
        self.parameters.push(parameter);
        self
    }

    /// Takes an instant of the past in the query.
    #[must_use]
    pub fn takes_as_of(self) -> Operation {
        let instant = json!({ "type": "string", "format": "date-time" });
        self.takes("query", "as_of", "At this past instant, by today's definition and identities.", instant)
    }

    /// Takes a body of JSON.
    #[must_use]
    pub fn takes_json(mut self, schema: Value) -> Operation {
        self.body = Some((&["application/json"], schema));
        self
    }

    /// Takes a definition, as JSON or YAML.
    #[must_use]
    pub fn takes_definition(mut self, schema: Value) -> Operation {
        self.body = Some((&["application/json", "application/yaml"], schema));
        self
    }

    /// Takes a mail as it was received, whatever it is called.
    #[must_use]
    pub fn takes_mail(mut self) -> Operation {
        self.body = Some((&["message/rfc822"], json!({ "type": "string", "contentMediaType": "message/rfc822" })));
        self
    }

    /// Takes bodies up to this size.
    #[must_use]
    pub fn takes_up_to(mut self, bytes: usize) -> Operation {
        self.limit = bytes;
        self
    }

    /// Answers 200 with JSON of this schema.
    #[must_use]
    pub fn answers(mut self, schema: Value) -> Operation {
        self.answer = (200, "application/json", schema);
        self
    }

    /// Answers with another status, media type and schema.
    #[must_use]
    pub fn answers_with(mut self, status: u16, media: &'static str, schema: Value) -> Operation {
        self.answer = (status, media, schema);
        self
    }

    /// May answer with these problems.
    #[must_use]
    pub fn may_say(mut self, problems: &'static [&'static str]) -> Operation {
        self.problems = problems;
        self
    }

    /// Is for others than the owner, and asks for what they have: the name of a scheme of the document.
    #[must_use]
    pub fn secured_by(mut self, scheme: &'static str) -> Operation {
        self.is_open = true;
        self.secured_by = Some(scheme);
        self
    }

    /// Takes another scheme as well.
    #[must_use]
    pub fn or_by(mut self, scheme: &'static str) -> Operation {
        self.or_by = Some(scheme);
        self
    }

    /// Needs no token: it tells nothing of anybody.
    #[must_use]
    pub fn open_to_all(mut self) -> Operation {
        self.is_open = true;
        self
    }
}

/// The router of some operations.
pub fn router(operations: impl IntoIterator<Item = Operation>) -> Router<Shared> {
    operations.into_iter().fold(Router::new(), |router, operation| {
        let routes = operation.routes.layer(DefaultBodyLimit::max(operation.limit));
        router.route(operation.path, routes)
    })
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let description = match name {
                "name" => "The definition's name.",
                "customer" => "A person: userId, anonymousId or internal id, looked up in this order.",
                "version" => "The number of a version, from 1.",
                "kind" => "The kind of definition.",
                _ => "Its id.",
            };
            let schema = if name == "version" {
                json!({ "type": "integer", "minimum": 1 })
            } else {
                json!({ "type": "string" })
            };
            json!({ "in": "path", "name": name, "required": true, "description": description, "schema": schema })
        })
        .collect()
}
