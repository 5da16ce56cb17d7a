//! TLS in both directions: what this program proves itself by, and whom it believes. Text in, configuration out.

use std::sync::Arc;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    ServerConfig, SignatureScheme, WantsVerifier,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject as _},
    },
};

/// Whom a client believes.
#[derive(Debug)]
pub enum Believed {
    /// Whoever these authorities vouch for, under the name that it is asked by.
    Roots(RootCertStore),
    /// One certificate, by its SHA-256, whoever signed it and whatever name is in it, and no other.
    Pin([u8; SHA256_OUTPUT_LEN]),
}

/// Why a certificate and a key are of no use to a server.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// There is no certificate in the text.
    #[error("holds no certificate as PEM")]
    Certificate(#[source] pem::Error),
    /// There is no key in the text.
    #[error("holds no private key as PEM")]
    Key(#[source] pem::Error),
    /// They do not belong together, or are of a kind that is not known.
    #[error("certificate and key cannot be used together")]
    Pair(#[from] rustls::Error),
}

/// A server's side: the certificates of its chain, its own first, and the key of that one, both as PEM.
pub fn server(chain: &str, key: &str) -> Result<Arc<ServerConfig>, ServerTlsError> {
    let chain = certificates(chain).map_err(ServerTlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(ServerTlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Whoever comes again need not agree on everything anew, and nothing is remembered of them here.
    config.ticketer = provider::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// A client's side; whether it has a certificate of its own is left to the caller.
pub fn client(
    believed: Believed,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let provider = Arc::new(provider::default_provider());
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
    Ok(match believed {
        Believed::Roots(roots) => builder.with_root_certificates(roots),
        Believed::Pin(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { pin, provider })),
    })
}

/// The certificates of a PEM text; at least one.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(certificates)
}

/// What [`Believed::Pin`] takes: the SHA-256 of a certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
    bytes
}

/// Believes one certificate.
#[derive(Debug)]
struct Pinned {
    pin: [u8; SHA256_OUTPUT_LEN],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if fingerprint(end_entity) == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
