//! TLS as SMTP needs it: rustls over ring, certificates checked against the system's authorities and, where asked, those
//! of one more file. There is no way to switch the check off.

use super::config::{SmtpConfig, Tls};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// What a handshake needs.
#[derive(Clone)]
pub(crate) struct TlsSetup {
    pub config: Arc<ClientConfig>,
    pub name: ServerName<'static>,
}

/// `None` where the transport uses no TLS. Errors are texts for the administrator.
pub(crate) fn set_up(smtp: &SmtpConfig) -> Result<Option<TlsSetup>, String> {
    if smtp.tls == Tls::None {
        return Ok(None);
    }
    let mut extra = Vec::new();
    if let Some(path) = &smtp.ca_file {
        let wrong = |why: String| format!("ca_file {}: {why}", path.display());
        for certificate in CertificateDer::pem_file_iter(path)
            .map_err(|e| wrong(format!("cannot be read: {e}")))?
        {
            extra.push(certificate.map_err(|e| wrong(format!("is no PEM file: {e}")))?);
        }
        if extra.is_empty() {
            return Err(wrong("holds no certificate".into()));
        }
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, provider.clone()).map_err(|e| {
        format!("no certificate authorities to trust ({e}); install ca-certificates or set ca_file")
    })?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = smtp.tls_name.as_deref().unwrap_or(&smtp.host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("{name:?} is no name that a certificate can bear; set tls_name"))?;
    Ok(Some(TlsSetup {
        config: Arc::new(config),
        name,
    }))
}
