//! `Fetcher`: asks one configured address for its keys. It follows no redirect, waits only so long and
//! reads only so much.

use std::{
    io::{self, BufReader},
    path::Path,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::jwks_url::JwksUrl;

/// Most bytes of a set of keys.
pub(super) const KEYS_BYTES_MAX: usize = 256 * 1024;

/// Asks for keys.
pub(super) struct Fetcher {
    url: JwksUrl,
    tls: Option<TlsConnector>,
    timeout: Duration,
}

/// Why no answer came of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("the name leads away from this machine, and http:// is for loopback alone")]
    Elsewhere,
    #[error("the exchange failed: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("the answer is a redirect ({0}), and none is followed: configure where the keys are")]
    Redirect(StatusCode),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer has more than {KEYS_BYTES_MAX} bytes")]
    TooLarge,
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the host {0:?} is no name that a certificate could have")]
    Name(String),
}

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("{0} cannot be read: {1}")]
    File(String, String),
    #[error("no certificate authority is known: install ca-certificates, or set jwks_ca_file")]
    None,
    #[error("TLS cannot be set up: {0}")]
    Tls(tokio_rustls::rustls::Error),
}

impl Fetcher {
    /// A fetcher that trusts the authorities in `ca_file`, or without one those of this machine.
    pub(super) fn new(
        url: JwksUrl,
        ca_file: Option<&Path>,
        timeout: Duration,
    ) -> Result<Self, TrustError> {
        let tls = url.is_tls.then(|| connector(ca_file)).transpose()?;
        Ok(Self { url, tls, timeout })
    }

    pub(super) fn url(&self) -> &JwksUrl {
        &self.url
    }

    pub(super) async fn fetch(&self) -> Result<Bytes, FetchError> {
        let fetched = timeout(self.timeout, self.exchange()).await;
        fetched.unwrap_or(Err(FetchError::Timeout(self.timeout)))
    }

    async fn exchange(&self) -> Result<Bytes, FetchError> {
        let JwksUrl { host, port, .. } = &self.url;
        let stream = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(FetchError::Connect)?;
        match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| FetchError::Name(host.clone()))?;
                let stream = tls.connect(name, stream).await;
                self.ask(stream.map_err(FetchError::Connect)?).await
            }
            None => {
                let peer = stream.peer_addr().map_err(FetchError::Connect)?;
                if !peer.ip().to_canonical().is_loopback() {
                    return Err(FetchError::Elsewhere);
                }
                self.ask(stream).await
            }
        }
    }

    async fn ask(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Bytes, FetchError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.url.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.url.authority) {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let mut answer = pin!(async move {
            let response = sender.send_request(request).await?;
            match response.status() {
                StatusCode::OK => read(response.into_body()).await,
                status if status.is_redirection() => Err(FetchError::Redirect(status)),
                status => Err(FetchError::Status(status)),
            }
        });
        let mut connection = pin!(connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended?;
                // What was read before the end is still in the answer's hands.
                answer.await
            }
        }
    }
}

async fn read(mut body: Incoming) -> Result<Bytes, FetchError> {
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if text.len() + data.len() > KEYS_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            text.extend_from_slice(&data);
        }
    }
    Ok(text.freeze())
}

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TrustError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unread = |why: String| TrustError::File(path.display().to_string(), why);
            let file = std::fs::File::open(path).map_err(|error| unread(error.to_string()))?;
            for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
                let certificate = certificate.map_err(|error| unread(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unread(error.to_string()))?;
            }
        }
        None => {
            // What this machine has that cannot be read is as good as absent.
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
        }
    }
    if roots.is_empty() {
        return Err(TrustError::None);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
