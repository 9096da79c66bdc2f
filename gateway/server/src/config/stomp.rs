//! STOMP without a WebSocket, and the certificate of our own listeners.

use std::{net::SocketAddr, path::Path};

use super::{
    ReadFile, fields,
    keys::{self, Key},
    layers::Layers,
};
use crate::tls::{InvalidServerTls, ServerTls};

/// Where STOMP clients connect without a WebSocket.
#[derive(Debug, Clone, Default)]
pub struct StompConfig {
    /// In the clear.
    pub plain: Vec<SocketAddr>,
    /// Within TLS; there is a certificate where there are any.
    pub secured: Vec<SocketAddr>,
    pub tls: Option<ServerTls>,
}

impl StompConfig {
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.plain.iter().chain(&self.secured).copied()
    }
}

pub(super) fn read(layers: &mut Layers, read_file: &ReadFile<'_>) -> StompConfig {
    let config = StompConfig {
        plain: layers.list(&keys::STOMP_LISTEN, fields::address),
        secured: layers.list(&keys::STOMP_TLS_LISTEN, fields::address),
        tls: tls(layers, read_file),
    };
    let is_told = layers.has_fault(&[&keys::TLS_CERTIFICATE, &keys::TLS_KEY]);
    if !config.secured.is_empty() && config.tls.is_none() && !is_told {
        let problem = "needs tls_certificate and tls_key";
        layers.fault(&keys::STOMP_TLS_LISTEN, problem.to_owned());
    }
    config
}

fn tls(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<ServerTls> {
    let given = |layers: &Layers, key: &Key| !layers.is_default(key);
    let (has_certificate, has_key) = (
        given(layers, &keys::TLS_CERTIFICATE),
        given(layers, &keys::TLS_KEY),
    );
    let certificate = file(layers, &keys::TLS_CERTIFICATE, read_file);
    let key = file(layers, &keys::TLS_KEY, read_file);
    if has_certificate != has_key {
        let (alone, missing) = match has_certificate {
            true => (&keys::TLS_CERTIFICATE, &keys::TLS_KEY),
            false => (&keys::TLS_KEY, &keys::TLS_CERTIFICATE),
        };
        layers.fault(alone, format!("needs {} too", missing.name));
    }
    match ServerTls::parse(&certificate?, &key?) {
        Ok(tls) => Some(tls),
        Err(fault) => {
            let key = match fault {
                InvalidServerTls::Certificate(_) => &keys::TLS_CERTIFICATE,
                InvalidServerTls::Key(_) | InvalidServerTls::Pair(_) => &keys::TLS_KEY,
            };
            layers.fault(key, fault.to_string());
            None
        }
    }
}

/// What stands in the file that the key names.
fn file(layers: &mut Layers, key: &Key, read_file: &ReadFile<'_>) -> Option<String> {
    layers.text(key, |path| {
        read_file(Path::new(path)).map_err(|error| format!("{path:?} cannot be read: {error}"))
    })
}
