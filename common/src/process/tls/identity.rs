//! This file decides by which names the holder of a client certificate is known: the DNS names and URIs
//! of its subject alternative names (RFC 5280, section 4.2.1.6). The subject's own text names nobody.
//! It must not know what a name may do.

use rustls::pki_types::CertificateDer;
use x509_cert::der::{
    self, Decode, Reader, Tag, TagNumber, Tagged as _,
    asn1::AnyRef,
    oid::{AssociatedOid, ObjectIdentifier, db::rfc5280::ID_CE_SUBJECT_ALT_NAME},
};

use super::certificate::{parsed, valid_until};
use crate::clock::UnixTime;

/// The tags of the two kinds of names (RFC 5280, section 4.2.1.6).
const DNS: Tag = tag(TagNumber(2));
const URI: Tag = tag(TagNumber(6));

const fn tag(number: TagNumber) -> Tag {
    Tag::ContextSpecific {
        constructed: false,
        number,
    }
}

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
            // Names that stand there twice, or that can't be told apart, are no names.
            let names = match certificate.tbs_certificate().get_extension() {
                Ok(Some((_, Names(names)))) => names,
                Ok(None) | Err(_) => Vec::new(),
            };
            Self {
                names: names.into_iter().filter_map(name).collect(),
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

/// The subject alternative names, each still as its bytes: a kind of name that nobody can read must not
/// hide the names beside it.
struct Names<'a>(Vec<AnyRef<'a>>);

impl AssociatedOid for Names<'_> {
    const OID: ObjectIdentifier = ID_CE_SUBJECT_ALT_NAME;
}

impl<'a> Decode<'a> for Names<'a> {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        let names: Vec<AnyRef<'a>> = reader.decode()?;
        match names.iter().find(|it| !it.tag().is_context_specific()) {
            None => Ok(Self(names)),
            Some(other) => Err(other.tag().unexpected_error(None).into()),
        }
    }
}

/// Returns the name as text. Other kinds (addresses, mailboxes) and names with a wildcard are no
/// callers' names.
fn name(name: AnyRef<'_>) -> Option<String> {
    let text = std::str::from_utf8(name.value()).ok()?;
    let text = match name.tag() {
        DNS => format!("dns:{}", text.to_ascii_lowercase()),
        URI => format!("uri:{text}"),
        _ => return None,
    };
    (!text.contains('*')).then_some(text)
}
