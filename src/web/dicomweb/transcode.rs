//! An instance on its way out: the stored bytes, or written anew with its pixels decoded or compressed (PS3.18 8.7.3.5).

use axum::http::StatusCode;

use super::super::{Answer, App, Problem};
use super::accept::Form;
use super::multipart::Part;
use super::opened::{Opened, refused};
use crate::dicom::Plain;
use crate::index::Scope;
use crate::index::dicomweb::NamedInstance;
use crate::retrieve;

pub const NOT_ACCEPTABLE: Problem = Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable");

/// Opens one instance in the first of these forms that it has.
pub async fn open(app: &App, scope: Scope, found: &NamedInstance, forms: impl Iterator<Item = Form>) -> Answer<Part> {
    let mut last = NOT_ACCEPTABLE;
    for form in forms {
        let opened = match form {
            Form::Stored => stored(app, scope, found).await,
            Form::Explicit => anew(app, found, retrieve::Form::Plain(Plain::Explicit)).await,
            Form::Coded(target) => anew(app, found, retrieve::Form::Coded(target)).await,
        };
        match opened {
            Err(problem) if problem.status == StatusCode::NOT_ACCEPTABLE => last = problem,
            other => return other,
        }
    }
    Err(last)
}

fn content_type(transfer_syntax: &str) -> String {
    format!("application/dicom; transfer-syntax={transfer_syntax}")
}

async fn stored(app: &App, scope: Scope, found: &NamedInstance) -> Answer<Part> {
    let (stored, body) = app.viewing.bytes.stream(scope, found.id, None).await?;
    Ok(Part { content_type: content_type(&stored.transfer_syntax), body })
}

/// Written anew as Explicit VR Little Endian, or compressed; without pixels there is nothing to compress.
async fn anew(app: &App, found: &NamedInstance, form: retrieve::Form) -> Answer<Part> {
    let Opened(opened) = Opened::new(app, found).await?;
    let rewriting = opened.anew(&app.viewing.decoder, form).await.map_err(refused)?;
    Ok(Part { content_type: content_type(form.transfer_syntax()), body: rewriting.file() })
}
