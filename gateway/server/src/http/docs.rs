//! The contract for readers: `/openapi.json`, and `/docs`, a page that shows it.
//!
//! Both are part of the program: a gateway needs no internet to explain itself, and the page asks no other host for anything.

use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use audiospread_protocol::ProblemCode;
use utoipa_swagger_ui::Config;

use super::openapi;
use super::problems::Refusal;

/// The browser itself refuses what would be asked of another host.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

/// Addresses relative to the page, so that it also works behind a proxy that adds a prefix. The page's badge of a public validator is off.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    Arc::new(Config::new(["openapi.json"]).validator_url("none").default_models_expand_depth(0).use_base_layout())
});

/// The contract
///
/// This document: OpenAPI 3.1, byte for byte the file `openapi/audiospread-v1.json` of the source.
#[utoipa::path(get, path = "/openapi.json", tag = "contract", operation_id = "get_openapi",
    responses((status = 200, description = "The contract.", content_type = "application/json", body = serde_json::Value,
               example = json!({"openapi": "3.1.0", "info": {"title": "AudioSpread gateway", "version": "1.0.0"}, "paths": {}})), openapi::Faulty))]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(openapi::COMMITTED)
}

/// The contract as a page
///
/// A page for people that shows this document and can try each operation. It works without internet.
#[utoipa::path(get, path = "/docs", tag = "contract", operation_id = "get_docs",
    responses((status = 200, description = "The page.", content_type = "text/html", body = String,
               example = json!("<!DOCTYPE html>\n<html lang=\"en\">…</html>")), openapi::Faulty))]
pub(super) async fn page() -> Result<HttpResponse, Refusal> {
    let file = utoipa_swagger_ui::serve("index.html", Arc::clone(&CONFIG))
        .map_err(|error| Refusal::fault(error.to_string()))?
        .ok_or_else(|| Refusal::fault("the page is not part of the program"))?;
    let html = String::from_utf8_lossy(&file.bytes)
        .replace("href=\"./", "href=\"docs/")
        .replace("src=\"./", "src=\"docs/")
        .replace("href=\"index.css\"", "href=\"docs/index.css\"")
        .replace("<title>Swagger UI</title>", "<title>AudioSpread gateway</title>");
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(html))
}

/// A part of the page
///
/// Style, script or picture of the page at `/docs`.
#[utoipa::path(get, path = "/docs/{file}", tag = "contract", operation_id = "get_docs_file",
    params(("file" = String, Path, description = "The name of the part.", example = "swagger-ui.css")),
    responses((status = 200, description = "The part.",
               content((String = "text/css"), (String = "text/javascript"), (String = "text/html"), (Vec<u8> = "image/png"))),
              openapi::Unknown, openapi::Faulty))]
pub(super) async fn part(file: web::Path<String>) -> Result<HttpResponse, Refusal> {
    let file = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG))
        .map_err(|error| Refusal::fault(error.to_string()))?
        .ok_or_else(|| Refusal::new(ProblemCode::NotFound, "The page at /docs has no part of this name."))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, file.content_type))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .body(file.bytes.into_owned()))
}
