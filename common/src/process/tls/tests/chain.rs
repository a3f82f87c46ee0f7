//! Certificates that an intermediate authority signed. It may end before they do, and they end with it.

use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

/// A root that a house trusts in place of its authority.
struct Root {
    house: House,
    root: CertifiedIssuer<'static, KeyPair>,
}

fn params(name: &str, end: UnixMillis) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let end = SystemTime::UNIX_EPOCH + Duration::from_millis(end.0);
    params.not_before = (end - DAY * 365).into();
    params.not_after = end.into();
    params
}

fn authority(name: &str, end: UnixMillis) -> CertificateParams {
    let mut params = params(name, end);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn in_a_day() -> UnixMillis {
    SystemClock.unix().plus(DAY)
}

fn an_hour_ago() -> UnixMillis {
    UnixMillis(SystemClock.unix().0 - 3_600_000)
}

impl Root {
    fn new() -> Self {
        let house = House::new();
        let root = authority("a root", in_a_day());
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(house.path("ca.pem"), root.pem()).unwrap();
        let root = Self { house, root };
        root.issue("server", "localhost", in_a_day());
        root
    }

    /// Issues a certificate for a day, by an intermediate authority that is valid until `end`.
    fn issue(&self, name: &str, holder: &str, end: UnixMillis) {
        let key = KeyPair::generate().unwrap();
        let between = authority("an intermediate", end);
        let between = CertifiedIssuer::signed_by(between, key, &self.root).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = params(holder, in_a_day());
        let holder = rcgen::SanType::DnsName(holder.try_into().unwrap());
        leaf.subject_alt_names.push(holder);
        let leaf = leaf.signed_by(&key, &between).unwrap();
        let issued = throwaway::Issued {
            certificate: leaf.pem() + &between.pem(),
            key: key.serialize_pem(),
        };
        self.house.write(name, issued);
    }
}

#[tokio::test]
async fn a_certificate_ends_with_its_intermediate() {
    let root = Root::new();
    let house = &root.house;
    root.issue("hub", "hub.x", in_a_day());
    let server = house.server(Some(false));
    let shaken = shake(&server, &house.client(Some("hub")), "localhost").await;
    assert!(shaken.unwrap().unwrap().has("dns:hub.x"));

    root.issue("hub", "hub.x", an_hour_ago());
    let refused = shake(&server, &house.client(Some("hub")), "localhost").await;
    assert!(refused.is_err(), "{refused:?}");
    // A client judges its server so too.
    root.issue("server", "localhost", an_hour_ago());
    let ended = shake(&house.server(None), &house.client(None), "localhost").await;
    assert!(ended.unwrap_err().contains("expired"));
}

/// The chain is verified in the first handshake only. The end of its first certificate to end is judged in
/// each, and so is an open connection's.
#[tokio::test]
async fn no_session_outlives_an_intermediate() {
    let root = Root::new();
    let house = &root.house;
    let end = SystemClock.unix().plus(Duration::from_secs(2));
    root.issue("hub", "hub.x", end);
    let server = house.server(Some(false));
    let client = house.client(Some("hub"));
    for _ in 0..2 {
        let identity = shake(&server, &client, "localhost").await;
        let identity = identity.unwrap().unwrap();
        assert_eq!(identity.valid_until().0, end.seconds().0 + 1);
        assert!(!identity.is_valid(identity.valid_until()));
    }
    assert_eq!(server.shaken("resumed"), 1, "the client has a ticket");
    becomes("the ended client is refused", async || {
        shake(&server, &client, "localhost").await.is_err()
    })
    .await;
}
