//! TLS of our own listeners, by rustls with ring: 1.2 and 1.3, and no certificate is asked of clients.

use std::{fmt, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// What is shown to clients. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

/// Why a certificate and its key cannot be used. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerTls {
    #[error("has no certificate in PEM: {0}")]
    Certificate(String),
    #[error("has no private key in PEM: {0}")]
    Key(String),
    #[error("does not go with the certificate: {0}")]
    Pair(String),
}

impl ServerTls {
    /// From PEM texts: the certificate with those between it and its authority behind it, and its key.
    pub fn parse(certificates: &str, key: &str) -> Result<Self, InvalidServerTls> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
        let chain = match chain {
            Ok(chain) if chain.is_empty() => Err("there is none".to_owned()),
            Ok(chain) => Ok(chain),
            Err(error) => Err(error.to_string()),
        };
        let chain = chain.map_err(InvalidServerTls::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| InvalidServerTls::Key(error.to_string()))?;
        let pair = |error: tokio_rustls::rustls::Error| InvalidServerTls::Pair(error.to_string());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(pair)?;
        Ok(Self(Arc::new(config)))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.clone())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn pair() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_own_key() {
        let (certificate, key) = pair();
        assert!(ServerTls::parse(&certificate, &key).is_ok());
        let other = pair().1;
        let found = ServerTls::parse(&certificate, &other).unwrap_err();
        assert!(matches!(found, InvalidServerTls::Pair(_)), "{found}");
        let found = ServerTls::parse(&key, &key).unwrap_err();
        assert!(matches!(found, InvalidServerTls::Certificate(_)), "{found}");
        let found = ServerTls::parse(&certificate, "no key").unwrap_err();
        assert!(matches!(found, InvalidServerTls::Key(_)), "{found}");
    }
}
