//! Servers that are reached by TLS, and want to know who connects.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokenward_common::store::redis::{
    OpenError, RedisAccess, RedisPlace, RedisStore, RedisTlsFiles,
};

use super::{fixture::*, group::free_port, server::Server};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        // The names differ, or what is signed would look signed by itself.
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    fn sign(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), signed.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_trusts_by_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        Authority::new(dir.path(), "ours"),
        Authority::new(dir.path(), "theirs"),
    );
    ours.sign("server");
    ours.sign("client");
    theirs.sign("client");
    let port = free_port().to_string();
    let file = |name: &str| ours.file(name).display().to_string();
    let (certificate, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let server = Server::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "yes",
        "--bind",
        "127.0.0.1",
    ]);
    let open = async |ca: &Authority, client: Option<PathBuf>| {
        let tls = RedisTlsFiles {
            ca: Some(ca.file("ca.pem")),
            certificate: client.as_ref().map(|path| path.with_extension("pem")),
            key: client.map(|path| path.with_extension("key")),
        };
        let access = RedisAccess {
            tls,
            ..RedisAccess::default()
        };
        let place = RedisPlace::parse(&format!("rediss://127.0.0.1:{port}"), access).unwrap();
        RedisStore::open(&place, "hub", CREATE).await
    };
    let client = || Some(ours.file("client"));
    one(&open(&ours, client()).await.unwrap(), Vec::new()).await;
    for told in [
        open(&theirs, client()).await,
        open(&ours, None).await,
        open(&ours, Some(theirs.file("client"))).await,
        open(&ours, Some(ours.file("none"))).await,
    ] {
        let told = told.map(|_| ());
        assert!(matches!(told, Err(OpenError::Unavailable(_))), "{told:?}");
    }
    // What was renewed on disk is what the next connection shows.
    let store = open(&ours, client()).await.unwrap();
    ours.sign("client");
    server.ask(&["client", "kill", "type", "normal"]);
    one(&store, Vec::new()).await;
}
