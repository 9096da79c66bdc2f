//! How tokens are checked: secret, keys, and what every token has to meet.

use std::path::{Path, PathBuf};

use super::{
    ReadFile, duration,
    keys::{self, Key},
    layers::Layers,
};
use crate::rest::ServerKeys;
use crate::tokens::{ClaimRules, JwksUrl, KeySet, KeySource, TokenConfig, TokenSecret};

/// The settings that say by what a token is checked.
pub(super) const SOURCES: [&Key; 4] = [
    &keys::TOKEN_SECRET,
    &keys::TOKEN_SECRET_FILE,
    &keys::JWKS_FILE,
    &keys::JWKS_URL,
];

pub(super) fn read(layers: &mut Layers, read_file: &ReadFile<'_>) -> TokenConfig {
    TokenConfig {
        secret: secret(layers, read_file),
        source: source(layers, read_file),
        rules: rules(layers),
    }
}

pub(super) fn secret(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<TokenSecret> {
    let parse = |text: &str| TokenSecret::parse(text).map_err(|error| error.to_string());
    let itself = layers.text(&keys::TOKEN_SECRET, parse);
    let from_file = layers.text(&keys::TOKEN_SECRET_FILE, |path| {
        let text = read_file(Path::new(path))
            .map_err(|error| format!("{path:?} cannot be read: {error}"))?;
        parse(&text)
    });
    if itself.is_some() && from_file.is_some() {
        let problem = format!(
            "{} is set too: give one of them",
            keys::TOKEN_SECRET.variable()
        );
        layers.fault(&keys::TOKEN_SECRET_FILE, problem);
    }
    from_file.or(itself)
}

/// The keys of back ends.
pub(super) fn server_keys(layers: &mut Layers, read_file: &ReadFile<'_>) -> ServerKeys {
    let from_file = layers.text(&keys::SERVER_KEYS_FILE, |path| {
        let text = read_file(Path::new(path))
            .map_err(|error| format!("{path:?} cannot be read: {error}"))?;
        ServerKeys::parse(&text).map_err(|error| format!("{path:?}: {error}"))
    });
    from_file.unwrap_or_default()
}

/// What every token has to meet.
pub(super) fn rules(layers: &mut Layers) -> ClaimRules {
    let owned = |text: &str| Ok(text.to_owned());
    ClaimRules {
        issuers: layers.list(&keys::TOKEN_ISSUER, owned),
        audiences: layers.list(&keys::TOKEN_AUDIENCE, owned),
        leeway_ms: layers.number(&keys::TOKEN_LEEWAY_MS),
    }
}

fn source(layers: &mut Layers, read_file: &ReadFile<'_>) -> Option<KeySource> {
    let file = layers.text(&keys::JWKS_FILE, |path| {
        let text = read_file(Path::new(path))
            .map_err(|error| format!("{path:?} cannot be read: {error}"))?;
        KeySet::parse(text.as_bytes()).map_err(|error| format!("{path:?}: {error}"))?;
        Ok(PathBuf::from(path))
    });
    let url = layers.text(&keys::JWKS_URL, |text| {
        // Without the text: it may hold a password.
        JwksUrl::parse(text).map_err(|error| error.to_string())
    });
    let ca_file = layers.text(&keys::JWKS_CA_FILE, |path| Ok(PathBuf::from(path)));
    let (timeout, refresh, retry) = (
        duration(layers, &keys::JWKS_TIMEOUT_MS),
        duration(layers, &keys::JWKS_REFRESH_MS),
        duration(layers, &keys::JWKS_RETRY_MS),
    );
    if ca_file.is_some() && url.is_none() && !layers.has_fault(&[&keys::JWKS_URL]) {
        layers.fault(
            &keys::JWKS_CA_FILE,
            "is of use only with jwks_url".to_owned(),
        );
    }
    match (file, url) {
        (Some(_), Some(_)) => {
            let problem = "jwks_url is set too: give one of them";
            layers.fault(&keys::JWKS_FILE, problem.to_owned());
            None
        }
        (Some(path), None) => Some(KeySource::File(path)),
        (None, Some(url)) => Some(KeySource::Url {
            url,
            ca_file,
            timeout,
            refresh,
            retry,
        }),
        (None, None) => None,
    }
}
