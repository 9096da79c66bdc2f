//! TLS to Redis, by rustls: the server's certificate is always checked, against the given authorities
//! or the machine's own.

use std::sync::Arc;

use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use crate::config::{InvalidConfig, RedisConfig};

/// Certificates and a key, as PEM texts.
#[derive(Clone, Default)]
pub struct TlsConfig {
    /// Authorities that are believed, and no others. Without them, those of this machine.
    pub ca: Option<String>,
    /// This gateway's own certificate, with those between it and its authority.
    pub certificate: Option<String>,
    /// The key of `certificate`.
    pub key: Option<String>,
}

impl TlsConfig {
    pub(crate) fn is_given(&self) -> bool {
        self.ca.is_some() || self.certificate.is_some() || self.key.is_some()
    }
}

/// How to reach a server by TLS.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
}

impl Tls {
    pub(crate) fn new(config: &RedisConfig, host: &str) -> Result<Self, InvalidConfig> {
        // An IPv6 address stands in brackets in a URL, and without them in a certificate.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let server_name = ServerName::try_from(bare.to_owned())
            .map_err(|_| InvalidConfig::Url(format!("{host:?} is no name of a server")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidConfig::Authorities(error.to_string()))?
            .with_root_certificates(roots(&config.tls)?);
        let config = match (&config.tls.certificate, &config.tls.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate).map_err(InvalidConfig::ClientCertificate)?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|error| InvalidConfig::ClientKey(error.to_string()))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| InvalidConfig::ClientKey(error.to_string()))?
            }
            _ => return Err(InvalidConfig::HalfCertificate),
        };
        Ok(Self {
            config: Arc::new(config),
            server_name,
        })
    }
}

fn roots(tls: &TlsConfig) -> Result<RootCertStore, InvalidConfig> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = &tls.ca else {
        let found = rustls_native_certs::load_native_certs();
        let (added, _unusable) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = "this machine has none; give redis_ca_file".to_owned();
            return Err(InvalidConfig::Authorities(why));
        }
        return Ok(roots);
    };
    for certificate in certificates(ca).map_err(InvalidConfig::Authorities)? {
        roots
            .add(certificate)
            .map_err(|error| InvalidConfig::Authorities(error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates of a PEM text, at least one.
fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err("it has no certificate in PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether an error says that one side does not accept the other's certificate. It does not mend by
/// itself. The texts are rustls's own; fred hands on no more than them.
pub(crate) fn is_refusal(error: &str) -> bool {
    error.contains("invalid peer certificate") || error.contains("received fatal alert")
}
