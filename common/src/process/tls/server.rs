//! This file decides how a listener speaks TLS: 1.2 and 1.3, with the certificate of its files, and with
//! client certificates if an authority for them is set. It must not know what is sent over a connection.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use rustls::{
    HandshakeKind, ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    certificate,
    expiry::Expiry,
    identity::Identity,
    provider,
    reread::{Contents, NamedFile, Reread, named},
};
use crate::{
    clock::{Clock, SystemClock, UnixTime},
    process::settings::Mistake,
};

/// The most bytes of a connection that wait to be sent, beside what HTTP itself holds. It is one record, and
/// bounds what a client that takes nothing can make a program hold.
const BUFFER: usize = 16 * 1024;

/// The files by which listeners speak TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerFiles {
    /// The listener's certificate, followed by those between it and the authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The authorities of client certificates. `None`: no client is asked for one.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate may connect all the same.
    pub client_optional: bool,
}

/// What is spoken over TLS on a listener. A client that offers only other protocols is refused, so that
/// bytes of one can't be taken for another (ALPACA).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alpn {
    Http2,
    Http1,
}

/// What the files make.
struct Material {
    http2: Arc<ServerConfig>,
    http1: Arc<ServerConfig>,
    valid_until: UnixTime,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The TLS of a program's listeners.
pub struct ServerTls {
    material: Reread<Material>,
    expiry: Mutex<Expiry>,
    handshakes: Family<Outcome, Counter>,
}

const CERTIFICATE: &str = "--tls-certificate";

impl ServerTls {
    pub fn new(files: &ServerFiles) -> Result<Self, Mistake> {
        let mut read: Vec<NamedFile> = vec![
            (CERTIFICATE, files.certificate.clone()),
            ("--tls-key", files.key.clone()),
        ];
        read.extend(files.client_ca.clone().map(|ca| ("--tls-client-ca", ca)));
        let (named_files, optional) = (read.clone(), files.client_optional);
        let build = move |contents: &Contents| material(&named_files, contents, optional);
        Ok(Self {
            material: Reread::new(read, build)?,
            expiry: Mutex::default(),
            handshakes: Family::default(),
        })
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tls_files_broken",
            "1: the files of TLS can't be used, and those before them stand",
            self.material.broken.clone(),
        );
        registry.register(
            "tls_certificate_expiry_timestamp_seconds",
            "When the listeners' certificate, or one of its chain, ends, as Unix time",
            self.expiry().at.clone(),
        );
        registry.register(
            "tls_handshakes",
            "Handshakes with clients: full, resumed, failed",
            self.handshakes.clone(),
        );
    }

    /// Reads the files again until stopped, and reports the end of the certificate.
    pub async fn follow(self: Arc<Self>, hurry: watch::Receiver<u64>, stop: CancellationToken) {
        let each = |material: &Material| {
            let now = SystemClock.unix().seconds();
            self.expiry().note(CERTIFICATE, material.valid_until, now);
        };
        self.material.follow(hurry, stop, each).await;
    }

    /// Shakes hands with a client. The caller limits the time.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
        alpn: Alpn,
    ) -> io::Result<(TlsStream<S>, Option<Arc<Identity>>)> {
        let material = self.material.current();
        let config = match alpn {
            Alpn::Http2 => &material.http2,
            Alpn::Http1 => &material.http1,
        };
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let accept = acceptor.accept_with(socket, |connection| {
            connection.set_buffer_limit(Some(BUFFER));
        });
        let accepted = match accept.await {
            Ok(stream) => identity(&stream, SystemClock.unix().seconds()).map(|it| (stream, it)),
            Err(error) => Err(error),
        };
        let outcome = match &accepted {
            Err(_) => "failed",
            Ok((stream, _)) => match stream.get_ref().1.handshake_kind() {
                Some(HandshakeKind::Resumed) => "resumed",
                _ => "full",
            },
        };
        self.handshakes.get_or_create(&Outcome { outcome }).inc();
        accepted
    }

    /// Whether the files that are there now can't be used.
    #[cfg(test)]
    pub(super) fn is_broken(&self) -> bool {
        self.material.broken.get() == 1
    }

    /// The number of handshakes with this outcome.
    #[cfg(test)]
    pub(super) fn shaken(&self, outcome: &'static str) -> u64 {
        self.handshakes.get_or_create(&Outcome { outcome }).get()
    }

    fn expiry(&self) -> std::sync::MutexGuard<'_, Expiry> {
        self.expiry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns who the client is. A resumed session shows the certificate of its first handshake without
/// verifying it again, so its end is judged here.
fn identity<S>(stream: &TlsStream<S>, now: UnixTime) -> io::Result<Option<Arc<Identity>>> {
    let Some(chain) = stream.get_ref().1.peer_certificates() else {
        return Ok(None);
    };
    let identity = Identity::from_chain(chain).map_err(io::Error::other)?;
    match identity.is_valid(now) {
        true => Ok(Some(Arc::new(identity))),
        false => Err(io::Error::other("the client's certificate has ended")),
    }
}

fn material(
    files: &[NamedFile],
    contents: &Contents,
    client_optional: bool,
) -> Result<Material, Mistake> {
    let ([certificate_file, key_file, rest @ ..], [certificate, key, authorities @ ..]) =
        (files, contents.as_slice())
    else {
        return Err(Mistake::new(CERTIFICATE, "required".into()));
    };
    let chain = certificate::chain(certificate).map_err(named(certificate_file))?;
    let valid_until = certificate::valid_until(&chain).map_err(named(certificate_file))?;
    let key = certificate::key(key).map_err(named(key_file))?;
    let with_versions = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| named(certificate_file)(error.to_string()))?;
    let with_clients = match (rest.first(), authorities.first()) {
        (Some(file), Some(pem)) => {
            let roots = certificate::authorities(pem).map_err(named(file))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            let verifier = match client_optional {
                true => verifier.allow_unauthenticated(),
                false => verifier,
            };
            let verifier = verifier.build();
            let verifier = verifier.map_err(|error| named(file)(error.to_string()))?;
            with_versions.with_client_cert_verifier(verifier)
        }
        _ => with_versions.with_no_client_auth(),
    };
    let mut config = with_clients.with_single_cert(chain, key).map_err(|error| {
        named(key_file)(format!("it does not go with the certificate: {error}"))
    })?;
    // Sessions are resumed by tickets alone, whose keys are made anew whenever a file changes: a client
    // whose authority was removed must not come back by an old ticket.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = rustls::crypto::ring::Ticketer::new()
        .map_err(|error| named(certificate_file)(error.to_string()))?;
    // Without the extended master secret, a resumed TLS 1.2 session can be spliced (RFC 7627).
    config.require_ems = true;
    // Early data could be replayed. 0 is rustls' default too.
    config.max_early_data_size = 0;
    let mut http1 = config.clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Material {
        http2: Arc::new(config),
        http1: Arc::new(http1),
        valid_until,
    })
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTls(..)")
    }
}
