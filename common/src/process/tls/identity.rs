//! This file decides by which names the holder of a client certificate is known: the DNS names and URIs
//! of its subject alternative names (RFC 5280, section 4.2.1.6). The subject's own text names nobody.
//! It must not know what a name may do.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use super::certificate::{parsed, valid_until};
use crate::clock::UnixTime;

/// Who is at the other end of a connection, as its certificate proved it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The names as `dns:hub.example` or `uri:spiffe://example/hub`.
    names: Vec<String>,
    valid_until: UnixTime,
}

impl Identity {
    /// Reads a chain that the handshake has verified, the holder's own certificate first. It is valid until
    /// the first of them ends: a resumed session is not verified again.
    pub(super) fn from_chain(chain: &[CertificateDer<'_>]) -> Result<Self, String> {
        let valid_until = valid_until(chain)?;
        let first = chain.first().ok_or("it holds no certificate")?;
        parsed(first, |certificate| {
            let names = match certificate.subject_alternative_name() {
                Ok(Some(extension)) => &extension.value.general_names,
                _ => &Vec::new(),
            };
            Self {
                names: names.iter().filter_map(name).collect(),
                valid_until,
            }
        })
    }

    /// Makes an identity without a certificate.
    #[cfg(any(test, feature = "testing"))]
    pub fn for_tests(names: &[&str], valid_until: UnixTime) -> Self {
        Self {
            names: names.iter().map(|&name| name.into()).collect(),
            valid_until,
        }
    }

    /// Whether all certificates are still valid. A connection may outlive it.
    pub fn is_valid(&self, now: UnixTime) -> bool {
        now < self.valid_until
    }

    /// Returns the first second at which the certificate is no longer valid.
    pub fn valid_until(&self) -> UnixTime {
        self.valid_until
    }

    /// Whether this is one of the certificate's names.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|it| it == name)
    }
}

/// Returns the name as text. Other kinds (addresses, mailboxes) and names with a wildcard are no
/// callers' names.
fn name(name: &GeneralName<'_>) -> Option<String> {
    let text = match name {
        GeneralName::DNSName(name) => format!("dns:{}", name.to_ascii_lowercase()),
        GeneralName::URI(uri) => format!("uri:{uri}"),
        _ => return None,
    };
    (!text.contains('*')).then_some(text)
}
