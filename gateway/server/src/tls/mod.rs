//! TLS of our own listeners, by rustls with ring: 1.2 and 1.3, and no certificate is asked of clients.
//! What is shown may change while they are open: handshakes from then on show the new one, and nothing
//! that was agreed on before is touched.

mod reload;

use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::counters::{Counters, Limit};

pub use reload::{Hangup, TlsFiles};

/// What a connection may become after a handshake of an HTTP listener, in the order of our liking.
const HTTP_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Our end of a connection within TLS.
pub type Secured = TlsStream<TcpStream>;

/// What is shown to clients. Cheap to clone; every clone shows the same.
#[derive(Clone)]
pub struct ServerTls {
    shown: Arc<Shown>,
    bare: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
}

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

/// The pair of the next handshake.
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(shown.clone())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl ServerTls {
    /// From PEM texts: the certificate with those between it and its authority behind it, and its key.
    pub fn parse(certificates: &str, key: &str) -> Result<Self, InvalidServerTls> {
        let shown = Arc::new(Shown(RwLock::new(pair(certificates, key)?)));
        let bare = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidServerTls::Pair(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        let mut http = bare.clone();
        http.alpn_protocols = HTTP_PROTOCOLS.map(<[u8]>::to_vec).into();
        Ok(Self {
            shown,
            bare: Arc::new(bare),
            http: Arc::new(http),
        })
    }

    /// Shows another pair from now on; what is no pair changes nothing.
    pub fn replace(&self, certificates: &str, key: &str) -> Result<(), InvalidServerTls> {
        let pair = pair(certificates, key)?;
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
        Ok(())
    }

    /// For a listener whose protocol follows from its port.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.bare.clone())
    }

    /// For a listener of HTTP: the handshake agrees on the version (ALPN).
    pub fn http_acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.http.clone())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// A certificate with its chain, and the key that it is about.
fn pair(certificates: &str, key: &str) -> Result<Arc<CertifiedKey>, InvalidServerTls> {
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
    // It looks whether the two belong together.
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map(Arc::new)
        .map_err(|error| InvalidServerTls::Pair(error.to_string()))
}

/// How a handshake is made, and how long it may take.
#[derive(Clone)]
pub struct Handshake {
    pub acceptor: TlsAcceptor,
    pub within: Duration,
    pub stopping: CancellationToken,
    pub counters: Arc<Counters>,
}

impl Handshake {
    /// The connection within TLS; `None` if there is none and nothing more to do.
    pub async fn shake(&self, stream: TcpStream) -> Option<Secured> {
        self.in_time(self.acceptor.accept(stream)).await
    }

    /// What a part of a handshake gives, unless it fails or takes too long.
    pub async fn in_time<T>(&self, part: impl Future<Output = io::Result<T>>) -> Option<T> {
        let shaken = tokio::select! {
            () = self.stopping.cancelled() => return None,
            shaken = timeout(self.within, part) => shaken,
        };
        match shaken {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => {
                debug!(%error, "a connection was cut: its TLS handshake failed");
                None
            }
            Err(_) => {
                self.counters.breach(Limit::HeaderTime);
                debug!("a connection was cut: its TLS handshake took too long");
                None
            }
        }
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

    #[test]
    fn what_is_no_pair_changes_nothing() {
        let (certificate, key) = pair();
        let tls = ServerTls::parse(&certificate, &key).unwrap();
        let shown = || tls.shown.0.read().unwrap().cert.clone();
        let before = shown();
        let (other, its_key) = pair();
        assert!(tls.replace(&other, &key).is_err());
        assert_eq!(shown(), before);
        tls.replace(&other, &its_key).unwrap();
        assert_ne!(shown(), before);
    }
}
