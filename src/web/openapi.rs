//! `/api/openapi.json`, made from the route table and the messages' own schemas.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::App;
use super::routes::{Access, Route};

pub fn routes() -> Vec<Route> {
    vec![Route::get("/api/openapi.json", Access::Public, "This document", document)]
}

async fn document(State(app): State<App>) -> Json<Value> {
    let mut paths: Map<String, Value> = Map::new();
    for route in super::routes() {
        let operation = json!({
            "summary": route.summary,
            "security": route.access.roles().map_or(json!([]), |_| json!([{ "session": [] }, { "token": [] }])),
            "x-roles": json!(route.access.roles()),
            "parameters": parameters(route.path),
            "responses": { "default": { "description": "An answer, or a problem document" } },
        });
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    Json(json!({
        "openapi": "3.1.0",
        "info": { "title": "Yunying", "version": env!("CARGO_PKG_VERSION"), "description": app.config.center },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": super::auth::COOKIE },
                "token": { "type": "http", "scheme": "bearer" },
            },
        },
    }))
}

fn parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| json!({ "name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn schemas() -> Map<String, Value> {
    let mut generator = schemars::generate::SchemaSettings::openapi3().into_generator();
    macro_rules! add {
        ($($message:ty),+ $(,)?) => { $(generator.subschema_for::<$message>();)+ };
    }
    add!(
        wire::Me,
        wire::SignIn,
        wire::Status,
        wire::DutyChange,
        wire::CaseList,
        wire::CaseDetail,
        wire::CaseChange,
        wire::Desk,
        wire::LeaseToken,
        wire::TakeBack,
        wire::DraftSave,
        wire::DraftSaved,
        wire::SignRequest,
        wire::ReturnRequest,
        wire::Template,
        wire::Board,
        wire::QuarantineList,
        wire::QuarantineRow,
        wire::QuarantineDecision,
        wire::Priors,
        wire::PersonDecision,
        wire::PatientCorrection,
        wire::OrderList,
        wire::OrderRow,
        wire::OrderForm,
        wire::OrderChange,
        wire::OrderCancel,
        wire::StudyImages,
        wire::Event,
        wire::Problem,
    );
    generator.take_definitions(true)
}
