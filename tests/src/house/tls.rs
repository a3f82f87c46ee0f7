//! Whether everything in the houses speaks TLS. The variable `TOKENWARD_TEST_TLS` decides it for a whole run
//! of the tests: then every program gets a certificate for every port, and every client trusts its authority.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokenward_common::process::tls::{
    ClientFiles, ClientFlags, ClientTls, Connector, throwaway::Authority,
};
use tonic::transport::{Channel, Endpoint};

/// How long a test's client waits for a connection.
const CONNECT: Duration = Duration::from_secs(10);

static TLS: LazyLock<Option<Material>> =
    LazyLock::new(|| std::env::var_os("TOKENWARD_TEST_TLS").map(|_| Material::new()));

/// The clients' TLS; without TLS they never use it.
static PEERS: LazyLock<Arc<ClientTls>> = LazyLock::new(|| {
    let files = ClientFiles {
        ca: TLS.as_ref().map(|tls| tls.path("ca.pem")),
        own: None,
    };
    Arc::new(ClientTls::new(&files, &ClientFlags::OF_SERVER).expect("the authority is there"))
});

/// The files of one run.
struct Material {
    dir: TempDir,
    config: Arc<ClientConfig>,
    authority: Authority,
    renewed: AtomicU64,
}

impl Material {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("a run of the tests").expect("an authority");
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).expect("a file");
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(&ca).expect("a certificate");
        roots.add(root).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let material = Self {
            dir,
            config: Arc::new(config),
            authority,
            renewed: AtomicU64::new(0),
        };
        material.renew();
        material
    }

    /// Puts another certificate of the servers in place; each lasts for another time.
    fn renew(&self) {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        names.extend((0..super::build::ADDRESSES).map(super::build::address));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let days = 60 + self.renewed.fetch_add(1, SeqCst);
        let lifetime = Duration::from_secs(days * 24 * 3600);
        let issued = self.authority.issue(&names, lifetime);
        let issued = issued.expect("a certificate");
        let files = (self.path("server.pem"), self.path("server.key"));
        issued.write(&files.0, &files.1).expect("files");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Whether this run speaks TLS.
pub fn is_on() -> bool {
    TLS.is_some()
}

/// Puts another certificate in place for all programs of this run, which speaks TLS.
pub fn renew() {
    TLS.as_ref().expect("a run with TLS").renew();
}

/// Returns the URL of a program's port.
pub fn url(address: &str) -> String {
    match is_on() {
        true => format!("https://{address}"),
        false => format!("http://{address}"),
    }
}

/// Makes a gRPC channel to a program's port. It connects when it is first used.
pub fn channel(address: &str) -> Channel {
    let url = url(address).parse().expect("a URL");
    let (endpoint, connector): (Endpoint, _) =
        Connector::endpoint(&url, Arc::clone(&PEERS), CONNECT);
    endpoint.connect_with_connector_lazy(connector)
}

/// A connection to a program's port, whose bytes a test writes by hand.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// Connects to a program's port. Reads fail after `patience`.
pub fn connect(address: &str, patience: Duration) -> io::Result<Box<dyn Wire>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    let Some(tls) = TLS.as_ref() else {
        return Ok(Box::new(stream));
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::clone(&tls.config), name).map_err(io::Error::other)?;
    Ok(Box::new(StreamOwned::new(session, stream)))
}

/// Gives a program the settings of this run, except those that the test gives it.
pub(super) fn set(command: &mut Command) {
    let Some(tls) = TLS.as_ref() else { return };
    let of_servers = [
        ("TOKENWARD_TLS_CERTIFICATE", "server.pem"),
        ("TOKENWARD_TLS_KEY", "server.key"),
        ("TOKENWARD_PEER_CA", "ca.pem"),
        ("TOKENWARD_CA", "ca.pem"),
    ];
    let given: Vec<_> = command
        .get_envs()
        .map(|(name, _)| name.to_owned())
        .collect();
    let is_given = |name: &str| given.iter().any(|it| it == name);
    for (name, file) in of_servers {
        if !is_given(name) {
            command.env(name, tls.path(file));
        }
    }
    if !is_given("TOKENWARD_ADMIN_TLS") {
        command.env("TOKENWARD_ADMIN_TLS", "true");
    }
}
