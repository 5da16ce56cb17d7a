//! Whom a link believes. There is no way from TLS to plain text, and none around checking who answers.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::WantsClientCert,
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject as _},
    },
};

use crate::{
    config::{ClientCertificate, Tls},
    tls::Believed,
};

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates or of a key.
    #[error("cannot read {what} from {path}")]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Nobody is believed.
    #[error(
        "this system has no certificates of authorities: install ca-certificates, or name a file in `ca_file`"
    )]
    NoRoots,
    /// What was read is of no use.
    #[error("the certificates cannot be used")]
    Rustls(#[from] rustls::Error),
    /// No certificate is for it.
    #[error("{host} is neither a name nor an address")]
    Name {
        /// The host.
        host: String,
    },
}

/// A configuration by what the files say now.
pub(super) fn config(tls: &Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let believed = match tls.pin {
        Some(pin) => Believed::Pin(pin),
        None => Believed::Roots(roots(tls.ca_file.as_deref())?),
    };
    let builder = crate::tls::client(believed)?;
    Ok(Arc::new(with_client(builder, tls.client.as_ref())?))
}

/// What a server's certificate must be for.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned()).map_err(|_invalid| TlsError::Name {
        host: host.to_owned(),
    })
}

/// Whether `error` means that one side does not believe the other, or that the other side speaks no TLS.
pub(super) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let rustls = error
            .downcast_ref::<rustls::Error>()
            .or_else(|| inner?.downcast_ref::<rustls::Error>());
        if let Some(error) = rustls {
            return matches!(
                error,
                rustls::Error::InvalidCertificate(_)
                    | rustls::Error::AlertReceived(_)
                    | rustls::Error::InvalidMessage(_)
                    | rustls::Error::PeerIncompatible(_)
            );
        }
        cause = error.source();
    }
    false
}

/// The certificates in `file`, else those of the system.
fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = file {
        for certificate in certificates(path)? {
            roots.add(certificate)?;
        }
    } else {
        // Some of a system's certificates may be of a kind that rustls does not know; the others serve.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(roots)
}

fn with_client(
    builder: rustls::ConfigBuilder<ClientConfig, WantsClientCert>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TlsError> {
    let Some(client) = client else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_file(&client.key_file).map_err(|source| TlsError::File {
        what: "a private key",
        path: client.key_file.clone(),
        source,
    })?;
    let chain = certificates(&client.certificate_file)?;
    Ok(builder.with_client_auth_cert(chain, key)?)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        what: "certificates",
        path: path.to_owned(),
        source,
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect();
    let certificates = certificates.map_err(failed)?;
    if certificates.is_empty() {
        return Err(failed(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}
