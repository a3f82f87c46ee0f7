//! This file makes an authority and its certificates for trying things and for tests. Its key is never
//! stored, so nobody can issue another certificate by it later. It must not be used for anything real.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::clock::{Clock, SystemClock, UnixMillis};

/// A certificate is valid from this long before its end, so that a clock that is behind accepts it too.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// An authority whose key exists only as long as this value.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both as PEM.
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        CertifiedIssuer::self_signed(params, key).map(Self)
    }

    /// Returns the authority's own certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate that is valid for this long from now. The names are DNS names, IP addresses,
    /// or URIs.
    pub fn issue(&self, names: &[&str], valid: Duration) -> Result<Issued, rcgen::Error> {
        self.issue_until(names, SystemClock.unix().plus(valid))
    }

    /// Issues a certificate that is valid until this time.
    pub fn issue_until(&self, names: &[&str], end: UnixMillis) -> Result<Issued, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if name.contains("://") => SanType::URI((*name).try_into()?),
                Err(_) => SanType::DnsName((*name).try_into()?),
            });
        }
        let name = names.first().copied().unwrap_or_default();
        params.distinguished_name.push(DnType::CommonName, name);
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(end.0);
        params.not_before = (end - LONGEST).into();
        params.not_after = end.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Issued {
    /// Writes both files. Only their owner may read the key. Each is replaced whole.
    pub fn write(&self, certificate: &Path, key: &Path) -> io::Result<()> {
        replace(key, &self.key)?;
        replace(certificate, &self.certificate)
    }
}

/// Replaces a file whole: a reader sees the old text or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    fs::rename(&beside, path)
}
