//! What stands in a path, parsed once.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use inkwire_model::{Code, CommentId, DocumentId, Subject};

use super::body::invalid;
use crate::problem::Problem;

/// The document of a path: its id is one segment, percent-encoded.
pub(super) struct InDocument(pub(super) DocumentId);

/// The topic of a path, by the log that it is.
pub(super) struct InTopic(pub(super) DocumentId);

async fn segments<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<Vec<(String, String)>, Problem> {
    let path: Result<Path<Vec<(String, String)>>, _> = Path::from_request_parts(parts, state).await;
    path.map(|Path(segments)| segments)
        .map_err(|error| invalid(error.body_text()))
}

async fn segment<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Problem> {
    let first = segments(parts, state).await?.into_iter().next();
    first
        .map(|(_, text)| text)
        .ok_or_else(|| Problem::of(Code::Internal, "The path of this route names nothing."))
}

impl<S: Send + Sync> FromRequestParts<S> for InDocument {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = segment(parts, state).await?;
        DocumentId::parse(&id)
            .map(Self)
            .map_err(|error| Problem::of(Code::InvalidDocumentId, error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InTopic {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = segment(parts, state).await?;
        DocumentId::topic(&name)
            .map(Self)
            .map_err(|error| Problem::of(Code::InvalidDocumentId, error.to_string()))
    }
}

/// A comment of a document.
pub(super) struct OfComment(pub(super) DocumentId, pub(super) CommentId);

impl<S: Send + Sync> FromRequestParts<S> for OfComment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InDocument(document) = InDocument::from_request_parts(parts, state).await?;
        let comment = segments(parts, state).await?.into_iter().nth(1);
        let comment = comment.unwrap_or_default().1;
        // What has no such form is nobody's id.
        let code = Code::UnknownComment;
        let comment = comment.parse();
        let comment = comment.map_err(|_| Problem::of(code, code.row().sentence))?;
        Ok(Self(document, comment))
    }
}

/// A subject's part in a document.
pub(super) struct OfSubject(pub(super) DocumentId, pub(super) Subject);

impl<S: Send + Sync> FromRequestParts<S> for OfSubject {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InDocument(document) = InDocument::from_request_parts(parts, state).await?;
        let subject = segments(parts, state).await?.into_iter().nth(1);
        let subject = Subject::parse(&subject.unwrap_or_default().1);
        let subject = subject.map_err(|error| invalid(error.to_string()))?;
        Ok(Self(document, subject))
    }
}
