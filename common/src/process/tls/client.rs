//! This file decides whom a program trusts when it calls another server over TLS, and which certificate
//! it shows there. It must not know what it calls for.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::registry::Registry;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    certificate,
    expiry::Expiry,
    provider,
    reread::{Contents, NamedFile, Reread, named},
    server::Alpn,
};
use crate::{
    clock::{Clock, SystemClock, UnixTime},
    process::settings::Mistake,
};

/// The files by which a program calls other servers over TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientFiles {
    /// The authorities that are trusted, and no others. `None`: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The certificate and its key that are shown to a server that asks for one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// A connection is made anew so many seconds before the end of the certificate that it shows.
const SOON: u64 = 60;

struct Material {
    config: ClientConfig,
    /// When the program's own certificate ends.
    valid_until: Option<UnixTime>,
}

/// The TLS of a program's calls to other servers.
pub struct ClientTls {
    material: Reread<Material>,
    expiry: Mutex<Expiry>,
}

/// The flags that name the files, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientFlags {
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
}

impl ClientFlags {
    /// The flags of the servers.
    pub const OF_SERVER: Self = Self {
        ca: "--peer-ca",
        certificate: "--peer-certificate",
        key: "--peer-key",
    };
    /// The flags of the command.
    pub const OF_COMMAND: Self = Self {
        ca: "--ca",
        certificate: "--client-certificate",
        key: "--client-key",
    };
}

impl ClientTls {
    pub fn new(files: &ClientFiles, flags: &ClientFlags) -> Result<Self, Mistake> {
        let mut read: Vec<NamedFile> = Vec::new();
        read.extend(files.ca.clone().map(|ca| (flags.ca, ca)));
        if let Some((certificate, key)) = &files.own {
            read.push((flags.certificate, certificate.clone()));
            read.push((flags.key, key.clone()));
        }
        let named_files = read.clone();
        // The system's authorities are read once: they change with the system's packages.
        let system = files.ca.is_none().then(system_authorities);
        let build = move |contents: &Contents| material(&named_files, contents, system.as_ref());
        Ok(Self {
            material: Reread::new(read, build)?,
            expiry: Mutex::default(),
        })
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "peer_tls_files_broken",
            "1: the files of TLS to other servers can't be used, and those before them stand",
            self.material.broken.clone(),
        );
        registry.register(
            "peer_certificate_expiry_timestamp_seconds",
            "When the certificate that is shown to other servers ends, as Unix time; 0: there is none",
            self.expiry().at.clone(),
        );
    }

    /// Reads the files again until stopped, and reports the end of the program's own certificate.
    pub async fn follow(self: Arc<Self>, hurry: watch::Receiver<u64>, stop: CancellationToken) {
        let each = |material: &Material| {
            if let Some(valid_until) = material.valid_until {
                let now = SystemClock.unix().seconds();
                self.expiry()
                    .note(ClientFlags::OF_SERVER.certificate, valid_until, now);
            }
        };
        self.material.follow(hurry, stop, each).await;
    }

    /// Shakes hands with the server of this name. The caller limits the time.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
        host: &str,
        alpn: Alpn,
    ) -> io::Result<TlsStream<S>> {
        // An IPv6 address stands in brackets in a URL, and without them in a certificate.
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let name = ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|_| {
            io::Error::other("the URL's host is no name that a certificate can have")
        })?;
        let mut config = self.material.current().config.clone();
        config.alpn_protocols = vec![match alpn {
            Alpn::Http2 => b"h2".to_vec(),
            Alpn::Http1 => b"http/1.1".to_vec(),
        }];
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }

    /// Returns when the certificate that new connections show ends.
    pub(super) fn own_until(&self) -> Option<UnixTime> {
        self.material.current().valid_until
    }

    /// Whether a connection should be made anew that shows a certificate which ends then: it has ended, or
    /// it ends soon and a later one is there.
    pub(super) fn is_outlived(&self, until: UnixTime) -> bool {
        let now = SystemClock.unix().seconds();
        let renewed = self.own_until().is_some_and(|later| later > until);
        now >= until || (renewed && now.0 + SOON >= until.0)
    }

    fn expiry(&self) -> std::sync::MutexGuard<'_, Expiry> {
        self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A system has some that can't be used, and one without any may need none: a call then fails.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn material(
    files: &[NamedFile],
    contents: &Contents,
    system: Option<&RootCertStore>,
) -> Result<Material, Mistake> {
    let mut read = files.iter().zip(contents);
    let roots = match system {
        Some(roots) => roots.clone(),
        None => match read.next() {
            Some((file, pem)) => certificate::authorities(pem).map_err(named(file))?,
            None => return Err(Mistake::new(ClientFlags::OF_SERVER.ca, "required".into())),
        },
    };
    let wrong =
        |error: rustls::Error| Mistake::new(ClientFlags::OF_SERVER.certificate, error.to_string());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_root_certificates(roots);
    let (config, valid_until) = match (read.next(), read.next()) {
        (Some((certificate_file, certificate)), Some((key_file, key))) => {
            let chain = certificate::chain(certificate).map_err(named(certificate_file))?;
            let end = certificate::valid_until(&chain).map_err(named(certificate_file))?;
            let key = certificate::key(key).map_err(named(key_file))?;
            let config = builder.with_client_auth_cert(chain, key).map_err(|error| {
                named(key_file)(format!("it does not go with the certificate: {error}"))
            })?;
            (config, Some(end))
        }
        _ => (builder.with_no_client_auth(), None),
    };
    Ok(Material {
        config,
        valid_until,
    })
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientTls(..)")
    }
}
