//! SockJS over WebSockets.
use super::{mount::Mount, target::Target};
use crate::routes::Gateway;
use axum::{extract::Request, response::Response};

pub(super) async fn upgrade(
    _gateway: Gateway,
    _mount: &Mount,
    _target: Target<'_>,
    _request: Request,
) -> Response {
    Response::default()
}
