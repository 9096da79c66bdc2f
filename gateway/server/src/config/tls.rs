//! The certificate of our own listeners.

use std::path::PathBuf;

use super::{
    ReadFile,
    keys::{self, Key},
    layers::Layers,
};
use crate::tls::{InvalidServerTls, ServerTls, TlsFiles};

/// What is shown to clients, and where it came from.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    pub tls: ServerTls,
    pub files: TlsFiles,
}

/// Certificate and key, if there are any; a listener that needs them and finds none is a fault.
pub(super) fn read(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<TlsConfig> {
    let config = pair(layers, read_file);
    let is_told = layers.has_fault(&[&keys::TLS_CERTIFICATE, &keys::TLS_KEY]);
    for listener in [&keys::TLS_LISTEN, &keys::STOMP_TLS_LISTEN] {
        if !layers.is_default(listener) && config.is_none() && !is_told {
            layers.fault(listener, "needs tls_certificate and tls_key".to_owned());
        }
    }
    config
}

fn pair(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<TlsConfig> {
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
    let ((certificate_file, certificate), (key_file, key)) = (certificate?, key?);
    let files = TlsFiles {
        certificate: certificate_file,
        key: key_file,
    };
    match ServerTls::parse(&certificate, &key) {
        Ok(tls) => Some(TlsConfig { tls, files }),
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

/// The file that the key names, and what stands in it.
fn file(layers: &mut Layers, key: &Key, read_file: &ReadFile<'_>) -> Option<(PathBuf, String)> {
    layers.text(key, |path| {
        let path = PathBuf::from(path);
        match read_file(&path) {
            Ok(text) => Ok((path, text)),
            Err(error) => Err(format!("{path:?} cannot be read: {error}")),
        }
    })
}
