//! This file reads certificates and keys from PEM text. It decides which problems of a file are told,
//! and must not know what the certificates are for.

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use x509_cert::{
    certificate::{CertificateInner, Raw},
    der::{
        self, Decode, FixedTag as _, Reader,
        asn1::BitStringRef,
        oid::{AssociatedOid, ObjectIdentifier, db::rfc5280::ID_CE_KEY_USAGE},
    },
    ext::pkix::BasicConstraints,
};

use crate::clock::UnixTime;

#[cfg(test)]
mod tests;

/// `Raw` leaves the length of the serial number alone, as rustls does: some authorities number their
/// certificates with more bytes than RFC 5280 lets them (section 4.1.2.2).
pub(super) type Certificate = CertificateInner<Raw>;

/// The longest file that is read, in bytes: a bundle of all public roots is 250 KiB.
pub(super) const MOST_BYTES: u64 = 1024 * 1024;

/// Reads a chain of certificates, the server's own first.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        // The parser's own words repeat lines of the file, and a key may stand in it by mistake.
        .map_err(|_| "it is not PEM".to_owned())?;
    match chain.is_empty() {
        true => Err("it holds no certificate in PEM".into()),
        false => Ok(chain),
    }
}

/// Reads the one private key. No error repeats any of the file.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| "it holds no private key in PEM (PKCS#8, PKCS#1 or SEC1)".into())
}

/// Reads the certificates of authorities that are trusted. Whatever stands in the file can vouch for others
/// from then on, so a certificate that is no authority's is refused: its holder could issue more.
pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(pem)? {
        if !parsed(&certificate, is_authority)? {
            return Err(
                "it holds a certificate that is no authority's (CA:TRUE, keyCertSign)".into(),
            );
        }
        roots
            .add(certificate)
            .map_err(|error| format!("it holds a certificate that can't be used: {error}"))?;
    }
    Ok(roots)
}

/// Whether a certificate may vouch for others (RFC 5280, sections 4.2.1.3 and 4.2.1.9). An extension that
/// can't be read, or that stands there twice, lets it do nothing.
fn is_authority(certificate: &Certificate) -> bool {
    let fields = certificate.tbs_certificate();
    let is_ca = matches!(fields.get_extension::<BasicConstraints>(), Ok(Some((_, it))) if it.ca);
    let may_sign = match fields.get_extension::<KeyUsage>() {
        Ok(usage) => usage.is_none_or(|(_, it)| it.cert_sign),
        Err(_) => false,
    };
    is_ca && may_sign
}

/// What a key may be used for. The library's own type doesn't look behind the last bit that counts.
struct KeyUsage {
    cert_sign: bool,
}

impl AssociatedOid for KeyUsage {
    const OID: ObjectIdentifier = ID_CE_KEY_USAGE;
}

impl<'a> Decode<'a> for KeyUsage {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        let bits: BitStringRef<'_> = reader.decode()?;
        closed(bits)?;
        let cert_sign = bits.get(5).unwrap_or(false);
        Ok(Self { cert_sign })
    }
}

/// Parses a certificate, which must be all of the bytes, and returns what `read` finds in it.
pub(super) fn parsed<T>(
    certificate: &CertificateDer<'_>,
    read: impl FnOnce(&Certificate) -> T,
) -> Result<T, String> {
    let whole = Certificate::from_der(certificate).and_then(|whole| {
        let key = whole.tbs_certificate().subject_public_key_info();
        closed((&key.subject_public_key).into())?;
        closed(whole.signature().into())?;
        Ok(whole)
    });
    whole
        .map(|certificate| read(&certificate))
        .map_err(|error| format!("it holds a certificate that can't be read: {error}"))
}

/// Refuses bits behind the last one that counts (X.690, section 11.2.1): the library lets them be.
fn closed(bits: BitStringRef<'_>) -> der::Result<()> {
    let last = bits.raw_bytes().last().copied().unwrap_or(0);
    match last.trailing_zeros() < bits.unused_bits().into() {
        true => Err(BitStringRef::TAG.non_canonical_error().into()),
        false => Ok(()),
    }
}

/// Returns the first second at which one of the certificates is no longer valid.
pub(super) fn valid_until(chain: &[CertificateDer<'_>]) -> Result<UnixTime, String> {
    let ends: Vec<_> = chain
        .iter()
        .map(|it| parsed(it, end))
        .collect::<Result<_, _>>()?;
    ends.into_iter()
        .min()
        .ok_or_else(|| "it holds no certificate in PEM".into())
}

/// Returns the first second after a certificate's validity, which includes its last second (RFC 5280,
/// section 4.1.2.5).
fn end(certificate: &Certificate) -> UnixTime {
    let validity = certificate.tbs_certificate().validity();
    let last = validity.not_after.to_unix_duration().as_secs();
    UnixTime(last.saturating_add(1))
}
