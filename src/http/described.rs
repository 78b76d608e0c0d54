//! Routes that describe themselves: each part of the interface lists its operations once, and from that list come both
//! the router and the OpenAPI document. So neither can have an operation that the other lacks.

use axum::Router;
use axum::routing::MethodRouter;
use serde_json::{Map, Value, json};

/// One operation.
pub struct Operation<S> {
    pub path: String,
    /// In small letters, as OpenAPI writes it.
    pub method: &'static str,
    pub id: String,
    pub summary: String,
    pub tag: &'static str,
    /// Whether a key must be shown.
    pub keyed: bool,
    /// The schema of the body, if it takes one.
    pub body: Option<Value>,
    /// Status, what it means, and the schema of its JSON; `None` is plain text.
    pub answers: Vec<(u16, &'static str, Option<Value>)>,
    pub handler: MethodRouter<S>,
}

/// A router of these operations.
pub fn router<S: Clone + Send + Sync + 'static>(operations: Vec<Operation<S>>) -> Router<S> {
    let mut router = Router::new();
    for operation in operations {
        router = router.route(&operation.path, operation.handler);
    }
    router
}

/// What OpenAPI says of them, under `paths`.
pub fn paths<S>(operations: &[Operation<S>]) -> Map<String, Value> {
    let mut paths = Map::new();
    for operation in operations {
        let mut told = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [operation.tag],
            "responses": {},
        });
        for (status, meaning, schema) in &operation.answers {
            let content = match schema {
                Some(schema) => json!({ "application/json": { "schema": schema } }),
                None => json!({ "text/plain": { "schema": { "type": "string" } } }),
            };
            let mut answer = json!({ "description": meaning, "content": content });
            if matches!(status, 429 | 503) {
                answer["headers"] = json!({
                    "Retry-After": {
                        "description": "seconds after which to try again",
                        "schema": { "type": "integer" },
                    }
                });
            }
            told["responses"][status.to_string()] = answer;
        }
        let parameters: Vec<Value> = (operation.path.split('/'))
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        if !parameters.is_empty() {
            told["parameters"] = parameters.into();
        }
        if let Some(body) = &operation.body {
            told["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": body } },
            });
        }
        told["security"] = match operation.keyed {
            true => json!([{ "key": [] }, { "bearer": [] }]),
            false => json!([]),
        };
        let path = paths
            .entry(operation.path.clone())
            .or_insert_with(|| json!({}));
        path[operation.method] = told;
    }
    paths
}
